//! Kith, the open back end of social prescribing.
pub mod db;
pub mod error;
pub mod kind;
pub mod services;
pub mod types;
