//! `kith key`: the keys that sign access tokens.

use clap::Subcommand;

use super::{Failure, database, say};
use crate::auth::keys::{SigningKey, generate_pem};
use crate::auth::repository;
use crate::clock::Clock;
use crate::config::{DatabaseConfig, LogConfig};
use crate::db::Db;
use crate::db::types::Instant;

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// List the keys, newest first
    List,
    /// Add a key, which signs within three minutes, once every server knows it; those before it verify until they are retired
    Rotate,
    /// Take a key out of use; tokens that it signed are refused within a minute
    Retire {
        /// The key's id
        kid: String,
    },
}

pub(super) fn run(action: Action, database: &DatabaseConfig, log: &LogConfig) -> Result<(), Failure> {
    let db = database::open(database, log)?;
    let outcome = act(&db, action, Clock::default().now());
    db.shutdown();
    outcome
}

fn act(db: &Db, action: Action, now: Instant) -> Result<(), Failure> {
    match action {
        Action::List => db.read_blocking(repository::list_signing_key_ids)?.iter().try_for_each(|(kid, created_at, retired_at)| {
            let state = retired_at.map_or_else(|| "in use".to_owned(), |moment| format!("retired {moment}"));
            say(format_args!("{kid}  made {created_at}  {state}"))
        }),
        Action::Rotate => {
            let pem = generate_pem()?;
            let kid = SigningKey::from_pem(&pem)?.kid().to_owned();
            let added = kid.clone();
            db.write_blocking(move |conn| repository::insert_signing_key(conn, &added, &pem, now))?;
            say(format_args!("{kid} signs within three minutes, once every server knows it."))
        }
        Action::Retire { kid } => {
            let retired = kid.clone();
            let outcome = db.write_blocking(move |conn| {
                let keys = repository::list_signing_key_ids(conn)?;
                let others_in_use = keys.iter().any(|(other, _, retired_at)| retired_at.is_none() && *other != retired);
                Ok(if !others_in_use {
                    Err("the last key cannot be retired: rotate first")
                } else if repository::retire_signing_key(conn, &retired, now)? {
                    Ok(())
                } else {
                    Err("there is no such key in use")
                })
            })?;
            outcome.map_err(Failure::because)?;
            say(format_args!("{kid} is retired."))
        }
    }
}
