//! The change feed as server-sent events.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use actix_web::http::Method;
use kith::clock::Clock;
use serde_json::{Value, json};

use crate::client::{Caller, TestApp};
use crate::events::{Event, EventSource};
use crate::faults::town::{Client, Town};
use crate::harness::{Place, until};
use crate::server::{Server, places};
use crate::socket::Http;

/// The whole of a short stream, in process.
async fn stream(caller: &Caller, query: &str, last_id: &str) -> (Vec<Event>, String) {
    let request = caller.request(Method::GET, &format!("/v1/changes?{query}"));
    let request = request.insert_header(("accept", "text/event-stream")).insert_header(("accept-encoding", "gzip"));
    let request = if last_id.is_empty() { request } else { request.insert_header(("last-event-id", last_id)) };
    let answer = caller.app.send(request).await;
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.bytes));
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert_eq!((answer.header("content-encoding"), answer.header("cache-control")), (Some("identity"), Some("no-store")));
    let (mut events, mut last) = (Vec::new(), last_id.to_owned());
    for block in String::from_utf8(answer.bytes.to_vec()).unwrap().split_terminator("\n\n") {
        let mut event = Event::default();
        for line in block.lines() {
            match line.split_once(": ").unwrap() {
                ("id", id) => last = id.to_owned(),
                ("event", name) => event.event = name.to_owned(),
                ("data", data) => event.data = data.to_owned(),
                ("", _) | ("retry", _) => {}
                (name, _) => panic!("{name} is no field of an event"),
            }
        }
        if !event.data.is_empty() {
            events.push(event);
        }
    }
    (events, last)
}

async fn add(caller: &Caller, name: &str) {
    caller.post("/v1/organizations", json!({ "name": name, "kind": "agency" })).await.expect(201);
}

const ORGANIZATIONS: &str = "resource_type=organization";

on_both!(a_stream_tells_what_the_pieces_tell_and_goes_on_after_the_last_id, |db| async move {
    let caller = TestApp::with(db, &["--request-timeout=2s"]).await.clinic().await;
    add(&caller, "A").await;
    caller.app.is_readable().await;
    let (events, last) = stream(&caller, ORGANIZATIONS, "").await;
    assert_eq!(events.iter().map(|event| event.event.as_str()).collect::<Vec<_>>(), ["organization.created"]);
    let piece = caller.get(&format!("/v1/changes?{ORGANIZATIONS}")).await.expect(200);
    assert_eq!(serde_json::from_str::<Value>(&events[0].data).unwrap(), piece["items"][0]);
    add(&caller, "B").await;
    caller.app.is_readable().await;
    let since = format!("{ORGANIZATIONS}&since=2026-03-02T17:00:00Z");
    let (events, _) = stream(&caller, &since, &last).await;
    assert_eq!(events.len(), 1, "the id goes before where the query begins");
    assert_eq!(serde_json::from_str::<Value>(&events[0].data).unwrap()["resource"]["name"], "B");
    let on = caller.get(&format!("/v1/changes?{ORGANIZATIONS}&cursor={last}")).await.expect(200);
    assert_eq!(on["items"][0]["resource"]["name"], "B", "an id is a cursor");
});

on_both!(who_asks_for_events_wrongly_is_told, |db| async move {
    let caller = TestApp::with(db, &["--request-timeout=1s", "--change-streams=1"]).await.clinic().await;
    let ask = |accept: &'static str, last_id: &'static str| {
        let request =
            caller.request(Method::GET, "/v1/changes").insert_header(("accept", accept)).insert_header(("last-event-id", last_id));
        caller.app.send(request)
    };
    let spoiled = ask("text/event-stream", "castle").await;
    assert_eq!(spoiled.faults(400), [("Last-Event-ID".to_owned(), "invalid_cursor".to_owned())]);
    for accept in ["*/*", "application/json", "application/json, text/event-stream;q=0.5", "text/event-stream;q=0"] {
        assert!(ask(accept, "").await.expect(200)["items"].is_array(), "{accept} is answered with a document");
    }
    let stranger = caller.app.stranger().request(Method::GET, "/v1/changes").insert_header(("accept", "text/event-stream"));
    caller.app.send(stranger).await.expect_problem(401, "unauthenticated");
    let slot = caller.app.state.streams.open(caller.client_id, Duration::from_secs(60)).unwrap();
    let refused = ask("text/event-stream", "").await;
    refused.expect_problem(429, "rate_limited");
    assert!(refused.header("retry-after").is_some_and(|seconds| seconds.parse::<u64>().unwrap() >= 59));
    drop(slot);
    assert_eq!(ask("text/event-stream", "").await.status, 200);
});

on_both!(whoever_waits_takes_the_place_of_a_stream_for_as_long, |db| async move {
    let caller = TestApp::with(db, &["--change-streams=1"]).await.clinic().await;
    let place = || caller.app.state.streams.open(caller.client_id, Duration::from_secs(60));
    let read = async |query: String| {
        caller.app.is_readable().await;
        caller.get(&format!("/v1/changes?{query}")).await
    };
    let cursor = |piece: Value| format!("cursor={}", piece["next"].as_str().unwrap());
    let end = cursor(read(String::new()).await.expect(200));
    let taken = place().unwrap();
    let refused = read(format!("{end}&wait=20")).await;
    refused.expect_problem(429, "rate_limited");
    assert!(refused.header("retry-after").is_some_and(|seconds| seconds.parse::<u64>().unwrap() >= 59));
    assert_eq!(read(end.clone()).await.expect(200)["items"], json!([]), "who does not wait needs none");
    add(&caller, "A").await;
    let piece = read(format!("{end}&wait=20")).await.expect(200);
    assert_eq!(piece["items"][0]["resource"]["name"], "A", "nor does who is answered at once");
    drop(taken);
    let ending = async {
        until("it waits", async || place().is_err()).await;
        caller.app.state.stop_waiting();
    };
    let (waited, ()) = futures_util::future::join(read(format!("{}&wait=30", cursor(piece))), ending).await;
    assert_eq!(waited.expect(200)["items"], json!([]));
    place().unwrap();
});

on_both!(a_stream_ends_with_the_token_that_opened_it, |db| async move {
    let caller = TestApp::with(db, &["--request-timeout=40s"]).await.clinic().await;
    let ending = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        caller.app.clock.advance(chrono::Duration::minutes(16));
    };
    let began = Instant::now();
    let (_, ()) = futures_util::future::join(stream(&caller, "", ""), ending).await;
    assert!(began.elapsed() < Duration::from_secs(20), "it went on without a token");
});

on_both!(those_who_wait_are_answered_when_the_server_is_told_to_stop, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    caller.app.is_readable().await;
    let next = caller.get("/v1/changes").await.expect(200)["next"].as_str().unwrap().to_owned();
    let path = format!("/v1/changes?wait=30&cursor={next}");
    let stopping = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        caller.app.state.stop_waiting();
    };
    let began = Instant::now();
    let (piece, (events, _), ()) = futures_util::future::join3(caller.get(&path), stream(&caller, "", &next), stopping).await;
    assert_eq!((&piece.expect(200)["items"], events), (&json!([]), Vec::new()));
    assert!(began.elapsed() < Duration::from_secs(15), "they went on waiting");
});

/// A clinic on a server.
fn clinic_on(place: &Place, flags: &[&str]) -> (Server, Client) {
    let mut town = Town::on(&place.url());
    let server = Server::start(&place.url(), flags);
    town.log_in(&server.address);
    (server, town.clinic)
}

fn create(client: &Client, address: &str, name: &str) {
    let body = json!({ "name": name, "kind": "agency" });
    client.try_call(&mut Http::to(address), "POST", "/v1/organizations", &[], Some(&body)).unwrap().expect(201);
}

/// The next event, comments left out.
fn event(source: &mut EventSource) -> Value {
    loop {
        let event = source.next().unwrap().expect("the stream has ended");
        if !event.data.is_empty() {
            return serde_json::from_str(&event.data).unwrap();
        }
    }
}

#[test]
fn events_come_as_they_happen_unpacked_and_a_server_that_stops_ends_them_at_once() {
    for place in places() {
        let (server, clinic) = clinic_on(&place, &[]);
        let now = Clock::default().now().to_text();
        let path = format!("/v1/changes?{ORGANIZATIONS}&since={now}");
        let mut source = EventSource::connect(&server.address, &path, &clinic.token, "").unwrap();
        let told = |name: &str| source.answer.header(name);
        assert_eq!((told("content-type"), told("x-accel-buffering")), (Some("text/event-stream"), Some("no")), "{:?}", source.answer);
        let first = source.next().unwrap().unwrap();
        assert_eq!((first.retry, first.comments.len(), source.last_id.is_empty()), (Some(1000), 1, false));
        for name in ["A", "B"] {
            let began = Instant::now();
            create(&clinic, &server.address, name);
            assert_eq!(event(&mut source)["resource"]["name"], name);
            assert!(began.elapsed() < Duration::from_secs(30), "it was held back");
        }
        let last_id = source.last_id.clone();
        let began = Instant::now();
        let stopping = std::thread::spawn(move || server.stop());
        while source.next().unwrap().is_some() {}
        stopping.join().unwrap();
        assert!(began.elapsed() < Duration::from_secs(15), "the server waited for the stream");

        let server = Server::start(&place.url(), &["--request-timeout=8s"]);
        create(&clinic, &server.address, "C");
        let began = Instant::now();
        let mut source = EventSource::connect(&server.address, &path, &clinic.token, &last_id).unwrap();
        assert_eq!(event(&mut source)["resource"]["name"], "C", "it goes on where the other server left off");
        while source.next().unwrap().is_some() {}
        let lasted = began.elapsed();
        assert!(lasted > Duration::from_secs(4) && lasted < Duration::from_secs(30), "it lasted {lasted:?}");
    }
}

#[test]
fn whoever_does_not_read_holds_nobody_up() {
    let place = Place::on_sqlite();
    let (server, clinic) = clinic_on(&place, &["--change-streams=2"]);
    let mut stuck = server.connect();
    write!(stuck, "GET /v1/changes HTTP/1.1\r\nHost: k\r\nAuthorization: Bearer {}\r\nAccept: text/event-stream\r\n\r\n", clinic.token)
        .unwrap();
    let mut http = Http::to(&server.address);
    let description = "x".repeat(4_900);
    let mut create = |number: usize| {
        let body = json!({ "name": format!("A{number}"), "kind": "agency", "description": description });
        clinic.try_call(&mut http, "POST", "/v1/organizations", &[], Some(&body)).unwrap().expect(201);
    };
    // What is made on first use is there before it is measured.
    create(0);
    let before = server.resident_memory();
    (1..2_000).for_each(&mut create);
    std::thread::sleep(Duration::from_secs(1));
    if let Some((before, after)) = before.zip(server.resident_memory()) {
        assert!(after < before + (40 << 20), "{before} became {after} for one who does not read");
    }
    let mut source = EventSource::connect(&server.address, "/v1/changes?resource_type=organization", &clinic.token, "").unwrap();
    let mut seen = 0;
    while seen < 2_000 {
        event(&mut source);
        seen += 1;
    }
    // What was not read is still there to be read.
    let mut read = vec![0; 1 << 20];
    assert!(stuck.read(&mut read).unwrap() > 0);
}
