//! The end of a follow-up: completed with a result, or cancelled with a reason.

use actix_web::web::Path;
use actix_web::{HttpResponse, post};

use super::api::FollowUp;
use super::handlers::FollowUps;
use super::model::{Cancellation, Conclusion, FollowUpResult, FollowUpRow, FollowUpStatus, Purpose};
use super::{plan, repository, rhythm};
use crate::app::State;
use crate::auth::{Allowed, Principal, scope, sight};
use crate::db::DbConn;
use crate::db::types::{Id, Json};
use crate::error::{Error, Result};
use crate::http::command::{Command, Reply};
use crate::http::etag::OptionalIfMatch;
use crate::http::resource::{self, Resource as _};
use crate::kind::{self, FollowUpId, NeedId, PatientId, ReferralId};
use crate::needs::handlers::Needs;
use crate::needs::model::{NeedInput, NeedSource, NeedStatus, NeedVerification};
use crate::referrals::api::TransitionInput;
use crate::referrals::lifecycle::{Party, ReferralStatus};
use crate::referrals::model::ReferralRow;
use crate::referrals::workflow;
use crate::{needs, patients};

/// The follow-up, which the caller may change and which is open. Nobody else changes it or its referral until the transaction ends.
pub fn open_row(conn: &mut DbConn, caller: &Principal, id: FollowUpId, version: &OptionalIfMatch) -> Result<FollowUpRow> {
    repository::lock(conn, id)?;
    let row = resource::get_row::<FollowUps>(conn, caller, id)?;
    FollowUps::permit(caller, &row)?;
    version.check(row.version)?;
    if row.status == FollowUpStatus::Open { Ok(row) } else { Err(closed()) }
}

/// What is done cannot be done once more.
pub fn closed() -> Error {
    Error::conflict("follow_up_closed", "The follow-up is completed or cancelled.")
}

/// The referral of a follow-up.
pub fn referral_of(conn: &mut DbConn, caller: &Principal, row: &FollowUpRow) -> Result<Option<ReferralRow>> {
    let Some(id) = row.referral_id else { return Ok(None) };
    crate::referrals::repository::find(conn, caller, id)
}

/// Complete a follow-up
///
/// The person was reached, and this is what was heard. New needs are recorded, an accepted referral is in progress from the first contact
/// on while the patient's consent to the performer holds, and the next follow-up is planned by the rhythm of the person's need level, as
/// far as the follow-up's organization sees it, until the referral is closed, a follow-up with the purpose `closing` is completed, or that
/// organization or the performer does not see the person any more. One without a referral goes on so while the person is active, the
/// organization sees them and has no other one without a referral open for them: those in a referral end with it. `new_needs` may be named
/// while the patient lets the caller's organization see needs or screenings, by itself or in the referral; `next_due_on`, while it may plan a
/// follow-up by hand.
#[utoipa::path(tag = "follow_ups", params(("id" = FollowUpId, Path, description = "The follow-up's id."), ("If-Match" = Option<String>, Header, description = "Fails with 412 unless the follow-up has this version.", example = "\"3\"")), request_body = FollowUpResult, responses((status = 200, description = "The follow-up, completed.", body = FollowUp), (status = 409, description = "It is not open: `follow_up_closed`; or `next_due_on` is named, and the performer of its referral does not see the patient any more: `consent_ended`."), (status = 410, description = "The follow-up was deleted.")), security(("oauth2" = ["follow_ups:write"])))]
#[post("/v1/follow-ups/{id}/complete")]
pub async fn complete_follow_up(
    app: State,
    caller: Allowed<scope::FollowUpsWrite>,
    id: Path<Id<kind::FollowUp>>,
    version: OptionalIfMatch,
    command: Command<FollowUpResult>,
) -> Result<HttpResponse> {
    let id = *id;
    command
        .run(&app, &caller, move |conn, caller, result| {
            let row = open_row(conn, caller, id, &version)?;
            let row = complete(conn, caller, row, result)?;
            Reply::versioned(row.version, &FollowUp::from(row))
        })
        .await
}

/// Completes an open follow-up, with all that follows from it.
pub fn complete(conn: &mut DbConn, caller: &Principal, row: FollowUpRow, result: &FollowUpResult) -> Result<FollowUpRow> {
    check(row.purpose, result)?;
    let mut referral = referral_of(conn, caller, &row)?;
    let new_need_ids = raise_needs(conn, caller, row.patient_id, row.referral_id, &result.new_needs)?;
    let conclusion = Conclusion { result: Some(result.clone()), new_need_ids, ..Conclusion::default() };
    let done = FollowUpRow { status: FollowUpStatus::Completed, closed_at: Some(caller.at), conclusion: Json(conclusion), ..row };
    let done = plan::save(conn, caller, done)?;
    if let Some(accepted) =
        referral.take_if(|referral| done.purpose == Purpose::FirstContact && referral.status == ReferralStatus::Accepted)
    {
        referral = Some(begin(conn, caller, accepted)?);
    }
    let purpose = rhythm::purpose_after(done.purpose, result);
    plan::next(conn, caller, done, referral.as_ref(), purpose, result)
}

/// Fails where a result does not go with what the follow-up is for.
pub fn check(purpose: Purpose, result: &FollowUpResult) -> Result<()> {
    if purpose == Purpose::Closing && result.next_due_on.is_some() {
        return Err(Error::invalid("/next_due_on", "not_allowed", "does not go with taking leave: nothing follows it"));
    }
    Ok(())
}

/// A referral is in progress once the person was reached, if they let the performer go on.
fn begin(conn: &mut DbConn, caller: &Principal, referral: ReferralRow) -> Result<ReferralRow> {
    let is_performers = workflow::parties(conn, caller.organization_id, &referral)?.contains(&Party::Performer);
    if !is_performers || !workflow::performer_sees(conn, &referral, caller.at)? {
        return Ok(referral);
    }
    let (referral, _) = workflow::transition(conn, caller, &referral, &TransitionInput::to(ReferralStatus::InProgress))?;
    Ok(referral)
}

/// Records a need in each domain in which the patient has no open one that the caller sees: what is hidden from it does not show in
/// what happens either. Fails where the caller may not record needs of the patient, by itself or in the referral.
fn raise_needs(
    conn: &mut DbConn,
    caller: &Principal,
    patient: PatientId,
    referral: Option<ReferralId>,
    domains: &[String],
) -> Result<Vec<NeedId>> {
    if domains.is_empty() {
        return Ok(Vec::new());
    }
    // Otherwise two that are completed at once would each raise the same need.
    patients::repository::lock(conn, patient)?;
    let is_there = patients::repository::find(conn, patient)?.is_some_and(|row| row.deleted_at.is_none());
    let seen = if is_there { sight::in_referral(conn, caller, patient, referral)? } else { None };
    let seen = seen.ok_or_else(|| Error::invalid("/new_needs", "not_found", "are of a patient whom this client does not see"))?;
    needs::handlers::permit_recording(seen)?;
    let seen = needs::handlers::seen(caller, seen);
    let open = needs::repository::open_of_patient(conn, patient)?.into_iter().filter(|row| seen.includes(row));
    let mut known: Vec<String> = open.map(|row| row.domain).collect();
    let mut raised = Vec::new();
    for domain in domains {
        if known.contains(domain) {
            continue;
        }
        known.push(domain.clone());
        raised.push(raise_need(conn, caller, patient, domain)?);
    }
    Ok(raised)
}

fn raise_need(conn: &mut DbConn, caller: &Principal, patient: PatientId, domain: &str) -> Result<NeedId> {
    let content = NeedInput {
        patient_id: patient,
        domain: domain.to_owned(),
        label: None,
        source: NeedSource::Conversation,
        screening_id: None,
        severity: None,
        wants_help: None,
        readiness: None,
        status: NeedStatus::Active,
        verification: NeedVerification::Confirmed,
        treat_as_sensitive: false,
        onset_on: None,
        note: None,
        identifiers: Vec::new(),
    };
    let add = |conn: &mut DbConn, content| Needs::insert(conn, caller, Id::generate(), content);
    Ok(resource::insert_prepared::<Needs>(conn, caller, content, add)?.0.id)
}

/// Cancel a follow-up
///
/// An open one that is no longer of use. It says why, and plans no other.
#[utoipa::path(tag = "follow_ups", params(("id" = FollowUpId, Path, description = "The follow-up's id."), ("If-Match" = Option<String>, Header, description = "Fails with 412 unless the follow-up has this version.", example = "\"3\"")), request_body = Cancellation, responses((status = 200, description = "The follow-up, cancelled.", body = FollowUp), (status = 409, description = "It is not open: `follow_up_closed`."), (status = 410, description = "The follow-up was deleted.")), security(("oauth2" = ["follow_ups:write"])))]
#[post("/v1/follow-ups/{id}/cancel")]
pub async fn cancel_follow_up(
    app: State,
    caller: Allowed<scope::FollowUpsWrite>,
    id: Path<Id<kind::FollowUp>>,
    version: OptionalIfMatch,
    command: Command<Cancellation>,
) -> Result<HttpResponse> {
    let id = *id;
    command
        .run(&app, &caller, move |conn, caller, cancellation| {
            let row = open_row(conn, caller, id, &version)?;
            let row = plan::cancel(conn, caller, row, cancellation.clone())?;
            Reply::versioned(row.version, &FollowUp::from(row))
        })
        .await
}

/// The follow-up as it stands after what happened to its referral.
pub fn reread(conn: &mut DbConn, caller: &Principal, id: FollowUpId) -> Result<FollowUpRow> {
    repository::find(conn, caller, id)?.ok_or(Error::NotFound)
}
