//! What callers read of an organization, and how they list them.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::model::{OrganizationInput, OrganizationKind, OrganizationRow};
use crate::db::types::Instant;
use crate::http::page::Limit;
use crate::identifiers::IdentifierToken;
use crate::kind::OrganizationId;

/// An organization.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Organization {
    /// Its id.
    pub id: OrganizationId,
    /// The organization that keeps this record: itself, or the directory that lists it.
    pub organization_id: OrganizationId,
    /// Version, from 1; the `ETag`.
    #[schema(example = 1)]
    pub version: i64,
    /// When it was created.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
    /// What is written of it.
    #[serde(flatten)]
    pub content: OrganizationInput,
}

impl From<OrganizationRow> for Organization {
    fn from(row: OrganizationRow) -> Self {
        Self {
            id: row.id,
            organization_id: row.organization_id,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            content: row.content.0,
        }
    }
}

/// The filters of the list of organizations.
#[derive(Debug, Clone, Default, Hash, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OrganizationQuery {
    /// Words of the name, in any case and without accents.
    #[param(max_length = 200, example = "alder")]
    pub name: Option<String>,
    /// Only of this kind.
    #[param(inline)]
    pub kind: Option<OrganizationKind>,
    /// Only parts of this organization.
    #[param(inline)]
    pub parent_id: Option<OrganizationId>,
    /// Only those that are active, or that are not.
    #[param(example = true)]
    pub is_active: Option<bool>,
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
