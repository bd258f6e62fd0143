//! `kith migrate` and `kith openapi`.

use std::io::Write;

use super::Failure;
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
    println!("The database is up to date.");
    Ok(())
}

pub(super) fn openapi() -> Result<(), Failure> {
    Ok(std::io::stdout().write_all(openapi::text().as_bytes())?)
}
