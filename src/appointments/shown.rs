//! What of an appointment is shown to whom. What is noted of the person is for the organization that made it, and for those whom the
//! patient lets in: to another one it says when and how it stands, as if nothing more were written.

use serde_json::Value;

use super::api::Appointment;
use crate::auth::{Principal, sight};
use crate::consents::model::{Categories, DataCategory};
use crate::db::DbConn;
use crate::error::{Error, Result};
use crate::kind::PatientId;

/// Appointments as the caller sees them at this moment. Those that others made take one look at consents, all together.
pub fn shown(conn: &mut DbConn, caller: &Principal, mut appointments: Vec<Appointment>) -> Result<Vec<Appointment>> {
    let others = |one: &&Appointment| is_others(caller, one);
    let asked: Vec<PatientId> = appointments.iter().filter(others).map(|one| one.content.patient_id).collect();
    let shut_out = sight::shut_out_by(conn, caller, &asked)?;
    let is_hidden = |one: &&mut Appointment| is_others(caller, one) && shut_out.contains(&one.content.patient_id);
    appointments.iter_mut().filter(is_hidden).for_each(hide);
    Ok(appointments)
}

/// The same of one.
pub fn shown_one(conn: &mut DbConn, caller: &Principal, appointment: Appointment) -> Result<Appointment> {
    let shown = shown(conn, caller, vec![appointment])?;
    shown.into_iter().next().ok_or_else(|| Error::internal("an appointment that was shown as none"))
}

fn is_others(caller: &Principal, appointment: &Appointment) -> bool {
    appointment.organization_id != caller.organization_id
}

fn hide(appointment: &mut Appointment) {
    appointment.content.note = None;
    appointment.outcome_note = None;
    if let Some(cancellation) = &mut appointment.cancellation {
        cancellation.text = None;
    }
}

/// The same of an appointment out of the journal that another organization made, for one that sees these categories of the patient; `None`
/// where that is all of it.
pub fn recorded(mut appointment: Value, seen: Categories) -> Option<Value> {
    if seen.contains(DataCategory::Summary) {
        return None;
    }
    for pointer in ["/note", "/outcome_note", "/cancellation/text"] {
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
    fn an_appointment_out_of_the_journal_tells_of_the_person_to_whom_they_let_in() {
        let written = json!({ "status": "cancelled", "note": "With her daughter.", "outcome_note": "Stayed for tea.",
            "cancellation": { "reason": "unwell", "text": "Afraid." } });
        assert_eq!(recorded(written.clone(), Categories::SUMMARY), None, "all of it");
        let bare =
            json!({ "status": "cancelled", "note": null, "outcome_note": null, "cancellation": { "reason": "unwell", "text": null } });
        assert_eq!(recorded(written, Categories::NONE), Some(bare));
        let booked = json!({ "status": "booked", "note": null, "outcome_note": null, "cancellation": null });
        assert_eq!(recorded(booked.clone(), Categories::NONE), Some(booked));
    }
}
