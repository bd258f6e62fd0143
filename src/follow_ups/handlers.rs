//! HTTP of follow-ups: the common verbs and the worklist.

use std::sync::Arc;

use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, put};
use chrono::NaiveDate;

use super::api::{FollowUp, FollowUpQuery};
use super::conclude::closed;
use super::model::{FollowUpHead, FollowUpInput, FollowUpRow, FollowUpStatus};
use super::{plan, repository, shown};
use crate::app::State;
use crate::auth::{Allowed, Principal, scope, sight};
use crate::consents::model::DataCategory;
use crate::db::DbConn;
use crate::db::types::{Id, Json};
use crate::error::{Error, Fault, Result};
use crate::http::body::{MergePatch, Valid};
use crate::http::command::Command;
use crate::http::etag::{IfMatch, IfNoneMatch, OptionalIfMatch};
use crate::http::page::{self, Page};
use crate::http::query::Query;
use crate::http::resource::{self, ByIdentifier, Head, HistoryQuery, Resource, Revision};
use crate::kind::{self, FollowUpId, ReferralId};
use crate::referrals::workflow;
use crate::types::Identifier;
use crate::{practitioners, referrals};

/// Follow-ups, for the common verbs.
#[derive(Debug)]
pub struct FollowUps;

impl Resource for FollowUps {
    type Kind = kind::FollowUp;
    type Input = FollowUpInput;
    type Row = FollowUpRow;
    type Shape = FollowUp;

    const PATH: &'static str = "/v1/follow-ups";

    fn head(row: &FollowUpRow) -> Head<kind::FollowUp> {
        Head {
            id: row.id,
            owner: row.organization_id,
            version: row.version,
            is_deleted: row.deleted_at.is_some(),
            patient_id: Some(row.patient_id),
            referral_id: row.referral_id,
        }
    }

    fn input(row: &FollowUpRow) -> FollowUpInput {
        row.input()
    }

    fn shape(row: FollowUpRow) -> FollowUp {
        row.into()
    }

    fn view(conn: &mut DbConn, caller: &Principal, shape: FollowUp) -> Result<FollowUp> {
        sight::one(conn, caller, shape, shown::shown)
    }

    fn is_settled(caller: &Principal, row: &FollowUpRow) -> bool {
        row.organization_id == caller.organization_id
    }

    fn identifiers(input: &FollowUpInput) -> &[Identifier] {
        &input.identifiers
    }

    fn find(conn: &mut DbConn, caller: &Principal, id: FollowUpId) -> Result<Option<FollowUpRow>> {
        repository::find(conn, caller, id)
    }

    fn prepare(conn: &mut DbConn, caller: &Principal, current: Option<&FollowUpRow>, input: &mut FollowUpInput) -> Result<()> {
        let Some(row) = current else { return check_new(conn, caller, input, true) };
        if row.status != FollowUpStatus::Open {
            return Err(closed());
        }
        let mut faults = Vec::new();
        if input.patient_id != row.patient_id {
            faults.push(Fault::new("/patient_id", "immutable", "cannot be changed"));
        }
        if input.referral_id != row.referral_id {
            faults.push(Fault::new("/referral_id", "immutable", "cannot be changed"));
        }
        check_practitioner(conn, caller, input, faults)
    }

    fn insert(conn: &mut DbConn, caller: &Principal, id: FollowUpId, input: FollowUpInput) -> Result<FollowUpRow> {
        let row = plan::own_row(conn, caller, id, input)?;
        repository::insert(conn, &row)?;
        Ok(row)
    }

    fn update(conn: &mut DbConn, caller: &Principal, row: &FollowUpRow, input: FollowUpInput) -> Result<Option<FollowUpRow>> {
        let row = FollowUpRow {
            practitioner_id: input.practitioner_id,
            purpose: input.purpose,
            due_on: input.due_on,
            content: Json(input),
            version: row.version + 1,
            updated_at: caller.at,
            ..row.clone()
        };
        Ok(repository::update(conn, &row)?.then_some(row))
    }

    fn delete(conn: &mut DbConn, caller: &Principal, row: &FollowUpRow) -> Result<Option<FollowUpRow>> {
        // An attempt that is being recorded raises no version.
        repository::lock(conn, row.id)?;
        if row.status != FollowUpStatus::Open || !repository::attempts_of(conn, &[row.id])?.is_empty() {
            let detail = "Something has been done about the follow-up, so that it cannot be deleted; an open one can be cancelled.";
            return Err(Error::conflict("follow_up_in_use", detail));
        }
        let row = FollowUpRow { version: row.version + 1, updated_at: caller.at, deleted_at: Some(caller.at), ..row.clone() };
        Ok(repository::update(conn, &row)?.then_some(row))
    }
}

/// Fails with everything that is wrong with what a new one names. Only an open one asks for an open referral.
pub(super) fn check_new(conn: &mut DbConn, caller: &Principal, input: &FollowUpInput, is_open: bool) -> Result<()> {
    let faults = faults_of_new(conn, caller, input, is_open)?;
    check_practitioner(conn, caller, input, faults)
}

/// Why the caller may not plan a follow-up of this patient, or in this referral.
pub(super) fn faults_of_new(conn: &mut DbConn, caller: &Principal, input: &FollowUpInput, is_open: bool) -> Result<Vec<Fault>> {
    let mut faults = Vec::new();
    match input.referral_id {
        Some(id) => check_referral(conn, caller, id, input, is_open, &mut faults)?,
        None => {
            let sight = sight::referenced(conn, caller, input.patient_id, "/patient_id")?;
            if !sight.categories.contains(DataCategory::FollowUps) {
                faults.push(Fault::new("/patient_id", "not_permitted", "does not let this organization take part in follow-ups"));
            }
        }
    }
    Ok(faults)
}

fn check_practitioner(conn: &mut DbConn, caller: &Principal, input: &FollowUpInput, mut faults: Vec<Fault>) -> Result<()> {
    if let Some(id) = input.practitioner_id {
        practitioners::repository::check_own(conn, caller.organization_id, id, "/practitioner_id", &mut faults)?;
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::Invalid(faults)) }
}

/// The referral must have been sent, be open where the follow-up is, and of this patient, and the caller one of its sides.
fn check_referral(
    conn: &mut DbConn,
    caller: &Principal,
    id: ReferralId,
    input: &FollowUpInput,
    is_open: bool,
    faults: &mut Vec<Fault>,
) -> Result<()> {
    // Otherwise the referral could be closed, and its follow-ups with it, while this one is added.
    referrals::repository::lock(conn, id)?;
    let referral = referrals::repository::find(conn, caller, id)?.filter(|row| row.deleted_at.is_none());
    let Some(referral) = referral else {
        faults.push(Fault::new("/referral_id", "not_found", "is not a referral that this client sees"));
        return Ok(());
    };
    if referral.patient_id != input.patient_id {
        faults.push(Fault::new("/patient_id", "not_allowed", "is not the referral's patient"));
    }
    if referral.requested_at.is_none() || (is_open && !referral.status.is_open()) {
        faults.push(Fault::new("/referral_id", "referral_closed", "is a draft or closed"));
    }
    if workflow::parties(conn, caller.organization_id, &referral)?.is_empty() {
        faults.push(Fault::new("/referral_id", "not_permitted", "is followed up by its requester and its performer"));
    }
    // Whoever sees the person without the referral may ask how they are, whatever became of the consent to the performer.
    let plans = is_open && faults.is_empty();
    if plans && sight::of(conn, caller, referral.manager_id, referral.patient_id)?.is_none() {
        workflow::ensure_performer_sees(conn, &referral, caller.at)?;
    }
    Ok(())
}

/// List follow-ups
///
/// In order of the day they are due: the worklist of a practitioner or a program, or all of a referral or a patient, as far as the
/// caller sees them.
#[utoipa::path(tag = "follow_ups", params(FollowUpQuery), responses((status = 200, description = "A page of follow-ups.", body = Page<FollowUp>)), security(("oauth2" = ["follow_ups:read"])))]
#[get("/v1/follow-ups")]
pub async fn list_follow_ups(
    app: State,
    caller: Allowed<scope::FollowUpsRead>,
    query: Query<FollowUpQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let query = query.0;
    let fingerprint = page::fingerprint(&FollowUpQuery { cursor: None, limit: page::Limit::default(), ..query.clone() });
    let after: Option<(NaiveDate, FollowUpId)> =
        query.cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?;
    let kept = Arc::clone(&app.kept);
    let page = app
        .db
        .read_briefly(move |conn| {
            let heads = repository::list(conn, &caller, &query, after)?;
            let page = Page::from_rows(heads, query.limit, fingerprint, |head: &FollowUpHead| (head.due_on, head.id))?;
            let items = shown::items(&caller, &page.items);
            let read = |ids: &[FollowUpId]| {
                let rows = repository::find_all(conn, ids)?;
                shown::shown(conn, &caller, rows.into_iter().map(FollowUp::from).collect())
            };
            Ok(Page { items: kept.page(&items, |follow_up: &FollowUp| follow_up.id, read)?, next: page.next })
        })
        .await?;
    Ok(page.respond_written(&request))
}

/// Create a follow-up
///
/// By hand, beside those that Kith plans. It is the duty of the caller's organization, which must see the patient by itself, or plan it in
/// a referral whose performer sees the patient.
#[utoipa::path(tag = "follow_ups", request_body = FollowUpInput, responses((status = 201, description = "The new follow-up.", body = FollowUp), (status = 409, description = "The performer of the referral does not see the patient any more, nor does the caller: `consent_ended`.")), security(("oauth2" = ["follow_ups:write"])))]
#[post("/v1/follow-ups")]
pub async fn create_follow_up(app: State, caller: Allowed<scope::FollowUpsWrite>, command: Command<FollowUpInput>) -> Result<HttpResponse> {
    resource::create::<FollowUps>(&app, &caller, command).await
}

/// Create or replace a follow-up by identifier
///
/// Among those of the caller's organization.
#[utoipa::path(tag = "follow_ups", params(ByIdentifier), request_body = FollowUpInput, responses((status = 200, description = "The follow-up, replaced.", body = FollowUp), (status = 201, description = "The new follow-up.", body = FollowUp), (status = 409, description = "It is not open: `follow_up_closed`; or there is none yet, and neither the performer of the referral nor the caller sees the patient any more: `consent_ended`.")), security(("oauth2" = ["follow_ups:write"])))]
#[put("/v1/follow-ups/by-identifier")]
pub async fn upsert_follow_up(
    app: State,
    caller: Allowed<scope::FollowUpsWrite>,
    key: Query<ByIdentifier>,
    version: OptionalIfMatch,
    input: Valid<FollowUpInput>,
) -> Result<HttpResponse> {
    resource::put_by_identifier::<FollowUps>(&app, &caller, &key.0, version, input.0).await
}

/// Read a follow-up
///
/// Whoever sees its patient's follow-ups, or the referral that it belongs to, may read it. The needs that it names are shown to its own
/// organization, and to those who see them among the patient's needs. To another organization that the patient does not let in, or not any
/// more, it is as if nothing had been noted of the person: `note` and the words of a cancellation are null, and `result` says nothing.
#[utoipa::path(tag = "follow_ups", params(("id" = FollowUpId, Path, description = "The follow-up's id.")), responses((status = 200, description = "The follow-up.", body = FollowUp)), security(("oauth2" = ["follow_ups:read"])))]
#[get("/v1/follow-ups/{id}")]
pub async fn get_follow_up(
    app: State,
    caller: Allowed<scope::FollowUpsRead>,
    id: Path<Id<kind::FollowUp>>,
    known: IfNoneMatch,
) -> Result<HttpResponse> {
    resource::get::<FollowUps>(&app, &caller, *id, &known).await
}

/// Replace a follow-up
///
/// While it is open: another day, another practitioner, another purpose.
#[utoipa::path(tag = "follow_ups", params(("id" = FollowUpId, Path, description = "The follow-up's id.")), request_body = FollowUpInput, responses((status = 200, description = "The follow-up as it now is.", body = FollowUp), (status = 409, description = "It is not open: `follow_up_closed`.")), security(("oauth2" = ["follow_ups:write"])))]
#[put("/v1/follow-ups/{id}")]
pub async fn update_follow_up(
    app: State,
    caller: Allowed<scope::FollowUpsWrite>,
    id: Path<Id<kind::FollowUp>>,
    version: IfMatch,
    input: Valid<FollowUpInput>,
) -> Result<HttpResponse> {
    resource::put::<FollowUps>(&app, &caller, *id, version, input.0).await
}

/// Change a follow-up
///
/// While it is open.
#[utoipa::path(tag = "follow_ups", params(("id" = FollowUpId, Path, description = "The follow-up's id.")), responses((status = 200, description = "The follow-up as it now is.", body = FollowUp), (status = 409, description = "It is not open: `follow_up_closed`.")), security(("oauth2" = ["follow_ups:write"])))]
#[patch("/v1/follow-ups/{id}")]
pub async fn patch_follow_up(
    app: State,
    caller: Allowed<scope::FollowUpsWrite>,
    id: Path<Id<kind::FollowUp>>,
    version: IfMatch,
    patch: MergePatch,
) -> Result<HttpResponse> {
    resource::patch::<FollowUps>(&app, &caller, *id, version, patch).await
}

/// Delete a follow-up
///
/// One that was made by mistake: open, and without attempts. Others are cancelled.
#[utoipa::path(tag = "follow_ups", params(("id" = FollowUpId, Path, description = "The follow-up's id.")), responses((status = 204, description = "It is deleted."), (status = 409, description = "Something has been done about it: `follow_up_in_use`.")), security(("oauth2" = ["follow_ups:write"])))]
#[delete("/v1/follow-ups/{id}")]
pub async fn delete_follow_up(
    app: State,
    caller: Allowed<scope::FollowUpsWrite>,
    id: Path<Id<kind::FollowUp>>,
    version: IfMatch,
) -> Result<HttpResponse> {
    resource::delete::<FollowUps>(&app, &caller, *id, version).await
}

/// Read the history of a follow-up
///
/// Every version, oldest first.
#[utoipa::path(tag = "follow_ups", params(("id" = FollowUpId, Path, description = "The follow-up's id."), HistoryQuery), responses((status = 200, description = "A page of versions.", body = Page<Revision>)), security(("oauth2" = ["follow_ups:read"])))]
#[get("/v1/follow-ups/{id}/history")]
pub async fn list_follow_up_history(
    app: State,
    caller: Allowed<scope::FollowUpsRead>,
    id: Path<Id<kind::FollowUp>>,
    query: Query<HistoryQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    Ok(resource::history::<FollowUps>(&app, &caller, *id, query.0).await?.respond(&request))
}
