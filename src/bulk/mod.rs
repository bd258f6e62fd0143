//! Bulk: imports and exports of a million records, that go on beside the requests.
//!
//! An import is NDJSON: each line names a kind of resource and has its body, and is written by the very functions that the single calls
//! use ([`kinds`]), with the same schema, rules, journal and sight. What arrives is laid into the database in packed pieces of whole lines
//! ([`intake`]), so that nothing of it is kept in memory, any process can go on with it, and it is as well guarded as all else. A worker
//! ([`engine`]) leases a job and writes some lines at a time, in one transaction with the place that it has reached and with what became of
//! each line ([`importing`]): whatever dies in the middle, nothing is lost and nothing done twice. A dry run goes the same way, and takes
//! each line back (`dry_run`). An export goes the other way
//! ([`exporting`]), by pages in order of id, as the client that asked for it sees things, into files that are downloaded by a link which runs out.

pub mod api;
pub mod download;
mod dry_run;
pub mod engine;
pub mod exporting;
pub mod exports;
pub mod handlers;
mod history;
pub mod importing;
pub mod intake;
pub mod kinds;
pub mod model;
pub mod pieces;
pub mod references;
pub mod repository;
mod resources;
mod rows;

pub use self::engine::Engine;

use crate::http::routes::Routes;

/// The routes.
pub fn configure(routes: &mut Routes<'_>) {
    routes
        .service(handlers::list_imports)
        .service(handlers::create_import)
        .service(handlers::get_import)
        .service(handlers::cancel_import)
        .service(handlers::list_import_results)
        .service(exports::list_exports)
        .service(exports::create_export)
        .service(exports::get_export)
        .service(exports::cancel_export);
}
