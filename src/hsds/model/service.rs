//! A service.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Attribute, Contact, CostOption, Funding, Language, Metadata, Organization, Phone, Program, RequiredDocument, Schedule, ServiceArea,
    ServiceAtLocation, ServiceCapacity, Url,
};
use crate::services::model::{self, Alert, Attributes, Capacity, NamedCapacity, Origin, ServiceKind, ServiceTranslation, Verification};
use crate::types::{DeliveryMode, Identifier};

/// A service.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsService)]
pub struct Service {
    /// Identifier of the service.
    pub id: Uuid,
    /// Who gives it.
    #[schema(no_recursion)]
    pub organization: Option<Box<Organization>>,
    /// Its name.
    #[schema(example = "Alder Falls Food Bank")]
    pub name: Option<String>,
    /// Another name.
    #[schema(example = "The Pantry")]
    pub alternate_name: Option<String>,
    /// What it does.
    #[schema(example = "Weekly hampers of fresh and dry food.")]
    pub description: Option<String>,
    /// Web site.
    #[schema(format = "uri", example = "https://alderfoodbank.example.ca")]
    pub url: Option<String>,
    /// More web addresses.
    pub additional_urls: Vec<Url>,
    /// Electronic mail.
    #[schema(format = Email, example = "hello@alderfoodbank.example.ca")]
    pub email: Option<String>,
    /// `active`, `inactive`, `defunct` or `temporarily closed`.
    #[schema(pattern = "^(active|inactive|defunct|temporarily closed)$", example = "active")]
    pub status: Option<String>,
    /// What interpretation there is, in words.
    #[schema(example = "Telephone interpreters on request.")]
    pub interpretation_services: Option<String>,
    /// How to apply.
    #[schema(example = "Call or drop in.")]
    pub application_process: Option<String>,
    /// The price in words.
    #[schema(example = "Free; donations welcome.")]
    pub fees_description: Option<String>,
    /// As its source has it; see `capacities`.
    #[schema(example = "Two weeks")]
    pub wait_time: Option<String>,
    /// As its source has it; see `cost_options`.
    #[schema(example = "Free")]
    pub fees: Option<String>,
    /// As its source has it.
    #[schema(example = "Accredited in 2024")]
    pub accreditations: Option<String>,
    /// As its source has it.
    #[schema(example = "Licence 7")]
    pub licenses: Option<String>,
    /// Who can use it.
    #[schema(example = "Adults 55 and over who live in the valley.")]
    pub eligibility_description: Option<String>,
    /// Youngest age.
    #[schema(example = 55)]
    pub minimum_age: Option<i32>,
    /// Oldest age, included.
    #[schema(example = 120)]
    pub maximum_age: Option<i32>,
    /// When it was last checked.
    #[schema(example = "2026-02-20")]
    pub assured_date: Option<String>,
    /// Who checked.
    #[schema(format = Email, example = "verify@directory.example.ca")]
    pub assurer_email: Option<String>,
    /// A notice.
    #[schema(example = "Moved to phone service for now.")]
    pub alert: Option<String>,
    /// When anything of it last changed.
    #[schema(format = DateTime, example = "2026-03-01T17:00:00.000000Z")]
    pub last_modified: Option<String>,
    /// The same, in the answer to `minimal` only.
    #[schema(format = DateTime, example = "2026-03-01T17:00:00.000000Z")]
    pub modified_date: Option<String>,
    /// The program it belongs to.
    pub program: Option<Program>,
    /// Telephones.
    pub phones: Vec<Phone>,
    /// Opening times.
    pub schedules: Vec<Schedule>,
    /// Areas whose people it takes.
    pub service_areas: Vec<ServiceArea>,
    /// Where it is given.
    #[schema(no_recursion)]
    pub service_at_locations: Vec<ServiceAtLocation>,
    /// Languages it is given in.
    pub languages: Vec<Language>,
    /// What pays for it.
    pub funding: Vec<Funding>,
    /// Prices.
    pub cost_options: Vec<CostOption>,
    /// Documents to bring.
    pub required_documents: Vec<RequiredDocument>,
    /// People or desks to speak to.
    pub contacts: Vec<Contact>,
    /// How much room the service has, for each thing that it counts.
    pub capacities: Vec<ServiceCapacity>,
    /// Needs it answers, and terms of taxonomies.
    pub attributes: Vec<Attribute>,
    /// What was changed of it, as its source has it.
    pub metadata: Vec<Metadata>,
    /// What the standard has no field for.
    pub kith: Option<ServiceExtra>,
}

/// Of a service. A field that is also one of the standard is the whole of it, where the standard cannot say all.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsServiceExtra)]
pub struct ServiceExtra {
    /// The version of this profile by which the record was written.
    #[schema(example = "1.0")]
    pub profile: Option<String>,
    /// What kind of entry it is; a service where absent.
    #[schema(inline)]
    pub kind: Option<ServiceKind>,
    /// Its other names, where it has several.
    pub alternate_names: Vec<String>,
    /// BCP 47 tag of the texts; `en` where absent.
    #[schema(example = "fr")]
    pub language: Option<String>,
    /// The texts in other languages.
    pub translations: Vec<ServiceTranslation>,
    /// A web address that is no URI.
    #[schema(example = "alderfoodbank.example.ca")]
    pub url: Option<String>,
    /// A mail address that is none in the form of the standard.
    #[schema(example = "hello at alderfoodbank")]
    pub email: Option<String>,
    /// Keys in other systems.
    pub identifiers: Vec<Identifier>,
    /// How it reaches people.
    pub delivery_modes: Vec<DeliveryMode>,
    /// Opening times, where some are times of closing.
    pub schedules: Vec<model::Schedule>,
    /// Who can use it, as rules.
    pub eligibility: Option<EligibilityRules>,
    /// Languages, where some take an interpreter.
    pub languages: Vec<model::ServiceLanguage>,
    /// What it asks for.
    pub cost: Option<CostRules>,
    /// Diets, cultures, populations, practices and activities.
    pub attributes: Option<Attributes>,
    /// False for entries that are only shown.
    #[schema(example = true)]
    pub accepts_referrals: Option<bool>,
    /// True where it serves a rural or remote community.
    #[schema(example = true)]
    pub is_rural: Option<bool>,
    /// Notices with their languages and dates.
    pub alerts: Vec<Alert>,
    /// When, how and by whom it was checked, and when it is due again.
    pub verification: Option<Verification>,
    /// Where the record first came from.
    pub provenance: Option<Origin>,
    /// What link workers know of it; for those with credentials only.
    #[schema(example = "Ask for Dana; she speaks Cree.")]
    pub connector_notes: Option<String>,
    /// Room, where nothing was counted.
    pub capacity: Option<Capacity>,
    /// Rooms that are counted apart, where nothing was counted.
    pub rooms: Vec<NamedCapacity>,
    /// What its source says and no field holds.
    #[schema(value_type = Object, additional_properties = true)]
    pub source_fields: BTreeMap<String, Value>,
}

/// Who can use a service, beyond the fields of the standard.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsEligibilityRules)]
pub struct EligibilityRules {
    /// Genders it is for.
    pub genders: Vec<String>,
    /// Populations it is restricted to.
    pub populations: Vec<String>,
    /// Whether income is tested.
    #[schema(example = true)]
    pub income_tested: Option<bool>,
    /// Who may ask for it.
    #[schema(inline)]
    pub referral_route: Option<model::ReferralRoute>,
    /// Coverage that is needed.
    pub coverage_required: Vec<String>,
    /// Who is not taken.
    #[schema(example = "Not for people in acute crisis.")]
    pub exclusions: Option<String>,
}

/// What a service asks for, beyond the fields of the standard.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsCostRules)]
pub struct CostRules {
    /// Nothing, a gift, a price by income, ….
    #[schema(inline)]
    pub kind: Option<model::CostKind>,
    /// Where a subsidy can be asked for.
    #[schema(example = "https://alderfalls.example.ca/subsidy")]
    pub subsidy_url: Option<String>,
}
