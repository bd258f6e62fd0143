//! Organizations: health authorities, clinics, link-worker programs, agencies and directories.
//!
//! An organization owns data and has clients that call for it; or it is only known, as the provider of services, and kept by the
//! organization that keeps its directory. Organizations are no secret: every client may read them.

pub mod api;
pub mod handlers;
pub mod model;
pub mod repository;
pub mod tenants;

use crate::http::routes::Routes;

/// The routes.
pub fn configure(routes: &mut Routes<'_>) {
    routes
        .service(handlers::list_organizations)
        .service(handlers::create_organization)
        .service(handlers::upsert_organization)
        .service(handlers::get_organization)
        .service(handlers::update_organization)
        .service(handlers::patch_organization)
        .service(handlers::delete_organization)
        .service(handlers::list_organization_history);
}
