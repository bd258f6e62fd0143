//! The queries of appointments.

use std::collections::HashMap;

use diesel::dsl::{count_star, delete, exists, insert_into, not, select};
use diesel::prelude::*;

use super::api::AppointmentQuery;
use super::model::{AppointmentRow, AppointmentStatus};
use crate::auth::{Principal, sight};
use crate::consents::model::DataCategory;
use crate::db::schema::{appointments, clients, held_places, slots};
use crate::db::types::{Instant, Json};
use crate::db::{DbConn, MultiBackend};
use crate::error::Result;
use crate::http::page::Joined;
use crate::identifiers::{self, IdentifierToken};
use crate::kind::{self, AppointmentId, ClientId, OrganizationId, PatientId, ReferralId, SlotId};
use crate::slots::model::SlotInput;
use crate::slots::repository::Diary;
use crate::{changes, patients, referrals};

/// The appointment, if the caller sees it, tombstones included.
pub fn find(conn: &mut DbConn, caller: &Principal, id: AppointmentId) -> Result<Option<AppointmentRow>> {
    Ok(appointments::table.filter(appointments::id.eq(id)).filter(sight::appointments(caller)).first(conn).optional()?)
}

/// One page of what the caller sees, in order of time, and one row more.
///
/// Asked for one way of seeing after the other, as [`referrals`](crate::referrals::repository::list) are.
pub fn list(
    conn: &mut DbConn,
    caller: &Principal,
    query: &AppointmentQuery,
    after: Option<(Instant, AppointmentId)>,
) -> Result<Vec<AppointmentRow>> {
    let own = caller.organization_id;
    let rows = |are_few| filtered(query, after, caller.at, are_few);
    let mut page = Joined::new(query.limit, |row: &AppointmentRow| (row.starts_at, row.id));
    if let Some(IdentifierToken(key)) = &query.identifier {
        // Each by itself: for several at once the database might rather look through all that an organization has.
        for id in identifiers::known_as::<kind::Appointment>(conn, key, None)? {
            page.add(rows(true).filter(appointments::id.eq(id)).filter(sight::appointments(caller)).load(conn)?);
        }
        return Ok(page.into_rows());
    }
    if query.slot_id.is_some() || query.patient_id.is_some() || query.referral_id.is_some() {
        return Ok(rows(true).filter(sight::appointments(caller)).load(conn)?);
    }
    let rest = |page: &Earliest, are_few| match page.end() {
        Some(end) => rows(are_few).filter(appointments::starts_at.le(end.starts_at)),
        None => rows(are_few),
    };
    // Of whom others are asked for, none is looked for among one's own.
    let may_be_own = |named: Option<OrganizationId>| named.is_none_or(|id| id == own);
    if may_be_own(query.provider_id) {
        page.add(rest(&page, false).filter(appointments::provider_id.eq(own)).load(conn)?);
    }
    if query.provider_id == Some(own) {
        return Ok(page.into_rows());
    }
    let of_others = |page: &Earliest, are_few| rest(page, are_few).filter(appointments::provider_id.ne(own));
    if may_be_own(query.organization_id) {
        page.add(of_others(&page, false).filter(appointments::organization_id.eq(own)).load(conn)?);
    }
    if query.organization_id == Some(own) {
        return Ok(page.into_rows());
    }
    let not_made = |page: &Earliest, are_few| of_others(page, are_few).filter(appointments::organization_id.ne(own));
    page.add(not_made(&page, false).filter(appointments::manager_id.eq(own)).load(conn)?);
    let others = |page: &Earliest, are_few| {
        let rest = not_made(page, are_few).filter(appointments::manager_id.ne(own));
        rest.filter(sight::appointments(caller))
    };
    let is_full = page.end().is_some();
    let granted = sight::few_granted(conn, caller, DataCategory::Referrals, is_full)?;
    let Some((patients, referrals)) = granted.zip(sight::few_taken_part_in(conn, caller, is_full)?) else {
        page.add(others(&page, false).load(conn)?);
        return Ok(page.into_rows());
    };
    for patients in patients.chunks(500) {
        page.add(others(&page, true).filter(appointments::patient_id.eq_any(patients.to_vec())).load(conn)?);
    }
    for referrals in referrals.chunks(500) {
        let referrals: Vec<Option<ReferralId>> = referrals.iter().copied().map(Some).collect();
        page.add(others(&page, true).filter(appointments::referral_id.eq_any(referrals).assume_not_null()).load(conn)?);
    }
    Ok(page.into_rows())
}

type Rows = appointments::BoxedQuery<'static, MultiBackend>;
type Earliest = Joined<AppointmentRow, (Instant, AppointmentId)>;

/// What a query asks for, whoever sees it. Where these are few whatever organizations it names, each is looked at: with organizations asked
/// for as keys, all that two have with each other would be.
fn filtered(query: &AppointmentQuery, after: Option<(Instant, AppointmentId)>, now: Instant, are_few: bool) -> Rows {
    let alive = appointments::table.filter(appointments::deleted_at.is_null());
    let mut rows = alive.order((appointments::starts_at, appointments::id)).limit(query.limit.and_one()).into_boxed();
    if let Some(organization) = query.organization_id {
        rows = if are_few {
            rows.filter(not(appointments::organization_id.ne(organization)))
        } else {
            rows.filter(appointments::organization_id.eq(organization))
        };
    }
    if let Some(provider) = query.provider_id {
        rows = if are_few {
            rows.filter(not(appointments::provider_id.ne(provider)))
        } else {
            rows.filter(appointments::provider_id.eq(provider))
        };
    }
    if let Some(slot) = query.slot_id {
        rows = rows.filter(appointments::slot_id.eq(slot));
    }
    if let Some(patient) = query.patient_id {
        rows = rows.filter(appointments::patient_id.eq(patient));
    }
    if let Some(referral) = query.referral_id {
        rows = rows.filter(appointments::referral_id.eq(referral));
    }
    if let Some(service) = query.service_id {
        rows = rows.filter(appointments::service_id.eq(service));
    }
    if let Some(practitioner) = query.practitioner_id {
        rows = rows.filter(appointments::practitioner_id.eq(practitioner));
    }
    if !query.status.is_empty() {
        let has_run_out = appointments::held_until.le(now).assume_not_null();
        let is_asked = appointments::status.eq_any(query.status.clone());
        let stands = appointments::held_until.is_null().or(appointments::held_until.gt(now).assume_not_null());
        rows = if query.status.contains(&AppointmentStatus::Expired) {
            rows.filter(is_asked.and(stands).or(appointments::held_until.is_not_null().and(has_run_out)))
        } else {
            rows.filter(is_asked.and(stands))
        };
    }
    if let Some(since) = query.updated_since {
        rows = rows.filter(appointments::updated_at.ge(since));
    }
    if let Some(from) = query.from {
        rows = rows.filter(appointments::starts_at.ge(from));
    }
    if let Some(until) = query.until {
        rows = rows.filter(appointments::starts_at.lt(until));
    }
    if let Some((starts_at, id)) = after {
        rows = rows.filter(appointments::starts_at.ge(starts_at));
        rows = rows.filter(appointments::starts_at.gt(starts_at).or(appointments::id.gt(id)));
    }
    rows
}

/// How many places of each of these slots are taken at this moment; slots of which none is are left out. What is held and has run out
/// takes none.
pub fn taken(conn: &mut DbConn, ids: &[SlotId], now: Instant) -> Result<HashMap<SlotId, i64>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let is_held = appointments::held_until.is_not_null().and(appointments::held_until.gt(now).assume_not_null());
    let counted = appointments::table
        .filter(appointments::slot_id.eq_any(ids.to_vec()))
        .filter(appointments::deleted_at.is_null())
        .filter(appointments::status.eq_any(AppointmentStatus::TAKING).or(is_held))
        .group_by(appointments::slot_id)
        .select((appointments::slot_id, count_star()));
    Ok(counted.load::<(SlotId, i64)>(conn)?.into_iter().collect())
}

/// How many places of one slot are taken at this moment.
pub fn taken_in(conn: &mut DbConn, slot: SlotId, now: Instant) -> Result<i64> {
    Ok(taken(conn, &[slot], now)?.remove(&slot).unwrap_or(0))
}

/// Whether the patient has a place in the slot at this moment, as far as the caller sees.
pub fn has_place(conn: &mut DbConn, caller: &Principal, slot: SlotId, patient: PatientId) -> Result<bool> {
    let is_held = appointments::held_until.is_not_null().and(appointments::held_until.gt(caller.at).assume_not_null());
    let found = appointments::table
        .filter(appointments::slot_id.eq(slot))
        .filter(appointments::patient_id.eq(patient))
        .filter(appointments::deleted_at.is_null())
        .filter(appointments::status.eq_any(AppointmentStatus::TAKING).or(is_held));
    let seen: Option<AppointmentId> = found.filter(sight::appointments(caller)).select(appointments::id).first(conn).optional()?;
    Ok(seen.is_some())
}

/// How many places a client holds at this moment.
pub fn held_by(conn: &mut DbConn, client: ClientId, now: Instant) -> Result<i64> {
    let held = held_places::table
        .inner_join(appointments::table.on(appointments::id.eq(held_places::appointment_id)))
        .filter(held_places::client_id.eq(client))
        .filter(held_places::held_until.gt(now))
        .filter(appointments::held_until.gt(now))
        .filter(appointments::deleted_at.is_null());
    Ok(held.count().get_result(conn)?)
}

/// Notes that a client holds a place, and forgets what it held and holds no more.
pub fn note_hold(conn: &mut DbConn, id: AppointmentId, client: ClientId, until: Instant, now: Instant) -> Result<()> {
    let old = held_places::table.filter(held_places::client_id.eq(client)).filter(held_places::held_until.le(now));
    delete(old).execute(conn)?;
    let hold = (held_places::appointment_id.eq(id), held_places::client_id.eq(client), held_places::held_until.eq(until));
    insert_into(held_places::table).values(hold).execute(conn)?;
    Ok(())
}

/// How many places are held for a patient at this moment, by whomever, as far as the caller sees.
pub fn held_for(conn: &mut DbConn, caller: &Principal, patient: PatientId) -> Result<i64> {
    let held = appointments::table.filter(appointments::patient_id.eq(patient)).filter(appointments::held_until.gt(caller.at));
    Ok(held.filter(appointments::deleted_at.is_null()).filter(sight::appointments(caller)).count().get_result(conn)?)
}

/// Waits until nobody else begins to hold a place as this client or for this patient, and keeps others waiting until the transaction ends.
/// On SQLite whoever writes is alone.
pub fn lock_holders(conn: &mut DbConn, client: ClientId, patient: PatientId) -> Result<()> {
    if let DbConn::Pg(conn) = conn {
        clients::table.find(client).select(clients::id).for_no_key_update().execute(conn)?;
    }
    patients::repository::lock(conn, patient)
}

/// Whether an appointment of the patient with this organization, or one that it made, was made before a moment.
pub fn had_any(conn: &mut DbConn, organization: OrganizationId, patient: PatientId, before: Instant) -> Result<bool> {
    let is_taker = appointments::provider_id.eq(organization).or(appointments::organization_id.eq(organization));
    let of_patient = appointments::table.filter(appointments::patient_id.eq(patient)).filter(is_taker);
    let earlier = of_patient.filter(appointments::created_at.lt(before)).select(appointments::id);
    Ok(earlier.first::<AppointmentId>(conn).optional()?.is_some())
}

/// The appointments of a referral that are held or booked at this moment and have not begun: those that are held first, as they run out.
///
/// # Errors
/// [`Error::Conflict`](crate::error::Error::Conflict) where there are too many of them.
pub fn to_come(conn: &mut DbConn, referral: ReferralId, now: Instant) -> Result<Vec<AppointmentRow>> {
    let ahead = || {
        let of_referral = appointments::table.filter(appointments::referral_id.eq(referral)).filter(appointments::deleted_at.is_null());
        let is_held = appointments::held_until.is_not_null().and(appointments::held_until.gt(now).assume_not_null());
        let open = of_referral.filter(appointments::status.eq(AppointmentStatus::Booked).or(is_held));
        open.filter(appointments::starts_at.gt(now))
    };
    changes::ensure_few(ahead().count().get_result(conn)?, "appointments of the referral that are to come", "cancel some of them first")?;
    Ok(ahead().order((appointments::held_until, appointments::id)).load(conn)?)
}

/// Whether the person is expected in this referral.
pub fn is_expected(conn: &mut DbConn, referral: ReferralId) -> Result<bool> {
    let found = appointments::table
        .filter(appointments::referral_id.eq(referral))
        .filter(appointments::deleted_at.is_null())
        .filter(appointments::status.eq(AppointmentStatus::Booked));
    Ok(select(exists(found)).get_result(conn)?)
}

/// The appointments of a diary with this organization that begin between two moments, at most so many, in order of time, with their slots as
/// written.
///
/// Where not all have room, those that begin from `now` on are among them before others, and of these the latest. One that was called off or
/// deleted is there until it would have begun, so that a calendar learns of it.
pub fn of_diary(
    conn: &mut DbConn,
    provider: OrganizationId,
    diary: Diary,
    (from, now, until): (Instant, Instant, Instant),
    limit: i64,
) -> Result<Vec<(AppointmentRow, SlotInput)>> {
    let rows = || {
        let rows = appointments::table
            .inner_join(slots::table)
            .filter(appointments::provider_id.eq(provider))
            .select((appointments::all_columns, slots::content))
            .into_boxed();
        match diary {
            Diary::Service(id) => rows.filter(appointments::service_id.eq(id)),
            Diary::Practitioner(id) => rows.filter(appointments::practitioner_id.eq(id)),
        }
    };
    let ahead = rows().filter(appointments::starts_at.ge(now)).filter(appointments::starts_at.lt(until));
    let ahead = ahead.order((appointments::starts_at, appointments::id)).limit(limit);
    let ahead: Vec<(AppointmentRow, Json<SlotInput>)> = ahead.load(conn)?;
    let begun = rows().filter(appointments::starts_at.ge(from)).filter(appointments::starts_at.lt(now));
    let begun = begun.filter(appointments::deleted_at.is_null()).filter(appointments::status.eq_any(AppointmentStatus::TAKING));
    let left = limit.saturating_sub(i64::try_from(ahead.len()).unwrap_or(i64::MAX));
    let begun = begun.order((appointments::starts_at.desc(), appointments::id.desc())).limit(left);
    let begun: Vec<(AppointmentRow, Json<SlotInput>)> = begun.load(conn)?;
    Ok(begun.into_iter().rev().chain(ahead).map(|(row, slot)| (row, slot.0)).collect())
}

/// Holds that have run out and of which that is not written down yet, the oldest first.
pub fn run_out(conn: &mut DbConn, now: Instant, limit: i64) -> Result<Vec<AppointmentRow>> {
    let alive = appointments::table.filter(appointments::held_until.le(now)).filter(appointments::deleted_at.is_null());
    Ok(alive.order((appointments::held_until, appointments::id)).limit(limit).load(conn)?)
}

/// Adds the row.
pub fn insert(conn: &mut DbConn, row: &AppointmentRow) -> Result<()> {
    insert_into(appointments::table).values(row).execute(conn)?;
    Ok(())
}

/// Writes the row over the version before it; false where that is no longer there.
pub fn update(conn: &mut DbConn, row: &AppointmentRow) -> Result<bool> {
    let before = appointments::table.filter(appointments::id.eq(row.id)).filter(appointments::version.eq(row.version - 1));
    let changed = diesel::update(before)
        .set((
            appointments::slot_id.eq(row.slot_id),
            appointments::service_id.eq(row.service_id),
            appointments::practitioner_id.eq(row.practitioner_id),
            appointments::status.eq(row.status),
            appointments::starts_at.eq(row.starts_at),
            appointments::ends_at.eq(row.ends_at),
            appointments::held_until.eq(row.held_until),
            appointments::conclusion.eq(&row.conclusion),
            appointments::content.eq(&row.content),
            appointments::noted_by.eq(row.noted_by),
            appointments::version.eq(row.version),
            appointments::updated_at.eq(row.updated_at),
            appointments::deleted_at.eq(row.deleted_at),
        ))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Waits until nobody else is changing the appointment or its referral, and keeps others waiting until the transaction ends. The referral
/// comes first, as everywhere, and slots after both. On SQLite whoever writes is alone.
pub fn lock(conn: &mut DbConn, id: AppointmentId) -> Result<()> {
    if let DbConn::Pg(_) = conn {
        let referral: Option<Option<ReferralId>> = appointments::table.find(id).select(appointments::referral_id).first(conn).optional()?;
        if let Some(referral) = referral.flatten() {
            referrals::repository::lock(conn, referral)?;
        }
    }
    if let DbConn::Pg(conn) = conn {
        appointments::table.find(id).select(appointments::id).for_no_key_update().execute(conn)?;
    }
    Ok(())
}
