//! The database: one connection type over SQLite and PostgreSQL.
//!
//! A request reads in one [`Db::read`] and changes in one [`Db::write`]; repository functions take `&mut DbConn` and open no
//! transactions of their own.

mod among;
mod checkpoints;
mod common;
mod connection;
mod errors;
pub mod idempotency_keys;
pub mod lists;
pub mod locks;
pub mod migrate;
mod pool;
mod postgres;
pub mod schema;
mod slow;
mod sqlite;
pub mod types;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

pub use self::among::{among, among_numbers, json_numbers};
pub use self::common::{Common, boxed};
pub use self::connection::{DbConn, MultiBackend};
use self::migrate::Older;
use self::pool::Pool;
use self::sqlite::Sqlite;
use crate::error::{Chain, Error, Result};

/// Where the data lives and how many may reach for it at once.
#[derive(Clone)]
pub struct DbSettings {
    /// `sqlite:PATH`, or `postgres://…` as libpq takes it.
    pub url: String,
    /// Connections at most: SQLite's readers, all of PostgreSQL's.
    pub connections: usize,
    /// Writes that may wait for SQLite's writer; the next is refused.
    pub write_queue: usize,
    /// How long a request waits for a connection.
    pub wait: Duration,
    /// How long PostgreSQL works on a statement before it gives up.
    pub statement_timeout: Duration,
    /// Statements that take longer are logged.
    pub slow_query: Duration,
}

impl DbSettings {
    /// The database at this address, with the defaults of the [settings](crate::config::DatabaseConfig) for the rest.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            connections: 8,
            write_queue: 1024,
            wait: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(20),
            slow_query: Duration::from_millis(250),
        }
    }
}

impl fmt::Debug for DbSettings {
    /// Leaves out the address, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DbSettings").field("connections", &self.connections).finish_non_exhaustive()
    }
}

/// Why the database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address names no database that Kith knows.
    #[error("the database address must begin with sqlite: or postgres://")]
    UnknownScheme,
    /// SQLite was asked for something other than a file.
    #[error("SQLite needs a file: sqlite:PATH")]
    NotAFile,
    /// The file cannot be created or written.
    #[error("cannot open the database file {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No connection.
    #[error("cannot connect to the database")]
    Connect(#[from] diesel::ConnectionError),
    /// PostgreSQL tells its faults in another language than English.
    #[error(
        "PostgreSQL speaks {locale}, and Kith knows deadlocks and timeouts by their English messages; \
         let a superuser run: ALTER ROLE {role} SET lc_messages = 'C'"
    )]
    Language {
        /// The setting `lc_messages`.
        locale: String,
        /// The role that Kith connects as, quoted.
        role: String,
    },
    /// The database cannot be made ready for migration.
    #[error("cannot prepare the database")]
    Prepare(#[from] diesel::result::Error),
    /// A migration failed.
    #[error("cannot migrate the database")]
    Migrate(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The schema is that of an older version, and is not for this command to change.
    #[error("the database has the schema of an older version of kith; stop the servers of that version, then run `kith migrate`")]
    OlderSchema,
    /// The writer thread did not start, or the one beside it.
    #[error("cannot start the threads that write")]
    Thread(#[source] io::Error),
}

/// The database. Clones are handles to the same one.
///
/// Dropping the last handle finishes the writes that were accepted.
#[derive(Clone)]
pub struct Db(Arc<Backend>);

enum Backend {
    Sqlite(Sqlite),
    Postgres(Arc<Pool>),
}

impl Db {
    /// Connects, and brings the schema up to date.
    pub fn open(settings: &DbSettings) -> Result<Self, OpenError> {
        Self::connect(settings, Older::Migrated)
    }

    /// Connects beside servers, which may be of another version: makes the schema where there is none, and fails where it is an older one.
    pub fn open_beside(settings: &DbSettings) -> Result<Self, OpenError> {
        Self::connect(settings, Older::Refused)
    }

    fn connect(settings: &DbSettings, older: Older) -> Result<Self, OpenError> {
        let backend = match settings.url.split_once(':') {
            Some(("sqlite", path)) => Backend::Sqlite(Sqlite::open(path.strip_prefix("//").unwrap_or(path), settings, older)?),
            Some(("postgres" | "postgresql", _)) => Backend::Postgres(Arc::new(postgres::open(settings, older)?)),
            _ => return Err(OpenError::UnknownScheme),
        };
        Ok(Self(Arc::new(backend)))
    }

    /// Runs queries that change nothing. All of them see the same state.
    pub async fn read<T: Send + 'static>(&self, work: impl FnOnce(&mut DbConn) -> Result<T> + Send + 'static) -> Result<T> {
        let (pool, begin) = self.readers();
        pool.run(move |pool| read(pool, begin, work)).await
    }

    /// [`Db::read`] for queries that read a few rows along an index.
    ///
    /// On SQLite it runs where it is called: handing such a read to another thread and back costs more than the read. Where the file is
    /// locked it is run again in the way of the others, which can wait.
    pub async fn read_briefly<T: Send + 'static>(&self, work: impl Fn(&mut DbConn) -> Result<T> + Send + 'static) -> Result<T> {
        match self.read_at_once(|conn| work(conn).map(Some))? {
            Some(read) => Ok(read),
            None => self.read(work).await,
        }
    }

    /// Such queries where they are called. `None` where [`Db::read`] has to run them: on PostgreSQL, where the file is locked, and where
    /// `work` says so.
    pub fn read_at_once<T>(&self, work: impl FnOnce(&mut DbConn) -> Result<Option<T>>) -> Result<Option<T>> {
        let Backend::Sqlite(sqlite) = &*self.0 else { return Ok(None) };
        match read(&sqlite.brief, BEGIN_SQLITE, work) {
            Err(Error::Busy) => Ok(None),
            other => other,
        }
    }

    /// [`Db::read`] for the command line.
    pub fn read_blocking<T>(&self, work: impl FnOnce(&mut DbConn) -> Result<T>) -> Result<T> {
        let (pool, begin) = self.readers();
        read(pool, begin, work)
    }

    /// Runs a change as one transaction and returns when it is on the disk; an error rolls it back.
    ///
    /// It may be run more than once where transactions clash, so it must have no effect outside the database.
    pub async fn write<T: Send + 'static>(&self, work: impl Fn(&mut DbConn) -> Result<T> + Send + 'static) -> Result<T> {
        match &*self.0 {
            Backend::Sqlite(sqlite) => sqlite.writer.write(work).await,
            Backend::Postgres(pool) => pool.run(move |pool| postgres::write(pool, work)).await,
        }
    }

    /// [`Db::write`] for work that has time: where the database is busy it is asked again a few times, and so much later each time.
    pub async fn write_patiently<T: Send + 'static>(&self, work: impl Fn(&mut DbConn) -> Result<T> + Send + Sync + 'static) -> Result<T> {
        let work = Arc::new(work);
        let mut attempt = 0;
        loop {
            let work = Arc::clone(&work);
            match self.write(move |conn| work(conn)).await {
                Err(Error::Busy | Error::TimedOut) if attempt < PATIENCE => {
                    attempt += 1;
                    tokio::time::sleep(PAUSE * attempt).await;
                }
                other => return other,
            }
        }
    }

    /// [`Db::write`] for the command line: waits for a place in the queue.
    pub fn write_blocking<T: Send + 'static>(&self, work: impl Fn(&mut DbConn) -> Result<T> + Send + 'static) -> Result<T> {
        match &*self.0 {
            Backend::Sqlite(sqlite) => sqlite.writer.write_blocking(work),
            Backend::Postgres(pool) => postgres::write(pool, work),
        }
    }

    /// Whether the database answers and its schema is the one this binary knows.
    pub async fn is_ready(&self) -> bool {
        self.read(migrate::is_complete).await.unwrap_or_else(|error| {
            log::warn!("the database is not ready: {}", Chain(&error));
            false
        })
    }

    /// Finishes the writes that were accepted and refuses more.
    pub fn shutdown(&self) {
        if let Backend::Sqlite(sqlite) = &*self.0 {
            sqlite.writer.stop();
        }
    }

    fn readers(&self) -> (&Arc<Pool>, &'static str) {
        match &*self.0 {
            Backend::Sqlite(sqlite) => (&sqlite.readers, BEGIN_SQLITE),
            Backend::Postgres(pool) => (pool, postgres::READ),
        }
    }
}

const BEGIN_SQLITE: &str = "BEGIN";

/// How often work that has time is tried again, and how much later each time.
const PATIENCE: u32 = 8;
const PAUSE: Duration = Duration::from_millis(50);

fn read<T>(pool: &Pool, begin: &str, work: impl FnOnce(&mut DbConn) -> Result<T>) -> Result<T> {
    let mut pooled = pool.begin(begin)?;
    let result = work(&mut pooled.conn);
    let result = pooled.end(result);
    pool.put(pooled);
    result
}
