//! What an endpoint and a delivery are.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::{Validate, ValidationError};

use super::events::WebhookEventType;
use crate::changes::Position;
use crate::changes::place::Told;
use crate::db::schema::{webhook_attempts, webhook_deliveries, webhook_endpoints};
use crate::db::types::{Id, Instant, Json};
use crate::http::schema::rule;
use crate::kind::{ClientId, ConsentId, OrganizationId, ResourceType, ServiceId, WebhookEndpointId};
use crate::text_enum;

/// Marks the ids of deliveries, which are no resources of the journal.
#[derive(Debug, Clone, Copy)]
pub enum Delivery {}

/// The id of a delivery: the `webhook-id` under which it is sent.
pub type WebhookDeliveryId = Id<Delivery>;

text_enum! {
    /// What an event carries.
    #[derive(Default)]
    pub enum WebhookPayload {
        /// Ids, the version, and a link to read the resource by.
        #[default]
        Thin = "thin",
        /// The resource as well, as far as the client that wrote the endpoint may see it when it is sent.
        Full = "full",
    }
}

text_enum! {
    /// Whether an endpoint is sent to.
    #[derive(Default)]
    pub enum WebhookStatus {
        /// Events are sent.
        #[default]
        Active = "active",
        /// Nothing is sent; what happens meanwhile is sent once it is active again.
        Paused = "paused",
        /// Nothing is sent, and what happens meanwhile is not sent later, unless it is replayed.
        Disabled = "disabled",
    }
}

text_enum! {
    /// Why an endpoint is not sent to. Values may be added.
    pub enum WebhookStatusReason {
        /// Its organization wished so.
        Requested = "requested",
        /// Nothing got through for three days.
        Failing = "failing",
        /// The receiver answered 410.
        Gone = "gone",
        /// The client that wrote it may no longer call.
        ClientDisabled = "client_disabled",
    }
}

text_enum! {
    /// How a delivery stands.
    pub enum WebhookDeliveryStatus {
        /// It will be sent, for the first time or again.
        Pending = "pending",
        /// The receiver has taken it.
        Delivered = "delivered",
        /// It was tried for three days, in vain.
        Failed = "failed",
        /// When it was to be sent, the organization no longer saw what it is about: a consent was withdrawn, a scope taken away.
        Withheld = "withheld",
        /// The endpoint was disabled or deleted before it could be sent.
        Cancelled = "cancelled",
    }
}

text_enum! {
    /// Why an attempt did not succeed. Values may be added.
    pub enum AttemptError {
        /// The URL itself names a private network, to which nothing is sent.
        RefusedAddress = "refused_address",
        /// The name was not found, or leads into a private network: which, is not told.
        NameNotFound = "name_not_found",
        /// No connection, or one that broke.
        Connection = "connection",
        /// The certificate is not valid, or the encryption failed otherwise.
        Tls = "tls",
        /// No answer in time.
        Timeout = "timeout",
        /// The receiver answered with a redirect, which is not followed: change the URL.
        Redirect = "redirect",
        /// The receiver answered with a status that says no.
        Status = "status",
    }
}

impl AttemptError {
    /// How long an attempt took that failed so, or did not fail, as far as that is told. Whoever chooses an address could tell the names of
    /// a private network from others by the time that it takes to look for them.
    pub fn told_duration(error: Option<Self>, milliseconds: i32) -> Option<i32> {
        let is_hidden = matches!(error, Some(Self::RefusedAddress | Self::NameNotFound));
        (!is_hidden).then_some(milliseconds)
    }
}

/// What is written of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "consistent"))]
pub struct WebhookEndpointInput {
    /// Where events are posted: `https://`, on the public internet.
    #[schema(min_length = 1, max_length = 2_000, pattern = "^https?://", example = "https://hooks.example.ca/kith")]
    pub url: String,
    /// What it is for.
    #[serde(default)]
    #[schema(max_length = 500, example = "Referrals into our EMR")]
    pub description: Option<String>,
    /// Only these events; null for all that the client may see.
    #[serde(default)]
    #[schema(min_items = 1, max_items = 200)]
    pub event_types: Option<Vec<WebhookEventType>>,
    /// What events carry.
    #[serde(default)]
    pub payload: WebhookPayload,
    /// Only what belongs to one of these organizations; empty for all.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub organization_ids: Vec<OrganizationId>,
    /// Only what is about one of these services, or a referral to one of them; empty for all. Of a referral that goes to another service,
    /// because a draft is changed or the service is merged, it is told that it has left: `referral.left`.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub service_ids: Vec<ServiceId>,
    /// Only what is about no patient: the directory.
    #[serde(default)]
    #[schema(example = false)]
    pub directory_only: bool,
    /// Whether it is sent to. Kith itself pauses an endpoint of which nothing gets through, and disables one that answers 410.
    #[serde(default)]
    pub status: WebhookStatus,
}

fn consistent(input: &WebhookEndpointInput) -> Result<(), ValidationError> {
    let Some(types) = &input.event_types else { return Ok(()) };
    if let Some(index) = types.iter().enumerate().position(|(index, event)| types.iter().take(index).any(|other| other == event)) {
        return Err(rule(&format!("/event_types/{index}"), "duplicate", "is named twice"));
    }
    Ok(())
}

impl WebhookEndpointInput {
    /// Whether events of this type are asked for. Nothing leaves an endpoint that asks for every service.
    pub fn wants(&self, event: WebhookEventType) -> bool {
        let is_possible = event != WebhookEventType::ReferralLeft || !self.service_ids.is_empty();
        is_possible && self.event_types.as_ref().is_none_or(|types| types.contains(&event))
    }
}

/// A row of the table `webhook_endpoints`.
#[derive(Clone, Queryable, Insertable)]
#[diesel(table_name = webhook_endpoints, treat_none_as_default_value = false)]
pub struct EndpointRow {
    /// Its id.
    pub id: WebhookEndpointId,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// The client that last wrote it: what that client may see is sent.
    pub client_id: ClientId,
    /// See [`WebhookStatus`].
    pub status: WebhookStatus,
    /// Why it is not active.
    pub status_reason: Option<WebhookStatusReason>,
    /// When the status last changed.
    pub status_at: Instant,
    /// The content as written.
    pub content: Json<WebhookEndpointInput>,
    /// Signs.
    pub secret: String,
    /// Signs as well, until it expires.
    pub previous_secret: Option<String>,
    /// When that is.
    pub previous_secret_expires_at: Option<Instant>,
    /// Version, from 1.
    pub version: i64,
    /// When it was created.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
    /// When it was deleted.
    pub deleted_at: Option<Instant>,
    /// See [`EndpointRow::behind`].
    pub behind_transaction_id: Option<i64>,
    /// See [`EndpointRow::behind`].
    pub behind_sequence: Option<i64>,
    /// Whether what was sent before is sent again on the way from there.
    pub is_replaying: bool,
    /// When there is something to send.
    pub wake_at: Option<Instant>,
    /// How often in a row nothing got through.
    pub failures: i32,
    /// Since when nothing gets through.
    pub failing_since: Option<Instant>,
    /// The worker that sends.
    pub leased_by: Option<Id<()>>,
    /// Until when it alone does.
    pub leased_until: Option<Instant>,
    /// Up to where it was told which consents began or ended by themselves: the moment.
    pub consents_told_at: Instant,
    /// The same: the consent, of those of this moment.
    pub consents_told_id: ConsentId,
    /// Until when it is left alone, whatever is queued meanwhile: it asked for that, or nothing gets through.
    pub rests_until: Option<Instant>,
    /// When something was last queued before what waited already: it was to be sent again.
    pub requeued_at: Option<Instant>,
    /// Up to which number it was told what fell due.
    pub dues_told: i64,
    /// In a replay, the last that was sent again of what only time brought about at the place that it has reached.
    pub replayed_id: Option<WebhookDeliveryId>,
}

impl EndpointRow {
    /// Up to where the journal has been looked at for this endpoint; `None` where that is where it has been for all.
    pub fn behind(&self) -> Option<Position> {
        Position::of(self.behind_transaction_id, self.behind_sequence)
    }

    /// Whether nothing more is sent to it: it was deleted or disabled.
    pub fn is_over(&self) -> bool {
        self.deleted_at.is_some() || self.status == WebhookStatus::Disabled
    }

    /// The same row, of an endpoint that is told of no consent that began or ended by itself up to there.
    #[must_use]
    pub fn told(self, told: Told) -> Self {
        Self { consents_told_at: told.at, consents_told_id: told.id, ..self }
    }

    /// The same row, looked at up to there.
    #[must_use]
    pub fn at(self, behind: Option<Position>) -> Self {
        Self {
            behind_transaction_id: behind.map(|place| place.transaction_id),
            behind_sequence: behind.map(|place| place.sequence),
            ..self
        }
    }

    /// What is written, with the status that it has.
    pub fn input(&self) -> WebhookEndpointInput {
        WebhookEndpointInput { status: self.status, ..self.content.0.clone() }
    }

    /// The secrets that sign now: the present one first.
    pub fn live_secrets(&self, now: Instant) -> impl Iterator<Item = &str> {
        let is_live = self.previous_secret_expires_at.is_some_and(|end| now < end);
        std::iter::once(self.secret.as_str()).chain(self.previous_secret.as_deref().filter(move |_| is_live))
    }
}

impl std::fmt::Debug for EndpointRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EndpointRow").field("id", &self.id).field("status", &self.status).finish_non_exhaustive()
    }
}

/// A row of the table `webhook_deliveries`.
#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = webhook_deliveries, treat_none_as_default_value = false)]
pub struct DeliveryRow {
    /// Its id.
    pub id: WebhookDeliveryId,
    /// Where it goes.
    pub endpoint_id: WebhookEndpointId,
    /// Names the event: the same one is queued once for an endpoint.
    pub event_key: String,
    /// What happened.
    pub event_type: WebhookEventType,
    /// When.
    pub event_at: Instant,
    /// The entry of the journal that says what.
    pub sequence: i64,
    /// What is about one subject is sent in order.
    pub subject_id: Id<()>,
    /// Its place in that order.
    pub order_transaction_id: i64,
    /// Its place in that order.
    pub order_sequence: i64,
    /// What kind of resource the entry is of.
    pub resource_type: ResourceType,
    /// Which one.
    pub resource_id: Id<()>,
    /// Which version of it.
    pub version: i64,
    /// How it stands.
    pub status: WebhookDeliveryStatus,
    /// Attempts since it was last queued.
    pub attempt_count: i32,
    /// When it is tried next.
    pub next_attempt_at: Instant,
    /// When it was queued first.
    pub created_at: Instant,
    /// When it was delivered or given up.
    pub finished_at: Option<Instant>,
    /// Whether only time brought it about, so that no entry of the journal leads to it once more.
    pub is_of_time: bool,
}

impl DeliveryRow {
    /// The place of the event in the journal.
    pub const fn place(&self) -> Position {
        Position { transaction_id: self.order_transaction_id, sequence: self.order_sequence }
    }
}

/// A row of the table `webhook_attempts`.
#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = webhook_attempts, treat_none_as_default_value = false)]
pub struct AttemptRow {
    /// Its id.
    pub id: Id<()>,
    /// What was tried to be delivered.
    pub delivery_id: WebhookDeliveryId,
    /// When.
    pub at: Instant,
    /// What was answered.
    pub status_code: Option<i32>,
    /// How long it took.
    pub duration_ms: i32,
    /// Why it did not succeed.
    pub error: Option<AttemptError>,
}
