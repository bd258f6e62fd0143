//! The directory of community services.

pub mod index;
pub mod model;
pub mod schedule;
pub mod search;
pub mod text;
