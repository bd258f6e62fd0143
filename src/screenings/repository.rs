//! The queries of screenings.

use diesel::prelude::*;

use super::api::ScreeningQuery;
use super::model::{ScreeningRow, ScreeningStatus};
use crate::db::DbConn;
use crate::db::schema::screenings;
use crate::each;
use crate::error::Result;
use crate::identifiers::{self, IdentifierToken};
use crate::kind::{self, OrganizationId, PatientId, ScreeningId};

/// The screening with this id, tombstones included.
pub fn find(conn: &mut DbConn, id: ScreeningId) -> Result<Option<ScreeningRow>> {
    Ok(each!(conn, |conn| screenings::table.find(id).first(conn)).optional()?)
}

/// Whose screenings a list has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// All that the organization recorded.
    Organization(OrganizationId),
    /// All of the patient.
    Patient(PatientId),
    /// Those of the patient that the organization recorded.
    Both(PatientId, OrganizationId),
}

/// One page in order of id, and one row more.
pub fn list(conn: &mut DbConn, of: Of, query: &ScreeningQuery, after: Option<ScreeningId>) -> Result<Vec<ScreeningRow>> {
    let alive = screenings::table.filter(screenings::deleted_at.is_null());
    let mut rows = alive.order(screenings::id).limit(query.limit.and_one()).into_boxed();
    if let Of::Patient(patient) | Of::Both(patient, _) = of {
        rows = rows.filter(screenings::patient_id.eq(patient));
    }
    if let Of::Organization(organization) | Of::Both(_, organization) = of {
        rows = rows.filter(screenings::organization_id.eq(organization));
    }
    if let Some(IdentifierToken(key)) = &query.identifier {
        let owner = match of {
            Of::Organization(organization) | Of::Both(_, organization) => Some(organization),
            Of::Patient(_) => None,
        };
        rows = rows.filter(screenings::id.eq_any(identifiers::known_as::<kind::Screening>(conn, key, owner)?));
    }
    if let Some(instrument) = &query.instrument {
        rows = rows.filter(screenings::instrument_code.eq(instrument));
    }
    if !query.status.is_empty() {
        rows = rows.filter(screenings::status.eq_any(query.status.clone()));
    }
    if let Some(day) = query.rescreen_until {
        rows = rows.filter(screenings::rescreen_on.le(day));
    }
    if let Some(moment) = query.updated_since {
        rows = rows.filter(screenings::updated_at.ge(moment));
    }
    if let Some(after) = after {
        rows = rows.filter(screenings::id.gt(after));
    }
    Ok(rows.load(conn)?)
}

/// A patient's completed screenings with an instrument, oldest first, at most 1,000.
pub fn completed(conn: &mut DbConn, patient: PatientId, instrument_code: &str) -> Result<Vec<ScreeningRow>> {
    let of_patient = screenings::table.filter(screenings::patient_id.eq(patient)).filter(screenings::deleted_at.is_null());
    let completed =
        of_patient.filter(screenings::instrument_code.eq(instrument_code)).filter(screenings::status.eq(ScreeningStatus::Completed));
    Ok(completed.order((screenings::completed_at, screenings::id)).limit(1_000).load(conn)?)
}

/// All completed screenings of a patient, in order of id.
pub fn all_completed(conn: &mut DbConn, patient: PatientId) -> Result<Vec<ScreeningRow>> {
    let of_patient = screenings::table.filter(screenings::patient_id.eq(patient)).filter(screenings::deleted_at.is_null());
    Ok(of_patient.filter(screenings::status.eq(ScreeningStatus::Completed)).order(screenings::id).load(conn)?)
}

/// Adds the row.
pub fn insert(conn: &mut DbConn, row: &ScreeningRow) -> Result<()> {
    each!(conn, |conn| diesel::insert_into(screenings::table).values(row).execute(conn))?;
    Ok(())
}

/// Writes the row over the version before it; false where that is no longer there.
pub fn update(conn: &mut DbConn, row: &ScreeningRow) -> Result<bool> {
    let before = screenings::table.filter(screenings::id.eq(row.id)).filter(screenings::version.eq(row.version - 1));
    let changed = diesel::update(before)
        .set((
            screenings::status.eq(row.status),
            screenings::completed_at.eq(row.completed_at),
            screenings::rescreen_on.eq(row.rescreen_on),
            screenings::content.eq(&row.content),
            screenings::findings.eq(&row.findings),
            screenings::version.eq(row.version),
            screenings::updated_at.eq(row.updated_at),
            screenings::deleted_at.eq(row.deleted_at),
        ))
        .execute(conn)?;
    Ok(changed == 1)
}
