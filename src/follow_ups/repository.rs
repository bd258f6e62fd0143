//! The queries of follow-ups and of the attempts to reach people.

use chrono::NaiveDate;
use diesel::dsl::not;
use diesel::prelude::*;

use super::api::FollowUpQuery;
use super::model::{AttemptRow, FollowUpHead, FollowUpRow, FollowUpStatus, Purpose};
use crate::auth::{Principal, sight};
use crate::consents::model::DataCategory;
use crate::db::schema::{contact_attempts, follow_ups};
use crate::db::{DbConn, among, boxed, locks};
use crate::each;
use crate::error::Result;
use crate::http::page::Joined;
use crate::identifiers::{self, IdentifierToken};
use crate::kind::{self, ContactAttemptId, FollowUpId, OrganizationId, PatientId, ReferralId};
use crate::{organizations, referrals};

/// The follow-up, if the caller sees it, tombstones included.
pub fn find(conn: &mut DbConn, caller: &Principal, id: FollowUpId) -> Result<Option<FollowUpRow>> {
    let seen = follow_ups::table.filter(follow_ups::id.eq(id)).filter(sight::follow_ups(caller));
    Ok(each!(conn, |conn| seen.first(conn)).optional()?)
}

/// The follow-ups with these ids, whoever sees them, in no order.
pub fn find_all(conn: &mut DbConn, ids: &[FollowUpId]) -> Result<Vec<FollowUpRow>> {
    Ok(each!(conn, |conn| follow_ups::table.filter(among(follow_ups::id, ids)).load(conn))?)
}

/// What a query asks for, whoever sees it, in the dialect of the connection.
macro_rules! filtered {
    ($conn:expr, $query:expr, $after:expr, $today:expr) => {{
        let alive = follow_ups::table.filter(follow_ups::deleted_at.is_null());
        let alive =
            alive.select((follow_ups::id, (follow_ups::version, follow_ups::updated_at), follow_ups::organization_id, follow_ups::due_on));
        let mut rows = boxed($conn, alive.order((follow_ups::due_on, follow_ups::id)).limit($query.limit.and_one()));
        if let Some(practitioner) = $query.practitioner_id {
            rows = rows.filter(follow_ups::practitioner_id.eq(practitioner));
        }
        if let Some(referral) = $query.referral_id {
            rows = rows.filter(follow_ups::referral_id.eq(referral));
        }
        if let Some(patient) = $query.patient_id {
            rows = rows.filter(follow_ups::patient_id.eq(patient));
        }
        match $query.status.as_slice() {
            [] => {}
            // A list of any length is a statement that SQLite reads anew each time.
            [status] => rows = rows.filter(follow_ups::status.eq(*status)),
            several => rows = rows.filter(follow_ups::status.eq_any(several.to_vec())),
        }
        if !$query.purpose.is_empty() {
            rows = rows.filter(follow_ups::purpose.eq_any($query.purpose.clone()));
        }
        if let Some(day) = $query.due_before {
            rows = rows.filter(follow_ups::due_on.lt(day));
        }
        if let Some(since) = $query.updated_since {
            rows = rows.filter(follow_ups::updated_at.ge(since));
        }
        match $query.overdue.zip($today) {
            Some((true, today)) => rows = rows.filter(follow_ups::status.eq(FollowUpStatus::Open)).filter(follow_ups::due_on.lt(today)),
            Some((false, today)) => rows = rows.filter(follow_ups::status.ne(FollowUpStatus::Open).or(follow_ups::due_on.ge(today))),
            None => {}
        }
        if let Some((day, id)) = $after {
            rows = rows.filter(follow_ups::due_on.gt(day).or(follow_ups::due_on.eq(day).and(follow_ups::id.gt(id))));
        }
        rows
    }};
}

/// One page of what the caller sees, in order of the day they are due, and one row more.
///
/// Asked for one way of seeing after the other, as [`referrals`](crate::referrals::repository::list) are.
pub fn list(
    conn: &mut DbConn,
    caller: &Principal,
    query: &FollowUpQuery,
    after: Option<(NaiveDate, FollowUpId)>,
) -> Result<Vec<FollowUpHead>> {
    let own = caller.organization_id;
    let today = |_| organizations::repository::today(conn, own, caller.at);
    let today = query.overdue.map(today).transpose()?;
    let mut page = Joined::new(query.limit, |row: &FollowUpHead| (row.due_on, row.id));
    macro_rules! rows {
        ($seen:expr) => {
            each!(conn, |conn| {
                let rows = filtered!(conn, query, after, today).filter($seen);
                match page.end() {
                    // Of a day on which thousands are due only those before the end are looked at.
                    Some(end) => {
                        let before = follow_ups::due_on.lt(end.due_on).or(follow_ups::id.lt(end.id));
                        rows.filter(follow_ups::due_on.le(end.due_on)).filter(before).load(conn)
                    }
                    None => rows.load(conn),
                }
            })?
        };
    }
    if let Some(IdentifierToken(key)) = &query.identifier {
        // Each by itself: for several at once the database might rather look through all that an organization has.
        for id in identifiers::known_as::<kind::FollowUp>(conn, key, None)? {
            let mut found: Vec<FollowUpHead> = rows!(follow_ups::id.eq(id).and(sight::follow_ups(caller)));
            found.retain(|row| query.organization_id.is_none_or(|organization| row.organization_id == organization));
            page.add(found);
        }
        return Ok(page.into_rows());
    }
    let is_narrow = query.patient_id.is_some() || query.referral_id.is_some();
    match query.organization_id {
        Some(organization) if organization == own => return Ok(rows!(follow_ups::organization_id.eq(own))),
        Some(organization) => return Ok(rows!(follow_ups::organization_id.eq(organization).and(sight::follow_ups(caller)))),
        None if is_narrow => return Ok(rows!(sight::follow_ups(caller))),
        None => {}
    }
    page.add(rows!(follow_ups::organization_id.eq(own)));
    page.add(rows!(follow_ups::organization_id.ne(own).and(follow_ups::manager_id.eq(own))));
    let of_others = || follow_ups::organization_id.ne(own).and(follow_ups::manager_id.ne(own));
    let is_full = page.end().is_some();
    let granted = sight::few_granted(conn, caller, DataCategory::FollowUps, is_full)?;
    match granted.zip(sight::few_taken_part_in(conn, caller, is_full)?) {
        Some((patients, referrals)) if patients.is_empty() && referrals.is_empty() => {}
        Some((patients, referrals)) => {
            let is_named = among(follow_ups::patient_id, &patients).or(among(follow_ups::referral_id.assume_not_null(), &referrals));
            page.add(rows!(of_others().and(is_named).and(sight::follow_ups(caller))));
        }
        None => page.add(rows!(of_others().and(sight::follow_ups(caller)))),
    }
    Ok(page.into_rows())
}

/// Waits until nobody else is changing the follow-up or its referral, and keeps others waiting until the transaction ends. The referral
/// comes first, as it does where its own change closes its follow-ups. On SQLite whoever writes is alone.
pub fn lock(conn: &mut DbConn, id: FollowUpId) -> Result<()> {
    if let DbConn::Pg(_) = conn {
        let referral: Option<Option<ReferralId>> = follow_ups::table.find(id).select(follow_ups::referral_id).first(conn).optional()?;
        if let Some(referral) = referral.flatten() {
            referrals::repository::lock(conn, referral)?;
        }
    }
    if let DbConn::Pg(conn) = conn {
        follow_ups::table.find(id).select(follow_ups::id).for_no_key_update().execute(conn)?;
    }
    Ok(())
}

/// Whether an organization has ever had a first contact to make in the referral.
pub fn has_first_contact(conn: &mut DbConn, organization: OrganizationId, referral: ReferralId) -> Result<bool> {
    // Asked for with the organization, all that it has to do would be looked through.
    Ok(first_contacts(conn, referral)?.iter().any(|row| row.organization_id == organization && row.deleted_at.is_none()))
}

/// The first contacts of a referral, whoever has or had them to make, deleted ones among them, in order of id.
pub fn first_contacts(conn: &mut DbConn, referral: ReferralId) -> Result<Vec<FollowUpRow>> {
    let planned = follow_ups::table.filter(follow_ups::referral_id.eq(referral));
    let planned = planned.filter(follow_ups::purpose.eq(Purpose::FirstContact)).order(follow_ups::id);
    Ok(each!(conn, |conn| planned.load(conn))?)
}

/// The open follow-ups of a referral, in order of id.
pub fn open_of_referral(conn: &mut DbConn, referral: ReferralId) -> Result<Vec<FollowUpRow>> {
    let alive = follow_ups::table.filter(follow_ups::referral_id.eq(referral)).filter(follow_ups::deleted_at.is_null());
    let open = alive.filter(follow_ups::status.eq(FollowUpStatus::Open)).order(follow_ups::id);
    Ok(each!(conn, |conn| open.load(conn))?)
}

/// The open follow-ups of a patient that an organization has to make without a referral. Those in a referral end with it, so that nobody
/// counts on them for the time after.
pub fn open_without_referral(conn: &mut DbConn, organization: OrganizationId, patient: PatientId) -> Result<Vec<FollowUpRow>> {
    let alive = follow_ups::table.filter(follow_ups::patient_id.eq(patient)).filter(follow_ups::deleted_at.is_null());
    // Asked for with the organization, or without a referral, all that are so would be looked through.
    let mut open: Vec<FollowUpRow> = alive.filter(follow_ups::status.eq(FollowUpStatus::Open)).load(conn)?;
    open.retain(|row| row.organization_id == organization && row.referral_id.is_none());
    Ok(open)
}

/// Those of them that were completed as well.
pub fn kept_without_referral(conn: &mut DbConn, organization: OrganizationId, patient: PatientId) -> Result<Vec<FollowUpRow>> {
    let alive = follow_ups::table.filter(follow_ups::patient_id.eq(patient)).filter(follow_ups::deleted_at.is_null());
    let mut rows: Vec<FollowUpRow> = alive.filter(follow_ups::status.ne(FollowUpStatus::Cancelled)).load(conn)?;
    rows.retain(|row| row.organization_id == organization && row.referral_id.is_none());
    Ok(rows)
}

/// The follow-ups of a referral that the caller sees.
pub fn of_referral(conn: &mut DbConn, caller: &Principal, referral: ReferralId) -> Result<Vec<FollowUpRow>> {
    let alive = follow_ups::table.filter(follow_ups::referral_id.eq(referral)).filter(follow_ups::deleted_at.is_null());
    Ok(alive.filter(sight::follow_ups(caller)).order(follow_ups::id).load(conn)?)
}

/// The follow-ups of a patient that the caller sees.
pub fn of_patient(conn: &mut DbConn, caller: &Principal, patient: PatientId) -> Result<Vec<FollowUpRow>> {
    let alive = follow_ups::table.filter(follow_ups::patient_id.eq(patient)).filter(follow_ups::deleted_at.is_null());
    Ok(alive.filter(sight::follow_ups(caller)).order(follow_ups::id).load(conn)?)
}

/// Adds the row.
pub fn insert(conn: &mut DbConn, row: &FollowUpRow) -> Result<()> {
    each!(conn, |conn| diesel::insert_into(follow_ups::table).values(row).execute(conn))?;
    Ok(())
}

/// Writes the row over the version before it; false where that is no longer there.
pub fn update(conn: &mut DbConn, row: &FollowUpRow) -> Result<bool> {
    let before = follow_ups::table.filter(follow_ups::id.eq(row.id)).filter(follow_ups::version.eq(row.version - 1));
    let changed = diesel::update(before)
        .set((
            follow_ups::practitioner_id.eq(row.practitioner_id),
            follow_ups::purpose.eq(row.purpose),
            follow_ups::status.eq(row.status),
            follow_ups::due_on.eq(row.due_on),
            follow_ups::closed_at.eq(row.closed_at),
            follow_ups::conclusion.eq(&row.conclusion),
            follow_ups::content.eq(&row.content),
            follow_ups::version.eq(row.version),
            follow_ups::updated_at.eq(row.updated_at),
            follow_ups::deleted_at.eq(row.deleted_at),
            follow_ups::awaited_id.eq(row.awaited_id),
        ))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Waits until nobody else is loading the follow-up with this id or one that names it, and keeps others waiting until the transaction
/// ends: of two that name each other each must see the other. On SQLite whoever writes is alone.
pub fn lock_loading(conn: &mut DbConn, id: FollowUpId) -> Result<()> {
    // The last bits are those in which ids of one moment differ.
    locks::wait_for(conn, i64::from_ne_bytes(id.uuid().as_u64_pair().1.to_ne_bytes()))
}

/// The living follow-ups of an organization that wait for the one that was loaded under this id.
pub fn awaiting(conn: &mut DbConn, owner: OrganizationId, id: FollowUpId) -> Result<Vec<FollowUpRow>> {
    let waiting = follow_ups::table.filter(follow_ups::awaited_id.eq(id)).filter(follow_ups::deleted_at.is_null());
    Ok(waiting.filter(not(follow_ups::organization_id.ne(owner))).order(follow_ups::id).load(conn)?)
}

/// Which of these follow-ups are there, are an organization's own and about this patient.
pub fn own_among(conn: &mut DbConn, owner: OrganizationId, patient: PatientId, ids: &[FollowUpId]) -> Result<Vec<FollowUpId>> {
    let of_owner = follow_ups::table.filter(follow_ups::organization_id.eq(owner)).filter(follow_ups::deleted_at.is_null());
    let of_patient = of_owner.filter(follow_ups::patient_id.eq(patient));
    Ok(of_patient.filter(follow_ups::id.eq_any(ids)).select(follow_ups::id).load(conn)?)
}

/// Notes which follow-up is awaited after another.
pub fn await_next(conn: &mut DbConn, id: FollowUpId, next: FollowUpId) -> Result<()> {
    diesel::update(follow_ups::table.find(id)).set(follow_ups::awaited_id.eq(next)).execute(conn)?;
    Ok(())
}

/// Adds an attempt.
pub fn insert_attempt(conn: &mut DbConn, row: &AttemptRow) -> Result<()> {
    diesel::insert_into(contact_attempts::table).values(row).execute(conn)?;
    Ok(())
}

/// One page of the attempts of a follow-up, in order of recording, and one row more.
pub fn list_attempts(conn: &mut DbConn, follow_up: FollowUpId, after: Option<ContactAttemptId>, limit: i64) -> Result<Vec<AttemptRow>> {
    let of_follow_up = contact_attempts::table.filter(contact_attempts::follow_up_id.eq(follow_up));
    let mut rows = of_follow_up.order(contact_attempts::id).limit(limit).into_boxed();
    if let Some(after) = after {
        rows = rows.filter(contact_attempts::id.gt(after));
    }
    Ok(rows.load(conn)?)
}

/// The attempt of a follow-up with this id.
pub fn find_attempt(conn: &mut DbConn, follow_up: FollowUpId, id: ContactAttemptId) -> Result<Option<AttemptRow>> {
    let found = contact_attempts::table.find(id).filter(contact_attempts::follow_up_id.eq(follow_up));
    Ok(found.first(conn).optional()?)
}

/// All attempts of these follow-ups, in order of time.
pub fn attempts_of(conn: &mut DbConn, follow_ups: &[FollowUpId]) -> Result<Vec<AttemptRow>> {
    let found = contact_attempts::table.filter(contact_attempts::follow_up_id.eq_any(follow_ups));
    Ok(found.order((contact_attempts::at, contact_attempts::id)).load(conn)?)
}
