//! Copies of the feed that are made while it is written, by those who manage patients and those who are let in, of servers that are killed.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use chrono::Utc;
use serde_json::{Value, json};

use super::town::{Client, Town};
use super::{Dice, times};
use crate::events::EventSource;
use crate::harness::Place;
use crate::replica::{Lists, Replica};
use crate::server::Server;
use crate::socket::Http;

const WRITERS: usize = 6;

#[test]
fn whoever_copies_the_feed_of_a_server_that_is_killed_holds_what_the_lists_show() {
    copy(&Place::on_sqlite(), 1);
}

#[test]
fn whoever_copies_the_feed_of_two_servers_on_one_postgresql_that_are_killed_holds_what_the_lists_show() {
    if let Some(place) = Place::on_postgres() {
        copy(&place, 2);
    }
}

/// Where the servers are, from one start to the next.
pub struct Addresses(Mutex<Vec<String>>);

impl Addresses {
    pub fn new(addresses: Vec<String>) -> Self {
        Self(Mutex::new(addresses))
    }

    pub fn replace(&self, addresses: Vec<String>) {
        *self.0.lock().unwrap() = addresses;
    }

    pub fn pick(&self, dice: &mut Dice) -> String {
        dice.pick(&self.0.lock().unwrap()).clone()
    }
}

/// What all have in common.
pub struct Work {
    pub town: Town,
    pub addresses: Addresses,
    is_over: AtomicBool,
    done: AtomicUsize,
}

impl Work {
    pub fn new(town: Town, addresses: Addresses) -> Self {
        Self { town, addresses, is_over: AtomicBool::new(false), done: AtomicUsize::new(0) }
    }

    /// Tells everybody to stop.
    pub fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// Writes that were answered with success.
    pub fn done(&self) -> usize {
        self.done.load(Ordering::SeqCst)
    }
}

fn copy(place: &Place, count: usize) {
    let url = place.url();
    let mut town = Town::on(&url);
    let start = || (0..count).map(|_| Server::start(&url, &[])).collect::<Vec<_>>();
    let addresses_of = |servers: &[Server]| servers.iter().map(|server| server.address.clone()).collect::<Vec<_>>();
    let mut servers = start();
    town.log_in(&servers[0].address);
    let work = Work::new(town.clone(), Addresses::new(addresses_of(&servers)));
    let mut copies = std::thread::scope(|scope| {
        let writing: Vec<_> = (0..WRITERS)
            .map(|number| {
                scope.spawn({
                    let work = &work;
                    move || write(work, number as u64)
                })
            })
            .collect();
        let (clinic, program) = (&work.town.clinic, &work.town.program);
        let work = &work;
        let tails = vec![
            scope.spawn(move || tail(work, clinic, 7)),
            scope.spawn(move || tail(work, program, 3)),
            scope.spawn(move || listen(work, program)),
        ];
        let mut dice = Dice(11);
        for _ in 0..times(3, 60) {
            let enough = work.done() + 60 + dice.roll(60);
            let began = Instant::now();
            while work.done() < enough {
                sleep(Duration::from_millis(5));
                assert!(began.elapsed() < Duration::from_secs(90), "nothing is answered any more");
            }
            for server in servers.drain(..) {
                server.kill();
            }
            servers = start();
            work.addresses.replace(addresses_of(&servers));
        }
        sleep(Duration::from_secs(1));
        work.end();
        writing.into_iter().for_each(|writer| writer.join().unwrap());
        tails.into_iter().map(|tail| tail.join().unwrap()).collect::<Vec<_>>()
    });
    // Consents that were given for a moment have run out by now.
    sleep(Duration::from_secs(3));
    let address = servers[0].address.clone();
    let mut http = Http::to(&address);
    let readers = [&town.clinic, &town.program, &town.program];
    for (copy, client) in copies.iter_mut().zip(readers) {
        settle(copy, client, &mut http);
    }
    for client in [&town.clinic, &town.program] {
        settle(&mut Replica::default(), client, &mut http);
    }
    let [clinic, program, listener] = copies.as_slice() else { panic!("three have copied") };
    let done = work.done();
    println!("copies of {count}: {done} writes; {} and {} told, {} of them in a stream", clinic.told, program.told, listener.told);
    assert!(program.len() > 0 && clinic.len() > program.len(), "{} and {} are held", clinic.len(), program.len());
}

/// Reads on until the copy is what the lists show: on PostgreSQL the feed waits for transactions of others too.
pub fn settle(copy: &mut Replica, client: &Client, http: &mut Http) {
    let began = Instant::now();
    loop {
        while copy.take(&client.get(http, &copy.query(50))) {}
        let lists = Lists::read(|path| {
            let answer = client.try_call(http, "GET", path, &[], None).unwrap();
            (![404, 410].contains(&answer.status)).then(|| answer.expect(200))
        });
        let differences = copy.differences(&lists);
        if differences.is_empty() {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{} differences: {differences:#?}", differences.len());
        sleep(Duration::from_millis(100));
    }
}

/// Copies the feed piece by piece, and goes on where it was when a server dies.
pub fn tail(work: &Work, client: &Client, limit: usize) -> Replica {
    let (mut copy, mut dice) = (Replica::default(), Dice(limit as u64));
    while !work.is_over() {
        let mut http = Http::to(&work.addresses.pick(&mut dice));
        while let Ok(answer) = client.try_call(&mut http, "GET", &copy.query(limit), &[], None) {
            if answer.status != 200 {
                answer.expect_try_again();
                break;
            }
            if !copy.take(&answer.json()) {
                break;
            }
        }
        sleep(Duration::from_millis(10));
    }
    copy
}

/// Copies the feed from streams, each of which goes on after the last id of the one before.
pub fn listen(work: &Work, client: &Client) -> Replica {
    let (mut copy, mut dice, mut last_id) = (Replica::default(), Dice(5), String::new());
    while !work.is_over() {
        let address = work.addresses.pick(&mut dice);
        let Ok(mut source) = EventSource::connect(&address, "/v1/changes", &client.token, &last_id) else {
            sleep(Duration::from_millis(20));
            continue;
        };
        while let Ok(Some(event)) = source.next() {
            if !event.data.is_empty() {
                copy.apply(&serde_json::from_str(&event.data).unwrap());
            }
            last_id.clone_from(&source.last_id);
            if work.is_over() {
                break;
            }
        }
    }
    copy.next = Some(last_id).filter(|id| !id.is_empty());
    copy
}

/// What one writer knows of.
struct Writer<'a> {
    work: &'a Work,
    dice: Dice,
    http: Http,
    patients: Vec<String>,
    consents: Vec<String>,
    needs: Vec<String>,
}

/// Does what clinics and programs do, until it is over. What a dying server leaves unanswered may have been done or not.
pub fn write(work: &Work, number: u64) {
    let mut dice = Dice(100 + number);
    let http = Http::to(&work.addresses.pick(&mut dice));
    let mut writer = Writer { work, dice, http, patients: Vec::new(), consents: Vec::new(), needs: Vec::new() };
    let mut step = 0;
    while !work.is_over() {
        writer.step(&format!("w{number}-{step}"));
        step += 1;
    }
}

impl Writer<'_> {
    fn step(&mut self, key: &str) {
        let clinic = self.work.town.clinic.clone();
        if self.patients.len() < 3 || self.dice.roll(12) == 0 {
            let id = self.post(&clinic, "/v1/patients", &Town::person(key));
            return self.patients.extend(id);
        }
        let patient = self.dice.pick(&self.patients).clone();
        match self.dice.roll(12) {
            0 | 1 => {
                let grant = self.grant(&patient);
                let id = self.post(&clinic, "/v1/consents", &grant);
                self.consents.extend(id);
            }
            2 => {
                if let Some(index) = self.any(self.consents.len()) {
                    let consent = self.consents.swap_remove(index);
                    self.post(&clinic, &format!("/v1/consents/{consent}/withdraw"), &json!({}));
                }
            }
            3 => {
                if let Some(index) = self.any(self.consents.len()) {
                    let path = format!("/v1/consents/{}", self.consents[index]);
                    let categories = self.categories();
                    self.change(&clinic, "PATCH", &path, &json!({ "categories": categories }));
                }
            }
            4 => {
                let id = self.post(&clinic, "/v1/needs", &json!({ "patient_id": patient, "domain": "food-insecurity" }));
                self.needs.extend(id);
            }
            5 => {
                if let Some(index) = self.any(self.needs.len()) {
                    let path = format!("/v1/needs/{}", self.needs[index]);
                    let is_sensitive = self.dice.roll(2) == 0;
                    self.change(&clinic, "PATCH", &path, &json!({ "treat_as_sensitive": is_sensitive, "note": key }));
                }
            }
            6 => {
                let screening = json!({ "patient_id": patient, "instrument": "ons-loneliness-direct", "status": "completed",
                    "answers": [{ "link_id": "lonely", "codes": ["often-always"] }] });
                self.post(&clinic, "/v1/screenings", &screening);
            }
            7 | 8 => {
                let referral = self.work.town.navigation(&patient);
                let id = self.post(&clinic, "/v1/referrals", &referral);
                if let Some(id) = id {
                    let program = self.work.town.program.clone();
                    self.post(&program, &format!("/v1/referrals/{id}/transitions"), &json!({ "status": "accepted" }));
                    self.post(&clinic, &format!("/v1/referrals/{id}/messages"), &json!({ "text": "When will you call?" }));
                }
            }
            9 => {
                let path = format!("/v1/patients/{patient}/need-level");
                self.call(&clinic, "PUT", &path, &[], &json!({ "level": "high" }));
            }
            10 => self.change(&clinic, "PATCH", &format!("/v1/patients/{patient}"), &json!({ "notes": key })),
            _ if self.dice.roll(3) == 0 => self.end(&clinic, &patient),
            _ => self.change(&clinic, "PATCH", &format!("/v1/patients/{patient}"), &json!({ "what_matters_to_me": key })),
        }
    }

    /// A record is merged into another, or deleted.
    fn end(&mut self, clinic: &Client, patient: &str) {
        self.patients.retain(|known| known != patient);
        if self.dice.roll(3) == 0 {
            return self.change(clinic, "DELETE", &format!("/v1/patients/{patient}"), &Value::Null);
        }
        let survivor = self.dice.pick(&self.patients).clone();
        self.post(clinic, &format!("/v1/patients/{survivor}/merge"), &json!({ "duplicate_id": patient }));
    }

    /// A consent to the program, some of them for a moment or from a moment on.
    fn grant(&mut self, patient: &str) -> Value {
        let categories = self.categories();
        let mut consent = json!({ "patient_id": patient, "grantee_id": self.work.town.program.organization_id,
            "purposes": ["care_coordination"], "categories": categories, "form": "verbal" });
        let soon = |milliseconds: usize| json!(Utc::now() + Duration::from_millis(milliseconds as u64));
        match self.dice.roll(4) {
            0 => consent["valid_until"] = soon(200 + self.dice.roll(2_000)),
            1 => consent["valid_from"] = soon(200 + self.dice.roll(2_000)),
            _ => {}
        }
        consent
    }

    fn categories(&mut self) -> Vec<&'static str> {
        let all = ["contact", "demographics", "needs", "screenings", "referrals", "follow_ups", "notes", "sensitive"];
        let chosen: Vec<&str> = all.into_iter().filter(|_| self.dice.roll(2) == 0).collect();
        if chosen.is_empty() { vec!["summary"] } else { chosen }
    }

    fn any(&mut self, len: usize) -> Option<usize> {
        (len > 0).then(|| self.dice.roll(len))
    }

    fn post(&mut self, client: &Client, path: &str, body: &Value) -> Option<String> {
        self.call(client, "POST", path, &[], body)?["id"].as_str().map(str::to_owned)
    }

    fn change(&mut self, client: &Client, method: &str, path: &str, body: &Value) {
        self.call(client, method, path, &[("If-Match", "*")], body);
    }

    /// Calls once; `None` where it was refused, or the server has died.
    fn call(&mut self, client: &Client, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Option<Value> {
        let body = Some(body).filter(|body| !body.is_null());
        match client.try_call(&mut self.http, method, path, headers, body) {
            Ok(answer) if answer.status < 300 => {
                self.work.done.fetch_add(1, Ordering::SeqCst);
                Some(answer.json())
            }
            // Others merge, withdraw and delete the same at the same time.
            Ok(answer) => {
                assert!([404, 409, 410, 412, 422, 503].contains(&answer.status), "{method} {path}: {} {}", answer.status, answer.text());
                None
            }
            Err(_) => {
                sleep(Duration::from_millis(20));
                self.http = Http::to(&self.work.addresses.pick(&mut self.dice));
                None
            }
        }
    }
}
