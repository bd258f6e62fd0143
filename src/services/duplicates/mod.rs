//! One service, listed twice: found, set apart where it only looks so, or merged under one record.
//!
//! [`detection`] compares those that have something in common, in memory. A [merge](merge) makes one record stand for both; the other
//! leads to it and keeps what its source says, so that [`sources`] can tell who says what, and compose the one record anew when any of
//! them says something else. What belongs to the duplicate [moves](moving) with it. What it was is [kept](merges), so that the merge can be
//! [taken back](unmerge).

pub mod api;
pub mod detection;
pub mod handlers;
pub mod keys;
pub mod merge;
pub mod merges;
pub mod moving;
pub mod sources;
pub mod traits;
pub mod unmerge;
