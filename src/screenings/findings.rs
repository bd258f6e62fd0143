//! What is said in a screening and found in it: answers, and the scores, needs, flags and alerts that they make.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::instruments::definition::InstrumentInput;
use crate::instruments::number;
use crate::kind::NeedId;
use crate::text_enum;

text_enum! {
    /// Why a question has no answer (HL7 `data-absent-reason`).
    pub enum AbsentReason {
        /// The person declined to answer.
        AskedDeclined = "asked_declined",
        /// The person did not know.
        AskedUnknown = "asked_unknown",
        /// It was not put.
        NotAsked = "not_asked",
    }
}

/// The answer to one item: codes of a choice, a value of a number, or the reason why there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ScreeningAnswer)]
pub struct Answer {
    /// The item, by its key in the instrument.
    #[schema(min_length = 1, max_length = 100, example = "/44250-9")]
    pub link_id: String,
    /// The chosen option: one code; several where the item takes several.
    #[serde(default)]
    #[schema(max_items = 200, example = json!(["LA6570-1"]))]
    pub codes: Vec<String>,
    /// The number of a scale or quantity. Of a derived item, what the sender computed: it must agree with the server.
    #[serde(default, serialize_with = "number::option")]
    #[schema(example = json!(null))]
    pub value: Option<f64>,
    /// UCUM unit of a quantity; the item's own where absent.
    #[serde(default)]
    #[schema(max_length = 40, example = json!(null))]
    pub unit: Option<String>,
    /// Why there is no answer.
    #[serde(default)]
    #[schema(example = json!(null))]
    pub absent_reason: Option<AbsentReason>,
}

/// One score, as far as the answers decide it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ScoreResult {
    /// The score's key in the instrument.
    #[schema(example = "total")]
    pub code: String,
    /// Its name.
    #[schema(example = "PHQ-9 total")]
    pub title: String,
    /// The score; null while answers that it needs are missing, or where the result is no number.
    #[serde(serialize_with = "number::option")]
    #[schema(example = 12)]
    pub value: Option<f64>,
    /// Least possible score.
    #[serde(serialize_with = "number::option")]
    #[schema(example = 0)]
    pub minimum: Option<f64>,
    /// Greatest possible score.
    #[serde(serialize_with = "number::option")]
    #[schema(example = 27)]
    pub maximum: Option<f64>,
    /// The band it falls in, if that is decided.
    #[schema(example = "moderate")]
    pub band: Option<String>,
    /// Whether it reaches the cut-off; null where there is none, or it is not decided.
    #[schema(example = true)]
    pub is_positive: Option<bool>,
    /// The code of a positive or negative result, where the instrument has such codes.
    #[schema(example = json!(null))]
    pub result_code: Option<String>,
    /// How many of its items lack an answer.
    #[schema(minimum = 0, example = 0)]
    pub missing: u32,
    /// Whether it stands on sensitive answers.
    #[schema(example = false)]
    pub is_sensitive: bool,
}

/// A need the person possibly has. It is unconfirmed until somebody has spoken with them about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RaisedNeed {
    /// The need domain.
    #[schema(example = "food-insecurity")]
    pub domain: String,
    /// A finer name within the domain.
    #[schema(example = json!(null))]
    pub label: Option<String>,
    /// The instrument's rules that raised it.
    #[schema(example = json!(["food"]))]
    pub rules: Vec<String>,
    /// The answered items that they looked at.
    #[schema(example = json!(["food-worry"]))]
    pub items: Vec<String>,
    /// Whether it is shown only where consent names sensitive data.
    #[schema(example = false)]
    pub is_sensitive: bool,
    /// The patient's need that was recorded, or was there already; null until the screening is completed.
    #[serde(default)]
    pub need_id: Option<NeedId>,
}

/// A finding for a clinician that is not a social need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ScreeningFlag)]
pub struct Flag {
    /// The name of what was found, as the instrument has it.
    #[schema(example = "depression-screen-positive")]
    pub flag: String,
    /// The instrument's rule.
    #[schema(example = "phq2-positive")]
    pub rule: String,
    /// The answered items that it looked at.
    #[schema(example = json!(["/44250-9", "/44255-8"]))]
    pub items: Vec<String>,
    /// The instrument to ask next, by its code.
    #[schema(example = "phq-9")]
    pub follow_with: Option<String>,
    /// Whether it is shown only where consent names sensitive data.
    #[schema(example = false)]
    pub is_sensitive: bool,
}

/// An answer in words, for whoever must act on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = AnswerInWords)]
pub struct Answered {
    /// The item's key.
    #[schema(example = "/44260-8")]
    pub link_id: String,
    /// What was asked; its topic where the wording is withheld.
    #[schema(example = "Thoughts that you would be better off dead, or of hurting yourself in some way")]
    pub question: Option<String>,
    /// What was answered.
    #[schema(example = "Several days")]
    pub answer: String,
}

/// An answer that somebody must act on at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SafetyAlert {
    /// The name of what was found, as the instrument has it.
    #[schema(example = "self-harm-thoughts")]
    pub flag: String,
    /// The instrument's rule.
    #[schema(example = "phq9-item9")]
    pub rule: String,
    /// What to do.
    #[schema(example = "Alert a clinician at once, whatever the total. Never leave it to a batch or digest.")]
    pub action: String,
    /// What was answered.
    pub answers: Vec<Answered>,
    /// Whether it is shown only where consent names sensitive data.
    #[schema(example = false)]
    pub is_sensitive: bool,
}

/// How much of the instrument has been answered. Optional items count only once they are answered or declined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = ScreeningCompleteness)]
pub struct Completeness {
    /// Items with an answer.
    #[schema(minimum = 0, example = 9)]
    pub answered: u32,
    /// Items that the person declined or could not answer.
    #[schema(minimum = 0, example = 0)]
    pub declined: u32,
    /// Items that were not put, or not yet.
    #[schema(minimum = 0, example = 0)]
    pub not_asked: u32,
    /// Whether every item that is not optional has an answer.
    #[schema(example = true)]
    pub is_complete: bool,
}

/// All that an instrument finds in a person's answers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = ScreeningFindings)]
pub struct Findings {
    /// The scores, in the instrument's order.
    pub scores: Vec<ScoreResult>,
    /// The items answered with an option that speaks for a need or problem, in the instrument's order.
    #[schema(example = json!(["food-worry"]))]
    pub positive_items: Vec<String>,
    /// The needs that the person possibly has.
    pub needs: Vec<RaisedNeed>,
    /// What a clinician should look at.
    pub flags: Vec<Flag>,
    /// What somebody must act on at once.
    pub safety_alerts: Vec<SafetyAlert>,
    /// How much has been answered.
    pub completeness: Completeness,
    /// Whether any answer is shown only where consent names sensitive data. The journal shows such a screening whole or not at all.
    #[serde(default)]
    #[schema(example = false)]
    pub is_sensitive: bool,
}

impl Findings {
    /// The finding that a recorded need stands on.
    pub fn of_need(&self, id: NeedId) -> Option<&RaisedNeed> {
        self.needs.iter().find(|need| need.need_id == Some(id))
    }

    /// The findings without all that stands on sensitive answers.
    pub fn without_sensitive(mut self, instrument: &InstrumentInput) -> Self {
        self.scores.retain(|score| !score.is_sensitive);
        self.positive_items.retain(|item| !instrument.is_sensitive_item(item));
        self.needs.retain(|need| !need.is_sensitive);
        self.flags.retain(|flag| !flag.is_sensitive);
        self.safety_alerts.retain(|alert| !alert.is_sensitive);
        self
    }
}
