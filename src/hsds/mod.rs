//! The directory in the standard of its field: Open Referral HSDS 3.2, as an API under `/hsds` and as packages.
//!
//! It shows what the directory holds and changes nothing; what comes in is read by [`import`](crate::import). [`write`] makes
//! the standard's objects of our records, [`ids`] their ids, and [`catalogue`] keeps in memory what lists by page number need. What the
//! standard has no field for stands in objects named `kith`, described by our [`profile`] of it. What a source says that Kith makes
//! nothing of is [`said`] again.

pub mod api;
pub mod catalogue;
pub mod handlers;
pub mod ids;
pub mod model;
pub mod package;
pub mod pages;
pub mod profile;
pub mod query;
pub mod repository;
pub mod said;
pub mod scroll;
pub mod tables;
pub mod write;

pub use self::catalogue::Catalogue;
use crate::http::routes::Routes;

/// The routes.
pub fn configure(routes: &mut Routes<'_>) {
    routes
        .service(handlers::get_hsds)
        .service(profile::get_hsds_profile)
        .service(profile::get_hsds_profile_file)
        .service(profile::list_hsds_schemas)
        .service(profile::get_hsds_schema)
        .service(handlers::get_hsds_package)
        .service(handlers::list_hsds_services)
        .service(handlers::query_hsds_services)
        .service(handlers::get_hsds_service)
        .service(handlers::list_hsds_service_at_locations)
        .service(handlers::query_hsds_service_at_locations)
        .service(handlers::get_hsds_service_at_location)
        .service(handlers::list_hsds_organizations)
        .service(handlers::query_hsds_organizations)
        .service(handlers::get_hsds_organization)
        .service(handlers::list_hsds_taxonomies)
        .service(handlers::query_hsds_taxonomies)
        .service(handlers::get_hsds_taxonomy)
        .service(handlers::list_hsds_taxonomy_terms)
        .service(handlers::query_hsds_taxonomy_terms)
        .service(handlers::get_hsds_taxonomy_term);
}
