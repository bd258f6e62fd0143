//! The directory of community services.
pub mod model;
