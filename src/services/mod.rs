//! Community services.
pub mod model;
pub mod schedule;
