//! Servers that are killed while they import.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::times;
use super::town::Town;
use crate::harness::Place;
use crate::server::Server;
use crate::socket::Http;

/// Patients of the import, without anything by which they could be known again.
const PEOPLE: usize = 3_000;

#[test]
fn an_import_goes_on_after_its_server_was_killed_and_loses_and_doubles_nothing() {
    kill(&Place::on_sqlite(), 1);
}

#[test]
fn an_import_is_taken_over_by_another_server_and_loses_and_doubles_nothing() {
    if let Some(place) = Place::on_postgres() {
        kill(&place, 2);
    }
}

fn kill(place: &Place, count: usize) {
    let url = place.url();
    let mut town = Town::on(&url);
    let start = || -> Vec<Server> { (0..count).map(|_| Server::start(&url, &[])).collect() };
    let mut servers = start();
    town.log_in(&servers[0].address);
    let clinic = &town.clinic;
    let lines: String = (0..PEOPLE).map(|number| format!("{}\n", line(number))).collect();
    let authorization = clinic.authorization();
    let headers = [("Authorization", authorization.as_str()), ("Content-Type", "application/x-ndjson")];
    let accepted = Http::to(&servers[0].address).call("POST", "/v1/imports", &headers, Some(&lines)).unwrap().expect(202);
    let path = format!("/v1/imports/{}", accepted["id"].as_str().unwrap());
    let read = |servers: &[Server]| clinic.get(&mut Http::to(&servers.last().unwrap().address), &path);
    let mut last = 0;
    for round in 0..times(2, 20) {
        let job = until(|| {
            let job = read(&servers);
            (job["lines"].as_i64().unwrap() > last || job["status"] == "completed").then_some(job)
        });
        last = job["lines"].as_i64().unwrap();
        println!("round {round}: killed after {last} lines");
        servers.remove(0).kill();
        if servers.is_empty() {
            servers = start();
        } else {
            servers.push(Server::start(&url, &[]));
        }
    }
    let job = until(|| Some(read(&servers)).filter(|job| job["status"] == "completed"));
    assert_eq!(
        (job["created"].as_u64(), job["refused"].as_u64(), job["lines"].as_u64()),
        (Some(PEOPLE as u64), Some(0), Some(PEOPLE as u64))
    );
    let mut http = Http::to(&servers[0].address);
    let names =
        clinic.list(&mut http, "/v1/patients").into_iter().map(|patient| patient["names"][0]["family"].as_str().unwrap().to_owned());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("Import")).collect();
    assert_eq!(names.len(), PEOPLE);
    names.sort();
    names.dedup();
    assert_eq!(names.len(), PEOPLE, "somebody was loaded twice");
}

fn line(number: usize) -> Value {
    json!({ "type": "patient", "resource": { "names": [{ "family": format!("Import{number}") }] } })
}

fn until<T>(ready: impl Fn() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = ready() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(180), "it does not come to an end");
        std::thread::sleep(Duration::from_millis(20));
    }
}
