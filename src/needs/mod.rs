//! Needs: what a patient lacks or wishes, in a domain that a service can answer.
//!
//! A screening raises needs that are merely possible; speaking with the person confirms or refutes them. Whoever sees a need works
//! on it, whichever organization recorded it.

pub mod api;
pub mod model;
pub mod repository;
