//! `kith serve`, and the start of a server that the demo shares with it.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use actix_web::HttpServer;
use actix_web::dev::Server;

use super::Failure;
use crate::app::{self, App, State};
use crate::auth::Authority;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::Db;
use crate::instruments::loading;
use crate::{background, bulk, logging, sources, webhooks};

/// A server that listens.
pub struct Running {
    /// What its requests share.
    pub state: State,
    /// Where it listens.
    pub addresses: Vec<SocketAddr>,
    /// Answers requests while it is awaited, and ends once it has been told to stop and has answered what it had accepted.
    pub server: Server,
    /// Tells the process to stop.
    told: Signals,
    /// Sends webhooks meanwhile.
    pub webhooks: background::Running,
    /// Pulls from sources meanwhile.
    pub sources: background::Running,
    /// Imports and exports meanwhile.
    pub bulk: background::Running,
}

impl Running {
    /// Answers requests, sends webhooks, pulls from sources, imports and exports until it is told to stop, and ends when all that was begun is finished.
    ///
    /// # Errors
    /// Where it was told a second time, and has not waited for what was under way.
    pub async fn run(self) -> io::Result<()> {
        let Self { state, server, mut told, webhooks, sources, bulk, .. } = self;
        let (handle, timeout) = (server.handle(), state.config.shutdown_timeout);
        let told_at: Cell<Option<Instant>> = Cell::new(None);
        let told_twice = async {
            told.next().await;
            told_at.set(Some(Instant::now()));
            // Those who wait for something to happen must not keep it.
            state.stop_waiting();
            let _under_way = handle.stop(true);
            // What goes on beside the requests has the same time to end, and not some more behind them.
            [&webhooks, &sources, &bulk].into_iter().for_each(background::Running::tell);
            told.next().await;
        };
        // A server that is dropped ends at once.
        let outcome = tokio::select! {
            outcome = server => Some(outcome),
            () = told_twice => None,
        };
        let left = match told_at.get() {
            Some(moment) if outcome.is_some() => timeout.saturating_sub(moment.elapsed()),
            Some(_) => Duration::ZERO,
            None => timeout,
        };
        futures_util::future::join3(webhooks.stop(left), sources.stop(left), bulk.stop(left)).await;
        state.db.shutdown();
        outcome.unwrap_or_else(|| Err(io::Error::other("told to stop a second time, it has not answered everything that it had accepted")))
    }
}

/// The signals that tell the process to stop: SIGTERM, and SIGINT, which Ctrl-C sends.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    /// From now on they no longer end the process by themselves.
    fn listen() -> io::Result<Self> {
        #[cfg(unix)]
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            #[cfg(unix)]
            terminate: signal(SignalKind::terminate())?,
            #[cfg(unix)]
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The next one of them.
    async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] crate::db::OpenError),
    /// The signing keys cannot be read or made.
    #[error("cannot read or make the keys that sign tokens")]
    Keys(#[source] crate::error::Error),
    /// The instruments that come with Kith cannot be written.
    #[error("cannot load the screening instruments that come with Kith")]
    Instruments(#[source] crate::error::Error),
    /// The process cannot be told to stop.
    #[error("cannot listen to the signals of the system")]
    Signals(#[source] io::Error),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// Opens the database, brings it up to date, and makes ready what requests share.
pub async fn open(config: Config, clock: Clock) -> Result<State, StartError> {
    let db = Db::open(&config.database.settings())?;
    let authority = Authority::start(&config, &db, &clock).await.map_err(StartError::Keys)?;
    loading::seed(&db, &clock).await.map_err(StartError::Instruments)?;
    Ok(State::new(App::new(config, db, clock, authority)))
}

/// Opens the database and listens.
pub async fn start(config: Config) -> Result<Running, StartError> {
    let address = SocketAddr::new(config.host, config.port);
    let workers = config.workers.map(usize::from);
    let shutdown_seconds = config.shutdown_timeout.as_secs();
    let state = open(config, Clock::default()).await?;
    let shared = state.clone();
    // To the server's own way with them SIGINT is no reason to wait for answers.
    let mut server = HttpServer::new(move || app::build(shared.clone())).shutdown_timeout(shutdown_seconds).disable_signals();
    if let Some(workers) = workers {
        server = server.workers(workers);
    }
    let server = server.bind(address).map_err(|source| StartError::Listen { address, source })?;
    let addresses = server.addrs();
    let told = Signals::listen().map_err(StartError::Signals)?;
    actix_web::rt::spawn(crate::services::keeping::keep_current(state.clone()));
    actix_web::rt::spawn(crate::http::command::keep_forgetting(state.clone()));
    actix_web::rt::spawn(crate::appointments::expiry::keep_expiring(state.clone()));
    actix_web::rt::spawn(crate::waitlists::sweeper::keep_sweeping(state.clone()));
    actix_web::rt::spawn(crate::responsiveness::counting::keep_refreshing(state.clone()));
    let webhooks = webhooks::Engine::start(state.clone());
    let sources = sources::Engine::start(state.clone());
    let bulk = bulk::Engine::start(&state);
    Ok(Running { state, addresses, server: server.run(), told, webhooks, sources, bulk })
}

pub(super) fn run(config: Config) -> Result<(), Failure> {
    let mistakes = config.mistakes();
    if !mistakes.is_empty() {
        return Err(Failure(mistakes));
    }
    logging::start(&config.log);
    if config.base_url.is_none() {
        log::warn!("KITH_BASE_URL is not set: tokens name \"kith\" as their issuer");
    }
    actix_web::rt::System::new().block_on(async move {
        let running = start(config).await?;
        for address in &running.addresses {
            log::info!("kith {} listens on http://{address}", env!("CARGO_PKG_VERSION"));
        }
        running.run().await?;
        log::info!("stopped; everything accepted has been answered");
        Ok(())
    })
}
