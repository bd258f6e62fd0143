//! The attempts to reach a person, and what follows from them.

use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, get, post};

use super::api::{ContactAttempt, FollowUp, NewContactAttempt};
use super::conclude::{complete, open_row, referral_of, reread};
use super::handlers::FollowUps;
use super::model::{AttemptInput, AttemptOutcome, AttemptRow, Cancellation, CancellationCode, FollowUpResult, FollowUpRow, Purpose};
use super::{plan, repository, rhythm, safety, shown};
use crate::app::State;
use crate::auth::{Allowed, Principal, scope, sight};
use crate::changes::{self, Action, Change};
use crate::db::DbConn;
use crate::db::types::{Id, Json};
use crate::error::{Error, Result};
use crate::http::command::{Command, Reply};
use crate::http::etag::OptionalIfMatch;
use crate::http::page::{self, Page};
use crate::http::query::Query;
use crate::http::resource::{self, HistoryQuery};
use crate::kind::{self, ContactAttemptId, FollowUpId};
use crate::organizations::model::Policies;
use crate::referrals::api::TransitionInput;
use crate::referrals::lifecycle::{Party, ReferralStatus, find_step};
use crate::referrals::model::{ReasonCode, StatusReason};
use crate::referrals::workflow;
use crate::{organizations, practitioners};

/// Record an attempt to reach the person
///
/// An attempt in vain moves the follow-up's day on. When as many in a row were in vain as the organization's `contact_attempts` says, the
/// follow-up is cancelled with `unable_to_contact`. Where it was the first contact by the performer, its referral is closed with it as
/// `failed` for the same reason, which the requester sees. After any other the help goes on: a `barrier_review` is planned by the rhythm of the
/// person's need level, as a next follow-up would be, and nothing after one with the purpose `closing`. The first contact is completed by the
/// attempt that reaches the person; other follow-ups are completed with their result. What follows where the person `declined` is for people
/// to decide.
///
/// An attempt that did not keep to what makes contact with the person safe is recorded all the same, for it has happened, and answers with
/// `warnings`.
#[utoipa::path(tag = "follow_ups", params(("id" = FollowUpId, Path, description = "The follow-up's id."), ("If-Match" = Option<String>, Header, description = "Fails with 412 unless the follow-up has this version.", example = "\"3\"")), request_body = AttemptInput, responses((status = 201, description = "The attempt, and the follow-up as it now is; `ETag` is the follow-up's version.", body = NewContactAttempt), (status = 409, description = "The follow-up is not open: `follow_up_closed`."), (status = 410, description = "The follow-up was deleted.")), security(("oauth2" = ["follow_ups:write"])))]
#[post("/v1/follow-ups/{id}/attempts")]
pub async fn create_contact_attempt(
    app: State,
    caller: Allowed<scope::FollowUpsWrite>,
    id: Path<Id<kind::FollowUp>>,
    version: OptionalIfMatch,
    command: Command<AttemptInput>,
) -> Result<HttpResponse> {
    let id = *id;
    command
        .run(&app, &caller, move |conn, caller, input| {
            let row = open_row(conn, caller, id, &version)?;
            let attempt = insert(conn, caller, &row, input)?;
            let warnings = safety::warnings(conn, caller, &row, input)?;
            let row = follow(conn, caller, row, input.outcome)?;
            let version = row.version;
            let shape = NewContactAttempt { follow_up: FollowUp::from(row), warnings, attempt };
            Reply::created(&format!("/v1/follow-ups/{id}/attempts/{}", shape.attempt.id), version, &shape)
        })
        .await
}

fn insert(conn: &mut DbConn, caller: &Principal, follow_up: &FollowUpRow, input: &AttemptInput) -> Result<ContactAttempt> {
    let mut faults = Vec::new();
    if let Some(id) = input.practitioner_id {
        practitioners::repository::check_own(conn, caller.organization_id, id, "/practitioner_id", &mut faults)?;
    }
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }
    if input.at.is_some_and(|at| at > caller.at) {
        return Err(Error::invalid("/at", "out_of_range", "must not be in the future"));
    }
    let row = AttemptRow {
        id: Id::generate(),
        organization_id: caller.organization_id,
        follow_up_id: follow_up.id,
        at: input.at.unwrap_or(caller.at),
        outcome: input.outcome,
        minutes: input.minutes,
        content: Json(AttemptInput { contact_value: None, ..input.clone() }),
        client_id: Some(caller.client_id),
        on_behalf_of: caller.on_behalf_of.clone(),
        created_at: caller.at,
    };
    repository::insert_attempt(conn, &row)?;
    let shape = ContactAttempt::from(row);
    let change = Change::of(shape.id, 1, Action::Created, &shape).owned_by(shape.organization_id);
    changes::record(conn, &caller.actor(), change.about(follow_up.patient_id).within(follow_up.referral_id))?;
    Ok(shape)
}

/// What follows from an attempt that has just been recorded.
fn follow(conn: &mut DbConn, caller: &Principal, row: FollowUpRow, outcome: AttemptOutcome) -> Result<FollowUpRow> {
    if outcome == AttemptOutcome::Reached && row.purpose == Purpose::FirstContact {
        return complete(conn, caller, row, &FollowUpResult::default());
    }
    if !outcome.is_in_vain() {
        return Ok(row);
    }
    let (policies, today) = organizations::repository::practice(conn, Some(row.organization_id), caller.at)?;
    let outcomes: Vec<AttemptOutcome> = repository::attempts_of(conn, &[row.id])?.into_iter().map(|attempt| attempt.outcome).collect();
    if rhythm::has_run_out(&outcomes, &policies) {
        return give_up(conn, caller, row, &policies);
    }
    let due_on = rhythm::days_after(today, policies.contact_attempt_spacing_days());
    plan::save(conn, caller, FollowUpRow { due_on, ..row })
}

/// A person who was never reached is nobody's: the performer's first contact closes the referral as unable to contact, and with it its
/// follow-ups. Of somebody who is known what stands in the way is looked into, and the help that they have goes on.
fn give_up(conn: &mut DbConn, caller: &Principal, row: FollowUpRow, policies: &Policies) -> Result<FollowUpRow> {
    let referral = referral_of(conn, caller, &row)?;
    let text = format!("Not reached in {} tries.", policies.contact_attempts());
    if row.purpose == Purpose::FirstContact
        && let Some(referral) = &referral
        && find_step(referral.status, ReferralStatus::Failed).is_some()
        && workflow::parties(conn, caller.organization_id, referral)?.contains(&Party::Performer)
    {
        let reason = StatusReason { code: Some(ReasonCode::UnableToContact), text: Some(text) };
        workflow::transition(conn, caller, referral, &TransitionInput { reason, ..TransitionInput::to(ReferralStatus::Failed) })?;
        return reread(conn, caller, row.id);
    }
    let purpose = rhythm::purpose_after_vain_attempts(row.purpose);
    let given_up = plan::cancel(conn, caller, row, Cancellation::because(CancellationCode::UnableToContact))?;
    let unheard = FollowUpResult { next_step: Some(text), ..FollowUpResult::default() };
    plan::next(conn, caller, given_up, referral.as_ref(), purpose, &unheard)
}

/// List the attempts of a follow-up
///
/// In order of recording. The note of another organization's attempt is null to whom the patient does not let in, or not any more.
#[utoipa::path(tag = "follow_ups", params(("id" = FollowUpId, Path, description = "The follow-up's id."), HistoryQuery), responses((status = 200, description = "A page of attempts.", body = Page<ContactAttempt>), (status = 410, description = "The follow-up was deleted.")), security(("oauth2" = ["follow_ups:read"])))]
#[get("/v1/follow-ups/{id}/attempts")]
pub async fn list_contact_attempts(
    app: State,
    caller: Allowed<scope::FollowUpsRead>,
    id: Path<Id<kind::FollowUp>>,
    query: Query<HistoryQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let (id, query) = (*id, query.0);
    let fingerprint = page::fingerprint(&("attempts", id));
    let after: Option<ContactAttemptId> = query.cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?;
    let page = app
        .db
        .read(move |conn| {
            let follow_up = resource::get_row::<FollowUps>(conn, &caller, id)?;
            let rows = repository::list_attempts(conn, id, after, query.limit.and_one())?;
            let Page { items, next } = Page::from_rows(rows, query.limit, fingerprint, |row: &AttemptRow| row.id)?;
            let attempts = items.into_iter().map(ContactAttempt::from).collect();
            Ok(Page { items: shown::attempts(conn, &caller, follow_up.patient_id, attempts)?, next })
        })
        .await?;
    Ok(page.respond(&request))
}

/// Read an attempt of a follow-up
///
/// By whoever sees the follow-up, shown as in its list. It never changes.
#[utoipa::path(tag = "follow_ups", params(("id" = FollowUpId, Path, description = "The follow-up's id."), ("attempt_id" = ContactAttemptId, Path, description = "The attempt's id.")), responses((status = 200, description = "The attempt.", body = ContactAttempt), (status = 410, description = "The follow-up was deleted.")), security(("oauth2" = ["follow_ups:read"])))]
#[get("/v1/follow-ups/{id}/attempts/{attempt_id}")]
pub async fn get_contact_attempt(
    app: State,
    caller: Allowed<scope::FollowUpsRead>,
    ids: Path<(Id<kind::FollowUp>, Id<kind::ContactAttempt>)>,
) -> Result<HttpResponse> {
    let ((id, attempt), caller) = (ids.into_inner(), Principal::clone(&caller));
    let attempt = app
        .db
        .read_briefly(move |conn| {
            let follow_up = resource::get_row::<FollowUps>(conn, &caller, id)?;
            let row = repository::find_attempt(conn, id, attempt)?.ok_or(Error::NotFound)?;
            let (patient, attempt) = (follow_up.patient_id, ContactAttempt::from(row));
            sight::one(conn, &caller, attempt, |conn, caller, attempts| shown::attempts(conn, caller, patient, attempts))
        })
        .await?;
    Ok(HttpResponse::Ok().json(attempt))
}
