//! What no change says: every process looks now and then for offers that have run out, or that are made to somebody whom nobody may take on
//! any more, and through all lists for the rest.
//!
//! Which process does it makes no difference: whoever first holds the service's row ends the offer and makes the next in one
//! transaction, and the others find nothing left to do. One that dies leaves nothing half done.

use std::time::Duration;

use crate::app::{App, State};
use crate::background::Every;
use crate::error::{Chain, Result};
use crate::kind::ServiceId;

use super::{queue, repository};

/// How often a process looks.
const LOOK: Duration = Duration::from_secs(15);
/// How often it looks through all lists, and when it begins.
const ROUND: Duration = Duration::from_secs(3_600);
/// Lists that are read in one go.
const BATCH: i64 = 100;

/// Ends the offers that have run out by now or are made in vain, and makes those that follow.
pub async fn sweep(app: &App) -> Result<()> {
    let now = app.clock.now();
    let services = app.db.read(move |conn| repository::due(conn, now)).await?;
    serve(app, services).await;
    Ok(())
}

/// Looks at every list in which somebody stands: a consent may have begun by its date while a place was free, and lists that were kept
/// before their lengths were told are counted.
pub async fn look_through(app: &App) -> Result<()> {
    let mut last = None;
    loop {
        let services = app.db.read(move |conn| repository::waited_for(conn, last, BATCH)).await?;
        last = services.last().copied();
        if last.is_none() {
            return Ok(());
        }
        serve(app, services).await;
    }
}

/// Whoever waits for one service does not wait for another one of which the list cannot be moved.
async fn serve(app: &App, services: Vec<ServiceId>) {
    let now = app.clock.now();
    for service in services {
        if let Err(error) = app.db.write(move |conn| queue::offer_places(conn, now, service)).await {
            log::warn!("the waiting list of service {service} was not looked after: {}", Chain(&error));
        }
    }
}

/// Does so for as long as the process runs.
pub async fn keep_sweeping(app: State) {
    let mut rounds = Every::new(ROUND);
    loop {
        let looked = if rounds.is_due() { look_through(&app).await } else { sweep(&app).await };
        if let Err(error) = looked {
            log::warn!("waiting lists were not looked after: {}", Chain(&error));
        }
        tokio::time::sleep(LOOK).await;
    }
}
