//! Practitioners: the people who act for an organization, from clinicians to volunteers.
//!
//! Patients meet them, so their names, languages and introductions are public to every client; what only their own organization needs
//! is not.

pub mod api;
pub mod handlers;
pub mod model;
pub mod repository;

use crate::http::routes::Routes;

/// The routes.
pub fn configure(routes: &mut Routes<'_>) {
    routes
        .service(handlers::list_practitioners)
        .service(handlers::create_practitioner)
        .service(handlers::upsert_practitioner)
        .service(handlers::get_practitioner)
        .service(handlers::update_practitioner)
        .service(handlers::patch_practitioner)
        .service(handlers::delete_practitioner)
        .service(handlers::list_practitioner_history)
        .service(handlers::get_practitioner_caseload);
}
