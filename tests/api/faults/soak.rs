//! A long day in a short time: clinics and programs write and read, receivers of webhooks fail, servers are killed; at the end everybody who
//! was told of it holds the same.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::copies::{Addresses, Work, listen, settle, tail, write};
use super::town::{Client, Town};
use super::webhooks::{FLAGS, subscribe};
use super::{Dice, times};
use crate::harness::Place;
use crate::receiver::{Got, Receiver, Reply};
use crate::replica::{Key, Lists, Replica};
use crate::server::Server;
use crate::socket::Http;

const WRITERS: usize = 4;
const READERS: usize = 3;
const KILLS: u32 = 2;
/// So much is written and read before it ends, also on a machine that is busy otherwise: there must be something to compare.
const LEAST: usize = 120;

/// The kinds whose every change is an event of its own. What belongs to them and never changes is not told again when a record is merged.
const KINDS: [&str; 6] = ["patient", "consent", "need", "screening", "referral", "follow_up"];

/// What is read beside the writing, by the clinic.
const READ: &[&str] = &[
    "/v1/patients?limit=20",
    "/v1/referrals?limit=20",
    "/v1/referrals?box=sent&status=accepted&limit=20",
    "/v1/follow-ups?status=open&limit=20",
    "/v1/needs?limit=20",
    "/v1/screenings?limit=20",
    "/v1/services?q=food&limit=5",
    "/v1/changes?limit=50",
    "/v1/webhook-endpoints",
];

#[test]
fn after_a_day_of_failures_the_feed_the_webhooks_an_export_and_the_lists_agree() {
    soak(&Place::on_sqlite(), 1);
}

#[test]
fn after_a_day_of_failures_of_two_servers_on_one_postgresql_the_feed_the_webhooks_an_export_and_the_lists_agree() {
    if let Some(place) = Place::on_postgres() {
        soak(&place, 2);
    }
}

fn soak(place: &Place, count: usize) {
    let url = place.url();
    let lasts = Duration::from_secs(times(9, 300) as u64);
    let mut town = Town::on(&url);
    let start = || (0..count).map(|_| Server::start(&url, &FLAGS)).collect::<Vec<_>>();
    let addresses_of = |servers: &[Server]| servers.iter().map(|server| server.address.clone()).collect::<Vec<_>>();
    let mut servers = start();
    town.log_in(&servers[0].address);
    let began = Instant::now();
    let receiver = Receiver::that(answers(lasts));
    let mut endpoints: Vec<Endpoint> = ["/sound", "/failing", "/down"]
        .map(|path| Endpoint::create(&town.clinic, &mut Http::to(&servers[0].address), &receiver.url(path), path))
        .into();

    let work = Work::new(town.clone(), Addresses::new(addresses_of(&servers)));
    let reads = AtomicUsize::new(0);
    let (mut copies, reads) = std::thread::scope(|scope| {
        let (work, reads) = (&work, &reads);
        let mut busy: Vec<_> = (0..WRITERS).map(|number| scope.spawn(move || write(work, 500 + number as u64))).collect();
        busy.extend((0..READERS).map(|number| scope.spawn(move || read(work, reads, number as u64))));
        let tails = [
            scope.spawn(move || tail(work, &work.town.clinic, 20)),
            scope.spawn(move || tail(work, &work.town.program, 20)),
            scope.spawn(move || listen(work, &work.town.program)),
        ];
        for kill in 1..=KILLS {
            while began.elapsed() < lasts * kill / (KILLS + 1) {
                sleep(Duration::from_millis(20));
                take(&receiver, &mut endpoints);
            }
            servers.drain(..).for_each(|server| drop(server.kill()));
            servers = start();
            work.addresses.replace(addresses_of(&servers));
        }
        let is_little = || (work.done() < LEAST || reads.load(Ordering::SeqCst) < LEAST) && began.elapsed() < 10 * lasts;
        while began.elapsed() < lasts || is_little() {
            sleep(Duration::from_millis(20));
            take(&receiver, &mut endpoints);
        }
        work.end();
        busy.into_iter().for_each(|thread| thread.join().unwrap());
        (tails.map(|tail| tail.join().unwrap()), reads.load(Ordering::SeqCst))
    });
    // Consents that were given for a moment have run out by now.
    sleep(Duration::from_secs(3));

    let mut http = Http::to(&servers[0].address);
    for (copy, client) in copies.iter_mut().zip([&town.clinic, &town.program, &town.program]) {
        settle(copy, client, &mut http);
    }
    let mut read = || {
        Lists::read(|path| {
            let answer = town.clinic.try_call(&mut http, "GET", path, &[], None).unwrap();
            (![404, 410].contains(&answer.status)).then(|| answer.expect(200))
        })
    };
    // An export says what was written, and a consent begins and ends at the moments that it names.
    let (lists, written) = (read(), read().without("consent", "status"));
    let exported = export(&town.clinic, &mut http).differences_in(&written, &KINDS);
    assert!(exported.is_empty(), "an export differs: {exported:#?}");
    let mut progress = (0, Instant::now());
    loop {
        take(&receiver, &mut endpoints);
        let events: usize = endpoints.iter().map(|endpoint| endpoint.seen.len()).sum();
        if events > progress.0 {
            progress = (events, Instant::now());
        }
        let differences: Vec<String> = endpoints.iter().flat_map(|endpoint| endpoint.differences(&lists)).collect();
        if differences.is_empty() {
            break;
        }
        let some: Vec<&String> = differences.iter().take(5).collect();
        assert!(progress.1.elapsed() < Duration::from_secs(60), "{} differences: {some:#?}", differences.len());
        sleep(Duration::from_millis(50));
    }
    for endpoint in &endpoints {
        assert_eq!(town.clinic.get(&mut http, &format!("/v1/webhook-endpoints/{}", endpoint.id))["status"], "active");
    }
    let events: usize = endpoints.iter().map(|endpoint| endpoint.seen.len()).sum();
    let tries: usize = endpoints.iter().map(|endpoint| endpoint.tries).sum();
    assert!(lists.len() > 20 && reads > 20, "{} are shown, {reads} were read", lists.len());
    println!(
        "{:?} of {count}: {} writes, {reads} reads, {} and {} told by the feed, {events} events taken in {tries} tries",
        began.elapsed(),
        work.done(),
        copies[0].told,
        copies[1].told
    );
}

/// What an export of the clinic holds.
fn export(client: &Client, http: &mut Http) -> Replica {
    let asked = client.try_call(http, "POST", "/v1/exports", &[], Some(&json!({ "types": KINDS }))).unwrap().expect(202);
    let path = format!("/v1/exports/{}", asked["id"].as_str().unwrap());
    let began = Instant::now();
    let files = loop {
        let mut job = client.get(http, &path);
        if job["status"] == "completed" {
            break job["files"].take();
        }
        assert!(job["status"] != "failed" && began.elapsed() < Duration::from_secs(60), "{job}");
        sleep(Duration::from_millis(50));
    };
    let mut copy = Replica::default();
    for file in files.as_array().unwrap() {
        let lines = download(&http.address, file["url"].as_str().unwrap());
        assert_eq!(file["resources"], lines.lines().count(), "{file}");
        for line in lines.lines() {
            let mut line: Value = serde_json::from_str(line).unwrap();
            let mut resource = line["read_only"].take();
            resource["id"] = line["id"].clone();
            resource.as_object_mut().unwrap().append(line["resource"].as_object_mut().unwrap());
            copy.apply(&json!({ "resource_type": line["type"], "resource_id": line["id"], "action": "snapshot",
                "patient_id": resource["patient_id"], "resource": resource }));
        }
    }
    copy
}

/// A file of lines, which says how long it is.
fn download(address: &str, path: &str) -> String {
    let answer = Http::to(address).call("GET", path, &[], None).unwrap();
    assert_eq!((answer.status, answer.header("content-length").is_some()), (200, true), "{answer:?}");
    answer.text()
}

/// One endpoint is well, one fails a third of the time, though no event more than twice, and one is down for the first half.
fn answers(lasts: Duration) -> impl Fn(&Got) -> Reply + Send + Sync {
    let began = Instant::now();
    let tries: Mutex<HashMap<String, usize>> = Mutex::default();
    move |got| {
        let number = got.id().bytes().fold(0_usize, |sum, byte| (sum * 31 + byte as usize) % 65_521);
        if got.path == "/down" {
            return Reply::status(if began.elapsed() < lasts / 2 { 502 } else { 204 });
        }
        let mut tries = tries.lock().unwrap();
        let tried = tries.entry(format!("{} {}", got.path, got.id())).or_default();
        *tried += 1;
        match (got.path.as_str(), number % 12, *tried) {
            ("/failing", 0 | 1, 1 | 2) => Reply::status(500),
            ("/failing", 2, 1) => Reply::status(0),
            ("/failing", 3, 1) if number % 5 == 0 => Reply { headers: vec![("Retry-After", "1".into())], ..Reply::status(503) },
            ("/failing", 3, 1) => Reply::status(503),
            _ => Reply::status(204),
        }
    }
}

/// Reads what a clinic reads all day, until it is over.
fn read(work: &Work, reads: &AtomicUsize, number: u64) {
    let mut dice = Dice(900 + number);
    let clinic = &work.town.clinic;
    while !work.is_over() {
        let mut http = Http::to(&work.addresses.pick(&mut dice));
        while !work.is_over()
            && let Ok(answer) = clinic.try_call(&mut http, "GET", READ[dice.roll(READ.len())], &[], None)
        {
            if answer.status == 200 {
                reads.fetch_add(1, Ordering::SeqCst);
            } else {
                answer.expect_try_again();
            }
            sleep(Duration::from_millis(5));
        }
        sleep(Duration::from_millis(20));
    }
}

/// Hands what was taken to those who took it.
fn take(receiver: &Receiver, endpoints: &mut [Endpoint]) {
    let tried = receiver.take();
    let taken = receiver.take_taken();
    for endpoint in endpoints {
        endpoint.tries += tried.iter().filter(|got| got.path == endpoint.path).count();
        let path = endpoint.path;
        taken.iter().filter(|got| got.path == path).for_each(|got| endpoint.take(got));
    }
}

/// An endpoint of the clinic, and what it knows from webhooks alone.
struct Endpoint {
    id: String,
    path: &'static str,
    secret: String,
    seen: HashSet<String>,
    tries: usize,
    /// Of each resource the last event.
    last: BTreeMap<Key, Value>,
}

impl Endpoint {
    fn create(client: &Client, http: &mut Http, url: &str, path: &'static str) -> Self {
        let kinds = KINDS.iter().flat_map(|kind| ["created", "updated", "deleted"].map(|action| format!("{kind}.{action}")));
        let types: Vec<String> = kinds.chain(["patient.merged", "consent.began", "consent.expired"].map(String::from)).collect();
        let (id, secret) = subscribe(client, http, url, &types);
        Self { id, secret, path, seen: HashSet::new(), tries: 0, last: BTreeMap::new() }
    }

    fn take(&mut self, got: &Got) {
        assert!(got.is_signed_with(&self.secret), "{:?}", got.headers);
        if !self.seen.insert(got.id().to_owned()) {
            return;
        }
        let event = got.json();
        let data = &event["data"];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let key = (text(&data["resource_type"]), text(&data["resource_id"]));
        let version = |event: &Value| event["data"]["version"].as_i64().unwrap();
        let last = self.last.insert(key, event.clone());
        // A consent that begins or ends by its date is the same version of it.
        let is_passing = [json!("consent.began"), json!("consent.expired")].contains(&event["type"]);
        let is_next = |last: &Value| version(last) < version(&event) || (is_passing && version(last) == version(&event));
        assert!(last.as_ref().is_none_or(is_next), "{} was told out of order: {event}", self.path);
    }

    /// How what it knows differs from what the lists show.
    fn differences(&self, lists: &Lists) -> Vec<String> {
        let merged = self.last.values().filter(|event| event["type"] == "patient.merged");
        let survivors: HashMap<&Value, &Value> =
            merged.map(|event| (&event["data"]["resource_id"], &event["data"]["resource"]["merged_into_id"])).collect();
        let mut known = Replica::default();
        for ((_, id), event) in &self.last {
            let mut entry = event["data"].clone();
            // What was a duplicate's is the survivor's.
            while let Some(survivor) = survivors.get(&entry["patient_id"]) {
                entry["patient_id"] = (*survivor).clone();
                entry["resource"]["patient_id"] = (*survivor).clone();
            }
            let is_over = event["type"].as_str().unwrap().ends_with(".deleted") || survivors.keys().any(|gone| *gone == id);
            if !is_over {
                entry["action"] = "snapshot".into();
                known.apply(&entry);
            }
        }
        known.differences_in(lists, &KINDS).into_iter().map(|difference| format!("{}: {difference}", self.path)).collect()
    }
}
