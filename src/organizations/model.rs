//! What an organization is.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::{Validate, ValidationError};

use crate::db::schema::organizations;
use crate::db::types::{Instant, Json};
use crate::http::schema::rule;
use crate::kind::OrganizationId;
use crate::text::fold;
use crate::text_enum;
use crate::types::{Address, Identifier, LanguageTag, Phone, Point};

text_enum! {
    /// What an organization is.
    pub enum OrganizationKind {
        /// A health authority or ministry.
        HealthAuthority = "health_authority",
        /// A clinic or practice that refers.
        Clinic = "clinic",
        /// A social prescribing program with link workers.
        Program = "program",
        /// A community agency that gives services.
        Agency = "agency",
        /// A directory or information line, such as a 211.
        Directory = "directory",
    }
}

/// The texts of an organization in one more language.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrganizationTranslation {
    /// BCP 47 tag.
    #[schema(pattern = "^[a-z]{2,3}(-[A-Za-z0-9]{1,8})*$", max_length = 35, example = "fr")]
    pub language: String,
    /// Name.
    #[serde(default)]
    #[schema(max_length = 300, example = "Programme de liaison d'Alder Valley")]
    pub name: Option<String>,
    /// Description.
    #[serde(default)]
    #[schema(max_length = 5_000, example = "Nous vous aidons à trouver ce qui compte pour vous.")]
    pub description: Option<String>,
}

/// How an organization works: what those who refer to it may expect, and what its own people are held to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Policies {
    /// Days within which a received referral is acknowledged; 2 where absent.
    #[schema(minimum = 0, maximum = 365, example = 2)]
    pub acknowledge_days: Option<i32>,
    /// Days within which a referral is accepted or rejected; 7 where absent.
    #[schema(minimum = 0, maximum = 365, example = 7)]
    pub decide_days: Option<i32>,
    /// Days after acceptance within which the person is first reached; 5 where absent.
    #[schema(minimum = 0, maximum = 365, example = 5)]
    pub first_contact_days: Option<i32>,
    /// Attempts in vain after which a follow-up is given up as unable_to_contact, and with a first contact its referral; 3 where absent.
    #[schema(minimum = 1, maximum = 50, example = 3)]
    pub contact_attempts: Option<i32>,
    /// Days between two attempts; 2 where absent.
    #[schema(minimum = 0, maximum = 90, example = 2)]
    pub contact_attempt_spacing_days: Option<i32>,
    /// Days from one follow-up to the next for a person with high needs; 7 where absent.
    #[schema(minimum = 1, maximum = 365, example = 7)]
    pub follow_up_days_high: Option<i32>,
    /// The same for medium needs; 14 where absent.
    #[schema(minimum = 1, maximum = 365, example = 14)]
    pub follow_up_days_medium: Option<i32>,
    /// The same for low needs; 28 where absent.
    #[schema(minimum = 1, maximum = 365, example = 28)]
    pub follow_up_days_low: Option<i32>,
    /// Hours for which a place that opens is kept for whoever is first in the waiting list; 72 where absent.
    #[schema(minimum = 1, maximum = 2_160, example = 72)]
    pub place_offer_hours: Option<i32>,
}

impl Policies {
    /// Days to acknowledge.
    pub fn acknowledge_days(&self) -> i32 {
        self.acknowledge_days.unwrap_or(2)
    }
    /// Days to decide.
    pub fn decide_days(&self) -> i32 {
        self.decide_days.unwrap_or(7)
    }
    /// Days to the first contact.
    pub fn first_contact_days(&self) -> i32 {
        self.first_contact_days.unwrap_or(5)
    }
    /// Attempts before giving up.
    pub fn contact_attempts(&self) -> i32 {
        self.contact_attempts.unwrap_or(3)
    }
    /// Hours for which a place is kept.
    pub fn place_offer_hours(&self) -> i32 {
        self.place_offer_hours.unwrap_or(72)
    }
    /// Days between attempts.
    pub fn contact_attempt_spacing_days(&self) -> i32 {
        self.contact_attempt_spacing_days.unwrap_or(2)
    }
}

/// What is written of an organization.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "known_time_zone"))]
pub struct OrganizationInput {
    /// Name, in `language`.
    #[schema(min_length = 1, max_length = 300, example = "Alder Valley Link Worker Program")]
    pub name: String,
    /// What kind of organization it is.
    pub kind: OrganizationKind,
    /// The organization it is part of, which counts its unmet needs with its own. Where systems call for it or a part of it, only it says so
    /// itself; with the first one that calls for it, what others said ends. There are at most 20 levels.
    #[serde(default)]
    pub parent_id: Option<OrganizationId>,
    /// Keys in other systems, such as a 211's or a charity register's.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub identifiers: Vec<Identifier>,
    /// BCP 47 tag of the texts here.
    #[serde(default = "english")]
    #[schema(pattern = "^[a-z]{2,3}(-[A-Za-z0-9]{1,8})*$", max_length = 35, example = "en")]
    pub language: String,
    /// What it does.
    #[serde(default)]
    #[schema(max_length = 5_000, example = "Link workers who help you find what matters to you.")]
    pub description: Option<String>,
    /// The same texts in other languages.
    #[serde(default)]
    #[schema(max_items = 10)]
    pub translations: Vec<OrganizationTranslation>,
    /// Languages its people speak, BCP 47.
    #[serde(default)]
    #[schema(value_type = Vec<LanguageTag>, max_items = 50, example = json!(["en", "fr", "pa"]))]
    pub languages: Vec<String>,
    /// Telephones.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub phones: Vec<Phone>,
    /// Electronic mail.
    #[serde(default)]
    #[schema(max_length = 320, example = "hello@linkworkers.example.ca")]
    pub email: Option<String>,
    /// Web site.
    #[serde(default)]
    #[schema(max_length = 1_000, example = "https://linkworkers.example.ca")]
    pub url: Option<String>,
    /// Where it is.
    #[serde(default)]
    pub address: Option<Address>,
    /// Its point on the map.
    #[serde(default)]
    pub point: Option<Point>,
    /// IANA time zone of its working days.
    #[serde(default)]
    #[schema(max_length = 60, example = "America/Vancouver")]
    pub time_zone: Option<String>,
    /// How it calls the people it helps: client, patient, participant, senior, ….
    #[serde(default)]
    #[schema(max_length = 60, example = "participant")]
    pub person_label: Option<String>,
    /// What it takes and what not, for those who refer to it.
    #[serde(default)]
    #[schema(max_length = 5_000, example = "Adults who live in the valley; not for people in acute crisis.")]
    pub scope: Option<String>,
    /// How it works.
    #[serde(default)]
    pub policies: Policies,
    /// False once it has closed its doors.
    #[serde(default = "yes")]
    pub is_active: bool,
}

impl OrganizationInput {
    /// An active organization of which only name and kind are known.
    pub fn named(name: impl Into<String>, kind: OrganizationKind) -> Self {
        Self {
            name: name.into(),
            kind,
            parent_id: None,
            identifiers: Vec::new(),
            language: english(),
            description: None,
            translations: Vec::new(),
            languages: Vec::new(),
            phones: Vec::new(),
            email: None,
            url: None,
            address: None,
            point: None,
            time_zone: None,
            person_label: None,
            scope: None,
            policies: Policies::default(),
            is_active: true,
        }
    }
}

fn english() -> String {
    "en".into()
}

fn yes() -> bool {
    true
}

fn known_time_zone(input: &OrganizationInput) -> Result<(), ValidationError> {
    match &input.time_zone {
        Some(zone) if zone.parse::<chrono_tz::Tz>().is_err() => {
            Err(rule("/time_zone", "unknown_time_zone", "is not an IANA time zone such as America/Vancouver"))
        }
        _ => Ok(()),
    }
}

/// A row of the table `organizations`.
#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = organizations, treat_none_as_default_value = false)]
pub struct OrganizationRow {
    /// Its id.
    pub id: OrganizationId,
    /// The organization that keeps the record: itself, or the directory that lists it.
    pub organization_id: OrganizationId,
    /// See [`OrganizationInput::parent_id`].
    pub parent_id: Option<OrganizationId>,
    /// See [`OrganizationInput::kind`].
    pub kind: OrganizationKind,
    /// See [`OrganizationInput::name`].
    pub name: String,
    /// The name folded, for search.
    pub name_key: String,
    /// See [`OrganizationInput::is_active`].
    pub is_active: bool,
    /// The whole content.
    pub content: Json<OrganizationInput>,
    /// Version, from 1.
    pub version: i64,
    /// When it was created.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
    /// When it was deleted.
    pub deleted_at: Option<Instant>,
}

impl OrganizationRow {
    /// A new organization, whose record `keeper` keeps.
    pub fn new(id: OrganizationId, keeper: OrganizationId, content: OrganizationInput, at: Instant) -> Self {
        Self {
            id,
            organization_id: keeper,
            parent_id: content.parent_id,
            kind: content.kind,
            name: content.name.clone(),
            name_key: fold(&content.name),
            is_active: content.is_active,
            content: Json(content),
            version: 1,
            created_at: at,
            updated_at: at,
            deleted_at: None,
        }
    }
}
