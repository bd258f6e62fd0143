//! What is kept of a merge, so that it can be taken back.
//!
//! The journal does not hold all of it: neither what a record says by itself that others were merged into, nor which rows came with the
//! duplicate. So it is written down with the merge. Until the merge is taken back it follows what the duplicate's source says, as the
//! duplicate would.

use diesel::dsl::{delete, insert_into, update};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use crate::db::DbConn;
use crate::db::schema::{service_merge_rows, service_merges};
use crate::db::types::{Id, Instant, Json};
use crate::each;
use crate::error::Result;
use crate::import;
use crate::kind::ServiceId;
use crate::services::model::{Capacity, NamedCapacity, ServiceInput, ServiceStatus};
use crate::services::row::ServiceRow;
use crate::types::Identifier;

/// A row of the table `service_merges`.
#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = service_merges, treat_none_as_default_value = false)]
pub struct MergeRow {
    /// The record that went.
    pub duplicate_id: ServiceId,
    /// The record that it was merged into; another one may stand for that since.
    pub survivor_id: ServiceId,
    /// When.
    pub merged_at: Instant,
    /// What is kept.
    pub content: Json<Kept>,
}

/// What is kept of a merge.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Kept {
    /// All that was written of the duplicate.
    pub content: ServiceInput,
    /// What it said itself, where others were merged into it.
    pub own_content: Option<ServiceInput>,
    /// Its room.
    pub capacity: Option<Capacity>,
    /// The rooms that it counted apart.
    pub capacities: Vec<NamedCapacity>,
    /// Services that it looked like and was not.
    pub distinct_from: Vec<ServiceId>,
    /// The keys that it had, whatever its source says since.
    pub identifiers: Vec<Identifier>,
    /// See [`runs_unlisted`].
    pub runs_unlisted: bool,
    /// What the survivor took over, or was.
    pub survivor: Survivor,
}

/// What is kept of the record that stands for a duplicate.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Survivor {
    /// The rooms that it took over, by their keys; the default one has none.
    pub rooms: Vec<Option<String>>,
    /// The services that it was said to be distinct from for the duplicate's sake.
    pub distinct_from: Vec<ServiceId>,
    /// See [`runs_unlisted`].
    pub runs_unlisted: bool,
}

impl Kept {
    /// Of a duplicate as it stands, and of the survivor as it stands before and after the merge.
    pub fn new(duplicate: &ServiceRow, before: &ServiceRow, after: &ServiceRow, runs_unlisted: (bool, bool)) -> Self {
        let named = after.capacities.iter().map(|named| Some(named.key.clone()));
        let is_new = |key: &Option<String>| before.room_of(key.as_deref()).is_none() && after.room_of(key.as_deref()).is_some();
        let apart = after.distinct_from.iter().filter(|other| !before.distinct_from.contains(other)).copied();
        Self {
            content: duplicate.content.0.clone(),
            own_content: duplicate.own_content.clone().map(|own| own.0),
            capacity: duplicate.capacity.as_ref().map(|capacity| capacity.uncounted()),
            capacities: duplicate
                .capacities
                .iter()
                .map(|named| NamedCapacity { key: named.key.clone(), capacity: named.capacity.uncounted() })
                .collect(),
            distinct_from: duplicate.distinct_from.0.clone(),
            identifiers: duplicate.content.identifiers.clone(),
            runs_unlisted: runs_unlisted.0,
            survivor: Survivor {
                rooms: std::iter::once(None).chain(named).filter(is_new).collect(),
                distinct_from: apart.collect(),
                runs_unlisted: runs_unlisted.1,
            },
        }
    }
}

impl MergeRow {
    /// The next version of the duplicate, which stands by itself again.
    pub fn standing(&self, row: &ServiceRow, at: Instant) -> ServiceRow {
        let kept = self.content.0.clone();
        let row = ServiceRow {
            capacity: kept.capacity.map(Json),
            capacities: Json(kept.capacities),
            merged_into_id: None,
            distinct_from: Json(kept.distinct_from),
            own_content: kept.own_content.map(Json),
            ..row.with_content(kept.content, at)
        };
        row.with_status()
    }

    /// With what the duplicate's source says since: so it would stand now.
    pub fn stated(mut self, row: ServiceRow) -> Self {
        let kept = &mut self.content.0;
        kept.content = row.content.0;
        kept.own_content = row.own_content.map(|own| own.0);
        kept.capacity = row.capacity.map(|capacity| capacity.0);
        kept.capacities = row.capacities.0;
        kept.runs_unlisted = false;
        self
    }
}

/// Whether a service runs though no source lists it any more that it is from: because somebody here says so.
pub fn runs_unlisted(conn: &mut DbConn, id: ServiceId, status: ServiceStatus) -> Result<bool> {
    let listing = import::listing(conn, id)?;
    Ok(status == ServiceStatus::Active && listing.is_from_source && !listing.is_listed())
}

/// Keeps a merge, and the ids of the rows that came with it.
pub fn insert(conn: &mut DbConn, row: &MergeRow, came: &[Id<()>]) -> Result<()> {
    insert_into(service_merges::table).values(row).execute(conn)?;
    for ids in came.chunks(1_000) {
        let row = |id: &Id<()>| (service_merge_rows::duplicate_id.eq(row.duplicate_id), service_merge_rows::row_id.eq(*id));
        let rows: Vec<_> = ids.iter().map(row).collect();
        each!(conn, |conn| insert_into(service_merge_rows::table).values(&rows).execute(conn))?;
    }
    Ok(())
}

/// What is kept of the merge of a duplicate; nothing of one that was merged before merges were kept, or never stood by itself.
pub fn find(conn: &mut DbConn, duplicate: ServiceId) -> Result<Option<MergeRow>> {
    Ok(service_merges::table.find(duplicate).first(conn).optional()?)
}

/// The duplicates whose merges into a service are kept, in the order of these.
pub fn into(conn: &mut DbConn, survivor: ServiceId) -> Result<Vec<ServiceId>> {
    let of_it = service_merges::table.filter(service_merges::survivor_id.eq(survivor));
    let mut kept: Vec<(Instant, ServiceId)> = of_it.select((service_merges::merged_at, service_merges::duplicate_id)).load(conn)?;
    kept.sort_unstable();
    Ok(kept.into_iter().map(|(_, duplicate)| duplicate).collect())
}

/// Those of these records of which a merge is kept.
pub fn kept_among(conn: &mut DbConn, ids: &[ServiceId]) -> Result<Vec<ServiceId>> {
    Ok(service_merges::table.filter(service_merges::duplicate_id.eq_any(ids)).select(service_merges::duplicate_id).load(conn)?)
}

/// Those of these records that led to a duplicate when it was merged.
pub fn came_with(conn: &mut DbConn, duplicate: ServiceId, ids: &[ServiceId]) -> Result<Vec<ServiceId>> {
    let rows: Vec<Id<()>> = ids.iter().map(|id| id.cast()).collect();
    let came = service_merge_rows::table.filter(service_merge_rows::duplicate_id.eq(duplicate));
    let came: Vec<Id<()>> = came.filter(service_merge_rows::row_id.eq_any(rows)).select(service_merge_rows::row_id).load(conn)?;
    Ok(came.into_iter().map(Id::cast).collect())
}

/// Writes what is kept now.
pub fn replace(conn: &mut DbConn, row: &MergeRow) -> Result<()> {
    update(service_merges::table.find(row.duplicate_id)).set(service_merges::content.eq(&row.content)).execute(conn)?;
    Ok(())
}

/// Forgets a merge that was taken back.
pub fn remove(conn: &mut DbConn, duplicate: ServiceId) -> Result<()> {
    delete(service_merges::table.find(duplicate)).execute(conn)?;
    Ok(())
}
