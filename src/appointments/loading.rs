//! Appointments that were over elsewhere, loaded as they stood.

use super::actions::to_come;
use super::booking;
use super::handlers::Appointments;
use super::model::{AppointmentConclusion, AppointmentInput, AppointmentRow, AppointmentStatus};
use super::repository;
use crate::auth::Principal;
use crate::db::DbConn;
use crate::db::types::Json;
use crate::error::{Error, Result};
use crate::http::resource;
use crate::kind::AppointmentId;
use crate::{patients, slots};

/// Adds an appointment as it ended, in a slot of the caller's own organization, whose word that is. Nothing follows from it for its
/// referral, which is loaded too.
pub fn load(
    conn: &mut DbConn,
    caller: &Principal,
    id: AppointmentId,
    input: AppointmentInput,
    status: AppointmentStatus,
    conclusion: AppointmentConclusion,
) -> Result<()> {
    // Before it is asked whether the patient lets that organization in.
    if slots::repository::find(conn, input.slot_id)?.is_some_and(|slot| slot.organization_id != caller.organization_id) {
        let detail = format!("The slot is another organization's: nobody else says that an appointment in it is {status}.");
        return Err(Error::conflict("state_not_loaded", detail));
    }
    booking::check(conn, caller, &input, false)?;
    let loaded = resource::insert_prepared::<Appointments>(conn, caller, input, |conn, input| {
        slots::repository::lock(conn, &[input.slot_id])?;
        let slot = slots::repository::find(conn, input.slot_id)?.ok_or(Error::NotFound)?;
        if AppointmentStatus::TAKING.contains(&status) {
            if slot.starts_at > conclusion.concluded_at.unwrap_or(caller.at) {
                return Err(to_come());
            }
            booking::ensure_place(conn, caller, &slot, input.patient_id)?;
        }
        let manager = patients::repository::manager(conn, input.patient_id)?;
        let row = AppointmentRow::new(id, &slot, input, (caller.organization_id, manager), None, caller.at);
        let row = AppointmentRow { status, conclusion: Json(conclusion), ..row };
        repository::insert(conn, &row)?;
        Ok(row)
    });
    loaded.map(|_| ())
}
