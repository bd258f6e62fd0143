//! What a referral shows of the patient and may name: what they agreed to, and while they do.

use serde_json::{Value, json};

use super::{Town, fault, ids, path, step};

on_both!(a_referral_needs_the_patients_consent_and_shows_no_more_than_it_covers, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let mut bare = town.navigation(&patient);
    bare["consent"] = Value::Null;
    assert_eq!(town.clinic.post("/v1/referrals", bare.clone()).await.faults(422), fault("/consent", "consent_required"));
    let draft = town.clinic.post("/v1/referrals?draft=true", bare.clone()).await;
    draft.expect(201);
    town.program.get(&path(&draft.id())).await.expect_problem(404, "not_found");
    assert_eq!(step(&town.clinic, &draft.id(), json!({ "status": "requested" })).await.faults(422), fault("/consent", "consent_required"));
    let given = json!({ "form": "verbal", "given_by": "related_person", "categories": ["summary"] });
    let nameless = step(&town.clinic, &draft.id(), json!({ "status": "requested", "consent": given })).await;
    assert_eq!(nameless.faults(422), fault("/consent/given_by_name", "required"));
    let given = json!({ "form": "verbal", "categories": ["summary"] });
    step(&town.clinic, &draft.id(), json!({ "status": "requested", "consent": given })).await.expect(201);

    let seen = town.program.get(&path(&draft.id())).await.expect(200);
    assert!(seen["patient"]["withheld"].as_array().unwrap().contains(&json!("contact")));
    assert_eq!(seen["patient"]["contact_points"], json!([]));
    town.program.get(&format!("/v1/patients/{patient}")).await.expect_problem(404, "not_found");
    town.clinic.post("/v1/referrals", bare).await.expect(201);

    let consents = town.clinic.get(&format!("/v1/consents?patient_id={patient}")).await.expect(200);
    let consent = consents["items"][0]["id"].as_str().unwrap().to_owned();
    town.clinic.post(&format!("/v1/consents/{consent}/withdraw"), json!({})).await.expect(200);
    assert_eq!(town.program.get(&path(&draft.id())).await.expect(200)["patient"], Value::Null);
});

on_both!(what_a_referral_names_must_exist_for_the_caller, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let nobody = "01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10";
    let mut body = town.navigation(&patient);
    body["performer_organization_id"] = json!(nobody);
    body["parent_id"] = json!(nobody);
    body["requester_practitioner_id"] = json!(nobody);
    body["performer_practitioner_id"] = json!(nobody);
    body["need_ids"] = json!([nobody]);
    body["screening_id"] = json!(nobody);
    body["match_id"] = json!(nobody);
    let faults = town.clinic.post("/v1/referrals", body).await.faults(422);
    let pointers: Vec<&str> = faults
        .iter()
        .map(|(pointer, code)| {
            assert_eq!(code, "not_found");
            pointer.as_str()
        })
        .collect();
    let expected = [
        "/match_id",
        "/need_ids/0",
        "/parent_id",
        "/performer_organization_id",
        "/performer_practitioner_id",
        "/requester_practitioner_id",
        "/screening_id",
    ];
    assert_eq!(pointers, expected);
    let foreign = town.agency.post("/v1/referrals", town.navigation(&patient)).await;
    assert_eq!(foreign.faults(422), fault("/patient_id", "not_found"));
    let service = json!({ "patient_id": patient, "kind": "service", "source_type": "family_physician" });
    assert_eq!(town.clinic.post("/v1/referrals", service).await.faults(422), fault("/service_id", "required"));
    let program = json!({ "patient_id": patient, "kind": "navigation", "source_type": "self_referral" });
    assert_eq!(town.clinic.post("/v1/referrals", program).await.faults(422), fault("/performer_organization_id", "required"));
    town.clinic.get("/v1/referrals?overdue=perhaps").await.expect_problem(400, "malformed_request");
    town.clinic.get(&path(nobody)).await.expect_problem(404, "not_found");
});

on_both!(whoever_was_asked_to_help_refers_on_while_it_helps_and_the_consent_stands, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let to_agency = json!({
        "patient_id": patient, "grantee_id": town.agency.organization_id, "purposes": ["referral"], "categories": ["summary"],
        "form": "verbal",
    });
    town.clinic.post("/v1/consents", to_agency).await.expect(201);
    let onward = |parent: &str| {
        json!({
            "patient_id": patient, "kind": "navigation", "performer_organization_id": town.agency.organization_id,
            "parent_id": parent, "source_type": "link_worker",
        })
    };
    let need = town.clinic.post("/v1/needs", json!({ "patient_id": patient, "domain": "food-insecurity" })).await.id();
    let mut navigation = town.navigation(&patient);
    navigation["need_ids"] = json!([need]);
    let first = town.clinic.post("/v1/referrals", navigation).await.id();
    let mut serving = onward(&first);
    serving["need_ids"] = json!([need]);
    town.program.post("/v1/referrals", serving).await.expect(201);
    let draft = town.program.post("/v1/referrals?draft=true", onward(&first)).await.id();

    let rejected = town.sent(&patient).await;
    step(&town.program, &rejected, json!({ "status": "rejected", "reason": { "code": "no_capacity" } })).await.expect(201);
    assert_eq!(town.program.post("/v1/referrals", onward(&rejected)).await.faults(422), fault("/patient_id", "not_found"));

    let consents = town.clinic.get(&format!("/v1/consents?patient_id={patient}&grantee_id={}", town.program.organization_id)).await;
    for consent in ids(&consents.expect(200)) {
        town.clinic.post(&format!("/v1/consents/{consent}/withdraw"), json!({})).await.expect(200);
    }
    assert_eq!(town.program.post("/v1/referrals", onward(&first)).await.faults(422), fault("/patient_id", "not_found"));
    step(&town.program, &draft, json!({ "status": "requested" })).await.expect_problem(409, "draft_outdated");
    town.app.clock.advance(chrono::Duration::seconds(1));
    let left = town.clinic.get(&path(&first)).await.expect(200);
    assert_eq!(left["warnings"][0]["code"], "consent_ended");
    assert_eq!(town.program.get(&path(&first)).await.expect(200)["patient"], Value::Null);
});

on_both!(a_consent_that_ran_out_before_the_sending_is_none, |db| async move {
    let mut town = Town::new(db).await;
    let patient = town.patient().await;
    let mut body = town.navigation(&patient);
    body["consent"] = json!({ "form": "verbal", "valid_until": "2026-03-03T17:00:00Z" });
    let given = town.clinic.post("/v1/referrals?draft=true", body.clone()).await.id();
    body["consent"] = Value::Null;
    let standing = json!({
        "patient_id": patient, "grantee_id": town.program.organization_id, "purposes": ["referral"], "categories": ["contact"],
        "form": "verbal", "valid_until": "2026-03-03T17:00:00Z",
    });
    town.clinic.post("/v1/consents", standing).await.expect(201);
    let relied = town.clinic.post("/v1/referrals?draft=true", body.clone()).await.id();
    let sent = town.clinic.post("/v1/referrals", body).await.id();
    assert_eq!(town.program.get(&path(&sent)).await.expect(200)["patient"]["names"][0]["given"], "Anaïs");
    town.app.clock.advance(chrono::Duration::days(1));
    town.clinic.renew().await;
    town.program.renew().await;
    assert_eq!(
        step(&town.clinic, &given, json!({ "status": "requested" })).await.faults(422),
        fault("/consent/valid_until", "not_allowed")
    );
    assert_eq!(step(&town.clinic, &relied, json!({ "status": "requested" })).await.faults(422), fault("/consent", "consent_required"));
    assert_eq!(town.program.get(&path(&sent)).await.expect(200)["patient"], Value::Null);
    step(&town.program, &sent, json!({ "status": "accepted" })).await.expect_problem(409, "consent_ended");
});

on_both!(what_is_hidden_from_the_requester_cannot_be_named, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let grant = json!({
        "patient_id": patient, "grantee_id": town.program.organization_id, "purposes": ["care_coordination"], "categories": ["contact"],
        "form": "written",
    });
    town.clinic.post("/v1/consents", grant).await.expect(201);
    let need = town.clinic.post("/v1/needs", json!({ "patient_id": patient, "domain": "food-insecurity" })).await.id();
    let matched = town.clinic.post("/v1/matches", json!({ "patient_id": patient })).await.id();
    let answers = json!([{ "link_id": "lonely", "codes": ["often-always"] }]);
    let screening = json!({ "patient_id": patient, "instrument": "ons-loneliness-direct", "status": "completed", "answers": answers });
    let screening = town.clinic.post("/v1/screenings", screening).await.id();
    let body = json!({
        "patient_id": patient, "kind": "navigation", "performer_organization_id": town.agency.organization_id,
        "source_type": "link_worker", "consent": { "form": "verbal" },
        "need_ids": [need], "match_id": matched, "screening_id": screening,
    });
    let faults = town.program.post("/v1/referrals", body.clone()).await.faults(422);
    let pointers: Vec<&str> = faults.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(pointers, ["/match_id", "/need_ids/0", "/screening_id"]);
    town.clinic.post("/v1/referrals", body).await.expect(201);
});

on_both!(a_patient_who_was_deleted_is_not_shown_in_their_referrals, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let id = town.sent(&patient).await;
    let draft = town.clinic.post("/v1/referrals?draft=true", town.navigation(&patient)).await.id();
    town.clinic.delete(&format!("/v1/patients/{patient}"), 1).await.expect(204);
    for caller in [&town.program, &town.clinic] {
        assert_eq!(caller.get(&path(&id)).await.expect(200)["patient"], Value::Null);
    }
    step(&town.clinic, &draft, json!({ "status": "requested" })).await.expect_problem(409, "draft_outdated");
});
