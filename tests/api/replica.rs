//! A copy that somebody makes of the feed, as its description says, and what it is held against: all that the lists show.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::client::text;

/// A resource: its type and id.
pub type Key = (String, String);

/// What a consumer of the feed holds.
#[derive(Default)]
pub struct Replica {
    held: BTreeMap<Key, Held>,
    /// What is asked for of the feed, as `&service_id=…`; all where nothing is.
    filter: String,
    /// Where it goes on.
    pub next: Option<String>,
    /// How many entries it was told.
    pub told: usize,
}

struct Held {
    patient: Value,
    referral: Value,
    resource: Value,
}

impl Replica {
    /// One of what is asked for by this filter.
    pub fn of(filter: String) -> Self {
        Self { filter, ..Self::default() }
    }

    /// Applies an entry, as the document says it is to be done.
    pub fn apply(&mut self, entry: &Value) {
        self.told += 1;
        let (kind, action) = (text(&entry["resource_type"]), text(&entry["action"]));
        let ends_with_the_patient = kind == "patient" && ["reset", "merged", "deleted"].contains(&action.as_str());
        if ends_with_the_patient {
            self.held.retain(|(kind, _), held| kind == "consent" || held.patient != entry["patient_id"]);
        }
        let key = (kind, text(&entry["resource_id"]));
        match action.as_str() {
            "deleted" => drop(self.held.remove(&key)),
            "left" => self.held.retain(|_, held| held.referral != entry["referral_id"]),
            "merged" if key.0 == "service" => drop(self.held.remove(&key)),
            "reset" | "merged" => {}
            _ => {
                let (patient, referral) = (entry["patient_id"].clone(), entry["referral_id"].clone());
                let held = Held { patient, referral, resource: entry["resource"].clone() };
                self.held.insert(key, held);
            }
        }
    }

    /// The query that reads the next piece.
    pub fn query(&self, limit: usize) -> String {
        let cursor = self.next.as_ref().map_or_else(String::new, |next| format!("&cursor={next}"));
        format!("/v1/changes?limit={limit}{}{cursor}", self.filter)
    }

    /// Applies a piece; whether more is there already.
    pub fn take(&mut self, piece: &Value) -> bool {
        piece["items"].as_array().unwrap().iter().for_each(|entry| self.apply(entry));
        self.next = Some(text(&piece["next"]));
        piece["has_more"] == true
    }

    /// How it differs from what the lists show; empty where it does not.
    pub fn differences(&self, lists: &Lists) -> Vec<String> {
        self.differences_where(lists, |_| true)
    }

    /// The same for these kinds only.
    pub fn differences_in(&self, lists: &Lists, kinds: &[&str]) -> Vec<String> {
        self.differences_where(lists, |key| kinds.contains(&key.0.as_str()))
    }

    fn differences_where(&self, lists: &Lists, matters: impl Fn(&Key) -> bool) -> Vec<String> {
        let held = self.held.iter().filter(|(key, held)| matters(key) && lists.covers(key, &held.resource));
        let held: BTreeMap<&Key, &Value> = held.map(|(key, held)| (key, &held.resource)).collect();
        let mut differences = Vec::new();
        for (key, shown) in lists.shown.iter().filter(|(key, _)| matters(key)) {
            match held.get(key) {
                None => differences.push(format!("{key:?} is shown and not held")),
                Some(resource) => {
                    for (field, value) in shown.as_object().unwrap() {
                        if resource[field] != *value {
                            differences.push(format!("{field} of {key:?} is {value}, and {} is held", resource[field]));
                        }
                    }
                }
            }
        }
        let only_held = held.keys().filter(|key| !lists.shown.contains_key(**key));
        differences.extend(only_held.map(|key| format!("{key:?} is held and not shown")));
        differences
    }

    /// The kinds of what it holds, in order.
    pub fn kinds(&self) -> Vec<&str> {
        self.held.keys().map(|(kind, _)| kind.as_str()).collect()
    }

    /// How many resources it holds.
    pub fn len(&self) -> usize {
        self.held.len()
    }
}

/// What the lists of the API show to somebody, read one after the other: what one shows leads to the next.
pub struct Lists {
    shown: BTreeMap<Key, Value>,
    covered: BTreeSet<String>,
    todo: Vec<(&'static str, String)>,
}

impl Lists {
    /// All of them.
    pub fn new() -> Self {
        let first = [
            ("patient", "patients"),
            ("consent", "consents"),
            ("need", "needs"),
            ("screening", "screenings"),
            ("referral", "referrals"),
            ("follow_up", "follow-ups"),
            ("appointment", "appointments"),
            ("unmet_need", "unmet-needs"),
            ("practitioner", "practitioners"),
        ];
        let of_others = ["need_level_assessment", "navigator_assignment", "referral_transition", "referral_message", "contact_attempt"];
        Self {
            shown: BTreeMap::new(),
            covered: first.iter().map(|(kind, _)| *kind).chain(of_others).map(str::to_owned).collect(),
            todo: first.iter().map(|(kind, name)| (*kind, format!("/v1/{name}?limit=200"))).collect(),
        }
    }

    /// One of them alone: of this kind, under this path with a limit.
    pub fn of(kind: &'static str, path: &str) -> Self {
        Self { shown: BTreeMap::new(), covered: BTreeSet::from([kind.to_owned()]), todo: vec![(kind, path.to_owned())] }
    }

    /// All of them, read by this: `None` where one cannot be read any more.
    pub fn read(mut get: impl FnMut(&str) -> Option<Value>) -> Self {
        let mut lists = Self::new();
        while let Some((kind, path)) = lists.next() {
            if let Some(page) = get(&path) {
                lists.add(kind, &path, &page);
            }
        }
        lists
    }

    /// Leaves a field of a kind out of what is compared.
    pub fn without(mut self, kind: &str, field: &str) -> Self {
        let items = self.shown.iter_mut().filter(|(key, _)| key.0 == kind);
        items.for_each(|(_, item)| drop(item.as_object_mut().unwrap().remove(field)));
        self
    }

    /// How many resources they show.
    pub fn len(&self) -> usize {
        self.shown.len()
    }

    /// The next list to read, and what is in it; none at the end.
    pub fn next(&mut self) -> Option<(&'static str, String)> {
        self.todo.pop()
    }

    /// A page of a list, whose next one is read next.
    pub fn add(&mut self, kind: &'static str, path: &str, page: &Value) {
        for item in page["items"].as_array().unwrap() {
            let id = text(&item["id"]);
            let parts: &[(&str, &str)] = match kind {
                "patient" => &[
                    ("need", "needs"),
                    ("screening", "screenings"),
                    ("need_level_assessment", "need-levels"),
                    ("navigator_assignment", "primary-navigators"),
                ],
                "referral" => &[("referral_transition", "transitions"), ("referral_message", "messages")],
                "follow_up" => &[("contact_attempt", "attempts")],
                _ => &[],
            };
            let name = path.split(['/', '?']).nth(2).unwrap();
            self.todo.extend(parts.iter().map(|(kind, part)| (*kind, format!("/v1/{name}/{id}/{part}?limit=200"))));
            // What was so before a referral was sent is its requester's alone in the feed.
            if kind != "referral_transition" || item["to"] != "draft" {
                self.shown.insert((kind.to_owned(), id), item.clone());
            }
        }
        if let Some(next) = page["next"].as_str() {
            let first = path.split("&cursor=").next().unwrap();
            self.todo.push((kind, format!("{first}&cursor={next}")));
        }
    }

    fn covers(&self, key: &Key, resource: &Value) -> bool {
        self.covered.contains(&key.0) && (key.0 != "referral_transition" || resource["to"] != "draft")
    }
}
