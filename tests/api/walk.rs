//! The README's walk through the loop, run word by word against a demo server.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::harness::skip;

const README: &str = include_str!("../../README.md");
/// What the walk calls the file with the credentials.
const CREDENTIALS: &str = "kith-demo.json";
/// Where others reach the demo.
const BASE_URL: &str = "https://kith.example.ca";
/// Lets every call say its status and address on standard error, and changes nothing else.
const PRELUDE: &str = "set -eu\ncurl() { command curl --write-out '%{stderr}%{http_code} %{url_effective}\\n' \"$@\"; }\n";

/// A demo server, stopped when it is dropped.
struct Demo(Child);

impl Demo {
    /// Starts in this folder, and waits until it is open.
    fn start(folder: &Path) -> Self {
        let credentials = folder.join(CREDENTIALS);
        let mut command = Command::new(env!("CARGO_BIN_EXE_kith"));
        command.args(["demo", "--port", "0", "--credentials"]).arg(&credentials).stdout(Stdio::null());
        let mut demo = Self(command.env("TMPDIR", folder).env("KITH_BASE_URL", BASE_URL).spawn().unwrap());
        let began = Instant::now();
        while !credentials.exists() {
            let ended = demo.0.try_wait().unwrap();
            assert!(ended.is_none(), "the demo ended: {ended:?}");
            assert!(began.elapsed() < Duration::from_secs(120), "the demo does not open");
            std::thread::sleep(Duration::from_millis(50));
        }
        let mode = credentials.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "secrets are for their owner alone");
        demo
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The commands of the walk, as one script.
fn script() -> String {
    let walk = README.split_once("<!-- walk -->").and_then(|(_, rest)| rest.split_once("<!-- /walk -->")).unwrap().0;
    let blocks = walk.split("```sh\n").skip(1).map(|block| block.split_once("```").unwrap().0);
    blocks.collect::<Vec<_>>().join("\n")
}

/// The statuses that the walk says its calls have, in order.
fn expected(script: &str) -> Vec<&str> {
    script.lines().filter_map(|line| line.strip_prefix("# ")).collect()
}

fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

#[test]
fn the_walk_of_the_readme_leads_from_a_person_to_an_outcome() {
    if !(is_there("bash") && is_there("curl")) {
        assert!(std::env::var_os("CI").is_none(), "bash and curl are needed");
        skip("bash and curl are needed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let _demo = Demo::start(folder.path());
    let script = script();
    let ran = Command::new("bash").args(["-c", &format!("{PRELUDE}{script}")]).current_dir(folder.path()).output().unwrap();
    let (answers, calls) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{calls}\n{answers}");

    let token: Value = serde_json::from_slice(&std::fs::read(folder.path().join("token.json")).unwrap()).unwrap();
    let claims = URL_SAFE_NO_PAD.decode(token["access_token"].as_str().unwrap().split('.').nth(1).unwrap()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&claims).unwrap()["iss"], BASE_URL);

    let (logins, others): (Vec<&str>, Vec<&str>) = calls.lines().partition(|call| call.ends_with("/oauth/token"));
    assert!(logins.iter().all(|call| call.starts_with("200 ")), "{logins:?}");
    let statuses: Vec<&str> = others.iter().filter_map(|call| call.split(' ').next()).collect();
    assert_eq!(statuses, expected(&script), "{calls}\n{answers}");

    // Answers follow one another without a line break; the last three are the referral, the timeline and the changes.
    let answers: Vec<Value> = serde_json::Deserializer::from_str(&answers).into_iter().collect::<Result<_, _>>().unwrap();
    let [.., referral, timeline, changes] = answers.as_slice() else { panic!("{answers:?}") };
    assert_eq!((&referral["status"], &referral["outcome"]), (&"completed".into(), &"need_met".into()));
    assert!(timeline["items"].as_array().unwrap().len() > 5, "{timeline}");
    assert!(!changes["items"].as_array().unwrap().is_empty());
    let suggested = answers.iter().find_map(|answer| answer.pointer("/results/0/why/codes")).and_then(Value::as_array);
    assert!(suggested.is_some_and(|reasons| !reasons.is_empty()), "{answers:?}");
}
