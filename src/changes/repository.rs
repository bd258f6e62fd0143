//! Writing and reading the journal.

use std::collections::{BTreeSet, HashMap};

use chrono::Duration;
use diesel::dsl::{insert_into, max, sql};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text};
use serde::Serialize;
use serde_json::value::to_raw_value;
use uuid::Uuid;

use super::filter::Resolved;
use super::model::{Action, Actor, Change, Entry, NewEntry, Position};
use super::sketch::{Sketch, sketched};
use crate::db::schema::{changes, patients};
use crate::db::types::{Id, Instant, Json, sql_types};
use crate::db::{DbConn, MultiBackend};
use crate::each;
use crate::error::{Error, Result};
use crate::kind::{ClientId, OrganizationId, PatientId, ResourceType};

/// Writes a change into the journal.
///
/// Nothing is recorded about a patient who was merged into another while the change was made: [`Error::Busy`] has it made again, on what
/// the merge left. Nor is the patient merged before the transaction ends. On SQLite whoever writes is alone.
pub fn record<T: Serialize>(conn: &mut DbConn, actor: &Actor, change: Change<'_, T>) -> Result<()> {
    let entry = entry(actor, &change)?;
    match (conn, subject(&change)) {
        (DbConn::Pg(conn), Some(patient)) => record_about(conn, patient, &entry),
        (conn, _) => {
            each!(conn, |conn| insert_into(changes::table).values(&entry).execute(conn))?;
            Ok(())
        }
    }
}

/// The patient of whose record a change is not a change itself. Who changes the record goes by its version, as a merge does.
fn subject<T>(change: &Change<'_, T>) -> Option<PatientId> {
    change.patient_id.filter(|_| change.resource_type != ResourceType::Patient)
}

/// One statement, since every change of what belongs to patients comes through here.
fn record_about(conn: &mut PgConnection, patient: PatientId, entry: &NewEntry<'_>) -> Result<()> {
    let standing = patients::table.find(patient).filter(patients::merged_into_id.is_null()).for_key_share();
    let values = standing.select((
        entry.at.into_sql::<sql_types::Instant>(),
        entry.organization_id.into_sql::<Nullable<sql_types::Id>>(),
        entry.client_id.into_sql::<Nullable<sql_types::Id>>(),
        entry.on_behalf_of.into_sql::<Nullable<Text>>(),
        entry.request_id.into_sql::<Nullable<Text>>(),
        entry.resource_type.into_sql::<Text>(),
        entry.resource_id.into_sql::<sql_types::Id>(),
        entry.owner_id.into_sql::<Nullable<sql_types::Id>>(),
        entry.version.into_sql::<BigInt>(),
        entry.action.into_sql::<Text>(),
        entry.patient_id.into_sql::<Nullable<sql_types::Id>>(),
        entry.referral_id.into_sql::<Nullable<sql_types::Id>>(),
        (&entry.body).into_sql::<sql_types::Document>(),
    ));
    let columns = (
        changes::at,
        changes::organization_id,
        changes::client_id,
        changes::on_behalf_of,
        changes::request_id,
        changes::resource_type,
        changes::resource_id,
        changes::owner_id,
        changes::version,
        changes::action,
        changes::patient_id,
        changes::referral_id,
        changes::body,
    );
    match insert_into(changes::table).values(values).into_columns(columns).execute(conn)? {
        0 => Err(Error::Busy),
        _ => Ok(()),
    }
}

/// Fails with [`Error::Busy`] where one of these patients was merged into another, and keeps all of them from it until the transaction
/// ends.
fn keep_standing(conn: &mut PgConnection, ids: BTreeSet<PatientId>) -> Result<()> {
    let count = ids.len();
    let named = patients::table.filter(patients::id.eq_any(ids)).filter(patients::merged_into_id.is_null());
    let standing = named.order(patients::id).select(patients::id).for_key_share().execute(conn)?;
    if standing == count { Ok(()) } else { Err(Error::Busy) }
}

/// Writes many changes of one actor, in their order, a statement for each 500; see [`record`].
pub fn record_all<T: Serialize>(conn: &mut DbConn, actor: &Actor, changes: &[Change<'_, T>]) -> Result<()> {
    for changes in changes.chunks(500) {
        let subjects: BTreeSet<PatientId> = changes.iter().filter_map(subject).collect();
        if let DbConn::Pg(conn) = conn
            && !subjects.is_empty()
        {
            keep_standing(conn, subjects)?;
        }
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
pub fn history(conn: &mut DbConn, resource_type: ResourceType, id: Uuid, after_version: i64, limit: i64) -> Result<Vec<Sketch>> {
    let entries = changes::table
        .filter(changes::resource_type.eq(resource_type))
        .filter(changes::resource_id.eq(Id::<()>::from_uuid(id)))
        .filter(changes::version.gt(after_version))
        .order((changes::version, changes::sequence))
        .limit(limit)
        .select(sketched(limit));
    Ok(entries.load(conn)?)
}

/// What happened to these resources, oldest first, after an entry of theirs. One is asked for after the other: the index has each in its
/// order, and no two together.
pub fn history_of_all(conn: &mut DbConn, resource_type: ResourceType, ids: &[Uuid], after: i64, limit: i64) -> Result<Vec<Sketch>> {
    let mut entries: Vec<Sketch> = Vec::new();
    for id in ids {
        let its = changes::table.filter(changes::resource_type.eq(resource_type)).filter(changes::resource_id.eq(Id::<()>::from_uuid(*id)));
        // With the sign SQLite does not take this for a place in the feed, from which it would read all of the type.
        let is_later: Condition = Box::new(sql::<Bool>("+changes.sequence > ").bind::<BigInt, _>(after));
        let next = its.filter(is_later).order((changes::version, changes::sequence)).limit(limit).select(sketched(limit));
        entries.append(&mut next.load(conn)?);
        // Here, so that what has no place among them is not kept until the last was asked for.
        entries.sort_unstable_by_key(|entry| entry.sequence);
        entries.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    Ok(entries)
}

/// Which of these ids the journal knows as resources of a type, and whose they are.
pub fn owners_among(conn: &mut DbConn, resource_type: ResourceType, ids: &[Uuid]) -> Result<HashMap<Uuid, Option<OrganizationId>>> {
    let mut owners = HashMap::new();
    for ids in ids.chunks(1_000) {
        let of_type = changes::table.filter(changes::resource_type.eq(resource_type)).filter(changes::version.eq(1));
        let named = of_type.filter(changes::resource_id.eq_any(ids.iter().map(|id| Id::<()>::from_uuid(*id))));
        let found: Vec<(Id<()>, Option<OrganizationId>)> = named.select((changes::resource_id, changes::owner_id)).load(conn)?;
        owners.extend(found.into_iter().map(|(id, owner)| (id.uuid(), owner)));
    }
    Ok(owners)
}

/// The entries with these numbers, by their numbers.
pub fn numbered(conn: &mut DbConn, sequences: &[i64]) -> Result<HashMap<i64, Sketch>> {
    let named = changes::table.filter(changes::sequence.eq_any(sequences.to_vec()));
    let entries: Vec<Sketch> = named.select(sketched(i64::try_from(sequences.len()).unwrap_or(i64::MAX))).load(conn)?;
    Ok(entries.into_iter().map(|entry| (entry.sequence, entry)).collect())
}

/// The entries that follow a place in the feed, of these types or, where none are named, of all.
///
/// No entry is ever skipped: one that commits late appears later in the feed, not before what was already read.
pub fn after(conn: &mut DbConn, place: Position, types: &[ResourceType], limit: i64) -> Result<Vec<Sketch>> {
    let entries = changes::table.filter(follows(conn, place)?).order((changes::transaction_id, changes::sequence)).limit(limit);
    let mut entries = entries.select(sketched(limit)).into_boxed();
    if !types.is_empty() {
        entries = entries.filter(changes::resource_type.eq_any(types));
    }
    Ok(entries.load(conn)?)
}

/// What was read of the journal.
#[derive(Debug)]
pub struct Batch {
    /// The entries that a filter has read.
    pub entries: Vec<Sketch>,
    /// Up to where there is no other.
    pub reached: Position,
    /// Whether that is the end of what can be read.
    pub is_last: bool,
}

/// Entries that are looked through at once for those that a filter reads, where no index leads to them.
const WINDOW: i64 = 20_000;

/// The next entries after a place that a filter reads, so many at most.
///
/// Where few of many entries are asked for, a batch may be short or empty and there are more: whoever asks for what is rare must neither
/// be kept waiting while the whole journal is searched, nor have it searched again and again.
pub fn read(conn: &mut DbConn, place: Position, filter: &Resolved, limit: i64) -> Result<Batch> {
    let condition = filter.read();
    let is_filtered = condition.is_some();
    // Those about a patient are found along an index.
    let end = if is_filtered && filter.patients.is_none() { end_of_window(conn, place)? } else { None };
    let entries = changes::table.filter(follows(conn, place)?).order((changes::transaction_id, changes::sequence)).limit(limit);
    let mut entries = entries.select(sketched(limit)).into_boxed();
    if let Some(condition) = condition {
        entries = entries.filter(condition);
    }
    if let Some(end) = end {
        entries = entries.filter(is_within(conn, end));
    }
    let entries: Vec<Sketch> = entries.load(conn)?;
    let is_full = i64::try_from(entries.len()).is_ok_and(|read| read >= limit);
    let last = entries.last().map_or(place, Entry::position);
    let reached = match end {
        _ if is_full => last,
        Some(end) => end,
        None if is_filtered => latest(conn)?.max(last),
        None => last,
    };
    Ok(Batch { entries, reached, is_last: !is_full && end.is_none() })
}

/// The end of what is looked through next; `None` where that is all there is.
fn end_of_window(conn: &mut DbConn, place: Position) -> Result<Option<Position>> {
    if let DbConn::Sqlite(_) = conn {
        let end = place.sequence.saturating_add(WINDOW);
        let last = changes::table.select(max(changes::sequence)).first::<Option<i64>>(conn)?.unwrap_or_default();
        return Ok((end < last).then_some(Position { transaction_id: 0, sequence: end }));
    }
    let ends = changes::table.filter(follows(conn, place)?).order((changes::transaction_id, changes::sequence)).offset(WINDOW - 1).limit(1);
    let end: Option<(i64, i64)> = ends.select((changes::transaction_id, changes::sequence)).first(conn).optional()?;
    Ok(end.map(|(transaction_id, sequence)| Position { transaction_id, sequence }))
}

/// Whether an entry stands at a place or before it.
fn is_within(conn: &DbConn, end: Position) -> Condition {
    match conn {
        DbConn::Sqlite(_) => Box::new(changes::transaction_id.eq(0).and(changes::sequence.le(end.sequence))),
        DbConn::Pg(_) => {
            let is_not_greater = sql::<Bool>("(transaction_id, sequence) <= (")
                .bind::<BigInt, _>(end.transaction_id)
                .sql(", ")
                .bind::<BigInt, _>(end.sequence)
                .sql(")");
            Box::new(is_not_greater)
        }
    }
}

/// The place before the first change of this moment or later, as the clocks had it that wrote them; where there is none, the end.
///
/// Times are not in an index, and rise along the feed but for clocks that differ and requests that took long: the feed is halved until
/// some minutes before the moment, and from there on the changes are looked at one by one.
pub fn before(conn: &mut DbConn, moment: Instant) -> Result<Position> {
    /// Clocks and requests differ by less.
    const MARGIN: Duration = Duration::minutes(10);
    let end = latest(conn)?;
    let last = if let DbConn::Sqlite(_) = conn { end.sequence } else { end.transaction_id };
    let (mut low, mut high) = (0, last.saturating_add(1));
    let edge = moment.plus(-MARGIN);
    while low < high {
        let middle = low + (high - low) / 2;
        match first_from(conn, middle, None)? {
            Some((_, at)) if at < edge => low = middle + 1,
            _ => high = middle,
        }
    }
    let Some((first, _)) = first_from(conn, low, Some(moment))? else { return Ok(end) };
    // The place of a change, and not one between two: what is told behind that change stands there as well.
    let place = changes::table
        .filter(is_within(conn, Position { sequence: first.sequence - 1, ..first }))
        .order((changes::transaction_id.desc(), changes::sequence.desc()))
        .select((changes::transaction_id, changes::sequence));
    let place: Option<(i64, i64)> = place.first(conn).optional()?;
    Ok(place.map_or_else(Position::default, |(transaction_id, sequence)| Position { transaction_id, sequence }).min(end))
}

/// The first entry, of this moment or later where one is named, whose key, by which the feed is ordered, is not below this one.
fn first_from(conn: &mut DbConn, key: i64, moment: Option<Instant>) -> Result<Option<(Position, Instant)>> {
    let mut entries = changes::table.select((changes::transaction_id, changes::sequence, changes::at)).into_boxed();
    entries = match conn {
        DbConn::Sqlite(_) => entries.filter(changes::sequence.ge(key)).order(changes::sequence),
        DbConn::Pg(_) => entries.filter(changes::transaction_id.ge(key)).order((changes::transaction_id, changes::sequence)),
    };
    if let Some(moment) = moment {
        entries = entries.filter(changes::at.ge(moment));
    }
    let found: Option<(i64, i64, Instant)> = entries.first(conn).optional()?;
    Ok(found.map(|(transaction_id, sequence, at)| (Position { transaction_id, sequence }, at)))
}

/// The number of the last entry about these patients, whether or not others may still appear before it.
pub fn last_about(conn: &mut DbConn, patients: &[PatientId]) -> Result<i64> {
    let about = changes::table.filter(changes::patient_id.eq_any(patients.iter().map(|id| Some(*id))));
    Ok(about.select(max(changes::sequence)).first::<Option<i64>>(conn)?.unwrap_or_default())
}

/// What these patients have but their own records and consents, each as it stands, in order of its last change, whose number lies behind
/// the first and not behind the second.
pub fn standing(
    conn: &mut DbConn,
    patients: &[PatientId],
    filter: &Resolved,
    (after, until): (i64, i64),
    limit: i64,
) -> Result<Vec<Sketch>> {
    let mut entries = changes::table
        .filter(changes::patient_id.eq_any(patients.iter().map(|id| Some(*id))))
        .filter(changes::sequence.gt(after))
        .filter(changes::sequence.le(until))
        .filter(changes::resource_type.ne_all([ResourceType::Patient, ResourceType::Consent]))
        .filter(changes::action.ne_all([Action::Deleted, Action::Merged]))
        .filter(is_last())
        .order(changes::sequence)
        .limit(limit)
        .select(sketched(limit))
        .into_boxed();
    if let Some(condition) = filter.condition() {
        entries = entries.filter(condition);
    }
    Ok(entries.load(conn)?)
}

/// The last entry of a resource.
pub fn last(conn: &mut DbConn, resource_type: ResourceType, id: Id<()>) -> Result<Option<Entry>> {
    let entries = changes::table.filter(changes::resource_type.eq(resource_type)).filter(changes::resource_id.eq(id));
    Ok(entries.order((changes::version.desc(), changes::sequence.desc())).first(conn).optional()?)
}

/// The last entry of a resource that stands at a place in the feed or before it.
pub fn last_until(conn: &mut DbConn, resource_type: ResourceType, id: Id<()>, place: Position) -> Result<Option<Entry>> {
    let entries = changes::table.filter(changes::resource_type.eq(resource_type)).filter(changes::resource_id.eq(id));
    let is_there: Condition = match conn {
        // With the sign, as in `history_of_all`.
        DbConn::Sqlite(_) => Box::new(sql::<Bool>("+changes.sequence <= ").bind::<BigInt, _>(place.sequence)),
        DbConn::Pg(_) => is_within(conn, place),
    };
    let entries = entries.filter(is_there).order((changes::version.desc(), changes::sequence.desc()));
    Ok(entries.first(conn).optional()?)
}

/// The last entry of a resource that an import wrote: it says itself when that was, which whoever else writes cannot know.
pub fn last_imported(conn: &mut DbConn, resource_type: ResourceType, id: Id<()>) -> Result<Option<Entry>> {
    let entries = changes::table.filter(changes::resource_type.eq(resource_type)).filter(changes::resource_id.eq(id));
    let is_import = match conn {
        DbConn::Sqlite(_) => sql::<Bool>("json_extract(changes.body, '$.provenance.imported_at') = changes.at"),
        DbConn::Pg(_) => sql::<Bool>("(changes.body #>> '{provenance,imported_at}')::timestamptz = changes.at"),
    };
    Ok(entries.filter(is_import).order((changes::version.desc(), changes::sequence.desc())).first(conn).optional()?)
}

/// The entry of a resource before this version.
pub fn earlier(conn: &mut DbConn, resource_type: ResourceType, id: Id<()>, version: i64) -> Result<Option<Entry>> {
    let entries = changes::table.filter(changes::resource_type.eq(resource_type)).filter(changes::resource_id.eq(id));
    let entries = entries.filter(changes::version.lt(version));
    Ok(entries.order((changes::version.desc(), changes::sequence.desc())).first(conn).optional()?)
}

/// Whether no later version of the same resource is in the journal.
fn is_last() -> Condition {
    Box::new(sql::<Bool>(
        "NOT EXISTS (SELECT 1 FROM changes AS later WHERE later.resource_type = changes.resource_type \
         AND later.resource_id = changes.resource_id AND later.version > changes.version)",
    ))
}

/// An entry, as far as those need it who keep resources in memory.
#[derive(Debug, Clone, Copy)]
pub struct Trace {
    /// Where it stands.
    pub place: Position,
    /// The resource that changed.
    pub id: Uuid,
}

/// Which transactions had ended when something was read, on PostgreSQL; by the numbers under which their entries stand, or behind which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// From this number on none had begun.
    next: i64,
    /// Of those below it, these were open.
    open: Vec<i64>,
}

impl Snapshot {
    /// What this transaction sees; `None` on SQLite, where transactions do not overlap.
    pub fn of(conn: &mut DbConn) -> Result<Option<Self>> {
        let DbConn::Pg(conn) = conn else { return Ok(None) };
        let next = sql::<BigInt>("journal_base() + pg_snapshot_xmax(pg_current_snapshot())::text::bigint");
        let open = "ARRAY(SELECT journal_base() + open::text::bigint FROM pg_snapshot_xip(pg_current_snapshot()) AS open)";
        let (next, open) = diesel::select((next, sql::<Array<BigInt>>(open))).get_result(conn)?;
        Ok(Some(Self { next, open }))
    }

    /// The place behind which everything stands that a later transaction sees and this one did not: of those that have ended meanwhile the
    /// first may have written under its own number, and no number is lower.
    pub fn end(&self, later: &Self) -> Position {
        let has_ended = |number: &&i64| **number < later.next && !later.open.contains(number);
        let transaction_id = self.open.iter().filter(has_ended).min().copied().unwrap_or(self.next);
        Position { transaction_id, sequence: 0 }
    }
}

/// Which entries are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trail {
    /// All.
    Whole,
    /// The first ones, at most so many.
    First(usize),
    /// Those of a client.
    Of(ClientId),
}

/// The entries of a type of resource behind a place that this transaction sees, in their order, whether or not others may still appear
/// before them. For those who must see at once what they wrote themselves.
pub fn visible_after(conn: &mut DbConn, place: Position, resource_type: ResourceType, trail: Trail) -> Result<Vec<Trace>> {
    let entries = changes::table.filter(changes::resource_type.eq(resource_type)).filter(is_beyond(conn, place));
    let mut entries = entries.order((changes::transaction_id, changes::sequence)).into_boxed();
    match trail {
        Trail::Whole => {}
        Trail::First(most) => entries = entries.limit(i64::try_from(most).unwrap_or(i64::MAX)),
        Trail::Of(client) => entries = entries.filter(changes::client_id.eq(client)),
    }
    let entries: Vec<(i64, i64, Id<()>)> = entries.select((changes::transaction_id, changes::sequence, changes::resource_id)).load(conn)?;
    let trace = |(transaction_id, sequence, id): (_, _, Id<()>)| Trace { place: Position { transaction_id, sequence }, id: id.uuid() };
    Ok(entries.into_iter().map(trace).collect())
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

/// What an entry must be.
pub type Condition = Box<dyn BoxableExpression<changes::table, MultiBackend, SqlType = Bool>>;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_has_not_seen_stands_behind_the_first_that_has_ended_since() {
        let end = |seen: &Snapshot, later: &Snapshot| seen.end(later).transaction_id;
        let snapshot = |next, open: &[i64]| Snapshot { next, open: open.to_vec() };
        let seen = snapshot(20, &[11, 15, 18]);
        assert_eq!(end(&seen, &seen), 20);
        assert_eq!(end(&seen, &snapshot(23, &[11, 15, 18, 21])), 20);
        assert_eq!(end(&seen, &snapshot(23, &[11, 18])), 15);
        assert_eq!(end(&seen, &snapshot(23, &[])), 11);
        // One that began before it sees nothing more.
        assert_eq!(end(&seen, &snapshot(16, &[9, 11, 15])), 20);
    }
}
