//! The queries of follow-ups and of the tries to reach people.

use chrono::NaiveDate;
use diesel::dsl::{exists, select};
use diesel::prelude::*;

use super::api::FollowUpQuery;
use super::model::{AttemptRow, FollowUpRow, FollowUpStatus, Purpose};
use crate::auth::{Principal, sight};
use crate::db::DbConn;
use crate::db::schema::{contact_attempts, follow_ups};
use crate::error::Result;
use crate::kind::{ContactAttemptId, FollowUpId, PatientId, ReferralId};
use crate::referrals;

/// The follow-up, if the caller sees it, tombstones included.
pub fn find(conn: &mut DbConn, caller: &Principal, id: FollowUpId) -> Result<Option<FollowUpRow>> {
    Ok(follow_ups::table.filter(follow_ups::id.eq(id)).filter(sight::follow_ups(caller)).first(conn).optional()?)
}

/// One page of what the caller sees, in order of the day they are due, and one row more.
pub fn list(
    conn: &mut DbConn,
    caller: &Principal,
    query: &FollowUpQuery,
    after: Option<(NaiveDate, FollowUpId)>,
    today: NaiveDate,
) -> Result<Vec<FollowUpRow>> {
    let alive = follow_ups::table.filter(follow_ups::deleted_at.is_null());
    let mut rows = alive.order((follow_ups::due_on, follow_ups::id)).limit(query.limit.and_one()).into_boxed();
    // One's own need no look at the patients.
    rows = match query.organization_id {
        Some(own) if own == caller.organization_id => rows.filter(follow_ups::organization_id.eq(own)),
        Some(other) => rows.filter(follow_ups::organization_id.eq(other)).filter(sight::follow_ups(caller)),
        None => rows.filter(sight::follow_ups(caller)),
    };
    if let Some(practitioner) = query.practitioner_id {
        rows = rows.filter(follow_ups::practitioner_id.eq(practitioner));
    }
    if let Some(referral) = query.referral_id {
        rows = rows.filter(follow_ups::referral_id.eq(referral));
    }
    if let Some(patient) = query.patient_id {
        rows = rows.filter(follow_ups::patient_id.eq(patient));
    }
    if !query.status.is_empty() {
        rows = rows.filter(follow_ups::status.eq_any(query.status.clone()));
    }
    if !query.purpose.is_empty() {
        rows = rows.filter(follow_ups::purpose.eq_any(query.purpose.clone()));
    }
    if let Some(day) = query.due_before {
        rows = rows.filter(follow_ups::due_on.lt(day));
    }
    match query.overdue {
        Some(true) => rows = rows.filter(follow_ups::status.eq(FollowUpStatus::Open)).filter(follow_ups::due_on.lt(today)),
        Some(false) => rows = rows.filter(follow_ups::status.ne(FollowUpStatus::Open).or(follow_ups::due_on.ge(today))),
        None => {}
    }
    if let Some((day, id)) = after {
        rows = rows.filter(follow_ups::due_on.gt(day).or(follow_ups::due_on.eq(day).and(follow_ups::id.gt(id))));
    }
    Ok(rows.load(conn)?)
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

/// Whether a first contact was ever planned for the referral.
pub fn has_first_contact(conn: &mut DbConn, referral: ReferralId) -> Result<bool> {
    let alive = follow_ups::table.filter(follow_ups::referral_id.eq(referral)).filter(follow_ups::deleted_at.is_null());
    Ok(select(exists(alive.filter(follow_ups::purpose.eq(Purpose::FirstContact)))).get_result(conn)?)
}

/// The open follow-ups of a referral, in order of id.
pub fn open_of_referral(conn: &mut DbConn, referral: ReferralId) -> Result<Vec<FollowUpRow>> {
    let alive = follow_ups::table.filter(follow_ups::referral_id.eq(referral)).filter(follow_ups::deleted_at.is_null());
    Ok(alive.filter(follow_ups::status.eq(FollowUpStatus::Open)).order(follow_ups::id).load(conn)?)
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
    diesel::insert_into(follow_ups::table).values(row).execute(conn)?;
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
        ))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Adds a try.
pub fn insert_attempt(conn: &mut DbConn, row: &AttemptRow) -> Result<()> {
    diesel::insert_into(contact_attempts::table).values(row).execute(conn)?;
    Ok(())
}

/// One page of the tries of a follow-up, in order of recording, and one row more.
pub fn list_attempts(conn: &mut DbConn, follow_up: FollowUpId, after: Option<ContactAttemptId>, limit: i64) -> Result<Vec<AttemptRow>> {
    let of_follow_up = contact_attempts::table.filter(contact_attempts::follow_up_id.eq(follow_up));
    let mut rows = of_follow_up.order(contact_attempts::id).limit(limit).into_boxed();
    if let Some(after) = after {
        rows = rows.filter(contact_attempts::id.gt(after));
    }
    Ok(rows.load(conn)?)
}

/// All tries of these follow-ups, in order of time.
pub fn attempts_of(conn: &mut DbConn, follow_ups: &[FollowUpId]) -> Result<Vec<AttemptRow>> {
    let found = contact_attempts::table.filter(contact_attempts::follow_up_id.eq_any(follow_ups));
    Ok(found.order((contact_attempts::at, contact_attempts::id)).load(conn)?)
}
