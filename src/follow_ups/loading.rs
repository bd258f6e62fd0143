//! Follow-ups that were done elsewhere, loaded as they stood.

use super::handlers::{FollowUps, check_new};
use super::model::{Conclusion, FollowUpInput, FollowUpRow, FollowUpStatus};
use super::{plan, repository};
use crate::auth::Principal;
use crate::db::DbConn;
use crate::db::types::{Instant, Json};
use crate::error::Result;
use crate::http::resource;
use crate::kind::FollowUpId;

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

/// Adds a follow-up that has ended. Nothing follows from it: what did is loaded too.
pub fn load(conn: &mut DbConn, caller: &Principal, id: FollowUpId, input: FollowUpInput, ended: Ended) -> Result<()> {
    check_new(conn, caller, &input, false)?;
    let loaded = resource::insert_prepared::<FollowUps>(conn, caller, input, |conn, input| {
        let Ended { status, closed_at, conclusion } = ended;
        let row = plan::new_row(conn, caller, id, caller.organization_id, input)?;
        let row = FollowUpRow { status, closed_at: Some(closed_at), conclusion: Json(conclusion), ..row };
        repository::insert(conn, &row)?;
        Ok(row)
    });
    loaded.map(|_| ())
}

/// Takes back what was planned for want of another, where nobody has done anything about it yet.
pub fn take_back(conn: &mut DbConn, caller: &Principal, planned: FollowUpId) -> Result<()> {
    let found = repository::find(conn, caller, planned)?.filter(|row| row.deleted_at.is_none());
    match found.filter(|row| row.status == FollowUpStatus::Open && row.version == 1) {
        Some(row) if repository::attempts_of(conn, &[row.id])?.is_empty() => resource::remove::<FollowUps>(conn, caller, &row),
        _ => Ok(()),
    }
}
