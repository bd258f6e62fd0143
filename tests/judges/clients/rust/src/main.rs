//! The loop through the client that openapi-generator makes for Rust: from a person to an outcome.

use openapi::apis::configuration::Configuration;
use openapi::apis::{consents_api, follow_ups_api, patients_api, referrals_api, services_api};
use serde_json::{Value, json};

async fn login(demo: &Value, role: &str) -> (Configuration, String) {
    let client = demo["clients"].as_array().unwrap().iter().find(|client| client["role"] == role).unwrap();
    let text = |name: &str| client[name].as_str().unwrap().to_owned();
    let base_path = demo["base_url"].as_str().unwrap().to_owned();
    let request = reqwest::Client::new().post(format!("{base_path}/oauth/token")).basic_auth(text("client_id"), Some(text("client_secret")));
    let answer = request.header("content-type", "application/x-www-form-urlencoded").body("grant_type=client_credentials").send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    let token = answer["access_token"].as_str().unwrap().to_owned();
    (Configuration { base_path, oauth_access_token: Some(token), ..Configuration::default() }, text("organization_id"))
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
    let _ = (&services_api::get_service, &follow_ups_api::get_follow_up);
    let service = demo["program_service_id"].as_str().unwrap();
    let wanted = body(json!({
        "patient_id": patient.id, "kind": "navigation", "service_id": service, "source_type": "family_physician",
    }));
    let referral = referrals_api::create_referral(&clinic, wanted, None, None, None).await.unwrap();
    for step in [json!({ "status": "accepted" }), json!({ "status": "completed", "outcome": "need_met" })] {
        referrals_api::create_referral_transition(&program, &referral.id.to_string(), body(step), None, None, None).await.unwrap();
    }
    let outcome = referrals_api::get_referral(&clinic, &referral.id.to_string(), None).await.unwrap();
    assert_eq!(serde_json::to_value(outcome.status).unwrap(), "completed");
    println!("the loop was walked with openapi-generator's Rust client");
}
