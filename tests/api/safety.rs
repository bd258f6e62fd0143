//! Whoever is at risk of violence is sent nowhere where the other may sit beside them, by whatever way services are suggested.

use kith::organizations::model::OrganizationKind;
use serde_json::{Value, json};

use crate::client::{Caller, TestApp};
use crate::screenings::{answer, consent, patient, screening, suggested};

const PATH: &str = "/v1/matches";

/// Two services for the same need, one of which brings partners into one room.
async fn counselling(keeper: &Caller) {
    for name in ["Couples Counselling", "Walking Group"] {
        keeper.post("/v1/services", json!({ "name": name, "need_domains": [{ "code": "stress" }] })).await.expect(201);
    }
}

async fn need(caller: &Caller, patient: &str, more: Value) -> String {
    let mut body = json!({ "patient_id": patient });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let created = caller.post("/v1/needs", body).await;
    created.expect(201);
    created.id()
}

on_both!(a_screening_that_finds_violence_gates_what_it_suggests, |db| async move {
    let clinic = TestApp::new(db).await.clinic().await;
    counselling(&clinic).await;
    let person = patient(&clinic).await;
    need(&clinic, &person, json!({ "domain": "stress" })).await;
    let often = ["safety-hurt", "safety-insult", "safety-threaten", "safety-scream"].map(|item| answer(item, "LA6482-9"));
    let screening = screening(&person, "ahc-hrsn-core", "completed", often.to_vec());
    let screened = clinic.post("/v1/screenings?suggest=5", screening).await.expect(201);
    assert_eq!(screened["needs"][0]["label"], "interpersonal-safety");
    assert_eq!(suggested(&screened["suggestions"]), ["Walking Group"]);
    assert_eq!(screened["suggestions"]["is_sensitive"], true);
    let matched = clinic.post(PATH, json!({ "patient_id": person })).await.expect(201);
    assert_eq!((suggested(&matched), &matched["person"]["at_risk_of_violence"]), (vec!["Walking Group"], &json!(true)));
});

on_both!(violence_is_known_though_another_need_is_asked_about, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, program) = (app.clinic().await, app.tenant("Alder Link", OrganizationKind::Program).await);
    counselling(&clinic).await;
    let person = patient(&clinic).await;
    let stress = need(&clinic, &person, json!({ "domain": "stress" })).await;
    let violence = need(&clinic, &person, json!({ "domain": "intimate-partner-violence" })).await;
    let asked = json!({ "patient_id": person, "need_ids": [stress] });
    let matched = clinic.post(PATH, asked.clone()).await;
    let body = matched.expect(201);
    assert_eq!((suggested(&body), &body["is_sensitive"]), (vec!["Walking Group"], &json!(true)));
    // Who does not see the need sends the person nowhere unsafe either, and is not told of it, neither by a match of its own nor by that of
    // another.
    consent(&clinic, &person, &program, &["needs", "contact", "demographics", "referrals"]).await;
    let unseen = program.post(PATH, asked.clone()).await.expect(201);
    assert_eq!((suggested(&unseen), &unseen["person"]["at_risk_of_violence"]), (vec!["Walking Group"], &json!(false)));
    assert_eq!((&unseen["is_sensitive"], &unseen["excluded_counts"]), (&json!(false), &json!([])));
    program.get(&format!("{PATH}/{}", matched.id())).await.expect_problem(404, "not_found");
    // It was a mistake. Nobody is to learn by asking twice that there was something to hide.
    clinic.patch(&format!("/v1/needs/{violence}"), 1, json!({ "verification": "refuted" })).await.expect(200);
    assert_eq!(suggested(&clinic.post(PATH, asked.clone()).await.expect(201)), ["Couples Counselling", "Walking Group"]);
    assert_eq!(suggested(&program.post(PATH, asked).await.expect(201)), ["Walking Group"]);
});

on_both!(the_danger_is_the_same_where_the_person_wants_no_help, |db| async move {
    let clinic = TestApp::new(db).await.clinic().await;
    counselling(&clinic).await;
    for (status, expected) in [("declined", 1), ("met", 1), ("unmet", 1), ("entered_in_error", 2)] {
        let person = patient(&clinic).await;
        need(&clinic, &person, json!({ "domain": "stress" })).await;
        need(&clinic, &person, json!({ "domain": "elder-abuse", "status": status })).await;
        let matched = clinic.post(PATH, json!({ "patient_id": person })).await.expect(201);
        assert_eq!(suggested(&matched).len(), expected, "{status}");
    }
});

on_both!(whoever_does_not_see_the_danger_is_suggested_nothing_unsafe_in_the_place_of_a_service_and_not_told_why, |db| async move {
    let (clinic, agency, _) = crate::referrals::clinic_and_lunch(db).await;
    counselling(&clinic).await;
    let talk = json!({ "name": "Tea and talk", "provider_id": agency.organization_id, "need_domains": [{ "code": "stress" }] });
    let talk = agency.post("/v1/services", talk).await.id();
    let person = patient(&clinic).await;
    let stress = need(&clinic, &person, json!({ "domain": "stress" })).await;
    need(&clinic, &person, json!({ "domain": "intimate-partner-violence" })).await;
    for categories in [json!(["summary"]), json!(["summary", "needs"])] {
        let referral = json!({
            "patient_id": person, "kind": "service", "service_id": talk, "source_type": "family_physician", "need_ids": [stress],
            "consent": { "form": "verbal", "categories": categories },
        });
        let id = clinic.post("/v1/referrals", referral).await.id();
        let read = agency.get(&format!("/v1/referrals/{id}/alternatives")).await.expect(200);
        let rejected = json!({ "status": "rejected", "reason": { "code": "no_capacity" } });
        let rejected = agency.post(&format!("/v1/referrals/{id}/transitions"), rejected).await.expect(201);
        for found in [&read, &rejected["alternatives"]] {
            assert_eq!(suggested(found), ["Walking Group"], "{categories}");
            let text = found.to_string();
            assert!(["unsafe", "joint_sessions", "safe_contact", "violence"].iter().all(|word| !text.contains(word)), "{text}");
        }
    }
});

on_both!(what_is_suggested_in_the_place_of_a_service_is_gated_too, |db| async move {
    let (clinic, agency, service) = crate::referrals::clinic_and_lunch(db).await;
    counselling(&clinic).await;
    let person = patient(&clinic).await;
    let stress = need(&clinic, &person, json!({ "domain": "stress" })).await;
    need(&clinic, &person, json!({ "domain": "intimate-partner-violence" })).await;
    let referral = json!({
        "patient_id": person, "kind": "service", "service_id": service, "source_type": "family_physician", "need_ids": [stress],
        "consent": { "form": "verbal" },
    });
    let id = clinic.post("/v1/referrals", referral).await.id();
    let path = format!("/v1/referrals/{id}/alternatives");
    assert_eq!(suggested(&clinic.get(&path).await.expect(200)), ["Walking Group"]);
    let rejected = json!({ "status": "rejected", "reason": { "code": "no_capacity" } });
    agency.post(&format!("/v1/referrals/{id}/transitions"), rejected).await.expect(201);
    assert_eq!(suggested(&clinic.get(&path).await.expect(200)), ["Walking Group"]);
});
