//! HTTP of appointments: the common verbs and the diary.

use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, put};
use chrono::Duration;

use super::api::{Appointment, AppointmentQuery, BookingQuery};
use super::model::{AppointmentInput, AppointmentRow};
use super::{booking, effects, repository, shown};
use crate::app::State;
use crate::auth::{Allowed, Principal, scope, sight};
use crate::changes::{Action, Actor};
use crate::db::DbConn;
use crate::db::types::{Id, Instant};
use crate::error::{Error, Fault, Result};
use crate::http::body::{MergePatch, Valid};
use crate::http::command::{Command, Reply};
use crate::http::etag::{IfMatch, IfNoneMatch, OptionalIfMatch};
use crate::http::page::{self, Limit, Page};
use crate::http::query::Query;
use crate::http::resource::{self, ByIdentifier, Head, HistoryQuery, Resource, Revision};
use crate::kind::{self, AppointmentId};
use crate::slots;
use crate::types::Identifier;

/// Appointments, for the common verbs.
#[derive(Debug)]
pub struct Appointments;

impl Resource for Appointments {
    type Kind = kind::Appointment;
    type Input = AppointmentInput;
    type Row = AppointmentRow;
    type Shape = Appointment;

    const PATH: &'static str = "/v1/appointments";

    fn head(row: &AppointmentRow) -> Head<kind::Appointment> {
        Head {
            id: row.id,
            owner: row.organization_id,
            version: row.version,
            is_deleted: row.deleted_at.is_some(),
            patient_id: Some(row.patient_id),
            referral_id: row.referral_id,
        }
    }

    fn input(row: &AppointmentRow) -> AppointmentInput {
        row.input()
    }

    fn shape(row: AppointmentRow) -> Appointment {
        row.into()
    }

    fn view(conn: &mut DbConn, caller: &Principal, shape: Appointment) -> Result<Appointment> {
        sight::one(conn, caller, shape.at(caller.at), shown::shown)
    }

    fn is_settled(_: &Principal, _: &AppointmentRow) -> bool {
        false
    }

    fn identifiers(input: &AppointmentInput) -> &[Identifier] {
        &input.identifiers
    }

    fn find(conn: &mut DbConn, caller: &Principal, id: AppointmentId) -> Result<Option<AppointmentRow>> {
        repository::find(conn, caller, id)
    }

    /// Who made it, and whom it is with.
    fn permit(caller: &Principal, row: &AppointmentRow) -> Result<()> {
        if [row.organization_id, row.provider_id].contains(&caller.organization_id) {
            Ok(())
        } else {
            Err(Error::Forbidden("Only the organization that made an appointment, and the one that it is with, can change it.".into()))
        }
    }

    fn prepare(conn: &mut DbConn, caller: &Principal, current: Option<&AppointmentRow>, input: &mut AppointmentInput) -> Result<()> {
        let Some(row) = current else { return booking::check(conn, caller, input, true) };
        if !row.status_at(caller.at).is_open() {
            return Err(closed());
        }
        let before = row.input();
        let mut faults = Vec::new();
        if input.slot_id != before.slot_id {
            faults.push(Fault::new("/slot_id", "immutable", "cannot be changed: reschedule the appointment"));
        }
        if input.patient_id != before.patient_id {
            faults.push(Fault::new("/patient_id", "immutable", "cannot be changed"));
        }
        if input.referral_id != before.referral_id {
            faults.push(Fault::new("/referral_id", "immutable", "cannot be changed"));
        }
        if input.mode != before.mode {
            let slot = slots::repository::find(conn, row.slot_id)?;
            faults.extend(slot.and_then(|slot| booking::other_mode(&slot, input.mode)));
        }
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        Ok(())
    }

    fn hide(conn: &mut DbConn, caller: &Principal, row: &AppointmentRow, input: &mut AppointmentInput) -> Result<bool> {
        let is_hidden = shown::is_note_hidden(conn, caller, row)?;
        if is_hidden {
            input.note = None;
        }
        Ok(is_hidden)
    }

    fn insert(conn: &mut DbConn, caller: &Principal, id: AppointmentId, input: AppointmentInput) -> Result<AppointmentRow> {
        booking::book(conn, caller, id, input, None)
    }

    fn update(conn: &mut DbConn, caller: &Principal, row: &AppointmentRow, input: AppointmentInput) -> Result<Option<AppointmentRow>> {
        let is_hidden = shown::is_note_hidden(conn, caller, row)?;
        let row = AppointmentRow { version: row.version + 1, updated_at: caller.at, ..row.clone().written(input, caller, is_hidden) };
        Ok(repository::update(conn, &row)?.then_some(row))
    }

    /// The place is free again.
    fn delete(conn: &mut DbConn, caller: &Principal, row: &AppointmentRow) -> Result<Option<AppointmentRow>> {
        if !row.status_at(caller.at).is_open() {
            return Err(closed());
        }
        repository::lock(conn, row.id)?;
        let row = AppointmentRow { version: row.version + 1, updated_at: caller.at, deleted_at: Some(caller.at), ..row.clone() };
        if !repository::update(conn, &row)? {
            return Ok(None);
        }
        effects::given_up(conn, caller, &row)?;
        Ok(Some(row))
    }
}

/// What is over cannot be changed any more.
pub fn closed() -> Error {
    Error::conflict("appointment_closed", "The appointment is over: it was called off, its hold ran out, or the person came or did not.")
}

/// Writes the journal's entry of a change.
pub fn record(conn: &mut DbConn, actor: &Actor, row: &AppointmentRow, action: Action) -> Result<()> {
    resource::record_by::<Appointments>(conn, actor, &Appointments::head(row), action, &Appointments::shape(row.clone()))
}

/// List appointments
///
/// In order of time: the diary of an organization, a service or a practitioner, or all of a patient, a referral or a slot, as far as the
/// caller sees them.
#[utoipa::path(tag = "appointments", params(AppointmentQuery), responses((status = 200, description = "A page of appointments.", body = Page<Appointment>)), security(("oauth2" = ["appointments:read"])))]
#[get("/v1/appointments")]
pub async fn list_appointments(
    app: State,
    caller: Allowed<scope::AppointmentsRead>,
    query: Query<AppointmentQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let query = query.0;
    let fingerprint = page::fingerprint(&AppointmentQuery { cursor: None, limit: Limit::default(), ..query.clone() });
    let after: Option<(Instant, AppointmentId)> =
        query.cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?;
    let page = app
        .db
        .read_briefly(move |conn| {
            let rows = repository::list(conn, &caller, &query, after)?;
            let Page { items, next } = Page::from_rows(rows, query.limit, fingerprint, |row: &AppointmentRow| (row.starts_at, row.id))?;
            let shapes = items.into_iter().map(|row| Appointment::from(row).at(caller.at)).collect();
            Ok(Page { items: shown::shown(conn, &caller, shapes)?, next })
        })
        .await?;
    Ok(page.respond(&request))
}

/// Book or hold a place in a slot
///
/// For a referral that its performer has accepted, in a slot of the performer or of the referral's service; or without a referral. An
/// organization that offers the slot and is neither side of a referral must be the caller's own, manage the patient, or have the patient's
/// consent: else the answer is 422 `consent_required`. With `hold_minutes` the place is kept for so long, to be confirmed; if it is not, it
/// is free again. A client holds at most a hundred places at once unless the server was told otherwise, and at most three places are held
/// for one patient. However many ask at once, no more places are given than there are. Of what others have booked or hold for the patient,
/// only what the caller sees counts against it.
#[utoipa::path(tag = "appointments", params(BookingQuery), request_body = AppointmentInput, responses((status = 201, description = "The new appointment.", body = Appointment), (status = 409, description = "No place is free: `slot_full`; the slot is closed or has begun: `slot_closed`; the patient has a place in it: `already_booked`; the client, or the patient, holds as many places as it may: `too_many_holds`, `too_many_holds_for_patient`; the performer of the referral does not see the patient any more: `consent_ended`.")), security(("oauth2" = ["appointments:write"])))]
#[post("/v1/appointments")]
pub async fn create_appointment(
    app: State,
    caller: Allowed<scope::AppointmentsWrite>,
    query: Query<BookingQuery>,
    command: Command<AppointmentInput>,
) -> Result<HttpResponse> {
    let hold = query.0.hold_minutes.map(|minutes| Duration::minutes(minutes.into()));
    let most = app.config.holds_per_client;
    command
        .run(&app, &caller, move |conn, caller, input| {
            if hold.is_some() {
                booking::allow_hold(conn, caller, input, most)?;
            }
            let add = |conn: &mut DbConn, input| booking::book(conn, caller, Id::generate(), input, hold);
            let (head, shape) = resource::insert_by::<Appointments>(conn, caller, input.clone(), add)?;
            Reply::created(&resource::location::<Appointments>(head.id), head.version, &shape)
        })
        .await
}

/// Create or replace an appointment by identifier
///
/// Among those of the caller's organization: books a place where there is no such appointment yet. What a replacement may change is what
/// `PUT /v1/appointments/{id}` may: the slot of one that is booked is changed by rescheduling.
#[utoipa::path(tag = "appointments", params(ByIdentifier), request_body = AppointmentInput, responses((status = 200, description = "The appointment, replaced.", body = Appointment), (status = 201, description = "The new appointment.", body = Appointment), (status = 409, description = "It is over: `appointment_closed`; or there is none yet, and no place is to be had: `slot_full`, `slot_closed`, `already_booked`, `consent_ended`.")), security(("oauth2" = ["appointments:write"])))]
#[put("/v1/appointments/by-identifier")]
pub async fn upsert_appointment(
    app: State,
    caller: Allowed<scope::AppointmentsWrite>,
    key: Query<ByIdentifier>,
    version: OptionalIfMatch,
    input: Valid<AppointmentInput>,
) -> Result<HttpResponse> {
    resource::put_by_identifier::<Appointments>(&app, &caller, &key.0, version, input.0).await
}

/// Read an appointment
///
/// Whoever made it, whom it is with, the two sides of its referral, and who sees the patient's referrals may read it. Where the patient
/// does not let an organization in, or not any more, what others have noted of the person is null to it: the `note` and the `outcome_note`
/// unless it wrote them last (`noted_by`, `outcome_noted_by`), the words of a cancellation unless it called it off (`concluded_by`).
#[utoipa::path(tag = "appointments", params(("id" = AppointmentId, Path, description = "The appointment's id.")), responses((status = 200, description = "The appointment.", body = Appointment)), security(("oauth2" = ["appointments:read"])))]
#[get("/v1/appointments/{id}")]
pub async fn get_appointment(
    app: State,
    caller: Allowed<scope::AppointmentsRead>,
    id: Path<Id<kind::Appointment>>,
    known: IfNoneMatch,
) -> Result<HttpResponse> {
    resource::get::<Appointments>(&app, &caller, *id, &known).await
}

/// Replace an appointment
///
/// What is noted of it, as long as the person may still come; `POST /v1/appointments/{id}/reschedule` moves it. Only the organization that
/// made it changes its identifiers. A `note` that the caller does not read stays where none is sent. One that is sent is the caller's own
/// from then on, and takes the place of any that was there: the history keeps it.
#[utoipa::path(tag = "appointments", params(("id" = AppointmentId, Path, description = "The appointment's id.")), request_body = AppointmentInput, responses((status = 200, description = "The appointment as it now is.", body = Appointment), (status = 409, description = "It is over: `appointment_closed`.")), security(("oauth2" = ["appointments:write"])))]
#[put("/v1/appointments/{id}")]
pub async fn update_appointment(
    app: State,
    caller: Allowed<scope::AppointmentsWrite>,
    id: Path<Id<kind::Appointment>>,
    version: IfMatch,
    input: Valid<AppointmentInput>,
) -> Result<HttpResponse> {
    resource::put::<Appointments>(&app, &caller, *id, version, input.0).await
}

/// Change an appointment
///
/// What is noted of it, as long as the person may still come; `POST /v1/appointments/{id}/reschedule` moves it. Only the organization that
/// made it changes its identifiers. A `note` that the caller does not read is not cleared by null. One that is sent is the caller's own
/// from then on, and takes the place of any that was there: the history keeps it.
#[utoipa::path(tag = "appointments", params(("id" = AppointmentId, Path, description = "The appointment's id.")), responses((status = 200, description = "The appointment as it now is.", body = Appointment), (status = 409, description = "It is over: `appointment_closed`.")), security(("oauth2" = ["appointments:write"])))]
#[patch("/v1/appointments/{id}")]
pub async fn patch_appointment(
    app: State,
    caller: Allowed<scope::AppointmentsWrite>,
    id: Path<Id<kind::Appointment>>,
    version: IfMatch,
    patch: MergePatch,
) -> Result<HttpResponse> {
    resource::patch::<Appointments>(&app, &caller, *id, version, patch).await
}

/// Delete an appointment
///
/// One that was made by mistake, before it is over; its place is free again. One that somebody knows of is cancelled instead.
#[utoipa::path(tag = "appointments", params(("id" = AppointmentId, Path, description = "The appointment's id.")), responses((status = 204, description = "It is deleted."), (status = 409, description = "It is over: `appointment_closed`.")), security(("oauth2" = ["appointments:write"])))]
#[delete("/v1/appointments/{id}")]
pub async fn delete_appointment(
    app: State,
    caller: Allowed<scope::AppointmentsWrite>,
    id: Path<Id<kind::Appointment>>,
    version: IfMatch,
) -> Result<HttpResponse> {
    resource::delete::<Appointments>(&app, &caller, *id, version).await
}

/// Read the history of an appointment
///
/// Every version, oldest first.
#[utoipa::path(tag = "appointments", params(("id" = AppointmentId, Path, description = "The appointment's id."), HistoryQuery), responses((status = 200, description = "A page of versions.", body = Page<Revision>)), security(("oauth2" = ["appointments:read"])))]
#[get("/v1/appointments/{id}/history")]
pub async fn list_appointment_history(
    app: State,
    caller: Allowed<scope::AppointmentsRead>,
    id: Path<Id<kind::Appointment>>,
    query: Query<HistoryQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    Ok(resource::history::<Appointments>(&app, &caller, *id, query.0).await?.respond(&request))
}
