//! Many who write the same referrals at the same time.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use kith::referrals::lifecycle::ReferralStatus;
use serde_json::{Value, json};

use super::replay::Feed;
use super::town::{Client, Town};
use super::{Dice, times};
use crate::client::Answer;
use crate::harness::Place;
use crate::server::Server;
use crate::socket::Http;

const CLIENTS: usize = 64;
const REFERRALS: usize = 12;

/// What a client changed: which version of which referral it made.
type Made = HashSet<(String, i64)>;

#[test]
fn sixty_four_clients_at_once_lose_double_and_skip_nothing_on_sqlite() {
    storm(&Place::on_sqlite(), 1);
}

#[test]
fn sixty_four_clients_at_once_lose_double_and_skip_nothing_on_two_servers_with_one_postgresql() {
    if let Some(place) = Place::on_postgres() {
        storm(&place, 2);
    }
}

/// All clients on these servers at once, and one that reads the feed from its beginning all the while.
fn storm(place: &Place, count: usize) {
    let url = place.url();
    let mut town = Town::on(&url);
    let servers: Vec<Server> = (0..count).map(|_| Server::start(&url, &[])).collect();
    town.log_in(&servers[0].address);
    let mut http = Http::to(&servers[0].address);
    let patient = town.clinic.try_call(&mut http, "POST", "/v1/patients", &[], Some(&Town::person("storm"))).unwrap().expect(201);
    let mut made = Made::new();
    let referrals: Vec<String> = (0..REFERRALS).map(|_| refer(&town, &mut http, &patient, &mut made).unwrap()).collect();

    let done = AtomicBool::new(false);
    let (made_by_all, mut feed) = std::thread::scope(|scope| {
        let tail = scope.spawn(|| {
            let (mut feed, mut http) = (Feed::default(), Http::to(&servers[count - 1].address));
            while !done.load(Ordering::SeqCst) {
                feed.read_on(&town.clinic, &mut http);
            }
            feed
        });
        let (town, patient, referrals, servers) = (&town, &patient, &referrals, &servers);
        let client = |number: usize| {
            let mut http = Http::to(&servers[number % count].address);
            let (mut dice, mut made) = (Dice(number as u64), Made::new());
            for step in 0..times(12, 400) {
                let id = dice.pick(referrals).clone();
                match dice.roll(10) {
                    0 => drop(refer(town, &mut http, patient, &mut made)),
                    1..4 => patch(town, &mut http, &id, &format!("client {number}, step {step}"), &mut made),
                    _ => transition(town, &mut http, &id, &mut dice, &mut made),
                }
            }
            made
        };
        let clients: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(move || client(number))).collect();
        let ended: Vec<_> = clients.into_iter().map(|client| client.join()).collect();
        // Before one that failed is told: the reader waits for this, and the test for the reader.
        done.store(true, Ordering::SeqCst);
        (ended.into_iter().map(|made| made.unwrap()).collect::<Vec<Made>>(), tail.join().unwrap())
    });
    for (id, version) in made_by_all.into_iter().flatten() {
        assert!(made.insert((id.clone(), version)), "two clients were told that they made version {version} of {id}");
    }
    feed.check(&town.clinic, &mut http);
    let seen = feed.versions("referral");
    assert_eq!(seen.symmetric_difference(&made).collect::<Vec<_>>(), Vec::<&(String, i64)>::new(), "told and not in the feed, or not told");
    let transitions: usize = referrals.iter().map(|id| town.clinic.list(&mut http, &format!("/v1/referrals/{id}/transitions")).len()).sum();
    println!("storm of {CLIENTS} on {count}: {} versions, {} changes, {transitions} transitions", made.len(), feed.len());
}

/// Calls until the server has time for it.
fn call(client: &Client, http: &mut Http, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    loop {
        let answer = client.try_call(http, method, path, headers, Some(body)).unwrap();
        // Nothing else than a place in the queue is ever missing here, so nothing was begun.
        if answer.status != 503 {
            return answer;
        }
        answer.expect_try_again();
        assert_eq!(answer.json()["code"], "busy");
        sleep(Duration::from_millis(50));
    }
}

fn version(answer: &Answer) -> i64 {
    answer.header("etag").and_then(|tag| tag.trim_matches('"').parse().ok()).unwrap_or_else(|| panic!("no ETag: {:?}", answer.headers))
}

/// Sends a new referral.
fn refer(town: &Town, http: &mut Http, patient: &Value, made: &mut Made) -> Option<String> {
    let referral = town.navigation(patient["id"].as_str()?);
    let answer = call(&town.clinic, http, "POST", "/v1/referrals", &[], &referral);
    let id = answer.expect(201)["id"].as_str()?.to_owned();
    assert_eq!(version(&answer), 1);
    made.insert((id.clone(), 1));
    Some(id)
}

/// Reads, and patches what was read, if nobody was faster.
fn patch(town: &Town, http: &mut Http, id: &str, reason: &str, made: &mut Made) {
    let path = format!("/v1/referrals/{id}");
    let read = town.clinic.try_call(http, "GET", &path, &[], None).unwrap();
    read.expect(200);
    let tag = read.header("etag").unwrap().to_owned();
    let answer = call(&town.clinic, http, "PATCH", &path, &[("If-Match", &tag)], &json!({ "reason": reason }));
    match answer.status {
        200 => {
            assert_eq!(answer.json()["reason"], reason);
            assert_eq!(version(&answer), version(&read) + 1);
            made.insert((id.to_owned(), version(&answer)));
        }
        409 => assert_eq!(answer.json()["code"], "referral_closed"),
        status => assert_eq!((status, &answer.json()["code"]), (412, &json!("version_mismatch"))),
    }
}

/// Wishes it somewhere, as one side or the other.
fn transition(town: &Town, http: &mut Http, id: &str, dice: &mut Dice, made: &mut Made) {
    // Closed referrals stay as they are, so that is wished for less often.
    let open = [ReferralStatus::Received, ReferralStatus::Accepted, ReferralStatus::InProgress, ReferralStatus::OnHold];
    let to = if dice.roll(20) == 0 { *dice.pick(ReferralStatus::ALL) } else { *dice.pick(&open) };
    let mut wish = json!({ "status": to });
    if to.needs_reason() {
        wish["reason"] = json!({ "code": "other", "text": "A storm." });
    }
    if to.needs_outcome() {
        wish["outcome"] = json!("unknown");
    }
    let client = if dice.roll(4) == 0 { &town.clinic } else { &town.program };
    let answer = call(client, http, "POST", &format!("/v1/referrals/{id}/transitions"), &[], &wish);
    let code = answer.json()["code"].clone();
    match answer.status {
        201 => drop(made.insert((id.to_owned(), version(&answer)))),
        409 => assert_eq!(code, "illegal_transition"),
        403 => assert_eq!(code, "forbidden"),
        status => assert_eq!((status, code), (412, json!("version_mismatch")), "{}", answer.text()),
    }
}
