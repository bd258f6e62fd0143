//! What callers send to be matched, and what they read of matches and unmet needs.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::{Validate, ValidationError};

use super::model::{MatchContent, MatchRow, UnmetNeedInput, UnmetNeedRow};
use super::person::{Person, PersonNeed};
use super::report::{MatchOutcome, Suggestions, UnmetReason};
use crate::db::types::Instant;
use crate::http::page::Limit;
use crate::http::schema::rule;
use crate::kind::{ClientId, MatchId, NeedId, OrganizationId, PatientId, ServiceId, UnmetNeedId};

/// For whom services are sought. Either a patient or a description of a person that names nobody.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields, default)]
#[validate(schema(function = "is_for_one"))]
pub struct MatchInput {
    /// A patient, with all that the caller may see of them.
    pub patient_id: Option<PatientId>,
    /// Somebody without a record. Nothing personal of it is kept.
    #[validate(nested)]
    pub person: Option<Person>,
    /// Only these needs of the patient; all that are open where empty. What any other tells of violence is heeded all the same.
    #[schema(max_items = 20)]
    pub need_ids: Vec<NeedId>,
    /// Needs beside those.
    #[schema(max_items = 20)]
    #[validate(nested)]
    pub needs: Vec<PersonNeed>,
    /// What is looked for, in free words.
    #[schema(max_length = 500, example = "somewhere to sing")]
    pub text: Option<String>,
    /// The most results, 1 to 50; 10 where absent.
    #[schema(minimum = 1, maximum = 50, default = 10, example = 5)]
    pub limit: Option<u8>,
    /// Whether to list what was left out, with the reasons.
    #[schema(example = false)]
    pub include_excluded: bool,
}

impl MatchInput {
    /// How many results are wanted.
    pub fn limit(&self) -> usize {
        self.limit.unwrap_or(10).into()
    }

    /// Adds to a person what this request asks for beside what is known of them.
    pub fn add_to(&self, person: &mut Person) {
        person.needs.extend(self.needs.iter().cloned());
        if let Some(text) = &self.text {
            person.what_matters = Some([person.what_matters.as_deref(), Some(text)].into_iter().flatten().collect::<Vec<_>>().join(" "));
        }
    }
}

fn is_for_one(input: &MatchInput) -> Result<(), ValidationError> {
    match (&input.patient_id, &input.person) {
        (Some(_), Some(_)) => Err(rule("/person", "not_allowed", "is not allowed beside patient_id")),
        (None, None) => Err(rule("/person", "required", "is required where there is no patient_id")),
        (None, Some(_)) if !input.need_ids.is_empty() => Err(rule("/need_ids", "not_allowed", "is only allowed with patient_id")),
        _ => Ok(()),
    }
}

/// A match: services suggested for somebody at a moment.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Match {
    /// Its id, which a referral can name.
    pub id: MatchId,
    /// The organization that asked; null for a stranger.
    pub organization_id: Option<OrganizationId>,
    /// Version, always 1: a match is a record of a moment.
    #[schema(example = 1)]
    pub version: i64,
    /// When it was made.
    pub created_at: Instant,
    /// The patient; null where a person was described.
    pub patient_id: Option<PatientId>,
    /// The client that asked; null for a stranger.
    pub client_id: Option<ClientId>,
    /// The person acting in the client's system, as that system said.
    #[schema(example = "01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10")]
    pub on_behalf_of: Option<String>,
    /// Whether a sensitive need is among those asked about; it is shown only where consent names sensitive data.
    #[schema(example = false)]
    pub is_sensitive: bool,
    /// The patient's needs that were asked about; empty: all that were open.
    pub need_ids: Vec<NeedId>,
    /// What matching knew of the person. Without a patient, what is kept of the description: needs, languages, ways and area.
    pub person: Person,
    /// The answer. Read again later, a match without a patient has lost what would say where the person is: distances and sentences.
    #[serde(flatten)]
    pub suggestions: Suggestions,
}

impl From<MatchRow> for Match {
    fn from(row: MatchRow) -> Self {
        let MatchContent { client_id, on_behalf_of, need_ids, person, suggestions, .. } = row.content.0;
        Self {
            id: row.id,
            organization_id: row.organization_id,
            version: row.version,
            created_at: row.created_at,
            patient_id: row.patient_id,
            client_id,
            on_behalf_of,
            is_sensitive: row.is_sensitive,
            need_ids,
            person,
            suggestions,
        }
    }
}

/// A match in short.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MatchSummary {
    /// Its id.
    pub id: MatchId,
    /// The organization that asked.
    pub organization_id: Option<OrganizationId>,
    /// When it was made.
    pub created_at: Instant,
    /// How it ended.
    pub outcome: MatchOutcome,
    /// The domains that were asked about.
    #[schema(example = json!(["food-insecurity"]))]
    pub domains: Vec<String>,
    /// The services that were suggested, the best first.
    pub results: Vec<MatchedService>,
}

/// A suggested service in short.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MatchedService {
    /// The service.
    pub service_id: ServiceId,
    /// Its name then.
    #[schema(example = "Alder Falls Food Bank")]
    pub name: String,
    /// How well it fitted, 0 to 1.
    #[schema(example = 0.7421)]
    pub score: f64,
}

impl From<MatchRow> for MatchSummary {
    fn from(row: MatchRow) -> Self {
        let MatchContent { person, suggestions, .. } = row.content.0;
        let results = suggestions.results.into_iter();
        Self {
            id: row.id,
            organization_id: row.organization_id,
            created_at: row.created_at,
            outcome: row.outcome,
            domains: person.needs.into_iter().map(|need| need.domain).collect(),
            results: results.map(|one| MatchedService { service_id: one.service_id, name: one.name, score: one.score }).collect(),
        }
    }
}

/// The pages of a list of matches.
#[derive(Debug, Clone, Default, Hash, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MatchQuery {
    /// Items of a page.
    #[serde(default)]
    #[param(inline)]
    pub limit: Limit,
    /// Where to go on: `next` of the page before.
    #[param(max_length = 1000, example = "eyJ2IjoxLCJmIjo5LCJrIjoxfQ")]
    pub cursor: Option<String>,
}

/// Whom to hold against the rules of a service. Either a patient or a description of a person that names nobody.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "checks_one"))]
pub struct EligibilityCheckInput {
    /// The service, or the link worker program.
    pub service_id: ServiceId,
    /// A patient, with all that the caller may see of them.
    #[serde(default)]
    pub patient_id: Option<PatientId>,
    /// Somebody without a record. Nothing of it is kept.
    #[serde(default)]
    #[validate(nested)]
    pub person: Option<Person>,
}

fn checks_one(input: &EligibilityCheckInput) -> Result<(), ValidationError> {
    match (&input.patient_id, &input.person) {
        (Some(_), Some(_)) => Err(rule("/person", "not_allowed", "is not allowed beside patient_id")),
        (None, None) => Err(rule("/person", "required", "is required where there is no patient_id")),
        _ => Ok(()),
    }
}

/// A need that no service met.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct UnmetNeed {
    /// Its id.
    pub id: UnmetNeedId,
    /// The organization that found it.
    pub organization_id: Option<OrganizationId>,
    /// Version, from 1; the `ETag`.
    #[schema(example = 1)]
    pub version: i64,
    /// When it was recorded.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
    /// What is written of it.
    #[serde(flatten)]
    pub content: UnmetNeedInput,
}

impl From<UnmetNeedRow> for UnmetNeed {
    fn from(row: UnmetNeedRow) -> Self {
        Self {
            id: row.id,
            organization_id: row.organization_id,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            // A merge moves the row to the surviving patient.
            content: UnmetNeedInput { patient_id: row.patient_id, ..row.content.0 },
        }
    }
}

/// The filters of the list of unmet needs.
#[derive(Debug, Clone, Default, Hash, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UnmetNeedQuery {
    /// Only of this domain.
    #[param(max_length = 60, example = "food-insecurity")]
    pub domain: Option<String>,
    /// Only with this main reason.
    #[param(inline)]
    pub reason: Option<UnmetReason>,
    /// Only where the postal code begins so.
    #[param(pattern = "^[A-Z0-9]{3}$", example = "V0X")]
    pub postal_prefix: Option<String>,
    /// Only those recorded at or after this moment.
    #[param(inline)]
    pub since: Option<Instant>,
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

/// Of what time unmet needs are counted, in whole days.
#[derive(Debug, Clone, Default, Hash, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UnmetNeedCountQuery {
    /// Only of this domain.
    #[param(max_length = 60, example = "food-insecurity")]
    pub domain: Option<String>,
    /// Only those recorded on the day of this moment, in UTC, or later.
    #[param(inline)]
    pub since: Option<Instant>,
    /// Only those recorded before the day of this moment, in UTC.
    #[param(inline)]
    pub until: Option<Instant>,
}

/// Unmet needs counted by domain and area, the commonest first.
///
/// So that nobody can be told from them, fewer than five people are not counted apart, and counts are rounded down to steps of five.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct UnmetNeedCounts {
    /// The counts, at most 1,000.
    pub items: Vec<UnmetNeedCount>,
}

/// Of how many people a need of a domain stayed unmet in an area.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct UnmetNeedCount {
    /// The domain.
    #[schema(example = "food-insecurity")]
    pub domain: String,
    /// First three characters of the postal code; null where not known, of too few people, of a sensitive domain, or of people whom no
    /// `patient_id` names.
    #[schema(example = "V0X")]
    pub postal_prefix: Option<String>,
    /// City, town or village; null where not known, of too few people, of a sensitive domain, or of people whom no `patient_id` names.
    #[schema(example = "Alder Falls")]
    pub city: Option<String>,
    /// ISO 3166-2 subdivision without the country; null where not known, or of too few people.
    #[schema(example = "BC")]
    pub region: Option<String>,
    /// How many people, in steps of five.
    #[schema(minimum = 5, multiple_of = 5, example = 15)]
    pub count: i64,
    /// The same by main reason, the commonest first; those of fewer than five people are left out.
    pub reasons: Vec<UnmetReasonCount>,
}

/// Of how many people a need stayed unmet for a reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct UnmetReasonCount {
    /// The reason.
    pub reason: UnmetReason,
    /// How many people, in steps of five.
    #[schema(minimum = 5, multiple_of = 5, example = 10)]
    pub count: i64,
}
