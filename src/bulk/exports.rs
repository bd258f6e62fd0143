//! HTTP of exports.

use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, get, post};
use chrono::Duration;

use super::api::{Export, ExportFile, ExportInput, JobCancellation, JobQuery};
use super::handlers::{cancel, get, page, permit_another};
use super::kinds::{BulkType, Exports};
use super::model::{Content, JobId, JobKind, JobRow, JobStatus};
use super::repository;
use crate::app::State;
use crate::auth::links::{Link, Purpose};
use crate::auth::{Allowed, Principal, Scope, sight};
use crate::db::types::Instant;
use crate::error::{Error, Result};
use crate::http::command::{Command, Reply};
use crate::http::page::Page;
use crate::http::query::Query;

/// How long a link opens the files.
const LINKED: Duration = Duration::hours(1);

/// The scope that reads what is of a kind.
pub fn scope(of: BulkType) -> Scope {
    sight::guard(of.kind().resource_type()).0
}

/// The kinds that are read, each once, in the order in which they can be imported.
fn types(caller: &Principal, input: &ExportInput) -> Result<Vec<BulkType>> {
    input.types.iter().try_for_each(|of| caller.require(scope(*of)))?;
    let is_asked = |of: &BulkType| if input.types.is_empty() { caller.has(scope(*of)) } else { input.types.contains(of) };
    Ok(BulkType::ALL.iter().copied().filter(is_asked).collect())
}

/// A job that this caller asks for now.
pub fn job(caller: &Principal, input: &ExportInput) -> Result<JobRow> {
    let content = Content { types: types(caller, input)?, since: input.since, format: input.format, ..Content::default() };
    Ok(JobRow::new(caller, JobKind::Export, JobStatus::Queued, content))
}

/// List exports
///
/// Those of the calling client, the latest first, without links to their files. One is kept for seven days after it ended, and no longer
/// than until twenty others have ended after it.
#[utoipa::path(tag = "bulk", params(JobQuery), responses((status = 200, description = "A page of exports.", body = Page<Export>)), security(("oauth2" = ["patients:read"]), ("oauth2" = ["services:read"]), ("oauth2" = ["organizations:read"]), ("oauth2" = ["screenings:read"]), ("oauth2" = ["referrals:read"]), ("oauth2" = ["follow_ups:read"]), ("oauth2" = ["appointments:read"])))]
#[get("/v1/exports")]
pub async fn list_exports(app: State, caller: Allowed<Exports>, query: Query<JobQuery>, request: HttpRequest) -> Result<HttpResponse> {
    let page = page(&app, caller.into_principal(), JobKind::Export, query.0).await?;
    Ok(page.map(Export::from).respond(&request))
}

/// Export resources
///
/// What the calling client's lists show, and of the directory what its organization keeps; into a file for each type, in order of id. Each
/// type needs the scope that reads it. A line of NDJSON has the `type`, the `id`, in `resource` what clients write, and in `read_only` the
/// rest; it can be sent to `POST /v1/imports` of another server. In CSV the columns are the fields, and a text that a spreadsheet would run
/// as a formula has an apostrophe before it: one that begins with `=`, `+`, `-`, `@`, a tab or a line break, and is neither a number nor a
/// telephone number in the form of E.164. Resources that are changed meanwhile are exported as they are when their turn comes.
///
/// `GET /v1/exports/{id}` says how far it is, and gives the links to the files once it is completed. Of a client's exports the twenty that
/// ended last are kept, for seven days. An organization has at most 20 imports and exports under way at once.
#[utoipa::path(tag = "bulk", request_body = ExportInput, responses((status = 202, description = "The export, which begins within seconds.", body = Export), (status = 409, description = "Too many imports and exports of the organization are under way: `too_many_jobs`.")), security(("oauth2" = ["patients:read"]), ("oauth2" = ["services:read"]), ("oauth2" = ["organizations:read"]), ("oauth2" = ["screenings:read"]), ("oauth2" = ["referrals:read"]), ("oauth2" = ["follow_ups:read"]), ("oauth2" = ["appointments:read"])))]
#[post("/v1/exports")]
pub async fn create_export(app: State, caller: Allowed<Exports>, command: Command<ExportInput>) -> Result<HttpResponse> {
    command
        .run(&app, &caller, |conn, caller, input| {
            permit_another(conn, caller)?;
            let job = job(caller, input)?;
            repository::insert(conn, &job)?;
            Reply::accepted(&format!("/v1/exports/{}", job.id), &Export::from(job))
        })
        .await
}

/// Read how an export stands
///
/// By the client that asked for it. Once it is completed each file of what the token's scopes read has an address under which it can be
/// downloaded for an hour, without a token, while the client may read it. A file is a copy of what was seen when it was written: that a
/// consent has ended since is told by the change feed.
///
/// A download that breaks off goes on with `Range: bytes=N-`, under a newer address too: the answer is 206 with `Content-Range`, or 416 where
/// the file has no more than N bytes. `If-Range` with the `ETag` of what has arrived makes sure that it is the same file. Of several ranges
/// the whole is sent. What is packed on its way (`Accept-Encoding`) has neither tag nor ranges: begin with `Accept-Encoding: identity`.
#[utoipa::path(tag = "bulk", params(("id" = JobId, Path, description = "The export's id.")), responses((status = 200, description = "The export.", body = Export)), security(("oauth2" = ["patients:read"]), ("oauth2" = ["services:read"]), ("oauth2" = ["organizations:read"]), ("oauth2" = ["screenings:read"]), ("oauth2" = ["referrals:read"]), ("oauth2" = ["follow_ups:read"]), ("oauth2" = ["appointments:read"])))]
#[get("/v1/exports/{id}")]
pub async fn get_export(app: State, caller: Allowed<Exports>, id: Path<JobId>) -> Result<HttpResponse> {
    let (id, now, scopes) = (*id, caller.at, caller.scopes);
    let job = app.db.read_briefly(move |conn| get(conn, &caller, JobKind::Export, id)).await?;
    let mut export = Export::from(job);
    if export.status == JobStatus::Completed {
        let until = now.plus(LINKED).min(export.kept_until.unwrap_or(now));
        let expires_at = Instant::from_timestamp(until.utc().timestamp()).ok_or_else(|| Error::internal("a moment beyond the calendar"))?;
        let keys = app.authority.keys.fresh(&app.db, &app.clock).await?;
        let link = Link { id: id.uuid(), subject: id.uuid(), expires_at };
        let token = app.authority.links.sign(Purpose::DownloadExport, &link, keys.current())?;
        let base_url = app.config.base_url.as_deref().unwrap_or_default();
        let linked = |file: ExportFile| {
            if !scopes.contains(scope(file.r#type)) {
                return file;
            }
            let url = Some(format!("{base_url}/exports/{token}/{}", file.name));
            ExportFile { url, expires_at: Some(expires_at), ..file }
        };
        export.files = export.files.into_iter().map(linked).collect();
    }
    Ok(HttpResponse::Ok().json(export))
}

/// Cancel an export
///
/// Within moments. There are no files to be downloaded then.
#[utoipa::path(tag = "bulk", params(("id" = JobId, Path, description = "The export's id.")), request_body = JobCancellation, responses((status = 200, description = "The export, cancelled.", body = Export), (status = 409, description = "It has ended: `job_finished`.")), security(("oauth2" = ["patients:read"]), ("oauth2" = ["services:read"]), ("oauth2" = ["organizations:read"]), ("oauth2" = ["screenings:read"]), ("oauth2" = ["referrals:read"]), ("oauth2" = ["follow_ups:read"]), ("oauth2" = ["appointments:read"])))]
#[post("/v1/exports/{id}/cancel")]
pub async fn cancel_export(
    app: State,
    caller: Allowed<Exports>,
    id: Path<JobId>,
    command: Command<JobCancellation>,
) -> Result<HttpResponse> {
    let id = *id;
    command.run(&app, &caller, move |conn, caller, _| Reply::ok(&Export::from(cancel(conn, caller, JobKind::Export, id)?))).await
}
