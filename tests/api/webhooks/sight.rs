//! What an endpoint is told as what its client sees of a person changes.

use std::collections::BTreeSet;

use chrono::Duration as Span;
use kith::auth::Scope;
use kith::webhooks::Engine;
use serde_json::{Value, json};

use super::{Endpoint, PATH, conforms, events, in_any_order, of_path, person, rename, settle, town};
use crate::client::Caller;
use crate::consent_ends::withdraw_all;
use crate::receiver::{Got, Receiver, Reply};
use crate::referrals::{Town, step};
use crate::screenings::{answer, consent, screening};

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

on_both!(what_is_written_of_a_person_is_sent_to_whom_they_let_in, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let updates = json!({ "payload": "full", "event_types": ["referral.updated", "patient.reset"] });
    Endpoint::new(&town.program, receiver.url("/"), updates).await;
    let patient = town.patient().await;
    let referral = town.sent(&patient).await;
    let on_hold = json!({ "status": "on_hold", "reason": { "code": "missing_information" } });
    let moved = async |body: Value| -> Value {
        step(&town.program, &referral, body).await.expect(201);
        settle(&town.app).await;
        let got = receiver.take();
        got.iter().for_each(conforms);
        got.last().unwrap().json()["data"]["resource"].clone()
    };
    let shown = moved(json!({ "status": "received" })).await;
    assert_eq!((&shown["reason"], &shown["consent"]), (&json!("Lives alone since spring; would like company."), &Value::Null));
    let consents = town.clinic.get(&format!("/v1/patients/{patient}/consents")).await.expect(200);
    let path = format!("/v1/consents/{}/withdraw", consents["items"][0]["id"].as_str().unwrap());
    town.clinic.post(&path, json!({})).await.expect(200);
    settle(&town.app).await;
    assert_eq!(events(&receiver.take()), ["patient.reset"]);
    let shown = moved(on_hold).await;
    assert_eq!((&shown["status"], &shown["reason"]), (&json!("on_hold"), &Value::Null));
    assert_eq!(shown["plain_language_purpose"], json!([]));

    town.app.clock.advance(Span::seconds(1));
    let again = json!({ "patient_id": patient, "grantee_id": town.program.organization_id, "purposes": ["referral"],
        "categories": ["summary"], "form": "verbal" });
    town.clinic.post("/v1/consents", again).await.expect(201);
    settle(&town.app).await;
    assert_eq!(events(&receiver.take()), ["patient.reset"], "what it holds is to be read anew");
});

/// A consent to the program that begins in two minutes and ends two minutes later.
pub(super) async fn passing_consent(town: &Town, patient: &str) -> (String, [String; 2]) {
    let [from, until] = [2, 4].map(|minutes| town.app.clock.now().plus(Span::minutes(minutes)).to_text());
    let consent = json!({
        "patient_id": patient, "grantee_id": town.program.organization_id, "purposes": ["care_coordination"], "categories": ["summary"],
        "form": "verbal", "valid_from": from, "valid_until": until,
    });
    let consent = town.clinic.post("/v1/consents", consent).await;
    consent.expect(201);
    (consent.id(), [from, until])
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
    set_active(&town, &narrow, false).await;
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

/// Lets a client call, or no longer.
async fn set_active(town: &Town, client: &Caller, is_active: bool) {
    let (id, now) = (client.client_id, town.app.clock.now());
    town.app.state.db.write(move |conn| kith::auth::repository::set_active(conn, id, is_active, now)).await.unwrap();
}

on_both!(what_happens_when_a_client_is_shut_out_is_told_later_though_others_are_told_at_once, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let types = json!({ "event_types": ["patient.created", "patient.updated"] });
    let emr = town.clinic.only(&[Scope::WebhooksRead, Scope::WebhooksWrite, Scope::PatientsRead]).await;
    let endpoint = Endpoint::new(&emr, receiver.url("/emr"), types.clone()).await;
    Endpoint::new(&town.clinic, receiver.url("/other"), types).await;
    let patient = person(&town.clinic).await;
    settle(&town.app).await;
    assert_eq!(receiver.take().len(), 2);

    set_active(&town, &emr, false).await;
    rename(&town.clinic, &patient, 1, "two").await;
    rename(&town.clinic, &patient, 2, "three").await;
    settle(&town.app).await;
    assert!(receiver.take().iter().all(|got| got.path == "/other"));
    rename(&town.clinic, &patient, 3, "four").await;
    settle(&town.app).await;
    receiver.take();
    set_active(&town, &emr, true).await;
    town.clinic.patch(&endpoint.path, 2, json!({ "status": "active" })).await.expect(200);
    settle(&town.app).await;
    let versions: Vec<Value> = receiver.take().iter().map(|got| got.json()["data"]["version"].clone()).collect();
    assert_eq!(versions, [2, 3, 4]);
});

on_both!(what_waits_for_an_endpoint_whose_client_is_shut_out_waits_on, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::that(|_| Reply::status(500));
    let types = json!({ "event_types": ["patient.created"] });
    let emr = town.clinic.only(&[Scope::WebhooksRead, Scope::WebhooksWrite, Scope::PatientsRead]).await;
    let endpoint = Endpoint::new(&emr, receiver.url("/"), types).await;
    let stands = async || {
        let read = town.clinic.get(&endpoint.path).await.expect(200);
        (read["status"].clone(), read["status_reason"].clone(), endpoint.deliveries(&town.clinic, "status=pending").await.len())
    };
    person(&town.clinic).await;
    let engine = settle(&town.app).await;
    assert_eq!((receiver.take().len(), stands().await), (1, (json!("active"), Value::Null, 1)));
    // Whether it is found by whoever would send, or by whoever looks what there is: nothing has changed meanwhile.
    for version in [1, 3] {
        set_active(&town, &emr, false).await;
        town.app.clock.advance(Span::seconds(10));
        if version == 1 {
            engine.deliver().await.unwrap();
        } else {
            engine.dispatch().await.unwrap();
        }
        assert_eq!((receiver.take().len(), stands().await), (0, (json!("paused"), json!("client_disabled"), 1)));
        set_active(&town, &emr, true).await;
        emr.patch(&endpoint.path, version + 1, json!({ "status": "active" })).await.expect(200);
    }
    receiver.now(|_| Reply::status(204));
    settle(&town.app).await;
    assert_eq!((receiver.take().len(), stands().await), (1, (json!("active"), Value::Null, 0)));
});

on_both!(a_record_that_is_merged_or_deleted_is_told_also_to_an_endpoint_that_hears_nothing_of_its_end, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let only = |types: &[&str]| json!({ "payload": "full", "event_types": types });
    Endpoint::new(&town.program, receiver.url("/resets"), only(&["patient.reset", "patient.snapshot"])).await;
    Endpoint::new(&town.program, receiver.url("/ends"), only(&["patient.merged", "patient.reset", "patient.snapshot"])).await;
    Endpoint::new(&town.agency, receiver.url("/stranger"), only(&["patient.reset", "patient.snapshot"])).await;
    let (kept, duplicate) = (town.patient().await, person(&town.clinic).await);
    for patient in [&kept, &duplicate] {
        let consent = json!({ "patient_id": patient, "grantee_id": town.program.organization_id, "purposes": ["care_coordination"],
            "categories": ["summary"], "form": "verbal" });
        town.clinic.post("/v1/consents", consent).await.expect(201);
    }
    settle(&town.app).await;
    receiver.take();

    town.clinic.post(&format!("/v1/patients/{kept}/merge"), json!({ "duplicate_id": duplicate })).await.expect(200);
    settle(&town.app).await;
    let got = receiver.take();
    got.iter().for_each(conforms);
    // A consent that moves with the record may tell more of the survivor.
    let about = |got: &[Got], path: &str| -> BTreeSet<(String, bool)> {
        let told = of_path(got, path).into_iter().map(|one| (one.event(), one.json()["data"]["resource_id"] == json!(duplicate)));
        told.filter(|(event, of_the_duplicate)| *of_the_duplicate || event == "patient.snapshot").collect()
    };
    let words = |words: &[(&str, bool)]| words.iter().map(|(event, of)| ((*event).to_owned(), *of)).collect::<BTreeSet<_>>();
    assert_eq!(about(&got, "/resets"), words(&[("patient.reset", true), ("patient.snapshot", false)]));
    assert_eq!(about(&got, "/ends"), words(&[("patient.merged", true), ("patient.snapshot", false)]));
    assert!(of_path(&got, "/stranger").is_empty());

    let stands = town.clinic.get(&format!("/v1/patients/{kept}")).await.expect(200)["version"].as_i64().unwrap();
    town.clinic.delete(&format!("/v1/patients/{kept}"), stands).await.expect(204);
    settle(&town.app).await;
    let got = receiver.take();
    for path in ["/resets", "/ends"] {
        assert_eq!(in_any_order(&of_path(&got, path)), ["patient.reset".to_owned()].into(), "{path}");
    }
    assert!(of_path(&got, "/stranger").is_empty());
});

on_both!(an_alarm_is_sent_to_those_who_see_it, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let types = json!({ "event_types": ["screening.safety_alert", "screening.created"] });
    let endpoint = Endpoint::new(&town.program, receiver.url("/program"), types.clone()).await;
    Endpoint::new(&town.clinic, receiver.url("/clinic"), types).await;
    let (hidden, open) = (town.patient().await, person(&town.clinic).await);
    consent(&town.clinic, &hidden, &town.program, &["summary", "screenings"]).await;
    consent(&town.clinic, &open, &town.program, &["summary", "screenings", "sensitive"]).await;
    let hits = || ["safety-hurt", "safety-insult", "safety-threaten", "safety-scream"].map(|item| answer(item, "LA10082-8")).to_vec();
    for patient in [&hidden, &open] {
        town.clinic.post("/v1/screenings", screening(patient, "ahc-hrsn-core", "completed", hits())).await.expect(201);
    }
    settle(&town.app).await;
    let got = receiver.take();
    let alarms = |path: &str| -> Vec<String> {
        let alarms = of_path(&got, path).into_iter().filter(|one| one.event() == "screening.safety_alert");
        alarms.map(|one| one.json()["data"]["patient_id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((alarms("/program"), alarms("/clinic").len()), (vec![open.clone()], 2));
    let queued = endpoint.deliveries(&town.program, "event_type=screening.safety_alert").await;
    assert_eq!(queued.len(), 1, "the list of what was sent tells no more: {queued:#?}");
});

on_both!(of_others_practitioners_a_full_payload_holds_what_the_directory_shows, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let types = json!({ "payload": "full", "event_types": ["practitioner.created"] });
    Endpoint::new(&town.agency, receiver.url("/agency"), types.clone()).await;
    Endpoint::new(&town.program, receiver.url("/program"), types).await;
    let worker = json!({ "name": "Harpreet Gill", "roles": ["link_worker"], "email": "harpreet@alderlink.example.ca", "max_caseload": 4,
        "phones": [{ "original": "250-861-5555" }], "identifiers": [{ "system": "https://hr.example.ca", "value": "7" }] });
    town.program.post("/v1/practitioners", worker).await.expect(201);
    settle(&town.app).await;
    let got = receiver.take();
    got.iter().for_each(conforms);
    let shown = |path: &str| of_path(&got, path)[0].json()["data"]["resource"].clone();
    let (public, own) = (shown("/agency"), shown("/program"));
    assert_eq!((&own["max_caseload"], &own["email"]), (&json!(4), &json!("harpreet@alderlink.example.ca")));
    for (field, empty) in [("email", Value::Null), ("max_caseload", Value::Null), ("phones", json!([])), ("identifiers", json!([]))] {
        assert_eq!(public[field], empty, "{field}");
    }
    assert_eq!(public["name"], "Harpreet Gill");
});

on_both!(a_follow_up_is_sent_without_the_needs_that_the_client_does_not_see, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    Endpoint::new(&town.agency, receiver.url("/agency"), json!({ "payload": "full", "event_types": ["follow_up.updated"] })).await;
    let patient = town.patient().await;
    consent(&town.clinic, &patient, &town.agency, &["follow_ups"]).await;
    let check_in = json!({ "patient_id": patient, "purpose": "check_in", "due_on": "2026-03-10" });
    let complete = format!("/v1/follow-ups/{}/complete", town.clinic.post("/v1/follow-ups", check_in).await.id());
    town.clinic.post(&complete, json!({ "change": "worse", "new_needs": ["intimate-partner-violence"] })).await.expect(200);
    settle(&town.app).await;
    let got = receiver.take();
    got.iter().for_each(conforms);
    let sent = &got.iter().find(|one| one.event() == "follow_up.updated").unwrap().json()["data"]["resource"];
    assert_eq!((&sent["result"]["change"], &sent["result"]["new_needs"], &sent["new_need_ids"]), (&json!("worse"), &json!([]), &json!([])));
});

on_both!(what_is_noted_of_a_person_in_a_referral_is_not_sent_to_whom_they_have_shut_out, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let types = json!({ "payload": "full", "event_types": ["follow_up.updated", "contact_attempt.created"] });
    Endpoint::new(&town.program, receiver.url("/program"), types).await;
    let patient = town.patient().await;
    let referral = town.accepted(&patient).await;
    withdraw_all(&town, &patient).await;
    settle(&town.app).await;
    receiver.take();
    let check_in = json!({ "patient_id": patient, "referral_id": referral, "purpose": "check_in", "due_on": "2026-03-10" });
    let check_in = format!("/v1/follow-ups/{}", town.clinic.post("/v1/follow-ups", check_in).await.id());
    let tried = json!({ "mode": "phone", "outcome": "no_answer", "note": "Afraid of the worker." });
    town.clinic.post(&format!("{check_in}/attempts"), tried).await.expect(201);
    town.clinic.post(&format!("{check_in}/complete"), json!({ "note": "Afraid of the worker." })).await.expect(200);
    settle(&town.app).await;
    let got = receiver.take();
    got.iter().for_each(conforms);
    assert_eq!(in_any_order(&got), ["contact_attempt.created", "follow_up.updated"].map(String::from).into());
    assert!(got.iter().all(|one| one.json()["data"]["resource"]["id"].is_string() && !one.body.contains("Afraid")), "{got:#?}");
});

on_both!(an_unmet_need_is_sent_to_whoever_found_it_alone, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    for (caller, path) in [(&town.clinic, "/clinic"), (&town.program, "/program")] {
        Endpoint::new(caller, receiver.url(path), json!({ "payload": "full", "event_types": ["unmet_need.created"] })).await;
    }
    let patient = town.patient().await;
    consent(&town.clinic, &patient, &town.program, &["summary", "needs"]).await;
    let unmet = json!({ "patient_id": patient, "domain": "food-insecurity", "reasons": ["no_service"] });
    town.program.post("/v1/unmet-needs", unmet).await.expect(201);
    settle(&town.app).await;
    let got = receiver.take();
    assert_eq!((of_path(&got, "/program").len(), of_path(&got, "/clinic").len()), (1, 0));
});

on_both!(of_others_patients_a_full_payload_holds_no_earlier_version, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let types = json!({ "payload": "full", "event_types": ["patient.updated"] });
    Endpoint::new(&town.program, receiver.url("/program"), types.clone()).await;
    Endpoint::new(&town.clinic, receiver.url("/clinic"), types).await;
    let patient = person(&town.clinic).await;
    consent(&town.clinic, &patient, &town.program, &["summary", "contact"]).await;
    let path = format!("/v1/patients/{patient}");
    for (version, name) in [(1, "Roy"), (2, "Gagnon")] {
        town.clinic.patch(&path, version, json!({ "names": [{ "family": name }] })).await.expect(200);
    }
    settle(&town.app).await;
    settle(&town.app).await;
    let got = receiver.take();
    got.iter().for_each(conforms);
    let names = |path: &str| -> Vec<(Value, Value)> {
        let sent = of_path(&got, path).into_iter().map(|one| one.json()["data"].clone());
        sent.map(|data| (data["version"].clone(), data["resource"]["names"][0]["family"].clone())).collect()
    };
    assert_eq!(names("/program"), [(json!(2), Value::Null), (json!(3), json!("Gagnon"))]);
    assert_eq!(names("/clinic"), [(json!(2), json!("Roy")), (json!(3), json!("Gagnon"))]);
});

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

on_both!(whom_a_deleted_consent_named_is_sent_nothing_of_what_it_said, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    for (caller, path) in [(&town.clinic, "/clinic"), (&town.program, "/program")] {
        let types = ["consent.created", "consent.deleted"];
        Endpoint::new(caller, receiver.url(path), json!({ "event_types": types, "payload": "full" })).await;
    }
    let consent = json!({ "patient_id": person(&town.clinic).await, "grantee_id": town.program.organization_id,
        "purposes": ["care_coordination"], "categories": ["contact"], "form": "verbal", "note": "Not in the evening." });
    let consent = town.clinic.post("/v1/consents", consent).await.id();
    town.clinic.delete(&format!("/v1/consents/{consent}"), 1).await.expect(204);
    settle(&town.app).await;
    let got = receiver.take();
    got.iter().for_each(conforms);
    let told = |path: &str| {
        let of = of_path(&got, path).into_iter();
        of.map(|one| (one.event(), one.json()["data"]["resource"]["note"].clone())).collect::<Vec<_>>()
    };
    let both = |note: Value| ["consent.created", "consent.deleted"].map(|event| (event.to_owned(), note.clone()));
    assert_eq!(told("/clinic"), both(json!("Not in the evening.")));
    assert_eq!(told("/program"), both(Value::Null));
});
