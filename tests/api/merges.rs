//! What becomes of two records of one person that are merged: what protects the person, and the syncs that go on by their keys.

use diesel::connection::SimpleConnection as _;
use serde_json::{Value, json};

use crate::bulk::{SYSTEM, counts, key, load, results};
use crate::client::{Answer, Caller, TestApp};
use crate::harness::{FIRST_IDS, many_rows, numbered_id};

const PATH: &str = "/v1/patients";

/// A person with these keys and what else is said of them.
fn person(keys: &[&str], more: Value) -> Value {
    let keys: Vec<Value> = keys.iter().map(|value| key(value)).collect();
    let mut person = json!({ "names": [{ "given": "Marie", "family": "Tremblay" }], "identifiers": keys });
    person.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    person
}

async fn sync(caller: &Caller, value: &str, body: Value) -> Answer {
    caller.put_any(&format!("{PATH}/by-identifier?system={SYSTEM}&value={value}"), body).await
}

async fn merge(caller: &Caller, survivor: &str, duplicate: &str) -> Answer {
    caller.post(&format!("{PATH}/{survivor}/merge"), json!({ "duplicate_id": duplicate })).await
}

/// Merges two new records that say this of one person; the answer.
async fn merged(caller: &Caller, survivor: Value, duplicate: Value) -> Answer {
    let survivor = caller.post(PATH, person(&[], survivor)).await.id();
    let duplicate = caller.post(PATH, person(&[], duplicate)).await.id();
    merge(caller, &survivor, &duplicate).await
}

fn window(day: &str, from: &str, until: &str) -> Value {
    json!({ "day": day, "from": from, "until": until })
}

on_both!(what_protects_a_person_in_one_record_still_does_so_after_a_merge, |db| async move {
    let clinic = TestApp::new(db).await.clinic().await;
    let son = |may_act: bool| json!([{ "name": "Luc Tremblay", "relationship": "son", "may_act": may_act }]);
    let survivor = json!({
        "safe_contact": {
            "no_voicemail": false, "no_text_messages": true, "no_post": false, "code_word": "marigold", "note": "Ring twice.",
            "safe_times": [window("monday", "09:00", "12:00"), window("tuesday", "09:00", "12:00")],
            "do_not_contact": ["250-861-5599"],
        },
        "contact_points": [{ "kind": "phone", "value": "250-861-5555" }],
        "interpreter_needed": false, "childcare_needed": false, "notes": "Mine.", "related_persons": son(false),
        "equity": { "permitted_uses": ["matching", "reports"], "religion": { "status": "answered", "text": "Sikh" } },
    });
    let duplicate = json!({
        "safe_contact": {
            "no_voicemail": true, "no_text_messages": false, "no_caller_identity": true, "code_word": "rose", "note": "Never ask her son.",
            "safe_times": [window("monday", "10:00", "14:00"), window("friday", "09:00", "12:00")],
            "do_not_contact": ["250-861-5511"],
        },
        "contact_points": [{ "kind": "phone", "value": "(250) 861-5599" }, { "kind": "phone", "value": "250-861-5566" }],
        "interpreter_needed": true, "childcare_needed": true, "notes": "Her husband must not know.", "related_persons": son(true),
        "equity": { "permitted_uses": ["matching"], "pronouns": { "status": "answered", "codes": ["she"] } },
    });
    let whole = merged(&clinic, survivor, duplicate).await.expect(200);
    assert_eq!(
        whole["safe_contact"],
        json!({
            "no_voicemail": true, "no_text_messages": true, "no_post": false, "no_caller_identity": true, "code_word": "marigold / rose",
            "note": "Ring twice.\nNever ask her son.", "safe_times": [window("monday", "10:00", "12:00")],
            "do_not_contact": ["250-861-5599", "250-861-5511"],
        })
    );
    let numbers: Vec<&Value> = whole["contact_points"].as_array().unwrap().iter().map(|point| &point["number"]).collect();
    assert_eq!(numbers, ["+12508615555", "+12508615566"], "what one record forbids is not a way to reach the person");
    assert_eq!((&whole["interpreter_needed"], &whole["childcare_needed"]), (&json!(true), &json!(true)));
    assert_eq!(whole["notes"], "Mine.\nHer husband must not know.");
    let may_act = |person: &Value| person["may_act"] == true;
    assert!(!whole["related_persons"].as_array().unwrap().iter().any(may_act), "nobody decides for her whom she let not decide");
    assert_eq!(whole["equity"]["permitted_uses"], json!(["matching"]), "no more than she agreed to in both");
    assert_eq!((&whole["equity"]["religion"]["text"], &whole["equity"]["pronouns"]["codes"]), (&json!("Sikh"), &json!(["she"])));
});

on_both!(two_records_that_share_no_safe_time_are_not_merged, |db| async move {
    let clinic = TestApp::new(db).await.clinic().await;
    let at = |day: &str| json!({ "safe_contact": { "safe_times": [window(day, "09:00", "12:00")] } });
    let refused = merged(&clinic, at("monday"), at("friday")).await;
    assert_eq!(refused.faults(422), [("/duplicate_id".into(), "not_allowed".into())]);
    assert!(refused.json()["errors"][0]["message"].as_str().unwrap().contains("no safe time"), "{}", refused.json());
    let page = clinic.get(PATH).await.expect(200);
    let stands = page["items"].as_array().unwrap().iter().map(|patient| patient["safe_contact"]["safe_times"][0]["day"].clone());
    assert_eq!(stands.collect::<Vec<_>>(), ["monday", "friday"], "both stand as they stood");
    let at_any_time = json!({ "safe_contact": { "no_post": true } });
    let whole = merged(&clinic, at_any_time, at("friday")).await.expect(200);
    assert_eq!(whole["safe_contact"]["safe_times"], json!([window("friday", "09:00", "12:00")]));
    assert_eq!((&whole["safe_contact"]["no_post"], &whole["safe_contact"]["note"]), (&json!(true), &Value::Null));
});

on_both!(a_merge_that_would_cut_what_protects_a_person_is_refused, |db| async move {
    let clinic = TestApp::new(db).await.clinic().await;
    let noted = |letter: &str| json!({ "safe_contact": { "note": letter.repeat(600) } });
    let refused = merged(&clinic, noted("a"), noted("b")).await;
    assert_eq!(refused.faults(422), [("/duplicate_id".into(), "too_long".into())]);
    assert!(refused.json()["errors"][0]["message"].as_str().unwrap().contains("/safe_contact/note"), "{}", refused.json());
    let page = clinic.get(PATH).await.expect(200);
    assert_eq!(page["items"].as_array().unwrap().len(), 2, "both stand as they stood");
    let same = merged(&clinic, noted("a"), noted("a")).await.expect(200);
    assert_eq!(same["safe_contact"]["note"], "a".repeat(600));
});

on_both!(a_sync_that_goes_on_after_a_merge_loses_and_doubles_nothing, |db| async move {
    let clinic = TestApp::new(db).await.clinic().await;
    let ours = || person(&["p-1"], json!({ "notes": "From the first chart." }));
    let theirs = || person(&["p-2", "q-2"], json!({ "notes": "From the second chart." }));
    let survivor = sync(&clinic, "p-1", ours()).await.id();
    let duplicate = sync(&clinic, "p-2", theirs()).await.id();
    let third = sync(&clinic, "p-3", person(&["p-3"], json!({}))).await.id();
    merge(&clinic, &duplicate, &third).await.expect(200);
    merge(&clinic, &survivor, &duplicate).await.expect(200);
    let path = format!("{PATH}/{survivor}");
    let whole = clinic.get(&path).await.expect(200);

    for (value, body) in [("p-2", theirs()), ("q-2", theirs()), ("p-3", person(&["p-3"], json!({})))] {
        assert_eq!(sync(&clinic, value, body).await.expect_problem(410, "merged")["merged_into"], path, "{value}");
    }
    assert_eq!(clinic.get(&path).await.expect(200), whole, "the survivor is as it was");

    let again = sync(&clinic, "p-1", ours()).await.expect(200);
    assert_eq!((&again["id"], &again["notes"]), (&json!(survivor), &json!("From the first chart.")));
    assert_eq!(again["identifiers"], json!([key("p-1"), key("p-2"), key("q-2"), key("p-3")]), "those that came with the merge stay");
    let knowing = person(&["p-2", "p-1"], json!({ "notes": "One chart." }));
    let knowing = sync(&clinic, "p-2", knowing).await.expect(200);
    assert_eq!((&knowing["id"], &knowing["notes"]), (&json!(survivor), &json!("One chart.")));
    assert_eq!(knowing["identifiers"].as_array().unwrap().len(), 4);
    sync(&clinic, "p-2", theirs()).await.expect_problem(410, "merged");
    assert_eq!(clinic.get(PATH).await.expect(200)["items"].as_array().unwrap().len(), 1, "nobody is there twice");

    let many: Vec<String> = ["p-1".to_owned()].into_iter().chain((0..19).map(|number| format!("x-{number}"))).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let full = sync(&clinic, "p-1", person(&many, json!({}))).await;
    assert_eq!(full.faults(422), [("/identifiers".into(), "too_many".into())]);
    let version = clinic.get(&path).await.expect(200)["version"].as_i64().unwrap();
    let own = clinic.put(&path, version, ours()).await.expect(200);
    assert_eq!(own["identifiers"], json!([key("p-1")]), "whoever has read the record says what its keys are");
    sync(&clinic, "p-2", theirs()).await.expect(201);
});

on_both!(a_file_that_is_loaded_again_after_a_merge_loses_and_doubles_nothing, |db| async move {
    let clinic = TestApp::new(db).await.clinic().await;
    let line = |value: &str, notes: &str| json!({ "type": "patient", "resource": person(&[value], json!({ "notes": notes })) });
    let file = |notes: &str| format!("{}\n{}\n", line("p-1", notes), line("p-2", notes));
    load(&clinic, file("Old.")).await;
    let page = clinic.get(PATH).await.expect(200);
    let id = |index: usize| page["items"][index]["id"].as_str().unwrap().to_owned();
    merge(&clinic, &id(0), &id(1)).await.expect(200);

    let again = load(&clinic, file("Old.")).await;
    assert_eq!(counts(&again), [0, 0, 1, 1], "nothing has changed, and the keys that came with the merge are no change");
    let lines = results(&clinic, &again).await;
    assert_eq!(
        (&lines[1]["problem"]["code"], &lines[1]["problem"]["merged_into"]),
        (&json!("merged"), &json!(format!("{PATH}/{}", id(0))))
    );
    assert_eq!(counts(&load(&clinic, file("New.")).await), [0, 1, 0, 1]);
    let page = clinic.get(PATH).await.expect(200);
    assert_eq!((page["items"].as_array().unwrap().len(), &page["items"][0]["notes"]), (1, &json!("New.")));
    assert_eq!(page["items"][0]["identifiers"], json!([key("p-1"), key("p-2")]));
});

on_both!(a_person_who_is_followed_under_one_record_is_so_after_a_merge_whichever_survives, |db| async move {
    let clinic = TestApp::new(db).await.clinic().await;
    let survivor = clinic.post(PATH, person(&["p-1"], json!({ "status": "inactive" }))).await.id();
    let duplicate = clinic.post(PATH, person(&["p-2"], json!({}))).await.id();
    let check_in = json!({ "patient_id": duplicate, "purpose": "check_in", "due_on": "2026-03-10" });
    let check_in = clinic.post("/v1/follow-ups", check_in).await.id();
    assert_eq!(merge(&clinic, &survivor, &duplicate).await.expect(200)["status"], "active");
    let done = clinic.post(&format!("/v1/follow-ups/{check_in}/complete"), json!({})).await.expect(200);
    assert!(done["next_follow_up_id"].is_string(), "{done}");
});

on_both!(so_many_records_are_merged_into_one_and_no_more, |db| async move {
    let clinic = TestApp::new(db).await.clinic().await;
    let made = async |body: Value| clinic.post(PATH, person(&[], body)).await.id();
    let (survivor, second, third) = (made(json!({ "notes": "One." })).await, made(json!({})).await, made(json!({})).await);
    merge(&clinic, &survivor, &second).await.expect(200);
    let columns = format!(
        "{}, one.organization_id, one.status, one.need_level, one.primary_navigator_id, one.merged_into_id, one.content, one.version, \
         one.created_at, one.updated_at, one.deleted_at",
        numbered_id(FIRST_IDS, clinic.app.database_url().starts_with("sqlite:"))
    );
    let more = many_rows("patients", 498, &columns, "SELECT * FROM patients WHERE merged_into_id IS NOT NULL");
    clinic.app.state.db.write(move |conn| Ok(conn.batch_execute(&more)?)).await.unwrap();
    merge(&clinic, &survivor, &third).await.expect(200);

    let fourth = made(json!({})).await;
    let too_many: [(String, String); 1] = [("/duplicate_id".into(), "too_many".into())];
    assert_eq!(merge(&clinic, &survivor, &fourth).await.faults(422), too_many);
    assert_eq!(merge(&clinic, &fourth, &survivor).await.faults(422), too_many, "they would come with the duplicate");
    assert_eq!(clinic.get(&format!("{PATH}/{survivor}")).await.expect(200)["notes"], "One.");
});
