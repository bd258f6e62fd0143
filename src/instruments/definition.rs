//! What a screening instrument is: its questions, its answers, and how they are scored, all as data.
//!
//! No instrument is known to the program. The wording, the licence it stands under, the points of each answer, the cut-offs and what
//! they mean come with the file, so that another instrument, or another cut-off, is another file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::number;
use crate::text_enum;
use crate::types::find_domain;

/// Under what terms an instrument may be used. Travels with every copy of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Licence {
    /// The terms in short.
    #[schema(min_length = 1, max_length = 2_000, example = "Free. No permission required to reproduce, translate, display or distribute.")]
    pub summary: String,
    /// The line to show with the instrument.
    #[schema(
        min_length = 1,
        max_length = 2_000,
        example = "Developed by Drs. Robert L. Spitzer, Janet B.W. Williams, Kurt Kroenke and colleagues."
    )]
    pub attribution: String,
    /// Where the terms are stated.
    #[schema(min_length = 1, max_length = 1_000, example = "https://www.phqscreeners.com/")]
    pub source: String,
    /// The notice that LOINC asks for, where LOINC codes are used.
    #[serde(default)]
    #[schema(max_length = 2_000, example = "This material contains content from LOINC (http://loinc.org).")]
    pub loinc_notice: Option<String>,
}

/// A code of a foreign system, with its words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Coding {
    /// The code system's URI.
    #[schema(min_length = 1, max_length = 200, example = "http://loinc.org")]
    pub system: String,
    /// The code within the system.
    #[schema(min_length = 1, max_length = 100, example = "44249-1")]
    pub code: String,
    /// The code in words.
    #[serde(default)]
    #[schema(max_length = 500, example = "PHQ-9 quick depression assessment panel [Reported.PHQ]")]
    pub display: Option<String>,
}

/// A page that helps to use the instrument well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = InstrumentGuidance)]
pub struct Guidance {
    /// What the page is.
    #[schema(min_length = 1, max_length = 300, example = "How to screen for social needs in primary care")]
    pub title: String,
    /// Where it is.
    #[schema(format = "uri", max_length = 1_000, example = "https://example.org/guidance/social-needs")]
    pub url: String,
}

text_enum! {
    /// How an item is answered.
    pub enum ItemKind {
        /// One of the options.
        Choice = "choice",
        /// Any of the options.
        Multi = "multi",
        /// A whole number between `minimum` and `maximum`.
        Scale = "scale",
        /// A number in `unit`.
        Quantity = "quantity",
        /// Not asked: computed by the server from the score named in `score`.
        Derived = "derived",
    }
}

/// An answer that can be chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerOption {
    /// The code by which the answer is sent.
    #[schema(min_length = 1, max_length = 100, example = "LA6570-1")]
    pub code: String,
    /// The code's system; absent for a code of this instrument alone.
    #[serde(default)]
    #[schema(max_length = 200, example = "http://loinc.org")]
    pub system: Option<String>,
    /// The wording, in the instrument's first language.
    #[schema(min_length = 1, max_length = 2_000, example = "More than half the days")]
    pub text: String,
    /// The wording in other languages, by BCP 47 tag.
    #[serde(default)]
    #[schema(example = json!({"fr": "Plus de la moitié des jours"}))]
    pub translations: BTreeMap<String, String>,
    /// The points it gives.
    #[serde(default, serialize_with = "number::option")]
    #[schema(example = 2)]
    pub score: Option<f64>,
    /// Whether it speaks for a need or a problem.
    #[serde(default)]
    #[schema(example = false)]
    pub is_positive: bool,
    /// Whether it stands alone in an item of several answers: none of the above.
    #[serde(default)]
    #[schema(example = false)]
    pub is_exclusive: bool,
    /// Whether choosing it means not answering: "I choose not to answer". It never counts as a no.
    #[serde(default)]
    #[schema(example = false)]
    pub is_refusal: bool,
    /// Other codes under which the same answer may arrive.
    #[serde(default)]
    #[schema(max_items = 20, example = json!(["LA18938-3"]))]
    pub also_accept: Vec<String>,
}

/// One question, or one derived value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = InstrumentItem)]
pub struct Item {
    /// The item's key in this instrument.
    #[schema(min_length = 1, max_length = 100, example = "/44250-9")]
    pub link_id: String,
    /// How it is answered.
    pub kind: ItemKind,
    /// The wording, in the instrument's first language; null where `text_withheld` says why.
    #[serde(default)]
    #[schema(max_length = 5_000, example = "Little interest or pleasure in doing things")]
    pub text: Option<String>,
    /// The wording in other languages, by BCP 47 tag.
    #[serde(default)]
    #[schema(example = json!({"fr": "Peu d'intérêt ou de plaisir à faire des choses"}))]
    pub translations: BTreeMap<String, String>,
    /// Why the wording is not carried, and how to obtain it.
    #[serde(default)]
    #[schema(max_length = 1_000, example = "Copyright of its author; obtain permission, then load the wording.")]
    pub text_withheld: Option<String>,
    /// What it is about, in a word or two.
    #[serde(default)]
    #[schema(max_length = 300, example = "interest or pleasure")]
    pub topic: Option<String>,
    /// Words that lead into this item.
    #[serde(default)]
    #[schema(max_length = 2_000, example = "Over the past 2 weeks, how often have you been bothered by any of the following problems?")]
    pub stem: Option<String>,
    /// The item's LOINC code.
    #[serde(default)]
    #[schema(pattern = "^[0-9]{1,8}-[0-9]$", example = "44250-9")]
    pub loinc: Option<String>,
    /// The answers of a choice; of a derived item, the codes its score can take.
    #[serde(default)]
    #[schema(max_items = 200)]
    pub options: Vec<AnswerOption>,
    /// The score that a derived item shows.
    #[serde(default)]
    #[schema(max_length = 60, example = "total")]
    pub score: Option<String>,
    /// UCUM unit of a quantity; of a choice that stands for one, for the reader.
    #[serde(default)]
    #[schema(max_length = 40, example = "/wk")]
    pub unit: Option<String>,
    /// Least value of a scale or quantity.
    #[serde(default, serialize_with = "number::option")]
    #[schema(example = 0)]
    pub minimum: Option<f64>,
    /// Greatest value of a scale or quantity.
    #[serde(default, serialize_with = "number::option")]
    #[schema(example = 10)]
    pub maximum: Option<f64>,
    /// What the least value of a scale means.
    #[serde(default)]
    #[schema(max_length = 300, example = "not at all")]
    pub minimum_label: Option<String>,
    /// What the greatest value of a scale means.
    #[serde(default)]
    #[schema(max_length = 300, example = "completely")]
    pub maximum_label: Option<String>,
    /// Whether the screening is complete without it.
    #[serde(default)]
    #[schema(example = false)]
    pub is_optional: bool,
    /// Whether its answer is shown only where consent names sensitive data.
    #[serde(default)]
    #[schema(example = false)]
    pub is_sensitive: bool,
    /// The need domains that the question, whatever its answer, is about.
    #[serde(default)]
    #[schema(max_items = 20, example = json!(["food-insecurity"]))]
    pub need_domains: Vec<String>,
    /// Where the item comes from.
    #[serde(default)]
    #[schema(max_length = 1_000, example = "Hunger Vital Sign (Hager 2010)")]
    pub origin: Option<String>,
    /// How far its positive answers have been checked, and against what.
    #[serde(default)]
    #[schema(max_length = 1_000, example = "programme guide")]
    pub evidence: Option<String>,
}

text_enum! {
    /// The question that a condition puts to the answers.
    pub enum ConditionTest {
        /// Any of the items was answered with any of `answers`.
        AnyAnswer = "any_answer",
        /// The sum of the items is `threshold` or more.
        SumGte = "sum_gte",
        /// The sum of the items is more than `threshold`.
        SumGt = "sum_gt",
        /// The sum of the items is `threshold` or less.
        SumLte = "sum_lte",
        /// The product of the items is less than `threshold`.
        ProductLt = "product_lt",
    }
}

/// Something that the answers can be found to be. With answers missing it may be neither true nor false.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ScoreCondition)]
pub struct Condition {
    /// What is asked of the items.
    pub test: ConditionTest,
    /// The items it looks at, by `link_id`; a derived item counts with its score.
    #[schema(min_items = 1, max_items = 200, example = json!(["/44250-9", "/44255-8"]))]
    pub items: Vec<String>,
    /// The option codes of `any_answer`.
    #[serde(default)]
    #[schema(max_items = 200, example = json!([]))]
    pub answers: Vec<String>,
    /// What a sum or product must reach; of no meaning for other tests.
    #[serde(default, serialize_with = "number::option")]
    #[schema(example = 3)]
    pub threshold: Option<f64>,
}

text_enum! {
    /// How a score comes about.
    pub enum ScoreMethod {
        /// The sum of its items.
        Sum = "sum",
        /// The sum of the points whose conditions are true.
        Points = "points",
        /// No number: positive when any of its items was answered with a positive option.
        AnyPositive = "any_positive",
    }
}

text_enum! {
    /// Which way a score means better.
    pub enum BetterScore {
        /// A higher score is better.
        Higher = "higher",
        /// A lower score is better.
        Lower = "lower",
    }
}

/// Points given when a condition is true.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PointsRule)]
pub struct Points {
    /// How many points are given.
    #[serde(serialize_with = "number::plain")]
    #[schema(example = 1)]
    pub score: f64,
    /// When they are given.
    pub when: Condition,
}

/// A named range of a score, both ends included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ScoreBand)]
pub struct Band {
    /// The least score of the band, included.
    #[serde(serialize_with = "number::plain")]
    #[schema(example = 10)]
    pub minimum: f64,
    /// The greatest score of the band, included.
    #[serde(serialize_with = "number::plain")]
    #[schema(example = 14)]
    pub maximum: f64,
    /// Its name.
    #[schema(min_length = 1, max_length = 100, example = "moderate")]
    pub label: String,
}

/// How many points a score must move before the change is more than the instrument's own error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReliableChange {
    /// By how many points the score must rise or fall.
    #[serde(serialize_with = "number::plain")]
    #[schema(exclusive_minimum = 0, example = 6)]
    pub points: f64,
    /// Where the figure was published.
    #[schema(min_length = 1, max_length = 1_000, example = "Gyani A, Shafran R, Layard R, Clark DM. Behav Res Ther 2013;51:597-606")]
    pub source: String,
}

/// Codes that stand for a positive and a negative result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResultCodes {
    /// Of a positive result.
    #[schema(min_length = 1, max_length = 100, example = "LA19952-3")]
    pub positive: String,
    /// Of a negative result.
    #[schema(min_length = 1, max_length = 100, example = "LA19983-8")]
    pub negative: String,
}

/// One result of an instrument: its total, a part of it, or the reading of one item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScoreRule {
    /// The score's key in this instrument.
    #[schema(pattern = "^[a-z0-9]+([-_][a-z0-9]+)*$", max_length = 60, example = "total")]
    pub code: String,
    /// Its name.
    #[schema(min_length = 1, max_length = 300, example = "PHQ-9 total score")]
    pub title: String,
    /// How it comes about.
    pub method: ScoreMethod,
    /// The items of `sum` and `any_positive`, by `link_id`.
    #[serde(default)]
    #[schema(max_items = 200, example = json!(["/44250-9", "/44255-8"]))]
    pub items: Vec<String>,
    /// The points of `points`.
    #[serde(default)]
    #[schema(max_items = 200)]
    pub points: Vec<Points>,
    /// How many items of a sum may lack an answer; the sum is then that of the others.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 200, example = 0)]
    pub missing_allowed: u32,
    /// Least score.
    #[serde(default, serialize_with = "number::option")]
    #[schema(example = 0)]
    pub minimum: Option<f64>,
    /// Greatest score.
    #[serde(default, serialize_with = "number::option")]
    #[schema(example = 27)]
    pub maximum: Option<f64>,
    /// Named ranges, from the lowest up.
    #[serde(default)]
    #[schema(max_items = 50)]
    pub bands: Vec<Band>,
    /// Positive at this score or above.
    #[serde(default, serialize_with = "number::option")]
    #[schema(example = 10)]
    pub positive_from: Option<f64>,
    /// Positive at this score or below.
    #[serde(default, serialize_with = "number::option")]
    #[schema(example = 1)]
    pub positive_until: Option<f64>,
    /// Codes of a positive and a negative result.
    #[serde(default)]
    pub result_codes: Option<ResultCodes>,
    /// Which way the score means better; null where that is not a sensible question.
    #[serde(default)]
    pub better: Option<BetterScore>,
    /// What change is reliable; null where no figure has been published.
    #[serde(default)]
    pub reliable_change: Option<ReliableChange>,
}

/// What follows from the answers: needs a person possibly has, or a flag for a clinician.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NeedRule {
    /// The rule's key in this instrument.
    #[schema(pattern = "^[a-z0-9]+([-_][a-z0-9]+)*$", max_length = 60, example = "food")]
    pub id: String,
    /// The condition under which the rule applies.
    pub when: Condition,
    /// The need domains it raises.
    #[serde(default)]
    #[schema(max_items = 20, example = json!(["food-insecurity"]))]
    pub raises: Vec<String>,
    /// A finer name for the need within its domain.
    #[serde(default)]
    #[schema(max_length = 100, example = "education-or-training")]
    pub label: Option<String>,
    /// A finding for a clinician that is not a social need.
    #[serde(default)]
    #[schema(max_length = 100, example = "depression-screen-positive")]
    pub flag: Option<String>,
    /// Whether what it finds is shown only where consent names sensitive data.
    #[serde(default)]
    #[schema(example = false)]
    pub is_sensitive: bool,
    /// The instrument to ask next, by its code.
    #[serde(default)]
    #[schema(max_length = 100, example = "phq-9")]
    pub follow_with: Option<String>,
    /// Why the rule stands, where it is not the instrument's own cut-off.
    #[serde(default)]
    #[schema(max_length = 1_000, example = "Reporting convention, not a clinical cut-off.")]
    pub basis: Option<String>,
    /// What to keep in mind.
    #[serde(default)]
    #[schema(max_length = 1_000, example = "A person decides which after talking with the patient.")]
    pub note: Option<String>,
}

/// An answer that somebody must act on at once, whatever the total.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SafetyRule {
    /// The rule's key in this instrument.
    #[schema(pattern = "^[a-z0-9]+([-_][a-z0-9]+)*$", max_length = 60, example = "phq9-item9")]
    pub id: String,
    /// The condition under which the rule applies.
    pub when: Condition,
    /// The name of what was found.
    #[schema(min_length = 1, max_length = 100, example = "self-harm-thoughts")]
    pub flag: String,
    /// What to do.
    #[schema(min_length = 1, max_length = 1_000, example = "Alert a clinician at once, whatever the total.")]
    pub action: String,
    /// Whether the alert is shown only where consent names sensitive data.
    #[serde(default)]
    #[schema(example = false)]
    pub is_sensitive: bool,
}

/// A screening instrument as it is loaded: one edition of it, in full.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct InstrumentInput {
    /// The instrument's name for machines; its editions share it.
    #[schema(pattern = "^[a-z0-9]+([-_.][a-z0-9]+)*$", max_length = 60, example = "phq-9")]
    pub code: String,
    /// Which form of the instrument it is. With `code` it is unique.
    #[schema(min_length = 1, max_length = 60, example = "2001")]
    pub edition: String,
    /// The instrument's name for people.
    #[schema(min_length = 1, max_length = 300, example = "Patient Health Questionnaire 9 item (PHQ-9)")]
    pub title: String,
    /// BCP 47 tags of the languages it is worded in; the first is that of the plain texts.
    #[schema(min_items = 1, max_items = 50, example = json!(["en"]))]
    pub languages: Vec<String>,
    /// The terms it may be used under.
    pub licence: Licence,
    /// The panel's code in a foreign system.
    #[serde(default)]
    pub panel: Option<Coding>,
    /// The time the questions look back on.
    #[serde(default)]
    #[schema(max_length = 300, example = "last 2 weeks")]
    pub recall: Option<String>,
    /// Words to say before beginning.
    #[serde(default)]
    #[schema(max_length = 5_000, example = "There are no right or wrong answers.")]
    pub intro: Option<String>,
    /// Words that lead into every item.
    #[serde(default)]
    #[schema(max_length = 2_000, example = "Over the last 2 weeks, how often have you been bothered by any of the following problems?")]
    pub stem: Option<String>,
    /// Who answers.
    #[serde(default)]
    #[schema(max_length = 500, example = "adult, for the household")]
    pub respondent: Option<String>,
    /// Whether nobody may answer for the person.
    #[serde(default)]
    #[schema(example = false)]
    pub is_self_answer_only: bool,
    /// Where it was made and is used.
    #[serde(default)]
    #[schema(max_length = 1_000, example = "Canada: four family practices in British Columbia")]
    pub setting: Option<String>,
    /// The questions, in order.
    #[schema(min_items = 1, max_items = 200)]
    pub items: Vec<Item>,
    /// The scores that are made of the answers.
    #[serde(default)]
    #[schema(max_items = 50)]
    pub scores: Vec<ScoreRule>,
    /// What needs and flags follow.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub need_rules: Vec<NeedRule>,
    /// What must be acted on at once.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub safety_rules: Vec<SafetyRule>,
    /// How well it finds what it looks for, and in whom.
    #[serde(default)]
    #[schema(max_length = 3_000, example = "At 3 or more: sensitivity 83%, specificity 92% for major depression.")]
    pub accuracy: Option<String>,
    /// How it serves as an outcome measure.
    #[serde(default)]
    #[schema(max_length = 1_000, example = "Baseline at referral and again at follow-up.")]
    pub outcome_use: Option<String>,
    /// Pages that help to use it well.
    #[serde(default)]
    #[schema(max_items = 50)]
    pub guidance: Vec<Guidance>,
    /// Where its facts come from.
    #[serde(default)]
    #[schema(max_items = 50, example = json!(["Kroenke K, Spitzer RL, Williams JBW. J Gen Intern Med 2001;16:606-13"]))]
    pub sources: Vec<String>,
    /// What else to know.
    #[serde(default)]
    #[schema(max_items = 50, example = json!(["The functional item 69722-7 is not in the total."]))]
    pub notes: Vec<String>,
}

impl InstrumentInput {
    /// The item with this key.
    pub fn item(&self, link_id: &str) -> Option<&Item> {
        self.items.iter().find(|item| item.link_id == link_id)
    }

    /// Whether what was answered to this item is shown only where consent names sensitive data.
    pub fn is_sensitive_item(&self, link_id: &str) -> bool {
        let marked = self.item(link_id).is_some_and(|item| {
            item.is_sensitive || item.need_domains.iter().filter_map(|domain| find_domain(domain)).any(|domain| domain.is_sensitive)
        });
        let names = |condition: &Condition| condition.items.iter().any(|item| item == link_id);
        marked
            || self.need_rules.iter().any(|rule| rule.is_sensitive && names(&rule.when))
            || self.safety_rules.iter().any(|rule| rule.is_sensitive && names(&rule.when))
    }

    /// The score with this key.
    pub fn score(&self, code: &str) -> Option<&ScoreRule> {
        self.scores.iter().find(|score| score.code == code)
    }
}

impl AnswerOption {
    /// Whether the answer arrives under this code.
    pub fn stands_for(&self, code: &str) -> bool {
        self.code == code || self.also_accept.iter().any(|other| other == code)
    }
}

impl ResultCodes {
    /// The code of a positive or negative result.
    pub fn of(&self, is_positive: bool) -> String {
        if is_positive { self.positive.clone() } else { self.negative.clone() }
    }
}

impl Item {
    /// The option that this code stands for, under its own code or one also accepted.
    pub fn option(&self, code: &str) -> Option<&AnswerOption> {
        self.options.iter().find(|option| option.stands_for(code))
    }

    /// Whether a person answers it.
    pub fn is_asked(&self) -> bool {
        self.kind != ItemKind::Derived
    }

    /// The least and greatest number that an answer can give, where it can give one. None inside is without limit.
    pub fn numbers(&self) -> Option<(Option<f64>, Option<f64>)> {
        let scores = || self.options.iter().filter(|option| !option.is_refusal).map(|option| option.score);
        match self.kind {
            ItemKind::Choice => {
                let scores = scores().collect::<Option<Vec<_>>>()?;
                Some((scores.iter().copied().reduce(f64::min), scores.iter().copied().reduce(f64::max)))
            }
            ItemKind::Multi => {
                let scores = scores().collect::<Option<Vec<_>>>()?;
                let sum_of = |sign: f64| scores.iter().map(|score| score * sign).filter(|score| *score > 0.0).sum::<f64>() * sign;
                Some((Some(sum_of(-1.0)), Some(sum_of(1.0))))
            }
            ItemKind::Scale | ItemKind::Quantity => Some((self.minimum, self.maximum)),
            ItemKind::Derived => None,
        }
    }
}
