//! From the journal into the queues.
//!
//! The journal is the outbox: it is written with the change itself, so no event can be lost and no change waits for one. One process at a
//! time reads it on, in the order of the feed, and queues each entry for the endpoints whose client sees it. The queues and the place
//! move in one transaction, which does nothing if another process has taken over.
//!
//! Most endpoints are where the journal was last read. One that was paused, that is new, or that asked for a replay has a place of its own
//! until it has caught up. What [fell due](super::due) has its places among the entries, and is queued on the way.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::due::{self, DueRow};
use super::events::{self, WebhookEventType};
use super::model::{DeliveryRow, WebhookDeliveryId, WebhookDeliveryStatus, WebhookStatus, WebhookStatusReason};
use super::repository::{Reached, Subscriber};
use super::{leaving, lifecycle, queue, repository, turning};
use crate::app::App;
use crate::auth::{Principal, Scopes};
use crate::background::Lease;
use crate::changes::places::{self, Work};
use crate::changes::view::{Reader, View};
use crate::changes::{self, Entry, Position, Sketch};
use crate::clock::Clock;
use crate::db::DbConn;
use crate::db::types::{Id, Instant};
use crate::error::Result;
use crate::kind::{OrganizationId, ReferralId, ResourceType, ServiceId, WebhookEndpointId};
use crate::referrals;

/// Entries read at once.
const BATCH: i64 = 200;
/// What fell due and is told in one round.
const MOST_DUES: i64 = 500;
/// What only time brought about and is looked at in one round where it is told once more.
const MOST_REPEATS: i64 = 500;
/// Entries that are looked up in one statement.
const TOGETHER: usize = 500;
/// Endpoints that catch up in one round: those that have are not to wait long for what is new.
const MOST_LAGGING: usize = 4;

/// What a round found.
struct Round {
    to: Position,
    deliveries: Vec<DeliveryRow>,
    replayed: Vec<DeliveryRow>,
    /// The endpoints that have a place of their own, and the place that they now have.
    advances: Vec<(Subscriber, Option<Reached>)>,
    /// Up to which number endpoints are told what fell due.
    dues_told: Vec<(Vec<WebhookEndpointId>, i64)>,
    /// Those whose client may no longer call.
    orphans: Vec<WebhookEndpointId>,
    has_more: bool,
}

impl Round {
    /// One that has found nothing yet.
    fn new(from: Position, orphans: Vec<WebhookEndpointId>) -> Self {
        let (deliveries, replayed, advances, dues_told) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { to: from, deliveries, replayed, advances, dues_told, orphans, has_more: false }
    }
}

/// Reads the journal on by a piece. True where there may be more to do at once.
pub(super) async fn round(app: &App, holder: Id<()>) -> Result<bool> {
    if !app.db.read(is_something_new).await? {
        return Ok(false);
    }
    let Some((lease, place)) = hold(app, holder).await? else { return Ok(false) };
    let clock = app.clock.clone();
    let Ok(round) = lease.held(app.db.read(move |conn| look(conn, &clock, place))).await else { return Ok(false) };
    let round = round?;
    let has_more = round.has_more;
    let kept = lease.write(move |conn, from, now| keep(conn, from, &round, now)).await?;
    Ok(kept.is_ok() && has_more)
}

/// Makes this process the one that reads the journal on, for a while: from the place that it has reached. `None` where another does.
pub(super) async fn hold(app: &App, holder: Id<()>) -> Result<Option<(Lease<Work>, Position)>> {
    Lease::take(&app.db, &app.clock, holder, Work::Webhooks, |_, place, _| Ok(Some(place))).await
}

/// Whether there is an endpoint for which the journal is to be read on, or one to be paused. Nothing is written where there is none.
fn is_something_new(conn: &mut DbConn) -> Result<bool> {
    let (are_active, are_behind) = repository::are_active(conn)?;
    if !are_active || are_behind || repository::are_orphaned(conn)? || repository::are_dues_untold(conn)? {
        return Ok(are_active);
    }
    let place = places::reached(conn, Work::Webhooks)?;
    Ok(!changes::after(conn, place, &[], 1)?.is_empty())
}

fn look(conn: &mut DbConn, clock: &Clock, from: Position) -> Result<Round> {
    let (living, orphans): (Vec<_>, Vec<_>) = repository::subscribers(conn)?.into_iter().partition(|one| one.scopes.is_some());
    let orphans = orphans.into_iter().map(|one| one.id).collect();
    let mut round = Round::new(from, orphans);
    let is_in_step = |one: &Subscriber| !one.is_replaying && one.behind.is_none_or(|place| place >= from);
    let (mut in_step, lagging): (Vec<_>, Vec<_>) = living.into_iter().partition(is_in_step);
    // Nobody needs what lies before the place of the first.
    let start = in_step.iter().map(|one| one.behind.unwrap_or(from)).min().unwrap_or(from);
    let all = lagging.len();
    let lagging = in_turn(lagging, clock.now());
    round.has_more |= lagging.len() < all;
    for mut one in lagging {
        let mut stretch = ahead(conn, one.behind.unwrap_or(from), one.dues_told, Some(start))?;
        let (repeats, repeated) = repeats(conn, &one, &mut stretch)?;
        tell(conn, clock, &mut stretch, std::slice::from_mut(&mut one), &mut round)?;
        repeat(conn, clock, &one, &repeats, &mut round)?;
        if stretch.is_whole {
            in_step.push(one);
        } else {
            round.has_more = true;
            round.advances.push((one, Some(Reached { place: stretch.to, repeated })));
        }
    }
    if in_step.is_empty() {
        return Ok(round);
    }
    let told = in_step.iter().map(|one| one.dues_told).min().unwrap_or_default();
    let mut stretch = ahead(conn, start, told, None)?;
    round.has_more |= !stretch.is_whole;
    tell(conn, clock, &mut stretch, &mut in_step, &mut round)?;
    round.to = stretch.to;
    let have_caught_up = in_step.into_iter().filter(|one| one.behind.is_some_and(|place| place <= stretch.to));
    round.advances.extend(have_caught_up.map(|one| (one, None)));
    Ok(round)
}

/// A piece of the way that is before endpoints, with all that is told on it.
struct Stretch {
    entries: Vec<Sketch>,
    dues: Vec<DueRow>,
    /// Where it ends.
    to: Position,
    /// Whether there is no more up to where it was to end.
    is_whole: bool,
}

impl Stretch {
    /// The same up to a place; what fell due there is left for the next one.
    fn cut_off_at(&mut self, place: Position) {
        self.entries.retain(|entry| entry.position() <= place);
        self.dues.truncate(self.dues.iter().take_while(|due| due.place() < place).count());
        (self.to, self.is_whole) = (place, false);
    }
}

/// What lies behind a place in the journal, and behind a number among what fell due: as much as one round looks at, and nothing that stands
/// behind `end`.
fn ahead(conn: &mut DbConn, from: Position, dues_told: i64, end: Option<Position>) -> Result<Stretch> {
    let mut entries = changes::after(conn, from, &[], BATCH)?;
    let mut dues = due::after(conn, dues_told, MOST_DUES)?;
    let last = entries.last().map_or(from, Sketch::position);
    let (mut to, mut is_whole) = match end {
        Some(end) if last >= end || (entries.len() as i64) < BATCH => (end, true),
        None if (entries.len() as i64) < BATCH => (last, true),
        _ => (last, false),
    };
    // More may have fallen due there, which is told before what was changed then.
    if let Some(last) = dues.last().map(DueRow::place).filter(|last| dues.len() as i64 == MOST_DUES && *last <= to) {
        (to, is_whole) = (last.max(from), false);
    }
    entries.retain(|entry| entry.position() <= to);
    dues.truncate(dues.iter().take_while(|due| due.place() <= to).count());
    Ok(Stretch { entries, dues, to, is_whole })
}

/// What only time brought about and an endpoint that asked for a replay is told once more on a piece of its way, and the last of it where the
/// piece is cut off for it: there may be more at that place. What stands at a place was told after the entry there, and what was not told
/// yet is told after both.
fn repeats(conn: &mut DbConn, one: &Subscriber, stretch: &mut Stretch) -> Result<(Vec<DeliveryRow>, Option<WebhookDeliveryId>)> {
    let Some(from) = one.behind.filter(|_| one.is_replaying) else { return Ok((Vec::new(), None)) };
    let events = one.content.event_types.as_deref();
    let mut rows = queue::of_time(conn, one.id, (from, one.repeated), events, MOST_REPEATS)?;
    if let Some(last) = rows.last().filter(|last| rows.len() as i64 == MOST_REPEATS && last.place() <= stretch.to) {
        let repeated = Some(last.id);
        stretch.cut_off_at(last.place());
        return Ok((rows, repeated));
    }
    let to = stretch.to;
    rows.retain(|row| row.place() < to || (stretch.is_whole && row.place() == to));
    Ok((rows, one.repeated.filter(|_| to == from)))
}

/// Queues what a piece of the way holds for those before whom it lies, and takes its entries out of it.
fn tell(conn: &mut DbConn, clock: &Clock, stretch: &mut Stretch, subscribers: &mut [Subscriber], round: &mut Round) -> Result<()> {
    fan_out(conn, clock, std::mem::take(&mut stretch.entries), subscribers, round)?;
    // Behind the entries: what fell due at a place stands after the entry there.
    round.deliveries.extend(due::told(conn, &stretch.dues, subscribers, clock.now())?);
    if let Some(last) = stretch.dues.last() {
        subscribers.iter_mut().for_each(|one| one.dues_told = one.dues_told.max(last.number));
        round.dues_told.push((subscribers.iter().map(|one| one.id).collect(), last.number));
    }
    Ok(())
}

/// Of the endpoints that catch up, those whose turn it is: one of each organization, so that none keeps the others waiting by asking for
/// many replays, and in time every one.
fn in_turn(mut lagging: Vec<Subscriber>, now: Instant) -> Vec<Subscriber> {
    let first = usize::try_from(now.utc().timestamp_millis()).unwrap_or_default().checked_rem(lagging.len());
    lagging.rotate_left(first.unwrap_or_default());
    let mut organizations = HashSet::new();
    lagging.retain(|one| organizations.insert(one.organization_id));
    lagging.truncate(MOST_LAGGING);
    lagging
}

/// Queues once more what only time brought about, as far as an endpoint asks for it.
fn repeat(conn: &mut DbConn, clock: &Clock, one: &Subscriber, rows: &[DeliveryRow], round: &mut Round) -> Result<()> {
    let mut services = Services::default();
    for rows in rows.chunks(TOGETHER) {
        let sequences: Vec<i64> = rows.iter().map(|row| row.sequence).collect();
        let entries = changes::numbered(conn, &sequences)?;
        for row in rows {
            let Some(sketch) = entries.get(&row.sequence) else { continue };
            let entry = &changes::whole(conn, sketch.clone())?;
            let is_wanted = match row.event_type {
                WebhookEventType::PatientReset | WebhookEventType::PatientSnapshot => turning::is_about(one, entry),
                _ => is_of_interest(conn, one, entry, &events::body(entry)?, &mut services)?,
            };
            if is_wanted {
                round.replayed.push(DeliveryRow { next_attempt_at: clock.now(), ..row.clone() });
            }
        }
    }
    Ok(())
}

/// What an endpoint's client may see, and whose it is: endpoints with the same see the same.
type Who = (OrganizationId, Scopes);

/// Those who read the journal for endpoints, by what their clients may see.
pub(super) type Readers<'a> = HashMap<Who, Reader<'a>>;

/// Who reads for an endpoint; nobody where its client may no longer call.
pub(super) fn reader_of<'r, 'a>(readers: &'r mut Readers<'a>, one: &Subscriber) -> Option<&'r mut Reader<'a>> {
    readers.get_mut(&(one.organization_id, one.scopes?))
}

/// Those who are told, with their eyes.
pub(super) struct Eyes {
    principals: HashMap<Who, Principal>,
}

impl Eyes {
    /// The eyes of these, as they see at this moment.
    pub(super) fn of(subscribers: &[Subscriber], at: Instant) -> Self {
        let principal = |one: &Subscriber| {
            let scopes = one.scopes?;
            Some(((one.organization_id, scopes), Principal::of_client(one.client_id, one.organization_id, scopes, at)))
        };
        Self { principals: subscribers.iter().filter_map(principal).collect() }
    }

    /// Readers of the journal, one for each.
    pub(super) fn readers(&self) -> Readers<'_> {
        self.principals.iter().map(|(who, principal)| (*who, Reader::new(principal))).collect()
    }
}

/// Queues entries for those who asked for them and see them.
fn fan_out(conn: &mut DbConn, clock: &Clock, entries: Vec<Sketch>, subscribers: &[Subscriber], round: &mut Round) -> Result<()> {
    // Not before the entries were read: all consents that these queries see were given before this moment.
    let now = clock.now();
    let eyes = Eyes::of(subscribers, now);
    let mut readers = eyes.readers();
    let mut services = Services::default();
    let wanted: HashSet<WebhookEventType> =
        WebhookEventType::ALL.iter().copied().filter(|event| subscribers.iter().any(|one| one.content.wants(*event))).collect();
    for entry in entries {
        let (may_leave, may_turn) = (leaving::may_leave(&entry, &wanted), turning::may_turn(&entry, &wanted));
        if !may_leave && !may_turn && !events::possible(&entry).any(|event| wanted.contains(&event)) {
            continue;
        }
        let entry = &changes::whole(conn, entry)?;
        let body = events::body(entry)?;
        let happened: Vec<WebhookEventType> = events_of(conn, entry, &body, &wanted)?;
        let departure = if may_leave { leaving::departure(conn, entry, &body, &mut services)? } else { None };
        for one in subscribers.iter().filter(|one| one.behind.is_none_or(|place| entry.position() > place)) {
            let mut asked: Vec<WebhookEventType> = happened.iter().copied().filter(|event| one.content.wants(*event)).collect();
            if asked.contains(&WebhookEventType::ScreeningSafetyAlert) && !hears_alarm(conn, &mut readers, one, entry)? {
                asked.retain(|event| *event != WebhookEventType::ScreeningSafetyAlert);
            }
            let rows = if one.is_replaying { &mut round.replayed } else { &mut round.deliveries };
            let is_told =
                !asked.is_empty() && is_of_interest(conn, one, entry, &body, &mut services)? && sees(conn, &mut readers, one, entry)?;
            if is_told {
                rows.extend(asked.into_iter().map(|event| {
                    let key = format!("{}:{event}", entry.sequence);
                    delivery(one.id, key, event, entry.at, entry, entry.position(), now)
                }));
            }
            if let Some(departure) = &departure
                && departure.is_from(one)
                && sees(conn, &mut readers, one, entry)?
            {
                let event = WebhookEventType::ReferralLeft;
                rows.push(delivery(one.id, format!("{}:{event}", entry.sequence), event, entry.at, entry, entry.position(), now));
            }
            if may_turn {
                rows.extend(turning::by_entry(conn, &mut readers, one, entry, is_told, now)?);
            }
        }
    }
    Ok(())
}

/// The events that an entry is, as far as anybody wants them.
fn events_of(conn: &mut DbConn, entry: &Entry, body: &Value, wanted: &HashSet<WebhookEventType>) -> Result<Vec<WebhookEventType>> {
    let before = || {
        let before = changes::earlier(conn, entry.resource_type, entry.resource_id, entry.version)?;
        before.as_ref().map(events::body).transpose()
    };
    let needs_the_one_before = match entry.resource_type {
        ResourceType::Referral => wanted.contains(&WebhookEventType::ReferralRequested),
        ResourceType::Screening => wanted.contains(&WebhookEventType::ScreeningSafetyAlert),
        ResourceType::Service => {
            wanted.contains(&WebhookEventType::ServiceCapacityChanged) || wanted.contains(&WebhookEventType::ServicePlaceOpened)
        }
        _ => true,
    };
    let mut happened = if needs_the_one_before {
        events::of(entry, body, before)?
    } else {
        WebhookEventType::named(entry.resource_type, entry.action).into_iter().collect()
    };
    happened.retain(|event| wanted.contains(event));
    Ok(happened)
}

/// An event to be sent to an endpoint.
pub(super) fn delivery(
    endpoint_id: WebhookEndpointId,
    event_key: String,
    event_type: WebhookEventType,
    event_at: Instant,
    entry: &Entry,
    place: Position,
    now: Instant,
) -> DeliveryRow {
    DeliveryRow {
        id: Id::generate(),
        endpoint_id,
        event_key,
        event_type,
        event_at,
        sequence: entry.sequence,
        subject_id: Id::from_uuid(events::subject(entry)),
        order_transaction_id: place.transaction_id,
        order_sequence: place.sequence,
        resource_type: entry.resource_type,
        resource_id: entry.resource_id,
        version: entry.version,
        status: WebhookDeliveryStatus::Pending,
        attempt_count: 0,
        next_attempt_at: now,
        created_at: now,
        finished_at: None,
        is_of_time: false,
    }
}

/// Whether an endpoint's client sees an entry.
pub(super) fn sees(conn: &mut DbConn, readers: &mut Readers<'_>, one: &Subscriber, entry: &Entry) -> Result<bool> {
    let Some(reader) = reader_of(readers, one) else { return Ok(false) };
    Ok(reader.view(conn, entry)? != View::Nothing)
}

/// Whether an endpoint's client sees that a screening raises alarm.
fn hears_alarm(conn: &mut DbConn, readers: &mut Readers<'_>, one: &Subscriber, entry: &Entry) -> Result<bool> {
    reader_of(readers, one).map_or(Ok(false), |reader| reader.sees_alerts(conn, entry))
}

/// To which services referrals go, as far as it has been asked.
#[derive(Default)]
pub(super) struct Services(HashMap<ReferralId, Option<ServiceId>>);

impl Services {
    pub(super) fn of(&mut self, conn: &mut DbConn, referral: ReferralId) -> Result<Option<ServiceId>> {
        if let Some(known) = self.0.get(&referral) {
            return Ok(*known);
        }
        let service = referrals::repository::service_of(conn, referral)?;
        self.0.insert(referral, service);
        Ok(service)
    }
}

/// The service that the body of an entry names.
pub(super) fn service_in(body: &Value) -> Option<ServiceId> {
    body.get("service_id")?.as_str()?.parse().ok()
}

/// Whether an entry passes the filters of an endpoint.
pub(super) fn is_of_interest(conn: &mut DbConn, one: &Subscriber, entry: &Entry, body: &Value, services: &mut Services) -> Result<bool> {
    let content = &one.content;
    if content.directory_only && entry.patient_id.is_some() {
        return Ok(false);
    }
    let owners = &content.organization_ids;
    if !owners.is_empty() && !entry.owner_id.is_some_and(|owner| owners.contains(&owner)) {
        return Ok(false);
    }
    if content.service_ids.is_empty() {
        return Ok(true);
    }
    let named = service_in(body);
    let service = match entry.resource_type {
        ResourceType::Service => Some(entry.resource_id.cast()),
        _ if named.is_some() => named,
        _ => entry.referral_id.map(|referral| services.of(conn, referral)).transpose()?.flatten(),
    };
    Ok(service.is_some_and(|service| content.service_ids.contains(&service)))
}

/// Keeps what a round found, up to which the journal was looked at until `from`.
fn keep(conn: &mut DbConn, from: Position, round: &Round, now: Instant) -> Result<()> {
    places::move_on(conn, Work::Webhooks, round.to)?;
    for id in &round.orphans {
        repository::lock(conn, *id)?;
        if let Some(row) = repository::find_any(conn, *id)?.filter(|row| row.status == WebhookStatus::Active && row.deleted_at.is_none()) {
            // Of what this round has found nothing is queued for it.
            let (status, reason) = (WebhookStatus::Paused, WebhookStatusReason::ClientDisabled);
            lifecycle::suspend(conn, &row, status, reason, from, now)?;
        }
    }
    enqueue(conn, &round.deliveries, false, now)?;
    enqueue(conn, &round.replayed, true, now)?;
    for (ids, number) in &round.dues_told {
        repository::set_dues_told(conn, ids, *number)?;
    }
    for (one, place) in &round.advances {
        repository::advance(conn, one, *place)?;
    }
    Ok(())
}

/// Queues events for the endpoints that still want them, and wakes those.
pub(super) fn enqueue(conn: &mut DbConn, rows: &[DeliveryRow], is_replay: bool, now: Instant) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut ids: Vec<WebhookEndpointId> = rows.iter().map(|row| row.endpoint_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let wanted: HashSet<WebhookEndpointId> = queue::still_wanted(conn, &ids)?.into_iter().collect();
    let rows: Vec<DeliveryRow> = rows.iter().filter(|row| wanted.contains(&row.endpoint_id)).cloned().collect();
    ids.retain(|id| wanted.contains(id));
    if is_replay {
        // Before the deliveries, which are locked by what queues them again: workers lock the endpoint first.
        repository::note_requeued(conn, &ids, now)?;
    }
    queue::add(conn, &rows, is_replay)?;
    repository::wake(conn, &ids, now)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::changes::place::Told;

    #[test]
    fn an_organization_that_replays_for_many_endpoints_takes_the_turn_of_no_other() {
        let now: Instant = "2026-03-02T17:00:00Z".parse().unwrap();
        let subscriber = |organization_id| Subscriber {
            id: Id::generate(),
            organization_id,
            client_id: Id::generate(),
            scopes: None,
            content: serde_json::from_value(json!({ "url": "https://hooks.example.ca/" })).unwrap(),
            behind: None,
            repeated: None,
            is_replaying: true,
            told: Told::all_until(now),
            dues_told: 0,
        };
        let (one, other) = (OrganizationId::generate(), OrganizationId::generate());
        let lagging: Vec<Subscriber> = [one, one, one, other].map(subscriber).into();
        let mut had: BTreeSet<WebhookEndpointId> = BTreeSet::new();
        for milliseconds in 0..4 {
            let turn = in_turn(lagging.clone(), now.plus(chrono::Duration::milliseconds(milliseconds)));
            let whose: HashSet<OrganizationId> = turn.iter().map(|one| one.organization_id).collect();
            assert_eq!((turn.len(), whose), (2, HashSet::from([one, other])));
            had.extend(turn.iter().map(|one| one.id));
        }
        assert_eq!(had.len(), lagging.len());
        assert!(in_turn(Vec::new(), now).is_empty());
        let many: Vec<Subscriber> = (0..20).map(|_| subscriber(OrganizationId::generate())).collect();
        assert_eq!(in_turn(many, now).len(), MOST_LAGGING);
    }
}
