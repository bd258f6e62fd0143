//! What a community service is: the facts that a directory keeps of it.
//!
//! Directory data mostly is unknown, so nearly everything may be absent, and absent never means no.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveTime};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::db::types::Instant;
use crate::kind::OrganizationId;
use crate::text_enum;
use crate::types::{Address, DateSpan, DeliveryMode, Identifier, Money, Phone, Point, wall_time};

text_enum! {
    /// What kind of entry this is.
    #[derive(Default)]
    pub enum ServiceKind {
        /// A service that people can be referred to.
        #[default]
        Service = "service",
        /// A social prescribing or link-worker program: the target of navigation referrals.
        Program = "program",
        /// An informal asset: a place, group or person of the community.
        Asset = "asset",
        /// A public computer, telephone or other point of access.
        AccessPoint = "access_point",
        /// A clinic or other health service, listed so that it can be found.
        Clinic = "clinic",
    }
}

text_enum! {
    /// Whether the service exists and runs, as HSDS has it.
    #[derive(Default)]
    pub enum ServiceStatus {
        /// It runs.
        #[default]
        Active = "active",
        /// It does not run at present, or its source no longer lists it.
        Inactive = "inactive",
        /// It has ended.
        Defunct = "defunct",
        /// It is closed for a while.
        TemporarilyClosed = "temporarily_closed",
    }
}

text_enum! {
    /// How well a service answers a need domain.
    #[derive(Default)]
    pub enum DomainStrength {
        /// Meeting this need is what the service does.
        #[default]
        Direct = "direct",
        /// It helps, or does so in some cases.
        Partial = "partial",
    }
}

text_enum! {
    /// Where a fact comes from.
    #[derive(Default)]
    pub enum Basis {
        /// The source says so.
        #[default]
        Stated = "stated",
        /// Derived from categories, taxonomy terms or text.
        Inferred = "inferred",
    }
}

/// A need domain that the service answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceDomain {
    /// A Gravity domain or a local `x-` code.
    #[schema(pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", max_length = 60, example = "food-insecurity")]
    pub code: String,
    /// How well it answers it.
    #[serde(default)]
    pub strength: DomainStrength,
    /// Whether the source says so.
    #[serde(default)]
    pub basis: Basis,
    /// What an inferred domain was inferred from.
    #[serde(default)]
    #[schema(max_length = 300, example = "category: food-banks")]
    pub evidence: Option<String>,
}

/// A term of a foreign taxonomy, kept as it came.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TaxonomyTerm {
    /// The taxonomy's name or URI.
    #[schema(min_length = 1, max_length = 200, example = "open-eligibility")]
    pub taxonomy: String,
    /// The term's code there.
    #[schema(min_length = 1, max_length = 200, example = "1102")]
    pub code: String,
    /// Its label, where the taxonomy's licence lets it be shown.
    #[serde(default)]
    #[schema(max_length = 300, example = "Food Pantry")]
    pub label: Option<String>,
    /// Its URI.
    #[serde(default)]
    #[schema(max_length = 500, example = "https://openeligibility.org/terms/1102")]
    pub uri: Option<String>,
}

/// The texts of a service in one more language.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceTranslation {
    /// BCP 47 tag of these texts.
    #[schema(pattern = "^[a-z]{2,3}(-[A-Za-z0-9]{1,8})*$", example = "fr")]
    pub language: String,
    /// Name.
    #[schema(max_length = 300, example = "Banque alimentaire d'Alder Falls")]
    pub name: Option<String>,
    /// Description.
    #[schema(max_length = 10_000, example = "Paniers de nourriture chaque semaine.")]
    pub description: Option<String>,
    /// Who can use it, in words.
    #[schema(max_length = 5_000, example = "Ouvert à toute la population de la vallée.")]
    pub eligibility: Option<String>,
    /// How to apply.
    #[schema(max_length = 5_000, example = "Téléphonez ou présentez-vous.")]
    pub application_process: Option<String>,
    /// What it costs, in words.
    #[schema(max_length = 2_000, example = "Gratuit.")]
    pub cost: Option<String>,
    /// When it is open, in words.
    #[schema(max_length = 2_000, example = "Le mardi et le jeudi.")]
    pub hours: Option<String>,
}

text_enum! {
    /// How well a point stands for the place.
    pub enum PointPrecision {
        /// The door.
        Exact = "exact",
        /// The street or neighbourhood.
        Approximate = "approximate",
        /// Some point of the town, region or head office: no distance should be taken from it.
        Area = "area",
    }
}

/// How far a point that stands for an area may lie from the door, in metres.
pub const AREA_SLACK_M: f64 = 25_000.0;

text_enum! {
    /// What makes a place usable for a person with a disability.
    pub enum Accessibility {
        /// Step-free for wheelchairs and walkers.
        Wheelchair = "wheelchair",
        /// An accessible washroom.
        AccessibleWashroom = "accessible_washroom",
        /// Accessible parking.
        AccessibleParking = "accessible_parking",
        /// An elevator.
        Elevator = "elevator",
        /// A hearing loop.
        HearingLoop = "hearing_loop",
        /// Sign language.
        SignLanguage = "sign_language",
        /// Braille or large print.
        LargePrint = "large_print",
        /// Quiet, low stimulus.
        LowSensory = "low_sensory",
        /// Help for people with a cognitive impairment or dementia.
        CognitiveSupport = "cognitive_support",
        /// Service animals are welcome.
        ServiceAnimals = "service_animals",
        /// Scent-free.
        ScentFree = "scent_free",
    }
}

/// How a place is reached by public transport.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Transit {
    /// Nearest stop.
    #[schema(max_length = 200, example = "Mill St at 3rd Ave")]
    pub nearest_stop: Option<String>,
    /// Walk from that stop in metres.
    #[schema(minimum = 0, maximum = 100_000, example = 180)]
    pub walk_m: Option<i32>,
    /// Routes that stop there.
    #[schema(max_items = 50, example = json!(["4", "11"]))]
    pub routes: Vec<String>,
}

/// A place where the service is given.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Place {
    /// The place's name.
    #[schema(max_length = 300, example = "Mill Street Hall")]
    pub name: Option<String>,
    /// Where it is.
    pub address: Option<Address>,
    /// Its point on the map.
    pub point: Option<Point>,
    /// How well the point stands for the place; exact where absent.
    pub point_precision: Option<PointPrecision>,
    /// What is known to be accessible there.
    #[schema(max_items = 20)]
    pub accessibility: Vec<Accessibility>,
    /// Accessibility in words.
    #[schema(max_length = 2_000, example = "Ramp at the side door.")]
    pub accessibility_text: Option<String>,
    /// How it is reached by bus.
    pub transit: Option<Transit>,
    /// Telephones of this place.
    #[schema(max_items = 20)]
    pub phones: Vec<Phone>,
    /// Opening times at this place; where given they win over the service's.
    #[schema(max_items = 100)]
    pub schedules: Vec<Schedule>,
    /// Languages spoken here, where they differ from the service's. BCP 47.
    #[schema(max_items = 50, example = json!(["en", "fr"]))]
    pub languages: Vec<String>,
    /// The source's keys for the place.
    #[schema(max_items = 20)]
    pub identifiers: Vec<Identifier>,
}

text_enum! {
    /// What a schedule says of its times.
    #[derive(Default)]
    pub enum ScheduleKind {
        /// Open.
        #[default]
        Open = "open",
        /// Open to those with an appointment.
        ByAppointment = "by_appointment",
        /// Closed: an exception to the others.
        Closed = "closed",
    }
}

/// Recurring opening times: a rule for the days, wall-clock times, and the zone they are read in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// RFC 5545 recurrence rule of the days, such as `FREQ=WEEKLY;BYDAY=MO,WE` or `FREQ=MONTHLY;BYDAY=1SA`.
    #[schema(min_length = 1, max_length = 500, example = "FREQ=WEEKLY;BYDAY=TU,TH")]
    pub rrule: String,
    /// First day the rule counts from; needed by rules with INTERVAL or COUNT.
    #[serde(default)]
    #[schema(example = "2026-01-06")]
    pub starts_on: Option<NaiveDate>,
    /// Opens at, local time; absent means the whole day.
    #[serde(default, with = "wall_time::option")]
    #[schema(value_type = Option<String>, pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$", example = "09:00")]
    pub opens_at: Option<NaiveTime>,
    /// Closes at, local time; at or before `opens_at` means on the next day.
    #[serde(default, with = "wall_time::option")]
    #[schema(value_type = Option<String>, pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$", example = "12:30")]
    pub closes_at: Option<NaiveTime>,
    /// IANA time zone.
    #[schema(min_length = 1, max_length = 60, example = "America/Vancouver")]
    pub time_zone: String,
    /// The days between which this schedule is in force.
    #[serde(default)]
    pub valid: DateSpan,
    /// Whether these are times of opening or of closing.
    #[serde(default)]
    pub kind: ScheduleKind,
    /// A remark.
    #[serde(default)]
    #[schema(max_length = 1_000, example = "Closed on statutory holidays.")]
    pub note: Option<String>,
}

text_enum! {
    /// How an area of service is described.
    pub enum AreaKind {
        /// A whole country, by ISO 3166-1 code.
        Country = "country",
        /// A province or state, by ISO 3166-2 code such as `CA-BC`.
        Region = "region",
        /// A city, town or district, by name.
        City = "city",
        /// Postal codes that start with the value.
        PostalPrefix = "postal_prefix",
        /// A polygon.
        Polygon = "polygon",
        /// Words only: cannot be checked.
        Text = "text",
    }
}

/// An area whose people the service takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceArea {
    /// How the area is described.
    pub kind: AreaKind,
    /// The code, name, prefix or words.
    #[schema(min_length = 1, max_length = 1_000, example = "V0X")]
    pub value: String,
    /// For a polygon, its outer ring, closed or not; at least three points.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 2_000)]
    pub ring: Vec<Point>,
}

text_enum! {
    /// Who may ask for the service.
    pub enum ReferralRoute {
        /// Anyone, by themself.
        SelfReferral = "self_referral",
        /// Professionals only.
        Professional = "professional",
        /// Both.
        Either = "either",
    }
}

/// Who can use the service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Eligibility {
    /// Youngest age in years.
    #[schema(minimum = 0, maximum = 130, example = 55)]
    pub min_age: Option<i32>,
    /// Oldest age in years, included.
    #[schema(minimum = 0, maximum = 130, example = 120)]
    pub max_age: Option<i32>,
    /// Genders the service is for, where it is for some only: `woman`, `man`, `non_binary`, ….
    #[schema(max_items = 20, example = json!(["woman"]))]
    pub genders: Vec<String>,
    /// Populations it is restricted to: `newcomer`, `refugee`, `indigenous`, `veteran`, `caregiver`, `2slgbtqi`, `disability`, `parent`,
    /// `student`, …. A service that merely focuses on a population names it in `attributes.populations_served`.
    #[schema(max_items = 50, example = json!(["caregiver"]))]
    pub populations: Vec<String>,
    /// Whether income is tested.
    pub income_tested: Option<bool>,
    /// Whether a professional must refer.
    pub referral_route: Option<ReferralRoute>,
    /// Coverage the person must hold, such as `provincial_health` or `extended_health`.
    #[schema(max_items = 20, example = json!(["provincial_health"]))]
    pub coverage_required: Vec<String>,
    /// Documents to bring.
    #[schema(max_items = 50, example = json!(["Proof of address"]))]
    pub documents_required: Vec<String>,
    /// Who is not taken, in words.
    #[schema(max_length = 5_000, example = "Not for people in acute crisis.")]
    pub exclusions: Option<String>,
    /// The rule in words.
    #[schema(max_length = 5_000, example = "Adults 55 and over who live in the valley.")]
    pub text: Option<String>,
}

/// A language in which the service is given without an interpreter, or with one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceLanguage {
    /// BCP 47 tag.
    #[schema(pattern = "^[a-z]{2,3}(-[A-Za-z0-9]{1,8})*$", example = "pa")]
    pub language: String,
    /// True where it takes an interpreter.
    #[serde(default)]
    pub by_interpreter: bool,
    /// A remark.
    #[serde(default)]
    #[schema(max_length = 500, example = "Wednesdays only")]
    pub note: Option<String>,
}

text_enum! {
    /// What the service asks for.
    pub enum CostKind {
        /// Nothing.
        Free = "free",
        /// A gift, if one can.
        Donation = "donation",
        /// By income.
        SlidingScale = "sliding_scale",
        /// A price.
        Fixed = "fixed",
        /// A membership.
        Membership = "membership",
        /// Paid by insurance.
        Insured = "insured",
    }
}

text_enum! {
    /// What a price is for.
    pub enum CostPer {
        /// One visit, session or item.
        Visit = "visit",
        /// A week.
        Week = "week",
        /// A month.
        Month = "month",
        /// A year.
        Year = "year",
        /// The whole course or programme.
        Course = "course",
    }
}

/// A price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CostOption {
    /// Whom or what the price is for.
    #[serde(default)]
    #[schema(max_length = 300, example = "Seniors")]
    pub option: Option<String>,
    /// The price.
    pub amount: Money,
    /// What it buys; one visit where absent.
    #[serde(default)]
    pub per: Option<CostPer>,
}

/// What the service costs the person. Absent altogether: unknown.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cost {
    /// What it asks for; unknown where absent.
    pub kind: Option<CostKind>,
    /// Prices.
    #[schema(max_items = 50)]
    pub options: Vec<CostOption>,
    /// Where a subsidy can be asked for.
    #[schema(max_length = 1_000, example = "https://alderfalls.example.ca/subsidy")]
    pub subsidy_url: Option<String>,
    /// The price in words.
    #[schema(max_length = 2_000, example = "Free; donations welcome.")]
    pub text: Option<String>,
}

text_enum! {
    /// A practice that makes a service safe for some people.
    pub enum PracticeCode {
        /// Practises cultural safety.
        CulturallySafe = "culturally_safe",
        /// Led by Indigenous people.
        IndigenousLed = "indigenous_led",
        /// Inclusive of 2SLGBTQI+ people.
        TwoSlgbtqiInclusive = "2slgbtqi_inclusive",
        /// Trauma-informed.
        TraumaInformed = "trauma_informed",
        /// Anti-racist practice.
        AntiRacist = "anti_racist",
        /// Dementia-friendly.
        DementiaFriendly = "dementia_friendly",
        /// Harm reduction.
        HarmReduction = "harm_reduction",
    }
}

/// A practice, with who vouches for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Practice {
    /// The code of the practice.
    pub code: PracticeCode,
    /// Who says that the service works so.
    #[serde(default)]
    #[schema(max_length = 300, example = "Alder Valley First Nation Health Society")]
    pub asserted_by: Option<String>,
    /// The day since which it is said.
    #[serde(default)]
    #[schema(example = "2026-02-01")]
    pub asserted_on: Option<NaiveDate>,
}

/// What a service is like, beyond what it does.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Attributes {
    /// Diets it caters for: `vegetarian`, `vegan`, `halal`, `kosher`, `gluten_free`, `diabetic`, ….
    #[schema(max_items = 30, example = json!(["vegetarian", "halal"]))]
    pub dietary: Vec<String>,
    /// Cultures it centres: `south_asian`, `first_nations`, `metis`, `chinese`, `francophone`, ….
    #[schema(max_items = 30, example = json!(["francophone"]))]
    pub cultural_focus: Vec<String>,
    /// Populations it is made for without turning others away; codes as in `eligibility.populations`.
    #[schema(max_items = 50, example = json!(["senior", "caregiver"]))]
    pub populations_served: Vec<String>,
    /// Practices by which it works, each with who says so.
    #[schema(max_items = 20)]
    pub practices: Vec<Practice>,
    /// What one does there, for people's interests: `gardening`, `walking`, `music`, `cooking`, `crafts`, ….
    #[schema(max_items = 50, example = json!(["gardening"]))]
    pub activities: Vec<String>,
    /// True where children are minded or welcome.
    pub childcare: Option<bool>,
    /// True where transport to it is given or paid.
    pub transport_provided: Option<bool>,
}

/// A person or desk to speak to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Contact {
    /// Name.
    #[schema(max_length = 300, example = "Intake desk")]
    pub name: Option<String>,
    /// Role or department.
    #[schema(max_length = 300, example = "Coordinator")]
    pub role: Option<String>,
    /// Telephones.
    #[schema(max_items = 10)]
    pub phones: Vec<Phone>,
    /// Electronic mail.
    #[schema(max_length = 320, example = "intake@alderfoodbank.example.ca")]
    pub email: Option<String>,
}

/// Where the record comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Provenance {
    /// The source's name, the `--source` of an import.
    #[schema(max_length = 200, example = "alder-falls-demo")]
    pub source: Option<String>,
    /// The record's key in the source.
    #[schema(max_length = 300, example = "svc-014")]
    pub record: Option<String>,
    /// The source's page for the record.
    #[schema(max_length = 1_000, example = "https://directory.example.ca/svc-014")]
    pub url: Option<String>,
    /// Licence of the record.
    #[schema(max_length = 300, example = "CC0-1.0")]
    pub licence: Option<String>,
    /// When it was last imported.
    pub imported_at: Option<Instant>,
    /// Where the source has it from, where the source is another directory of Kith.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// Where a record first came from, before it was passed on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Origin {
    /// The source's name there.
    #[schema(max_length = 200, example = "alder-falls-demo")]
    pub source: Option<String>,
    /// The record's key in that source.
    #[schema(max_length = 300, example = "svc-014")]
    pub record: Option<String>,
    /// The source's page for the record.
    #[schema(max_length = 1_000, example = "https://directory.example.ca/svc-014")]
    pub url: Option<String>,
    /// Licence of the record.
    #[schema(max_length = 300, example = "CC0-1.0")]
    pub licence: Option<String>,
    /// When it was imported there.
    pub imported_at: Option<Instant>,
    /// When it was last changed there.
    pub modified_at: Option<Instant>,
}

/// When the record was last checked, by whom, and when it should be again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Verification {
    /// Last check.
    #[schema(example = "2026-02-20")]
    pub last_verified_on: Option<NaiveDate>,
    /// Who checked.
    #[schema(max_length = 300, example = "Alder Valley 211")]
    pub verified_by: Option<String>,
    /// How it was checked, in words.
    #[schema(max_length = 300, example = "Telephone call")]
    pub method: Option<String>,
    /// When it is due again.
    #[schema(example = "2026-08-20")]
    pub next_review_due: Option<NaiveDate>,
}

impl Verification {
    /// For so many days a check is trusted where no review is due earlier.
    pub const TRUSTED_DAYS: u64 = 180;

    /// The last day on which the record is not stale; none where it was never verified.
    pub fn fresh_until(&self) -> Option<NaiveDate> {
        let trusted = self.last_verified_on?.checked_add_days(chrono::Days::new(Self::TRUSTED_DAYS))?;
        Some(self.next_review_due.map_or(trusted, |due| due.min(trusted)))
    }
}

/// A notice for a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    /// The notice.
    #[schema(min_length = 1, max_length = 2_000, example = "Moved to phone service while the hall is repaired.")]
    pub text: String,
    /// BCP 47 tag of the notice.
    #[serde(default)]
    #[schema(pattern = "^[a-z]{2,3}(-[A-Za-z0-9]{1,8})*$", example = "en")]
    pub language: Option<String>,
    /// The days it is shown.
    #[serde(default)]
    pub shown: DateSpan,
}

/// A community service as a directory keeps it: what is created and replaced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceInput {
    /// Name, in `language`.
    #[schema(min_length = 1, max_length = 300, example = "Alder Falls Food Bank")]
    pub name: String,
    /// Other names it goes by.
    #[serde(default)]
    #[schema(max_items = 20, example = json!(["The Pantry"]))]
    pub alternate_names: Vec<String>,
    /// What kind of entry this is.
    #[serde(default)]
    pub kind: ServiceKind,
    /// The organization that gives the service, where it is known to Kith. It may report capacity and post alerts.
    #[serde(default)]
    pub provider_id: Option<OrganizationId>,
    /// The provider's name, where it is not known to Kith as an organization.
    #[serde(default)]
    #[schema(max_length = 300, example = "Alder Falls Food Bank Society")]
    pub provider_name: Option<String>,
    /// Keys in other systems. `system` and `value` are unique among the services of the organization that keeps the record.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub identifiers: Vec<Identifier>,
    /// BCP 47 tag of the texts below.
    #[serde(default = "english")]
    #[schema(pattern = "^[a-z]{2,3}(-[A-Za-z0-9]{1,8})*$", example = "en")]
    pub language: String,
    /// What it does, plain text.
    #[serde(default)]
    #[schema(max_length = 10_000, example = "Weekly hampers of fresh and dry food.")]
    pub description: Option<String>,
    /// The same texts in other languages.
    #[serde(default)]
    #[schema(max_items = 10)]
    pub translations: Vec<ServiceTranslation>,
    /// Whether it runs.
    #[serde(default)]
    pub status: ServiceStatus,
    /// Web site.
    #[serde(default)]
    #[schema(max_length = 1_000, example = "https://alderfoodbank.example.ca")]
    pub url: Option<String>,
    /// Electronic mail.
    #[serde(default)]
    #[schema(max_length = 320, example = "hello@alderfoodbank.example.ca")]
    pub email: Option<String>,
    /// Telephones.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub phones: Vec<Phone>,
    /// People or desks to speak to.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub contacts: Vec<Contact>,
    /// The needs it answers.
    #[serde(default)]
    #[schema(max_items = 40)]
    pub need_domains: Vec<ServiceDomain>,
    /// Terms of other taxonomies, kept as they came.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub taxonomy_terms: Vec<TaxonomyTerm>,
    /// Places; none for a service by phone, online, at home or across a region.
    #[serde(default)]
    #[schema(max_items = 500)]
    pub places: Vec<Place>,
    /// Areas whose people it takes; none: not known.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub service_areas: Vec<ServiceArea>,
    /// How it reaches people; none: not known.
    #[serde(default)]
    #[schema(max_items = 10)]
    pub delivery_modes: Vec<DeliveryMode>,
    /// Opening times; none: not known.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub schedules: Vec<Schedule>,
    /// Opening times in words.
    #[serde(default)]
    #[schema(max_length = 2_000, example = "Tuesday and Thursday mornings.")]
    pub hours_text: Option<String>,
    /// Who can use it.
    #[serde(default)]
    pub eligibility: Eligibility,
    /// Languages it is given in; none: not known.
    #[serde(default)]
    #[schema(max_items = 50)]
    pub languages: Vec<ServiceLanguage>,
    /// Interpretation, in words.
    #[serde(default)]
    #[schema(max_length = 1_000, example = "Telephone interpreters in 200 languages on request.")]
    pub interpretation: Option<String>,
    /// What it costs.
    #[serde(default)]
    pub cost: Cost,
    /// What the service is like: diets, cultures, populations, practices, activities.
    #[serde(default)]
    pub attributes: Attributes,
    /// How to apply, in words.
    #[serde(default)]
    #[schema(max_length = 5_000, example = "Call or drop in; no appointment needed.")]
    pub application_process: Option<String>,
    /// False for entries that are only shown, such as an urgent care centre. Unknown where absent.
    #[serde(default)]
    pub accepts_referrals: Option<bool>,
    /// True where it serves a rural or remote community. Unknown where absent.
    #[serde(default)]
    pub is_rural: Option<bool>,
    /// Notices.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub alerts: Vec<Alert>,
    /// Where the record comes from.
    #[serde(default)]
    pub provenance: Provenance,
    /// When it was last checked.
    #[serde(default)]
    pub verification: Verification,
    /// What link workers know of it and a directory does not say.
    #[serde(default)]
    #[schema(max_length = 5_000, example = "Ask for Dana; she speaks Cree.")]
    pub connector_notes: Option<String>,
    /// What its source says and no field here holds, by the source's own field names.
    #[serde(default)]
    #[schema(value_type = Object, additional_properties = true)]
    pub source_fields: BTreeMap<String, Value>,
}

fn english() -> String {
    "en".into()
}

text_enum! {
    /// Whether a service takes people now.
    #[derive(Default)]
    pub enum CapacityStatus {
        /// There is room.
        Open = "open",
        /// People are put on a list.
        Waitlist = "waitlist",
        /// No room and no list.
        Full = "full",
        /// It takes nobody at present.
        Closed = "closed",
        /// Nobody has said.
        #[default]
        Unknown = "unknown",
    }
}

/// How much room a service has, as its provider last said; or how much of one kind, which it counts apart.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Capacity {
    /// Whether it takes people now. Where that is not said and `available` is, it follows: `open` where a place is free, and where none is,
    /// `waitlist` if people wait (`waitlist_length`, `expected_wait_days`, a list that Kith keeps), else `full`.
    pub status: CapacityStatus,
    /// What is counted: `place`, `hamper`, `hour`, ….
    #[schema(max_length = 60, example = "place")]
    pub unit: Option<String>,
    /// Units free now, as said: less `held` they are free to whoever is referred next. None can be where the status is `full` or `closed`;
    /// where it is `waitlist`, they are for those who wait.
    #[schema(minimum = 0, maximum = 1_000_000, example = 3)]
    pub available: Option<i32>,
    /// Units in all.
    #[schema(minimum = 0, maximum = 1_000_000, example = 12)]
    pub maximum: Option<i32>,
    /// People waiting: as said, or else, where people stand on the list that Kith keeps, those on it who have no offer.
    #[schema(minimum = 0, maximum = 1_000_000, example = 5)]
    pub waitlist_length: Option<i32>,
    /// Days until one is taken.
    #[schema(minimum = 0, maximum = 10_000, example = 21)]
    pub expected_wait_days: Option<i32>,
    /// The moment it was true; the moment of the request where absent, or where it lies ahead by less than a day. What is later is refused.
    pub as_of: Option<Instant>,
    /// A remark.
    #[schema(max_length = 1_000, example = "New group starts in May.")]
    pub note: Option<String>,
    /// Of the units in all, those that are paid for.
    #[schema(minimum = 0, maximum = 1_000_000, example = 10)]
    pub funded: Option<i32>,
    /// The populations that this room is kept for: `newcomer`, `caregiver`, …; none: for everybody.
    #[schema(max_items = 20, example = json!(["newcomer"]))]
    pub populations: Vec<String>,
    /// Of the units free, those that are kept for somebody on the list that Kith keeps; null where nobody is on it. Who was offered one
    /// keeps it until they answer or the offer runs out, also where it was said since that none is free. Kith counts them: what a caller
    /// says here is not taken.
    #[schema(minimum = 0, example = json!(null))]
    pub held: Option<i32>,
    /// True where `waitlist_length` is what Kith counts on its own list; false where people stand on it and the provider said the length.
    /// Where a caller says true, the length that comes with it is not taken.
    #[schema(example = json!(null))]
    pub is_waitlist_counted: Option<bool>,
}

/// Those who stand on the list that Kith keeps for a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Queue {
    /// They have an offer: a place is kept for them.
    pub offered: i32,
    /// They wait.
    pub waiting: i32,
}

impl Capacity {
    /// For so many days what was said of room is believed. After that it counts half in search and in matching.
    pub const BELIEVED_DAYS: u64 = 60;

    /// The last day on which it is not stale; none where it is not said when it was true.
    pub fn fresh_until(&self) -> Option<NaiveDate> {
        self.as_of?.utc().date_naive().checked_add_days(chrono::Days::new(Self::BELIEVED_DAYS))
    }

    /// Whether it was said too long ago to be believed.
    pub fn is_stale(&self, today: NaiveDate) -> bool {
        self.fresh_until().is_some_and(|until| until < today)
    }

    /// Whether it has free places that its status rules out.
    pub fn contradicts_itself(&self) -> bool {
        matches!(self.status, CapacityStatus::Full | CapacityStatus::Closed) && self.available.is_some_and(|free| free > 0)
    }

    /// With the status that follows from the free places, where none is said; `has_list` where people stand on the list that Kith keeps.
    #[must_use]
    pub fn stated(self, has_list: bool) -> Self {
        let said = self.said();
        let is_waited_for = has_list || said.waitlist_length.is_some_and(|people| people > 0) || said.expected_wait_days.is_some();
        let status = match (self.status, self.available) {
            (CapacityStatus::Unknown, Some(1..)) => CapacityStatus::Open,
            (CapacityStatus::Unknown, Some(_)) if is_waited_for => CapacityStatus::Waitlist,
            (CapacityStatus::Unknown, Some(_)) => CapacityStatus::Full,
            (status, _) => status,
        };
        Self { status, ..self }
    }

    /// Without what Kith has counted: what the provider said.
    #[must_use]
    pub fn said(&self) -> Self {
        let waitlist_length = self.waitlist_length.filter(|_| self.is_waitlist_counted != Some(true));
        Self { waitlist_length, held: None, is_waitlist_counted: None, ..self.clone() }
    }

    /// Whether nobody has said anything, so that it tells at most who waits.
    pub fn is_unsaid(&self) -> bool {
        self.said() == Self::default()
    }

    /// With what Kith counts of those on its list; none where nobody stands on it.
    #[must_use]
    pub fn counted(&self, queue: Option<Queue>) -> Self {
        let said = self.said();
        let Some(queue) = queue else { return said };
        let is_waitlist_counted = Some(said.waitlist_length.is_none());
        Self { waitlist_length: said.waitlist_length.or(Some(queue.waiting)), held: Some(queue.offered), is_waitlist_counted, ..said }
    }

    /// The units that are free and kept for nobody; `None` where they are not counted.
    pub fn free(&self) -> Option<i32> {
        self.available.map(|available| available.saturating_sub(self.held.unwrap_or(0)).max(0))
    }

    /// Whether it takes people now who come anew. What was counted down to none, or is kept for others, has no room: they wait where
    /// Kith keeps a list, or else it is full.
    pub fn standing(&self) -> CapacityStatus {
        match self.status {
            CapacityStatus::Open if self.free() == Some(0) && self.held.is_some() => CapacityStatus::Waitlist,
            CapacityStatus::Open if self.free() == Some(0) => CapacityStatus::Full,
            status => status,
        }
    }

    /// Whether somebody of these populations may have it.
    pub fn is_for(&self, populations: &[String]) -> bool {
        self.populations.is_empty() || self.populations.iter().any(|population| populations.contains(population))
    }

    /// How soon it takes somebody: the lower, the sooner.
    pub fn rank(&self) -> u8 {
        match self.standing() {
            CapacityStatus::Open => 0,
            CapacityStatus::Waitlist => 1,
            CapacityStatus::Unknown => 2,
            CapacityStatus::Full => 3,
            CapacityStatus::Closed => 4,
        }
    }
}

/// A room that a service counts apart from its default one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NamedCapacity {
    /// Its name in paths, unique within the service.
    #[schema(example = "newcomers")]
    pub key: String,
    /// How much of it there is.
    pub capacity: Capacity,
}

impl NamedCapacity {
    /// Without what Kith has counted: what the provider said.
    #[must_use]
    pub fn said(&self) -> Self {
        Self { key: self.key.clone(), capacity: self.capacity.said() }
    }
}
