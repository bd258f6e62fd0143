//! What callers read of the journal.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::model::{Action, Entry};
use crate::db::types::{Id, Instant};
use crate::http::page::Limit;
use crate::kind::{ClientId, OrganizationId, PatientId, ReferralId, ResourceType};

/// A change of a resource.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ChangeEntry {
    /// What kind of resource was changed.
    pub resource_type: ResourceType,
    /// Which one.
    #[schema(value_type = PatientId)]
    pub resource_id: Id<()>,
    /// Its version after the change.
    #[schema(example = 2)]
    pub version: i64,
    /// What was done.
    pub action: Action,
    /// When.
    pub at: Instant,
    /// The organization that did it; null for the command line.
    pub organization_id: Option<OrganizationId>,
    /// The client that did it; null for the command line.
    pub client_id: Option<ClientId>,
    /// The person who acted in the client's system, as that system said.
    #[schema(example = "Dana Whitford")]
    pub on_behalf_of: Option<String>,
    /// The patient it is about.
    pub patient_id: Option<PatientId>,
    /// The referral it belongs to.
    pub referral_id: Option<ReferralId>,
    /// The resource as it then stood; null where the caller sees that it changed and not what it holds, as for a patient of whom a
    /// consent shows a part: read the resource itself.
    #[schema(value_type = Option<Object>)]
    pub resource: Option<Box<RawValue>>,
}

impl ChangeEntry {
    /// The entry, with the resource where the caller sees all of it.
    pub fn new(entry: Entry, is_whole: bool) -> Self {
        Self {
            resource_type: entry.resource_type,
            resource_id: entry.resource_id,
            version: entry.version,
            action: entry.action,
            at: entry.at,
            organization_id: entry.organization_id,
            client_id: entry.client_id,
            on_behalf_of: entry.on_behalf_of,
            patient_id: entry.patient_id,
            referral_id: entry.referral_id,
            resource: is_whole.then_some(entry.body.0),
        }
    }
}

/// A piece of the feed.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ChangeFeed {
    /// The changes, in the order of the feed.
    pub items: Vec<ChangeEntry>,
    /// Where to go on, always: after the last of the items, or where the feed ends at present.
    #[schema(example = "eyJ2IjoxLCJmIjo5LCJrIjp7fX0")]
    pub next: String,
    /// True where more is there to be read at once.
    #[schema(example = false)]
    pub has_more: bool,
}

/// What to read of the feed.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ChangeQuery {
    /// Only changes of these kinds of resources; repeat for several.
    #[serde(default)]
    #[param(inline)]
    pub resource_type: Vec<ResourceType>,
    /// Where to go on: `next` of the piece before. From the beginning where absent.
    #[param(max_length = 1000, example = "eyJ2IjoxLCJmIjo5LCJrIjp7fX0")]
    pub cursor: Option<String>,
    /// Items of a piece.
    #[serde(default)]
    #[param(inline)]
    pub limit: Limit,
    /// Seconds to wait for a change where there is none yet, at most 30.
    #[serde(default)]
    #[param(minimum = 0, maximum = 30, example = 0)]
    pub wait: u8,
}
