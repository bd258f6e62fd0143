//! What callers read of the journal.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::model::{Action, Entry};
use crate::db::types::{Id, Instant};
use crate::http::page::Limit;
use crate::kind::{ClientId, OrganizationId, PatientId, ReferralId, ResourceType, ServiceId};

/// A change of a resource, or of what the caller sees.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ChangeEntry {
    /// What kind of resource was changed.
    pub resource_type: ResourceType,
    /// The id of the resource.
    #[schema(value_type = PatientId)]
    pub resource_id: Id<()>,
    /// Its version after the change; 0 with `reset`.
    #[schema(example = 2)]
    pub version: i64,
    /// What was done to the resource, or to what the caller sees.
    pub action: Action,
    /// When the change was written.
    pub at: Instant,
    /// The organization that did it; null for the command line, and where nobody did anything.
    pub organization_id: Option<OrganizationId>,
    /// The client that did it; null for the command line, and where nobody did anything.
    pub client_id: Option<ClientId>,
    /// The person who acted in the client's system, as that system said.
    #[schema(example = "Dana Whitford")]
    pub on_behalf_of: Option<String>,
    /// The organization that owns the resource; null where nobody does.
    pub owner_id: Option<OrganizationId>,
    /// The patient it is about.
    pub patient_id: Option<PatientId>,
    /// The referral it belongs to.
    pub referral_id: Option<ReferralId>,
    /// The resource as it then stood, as far as the caller sees it now. Null with `reset` and `left`, and of an earlier version of which
    /// the caller sees a part alone, or the history not at all, as of others' patients: a later entry tells how it stands.
    #[schema(value_type = Option<Object>)]
    pub resource: Option<Box<RawValue>>,
}

impl ChangeEntry {
    /// The entry with what the caller sees of the resource.
    pub fn showing(entry: Entry, resource: Option<Box<RawValue>>) -> Self {
        Self {
            resource_type: entry.resource_type,
            resource_id: entry.resource_id,
            version: entry.version,
            action: entry.action,
            at: entry.at,
            organization_id: entry.organization_id,
            client_id: entry.client_id,
            on_behalf_of: entry.on_behalf_of,
            owner_id: entry.owner_id,
            patient_id: entry.patient_id,
            referral_id: entry.referral_id,
            resource,
        }
    }

    /// A referral no longer goes to the service that is asked for: that, and nothing more.
    pub const fn left(entry: &Entry) -> Self {
        Self {
            resource_type: entry.resource_type,
            resource_id: entry.resource_id,
            version: entry.version,
            action: Action::Left,
            at: entry.at,
            organization_id: None,
            client_id: None,
            on_behalf_of: None,
            owner_id: None,
            patient_id: entry.patient_id,
            referral_id: entry.referral_id,
            resource: None,
        }
    }

    /// What the caller sees of a patient has changed: that, and nothing more.
    pub const fn reset(patient: PatientId, at: Instant) -> Self {
        Self {
            resource_type: ResourceType::Patient,
            resource_id: patient.cast(),
            version: 0,
            action: Action::Reset,
            at,
            organization_id: None,
            client_id: None,
            on_behalf_of: None,
            owner_id: None,
            patient_id: Some(patient),
            referral_id: None,
            resource: None,
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
    /// True where more is there to be read at once, also where nothing in this piece was for the caller.
    #[schema(example = false)]
    pub has_more: bool,
}

/// What to read of the feed.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ChangeQuery {
    /// Only changes of these kinds of resources; repeat for several. That what the caller sees of a patient has changed is told all the
    /// same, where one of the kinds is about patients.
    #[serde(default)]
    #[param(inline)]
    pub resource_type: Vec<ResourceType>,
    /// Only of what this organization owns: the `owner_id` of the entries.
    #[param(inline)]
    pub organization_id: Option<OrganizationId>,
    /// Only of this service, and of the referrals to it with all that belongs to them. Of a referral that goes to another service, because
    /// a draft is changed or the service is merged, you are told that it has `left`, whatever else is asked for; of one that comes, what
    /// happens from then on.
    #[param(inline)]
    pub service_id: Option<ServiceId>,
    /// Only of this patient and what is about them, records that were merged into theirs among it.
    #[param(inline)]
    pub patient_id: Option<PatientId>,
    /// Begin with the first change of this moment or later, instead of with the first of all. Not with `cursor`. It goes by the clocks
    /// that wrote the changes, at the moment at which they began to: begin five minutes before what you have read. To go on from where a list or an export ends, take `next` of a call with the present moment before you
    /// make it.
    #[param(inline)]
    pub since: Option<Instant>,
    /// Where to go on: `next` of the piece before, with the same filters. From the beginning where absent.
    #[param(max_length = 1000, example = "eyJ2IjoxLCJmIjo5LCJrIjp7fX0")]
    pub cursor: Option<String>,
    /// Items of a piece, which has fewer where they are large; of no meaning for a stream.
    #[serde(default)]
    #[param(inline)]
    pub limit: Limit,
    /// Seconds to wait for a change where there is none yet, at most 30, meanwhile in the place of a stream; of no meaning for a stream.
    #[serde(default)]
    #[param(minimum = 0, maximum = 30, example = 0)]
    pub wait: u8,
}
