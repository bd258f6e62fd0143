//! What callers read of a screening, and write to move it.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use super::findings::{Answer, Findings};
use super::model::{ScreeningInput, ScreeningRow, ScreeningStatus};
use super::series::ScoreSeries;
use crate::db::types::Instant;
use crate::http::page::Limit;
use crate::identifiers::IdentifierToken;
use crate::instruments::definition::InstrumentInput;
use crate::kind::{InstrumentId, OrganizationId, PatientId, ScreeningId};
use crate::matching::api::Match;

/// A screening, and what the server found in its answers: so far, while it is a draft.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Screening {
    /// Its id.
    pub id: ScreeningId,
    /// The organization that recorded it.
    pub organization_id: OrganizationId,
    /// Version, from 1; the `ETag`.
    #[schema(example = 1)]
    pub version: i64,
    /// When it was recorded.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
    /// The edition of the instrument that it is scored by.
    pub instrument_id: InstrumentId,
    /// When the answers of a completed one were given.
    pub completed_at: Option<Instant>,
    /// True where answers on sensitive matters, and what was found in them, are withheld from the caller.
    #[schema(example = false)]
    pub is_withheld: bool,
    /// What the server found in the answers.
    #[serde(flatten)]
    pub findings: Findings,
    /// What is written of it.
    #[serde(flatten)]
    pub content: ScreeningInput,
}

impl From<ScreeningRow> for Screening {
    fn from(row: ScreeningRow) -> Self {
        Self {
            id: row.id,
            organization_id: row.organization_id,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            instrument_id: row.instrument_id,
            completed_at: row.completed_at,
            is_withheld: false,
            findings: row.findings.0,
            // A merge moves the row to the surviving patient.
            content: ScreeningInput { patient_id: row.patient_id, ..row.content.0 },
        }
    }
}

impl Screening {
    /// The screening without sensitive answers and all that stands on them.
    pub fn without_sensitive(mut self, instrument: &InstrumentInput) -> Self {
        let answers = self.content.answers.len();
        self.content.answers.retain(|answer| !instrument.is_sensitive_item(&answer.link_id));
        self.is_withheld = self.content.answers.len() < answers;
        if self.is_withheld {
            self.content.note = None;
        }
        self.findings = self.findings.without_sensitive(instrument);
        self
    }
}

/// What completes a draft.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct ScreeningCompletion {
    /// Answers that are still to come: each replaces the draft's answer to the same item.
    #[schema(max_items = 200)]
    pub answers: Vec<Answer>,
    /// When the answers were given, if earlier than now.
    pub answered_at: Option<Instant>,
}

impl ScreeningCompletion {
    /// The draft's content with the answers that complete it.
    #[must_use]
    pub fn laid_over(&self, draft: ScreeningInput) -> ScreeningInput {
        let mut input = ScreeningInput { status: ScreeningStatus::Completed, ..draft };
        input.lay_over(&self.answers);
        input.answered_at = self.answered_at.or(input.answered_at);
        input
    }
}

/// Whether a screening that is completed is to suggest services.
#[derive(Debug, Clone, Copy, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SuggestQuery {
    /// How many services to suggest, for the needs that the screening raises and those that are open already. Needs the scopes
    /// `patients:read` and `services:read`, and sight of the patient's needs. Without effect on what is not completed.
    #[param(minimum = 1, maximum = 50, example = 5)]
    pub suggest: Option<u8>,
}

/// A screening that was just recorded or completed, and the services that fit.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RecordedScreening {
    /// The screening.
    #[serde(flatten)]
    pub screening: Screening,
    /// The services that were suggested, where `suggest` asked for them: a match of its own, which a referral can name by its id.
    pub suggestions: Option<Match>,
}

/// Why a screening was entered in error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ScreeningRetraction {
    /// Why the screening is retracted.
    #[schema(min_length = 1, max_length = 1_000, example = "Recorded for the wrong person.")]
    pub reason: String,
}

/// The filters of a list of screenings.
#[derive(Debug, Clone, Default, Hash, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ScreeningQuery {
    /// Only with this instrument, by its code.
    #[param(max_length = 60, example = "phq-9")]
    pub instrument: Option<String>,
    /// Only with one of these statuses.
    #[serde(default)]
    #[param(inline)]
    pub status: Vec<ScreeningStatus>,
    /// Only those that are to be asked again by this day.
    #[param(example = "2026-09-01")]
    pub rescreen_until: Option<NaiveDate>,
    /// Only with this identifier, as `system|value`.
    #[param(inline)]
    pub identifier: Option<IdentifierToken>,
    /// Only those changed at or after this moment. A change bears the moment at which it was being written, so ask for five minutes more
    /// than you have read; `GET /v1/changes` misses nothing.
    #[param(inline)]
    pub updated_since: Option<Instant>,
    /// Items of a page.
    #[serde(default)]
    #[param(inline)]
    pub limit: Limit,
    /// Where to go on: `next` of the page before.
    #[param(max_length = 1000, example = "eyJ2IjoxLCJmIjo5LCJrIjoxfQ")]
    pub cursor: Option<String>,
}

/// Which scores to read.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ScoresQuery {
    /// The instrument, by its code.
    #[param(min_length = 1, max_length = 60, example = "phq-9")]
    pub instrument: String,
}

/// A patient's scores on one instrument over time.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PatientScores {
    /// The patient.
    pub patient_id: PatientId,
    /// The instrument's code.
    #[schema(example = "phq-9")]
    pub instrument: String,
    /// Each of its scores, in the instrument's order.
    pub series: Vec<ScoreSeries>,
}
