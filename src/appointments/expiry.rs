//! Holds that run out.
//!
//! A place that was held is free from its moment on, whatever is written: everybody who counts looks at the clock. That it ran out is
//! written down soon after, for those who listen. Any process may do it, several at once, and none may die in the wrong moment: the
//! version says who was first.

use std::time::Duration;

use super::model::{AppointmentRow, AppointmentStatus};
use super::{handlers, repository};
use crate::app::{App, State};
use crate::changes::{Action, Actor};
use crate::db::DbConn;
use crate::db::types::Instant;
use crate::error::{Chain, Result};

/// How often a process looks.
const LOOK: Duration = Duration::from_secs(10);
/// Holds that are written down in one transaction.
const BATCH: i64 = 100;

/// Writes down which holds have run out.
pub async fn expire(app: &App) -> Result<()> {
    loop {
        let now = app.clock.now();
        // Nothing is written where there is nothing to write.
        let found = app.db.read(move |conn| repository::run_out(conn, now, 1)).await?;
        if found.is_empty() || app.db.write(move |conn| expire_some(conn, now)).await? == 0 {
            return Ok(());
        }
    }
}

fn expire_some(conn: &mut DbConn, now: Instant) -> Result<usize> {
    let mut written = 0;
    for row in repository::run_out(conn, now, BATCH)? {
        let next =
            AppointmentRow { status: AppointmentStatus::Expired, held_until: None, version: row.version + 1, updated_at: now, ..row };
        if repository::update(conn, &next)? {
            handlers::record(conn, &Actor::operator(now), &next, Action::Updated)?;
            written += 1;
        }
    }
    Ok(written)
}

/// Does so for as long as the process runs.
pub async fn keep_expiring(app: State) {
    loop {
        if let Err(error) = expire(&app).await {
            log::warn!("holds that ran out were not written down: {}", Chain(&error));
        }
        tokio::time::sleep(LOOK).await;
    }
}
