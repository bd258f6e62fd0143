//! Where what a reader sees of a patient changes, and whom everything is told of anew.

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, from_str};

use super::model::{Action, Entry};
use super::repository;
use super::view::{Reader, View, body, is_sensitive};
use crate::auth::Principal;
use crate::consents::model::DataCategory;
use crate::consents::repository as consents;
use crate::db::DbConn;
use crate::db::types::Instant;
use crate::error::{Error, Result};
use crate::kind::{OrganizationId, PatientId, ResourceType};
use crate::{appointments, patients, referrals};

/// A change of what a reader sees of a patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// The patient.
    pub patient: PatientId,
    /// Whether the entry says by itself that what is held of its patient is to be removed.
    pub is_told_by_entry: bool,
}

/// Whether an entry, of which the reader sees so much, changes what the reader sees beyond it.
///
/// - A consent to the reader's organization to take part in the care, and every change of a consent to it: it may cover more than before,
///   or less, or nothing.
/// - A consent to be sent referrals, where the reader has a part in some, or in appointments, and read no more what is written of the
///   person.
/// - A merge: what was the duplicate's is the survivor's.
/// - The deletion of a patient: what is read with the chart goes with it, and what is written of the person elsewhere.
/// - A need that was seen and is called sensitive now.
pub fn turn(conn: &mut DbConn, reader: &mut Reader<'_>, caller: &Principal, entry: &Entry, view: View) -> Result<Option<Turn>> {
    let Some(patient) = entry.patient_id else { return Ok(None) };
    let own = caller.organization_id;
    let turn = |patient, is_told_by_entry| Some(Turn { patient, is_told_by_entry });
    Ok(match (entry.resource_type, entry.action) {
        // Who manages the patient needs no consent.
        (ResourceType::Consent, _) if entry.owner_id != Some(own) => {
            let is_turning = match is_turning(entry, caller) {
                Some(is_turning) => is_turning || lets_in_again(conn, entry, patient, caller)?,
                None => false,
            };
            turn(patient, false).filter(|_| is_turning)
        }
        (ResourceType::Patient, Action::Merged) => {
            let Some(survivor) = patients::repository::find(conn, patient)?.and_then(|row| row.merged_into_id) else { return Ok(None) };
            // Whoever was let in may hold the duplicate, and has to hear of its end whatever it sees by now: consents are the survivor's,
            // and their ends are told of the survivor.
            let may_be_held = reader.seen(conn, patient)?.is_some() || consents::was_given(conn, survivor, own)?;
            turn(survivor, true).filter(|_| may_be_held)
        }
        (ResourceType::Patient, Action::Deleted) => {
            let may_be_held = reader.seen(conn, patient)?.is_some() || has_part(conn, own, patient, entry.at)?;
            turn(patient, true).filter(|_| may_be_held)
        }
        (ResourceType::Need, Action::Updated) if view == View::Nothing => {
            let is_limited = reader
                .seen(conn, patient)?
                .is_some_and(|seen| seen.contains(DataCategory::Needs) && !seen.contains(DataCategory::Sensitive));
            let is_turning = is_limited
                && is_sensitive(&body(entry)?)
                && match repository::earlier(conn, entry.resource_type, entry.resource_id, entry.version)? {
                    Some(earlier) => !is_sensitive(&body(&earlier)?),
                    None => false,
                };
            turn(patient, false).filter(|_| is_turning)
        }
        _ => None,
    })
}

/// Whether a consent to the reader's organization lets it see a patient, or was changed; `None` where it is to somebody else.
fn is_turning(entry: &Entry, caller: &Principal) -> Option<bool> {
    let consent = from_str::<Value>(entry.body.get()).ok()?;
    let is_to_reader = consent.get("grantee_id").and_then(Value::as_str) == Some(caller.organization_id.to_string().as_str());
    let purposes = consent.get("purposes").and_then(Value::as_array);
    let takes_part = purposes.is_some_and(|purposes| purposes.iter().any(|purpose| purpose == "care_coordination"));
    is_to_reader.then_some(takes_part || entry.version > 1)
}

/// Whether a new consent opens again what is written of the person where the reader's organization had a part before. Where another one
/// has let it in all the while, nothing changes; one that ends tells so itself, when it does.
fn lets_in_again(conn: &mut DbConn, entry: &Entry, patient: PatientId, caller: &Principal) -> Result<bool> {
    let own = caller.organization_id;
    Ok(has_part(conn, own, patient, entry.at)?
        && !consents::was_let_in(conn, patient, own, (entry.resource_id.cast(), entry.at), caller.at)?)
}

/// Whether an organization had before a moment what it reads of a patient whoever is let in, and what is written of the person in it only
/// where it is: referrals that it sent or received, appointments that it made and those with it.
fn has_part(conn: &mut DbConn, own: OrganizationId, patient: PatientId, before: Instant) -> Result<bool> {
    Ok(referrals::repository::had_part(conn, own, patient, before)? || appointments::repository::had_any(conn, own, patient, before)?)
}

/// A patient's records: their own, and those that were merged into it.
pub fn records(conn: &mut DbConn, patient: PatientId) -> Result<Vec<PatientId>> {
    let mut records = patients::repository::absorbed(conn, patient)?;
    records.push(patient);
    Ok(records)
}

/// What was another record's, as the survivor's.
pub fn moved(resource: &RawValue, survivor: PatientId) -> Result<Box<RawValue>> {
    let mut value: Value = from_str(resource.get()).map_err(Error::internal)?;
    if let Some(field) = value.get_mut("patient_id") {
        *field = Value::String(survivor.to_string());
    }
    to_raw_value(&value).map_err(Error::internal)
}
