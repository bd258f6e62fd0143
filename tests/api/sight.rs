//! What is hidden is not told by what is shown: not by an empty list, a cursor, a count or a version.

use actix_web::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Duration;
use diesel::connection::SimpleConnection as _;
use serde_json::{Value, json};

use crate::client::{Answer, Caller, TestApp};
use crate::harness::{FIRST_IDS, LAST_IDS, many_rows, numbered_id};
use crate::referrals::Town;
use crate::screenings::{consent, patient};

/// A clinic, and another organization that takes part in the care of one of its patients, and sees so much of them.
async fn two(db: crate::harness::TestDb, categories: &[&str]) -> (Caller, Caller, String) {
    let app = TestApp::new(db).await;
    let (clinic, other) = (app.clinic().await, app.clinic().await);
    let person = patient(&clinic).await;
    consent(&clinic, &person, &other, categories).await;
    (clinic, other, person)
}

async fn items(caller: &Caller, path: &str) -> Vec<Value> {
    caller.get(path).await.expect(200)["items"].as_array().unwrap().clone()
}

/// Asks once more, by someone who has this version.
async fn again(caller: &Caller, path: &str, tag: &str) -> Answer {
    caller.app.send(caller.request(Method::GET, path).insert_header(("if-none-match", tag))).await
}

on_both!(a_search_finds_the_same_whether_or_not_a_hidden_patient_has_the_number, |db| async move {
    let (clinic, other, _) = two(db, &["summary"]).await;
    let decoy = other.post("/v1/patients", json!({ "names": [{ "given": "Zyx" }] })).await.id();
    let number = |value: &str| json!({ "name": "Zyx", "identifier": { "system": "https://emr.example.ca", "value": value } });
    let hidden = json!({ "names": [{ "family": "Lavallée", "given": "Odette" }], "birth_date": "1950-02-03",
        "contact_points": [{ "kind": "phone", "value": "250-555-0142" }],
        "identifiers": [{ "system": "https://emr.example.ca", "value": "9912" }] });
    clinic.post("/v1/patients", hidden).await.expect(201);
    for sought in [number("nobody's"), number("9912"), json!({ "name": "Zyx", "phone": "250-555-0142" })] {
        let found = other.post("/v1/patients/search", sought.clone()).await.expect(200);
        let found: Vec<&str> = found["items"].as_array().unwrap().iter().map(|hit| hit["patient"]["id"].as_str().unwrap()).collect();
        assert_eq!(found, [&decoy], "{sought}");
    }
});

on_both!(a_cursor_of_ones_own_making_opens_no_consent_before_it_begins, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, other) = (app.clinic().await, app.clinic().await);
    let person = patient(&clinic).await;
    let later = app.clock.now().plus(Duration::days(30)).to_text();
    let grant = json!({ "patient_id": person, "grantee_id": other.organization_id, "purposes": ["care_coordination"],
        "categories": ["summary", "contact"], "form": "verbal", "valid_from": later });
    clinic.post("/v1/consents", grant).await.expect(201);
    app.is_readable().await;
    let next = other.get("/v1/changes?resource_type=patient").await.expect(200)["next"].as_str().unwrap().to_owned();
    let mut token: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(next).unwrap()).unwrap();
    assert!(token["k"]["told"]["at"].is_string(), "{token}");
    let ahead = app.clock.now().plus(Duration::days(60)).to_text();
    token["k"] = json!({ "transaction_id": 0, "sequence": 0, "told": { "at": ahead, "id": person } });
    let forged = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&token).unwrap());
    let read = other.get(&format!("/v1/changes?resource_type=patient&cursor={forged}")).await.expect(200);
    // That there is a consent it may read anyway; and is told of the patient nothing.
    let told: Vec<&Value> = read["items"].as_array().unwrap().iter().map(|item| &item["action"]).collect();
    assert_eq!(told, ["reset"], "{read:#}");
});

on_both!(a_timeline_has_full_pages_whatever_is_hidden_between_them, |db| async move {
    let (clinic, other, person) = two(db, &["summary", "needs"]).await;
    let need = |domain: &str| json!({ "patient_id": person, "domain": domain });
    clinic.post("/v1/needs", need("food-insecurity")).await.expect(201);
    for _ in 0..5 {
        clinic.post("/v1/needs", need("intimate-partner-violence")).await;
        clinic.put_any(&format!("/v1/patients/{person}/need-level"), json!({ "level": "high" })).await.expect(200);
    }
    for grantee in [clinic.app.clinic().await, clinic.app.clinic().await] {
        consent(&clinic, &person, &grantee, &["summary"]).await;
    }
    for types in ["type=need", "type=need&type=consent", "type=consent&type=need&type=patient"] {
        let path = format!("/v1/patients/{person}/timeline?{types}");
        let all = items(&other, &path).await;
        assert!(!all.is_empty() && all.iter().all(|entry| entry["resource"]["domain"] != "intimate-partner-violence"), "{types}");
        let (mut walked, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = other.get(&format!("{path}&limit=1{cursor}")).await.expect(200);
            let shown = page["items"].as_array().unwrap();
            assert_eq!(shown.len(), 1, "{types}: a page is empty, though there is a next one");
            walked.extend(shown.iter().cloned());
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(walked, all, "{types}");
    }
});

on_both!(a_list_of_matches_holds_those_that_can_be_read, |db| async move {
    let (clinic, other, person) = two(db, &["summary", "needs"]).await;
    clinic.post("/v1/needs", json!({ "patient_id": person, "domain": "food-insecurity" })).await.expect(201);
    let made = clinic.post("/v1/matches", json!({ "patient_id": person })).await.id();
    let list = format!("/v1/patients/{person}/matches");
    other.get(&format!("/v1/matches/{made}")).await.expect_problem(404, "not_found");
    assert_eq!(items(&other, &list).await, Vec::<Value>::new());
    let own = other.post("/v1/matches", json!({ "patient_id": person })).await.id();
    let seen = items(&other, &list).await;
    assert_eq!(seen.iter().map(|one| &one["id"]).collect::<Vec<_>>(), [&json!(own)]);

    consent(&clinic, &person, &other, &["summary", "needs", "contact", "demographics"]).await;
    other.get(&format!("/v1/matches/{made}")).await.expect_problem(404, "not_found");
    consent(&clinic, &person, &other, &["referrals"]).await;
    other.get(&format!("/v1/matches/{made}")).await.expect(200);
    assert_eq!(items(&other, &list).await.len(), 2);
});

on_both!(who_has_a_version_is_sent_it_again_where_more_or_less_of_it_is_seen, |db| async move {
    let (clinic, other, person) = two(db, &["summary"]).await;
    let path = format!("/v1/patients/{person}");
    let read = other.get(&path).await;
    let tag = read.header("etag").unwrap().to_owned();
    assert!(read.expect(200)["withheld"].as_array().unwrap().contains(&json!("contact")));
    consent(&clinic, &person, &other, &["summary", "contact"]).await;
    let wider = again(&other, &path, &tag).await.expect(200);
    assert!(!wider["withheld"].as_array().unwrap().contains(&json!("contact")), "{wider}");
    assert_eq!(again(&clinic, &path, &tag).await.status, 304, "who manages the patient sees all of it");
});

on_both!(who_has_a_referral_is_told_that_the_consent_has_ended, |db| async move {
    let town = Town::new(db).await;
    let person = town.patient().await;
    let referral = format!("/v1/referrals/{}", town.sent(&person).await);
    let read = town.program.get(&referral).await;
    let tag = read.header("etag").unwrap().to_owned();
    assert!(read.expect(200)["patient"].is_object());
    let consents = items(&town.clinic, &format!("/v1/patients/{person}/consents")).await;
    for given in consents {
        town.clinic.post(&format!("/v1/consents/{}/withdraw", given["id"].as_str().unwrap()), json!({})).await.expect(200);
    }
    assert_eq!(again(&town.program, &referral, &tag).await.expect(200)["patient"], Value::Null);
});

on_both!(a_consent_that_ran_out_is_sent_again_to_who_has_it, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, other) = (app.clinic().await, app.clinic().await);
    let person = patient(&clinic).await;
    let until = app.clock.now().plus(Duration::minutes(2)).to_text();
    let grant = json!({ "patient_id": person, "grantee_id": other.organization_id, "purposes": ["care_coordination"],
        "categories": ["summary"], "form": "verbal", "valid_until": until });
    let path = format!("/v1/consents/{}", clinic.post("/v1/consents", grant).await.id());
    let tag = other.get(&path).await.header("etag").unwrap().to_owned();
    app.clock.advance(Duration::minutes(3));
    assert_eq!(again(&other, &path, &tag).await.expect(200)["status"], "expired");
});

on_both!(how_a_patient_or_a_practitioner_once_stood_is_told_to_their_own_organization_alone, |db| async move {
    let (clinic, other, person) = two(db, &["summary", "contact", "demographics"]).await;
    let path = format!("/v1/patients/{person}");
    clinic.patch(&path, 1, json!({ "names": [{ "family": "Roy", "given": "Rose" }] })).await.expect(200);
    let worker = clinic.post("/v1/practitioners", json!({ "name": "Harpreet", "roles": ["link_worker"] })).await.id();
    clinic.patch(&format!("/v1/practitioners/{worker}"), 1, json!({ "name": "Dana" })).await.expect(200);
    for history in [format!("{path}/history"), format!("/v1/practitioners/{worker}/history")] {
        other.get(&history).await.expect_problem(403, "forbidden");
    }

    clinic.app.is_readable().await;
    let feed = "/v1/changes?resource_type=patient&resource_type=practitioner";
    let told = items(&other, feed).await;
    let shown = |entry: &Value| {
        let resource = &entry["resource"];
        let name = if resource["name"].is_null() { &resource["names"][0]["family"] } else { &resource["name"] };
        (entry["resource_type"].clone(), entry["action"].clone(), entry["version"].clone(), name.clone())
    };
    let patient = |action: &str, version: i64, name: Value| (json!("patient"), json!(action), json!(version), name);
    let practitioner = |action: &str, version: i64, name: Value| (json!("practitioner"), json!(action), json!(version), name);
    let expected = [
        patient("created", 1, Value::Null),
        patient("reset", 0, Value::Null),
        patient("snapshot", 2, json!("Roy")),
        patient("updated", 2, json!("Roy")),
        practitioner("created", 1, Value::Null),
        practitioner("updated", 2, json!("Dana")),
    ];
    assert_eq!(told.iter().map(shown).collect::<Vec<_>>(), expected);
    let own = items(&clinic, feed).await;
    assert_eq!((shown(&own[0]).3, shown(&own[2]).3), (json!("Tremblay"), json!("Harpreet")));

    let timeline = format!("{path}/timeline?type=patient");
    let versions = async |caller: &Caller| items(caller, &timeline).await.iter().map(|entry| entry["version"].clone()).collect::<Vec<_>>();
    assert_eq!((versions(&other).await, versions(&clinic).await), (vec![json!(2)], vec![json!(2), json!(1)]));
});

/// So many consents more, like one that this organization was given, under ids that begin so.
async fn more_consents(grantee: &Caller, number: usize, beginning: &str) {
    let columns = format!(
        "{}, one.organization_id, one.patient_id, one.grantee_id, one.recorder_id, one.purposes, one.categories, one.valid_from, \
         one.valid_until, one.withdrawn_at, one.withdrawal_reason, one.content, one.version, one.created_at, one.updated_at, one.deleted_at",
        numbered_id(beginning, grantee.app.database_url().starts_with("sqlite:"))
    );
    let given = format!("SELECT * FROM consents WHERE grantee_id = '{}' LIMIT 1", grantee.organization_id);
    let more = many_rows("consents", number, &columns, &given);
    grantee.app.state.db.write(move |conn| Ok(conn.batch_execute(&more)?)).await.unwrap();
}

on_both!(however_many_consents_let_an_organization_in_its_lists_show_the_same, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    town.grant(&patient).await;
    let itself = json!({ "patient_id": patient, "kind": "navigation", "performer_organization_id": town.program.organization_id,
        "source_type": "link_worker" });
    let check_in = json!({ "patient_id": patient, "purpose": "check_in", "due_on": "2026-03-20" });
    for _ in 0..2 {
        town.program.make("/v1/referrals", itself.clone()).await;
        town.program.make("/v1/follow-ups", check_in.clone()).await;
    }
    let mut asked = town.navigation(&patient);
    asked["performer_organization_id"] = json!(town.agency.organization_id);
    let referral = town.clinic.make("/v1/referrals", asked).await;
    let theirs = json!({ "patient_id": patient, "referral_id": referral, "purpose": "check_in", "due_on": "2026-03-10" });
    let follow_up = town.clinic.make("/v1/follow-ups", theirs).await;
    let worker = town.agency.make("/v1/practitioners", json!({ "name": "Harpreet Gill", "roles": ["link_worker"] })).await;
    let slot = json!({ "practitioner_id": worker, "starts_at": "2026-03-10T17:00:00Z", "ends_at": "2026-03-10T17:30:00Z" });
    let slot = town.agency.make("/v1/slots", slot).await;
    let appointment = town.clinic.make("/v1/appointments", json!({ "slot_id": slot, "patient_id": patient })).await;

    for (more, beginning) in [(0, ""), (600, FIRST_IDS), (5_000, LAST_IDS)] {
        if more > 0 {
            more_consents(&town.program, more, beginning).await;
        }
        // With one on a page the program's own fill it.
        for (path, first, all) in
            [("/v1/referrals", &referral, 3), ("/v1/follow-ups?status=open", &follow_up, 3), ("/v1/appointments", &appointment, 1)]
        {
            let sign = if path.contains('?') { '&' } else { '?' };
            for (limit, expected) in [(1, 1), (50, all)] {
                let found = items(&town.program, &format!("{path}{sign}limit={limit}")).await;
                assert_eq!((found.len(), &found[0]["id"]), (expected, &json!(first)), "{path}, {limit} of them, {more} consents more");
            }
        }
    }
});
