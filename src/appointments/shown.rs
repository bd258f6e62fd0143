//! What of an appointment is shown to whom. What somebody has noted of the person is for the organization that wrote it, and for those whom
//! the patient lets in: to another one it says when and how it stands, as if nothing more were written. A note is of whoever wrote it last,
//! the words of a cancellation are of whoever called it off.

use serde_json::Value;

use super::api::Appointment;
use super::model::AppointmentRow;
use crate::auth::{Principal, sight};
use crate::consents::model::{Categories, DataCategory};
use crate::db::DbConn;
use crate::error::Result;
use crate::kind::{OrganizationId, PatientId};

/// Where the words of an appointment stand, each with where it is said whose they are.
const WORDS: [(&str, &str); 3] = [("/note", "/noted_by"), ("/outcome_note", "/outcome_noted_by"), ("/cancellation/text", CONCLUDED_BY)];
/// Who ended an appointment is told also where the words are hidden. Who noted something is not.
const CONCLUDED_BY: &str = "/concluded_by";

/// Appointments as the caller sees them at this moment. Those with words of others take one look at consents, all together.
pub fn shown(conn: &mut DbConn, caller: &Principal, mut appointments: Vec<Appointment>) -> Result<Vec<Appointment>> {
    let own = caller.organization_id;
    let others = |one: &&Appointment| !is_all_of(one, own);
    let asked: Vec<PatientId> = appointments.iter().filter(others).map(|one| one.content.patient_id).collect();
    let shut_out = sight::shut_out_by(conn, caller, &asked)?;
    let is_hidden = |one: &&mut Appointment| shut_out.contains(&one.content.patient_id);
    appointments.iter_mut().filter(is_hidden).for_each(|one| hide(one, own));
    Ok(appointments)
}

/// Whether the caller does not read at this moment what this organization has noted of a patient, and so takes nothing of it away by
/// writing what it reads.
fn is_hidden(conn: &mut DbConn, caller: &Principal, patient: PatientId, writer: Option<OrganizationId>) -> Result<bool> {
    Ok(writer != Some(caller.organization_id) && !sight::shut_out_by(conn, caller, &[patient])?.is_empty())
}

/// Whether an appointment has a note that the caller does not read at this moment.
pub fn is_note_hidden(conn: &mut DbConn, caller: &Principal, row: &AppointmentRow) -> Result<bool> {
    Ok(row.content.note.is_some() && is_hidden(conn, caller, row.patient_id, row.noted_by)?)
}

/// Whether something was said of how it went that the caller does not read at this moment.
pub fn is_outcome_hidden(conn: &mut DbConn, caller: &Principal, row: &AppointmentRow) -> Result<bool> {
    let said = &row.conclusion;
    Ok(said.outcome_note.is_some() && is_hidden(conn, caller, row.patient_id, said.outcome_noted_by)?)
}

/// Whether all words of an appointment, if it has any, are an organization's.
fn is_all_of(appointment: &Appointment, own: OrganizationId) -> bool {
    let text = appointment.cancellation.as_ref().and_then(|cancellation| cancellation.text.as_ref());
    let words = [
        (appointment.content.note.is_some(), appointment.noted_by),
        (appointment.outcome_note.is_some(), appointment.outcome_noted_by),
        (text.is_some(), appointment.concluded_by),
    ];
    words.into_iter().all(|(is_said, writer)| !is_said || writer == Some(own))
}

/// Leaves the words of one organization.
fn hide(appointment: &mut Appointment, own: OrganizationId) {
    if appointment.noted_by != Some(own) {
        (appointment.content.note, appointment.noted_by) = (None, None);
    }
    if appointment.outcome_noted_by != Some(own) {
        (appointment.outcome_note, appointment.outcome_noted_by) = (None, None);
    }
    if appointment.concluded_by != Some(own)
        && let Some(cancellation) = &mut appointment.cancellation
    {
        cancellation.text = None;
    }
}

/// The words of an appointment, as the journal keeps it, that are not an organization's, each with where it is said whose they are.
fn words_of_others(appointment: &Value, own: OrganizationId) -> Vec<(&'static str, &'static str)> {
    let own = Value::String(own.to_string());
    let is_said = |words: &str| appointment.pointer(words).is_some_and(|words| !words.is_null());
    WORDS.into_iter().filter(|(words, writer)| appointment.pointer(writer) != Some(&own) && is_said(words)).collect()
}

/// Whether an appointment, as the journal keeps it, holds words that are not this organization's.
pub fn has_words_of_others(appointment: &Value, own: OrganizationId) -> bool {
    !words_of_others(appointment, own).is_empty()
}

/// An appointment out of the journal for an organization that sees these categories of the patient; `None` where that is all of it.
pub fn recorded(mut appointment: Value, seen: Categories, own: OrganizationId) -> Option<Value> {
    if seen.contains(DataCategory::Summary) {
        return None;
    }
    let hidden = words_of_others(&appointment, own).into_iter().flat_map(|(words, writer)| [words, writer]);
    for pointer in hidden.filter(|pointer| *pointer != CONCLUDED_BY) {
        if let Some(place) = appointment.pointer_mut(pointer) {
            *place = Value::Null;
        }
    }
    Some(appointment)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_appointment_out_of_the_journal_tells_of_the_person_to_whom_they_let_in_and_to_whoever_wrote_it() {
        let [maker, provider, teller, other] = [(); 4].map(|()| OrganizationId::generate());
        let with = |note: Option<&str>, outcome: Option<&str>, text: Option<&str>| {
            json!({ "organization_id": maker, "status": "cancelled", "note": note, "noted_by": note.map(|_| provider),
                "outcome_note": outcome, "outcome_noted_by": outcome.map(|_| maker), "concluded_by": teller,
                "cancellation": { "reason": "unwell", "text": text } })
        };
        let written = with(Some("With her daughter."), Some("Stayed for tea."), Some("Afraid."));
        assert_eq!(recorded(written.clone(), Categories::SUMMARY, other), None, "all of it");
        for (reader, expected) in [
            (other, with(None, None, None)),
            (provider, with(Some("With her daughter."), None, None)),
            (maker, with(None, Some("Stayed for tea."), None)),
            (teller, with(None, None, Some("Afraid."))),
        ] {
            assert!(has_words_of_others(&written, reader));
            assert!(!has_words_of_others(&expected, reader));
            assert_eq!(recorded(written.clone(), Categories::NONE, reader), Some(expected));
        }
        let booked = json!({ "organization_id": maker, "concluded_by": null, "note": null, "outcome_note": null, "cancellation": null });
        assert_eq!(recorded(booked.clone(), Categories::NONE, other), Some(booked));
    }
}
