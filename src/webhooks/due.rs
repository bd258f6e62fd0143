//! What only time brings about: a day that has come, a day that has passed. No change says so, so somebody has to look.
//!
//! Each is told once, to those who want it then, and noted: a date that is moved and passes again is another.

use chrono::{Days, NaiveDate};
use diesel::dsl::{exists, insert_into, not};
use diesel::prelude::*;

use super::dispatcher::{self, Eyes, Readers, Services};
use super::events::WebhookEventType;
use super::model::DeliveryRow;
use super::repository::Subscriber;
use super::{events, repository};
use crate::app::App;
use crate::changes::{self, Position};
use crate::db::schema::{follow_ups, referrals, webhook_dues};
use crate::db::types::{Id, Instant};
use crate::db::{Common, DbConn};
use crate::error::Result;
use crate::follow_ups::model::FollowUpStatus;
use crate::kind::{OrganizationId, ResourceType};
use crate::organizations;

/// What is looked for.
const EVENTS: [WebhookEventType; 3] = [WebhookEventType::ReferralOverdue, WebhookEventType::FollowUpDue, WebhookEventType::FollowUpOverdue];

/// Candidates read at once.
const BATCH: i64 = 500;
/// What is told in one transaction.
const MOST: usize = 500;

/// Something that fell due.
struct Due {
    event: WebhookEventType,
    resource_id: Id<()>,
    due_on: NaiveDate,
    deliveries: Vec<DeliveryRow>,
}

/// Looks for what fell due, and queues it. True where there may be more.
pub(super) async fn sweep(app: &App, holder: Id<()>) -> Result<bool> {
    let (are_active, _) = app.db.read(repository::are_active).await?;
    if !are_active {
        return Ok(false);
    }
    let now = app.clock.now();
    let Some((lease, _)) = dispatcher::hold(app, holder).await? else { return Ok(false) };
    let due_since = app.db.read(repository::due_since).await?;
    let yesterday = now.utc().date_naive().checked_sub_days(Days::new(1)).unwrap_or_default();
    let since = due_since.unwrap_or(yesterday);
    let Ok(found) = lease.held(app.db.read(move |conn| look(conn, since, now))).await else { return Ok(false) };
    let found = found?;
    // While nobody wants to be told, the days go by; whoever comes later is not told of them.
    let begins = if found.is_none() { yesterday } else { since };
    let found = found.unwrap_or_default();
    let has_more = found.len() >= MOST;
    if found.is_empty() && due_since == Some(begins) {
        return Ok(false);
    }
    let told = lease.write(move |conn, place, now| {
        if due_since != Some(begins) {
            repository::set_due_since(conn, begins)?;
        }
        for due in &found {
            if note(conn, due)? {
                let at = |row: &DeliveryRow| placed(row.clone(), place);
                let rows: Vec<DeliveryRow> = due.deliveries.iter().map(at).collect();
                dispatcher::enqueue(conn, &rows, false, now)?;
            }
        }
        Ok(())
    });
    Ok(told.await?.is_ok() && has_more)
}

/// A delivery behind everything that the journal has been read for.
fn placed(row: DeliveryRow, place: Position) -> DeliveryRow {
    DeliveryRow { order_transaction_id: place.transaction_id, order_sequence: place.sequence, is_of_time: true, ..row }
}

/// Notes that something has been told; false where it was before.
fn note(conn: &mut DbConn, due: &Due) -> Result<bool> {
    let key = (webhook_dues::event_type.eq(due.event), webhook_dues::resource_id.eq(due.resource_id), webhook_dues::due_on.eq(due.due_on));
    Ok(Common(insert_into(webhook_dues::table).values(key).on_conflict_do_nothing()).execute(conn)? == 1)
}

/// What has fallen due since a day and was not told yet; `None` where nobody wants to know.
fn look(conn: &mut DbConn, since: NaiveDate, now: Instant) -> Result<Option<Vec<Due>>> {
    let mut subscribers = repository::subscribers(conn)?;
    subscribers.retain(|one| one.scopes.is_some() && EVENTS.iter().any(|event| one.content.wants(*event)));
    if subscribers.is_empty() {
        return Ok(None);
    }
    let eyes = Eyes::of(&subscribers, now);
    let (mut readers, mut services, mut found) = (eyes.readers(), Services::default(), Vec::new());
    for event in EVENTS {
        let mut after = None;
        loop {
            let candidates = candidates(conn, event, since, now, after)?;
            after = candidates.last().map(|(id, due_on, _)| (*due_on, *id));
            let is_last = (candidates.len() as i64) < BATCH;
            for (id, due_on, whose) in candidates {
                // The day is that of whoever is to act.
                let today = organizations::repository::today(conn, whose, now)?;
                let has_come = if event == WebhookEventType::FollowUpDue { due_on <= today } else { due_on < today };
                let Some(entry) = (if has_come { changes::last(conn, event.resource_type(), id)? } else { None }) else {
                    continue;
                };
                let body = events::body(&entry)?;
                let mut deliveries = Vec::new();
                for one in subscribers.iter().filter(|one| one.content.wants(event)) {
                    if told(conn, one, &entry, &body, &mut services, &mut readers)? {
                        let key = format!("{event}:{id}:{due_on}");
                        deliveries.push(dispatcher::delivery(one.id, key, event, now, &entry, entry.position(), now));
                    }
                }
                found.push(Due { event, resource_id: id, due_on, deliveries });
            }
            if is_last || found.len() >= MOST {
                break;
            }
        }
    }
    Ok(Some(found))
}

fn told(
    conn: &mut DbConn,
    one: &Subscriber,
    entry: &changes::Entry,
    body: &serde_json::Value,
    services: &mut Services,
    readers: &mut Readers<'_>,
) -> Result<bool> {
    Ok(dispatcher::is_of_interest(conn, one, entry, body, services)? && dispatcher::sees(conn, readers, one, entry)?)
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
        .filter(follow_ups::status.eq(FollowUpStatus::Open))
        .filter(follow_ups::deleted_at.is_null())
        .filter(not(exists(told)))
        .order((follow_ups::due_on, follow_ups::id))
        .select((follow_ups::id, follow_ups::due_on, follow_ups::organization_id))
        .limit(BATCH)
        .load(conn)?;
    Ok(rows)
}
