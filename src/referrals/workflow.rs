//! Sending a referral and moving it: the rules of [`lifecycle`](super::lifecycle) met with consents, due dates and follow-ups.

use chrono::{Days, NaiveDate};

use super::api::{Referral, ReferralTransition, ServiceBrief, TransitionInput, Warning, WarningCode};
use super::handlers::Referrals;
use super::lifecycle::{Party, ReferralStatus, find_step, steps_of};
use super::model::{BusinessStatus, ConsentGiven, ReferralKind, ReferralRow, StatusReason, TransitionContent, TransitionRow};
use super::repository;
use crate::auth::{Principal, sight};
use crate::changes::{self, Action, Actor, Change};
use crate::consents::handlers::Consents;
use crate::consents::model::{Categories, ConsentInput, ConsentPurpose, DataCategory};
use crate::db::DbConn;
use crate::db::types::{Id, Instant, Json};
use crate::error::{Error, Fault, Result};
use crate::http::resource::{self, Resource as _};
use crate::kind::{OrganizationId, ReferralTransitionId};
use crate::patients::model::PatientRow;
use crate::services::model::{Capacity, CapacityStatus, ServiceStatus};
use crate::services::row::ServiceRow;
use crate::{appointments, consents, follow_ups, matching, organizations, practitioners, services, waitlists};

/// The sides on which an organization stands. The requester also speaks for a performer that has no system on Kith: somebody must be
/// able to say what became of the referral.
pub fn parties(conn: &mut DbConn, organization: OrganizationId, row: &ReferralRow) -> Result<Vec<Party>> {
    let mut parties = Vec::new();
    let is_requester = row.organization_id == organization;
    if is_requester {
        parties.push(Party::Requester);
    }
    let is_performer = row.performer_id == Some(organization);
    if is_performer || (is_requester && performer_is_unconnected(conn, row)?) {
        parties.push(Party::Performer);
    }
    Ok(parties)
}

/// True where no system answers for the performer, so that the requester does.
pub fn performer_is_unconnected(conn: &mut DbConn, row: &ReferralRow) -> Result<bool> {
    is_unconnected(conn, row.performer_id)
}

fn is_unconnected(conn: &mut DbConn, performer: Option<OrganizationId>) -> Result<bool> {
    performer.map_or(Ok(true), |performer| Ok(!organizations::repository::has_clients(conn, performer)?))
}

/// The organization that acts as the performer: where no system answers for the performer, the requester.
pub fn acting_performer(conn: &mut DbConn, row: &ReferralRow) -> Result<OrganizationId> {
    let performer = if performer_is_unconnected(conn, row)? { None } else { row.performer_id };
    Ok(performer.unwrap_or(row.organization_id))
}

/// Whether whoever is asked sees at this moment whom the referral is for: by the patient's consent, or because it manages them. It is the
/// performer's own sight that counts, whoever speaks for it; where nobody is named, nobody has to be let in.
pub fn performer_sees(conn: &mut DbConn, row: &ReferralRow, now: Instant) -> Result<bool> {
    match row.performer_id {
        Some(performer) => sight::may_take_on(conn, row.patient_id, (performer, row.manager_id), now),
        None => Ok(true),
    }
}

/// Fails where the performer does not see the person: nobody takes on a person who does not agree to it. What is reported of them, and
/// what ends, is told all the same.
pub fn ensure_performer_sees(conn: &mut DbConn, row: &ReferralRow, now: Instant) -> Result<()> {
    if performer_sees(conn, row, now)? {
        return Ok(());
    }
    let detail = "The performer does not see the patient: the patient's consent to it has ended, or the patient was deleted.";
    Err(Error::conflict("consent_ended", detail))
}

/// Moves a referral: checks that the step exists and the caller may take it, writes the transition, and does what follows from it.
///
/// Accepting a navigation referral plans the first contact; a closed referral closes its open follow-ups, and one that came to nothing calls
/// off its appointments that are to come. Whoever calls this has locked the referral before reading it, so that of two who move it at once
/// the second sees what the first has done.
pub fn transition(
    conn: &mut DbConn,
    caller: &Principal,
    row: &ReferralRow,
    input: &TransitionInput,
) -> Result<(ReferralRow, ReferralTransition)> {
    let parties = parties(conn, caller.organization_id, row)?;
    if parties.is_empty() {
        return Err(Error::Forbidden("Only the requester and the performer can change the status of a referral.".into()));
    }
    move_as(conn, caller, row, input, &parties)
}

/// The same for a caller who acts as these parties, whoever it is: what one side has agreed to beforehand, the other may do for it.
pub fn move_as(
    conn: &mut DbConn,
    caller: &Principal,
    row: &ReferralRow,
    input: &TransitionInput,
    parties: &[Party],
) -> Result<(ReferralRow, ReferralTransition)> {
    permit(row, input, parties)?;
    check(row, input, parties)?;
    if let Some(practitioner) = input.performer_practitioner_id {
        let found = practitioners::repository::find_living(conn, practitioner)?;
        if found.is_none_or(|found| found.organization_id != row.asked()) {
            return Err(Error::invalid("/performer_practitioner_id", "not_found", "is not a practitioner of the performer"));
        }
    }
    if row.status != input.status && input.status.takes_on() {
        ensure_performer_sees(conn, row, caller.at)?;
    }
    carry_out(conn, caller, row, input)
}

/// Does what a transition says, and what follows from it, without asking whether it may be: for what follows from something that the
/// caller was allowed to do. The referral is locked.
pub fn carry_out(
    conn: &mut DbConn,
    caller: &Principal,
    row: &ReferralRow,
    input: &TransitionInput,
) -> Result<(ReferralRow, ReferralTransition)> {
    let mut next = ReferralRow {
        business_status: input.business_status.or(row.business_status.filter(|_| row.status == input.status)),
        outcome: input.outcome.or(row.outcome),
        performer_practitioner_id: input.performer_practitioner_id.or(row.performer_practitioner_id),
        version: row.version + 1,
        updated_at: caller.at,
        ..row.clone()
    };
    next.content.0.support_intensity = input.support_intensity.or(row.content.support_intensity);
    if row.status != input.status || input.reason.code.is_some() {
        next.status_reason = Json(input.reason.clone());
    }
    if input.status == ReferralStatus::Requested && row.status == ReferralStatus::Draft {
        if input.consent.is_none() {
            leave_out_outdated_consent(conn, &mut next, caller.at)?;
        }
        send(conn, caller, &mut next, input.consent.as_ref())?;
    } else if row.status != input.status {
        next.status = input.status;
        next.status_at = caller.at;
        next.due_on = due_on(&next);
    }
    if !repository::replace(conn, row, &next)? {
        return Err(Error::Busy);
    }
    let made = insert_transition(conn, caller, &next, Some(row.status), input)?;
    resource::record::<Referrals>(conn, caller, &Referrals::head(&next), Action::Updated, &Referrals::shape(next.clone()))?;
    if row.status != next.status {
        follow(conn, caller, &next, made.id)?;
        waitlists::queue::settle(conn, caller, &next)?;
        appointments::ending::follow(conn, caller, &next)?;
    }
    if row.performer_practitioner_id != next.performer_practitioner_id {
        follow_ups::plan::hand_over(conn, caller, &next, row.performer_practitioner_id)?;
    }
    Ok((next, made))
}

/// How a referral stands: its status, with the finer word and the reason of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The status.
    pub status: ReferralStatus,
    /// Where the referral stands within the new status.
    pub business_status: Option<BusinessStatus>,
    /// Why.
    pub reason: StatusReason,
}

impl Standing {
    /// A status of which no more is known.
    pub fn plain(status: ReferralStatus) -> Self {
        Self { status, business_status: None, reason: StatusReason::default() }
    }

    /// How it stands after a step. One that leaves the status leaves also what it does not name.
    pub fn after(last: Option<&Self>, step: &TransitionRow) -> Self {
        let same = last.filter(|last| last.status == step.to_status);
        let TransitionContent { business_status, reason, .. } = &step.content.0;
        Self {
            status: step.to_status,
            business_status: business_status.or(same.and_then(|last| last.business_status)),
            reason: same.filter(|_| reason.code.is_none()).map_or_else(|| reason.clone(), |last| last.reason.clone()),
        }
    }
}

/// Takes a referral that waited back to where it stood before: for what follows from something that somebody was allowed to do, told as
/// this organization's and for this reason. One that was on hold already is so again for what it was; of other statuses the finer word is
/// passed. What follows from the status followed when it was reached first.
pub fn resume(
    conn: &mut DbConn,
    actor: &Actor,
    by: OrganizationId,
    row: &ReferralRow,
    stood: &Standing,
    reason: &StatusReason,
) -> Result<()> {
    let held = Some(stood).filter(|stood| stood.status == ReferralStatus::OnHold);
    let business_status = held.and_then(|stood| stood.business_status);
    let status_reason = held.map_or(reason, |stood| &stood.reason);
    let mut next = ReferralRow {
        status: stood.status,
        business_status,
        status_reason: Json(status_reason.clone()),
        status_at: if held.is_some() { row.status_at } else { actor.at },
        version: row.version + 1,
        updated_at: actor.at,
        ..row.clone()
    };
    next.due_on = due_on(&next);
    if !repository::replace(conn, row, &next)? {
        return Err(Error::Busy);
    }
    let told = if reason.code.is_some() { reason } else { status_reason };
    let input = TransitionInput { business_status, reason: told.clone(), ..TransitionInput::to(stood.status) };
    record_transition(conn, actor, by, &next, Some(row.status), &input)?;
    let shape = Referrals::shape(next.clone());
    resource::record_by::<Referrals>(conn, actor, &Referrals::head(&next), Action::Updated, &shape)
}

/// Makes a draft one that is sent: with the patient's consent, from now on due. A consent given now stands before that of the content,
/// which leaves it: from now on it is a consent, of which nobody reads more than consents are read.
pub fn send(conn: &mut DbConn, caller: &Principal, row: &mut ReferralRow, given: Option<&ConsentGiven>) -> Result<()> {
    ensure_consent(conn, caller, row, given.or(row.content.consent.as_ref()))?;
    row.content.0.consent = None;
    row.status = ReferralStatus::Requested;
    row.status_at = caller.at;
    row.requested_at = Some(caller.at);
    set_due_dates(conn, row, caller.at)
}

/// Takes out of a draft the consent that it brings, where the patient has taken one back from the performer since that was written: what
/// they agreed to before says nothing of what they agree to now. Fails unless another one stands.
fn leave_out_outdated_consent(conn: &mut DbConn, draft: &mut ReferralRow, now: Instant) -> Result<()> {
    let performer = other_performer(draft.organization_id, draft.performer_id, draft.manager_id);
    let Some(performer) = performer.filter(|_| draft.content.consent.is_some()) else { return Ok(()) };
    let written_at = draft.consent_at.unwrap_or(draft.created_at);
    if !consents::repository::was_taken_back(conn, draft.patient_id, performer, written_at)? {
        return Ok(());
    }
    draft.content.0.consent = None;
    if sight::to_performer(conn, draft.patient_id, performer, now)?.is_some() {
        return Ok(());
    }
    let detail = "A consent of the patient to the performer was withdrawn or deleted after the one in the draft was written. Name the \
                  consent that they give now when you send it, or record it first.";
    Err(Error::conflict("draft_outdated", detail))
}

/// Adds a new referral, a draft or sent, with the transition that its life begins with.
pub fn insert(conn: &mut DbConn, caller: &Principal, row: ReferralRow) -> Result<ReferralRow> {
    let began = TransitionInput::to(row.status);
    insert_as(conn, caller, row, &began)
}

/// The same with what is said of where it stands.
pub fn insert_as(conn: &mut DbConn, caller: &Principal, row: ReferralRow, said: &TransitionInput) -> Result<ReferralRow> {
    repository::insert(conn, &row)?;
    insert_transition(conn, caller, &row, None, said)?;
    Ok(row)
}

fn permit(row: &ReferralRow, input: &TransitionInput, parties: &[Party]) -> Result<()> {
    let (from, to) = (row.status, input.status);
    if from == to && !from.is_final() && from != ReferralStatus::Draft {
        return Ok(());
    }
    let Some(step) = find_step(from, to) else {
        let leads_to = steps_of(from, parties).map(ReferralStatus::as_str).collect();
        return Err(Error::IllegalTransition { from: from.as_str(), to: to.as_str(), leads_to });
    };
    if step.by.iter().any(|party| parties.contains(party)) {
        Ok(())
    } else {
        let parties: Vec<&str> = step.by.iter().map(|party| party.as_str()).collect();
        Err(Error::Forbidden(format!("Only the {} can take this step.", parties.join(" or the ")).into()))
    }
}

/// What only the performer says is said by it, and all of it goes with the status and the one before.
fn check(row: &ReferralRow, input: &TransitionInput, parties: &[Party]) -> Result<()> {
    // Within a status only one on hold has a reason, which is that of whoever waits.
    let is_held_for_another_reason = row.status == input.status && input.reason.code.is_some();
    let is_of_support = input.support_intensity.is_some() || input.performer_practitioner_id.is_some();
    let is_performers = input.business_status.is_some() || is_of_support || is_held_for_another_reason;
    if is_performers && !parties.contains(&Party::Performer) {
        let detail =
            "The business_status, why the referral is on hold, the support given and who gives it are said by the performer alone.";
        return Err(Error::Forbidden(detail.into()));
    }
    if input.consent.is_some() && (row.status, input.status) != (ReferralStatus::Draft, ReferralStatus::Requested) {
        let message = "is given when a draft is sent; record it with POST /v1/consents";
        return Err(Error::invalid("/consent", "not_allowed", message));
    }
    check_words(row.status, input)
}

/// Fails where what is said does not go with the status that is reached from another.
pub fn check_words(from: ReferralStatus, input: &TransitionInput) -> Result<()> {
    let mut faults = Vec::new();
    if input.business_status.is_some_and(|word| !word.statuses().contains(&input.status)) {
        faults.push(Fault::new("/business_status", "not_allowed", format!("does not go with the status {}", input.status)));
    }
    if from != input.status && input.status.needs_reason() && input.reason.code.is_none() {
        faults.push(Fault::new("/reason/code", "required", "is required for this status"));
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::Invalid(faults)) }
}

/// What follows from a status that has just been reached by a transition.
fn follow(conn: &mut DbConn, caller: &Principal, row: &ReferralRow, made: ReferralTransitionId) -> Result<()> {
    match row.status {
        // One that was put on hold before it was accepted is accepted by going on. One that was taken on before had its first contact then,
        // whoever spoke for the performer.
        ReferralStatus::Accepted | ReferralStatus::InProgress if row.kind == ReferralKind::Navigation => {
            if repository::was_taken_on(conn, row.id, Some(made))? { Ok(()) } else { follow_ups::plan::first_contact(conn, caller, row) }
        }
        status if status.is_final() => follow_ups::plan::close_all(conn, caller, row),
        _ => Ok(()),
    }
}

/// A referral that leaves for another organization needs the patient's consent: one that stands, or one given with it.
///
/// An own program needs none, nor the organization that manages the patient: both see the patient already, or could not name them.
pub fn ensure_consent(conn: &mut DbConn, caller: &Principal, row: &ReferralRow, given: Option<&ConsentGiven>) -> Result<()> {
    let Some(performer) = other_performer(row.organization_id, row.performer_id, row.manager_id) else { return Ok(()) };
    if let Some(given) = given {
        return record_consent(conn, caller, row, performer, given);
    }
    if sight::to_performer(conn, row.patient_id, performer, caller.at)?.is_some() {
        return Ok(());
    }
    Err(Error::invalid("/consent", "consent_required", "is required: the patient has not consented to this organization"))
}

/// The performer, where it is neither the requester itself nor the organization that manages the patient.
fn other_performer(requester: OrganizationId, performer: Option<OrganizationId>, manager: OrganizationId) -> Option<OrganizationId> {
    performer.filter(|performer| ![requester, manager].contains(performer))
}

/// Records the consent that came with the referral.
fn record_consent(conn: &mut DbConn, caller: &Principal, row: &ReferralRow, performer: OrganizationId, given: &ConsentGiven) -> Result<()> {
    let unable = |message: &str| Error::invalid("/consent", "not_permitted", message);
    let sight = match sight::patient(conn, caller, row.patient_id) {
        Err(Error::NotFound) => return Err(unable("can be recorded by an organization that takes part in the care only")),
        other => other?,
    };
    let usual = || {
        let all = [DataCategory::Summary, DataCategory::Contact, DataCategory::Needs].into_iter();
        all.filter(|category| sight.categories.contains(*category)).collect()
    };
    let input = ConsentInput {
        patient_id: row.patient_id,
        grantee_id: performer,
        purposes: vec![ConsentPurpose::Referral],
        categories: given.categories.clone().unwrap_or_else(usual),
        form: given.form,
        given_by: given.given_by,
        given_by_name: given.given_by_name.clone(),
        given_by_relationship: given.given_by_relationship.clone(),
        recorded_by: row.requester_practitioner_id,
        valid_from: None,
        valid_until: given.valid_until,
        note: given.note.clone(),
    };
    let recorded = resource::insert::<Consents>(conn, caller, input).map(|_| ());
    recorded.map_err(|error| error.at_pointers(|fault| format!("/consent{fault}")))
}

/// Fills the due dates of a referral sent at this moment that the requester left open, from the policies of whoever acts as the performer
/// and in its time zone; and says what is due.
pub fn set_due_dates(conn: &mut DbConn, row: &mut ReferralRow, sent_at: Instant) -> Result<()> {
    let of_performer = match row.performer_id {
        Some(performer) => organizations::repository::practice_of_connected(conn, performer, sent_at)?,
        None => None,
    };
    let (policies, sent_on) = match of_performer {
        Some(practice) => practice,
        None => organizations::repository::practice(conn, Some(row.organization_id), sent_at)?,
    };
    let after = |days: i32| sent_on.checked_add_days(Days::new(u64::from(days.unsigned_abs())));
    let content = &mut row.content.0;
    content.acknowledge_by = content.acknowledge_by.or_else(|| after(policies.acknowledge_days()));
    content.decide_by = content.decide_by.or_else(|| after(policies.decide_days()));
    content.first_contact_by = content.first_contact_by.or_else(|| after(policies.decide_days() + policies.first_contact_days()));
    row.due_on = due_on(row);
    Ok(())
}

/// The day by which the performer has to act next.
pub fn due_on(row: &ReferralRow) -> Option<NaiveDate> {
    match row.status {
        ReferralStatus::Requested => row.content.acknowledge_by,
        ReferralStatus::Received => row.content.decide_by,
        ReferralStatus::Accepted => row.content.first_contact_by,
        _ => None,
    }
}

/// Writes a transition and its entry in the journal. The first is as old as the status that the referral begins with.
pub fn insert_transition(
    conn: &mut DbConn,
    caller: &Principal,
    referral: &ReferralRow,
    from: Option<ReferralStatus>,
    input: &TransitionInput,
) -> Result<ReferralTransition> {
    record_transition(conn, &caller.actor(), caller.organization_id, referral, from, input)
}

fn record_transition(
    conn: &mut DbConn,
    actor: &Actor,
    by: OrganizationId,
    referral: &ReferralRow,
    from: Option<ReferralStatus>,
    input: &TransitionInput,
) -> Result<ReferralTransition> {
    let row = TransitionRow {
        id: Id::generate(),
        organization_id: by,
        referral_id: referral.id,
        from_status: from,
        to_status: referral.status,
        content: Json(TransitionContent {
            business_status: input.business_status,
            reason: input.reason.clone(),
            outcome: input.outcome,
            note: input.note.clone(),
        }),
        client_id: actor.client_id,
        on_behalf_of: actor.on_behalf_of.clone(),
        created_at: if from.is_none() { referral.status_at } else { actor.at },
    };
    repository::insert_transition(conn, &row)?;
    let shape = ReferralTransition::from(row);
    let change = Change::of(shape.id, 1, Action::Created, &shape).owned_by(shape.organization_id);
    changes::record(conn, actor, change.about(referral.patient_id).within(referral.id))?;
    Ok(shape)
}

/// The service of a referral as it stands today. One that was sent while its service was being merged finds the one that stands for it.
pub fn service(conn: &mut DbConn, referral: &Referral) -> Result<Option<ServiceRow>> {
    let Some(id) = referral.content.service_id else { return Ok(None) };
    match services::repository::find(conn, id)? {
        Some(ServiceRow { merged_into_id: Some(into), .. }) => services::repository::find(conn, into),
        found => Ok(found),
    }
}

/// What of a service is shown in a referral to it.
pub fn service_brief(service: &ServiceRow) -> ServiceBrief {
    ServiceBrief { id: service.id, name: service.name.clone(), status: service.status, capacity: service.room().cloned() }
}

/// The warning that a patient, of whom these categories are seen, does not meet what a service asks.
pub fn not_eligible(patient: &PatientRow, seen: Categories, service: &ServiceRow, now: Instant) -> Option<Warning> {
    let shown = patient.content.0.clone().shown(seen);
    let unmet = matching::unmet_rules(&shown, service.id, &service.content, now);
    let rules: Vec<&str> = unmet.iter().map(|item| item.sentence.en.as_str()).collect();
    let message = || format!("The person does not meet what the service asks. {}", rules.join(" "));
    (!rules.is_empty()).then(|| Warning { code: WarningCode::NotEligible, message: message() })
}

/// The warning that another referral of the patient, which the caller sees, asks the same service.
pub fn already_referred(conn: &mut DbConn, caller: &Principal, referral: &Referral, service: &ServiceRow) -> Result<Option<Warning>> {
    let is_too_many = repository::is_referred_elsewhere(conn, caller, referral.content.patient_id, service.id, referral.id)?;
    let message = "Another open referral of the person asks the same service: agree on one of them.";
    Ok(is_too_many.then(|| Warning { code: WarningCode::AlreadyReferred, message: message.into() }))
}

/// What to know before relying on a referral that is not closed.
pub fn warnings(conn: &mut DbConn, referral: &Referral, service: Option<&ServiceRow>, now: Instant) -> Result<Vec<Warning>> {
    if referral.status.is_final() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    if service.is_some_and(|service| service.deleted_at.is_some()) {
        found.push((WarningCode::ServiceDeleted, "The service is in the directory no more; refer to another one."));
    }
    if let Some(service) = service.filter(|service| service.is_listed()) {
        if service.status != ServiceStatus::Active {
            found.push((WarningCode::ServiceInactive, "The service does not run at present."));
        }
        match service.room().map(Capacity::standing) {
            Some(CapacityStatus::Full) => found.push((WarningCode::ServiceFull, "The service has no room at present.")),
            Some(CapacityStatus::Waitlist) => found.push((WarningCode::ServiceWaitlist, "The service has a waiting list.")),
            Some(CapacityStatus::Closed) => found.push((WarningCode::ServiceClosed, "The service takes nobody at present.")),
            Some(CapacityStatus::Open | CapacityStatus::Unknown) | None => {}
        }
        if service.room().is_some_and(|capacity| capacity.is_stale(now.utc().date_naive())) {
            let message = "What is known of the service's room was said more than 60 days ago; ask before relying on it.";
            found.push((WarningCode::ServiceCapacityStale, message));
        }
        let asked = referral.content.performer_organization_id.unwrap_or(referral.organization_id);
        if referral.business_status == Some(BusinessStatus::Waitlisted) && !service.is_given_by(asked) {
            let message = "Another organization than the one that was asked gives the service now, and offers no place to who waits by this \
                           referral; refer to it, or somewhere else.";
            found.push((WarningCode::ServiceGivenByAnother, message));
        }
    }
    if is_unconnected(conn, referral.content.performer_organization_id)? {
        found.push((
            WarningCode::PerformerNotConnected,
            "The provider has no system on Kith: tell them, and record what becomes of it here.",
        ));
    }
    // Also one that asked itself: it sees the patient by a consent as any other.
    if let Some(performer) = referral.content.performer_organization_id
        && referral.requested_at.is_some_and(|sent| sent < now)
        && !sight::may_take_on(conn, referral.content.patient_id, (performer, referral.manager_id), now)?
    {
        found.push((
            WarningCode::ConsentEnded,
            "The patient's consent to the performer has ended, or the patient was deleted, so that the performer no longer sees the patient \
             and cannot take them on.",
        ));
    }
    Ok(found.into_iter().map(|(code, message)| Warning { code, message: message.into() }).collect())
}
