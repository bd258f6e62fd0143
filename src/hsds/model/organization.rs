//! Who gives services.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Phone, Service};
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
