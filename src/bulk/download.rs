//! Downloads of exported files by a link. They are no operations of the API: whoever follows the link knows an address and nothing else.
//!
//! A download that breaks off goes on by a range of bytes (RFC 9110 §14). The ranges are those of the file as it is: what is packed on its
//! way is made while it is sent, and has neither a tag nor ranges.

use actix_web::body::SizedStream;
use actix_web::http::header::{
    ACCEPT_RANGES, AcceptEncoding, CONTENT_DISPOSITION, CONTENT_RANGE, CONTENT_TYPE, ETAG, Encoding, IF_RANGE, Range,
};
use actix_web::web::{Bytes, Path};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, get};
use futures_util::{Stream, stream};

use super::exports::scope;
use super::handlers::{NDJSON, piece};
use super::model::{ExportFormat, JobId, JobKind, JobStatus};
use super::pieces::{size, unpack};
use super::repository;
use crate::app::State;
use crate::auth::limits::CountedAs;
use crate::auth::links::Purpose;
use crate::auth::principal::count;
use crate::db::Db;
use crate::db::types::Id;
use crate::error::{Error, Result};
use crate::http::etag::IfNoneMatch;

/// A file of an export, or a part of it, as long as the link holds and the client that made it is active and may read what is in it.
#[get("/exports/{token}/{name}")]
pub async fn download_export(app: State, path: Path<(String, String)>, known: IfNoneMatch, request: HttpRequest) -> Result<HttpResponse> {
    let (token, name) = path.into_inner();
    let link = app.authority.open_link(&app.db, &app.clock, Purpose::DownloadExport, &token).await?;
    count(&app, &request, CountedAs::Link(link.id))?;
    let id = Id::from_uuid(link.id);
    let asked = name.clone();
    let (job, file) = app
        .db
        .read(move |conn| {
            let job = repository::find_any(conn, id)?.ok_or(Error::NotFound)?;
            let inactive = || Error::Unauthenticated("the client that made the link is not active any more");
            let standing = repository::standing(conn, &job)?.ok_or_else(inactive)?;
            let is_there = job.kind == JobKind::Export && job.status == JobStatus::Completed;
            let file = job.progress.files.iter().find(|file| file.name == asked);
            let open = file.filter(|file| is_there && standing.scopes.contains(scope(file.r#type)));
            let file = open.ok_or(Error::NotFound)?.clone();
            Ok((job, file))
        })
        .await?;
    // It never changes, under whatever link.
    let (tag, length) = (format!("\"{id}-{name}\""), file.bytes.unsigned_abs());
    if known.has_tag(&tag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, tag)).finish());
    }
    let part = wanted(&request, &tag, length)?;
    let mut response = if part.is_some() { HttpResponse::PartialContent() } else { HttpResponse::Ok() };
    let media_type = match job.content.format {
        ExportFormat::Ndjson => NDJSON,
        ExportFormat::Csv => "text/csv; charset=utf-8",
    };
    response.insert_header((CONTENT_TYPE, media_type));
    response.insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")));
    if part.is_some() || is_sent_as_it_is(&request) {
        response.insert_header((ETAG, tag)).insert_header((ACCEPT_RANGES, "bytes"));
    }
    if let Some((first, last)) = part {
        response.insert_header((CONTENT_RANGE, format!("bytes {first}-{last}/{length}")));
    }
    let (from, until) = part.map_or((0, length), |(first, last)| (first, last + 1));
    let bytes = between(app.db.clone(), id, name, file.resources, (from, until));
    Ok(response.body(SizedStream::new(until - from, bytes)))
}

/// The first and the last byte that are asked for; none where it is the whole file: also where several ranges are asked for, or parts of
/// another file than this one.
fn wanted(request: &HttpRequest, tag: &str, length: u64) -> Result<Option<(u64, u64)>> {
    let is_of_this = |given: &str| given.trim() == tag;
    let if_range = request.headers().get(IF_RANGE);
    if if_range.is_some_and(|given| !given.to_str().is_ok_and(is_of_this)) {
        return Ok(None);
    }
    match request.get_header::<Range>() {
        Some(Range::Bytes(ranges)) if ranges.len() == 1 => {
            let part = ranges.first().and_then(|range| range.to_satisfiable_range(length));
            part.map(Some).ok_or(Error::RangeNotSatisfiable { length })
        }
        _ => Ok(None),
    }
}

/// Whether nothing packs what is sent whole on its way.
fn is_sent_as_it_is(request: &HttpRequest) -> bool {
    let codings = [Encoding::identity(), Encoding::brotli(), Encoding::gzip(), Encoding::deflate()];
    let accepted = request.get_header::<AcceptEncoding>();
    accepted.is_none_or(|accepted| accepted.negotiate(codings.iter()) == Some(Encoding::identity()))
}

/// The bytes of a file from one on and up to another, piece by piece. Pieces before them are passed by without being unpacked.
fn between(db: Db, job: JobId, name: String, lines: i64, (from, until): (u64, u64)) -> impl Stream<Item = Result<Bytes>> {
    stream::try_unfold((db, 1, 0), move |(db, mut line, mut at)| {
        let name = name.clone();
        async move {
            while at < until {
                let Some(chunk) = piece(&db, job, name.clone(), line, Some(lines)).await? else { break };
                let begins: u64 = at;
                (line, at) = (chunk.first_line + i64::from(chunk.lines), begins + size(&chunk.content)?);
                if at > from {
                    let bytes = Bytes::from(unpack(&chunk.content)?);
                    let place = |byte: u64| byte.saturating_sub(begins).min(bytes.len() as u64) as usize;
                    return Ok(Some((bytes.slice(place(from)..place(until)), (db, line, at))));
                }
            }
            Ok(None)
        }
    })
}
