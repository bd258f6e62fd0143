//! From a partner's lists into the directory.
//!
//! A worker takes a source for itself, for a short time, which every page that it writes prolongs, and a heartbeat while it waits for the
//! partner. It notes the page reached together with what was on it, so that whoever comes after it goes on behind. Where what was on it
//! takes more than one transaction, since a record clashes, the page is noted after the last of them: whoever comes after reads it once
//! more, and what is written already is unchanged. Where a list gives ids alone they are noted, to be asked for one by one, and each is
//! taken away with what came of it; so it is with [`organizations`].

use std::cell::Cell;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant as Moment};

use futures_util::{StreamExt as _, stream};
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;

use super::fetch::{Answer, Fetcher, Miss};
use super::model::{MOST_ATTEMPTS, RunRow, SourceRow, SourceRunError, SourceRunKind, SourceRunStatus, Unread, patience};
use super::pages::{self, Before, ListPage, MOST_PAGES};
use super::writing::{Behind, Reached, Turn};
use super::{Credentials, organizations, own, repository};
use crate::app::App;
use crate::auth::Scope;
use crate::auth::repository::find_standing;
use crate::background::{Lease, Lost};
use crate::changes::Actor;
use crate::clock::OVERLAP;
use crate::db::DbConn;
use crate::db::types::{Id, Instant};
use crate::error::{Chain, Error, Result};
use crate::http::json::MOST_OF_LIST;
use crate::import::load::{BATCH, Load};
use crate::import::read::Raw;
use crate::kind::{ServiceId, SourceId};
use crate::outbound::address;

/// Records that are asked for one by one between two writes, and how many of them at once.
const ONE_BY_ONE: usize = 20;
const AT_ONCE: usize = 4;
/// Once so many bytes of them have come they are written before others are asked for.
const MOST_HELD: usize = 4 << 20;
/// A worker lets go of a source that takes longer, so that others get their turn.
const LONGEST_TURN: chrono::Duration = chrono::Duration::minutes(1);
/// Lists of ids are read to their end, or not at all: in this time,
const LONGEST_LIST: Duration = Duration::from_secs(30 * 60);
/// with so many ids that are not known at most.
const MOST_UNKNOWN: usize = 200_000;
/// Of these so many are noted in one transaction.
const NOTED: usize = 5_000;
/// Bare ids on one page, at most: they are noted together with it.
pub(super) const MOST_BARE: usize = 10_000;
/// A partner is left alone for as long as it asks, up to this.
const LONGEST_REST: Duration = Duration::from_secs(6 * 3600);

/// Why a turn ended before its run did.
pub(super) enum Stop {
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
    // On the heap, as its parts are: in one piece it is more than the stack of a thread holds.
    match Box::pin(read(&mut turn, goes_on)).await {
        Ok(()) | Err(Stop::Lost) => Ok(()),
        Err(Stop::Rest) => {
            let rest = |conn: &mut DbConn, source: &SourceRow, run: &mut RunRow, actor: &Actor| {
                // It did not fail.
                run.attempts = run.attempts.saturating_sub(1);
                repository::release(conn, source.id, Some(actor.at))
            };
            let _lost = turn.write(rest).await?;
            Ok(())
        }
        Err(Stop::Miss(miss)) => give_way(&mut turn, miss).await,
        Err(Stop::Error(error)) => {
            log::error!("source {}: {}", turn.source.id, Chain(&error));
            give_way(&mut turn, Miss::new(SourceRunError::Internal, "this server failed; its log says why")).await
        }
    }
}

/// The source that was taken, with the run that is unfinished or due; where there is none, lets it sleep. What is not to be read any more
/// is not, whatever run of it is there still.
fn begin(conn: &mut DbConn, source: SourceRow, now: Instant) -> Result<Option<(SourceRow, RunRow)>> {
    let id = source.id;
    if source.wakes_at().is_none() {
        repository::end_run(conn, &source, "the source is paused, or was deleted", now)?;
        return Ok(None);
    }
    let run = match repository::unfinished(conn, id)? {
        Some(RunRow { next_attempt_at: Some(next), .. }) if now < next => {
            repository::release(conn, id, Some(next))?;
            return Ok(None);
        }
        Some(run) => run,
        None => {
            let (kind, due) = source.due();
            if now < due {
                repository::release(conn, id, Some(due))?;
                return Ok(None);
            }
            let run = RunRow::new(id, kind, false, source.pulled_before(now).filter(|_| kind == SourceRunKind::Pull), now);
            repository::insert_run(conn, &run)?;
            run
        }
    };
    // An attempt counts from its beginning: a process that dies of it says nothing at its end.
    let attempts = run.attempts.saturating_add(1);
    let mut run = RunRow { status: SourceRunStatus::Running, next_attempt_at: None, updated_at: now, attempts, ..run };
    let is_deadly = attempts > MOST_ATTEMPTS;
    if is_deadly {
        let detail = format!("{MOST_ATTEMPTS} times in a row whoever read it came to no end; the log of this server may say why");
        log::error!("source {id}: {detail}");
        (run.error, run.error_detail) = (Some(SourceRunError::Internal), Some(detail));
        give_up(conn, &source, &mut run, now)?;
    }
    let is_open = repository::update_run(conn, &run)?;
    Ok((is_open && !is_deadly).then_some((source, run)))
}

/// Ends a run that has failed, and says when the source is due again.
fn give_up(conn: &mut DbConn, source: &SourceRow, run: &mut RunRow, now: Instant) -> Result<()> {
    (run.status, run.finished_at) = (SourceRunStatus::Failed, Some(now));
    let after = source.after(run.kind, source.failures.saturating_add(1), now);
    repository::settle(conn, &after)?;
    repository::release(conn, source.id, after.wakes_at())
}

/// Reads a run to its end.
async fn read(turn: &mut Turn<'_>, goes_on: impl Fn() -> bool) -> std::result::Result<(), Stop> {
    let (client, clock) = (turn.source.client_id, turn.app.clock.clone());
    let until = clock.now().plus(LONGEST_TURN);
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
    let has_time = || goes_on() && clock.now() < until;
    if turn.run.kind == SourceRunKind::Pull {
        Box::pin(pull(turn, &fetcher, &base, has_time)).await?;
    } else {
        if !turn.run.has_listed {
            Box::pin(list_ids(turn, &fetcher, &base, &goes_on)).await?;
        }
        // Its pages are those of organizations, to which it comes once all else is done.
        if turn.run.next_page == 1 {
            Box::pin(read_each(turn, &fetcher, &base, &has_time)).await?;
            retire_absent(turn).await?;
        }
        Box::pin(organizations::read(turn, &fetcher, &base, has_time)).await?;
    }
    turn.complete().await??;
    Ok(())
}

/// Reads what has changed, page by page.
async fn pull(turn: &mut Turn<'_>, fetcher: &Fetcher, base: &Url, has_time: impl Fn() -> bool) -> std::result::Result<(), Stop> {
    let mut before = Before::default();
    loop {
        Box::pin(read_each(turn, fetcher, base, &has_time)).await?;
        if turn.run.has_listed {
            return Ok(());
        }
        let number = turn.run.next_page;
        let asked = pages::changed(base, number, turn.run.modified_after);
        let (page, date) = turn.lease.held(list(fetcher, &asked, number, &mut before)).await??;
        let behind = Behind::Page(Reached { page: number, is_last: page.is_last, date });
        if pages::are_whole(&page.records) {
            // Places in the whole list are not known, so a record's is its place on the pages that were full before.
            let load = Load::piecemeal(turn.source.organization_id, &turn.source.name);
            let records = page.records.into_iter().map(Ok);
            turn.take(load, numbered(turn.run.records, records), behind).await??;
        } else {
            let ids: Vec<String> = page.records.iter().filter_map(pages::id).filter(|id| pages::can_be_asked_for(id)).collect();
            if ids.len() > MOST_BARE {
                let detail = format!("GET {}: a page of more than {MOST_BARE} ids with nothing beside them", asked.path());
                return Err(Miss::new(SourceRunError::NotHsds, detail).into());
            }
            turn.put_off(ids, Some(behind)).await??;
        }
        if !(turn.run.has_listed || has_time()) {
            return Err(Stop::Rest);
        }
    }
}

/// Reads every id: notes what is to be asked for, and counts what is missing. It does so in one turn, for what it has seen is in memory
/// alone.
async fn list_ids(turn: &mut Turn<'_>, fetcher: &Fetcher, base: &Url, goes_on: impl Fn() -> bool) -> std::result::Result<(), Stop> {
    let (owner, name) = (turn.source.organization_id, turn.source.name.clone());
    let mut load = turn.lease.held(turn.app.db.read(move |conn| Load::open(conn, owner, &name))).await??;
    let (mut unknown, mut before, began) = (0, Before::default(), Moment::now());
    // Of which it may turn out, once the others have been asked for, that the partner has them.
    let mut absent = Vec::new();
    for number in 1.. {
        let asked = pages::ids(base, number);
        let (page, _) = turn.lease.held(list(fetcher, &asked, number, &mut before)).await??;
        let listed = i32::try_from(page.records.len()).unwrap_or(i32::MAX);
        let ids = page.records.iter().filter_map(pages::id).collect();
        let (own, others) = turn.lease.held(own::ids_apart(&turn.app.db, ids)).await??;
        // What was made of a service of this server before anybody saw that it is one is nothing that the partner has.
        absent.extend(own.iter().flat_map(|id| pages::keys(id)).filter_map(|key| load.disown(&key)));
        let unseen: Vec<String> = others.into_iter().filter(|id| !see(&mut load, id, &mut absent)).collect();
        turn.write(move |conn, _, run, _| {
            if number > 1 {
                run.records = run.records.saturating_add(listed);
                return Ok(());
            }
            // A list that was broken off begins anew.
            run.records = listed;
            repository::forget_unread(conn, run.id, i32::MAX)
        })
        .await??;
        unknown += unseen.len();
        if unknown > MOST_UNKNOWN {
            let detail = format!("GET {}: a list of more than {MOST_UNKNOWN} ids that are not known", asked.path());
            return Err(Miss::new(SourceRunError::NotHsds, detail).into());
        }
        for ids in unseen.chunks(NOTED) {
            turn.put_off(ids.to_vec(), None).await??;
        }
        if page.is_last {
            break;
        }
        if began.elapsed() > LONGEST_LIST {
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
    absent.extend(load.missing());
    turn.write(move |conn, source, run, _| {
        run.has_listed = true;
        let before = repository::absences(conn, source.id)?;
        let count = |id: &ServiceId| (*id, before.get(id).map_or(1, |sweeps| sweeps.saturating_add(1)));
        repository::set_absences(conn, source.id, &absent.iter().map(count).collect())
    })
    .await??;
    Ok(())
}

/// Notes that the partner lists this id: whatever is listed is there, also what is not read. False where it is to be asked for, to learn
/// which service it is, for none is known or two are: one as it was while the record seemed to be an organization. Either may be `absent`.
fn see(load: &mut Load, id: &str, absent: &mut Vec<ServiceId>) -> bool {
    let keys = pages::keys(id);
    let known: Vec<ServiceId> = keys.iter().filter_map(|key| load.present(key)).collect();
    keys.iter().for_each(|key| load.see(key));
    if known.len() == 1 || !pages::can_be_asked_for(id) {
        return true;
    }
    absent.extend(known);
    false
}

/// Makes services inactive that so many sweeps in a row have lacked. They stay counted until they are, in case this process does not come
/// to it.
async fn retire_absent(turn: &mut Turn<'_>) -> std::result::Result<(), Stop> {
    let gone = turn.write(|conn, source, _, _| repository::long_absent(conn, source.id, source.content.retire_after_sweeps)).await??;
    for ids in gone.chunks(BATCH) {
        turn.retire(ids.to_vec()).await??;
    }
    Ok(())
}

/// Asks one by one, some at a time, for what was noted, and writes it. One that cannot be read is refused, and costs the run no more than
/// itself. Where they are most, and more than half as many as are asked for between two writes, the run stops. What was shown before it
/// stops is written.
async fn read_each(turn: &mut Turn<'_>, fetcher: &Fetcher, base: &Url, has_time: impl Fn() -> bool) -> std::result::Result<(), Stop> {
    // What a sweep does not get is asked for by the next one. What a pull does not get is asked for only once it changes again.
    let is_patient = turn.run.kind == SourceRunKind::Pull && turn.run.attempts < MOST_ATTEMPTS;
    let mut tally = Tally::default();
    loop {
        let unread = next_unread(turn).await?;
        if unread.is_empty() {
            return Ok(());
        }
        if tally.asked > 0 && !has_time() {
            return Err(Stop::Rest);
        }
        let urls: Vec<Url> = unread.iter().map(|one| pages::one(base, &one.record_id)).collect();
        let mut answers = turn.lease.held(ask(fetcher, &urls)).await?;
        tally.add(&answers);
        let is_most = tally.is_of_most();
        let stops = |miss: &Miss| miss.is_of_all() || is_most || is_patient && miss.passes();
        let end = answers.iter().position(|answer| answer.as_ref().is_err_and(&stops)).unwrap_or(answers.len());
        // That one is asked for again, and so is what came behind it.
        let stop = answers.drain(end..).next();
        take_each(turn, &unread, answers).await?;
        if let Some(Err(miss)) = stop {
            return Err(miss.into());
        }
    }
}

/// Writes what the partner has answered to the first of these questions, and takes them away.
async fn take_each(turn: &mut Turn<'_>, unread: &[Unread], answers: Vec<Asked>) -> std::result::Result<(), Stop> {
    let (Some(first), Some(last)) = (unread.first(), unread.iter().take(answers.len()).next_back()) else { return Ok(()) };
    let mut load = Load::piecemeal(turn.source.organization_id, &turn.source.name);
    // What cannot be read is there still, under whatever key.
    let failed = unread.iter().zip(&answers).filter(|(_, answer)| answer.is_err());
    failed.flat_map(|(one, _)| pages::keys(&one.record_id)).for_each(|key| load.see(&key));
    let after = match turn.run.kind {
        SourceRunKind::Pull => turn.run.records,
        // Those that were listed are counted already.
        SourceRunKind::Sweep => turn.run.records.saturating_add(first.number - 1),
    };
    let found = answers.into_iter().filter_map(|answer| answer.map_err(|miss| miss.detail).transpose());
    turn.take(load, numbered(after, found), Behind::Unread(last.number)).await??;
    Ok(())
}

/// The first of what was noted and is still to be asked for, as many as are asked for between two writes.
pub(super) async fn next_unread(turn: &Turn<'_>) -> std::result::Result<Vec<Unread>, Stop> {
    let run = turn.run.id;
    Ok(turn.lease.held(turn.app.db.read(move |conn| repository::unread(conn, run, ONE_BY_ONE as i64))).await??)
}

/// A record as the partner shows it; `None` where there is none any more.
type Asked = std::result::Result<Option<Value>, Miss>;

/// How many records were asked for one by one, and how many of these could not be read.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) asked: usize,
    missed: usize,
}

impl Tally {
    pub(super) fn add(&mut self, answers: &[Asked]) {
        self.asked += answers.len();
        self.missed += answers.iter().filter(|answer| answer.is_err()).count();
    }

    /// Whether most could not be read. A few say nothing of the others.
    pub(super) fn is_of_most(&self) -> bool {
        self.missed * 2 > self.asked.max(ONE_BY_ONE)
    }
}

/// What the partner says of these records, in their order, up to as much as is held at a time, or up to an answer that says that it answers
/// none.
pub(super) async fn ask(fetcher: &Fetcher, urls: &[Url]) -> Vec<Asked> {
    let held = Cell::new(0);
    let asked = urls.iter().take_while(|_| held.get() < MOST_HELD);
    let answers = stream::iter(asked).map(|url| async move { fetcher.get_record(url).await });
    let mut answers = pin!(answers.buffered(AT_ONCE));
    let mut came = Vec::new();
    while let Some(answer) = answers.next().await {
        match answer {
            Ok((value, length)) => {
                held.set(held.get() + length);
                came.push(Ok(Some(value)));
            }
            // It vanished between the list and now; the next sweep will say so.
            Err(miss) if miss.is_absent() => came.push(Ok(None)),
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
pub(super) async fn list(
    fetcher: &Fetcher,
    url: &Url,
    number: i32,
    before: &mut Before,
) -> std::result::Result<(ListPage, Option<Instant>), Miss> {
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
        // Where a page has come since it began, this is the first that fails.
        run.attempts = run.attempts.max(1);
        (run.error, run.error_detail) = (Some(miss.error), Some(miss.detail.clone()));
        if miss.passes() && run.attempts < MOST_ATTEMPTS {
            let wait = patience(first, run.attempts).max(miss.retry_after.unwrap_or_default()).min(LONGEST_REST);
            let next = actor.at.plus(chrono::Duration::from_std(wait).map_err(Error::internal)?);
            (run.status, run.next_attempt_at) = (SourceRunStatus::Waiting, Some(next));
            return repository::release(conn, source.id, Some(next));
        }
        give_up(conn, source, run, actor.at)
    });
    // Where another has taken over it will find out by itself.
    let _lost = given.await?;
    Ok(())
}
