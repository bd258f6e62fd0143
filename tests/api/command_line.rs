//! The `kith` command, as an operator uses it.

use std::process::{Command, Output};

use serde_json::Value;

use crate::harness::Place;
use crate::server::{Server, kith, places};

fn run(place: &Place, arguments: &[&str]) -> Output {
    kith(place, arguments).output().unwrap()
}

fn told(output: &Output) -> Vec<String> {
    String::from_utf8_lossy(&output.stderr).lines().map(str::to_owned).collect()
}

/// What a command that succeeds prints.
fn printed(place: &Place, arguments: &[&str]) -> String {
    let output = run(place, arguments);
    assert!(output.status.success(), "{arguments:?}: {:?}", told(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn clients_are_added_listed_rotated_and_disabled() {
    for place in places() {
        let add = ["client", "add", "--organization=Alder Clinic", "--name=EMR", "--scopes=patients:read", "--json"];
        let refused = run(&place, &add);
        assert!(!refused.status.success());
        assert!(told(&refused).iter().any(|line| line.contains("there is no organization \"Alder Clinic\"")));

        let with_kind = [&add[..], &["--kind=clinic"]].concat();
        let added: Value = serde_json::from_str(&printed(&place, &with_kind)).unwrap();
        let second: Value = serde_json::from_str(&printed(&place, &with_kind)).unwrap();
        assert_eq!(added["organization_id"], second["organization_id"], "an organization of this name is made once");
        let (id, secret) = (added["client_id"].as_str().unwrap(), added["client_secret"].as_str().unwrap());

        let listed = printed(&place, &["client", "list"]);
        assert!(listed.contains(id) && listed.contains("Alder Clinic, EMR  [patients:read]"), "{listed}");
        assert!(!listed.contains(secret) && !printed(&place, &["client", "list", "--json"]).contains("secret"));

        let rotated = printed(&place, &["client", "rotate", id, "--grace=1h"]);
        assert!(rotated.contains("client_secret: kith_secret_") && !rotated.contains(secret));
        printed(&place, &["client", "disable", id]);
        assert!(printed(&place, &["client", "list"]).contains("disabled"));
        printed(&place, &["client", "enable", id]);
        assert!(!printed(&place, &["client", "list"]).contains("disabled"));

        let unknown = run(&place, &["client", "disable", "01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10"]);
        assert_eq!(told(&unknown), ["kith: there is no client 01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10"]);
    }
}

#[test]
fn signing_keys_are_rotated_and_the_last_is_not_retired() {
    for place in places() {
        let first_word = |text: &str| text.split_whitespace().next().unwrap().to_owned();
        let first = first_word(&printed(&place, &["key", "rotate"]));
        assert_eq!(told(&run(&place, &["key", "retire", &first])), ["kith: the last key cannot be retired: rotate first"]);
        let second = first_word(&printed(&place, &["key", "rotate"]));
        assert_eq!(first_word(&printed(&place, &["key", "list"])), second, "newest first");
        printed(&place, &["key", "retire", &first]);
        assert!(printed(&place, &["key", "list"]).lines().any(|line| line.starts_with(&first) && line.contains("retired")));
        assert_eq!(told(&run(&place, &["key", "retire", &first])), ["kith: there is no such key in use"]);
    }
}

#[test]
fn a_start_with_bad_settings_stops_with_a_sentence_for_each() {
    let place = Place::on_sqlite();
    let mut command = kith(&place, &["serve", "--log-format=xml"]);
    command.env("KITH_PORT", "seventy").env("KITH_TOKEN_LIFETIME", "1y").env("KITH_DATABASE_URL", "mysql://kith:hunter2@db/kith");
    let output = command.output().unwrap();
    let mut sentences = told(&output);
    sentences.sort();
    assert!(!output.status.success());
    let beginnings = ["--database-url", "--log-format", "--port <PORT>, KITH_PORT:", "--token-lifetime"];
    assert_eq!(sentences.len(), beginnings.len(), "{sentences:?}");
    for (sentence, beginning) in sentences.iter().zip(beginnings) {
        assert!(sentence.starts_with(&format!("kith: {beginning}")), "{sentence}");
        assert!(!sentence.contains("hunter2"), "{sentence}");
    }

    let missing = run(&place, &["serve", "--signing-key-file=/nowhere/key.pem", "--cors-origins=*,https://app.example.ca"]);
    assert_eq!(told(&missing).len(), 2, "{:?}", told(&missing));
}

#[test]
fn help_lists_every_setting_and_shows_no_secret() {
    let place = Place::on_sqlite();
    let mut command = kith(&place, &["serve", "--help"]);
    let help = String::from_utf8(command.env("KITH_DATABASE_URL", "postgres://kith:hunter2@db/kith").output().unwrap().stdout).unwrap();
    assert!(help.contains("KITH_DATABASE_URL") && help.contains("KITH_TOKEN_LIFETIME"));
    assert!(!help.contains("hunter2"));
}

#[test]
fn the_document_is_printed_without_a_database() {
    let nowhere =
        Command::new(env!("CARGO_BIN_EXE_kith")).arg("openapi").env_clear().env("KITH_DATABASE_URL", "sqlite:/nowhere/kith.db").output();
    let document: Value = serde_json::from_slice(&nowhere.unwrap().stdout).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
}

#[test]
fn a_server_starts_says_that_it_is_well_logs_no_query_and_stops_when_told() {
    for place in places() {
        let server = Server::start(&place, &[]);
        let address = server.address.clone();
        assert!(run(&place, &["healthcheck", "--address", &address]).status.success());
        assert!(server.get("/readyz").starts_with("HTTP/1.1 200 "));
        let refused = server.get("/v1/organizations?name=Tremblay");
        assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");
        assert!(server.get("/v1/Tremblay/Tremblay").starts_with("HTTP/1.1 404 "));

        let log = server.stop();
        assert!(!run(&place, &["healthcheck", "--address", &address]).status.success());
        let request = log.iter().find(|line| line["route"] == "/v1/organizations").unwrap();
        assert_eq!((&request["method"], &request["status"]), (&"GET".into(), &401.into()));
        assert!(request["duration_ms"].is_number() && request["request_id"].is_string());
        assert!(log.iter().all(|line| !line.to_string().contains("Tremblay")), "{log:?}");
    }
}
