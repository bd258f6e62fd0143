//! HTTP of suggestions.

use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, get, post};
use serde::Deserialize;
use serde_json::Value;

use super::api::{ServiceSuggestion, SuggestionDecision, SuggestionOfServiceQuery, SuggestionQuery};
use super::model::{ServiceSuggestionInput, SuggestionRow, SuggestionStatus, overtaken};
use super::repository;
use crate::app::State;
use crate::auth::{Allowed, Principal, scope};
use crate::changes::{self, Action, Change};
use crate::db::DbConn;
use crate::db::types::{Id, Json};
use crate::error::{Error, Fault, Result};
use crate::http::body::MergePatch;
use crate::http::command::{Command, Reply};
use crate::http::etag::{IfNoneMatch, OptionalIfMatch, tag};
use crate::http::page::{self, Page};
use crate::http::query::Query;
use crate::http::resource::{self, Resource as _};
use crate::kind::{self, ResourceType, ServiceId, ServiceSuggestionId};
use crate::services::Services;
use crate::services::model::ServiceInput;
use crate::services::row::ServiceRow;
use crate::services::rules;

/// The service's content with the suggestion in it.
///
/// # Errors
/// What would be wrong with the service, at pointers into the suggestion.
fn changed(row: &ServiceRow, input: &ServiceSuggestionInput) -> Result<ServiceInput> {
    let patch = MergePatch(Value::Object(input.patch.clone()));
    let merged = resource::merged::<ServiceInput>(&row.content.0, &patch).and_then(|merged| {
        rules::ensure_few_values(Some(&row.content.0), &merged)?;
        Ok(merged)
    });
    merged.map_err(|error| error.at_pointers(|fault| format!("/patch{fault}")))
}

/// Fails where the suggestion would change nothing, or nothing that is valid, or what was changed since its base version.
fn check(conn: &mut DbConn, row: &ServiceRow, input: &ServiceSuggestionInput) -> Result<()> {
    check_base(conn, row, row.id, input)?;
    if changed(row, input)? == row.content.0 {
        return Err(Error::conflict("suggestion_unneeded", "The service says already what is suggested."));
    }
    Ok(())
}

/// Fails where the service says something else of what the suggestion changes than the base version of the record that it was made for.
fn check_base(conn: &mut DbConn, row: &ServiceRow, made_for: ServiceId, input: &ServiceSuggestionInput) -> Result<()> {
    if (made_for, input.base_version) == (row.id, row.version) {
        return Ok(());
    }
    let unknown = || Error::invalid("/base_version", "not_found", "is no version of the service");
    let base = changes::history(conn, ResourceType::Service, made_for.uuid(), input.base_version - 1, 1)?;
    let base = base.into_iter().find(|entry| entry.version == input.base_version).ok_or_else(unknown)?;
    let base: Value = serde_json::from_str(changes::whole(conn, base)?.body.get()).map_err(Error::internal)?;
    let current = serde_json::to_value(&row.content.0).map_err(Error::internal)?;
    let pointers = overtaken(&base, &current, &input.patch);
    if pointers.is_empty() {
        return Ok(());
    }
    let whose = if made_for == row.id { "" } else { " of the record that was merged" };
    let detail = format!("Changed since version {}{whose}: {}.", input.base_version, pointers.join(", "));
    let fault = |pointer| Fault::new(format!("/patch{pointer}"), "outdated", "has been changed since the base version");
    Err(Error::Conflict { code: "suggestion_outdated", detail, faults: pointers.iter().map(fault).collect() })
}

/// The record that a suggestion was made for, whose version its base is: a merge may have moved it to another one since.
fn made_for(conn: &mut DbConn, row: &SuggestionRow) -> Result<ServiceId> {
    /// What the journal says of it.
    #[derive(Deserialize)]
    struct Made {
        service_id: ServiceId,
    }
    let entries = changes::history(conn, ResourceType::ServiceSuggestion, row.id.uuid(), 0, 1)?;
    let Some(first) = entries.into_iter().next() else { return Ok(row.service_id) };
    let made: Made = serde_json::from_str(changes::whole(conn, first)?.body.get()).map_err(Error::internal)?;
    Ok(made.service_id)
}

fn record(conn: &mut DbConn, caller: &Principal, action: Action, shape: &ServiceSuggestion) -> Result<()> {
    let change = Change::of(shape.id, shape.version, action, shape).owned_by(shape.organization_id);
    changes::record(conn, &caller.actor(), change)
}

/// What was suggested for a record that was merged is suggested for the one that stands for it.
pub fn move_to(conn: &mut DbConn, caller: &Principal, ids: &[ServiceSuggestionId], to: ServiceId) -> Result<()> {
    for ids in ids.chunks(1_000) {
        for row in repository::move_to(conn, ids, to, caller.at)? {
            record(conn, caller, Action::Updated, &ServiceSuggestion::from(row))?;
        }
    }
    Ok(())
}

/// List suggestions of a service
///
/// In order of creation: all of them for the organization that keeps the record, for others their own.
#[utoipa::path(tag = "services", params(("id" = ServiceId, Path, description = "The service's id."), SuggestionOfServiceQuery), responses((status = 200, description = "A page of suggestions.", body = Page<ServiceSuggestion>)), security(("oauth2" = ["services:read"])))]
#[get("/v1/services/{id}/suggestions")]
pub async fn list_suggestions_of_service(
    app: State,
    caller: Allowed<scope::ServicesRead>,
    id: Path<Id<kind::Service>>,
    query: Query<SuggestionOfServiceQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let (id, query) = (*id, query.0);
    let fingerprint = page::fingerprint(&("suggestions", id));
    let after: Option<ServiceSuggestionId> = query.cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?;
    let page = app
        .db
        .read(move |conn| {
            Services::find(conn, &caller, id)?.ok_or(Error::NotFound)?;
            let rows = repository::list_of_service(conn, caller.organization_id, id, after, query.limit.and_one())?;
            Page::from_rows(rows, query.limit, fingerprint, |row: &SuggestionRow| row.id)
        })
        .await?;
    Ok(page.map(ServiceSuggestion::from).respond(&request))
}

/// Suggest a change of a service
///
/// To the organization that keeps the record, by anyone who reads the directory. What would come of it must be valid now, and must not
/// undo what was changed since the base version. The record stays as it is until its keeper accepts.
#[utoipa::path(tag = "services", params(("id" = ServiceId, Path, description = "The service's id.")), request_body = ServiceSuggestionInput, responses((status = 201, description = "The suggestion.", body = ServiceSuggestion), (status = 409, description = "The service says so already: `suggestion_unneeded`; or what the suggestion changes was changed since its base version: `suggestion_outdated`.")), security(("oauth2" = ["services:read"])))]
#[post("/v1/services/{id}/suggestions")]
pub async fn create_service_suggestion(
    app: State,
    caller: Allowed<scope::ServicesRead>,
    id: Path<Id<kind::Service>>,
    command: Command<ServiceSuggestionInput>,
) -> Result<HttpResponse> {
    if let Some(known) = command.answered(&app, &caller).await? {
        return Ok(known);
    }
    let id = *id;
    let (reader, input) = (Principal::clone(&caller), command.input.clone());
    // Before the write: on SQLite all writes wait for each other, and what is wrong with a patch may take long to tell.
    let check_now = move |conn: &mut DbConn| {
        let service = resource::get_row::<Services>(conn, &reader, id)?;
        check(conn, &service, &input)?;
        Ok(service.version)
    };
    let checked = app.db.read(check_now).await?;
    command
        .run(&app, &caller, move |conn, caller, input| {
            let service = resource::get_row::<Services>(conn, caller, id)?;
            if service.version != checked {
                check(conn, &service, input)?;
            }
            let row = SuggestionRow {
                id: Id::generate(),
                service_id: id,
                organization_id: caller.organization_id,
                client_id: caller.client_id,
                keeper_id: service.organization_id,
                status: SuggestionStatus::Pending,
                content: Json(input.clone()),
                decision_note: None,
                decided_at: None,
                applied_version: None,
                version: 1,
                created_at: caller.at,
                updated_at: caller.at,
            };
            repository::insert(conn, &row)?;
            let shape = ServiceSuggestion::from(row);
            record(conn, caller, Action::Created, &shape)?;
            Reply::created(&format!("/v1/service-suggestions/{}", shape.id), 1, &shape)
        })
        .await
}

/// List suggestions
///
/// Those about records that the caller's organization keeps, or those that it made, in order of creation.
#[utoipa::path(tag = "services", params(SuggestionQuery), responses((status = 200, description = "A page of suggestions.", body = Page<ServiceSuggestion>)), security(("oauth2" = ["services:read"])))]
#[get("/v1/service-suggestions")]
pub async fn list_service_suggestions(
    app: State,
    caller: Allowed<scope::ServicesRead>,
    query: Query<SuggestionQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let query = query.0;
    let fingerprint = page::fingerprint(&SuggestionQuery { cursor: None, limit: page::Limit::default(), ..query.clone() });
    let after: Option<ServiceSuggestionId> = query.cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?;
    let page = app
        .db
        .read(move |conn| {
            let rows = repository::list(conn, caller.organization_id, &query, after)?;
            Page::from_rows(rows, query.limit, fingerprint, |row: &SuggestionRow| row.id)
        })
        .await?;
    Ok(page.map(ServiceSuggestion::from).respond(&request))
}

/// Read a suggestion
///
/// By the organization that made it or that decides on it.
#[utoipa::path(tag = "services", params(("id" = ServiceSuggestionId, Path, description = "The suggestion's id.")), responses((status = 200, description = "The suggestion.", body = ServiceSuggestion)), security(("oauth2" = ["services:read"])))]
#[get("/v1/service-suggestions/{id}")]
pub async fn get_service_suggestion(
    app: State,
    caller: Allowed<scope::ServicesRead>,
    id: Path<Id<kind::ServiceSuggestion>>,
    known: IfNoneMatch,
) -> Result<HttpResponse> {
    let id = *id;
    let row = app.db.read(move |conn| repository::find(conn, caller.organization_id, id)).await?.ok_or(Error::NotFound)?;
    let etag = ("ETag", tag(row.version));
    if known.has(row.version) {
        return Ok(HttpResponse::NotModified().insert_header(etag).finish());
    }
    Ok(HttpResponse::Ok().insert_header(etag).json(ServiceSuggestion::from(row)))
}

/// The suggestion, which must be undecided and of the version that the caller knows.
fn open(conn: &mut DbConn, caller: &Principal, id: ServiceSuggestionId, version: &OptionalIfMatch) -> Result<SuggestionRow> {
    let row = repository::find(conn, caller.organization_id, id)?.ok_or(Error::NotFound)?;
    version.check(row.version)?;
    if row.status != SuggestionStatus::Pending {
        return Err(Error::conflict("suggestion_closed", format!("The suggestion is {}.", row.status)));
    }
    Ok(row)
}

/// Writes what became of it.
fn settle(
    conn: &mut DbConn,
    caller: &Principal,
    row: SuggestionRow,
    status: SuggestionStatus,
    decision: &SuggestionDecision,
) -> Result<Reply> {
    let row = SuggestionRow {
        status,
        decision_note: decision.note.clone(),
        decided_at: Some(caller.at),
        version: row.version + 1,
        updated_at: caller.at,
        ..row
    };
    if !repository::settle(conn, &row)? {
        return Err(Error::conflict("suggestion_closed", "The suggestion has been decided or withdrawn in this moment."));
    }
    let shape = ServiceSuggestion::from(row);
    record(conn, caller, Action::Updated, &shape)?;
    Reply::versioned(shape.version, &shape)
}

fn decides(caller: &Principal, row: &SuggestionRow) -> Result<()> {
    if row.keeper_id == caller.organization_id {
        Ok(())
    } else {
        Err(Error::Forbidden("Only the organization that keeps the record can decide on a suggestion.".into()))
    }
}

/// A suggestion that the caller may accept, and the service that it is about.
fn to_accept(
    conn: &mut DbConn,
    caller: &Principal,
    id: ServiceSuggestionId,
    version: &OptionalIfMatch,
) -> Result<(SuggestionRow, ServiceRow)> {
    let row = open(conn, caller, id, version)?;
    decides(caller, &row)?;
    let service = resource::get_row::<Services>(conn, caller, row.service_id)?;
    Ok((row, service))
}

/// What the service says with the suggestion in it, unless what that changes was changed since its base version.
fn composed(conn: &mut DbConn, service: &ServiceRow, suggestion: &SuggestionRow) -> Result<ServiceInput> {
    let record = made_for(conn, suggestion)?;
    check_base(conn, service, record, &suggestion.content)?;
    let mut input = changed(service, &suggestion.content)?;
    Services::normalise(&mut input);
    Ok(input)
}

/// Accept a suggestion
///
/// The service changes as by a PATCH, unless what the suggestion changes was changed since its base version: then it stays undecided. The
/// base of a suggestion that came to the service with a merge is what the record that it was made for then said.
#[utoipa::path(tag = "services", params(("id" = ServiceSuggestionId, Path, description = "The suggestion's id."), ("If-Match" = Option<String>, Header, description = "Fails with 412 unless the suggestion has this version.", example = "\"1\"")), request_body = SuggestionDecision, responses((status = 200, description = "The suggestion, with the version of the service that came of it.", body = ServiceSuggestion), (status = 409, description = "It was decided on or withdrawn: `suggestion_closed`; what it changes was changed since its base version: `suggestion_outdated`; another service has one of the identifiers: `duplicate`; or another organization gives the service from then on, and more than 20,000 people wait for it: `too_much_at_once`.")), security(("oauth2" = ["services:write"])))]
#[post("/v1/service-suggestions/{id}/accept")]
pub async fn accept_service_suggestion(
    app: State,
    caller: Allowed<scope::ServicesWrite>,
    id: Path<Id<kind::ServiceSuggestion>>,
    version: OptionalIfMatch,
    command: Command<SuggestionDecision>,
) -> Result<HttpResponse> {
    if let Some(known) = command.answered(&app, &caller).await? {
        return Ok(known);
    }
    let id = *id;
    let (reader, wanted) = (Principal::clone(&caller), version.clone());
    // Before the write: on SQLite all writes wait for each other, and it may take long to tell that what comes of it is not valid any more.
    let compose = move |conn: &mut DbConn| {
        let (row, service) = to_accept(conn, &reader, id, &wanted)?;
        Ok(((service.id, service.version), composed(conn, &service, &row)?))
    };
    let (checked, input) = app.db.read(compose).await?;
    command
        .run(&app, &caller, move |conn, caller, decision| {
            let (row, service) = to_accept(conn, caller, id, &version)?;
            let is_checked = (service.id, service.version) == checked;
            let input = if is_checked { input.clone() } else { composed(conn, &service, &row)? };
            // First, so that of two who decide at once the second finds it decided.
            let row = SuggestionRow { applied_version: Some(service.version + 1), ..row };
            let reply = settle(conn, caller, row, SuggestionStatus::Accepted, decision)?;
            resource::replace::<Services>(conn, caller, &service, input)?;
            Ok(reply)
        })
        .await
}

/// Refuse a suggestion
///
/// The service stays as it is; the note tells whoever suggested it why.
#[utoipa::path(tag = "services", params(("id" = ServiceSuggestionId, Path, description = "The suggestion's id."), ("If-Match" = Option<String>, Header, description = "Fails with 412 unless the suggestion has this version.", example = "\"1\"")), request_body = SuggestionDecision, responses((status = 200, description = "The suggestion.", body = ServiceSuggestion), (status = 409, description = "It was decided on or withdrawn: `suggestion_closed`.")), security(("oauth2" = ["services:write"])))]
#[post("/v1/service-suggestions/{id}/refuse")]
pub async fn refuse_service_suggestion(
    app: State,
    caller: Allowed<scope::ServicesWrite>,
    id: Path<Id<kind::ServiceSuggestion>>,
    version: OptionalIfMatch,
    command: Command<SuggestionDecision>,
) -> Result<HttpResponse> {
    let id = *id;
    command
        .run(&app, &caller, move |conn, caller, decision| {
            let row = open(conn, caller, id, &version)?;
            decides(caller, &row)?;
            settle(conn, caller, row, SuggestionStatus::Refused, decision)
        })
        .await
}

/// Withdraw a suggestion
///
/// By the organization that made it.
#[utoipa::path(tag = "services", params(("id" = ServiceSuggestionId, Path, description = "The suggestion's id."), ("If-Match" = Option<String>, Header, description = "Fails with 412 unless the suggestion has this version.", example = "\"1\"")), request_body = SuggestionDecision, responses((status = 200, description = "The suggestion.", body = ServiceSuggestion), (status = 409, description = "It was decided on or withdrawn: `suggestion_closed`.")), security(("oauth2" = ["services:read"])))]
#[post("/v1/service-suggestions/{id}/withdraw")]
pub async fn withdraw_service_suggestion(
    app: State,
    caller: Allowed<scope::ServicesRead>,
    id: Path<Id<kind::ServiceSuggestion>>,
    version: OptionalIfMatch,
    command: Command<SuggestionDecision>,
) -> Result<HttpResponse> {
    let id = *id;
    command
        .run(&app, &caller, move |conn, caller, decision| {
            let row = open(conn, caller, id, &version)?;
            if row.organization_id != caller.organization_id {
                return Err(Error::Forbidden("Only the organization that made a suggestion can withdraw it.".into()));
            }
            settle(conn, caller, row, SuggestionStatus::Withdrawn, decision)
        })
        .await
}
