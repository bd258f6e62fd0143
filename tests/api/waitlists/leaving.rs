//! How people leave a list, and where their referrals stand then.

use chrono::Duration;
use kith::waitlists::sweeper;
use serde_json::{Value, json};

use super::Town;
use crate::client::Caller;

on_both!(a_referral_that_ends_or_goes_on_leaves_the_list, |db| async move {
    let town = Town::new(db).await;
    let first = town.wait(json!({})).await;
    let second = town.wait(json!({})).await;
    let third = town.wait(json!({})).await;
    town.free(1).await;
    let step = async |caller: &Caller, entry: &Value, step: Value| {
        caller.post(&format!("/v1/referrals/{}/transitions", entry["referral_id"].as_str().unwrap()), step).await.expect(201);
    };
    let moved = json!({ "status": "cancelled", "reason": { "code": "moved" } });
    step(&town.clinic, &first, moved).await;
    assert_eq!(town.statuses(&[&first, &second, &third]).await, ["left", "offered", "waiting"]);
    step(&town.agency, &second, json!({ "status": "in_progress" })).await;
    assert_eq!(town.statuses(&[&second, &third]).await, ["accepted", "waiting"], "and its place is free no more");
    town.act(&town.clinic, &third, "leave").await.expect(200);
    town.act(&town.clinic, &third, "leave").await.expect_problem(409, "not_waiting");
    assert_eq!(town.clinic.get(&town.list()).await.expect(200)["items"], json!([]));
    let left = town.clinic.get(&format!("{}?status=left&status=accepted", town.list())).await.expect(200);
    assert_eq!(left["items"].as_array().unwrap().len(), 3);
});

on_both!(whoever_leaves_a_list_stands_where_they_stood_before, |db| async move {
    let mut town = Town::new(db).await;
    let referral = async |town: &Town, entry: &Value| {
        let id = entry["referral_id"].as_str().unwrap();
        let referral = town.clinic.get(&format!("/v1/referrals/{id}")).await.expect(200);
        let steps = town.clinic.get(&format!("/v1/referrals/{id}/transitions")).await.expect(200);
        let last = steps["items"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(referral["business_status"], Value::Null);
        (referral["status"].as_str().unwrap().to_owned(), last, referral)
    };
    let asked = town.wait(json!({})).await;
    town.act(&town.clinic, &asked, "leave").await.expect(200);
    let (status, last, row) = referral(&town, &asked).await;
    assert_eq!((status.as_str(), &last["from"], &last["to"]), ("received", &json!("on_hold"), &json!("received")));
    assert_eq!((&last["organization_id"], &last["reason"]["code"]), (&json!(town.clinic.organization_id), &Value::Null));
    assert_eq!((row["due_on"].is_string(), &row["status_reason"]["code"]), (true, &Value::Null), "somebody has to act on it");

    let moved = async |status: &str| {
        let id = town.refer().await;
        for status in ["accepted", status] {
            town.agency.post(&format!("/v1/referrals/{id}/transitions"), json!({ "status": status })).await.expect(201);
        }
        id
    };
    let (accepted, begun) = (moved("accepted").await, moved("in_progress").await);
    town.free(2).await;
    let accepted = town.agency.post(&town.list(), json!({ "referral_id": accepted })).await.expect(201);
    let begun = town.agency.post(&town.list(), json!({ "referral_id": begun })).await.expect(201);
    assert_eq!(town.statuses(&[&accepted, &begun]).await, ["offered", "offered"]);
    let decline = format!("{}/decline", town.path(&accepted));
    assert_eq!(town.clinic.post(&decline, json!({ "note": "no" })).await.faults(422), [("/note".into(), "unknown_field".into())]);
    let other = town.clinic.post(&decline, json!({ "reason": { "code": "other" } })).await;
    assert_eq!(other.faults(422), [("/reason/text".into(), "required".into())]);
    let reason = json!({ "code": "person_declined", "text": "Would rather go to the evening group." });
    assert_eq!(town.clinic.post(&decline, json!({ "reason": reason })).await.expect(200)["status"], "declined");
    let (status, last, _) = referral(&town, &accepted).await;
    assert_eq!((status.as_str(), &last["to"], &last["reason"]), ("accepted", &json!("accepted"), &reason));

    town.clinic.app.clock.advance(Duration::hours(72));
    town.renew().await;
    sweeper::sweep(&town.clinic.app.state).await.unwrap();
    assert_eq!(town.statuses(&[&begun]).await, ["expired"]);
    let (status, last, _) = referral(&town, &begun).await;
    assert_eq!((status.as_str(), &last["reason"]["code"]), ("in_progress", &json!("expired")));
    town.clinic.app.is_readable().await;
    let feed = town.clinic.get("/v1/changes?resource_type=referral&limit=200").await.expect(200);
    let told = feed["items"].as_array().unwrap().iter().rfind(|entry| entry["resource_id"] == begun["referral_id"]).unwrap();
    assert_eq!((&told["resource"]["status"], &told["resource"]["business_status"]), (&json!("in_progress"), &Value::Null));
});

on_both!(who_is_taken_off_hold_has_a_place_or_waits_no_longer, |db| async move {
    let town = Town::new(db).await;
    let step = async |entry: &Value, status: &str| {
        let path = format!("/v1/referrals/{}/transitions", entry["referral_id"].as_str().unwrap());
        town.agency.post(&path, json!({ "status": status })).await.expect(201);
    };
    let (first, second, third) = (town.wait(json!({})).await, town.wait(json!({})).await, town.wait(json!({})).await);
    town.free(1).await;
    step(&first, "received").await;
    assert_eq!(town.statuses(&[&first, &second, &third]).await, ["left", "offered", "waiting"], "the place goes to the next");
    step(&second, "accepted").await;
    assert_eq!(town.statuses(&[&second, &third]).await, ["accepted", "waiting"], "whoever is accepted has the place");
    let room = town.clinic.get(&format!("/v1/services/{}", town.service)).await.expect(200)["capacity"].clone();
    assert_eq!((&room["available"], &room["held"]), (&json!(0), &json!(0)));
});

on_both!(whoever_was_on_hold_before_they_waited_is_so_again_for_the_same_reason, |db| async move {
    let town = Town::new(db).await;
    let id = town.refer().await;
    let hold = json!({ "status": "on_hold", "business_status": "awaiting_information", "reason": { "code": "missing_information" } });
    for step in [json!({ "status": "received" }), hold] {
        town.agency.post(&format!("/v1/referrals/{id}/transitions"), step).await.expect(201);
    }
    let entry = town.agency.post(&town.list(), json!({ "referral_id": id })).await.expect(201);
    town.act(&town.clinic, &entry, "leave").await.expect(200);
    let referral = town.clinic.get(&format!("/v1/referrals/{id}")).await.expect(200);
    assert_eq!((&referral["status"], &referral["business_status"]), (&json!("on_hold"), &json!("awaiting_information")));
    assert_eq!(referral["status_reason"]["code"], "missing_information");
});

on_both!(whoever_leaves_a_list_is_on_hold_no_longer_though_the_finer_word_has_changed, |db| async move {
    let town = Town::new(db).await;
    let stands = async |entry: &Value| {
        let referral = town.clinic.get(&format!("/v1/referrals/{}", entry["referral_id"].as_str().unwrap())).await.expect(200);
        (referral["status"].as_str().unwrap().to_owned(), referral["status_reason"]["code"].as_str().map(str::to_owned))
    };
    let say = async |entry: &Value, word: Value| {
        let path = format!("/v1/referrals/{}/transitions", entry["referral_id"].as_str().unwrap());
        town.agency.post(&path, word).await.expect(201);
    };
    let booked = town.wait(json!({})).await;
    say(&booked, json!({ "status": "on_hold", "business_status": "awaiting_booking", "reason": { "code": "no_capacity" } })).await;
    town.act(&town.clinic, &booked, "leave").await.expect(200);
    assert_eq!(stands(&booked).await, ("received".to_owned(), None));
    // What was put on hold for another reason meanwhile stays so.
    let asked = town.wait(json!({})).await;
    say(&asked, json!({ "status": "on_hold", "business_status": "awaiting_information", "reason": { "code": "missing_information" } }))
        .await;
    town.act(&town.clinic, &asked, "leave").await.expect(200);
    assert_eq!(stands(&asked).await, ("on_hold".to_owned(), Some("missing_information".to_owned())));
    // So does one of which no other word was said with the reason; only that it waits is said no more.
    let unsaid = town.wait(json!({})).await;
    say(&unsaid, json!({ "status": "on_hold", "reason": { "code": "missing_information" } })).await;
    town.act(&town.clinic, &unsaid, "leave").await.expect(200);
    assert_eq!(stands(&unsaid).await, ("on_hold".to_owned(), Some("missing_information".to_owned())));
    let referral = town.clinic.get(&format!("/v1/referrals/{}", unsaid["referral_id"].as_str().unwrap())).await.expect(200);
    assert_eq!(referral["business_status"], Value::Null);
});
