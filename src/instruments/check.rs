//! Whether an instrument makes sense: what its rules name exists, its scores can be computed, its bands do not overlap.
//!
//! Bounds of single fields are the schema's business. All faults are found at once, each with its JSON pointer.

use std::collections::HashSet;

use super::definition::{Condition, ConditionTest, InstrumentInput, Item, ItemKind, ScoreMethod, ScoreRule};
use super::number;
use crate::error::Fault;
use crate::types::find_domain;

/// Every fault of the instrument; none when it can be used.
pub fn faults(instrument: &InstrumentInput) -> Vec<Fault> {
    let mut check = Check { instrument, faults: Vec::new() };
    check.unique("/items", "link_id", instrument.items.iter().map(|item| item.link_id.as_str()));
    check.unique("/scores", "code", instrument.scores.iter().map(|score| score.code.as_str()));
    check.unique("/need_rules", "id", instrument.need_rules.iter().map(|rule| rule.id.as_str()));
    check.unique("/safety_rules", "id", instrument.safety_rules.iter().map(|rule| rule.id.as_str()));
    for (index, item) in instrument.items.iter().enumerate() {
        check.item(&format!("/items/{index}"), item);
    }
    for (index, score) in instrument.scores.iter().enumerate() {
        check.score(&format!("/scores/{index}"), score);
    }
    for (index, rule) in instrument.need_rules.iter().enumerate() {
        let pointer = format!("/need_rules/{index}");
        check.condition(&format!("{pointer}/when"), &rule.when, true);
        check.domains(&format!("{pointer}/raises"), &rule.raises);
        if rule.raises.is_empty() && rule.flag.is_none() {
            check.fault(pointer, "without_effect", "raises no need and sets no flag");
        }
    }
    for (index, rule) in instrument.safety_rules.iter().enumerate() {
        check.condition(&format!("/safety_rules/{index}/when"), &rule.when, true);
    }
    check.faults
}

struct Check<'a> {
    instrument: &'a InstrumentInput,
    faults: Vec<Fault>,
}

impl Check<'_> {
    fn fault(&mut self, pointer: impl Into<String>, code: &'static str, message: impl Into<String>) {
        self.faults.push(Fault::new(pointer, code, message));
    }

    fn unique<'t>(&mut self, pointer: &str, field: &str, keys: impl Iterator<Item = &'t str>) {
        let mut seen = HashSet::new();
        for (index, key) in keys.enumerate() {
            if !seen.insert(key) {
                self.fault(format!("{pointer}/{index}/{field}"), "duplicate", format!("{key} stands twice"));
            }
        }
    }

    fn domains(&mut self, pointer: &str, domains: &[String]) {
        for (index, domain) in domains.iter().enumerate() {
            if find_domain(domain).is_none() {
                self.fault(format!("{pointer}/{index}"), "unknown_domain", format!("{domain} is not a need domain"));
            }
        }
    }

    fn languages<'t>(&mut self, pointer: &str, tags: impl Iterator<Item = &'t String>) {
        for tag in tags {
            if !self.instrument.languages.contains(tag) {
                self.fault(format!("{pointer}/{tag}"), "unknown_language", format!("{tag} is not among the instrument's languages"));
            }
        }
    }

    fn item(&mut self, pointer: &str, item: &Item) {
        if item.text.is_none() && item.is_asked() && item.text_withheld.is_none() {
            self.fault(format!("{pointer}/text"), "required", "a question without wording must say in text_withheld why");
        }
        self.languages(&format!("{pointer}/translations"), item.translations.keys());
        self.domains(&format!("{pointer}/need_domains"), &item.need_domains);
        self.options(pointer, item);
        match item.kind {
            ItemKind::Choice | ItemKind::Multi if item.options.is_empty() => {
                self.fault(format!("{pointer}/options"), "required", "a choice needs options");
            }
            ItemKind::Scale | ItemKind::Quantity if !item.options.is_empty() => {
                self.fault(format!("{pointer}/options"), "not_allowed", "a number has no options");
            }
            ItemKind::Scale if item.minimum.is_none() || item.maximum.is_none() => {
                self.fault(pointer, "required", "a scale needs minimum and maximum");
            }
            ItemKind::Quantity if item.unit.is_none() => self.fault(format!("{pointer}/unit"), "required", "a quantity needs its unit"),
            ItemKind::Derived => self.derived(pointer, item),
            _ => {}
        }
        if item.minimum.zip(item.maximum).is_some_and(|(minimum, maximum)| minimum >= maximum) {
            self.fault(format!("{pointer}/maximum"), "out_of_order", "must be more than minimum");
        }
        if item.is_asked() && item.score.is_some() {
            self.fault(format!("{pointer}/score"), "not_allowed", "only a derived item shows a score");
        }
    }

    fn options(&mut self, pointer: &str, item: &Item) {
        let mut seen = HashSet::new();
        for (index, option) in item.options.iter().enumerate() {
            let pointer = format!("{pointer}/options/{index}");
            if !seen.insert(option.code.as_str()) {
                self.fault(format!("{pointer}/code"), "duplicate", format!("{} stands twice", option.code));
            }
            for (index, code) in option.also_accept.iter().enumerate() {
                if !seen.insert(code) {
                    self.fault(format!("{pointer}/also_accept/{index}"), "duplicate", format!("{code} stands twice"));
                }
            }
            if option.is_refusal && (option.is_positive || option.score.is_some()) {
                self.fault(pointer.clone(), "contradiction", "a refusal is neither positive nor scored");
            }
            self.languages(&format!("{pointer}/translations"), option.translations.keys());
        }
    }

    fn derived(&mut self, pointer: &str, item: &Item) {
        let Some(score) = &item.score else {
            return self.fault(format!("{pointer}/score"), "required", "a derived item names its score");
        };
        match self.instrument.score(score) {
            None => self.fault(format!("{pointer}/score"), "unknown_score", format!("there is no score {score}")),
            Some(ScoreRule { result_codes: Some(codes), .. }) => {
                for code in [&codes.positive, &codes.negative] {
                    if item.option(code).is_none() {
                        self.fault(format!("{pointer}/options"), "unknown_code", format!("lacks the result code {code}"));
                    }
                }
            }
            Some(_) => {}
        }
        let shown_before =
            self.instrument.items.iter().take_while(|other| !std::ptr::eq(*other, item)).any(|other| other.score == item.score);
        if shown_before {
            self.fault(format!("{pointer}/score"), "duplicate", format!("another item shows {score}"));
        }
    }

    fn score(&mut self, pointer: &str, score: &ScoreRule) {
        let lists_items = score.method != ScoreMethod::Points;
        if lists_items == score.items.is_empty() {
            let fault =
                if lists_items { ("required", "this method needs items") } else { ("not_allowed", "points name their items themselves") };
            self.fault(format!("{pointer}/items"), fault.0, fault.1);
        }
        if lists_items != score.points.is_empty() {
            let fault =
                if lists_items { ("not_allowed", "only the method points has them") } else { ("required", "this method needs points") };
            self.fault(format!("{pointer}/points"), fault.0, fault.1);
        }
        self.items(&format!("{pointer}/items"), &score.items, score.method == ScoreMethod::Sum, false);
        for (index, points) in score.points.iter().enumerate() {
            self.condition(&format!("{pointer}/points/{index}/when"), &points.when, false);
        }
        if score.method == ScoreMethod::AnyPositive {
            for (index, item) in score.items.iter().enumerate() {
                if self.instrument.item(item).is_some_and(|item| !item.options.iter().any(|option| option.is_positive)) {
                    self.fault(format!("{pointer}/items/{index}"), "never_positive", format!("{item} has no positive option"));
                }
            }
            if !score.bands.is_empty() || score.positive_from.is_some() || score.positive_until.is_some() {
                self.fault(pointer, "not_allowed", "a result without a number has neither bands nor a cut-off");
            }
        }
        if score.positive_from.is_some() && score.positive_until.is_some() {
            self.fault(format!("{pointer}/positive_until"), "not_allowed", "a score is positive above or below a cut-off, not both");
        }
        if score.missing_allowed > 0 && score.method != ScoreMethod::Sum {
            self.fault(format!("{pointer}/missing_allowed"), "not_allowed", "only a sum may lack items");
        }
        self.range(pointer, score);
        self.bands(pointer, score);
    }

    /// The declared range must hold every score that the answers can give.
    fn range(&mut self, pointer: &str, score: &ScoreRule) {
        let (least, greatest) = possible(self.instrument, score);
        if let Some((minimum, least)) = score.minimum.zip(least).filter(|(minimum, least)| minimum > least) {
            let message = format!("{} is declared, {} can be reached", number::text(minimum), number::text(least));
            self.fault(format!("{pointer}/minimum"), "out_of_range", message);
        }
        if let Some((maximum, greatest)) = score.maximum.zip(greatest).filter(|(maximum, greatest)| maximum < greatest) {
            let message = format!("{} is declared, {} can be reached", number::text(maximum), number::text(greatest));
            self.fault(format!("{pointer}/maximum"), "out_of_range", message);
        }
    }

    fn bands(&mut self, pointer: &str, score: &ScoreRule) {
        for (index, band) in score.bands.iter().enumerate() {
            let pointer = format!("{pointer}/bands/{index}");
            if band.minimum > band.maximum {
                self.fault(format!("{pointer}/maximum"), "out_of_order", "must not be less than minimum");
            }
            if score.minimum.is_some_and(|minimum| band.minimum < minimum) || score.maximum.is_some_and(|maximum| band.maximum > maximum) {
                self.fault(pointer, "out_of_range", "lies outside the score's range");
            }
        }
        for (index, pair) in score.bands.windows(2).enumerate() {
            if let [band, next] = pair
                && next.minimum <= band.maximum
            {
                let message = format!("{} and {} overlap or stand out of order", band.label, next.label);
                self.fault(format!("{pointer}/bands/{}", index + 1), "overlap", message);
            }
        }
    }

    fn condition(&mut self, pointer: &str, condition: &Condition, derived_allowed: bool) {
        let by_answer = condition.test == ConditionTest::AnyAnswer;
        self.items(&format!("{pointer}/items"), &condition.items, !by_answer, derived_allowed);
        if by_answer == condition.answers.is_empty() {
            let fault = if by_answer { ("required", "any_answer needs answers") } else { ("not_allowed", "only any_answer has answers") };
            self.fault(format!("{pointer}/answers"), fault.0, fault.1);
        }
        if by_answer == condition.threshold.is_some() {
            let fault =
                if by_answer { ("not_allowed", "any_answer has no threshold") } else { ("required", "this test needs a threshold") };
            self.fault(format!("{pointer}/threshold"), fault.0, fault.1);
        }
        for (index, answer) in condition.answers.iter().enumerate() {
            let known = condition.items.iter().filter_map(|item| self.instrument.item(item)).any(|item| item.option(answer).is_some());
            if !known {
                self.fault(format!("{pointer}/answers/{index}"), "unknown_answer", format!("none of the items has the answer {answer}"));
            }
        }
    }

    /// The items exist, stand once, and give a number where one is needed.
    fn items(&mut self, pointer: &str, items: &[String], numeric: bool, derived_allowed: bool) {
        let mut seen = HashSet::new();
        for (index, link_id) in items.iter().enumerate() {
            let pointer = format!("{pointer}/{index}");
            if !seen.insert(link_id) {
                self.fault(pointer.clone(), "duplicate", format!("{link_id} stands twice"));
            }
            match self.instrument.item(link_id) {
                None => self.fault(pointer, "unknown_item", format!("there is no item {link_id}")),
                Some(item) if !item.is_asked() && !derived_allowed => {
                    self.fault(pointer, "not_allowed", "a score cannot be made of derived items");
                }
                Some(item) if !item.is_asked() && !numeric => self.fault(pointer, "not_allowed", "a derived item has no answer"),
                Some(item) if numeric && item.is_asked() && item.numbers().is_none() => {
                    self.fault(pointer, "not_scored", format!("an option of {link_id} has no score"));
                }
                Some(_) => {}
            }
        }
    }
}

/// The least and greatest score that answers can give; None is without limit.
fn possible(instrument: &InstrumentInput, score: &ScoreRule) -> (Option<f64>, Option<f64>) {
    match score.method {
        ScoreMethod::AnyPositive => (None, None),
        ScoreMethod::Points => {
            let sum = |keep: fn(&f64) -> bool| score.points.iter().map(|points| points.score).filter(keep).sum();
            (Some(sum(|score| *score < 0.0)), Some(sum(|score| *score > 0.0)))
        }
        ScoreMethod::Sum => {
            let ranges: Vec<_> = score.items.iter().filter_map(|item| instrument.item(item)?.numbers()).collect();
            let may_be_missing = score.missing_allowed > 0;
            let least = ranges.iter().map(|(least, _)| if may_be_missing { least.map(|least| least.min(0.0)) } else { *least }).sum();
            (least, ranges.iter().map(|(_, greatest)| *greatest).sum())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instruments::shipped;

    fn codes(change: impl FnOnce(&mut InstrumentInput)) -> Vec<(String, String)> {
        let mut instrument = shipped::find("phq-9").unwrap().clone();
        change(&mut instrument);
        faults(&instrument).into_iter().map(|fault| (fault.pointer, fault.code.into_owned())).collect()
    }

    fn one(change: impl FnOnce(&mut InstrumentInput), pointer: &str, code: &str) {
        assert_eq!(codes(change), [(pointer.to_owned(), code.to_owned())]);
    }

    #[test]
    fn shipped_instruments_have_no_faults() {
        for instrument in shipped::instruments() {
            assert_eq!(faults(instrument), [], "{}", instrument.code);
        }
    }

    #[test]
    fn a_rule_over_an_unknown_item_is_refused() {
        one(|phq9| phq9.need_rules[0].when.items[0] = "/0-0".into(), "/need_rules/0/when/items/0", "unknown_item");
    }

    #[test]
    fn a_duplicate_item_and_a_duplicate_code_are_refused() {
        one(|phq9| phq9.items.push(phq9.items[10].clone()), "/items/11/link_id", "duplicate");
        one(|phq9| phq9.items[10].options[1].code = "LA6572-7".into(), "/items/10/options/1/code", "duplicate");
    }

    #[test]
    fn overlapping_bands_are_refused() {
        one(|phq9| phq9.scores[0].bands[1].minimum = 4.0, "/scores/0/bands/1", "overlap");
    }

    #[test]
    fn a_range_that_the_answers_can_leave_is_refused() {
        one(
            |phq9| {
                phq9.scores[0].maximum = Some(26.0);
                phq9.scores[0].bands.clear();
            },
            "/scores/0/maximum",
            "out_of_range",
        );
    }

    #[test]
    fn an_unknown_domain_is_refused() {
        one(|phq9| phq9.need_rules[0].raises.push("hunger".into()), "/need_rules/0/raises/0", "unknown_domain");
    }

    #[test]
    fn a_sum_over_answers_without_points_is_refused() {
        one(|phq9| phq9.safety_rules[0].when.items[0] = "/69722-7".into(), "/safety_rules/0/when/items/0", "not_scored");
    }

    #[test]
    fn all_faults_are_reported_at_once() {
        let found = codes(|phq9| {
            phq9.items[0].text = None;
            phq9.items[9].score = Some("sum".into());
            phq9.need_rules[0].flag = None;
            phq9.need_rules[0].when.threshold = None;
        });
        let codes: Vec<_> = found.iter().map(|(_, code)| code.as_str()).collect();
        assert_eq!(codes, ["required", "unknown_score", "required", "without_effect"], "{found:?}");
    }
}
