//! The room that services have, as their providers say it: one default room for each service, and any that it counts apart, such as
//! places kept for newcomers or hours of a second kind of help.
//!
//! What is said is part of the service and a new version of it, so that the journal, the feed, webhooks, search and matching follow at
//! once; what was said before stays in a history of its own. A provider with many services says it of all of them in one call.

pub mod api;
pub mod handlers;
pub mod setting;

pub use self::setting::{MOST_ROOMS, lock, say, take_place};

use crate::http::routes::Routes;

/// The routes.
pub fn configure(routes: &mut Routes<'_>) {
    routes
        .service(handlers::set_service_capacities)
        .service(handlers::set_service_capacity)
        .service(handlers::list_service_capacity_history)
        .service(handlers::set_named_service_capacity)
        .service(handlers::delete_named_service_capacity);
}
