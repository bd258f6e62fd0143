//! A clock that is set back, and memory that a second process does not share.

use chrono::Duration;
use kith::db::Db;
use kith::http::command;
use serde_json::{Value, json};

use crate::client::{Caller, TestApp, beginning};
use crate::referrals::{Town, step};

fn versions(items: &Value) -> Vec<i64> {
    items["items"].as_array().unwrap().iter().map(|item| item["version"].as_i64().unwrap()).collect()
}

on_both!(a_clock_set_back_an_hour_refuses_tokens_of_the_future_and_loses_nothing, |db| async move {
    let mut town = Town::new(db).await;
    let patient = town.patient().await;
    let id = town.sent(&patient).await;
    step(&town.program, &id, json!({ "status": "accepted" })).await.expect(201);
    let before = town.clinic.get("/v1/changes").await.expect(200);
    let key = ("/v1/patients", "the-same", json!({ "names": [{ "family": "Tremblay" }] }));
    let first = town.clinic.post_once(key.0, key.1, key.2.clone()).await;
    first.expect(201);

    town.app.clock.set(beginning().plus(-Duration::hours(1)));
    let refused = town.clinic.get("/v1/patients").await.expect_problem(401, "unauthenticated");
    assert!(refused["detail"].as_str().unwrap().contains("not valid yet"), "{refused}");
    for caller in [&mut town.clinic, &mut town.program] {
        caller.renew().await;
    }
    let again = town.clinic.post_once(key.0, key.1, key.2.clone()).await;
    assert_eq!((again.status, again.id()), (201, first.id()), "the key is known though it is of the future");
    // The consent is of the future too: who the person agrees to later takes nobody on now.
    step(&town.program, &id, json!({ "status": "in_progress" })).await.expect_problem(409, "consent_ended");
    step(&town.program, &id, json!({ "status": "on_hold", "reason": { "code": "missing_information" } })).await.expect(201);
    town.clinic.patch(&format!("/v1/referrals/{id}"), 3, json!({ "reason": "Set back." })).await.expect(200);
    let other = town.sent(&patient).await;

    let transitions = town.clinic.get(&format!("/v1/referrals/{id}/transitions")).await.expect(200);
    let steps: Vec<&str> = transitions["items"].as_array().unwrap().iter().map(|item| item["to"].as_str().unwrap()).collect();
    assert_eq!(steps, ["requested", "accepted", "on_hold"]);
    assert_eq!(versions(&town.clinic.get(&format!("/v1/referrals/{id}/history")).await.expect(200)), [1, 2, 3, 4]);
    let next = before["next"].as_str().unwrap();
    let mut seen = Vec::new();
    while !seen.contains(&json!(other)) {
        let piece = town.clinic.get(&format!("/v1/changes?cursor={next}")).await.expect(200);
        seen = piece["items"].as_array().unwrap().iter().map(|item| item["resource_id"].clone()).collect();
    }
    assert!(seen.contains(&json!(id)) && seen.contains(&json!(first.id())), "a reader that goes on misses nothing");
    let listed = town.clinic.get("/v1/referrals").await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
});

on_both!(a_client_disabled_by_another_process_is_refused_though_the_clock_is_set_back, |db| async move {
    let settings = db.settings.clone();
    let app = TestApp::new(db).await;
    let caller = app.clinic().await;
    caller.get("/v1/patients").await.expect(200);
    let (other, id, now) = (Db::open(&settings).unwrap(), caller.client_id, app.clock.now());
    other.write(move |conn| kith::auth::repository::set_active(conn, id, false, now)).await.unwrap();
    // Back by less than a token may be from the future, so that only what is remembered of the client decides.
    app.clock.advance(Duration::seconds(-3));
    caller.get("/v1/patients").await.expect_problem(401, "unauthenticated");
});

on_both!(a_key_used_in_one_process_is_known_in_another_and_forgotten_after_a_week, |db| async move {
    let settings = db.settings.clone();
    let here = TestApp::new(db).await.clinic().await;
    let mut there = Caller { app: here.app.beside(Db::open(&settings).unwrap()).await, ..here.clone() };
    let person = || json!({ "names": [{ "family": "Tremblay" }] });
    let first = here.post_once("/v1/patients", "key", person()).await;
    first.expect(201);
    let second = there.post_once("/v1/patients", "key", person()).await;
    assert_eq!((second.status, second.bytes.clone()), (201, first.bytes.clone()));
    there.post_once("/v1/patients", "key", json!({ "names": [{ "family": "Roy" }] })).await.expect_problem(422, "idempotency_key_reused");

    here.app.clock.advance(command::KEPT + Duration::seconds(1));
    command::forget_old(&here.app.state).await.unwrap();
    let kept = |conn: &mut kith::db::DbConn| {
        use diesel::prelude::*;
        Ok(kith::db::schema::idempotency_keys::table.count().get_result::<i64>(conn)?)
    };
    assert_eq!(here.app.state.db.read(kept).await.unwrap(), 0);
    there.renew().await;
    let later = there.post_once("/v1/patients", "key", person()).await;
    later.expect(201);
    assert_ne!(later.id(), first.id());
});
