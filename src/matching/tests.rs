//! The promises of matching, one test each.

mod gates;
mod laws;
mod ranking;

use std::sync::LazyLock;

use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::kind::ServiceId;
use crate::responsiveness::Responsiveness;
use crate::responsiveness::model::Figures;
use crate::services::model::{Capacity, ServiceInput};

fn id(number: u128) -> ServiceId {
    ServiceId::from_uuid(Uuid::from_u128(number))
}

fn person(person: Value) -> Person {
    serde_json::from_value(person).unwrap()
}

/// A person who needs food and lives in Alder Falls, with more.
fn hungry(more: Value) -> Person {
    let base = json!({
        "needs": [{ "domain": "food-insecurity" }],
        "location": { "postal_code": "V0X 1A0", "city": "Alder Falls", "point": { "latitude": 49.35, "longitude": -120.12 } }
    });
    person(merged(base, more))
}

fn merged(mut base: Value, more: Value) -> Value {
    let (Value::Object(into), Value::Object(from)) = (&mut base, more) else { panic!("not objects") };
    into.extend(from);
    base
}

/// A directory entry that answers the need for food, with more.
fn pantry(more: Value) -> ServiceInput {
    let base = json!({ "name": "Pantry", "need_domains": [{ "code": "food-insecurity" }] });
    serde_json::from_value(merged(base, more)).unwrap()
}

/// A place so many kilometres north of Alder Falls.
fn km_away(km: f64) -> Value {
    json!([{ "point": { "latitude": 49.35 + km / 111.195, "longitude": -120.12 } }])
}

fn candidate(number: u128, service: &ServiceInput) -> Candidate<'_> {
    Candidate { id: id(number), service, capacity: None, text_fit: None, track_record: None }
}

fn setting() -> Setting<'static> {
    static HELPLINE: LazyLock<Helpline> = LazyLock::new(Helpline::default);
    Setting {
        weights: Weights::standard(),
        at: "2026-03-02T12:00:00Z".parse().unwrap(),
        limit: 10,
        include_excluded: true,
        helpline: &HELPLINE,
    }
}

fn run<'a>(person: &'a Person, candidates: impl IntoIterator<Item = Candidate<'a>>) -> Suggestions {
    rank(person, candidates, &setting())
}

/// The suggestions of these services, numbered from 1.
fn run_services(person: &Person, services: &[ServiceInput]) -> Suggestions {
    run(person, services.iter().zip(1..).map(|(service, number)| candidate(number, service)))
}

/// The only suggestion of a service, whose score its contributions make up.
fn only(person: &Person, service: &ServiceInput) -> Suggestion {
    run_services(person, std::slice::from_ref(service)).results.into_iter().next().expect("suggested")
}

/// The codes for which a service is left out.
fn exclusions(person: &Person, service: &ServiceInput) -> Vec<String> {
    let excluded = run_services(person, std::slice::from_ref(service)).excluded;
    excluded.into_iter().flat_map(|service| service.reasons).map(|reason| reason.code).collect()
}

fn codes(remarks: &[report::Remark]) -> Vec<&str> {
    remarks.iter().map(|remark| remark.code.as_str()).collect()
}

/// What a criterion found, and its value.
fn part(suggestion: &Suggestion, criterion: Criterion) -> (String, f64) {
    let part = suggestion.contributions.iter().find(|part| part.criterion == criterion).expect("has a say");
    (part.code.clone(), part.value)
}

fn capacity(capacity: Value) -> Capacity {
    serde_json::from_value(capacity).unwrap()
}
