//! Kith, the open back end of social prescribing.
pub mod auth;
pub mod changes;
pub mod clock;
pub mod config;
pub mod db;
pub mod error;
pub mod identifiers;
pub mod import;
pub mod instruments;
pub mod kind;
pub mod logging;
pub mod matching;
pub mod needs;
pub mod screenings;
pub mod services;
pub mod types;
