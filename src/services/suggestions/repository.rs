//! The queries of suggestions.

use diesel::dsl::{insert_into, update};
use diesel::prelude::*;

use super::api::{SuggestionQuery, SuggestionSide};
use super::model::SuggestionRow;
use crate::db::DbConn;
use crate::db::schema::service_suggestions::dsl;
use crate::db::types::Instant;
use crate::error::Result;
use crate::kind::{OrganizationId, ServiceId, ServiceSuggestionId};

/// Adds a suggestion.
pub fn insert(conn: &mut DbConn, row: &SuggestionRow) -> Result<()> {
    insert_into(dsl::service_suggestions).values(row).execute(conn)?;
    Ok(())
}

/// Makes these suggestions, at most 1,000, those for another service; returns them as they now are.
pub fn move_to(conn: &mut DbConn, ids: &[ServiceSuggestionId], to: ServiceId, at: Instant) -> Result<Vec<SuggestionRow>> {
    let next = (dsl::service_id.eq(to), dsl::version.eq(dsl::version + 1), dsl::updated_at.eq(at));
    let moved = update(dsl::service_suggestions.filter(dsl::id.eq_any(ids))).set(next);
    Ok(moved.returning(crate::db::schema::service_suggestions::all_columns).get_results(conn)?)
}

/// The suggestion with this id, if the organization made it or decides on it.
pub fn find(conn: &mut DbConn, organization: OrganizationId, id: ServiceSuggestionId) -> Result<Option<SuggestionRow>> {
    let is_party = dsl::organization_id.eq(organization).or(dsl::keeper_id.eq(organization));
    Ok(dsl::service_suggestions.filter(dsl::id.eq(id)).filter(is_party).first(conn).optional()?)
}

/// One page of those that an organization received or made, in order of id, and one row more.
pub fn list(
    conn: &mut DbConn,
    organization: OrganizationId,
    query: &SuggestionQuery,
    after: Option<ServiceSuggestionId>,
) -> Result<Vec<SuggestionRow>> {
    let mut rows = dsl::service_suggestions.order(dsl::id).limit(query.limit.and_one()).into_boxed();
    rows = match query.side {
        SuggestionSide::Received => rows.filter(dsl::keeper_id.eq(organization)),
        SuggestionSide::Made => rows.filter(dsl::organization_id.eq(organization)),
    };
    if let Some(status) = query.status {
        rows = rows.filter(dsl::status.eq(status));
    }
    if let Some(after) = after {
        rows = rows.filter(dsl::id.gt(after));
    }
    Ok(rows.load(conn)?)
}

/// The same of a service: all of them for its keeper, for others their own.
pub fn list_of_service(
    conn: &mut DbConn,
    organization: OrganizationId,
    service: ServiceId,
    after: Option<ServiceSuggestionId>,
    limit: i64,
) -> Result<Vec<SuggestionRow>> {
    let is_party = dsl::organization_id.eq(organization).or(dsl::keeper_id.eq(organization));
    let mut rows = dsl::service_suggestions.filter(dsl::service_id.eq(service)).filter(is_party).order(dsl::id).limit(limit).into_boxed();
    if let Some(after) = after {
        rows = rows.filter(dsl::id.gt(after));
    }
    Ok(rows.load(conn)?)
}

/// Writes what became of a suggestion over the version before it; false where that is no longer there.
pub fn settle(conn: &mut DbConn, row: &SuggestionRow) -> Result<bool> {
    let before = dsl::service_suggestions.filter(dsl::id.eq(row.id)).filter(dsl::version.eq(row.version - 1));
    let changed = update(before)
        .set((
            dsl::status.eq(row.status),
            dsl::decision_note.eq(&row.decision_note),
            dsl::decided_at.eq(row.decided_at),
            dsl::applied_version.eq(row.applied_version),
            dsl::version.eq(row.version),
            dsl::updated_at.eq(row.updated_at),
        ))
        .execute(conn)?;
    Ok(changed == 1)
}
