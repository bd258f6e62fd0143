//! Kith, the open back end of social prescribing.
pub mod changes;
pub mod clock;
pub mod db;
pub mod error;
pub mod identifiers;
pub mod kind;
pub mod services;
pub mod types;
