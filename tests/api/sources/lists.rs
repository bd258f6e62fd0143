//! What a partner's lists say, and its clock: which record is which and which is missing, which page it is, and what is asked for next.

use chrono::Duration as Span;
use diesel::connection::SimpleConnection;
use serde_json::{Value, json};

use super::{Partner, app, asked, counts, directory, last_run, pull, subscribe};
use crate::client::TestApp;
use crate::receiver::{Got, Receiver, Reply};

on_both!(a_sweep_knows_a_record_by_the_key_under_which_it_was_imported, |db| async move {
    let app = app(db).await;
    let mut clinic = app.clinic().await;
    let theirs = Partner::of(&[("a", "Lunch Club"), ("b", "Food Bank"), ("c&amp;d", "Night Shelter")]);
    // With nothing that only a service has, it is an organization that is itself one.
    let pantry = |name: &str, last_modified: &str| {
        json!({ "id": "p", "name": name, "description": "Food for all", "last_modified": last_modified,
            "phones": [{ "id": "q", "number": "250-555-0174" }] })
    };
    theirs.0.lock().unwrap().insert("p".to_owned(), pantry("Pantry", "2026-01-01T00:00:00Z"));
    let partner = theirs.served();
    let source = subscribe(&clinic, partner.url("/hsds"), json!({ "retire_after_sweeps": 1 })).await;
    pull(&app).await;
    assert_eq!(counts(&last_run(&clinic, &source).await), [4, 0, 0, 0, 0]);
    asked(&partner);
    app.clock.advance(Span::seconds(60));
    clinic.post(&format!("{source}/runs"), json!({ "kind": "sweep" })).await.expect(201);
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!((run["status"].as_str(), counts(&run)), (Some("completed"), [0; 5]), "{run}");
    assert!(asked(&partner).iter().all(|path| !path.starts_with("/hsds/services/")), "the list tells of all of them");

    // Now it is a service, and the organization that it seemed to be is there no more.
    let mut service = pantry("Pantry and Kitchen", "2026-03-02T17:30:00Z");
    service["status"] = json!("active");
    theirs.0.lock().unwrap().insert("p".to_owned(), service);
    app.clock.advance(Span::seconds(61 * 60));
    clinic.renew().await;
    pull(&app).await;
    assert_eq!(counts(&last_run(&clinic, &source).await), [1, 0, 0, 0, 0]);
    app.clock.advance(Span::seconds(60));
    clinic.post(&format!("{source}/runs"), json!({ "kind": "sweep" })).await.expect(201);
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!((run["status"].as_str(), counts(&run)), (Some("completed"), [0, 0, 1, 0, 1]), "{run}");
    let names = directory(&clinic).await;
    assert_eq!((names["Pantry"].as_str(), names["Pantry and Kitchen"].as_str()), ("inactive", "active"));
});

on_both!(services_within_a_record_of_another_id_are_not_missing_while_it_is_listed, |db| async move {
    let app = app(db).await;
    let clinic = app.clinic().await;
    let theirs = Partner::of(&[("a", "Lunch Club"), ("b", "Food Bank")]);
    let society = json!({ "id": "w", "name": "Alder Society", "last_modified": "2026-01-01T00:00:00Z", "services": [
        { "id": "s1", "name": "Choir", "status": "active" }, { "id": "s2", "name": "Garden", "status": "active" },
    ] });
    theirs.0.lock().unwrap().insert("w".to_owned(), society);
    let partner = theirs.served();
    let source = subscribe(&clinic, partner.url("/hsds"), json!({ "retire_after_sweeps": 1 })).await;
    pull(&app).await;
    assert_eq!(counts(&last_run(&clinic, &source).await), [4, 0, 0, 0, 0]);
    app.clock.advance(Span::seconds(60));
    clinic.post(&format!("{source}/runs"), json!({ "kind": "sweep" })).await.expect(201);
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!((run["status"].as_str(), counts(&run)), (Some("completed"), [0, 0, 2, 0, 0]), "{run}");
});

on_both!(pages_may_be_numbered_from_zero, |db| async move {
    let app = app(db).await;
    let clinic = app.clinic().await;
    let theirs = Partner::of(&[("a", "Lunch Club"), ("b", "Food Bank"), ("c", "Night Shelter"), ("d", "Choir"), ("e", "Garden")]);
    let from_zero = move |got: &Got| {
        let mut page: Value = serde_json::from_str(&theirs.answer(got).body).unwrap();
        page["page_number"] = json!(page["page_number"].as_i64().unwrap() - 1);
        Reply::json(&page)
    };
    let partner = Receiver::that({
        let from_zero = from_zero.clone();
        move |got| if got.path.ends_with("&page=2") { Reply::status(503) } else { from_zero(got) }
    });
    let source = subscribe(&clinic, partner.url("/hsds"), json!({})).await;
    pull(&app).await;
    assert_eq!(last_run(&clinic, &source).await["status"], "waiting");
    // Whoever goes on has not seen the first.
    partner.now(from_zero);
    app.clock.advance(Span::seconds(600));
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!((run["status"].as_str(), counts(&run)), (Some("completed"), [5, 0, 0, 0, 0]), "{run}");
});

on_both!(a_partner_whose_clock_is_years_ahead_is_asked_for_what_it_changes, |db| async move {
    let app = app(db).await;
    let mut clinic = app.clinic().await;
    let theirs = Partner::of(&[("a", "Lunch Club")]);
    let partner = Receiver::that({
        let theirs = theirs.clone();
        move |got| {
            let mut reply = theirs.answer(got);
            reply.headers.push(("Date", "Tue, 01 Jan 2036 00:00:00 GMT".to_owned()));
            reply
        }
    });
    let source = subscribe(&clinic, partner.url("/hsds"), json!({})).await;
    pull(&app).await;
    theirs.says("b", "Food Bank", "2026-03-02T17:30:00Z");
    app.clock.advance(Span::seconds(61 * 60));
    clinic.renew().await;
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!((&run["modified_after"], counts(&run)), (&json!("2026-03-02T16:55:00.000000Z"), [1, 0, 0, 0, 0]), "{run}");

    // Once it was believed.
    let believed = "UPDATE sources SET pulled_to = '2036-01-01T00:00:00.000000Z'";
    app.state.db.write(move |conn| Ok(conn.batch_execute(believed)?)).await.unwrap();
    theirs.says("c", "Night Shelter", "2026-03-02T18:30:00Z");
    for (modified_after, created) in [(Value::Null, 1), (json!("2026-03-02T18:57:00.000000Z"), 0)] {
        app.clock.advance(Span::seconds(61 * 60));
        clinic.renew().await;
        pull(&app).await;
        let run = last_run(&clinic, &source).await;
        assert_eq!((&run["modified_after"], counts(&run)[0]), (&modified_after, created), "{run}");
    }
});

on_both!(a_list_that_lacks_most_of_what_was_known_retires_nothing, |db| async move {
    let app = app(db).await;
    let mut clinic = app.clinic().await;
    let theirs = Partner::of(&[("a", "Lunch Club"), ("b", "Food Bank"), ("c", "Night Shelter")]);
    let partner = theirs.served();
    let source = subscribe(&clinic, partner.url("/hsds"), json!({ "retire_after_sweeps": 1 })).await;
    pull(&app).await;
    ["a", "b"].iter().for_each(|id| theirs.forgets(id));
    clinic.post(&format!("{source}/runs"), json!({ "kind": "sweep" })).await.expect(201);
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!(
        (run["status"].as_str(), run["error"].as_str(), run["retired"].as_i64()),
        (Some("failed"), Some("too_many_missing"), Some(0))
    );
    theirs.says("b", "Food Bank", "2026-01-01T00:00:00Z");
    app.clock.advance(Span::seconds(60));
    clinic.renew().await;
    clinic.post(&format!("{source}/runs"), json!({ "kind": "sweep" })).await.expect(201);
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!((run["status"].as_str(), run["retired"].as_i64()), (Some("completed"), Some(1)), "{run}");
    assert_eq!(run["lines"][0]["verdict"], "retired");
});

on_both!(a_service_with_an_id_too_long_to_be_asked_for_is_not_retired_while_it_is_listed, |db| async move {
    let app = app(db).await;
    let mut clinic = app.clinic().await;
    let long = "x".repeat(1_100);
    let theirs = Partner::of(&[("a", "Lunch Club"), (long.as_str(), "Food Bank")]);
    theirs.0.lock().unwrap().get_mut(&long).unwrap()["organization"]["id"] = json!("org-x");
    let partner = theirs.served();
    let source = subscribe(&clinic, partner.url("/hsds"), json!({ "retire_after_sweeps": 1 })).await;
    pull(&app).await;
    assert_eq!(counts(&last_run(&clinic, &source).await), [2, 0, 0, 0, 0]);
    app.clock.advance(Span::seconds(60));
    clinic.renew().await;
    clinic.post(&format!("{source}/runs"), json!({ "kind": "sweep" })).await.expect(201);
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!((run["status"].as_str(), counts(&run)), (Some("completed"), [0, 0, 0, 0, 0]), "{run}");
    assert_eq!(directory(&clinic).await["Food Bank"], "active");
});

on_both!(of_a_page_that_is_larger_than_was_asked_for_only_the_record_that_clashes_is_refused, |db| async move {
    let app = TestApp::with(db, &["--webhook-allow=127.0.0.1"]).await;
    let clinic = app.clinic().await;
    let numbered = |number: usize| match number {
        7 | 2_040 => {
            let keys = [("partner", number.to_string()), ("register", "42".to_owned())];
            json!({ "name": format!("Clash {number}"), "identifiers": keys.map(|(system, value)| json!({ "system": system, "value": value })) })
        }
        _ => json!({ "id": format!("s{number}"), "name": format!("Service {number}"), "status": "active" }),
    };
    let services: Vec<Value> = (0..2_100).map(numbered).collect();
    let page = json!({ "contents": services, "page_number": 1, "total_pages": 1, "last_page": true });
    let partner = Receiver::that(move |_| Reply::json(&page));
    let source = subscribe(&clinic, partner.url("/hsds"), json!({})).await;
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!(
        (run["status"].as_str(), run["records"].as_i64(), counts(&run)),
        (Some("completed"), Some(2_100), [2_099, 0, 0, 1, 0]),
        "{run}"
    );
    let refused: Vec<&Value> = run["lines"].as_array().unwrap().iter().filter(|line| line["verdict"] == "refused").collect();
    assert_eq!((refused.len(), &refused[0]["key"], &refused[0]["notices"][0]["code"]), (1, &json!("2040"), &json!("clash")), "{run}");
});

on_both!(of_a_record_with_more_services_than_are_written_together_every_one_is_taken, |db| async move {
    let app = app(db).await;
    let clinic = app.clinic().await;
    let service = |number: usize| json!({ "id": format!("s{number}"), "name": format!("Lunch {number}"), "status": "active" });
    let organization = json!({ "id": "o", "name": "Society", "services": (0..600).map(service).collect::<Vec<_>>() });
    let page = json!({ "contents": [organization], "page_number": 1, "total_pages": 1, "last_page": true });
    let partner = Receiver::that(move |_| Reply::json(&page));
    let source = subscribe(&clinic, partner.url("/hsds"), json!({})).await;
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!(
        (run["status"].as_str(), run["records"].as_i64(), run["organizations_created"].as_i64(), counts(&run)),
        (Some("completed"), Some(1), Some(1), [600, 0, 0, 0, 0]),
        "{run}"
    );
});
