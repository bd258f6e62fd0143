//! The conversation about a form that somebody fills in by a link: nobody sits beside them, so that somebody has to speak with them.

use crate::auth::{Principal, sight};
use crate::consents::model::DataCategory;
use crate::db::DbConn;
use crate::db::types::Id;
use crate::error::Result;
use crate::follow_ups::model::{FollowUpInput, FollowUpRow, Purpose};
use crate::follow_ups::{plan as follow_ups, repository, rhythm};
use crate::http::resource;
use crate::kind::{OrganizationId, PatientId};
use crate::screenings::api::Screening;
use crate::screenings::handlers::Screenings;
use crate::screenings::model::{ScreeningRow, ScreeningStatus};
use crate::{organizations, patients, practitioners};

/// Plans it after answers to a draft, which is now completed or still a draft, where something was found: today where somebody must act at
/// once, else within the days that the organization gives itself for a first contact, unless it is to hear from the person by then anyway.
///
/// An alarm does not wait until the form is done, which may be never. It is planned for once: another follow-up that names the screening, open
/// or completed, is enough for what was known before, and one that is open and in time for what was not. What else was found is then talked
/// about as if nothing alarmed. What others may read of it says nothing of what was asked or found.
///
/// A screening is completed while nobody else plans for its patient; of two who answer a draft at once the second sees what the first did.
pub fn plan(conn: &mut DbConn, caller: &Principal, before: &ScreeningRow, screening: &Screening) -> Result<()> {
    let findings = &screening.findings;
    let is_alarming = !findings.safety_alerts.is_empty();
    let is_new = findings.safety_alerts.iter().any(|alert| !before.findings.safety_alerts.contains(alert));
    let patient = screening.content.patient_id;
    let place = resource::location::<Screenings>(screening.id);
    let is_draft = screening.content.status == ScreeningStatus::Draft;
    let is_heard = !is_draft && is_alarming && !is_new && is_planned(conn, caller, patient, &place)?;
    let is_urgent = is_alarming && !is_heard;
    let is_found = is_urgent || !findings.needs.is_empty() || !findings.flags.is_empty();
    let is_called_for = if is_draft { is_new } else { is_found };
    let owner = if is_called_for { whose(conn, caller, patient, is_urgent)? } else { None };
    let Some(owner) = owner else { return Ok(()) };
    let (policies, today) = organizations::repository::practice(conn, Some(owner), caller.at)?;
    let due_on = if is_urgent { today } else { rhythm::days_after(today, policies.first_contact_days()) };
    let is_enough = |row: &FollowUpRow| {
        let is_in_time = row.due_on <= due_on;
        let is_about_this = if is_urgent { is_in_time && names(row, &place) } else { is_in_time || (is_heard && names(row, &place)) };
        row.purpose == Purpose::CheckIn && is_about_this
    };
    if repository::open_without_referral(conn, owner, patient)?.iter().any(is_enough) {
        return Ok(());
    }
    let practitioner_id = match screening.content.practitioner_id {
        Some(id) => practitioners::repository::find_living(conn, id)?.filter(|row| row.organization_id == owner).map(|row| row.id),
        None => None,
    };
    let input = FollowUpInput {
        patient_id: patient,
        referral_id: None,
        purpose: Purpose::CheckIn,
        due_on,
        practitioner_id,
        channel: None,
        note: Some(format!("The person filled in a form on their own. Read {place} and speak with them about it.")),
        identifiers: Vec::new(),
    };
    let manager = patients::repository::manager(conn, patient)?;
    follow_ups::add(conn, caller, Id::generate(), follow_ups::Parties { owner, manager }, input)
}

/// Whether a follow-up, open or completed, was planned for an alarm in the screening at this place.
fn is_planned(conn: &mut DbConn, caller: &Principal, patient: PatientId, place: &str) -> Result<bool> {
    let Some(owner) = whose(conn, caller, patient, true)? else { return Ok(false) };
    Ok(repository::kept_without_referral(conn, owner, patient)?.iter().any(|row| names(row, place)))
}

fn names(row: &FollowUpRow, place: &str) -> bool {
    row.content.note.as_deref().is_some_and(|note| note.contains(place))
}

/// The organization that speaks with the person: the one that recorded the screening, where the patient lets it take part in follow-ups. An
/// alarm is otherwise for the one that manages the patient, for somebody must hear of it.
fn whose(conn: &mut DbConn, caller: &Principal, patient: PatientId, is_urgent: bool) -> Result<Option<OrganizationId>> {
    let sight = sight::patient(conn, caller, patient)?;
    let takes_part = sight.categories.contains(DataCategory::FollowUps);
    Ok(if takes_part { Some(caller.organization_id) } else { Some(sight.owner).filter(|_| is_urgent) })
}
