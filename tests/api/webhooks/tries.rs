//! What becomes of what does not get through.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::Duration as Span;
use diesel::connection::SimpleConnection as _;
use kith::webhooks::Engine;
use serde_json::{Value, json};

use super::{Endpoint, person, rename, settle, town};
use crate::harness::{LAST_IDS, many_rows, numbered_id, until};
use crate::receiver::{Got, Receiver, Reply};

on_both!(a_failed_delivery_is_tried_again_and_what_follows_of_the_same_resource_waits_for_it, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let endpoint = Endpoint::new(&town.clinic, receiver.url("/"), json!({ "event_types": ["patient.created", "patient.updated"] })).await;
    let (one, other) = (person(&town.clinic).await, person(&town.clinic).await);
    rename(&town.clinic, &one, 1, "two").await;
    let failing = one.clone();
    receiver.now(move |got| Reply::status(if got.body.contains(&failing) { 500 } else { 200 }));
    settle(&town.app).await;
    let got = receiver.take();
    let told = |got: &[Got]| -> Vec<(String, i64)> {
        got.iter()
            .map(|one| (one.json()["data"]["resource_id"].as_str().unwrap().to_owned(), one.json()["data"]["version"].as_i64().unwrap()))
            .collect()
    };
    let mut first = told(&got);
    first.sort();
    let mut expected = vec![(one.clone(), 1), (other.clone(), 1)];
    expected.sort();
    assert_eq!(first, expected, "the second version waits");
    let waiting = endpoint.deliveries(&town.clinic, "status=pending").await;
    assert_eq!(waiting.len(), 2);
    let failed = waiting.iter().find(|one| one["resource_version"] == 1).unwrap();
    assert_eq!((&failed["attempts"][0]["status_code"], &failed["attempts"][0]["error"]), (&json!(500), &json!("status")));

    receiver.now(|_| Reply::status(200));
    settle(&town.app).await;
    assert!(receiver.take().is_empty(), "not before its time");
    town.app.clock.advance(Span::seconds(6));
    settle(&town.app).await;
    let again = receiver.take();
    assert_eq!(told(&again), [(one.clone(), 1), (one.clone(), 2)]);
    let first_id = got.iter().find(|one| one.json()["data"]["resource_id"] == json!(failed["resource_id"])).unwrap().id().to_owned();
    assert_eq!(again[0].id(), first_id, "the same event has the same id");
    let mut clinic = town.clinic.clone();
    clinic.renew().await;
    assert_eq!(endpoint.deliveries(&clinic, "status=pending").await.len(), 0);
});

on_both!(a_receiver_that_asks_for_patience_has_it, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::that(|_| Reply { headers: vec![("Retry-After", "120".into())], ..Reply::status(429) });
    Endpoint::new(&town.clinic, receiver.url("/"), json!({ "event_types": ["patient.created"] })).await;
    person(&town.clinic).await;
    person(&town.clinic).await;
    settle(&town.app).await;
    assert_eq!(receiver.take().len(), 2);
    person(&town.clinic).await;
    receiver.now(|_| Reply::status(204));
    town.app.clock.advance(Span::seconds(119));
    settle(&town.app).await;
    assert!(receiver.take().is_empty());
    town.app.clock.advance(Span::seconds(2));
    settle(&town.app).await;
    assert_eq!(receiver.take().len(), 3);

    // And no longer than is sane.
    receiver.now(|_| Reply { headers: vec![("Retry-After", "99999999".into())], ..Reply::status(503) });
    let mut clinic = town.clinic.clone();
    clinic.renew().await;
    person(&clinic).await;
    settle(&town.app).await;
    receiver.take();
    receiver.now(|_| Reply::status(204));
    town.app.clock.advance(Span::hours(6) + Span::seconds(1));
    settle(&town.app).await;
    assert_eq!(receiver.take().len(), 1);
});

on_both!(a_receiver_that_is_gone_is_sent_no_more, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::that(|_| Reply::status(410));
    let endpoint = Endpoint::new(&town.clinic, receiver.url("/"), json!({ "event_types": ["patient.created", "patient.updated"] })).await;
    let patient = person(&town.clinic).await;
    rename(&town.clinic, &patient, 1, "two").await;
    settle(&town.app).await;
    assert_eq!(receiver.take().len(), 1);
    assert_eq!(endpoint.deliveries(&town.clinic, "status=failed").await.len(), 1);
    let read = town.clinic.get(&endpoint.path).await.expect(200);
    assert_eq!((&read["status"], &read["status_reason"], &read["version"]), (&json!("disabled"), &json!("gone"), &json!(2)));
    town.app.is_readable().await;
    let feed = town.clinic.get("/v1/changes?resource_type=webhook_endpoint").await.expect(200);
    assert_eq!(feed["items"].as_array().unwrap().last().unwrap()["resource"]["status_reason"], "gone");
    assert_eq!(endpoint.deliveries(&town.clinic, "status=cancelled").await.len(), 1);
    receiver.now(|_| Reply::status(204));
    rename(&town.clinic, &patient, 2, "three").await;
    settle(&town.app).await;
    assert!(receiver.take().is_empty());
    // Made active once more, it begins with what happens then.
    town.app.is_readable().await;
    town.clinic.patch(&endpoint.path, 2, json!({ "status": "active" })).await.expect(200);
    rename(&town.clinic, &patient, 3, "four").await;
    settle(&town.app).await;
    assert_eq!(receiver.take().iter().map(|got| got.json()["data"]["version"].clone()).collect::<Vec<_>>(), [4]);
});

on_both!(an_endpoint_of_which_nothing_gets_through_for_three_days_is_paused_and_loses_nothing, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::that(|_| Reply::status(500));
    let endpoint = Endpoint::new(&town.clinic, receiver.url("/"), json!({ "event_types": ["patient.created", "patient.updated"] })).await;
    let mut clinic = town.clinic.clone();
    let patient = person(&clinic).await;
    let mut tries = 0;
    for hour in 0..110 {
        settle(&town.app).await;
        tries += receiver.take().len();
        town.app.clock.advance(Span::hours(1));
        clinic.renew().await;
        if hour == 40 {
            rename(&clinic, &patient, 1, "two").await;
        }
        if clinic.get(&endpoint.path).await.expect(200)["status"] == "paused" {
            assert!((71..=100).contains(&hour), "paused after {hour} hours");
            break;
        }
    }
    assert!((9..=11).contains(&tries), "{tries} tries");
    let read = clinic.get(&endpoint.path).await.expect(200);
    assert_eq!((&read["status"], &read["status_reason"]), (&json!("paused"), &json!("failing")));
    rename(&clinic, &patient, 2, "three").await;
    receiver.now(|_| Reply::status(204));
    settle(&town.app).await;
    assert!(receiver.take().is_empty());
    clinic.patch(&endpoint.path, 2, json!({ "status": "active" })).await.expect(200);
    settle(&town.app).await;
    let versions: Vec<Value> = receiver.take().iter().map(|got| got.json()["data"]["version"].clone()).collect();
    assert_eq!(versions, [1, 2, 3]);
});

on_both!(an_endpoint_that_is_made_active_again_has_all_its_tries_before_it, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::that(|_| Reply::status(500));
    let endpoint = Endpoint::new(&town.clinic, receiver.url("/"), json!({ "event_types": ["patient.created"] })).await;
    let mut clinic = town.clinic.clone();
    person(&clinic).await;
    for (version, again) in [(2, true), (4, false)] {
        let mut hours = 0;
        while clinic.get(&endpoint.path).await.expect(200)["status"] == "active" {
            assert!(hours < 110, "it is paused");
            settle(&town.app).await;
            town.app.clock.advance(Span::hours(1));
            clinic.renew().await;
            hours += 1;
        }
        assert_eq!(endpoint.deliveries(&clinic, "status=pending").await.len(), 1, "nothing has got through, so that it waits");
        clinic.patch(&endpoint.path, version, json!({ "status": "active" })).await.expect(200);
        receiver.take();
        receiver.now(move |_| Reply::status(if again { 502 } else { 204 }));
        settle(&town.app).await;
        assert_eq!(receiver.take().len(), 1, "it is tried at once");
        let waiting = endpoint.deliveries(&clinic, "status=pending").await.len();
        assert_eq!(waiting, usize::from(again), "one more try that fails is not the last");
    }
});

on_both!(a_receiver_that_takes_some_and_asks_for_patience_with_the_rest_has_it, |db| async move {
    let town = town(db).await;
    let mut clinic = town.clinic.clone();
    let receiver = Receiver::new();
    Endpoint::new(&clinic, receiver.url("/"), json!({ "event_types": ["patient.created"] })).await;
    let refused = person(&clinic).await;
    for _ in 0..7 {
        person(&clinic).await;
    }
    receiver.now(move |got| match got.body.contains(&refused) {
        true => Reply { headers: vec![("Retry-After", "3600".into())], ..Reply::status(429) },
        false => Reply::status(204),
    });
    settle(&town.app).await;
    assert_eq!(receiver.take().len(), 8);
    receiver.now(|_| Reply::status(204));
    for minutes in [0, 30, 29] {
        town.app.clock.advance(Span::minutes(minutes));
        clinic.renew().await;
        person(&clinic).await;
        settle(&town.app).await;
        assert_eq!(receiver.take().len(), 0, "it is left alone, whatever happens");
    }
    town.app.clock.advance(Span::minutes(1) + Span::seconds(1));
    settle(&town.app).await;
    assert_eq!(receiver.take().len(), 4);
});

on_both!(an_endpoint_that_fails_is_tried_with_what_is_new_once_it_has_rested, |db| async move {
    let town = town(db).await;
    let mut clinic = town.clinic.clone();
    let receiver = Receiver::that(|_| Reply::status(500));
    Endpoint::new(&clinic, receiver.url("/"), json!({ "event_types": ["patient.created"] })).await;
    person(&clinic).await;
    for _ in 0..5 {
        settle(&town.app).await;
        town.app.clock.advance(Span::hours(3));
    }
    settle(&town.app).await;
    receiver.take();
    clinic.renew().await;
    let new = person(&clinic).await;
    settle(&town.app).await;
    let got = receiver.take();
    assert!(got.len() == 1 && got[0].body.contains(&new), "what has failed for long waits for hours, and what is new for nothing");
    receiver.now(|_| Reply::status(204));
    person(&clinic).await;
    settle(&town.app).await;
    assert_eq!(receiver.take().len(), 0, "it rests");
    town.app.clock.advance(Span::minutes(15));
    settle(&town.app).await;
    assert_eq!(receiver.take().len(), 2);
});

on_both!(a_delivery_is_given_up_after_three_days_while_others_get_through, |db| async move {
    let town = town(db).await;
    let mut clinic = town.clinic.clone();
    let poison = person(&clinic).await;
    let of_poison = poison.clone();
    let receiver = Receiver::that(move |got| Reply::status(if got.body.contains(&of_poison) { 400 } else { 204 }));
    let endpoint = Endpoint::new(&clinic, receiver.url("/"), json!({ "event_types": ["patient.created", "patient.updated"] })).await;
    rename(&clinic, &poison, 1, "two").await;
    rename(&clinic, &poison, 2, "three").await;
    for _ in 0..95 {
        clinic.renew().await;
        person(&clinic).await;
        settle(&town.app).await;
        town.app.clock.advance(Span::hours(1));
    }
    // Where the last round tried the poison first, the endpoint rests for a while before it takes what is good.
    for _ in 0..3 {
        settle(&town.app).await;
        town.app.clock.advance(Span::minutes(20));
    }
    clinic.renew().await;
    let given_up = endpoint.deliveries(&clinic, "status=failed").await;
    assert_eq!(given_up.len(), 1, "the one after it has its own three days");
    assert_eq!((&given_up[0]["resource_version"], given_up[0]["attempts"].as_array().unwrap().len()), (&json!(2), 10));
    assert_eq!(endpoint.deliveries(&clinic, "status=delivered&limit=200").await.len(), 95);
    assert_eq!(clinic.get(&endpoint.path).await.expect(200)["status"], "active");
});

on_both!(a_worker_that_died_is_followed_by_another_when_its_time_is_over, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::that(|_| Reply { delay: Duration::from_secs(2), ..Reply::status(204) });
    Endpoint::new(&town.clinic, receiver.url("/"), json!({ "event_types": ["patient.created"] })).await;
    person(&town.clinic).await;
    let dying = Engine::new(town.app.state.clone());
    town.app.is_readable().await;
    dying.dispatch().await.unwrap();
    // It dies while the receiver has the request and has not answered.
    tokio::select! {
        _ = dying.deliver() => panic!("it was not interrupted"),
        () = until("the receiver has the request", async || receiver.count() > 0) => {}
    }
    drop(dying);
    let first = receiver.take();
    assert_eq!(first.len(), 1);
    let next = Engine::new(town.app.state.clone());
    next.deliver().await.unwrap();
    assert!(receiver.take().is_empty(), "another has it");
    town.app.clock.advance(Span::seconds(11));
    next.deliver().await.unwrap();
    let second = receiver.take();
    assert_eq!((second.len(), second[0].id()), (1, first[0].id()));
});

on_both!(two_processes_share_the_work_and_send_nothing_twice, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    for number in 0..4 {
        Endpoint::new(&town.clinic, receiver.url(&format!("/{number}")), json!({ "event_types": ["patient.created"] })).await;
    }
    for _ in 0..25 {
        person(&town.clinic).await;
    }
    town.app.is_readable().await;
    let (one, other) = (Engine::new(town.app.state.clone()), Engine::new(town.app.state.clone()));
    for _ in 0..4 {
        let (first, second) = futures_util::future::join(one.dispatch(), other.dispatch()).await;
        first.unwrap();
        second.unwrap();
        let (first, second) = futures_util::future::join(one.deliver(), other.deliver()).await;
        first.unwrap();
        second.unwrap();
    }
    let got = receiver.take();
    let ids: BTreeSet<&str> = got.iter().map(Got::id).collect();
    assert_eq!((got.len(), ids.len()), (100, 100));
});

on_both!(a_word_about_an_endpoint_takes_nothing_from_what_is_being_sent, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::that(|_| Reply::status(500));
    let endpoint = Endpoint::new(&town.clinic, receiver.url("/"), json!({ "event_types": ["patient.created"] })).await;
    person(&town.clinic).await;
    settle(&town.app).await;
    receiver.now(|_| Reply::status(204));
    // It rests; to change what is written of it neither wakes it nor lets it sleep for ever.
    town.clinic.patch(&endpoint.path, 1, json!({ "description": "Our EMR" })).await.expect(200);
    town.clinic.post(&format!("{}/rotate-secret", endpoint.path), json!({})).await.expect(200);
    settle(&town.app).await;
    assert_eq!(receiver.take().len(), 1);
    town.app.clock.advance(Span::seconds(7));
    settle(&town.app).await;
    assert_eq!(receiver.take().len(), 1);
});

on_both!(what_waits_behind_thousands_of_one_subject_is_sent_and_they_are_not_walked_past_for_each_event, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    Endpoint::new(&town.clinic, receiver.url("/"), json!({ "event_types": ["patient.created"] })).await;
    let failing = person(&town.clinic).await;
    person(&town.clinic).await;
    receiver.now(move |got| Reply::status(if got.body.contains(&failing) { 500 } else { 204 }));
    settle(&town.app).await;
    assert_eq!(receiver.take().len(), 2);
    let on_sqlite = town.app.database_url().starts_with("sqlite:");
    town.app.state.db.write(move |conn| Ok(conn.batch_execute(&thousands_more(on_sqlite))?)).await.unwrap();

    person(&town.clinic).await;
    settle(&town.app).await;
    assert_eq!(receiver.take().len(), 1);
    person(&town.clinic).await;
    settle(&town.app).await;
    assert!(receiver.take().is_empty(), "three thousand were walked past: three seconds go by");
    town.app.clock.advance(Span::seconds(4));
    settle(&town.app).await;
    assert_eq!(receiver.take().len(), 1);
});

/// Three thousand deliveries that wait for the one that waits, in the order of the queue behind it.
pub fn thousands_more(on_sqlite: bool) -> String {
    let columns = format!(
        "{}, one.endpoint_id, 'copy-' || n.i, one.event_type, one.event_at, one.sequence, one.subject_id, one.order_transaction_id, \
         one.order_sequence, one.resource_type, one.resource_id, one.version, one.status, 0, one.next_attempt_at, one.created_at, NULL, \
         one.is_of_time",
        numbered_id(LAST_IDS, on_sqlite)
    );
    many_rows("webhook_deliveries", 3_000, &columns, "SELECT * FROM webhook_deliveries WHERE status = 'pending'")
}
