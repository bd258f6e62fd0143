//! The timeline: one ordered chart of what the caller may see.

use kith::organizations::model::OrganizationKind;
use serde_json::{Value, json};

use crate::client::{Caller, TestApp};
use crate::referrals::Town;

async fn titles(caller: &Caller, path: &str) -> Vec<String> {
    let page = caller.get(path).await.expect(200);
    page["items"].as_array().unwrap().iter().map(|item| item["title"].as_str().unwrap().to_owned()).collect()
}

on_both!(everything_that_happens_to_a_patient_is_in_their_timeline_the_latest_first, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, program) = (app.clinic().await, app.tenant("Alder Link", OrganizationKind::Program).await);
    let input = json!({ "names": [{ "text": "Marie Tremblay" }], "notes": "Between us." });
    let patient = format!("/v1/patients/{}", clinic.post("/v1/patients", input).await.id());
    let worker = program.post("/v1/practitioners", json!({ "name": "Harpreet", "roles": ["link_worker"] })).await.id();
    let id = patient.rsplit('/').next().unwrap();
    let consent = json!({ "patient_id": id, "grantee_id": program.organization_id, "purposes": ["care_coordination"],
        "categories": ["contact"], "form": "written" });
    let consent = clinic.post("/v1/consents", consent).await.id();
    clinic.put_any(&format!("{patient}/need-level"), json!({ "level": "high" })).await.expect(200);
    program
        .put_any(&format!("{patient}/primary-navigator"), json!({ "practitioner_id": worker, "reason": "Speaks Punjabi." }))
        .await
        .expect(200);

    let path = format!("{patient}/timeline");
    assert_eq!(
        titles(&clinic, &path).await,
        [
            "The record was changed.",
            "A practitioner began to accompany the patient: Speaks Punjabi.",
            "The record was changed.",
            "Need level judged high.",
            "Consent was given for referral, care coordination.",
            "Registered.",
        ]
    );
    assert_eq!(titles(&clinic, &format!("{path}?type=need_level_assessment&type=consent")).await.len(), 2);

    let seen = program.get(&path).await.expect(200);
    let seen: Vec<&Value> = seen["items"].as_array().unwrap().iter().collect();
    assert!(seen.iter().all(|entry| entry["resource_type"] != "need_level_assessment"));
    let records: Vec<&&Value> = seen.iter().filter(|entry| entry["resource_type"] == "patient").collect();
    // How they stand now: what they were before, as the history, is for those who manage them.
    assert_eq!(records.iter().map(|record| &record["version"]).collect::<Vec<_>>(), [&json!(3)]);
    for record in records {
        assert_eq!((&record["resource"]["notes"], &record["resource"]["need_level"]), (&Value::Null, &Value::Null));
        assert!(record["resource"]["withheld"].as_array().unwrap().contains(&json!("notes")));
        assert_eq!(record["resource"]["names"][0]["text"], "Marie Tremblay");
    }

    clinic.post(&format!("/v1/consents/{consent}/withdraw"), json!({})).await.expect(200);
    assert_eq!(titles(&clinic, &path).await.first().map(String::as_str), Some("Consent was withdrawn."));
    program.get(&path).await.expect_problem(404, "not_found");
});

on_both!(a_timeline_is_walked_in_pages_and_tells_who_acted, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let patient = format!("/v1/patients/{}", caller.post("/v1/patients", json!({ "names": [{ "text": "Somebody" }] })).await.id());
    for level in ["high", "medium", "low"] {
        caller.put_any(&format!("{patient}/need-level"), json!({ "level": level })).await.expect(200);
    }
    let (mut path, mut seen) = (format!("{patient}/timeline?limit=2"), Vec::new());
    loop {
        let page = caller.get(&path).await.expect(200);
        seen.extend(page["items"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => path = format!("{patient}/timeline?limit=2&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 7);
    assert!(
        seen.iter().all(|entry| entry["organization_id"] == json!(caller.organization_id) && entry["client_id"] == json!(caller.client_id))
    );
    assert_eq!((&seen[0]["version"], &seen[6]["title"]), (&json!(4), &json!("Registered.")));
});

on_both!(timelines_are_refused_where_they_should_be, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, other) = (app.clinic().await, app.clinic().await);
    let patient = format!("/v1/patients/{}", clinic.post("/v1/patients", json!({ "names": [{ "text": "Somebody" }] })).await.id());
    let path = format!("{patient}/timeline");
    app.stranger().get(&path).await.expect_problem(401, "unauthenticated");
    other.get(&path).await.expect_problem(404, "not_found");
    clinic.get(&format!("{path}?type=castle")).await.expect_problem(400, "malformed_request");
    clinic.get(&format!("{path}?cursor=x")).await.expect_problem(400, "malformed_request");
    clinic.delete(&patient, 1).await.expect(204);
    clinic.get(&path).await.expect_problem(410, "gone");
});

on_both!(a_timeline_holds_ones_own_and_no_drafts_of_others, |db| async move {
    let town = Town::new(db).await;
    let id = town.patient().await;
    town.sent(&id).await;
    town.clinic.post("/v1/referrals?draft=true", town.navigation(&id)).await.expect(201);
    let grant = |categories: Value, to: &Caller| json!({ "patient_id": id, "grantee_id": to.organization_id, "purposes": ["care_coordination"], "categories": categories, "form": "verbal" });
    town.clinic.post("/v1/consents", grant(json!(["referrals"]), &town.agency)).await.expect(201);
    town.clinic.post("/v1/consents", grant(json!(["contact"]), &town.program)).await.expect(201);
    let path = format!("/v1/patients/{id}/timeline?type=referral&type=referral_transition&type=consent");
    let shown = ["Consent was given for referral, care coordination.", "Referral made: requested.", "Referral became requested."];
    assert_eq!(titles(&town.agency, &path).await, shown);
    let received = titles(&town.program, &path).await;
    assert!(received.contains(&"Referral made: requested.".to_owned()), "what it received is among it: {received:?}");
    let own = town.program.post("/v1/needs", json!({ "patient_id": id, "domain": "food-insecurity" })).await;
    own.expect_problem(403, "forbidden");
    assert_eq!(titles(&town.clinic, &path).await.iter().filter(|title| *title == "Referral made: draft.").count(), 1);
});

on_both!(a_page_of_a_timeline_is_bounded_in_bytes_too, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, other) = (app.clinic().await, app.tenant("Alder Link", OrganizationKind::Program).await);
    let patient = clinic.make("/v1/patients", json!({ "names": [{ "text": "Somebody" }] })).await;
    let grant = json!({ "patient_id": patient, "grantee_id": other.organization_id, "purposes": ["care_coordination"],
        "categories": ["referrals"], "form": "verbal" });
    clinic.post("/v1/consents", grant).await.expect(201);
    // A character of four bytes each, so that a version has some 200 kB.
    let purposes: Vec<Value> = ["en", "fr", "de", "es", "it", "pa", "tl", "fa", "ar", "ko"]
        .iter()
        .map(|language| json!({ "language": language, "text": "\u{1d11e}".repeat(5_000) }))
        .collect();
    let draft = json!({ "patient_id": patient, "kind": "navigation", "performer_organization_id": clinic.organization_id,
        "source_type": "self_referral", "plain_language_purpose": purposes });
    let referral = format!("/v1/referrals/{}", clinic.make("/v1/referrals?draft=true", draft).await);
    for version in 1..50 {
        clinic.patch(&referral, version, json!({ "source_text": format!("Page {version}") })).await.expect(200);
    }

    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = clinic.get(&format!("/v1/patients/{patient}/timeline?type=referral&limit=200{cursor}")).await.expect(200);
        pages.push(page["items"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let versions: Vec<i64> = pages.concat().iter().map(|item| item["version"].as_i64().unwrap()).collect();
    assert_eq!(versions, (1..=50).rev().collect::<Vec<i64>>(), "each is told once, in the order of all");
    let bytes = |items: &[Value]| items.iter().map(|item| item["resource"].to_string().len()).sum::<usize>();
    assert_eq!(pages.len(), 2, "{:?}", pages.iter().map(|page| bytes(page)).collect::<Vec<_>>());
    assert!(bytes(&pages[0]) <= 8 << 20 && bytes(&pages[0]) + bytes(&pages[1][..1]) > 8 << 20);

    // Of what somebody does not see nothing is to be told from where a page ends.
    let seen = other.get(&format!("/v1/patients/{patient}/timeline?limit=200")).await.expect(200);
    assert!(seen["items"].as_array().unwrap().iter().all(|item| item["resource_type"] != "referral"), "{seen:#}");
    assert_eq!(seen["next"], Value::Null);
});
