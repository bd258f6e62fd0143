//! What it means for an endpoint to become active, paused or disabled, whoever wishes so.

use super::handlers::WebhookEndpoints;
use super::model::{EndpointRow, WebhookStatus, WebhookStatusReason};
use super::{queue, repository};
use crate::changes::place::Told;
use crate::changes::places::{self, Work};
use crate::changes::{self, Action, Actor, Position};
use crate::db::DbConn;
use crate::db::types::Instant;
use crate::error::{Error, Result};
use crate::http::resource::{self, Resource as _};

/// Where endpoints go on, and where they begin.
#[derive(Debug, Clone, Copy)]
pub struct Places {
    /// Up to where the journal has been looked at for all.
    pub looked_at: Position,
    /// Where it ends.
    pub end: Position,
    /// The number of the last that fell due.
    pub last_due: i64,
}

impl Places {
    /// Those of this moment.
    pub fn now(conn: &mut DbConn) -> Result<Self> {
        Ok(Self { looked_at: places::reached(conn, Work::Webhooks)?, end: changes::latest(conn)?, last_due: repository::last_due(conn)? })
    }
}

/// The row in another status.
///
/// A paused endpoint remembers its place, and goes on from there. A disabled one forgets it, and begins at the end if it is ever
/// sent to again.
pub fn with_status(row: EndpointRow, status: WebhookStatus, places: Places, now: Instant) -> EndpointRow {
    let before = row.status;
    if status == before {
        return row;
    }
    let behind = match (before, status) {
        (_, WebhookStatus::Disabled) => None,
        (WebhookStatus::Disabled, _) => Some(places.end),
        (WebhookStatus::Active, _) => row.behind().or(Some(places.looked_at)),
        (WebhookStatus::Paused, _) => row.behind(),
    };
    let is_active = status == WebhookStatus::Active;
    let row = match before {
        WebhookStatus::Disabled => EndpointRow { dues_told: places.last_due, ..row.told(Told::all_until(now)) },
        _ => row,
    };
    let row = EndpointRow {
        status,
        status_reason: (!is_active).then_some(WebhookStatusReason::Requested),
        status_at: now,
        is_replaying: row.is_replaying && status != WebhookStatus::Disabled,
        replayed_id: row.replayed_id.filter(|_| status != WebhookStatus::Disabled),
        // What was queued before it was paused goes out.
        wake_at: is_active.then_some(now),
        failures: 0,
        failing_since: None,
        rests_until: None,
        ..row
    };
    row.at(behind)
}

/// Keeps another status than before. What waits for a disabled endpoint is not sent any more; what waits for one that becomes active is sent
/// now, and has all its attempts before it: those that failed before tell nothing of how it is now.
pub fn keep(conn: &mut DbConn, before: WebhookStatus, row: &EndpointRow, now: Instant) -> Result<()> {
    repository::set_status(conn, row)?;
    if before == WebhookStatus::Disabled {
        // Of what waited for it then, some may not be cancelled yet: no more than fits into one request.
        while queue::cancel(conn, row.id, now)? > 0 {}
    }
    match row.status {
        WebhookStatus::Active => queue::begin_anew(conn, row.id, now),
        WebhookStatus::Disabled => queue::cancel(conn, row.id, now).map(|_| ()),
        WebhookStatus::Paused => Ok(()),
    }
}

/// Pauses or disables an endpoint because of what was found out, and says so in the journal. `looked_at` is up to where the journal has been
/// looked at for it, where it has no place of its own. The row is one that nobody else changes until the transaction ends.
pub fn suspend(
    conn: &mut DbConn,
    row: &EndpointRow,
    status: WebhookStatus,
    reason: WebhookStatusReason,
    looked_at: Position,
    now: Instant,
) -> Result<()> {
    let before = row.status;
    // It begins nowhere: it stood on its way until now.
    let places = Places { looked_at, end: looked_at, last_due: row.dues_told };
    let row = EndpointRow {
        status_reason: Some(reason),
        version: row.version + 1,
        updated_at: now,
        ..with_status(row.clone(), status, places, now)
    };
    if !repository::replace(conn, &row)? {
        // Somebody has changed it in this moment: what was found out is looked at again.
        return Err(Error::Busy);
    }
    keep(conn, before, &row, now)?;
    log::warn!("webhook endpoint {} is {status}: {reason}", row.id);
    let (head, shape) = (WebhookEndpoints::head(&row), WebhookEndpoints::shape(row));
    resource::record_by::<WebhookEndpoints>(conn, &Actor::operator(now), &head, Action::Updated, &shape)
}
