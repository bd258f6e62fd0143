//! Consents that begin or end by their own date. No change says so, so somebody has to look.
//!
//! Each endpoint has a place among these moments, which moves on in the transaction that queues what is told of them. One that is paused or
//! behind the others, or whose client may no longer call, keeps its place, and is told once it has caught up: so nothing is told before what
//! happened before it.

use super::dispatcher::{self, Eyes, Readers, Services};
use super::events::{self, WebhookEventType};
use super::model::DeliveryRow;
use super::repository::{self, Subscriber};
use super::turning::{self, Turn};
use crate::app::App;
use crate::changes::place::Told;
use crate::changes::{self, Entry, Position};
use crate::consents::repository::{self as consents, Passing};
use crate::db::DbConn;
use crate::db::types::{Id, Instant};
use crate::error::Result;
use crate::kind::{ResourceType, WebhookEndpointId};

/// Moments that are looked at in one transaction.
const BATCH: usize = 200;

/// What has passed since it was looked at last.
struct Passed {
    /// Those who are told, or are not concerned.
    endpoints: Vec<WebhookEndpointId>,
    until: Told,
    deliveries: Vec<DeliveryRow>,
    has_more: bool,
}

/// Looks for consents that have begun or ended, and queues that. True where there may be more.
pub(super) async fn sweep(app: &App, holder: Id<()>) -> Result<bool> {
    let now = app.clock.now();
    if !app.db.read(move |conn| Ok(!passing(conn, now, 1)?.is_empty())).await? {
        return Ok(false);
    }
    let Some((lease, place)) = dispatcher::hold(app, holder).await? else { return Ok(false) };
    let Ok(passed) = lease.held(app.db.read(move |conn| look(conn, place, now))).await else { return Ok(false) };
    let Some(passed) = passed? else { return Ok(false) };
    let has_more = passed.has_more;
    let told = lease.write(move |conn, _, now| {
        dispatcher::enqueue(conn, &passed.deliveries, false, now)?;
        repository::set_told(conn, &passed.endpoints, passed.until)
    });
    Ok(told.await?.is_ok() && has_more)
}

/// The next moments that one of the endpoints was not told of.
fn passing(conn: &mut DbConn, now: Instant, limit: usize) -> Result<Vec<Passing>> {
    let Some(told) = repository::first_told(conn)?.filter(|told| told.at < now) else { return Ok(Vec::new()) };
    consents::passing(conn, None, (told.at, told.id), now, limit)
}

/// What is to be told of the next moments, to those for whom the journal has been looked at up to this place; `None` where nothing is.
fn look(conn: &mut DbConn, place: Position, now: Instant) -> Result<Option<Passed>> {
    let passing = passing(conn, now, BATCH)?;
    let mut subscribers = repository::subscribers(conn)?;
    subscribers.retain(|one| one.behind.is_none() && one.scopes.is_some());
    let eyes = Eyes::of(&subscribers, now);
    let (mut readers, mut services) = (eyes.readers(), Services::default());
    let (mut deliveries, mut until) = (Vec::new(), None);
    let is_full = passing.len() == BATCH;
    let mut is_read_on = true;
    for passing in passing {
        let here = Told { at: passing.at, id: passing.id };
        let id = passing.id.cast();
        match changes::last_until(conn, ResourceType::Consent, id, place)? {
            Some(entry) => {
                for one in subscribers.iter().filter(|one| one.told < here) {
                    deliveries.extend(told(conn, (&mut readers, &mut services), one, &passing, &entry, place, now)?);
                }
            }
            // Those whose endpoints are told of it have not yet been told of the consent.
            None if changes::last(conn, ResourceType::Consent, id)?.is_some() => {
                is_read_on = false;
                break;
            }
            None => {}
        }
        until = Some(here);
    }
    let endpoints = subscribers.iter().map(|one| one.id).collect();
    Ok(until.map(|until| Passed { endpoints, until, deliveries, has_more: is_full && is_read_on }))
}

/// What an endpoint is told of a consent that has begun or ended, as the feed tells it: all who may read the consent, and whom it was given
/// to what it sees of the patient.
fn told(
    conn: &mut DbConn,
    (readers, services): (&mut Readers<'_>, &mut Services),
    one: &Subscriber,
    passing: &Passing,
    entry: &Entry,
    place: Position,
    now: Instant,
) -> Result<Vec<DeliveryRow>> {
    let Passing { at, begins, id, patient_id, grantee_id, .. } = *passing;
    let own = one.organization_id;
    if !passing.concerns(own) {
        return Ok(Vec::new());
    }
    let event = if begins { WebhookEventType::ConsentBegan } else { WebhookEventType::ConsentExpired };
    let key = format!("{event}:{id}:{}", at.to_text());
    let mut rows = Vec::new();
    if one.content.wants(event)
        && dispatcher::is_of_interest(conn, one, entry, &events::body(entry)?, services)?
        && dispatcher::sees(conn, readers, one, entry)?
    {
        rows.push(dispatcher::delivery(one.id, key.clone(), event, at, entry, place, now));
    }
    if grantee_id == own {
        let turn = Turn { patient: patient_id, reset: Some(patient_id), cause: &key, at, place };
        rows.extend(turning::told(conn, readers, one, turn, now)?);
    }
    Ok(rows.into_iter().map(|row| DeliveryRow { is_of_time: true, ..row }).collect())
}
