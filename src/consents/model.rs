//! What a consent says, when it holds, and the data it covers.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::{Validate, ValidationError};

use crate::db::schema::consents;
use crate::db::types::{Instant, Json};
use crate::http::schema::rule;
use crate::kind::{ConsentId, OrganizationId, PatientId, PractitionerId};
use crate::text_enum;

text_enum! {
    /// What a consent is for.
    pub enum ConsentPurpose {
        /// A referral may be sent to the organization, with the data that the consent names.
        Referral = "referral",
        /// The organization takes part in the person's care: it sees the patient, with the data that the consent names, and may be sent
        /// referrals.
        CareCoordination = "care_coordination",
        /// The data may be used for research.
        Research = "research",
    }
}

text_enum! {
    /// A part of what is known of a patient.
    pub enum DataCategory {
        /// Who they are: names, birth, languages, accommodations. Every consent includes it.
        Summary = "summary",
        /// How they are reached: contact points, safe-contact rules, address, people in their life.
        Contact = "contact",
        /// Identifiers and what they say of their identity and circumstances.
        Demographics = "demographics",
        /// Needs, need level, what matters to them, interests, supports, and what a service must be like for them.
        Needs = "needs",
        /// Screenings with their answers and scores.
        Screenings = "screenings",
        /// Referrals to others, and what came of them.
        Referrals = "referrals",
        /// Follow-ups and contact attempts.
        FollowUps = "follow_ups",
        /// Notes.
        Notes = "notes",
        /// Needs and screenings on sensitive matters: violence, substance use, justice.
        Sensitive = "sensitive",
    }
}

impl ConsentPurpose {
    /// What finds the purpose in a list that [`list`] wrote, by `LIKE`.
    pub fn pattern(self) -> String {
        format!("%|{self}|%")
    }
}

impl DataCategory {
    /// What finds the category in a list that [`list`] wrote, by `LIKE`.
    pub fn pattern(self) -> String {
        format!("%|{self}|%")
    }
}

/// A set of categories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Categories(u16);

impl Categories {
    /// Nothing: what somebody sees whom the patient does not let in, or not any more.
    pub const NONE: Self = Self(0);
    /// Everything: what the managing organization sees.
    pub const ALL: Self = Self(u16::MAX);
    /// No more than who the person is.
    pub const SUMMARY: Self = Self(1 << DataCategory::Summary as u16);

    /// Whether the set has the category.
    pub const fn contains(self, category: DataCategory) -> bool {
        self.0 & (1 << category as u16) != 0
    }

    /// Whether every category of the other is in this set.
    pub const fn includes(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// What is in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Everything but these.
    pub fn without(missing: &[DataCategory]) -> Self {
        missing.iter().fold(Self::ALL, |set, category| Self(set.0 & !(1 << *category as u16)))
    }

    /// The categories that are not in the set.
    pub fn missing(self) -> Vec<DataCategory> {
        DataCategory::ALL.iter().copied().filter(|category| !self.contains(*category)).collect()
    }
}

/// The summary is in every set: whoever sees anything of a patient sees who it is about.
impl FromIterator<DataCategory> for Categories {
    fn from_iter<I: IntoIterator<Item = DataCategory>>(categories: I) -> Self {
        categories.into_iter().fold(Self::SUMMARY, |set, category| Self(set.0 | 1 << category as u16))
    }
}

text_enum! {
    /// How a consent was given.
    pub enum ConsentForm {
        /// Spoken, and noted by the one who heard it.
        Verbal = "verbal",
        /// Signed on paper.
        Written = "written",
        /// Signed or ticked on a screen.
        Electronic = "electronic",
        /// Not expressed, and inferred as the law of the place allows within a circle of care.
        Implied = "implied",
    }
}

text_enum! {
    /// Who gave a consent.
    #[derive(Default)]
    pub enum ConsentGiver {
        /// The patient.
        #[default]
        Patient = "patient",
        /// Somebody who may act for the patient.
        RelatedPerson = "related_person",
    }
}

text_enum! {
    /// Whether a consent holds.
    pub enum ConsentStatus {
        /// It holds.
        Active = "active",
        /// It will hold from `valid_from`.
        Future = "future",
        /// It held until `valid_until`.
        Expired = "expired",
        /// The patient has taken it back.
        Withdrawn = "withdrawn",
    }
}

/// A patient's permission: which organization, for what, which data, and how it was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "consent_is_consistent"))]
pub struct ConsentInput {
    /// Whose consent it is.
    pub patient_id: PatientId,
    /// The organization that the consent is given to; not the one that manages the patient.
    pub grantee_id: OrganizationId,
    /// For what the data may be used. Care coordination includes referral, which is added where it is not named.
    #[schema(min_items = 1, max_items = 3, example = json!(["referral", "care_coordination"]))]
    pub purposes: Vec<ConsentPurpose>,
    /// The data that the grantee may see. The summary is always included.
    #[schema(min_items = 1, max_items = 9, example = json!(["summary", "contact", "needs"]))]
    pub categories: Vec<DataCategory>,
    /// How it was given.
    pub form: ConsentForm,
    /// Who gave it.
    #[serde(default)]
    pub given_by: ConsentGiver,
    /// The name of the related person who gave it.
    #[serde(default)]
    #[schema(max_length = 200, example = "Anaïs Tremblay")]
    pub given_by_name: Option<String>,
    /// Who that person is to the patient.
    #[serde(default)]
    #[schema(max_length = 100, example = "daughter, power of attorney")]
    pub given_by_relationship: Option<String>,
    /// The practitioner who asked and wrote it down.
    #[serde(default)]
    pub recorded_by: Option<PractitionerId>,
    /// From when it holds; the moment of the request where absent.
    #[serde(default)]
    pub valid_from: Option<Instant>,
    /// Until when it holds; null: until withdrawn.
    #[serde(default)]
    pub valid_until: Option<Instant>,
    /// What was said or agreed.
    #[serde(default)]
    #[schema(max_length = 2_000, example = "Agrees that the food bank calls her; not in the evening.")]
    pub note: Option<String>,
}

impl ConsentInput {
    /// The data covered.
    pub fn covered(&self) -> Categories {
        self.categories.iter().copied().collect()
    }

    /// Puts lists into one order, without repetition and with what is implied: the summary, and referrals where the organization takes
    /// part in the care.
    pub fn normalise(&mut self) {
        if self.purposes.contains(&ConsentPurpose::CareCoordination) {
            self.purposes.push(ConsentPurpose::Referral);
        }
        self.purposes.sort_unstable();
        self.purposes.dedup();
        self.categories.push(DataCategory::Summary);
        self.categories.sort_unstable();
        self.categories.dedup();
    }
}

/// A consent as the table holds it.
#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = consents, treat_none_as_default_value = false)]
pub struct ConsentRow {
    /// Its id.
    pub id: ConsentId,
    /// The organization that manages the patient.
    pub organization_id: OrganizationId,
    /// Whose consent it is.
    pub patient_id: PatientId,
    /// Whom it is given to.
    pub grantee_id: OrganizationId,
    /// The organization that wrote it down.
    pub recorder_id: OrganizationId,
    /// The purposes, as [`list`](crate::db::lists::list) writes them.
    pub purposes: String,
    /// The categories, as [`list`](crate::db::lists::list) writes them.
    pub categories: String,
    /// From when it holds.
    pub valid_from: Instant,
    /// Until when.
    pub valid_until: Option<Instant>,
    /// When it was taken back.
    pub withdrawn_at: Option<Instant>,
    /// Why.
    pub withdrawal_reason: Option<String>,
    /// What was written.
    pub content: Json<ConsentInput>,
    /// Version, from 1.
    pub version: i64,
    /// When it was recorded.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
    /// When it was deleted.
    pub deleted_at: Option<Instant>,
}

impl ConsentRow {
    /// What was written. A merge moves the row to the surviving patient, so the column tells whose it is.
    pub fn input(&self) -> ConsentInput {
        ConsentInput { patient_id: self.patient_id, ..self.content.0.clone() }
    }
}

/// Whether a consent holds at a moment.
pub fn status_at(now: Instant, valid_from: Instant, valid_until: Option<Instant>, withdrawn_at: Option<Instant>) -> ConsentStatus {
    if withdrawn_at.is_some_and(|moment| moment <= now) {
        ConsentStatus::Withdrawn
    } else if valid_until.is_some_and(|moment| moment <= now) {
        ConsentStatus::Expired
    } else if valid_from > now {
        ConsentStatus::Future
    } else {
        ConsentStatus::Active
    }
}

fn consent_is_consistent(consent: &ConsentInput) -> Result<(), ValidationError> {
    if consent.given_by == ConsentGiver::RelatedPerson && consent.given_by_name.as_deref().is_none_or(|name| name.trim().is_empty()) {
        return Err(rule("/given_by_name", "required", "is required where a related person gave the consent"));
    }
    if consent.valid_from.zip(consent.valid_until).is_some_and(|(from, until)| until <= from) {
        return Err(rule("/valid_until", "not_allowed", "must be later than valid_from"));
    }
    Ok(())
}

/// Why a consent was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct ConsentWithdrawal {
    /// The reason, where the patient gave one.
    #[schema(max_length = 1_000, example = "Does not want the agency to call any more.")]
    pub reason: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn instant(seconds: i64) -> Instant {
        Instant::from_utc(chrono::DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap())
    }

    #[test]
    fn a_set_always_has_the_summary_and_tells_what_it_lacks() {
        let contact: Categories = [DataCategory::Contact].into_iter().collect();
        assert!(contact.contains(DataCategory::Summary) && contact.contains(DataCategory::Contact));
        assert!(!contact.contains(DataCategory::Notes) && contact.missing().contains(&DataCategory::Notes));
        assert!(Categories::ALL.includes(contact) && !contact.includes(Categories::ALL) && Categories::ALL.missing().is_empty());
        assert_eq!(Categories::without(&contact.missing()).missing(), contact.missing());
    }

    proptest! {
        #[test]
        fn a_consent_holds_from_its_beginning_until_it_ends_or_is_withdrawn(
            from in 0_i64..100, length in proptest::option::of(1_i64..100), withdrawn in proptest::option::of(0_i64..200), now in 0_i64..200,
        ) {
            let until = length.map(|length| from + length);
            let status = status_at(instant(now), instant(from), until.map(instant), withdrawn.map(instant));
            let holds = now >= from && until.is_none_or(|until| now < until) && withdrawn.is_none_or(|withdrawn| now < withdrawn);
            prop_assert_eq!(status == ConsentStatus::Active, holds);
        }
    }
}
