//! What only time brings about: a day that has come, a day that has passed. No change says so, so somebody has to look.
//!
//! Each is noted once, for all who may ask for it, at the place where the journal ended then: a date that is moved and passes again is
//! another. What is noted has an order of its own, and each endpoint has a place in it: the [`dispatcher`] tells an endpoint of both the
//! journal and this as it goes on. So nothing is told before what happened before it, and one that was paused misses nothing.

use chrono::{Days, NaiveDate};
use diesel::dsl::{delete, exists, insert_into, not, sql};
use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::dispatcher::{self, Eyes, Services};
use super::events::WebhookEventType;
use super::model::{DeliveryRow, WebhookEndpointInput};
use super::repository::Subscriber;
use super::{events, repository};
use crate::app::App;
use crate::changes::{self, Entry, Position};
use crate::db::DbConn;
use crate::db::schema::{follow_ups, referrals, webhook_dues};
use crate::db::types::{Id, Instant};
use crate::each;
use crate::error::Result;
use crate::kind::{OrganizationId, ResourceType};
use crate::organizations;

/// What is looked for.
const EVENTS: [WebhookEventType; 3] = [WebhookEventType::ReferralOverdue, WebhookEventType::FollowUpDue, WebhookEventType::FollowUpOverdue];

/// Candidates read at once.
const BATCH: i64 = 500;
/// What is noted in one transaction.
const MOST: usize = 500;
/// What is forgotten in one transaction.
const FORGOTTEN: i64 = 500;

/// So many days back is looked: whoever writes down a day that lies further back knows so. What was noted of earlier ones is forgotten.
const LOOKED_BACK: u64 = 90;

/// Written out, so that the index of what is open is used.
const IS_OPEN: &str = "follow_ups.status = 'open'";

/// Something that fell due, and the last entry of the journal about it.
struct Due {
    event_type: WebhookEventType,
    resource_id: Id<()>,
    due_on: NaiveDate,
    sequence: i64,
}

/// The same as it is noted: a row of the table `webhook_dues`.
#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = webhook_dues, treat_none_as_default_value = false)]
pub(super) struct DueRow {
    event_type: WebhookEventType,
    resource_id: Id<()>,
    due_on: NaiveDate,
    /// Its place among what fell due.
    pub(super) number: i64,
    noted_at: Instant,
    sequence: i64,
    order_transaction_id: i64,
    order_sequence: i64,
}

impl DueRow {
    /// Where the journal ended then. Never before that of one with a lower number.
    pub(super) const fn place(&self) -> Position {
        Position { transaction_id: self.order_transaction_id, sequence: self.order_sequence }
    }

    fn delivery(&self, one: &Subscriber, entry: &Entry, now: Instant) -> DeliveryRow {
        let key = format!("{}:{}:{}", self.event_type, self.resource_id, self.due_on);
        let row = dispatcher::delivery(one.id, key, self.event_type, self.noted_at, entry, self.place(), now);
        DeliveryRow { is_of_time: true, ..row }
    }
}

/// Looks for what fell due, and notes it. True where there may be more.
pub(super) async fn sweep(app: &App, holder: Id<()>) -> Result<bool> {
    let (is_wanted, due_since) = app.db.read(|conn| Ok((is_wanted(conn)?, repository::due_since(conn)?))).await?;
    let now = app.clock.now();
    let since = begin(due_since.filter(|_| is_wanted), now);
    // Nobody has asked yet, or the day has gone by already.
    if !is_wanted && due_since.is_none_or(|before| before == since) {
        return Ok(false);
    }
    let Some((lease, _)) = dispatcher::hold(app, holder).await? else { return Ok(false) };
    let look = move |conn: &mut DbConn| if is_wanted { look(conn, since, now).map(Some) } else { Ok(None) };
    let Ok(found) = lease.held(app.db.read(look)).await else { return Ok(false) };
    let found = found?.filter(|(_, found)| !found.is_empty());
    let has_more = found.as_ref().is_some_and(|(_, found)| found.len() >= MOST);
    if found.is_none() && due_since == Some(since) {
        return Ok(false);
    }
    let noted = lease.write(move |conn, _, now| {
        if due_since != Some(since) {
            repository::set_due_since(conn, since)?;
        }
        found.as_ref().map_or(Ok(()), |(place, found)| note(conn, *place, found, now))
    });
    Ok(noted.await?.is_ok() && has_more)
}

/// Whether an endpoint asks for what falls due, be it paused.
fn is_wanted(conn: &mut DbConn) -> Result<bool> {
    let wants = |content: &WebhookEndpointInput| EVENTS.iter().any(|event| content.wants(*event));
    Ok(repository::asked_for(conn)?.iter().any(wants))
}

/// The day from which on is looked, where that was one before. While nobody wants to be told, the days go by; whoever comes later is not told
/// of them.
fn begin(before: Option<NaiveDate>, now: Instant) -> NaiveDate {
    let back = |days: u64| now.utc().date_naive().checked_sub_days(Days::new(days)).unwrap_or_default();
    before.map_or_else(|| back(1), |before| before.max(back(LOOKED_BACK)))
}

/// Notes what was found, in its order, at the place up to which the journal was known when it was looked for: what was changed meanwhile is
/// told behind it. Whoever does so holds the place of the webhooks in the journal, so that nobody else does meanwhile.
fn note(conn: &mut DbConn, Position { transaction_id, sequence }: Position, found: &[Due], now: Instant) -> Result<()> {
    let row = |(number, due): (i64, &Due)| DueRow {
        event_type: due.event_type,
        resource_id: due.resource_id,
        due_on: due.due_on,
        number,
        noted_at: now,
        sequence: due.sequence,
        order_transaction_id: transaction_id,
        order_sequence: sequence,
    };
    let last = repository::last_due(conn)?;
    let rows: Vec<DueRow> = (last + 1..).zip(found).map(row).collect();
    let Some(last) = rows.last() else { return Ok(()) };
    let key = (webhook_dues::event_type, webhook_dues::resource_id, webhook_dues::due_on);
    for rows in rows.chunks(200) {
        each!(conn, |conn| insert_into(webhook_dues::table).values(rows).on_conflict(key).do_nothing().execute(conn))?;
    }
    repository::set_last_due(conn, last.number)
}

/// What fell due behind a number, in its order, so many at most.
pub(super) fn after(conn: &mut DbConn, number: i64, most: i64) -> Result<Vec<DueRow>> {
    Ok(webhook_dues::table.filter(webhook_dues::number.gt(number)).order(webhook_dues::number).limit(most).load(conn)?)
}

/// What endpoints are told of what fell due, each of what it was not told of before.
pub(super) fn told(conn: &mut DbConn, dues: &[DueRow], subscribers: &[Subscriber], now: Instant) -> Result<Vec<DeliveryRow>> {
    if dues.is_empty() {
        return Ok(Vec::new());
    }
    let eyes = Eyes::of(subscribers, now);
    let (mut readers, mut services, mut rows) = (eyes.readers(), Services::default(), Vec::new());
    let sequences: Vec<i64> = dues.iter().map(|due| due.sequence).collect();
    let entries = changes::numbered(conn, &sequences)?;
    for due in dues {
        let Some(sketch) = entries.get(&due.sequence) else { continue };
        let is_to_hear = |one: &&Subscriber| one.dues_told < due.number && one.content.wants(due.event_type);
        if !subscribers.iter().any(|one| is_to_hear(&one)) {
            continue;
        }
        let entry = &changes::whole(conn, sketch.clone())?;
        let body = events::body(entry)?;
        for one in subscribers.iter().filter(is_to_hear) {
            let is_told =
                dispatcher::is_of_interest(conn, one, entry, &body, &mut services)? && dispatcher::sees(conn, &mut readers, one, entry)?;
            if is_told {
                rows.push(due.delivery(one, entry, now));
            }
        }
    }
    Ok(rows)
}

/// Forgets some of what is looked for no more and of which nobody is still to be told; how much there was.
pub(super) fn purge(conn: &mut DbConn) -> Result<usize> {
    let Some(since) = repository::due_since(conn)? else { return Ok(0) };
    let told = repository::least_dues_told(conn)?.unwrap_or(i64::MAX);
    let over = webhook_dues::table.filter(webhook_dues::due_on.lt(since)).filter(webhook_dues::number.le(told));
    let numbers: Vec<i64> = over.order(webhook_dues::number).select(webhook_dues::number).limit(FORGOTTEN).load(conn)?;
    if numbers.is_empty() {
        return Ok(0);
    }
    Ok(delete(webhook_dues::table.filter(webhook_dues::number.eq_any(numbers))).execute(conn)?)
}

/// What has fallen due since a day and was not noted yet, and where the journal ends.
fn look(conn: &mut DbConn, since: NaiveDate, now: Instant) -> Result<(Position, Vec<Due>)> {
    let (end, mut found) = (changes::latest(conn)?, Vec::new());
    for event_type in EVENTS {
        let mut after = None;
        loop {
            let candidates = candidates(conn, event_type, since, now, after)?;
            after = candidates.last().map(|(id, due_on, _)| (*due_on, *id));
            let is_last = (candidates.len() as i64) < BATCH;
            for (resource_id, due_on, whose) in candidates {
                // The day is that of whoever is to act.
                let today = organizations::repository::today(conn, whose, now)?;
                let has_come = if event_type == WebhookEventType::FollowUpDue { due_on <= today } else { due_on < today };
                let entry = if has_come { changes::last(conn, event_type.resource_type(), resource_id)? } else { None };
                // What has no place before the end of the journal yet is found once it has.
                if let Some(entry) = entry.filter(|entry| entry.position() <= end) {
                    found.push(Due { event_type, resource_id, due_on, sequence: entry.sequence });
                }
            }
            if is_last || found.len() >= MOST {
                break;
            }
        }
    }
    Ok((end, found))
}

/// What may have fallen due somewhere on earth: id, day, and the organization that is to act.
fn candidates(
    conn: &mut DbConn,
    event: WebhookEventType,
    since: NaiveDate,
    now: Instant,
    after: Option<(NaiveDate, Id<()>)>,
) -> Result<Vec<(Id<()>, NaiveDate, OrganizationId)>> {
    let latest = now.latest_date();
    let (day, id) = after.unwrap_or((since, Id::from_uuid(uuid::Uuid::nil())));
    if event.resource_type() == ResourceType::Referral {
        let told = webhook_dues::table
            .filter(webhook_dues::event_type.eq(event))
            .filter(webhook_dues::resource_id.eq(referrals::id))
            .filter(webhook_dues::due_on.nullable().eq(referrals::due_on));
        type Found = (Id<()>, Option<NaiveDate>, Option<OrganizationId>, OrganizationId);
        let rows: Vec<Found> = referrals::table
            .filter(referrals::due_on.ge(day).and(referrals::due_on.lt(latest)))
            .filter(referrals::due_on.gt(day).or(referrals::id.gt(id)))
            .filter(referrals::deleted_at.is_null())
            .filter(not(exists(told)))
            .order((referrals::due_on, referrals::id))
            .select((referrals::id, referrals::due_on, referrals::performer_id, referrals::organization_id))
            .limit(BATCH)
            .load(conn)?;
        return Ok(rows.into_iter().filter_map(|(id, due_on, performer, own)| Some((id, due_on?, performer.unwrap_or(own)))).collect());
    }
    let told = webhook_dues::table
        .filter(webhook_dues::event_type.eq(event))
        .filter(webhook_dues::resource_id.eq(follow_ups::id))
        .filter(webhook_dues::due_on.eq(follow_ups::due_on));
    let rows = follow_ups::table
        .filter(follow_ups::due_on.ge(day).and(follow_ups::due_on.le(latest)))
        .filter(follow_ups::due_on.gt(day).or(follow_ups::id.gt(id)))
        .filter(sql::<Bool>(IS_OPEN))
        .filter(follow_ups::deleted_at.is_null())
        .filter(not(exists(told)))
        .order((follow_ups::due_on, follow_ups::id))
        .select((follow_ups::id, follow_ups::due_on, follow_ups::organization_id))
        .limit(BATCH)
        .load(conn)?;
    Ok(rows)
}
