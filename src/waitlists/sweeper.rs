//! Offers that have run out, which no change says: every process looks for them now and then.
//!
//! Which process does it makes no difference: whoever first holds the service's row ends the offer and makes the next in one
//! transaction, and the others find nothing left to do. One that dies leaves nothing half done.

use crate::app::{App, State};
use crate::error::{Chain, Result};

use super::{queue, repository};

/// How often a process looks.
const LOOK: std::time::Duration = std::time::Duration::from_secs(15);
/// Services looked after in one go.
const BATCH: i64 = 100;

/// Ends the offers that have run out by now, and makes those that follow.
pub async fn sweep(app: &App) -> Result<()> {
    loop {
        let now = app.clock.now();
        let services = app.db.read(move |conn| repository::with_expired_offers(conn, now, BATCH)).await?;
        if services.is_empty() {
            return Ok(());
        }
        for service in services {
            app.db.write(move |conn| queue::offer_places(conn, now, service)).await?;
        }
    }
}

/// Does so for as long as the process runs.
pub async fn keep_sweeping(app: State) {
    loop {
        if let Err(error) = sweep(&app).await {
            log::warn!("offers of places that have run out were not ended: {}", Chain(&error));
        }
        tokio::time::sleep(LOOK).await;
    }
}
