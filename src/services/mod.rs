//! The directory of community services.
//!
//! What is searched, matched and referred to: a service at its places, or one that needs none. An organization keeps a record; another
//! may give the service, and then reports its capacity and posts its alerts. The directory is searched in memory ([`directory`],
//! [`index`], [`search`]), and reading it is open to every client and, where configured, to anyone.

pub mod api;
pub mod brief;
pub mod capacity;
pub mod directory;
pub mod duplicates;
pub mod geojson;
pub mod handlers;
pub mod index;
pub mod keeping;
pub mod model;
mod phones;
pub mod providers;
pub mod repository;
pub mod resource;
pub mod row;
pub mod rules;
pub mod schedule;
pub mod search;
pub mod shown;
pub mod suggestions;
pub mod text;

pub use self::directory::Directory;
pub use self::resource::Services;
use crate::http::routes::Routes;

/// The routes.
pub fn configure(routes: &mut Routes<'_>) {
    routes
        .service(handlers::list_services)
        .service(handlers::create_service)
        .service(handlers::search_services)
        .service(handlers::upsert_service)
        .service(duplicates::handlers::list_service_duplicates)
        .service(duplicates::handlers::dismiss_service_duplicate)
        .service(duplicates::handlers::merge_service)
        .service(duplicates::handlers::unmerge_service)
        .service(duplicates::handlers::list_service_sources)
        .service(handlers::get_service)
        .service(handlers::update_service)
        .service(handlers::patch_service)
        .service(handlers::delete_service)
        .service(handlers::list_service_history)
        .service(suggestions::handlers::list_suggestions_of_service)
        .service(suggestions::handlers::create_service_suggestion)
        .service(suggestions::handlers::list_service_suggestions)
        .service(suggestions::handlers::get_service_suggestion)
        .service(suggestions::handlers::accept_service_suggestion)
        .service(suggestions::handlers::refuse_service_suggestion)
        .service(suggestions::handlers::withdraw_service_suggestion)
        .configure(capacity::configure);
}
