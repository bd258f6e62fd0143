//! What runs in every process: the journal is read on, the queues are sent, old deliveries are forgotten.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join3;
use tokio::sync::watch;

use super::{dispatcher, due, passing, queue, repository, worker};
use crate::app::State;
use crate::background::{self, Crew, Every, again_and_again};
use crate::changes::places::{self, Work};
use crate::db::types::Id;
use crate::error::{Chain, Error};
use crate::kind::WebhookEndpointId;

/// How often a process looks whether there is something to do.
const LOOK: Duration = Duration::from_millis(300);
/// How often it looks for what fell due.
const SWEEP: Duration = Duration::from_secs(30);
/// How often it looks for consents that began or ended by their date: what a client sees has changed with them.
const PASSING: Duration = Duration::from_secs(3);
/// How often it forgets.
const PURGE: Duration = Duration::from_secs(3600);
/// How often it looks for what still waits for endpoints to which nothing more is sent.
const CANCEL: Duration = Duration::from_secs(30);
/// Endpoints that a process sends to at once.
const AT_ONCE: usize = 64;
/// Deliveries are kept for so long after they were delivered or given up.
pub const KEPT: chrono::Duration = chrono::Duration::days(30);

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
        background::Running::start("webhooks", |stop| Self::new(app).run(stop))
    }

    /// Reads the journal to its end and queues what is to be sent; a part of it where another process is at it.
    pub async fn dispatch(&self) -> Result<(), Error> {
        while dispatcher::round(&self.app, self.id).await? {}
        Ok(())
    }

    /// Lets another process read the journal on at once.
    pub async fn let_go(&self) -> Result<(), Error> {
        let id = self.id;
        self.app.db.write(move |conn| places::let_go(conn, Work::Webhooks, id)).await
    }

    /// Notes what has fallen due, and queues it.
    pub async fn sweep(&self) -> Result<(), Error> {
        self.note_dues().await?;
        self.dispatch().await
    }

    async fn note_dues(&self) -> Result<(), Error> {
        while due::sweep(&self.app, self.id).await? {}
        Ok(())
    }

    /// Queues which consents have begun or ended by their date.
    pub async fn tell_what_passed(&self) -> Result<(), Error> {
        while passing::sweep(&self.app, self.id).await? {}
        Ok(())
    }

    /// Sends everything that can be sent now.
    pub async fn deliver(&self) -> Result<(), Error> {
        loop {
            let endpoints = self.awake().await?;
            if endpoints.is_empty() {
                return Ok(());
            }
            for endpoint in endpoints {
                self.serve(endpoint).await?;
            }
        }
    }

    /// Deletes what was finished, or fell due, long ago, a bounded number in each transaction.
    pub async fn purge(&self) -> Result<(), Error> {
        let before = self.app.clock.now().plus(-KEPT);
        while self.app.db.write(move |conn| queue::purge(conn, before)).await? > 0 {}
        while self.app.db.write(due::purge).await? > 0 {}
        Ok(())
    }

    /// Cancels what waits for endpoints to which nothing more is sent, a bounded number in each transaction.
    pub async fn cancel_rest(&self) -> Result<(), Error> {
        for endpoint in self.app.db.read(queue::over).await? {
            let now = self.app.clock.now();
            while self.app.db.write(move |conn| queue::cancel_rest(conn, endpoint, now)).await? > 0 {}
        }
        Ok(())
    }

    async fn awake(&self) -> Result<Vec<WebhookEndpointId>, Error> {
        let now = self.app.clock.now();
        self.app.db.read(move |conn| repository::awake(conn, now, AT_ONCE as i64)).await
    }

    async fn serve(&self, endpoint: WebhookEndpointId) -> Result<(), Error> {
        worker::serve(&self.app, self.id, endpoint, || !self.is_stopping.get()).await
    }

    async fn run(self, stop: watch::Receiver<bool>) {
        let purges = again_and_again(PURGE, stop.clone(), "old webhook deliveries were not deleted", || self.purge());
        let failure = "what waits for webhook endpoints that are over was not cancelled";
        let cancels = again_and_again(CANCEL, stop.clone(), failure, || self.cancel_rest());
        join3(self.work_until(stop), purges, cancels).await;
    }

    async fn work_until(&self, mut stop: watch::Receiver<bool>) {
        let (mut crew, mut sweeps, mut passings) = (Crew::new(AT_ONCE), Every::new(SWEEP), Every::new(PASSING));
        while !*stop.borrow() {
            let mut more = false;
            match dispatcher::round(&self.app, self.id).await {
                Ok(has_more) => more = has_more,
                Err(error) => complain("the journal was not read on for webhooks", &error),
            }
            sweeps.when_due("what fell due was not looked for", self.note_dues()).await;
            passings.when_due("which consents began or ended was not looked for", self.tell_what_passed()).await;
            match self.awake().await {
                Ok(endpoints) => crew.take_up(endpoints, |id| self.clone().send_to(id)),
                Err(error) => complain("the webhook queues were not read", &error),
            }
            crew.rest(if more { Duration::ZERO } else { LOOK }, &mut stop).await;
        }
        self.is_stopping.set(true);
        crew.finish().await;
        if let Err(error) = self.let_go().await {
            complain("the journal was not let go", &error);
        }
    }

    async fn send_to(self, id: WebhookEndpointId) {
        if let Err(error) = self.serve(id).await {
            complain(&format!("webhook endpoint {id} was not served"), &error);
        }
    }
}

fn complain(what: &str, error: &Error) {
    log::warn!("{what}: {}", Chain(error));
}
