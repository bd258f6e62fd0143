//! What is kept of a practitioner.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use crate::db::schema::practitioners;
use crate::db::types::{Instant, Json};
use crate::kind::{OrganizationId, PractitionerId};
use crate::text_enum;
use crate::types::{Identifier, LanguageTag, Phone};

text_enum! {
    /// What a practitioner does for the organization.
    pub enum PractitionerRole {
        /// A physician, nurse or other clinician.
        Clinician = "clinician",
        /// A link worker, community connector or navigator.
        LinkWorker = "link_worker",
        /// Somebody who hands out the work.
        Coordinator = "coordinator",
        /// A volunteer.
        Volunteer = "volunteer",
        /// Somebody who sees to the system.
        Admin = "admin",
    }
}

/// Words by which a practitioner introduces themself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Introduction {
    /// BCP 47 tag.
    #[schema(pattern = "^[a-z]{2,3}(-[A-Za-z0-9]{1,8})*$", max_length = 35, example = "pa")]
    pub language: String,
    /// The text, addressed to the person who is going to meet them.
    #[schema(min_length = 1, max_length = 3_000, example = "ਸਤ ਸ੍ਰੀ ਅਕਾਲ! I am Harpreet. We will talk about what matters to you.")]
    pub text: String,
}

/// A person who acts for an organization.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct PractitionerInput {
    /// Name, as patients hear it.
    #[schema(min_length = 1, max_length = 200, example = "Harpreet Gill")]
    pub name: String,
    /// What they do.
    #[schema(min_items = 1, max_items = 5, example = json!(["link_worker"]))]
    pub roles: Vec<PractitionerRole>,
    /// Profession or title, in words.
    #[serde(default)]
    #[schema(max_length = 200, example = "Community connector")]
    pub title: Option<String>,
    /// Languages they work in. BCP 47.
    #[serde(default)]
    #[schema(value_type = Vec<LanguageTag>, max_items = 20, example = json!(["en", "pa"]))]
    pub languages: Vec<String>,
    /// Pronouns.
    #[serde(default)]
    #[schema(max_length = 60, example = "she/her")]
    pub pronouns: Option<String>,
    /// Who they are, in the languages of the people they meet.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub introductions: Vec<Introduction>,
    /// A picture of them.
    #[serde(default)]
    #[schema(max_length = 1_000, example = "https://alderlink.example.ca/people/harpreet.jpg")]
    pub photo_url: Option<String>,
    /// Telephones. Seen by their own organization only.
    #[serde(default)]
    #[schema(max_items = 10)]
    pub phones: Vec<Phone>,
    /// Electronic mail. Seen by their own organization only.
    #[serde(default)]
    #[schema(max_length = 320, example = "harpreet@alderlink.example.ca")]
    pub email: Option<String>,
    /// The most patients they take, weighted by need level as `GET /v1/practitioners/{id}/caseload` counts; null: no limit is set.
    /// Seen by their own organization only.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 10_000, example = 60)]
    pub max_caseload: Option<i32>,
    /// Keys in other systems, such as a licence number. Seen by their own organization only.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub identifiers: Vec<Identifier>,
    /// Whether they work there now.
    #[serde(default = "yes")]
    #[schema(example = true)]
    pub is_active: bool,
}

const fn yes() -> bool {
    true
}

impl PractitionerInput {
    /// What other organizations see: who the person is and how they introduce themself.
    #[must_use]
    pub fn public(self) -> Self {
        Self { phones: Vec::new(), email: None, max_caseload: None, identifiers: Vec::new(), ..self }
    }
}

/// A practitioner as the table holds them.
#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = practitioners, treat_none_as_default_value = false)]
pub struct PractitionerRow {
    /// Their id.
    pub id: PractitionerId,
    /// The organization that they act for.
    pub organization_id: OrganizationId,
    /// The name, folded.
    pub name_key: String,
    /// The roles, in the form `|a|b|`.
    pub roles: String,
    /// The languages, in the form `|a|b|`.
    pub languages: String,
    /// Whether they work there now.
    pub is_active: bool,
    /// What was written.
    pub content: Json<PractitionerInput>,
    /// Version, from 1.
    pub version: i64,
    /// When they were created.
    pub created_at: Instant,
    /// When they were last changed.
    pub updated_at: Instant,
    /// When they were deleted.
    pub deleted_at: Option<Instant>,
}
