//! The queries of jobs and of their files.

use diesel::dsl::{delete, exists, insert_into, update};
use diesel::prelude::*;
use uuid::Uuid;

use super::intake::Arrived;
use super::model::{ChunkRow, ExportProgress, ForeseenRow, INPUT, JobId, JobKind, JobRow, JobStatus, MOST_KEPT};
use crate::auth::model::Standing;
use crate::auth::{self, Principal};
use crate::background::Leased;
use crate::db::DbConn;
use crate::db::schema::{bulk_chunks, bulk_jobs, foreseen_resources};
use crate::db::types::{Id, Instant, Json};
use crate::each;
use crate::error::Result;
use crate::kind::{ClientId, OrganizationId};

/// Statuses in which a worker has something to do.
const WAITING: [JobStatus; 2] = [JobStatus::Queued, JobStatus::Running];

/// Adds the row.
pub fn insert(conn: &mut DbConn, row: &JobRow) -> Result<()> {
    insert_into(bulk_jobs::table).values(row).execute(conn)?;
    Ok(())
}

/// A job of the calling client, whose body has arrived.
pub fn find(conn: &mut DbConn, caller: &Principal, kind: JobKind, id: JobId) -> Result<Option<JobRow>> {
    let own = bulk_jobs::table.filter(bulk_jobs::id.eq(id)).filter(bulk_jobs::client_id.eq(caller.client_id));
    Ok(own.filter(bulk_jobs::kind.eq(kind)).filter(bulk_jobs::status.ne(JobStatus::Receiving)).first(conn).optional()?)
}

/// A job, whoever asked for it.
pub fn find_any(conn: &mut DbConn, id: JobId) -> Result<Option<JobRow>> {
    Ok(bulk_jobs::table.find(id).first(conn).optional()?)
}

/// Jobs of the calling client before one, the latest first.
pub fn list(conn: &mut DbConn, caller: &Principal, kind: JobKind, before: Option<JobId>, limit: i64) -> Result<Vec<JobRow>> {
    let own = bulk_jobs::table.filter(bulk_jobs::client_id.eq(caller.client_id)).filter(bulk_jobs::kind.eq(kind));
    let mut rows = own.filter(bulk_jobs::status.ne(JobStatus::Receiving)).order(bulk_jobs::id.desc()).limit(limit).into_boxed();
    if let Some(before) = before {
        rows = rows.filter(bulk_jobs::id.lt(before));
    }
    Ok(rows.load(conn)?)
}

/// How many jobs of an organization have not ended. One whose body arrives counts where something came of it at `since` or later: who sent
/// it may have gone without a word.
pub fn count_open(conn: &mut DbConn, organization: OrganizationId, since: Instant) -> Result<i64> {
    let own = bulk_jobs::table.filter(bulk_jobs::organization_id.eq(organization));
    let arrives = bulk_jobs::status.eq(JobStatus::Receiving).and(bulk_jobs::updated_at.ge(since));
    Ok(own.filter(bulk_jobs::status.eq_any(WAITING).or(arrives)).count().get_result(conn)?)
}

/// How many of them have a body that arrives, of which something came at `since` or later.
pub fn count_arriving(conn: &mut DbConn, organization: OrganizationId, since: Instant) -> Result<i64> {
    let own = bulk_jobs::table.filter(bulk_jobs::organization_id.eq(organization));
    let arriving = own.filter(bulk_jobs::status.eq(JobStatus::Receiving)).filter(bulk_jobs::updated_at.ge(since));
    Ok(arriving.count().get_result(conn)?)
}

/// Writes how a job stands that has come on or ended, its lease with it.
pub fn replace(conn: &mut DbConn, row: &JobRow) -> Result<()> {
    update(bulk_jobs::table.find(row.id))
        .set((
            (
                bulk_jobs::status.eq(row.status),
                bulk_jobs::progress.eq(&row.progress),
                bulk_jobs::lines.eq(row.lines),
                bulk_jobs::lines_total.eq(row.lines_total),
                bulk_jobs::bytes.eq(row.bytes),
                bulk_jobs::bytes_total.eq(row.bytes_total),
                bulk_jobs::created.eq(row.created),
                bulk_jobs::updated.eq(row.updated),
                bulk_jobs::unchanged.eq(row.unchanged),
                bulk_jobs::refused.eq(row.refused),
            ),
            (
                bulk_jobs::error.eq(row.error),
                bulk_jobs::started_at.eq(row.started_at),
                bulk_jobs::updated_at.eq(row.updated_at),
                bulk_jobs::finished_at.eq(row.finished_at),
                bulk_jobs::leased_by.eq(row.leased_by),
                bulk_jobs::leased_until.eq(row.leased_until),
                bulk_jobs::attempts.eq(0),
            ),
        ))
        .execute(conn)?;
    Ok(())
}

/// Lets the work on a job begin whose body has arrived; the job as it then stands.
pub fn queue(conn: &mut DbConn, job: JobRow, arrived: &Arrived) -> Result<JobRow> {
    insert_chunks(conn, &arrived.pieces)?;
    let job = JobRow { status: JobStatus::Queued, lines_total: Some(arrived.lines), bytes_total: Some(arrived.bytes), ..job };
    replace(conn, &job)?;
    Ok(job)
}

/// Adds pieces of a body that is still arriving, and notes that it is: a job of which nothing comes for long is given up.
pub fn lay_down(conn: &mut DbConn, id: JobId, pieces: &[ChunkRow], now: Instant) -> Result<()> {
    insert_chunks(conn, pieces)?;
    touch(conn, id, now)
}

/// Notes when something of a body last arrived.
pub fn touch(conn: &mut DbConn, id: JobId, now: Instant) -> Result<()> {
    update(bulk_jobs::table.find(id)).set(bulk_jobs::updated_at.eq(now)).execute(conn)?;
    Ok(())
}

/// Jobs that have something to do and that nobody works for, the one first that has waited longest.
pub fn awake(conn: &mut DbConn, now: Instant, most: i64) -> Result<Vec<JobId>> {
    let is_free = bulk_jobs::leased_until.is_null().or(bulk_jobs::leased_until.lt(now));
    let waiting = bulk_jobs::table.filter(bulk_jobs::finished_at.is_null()).filter(bulk_jobs::status.eq_any(WAITING)).filter(is_free);
    Ok(waiting.order((bulk_jobs::updated_at, bulk_jobs::id)).limit(most).select(bulk_jobs::id).load(conn)?)
}

impl Leased for JobId {
    const WHAT: &'static str = "job";

    type Row = JobRow;

    fn take(self, conn: &mut DbConn, worker: Id<()>, now: Instant, until: Instant) -> Result<Option<JobRow>> {
        let is_free = bulk_jobs::leased_until.is_null().or(bulk_jobs::leased_until.lt(now));
        let waiting = bulk_jobs::table.filter(bulk_jobs::id.eq(self)).filter(bulk_jobs::status.eq_any(WAITING)).filter(is_free);
        let leased = (bulk_jobs::leased_by.eq(Some(worker)), bulk_jobs::leased_until.eq(Some(until)));
        // An attempt counts from its beginning: a process that dies of it says nothing at its end.
        let begun = (bulk_jobs::status.eq(JobStatus::Running), bulk_jobs::attempts.eq(bulk_jobs::attempts + 1));
        let changed = update(waiting).set((begun, leased)).execute(conn)?;
        if changed == 1 { find_any(conn, self) } else { Ok(None) }
    }

    fn prolong(self, conn: &mut DbConn, worker: Id<()>, until: Instant) -> Result<Option<JobRow>> {
        let held = bulk_jobs::table.filter(bulk_jobs::id.eq(self)).filter(bulk_jobs::leased_by.eq(worker));
        let running = held.filter(bulk_jobs::status.eq(JobStatus::Running));
        let changed = update(running).set(bulk_jobs::leased_until.eq(Some(until))).execute(conn)?;
        if changed == 1 { find_any(conn, self) } else { Ok(None) }
    }
}

/// The job, held until the transaction ends: on PostgreSQL a worker may be about to write it.
pub fn lock(conn: &mut DbConn, id: JobId) -> Result<()> {
    if let DbConn::Pg(conn) = conn {
        bulk_jobs::table.find(id).select(bulk_jobs::id).for_update().execute(conn)?;
    }
    Ok(())
}

/// Takes back that a job was taken up, where it has not come on since: whoever did it could not go on through no fault of the job.
pub fn take_back(conn: &mut DbConn, id: JobId) -> Result<()> {
    let counted = bulk_jobs::table.filter(bulk_jobs::id.eq(id)).filter(bulk_jobs::attempts.gt(0));
    update(counted).set(bulk_jobs::attempts.eq(bulk_jobs::attempts - 1)).execute(conn)?;
    Ok(())
}

/// Lets go of a job, so that others get their turn first.
pub fn release(conn: &mut DbConn, id: JobId, now: Instant) -> Result<()> {
    update(bulk_jobs::table.find(id))
        .set((bulk_jobs::updated_at.eq(now), bulk_jobs::leased_by.eq(None::<Id<()>>), bulk_jobs::leased_until.eq(None::<Instant>)))
        .execute(conn)?;
    Ok(())
}

/// What the client that asked for a job may do now; `None` where it is gone.
pub fn standing(conn: &mut DbConn, row: &JobRow) -> Result<Option<Standing>> {
    let standing = auth::repository::find_standing(conn, row.client_id)?;
    Ok(standing.filter(|standing| standing.is_active && standing.organization_id == row.organization_id))
}

/// Adds pieces of files.
pub fn insert_chunks(conn: &mut DbConn, rows: &[ChunkRow]) -> Result<()> {
    if !rows.is_empty() {
        each!(conn, |conn| insert_into(bulk_chunks::table).values(rows).execute(conn))?;
    }
    Ok(())
}

/// The piece of a file that has this line, or the first after it.
pub fn chunk_from(conn: &mut DbConn, job: JobId, file: &str, line: i64) -> Result<Option<ChunkRow>> {
    let of_file = || bulk_chunks::table.filter(bulk_chunks::job_id.eq(job)).filter(bulk_chunks::file.eq(file));
    let before = of_file().filter(bulk_chunks::first_line.le(line)).order(bulk_chunks::first_line.desc());
    let before: Option<ChunkRow> = before.first(conn).optional()?;
    match before.filter(|chunk| chunk.first_line + i64::from(chunk.lines) > line) {
        Some(chunk) => Ok(Some(chunk)),
        None => Ok(of_file().filter(bulk_chunks::first_line.gt(line)).order(bulk_chunks::first_line).first(conn).optional()?),
    }
}

/// Deletes the piece of what was to be imported that begins with this line.
pub fn delete_input(conn: &mut DbConn, job: JobId, first_line: i64) -> Result<()> {
    delete(bulk_chunks::table.find((job, INPUT, first_line))).execute(conn)?;
    Ok(())
}

/// What lines of a dry run have left under these keys, which are at most 1,000.
pub fn foreseen(conn: &mut DbConn, job: JobId, keys: &[Uuid]) -> Result<Vec<ForeseenRow>> {
    let of_job = foreseen_resources::table.filter(foreseen_resources::job_id.eq(job));
    let named = of_job.filter(foreseen_resources::key.eq_any(keys.iter().map(|key| Id::<()>::from_uuid(*key))));
    Ok(named.load(conn)?)
}

/// Keeps such rows of a job, in the place of those that have the same keys. Each of these has another key.
pub fn replace_foreseen(conn: &mut DbConn, job: JobId, rows: &[ForeseenRow]) -> Result<()> {
    for rows in rows.chunks(500) {
        let of_job = foreseen_resources::table.filter(foreseen_resources::job_id.eq(job));
        delete(of_job.filter(foreseen_resources::key.eq_any(rows.iter().map(|row| row.key)))).execute(conn)?;
        each!(conn, |conn| insert_into(foreseen_resources::table).values(rows).execute(conn))?;
    }
    Ok(())
}

/// Deletes a bounded number of such rows of a dry run that has ended; how many.
pub fn purge_foreseen(conn: &mut DbConn) -> Result<usize> {
    let of_job = foreseen_resources::table.filter(foreseen_resources::job_id.eq(bulk_jobs::id));
    let ended = bulk_jobs::table.filter(bulk_jobs::finished_at.is_not_null()).filter(exists(of_job));
    let first = ended.order(bulk_jobs::finished_at).select(bulk_jobs::id);
    let Some(job) = first.first::<JobId>(conn).optional()? else { return Ok(0) };
    let its = || foreseen_resources::table.filter(foreseen_resources::job_id.eq(job));
    let keys: Vec<Id<()>> = its().limit(FORGOTTEN_AT_ONCE).select(foreseen_resources::key).load(conn)?;
    Ok(delete(its().filter(foreseen_resources::key.eq_any(keys))).execute(conn)?)
}

/// Rows of dry runs that one transaction deletes at most.
const FORGOTTEN_AT_ONCE: i64 = 1_000;

/// What one transaction deletes at most.
const PURGED_AT_ONCE: i64 = 200;

/// Deletes what nobody needs any more: the input of jobs that have ended or never began, and jobs that ended before `kept`, with all their
/// files; a bounded number of pieces. Jobs whose body did not arrive are given up `given_up` ago. How many rows were deleted.
pub fn purge(conn: &mut DbConn, kept: Instant, given_up: Instant) -> Result<usize> {
    let abandoned = bulk_jobs::table.filter(bulk_jobs::status.eq(JobStatus::Receiving)).filter(bulk_jobs::finished_at.is_null());
    let mut ids: Vec<JobId> = abandoned.filter(bulk_jobs::updated_at.lt(given_up)).limit(20).select(bulk_jobs::id).load(conn)?;
    let old = bulk_jobs::table.filter(bulk_jobs::finished_at.lt(kept)).order(bulk_jobs::finished_at);
    ids.extend(old.limit(20).select(bulk_jobs::id).load::<JobId>(conn)?);
    for id in ids {
        let deleted = delete_some(conn, id)?;
        if deleted > 0 {
            return Ok(deleted);
        }
    }
    Ok(0)
}

/// Deletes a bounded number of pieces of a job, and the job once there are none; how many rows. Meanwhile nobody begins to read its files.
pub fn delete_some(conn: &mut DbConn, id: JobId) -> Result<usize> {
    let of_job = bulk_chunks::table.filter(bulk_chunks::job_id.eq(id)).limit(PURGED_AT_ONCE);
    let chunks: Vec<(String, i64)> = of_job.select((bulk_chunks::file, bulk_chunks::first_line)).load(conn)?;
    if chunks.is_empty() {
        return Ok(delete(bulk_jobs::table.find(id)).execute(conn)?);
    }
    update(bulk_jobs::table.find(id)).set(bulk_jobs::progress.eq(Json(ExportProgress::default()))).execute(conn)?;
    delete_chunks(conn, id, &chunks)
}

fn delete_chunks(conn: &mut DbConn, id: JobId, chunks: &[(String, i64)]) -> Result<usize> {
    let mut deleted = 0;
    for (file, first_line) in chunks {
        deleted += delete(bulk_chunks::table.find((id, file, first_line))).execute(conn)?;
    }
    Ok(deleted)
}

/// Exports of a client that have ended, but for those that ended last, which are kept.
pub fn surplus(conn: &mut DbConn, client: ClientId) -> Result<Vec<JobId>> {
    let own = bulk_jobs::table.filter(bulk_jobs::client_id.eq(client)).filter(bulk_jobs::kind.eq(JobKind::Export));
    let ended = own.filter(bulk_jobs::finished_at.is_not_null()).order((bulk_jobs::finished_at.desc(), bulk_jobs::id.desc()));
    Ok(ended.offset(MOST_KEPT).limit(MOST_KEPT).select(bulk_jobs::id).load(conn)?)
}

/// Some of the jobs that were cancelled or given up and have pieces that nobody needs: of an import the input, for what became of it is
/// kept; of an export all.
pub fn ended_early(conn: &mut DbConn) -> Result<Vec<(JobId, JobKind)>> {
    let is_unneeded = bulk_jobs::kind.eq(JobKind::Export).or(bulk_chunks::file.eq(INPUT));
    let unneeded = bulk_chunks::table.filter(bulk_chunks::job_id.eq(bulk_jobs::id)).filter(is_unneeded);
    let ended = bulk_jobs::table.filter(bulk_jobs::finished_at.is_not_null()).filter(exists(unneeded));
    let early = ended.filter(bulk_jobs::status.eq_any([JobStatus::Cancelled, JobStatus::Failed]));
    Ok(early.order(bulk_jobs::finished_at).limit(20).select((bulk_jobs::id, bulk_jobs::kind)).load(conn)?)
}

/// Deletes a bounded number of the pieces that nobody needs of a job that was cancelled or given up; how many.
pub fn purge_unneeded(conn: &mut DbConn, id: JobId, kind: JobKind) -> Result<usize> {
    let of_job = bulk_chunks::table.filter(bulk_chunks::job_id.eq(id)).select((bulk_chunks::file, bulk_chunks::first_line));
    let mut unneeded = of_job.limit(PURGED_AT_ONCE).into_boxed();
    if kind == JobKind::Import {
        unneeded = unneeded.filter(bulk_chunks::file.eq(INPUT));
    }
    let chunks: Vec<(String, i64)> = unneeded.load(conn)?;
    delete_chunks(conn, id, &chunks)
}
