//! Patients: what is written of them, how they are found, and how two records become one.

use std::collections::BTreeSet;

use actix_web::http::Method;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;
use kith::auth::Scope;
use kith::db::DbConn;
use kith::organizations::model::OrganizationKind;
use kith::patients::health_number::{BRITISH_COLUMBIA, ONTARIO};
use kith::patients::merge;
use serde_json::{Value, json};

use crate::client::{Caller, TestApp};
use crate::referrals::Town;
use crate::screenings::consent;

const PATH: &str = "/v1/patients";
const NOBODY: &str = "01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10";

fn marie() -> Value {
    json!({
        "names": [{ "given": "Marie-Ève", "family": "Tremblay" }],
        "birth_date": "1954-03-18",
        "identifiers": [{ "system": "https://emr.example.ca", "value": "A-1" }, { "system": BRITISH_COLUMBIA, "value": "9012 372 173" }],
        "contact_points": [{ "kind": "phone", "value": "(250) 861-5555", "preference": 1 }],
        "address": { "city": "Alder Falls", "region": "BC", "postal_code": "V0X 1A0", "country": "CA" }
    })
}

fn named(given: &str, family: &str) -> Value {
    json!({ "names": [{ "given": given, "family": family }] })
}

async fn search(caller: &Caller, query: Value) -> Vec<(String, i64)> {
    let hits = caller.post(&format!("{PATH}/search"), query).await.expect(200);
    let hits = hits["items"].as_array().unwrap().clone();
    hits.iter().map(|hit| (hit["patient"]["id"].as_str().unwrap().to_owned(), hit["score"].as_i64().unwrap())).collect()
}

on_both!(a_patient_is_created_read_changed_and_deleted, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let created = caller.post(PATH, marie()).await;
    let mut body = created.expect(201);
    assert_eq!(body.as_object_mut().unwrap().remove("possible_duplicates"), Some(json!([])));
    assert_eq!(body["organization_id"], json!(caller.organization_id));
    assert_eq!((&body["status"], &body["need_level"], &body["interpreter_needed"]), (&json!("active"), &Value::Null, &Value::Null));
    let path = format!("{PATH}/{}", created.id());
    let read = caller.get(&path).await;
    assert_eq!(read.expect(200), body);
    assert_eq!(read.header("cache-control"), Some("no-store"));
    let changed = caller.patch(&path, 1, json!({ "status": "inactive", "reach": { "how": "transit", "max_km": 12.5 } })).await.expect(200);
    assert_eq!((&changed["status"], &changed["reach"]["max_km"]), (&json!("inactive"), &json!(12.5)));
    caller.put(&path, 2, named("Marie", "Tremblay")).await.expect(200);
    caller.delete(&path, 3).await.expect(204);
    caller.get(&path).await.expect_problem(410, "gone");
    assert_eq!(caller.get(PATH).await.expect(200)["items"], json!([]));
    assert_eq!(search(&caller, json!({ "name": "Marie Tremblay" })).await, []);
    let history = caller.get(&format!("{path}/history")).await.expect(200);
    let actions: Vec<&Value> = history["items"].as_array().unwrap().iter().map(|revision| &revision["action"]).collect();
    assert_eq!(actions, ["created", "updated", "updated", "deleted"]);
});

on_both!(what_is_written_in_several_ways_is_kept_in_one, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let mut input = marie();
    input["birth_year"] = json!(1954);
    input["identifiers"] =
        json!([{ "system": BRITISH_COLUMBIA, "value": "9012-372-173" }, { "system": ONTARIO, "value": "9876 543 217 jk" }]);
    let body = caller.post(PATH, input).await.expect(201);
    assert_eq!((&body["identifiers"][0]["value"], &body["identifiers"][1]["value"]), (&json!("9012372173"), &json!("9876543217")));
    assert_eq!((&body["health_card_version"], &body["birth_year"]), (&json!("JK"), &Value::Null));
    assert_eq!(body["contact_points"][0]["number"], "+12508615555");
    let died = json!({ "names": [{ "text": "Somebody" }], "deceased_on": "2026-02-11" });
    assert_eq!(caller.post(PATH, died).await.expect(201)["status"], "deceased");
});

on_both!(every_fault_of_a_patient_is_told, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let input = json!({
        "names": [], "birth_date": "soon", "birth_year": 12, "colour": "red", "languages": [{ "language": "FRENCH!" }],
        "contact_points": [{ "kind": "pigeon", "value": "" }], "equity": { "pronouns": { "status": "maybe" } }, "reach": { "max_km": -1 }
    });
    let faults = caller.post(PATH, input).await.faults(422);
    let faults: Vec<(&str, &str)> = faults.iter().map(|(pointer, code)| (pointer.as_str(), code.as_str())).collect();
    assert_eq!(
        faults,
        [
            ("/birth_date", "format"),
            ("/birth_year", "out_of_range"),
            ("/colour", "unknown_field"),
            ("/contact_points/0/kind", "not_allowed"),
            ("/contact_points/0/value", "too_short"),
            ("/equity/pronouns/status", "not_allowed"),
            ("/languages/0/language", "format"),
            ("/names", "too_few"),
            ("/reach/max_km", "out_of_range"),
        ]
    );
    let with = |field: &str, value: Value| {
        let mut input = marie();
        input[field] = value;
        input
    };
    for (field, value, pointer, code) in [
        ("identifiers", json!([{ "system": BRITISH_COLUMBIA, "value": "9012372174" }]), "/identifiers/0/value", "check_digit"),
        ("identifiers", json!([{ "system": ONTARIO, "value": "1234567890" }]), "/identifiers/0/value", "check_digit"),
        ("identifiers", json!([{ "system": ONTARIO.to_uppercase(), "value": "1234567890" }]), "/identifiers/0/value", "check_digit"),
        ("names", json!([{ "use": "preferred" }]), "/names/0", "required"),
        ("birth_year", json!(1955), "/birth_year", "not_allowed"),
        ("birth_date", json!("2027-01-01"), "/birth_date", "out_of_range"),
        ("birth_date", json!("1066-10-14"), "/birth_date", "out_of_range"),
        ("interests", json!(["x".repeat(301)]), "/interests/0", "too_long"),
        ("coverage", json!([""]), "/coverage/0", "too_short"),
        ("supports", json!([{ "kind": "service", "name": "Lunch", "service_id": NOBODY }]), "/supports/0/service_id", "not_found"),
        ("deceased_on", json!("1950-01-01"), "/deceased_on", "not_allowed"),
        ("equity", json!({ "disability": { "status": "declined", "codes": ["physical"] } }), "/equity/disability", "not_allowed"),
        ("equity", json!({ "disability": { "status": "answered" } }), "/equity/disability", "required"),
        ("free_times", json!([{ "day": "monday", "from": "10:00", "until": "10:00" }]), "/free_times/0/until", "not_allowed"),
    ] {
        let answer = caller.post(PATH, with(field, value)).await;
        assert_eq!(answer.faults(422), [(pointer.into(), code.into())], "{field}");
    }
});

on_both!(an_answer_may_be_declined_and_is_never_assumed, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let mut input = marie();
    input["equity"] =
        json!({ "gender_identity": { "status": "declined" }, "ethnicity": { "status": "answered", "codes": ["south_asian"] } });
    let body = caller.post(PATH, input).await.expect(201);
    assert_eq!(body["equity"]["gender_identity"]["status"], "declined");
    assert_eq!(body["equity"]["ethnicity"]["codes"], json!(["south_asian"]));
    assert_eq!((&body["equity"]["sexual_orientation"], &body["equity"]["permitted_uses"]), (&Value::Null, &json!([])));
});

on_both!(people_are_found_whatever_the_spelling_and_order_of_their_names, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let marie = caller.post(PATH, marie()).await.id();
    let amrit =
        json!({ "names": [{ "given": "Amrit", "family": "Singh" }, { "use": "former", "family": "Gill" }], "birth_date": "1961-04-07" });
    let amrit = caller.post(PATH, amrit).await.id();
    for name in ["marie-eve tremblay", "TREMBLAY Marie-Eve", "Tremblay, Marie", "Mariève Trembley", "trembley eve"] {
        let hits = search(&caller, json!({ "name": name })).await;
        assert_eq!(hits.first().map(|(id, _)| id), Some(&marie), "{name}: {hits:?}");
        assert_eq!(hits.len(), 1, "{name}");
    }
    assert_eq!(search(&caller, json!({ "name": "singh" })).await[0].0, amrit);
    assert_eq!(search(&caller, json!({ "name": "Gill Amrit" })).await[0].0, amrit);
    assert_eq!(search(&caller, json!({ "birth_date": "1961-04-07" })).await, [(amrit.clone(), 99)]);
    assert_eq!(search(&caller, json!({ "birth_date": "1961-07-04", "name": "Amrit Sing" })).await[0].0, amrit);
    assert_eq!(search(&caller, json!({ "phone": "+1 250 861 5555" })).await[0].0, marie);
    assert_eq!(search(&caller, json!({ "identifier": { "system": BRITISH_COLUMBIA, "value": "9012-372-173" } })).await, [(marie, 100)]);
    assert_eq!(search(&caller, json!({ "name": "Robert Smith" })).await, []);
    let exact = search(&caller, json!({ "name": "Amrit Singh", "birth_date": "1961-04-07" })).await[0].1;
    assert!(exact > search(&caller, json!({ "name": "Amrit Sing", "birth_date": "1961-04-07" })).await[0].1);
});

on_both!(a_search_follows_what_is_changed_and_sees_only_what_may_be_seen, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, program) = (app.clinic().await, app.tenant("Alder Link", OrganizationKind::Program).await);
    let id = clinic.post(PATH, marie()).await.id();
    clinic.patch(&format!("{PATH}/{id}"), 1, json!({ "names": [{ "given": "Marie", "family": "Lavoie" }] })).await.expect(200);
    assert_eq!(search(&clinic, json!({ "name": "Marie Lavoie" })).await.len(), 1);
    assert_eq!(search(&clinic, json!({ "name": "Tremblay" })).await, []);

    assert_eq!(search(&program, json!({ "name": "Marie Lavoie" })).await, []);
    consent(&clinic, &id, &program, &["summary"]).await;
    assert_eq!(search(&program, json!({ "name": "Marie Lavoie" })).await.len(), 1);
    assert_eq!(search(&program, json!({ "phone": "250-861-5555" })).await, [], "the telephone is withheld");
    assert_eq!(search(&program, json!({ "identifier": { "system": BRITISH_COLUMBIA, "value": "9012372173" } })).await, []);
});

on_both!(likely_duplicates_are_told_at_creation, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, other) = (app.clinic().await, app.clinic().await);
    let first = clinic.post(PATH, marie()).await.id();
    let again = json!({ "names": [{ "family": "Marie Eve", "given": "TREMBLAY" }], "birth_date": "1954-03-18" });
    let body = clinic.post(PATH, again.clone()).await.expect(201);
    assert_eq!(body["possible_duplicates"].as_array().unwrap().len(), 1, "{body}");
    assert_eq!(body["possible_duplicates"][0]["patient_id"], json!(first));
    assert_eq!(body["possible_duplicates"][0]["reasons"], json!(["same_name", "same_birth_date"]));
    assert!(body["possible_duplicates"][0]["score"].as_i64().unwrap() >= 90);
    assert_eq!(other.post(PATH, again).await.expect(201)["possible_duplicates"], json!([]), "another organization's patients are not told");
    assert_eq!(clinic.post(PATH, named("Robert", "Tremblay")).await.expect(201)["possible_duplicates"], json!([]));
});

on_both!(a_merge_keeps_both_histories_and_everything_that_belongs_to_them, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, program) = (app.clinic().await, app.tenant("Alder Link", OrganizationKind::Program).await);
    let survivor = clinic.post(PATH, named("Marie", "Tremblay")).await.id();
    let duplicate = clinic.post(PATH, marie()).await.id();
    let (kept, gone) = (format!("{PATH}/{survivor}"), format!("{PATH}/{duplicate}"));
    clinic.put_any(&format!("{gone}/need-level"), json!({ "level": "high" })).await.expect(200);
    let consent = json!({ "patient_id": duplicate, "grantee_id": program.organization_id, "purposes": ["care_coordination"],
        "categories": ["demographics"], "form": "verbal" });
    let consent = clinic.post("/v1/consents", consent).await.id();

    let merged = clinic.post(&format!("{kept}/merge"), json!({ "duplicate_id": duplicate, "reason": "Registered twice." })).await;
    let body = merged.expect(200);
    assert_eq!((&body["id"], &body["version"], merged.header("etag")), (&json!(survivor), &json!(2), Some("\"2\"")));
    assert_eq!((&body["birth_date"], &body["need_level"]), (&json!("1954-03-18"), &json!("high")));
    assert_eq!(body["identifiers"].as_array().unwrap().len(), 2);
    assert_eq!(body["names"].as_array().unwrap().len(), 2);

    assert_eq!(clinic.get(&gone).await.expect_problem(410, "merged")["merged_into"], kept);
    program.get(&gone).await.expect_problem(410, "merged");
    clinic.patch(&gone, 2, json!({ "notes": "x" })).await.expect_problem(410, "merged");
    assert_eq!(program.get(&kept).await.expect(200)["identifiers"].as_array().unwrap().len(), 2);
    assert_eq!(clinic.get(&format!("/v1/consents/{consent}")).await.expect(200)["patient_id"], json!(survivor));
    assert_eq!(clinic.get(&format!("{kept}/need-levels")).await.expect(200)["items"][0]["level"], "high");
    assert_eq!(
        search(&clinic, json!({ "identifier": { "system": BRITISH_COLUMBIA, "value": "9012372173" } })).await,
        [(survivor.clone(), 100)]
    );

    let history = clinic.get(&format!("{kept}/history")).await.expect(200);
    let history: Vec<(&Value, &Value)> =
        history["items"].as_array().unwrap().iter().map(|revision| (&revision["resource"]["id"], &revision["action"])).collect();
    let (survivor, duplicate) = (json!(survivor), json!(duplicate));
    let [created, updated, merged] = [json!("created"), json!("updated"), json!("merged")];
    assert_eq!(
        history,
        [(&survivor, &created), (&duplicate, &created), (&duplicate, &updated), (&duplicate, &merged), (&survivor, &updated)]
    );
    let timeline = clinic.get(&format!("{kept}/timeline")).await.expect(200);
    assert!(timeline["items"].as_array().unwrap().iter().any(|entry| entry["resource"]["merge_reason"] == "Registered twice."));
});

on_both!(a_merge_opens_nothing_that_the_person_has_closed, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, program) = (app.clinic().await, app.tenant("Alder Link", OrganizationKind::Program).await);
    let survivor = clinic.post(PATH, named("Marie", "Tremblay")).await.id();
    let duplicate = clinic.post(PATH, named("Marie", "Tremblay")).await.id();
    let consent = |patient: &str, categories: &[&str]| {
        let input = json!({ "patient_id": patient, "grantee_id": program.organization_id, "purposes": ["care_coordination"],
            "categories": categories, "form": "verbal" });
        let clinic = clinic.clone();
        async move { clinic.post("/v1/consents", input).await.id() }
    };
    let open = consent(&duplicate, &["contact", "needs"]).await;
    let closed = consent(&survivor, &["contact"]).await;
    clinic.post(&format!("/v1/consents/{closed}/withdraw"), json!({})).await.expect(200);
    program.get(&format!("{PATH}/{duplicate}")).await.expect(200);
    clinic.post(&format!("{PATH}/{survivor}/merge"), json!({ "duplicate_id": duplicate })).await.expect(200);
    program.get(&format!("{PATH}/{survivor}")).await.expect_problem(404, "not_found");
    assert_eq!(clinic.get(&format!("/v1/consents/{open}")).await.expect(200)["status"], "withdrawn");
    consent(&survivor, &["contact"]).await;
    program.get(&format!("{PATH}/{survivor}")).await.expect(200);
});

on_both!(what_a_merge_moves_has_its_version_and_its_line_in_the_journal, |db| async move {
    let clinic = TestApp::new(db).await.clinic().await;
    let survivor = clinic.post(PATH, named("Marie", "Tremblay")).await.id();
    let duplicate = clinic.post(PATH, named("Marie", "Tremblay")).await.id();
    let need = clinic.post("/v1/needs", json!({ "patient_id": duplicate, "domain": "stress" })).await;
    let screening = clinic.post("/v1/screenings", json!({ "patient_id": duplicate, "instrument": "phq-2" })).await;
    let follow_up = json!({ "patient_id": duplicate, "purpose": "check_in", "due_on": "2026-03-10" });
    let follow_up = clinic.post("/v1/follow-ups", follow_up).await;
    let unmet = clinic.post("/v1/unmet-needs", json!({ "patient_id": duplicate, "domain": "stress", "reasons": ["no_service"] })).await;
    let moved: Vec<String> =
        [need, screening, follow_up, unmet].iter().map(|created| created.header("location").unwrap().to_owned()).collect();
    for (level, day, id) in [("low", "2026-03-01", &survivor), ("high", "2026-03-02", &duplicate)] {
        clinic.put_any(&format!("{PATH}/{id}/need-level"), json!({ "level": level, "assessed_on": day })).await.expect(200);
    }
    let merged = clinic.post(&format!("{PATH}/{survivor}/merge"), json!({ "duplicate_id": duplicate })).await.expect(200);
    assert_eq!(merged["need_level"], "high", "the later judgement, whichever record had it");
    for path in moved {
        let read = clinic.get(&path).await;
        assert_eq!((&read.expect(200)["patient_id"], read.header("etag")), (&json!(survivor), Some("\"2\"")), "{path}");
        let history = clinic.get(&format!("{path}/history")).await.expect(200);
        assert_eq!(history["items"][1]["resource"]["patient_id"], json!(survivor), "{path}");
    }
});

on_both!(a_merge_is_refused_where_it_should_be, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, other) = (app.clinic().await, app.clinic().await);
    let one = clinic.post(PATH, named("Marie", "Tremblay")).await.id();
    let two = clinic.post(PATH, named("Marie", "Tremblay")).await.id();
    let theirs = other.post(PATH, named("Marie", "Tremblay")).await.id();
    let path = format!("{PATH}/{one}/merge");
    let merge = |id: &str| json!({ "duplicate_id": id });
    other.post(&path, merge(&theirs)).await.expect_problem(404, "not_found");
    assert_eq!(clinic.post(&path, merge(&theirs)).await.faults(422), [("/duplicate_id".into(), "not_found".into())]);
    assert_eq!(clinic.post(&path, merge(NOBODY)).await.faults(422), [("/duplicate_id".into(), "not_found".into())]);
    assert_eq!(clinic.post(&path, merge(&one)).await.faults(422), [("/duplicate_id".into(), "not_allowed".into())]);
    let late = clinic.request(Method::POST, &path).insert_header(("if-match", "\"7\"")).set_json(merge(&two));
    app.send(late).await.expect_problem(412, "version_mismatch");
    let first = clinic.post_once(&path, "merge-1", merge(&two)).await;
    assert_eq!(clinic.post_once(&path, "merge-1", merge(&two)).await.expect(200), first.expect(200));
    clinic.post(&format!("{PATH}/{two}/merge"), merge(&one)).await.expect_problem(410, "merged");
});

on_both!(a_judgement_that_is_sent_again_is_noted_once, |db| async move {
    let clinic = TestApp::new(db).await.clinic().await;
    let path = format!("{PATH}/{}", clinic.post(PATH, marie()).await.id());
    let level = format!("{path}/need-level");
    let judged = json!({ "level": "high", "reason": "Lost housing." });
    let noted = async || clinic.get(&format!("{path}/need-levels")).await.expect(200)["items"].as_array().unwrap().len();
    let first = clinic.put_once(&level, "judged-1", judged.clone()).await;
    assert_eq!((&first.expect(200)["need_level"], first.header("etag")), (&json!("high"), Some("\"2\"")));
    let again = clinic.put_once(&level, "judged-1", judged.clone()).await;
    assert_eq!((again.expect(200), again.header("etag"), noted().await), (first.json(), Some("\"2\""), 1));
    clinic.put_once(&level, "judged-1", json!({ "level": "low" })).await.expect_problem(422, "idempotency_key_reused");
    clinic.put_any(&level, judged).await.expect(200);
    assert_eq!(noted().await, 2, "without a key it is another judgement");
});

on_both!(need_levels_and_navigators_have_a_history, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, program) = (app.clinic().await, app.tenant("Alder Link", OrganizationKind::Program).await);
    let id = clinic.post(PATH, marie()).await.id();
    let path = format!("{PATH}/{id}");
    let worker = |caller: &Caller, name: &str| {
        let (caller, body) = (caller.clone(), json!({ "name": name, "roles": ["link_worker"] }));
        async move { caller.post("/v1/practitioners", body).await.id() }
    };
    let (nurse, harpreet) = (worker(&clinic, "Nurse").await, worker(&program, "Harpreet").await);

    let assessed =
        clinic.put_any(&format!("{path}/need-level"), json!({ "level": "high", "reason": "Lost housing.", "assessed_by": nurse })).await;
    assert_eq!((&assessed.expect(200)["need_level"], assessed.header("etag")), (&json!("high"), Some("\"2\"")));
    let noted_late = json!({ "level": "medium", "assessed_on": "2026-03-01" });
    let after = clinic.put_any(&format!("{path}/need-level"), noted_late).await.expect(200);
    assert_eq!(after["need_level"], "high", "an older judgement does not undo a newer one");
    let early = clinic.put_any(&format!("{path}/need-level"), json!({ "level": "low", "assessed_on": "2026-03-04" })).await;
    assert_eq!(early.faults(422), [("/assessed_on".into(), "out_of_range".into())]);
    let late = clinic.put(&format!("{path}/need-level"), 1, json!({ "level": "low" })).await;
    late.expect_problem(412, "version_mismatch");
    clinic.put(&format!("{path}/need-level"), 3, json!({ "level": "low" })).await.expect(200);
    let levels = clinic.get(&format!("{path}/need-levels")).await.expect(200);
    assert_eq!((&levels["items"][0]["level"], &levels["items"][1]["reason"]), (&json!("low"), &Value::Null));
    assert_eq!((&levels["items"][2]["assessed_on"], &levels["items"][2]["reason"]), (&json!("2026-03-02"), &json!("Lost housing.")));
    assert_eq!(clinic.get(&format!("{PATH}?need_level=low")).await.expect(200)["items"].as_array().unwrap().len(), 1);
    assert_eq!(clinic.get(&format!("{PATH}?need_level=high")).await.expect(200)["items"], json!([]));

    let navigator = format!("{path}/primary-navigator");
    clinic.put_any(&navigator, json!({ "practitioner_id": nurse })).await.expect(200);
    let refused = clinic.put_any(&navigator, json!({ "practitioner_id": harpreet })).await;
    assert_eq!(refused.faults(422), [("/practitioner_id".into(), "not_found".into())], "her program does not take part yet");
    consent(&clinic, &id, &program, &["summary"]).await;
    let assigned = clinic.put_any(&navigator, json!({ "practitioner_id": harpreet, "reason": "Speaks Punjabi." })).await.expect(200);
    let again = program.put_any(&navigator, json!({ "practitioner_id": harpreet })).await.expect(200);
    assert_eq!(again["version"], assigned["version"], "nothing to change");
    assert_eq!((&again["primary_navigator_id"], &again["need_level"]), (&json!(harpreet), &Value::Null));
    assert_eq!(program.get(&format!("{PATH}?primary_navigator_id={harpreet}")).await.expect(200)["items"].as_array().unwrap().len(), 1);
    program.put_any(&format!("{path}/need-level"), json!({ "level": "low" })).await.expect_problem(403, "forbidden");
    program.get(&format!("{path}/need-levels")).await.expect_problem(404, "not_found");

    let past = clinic.get(&format!("{path}/primary-navigators")).await.expect(200);
    assert_eq!((&past["items"][0]["practitioner_id"], &past["items"][0]["ended_at"]), (&json!(harpreet), &Value::Null));
    assert_eq!((&past["items"][1]["practitioner_id"], past["items"][1]["ended_at"].is_string()), (&json!(nurse), true));
    app.send(clinic.request(Method::DELETE, &navigator)).await.expect(204);
    assert_eq!(clinic.get(&path).await.expect(200)["primary_navigator_id"], Value::Null);
    assert_eq!(clinic.get(&format!("{path}/need-levels?limit=1")).await.expect(200)["items"].as_array().unwrap().len(), 1);
});

on_both!(naming_a_navigator_tells_nobody_but_the_manager_whom_the_patient_lets_in, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, program) = (app.clinic().await, app.tenant("Alder Link", OrganizationKind::Program).await);
    let (agency, stranger) = (app.tenant("Alder House", OrganizationKind::Agency).await, app.clinic().await);
    let id = clinic.post(PATH, named("Anaïs", "Tremblay")).await.id();
    for grantee in [&program, &agency] {
        consent(&clinic, &id, grantee, &["summary"]).await;
    }
    let navigator = format!("{PATH}/{id}/primary-navigator");
    let worker = async |caller: &Caller| {
        let worker = caller.post("/v1/practitioners", json!({ "name": "Dana", "roles": ["link_worker"] })).await;
        json!({ "practitioner_id": worker.id() })
    };
    let (let_in, not_let_in) = (worker(&agency).await, worker(&stranger).await);
    let (refused, also) = (program.put_any(&navigator, let_in.clone()).await, program.put_any(&navigator, not_let_in).await);
    assert_eq!(refused.faults(422), [("/practitioner_id".into(), "not_found".into())]);
    assert_eq!(refused.json()["errors"], also.json()["errors"]);
    for own in [worker(&program).await, worker(&clinic).await] {
        program.put_any(&navigator, own).await.expect(200);
    }
    clinic.put_any(&navigator, let_in).await.expect(200);
});

on_both!(a_need_level_is_judged_on_the_day_that_it_is_where_the_organization_works, |db| async move {
    let app = TestApp::new(db).await;
    let mut clinic = app.clinic().await;
    let path = format!("{PATH}/{}", clinic.post(PATH, marie()).await.id());
    app.clock.advance(chrono::Duration::hours(10));
    clinic.renew().await;
    clinic.put_any(&format!("{path}/need-level"), json!({ "level": "high" })).await.expect(200);
    let levels = clinic.get(&format!("{path}/need-levels")).await.expect(200);
    assert_eq!(levels["items"][0]["assessed_on"], "2026-03-02", "it is evening in Vancouver, and the third of March in London");
});

on_both!(who_judges_later_and_where_it_is_a_day_earlier_still_judges_last, |db| async move {
    let app = TestApp::new(db).await;
    let (mut clinic, mut program) = (app.clinic().await, app.tenant("Alder Link", OrganizationKind::Program).await);
    clinic.patch(&format!("/v1/organizations/{}", clinic.organization_id), 1, json!({ "time_zone": null })).await.expect(200);
    let id = clinic.post(PATH, marie()).await.id();
    let consent = json!({ "patient_id": id, "grantee_id": program.organization_id, "purposes": ["care_coordination"],
        "categories": ["needs"], "form": "verbal" });
    clinic.post("/v1/consents", consent).await.expect(201);
    let path = format!("{PATH}/{id}/need-level");
    // In UTC it is the third of March already, and in Vancouver still the second.
    app.clock.advance(chrono::Duration::hours(10));
    clinic.renew().await;
    program.renew().await;
    clinic.put_any(&path, json!({ "level": "low" })).await.expect(200);
    assert_eq!(program.put_any(&path, json!({ "level": "high" })).await.expect(200)["need_level"], "high");
    let levels = clinic.get(&format!("{path}s")).await.expect(200);
    assert_eq!((&levels["items"][0]["level"], &levels["items"][0]["assessed_on"]), (&json!("high"), &json!("2026-03-03")));
    // Who names the day is taken at their word.
    let said = json!({ "level": "medium", "assessed_on": "2026-03-02" });
    assert_eq!(program.put_any(&path, said).await.expect(200)["need_level"], "high");
});

on_both!(an_accompaniment_is_ended_by_the_manager_and_by_the_navigators_own_organization, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, program) = (app.clinic().await, app.tenant("Alder Link", OrganizationKind::Program).await);
    let agency = app.tenant("Alder House", OrganizationKind::Agency).await;
    let id = clinic.post(PATH, named("Anaïs", "Tremblay")).await.id();
    for grantee in [&program, &agency] {
        consent(&clinic, &id, grantee, &["summary"]).await;
    }
    let navigator = format!("{PATH}/{id}/primary-navigator");
    let end = async |caller: &Caller| app.send(caller.request(Method::DELETE, &navigator)).await;
    let worker = program.post("/v1/practitioners", json!({ "name": "Harpreet", "roles": ["link_worker"] })).await.id();
    let assign = async |caller: &Caller| caller.put_any(&navigator, json!({ "practitioner_id": worker })).await.expect(200);
    assign(&program).await;
    end(&agency).await.expect_problem(403, "forbidden");
    assert_eq!(clinic.get(&format!("{PATH}/{id}")).await.expect(200)["primary_navigator_id"], json!(worker));
    end(&program).await.expect(204);
    end(&agency).await.expect(204);
    assign(&clinic).await;
    end(&clinic).await.expect(204);
    let past = clinic.get(&format!("{PATH}/{id}/primary-navigators")).await.expect(200);
    assert!(past["items"].as_array().unwrap().iter().all(|assignment| assignment["ended_at"].is_string()), "{past}");
});

on_both!(nobody_takes_away_a_navigator_of_others_but_who_manages_the_patient, |db| async move {
    let town = Town::new(db).await;
    let Town { clinic, program, agency, .. } = &town;
    let id = town.patient().await;
    for grantee in [program, agency] {
        consent(clinic, &id, grantee, &["summary"]).await;
    }
    let navigator = format!("{PATH}/{id}/primary-navigator");
    let mut named = Vec::new();
    for caller in [clinic, program, agency] {
        let worker = caller.post("/v1/practitioners", json!({ "name": "Dana", "roles": ["link_worker"] })).await;
        named.push(json!({ "practitioner_id": worker.id() }));
    }
    let [nurse, worker, volunteer] = &named[..] else { panic!("three") };
    // Whom the manager has named, as well as another program's.
    for (caller, named) in [(clinic, nurse), (clinic, worker)] {
        caller.put_any(&navigator, named.clone()).await.expect(200);
        agency.put_any(&navigator, volunteer.clone()).await.expect_problem(403, "forbidden");
        agency.put_any(&navigator, json!({ "practitioner_id": NOBODY })).await.expect_problem(403, "forbidden");
        assert_eq!(clinic.get(&format!("{PATH}/{id}")).await.expect(200)["primary_navigator_id"], named["practitioner_id"]);
    }
    // Its own organization hands over, or leaves the place to whoever takes it.
    program.put_any(&navigator, nurse.clone()).await.expect(200);
    program.put_any(&navigator, worker.clone()).await.expect_problem(403, "forbidden");
    clinic.put_any(&navigator, worker.clone()).await.expect(200);
    town.app.send(program.request(Method::DELETE, &navigator)).await.expect(204);
    agency.put_any(&navigator, volunteer.clone()).await.expect(200);
    let past = clinic.get(&format!("{PATH}/{id}/primary-navigators")).await.expect(200);
    assert_eq!(past["items"].as_array().unwrap().iter().filter(|assignment| assignment["ended_at"] == Value::Null).count(), 1);
});

on_both!(a_list_of_patients_is_filtered_and_walked_in_pages, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, program) = (app.clinic().await, app.tenant("Alder Link", OrganizationKind::Program).await);
    let mut ids = Vec::new();
    for index in 0..5 {
        let (caller, mut input) = (if index % 2 == 0 { &clinic } else { &program }, named("Somebody", "Else"));
        input["status"] = json!(if index == 4 { "inactive" } else { "active" });
        let id = caller.post(PATH, input).await.id();
        if index % 2 == 1 {
            consent(&program, &id, &clinic, &["summary"]).await;
        }
        ids.push(id);
    }
    let (mut path, mut seen) = (format!("{PATH}?limit=2"), Vec::new());
    loop {
        let answer = clinic.get(&path).await;
        let page = answer.expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        assert!(answer.header("link").unwrap().contains("rel=\"next\""));
        path = format!("{PATH}?limit=2&cursor={next}");
    }
    assert_eq!(seen, ids, "own and granted ones, in order of creation, each once");
    let count = |query: String| {
        let clinic = clinic.clone();
        async move { clinic.get(&format!("{PATH}?{query}")).await.expect(200)["items"].as_array().unwrap().len() }
    };
    assert_eq!(count("status=inactive".into()).await, 1);
    assert_eq!(count(format!("organization_id={}", clinic.organization_id)).await, 3);
    assert_eq!(count(format!("organization_id={}", program.organization_id)).await, 2);
    assert_eq!(count("updated_since=2026-03-02T17:00:00Z".into()).await, 5);
    assert_eq!(count("updated_since=2026-03-02T17:00:01Z".into()).await, 0);
    clinic.get(&format!("{PATH}?name=Tremblay")).await.expect_problem(400, "malformed_request");
});

on_both!(patients_are_refused_where_they_should_be, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, other) = (app.clinic().await, app.clinic().await);
    app.stranger().get(PATH).await.expect_problem(401, "unauthenticated");
    app.stranger().post(PATH, marie()).await.expect_problem(401, "unauthenticated");
    clinic.only(&[Scope::PatientsRead]).await.post(PATH, marie()).await.expect_problem(403, "insufficient_scope");
    clinic.only(&[Scope::PatientsWrite]).await.get(PATH).await.expect_problem(403, "insufficient_scope");
    let id = clinic.post(PATH, marie()).await.id();
    let path = format!("{PATH}/{id}");
    for suffix in ["", "/history", "/consents", "/timeline", "/need-levels", "/primary-navigators"] {
        other.get(&format!("{path}{suffix}")).await.expect_problem(404, "not_found");
    }
    other.put(&path, 1, marie()).await.expect_problem(404, "not_found");
    other.patch(&path, 1, json!({})).await.expect_problem(404, "not_found");
    other.delete(&path, 1).await.expect_problem(404, "not_found");
    other.put_any(&format!("{path}/need-level"), json!({ "level": "low" })).await.expect_problem(404, "not_found");
    other.put_any(&format!("{path}/primary-navigator"), json!({ "practitioner_id": NOBODY })).await.expect_problem(404, "not_found");
    clinic.get(&format!("{PATH}/{NOBODY}")).await.expect_problem(404, "not_found");
    clinic.get(&format!("{PATH}/nonsense")).await.expect_problem(400, "malformed_request");
    clinic.post(PATH, marie()).await.expect_problem(409, "duplicate");
    clinic.put_any(&path, marie()).await.expect_problem(428, "precondition_required");
    clinic.put(&path, 2, marie()).await.expect_problem(412, "version_mismatch");
    assert_eq!(clinic.post(&format!("{PATH}/search"), json!({})).await.faults(422), [(String::new(), "required".into())]);
    assert_eq!(clinic.patch(&path, 1, json!({ "names": null })).await.faults(422), [("/names".into(), "required".into())]);
});

on_both!(a_sync_by_identifier_takes_no_health_number_in_the_url, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let path = format!("{PATH}/by-identifier?system=https://emr.example.ca&value=A-1");
    let created = caller.put_any(&path, marie()).await;
    created.expect(201);
    assert_eq!(caller.put_any(&path, marie()).await.expect(200)["id"], json!(created.id()));
    let path = format!("{PATH}/by-identifier?system={BRITISH_COLUMBIA}&value=9012372173");
    assert_eq!(caller.put_any(&path, marie()).await.faults(422), [("system".into(), "personal_identifier".into())]);
});

#[derive(QueryableByName)]
struct Table {
    #[diesel(sql_type = Text)]
    name: String,
}

/// Rows that a merge forgot would belong to a record that nobody can read any more.
#[actix_web::test]
async fn every_table_about_a_patient_follows_a_merge() {
    let db = crate::harness::TestDb::sqlite();
    let found = db.read(|conn| {
        let query =
            "SELECT m.name AS name FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND c.name = 'patient_id'";
        let DbConn::Sqlite(conn) = conn else { panic!("not SQLite") };
        Ok(sql_query(query).load::<Table>(conn)?.into_iter().map(|table| table.name).collect::<BTreeSet<_>>())
    });
    let mut expected: BTreeSet<String> = merge::TABLES.iter().map(|name| (*name).to_owned()).collect();
    // The journal is never rewritten: histories and timelines read it under both ids. Keys are derived anew.
    expected.extend(["changes".to_owned(), "patient_keys".to_owned()]);
    assert_eq!(found.await.unwrap(), expected);
}

on_both!(those_who_are_hidden_take_nobodys_place_in_a_search, |db| async move {
    let town = Town::new(db).await;
    let person = json!({ "names": [{ "given": "Amrit", "family": "Singh" }], "birth_date": "1961-04-07" });
    let seen = town.clinic.post(PATH, person.clone()).await.id();
    town.grant(&seen).await;
    for _ in 0..201 {
        town.clinic.post(PATH, person.clone()).await.expect(201);
    }
    for sought in [json!({ "name": "Amrit Singh" }), json!({ "birth_date": "1961-04-07" }), json!({ "name": "Singh" })] {
        let found = search(&town.program, sought.clone()).await;
        assert_eq!(found.iter().map(|(id, _)| id).collect::<Vec<_>>(), [&seen], "{sought}");
    }
    let created = town.program.post(PATH, person).await.expect(201);
    assert_eq!(created["possible_duplicates"][0]["patient_id"], json!(seen), "{created}");
});
