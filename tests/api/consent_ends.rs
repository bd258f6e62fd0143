//! What an organization that was sent a referral reads of it, and may do in it, once the patient lets it in no longer.

use chrono::Duration;
use diesel::{RunQueryDsl, sql_query};
use kith::auth::repository::set_active;
use kith::db::DbConn;
use serde_json::{Value, json};

use crate::bulk::exported;
use crate::client::{Answer, Caller};
use crate::referrals::{Town, step};

fn path(id: &str) -> String {
    format!("/v1/referrals/{id}")
}

/// Takes back every consent of the patient that stands.
pub async fn withdraw_all(town: &Town, patient: &str) {
    let consents = town.clinic.get(&format!("/v1/patients/{patient}/consents")).await.expect(200);
    for consent in consents["items"].as_array().unwrap().iter().filter(|consent| consent["status"] == "active") {
        let path = format!("/v1/consents/{}/withdraw", consent["id"].as_str().unwrap());
        town.clinic.post(&path, json!({})).await.expect(200);
    }
    town.app.clock.advance(Duration::seconds(1));
}

pub fn consent(patient: &str, grantee: &Caller, purpose: &str, categories: &[&str]) -> Value {
    json!({ "patient_id": patient, "grantee_id": grantee.organization_id, "purposes": [purpose], "categories": categories, "form": "written" })
}

pub async fn give(town: &Town, consent: Value) {
    town.app.clock.advance(Duration::seconds(1));
    town.clinic.post("/v1/consents", consent).await.expect(201);
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
    let service = town.agency.make("/v1/services", json!({ "name": "Lunch Club" })).await;
    let mut referral = town.navigation(patient);
    referral["source_text"] = json!("Her daughter.");
    referral["offered"] = json!([{ "service_id": service, "decision": "declined", "reason": "Too far." }]);
    referral["consent"] = json!({ "form": "verbal", "given_by": "related_person", "given_by_name": "Anaïs Tremblay",
        "given_by_relationship": "daughter", "note": "Not in the evening." });
    town.clinic.make("/v1/referrals", referral).await
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

on_both!(a_consent_with_a_step_that_sends_nothing_is_refused_and_not_lost, |db| async move {
    let town = Town::new(db).await;
    let id = town.sent(&town.patient().await).await;
    let draft = town.clinic.post("/v1/referrals?draft=true", town.navigation(&town.patient().await)).await.id();
    for (caller, id, status) in [(&town.clinic, &id, "requested"), (&town.program, &id, "accepted"), (&town.clinic, &draft, "cancelled")] {
        let reason = if status == "cancelled" { json!({ "code": "person_declined" }) } else { json!({}) };
        let given = json!({ "status": status, "reason": reason, "consent": { "form": "verbal" } });
        assert_eq!(step(caller, id, given).await.faults(422), [("/consent".into(), "not_allowed".into())], "{status}");
    }
});

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
    let own = town.program.make("/v1/referrals", onward).await;
    withdraw_all(&town, &patient).await;
    let read = town.program.get(&path(&own)).await.expect(200);
    assert_eq!((&read["patient"], &read["reason"]), (&Value::Null, &json!("Heard in the waiting room.")));
});

on_both!(of_a_patient_who_was_deleted_the_performer_reads_nothing_that_was_written_and_is_warned, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let id = told(&town, &patient).await;
    assert_eq!(of_the_person(&town.program.get(&path(&id)).await.expect(200)), written());
    town.app.clock.advance(Duration::seconds(1));
    town.clinic.delete(&format!("/v1/patients/{patient}"), 1).await.expect(204);
    for read in read(&town.program, &id).await {
        assert_eq!(of_the_person(&read), hidden(), "{read}");
    }
    for read in read(&town.clinic, &id).await {
        assert_eq!(of_the_person(&read), written(), "{read}");
    }
    for caller in [&town.program, &town.clinic] {
        let warned = caller.get(&path(&id)).await.expect(200);
        assert_eq!((&warned["patient"], &warned["warnings"][0]["code"]), (&Value::Null, &json!("consent_ended")));
    }
    step(&town.program, &id, json!({ "status": "accepted" })).await.expect_problem(409, "consent_ended");
    let onward = json!({ "patient_id": patient, "kind": "navigation", "performer_organization_id": town.agency.organization_id,
        "source_type": "link_worker", "parent_id": id });
    let onward = town.program.post("/v1/referrals", onward).await;
    assert_eq!(onward.faults(422), [("/patient_id".into(), "not_found".into())]);
});

on_both!(what_a_draft_says_of_a_consent_does_not_outlive_that_it_is_taken_back, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let mut drafts = Vec::new();
    for number in 0..4 {
        let mut draft = town.navigation(&patient);
        draft["identifiers"] = json!([{ "system": "urn:example:emr", "value": number.to_string() }]);
        drafts.push(town.clinic.make("/v1/referrals?draft=true", draft).await);
    }
    let send = || json!({ "status": "requested" });
    let standing = async |town: &Town| {
        let consents = town.clinic.get(&format!("/v1/patients/{patient}/consents?is_active=true")).await.expect(200);
        consents["items"].as_array().unwrap().len()
    };
    // A consent to somebody else that is taken back is none to the program.
    give(&town, consent(&patient, &town.agency, "care_coordination", &["summary"])).await;
    withdraw_all(&town, &patient).await;
    step(&town.clinic, &drafts[0], send()).await.expect(201);
    assert_eq!(standing(&town).await, 1);
    town.app.clock.advance(Duration::seconds(1));
    withdraw_all(&town, &patient).await;

    step(&town.clinic, &drafts[1], send()).await.expect_problem(409, "draft_outdated");
    let mut whole = town.navigation(&patient);
    whole["identifiers"] = json!([{ "system": "urn:example:emr", "value": "1" }]);
    let line = json!({ "type": "referral", "draft": false, "resource": whole });
    let job = crate::bulk::load(&town.clinic, crate::bulk::text(&[line])).await;
    let told = crate::bulk::results(&town.clinic, &job).await;
    assert_eq!(told[0]["problem"]["code"], "draft_outdated", "{told:#?}");
    assert_eq!(standing(&town).await, 0, "nobody has agreed to anything since");
    assert_eq!(town.clinic.get(&path(&drafts[1])).await.expect(200)["status"], "draft");
    // Neither what is said now nor what was written since is of before. The same words once more are no other consent.
    let given = json!({ "status": "requested", "consent": { "form": "verbal" } });
    step(&town.clinic, &drafts[1], given).await.expect(201);
    withdraw_all(&town, &patient).await;
    town.clinic.put(&path(&drafts[2]), 1, town.navigation(&patient)).await.expect(200);
    step(&town.clinic, &drafts[2], send()).await.expect_problem(409, "draft_outdated");
    town.clinic.patch(&path(&drafts[2]), 2, json!({ "consent": { "form": "written" } })).await.expect(200);
    step(&town.clinic, &drafts[2], send()).await.expect(201);
    assert_eq!(standing(&town).await, 1);

    // Without a word of consent in it, a draft needs one that stands, whatever was before.
    town.clinic.patch(&path(&drafts[3]), 1, json!({ "consent": null })).await.expect(200);
    withdraw_all(&town, &patient).await;
    give(&town, consent(&patient, &town.program, "referral", &["summary"])).await;
    step(&town.clinic, &drafts[3], send()).await.expect(201);

    // One that was never given is no more than one that was taken back.
    let other = town.patient().await;
    let draft = town.clinic.make("/v1/referrals?draft=true", town.navigation(&other)).await;
    town.app.clock.advance(Duration::seconds(1));
    let mistaken = town.clinic.make("/v1/consents", consent(&other, &town.program, "referral", &["summary"])).await;
    town.clinic.delete(&format!("/v1/consents/{mistaken}"), 1).await.expect(204);
    step(&town.clinic, &draft, send()).await.expect_problem(409, "draft_outdated");
});

on_both!(a_consent_in_a_draft_is_as_old_as_its_words_whatever_changes_or_moves_the_draft, |db| async move {
    let town = Town::new(db).await;
    let service = json!({ "name": "Garden Group", "provider_id": town.program.organization_id });
    let [kept, twice] = [town.agency.make("/v1/services", service.clone()).await, town.agency.make("/v1/services", service).await];
    let mut drafts = Vec::new();
    for number in 0..3 {
        let patient = town.patient().await;
        let mut draft = town.navigation(&patient);
        if number == 2 {
            draft = json!({ "patient_id": patient, "kind": "service", "service_id": twice, "source_type": "family_physician",
                "consent": { "form": "verbal" } });
        }
        drafts.push((town.clinic.make("/v1/referrals?draft=true", draft).await, patient));
    }
    for (_, patient) in &drafts {
        give(&town, consent(patient, &town.program, "referral", &["summary"])).await;
        withdraw_all(&town, patient).await;
    }
    town.clinic.patch(&path(&drafts[0].0), 1, json!({ "priority": "urgent" })).await.expect(200);
    let survivor = town.patient().await;
    town.clinic.post(&format!("/v1/patients/{survivor}/merge"), json!({ "duplicate_id": drafts[1].1 })).await.expect(200);
    town.agency.post(&format!("/v1/services/{kept}/merge"), json!({ "duplicate_id": twice })).await.expect(200);
    for (draft, _) in &drafts {
        assert_eq!(town.clinic.get(&path(draft)).await.expect(200)["version"], 2, "it was changed since");
        step(&town.clinic, draft, json!({ "status": "requested" })).await.expect_problem(409, "draft_outdated");
    }
    let moved = town.clinic.get(&path(&drafts[1].0)).await.expect(200);
    assert_eq!((&moved["patient_id"], &moved["status"]), (&json!(survivor), &json!("draft")));
});

on_both!(a_consent_in_a_draft_is_for_the_patient_and_the_performer_whom_it_was_said_of, |db| async move {
    let town = Town::new(db).await;
    let (patient, other) = (town.patient().await, town.patient().await);
    let service = |name: &str, provider: &Caller| json!({ "name": name, "provider_id": provider.organization_id });
    let bank = town.agency.make("/v1/services", service("Food Bank", &town.agency)).await;
    let shelter = town.program.make("/v1/services", service("Shelter", &town.program)).await;
    let draft = json!({ "patient_id": patient, "kind": "service", "service_id": bank, "source_type": "family_physician",
        "consent": { "form": "verbal" } });
    let send = || json!({ "status": "requested" });
    let repeated = json!({ "service_id": shelter, "consent": { "form": "verbal" } });
    for change in [json!({ "service_id": shelter }), json!({ "patient_id": other }), repeated] {
        let id = town.clinic.make("/v1/referrals?draft=true", draft.clone()).await;
        let changed = town.clinic.patch(&path(&id), 1, change.clone()).await.expect(200);
        assert_eq!(changed["consent"], Value::Null, "{change}");
        let refused = step(&town.clinic, &id, send()).await.faults(422);
        assert_eq!(refused, [("/consent".into(), "consent_required".into())], "{change}");
    }
    for person in [&patient, &other] {
        let consents = town.clinic.get(&format!("/v1/patients/{person}/consents")).await.expect(200);
        assert_eq!(consents["items"], json!([]), "nobody has agreed to anything");
    }

    // One that is said with the change is of whom it names then; what changes neither leaves it.
    for change in [json!({ "service_id": shelter, "consent": { "form": "written" } }), json!({ "priority": "urgent" })] {
        let id = town.clinic.make("/v1/referrals?draft=true", draft.clone()).await;
        town.clinic.patch(&path(&id), 1, change).await.expect(200);
        step(&town.clinic, &id, send()).await.expect(201);
    }
    let consents = town.clinic.get(&format!("/v1/patients/{patient}/consents")).await.expect(200);
    let mut given: Vec<(&str, &str)> = Vec::new();
    for consent in consents["items"].as_array().unwrap() {
        given.push((consent["grantee_id"].as_str().unwrap(), consent["form"].as_str().unwrap()));
    }
    given.sort_by_key(|(_, form)| *form);
    let (agency, program) = (town.agency.organization_id.to_string(), town.program.organization_id.to_string());
    assert_eq!(given, [(agency.as_str(), "verbal"), (program.as_str(), "written")]);
});

on_both!(a_draft_is_sent_by_the_consent_that_was_given_since_and_not_by_its_own, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let mut whole = town.navigation(&patient);
    whole["identifiers"] = json!([{ "system": "urn:example:emr", "value": "1" }]);
    let mut drafts = Vec::new();
    for draft in [whole.clone(), town.navigation(&patient)] {
        drafts.push(town.clinic.make("/v1/referrals?draft=true", draft).await);
    }
    for _ in 0..2 {
        withdraw_all(&town, &patient).await;
        give(&town, consent(&patient, &town.program, "referral", &["summary"])).await;
    }
    let line = json!({ "type": "referral", "draft": false, "resource": whole });
    crate::bulk::load(&town.clinic, crate::bulk::text(&[line])).await;
    assert_eq!(town.clinic.get(&path(&drafts[0])).await.expect(200)["status"], "requested");
    step(&town.clinic, &drafts[1], json!({ "status": "requested" })).await.expect(201);
    let consents = town.clinic.get(&format!("/v1/patients/{patient}/consents?is_active=true")).await.expect(200);
    let standing: Vec<&Value> = consents["items"].as_array().unwrap().iter().map(|consent| &consent["categories"]).collect();
    assert_eq!(standing, [&json!(["summary"])], "no more than they agree to now");
});

on_both!(nobody_takes_on_a_person_whose_consent_has_ended_and_all_can_be_reported, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let [waiting, held, refused, accepted, done] =
        [town.sent(&patient).await, town.sent(&patient).await, town.sent(&patient).await, town.accepted(&patient).await, {
            let id = town.accepted(&patient).await;
            step(&town.program, &id, json!({ "status": "in_progress" })).await.expect(201);
            id
        }];
    withdraw_all(&town, &patient).await;
    let ended = async |id: &str, status: &str| {
        step(&town.program, id, json!({ "status": status })).await.expect_problem(409, "consent_ended");
    };
    let on_hold = || json!({ "status": "on_hold", "reason": { "code": "missing_information" } });
    ended(&waiting, "accepted").await;
    step(&town.program, &waiting, json!({ "status": "received" })).await.expect(201);
    ended(&waiting, "accepted").await;
    step(&town.program, &waiting, json!({ "status": "in_progress" })).await.expect_problem(409, "illegal_transition");
    for (id, back) in [(&held, "received"), (&accepted, "accepted"), (&done, "in_progress")] {
        if back == "received" {
            step(&town.program, id, json!({ "status": "received" })).await.expect(201);
        }
        if back == "accepted" {
            ended(id, "in_progress").await;
        }
        step(&town.program, id, on_hold()).await.expect(201);
        ended(id, "accepted").await;
        ended(id, "in_progress").await;
    }
    step(&town.program, &held, json!({ "status": "received" })).await.expect(201);
    step(&town.program, &held, json!({ "status": "cancelled", "reason": { "code": "person_declined" } })).await.expect(201);
    step(&town.program, &refused, json!({ "status": "rejected", "reason": { "code": "person_declined" } })).await.expect(201);
    step(&town.program, &accepted, json!({ "status": "failed", "reason": { "code": "unable_to_contact" } })).await.expect(201);
    step(&town.program, &done, json!({ "status": "completed", "outcome": "attended" })).await.expect(201);
    let message = json!({ "text": "She asks us not to call." });
    town.program.post(&format!("{}/messages", path(&waiting)), message).await.expect(201);
    let warned = town.clinic.get(&path(&waiting)).await.expect(200);
    assert_eq!(warned["warnings"][0]["code"], "consent_ended");

    give(&town, consent(&patient, &town.program, "referral", &["summary"])).await;
    step(&town.program, &waiting, json!({ "status": "accepted" })).await.expect(201);
    withdraw_all(&town, &patient).await;
    step(&town.program, &waiting, json!({ "status": "accepted", "note": "Nobody has called." })).await.expect(201);
    // A patient who was deleted is seen by nobody.
    let other = town.patient().await;
    let own = json!({ "patient_id": other, "kind": "navigation", "performer_organization_id": town.clinic.organization_id,
        "source_type": "family_physician" });
    let own = town.clinic.make("/v1/referrals", own).await;
    step(&town.clinic, &own, json!({ "status": "accepted" })).await.expect(201);
    town.clinic.delete(&format!("/v1/patients/{other}"), 1).await.expect(204);
    step(&town.clinic, &own, json!({ "status": "in_progress" })).await.expect_problem(409, "consent_ended");
});

on_both!(the_performers_consent_counts_whoever_speaks_for_it, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let mut body = town.navigation(&patient);
    body["performer_organization_id"] = json!(town.agency.organization_id);
    let id = town.clinic.make("/v1/referrals", body).await;
    let (client, now) = (town.agency.client_id, town.app.clock.now());
    town.app.state.db.write(move |conn| set_active(conn, client, false, now)).await.unwrap();
    withdraw_all(&town, &patient).await;
    step(&town.clinic, &id, json!({ "status": "accepted" })).await.expect_problem(409, "consent_ended");
    step(&town.clinic, &id, json!({ "status": "received", "note": "Told by telephone." })).await.expect(201);
    give(&town, consent(&patient, &town.agency, "referral", &["summary"])).await;
    step(&town.clinic, &id, json!({ "status": "accepted" })).await.expect(201);

    // A program that asks itself is let in by a consent as any other.
    give(&town, consent(&patient, &town.program, "care_coordination", &["needs"])).await;
    let own = json!({ "patient_id": patient, "kind": "navigation", "performer_organization_id": town.program.organization_id,
        "source_type": "link_worker" });
    let own = town.program.make("/v1/referrals", own).await;
    town.app.clock.advance(Duration::seconds(1));
    assert_eq!(town.program.get(&path(&own)).await.expect(200)["warnings"], json!([]));
    withdraw_all(&town, &patient).await;
    let read = town.program.get(&path(&own)).await.expect(200);
    assert_eq!((&read["patient"], &read["warnings"][0]["code"]), (&Value::Null, &json!("consent_ended")));
    step(&town.program, &own, json!({ "status": "accepted" })).await.expect_problem(409, "consent_ended");
});

/// A referral to a service of the program, accepted.
async fn to_the_service(town: &Town, patient: &str, service: &str) -> String {
    let referral = json!({ "patient_id": patient, "kind": "service", "service_id": service, "source_type": "family_physician",
        "consent": { "form": "verbal" } });
    let id = town.clinic.make("/v1/referrals", referral).await;
    step(&town.program, &id, json!({ "status": "accepted" })).await.expect(201);
    id
}

on_both!(nobody_waits_or_takes_a_place_where_the_consent_has_ended, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let service = json!({ "name": "Garden Group", "provider_id": town.program.organization_id });
    let service = town.program.make("/v1/services", service).await;
    let list = format!("/v1/services/{service}/waitlist-entries");
    let mut entries = Vec::new();
    for _ in 0..2 {
        let referral = to_the_service(&town, &patient, &service).await;
        let entry = town.program.make(&list, json!({ "referral_id": referral })).await;
        entries.push((format!("{list}/{entry}"), referral));
    }
    let late = to_the_service(&town, &patient, &service).await;
    let places = json!({ "status": "waitlist", "unit": "place", "available": 1 });
    town.program.put_any(&format!("/v1/services/{service}/capacity"), places).await.expect(200);
    withdraw_all(&town, &patient).await;
    town.program.post(&list, json!({ "referral_id": late })).await.expect_problem(409, "consent_ended");
    let (offered, referral) = &entries[0];
    for caller in [&town.program, &town.clinic] {
        caller.post(&format!("{offered}/accept"), json!({})).await.expect_problem(409, "consent_ended");
    }
    assert_eq!(town.clinic.get(offered).await.expect(200)["status"], "waiting", "the offer has ended with the consent");
    town.program.post(&format!("{offered}/decline"), json!({})).await.expect_problem(409, "no_offer");
    for (entry, _) in &entries {
        town.program.post(&format!("{entry}/leave"), json!({})).await.expect(200);
    }
    assert_eq!(town.clinic.get(&path(referral)).await.expect(200)["status"], "accepted", "it stands where it stood");
});

on_both!(nobody_is_expected_where_the_consent_has_ended_and_whoever_came_has_come, |db| async move {
    let mut town = Town::new(db).await;
    let patient = town.patient().await;
    let worker = town.program.make("/v1/practitioners", json!({ "name": "Harpreet", "roles": ["link_worker"] })).await;
    let mut slots = Vec::new();
    for hour in 17..21 {
        let slot = json!({ "practitioner_id": worker, "starts_at": format!("2026-03-10T{hour}:00:00Z"),
            "ends_at": format!("2026-03-10T{hour}:30:00Z"), "places": 9 });
        slots.push(town.program.make("/v1/slots", slot).await);
    }
    let referral = town.accepted(&patient).await;
    let booking = |slot: usize| json!({ "patient_id": patient, "slot_id": slots[slot], "referral_id": referral });
    let appointment = |id: &str| format!("/v1/appointments/{id}");
    let booked = town.program.make("/v1/appointments", booking(0)).await;
    let called_off = town.program.make("/v1/appointments", booking(1)).await;
    let held = town.clinic.make("/v1/appointments?hold_minutes=30", booking(2)).await;
    withdraw_all(&town, &patient).await;
    let act = async |id: &str, what: &str, body: Value| -> Answer { town.program.post(&format!("{}/{what}", appointment(id)), body).await };
    for path in ["/v1/appointments", "/v1/appointments?hold_minutes=30"] {
        for caller in [&town.program, &town.clinic] {
            caller.post(path, booking(3)).await.expect_problem(409, "consent_ended");
        }
    }
    act(&held, "confirm", json!({})).await.expect_problem(409, "consent_ended");
    act(&booked, "reschedule", json!({ "slot_id": slots[3] })).await.expect_problem(409, "consent_ended");
    act(&called_off, "cancel", json!({ "by": "patient", "reason": "unwell" })).await.expect(200);
    act(&held, "cancel", json!({ "by": "patient", "reason": "unwell" })).await.expect(200);
    town.app.clock.advance(Duration::days(9));
    town.program.renew().await;
    town.clinic.renew().await;
    let came = town.program.post(&format!("{}/conclude", appointment(&booked)), json!({ "status": "attended" })).await.expect(200);
    assert_eq!(came["status"], "attended");
    let stands = town.clinic.get(&path(&referral)).await.expect(200);
    assert_eq!((&stands["status"], &stands["business_status"]), (&json!("accepted"), &json!("booked")), "nobody is taken on by it");
    let first = town.program.get(&format!("/v1/follow-ups?referral_id={referral}&status=completed")).await.expect(200);
    assert_eq!(first["items"][0]["purpose"], "first_contact", "and it was the first contact");
});

on_both!(no_follow_up_is_planned_by_hand_where_the_consent_has_ended_and_what_was_heard_is_told, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let (tried, heard) = (town.accepted(&patient).await, town.accepted(&patient).await);
    let open = async |referral: &str| -> String {
        let page = town.program.get(&format!("/v1/follow-ups?referral_id={referral}&status=open")).await.expect(200);
        format!("/v1/follow-ups/{}", page["items"][0]["id"].as_str().unwrap())
    };
    withdraw_all(&town, &patient).await;
    let planned = json!({ "patient_id": patient, "referral_id": tried, "purpose": "check_in", "due_on": "2026-03-10" });
    town.program.post("/v1/follow-ups", planned.clone()).await.expect_problem(409, "consent_ended");
    town.clinic.post("/v1/follow-ups", planned).await.expect(201);
    let reached = json!({ "mode": "phone", "outcome": "reached" });
    let reached = town.program.post(&format!("{}/attempts", open(&tried).await), reached).await.expect(201);
    assert_eq!(reached["follow_up"]["status"], "completed");
    let complete = format!("{}/complete", open(&heard).await);
    town.program.post(&complete, json!({ "next_due_on": "2026-03-20" })).await.expect_problem(409, "consent_ended");
    town.program.post(&complete, json!({ "change": "better" })).await.expect(200);
    let asked = json!({ "patient_id": patient, "referral_id": heard, "purpose": "check_in", "due_on": "2026-03-10" });
    let asked = town.clinic.make("/v1/follow-ups", asked).await;
    let asked = town.clinic.post(&format!("/v1/follow-ups/{asked}/complete"), json!({})).await.expect(200);
    assert_eq!(asked["next_follow_up_id"], Value::Null, "nor for whoever sees the person all the same");
    for id in [&tried, &heard] {
        assert_eq!(town.clinic.get(&path(id)).await.expect(200)["status"], "accepted", "nobody is taken on by it");
        let open = town.clinic.get(&format!("/v1/follow-ups?referral_id={id}&status=open")).await.expect(200);
        assert!(
            open["items"].as_array().unwrap().iter().all(|item| item["organization_id"] == json!(town.clinic.organization_id)),
            "{open}"
        );
    }

    // Whoever referred goes on no longer either, once it sees the person no more, whomever the performer sees.
    let other = town.patient().await;
    give(&town, consent(&other, &town.program, "care_coordination", &["summary", "referrals", "follow_ups"])).await;
    let mut onward = town.navigation(&other);
    onward["performer_organization_id"] = json!(town.agency.organization_id);
    onward["consent"] = json!({ "form": "verbal", "categories": ["summary"] });
    let onward = town.program.make("/v1/referrals", onward).await;
    step(&town.agency, &onward, json!({ "status": "accepted" })).await.expect(201);
    let mut open = Vec::new();
    for _ in 0..2 {
        let check_in = json!({ "patient_id": other, "referral_id": onward, "purpose": "check_in", "due_on": "2026-03-10" });
        open.push(town.program.make("/v1/follow-ups", check_in).await);
    }
    withdraw_all(&town, &other).await;
    give(&town, consent(&other, &town.agency, "referral", &["summary"])).await;
    for id in open {
        let done = town.program.post(&format!("/v1/follow-ups/{id}/complete"), json!({})).await.expect(200);
        assert_eq!(done["next_follow_up_id"], Value::Null, "{done}");
    }
});

on_both!(what_is_planned_tells_no_more_of_the_person_than_its_organization_sees, |db| async move {
    let town = Town::new(db).await;
    let next_after_the_first = async |patient: &str, categories: Value| -> Value {
        let mut referral = town.navigation(patient);
        referral["consent"]["categories"] = categories;
        let referral = town.clinic.make("/v1/referrals", referral).await;
        step(&town.program, &referral, json!({ "status": "accepted" })).await.expect(201);
        let open = format!("/v1/follow-ups?referral_id={referral}&status=open");
        let first = town.program.get(&open).await.expect(200)["items"][0].clone();
        assert_eq!(first["channel"], "phone", "how they wish to be reached is of who they are");
        let complete = format!("/v1/follow-ups/{}/complete", first["id"].as_str().unwrap());
        town.program.post(&complete, json!({})).await.expect(200);
        town.program.get(&open).await.expect(200)["items"][0]["due_on"].clone()
    };
    let mut patients = Vec::new();
    for _ in 0..2 {
        let person = json!({ "names": [{ "family": "Tremblay" }], "preferred_modes": ["phone"] });
        let patient = town.clinic.make("/v1/patients", person).await;
        town.clinic.put_any(&format!("/v1/patients/{patient}/need-level"), json!({ "level": "high" })).await.expect(200);
        patients.push(patient);
    }
    assert_eq!(next_after_the_first(&patients[0], json!(["needs"])).await, "2026-03-09");
    assert_eq!(next_after_the_first(&patients[1], json!(["contact"])).await, "2026-03-16", "as for somebody whose level is not known");

    // Whoever speaks for a performer plans as it sees the person itself.
    let patient = &patients[0];
    give(&town, consent(patient, &town.program, "care_coordination", &["contact"])).await;
    give(&town, consent(patient, &town.agency, "referral", &["contact"])).await;
    let onward = json!({ "patient_id": patient, "kind": "navigation", "performer_organization_id": town.agency.organization_id,
        "source_type": "link_worker" });
    let onward = town.program.make("/v1/referrals", onward).await;
    let (client, now) = (town.agency.client_id, town.app.clock.now());
    town.app.state.db.write(move |conn| set_active(conn, client, false, now)).await.unwrap();
    withdraw_all(&town, patient).await;
    give(&town, consent(patient, &town.agency, "referral", &["contact"])).await;
    step(&town.program, &onward, json!({ "status": "accepted" })).await.expect(201);
    let first = town.program.get(&format!("/v1/follow-ups?referral_id={onward}")).await.expect(200)["items"][0].clone();
    assert_eq!((&first["organization_id"], &first["channel"]), (&json!(town.program.organization_id), &json!("in_person")));
});
