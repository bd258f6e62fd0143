//! Screenings: one person's answers to an [instrument](crate::instruments), and what the server found in them.
//!
//! A draft takes answers as they come. Completed, it is scored once and for all, raises needs, and says at once what somebody must act
//! on. Answers are corrected by retracting the screening and recording another.

pub mod api;
pub mod findings;
pub mod handlers;
pub mod links;
pub mod model;
pub mod recording;
pub mod repository;
pub mod scoring;
pub mod series;
pub mod suggesting;

use crate::http::routes::Routes;

/// The routes.
pub fn configure(routes: &mut Routes<'_>) {
    routes
        .service(handlers::list_screenings)
        .service(handlers::list_patient_screenings)
        .service(handlers::get_patient_scores)
        .service(handlers::create_screening)
        .service(handlers::upsert_screening)
        .service(handlers::get_screening)
        .service(handlers::update_screening)
        .service(handlers::patch_screening)
        .service(handlers::delete_screening)
        .service(handlers::complete_screening)
        .service(handlers::retract_screening)
        .service(handlers::list_screening_history)
        .service(links::handlers::create_screening_link)
        .service(links::handlers::list_screening_links)
        .service(links::handlers::revoke_screening_links)
        .service(links::handlers::get_linked_screening)
        .service(links::handlers::answer_linked_screening)
        .service(links::handlers::complete_linked_screening);
}
