//! Writers that keep a ledger: what they sent under which key, and what they were told.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::town::{Client, Town};
use crate::client::Answer;
use crate::socket::Http;

/// What a writer sent, and the answer, once it had one.
#[derive(Debug, Clone)]
pub struct Sent {
    is_by_program: bool,
    path: String,
    key: String,
    body: Value,
    pub answer: Option<String>,
}

/// What all writers have in common.
#[derive(Default)]
pub struct Work {
    /// Says that they shall stop.
    pub is_over: AtomicBool,
    answered: AtomicUsize,
}

impl Work {
    /// Waits until they had so many answers more.
    pub fn goes_on_for(&self, answers: usize) {
        let first = self.answered.load(Ordering::SeqCst);
        let (mut last, mut since) = (first, Instant::now());
        while last < first + answers {
            sleep(Duration::from_millis(2));
            let now = self.answered.load(Ordering::SeqCst);
            if now > last {
                (last, since) = (now, Instant::now());
            }
            assert!(since.elapsed() < Duration::from_secs(60), "no answers come");
        }
    }
}

/// What one writer does: a person, a referral of that person, and its acceptance, over and over.
pub struct Writer<'a> {
    work: &'a Work,
    pub name: String,
    pub town: Town,
    pub http: Http,
    pub sent: Vec<Sent>,
    /// How often a server said that it could not.
    pub refusals: usize,
}

impl<'a> Writer<'a> {
    pub fn new(work: &'a Work, name: String, town: &Town, address: &str) -> Self {
        Self { work, name, town: town.clone(), http: Http::to(address), sent: Vec::new(), refusals: 0 }
    }

    /// Writes until told to stop, or until the server dies under it.
    pub fn write(mut self) -> Self {
        let mut number = 0;
        while !self.work.is_over.load(Ordering::SeqCst) && self.story(number).is_some() {
            number += 1;
        }
        self
    }

    fn story(&mut self, number: usize) -> Option<()> {
        let key = format!("{}-{number}", self.name);
        let patient = self.send(false, "/v1/patients".into(), format!("{key}-person"), Town::person(&key))?;
        let referral = self.town.navigation(patient["id"].as_str().unwrap());
        let referral = self.send(false, "/v1/referrals".into(), format!("{key}-referral"), referral)?;
        let path = format!("/v1/referrals/{}/transitions", referral["id"].as_str().unwrap());
        self.send(true, path, format!("{key}-accepted"), json!({ "status": "accepted" }))?;
        Some(())
    }

    /// Sends until there is an answer; `None` where the connection breaks.
    fn send(&mut self, is_by_program: bool, path: String, key: String, body: Value) -> Option<Value> {
        self.sent.push(Sent { is_by_program, path, key, body, answer: None });
        let sent = self.sent.last_mut().unwrap();
        let began = Instant::now();
        loop {
            match sent.post(&self.town, &mut self.http) {
                Ok(answer) if answer.status == 503 => {
                    answer.expect_try_again();
                    self.refusals += 1;
                }
                Ok(answer) if answer.status == 409 => drop(answer.expect_in_use()),
                Ok(answer) => {
                    let body = answer.expect(201);
                    sent.answer = Some(answer.text());
                    self.work.answered.fetch_add(1, Ordering::SeqCst);
                    return Some(body);
                }
                Err(_) => return None,
            }
            assert!(began.elapsed() < Duration::from_secs(90), "{} has no answer for ever", sent.key);
            sleep(Duration::from_millis(20));
        }
    }
}

impl Answer {
    /// The same key is being worked on in this moment.
    #[track_caller]
    fn expect_in_use(&self) -> Value {
        let problem = self.expect(409);
        assert_eq!(problem["code"], "idempotency_key_in_use", "{problem}");
        problem
    }
}

impl Sent {
    fn post(&self, town: &Town, http: &mut Http) -> std::io::Result<Answer> {
        let client: &Client = if self.is_by_program { &town.program } else { &town.clinic };
        client.try_call(http, "POST", &self.path, &[("Idempotency-Key", &self.key)], Some(&self.body))
    }

    /// Sends it until there is an answer, whatever that is. A server may close a connection that has rested, and has then not seen what was
    /// just sent on it.
    fn insist(&self, town: &Town, http: &mut Http) -> Answer {
        let began = Instant::now();
        loop {
            match self.post(town, http) {
                Ok(answer) => return answer,
                Err(error) => assert!(began.elapsed() < Duration::from_secs(60), "{} is not answered: {error}", self.key),
            }
            sleep(Duration::from_millis(20));
        }
    }

    /// Sends it once more: what was answered is answered the same, what was not is done now if it was not then.
    pub fn check(&mut self, town: &Town, http: &mut Http) {
        let began = Instant::now();
        let answer = loop {
            let answer = self.insist(town, http);
            if answer.status != 409 {
                break answer;
            }
            // On PostgreSQL the transaction of a server that was killed ends a moment later.
            answer.expect_in_use();
            assert!(began.elapsed() < Duration::from_secs(60), "{} is in use for ever", self.key);
            sleep(Duration::from_millis(20));
        };
        answer.expect(201);
        match &self.answer {
            Some(first) => assert_eq!(*first, answer.text(), "{} was answered otherwise before", self.key),
            None => self.answer = Some(answer.text()),
        }
    }

    /// Sends it so many times at once, over all these servers: one effect, and one answer for all who get one.
    pub fn check_at_once(town: &Town, addresses: &[String], times: usize, key: &str) -> Self {
        let mut sent =
            Self { is_by_program: false, path: "/v1/patients".into(), key: key.to_owned(), body: Town::person(key), answer: None };
        let answers: Vec<Answer> = std::thread::scope(|scope| {
            let senders = addresses.iter().cycle().take(times).map(|address| scope.spawn(|| sent.insist(town, &mut Http::to(address))));
            let senders: Vec<_> = senders.collect();
            senders.into_iter().map(|sender| sender.join().unwrap()).collect()
        });
        let (done, waiting): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 201);
        waiting.into_iter().for_each(|answer| drop(answer.expect_in_use()));
        let bodies: HashSet<String> = done.iter().map(|answer| answer.text()).collect();
        assert_eq!(bodies.len(), 1, "one key had {} answers", bodies.len());
        sent.answer = bodies.into_iter().next();
        sent.check(town, &mut Http::to(&addresses[0]));
        sent
    }

    /// The keys of the people that were sent.
    pub fn people(sent: &[Self]) -> HashSet<String> {
        let people = sent.iter().filter(|sent| sent.path == "/v1/patients");
        people.map(|sent| sent.body["identifiers"][0]["value"].as_str().unwrap().to_owned()).collect()
    }
}
