//! Which ways to reach a person may be used, and what is said of an attempt that did not keep to what makes contact safe.

use actix_web::http::Method;
use chrono::Duration;
use serde_json::{Value, json};

use crate::client::Caller;
use crate::referrals::Town;

/// What is said of each contact point.
fn usability(of: &Value) -> Vec<Value> {
    of["contact_points"].as_array().unwrap().iter().map(|point| point["usability"].clone()).collect()
}

fn at_risk() -> Value {
    json!({
        "names": [{ "family": "Tremblay", "given": "Anaïs" }],
        "address": { "region": "BC", "country": "CA" },
        "contact_points": [
            { "kind": "phone", "value": "250-555-0142" },
            { "kind": "phone", "value": "250-555-0199" },
            { "kind": "sms", "value": "250-555-0142" },
            { "kind": "phone", "value": "250-555-0111", "valid": { "until": "2026-03-02" } },
        ],
        "related_persons": [{ "name": "Luc", "contact_points": [{ "kind": "phone", "value": "+1 250 555 0199" }] }],
        "safe_contact": { "no_text_messages": true, "do_not_contact": ["(250) 555-0199"] },
    })
}

on_both!(what_may_be_used_today_is_said_of_every_way_to_reach_a_person, |db| async move {
    let mut town = Town::new(db).await;
    let created = town.clinic.post("/v1/patients", at_risk()).await;
    let (path, today) = (format!("/v1/patients/{}", created.id()), ["usable", "forbidden", "forbidden", "usable"]);
    assert_eq!(usability(&created.expect(201)), today);
    let mut read = town.clinic.get(&path).await.expect(200);
    assert_eq!(usability(&read), today);
    assert_eq!(usability(&read["related_persons"][0]), ["forbidden"], "whoever has the number");
    let sought = json!({ "name": "Anaïs Tremblay" });
    let found = town.clinic.post("/v1/patients/search", sought).await.expect(200);
    assert_eq!(usability(&found["items"][0]["patient"]), today);
    let levelled = town.clinic.put_any(&format!("{path}/need-level"), json!({ "level": "high" })).await.expect(200);
    assert_eq!(usability(&levelled), today);
    let referral = town.sent(&created.id()).await;
    let received = town.program.get(&format!("/v1/referrals/{referral}")).await.expect(200);
    assert_eq!(usability(&received["patient"]), today);

    // It is not for the sender to say, and what is read later says nothing of it.
    for computed in ["id", "organization_id", "version", "created_at", "updated_at", "need_level", "primary_navigator_id", "withheld"] {
        read.as_object_mut().unwrap().remove(computed);
    }
    read["contact_points"][1]["usability"] = json!("usable");
    assert_eq!(usability(&town.clinic.put(&path, 2, read).await.expect(200)), today);
    let listed = town.clinic.get("/v1/patients").await.expect(200);
    assert_eq!(usability(&listed["items"][0]), vec![Value::Null; 4]);
    town.app.is_readable().await;
    let told = town.clinic.get("/v1/changes?resource_type=patient&limit=200").await.expect(200);
    assert_eq!(usability(&told["items"].as_array().unwrap().last().unwrap()["resource"]), vec![Value::Null; 4]);

    town.app.clock.advance(Duration::days(1));
    town.clinic.renew().await;
    let known = town.clinic.request(Method::GET, &path).insert_header(("if-none-match", "\"3\""));
    let later = town.app.send(known).await.expect(200);
    assert_eq!(usability(&later), ["usable", "forbidden", "forbidden", "expired"], "the day decides, not the version");
});

/// Records an attempt; the codes of what it did not keep to.
async fn attempt(caller: &Caller, id: &str, more: Value) -> Vec<String> {
    let mut body = json!({ "mode": "phone", "outcome": "no_answer" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = caller.post(&format!("/v1/follow-ups/{id}/attempts"), body).await.expect(201);
    assert_eq!(made["contact_value"], Value::Null);
    made["warnings"].as_array().unwrap().iter().map(|warning| warning["code"].as_str().unwrap().to_owned()).collect()
}

on_both!(an_attempt_that_does_not_keep_to_safe_contact_is_recorded_and_says_so, |db| async move {
    let town = Town::new(db).await;
    let mut person = at_risk();
    person["safe_contact"]["no_voicemail"] = json!(true);
    person["safe_contact"]["safe_times"] = json!([{ "day": "monday", "from": "09:00", "until": "12:00" }]);
    let patient = town.clinic.post("/v1/patients", person).await.id();
    let planned = json!({ "patient_id": patient, "purpose": "check_in", "due_on": "2026-03-10" });
    let id = town.clinic.post("/v1/follow-ups", planned.clone()).await.id();

    // It is Monday morning where the person lives.
    assert_eq!(attempt(&town.clinic, &id, json!({})).await, Vec::<String>::new());
    let at_night = json!({ "outcome": "voicemail", "contact_value": "+1 250-555-0199", "at": "2026-03-02T08:00:00Z" });
    assert_eq!(attempt(&town.clinic, &id, at_night.clone()).await, ["no_voicemail", "do_not_contact", "outside_safe_times"]);
    let tries = town.clinic.get(&format!("/v1/follow-ups/{id}/attempts")).await.expect(200);
    assert_eq!(tries["items"].as_array().unwrap().len(), 2, "what has happened is recorded");
    assert!(!tries.to_string().contains("555-0199"), "{tries}");
    let texted = json!({ "mode": "text_chat", "outcome": "reached" });
    assert_eq!(attempt(&town.clinic, &id, texted).await, ["no_text_messages"]);

    // Whom the patient does not show how they are contacted hears nothing of it either.
    crate::screenings::consent(&town.clinic, &patient, &town.program, &["follow_ups"]).await;
    let id = town.program.post("/v1/follow-ups", planned).await.id();
    assert_eq!(attempt(&town.program, &id, at_night).await, Vec::<String>::new());
});
