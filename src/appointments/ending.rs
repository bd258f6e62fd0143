//! Appointments that are called off: by somebody, or with their referral.

use super::actions::save;
use super::model::{AppointmentCancellation, AppointmentConclusion, AppointmentRow, AppointmentStatus, CancelReason, CancelledBy};
use super::{effects, repository};
use crate::auth::Principal;
use crate::db::DbConn;
use crate::db::types::Json;
use crate::error::Result;
use crate::referrals::model::ReferralRow;

/// Calls off an appointment that is held or booked, and gives its place back.
pub fn cancel(conn: &mut DbConn, caller: &Principal, row: AppointmentRow, cancellation: AppointmentCancellation) -> Result<AppointmentRow> {
    let conclusion =
        AppointmentConclusion { cancellation: Some(cancellation), concluded_at: Some(caller.at), ..AppointmentConclusion::default() };
    let next = AppointmentRow { status: AppointmentStatus::Cancelled, held_until: None, conclusion: Json(conclusion), ..row };
    let row = save(conn, caller, next)?;
    effects::given_up(conn, caller, &row)?;
    Ok(row)
}

/// Calls off what is to come of a referral that has just come to nothing: nobody expects the person by it any more. What was agreed in one
/// that was completed stands. Whoever calls this holds the referral, so that nobody books in it meanwhile.
pub fn follow(conn: &mut DbConn, caller: &Principal, referral: &ReferralRow) -> Result<()> {
    if !referral.status.is_in_vain() {
        return Ok(());
    }
    for row in repository::to_come(conn, referral.id, caller.at)? {
        let by = if row.provider_id == caller.organization_id { CancelledBy::Provider } else { CancelledBy::Requester };
        cancel(conn, caller, row, AppointmentCancellation { by, reason: CancelReason::ReferralClosed, text: None })?;
    }
    Ok(())
}
