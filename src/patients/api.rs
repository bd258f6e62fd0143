//! What callers read of a patient, and how they look for one.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use validator::{Validate, ValidationError};

use super::contact::{ContactPoint, SafeContact};
use super::duplicates::Resemblance;
use super::model::{NeedLevel, PatientAccommodation, PatientInput, PatientLanguage, PatientName, PatientRow, PatientStatus};
use crate::consents::model::{Categories, DataCategory};
use crate::db::types::Instant;
use crate::error::{Error, Result};
use crate::http::page::Limit;
use crate::http::schema::rule;
use crate::kind::{OrganizationId, PatientId, PractitionerId};
use crate::types::{Address, Identifier};

/// A patient.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Patient {
    /// Their id.
    pub id: PatientId,
    /// The organization that manages them.
    pub organization_id: OrganizationId,
    /// Version, from 1; the `ETag`.
    #[schema(example = 1)]
    pub version: i64,
    /// When they were created.
    pub created_at: Instant,
    /// When they were last changed.
    pub updated_at: Instant,
    /// Need level, as last judged; set by `PUT /v1/patients/{id}/need-level`.
    pub need_level: Option<NeedLevel>,
    /// The practitioner who accompanies them; set by `PUT /v1/patients/{id}/primary-navigator`.
    pub primary_navigator_id: Option<PractitionerId>,
    /// What the patient does not let the caller's organization see: fields of these categories are null or empty, known or not.
    #[schema(example = json!(["notes"]))]
    pub withheld: Vec<DataCategory>,
    /// What is written of them.
    #[serde(flatten)]
    pub content: PatientInput,
}

impl Patient {
    /// The patient as the managing organization sees them.
    pub fn whole(row: PatientRow) -> Self {
        Self {
            id: row.id,
            organization_id: row.organization_id,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            need_level: row.need_level,
            primary_navigator_id: row.primary_navigator_id,
            withheld: Vec::new(),
            content: row.content.0,
        }
    }

    /// The patient as somebody sees them to whom these categories are open.
    #[must_use]
    pub fn shown(self, categories: Categories) -> Self {
        let need_level = self.need_level.filter(|_| categories.contains(DataCategory::Needs));
        Self { need_level, withheld: categories.missing(), content: self.content.shown(categories), ..self }
    }

    /// The same of a patient as the journal has them.
    pub fn recorded(body: Value, categories: Categories) -> Result<Value> {
        let Value::Object(mut members) = body else { return Ok(body) };
        let fields = serde_json::to_value(PatientInput::default()).map_err(Error::internal)?;
        let known: Map<String, Value> =
            members.iter().filter(|(key, _)| fields.get(key.as_str()).is_some()).map(|(key, value)| (key.clone(), value.clone())).collect();
        let content: PatientInput = serde_json::from_value(Value::Object(known)).map_err(Error::internal)?;
        if let Value::Object(shown) = serde_json::to_value(content.shown(categories)).map_err(Error::internal)? {
            members.extend(shown);
        }
        if !categories.contains(DataCategory::Needs) {
            members.insert("need_level".into(), Value::Null);
        }
        members.insert("withheld".into(), serde_json::to_value(categories.missing()).map_err(Error::internal)?);
        Ok(Value::Object(members))
    }
}

/// What the receiver of a referral sees of the patient in it, as far as consent goes.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PatientSummary {
    /// The patient's id.
    pub id: PatientId,
    /// The organization that manages them.
    pub organization_id: OrganizationId,
    /// Names.
    pub names: Vec<PatientName>,
    /// Date of birth.
    #[schema(example = "1954-03-18")]
    pub birth_date: Option<NaiveDate>,
    /// Year of birth.
    #[schema(example = 1954)]
    pub birth_year: Option<i32>,
    /// Languages.
    pub languages: Vec<PatientLanguage>,
    /// Whether they need an interpreter in other languages. Unknown where null.
    #[schema(example = false)]
    pub interpreter_needed: Option<bool>,
    /// What a helper allows for.
    pub accommodations: Vec<PatientAccommodation>,
    /// Ways to reach them; with the category `contact`.
    pub contact_points: Vec<ContactPoint>,
    /// What makes contact safe; with the category `contact`. Read it before contacting them.
    pub safe_contact: Option<SafeContact>,
    /// Where they live; with the category `contact`.
    pub address: Option<Address>,
    /// What the patient does not let the caller's organization see.
    #[schema(example = json!(["notes"]))]
    pub withheld: Vec<DataCategory>,
}

impl PatientSummary {
    /// The summary of a patient for somebody to whom these categories are open.
    pub fn new(row: PatientRow, categories: Categories) -> Self {
        let content = row.content.0.shown(categories);
        Self {
            id: row.id,
            organization_id: row.organization_id,
            birth_year: content.year_of_birth(),
            names: content.names,
            birth_date: content.birth_date,
            languages: content.languages,
            interpreter_needed: content.interpreter_needed,
            accommodations: content.accommodations,
            contact_points: content.contact_points,
            safe_contact: content.safe_contact,
            address: content.address,
            withheld: categories.missing(),
        }
    }
}

/// A new patient, and who they may be already.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct NewPatient {
    /// Records of the same person, perhaps, the likeliest first; among those that the caller sees.
    pub possible_duplicates: Vec<PossibleDuplicate>,
    /// The patient.
    #[serde(flatten)]
    pub patient: Patient,
}

/// A record that may be about the same person.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PossibleDuplicate {
    /// The other record.
    pub patient_id: PatientId,
    /// How sure it is, from 75 to 100; 100 is certain.
    #[schema(minimum = 0, maximum = 100, example = 92)]
    pub score: u8,
    /// What they have in common.
    pub reasons: Vec<Resemblance>,
}

/// Whom to look for. At least one of name, birth date, identifier and phone.
#[derive(Debug, Clone, Default, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields, default)]
#[validate(schema(function = "looks_for_somebody"))]
pub struct PatientSearch {
    /// Names in any order, without regard to accents, case and small differences of spelling.
    #[schema(min_length = 1, max_length = 300, example = "trembley marie eve")]
    pub name: Option<String>,
    /// Date of birth; one with day and month exchanged is found too.
    #[schema(example = "1954-03-18")]
    pub birth_date: Option<NaiveDate>,
    /// Year of birth, to rank by.
    #[schema(minimum = 1850, maximum = 2200, example = 1954)]
    pub birth_year: Option<i32>,
    /// An identifier, such as the health number.
    pub identifier: Option<Identifier>,
    /// A telephone number.
    #[schema(min_length = 1, max_length = 100, example = "250-861-5555")]
    pub phone: Option<String>,
    /// The most that are wanted.
    #[schema(minimum = 1, maximum = 50, default = 10, example = 10)]
    pub limit: Option<u8>,
}

fn looks_for_somebody(search: &PatientSearch) -> Result<(), ValidationError> {
    if search.name.is_some() || search.birth_date.is_some() || search.identifier.is_some() || search.phone.is_some() {
        Ok(())
    } else {
        Err(rule("", "required", "name at least one of name, birth_date, identifier and phone"))
    }
}

/// The patients found, the best first.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PatientHits {
    /// The patients.
    pub items: Vec<PatientHit>,
}

/// A patient found.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PatientHit {
    /// How well they fit what was asked for, from 40 to 100.
    #[schema(minimum = 0, maximum = 100, example = 97)]
    pub score: u8,
    /// What of the search fits the patient.
    pub reasons: Vec<Resemblance>,
    /// The patient.
    pub patient: Patient,
}

/// The filters of the list of patients. There are none on personal data: `POST /v1/patients/search` looks for people.
#[derive(Debug, Clone, Default, Hash, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PatientQuery {
    /// Only those whom this organization manages.
    #[param(inline)]
    pub organization_id: Option<OrganizationId>,
    /// Only with this status.
    #[param(inline)]
    pub status: Option<PatientStatus>,
    /// Only with this need level.
    #[param(inline)]
    pub need_level: Option<NeedLevel>,
    /// Only those whom this practitioner accompanies.
    #[param(inline)]
    pub primary_navigator_id: Option<PractitionerId>,
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

/// Which record is absorbed.
#[derive(Debug, Clone, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct PatientMerge {
    /// The record that goes; all that belongs to it becomes the survivor's.
    pub duplicate_id: PatientId,
    /// Why they are one person.
    #[serde(default)]
    #[schema(max_length = 1_000, example = "Same health number; registered twice.")]
    pub reason: Option<String>,
}

/// A need level, as somebody judges it.
#[derive(Debug, Clone, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct NeedLevelInput {
    /// The need level.
    pub level: NeedLevel,
    /// The day it was judged; where absent, today, or the day of the patient's latest judgement where that is a later one already.
    #[serde(default)]
    #[schema(example = "2026-03-01")]
    pub assessed_on: Option<NaiveDate>,
    /// The practitioner who judged it.
    #[serde(default)]
    pub assessed_by: Option<PractitionerId>,
    /// Why the need is judged so.
    #[serde(default)]
    #[schema(max_length = 2_000, example = "Lost housing; two emergency visits this month.")]
    pub reason: Option<String>,
}

/// A need level that a patient had, from one judgement to the next.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct NeedLevelAssessment {
    /// Its id.
    pub id: crate::kind::NeedLevelAssessmentId,
    /// The patient.
    pub patient_id: PatientId,
    /// The organization that judged.
    pub organization_id: OrganizationId,
    /// The need level.
    pub level: NeedLevel,
    /// The day it was judged.
    #[schema(example = "2026-03-01")]
    pub assessed_on: NaiveDate,
    /// The practitioner who judged it.
    pub assessed_by: Option<PractitionerId>,
    /// Why the need was judged so.
    #[schema(example = "Lost housing; two emergency visits this month.")]
    pub reason: Option<String>,
    /// When it was recorded.
    pub created_at: Instant,
}

/// Who is to accompany a patient.
#[derive(Debug, Clone, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct NavigatorInput {
    /// The practitioner: of the caller's organization or the one that manages the patient; the latter may name one of any organization
    /// that takes part in the care.
    pub practitioner_id: PractitionerId,
    /// Why they, or why the change.
    #[serde(default)]
    #[schema(max_length = 2_000, example = "Speaks Punjabi.")]
    pub reason: Option<String>,
}

/// A time during which a practitioner accompanied a patient.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct NavigatorAssignment {
    /// Its id.
    pub id: crate::kind::NavigatorAssignmentId,
    /// The patient.
    pub patient_id: PatientId,
    /// The organization that assigned.
    pub organization_id: OrganizationId,
    /// The practitioner.
    pub practitioner_id: PractitionerId,
    /// Why this practitioner, or why there was a change.
    #[schema(example = "Speaks Punjabi.")]
    pub reason: Option<String>,
    /// Version, from 1.
    #[schema(example = 1)]
    pub version: i64,
    /// When it began.
    pub created_at: Instant,
    /// When it ended; null: it lasts.
    pub ended_at: Option<Instant>,
}
