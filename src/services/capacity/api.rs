//! What callers say and read of the room that services have.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use validator::Validate;

use crate::db::types::{Id, Instant};
use crate::error::Problem;
use crate::kind::{ClientId, OrganizationId, ServiceId};
use crate::services::model::{Capacity, NamedCapacity};
use crate::services::row::CapacityEntryRow;
use crate::text_enum;
use crate::types::Identifier;

/// The names of rooms in paths.
pub const KEY_PATTERN: &str = "^[a-z0-9]+([-_][a-z0-9]+)*$";
/// The most characters of such a name.
pub const KEY_LENGTH: usize = 60;

/// A room that a service counts apart from its default one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ServiceCapacity {
    /// Its name in paths, unique within the service.
    #[schema(example = "newcomers")]
    pub key: String,
    /// How much of it there is.
    pub capacity: Capacity,
    /// True where it was said more than 60 days ago; null in the journal.
    #[schema(example = false)]
    pub is_stale: Option<bool>,
}

impl From<NamedCapacity> for ServiceCapacity {
    fn from(NamedCapacity { key, capacity }: NamedCapacity) -> Self {
        Self { key, capacity, is_stale: None }
    }
}

/// What a provider said of its room, and when.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CapacityEntry {
    /// The entry's id.
    #[schema(value_type = ServiceId)]
    pub id: Id<()>,
    /// The organization that said it; null for the command line, and where a place was taken that Kith had offered.
    pub organization_id: Option<OrganizationId>,
    /// The client that said it; null for the command line, and where a place was taken that Kith had offered.
    pub client_id: Option<ClientId>,
    /// When it was said.
    pub recorded_at: Instant,
    /// The key of the capacity that was set; null for the default one.
    #[schema(example = "newcomers")]
    pub key: Option<String>,
    /// The capacity as it was said.
    pub capacity: Capacity,
}

impl From<CapacityEntryRow> for CapacityEntry {
    fn from(row: CapacityEntryRow) -> Self {
        Self {
            id: row.id,
            organization_id: row.organization_id,
            client_id: row.client_id,
            recorded_at: row.recorded_at,
            key: row.capacity_key,
            capacity: row.content.0,
        }
    }
}

/// How much room many services have.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct CapacityList {
    /// Lines, each a `CapacityLine`. Each is taken or refused by itself.
    #[schema(value_type = Vec<Object>, min_items = 1, max_items = 500)]
    pub items: Vec<Value>,
}

/// How much room one service has: a line of a `CapacityList`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CapacityLine {
    /// The service; this or `identifier`.
    #[serde(default)]
    pub service_id: Option<ServiceId>,
    /// The service's key in another system, among the services that the caller's organization keeps.
    #[serde(default)]
    pub identifier: Option<Identifier>,
    /// The key of the capacity; absent for the default one.
    #[serde(default)]
    #[schema(pattern = "^[a-z0-9]+([-_][a-z0-9]+)*$", max_length = 60, example = "newcomers")]
    pub key: Option<String>,
    /// The version that the service must have, where the caller cares.
    #[serde(default)]
    #[schema(minimum = 1, example = 3)]
    pub version: Option<i64>,
    /// How much room there is.
    pub capacity: Capacity,
}

text_enum! {
    /// What became of a line. Values may be added.
    pub enum CapacityOutcome {
        /// It holds from now on.
        Set = "set",
        /// It changed nothing; `problem` says why.
        Refused = "refused",
    }
}

/// What became of a line.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CapacityAnswer {
    /// What became of the line.
    pub outcome: CapacityOutcome,
    /// The service, where it is one.
    pub service_id: Option<ServiceId>,
    /// The key of the capacity; null for the default one, or where the line could not be read.
    #[schema(example = "newcomers")]
    pub key: Option<String>,
    /// The service's new version; null where the line was refused.
    #[schema(example = 4)]
    pub version: Option<i64>,
    /// The capacity as it now is; null where the line was refused.
    pub capacity: Option<Capacity>,
    /// Why the line was refused, as a request for this service alone would have heard it; pointers are within the line.
    pub problem: Option<Problem>,
}

/// What became of the lines.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CapacityAnswers {
    /// How many lines hold.
    #[schema(example = 12)]
    pub set: usize,
    /// How many were refused.
    #[schema(example = 1)]
    pub refused: usize,
    /// One answer for each line, in their order.
    pub items: Vec<CapacityAnswer>,
}
