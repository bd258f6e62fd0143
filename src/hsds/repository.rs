//! The queries of the face: what sources say that no record of ours holds, and services that are there no more.

use std::collections::HashMap;

use diesel::dsl::{delete, insert_into, sum};
use diesel::prelude::*;
use diesel::upsert::excluded;
use serde_json::Value;

use super::said::Fields;
use crate::db::DbConn;
use crate::db::schema::{services, source_rows};
use crate::db::types::{Instant, Json};
use crate::each;
use crate::error::Result;
use crate::kind::{OrganizationId, ServiceId};
use crate::services::row::ServiceRow;
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

/// Keeps what sources say, where they say something else than before. Rows of one organization, source and kind, at most 1,000.
pub fn keep(conn: &mut DbConn, mut rows: Vec<SourceRow>) -> Result<()> {
    let Some(first) = rows.first() else { return Ok(()) };
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
    let key = (source_rows::organization_id, source_rows::source, source_rows::kind, source_rows::key);
    for rows in rows.chunks(500) {
        let said = (
            source_rows::content.eq(excluded(source_rows::content)),
            source_rows::changed_at.eq(excluded(source_rows::changed_at)),
            source_rows::revision.eq(source_rows::revision + 1),
        );
        each!(conn, |conn| insert_into(source_rows::table).values(rows).on_conflict(key).do_update().set(said).execute(conn))?;
    }
    Ok(())
}

/// Forgets what a source says no more, but for its organizations.
pub fn forget(conn: &mut DbConn, owner: OrganizationId, source: &str, is_seen: impl Fn(SourceRowKind, &str) -> bool) -> Result<()> {
    let of_source = source_rows::table.filter(source_rows::organization_id.eq(owner)).filter(source_rows::source.eq(source));
    for kind in SourceRowKind::ALL.iter().copied().filter(|kind| *kind != SourceRowKind::Organization) {
        let known: Vec<String> = of_source.filter(source_rows::kind.eq(kind)).select(source_rows::key).load(conn)?;
        let gone: Vec<String> = known.into_iter().filter(|key| !is_seen(kind, key)).collect();
        for keys in gone.chunks(500) {
            delete(of_source.filter(source_rows::kind.eq(kind)).filter(source_rows::key.eq_any(keys))).execute(conn)?;
        }
    }
    Ok(())
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

/// What tells whether any source says something else of taxonomies and terms than before.
pub type Mark = [(i64, Option<i64>, Option<Instant>); 2];

/// Of taxonomies and of terms: how many there are, how often they have changed, and when one last did.
pub fn terms_mark(conn: &mut DbConn) -> Result<Mark> {
    let mut of = |kind: SourceRowKind| -> Result<(i64, Option<i64>, Option<Instant>)> {
        let rows = source_rows::table.filter(source_rows::kind.eq(kind));
        let count = rows.count().get_result(conn)?;
        let revisions = rows.select(sum(source_rows::revision)).first(conn)?;
        let latest = rows.order(source_rows::changed_at.desc()).select(source_rows::changed_at).first(conn).optional()?;
        Ok((count, revisions, latest))
    };
    let [taxonomies, terms] = TERMS;
    Ok([of(taxonomies)?, of(terms)?])
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

/// Services in order of id, merged ones and tombstones included.
pub fn every_after(conn: &mut DbConn, after: Option<ServiceId>, limit: i64) -> Result<Vec<ServiceRow>> {
    let mut rows = services::table.order(services::id).limit(limit).into_boxed();
    if let Some(after) = after {
        rows = rows.filter(services::id.gt(after));
    }
    Ok(rows.load(conn)?)
}
