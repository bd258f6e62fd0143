//! What only the passing of a day brings about.

use chrono::Duration as Span;
use diesel::prelude::*;
use kith::db::schema::webhook_dues;
use serde_json::{Value, json};

use super::{Endpoint, conforms, of_path, person, settle, town};
use crate::client::Caller;
use crate::receiver::{Got, Receiver};
use crate::referrals::Town;

on_both!(what_falls_due_is_told_once_in_the_time_zone_of_whoever_is_to_act, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let types = json!({ "event_types": ["referral.overdue", "follow_up.due", "follow_up.overdue"], "payload": "full" });
    Endpoint::new(&town.clinic, receiver.url("/"), types).await;
    settle(&town.app).await;
    let patient = town.patient().await;
    // Due on 4 March, in Vancouver.
    town.sent(&patient).await;
    let follow_up = json!({ "patient_id": patient, "purpose": "check_in", "due_on": "2026-03-03" });
    town.clinic.post("/v1/follow-ups", follow_up).await.expect(201);
    settle(&town.app).await;
    assert!(receiver.take().is_empty());
    let mut told = Vec::new();
    for _ in 0..5 * 24 {
        town.app.clock.advance(Span::hours(1));
        settle(&town.app).await;
        let got = receiver.take();
        got.iter().for_each(conforms);
        told.extend(got.iter().map(|one| (one.event(), town.app.clock.now().to_text()[..13].to_owned())));
    }
    let expected = [("follow_up.due", "2026-03-03T08"), ("follow_up.overdue", "2026-03-04T08"), ("referral.overdue", "2026-03-05T08")];
    assert_eq!(told, expected.map(|(event, hour)| (event.to_owned(), hour.to_owned())), "midnight in British Columbia is 8 in UTC");
});

on_both!(what_was_overdue_before_anybody_asked_is_not_told, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let patient = town.patient().await;
    town.sent(&patient).await;
    town.app.clock.advance(Span::days(20));
    let mut clinic = town.clinic.clone();
    clinic.renew().await;
    Endpoint::new(&clinic, receiver.url("/"), json!({ "event_types": ["referral.overdue"] })).await;
    settle(&town.app).await;
    settle(&town.app).await;
    assert!(receiver.take().is_empty());
});

/// All that is told of follow-ups.
fn of_follow_ups() -> Value {
    json!({ "event_types": ["follow_up.created", "follow_up.updated", "follow_up.due", "follow_up.overdue"] })
}

/// A follow-up that is due on a day; its path.
async fn check_in(clinic: &Caller, due_on: &str) -> String {
    let follow_up = json!({ "patient_id": person(clinic).await, "purpose": "check_in", "due_on": due_on });
    format!("/v1/follow-ups/{}", clinic.make("/v1/follow-ups", follow_up).await)
}

/// What an address was told of a follow-up, in its order.
fn told(got: &[Got], address: &str, path: &str) -> Vec<String> {
    let about = of_path(got, address).into_iter().filter(|one| path.ends_with(one.json()["data"]["resource_id"].as_str().unwrap()));
    about.map(|one| one.event()).collect()
}

/// What is told of a follow-up that is completed when its day has passed: how it ended, and which one follows.
const IN_THEIR_ORDER: [&str; 5] = ["created", "due", "overdue", "updated", "updated"];

/// An endpoint is paused, a follow-up falls due, passes and is completed, and the endpoint is made active again: what it is told then, and
/// what another was told that was never paused, where there is one.
async fn after_a_pause(town: &mut Town, is_alone: bool) -> [Vec<String>; 2] {
    let receiver = Receiver::new();
    let late = Endpoint::new(&town.clinic, receiver.url("/late"), of_follow_ups()).await;
    if !is_alone {
        Endpoint::new(&town.clinic, receiver.url("/steady"), of_follow_ups()).await;
    }
    settle(&town.app).await;
    town.clinic.patch(&late.path, 1, json!({ "status": "paused" })).await.expect(200);
    let path = check_in(&town.clinic, "2026-03-03").await;
    let mut got = Vec::new();
    for day in 3..7 {
        settle(&town.app).await;
        town.app.clock.advance(Span::days(1));
        town.clinic.renew().await;
        settle(&town.app).await;
        got.extend(receiver.take());
        if day == 5 {
            town.clinic.post(&format!("{path}/complete"), json!({})).await.expect(200);
        }
    }
    let steady = told(&got, "/steady", &path);
    assert_eq!(told(&got, "/late", &path), Vec::<String>::new());
    town.clinic.patch(&late.path, 2, json!({ "status": "active" })).await.expect(200);
    settle(&town.app).await;
    [told(&receiver.take(), "/late", &path), steady]
}

on_both!(an_endpoint_that_was_paused_is_told_later_what_fell_due_in_its_place, |db| async move {
    let mut town = town(db).await;
    let expected = IN_THEIR_ORDER.map(|what| format!("follow_up.{what}"));
    assert_eq!(after_a_pause(&mut town, false).await, [expected.to_vec(), expected.to_vec()]);
});

on_both!(what_fell_due_while_nobody_was_sent_to_is_told_later_in_its_place, |db| async move {
    let mut town = town(db).await;
    let expected = IN_THEIR_ORDER.map(|what| format!("follow_up.{what}"));
    assert_eq!(after_a_pause(&mut town, true).await, [expected.to_vec(), Vec::new()]);
});

on_both!(what_falls_due_is_told_to_an_endpoint_that_is_behind_when_it_comes_there, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let late = Endpoint::new(&town.clinic, receiver.url("/late"), of_follow_ups()).await;
    Endpoint::new(&town.clinic, receiver.url("/steady"), of_follow_ups()).await;
    settle(&town.app).await;
    town.clinic.patch(&late.path, 1, json!({ "status": "paused" })).await.expect(200);
    let path = check_in(&town.clinic, "2026-03-03").await;
    settle(&town.app).await;
    receiver.take();
    town.app.clock.advance(Span::minutes(10) + Span::days(1));
    let mut clinic = town.clinic.clone();
    clinic.renew().await;
    clinic.patch(&late.path, 2, json!({ "status": "active" })).await.expect(200);
    // The day is looked for before the journal is read on.
    let engine = kith::webhooks::Engine::new(town.app.state.clone());
    town.app.is_readable().await;
    engine.sweep().await.unwrap();
    engine.deliver().await.unwrap();
    let got = receiver.take();
    let expected = ["created", "due"].map(|what| format!("follow_up.{what}"));
    assert_eq!((told(&got, "/late", &path), told(&got, "/steady", &path)), (expected.to_vec(), vec!["follow_up.due".to_owned()]));
});

on_both!(what_was_told_of_days_long_ago_is_forgotten_and_not_told_again, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let endpoint = Endpoint::new(&town.clinic, receiver.url("/"), of_follow_ups()).await;
    let path = check_in(&town.clinic, "2026-03-03").await;
    let noted = async || town.app.state.db.read(|conn| Ok(webhook_dues::table.count().get_result::<i64>(conn)?)).await.unwrap();
    for _ in 0..3 {
        settle(&town.app).await;
        town.app.clock.advance(Span::days(1));
    }
    let expected = ["created", "due", "overdue"].map(|what| format!("follow_up.{what}"));
    assert_eq!((told(&receiver.take(), "/", &path), noted().await), (expected.to_vec(), 2));
    let mut clinic = town.clinic.clone();
    clinic.renew().await;
    clinic.patch(&endpoint.path, 1, json!({ "status": "paused" })).await.expect(200);
    let other = check_in(&clinic, "2026-03-05").await;
    settle(&town.app).await;
    assert_eq!(noted().await, 3);
    town.app.clock.advance(Span::days(120));
    settle(&town.app).await.purge().await.unwrap();
    assert_eq!(noted().await, 1, "the endpoint is still to be told of it");
    clinic.renew().await;
    clinic.patch(&endpoint.path, 2, json!({ "status": "active" })).await.expect(200);
    settle(&town.app).await.purge().await.unwrap();
    let got = receiver.take();
    let expected = ["created", "due"].map(|what| format!("follow_up.{what}"));
    assert_eq!((told(&got, "/", &path), told(&got, "/", &other)), (Vec::new(), expected.to_vec()));
    assert_eq!(noted().await, 0);
    settle(&town.app).await;
    assert!(receiver.take().is_empty(), "both are open still");
});
