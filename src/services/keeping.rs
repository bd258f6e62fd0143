//! The directory in memory, brought up to date beside the requests.

use std::time::Duration;

use futures_util::future::{Either, select};

use crate::app::State;
use crate::changes::Demand;
use crate::changes::follower::catch_up;
use crate::db::DbConn;
use crate::error::Chain;

/// How often it is looked whether other processes have written services that nobody has asked for since.
const LOOK: Duration = Duration::from_secs(1);

/// A process that loads in bulk brings in by itself what it has written, so it is given this long.
const PATIENCE: Duration = Duration::from_millis(200);

/// Reads the whole directory into memory before the first search asks for it, and goes on with what is loaded in bulk, for as long as the
/// process runs.
pub fn keep_current(app: State) -> impl Future<Output = ()> {
    app.directory.close();
    go_on(app)
}

async fn go_on(app: State) {
    let shared = app.clone();
    let read = app.db.read(move |conn| shared.directory.refresh(conn, Demand::All)).await;
    app.directory.open();
    match read {
        Ok(()) => log::info!("the directory is in memory: {} services", app.directory.len()),
        Err(error) => log::warn!("the directory could not be read, and will be with the first search: {}", Chain(&error)),
    }
    // One that is open to all is read by partners from the start.
    if app.config.public_directory {
        let shared = app.clone();
        if let Err(error) = app.db.read(move |conn| shared.hsds.refresh(conn)).await {
            log::warn!("the lists of the directory could not be read, and will be when they are first asked for: {}", Chain(&error));
        }
    }
    loop {
        let shared = app.clone();
        let step = move |conn: &mut DbConn| Ok(shared.directory.catch_up(conn)? | shared.hsds.catch_up(conn)?);
        if let Err(error) = catch_up(&app.db, step).await {
            log::warn!("the directory in memory lacks services that were loaded: {}", Chain(&error));
        }
        let (behind, look) = (app.directory.falls_behind(), tokio::time::sleep(LOOK));
        if let Either::Left(_) = select(std::pin::pin!(behind), std::pin::pin!(look)).await {
            tokio::time::sleep(PATIENCE).await;
        }
    }
}
