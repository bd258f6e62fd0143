//! Follow-ups: somebody must reach a person by a date, so that nobody who was referred is lost from sight.
//!
//! Accepting a navigation referral plans the first contact; each completed follow-up plans the next in the [`rhythm`] of the person's
//! need level, until the referral is closed. Attempts at the first contact that run out close the referral, so that its requester learns of
//! it; after others what stands in the way is looked into. What was spent on a person is their [`dose`].

pub mod api;
pub mod attempts;
pub mod conclude;
pub mod dose;
pub mod handlers;
pub mod loading;
pub mod model;
pub mod plan;
pub mod repository;
pub mod rhythm;
pub mod safety;
pub mod shown;

use crate::http::routes::Routes;

/// The routes.
pub fn configure(routes: &mut Routes<'_>) {
    routes
        .service(handlers::list_follow_ups)
        .service(handlers::create_follow_up)
        .service(handlers::upsert_follow_up)
        .service(handlers::get_follow_up)
        .service(handlers::update_follow_up)
        .service(handlers::patch_follow_up)
        .service(handlers::delete_follow_up)
        .service(handlers::list_follow_up_history)
        .service(attempts::create_contact_attempt)
        .service(attempts::list_contact_attempts)
        .service(attempts::get_contact_attempt)
        .service(conclude::complete_follow_up)
        .service(conclude::cancel_follow_up)
        .service(dose::get_referral_dose)
        .service(dose::get_patient_dose);
}
