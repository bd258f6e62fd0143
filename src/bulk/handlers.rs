//! HTTP of imports.

use actix_web::http::header::CONTENT_LENGTH;
use actix_web::web::{self, Path};
use actix_web::{HttpRequest, HttpResponse, get, post};
use chrono::{DateTime, Duration};
use futures_util::{StreamExt as _, stream};
use serde::Deserialize;

use super::api::{Import, ImportOptions, JobCancellation, JobQuery, ResultQuery};
use super::importing::{BulkLine, LineResult};
use super::intake::{Arrived, Intake};
use super::kinds::Loads;
use super::model::{ChunkRow, Content, JobId, JobKind, JobRow, JobStatus, LineOutcome, MOST_OPEN, RESULTS};
use super::pieces::unpack;
use super::repository;
use crate::app::State;
use crate::auth::{Allowed, Principal};
use crate::db::types::Instant;
use crate::db::{Db, DbConn};
use crate::error::{Chain, Error, Result};
use crate::http::body::{self, Arrival, unreadable};
use crate::http::command::{Command, Reply, StreamedKey};
use crate::http::page::{self, Page};
use crate::http::query::Query;
use crate::http::unpack::Unpacked;

/// The media type of lines of JSON.
pub const NDJSON: &str = "application/x-ndjson";

/// A body of which nothing has come for so long is counted among the jobs under way no more.
const ARRIVING: Duration = Duration::minutes(3);
/// It is noted so often at least that more has come.
pub const NOTED: Duration = Duration::minutes(1);

/// A job of the caller's.
pub(super) fn get(conn: &mut DbConn, caller: &Principal, kind: JobKind, id: JobId) -> Result<JobRow> {
    repository::find(conn, caller, kind, id)?.ok_or(Error::NotFound)
}

/// A page of the caller's jobs, the latest first.
pub(super) async fn page(app: &State, caller: Principal, kind: JobKind, query: JobQuery) -> Result<Page<JobRow>> {
    let fingerprint = page::fingerprint(&("jobs", kind.as_str()));
    let before: Option<JobId> = query.cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?;
    app.db
        .read(move |conn| {
            let rows = repository::list(conn, &caller, kind, before, query.limit.and_one())?;
            Page::from_rows(rows, query.limit, fingerprint, |row: &JobRow| row.id)
        })
        .await
}

/// Fails where the organization has as many jobs under way as it may have.
pub(super) fn permit_another(conn: &mut DbConn, caller: &Principal) -> Result<()> {
    if repository::count_open(conn, caller.organization_id, caller.at.plus(-ARRIVING))? < MOST_OPEN {
        return Ok(());
    }
    Err(Error::conflict("too_many_jobs", format!("The organization has {MOST_OPEN} imports and exports under way.")))
}

/// Fails where as many bodies arrive for the organization as it may have jobs under way.
fn permit_arrival(conn: &mut DbConn, caller: &Principal) -> Result<()> {
    if repository::count_arriving(conn, caller.organization_id, caller.at.plus(-ARRIVING))? < MOST_OPEN {
        return Ok(());
    }
    Err(Error::conflict("too_many_jobs", format!("{MOST_OPEN} bodies of imports of the organization are on the way.")))
}

/// Ends a job of the caller's.
pub(super) fn cancel(conn: &mut DbConn, caller: &Principal, kind: JobKind, id: JobId) -> Result<JobRow> {
    repository::lock(conn, id)?;
    let job = get(conn, caller, kind, id)?;
    if job.status.is_final() {
        return Err(Error::conflict("job_finished", format!("It is {}.", job.status)));
    }
    let job = job.ended(JobStatus::Cancelled, caller.at);
    repository::replace(conn, &job)?;
    Ok(job)
}

/// List imports
///
/// Those of the calling client, the latest first. One is kept for seven days after it ended.
#[utoipa::path(tag = "bulk", params(JobQuery), responses((status = 200, description = "A page of imports.", body = Page<Import>)), security(("oauth2" = ["patients:write"]), ("oauth2" = ["services:write"]), ("oauth2" = ["organizations:write"]), ("oauth2" = ["screenings:write"]), ("oauth2" = ["referrals:write"]), ("oauth2" = ["follow_ups:write"]), ("oauth2" = ["appointments:write"]), ("oauth2" = ["admin"])))]
#[get("/v1/imports")]
pub async fn list_imports(app: State, caller: Allowed<Loads>, query: Query<JobQuery>, request: HttpRequest) -> Result<HttpResponse> {
    let page = page(&app, caller.into_principal(), JobKind::Import, query.0).await?;
    Ok(page.map(Import::from).respond(&request))
}

/// Import resources
///
/// Newline-delimited JSON, up to a gigabyte, packed with gzip or not. Each line is a `BulkLine`: the `type` of a resource and its body, as
/// the single call takes it, with the same rules; it needs the scope that writes this type. A body whose first identifier the organization
/// knows replaces what has it, as `PUT …/by-identifier` does, and leaves it where it is the same; so a file can be sent again. A patient
/// or service that was merged into another is refused as there, with `merged`. A line without identifiers, and without an `id` from which
/// it was loaded before, makes a new resource.
///
/// **Referrals.** A new one is a draft, as with `PUT …/by-identifier`. A line with `"draft": false` sends it, as `POST /v1/referrals` does:
/// with the consent that stands or that the body brings, the due dates of the performer's policies and the first transition, in the
/// transaction that writes the line. It also sends a draft that is there. One that was sent is not sent again, so such a file can be sent
/// again too.
///
/// **What is said by calls of their own.** A patient's need level and navigator, a service's room and the withdrawal of a consent stand in
/// `read_only`, and count for a record that is there too. Where the line says something else than the record, it is recorded as the
/// single call does; room where its `as_of` is newer. What a line does not say stays.
///
/// **History.** A new referral, follow-up or appointment whose `read_only.status` says that it was answered, done or over is loaded as it
/// stood, by who may speak for everybody whose word that is. A referral: where its performer is the calling organization or has no system
/// on Kith; with `requested_at`, `status_at`, and the `status_reason`, `outcome` and `business_status` that go with the status. It begins
/// with that status: no other transition is recorded, nothing is sent to anybody, and one that is closed asks for no consent and plans
/// nothing. A follow-up: with `closed_at`, and `result` or `cancellation`; the one that `next_follow_up_id` names is said to follow it once
/// it is loaded too. An appointment: in a slot of the calling organization; its referral stays as its own line says. What somebody else
/// would have to say is refused with `state_not_loaded`.
///
/// **References.** Where a body needs an id, an identifier `{"system": …, "value": …}` may stand: of a resource of the organization, which
/// an earlier line may have loaded. The lines of an export can be loaded elsewhere: they have the `id` that they had there, under which
/// other lines name them, and get one of their own. With `former_organization_id` those of an organization's own export are its own here
/// too.
///
/// **Dry run.** With `dry_run=true` the answer, the job and its results are as ever, and say what would become of each line; nothing else is
/// written, not even the `Idempotency-Key`, with which the import in earnest may be sent. Each line is read, checked and written as in
/// earnest, by itself against what is there, and taken back at once; of the lines before it the ids and identifiers are known of what they
/// would make or change. So it finds what is wrong with a line itself, what it names that is neither there nor in an earlier line, an
/// identifier that another record or an earlier line has, and every rule that a line breaks against what is there and stays as it is.
///
/// It does not find what shows only once the lines before are written. A line that names what one of them would make, or is of what one of
/// them would make or change, is checked by its schema and what `read_only` says of its history, not by the rules that are asked as it is
/// written, such as that a consent stands, a need is the patient's, a slot has a place; but a new service is held to all of them, whichever
/// line makes it or the organization that gives it. Nor is a line refused by such a rule where one before it changes what it names, or adds
/// to the same patient, screening, referral or slot. A second line of a resource counts as changed where it says something else than the
/// one before it, a need that the screening of an earlier line would raise as new, and an identifier that an earlier line takes from a
/// record as that record's still. What others write meanwhile is not foreseen.
///
/// The answer comes once all has arrived; the work is done afterwards, by whichever process is free, and goes on after a restart behind the
/// last line that is done. `GET /v1/imports/{id}` says how far it is, `GET /v1/imports/{id}/results` what became of each line. A line that
/// is refused does not hold up the others; an import that has refused a hundred thousand, and ten times as many as it has taken, is given
/// up: `too_many_refused`. A line names at most 500 others, and has at most as many bytes as the body of a single call, 1 MiB where the
/// server is not set otherwise: a longer one is refused with `body_too_large`. An organization has at most 20 imports and exports under way
/// at once.
#[utoipa::path(
    tag = "bulk",
    params(ImportOptions),
    request_body(content((BulkLine = "application/x-ndjson")), description = "Lines, of which the schema describes one."),
    responses((status = 202, description = "The import, which begins within seconds.", body = Import), (status = 409, description = "Too many imports and exports of the organization are under way: `too_many_jobs`.")),
    security(("oauth2" = ["patients:write"]), ("oauth2" = ["services:write"]), ("oauth2" = ["organizations:write"]), ("oauth2" = ["screenings:write"]), ("oauth2" = ["referrals:write"]), ("oauth2" = ["follow_ups:write"]), ("oauth2" = ["appointments:write"]), ("oauth2" = ["admin"]))
)]
#[post("/v1/imports")]
pub async fn create_import(
    app: State,
    caller: Allowed<Loads>,
    query: Query<ImportOptions>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse> {
    let (caller, key) = (caller.into_principal(), StreamedKey::of(&request)?);
    body::media_type(&request, &[NDJSON, "application/ndjson", "application/jsonl"])?;
    let (limit, line_limit) = (app.config.bulk_limit, app.config.body_limit as usize);
    let declared = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > limit) {
        return Err(Error::TooLarge);
    }
    let body = Unpacked::of(&request, payload.into_inner())?;
    let ImportOptions { possible_duplicates, former_organization_id, dry_run } = query.0;
    // The import in earnest may come with the same key, and is another one.
    let key = if dry_run { StreamedKey::none() } else { key };
    let content = Content { possible_duplicates, former_organization_id, dry_run, line_limit, ..Content::default() };
    let job = JobRow::new(&caller, JobKind::Import, JobStatus::Receiving, content);
    let id = job.id;
    let mut upload = Upload { db: app.db.clone(), id, is_over: false };
    let (asker, asked, begun) = (caller.clone(), key.clone(), job.clone());
    app.db
        .write(move |conn| {
            // Who sends again what was accepted gets the answer to it, however many jobs there are, unless as many are on the way.
            if asked.is_known(conn, &asker)? {
                permit_arrival(conn, &asker)?;
            } else {
                permit_another(conn, &asker)?;
            }
            repository::insert(conn, &begun)
        })
        .await?;
    let arrived = receive(&app, Intake::new(id, limit, line_limit), id, body, &Arrival::of(&request)).await;
    let reply = match arrived {
        Ok(arrived) => accept(&app, caller, key, job, arrived).await,
        Err(error) => Err(error),
    };
    if reply.is_err() {
        give_up(&app.db, id).await;
    }
    upload.is_over = true;
    Ok(reply?.respond())
}

/// A body that arrives. Where its request runs out of time nobody is left who could give it up, so that this is done as it is dropped.
struct Upload {
    db: Db,
    id: JobId,
    is_over: bool,
}

impl Drop for Upload {
    fn drop(&mut self) {
        if !self.is_over
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (db, id) = (self.db.clone(), self.id);
            runtime.spawn(async move { give_up(&db, id).await });
        }
    }
}

async fn receive(app: &State, mut intake: Intake, id: JobId, mut body: Unpacked, arrival: &Arrival) -> Result<Arrived> {
    arrival.set_awaited(true);
    let mut noted = app.clock.now();
    while let Some(bytes) = body.next().await {
        let bytes = bytes.map_err(unreadable)?;
        arrival.note(bytes.len());
        let (pieces, now) = (intake.take(&bytes)?, app.clock.now());
        if pieces.is_some() || noted.plus(NOTED) <= now {
            let pieces = pieces.unwrap_or_default();
            app.db.write(move |conn| repository::lay_down(conn, id, &pieces, now)).await?;
            noted = now;
        }
    }
    let arrived = intake.finish()?;
    arrival.set_awaited(false);
    Ok(arrived)
}

/// Lets the work begin, once for each key: where an import with this key was accepted before, its answer is given again.
async fn accept(app: &State, caller: Principal, key: StreamedKey, job: JobRow, arrived: Arrived) -> Result<Reply> {
    let (id, clock) = (job.id, app.clock.clone());
    let reply = app
        .db
        .write(move |conn| {
            let caller = caller.now(&clock);
            key.once(conn, &caller, &arrived.digest, |conn| {
                let job = repository::queue(conn, JobRow { updated_at: caller.at, ..job.clone() }, &arrived)?;
                Reply::accepted(&format!("/v1/imports/{id}"), &Import::from(job))
            })
        })
        .await?;
    if !reply.is_of(&format!("/v1/imports/{id}")) {
        give_up(&app.db, id).await;
    }
    Ok(reply)
}

/// Leaves what has arrived to be deleted.
async fn give_up(db: &Db, id: JobId) {
    let long_ago = Instant::from_utc(DateTime::UNIX_EPOCH);
    if let Err(error) = db.write(move |conn| repository::touch(conn, id, long_ago)).await {
        // It is found an hour later.
        log::debug!("import {id} was not given up at once: {}", Chain(&error));
    }
}

/// Read how an import stands
///
/// By the client that asked for it.
#[utoipa::path(tag = "bulk", params(("id" = JobId, Path, description = "The import's id.")), responses((status = 200, description = "The import.", body = Import)), security(("oauth2" = ["patients:write"]), ("oauth2" = ["services:write"]), ("oauth2" = ["organizations:write"]), ("oauth2" = ["screenings:write"]), ("oauth2" = ["referrals:write"]), ("oauth2" = ["follow_ups:write"]), ("oauth2" = ["appointments:write"]), ("oauth2" = ["admin"])))]
#[get("/v1/imports/{id}")]
pub async fn get_import(app: State, caller: Allowed<Loads>, id: Path<JobId>) -> Result<HttpResponse> {
    let job = app.db.read_briefly(move |conn| get(conn, &caller, JobKind::Import, *id)).await?;
    Ok(HttpResponse::Ok().json(Import::from(job)))
}

/// Cancel an import
///
/// Within moments. What was loaded until then stays, and the results say what that is.
#[utoipa::path(tag = "bulk", params(("id" = JobId, Path, description = "The import's id.")), request_body = JobCancellation, responses((status = 200, description = "The import, cancelled.", body = Import), (status = 409, description = "It has ended: `job_finished`.")), security(("oauth2" = ["patients:write"]), ("oauth2" = ["services:write"]), ("oauth2" = ["organizations:write"]), ("oauth2" = ["screenings:write"]), ("oauth2" = ["referrals:write"]), ("oauth2" = ["follow_ups:write"]), ("oauth2" = ["appointments:write"]), ("oauth2" = ["admin"])))]
#[post("/v1/imports/{id}/cancel")]
pub async fn cancel_import(app: State, caller: Allowed<Loads>, id: Path<JobId>, command: Command<JobCancellation>) -> Result<HttpResponse> {
    let id = *id;
    command.run(&app, &caller, move |conn, caller, _| Reply::ok(&Import::from(cancel(conn, caller, JobKind::Import, id)?))).await
}

/// Read what became of the lines of an import
///
/// A line of JSON for each that is done, in their order, each a `LineResult`; blank lines have none.
#[utoipa::path(
    tag = "bulk",
    params(("id" = JobId, Path, description = "The import's id."), ResultQuery),
    responses((status = 200, description = "The results, as far as there are.", content((LineResult = "application/x-ndjson")))),
    security(("oauth2" = ["patients:write"]), ("oauth2" = ["services:write"]), ("oauth2" = ["organizations:write"]), ("oauth2" = ["screenings:write"]), ("oauth2" = ["referrals:write"]), ("oauth2" = ["follow_ups:write"]), ("oauth2" = ["appointments:write"]), ("oauth2" = ["admin"]))
)]
#[get("/v1/imports/{id}/results")]
pub async fn list_import_results(app: State, caller: Allowed<Loads>, id: Path<JobId>, query: Query<ResultQuery>) -> Result<HttpResponse> {
    let id = *id;
    let job = app.db.read_briefly(move |conn| get(conn, &caller, JobKind::Import, id)).await?;
    let wanted = query.0.outcome;
    // Of one that has ended all are there, unless they are being deleted.
    let done = job.status.is_final().then_some(job.lines);
    let lines = file(app.db.clone(), id, RESULTS.to_owned(), done).map(move |text| {
        let text = text?;
        Ok::<_, Error>(match wanted {
            Some(outcome) => web::Bytes::from(only(&text, outcome)),
            None => text,
        })
    });
    Ok(HttpResponse::Ok().content_type(NDJSON).streaming(lines))
}

/// The results of one outcome.
fn only(text: &[u8], wanted: LineOutcome) -> Vec<u8> {
    #[derive(Deserialize)]
    struct Head {
        outcome: LineOutcome,
    }
    let is_wanted = |line: &&[u8]| serde_json::from_slice::<Head>(line).is_ok_and(|head| head.outcome == wanted);
    text.split_inclusive(|byte| *byte == b'\n').filter(is_wanted).flatten().copied().collect()
}

/// A file of a job, piece by piece.
fn file(db: Db, job: JobId, name: String, lines: Option<i64>) -> impl futures_util::Stream<Item = Result<web::Bytes>> {
    stream::try_unfold((db, 1), move |(db, line)| {
        let name = name.clone();
        async move {
            let Some(chunk) = piece(&db, job, name, line, lines).await? else { return Ok(None) };
            let next = chunk.first_line + i64::from(chunk.lines);
            Ok(Some((web::Bytes::from(unpack(&chunk.content)?), (db, next))))
        }
    })
}

/// The piece of a job's file that has this line. Where it is known how many lines the file has, it fails where some are no longer there:
/// a file that has simply come to its end would be taken for whole.
pub(super) async fn piece(db: &Db, job: JobId, name: String, line: i64, lines: Option<i64>) -> Result<Option<ChunkRow>> {
    let chunk = db.read(move |conn| repository::chunk_from(conn, job, &name, line)).await?;
    let found = chunk.as_ref().map_or(i64::MAX, |chunk| chunk.first_line);
    if lines.is_some_and(|lines| line <= lines && line < found) {
        return Err(Error::Gone);
    }
    Ok(chunk)
}
