//! SQLite: how connections are opened, and who writes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use diesel::connection::SimpleConnection;
use diesel::{Connection, ConnectionError, SqliteConnection};

use super::checkpoints::Checkpoints;
use super::migrate::Older;
use super::pool::Pool;
use super::writer::Writer;
use super::{DbConn, DbSettings, OpenError, migrate, slow};
use crate::error::Result;
use crate::files;

/// An answered write survives a power cut (`synchronous`, `fullfsync`); deleted personal data does not (`secure_delete`).
const PRAGMAS: &str = "PRAGMA busy_timeout = 5000;
    PRAGMA foreign_keys = ON;
    PRAGMA synchronous = FULL;
    PRAGMA fullfsync = ON;
    PRAGMA secure_delete = FAST;
    PRAGMA journal_size_limit = 67108864;
    PRAGMA temp_store = MEMORY;";
/// Readers share what the file system keeps in memory; each page of their own costs that memory once more for each of them.
const READER: &str = "PRAGMA query_only = ON; PRAGMA cache_size = -2048;";
/// The write-ahead log is carried into the file by [`Checkpoints`]; inside a commit only where they have fallen four times as far behind.
const WRITER: &str = "PRAGMA cache_size = -16384; PRAGMA wal_autocheckpoint = 16384;";

/// Readers that never wait for a lock, since they run on the threads that answer requests.
const BRIEF: &str = "PRAGMA query_only = ON; PRAGMA cache_size = -2048; PRAGMA busy_timeout = 0;";

/// One file: its readers, and its one writer.
pub(super) struct Sqlite {
    pub(super) readers: Arc<Pool>,
    /// One connection for each thread that reads at the same moment.
    pub(super) brief: Pool,
    pub(super) writer: Writer,
}

impl Sqlite {
    pub(super) fn open(path: &str, settings: &DbSettings, older: Older) -> Result<Self, OpenError> {
        if path.is_empty() || path.contains(":memory:") {
            return Err(OpenError::NotAFile);
        }
        let path = PathBuf::from(path);
        // For its owner alone, with what SQLite lays beside it.
        files::private().append(true).open(&path).map_err(|source| OpenError::File { path: path.clone(), source })?;
        migrate::sqlite(&mut connect(&path)?, older)?;

        let beside = path.clone();
        let checkpoints = Checkpoints::start(Box::new(move || connect(&beside).map(DbConn::Sqlite)))?;
        let slow = settings.slow_query;
        let open = move |pragma: &str| {
            let mut conn = connect(&path)?;
            conn.batch_execute(pragma).map_err(ConnectionError::CouldntSetupConfiguration)?;
            conn.set_instrumentation(slow::Log::new(slow));
            Ok(DbConn::Sqlite(conn))
        };
        let open = Arc::new(open);
        let (open_reader, open_brief) = (Arc::clone(&open), Arc::clone(&open));
        let readers = Pool::new(settings.connections, settings.wait, Box::new(move || open_reader(READER)));
        let brief = Pool::new(settings.connections, settings.wait, Box::new(move || open_brief(BRIEF)));
        let writer = Writer::start(settings.write_queue, Box::new(move || open(WRITER)), checkpoints)?;
        Ok(Self { readers: Arc::new(readers), brief, writer })
    }
}

fn connect(path: &Path) -> Result<SqliteConnection, ConnectionError> {
    let mut conn = SqliteConnection::establish(&path.to_string_lossy())?;
    conn.batch_execute(PRAGMAS).map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(conn)
}
