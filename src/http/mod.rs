//! The contract of every operation: bodies, queries, pages, versions, idempotency, and the verbs that all resources share.

pub mod body;
pub mod command;
pub mod concurrency;
pub mod etag;
pub mod json;
pub mod kept;
pub mod middleware;
pub mod page;
pub mod patch;
pub mod query;
pub mod resource;
pub mod routes;
pub mod schema;

pub mod unpack;
