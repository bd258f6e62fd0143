//! Patients: the people who are helped.
//!
//! The organization that creates a patient manages them and sees all; others see what the patient's consents let them see
//! (`auth::sight`), and the record tells what is withheld. Nothing about a person stands in a URL: people are looked for by
//! `POST /v1/patients/search`, through keys that hold no personal data ([`keys`]) and a comparison that forgives spelling
//! ([`duplicates`]). Two records of one person are merged ([`merge`]); the survivor keeps both histories.

pub mod api;
pub mod care;
pub mod contact;
pub mod duplicates;
pub mod equity;
pub mod filed;
pub mod handlers;
pub mod health_number;
pub mod keys;
pub mod merge;
pub mod model;
pub mod name;
pub mod repository;
pub mod search;
pub mod usability;

use crate::http::routes::Routes;

/// The routes.
pub fn configure(routes: &mut Routes<'_>) {
    routes
        .service(handlers::list_patients)
        .service(handlers::create_patient)
        .service(handlers::search_patients)
        .service(handlers::upsert_patient)
        .service(handlers::get_patient)
        .service(handlers::update_patient)
        .service(handlers::patch_patient)
        .service(handlers::delete_patient)
        .service(handlers::list_patient_history)
        .service(handlers::merge_patient)
        .service(handlers::set_need_level)
        .service(handlers::list_need_levels)
        .service(handlers::set_primary_navigator)
        .service(handlers::end_primary_navigator)
        .service(handlers::list_primary_navigators);
}
