//! Writing and reading the journal.

use diesel::dsl::{insert_into, sql};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use serde::Serialize;
use serde_json::value::to_raw_value;
use uuid::Uuid;

use super::model::{Actor, Change, Entry, NewEntry, Position};
use crate::db::schema::changes;
use crate::db::types::{Id, Json};
use crate::db::{DbConn, MultiBackend};
use crate::each;
use crate::error::{Error, Result};
use crate::kind::ResourceType;

/// Writes a change into the journal; returns its number.
pub fn record<T: Serialize>(conn: &mut DbConn, actor: &Actor, change: Change<'_, T>) -> Result<i64> {
    let entry = entry(actor, &change)?;
    Ok(insert_into(changes::table).values(&entry).returning(changes::sequence).get_result(conn)?)
}

/// Writes many changes of one actor, in their order, a statement for each 500.
pub fn record_all<T: Serialize>(conn: &mut DbConn, actor: &Actor, changes: &[Change<'_, T>]) -> Result<()> {
    for changes in changes.chunks(500) {
        let entries = changes.iter().map(|change| entry(actor, change)).collect::<Result<Vec<_>>>()?;
        each!(conn, |conn| insert_into(changes::table).values(&entries).execute(conn))?;
    }
    Ok(())
}

fn entry<'a, T: Serialize>(actor: &'a Actor, change: &Change<'_, T>) -> Result<NewEntry<'a>> {
    Ok(NewEntry {
        at: actor.at,
        organization_id: actor.organization_id,
        client_id: actor.client_id,
        on_behalf_of: actor.on_behalf_of.as_deref(),
        request_id: actor.request_id.as_deref(),
        resource_type: change.resource_type,
        resource_id: Id::from_uuid(change.resource_id),
        owner_id: change.owner_id,
        version: change.version,
        action: change.action,
        patient_id: change.patient_id,
        referral_id: change.referral_id,
        body: Json(to_raw_value(change.body).map_err(Error::internal)?),
    })
}

/// What happened to one resource, oldest first, above a version.
pub fn history(conn: &mut DbConn, resource_type: ResourceType, id: Uuid, after_version: i64, limit: i64) -> Result<Vec<Entry>> {
    let entries = changes::table
        .filter(changes::resource_type.eq(resource_type))
        .filter(changes::resource_id.eq(Id::<()>::from_uuid(id)))
        .filter(changes::version.gt(after_version))
        .order((changes::version, changes::sequence))
        .limit(limit);
    Ok(entries.load(conn)?)
}

/// The entries with these numbers, in no order.
pub fn numbered(conn: &mut DbConn, sequences: &[i64]) -> Result<Vec<Entry>> {
    Ok(changes::table.filter(changes::sequence.eq_any(sequences.to_vec())).load(conn)?)
}

/// The entry of a resource's highest version.
pub fn newest(conn: &mut DbConn, resource_type: ResourceType, id: Uuid) -> Result<Option<Entry>> {
    let entries = changes::table.filter(changes::resource_type.eq(resource_type)).filter(changes::resource_id.eq(Id::<()>::from_uuid(id)));
    Ok(entries.order((changes::version.desc(), changes::sequence.desc())).first(conn).optional()?)
}

/// The entries that follow a place in the feed, of these types or, where none are named, of all.
///
/// No entry is ever skipped: one that commits late appears later in the feed, not before what was already read.
pub fn after(conn: &mut DbConn, place: Position, types: &[ResourceType], limit: i64) -> Result<Vec<Entry>> {
    let mut entries =
        changes::table.filter(follows(conn, place)?).order((changes::transaction_id, changes::sequence)).limit(limit).into_boxed();
    if !types.is_empty() {
        entries = entries.filter(changes::resource_type.eq_any(types));
    }
    Ok(entries.load(conn)?)
}

/// Which resources of a type have entries behind a place that this transaction sees, and where; in no order, and whether or not others
/// may still appear before them. For those who must see at once what they wrote themselves.
pub fn visible_after(conn: &mut DbConn, place: Position, resource_type: ResourceType) -> Result<Vec<(Position, Uuid)>> {
    let entries = changes::table.filter(changes::resource_type.eq(resource_type)).filter(is_beyond(conn, place)).select((
        changes::transaction_id,
        changes::sequence,
        changes::resource_id,
    ));
    let entries: Vec<(i64, i64, Id<()>)> = entries.load(conn)?;
    Ok(entries.into_iter().map(|(transaction_id, sequence, id)| (Position { transaction_id, sequence }, id.uuid())).collect())
}

/// The place of the last entry that can be read; where there is none, the beginning.
pub fn latest(conn: &mut DbConn) -> Result<Position> {
    let last = changes::table
        .filter(follows(conn, Position::default())?)
        .order((changes::transaction_id.desc(), changes::sequence.desc()))
        .select((changes::transaction_id, changes::sequence))
        .first(conn)
        .optional()?;
    Ok(last.map_or_else(Position::default, |(transaction_id, sequence)| Position { transaction_id, sequence }))
}

/// Whether an entry follows a place and everything before it is decided.
///
/// SQLite's transactions do not overlap: all bear the same number and the sequence is their order. On PostgreSQL the feed ends
/// below the oldest transaction that is open. Each is written as that database's index reads it.
fn follows(conn: &mut DbConn, place: Position) -> QueryResult<Condition> {
    let is_beyond = is_beyond(conn, place);
    match conn {
        DbConn::Sqlite(_) => Ok(is_beyond),
        DbConn::Pg(conn) => {
            let oldest_open = sql::<BigInt>("journal_base() + pg_snapshot_xmin(pg_current_snapshot())::text::bigint");
            let oldest_open: i64 = diesel::select(oldest_open).get_result(conn)?;
            Ok(Box::new(is_beyond.and(changes::transaction_id.lt(oldest_open))))
        }
    }
}

type Condition = Box<dyn BoxableExpression<changes::table, MultiBackend, SqlType = Bool>>;

/// Whether an entry stands behind a place.
fn is_beyond(conn: &DbConn, place: Position) -> Condition {
    match conn {
        DbConn::Sqlite(_) => Box::new(changes::transaction_id.eq(0).and(changes::sequence.gt(place.sequence))),
        DbConn::Pg(_) => {
            let is_greater = sql::<Bool>("(transaction_id, sequence) > (")
                .bind::<BigInt, _>(place.transaction_id)
                .sql(", ")
                .bind::<BigInt, _>(place.sequence)
                .sql(")");
            Box::new(is_greater)
        }
    }
}
