//! Needs: what a patient lacks or wishes, in a domain that a service can answer.
//!
//! A screening raises needs that are merely possible; speaking with the person confirms or refutes them.

pub mod model;
