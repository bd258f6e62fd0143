//! What follow-ups do on their own: the first contact of an accepted referral, the next one after each, the end with the referral's.

use chrono::NaiveDate;

use super::api::FollowUp;
use super::handlers::{self, FollowUps};
use super::model::{Cancellation, CancellationCode, Conclusion, FollowUpInput, FollowUpResult, FollowUpRow, FollowUpStatus, Purpose};
use super::{repository, rhythm};
use crate::auth::{Principal, sight};
use crate::changes::Action;
use crate::db::DbConn;
use crate::db::types::{Id, Json};
use crate::error::{Error, Result};
use crate::http::resource::{self, Resource as _};
use crate::kind::{FollowUpId, OrganizationId, PatientId, PractitionerId, ReferralId};
use crate::patients::api::Patient;
use crate::patients::model::PatientStatus;
use crate::referrals::lifecycle::ReferralStatus;
use crate::referrals::model::{ReferralKind, ReferralRow};
use crate::referrals::workflow;
use crate::types::DeliveryMode;
use crate::{organizations, patients, referrals};

/// Plans the first contact of a referral that has just been taken on for the first time, unless whoever acts as the performer has had one to
/// make, as in one that was loaded. What others have planned is theirs.
pub fn first_contact(conn: &mut DbConn, caller: &Principal, referral: &ReferralRow) -> Result<()> {
    if let Some(performer) = referral.performer_id.filter(|performer| *performer != referral.organization_id) {
        // A system that begins to call for it either finds what is planned here, or is found.
        organizations::repository::lock_connection(conn, performer)?;
    }
    let owner = workflow::acting_performer(conn, referral)?;
    if repository::has_first_contact(conn, owner, referral.id)? {
        return Ok(());
    }
    plan_first_contact(conn, caller, Id::generate(), owner, referral)
}

/// Plans for the caller's organization, for which a system begins to call, the first contacts that whoever spoke for it has not made yet, and
/// cancels theirs: from now on nobody else moves those referrals. One in which the person was reached, or whose patient the organization does
/// not see, stays as it is.
pub fn take_over(conn: &mut DbConn, caller: &Principal) -> Result<()> {
    let performer = caller.organization_id;
    for id in referrals::repository::with_first_contact_of_others(conn, performer)? {
        // Whoever takes one on for the first time has it locked, and waits until it is known who speaks for the performer.
        if !referrals::repository::was_taken_on(conn, id, None)? {
            continue;
        }
        referrals::repository::lock(conn, id)?;
        let referral = referrals::repository::get(conn, id)?;
        take_over_in(conn, caller, performer, &referral)?;
    }
    Ok(())
}

/// The same in one referral, which is locked, for an organization that acts as its performer.
pub fn take_over_in(conn: &mut DbConn, caller: &Principal, performer: OrganizationId, referral: &ReferralRow) -> Result<()> {
    let unmade = unmade_for(conn, performer, referral)?;
    if unmade.is_empty() || !workflow::performer_sees(conn, referral, caller.at)? {
        return Ok(());
    }
    for row in unmade {
        let text = "The performer has a system on Kith now and makes the first contact itself.".to_owned();
        cancel(conn, caller, row, Cancellation { code: CancellationCode::Duplicate, text: Some(text) })?;
    }
    first_contact(conn, caller, referral)
}

/// The first contacts that the requester has to make for the performer of a referral, which is locked. What it plans for itself, before the
/// person is taken on or after they were reached, is none.
fn unmade_for(conn: &mut DbConn, performer: OrganizationId, referral: &ReferralRow) -> Result<Vec<FollowUpRow>> {
    let is_under_way = referral.kind == ReferralKind::Navigation && referral.status.is_open();
    if !is_under_way || !referrals::repository::was_taken_on(conn, referral.id, None)? {
        return Ok(Vec::new());
    }
    let mut planned = repository::first_contacts(conn, referral.id)?;
    // One that the performer has deleted was its own all the same.
    if planned.iter().any(|row| row.organization_id == performer || row.status == FollowUpStatus::Completed) {
        return Ok(Vec::new());
    }
    planned.retain(|row| row.organization_id == referral.organization_id && row.status == FollowUpStatus::Open && row.deleted_at.is_none());
    Ok(planned)
}

/// Plans the first contact of an accepted referral, under an id that is known beforehand.
pub fn first_contact_with_id(conn: &mut DbConn, caller: &Principal, id: FollowUpId, referral: &ReferralRow) -> Result<()> {
    let owner = workflow::acting_performer(conn, referral)?;
    plan_first_contact(conn, caller, id, owner, referral)
}

fn plan_first_contact(conn: &mut DbConn, caller: &Principal, id: FollowUpId, owner: OrganizationId, referral: &ReferralRow) -> Result<()> {
    let (policies, today) = organizations::repository::practice(conn, Some(owner), caller.at)?;
    let patient = shown_to(conn, caller, owner, (referral.patient_id, Some(referral.id)))?;
    // People open up sooner face to face, so that is how the first contact is planned unless the person prefers otherwise.
    let preferred = patient.and_then(|patient| patient.content.preferred_modes.first().copied());
    let input = FollowUpInput {
        patient_id: referral.patient_id,
        referral_id: Some(referral.id),
        purpose: Purpose::FirstContact,
        due_on: rhythm::first_contact_on(today, referral.content.first_contact_by, &policies),
        practitioner_id: referral.performer_practitioner_id,
        channel: Some(preferred.unwrap_or(DeliveryMode::InPerson)),
        note: None,
        identifiers: Vec::new(),
    };
    add(conn, caller, id, Parties { owner, manager: referral.manager_id }, input)
}

/// A patient, by themselves or in a referral, as far as an organization sees them that is to follow up, for what is planned tells of them;
/// `None` where it does not.
pub fn shown_to(
    conn: &mut DbConn,
    caller: &Principal,
    owner: OrganizationId,
    (patient, referral): (PatientId, Option<ReferralId>),
) -> Result<Option<Patient>> {
    let owner = Principal { organization_id: owner, ..caller.clone() };
    let living = patients::repository::find(conn, patient)?.filter(|row| row.deleted_at.is_none());
    let Some(row) = living else { return Ok(None) };
    let seen = sight::in_referral_of(conn, &owner, (row.organization_id, patient), referral)?;
    Ok(seen.map(|seen| Patient::whole(row).shown(seen)))
}

/// Plans the follow-up after one that has ended, for this purpose: on the day that the result names, or else by the rhythm of the person's
/// need level, where its organization sees that, while the referral is open, nothing else is planned in it, and both its performer and that
/// organization see the person. One without a referral goes on so while the person is active and seen, and the organization has no other one
/// planned for them without a referral. The one that has ended, as it is with the next, or as it was where nothing follows. Fails where a
/// day is named and the caller might not plan a follow-up by hand.
pub fn next(
    conn: &mut DbConn,
    caller: &Principal,
    done: FollowUpRow,
    referral: Option<&ReferralRow>,
    purpose: Option<Purpose>,
    result: &FollowUpResult,
) -> Result<FollowUpRow> {
    let Some(purpose) = purpose else { return Ok(done) };
    let Some(due_on) = next_due_on(conn, caller, &done, referral, result)? else { return Ok(done) };
    if let Some(referral) = referral
        && result.next_due_on.is_none()
        && repository::open_of_referral(conn, referral.id)?.iter().any(|row| row.organization_id == done.organization_id)
    {
        return Ok(done);
    }
    let note = result.next_step.clone();
    let input = FollowUpInput { purpose, due_on, note, identifiers: Vec::new(), ..done.input() };
    if result.next_due_on.is_some() {
        check_asked_for(conn, caller, &input).map_err(|error| error.at_pointers(|_| "/next_due_on".into()))?;
    }
    let id = Id::generate();
    add(conn, caller, id, Parties { owner: done.organization_id, manager: done.manager_id }, input)?;
    let conclusion = Conclusion { next_follow_up_id: Some(id), ..done.conclusion.0.clone() };
    save(conn, caller, FollowUpRow { conclusion: Json(conclusion), ..done })
}

/// Fails where the caller might not plan by hand what it asks for.
fn check_asked_for(conn: &mut DbConn, caller: &Principal, input: &FollowUpInput) -> Result<()> {
    let faults = handlers::faults_of_new(conn, caller, input, true)?;
    if faults.is_empty() { Ok(()) } else { Err(Error::Invalid(faults)) }
}

fn next_due_on(
    conn: &mut DbConn,
    caller: &Principal,
    done: &FollowUpRow,
    referral: Option<&ReferralRow>,
    result: &FollowUpResult,
) -> Result<Option<NaiveDate>> {
    if referral.is_some_and(|referral| !referral.status.is_open()) {
        return Ok(None);
    }
    if result.next_due_on.is_some() {
        return Ok(result.next_due_on);
    }
    let patient = shown_to(conn, caller, done.organization_id, (done.patient_id, done.referral_id))?;
    let Some(patient) = patient else { return Ok(None) };
    let goes_on = match referral {
        Some(referral) => workflow::performer_sees(conn, referral, caller.at)?,
        None if done.referral_id.is_some() => false,
        // No referral that is closed would end it.
        None => {
            // Otherwise each of two that are completed at once would count on the other.
            patients::repository::lock(conn, done.patient_id)?;
            let is_active = patient.content.status == PatientStatus::Active;
            is_active && repository::open_without_referral(conn, done.organization_id, done.patient_id)?.is_empty()
        }
    };
    if !goes_on {
        return Ok(None);
    }
    let (policies, today) = organizations::repository::practice(conn, Some(done.organization_id), caller.at)?;
    Ok(Some(rhythm::days_after(today, rhythm::days_between(patient.need_level, &policies))))
}

/// The organizations that a follow-up is about.
#[derive(Debug, Clone, Copy)]
pub struct Parties {
    /// Whose duty it is.
    pub owner: OrganizationId,
    /// Who manages the patient.
    pub manager: OrganizationId,
}

/// Adds a follow-up. The caller's own right is not asked for: what is planned follows from a step that it was allowed to take.
pub fn add(conn: &mut DbConn, caller: &Principal, id: FollowUpId, parties: Parties, input: FollowUpInput) -> Result<()> {
    let row = new_row(caller, id, parties, input);
    repository::insert(conn, &row)?;
    resource::record::<FollowUps>(conn, caller, &FollowUps::head(&row), Action::Created, &FollowUp::from(row))
}

/// A new one of the caller's organization.
pub fn own_row(conn: &mut DbConn, caller: &Principal, id: FollowUpId, input: FollowUpInput) -> Result<FollowUpRow> {
    let manager = patients::repository::manager(conn, input.patient_id)?;
    Ok(new_row(caller, id, Parties { owner: caller.organization_id, manager }, input))
}

/// An open follow-up.
fn new_row(caller: &Principal, id: FollowUpId, parties: Parties, input: FollowUpInput) -> FollowUpRow {
    FollowUpRow {
        manager_id: parties.manager,
        id,
        organization_id: parties.owner,
        patient_id: input.patient_id,
        referral_id: input.referral_id,
        practitioner_id: input.practitioner_id,
        purpose: input.purpose,
        status: FollowUpStatus::Open,
        due_on: input.due_on,
        closed_at: None,
        conclusion: Json(Conclusion::default()),
        content: Json(input),
        version: 1,
        created_at: caller.at,
        updated_at: caller.at,
        deleted_at: None,
        awaited_id: None,
    }
}

/// Hands to whoever has just been assigned to a referral the open follow-ups that were nobody's, or the one's who had it before.
pub fn hand_over(conn: &mut DbConn, caller: &Principal, referral: &ReferralRow, before: Option<PractitionerId>) -> Result<()> {
    let owner = workflow::acting_performer(conn, referral)?;
    for row in repository::open_of_referral(conn, referral.id)? {
        if row.organization_id == owner && (row.practitioner_id.is_none() || row.practitioner_id == before) {
            save(conn, caller, FollowUpRow { practitioner_id: referral.performer_practitioner_id, ..row })?;
        }
    }
    Ok(())
}

/// Cancels the open follow-ups of a referral that has just been closed.
pub fn close_all(conn: &mut DbConn, caller: &Principal, referral: &ReferralRow) -> Result<()> {
    let is_out_of_reach = referral.status == ReferralStatus::Failed
        && referral.status_reason.code == Some(crate::referrals::model::ReasonCode::UnableToContact);
    let code = if is_out_of_reach { CancellationCode::UnableToContact } else { CancellationCode::ReferralClosed };
    for row in repository::open_of_referral(conn, referral.id)? {
        cancel(conn, caller, row, Cancellation::because(code))?;
    }
    Ok(())
}

/// Cancels an open follow-up.
pub fn cancel(conn: &mut DbConn, caller: &Principal, row: FollowUpRow, cancellation: Cancellation) -> Result<FollowUpRow> {
    let conclusion = Conclusion { cancellation: Some(cancellation), ..row.conclusion.0.clone() };
    let next = FollowUpRow { status: FollowUpStatus::Cancelled, closed_at: Some(caller.at), conclusion: Json(conclusion), ..row };
    save(conn, caller, next)
}

/// Writes the next version of a follow-up and its entry in the journal.
pub fn save(conn: &mut DbConn, caller: &Principal, row: FollowUpRow) -> Result<FollowUpRow> {
    let next = FollowUpRow { version: row.version + 1, updated_at: caller.at, ..row };
    if !repository::update(conn, &next)? {
        return Err(Error::Busy);
    }
    resource::record::<FollowUps>(conn, caller, &FollowUps::head(&next), Action::Updated, &FollowUp::from(next.clone()))?;
    Ok(next)
}
