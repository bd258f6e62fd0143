//! Sources: directories of partners, pulled from their HSDS API and kept up with.
//!
//! A *pull* asks for what has changed since the last one, a *sweep* for all ids, and so learns of what has vanished; and for organizations
//! that give no service, which no pull comes upon. Both are *runs*: a [`worker`] leases a source from its table, so that no two processes
//! pull it at once, reads it page by page, and notes with each page that it has been written. Whoever takes over after a crash goes on from
//! there. Of an organization's sources one is read at a time. What is read goes the way of every [import](crate::import).

pub mod api;
pub mod credentials;
pub mod engine;
mod fetch;
pub mod handlers;
pub mod model;
mod organizations;
mod own;
mod pages;
mod repository;
pub mod runs;
mod worker;
mod writing;

pub use self::credentials::Credentials;
pub use self::engine::Engine;

use crate::http::routes::Routes;

/// The routes.
pub fn configure(routes: &mut Routes<'_>) {
    routes
        .service(handlers::list_sources)
        .service(handlers::create_source)
        .service(handlers::get_source)
        .service(handlers::update_source)
        .service(handlers::patch_source)
        .service(handlers::delete_source)
        .service(handlers::list_source_history)
        .service(runs::list_source_runs)
        .service(runs::create_source_run)
        .service(runs::get_source_run);
}
