//! Screenings: one person's answers to an [instrument](crate::instruments), and what the server found in them.
//!
//! A draft takes answers as they come. Completed, it is scored once and for all, raises needs, and says at once what somebody must act
//! on. Answers are corrected by retracting the screening and recording another.

pub mod api;
pub mod model;
pub mod repository;
pub mod scoring;
pub mod series;
