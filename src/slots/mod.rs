//! Slots: the times at which somebody can come to a service or a practitioner, each with so many places (FHIR `Slot`).
//!
//! An organization publishes them for the services that it gives and the practitioners who act for it, one by one or for every opening
//! of a timetable at once ([`publishing`]). A slot is directory data: it says when there is room and for how many, and nothing of who
//! comes. How many places are taken is counted from the appointments whenever it is asked, so that the two cannot disagree, and a hold
//! that has run out is free without anybody having to write that down.

pub mod api;
pub mod handlers;
pub mod model;
pub mod publishing;
pub mod repository;

use crate::http::routes::Routes;

/// The routes.
pub fn configure(routes: &mut Routes<'_>) {
    routes
        .service(handlers::list_service_slots)
        .service(handlers::list_practitioner_slots)
        .service(publishing::publish_service_slots)
        .service(publishing::publish_practitioner_slots)
        .service(handlers::create_slot)
        .service(handlers::upsert_slot)
        .service(handlers::get_slot)
        .service(handlers::update_slot)
        .service(handlers::patch_slot)
        .service(handlers::delete_slot)
        .service(handlers::list_slot_history);
}
