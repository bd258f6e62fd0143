//! `kith migrate`, and how the other commands open the database.

use super::{Failure, say};
use crate::config::{DatabaseConfig, LogConfig};
use crate::db::Db;
use crate::logging;

/// Opens the database, which brings it up to date and logs what was done.
pub(super) fn open(database: &DatabaseConfig, log: &LogConfig) -> Result<Db, Failure> {
    logging::start(log);
    Ok(Db::open(&database.settings())?)
}

pub(super) fn migrate(database: &DatabaseConfig, log: &LogConfig) -> Result<(), Failure> {
    let db = open(database, log)?;
    db.shutdown();
    say("The database is up to date.")
}
