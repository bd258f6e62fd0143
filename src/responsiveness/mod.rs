//! How soon and how well referrals to a service, or to an organization, are answered.
//!
//! [`course`] says what one referral tells, [`model`] what many of them do, and what of that may be shown. The figures are counted from
//! the transitions of referrals by [`counting`], which follows the journal, one process at a time; every process keeps those of services
//! [in memory](known), so that lists and matching ask no query for them.

pub mod api;
pub mod counting;
pub mod course;
pub mod handlers;
pub mod known;
pub mod model;
pub mod repository;

pub use self::api::Responsiveness;
pub use self::known::Known;
use crate::http::routes::Routes;

/// The routes.
pub fn configure(routes: &mut Routes<'_>) {
    routes.service(handlers::get_service_responsiveness).service(handlers::get_organization_responsiveness);
}
