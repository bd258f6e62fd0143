//! What runs in every process: sources that are due are read.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join;
use tokio::sync::watch;

use super::{repository, worker};
use crate::app::State;
use crate::background::{self, Crew, again_and_again};
use crate::db::types::Id;
use crate::error::{Chain, Error};
use crate::kind::SourceId;

/// How often a process looks whether a source is due.
const LOOK: Duration = Duration::from_secs(1);
/// How often it forgets.
const PURGE: Duration = Duration::from_secs(3600);
/// Sources that a process reads at once, each of another organization.
const AT_ONCE: usize = 4;
/// Runs are kept for so long after they ended.
pub const KEPT: chrono::Duration = chrono::Duration::days(90);

/// The work of one process.
#[derive(Clone)]
pub struct Engine {
    app: State,
    /// The name under which this process takes leases.
    id: Id<()>,
    is_stopping: Rc<Cell<bool>>,
}

impl Engine {
    /// One that does nothing by itself.
    pub fn new(app: State) -> Self {
        Self { app, id: Id::generate(), is_stopping: Rc::default() }
    }

    /// Starts it.
    pub fn start(app: State) -> background::Running {
        background::Running::start("pulls from sources", |stop| Self::new(app).run(stop))
    }

    /// Reads everything that is due now.
    pub async fn pull(&self) -> Result<(), Error> {
        loop {
            let due = self.awake().await?;
            if due.is_empty() {
                return Ok(());
            }
            for source in due {
                self.serve(source).await?;
            }
        }
    }

    /// Deletes runs that ended long ago, a bounded number in each transaction.
    pub async fn purge(&self) -> Result<(), Error> {
        let before = self.app.clock.now().plus(-KEPT);
        while self.app.db.write(move |conn| repository::purge(conn, before)).await? > 0 {}
        Ok(())
    }

    async fn awake(&self) -> Result<Vec<SourceId>, Error> {
        let now = self.app.clock.now();
        self.app.db.read(move |conn| repository::awake(conn, now, AT_ONCE)).await
    }

    async fn serve(&self, source: SourceId) -> Result<(), Error> {
        worker::serve(&self.app, self.id, source, || !self.is_stopping.get()).await
    }

    async fn run(self, stop: watch::Receiver<bool>) {
        let purges = again_and_again(PURGE, stop.clone(), "old runs of sources were not deleted", || self.purge());
        join(self.pull_until(stop), purges).await;
    }

    async fn pull_until(&self, mut stop: watch::Receiver<bool>) {
        let mut crew = Crew::new(AT_ONCE);
        while !*stop.borrow() {
            match self.awake().await {
                Ok(due) => crew.take_up(due, |source| self.clone().read(source)),
                Err(error) => log::warn!("it was not looked for sources that are due: {}", Chain(&error)),
            }
            crew.rest(LOOK, &mut stop).await;
        }
        self.is_stopping.set(true);
        crew.finish().await;
    }

    async fn read(self, source: SourceId) {
        if let Err(error) = self.serve(source).await {
            log::warn!("source {source} was not read: {}", Chain(&error));
        }
    }
}
