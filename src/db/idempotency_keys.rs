//! The answers kept for requests with an idempotency key.

use diesel::dsl::{delete, insert_into};
use diesel::prelude::*;

use super::DbConn;
use super::schema::idempotency_keys;
use super::types::{Instant, Json};
use crate::each;
use crate::error::Result;
use crate::kind::ClientId;

/// How many rows one [`purge`] deletes at most, so that no writer waits for it long.
const PURGED_AT_ONCE: i64 = 500;

/// A request and the answer it had.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Insertable)]
#[diesel(table_name = idempotency_keys, treat_none_as_default_value = false)]
pub struct Kept {
    /// The client, to whom the key belongs.
    pub client_id: ClientId,
    /// The key.
    pub key: String,
    /// Method and path of the request.
    pub route: String,
    /// The hash of its body.
    pub body_hash: String,
    /// The status of the answer.
    pub status: i32,
    /// The headers of the answer that belong to it, such as `Location`.
    pub headers: Json<Vec<(String, String)>>,
    /// The body of the answer.
    pub body: String,
    /// When the request came.
    pub created_at: Instant,
}

/// The answer kept under a key.
pub fn find(conn: &mut DbConn, client: ClientId, key: &str) -> Result<Option<Kept>> {
    Ok(each!(conn, |conn| idempotency_keys::table.find((client, key)).first(conn)).optional()?)
}

/// Keeps an answer. A key that is taken is an [`Error::Duplicate`](crate::error::Error::Duplicate), on PostgreSQL after waiting
/// for the transaction that took it.
pub fn keep(conn: &mut DbConn, kept: &Kept) -> Result<()> {
    each!(conn, |conn| insert_into(idempotency_keys::table).values(kept).execute(conn))?;
    Ok(())
}

/// Deletes the answer kept under a key.
pub fn forget(conn: &mut DbConn, client: ClientId, key: &str) -> Result<()> {
    delete(idempotency_keys::table.find((client, key))).execute(conn)?;
    Ok(())
}

/// Deletes the oldest answers kept before a moment, a bounded number of them; returns how many.
pub fn purge(conn: &mut DbConn, before: Instant) -> Result<usize> {
    let oldest: Vec<(ClientId, String)> = idempotency_keys::table
        .filter(idempotency_keys::created_at.lt(before))
        .order(idempotency_keys::created_at)
        .limit(PURGED_AT_ONCE)
        .select((idempotency_keys::client_id, idempotency_keys::key))
        .load(conn)?;
    for key in &oldest {
        delete(idempotency_keys::table.find((key.0, &key.1))).execute(conn)?;
    }
    Ok(oldest.len())
}
