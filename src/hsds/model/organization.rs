//! Who gives services.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Attribute, Contact, Funding, KeptExtra, Location, Metadata, Phone, Program, Service, Url};
use crate::organizations::model::{OrganizationKind, OrganizationTranslation, Policies};
use crate::types::{self, Point};

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
    /// Terms that it carries.
    pub attributes: Vec<Attribute>,
    /// What was changed of it, as its source has it.
    pub metadata: Vec<Metadata>,
    /// What the standard has no field for.
    pub kith: Option<KeptExtra>,
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
    /// Another name.
    #[schema(example = "The Pantry Society")]
    pub alternate_name: Option<String>,
    /// What it is; its name where nothing else is known.
    #[schema(example = "A member-run society.")]
    pub description: Option<String>,
    /// Electronic mail.
    #[schema(format = Email, example = "hello@alderfoodbank.example.ca")]
    pub email: Option<String>,
    /// Web site.
    #[schema(format = "uri", example = "https://alderfoodbank.example.ca")]
    pub website: Option<String>,
    /// More web addresses.
    pub additional_websites: Vec<Url>,
    /// Its standing with the tax office, as its source has it.
    #[schema(example = "Registered charity")]
    pub tax_status: Option<String>,
    /// Its number with the tax office, as its source has it.
    #[schema(example = "119219814RR0001")]
    pub tax_id: Option<String>,
    /// The year in which it was founded.
    #[schema(example = 1987)]
    pub year_incorporated: Option<u32>,
    /// What it is by law.
    #[schema(example = "Society")]
    pub legal_status: Option<String>,
    /// Its logo.
    #[schema(example = "https://alderfoodbank.example.ca/logo.svg")]
    pub logo: Option<String>,
    /// A URI for it.
    #[schema(format = "uri", example = "https://register.example.ca/alder-food-bank")]
    pub uri: Option<String>,
    /// The organization it is part of.
    pub parent_organization_id: Option<Uuid>,
    /// What pays for it.
    pub funding: Vec<Funding>,
    /// People or desks to speak to.
    pub contacts: Vec<Contact>,
    /// Telephones.
    pub phones: Vec<Phone>,
    /// Keys in registers.
    pub organization_identifiers: Vec<OrganizationIdentifier>,
    /// Its places that are no place of a service.
    pub locations: Vec<Location>,
    /// Its programs.
    pub programs: Vec<Program>,
    /// Terms that it carries.
    pub attributes: Vec<Attribute>,
    /// What was changed of it, as its source has it.
    pub metadata: Vec<Metadata>,
    /// Its services: with their own fields, or with everything nested where `full_service` is asked for.
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
    /// The version of this profile by which the record was written.
    #[schema(example = "1.0")]
    pub profile: Option<String>,
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
    /// What its source says of it and no field holds.
    #[schema(value_type = Object, additional_properties = true)]
    pub source_fields: BTreeMap<String, Value>,
}
