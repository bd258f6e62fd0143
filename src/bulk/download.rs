//! Downloads of exported files by a link. They are no operations of the API: whoever follows the link knows an address and nothing else.

use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, get};

use super::exports::scope;
use super::handlers::{NDJSON, file};
use super::model::{ExportFormat, JobKind, JobStatus};
use super::repository;
use crate::app::State;
use crate::auth::limits::CountedAs;
use crate::auth::links::Purpose;
use crate::auth::principal::count;
use crate::db::types::Id;
use crate::error::{Error, Result};

/// A file of an export, as long as the link holds and the client that made it is active and may read what is in it.
#[get("/exports/{token}/{name}")]
pub async fn download_export(app: State, path: Path<(String, String)>, request: HttpRequest) -> Result<HttpResponse> {
    let (token, name) = path.into_inner();
    let link = app.authority.open_link(&app.db, &app.clock, Purpose::DownloadExport, &token).await?;
    count(&app, &request, CountedAs::Link(link.id))?;
    let id = Id::from_uuid(link.id);
    let asked = name.clone();
    let (job, lines) = app
        .db
        .read(move |conn| {
            let job = repository::find_any(conn, id)?.ok_or(Error::NotFound)?;
            let inactive = || Error::Unauthenticated("the client that made the link is not active any more");
            let standing = repository::standing(conn, &job)?.ok_or_else(inactive)?;
            let is_there = job.kind == JobKind::Export && job.status == JobStatus::Completed;
            let file = job.progress.files.iter().find(|file| file.name == asked);
            let open = file.filter(|file| is_there && standing.scopes.contains(scope(file.r#type)));
            let lines = open.ok_or(Error::NotFound)?.resources;
            Ok((job, lines))
        })
        .await?;
    let media_type = match job.content.format {
        ExportFormat::Ndjson => NDJSON,
        ExportFormat::Csv => "text/csv; charset=utf-8",
    };
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, media_type))
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .streaming(file(app.db.clone(), id, name, Some(lines))))
}
