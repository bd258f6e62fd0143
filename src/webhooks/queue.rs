//! The queries of deliveries: the queue of each endpoint, and what became of it.

use std::collections::HashSet;
use std::ops::ControlFlow;

use diesel::dsl::{delete, insert_into, sql, update};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use diesel::upsert::excluded;

use super::api::WebhookDeliveryQuery;
use super::model::{AttemptRow, DeliveryRow, WebhookDeliveryId, WebhookDeliveryStatus, WebhookStatus};
use crate::changes::Position;
use crate::db::DbConn;
use crate::db::schema::webhook_deliveries::dsl;
use crate::db::schema::{webhook_attempts, webhook_endpoints};
use crate::db::types::{Instant, sql_types};
use crate::each;
use crate::error::Result;
use crate::kind::WebhookEndpointId;

/// How many of a queue are read at once, at first and when it is walked further.
const SHORTEST_PAGE: i64 = 32;
const LONGEST_PAGE: i64 = 2_000;

/// How many are cancelled in one transaction.
const CANCELLED_AT_ONCE: usize = 20_000;

/// Written out, so that the index of what is pending is used whatever the parameters are.
const IS_PENDING: &str = "webhook_deliveries.status = 'pending'";

/// Queues events. One that is queued already stays as it is, or, in a replay, is sent again.
pub fn add(conn: &mut DbConn, rows: &[DeliveryRow], is_replay: bool) -> Result<()> {
    let key = (dsl::endpoint_id, dsl::event_key);
    for rows in rows.chunks(200) {
        if is_replay {
            let again = (
                dsl::status.eq(WebhookDeliveryStatus::Pending),
                dsl::attempt_count.eq(0),
                dsl::next_attempt_at.eq(excluded(dsl::next_attempt_at)),
                dsl::finished_at.eq(None::<Instant>),
            );
            each!(conn, |conn| insert_into(dsl::webhook_deliveries).values(rows).on_conflict(key).do_update().set(again).execute(conn))?;
        } else {
            each!(conn, |conn| insert_into(dsl::webhook_deliveries).values(rows).on_conflict(key).do_nothing().execute(conn))?;
        }
    }
    Ok(())
}

/// What only time brought about for an endpoint, is over, and stands at a place in the order of the events or behind it, before another.
pub fn of_time(conn: &mut DbConn, endpoint: WebhookEndpointId, from: Position, before: Position) -> Result<Vec<DeliveryRow>> {
    let place = |sign: &str, place: Position| {
        sql::<Bool>(&format!("(order_transaction_id, order_sequence) {sign} ("))
            .bind::<BigInt, _>(place.transaction_id)
            .sql(", ")
            .bind::<BigInt, _>(place.sequence)
            .sql(")")
    };
    // Written out, so that the index of these is used.
    let of_time = dsl::webhook_deliveries.filter(dsl::endpoint_id.eq(endpoint)).filter(sql::<Bool>("webhook_deliveries.is_of_time"));
    let over = of_time.filter(dsl::finished_at.is_not_null()).filter(place(">=", from)).filter(place("<", before));
    let order = (dsl::order_transaction_id, dsl::order_sequence, dsl::id);
    Ok(over.order(order).load(conn)?)
}

/// What an endpoint is sent next.
#[derive(Debug)]
pub enum Next {
    /// These, at once.
    Now(Vec<DeliveryRow>),
    /// Nothing before this moment; `None` where nothing waits.
    Later(Option<Instant>),
}

/// Of each subject what waits first, in the order of the events: those that are due, up to `limit` of them.
pub fn first(conn: &mut DbConn, endpoint: WebhookEndpointId, now: Instant, limit: usize) -> Result<Next> {
    let (mut due, mut later) = (Vec::new(), None);
    heads(conn, endpoint, |head| {
        if head.next_attempt_at <= now {
            due.push(head);
        } else {
            later = earlier(later, head.next_attempt_at);
        }
        if due.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(if due.is_empty() { Next::Later(later) } else { Next::Now(due) })
}

/// Of what can be sent to an endpoint now, that which was tried least.
pub fn least_tried(conn: &mut DbConn, endpoint: WebhookEndpointId, now: Instant) -> Result<Next> {
    let (mut least, mut later) = (None::<DeliveryRow>, None);
    heads(conn, endpoint, |head| {
        if head.next_attempt_at > now {
            later = earlier(later, head.next_attempt_at);
        } else if least.as_ref().is_none_or(|least| head.attempt_count < least.attempt_count) {
            let is_untried = head.attempt_count == 0;
            least = Some(head);
            if is_untried {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    })?;
    Ok(least.map_or(Next::Later(later), |least| Next::Now(vec![least])))
}

fn earlier(moment: Option<Instant>, other: Instant) -> Option<Instant> {
    Some(moment.map_or(other, |moment| moment.min(other)))
}

/// Walks along a queue in its order, past the first that waits of each subject.
///
/// What has waited longest is most often what is sent next, so that the walk is short. It asks the database for nothing but the queue's
/// own order: whether something of the same subject waits before would be asked once for each that waits, and how dear that is depends
/// on what the database believes of a table that may have grown by thousands since it last looked.
fn heads(conn: &mut DbConn, endpoint: WebhookEndpointId, mut visit: impl FnMut(DeliveryRow) -> ControlFlow<()>) -> Result<()> {
    let (mut seen, mut page, mut after) = (HashSet::new(), SHORTEST_PAGE, None);
    loop {
        let order = (dsl::order_transaction_id, dsl::order_sequence, dsl::id);
        let waiting = dsl::webhook_deliveries.filter(dsl::endpoint_id.eq(endpoint)).filter(sql::<Bool>(IS_PENDING));
        let mut waiting = waiting.order(order).limit(page).into_boxed();
        if let Some((transaction_id, sequence, id)) = after {
            let follows = sql::<Bool>("(order_transaction_id, order_sequence, webhook_deliveries.id) > (")
                .bind::<BigInt, _>(transaction_id)
                .sql(", ")
                .bind::<BigInt, _>(sequence)
                .sql(", ")
                .bind::<sql_types::Id, _>(id)
                .sql(")");
            waiting = waiting.filter(follows);
        }
        let rows: Vec<DeliveryRow> = waiting.load(conn)?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = Some((last.order_transaction_id, last.order_sequence, last.id));
        for row in rows {
            if seen.insert(row.subject_id) && visit(row).is_break() {
                return Ok(());
            }
        }
        page = (page * 2).min(LONGEST_PAGE);
    }
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy)]
pub enum Fate {
    /// It is over.
    Finished(WebhookDeliveryStatus),
    /// It is tried again.
    Again(Instant),
}

/// Notes what became of a delivery that is still pending. An attempt that failed counts for nothing where it was queued anew meanwhile.
pub fn settle(conn: &mut DbConn, delivery: &DeliveryRow, attempt_count: i32, fate: Fate, now: Instant) -> Result<()> {
    let pending = || dsl::webhook_deliveries.filter(dsl::id.eq(delivery.id)).filter(sql::<Bool>(IS_PENDING));
    let as_tried = || pending().filter(dsl::attempt_count.eq(delivery.attempt_count));
    let over = |status| (dsl::status.eq(status), dsl::attempt_count.eq(attempt_count), dsl::finished_at.eq(Some(now)));
    match fate {
        Fate::Finished(WebhookDeliveryStatus::Failed) => update(as_tried()).set(over(WebhookDeliveryStatus::Failed)).execute(conn)?,
        Fate::Finished(status) => update(pending()).set(over(status)).execute(conn)?,
        Fate::Again(at) => update(as_tried()).set((dsl::attempt_count.eq(attempt_count), dsl::next_attempt_at.eq(at))).execute(conn)?,
    };
    Ok(())
}

/// Adds attempts.
pub fn add_attempts(conn: &mut DbConn, rows: &[AttemptRow]) -> Result<()> {
    each!(conn, |conn| insert_into(webhook_attempts::table).values(rows).execute(conn))?;
    Ok(())
}

/// Sends everything that waits for an endpoint now, as if it had not been tried. Most of it has not been, however much it is.
pub fn begin_anew(conn: &mut DbConn, endpoint: WebhookEndpointId, now: Instant) -> Result<()> {
    let waiting = dsl::webhook_deliveries.filter(dsl::endpoint_id.eq(endpoint)).filter(sql::<Bool>(IS_PENDING));
    let was_tried = dsl::attempt_count.gt(0).or(dsl::next_attempt_at.gt(now));
    update(waiting.filter(was_tried)).set((dsl::attempt_count.eq(0), dsl::next_attempt_at.eq(now))).execute(conn)?;
    Ok(())
}

/// Cancels what waits for an endpoint to which nothing more is sent, up to 20,000 deliveries; how many there were. The rest is for
/// [`cancel_rest`].
pub fn cancel(conn: &mut DbConn, endpoint: WebhookEndpointId, now: Instant) -> Result<usize> {
    let waiting = dsl::webhook_deliveries.filter(dsl::endpoint_id.eq(endpoint)).filter(sql::<Bool>(IS_PENDING));
    let order = (dsl::order_transaction_id, dsl::order_sequence, dsl::id);
    let ids: Vec<WebhookDeliveryId> = waiting.order(order).select(dsl::id).limit(CANCELLED_AT_ONCE as i64).load(conn)?;
    for ids in ids.chunks(500) {
        let over = (dsl::status.eq(WebhookDeliveryStatus::Cancelled), dsl::finished_at.eq(Some(now)));
        update(dsl::webhook_deliveries.filter(dsl::id.eq_any(ids.to_vec()))).set(over).execute(conn)?;
    }
    Ok(ids.len())
}

/// Cancels some of what still waits for endpoints that were deleted or disabled; how much there was.
pub fn cancel_rest(conn: &mut DbConn, now: Instant) -> Result<usize> {
    use webhook_endpoints as endpoints;
    let over = endpoints::table.filter(endpoints::deleted_at.is_not_null().or(endpoints::status.eq(WebhookStatus::Disabled)));
    let over: Vec<WebhookEndpointId> = over.select(endpoints::id).load(conn)?;
    let mut cancelled = 0;
    for endpoint in over {
        cancelled += cancel(conn, endpoint, now)?;
        if cancelled >= CANCELLED_AT_ONCE {
            break;
        }
    }
    Ok(cancelled)
}

/// One page of an endpoint's deliveries, the latest first, and one row more.
pub fn list(
    conn: &mut DbConn,
    endpoint: WebhookEndpointId,
    query: &WebhookDeliveryQuery,
    before: Option<WebhookDeliveryId>,
) -> Result<Vec<DeliveryRow>> {
    let mut rows =
        dsl::webhook_deliveries.filter(dsl::endpoint_id.eq(endpoint)).order(dsl::id.desc()).limit(query.limit.and_one()).into_boxed();
    if let Some(status) = query.status {
        rows = rows.filter(dsl::status.eq(status));
    }
    if let Some(event_type) = query.event_type {
        rows = rows.filter(dsl::event_type.eq(event_type));
    }
    if let Some(before) = before {
        rows = rows.filter(dsl::id.lt(before));
    }
    Ok(rows.load(conn)?)
}

/// A delivery of an endpoint.
pub fn find(conn: &mut DbConn, endpoint: WebhookEndpointId, id: WebhookDeliveryId) -> Result<Option<DeliveryRow>> {
    Ok(dsl::webhook_deliveries.filter(dsl::id.eq(id)).filter(dsl::endpoint_id.eq(endpoint)).first(conn).optional()?)
}

/// The latest attempts of these deliveries, oldest first, at most so many of each.
pub fn attempts(conn: &mut DbConn, ids: &[WebhookDeliveryId], most: usize) -> Result<Vec<AttemptRow>> {
    use webhook_attempts as attempts;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let tries = attempts::table.filter(attempts::delivery_id.eq_any(ids.to_vec())).order(attempts::id);
    let mut rows: Vec<AttemptRow> = tries.load(conn)?;
    let mut left = std::collections::HashMap::new();
    rows.reverse();
    rows.retain(|row| {
        let seen = left.entry(row.delivery_id).or_insert(0_usize);
        *seen += 1;
        *seen <= most
    });
    rows.reverse();
    Ok(rows)
}

/// When a delivery was first tried of so many attempts, the last ones that there were.
pub fn first_try(conn: &mut DbConn, id: WebhookDeliveryId, of_last: i32) -> Result<Option<Instant>> {
    use webhook_attempts as attempts;
    let tries = attempts::table.filter(attempts::delivery_id.eq(id)).order(attempts::id.desc()).select(attempts::at);
    let tries: Vec<Instant> = tries.limit(i64::from(of_last)).load(conn)?;
    Ok(tries.last().copied())
}

/// Queues a delivery once more.
pub fn send_again(conn: &mut DbConn, id: WebhookDeliveryId, now: Instant) -> Result<()> {
    update(dsl::webhook_deliveries.find(id))
        .set((
            dsl::status.eq(WebhookDeliveryStatus::Pending),
            dsl::attempt_count.eq(0),
            dsl::next_attempt_at.eq(now),
            dsl::finished_at.eq(None::<Instant>),
        ))
        .execute(conn)?;
    Ok(())
}

/// Deletes up to 500 of what was finished before a moment, attempts included; how many there were.
pub fn purge(conn: &mut DbConn, before: Instant) -> Result<usize> {
    let old = dsl::webhook_deliveries.filter(dsl::finished_at.lt(before)).select(dsl::id).limit(500);
    let ids: Vec<WebhookDeliveryId> = old.load(conn)?;
    if ids.is_empty() {
        return Ok(0);
    }
    Ok(delete(dsl::webhook_deliveries.filter(dsl::id.eq_any(ids))).execute(conn)?)
}

/// Of these endpoints, those for which events are still queued.
pub fn still_wanted(conn: &mut DbConn, ids: &[WebhookEndpointId]) -> Result<Vec<WebhookEndpointId>> {
    use webhook_endpoints as endpoints;
    let mut wanted = Vec::new();
    for ids in ids.chunks(500) {
        let living = endpoints::table.filter(endpoints::id.eq_any(ids.to_vec())).filter(endpoints::deleted_at.is_null());
        wanted.extend(living.filter(endpoints::status.ne(WebhookStatus::Disabled)).select(endpoints::id).load::<WebhookEndpointId>(conn)?);
    }
    Ok(wanted)
}
