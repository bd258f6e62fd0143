//! What is of this server itself: neither its address nor its services become something new.

use chrono::Duration as Span;
use serde_json::json;

use super::{PATH, Partner, app, asked, counts, directory, last_run, pull, subscribe, told};
use crate::client::TestApp;
use crate::duplicates::import;

on_both!(the_address_of_this_server_is_no_source, |db| async move {
    let app = TestApp::with(db, &["--base-url=https://kith.example.ca"]).await;
    let clinic = app.clinic().await;
    let fault = [("/url".to_owned(), "own_address".to_owned())];
    let own = json!({ "name": "partner", "url": "https://Kith.example.ca:443/hsds" });
    assert_eq!(clinic.post(PATH, own.clone()).await.faults(422), fault);
    let source = subscribe(&clinic, "https://directory.example.ca/hsds".into(), json!({ "status": "paused" })).await;
    assert_eq!(clinic.put(&source, 1, own).await.faults(422), fault);
    assert_eq!(clinic.patch(&source, 1, json!({ "url": "https://kith.example.ca/hsds" })).await.faults(422), fault);
});

on_both!(a_service_of_this_server_that_a_partner_lists_is_not_doubled, |db| async move {
    let app = app(db).await;
    let clinic = app.clinic().await;
    let own = clinic.post("/v1/services", json!({ "name": "Lunch Club" })).await;
    let (id, theirs) = (own.id(), Partner::of(&[("b", "Food Bank")]));
    theirs.says(&id, "Lunch Club as they have it", "2026-01-01T00:00:00Z");
    let partner = theirs.served();
    let source = subscribe(&clinic, partner.url("/hsds"), json!({})).await;
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!((run["status"].as_str(), counts(&run), told(&run, "own_record").len()), (Some("completed"), [1, 0, 1, 0, 0], 1), "{run}");
    assert_eq!(directory(&clinic).await.into_keys().collect::<Vec<_>>(), ["Food Bank", "Lunch Club"]);
    asked(&partner);
    app.clock.advance(Span::seconds(60));
    clinic.post(&format!("{source}/runs"), json!({ "kind": "sweep" })).await.expect(201);
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!((run["status"].as_str(), counts(&run), &run["records"]), (Some("completed"), [0; 5], &json!(2)), "{run}");
    assert!(asked(&partner).iter().all(|path| !path.starts_with("/hsds/services/")), "it is not asked for by itself");
});

on_both!(what_an_import_made_of_a_service_of_this_server_becomes_inactive, |db| async move {
    let app = app(db).await;
    let clinic = app.clinic().await;
    let (id, theirs) = (clinic.make("/v1/services", json!({ "name": "Lunch Club" })).await, Partner::of(&[("b", "Food Bank")]));
    theirs.says(&id, "Lunch Club as they have it", "2026-01-01T00:00:00Z");
    let record = theirs.0.lock().unwrap()[&id].clone();
    let (_, imported) = import(&clinic, "partner", "", &[record]).await;
    assert_eq!(imported, [1, 0, 0, 0, 0]);
    let partner = theirs.served();
    let source = subscribe(&clinic, partner.url("/hsds"), json!({ "retire_after_sweeps": 2 })).await;
    pull(&app).await;
    for retired in [0, 1, 0] {
        app.clock.advance(Span::seconds(60));
        clinic.post(&format!("{source}/runs"), json!({ "kind": "sweep" })).await.expect(201);
        pull(&app).await;
        let run = last_run(&clinic, &source).await;
        assert_eq!((run["status"].as_str(), counts(&run)), (Some("completed"), [0, 0, 0, 0, retired]), "{run}");
    }
    let names = directory(&clinic).await;
    let statuses = ["Lunch Club", "Lunch Club as they have it", "Food Bank"].map(|name| names[name].as_str());
    assert_eq!(statuses, ["active", "inactive", "active"]);
});

on_both!(a_run_is_a_pull_unless_told_otherwise, |db| async move {
    let app = app(db).await;
    let clinic = app.clinic().await;
    let partner = Partner::of(&[("a", "Lunch Club")]).served();
    let source = subscribe(&clinic, partner.url("/hsds"), json!({})).await;
    assert_eq!(clinic.post(&format!("{source}/runs"), json!({})).await.expect(201)["kind"], "pull");
});
