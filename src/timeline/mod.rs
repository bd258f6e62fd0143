//! The timeline of a patient: one ordered chart of all that the caller may see, read from the journal.

pub mod handlers;
pub mod title;

use crate::http::routes::Routes;

/// The routes.
pub fn configure(routes: &mut Routes<'_>) {
    routes.service(handlers::list_patient_timeline);
}
