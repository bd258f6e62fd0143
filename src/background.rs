//! Work that goes on beside the requests, and ends with the server.

use std::future::Future;
use std::time::Duration;

use actix_web::rt;
use tokio::sync::watch;
use tokio::task::JoinHandle;

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

    /// Lets it finish what it has begun, for at most this long.
    pub async fn stop(self, patience: Duration) {
        // It is gone already where it has panicked.
        let _gone = self.stop.send(true);
        if tokio::time::timeout(patience, self.task).await.is_err() {
            log::warn!("{} were still under way; they go on when a server runs again", self.what);
        }
    }
}
