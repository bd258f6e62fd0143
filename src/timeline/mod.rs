//! The timeline of a patient: one ordered chart of all that the caller may see, read from the journal.

pub mod handlers;
pub mod title;

use utoipa_actix_web::service_config::ServiceConfig;

/// The routes.
pub fn configure(routes: &mut ServiceConfig<'_>) {
    routes.service(handlers::list_patient_timeline);
}
