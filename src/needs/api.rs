//! What callers read of a need, and how they list them.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::model::{NeedInput, NeedRow, NeedStatus};
use crate::db::types::Instant;
use crate::http::page::Limit;
use crate::identifiers::IdentifierToken;
use crate::kind::{NeedId, OrganizationId, ScreeningId};
use crate::types::Domain;

/// A need of a patient.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Need {
    /// Its id.
    pub id: NeedId,
    /// The organization that recorded it.
    pub organization_id: OrganizationId,
    /// Version, from 1; the `ETag`.
    #[schema(example = 1)]
    pub version: i64,
    /// When it was recorded.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
    /// Whether it comes first in the order of work: food, a roof, safety.
    #[schema(example = true)]
    pub is_basic: bool,
    /// Whether it is shown only where consent names sensitive data.
    #[schema(example = false)]
    pub is_sensitive: bool,
    /// What is written of it.
    #[serde(flatten)]
    pub content: NeedInput,
}

impl From<NeedRow> for Need {
    fn from(row: NeedRow) -> Self {
        Self {
            id: row.id,
            organization_id: row.organization_id,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            is_basic: row.content.is_basic(),
            is_sensitive: row.is_sensitive,
            // A merge moves the row to the surviving patient.
            content: NeedInput { patient_id: row.patient_id, ..row.content.0 },
        }
    }
}

/// The filters of a list of needs.
#[derive(Debug, Clone, Default, Hash, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct NeedQuery {
    /// Only with one of these statuses.
    #[serde(default)]
    #[param(inline)]
    pub status: Vec<NeedStatus>,
    /// Only of one of these domains.
    #[serde(default)]
    #[param(max_items = 50, example = json!(["food-insecurity"]))]
    pub domain: Vec<String>,
    /// Only those that come first in the order of work, or only the others.
    #[param(example = true)]
    pub is_basic: Option<bool>,
    /// Only those that this screening raised.
    #[param(inline)]
    pub screening_id: Option<ScreeningId>,
    /// Only with this identifier, as `system|value`.
    #[param(inline)]
    pub identifier: Option<IdentifierToken>,
    /// Only those changed at or after this moment. A change bears the moment at which it was being written, so ask for five minutes more
    /// than you have read; `GET /v1/changes` misses nothing.
    #[param(inline)]
    pub updated_since: Option<Instant>,
    /// Items of a page.
    #[serde(default)]
    #[param(inline)]
    pub limit: Limit,
    /// Where to go on: `next` of the page before.
    #[param(max_length = 1000, example = "eyJ2IjoxLCJmIjo5LCJrIjoxfQ")]
    pub cursor: Option<String>,
}

/// A name in both official languages of Canada.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DomainName {
    /// The name in English.
    #[schema(value_type = String, example = "Food")]
    pub en: &'static str,
    /// The name in French.
    #[schema(value_type = String, example = "Alimentation")]
    pub fr: &'static str,
}

/// A need domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct NeedDomain {
    /// A code of the Gravity Project's SDOH domains (HL7 SDOH Clinical Care), or a local one that begins with `x-`.
    #[schema(value_type = String, example = "food-insecurity")]
    pub code: &'static str,
    /// Its name.
    pub name: DomainName,
    /// Whether its needs come first in the order of work.
    #[schema(example = true)]
    pub is_basic: bool,
    /// Whether its needs are shown only where consent names sensitive data.
    #[schema(example = false)]
    pub is_sensitive: bool,
}

impl From<&Domain> for NeedDomain {
    fn from(domain: &Domain) -> Self {
        Self {
            code: domain.code,
            name: DomainName { en: domain.en, fr: domain.fr },
            is_basic: domain.is_basic,
            is_sensitive: domain.is_sensitive,
        }
    }
}
