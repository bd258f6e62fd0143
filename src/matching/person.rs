//! What matching may know of somebody: a patient with the name taken away, or a description that belongs to nobody.
//!
//! Everything is optional. What is absent is not known: it neither excludes a service nor counts against it.

use std::borrow::Cow;

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::{Validate, ValidationError};

use crate::http::schema::rule;
use crate::kind::{OrganizationId, ServiceId};
use crate::needs::model::{NeedSeverity, Readiness};
use crate::services::model::{Accessibility, PracticeCode};
use crate::text_enum;
use crate::types::{DeliveryMode, Money, Point, WeeklyWindow, find_domain};
use crate::{languages, postal_codes};

text_enum! {
    /// How somebody gets about.
    pub enum Travel {
        /// On foot, or with a wheelchair or walker.
        Walk = "walk",
        /// By bus and train.
        Transit = "transit",
        /// By their own car.
        Car = "car",
        /// Driven by somebody.
        Driven = "driven",
    }
}

text_enum! {
    /// What the person can do with a screen and a connection.
    pub enum DigitalAccess {
        /// No device, no connection, or no wish to use them.
        None = "none",
        /// Some: a shared or old device, little data, or help needed.
        Limited = "limited",
        /// Video calls and websites are no trouble.
        Good = "good",
    }
}

text_enum! {
    /// What a helper allows for when meeting the person.
    pub enum Accommodation {
        /// Hears with difficulty.
        Hearing = "hearing",
        /// Speaks with difficulty.
        Speech = "speech",
        /// Sees with difficulty.
        Vision = "vision",
        /// Remembers or follows with difficulty.
        Cognition = "cognition",
        /// Moves with difficulty.
        Mobility = "mobility",
    }
}

text_enum! {
    /// Why a service or provider is not to be suggested again.
    pub enum AvoidReason {
        /// The person does not want it.
        RefusedByPerson = "refused_by_person",
        /// The provider does not take this person.
        RefusedByProvider = "refused_by_provider",
        /// The person already goes there.
        AlreadyInUse = "already_in_use",
        /// An open referral of the person asks it already.
        AlreadyReferred = "already_referred",
    }
}

text_enum! {
    /// What the person calls indispensable: a service that is known to lack it is left out, one of which it is not known is marked.
    pub enum MustHave {
        /// One of the person's languages, without or with an interpreter.
        Language = "language",
        /// One of the preferred modes.
        Mode = "mode",
        /// A price within the budget.
        Budget = "budget",
        /// Open in the person's free time.
        Hours = "hours",
        /// A stop within `reach.max_walk_from_stop_m`.
        Transit = "transit",
        /// Everything in `accessibility`. Directories say what is there, not what is lacking, so this marks rather than excludes.
        Accessibility = "accessibility",
        /// One of the diets.
        Diet = "diet",
        /// Children are minded or welcome.
        Childcare = "childcare",
    }
}

/// One thing that the person lacks or wishes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "is_of_a_domain"))]
pub struct PersonNeed {
    /// Its domain: a Gravity code or a local `x-` code.
    #[schema(pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", max_length = 60, example = "food-insecurity")]
    pub domain: String,
    /// How much it weighs.
    #[serde(default)]
    pub severity: Option<NeedSeverity>,
    /// Whether the person wants help with it; a need that they want no help with is not matched.
    #[serde(default)]
    #[schema(example = true)]
    pub wants_help: Option<bool>,
    /// How ready they are; a need they are not ready for weighs less.
    #[serde(default)]
    pub readiness: Option<Readiness>,
    /// In the person's own words.
    #[serde(default)]
    #[schema(max_length = 2_000, example = "The pantry is empty by the twentieth.")]
    pub words: Option<String>,
}

/// Where the person is, as finely as they wish to say.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PersonLocation {
    /// The point to measure distances from; need not be the door.
    pub point: Option<Point>,
    /// Postal code, or its beginning.
    #[schema(max_length = 20, example = "V0X")]
    pub postal_code: Option<String>,
    /// City, town or village.
    #[schema(max_length = 150, example = "Alder Falls")]
    pub city: Option<String>,
    /// ISO 3166-2 subdivision without the country; derived from a Canadian postal code where absent.
    #[schema(max_length = 100, example = "BC")]
    pub region: Option<String>,
    /// ISO 3166-1 two-letter country.
    #[schema(pattern = "^[A-Z]{2}$", example = "CA")]
    pub country: Option<String>,
}

/// How far the person gets, and how.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PersonReach {
    /// How they travel.
    pub how: Option<Travel>,
    /// The farthest they go, in kilometres as the crow flies. A service given only farther away is left out.
    #[schema(minimum = 0, maximum = 20_000, example = 15)]
    pub max_km: Option<f64>,
    /// The longest walk from a stop, in metres.
    #[schema(minimum = 0, maximum = 100_000, example = 400)]
    pub max_walk_from_stop_m: Option<i32>,
}

/// A service, or everything a provider gives, that is not to be suggested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "names_what_to_avoid"))]
pub struct Avoidance {
    /// The service.
    #[serde(default)]
    pub service_id: Option<ServiceId>,
    /// The provider. One of the two is given.
    #[serde(default)]
    pub organization_id: Option<OrganizationId>,
    /// Why.
    pub reason: AvoidReason,
}

/// What matching may know of somebody. Everything is optional; nothing of it says who the person is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields, default)]
#[validate(schema(function = "must_haves_are_told"), schema(function = "ages_rise"), schema(function = "known_time_zone"))]
#[schema(example = json!({
    "needs": [
        { "domain": "social-connection", "severity": "high", "words": "I talk to nobody all week" },
        { "domain": "food-insecurity", "severity": "medium" }
    ],
    "what_matters": "Being in a garden again, and speaking Punjabi with somebody",
    "age": 71,
    "languages": ["pa", "en"],
    "location": { "postal_code": "V0X 1A0", "city": "Alder Falls", "point": { "latitude": 49.35, "longitude": -120.12 } },
    "reach": { "how": "transit", "max_km": 15 },
    "modes": ["in_person", "phone"],
    "free_times": [{ "day": "tuesday", "from": "09:00", "until": "15:00" }],
    "budget_per_month": { "amount_minor": 1000, "currency": "CAD" },
    "interests": ["gardening"],
    "must_haves": ["language"]
}))]
pub struct Person {
    /// What they lack or wish.
    #[schema(max_items = 20)]
    #[validate(nested)]
    pub needs: Vec<PersonNeed>,
    /// What matters to them, in their own words.
    #[schema(max_length = 2_000, example = "Being in a garden again.")]
    pub what_matters: Option<String>,
    /// Age in years.
    #[schema(minimum = 0, maximum = 130, example = 71)]
    pub age: Option<i32>,
    /// The most that their age can be, where it is not known to the year: `age` is then the least. A rule that one of the two meets leaves
    /// nothing out.
    #[schema(minimum = 0, maximum = 130, example = 72)]
    pub age_at_most: Option<i32>,
    /// Gender, as in a service's `eligibility.genders`: `woman`, `man`, `non_binary`, or another word. Absent where not known or declined.
    #[schema(max_length = 60, example = "woman")]
    pub gender: Option<String>,
    /// Further words for their gender, where one does not say it: a service for any of them may be for this person.
    #[schema(max_items = 10, example = json!(["two_spirit"]))]
    pub other_genders: Vec<String>,
    /// Populations they belong to, as in a service's `eligibility.populations`.
    #[schema(max_items = 50, example = json!(["caregiver"]))]
    pub populations: Vec<String>,
    /// Populations they are known not to belong to. A service restricted to these is left out; what is in neither list is not known.
    #[schema(max_items = 50, example = json!(["veteran"]))]
    pub not_populations: Vec<String>,
    /// Languages they can be helped in, the best first. BCP 47.
    #[schema(max_items = 10, example = json!(["pa", "en"]))]
    pub languages: Vec<String>,
    /// Whether they need an interpreter in other languages.
    #[schema(example = false)]
    pub interpreter_needed: Option<bool>,
    /// Where they are.
    pub location: PersonLocation,
    /// How far they get.
    pub reach: PersonReach,
    /// Ways they like to be helped, the best first.
    #[schema(max_items = 10, example = json!(["in_person", "phone"]))]
    pub modes: Vec<DeliveryMode>,
    /// When they are free, in the local time of where they are.
    #[schema(max_items = 50)]
    #[validate(custom(function = "windows_end_after_they_begin"))]
    pub free_times: Vec<WeeklyWindow>,
    /// The IANA time zone of `free_times`. Where absent, that of most people of their province; where that is not known, the service's.
    #[schema(max_length = 60, example = "America/Vancouver")]
    pub time_zone: Option<String>,
    /// What they can spend on one service in a month.
    pub budget_per_month: Option<Money>,
    /// What they can do with a screen and a connection.
    pub digital_access: Option<DigitalAccess>,
    /// What a place must have for them.
    #[schema(max_items = 20)]
    pub accessibility: Vec<Accessibility>,
    /// What a helper allows for.
    #[schema(max_items = 10)]
    pub accommodations: Vec<Accommodation>,
    /// Whether children come along or must be minded.
    #[schema(example = false)]
    pub childcare_needed: Option<bool>,
    /// Cultures they feel at home in, as in a service's `attributes.cultural_focus`.
    #[schema(max_items = 20, example = json!(["south_asian"]))]
    pub cultures: Vec<String>,
    /// Diets they keep, as in a service's `attributes.dietary`.
    #[schema(max_items = 20, example = json!(["vegetarian"]))]
    pub dietary: Vec<String>,
    /// Practices they ask for.
    #[schema(max_items = 20)]
    pub practices: Vec<PracticeCode>,
    /// Whom they would like to be among: populations, genders or cultures. Only where they have said so.
    #[schema(max_items = 20, example = json!(["woman"]))]
    pub group_preferences: Vec<String>,
    /// What they like to do, as in a service's `attributes.activities`.
    #[schema(max_items = 50, example = json!(["gardening"]))]
    pub interests: Vec<String>,
    /// Coverage they hold, as in a service's `eligibility.coverage_required`, complete; empty says none. Absent: not known.
    #[schema(max_items = 20, example = json!(["provincial_health"]))]
    pub coverage: Option<Vec<String>>,
    /// True where they may be contacted only as agreed with them.
    pub safe_contact_only: bool,
    /// True where somebody may be violent to them, whatever they want help with: they are not sent where the other may sit beside them. A
    /// need of such a domain says the same.
    pub at_risk_of_violence: bool,
    /// Where whoever asks does not see all needs, and so cannot know: what would not be safe is left out then, whether there is a risk or
    /// not, and nothing is said of that. It is neither sent nor shown nor kept.
    #[serde(skip)]
    pub is_at_hidden_risk: bool,
    /// Services and providers not to suggest.
    #[schema(max_items = 200)]
    #[validate(nested)]
    pub avoid: Vec<Avoidance>,
    /// What they cannot do without.
    #[schema(max_items = 10)]
    pub must_haves: Vec<MustHave>,
}

impl Person {
    /// Whether the person calls this indispensable.
    pub fn must_have(&self, what: MustHave) -> bool {
        self.must_haves.contains(&what)
    }

    /// Every word for their gender; none: not known.
    pub fn genders(&self) -> impl Iterator<Item = &str> + Clone {
        self.gender.iter().chain(&self.other_genders).map(String::as_str)
    }

    /// The least and the most that their age can be.
    pub fn ages(&self) -> Option<(i32, i32)> {
        self.age.map(|least| (least, self.age_at_most.unwrap_or(least).max(least)))
    }

    /// Everything the person has said in words, for the directory's text index; empty where they have said nothing.
    pub fn own_words(&self) -> String {
        let needs = self.needs.iter().filter(|need| need.wants_help != Some(false)).filter_map(|need| need.words.as_deref());
        let words: Vec<&str> =
            self.what_matters.as_deref().into_iter().chain(needs).chain(self.interests.iter().map(String::as_str)).collect();
        words.join(" ")
    }

    /// What may be kept of a description of somebody without a record: needs without their words, risk, languages, ways, and this area. It
    /// says enough to understand the answer, and names nobody.
    #[must_use]
    pub fn without_traces(&self, area: &Area) -> Self {
        let area = area.clone();
        Self {
            needs: self.needs.iter().map(|need| PersonNeed { words: None, ..need.clone() }).collect(),
            languages: self.languages.clone(),
            interpreter_needed: self.interpreter_needed,
            location: PersonLocation {
                postal_code: area.postal_prefix,
                city: area.city,
                region: area.region,
                country: self.location.country.clone(),
                point: None,
            },
            reach: self.reach.clone(),
            modes: self.modes.clone(),
            digital_access: self.digital_access,
            at_risk_of_violence: self.at_risk_of_violence,
            must_haves: self.must_haves.clone(),
            ..Self::default()
        }
    }

    /// The same without words of its own, where it was told by a stranger: a code that nobody here knows may say anything.
    #[must_use]
    pub fn in_known_codes(mut self) -> Self {
        self.needs.retain(|need| find_domain(&need.domain).is_some());
        self.languages = self.languages.iter().filter_map(|tag| languages::read(tag)).collect();
        self
    }

    /// Where an unmet need of this person is counted: the first three characters of the postal code and the city, never the point.
    pub fn area(&self) -> Area {
        let postal = self.location.postal_code.as_deref().map(postal_codes::compact);
        Area {
            postal_prefix: postal.filter(|code| code.chars().count() >= 3).map(|code| code.chars().take(3).collect()),
            city: self.location.city.clone(),
            region: super::place::region_of(&self.location).map(Cow::into_owned),
        }
    }
}

/// Where something is counted in reports: coarse enough to name nobody.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Area {
    /// First three characters of the postal code; in Canada the forward sortation area.
    #[schema(pattern = "^[A-Z0-9]{3}$", example = "V0X")]
    pub postal_prefix: Option<String>,
    /// City, town or village.
    #[schema(max_length = 150, example = "Alder Falls")]
    pub city: Option<String>,
    /// ISO 3166-2 subdivision without the country.
    #[schema(max_length = 100, example = "BC")]
    pub region: Option<String>,
}

fn is_of_a_domain(need: &PersonNeed) -> Result<(), ValidationError> {
    known_or_local(&need.domain)
}

/// Whether a domain is one that Kith knows, or a local one.
pub(super) fn known_or_local(domain: &str) -> Result<(), ValidationError> {
    if find_domain(domain).is_some() || domain.starts_with("x-") {
        return Ok(());
    }
    Err(rule("/domain", "unknown_domain", "is not a need domain that Kith knows, nor a local one that begins with x-"))
}

fn windows_end_after_they_begin(windows: &[WeeklyWindow]) -> Result<(), ValidationError> {
    match windows.iter().position(|window| window.until <= window.from) {
        Some(index) => Err(rule(&format!("/{index}/until"), "not_allowed", "must be later than from")),
        None => Ok(()),
    }
}

fn names_what_to_avoid(avoidance: &Avoidance) -> Result<(), ValidationError> {
    if avoidance.service_id.is_some() || avoidance.organization_id.is_some() {
        Ok(())
    } else {
        Err(rule("", "required", "must name a service or a provider"))
    }
}

/// What somebody cannot do without has to be told, or nothing can be compared with it.
fn must_haves_are_told(person: &Person) -> Result<(), ValidationError> {
    let needed = |must_have: MustHave| match must_have {
        MustHave::Language => (!person.languages.is_empty(), "/languages"),
        MustHave::Mode => (!person.modes.is_empty(), "/modes"),
        MustHave::Budget => (person.budget_per_month.is_some(), "/budget_per_month"),
        MustHave::Hours => (!person.free_times.is_empty(), "/free_times"),
        MustHave::Transit => (person.reach.max_walk_from_stop_m.is_some(), "/reach/max_walk_from_stop_m"),
        MustHave::Accessibility => (!person.accessibility.is_empty(), "/accessibility"),
        MustHave::Diet => (!person.dietary.is_empty(), "/dietary"),
        MustHave::Childcare => (true, ""),
    };
    match person.must_haves.iter().map(|must_have| (needed(*must_have), must_have)).find(|((is_told, _), _)| !is_told) {
        Some(((_, pointer), must_have)) => Err(rule(pointer, "required", format!("is required where {must_have} is a must-have"))),
        None => Ok(()),
    }
}

fn ages_rise(person: &Person) -> Result<(), ValidationError> {
    match (person.age, person.age_at_most) {
        (None, Some(_)) => Err(rule("/age", "required", "is required beside age_at_most")),
        (Some(least), Some(most)) if most < least => Err(rule("/age_at_most", "out_of_range", "must not be below age")),
        _ => Ok(()),
    }
}

fn known_time_zone(person: &Person) -> Result<(), ValidationError> {
    match &person.time_zone {
        Some(zone) if zone.parse::<Tz>().is_err() => {
            Err(rule("/time_zone", "unknown_time_zone", "is not an IANA time zone such as America/Vancouver"))
        }
        _ => Ok(()),
    }
}
