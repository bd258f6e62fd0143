//! HTTP of what happens to an appointment: confirmed, moved, called off, kept or missed.

use actix_web::web::Path;
use actix_web::{HttpResponse, post};

use super::api::{Appointment, AppointmentConfirmation, AppointmentOutcome, Rescheduling};
use super::handlers::{Appointments, closed, record};
use super::model::{AppointmentCancellation, AppointmentConclusion, AppointmentInput, AppointmentRow, AppointmentStatus, Attendance};
use super::{booking, effects, ending, repository, shown};
use crate::app::State;
use crate::auth::{Allowed, Principal, scope};
use crate::changes::Action;
use crate::db::DbConn;
use crate::db::types::{Id, Instant, Json};
use crate::error::{Error, Result};
use crate::http::command::{Command, Reply};
use crate::http::etag::OptionalIfMatch;
use crate::http::resource::{self, Resource as _};
use crate::kind::{self, AppointmentId};
use crate::{referrals, slots};

/// The appointment, which the caller may act on. Nobody else changes it or its referral until the transaction ends.
fn locked_row(conn: &mut DbConn, caller: &Principal, id: AppointmentId, version: &OptionalIfMatch) -> Result<AppointmentRow> {
    repository::lock(conn, id)?;
    let row = resource::get_row::<Appointments>(conn, caller, id)?;
    let own = caller.organization_id;
    let is_side = [row.organization_id, row.provider_id].contains(&own)
        || match row.referral_id {
            Some(referral) => referrals::repository::is_party(conn, own, referral)?,
            None => false,
        };
    if !is_side {
        let detail = "Only the organization that made an appointment, the one that it is with, and the sides of its referral act on it.";
        return Err(Error::Forbidden(detail.into()));
    }
    version.check(row.version)?;
    Ok(row)
}

/// Fails where an appointment does not lead to this status at a moment.
fn check_step(row: &AppointmentRow, now: Instant, to: AppointmentStatus) -> Result<()> {
    let from = row.status_at(now);
    if from.leads_to(to) {
        return Ok(());
    }
    // That a hold runs out is nobody's act.
    let others = AppointmentStatus::ALL.iter().filter(|next| **next != AppointmentStatus::Expired && from.leads_to(**next));
    let leads_to = others.map(|next| next.as_str()).collect();
    Err(Error::IllegalTransition { from: from.as_str(), to: to.as_str(), leads_to })
}

/// Nobody comes, or does not, before it begins.
pub fn to_come() -> Error {
    Error::conflict("appointment_to_come", "The appointment has not begun, so that nobody can have come or not.")
}

/// Writes the next version of an appointment and its entry in the journal.
pub fn save(conn: &mut DbConn, caller: &Principal, row: AppointmentRow) -> Result<AppointmentRow> {
    let next = AppointmentRow { version: row.version + 1, updated_at: caller.at, ..row };
    if !repository::update(conn, &next)? {
        return Err(Error::Busy);
    }
    record(conn, &caller.actor(), &next, Action::Updated)?;
    Ok(next)
}

fn reply(conn: &mut DbConn, caller: &Principal, row: AppointmentRow) -> Result<Reply> {
    Reply::versioned(row.version, &Appointments::view(conn, caller, Appointment::from(row))?)
}

/// Fails where the place that is held, in a slot that is locked, was given to somebody else: by a server whose clock was ahead.
fn ensure_kept(conn: &mut DbConn, row: &AppointmentRow, now: Instant) -> Result<()> {
    let slot = slots::repository::find(conn, row.slot_id)?.ok_or(Error::NotFound)?;
    let taken = repository::taken_in(conn, slot.id, now)?;
    if taken > i64::from(slot.places) {
        return Err(Error::conflict("slot_full", "The place that was held has been given to somebody else."));
    }
    Ok(())
}

/// Confirm a hold
///
/// The place that is held is booked, if it still is.
#[utoipa::path(tag = "appointments", params(("id" = AppointmentId, Path, description = "The appointment's id."), ("If-Match" = Option<String>, Header, description = "Fails with 412 unless the appointment has this version.", example = "\"3\"")), request_body = AppointmentConfirmation, responses((status = 200, description = "The appointment, booked.", body = Appointment), (status = 409, description = "It is not held, or the hold has run out: `illegal_transition`; its referral is closed: `referral_closed`; the place was given to somebody else: `slot_full`; the performer of its referral, the organization that it is with, or without a referral the client's own, does not see the patient any more: `consent_ended`."), (status = 410, description = "The appointment was deleted.")), security(("oauth2" = ["appointments:write"])))]
#[post("/v1/appointments/{id}/confirm")]
pub async fn confirm_appointment(
    app: State,
    caller: Allowed<scope::AppointmentsWrite>,
    id: Path<Id<kind::Appointment>>,
    version: OptionalIfMatch,
    command: Command<AppointmentConfirmation>,
) -> Result<HttpResponse> {
    let (id, clock) = (*id, app.clock.clone());
    command
        .run(&app, &caller, move |conn, caller, input| {
            let row = locked_row(conn, caller, id, &version)?;
            // The body may come long after the call began, and what is held no longer by then is others'.
            slots::repository::lock(conn, &[row.slot_id])?;
            let now = clock.now().max(caller.at);
            check_step(&row, now, AppointmentStatus::Booked)?;
            booking::ensure_referral_is_open(conn, &row)?;
            ensure_kept(conn, &row, now)?;
            booking::ensure_agreed(conn, caller, &row)?;
            // What was there before is not sent by a confirmation without a note, read or not.
            let is_hidden = input.note.is_some() && shown::is_note_hidden(conn, caller, &row)?;
            let content = AppointmentInput { note: input.note.clone().or(row.content.note.clone()), ..row.content.0.clone() };
            let next = AppointmentRow { status: AppointmentStatus::Booked, held_until: None, ..row.written(content, caller, is_hidden) };
            let row = save(conn, caller, next)?;
            effects::booked(conn, caller, &row)?;
            reply(conn, caller, row)
        })
        .await
}

/// Move an appointment to another slot
///
/// In one step: the place in the old slot is given back when one in the new slot is taken, or kept where there is none. The new slot is
/// one of the same organization. What is held stays held, no longer than before. A `mode` that is not the new slot's goes.
#[utoipa::path(tag = "appointments", params(("id" = AppointmentId, Path, description = "The appointment's id."), ("If-Match" = Option<String>, Header, description = "Fails with 412 unless the appointment has this version.", example = "\"3\"")), request_body = Rescheduling, responses((status = 200, description = "The appointment in the other slot.", body = Appointment), (status = 409, description = "It is over: `appointment_closed`; its referral is closed: `referral_closed`; or the other slot has no place: `slot_full`, `slot_closed`, `already_booked`; or the performer of its referral, the organization that it is with, or without a referral the client's own, does not see the patient any more: `consent_ended`."), (status = 410, description = "The appointment was deleted.")), security(("oauth2" = ["appointments:write"])))]
#[post("/v1/appointments/{id}/reschedule")]
pub async fn reschedule_appointment(
    app: State,
    caller: Allowed<scope::AppointmentsWrite>,
    id: Path<Id<kind::Appointment>>,
    version: OptionalIfMatch,
    command: Command<Rescheduling>,
) -> Result<HttpResponse> {
    let id = *id;
    command
        .run(&app, &caller, move |conn, caller, input| {
            let row = locked_row(conn, caller, id, &version)?;
            if !row.status_at(caller.at).is_open() {
                return Err(closed());
            }
            booking::ensure_referral_is_open(conn, &row)?;
            let slot = slots::repository::find(conn, input.slot_id)?.filter(|slot| slot.deleted_at.is_none());
            let slot = slot.ok_or_else(|| Error::invalid("/slot_id", "not_found", "is not a slot"))?;
            if slot.id == row.slot_id || slot.organization_id != row.provider_id {
                return Err(Error::invalid("/slot_id", "not_allowed", "is the present slot, or one of another organization"));
            }
            let slot = booking::claim(conn, caller, &[row.slot_id, slot.id], slot.id, row.patient_id)?;
            booking::ensure_agreed(conn, caller, &row)?;
            let row = save(conn, caller, row.moved_to(&slot))?;
            if row.status == AppointmentStatus::Booked {
                effects::booked(conn, caller, &row)?;
            }
            reply(conn, caller, row)
        })
        .await
}

/// Cancel an appointment
///
/// One that is held or booked. It says who called it off and why, and gives the place back.
#[utoipa::path(tag = "appointments", params(("id" = AppointmentId, Path, description = "The appointment's id."), ("If-Match" = Option<String>, Header, description = "Fails with 412 unless the appointment has this version.", example = "\"3\"")), request_body = AppointmentCancellation, responses((status = 200, description = "The appointment, cancelled.", body = Appointment), (status = 409, description = "It is over: `illegal_transition`."), (status = 410, description = "The appointment was deleted.")), security(("oauth2" = ["appointments:write"])))]
#[post("/v1/appointments/{id}/cancel")]
pub async fn cancel_appointment(
    app: State,
    caller: Allowed<scope::AppointmentsWrite>,
    id: Path<Id<kind::Appointment>>,
    version: OptionalIfMatch,
    command: Command<AppointmentCancellation>,
) -> Result<HttpResponse> {
    let id = *id;
    command
        .run(&app, &caller, move |conn, caller, cancellation| {
            let row = locked_row(conn, caller, id, &version)?;
            check_step(&row, caller.at, AppointmentStatus::Cancelled)?;
            let row = ending::cancel(conn, caller, row, cancellation.clone())?;
            reply(conn, caller, row)
        })
        .await
}

/// Say whether the person came
///
/// From the appointment's beginning on; `attended` may be corrected to `no_show`, and `no_show` to `attended`. What was noted before goes
/// then, unless the caller does not read it and sends no `note`. The referral, where it is open, has this as its `business_status` from
/// then on; if the person came to the referral's performer, who was still to reach them first, that follow-up is completed.
#[utoipa::path(tag = "appointments", params(("id" = AppointmentId, Path, description = "The appointment's id."), ("If-Match" = Option<String>, Header, description = "Fails with 412 unless the appointment has this version.", example = "\"3\"")), request_body = AppointmentOutcome, responses((status = 200, description = "The appointment as it now is.", body = Appointment), (status = 409, description = "It is not booked: `illegal_transition`; it has not begun: `appointment_to_come`."), (status = 410, description = "The appointment was deleted.")), security(("oauth2" = ["appointments:write"])))]
#[post("/v1/appointments/{id}/conclude")]
pub async fn conclude_appointment(
    app: State,
    caller: Allowed<scope::AppointmentsWrite>,
    id: Path<Id<kind::Appointment>>,
    version: OptionalIfMatch,
    command: Command<AppointmentOutcome>,
) -> Result<HttpResponse> {
    let id = *id;
    command
        .run(&app, &caller, move |conn, caller, outcome| {
            let row = locked_row(conn, caller, id, &version)?;
            let status = match outcome.status {
                Attendance::Attended => AppointmentStatus::Attended,
                Attendance::NoShow => AppointmentStatus::NoShow,
            };
            check_step(&row, caller.at, status)?;
            if row.starts_at > caller.at {
                return Err(to_come());
            }
            let is_hidden = shown::is_outcome_hidden(conn, caller, &row)?;
            let conclusion = AppointmentConclusion::by(caller).noting(outcome.note.clone(), &row.conclusion, caller, is_hidden);
            let row = save(conn, caller, AppointmentRow { status, conclusion: Json(conclusion), ..row })?;
            match outcome.status {
                Attendance::Attended => effects::attended(conn, caller, &row)?,
                Attendance::NoShow => effects::missed(conn, caller, &row)?,
            }
            reply(conn, caller, row)
        })
        .await
}
