//! The queries of links.

use diesel::dsl::{insert_into, update};
use diesel::prelude::*;

use super::LinkRow;
use crate::auth::links::Purpose;
use crate::db::DbConn;
use crate::db::schema::links;
use crate::db::types::{Id, Instant};
use crate::error::Result;

/// Adds a link.
pub fn insert(conn: &mut DbConn, row: &LinkRow) -> Result<()> {
    insert_into(links::table).values(row).execute(conn)?;
    Ok(())
}

/// The link with this id.
pub fn find(conn: &mut DbConn, id: Id<()>) -> Result<Option<LinkRow>> {
    Ok(links::table.find(id).first(conn).optional()?)
}

/// The links to something, oldest first.
pub fn list(conn: &mut DbConn, purpose: Purpose, subject: Id<()>, after: Option<Id<()>>, limit: i64) -> Result<Vec<LinkRow>> {
    let of_subject = links::table.filter(links::subject_id.eq(subject)).filter(links::purpose.eq(purpose));
    let mut rows = of_subject.order(links::id).limit(limit).into_boxed();
    if let Some(after) = after {
        rows = rows.filter(links::id.gt(after));
    }
    Ok(rows.load(conn)?)
}

/// Makes these links, at most 1,000, lead to something else; returns them as they now are.
pub fn move_to(conn: &mut DbConn, ids: &[Id<()>], to: Id<()>) -> Result<Vec<LinkRow>> {
    let moved = (links::subject_id.eq(to), links::version.eq(links::version + 1));
    Ok(update(links::table.filter(links::id.eq_any(ids))).set(moved).returning(links::all_columns).get_results(conn)?)
}

/// Revokes those links to something that still open it; returns them as they now are.
pub fn revoke(conn: &mut DbConn, purpose: Purpose, subject: Id<()>, at: Instant) -> Result<Vec<LinkRow>> {
    let open = links::table
        .filter(links::subject_id.eq(subject))
        .filter(links::purpose.eq(purpose))
        .filter(links::revoked_at.is_null())
        .filter(links::expires_at.gt(at));
    let revoked = (links::revoked_at.eq(Some(at)), links::version.eq(links::version + 1));
    Ok(update(open).set(revoked).returning(links::all_columns).get_results(conn)?)
}
