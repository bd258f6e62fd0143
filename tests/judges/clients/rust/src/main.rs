//! The loop through the client that openapi-generator makes for Rust: from a person to an outcome.

use openapi::apis::configuration::Configuration;
use openapi::apis::{consents_api, follow_ups_api, patients_api, referrals_api, services_api, tokens_api};
use serde_json::{Value, json};

async fn login(demo: &Value, role: &str) -> (Configuration, String) {
    let client = demo["clients"].as_array().unwrap().iter().find(|client| client["role"] == role).unwrap();
    let text = |name: &str| client[name].as_str().unwrap();
    let stranger = Configuration { base_path: demo["base_url"].as_str().unwrap().to_owned(), ..Configuration::default() };
    let token = tokens_api::create_token(&stranger, "client_credentials", None, Some(text("client_id")), Some(text("client_secret")));
    let token = token.await.unwrap().access_token;
    (Configuration { oauth_access_token: Some(token), ..stranger }, text("organization_id").to_owned())
}

fn body<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let file = std::env::args().nth(1).unwrap();
    let demo: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let (clinic, _) = login(&demo, "clinic").await;
    let (program, program_id) = login(&demo, "link_worker_program").await;

    let person = body(json!({ "names": [{ "given": "Alma", "family": "Ruiz" }], "birth_date": "1951-05-02" }));
    let patient = patients_api::create_patient(&clinic, person, None, None).await.unwrap();
    let consent = body(json!({
        "patient_id": patient.id, "grantee_id": program_id, "purposes": ["referral", "care_coordination"],
        "categories": ["summary", "referrals", "follow_ups"], "form": "verbal",
    }));
    consents_api::create_consent(&clinic, consent, None, None).await.unwrap();
    let query = body(json!({ "q": "social prescribing", "kind": ["program"] }));
    let found = services_api::search_services(&clinic, query).await.unwrap();
    let wanted = body(json!({
        "patient_id": patient.id, "kind": "navigation", "service_id": found.items[0].id, "source_type": "family_physician",
    }));
    let referral = referrals_api::create_referral(&clinic, wanted, None, None, None).await.unwrap().id.to_string();
    let accepted = body(json!({ "status": "accepted" }));
    referrals_api::create_referral_transition(&program, &referral, accepted, None, None, None).await.unwrap();
    let open = Some(vec!["open".to_owned()]);
    let due = follow_ups_api::list_follow_ups(&program, None, None, Some(&referral), None, open, None, None, None, None, None, None, None).await.unwrap();
    let result = body(json!({ "utilisation": "regular", "attended": true, "change": "better", "need_met": "yes" }));
    follow_ups_api::complete_follow_up(&program, &due.items[0].id.to_string(), None, None, None, result).await.unwrap();
    let completed = body(json!({ "status": "completed", "outcome": "need_met" }));
    referrals_api::create_referral_transition(&program, &referral, completed, None, None, None).await.unwrap();
    let outcome = serde_json::to_value(referrals_api::get_referral(&clinic, &referral).await.unwrap()).unwrap();
    assert_eq!((&outcome["status"], &outcome["outcome"]), (&json!("completed"), &json!("need_met")));
    println!("the loop was walked with openapi-generator's Rust client");
}
