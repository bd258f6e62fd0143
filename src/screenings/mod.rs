//! Screenings: one person's answers to an [instrument](crate::instruments), and what the server found in them.

pub mod scoring;
pub mod series;
