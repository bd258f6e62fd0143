//! Carries SQLite's write-ahead log into the file, beside the writer.
//!
//! SQLite itself would do so inside the commit that fills the log, and all who wait to write would wait for the copying and for the flush of
//! the file. Here a thread with a connection of its own does, while the writer goes on.
//!
//! Under constant load two things need the writer. SQLite flushes the file at the end of a checkpoint only if nothing was committed while
//! it copied, and writes the log from its beginning again only if nothing was committed since. So there are several checkpoints in a round.
//! Each begins right after a commit, when the next is furthest, and has less to copy than the one before. Then the writer carries over what
//! little is left, and its next transaction begins the log anew. It takes this turn whatever came of the others, so the log stays bounded
//! where the thread fails or cannot keep up. Only a reader of an old state keeps it growing, as it would anyhow.
//!
//! What cannot be carried over stays in the log, where it is as safe as in the file: that it failed is told, and it is tried again.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use diesel::dsl::sql;
use diesel::sql_types::BigInt;
use diesel::{ConnectionError, QueryResult, RunQueryDsl};

use super::{DbConn, OpenError};
use crate::background::Every;
use crate::error::{Chain, Error, Result};

/// So long a log is carried over, 16 MiB: pages that are written again and again meanwhile are carried once.
const PAGES: i64 = 4096;
/// The writer asks no more often how long it is: asking costs as much as a query.
const LOOK: Duration = Duration::from_millis(10);
/// Checkpoints of a round before the writer's own. The second copies what was committed during the first; a third would hardly find less.
const ROUND: u8 = 2;
/// Failures are told no more often.
const COMPLAINT: Duration = Duration::from_secs(60);

type Opener = Box<dyn Fn() -> Result<DbConn, ConnectionError> + Send>;

/// The writer's hold on the thread. The fields are dropped in this order: without prompts the thread ends.
pub(super) struct Checkpoints {
    prompts: SyncSender<()>,
    _thread: Joined,
    /// Checkpoints begun in this round; absent while the log is short.
    begun: Option<u8>,
    look: Every,
    complaint: Every,
}

impl Checkpoints {
    /// Starts the thread, which opens its connection when it is needed first.
    pub(super) fn start(open: Opener) -> Result<Self, OpenError> {
        // None is kept for later: only a thread that waits for a prompt takes it, so that the writer finds it at rest after its last one.
        let (prompts, prompted) = sync_channel(0);
        let work = move || run(&open, prompted);
        let thread = thread::Builder::new().name("kith-checkpoint".into()).spawn(work).map_err(OpenError::Thread)?;
        let (look, complaint) = (Every::new(LOOK), Every::new(COMPLAINT));
        Ok(Self { prompts, _thread: Joined(Some(thread)), begun: None, look, complaint })
    }

    /// What the writer does for its log after each commit. It never waits for the thread.
    pub(super) fn after_commit(&mut self, conn: &mut DbConn) {
        if let Err(error) = self.go_on(conn) {
            complain(&mut self.complaint, &error);
        }
    }

    fn go_on(&mut self, conn: &mut DbConn) -> Result<()> {
        match self.begun {
            None => {
                if self.look.is_due() && checkpoint(conn, "NOOP")?.pages >= PAGES {
                    self.begun = Some(0);
                }
            }
            Some(begun) if begun < ROUND => match self.prompts.try_send(()) {
                Ok(()) => self.begun = Some(begun + 1),
                // It is still at the one before.
                Err(TrySendError::Full(())) => {}
                Err(TrySendError::Disconnected(())) => self.begun = Some(ROUND),
            },
            // Only once where it fails; a round is begun again while the log is long.
            Some(_) => {
                self.begun = None;
                if checkpoint(conn, "PASSIVE")?.is_refused {
                    self.begun = Some(ROUND);
                }
            }
        }
        Ok(())
    }
}

/// A thread that is waited for.
struct Joined(Option<JoinHandle<()>>);

impl Drop for Joined {
    fn drop(&mut self) {
        if self.0.take().is_some_and(|thread| thread.join().is_err()) {
            log::error!("the thread of the checkpoints panicked");
        }
    }
}

/// The thread: a checkpoint for each prompt.
fn run(open: &Opener, prompted: Receiver<()>) {
    let (mut conn, mut complaint) = (None, Every::new(COMPLAINT));
    for () in prompted {
        if let Err(error) = carry(open, &mut conn) {
            complain(&mut complaint, &error);
            conn = None;
        }
    }
}

fn carry(open: &Opener, conn: &mut Option<DbConn>) -> Result<()> {
    let conn = match conn {
        Some(conn) => conn,
        none => none.insert(open().map_err(Error::unavailable)?),
    };
    // Where it is refused another process is at it.
    checkpoint(conn, "PASSIVE")?;
    Ok(())
}

fn complain(complaint: &mut Every, error: &Error) {
    if complaint.is_due() {
        log::warn!("the write-ahead log cannot be carried into the file, and grows: {}", Chain(error));
    }
}

struct Outcome {
    /// Another connection was at it.
    is_refused: bool,
    /// How long the log is.
    pages: i64,
}

/// A checkpoint outside of any transaction; it waits for no lock. `PASSIVE` copies what no reader stands in the way of, `NOOP` nothing.
fn checkpoint(conn: &mut DbConn, mode: &str) -> QueryResult<Outcome> {
    let pragma = sql::<(BigInt, BigInt, BigInt)>(&format!("PRAGMA wal_checkpoint({mode})"));
    let (busy, pages, _carried) = pragma.get_result::<(i64, i64, i64)>(conn)?;
    Ok(Outcome { is_refused: busy != 0, pages })
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use diesel::connection::SimpleConnection;
    use diesel::{Connection, SqliteConnection};
    use tempfile::TempDir;

    use super::*;

    /// A connection by which SQLite carries nothing over until the last is closed.
    fn open(path: &Path) -> Result<DbConn, ConnectionError> {
        let mut conn = SqliteConnection::establish(&path.to_string_lossy())?;
        let pragmas = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0";
        conn.batch_execute(pragmas).map_err(ConnectionError::CouldntSetupConfiguration)?;
        Ok(DbConn::Sqlite(conn))
    }

    fn times(conn: &mut DbConn) -> i64 {
        sql::<BigInt>("SELECT times FROM written").get_result(conn).unwrap()
    }

    struct Writing {
        conn: DbConn,
        checkpoints: Checkpoints,
        times: i64,
        path: PathBuf,
        _folder: TempDir,
    }

    impl Writing {
        fn beside(thread: impl Fn(&Path) -> Result<DbConn, ConnectionError> + Send + 'static) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("kith.db");
            let mut conn = open(&path).unwrap();
            let table = "CREATE TABLE written (times INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT; INSERT INTO written VALUES (0, x'')";
            conn.batch_execute(table).unwrap();
            let of_thread = path.clone();
            let checkpoints = Checkpoints::start(Box::new(move || thread(&of_thread))).unwrap();
            Self { conn, checkpoints, times: 0, path, _folder: folder }
        }

        /// Writes a megabyte over the one before; how many pages the log has then.
        fn write(&mut self) -> i64 {
            self.conn.batch_execute("UPDATE written SET times = times + 1, bytes = randomblob(1048576)").unwrap();
            self.times += 1;
            self.checkpoints.after_commit(&mut self.conn);
            checkpoint(&mut self.conn, "NOOP").unwrap().pages
        }

        /// Closes everything, after which all that was written is in the file.
        fn end(self) {
            let Self { conn, checkpoints, times: written, path, _folder } = self;
            drop((conn, checkpoints));
            assert!(!path.with_file_name("kith.db-wal").exists());
            assert_eq!(times(&mut open(&path).unwrap()), written);
        }
    }

    #[test]
    fn the_log_stays_short_however_much_is_written() {
        let mut writing = Writing::beside(open);
        let longest = (0..120).map(|_| writing.write()).max().unwrap();
        assert!((PAGES..5 * PAGES).contains(&longest), "{longest}");
        writing.end();
    }

    #[test]
    fn where_the_thread_has_no_connection_the_writer_carries_the_log_over_by_itself() {
        let mut writing = Writing::beside(|_| Err(ConnectionError::BadConnection("as the test wants it".into())));
        let longest = (0..120).map(|_| writing.write()).max().unwrap();
        assert!((PAGES..5 * PAGES).contains(&longest), "{longest}");
        writing.end();
    }

    #[test]
    fn a_reader_of_an_old_state_goes_on_to_see_it_and_the_log_begins_anew_once_it_has_gone() {
        let mut writing = Writing::beside(open);
        writing.write();
        let mut reader = open(&writing.path).unwrap();
        reader.batch_execute("BEGIN").unwrap();
        assert_eq!(times(&mut reader), 1);
        let longest = (0..60).map(|_| writing.write()).max().unwrap();
        assert!(longest > 3 * PAGES, "{longest}");
        assert_eq!(times(&mut reader), 1);
        reader.batch_execute("COMMIT").unwrap();
        assert_eq!(times(&mut reader), 61);
        drop(reader);
        assert!((0..1_000).any(|_| writing.write() < PAGES), "the log has not begun anew");
        writing.end();
    }
}
