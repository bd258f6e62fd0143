//! The queries of the face: what sources say that no record of ours holds.

use std::collections::HashMap;

use diesel::dsl::{delete, insert_into, update};
use diesel::prelude::*;
use diesel::upsert::excluded;
use serde_json::Value;

use super::said::Fields;
use crate::db::DbConn;
use crate::db::schema::{source_row_counts, source_rows};
use crate::db::types::{Instant, Json};
use crate::each;
use crate::error::Result;
use crate::http::json;
use crate::kind::OrganizationId;
use crate::text_enum;

text_enum! {
    /// What is kept of a source beside our records, by the names of the standard's tables.
    pub enum SourceRowKind {
        /// What is left of an organization besides its record; see [`said`](super::said).
        Organization = "organization",
        /// A taxonomy.
        Taxonomy = "taxonomy",
        /// A term, whether a service carries it or not.
        TaxonomyTerm = "taxonomy_term",
        /// A unit that capacities are counted in.
        Unit = "unit",
        /// A description of a table.
        MetaTableDescription = "meta_table_description",
    }
}

/// What both lists of the standard show of taxonomies.
const TERMS: [SourceRowKind; 2] = [SourceRowKind::Taxonomy, SourceRowKind::TaxonomyTerm];
/// What is in packages alone.
const PACKED: [SourceRowKind; 2] = [SourceRowKind::Unit, SourceRowKind::MetaTableDescription];

/// A row of the table `source_rows`.
#[derive(Debug, Clone, PartialEq, Queryable, Insertable)]
#[diesel(table_name = source_rows, treat_none_as_default_value = false)]
pub struct SourceRow {
    /// Whose directory the source goes into.
    pub organization_id: OrganizationId,
    /// The source.
    pub source: String,
    /// What it is.
    pub kind: SourceRowKind,
    /// Its key in the source.
    pub key: String,
    /// What the source says, in the form of the standard.
    pub content: Json<Value>,
    /// When it last said something else.
    pub changed_at: Instant,
    /// How often it has said something else, from 1.
    pub revision: i32,
}

/// Whose organization in which source, and its key there.
pub type Place<'a> = (OrganizationId, &'a str, &'a str);

/// So many rows of a kind an organization's sources have at most: whoever lists terms has those of everybody in memory. What is left of
/// organizations is not counted, for there is no more of it than there are records of them.
pub const MOST_KEPT: i64 = 200_000;
/// So many bytes these rows take in memory together at most, about, for the same reason.
pub const MOST_BYTES: i64 = 128 << 20;

/// Keeps what sources say, where they say something else than before; how many rows are too many, or too large, and left out. Rows of one
/// organization, source and kind, at most 1,000.
pub fn keep(conn: &mut DbConn, mut rows: Vec<SourceRow>) -> Result<usize> {
    let Some(first) = rows.first() else { return Ok(0) };
    let of_source = source_rows::table
        .filter(source_rows::organization_id.eq(first.organization_id))
        .filter(source_rows::source.eq(first.source.clone()))
        .filter(source_rows::kind.eq(first.kind));
    let keys: Vec<&str> = rows.iter().map(|row| row.key.as_str()).collect();
    let known: HashMap<String, Json<Value>> =
        of_source.filter(source_rows::key.eq_any(&keys)).select((source_rows::key, source_rows::content)).load(conn)?.into_iter().collect();
    // What says nothing says something else only than what said something.
    let says = |content: &Value| content.as_object().is_some_and(|members| !members.is_empty());
    rows.retain(|row| known.get(&row.key).map_or_else(|| says(&row.content.0), |content| content.0 != row.content.0));
    // Of two imports at once neither waits for the other with what the other waits for.
    rows.sort_by(|one, other| one.key.cmp(&other.key));
    rows.dedup_by(|one, other| one.key == other.key);
    let left_out = fit(conn, &mut rows)?;
    let key = (source_rows::organization_id, source_rows::source, source_rows::kind, source_rows::key);
    for rows in rows.chunks(500) {
        let said = (
            source_rows::content.eq(excluded(source_rows::content)),
            source_rows::changed_at.eq(excluded(source_rows::changed_at)),
            source_rows::revision.eq(source_rows::revision + 1),
        );
        each!(conn, |conn| insert_into(source_rows::table).values(rows).on_conflict(key).do_update().set(said).execute(conn))?;
    }
    Ok(left_out)
}

/// Counts rows that are to be written, and leaves out those that are too many or too large; how many. Of one that is left out and was kept
/// before, what it said then stays.
fn fit(conn: &mut DbConn, rows: &mut Vec<SourceRow>) -> Result<usize> {
    let Some(first) = rows.first().filter(|row| row.kind != SourceRowKind::Organization) else { return Ok(0) };
    let (owner, source, kind) = (first.organization_id, first.source.clone(), first.kind);
    let known = hold(conn, owner, kind)?;
    // Which are there is asked again: until this held the count, another import may have added or forgotten the same.
    let of_source = source_rows::table.filter(source_rows::organization_id.eq(owner)).filter(source_rows::source.eq(source));
    let keys: Vec<&str> = rows.iter().map(|row| row.key.as_str()).collect();
    let there = of_source.filter(source_rows::kind.eq(kind)).filter(source_rows::key.eq_any(&keys));
    let there: Vec<(String, Json<Value>)> = there.select((source_rows::key, source_rows::content)).load(conn)?;
    let sized = |(key, content): (String, Json<Value>)| {
        let size = size(&key, &content.0);
        (key, size)
    };
    let there: HashMap<String, i64> = there.into_iter().map(sized).collect();
    let (before, mut all) = (rows.len(), known);
    rows.retain(|row| {
        let was = there.get(&row.key).copied();
        let more = size(&row.key, &row.content.0) - was.unwrap_or(0);
        let fits = (was.is_some() || all.rows < MOST_KEPT) && (more <= 0 || all.bytes + more <= MOST_BYTES);
        if fits {
            all = Extent { rows: all.rows + i64::from(was.is_none()), bytes: all.bytes + more };
        }
        fits
    });
    if all != known {
        set_extent(conn, owner, kind, all)?;
    }
    Ok(before - rows.len())
}

/// The bytes that are counted of a row: those that it takes in memory, where a short value takes many times as many as it has as text.
fn size(key: &str, content: &Value) -> i64 {
    i64::try_from(key.len() + json::weight(content)).unwrap_or(i64::MAX)
}

/// How much of a kind an organization's sources have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Extent {
    rows: i64,
    /// About, for what was kept before they were counted so was counted as text.
    bytes: i64,
}

/// Notes that rows of a kind change, so that whoever has read them reads them again; how much of it an organization's sources have. Until
/// the transaction ends nobody else changes any.
fn hold(conn: &mut DbConn, owner: OrganizationId, kind: SourceRowKind) -> Result<Extent> {
    let count = (
        source_row_counts::kind.eq(kind),
        source_row_counts::organization_id.eq(owner),
        source_row_counts::kept.eq(0_i64),
        source_row_counts::revisions.eq(1_i64),
        source_row_counts::bytes.eq(0_i64),
    );
    let key = (source_row_counts::kind, source_row_counts::organization_id);
    let once_more = source_row_counts::revisions.eq(source_row_counts::revisions + 1_i64);
    each!(conn, |conn| insert_into(source_row_counts::table).values(count).on_conflict(key).do_update().set(once_more).execute(conn))?;
    let held = source_row_counts::table.find((kind, owner)).select((source_row_counts::kept, source_row_counts::bytes));
    let (rows, bytes) = held.first::<(i64, i64)>(conn)?;
    Ok(Extent { rows, bytes })
}

/// Writes how much there is. Where there is no row there are no bytes either, whatever was counted.
fn set_extent(conn: &mut DbConn, owner: OrganizationId, kind: SourceRowKind, Extent { rows, bytes }: Extent) -> Result<()> {
    let (rows, bytes) = if rows > 0 { (rows, bytes.max(0)) } else { (0, 0) };
    let counted = (source_row_counts::kept.eq(rows), source_row_counts::bytes.eq(bytes));
    update(source_row_counts::table.find((kind, owner))).set(counted).execute(conn)?;
    Ok(())
}

/// The keys of what a source has of a kind.
pub fn keys(conn: &mut DbConn, owner: OrganizationId, source: &str, kind: SourceRowKind) -> Result<Vec<String>> {
    let of_source = source_rows::table.filter(source_rows::organization_id.eq(owner)).filter(source_rows::source.eq(source));
    Ok(of_source.filter(source_rows::kind.eq(kind)).select(source_rows::key).load(conn)?)
}

/// Forgets rows of a source, at most 1,000.
pub fn forget(conn: &mut DbConn, owner: OrganizationId, source: &str, kind: SourceRowKind, keys: &[String]) -> Result<()> {
    let known = hold(conn, owner, kind)?;
    let gone = || {
        let of_source = source_rows::table.filter(source_rows::organization_id.eq(owner)).filter(source_rows::source.eq(source));
        of_source.filter(source_rows::kind.eq(kind)).filter(source_rows::key.eq_any(keys))
    };
    let there: Vec<(String, Json<Value>)> = gone().select((source_rows::key, source_rows::content)).load(conn)?;
    delete(gone()).execute(conn)?;
    let bytes: i64 = there.iter().map(|(key, content)| size(key, &content.0)).sum();
    let rows = i64::try_from(there.len()).unwrap_or(i64::MAX);
    set_extent(conn, owner, kind, Extent { rows: known.rows - rows, bytes: known.bytes - bytes })
}

/// What is left of these organizations besides their records.
pub fn of_organizations<'a>(conn: &mut DbConn, wanted: &[Place<'a>]) -> Result<HashMap<Place<'a>, Fields>> {
    let mut by_source: HashMap<(OrganizationId, &str), Vec<&'a str>> = HashMap::new();
    for (owner, source, key) in wanted {
        by_source.entry((*owner, *source)).or_default().push(key);
    }
    let mut found = HashMap::new();
    for ((owner, source), keys) in by_source {
        for keys in keys.chunks(500) {
            let rows: Vec<(String, Json<Value>)> = source_rows::table
                .filter(source_rows::organization_id.eq(owner))
                .filter(source_rows::source.eq(source))
                .filter(source_rows::kind.eq(SourceRowKind::Organization))
                .filter(source_rows::key.eq_any(keys))
                .select((source_rows::key, source_rows::content))
                .load(conn)?;
            let mut said: HashMap<String, Json<Value>> = rows.into_iter().collect();
            for place in wanted.iter().filter(|(of, from, _)| *of == owner && *from == source) {
                if let Some(Json(Value::Object(fields))) = said.remove(place.2) {
                    found.insert(*place, fields);
                }
            }
        }
    }
    Ok(found)
}

/// What tells whether any source says something else of taxonomies and terms than before: of how many kinds and organizations there are
/// any, and how often they have changed.
pub type Mark = (usize, i64);

/// That of now.
pub fn terms_mark(conn: &mut DbConn) -> Result<Mark> {
    let of_terms = source_row_counts::table.filter(source_row_counts::kind.eq_any(TERMS));
    let revisions: Vec<i64> = of_terms.select(source_row_counts::revisions).load(conn)?;
    Ok((revisions.len(), revisions.iter().sum()))
}

/// The taxonomies and terms that sources have, in the order of their sources and keys.
pub fn terms(conn: &mut DbConn) -> Result<Vec<SourceRow>> {
    all_of(conn, TERMS)
}

/// What sources have for packages alone, in the order of their sources and keys.
pub fn packed(conn: &mut DbConn) -> Result<Vec<SourceRow>> {
    all_of(conn, PACKED)
}

fn all_of(conn: &mut DbConn, kinds: [SourceRowKind; 2]) -> Result<Vec<SourceRow>> {
    let mut rows: Vec<SourceRow> = Vec::new();
    for kind in kinds {
        rows.extend(source_rows::table.filter(source_rows::kind.eq(kind)).load::<SourceRow>(conn)?);
    }
    rows.sort_by(|one, other| (one.organization_id, &one.source, &one.key).cmp(&(other.organization_id, &other.source, &other.key)));
    Ok(rows)
}
