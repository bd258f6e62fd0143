//! The queries of endpoints, and of the day from which on what falls due is noted.

use chrono::NaiveDate;
use diesel::dsl::{exists, insert_into, min, select, update};
use diesel::prelude::*;

use super::api::WebhookEndpointQuery;
use super::model::{EndpointRow, WebhookDeliveryId, WebhookEndpointInput, WebhookStatus};
use crate::auth::Scopes;
use crate::auth::model::{Standing, StandingRow};
use crate::background::Leased;
use crate::changes::Position;
use crate::changes::place::Told;
use crate::db::DbConn;
use crate::db::schema::webhook_endpoints::dsl;
use crate::db::schema::{clients, organizations, webhook_state};
use crate::db::types::{Id, Instant, Json};
use crate::error::Result;
use crate::kind::{ClientId, ConsentId, OrganizationId, WebhookEndpointId};

/// Those that are sent to, now or once they are active again.
const GOING_ON: [WebhookStatus; 2] = [WebhookStatus::Active, WebhookStatus::Paused];

/// The endpoint of an organization, tombstones included.
pub fn find(conn: &mut DbConn, organization: OrganizationId, id: WebhookEndpointId) -> Result<Option<EndpointRow>> {
    Ok(dsl::webhook_endpoints.filter(dsl::id.eq(id)).filter(dsl::organization_id.eq(organization)).first(conn).optional()?)
}

/// The endpoint with this id, tombstones included.
pub fn find_any(conn: &mut DbConn, id: WebhookEndpointId) -> Result<Option<EndpointRow>> {
    Ok(dsl::webhook_endpoints.find(id).first(conn).optional()?)
}

/// Holds the endpoint until the transaction ends: on PostgreSQL another may be about to change it.
pub fn lock(conn: &mut DbConn, id: WebhookEndpointId) -> Result<()> {
    if let DbConn::Pg(conn) = conn {
        dsl::webhook_endpoints.find(id).select(dsl::id).for_update().execute(conn)?;
    }
    Ok(())
}

/// One page of an organization's endpoints in order of id, and one row more.
pub fn list(
    conn: &mut DbConn,
    organization: OrganizationId,
    query: &WebhookEndpointQuery,
    after: Option<WebhookEndpointId>,
) -> Result<Vec<EndpointRow>> {
    let own = dsl::webhook_endpoints.filter(dsl::organization_id.eq(organization)).filter(dsl::deleted_at.is_null());
    let mut rows = own.order(dsl::id).limit(query.limit.and_one()).into_boxed();
    if let Some(status) = query.status {
        rows = rows.filter(dsl::status.eq(status));
    }
    if let Some(after) = after {
        rows = rows.filter(dsl::id.gt(after));
    }
    Ok(rows.load(conn)?)
}

/// How many endpoints an organization has.
pub fn count(conn: &mut DbConn, organization: OrganizationId) -> Result<i64> {
    let own = dsl::webhook_endpoints.filter(dsl::organization_id.eq(organization)).filter(dsl::deleted_at.is_null());
    Ok(own.count().get_result(conn)?)
}

/// Adds the row.
pub fn insert(conn: &mut DbConn, row: &EndpointRow) -> Result<()> {
    insert_into(dsl::webhook_endpoints).values(row).execute(conn)?;
    Ok(())
}

/// Writes what is said of an endpoint over the version before it; false where that is no longer there. How it goes with what is sent is
/// not touched: others write that meanwhile.
pub fn replace(conn: &mut DbConn, row: &EndpointRow) -> Result<bool> {
    let before = dsl::webhook_endpoints.filter(dsl::id.eq(row.id)).filter(dsl::version.eq(row.version - 1));
    let changed = update(before)
        .set((
            dsl::client_id.eq(row.client_id),
            dsl::content.eq(&row.content),
            dsl::secret.eq(&row.secret),
            dsl::previous_secret.eq(&row.previous_secret),
            dsl::previous_secret_expires_at.eq(row.previous_secret_expires_at),
            dsl::version.eq(row.version),
            dsl::updated_at.eq(row.updated_at),
            dsl::deleted_at.eq(row.deleted_at),
        ))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Writes the status of an endpoint, and what follows from it for what is sent.
pub fn set_status(conn: &mut DbConn, row: &EndpointRow) -> Result<()> {
    update(dsl::webhook_endpoints.find(row.id))
        .set((
            dsl::status.eq(row.status),
            dsl::status_reason.eq(row.status_reason),
            dsl::status_at.eq(row.status_at),
            dsl::behind_transaction_id.eq(row.behind_transaction_id),
            dsl::behind_sequence.eq(row.behind_sequence),
            dsl::is_replaying.eq(row.is_replaying),
            dsl::replayed_id.eq(row.replayed_id),
            dsl::wake_at.eq(row.wake_at),
            dsl::failures.eq(row.failures),
            dsl::failing_since.eq(row.failing_since),
            dsl::consents_told_at.eq(row.consents_told_at),
            dsl::consents_told_id.eq(row.consents_told_id),
            dsl::rests_until.eq(row.rests_until),
            dsl::dues_told.eq(row.dues_told),
        ))
        .execute(conn)?;
    Ok(())
}

/// Lets an endpoint begin once more from behind a place, or from where it is, if that is before. False where it is gone or disabled.
pub fn rewind(conn: &mut DbConn, id: WebhookEndpointId, place: Position) -> Result<bool> {
    let living = dsl::webhook_endpoints.filter(dsl::id.eq(id)).filter(dsl::deleted_at.is_null());
    let changed = update(living.filter(dsl::status.ne(WebhookStatus::Disabled)))
        .set((
            dsl::behind_transaction_id.eq(Some(place.transaction_id)),
            dsl::behind_sequence.eq(Some(place.sequence)),
            dsl::replayed_id.eq(None::<WebhookDeliveryId>),
            dsl::is_replaying.eq(true),
        ))
        .execute(conn)?;
    Ok(changed == 1)
}

/// An active endpoint, as the journal is looked at for it.
#[derive(Debug, Clone)]
pub struct Subscriber {
    /// Its id.
    pub id: WebhookEndpointId,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// For which client.
    pub client_id: ClientId,
    /// What that client may see; `None` where it may no longer call.
    pub scopes: Option<Scopes>,
    /// What is asked for.
    pub content: WebhookEndpointInput,
    /// See [`EndpointRow::behind`].
    pub behind: Option<Position>,
    /// See [`EndpointRow::replayed_id`].
    pub repeated: Option<WebhookDeliveryId>,
    /// See [`EndpointRow::is_replaying`].
    pub is_replaying: bool,
    /// Up to where it was told which consents began or ended by themselves.
    pub told: Told,
    /// Up to which number it was told what fell due.
    pub dues_told: i64,
}

/// How far an endpoint has come that is behind the others.
#[derive(Debug, Clone, Copy)]
pub struct Reached {
    /// Up to where the journal has been looked at for it.
    pub place: Position,
    /// See [`EndpointRow::replayed_id`].
    pub repeated: Option<WebhookDeliveryId>,
}

/// Every active endpoint.
pub fn subscribers(conn: &mut DbConn) -> Result<Vec<Subscriber>> {
    type Place = (Option<i64>, Option<i64>, Option<WebhookDeliveryId>);
    type Moments = (Instant, ConsentId, i64);
    type Found = (WebhookEndpointId, OrganizationId, ClientId, Json<WebhookEndpointInput>, Place, bool, Moments, StandingRow);
    let found: Vec<Found> = dsl::webhook_endpoints
        .inner_join(clients::table.inner_join(organizations::table))
        .filter(dsl::status.eq(WebhookStatus::Active))
        .filter(dsl::deleted_at.is_null())
        .order(dsl::id)
        .select((
            dsl::id,
            dsl::organization_id,
            dsl::client_id,
            dsl::content,
            (dsl::behind_transaction_id, dsl::behind_sequence, dsl::replayed_id),
            dsl::is_replaying,
            (dsl::consents_told_at, dsl::consents_told_id, dsl::dues_told),
            Standing::COLUMNS,
        ))
        .load(conn)?;
    let subscriber = |(id, organization_id, client_id, content, behind, is_replaying, (at, consent, dues_told), standing): Found| {
        let standing = Some(Standing::from(standing)).filter(|standing| standing.is_active);
        let (scopes, repeated) = (standing.map(|standing| standing.scopes), behind.2);
        let behind = Position::of(behind.0, behind.1);
        let told = Told { at, id: consent };
        Subscriber { id, organization_id, client_id, scopes, content: content.0, behind, repeated, is_replaying, told, dues_told }
    };
    Ok(found.into_iter().map(subscriber).collect())
}

/// Whether there is an active endpoint, and whether one of them is behind.
pub fn are_active(conn: &mut DbConn) -> Result<(bool, bool)> {
    let active = || dsl::webhook_endpoints.filter(dsl::status.eq(WebhookStatus::Active)).filter(dsl::deleted_at.is_null());
    if !select(exists(active())).get_result::<bool>(conn)? {
        return Ok((false, false));
    }
    Ok((true, select(exists(active().filter(dsl::behind_sequence.is_not_null()))).get_result(conn)?))
}

/// Whether the client of an active endpoint may no longer call.
pub fn are_orphaned(conn: &mut DbConn) -> Result<bool> {
    let joined = dsl::webhook_endpoints.inner_join(clients::table.inner_join(organizations::table));
    let active = joined.filter(dsl::status.eq(WebhookStatus::Active)).filter(dsl::deleted_at.is_null());
    // What `Standing` says of it, asked of the database.
    let is_over = clients::is_active.eq(false).or(organizations::is_active.eq(false)).or(organizations::deleted_at.is_not_null());
    Ok(active.filter(is_over).select(dsl::id).first::<WebhookEndpointId>(conn).optional()?.is_some())
}

/// Notes up to where the journal has been looked at for an endpoint, unless it was set elsewhere meanwhile.
pub fn advance(conn: &mut DbConn, subscriber: &Subscriber, to: Option<Reached>) -> Result<()> {
    let before = dsl::webhook_endpoints
        .filter(dsl::id.eq(subscriber.id))
        .filter(dsl::status.eq(WebhookStatus::Active))
        .filter(dsl::is_replaying.eq(subscriber.is_replaying))
        .filter(dsl::replayed_id.is_null().eq(subscriber.repeated.is_none()))
        .filter(dsl::replayed_id.is_null().or(dsl::replayed_id.eq(subscriber.repeated)))
        .filter(dsl::behind_transaction_id.eq(subscriber.behind.map(|place| place.transaction_id)))
        .filter(dsl::behind_sequence.eq(subscriber.behind.map(|place| place.sequence)));
    let place = (
        dsl::behind_transaction_id.eq(to.map(|to| to.place.transaction_id)),
        dsl::behind_sequence.eq(to.map(|to| to.place.sequence)),
        dsl::replayed_id.eq(to.and_then(|to| to.repeated)),
    );
    match to {
        Some(_) => update(before).set(place).execute(conn)?,
        None => update(before).set((place, dsl::is_replaying.eq(false))).execute(conn)?,
    };
    Ok(())
}

/// Of the active endpoints that are where the journal has been looked at for all, and whose clients may call, the first place up to which one
/// was told which consents began or ended by themselves.
pub fn first_told(conn: &mut DbConn) -> Result<Option<Told>> {
    let joined = dsl::webhook_endpoints.inner_join(clients::table.inner_join(organizations::table));
    let active = joined.filter(dsl::status.eq(WebhookStatus::Active)).filter(dsl::deleted_at.is_null());
    let in_step = active.filter(dsl::behind_sequence.is_null());
    let told: Vec<((Instant, ConsentId), StandingRow)> =
        in_step.select(((dsl::consents_told_at, dsl::consents_told_id), Standing::COLUMNS)).load(conn)?;
    let told = told.into_iter().filter(|(_, standing)| Standing::from(*standing).is_active);
    Ok(told.map(|((at, id), _)| Told { at, id }).min())
}

/// Notes up to where endpoints were told which consents began or ended by themselves.
pub fn set_told(conn: &mut DbConn, ids: &[WebhookEndpointId], told: Told) -> Result<()> {
    for ids in ids.chunks(500) {
        let before = dsl::webhook_endpoints.filter(dsl::id.eq_any(ids.to_vec())).filter(dsl::consents_told_at.le(told.at));
        update(before).set((dsl::consents_told_at.eq(told.at), dsl::consents_told_id.eq(told.id))).execute(conn)?;
    }
    Ok(())
}

/// What is asked for by endpoints that are sent to, now or once they are active again.
pub fn asked_for(conn: &mut DbConn) -> Result<Vec<WebhookEndpointInput>> {
    let living = dsl::webhook_endpoints.filter(dsl::status.eq_any(GOING_ON)).filter(dsl::deleted_at.is_null());
    let contents: Vec<Json<WebhookEndpointInput>> = living.select(dsl::content).load(conn)?;
    Ok(contents.into_iter().map(|content| content.0).collect())
}

/// The least number up to which one that is sent to, now or once it is active again, was told what fell due; `None` where there is none.
pub fn least_dues_told(conn: &mut DbConn) -> Result<Option<i64>> {
    let living = dsl::webhook_endpoints.filter(dsl::status.eq_any(GOING_ON)).filter(dsl::deleted_at.is_null());
    Ok(living.select(min(dsl::dues_told)).first(conn)?)
}

/// Whether something fell due of which an active endpoint was not told.
pub fn are_dues_untold(conn: &mut DbConn) -> Result<bool> {
    let last = last_due(conn)?;
    let active = dsl::webhook_endpoints.filter(dsl::status.eq(WebhookStatus::Active)).filter(dsl::deleted_at.is_null());
    Ok(select(exists(active.filter(dsl::dues_told.lt(last)))).get_result(conn)?)
}

/// Notes up to which number endpoints were told what fell due.
pub fn set_dues_told(conn: &mut DbConn, ids: &[WebhookEndpointId], number: i64) -> Result<()> {
    for ids in ids.chunks(500) {
        let before = dsl::webhook_endpoints.filter(dsl::id.eq_any(ids.to_vec())).filter(dsl::dues_told.lt(number));
        update(before).set(dsl::dues_told.eq(number)).execute(conn)?;
    }
    Ok(())
}

/// Says that there is something to send, to those that do not rest.
pub fn wake(conn: &mut DbConn, ids: &[WebhookEndpointId], now: Instant) -> Result<()> {
    for ids in ids.chunks(500) {
        let rested = dsl::rests_until.is_null().or(dsl::rests_until.le(now));
        let awake = dsl::webhook_endpoints.filter(dsl::id.eq_any(ids.to_vec())).filter(rested);
        update(awake).set(dsl::wake_at.eq(Some(now))).execute(conn)?;
    }
    Ok(())
}

/// Wakes an endpoint even where it rests: somebody wishes that something is sent again, before what waits already.
pub fn wake_now(conn: &mut DbConn, id: WebhookEndpointId, now: Instant) -> Result<()> {
    update(dsl::webhook_endpoints.find(id))
        .set((dsl::wake_at.eq(Some(now)), dsl::rests_until.eq(None::<Instant>), dsl::requeued_at.eq(Some(now))))
        .execute(conn)?;
    Ok(())
}

/// Notes that something was queued for these before what waits already.
pub fn note_requeued(conn: &mut DbConn, ids: &[WebhookEndpointId], now: Instant) -> Result<()> {
    for ids in ids.chunks(500) {
        update(dsl::webhook_endpoints.filter(dsl::id.eq_any(ids.to_vec()))).set(dsl::requeued_at.eq(Some(now))).execute(conn)?;
    }
    Ok(())
}

const JOURNAL: &str = "journal";

/// From which day on what falls due is noted; `None` before the first look.
pub fn due_since(conn: &mut DbConn) -> Result<Option<NaiveDate>> {
    use webhook_state as state;
    Ok(state::table.find(JOURNAL).select(state::due_since).first(conn)?)
}

/// Notes from which day on what falls due is noted.
pub fn set_due_since(conn: &mut DbConn, day: NaiveDate) -> Result<()> {
    use webhook_state as state;
    update(state::table.filter(state::name.eq(JOURNAL))).set(state::due_since.eq(Some(day))).execute(conn)?;
    Ok(())
}

/// The number of the last that fell due.
pub fn last_due(conn: &mut DbConn) -> Result<i64> {
    use webhook_state as state;
    Ok(state::table.find(JOURNAL).select(state::last_due).first(conn)?)
}

/// Notes the number of the last that fell due.
pub fn set_last_due(conn: &mut DbConn, number: i64) -> Result<()> {
    use webhook_state as state;
    update(state::table.filter(state::name.eq(JOURNAL))).set(state::last_due.eq(number)).execute(conn)?;
    Ok(())
}

/// The endpoints for which something is to be done now and that nobody works on, the longest waiting first.
pub fn awake(conn: &mut DbConn, now: Instant, limit: i64) -> Result<Vec<WebhookEndpointId>> {
    let is_free = dsl::leased_until.is_null().or(dsl::leased_until.le(now));
    let due = dsl::webhook_endpoints.filter(dsl::wake_at.le(now)).filter(dsl::status.eq(WebhookStatus::Active)).filter(is_free);
    let due = due.filter(dsl::deleted_at.is_null());
    Ok(due.order(dsl::wake_at).select(dsl::id).limit(limit).load(conn)?)
}

impl Leased for WebhookEndpointId {
    const WHAT: &'static str = "webhook endpoint";

    type Row = EndpointRow;

    fn take(self, conn: &mut DbConn, worker: Id<()>, now: Instant, until: Instant) -> Result<Option<EndpointRow>> {
        let is_free = dsl::leased_until.is_null().or(dsl::leased_until.le(now));
        let due = dsl::webhook_endpoints.filter(dsl::id.eq(self)).filter(dsl::deleted_at.is_null()).filter(dsl::wake_at.le(now));
        let changed = update(due.filter(dsl::status.eq(WebhookStatus::Active)).filter(is_free))
            .set((dsl::leased_by.eq(Some(worker)), dsl::leased_until.eq(Some(until))))
            .execute(conn)?;
        if changed == 1 { find_any(conn, self) } else { Ok(None) }
    }

    fn prolong(self, conn: &mut DbConn, worker: Id<()>, until: Instant) -> Result<Option<EndpointRow>> {
        let held = dsl::webhook_endpoints.filter(dsl::id.eq(self)).filter(dsl::leased_by.eq(worker));
        let changed = update(held).set(dsl::leased_until.eq(Some(until))).execute(conn)?;
        if changed == 1 { find_any(conn, self) } else { Ok(None) }
    }
}

/// Ends the lease: the endpoint sleeps until `wake_at`, or until something is queued for it.
pub fn release(conn: &mut DbConn, id: WebhookEndpointId, wake_at: Option<Instant>) -> Result<()> {
    let_go(conn, id, wake_at, None)
}

/// Ends the lease: the endpoint is left alone until `until`, whatever is queued for it.
pub fn rest(conn: &mut DbConn, id: WebhookEndpointId, until: Instant) -> Result<()> {
    let_go(conn, id, Some(until), Some(until))
}

fn let_go(conn: &mut DbConn, id: WebhookEndpointId, wake_at: Option<Instant>, rests_until: Option<Instant>) -> Result<()> {
    let free = (dsl::leased_by.eq(None::<Id<()>>), dsl::leased_until.eq(None::<Instant>));
    update(dsl::webhook_endpoints.find(id)).set((free, dsl::wake_at.eq(wake_at), dsl::rests_until.eq(rests_until))).execute(conn)?;
    Ok(())
}

/// Notes how it goes with an endpoint.
pub fn set_failures(conn: &mut DbConn, id: WebhookEndpointId, failures: i32, since: Option<Instant>) -> Result<()> {
    update(dsl::webhook_endpoints.find(id)).set((dsl::failures.eq(failures), dsl::failing_since.eq(since))).execute(conn)?;
    Ok(())
}
