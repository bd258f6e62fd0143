//! The queries of needs.

use diesel::prelude::*;

use super::api::NeedQuery;
use super::model::{NeedRow, NeedStatus};
use crate::db::DbConn;
use crate::db::schema::needs;
use crate::each;
use crate::error::Result;
use crate::identifiers::{self, IdentifierToken};
use crate::kind::{self, NeedId, OrganizationId, PatientId, ScreeningId};
use crate::types::DOMAINS;

/// The need with this id, tombstones included.
pub fn find(conn: &mut DbConn, id: NeedId) -> Result<Option<NeedRow>> {
    Ok(each!(conn, |conn| needs::table.find(id).first(conn)).optional()?)
}

/// Which of a patient's needs somebody sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// All of them.
    All,
    /// Those that are not sensitive, and all that this organization recorded.
    NotSensitive(OrganizationId),
    /// Those that this organization recorded.
    Own(OrganizationId),
}

impl Seen {
    /// Whether this need of the patient is among them.
    pub fn includes(self, row: &NeedRow) -> bool {
        match self {
            Self::All => true,
            Self::NotSensitive(own) => !row.is_sensitive || row.organization_id == own,
            Self::Own(own) => row.organization_id == own,
        }
    }
}

/// One page in order of id, and one row more: of the needs of a patient that are seen, or else of those that the organization recorded.
pub fn list(
    conn: &mut DbConn,
    organization: OrganizationId,
    of_whom: Option<(PatientId, Seen)>,
    query: &NeedQuery,
    after: Option<NeedId>,
) -> Result<Vec<NeedRow>> {
    let alive = needs::table.filter(needs::deleted_at.is_null());
    let mut rows = alive.order(needs::id).limit(query.limit.and_one()).into_boxed();
    if let Some((patient, _)) = of_whom {
        rows = rows.filter(needs::patient_id.eq(patient));
    }
    rows = match of_whom.map_or(Seen::Own(organization), |(_, seen)| seen) {
        Seen::All => rows,
        Seen::NotSensitive(own) => rows.filter(needs::is_sensitive.eq(false).or(needs::organization_id.eq(own))),
        Seen::Own(own) => rows.filter(needs::organization_id.eq(own)),
    };
    if let Some(is_basic) = query.is_basic {
        let basic = DOMAINS.iter().filter(|domain| domain.is_basic).map(|domain| domain.code);
        let is_among = needs::domain.eq_any(basic.collect::<Vec<_>>());
        rows = if is_basic { rows.filter(is_among) } else { rows.filter(diesel::dsl::not(is_among)) };
    }
    if let Some(IdentifierToken(key)) = &query.identifier {
        let owner = of_whom.is_none().then_some(organization);
        rows = rows.filter(needs::id.eq_any(identifiers::known_as::<kind::Need>(conn, key, owner)?));
    }
    if let Some(screening) = query.screening_id {
        rows = rows.filter(needs::screening_id.eq(screening));
    }
    if let Some(moment) = query.updated_since {
        rows = rows.filter(needs::updated_at.ge(moment));
    }
    if !query.status.is_empty() {
        rows = rows.filter(needs::status.eq_any(query.status.clone()));
    }
    if !query.domain.is_empty() {
        rows = rows.filter(needs::domain.eq_any(query.domain.clone()));
    }
    if let Some(after) = after {
        rows = rows.filter(needs::id.gt(after));
    }
    Ok(rows.load(conn)?)
}

/// All of a patient's needs, however they stand, in order of id.
pub fn of_patient(conn: &mut DbConn, patient: PatientId) -> Result<Vec<NeedRow>> {
    let alive = needs::table.filter(needs::patient_id.eq(patient)).filter(needs::deleted_at.is_null());
    Ok(alive.order(needs::id).load(conn)?)
}

/// A patient's needs that somebody may still help with, in order of id.
pub fn open_of_patient(conn: &mut DbConn, patient: PatientId) -> Result<Vec<NeedRow>> {
    let alive = needs::table.filter(needs::patient_id.eq(patient)).filter(needs::deleted_at.is_null());
    Ok(alive.filter(needs::status.eq_any([NeedStatus::Active, NeedStatus::BeingAddressed])).order(needs::id).load(conn)?)
}

/// Which of these needs are sensitive, each with its domain.
pub fn sensitive_among(conn: &mut DbConn, ids: &[NeedId]) -> Result<Vec<(NeedId, String)>> {
    let mut found = Vec::new();
    for ids in ids.chunks(500) {
        let sensitive = needs::table.filter(needs::id.eq_any(ids)).filter(needs::is_sensitive.eq(true));
        found.extend(sensitive.select((needs::id, needs::domain)).load::<(NeedId, String)>(conn)?);
    }
    Ok(found)
}

/// The needs that stand on a screening and that nobody works on.
pub fn active_of_screening(conn: &mut DbConn, screening: ScreeningId) -> Result<Vec<NeedRow>> {
    let raised = needs::table.filter(needs::screening_id.eq(screening)).filter(needs::deleted_at.is_null());
    Ok(raised.filter(needs::status.eq(NeedStatus::Active)).order(needs::id).load(conn)?)
}

/// The need in a domain that a screening has raised and nobody has given a key yet.
pub fn raised_by(conn: &mut DbConn, organization: OrganizationId, screening: ScreeningId, domain: &str) -> Result<Option<NeedRow>> {
    let raised = needs::table.filter(needs::screening_id.eq(screening)).filter(needs::deleted_at.is_null());
    let raised = raised.filter(needs::organization_id.eq(organization)).filter(needs::domain.eq(domain)).order(needs::id);
    let rows: Vec<NeedRow> = raised.load(conn)?;
    Ok(rows.into_iter().find(|row| row.content.identifiers.is_empty()))
}

/// Adds the row.
pub fn insert(conn: &mut DbConn, row: &NeedRow) -> Result<()> {
    each!(conn, |conn| diesel::insert_into(needs::table).values(row).execute(conn))?;
    Ok(())
}

/// Writes the row over the version before it; false where that is no longer there.
pub fn update(conn: &mut DbConn, row: &NeedRow) -> Result<bool> {
    let before = needs::table.filter(needs::id.eq(row.id)).filter(needs::version.eq(row.version - 1));
    let changed = diesel::update(before)
        .set((
            needs::screening_id.eq(row.screening_id),
            needs::domain.eq(&row.domain),
            needs::status.eq(row.status),
            needs::is_sensitive.eq(row.is_sensitive),
            needs::content.eq(&row.content),
            needs::version.eq(row.version),
            needs::updated_at.eq(row.updated_at),
            needs::deleted_at.eq(row.deleted_at),
        ))
        .execute(conn)?;
    Ok(changed == 1)
}
