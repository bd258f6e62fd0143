//! Consents, and the rule of sight that they open and close.

use chrono::Duration;
use kith::auth::Scope;
use kith::organizations::model::OrganizationKind;
use serde_json::{Value, json};

use crate::client::{Caller, TestApp};

const PATH: &str = "/v1/consents";

async fn cast(db: crate::harness::TestDb) -> (TestApp, Caller, Caller, String) {
    let app = TestApp::new(db).await;
    let (clinic, program) = (app.clinic().await, app.tenant("Alder Link", OrganizationKind::Program).await);
    let patient = json!({
        "names": [{ "given": "Marie-Ève", "family": "Tremblay" }],
        "birth_date": "1954-03-18",
        "languages": [{ "language": "fr", "preferred": true }],
        "contact_points": [{ "kind": "phone", "value": "250-861-5555" }],
        "safe_contact": { "no_voicemail": true },
        "equity": { "gender_identity": { "status": "answered", "codes": ["woman"] } },
        "what_matters_to_me": "My garden.",
        "notes": "Between us.",
        "identifiers": [{ "system": "https://emr.example.ca", "value": "A-1" }]
    });
    let patient = clinic.post("/v1/patients", patient).await.id();
    (app, clinic, program, patient)
}

fn consent(patient: &str, grantee: &Caller, purposes: &[&str], categories: &[&str]) -> Value {
    json!({ "patient_id": patient, "grantee_id": grantee.organization_id, "purposes": purposes, "categories": categories, "form": "verbal" })
}

on_both!(a_grant_lets_another_organization_see_what_it_names, |db| async move {
    let (_, clinic, program, patient) = cast(db).await;
    let path = format!("/v1/patients/{patient}");
    program.get(&path).await.expect_problem(404, "not_found");
    clinic.post(PATH, consent(&patient, &program, &["care_coordination"], &["contact"])).await.expect(201);

    let seen = program.get(&path).await.expect(200);
    assert_eq!(seen["names"][0]["family"], "Tremblay");
    assert_eq!((&seen["contact_points"][0]["number"], &seen["safe_contact"]["no_voicemail"]), (&json!("+12508615555"), &json!(true)));
    assert_eq!(
        (&seen["notes"], &seen["what_matters_to_me"], &seen["equity"]["gender_identity"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!(seen["identifiers"], json!([]));
    assert_eq!(seen["withheld"], json!(["demographics", "needs", "screenings", "referrals", "follow_ups", "notes", "sensitive"]));
    assert_eq!(clinic.get(&path).await.expect(200)["withheld"], json!([]));

    let listed = program.get("/v1/patients").await.expect(200);
    assert_eq!((listed["items"][0]["id"].as_str(), &listed["items"][0]["notes"]), (Some(patient.as_str()), &Value::Null));
    let elsewhere = program.get(&format!("/v1/patients?organization_id={}", program.organization_id)).await.expect(200);
    assert_eq!(elsewhere["items"], json!([]));
    program.patch(&path, 1, json!({ "notes": "Mine." })).await.expect_problem(403, "forbidden");
    program.get(&format!("{path}/history")).await.expect_problem(403, "forbidden");
});

on_both!(a_withdrawal_is_effective_at_once, |db| async move {
    let (_, clinic, program, patient) = cast(db).await;
    let created = clinic.post(PATH, consent(&patient, &program, &["care_coordination"], &["summary"])).await;
    assert_eq!(created.expect(201)["status"], "active");
    let (path, consent_path) = (format!("/v1/patients/{patient}"), format!("{PATH}/{}", created.id()));
    program.get(&path).await.expect(200);

    let withdrawn = program.post(&format!("{consent_path}/withdraw"), json!({ "reason": "She asked us to." })).await;
    let body = withdrawn.expect(200);
    assert_eq!((&body["status"], &body["withdrawal_reason"]), (&json!("withdrawn"), &Value::Null), "it reads that it was, and no more");
    assert_eq!((&body["purposes"], &body["form"]), (&json!([]), &Value::Null));
    assert_eq!(clinic.get(&consent_path).await.expect(200)["withdrawal_reason"], "She asked us to.");
    assert_eq!((body["version"].as_i64(), withdrawn.header("etag")), (Some(2), Some("\"2\"")));
    program.get(&path).await.expect_problem(404, "not_found");
    program.get(&format!("{path}/timeline")).await.expect_problem(404, "not_found");
    assert_eq!(program.get("/v1/patients").await.expect(200)["items"], json!([]));

    clinic.post(&format!("{consent_path}/withdraw"), json!({})).await.expect_problem(409, "consent_withdrawn");
    clinic.patch(&consent_path, 2, json!({ "note": "x" })).await.expect_problem(409, "consent_withdrawn");
    let history = clinic.get(&format!("{consent_path}/history")).await.expect(200);
    assert_eq!(history["items"].as_array().unwrap().len(), 2);
});

on_both!(a_consent_holds_between_its_dates, |db| async move {
    let (app, clinic, mut program, patient) = cast(db).await;
    let mut input = consent(&patient, &program, &["care_coordination"], &["summary"]);
    input["valid_from"] = json!("2026-03-03T00:00:00Z");
    input["valid_until"] = json!("2026-03-05T00:00:00+00:00");
    let created = clinic.post(PATH, input).await;
    assert_eq!(created.expect(201)["status"], "future");
    let path = format!("/v1/patients/{patient}");
    program.get(&path).await.expect_problem(404, "not_found");
    for (hours, status) in [(24, 200), (48, 404)] {
        app.clock.advance(Duration::hours(hours));
        program.renew().await;
        program.get(&path).await.expect(status);
    }
    assert_eq!(program.get(&format!("{PATH}/{}", created.id())).await.expect(200)["status"], "expired");
    assert_eq!(program.get(&format!("{PATH}?is_active=true")).await.expect(200)["items"], json!([]));
    assert_eq!(program.get(&format!("{PATH}?is_active=false")).await.expect(200)["items"].as_array().unwrap().len(), 1);
});

on_both!(a_consent_for_referral_alone_opens_no_chart, |db| async move {
    let (_, clinic, program, patient) = cast(db).await;
    clinic.post(PATH, consent(&patient, &program, &["referral", "research"], &["contact"])).await.expect(201);
    program.get(&format!("/v1/patients/{patient}")).await.expect_problem(404, "not_found");
});

on_both!(whoever_takes_part_in_the_care_passes_on_no_more_than_it_sees, |db| async move {
    let (app, clinic, program, patient) = cast(db).await;
    let agency = app.tenant("Food Bank", OrganizationKind::Agency).await;
    let onward = consent(&patient, &agency, &["referral"], &["contact"]);
    assert_eq!(program.post(PATH, onward.clone()).await.faults(422), [("/patient_id".into(), "not_found".into())]);
    clinic.post(PATH, consent(&patient, &program, &["care_coordination"], &["contact"])).await.expect(201);
    let recorded = program.post(PATH, onward).await.expect(201);
    assert_eq!(recorded["organization_id"], json!(clinic.organization_id));
    assert_eq!(recorded["recorder_id"], json!(program.organization_id));
    let more = consent(&patient, &agency, &["referral"], &["notes"]);
    assert_eq!(program.post(PATH, more).await.faults(422), [("/categories".into(), "not_allowed".into())]);

    let of_patient = |caller: Caller| {
        let path = format!("/v1/patients/{patient}/consents");
        async move { caller.get(&path).await.expect(200)["items"].as_array().unwrap().len() }
    };
    assert_eq!((of_patient(clinic.clone()).await, of_patient(program.clone()).await), (2, 2));
    assert_eq!(agency.get(PATH).await.expect(200)["items"].as_array().unwrap().len(), 1);
    agency.get(&format!("/v1/patients/{patient}/consents")).await.expect_problem(404, "not_found");
});

on_both!(the_consents_of_a_patient_are_of_no_other, |db| async move {
    let (_, clinic, program, patient) = cast(db).await;
    let other = clinic.post("/v1/patients", json!({ "names": [{ "family": "Roy" }] })).await.id();
    for whose in [&patient, &other] {
        clinic.post(PATH, consent(whose, &program, &["care_coordination"], &["contact"])).await.expect(201);
    }
    let path = format!("/v1/patients/{patient}/consents");
    let refused = clinic.get(&format!("{path}?patient_id={other}")).await;
    assert_eq!(refused.faults(400), [("patient_id".into(), "unknown_parameter".into())]);
    let page = clinic.get(&format!("{path}?purpose=care_coordination&is_active=true&grantee_id={}", program.organization_id)).await;
    let whose: Vec<Value> = page.expect(200)["items"].as_array().unwrap().iter().map(|one| one["patient_id"].clone()).collect();
    assert_eq!(whose, [json!(patient)]);
});

on_both!(nobody_but_the_manager_records_a_consent_to_themselves, |db| async move {
    let (_, clinic, program, patient) = cast(db).await;
    let created = clinic.post(PATH, consent(&patient, &program, &["care_coordination"], &["contact"])).await.id();
    let lasting = consent(&patient, &program, &["care_coordination"], &["contact"]);
    assert_eq!(program.post(PATH, lasting.clone()).await.faults(422), [("/grantee_id".into(), "not_allowed".into())]);
    clinic.post(&format!("{PATH}/{created}/withdraw"), json!({})).await.expect(200);
    program.get(&format!("/v1/patients/{patient}")).await.expect_problem(404, "not_found");
});

on_both!(a_consent_is_normalised_corrected_and_deleted, |db| async move {
    let (_, clinic, program, patient) = cast(db).await;
    let created = clinic.post(PATH, consent(&patient, &program, &["care_coordination"], &["notes", "contact", "notes"])).await;
    let body = created.expect(201);
    assert_eq!(
        (&body["purposes"], &body["categories"]),
        (&json!(["referral", "care_coordination"]), &json!(["summary", "contact", "notes"]))
    );
    assert_eq!(body["valid_from"], "2026-03-02T17:00:00.000000Z");
    let path = format!("{PATH}/{}", created.id());
    let changed = clinic.patch(&path, 1, json!({ "categories": ["contact"], "note": "By telephone." })).await.expect(200);
    assert_eq!((&changed["categories"], &changed["note"]), (&json!(["summary", "contact"]), &json!("By telephone.")));
    program.patch(&path, 2, json!({ "categories": ["notes"] })).await.expect_problem(403, "forbidden");
    let moved = clinic.patch(&path, 2, json!({ "grantee_id": clinic.organization_id })).await;
    assert_eq!(moved.faults(422), [("/grantee_id".into(), "immutable".into())]);
    clinic.delete(&path, 2).await.expect(204);
    clinic.get(&path).await.expect_problem(410, "gone");
    program.get(&format!("/v1/patients/{patient}")).await.expect_problem(404, "not_found");
});

on_both!(consents_are_refused_where_they_should_be, |db| async move {
    let (app, clinic, program, patient) = cast(db).await;
    let other = app.tenant("Elsewhere", OrganizationKind::Clinic).await;
    let good = consent(&patient, &program, &["referral"], &["summary"]);
    app.stranger().post(PATH, good.clone()).await.expect_problem(401, "unauthenticated");
    clinic.only(&[Scope::PatientsRead]).await.post(PATH, good.clone()).await.expect_problem(403, "insufficient_scope");
    other.post(PATH, good.clone()).await.expect_problem(422, "invalid_request");
    let path = format!("{PATH}/{}", clinic.post(PATH, good.clone()).await.id());
    other.get(&path).await.expect_problem(404, "not_found");
    other.post(&format!("{path}/withdraw"), json!({})).await.expect_problem(404, "not_found");
    other.delete(&path, 1).await.expect_problem(404, "not_found");
    clinic.put_any(&path, good.clone()).await.expect_problem(428, "precondition_required");
    clinic.put(&path, 7, good.clone()).await.expect_problem(412, "version_mismatch");

    let with = |field: &str, value: Value| {
        let mut input = good.clone();
        input[field] = value;
        input
    };
    let nobody = "01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10";
    for (field, value, pointer, code) in [
        ("purposes", json!([]), "/purposes", "too_few"),
        ("form", json!("telepathy"), "/form", "not_allowed"),
        ("grantee_id", json!(clinic.organization_id), "/grantee_id", "not_allowed"),
        ("grantee_id", json!(nobody), "/grantee_id", "not_found"),
        ("patient_id", json!(nobody), "/patient_id", "not_found"),
        ("recorded_by", json!(nobody), "/recorded_by", "not_found"),
        ("given_by", json!("related_person"), "/given_by_name", "required"),
        ("valid_until", json!("2020-01-01T00:00:00Z"), "/valid_until", "not_allowed"),
    ] {
        let answer = clinic.post(PATH, with(field, value)).await;
        assert_eq!(answer.faults(422), [(pointer.into(), code.into())], "{field}");
    }
    let mut nameless = with("given_by", json!("related_person"));
    nameless["given_by_name"] = json!(" ");
    assert_eq!(clinic.post(PATH, nameless).await.faults(422), [("/given_by_name".into(), "required".into())]);
});

on_both!(an_idempotency_key_gives_one_consent, |db| async move {
    let (_, clinic, program, patient) = cast(db).await;
    let input = consent(&patient, &program, &["referral"], &["summary"]);
    let first = clinic.post_once(PATH, "consent-1", input.clone()).await;
    let again = clinic.post_once(PATH, "consent-1", input).await;
    assert_eq!((first.expect(201), first.id()), (again.expect(201), again.id()));
    assert_eq!(clinic.get(PATH).await.expect(200)["items"].as_array().unwrap().len(), 1);
});

on_both!(whom_a_withdrawn_consent_was_given_to_reads_that_it_was_and_nothing_more, |db| async move {
    let (app, clinic, program, patient) = cast(db).await;
    let mut given = consent(&patient, &program, &["care_coordination"], &["contact", "needs"]);
    given["note"] = json!("Not in the evening.");
    given["given_by"] = json!("related_person");
    given["given_by_name"] = json!("Anaïs Tremblay");
    given["valid_until"] = json!("2027-01-01T00:00:00Z");
    let path = format!("{PATH}/{}", clinic.post(PATH, given).await.id());
    assert_eq!(program.get(&path).await.expect(200)["note"], "Not in the evening.");
    clinic.post(&format!("{path}/withdraw"), json!({ "reason": "She does not trust them." })).await.expect(200);

    let bare = |consent: &Value| {
        assert_eq!((&consent["status"], &consent["patient_id"]), (&json!("withdrawn"), &json!(patient)), "{consent}");
        assert_eq!(consent["withdrawn_at"], "2026-03-02T17:00:00.000000Z");
        assert_eq!((&consent["purposes"], &consent["categories"]), (&json!([]), &json!([])));
        let fields = ["withdrawal_reason", "note", "form", "given_by", "given_by_name", "given_by_relationship", "recorded_by"];
        for field in fields.into_iter().chain(["valid_from", "valid_until"]) {
            assert_eq!(consent[field], Value::Null, "{field}");
        }
    };
    bare(&program.get(&path).await.expect(200));
    bare(&program.get(PATH).await.expect(200)["items"][0]);
    app.is_readable().await;
    let feed = program.get("/v1/changes?resource_type=consent").await.expect(200);
    let told: Vec<&Value> = feed["items"].as_array().unwrap().iter().filter(|entry| entry["action"] != "reset").collect();
    assert_eq!(told.len(), 2, "{feed}");
    let history = program.get(&format!("{path}/history")).await.expect(200);
    assert_eq!(history["items"].as_array().unwrap().len(), 2);
    for entry in told.into_iter().chain(history["items"].as_array().unwrap()) {
        bare(&entry["resource"]);
    }

    // Nor is it found by what it was for.
    for purpose in ["care_coordination", "referral", "research"] {
        assert_eq!(program.get(&format!("{PATH}?purpose={purpose}")).await.expect(200)["items"], json!([]), "{purpose}");
    }
    assert_eq!(clinic.get(&format!("{PATH}?purpose=referral")).await.expect(200)["items"].as_array().unwrap().len(), 1);
    assert_eq!(program.get(&format!("{PATH}?is_active=false")).await.expect(200)["items"].as_array().unwrap().len(), 1);

    let whole = clinic.get(&path).await.expect(200);
    assert_eq!((&whole["withdrawal_reason"], &whole["note"]), (&json!("She does not trust them."), &json!("Not in the evening.")));
    assert_eq!(whole["purposes"], json!(["referral", "care_coordination"]));
    let history = clinic.get(&format!("{path}/history")).await.expect(200);
    assert_eq!(history["items"][1]["resource"]["withdrawal_reason"], "She does not trust them.");
});

on_both!(whom_a_deleted_consent_named_reads_that_it_ended_and_nothing_more, |db| async move {
    let (app, clinic, program, patient) = cast(db).await;
    let mut given = consent(&patient, &program, &["care_coordination"], &["contact", "needs"]);
    given["note"] = json!("Not in the evening.");
    given["valid_until"] = json!("2027-01-01T00:00:00Z");
    let path = format!("{PATH}/{}", clinic.post(PATH, given).await.id());
    clinic.patch(&path, 1, json!({ "note": "Not in the morning." })).await.expect(200);
    app.is_readable().await;
    let place = program.get("/v1/changes?resource_type=consent").await.expect(200)["next"].as_str().unwrap().to_owned();
    clinic.delete(&path, 2).await.expect(204);

    program.get(&path).await.expect_problem(410, "gone");
    app.is_readable().await;
    let history = program.get(&format!("{path}/history")).await.expect(200);
    let feed = program.get("/v1/changes?resource_type=consent").await.expect(200);
    let later = program.get(&format!("/v1/changes?resource_type=consent&cursor={place}")).await.expect(200);
    let items =
        |page: &Value| page["items"].as_array().unwrap().iter().filter(|entry| entry["action"] != "reset").cloned().collect::<Vec<_>>();
    assert_eq!((items(&history).len(), items(&feed).len(), items(&later).len()), (3, 3, 1), "{feed}");
    for entry in [items(&history), items(&feed), items(&later)].concat() {
        let shown = &entry["resource"];
        assert_eq!((&shown["status"], &shown["patient_id"]), (&json!("withdrawn"), &json!(patient)), "{entry}");
        assert_eq!((&shown["purposes"], &shown["categories"]), (&json!([]), &json!([])), "{entry}");
        for field in ["note", "form", "given_by", "valid_from", "valid_until", "withdrawal_reason"] {
            assert_eq!(shown[field], Value::Null, "{field}");
        }
    }
    // Whoever wrote it down reads what it said.
    let history = clinic.get(&format!("{path}/history")).await.expect(200);
    let notes: Vec<&Value> = history["items"].as_array().unwrap().iter().map(|entry| &entry["resource"]["note"]).collect();
    assert_eq!(notes, ["Not in the evening.", "Not in the morning.", "Not in the morning."]);
});
