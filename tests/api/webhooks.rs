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

on_both!(a_follow_up_is_sent_without_the_needs_that_the_client_does_not_see, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    Endpoint::new(&town.agency, receiver.url("/agency"), json!({ "payload": "full", "event_types": ["follow_up.updated"] })).await;
    let patient = town.patient().await;
    crate::screenings::consent(&town.clinic, &patient, &town.agency, &["follow_ups"]).await;
    let check_in = json!({ "patient_id": patient, "purpose": "check_in", "due_on": "2026-03-10" });
    let complete = format!("/v1/follow-ups/{}/complete", town.clinic.post("/v1/follow-ups", check_in).await.id());
    town.clinic.post(&complete, json!({ "change": "worse", "new_needs": ["intimate-partner-violence"] })).await.expect(200);
    settle(&town.app).await;
    let got = receiver.take();
    got.iter().for_each(conforms);
    let sent = &got.iter().find(|one| one.event() == "follow_up.updated").unwrap().json()["data"]["resource"];
    assert_eq!((&sent["result"]["change"], &sent["result"]["new_needs"], &sent["new_need_ids"]), (&json!("worse"), &json!([]), &json!([])));
});

on_both!(an_organization_without_consent_is_sent_nothing_of_a_person_and_after_its_end_no_more, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let everything = json!({ "payload": "full" });
    Endpoint::new(&town.agency, receiver.url("/agency"), everything.clone()).await;
    Endpoint::new(&town.program, receiver.url("/program"), everything).await;
    let patient = town.patient().await;
    rename(&town.clinic, &patient, 1, "one").await;
    settle(&town.app).await;
    assert!(receiver.take().iter().all(|got| got.event().starts_with("webhook_endpoint")), "nobody was let in");

    let consent = json!({
        "patient_id": patient, "grantee_id": town.program.organization_id, "purposes": ["care_coordination"], "categories": ["summary"], "form": "verbal",
    });
    let consent = town.clinic.post("/v1/consents", consent).await;
    consent.expect(201);
    rename(&town.clinic, &patient, 2, "two").await;
    settle(&town.app).await;
    let got = receiver.take();
    assert!(got.iter().all(|one| one.path == "/program"), "the agency has no part in it");
    let expected = ["consent.created", "patient.reset", "patient.snapshot", "patient.updated"];
    assert_eq!(in_any_order(&got), expected.map(String::from).into());

    // What waits when the consent ends is not sent.
    receiver.now(|_| Reply::status(500));
    rename(&town.clinic, &patient, 3, "three").await;
    settle(&town.app).await;
    assert_eq!(events(&receiver.take()), ["patient.updated"]);
    town.clinic.post(&format!("/v1/consents/{}/withdraw", consent.id()), json!({})).await.expect(200);
    rename(&town.clinic, &patient, 4, "four").await;
    receiver.now(|_| Reply::status(204));
    town.app.clock.advance(Span::seconds(30));
    settle(&town.app).await;
    let got = receiver.take();
    assert_eq!(in_any_order(&got), ["consent.updated", "patient.reset"].map(String::from).into(), "the end itself is told");
    let mut program = town.program.clone();
    program.renew().await;
    let page = program.get(PATH).await.expect(200);
    let path = format!("{PATH}/{}/deliveries?status=withheld", page["items"][0]["id"].as_str().unwrap());
    let withheld = program.get(&path).await.expect(200);
    assert_eq!(withheld["items"].as_array().unwrap().len(), 1);
    assert_eq!(withheld["items"][0]["event_type"], "patient.updated");
});

/// A consent to the program that begins in two minutes and ends two minutes later.
async fn passing_consent(town: &Town, patient: &str) -> (String, [String; 2]) {
    let [from, until] = [2, 4].map(|minutes| town.app.clock.now().plus(Span::minutes(minutes)).to_text());
    let consent = json!({
        "patient_id": patient, "grantee_id": town.program.organization_id, "purposes": ["care_coordination"], "categories": ["summary"],
        "form": "verbal", "valid_from": from, "valid_until": until,
    });
    let consent = town.clinic.post("/v1/consents", consent).await;
    consent.expect(201);
    (consent.id(), [from, until])
}

fn of_path(got: &[Got], path: &str) -> Vec<Got> {
    got.iter().filter(|one| one.path == path).cloned().collect()
}

on_both!(a_consent_that_begins_or_ends_by_its_date_is_told_once_and_the_end_tells_nothing_more, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let full = json!({ "payload": "full" });
    Endpoint::new(&town.program, receiver.url("/program"), full.clone()).await;
    Endpoint::new(&town.agency, receiver.url("/agency"), full).await;
    let narrow = town.program.only(&[Scope::WebhooksRead, Scope::WebhooksWrite, Scope::ServicesRead]).await;
    Endpoint::new(&narrow, receiver.url("/directory"), json!({})).await;
    let types = json!({ "event_types": ["consent.began", "consent.expired"] });
    Endpoint::new(&town.clinic, receiver.url("/clinic"), types).await;
    let patient = town.patient().await;
    let (consent, [from, until]) = passing_consent(&town, &patient).await;
    settle(&town.app).await;
    let got = receiver.take();
    assert_eq!(in_any_order(&of_path(&got, "/program")).last().unwrap(), "webhook_endpoint.created");
    assert!(in_any_order(&of_path(&got, "/program")).contains("consent.created"));

    let bystanders = |got: &[Got]| of_path(got, "/agency").len() + of_path(got, "/directory").len();
    town.app.clock.advance(Span::minutes(3));
    settle(&town.app).await;
    settle(&town.app).await;
    let got = receiver.take();
    got.iter().for_each(conforms);
    assert_eq!((events(&of_path(&got, "/clinic")), bystanders(&got)), (vec!["consent.began".to_owned()], 0));
    let told = of_path(&got, "/program");
    assert_eq!(in_any_order(&told), ["consent.began", "patient.reset", "patient.snapshot"].map(String::from).into());
    let order: Vec<String> = events(&told).into_iter().filter(|event| event.starts_with("patient")).collect();
    assert_eq!((told.len(), order), (3, vec!["patient.reset".to_owned(), "patient.snapshot".to_owned()]));
    let of = |got: &[Got], event: &str| got.iter().find(|one| one.event() == event).unwrap().json();
    let began = of(&told, "consent.began");
    assert_eq!((&began["timestamp"], &began["data"]["resource_id"]), (&json!(from), &json!(consent)));
    assert_eq!((&began["data"]["resource"]["status"], &began["data"]["client_id"]), (&json!("active"), &Value::Null));
    let snapshot = of(&told, "patient.snapshot");
    assert_eq!(snapshot["data"]["resource"]["names"][0]["family"], "Tremblay");
    assert!(snapshot["data"]["resource"]["withheld"].as_array().unwrap().contains(&json!("contact")), "{snapshot}");

    rename(&town.clinic, &patient, 1, "While it holds.").await;
    settle(&town.app).await;
    assert_eq!(events(&of_path(&receiver.take(), "/program")), ["patient.updated"]);
    town.app.clock.advance(Span::minutes(1));
    rename(&town.clinic, &patient, 2, "After it ended.").await;
    settle(&town.app).await;
    settle(&town.app).await;
    let got = receiver.take();
    got.iter().for_each(conforms);
    assert_eq!((events(&of_path(&got, "/clinic")), bystanders(&got)), (vec!["consent.expired".to_owned()], 0));
    let told = of_path(&got, "/program");
    assert_eq!(in_any_order(&told), ["consent.expired", "patient.reset"].map(String::from).into());
    assert_eq!((told.len(), &of(&told, "consent.expired")["data"]["resource"]["status"]), (2, &json!("expired")));
    let data = json!({ "resource_type": "patient", "resource_id": patient, "version": 0, "patient_id": patient, "referral_id": null, "url": null });
    assert_eq!(of(&told, "patient.reset"), json!({ "type": "patient.reset", "timestamp": until, "data": data }));
});

on_both!(an_endpoint_that_was_paused_when_a_consent_began_is_told_later_and_in_order, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let types = json!({ "event_types": ["consent.created", "consent.updated", "consent.began", "consent.expired", "patient.reset"] });
    let endpoint = Endpoint::new(&town.program, receiver.url("/late"), types.clone()).await;
    Endpoint::new(&town.program, receiver.url("/other"), types).await;
    settle(&town.app).await;
    town.program.patch(&endpoint.path, 1, json!({ "status": "paused" })).await.expect(200);
    let patient = town.patient().await;
    passing_consent(&town, &patient).await;
    // The moment comes before the journal is read on: two processes at once tell it all the same, and once.
    town.app.clock.advance(Span::minutes(3));
    let (one, other) = (Engine::new(town.app.state.clone()), Engine::new(town.app.state.clone()));
    one.tell_what_passed().await.unwrap();
    other.tell_what_passed().await.unwrap();
    one.let_go().await.unwrap();
    other.let_go().await.unwrap();
    settle(&town.app).await;
    let (first, second) = futures_util::future::join(one.tell_what_passed(), other.tell_what_passed()).await;
    first.unwrap();
    second.unwrap();
    one.let_go().await.unwrap();
    other.let_go().await.unwrap();
    town.app.clock.advance(Span::minutes(2));
    settle(&town.app).await;
    let of_consent = |got: &[Got]| -> Vec<String> { events(got).into_iter().filter(|event| event.starts_with("consent")).collect() };
    let expected = ["consent.created", "consent.began", "consent.expired"];
    let got = receiver.take();
    assert!(got.iter().all(|one| one.path == "/other"));
    assert_eq!((of_consent(&got), events(&got).len()), (expected.map(String::from).to_vec(), 6));

    town.program.patch(&endpoint.path, 2, json!({ "status": "active" })).await.expect(200);
    settle(&town.app).await;
    settle(&town.app).await;
    let got = receiver.take();
    assert!(got.iter().all(|one| one.path == "/late"));
    assert_eq!((of_consent(&got), events(&got).len()), (expected.map(String::from).to_vec(), 6));
});

on_both!(a_client_is_sent_no_more_than_its_scopes_let_it_read, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let narrow = town.clinic.only(&[Scope::WebhooksRead, Scope::WebhooksWrite, Scope::ServicesRead]).await;
    let endpoint = Endpoint::new(&narrow, receiver.url("/"), json!({})).await;
    person(&town.clinic).await;
    town.clinic.post("/v1/services", json!({ "name": "Lunch club", "kind": "program" })).await.expect(201);
    settle(&town.app).await;
    assert_eq!(in_any_order(&receiver.take()), ["webhook_endpoint.created", "service.created"].map(String::from).into());
    // A client that may no longer call is sent nothing, and the endpoint says so.
    let id = narrow.client_id;
    let now = town.app.clock.now();
    town.app.state.db.write(move |conn| kith::auth::repository::set_active(conn, id, false, now)).await.unwrap();
    town.clinic.post("/v1/services", json!({ "name": "Choir", "kind": "program" })).await.expect(201);
    settle(&town.app).await;
    assert!(receiver.take().is_empty());
    let read = town.clinic.get(&endpoint.path).await.expect(200);
    assert_eq!((&read["status"], &read["status_reason"]), (&json!("paused"), &json!("client_disabled")));
    // Another client that goes on with it is sent what it may see, from where it was left.
    town.clinic.patch(&endpoint.path, 2, json!({ "status": "active" })).await.expect(200);
    settle(&town.app).await;
    let got = events(&receiver.take());
    assert!(got.contains(&"service.created".to_owned()) && got.contains(&"webhook_endpoint.updated".to_owned()), "{got:?}");
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

on_both!(a_failed_delivery_is_tried_again_and_what_follows_of_the_same_resource_waits_for_it, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let endpoint = Endpoint::new(&town.clinic, receiver.url("/"), json!({ "event_types": ["patient.created", "patient.updated"] })).await;
    let (one, other) = (person(&town.clinic).await, person(&town.clinic).await);
    rename(&town.clinic, &one, 1, "two").await;
    let failing = one.clone();
    receiver.now(move |got| Reply::status(if got.body.contains(&failing) { 500 } else { 200 }));
    settle(&town.app).await;
    let got = receiver.take();
    let told = |got: &[Got]| -> Vec<(String, i64)> {
        got.iter()
            .map(|one| (one.json()["data"]["resource_id"].as_str().unwrap().to_owned(), one.json()["data"]["version"].as_i64().unwrap()))
            .collect()
    };
    let mut first = told(&got);
    first.sort();
    let mut expected = vec![(one.clone(), 1), (other.clone(), 1)];
    expected.sort();
    assert_eq!(first, expected, "the second version waits");
    let waiting = endpoint.deliveries(&town.clinic, "status=pending").await;
    assert_eq!(waiting.len(), 2);
    let failed = waiting.iter().find(|one| one["resource_version"] == 1).unwrap();
    assert_eq!((&failed["attempts"][0]["status_code"], &failed["attempts"][0]["error"]), (&json!(500), &json!("status")));

    receiver.now(|_| Reply::status(200));
    settle(&town.app).await;
    assert!(receiver.take().is_empty(), "not before its time");
    town.app.clock.advance(Span::seconds(6));
    settle(&town.app).await;
    let again = receiver.take();
    assert_eq!(told(&again), [(one.clone(), 1), (one.clone(), 2)]);
    let first_id = got.iter().find(|one| one.json()["data"]["resource_id"] == json!(failed["resource_id"])).unwrap().id().to_owned();
    assert_eq!(again[0].id(), first_id, "the same event has the same id");
    let mut clinic = town.clinic.clone();
    clinic.renew().await;
    assert_eq!(endpoint.deliveries(&clinic, "status=pending").await.len(), 0);
});

on_both!(a_receiver_that_asks_for_patience_has_it, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::that(|_| Reply { headers: vec![("Retry-After", "120".into())], ..Reply::status(429) });
    Endpoint::new(&town.clinic, receiver.url("/"), json!({ "event_types": ["patient.created"] })).await;
    person(&town.clinic).await;
    person(&town.clinic).await;
    settle(&town.app).await;
    assert_eq!(receiver.take().len(), 2);
    person(&town.clinic).await;
    receiver.now(|_| Reply::status(204));
    town.app.clock.advance(Span::seconds(119));
    settle(&town.app).await;
    assert!(receiver.take().is_empty());
    town.app.clock.advance(Span::seconds(2));
    settle(&town.app).await;
    assert_eq!(receiver.take().len(), 3);

    // And no longer than is sane.
    receiver.now(|_| Reply { headers: vec![("Retry-After", "99999999".into())], ..Reply::status(503) });
    let mut clinic = town.clinic.clone();
    clinic.renew().await;
    person(&clinic).await;
    settle(&town.app).await;
    receiver.take();
    receiver.now(|_| Reply::status(204));
    town.app.clock.advance(Span::hours(6) + Span::seconds(1));
    settle(&town.app).await;
    assert_eq!(receiver.take().len(), 1);
});

on_both!(a_receiver_that_is_gone_is_sent_no_more, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::that(|_| Reply::status(410));
    let endpoint = Endpoint::new(&town.clinic, receiver.url("/"), json!({ "event_types": ["patient.created", "patient.updated"] })).await;
    let patient = person(&town.clinic).await;
    rename(&town.clinic, &patient, 1, "two").await;
    settle(&town.app).await;
    assert_eq!(receiver.take().len(), 1);
    assert_eq!(endpoint.deliveries(&town.clinic, "status=failed").await.len(), 1);
    let read = town.clinic.get(&endpoint.path).await.expect(200);
    assert_eq!((&read["status"], &read["status_reason"], &read["version"]), (&json!("disabled"), &json!("gone"), &json!(2)));
    town.app.is_readable().await;
    let feed = town.clinic.get("/v1/changes?resource_type=webhook_endpoint").await.expect(200);
    assert_eq!(feed["items"].as_array().unwrap().last().unwrap()["resource"]["status_reason"], "gone");
    assert_eq!(endpoint.deliveries(&town.clinic, "status=cancelled").await.len(), 1);
    receiver.now(|_| Reply::status(204));
    rename(&town.clinic, &patient, 2, "three").await;
    settle(&town.app).await;
    assert!(receiver.take().is_empty());
    // Made active once more, it begins with what happens then.
    wait_for_the_feed(&town.app).await;
    town.clinic.patch(&endpoint.path, 2, json!({ "status": "active" })).await.expect(200);
    rename(&town.clinic, &patient, 3, "four").await;
    settle(&town.app).await;
    assert_eq!(receiver.take().iter().map(|got| got.json()["data"]["version"].clone()).collect::<Vec<_>>(), [4]);
});

on_both!(an_endpoint_of_which_nothing_gets_through_for_three_days_is_paused_and_loses_nothing, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::that(|_| Reply::status(500));
    let endpoint = Endpoint::new(&town.clinic, receiver.url("/"), json!({ "event_types": ["patient.created", "patient.updated"] })).await;
    let mut clinic = town.clinic.clone();
    let patient = person(&clinic).await;
    let mut tries = 0;
    for hour in 0..110 {
        settle(&town.app).await;
        tries += receiver.take().len();
        town.app.clock.advance(Span::hours(1));
        clinic.renew().await;
        if hour == 40 {
            rename(&clinic, &patient, 1, "two").await;
        }
        if clinic.get(&endpoint.path).await.expect(200)["status"] == "paused" {
            assert!((71..=100).contains(&hour), "paused after {hour} hours");
            break;
        }
    }
    assert!((9..=11).contains(&tries), "{tries} tries");
    let read = clinic.get(&endpoint.path).await.expect(200);
    assert_eq!((&read["status"], &read["status_reason"]), (&json!("paused"), &json!("failing")));
    rename(&clinic, &patient, 2, "three").await;
    receiver.now(|_| Reply::status(204));
    settle(&town.app).await;
    assert!(receiver.take().is_empty());
    clinic.patch(&endpoint.path, 2, json!({ "status": "active" })).await.expect(200);
    for _ in 0..30 {
        settle(&town.app).await;
        town.app.clock.advance(Span::hours(1));
    }
    let versions: Vec<Value> = receiver.take().iter().map(|got| got.json()["data"]["version"].clone()).collect();
    assert_eq!(versions, [1, 2, 3]);
});

on_both!(a_delivery_is_given_up_after_three_days_while_others_get_through, |db| async move {
    let town = town(db).await;
    let mut clinic = town.clinic.clone();
    let poison = person(&clinic).await;
    let of_poison = poison.clone();
    let receiver = Receiver::that(move |got| Reply::status(if got.body.contains(&of_poison) { 400 } else { 204 }));
    let endpoint = Endpoint::new(&clinic, receiver.url("/"), json!({ "event_types": ["patient.created", "patient.updated"] })).await;
    rename(&clinic, &poison, 1, "two").await;
    rename(&clinic, &poison, 2, "three").await;
    for _ in 0..95 {
        clinic.renew().await;
        person(&clinic).await;
        settle(&town.app).await;
        town.app.clock.advance(Span::hours(1));
    }
    // Where the last round tried the poison first, the endpoint rests for a while before it takes what is good.
    for _ in 0..3 {
        settle(&town.app).await;
        town.app.clock.advance(Span::minutes(20));
    }
    clinic.renew().await;
    let given_up = endpoint.deliveries(&clinic, "status=failed").await;
    assert_eq!(given_up.len(), 1, "the one after it has its own three days");
    assert_eq!((&given_up[0]["resource_version"], given_up[0]["attempts"].as_array().unwrap().len()), (&json!(2), 10));
    assert_eq!(endpoint.deliveries(&clinic, "status=delivered&limit=200").await.len(), 95);
    assert_eq!(clinic.get(&endpoint.path).await.expect(200)["status"], "active");
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

on_both!(a_delivery_is_sent_again_when_asked_for, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let endpoint = Endpoint::new(&town.clinic, receiver.url("/"), json!({ "event_types": ["patient.created"] })).await;
    person(&town.clinic).await;
    settle(&town.app).await;
    let first = receiver.take().remove(0);
    let path = format!("{}/deliveries/{}", endpoint.path, first.id());
    let resent = town.clinic.post(&format!("{path}/resend"), json!({})).await.expect(200);
    assert_eq!((&resent["status"], &resent["id"]), (&json!("pending"), &json!(first.id())));
    settle(&town.app).await;
    let second = receiver.take().remove(0);
    assert_eq!((second.id(), &second.body), (first.id(), &first.body));
    let read = town.clinic.get(&path).await.expect(200);
    assert_eq!((&read["status"], read["attempts"].as_array().unwrap().len()), (&json!("delivered"), 2));
});

on_both!(a_replay_sends_everything_from_a_place_or_a_moment_on_once_more, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let patient = person(&town.clinic).await;
    let endpoint = Endpoint::new(&town.clinic, receiver.url("/"), json!({ "event_types": ["patient.created", "patient.updated"] })).await;
    rename(&town.clinic, &patient, 1, "two").await;
    town.app.clock.advance(Span::minutes(5));
    let moment = town.app.clock.now();
    rename(&town.clinic, &patient, 2, "three").await;
    rename(&town.clinic, &patient, 3, "four").await;
    settle(&town.app).await;
    let versions = |got: &[Got]| -> Vec<i64> { got.iter().map(|one| one.json()["data"]["version"].as_i64().unwrap()).collect() };
    let first = receiver.take();
    assert_eq!(versions(&first), [2, 3, 4]);

    let replay = format!("{}/replay", endpoint.path);
    wait_for_the_feed(&town.app).await;
    town.clinic.post(&replay, json!({ "since": moment })).await.expect(200);
    rename(&town.clinic, &patient, 4, "five").await;
    settle(&town.app).await;
    let got = receiver.take();
    assert_eq!(versions(&got), [3, 4, 5], "the new one follows in its order");
    assert_eq!((got[0].id(), got[1].id()), (first[1].id(), first[2].id()));

    // From before the endpoint was there, too.
    town.app.is_readable().await;
    let feed = town.clinic.get("/v1/changes?resource_type=patient&limit=1").await.expect(200);
    let begun = town.clinic.post(&replay, json!({ "cursor": feed["next"] })).await.expect(200);
    assert!(begun["cursor"].is_string());
    settle(&town.app).await;
    assert_eq!(versions(&receiver.take()), [2, 3, 4, 5]);
    town.clinic.post(&replay, json!({ "since": "2026-03-01T00:00:00Z" })).await.expect(200);
    settle(&town.app).await;
    assert_eq!(versions(&receiver.take()), [1, 2, 3, 4, 5]);
    let sent = endpoint.deliveries(&town.clinic, "").await;
    let third = sent.iter().find(|one| one["resource_version"] == 3).unwrap();
    town.clinic.post(&replay, json!({ "cursor": third["cursor"] })).await.expect(200);
    settle(&town.app).await;
    assert_eq!(versions(&receiver.take()), [4, 5]);
});

on_both!(a_paused_endpoint_is_sent_later_what_happened_meanwhile, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let types = json!({ "event_types": ["patient.created", "patient.updated"] });
    let endpoint = Endpoint::new(&town.clinic, receiver.url("/slow"), types.clone()).await;
    Endpoint::new(&town.clinic, receiver.url("/steady"), types).await;
    let patient = person(&town.clinic).await;
    settle(&town.app).await;
    town.clinic.patch(&endpoint.path, 1, json!({ "status": "paused" })).await.expect(200);
    for version in 1..8 {
        rename(&town.clinic, &patient, version, "x").await;
        settle(&town.app).await;
    }
    let at = |got: &[Got], path: &str| -> Vec<i64> {
        got.iter().filter(|one| one.path == path).map(|one| one.json()["data"]["version"].as_i64().unwrap()).collect()
    };
    let got = receiver.take();
    assert_eq!((at(&got, "/slow"), at(&got, "/steady")), (vec![1], (1..=8).collect()));
    town.clinic.patch(&endpoint.path, 2, json!({ "status": "active" })).await.expect(200);
    rename(&town.clinic, &patient, 8, "x").await;
    settle(&town.app).await;
    let got = receiver.take();
    assert_eq!((at(&got, "/slow"), at(&got, "/steady")), ((2..=9).collect(), vec![9]));
});

on_both!(a_replay_of_an_endpoint_that_is_behind_loses_nothing, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let endpoint = Endpoint::new(&town.clinic, receiver.url("/"), json!({ "event_types": ["patient.created", "patient.updated"] })).await;
    let patient = person(&town.clinic).await;
    settle(&town.app).await;
    receiver.take();
    town.clinic.patch(&endpoint.path, 1, json!({ "status": "paused" })).await.expect(200);
    rename(&town.clinic, &patient, 1, "two").await;
    town.app.clock.advance(Span::minutes(5));
    rename(&town.clinic, &patient, 2, "three").await;
    wait_for_the_feed(&town.app).await;
    let now = town.app.clock.now();
    town.clinic.post(&format!("{}/replay", endpoint.path), json!({ "since": now })).await.expect(200);
    town.clinic.patch(&endpoint.path, 2, json!({ "status": "active" })).await.expect(200);
    settle(&town.app).await;
    let versions: Vec<Value> = receiver.take().iter().map(|got| got.json()["data"]["version"].clone()).collect();
    assert_eq!(versions, [2, 3]);
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

on_both!(a_worker_that_died_is_followed_by_another_when_its_time_is_over, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::that(|_| Reply { delay: Duration::from_millis(300), ..Reply::status(204) });
    Endpoint::new(&town.clinic, receiver.url("/"), json!({ "event_types": ["patient.created"] })).await;
    person(&town.clinic).await;
    let dying = Engine::new(town.app.state.clone());
    wait_for_the_feed(&town.app).await;
    dying.dispatch().await.unwrap();
    // It dies while the receiver has the request and has not answered.
    assert!(tokio::time::timeout(Duration::from_millis(150), dying.deliver()).await.is_err());
    drop(dying);
    let first = receiver.take();
    assert_eq!(first.len(), 1);
    let next = Engine::new(town.app.state.clone());
    next.deliver().await.unwrap();
    assert!(receiver.take().is_empty(), "another has it");
    town.app.clock.advance(Span::seconds(3));
    next.deliver().await.unwrap();
    let second = receiver.take();
    assert_eq!((second.len(), second[0].id()), (1, first[0].id()));
});

on_both!(two_processes_share_the_work_and_send_nothing_twice, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    for number in 0..4 {
        Endpoint::new(&town.clinic, receiver.url(&format!("/{number}")), json!({ "event_types": ["patient.created"] })).await;
    }
    for _ in 0..25 {
        person(&town.clinic).await;
    }
    wait_for_the_feed(&town.app).await;
    let (one, other) = (Engine::new(town.app.state.clone()), Engine::new(town.app.state.clone()));
    for _ in 0..4 {
        let (first, second) = futures_util::future::join(one.dispatch(), other.dispatch()).await;
        first.unwrap();
        second.unwrap();
        let (first, second) = futures_util::future::join(one.deliver(), other.deliver()).await;
        first.unwrap();
        second.unwrap();
    }
    let got = receiver.take();
    let ids: BTreeSet<&str> = got.iter().map(Got::id).collect();
    assert_eq!((got.len(), ids.len()), (100, 100));
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

on_both!(a_word_about_an_endpoint_takes_nothing_from_what_is_being_sent, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::that(|_| Reply::status(500));
    let endpoint = Endpoint::new(&town.clinic, receiver.url("/"), json!({ "event_types": ["patient.created"] })).await;
    person(&town.clinic).await;
    settle(&town.app).await;
    receiver.now(|_| Reply::status(204));
    // It rests; to change what is written of it neither wakes it nor lets it sleep for ever.
    town.clinic.patch(&endpoint.path, 1, json!({ "description": "Our EMR" })).await.expect(200);
    town.clinic.post(&format!("{}/rotate-secret", endpoint.path), json!({})).await.expect(200);
    settle(&town.app).await;
    assert_eq!(receiver.take().len(), 1);
    town.app.clock.advance(Span::seconds(7));
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
