//! A pool of connections.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use diesel::{ConnectionError, QueryResult};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::DbConn;
use crate::error::{Error, Result};

/// After this long a connection is replaced: servers move, and their memory per connection grows.
const MAX_AGE: Duration = Duration::from_secs(30 * 60);

type Opener = Box<dyn Fn() -> Result<DbConn, ConnectionError> + Send + Sync>;

/// Connections at rest, and the right to use so many at once.
///
/// Who waits for a connection waits as a task, so a burst of requests parks no threads. A connection that proves dead when its
/// transaction is opened is replaced on the spot, which costs no round trip where it is alive.
pub(super) struct Pool {
    open: Opener,
    idle: Mutex<Vec<Pooled>>,
    permits: Arc<Semaphore>,
    wait: Duration,
}

/// A connection and when it was opened.
pub(super) struct Pooled {
    pub(super) conn: DbConn,
    opened: Instant,
}

impl Pool {
    /// A pool of at most `size` connections, opened as they are needed; a caller waits for one as long as `wait`.
    pub(super) fn new(size: usize, wait: Duration, open: Opener) -> Self {
        Self { open, idle: Mutex::default(), permits: Arc::new(Semaphore::new(size)), wait }
    }

    /// Runs blocking work off the async threads once a connection is to be had.
    pub(super) async fn run<T: Send + 'static>(self: &Arc<Self>, work: impl FnOnce(&Self) -> Result<T> + Send + 'static) -> Result<T> {
        let permit = tokio::time::timeout(self.wait, Arc::clone(&self.permits).acquire_owned());
        let permit = permit.await.map_err(|_| Error::Busy)?.map_err(Error::internal)?;
        let pool = Arc::clone(self);
        let task = spawn_blocking(move || {
            let result = work(&pool);
            drop(permit);
            result
        });
        task.await.map_err(Error::internal)?
    }

    /// A connection with its transaction open.
    pub(super) fn begin(&self, sql: &str) -> Result<Pooled> {
        while let Some(mut pooled) = self.lock().pop() {
            match pooled.conn.begin_with(sql) {
                Ok(()) => return Ok(pooled),
                Err(error) => log::info!("replaced a database connection: {error}"),
            }
        }
        let mut conn = (self.open)().map_err(Error::unavailable)?;
        conn.begin_with(sql)?;
        Ok(Pooled { conn, opened: Instant::now() })
    }

    /// Puts a connection back, unless it is broken or old.
    pub(super) fn put(&self, mut pooled: Pooled) {
        if !pooled.conn.is_broken() && pooled.opened.elapsed() < MAX_AGE {
            self.lock().push(pooled);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Pooled>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pooled {
    /// Commits what went well and rolls back what did not.
    pub(super) fn end<T>(&mut self, result: Result<T>) -> Result<T> {
        let ended: QueryResult<()> = match &result {
            Ok(_) => self.conn.commit(),
            Err(_) => self.conn.roll_back_to(0),
        };
        match (result, ended) {
            (Ok(value), Ok(())) => Ok(value),
            (Ok(_), Err(error)) => {
                let rolled_back = self.conn.roll_back_to(0);
                rolled_back.unwrap_or_else(|error| log::warn!("cannot roll back: {error}"));
                Err(error.into())
            }
            (Err(error), Ok(())) => Err(error),
            (Err(error), Err(rollback)) => {
                log::warn!("cannot roll back: {rollback}");
                Err(error)
            }
        }
    }
}
