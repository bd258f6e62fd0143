//! How much one client may ask for, and keep.

use actix_web::http::Method;
use chrono::Duration;
use diesel::connection::SimpleConnection as _;
use kith::auth::Principal;
use kith::background::Lease;
use kith::bulk::model::{ChunkRow, Content, INPUT, JobId, JobKind, JobRow, JobStatus, MOST_ATTEMPTS, MOST_KEPT};
use kith::bulk::pieces::pack;
use kith::bulk::{importing, repository};
use kith::db::DbConn;
use kith::db::types::{Id, Instant};
use kith::error::Error;
use kith::organizations::model::OrganizationKind;
use serde_json::{Value, json};

use super::{counts, download, engine, export, key, lines, load, patient, place, results, send, text};
use crate::client::{Caller, TestApp};

/// Has the database do something of which the application knows nothing.
async fn execute(app: &TestApp, statement: impl Into<String>) {
    let statement = statement.into();
    app.state.db.write(move |conn| Ok(conn.batch_execute(&statement)?)).await.unwrap();
}

/// The job of each piece that is kept.
async fn pieces(app: &TestApp) -> Vec<JobId> {
    use diesel::prelude::*;
    use kith::db::schema::bulk_chunks::dsl;
    app.state.db.read(|conn| Ok(dsl::bulk_chunks.order(dsl::first_line).select(dsl::job_id).load(conn)?)).await.unwrap()
}

fn people(count: usize) -> String {
    text(&(0..count).map(|number| patient(&format!("p-{number}"), "Tremblay")).collect::<Vec<_>>())
}

on_both!(a_line_names_no_more_than_five_hundred_others, |db| async move {
    let clinic = TestApp::new(db).await.clinic().await;
    let unmet = |services: usize| {
        let tried = vec![key("s-1"); services];
        json!({ "type": "unmet_need", "resource": { "patient_id": key("p-1"), "domain": "food-insecurity", "reasons": ["no_service"],
            "tried_service_ids": tried } })
    };
    let service = json!({ "type": "service", "resource": { "name": "Lunch", "identifiers": [key("s-1")] } });
    let job = load(&clinic, text(&[patient("p-1", "Tremblay"), service, unmet(1), unmet(500)])).await;
    let told = results(&clinic, &job).await;
    assert_eq!((&told[2]["outcome"], &told[3]["outcome"]), (&json!("created"), &json!("refused")), "{told:#?}");
    let fault = &told[3]["problem"]["errors"][0];
    assert_eq!((&fault["pointer"], &fault["code"]), (&json!("/resource/tried_service_ids/499"), &json!("too_many")));
});

on_both!(an_import_of_which_very_much_was_refused_is_given_up, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    let job = send(&clinic, "/v1/imports", "0\n".repeat(600)).await.expect(202);
    // As if so many had been before.
    execute(&app, "UPDATE bulk_jobs SET refused = 99999").await;
    engine(&app).work().await.unwrap();
    let ended = clinic.get(&place(&job)).await.expect(200);
    assert_eq!((&ended["status"], &ended["error"]), (&json!("failed"), &json!("too_many_refused")), "{ended:#}");
    let told = results(&clinic, &job).await;
    assert!((1..600).contains(&told.len()), "{}", told.len());
    assert_eq!((&ended["lines"], &told[0]["problem"]["code"]), (&json!(told.len()), &json!("invalid_request")));
    engine(&app).purge().await.unwrap();
    assert_eq!(results(&clinic, &job).await, told, "what became of them is kept");
});

on_both!(the_latest_exports_of_a_client_are_kept, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    clinic.post("/v1/patients", patient("p-1", "Tremblay")["resource"].clone()).await.expect(201);
    let other = app.client(clinic.organization_id, clinic.scopes).await;
    let input = json!({ "types": ["patient"] });
    let (theirs, first) = (export(&other, input.clone()).await, export(&clinic, input.clone()).await);
    let url = first["files"][0]["url"].as_str().unwrap().to_owned();
    let mut latest: Vec<Value> = Vec::new();
    for _ in 0..MOST_KEPT {
        assert_eq!(app.stranger().get(&url).await.status, 200);
        latest.insert(0, export(&clinic, input.clone()).await["id"].clone());
    }
    app.stranger().get(&url).await.expect_problem(404, "not_found");
    let path = |export: &Value| format!("/v1/exports/{}", export["id"].as_str().unwrap());
    clinic.get(&path(&first)).await.expect_problem(404, "not_found");
    let listed = clinic.get("/v1/exports").await.expect(200);
    let ids: Vec<Value> = listed["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
    assert_eq!(ids, latest);
    other.get(&path(&theirs)).await.expect(200);
});

on_both!(an_export_that_took_long_is_kept_and_has_ended_though_earlier_ones_cannot_be_deleted, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    clinic.post("/v1/patients", patient("p-1", "Tremblay")["resource"].clone()).await.expect(201);
    let input = json!({ "types": ["patient"] });
    let long = clinic.post("/v1/exports", input.clone()).await.expect(202);
    // As if a worker were at it.
    execute(&app, "UPDATE bulk_jobs SET leased_until = '2099-01-01T00:00:00.000000Z'").await;
    for _ in 0..MOST_KEPT {
        export(&clinic, input.clone()).await;
    }
    app.clock.advance(Duration::minutes(1));
    execute(&app, "UPDATE bulk_jobs SET leased_until = NULL").await;
    engine(&app).work().await.unwrap();
    let done = clinic.get(&format!("/v1/exports/{}", long["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(done["status"], "completed", "{done:#}");
    assert_eq!(app.stranger().get(done["files"][0]["url"].as_str().unwrap()).await.status, 200);
    let refusal = if app.database_url().starts_with("sqlite:") {
        "CREATE TRIGGER refusal BEFORE DELETE ON bulk_chunks BEGIN SELECT RAISE(ABORT, 'refused'); END"
    } else {
        "CREATE FUNCTION refusal() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$; \
         CREATE TRIGGER refusal BEFORE DELETE ON bulk_chunks FOR EACH ROW EXECUTE FUNCTION refusal()"
    };
    execute(&app, refusal).await;
    export(&clinic, input).await;
});

on_both!(of_an_export_that_was_cancelled_no_file_is_kept, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    clinic.post("/v1/patients", patient("p-1", "Tremblay")["resource"].clone()).await.expect(201);
    let input = json!({ "types": ["patient"] });
    let (kept, cancelled) = (export(&clinic, input.clone()).await, export(&clinic, input).await);
    let id = |export: &Value| export["id"].as_str().unwrap().to_owned();
    // As if that had been said after its last file was written and before it was done.
    execute(&app, format!("UPDATE bulk_jobs SET status = 'cancelled' WHERE id = '{}'", id(&cancelled))).await;
    engine(&app).purge().await.unwrap();
    let left: Vec<String> = pieces(&app).await.iter().map(ToString::to_string).collect();
    assert_eq!(left, [id(&kept)]);
    let told = clinic.get(&format!("/v1/exports/{}", id(&cancelled))).await.expect(200);
    assert_eq!(told["status"], "cancelled");
});

on_both!(a_key_that_was_used_brings_no_more_bodies_than_may_arrive_at_once, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    let once = |path: &'static str, key: &'static str| {
        let request = clinic.request(Method::POST, path).insert_header(("content-type", "application/x-ndjson"));
        clinic.app.send(request.insert_header(("idempotency-key", key)).set_payload(people(1)))
    };
    clinic.post_once("/v1/exports", "export-1", json!({ "types": ["patient"] })).await.expect(202);
    once("/v1/imports", "load-1").await.expect(202);
    once("/v1/imports", "export-1").await.expect_problem(422, "idempotency_key_reused");
    once("/v1/imports?possible_duplicates=true", "load-1").await.expect_problem(422, "idempotency_key_reused");
    assert_eq!(pieces(&app).await.len(), 1, "what is refused is not received");
    for _ in 0..18 {
        send(&clinic, "/v1/imports", "").await.expect(202);
    }
    send(&clinic, "/v1/imports", "").await.expect_problem(409, "too_many_jobs");
    once("/v1/imports", "load-1").await.expect(202);
    execute(&app, "UPDATE bulk_jobs SET status = 'receiving'").await;
    once("/v1/imports", "load-1").await.expect_problem(409, "too_many_jobs");
});

on_both!(a_body_of_which_more_comes_now_and_then_is_not_given_up, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    let caller = Principal::of_client(clinic.client_id, clinic.organization_id, clinic.scopes, app.clock.now());
    let job = JobRow::new(&caller, JobKind::Import, JobStatus::Receiving, Content::default());
    let id = job.id;
    app.state.db.write(move |conn| repository::insert(conn, &job)).await.unwrap();
    for number in 1..=3 {
        app.clock.advance(Duration::minutes(50));
        let now = app.clock.now();
        let piece = ChunkRow { job_id: id, file: INPUT.into(), first_line: number, lines: 1, content: pack(b"{}\n").unwrap() };
        app.state.db.write(move |conn| repository::lay_down(conn, id, std::slice::from_ref(&piece), now)).await.unwrap();
        engine(&app).purge().await.unwrap();
    }
    assert_eq!(pieces(&app).await, [id; 3]);
    app.clock.advance(Duration::minutes(61));
    engine(&app).purge().await.unwrap();
    assert!(pieces(&app).await.is_empty());
});

on_both!(an_import_of_which_lines_are_gone_is_not_taken_for_whole, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    // Pieces begin with the lines 1, 257 and 513.
    for (gone, done) in [(513, 512), (257, 256)] {
        let job = send(&clinic, "/v1/imports", people(600)).await.expect(202);
        execute(&app, format!("DELETE FROM bulk_chunks WHERE file = 'input' AND first_line = {gone}")).await;
        engine(&app).work().await.unwrap();
        let ended = clinic.get(&place(&job)).await.expect(200);
        let told = [&ended["status"], &ended["error"], &ended["lines"]];
        assert_eq!(told, [&json!("failed"), &json!("input_lost"), &json!(done)], "{ended:#}");
        assert_eq!(results(&clinic, &job).await.len(), done);
    }
});

fn id_of(job: &Value) -> JobId {
    JobId::from_uuid(job["id"].as_str().unwrap().parse().unwrap())
}

/// Takes a job, and comes to no end.
async fn die_of(app: &TestApp, job: &Value) {
    let taken = Lease::take(&app.state.db, &app.clock, Id::generate(), id_of(job), |_, job, _| Ok(Some(job))).await.unwrap();
    assert!(taken.is_some());
    app.clock.advance(Duration::seconds(11));
}

on_both!(a_job_of_which_whoever_does_it_dies_is_given_up_and_the_next_goes_on, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    clinic.post("/v1/patients", patient("p-1", "Tremblay")["resource"].clone()).await.expect(201);
    let input = json!({ "types": ["patient"] });
    let deadly = clinic.post("/v1/exports", input.clone()).await.expect(202);
    for _ in 0..MOST_ATTEMPTS {
        die_of(&app, &deadly).await;
    }
    let next = clinic.post("/v1/exports", input).await.expect(202);
    engine(&app).work().await.unwrap();
    for (export, status, error) in [(&deadly, "failed", json!("internal")), (&next, "completed", Value::Null)] {
        let told = clinic.get(&format!("/v1/exports/{}", id_of(export))).await.expect(200);
        assert_eq!((&told["status"], &told["error"]), (&json!(status), &error), "{told:#}");
        assert!(told["finished_at"].is_string());
    }
});

on_both!(a_job_that_has_come_on_is_taken_up_as_often_again, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    let job = send(&clinic, "/v1/imports", people(600)).await.expect(202);
    for _ in 1..MOST_ATTEMPTS {
        die_of(&app, &job).await;
    }
    let first = |conn: &mut DbConn, job: JobRow, now: Instant| importing::read(conn, &job, 0, now);
    let taken = Lease::take(&app.state.db, &app.clock, Id::generate(), id_of(&job), first).await.unwrap();
    let (lease, lines) = taken.unwrap();
    let begun = lease.write(move |conn, job, now| importing::write(conn, job, &lines, now)).await.unwrap().unwrap();
    assert!(begun.lines > 0 && begun.lines < 600, "{}", begun.lines);
    app.clock.advance(Duration::seconds(11));
    for _ in 1..MOST_ATTEMPTS {
        die_of(&app, &job).await;
    }
    engine(&app).work().await.unwrap();
    let done = clinic.get(&place(&job)).await.expect(200);
    assert_eq!((&done["status"], counts(&done)), (&json!("completed"), [600, 0, 0, 0]), "{done:#}");
});

on_both!(a_job_that_the_database_breaks_off_goes_on_however_often_that_was, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    clinic.post("/v1/patients", patient("there", "Gagnon")["resource"].clone()).await.expect(201);
    let import = send(&clinic, "/v1/imports", people(3)).await.expect(202);
    let export = clinic.post("/v1/exports", json!({ "types": ["patient"] })).await.expect(202);
    let on_sqlite = app.database_url().starts_with("sqlite:");
    for table in ["patients", "bulk_chunks"] {
        let full = if on_sqlite {
            format!("CREATE TRIGGER full_{table} BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END")
        } else {
            format!(
                "CREATE FUNCTION full_{table}() RETURNS trigger LANGUAGE plpgsql AS \
                 $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device'; END $$; \
                 CREATE TRIGGER full_{table} BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION full_{table}()"
            )
        };
        execute(&app, full).await;
    }
    for _ in 0..=MOST_ATTEMPTS {
        for job in [&import, &export] {
            let broken_off = engine(&app).serve(id_of(job)).await;
            assert!(matches!(broken_off, Err(Error::Unavailable(_))), "{broken_off:?}");
        }
        app.clock.advance(Duration::seconds(11));
    }
    for table in ["patients", "bulk_chunks"] {
        let end = if on_sqlite { format!("DROP TRIGGER full_{table}") } else { format!("DROP TRIGGER full_{table} ON {table}") };
        execute(&app, end).await;
    }
    engine(&app).work().await.unwrap();
    let done = clinic.get(&place(&import)).await.expect(200);
    assert_eq!((&done["status"], counts(&done)), (&json!("completed"), [3, 0, 0, 0]), "{done:#}");
    let done = clinic.get(&format!("/v1/exports/{}", id_of(&export))).await.expect(200);
    assert_eq!(done["status"], "completed", "{done:#}");
});

on_both!(an_export_is_kept_in_pieces_of_a_thousand_lines, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    load(&clinic, people(1_100)).await;
    for format in ["ndjson", "csv"] {
        let export = export(&clinic, json!({ "types": ["patient"], "format": format })).await;
        let of_export = pieces(&app).await.into_iter().filter(|job| *job == id_of(&export)).count();
        assert_eq!((of_export, &export["files"][0]["resources"]), (2, &json!(1_100)));
        let file = download(&clinic, &export["files"][0]).await;
        assert_eq!(json!(file.bytes.len()), export["files"][0]["bytes"]);
        let names = usize::from(format == "csv");
        assert_eq!(file.bytes.iter().filter(|byte| **byte == b'\n').count(), 1_100 + names, "{format}");
    }
});

on_both!(of_services_of_which_sources_say_very_much_few_are_exported_at_once_and_each_is, |db| async move {
    let app = TestApp::new(db).await;
    let directory = app.tenant("Valley 211", OrganizationKind::Directory).await;
    let rows = json!(vec![json!({ "a": 1 }); 4_999]);
    let service =
        |number: usize| json!({ "type": "service", "resource": { "name": format!("Pantry {number}"), "source_fields": { "rows": rows } } });
    let job = load(&directory, text(&(0..25).map(service).collect::<Vec<_>>())).await;
    assert_eq!(counts(&job), [25, 0, 0, 0], "{job:#}");
    let export = export(&directory, json!({ "types": ["service"] })).await;
    let exported = lines(&download(&directory, &export["files"][0]).await);
    let mut ids: Vec<&str> = exported.iter().map(|line| line["id"].as_str().unwrap()).collect();
    ids.dedup();
    assert_eq!((exported.len(), ids.len(), ids.is_sorted()), (25, 25, true));
    assert!(exported.iter().all(|line| line["resource"]["source_fields"]["rows"] == rows));
});

/// Whether the results of an import are read to their end.
async fn are_read(clinic: &Caller, job: &Value) -> bool {
    let (clinic, path) = (clinic.clone(), format!("{}/results", place(job)));
    // An answer that breaks off is a panic here.
    actix_web::rt::spawn(async move { clinic.get(&path).await.status }).await.is_ok()
}

on_both!(results_of_which_some_are_deleted_by_now_are_not_taken_for_whole, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    // The last piece says nothing at all.
    let job = load(&clinic, people(256) + "\n \n\n").await;
    assert_eq!((&job["lines"], results(&clinic, &job).await.len()), (&json!(259), 256));
    assert!(are_read(&clinic, &job).await);
    execute(&app, "DELETE FROM bulk_chunks WHERE first_line = 1").await;
    assert!(!are_read(&clinic, &job).await);
});
