//! From a partner's lists into the directory.
//!
//! A worker takes a source for itself, for a short time, which every page that it writes prolongs, and a heartbeat while it waits for the
//! partner. It notes the page reached together with what was on it, so that whoever comes after it goes on behind. Where what was on it
//! takes more than one transaction, since a record clashes or the list gives ids alone, the page is noted after the last of them: whoever
//! comes after reads it once more, and what is written already is unchanged.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant as Moment};

use futures_util::{StreamExt as _, stream};
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;

use super::fetch::{Answer, Fetcher, Miss};
use super::model::{MOST_ATTEMPTS, RunRow, SourceRow, SourceRunError, SourceRunKind, SourceRunStatus, patience};
use super::pages::{self, Before, ListPage, MOST_PAGES};
use super::writing::{Reached, Turn};
use super::{Credentials, own, repository};
use crate::app::App;
use crate::auth::Scope;
use crate::auth::repository::find_standing;
use crate::background::{Lease, Lost};
use crate::clock::OVERLAP;
use crate::db::DbConn;
use crate::db::types::{Id, Instant};
use crate::error::{Chain, Error, Result};
use crate::http::json::{MOST_OF_LIST, MOST_OF_RECORD};
use crate::import::load::{BATCH, Load};
use crate::import::read::Raw;
use crate::kind::{ServiceId, SourceId};
use crate::outbound::address;

/// Services that are asked for one by one between two writes, and how many of them at once.
const ONE_BY_ONE: usize = 20;
const AT_ONCE: usize = 4;
/// A worker lets go of a source that takes longer, so that others get their turn.
const LONGEST_TURN: Duration = Duration::from_secs(60);
/// Lists of ids are read to their end, or not at all: in this time,
const LONGEST_LIST: Duration = Duration::from_secs(30 * 60);
/// with so many ids that are not known at most.
const MOST_UNKNOWN: usize = 1_000_000;
/// Bare ids on one page, at most: nothing of the page is noted before each of them has been asked for.
const MOST_BARE: usize = 10_000;
/// A partner is left alone for as long as it asks, up to this.
const LONGEST_REST: Duration = Duration::from_secs(6 * 3600);

/// Why a turn ended before its run did.
enum Stop {
    /// The partner could not be read.
    Miss(Miss),
    /// Another has taken over, or the run was ended.
    Lost,
    /// Others are to have their turn.
    Rest,
    /// The database.
    Error(Error),
}

impl From<Miss> for Stop {
    fn from(miss: Miss) -> Self {
        Self::Miss(miss)
    }
}
impl From<Lost> for Stop {
    fn from(Lost: Lost) -> Self {
        Self::Lost
    }
}
impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Reads what is due of a source. `goes_on` is asked between pages whether the process goes on.
pub(super) async fn serve(app: &App, worker: Id<()>, source: SourceId, goes_on: impl Fn() -> bool) -> Result<()> {
    let taken = Lease::take(&app.db, &app.clock, worker, source, begin).await?;
    let Some((lease, (source, run))) = taken else { return Ok(()) };
    let mut turn = Turn::new(app, lease, source, run);
    match read(&mut turn, goes_on).await {
        Ok(()) | Err(Stop::Lost) => Ok(()),
        Err(Stop::Rest) => {
            let _lost = turn.write(|conn, source, _, actor| repository::release(conn, source.id, Some(actor.at))).await?;
            Ok(())
        }
        Err(Stop::Miss(miss)) => give_way(&mut turn, miss).await,
        Err(Stop::Error(error)) => {
            log::error!("source {}: {}", turn.source.id, Chain(&error));
            give_way(&mut turn, Miss::new(SourceRunError::Internal, "this server failed; its log says why")).await
        }
    }
}

/// The source that was taken, with the run that is unfinished or due; where there is none, lets it sleep.
fn begin(conn: &mut DbConn, source: SourceRow, now: Instant) -> Result<Option<(SourceRow, RunRow)>> {
    let id = source.id;
    if let Some(run) = repository::unfinished(conn, id)? {
        match run.next_attempt_at.filter(|next| now < *next) {
            Some(next) => repository::release(conn, id, Some(next))?,
            None => {
                let run = RunRow { status: SourceRunStatus::Running, next_attempt_at: None, updated_at: now, ..run };
                return Ok(repository::update_run(conn, &run)?.then_some((source, run)));
            }
        }
        return Ok(None);
    }
    let (kind, due) = source.due();
    if source.wakes_at().is_none_or(|wakes| now < wakes) {
        repository::release(conn, id, source.wakes_at().map(|_| due))?;
        return Ok(None);
    }
    let run = RunRow::new(id, kind, false, source.pulled_before(now).filter(|_| kind == SourceRunKind::Pull), now);
    repository::insert_run(conn, &run)?;
    Ok(Some((source, run)))
}

/// Reads a run to its end.
async fn read(turn: &mut Turn<'_>, goes_on: impl Fn() -> bool) -> std::result::Result<(), Stop> {
    let (client, began) = (turn.source.client_id, Moment::now());
    let standing = turn.app.db.read(move |conn| find_standing(conn, client)).await?;
    if !standing.is_some_and(|standing| standing.is_active && standing.scopes.contains(Scope::ServicesWrite)) {
        return Err(Miss::new(SourceRunError::ClientDisabled, "the client that wrote the source may no longer write services").into());
    }
    let content = &turn.source.content;
    let base = address::parse(&content.url, turn.app.outbound.exceptions())
        .map_err(|(_, message)| Miss::new(SourceRunError::RefusedAddress, format!("the address {message}")))?;
    if own::is_address(turn.app.config.base_url.as_deref(), &base) {
        return Err(Miss::new(SourceRunError::RefusedAddress, "the address is of this server itself").into());
    }
    let credential = match &content.credential {
        None => None,
        Some(name) => {
            let credentials = Credentials::new(turn.app.config.source_credentials.clone());
            let found = credentials.find(name, turn.source.organization_id, &base);
            Some(found.map_err(|fault| Miss::new(SourceRunError::Credential, fault.to_string()))?)
        }
    };
    let config = &turn.app.config;
    let fetcher = Fetcher {
        client: Arc::clone(&turn.app.outbound),
        timeout: config.source_timeout,
        most: config.import_limit as usize,
        credential,
        token: Mutex::default(),
    };
    match turn.run.kind {
        SourceRunKind::Pull => pull(turn, &fetcher, &base, || goes_on() && began.elapsed() < LONGEST_TURN).await?,
        SourceRunKind::Sweep => sweep(turn, &fetcher, &base, goes_on).await?,
    }
    turn.complete().await??;
    Ok(())
}

/// Reads what has changed, page by page.
async fn pull(turn: &mut Turn<'_>, fetcher: &Fetcher, base: &Url, go_on: impl Fn() -> bool) -> std::result::Result<(), Stop> {
    let mut before = Before::default();
    loop {
        let number = turn.run.next_page;
        let asked = pages::changed(base, number, turn.run.modified_after);
        let (page, date) = turn.lease.held(list(fetcher, &asked, number, &mut before)).await??;
        // Places in the whole list are not known, so a record's is its place on the pages that were full before.
        let load = Load::piecemeal(turn.source.organization_id, &turn.source.name);
        let reached = Reached { page: number, date };
        if pages::are_whole(&page.records) {
            let records = page.records.into_iter().map(Ok);
            turn.take(load, numbered(turn.run.records, records), Some(reached)).await??;
        } else {
            let ids: Vec<String> = page.records.iter().filter_map(pages::id).filter(|id| pages::can_be_asked_for(id)).collect();
            if ids.len() > MOST_BARE {
                let detail = format!("GET {}: a page of more than {MOST_BARE} ids with nothing beside them", asked.path());
                return Err(Miss::new(SourceRunError::NotHsds, detail).into());
            }
            read_each(turn, fetcher, base, load, &ids).await?;
            turn.reach(reached).await??;
        }
        if page.is_last {
            return Ok(());
        }
        if !go_on() {
            return Err(Stop::Rest);
        }
    }
}

/// Reads every id: what is not known is fetched, what is missing once more often than it may be is retired.
async fn sweep(turn: &mut Turn<'_>, fetcher: &Fetcher, base: &Url, goes_on: impl Fn() -> bool) -> std::result::Result<(), Stop> {
    let (owner, name) = (turn.source.organization_id, turn.source.name.clone());
    let mut load = turn.lease.held(turn.app.db.read(move |conn| Load::open(conn, owner, &name))).await??;
    let (mut unknown, mut before, began) = (Vec::new(), Before::default(), Moment::now());
    for number in 1.. {
        let asked = pages::ids(base, number);
        let (page, _) = turn.lease.held(list(fetcher, &asked, number, &mut before)).await??;
        let listed = i32::try_from(page.records.len()).unwrap_or(i32::MAX);
        // Whatever is listed is there, also what is not read.
        let unseen = page.records.iter().filter_map(pages::id).filter(|id| !load.see(&pages::key(id)));
        unknown.extend(unseen.filter(|id| pages::can_be_asked_for(id)));
        turn.write(move |_, _, run, _| {
            // A sweep that was broken off began anew.
            run.records = if number == 1 { listed } else { run.records.saturating_add(listed) };
            Ok(())
        })
        .await??;
        if page.is_last {
            break;
        }
        if unknown.len() > MOST_UNKNOWN || began.elapsed() > LONGEST_LIST {
            return Err(Miss::new(SourceRunError::NotHsds, format!("GET {}: a list that does not end", asked.path())).into());
        }
        if !goes_on() {
            return Err(Stop::Rest);
        }
    }
    if load.is_hardly_full() {
        let detail = format!("it listed less than half of what was known: {} services would be missing", load.missing().len());
        return Err(Miss::new(SourceRunError::TooManyMissing, detail).into());
    }
    let missing = load.missing();
    let records = turn.run.records;
    let unknown = turn.lease.held(own::without(&turn.app.db, unknown)).await??;
    read_each(turn, fetcher, base, load, &unknown).await?;
    let gone = turn
        .write(move |conn, source, run, _| {
            run.records = records;
            let before = repository::absences(conn, source.id)?;
            // It may have been broken off behind this, and have begun anew.
            let one_more = i32::from(!run.has_counted);
            run.has_counted = true;
            let count = |id: &ServiceId| (*id, before.get(id).map_or(1, |sweeps| sweeps.saturating_add(one_more)));
            let (gone, absent): (Vec<_>, Vec<_>) =
                missing.iter().map(count).partition(|(_, sweeps)| *sweeps >= source.content.retire_after_sweeps);
            // Those that are to be retired stay counted until they are, in case this process does not come to it.
            repository::set_absences(conn, source.id, &absent.into_iter().chain(gone.iter().copied()).collect())?;
            Ok(gone.into_iter().map(|(id, _)| id).collect::<Vec<ServiceId>>())
        })
        .await??;
    for ids in gone.chunks(BATCH) {
        turn.retire(ids.to_vec()).await??;
    }
    Ok(())
}

/// Asks for services one by one, some at a time, and writes them. One that cannot be read is refused, and costs the run no more than
/// itself. Where they are most, and more than half as many as are asked for between two writes, the run stops. What was shown before it
/// stops is written.
async fn read_each(turn: &mut Turn<'_>, fetcher: &Fetcher, base: &Url, mut load: Load, ids: &[String]) -> std::result::Result<Load, Stop> {
    // What a sweep does not get is asked for by the next one. What a pull does not get is asked for only once it changes again.
    let is_patient = turn.run.kind == SourceRunKind::Pull && turn.run.attempts + 1 < MOST_ATTEMPTS;
    let (mut asked, mut missed) = (0, 0);
    for ids in ids.chunks(ONE_BY_ONE) {
        let mut answers = turn.lease.held(ask(fetcher, base, ids)).await?;
        let misses: Vec<&Miss> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
        asked += ids.len();
        missed += misses.len();
        // A few say nothing of the others.
        let is_most = missed * 2 > asked.max(ONE_BY_ONE);
        let stops = |miss: &Miss| miss.is_of_all() || is_most || is_patient && miss.passes();
        let stop = misses.into_iter().find(|miss| stops(miss)).cloned();
        if stop.is_some() {
            // Those that failed are asked for again.
            answers.retain(std::result::Result::is_ok);
        }
        let found = answers.into_iter().map(|answer| answer.map_err(|miss| miss.detail));
        load = turn.take(load, numbered(turn.run.records, found), None).await??;
        if let Some(miss) = stop {
            return Err(miss.into());
        }
    }
    Ok(load)
}

/// What the partner says of these services, as far as it shows them, and up to an answer that says that it answers none.
async fn ask(fetcher: &Fetcher, base: &Url, ids: &[String]) -> Vec<std::result::Result<Value, Miss>> {
    let answers = stream::iter(ids).map(|id| async move { fetcher.get(&pages::one(base, id), MOST_OF_RECORD).await });
    let mut answers = pin!(answers.buffered(AT_ONCE));
    let mut came = Vec::new();
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(Answer { value, .. }) => came.push(Ok(value)),
            // It vanished between the list and now; the next sweep will say so.
            Err(miss) if miss.is_absent() => {}
            Err(miss) => {
                let is_of_all = miss.is_of_all();
                came.push(Err(miss));
                if is_of_all {
                    break;
                }
            }
        }
    }
    came
}

/// Records, or why they could not be read, with their places, after so many.
fn numbered(after: i32, records: impl IntoIterator<Item = std::result::Result<Value, String>>) -> Vec<Raw> {
    let first = u64::from(after.unsigned_abs()) + 1;
    (first..).zip(records).map(|(position, value)| Raw::new(position, value)).collect()
}

/// A page of a list, and the partner's clock; `before` is what is known of the pages before, and then of this one too.
async fn list(fetcher: &Fetcher, url: &Url, number: i32, before: &mut Before) -> std::result::Result<(ListPage, Option<Instant>), Miss> {
    if number > MOST_PAGES {
        return Err(Miss::new(SourceRunError::NotHsds, format!("GET {}: a list that does not end", url.path())));
    }
    let Answer { value, date } = fetcher.get(url, MOST_OF_LIST).await?;
    let page = pages::read(value, number);
    let page = page.ok_or_else(|| Miss::new(SourceRunError::NotHsds, format!("GET {}: the answer is no page of HSDS", url.path())))?;
    if !page.follows(number, before) {
        let detail = format!("GET {}: asked for page {number}, the partner sent another page, or the one before again", url.path());
        return Err(Miss::new(SourceRunError::PageRepeated, detail));
    }
    Ok((page, date))
}

/// Up to which moment of the partner's clock the source has been pulled once a run is completed that read this address.
pub(super) fn pulled_to(source: &SourceRow, run: &RunRow, url: &str) -> Option<Instant> {
    match run.kind {
        // Of another address that the source has by now nothing has been read.
        _ if source.content.url != url => source.pulled_to,
        // The partner's clocks may differ among each other too.
        SourceRunKind::Pull => {
            let reached = run.as_of.map(|as_of| as_of.plus(-OVERLAP));
            // Where everything was asked for, nothing that was noted before says more.
            if run.modified_after.is_none() { reached } else { reached.max(source.pulled_to) }
        }
        SourceRunKind::Sweep => source.pulled_to,
    }
}

/// Lets the run wait where trying again may help, and gives it up where it does not.
async fn give_way(turn: &mut Turn<'_>, miss: Miss) -> Result<()> {
    let first = turn.app.config.source_retry;
    log::warn!("source {}: {} ({})", turn.source.id, miss.detail, miss.error);
    let given = turn.write(move |conn, source, run, actor| {
        run.attempts = run.attempts.saturating_add(1);
        (run.error, run.error_detail) = (Some(miss.error), Some(miss.detail.clone()));
        if miss.passes() && run.attempts < MOST_ATTEMPTS {
            let wait = patience(first, run.attempts).max(miss.retry_after.unwrap_or_default()).min(LONGEST_REST);
            let next = actor.at.plus(chrono::Duration::from_std(wait).map_err(Error::internal)?);
            (run.status, run.next_attempt_at) = (SourceRunStatus::Waiting, Some(next));
            return repository::release(conn, source.id, Some(next));
        }
        (run.status, run.finished_at) = (SourceRunStatus::Failed, Some(actor.at));
        let after = source.after(run.kind, source.failures.saturating_add(1), actor.at);
        repository::settle(conn, &after)?;
        repository::release(conn, source.id, after.wakes_at())
    });
    // Where another has taken over it will find out by itself.
    let _lost = given.await?;
    Ok(())
}
