//! Webhooks: events, posted to addresses of an organization's own as they happen, as the Standard Webhooks specification has it.
//!
//! [`dispatcher`] reads the journal on and queues its entries for the endpoints whose client sees them, [`due`] and [`passing`] add what
//! only time brings about, [`worker`] sends the queues. [`engine`] runs them in every process; they share the work over tables, so that
//! any process may die at any moment and nothing is lost: at least once, and what is about one resource in its order.

pub mod api;
pub mod client;
pub mod deliveries;
mod dispatcher;
mod due;
pub mod engine;
pub mod events;
pub mod handlers;
mod leaving;
mod lifecycle;
pub mod model;
mod passing;
pub mod payload;
mod queue;
mod repository;
mod schedule;
mod signing;
mod turning;
mod worker;

pub use self::client::Client;
pub use self::engine::Engine;

use crate::http::routes::Routes;

/// The routes.
pub fn configure(routes: &mut Routes<'_>) {
    routes
        .service(handlers::list_webhook_endpoints)
        .service(handlers::create_webhook_endpoint)
        .service(handlers::get_webhook_endpoint)
        .service(handlers::update_webhook_endpoint)
        .service(handlers::patch_webhook_endpoint)
        .service(handlers::delete_webhook_endpoint)
        .service(handlers::list_webhook_endpoint_history)
        .service(handlers::rotate_webhook_secret)
        .service(deliveries::ping_webhook_endpoint)
        .service(deliveries::replay_webhook_endpoint)
        .service(deliveries::list_webhook_deliveries)
        .service(deliveries::get_webhook_delivery)
        .service(deliveries::resend_webhook_delivery);
}
