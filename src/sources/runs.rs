//! HTTP of runs: how it went with a source, and asking for a run now.

use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, get, post};

use super::api::{SourceRun, SourceRunInput, SourceRunQuery, SourceRunReport};
use super::handlers::Sources;
use super::model::{RunRow, SourceRunId, SourceRunKind, SourceStatus};
use super::repository;
use crate::app::State;
use crate::auth::{Allowed, Principal, scope};
use crate::db::types::Id;
use crate::error::{Error, Result};
use crate::http::command::{Command, Reply};
use crate::http::page::{self, Page};
use crate::http::query::Query;
use crate::http::resource;
use crate::kind::{self, SourceId};

/// List runs of a source
///
/// The latest first. A run is kept for ninety days after it ended.
#[utoipa::path(tag = "sources", params(("id" = SourceId, Path, description = "The source's id."), SourceRunQuery), responses((status = 200, description = "A page of runs.", body = Page<SourceRun>)), security(("oauth2" = ["services:read"])))]
#[get("/v1/sources/{id}/runs")]
pub async fn list_source_runs(
    app: State,
    caller: Allowed<scope::ServicesRead>,
    id: Path<Id<kind::Source>>,
    query: Query<SourceRunQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let (id, caller, query) = (*id, Principal::clone(&caller), query.0);
    let fingerprint = page::fingerprint(&("runs", id));
    let before: Option<SourceRunId> = query.cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?;
    let page = app
        .db
        .read(move |conn| {
            resource::get_row::<Sources>(conn, &caller, id)?;
            let rows = repository::list_runs(conn, id, before, query.limit.and_one())?;
            Page::from_rows(rows, query.limit, fingerprint, |row: &RunRow| row.id)
        })
        .await?;
    Ok(page.map(SourceRun::from).respond(&request))
}

/// Read how a run went
///
/// What it has done so far, and what is to be said of the records that it read.
#[utoipa::path(tag = "sources", params(("id" = SourceId, Path, description = "The source's id."), ("run_id" = SourceRunId, Path, description = "The run's id.")), responses((status = 200, description = "The run.", body = SourceRunReport)), security(("oauth2" = ["services:read"])))]
#[get("/v1/sources/{id}/runs/{run_id}")]
pub async fn get_source_run(
    app: State,
    caller: Allowed<scope::ServicesRead>,
    ids: Path<(Id<kind::Source>, SourceRunId)>,
) -> Result<HttpResponse> {
    let ((id, run), caller) = (*ids, Principal::clone(&caller));
    let report = app
        .db
        .read(move |conn| {
            resource::get_row::<Sources>(conn, &caller, id)?;
            let row = repository::find_run(conn, id, run)?.ok_or(Error::NotFound)?;
            let (lines, lines_left_out) = (repository::lines(conn, run)?, row.lines_left_out);
            Ok(SourceRunReport { run: row.into(), lines, lines_left_out })
        })
        .await?;
    Ok(HttpResponse::Ok().json(report))
}

/// Read a source now
///
/// Without waiting until it is due; a pull, unless `kind` says otherwise. One run of a source is under way at a time.
#[utoipa::path(tag = "sources", params(("id" = SourceId, Path, description = "The source's id.")), request_body = SourceRunInput, responses((status = 201, description = "The run, which begins within seconds, unless another source of the organization is being read: then once that has let go.", body = SourceRun), (status = 409, description = "The source is paused: `source_paused`; or a run is under way, which `run_id` names: `run_unfinished`, or `duplicate` where it begins in this moment.")), security(("oauth2" = ["services:write"])))]
#[post("/v1/sources/{id}/runs")]
pub async fn create_source_run(
    app: State,
    caller: Allowed<scope::ServicesWrite>,
    id: Path<Id<kind::Source>>,
    command: Command<SourceRunInput>,
) -> Result<HttpResponse> {
    let id = *id;
    command
        .run(&app, &caller, move |conn, caller, input| {
            // Whoever does not see it does not hold it up.
            resource::get_row::<Sources>(conn, caller, id)?;
            // Nobody pauses, moves or deletes it until its run is there to be ended.
            let source = repository::lock(conn, id)?.ok_or(Error::NotFound)?;
            if source.deleted_at.is_some() {
                return Err(Error::Gone);
            }
            if source.status == SourceStatus::Paused {
                return Err(Error::conflict("source_paused", "The source is paused, so that nothing is read of it."));
            }
            if let Some(run) = repository::unfinished(conn, id)? {
                return Err(Error::RunUnfinished { run: run.id.uuid() });
            }
            let is_anew = input.full || input.kind == SourceRunKind::Sweep;
            let run = RunRow::new(id, input.kind, true, source.pulled_before(caller.at).filter(|_| !is_anew), caller.at);
            repository::insert_run(conn, &run)?;
            repository::wake(conn, id, caller.at)?;
            Reply::created(&format!("/v1/sources/{id}/runs/{}", run.id), 1, &SourceRun::from(run))
        })
        .await
}
