//! `kith import`: what comes from files.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::{Failure, database, say};
use crate::changes::Actor;
use crate::clock::Clock;
use crate::config::{DatabaseConfig, LogConfig};
use crate::error::Error;
use crate::instruments::loading::{self, Loaded};

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Load a screening instrument from a JSON file, in the form of this API or in camelCase
    ///
    /// The wording of many instruments is not free: load what your organization may use. An edition is loaded once; a changed one
    /// needs another edition.
    Instrument {
        /// The file
        file: PathBuf,
    },
}

pub(super) fn run(action: Action, database: &DatabaseConfig, log: &LogConfig) -> Result<(), Failure> {
    match action {
        Action::Instrument { file } => instrument(&file, database, log),
    }
}

fn instrument(file: &Path, database: &DatabaseConfig, log: &LogConfig) -> Result<(), Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| Failure::because(format!("cannot read {}: {error}", file.display())))?;
    let document: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| Failure::because(format!("{} is not JSON: {error}", file.display())))?;
    let db = database::open(database, log)?;
    let actor = Actor::operator(Clock::default().now());
    let loaded = db.write_blocking(move |conn| loading::load(conn, &actor, document.clone()));
    db.shutdown();
    match loaded {
        Ok(Loaded::Created(id)) => say(format!("Loaded as {id}.")),
        Ok(Loaded::Unchanged(id)) => say(format!("Nothing to do: it is loaded already, as {id}.")),
        Err(Error::Invalid(faults)) => {
            Err(Failure(faults.into_iter().map(|fault| format!("{}: {}", fault.pointer, fault.message)).collect()))
        }
        Err(Error::Conflict { detail, .. }) => Err(Failure::because(detail)),
        Err(error) => Err(error.into()),
    }
}
