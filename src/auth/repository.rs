//! The queries of clients and signing keys.

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;

use super::model::{Client, NewClient, SecretHashes, Standing, StandingRow};
use crate::db::DbConn;
use crate::db::schema::{clients, organizations, signing_keys};
use crate::db::types::Instant;
use crate::each;
use crate::error::Result;
use crate::kind::ClientId;

/// What a client may do now; `None` where there is no such client.
pub fn find_standing(conn: &mut DbConn, id: ClientId) -> Result<Option<Standing>> {
    let client = clients::table.inner_join(organizations::table).filter(clients::id.eq(id));
    let found: Option<StandingRow> = each!(conn, |conn| client.select(Standing::COLUMNS).first(conn)).optional()?;
    Ok(found.map(Standing::from))
}

/// The hashes that a client's secret is checked against.
pub fn find_secret_hashes(conn: &mut DbConn, id: ClientId) -> Result<Option<SecretHashes>> {
    let found = clients::table
        .find(id)
        .select((clients::secret_hash, clients::previous_secret_hash, clients::previous_secret_expires_at))
        .first(conn)
        .optional()?;
    Ok(found)
}

/// The client with this id.
pub fn find_client(conn: &mut DbConn, id: ClientId) -> Result<Option<Client>> {
    let found =
        clients::table.inner_join(organizations::table).filter(clients::id.eq(id)).select(Client::COLUMNS).first(conn).optional()?;
    Ok(found)
}

/// Every client, oldest first.
pub fn list_clients(conn: &mut DbConn) -> Result<Vec<Client>> {
    Ok(clients::table.inner_join(organizations::table).order(clients::id).select(Client::COLUMNS).load(conn)?)
}

/// Adds a client.
pub fn insert_client(conn: &mut DbConn, client: &NewClient) -> Result<()> {
    diesel::insert_into(clients::table).values(client).execute(conn)?;
    Ok(())
}

/// Whether there are or were other clients of its organization.
pub fn has_others(conn: &mut DbConn, client: &NewClient) -> Result<bool> {
    let others = clients::table.filter(clients::organization_id.eq(client.organization_id)).filter(clients::id.ne(client.id));
    Ok(diesel::select(diesel::dsl::exists(others)).get_result(conn)?)
}

/// Gives a client a new secret; the present one stays good until `grace_ends_at`, one before it no longer. False where there is no
/// such client.
pub fn rotate_secret(conn: &mut DbConn, id: ClientId, secret_hash: &str, grace_ends_at: Instant, now: Instant) -> Result<bool> {
    let Some(present) = find_secret_hashes(conn, id)? else { return Ok(false) };
    let changed = diesel::update(clients::table.find(id))
        .set((
            clients::secret_hash.eq(secret_hash),
            clients::previous_secret_hash.eq(Some(present.secret_hash)),
            clients::previous_secret_expires_at.eq(Some(grace_ends_at)),
            clients::version.eq(clients::version + 1),
            clients::updated_at.eq(now),
        ))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Keeps the same hash of a client in another form, where the client still has it.
pub fn rewrite_hash(conn: &mut DbConn, id: ClientId, hash: &str, rewritten: &str) -> Result<()> {
    let present = clients::table.find(id).filter(clients::secret_hash.eq(hash));
    diesel::update(present).set(clients::secret_hash.eq(rewritten)).execute(conn)?;
    let previous = clients::table.find(id).filter(clients::previous_secret_hash.eq(hash));
    diesel::update(previous).set(clients::previous_secret_hash.eq(Some(rewritten))).execute(conn)?;
    Ok(())
}

/// Lets a client call, or no longer. False where there is no such client.
pub fn set_active(conn: &mut DbConn, id: ClientId, is_active: bool, now: Instant) -> Result<bool> {
    let changed = diesel::update(clients::table.find(id))
        .set((clients::is_active.eq(is_active), clients::version.eq(clients::version + 1), clients::updated_at.eq(now)))
        .execute(conn)?;
    Ok(changed == 1)
}

/// The keys that are not retired, newest first: the PEM text, and when it was made.
pub fn list_signing_keys(conn: &mut DbConn) -> Result<Vec<(String, Instant)>> {
    let keys = signing_keys::table
        .filter(signing_keys::retired_at.is_null())
        .order((signing_keys::created_at.desc(), signing_keys::kid))
        .select((signing_keys::pem, signing_keys::created_at))
        .load(conn)?;
    Ok(keys)
}

/// Has everybody wait who would add a key, until the transaction ends. On SQLite whoever writes is alone.
pub fn lock_signing_keys(conn: &mut DbConn) -> Result<()> {
    if let DbConn::Pg(conn) = conn {
        conn.batch_execute("LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE")?;
    }
    Ok(())
}

/// Every signing key, newest first: its id, when it was made, and when it was retired.
pub fn list_signing_key_ids(conn: &mut DbConn) -> Result<Vec<(String, Instant, Option<Instant>)>> {
    let keys = signing_keys::table
        .order((signing_keys::created_at.desc(), signing_keys::kid))
        .select((signing_keys::kid, signing_keys::created_at, signing_keys::retired_at))
        .load(conn)?;
    Ok(keys)
}

/// Takes a key out of use: it signs and verifies nothing any more. False where there is no such key in use.
pub fn retire_signing_key(conn: &mut DbConn, kid: &str, now: Instant) -> Result<bool> {
    let key = signing_keys::table.filter(signing_keys::kid.eq(kid)).filter(signing_keys::retired_at.is_null());
    Ok(diesel::update(key).set(signing_keys::retired_at.eq(Some(now))).execute(conn)? == 1)
}

/// Adds a signing key.
pub fn insert_signing_key(conn: &mut DbConn, kid: &str, pem: &str, now: Instant) -> Result<()> {
    diesel::insert_into(signing_keys::table)
        .values((
            signing_keys::kid.eq(kid),
            signing_keys::pem.eq(pem),
            signing_keys::created_at.eq(now),
            signing_keys::retired_at.eq(None::<Instant>),
        ))
        .execute(conn)?;
    Ok(())
}
