//! Suggestions: who works with a service sees first that its record is wrong, and says so without overwriting it.
//!
//! A suggestion is a merge patch on a version of the record. Its keeper accepts it, and the service changes as by a PATCH, or refuses it
//! and says why. Whoever suggested it hears of either, by the feed and by webhooks.

pub mod api;
pub mod handlers;
pub mod model;
mod repository;
