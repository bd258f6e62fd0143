//! Webhooks: what is sent to whom, in which order, how often, and what is never sent.

use std::collections::BTreeSet;

use chrono::Duration as Span;
use kith::changes::places::{self, Work};
use kith::organizations::model::OrganizationKind;
use kith::webhooks::Engine;
use serde_json::{Value, json};

use crate::client::{Caller, TestApp};
use crate::conformity;
use crate::harness::TestDb;
use crate::receiver::{Got, Receiver};
use crate::referrals::{Town, step};

mod dues;
mod endpoints;
mod replays;
mod sight;
mod tries;
mod walks;

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
        caller.app.is_readable().await;
        let created = caller.post(PATH, body).await;
        let secret = created.expect(201)["secret"].as_str().unwrap().to_owned();
        Self { path: format!("{PATH}/{}", created.id()), secret }
    }

    async fn deliveries(&self, caller: &Caller, query: &str) -> Vec<Value> {
        let page = caller.get(&format!("{}/deliveries?{query}", self.path)).await.expect(200);
        page["items"].as_array().unwrap().clone()
    }
}

/// Does everything that is to be done now.
async fn settle(app: &TestApp) -> Engine {
    app.is_readable().await;
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
        (json!({ "status": "waitlist", "available": 2 }), &["service.capacity_changed", "service.place_opened"]),
        (json!({ "status": "full" }), &["service.capacity_changed"]),
        (json!({ "status": "open", "available": 2 }), &["service.capacity_changed", "service.place_opened"]),
        (json!({ "status": "open", "available": 1 }), &["service.capacity_changed"]),
    ] {
        town.agency.put_any(&capacity, said.clone()).await.expect(200);
        settle(&town.app).await;
        assert_eq!(events(&receiver.take()), expected, "{said}");
    }
    town.agency.patch(&format!("/v1/services/{}", service.id()), 7, json!({ "description": "Soup." })).await.expect(200);
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

on_both!(the_room_of_a_service_is_another_where_somebody_says_so_or_takes_a_place_and_not_by_who_waits, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let service = json!({ "name": "Tuesday lunch", "provider_id": town.agency.organization_id });
    let service = format!("/v1/services/{}", town.agency.post("/v1/services", service).await.id());
    Endpoint::new(&town.program, receiver.url("/"), json!({ "event_types": ["service.updated", "service.capacity_changed"] })).await;
    // Whether it was updated, and how often its room is told to be another.
    let told = async || {
        settle(&town.app).await;
        let got = receiver.take();
        let events = events(&got);
        let count = |name: &str| events.iter().filter(|event| *event == name).count();
        (count("service.updated") > 0, count("service.capacity_changed"))
    };
    let list = format!("{service}/waitlist-entries");
    let mut entries = Vec::new();
    for _ in 0..2 {
        let referral = json!({ "patient_id": person(&town.clinic).await, "kind": "service", "service_id": service.rsplit('/').next(),
            "source_type": "family_physician", "consent": { "form": "verbal" } });
        let referral = town.clinic.make("/v1/referrals", referral).await;
        entries.push(town.agency.make(&list, json!({ "referral_id": referral })).await);
    }
    assert_eq!(told().await, (true, 0), "two wait");
    let room = json!({ "status": "open", "unit": "place", "available": 1 });
    town.agency.put_any(&format!("{service}/capacity"), room).await.expect(200);
    assert_eq!(told().await, (true, 1));
    town.clinic.post(&format!("{list}/{}/decline", entries[0]), json!({})).await.expect(200);
    assert_eq!(told().await, (true, 0), "the next has the offer");
    town.clinic.post(&format!("{list}/{}/accept", entries[1]), json!({})).await.expect(200);
    assert_eq!(told().await, (true, 1), "one place less is free");
});

on_both!(a_place_opens_where_it_was_counted_down_or_taken_and_nobody_said_a_status, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let service = json!({ "name": "Tuesday lunch", "provider_id": town.agency.organization_id });
    let service = format!("/v1/services/{}", town.agency.post("/v1/services", service).await.id());
    Endpoint::new(&town.program, receiver.url("/"), json!({ "event_types": ["service.place_opened"] })).await;
    let say = async |room: Value| town.agency.put_any(&format!("{service}/capacity"), room).await.expect(200);
    let opened = async || {
        settle(&town.app).await;
        receiver.take().len()
    };
    say(json!({ "available": 0 })).await;
    assert_eq!(opened().await, 0);
    say(json!({ "available": 3 })).await;
    assert_eq!(opened().await, 1);
    say(json!({ "available": 2 })).await;
    assert_eq!(opened().await, 0, "there was one before");

    say(json!({ "status": "open", "available": 1 })).await;
    let referral = json!({ "patient_id": person(&town.clinic).await, "kind": "service", "service_id": service.rsplit('/').next(),
        "source_type": "family_physician", "consent": { "form": "verbal" } });
    let referral = town.clinic.make("/v1/referrals", referral).await;
    let list = format!("{service}/waitlist-entries");
    let entry = town.agency.make(&list, json!({ "referral_id": referral })).await;
    town.clinic.post(&format!("{list}/{entry}/accept"), json!({})).await.expect(200);
    assert_eq!(opened().await, 0, "the last one is taken");
    say(json!({ "status": "open", "available": 3 })).await;
    assert_eq!(opened().await, 1);
});

on_both!(a_thin_payload_leads_to_what_it_is_about, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let types = ["waitlist_entry.created", "waitlist_entry.offered", "screening_link.created"];
    Endpoint::new(&town.clinic, receiver.url("/"), json!({ "event_types": types })).await;
    let service = json!({ "name": "Tuesday lunch", "provider_id": town.agency.organization_id });
    let service = town.agency.post("/v1/services", service).await.id();
    let patient = person(&town.clinic).await;
    let referral = json!({ "patient_id": patient, "kind": "service", "service_id": service, "source_type": "family_physician",
        "consent": { "form": "verbal" } });
    let referral = town.clinic.post("/v1/referrals", referral).await.id();
    let entry = town.agency.post(&format!("/v1/services/{service}/waitlist-entries"), json!({ "referral_id": referral })).await.id();
    let room = json!({ "status": "open", "unit": "place", "available": 1 });
    town.agency.put_any(&format!("/v1/services/{service}/capacity"), room).await.expect(200);
    let screening = town.clinic.post("/v1/screenings", json!({ "patient_id": patient, "instrument": "phq-2" })).await.id();
    town.clinic.post(&format!("/v1/screenings/{screening}/links"), json!({})).await.expect(201);
    settle(&town.app).await;
    let got = receiver.take();
    assert_eq!(in_any_order(&got), types.map(str::to_owned).into());
    for one in &got {
        let url = one.json()["data"]["url"].as_str().unwrap().to_owned();
        let read = town.clinic.get(&url).await.expect(200);
        let expected = if one.event().starts_with("waitlist_entry") { json!(entry) } else { one.json()["data"]["resource_id"].clone() };
        assert!(read["id"] == expected || read["items"][0]["id"] == expected, "{url}: {read}");
    }
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
