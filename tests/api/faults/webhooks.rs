//! Webhooks while receivers fail and servers are killed: every event arrives, in the order of its resource, and is verified with the library
//! that receivers use.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::town::{Client, Town};
use super::{Dice, times};
use crate::harness::Place;
use crate::receiver::{Got, Receiver, Reply};
use crate::server::Server;
use crate::socket::Http;

/// Waits that are seconds in life are fractions of them here.
pub const FLAGS: [&str; 3] = ["--webhook-allow=127.0.0.1", "--webhook-timeout=2s", "--webhook-retry=100ms"];

/// Endpoints, of which a third fail.
const ENDPOINTS: usize = 24;

#[test]
fn every_event_arrives_in_order_while_receivers_fail_and_the_server_is_killed() {
    deliver(&Place::on_sqlite(), 1);
}

#[test]
fn every_event_arrives_in_order_while_receivers_fail_and_two_servers_on_one_postgresql_are_killed() {
    if let Some(place) = Place::on_postgres() {
        deliver(&place, 2);
    }
}

/// Answers as one of a crowd: a third of the endpoints fail at first, each in its way.
fn crowd() -> impl Fn(&Got) -> Reply + Send + Sync {
    let tries: Mutex<HashMap<(String, String), usize>> = Mutex::default();
    move |got| {
        let number: usize = got.path[1..].parse().unwrap();
        let mut tries = tries.lock().unwrap();
        let count = tries.entry((got.path.clone(), got.id().to_owned())).or_default();
        *count += 1;
        match (number % 12, *count) {
            (0, 1) => Reply::status(500),
            (3, 1) => Reply { headers: vec![("Retry-After", "1".into())], ..Reply::status(429) },
            (6, 1) => Reply::status(0),
            // Too slow once in a while.
            (9, 1) if got.body.len() % 7 == 0 || got.id().ends_with('0') => Reply { delay: Duration::from_secs(3), ..Reply::status(204) },
            _ => Reply::status(204),
        }
    }
}

/// An endpoint and what it has taken.
struct Endpoint {
    id: String,
    secret: String,
    seen: HashSet<String>,
    /// By patient, the versions in the order in which they were taken first.
    versions: HashMap<String, Vec<i64>>,
}

/// Has these events sent to an address, with the resources: the endpoint's id and its secret.
pub fn subscribe(client: &Client, http: &mut Http, url: &str, types: &[impl AsRef<str>]) -> (String, String) {
    let types: Vec<&str> = types.iter().map(AsRef::as_ref).collect();
    let body = json!({ "url": url, "event_types": types, "payload": "full" });
    let created = client.try_call(http, "POST", "/v1/webhook-endpoints", &[], Some(&body)).unwrap().expect(201);
    let text = |field: &str| created[field].as_str().unwrap().to_owned();
    (text("id"), text("secret"))
}

impl Endpoint {
    fn create(town: &Town, http: &mut Http, url: &str) -> Self {
        let (id, secret) = subscribe(&town.clinic, http, url, &["patient.created", "patient.updated"]);
        Self { id, secret, seen: HashSet::new(), versions: HashMap::new() }
    }

    fn take(&mut self, got: &Got) {
        let headers = got.headers.iter().filter(|(name, _)| name.starts_with("webhook-"));
        let headers = headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let verified = standardwebhooks::Webhook::new(&self.secret).unwrap().verify(got.body.as_bytes(), &headers);
        assert!(verified.is_ok(), "{:?}: {:?}", verified, got.headers);
        if self.seen.insert(got.id().to_owned()) {
            let data = got.json()["data"].take();
            assert_eq!(data["resource"]["version"], data["version"]);
            let patient = data["resource_id"].as_str().unwrap().to_owned();
            self.versions.entry(patient).or_default().push(data["version"].as_i64().unwrap());
        }
    }
}

fn deliver(place: &Place, count: usize) {
    let url = place.url();
    let (mut town, mut dice) = (Town::on(&url), Dice(11));
    let receiver = Receiver::that(crowd());
    let start = || -> Vec<Server> { (0..count).map(|_| Server::start(&url, &FLAGS)).collect() };
    let mut servers = start();
    town.log_in(&servers[0].address);
    let mut http = Http::to(&servers[0].address);
    let mut endpoints: Vec<Endpoint> =
        (0..ENDPOINTS).map(|number| Endpoint::create(&town, &mut http, &receiver.url(&format!("/{number}")))).collect();
    let (mut taken, mut tries) = (0, 0);
    let rounds = times(2, 30);
    for round in 0..rounds {
        for number in 0..times(8, 20) {
            write(&town, &mut Http::to(&servers[number % count].address), &format!("r{round}n{number}"));
        }
        // In the middle of it.
        let began = Instant::now();
        let enough = receiver.count() + 20 + dice.roll(100);
        while receiver.count() < enough && began.elapsed() < Duration::from_secs(20) {
            sleep(Duration::from_millis(5));
        }
        servers.drain(..).for_each(|server| drop(server.kill()));
        servers = start();
        town.log_in(&servers[0].address);
    }
    let mut http = Http::to(&servers[0].address);
    let expected = expected(&town, &mut http);
    assert_eq!(expected.values().map(Vec::len).sum::<usize>(), rounds * times(8, 20) * 3);
    let began = Instant::now();
    loop {
        for got in receiver.take_taken() {
            tries += 1;
            endpoints[got.path[1..].parse::<usize>().unwrap()].take(&got);
        }
        let missing = endpoints.iter().map(|endpoint| missing(endpoint, &expected)).sum::<usize>();
        if missing == 0 {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(120), "{missing} events have not arrived");
        sleep(Duration::from_millis(50));
    }
    for (number, endpoint) in endpoints.iter().enumerate() {
        assert_eq!(endpoint.versions, expected, "endpoint {number} was told in another order");
        taken += endpoint.seen.len();
        let read = town.clinic.get(&mut http, &format!("/v1/webhook-endpoints/{}", endpoint.id));
        assert_eq!(read["status"], "active");
    }
    println!(
        "{rounds} kills of {count}: {taken} events arrived at {ENDPOINTS} endpoints, {tries} times, {:?} after the last",
        began.elapsed()
    );
}

/// A person, changed twice.
fn write(town: &Town, http: &mut Http, key: &str) {
    let person = town.clinic.try_call(http, "POST", "/v1/patients", &[], Some(&Town::person(key))).unwrap().expect(201);
    let path = format!("/v1/patients/{}", person["id"].as_str().unwrap());
    for version in 1..3 {
        let tag = format!("\"{version}\"");
        let change = json!({ "notes": format!("{key}, changed {version} times") });
        town.clinic.try_call(http, "PATCH", &path, &[("If-Match", &tag)], Some(&change)).unwrap().expect(200);
    }
}

/// What the journal says: of each patient the versions, in their order.
fn expected(town: &Town, http: &mut Http) -> HashMap<String, Vec<i64>> {
    let (mut expected, mut cursor) = (HashMap::<String, Vec<i64>>::new(), String::new());
    loop {
        let piece = town.clinic.get(http, &format!("/v1/changes?resource_type=patient&limit=200{cursor}"));
        for item in piece["items"].as_array().unwrap() {
            let patient = item["resource_id"].as_str().unwrap().to_owned();
            expected.entry(patient).or_default().push(item["version"].as_i64().unwrap());
        }
        if piece["has_more"] == Value::Bool(false) {
            return expected;
        }
        cursor = format!("&cursor={}", piece["next"].as_str().unwrap());
    }
}

fn missing(endpoint: &Endpoint, expected: &HashMap<String, Vec<i64>>) -> usize {
    expected.iter().map(|(patient, versions)| versions.len() - endpoint.versions.get(patient).map_or(0, Vec::len).min(versions.len())).sum()
}
