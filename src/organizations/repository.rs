//! The queries of organizations.

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::NaiveDate;
use chrono_tz::Tz;
use diesel::prelude::*;

use super::api::OrganizationQuery;
use super::model::{OrganizationRow, Policies};
use crate::db::schema::{clients, organizations::dsl};
use crate::db::types::Instant;
use crate::db::{DbConn, among, locks};
use crate::each;
use crate::error::Result;
use crate::identifiers::{self, IdentifierToken};
use crate::kind::{self, OrganizationId};
use crate::text::fold;

/// The organization with this id, tombstones included.
pub fn find(conn: &mut DbConn, id: OrganizationId) -> Result<Option<OrganizationRow>> {
    Ok(each!(conn, |conn| dsl::organizations.find(id).first(conn)).optional()?)
}

/// The organizations with these ids, at most 1,000, tombstones included, in no order.
pub fn load(conn: &mut DbConn, ids: &[OrganizationId]) -> Result<Vec<OrganizationRow>> {
    Ok(dsl::organizations.filter(dsl::id.eq_any(ids)).load(conn)?)
}

/// What the organizations with these ids are called, tombstones included.
pub fn names(conn: &mut DbConn, ids: &[OrganizationId]) -> Result<HashMap<OrganizationId, String>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = dsl::organizations.filter(among(dsl::id, ids)).select((dsl::id, dsl::name));
    let rows: Vec<(OrganizationId, String)> = each!(conn, |conn| rows.load(conn))?;
    Ok(rows.into_iter().collect())
}

/// Living organizations in order of id.
pub fn list_after(conn: &mut DbConn, after: Option<OrganizationId>, limit: i64) -> Result<Vec<OrganizationRow>> {
    let mut rows = dsl::organizations.filter(dsl::deleted_at.is_null()).order(dsl::id).limit(limit).into_boxed();
    if let Some(after) = after {
        rows = rows.filter(dsl::id.gt(after));
    }
    Ok(rows.load(conn)?)
}

/// True where the organization exists and is not deleted.
pub fn exists(conn: &mut DbConn, id: OrganizationId) -> Result<bool> {
    let found = dsl::organizations.filter(dsl::id.eq(id)).filter(dsl::deleted_at.is_null());
    Ok(each!(conn, |conn| diesel::select(diesel::dsl::exists(found)).get_result(conn))?)
}

/// The systems that call for an organization: for a value or a column.
macro_rules! active_clients {
    ($organization:expr) => {
        clients::table.filter(clients::organization_id.eq($organization)).filter(clients::is_active.eq(true))
    };
}

/// Whether systems call for the organization.
pub fn has_clients(conn: &mut DbConn, id: OrganizationId) -> Result<bool> {
    let active = active_clients!(id);
    Ok(each!(conn, |conn| diesel::select(diesel::dsl::exists(active)).get_result(conn))?)
}

/// Waits until it is known whether systems call for an organization; until the transaction ends none begins to. On SQLite whoever writes is
/// alone.
pub fn lock_connection(conn: &mut DbConn, id: OrganizationId) -> Result<()> {
    if let DbConn::Pg(conn) = conn {
        dsl::organizations.find(id).select(dsl::id).for_share().execute(conn)?;
    }
    Ok(())
}

/// The same of all of these for which no system calls yet, with one statement and always in one order.
pub fn lock_connections(conn: &mut DbConn, ids: &BTreeSet<OrganizationId>) -> Result<()> {
    if let DbConn::Pg(conn) = conn
        && !ids.is_empty()
    {
        let active = active_clients!(dsl::id);
        let unconnected =
            dsl::organizations.filter(dsl::id.eq_any(ids.iter().copied())).filter(diesel::dsl::not(diesel::dsl::exists(active)));
        unconnected.order(dsl::id).select(dsl::id).for_share().execute(conn)?;
    }
    Ok(())
}

/// Waits until nobody counts on it that no system calls for an organization, and keeps those who ask waiting until the transaction ends; see
/// [`lock_connection`].
pub fn lock_connecting(conn: &mut DbConn, id: OrganizationId) -> Result<()> {
    if let DbConn::Pg(conn) = conn {
        dsl::organizations.find(id).select(dsl::id).for_no_key_update().execute(conn)?;
    }
    Ok(())
}

/// Whether systems call for an organization or one of its parts, or did, but for those of `who` asks: what they wrote is their own, and a
/// whole that it was made part of would count it. Until the transaction ends no system begins to call for it.
pub fn has_had_clients(conn: &mut DbConn, id: OrganizationId, who: OrganizationId) -> Result<bool> {
    if let DbConn::Pg(conn) = conn {
        dsl::organizations.find(id).select(dsl::id).for_update().execute(conn)?;
    }
    let mut all = with_parts(conn, id)?;
    all.retain(|part| *part != who);
    for ids in all.chunks(TOGETHER) {
        let clients = clients::table.filter(clients::organization_id.eq_any(ids));
        if diesel::select(diesel::dsl::exists(clients)).get_result::<bool>(conn)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// An organization and all its parts.
pub fn with_parts(conn: &mut DbConn, id: OrganizationId) -> Result<Vec<OrganizationId>> {
    let (mut all, mut level, mut met) = (vec![id], vec![id], HashSet::from([id]));
    while !level.is_empty() {
        level = parts(conn, &level)?;
        level.retain(|part| met.insert(*part));
        all.extend(&level);
    }
    Ok(all)
}

/// So many ids are asked for in one statement: SQLite takes no more than 32,766.
const TOGETHER: usize = 1_000;

/// The parts of these organizations.
fn parts(conn: &mut DbConn, of: &[OrganizationId]) -> Result<Vec<OrganizationId>> {
    let mut found = Vec::new();
    for ids in of.chunks(TOGETHER) {
        let parts = dsl::organizations.filter(dsl::parent_id.eq_any(ids)).filter(dsl::deleted_at.is_null());
        found.extend(parts.select(dsl::id).load::<OrganizationId>(conn)?);
    }
    Ok(found)
}

/// How many levels an organization and its parts are, up to a few more than there may be; those of a circle are counted once.
fn levels(conn: &mut DbConn, id: OrganizationId) -> Result<usize> {
    let (mut met, mut level, mut levels) = (HashSet::new(), vec![id], 0);
    while !level.is_empty() && levels <= MOST_LEVELS {
        levels += 1;
        met.extend(level.iter().copied());
        level = parts(conn, &level)?;
        level.retain(|part| !met.contains(part));
    }
    Ok(levels)
}

fn told_zone(row: &OrganizationRow) -> Option<Tz> {
    row.content.time_zone.as_deref()?.parse().ok()
}

/// The time zone in which an organization works, if it has told it.
pub fn zone(conn: &mut DbConn, id: OrganizationId) -> Result<Option<Tz>> {
    Ok(find(conn, id)?.as_ref().and_then(told_zone))
}

/// What stands above an organization that is part of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Above {
    /// Organizations that are there, up to one that is part of no other.
    Whole,
    /// One that is not there, or was deleted.
    Missing,
    /// The organization itself, or others that are part of each other.
    Circle,
    /// So many that with the organization and its parts they would be more than [`MOST_LEVELS`].
    TooMany,
}

/// The levels of organizations that are part of each other: whoever says what one is part of has all of them looked at.
pub const MOST_LEVELS: usize = 20;

/// What would stand above an organization, a new one where none is named, if it were part of this whole.
pub fn above(conn: &mut DbConn, part: Option<OrganizationId>, whole: OrganizationId) -> Result<Above> {
    let (mut met, mut next): (HashSet<OrganizationId>, _) = (part.into_iter().collect(), Some(whole));
    while let Some(id) = next {
        if !met.insert(id) {
            return Ok(Above::Circle);
        }
        if met.len() > MOST_LEVELS {
            return Ok(Above::TooMany);
        }
        match find(conn, id)?.filter(|row| row.deleted_at.is_none()) {
            Some(row) => next = row.parent_id,
            None => return Ok(Above::Missing),
        }
    }
    // The first level of the parts is that of the organization itself, which has been met.
    let below = part.map_or(Ok(1), |part| levels(conn, part))?;
    let above = met.len() - usize::from(part.is_some());
    Ok(if above + below > MOST_LEVELS { Above::TooMany } else { Above::Whole })
}

/// The lock of whoever says which organization is part of which: "kith-kin" in ASCII.
const KINSHIP: i64 = 0x6b69_7468_2d6b_696e;

/// Waits until nobody else says which organization is part of which, and keeps others waiting until the transaction ends: each of two
/// might see no circle and both together close one. On SQLite whoever writes is alone.
pub fn lock_kinship(conn: &mut DbConn) -> Result<()> {
    locks::wait_for(conn, KINSHIP)
}

/// How an organization works, and which day it is there. One that is not known works as one that has said nothing.
pub fn practice(conn: &mut DbConn, id: Option<OrganizationId>, now: Instant) -> Result<(Policies, NaiveDate)> {
    let row = id.map(|id| find(conn, id)).transpose()?.flatten();
    Ok(practice_of(row, now))
}

/// The same of one for which systems call; `None` where none does.
pub fn practice_of_connected(conn: &mut DbConn, id: OrganizationId, now: Instant) -> Result<Option<(Policies, NaiveDate)>> {
    let active = active_clients!(dsl::id);
    let connected = dsl::organizations.find(id).filter(diesel::dsl::exists(active));
    let row: Option<OrganizationRow> = each!(conn, |conn| connected.first(conn)).optional()?;
    Ok(row.map(|row| practice_of(Some(row), now)))
}

fn practice_of(row: Option<OrganizationRow>, now: Instant) -> (Policies, NaiveDate) {
    let zone = row.as_ref().and_then(told_zone).unwrap_or(Tz::UTC);
    (row.map(|row| row.content.0.policies).unwrap_or_default(), now.utc().with_timezone(&zone).date_naive())
}

/// Which day it is where an organization works.
pub fn today(conn: &mut DbConn, id: OrganizationId, now: Instant) -> Result<NaiveDate> {
    Ok(practice(conn, Some(id), now)?.1)
}

/// One page in order of id, and one row more.
pub fn list(conn: &mut DbConn, query: &OrganizationQuery, after: Option<OrganizationId>) -> Result<Vec<OrganizationRow>> {
    let mut rows = dsl::organizations.filter(dsl::deleted_at.is_null()).order(dsl::id).limit(query.limit.and_one()).into_boxed();
    for word in query.name.as_deref().map(fold).unwrap_or_default().split(' ').filter(|word| !word.is_empty()) {
        rows = rows.filter(dsl::name_key.like(format!("%{}%", escape_like(word))).escape('!'));
    }
    if let Some(IdentifierToken(key)) = &query.identifier {
        rows = rows.filter(dsl::id.eq_any(identifiers::known_as::<kind::Organization>(conn, key, None)?));
    }
    if let Some(since) = query.updated_since {
        rows = rows.filter(dsl::updated_at.ge(since));
    }
    if let Some(kind) = query.kind {
        rows = rows.filter(dsl::kind.eq(kind));
    }
    if let Some(parent) = query.parent_id {
        rows = rows.filter(dsl::parent_id.eq(parent));
    }
    if let Some(is_active) = query.is_active {
        rows = rows.filter(dsl::is_active.eq(is_active));
    }
    if let Some(after) = after {
        rows = rows.filter(dsl::id.gt(after));
    }
    Ok(rows.load(conn)?)
}

/// The text with the wildcards of `LIKE` escaped by `!`.
pub fn escape_like(text: &str) -> String {
    text.replace('!', "!!").replace('%', "!%").replace('_', "!_")
}

/// Adds the row.
pub fn insert(conn: &mut DbConn, row: &OrganizationRow) -> Result<()> {
    each!(conn, |conn| diesel::insert_into(dsl::organizations).values(row).execute(conn))?;
    Ok(())
}

/// Writes the row over the version before it; false where that is no longer there.
pub fn update(conn: &mut DbConn, row: &OrganizationRow) -> Result<bool> {
    let before = dsl::organizations.filter(dsl::id.eq(row.id)).filter(dsl::version.eq(row.version - 1));
    let changed = diesel::update(before)
        .set((
            dsl::parent_id.eq(row.parent_id),
            dsl::kind.eq(row.kind),
            dsl::name.eq(&row.name),
            dsl::name_key.eq(&row.name_key),
            dsl::is_active.eq(row.is_active),
            dsl::content.eq(&row.content),
            dsl::version.eq(row.version),
            dsl::updated_at.eq(row.updated_at),
            dsl::deleted_at.eq(row.deleted_at),
        ))
        .execute(conn)?;
    Ok(changed == 1)
}
