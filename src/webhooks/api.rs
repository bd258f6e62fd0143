//! What callers read of endpoints and deliveries, and write to act on them.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::{Validate, ValidationError};

use super::events::WebhookEventType;
use super::model::{
    AttemptError, AttemptRow, DeliveryRow, EndpointRow, WebhookDeliveryId, WebhookDeliveryStatus, WebhookEndpointInput, WebhookStatus,
    WebhookStatusReason,
};
use crate::db::types::{Id, Instant};
use crate::http::page::Limit;
use crate::http::schema::rule;
use crate::kind::{ClientId, OrganizationId, ResourceType, WebhookEndpointId};

/// An address to which events are sent.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WebhookEndpoint {
    /// Its id.
    pub id: WebhookEndpointId,
    /// The organization that the endpoint belongs to.
    pub organization_id: OrganizationId,
    /// The client that last wrote it: what that client may see is sent.
    pub client_id: ClientId,
    /// Version, from 1; the `ETag`.
    #[schema(example = 1)]
    pub version: i64,
    /// When it was created.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
    /// Why it is not active; null where it is.
    pub status_reason: Option<WebhookStatusReason>,
    /// When the status last changed.
    pub status_at: Instant,
    /// Until when the secret before the present one signs as well; null where there is none, or was none since the endpoint was made.
    pub previous_secret_expires_at: Option<Instant>,
    /// What is written of it.
    #[serde(flatten)]
    pub content: WebhookEndpointInput,
}

impl From<EndpointRow> for WebhookEndpoint {
    fn from(row: EndpointRow) -> Self {
        let content = row.input();
        Self {
            id: row.id,
            organization_id: row.organization_id,
            client_id: row.client_id,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            status_reason: row.status_reason,
            status_at: row.status_at,
            previous_secret_expires_at: row.previous_secret_expires_at,
            content,
        }
    }
}

/// An endpoint with the secret that signs what it is sent. The secret is shown this once.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WebhookEndpointWithSecret {
    /// The secret, as libraries of Standard Webhooks take it.
    #[schema(example = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDC2FVsBQIhrs=")]
    pub secret: String,
    /// The endpoint.
    #[serde(flatten)]
    pub endpoint: WebhookEndpoint,
}

/// A wish for another secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookSecretRotation {
    /// For how many hours the present secret signs beside the new one; 24 where absent. One before it ends now.
    #[schema(minimum = 0, maximum = 168, example = 24)]
    pub overlap_hours: u16,
}

impl Default for WebhookSecretRotation {
    fn default() -> Self {
        Self { overlap_hours: 24 }
    }
}

/// The filters of the list of endpoints.
#[derive(Debug, Clone, Default, Hash, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WebhookEndpointQuery {
    /// Only those that are sent to, or not.
    #[param(inline)]
    pub status: Option<WebhookStatus>,
    /// Items of a page.
    #[serde(default)]
    #[param(inline)]
    pub limit: Limit,
    /// Where to go on: `next` of the page before.
    #[param(max_length = 1000, example = "eyJ2IjoxLCJmIjo5LCJrIjoxfQ")]
    pub cursor: Option<String>,
}

/// An attempt to send.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WebhookAttempt {
    /// When it was tried.
    pub at: Instant,
    /// The status of the answer; null where there was none.
    #[schema(example = 503)]
    pub status_code: Option<i32>,
    /// How long it took; null where the address was refused or the name not found.
    #[schema(example = 84)]
    pub duration_ms: Option<i32>,
    /// Why it did not succeed; null where it did.
    pub error: Option<AttemptError>,
}

impl From<AttemptRow> for WebhookAttempt {
    fn from(row: AttemptRow) -> Self {
        let duration_ms = AttemptError::told_duration(row.error, row.duration_ms);
        Self { at: row.at, status_code: row.status_code, duration_ms, error: row.error }
    }
}

/// An event on its way to an endpoint, or there.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WebhookDelivery {
    /// Its id: the `webhook-id` of every attempt.
    #[schema(value_type = WebhookDeliveryId)]
    pub id: Id<()>,
    /// The endpoint that it is sent to.
    pub endpoint_id: WebhookEndpointId,
    /// The type of the event.
    pub event_type: WebhookEventType,
    /// When it happened.
    pub event_at: Instant,
    /// What kind of resource it is about.
    pub resource_type: ResourceType,
    /// The id of that resource.
    #[schema(value_type = WebhookDeliveryId)]
    pub resource_id: Id<()>,
    /// The version of that resource after the event.
    #[schema(example = 2)]
    pub resource_version: i64,
    /// How it stands.
    pub status: WebhookDeliveryStatus,
    /// When it is tried next, if nothing before it is in the way; null unless it is pending.
    pub next_attempt_at: Option<Instant>,
    /// When it was queued.
    pub created_at: Instant,
    /// When it was delivered or given up.
    pub finished_at: Option<Instant>,
    /// Its place in the change feed, from behind which a replay can begin.
    #[schema(example = "eyJ2IjoxLCJmIjo5LCJrIjp7fX0")]
    pub cursor: String,
    /// The attempts, the latest twenty, oldest first.
    pub attempts: Vec<WebhookAttempt>,
}

impl WebhookDelivery {
    /// The delivery with its attempts.
    pub fn new(row: DeliveryRow, cursor: String, attempts: Vec<AttemptRow>) -> Self {
        let is_pending = row.status == WebhookDeliveryStatus::Pending;
        Self {
            id: row.id.cast(),
            endpoint_id: row.endpoint_id,
            event_type: row.event_type,
            event_at: row.event_at,
            resource_type: row.resource_type,
            resource_id: row.resource_id,
            resource_version: row.version,
            status: row.status,
            next_attempt_at: is_pending.then_some(row.next_attempt_at),
            created_at: row.created_at,
            finished_at: row.finished_at,
            cursor,
            attempts: attempts.into_iter().map(WebhookAttempt::from).collect(),
        }
    }
}

/// The filters of the list of deliveries.
#[derive(Debug, Clone, Default, Hash, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WebhookDeliveryQuery {
    /// Only in this status.
    #[param(inline)]
    pub status: Option<WebhookDeliveryStatus>,
    /// Only of this event type.
    #[param(inline)]
    pub event_type: Option<WebhookEventType>,
    /// Items of a page.
    #[serde(default)]
    #[param(inline)]
    pub limit: Limit,
    /// Where to go on: `next` of the page before.
    #[param(max_length = 1000, example = "eyJ2IjoxLCJmIjo5LCJrIjoxfQ")]
    pub cursor: Option<String>,
}

/// From where everything is sent once more: from behind a place in the feed, or from a moment on. One of the two.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields, default)]
#[validate(schema(function = "one_beginning"))]
pub struct WebhookReplayInput {
    /// From behind this place: `cursor` of a delivery, or `next` of a piece of the change feed.
    #[schema(min_length = 1, max_length = 1000, example = "eyJ2IjoxLCJmIjo5LCJrIjp7fX0")]
    pub cursor: Option<String>,
    /// From this moment on.
    pub since: Option<Instant>,
}

fn one_beginning(input: &WebhookReplayInput) -> Result<(), ValidationError> {
    match (&input.cursor, input.since) {
        (Some(_), Some(_)) => Err(rule("/since", "not_allowed", "does not go with cursor")),
        (None, None) => Err(rule("", "required", "needs cursor or since")),
        _ => Ok(()),
    }
}

/// A replay that has begun.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WebhookReplay {
    /// The endpoint.
    pub endpoint_id: WebhookEndpointId,
    /// The place in the feed from behind which it begins.
    #[schema(example = "eyJ2IjoxLCJmIjo5LCJrIjp7fX0")]
    pub cursor: String,
}

/// What the receiver answered to a test event. Of its body nothing is kept or told.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WebhookPing {
    /// The `webhook-id` of the test event.
    #[schema(value_type = WebhookDeliveryId)]
    pub id: Id<()>,
    /// Whether the receiver has taken it.
    #[schema(example = true)]
    pub is_delivered: bool,
    /// The status of the answer; null where there was none.
    #[schema(example = 204)]
    pub status_code: Option<u16>,
    /// How long it took; null where the address was refused or the name not found.
    #[schema(example = 84)]
    pub duration_ms: Option<i32>,
    /// Why it did not succeed; null where it did.
    pub error: Option<AttemptError>,
}

/// A wish to send a delivery again: an empty object.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct WebhookResendInput {}
