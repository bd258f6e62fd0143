//! Which ways to reach a person may be used today. It is said when somebody is shown alone, for it changes with the day.

use super::api::PatientSummary;
use super::contact::{ContactPoint, SafeContact, country};
use super::model::PatientInput;
use crate::auth::Principal;
use crate::db::DbConn;
use crate::error::Result;
use crate::organizations;
use crate::types::{Address, DateSpan};

/// Says it of every way to reach a patient, as far as the caller sees them: by their own points, and by those of people in their life.
pub fn judge(conn: &mut DbConn, caller: &Principal, patient: &mut PatientInput) -> Result<()> {
    let PatientInput { contact_points, related_persons, safe_contact, address, .. } = patient;
    let related = related_persons.iter_mut().flat_map(|person| person.contact_points.iter_mut());
    judge_all(conn, caller, contact_points.iter_mut().chain(related).collect(), safe_contact.as_ref(), address.as_ref())
}

/// The same of a patient in brief.
pub fn judge_summary(conn: &mut DbConn, caller: &Principal, patient: &mut PatientSummary) -> Result<()> {
    let PatientSummary { contact_points, safe_contact, address, .. } = patient;
    judge_all(conn, caller, contact_points.iter_mut().collect(), safe_contact.as_ref(), address.as_ref())
}

/// Whether the day decides something of it.
pub fn depends_on_the_day(patient: &PatientInput) -> bool {
    let related = patient.related_persons.iter().flat_map(|person| &person.contact_points);
    patient.contact_points.iter().chain(related).any(is_dated)
}

fn is_dated(point: &ContactPoint) -> bool {
    point.valid != DateSpan::default()
}

fn judge_all(
    conn: &mut DbConn,
    caller: &Principal,
    points: Vec<&mut ContactPoint>,
    safe_contact: Option<&SafeContact>,
    address: Option<&Address>,
) -> Result<()> {
    // Which day it is where the caller works is asked only where something depends on it.
    let today = match points.iter().any(|point| is_dated(point)) {
        true => organizations::repository::today(conn, caller.organization_id, caller.at)?,
        false => caller.at.utc().date_naive(),
    };
    for point in points {
        point.usability = Some(point.usability_on(today, safe_contact, country(address)));
    }
    Ok(())
}
