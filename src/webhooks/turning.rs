//! What a client sees of a patient, and that it has changed: told to its endpoints where the feed tells it to a reader.
//!
//! Of what is about one patient only the patient's own record follows: each resource has an order of its own in which it arrives, and none
//! with the others, so that what was told anew of them could arrive after what has changed since.

use std::collections::HashSet;

use super::dispatcher::{self, Readers};
use super::events::WebhookEventType;
use super::model::DeliveryRow;
use super::repository::Subscriber;
use crate::changes::view::View;
use crate::changes::{self, Action, Entry, Position, restating};
use crate::db::DbConn;
use crate::db::types::Instant;
use crate::error::Result;
use crate::kind::{PatientId, ResourceType};

/// Where and when what is seen of a patient has changed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn<'a> {
    /// The patient, as they are now.
    pub(super) patient: PatientId,
    /// The record of which what is held is to be forgotten; `None` where an event says that by itself.
    pub(super) reset: Option<PatientId>,
    /// Names what changed it, among all events.
    pub(super) cause: &'a str,
    /// When that was.
    pub(super) at: Instant,
    /// Its place in the order of the journal.
    pub(super) place: Position,
}

/// Whether an entry may change what somebody sees of a patient without saying so itself, and anybody wants to know.
pub(super) fn may_turn<B>(entry: &Entry<B>, wanted: &HashSet<WebhookEventType>) -> bool {
    let is_wanted = wanted.contains(&WebhookEventType::PatientReset) || wanted.contains(&WebhookEventType::PatientSnapshot);
    let (kind, action) = (entry.resource_type, entry.action);
    let ends = kind == ResourceType::Patient && matches!(action, Action::Merged | Action::Deleted);
    is_wanted && (ends || kind == ResourceType::Consent || (kind == ResourceType::Need && action == Action::Updated))
}

/// What an endpoint is told where an entry changes what its client sees of a patient; `is_told` where it is told of the entry itself.
pub(super) fn by_entry(
    conn: &mut DbConn,
    readers: &mut Readers<'_>,
    one: &Subscriber,
    entry: &Entry,
    is_told: bool,
    now: Instant,
) -> Result<Vec<DeliveryRow>> {
    let Some(reader) = dispatcher::reader_of(readers, one) else { return Ok(Vec::new()) };
    let (view, caller) = (reader.view(conn, entry)?, reader.caller());
    let Some(turn) = restating::turn(conn, reader, caller, entry, view)? else { return Ok(Vec::new()) };
    let reset = match turn.is_told_by_entry {
        true if is_told => None,
        true => entry.patient_id,
        false => Some(turn.patient),
    };
    let cause = entry.sequence.to_string();
    told(conn, readers, one, Turn { patient: turn.patient, reset, cause: &cause, at: entry.at, place: entry.position() }, now)
}

/// What an endpoint is told of it: that it is so, and how the patient stands who is still seen.
pub(super) fn told(
    conn: &mut DbConn,
    readers: &mut Readers<'_>,
    one: &Subscriber,
    turn: Turn<'_>,
    now: Instant,
) -> Result<Vec<DeliveryRow>> {
    use WebhookEventType::{PatientReset, PatientSnapshot};
    let Some(reader) = dispatcher::reader_of(readers, one) else { return Ok(Vec::new()) };
    let wants = [PatientReset, PatientSnapshot].iter().any(|event| one.content.wants(*event));
    if !wants || !reader.follows_patients() {
        return Ok(Vec::new());
    }
    // As the patient stood there: what came later has a place of its own.
    let stood = |conn: &mut DbConn, patient: PatientId| -> Result<Option<Entry>> {
        let entry = changes::last_until(conn, ResourceType::Patient, patient.cast(), turn.place)?;
        Ok(entry.filter(|entry| is_about(one, entry)))
    };
    let row =
        |entry: &Entry, event| dispatcher::delivery(one.id, format!("{}:{event}", turn.cause), event, turn.at, entry, turn.place, now);
    let mut rows = Vec::new();
    let patient = stood(conn, turn.patient)?;
    let reset = match turn.reset.filter(|_| one.content.wants(PatientReset)) {
        Some(record) if record != turn.patient => stood(conn, record)?,
        record => patient.clone().filter(|_| record.is_some()),
    };
    if let Some(entry) = reset {
        rows.push(DeliveryRow { version: 0, ..row(&entry, PatientReset) });
    }
    // The patient is of no service.
    if one.content.wants(PatientSnapshot)
        && one.content.service_ids.is_empty()
        && let Some(entry) = patient
        && !matches!(entry.action, Action::Deleted | Action::Merged)
        && reader.view(conn, &entry)? != View::Nothing
    {
        rows.push(row(&entry, PatientSnapshot));
    }
    Ok(rows)
}

/// Whether an endpoint may have heard of the patient: by whatever service, it may be one of the patient's referrals.
pub(super) fn is_about(one: &Subscriber, patient: &Entry) -> bool {
    let owners = &one.content.organization_ids;
    !one.content.directory_only && (owners.is_empty() || patient.owner_id.is_some_and(|owner| owners.contains(&owner)))
}
