//! Servers that are killed while places open, are offered, taken and declined: each place that opens is given to one person, and offered to
//! nobody else meanwhile.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::town::{Client, Town};
use super::{Dice, times};
use crate::client::Answer;
use crate::harness::Place;
use crate::server::Server;
use crate::socket::Http;

/// Who answer offers at the same time.
const ACTORS: usize = 6;
/// Places that open each time.
const PLACES: i64 = 6;
/// So many wait when places open: more than there are places.
const WAITING: usize = 10;

#[test]
fn a_server_killed_while_places_are_offered_loses_none_and_offers_none_twice() {
    offer(&Place::on_sqlite(), 1);
}

#[test]
fn two_servers_on_one_postgresql_killed_while_places_are_offered_lose_none_and_offer_none_twice() {
    if let Some(place) = Place::on_postgres() {
        offer(&place, 2);
    }
}

/// An answer to an offer that was sent under a key, and may or may not have been done.
struct Sent {
    path: String,
    key: String,
}

/// A service with a waiting list.
struct Counter<'a> {
    town: &'a Town,
    service: String,
    /// How many places were opened or answered for.
    answered: AtomicUsize,
    /// Whether the places of this round were opened, or will not be.
    is_opened: AtomicBool,
}

impl Counter<'_> {
    fn list(&self) -> String {
        format!("/v1/services/{}/waitlist-entries", self.service)
    }

    /// All who wait or have waited, with how they stand.
    fn entries(&self, http: &mut Http, statuses: &[&str]) -> Vec<(String, String)> {
        let query: Vec<String> = statuses.iter().map(|status| format!("status={status}")).collect();
        let entries = self.town.clinic.list(http, &format!("{}?{}", self.list(), query.join("&")));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        entries.iter().map(|entry| (text(&entry["id"]), text(&entry["status"]))).collect()
    }

    /// The places that are free, and in which round they opened.
    fn free(&self, http: &mut Http) -> (i64, String) {
        let capacity = self.town.clinic.get(http, &format!("/v1/services/{}", self.service))["capacity"].take();
        (capacity["available"].as_i64().unwrap(), capacity["note"].as_str().unwrap_or_default().to_owned())
    }

    /// Says that so many places are free.
    fn open(&self, http: &mut Http, places: i64, note: &str) -> std::io::Result<Answer> {
        let capacity = json!({ "status": "open", "unit": "place", "available": places, "note": note });
        let path = format!("/v1/services/{}/capacity", self.service);
        let answer = self.town.program.try_call(http, "PUT", &path, &[], Some(&capacity))?;
        self.answered.fetch_add(1, Ordering::SeqCst);
        Ok(answer)
    }

    /// Waits until so many were opened or answered for; whoever is killed at that moment has the next in hand.
    fn goes_on_until(&self, answered: usize) {
        let began = Instant::now();
        while self.answered.load(Ordering::SeqCst) < answered {
            assert!(began.elapsed() < Duration::from_secs(60), "no answers come");
            sleep(Duration::from_millis(1));
        }
    }

    /// Puts somebody on the list.
    fn wait(&self, http: &mut Http, name: &str) {
        let post = |client: &Client, http: &mut Http, path: &str, body: &Value| {
            client.try_call(http, "POST", path, &[], Some(body)).unwrap().expect(201)["id"].as_str().unwrap().to_owned()
        };
        let patient = post(&self.town.clinic, http, "/v1/patients", &Town::person(name));
        let referral = json!({
            "patient_id": patient, "kind": "service", "service_id": self.service, "source_type": "family_physician",
            "consent": { "form": "verbal" },
        });
        let referral = post(&self.town.clinic, http, "/v1/referrals", &referral);
        post(&self.town.program, http, &self.list(), &json!({ "referral_id": referral }));
    }

    /// Answers an offer, until the server has time for it.
    fn answer(&self, client: &Client, http: &mut Http, sent: &Sent) -> std::io::Result<()> {
        loop {
            let answer = client.try_call(http, "POST", &sent.path, &[("Idempotency-Key", &sent.key)], Some(&json!({})))?;
            self.answered.fetch_add(usize::from(answer.status == 200), Ordering::SeqCst);
            match answer.status {
                503 => answer.expect_try_again(),
                // Somebody else was faster.
                409 => {
                    assert_eq!(answer.json()["code"], "no_offer");
                    return Ok(());
                }
                _ => {
                    answer.expect(200);
                    return Ok(());
                }
            }
            sleep(Duration::from_millis(20));
        }
    }

    /// Answers offers for as long as there are any; what was sent and not answered. Not before the places are opened: how many are free is
    /// said as a number, and would give out once more what was taken meanwhile.
    fn act(&self, address: &str, name: &str, mut dice: Dice, is_over: &AtomicBool) -> Option<Sent> {
        let mut http = Http::to(address);
        while !self.is_opened.load(Ordering::SeqCst) {
            sleep(Duration::from_millis(1));
        }
        for number in 0.. {
            let list = format!("{}?status=offered&limit=200", self.list());
            let offered = self.town.clinic.try_call(&mut http, "GET", &list, &[], None).ok().filter(|answer| answer.status == 200);
            let offered = offered?.json()["items"].as_array().unwrap().clone();
            if offered.is_empty() {
                if is_over.load(Ordering::SeqCst) {
                    return None;
                }
                sleep(Duration::from_millis(5));
                continue;
            }
            let id = dice.pick(&offered)["id"].as_str().unwrap().to_owned();
            let act = if dice.roll(3) == 0 { "decline" } else { "accept" };
            let client = if dice.roll(2) == 0 { &self.town.clinic } else { &self.town.program };
            let sent = Sent { path: format!("{}/{id}/{act}", self.list()), key: format!("{name}-{number}") };
            if self.answer(client, &mut http, &sent).is_err() {
                return Some(sent);
            }
        }
        None
    }
}

fn offer(place: &Place, count: usize) {
    let url = place.url();
    let (mut town, mut dice) = (Town::on(&url), Dice(23));
    let (mut service, mut opened, mut people) = (None, 0, 0);
    let mut unanswered: Vec<Sent> = Vec::new();
    let kills = times(4, 100);
    let mut resent = 0;
    for round in 0..=kills {
        let servers: Vec<Server> = (0..count).map(|_| Server::start(&url, &[])).collect();
        town.log_in(&servers[0].address);
        let mut http = Http::to(&servers[0].address);
        let service = service.get_or_insert_with(|| {
            let service = json!({ "name": "Tuesday lunch", "provider_id": town.program.organization_id });
            let made = town.program.try_call(&mut http, "POST", "/v1/services", &[], Some(&service)).unwrap().expect(201);
            made["id"].as_str().unwrap().to_owned()
        });
        let counter = Counter { town: &town, service: service.clone(), answered: AtomicUsize::new(0), is_opened: AtomicBool::new(false) };
        if round == 0 {
            counter.open(&mut http, 0, "none").unwrap().expect(200);
        } else if counter.free(&mut http).1 == format!("round {}", round - 1) {
            opened += PLACES;
        }
        // Keys belong to the client that used them: each is tried as both, and does nothing as the one that did not.
        resent += unanswered.len();
        for sent in unanswered.drain(..) {
            counter.answer(&town.clinic, &mut http, &sent).unwrap();
            counter.answer(&town.program, &mut http, &sent).unwrap();
        }
        check(&counter, &mut http, opened);
        if round == kills {
            check_journal(&town, &mut http);
            println!("{kills} kills of {count}: {opened} places, {people} people, {resent} answers sent again");
            return;
        }
        let waiting = counter.entries(&mut http, &["waiting", "offered"]).len();
        for _ in waiting..WAITING + PLACES as usize {
            people += 1;
            counter.wait(&mut http, &format!("waits-{people}"));
        }
        let places = counter.free(&mut http).0 + PLACES;
        let before = counter.answered.load(Ordering::SeqCst);
        let (is_over, lost) = (AtomicBool::new(false), Mutex::new(Vec::new()));
        let addresses: Vec<String> = servers.iter().map(|server| server.address.clone()).collect();
        std::thread::scope(|scope| {
            let (counter, is_over, lost, addresses) = (&counter, &is_over, &lost, &addresses);
            for number in 0..ACTORS {
                let dice = Dice((round * ACTORS + number) as u64);
                scope.spawn(move || {
                    let sent = counter.act(&addresses[number % addresses.len()], &format!("r{round}a{number}"), dice, is_over);
                    lost.lock().unwrap().extend(sent);
                });
            }
            scope.spawn(move || {
                let opening = counter.open(&mut Http::to(&addresses[0]), places, &format!("round {round}"));
                counter.is_opened.store(true, Ordering::SeqCst);
                // It may have been killed before.
                drop(opening.map(|answer| answer.expect(200)));
            });
            // The first of them opens the places. Now and then it is killed while it does.
            for server in servers.into_iter().rev() {
                counter.goes_on_until(before + if round % 4 == 3 { 0 } else { 1 + dice.roll(4) });
                sleep(Duration::from_millis(dice.roll(10) as u64));
                server.kill();
            }
            is_over.store(true, Ordering::SeqCst);
        });
        unanswered = lost.into_inner().unwrap();
    }
}

/// Each place that opened is taken or free, and each that is free is offered to one, as long as somebody waits.
fn check(counter: &Counter<'_>, http: &mut Http, opened: i64) {
    let all = counter.entries(http, &["waiting", "offered", "accepted", "declined", "expired", "left"]);
    let count = |status: &str| all.iter().filter(|(_, one)| one == status).count() as i64;
    let (free, _) = counter.free(http);
    assert_eq!(count("accepted") + free, opened, "{all:?}");
    assert_eq!(count("offered"), free.min(count("offered") + count("waiting")), "{free} are free: {all:?}");
    assert_eq!(count("expired") + count("left"), 0, "{all:?}");
}

/// Everybody waited, was offered a place once at most, and answered once.
fn check_journal(town: &Town, http: &mut Http) {
    let (mut courses, mut cursor) = (HashMap::<String, Vec<String>>::new(), String::new());
    loop {
        let piece = town.clinic.get(http, &format!("/v1/changes?resource_type=waitlist_entry&limit=200{cursor}"));
        for item in piece["items"].as_array().unwrap() {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            courses.entry(text(&item["resource_id"])).or_default().push(text(&item["resource"]["status"]));
        }
        if piece["has_more"] == Value::Bool(false) {
            break;
        }
        cursor = format!("&cursor={}", piece["next"].as_str().unwrap());
    }
    let whole = ["waiting", "offered", "accepted"];
    for (entry, course) in &courses {
        let is_sound = course.iter().zip(whole).all(|(is, expected)| is == expected || (expected == "accepted" && is == "declined"));
        assert!(is_sound && course.len() <= whole.len(), "{entry}: {course:?}");
    }
}
