//! Lines that send a referral.

use chrono::Duration;
use kith::organizations::model::OrganizationKind;
use serde_json::{Value, json};

use super::{counts, key, load, patient, results, text};
use crate::client::TestApp;

/// A referral to the food bank of another organization, of which nobody but the line's writer knows yet.
fn sending(value: &str, more: Value) -> Value {
    let mut referral = json!({ "patient_id": key("p-1"), "kind": "service", "service_id": key("s-1"), "source_type": "family_physician",
        "consent": { "form": "verbal" }, "identifiers": [key(value)] });
    referral.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "type": "referral", "draft": false, "resource": referral })
}

on_both!(a_line_sends_a_referral_as_the_single_call_does_and_once, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    let agency = app.tenant("Alder Falls Lunch Club", OrganizationKind::Agency).await;
    let service = json!({ "name": "Lunch", "kind": "program", "provider_id": agency.organization_id, "identifiers": [key("s-1")] });
    load(&clinic, text(&[patient("p-1", "Tremblay"), json!({ "type": "service", "resource": service })])).await;
    let lines = [sending("r-1", json!({}))];
    let job = load(&clinic, text(&lines)).await;
    let told = results(&clinic, &job).await;
    assert_eq!(told[0]["outcome"], "created", "{told:#?}");
    let id = told[0]["id"].as_str().unwrap().to_owned();
    // Just as the single call answers it.
    let patient_id = clinic.get(&format!("/v1/referrals/{id}")).await.expect(200)["patient_id"].clone();
    let mut same = lines[0]["resource"].clone();
    (same["patient_id"], same["identifiers"]) = (patient_id, json!([]));
    same["service_id"] = clinic.get(&format!("/v1/referrals/{id}")).await.expect(200)["service_id"].clone();
    let single = clinic.post("/v1/referrals", same).await.id();
    let shown = |id: String| {
        let agency = agency.clone();
        async move {
            let mut shown = agency.get(&format!("/v1/referrals/{id}")).await.expect(200);
            for field in ["id", "identifiers", "created_at", "updated_at", "status_at", "requested_at"] {
                shown.as_object_mut().unwrap().remove(field);
            }
            shown
        }
    };
    let by_line = shown(id.clone()).await;
    assert_eq!((by_line["status"].as_str(), by_line["patient"]["names"].is_array()), (Some("requested"), true), "{by_line:#}");
    assert!(by_line["acknowledge_by"].is_string());
    assert_eq!(by_line, shown(single).await);
    let steps = agency.get(&format!("/v1/referrals/{id}/transitions")).await.expect(200);
    assert_eq!((steps["items"].as_array().unwrap().len(), &steps["items"][0]["to"]), (1, &json!("requested")), "{steps:#}");
    let consents = clinic.get("/v1/consents").await.expect(200)["items"].as_array().unwrap().len();
    // Sent again, before and after it was answered, it is the one that is there.
    assert_eq!(counts(&load(&clinic, text(&lines)).await), [0, 0, 1, 0]);
    for answer in [json!({ "status": "accepted" }), json!({ "status": "completed", "outcome": "attended" })] {
        agency.post(&format!("/v1/referrals/{id}/transitions"), answer).await.expect(201);
        assert_eq!(counts(&load(&clinic, text(&lines)).await), [0, 0, 1, 0]);
    }
    assert_eq!(clinic.get("/v1/consents").await.expect(200)["items"].as_array().unwrap().len(), consents);
    app.is_readable().await;
    let feed = agency.get("/v1/changes?limit=200&resource_type=referral").await.expect(200);
    let versions = feed["items"].as_array().unwrap().iter().filter(|entry| entry["resource_id"] == *id);
    assert_eq!(versions.map(|entry| entry["version"].as_i64().unwrap()).collect::<Vec<_>>(), [1, 2, 3]);
});

on_both!(a_draft_that_was_loaded_is_sent_by_a_later_line_and_what_cannot_be_sent_is_refused_whole, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    let agency = app.tenant("Alder Falls Lunch Club", OrganizationKind::Agency).await;
    let service = json!({ "name": "Lunch", "kind": "program", "provider_id": agency.organization_id, "identifiers": [key("s-1")] });
    load(&clinic, text(&[patient("p-1", "Tremblay"), json!({ "type": "service", "resource": service })])).await;
    let mut draft = sending("r-1", json!({}));
    draft.as_object_mut().unwrap().remove("draft");
    let job = load(&clinic, text(&[draft.clone()])).await;
    let path = format!("/v1/referrals/{}", results(&clinic, &job).await[0]["id"].as_str().unwrap());
    assert_eq!(clinic.get(&path).await.expect(200)["status"], "draft");
    agency.get(&path).await.expect_problem(404, "not_found");
    let lines = [
        sending("r-1", json!({ "reason": "Lives alone." })),
        sending("r-2", json!({ "consent": null, "reason": "Nobody has asked." })),
        json!({ "type": "patient", "draft": false, "resource": { "names": [{ "family": "Singh" }] } }),
        json!({ "type": "referral", "draft": 1, "resource": draft["resource"] }),
    ];
    app.clock.advance(Duration::minutes(1));
    let job = load(&clinic, text(&lines)).await;
    let told = results(&clinic, &job).await;
    assert_eq!(counts(&job), [1, 1, 0, 2], "{told:#?}");
    let sent = agency.get(&path).await.expect(200);
    assert_eq!((&sent["status"], &sent["reason"]), (&json!("requested"), &json!("Lives alone.")));
    assert_eq!(told[1]["outcome"], "created", "the consent to the first covers the second: {told:#?}");
    assert_eq!(told[2]["problem"]["errors"][0]["pointer"], "/draft");
    assert_eq!(told[3]["problem"]["errors"][0]["pointer"], "/draft");
    // Without a draft a line of one that was sent is a change of it, as ever.
    draft["resource"]["reason"] = json!("Lives alone, and is glad of company.");
    assert_eq!(counts(&load(&clinic, text(&[draft])).await), [0, 1, 0, 0]);
    assert_eq!(agency.get(&path).await.expect(200)["status"], "requested");
    // Who has not consented is not sent, and leaves no draft behind.
    let other = [patient("p-2", "Singh"), sending("r-3", json!({ "patient_id": key("p-2"), "consent": null }))];
    let job = load(&clinic, text(&other)).await;
    let told = results(&clinic, &job).await;
    assert_eq!(told[1]["problem"]["errors"][0]["code"], "consent_required", "{told:#?}");
    assert_eq!(clinic.get("/v1/referrals").await.expect(200)["items"].as_array().unwrap().len(), 2);
});
