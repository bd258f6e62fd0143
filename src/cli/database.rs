//! `kith migrate`, and how the other commands open the database.

use super::{Failure, say};
use crate::config::{DatabaseConfig, LogConfig};
use crate::db::Db;
use crate::logging;

/// Opens the database for a command that runs beside servers: it is set up where it is empty, and not brought up to date under them.
pub(super) fn open(database: &DatabaseConfig, log: &LogConfig) -> Result<Db, Failure> {
    logging::start(log);
    Ok(Db::open_beside(&database.settings())?)
}

pub(super) fn migrate(database: &DatabaseConfig, log: &LogConfig) -> Result<(), Failure> {
    logging::start(log);
    Db::open(&database.settings())?.shutdown();
    say("The database is up to date.")
}
