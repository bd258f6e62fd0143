//! Needs: recorded, confirmed, met, and seen by those who may.

use kith::auth::Scope;
use serde_json::{Value, json};

use crate::client::{Caller, TestApp};
use crate::screenings::{consent, patient};

const PATH: &str = "/v1/needs";

fn need(patient: &str, domain: &str) -> Value {
    json!({ "patient_id": patient, "domain": domain, "source": "conversation" })
}

async fn record(caller: &Caller, patient: &str, domain: &str) -> String {
    let created = caller.post(PATH, need(patient, domain)).await;
    created.expect(201);
    created.header("location").unwrap().to_owned()
}

fn domains(page: &Value) -> Vec<String> {
    page["items"].as_array().unwrap().iter().map(|need| need["domain"].as_str().unwrap().to_owned()).collect()
}

on_both!(a_need_is_recorded_and_moves_on, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let person = patient(&caller).await;
    let path = record(&caller, &person, "food-insecurity").await;
    let created = caller.get(&path).await.expect(200);
    assert_eq!(
        (&created["is_basic"], &created["is_sensitive"], &created["verification"]),
        (&json!(true), &json!(false), &json!("confirmed"))
    );
    assert_eq!((&created["wants_help"], &created["readiness"], &created["severity"]), (&Value::Null, &Value::Null, &Value::Null));
    let change = json!({ "status": "being_addressed", "wants_help": true, "readiness": "preparation", "severity": "high" });
    let changed = caller.patch(&path, 1, change).await.expect(200);
    assert_eq!((&changed["status"], &changed["readiness"]), (&json!("being_addressed"), &json!("preparation")));
    let listed = caller.get(&format!("/v1/patients/{person}/needs?status=being_addressed&status=met")).await.expect(200);
    assert_eq!(domains(&listed), ["food-insecurity"]);
    caller.patch(&path, 2, json!({ "status": "met" })).await.expect(200);
    let history = caller.get(&format!("{path}/history")).await.expect(200);
    let statuses: Vec<_> = history["items"].as_array().unwrap().iter().map(|revision| revision["resource"]["status"].clone()).collect();
    assert_eq!(statuses, ["active", "being_addressed", "met"]);
    caller.delete(&path, 3).await.expect(204);
    caller.get(&path).await.expect_problem(410, "gone");
});

on_both!(what_was_entered_in_error_stays_so, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let path = record(&caller, &patient(&caller).await, "stress").await;
    caller.patch(&path, 1, json!({ "status": "entered_in_error" })).await.expect(200);
    caller.patch(&path, 2, json!({ "status": "active" })).await.expect_problem(409, "illegal_transition");
});

on_both!(a_patients_needs_are_paged, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let person = patient(&caller).await;
    for domain in ["stress", "social-connection", "x-nature"] {
        record(&caller, &person, domain).await;
    }
    let first = caller.get(&format!("/v1/patients/{person}/needs?limit=2")).await.expect(200);
    let next = first["next"].as_str().unwrap();
    let second = caller.get(&format!("/v1/patients/{person}/needs?limit=2&cursor={next}")).await.expect(200);
    assert_eq!((domains(&first), domains(&second)), (vec!["stress".into(), "social-connection".into()], vec!["x-nature".into()]));
    assert_eq!(second["next"], Value::Null);
    caller.get(&format!("/v1/patients/{person}/needs?domain=stress&cursor={next}")).await.expect_problem(400, "malformed_request");
});

on_both!(a_need_is_synchronised_by_identifier, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let mut body = need(&patient(&caller).await, "stress");
    body["identifiers"] = json!([{ "system": "urn:emr", "value": "n1" }]);
    let path = format!("{PATH}/by-identifier?system=urn:emr&value=n1");
    caller.put_any(&path, body.clone()).await.expect(201);
    body["severity"] = json!("low");
    assert_eq!(caller.put_any(&path, body).await.expect(200)["version"], 2);
});

on_both!(needs_are_seen_by_the_manager_and_by_those_whom_consent_names, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, program) = (app.clinic().await, app.clinic().await);
    let person = patient(&clinic).await;
    let food = record(&clinic, &person, "food-insecurity").await;
    let violence = record(&clinic, &person, "intimate-partner-violence").await;
    let list = format!("/v1/patients/{person}/needs");
    program.get(&food).await.expect_problem(404, "not_found");
    program.get(&list).await.expect_problem(404, "not_found");
    program.post(PATH, need(&person, "stress")).await.expect(422);

    consent(&clinic, &person, &program, &["contact"]).await;
    assert_eq!(domains(&program.get(&list).await.expect(200)), [""; 0]);
    program.get(&food).await.expect_problem(404, "not_found");

    consent(&clinic, &person, &program, &["needs"]).await;
    assert_eq!(domains(&program.get(&list).await.expect(200)), ["food-insecurity"]);
    program.get(&violence).await.expect_problem(404, "not_found");
    program.get(&format!("{violence}/history")).await.expect_problem(404, "not_found");
    program.patch(&food, 1, json!({ "verification": "confirmed", "status": "being_addressed" })).await.expect(200);
    program.delete(&food, 2).await.expect_problem(403, "forbidden");
    let own = record(&program, &person, "stress").await;
    clinic.get(&own).await.expect(200);

    consent(&clinic, &person, &program, &["needs", "sensitive"]).await;
    program.get(&violence).await.expect(200);
});

on_both!(an_organization_lists_the_needs_that_it_recorded, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, other) = (app.clinic().await, app.clinic().await);
    let (one, two) = (patient(&clinic).await, patient(&clinic).await);
    record(&clinic, &one, "food-insecurity").await;
    record(&clinic, &two, "stress").await;
    let met = record(&clinic, &two, "homelessness").await;
    clinic.patch(&met, 1, json!({ "status": "met" })).await.expect(200);
    record(&other, &patient(&other).await, "x-nature").await;
    let list = |query: &str| {
        let (clinic, path) = (clinic.clone(), format!("{PATH}?{query}"));
        async move { domains(&clinic.get(&path).await.expect(200)) }
    };
    assert_eq!(list("").await, ["food-insecurity", "stress", "homelessness"]);
    assert_eq!(list("is_basic=true&status=active").await, ["food-insecurity"]);
    assert_eq!(list("is_basic=false").await, ["stress"]);
    assert_eq!(list("updated_since=2026-03-02T17:00:01Z").await, [""; 0]);
    assert_eq!(list("screening_id=01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10").await, [""; 0]);
});

on_both!(what_was_sensitive_once_stays_so_in_the_history, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, program) = (app.clinic().await, app.clinic().await);
    let person = patient(&clinic).await;
    let path = record(&clinic, &person, "intimate-partner-violence").await;
    clinic.patch(&path, 1, json!({ "domain": "stress" })).await.expect(200);
    consent(&clinic, &person, &program, &["needs"]).await;
    let versions =
        |page: Value| page["items"].as_array().unwrap().iter().map(|revision| revision["version"].as_i64().unwrap()).collect::<Vec<_>>();
    assert_eq!(versions(program.get(&format!("{path}/history")).await.expect(200)), [2]);
    assert_eq!(versions(clinic.get(&format!("{path}/history")).await.expect(200)), [1, 2]);
    consent(&clinic, &person, &program, &["needs", "sensitive"]).await;
    assert_eq!(versions(program.get(&format!("{path}/history")).await.expect(200)), [1, 2]);
});

on_both!(whoever_helps_with_a_sensitive_need_does_not_open_it_to_others, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, program) = (app.clinic().await, app.clinic().await);
    let person = patient(&clinic).await;
    let violence = record(&clinic, &person, "intimate-partner-violence").await;
    let mut private = need(&person, "stress");
    private["treat_as_sensitive"] = json!(true);
    let told = clinic.post(PATH, private.clone()).await.header("location").unwrap().to_owned();
    consent(&clinic, &person, &program, &["needs", "sensitive"]).await;
    let open = || json!({ "treat_as_sensitive": false });
    program.patch(&told, 1, open()).await.expect_problem(403, "forbidden");
    program.patch(&violence, 1, json!({ "domain": "stress" })).await.expect_problem(403, "forbidden");
    program.patch(&told, 1, json!({ "status": "being_addressed" })).await.expect(200);
    let own = program.post(PATH, private).await.header("location").unwrap().to_owned();
    for (caller, path, version) in [(&clinic, &told, 2), (&program, &own, 1), (&clinic, &violence, 1)] {
        let change = if path == &violence { json!({ "domain": "stress" }) } else { open() };
        assert_eq!(caller.patch(path, version, change).await.expect(200)["is_sensitive"], false);
    }
});

on_both!(the_keys_of_a_need_are_its_recorders_alone, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, program) = (app.clinic().await, app.clinic().await);
    let person = patient(&clinic).await;
    let mut body = need(&person, "stress");
    body["identifiers"] = json!([{ "system": "urn:emr", "value": "n1" }]);
    let created = clinic.post(PATH, body.clone()).await;
    let path = created.header("location").unwrap().to_owned();
    consent(&clinic, &person, &program, &["needs"]).await;
    let lost = program.put(&path, 1, need(&person, "stress")).await;
    assert_eq!(lost.faults(422), [("/identifiers".into(), "not_allowed".into())]);
    body["severity"] = json!("low");
    assert_eq!(program.put(&path, 1, body).await.expect(200)["severity"], "low");
});

on_both!(a_need_names_no_screening_that_its_recorder_does_not_see, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, program) = (app.clinic().await, app.clinic().await);
    let person = patient(&clinic).await;
    let screening = json!({ "patient_id": person, "instrument": "phq-2" });
    let screening = clinic.post("/v1/screenings", screening).await.id();
    consent(&clinic, &person, &program, &["needs"]).await;
    let mut body = need(&person, "stress");
    body["screening_id"] = json!(screening);
    assert_eq!(program.post(PATH, body.clone()).await.faults(422), [("/screening_id".into(), "not_found".into())]);
    clinic.post(PATH, body).await.expect(201);
});

on_both!(faults_of_a_need_are_told, |db| async move {
    let app = TestApp::new(db).await;
    let caller = app.clinic().await;
    let person = patient(&caller).await;
    assert_eq!(caller.post(PATH, need(&person, "hunger")).await.faults(422), [("/domain".into(), "unknown_domain".into())]);
    let answer = caller.post(PATH, json!({ "domain": "Stress!", "readiness": "eager", "mood": 1 })).await;
    let codes: Vec<_> = answer.faults(422).into_iter().map(|(pointer, _)| pointer).collect();
    assert_eq!(codes, ["/domain", "/mood", "/patient_id", "/readiness"]);
    let nobody = need("01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10", "stress");
    assert_eq!(caller.post(PATH, nobody).await.faults(422), [("/patient_id".into(), "not_found".into())]);
    let mut unknown = need(&person, "stress");
    unknown["screening_id"] = json!("01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10");
    assert_eq!(caller.post(PATH, unknown).await.faults(422), [("/screening_id".into(), "not_found".into())]);
    let mut early = need(&person, "stress");
    early["onset_on"] = json!("2026-03-04");
    assert_eq!(caller.post(PATH, early).await.faults(422), [("/onset_on".into(), "out_of_range".into())]);
    let path = record(&caller, &person, "stress").await;
    let other = patient(&caller).await;
    assert_eq!(caller.put(&path, 1, need(&other, "stress")).await.faults(422), [("/patient_id".into(), "immutable".into())]);
    caller.patch(&path, 9, json!({})).await.expect_problem(412, "version_mismatch");
    caller.only(&[Scope::PatientsRead]).await.patch(&path, 1, json!({})).await.expect_problem(403, "insufficient_scope");
    app.stranger().get(&path).await.expect_problem(401, "unauthenticated");
    caller.get(&format!("{PATH}/not-an-id")).await.expect_problem(400, "malformed_request");
});

on_both!(the_domains_are_listed_in_both_languages, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let page = caller.get("/v1/need-domains").await.expect(200);
    let food = page["items"].as_array().unwrap().iter().find(|domain| domain["code"] == "food-insecurity").unwrap().clone();
    assert_eq!(
        food,
        json!({ "code": "food-insecurity", "name": { "en": "Food", "fr": "Alimentation" }, "is_basic": true, "is_sensitive": false })
    );
    assert_eq!((&page["next"], caller.get("/v1/need-domains?limit=200").await.expect(200)), (&Value::Null, page.clone()));
    let (mut walked, mut cursor) = (Vec::new(), String::new());
    loop {
        let piece = caller.get(&format!("/v1/need-domains?limit=7{cursor}")).await;
        walked.extend(piece.expect(200)["items"].as_array().unwrap().clone());
        assert_eq!(piece.header("link").is_some(), piece.json()["next"].is_string());
        match piece.json()["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(page["items"], json!(walked));
    caller.get("/v1/need-domains?cursor=spoiled").await.expect_problem(400, "malformed_request");
});
