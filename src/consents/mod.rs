//! Consents: what a patient permits an organization, which data of theirs and until when.
//!
//! A referral to another organization needs one for the purpose of referral. One for care coordination is a grant: with it the other
//! organization sees the patient, and of the patient what the consent names (`auth::sight`). A withdrawal is effective at once.

pub mod api;
pub mod handlers;
pub mod model;
pub mod repository;
pub mod shown;

use crate::http::routes::Routes;

/// The routes.
pub fn configure(routes: &mut Routes<'_>) {
    routes
        .service(handlers::list_consents)
        .service(handlers::list_patient_consents)
        .service(handlers::create_consent)
        .service(handlers::get_consent)
        .service(handlers::update_consent)
        .service(handlers::patch_consent)
        .service(handlers::delete_consent)
        .service(handlers::withdraw_consent)
        .service(handlers::list_consent_history);
}
