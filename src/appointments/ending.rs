//! Appointments that are called off: by somebody, or with their referral.

use super::actions::save;
use super::model::{AppointmentCancellation, AppointmentConclusion, AppointmentRow, AppointmentStatus, CancelReason, CancelledBy};
use super::{effects, repository};
use crate::auth::Principal;
use crate::db::DbConn;
use crate::db::types::Json;
use crate::error::Result;
use crate::referrals::lifecycle::ReferralStatus;
use crate::referrals::model::ReferralRow;

/// Calls off an appointment that is held or booked, and gives its place back.
pub fn cancel(conn: &mut DbConn, caller: &Principal, row: AppointmentRow, cancellation: AppointmentCancellation) -> Result<AppointmentRow> {
    let conclusion = AppointmentConclusion { cancellation: Some(cancellation), ..AppointmentConclusion::by(caller) };
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
    // To reject and to fail are the performer's, whoever speaks for it.
    let is_performers = referral.performer_id == Some(caller.organization_id)
        || matches!(referral.status, ReferralStatus::Rejected | ReferralStatus::Failed);
    for row in repository::to_come(conn, referral.id, caller.at)? {
        let is_providers = is_performers || row.provider_id == caller.organization_id;
        let by = if is_providers { CancelledBy::Provider } else { CancelledBy::Requester };
        cancel(conn, caller, row, AppointmentCancellation { by, reason: CancelReason::ReferralClosed, text: None })?;
    }
    Ok(())
}
