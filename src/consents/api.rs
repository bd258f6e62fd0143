//! What callers read of a consent, and how they list them.

use serde::{Deserialize, Serialize};
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::{IntoParams, ToSchema};

use super::model::{ConsentForm, ConsentGiver, ConsentInput, ConsentPurpose, ConsentRow, ConsentStatus, DataCategory, status_at};
use crate::db::types::Instant;
use crate::http::page::Limit;
use crate::kind::{ConsentId, OrganizationId, PatientId, PractitionerId};

/// A consent. Once it was withdrawn, the organization that it was given to reads that it was, and nothing more: its lists are empty, and
/// what it said besides is null.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Consent {
    /// Its id.
    pub id: ConsentId,
    /// The organization that manages the patient.
    pub organization_id: OrganizationId,
    /// The organization that recorded the consent.
    pub recorder_id: OrganizationId,
    /// Version, from 1; the `ETag`.
    #[schema(example = 1)]
    pub version: i64,
    /// When it was recorded.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
    /// Whether it holds now.
    pub status: ConsentStatus,
    /// When it was withdrawn.
    pub withdrawn_at: Option<Instant>,
    /// Why it was withdrawn, where the patient said.
    #[schema(example = "Does not want the agency to call any more.")]
    pub withdrawal_reason: Option<String>,
    /// What was given.
    #[serde(flatten)]
    pub content: ConsentContent,
}

/// What a consent says, as it is read.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ConsentContent {
    /// Whose consent it is.
    pub patient_id: PatientId,
    /// The organization that the consent is given to; not the one that manages the patient.
    pub grantee_id: OrganizationId,
    /// For what the data may be used: referrals to the grantee, its part in the care, research.
    #[schema(max_items = 3, example = json!(["referral", "care_coordination"]))]
    pub purposes: Vec<ConsentPurpose>,
    /// The data that the grantee may see. The summary is always included.
    #[schema(max_items = 9, example = json!(["summary", "contact", "needs"]))]
    pub categories: Vec<DataCategory>,
    /// How it was given.
    pub form: Option<ConsentForm>,
    /// Who gave it.
    pub given_by: Option<ConsentGiver>,
    /// The name of the related person who gave it.
    #[schema(example = "Anaïs Tremblay")]
    pub given_by_name: Option<String>,
    /// Who that person is to the patient.
    #[schema(example = "daughter, power of attorney")]
    pub given_by_relationship: Option<String>,
    /// The practitioner who asked and wrote it down.
    pub recorded_by: Option<PractitionerId>,
    /// From when it holds.
    pub valid_from: Option<Instant>,
    /// Until when it holds; null: until withdrawn.
    pub valid_until: Option<Instant>,
    /// What was said or agreed.
    #[schema(example = "Agrees that the food bank calls her; not in the evening.")]
    pub note: Option<String>,
}

impl From<ConsentInput> for ConsentContent {
    fn from(input: ConsentInput) -> Self {
        Self {
            patient_id: input.patient_id,
            grantee_id: input.grantee_id,
            purposes: input.purposes,
            categories: input.categories,
            form: Some(input.form),
            given_by: Some(input.given_by),
            given_by_name: input.given_by_name,
            given_by_relationship: input.given_by_relationship,
            recorded_by: input.recorded_by,
            valid_from: input.valid_from,
            valid_until: input.valid_until,
            note: input.note,
        }
    }
}

impl Consent {
    /// The consent as it is at a moment.
    #[must_use]
    pub fn at(mut self, now: Instant) -> Self {
        let from = self.content.valid_from.unwrap_or(self.created_at);
        self.status = status_at(now, from, self.content.valid_until, self.withdrawn_at);
        self
    }
}

impl From<ConsentRow> for Consent {
    /// As it was when it was last changed; see [`Consent::at`].
    fn from(row: ConsentRow) -> Self {
        let content = row.input().into();
        Self {
            id: row.id,
            organization_id: row.organization_id,
            recorder_id: row.recorder_id,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            status: status_at(row.updated_at, row.valid_from, row.valid_until, row.withdrawn_at),
            withdrawn_at: row.withdrawn_at,
            withdrawal_reason: row.withdrawal_reason,
            content,
        }
    }
}

/// The filters of a list of consents.
#[derive(Debug, Clone, Default, Hash, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ConsentQuery {
    /// Only of this patient.
    #[param(inline)]
    pub patient_id: Option<PatientId>,
    /// Only to this organization.
    #[param(inline)]
    pub grantee_id: Option<OrganizationId>,
    /// Only for this purpose, as far as the caller sees what for: a consent that was withdrawn is for none to whom it was given to.
    #[param(inline)]
    pub purpose: Option<ConsentPurpose>,
    /// Only those that hold now, or that do not.
    #[param(example = true)]
    pub is_active: Option<bool>,
    /// Only those changed at or after this moment; that one begins or ends by its date changes nothing of it. A change bears the moment at
    /// which it was being written, so ask for five minutes more than you have read; `GET /v1/changes` misses nothing.
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

/// The filters of the consents of one patient, whom the path names: the same without the patient.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct PatientConsentQuery(ConsentQuery);

impl IntoParams for PatientConsentQuery {
    fn into_params(place: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let mut parameters = ConsentQuery::into_params(place);
        parameters.retain(|parameter| parameter.name != "patient_id");
        parameters
    }
}

impl PatientConsentQuery {
    /// The same of the list of all consents.
    pub fn of(self, patient: PatientId) -> ConsentQuery {
        ConsentQuery { patient_id: Some(patient), ..self.0 }
    }
}
