//! What of an appointment is shown to whom. What somebody has noted of the person is for the organization that wrote it, and for those whom
//! the patient lets in: to another one it says when and how it stands, as if nothing more were written. The note is of whoever made the
//! appointment; the words about how it ended are of whoever said so.

use serde_json::Value;

use super::api::Appointment;
use crate::auth::{Principal, sight};
use crate::consents::model::{Categories, DataCategory};
use crate::db::DbConn;
use crate::error::Result;
use crate::kind::{OrganizationId, PatientId};

/// Where the words of an appointment stand, each with the member that names whose they are.
const WORDS: [(&str, &str); 3] = [("/note", "organization_id"), ("/outcome_note", "concluded_by"), ("/cancellation/text", "concluded_by")];

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

/// Whether all words of an appointment, if it has any, are an organization's.
fn is_all_of(appointment: &Appointment, own: OrganizationId) -> bool {
    let is_noted = appointment.content.note.is_some();
    let text = appointment.cancellation.as_ref().and_then(|cancellation| cancellation.text.as_ref());
    let is_concluded_in_words = appointment.outcome_note.is_some() || text.is_some();
    (!is_noted || appointment.organization_id == own) && (!is_concluded_in_words || appointment.concluded_by == Some(own))
}

/// Leaves the words of one organization.
fn hide(appointment: &mut Appointment, own: OrganizationId) {
    if appointment.organization_id != own {
        appointment.content.note = None;
    }
    if appointment.concluded_by != Some(own) {
        appointment.outcome_note = None;
        if let Some(cancellation) = &mut appointment.cancellation {
            cancellation.text = None;
        }
    }
}

/// The words of an appointment, as the journal keeps it, that are not an organization's.
fn words_of_others(appointment: &Value, own: OrganizationId) -> Vec<&'static str> {
    let own = Value::String(own.to_string());
    let is_said = |words: &str| appointment.pointer(words).is_some_and(|words| !words.is_null());
    let others = WORDS.into_iter().filter(|(words, writer)| appointment.get(*writer) != Some(&own) && is_said(words));
    others.map(|(words, _)| words).collect()
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
    for words in words_of_others(&appointment, own) {
        if let Some(place) = appointment.pointer_mut(words) {
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
        let [maker, provider, other] = [(); 3].map(|()| OrganizationId::generate());
        let with = |note: Value, outcome: Value, text: Value| {
            json!({ "organization_id": maker, "concluded_by": provider, "status": "cancelled", "note": note, "outcome_note": outcome,
                "cancellation": { "reason": "unwell", "text": text } })
        };
        let written = with(json!("With her daughter."), json!("Stayed for tea."), json!("Afraid."));
        assert_eq!(recorded(written.clone(), Categories::SUMMARY, other), None, "all of it");
        for (reader, expected) in [
            (other, with(Value::Null, Value::Null, Value::Null)),
            (maker, with(json!("With her daughter."), Value::Null, Value::Null)),
            (provider, with(Value::Null, json!("Stayed for tea."), json!("Afraid."))),
        ] {
            assert!(has_words_of_others(&written, reader));
            assert!(!has_words_of_others(&expected, reader));
            assert_eq!(recorded(written.clone(), Categories::NONE, reader), Some(expected));
        }
        let booked = json!({ "organization_id": maker, "concluded_by": null, "note": null, "outcome_note": null, "cancellation": null });
        assert_eq!(recorded(booked.clone(), Categories::NONE, other), Some(booked));
    }
}
