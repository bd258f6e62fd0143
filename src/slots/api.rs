//! What callers read of slots, and how they list them.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::model::{SlotInput, SlotRow};
use crate::db::types::Instant;
use crate::http::page::Limit;
use crate::identifiers::IdentifierToken;
use crate::kind::{OrganizationId, SlotId};

/// A slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Slot {
    /// Its id.
    pub id: SlotId,
    /// The organization that offers it.
    pub organization_id: OrganizationId,
    /// Version, from 1; the `ETag`. To take a place changes the appointments and not the slot.
    #[schema(example = 1)]
    pub version: i64,
    /// When it was published.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
    /// How many places can be taken now: none where it is closed, has begun or is full. Null in histories and the feed.
    #[schema(example = 7)]
    pub places_free: Option<i32>,
    /// What is written of it.
    #[serde(flatten)]
    pub content: SlotInput,
}

impl From<SlotRow> for Slot {
    fn from(row: SlotRow) -> Self {
        Self {
            id: row.id,
            organization_id: row.organization_id,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            places_free: None,
            content: row.input(),
        }
    }
}

impl Slot {
    /// The slot at this moment, when so many of its places are taken.
    pub fn at(self, now: Instant, taken: i64) -> Self {
        let is_offered = !self.content.is_closed && self.content.starts_at > now;
        let free = (i64::from(self.content.places) - taken).max(0);
        let free = if is_offered { i32::try_from(free).unwrap_or(i32::MAX) } else { 0 };
        Self { places_free: Some(free), ..self }
    }
}

/// The filters of a list of slots.
#[derive(Debug, Clone, Default, Hash, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SlotQuery {
    /// Only those that begin at or after this moment; from now on where absent, unless `identifier` names one.
    #[param(inline)]
    pub from: Option<Instant>,
    /// Only those that begin before this moment.
    #[param(inline)]
    pub until: Option<Instant>,
    /// True: only those that have a place. A page may then have fewer items, and still a next one.
    #[serde(default)]
    #[param(example = true)]
    pub free: bool,
    /// Only with this identifier, as `system|value`.
    #[param(inline)]
    pub identifier: Option<IdentifierToken>,
    /// Items of a page.
    #[serde(default)]
    #[param(inline)]
    pub limit: Limit,
    /// Where to go on: `next` of the page before.
    #[param(max_length = 1000, example = "eyJ2IjoxLCJmIjo5LCJrIjoxfQ")]
    pub cursor: Option<String>,
}
