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
use crate::changes::places::{self, Work};
use crate::changes::{self, Entry, Position};
use crate::db::DbConn;
use crate::db::types::{Id, Instant};
use crate::error::{Chain, Result};
use crate::kind::{ReferralId, ResourceType};

/// How often a process looks.
const LOOK: Duration = Duration::from_secs(60);
/// For how long it counts before others may, should it have ended meanwhile; every batch prolongs it.
const LEASE: chrono::Duration = chrono::Duration::minutes(5);
/// Entries of the journal that are read in one go.
const ENTRIES: i64 = 1_000;
/// Subjects that are counted in one go.
const SUBJECTS: i64 = 20;

/// Counts all that is due, unless another process is at it, and takes into memory what was counted.
pub async fn refresh(app: &App, worker: Id<()>) -> Result<()> {
    let now = app.clock.now();
    if let Some(place) = app.db.write(move |conn| places::hold(conn, Work::Responsiveness, worker, now, now.plus(LEASE))).await? {
        if let Some(place) = follow(app, worker, place).await? {
            count(app, worker, place).await?;
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

/// Notes whom the referrals ask that have moved; the place reached, `None` where another counts now.
async fn follow(app: &App, worker: Id<()>, mut place: Position) -> Result<Option<Position>> {
    loop {
        let now = app.clock.now();
        let (reached, subjects) = app
            .db
            .read(move |conn| {
                let entries = changes::after(conn, place, &[ResourceType::ReferralTransition], ENTRIES)?;
                let mut ids: Vec<ReferralId> = entries.iter().filter_map(|entry| entry.referral_id).collect();
                ids.sort_unstable();
                ids.dedup();
                Ok((entries.last().map(Entry::position), repository::asked_by(conn, &ids)?))
            })
            .await?;
        let Some(reached) = reached else { return Ok(Some(place)) };
        let is_held = app.db.write(move |conn| {
            let is_held = places::move_on(conn, Work::Responsiveness, worker, place, reached, now.plus(LEASE))?;
            if is_held {
                repository::ask_for(conn, subjects.iter().copied(), now)?;
            }
            Ok(is_held)
        });
        if !is_held.await? {
            return Ok(None);
        }
        place = reached;
    }
}

/// Counts for all for whom that is due.
async fn count(app: &App, worker: Id<()>, place: Position) -> Result<()> {
    loop {
        let now = app.clock.now();
        let counted = app.db.read(move |conn| {
            let due = repository::due(conn, now, SUBJECTS)?;
            due.into_iter().map(|row| Ok((figures(conn, row.subject(), now)?, row))).collect::<Result<Vec<_>>>()
        });
        let counted: Vec<((Figures, bool), FiguresRow)> = counted.await?;
        if counted.is_empty() {
            return Ok(());
        }
        let is_held = app.db.write(move |conn| {
            let is_held = places::move_on(conn, Work::Responsiveness, worker, place, place, now.plus(LEASE))?;
            if is_held {
                for ((figures, is_daily), row) in &counted {
                    let tomorrow = is_daily.then(|| now.plus(chrono::Duration::days(1)));
                    repository::set(conn, row, *figures, now, tomorrow)?;
                }
            }
            Ok(is_held)
        });
        if !is_held.await? {
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
