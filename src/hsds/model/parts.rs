//! What hangs on services, their locations and those who give them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Attribute;
use crate::services::model;

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
    /// Languages in which it is answered.
    pub languages: Vec<Language>,
    /// Terms that it carries.
    pub attributes: Vec<Attribute>,
    /// What was changed of it, as its source has it.
    pub metadata: Vec<Metadata>,
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
    /// Its source says it, and Kith makes nothing of it.
    #[schema(example = true)]
    pub is_kept: Option<bool>,
    /// What its source says of it and no field holds.
    #[schema(value_type = Object, additional_properties = true)]
    pub source_fields: BTreeMap<String, Value>,
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
    /// Terms that it carries.
    pub attributes: Vec<Attribute>,
    /// What was changed of it, as its source has it.
    pub metadata: Vec<Metadata>,
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
    /// Its source says it, and Kith makes nothing of it.
    #[schema(example = true)]
    pub is_kept: Option<bool>,
    /// What its source says of it and no field holds.
    #[schema(value_type = Object, additional_properties = true)]
    pub source_fields: BTreeMap<String, Value>,
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
    #[schema(pattern = "^(WEEKLY|MONTHLY)$", example = "WEEKLY")]
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
    /// Last day of the rule.
    #[schema(example = "2026-12-31")]
    pub until: Option<String>,
    /// First day of the week.
    #[schema(pattern = "^(MO|TU|WE|TH|FR|SA|SU)$", example = "MO")]
    pub wkst: Option<String>,
    /// Where it is published.
    #[schema(format = "uri", example = "https://alderfoodbank.example.ca/hours")]
    pub schedule_link: Option<String>,
    /// How one attends.
    #[schema(example = "in person")]
    pub attending_type: Option<String>,
    /// Terms that it carries.
    pub attributes: Vec<Attribute>,
    /// What was changed of it, as its source has it.
    pub metadata: Vec<Metadata>,
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
    /// Its source says it, and Kith makes nothing of it.
    #[schema(example = true)]
    pub is_kept: Option<bool>,
    /// What its source says of it and no field holds.
    #[schema(value_type = Object, additional_properties = true)]
    pub source_fields: BTreeMap<String, Value>,
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
    /// First day of the price.
    #[schema(example = "2026-01-01")]
    pub valid_from: Option<String>,
    /// Last day of the price.
    #[schema(example = "2026-12-31")]
    pub valid_to: Option<String>,
    /// Terms that it carries.
    pub attributes: Vec<Attribute>,
    /// What was changed of it, as its source has it.
    pub metadata: Vec<Metadata>,
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
    /// Its source says it, and Kith makes nothing of it.
    #[schema(example = true)]
    pub is_kept: Option<bool>,
    /// What its source says of it and no field holds.
    #[schema(value_type = Object, additional_properties = true)]
    pub source_fields: BTreeMap<String, Value>,
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
    /// Where it is described.
    #[schema(format = "uri", example = "https://alderfoodbank.example.ca/proof")]
    pub uri: Option<String>,
    /// Terms that it carries.
    pub attributes: Vec<Attribute>,
    /// What was changed of it, as its source has it.
    pub metadata: Vec<Metadata>,
    /// What the standard has no field for.
    pub kith: Option<KeptExtra>,
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
    /// The list that it is of.
    #[schema(example = "SI")]
    pub scheme: Option<String>,
    /// Its code there.
    #[schema(example = "kgm")]
    pub identifier: Option<String>,
    /// Where it is published.
    #[schema(format = "uri", example = "https://units.example.org/kgm")]
    pub uri: Option<String>,
    /// Terms that it carries.
    pub attributes: Vec<Attribute>,
    /// What was changed of it, as its source has it.
    pub metadata: Vec<Metadata>,
    /// What the standard has no field for.
    pub kith: Option<KeptExtra>,
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
    /// Terms that it carries.
    pub attributes: Vec<Attribute>,
    /// What was changed of it, as its source has it.
    pub metadata: Vec<Metadata>,
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
    /// True where that follows from the free places and from who waits.
    #[schema(example = true)]
    pub is_status_derived: Option<bool>,
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
    /// Its source says it, and Kith makes nothing of it.
    #[schema(example = true)]
    pub is_kept: Option<bool>,
    /// What its source says of it and no field holds.
    #[schema(value_type = Object, additional_properties = true)]
    pub source_fields: BTreeMap<String, Value>,
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
    /// Its department.
    #[schema(example = "Intake")]
    pub department: Option<String>,
    /// Electronic mail.
    #[schema(format = Email, example = "intake@alderfoodbank.example.ca")]
    pub email: Option<String>,
    /// Telephones.
    pub phones: Vec<Phone>,
    /// Terms that it carries.
    pub attributes: Vec<Attribute>,
    /// What was changed of it, as its source has it.
    pub metadata: Vec<Metadata>,
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
    /// Its source says it, and Kith makes nothing of it.
    #[schema(example = true)]
    pub is_kept: Option<bool>,
    /// What its source says of it and no field holds.
    #[schema(value_type = Object, additional_properties = true)]
    pub source_fields: BTreeMap<String, Value>,
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
    /// Another name.
    #[schema(example = "Wellness for all")]
    pub alternate_name: Option<String>,
    /// What the program is.
    #[schema(example = "Peer-led self-management.")]
    pub description: Option<String>,
    /// The organization that runs it.
    pub organization_id: Option<Uuid>,
    /// Terms that it carries.
    pub attributes: Vec<Attribute>,
    /// What was changed of it, as its source has it.
    pub metadata: Vec<Metadata>,
    /// What the standard has no field for.
    pub kith: Option<KeptExtra>,
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
    /// Terms that it carries.
    pub attributes: Vec<Attribute>,
    /// What was changed of it, as its source has it.
    pub metadata: Vec<Metadata>,
    /// What the standard has no field for.
    pub kith: Option<KeptExtra>,
}

/// A web address.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsUrl)]
pub struct Url {
    /// Identifier of the row.
    pub id: Uuid,
    /// What is found there.
    #[schema(example = "Volunteers")]
    pub label: Option<String>,
    /// The address.
    #[schema(format = "uri", example = "https://alderfoodbank.example.ca/volunteers")]
    pub url: Option<String>,
    /// Terms that it carries.
    pub attributes: Vec<Attribute>,
    /// What was changed of it, as its source has it.
    pub metadata: Vec<Metadata>,
    /// What the standard has no field for.
    pub kith: Option<KeptExtra>,
}

/// A change of a record, as its source has it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsMetadata)]
pub struct Metadata {
    /// Identifier of the row.
    pub id: Uuid,
    /// The table of the record.
    #[schema(example = "service")]
    pub resource_type: Option<String>,
    /// When it was changed.
    #[schema(example = "2026-01-12")]
    pub last_action_date: Option<String>,
    /// What was done.
    #[schema(example = "update")]
    pub last_action_type: Option<String>,
    /// What was changed of it.
    #[schema(example = "name")]
    pub field_name: Option<String>,
    /// What it said before.
    #[schema(example = "The Pantry")]
    pub previous_value: Option<String>,
    /// What it said then.
    #[schema(example = "Alder Falls Food Bank")]
    pub replacement_value: Option<String>,
    /// Who changed it.
    #[schema(example = "Dana Whitford")]
    pub updated_by: Option<String>,
    /// What the standard has no field for.
    pub kith: Option<KeptExtra>,
}

/// Of an object: what its source says and the standard has no field for.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsKeptExtra)]
pub struct KeptExtra {
    /// Its source says it, and Kith makes nothing of it.
    #[schema(example = true)]
    pub is_kept: Option<bool>,
    /// What its source says of it and no field holds.
    #[schema(value_type = Object, additional_properties = true)]
    pub source_fields: BTreeMap<String, Value>,
}
