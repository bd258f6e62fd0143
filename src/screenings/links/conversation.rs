//! The conversation about a form that somebody has filled in by a link: nobody sat beside them, so that somebody has to speak with them.

use crate::auth::{Principal, sight};
use crate::consents::model::DataCategory;
use crate::db::DbConn;
use crate::db::types::Id;
use crate::error::Result;
use crate::follow_ups::model::{FollowUpInput, Purpose};
use crate::follow_ups::{plan as follow_ups, repository, rhythm};
use crate::http::resource;
use crate::screenings::api::Screening;
use crate::screenings::handlers::Screenings;
use crate::{organizations, practitioners};

/// Plans it where something was found: today where somebody must act at once, else within the days that the organization gives itself for a
/// first contact, unless it is to hear from the person by then anyway. An organization that the patient does not let take part in follow-ups
/// plans none. What others may read of it names the screening and says nothing of what was asked or found.
///
/// The screening has just been completed, so that nobody else plans for its patient until the transaction ends.
pub fn plan(conn: &mut DbConn, caller: &Principal, screening: &Screening) -> Result<()> {
    let findings = &screening.findings;
    let is_urgent = !findings.safety_alerts.is_empty();
    if !is_urgent && findings.needs.is_empty() && findings.flags.is_empty() {
        return Ok(());
    }
    let (own, patient) = (caller.organization_id, screening.content.patient_id);
    if !sight::patient(conn, caller, patient)?.categories.contains(DataCategory::FollowUps) {
        return Ok(());
    }
    let (policies, today) = organizations::repository::practice(conn, Some(own), caller.at)?;
    let due_on = if is_urgent { today } else { rhythm::days_after(today, policies.first_contact_days()) };
    if !is_urgent && repository::has_open_by(conn, own, patient, Purpose::CheckIn, due_on)? {
        return Ok(());
    }
    let practitioner_id = match screening.content.practitioner_id {
        Some(id) => practitioners::repository::find_living(conn, id)?.filter(|row| row.organization_id == own).map(|row| row.id),
        None => None,
    };
    let place = resource::location::<Screenings>(screening.id);
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
    follow_ups::add(conn, caller, Id::generate(), own, input)
}
