//! `kith serve`, and the start of a server that the demo shares with it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

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
    /// Sends webhooks meanwhile.
    pub webhooks: background::Running,
    /// Pulls from sources meanwhile.
    pub sources: background::Running,
    /// Imports and exports meanwhile.
    pub bulk: background::Running,
}

impl Running {
    /// Answers requests, sends webhooks, pulls from sources, imports and exports until it is told to stop, and ends when all that was begun is finished.
    pub async fn run(self) -> io::Result<()> {
        let Self { state, server, webhooks, sources, bulk, .. } = self;
        let outcome = server.await;
        let patience = |timeout: Duration| timeout.min(state.config.shutdown_timeout);
        let ends = (webhooks.stop(patience(state.config.webhook_timeout)), sources.stop(patience(state.config.source_timeout)));
        futures_util::future::join3(ends.0, ends.1, bulk.stop(state.config.shutdown_timeout)).await;
        state.db.shutdown();
        outcome
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
    let mut server = HttpServer::new(move || app::build(shared.clone())).shutdown_timeout(shutdown_seconds);
    if let Some(workers) = workers {
        server = server.workers(workers);
    }
    let server = server.bind(address).map_err(|source| StartError::Listen { address, source })?;
    let addresses = server.addrs();
    actix_web::rt::spawn(crate::services::keeping::keep_current(state.clone()));
    actix_web::rt::spawn(crate::http::command::keep_forgetting(state.clone()));
    actix_web::rt::spawn(crate::appointments::expiry::keep_expiring(state.clone()));
    actix_web::rt::spawn(crate::waitlists::sweeper::keep_sweeping(state.clone()));
    actix_web::rt::spawn(crate::responsiveness::counting::keep_refreshing(state.clone()));
    actix_web::rt::spawn(stop_waiting_when_told(state.clone()));
    let webhooks = webhooks::Engine::start(state.clone());
    let sources = sources::Engine::start(state.clone());
    let bulk = bulk::Engine::start(&state);
    Ok(Running { state, addresses, server: server.run(), webhooks, sources, bulk })
}

/// The server stops by itself when it is told to, once it has answered; those who wait for something to happen must not keep it.
async fn stop_waiting_when_told(state: State) {
    #[cfg(unix)]
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut told) => {
            told.recv().await;
            state.stop_waiting();
        }
        Err(error) => log::warn!("streams of changes will not end early when the server is told to stop: {error}"),
    }
    #[cfg(not(unix))]
    drop(state);
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
