//! `kith client`: the systems that may call the API.

use std::time::Duration;

use clap::Subcommand;
use serde::Serialize;
use serde_json::json;

use super::{Failure, database, say};
use crate::auth::model::{Client, NewClient};
use crate::auth::repository;
use crate::auth::scopes::Scopes;
use crate::auth::secrets::ClientSecret;
use crate::changes::Actor;
use crate::clock::Clock;
use crate::config::{self, DatabaseConfig, LogConfig};
use crate::db::types::Instant;
use crate::db::{Db, DbConn};
use crate::error::Result;
use crate::kind::{ClientId, OrganizationId};
use crate::organizations::model::{OrganizationInput, OrganizationKind};
use crate::organizations::{self, tenants};

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Add a client and show its secret, once
    Add {
        /// The organization it calls for: its id or its whole name
        #[arg(long, value_name = "NAME_OR_ID")]
        organization: String,
        /// Create the organization, of this kind, if there is none of this name: health_authority, clinic, program, agency or directory
        #[arg(long, value_parser = kind)]
        kind: Option<OrganizationKind>,
        /// What to call the client
        #[arg(long, value_parser = name)]
        name: String,
        /// What it may do, such as "patients:read referrals:write"; "all" for everything but admin
        #[arg(long, value_parser = scopes)]
        scopes: Scopes,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List the clients, without their secrets
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Give a client a new secret and show it, once
    Rotate {
        /// The client's id
        id: ClientId,
        /// How long the present secret stays good
        #[arg(long, default_value = "24h", value_name = "DURATION", value_parser = config::duration)]
        grace: Duration,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Refuse a client from now on; its tokens are refused within 5 seconds
    Disable {
        /// The client's id
        id: ClientId,
    },
    /// Let a disabled client call again
    Enable {
        /// The client's id
        id: ClientId,
    },
}

fn name(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    if (1..=200).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err("must have 1 to 200 characters")
    }
}

fn kind(text: &str) -> Result<OrganizationKind, String> {
    let kinds = || OrganizationKind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ");
    text.parse::<OrganizationKind>().map_err(|_| format!("the kinds are: {}", kinds()))
}

fn scopes(text: &str) -> Result<Scopes, String> {
    let scopes = if text == "all" { Ok(Scopes::all_but_admin()) } else { text.parse::<Scopes>() };
    match scopes {
        Ok(Scopes::NONE) => Err("name at least one scope".into()),
        Ok(scopes) => Ok(scopes),
        Err(unknown) => Err(format!("{unknown}; the scopes are: {}", Scopes::all())),
    }
}

/// What is shown once.
#[derive(Serialize)]
struct Shown<'a> {
    organization_id: OrganizationId,
    client_id: ClientId,
    client_secret: &'a str,
    scopes: Scopes,
}

impl Shown<'_> {
    fn print(&self, as_json: bool) -> Result<(), Failure> {
        if as_json {
            return say(format_args!("{:#}", json!(self)));
        }
        let Self { organization_id, client_id, client_secret, scopes } = self;
        say(format_args!("organization_id: {organization_id}\nclient_id: {client_id}\nclient_secret: {client_secret}\nscopes: {scopes}"))?;
        say("\nThe secret is not shown again.")
    }
}

pub(super) fn run(action: Action, database: &DatabaseConfig, log: &LogConfig) -> Result<(), Failure> {
    let db = database::open(database, log)?;
    let outcome = act(&db, action, Clock::default().now());
    db.shutdown();
    outcome
}

fn act(db: &Db, action: Action, now: Instant) -> Result<(), Failure> {
    match action {
        Action::Add { organization, kind, name, scopes, json } => {
            let secret = ClientSecret::generate()?;
            let hash = secret.hash()?;
            let added = db.write_blocking(move |conn| {
                let organization_id = match find_or_create_organization(conn, &organization, kind, now)? {
                    Ok(id) => id,
                    Err(sentence) => return Ok(Err(sentence)),
                };
                let client = NewClient::new(organization_id, name.clone(), scopes, hash.clone(), now);
                let is_set_free = tenants::admit(conn, &Actor::operator(now), &client)?;
                Ok(Ok((organization_id, client.id, is_set_free)))
            })?;
            let (organization_id, client_id, is_set_free) = added.map_err(Failure::because)?;
            if is_set_free {
                log::warn!("{organization_id} is no longer part of what the keeper of its record made it part of; it says so itself");
            }
            Shown { organization_id, client_id, client_secret: secret.expose(), scopes }.print(json)
        }
        Action::List { json } => {
            let clients = db.read_blocking(repository::list_clients)?;
            if json {
                return say(format_args!("{:#}", json!(clients)));
            }
            clients.iter().try_for_each(|Client { id, name, organization_name, scopes, is_active, .. }| {
                let state = if *is_active { "active" } else { "disabled" };
                say(format_args!("{id}  {state:8}  {organization_name}, {name}  [{scopes}]"))
            })
        }
        Action::Rotate { id, grace, json } => {
            let secret = ClientSecret::generate()?;
            let hash = secret.hash()?;
            let grace_ends_at = now.plus(chrono::Duration::from_std(grace)?);
            found(id, db.write_blocking(move |conn| repository::rotate_secret(conn, id, &hash, grace_ends_at, now))?)?;
            let Client { organization_id, scopes, .. } = get(db, id)?;
            Shown { organization_id, client_id: id, client_secret: secret.expose(), scopes }.print(json)
        }
        Action::Disable { id } => {
            found(id, db.write_blocking(move |conn| repository::set_active(conn, id, false, now))?)?;
            say(format_args!("{id} is disabled."))
        }
        Action::Enable { id } => {
            found(id, db.write_blocking(move |conn| tenants::readmit(conn, id, now))?)?;
            say(format_args!("{id} is active."))
        }
    }
}

fn found(id: ClientId, found: bool) -> Result<(), Failure> {
    if found { Ok(()) } else { Err(Failure::because(format!("there is no client {id}"))) }
}

fn get(db: &Db, id: ClientId) -> Result<Client, Failure> {
    db.read_blocking(|conn| repository::find_client(conn, id))?.ok_or_else(|| Failure::because(format!("there is no client {id}")))
}

/// The organization of this id or name; a new one, where there is none of this name and a kind is given; else a sentence that says why
/// there is none.
fn find_or_create_organization(
    conn: &mut DbConn,
    name_or_id: &str,
    kind: Option<OrganizationKind>,
    now: Instant,
) -> Result<Result<OrganizationId, String>> {
    let id = name_or_id.parse::<OrganizationId>().ok();
    let found = match id {
        Some(id) => organizations::repository::find(conn, id)?.into_iter().map(|row| row.id).collect(),
        None => tenants::find_by_name(conn, name_or_id)?,
    };
    Ok(match (found.as_slice(), kind) {
        ([id], _) => Ok(*id),
        ([], Some(kind)) if id.is_none() => Ok(tenants::create(conn, &Actor::operator(now), OrganizationInput::named(name_or_id, kind))?),
        ([], _) => {
            Err(format!("there is no organization {name_or_id:?}; with --kind clinic, or another kind, one of this name is created"))
        }
        _ => Err(format!("there are several organizations {name_or_id:?}; give the id of one")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_that_there_is_none_of_is_answered_with_those_that_there_are() {
        assert_eq!(kind("clinic"), Ok(OrganizationKind::Clinic));
        let told = kind("coordinator").unwrap_err();
        assert!(OrganizationKind::ALL.iter().all(|kind| told.contains(kind.as_str())), "{told}");
    }
}
