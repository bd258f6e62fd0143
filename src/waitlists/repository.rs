//! The queries of waiting lists.

use std::collections::HashMap;

use diesel::dsl::{exists, insert_into, not, select, sql, update};
use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::api::WaitlistQuery;
use super::model::{PassedOver, WaitlistEntryRow, WaitlistStatus};
use crate::auth::{Principal, sight};
use crate::db::schema::{referrals, waitlist_entries};
use crate::db::types::Instant;
use crate::db::{DbConn, among};
use crate::each;
use crate::error::Result;
use crate::kind::{PatientId, ReferralId, ServiceId, WaitlistEntryId};
use crate::referrals::repository::asking;
use crate::services::{self, row::ServiceRow};

/// Written out, so that the index of what is offered is used whatever the parameters are.
const IS_OFFERED: &str = "waitlist_entries.status = 'offered'";

/// What a list goes on after.
pub type Place = (i32, Instant, WaitlistEntryId);

/// The entry of a service, if the caller sees its referral.
///
/// # Errors
/// [`Error::Merged`](crate::error::Error::Merged) where it is not there and another record stands for the service: it is there then.
pub fn find(conn: &mut DbConn, caller: &Principal, service: ServiceId, id: WaitlistEntryId) -> Result<Option<WaitlistEntryRow>> {
    let of_service = waitlist_entries::table.filter(waitlist_entries::id.eq(id)).filter(waitlist_entries::service_id.eq(service));
    let seen = referrals::table.filter(referrals::id.eq(waitlist_entries::referral_id)).filter(sight::referrals(caller));
    let found: Option<WaitlistEntryRow> = of_service.filter(exists(seen)).first(conn).optional()?;
    if found.is_none() {
        services::repository::find_standing(conn, service)?;
    }
    Ok(found)
}

/// One page of the entries of a service whose referrals the caller sees, in their order, and one row more.
pub fn list(
    conn: &mut DbConn,
    caller: &Principal,
    service: ServiceId,
    query: &WaitlistQuery,
    after: Option<Place>,
) -> Result<Vec<WaitlistEntryRow>> {
    let seen = referrals::table.filter(referrals::id.eq(waitlist_entries::referral_id)).filter(sight::referrals(caller));
    let statuses = if query.status.is_empty() { WaitlistStatus::OPEN.to_vec() } else { query.status.clone() };
    let mut rows = waitlist_entries::table
        .filter(waitlist_entries::service_id.eq(service))
        .filter(waitlist_entries::status.eq_any(statuses))
        .filter(exists(seen))
        .order((waitlist_entries::priority_rank, waitlist_entries::joined_at, waitlist_entries::id))
        .limit(query.limit.and_one())
        .into_boxed();
    if let Some(referral) = query.referral_id {
        rows = rows.filter(waitlist_entries::referral_id.eq(referral));
    }
    if let Some((rank, joined_at, id)) = after {
        let later =
            waitlist_entries::joined_at.gt(joined_at).or(waitlist_entries::joined_at.eq(joined_at).and(waitlist_entries::id.gt(id)));
        let is_behind = waitlist_entries::priority_rank.gt(rank).or(waitlist_entries::priority_rank.eq(rank).and(later));
        rows = rows.filter(is_behind);
    }
    Ok(rows.load(conn)?)
}

/// Who stands where in the lists of a service, each of its rooms having one, from 1.
pub fn positions(conn: &mut DbConn, service: ServiceId) -> Result<HashMap<WaitlistEntryId, i64>> {
    let open: Vec<(WaitlistEntryId, String)> = waitlist_entries::table
        .filter(waitlist_entries::service_id.eq(service))
        .filter(waitlist_entries::status.eq_any(WaitlistStatus::OPEN))
        .order((waitlist_entries::priority_rank, waitlist_entries::joined_at, waitlist_entries::id))
        .select((waitlist_entries::id, waitlist_entries::room))
        .load(conn)?;
    let mut lengths: HashMap<String, i64> = HashMap::new();
    let mut count = |(id, room)| {
        let length = lengths.entry(room).or_default();
        *length += 1;
        (id, *length)
    };
    Ok(open.into_iter().map(&mut count).collect())
}

/// Of all who stand in the lists of a service: for which room, and how.
pub fn standing(conn: &mut DbConn, service: ServiceId) -> Result<Vec<(String, WaitlistStatus)>> {
    let open = waitlist_entries::table
        .filter(waitlist_entries::service_id.eq(service))
        .filter(waitlist_entries::status.eq_any(WaitlistStatus::OPEN));
    Ok(open.select((waitlist_entries::room, waitlist_entries::status)).load(conn)?)
}

/// The entry of a referral that stands in a list, if there is one.
pub fn open_of_referral(conn: &mut DbConn, referral: ReferralId) -> Result<Option<WaitlistEntryRow>> {
    let waits = waitlist_entries::table.filter(waitlist_entries::referral_id.eq(referral));
    // A list of any length is a statement that SQLite reads anew each time; the entries of one referral are few.
    let entries: Vec<WaitlistEntryRow> = each!(conn, |conn| waits.load(conn))?;
    Ok(entries.into_iter().find(|entry| WaitlistStatus::OPEN.contains(&entry.status)))
}

/// All entries of a service.
pub fn all_of(conn: &mut DbConn, service: ServiceId) -> Result<Vec<WaitlistEntryRow>> {
    Ok(waitlist_entries::table.filter(waitlist_entries::service_id.eq(service)).order(waitlist_entries::id).load(conn)?)
}

/// The entries of a service whose referrals are to another one.
pub fn of_referrals_to(conn: &mut DbConn, service: ServiceId, other: ServiceId) -> Result<Vec<WaitlistEntryRow>> {
    let to_other = referrals::table.filter(referrals::service_id.eq(other)).select(referrals::id);
    let entries = waitlist_entries::table
        .filter(waitlist_entries::service_id.eq(service))
        .filter(waitlist_entries::referral_id.eq_any(to_other))
        .order(waitlist_entries::id);
    Ok(entries.load(conn)?)
}

/// The entry as it now is.
pub fn get(conn: &mut DbConn, id: WaitlistEntryId) -> Result<WaitlistEntryRow> {
    Ok(waitlist_entries::table.find(id).first(conn)?)
}

/// Whether anybody stands in a list of the service.
pub fn has_any(conn: &mut DbConn, service: ServiceId) -> Result<bool> {
    let open = waitlist_entries::table
        .filter(waitlist_entries::service_id.eq(service))
        .filter(waitlist_entries::status.eq_any(WaitlistStatus::OPEN));
    Ok(select(exists(open)).get_result(conn)?)
}

/// The entries of a service with an offer, that of every room.
pub fn offered(conn: &mut DbConn, service: ServiceId) -> Result<Vec<WaitlistEntryRow>> {
    let offered = waitlist_entries::table
        .filter(waitlist_entries::service_id.eq(service))
        .filter(waitlist_entries::status.eq(WaitlistStatus::Offered));
    Ok(offered.load(conn)?)
}

/// Whoever is first in the list of a room, of those whose referrals ask the organization that gives the service, and whom it may take on.
pub fn first_waiting(conn: &mut DbConn, service: &ServiceRow, room: &str, most: i64, now: Instant) -> Result<Vec<WaitlistEntryRow>> {
    let its = referrals::table.filter(referrals::id.eq(waitlist_entries::referral_id)).filter(asking(service.given_by()));
    let its = its.filter(sight::taken_on(now));
    let waiting = waitlist_entries::table
        .filter(waitlist_entries::service_id.eq(service.id))
        .filter(waitlist_entries::status.eq(WaitlistStatus::Waiting))
        .filter(waitlist_entries::room.eq(room))
        .filter(exists(its));
    let order = (waitlist_entries::priority_rank, waitlist_entries::joined_at, waitlist_entries::id);
    Ok(waiting.order(order).limit(most).load(conn)?)
}

/// The entries of a service with an offer to somebody who is passed over from now on, and why.
pub fn offered_in_vain(conn: &mut DbConn, service: &ServiceRow, now: Instant) -> Result<Vec<(WaitlistEntryRow, PassedOver)>> {
    let its = || referrals::table.filter(referrals::id.eq(waitlist_entries::referral_id));
    let offered = || {
        let of_service = waitlist_entries::table.filter(waitlist_entries::service_id.eq(service.id));
        of_service.filter(waitlist_entries::status.eq(WaitlistStatus::Offered))
    };
    let is_asked = || exists(its().filter(asking(service.given_by())));
    let ended = offered().filter(is_asked()).filter(not(exists(its().filter(sight::taken_on(now)))));
    let ended: Vec<WaitlistEntryRow> = ended.load(conn)?;
    let elsewhere: Vec<WaitlistEntryRow> = offered().filter(not(is_asked())).load(conn)?;
    let ended = ended.into_iter().map(|entry| (entry, PassedOver::ConsentEnded));
    Ok(ended.chain(elsewhere.into_iter().map(|entry| (entry, PassedOver::AsksAnotherOrganization))).collect())
}

/// Of these entries of a service those that are passed over when a place opens, and why.
pub fn passed_over(
    conn: &mut DbConn,
    service: &ServiceRow,
    ids: &[WaitlistEntryId],
    now: Instant,
) -> Result<HashMap<WaitlistEntryId, PassedOver>> {
    let waiting = || {
        let waiting = waitlist_entries::table.filter(waitlist_entries::status.eq(WaitlistStatus::Waiting));
        waiting.filter(among(waitlist_entries::id, ids)).select(waitlist_entries::id)
    };
    let its = || referrals::table.filter(referrals::id.eq(waitlist_entries::referral_id));
    let in_vain = waiting().filter(not(exists(its().filter(sight::taken_on(now)))));
    let elsewhere = waiting().filter(not(exists(its().filter(asking(service.given_by())))));
    let in_vain: Vec<WaitlistEntryId> = each!(conn, |conn| in_vain.load(conn))?;
    let elsewhere: Vec<WaitlistEntryId> = each!(conn, |conn| elsewhere.load(conn))?;
    let in_vain = in_vain.into_iter().map(|id| (id, PassedOver::ConsentEnded));
    Ok(in_vain.chain(elsewhere.into_iter().map(|id| (id, PassedOver::AsksAnotherOrganization))).collect())
}

/// Those who wait for a service, in every room.
pub fn waiting(conn: &mut DbConn, service: ServiceId) -> Result<Vec<WaitlistEntryRow>> {
    let waiting = waitlist_entries::table
        .filter(waitlist_entries::service_id.eq(service))
        .filter(waitlist_entries::status.eq(WaitlistStatus::Waiting));
    Ok(waiting.load(conn)?)
}

/// The services in whose lists one of these patients stands, in order of id.
pub fn awaited_by(conn: &mut DbConn, patients: &[PatientId]) -> Result<Vec<ServiceId>> {
    let its = referrals::table.filter(referrals::patient_id.eq_any(patients)).select(referrals::id);
    let open = waitlist_entries::table
        .filter(waitlist_entries::status.eq_any(WaitlistStatus::OPEN))
        .filter(waitlist_entries::referral_id.eq_any(its));
    let services = open.select(waitlist_entries::service_id).load(conn)?;
    Ok(each_once(services))
}

/// The services with an offer that has run out or is made in vain, in order of id.
pub fn due(conn: &mut DbConn, now: Instant) -> Result<Vec<ServiceId>> {
    let offered = || waitlist_entries::table.filter(sql::<Bool>(IS_OFFERED)).select(waitlist_entries::service_id);
    let taken_on = referrals::table.filter(referrals::id.eq(waitlist_entries::referral_id)).filter(sight::taken_on(now));
    let mut services: Vec<ServiceId> = offered().filter(waitlist_entries::offer_expires_at.le(now)).load(conn)?;
    let in_vain = offered().filter(waitlist_entries::offer_expires_at.gt(now)).filter(not(exists(taken_on)));
    services.append(&mut in_vain.load(conn)?);
    Ok(each_once(services))
}

/// The next services in whose lists somebody stands, in order of id.
pub fn waited_for(conn: &mut DbConn, after: Option<ServiceId>, most: i64) -> Result<Vec<ServiceId>> {
    let after = after.unwrap_or(ServiceId::from_uuid(uuid::Uuid::nil()));
    let open = waitlist_entries::table.filter(waitlist_entries::status.eq_any(WaitlistStatus::OPEN));
    let next = open.filter(waitlist_entries::service_id.gt(after)).select(waitlist_entries::service_id);
    Ok(next.distinct().order(waitlist_entries::service_id).limit(most).load(conn)?)
}

fn each_once(mut services: Vec<ServiceId>) -> Vec<ServiceId> {
    services.sort_unstable();
    services.dedup();
    services
}

/// Adds the row.
pub fn insert(conn: &mut DbConn, row: &WaitlistEntryRow) -> Result<()> {
    insert_into(waitlist_entries::table).values(row).execute(conn)?;
    Ok(())
}

/// Writes the row over the version before it; false where that is no longer there.
pub fn replace(conn: &mut DbConn, row: &WaitlistEntryRow) -> Result<bool> {
    let before = waitlist_entries::table.filter(waitlist_entries::id.eq(row.id)).filter(waitlist_entries::version.eq(row.version - 1));
    let changed = update(before)
        .set((
            waitlist_entries::service_id.eq(row.service_id),
            waitlist_entries::priority.eq(row.priority),
            waitlist_entries::priority_rank.eq(row.priority_rank),
            waitlist_entries::status.eq(row.status),
            waitlist_entries::offer_expires_at.eq(row.offer_expires_at),
            waitlist_entries::content.eq(&row.content),
            waitlist_entries::version.eq(row.version),
            waitlist_entries::updated_at.eq(row.updated_at),
        ))
        .execute(conn)?;
    Ok(changed == 1)
}
