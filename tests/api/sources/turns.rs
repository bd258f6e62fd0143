//! For how long a source is read before others have their turn, how much of it is held at once, and what becomes of it where nobody comes
//! to the end of a turn.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::Duration as Span;
use kith::organizations::model::OrganizationKind;
use kith::sources::Engine;
use serde_json::{Value, json};

use super::{Partner, app, asked, counts, last_run, pull, subscribe, told};
use crate::client::TestApp;
use crate::harness::{TestDb, until};
use crate::receiver::{Got, Receiver, Reply};

/// An application that waits for long.
async fn patient(db: TestDb) -> TestApp {
    TestApp::with(db, &["--webhook-allow=127.0.0.1", "--source-timeout=60s"]).await
}

/// So many services, from `s00` on.
fn many(count: usize) -> Partner {
    let theirs = Partner::default();
    (0..count).for_each(|number| theirs.says(&format!("s{number:02}"), &format!("Service {number:02}"), "2026-01-01T00:00:00Z"));
    theirs
}

/// The same with one service, and so many organizations that give none, from `o00` on.
fn many_organizations(count: usize) -> Partner {
    let theirs = many(1);
    let organization = |number: usize| json!({ "id": format!("o{number:02}"), "name": format!("Society {number:02}"), "services": [] });
    *theirs.1.lock().unwrap() = (0..count).map(organization).collect();
    theirs
}

/// A partner that lists all of its services on one page with nothing nested, so that each is asked for by itself.
fn bare(theirs: Partner) -> impl Fn(&Got) -> Reply + Send + Sync + 'static {
    move |got: &Got| {
        if got.path.starts_with("/hsds/services/") {
            return theirs.answer(got);
        }
        let ids: Vec<Value> = theirs.0.lock().unwrap().keys().map(|id| json!({ "id": id, "name": id })).collect();
        Reply::json(&json!({ "contents": ids, "last_page": true }))
    }
}

/// The same, but that it does not come to answer what ends so.
fn stuck_at(end: &'static str, answer: impl Fn(&Got) -> Reply + Send + Sync + 'static) -> impl Fn(&Got) -> Reply + Send + Sync + 'static {
    move |got: &Got| {
        let reply = answer(got);
        if got.path.ends_with(end) { Reply { delay: Duration::from_secs(600), ..reply } } else { reply }
    }
}

/// The same, with so many more bytes in each service, which say nothing.
fn padded(bytes: usize, answer: impl Fn(&Got) -> Reply + Send + Sync + 'static) -> impl Fn(&Got) -> Reply + Send + Sync + 'static {
    move |got: &Got| {
        let mut reply = answer(got);
        if got.path.starts_with("/hsds/services/") {
            reply.body.push_str(&" ".repeat(bytes));
        }
        reply
    }
}

/// Reads until the partner has been asked so often, and there the process dies.
async fn die_at(app: &TestApp, partner: &Receiver, count: usize) {
    let engine = Engine::new(app.state.clone());
    let mut reading = Box::pin(engine.pull());
    until("the partner has been asked", async || {
        let waited = tokio::time::timeout(Duration::from_millis(20), &mut reading).await;
        assert!(waited.is_err(), "the partner does not answer");
        partner.count() >= count
    })
    .await;
}

on_both!(a_source_whose_services_are_slow_lets_others_have_their_turn_and_goes_on_where_it_was, |db| async move {
    let app = app(db).await;
    let (clinic, other) = (app.clinic().await, app.tenant("Another Clinic", OrganizationKind::Clinic).await);
    let (requests, before) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    let slow = Receiver::that({
        let (answer, clock, requests) = (bare(many(45)), app.clock.clone(), Arc::clone(&requests));
        move |got: &Got| {
            requests.fetch_add(1, Ordering::SeqCst);
            if got.path.ends_with("/s05") {
                clock.advance(Span::seconds(61));
            }
            answer(got)
        }
    });
    let quick = Receiver::that({
        let (theirs, requests, before) = (Partner::of(&[("a", "Lunch Club")]), Arc::clone(&requests), Arc::clone(&before));
        move |got: &Got| {
            before.lock().unwrap().push(requests.load(Ordering::SeqCst));
            theirs.answer(got)
        }
    });
    let source = subscribe(&clinic, slow.url("/hsds"), json!({})).await;
    subscribe(&other, quick.url("/hsds"), json!({})).await;
    pull(&app).await;
    assert_eq!(*before.lock().unwrap(), [21], "the list and twenty services of the first go before the second");
    let run = last_run(&clinic, &source).await;
    assert_eq!((run["status"].as_str(), counts(&run), &run["records"]), (Some("completed"), [45, 0, 0, 0, 0], &json!(45)), "{run}");
    assert_eq!(asked(&slow).len(), 46, "the list and each service once");
});

on_both!(what_was_asked_for_by_itself_is_not_asked_for_again_where_a_process_dies, |db| async move {
    let app = patient(db).await;
    let clinic = app.clinic().await;
    let theirs = many(45);
    let partner = Receiver::that(stuck_at("/s25", bare(theirs.clone())));
    let source = subscribe(&clinic, partner.url("/hsds"), json!({})).await;
    // Of the next twenty four at most are under way beside each other: up to the one that hangs, and three behind it.
    die_at(&app, &partner, 30).await;
    assert_eq!(last_run(&clinic, &source).await["records"], 20, "those that were asked for together are written together");
    asked(&partner);
    partner.now(bare(theirs));
    app.clock.advance(Span::seconds(11));
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!((run["status"].as_str(), counts(&run), &run["records"]), (Some("completed"), [45, 0, 0, 0, 0], &json!(45)), "{run}");
    let mut again = asked(&partner);
    again.sort();
    assert_eq!(again, (20..45).map(|number| format!("/hsds/services/s{number}")).collect::<Vec<_>>());
});

on_both!(a_sweep_that_was_broken_off_behind_its_list_does_not_ask_for_the_list_again, |db| async move {
    let app = patient(db).await;
    let clinic = app.clinic().await;
    let theirs = Partner::of(&[("a", "Lunch Club"), ("b", "Food Bank"), ("c", "Night Shelter")]);
    let partner = theirs.served();
    let source = subscribe(&clinic, partner.url("/hsds"), json!({ "retire_after_sweeps": 1 })).await;
    pull(&app).await;
    theirs.forgets("a");
    theirs.says("d", "Choir", "2026-01-01T00:00:00Z");
    asked(&partner);
    partner.now(stuck_at("/d", {
        let theirs = theirs.clone();
        move |got: &Got| theirs.answer(got)
    }));
    app.clock.advance(Span::seconds(60));
    clinic.post(&format!("{source}/runs"), json!({ "kind": "sweep" })).await.expect(201);
    die_at(&app, &partner, 2).await;
    asked(&partner);
    partner.now(move |got| theirs.answer(got));
    app.clock.advance(Span::seconds(11));
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!((run["status"].as_str(), counts(&run), &run["records"]), (Some("completed"), [1, 0, 0, 0, 1], &json!(3)), "{run}");
    assert_eq!(asked(&partner), ["/hsds/services/d", "/hsds/organizations?per_page=100&page=1"]);
});

on_both!(a_sweep_whose_organizations_are_slow_lets_others_have_their_turn_and_goes_on_where_it_was, |db| async move {
    let app = app(db).await;
    let (clinic, other) = (app.clinic().await, app.tenant("Another Clinic", OrganizationKind::Clinic).await);
    let (theirs, requests, before) = (many_organizations(45), Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    let slow = theirs.served();
    let source = subscribe(&clinic, slow.url("/hsds"), json!({})).await;
    pull(&app).await;
    asked(&slow);
    slow.now({
        let (clock, requests) = (app.clock.clone(), Arc::clone(&requests));
        move |got: &Got| {
            requests.fetch_add(1, Ordering::SeqCst);
            if got.path.ends_with("/o05") {
                clock.advance(Span::seconds(61));
            }
            theirs.answer(got)
        }
    });
    let quick = Receiver::that({
        let (theirs, requests, before) = (Partner::of(&[("a", "Lunch Club")]), Arc::clone(&requests), Arc::clone(&before));
        move |got: &Got| {
            before.lock().unwrap().push(requests.load(Ordering::SeqCst));
            theirs.answer(got)
        }
    });
    app.clock.advance(Span::seconds(60));
    clinic.post(&format!("{source}/runs"), json!({ "kind": "sweep" })).await.expect(201);
    subscribe(&other, quick.url("/hsds"), json!({})).await;
    pull(&app).await;
    assert_eq!(*before.lock().unwrap(), [22], "two lists and twenty organizations of the first go before the second");
    let run = last_run(&clinic, &source).await;
    assert_eq!((run["status"].as_str(), counts(&run), &run["organizations_created"]), (Some("completed"), [0; 5], &json!(45)), "{run}");
    assert_eq!(asked(&slow).len(), 47, "two lists and each organization once");
});

on_both!(a_sweep_asks_for_no_more_organizations_where_most_take_long_to_fail_and_the_next_one_does, |db| async move {
    let app = app(db).await;
    let mut clinic = app.clinic().await;
    let theirs = many_organizations(45);
    let partner = theirs.served();
    let source = subscribe(&clinic, partner.url("/hsds"), json!({})).await;
    pull(&app).await;
    let failing = |takes: i64| {
        let (theirs, clock) = (theirs.clone(), app.clock.clone());
        move |got: &Got| {
            if got.path.ends_with("/o05") {
                clock.advance(Span::seconds(takes));
            }
            if got.path.starts_with("/hsds/organizations/") { Reply::status(500) } else { theirs.answer(got) }
        }
    };
    let mut sweeps = Vec::new();
    for takes in [Some(61), Some(0), None] {
        match takes {
            Some(takes) => partner.now(failing(takes)),
            None => partner.now({
                let theirs = theirs.clone();
                move |got| theirs.answer(got)
            }),
        }
        asked(&partner);
        app.clock.advance(Span::seconds(60));
        clinic.renew().await;
        clinic.post(&format!("{source}/runs"), json!({ "kind": "sweep" })).await.expect(201);
        pull(&app).await;
        let run = last_run(&clinic, &source).await;
        assert_eq!((run["status"].as_str(), counts(&run)), (Some("completed"), [0; 5]), "{run}");
        let one_by_one = asked(&partner).iter().filter(|path| path.starts_with("/hsds/organizations/")).count();
        sweeps.push((one_by_one, told(&run, "organizations_not_read").len(), run["organizations_created"].clone()));
    }
    let expected = [(20, 21, json!(0)), (45, 45, json!(0)), (45, 0, json!(45))];
    assert_eq!(sweeps, expected, "each that failed is told, and where that took its time once that the others are left");
});

on_both!(an_organization_that_was_asked_for_is_not_asked_for_again_where_a_process_dies, |db| async move {
    let app = patient(db).await;
    let clinic = app.clinic().await;
    let theirs = many_organizations(45);
    let partner = theirs.served();
    let source = subscribe(&clinic, partner.url("/hsds"), json!({})).await;
    pull(&app).await;
    let before = partner.count();
    partner.now(stuck_at("/o25", {
        let theirs = theirs.clone();
        move |got: &Got| theirs.answer(got)
    }));
    app.clock.advance(Span::seconds(60));
    clinic.post(&format!("{source}/runs"), json!({ "kind": "sweep" })).await.expect(201);
    // Both lists, and of the organizations up to the one that hangs and three behind it.
    die_at(&app, &partner, before + 31).await;
    assert_eq!(last_run(&clinic, &source).await["organizations_created"], 20, "those that were asked for together are written together");
    asked(&partner);
    partner.now(move |got| theirs.answer(got));
    app.clock.advance(Span::seconds(11));
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!((run["status"].as_str(), &run["organizations_created"]), (Some("completed"), &json!(45)), "{run}");
    let mut again = asked(&partner);
    again.sort();
    assert_eq!(again, (20..45).map(|number| format!("/hsds/organizations/o{number}")).collect::<Vec<_>>());
});

on_both!(a_run_of_which_nobody_comes_to_the_end_is_given_up, |db| async move {
    let app = patient(db).await;
    let clinic = app.clinic().await;
    let partner = Receiver::that(|_| Reply { delay: Duration::from_secs(600), ..Reply::status(200) });
    let source = subscribe(&clinic, partner.url("/hsds"), json!({})).await;
    for attempt in 1..=6 {
        die_at(&app, &partner, attempt).await;
        assert_eq!(last_run(&clinic, &source).await["status"], "running", "{attempt}");
        app.clock.advance(Span::seconds(11));
    }
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!((run["status"].as_str(), run["error"].as_str()), (Some("failed"), Some("internal")), "{run}");
    assert_eq!(partner.count(), 6, "it is not begun once more");
});

on_both!(of_an_organizations_sources_one_is_read_at_a_time, |db| async move {
    let app = patient(db).await;
    let (clinic, other) = (app.clinic().await, app.tenant("Another Clinic", OrganizationKind::Clinic).await);
    let theirs = Partner::of(&[("a", "Lunch Club")]);
    let (first, second, third) = (Receiver::that(stuck_at("", bare(theirs.clone()))), theirs.served(), theirs.served());
    subscribe(&clinic, first.url("/hsds"), json!({})).await;
    let waiting = subscribe(&clinic, second.url("/hsds"), json!({ "name": "second" })).await;
    subscribe(&other, third.url("/hsds"), json!({})).await;
    let (one, next) = (Engine::new(app.state.clone()), Engine::new(app.state.clone()));
    let mut reading = Box::pin(one.pull());
    until("the first is being read", async || {
        let waited = tokio::time::timeout(Duration::from_millis(20), &mut reading).await;
        assert!(waited.is_err(), "the partner does not answer");
        first.count() == 1
    })
    .await;
    next.pull().await.unwrap();
    assert_eq!((second.count(), third.count()), (0, 1), "another organization's is read meanwhile");
    drop(reading);
    first.now(move |got| theirs.answer(got));
    app.clock.advance(Span::seconds(11));
    next.pull().await.unwrap();
    assert_eq!((first.count(), second.count()), (2, 1));
    assert_eq!(last_run(&clinic, &waiting).await["status"], "completed");
});

on_both!(of_large_services_few_are_asked_for_before_they_are_written, |db| async move {
    let app = patient(db).await;
    let clinic = app.clinic().await;
    let partner = Receiver::that(stuck_at("/s11", padded(1_200_000, bare(many(12)))));
    let source = subscribe(&clinic, partner.url("/hsds"), json!({})).await;
    die_at(&app, &partner, 13).await;
    assert_eq!(last_run(&clinic, &source).await["records"], 7, "four that are too many together, and three that were asked for by then");
});

on_both!(a_service_of_more_than_four_mebibytes_is_refused_and_the_others_are_taken, |db| async move {
    let app = patient(db).await;
    let clinic = app.clinic().await;
    let (large, small) = (padded(5 << 20, bare(many(3))), bare(many(3)));
    let partner = Receiver::that(move |got: &Got| if got.path.ends_with("/s01") { large(got) } else { small(got) });
    let source = subscribe(&clinic, partner.url("/hsds"), json!({})).await;
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!((run["status"].as_str(), counts(&run)), (Some("completed"), [2, 0, 0, 1, 0]), "{run}");
    let lines = run["lines"].as_array().unwrap();
    let refused: Vec<&str> = lines.iter().filter_map(|line| line["notices"][0]["message"].as_str()).collect();
    assert!(refused.contains(&"GET /hsds/services/s01: the answer is larger than 4194304 bytes"), "{run}");
});
