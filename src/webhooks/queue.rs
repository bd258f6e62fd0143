//! The queries of deliveries: the queue of each endpoint, and what became of it.

use diesel::dsl::{delete, insert_into, sql, update};
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel::upsert::excluded;

use super::api::WebhookDeliveryQuery;
use super::model::{AttemptRow, DeliveryRow, WebhookDeliveryId, WebhookDeliveryStatus};
use crate::db::schema::webhook_deliveries::dsl;
use crate::db::schema::{webhook_attempts, webhook_deliveries, webhook_endpoints};
use crate::db::types::{Instant, sql_types};
use crate::db::{DbConn, MultiBackend};
use crate::each;
use crate::error::Result;
use crate::kind::WebhookEndpointId;

/// Of the same subject nothing earlier waits. The same words in both databases.
const IS_HEAD: &str = "NOT EXISTS (SELECT 1 FROM webhook_deliveries AS earlier \
    WHERE earlier.endpoint_id = webhook_deliveries.endpoint_id AND earlier.subject_id = webhook_deliveries.subject_id \
    AND earlier.status = 'pending' \
    AND (earlier.order_transaction_id, earlier.order_sequence, earlier.id) \
    < (webhook_deliveries.order_transaction_id, webhook_deliveries.order_sequence, webhook_deliveries.id))";

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

/// What can be sent to an endpoint now: of each subject the first that waits, in the order of the events.
pub fn heads(conn: &mut DbConn, endpoint: WebhookEndpointId, now: Instant, limit: i64) -> Result<Vec<DeliveryRow>> {
    let order = (dsl::order_transaction_id, dsl::order_sequence, dsl::id);
    let waiting = dsl::webhook_deliveries.filter(dsl::endpoint_id.eq(endpoint)).filter(sql::<Bool>(IS_PENDING));
    // Written so that no index of the moments is used: a long queue is walked in its order, to the first few, and not sorted for each.
    let moment = "coalesce(webhook_deliveries.next_attempt_at, webhook_deliveries.next_attempt_at) <= ";
    let is_due = sql::<Bool>(moment).bind::<sql_types::Instant, _>(now);
    Ok(waiting.filter(is_due).filter(sql::<Bool>(IS_HEAD)).order(order).limit(limit).load(conn)?)
}

/// Of what can be sent to an endpoint now, that which was tried least.
pub fn least_tried(conn: &mut DbConn, endpoint: WebhookEndpointId, now: Instant) -> Result<Option<DeliveryRow>> {
    let order = (dsl::attempt_count, dsl::order_transaction_id, dsl::order_sequence, dsl::id);
    Ok(due(endpoint, now).order(order).first(conn).optional()?)
}

fn due(endpoint: WebhookEndpointId, now: Instant) -> webhook_deliveries::BoxedQuery<'static, MultiBackend> {
    let waiting = dsl::webhook_deliveries.filter(dsl::endpoint_id.eq(endpoint)).filter(sql::<Bool>(IS_PENDING));
    waiting.filter(dsl::next_attempt_at.le(now)).filter(sql::<Bool>(IS_HEAD)).into_boxed()
}

/// When the next delivery of an endpoint can be tried; `None` where nothing waits.
pub fn next_attempt_at(conn: &mut DbConn, endpoint: WebhookEndpointId) -> Result<Option<Instant>> {
    let waiting = dsl::webhook_deliveries.filter(dsl::endpoint_id.eq(endpoint)).filter(sql::<Bool>(IS_PENDING));
    let heads = waiting.filter(sql::<Bool>(IS_HEAD)).order(dsl::next_attempt_at);
    Ok(heads.select(dsl::next_attempt_at).first(conn).optional()?)
}

/// What became of a try.
#[derive(Debug, Clone, Copy)]
pub enum Fate {
    /// It is over.
    Finished(WebhookDeliveryStatus),
    /// It is tried again.
    Again(Instant),
}

/// Notes what became of a delivery that is still pending.
pub fn settle(conn: &mut DbConn, id: WebhookDeliveryId, attempt_count: i32, fate: Fate, now: Instant) -> Result<()> {
    let pending = dsl::webhook_deliveries.filter(dsl::id.eq(id)).filter(sql::<Bool>(IS_PENDING));
    match fate {
        Fate::Finished(status) => update(pending)
            .set((dsl::status.eq(status), dsl::attempt_count.eq(attempt_count), dsl::finished_at.eq(Some(now))))
            .execute(conn)?,
        Fate::Again(at) => update(pending).set((dsl::attempt_count.eq(attempt_count), dsl::next_attempt_at.eq(at))).execute(conn)?,
    };
    Ok(())
}

/// Adds tries.
pub fn add_attempts(conn: &mut DbConn, rows: &[AttemptRow]) -> Result<()> {
    each!(conn, |conn| insert_into(webhook_attempts::table).values(rows).execute(conn))?;
    Ok(())
}

/// Cancels everything that waits for an endpoint.
pub fn cancel(conn: &mut DbConn, endpoint: WebhookEndpointId, now: Instant) -> Result<()> {
    let waiting = dsl::webhook_deliveries.filter(dsl::endpoint_id.eq(endpoint)).filter(sql::<Bool>(IS_PENDING));
    update(waiting).set((dsl::status.eq(WebhookDeliveryStatus::Cancelled), dsl::finished_at.eq(Some(now)))).execute(conn)?;
    Ok(())
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

/// The latest tries of these deliveries, oldest first, at most so many of each.
pub fn attempts(conn: &mut DbConn, ids: &[WebhookDeliveryId], most: usize) -> Result<Vec<AttemptRow>> {
    use webhook_attempts as attempts;
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

/// Deletes up to 500 of what was finished before a moment, tries included; how many there were.
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
    use super::model::WebhookStatus;
    use webhook_endpoints as endpoints;
    let mut wanted = Vec::new();
    for ids in ids.chunks(500) {
        let living = endpoints::table.filter(endpoints::id.eq_any(ids.to_vec())).filter(endpoints::deleted_at.is_null());
        wanted.extend(living.filter(endpoints::status.ne(WebhookStatus::Disabled)).select(endpoints::id).load::<WebhookEndpointId>(conn)?);
    }
    Ok(wanted)
}
