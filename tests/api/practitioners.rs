//! Practitioners: their public profile, and what only their own organization sees.

use kith::auth::Scope;
use kith::organizations::model::OrganizationKind;
use serde_json::{Value, json};

use crate::client::{Caller, TestApp};

const PATH: &str = "/v1/practitioners";

fn link_worker(name: &str) -> Value {
    json!({
        "name": name,
        "roles": ["link_worker"],
        "languages": ["en", "pa-CA"],
        "introductions": [{ "language": "pa", "text": "ਸਤ ਸ੍ਰੀ ਅਕਾਲ!" }],
        "email": "harpreet@alderlink.example.ca",
        "phones": [{ "original": "250-861-5555" }],
        "max_caseload": 4,
        "identifiers": [{ "system": "https://hr.example.ca", "value": name }]
    })
}

async fn names(caller: &Caller, query: &str) -> Vec<String> {
    let page = caller.get(&format!("{PATH}?{query}")).await.expect(200);
    page["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

on_both!(a_practitioner_is_created_read_changed_and_deleted, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let created = caller.post(PATH, link_worker("Harpreet Gill")).await;
    let body = created.expect(201);
    assert_eq!((&body["organization_id"], &body["is_active"]), (&json!(caller.organization_id), &json!(true)));
    let path = format!("{PATH}/{}", created.id());
    assert_eq!(caller.get(&path).await.expect(200), body);
    let changed = caller.patch(&path, 1, json!({ "is_active": false, "title": "Connector" })).await.expect(200);
    assert_eq!((&changed["is_active"], &changed["title"], &changed["version"]), (&json!(false), &json!("Connector"), &json!(2)));
    caller.put(&path, 2, link_worker("Harpreet K. Gill")).await.expect(200);
    caller.delete(&path, 3).await.expect(204);
    caller.get(&path).await.expect_problem(410, "gone");
    let history = caller.get(&format!("{path}/history")).await.expect(200);
    assert_eq!(history["items"].as_array().unwrap().len(), 4);
});

on_both!(other_organizations_see_the_public_profile_only, |db| async move {
    let app = TestApp::new(db).await;
    let (own, other) = (app.clinic().await, app.tenant("Valley Agency", OrganizationKind::Agency).await);
    let id = own.post(PATH, link_worker("Harpreet Gill")).await.id();
    let seen = other.get(&format!("{PATH}/{id}")).await.expect(200);
    assert_eq!((&seen["name"], &seen["introductions"][0]["language"]), (&json!("Harpreet Gill"), &json!("pa")));
    for (field, empty) in [("email", Value::Null), ("max_caseload", Value::Null), ("phones", json!([])), ("identifiers", json!([]))] {
        assert_eq!(seen[field], empty, "{field}");
    }
    let listed = other.get(PATH).await.expect(200);
    assert_eq!(listed["items"][0]["email"], Value::Null);
    let path = format!("{PATH}/{id}");
    other.patch(&path, 1, json!({ "name": "Mallory" })).await.expect_problem(403, "forbidden");
    other.delete(&path, 1).await.expect_problem(403, "forbidden");
    other.get(&format!("{path}/history")).await.expect_problem(403, "forbidden");
    other.get(&format!("{path}/caseload")).await.expect_problem(403, "forbidden");
});

on_both!(practitioners_are_found_by_role_language_name_and_organization, |db| async move {
    let app = TestApp::new(db).await;
    let (own, other) = (app.clinic().await, app.tenant("Valley Agency", OrganizationKind::Agency).await);
    own.post(PATH, link_worker("Harpreet Gill")).await.expect(201);
    own.post(PATH, json!({ "name": "Élise Côté", "roles": ["clinician"], "languages": ["fr"], "is_active": false })).await.expect(201);
    other.post(PATH, json!({ "name": "Sam Lee", "roles": ["volunteer", "coordinator"] })).await.expect(201);
    assert_eq!(names(&own, "").await, ["Harpreet Gill", "Élise Côté", "Sam Lee"]);
    assert_eq!(names(&own, "role=link_worker").await, ["Harpreet Gill"]);
    assert_eq!(names(&own, "language=pa").await, ["Harpreet Gill"]);
    assert_eq!(names(&own, "language=PA-ca").await, ["Harpreet Gill"]);
    assert_eq!(names(&own, "language=p").await, Vec::<String>::new());
    assert_eq!(names(&own, "name=COTE").await, ["Élise Côté"]);
    assert_eq!(names(&own, "is_active=false").await, ["Élise Côté"]);
    assert_eq!(names(&own, &format!("organization_id={}", other.organization_id)).await, ["Sam Lee"]);
    let first = own.get(&format!("{PATH}?limit=2")).await.expect(200);
    let next = first["next"].as_str().unwrap();
    assert_eq!(names(&own, &format!("limit=2&cursor={next}")).await, ["Sam Lee"]);
    own.get(&format!("{PATH}?limit=2&role=volunteer&cursor={next}")).await.expect_problem(400, "malformed_request");
});

on_both!(a_caseload_is_weighted_by_need_level_and_knows_its_limit, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let practitioner = caller.post(PATH, link_worker("Harpreet Gill")).await.id();
    for level in [Some("high"), Some("low"), None] {
        let patient = format!("/v1/patients/{}", caller.post("/v1/patients", json!({ "names": [{ "text": "Somebody" }] })).await.id());
        caller.put_any(&format!("{patient}/primary-navigator"), json!({ "practitioner_id": practitioner })).await.expect(200);
        if let Some(level) = level {
            caller.put_any(&format!("{patient}/need-level"), json!({ "level": level })).await.expect(200);
        }
    }
    let caseload = caller.get(&format!("{PATH}/{practitioner}/caseload")).await.expect(200);
    assert_eq!(
        caseload,
        json!({ "patients": 3, "high": 1, "medium": 0, "low": 1, "unknown": 1, "weighted": 5, "max_caseload": 4, "is_full": true })
    );
});

on_both!(a_caseload_tells_no_need_level_that_consent_keeps_back, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, program) = (app.clinic().await, app.clinic().await);
    let practitioner = program.post(PATH, link_worker("Harpreet Gill")).await.id();
    let person = crate::screenings::patient(&clinic).await;
    let path = format!("/v1/patients/{person}");
    clinic.put_any(&format!("{path}/need-level"), json!({ "level": "high" })).await.expect(200);
    crate::screenings::consent(&clinic, &person, &program, &["contact"]).await;
    program.put_any(&format!("{path}/primary-navigator"), json!({ "practitioner_id": practitioner })).await.expect(200);
    let counted = || {
        let (program, path) = (program.clone(), format!("{PATH}/{practitioner}/caseload"));
        async move {
            let caseload = program.get(&path).await.expect(200);
            [&caseload["patients"], &caseload["high"], &caseload["unknown"]].map(|count| count.as_i64().unwrap())
        }
    };
    assert_eq!(counted().await, [1, 0, 1]);
    crate::screenings::consent(&clinic, &person, &program, &["needs"]).await;
    assert_eq!(counted().await, [1, 1, 0]);
    for consent in clinic.get(&format!("{path}/consents")).await.expect(200)["items"].as_array().unwrap() {
        clinic.post(&format!("/v1/consents/{}/withdraw", consent["id"].as_str().unwrap()), json!({})).await.expect(200);
    }
    assert_eq!(counted().await, [0, 0, 0]);
});

on_both!(practitioners_are_refused_where_they_should_be, |db| async move {
    let app = TestApp::new(db).await;
    let caller = app.clinic().await;
    app.stranger().get(PATH).await.expect_problem(401, "unauthenticated");
    caller.only(&[Scope::OrganizationsRead]).await.post(PATH, link_worker("A")).await.expect_problem(403, "insufficient_scope");
    let faults = caller.post(PATH, json!({ "roles": ["wizard"], "max_caseload": -1, "hat": true })).await.faults(422);
    let faults: Vec<(&str, &str)> = faults.iter().map(|(pointer, code)| (pointer.as_str(), code.as_str())).collect();
    assert_eq!(faults, [("/hat", "unknown_field"), ("/max_caseload", "out_of_range"), ("/name", "required"), ("/roles/0", "not_allowed")]);
    let path = format!("{PATH}/{}", caller.post(PATH, link_worker("A")).await.id());
    caller.post(PATH, link_worker("A")).await.expect_problem(409, "duplicate");
    caller.put_any(&path, link_worker("A")).await.expect_problem(428, "precondition_required");
    caller.put(&path, 9, link_worker("A")).await.expect_problem(412, "version_mismatch");
    let sync = format!("{PATH}/by-identifier?system=https://hr.example.ca&value=A");
    assert_eq!(caller.put_any(&sync, link_worker("A")).await.expect(200)["version"], 2);
});
