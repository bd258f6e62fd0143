//! The change feed.

use kith::auth::Scope;
use serde_json::{Value, json};

use crate::client::{Caller, TestApp};

const PATH: &str = "/v1/changes";

async fn read(caller: &Caller, query: &str) -> (Vec<Value>, String) {
    let piece = caller.get(&format!("{PATH}?{query}")).await.expect(200);
    (piece["items"].as_array().unwrap().clone(), piece["next"].as_str().unwrap().to_owned())
}

fn told(items: &[Value]) -> Vec<(&str, &str, i64)> {
    items.iter().map(|item| (item["resource_type"].as_str().unwrap(), item["action"].as_str().unwrap(), item["version"].as_i64().unwrap())).collect()
}

on_both!(a_reader_that_goes_on_from_next_sees_every_change_once, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let (start, mut next) = read(&caller, "").await;
    assert_eq!(start, Vec::<Value>::new());
    let mut seen = Vec::new();
    for number in 0..5 {
        let created = caller.post("/v1/organizations", json!({ "name": format!("A{number}"), "kind": "agency" })).await;
        created.expect(201);
        caller.patch(created.header("location").unwrap(), 1, json!({ "description": "x" })).await.expect(200);
        let (items, after) = read(&caller, &format!("limit=1&cursor={next}")).await;
        seen.extend(items);
        next = after;
    }
    loop {
        let (items, after) = read(&caller, &format!("limit=3&cursor={next}")).await;
        if items.is_empty() {
            break;
        }
        seen.extend(items);
        next = after;
    }
    assert_eq!(seen.len(), 10);
    assert_eq!(told(&seen[..3]), [("organization", "created", 1), ("organization", "updated", 2), ("organization", "created", 1)]);
    assert_eq!(seen[9]["resource"]["description"], "x");
    assert_eq!(seen[9]["client_id"], json!(caller.client_id));
});

on_both!(what_is_about_a_patient_is_told_to_nobody_else, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, other) = (app.clinic().await, app.clinic().await);
    let created = clinic.post("/v1/patients", json!({ "names": [{ "family": "Tremblay", "given": "Anaïs" }] })).await;
    created.expect(201);
    let (own, _) = read(&clinic, "").await;
    assert_eq!(told(&own), [("patient", "created", 1)]);
    assert_eq!(own[0]["resource"]["id"], json!(created.id()));
    assert_eq!(read(&other, "").await.0, Vec::<Value>::new());
    let narrow = clinic.only(&[Scope::OrganizationsRead]).await;
    assert_eq!(read(&narrow, "").await.0, Vec::<Value>::new());
});

on_both!(the_feed_hides_what_reading_it_would_hide, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, program, agency) = (app.clinic().await, app.clinic().await, app.clinic().await);
    let person = crate::screenings::patient(&clinic).await;
    let everything_but = ["contact", "demographics", "needs", "screenings", "referrals", "follow_ups"];
    crate::screenings::consent(&clinic, &person, &program, &everything_but).await;
    let (_, start) = read(&program, "").await;
    for domain in ["intimate-partner-violence", "stress"] {
        clinic.post("/v1/needs", json!({ "patient_id": person, "domain": domain })).await.expect(201);
    }
    crate::screenings::consent(&clinic, &person, &agency, &["contact"]).await;
    let (seen, _) = read(&program, &format!("cursor={start}")).await;
    assert_eq!(told(&seen), [("need", "created", 1)], "neither the sensitive need nor the consent to somebody else");
    assert_eq!(seen[0]["resource"], Value::Null);

    let (_, start) = read(&clinic, "").await;
    let draft = json!({ "patient_id": person, "kind": "service", "status": "draft", "source_type": "community_services",
        "performer_organization_id": agency.organization_id, "reason": "Between us." });
    let draft = program.post("/v1/referrals", draft).await;
    draft.expect(201);
    assert_eq!(read(&clinic, &format!("cursor={start}")).await.0, Vec::<Value>::new(), "a draft is its requester's alone");
    let timeline = clinic.get(&format!("/v1/patients/{person}/timeline?type=referral&type=referral_transition")).await.expect(200);
    assert_eq!(timeline["items"], json!([]));
    assert_eq!(read(&program, "resource_type=referral").await.0.len(), 1);
});

on_both!(the_feed_can_be_narrowed_and_its_cursors_belong_to_the_filter, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    caller.post("/v1/organizations", json!({ "name": "A", "kind": "agency" })).await.expect(201);
    assert_eq!(read(&caller, "resource_type=service&resource_type=patient").await.0, Vec::<Value>::new());
    let (items, next) = read(&caller, "resource_type=organization").await;
    assert_eq!(items.len(), 1);
    caller.get(&format!("{PATH}?cursor={next}")).await.expect_problem(400, "malformed_request");
    caller.get(&format!("{PATH}?resource_type=castle")).await.expect_problem(400, "malformed_request");
    caller.get(&format!("{PATH}?wait=31")).await.expect_problem(400, "malformed_request");
});

on_both!(a_waiting_reader_is_answered_when_something_changes, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let (_, next) = read(&caller, "").await;
    let query = format!("wait=20&cursor={next}");
    let waiting = read(&caller, &query);
    let changing = async {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        caller.post("/v1/organizations", json!({ "name": "A", "kind": "agency" })).await.expect(201);
    };
    let started = std::time::Instant::now();
    let ((items, _), ()) = futures_util::future::join(waiting, changing).await;
    assert_eq!(items.len(), 1);
    assert!(started.elapsed() < std::time::Duration::from_secs(15), "it slept through the change");
});
