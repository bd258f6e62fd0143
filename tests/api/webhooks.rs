//! Webhooks: what is sent to whom, in which order, how often, and what is never sent.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::Duration as Span;
use kith::auth::{Scope, Scopes};
use kith::changes::places::{self, Work};
use kith::organizations::model::OrganizationKind;
use kith::webhooks::Engine;
use serde_json::{Value, json};

use crate::client::{Caller, TestApp};
use crate::conformity;
use crate::harness::TestDb;
use crate::receiver::{Got, Receiver, Reply};
use crate::referrals::{Town, step};

mod replays;
mod sight;
mod tries;

const PATH: &str = "/v1/webhook-endpoints";

async fn town(db: TestDb) -> Town {
    let app = TestApp::with(db, &["--webhook-allow=127.0.0.1,localhost", "--webhook-timeout=1s"]).await;
    let clinic = app.clinic().await;
    let program = app.tenant("Alder Valley Link Workers", OrganizationKind::Program).await;
    let agency = app.tenant("Alder Falls Lunch Club", OrganizationKind::Agency).await;
    Town { app, clinic, program, agency }
}

/// An endpoint: its path and its secret.
struct Endpoint {
    path: String,
    secret: String,
}

impl Endpoint {
    async fn new(caller: &Caller, url: String, more: Value) -> Self {
        let mut body = json!({ "url": url });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        // On PostgreSQL an endpoint begins where the feed ends, which may be a little before.
        wait_for_the_feed(&caller.app).await;
        let created = caller.post(PATH, body).await;
        let secret = created.expect(201)["secret"].as_str().unwrap().to_owned();
        Self { path: format!("{PATH}/{}", created.id()), secret }
    }

    async fn deliveries(&self, caller: &Caller, query: &str) -> Vec<Value> {
        let page = caller.get(&format!("{}/deliveries?{query}", self.path)).await.expect(200);
        page["items"].as_array().unwrap().clone()
    }
}

/// Waits until the feed has come to the end of the journal: on PostgreSQL it stops below the transactions of other tests.
async fn wait_for_the_feed(app: &TestApp) {
    use diesel::prelude::*;
    use kith::db::schema::changes::dsl;
    loop {
        let (last, readable) = app
            .state
            .db
            .read(|conn| {
                let last = dsl::changes.order((dsl::transaction_id.desc(), dsl::sequence.desc())).select(dsl::sequence);
                Ok((last.first::<i64>(conn)?, kith::changes::latest(conn)?.sequence))
            })
            .await
            .unwrap();
        if last == readable {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Does everything that is to be done now.
async fn settle(app: &TestApp) -> Engine {
    wait_for_the_feed(app).await;
    let engine = Engine::new(app.state.clone());
    engine.dispatch().await.unwrap();
    engine.sweep().await.unwrap();
    engine.tell_what_passed().await.unwrap();
    engine.let_go().await.unwrap();
    engine.deliver().await.unwrap();
    engine
}

fn events(got: &[Got]) -> Vec<String> {
    got.iter().map(Got::event).collect()
}

/// The same in no order: only what is about one resource has one.
fn in_any_order(got: &[Got]) -> BTreeSet<String> {
    events(got).into_iter().collect()
}

fn of_path(got: &[Got], path: &str) -> Vec<Got> {
    got.iter().filter(|one| one.path == path).cloned().collect()
}

/// What is posted is as the document says.
fn conforms(got: &Got) {
    let event = got.event();
    let schema = &kith::openapi::document()["webhooks"][&event]["post"]["requestBody"]["content"]["application/json"]["schema"];
    assert!(schema.is_object(), "{event} is not in the document");
    let faults = conformity::faults_of_open(schema, &got.json());
    assert!(faults.is_empty(), "{event}: {faults:?} in {}", got.body);
}

async fn rename(caller: &Caller, id: &str, version: i64, name: &str) {
    caller.patch(&format!("/v1/patients/{id}"), version, json!({ "notes": name })).await.expect(200);
}

async fn person(caller: &Caller) -> String {
    let made = caller.post("/v1/patients", json!({ "names": [{ "family": "Tremblay", "given": "Anaïs" }] })).await;
    made.expect(201);
    made.id()
}

on_both!(an_endpoint_is_written_read_changed_and_deleted, |db| async move {
    let town = town(db).await;
    let created = town.clinic.post(PATH, json!({ "url": "https://hooks.example.ca/kith", "event_types": ["referral.requested"] })).await;
    let body = created.expect(201);
    assert!(body["secret"].as_str().unwrap().starts_with("whsec_"));
    assert_eq!((&body["status"], &body["payload"], &body["status_reason"]), (&json!("active"), &json!("thin"), &Value::Null));
    let path = created.header("location").unwrap().to_owned();
    let read = town.clinic.get(&path).await.expect(200);
    assert_eq!(read.get("secret"), None, "the secret is shown once");
    assert_eq!(town.clinic.get(PATH).await.expect(200)["items"], json!([read]));
    let paused = town.clinic.patch(&path, 1, json!({ "status": "paused", "event_types": null })).await.expect(200);
    assert_eq!((&paused["status"], &paused["status_reason"], &paused["version"]), (&json!("paused"), &json!("requested"), &json!(2)));
    let replaced = town.clinic.put(&path, 2, json!({ "url": "https://hooks.example.ca/other" })).await.expect(200);
    assert_eq!((&replaced["status"], &replaced["status_reason"]), (&json!("active"), &Value::Null));
    let history = town.clinic.get(&format!("{path}/history")).await.expect(200);
    assert_eq!(history["items"].as_array().unwrap().len(), 3);
    assert!(!history.to_string().contains("whsec_"), "the journal knows no secret");
    town.clinic.delete(&path, 3).await.expect(204);
    town.clinic.get(&path).await.expect_problem(410, "gone");
    assert_eq!(town.clinic.get(&format!("{PATH}?status=active")).await.expect(200)["items"], json!([]));
});

on_both!(what_an_endpoint_may_not_be_is_refused, |db| async move {
    let town = town(db).await;
    let fault = |pointer: &str, code: &str| vec![(pointer.to_owned(), code.to_owned())];
    for (url, code) in [
        ("http://hooks.example.ca/", "https_required"),
        ("https://10.0.0.1/", "private_address"),
        ("https://[::1]/", "private_address"),
        ("https://169.254.169.254/latest", "private_address"),
        ("https://user:pass@hooks.example.ca/", "not_allowed"),
    ] {
        assert_eq!(town.clinic.post(PATH, json!({ "url": url })).await.faults(422), fault("/url", code), "{url}");
    }
    let url = "https://hooks.example.ca/";
    let twice = json!({ "url": url, "event_types": ["patient.created", "patient.created"] });
    assert_eq!(town.clinic.post(PATH, twice).await.faults(422), fault("/event_types/1", "duplicate"));
    let nobody = json!({ "url": url, "service_ids": ["01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10"] });
    assert_eq!(town.clinic.post(PATH, nobody).await.faults(422), fault("/service_ids/0", "not_found"));
    let blind = town.clinic.only(&[Scope::WebhooksRead, Scope::WebhooksWrite, Scope::ServicesRead]).await;
    let patients = json!({ "url": url, "event_types": ["service.updated", "patient.created"] });
    assert_eq!(blind.post(PATH, patients).await.faults(422), fault("/event_types/1", "insufficient_scope"));
    let endpoint = Endpoint::new(&town.clinic, url.into(), json!({})).await;
    assert_eq!(
        town.clinic.patch(&endpoint.path, 1, json!({ "url": "https://127.0.0.2/" })).await.faults(422),
        fault("/url", "private_address")
    );
    let replay = format!("{}/replay", endpoint.path);
    assert_eq!(town.clinic.post(&replay, json!({})).await.faults(422), fault("", "required"));
    assert_eq!(town.clinic.post(&replay, json!({ "cursor": "nonsense" })).await.faults(422), fault("/cursor", "invalid_cursor"));
    let future = json!({ "since": "2026-03-02T17:00:01Z" });
    assert_eq!(town.clinic.post(&replay, future).await.faults(422), fault("/since", "not_allowed"));
    town.clinic.patch(&endpoint.path, 1, json!({ "status": "disabled" })).await.expect(200);
    town.clinic.post(&replay, json!({ "since": "2026-03-01T00:00:00Z" })).await.expect_problem(409, "webhook_disabled");
});

on_both!(an_endpoint_is_its_own_organizations_alone, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let endpoint = Endpoint::new(&town.clinic, receiver.url("/"), json!({})).await;
    settle(&town.app).await;
    let sent = endpoint.deliveries(&town.clinic, "").await;
    let delivery = format!("{}/deliveries/{}", endpoint.path, sent[0]["id"].as_str().unwrap());
    let stranger = &town.agency;
    assert_eq!(stranger.get(PATH).await.expect(200)["items"], json!([]));
    for path in [endpoint.path.clone(), format!("{}/deliveries", endpoint.path), format!("{}/history", endpoint.path), delivery.clone()] {
        stranger.get(&path).await.expect_problem(404, "not_found");
    }
    let empty = json!({});
    for (path, body) in [
        (format!("{}/rotate-secret", endpoint.path), &empty),
        (format!("{}/ping", endpoint.path), &empty),
        (format!("{}/replay", endpoint.path), &json!({ "since": "2026-03-01T00:00:00Z" })),
        (format!("{delivery}/resend"), &empty),
    ] {
        stranger.post(&path, body.clone()).await.expect_problem(404, "not_found");
    }
    stranger.patch(&endpoint.path, 1, json!({ "description": "mine" })).await.expect_problem(404, "not_found");
    stranger.delete(&endpoint.path, 1).await.expect_problem(404, "not_found");
    // A delivery of one endpoint is not another's.
    let other = Endpoint::new(&town.clinic, receiver.url("/"), json!({})).await;
    let elsewhere = delivery.replace(&endpoint.path, &other.path);
    town.clinic.get(&elsewhere).await.expect_problem(404, "not_found");
    let feed = stranger.get("/v1/changes?resource_type=webhook_endpoint").await.expect(200);
    assert_eq!(feed["items"], json!([]));
});

on_both!(an_event_is_posted_and_signed, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let endpoint = Endpoint::new(&town.clinic, receiver.url("/kith?a=1"), json!({ "event_types": ["patient.created"] })).await;
    let patient = person(&town.clinic).await;
    settle(&town.app).await;
    let got = receiver.take();
    assert_eq!(events(&got), ["patient.created"]);
    let request = &got[0];
    assert_eq!((request.path.as_str(), request.headers["content-type"].as_str()), ("/kith?a=1", "application/json"));
    assert!(request.is_signed_with(&endpoint.secret));
    let now = town.app.clock.now();
    assert_eq!(request.headers["webhook-timestamp"], now.utc().timestamp().to_string());
    conforms(request);
    let expected = json!({
        "type": "patient.created", "timestamp": now,
        "data": { "resource_type": "patient", "resource_id": patient, "version": 1, "patient_id": patient, "referral_id": null,
            "url": format!("/v1/patients/{patient}") },
    });
    assert_eq!(request.json(), expected, "a thin payload holds ids and a link");
    let sent = endpoint.deliveries(&town.clinic, "status=delivered").await;
    assert_eq!((sent.len(), &sent[0]["id"]), (1, &json!(request.id())));
    assert_eq!((&sent[0]["attempts"][0]["status_code"], &sent[0]["attempts"][0]["error"]), (&json!(204), &Value::Null));
    settle(&town.app).await;
    assert!(receiver.take().is_empty(), "it is sent once");
});

on_both!(a_full_payload_holds_what_the_client_sees_when_it_is_sent, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let full = json!({ "payload": "full" });
    Endpoint::new(&town.program, receiver.url("/program"), full).await;
    let patient = town.patient().await;
    town.grant(&patient).await;
    town.sent(&patient).await;
    settle(&town.app).await;
    let got = receiver.take();
    got.iter().for_each(conforms);
    let of = |event: &str| got.iter().find(|one| one.event() == event).unwrap_or_else(|| panic!("{event} in {:?}", events(&got))).json();
    let requested = of("referral.requested");
    assert_eq!(requested["data"]["resource"]["reason"], "Lives alone since spring; would like company.");
    assert_eq!(requested["data"]["organization_id"], json!(town.clinic.organization_id));
    // The patient of another, of whom a part is shown, is sent with that part.
    rename(&town.clinic, &patient, 1, "Not for the program.").await;
    settle(&town.app).await;
    let changed = receiver.take().iter().find(|one| one.event() == "patient.updated").unwrap().json();
    let resource = &changed["data"]["resource"];
    assert_eq!((&resource["names"][0]["family"], &resource["notes"]), (&json!("Tremblay"), &Value::Null));
    assert!(resource["withheld"].as_array().unwrap().contains(&json!("notes")), "{resource}");
});

on_both!(business_events_follow_from_what_was_changed, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let types = json!([
        "referral.requested",
        "referral.status_changed",
        "referral.message_posted",
        "service.capacity_changed",
        "service.place_opened"
    ]);
    Endpoint::new(&town.program, receiver.url("/"), json!({ "event_types": types, "payload": "full" })).await;
    let patient = town.patient().await;
    let draft = town.clinic.post("/v1/referrals?draft=true", town.navigation(&patient)).await;
    draft.expect(201);
    let id = draft.id();
    settle(&town.app).await;
    assert!(receiver.take().is_empty(), "a draft is nobody else's");
    step(&town.clinic, &id, json!({ "status": "requested" })).await.expect(201);
    step(&town.program, &id, json!({ "status": "accepted" })).await.expect(201);
    step(&town.program, &id, json!({ "status": "accepted", "note": "Will call." })).await.expect(201);
    town.clinic.post(&format!("/v1/referrals/{id}/messages"), json!({ "text": "Does she have a phone?" })).await.expect(201);
    settle(&town.app).await;
    let got = receiver.take();
    got.iter().for_each(conforms);
    let expected = ["referral.status_changed", "referral.requested", "referral.status_changed", "referral.message_posted"];
    assert_eq!(events(&got), expected);
    assert_eq!(got[2].json()["data"]["resource"]["to"], "accepted");
    assert_eq!(got[3].json()["data"]["resource"]["text"], "Does she have a phone?");

    let service = town.agency.post("/v1/services", json!({ "name": "Lunch club", "kind": "program" })).await;
    service.expect(201);
    let capacity = format!("/v1/services/{}/capacity", service.id());
    for (said, expected) in [
        (json!({ "status": "full" }), &["service.capacity_changed"][..]),
        (json!({ "status": "waitlist", "waitlist_length": 3 }), &["service.capacity_changed"]),
        (json!({ "status": "open", "available": 2 }), &["service.capacity_changed", "service.place_opened"]),
        (json!({ "status": "open", "available": 1 }), &["service.capacity_changed"]),
    ] {
        town.agency.put_any(&capacity, said.clone()).await.expect(200);
        settle(&town.app).await;
        assert_eq!(events(&receiver.take()), expected, "{said}");
    }
    town.agency.patch(&format!("/v1/services/{}", service.id()), 5, json!({ "description": "Soup." })).await.expect(200);
    settle(&town.app).await;
    assert!(receiver.take().is_empty(), "no word of its room");
});

on_both!(a_place_that_opens_is_told_to_those_whom_it_concerns_and_the_offer_to_its_two_sides, |db| async move {
    let mut town = town(db).await;
    let receiver = Receiver::new();
    let service =
        json!({ "name": "Tuesday lunch", "provider_id": town.agency.organization_id, "need_domains": [{ "code": "food-insecurity" }] });
    let service = town.agency.post("/v1/services", service).await.id();
    let room = |status: &str, places: i64| json!({ "status": status, "unit": "place", "available": places });
    let capacity = format!("/v1/services/{service}/capacity");
    town.agency.put_any(&capacity, room("waitlist", 0)).await.expect(200);
    let all = ["created", "updated", "offered", "expired"].map(|what| format!("waitlist_entry.{what}"));
    let types: Vec<String> = all.into_iter().chain(["service.place_opened".to_owned()]).collect();
    let mut secrets = std::collections::HashMap::new();
    for (caller, path) in [(&town.clinic, "/clinic"), (&town.agency, "/agency"), (&town.program, "/program")] {
        let endpoint = Endpoint::new(caller, receiver.url(path), json!({ "event_types": types, "payload": "full" })).await;
        secrets.insert(path, endpoint.secret);
    }
    let list = format!("/v1/services/{service}/waitlist-entries");
    let mut entries = Vec::new();
    for _ in 0..2 {
        let referral = json!({ "patient_id": person(&town.clinic).await, "kind": "service", "service_id": service,
            "source_type": "family_physician", "consent": { "form": "verbal" } });
        let referral = town.clinic.post("/v1/referrals", referral).await.id();
        entries.push(town.agency.post(&list, json!({ "referral_id": referral })).await.id());
    }
    // What each side is told of each entry, in its order, and what all are told of the service.
    let told = async |town: &Town| {
        settle(&town.app).await;
        let got = receiver.take();
        for one in &got {
            conforms(one);
            assert!(one.is_signed_with(&secrets[one.path.as_str()]), "{:?}", one.headers);
        }
        let of = |path: &str, id: &str| -> Vec<String> {
            let about = got.iter().filter(|one| one.path == path && one.json()["data"]["resource_id"] == json!(id));
            about.map(|one| one.event().rsplit('.').next().unwrap().to_owned()).collect()
        };
        let sides = [&entries[0], &entries[1]].map(|id| (of("/clinic", id), of("/agency", id)));
        assert!(sides.iter().all(|(clinic, agency)| clinic == agency), "{sides:?}");
        let opened = ["/clinic", "/agency", "/program"].map(|path| of(path, &service).len());
        assert!(opened[0] == opened[1] && opened[1] == opened[2], "the directory is everybody's: {opened:?}");
        let of_program = got.iter().filter(|one| one.path == "/program").count();
        assert_eq!(of_program, opened[2], "who waits is not the program's business");
        let [first, second] = sides.map(|(clinic, _)| clinic.join(" "));
        (first, second, opened[0])
    };
    let is = |first: &str, second: &str, opened: usize| (first.to_owned(), second.to_owned(), opened);
    assert_eq!(told(&town).await, is("created", "created", 0));
    town.agency.put_any(&capacity, room("open", 1)).await.expect(200);
    assert_eq!(told(&town).await, is("updated offered", "", 1));
    town.agency.put_any(&capacity, room("open", 1)).await.expect(200);
    assert_eq!(told(&town).await, is("", "", 0), "it is no news");
    town.clinic.post(&format!("{list}/{}/decline", entries[0]), json!({})).await.expect(200);
    assert_eq!(told(&town).await, is("updated", "updated offered", 0));
    town.app.clock.advance(Span::hours(72));
    town.clinic.renew().await;
    town.agency.renew().await;
    kith::waitlists::sweeper::sweep(&town.app.state).await.unwrap();
    assert_eq!(told(&town).await, is("", "updated expired", 0));
    town.agency.put_any(&capacity, room("full", 0)).await.expect(200);
    town.agency.put_any(&capacity, room("open", 2)).await.expect(200);
    assert_eq!(told(&town).await, is("", "", 1));
});

on_both!(filters_narrow_what_is_sent, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let make = |name: &str| json!({ "name": name, "kind": "program" });
    let (lunch, choir) = (town.agency.post("/v1/services", make("Lunch")).await, town.agency.post("/v1/services", make("Choir")).await);
    Endpoint::new(&town.clinic, receiver.url("/directory"), json!({ "directory_only": true })).await;
    Endpoint::new(&town.clinic, receiver.url("/agency"), json!({ "organization_ids": [town.agency.organization_id] })).await;
    Endpoint::new(&town.clinic, receiver.url("/lunch"), json!({ "service_ids": [lunch.id()] })).await;
    town.patient().await;
    for service in [&lunch, &choir] {
        town.agency.patch(&format!("/v1/services/{}", service.id()), 1, json!({ "description": "New." })).await.expect(200);
    }
    let patient = town.patient().await;
    let referral = json!({
        "patient_id": patient, "kind": "service", "service_id": lunch.id(), "source_type": "family_physician",
        "performer_organization_id": town.agency.organization_id, "consent": { "form": "verbal" },
    });
    town.clinic.post("/v1/referrals", referral).await.expect(201);
    settle(&town.app).await;
    let got = receiver.take();
    let at = |path: &str| events(&got.iter().filter(|one| one.path == path).cloned().collect::<Vec<_>>());
    assert!(
        at("/directory").iter().all(|event| event.starts_with("service.") || event.starts_with("webhook_endpoint.")),
        "{:?}",
        at("/directory")
    );
    assert_eq!(at("/agency"), ["service.updated", "service.updated"]);
    let lunch: BTreeSet<String> = at("/lunch").into_iter().collect();
    let expected = ["referral.created", "referral.requested", "referral_transition.created", "service.updated"];
    assert_eq!(lunch, expected.map(String::from).into());
});

on_both!(a_referral_that_goes_to_another_service_leaves_the_endpoints_of_the_first, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let make = |name: &str| json!({ "name": name, "provider_id": town.agency.organization_id });
    let (lunch, supper) =
        (town.agency.post("/v1/services", make("Lunch")).await.id(), town.agency.post("/v1/services", make("Supper")).await.id());
    let of =
        |services: &[&String]| json!({ "service_ids": services, "payload": "full", "event_types": ["referral.updated", "referral.left"] });
    Endpoint::new(&town.clinic, receiver.url("/lunch"), of(&[&lunch])).await;
    Endpoint::new(&town.clinic, receiver.url("/both"), of(&[&lunch, &supper])).await;
    Endpoint::new(&town.clinic, receiver.url("/all"), of(&[])).await;
    Endpoint::new(&town.agency, receiver.url("/agency"), of(&[&lunch])).await;
    let patient = person(&town.clinic).await;
    let referral = json!({ "patient_id": patient, "kind": "service", "service_id": lunch, "source_type": "family_physician",
        "consent": { "form": "verbal" } });
    let referral = town.clinic.post("/v1/referrals?draft=true", referral).await.id();
    let path = format!("/v1/referrals/{referral}");
    let at = |got: &[Got], path: &str| events(&of_path(got, path));
    let go = async |version: i64, service: &String| {
        town.clinic.patch(&path, version, json!({ "service_id": service })).await.expect(200);
    };

    go(1, &supper).await;
    settle(&town.app).await;
    let got = receiver.take();
    got.iter().for_each(conforms);
    assert_eq!((at(&got, "/lunch"), at(&got, "/both")), (vec!["referral.left".to_owned()], vec!["referral.updated".to_owned()]));
    assert_eq!((at(&got, "/all").len(), at(&got, "/agency").len()), (1, 0), "a draft is its requester's alone");
    let left = of_path(&got, "/lunch")[0].json();
    let data = json!({ "resource_type": "referral", "resource_id": referral, "version": 2, "patient_id": patient,
        "referral_id": referral, "url": path });
    assert_eq!(left["data"], data, "that, and nothing more");

    // One that has come back before it was told has not left.
    go(2, &lunch).await;
    settle(&town.app).await;
    receiver.take();
    go(3, &supper).await;
    go(4, &lunch).await;
    settle(&town.app).await;
    assert_eq!(at(&receiver.take(), "/lunch"), ["referral.updated"]);

    step(&town.clinic, &referral, json!({ "status": "requested" })).await.expect(201);
    settle(&town.app).await;
    receiver.take();
    town.agency.post(&format!("/v1/services/{supper}/merge"), json!({ "duplicate_id": lunch })).await.expect(200);
    settle(&town.app).await;
    let got = receiver.take();
    got.iter().for_each(conforms);
    assert_eq!((at(&got, "/lunch"), at(&got, "/agency")), (vec!["referral.left".to_owned()], vec!["referral.left".to_owned()]));
    assert_eq!((at(&got, "/both"), at(&got, "/all")), (vec!["referral.updated".to_owned()], vec!["referral.updated".to_owned()]));
});

on_both!(both_secrets_sign_while_a_rotation_overlaps, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let endpoint = Endpoint::new(&town.clinic, receiver.url("/"), json!({ "event_types": ["patient.created"] })).await;
    let rotate = format!("{}/rotate-secret", endpoint.path);
    let rotated = town.clinic.post_once(&rotate, "r1", json!({ "overlap_hours": 2 })).await;
    let body = rotated.expect(200);
    let second = body["secret"].as_str().unwrap().to_owned();
    assert_eq!((&body["version"], &body["previous_secret_expires_at"]), (&json!(2), &json!("2026-03-02T19:00:00.000000Z")));
    let again = town.clinic.post_once(&rotate, "r1", json!({ "overlap_hours": 2 })).await.expect(200);
    assert_eq!(again["secret"], json!(second), "the same key gives the same secret");
    person(&town.clinic).await;
    settle(&town.app).await;
    let got = receiver.take();
    assert!(got[0].is_signed_with(&endpoint.secret) && got[0].is_signed_with(&second));
    assert_eq!(got[0].headers["webhook-signature"].split(' ').count(), 2);
    town.app.clock.advance(Span::hours(2));
    let mut clinic = town.clinic.clone();
    clinic.renew().await;
    person(&clinic).await;
    settle(&town.app).await;
    let got = receiver.take();
    assert!(!got[0].is_signed_with(&endpoint.secret) && got[0].is_signed_with(&second));
    // A third one ends the first at once: two are live at most.
    let third = clinic.post(&rotate, json!({})).await.expect(200)["secret"].as_str().unwrap().to_owned();
    person(&clinic).await;
    settle(&town.app).await;
    let got = receiver.take();
    assert!(got[0].is_signed_with(&second) && got[0].is_signed_with(&third) && !got[0].is_signed_with(&endpoint.secret));
});

on_both!(a_ping_tells_what_the_receiver_said, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let endpoint = Endpoint::new(&town.clinic, receiver.url("/"), json!({ "event_types": ["patient.created"] })).await;
    let ping = format!("{}/ping", endpoint.path);
    let answer = town.clinic.post(&ping, Value::Null).await.expect(200);
    assert_eq!((&answer["is_delivered"], &answer["status_code"], &answer["error"]), (&json!(true), &json!(204), &Value::Null));
    let got = receiver.take();
    assert_eq!((events(&got), got[0].id()), (vec!["webhook.ping".to_owned()], answer["id"].as_str().unwrap()));
    assert!(got[0].is_signed_with(&endpoint.secret));
    conforms(&got[0]);
    receiver.now(|_| Reply::status(503));
    let answer = town.clinic.post(&ping, Value::Null).await.expect(200);
    assert_eq!((&answer["is_delivered"], &answer["status_code"], &answer["error"]), (&json!(false), &json!(503), &json!("status")));
    receiver.now(|_| Reply { delay: Duration::from_secs(3), ..Reply::status(204) });
    let answer = town.clinic.post(&ping, Value::Null).await.expect(200);
    assert_eq!((&answer["is_delivered"], &answer["status_code"], &answer["error"]), (&json!(false), &Value::Null, &json!("timeout")));
    drop(receiver);
    let answer = town.clinic.post(&ping, Value::Null).await.expect(200);
    assert_eq!(answer["error"], "connection");
    assert_eq!(endpoint.deliveries(&town.clinic, "").await.len(), 0, "a ping is no delivery");
});

on_both!(nothing_is_sent_into_a_private_network_by_name_or_by_redirect, |db| async move {
    let town = town(db).await;
    let inside = Receiver::new();
    let port = inside.address.port();
    // Written while their hosts were excepted, on a server on which they are not.
    let app = town.app.beside(town.app.state.db.clone()).await;
    let hidden = Endpoint::new(&town.clinic, format!("https://localhost:{port}/"), json!({})).await;
    let strict = Caller { app, ..town.clinic.clone() };
    let ping = |caller: Caller, path: String| async move { caller.post(&format!("{path}/ping"), Value::Null).await.expect(200) };
    let answer = ping(strict.clone(), hidden.path.clone()).await;
    assert_eq!((&answer["error"], &answer["status_code"]), (&json!("refused_address"), &Value::Null));
    let literal = Endpoint::new(&town.clinic, inside.url("/"), json!({})).await;
    assert_eq!(ping(strict, literal.path.clone()).await["error"], "refused_address");

    let target = inside.url("/inside");
    let outside = Receiver::that(move |_| Reply { headers: vec![("Location", target.clone())], ..Reply::status(307) });
    let redirected = Endpoint::new(&town.clinic, outside.url("/"), json!({})).await;
    let answer = ping(town.clinic.clone(), redirected.path).await;
    assert_eq!((&answer["error"], &answer["status_code"]), (&json!("redirect"), &json!(307)));
    assert!(inside.take().is_empty(), "the inside heard of it");
    let nowhere = Endpoint::new(&town.clinic, "https://no-such-host.invalid/".into(), json!({})).await;
    assert_eq!(ping(town.clinic.clone(), nowhere.path).await["error"], "name_not_found");
});

on_both!(what_falls_due_is_told_once_in_the_time_zone_of_whoever_is_to_act, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let types = json!({ "event_types": ["referral.overdue", "follow_up.due", "follow_up.overdue"], "payload": "full" });
    Endpoint::new(&town.clinic, receiver.url("/"), types).await;
    settle(&town.app).await;
    let patient = town.patient().await;
    // Due on 4 March, in Vancouver.
    town.sent(&patient).await;
    let follow_up = json!({ "patient_id": patient, "purpose": "check_in", "due_on": "2026-03-03" });
    town.clinic.post("/v1/follow-ups", follow_up).await.expect(201);
    settle(&town.app).await;
    assert!(receiver.take().is_empty());
    let mut told = Vec::new();
    for _ in 0..5 * 24 {
        town.app.clock.advance(Span::hours(1));
        settle(&town.app).await;
        let got = receiver.take();
        got.iter().for_each(conforms);
        told.extend(got.iter().map(|one| (one.event(), town.app.clock.now().to_text()[..13].to_owned())));
    }
    let expected = [("follow_up.due", "2026-03-03T08"), ("follow_up.overdue", "2026-03-04T08"), ("referral.overdue", "2026-03-05T08")];
    assert_eq!(told, expected.map(|(event, hour)| (event.to_owned(), hour.to_owned())), "midnight in British Columbia is 8 in UTC");
});

on_both!(what_was_overdue_before_anybody_asked_is_not_told, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let patient = town.patient().await;
    town.sent(&patient).await;
    town.app.clock.advance(Span::days(20));
    let mut clinic = town.clinic.clone();
    clinic.renew().await;
    Endpoint::new(&clinic, receiver.url("/"), json!({ "event_types": ["referral.overdue"] })).await;
    settle(&town.app).await;
    settle(&town.app).await;
    assert!(receiver.take().is_empty());
});

on_both!(what_was_delivered_is_forgotten_after_thirty_days_and_what_waits_is_not, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let endpoint = Endpoint::new(&town.clinic, receiver.url("/"), json!({ "event_types": ["patient.created"] })).await;
    person(&town.clinic).await;
    settle(&town.app).await;
    town.clinic.patch(&endpoint.path, 1, json!({ "status": "paused" })).await.expect(200);
    town.app.clock.advance(Span::days(29));
    let mut clinic = town.clinic.clone();
    clinic.renew().await;
    settle(&town.app).await.purge().await.unwrap();
    assert_eq!(endpoint.deliveries(&clinic, "").await.len(), 1);
    town.app.clock.advance(Span::days(2));
    clinic.renew().await;
    settle(&town.app).await.purge().await.unwrap();
    assert_eq!(endpoint.deliveries(&clinic, "").await.len(), 0);
});

on_both!(without_an_endpoint_nothing_is_written, |db| async move {
    let town = town(db).await;
    person(&town.clinic).await;
    settle(&town.app).await;
    let place = |town: &Town| {
        let db = town.app.state.db.clone();
        async move {
            let place = db.read(|conn| places::reached(conn, Work::Webhooks)).await.unwrap();
            (place.transaction_id, place.sequence)
        }
    };
    assert_eq!(place(&town).await, (0, 0));
    // The first endpoint begins with what happens after it, whatever there was before.
    let receiver = Receiver::new();
    Endpoint::new(&town.clinic, receiver.url("/"), json!({ "event_types": ["patient.created"] })).await;
    settle(&town.app).await;
    assert!(receiver.take().is_empty());
    assert_ne!(place(&town).await, (0, 0));
    person(&town.clinic).await;
    settle(&town.app).await;
    assert_eq!(receiver.take().len(), 1);
});

#[test]
fn the_document_has_every_event_with_an_example_that_is_valid() {
    let webhooks = kith::openapi::document()["webhooks"].as_object().unwrap();
    assert_eq!(webhooks.len(), kith::webhooks::events::WebhookEventType::ALL.len() + 1);
    for (name, item) in webhooks {
        let media = &item["post"]["requestBody"]["content"]["application/json"];
        let faults = conformity::faults_of_open(&media["schema"], &media["example"]);
        assert!(faults.is_empty() && media["example"]["type"] == **name, "{name}: {faults:?}");
        assert!(media["example"]["data"].as_object().is_some_and(|data| !data.is_empty()), "{name} has no example");
    }
}

/// Scopes have to be asked for: a client that was made before there were webhooks has none.
#[test]
fn webhooks_have_scopes_of_their_own() {
    assert!(Scopes::all_but_admin().contains(Scope::WebhooksRead) && Scopes::all_but_admin().contains(Scope::WebhooksWrite));
}

on_both!(whom_a_withdrawn_consent_was_given_to_is_sent_that_it_was_and_nothing_more, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    for (caller, path) in [(&town.clinic, "/clinic"), (&town.program, "/program")] {
        Endpoint::new(caller, receiver.url(path), json!({ "event_types": ["consent.updated"], "payload": "full" })).await;
    }
    let consent = json!({ "patient_id": person(&town.clinic).await, "grantee_id": town.program.organization_id,
        "purposes": ["care_coordination"], "categories": ["contact"], "form": "verbal", "note": "Not in the evening." });
    let consent = town.clinic.post("/v1/consents", consent).await.id();
    town.clinic.post(&format!("/v1/consents/{consent}/withdraw"), json!({ "reason": "She does not trust them." })).await.expect(200);
    settle(&town.app).await;
    let got = receiver.take();
    got.iter().for_each(conforms);
    let resource = |path: &str| got.iter().find(|one| one.path == path).unwrap().json()["data"]["resource"].clone();
    let (whole, bare) = (resource("/clinic"), resource("/program"));
    assert_eq!((&whole["withdrawal_reason"], &whole["note"]), (&json!("She does not trust them."), &json!("Not in the evening.")));
    assert_eq!((&bare["id"], &bare["status"]), (&json!(consent), &json!("withdrawn")));
    assert_eq!((&bare["withdrawal_reason"], &bare["note"], &bare["purposes"]), (&Value::Null, &Value::Null, &json!([])));
});
