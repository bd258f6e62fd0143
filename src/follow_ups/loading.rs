//! Follow-ups that were done elsewhere, loaded as they stood.

use super::handlers::{FollowUps, check_new};
use super::model::{Conclusion, FollowUpInput, FollowUpRow, FollowUpStatus};
use super::{plan, repository};
use crate::auth::Principal;
use crate::db::DbConn;
use crate::db::types::{Instant, Json};
use crate::error::Result;
use crate::http::resource::{self, Resource as _};
use crate::kind::{FollowUpId, PatientId};

/// How a follow-up ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Completed or cancelled.
    pub status: FollowUpStatus,
    /// When.
    pub closed_at: Instant,
    /// What was heard, or why it was not done.
    pub conclusion: Conclusion,
}

/// Adds a follow-up that has ended. Nothing follows from it: what did is loaded too, and [linked](precede).
pub fn load(conn: &mut DbConn, caller: &Principal, id: FollowUpId, input: FollowUpInput, ended: Ended) -> Result<()> {
    check_new(conn, caller, &input, false)?;
    let loaded = resource::insert_prepared::<FollowUps>(conn, caller, input, |conn, input| {
        let Ended { status, closed_at, conclusion } = ended;
        let row = plan::own_row(conn, caller, id, input)?;
        let row = FollowUpRow { status, closed_at: Some(closed_at), conclusion: Json(conclusion), ..row };
        repository::insert(conn, &row)?;
        Ok(row)
    });
    loaded.map(|_| ())
}

/// Says of a follow-up that has ended which one was planned after it: the one that was loaded under the first of these ids, else the one that
/// has the second. It must be the organization's own and about the same patient. Where it is not there, the first is awaited, for a later
/// line may [load](follow) it. False where nothing has changed.
pub fn precede(conn: &mut DbConn, caller: &Principal, id: FollowUpId, next: [FollowUpId; 2]) -> Result<bool> {
    let row = resource::get_row::<FollowUps>(conn, caller, id)?;
    if row.status == FollowUpStatus::Open || row.conclusion.next_follow_up_id.is_some() {
        return Ok(false);
    }
    FollowUps::permit(caller, &row)?;
    let [loaded, _] = next;
    repository::lock_loading(conn, loaded)?;
    let known = repository::own_among(conn, row.organization_id, row.patient_id, &next)?;
    match next.into_iter().find(|next| *next != id && known.contains(next)) {
        Some(next) => link(conn, caller, row, next).map(|()| true),
        None if row.awaited_id == Some(loaded) => Ok(false),
        None => repository::await_next(conn, id, loaded).map(|()| false),
    }
}

/// Says of those that wait for a follow-up, which has just been loaded, that it is the one that was planned after them.
pub fn follow(conn: &mut DbConn, caller: &Principal, id: FollowUpId, patient: PatientId) -> Result<()> {
    repository::lock_loading(conn, id)?;
    let waiting = repository::awaiting(conn, caller.organization_id, id)?;
    waiting.into_iter().filter(|row| row.patient_id == patient).try_for_each(|row| link(conn, caller, row, id))
}

fn link(conn: &mut DbConn, caller: &Principal, row: FollowUpRow, next: FollowUpId) -> Result<()> {
    let conclusion = Conclusion { next_follow_up_id: Some(next), ..row.conclusion.0.clone() };
    plan::save(conn, caller, FollowUpRow { conclusion: Json(conclusion), awaited_id: None, ..row }).map(|_| ())
}

/// Takes back what was planned for want of another, where nobody has done anything about it yet.
pub fn take_back(conn: &mut DbConn, caller: &Principal, planned: FollowUpId) -> Result<()> {
    let found = repository::find(conn, caller, planned)?.filter(|row| row.deleted_at.is_none());
    match found.filter(|row| row.status == FollowUpStatus::Open && row.version == 1) {
        Some(row) if repository::attempts_of(conn, &[row.id])?.is_empty() => resource::remove::<FollowUps>(conn, caller, &row),
        _ => Ok(()),
    }
}
