//! Who accompanies a patient, and how much support the patient needs: each with its history.

use chrono::NaiveDate;
use diesel::prelude::*;

use super::api::{NavigatorAssignment, NavigatorInput, NeedLevelAssessment, NeedLevelInput, Patient};
use super::handlers::{Patients, Seen};
use super::model::{NeedLevel, PatientRow};
use super::repository;
use crate::auth::Principal;
use crate::changes::{self, Action, Change};
use crate::consents::model::{ConsentPurpose, DataCategory};
use crate::consents::repository::covered;
use crate::db::DbConn;
use crate::db::schema::{patient_navigators, patient_need_levels};
use crate::db::types::{Id, Instant};
use crate::error::{Error, Fault, Result};
use crate::http::etag::OptionalIfMatch;
use crate::http::resource::{self, Resource as _};
use crate::kind::{NavigatorAssignmentId, NeedLevelAssessmentId, OrganizationId, PatientId, PractitionerId};
use crate::{organizations, practitioners};

/// A judged need level as the table holds it.
#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = patient_need_levels, treat_none_as_default_value = false)]
pub struct NeedLevelRow {
    id: NeedLevelAssessmentId,
    patient_id: PatientId,
    organization_id: OrganizationId,
    level: NeedLevel,
    assessed_on: NaiveDate,
    assessed_by_id: Option<PractitionerId>,
    reason: Option<String>,
    created_at: Instant,
}

impl From<NeedLevelRow> for NeedLevelAssessment {
    fn from(row: NeedLevelRow) -> Self {
        Self {
            id: row.id,
            patient_id: row.patient_id,
            organization_id: row.organization_id,
            level: row.level,
            assessed_on: row.assessed_on,
            assessed_by: row.assessed_by_id,
            reason: row.reason,
            created_at: row.created_at,
        }
    }
}

/// An assignment as the table holds it.
#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = patient_navigators, treat_none_as_default_value = false)]
pub struct NavigatorRow {
    id: NavigatorAssignmentId,
    patient_id: PatientId,
    organization_id: OrganizationId,
    practitioner_id: PractitionerId,
    reason: Option<String>,
    version: i64,
    created_at: Instant,
    ended_at: Option<Instant>,
}

impl From<NavigatorRow> for NavigatorAssignment {
    fn from(row: NavigatorRow) -> Self {
        Self {
            id: row.id,
            patient_id: row.patient_id,
            organization_id: row.organization_id,
            practitioner_id: row.practitioner_id,
            reason: row.reason,
            version: row.version,
            created_at: row.created_at,
            ended_at: row.ended_at,
        }
    }
}

/// Writes down a need level; the patient as it then is.
///
/// # Errors
/// [`Error::Forbidden`] where the caller does not see the patient's needs, [`Error::Invalid`] where the day is to come or the practitioner
/// is not the caller's own.
pub fn assess(conn: &mut DbConn, caller: &Principal, id: PatientId, version: &OptionalIfMatch, input: &NeedLevelInput) -> Result<Patient> {
    let seen = resource::get_row::<Patients>(conn, caller, id)?;
    version.check(seen.row.version)?;
    if !seen.categories.contains(DataCategory::Needs) {
        return Err(Error::Forbidden("The patient does not let the caller's organization see needs.".into()));
    }
    let mut faults = Vec::new();
    if input.assessed_on.is_some_and(|day| day > caller.at.latest_date()) {
        faults.push(Fault::new("/assessed_on", "out_of_range", "must not be in the future"));
    }
    if let Some(practitioner) = input.assessed_by {
        practitioners::repository::check_own(conn, caller.organization_id, practitioner, "/assessed_by", &mut faults)?;
    }
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }
    let assessed_on = match input.assessed_on {
        Some(day) => day,
        None => {
            // Where the last who judged is, it may be a day later by now: what is judged after that is not older.
            let today = organizations::repository::today(conn, caller.organization_id, caller.at)?;
            latest_judgement(conn, id)?.map_or(today, |(_, day)| day.max(today))
        }
    };
    let row = NeedLevelRow {
        id: Id::generate(),
        patient_id: id,
        organization_id: caller.organization_id,
        level: input.level,
        assessed_on,
        assessed_by_id: input.assessed_by,
        reason: input.reason.clone(),
        created_at: caller.at,
    };
    diesel::insert_into(patient_need_levels::table).values(&row).execute(conn)?;
    let owner = seen.row.organization_id;
    let change = NeedLevelAssessment::from(row);
    record_level(conn, caller, owner, &change)?;
    let next = PatientRow { need_level: current_level(conn, id)?, ..seen.row.clone() };
    save(conn, caller, seen, next)
}

/// Makes a practitioner the one who accompanies a patient; the patient as it then is.
///
/// # Errors
/// [`Error::Forbidden`] where somebody else's practitioner accompanies a patient whom the caller's organization does not manage,
/// [`Error::Invalid`] where the caller may not name this one.
pub fn assign(conn: &mut DbConn, caller: &Principal, id: PatientId, version: &OptionalIfMatch, input: &NavigatorInput) -> Result<Patient> {
    let seen = resource::get_row::<Patients>(conn, caller, id)?;
    version.check(seen.row.version)?;
    if seen.row.primary_navigator_id == Some(input.practitioner_id) {
        return Patients::view(conn, caller, Patients::shape(seen));
    }
    ensure_own_or_nobodys(conn, caller, &seen.row)?;
    let owner = seen.row.organization_id;
    let practitioner = practitioners::repository::find_living(conn, input.practitioner_id)?;
    let place = practitioner.filter(|found| found.is_active).map(|found| found.organization_id);
    // Whom else the patient lets in is known to who manages the patient, and told to nobody else.
    let may_be_named = match place {
        Some(place) if [owner, caller.organization_id].contains(&place) => true,
        Some(place) if owner == caller.organization_id => covered(conn, id, place, ConsentPurpose::CareCoordination, caller.at)?.is_some(),
        _ => false,
    };
    if !may_be_named {
        let message = "is not an active practitioner of an organization that the caller may name";
        return Err(Error::invalid("/practitioner_id", "not_found", message));
    }
    end_assignment(conn, caller, owner, id)?;
    let row = NavigatorRow {
        id: Id::generate(),
        patient_id: id,
        organization_id: caller.organization_id,
        practitioner_id: input.practitioner_id,
        reason: input.reason.clone(),
        version: 1,
        created_at: caller.at,
        ended_at: None,
    };
    diesel::insert_into(patient_navigators::table).values(&row).execute(conn)?;
    let change = NavigatorAssignment::from(row);
    record_navigator(conn, caller, owner, Action::Created, &change)?;
    let next = PatientRow { primary_navigator_id: Some(input.practitioner_id), ..seen.row.clone() };
    save(conn, caller, seen, next)
}

/// Fails where another organization's practitioner accompanies a patient whom the caller's does not manage: whoever takes part in the care
/// takes nobody's companion away.
fn ensure_own_or_nobodys(conn: &mut DbConn, caller: &Principal, row: &PatientRow) -> Result<()> {
    let own = caller.organization_id;
    let Some(navigator) = row.primary_navigator_id.filter(|_| row.organization_id != own) else { return Ok(()) };
    if practitioners::repository::find(conn, navigator)?.is_some_and(|navigator| navigator.organization_id == own) {
        return Ok(());
    }
    let detail = "Another organization's practitioner accompanies the patient: only that organization, or the one that manages the patient, \
                  can end that or name somebody else.";
    Err(Error::Forbidden(detail.into()))
}

/// Ends the accompaniment; nothing where nobody accompanies the patient.
///
/// # Errors
/// [`Error::Forbidden`] unless the caller's organization manages the patient, or the navigator is its own.
pub fn unassign(conn: &mut DbConn, caller: &Principal, id: PatientId, version: &OptionalIfMatch) -> Result<()> {
    let seen = resource::get_row::<Patients>(conn, caller, id)?;
    version.check(seen.row.version)?;
    ensure_own_or_nobodys(conn, caller, &seen.row)?;
    end_assignment(conn, caller, seen.row.organization_id, id)?;
    if seen.row.primary_navigator_id.is_some() {
        let next = PatientRow { primary_navigator_id: None, ..seen.row.clone() };
        save(conn, caller, seen, next)?;
    }
    Ok(())
}

/// Ends the assignment that lasts, if there is one.
pub fn end_assignment(conn: &mut DbConn, caller: &Principal, owner: OrganizationId, id: PatientId) -> Result<()> {
    let lasting = patient_navigators::table.filter(patient_navigators::patient_id.eq(id)).filter(patient_navigators::ended_at.is_null());
    let rows: Vec<NavigatorRow> = lasting.load(conn)?;
    for row in rows {
        let row = NavigatorRow { version: row.version + 1, ended_at: Some(caller.at), ..row };
        diesel::update(patient_navigators::table.find(row.id))
            .set((patient_navigators::version.eq(row.version), patient_navigators::ended_at.eq(row.ended_at)))
            .execute(conn)?;
        record_navigator(conn, caller, owner, Action::Updated, &row.into())?;
    }
    Ok(())
}

/// The level as it was judged on the latest day, and on that day last: what is only noted later does not count as newer.
pub fn current_level(conn: &mut DbConn, id: PatientId) -> Result<Option<NeedLevel>> {
    Ok(latest_judgement(conn, id)?.map(|(level, _)| level))
}

fn latest_judgement(conn: &mut DbConn, id: PatientId) -> Result<Option<(NeedLevel, NaiveDate)>> {
    let judged = patient_need_levels::table.filter(patient_need_levels::patient_id.eq(id));
    let latest = judged.order((patient_need_levels::assessed_on.desc(), patient_need_levels::id.desc()));
    Ok(latest.select((patient_need_levels::level, patient_need_levels::assessed_on)).first(conn).optional()?)
}

/// The need levels of a patient, the latest first, below an id.
pub fn need_levels(conn: &mut DbConn, id: PatientId, below: Option<NeedLevelAssessmentId>, limit: i64) -> Result<Vec<NeedLevelRow>> {
    let mut rows = patient_need_levels::table.filter(patient_need_levels::patient_id.eq(id)).into_boxed();
    if let Some(below) = below {
        rows = rows.filter(patient_need_levels::id.lt(below));
    }
    Ok(rows.order(patient_need_levels::id.desc()).limit(limit).load(conn)?)
}

/// The assignments of a patient, the latest first, below an id.
pub fn navigators(conn: &mut DbConn, id: PatientId, below: Option<NavigatorAssignmentId>, limit: i64) -> Result<Vec<NavigatorRow>> {
    let mut rows = patient_navigators::table.filter(patient_navigators::patient_id.eq(id)).into_boxed();
    if let Some(below) = below {
        rows = rows.filter(patient_navigators::id.lt(below));
    }
    Ok(rows.order(patient_navigators::id.desc()).limit(limit).load(conn)?)
}

/// Writes the patient's next version and its entry in the journal. Where somebody was quicker, the transaction is run again on what they
/// left.
fn save(conn: &mut DbConn, caller: &Principal, seen: Seen, next: PatientRow) -> Result<Patient> {
    let row = PatientRow { version: seen.row.version + 1, updated_at: caller.at, ..next };
    if !repository::update(conn, &seen.row, &row)? {
        return Err(Error::Busy);
    }
    let next = Seen { row, ..seen };
    let (head, categories) = (Patients::head(&next), next.categories);
    let whole = Patient::whole(next.row);
    resource::record::<Patients>(conn, caller, &head, Action::Updated, &whole)?;
    Patients::view(conn, caller, Patient { withheld: categories.missing(), ..whole })
}

fn record_level(conn: &mut DbConn, caller: &Principal, owner: OrganizationId, body: &NeedLevelAssessment) -> Result<()> {
    changes::record(conn, &caller.actor(), Change::of(body.id, 1, Action::Created, body).owned_by(owner).about(body.patient_id))
}

fn record_navigator(
    conn: &mut DbConn,
    caller: &Principal,
    owner: OrganizationId,
    action: Action,
    body: &NavigatorAssignment,
) -> Result<()> {
    changes::record(conn, &caller.actor(), Change::of(body.id, body.version, action, body).owned_by(owner).about(body.patient_id))
}
