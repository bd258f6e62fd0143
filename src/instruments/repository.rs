//! The queries of instruments.

use diesel::prelude::*;

use super::api::InstrumentQuery;
use super::model::InstrumentRow;
use crate::db::DbConn;
use crate::db::schema::{instruments, screenings};
use crate::error::Result;
use crate::kind::{InstrumentId, OrganizationId};

/// The instrument with this id, tombstones included.
pub fn find(conn: &mut DbConn, id: InstrumentId) -> Result<Option<InstrumentRow>> {
    Ok(instruments::table.find(id).first(conn).optional()?)
}

/// This edition of the instrument with this code.
pub fn find_edition(conn: &mut DbConn, code: &str, edition: &str) -> Result<Option<InstrumentRow>> {
    let rows = instruments::table.filter(instruments::code.eq(code)).filter(instruments::deleted_at.is_null());
    Ok(rows.filter(instruments::edition.eq(edition)).first(conn).optional()?)
}

/// The instrument with this code: the edition asked for, or else the one that the organization, or the operator of the server, loaded
/// last. What another organization loaded is taken only where there is no other: it must not change how everybody's answers are scored.
pub fn find_by_code(conn: &mut DbConn, organization: OrganizationId, code: &str, edition: Option<&str>) -> Result<Option<InstrumentRow>> {
    if let Some(edition) = edition {
        return find_edition(conn, code, edition);
    }
    let rows = instruments::table.filter(instruments::code.eq(code)).filter(instruments::deleted_at.is_null());
    let rows: Vec<InstrumentRow> = rows.order((instruments::created_at.desc(), instruments::id.desc())).load(conn)?;
    let is_trusted = |row: &&InstrumentRow| row.organization_id.is_none_or(|loader| loader == organization);
    Ok(rows.iter().find(is_trusted).or(rows.first()).cloned())
}

/// The code and edition of every instrument.
pub fn editions(conn: &mut DbConn) -> Result<Vec<(String, String)>> {
    let alive = instruments::table.filter(instruments::deleted_at.is_null());
    Ok(alive.select((instruments::code, instruments::edition)).load(conn)?)
}

/// One page in order of id, and one row more.
pub fn list(conn: &mut DbConn, query: &InstrumentQuery, after: Option<InstrumentId>) -> Result<Vec<InstrumentRow>> {
    let alive = instruments::table.filter(instruments::deleted_at.is_null());
    let mut rows = alive.order(instruments::id).limit(query.limit.and_one()).into_boxed();
    if let Some(code) = &query.code {
        rows = rows.filter(instruments::code.eq(code));
    }
    if let Some(edition) = &query.edition {
        rows = rows.filter(instruments::edition.eq(edition));
    }
    if let Some(after) = after {
        rows = rows.filter(instruments::id.gt(after));
    }
    Ok(rows.load(conn)?)
}

/// Whether a screening stands on the instrument, which then can no longer change.
pub fn is_used(conn: &mut DbConn, id: InstrumentId) -> Result<bool> {
    Ok(diesel::select(diesel::dsl::exists(screenings::table.filter(screenings::instrument_id.eq(id)))).get_result(conn)?)
}

/// Adds the row.
pub fn insert(conn: &mut DbConn, row: &InstrumentRow) -> Result<()> {
    diesel::insert_into(instruments::table).values(row).execute(conn)?;
    Ok(())
}

/// Writes the row over the version before it; false where that is no longer there.
pub fn update(conn: &mut DbConn, row: &InstrumentRow) -> Result<bool> {
    let before = instruments::table.filter(instruments::id.eq(row.id)).filter(instruments::version.eq(row.version - 1));
    let changed = diesel::update(before)
        .set((
            instruments::code.eq(&row.code),
            instruments::edition.eq(&row.edition),
            instruments::content.eq(&row.content),
            instruments::version.eq(row.version),
            instruments::updated_at.eq(row.updated_at),
            instruments::deleted_at.eq(row.deleted_at),
        ))
        .execute(conn)?;
    Ok(changed == 1)
}
