//! `kith migrate` and `kith openapi`.

use super::{Failure, say};
use crate::config::{DatabaseConfig, LogConfig};
use crate::db::Db;
use crate::{logging, openapi};

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

pub(super) fn openapi() -> Result<(), Failure> {
    say(openapi::text().trim_end())
}
