//! The queries of screening links.

use diesel::dsl::{insert_into, update};
use diesel::prelude::*;

use super::ScreeningLinkRow;
use crate::db::DbConn;
use crate::db::schema::screening_links;
use crate::db::types::Instant;
use crate::error::Result;
use crate::kind::{ScreeningId, ScreeningLinkId};

/// Adds a link.
pub fn insert(conn: &mut DbConn, row: &ScreeningLinkRow) -> Result<()> {
    insert_into(screening_links::table).values(row).execute(conn)?;
    Ok(())
}

/// The link with this id.
pub fn find(conn: &mut DbConn, id: ScreeningLinkId) -> Result<Option<ScreeningLinkRow>> {
    Ok(screening_links::table.find(id).first(conn).optional()?)
}

/// The links of a screening, oldest first.
pub fn list(conn: &mut DbConn, screening: ScreeningId, after: Option<ScreeningLinkId>, limit: i64) -> Result<Vec<ScreeningLinkRow>> {
    let of_screening = screening_links::table.filter(screening_links::screening_id.eq(screening));
    let mut rows = of_screening.order(screening_links::id).limit(limit).into_boxed();
    if let Some(after) = after {
        rows = rows.filter(screening_links::id.gt(after));
    }
    Ok(rows.load(conn)?)
}

/// Revokes those links of a screening that still open it; returns them as they now are.
pub fn revoke(conn: &mut DbConn, screening: ScreeningId, at: Instant) -> Result<Vec<ScreeningLinkRow>> {
    let open = screening_links::table
        .filter(screening_links::screening_id.eq(screening))
        .filter(screening_links::revoked_at.is_null())
        .filter(screening_links::expires_at.gt(at));
    let revoked = (screening_links::revoked_at.eq(Some(at)), screening_links::version.eq(screening_links::version + 1));
    Ok(update(open).set(revoked).returning(screening_links::all_columns).get_results(conn)?)
}
