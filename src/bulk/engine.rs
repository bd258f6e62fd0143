//! What runs in every process: jobs that wait are done, one after the other.
//!
//! A worker takes a job for itself, for a time which every transaction prolongs; whoever comes after it goes on behind the last one.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant as Moment};

use futures_util::future::join;
use tokio::sync::watch;

use super::importing::{self, Lines};
use super::model::{JobError, JobId, JobKind, JobRow, JobStatus, KEPT, MOST_ATTEMPTS};
use super::{exporting, repository};
use crate::app::App;
use crate::background::{self, Crew, Lease, Lost, again_and_again};
use crate::changes::follower::catch_up;
use crate::clock::Clock;
use crate::db::types::{Id, Instant};
use crate::db::{Db, DbConn};
use crate::error::{Chain, Error, Result};
use crate::kind::ClientId;
use crate::services::Directory;

/// How often a process looks whether a job waits.
const LOOK: Duration = Duration::from_secs(1);
/// How often it forgets.
const PURGE: Duration = Duration::from_secs(300);
/// Jobs that a process does at once.
const AT_ONCE: usize = 2;
/// A worker lets go of a job that takes longer, so that others get their turn.
const LONGEST_TURN: Duration = Duration::from_secs(30);
/// A body of which nothing arrives for so long will not.
const GIVEN_UP: chrono::Duration = chrono::Duration::hours(1);

/// The work of one process.
#[derive(Clone)]
pub struct Engine {
    db: Db,
    clock: Clock,
    /// What is searched in this process.
    directory: Arc<Directory>,
    /// The name under which this process takes leases.
    id: Id<()>,
    is_stopping: Rc<Cell<bool>>,
}

impl Engine {
    /// One that does nothing by itself.
    pub fn new(db: Db, clock: Clock, directory: Arc<Directory>) -> Self {
        Self { db, clock, directory, id: Id::generate(), is_stopping: Rc::default() }
    }

    /// Starts it.
    pub fn start(app: &App) -> background::Running {
        let engine = Self::new(app.db.clone(), app.clock.clone(), Arc::clone(&app.directory));
        background::Running::start("imports and exports", |stop| engine.run(stop))
    }

    /// Does everything that waits now.
    pub async fn work(&self) -> Result<()> {
        loop {
            let waiting = self.awake().await?;
            if waiting.is_empty() {
                return Ok(());
            }
            for job in waiting {
                self.serve(job).await?;
            }
        }
    }

    /// Does one job, as far as a turn goes; nothing where another does it.
    pub async fn serve(&self, job: JobId) -> Result<()> {
        let taken = Lease::take(&self.db, &self.clock, self.id, job, begin).await?;
        let Some((lease, row)) = taken else { return Ok(()) };
        let done = self.turn(&lease, row).await;
        // The job is not to blame for a database that takes nothing, nor for a lease that was not prolonged. Of one that has ended, or that
        // another has taken over, nothing is taken back.
        if matches!(done, Ok(false) | Err(Error::Busy | Error::Unavailable(_)))
            && let Err(error) = lease.write(|conn, job, _| repository::take_back(conn, job.id)).await
        {
            log::warn!("an interrupted attempt at job {job} goes on counting: {}", Chain(&error));
        }
        done.map(|_| ())
    }

    /// True where there is more to do; false where the job has ended or the lease is lost.
    async fn turn(&self, lease: &Lease<JobId>, job: JobRow) -> Result<bool> {
        let began = Moment::now();
        let go_on = || !self.is_stopping.get() && began.elapsed() < LONGEST_TURN;
        let is_to_wait = match job.kind {
            JobKind::Import => self.import(lease, job, go_on).await?,
            JobKind::Export => self.export(lease, job, go_on).await?,
        };
        if is_to_wait {
            let _lost = lease.write(|conn, job, now| repository::release(conn, job.id, now)).await?;
        }
        Ok(is_to_wait)
    }

    /// Deletes what nobody needs any more, a bounded number of rows in each transaction.
    pub async fn purge(&self) -> Result<()> {
        let now = self.clock.now();
        loop {
            let ended = self.db.read(repository::ended_early).await?;
            if ended.is_empty() {
                break;
            }
            for (job, kind) in ended {
                while self.db.write(move |conn| repository::purge_unneeded(conn, job, kind)).await? > 0 {}
            }
        }
        while self.db.write(repository::purge_foreseen).await? > 0 {}
        while self.db.write(move |conn| repository::purge(conn, now.plus(-KEPT), now.plus(-GIVEN_UP))).await? > 0 {}
        Ok(())
    }

    /// True where there is more to do.
    async fn import(&self, lease: &Lease<JobId>, job: JobRow, go_on: impl Fn() -> bool) -> Result<bool> {
        let Ok(first) = lease.held(self.lines(&job, job.lines)).await else { return Ok(false) };
        let mut lines = first?;
        while let Some(current) = lines {
            let (last, has_services) = (current.last(), current.has_services() && !job.content.dry_run);
            let writing = write_lines(lease, Arc::new(current));
            let (is_held, next) = if has_services {
                // One after the other: whoever searches meanwhile would wait for a processor.
                let is_held = writing.await;
                let next = async {
                    self.show().await;
                    self.lines(&job, last).await
                };
                (is_held, lease.held(next).await)
            } else {
                // What comes next is read while this is written.
                join(writing, lease.held(self.lines(&job, last))).await
            };
            if !is_held? {
                return Ok(false);
            }
            let Ok(next) = next else { return Ok(false) };
            lines = next?;
            if !go_on() {
                return Ok(true);
            }
        }
        let _lost = lease.write(importing::complete).await?;
        Ok(false)
    }

    /// Lets searches find what was written.
    async fn show(&self) {
        let directory = Arc::clone(&self.directory);
        if let Err(error) = catch_up(&self.db, move |conn| directory.catch_up(conn)).await {
            log::warn!("searches do not find yet what was imported: {}", Chain(&error));
        }
    }

    async fn lines(&self, job: &JobRow, after: i64) -> Result<Option<Lines>> {
        let (job, now) = (job.clone(), self.clock.now());
        self.db.read(move |conn| importing::read(conn, &job, after, now)).await
    }

    /// True where there is more to do.
    async fn export(&self, lease: &Lease<JobId>, mut job: JobRow, go_on: impl Fn() -> bool) -> Result<bool> {
        loop {
            let (id, now) = (job.id, self.clock.now());
            let Ok(step) = lease.held(self.db.read(move |conn| exporting::read(conn, &job, now))).await else { return Ok(false) };
            let step = step?;
            match lease.write(move |conn, job, now| exporting::write(conn, job, &step, now)).await? {
                Ok(written) if !written.status.is_final() => job = written,
                Ok(written) => {
                    // What is too much goes with the next one, and this one has ended all the same.
                    if let Err(error) = self.forget_surplus(written.client_id).await {
                        log::warn!("export {id} is done, and those before the latest were not deleted: {}", Chain(&error));
                    }
                    return Ok(false);
                }
                Err(Lost) => return Ok(false),
            }
            if !go_on() {
                return Ok(true);
            }
        }
    }

    /// Deletes the exports of a client before the latest ones.
    async fn forget_surplus(&self, client: ClientId) -> Result<()> {
        for job in self.db.read(move |conn| repository::surplus(conn, client)).await? {
            while self.db.write(move |conn| repository::delete_some(conn, job)).await? > 0 {}
        }
        Ok(())
    }

    async fn awake(&self) -> Result<Vec<JobId>> {
        let now = self.clock.now();
        self.db.read(move |conn| repository::awake(conn, now, AT_ONCE as i64)).await
    }

    async fn run(self, stop: watch::Receiver<bool>) {
        let purges = again_and_again(PURGE, stop.clone(), "old imports and exports were not deleted", || self.purge());
        join(self.work_until(stop), purges).await;
    }

    async fn work_until(&self, mut stop: watch::Receiver<bool>) {
        let mut crew = Crew::new(AT_ONCE);
        while !*stop.borrow() {
            match self.awake().await {
                Ok(waiting) => crew.take_up(waiting, |job| self.clone().go_on_with(job)),
                Err(error) => log::warn!("it was not looked for imports and exports that wait: {}", Chain(&error)),
            }
            crew.rest(LOOK, &mut stop).await;
        }
        self.is_stopping.set(true);
        crew.finish().await;
    }

    async fn go_on_with(self, job: JobId) {
        if let Err(error) = self.serve(job).await {
            log::warn!("job {job} was interrupted, and goes on in a while: {}", Chain(&error));
        }
    }
}

/// The job that was taken; none where those who took it before all came to no end: they may have died of it, as the next would.
fn begin(conn: &mut DbConn, job: JobRow, now: Instant) -> Result<Option<JobRow>> {
    if job.attempts <= MOST_ATTEMPTS {
        return Ok(Some(job));
    }
    log::error!("job {}: {MOST_ATTEMPTS} times in a row whoever did it came to no end; the log of this server may say why", job.id);
    let job = JobRow { error: Some(JobError::Internal), started_at: job.started_at.or(Some(now)), ..job };
    repository::replace(conn, &job.ended(JobStatus::Failed, now))?;
    Ok(None)
}

/// Writes all of these lines; false where the job has ended, or is no longer this worker's.
async fn write_lines(lease: &Lease<JobId>, lines: Arc<Lines>) -> Result<bool> {
    loop {
        let current = Arc::clone(&lines);
        match lease.write(move |conn, job, now| importing::write(conn, job, &current, now)).await? {
            Ok(job) if job.status.is_final() => return Ok(false),
            Ok(job) if job.lines >= lines.last() => return Ok(true),
            Ok(_) => {}
            Err(Lost) => return Ok(false),
        }
    }
}
