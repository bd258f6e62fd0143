//! What runs in every process: sources that are due are read.

use std::cell::Cell;
use std::collections::HashSet;
use std::rc::Rc;
use std::time::{Duration, Instant as Moment};

use actix_web::rt;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{repository, worker};
use crate::app::State;
use crate::background;
use crate::db::types::Id;
use crate::error::Error;
use crate::kind::SourceId;

/// How often a process looks whether a source is due.
const LOOK: Duration = Duration::from_secs(1);
/// How often it forgets.
const PURGE: Duration = Duration::from_secs(3600);
/// Sources that a process reads at once.
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
            let due = self.awake(AT_ONCE).await?;
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

    async fn awake(&self, most: usize) -> Result<Vec<SourceId>, Error> {
        let (now, most) = (self.app.clock.now(), i64::try_from(most).unwrap_or(i64::MAX));
        self.app.db.read(move |conn| repository::awake(conn, now, most)).await
    }

    async fn serve(&self, source: SourceId) -> Result<(), Error> {
        worker::serve(&self.app, self.id, source, || !self.is_stopping.get()).await
    }

    async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut reading: FuturesUnordered<JoinHandle<SourceId>> = FuturesUnordered::new();
        let mut busy: HashSet<SourceId> = HashSet::new();
        let mut last_purge = None::<Moment>;
        while !*stop.borrow() {
            if last_purge.is_none_or(|last| last.elapsed() >= PURGE) {
                last_purge = Some(Moment::now());
                if let Err(error) = self.purge().await {
                    log::warn!("old runs of sources were not deleted: {error}");
                }
            }
            match self.awake(AT_ONCE).await {
                Ok(due) => {
                    for source in due {
                        if reading.len() < AT_ONCE && busy.insert(source) {
                            reading.push(self.begin(source));
                        }
                    }
                }
                Err(error) => log::warn!("it was not looked for sources that are due: {error}"),
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                _ = stop.changed() => {}
            }
            while let Some(Some(done)) = reading.next().now_or_never() {
                // Which one it was is not known of a task that panicked; its lease ends by itself.
                match done {
                    Ok(source) => drop(busy.remove(&source)),
                    Err(_) => busy.clear(),
                }
            }
        }
        self.is_stopping.set(true);
        while reading.next().await.is_some() {}
    }

    /// Reads a source beside everything else.
    fn begin(&self, source: SourceId) -> JoinHandle<SourceId> {
        let engine = self.clone();
        rt::spawn(async move {
            if let Err(error) = engine.serve(source).await {
                log::warn!("source {source} was not read: {error}");
            }
            source
        })
    }
}
