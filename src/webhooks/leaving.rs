//! Referrals that go to another service than those that an endpoint asks for: it is told so, as who follows the feed by a service is.

use std::collections::HashSet;

use serde_json::Value;

use super::dispatcher::{self, Services};
use super::events::{self, WebhookEventType};
use super::repository::Subscriber;
use crate::changes::{self, Action, Entry};
use crate::db::DbConn;
use crate::error::Result;
use crate::kind::{ResourceType, ServiceId};

/// A referral's way from one service to another, or to none.
#[derive(Debug)]
pub(super) struct Departure {
    from: ServiceId,
    to: Option<ServiceId>,
    /// Where it goes by now. One that has come back has not left: nothing would be told anew of what belongs to it.
    now: Option<ServiceId>,
}

/// Whether an entry may be one by which a referral leaves, and anybody wants to know.
pub(super) fn may_leave<B>(entry: &Entry<B>, wanted: &HashSet<WebhookEventType>) -> bool {
    wanted.contains(&WebhookEventType::ReferralLeft) && entry.resource_type == ResourceType::Referral && entry.action == Action::Updated
}

/// The way that a referral goes by an entry; `None` where it stays.
pub(super) fn departure(conn: &mut DbConn, entry: &Entry, body: &Value, services: &mut Services) -> Result<Option<Departure>> {
    let before = changes::earlier(conn, entry.resource_type, entry.resource_id, entry.version)?;
    let from = before.as_ref().map(events::body).transpose()?.as_ref().and_then(dispatcher::service_in);
    let to = dispatcher::service_in(body);
    let Some(from) = from.filter(|from| Some(*from) != to) else { return Ok(None) };
    let now = services.of(conn, entry.resource_id.cast())?;
    Ok(Some(Departure { from, to, now }))
}

impl Departure {
    /// Whether the referral leaves what an endpoint asks for, whatever else it asks for.
    pub(super) fn is_from(&self, one: &Subscriber) -> bool {
        let asks_for = |service: &ServiceId| one.content.service_ids.contains(service);
        let is_there = self.to.as_ref().is_some_and(asks_for) || self.now.as_ref().is_some_and(asks_for);
        one.content.wants(WebhookEventType::ReferralLeft) && !one.content.directory_only && asks_for(&self.from) && !is_there
    }
}
