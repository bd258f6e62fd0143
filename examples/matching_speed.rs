//! How long matching takes over a directory held in memory: `cargo run --release --example matching_speed [SERVICES]`.
//!
//! Prints the median and the 95th percentile of whole runs, and the time for each candidate, for a person with many wishes.

#![expect(clippy::print_stdout, reason = "the numbers are what it is for")]

use std::time::{Duration, Instant};

use kith::db::types;
use kith::kind::ServiceId;
use kith::matching::{Candidate, Helpline, Person, Setting, Weights, rank};
use kith::services::model::ServiceInput;
use kith::types::DOMAINS;
use serde_json::json;
use uuid::Uuid;

const RUNS: u32 = 200;

fn main() {
    let services: usize = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(10_000);
    let directory: Vec<(ServiceId, ServiceInput)> = (0..services).map(|number| (id(number), service(number))).collect();
    let (weights, helpline) = (Weights::standard(), Helpline::default());
    let setting = Setting {
        weights,
        at: types::Instant::from_utc(chrono::DateTime::UNIX_EPOCH),
        limit: 10,
        include_excluded: false,
        helpline: &helpline,
    };
    let mut times: Vec<Duration> = Vec::new();
    for run in 0..RUNS {
        let person = person(run);
        let start = Instant::now();
        let found = rank(
            &person,
            directory.iter().map(|(id, service)| Candidate { id: *id, service, capacity: None, text_fit: None, track_record: None }),
            &setting,
        );
        times.push(start.elapsed());
        std::hint::black_box(found);
    }
    times.sort_unstable();
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied().unwrap_or_default();
    println!(
        "{services} services, {RUNS} runs: median {:.2?}, 95th percentile {:.2?}, {:.0} ns for each service",
        at(0.5),
        at(0.95),
        at(0.5).as_nanos() as f64 / services as f64
    );
}

#[expect(clippy::indexing_slicing, reason = "within the length")]
fn pick_of<T: Copy>(of: &[T], number: u64) -> T {
    of[number as usize % of.len()]
}

fn id(number: usize) -> ServiceId {
    ServiceId::from_uuid(Uuid::from_u128(number as u128 + 1))
}

/// A number that looks random and is the same each time.
fn scattered(number: usize, salt: u64) -> u64 {
    (number as u64 ^ salt.rotate_left(17)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 16
}

#[expect(clippy::expect_used, reason = "a program for measuring, on its own data")]
fn service(number: usize) -> ServiceInput {
    let pick = |salt: u64, of: u64| scattered(number, salt) % of;
    let domain = |salt| pick_of(DOMAINS, pick(salt, 1_000)).code;
    let point = json!({ "latitude": 49.0 + pick(1, 1_000) as f64 / 1_000.0, "longitude": -120.0 + pick(2, 1_000) as f64 / 1_000.0 });
    let days = pick_of(&["MO,WE", "TU,TH", "SA", "MO,TU,WE,TH,FR"], pick(3, 4));
    serde_json::from_value(json!({
        "name": format!("Service {number}"),
        "description": "What it does, at some length, so that the record is like a real one. ".repeat(5),
        "need_domains": [{ "code": domain(4) }, { "code": domain(5), "strength": "partial", "basis": "inferred" }],
        "places": [{ "point": point, "address": { "line1": format!("{number} Mill Street"), "city": "Alder Falls" }, "accessibility": ["wheelchair"] }],
        "service_areas": [{ "kind": "postal_prefix", "value": pick_of(&["V0X", "V1Y", "V2A"], pick(6, 3)) }],
        "phones": [{ "original": format!("250-{:07}", number) }],
        "languages": [{ "language": pick_of(&["en", "fr", "pa"], pick(7, 3)) }],
        "schedules": [{ "rrule": format!("FREQ=WEEKLY;BYDAY={days}"), "opens_at": "09:00", "closes_at": "16:00", "time_zone": "America/Vancouver" }],
        "eligibility": { "min_age": pick(8, 60), "populations": if pick(9, 10) == 0 { json!(["veteran"]) } else { json!([]) } },
        "cost": { "kind": pick_of(&["free", "fixed", "sliding_scale"], pick(10, 3)) },
        "attributes": { "dietary": ["vegetarian"], "activities": [pick_of(&["gardening", "music", "walking"], pick(11, 3))] },
        "verification": { "last_verified_on": "1969-06-01" }
    }))
    .expect("a service")
}

#[expect(clippy::expect_used, reason = "a program for measuring, on its own data")]
fn person(run: u32) -> Person {
    let domain = |salt| pick_of(DOMAINS, scattered(run as usize, salt)).code;
    serde_json::from_value(json!({
        "needs": [{ "domain": domain(21), "severity": "high" }, { "domain": domain(22) }, { "domain": "food-insecurity" }],
        "age": 40 + run % 40, "gender": "woman", "languages": ["pa", "en"],
        "location": { "postal_code": "V0X 1A0", "city": "Alder Falls", "point": { "latitude": 49.5, "longitude": -119.5 } },
        "reach": { "how": "transit", "max_km": 25 }, "modes": ["in_person"],
        "free_times": [{ "day": "tuesday", "from": "09:00", "until": "15:00" }],
        "budget_per_month": { "amount_minor": 2_000, "currency": "CAD" },
        "accessibility": ["wheelchair"], "dietary": ["vegetarian"], "cultures": ["south_asian"], "interests": ["gardening"]
    }))
    .expect("a person")
}
