//! The journal, read from its beginning, held against what the lists say.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use kith::referrals::lifecycle::{ReferralStatus, find_step};
use serde_json::Value;

use super::ledger::Sent;
use super::town::Client;
use crate::client::text;
use crate::socket::Http;

/// What is made of other rows whenever it is read, and so not in the journal.
const MADE_ON_READING: &[&str] = &["patient", "service", "warnings"];

/// A reader of the feed that remembers all it saw.
#[derive(Default)]
pub struct Feed {
    entries: Vec<Value>,
    next: Option<String>,
}

/// A resource in the feed.
type Key = (String, String);

impl Feed {
    /// Reads what has come since.
    pub fn read_on(&mut self, client: &Client, http: &mut Http) {
        loop {
            let cursor = self.next.as_ref().map_or_else(String::new, |next| format!("&cursor={next}"));
            let piece = client.get(http, &format!("/v1/changes?limit=200{cursor}"));
            self.entries.extend(piece["items"].as_array().unwrap().iter().cloned());
            self.next = piece["next"].as_str().map(str::to_owned);
            if piece["has_more"] != true {
                return;
            }
        }
    }

    /// How many lines it saw.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Every version of every resource of a type that it saw.
    pub fn versions(&self, resource_type: &str) -> HashSet<(String, i64)> {
        let entries = self.entries.iter().filter(|entry| entry["resource_type"] == resource_type);
        entries.map(|entry| (text(&entry["resource_id"]), entry["version"].as_i64().unwrap())).collect()
    }

    /// Reads until it has seen all that the lists of patients, referrals, consents and follow-ups show, and holds both against each
    /// other: every resource from its first version to its last without a gap, each line once, and the last as the list has it. Every
    /// referral went only where the table lets it go, and stands where its last transition put it.
    pub fn check(&mut self, client: &Client, http: &mut Http) {
        let began = Instant::now();
        let mut standing: BTreeMap<Key, Value> = BTreeMap::new();
        for (resource_type, path) in
            [("patient", "/v1/patients"), ("referral", "/v1/referrals"), ("consent", "/v1/consents"), ("follow_up", "/v1/follow-ups")]
        {
            for item in client.list(http, path) {
                let found = standing.insert((resource_type.to_owned(), text(&item["id"])), item);
                assert!(found.is_none(), "the list has it twice: {found:?}");
            }
        }
        // On PostgreSQL the feed waits for transactions that are open, those of others too.
        let mut last = self.last();
        let lacks = |last: &HashMap<Key, &Value>| {
            let version = |value: &Value| value["version"].as_i64();
            standing.iter().any(|(key, item)| last.get(key).is_none_or(|entry| version(entry) < version(item)))
        };
        while lacks(&last) && began.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(50));
            self.read_on(client, http);
            last = self.last();
        }
        let versions = self.entries.iter().fold(HashMap::<Key, Vec<i64>>::new(), |mut versions, entry| {
            versions.entry(key(entry)).or_default().push(entry["version"].as_i64().unwrap());
            versions
        });
        for (key, versions) in &versions {
            let whole: Vec<i64> = (1..=versions.len() as i64).collect();
            assert_eq!(*versions, whole, "{key:?} has these versions in the feed");
        }
        for (key, item) in &standing {
            let entry = last.get(key).unwrap_or_else(|| panic!("{key:?} is in the list and not in the feed"));
            for (name, value) in entry["resource"].as_object().unwrap() {
                if !MADE_ON_READING.contains(&name.as_str()) {
                    assert_eq!(item[name], *value, "{name} of {key:?} in the list and in the feed");
                }
            }
        }
        for (kind, id) in last.keys().filter(|key| matches!(key.0.as_str(), "patient" | "referral" | "consent" | "follow_up")) {
            assert!(standing.contains_key(&(kind.clone(), id.clone())), "{kind} {id} is in the feed and not in the list");
        }
        self.check_steps(&last);
    }

    fn check_steps(&self, last: &HashMap<Key, &Value>) {
        let mut at: HashMap<String, ReferralStatus> = HashMap::new();
        for entry in self.entries.iter().filter(|entry| entry["resource_type"] == "referral_transition") {
            let made = &entry["resource"];
            let status = |name: &str| made[name].as_str().map(|status| status.parse::<ReferralStatus>().unwrap());
            let (from, to) = (status("from"), status("to").unwrap());
            let before = at.insert(text(&made["referral_id"]), to);
            assert_eq!(before, from, "a step begins where the one before it ended: {made}");
            let exists = from.map_or(matches!(to, ReferralStatus::Draft | ReferralStatus::Requested), |from| {
                from == to || find_step(from, to).is_some()
            });
            assert!(exists, "there is no such step: {made}");
        }
        for ((kind, id), entry) in last {
            if kind == "referral" {
                assert_eq!(entry["resource"]["status"], at[id].as_str(), "referral {id} stands where its last transition put it");
            }
        }
    }

    /// The last line of each resource.
    fn last(&self) -> HashMap<Key, &Value> {
        self.entries.iter().map(|entry| (key(entry), entry)).collect()
    }

    /// Holds it against what writers sent: each person once, with one referral at most, with one first contact where it was accepted.
    pub fn check_effects(&self, sent: &[Sent]) {
        let mut people = Vec::new();
        let (mut referrals, mut contacts, mut accepted) = (HashMap::new(), HashMap::new(), HashSet::new());
        for entry in self.entries.iter().filter(|entry| entry["version"] == 1) {
            match entry["resource_type"].as_str().unwrap() {
                "patient" => people.push(text(&entry["resource"]["identifiers"][0]["value"])),
                "referral" => *referrals.entry(text(&entry["patient_id"])).or_insert(0) += 1,
                "follow_up" => *contacts.entry(text(&entry["resource"]["referral_id"])).or_insert(0) += 1,
                "referral_transition" if entry["resource"]["to"] == "accepted" => {
                    accepted.insert(text(&entry["resource"]["referral_id"]));
                }
                _ => {}
            }
        }
        assert_eq!(people.iter().cloned().collect::<HashSet<_>>(), Sent::people(sent));
        assert_eq!(people.len(), Sent::people(sent).len(), "somebody is there twice");
        assert!(referrals.values().all(|count| *count == 1), "a referral is there twice");
        assert!(contacts.values().all(|count| *count == 1), "a follow-up is there twice");
        assert_eq!(contacts.into_keys().collect::<HashSet<_>>(), accepted, "what was accepted has a first contact");
    }
}

fn key(entry: &Value) -> Key {
    (text(&entry["resource_type"]), text(&entry["resource_id"]))
}
