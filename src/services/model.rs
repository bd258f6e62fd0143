//! What a community service is: the facts that a directory keeps of it.
//!
//! Directory data mostly is unknown, so nearly everything may be absent, and absent never means no.

mod capacity;
mod cost;
mod places;
mod provenance;
mod schedule;

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

pub use self::capacity::{Capacity, CapacityStatus, NamedCapacity, Queue};
pub use self::cost::{Cost, CostKind, CostOption, CostPer};
pub use self::places::{AREA_SLACK_M, Accessibility, AreaKind, Place, PointPrecision, ServiceArea, Transit};
pub use self::provenance::{Origin, Provenance, Verification};
pub use self::schedule::{Schedule, ScheduleKind};
use crate::kind::OrganizationId;
use crate::text_enum;
use crate::types::{DateSpan, DeliveryMode, Identifier, Phone, ShortText, Term};

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
    #[schema(value_type = Vec<Term>, max_items = 20, example = json!(["woman"]))]
    pub genders: Vec<String>,
    /// Populations it is restricted to: `newcomer`, `refugee`, `indigenous`, `veteran`, `caregiver`, `2slgbtqi`, `disability`, `parent`,
    /// `student`, …. A service that merely focuses on a population names it in `attributes.populations_served`.
    #[schema(value_type = Vec<Term>, max_items = 50, example = json!(["caregiver"]))]
    pub populations: Vec<String>,
    /// Whether income is tested.
    pub income_tested: Option<bool>,
    /// Whether a professional must refer.
    pub referral_route: Option<ReferralRoute>,
    /// Coverage the person must hold, such as `provincial_health` or `extended_health`.
    #[schema(value_type = Vec<Term>, max_items = 20, example = json!(["provincial_health"]))]
    pub coverage_required: Vec<String>,
    /// Documents to bring.
    #[schema(value_type = Vec<ShortText>, max_items = 50, example = json!(["Proof of address"]))]
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
    #[schema(value_type = Vec<Term>, max_items = 30, example = json!(["vegetarian", "halal"]))]
    pub dietary: Vec<String>,
    /// Cultures it centres: `south_asian`, `first_nations`, `metis`, `chinese`, `francophone`, ….
    #[schema(value_type = Vec<Term>, max_items = 30, example = json!(["francophone"]))]
    pub cultural_focus: Vec<String>,
    /// Populations it is made for without turning others away; codes as in `eligibility.populations`.
    #[schema(value_type = Vec<Term>, max_items = 50, example = json!(["senior", "caregiver"]))]
    pub populations_served: Vec<String>,
    /// Practices by which it works, each with who says so.
    #[schema(max_items = 20)]
    pub practices: Vec<Practice>,
    /// What one does there, for people's interests: `gardening`, `walking`, `music`, `cooking`, `crafts`, ….
    #[schema(value_type = Vec<Term>, max_items = 50, example = json!(["gardening"]))]
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
///
/// As JSON it has at most 1,048,576 bytes, what is not known written as `null`: five hundred places, each with its address, telephone and
/// opening times, are fewer. Of these `source_fields` has at most 30,000 values. Search goes by the 5,000 of its words that say most.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceInput {
    /// Name, in `language`.
    #[schema(min_length = 1, max_length = 300, example = "Alder Falls Food Bank")]
    pub name: String,
    /// Other names it goes by.
    #[serde(default)]
    #[schema(value_type = Vec<Term>, max_items = 20, example = json!(["The Pantry"]))]
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
    /// What its source says and no field here holds, by the source's own field names. At most 30,000 values, those that stand in lists and
    /// objects counted too.
    #[serde(default)]
    #[schema(value_type = Object, additional_properties = true)]
    pub source_fields: BTreeMap<String, Value>,
}

fn english() -> String {
    "en".into()
}
