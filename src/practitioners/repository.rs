//! The queries of practitioners.

use diesel::dsl::count_star;
use diesel::prelude::*;

use super::api::PractitionerQuery;
use super::model::PractitionerRow;
use crate::auth::{Principal, sight};
use crate::consents::model::DataCategory;
use crate::db::DbConn;
use crate::db::schema::patients;
use crate::db::schema::practitioners::dsl;
use crate::each;
use crate::error::{Fault, Result};
use crate::identifiers::{self, IdentifierToken};
use crate::kind::{self, OrganizationId, PractitionerId};
use crate::organizations::repository::escape_like;
use crate::patients::model::{NeedLevel, PatientStatus};
use crate::text::fold;

/// The practitioner with this id, tombstones included.
pub fn find(conn: &mut DbConn, id: PractitionerId) -> Result<Option<PractitionerRow>> {
    Ok(each!(conn, |conn| dsl::practitioners.find(id).first(conn)).optional()?)
}

/// The practitioner with this id who is not deleted.
pub fn find_living(conn: &mut DbConn, id: PractitionerId) -> Result<Option<PractitionerRow>> {
    Ok(find(conn, id)?.filter(|row| row.deleted_at.is_none()))
}

/// Adds a fault at `pointer` unless this is a practitioner of the organization.
pub fn check_own(
    conn: &mut DbConn,
    organization: OrganizationId,
    id: PractitionerId,
    pointer: &str,
    faults: &mut Vec<Fault>,
) -> Result<()> {
    if find_living(conn, id)?.is_none_or(|row| row.organization_id != organization) {
        faults.push(Fault::new(pointer, "not_found", "is not a practitioner of the caller's organization"));
    }
    Ok(())
}

/// One page in order of id, and one row more. An identifier is one of the reader's own.
pub fn list(
    conn: &mut DbConn,
    reader: OrganizationId,
    query: &PractitionerQuery,
    after: Option<PractitionerId>,
) -> Result<Vec<PractitionerRow>> {
    let mut rows = dsl::practitioners.filter(dsl::deleted_at.is_null()).order(dsl::id).limit(query.limit.and_one()).into_boxed();
    if let Some(organization) = query.organization_id {
        rows = rows.filter(dsl::organization_id.eq(organization));
    }
    if let Some(role) = query.role {
        rows = rows.filter(dsl::roles.like(format!("%|{role}|%")));
    }
    if let Some(language) = &query.language {
        let language = escape_like(&language.to_lowercase());
        let is_same = dsl::languages.like(format!("%|{language}|%")).escape('!');
        rows = rows.filter(is_same.or(dsl::languages.like(format!("%|{language}-%")).escape('!')));
    }
    for word in query.name.as_deref().map(fold).unwrap_or_default().split(' ').filter(|word| !word.is_empty()) {
        rows = rows.filter(dsl::name_key.like(format!("%{}%", escape_like(word))).escape('!'));
    }
    if let Some(IdentifierToken(key)) = &query.identifier {
        rows = rows.filter(dsl::id.eq_any(identifiers::known_as::<kind::Practitioner>(conn, key, Some(reader))?));
    }
    if let Some(since) = query.updated_since {
        rows = rows.filter(dsl::updated_at.ge(since));
    }
    if let Some(is_active) = query.is_active {
        rows = rows.filter(dsl::is_active.eq(is_active));
    }
    if let Some(after) = after {
        rows = rows.filter(dsl::id.gt(after));
    }
    Ok(rows.load(conn)?)
}

/// The active patients, of those whom the caller sees, whose primary navigator this is: of need level high, medium, low, and of none or
/// one that the caller does not see.
pub fn count_patients(conn: &mut DbConn, caller: &Principal, id: PractitionerId) -> Result<[i64; 4]> {
    let accompanied = || {
        let active = patients::table.filter(patients::primary_navigator_id.eq(id)).filter(patients::status.eq(PatientStatus::Active));
        active.filter(patients::deleted_at.is_null())
    };
    let is_own = patients::organization_id.eq(caller.organization_id);
    let sees = |category| is_own.or(patients::id.eq_any(sight::granted(caller, category)));
    let total: i64 = accompanied().filter(sees(DataCategory::Summary)).count().get_result(conn)?;
    let counts: Vec<(Option<NeedLevel>, i64)> = accompanied()
        .filter(sees(DataCategory::Needs))
        .filter(patients::need_level.is_not_null())
        .group_by(patients::need_level)
        .select((patients::need_level, count_star()))
        .load(conn)?;
    let of = |level| counts.iter().find(|(found, _)| *found == Some(level)).map_or(0, |(_, count)| *count);
    let [high, medium, low] = [of(NeedLevel::High), of(NeedLevel::Medium), of(NeedLevel::Low)];
    Ok([high, medium, low, total - high - medium - low])
}

/// Adds the row.
pub fn insert(conn: &mut DbConn, row: &PractitionerRow) -> Result<()> {
    diesel::insert_into(dsl::practitioners).values(row).execute(conn)?;
    Ok(())
}

/// Writes the row over the version before it; false where that is no longer there.
pub fn update(conn: &mut DbConn, row: &PractitionerRow) -> Result<bool> {
    let before = dsl::practitioners.filter(dsl::id.eq(row.id)).filter(dsl::version.eq(row.version - 1));
    let changed = diesel::update(before)
        .set((
            dsl::name_key.eq(&row.name_key),
            dsl::roles.eq(&row.roles),
            dsl::languages.eq(&row.languages),
            dsl::is_active.eq(row.is_active),
            dsl::content.eq(&row.content),
            dsl::version.eq(row.version),
            dsl::updated_at.eq(row.updated_at),
            dsl::deleted_at.eq(row.deleted_at),
        ))
        .execute(conn)?;
    Ok(changed == 1)
}
