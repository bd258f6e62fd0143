//! How long a login that is refused takes, by the reason for which it is: `cargo run --release --example login_times [ROUNDS]`.
//!
//! Prints a median for each reason. They should be alike, or the time of an answer tells which clients there are: a refusal takes a fixed
//! time, and this tells whether what is done for it ends before, on a machine that has nothing else to do.

#![expect(clippy::print_stdout, reason = "the numbers are what it is for")]

use std::error::Error;
use std::time::{Duration, Instant};

use kith::auth::model::NewClient;
use kith::auth::secrets::ClientSecret;
use kith::auth::{Authority, Scopes, repository};
use kith::changes::Actor;
use kith::clock::Clock;
use kith::config::Config;
use kith::db::{Db, DbSettings};
use kith::kind::ClientId;
use kith::organizations::model::OrganizationInput;
use kith::organizations::tenants;
use serde_json::json;

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let rounds = std::env::args().nth(1).map_or(Ok(100), |rounds| rounds.parse::<usize>())?;
    let folder = tempfile::tempdir()?;
    let db = Db::open(&DbSettings::new(format!("sqlite:{}", folder.path().join("kith.db").display())))?;
    let clock = Clock::default();
    let authority = Authority::start(&Config::from_flags::<_, &str>([])?, &db, &clock).await?;

    let [known, rotated, disabled, old] = [client(&db, &clock)?, client(&db, &clock)?, client(&db, &clock)?, client(&db, &clock)?];
    let (now, hash) = (clock.now(), ClientSecret::generate()?.hash()?);
    let grace_ends_at = now.plus(chrono::Duration::days(1));
    db.write_blocking(move |conn| repository::rotate_secret(conn, rotated, &hash, grace_ends_at, now))?;
    db.write_blocking(move |conn| repository::set_active(conn, disabled, false, now))?;

    let hash = ClientSecret::generate()?.hash()?;
    let unchecked = hash.find('$').map_or(hash.clone(), |start| hash.split_at(start).1.to_owned());
    db.write_blocking(move |conn| repository::rotate_secret(conn, old, &unchecked, now, now))?;

    let cases = [
        ("no such client", ClientId::generate()),
        ("another secret", known),
        ("another secret, and two that are good", rotated),
        ("another secret, and the client is disabled", disabled),
        ("another secret, and the hash has no check", old),
    ];
    let wrong = ClientSecret::generate()?;
    let mut took: Vec<Vec<Duration>> = vec![Vec::new(); cases.len()];
    for _ in 0..rounds {
        for ((_, client), took) in cases.iter().zip(&mut took) {
            let began = Instant::now();
            let found = authority.log_in(&db, &clock, *client, wrong.expose()).await?;
            took.push(began.elapsed());
            assert!(found.is_none(), "a wrong secret was taken for a right one");
        }
    }
    for ((reason, _), took) in cases.iter().zip(&mut took) {
        took.sort();
        let median = took.get(took.len() / 2).copied().unwrap_or_default();
        println!("{:8.2} ms  {reason}", median.as_secs_f64() * 1000.0);
    }
    Ok(())
}

/// A client of an organization of its own.
fn client(db: &Db, clock: &Clock) -> Result<ClientId, Box<dyn Error>> {
    let (actor, hash) = (Actor::operator(clock.now()), ClientSecret::generate()?.hash()?);
    let organization: OrganizationInput = serde_json::from_value(json!({ "name": "Clinic", "kind": "clinic" }))?;
    Ok(db.write_blocking(move |conn| {
        let organization = tenants::create(conn, &actor, organization.clone())?;
        let client = NewClient::new(organization, "EMR".into(), Scopes::all_but_admin(), hash.clone(), actor.at);
        tenants::admit(conn, &actor, &client)?;
        Ok(client.id)
    })?)
}
