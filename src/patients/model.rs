//! What is kept of a patient, and the rules between its fields.

use chrono::{Datelike as _, NaiveDate};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::{Validate, ValidationError};

use super::contact::{ContactPoint, RelatedPerson, SafeContact, country, windows_end_after_they_begin};
use super::equity::Equity;
use super::health_number;
pub use super::name::{NameUse, PatientName};
use crate::consents::model::{Categories, DataCategory};
use crate::db::schema::patients;
use crate::db::types::{Instant, Json};
use crate::http::kept::Edition;
use crate::http::schema::rule;
use crate::kind::{OrganizationId, PatientId, PractitionerId, ServiceId};
use crate::matching::person::{Accommodation, DigitalAccess, MustHave, Travel};
use crate::services::model::{Accessibility, PracticeCode};
use crate::text_enum;
use crate::types::{Address, DeliveryMode, Identifier, Money, Point, Term, WeeklyWindow};

text_enum! {
    /// Whether the person is being helped.
    #[derive(Default)]
    pub enum PatientStatus {
        /// They are, or may be.
        #[default]
        Active = "active",
        /// They are not at present.
        Inactive = "inactive",
        /// They have died.
        Deceased = "deceased",
    }
}

text_enum! {
    /// How much support a person needs to make use of services, as somebody judged it.
    pub enum NeedLevel {
        /// Several or pressing needs: weekly contact.
        High = "high",
        /// Some support.
        Medium = "medium",
        /// Little: information and a word now and then.
        Low = "low",
    }
}

text_enum! {
    /// How well somebody commands a language.
    pub enum Proficiency {
        /// Single words.
        Basic = "basic",
        /// Everyday matters.
        Conversational = "conversational",
        /// Anything.
        Fluent = "fluent",
        /// Mother tongue.
        Native = "native",
    }
}

/// A language of the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatientLanguage {
    /// BCP 47 tag.
    #[schema(pattern = "^[a-z]{2,3}(-[A-Za-z0-9]{1,8})*$", max_length = 35, example = "fr-CA")]
    pub language: String,
    /// How well the person masters the language.
    #[serde(default)]
    pub proficiency: Option<Proficiency>,
    /// Whether they speak and understand it. Unknown where absent.
    #[serde(default)]
    #[schema(example = true)]
    pub spoken: Option<bool>,
    /// Whether they read and write it. Unknown where absent.
    #[serde(default)]
    #[schema(example = false)]
    pub written: Option<bool>,
    /// True for the language they want to be addressed in.
    #[serde(default)]
    #[schema(example = true)]
    pub preferred: bool,
}

/// How far the person gets, and how.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PatientReach {
    /// How they travel.
    pub how: Option<Travel>,
    /// The farthest they go, in kilometres as the crow flies.
    #[schema(minimum = 0, maximum = 20_000, example = 15)]
    pub max_km: Option<f64>,
    /// The longest walk from a stop, in metres.
    #[schema(minimum = 0, maximum = 100_000, example = 400)]
    pub max_walk_from_stop_m: Option<i32>,
    /// Mobility in words.
    #[schema(max_length = 1_000, example = "Walks with a rollator; no stairs.")]
    pub note: Option<String>,
}

text_enum! {
    /// What somebody manages with a device.
    pub enum DigitalLiteracy {
        /// Nothing.
        None = "none",
        /// Calls and messages.
        Basic = "basic",
        /// Websites, forms and video calls.
        Confident = "confident",
    }
}

/// What the person can do with a screen and a connection.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PatientDigital {
    /// Access as a whole.
    pub access: Option<DigitalAccess>,
    /// Devices they can use.
    #[schema(value_type = Vec<Term>, max_items = 20, example = json!(["shared tablet"]))]
    pub devices: Vec<String>,
    /// Whether they are online at home. Unknown where absent.
    #[schema(example = false)]
    pub has_internet: Option<bool>,
    /// Whether the cost of data holds them back. Unknown where absent.
    #[schema(example = true)]
    pub data_cost_is_a_barrier: Option<bool>,
    /// What they manage.
    pub literacy: Option<DigitalLiteracy>,
    /// Whether they want things on paper. Unknown where absent.
    #[schema(example = true)]
    pub prefers_print: Option<bool>,
}

/// What a helper allows for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatientAccommodation {
    /// What the helper is to allow for.
    pub kind: Accommodation,
    /// What helps.
    #[serde(default)]
    #[schema(max_length = 500, example = "Speak slowly; she reads lips.")]
    pub note: Option<String>,
}

text_enum! {
    /// What a support is.
    pub enum SupportKind {
        /// A person.
        Person = "person",
        /// A service.
        Service = "service",
        /// A group, club or congregation.
        Group = "group",
    }
}

/// Somebody or something that already helps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatientSupport {
    /// Who or what helps: a person, a service or a group.
    pub kind: SupportKind,
    /// Its name.
    #[schema(min_length = 1, max_length = 300, example = "Meals on Wheels")]
    pub name: String,
    /// The service of the directory, where it is one; it is then not suggested again.
    #[serde(default)]
    pub service_id: Option<ServiceId>,
    /// What the support gives.
    #[serde(default)]
    #[schema(max_length = 1_000, example = "Lunch on weekdays.")]
    pub note: Option<String>,
}

/// A patient as a caller writes them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "birth_is_told_once"), schema(function = "health_numbers_check"))]
pub struct PatientInput {
    /// Whether they are being helped.
    #[serde(default)]
    pub status: PatientStatus,
    /// Keys in other systems, the provincial health number among them. `system` and `value` are unique among the patients of the
    /// organization. Numbers of British Columbia (`https://fhir.infoway-inforoute.ca/NamingSystem/ca-bc-patient-healthcare-id`) and
    /// Ontario (`https://fhir.infoway-inforoute.ca/NamingSystem/ca-on-patient-hcn`) are checked by their check digit and kept as ten digits.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub identifiers: Vec<Identifier>,
    /// The version code of an Ontario health card; set by the server where it was written after the number.
    #[serde(default)]
    #[schema(pattern = "^[A-Z]{1,2}$", example = "JK")]
    pub health_card_version: Option<String>,
    /// Names; at least one.
    #[schema(min_items = 1, max_items = 10)]
    #[validate(nested)]
    pub names: Vec<PatientName>,
    /// Date of birth.
    #[serde(default)]
    #[schema(example = "1954-03-18")]
    pub birth_date: Option<NaiveDate>,
    /// Year of birth, where the date is not known; null beside a date.
    #[serde(default)]
    #[schema(minimum = 1850, maximum = 2200, example = 1954)]
    pub birth_year: Option<i32>,
    /// Day of death; the status is then `deceased`.
    #[serde(default)]
    #[schema(example = "2026-02-11")]
    pub deceased_on: Option<NaiveDate>,
    /// What they say of their identity and circumstances.
    #[serde(default)]
    #[validate(nested)]
    pub equity: Equity,
    /// Languages; none: not known.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub languages: Vec<PatientLanguage>,
    /// Whether they need an interpreter in other languages. Unknown where absent.
    #[serde(default)]
    #[schema(example = false)]
    pub interpreter_needed: Option<bool>,
    /// Ways to reach them.
    #[serde(default)]
    #[schema(max_items = 30)]
    #[validate(nested)]
    pub contact_points: Vec<ContactPoint>,
    /// What makes contact safe. Read it before contacting them.
    #[serde(default)]
    #[validate(nested)]
    pub safe_contact: Option<SafeContact>,
    /// Where they live.
    #[serde(default)]
    pub address: Option<Address>,
    /// The point to measure distances from; need not be the door.
    #[serde(default)]
    pub point: Option<Point>,
    /// Ways they like to be helped, the best first.
    #[serde(default)]
    #[schema(max_items = 10, example = json!(["in_person", "phone"]))]
    pub preferred_modes: Vec<DeliveryMode>,
    /// When they are free, local time; none: not known.
    #[serde(default)]
    #[schema(max_items = 50)]
    #[validate(custom(function = "windows_end_after_they_begin"))]
    pub free_times: Vec<WeeklyWindow>,
    /// How far the person gets to a service, and by which means.
    #[serde(default)]
    pub reach: PatientReach,
    /// What a place must have for them.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub accessibility: Vec<Accessibility>,
    /// What a helper allows for.
    #[serde(default)]
    #[schema(max_items = 10)]
    pub accommodations: Vec<PatientAccommodation>,
    /// Whether children come along or must be minded. Unknown where absent.
    #[serde(default)]
    #[schema(example = false)]
    pub childcare_needed: Option<bool>,
    /// What they can spend on one service in a month.
    #[serde(default)]
    pub budget_per_month: Option<Money>,
    /// What they can do with a screen and a connection.
    #[serde(default)]
    pub digital: PatientDigital,
    /// Cultures they feel at home in, as in a service's `attributes.cultural_focus`.
    #[serde(default)]
    #[schema(value_type = Vec<Term>, max_items = 20, example = json!(["south_asian"]))]
    pub cultures: Vec<String>,
    /// Culture in words.
    #[serde(default)]
    #[schema(max_length = 2_000, example = "Observes Ramadan.")]
    pub culture_note: Option<String>,
    /// Diets they keep, as in a service's `attributes.dietary`.
    #[serde(default)]
    #[schema(value_type = Vec<Term>, max_items = 20, example = json!(["halal"]))]
    pub dietary: Vec<String>,
    /// Practices they ask for.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub practices: Vec<PracticeCode>,
    /// Whom they would like to be among: populations, genders or cultures. Only where they have said so.
    #[serde(default)]
    #[schema(value_type = Vec<Term>, max_items = 20, example = json!(["woman"]))]
    pub group_preferences: Vec<String>,
    /// Populations they belong to, as in a service's `eligibility.populations`; only what they have said.
    #[serde(default)]
    #[schema(value_type = Vec<Term>, max_items = 50, example = json!(["caregiver"]))]
    pub populations: Vec<String>,
    /// What they like to do, as in a service's `attributes.activities`.
    #[serde(default)]
    #[schema(value_type = Vec<Term>, max_items = 50, example = json!(["gardening"]))]
    pub interests: Vec<String>,
    /// What matters to them, in their own words.
    #[serde(default)]
    #[schema(max_length = 5_000, example = "Being in a garden again, and seeing my grandchildren.")]
    pub what_matters_to_me: Option<String>,
    /// What they are good at and what holds them.
    #[serde(default)]
    #[schema(value_type = Vec<Term>, max_items = 50, example = json!(["Patient teacher", "Close to her sister"]))]
    pub strengths: Vec<String>,
    /// People and services already in place.
    #[serde(default)]
    #[schema(max_items = 50)]
    pub supports: Vec<PatientSupport>,
    /// People in their life.
    #[serde(default)]
    #[schema(max_items = 30)]
    #[validate(nested)]
    pub related_persons: Vec<RelatedPerson>,
    /// Coverage they hold, as in a service's `eligibility.coverage_required`, complete; empty says none. Absent: not known.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Term>>, max_items = 20, example = json!(["provincial_health"]))]
    pub coverage: Option<Vec<String>>,
    /// What they cannot do without in a service. While nothing is told that it could be compared with, as where no language is, it leaves
    /// nothing out: of every service it is to be checked.
    #[serde(default)]
    #[schema(max_items = 10, example = json!(["language"]))]
    pub must_haves: Vec<MustHave>,
    /// Anything else. Shown with the consent category `notes` only.
    #[serde(default)]
    #[schema(max_length = 10_000, example = "Prefers a call before a visit.")]
    pub notes: Option<String>,
}

impl PatientInput {
    /// The year of birth, from the date or alone.
    pub fn year_of_birth(&self) -> Option<i32> {
        self.birth_date.map(|date| date.year()).or(self.birth_year)
    }

    /// Age in whole years on a day: the least and the most that it can be, which differ where only a year of birth is known.
    pub fn ages_on(&self, day: NaiveDate) -> Option<(i32, i32)> {
        let by_year = day.year() - self.year_of_birth()?;
        let is_to_come = |date: NaiveDate| (day.month(), day.day()) < (date.month(), date.day());
        let (least, most) = match self.birth_date.map(is_to_come) {
            Some(is_to_come) => (by_year - i32::from(is_to_come), by_year - i32::from(is_to_come)),
            None => (by_year - 1, by_year),
        };
        Some((least.max(0), most.max(0)))
    }

    /// The name they wish to be called by.
    pub fn name(&self) -> Option<&PatientName> {
        PatientName::called(&self.names)
    }

    /// Puts what can be written in several ways into one form: health numbers, telephone numbers, the year beside a date, the status of
    /// somebody whose day of death is known.
    pub fn normalise(&mut self) {
        let Self { identifiers, health_card_version, address, contact_points, related_persons, .. } = self;
        for identifier in identifiers.iter_mut() {
            if let Some(Ok(read)) = health_number::read(identifier) {
                identifier.system = read.system.to_owned();
                identifier.value = read.number;
                *health_card_version = read.version_code.or_else(|| health_card_version.take());
            }
        }
        let country = country(address.as_ref());
        let related = related_persons.iter_mut().flat_map(|person| person.contact_points.iter_mut());
        for point in contact_points.iter_mut().chain(related) {
            point.normalise(country);
        }
        if self.birth_date.is_some() {
            self.birth_year = None;
        }
        if self.deceased_on.is_some() {
            self.status = PatientStatus::Deceased;
        }
    }
}

impl PatientInput {
    /// What somebody sees to whom only these categories are open: the rest is as if it were not known.
    #[must_use]
    pub fn shown(self, categories: Categories) -> Self {
        fn keep<T: Default>(is_shown: bool, value: T) -> T {
            if is_shown { value } else { T::default() }
        }
        let [contact, demographics, needs, notes] =
            [DataCategory::Contact, DataCategory::Demographics, DataCategory::Needs, DataCategory::Notes]
                .map(|one| categories.contains(one));
        Self {
            status: self.status,
            names: self.names,
            birth_date: self.birth_date,
            birth_year: self.birth_year,
            deceased_on: self.deceased_on,
            languages: self.languages,
            interpreter_needed: self.interpreter_needed,
            accommodations: self.accommodations,
            preferred_modes: self.preferred_modes,
            contact_points: keep(contact, self.contact_points),
            safe_contact: keep(contact, self.safe_contact),
            address: keep(contact, self.address),
            point: keep(contact, self.point),
            related_persons: keep(contact, self.related_persons),
            identifiers: keep(demographics, self.identifiers),
            health_card_version: keep(demographics, self.health_card_version),
            equity: keep(demographics, self.equity),
            cultures: keep(demographics, self.cultures),
            culture_note: keep(demographics, self.culture_note),
            populations: keep(demographics, self.populations),
            coverage: keep(demographics, self.coverage),
            free_times: keep(needs, self.free_times),
            reach: keep(needs, self.reach),
            accessibility: keep(needs, self.accessibility),
            childcare_needed: keep(needs, self.childcare_needed),
            budget_per_month: keep(needs, self.budget_per_month),
            digital: keep(needs, self.digital),
            dietary: keep(needs, self.dietary),
            practices: keep(needs, self.practices),
            group_preferences: keep(needs, self.group_preferences),
            interests: keep(needs, self.interests),
            what_matters_to_me: keep(needs, self.what_matters_to_me),
            strengths: keep(needs, self.strengths),
            supports: keep(needs, self.supports),
            must_haves: keep(needs, self.must_haves),
            notes: keep(notes, self.notes),
        }
    }
}

/// What of a patient tells where they stand in a list, and who sees how much of them.
#[derive(Debug, Clone, Copy, Queryable)]
pub struct PatientHead {
    /// Their id.
    pub id: PatientId,
    /// The organization that manages them.
    pub organization_id: OrganizationId,
    /// How they stand.
    pub edition: Edition,
}

/// How the record of a patient stands, whatever it says.
#[derive(Debug, Clone, Copy, Queryable)]
pub struct Standing {
    /// The organization that manages the patient.
    pub organization_id: OrganizationId,
    /// The record into which it was merged.
    pub merged_into_id: Option<PatientId>,
    /// When the patient was deleted.
    pub deleted_at: Option<Instant>,
    /// The version.
    pub version: i64,
}

/// A patient as the table holds them.
#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = patients, treat_none_as_default_value = false)]
pub struct PatientRow {
    /// Their id.
    pub id: PatientId,
    /// The organization that manages them.
    pub organization_id: OrganizationId,
    /// Whether they are being helped.
    pub status: PatientStatus,
    /// Need level, as last judged.
    pub need_level: Option<NeedLevel>,
    /// Who accompanies them.
    pub primary_navigator_id: Option<PractitionerId>,
    /// The record that took this one's place.
    pub merged_into_id: Option<PatientId>,
    /// What was written.
    pub content: Json<PatientInput>,
    /// Version, from 1.
    pub version: i64,
    /// When they were created.
    pub created_at: Instant,
    /// When they were last changed.
    pub updated_at: Instant,
    /// When they were deleted.
    pub deleted_at: Option<Instant>,
}

impl PatientRow {
    /// A new row.
    pub fn new(id: PatientId, organization_id: OrganizationId, input: PatientInput, at: Instant) -> Self {
        Self {
            id,
            organization_id,
            status: input.status,
            need_level: None,
            primary_navigator_id: None,
            merged_into_id: None,
            content: Json(input),
            version: 1,
            created_at: at,
            updated_at: at,
            deleted_at: None,
        }
    }
}

fn birth_is_told_once(patient: &PatientInput) -> Result<(), ValidationError> {
    let Some(date) = patient.birth_date else { return Ok(()) };
    if date.year() < 1850 {
        return Err(rule("/birth_date", "out_of_range", "must not be before 1850"));
    }
    if patient.birth_year.is_some_and(|year| year != date.year()) {
        return Err(rule("/birth_year", "not_allowed", "must be the year of birth_date, or absent"));
    }
    if patient.deceased_on.is_some_and(|deceased| deceased < date) {
        return Err(rule("/deceased_on", "not_allowed", "must not be before birth_date"));
    }
    Ok(())
}

fn health_numbers_check(patient: &PatientInput) -> Result<(), ValidationError> {
    let wrong = patient.identifiers.iter().position(|identifier| matches!(health_number::read(identifier), Some(Err(_))));
    match wrong {
        Some(index) => Err(rule(&format!("/identifiers/{index}/value"), "check_digit", health_number::CheckDigit.to_string())),
        None => Ok(()),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A patient with a name and a date of birth.
    pub(crate) fn person(given: &str, family: &str, birth_date: Option<&str>) -> PatientInput {
        let name = PatientName { given: Some(given.into()), family: Some(family.into()), ..PatientName::default() };
        PatientInput { names: vec![name], birth_date: birth_date.map(|date| date.parse().unwrap()), ..PatientInput::default() }
    }

    #[test]
    fn an_age_counts_birthdays_and_a_year_alone_gives_two() {
        let day = |text: &str| text.parse().unwrap();
        let patient = person("Marie", "Tremblay", Some("1954-03-18"));
        assert_eq!(patient.ages_on(day("2026-03-17")), Some((71, 71)));
        assert_eq!(patient.ages_on(day("2026-03-18")), Some((72, 72)));
        let patient = PatientInput { birth_date: None, birth_year: Some(1954), ..patient };
        assert_eq!(patient.ages_on(day("2026-12-31")), Some((71, 72)));
        assert_eq!(patient.ages_on(day("1954-07-01")), Some((0, 0)));
        assert_eq!(person("Marie", "Tremblay", None).ages_on(day("2026-03-17")), None);
    }

    #[test]
    fn what_can_be_written_in_several_ways_is_put_into_one() {
        let mut patient = person("Marie", "Tremblay", Some("1954-03-18"));
        patient.birth_year = Some(1954);
        patient.identifiers = vec![Identifier { system: health_number::ONTARIO.into(), value: "9876-543-217 jk".into() }];
        assert!(patient.validate().is_ok());
        patient.normalise();
        assert_eq!(patient.identifiers[0].value, "9876543217");
        assert_eq!(patient.health_card_version.as_deref(), Some("JK"));
        assert_eq!(patient.birth_year, None);
        let once = patient.clone();
        patient.normalise();
        assert_eq!(patient, once);
    }

    #[test]
    fn the_preferred_name_is_the_one_to_use() {
        let mut patient = person("Marie-Ève", "Tremblay", None);
        patient.names.push(PatientName { name_use: NameUse::Preferred, text: Some("Mève".into()), ..PatientName::default() });
        assert_eq!(patient.name().map(PatientName::display).as_deref(), Some("Mève"));
    }
}
