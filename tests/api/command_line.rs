//! The `kith` command, as an operator uses it.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};
use std::time::Duration;

use clap::Args as _;
use kith::config::Config;
use serde_json::Value;

use crate::harness::{Place, skip};
use crate::server::{Server, kith, places};

fn run(place: &Place, arguments: &[&str]) -> Output {
    kith(&place.url(), arguments).output().unwrap()
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
    let mut command = kith(&place.url(), &["serve", "--log-format=xml"]);
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
    let mut command = kith(&place.url(), &["serve", "--help"]);
    let help = String::from_utf8(command.env("KITH_DATABASE_URL", "postgres://kith:hunter2@db/kith").output().unwrap().stdout).unwrap();
    let words: BTreeSet<&str> = help.split(|letter: char| !letter.is_ascii_uppercase() && letter != '_').collect();
    let settings = Config::augment_args(clap::Command::new("kith"));
    let names: BTreeSet<&str> = settings.get_arguments().filter_map(|setting| setting.get_env()?.to_str()).collect();
    assert!(names.contains("KITH_DATABASE_URL") && names.contains("KITH_TOKEN_LIFETIME"), "{names:?}");
    assert_eq!(names.difference(&words).collect::<Vec<_>>(), Vec::<&&str>::new(), "in no line of the help");
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
        let server = Server::start(&place.url(), &[]);
        let address = server.address.clone();
        assert!(run(&place, &["healthcheck", "--address", &address]).status.success());
        for (path, status) in [("/readyz", 200), ("/v1/organizations?name=Tremblay", 401), ("/v1/Tremblay/Tremblay", 404)] {
            server.get(path).expect(status);
        }

        let log = server.stop();
        assert!(!run(&place, &["healthcheck", "--address", &address]).status.success());
        let request = log.iter().find(|line| line["route"] == "/v1/organizations").unwrap();
        assert_eq!((&request["method"], &request["status"]), (&"GET".into(), &401.into()));
        assert!(request["duration_ms"].is_number() && request["request_id"].is_string());
        assert!(log.iter().all(|line| !line.to_string().contains("Tremblay")), "{log:?}");
    }
}

/// A request that the server has taken up, and of whose body the end is still to come.
fn half_a_request(server: &Server) -> TcpStream {
    let mut stream = server.connect();
    let head = "POST /oauth/token HTTP/1.1\r\nHost: kith\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 29";
    write!(stream, "{head}\r\nExpect: 100-continue\r\n\r\n").unwrap();
    let mut go_on = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    stream.read_exact(&mut go_on).unwrap();
    assert!(go_on.starts_with(b"HTTP/1.1 100"), "{}", String::from_utf8_lossy(&go_on));
    write!(stream, "grant_type=").unwrap();
    stream
}

#[test]
fn a_server_that_is_told_to_stop_answers_what_it_had_accepted_by_whatever_signal() {
    for place in places() {
        for signal in ["TERM", "INT"] {
            let server = Server::start(&place.url(), &[]);
            let mut stream = half_a_request(&server);
            server.signal(signal);
            std::thread::sleep(Duration::from_millis(500));
            write!(stream, "client_credentials").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap_or_else(|error| panic!("{signal}: {error}"));
            assert!(answer.starts_with("HTTP/1.1 4"), "{signal}: {answer}");
            let log = server.stopped();
            assert!(log.iter().any(|line| line["message"].as_str().unwrap_or_default().starts_with("stopped; everything")), "{log:?}");
        }
    }
}

#[test]
fn a_server_that_is_told_to_stop_twice_waits_for_nobody_and_says_so() {
    let place = Place::on_sqlite();
    let mut server = Server::start(&place.url(), &["--shutdown-timeout=5m"]);
    let _stream = half_a_request(&server);
    let ended = (0..100).find_map(|_| {
        server.signal("INT");
        std::thread::sleep(Duration::from_millis(200));
        server.process.try_wait().unwrap()
    });
    assert!(!ended.expect("it waits all the same").success());
}

#[test]
fn records_are_imported_and_exported_in_the_name_of_a_client() {
    for place in places() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let add = ["client", "add", "--organization=Alder Clinic", "--kind=clinic", "--name=EMR", "--scopes=all", "--json"];
        let added: Value = serde_json::from_str(&printed(&place, &add)).unwrap();
        let client = format!("--client={}", added["client_id"].as_str().unwrap());
        let key = |value: &str| serde_json::json!([{ "system": "urn:example", "value": value }]);
        let lines = [
            serde_json::json!({ "type": "patient", "resource": { "names": [{ "family": "Tremblay" }], "identifiers": key("p-1") } }),
            serde_json::json!({ "type": "service", "resource": { "name": "Lunch", "kind": "program", "identifiers": key("s-1") } }),
            serde_json::json!({ "type": "patient", "resource": {} }),
        ];
        std::fs::write(at("in.ndjson"), lines.map(|line| format!("{line}\n")).concat()).unwrap();
        let import = ["import", "records", &at("in.ndjson"), &client, &format!("--results={}", at("results.ndjson"))];
        let foreseen = printed(&place, &[&import[..], &["--dry-run"]].concat());
        assert!(foreseen.contains("2  would be created") && foreseen.contains("1  would be refused"), "{foreseen}");
        let summary = printed(&place, &import);
        assert!(summary.contains("3 lines") && summary.contains("2  created") && summary.contains("1  refused"), "{summary}");
        let results = std::fs::read_to_string(at("results.ndjson")).unwrap();
        assert_eq!(results.lines().count(), 3);
        assert!(printed(&place, &import).contains("2  unchanged"));

        let output = format!("--output={}", at("out"));
        printed(&place, &["export", "records", &client, &output]);
        let patients = std::fs::read_to_string(at("out/patients.ndjson")).unwrap();
        let line: Value = serde_json::from_str(patients.trim()).unwrap();
        assert_eq!(line["resource"]["names"][0]["family"], "Tremblay");
        printed(
            &place,
            &["export", "records", &client, &output, "--types=service,patient", "--format=csv", "--since=2026-01-01T00:00:00Z"],
        );
        assert!(std::fs::read_to_string(at("out/services.csv")).unwrap().contains("Lunch"));
        for name in ["results.ndjson", "out/patients.ndjson", "out/services.csv"] {
            let mode = std::fs::metadata(at(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name} is for its owner alone");
        }

        let refused = run(&place, &["export", "records", "--client=01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10", &output]);
        assert!(told(&refused).iter().any(|line| line.contains("there is no active client")), "{:?}", told(&refused));
    }
}

#[test]
fn the_directory_is_exported_as_hsds_in_every_form_and_taken_back() {
    for place in places() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let add = ["client", "add", "--organization=Directory", "--kind=directory", "--name=EMR", "--scopes=all", "--json"];
        printed(&place, &add);
        let file = at("in.json");
        std::fs::write(&file, r#"[{ "id": "s-1", "name": "Lunch", "status": "active", "description": "Hot lunch" }]"#).unwrap();
        printed(&place, &["import", "services", &file, "--organization=Directory", "--source=test"]);
        let array: Value = serde_json::from_str(&printed(&place, &["export", "hsds"])).unwrap();
        assert_eq!((array.as_array().unwrap().len(), &array[0]["name"]), (1, &Value::from("Lunch")));
        let lines = printed(&place, &["export", "hsds", "--format=ndjson"]);
        assert_eq!(serde_json::from_str::<Value>(lines.trim()).unwrap(), array[0]);
        printed(&place, &["export", "hsds", &format!("--output={}", at("out.json"))]);
        assert_eq!(serde_json::from_str::<Value>(&std::fs::read_to_string(at("out.json")).unwrap()).unwrap(), array);
        for name in ["out.zip", "out"] {
            let said = printed(&place, &["export", "hsds", "--format=tabular", &format!("--output={}", at(name))]);
            assert!(said.contains("1 services"), "{said}");
            let taken = printed(&place, &["import", "services", &at(name), "--organization=Directory", "--source=back", "--dry-run"]);
            assert!(taken.contains("1 records"), "{taken}");
        }
        // What a folder had before, and has no more, is not read as if it were still so.
        std::fs::write(at("out/phones.csv"), "id,number\n1,250 555 0100\n").unwrap();
        std::fs::write(at("out/notes.csv"), "ours").unwrap();
        printed(&place, &["export", "hsds", "--format=tabular", &format!("--output={}", at("out"))]);
        assert!(!folder.path().join("out/phones.csv").exists() && folder.path().join("out/notes.csv").exists());
        let without = run(&place, &["export", "hsds", "--format=tabular"]);
        assert!(!without.status.success());
    }
}

#[test]
fn an_import_that_cannot_tell_what_is_missing_writes_the_rest_and_fails() {
    for place in places() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("in.ndjson").to_str().unwrap().to_owned();
        printed(&place, &["client", "add", "--organization=Directory", "--kind=directory", "--name=EMR", "--scopes=all"]);
        let line = |id: &str| format!("{{ \"id\": \"{id}\", \"name\": \"Lunch {id}\", \"status\": \"active\" }}\n");
        let import = ["import", "services", &file, "--organization=Directory", "--source=test", "--retire-missing"];
        std::fs::write(&file, ["a", "b", "c"].map(line).concat()).unwrap();
        printed(&place, &import);
        std::fs::write(&file, ["a", "b", "d"].map(line).concat() + "{ \"id\": \"c\",\n").unwrap();
        let dry = run(&place, &[&import[..], &["--dry-run"]].concat());
        let told_dry = told(&dry).concat();
        assert!(told_dry.contains("nothing would be made inactive") && told_dry.contains("all else would be done"), "{dry:?}");
        assert!(!dry.status.success() && !told_dry.contains("is done"), "{dry:?}");
        let output = run(&place, &import);
        let summary = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            summary.contains("1  were created") && summary.contains("1  were refused") && summary.contains("0  were retired"),
            "{summary}"
        );
        assert!(!output.status.success() && told(&output).iter().any(|line| line.contains("nothing was made inactive")), "{output:?}");
        assert!(told(&output).concat().contains("all else is done"), "{output:?}");
        assert!(run(&place, &[&import[..], &["--force"]].concat()).status.success());
    }
}

#[test]
fn an_export_over_a_file_leaves_it_where_and_whose_it_is() {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt as _, chown, symlink};
    let place = Place::on_sqlite();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let export = |name: &str| printed(&place, &["export", "hsds", &format!("--output={}", at(name))]);
    let is_written = |name: &str| assert_eq!(fs::read_to_string(at(name)).unwrap().trim_end(), "[\n]", "{name}");
    let mode = |name: &str| fs::metadata(at(name)).unwrap().permissions().mode() & 0o777;

    // What a link leads to is written, and stays readable by its owner alone.
    fs::create_dir(at("kept")).unwrap();
    fs::write(at("kept/out.json"), "before").unwrap();
    fs::set_permissions(at("kept/out.json"), Permissions::from_mode(0o600)).unwrap();
    symlink(at("kept/out.json"), at("link.json")).unwrap();
    export("link.json");
    assert!(fs::symlink_metadata(at("link.json")).unwrap().is_symlink());
    is_written("kept/out.json");
    assert_eq!(mode("kept/out.json"), 0o600);
    symlink(at("kept/new.json"), at("early.json")).unwrap();
    export("early.json");
    is_written("kept/new.json");
    assert!(fs::symlink_metadata(at("early.json")).unwrap().is_symlink());

    // What is somebody else's stays theirs.
    fs::write(at("kept/out.json"), "before").unwrap();
    if chown(at("kept/out.json"), Some(7_310), Some(7_311)).is_ok() {
        export("kept/out.json");
        is_written("kept/out.json");
        let file = fs::metadata(at("kept/out.json")).unwrap();
        assert_eq!((file.uid(), file.gid(), mode("kept/out.json")), (7_310, 7_311, 0o600));
    } else {
        skip("whose a file is, only root can change");
    }

    // Nothing can be made in a folder that may not be written, and the file in it may be written all the same.
    fs::set_permissions(at("kept"), Permissions::from_mode(0o500)).unwrap();
    if fs::write(at("kept/more"), "").is_ok() {
        skip("root writes in every folder");
        return;
    }
    fs::write(at("kept/out.json"), "before").unwrap();
    export("kept/out.json");
    fs::set_permissions(at("kept"), Permissions::from_mode(0o700)).unwrap();
    is_written("kept/out.json");
    assert_eq!((mode("kept/out.json"), fs::read_dir(at("kept")).unwrap().count()), (0o600, 2), "and nothing is left beside");
}

#[test]
fn a_reader_that_has_seen_enough_makes_no_command_fail() {
    let place = Place::on_sqlite();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    printed(&place, &["client", "add", "--organization=Directory", "--kind=directory", "--name=EMR", "--scopes=all"]);
    std::fs::write(at("in.json"), r#"[{ "id": "s-1", "name": "Lunch", "status": "active" }, { "id": "s-2" }]"#).unwrap();
    let instrument = concat!(env!("CARGO_MANIFEST_DIR"), "/instruments/gad-7.json");
    for arguments in [
        vec!["import", "services", &at("in.json"), "--organization=Directory", "--source=test"],
        vec!["import", "instrument", instrument],
        vec!["export", "hsds", "--format=tabular", &format!("--output={}", at("out.zip"))],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = kith(&place.url(), &arguments).stdout(writer).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {:?}", told(&output));
    }
}
