//! What is read of a partner, written: records together with what is noted of the run, and only while the lease holds.

use std::sync::Arc;
use std::vec;

use crate::app::App;
use crate::background::{Lease, Lost};
use crate::changes::Actor;
use crate::db::DbConn;
use crate::db::types::Instant;
use crate::error::{Error, Result};
use crate::import::desk::{Desk, Taken};
use crate::import::importer::Importer;
use crate::import::kin::{self, Kin};
use crate::import::load::{Batch, Load, retire};
use crate::import::mapping::Mapping;
use crate::import::read::Raw;
use crate::import::report::{Line, Verdict};
use crate::kind::{ServiceId, SourceId};

use super::model::{RunRow, SourceRow, SourceRunKind, SourceRunStatus};
use super::{own, repository, worker};

/// Batches that are written in one transaction. A page has fewer, unless the partner sends more than it is asked for.
const MOST_TOGETHER: usize = 4;
/// Lines that are kept of a run; after the first half of them those of records that were refused alone.
const MOST_LINES: i32 = 1_000;

/// How many more fit where there are so many.
fn room(most: i32, there: i32) -> usize {
    usize::try_from(most.saturating_sub(there)).unwrap_or_default()
}

/// A run that a worker is at.
pub(super) struct Turn<'a> {
    pub(super) app: &'a App,
    pub(super) lease: Lease<SourceId>,
    pub(super) source: SourceRow,
    pub(super) run: RunRow,
    /// The address that this worker reads.
    url: String,
}

/// A page of a pull that is behind it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reached {
    /// Its number.
    pub(super) page: i32,
    /// Whether none follows.
    pub(super) is_last: bool,
    /// The partner's clock when it was sent, as far as it is known.
    pub(super) date: Option<Instant>,
}

impl Reached {
    fn note(self, run: &mut RunRow) {
        run.next_page = self.page.saturating_add(1);
        run.has_listed = self.is_last;
        run.attempts = 0;
        // Until the moment that a clock shows which is ahead, the partner would be asked for nothing that it changes.
        run.as_of = run.as_of.or_else(|| Some(self.date.unwrap_or(run.started_at).min(run.started_at)));
    }
}

/// What a run has behind it once everything of it has been written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Behind {
    /// A page of a pull.
    Page(Reached),
    /// A page of organizations, and which is to be read next.
    Organizations { next: i32 },
    /// What was to be asked for one by one, up to this number.
    Unread(i32),
}

impl Behind {
    fn note(self, conn: &mut DbConn, run: &mut RunRow) -> Result<()> {
        match self {
            Self::Page(reached) => reached.note(run),
            Self::Organizations { next } => (run.next_page, run.attempts) = (next, 0),
            Self::Unread(to) => {
                repository::forget_unread(conn, run.id, to)?;
                if repository::unread(conn, run.id, 1)?.is_empty() {
                    run.attempts = 0;
                }
            }
        }
        Ok(())
    }
}

impl<'a> Turn<'a> {
    pub(super) fn new(app: &'a App, lease: Lease<SourceId>, source: SourceRow, run: RunRow) -> Self {
        let url = source.content.url.clone();
        Self { app, lease, source, run, url }
    }

    /// Does something in a transaction in which the lease holds, and notes how the run then stands. [`Lost`] where it holds no more: then
    /// nothing is done.
    pub(super) async fn write<T: Send + 'static>(
        &mut self,
        act: impl Fn(&mut DbConn, &SourceRow, &mut RunRow, &Actor) -> Result<T> + Send + Sync + 'static,
    ) -> Result<Result<T, Lost>> {
        let run = self.run.clone();
        let written = self.lease.write(move |conn, source, now| {
            let (actor, mut run) = (actor(&source, &run, now), RunRow { updated_at: now, ..run.clone() });
            let given = act(conn, &source, &mut run, &actor)?;
            // Whoever ends a run takes the lease away with it: nothing of what was done stays, and the next look finds it lost.
            if repository::update_run(conn, &run)? { Ok((source, run, given)) } else { Err(Error::Busy) }
        });
        let (source, run, given) = match written.await? {
            Ok(written) => written,
            Err(lost) => return Ok(Err(lost)),
        };
        (self.source, self.run) = (source, run);
        Ok(Ok(given))
    }

    /// Begins to read records. Those that the partner has from this server are told of, and no more.
    async fn begin(&self, load: Load, records: Vec<Raw>) -> Result<Taken<vec::IntoIter<Raw>>> {
        let mut mapping = Mapping::hsds(&self.source.name);
        mapping.defaults.time_zone.clone_from(&self.source.content.time_zone);
        // A new importer each time: a list that shifts while it is read may give a record twice, and that is no fault of the record.
        let desk = Desk { importer: Importer::new(mapping), load };
        let (records, own) = own::told_apart(&self.app.db, records).await?;
        let mut taken = desk.take(&self.app.db, records.into_iter()).await?;
        taken.lines.extend(own);
        Ok(taken)
    }

    /// Reads records and writes what comes of them, with what is behind the run then. What is made of them may be many times larger than
    /// they are: so much as is written together is written before more is read.
    pub(super) async fn take(&mut self, load: Load, records: Vec<Raw>, behind: Behind) -> Result<Result<(), Lost>> {
        let mut count = i32::try_from(records.len()).unwrap_or(i32::MAX);
        let mut read = self.lease.held(self.begin(load, records)).await;
        loop {
            let Taken { mut desk, left, lines, mut batches } = match read {
                Ok(taken) => taken?,
                Err(lost) => return Ok(Err(lost)),
            };
            let kin = desk.importer.take_kin();
            let Some(records) = left else {
                batches.extend(desk.load.rest());
                return self.put(count, kin, desk.load.seen(), lines, batches, Some(behind)).await;
            };
            if let Err(lost) = self.put(std::mem::take(&mut count), kin, Vec::new(), lines, batches, None).await? {
                return Ok(Err(lost));
            }
            read = self.lease.held(desk.take(&self.app.db, records)).await;
        }
    }

    /// Writes what came of records: how many they are, which organizations are part of which, which services have been seen, what is told
    /// of them, and what is written.
    async fn put(
        &mut self,
        count: i32,
        kin: Kin,
        seen: Vec<ServiceId>,
        lines: Vec<Line>,
        batches: Vec<Batch>,
        behind: Option<Behind>,
    ) -> Result<Result<(), Lost>> {
        let note = move |conn: &mut DbConn, source: &SourceRow, run: &mut RunRow| {
            match run.kind {
                SourceRunKind::Pull => run.records = run.records.saturating_add(count),
                // Those that it listed are counted. What is asked for may turn out to be what it seemed to lack.
                SourceRunKind::Sweep => repository::forget_absences(conn, source.id, &seen)?,
            }
            repository::add_kin(conn, source.id, &kin)?;
            report(conn, run, &lines)
        };
        // A page that would keep others from writing is written in several parts, and is behind the run with the last of them.
        let mut note = Some(Arc::new(note));
        let mut batches = batches.into_iter().peekable();
        loop {
            let together: Arc<[Batch]> = batches.by_ref().take(MOST_TOGETHER).collect();
            let is_last = batches.peek().is_none();
            let (part, noted, behind) = (Arc::clone(&together), note.take(), behind.filter(|_| is_last));
            let told = noted.clone();
            let write = move |conn: &mut DbConn, source: &SourceRow, run: &mut RunRow, actor: &Actor| {
                told.iter().try_for_each(|note| note(conn, source, run))?;
                part.iter().try_for_each(|batch| add(conn, run, actor, batch))?;
                behind.map_or(Ok(()), |behind| behind.note(conn, run))
            };
            let written = match self.write(write).await {
                // A record clashes: one by one, so that only those that clash are refused.
                Err(Error::Duplicate { .. } | Error::Reference { .. }) => {
                    if let Some(note) = noted
                        && self.write(move |conn, source, run, _| note(conn, source, run)).await?.is_err()
                    {
                        return Ok(Err(Lost));
                    }
                    self.write_apart(&together, behind).await?
                }
                written => written?,
            };
            if written.is_err() || is_last {
                return Ok(written);
            }
        }
    }

    /// Writes records one by one, and reports those that are refused; then notes what is behind the run with the last of them.
    async fn write_apart(&mut self, batches: &[Batch], behind: Option<Behind>) -> Result<Result<(), Lost>> {
        for part in batches.iter().cloned().flat_map(Batch::split) {
            let one = part.clone();
            let written = match self.write(move |conn, _, run, actor| add(conn, run, actor, &one)).await {
                Err(fault) => {
                    let lines = part.refused(fault)?.lines;
                    self.write(move |conn, _, run, _| report(conn, run, &lines)).await?
                }
                Ok(written) => written,
            };
            if written.is_err() {
                return Ok(Err(Lost));
            }
        }
        match behind {
            Some(behind) => self.write(move |conn, _, run, _| behind.note(conn, run)).await,
            None => Ok(Ok(())),
        }
    }

    /// Notes what is to be asked for one by one, with the page that lists it, where that is behind the run then.
    pub(super) async fn put_off(&mut self, ids: Vec<String>, behind: Option<Behind>) -> Result<Result<(), Lost>> {
        self.write(move |conn, _, run, _| {
            repository::put_off(conn, run.id, &ids)?;
            behind.map_or(Ok(()), |behind| behind.note(conn, run))
        })
        .await
    }

    /// Notes what is to be said of no record.
    pub(super) async fn tell(&mut self, lines: Vec<Line>) -> Result<Result<(), Lost>> {
        self.write(move |conn, _, run, _| report(conn, run, &lines)).await
    }

    /// Makes services inactive that have vanished.
    pub(super) async fn retire(&mut self, ids: Vec<ServiceId>) -> Result<Result<(), Lost>> {
        self.write(move |conn, _, run, actor| {
            let lines = retire(conn, actor, &ids)?;
            report(conn, run, &lines)
        })
        .await
    }

    /// Ends the run: everything was read. Which organizations are part of which is said before, some at a time; what this run does not come
    /// to say is said by the next.
    pub(super) async fn complete(&mut self) -> Result<Result<(), Lost>> {
        loop {
            let url = self.url.clone();
            let written = self.write(move |conn, source, run, actor| {
                let kin = repository::take_kin(conn, source.id, kin::TOGETHER)?;
                let told = kin::join(conn, actor, source.organization_id, &source.name, &kin)?;
                report(conn, run, &told)?;
                if kin.len() >= kin::TOGETHER {
                    return Ok(false);
                }
                let after = SourceRow { pulled_to: worker::pulled_to(source, run, &url), ..source.after(run.kind, 0, actor.at) };
                (run.status, run.finished_at, run.attempts) = (SourceRunStatus::Completed, Some(actor.at), 0);
                repository::settle(conn, &after)?;
                repository::release(conn, source.id, after.wakes_at())?;
                Ok(true)
            });
            match written.await? {
                Ok(true) => return Ok(Ok(())),
                Ok(false) => {}
                Err(lost) => return Ok(Err(lost)),
            }
        }
    }
}

/// In whose name a run writes.
fn actor(source: &SourceRow, run: &RunRow, now: Instant) -> Actor {
    Actor {
        organization_id: Some(source.organization_id),
        client_id: Some(source.client_id),
        on_behalf_of: None,
        request_id: Some(run.id.to_string()),
        at: now,
    }
}

/// Writes a batch and reports it.
fn add(conn: &mut DbConn, run: &mut RunRow, actor: &Actor, batch: &Batch) -> Result<()> {
    let written = batch.write(conn, actor)?;
    run.organizations_created = run.organizations_created.saturating_add(i32::try_from(written.organizations_created).unwrap_or(i32::MAX));
    report(conn, run, &written.lines)
}

/// Counts records, and keeps what is to be said of them while there is room.
fn report(conn: &mut DbConn, run: &mut RunRow, lines: &[Line]) -> Result<()> {
    for line in lines {
        let count = match line.verdict {
            Verdict::Created => &mut run.created,
            Verdict::Updated => &mut run.updated,
            Verdict::Unchanged => &mut run.unchanged,
            Verdict::Refused => &mut run.refused,
            Verdict::Retired => &mut run.retired,
            Verdict::Noted => continue,
        };
        *count = count.saturating_add(1);
    }
    // What is said of records that were taken leaves room for those that were not.
    let (mut most_noted, mut most) = (room(MOST_LINES / 2, run.lines), room(MOST_LINES, run.lines));
    let (mut told, mut left_out) = (Vec::new(), 0_usize);
    for line in lines.iter().filter(|line| line.needs_a_word()) {
        let is_refused = line.verdict == Verdict::Refused;
        if most > 0 && (is_refused || most_noted > 0) {
            told.push(line.clone());
            most -= 1;
            most_noted = most_noted.saturating_sub(1);
        } else {
            left_out += 1;
        }
    }
    repository::insert_lines(conn, run.id, run.lines, &told)?;
    run.lines = run.lines.saturating_add(i32::try_from(told.len()).unwrap_or(i32::MAX));
    run.lines_left_out = run.lines_left_out.saturating_add(i32::try_from(left_out).unwrap_or(i32::MAX));
    Ok(())
}
