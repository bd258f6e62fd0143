//! HTTP of sources.

use actix_web::http::header::{ContentType, ETAG};
use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, put};
use serde_json::Value;

use super::api::{Source, SourceQuery};
use super::credentials::{CredentialError, Credentials};
use super::model::{SourceInput, SourceRow, SourceRunKind, SourceStatus};
use super::{own, repository};
use crate::app::{App, State};
use crate::auth::{Allowed, Principal, scope};
use crate::db::DbConn;
use crate::db::types::{Id, Json};
use crate::error::{Error, Result};
use crate::http::body::{MergePatch, Valid};
use crate::http::command::Command;
use crate::http::etag::{IfMatch, IfNoneMatch, tag_of};
use crate::http::page::{self, Page};
use crate::http::query::Query;
use crate::http::resource::{self, Head, HistoryQuery, Resource, Revision};
use crate::kind::{self, OrganizationId, SourceId};
use crate::outbound::address;

/// An organization has at most so many sources.
const MOST: i64 = 100;

/// Sources, for the common verbs.
#[derive(Debug)]
pub struct Sources;

impl Resource for Sources {
    type Kind = kind::Source;
    type Input = SourceInput;
    type Row = SourceRow;
    type Shape = Source;

    const PATH: &'static str = "/v1/sources";

    fn head(row: &SourceRow) -> Head<kind::Source> {
        Head {
            id: row.id,
            owner: row.organization_id,
            version: row.version,
            is_deleted: row.deleted_at.is_some(),
            patient_id: None,
            referral_id: None,
        }
    }

    fn input(row: &SourceRow) -> SourceInput {
        SourceInput { status: row.status, ..row.content.0.clone() }
    }

    fn shape(row: SourceRow) -> Source {
        row.into()
    }

    fn view(conn: &mut DbConn, caller: &Principal, shape: Source) -> Result<Source> {
        match repository::find(conn, caller.organization_id, shape.id)? {
            Some(row) => standing(conn, row),
            None => Ok(shape),
        }
    }

    fn find(conn: &mut DbConn, caller: &Principal, id: SourceId) -> Result<Option<SourceRow>> {
        repository::find(conn, caller.organization_id, id)
    }

    fn prepare(conn: &mut DbConn, caller: &Principal, current: Option<&SourceRow>, input: &mut SourceInput) -> Result<()> {
        match current {
            Some(row) if row.name != input.name => {
                Err(Error::invalid("/name", "not_allowed", "never changes: records that were imported are known by it"))
            }
            Some(_) => Ok(()),
            None if repository::find_named(conn, caller.organization_id, &input.name)?.is_some() => {
                Err(Error::conflict("source_exists", "The organization has a source of this name."))
            }
            None if repository::count(conn, caller.organization_id)? >= MOST => {
                Err(Error::conflict("too_many_sources", format!("An organization has at most {MOST} sources.")))
            }
            None => Ok(()),
        }
    }

    fn insert(conn: &mut DbConn, caller: &Principal, id: SourceId, input: SourceInput) -> Result<SourceRow> {
        let row = SourceRow {
            id,
            organization_id: caller.organization_id,
            client_id: caller.client_id,
            name: input.name.clone(),
            status: input.status,
            version: 1,
            created_at: caller.at,
            updated_at: caller.at,
            deleted_at: None,
            pulled_to: None,
            next_pull_at: caller.at,
            next_sweep_at: caller.at.plus(input.rest(SourceRunKind::Sweep, 0)),
            wake_at: None,
            failures: 0,
            leased_by: None,
            leased_until: None,
            content: Json(input),
        };
        let row = SourceRow { wake_at: row.wakes_at(), ..row };
        repository::insert(conn, &row)?;
        Ok(row)
    }

    fn update(conn: &mut DbConn, caller: &Principal, row: &SourceRow, input: SourceInput) -> Result<Option<SourceRow>> {
        let Some(row) = &held(conn, row)? else { return Ok(None) };
        // Another address may be another directory: nothing is known of what has been pulled from there.
        let is_elsewhere = input.url != row.content.url;
        let next = SourceRow {
            client_id: caller.client_id,
            status: input.status,
            version: row.version + 1,
            updated_at: caller.at,
            pulled_to: row.pulled_to.filter(|_| !is_elsewhere),
            next_pull_at: row.next_pull_at.min(caller.at.plus(input.rest(SourceRunKind::Pull, 0))),
            next_sweep_at: row.next_sweep_at.min(caller.at.plus(input.rest(SourceRunKind::Sweep, 0))),
            failures: 0,
            content: Json(input),
            ..row.clone()
        };
        if is_elsewhere || next.status == SourceStatus::Paused {
            repository::end_run(conn, &next, "the source was paused, or its address changed", caller.at)?;
        }
        let unfinished = repository::unfinished(conn, row.id)?;
        let next = SourceRow { wake_at: unfinished.map_or_else(|| next.wakes_at(), |_| row.wake_at), ..next };
        Ok(repository::replace(conn, &next)?.then_some(next))
    }

    fn delete(conn: &mut DbConn, caller: &Principal, row: &SourceRow) -> Result<Option<SourceRow>> {
        let Some(row) = held(conn, row)? else { return Ok(None) };
        let row = SourceRow { version: row.version + 1, updated_at: caller.at, deleted_at: Some(caller.at), wake_at: None, ..row };
        repository::end_run(conn, &row, "the source was deleted", caller.at)?;
        Ok(repository::replace(conn, &row)?.then_some(row))
    }
}

/// A source as it stands, with its last run and the next one.
fn standing(conn: &mut DbConn, row: SourceRow) -> Result<Source> {
    let last_run = repository::last_run(conn, row.id)?;
    Ok(Source::standing(row, last_run))
}

/// The row as its workers have left it, held until the transaction ends: none begins or ends a run meanwhile. `None` where it has another
/// version.
fn held(conn: &mut DbConn, row: &SourceRow) -> Result<Option<SourceRow>> {
    Ok(repository::lock(conn, row.id)?.filter(|held| held.version == row.version))
}

/// Fails where nothing may be pulled from the URL: this server would take what it has for new.
fn check_url(app: &App, url: &str) -> Result<()> {
    match address::parse(url, app.outbound.exceptions()) {
        Ok(url) if own::is_address(app.config.base_url.as_deref(), &url) => {
            Err(Error::invalid("/url", "own_address", "is of this server itself, whose directory would be doubled"))
        }
        Ok(_) => Ok(()),
        Err((code, message)) => Err(Error::invalid("/url", code, message)),
    }
}

/// Fails where the operator has set no credential of the name that a source is to be read with, or not for this organization or this
/// address: which of these it is, is nobody's business but the operator's. What the source named before is not looked at again, and a file
/// that cannot be read is no fault of the caller; its runs tell of both.
fn check_credential(app: &App, owner: OrganizationId, name: Option<&str>, url: &str, before: Option<&SourceInput>) -> Result<()> {
    let Some(name) = name.filter(|name| before.is_none_or(|was| (was.credential.as_deref(), was.url.as_str()) != (Some(*name), url)))
    else {
        return Ok(());
    };
    let Ok(url) = address::parse(url, app.outbound.exceptions()) else { return check_url(app, url) };
    match Credentials::new(app.config.source_credentials.clone()).find(name, owner, &url) {
        Ok(_) | Err(CredentialError::Unreadable(_)) => Ok(()),
        Err(CredentialError::NoFile | CredentialError::Unknown) => {
            let message = "is no credential that the operator of this server has set for this organization and this address";
            Err(Error::invalid("/credential", "not_found", message))
        }
    }
}

/// A source of the caller's organization as it is written, if it is there.
async fn written(app: &App, caller: &Principal, id: SourceId) -> Result<Option<SourceInput>> {
    let owner = caller.organization_id;
    let row = app.db.read_briefly(move |conn| repository::find(conn, owner, id)).await?;
    Ok(row.map(|row| row.content.0))
}

/// List sources
///
/// Of the caller's organization, in order of creation.
#[utoipa::path(tag = "sources", params(SourceQuery), responses((status = 200, description = "A page of sources.", body = Page<Source>)), security(("oauth2" = ["services:read"])))]
#[get("/v1/sources")]
pub async fn list_sources(
    app: State,
    caller: Allowed<scope::ServicesRead>,
    query: Query<SourceQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let query = query.0;
    let fingerprint = page::fingerprint(&SourceQuery { cursor: None, limit: page::Limit::default(), ..query.clone() });
    let after: Option<SourceId> = query.cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?;
    let page = app
        .db
        .read(move |conn| {
            let rows = repository::list(conn, caller.organization_id, &query, after)?;
            let Page { items, next } = Page::from_rows(rows, query.limit, fingerprint, |row: &SourceRow| row.id)?;
            let items = items.into_iter().map(|row| standing(conn, row)).collect::<Result<Vec<Source>>>()?;
            Ok(Page { items, next })
        })
        .await?;
    Ok(page.respond(&request))
}

/// Create a source
///
/// A partner's directory, which is read from now on: everything at once, then what has changed, and at longer intervals every id, for what
/// has vanished, and the organizations that give no service, where it lists them: those that are not known are added. Its services become
/// services of the caller's organization, as with an import under the same name; each change is written in the name of the client that last
/// wrote the source, which must keep `services:write`. Two processes never read it at once, and of an organization's sources one is read at
/// a time. A partner that cannot be read is asked again, six times in all, for nearly three hours unless the server was told otherwise; then
/// the run is given up, and the next one is due later than usual. It is given up at once where the partner sends a page again
/// (`page_repeated`). A record whose id is that of a service of this server came from here: it is `unchanged`, with the notice `own_record`,
/// and what was once made of one by an import becomes inactive as if it were listed no more. A credential must be one that the operator has
/// set for this organization and this address. An organization has at most 100 sources.
#[utoipa::path(tag = "sources", request_body = SourceInput, responses((status = 201, description = "The new source.", body = Source), (status = 409, description = "The organization has a source of this name: `source_exists`, or `duplicate` where it is made in this moment; or as many sources as it may have: `too_many_sources`.")), security(("oauth2" = ["services:write"])))]
#[post("/v1/sources")]
pub async fn create_source(app: State, caller: Allowed<scope::ServicesWrite>, command: Command<SourceInput>) -> Result<HttpResponse> {
    let input = &command.input;
    check_url(&app, &input.url)?;
    // What was set then may be set no more.
    if let Some(answer) = command.answered(&app, &caller).await? {
        return Ok(answer);
    }
    check_credential(&app, caller.organization_id, input.credential.as_deref(), &input.url, None)?;
    resource::create::<Sources>(&app, &caller, command).await
}

/// Read a source
///
/// With its last run and when the next is due; `GET /v1/sources/{id}/runs` says how the others went. Runs begin and end without a new
/// version: the `ETag` names the version and what is shown besides, so that 304 says that all of it is the same. `If-Match` takes it as it
/// takes the version.
#[utoipa::path(tag = "sources", params(("id" = SourceId, Path, description = "The source's id.")), responses((status = 200, description = "The source.", body = Source)), security(("oauth2" = ["services:read"])))]
#[get("/v1/sources/{id}")]
pub async fn get_source(
    app: State,
    caller: Allowed<scope::ServicesRead>,
    id: Path<Id<kind::Source>>,
    known: IfNoneMatch,
) -> Result<HttpResponse> {
    let (id, caller) = (*id, caller.into_principal());
    let read = move |conn: &mut DbConn| {
        let row = resource::get_row::<Sources>(conn, &caller, id)?;
        standing(conn, row)
    };
    let source = app.db.read_briefly(read).await?;
    let text = serde_json::to_string(&source).map_err(Error::internal)?;
    let tag = tag_of(source.version, text.as_bytes());
    if known.has_tag(&tag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, tag)).finish());
    }
    Ok(HttpResponse::Ok().insert_header((ETAG, tag)).insert_header(ContentType::json()).body(text))
}

/// Replace a source
///
/// All that is not sent is cleared, and an absent status makes it active. Another URL is read anew from its beginning; the name never
/// changes.
#[utoipa::path(tag = "sources", params(("id" = SourceId, Path, description = "The source's id.")), request_body = SourceInput, responses((status = 200, description = "The source as it now is.", body = Source)), security(("oauth2" = ["services:write"])))]
#[put("/v1/sources/{id}")]
pub async fn update_source(
    app: State,
    caller: Allowed<scope::ServicesWrite>,
    id: Path<Id<kind::Source>>,
    version: IfMatch,
    input: Valid<SourceInput>,
) -> Result<HttpResponse> {
    let input = input.0;
    check_url(&app, &input.url)?;
    let before = written(&app, &caller, *id).await?;
    check_credential(&app, caller.organization_id, input.credential.as_deref(), &input.url, before.as_ref())?;
    resource::put::<Sources>(&app, &caller, *id, version, input).await
}

/// Change a source
///
/// What is sent changes, the rest stays. `{ "status": "paused" }` stops reading it, a run under way included; what was read stays.
#[utoipa::path(tag = "sources", params(("id" = SourceId, Path, description = "The source's id.")), responses((status = 200, description = "The source as it now is.", body = Source)), security(("oauth2" = ["services:write"])))]
#[patch("/v1/sources/{id}")]
pub async fn patch_source(
    app: State,
    caller: Allowed<scope::ServicesWrite>,
    id: Path<Id<kind::Source>>,
    version: IfMatch,
    patch: MergePatch,
) -> Result<HttpResponse> {
    let [url, credential] = ["url", "credential"].map(|name| patch.0.get(name));
    let url = url.and_then(Value::as_str);
    url.map_or(Ok(()), |url| check_url(&app, url))?;
    if let Some(before) = written(&app, &caller, *id).await? {
        let name = credential.map_or(before.credential.as_deref(), Value::as_str);
        check_credential(&app, caller.organization_id, name, url.unwrap_or(&before.url), Some(&before))?;
    }
    resource::patch::<Sources>(&app, &caller, *id, version, patch).await
}

/// Delete a source
///
/// It is read no more. Its services stay as they are.
#[utoipa::path(tag = "sources", params(("id" = SourceId, Path, description = "The source's id.")), responses((status = 204, description = "It is deleted.")), security(("oauth2" = ["services:write"])))]
#[delete("/v1/sources/{id}")]
pub async fn delete_source(
    app: State,
    caller: Allowed<scope::ServicesWrite>,
    id: Path<Id<kind::Source>>,
    version: IfMatch,
) -> Result<HttpResponse> {
    resource::delete::<Sources>(&app, &caller, *id, version).await
}

/// Read the history of a source
///
/// Every version, oldest first.
#[utoipa::path(tag = "sources", params(("id" = SourceId, Path, description = "The source's id."), HistoryQuery), responses((status = 200, description = "A page of versions.", body = Page<Revision>)), security(("oauth2" = ["services:read"])))]
#[get("/v1/sources/{id}/history")]
pub async fn list_source_history(
    app: State,
    caller: Allowed<scope::ServicesRead>,
    id: Path<Id<kind::Source>>,
    query: Query<HistoryQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    Ok(resource::history::<Sources>(&app, &caller, *id, query.0).await?.respond(&request))
}
