//! Work that goes on beside the requests, and ends with the server.

mod lease;

use std::collections::HashSet;
use std::future::Future;
use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use actix_web::rt;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};

pub use self::lease::{Lease, Leased, Lost};
use crate::error::{Chain, Result};

/// Does something beside other work again and again, the first time at once, with so long a pause between, and says in the log what has
/// failed. Once it is to end it is given up where it is: what it has not written yet is for another time.
pub async fn again_and_again<F: Future<Output = Result<()>>>(
    pause: Duration,
    mut stop: watch::Receiver<bool>,
    failure: &str,
    work: impl Fn() -> F,
) {
    loop {
        let turn = async {
            if let Err(error) = work().await {
                log::warn!("{failure}: {}", Chain(&error));
            }
            tokio::time::sleep(pause).await;
        };
        tokio::select! {
            _ = stop.wait_for(|is_over| *is_over) => return,
            () = turn => {}
        }
    }
}

/// Work of a process that runs.
pub struct Running {
    what: &'static str,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    /// Starts it. What it is given turns true when it is to end.
    pub fn start<F: Future<Output = ()> + 'static>(what: &'static str, run: impl FnOnce(watch::Receiver<bool>) -> F) -> Self {
        let (stop, stopped) = watch::channel(false);
        Self { what, stop, task: rt::spawn(run(stopped)) }
    }

    /// Tells it to finish what it has begun, and to begin nothing more.
    pub fn tell(&self) {
        // It is gone already where it has panicked.
        let _gone = self.stop.send(true);
    }

    /// Tells it so, and waits for its end, for at most this long.
    pub async fn stop(self, patience: Duration) {
        self.tell();
        if tokio::time::timeout(patience, self.task).await.is_err() {
            log::warn!("{} were still under way; they go on when a server runs again", self.what);
        }
    }
}

/// Tasks beside each other, each at something of its own that nobody else of the process is at, and at most so many.
pub struct Crew<T> {
    most: usize,
    tasks: FuturesUnordered<JoinHandle<T>>,
    busy: HashSet<T>,
}

impl<T: Copy + Eq + Hash + 'static> Crew<T> {
    /// One of so many, who are all free.
    pub fn new(most: usize) -> Self {
        Self { most, tasks: FuturesUnordered::new(), busy: HashSet::new() }
    }

    /// Begins with those that nobody is at, as long as somebody is free.
    pub fn take_up<F: Future<Output = ()> + 'static>(&mut self, waiting: impl IntoIterator<Item = T>, work: impl Fn(T) -> F) {
        for one in waiting {
            if self.is_free() && self.busy.insert(one) {
                let work = work(one);
                self.tasks.push(rt::spawn(async move {
                    // The hook of panics has said so; what it was at is free again.
                    let _panicked = AssertUnwindSafe(work).catch_unwind().await;
                    one
                }));
            }
        }
    }

    /// Waits for so long, or until it is to end, or until somebody is free where nobody is.
    pub async fn rest(&mut self, pause: Duration, stop: &mut watch::Receiver<bool>) {
        let is_full = !self.is_free();
        tokio::select! {
            done = self.tasks.next(), if is_full => self.forget(done),
            () = tokio::time::sleep(pause) => {}
            _ = stop.changed() => {}
        }
        while let Some(done @ Some(_)) = self.tasks.next().now_or_never() {
            self.forget(done);
        }
    }

    /// Waits until all are done.
    pub async fn finish(mut self) {
        while self.tasks.next().await.is_some() {}
    }

    fn is_free(&self) -> bool {
        self.tasks.len() < self.most
    }

    fn forget(&mut self, done: Option<Result<T, JoinError>>) {
        if let Some(Ok(one)) = done {
            self.busy.remove(&one);
        }
    }
}

/// Something that is done now and then, the first time at once.
pub struct Every {
    period: Duration,
    last: Option<Instant>,
}

impl Every {
    /// Once in so long a time.
    pub const fn new(period: Duration) -> Self {
        Self { period, last: None }
    }

    /// Whether it is time again; what is asked for is then taken as done.
    pub fn is_due(&mut self) -> bool {
        let is_due = self.last.is_none_or(|last| last.elapsed() >= self.period);
        if is_due {
            self.last = Some(Instant::now());
        }
        is_due
    }

    /// Does this where it is time again, and says in the log what has failed.
    pub async fn when_due(&mut self, failure: &str, work: impl Future<Output = Result<()>>) {
        if self.is_due()
            && let Err(error) = work.await
        {
            log::warn!("{failure}: {}", Chain(&error));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::pending;

    use tokio::sync::oneshot;

    use super::*;

    #[actix_web::test]
    async fn work_that_is_told_to_end_does_so_before_anybody_waits_for_it() {
        let (end, ended) = oneshot::channel();
        let work = Running::start("the work of a test", |mut stop| async move {
            let _told = stop.changed().await;
            let _heard = end.send(*stop.borrow());
        });
        work.tell();
        assert_eq!(ended.await, Ok(true));
        work.stop(Duration::from_secs(60)).await;
    }

    #[actix_web::test]
    async fn what_is_done_again_and_again_is_given_up_once_it_is_to_end() {
        let (stop, stopped) = watch::channel(false);
        let turns = Cell::new(0);
        let work = || async {
            turns.set(turns.get() + 1);
            if turns.get() == 3 {
                stop.send_replace(true);
                return pending().await;
            }
            Err(crate::error::Error::Busy)
        };
        again_and_again(Duration::ZERO, stopped, "it was not done", work).await;
        assert_eq!(turns.get(), 3);
    }
}
