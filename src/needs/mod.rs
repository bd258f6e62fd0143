//! Needs: what a patient lacks or wishes, in a domain that a service can answer.
//!
//! A screening raises needs that are merely possible; speaking with the person confirms or refutes them. Whoever sees a need works
//! on it, whichever organization recorded it.

pub mod api;
pub mod handlers;
pub mod model;
pub mod repository;

use crate::http::routes::Routes;

/// The routes.
pub fn configure(routes: &mut Routes<'_>) {
    routes
        .service(handlers::list_need_domains)
        .service(handlers::list_needs)
        .service(handlers::list_patient_needs)
        .service(handlers::create_need)
        .service(handlers::upsert_need)
        .service(handlers::get_need)
        .service(handlers::update_need)
        .service(handlers::patch_need)
        .service(handlers::delete_need)
        .service(handlers::list_need_history);
}
