//! Where services are given, and for whom.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Attribute, Contact, KeptExtra, Language, Metadata, Phone, Schedule, Service};
use crate::services::model;
use crate::types::Identifier;

/// Where a location is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsAddress)]
pub struct Address {
    /// Identifier of the address.
    pub id: Uuid,
    /// Whom post is for.
    #[schema(example = "Intake desk")]
    pub attention: Option<String>,
    /// Street and number; empty where unknown.
    #[schema(example = "120 Mill Street")]
    pub address_1: Option<String>,
    /// Unit, floor.
    #[schema(example = "Unit 4")]
    pub address_2: Option<String>,
    /// Town; empty where unknown.
    #[schema(example = "Alder Falls")]
    pub city: Option<String>,
    /// County or district.
    #[schema(example = "Alder Valley")]
    pub region: Option<String>,
    /// Province; empty where unknown.
    #[schema(example = "BC")]
    pub state_province: Option<String>,
    /// Postal code; empty where unknown.
    #[schema(example = "V0X 1A0")]
    pub postal_code: Option<String>,
    /// ISO 3166-1; empty where unknown.
    #[schema(example = "CA")]
    pub country: Option<String>,
    /// `physical`, `postal` or `virtual`.
    #[schema(pattern = "^(physical|postal|virtual)$", example = "physical")]
    pub address_type: Option<String>,
    /// Terms that it carries.
    pub attributes: Vec<Attribute>,
    /// What was changed of it, as its source has it.
    pub metadata: Vec<Metadata>,
    /// What the standard has no field for.
    pub kith: Option<KeptExtra>,
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
    /// More of it.
    #[schema(example = "Ring the bell at the side door.")]
    pub details: Option<String>,
    /// Where it is described.
    #[schema(format = "uri", example = "https://alderfoodbank.example.ca/access")]
    pub url: Option<String>,
    /// Terms that it carries.
    pub attributes: Vec<Attribute>,
    /// What was changed of it, as its source has it.
    pub metadata: Vec<Metadata>,
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
    /// Its source says it, and Kith makes nothing of it.
    #[schema(example = true)]
    pub is_kept: Option<bool>,
    /// What its source says of it and no field holds.
    #[schema(value_type = Object, additional_properties = true)]
    pub source_fields: BTreeMap<String, Value>,
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
    /// The area in words.
    #[schema(example = "The valley and its side valleys.")]
    pub description: Option<String>,
    /// Its outline.
    #[schema(example = "{\"type\":\"Polygon\",\"coordinates\":[]}")]
    pub extent: Option<String>,
    /// `geojson`.
    #[schema(example = "geojson")]
    pub extent_type: Option<String>,
    /// Where it is published.
    #[schema(example = "https://areas.example.ca/alder-valley")]
    pub uri: Option<String>,
    /// Terms that it carries.
    pub attributes: Vec<Attribute>,
    /// What was changed of it, as its source has it.
    pub metadata: Vec<Metadata>,
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
    /// Its source says it, and Kith makes nothing of it.
    #[schema(example = true)]
    pub is_kept: Option<bool>,
    /// What its source says of it and no field holds.
    #[schema(value_type = Object, additional_properties = true)]
    pub source_fields: BTreeMap<String, Value>,
}

/// Where a service is given.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsLocation)]
pub struct Location {
    /// Identifier of the location.
    pub id: Uuid,
    /// `physical`, `virtual` or `postal`.
    #[schema(pattern = "^(physical|postal|virtual)$", example = "physical")]
    pub location_type: Option<String>,
    /// Where one finds it, of a virtual one.
    #[schema(format = "uri", example = "https://alderfoodbank.example.ca")]
    pub url: Option<String>,
    /// The organization whose place it is.
    pub organization_id: Option<Uuid>,
    /// Its name.
    #[schema(example = "Mill Street Hall")]
    pub name: Option<String>,
    /// Another name.
    #[schema(example = "The old hall")]
    pub alternate_name: Option<String>,
    /// What the place is.
    #[schema(example = "A hall with a kitchen.")]
    pub description: Option<String>,
    /// How it is reached: the nearest stop.
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
    /// Telephones of the place, as its source has them.
    pub phones: Vec<Phone>,
    /// Opening times of the place, as its source has them.
    pub schedules: Vec<Schedule>,
    /// People or desks to speak to.
    pub contacts: Vec<Contact>,
    /// Terms that it carries.
    pub attributes: Vec<Attribute>,
    /// What was changed of it, as its source has it.
    pub metadata: Vec<Metadata>,
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
    /// Its source says it, and Kith makes nothing of it.
    #[schema(example = true)]
    pub is_kept: Option<bool>,
    /// What its source says of it and no field holds.
    #[schema(value_type = Object, additional_properties = true)]
    pub source_fields: BTreeMap<String, Value>,
}

/// A service at a location.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsServiceAtLocation)]
pub struct ServiceAtLocation {
    /// Identifier of the service at the location.
    pub id: Uuid,
    /// What the service is there.
    #[schema(example = "The evening group.")]
    pub description: Option<String>,
    /// The service.
    #[schema(no_recursion)]
    pub service: Option<Box<Service>>,
    /// The location.
    pub location: Option<Location>,
    /// Telephones there.
    pub phones: Vec<Phone>,
    /// Opening times there; they win over the service's.
    pub schedules: Vec<Schedule>,
    /// Areas whose people it takes there.
    pub service_areas: Vec<ServiceArea>,
    /// People or desks to speak to there.
    pub contacts: Vec<Contact>,
    /// Terms that it carries.
    pub attributes: Vec<Attribute>,
    /// What was changed of it, as its source has it.
    pub metadata: Vec<Metadata>,
    /// What the standard has no field for.
    pub kith: Option<ServiceAtLocationExtra>,
}

/// Of a service at a location.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = HsdsServiceAtLocationExtra)]
pub struct ServiceAtLocationExtra {
    /// Opening times there, where some are times of closing.
    pub schedules: Vec<model::Schedule>,
    /// Its source says it, and Kith makes nothing of it.
    #[schema(example = true)]
    pub is_kept: Option<bool>,
    /// What its source says of it and no field holds.
    #[schema(value_type = Object, additional_properties = true)]
    pub source_fields: BTreeMap<String, Value>,
}
