//! Leases: work that any process may do, and one does at a time.
//!
//! A row says who is at it and until when. Each transaction that writes prolongs that, whoever reads or waits for longer prolongs it
//! [meanwhile](Lease::held), and whoever comes after one that has died goes on. Where a transaction that writes takes longer, the row
//! that it has written keeps others away. Which rows have something to do, and what else is noted as one is taken or let go, is said where
//! their queries are.

use std::cell::Cell;
use std::fmt::Debug;
use std::pin::pin;
use std::time::{Duration, Instant as Moment};

use futures_util::future::{Either, select};
use tokio::time::{sleep, sleep_until, timeout_at};

use crate::clock::Clock;
use crate::db::types::{Id, Instant};
use crate::db::{Db, DbConn};
use crate::error::{Chain, Result};

/// For how long work is taken.
const LEASE: Duration = Duration::from_secs(10);
/// So many times in that it is prolonged where nothing is written.
const BEATS: u32 = 5;
/// So many times in that it is tried again where the database refuses.
const TRIES: u32 = 20;

/// What is taken: the key of a row that says who is at it.
pub trait Leased: Copy + Debug + Send + Sync + 'static {
    /// What it is the key of, for the log.
    const WHAT: &'static str;

    /// The row as it stands, or what matters of it.
    type Row;

    /// Makes `worker` the one who is at it until `until`; `None` where there is nothing to do or another is.
    fn take(self, conn: &mut DbConn, worker: Id<()>, now: Instant, until: Instant) -> Result<Option<Self::Row>>;

    /// Prolongs that; `None` where another has taken over, or the work was ended. Nobody else changes the row until the transaction ends.
    fn prolong(self, conn: &mut DbConn, worker: Id<()>, until: Instant) -> Result<Option<Self::Row>>;
}

/// Whoever worked goes on no more: another has taken over, the work was ended, or nobody can say that it was not.
#[derive(Debug)]
pub struct Lost;

/// Work that this process has taken.
pub struct Lease<K> {
    db: Db,
    clock: Clock,
    worker: Id<()>,
    of: K,
    /// When it was last prolonged.
    prolonged: Cell<Moment>,
}

impl<K: Leased> Lease<K> {
    /// Takes it, and begins in the same transaction; with what `begin` gives back. `None` where there is nothing to do, as far as the row or
    /// `begin` says, or another is at it.
    pub async fn take<T: Send + 'static>(
        db: &Db,
        clock: &Clock,
        worker: Id<()>,
        of: K,
        begin: impl Fn(&mut DbConn, K::Row, Instant) -> Result<Option<T>> + Send + 'static,
    ) -> Result<Option<(Self, T)>> {
        let (db, clock, time) = (db.clone(), clock.clone(), clock.clone());
        let begun = db.write(move |conn| {
            let (prolonged, now) = (Moment::now(), time.now());
            let Some(row) = of.take(conn, worker, now, leased_from(now))? else { return Ok(None) };
            Ok(begin(conn, row, now)?.map(|begun| (prolonged, begun)))
        });
        let Some((prolonged, begun)) = begun.await? else { return Ok(None) };
        Ok(Some((Self { db, clock, worker, of, prolonged: Cell::new(prolonged) }, begun)))
    }

    /// Does what takes a while beside the writing, and prolongs the lease meanwhile. Once it is lost, or has run out because it could not be
    /// prolonged, the work is given up where it is.
    pub async fn held<T>(&self, work: impl Future<Output = T>) -> Result<T, Lost> {
        let prolong = || async move {
            let (of, worker, clock) = (self.of, self.worker, self.clock.clone());
            let prolong = move |conn: &mut DbConn| of.prolong(conn, worker, leased_from(clock.now())).map(|row| row.is_some());
            let is_held = self.db.write_patiently(prolong).await;
            is_held.inspect_err(|error| log::warn!("the lease of {} {of:?} was not prolonged: {}", K::WHAT, Chain(error)))
        };
        held(work, &self.prolonged, LEASE, prolong).await
    }

    /// Does something in a transaction that prolongs the lease, with the row and the time; again where the database was busy. [`Lost`]
    /// where the lease is: then nothing is done.
    pub async fn write<T: Send + 'static>(
        &self,
        act: impl Fn(&mut DbConn, K::Row, Instant) -> Result<T> + Send + Sync + 'static,
    ) -> Result<Result<T, Lost>> {
        let (of, worker, clock) = (self.of, self.worker, self.clock.clone());
        let written = self.db.write_patiently(move |conn| {
            let (mut prolonged, now) = (Moment::now(), clock.now());
            let Some(row) = of.prolong(conn, worker, leased_from(now))? else { return Ok(None) };
            let done = act(conn, row, now)?;
            if prolonged.elapsed() > LEASE / BEATS {
                // Where the row was let go of this finds nothing to prolong.
                prolonged = Moment::now();
                of.prolong(conn, worker, leased_from(clock.now()))?;
            }
            Ok(Some((done, prolonged)))
        });
        let Some((done, prolonged)) = written.await? else { return Ok(Err(Lost)) };
        self.prolonged.set(prolonged);
        Ok(Ok(done))
    }
}

/// Until when work is taken that is taken now.
fn leased_from(now: Instant) -> Instant {
    now.plus(chrono::Duration::from_std(LEASE).unwrap_or_default())
}

/// Works for as long as a lease of this length holds, as far as is known: it is prolonged each time that a beat has passed since it last was.
async fn held<T, F: Future<Output = Result<bool>>>(
    work: impl Future<Output = T>,
    prolonged: &Cell<Moment>,
    length: Duration,
    prolong: impl Fn() -> F,
) -> Result<T, Lost> {
    let beat = length / BEATS;
    let insist = async || loop {
        let began = Moment::now();
        match prolong().await {
            Ok(true) => {
                prolonged.set(began);
                return true;
            }
            Ok(false) => return false,
            Err(_) => sleep(length / TRIES).await,
        }
    };
    let beats = async {
        loop {
            // What is written meanwhile prolongs it too.
            while prolonged.get().elapsed() < beat {
                sleep_until((prolonged.get() + beat).into()).await;
            }
            let end = prolonged.get() + length;
            if !matches!(timeout_at(end.into(), insist()).await, Ok(true)) {
                return;
            }
        }
    };
    match select(pin!(work), pin!(beats)).await {
        Either::Left((done, _)) => Ok(done),
        Either::Right(_) => Err(Lost),
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;
    use crate::error::Error;

    #[actix_web::test]
    async fn a_lease_is_prolonged_until_the_work_is_done_and_the_work_given_up_once_it_is_lost() {
        let (tries, began, length) = (Cell::new(0), Moment::now(), Duration::from_secs(1));
        let prolonged = Cell::new(began);
        let prolong = |most: i32| {
            tries.set(tries.get() + 1);
            ready(if tries.get() == 2 { Err(Error::Busy) } else { Ok(tries.get() < most) })
        };
        let work = async {
            while tries.get() < 3 {
                sleep(length / TRIES).await;
            }
            "done"
        };
        assert_eq!(held(work, &prolonged, length, || prolong(9)).await.unwrap(), "done", "nobody else was let at it");
        assert!(prolonged.get() >= began + length / BEATS);
        let ended = held(pending::<()>(), &prolonged, length, || prolong(5)).await;
        assert!(ended.is_err() && tries.get() >= 5, "{ended:?} after {}", tries.get());
    }

    #[actix_web::test]
    async fn work_is_given_up_once_its_lease_has_run_out_whatever_kept_it_from_being_prolonged() {
        let length = Duration::from_millis(50);
        let began = Moment::now();
        let refused = held(pending::<()>(), &Cell::new(began), length, || ready(Err(Error::Busy))).await;
        assert!(refused.is_err() && began.elapsed() >= length, "{:?}", began.elapsed());
        let began = Moment::now();
        let unanswered = held(pending::<()>(), &Cell::new(began), length, pending::<Result<bool>>).await;
        assert!(unanswered.is_err() && began.elapsed() >= length, "{:?}", began.elapsed());
    }
}
