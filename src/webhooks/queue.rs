//! The queries of deliveries: the queue of each endpoint, and what became of it.

use std::collections::{HashSet, VecDeque};

use chrono::Duration;
use diesel::dsl::{delete, exists, insert_into, sql, update};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use diesel::upsert::excluded;
use uuid::Uuid;

use super::api::WebhookDeliveryQuery;
use super::events::WebhookEventType;
use super::model::{AttemptRow, DeliveryRow, EndpointRow, WebhookDeliveryId, WebhookDeliveryStatus, WebhookStatus};
use super::repository;
use crate::changes::{self, Position};
use crate::db::schema::webhook_deliveries::dsl;
use crate::db::schema::{webhook_attempts, webhook_endpoints};
use crate::db::types::{Id, Instant, sql_types};
use crate::db::{DbConn, MultiBackend};
use crate::each;
use crate::error::Result;
use crate::kind::WebhookEndpointId;

/// How many of a queue are read at once, at first and when it is walked further.
const SHORTEST_PAGE: i64 = 32;
const LONGEST_PAGE: i64 = 1_000;
/// After so many others have their turn at the database.
const LONGEST_STRETCH: i64 = 2_000;

/// How many one request changes: while it does, all others who write wait on SQLite.
const MOST_AT_ONCE: i64 = 20_000;
/// How many are cancelled at once where nobody waits for that.
const CANCELLED_BESIDE: i64 = 1_000;

/// Attempts that are kept of each delivery: where nothing gets through, and where something is sent again and again, there is no end of them.
const KEPT_ATTEMPTS: i64 = 20;

/// Written out, so that the index of what is pending is used whatever the parameters are.
const IS_PENDING: &str = "webhook_deliveries.status = 'pending'";
/// The endpoint in whose queue a delivery stands, as the index of the queues has it. No other index does, so that none is taken in its place.
const QUEUE_OF: &str = "CASE WHEN webhook_deliveries.status = 'pending' THEN webhook_deliveries.endpoint_id END";
/// The same of what was tried in vain.
const WAS_TRIED: &str = "webhook_deliveries.status = 'pending' AND webhook_deliveries.attempt_count > 0";

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

/// What only time brought about for an endpoint, of these events or, where none are named, of all, and is over: the first that stand at a place
/// in the order of the events or behind it and, of those at the place, behind a delivery.
pub fn of_time(
    conn: &mut DbConn,
    endpoint: WebhookEndpointId,
    (place, last): (Position, Option<WebhookDeliveryId>),
    events: Option<&[WebhookEventType]>,
    most: i64,
) -> Result<Vec<DeliveryRow>> {
    // Written out, so that the index of these is used.
    let of_time = dsl::webhook_deliveries.filter(dsl::endpoint_id.eq(endpoint)).filter(sql::<Bool>("webhook_deliveries.is_of_time"));
    let over = of_time.filter(dsl::finished_at.is_not_null()).filter(follows(place, last.unwrap_or(Id::from_uuid(Uuid::nil()))));
    let mut over = over.order((dsl::order_transaction_id, dsl::order_sequence, dsl::id)).limit(most).into_boxed();
    if let Some(events) = events {
        over = over.filter(dsl::event_type.eq_any(events.to_vec()));
    }
    Ok(over.load(conn)?)
}

/// A condition of deliveries.
type Condition = Box<dyn BoxableExpression<dsl::webhook_deliveries, MultiBackend, SqlType = Bool>>;

/// Whether a delivery stands in the queue of an endpoint.
fn waits_for(endpoint: WebhookEndpointId) -> Condition {
    Box::new(sql::<sql_types::Id>(QUEUE_OF).eq(endpoint).and(sql::<Bool>(IS_PENDING)))
}

/// Whether a delivery stands behind another, of this place and id.
fn follows(place: Position, id: WebhookDeliveryId) -> Condition {
    let follows = sql::<Bool>("(order_transaction_id, order_sequence, webhook_deliveries.id) > (")
        .bind::<BigInt, _>(place.transaction_id)
        .sql(", ")
        .bind::<BigInt, _>(place.sequence)
        .sql(", ")
        .bind::<sql_types::Id, _>(id)
        .sql(")");
    Box::new(follows)
}

/// What an endpoint is sent next.
#[derive(Debug)]
pub enum Next {
    /// These, at once.
    Now(Vec<DeliveryRow>),
    /// Nothing before this moment; `None` where nothing waits.
    Later(Option<Instant>),
    /// That is not known yet: the walk is to go on in another transaction.
    Further,
}

/// Which of what is due is wanted.
#[derive(Debug, Clone, Copy)]
pub enum Wanted {
    /// What waits first, so many at once.
    First(usize),
    /// That which was tried least.
    LeastTried,
}

/// Of a delivery that waits, what says whether it is its turn.
#[derive(Debug, Clone, Copy, Queryable)]
struct Head {
    id: WebhookDeliveryId,
    order_transaction_id: i64,
    order_sequence: i64,
    subject_id: Id<()>,
    attempt_count: i32,
    next_attempt_at: Instant,
}

impl Head {
    const fn place(&self) -> (i64, i64, WebhookDeliveryId) {
        (self.order_transaction_id, self.order_sequence, self.id)
    }
}

/// An endpoint's version, and when something was last queued for it before what waited already.
type Queue = (i64, Option<Instant>);

/// A walk along a queue in its order, past the first that waits of each subject.
///
/// What has waited longest is most often what is sent next, so that the walk is short: it ends with the page on which something is due. It
/// asks the database for nothing but the queue's own order: whether something of the same subject waits before would be asked once for
/// each that waits, and how dear that is depends on what the database believes of a table that may have grown by thousands since it last
/// looked.
#[derive(Debug, Clone)]
pub struct Walk {
    wanted: Wanted,
    /// What of the endpoint says that its queue is the one that is walked.
    queue: Queue,
    after: Option<(i64, i64, WebhookDeliveryId)>,
    page: i64,
    walked: i64,
    seen: HashSet<Id<()>>,
    /// What was found and is to be sent.
    due: VecDeque<Head>,
    /// When the first of what is not due yet will be.
    later: Option<Instant>,
}

impl Walk {
    /// One from the beginning.
    pub fn new(wanted: Wanted, endpoint: &EndpointRow) -> Self {
        Self::along((endpoint.version, endpoint.requeued_at), wanted)
    }

    fn along(queue: Queue, wanted: Wanted) -> Self {
        Self { wanted, queue, after: None, page: SHORTEST_PAGE, walked: 0, seen: HashSet::new(), due: VecDeque::new(), later: None }
    }

    /// Whether nothing has changed in the queue meanwhile but what was sent, and what was queued at its end: otherwise what was found may not
    /// be to be sent any more, or not yet.
    pub fn is_along(&self, endpoint: &EndpointRow) -> bool {
        self.queue == (endpoint.version, endpoint.requeued_at)
    }

    /// Whether so much was walked past that it is not done again for each that is sent.
    pub const fn is_long(&self) -> bool {
        self.walked > LONGEST_STRETCH
    }

    /// For how long the queue is not walked again after a long walk: many times as long as that took.
    pub fn rest(&self) -> Option<Duration> {
        self.is_long().then(|| Duration::milliseconds(self.walked))
    }

    /// Walks on until something is found that is due, as far as one transaction goes.
    pub fn go_on(&mut self, conn: &mut DbConn, endpoint: WebhookEndpointId, now: Instant) -> Result<Next> {
        let end = self.walked + LONGEST_STRETCH;
        while !self.has_found() {
            if self.walked >= end {
                return Ok(Next::Further);
            }
            let heads = self.next_page(conn, endpoint)?;
            let Some(last) = heads.last() else { break };
            (self.after, self.page) = (Some(last.place()), (self.page * 2).min(LONGEST_PAGE));
            self.walked += heads.len() as i64;
            for head in heads {
                if self.seen.insert(head.subject_id) {
                    self.visit(head, now);
                }
            }
        }
        let most = if let Wanted::First(most) = self.wanted { most } else { 1 };
        let found: Vec<WebhookDeliveryId> = self.due.drain(..most.min(self.due.len())).map(|head| head.id).collect();
        if found.is_empty() {
            return Ok(Next::Later(self.later));
        }
        let (count, order) = (found.len(), (dsl::order_transaction_id, dsl::order_sequence, dsl::id));
        // Asked for by their ids alone: with a word of what waits PostgreSQL may go through all that waits.
        let mut due: Vec<DeliveryRow> = dsl::webhook_deliveries.filter(dsl::id.eq_any(found)).order(order).load(conn)?;
        due.retain(|delivery| delivery.status == WebhookDeliveryStatus::Pending && delivery.next_attempt_at <= now);
        if due.len() < count {
            // The queue is another than the one that was walked.
            *self = Self::along(self.queue, self.wanted);
            return Ok(Next::Further);
        }
        Ok(Next::Now(due))
    }

    fn has_found(&self) -> bool {
        match self.wanted {
            Wanted::First(_) => !self.due.is_empty(),
            Wanted::LeastTried => self.due.front().is_some_and(|least| least.attempt_count == 0),
        }
    }

    fn visit(&mut self, head: Head, now: Instant) {
        if head.next_attempt_at > now {
            self.later = Some(self.later.map_or(head.next_attempt_at, |later| later.min(head.next_attempt_at)));
        } else if matches!(self.wanted, Wanted::First(_)) {
            self.due.push_back(head);
        } else if self.due.front().is_none_or(|least| head.attempt_count < least.attempt_count) {
            self.due = VecDeque::from([head]);
        }
    }

    fn next_page(&self, conn: &mut DbConn, endpoint: WebhookEndpointId) -> Result<Vec<Head>> {
        let order = (dsl::order_transaction_id, dsl::order_sequence, dsl::id);
        let head = (dsl::id, dsl::order_transaction_id, dsl::order_sequence, dsl::subject_id, dsl::attempt_count, dsl::next_attempt_at);
        let waiting = dsl::webhook_deliveries.filter(waits_for(endpoint));
        let mut waiting = waiting.order(order).select(head).limit(self.page).into_boxed();
        if let Some((transaction_id, sequence, id)) = self.after {
            waiting = waiting.filter(follows(Position { transaction_id, sequence }, id));
        }
        Ok(waiting.load(conn)?)
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

/// Notes what became of a delivery that is still pending. The attempt counts for nothing where it was queued anew meanwhile: what stands before
/// it may have been, too, so that it is to be sent once more after that.
pub fn settle(conn: &mut DbConn, delivery: &DeliveryRow, attempt_count: i32, fate: Fate, now: Instant) -> Result<()> {
    let pending = dsl::webhook_deliveries.filter(dsl::id.eq(delivery.id)).filter(sql::<Bool>(IS_PENDING));
    let as_tried = pending.filter(dsl::attempt_count.eq(delivery.attempt_count)).filter(dsl::next_attempt_at.eq(delivery.next_attempt_at));
    let attempt_count = dsl::attempt_count.eq(attempt_count);
    match fate {
        Fate::Finished(status) => {
            update(as_tried).set((dsl::status.eq(status), attempt_count, dsl::finished_at.eq(Some(now)))).execute(conn)?
        }
        Fate::Again(at) => update(as_tried).set((attempt_count, dsl::next_attempt_at.eq(at))).execute(conn)?,
    };
    Ok(())
}

/// Adds attempts.
pub fn add_attempts(conn: &mut DbConn, rows: &[AttemptRow]) -> Result<()> {
    each!(conn, |conn| insert_into(webhook_attempts::table).values(rows).execute(conn))?;
    Ok(())
}

/// Forgets all attempts of a delivery but the latest twenty.
pub fn forget_attempts(conn: &mut DbConn, delivery: WebhookDeliveryId) -> Result<()> {
    use webhook_attempts as attempts;
    let of_delivery = attempts::table.filter(attempts::delivery_id.eq(delivery));
    let beyond = of_delivery.order(attempts::id.desc()).select(attempts::id).offset(KEPT_ATTEMPTS);
    if let Some(last) = beyond.first::<Id<()>>(conn).optional()? {
        delete(attempts::table.filter(attempts::delivery_id.eq(delivery)).filter(attempts::id.le(last))).execute(conn)?;
    }
    Ok(())
}

/// Sends now what waits for an endpoint and was tried in vain, as if it had not been, up to 20,000 deliveries. More is tried in its time; what
/// was not tried is due already, however much it is.
pub fn begin_anew(conn: &mut DbConn, endpoint: WebhookEndpointId, now: Instant) -> Result<()> {
    // In no order, so that the index of what was tried is the best one for it.
    let tried = dsl::webhook_deliveries.filter(dsl::endpoint_id.eq(endpoint)).filter(sql::<Bool>(WAS_TRIED));
    let ids: Vec<WebhookDeliveryId> = tried.select(dsl::id).limit(MOST_AT_ONCE).load(conn)?;
    for ids in ids.chunks(500) {
        // They wait still: whoever settles one holds the endpoint, as the caller does.
        let tried = dsl::webhook_deliveries.filter(dsl::id.eq_any(ids.to_vec()));
        update(tried).set((dsl::attempt_count.eq(0), dsl::next_attempt_at.eq(now))).execute(conn)?;
    }
    Ok(())
}

/// Cancels what waits for an endpoint to which nothing more is sent, up to 20,000 deliveries; how many there were. The rest is for
/// [`cancel_rest`].
pub fn cancel(conn: &mut DbConn, endpoint: WebhookEndpointId, now: Instant) -> Result<usize> {
    cancel_some(conn, endpoint, MOST_AT_ONCE, now)
}

fn cancel_some(conn: &mut DbConn, endpoint: WebhookEndpointId, most: i64, now: Instant) -> Result<usize> {
    let waiting = dsl::webhook_deliveries.filter(waits_for(endpoint));
    let order = (dsl::order_transaction_id, dsl::order_sequence, dsl::id);
    let ids: Vec<WebhookDeliveryId> = waiting.order(order).select(dsl::id).limit(most).load(conn)?;
    for ids in ids.chunks(500) {
        let waiting = dsl::webhook_deliveries.filter(dsl::id.eq_any(ids.to_vec())).filter(sql::<Bool>(IS_PENDING));
        let over = (dsl::status.eq(WebhookDeliveryStatus::Cancelled), dsl::finished_at.eq(Some(now)));
        update(waiting).set(over).execute(conn)?;
    }
    Ok(ids.len())
}

/// Fails where more waits still for an endpoint that was disabled than one request cancels: [`cancel_rest`] goes on with that meanwhile.
pub fn ensure_cancelled(conn: &mut DbConn, endpoint: WebhookEndpointId) -> Result<()> {
    let waiting = dsl::webhook_deliveries.filter(waits_for(endpoint));
    let order = (dsl::order_transaction_id, dsl::order_sequence, dsl::id);
    let more: Vec<WebhookDeliveryId> = waiting.order(order).select(dsl::id).limit(1).offset(MOST_AT_ONCE).load(conn)?;
    let rows = MOST_AT_ONCE + more.len() as i64;
    changes::ensure_few(rows, "events that are still to be cancelled", "that goes on meanwhile, so try again in a few minutes")
}

/// The endpoints that were deleted or disabled and for which something still waits.
pub fn over(conn: &mut DbConn) -> Result<Vec<WebhookEndpointId>> {
    use webhook_endpoints as endpoints;
    let over = endpoints::table.filter(endpoints::deleted_at.is_not_null().or(endpoints::status.eq(WebhookStatus::Disabled)));
    let waiting = dsl::webhook_deliveries.filter(sql::<sql_types::Id>(QUEUE_OF).eq(endpoints::id)).filter(sql::<Bool>(IS_PENDING));
    Ok(over.filter(exists(waiting)).select(endpoints::id).load(conn)?)
}

/// Cancels some of what still waits for such an endpoint; how much there was. Nobody makes it active until the transaction ends, and nothing
/// is cancelled where somebody has.
pub fn cancel_rest(conn: &mut DbConn, endpoint: WebhookEndpointId, now: Instant) -> Result<usize> {
    repository::lock(conn, endpoint)?;
    match repository::find_any(conn, endpoint)? {
        Some(row) if row.is_over() => cancel_some(conn, endpoint, CANCELLED_BESIDE, now),
        _ => Ok(0),
    }
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

/// The attempts of these deliveries that are kept, oldest first.
pub fn attempts(conn: &mut DbConn, ids: &[WebhookDeliveryId]) -> Result<Vec<AttemptRow>> {
    use webhook_attempts as attempts;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    Ok(attempts::table.filter(attempts::delivery_id.eq_any(ids.to_vec())).order(attempts::id).load(conn)?)
}

/// When a delivery was first tried of so many attempts, the last ones that there were, as far as they are kept.
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
