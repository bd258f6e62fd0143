//! What becomes of a run that stops before its end: because of the partner, of this server, or because its process died.

use std::time::Duration;

use chrono::Duration as Span;
use diesel::connection::SimpleConnection;
use kith::sources::Engine;
use serde_json::{Value, json};

use super::{Partner, app, asked, counts, directory, last_run, pull, subscribe, told};
use crate::client::TestApp;
use crate::imports::over_http::parts;
use crate::receiver::{Got, Receiver, Reply};

/// Has the database refuse to write runs of which this is true.
async fn refuse_runs(app: &TestApp, condition: &str) {
    let statement = if app.database_url().starts_with("sqlite:") {
        format!("CREATE TRIGGER refusal BEFORE UPDATE ON source_runs WHEN {condition} BEGIN SELECT RAISE(ABORT, 'refused'); END")
    } else {
        format!(
            "CREATE FUNCTION refusal() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$; \
             CREATE TRIGGER refusal BEFORE UPDATE ON source_runs FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION refusal()"
        )
    };
    app.state.db.write(move |conn| Ok(conn.batch_execute(&statement)?)).await.unwrap();
}

/// Has it take them again.
async fn take_runs(app: &TestApp) {
    let statement = if app.database_url().starts_with("sqlite:") { "DROP TRIGGER refusal" } else { "DROP FUNCTION refusal CASCADE" };
    app.state.db.write(move |conn| Ok(conn.batch_execute(statement)?)).await.unwrap();
}

/// A partner whose lists have nothing nested, so that services are asked for one by one, and who fails to show some.
fn flat(theirs: Partner, broken: &'static [&'static str]) -> impl Fn(&Got) -> Reply + Send + Sync + 'static {
    move |got: &Got| match got.path.strip_prefix("/hsds/services/") {
        Some(id) if broken.contains(&id) => Reply::status(500),
        Some(_) => theirs.answer(got),
        None => {
            let mut page: Value = serde_json::from_str(&theirs.answer(got).body).unwrap();
            for service in page["contents"].as_array_mut().unwrap() {
                service.as_object_mut().unwrap().remove("phones");
            }
            Reply::json(&page)
        }
    }
}

on_both!(a_run_goes_on_where_it_stopped, |db| async move {
    let app = app(db).await;
    let clinic = app.clinic().await;
    let theirs = Partner::of(&[("a", "Lunch Club"), ("b", "Food Bank"), ("c", "Night Shelter"), ("d", "Choir"), ("e", "Garden")]);
    let partner = Receiver::that({
        let theirs = theirs.clone();
        move |got| match got.path.ends_with("&page=2") {
            true => Reply { headers: vec![("Retry-After", "600".into())], ..Reply::status(503) },
            false => theirs.answer(got),
        }
    });
    let source = subscribe(&clinic, partner.url("/hsds"), json!({})).await;
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!((run["status"].as_str(), run["error"].as_str(), counts(&run)), (Some("waiting"), Some("status"), [2, 0, 0, 0, 0]), "{run}");
    assert_eq!(run["error_detail"], "GET /hsds/services: status 503");
    assert_eq!(run["next_attempt_at"], "2026-03-02T17:10:00.000000Z", "the partner is left alone for as long as it asks");
    let refused = clinic.post(&format!("{source}/runs"), json!({ "kind": "pull" })).await.expect_problem(409, "run_unfinished");
    assert_eq!(refused["run_id"], run["id"]);
    app.clock.advance(Span::seconds(300));
    asked(&partner);
    pull(&app).await;
    assert_eq!(asked(&partner), Vec::<String>::new());
    app.clock.advance(Span::seconds(301));
    partner.now(move |got| theirs.answer(got));
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!((run["status"].as_str(), counts(&run)), (Some("completed"), [5, 0, 0, 0, 0]), "{run}");
    let paths = asked(&partner);
    assert!(paths.len() == 2 && !paths[0].ends_with("&page=1"), "{paths:?}");
});

on_both!(where_a_process_dies_another_goes_on_in_ten_seconds_and_not_before, |db| async move {
    let app = TestApp::with(db, &["--webhook-allow=127.0.0.1", "--source-timeout=60s"]).await;
    let clinic = app.clinic().await;
    let theirs = Partner::of(&[("a", "Lunch Club"), ("b", "Food Bank"), ("c", "Night Shelter")]);
    let partner = Receiver::that(|_| Reply { delay: Duration::from_secs(600), ..Reply::status(200) });
    let source = subscribe(&clinic, partner.url("/hsds"), json!({})).await;
    let (one, other) = (Engine::new(app.state.clone()), Engine::new(app.state.clone()));
    let mut reading = Box::pin(one.pull());
    // While the partner does not answer the lease is prolonged, and nobody else reads.
    for _ in 0..2 {
        let waited = tokio::time::timeout(Duration::from_millis(2_800), &mut reading).await;
        assert!(waited.is_err(), "the partner has not answered");
        app.clock.advance(Span::seconds(8));
        other.pull().await.unwrap();
        assert_eq!(last_run(&clinic, &source).await["status"], "running");
    }
    assert_eq!(asked(&partner).len(), 1, "one process asked");
    // The process dies.
    drop(reading);
    partner.now(move |got| theirs.answer(got));
    app.clock.advance(Span::seconds(11));
    other.pull().await.unwrap();
    let run = last_run(&clinic, &source).await;
    assert_eq!((run["status"].as_str(), counts(&run)), (Some("completed"), [3, 0, 0, 0, 0]), "{run}");
});

on_both!(where_this_server_fails_the_run_says_so_and_is_tried_again_and_given_up, |db| async move {
    let app = app(db).await;
    let mut clinic = app.clinic().await;
    let theirs = Partner::of(&[("a", "Lunch Club")]);
    let partner = theirs.served();
    let source = subscribe(&clinic, partner.url("/hsds"), json!({})).await;
    let rename = |from: &str, to: &str| {
        let statement = format!("ALTER TABLE {from} RENAME TO {to}");
        app.state.db.write(move |conn| Ok(conn.batch_execute(&statement)?))
    };
    rename("imported_services", "imported_elsewhere").await.unwrap();
    for attempt in 1..=6 {
        pull(&app).await;
        let run = last_run(&clinic, &source).await;
        let status = if attempt < 6 { "waiting" } else { "failed" };
        assert_eq!((run["status"].as_str(), run["error"].as_str()), (Some(status), Some("internal")), "{attempt}: {run}");
        assert!(!run["error_detail"].as_str().unwrap().contains("imported"), "{run}");
        app.clock.advance(Span::seconds(3 * 3600));
        clinic.renew().await;
    }
    rename("imported_elsewhere", "imported_services").await.unwrap();
    app.clock.advance(Span::seconds(3 * 3600));
    clinic.renew().await;
    pull(&app).await;
    assert_eq!(last_run(&clinic, &source).await["status"], "completed");
    assert!(directory(&clinic).await.contains_key("Lunch Club"));
});

on_both!(a_page_is_noted_together_with_what_was_on_it, |db| async move {
    let app = app(db).await;
    let clinic = app.clinic().await;
    let theirs = Partner::of(&[("a", "Lunch Club"), ("b", "Food Bank"), ("c", "Night Shelter")]);
    let partner = theirs.served();
    let source = subscribe(&clinic, partner.url("/hsds"), json!({})).await;
    refuse_runs(&app, "NEW.next_page <> OLD.next_page").await;
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!((run["status"].as_str(), run["error"].as_str()), (Some("waiting"), Some("internal")), "{run}");
    assert_eq!((counts(&run), directory(&clinic).await.len()), ([0, 0, 0, 0, 0], 0), "neither without the other");
    take_runs(&app).await;
    app.clock.advance(Span::seconds(600));
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!((run["status"].as_str(), counts(&run), &run["records"]), (Some("completed"), [3, 0, 0, 0, 0], &json!(3)), "{run}");
});

on_both!(which_organization_is_part_of_which_is_known_still_where_a_run_stopped_between, |db| async move {
    let app = app(db).await;
    let clinic = app.clinic().await;
    let theirs = Partner::of(&[("a", "Lunch Club"), ("b", "Food Bank"), ("c", "Night Shelter")]);
    let id = |number: u8| format!("{number}1111111-1111-4111-8111-111111111111");
    for (key, organization, whole) in [("a", 1, Some(3)), ("b", 2, Some(1)), ("c", 3, None)] {
        let mut services = theirs.0.lock().unwrap();
        let organization = json!({
            "id": id(organization), "name": format!("Society {organization}"), "description": "A society",
            "parent_organization_id": whole.map(id),
        });
        services.get_mut(key).unwrap()["organization"] = organization;
    }
    let partner = Receiver::that({
        let theirs = theirs.clone();
        move |got| if got.path.ends_with("&page=2") { Reply::status(503) } else { theirs.answer(got) }
    });
    let source = subscribe(&clinic, partner.url("/hsds"), json!({})).await;
    pull(&app).await;
    assert_eq!(last_run(&clinic, &source).await["status"], "waiting");
    app.clock.advance(Span::seconds(600));
    partner.now(move |got| theirs.answer(got));
    pull(&app).await;
    assert_eq!(last_run(&clinic, &source).await["status"], "completed");
    let page = clinic.get("/v1/organizations?limit=200").await.expect(200);
    let of = |number: u8| {
        let name = format!("Society {number}");
        page["items"].as_array().unwrap().iter().find(|one| one["name"] == json!(name)).unwrap_or_else(|| panic!("{page}"))
    };
    for (part, whole) in [(1, 3), (2, 1)] {
        assert_eq!(of(part)["parent_id"], of(whole)["id"], "{part} is part of {whole}");
    }
    assert_eq!(of(3)["parent_id"], Value::Null);
});

on_both!(a_sweep_that_begins_anew_counts_what_it_lacks_once, |db| async move {
    let app = app(db).await;
    let mut clinic = app.clinic().await;
    let theirs = Partner::of(&[("a", "Lunch Club"), ("b", "Food Bank"), ("c", "Night Shelter")]);
    let partner = theirs.served();
    let source = subscribe(&clinic, partner.url("/hsds"), json!({ "retire_after_sweeps": 2 })).await;
    pull(&app).await;
    theirs.forgets("a");
    app.clock.advance(Span::seconds(60));
    clinic.post(&format!("{source}/runs"), json!({ "kind": "sweep" })).await.expect(201);
    // All is counted, and the run does not come to its end.
    refuse_runs(&app, "NEW.status = 'completed'").await;
    pull(&app).await;
    assert_eq!(last_run(&clinic, &source).await["status"], "waiting");
    take_runs(&app).await;
    app.clock.advance(Span::seconds(600));
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!((run["kind"].as_str(), run["status"].as_str(), counts(&run)[4]), (Some("sweep"), Some("completed"), 0), "{run}");
    assert_eq!(directory(&clinic).await["Lunch Club"], "active", "one sweep has lacked it");
    app.clock.advance(Span::seconds(60));
    clinic.renew().await;
    clinic.post(&format!("{source}/runs"), json!({ "kind": "sweep" })).await.expect(201);
    pull(&app).await;
    assert_eq!(counts(&last_run(&clinic, &source).await)[4], 1);
    assert_eq!(directory(&clinic).await["Lunch Club"], "inactive");
});

on_both!(a_run_tells_which_organizations_would_be_part_of_themselves, |db| async move {
    let app = app(db).await;
    let clinic = app.clinic().await;
    let theirs = Partner::of(&[("a", "Lunch Club"), ("b", "Food Bank"), ("c", "Night Shelter")]);
    let id = |number: u8| format!("{number}1111111-1111-4111-8111-111111111111");
    for (key, organization, whole) in [("a", 1, 2), ("b", 2, 3), ("c", 3, 1)] {
        let mut services = theirs.0.lock().unwrap();
        let organization = json!({
            "id": id(organization), "name": format!("Society {organization}"), "description": "A society",
            "parent_organization_id": id(whole),
        });
        services.get_mut(key).unwrap()["organization"] = organization;
    }
    let partner = theirs.served();
    let source = subscribe(&clinic, partner.url("/hsds"), json!({})).await;
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!((run["status"].as_str(), counts(&run)), (Some("completed"), [3, 0, 0, 0, 0]), "{run}");
    assert_eq!(told(&run, "organization_circular").len(), 1, "{run}");
    let page = clinic.get("/v1/organizations?limit=200").await.expect(200);
    let joined = page["items"].as_array().unwrap().iter().filter(|one| one["parent_id"] != Value::Null);
    assert_eq!(joined.count(), 2, "two of three are joined: {page}");
});

on_both!(a_run_says_of_very_many_organizations_what_they_are_part_of_and_ends_with_the_last, |db| async move {
    let app = TestApp::with(db, &["--webhook-allow=127.0.0.1"]).await;
    let clinic = app.clinic().await;
    let id = |number: usize| format!("11111111-1111-4111-8111-{number:012}");
    let service = |number: usize| {
        let organization = json!({
            "id": id(number), "name": format!("Society {number}"), "description": "A society",
            "parent_organization_id": (number > 1).then(|| id(1)),
        });
        json!({ "id": format!("s{number}"), "name": format!("Service {number}"), "status": "active", "organization": organization,
            "phones": [{ "id": "p", "number": "250-555-0173" }] })
    };
    let all = json!({ "contents": (1..=450).map(service).collect::<Vec<Value>>(), "last_page": true });
    let partner = Receiver::that(move |_| Reply::json(&all));
    let source = subscribe(&clinic, partner.url("/hsds"), json!({})).await;
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!((run["status"].as_str(), counts(&run)), (Some("completed"), [450, 0, 0, 0, 0]), "{run}");
    assert_eq!(parts(&app).await, 449);
});

on_both!(one_service_that_a_partner_cannot_show_costs_a_sweep_itself_alone, |db| async move {
    let app = app(db).await;
    let clinic = app.clinic().await;
    let theirs = Partner::of(&[("a", "Lunch Club"), ("b", "Food Bank"), ("c", "Night Shelter")]);
    let partner = theirs.served();
    let source = subscribe(&clinic, partner.url("/hsds"), json!({ "retire_after_sweeps": 1 })).await;
    pull(&app).await;
    for (id, name) in [("d", "Choir"), ("x", "Broken"), ("y", "Hidden")] {
        theirs.says(id, name, "2026-01-01T00:00:00Z");
    }
    theirs.forgets("a");
    let answers = |status: u16| {
        let theirs = theirs.clone();
        move |got: &Got| match got.path.as_str() {
            "/hsds/services/x" => Reply::status(status),
            "/hsds/services/y" => Reply::status(403),
            _ => theirs.answer(got),
        }
    };
    // What is said of the caller is said of everything, but for what was shown before.
    partner.now(answers(401));
    app.clock.advance(Span::seconds(60));
    clinic.post(&format!("{source}/runs"), json!({ "kind": "sweep" })).await.expect(201);
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!((run["status"].as_str(), run["error"].as_str(), counts(&run)), (Some("failed"), Some("status"), [1, 0, 0, 0, 0]), "{run}");

    partner.now(answers(500));
    app.clock.advance(Span::seconds(60));
    clinic.post(&format!("{source}/runs"), json!({ "kind": "sweep" })).await.expect(201);
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!((run["status"].as_str(), counts(&run)), (Some("completed"), [0, 0, 0, 2, 1]), "{run}");
    let lines = run["lines"].as_array().unwrap();
    let mut refused: Vec<&str> = lines.iter().filter_map(|line| line["notices"][0]["message"].as_str()).collect();
    refused.retain(|message| message.contains("status"));
    assert_eq!(refused, ["GET /hsds/services/x: status 500", "GET /hsds/services/y: status 403"], "{run}");
    assert_eq!(directory(&clinic).await["Lunch Club"], "inactive", "what has vanished is retired all the same");
});

on_both!(a_pull_asks_again_for_a_service_that_fails_and_in_the_end_goes_on_without_it, |db| async move {
    let app = app(db).await;
    let mut clinic = app.clinic().await;
    let theirs = Partner::of(&[("a", "Lunch Club"), ("b", "Food Bank"), ("c", "Night Shelter")]);
    let partner = Receiver::that(flat(theirs, &["b"]));
    let source = subscribe(&clinic, partner.url("/hsds"), json!({})).await;
    for _ in 1..6 {
        pull(&app).await;
        let run = last_run(&clinic, &source).await;
        assert_eq!((run["status"].as_str(), &run["error_detail"]), (Some("waiting"), &json!("GET /hsds/services/b: status 500")), "{run}");
        assert_eq!(directory(&clinic).await.into_keys().collect::<Vec<_>>(), ["Lunch Club"], "what was shown is written");
        app.clock.advance(Span::seconds(3 * 3600));
        clinic.renew().await;
    }
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!((run["status"].as_str(), counts(&run), &run["records"]), (Some("completed"), [2, 0, 0, 1, 0], &json!(3)), "{run}");
    let times = |paths: &[String], id: &str| paths.iter().filter(|path| path.ends_with(id)).count();
    let paths = asked(&partner);
    assert_eq!(["/a", "/b", "&page=1"].map(|end| times(&paths, end)), [1, 6, 1], "what was read is not asked for again, and counted once");
    assert_eq!(directory(&clinic).await.into_keys().collect::<Vec<_>>(), ["Lunch Club", "Night Shelter"]);
});

on_both!(a_few_services_that_fail_are_not_most_even_where_nothing_else_has_changed, |db| async move {
    let app = app(db).await;
    let mut clinic = app.clinic().await;
    let theirs = Partner::of(&[("x", "Broken"), ("y", "Hidden"), ("z", "Zither Club")]);
    let partner = Receiver::that(flat(theirs, &["x", "y"]));
    let source = subscribe(&clinic, partner.url("/hsds"), json!({})).await;
    for _ in 1..6 {
        pull(&app).await;
        assert_eq!(last_run(&clinic, &source).await["status"], "waiting");
        app.clock.advance(Span::seconds(3 * 3600));
        clinic.renew().await;
    }
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!((run["status"].as_str(), counts(&run)), (Some("completed"), [1, 0, 0, 2, 0]), "{run}");
    assert_eq!(directory(&clinic).await.into_keys().collect::<Vec<_>>(), ["Zither Club"]);
});

on_both!(where_most_services_cannot_be_read_the_run_stops, |db| async move {
    let app = app(db).await;
    let clinic = app.clinic().await;
    let theirs = Partner::of(&[("a", "Lunch Club")]);
    let partner = theirs.served();
    let source = subscribe(&clinic, partner.url("/hsds"), json!({})).await;
    pull(&app).await;
    (0..30).for_each(|number| theirs.says(&format!("x{number:02}"), "Broken", "2026-01-01T00:00:00Z"));
    partner.now(move |got| if got.path.starts_with("/hsds/services/x") { Reply::status(503) } else { theirs.answer(got) });
    asked(&partner);
    app.clock.advance(Span::seconds(60));
    clinic.post(&format!("{source}/runs"), json!({ "kind": "sweep" })).await.expect(201);
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!((run["status"].as_str(), run["error"].as_str(), counts(&run)), (Some("waiting"), Some("status"), [0; 5]), "{run}");
    assert_eq!(asked(&partner).len(), 21, "the list, and twenty services");
});

on_both!(a_partner_that_sends_a_page_again_ends_the_run_and_what_was_read_stays, |db| async move {
    let app = app(db).await;
    let mut clinic = app.clinic().await;
    let theirs = Partner::of(&[("a", "Lunch Club"), ("b", "Food Bank"), ("c", "Night Shelter")]);
    let partner = theirs.served();
    let source = subscribe(&clinic, partner.url("/hsds"), json!({})).await;
    // It sends its first page whatever is asked for, with and without its number, or with the number that was asked for.
    for says in ["page_number", "nothing", "what was asked"] {
        let theirs = theirs.clone();
        partner.now(move |got| {
            let asked = got.path.split('&').find_map(|pair| pair.strip_prefix("page=")).and_then(|page| page.parse::<u32>().ok());
            let first = Got { path: "/hsds/services?full=true&page=1".into(), ..got.clone() };
            let mut page = serde_json::from_str::<Value>(&theirs.answer(&first).body).unwrap();
            match says {
                "nothing" => {
                    page.as_object_mut().unwrap().remove("page_number");
                }
                "what was asked" => page["page_number"] = json!(asked),
                _ => {}
            }
            (page["total_pages"], page["last_page"]) = (json!(3), json!(false));
            Reply::json(&page)
        });
        for kind in ["pull", "sweep"] {
            asked(&partner);
            app.clock.advance(Span::seconds(60));
            clinic.renew().await;
            clinic.post(&format!("{source}/runs"), json!({ "kind": kind })).await.expect(201);
            pull(&app).await;
            let run = last_run(&clinic, &source).await;
            assert_eq!((run["status"].as_str(), run["error"].as_str()), (Some("failed"), Some("page_repeated")), "{says}: {run}");
            assert_eq!(asked(&partner).len(), 2, "{says}: the second page tells");
        }
    }
    assert_eq!(directory(&clinic).await.into_keys().collect::<Vec<_>>(), ["Food Bank", "Lunch Club"]);
});

on_both!(of_a_list_no_page_is_asked_for_behind_all_that_it_has, |db| async move {
    let app = app(db).await;
    let clinic = app.clinic().await;
    let theirs = Partner::of(&[("a", "Lunch Club"), ("b", "Food Bank"), ("c", "Night Shelter")]);
    let partner = Receiver::that(move |got| {
        let mut page = serde_json::from_str::<Value>(&theirs.answer(got).body).unwrap();
        page["last_page"] = json!(false);
        Reply::json(&page)
    });
    let source = subscribe(&clinic, partner.url("/hsds"), json!({})).await;
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!((run["status"].as_str(), counts(&run)), (Some("completed"), [3, 0, 0, 0, 0]), "{run}");
    assert_eq!(asked(&partner).len(), 2);
});
