//! What is measured: the calls that make up the day of a clinic, a program and a directory.

use std::cell::Cell;
use std::rc::Rc;

use hyper::Method;
use hyper::body::Bytes;
use kith::kind::{PatientId, ReferralId};
use serde_json::{Value, json};

use super::Outcome;
use super::client::{Call, Script, once};
use super::fill::{Filled, Login};
use super::invented::{self, Dice};

const JSON: &str = "application/json";
/// Services of one import.
const IMPORTED: usize = 500;

/// Something that is measured.
#[derive(Debug, Clone, Copy)]
pub struct Job {
    /// Its name.
    pub name: &'static str,
    /// How many resources one answer stands for.
    pub resources: usize,
    /// Connections, where not as many as usual.
    pub connections: Option<usize>,
    /// Its share of a mixed load, in hundredths.
    pub share: usize,
    script: fn(&Rc<Region>, usize) -> Box<dyn Script>,
}

const fn job(name: &'static str, share: usize, script: fn(&Rc<Region>, usize) -> Box<dyn Script>) -> Job {
    Job { name, resources: 1, connections: None, share, script }
}

/// All of them, in the order in which they are measured.
pub const JOBS: &[Job] = &[
    job("get_patient", 25, get_patient),
    job("list_patients", 5, list_patients),
    job("list_referrals", 10, list_referrals),
    job("list_inbox", 10, list_inbox),
    job("list_follow_ups", 5, list_follow_ups),
    job("timeline", 5, timeline),
    job("search", 15, search),
    job("feed", 2, feed),
    job("create_patient", 8, create_patient),
    job("create_referral", 5, create_referral),
    job("transition", 7, transition),
    Job { connections: Some(1), share: 0, ..job("match_alone", 0, create_match) },
    job("match", 3, create_match),
    Job { resources: IMPORTED, connections: Some(2), ..job("import", 0, import) },
];

impl Job {
    /// What one of its connections asks; connections are numbered from 0.
    pub fn script(&self, region: &Rc<Region>, connection: usize) -> Box<dyn Script> {
        (self.script)(region, connection)
    }
}

/// The filled database and who asks of it.
#[derive(Debug)]
pub struct Region {
    filled: Filled,
    clinic: Rc<str>,
    program: Rc<str>,
    directory: Rc<str>,
    /// The number of the next person or service that is not there yet.
    next: Cell<usize>,
}

impl Region {
    /// Logs everybody in.
    pub async fn enter(address: &str, filled: Filled) -> Outcome<Rc<Self>> {
        // Another run on the same database makes other people.
        let next = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis() as usize;
        Ok(Rc::new(Self {
            clinic: log_in(address, &filled.clinic).await?,
            program: log_in(address, &filled.program).await?,
            directory: log_in(address, &filled.directory).await?,
            filled,
            next: Cell::new(next),
        }))
    }

    /// An import of these lines, by the directory or by the clinic.
    pub fn send_lines(&self, by_directory: bool, lines: String) -> Call {
        let authorization = if by_directory { Rc::clone(&self.directory) } else { Rc::clone(&self.clinic) };
        let body = Some((lines.into(), "application/x-ndjson"));
        Call { method: Method::POST, path: "/v1/imports".into(), authorization, body, expected: 202 }
    }

    /// A question of the same.
    pub fn ask(&self, by_directory: bool, path: String) -> Call {
        get(if by_directory { &self.directory } else { &self.clinic }, path)
    }

    fn next(&self) -> usize {
        self.next.replace(self.next.get() + 1)
    }

    fn patient(&self, dice: &mut Dice) -> PatientId {
        *dice.pick(&self.filled.patients)
    }
}

async fn log_in(address: &str, login: &Login) -> Outcome<Rc<str>> {
    let form = format!("grant_type=client_credentials&client_id={}&client_secret={}", login.client_id, login.secret);
    let body = Some((Bytes::from(form), "application/x-www-form-urlencoded"));
    let call = Call { method: Method::POST, path: "/oauth/token".into(), authorization: "".into(), body, expected: 200 };
    let (status, answer) = once(address, call).await?;
    let answer: Value = serde_json::from_slice(&answer)?;
    let token = answer.get("access_token").and_then(Value::as_str).ok_or_else(|| format!("no token: {status} {answer}"))?;
    Ok(format!("Bearer {token}").into())
}

fn get(who: &Rc<str>, path: String) -> Call {
    Call { method: Method::GET, path, authorization: Rc::clone(who), body: None, expected: 200 }
}

fn post(who: &Rc<str>, path: String, body: &Value) -> Call {
    Call { method: Method::POST, path, authorization: Rc::clone(who), body: Some((body.to_string().into(), JSON)), expected: 201 }
}

fn get_patient(region: &Rc<Region>, connection: usize) -> Box<dyn Script> {
    let (region, mut dice) = (Rc::clone(region), Dice::of("get", connection));
    Box::new(move || get(&region.clinic, format!("/v1/patients/{}", region.patient(&mut dice))))
}

fn list_patients(region: &Rc<Region>, _: usize) -> Box<dyn Script> {
    let region = Rc::clone(region);
    Box::new(move || get(&region.clinic, "/v1/patients?limit=20".into()))
}

/// All that the clinic sees.
fn list_referrals(region: &Rc<Region>, _: usize) -> Box<dyn Script> {
    let region = Rc::clone(region);
    Box::new(move || get(&region.clinic, "/v1/referrals?limit=20".into()))
}

/// What waits for the program.
fn list_inbox(region: &Rc<Region>, _: usize) -> Box<dyn Script> {
    let region = Rc::clone(region);
    Box::new(move || get(&region.program, "/v1/referrals?box=received&status=requested&limit=20".into()))
}

/// What the program has to do.
fn list_follow_ups(region: &Rc<Region>, _: usize) -> Box<dyn Script> {
    let region = Rc::clone(region);
    Box::new(move || get(&region.program, "/v1/follow-ups?status=open&limit=20".into()))
}

fn timeline(region: &Rc<Region>, connection: usize) -> Box<dyn Script> {
    let (region, mut dice) = (Rc::clone(region), Dice::of("timeline", connection));
    Box::new(move || get(&region.clinic, format!("/v1/patients/{}/timeline?limit=20", region.patient(&mut dice))))
}

fn search(region: &Rc<Region>, connection: usize) -> Box<dyn Script> {
    let (region, mut number) = (Rc::clone(region), connection * 1_000_000);
    Box::new(move || {
        number += 1;
        get(&region.clinic, format!("/v1/services?{}", invented::search(number)))
    })
}

/// Follows the feed from its beginning, and begins again at its end.
struct Feed {
    region: Rc<Region>,
    cursor: Option<String>,
}

impl Script for Feed {
    fn next(&mut self) -> Call {
        let cursor = self.cursor.as_ref().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        get(&self.region.clinic, format!("/v1/changes?limit=100{cursor}"))
    }

    fn heard(&mut self, body: &[u8]) {
        #[derive(serde::Deserialize)]
        struct Piece {
            next: String,
            has_more: bool,
        }
        self.cursor = serde_json::from_slice(body).ok().filter(|piece: &Piece| piece.has_more).map(|piece| piece.next);
    }
}

fn feed(region: &Rc<Region>, _: usize) -> Box<dyn Script> {
    Box::new(Feed { region: Rc::clone(region), cursor: None })
}

fn create_patient(region: &Rc<Region>, _: usize) -> Box<dyn Script> {
    let region = Rc::clone(region);
    Box::new(move || post(&region.clinic, "/v1/patients".into(), &invented::person(region.next())))
}

fn create_referral(region: &Rc<Region>, connection: usize) -> Box<dyn Script> {
    let (region, mut dice) = (Rc::clone(region), Dice::of("referral", connection));
    Box::new(move || {
        let body = json!({ "patient_id": region.patient(&mut dice), "kind": "navigation", "source_type": "family_physician",
            "performer_organization_id": region.filled.program.organization_id, "reason": "Would like company." });
        post(&region.clinic, "/v1/referrals".into(), &body)
    })
}

/// Puts referrals on hold and takes them up again, each connection its own ones.
fn transition(region: &Rc<Region>, connection: usize) -> Box<dyn Script> {
    let (region, mut turn) = (Rc::clone(region), 0);
    let own: Vec<ReferralId> = region.filled.referrals.iter().copied().skip(connection * 50).take(50).collect();
    Box::new(move || {
        let id = own.get(turn % own.len().max(1)).copied().unwrap_or_else(ReferralId::generate);
        let is_held = (turn / own.len().max(1)).is_multiple_of(2);
        turn += 1;
        let body =
            if is_held { json!({ "status": "on_hold", "reason": { "code": "no_capacity" } }) } else { json!({ "status": "in_progress" }) };
        post(&region.program, format!("/v1/referrals/{id}/transitions"), &body)
    })
}

fn create_match(region: &Rc<Region>, connection: usize) -> Box<dyn Script> {
    let (region, mut dice) = (Rc::clone(region), Dice::of("match", connection));
    Box::new(move || post(&region.clinic, "/v1/matches".into(), &json!({ "patient_id": region.patient(&mut dice), "limit": 10 })))
}

/// New services of another directory, [`IMPORTED`] at a time.
fn import(region: &Rc<Region>, _: usize) -> Box<dyn Script> {
    let region = Rc::clone(region);
    Box::new(move || {
        let lines: String = (0..IMPORTED).map(|_| format!("{}\n", invented::exported(region.next()))).collect();
        Call {
            method: Method::POST,
            path: "/v1/imports/services?source=other&time_zone=America/Vancouver".into(),
            authorization: Rc::clone(&region.directory),
            body: Some((lines.into(), "application/x-ndjson")),
            expected: 200,
        }
    })
}
