//! What answers mean: the scores, needs, flags and alerts that an instrument's rules find in them.
//!
//! Pure functions over the instrument and the answers. A question that was declined or not put is never taken for a no: a sum with
//! a part missing has no value, and a rule over it holds only if the parts that are there reach its threshold by themselves.

use std::collections::{BTreeMap, HashMap};

use super::findings::{AbsentReason, Answer, Answered, Completeness, Findings, Flag, RaisedNeed, SafetyAlert, ScoreResult};
use crate::error::Fault;
use crate::instruments::definition::{
    AnswerOption, Band, Condition, ConditionTest, InstrumentInput, Item, ItemKind, ScoreMethod, ScoreRule,
};
use crate::instruments::number;
use crate::languages;
use crate::types::find_domain;

/// What the answers mean, quoted in the instrument's first language; see [`score_in`].
#[cfg(test)]
pub fn score(instrument: &InstrumentInput, answers: &[Answer]) -> Findings {
    score_in(instrument, answers, None)
}

/// What the answers mean, with questions and answers quoted in this language where the instrument has it. Answers that [`faults`] would
/// refuse are taken as not given.
pub fn score_in(instrument: &InstrumentInput, answers: &[Answer], language: Option<&str>) -> Findings {
    let sheet = Sheet { language, ..Sheet::new(instrument, answers) };
    Findings {
        scores: instrument.scores.iter().map(|rule| sheet.score(rule)).collect(),
        positive_items: sheet.positive_items(),
        needs: sheet.needs(),
        flags: sheet.flags(),
        safety_alerts: sheet.safety_alerts(),
        completeness: sheet.completeness(),
        is_sensitive: answers.iter().any(|answer| instrument.is_sensitive_item(&answer.link_id)),
    }
}

/// Every fault of the answers: items and options that the instrument does not have, values outside their range, derived values that
/// do not agree. Questions without an answer are no fault.
pub fn faults(instrument: &InstrumentInput, answers: &[Answer]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (index, answer) in answers.iter().enumerate() {
        let pointer = format!("/answers/{index}");
        if answers.iter().take(index).any(|earlier| earlier.link_id == answer.link_id) {
            faults.push(Fault::new(format!("{pointer}/link_id"), "duplicate", "the item is answered twice"));
        }
        match instrument.item(&answer.link_id) {
            None => faults.push(Fault::new(format!("{pointer}/link_id"), "unknown_item", "the instrument has no such item")),
            Some(item) => answer_faults(item, answer, &pointer, &mut faults),
        }
    }
    if faults.is_empty() {
        derived_faults(instrument, answers, &mut faults);
    }
    faults
}

fn answer_faults(item: &Item, answer: &Answer, pointer: &str, faults: &mut Vec<Fault>) {
    let mut fault = |field: &str, code: &'static str, message: String| faults.push(Fault::new(format!("{pointer}{field}"), code, message));
    let has_answer = !answer.codes.is_empty() || answer.value.is_some();
    match (has_answer, answer.absent_reason.is_some()) {
        (true, true) => fault("/absent_reason", "contradiction", "there is an answer".into()),
        (false, false) => fault("", "required", "needs codes, a value or an absent_reason".into()),
        _ => {}
    }
    let takes_codes = matches!(item.kind, ItemKind::Choice | ItemKind::Multi | ItemKind::Derived) && !item.options.is_empty();
    let takes_value = matches!(item.kind, ItemKind::Scale | ItemKind::Quantity | ItemKind::Derived);
    if !takes_codes && !answer.codes.is_empty() {
        fault("/codes", "not_allowed", "the item is answered with a value".into());
    }
    if answer.unit.is_some() && (item.kind != ItemKind::Quantity || answer.value.is_none()) {
        fault("/unit", "not_allowed", "only a quantity has a unit".into());
    } else if answer.unit.is_some() && answer.unit != item.unit {
        fault("/unit", "wrong_unit", format!("must be in {}", item.unit.as_deref().unwrap_or_default()));
    }
    if let Some(value) = answer.value {
        if !takes_value {
            fault("/value", "not_allowed", "the item is answered with codes".into());
        }
        if item.kind == ItemKind::Scale && value.fract() != 0.0 {
            fault("/value", "not_whole", "a scale takes whole numbers".into());
        }
        if item.minimum.is_some_and(|minimum| value < minimum) || item.maximum.is_some_and(|maximum| value > maximum) {
            let bound = |bound: Option<f64>, open: &str| bound.map_or_else(|| open.to_owned(), number::text);
            let message = format!("must be between {} and {}", bound(item.minimum, "any"), bound(item.maximum, "any"));
            fault("/value", "out_of_range", message);
        }
    }
    if takes_codes {
        for (index, code) in answer.codes.iter().enumerate() {
            if item.option(code).is_none() {
                fault(&format!("/codes/{index}"), "unknown_option", "the item has no such option".into());
            } else if answer.codes.iter().take(index).any(|earlier| same_option(item, earlier, code)) {
                fault(&format!("/codes/{index}"), "duplicate", "the option is chosen twice".into());
            }
        }
        if answer.codes.len() > 1 {
            let stands_alone = |code: &String| item.option(code).is_some_and(|option| option.is_exclusive || option.is_refusal);
            if item.kind != ItemKind::Multi {
                fault("/codes", "too_many", "the item takes one option".into());
            } else if answer.codes.iter().any(stands_alone) {
                fault("/codes", "exclusive", "one of the options stands alone".into());
            }
        }
    }
}

fn same_option(item: &Item, one: &str, other: &str) -> bool {
    item.option(one).zip(item.option(other)).is_some_and(|(one, other)| std::ptr::eq(one, other))
}

fn derived_faults(instrument: &InstrumentInput, answers: &[Answer], faults: &mut Vec<Fault>) {
    let sheet = Sheet::new(instrument, answers);
    for (index, answer) in answers.iter().enumerate() {
        let Some(rule) = instrument.item(&answer.link_id).and_then(|item| instrument.score(item.score.as_deref()?)) else { continue };
        let computed = sheet.score(rule);
        if answer.value.is_some() && answer.value != computed.value {
            let message =
                computed.value.map_or("the answers do not decide it".into(), |value| format!("the answers give {}", number::text(value)));
            faults.push(Fault::new(format!("/answers/{index}/value"), "derived_mismatch", message));
        }
        if let Some(code) = answer.codes.first()
            && computed.result_code.as_ref() != Some(code)
        {
            let message = computed.result_code.map_or("the answers do not decide it".into(), |code| format!("the answers give {code}"));
            faults.push(Fault::new(format!("/answers/{index}/codes/0"), "derived_mismatch", message));
        }
    }
}

/// What was given for an item.
enum Given<'a> {
    /// Nothing, or it was not put.
    NotAsked,
    /// The person declined or did not know.
    Declined,
    /// These options.
    Chosen(Vec<&'a AnswerOption>),
    /// This number.
    Number(f64),
}

/// A sum as far as it is known.
struct Tally {
    /// The sum of the parts that are there.
    present: f64,
    /// The least that the missing parts can take away; 0 unless a part can be negative.
    floor: f64,
    /// How many parts are missing.
    missing: u32,
}

impl Tally {
    fn new(parts: impl Iterator<Item = (Option<f64>, f64)>) -> Self {
        let mut tally = Self { present: 0.0, floor: 0.0, missing: 0 };
        for (value, least) in parts {
            match value {
                Some(value) => tally.present += value,
                None => {
                    tally.missing += 1;
                    tally.floor += least.min(0.0);
                }
            }
        }
        tally
    }

    /// The sum, with all its parts but as many as may be missing.
    fn value(&self, missing_allowed: u32) -> Option<f64> {
        (self.missing <= missing_allowed).then_some(self.present)
    }

    /// What the sum will at least be, whatever the missing parts are.
    fn reached(&self) -> f64 {
        self.present + self.floor
    }
}

/// The answers laid over the instrument.
struct Sheet<'a> {
    instrument: &'a InstrumentInput,
    answers: HashMap<&'a str, &'a Answer>,
    /// What answers are quoted in; the instrument's first language where it is none, or one that the instrument lacks.
    language: Option<&'a str>,
}

impl<'a> Sheet<'a> {
    fn new(instrument: &'a InstrumentInput, answers: &'a [Answer]) -> Self {
        Self { instrument, answers: answers.iter().map(|answer| (answer.link_id.as_str(), answer)).collect(), language: None }
    }

    fn given(&self, item: &'a Item) -> Given<'a> {
        let Some(answer) = self.answers.get(item.link_id.as_str()) else { return Given::NotAsked };
        match answer.absent_reason {
            Some(AbsentReason::NotAsked) => return Given::NotAsked,
            Some(AbsentReason::AskedDeclined | AbsentReason::AskedUnknown) => return Given::Declined,
            None => {}
        }
        if let Some(value) = answer.value {
            return Given::Number(value);
        }
        let chosen: Vec<_> = answer.codes.iter().filter_map(|code| item.option(code)).collect();
        if chosen.iter().any(|option| option.is_refusal) {
            Given::Declined
        } else if chosen.is_empty() {
            Given::NotAsked
        } else {
            Given::Chosen(chosen)
        }
    }

    fn is_answered(&self, item: &'a Item) -> bool {
        matches!(self.given(item), Given::Chosen(_) | Given::Number(_))
    }

    fn items<'s>(&'s self, link_ids: &'s [String]) -> impl Iterator<Item = &'a Item> + 's {
        link_ids.iter().filter_map(|link_id| self.instrument.item(link_id))
    }

    /// The number that an item stands for; of a derived one, its score.
    fn number(&self, item: &'a Item) -> Option<f64> {
        if !item.is_asked() {
            return self.score(self.instrument.score(item.score.as_deref()?)?).value;
        }
        match self.given(item) {
            Given::Number(value) => Some(value),
            Given::Chosen(options) => options.iter().map(|option| option.score).sum(),
            Given::NotAsked | Given::Declined => None,
        }
    }

    fn tally(&self, link_ids: &[String]) -> Tally {
        Tally::new(self.items(link_ids).map(|item| {
            let least = item.numbers().and_then(|(least, _)| least).unwrap_or(f64::NEG_INFINITY);
            (self.number(item), least)
        }))
    }

    /// Whether the condition holds; none while missing answers leave it open.
    fn holds(&self, condition: &Condition) -> Option<bool> {
        if condition.test == ConditionTest::AnyAnswer {
            return self.any_answer(condition);
        }
        let threshold = condition.threshold?;
        let tally = self.tally(&condition.items);
        match condition.test {
            ConditionTest::AnyAnswer => None,
            ConditionTest::SumGte => decided(tally.value(0).map(|sum| sum >= threshold), tally.reached() >= threshold, true),
            ConditionTest::SumGt => decided(tally.value(0).map(|sum| sum > threshold), tally.reached() > threshold, true),
            ConditionTest::SumLte => decided(tally.value(0).map(|sum| sum <= threshold), tally.reached() > threshold, false),
            ConditionTest::ProductLt => {
                let numbers: Vec<_> = self.items(&condition.items).map(|item| self.number(item)).collect();
                let product: Option<f64> = numbers.iter().copied().product();
                decided(product.map(|product| product < threshold), numbers.contains(&Some(0.0)) && 0.0 < threshold, true)
            }
        }
    }

    fn any_answer(&self, condition: &Condition) -> Option<bool> {
        let is_named = |option: &AnswerOption| condition.answers.iter().any(|answer| option.stands_for(answer));
        let chosen = |item| matches!(self.given(item), Given::Chosen(options) if options.iter().any(|option| is_named(option)));
        decided(
            self.items(&condition.items).all(|item| self.is_answered(item)).then_some(false),
            self.items(&condition.items).any(chosen),
            true,
        )
    }

    fn score(&self, rule: &ScoreRule) -> ScoreResult {
        let mut result = ScoreResult {
            code: rule.code.clone(),
            title: rule.title.clone(),
            value: None,
            minimum: rule.minimum,
            maximum: rule.maximum,
            band: None,
            is_positive: None,
            result_code: None,
            missing: 0,
            is_sensitive: rule.link_ids().any(|link_id| self.instrument.is_sensitive_item(link_id)),
        };
        match rule.method {
            ScoreMethod::AnyPositive => {
                let missing = self.items(&rule.items).filter(|item| !self.is_answered(item)).count();
                let is_positive = self.items(&rule.items).any(|item| self.is_positive(item));
                result.missing = count(missing);
                result.is_positive = decided((missing == 0).then_some(false), is_positive, true);
                result.result_code = rule.result_codes.as_ref().zip(result.is_positive).map(|(codes, is_positive)| codes.of(is_positive));
            }
            ScoreMethod::Sum => rule.read(&self.tally(&rule.items), &mut result),
            ScoreMethod::Points => {
                let parts = rule.points.iter().map(|points| {
                    let value = self.holds(&points.when).map(|holds| if holds { points.score } else { 0.0 });
                    (value, points.score)
                });
                rule.read(&Tally::new(parts), &mut result);
            }
        }
        result
    }

    fn is_positive(&self, item: &'a Item) -> bool {
        matches!(self.given(item), Given::Chosen(options) if options.iter().any(|option| option.is_positive))
    }

    fn positive_items(&self) -> Vec<String> {
        let positive = self.instrument.items.iter().filter(|item| item.is_asked() && self.is_positive(item));
        positive.map(|item| item.link_id.clone()).collect()
    }

    fn answered_items(&self, condition: &Condition) -> Vec<String> {
        self.items(&condition.items).filter(|item| !item.is_asked() || self.is_answered(item)).map(|item| item.link_id.clone()).collect()
    }

    fn needs(&self) -> Vec<RaisedNeed> {
        let mut needs: Vec<RaisedNeed> = Vec::new();
        for rule in self.instrument.need_rules.iter().filter(|rule| self.holds(&rule.when) == Some(true)) {
            let items = self.answered_items(&rule.when);
            for domain in &rule.raises {
                let is_sensitive = rule.is_sensitive || find_domain(domain).is_some_and(|domain| domain.is_sensitive);
                match needs.iter_mut().find(|need| need.domain == *domain && need.label == rule.label) {
                    Some(need) => {
                        need.rules.push(rule.id.clone());
                        need.items.extend(items.iter().filter(|item| !need.items.contains(item)).cloned().collect::<Vec<_>>());
                        need.is_sensitive |= is_sensitive;
                    }
                    None => needs.push(RaisedNeed {
                        domain: domain.clone(),
                        label: rule.label.clone(),
                        rules: vec![rule.id.clone()],
                        items: items.clone(),
                        is_sensitive,
                        need_id: None,
                    }),
                }
            }
        }
        needs
    }

    fn flags(&self) -> Vec<Flag> {
        let rules = self.instrument.need_rules.iter().filter(|rule| self.holds(&rule.when) == Some(true));
        rules
            .filter_map(|rule| {
                Some(Flag {
                    flag: rule.flag.clone()?,
                    rule: rule.id.clone(),
                    items: self.answered_items(&rule.when),
                    follow_with: rule.follow_with.clone(),
                    is_sensitive: rule.is_sensitive,
                })
            })
            .collect()
    }

    fn safety_alerts(&self) -> Vec<SafetyAlert> {
        let rules = self.instrument.safety_rules.iter().filter(|rule| self.holds(&rule.when) == Some(true));
        rules
            .map(|rule| SafetyAlert {
                flag: rule.flag.clone(),
                rule: rule.id.clone(),
                action: rule.action.clone(),
                answers: self.items(&rule.when.items).filter_map(|item| self.answered(item)).collect(),
                is_sensitive: rule.is_sensitive,
            })
            .collect()
    }

    fn answered(&self, item: &'a Item) -> Option<Answered> {
        let answer = match self.given(item) {
            Given::Number(value) => number::text(value),
            Given::Chosen(options) => {
                let words = |option: &&AnswerOption| self.translation(&option.translations).unwrap_or(&option.text).to_owned();
                options.iter().map(words).collect::<Vec<_>>().join("; ")
            }
            Given::NotAsked | Given::Declined => return None,
        };
        let question = self.translation(&item.translations).or(item.text.as_deref()).or(item.topic.as_deref());
        Some(Answered { link_id: item.link_id.clone(), question: question.map(str::to_owned), answer })
    }

    /// The wording in the language of the screening; one for another region is better than none.
    fn translation<'t>(&self, translations: &'t BTreeMap<String, String>) -> Option<&'t str> {
        let language = self.language?;
        let is_alike = |(tag, _): &(&String, &String)| languages::same(tag, language);
        translations.get(language).or_else(|| translations.iter().find(is_alike).map(|(_, text)| text)).map(String::as_str)
    }

    fn completeness(&self) -> Completeness {
        let mut completeness = Completeness { is_complete: true, ..Completeness::default() };
        for item in self.instrument.items.iter().filter(|item| item.is_asked()) {
            match self.given(item) {
                Given::Chosen(_) | Given::Number(_) => completeness.answered += 1,
                Given::Declined => completeness.declined += 1,
                Given::NotAsked if item.is_optional => continue,
                Given::NotAsked => completeness.not_asked += 1,
            }
            completeness.is_complete &= item.is_optional || self.is_answered(item);
        }
        completeness
    }
}

/// `known` where the answers suffice, else `verdict` where it is `certain` all the same.
fn decided(known: Option<bool>, certain: bool, verdict: bool) -> Option<bool> {
    if certain { Some(verdict) } else { known }
}

fn count(items: usize) -> u32 {
    u32::try_from(items).unwrap_or(u32::MAX)
}

impl ScoreRule {
    /// Every item that the score looks at.
    fn link_ids(&self) -> impl Iterator<Item = &str> {
        self.items.iter().chain(self.points.iter().flat_map(|points| &points.when.items)).map(String::as_str)
    }

    /// Reads value, band and cut-off from a sum. With parts missing, only what is certain already: the topmost band, a cut-off reached.
    fn read(&self, tally: &Tally, result: &mut ScoreResult) {
        let value = tally.value(self.missing_allowed);
        let holds = |band: &&Band| match value {
            Some(value) => (band.minimum..=band.maximum).contains(&value),
            None => false,
        };
        let topmost = || self.bands.last().filter(|band| tally.reached() >= band.minimum);
        let band = if value.is_some() { self.bands.iter().find(holds) } else { topmost() };
        let above = self.positive_from.and_then(|from| decided(value.map(|value| value >= from), tally.reached() >= from, true));
        let below = self.positive_until.and_then(|until| decided(value.map(|value| value <= until), tally.reached() > until, false));
        result.value = value;
        result.missing = tally.missing;
        result.band = band.map(|band| band.label.clone());
        result.is_positive = above.or(below);
    }
}

#[cfg(test)]
#[path = "scoring_tests.rs"]
mod tests;
