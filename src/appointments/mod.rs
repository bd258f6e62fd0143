//! Appointments: places in slots, kept for patients (FHIR `Appointment`).
//!
//! A place is held for some minutes or booked at once; a hold is confirmed or runs out by itself. A booked one is moved to another slot
//! in one step, cancelled with a reason, and in the end the person came or did not. How many places a slot has left is counted under a
//! lock of the slot ([`repository::taken`]), so that whoever asks at once for the last one, one of them gets it. What happens to an
//! appointment says the finer word of its referral ([`effects`]): booked, attended, no_show. A referral that comes to nothing calls off what
//! is to come of it ([`ending`]).

pub mod actions;
pub mod api;
pub mod booking;
pub mod calendar;
pub mod effects;
pub mod ending;
pub mod expiry;
pub mod handlers;
pub mod loading;
pub mod model;
pub mod repository;
pub mod shown;

use crate::http::routes::Routes;

/// The routes.
pub fn configure(routes: &mut Routes<'_>) {
    routes
        .service(handlers::list_appointments)
        .service(handlers::create_appointment)
        .service(handlers::upsert_appointment)
        .service(handlers::get_appointment)
        .service(handlers::update_appointment)
        .service(handlers::patch_appointment)
        .service(handlers::delete_appointment)
        .service(handlers::list_appointment_history)
        .service(actions::confirm_appointment)
        .service(actions::reschedule_appointment)
        .service(actions::cancel_appointment)
        .service(actions::conclude_appointment)
        .service(calendar::get_appointment_calendar)
        .service(calendar::feed::create_service_calendar_link)
        .service(calendar::feed::list_service_calendar_links)
        .service(calendar::feed::revoke_service_calendar_links)
        .service(calendar::feed::create_practitioner_calendar_link)
        .service(calendar::feed::list_practitioner_calendar_links)
        .service(calendar::feed::revoke_practitioner_calendar_links);
}
