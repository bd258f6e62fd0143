//! Counting in the background, by one process at a time.
//!
//! Whoever counts reads in the journal which referrals have moved, and notes whom they ask; then it counts anew for each of those, from
//! its latest referrals. Both are safe to repeat, so that a process may end anywhere between. Time moves figures too, as referrals grow
//! old and fall due: where there are enough referrals for anything to be shown, they are counted once a day in any case.

use std::time::Duration;

use chrono::Days;

use super::course::course;
use super::model::{Figures, LEAST_REFERRALS, WINDOW_DAYS};
use super::repository::{self, FiguresRow, Subject};
use crate::app::{App, State};
use crate::background::Lease;
use crate::changes::places::{self, Work};
use crate::changes::{self, Entry, Position};
use crate::db::DbConn;
use crate::db::types::{Id, Instant};
use crate::error::{Chain, Result};
use crate::kind::{ReferralId, ResourceType};

/// How often a process looks.
const LOOK: Duration = Duration::from_secs(60);
/// Entries of the journal that are read in one go.
const ENTRIES: i64 = 1_000;
/// Subjects that are counted in one go.
const SUBJECTS: i64 = 20;

/// Counts all that is due, unless another process is at it, and takes into memory what was counted.
pub async fn refresh(app: &App, worker: Id<()>) -> Result<()> {
    let taken = Lease::take(&app.db, &app.clock, worker, Work::Responsiveness, |_, place, _| Ok(Some(place))).await?;
    if let Some((lease, place)) = taken {
        if follow(app, &lease, place).await? {
            count(app, &lease).await?;
        }
        app.db.write(move |conn| places::let_go(conn, Work::Responsiveness, worker)).await?;
    }
    app.db
        .read({
            let known = app.responsiveness.clone();
            move |conn| known.refresh(conn)
        })
        .await
}

/// Does so for as long as the process runs.
pub async fn keep_refreshing(app: State) {
    let worker = Id::generate();
    loop {
        if let Err(error) = refresh(&app, worker).await {
            log::warn!("how referrals are answered was not counted: {}", Chain(&error));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Notes whom the referrals ask that have moved; false where another counts now.
async fn follow(app: &App, lease: &Lease<Work>, mut place: Position) -> Result<bool> {
    loop {
        let now = app.clock.now();
        let moved = app.db.read(move |conn| {
            let entries = changes::after(conn, place, &[ResourceType::ReferralTransition], ENTRIES)?;
            let mut ids: Vec<ReferralId> = entries.iter().filter_map(|entry| entry.referral_id).collect();
            ids.sort_unstable();
            ids.dedup();
            Ok((entries.last().map(Entry::position), repository::asked_by(conn, &ids)?))
        });
        let Ok(moved) = lease.held(moved).await else { return Ok(false) };
        let (Some(reached), subjects) = moved? else { return Ok(true) };
        let noted = lease.write(move |conn, _, _| {
            places::move_on(conn, Work::Responsiveness, reached)?;
            repository::ask_for(conn, subjects.iter().copied(), now)
        });
        if noted.await?.is_err() {
            return Ok(false);
        }
        place = reached;
    }
}

/// Counts for all for whom that is due.
async fn count(app: &App, lease: &Lease<Work>) -> Result<()> {
    loop {
        let now = app.clock.now();
        let counted = app.db.read(move |conn| {
            let due = repository::due(conn, now, SUBJECTS)?;
            due.into_iter().map(|row| Ok((figures(conn, row.subject(), now)?, row))).collect::<Result<Vec<_>>>()
        });
        let Ok(counted) = lease.held(counted).await else { return Ok(()) };
        let counted: Vec<((Figures, bool), FiguresRow)> = counted?;
        if counted.is_empty() {
            return Ok(());
        }
        let noted = lease.write(move |conn, _, _| {
            for ((figures, is_daily), row) in &counted {
                let tomorrow = is_daily.then(|| now.plus(chrono::Duration::days(1)));
                repository::set(conn, row, *figures, now, tomorrow)?;
            }
            Ok(())
        });
        if noted.await?.is_err() {
            return Ok(());
        }
    }
}

/// The figures as of a moment, and whether time alone may change what is shown of them: not while all referrals together are too few.
fn figures(conn: &mut DbConn, subject: Subject, now: Instant) -> Result<(Figures, bool)> {
    let since = now.utc().checked_sub_days(Days::new(WINDOW_DAYS.unsigned_abs().into())).map_or(now, Instant::from_utc);
    let latest = repository::latest(conn, subject, since)?;
    let courses: Vec<_> = latest.iter().map(|(sent, steps)| course(sent, steps, now)).collect();
    let is_enough = i32::try_from(latest.len()).is_ok_and(|number| number >= LEAST_REFERRALS);
    Ok((Figures::of(&courses), is_enough))
}
