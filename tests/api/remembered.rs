//! What matching remembers of a patient's referrals, and that nobody is referred to one service twice unawares.

use std::collections::BTreeMap;

use chrono::Duration;
use kith::auth::Scope;
use serde_json::{Value, json};

use crate::client::Caller;
use crate::referrals::{Town, step};

/// A service of the agency against hunger.
async fn service(town: &Town, name: &str) -> String {
    let body = json!({ "name": name, "provider_id": town.agency.organization_id, "need_domains": [{ "code": "food-insecurity" }] });
    town.agency.post("/v1/services", body).await.id()
}

/// A patient of the clinic who is short of food.
async fn hungry(town: &Town) -> String {
    let patient = town.patient().await;
    town.clinic.post("/v1/needs", json!({ "patient_id": patient, "domain": "food-insecurity" })).await.expect(201);
    patient
}

/// A referral of the patient to a service, as it is answered.
async fn refer(caller: &Caller, patient: &str, service: &str, offered: Value) -> Value {
    let body = json!({
        "patient_id": patient, "kind": "service", "service_id": service, "source_type": "family_physician", "offered": offered,
        "consent": { "form": "verbal", "categories": ["summary"] },
    });
    caller.post("/v1/referrals", body).await.expect(201)
}

/// The names of what is suggested.
fn suggested(found: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = found["results"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    names
}

async fn matched(caller: &Caller, patient: &str) -> Value {
    caller.post("/v1/matches", json!({ "patient_id": patient, "include_excluded": true })).await.expect(201)
}

on_both!(what_is_asked_or_was_refused_is_not_suggested_again, |db| async move {
    let mut town = Town::new(db).await;
    let (lunch, pantry) = (service(&town, "Lunch").await, service(&town, "Pantry").await);
    service(&town, "Kitchen").await;
    let patient = hungry(&town).await;
    assert_eq!(suggested(&matched(&town.clinic, &patient).await), ["Kitchen", "Lunch", "Pantry"]);

    let declined = json!([{ "service_id": pantry, "decision": "declined", "reason": "Too far." }]);
    let referral = refer(&town.clinic, &patient, &lunch, declined).await["id"].as_str().unwrap().to_owned();
    let why = |found: &Value| -> BTreeMap<String, String> {
        let excluded = found["excluded"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        excluded.map(|one| (text(&one["name"]), text(&one["reasons"][0]["code"]))).collect()
    };
    let reasons = |lunch: &str| [("Lunch", lunch), ("Pantry", "refused_by_person")].map(|(name, code)| (name.to_owned(), code.to_owned()));
    let found = matched(&town.clinic, &patient).await;
    assert_eq!((suggested(&found), why(&found)), (vec!["Kitchen"], reasons("already_referred").into()));
    let others = town.clinic.get(&format!("/v1/referrals/{referral}/alternatives")).await.expect(200);
    assert_eq!(suggested(&others), ["Kitchen"]);
    let without_referrals = town.clinic.only(&[Scope::PatientsRead, Scope::ServicesRead]).await;
    assert_eq!(suggested(&matched(&without_referrals, &patient).await).len(), 3, "who reads no referrals is not told of them");

    let rejected = json!({ "status": "rejected", "reason": { "code": "not_eligible" } });
    step(&town.agency, &referral, rejected).await.expect(201);
    let found = matched(&town.clinic, &patient).await;
    assert_eq!((suggested(&found), why(&found)), (vec!["Kitchen"], reasons("refused_by_provider").into()));

    // What was full may have room, and a year later people think otherwise.
    let other = hungry(&town).await;
    let referral = refer(&town.clinic, &other, &lunch, json!([])).await["id"].as_str().unwrap().to_owned();
    step(&town.agency, &referral, json!({ "status": "rejected", "reason": { "code": "no_capacity" } })).await.expect(201);
    assert_eq!(suggested(&matched(&town.clinic, &other).await).len(), 3);
    town.app.clock.advance(Duration::days(366));
    town.clinic.renew().await;
    assert_eq!(suggested(&matched(&town.clinic, &patient).await).len(), 3);
});

on_both!(a_need_for_which_somebody_has_been_asked_is_not_counted_as_unmet, |db| async move {
    let town = Town::new(db).await;
    let lunch = service(&town, "Lunch").await;
    let patient = hungry(&town).await;
    let referral = refer(&town.clinic, &patient, &lunch, json!([])).await["id"].as_str().unwrap().to_owned();
    let unmet = async || town.clinic.get("/v1/unmet-needs").await.expect(200)["items"].as_array().unwrap().clone();
    let found = matched(&town.clinic, &patient).await;
    assert_eq!((&found["outcome"], &found["unanswered"][0]["is_referred"]), (&json!("nothing_suitable"), &json!(true)));
    assert_eq!(unmet().await, Vec::<Value>::new());
    step(&town.agency, &referral, json!({ "status": "rejected", "reason": { "code": "out_of_scope" } })).await.expect(201);
    assert_eq!(matched(&town.clinic, &patient).await["unanswered"][0]["is_referred"], false);
    let unmet = unmet().await;
    assert_eq!((unmet.len(), &unmet[0]["reasons"]), (1, &json!(["refused"])));
});

on_both!(a_second_open_referral_to_one_service_warns_whoever_sees_both, |db| async move {
    let town = Town::new(db).await;
    let lunch = service(&town, "Lunch").await;
    let patient = town.patient().await;
    let codes = |referral: &Value| -> Vec<String> {
        let warnings = referral["warnings"].as_array().unwrap().iter();
        warnings.map(|warning| warning["code"].as_str().unwrap().to_owned()).collect()
    };
    let path = |referral: &Value| format!("/v1/referrals/{}", referral["id"].as_str().unwrap());
    let first = refer(&town.clinic, &patient, &lunch, json!([])).await;
    assert_eq!(codes(&first), Vec::<String>::new());
    crate::screenings::consent(&town.clinic, &patient, &town.program, &["needs"]).await;
    let second = refer(&town.program, &patient, &lunch, json!([])).await;
    assert_eq!(codes(&second), Vec::<String>::new(), "the program does not see the clinic's");
    for caller in [&town.clinic, &town.agency] {
        for referral in [&first, &second] {
            assert_eq!(codes(&caller.get(&path(referral)).await.expect(200)), ["already_referred"]);
        }
    }
    let third = refer(&town.clinic, &patient, &lunch, json!([])).await;
    assert_eq!(codes(&third), ["already_referred"]);
    for referral in [&first, &second] {
        let rejected = json!({ "status": "rejected", "reason": { "code": "other", "text": "Asked twice." } });
        step(&town.agency, referral["id"].as_str().unwrap(), rejected).await.expect(201);
    }
    assert_eq!(codes(&town.clinic.get(&path(&third)).await.expect(200)), Vec::<String>::new());
});
