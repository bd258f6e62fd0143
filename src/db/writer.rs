//! SQLite's one writer: a thread that takes what is waiting and commits it together.
//!
//! A commit waits for the disk, and that is nearly all that a small write costs. Writes that wait meanwhile are carried by the
//! next commit, so the more writers there are the more each commit carries. Each is answered after the commit: what was answered is on
//! the disk.
//!
//! A write fails alone. Most that fail have only read until then; where one has changed something, all that the transaction carries is
//! undone and done again, each inside a savepoint of its own. Savepoints for all would cost a tenth of every write, since SQLite copies
//! each page that is changed inside one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use diesel::{ConnectionError, RunQueryDsl};
use tokio::sync::oneshot;

use super::checkpoints::Checkpoints;
use super::{DbConn, OpenError};
use crate::each;
use crate::error::{Chain, Error, Result};

/// A commit carries so many writes at most,
const MAX_WRITES: usize = 256;
/// and takes up no more after this long, so that the first does not wait for ever.
const MAX_GATHERING: Duration = Duration::from_millis(20);

type Opener = Box<dyn Fn() -> Result<DbConn, ConnectionError> + Send>;

/// The way to the writer thread.
pub(super) struct Writer {
    queue: SyncSender<Message>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

enum Message {
    Write(Box<dyn Write>),
    Stop,
}

impl Writer {
    /// Starts the thread, before which at most `queue` writes may wait.
    pub(super) fn start(queue: usize, open: Opener, checkpoints: Checkpoints) -> Result<Self, OpenError> {
        let conn = open()?;
        let (queue, waiting) = sync_channel(queue);
        let work = move || Thread { open, conn: Some(conn), waiting, checkpoints }.run();
        let thread = thread::Builder::new().name("kith-writer".into()).spawn(work).map_err(OpenError::Thread)?;
        Ok(Self { queue, thread: Mutex::new(Some(thread)) })
    }

    /// Runs the work and answers when it is committed; where the queue is full, [`Error::Busy`] at once.
    pub(super) async fn write<T: Send + 'static>(&self, work: impl Fn(&mut DbConn) -> Result<T> + Send + 'static) -> Result<T> {
        let (write, answer) = Pending::queued(work);
        self.queue.try_send(write).map_err(|error| match error {
            TrySendError::Full(_) | TrySendError::Disconnected(_) => Error::Busy,
        })?;
        answer.await.map_err(Error::internal)?
    }

    /// The same for callers that may block: waits for a place in the queue.
    pub(super) fn write_blocking<T: Send + 'static>(&self, work: impl Fn(&mut DbConn) -> Result<T> + Send + 'static) -> Result<T> {
        let (write, answer) = Pending::queued(work);
        self.queue.send(write).map_err(|_| Error::Busy)?;
        answer.blocking_recv().map_err(Error::internal)?
    }

    /// Finishes what was accepted and ends the thread; what comes later is refused.
    pub(super) fn stop(&self) {
        let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        // It can be gone only if it panicked, which the join reports.
        let _gone = self.queue.send(Message::Stop);
        // The last handle may be dropped inside a write.
        if thread.thread().id() != thread::current().id() && thread.join().is_err() {
            log::error!("the writer thread panicked");
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A write whose caller waits.
trait Write: Send {
    /// Does the work; whether it shall be kept.
    fn run(&mut self, conn: &mut DbConn) -> bool;

    /// Whether the work met a disk that is full or broken.
    fn met_a_failing_disk(&self) -> bool;

    /// Whether the work failed for the database's reasons or ours, after which nobody knows what is left of the transaction.
    fn has_broken(&self) -> bool;

    /// Answers the caller: with what the work gave, or where the transaction failed with that.
    fn answer(self: Box<Self>, failure: Option<&Arc<Error>>);
}

struct Pending<T, F> {
    work: F,
    result: Option<Result<T>>,
    caller: oneshot::Sender<Result<T>>,
}

impl<T, F> Pending<T, F>
where
    T: Send + 'static,
    F: Fn(&mut DbConn) -> Result<T> + Send + 'static,
{
    fn queued(work: F) -> (Message, oneshot::Receiver<Result<T>>) {
        let (caller, answer) = oneshot::channel();
        (Message::Write(Box::new(Self { work, result: None, caller })), answer)
    }
}

impl<T, F> Write for Pending<T, F>
where
    T: Send + 'static,
    F: Fn(&mut DbConn) -> Result<T> + Send + 'static,
{
    fn run(&mut self, conn: &mut DbConn) -> bool {
        // Whoever has gone was told nothing or to try again, and may do so already: what has not begun is better not done at all.
        if self.caller.is_closed() {
            self.result = Some(Err(Error::Busy));
            return false;
        }
        let result = catch_unwind(AssertUnwindSafe(|| (self.work)(conn)));
        let result = result.unwrap_or_else(|_| Err(Error::internal("a write panicked")));
        self.result.insert(result).is_ok()
    }

    fn met_a_failing_disk(&self) -> bool {
        matches!(self.result, Some(Err(Error::Unavailable(_))))
    }

    fn has_broken(&self) -> bool {
        matches!(self.result, Some(Err(Error::Unavailable(_) | Error::Internal(_) | Error::TimedOut)))
    }

    fn answer(self: Box<Self>, failure: Option<&Arc<Error>>) {
        let result = match (self.result, failure) {
            (Some(result), None) => result,
            (Some(Err(cause @ Error::Unavailable(_))), _) => Err(cause),
            (None, None) => Err(Error::internal("a write was not run")),
            (_, Some(failure)) => Err(match **failure {
                Error::Busy => Error::Busy,
                Error::Unavailable(_) => Error::unavailable(NotCommitted(Arc::clone(failure))),
                _ => Error::internal(NotCommitted(Arc::clone(failure))),
            }),
        };
        // A caller that went away misses its answer; the write stands.
        let _went_away = self.caller.send(result);
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the transaction that carried the write failed")]
struct NotCommitted(#[source] Arc<Error>);

struct Thread {
    open: Opener,
    /// Absent after a failure; opened again for the next writes.
    conn: Option<DbConn>,
    waiting: Receiver<Message>,
    checkpoints: Checkpoints,
}

impl Thread {
    fn run(mut self) {
        let mut stop = false;
        while !stop {
            let Ok(Message::Write(first)) = self.waiting.recv() else { break };
            let mut writes = Vec::with_capacity(16);
            writes.push(first);
            let outcome = self.carry(&mut writes, &mut stop);
            let failure = outcome.err().map(|error| {
                log::error!("{} writes were not committed: {}", writes.len(), Chain(&error));
                self.conn = None;
                Arc::new(error)
            });
            for write in writes {
                write.answer(failure.as_ref());
            }
            if let Some(conn) = &mut self.conn {
                self.checkpoints.after_commit(conn);
            }
        }
    }

    /// Opens a transaction, and the connection where there is none.
    fn begin(&mut self) -> Result<()> {
        let conn = match &mut self.conn {
            Some(conn) => conn,
            none => none.insert((self.open)().map_err(Error::unavailable)?),
        };
        Ok(conn.begin_with(BEGIN)?)
    }

    /// One transaction: the first write, and those that come to wait while it goes on.
    fn carry(&mut self, writes: &mut Vec<Box<dyn Write>>, stop: &mut bool) -> Result<()> {
        if let Err(error) = self.begin() {
            // Those who came to wait meanwhile are told too. One after the other they would wait as long for the same again.
            while let Ok(message) = self.waiting.try_recv() {
                match message {
                    Message::Write(write) => writes.push(write),
                    Message::Stop => *stop = true,
                }
            }
            return Err(error);
        }
        let Some(conn) = &mut self.conn else { return Err(Error::internal("the writer has no connection")) };
        let started = Instant::now();
        let (mut changed, mut is_guarded, mut done) = (changes_of(conn)?, false, 0);
        while let Some(write) = writes.get_mut(done) {
            if is_guarded {
                run_alone(conn, write.as_mut())?;
            } else if let Some(now_changed) = run_openly(conn, write.as_mut(), changed)? {
                changed = now_changed;
            } else {
                conn.roll_back_to(0).map_err(|error| of_write(write.as_ref(), error))?;
                conn.begin_with(BEGIN)?;
                (is_guarded, done) = (true, 0);
                continue;
            }
            done += 1;
            if writes.len() < MAX_WRITES && started.elapsed() < MAX_GATHERING {
                match self.waiting.try_recv() {
                    Ok(Message::Write(next)) => writes.push(next),
                    Ok(Message::Stop) => *stop = true,
                    Err(_) => {}
                }
            }
        }
        conn.commit()?;
        Ok(())
    }
}

const BEGIN: &str = "BEGIN IMMEDIATE";

diesel::define_sql_function! {
    /// Rows that this connection has inserted, changed or deleted so far, undone ones among them.
    fn total_changes() -> diesel::sql_types::BigInt;
}

fn changes_of(conn: &mut DbConn) -> Result<i64> {
    Ok(each!(conn, |conn| diesel::select(total_changes()).get_result(conn))?)
}

/// Runs a write where nothing keeps its changes apart from those of others. The number of changes after it; `None` where it failed and
/// may have left something.
fn run_openly(conn: &mut DbConn, write: &mut dyn Write, before: i64) -> Result<Option<i64>> {
    let is_done = write.run(conn);
    if write.has_broken() || conn.must_roll_back() || conn.depth()? != 1 {
        return Ok(None);
    }
    let after = changes_of(conn)?;
    Ok((is_done || after == before).then_some(after))
}

/// Runs a write inside its savepoint.
fn run_alone(conn: &mut DbConn, write: &mut dyn Write) -> Result<()> {
    conn.begin_nested()?;
    let closed = match (write.run(conn), conn.depth()?) {
        (true, 2) => conn.commit(),
        (false, 2..) => conn.roll_back_to(1),
        // The transaction has ended beneath it, whatever the write has made of that.
        _ => Err(diesel::result::Error::RollbackTransaction),
    };
    closed.map_err(|error| of_write(write, error))
}

/// What it means that a write cannot be kept or undone.
///
/// Where the disk is full or broken SQLite ends the whole transaction by itself; there is nothing left to be closed, and closing fails.
/// That is no fault of ours, and all that the transaction carried can be sent again.
fn of_write(write: &dyn Write, error: diesel::result::Error) -> Error {
    if write.met_a_failing_disk() { Error::unavailable(error) } else { error.into() }
}
