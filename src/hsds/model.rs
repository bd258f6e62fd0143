//! The objects of HSDS 3.2 as Kith writes them, each with an object `kith` for what the standard has no field for.
//!
//! What is absent is not known: [`shown`] leaves such properties out, as the standard asks. The types are the source of our profile and
//! of the merged schemas too; see [`profile`](super::profile).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::organizations::model::{OrganizationKind, OrganizationTranslation, Policies};
use crate::services::model::{self, Alert, Attributes, Capacity, NamedCapacity, Origin, ServiceKind, ServiceTranslation, Verification};
use crate::types::{self, DeliveryMode, Identifier, Point};

/// The version of the standard.
pub const VERSION: &str = "3.2";
/// The version of our profile.
pub const PROFILE_VERSION: &str = "1.0";

/// A telephone number.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsPhone)]
pub struct Phone {
    /// Identifier of the number.
    pub id: Uuid,
    /// As people write it.
    #[schema(example = "250-555-0142")]
    pub number: Option<String>,
    /// Extension.
    #[schema(example = 204)]
    pub extension: Option<u64>,
    /// `voice`, `text`, `cell`, `fax`, `textphone`, ….
    #[serde(rename = "type")]
    #[schema(example = "voice")]
    pub kind: Option<String>,
    /// What it is for.
    #[schema(example = "Intake line, weekday mornings")]
    pub description: Option<String>,
    /// What the standard has no field for.
    pub kith: Option<PhoneExtra>,
}

/// Of a telephone number.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsPhoneExtra)]
pub struct PhoneExtra {
    /// The number in the form of E.164, where it can be understood.
    #[schema(example = "+12505550142")]
    pub number: Option<String>,
    /// An extension that is no number.
    #[schema(example = "204a")]
    pub extension: Option<String>,
}

/// A language in which one is served without an interpreter.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsLanguage)]
pub struct Language {
    /// Identifier of the row.
    pub id: Uuid,
    /// Its English name.
    #[schema(example = "Punjabi")]
    pub name: Option<String>,
    /// ISO 639 code of the language.
    #[schema(example = "pa")]
    pub code: Option<String>,
    /// A remark.
    #[schema(example = "Wednesdays only")]
    pub note: Option<String>,
    /// What the standard has no field for.
    pub kith: Option<LanguageExtra>,
}

/// Of a language.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsLanguageExtra)]
pub struct LanguageExtra {
    /// BCP 47, where it says more than the code.
    #[schema(example = "pa-Guru")]
    pub language: Option<String>,
}

/// Where a location is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsAddress)]
pub struct Address {
    /// Identifier of the address.
    pub id: Uuid,
    /// Street and number; empty where unknown.
    #[schema(example = "120 Mill Street")]
    pub address_1: Option<String>,
    /// Unit, floor.
    #[schema(example = "Unit 4")]
    pub address_2: Option<String>,
    /// Town; empty where unknown.
    #[schema(example = "Alder Falls")]
    pub city: Option<String>,
    /// Province; empty where unknown.
    #[schema(example = "BC")]
    pub state_province: Option<String>,
    /// Postal code; empty where unknown.
    #[schema(example = "V0X 1A0")]
    pub postal_code: Option<String>,
    /// ISO 3166-1; empty where unknown.
    #[schema(example = "CA")]
    pub country: Option<String>,
    /// `physical`.
    #[schema(example = "physical")]
    pub address_type: Option<String>,
}

/// What makes a location usable with a disability.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsAccessibility)]
pub struct Accessibility {
    /// Identifier of the row.
    pub id: Uuid,
    /// What is accessible, in words.
    #[schema(example = "Wheelchair accessible")]
    pub description: Option<String>,
    /// What the standard has no field for.
    pub kith: Option<AccessibilityExtra>,
}

/// Of an accessibility.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsAccessibilityExtra)]
pub struct AccessibilityExtra {
    /// The code of what is accessible.
    #[schema(inline)]
    pub code: Option<model::Accessibility>,
}

/// Recurring opening times, a slice of RFC 5545.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsSchedule)]
pub struct Schedule {
    /// Identifier of the schedule.
    pub id: Uuid,
    /// First day on which it is true.
    #[schema(example = "2026-01-01")]
    pub valid_from: Option<String>,
    /// Last day on which it is true.
    #[schema(example = "2026-12-31")]
    pub valid_to: Option<String>,
    /// First day the rule counts from.
    #[schema(example = "2026-01-06")]
    pub dtstart: Option<String>,
    /// Hours from UTC, without daylight saving.
    #[schema(example = -8.0)]
    pub timezone: Option<f64>,
    /// `WEEKLY` or `MONTHLY`.
    #[schema(example = "WEEKLY")]
    pub freq: Option<String>,
    /// Every so many weeks or months.
    #[schema(example = 2)]
    pub interval: Option<u32>,
    /// How often in all.
    #[schema(example = 10)]
    pub count: Option<u32>,
    /// Days of the week, as RRULE writes them; in a month with a number, such as `2TU`.
    #[schema(example = "TU,TH")]
    pub byday: Option<String>,
    /// Days of the month.
    #[schema(example = "1,15")]
    pub bymonthday: Option<String>,
    /// Numbers of weeks of the year.
    #[schema(example = "2")]
    pub byweekno: Option<String>,
    /// Days of the year.
    #[schema(example = "100")]
    pub byyearday: Option<String>,
    /// Opens, local time.
    #[schema(example = "09:00")]
    pub opens_at: Option<String>,
    /// Closes, local time.
    #[schema(example = "12:30")]
    pub closes_at: Option<String>,
    /// Opening times in words.
    #[schema(example = "Tuesday and Thursday mornings.")]
    pub description: Option<String>,
    /// A remark.
    #[schema(example = "Closed on statutory holidays.")]
    pub notes: Option<String>,
    /// What the standard has no field for.
    pub kith: Option<ScheduleExtra>,
}

/// Of a schedule.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsScheduleExtra)]
pub struct ScheduleExtra {
    /// IANA zone: offsets change with daylight saving.
    #[schema(example = "America/Vancouver")]
    pub time_zone: Option<String>,
    /// RFC 5545 rule, where the fields cannot say it.
    #[schema(example = "FREQ=YEARLY;BYMONTH=7")]
    pub rrule: Option<String>,
    /// `by_appointment`.
    #[schema(inline)]
    pub kind: Option<model::ScheduleKind>,
    /// Open around the clock; written 00:00 to 23:59.
    #[schema(example = true)]
    pub all_day: Option<bool>,
}

/// A price.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsCostOption)]
pub struct CostOption {
    /// Identifier of the price.
    pub id: Uuid,
    /// Whom or what it is for.
    #[schema(example = "Seniors")]
    pub option: Option<String>,
    /// ISO 4217 code of the currency.
    #[schema(example = "CAD")]
    pub currency: Option<String>,
    /// The price.
    #[schema(example = 12.5)]
    pub amount: Option<f64>,
    /// What it buys.
    #[schema(example = "a month")]
    pub amount_description: Option<String>,
    /// What the standard has no field for.
    pub kith: Option<CostOptionExtra>,
}

/// Of a price.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsCostOptionExtra)]
pub struct CostOptionExtra {
    /// What it buys, as a code.
    #[schema(inline)]
    pub per: Option<model::CostPer>,
    /// It says by an amount of 0 what `kith.cost.kind` says: the service is free.
    #[schema(example = true)]
    pub is_implied: Option<bool>,
}

/// A document to bring.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsRequiredDocument)]
pub struct RequiredDocument {
    /// Identifier of the row.
    pub id: Uuid,
    /// The document.
    #[schema(example = "Proof of address")]
    pub document: Option<String>,
}

/// An area whose people the service takes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsServiceArea)]
pub struct ServiceArea {
    /// Identifier of the area.
    pub id: Uuid,
    /// Its name, code or prefix.
    #[schema(example = "Alder Valley")]
    pub name: Option<String>,
    /// Its outline.
    #[schema(example = "{\"type\":\"Polygon\",\"coordinates\":[]}")]
    pub extent: Option<String>,
    /// `geojson`.
    #[schema(example = "geojson")]
    pub extent_type: Option<String>,
    /// What the standard has no field for.
    pub kith: Option<ServiceAreaExtra>,
}

/// Of an area.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsServiceAreaExtra)]
pub struct ServiceAreaExtra {
    /// How the name is to be read.
    #[schema(inline)]
    pub kind: Option<model::AreaKind>,
}

/// What a capacity counts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsUnit)]
pub struct Unit {
    /// Identifier of the unit.
    pub id: Uuid,
    /// Its name.
    #[schema(example = "place")]
    pub name: Option<String>,
}

/// How much room there is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsServiceCapacity)]
pub struct ServiceCapacity {
    /// Identifier of the row.
    pub id: Uuid,
    /// What is counted: places, hours, meals and the like.
    pub unit: Option<Unit>,
    /// Units that are free now.
    #[schema(example = 3)]
    pub available: Option<i32>,
    /// Units that there are in all, free or not.
    #[schema(example = 12)]
    pub maximum: Option<i32>,
    /// A remark.
    #[schema(example = "New group in May.")]
    pub description: Option<String>,
    /// When it was true.
    #[schema(format = DateTime, example = "2026-03-01T17:00:00.000000Z")]
    pub updated: Option<String>,
    /// The status, the waiting list and what else the standard has no field for.
    pub kith: Option<CapacityExtra>,
}

/// Of a capacity: what the standard has no field for.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsCapacityExtra)]
pub struct CapacityExtra {
    /// Whether it takes people now.
    #[schema(inline)]
    pub status: Option<model::CapacityStatus>,
    /// People waiting.
    #[schema(example = 5)]
    pub waitlist_length: Option<i32>,
    /// Days until one is taken.
    #[schema(example = 21)]
    pub expected_wait_days: Option<i32>,
    /// Of the units in all, those that are paid for.
    #[schema(example = 10)]
    pub funded: Option<i32>,
    /// The populations that it is kept for; none: for everybody.
    #[schema(example = json!(["newcomer"]))]
    pub populations: Vec<String>,
    /// The name of a room that is counted apart; absent for the service's default one.
    #[schema(example = "newcomers")]
    pub key: Option<String>,
    /// Nobody counted: `available` is 0 because it takes nobody at once.
    #[schema(example = true)]
    pub is_available_implied: Option<bool>,
    /// Nobody said what is counted.
    #[schema(example = true)]
    pub is_unit_implied: Option<bool>,
}

/// A taxonomy that terms are of.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsTaxonomy)]
pub struct Taxonomy {
    /// Identifier of the taxonomy.
    pub id: Uuid,
    /// Its name.
    #[schema(example = "open-eligibility")]
    pub name: Option<String>,
    /// What the taxonomy is.
    #[schema(example = "open-eligibility")]
    pub description: Option<String>,
    /// Where it is published.
    #[schema(format = "uri", example = "https://openeligibility.org")]
    pub uri: Option<String>,
    /// Its version.
    #[schema(example = "2024")]
    pub version: Option<String>,
}

/// A term of a taxonomy.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsTaxonomyTerm)]
pub struct TaxonomyTerm {
    /// Identifier of the term.
    pub id: Uuid,
    /// Its code there.
    #[schema(example = "1102")]
    pub code: Option<String>,
    /// Its name.
    #[schema(example = "Food Pantry")]
    pub name: Option<String>,
    /// What it means.
    #[schema(example = "Food Pantry")]
    pub description: Option<String>,
    /// The term above it.
    pub parent_id: Option<Uuid>,
    /// The name of its taxonomy.
    #[schema(example = "open-eligibility")]
    pub taxonomy: Option<String>,
    /// Its taxonomy.
    pub taxonomy_detail: Option<Taxonomy>,
    /// Language of the name.
    #[schema(example = "en")]
    pub language: Option<String>,
    /// The identifier of its taxonomy, in packages.
    pub taxonomy_id: Option<Uuid>,
    /// Where it is published.
    #[schema(format = "uri", example = "https://openeligibility.org/terms/1102")]
    pub term_uri: Option<String>,
}

/// A term that a record carries.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsAttribute)]
pub struct Attribute {
    /// Identifier of the attribute.
    pub id: Uuid,
    /// What the term says of the record.
    #[schema(example = "service topic")]
    pub link_type: Option<String>,
    /// What carries it.
    #[schema(example = "service")]
    pub link_entity: Option<String>,
    /// A value, where there is no term.
    #[schema(example = "halal")]
    pub value: Option<String>,
    /// The label that its source shows.
    #[schema(example = "Food Pantry")]
    pub label: Option<String>,
    /// The term.
    pub taxonomy_term: Option<TaxonomyTerm>,
    /// What the standard has no field for.
    pub kith: Option<AttributeExtra>,
}

/// Of a need that a service answers, or of a term.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsAttributeExtra)]
pub struct AttributeExtra {
    /// How well it answers the need.
    #[schema(inline)]
    pub strength: Option<model::DomainStrength>,
    /// Whether its source says so.
    #[schema(inline)]
    pub basis: Option<model::Basis>,
    /// What an inferred need was inferred from.
    #[schema(example = "category: food-banks")]
    pub evidence: Option<String>,
    /// An address of the term that is no URI.
    #[schema(example = "openeligibility.org/terms/1102")]
    pub uri: Option<String>,
}

/// A person or desk to speak to.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsContact)]
pub struct Contact {
    /// Identifier of the contact.
    pub id: Uuid,
    /// Name.
    #[schema(example = "Intake desk")]
    pub name: Option<String>,
    /// Role of the person or desk.
    #[schema(example = "Coordinator")]
    pub title: Option<String>,
    /// Electronic mail.
    #[schema(format = Email, example = "intake@alderfoodbank.example.ca")]
    pub email: Option<String>,
    /// Telephones.
    pub phones: Vec<Phone>,
    /// What the standard has no field for.
    pub kith: Option<ContactExtra>,
}

/// Of a contact.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsContactExtra)]
pub struct ContactExtra {
    /// An address that is none in the form of the standard.
    #[schema(example = "intake at alderfoodbank")]
    pub email: Option<String>,
}

/// Where a service is given.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsLocation)]
pub struct Location {
    /// Identifier of the location.
    pub id: Uuid,
    /// `physical` or `virtual`.
    #[schema(example = "physical")]
    pub location_type: Option<String>,
    /// Where one finds it, of a virtual one.
    #[schema(format = "uri", example = "https://alderfoodbank.example.ca")]
    pub url: Option<String>,
    /// Its name.
    #[schema(example = "Mill Street Hall")]
    pub name: Option<String>,
    /// The nearest stop.
    #[schema(example = "Mill St at 3rd Ave")]
    pub transportation: Option<String>,
    /// Degrees north.
    #[schema(example = 49.62)]
    pub latitude: Option<f64>,
    /// Degrees east.
    #[schema(example = -120.05)]
    pub longitude: Option<f64>,
    /// Its key in another system.
    #[schema(example = "site-7")]
    pub external_identifier: Option<String>,
    /// That system.
    #[schema(example = "https://211.example.ca")]
    pub external_identifier_type: Option<String>,
    /// Languages spoken there.
    pub languages: Vec<Language>,
    /// Its address.
    pub addresses: Vec<Address>,
    /// What is accessible there.
    pub accessibility: Vec<Accessibility>,
    /// What the standard has no field for.
    pub kith: Option<LocationExtra>,
}

/// Of a location.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsLocationExtra)]
pub struct LocationExtra {
    /// How well the point stands for the place; exact where absent.
    #[schema(inline)]
    pub point_precision: Option<model::PointPrecision>,
    /// How it is reached by bus.
    pub transit: Option<model::Transit>,
    /// Its keys, where it has several.
    pub identifiers: Vec<Identifier>,
    /// It stands for `delivery_modes` only: the service needs no place.
    #[schema(example = true)]
    pub is_implied: Option<bool>,
}

/// A service at a location.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsServiceAtLocation)]
pub struct ServiceAtLocation {
    /// Identifier of the service at the location.
    pub id: Uuid,
    /// The service.
    #[schema(no_recursion)]
    pub service: Option<Box<Service>>,
    /// The location.
    pub location: Option<Location>,
    /// Telephones there.
    pub phones: Vec<Phone>,
    /// Opening times there; they win over the service's.
    pub schedules: Vec<Schedule>,
}

/// A key of an organization in a register.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsOrganizationIdentifier)]
pub struct OrganizationIdentifier {
    /// Identifier of the row.
    pub id: Uuid,
    /// The code of the register, as in org-id.guide.
    #[schema(example = "CA-CRA_ACR")]
    pub identifier_scheme: Option<String>,
    /// The register, in words.
    #[schema(example = "CA-CRA_ACR")]
    pub identifier_type: Option<String>,
    /// The key in the register.
    #[schema(example = "119219814RR0001")]
    pub identifier: Option<String>,
}

/// A program that services belong to.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsProgram)]
pub struct Program {
    /// Identifier of the program.
    pub id: Uuid,
    /// Its name.
    #[schema(example = "Living Well")]
    pub name: Option<String>,
    /// What the program is.
    #[schema(example = "Peer-led self-management.")]
    pub description: Option<String>,
}

/// What pays for a service.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsFunding)]
pub struct Funding {
    /// Identifier of the row.
    pub id: Uuid,
    /// Where the money comes from.
    #[schema(example = "A provincial grant")]
    pub source: Option<String>,
}

/// An organization that gives services.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsOrganization)]
pub struct Organization {
    /// Identifier of the organization.
    pub id: Uuid,
    /// Its name.
    #[schema(example = "Alder Falls Food Bank Society")]
    pub name: Option<String>,
    /// What it is; its name where nothing else is known.
    #[schema(example = "A member-run society.")]
    pub description: Option<String>,
    /// Electronic mail.
    #[schema(format = Email, example = "hello@alderfoodbank.example.ca")]
    pub email: Option<String>,
    /// Web site.
    #[schema(format = "uri", example = "https://alderfoodbank.example.ca")]
    pub website: Option<String>,
    /// The organization it is part of.
    pub parent_organization_id: Option<Uuid>,
    /// Telephones.
    pub phones: Vec<Phone>,
    /// Keys in registers.
    pub organization_identifiers: Vec<OrganizationIdentifier>,
    /// Its services: their ids, or all of them with `full_service`.
    #[schema(no_recursion)]
    pub services: Vec<Service>,
    /// What the standard has no field for.
    pub kith: Option<OrganizationExtra>,
}

/// Of an organization.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsOrganizationExtra)]
pub struct OrganizationExtra {
    /// What it is; an agency where absent.
    #[schema(inline)]
    pub kind: Option<OrganizationKind>,
    /// BCP 47 tag of the texts; `en` where absent.
    #[schema(example = "fr")]
    pub language: Option<String>,
    /// The texts in other languages.
    pub translations: Vec<OrganizationTranslation>,
    /// Languages its people speak.
    pub languages: Vec<String>,
    /// A web address that is no URI.
    #[schema(example = "alderfoodbank.example.ca")]
    pub url: Option<String>,
    /// A mail address that is none in the form of the standard.
    #[schema(example = "hello at alderfoodbank")]
    pub email: Option<String>,
    /// Where it is.
    pub address: Option<types::Address>,
    /// Its point on the map.
    pub point: Option<Point>,
    /// IANA zone of its working days.
    #[schema(example = "America/Vancouver")]
    pub time_zone: Option<String>,
    /// How it calls the people it helps.
    #[schema(example = "participant")]
    pub person_label: Option<String>,
    /// What it takes and what not.
    #[schema(example = "Adults who live in the valley.")]
    pub scope: Option<String>,
    /// How it works.
    pub policies: Option<Policies>,
    /// False once it has closed its doors.
    #[schema(example = false)]
    pub is_active: Option<bool>,
    /// Its description is not known; the name stands in for it.
    #[schema(example = true)]
    pub is_undescribed: Option<bool>,
    /// Who gives the service is not known; the record stands in, for a package needs one.
    #[schema(example = true)]
    pub is_unknown: Option<bool>,
}

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
    /// Electronic mail.
    #[schema(format = Email, example = "hello@alderfoodbank.example.ca")]
    pub email: Option<String>,
    /// `active`, `inactive`, `defunct` or `temporarily closed`.
    #[schema(example = "active")]
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

/// An object without what is not known of it. What a source says in its own words is left as it is, its members in order.
pub fn shown(object: &impl Serialize) -> Value {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    prune(&mut value);
    value
}

/// True where the object says something.
fn prune(value: &mut Value) -> bool {
    match value {
        Value::Null => false,
        Value::Object(members) => {
            members.retain(|name, member| {
                if name == "source_fields" {
                    member.sort_all_objects();
                    return member.as_object().is_some_and(|fields| !fields.is_empty());
                }
                prune(member)
            });
            !members.is_empty()
        }
        Value::Array(items) => {
            items.iter_mut().for_each(|item| {
                prune(item);
            });
            !items.is_empty()
        }
        _ => true,
    }
}
