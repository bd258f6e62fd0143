//! What an organization that was sent a referral reads of it, and may do in it, once the patient lets it in no longer.

use chrono::Duration;
use diesel::{RunQueryDsl, sql_query};
use kith::db::DbConn;
use serde_json::{Value, json};

use crate::bulk::exported;
use crate::client::Caller;
use crate::referrals::{Town, step};

fn path(id: &str) -> String {
    format!("/v1/referrals/{id}")
}

/// Takes back every consent of the patient that stands.
async fn withdraw_all(town: &Town, patient: &str) {
    let consents = town.clinic.get(&format!("/v1/patients/{patient}/consents")).await.expect(200);
    for consent in consents["items"].as_array().unwrap().iter().filter(|consent| consent["status"] == "active") {
        let path = format!("/v1/consents/{}/withdraw", consent["id"].as_str().unwrap());
        town.clinic.post(&path, json!({})).await.expect(200);
    }
    town.app.clock.advance(Duration::seconds(1));
}

fn consent(patient: &str, grantee: &Caller, purpose: &str, categories: &[&str]) -> Value {
    json!({ "patient_id": patient, "grantee_id": grantee.organization_id, "purposes": [purpose], "categories": categories, "form": "written" })
}

async fn give(town: &Town, consent: Value) {
    town.app.clock.advance(Duration::seconds(1));
    town.clinic.post("/v1/consents", consent).await.expect(201);
}

async fn make(caller: &Caller, path: &str, body: Value) -> String {
    let made = caller.post(path, body).await;
    made.expect(201);
    made.id()
}

/// A referral as every way of reading it shows it to somebody.
async fn read(caller: &Caller, id: &str) -> Vec<Value> {
    caller.app.is_readable().await;
    let items = async |path: String| caller.get(&path).await.expect(200)["items"].as_array().unwrap().clone();
    let mut read = vec![caller.get(&path(id)).await.expect(200)];
    read.extend(items("/v1/referrals".to_owned()).await);
    read.extend(items(format!("{}/history", path(id))).await.into_iter().map(|item| item["resource"].clone()));
    read.extend(items("/v1/changes?resource_type=referral&limit=200".to_owned()).await.into_iter().map(|item| item["resource"].clone()));
    read.retain(|read| read["id"] == id);
    read.extend(exported(caller).await.into_iter().filter(|line| line["id"] == id).map(|line| {
        let mut whole = line["read_only"].clone();
        whole.as_object_mut().unwrap().extend(line["resource"].as_object().unwrap().clone());
        whole
    }));
    assert!(read.len() >= 5, "{read:#?}");
    read
}

/// A referral in which all is said of the person that can be, and how they agreed.
async fn told(town: &Town, patient: &str) -> String {
    let service = make(&town.agency, "/v1/services", json!({ "name": "Lunch Club" })).await;
    let mut referral = town.navigation(patient);
    referral["source_text"] = json!("Her daughter.");
    referral["offered"] = json!([{ "service_id": service, "decision": "declined", "reason": "Too far." }]);
    referral["consent"] = json!({ "form": "verbal", "given_by": "related_person", "given_by_name": "Anaïs Tremblay",
        "given_by_relationship": "daughter", "note": "Not in the evening." });
    make(&town.clinic, "/v1/referrals", referral).await
}

/// What is written of the person.
fn of_the_person(referral: &Value) -> [Value; 4] {
    ["/reason", "/source_text", "/plain_language_purpose", "/offered/0/reason"].map(|pointer| referral.pointer(pointer).unwrap().clone())
}

fn written() -> [Value; 4] {
    let purpose = json!([{ "language": "en", "text": "Someone will call you this week." }]);
    [json!("Lives alone since spring; would like company."), json!("Her daughter."), purpose, json!("Too far.")]
}

fn hidden() -> [Value; 4] {
    [Value::Null, Value::Null, json!([]), Value::Null]
}

on_both!(the_consent_that_came_with_a_referral_is_read_among_the_consents_and_nowhere_else, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let id = told(&town, &patient).await;
    give(&town, consent(&patient, &town.agency, "care_coordination", &["referrals"])).await;
    for caller in [&town.clinic, &town.program, &town.agency] {
        for read in read(caller, &id).await {
            assert_eq!(read["consent"], Value::Null, "{read}");
        }
    }
    let given = town.program.get("/v1/consents").await.expect(200)["items"][0].clone();
    assert_eq!((&given["given_by_name"], &given["note"]), (&json!("Anaïs Tremblay"), &json!("Not in the evening.")));

    // A draft keeps it until it is sent; what is sent holds none, whatever is written over it.
    let draft = town.clinic.post("/v1/referrals?draft=true", town.navigation(&patient)).await;
    assert_eq!(draft.expect(201)["consent"]["form"], "verbal");
    step(&town.clinic, &draft.id(), json!({ "status": "requested" })).await.expect(201);
    assert_eq!(town.clinic.get(&path(&draft.id())).await.expect(200)["consent"], Value::Null);
    let again = town.clinic.put(&path(&draft.id()), 2, town.navigation(&patient)).await.expect(200);
    assert_eq!(again["consent"], Value::Null);

    // One that was written before a consent left what it came with.
    let early = town.app.state.db.write(move |conn| {
        let (form, of) = (r#"{"form":"verbal","note":"Not in the evening."}"#, "resource_type = 'referral'");
        match conn {
            DbConn::Sqlite(conn) => {
                sql_query(format!("UPDATE referrals SET content = json_set(content, '$.consent', json('{form}'))")).execute(conn)?;
                sql_query(format!("UPDATE changes SET body = json_set(body, '$.consent', json('{form}')) WHERE {of}")).execute(conn)?;
            }
            DbConn::Pg(conn) => {
                sql_query(format!("UPDATE referrals SET content = jsonb_set(content, '{{consent}}', '{form}')")).execute(conn)?;
                sql_query(format!("UPDATE changes SET body = jsonb_set(body, '{{consent}}', '{form}') WHERE {of}")).execute(conn)?;
            }
        }
        Ok(())
    });
    early.await.unwrap();
    for caller in [&town.program, &town.agency] {
        for read in read(caller, &id).await {
            assert_eq!((&read["consent"], &read["priority"]), (&Value::Null, &json!("routine")), "{read}");
        }
    }
    assert_eq!(town.clinic.get(&path(&id)).await.expect(200)["consent"], Value::Null);
});

on_both!(what_is_written_of_a_person_is_read_by_whom_they_let_in, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let id = told(&town, &patient).await;
    give(&town, consent(&patient, &town.agency, "care_coordination", &["referrals"])).await;
    let is_shown = async |caller: &Caller, expected: [Value; 4], why: &str| {
        for read in read(caller, &id).await {
            assert_eq!(of_the_person(&read), expected, "{why}: {read}");
            assert_eq!((&read["patient_id"], &read["chosen_by"]), (&json!(patient), &json!("person")), "{why}: {read}");
        }
    };
    for caller in [&town.clinic, &town.program, &town.agency] {
        is_shown(caller, written(), "all are let in").await;
    }
    withdraw_all(&town, &patient).await;
    is_shown(&town.program, hidden(), "the program was asked, and is let in no longer").await;
    is_shown(&town.clinic, written(), "the clinic wrote it").await;
    town.agency.get(&path(&id)).await.expect_problem(404, "not_found");
    let offer = town.program.get(&path(&id)).await.expect(200)["offered"][0].clone();
    assert_eq!(offer["decision"], "declined", "what was asked for stays");

    give(&town, consent(&patient, &town.program, "referral", &["summary"])).await;
    is_shown(&town.program, written(), "it is let in again").await;
    withdraw_all(&town, &patient).await;
    is_shown(&town.program, hidden(), "and shut out").await;
    give(&town, consent(&patient, &town.program, "care_coordination", &["contact"])).await;
    is_shown(&town.program, written(), "who takes part in the care sees the person").await;

    // What somebody wrote itself it reads, whomever it sees.
    let onward = json!({ "patient_id": patient, "kind": "navigation", "performer_organization_id": town.program.organization_id,
        "source_type": "link_worker", "reason": "Heard in the waiting room." });
    let own = make(&town.program, "/v1/referrals", onward).await;
    withdraw_all(&town, &patient).await;
    let read = town.program.get(&path(&own)).await.expect(200);
    assert_eq!((&read["patient"], &read["reason"]), (&Value::Null, &json!("Heard in the waiting room.")));
});
