//! HTTP of what happens to a referral: its transitions and its messages.

use actix_web::http::header::ETAG;
use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, get, post};

use super::api::{
    AcknowledgeInput, Acknowledged, MessageInput, NewReferralTransition, ReferralMessage, ReferralTransition, TransitionInput,
};
use super::handlers::{Referrals, check_draft};
use super::lifecycle::ReferralStatus;
use super::model::{MessageRow, ReferralRow, TransitionRow};
use super::{alternatives, repository, workflow};
use crate::app::State;
use crate::auth::{Allowed, Principal, scope};
use crate::changes::{self, Action, Change};
use crate::db::DbConn;
use crate::db::types::{Id, Json};
use crate::error::{Error, Result};
use crate::http::command::{Command, Reply};
use crate::http::etag::{OptionalIfMatch, tag};
use crate::http::page::{self, Page};
use crate::http::query::Query;
use crate::http::resource::{self, HistoryQuery};
use crate::kind::{self, ReferralId, ReferralMessageId, ReferralTransitionId};
use crate::practitioners;

/// Sends a draft of the caller's as it stands; false where it is none any more.
pub fn send(conn: &mut DbConn, caller: &Principal, id: ReferralId) -> Result<bool> {
    repository::lock(conn, id)?;
    let row = resource::get_row::<Referrals>(conn, caller, id)?;
    if row.status != ReferralStatus::Draft {
        return Ok(false);
    }
    check_draft(conn, caller, &row)?;
    workflow::transition(conn, caller, &row, &TransitionInput::to(ReferralStatus::Requested))?;
    Ok(true)
}

/// Move a referral
///
/// To another status, or on within the present one: another `business_status`, an assignment, a note. Which steps there are, and who may
/// take them, is fixed; a step that does not exist answers 409 `illegal_transition`. Where two might take a referral at once, `If-Match`
/// lets the first have it and tells the second. Nobody takes on a person whom they do not see: once the consent to the performer has ended,
/// accepting a referral and going on with it answer 409 `consent_ended`, whoever speaks for the performer. A referral that is closed closes
/// its open follow-ups; one that is rejected, cancelled, failed or entered in error also calls off its appointments that are held or booked
/// and have not begun (`referral_closed`). Those of one that is completed stand. The answer to one that rejects for want of room
/// (`no_capacity`) suggests where else the person could turn.
#[utoipa::path(tag = "referrals", params(("id" = ReferralId, Path, description = "The referral's id."), ("If-Match" = Option<String>, Header, description = "Fails with 412 unless the referral has this version.", example = "\"3\"")), request_body = TransitionInput, responses((status = 201, description = "The transition; `ETag` is the referral's new version.", body = NewReferralTransition), (status = 409, description = "There is no such step: `illegal_transition`; `draft_outdated`: something that the draft names is no longer there, or it brings a consent, one to the performer was withdrawn or deleted since that was written, and none stands; `consent_ended`: the performer does not see the patient any more; `too_much_at_once`: more than 20,000 appointments would be called off with it."), (status = 410, description = "The referral, a draft, was deleted.")), security(("oauth2" = ["referrals:write"])))]
#[post("/v1/referrals/{id}/transitions")]
pub async fn create_referral_transition(
    app: State,
    caller: Allowed<scope::ReferralsWrite>,
    id: Path<Id<kind::Referral>>,
    version: OptionalIfMatch,
    command: Command<TransitionInput>,
) -> Result<HttpResponse> {
    let id = *id;
    // Matching reads only, and is done before the write: on SQLite all writes wait for each other.
    let alternatives = if command.input.lacks_room() { alternatives::for_rejection(&app, &caller, id).await? } else { None };
    command
        .run(&app, &caller, move |conn, caller, input| {
            repository::lock(conn, id)?;
            let row = resource::get_row::<Referrals>(conn, caller, id)?;
            version.check(row.version)?;
            if row.status == ReferralStatus::Draft && input.status == ReferralStatus::Requested {
                check_draft(conn, caller, &row)?;
            }
            let (row, made) = workflow::transition(conn, caller, &row, input)?;
            let made = NewReferralTransition { transition: made, alternatives: alternatives.clone() };
            Reply::created(&format!("/v1/referrals/{id}/transitions/{}", made.transition.id), row.version, &made)
        })
        .await
}

/// List the transitions of a referral
///
/// Oldest first.
#[utoipa::path(tag = "referrals", params(("id" = ReferralId, Path, description = "The referral's id."), HistoryQuery), responses((status = 200, description = "A page of transitions.", body = Page<ReferralTransition>), (status = 410, description = "The referral, a draft, was deleted.")), security(("oauth2" = ["referrals:read"])))]
#[get("/v1/referrals/{id}/transitions")]
pub async fn list_referral_transitions(
    app: State,
    caller: Allowed<scope::ReferralsRead>,
    id: Path<Id<kind::Referral>>,
    query: Query<HistoryQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let (id, caller, query) = (*id, Principal::clone(&caller), query.0);
    let fingerprint = page::fingerprint(&("transitions", id));
    let after: Option<ReferralTransitionId> = query.cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?;
    let page = app
        .db
        .read(move |conn| {
            resource::get_row::<Referrals>(conn, &caller, id)?;
            let rows = repository::list_transitions(conn, id, after, query.limit.and_one())?;
            Page::from_rows(rows, query.limit, fingerprint, |row: &TransitionRow| row.id)
        })
        .await?;
    Ok(page.map(ReferralTransition::from).respond(&request))
}

/// Read a transition of a referral
///
/// By whoever sees the referral. It never changes.
#[utoipa::path(tag = "referrals", params(("id" = ReferralId, Path, description = "The referral's id."), ("transition_id" = ReferralTransitionId, Path, description = "The transition's id.")), responses((status = 200, description = "The transition.", body = ReferralTransition), (status = 410, description = "The referral, a draft, was deleted.")), security(("oauth2" = ["referrals:read"])))]
#[get("/v1/referrals/{id}/transitions/{transition_id}")]
pub async fn get_referral_transition(
    app: State,
    caller: Allowed<scope::ReferralsRead>,
    ids: Path<(Id<kind::Referral>, Id<kind::ReferralTransition>)>,
) -> Result<HttpResponse> {
    let ((id, transition), caller) = (ids.into_inner(), Principal::clone(&caller));
    let row = app
        .db
        .read_briefly(move |conn| {
            resource::get_row::<Referrals>(conn, &caller, id)?;
            repository::find_transition(conn, id, transition)?.ok_or(Error::NotFound)
        })
        .await?;
    Ok(HttpResponse::Ok().json(ReferralTransition::from(row)))
}

/// Write to the other side of a referral
///
/// The other side finds it among the referral's messages and in the change feed; it stays unread until they acknowledge it.
#[utoipa::path(tag = "referrals", params(("id" = ReferralId, Path, description = "The referral's id.")), request_body = MessageInput, responses((status = 201, description = "The message.", body = ReferralMessage), (status = 409, description = "The referral was not sent: `referral_not_sent`."), (status = 410, description = "The referral, a draft, was deleted.")), security(("oauth2" = ["referrals:write"])))]
#[post("/v1/referrals/{id}/messages")]
pub async fn create_referral_message(
    app: State,
    caller: Allowed<scope::ReferralsWrite>,
    id: Path<Id<kind::Referral>>,
    command: Command<MessageInput>,
) -> Result<HttpResponse> {
    let id = *id;
    command
        .run(&app, &caller, move |conn, caller, input| {
            let referral = side_of(conn, caller, id)?;
            let mut faults = Vec::new();
            if let Some(id) = input.practitioner_id {
                practitioners::repository::check_own(conn, caller.organization_id, id, "/practitioner_id", &mut faults)?;
            }
            if !faults.is_empty() {
                return Err(Error::Invalid(faults));
            }
            let row = MessageRow {
                id: Id::generate(),
                organization_id: caller.organization_id,
                referral_id: id,
                content: Json(input.clone()),
                client_id: Some(caller.client_id),
                on_behalf_of: caller.on_behalf_of.clone(),
                acknowledged_at: None,
                version: 1,
                created_at: caller.at,
            };
            repository::insert_message(conn, &row)?;
            let shape = record_message(conn, caller, &referral, row, Action::Created)?;
            Reply::created(&format!("/v1/referrals/{id}/messages/{}", shape.id), shape.version, &shape)
        })
        .await
}

/// The referral, of which the caller must be the requester or the performer. Messages are written and read one after the other, so that
/// none appears before one that was read already.
fn side_of(conn: &mut DbConn, caller: &Principal, id: ReferralId) -> Result<ReferralRow> {
    repository::lock(conn, id)?;
    let referral = resource::get_row::<Referrals>(conn, caller, id)?;
    if workflow::parties(conn, caller.organization_id, &referral)?.is_empty() {
        return Err(Error::Forbidden("Only the requester and the performer of a referral write to each other in it.".into()));
    }
    if referral.requested_at.is_none() {
        return Err(Error::conflict("referral_not_sent", "The referral was not sent, so that nobody would read the message."));
    }
    Ok(referral)
}

fn record_message(
    conn: &mut DbConn,
    caller: &Principal,
    referral: &ReferralRow,
    row: MessageRow,
    action: Action,
) -> Result<ReferralMessage> {
    let shape = ReferralMessage::from(row);
    let change = Change::of(shape.id, shape.version, action, &shape).owned_by(shape.organization_id);
    changes::record(conn, &caller.actor(), change.about(referral.patient_id).within(referral.id))?;
    Ok(shape)
}

/// List the messages of a referral
///
/// Oldest first.
#[utoipa::path(tag = "referrals", params(("id" = ReferralId, Path, description = "The referral's id."), HistoryQuery), responses((status = 200, description = "A page of messages.", body = Page<ReferralMessage>), (status = 410, description = "The referral, a draft, was deleted.")), security(("oauth2" = ["referrals:read"])))]
#[get("/v1/referrals/{id}/messages")]
pub async fn list_referral_messages(
    app: State,
    caller: Allowed<scope::ReferralsRead>,
    id: Path<Id<kind::Referral>>,
    query: Query<HistoryQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let (id, caller, query) = (*id, Principal::clone(&caller), query.0);
    let fingerprint = page::fingerprint(&("messages", id));
    let after: Option<ReferralMessageId> = query.cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?;
    let page = app
        .db
        .read(move |conn| {
            resource::get_row::<Referrals>(conn, &caller, id)?;
            let rows = repository::list_messages(conn, id, after, query.limit.and_one())?;
            Page::from_rows(rows, query.limit, fingerprint, |row: &MessageRow| row.id)
        })
        .await?;
    Ok(page.map(ReferralMessage::from).respond(&request))
}

/// Read a message of a referral
///
/// By whoever sees the referral. To read it does not say so to the other side; to acknowledge it does.
#[utoipa::path(tag = "referrals", params(("id" = ReferralId, Path, description = "The referral's id."), ("message_id" = ReferralMessageId, Path, description = "The message's id.")), responses((status = 200, description = "The message.", body = ReferralMessage), (status = 410, description = "The referral, a draft, was deleted.")), security(("oauth2" = ["referrals:read"])))]
#[get("/v1/referrals/{id}/messages/{message_id}")]
pub async fn get_referral_message(
    app: State,
    caller: Allowed<scope::ReferralsRead>,
    ids: Path<(Id<kind::Referral>, Id<kind::ReferralMessage>)>,
) -> Result<HttpResponse> {
    let ((id, message), caller) = (ids.into_inner(), Principal::clone(&caller));
    let row = app
        .db
        .read_briefly(move |conn| {
            resource::get_row::<Referrals>(conn, &caller, id)?;
            repository::find_message(conn, id, message)?.ok_or(Error::NotFound)
        })
        .await?;
    Ok(HttpResponse::Ok().insert_header((ETAG, tag(row.version))).json(ReferralMessage::from(row)))
}

/// Acknowledge messages
///
/// Says that the other side's messages have been read, up to one of them.
#[utoipa::path(tag = "referrals", params(("id" = ReferralId, Path, description = "The referral's id.")), request_body = AcknowledgeInput, responses((status = 200, description = "How many were not acknowledged before.", body = Acknowledged), (status = 409, description = "The referral was not sent: `referral_not_sent`; or more than 20,000 messages were not read: `too_much_at_once`."), (status = 410, description = "The referral, a draft, was deleted.")), security(("oauth2" = ["referrals:write"])))]
#[post("/v1/referrals/{id}/messages/acknowledge")]
pub async fn acknowledge_referral_messages(
    app: State,
    caller: Allowed<scope::ReferralsWrite>,
    id: Path<Id<kind::Referral>>,
    command: Command<AcknowledgeInput>,
) -> Result<HttpResponse> {
    let id = *id;
    command
        .run(&app, &caller, move |conn, caller, input| {
            let referral = side_of(conn, caller, id)?;
            if !repository::is_message_of(conn, input.up_to, id)? {
                return Err(Error::invalid("/up_to", "not_found", "is not a message of this referral"));
            }
            let read = repository::acknowledge(conn, id, caller.organization_id, input.up_to, caller.at)?;
            let acknowledged = i64::try_from(read.len()).unwrap_or(i64::MAX);
            for row in read {
                record_message(conn, caller, &referral, row, Action::Updated)?;
            }
            Reply::ok(&Acknowledged { acknowledged })
        })
        .await
}
