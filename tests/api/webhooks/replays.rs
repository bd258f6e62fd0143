//! What is sent once more, or later.

use chrono::Duration as Span;
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use kith::db::schema::{webhook_attempts, webhook_deliveries};
use serde_json::{Value, json};

use super::sight::passing_consent;
use super::{Endpoint, events, person, rename, settle, town};
use crate::harness::{LAST_IDS, TestDb, many_rows, numbered_id};
use crate::races::Rival;
use crate::receiver::{Got, Receiver};

on_both!(a_delivery_is_sent_again_when_asked_for, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let endpoint = Endpoint::new(&town.clinic, receiver.url("/"), json!({ "event_types": ["patient.created"] })).await;
    person(&town.clinic).await;
    settle(&town.app).await;
    let first = receiver.take().remove(0);
    let path = format!("{}/deliveries/{}", endpoint.path, first.id());
    let resent = town.clinic.post(&format!("{path}/resend"), json!({})).await.expect(200);
    assert_eq!((&resent["status"], &resent["id"]), (&json!("pending"), &json!(first.id())));
    settle(&town.app).await;
    let second = receiver.take().remove(0);
    assert_eq!((second.id(), &second.body), (first.id(), &first.body));
    let read = town.clinic.get(&path).await.expect(200);
    assert_eq!((&read["status"], read["attempts"].as_array().unwrap().len()), (&json!("delivered"), 2));
});

on_both!(of_a_delivery_that_is_sent_again_and_again_the_latest_tries_are_kept, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let endpoint = Endpoint::new(&town.clinic, receiver.url("/"), json!({ "event_types": ["patient.created"] })).await;
    person(&town.clinic).await;
    settle(&town.app).await;
    let path = format!("{}/deliveries/{}", endpoint.path, receiver.take().remove(0).id());
    for _ in 0..25 {
        town.app.clock.advance(Span::seconds(1));
        town.clinic.post(&format!("{path}/resend"), json!({})).await.expect(200);
        settle(&town.app).await;
    }
    assert_eq!(receiver.take().len(), 25);
    let read = town.clinic.get(&path).await.expect(200);
    let tries = read["attempts"].as_array().unwrap();
    assert_eq!((tries.len(), &tries[19]["at"]), (20, &json!(town.app.clock.now())));
    let kept = town.app.state.db.read(|conn| Ok(webhook_attempts::table.count().get_result::<i64>(conn)?)).await.unwrap();
    assert_eq!(kept, 20, "there is no end of them");
});

on_both!(a_replay_sends_everything_from_a_place_or_a_moment_on_once_more, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let patient = person(&town.clinic).await;
    let endpoint = Endpoint::new(&town.clinic, receiver.url("/"), json!({ "event_types": ["patient.created", "patient.updated"] })).await;
    rename(&town.clinic, &patient, 1, "two").await;
    town.app.clock.advance(Span::minutes(5));
    let moment = town.app.clock.now();
    rename(&town.clinic, &patient, 2, "three").await;
    rename(&town.clinic, &patient, 3, "four").await;
    settle(&town.app).await;
    let versions = |got: &[Got]| -> Vec<i64> { got.iter().map(|one| one.json()["data"]["version"].as_i64().unwrap()).collect() };
    let first = receiver.take();
    assert_eq!(versions(&first), [2, 3, 4]);

    let replay = format!("{}/replay", endpoint.path);
    town.app.is_readable().await;
    town.clinic.post(&replay, json!({ "since": moment })).await.expect(200);
    rename(&town.clinic, &patient, 4, "five").await;
    settle(&town.app).await;
    let got = receiver.take();
    assert_eq!(versions(&got), [3, 4, 5], "the new one follows in its order");
    assert_eq!((got[0].id(), got[1].id()), (first[1].id(), first[2].id()));

    // From before the endpoint was there, too.
    town.app.is_readable().await;
    let feed = town.clinic.get("/v1/changes?resource_type=patient&limit=1").await.expect(200);
    let begun = town.clinic.post(&replay, json!({ "cursor": feed["next"] })).await.expect(200);
    assert!(begun["cursor"].is_string());
    settle(&town.app).await;
    assert_eq!(versions(&receiver.take()), [2, 3, 4, 5]);
    town.clinic.post(&replay, json!({ "since": "2026-03-01T00:00:00Z" })).await.expect(200);
    settle(&town.app).await;
    assert_eq!(versions(&receiver.take()), [1, 2, 3, 4, 5]);
    let sent = endpoint.deliveries(&town.clinic, "").await;
    let third = sent.iter().find(|one| one["resource_version"] == 3).unwrap();
    town.clinic.post(&replay, json!({ "cursor": third["cursor"] })).await.expect(200);
    settle(&town.app).await;
    assert_eq!(versions(&receiver.take()), [4, 5]);
});

on_both!(a_paused_endpoint_is_sent_later_what_happened_meanwhile, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let types = json!({ "event_types": ["patient.created", "patient.updated"] });
    let endpoint = Endpoint::new(&town.clinic, receiver.url("/slow"), types.clone()).await;
    Endpoint::new(&town.clinic, receiver.url("/steady"), types).await;
    let patient = person(&town.clinic).await;
    settle(&town.app).await;
    town.clinic.patch(&endpoint.path, 1, json!({ "status": "paused" })).await.expect(200);
    for version in 1..8 {
        rename(&town.clinic, &patient, version, "x").await;
        settle(&town.app).await;
    }
    let at = |got: &[Got], path: &str| -> Vec<i64> {
        got.iter().filter(|one| one.path == path).map(|one| one.json()["data"]["version"].as_i64().unwrap()).collect()
    };
    let got = receiver.take();
    assert_eq!((at(&got, "/slow"), at(&got, "/steady")), (vec![1], (1..=8).collect()));
    town.clinic.patch(&endpoint.path, 2, json!({ "status": "active" })).await.expect(200);
    rename(&town.clinic, &patient, 8, "x").await;
    settle(&town.app).await;
    let got = receiver.take();
    assert_eq!((at(&got, "/slow"), at(&got, "/steady")), ((2..=9).collect(), vec![9]));
});

on_both!(a_replay_of_an_endpoint_that_is_behind_loses_nothing, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let endpoint = Endpoint::new(&town.clinic, receiver.url("/"), json!({ "event_types": ["patient.created", "patient.updated"] })).await;
    let patient = person(&town.clinic).await;
    settle(&town.app).await;
    receiver.take();
    town.clinic.patch(&endpoint.path, 1, json!({ "status": "paused" })).await.expect(200);
    rename(&town.clinic, &patient, 1, "two").await;
    town.app.clock.advance(Span::minutes(5));
    rename(&town.clinic, &patient, 2, "three").await;
    town.app.is_readable().await;
    let now = town.app.clock.now();
    town.clinic.post(&format!("{}/replay", endpoint.path), json!({ "since": now })).await.expect(200);
    town.clinic.patch(&endpoint.path, 2, json!({ "status": "active" })).await.expect(200);
    settle(&town.app).await;
    let versions: Vec<Value> = receiver.take().iter().map(|got| got.json()["data"]["version"].clone()).collect();
    assert_eq!(versions, [2, 3]);
});

#[actix_web::test]
async fn a_replay_that_somebody_asks_for_while_the_endpoint_is_paused_is_not_undone() {
    let Some(db) = TestDb::postgres() else { return };
    let town = town(db).await;
    let receiver = Receiver::new();
    let endpoint = Endpoint::new(&town.clinic, receiver.url("/"), json!({ "event_types": ["patient.created"] })).await;
    person(&town.clinic).await;
    settle(&town.app).await;
    assert_eq!(receiver.take().len(), 1);
    // As a replay from the beginning does before it ends.
    let id = endpoint.path.rsplit('/').next().unwrap();
    let replay = "behind_transaction_id = 0, behind_sequence = 0, is_replaying = TRUE";
    let mut rival = Rival::doing(town.app.database_url(), &format!("UPDATE webhook_endpoints SET {replay} WHERE id = '{id}'"));
    let pausing = actix_web::rt::spawn({
        let (clinic, path) = (town.clinic.clone(), endpoint.path.clone());
        async move { clinic.patch(&path, 1, json!({ "status": "paused" })).await }
    });
    rival.is_met_by(&[&pausing]).await;
    rival.also("COMMIT");
    pausing.await.unwrap().expect(200);
    town.clinic.patch(&endpoint.path, 2, json!({ "status": "active" })).await.expect(200);
    settle(&town.app).await;
    assert_eq!(events(&receiver.take()), ["patient.created"], "it is sent again");
}

on_both!(a_replay_tells_also_what_only_time_brought_about_in_its_place_among_the_rest, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let types = json!({ "event_types": ["follow_up.created", "follow_up.updated", "follow_up.due", "follow_up.overdue",
        "consent.created", "consent.updated", "consent.began", "consent.expired"] });
    let endpoint = Endpoint::new(&town.clinic, receiver.url("/"), types).await;
    let patient = town.patient().await;
    let (consent, _) = passing_consent(&town, &patient).await;
    let begun = town.app.clock.now();
    let follow_up = json!({ "patient_id": patient, "purpose": "check_in", "due_on": "2026-03-03" });
    let follow_up = town.clinic.post("/v1/follow-ups", follow_up).await;
    follow_up.expect(201);
    let path = format!("/v1/follow-ups/{}", follow_up.id());
    // Each minute, then each day, is looked at: what is told stands behind what was changed before.
    for _ in 0..5 {
        town.app.clock.advance(Span::minutes(1));
        settle(&town.app).await;
    }
    let mut clinic = town.clinic.clone();
    for (day, note) in ["one", "two", "three", "four"].into_iter().enumerate() {
        town.app.clock.advance(Span::days(1));
        clinic.renew().await;
        let version = i64::try_from(day).unwrap() + 1;
        clinic.patch(&path, version, json!({ "note": note })).await.expect(200);
        settle(&town.app).await;
    }
    let first = receiver.take();
    let told = |got: &[Got], about: &str| -> Vec<(String, String)> {
        got.iter().filter(|one| one.event().starts_with(about)).map(|one| (one.event(), one.id().to_owned())).collect()
    };
    let names = |told: &[(String, String)]| told.iter().map(|(event, _)| event.clone()).collect::<Vec<_>>();
    let of_the_follow_up = told(&first, "follow_up");
    let place = |event: &str| names(&of_the_follow_up).iter().position(|other| other == event).unwrap();
    assert!(place("follow_up.created") < place("follow_up.due") && place("follow_up.due") < place("follow_up.overdue"));
    assert!(place("follow_up.overdue") < of_the_follow_up.len() - 1, "it was changed after it was overdue: {of_the_follow_up:?}");
    assert_eq!(names(&told(&first, "consent")), ["consent.created", "consent.began", "consent.expired"]);

    let replay = format!("{}/replay", endpoint.path);
    town.app.is_readable().await;
    clinic.post(&replay, json!({ "since": "2026-03-01T00:00:00Z" })).await.expect(200);
    settle(&town.app).await;
    let again = receiver.take();
    assert_eq!((told(&again, "follow_up"), told(&again, "consent")), (of_the_follow_up.clone(), told(&first, "consent")));

    // Only from the place on that is asked for, and only what the endpoint still wants.
    let fewer = json!({ "url": receiver.url("/"), "event_types": ["consent.expired", "follow_up.due"] });
    clinic.put(&endpoint.path, 1, fewer).await.expect(200);
    clinic.post(&replay, json!({ "since": begun.plus(Span::hours(25)) })).await.expect(200);
    settle(&town.app).await;
    let again = receiver.take();
    assert_eq!(names(&told(&again, "")), ["follow_up.due"], "{consent} had ended before");
});

on_both!(a_replay_of_a_great_many_moments_at_one_place_repeats_each_of_them_once, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let types = json!({ "event_types": ["follow_up.created", "follow_up.due"] });
    let endpoint = Endpoint::new(&town.clinic, receiver.url("/"), types).await;
    let follow_up = json!({ "patient_id": person(&town.clinic).await, "purpose": "check_in", "due_on": "2026-03-02" });
    town.clinic.make("/v1/follow-ups", follow_up).await;
    let engine = settle(&town.app).await;
    assert_eq!(events(&receiver.take()), ["follow_up.created", "follow_up.due"]);
    let id = numbered_id(LAST_IDS, town.app.database_url().starts_with("sqlite:"));
    let columns = format!(
        "{id}, one.endpoint_id, 'copy-' || n.i, one.event_type, one.event_at, one.sequence, {id}, one.order_transaction_id, \
         one.order_sequence, one.resource_type, one.resource_id, one.version, one.status, 1, one.next_attempt_at, one.created_at, \
         one.finished_at, one.is_of_time"
    );
    let more = many_rows("webhook_deliveries", 1_200, &columns, "SELECT * FROM webhook_deliveries WHERE event_type = 'follow_up.due'");
    let write = async |sql: String| town.app.state.db.write(move |conn| Ok(conn.batch_execute(&sql)?)).await.unwrap();
    write(more).await;
    let waiting = async || {
        let waiting = |conn: &mut kith::db::DbConn| {
            let waiting = webhook_deliveries::table.filter(webhook_deliveries::status.eq("pending"));
            Ok(waiting.count().get_result::<i64>(conn)?)
        };
        town.app.state.db.read(waiting).await.unwrap()
    };
    assert_eq!(waiting().await, 0);
    town.app.clock.advance(Span::seconds(1));
    town.clinic.post(&format!("{}/replay", endpoint.path), json!({ "since": "2026-03-01T00:00:00Z" })).await.expect(200);
    engine.dispatch().await.unwrap();
    assert_eq!(waiting().await, 1_202);
    write("UPDATE webhook_deliveries SET status = 'delivered', finished_at = created_at".into()).await;
    engine.dispatch().await.unwrap();
    assert_eq!(waiting().await, 0, "the replay is over");
});
