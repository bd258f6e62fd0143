//! Appointments as iCalendar (RFC 5545), for the calendars of people.
//!
//! A calendar is read over shoulders, on shared devices and by the companies that keep it. So an event says when, and where as far as the
//! slot says so, and neither who comes nor what for: the id in its UID leads whoever may know to the rest. Times are in UTC, which every
//! calendar shows in its own zone, whatever becomes of daylight saving.

pub mod feed;

use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::web::Path;
use actix_web::{HttpResponse, get};
use icalendar::{Calendar, Class, Component as _, Event, EventLike as _, EventStatus, Property};

use super::handlers::Appointments;
use super::model::{AppointmentRow, AppointmentStatus};
use crate::app::State;
use crate::auth::{Allowed, scope};
use crate::db::DbConn;
use crate::db::types::{Id, Instant};
use crate::error::Result;
use crate::http::resource;
use crate::kind::{self, AppointmentId, OrganizationId};
use crate::{languages, organizations, slots};

/// The media type.
pub const TEXT_CALENDAR: &str = "text/calendar; charset=utf-8";
/// What made the calendar (RFC 5545 §3.7.3).
const PRODUCT: &str = "-//Kith//Appointments//EN";

/// An appointment as an event, which is the same one in every calendar and in every version.
pub fn event(row: &AppointmentRow, location: Option<&str>, title: &str, now: Instant) -> Event {
    let status = match row.status_at(now) {
        AppointmentStatus::Held => EventStatus::Tentative,
        AppointmentStatus::Booked | AppointmentStatus::Attended | AppointmentStatus::NoShow => EventStatus::Confirmed,
        AppointmentStatus::Cancelled | AppointmentStatus::Expired => EventStatus::Cancelled,
    };
    let mut event = Event::with_uid(&format!("appointment-{}@kith", row.id));
    event
        .summary(title)
        .timestamp(row.updated_at.utc())
        .starts(row.starts_at.utc())
        .ends(row.ends_at.utc())
        .sequence(u32::try_from(row.version - 1).unwrap_or_default())
        .status(if row.deleted_at.is_some() { EventStatus::Cancelled } else { status })
        .class(Class::Private);
    if let Some(location) = location {
        event.location(location);
    }
    event.done()
}

/// A calendar of these events, to be read and not answered.
pub fn calendar(events: impl IntoIterator<Item = Event>) -> Calendar {
    let mut calendar = Calendar::empty();
    let properties = [("VERSION", "2.0"), ("PRODID", PRODUCT), ("CALSCALE", "GREGORIAN"), ("METHOD", "PUBLISH")];
    for (name, value) in properties {
        calendar.append_property(Property::new(name, value));
    }
    calendar.extend(events);
    calendar
}

/// The language of an organization's calendars.
pub fn language(conn: &mut DbConn, provider: OrganizationId) -> Result<String> {
    Ok(organizations::repository::find(conn, provider)?.map(|row| row.content.0.language).unwrap_or_default())
}

/// What an appointment is called in calendars of this language, as far as Kith speaks it.
pub fn title(language: &str) -> &'static str {
    if languages::is_french(language) { "Rendez-vous" } else { "Appointment" }
}

/// Download an appointment for a calendar
///
/// As an iCalendar file (RFC 5545) of one event, which takes the place of an earlier version of itself, also where it was called off. It
/// says when and, as far as the slot does, where; not who comes, and not what for.
#[utoipa::path(tag = "appointments", params(("id" = AppointmentId, Path, description = "The appointment's id.")), responses((status = 200, description = "The file.", body = String, content_type = "text/calendar")), security(("oauth2" = ["appointments:read"])))]
#[get("/v1/appointments/{id}/calendar")]
pub async fn get_appointment_calendar(
    app: State,
    caller: Allowed<scope::AppointmentsRead>,
    id: Path<Id<kind::Appointment>>,
) -> Result<HttpResponse> {
    let id = *id;
    let file = app
        .db
        .read(move |conn| {
            let row = resource::get_row::<Appointments>(conn, &caller, id)?;
            let location = slots::repository::find(conn, row.slot_id)?.and_then(|slot| slot.content.0.location);
            let language = language(conn, row.provider_id)?;
            Ok(calendar([event(&row, location.as_deref(), title(&language), caller.at)]).to_string())
        })
        .await?;
    let disposition = "attachment; filename=\"appointment.ics\"";
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, TEXT_CALENDAR)).insert_header((CONTENT_DISPOSITION, disposition)).body(file))
}
