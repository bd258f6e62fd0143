//! What a person lacks or wishes, and how far they and others have got with it.

use chrono::NaiveDate;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::{Validate, ValidationError};

use crate::db::schema::needs;
use crate::db::types::{Instant, Json};
use crate::http::schema::rule;
use crate::kind::{NeedId, OrganizationId, PatientId, ScreeningId};
use crate::text_enum;
use crate::types::{Identifier, find_domain};

text_enum! {
    /// How a need came to light.
    #[derive(Default)]
    pub enum NeedSource {
        /// A screening raised it.
        Screening = "screening",
        /// Somebody spoke with the person.
        #[default]
        Conversation = "conversation",
        /// A referral named it.
        Referral = "referral",
        /// The person said so unasked.
        SelfReport = "self",
    }
}

text_enum! {
    /// How much a need weighs on the person.
    pub enum NeedSeverity {
        /// It can wait.
        Low = "low",
        /// It should be dealt with.
        Medium = "medium",
        /// It cannot wait.
        High = "high",
    }
}

text_enum! {
    /// How ready the person is to do something about it: the stages of change (Prochaska and DiClemente 1983).
    pub enum Readiness {
        /// Does not think of changing anything.
        Precontemplation = "precontemplation",
        /// Thinks about it.
        Contemplation = "contemplation",
        /// Plans to begin soon.
        Preparation = "preparation",
        /// Has begun.
        Action = "action",
        /// Keeps it up.
        Maintenance = "maintenance",
    }
}

text_enum! {
    /// How a need stands.
    #[derive(Default)]
    pub enum NeedStatus {
        /// It is there and nothing has been begun.
        #[default]
        Active = "active",
        /// Somebody is working on it with the person.
        BeingAddressed = "being_addressed",
        /// It has been met.
        Met = "met",
        /// It could not be met.
        Unmet = "unmet",
        /// The person wants no help with it.
        Declined = "declined",
        /// It was recorded by mistake.
        EnteredInError = "entered_in_error",
    }
}

impl NeedStatus {
    /// Whether somebody may still help with it.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Active | Self::BeingAddressed)
    }

    /// Whether a need may go from this status to the other. Every way is open but the one out of an error.
    pub fn may_become(self, next: Self) -> bool {
        self != Self::EnteredInError || next == Self::EnteredInError
    }
}

text_enum! {
    /// Whether somebody has spoken with the person about it.
    #[derive(Default)]
    pub enum NeedVerification {
        /// Not yet: a screening only makes a need possible.
        Unconfirmed = "unconfirmed",
        /// The person confirmed it.
        #[default]
        Confirmed = "confirmed",
        /// The person says that it is not so.
        Refuted = "refuted",
    }
}

/// A need as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "known_domain"))]
pub struct NeedInput {
    /// Whose need it is. It never changes.
    pub patient_id: PatientId,
    /// A need domain; `GET /v1/need-domains` lists them.
    #[schema(pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", max_length = 60, example = "food-insecurity")]
    pub domain: String,
    /// A finer name within the domain.
    #[serde(default)]
    #[schema(max_length = 100, example = "education-or-training")]
    pub label: Option<String>,
    /// How it came to light.
    #[serde(default)]
    pub source: NeedSource,
    /// The screening that raised it.
    #[serde(default)]
    pub screening_id: Option<ScreeningId>,
    /// How much it weighs on the person; null where nobody has judged.
    #[serde(default)]
    pub severity: Option<NeedSeverity>,
    /// Whether the person wants help with it; null where nobody has asked.
    #[serde(default)]
    #[schema(example = true)]
    pub wants_help: Option<bool>,
    /// How ready the person is to do something about it; null where nobody has asked.
    #[serde(default)]
    pub readiness: Option<Readiness>,
    /// How it stands.
    #[serde(default)]
    pub status: NeedStatus,
    /// Whether somebody has spoken with the person about it.
    #[serde(default)]
    pub verification: NeedVerification,
    /// Show it only where consent names sensitive data, though its domain alone would not ask for that.
    #[serde(default)]
    #[schema(example = false)]
    pub treat_as_sensitive: bool,
    /// Since when the person has had it.
    #[serde(default)]
    #[schema(example = "2026-01-15")]
    pub onset_on: Option<NaiveDate>,
    /// What else is to be said about it.
    #[serde(default)]
    #[schema(max_length = 5_000, example = "Skips meals in the last week of the month.")]
    pub note: Option<String>,
    /// Keys under which other systems know it.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub identifiers: Vec<Identifier>,
}

/// Domains of violence between people who may come together.
pub const VIOLENCE: &[&str] = &["intimate-partner-violence", "elder-abuse"];
/// The label of a need that says that somebody, whoever it is, does harm to the person; its domain does not say so.
const INTERPERSONAL_SAFETY: &str = "interpersonal-safety";

impl NeedInput {
    /// Whether somebody may be violent to the person by what it says. Whether they want help with that, and how it stands, does not
    /// matter: the danger is the same.
    pub fn tells_of_violence(&self) -> bool {
        let is_so = self.status != NeedStatus::EnteredInError && self.verification != NeedVerification::Refuted;
        is_so && (VIOLENCE.contains(&self.domain.as_str()) || self.label.as_deref() == Some(INTERPERSONAL_SAFETY))
    }

    /// Whether it is shown only where consent names sensitive data.
    pub fn is_sensitive(&self) -> bool {
        self.treat_as_sensitive || find_domain(&self.domain).is_some_and(|domain| domain.is_sensitive)
    }

    /// Whether it comes first in the order of work: food, a roof, safety.
    pub fn is_basic(&self) -> bool {
        find_domain(&self.domain).is_some_and(|domain| domain.is_basic)
    }
}

fn known_domain(input: &NeedInput) -> Result<(), ValidationError> {
    find_domain(&input.domain).map(|_| ()).ok_or_else(|| rule("/domain", "unknown_domain", "is not a need domain"))
}

/// A row of the table `needs`.
#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = needs, treat_none_as_default_value = false)]
pub struct NeedRow {
    /// Its id.
    pub id: NeedId,
    /// The organization that recorded it.
    pub organization_id: OrganizationId,
    /// See [`NeedInput::patient_id`].
    pub patient_id: PatientId,
    /// See [`NeedInput::screening_id`].
    pub screening_id: Option<ScreeningId>,
    /// See [`NeedInput::domain`].
    pub domain: String,
    /// See [`NeedInput::status`].
    pub status: NeedStatus,
    /// See [`NeedInput::is_sensitive`].
    pub is_sensitive: bool,
    /// The whole content.
    pub content: Json<NeedInput>,
    /// Version, from 1.
    pub version: i64,
    /// When it was recorded.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
    /// When it was deleted.
    pub deleted_at: Option<Instant>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_error_is_final() {
        for from in NeedStatus::ALL {
            for to in NeedStatus::ALL {
                let expected = *from != NeedStatus::EnteredInError || to == from;
                assert_eq!(from.may_become(*to), expected, "{from} to {to}");
            }
        }
    }
}
