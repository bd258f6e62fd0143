//! The queries of services.

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;

use super::row::{CapacityEntryRow, ServiceRow};
use crate::db::schema::{capacity_entries, services};
use crate::db::types::Id;
use crate::db::{DbConn, among};
use crate::each;
use crate::error::{Error, Result};
use crate::kind::ServiceId;

/// Services of which the texts are in memory together where a great many are read. What is made of a text may take sixty times as much: so
/// each is given on before the next is unpacked, and on SQLite a statement lasts until whoever takes them has the last.
const PAGE: usize = 25;

/// The service with this id, tombstones included.
pub fn find(conn: &mut DbConn, id: ServiceId) -> Result<Option<ServiceRow>> {
    Ok(each!(conn, |conn| services::table.find(id).first(conn)).optional()?)
}

/// The same of one that stands for itself.
///
/// # Errors
/// [`Error::Merged`] where another record stands for it.
pub fn find_standing(conn: &mut DbConn, id: ServiceId) -> Result<Option<ServiceRow>> {
    match find(conn, id)? {
        Some(ServiceRow { merged_into_id: Some(into), .. }) => Err(Error::Merged { into: format!("/v1/services/{into}") }),
        found => Ok(found),
    }
}

/// The service with this id, where it is in the directory.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Gone`] where it was deleted, [`Error::Merged`] where another record stands for it.
pub fn get(conn: &mut DbConn, id: ServiceId) -> Result<ServiceRow> {
    let row = find_standing(conn, id)?.ok_or(Error::NotFound)?;
    if row.deleted_at.is_some() { Err(Error::Gone) } else { Ok(row) }
}

/// The ids of the records that were merged into a service, in order: as many as [`merge`](super::duplicates::merge) lets one stand for.
pub fn merged_ids(conn: &mut DbConn, id: ServiceId) -> Result<Vec<ServiceId>> {
    Ok(services::table.filter(services::merged_into_id.eq(id)).select(services::id).order(services::id).load(conn)?)
}

/// One page of the same, those that come after one of them.
pub fn list_merged(conn: &mut DbConn, id: ServiceId, after: Option<ServiceId>, limit: i64) -> Result<Vec<ServiceId>> {
    let merged = services::table.filter(services::merged_into_id.eq(id)).select(services::id);
    let mut ids = merged.order(services::id).limit(limit).into_boxed();
    if let Some(after) = after {
        ids = ids.filter(services::id.gt(after));
    }
    Ok(ids.load(conn)?)
}

/// Says which record stands for these, if another one does.
///
/// By itself, and not with every [`update`]: the column refers to its own table, and with such a column SQLite writes all indexes anew.
pub fn lead(conn: &mut DbConn, ids: &[ServiceId], into: Option<ServiceId>) -> Result<()> {
    diesel::update(services::table.filter(services::id.eq_any(ids))).set(services::merged_into_id.eq(into)).execute(conn)?;
    Ok(())
}

/// The services with these ids, at most 1,000, tombstones included, in no order.
pub fn load(conn: &mut DbConn, ids: &[ServiceId]) -> Result<Vec<ServiceRow>> {
    Ok(each!(conn, |conn| services::table.filter(among(services::id, ids)).load(conn))?)
}

/// Gives the same one after the other, however many they are.
pub fn each_of(conn: &mut DbConn, ids: &[ServiceId], mut give: impl FnMut(ServiceRow) -> Result<()>) -> Result<()> {
    for ids in ids.chunks(PAGE) {
        each!(conn, |conn| {
            for row in services::table.filter(among(services::id, ids)).load_iter::<ServiceRow, DefaultLoadingMode>(conn)? {
                give(row?)?;
            }
        });
    }
    Ok(())
}

/// Gives all services, one after the other in order of id, tombstones and those that were merged into others included.
pub fn each_row(conn: &mut DbConn, mut give: impl FnMut(ServiceRow) -> Result<()>) -> Result<()> {
    let mut last: Option<ServiceId> = None;
    loop {
        let mut rows = services::table.order(services::id).limit(PAGE as i64).into_boxed();
        if let Some(last) = last {
            rows = rows.filter(services::id.gt(last));
        }
        let mut read = 0;
        for row in rows.load_iter::<ServiceRow, DefaultLoadingMode>(conn)? {
            let row = row?;
            last = Some(row.id);
            read += 1;
            give(row)?;
        }
        if read < PAGE {
            return Ok(());
        }
    }
}

/// Adds the row.
pub fn insert(conn: &mut DbConn, row: &ServiceRow) -> Result<()> {
    each!(conn, |conn| diesel::insert_into(services::table).values(row).execute(conn))?;
    Ok(())
}

/// Adds rows, a statement for each 1,000.
pub fn insert_all(conn: &mut DbConn, rows: &[ServiceRow]) -> Result<()> {
    for rows in rows.chunks(1_000) {
        each!(conn, |conn| diesel::insert_into(services::table).values(rows).execute(conn))?;
    }
    Ok(())
}

/// Writes the row over the version before it; false where that is no longer there.
pub fn update(conn: &mut DbConn, row: &ServiceRow) -> Result<bool> {
    let before = services::table.filter(services::id.eq(row.id)).filter(services::version.eq(row.version - 1));
    let changed = diesel::update(before)
        .set((
            services::provider_id.eq(row.provider_id),
            services::name.eq(&row.name),
            services::name_key.eq(&row.name_key),
            services::kind.eq(row.kind),
            services::status.eq(row.status),
            services::last_verified_on.eq(row.last_verified_on),
            services::content.eq(&row.content),
            services::capacity.eq(&row.capacity),
            services::capacity_status.eq(row.capacity_status),
            services::capacities.eq(&row.capacities),
            services::distinct_from.eq(&row.distinct_from),
            services::own_content.eq(&row.own_content),
            services::queue.eq(&row.queue),
            services::version.eq(row.version),
            services::updated_at.eq(row.updated_at),
            services::deleted_at.eq(row.deleted_at),
        ))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Waits until nobody else is changing the service, and keeps others waiting until the transaction ends. On SQLite whoever writes is
/// alone.
pub fn lock(conn: &mut DbConn, id: ServiceId) -> Result<()> {
    if let DbConn::Pg(conn) = conn {
        services::table.find(id).select(services::id).for_no_key_update().execute(conn)?;
    }
    Ok(())
}

/// Keeps everybody from merging a service before the transaction ends: what is being recorded with it goes where a merge sends it. On
/// SQLite whoever writes is alone.
pub fn hold(conn: &mut DbConn, id: ServiceId) -> Result<()> {
    if let DbConn::Pg(conn) = conn {
        services::table.find(id).select(services::id).for_key_share().execute(conn)?;
    }
    Ok(())
}

/// Waits until what is being recorded with a service is there, and has everybody wait who would record more, until the transaction ends;
/// see [`hold`].
pub fn close(conn: &mut DbConn, id: ServiceId) -> Result<()> {
    if let DbConn::Pg(conn) = conn {
        services::table.find(id).select(services::id).for_update().execute(conn)?;
    }
    Ok(())
}

/// Adds to the history of a service's capacity.
pub fn insert_capacity_entry(conn: &mut DbConn, row: &CapacityEntryRow) -> Result<()> {
    each!(conn, |conn| diesel::insert_into(capacity_entries::table).values(row).execute(conn))?;
    Ok(())
}

/// The history of a service's capacity before an entry, the latest first.
pub fn list_capacity_entries(conn: &mut DbConn, service: ServiceId, before: Option<Id<()>>, limit: i64) -> Result<Vec<CapacityEntryRow>> {
    let mut rows = capacity_entries::table
        .filter(capacity_entries::service_id.eq(service))
        .order(capacity_entries::id.desc())
        .limit(limit)
        .into_boxed();
    if let Some(before) = before {
        rows = rows.filter(capacity_entries::id.lt(before));
    }
    Ok(rows.load(conn)?)
}
