//! What a source may be, what it tells of itself, and what becomes of its run where it is changed.

use actix_web::http::Method;
use chrono::Duration as Span;
use diesel::connection::SimpleConnection;
use kith::auth::Scope;
use serde_json::{Value, json};

use super::{PATH, Partner, app, asked, directory, last_run, pull, subscribe};
use crate::clashes::while_held;
use crate::client::{Caller, TestApp};
use crate::harness::TestDb;
use crate::races::{Rival, posting};
use crate::receiver::{Receiver, Reply};

on_both!(what_a_source_may_not_be_is_refused, |db| async move {
    let app = app(db).await;
    let clinic = app.clinic().await;
    let source = subscribe(&clinic, "https://directory.example.ca/hsds".into(), json!({ "status": "paused" })).await;
    for (body, pointer, code) in [
        (json!({ "name": "b", "url": "http://directory.example.ca" }), "/url", "https_required"),
        (json!({ "name": "b", "url": "https://10.0.0.7/hsds" }), "/url", "private_address"),
        (json!({ "name": "b", "url": "https://metadata.localhost/" }), "/url", "private_address"),
        (json!({ "name": "b", "url": "https://user:pw@directory.example.ca/" }), "/url", "not_allowed"),
        (json!({ "name": "b", "url": "https://a.example", "time_zone": "Mars/Olympus" }), "/time_zone", "unknown_time_zone"),
        (json!({ "name": "b", "url": "https://a.example", "pull_every_minutes": 1 }), "/pull_every_minutes", "out_of_range"),
    ] {
        assert_eq!(clinic.post(PATH, body.clone()).await.faults(422), [(pointer.to_owned(), code.to_owned())], "{body}");
    }
    clinic.post(PATH, json!({ "name": "partner", "url": "https://b.example" })).await.expect_problem(409, "source_exists");
    assert_eq!(clinic.patch(&source, 1, json!({ "name": "other" })).await.faults(422)[0].0, "/name");
    clinic.patch(&source, 1, json!({ "url": "https://192.168.0.1/" })).await.expect(422);
    clinic.post(&format!("{source}/runs"), json!({ "kind": "pull" })).await.expect_problem(409, "source_paused");
    assert_eq!(clinic.post(&format!("{source}/runs"), json!({ "kind": "sweep", "full": true })).await.faults(422)[0].0, "/full");
    pull(&app).await;
    assert_eq!(clinic.get(&format!("{source}/runs")).await.expect(200)["items"], json!([]), "what is paused is not read");

    let stranger = app.tenant("Another Clinic", kith::organizations::model::OrganizationKind::Clinic).await;
    for path in [source.clone(), format!("{source}/runs"), format!("{source}/history")] {
        stranger.get(&path).await.expect(404);
    }
    stranger.patch(&source, 1, json!({ "status": "active" })).await.expect(404);
    stranger.post(&format!("{source}/runs"), json!({ "kind": "pull" })).await.expect(404);
    clinic.only(&[Scope::ServicesRead]).await.post(PATH, json!({ "name": "c", "url": "https://c.example" })).await.expect(403);
    clinic.delete(&source, 1).await.expect(204);
    clinic.get(&source).await.expect(410);
    clinic.post(&format!("{source}/runs"), json!({ "kind": "pull" })).await.expect(410);
    clinic.post(PATH, json!({ "name": "partner", "url": "https://b.example" })).await.expect(201);
});

on_both!(a_source_tells_its_last_run_and_when_it_is_read_next, |db| async move {
    let app = app(db).await;
    let mut clinic = app.clinic().await;
    let theirs = Partner::of(&[("a", "Lunch Club")]);
    let partner = theirs.served();
    let source = subscribe(&clinic, partner.url("/hsds"), json!({})).await;
    let unless = async |caller: &Caller, tag: &str| {
        app.send(caller.request(Method::GET, &source).insert_header(("if-none-match", tag.to_owned()))).await
    };
    let before = clinic.get(&source).await;
    let read = before.expect(200);
    assert_eq!((&read["last_run"], &read["next_run_at"]), (&Value::Null, &json!("2026-03-02T17:00:00.000000Z")));
    pull(&app).await;
    let after = unless(&clinic, before.header("etag").unwrap()).await;
    let read = after.expect(200);
    assert_eq!((&read["version"], &read["last_run"]["status"], &read["last_run"]["created"]), (&json!(1), &json!("completed"), &json!(1)));
    assert_eq!(read["next_run_at"], "2026-03-02T18:00:00.000000Z");
    unless(&clinic, after.header("etag").unwrap()).await.expect(304);
    assert_eq!(clinic.get(PATH).await.expect(200)["items"], json!([read]));

    partner.now(|_| Reply::status(503));
    app.clock.advance(Span::seconds(61 * 60));
    clinic.renew().await;
    pull(&app).await;
    let waits = clinic.get(&source).await;
    let read = waits.expect(200);
    let run = &read["last_run"];
    assert_eq!((&run["status"], &run["error"], &read["next_run_at"]), (&json!("waiting"), &json!("status"), &Value::Null), "{read}");
    let paused = clinic.request(Method::PATCH, &source).insert_header(("if-match", waits.header("etag").unwrap()));
    let paused = paused.set_json(json!({ "status": "paused" })).insert_header(("content-type", "application/merge-patch+json"));
    let paused = app.send(paused).await.expect(200);
    assert_eq!((&paused["version"], &paused["last_run"]["status"], &paused["next_run_at"]), (&json!(2), &json!("failed"), &Value::Null));
    let active = clinic.patch(&source, 2, json!({ "status": "active" })).await.expect(200);
    assert!(active["next_run_at"].is_string(), "{active}");
    let history = clinic.get(&format!("{source}/history")).await.expect(200);
    assert!(history["items"].as_array().unwrap().iter().all(|revision| revision["resource"]["last_run"].is_null()), "{history}");
});

on_both!(pausing_or_deleting_a_source_ends_its_run, |db| async move {
    let app = app(db).await;
    let clinic = app.clinic().await;
    let partner = Receiver::that(|_| Reply::status(503));
    let source = subscribe(&clinic, partner.url("/hsds"), json!({})).await;
    pull(&app).await;
    assert_eq!(last_run(&clinic, &source).await["status"], "waiting");
    clinic.patch(&source, 1, json!({ "status": "paused" })).await.expect(200);
    assert_eq!(last_run(&clinic, &source).await["status"], "failed");
    app.clock.advance(Span::seconds(600));
    asked(&partner);
    pull(&app).await;
    assert_eq!(asked(&partner), Vec::<String>::new());
    clinic.patch(&source, 2, json!({ "status": "active" })).await.expect(200);
    pull(&app).await;
    assert_eq!(asked(&partner).len(), 1, "active again, it is read");
    clinic.delete(&source, 3).await.expect(204);
    app.clock.advance(Span::seconds(600));
    pull(&app).await;
    assert_eq!(asked(&partner), Vec::<String>::new());
});

/// Leaves the last run unfinished, as if it had been asked for in the moment in which its source was paused or deleted.
async fn leave_run(app: &TestApp) {
    let statements = "UPDATE source_runs SET status = 'running', finished_at = NULL \
                      WHERE started_at = (SELECT max(started_at) FROM source_runs); UPDATE sources SET wake_at = created_at";
    app.state.db.write(move |conn| Ok(conn.batch_execute(statements)?)).await.unwrap();
}

on_both!(a_run_that_is_there_still_of_a_source_that_is_paused_or_deleted_is_ended_and_asks_for_nothing, |db| async move {
    let app = app(db).await;
    let mut clinic = app.clinic().await;
    let partner = Partner::of(&[("a", "Lunch Club")]).served();
    let source = subscribe(&clinic, partner.url("/hsds"), json!({})).await;
    pull(&app).await;
    clinic.patch(&source, 1, json!({ "status": "paused" })).await.expect(200);
    leave_run(&app).await;
    asked(&partner);
    pull(&app).await;
    assert_eq!(asked(&partner), Vec::<String>::new());
    let run = last_run(&clinic, &source).await;
    assert_eq!((&run["status"], &run["error_detail"]), (&json!("failed"), &json!("the source is paused, or was deleted")), "{run}");

    let active = clinic.patch(&source, 2, json!({ "status": "active" })).await.expect(200);
    assert!(active["next_run_at"].is_string(), "{active}");
    app.clock.advance(Span::seconds(61 * 60));
    clinic.renew().await;
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!((asked(&partner).len(), &run["status"]), (1, &json!("completed")), "active again, it is read");
    clinic.delete(&source, 3).await.expect(204);
    leave_run(&app).await;
    pull(&app).await;
    assert_eq!(asked(&partner), Vec::<String>::new());
});

#[actix_web::test]
async fn a_run_is_asked_for_of_a_source_as_whoever_changes_it_in_that_moment_leaves_it() {
    let Some(db) = TestDb::postgres() else { return };
    let app = app(db).await;
    let clinic = app.clinic().await;
    let partner = Partner::of(&[("a", "Lunch Club")]).served();
    let source = subscribe(&clinic, partner.url("/hsds"), json!({})).await;
    pull(&app).await;
    let runs = format!("{source}/runs");
    let ask = || clinic.post(&runs, json!({ "kind": "pull" }));
    let moved = while_held(&app, "UPDATE sources SET pulled_to = NULL", ask()).await.expect(201);
    assert_eq!(moved["modified_after"], Value::Null, "of another address nothing has been pulled: {moved}");
    while_held(&app, "UPDATE sources SET status = 'paused'", ask()).await.expect_problem(409, "source_paused");
    while_held(&app, "UPDATE sources SET deleted_at = now()", ask()).await.expect(410);
}

#[actix_web::test]
async fn whoever_does_not_see_a_source_does_not_wait_for_it_and_holds_up_nobody() {
    let Some(db) = TestDb::postgres() else { return };
    let app = app(db).await;
    let clinic = app.clinic().await;
    let source = subscribe(&clinic, "https://directory.example.ca/hsds".into(), json!({})).await;
    let stranger = app.tenant("Another Clinic", kith::organizations::model::OrganizationKind::Clinic).await;
    let rival = Rival::doing(app.database_url(), "SELECT 1 FROM sources FOR UPDATE");
    let asking = posting(&stranger, &format!("{source}/runs"), json!({ "kind": "pull" }));
    let answered = tokio::time::timeout(std::time::Duration::from_secs(10), asking).await;
    rival.leave();
    answered.expect("it waits for nobody").unwrap().expect(404);
}

#[actix_web::test]
async fn an_address_that_changes_as_a_run_begins_is_read_from_its_beginning() {
    let Some(db) = TestDb::postgres() else { return };
    let app = app(db).await;
    let mut clinic = app.clinic().await;
    let (old, new) = (Partner::of(&[("a", "Lunch Club")]), Partner::of(&[("b", "Food Bank")]));
    let (before, after) = (old.served(), new.served());
    let source = subscribe(&clinic, before.url("/hsds"), json!({})).await;
    pull(&app).await;
    // A worker takes the source, with a run of the old address.
    let taken = "UPDATE sources SET leased_by = gen_random_uuid(), leased_until = now() + interval '1 hour'; \
                 UPDATE source_runs SET status = 'running', finished_at = NULL";
    while_held(&app, taken, clinic.patch(&source, 1, json!({ "url": after.url("/hsds") }))).await.expect(200);
    let run = last_run(&clinic, &source).await;
    assert_eq!(run["status"], "failed", "the run is of the address before: {run}");
    app.clock.advance(Span::seconds(61 * 60));
    clinic.renew().await;
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!((run["status"].as_str(), &run["modified_after"]), (Some("completed"), &Value::Null), "{run}");
    assert!(directory(&clinic).await.contains_key("Food Bank"));
}
