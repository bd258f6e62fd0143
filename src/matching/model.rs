//! What is kept of matches and of unmet needs.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::{Validate, ValidationError};

use super::person::{Area, Person, known_or_local};
use super::report::{MatchOutcome, Suggestions, UnmetReason};
use crate::db::schema::{matches, unmet_needs};
use crate::db::types::{Instant, Json};
use crate::kind::{ClientId, MatchId, NeedId, OrganizationId, PatientId, ServiceId, UnmetNeedId};

/// A row of the table `matches`.
#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = matches, treat_none_as_default_value = false)]
pub struct MatchRow {
    /// Its id.
    pub id: MatchId,
    /// The organization that asked; none for a stranger.
    pub organization_id: Option<OrganizationId>,
    /// For whom.
    pub patient_id: Option<PatientId>,
    /// How it ended.
    pub outcome: MatchOutcome,
    /// Whether a need is among those that only a consent to sensitive data shows.
    pub is_sensitive: bool,
    /// What was asked and answered.
    pub content: Json<MatchContent>,
    /// Always 1: a match is a record of a moment.
    pub version: i64,
    /// When it was made.
    pub created_at: Instant,
    /// The same.
    pub updated_at: Instant,
    /// Set where it was deleted.
    pub deleted_at: Option<Instant>,
}

/// What was asked, by whom, and what was answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MatchContent {
    /// The client that asked; none for a stranger.
    pub client_id: Option<ClientId>,
    /// The person acting in the client's system, as the client asserts.
    pub on_behalf_of: Option<String>,
    /// The patient's needs that were asked about; empty: all.
    pub need_ids: Vec<NeedId>,
    /// What matching knew; without a patient, nothing personal of it.
    pub person: Person,
    /// The answer; without a patient, nothing that says where the person is.
    pub suggestions: Suggestions,
}

/// A need that no service met, as somebody reports it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "names_a_known_domain"))]
pub struct UnmetNeedInput {
    /// Whose need it is; need not be said.
    #[serde(default)]
    pub patient_id: Option<PatientId>,
    /// The match that found nothing.
    #[serde(default)]
    pub match_id: Option<MatchId>,
    /// The need's domain: a Gravity code or a local `x-` code.
    #[schema(pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", max_length = 60, example = "x-caregiver-support")]
    pub domain: String,
    /// Why it stays unmet, the main reason first.
    #[schema(min_items = 1, max_items = 17, example = json!(["no_service"]))]
    pub reasons: Vec<UnmetReason>,
    /// Where; the patient's own area where absent.
    #[serde(default)]
    pub area: Option<Area>,
    /// Services that were tried.
    #[serde(default)]
    #[schema(max_items = 50)]
    pub tried_service_ids: Vec<ServiceId>,
    /// What was tried, and what would be needed, in words. Name nobody.
    #[serde(default)]
    #[schema(max_length = 5_000, example = "Three respite programs called; none takes people with dementia.")]
    pub note: Option<String>,
}

fn names_a_known_domain(input: &UnmetNeedInput) -> Result<(), ValidationError> {
    known_or_local(&input.domain)
}

/// A row of the table `unmet_needs`.
#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = unmet_needs, treat_none_as_default_value = false)]
pub struct UnmetNeedRow {
    /// Its id.
    pub id: UnmetNeedId,
    /// The organization that found it; none where a stranger's match did.
    pub organization_id: Option<OrganizationId>,
    /// See [`UnmetNeedInput::patient_id`].
    pub patient_id: Option<PatientId>,
    /// See [`UnmetNeedInput::match_id`].
    pub match_id: Option<MatchId>,
    /// See [`UnmetNeedInput::domain`].
    pub domain: String,
    /// The main reason.
    pub reason: UnmetReason,
    /// See [`Area::postal_prefix`].
    pub postal_prefix: Option<String>,
    /// See [`Area::city`].
    pub city: Option<String>,
    /// See [`Area::region`].
    pub region: Option<String>,
    /// The whole content.
    pub content: Json<UnmetNeedInput>,
    /// Version, from 1.
    pub version: i64,
    /// When it was recorded.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
    /// Set where it was deleted.
    pub deleted_at: Option<Instant>,
}

impl UnmetNeedRow {
    /// A new row with this content.
    pub fn new(id: UnmetNeedId, organization_id: Option<OrganizationId>, input: UnmetNeedInput, at: Instant) -> Self {
        let area = input.area.clone().unwrap_or_default();
        Self {
            id,
            organization_id,
            patient_id: input.patient_id,
            match_id: input.match_id,
            domain: input.domain.clone(),
            reason: input.reasons.first().copied().unwrap_or(UnmetReason::Other),
            postal_prefix: area.postal_prefix,
            city: area.city,
            region: area.region,
            content: Json(input),
            version: 1,
            created_at: at,
            updated_at: at,
            deleted_at: None,
        }
    }
}
