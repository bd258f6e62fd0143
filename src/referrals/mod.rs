//! Referrals: one documented path from a wish for help to its outcome, the same for clinic to program, program to agency, agency to
//! agency and a person for themself.
//!
//! [`lifecycle`] is the table of what may follow what, [`workflow`] what follows from it. The requester owns a referral; the performer
//! moves it; both write to each other in its messages.

pub mod alternatives;
pub mod api;
pub mod codes;
pub mod handlers;
pub mod lifecycle;
pub mod links;
pub mod loading;
pub mod model;
pub mod repository;
pub mod shown;
pub mod transitions;
pub mod workflow;

use crate::http::routes::Routes;

/// The routes.
pub fn configure(routes: &mut Routes<'_>) {
    routes
        .service(handlers::list_referrals)
        .service(handlers::create_referral)
        .service(handlers::upsert_referral)
        .service(handlers::get_referral)
        .service(handlers::update_referral)
        .service(handlers::patch_referral)
        .service(handlers::delete_referral)
        .service(handlers::list_referral_history)
        .service(alternatives::list_referral_alternatives)
        .service(transitions::create_referral_transition)
        .service(transitions::list_referral_transitions)
        .service(transitions::get_referral_transition)
        .service(transitions::create_referral_message)
        .service(transitions::list_referral_messages)
        .service(transitions::get_referral_message)
        .service(transitions::acknowledge_referral_messages)
        .service(links::handlers::create_referral_link)
        .service(links::handlers::list_referral_links)
        .service(links::handlers::revoke_referral_links);
}
