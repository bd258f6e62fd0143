//! Waiting lists: who waits for room at a service, in which order, and to whom a place is offered.
//!
//! An entry belongs to a referral to the service, and is seen by whoever sees the referral. [`queue`] is the order and what moves it: a
//! place that opens is offered to whoever is first, for as long as the agency's policy says; whoever declines it, or lets it run out,
//! makes way for the next. All that moves a list holds the service's row, so that no place is ever offered twice, whichever process
//! does it; [`sweeper`] looks for offers that have run out.

pub mod api;
pub mod handlers;
pub mod model;
pub mod queue;
pub mod repository;
pub mod sweeper;

use crate::http::routes::Routes;

/// The routes.
pub fn configure(routes: &mut Routes<'_>) {
    routes
        .service(handlers::list_waitlist_entries)
        .service(handlers::create_waitlist_entry)
        .service(handlers::get_waitlist_entry)
        .service(handlers::update_waitlist_entry)
        .service(handlers::patch_waitlist_entry)
        .service(handlers::accept_place)
        .service(handlers::decline_place)
        .service(handlers::leave_waitlist);
}
