//! The journal: every change of every resource, written in the transaction of the change itself.
//!
//! [`handlers`] gives it as a feed: what a caller may see, in an order in which nothing is ever skipped.

pub mod api;
pub mod feed;
pub mod filter;
pub mod follower;
pub mod handlers;
pub mod model;
pub mod place;
pub mod places;
pub mod repository;
pub mod restating;
pub mod sketch;
pub mod stream;
pub mod view;

pub use self::follower::{Demand, Follower};
pub use self::model::{Action, Actor, Change, Entry, Position, ensure_few};
pub use self::repository::{
    after, before, earlier, history, history_of_all, last, last_imported, last_until, latest, numbered, record, record_all,
};
pub use self::sketch::{MOST_BYTES, Sketch, sketched, whole};

use crate::http::routes::Routes;

/// The routes.
pub fn configure(routes: &mut Routes<'_>) {
    routes.service(handlers::list_changes);
}
