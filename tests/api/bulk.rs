//! Imports and exports of many resources.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;

use actix_web::http::Method;
use chrono::Duration;
use diesel::connection::SimpleConnection;
use kith::auth::{Scope, Scopes};
use kith::background::Lease;
use kith::bulk::model::JobId;
use kith::bulk::{Engine, importing, repository};
use kith::db::Db;
use kith::db::types::Id;
use kith::organizations::model::OrganizationKind;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::client::{Answer, Caller, TestApp};

mod bounds;
mod dry_run;
mod exports;
mod history;
mod sending;
mod statements;

pub const SYSTEM: &str = "https://emr.example.ca/records";

pub fn key(value: &str) -> Value {
    json!({ "system": SYSTEM, "value": value })
}

fn patient(value: &str, family: &str) -> Value {
    json!({ "type": "patient", "resource": { "names": [{ "family": family }], "identifiers": [key(value)] } })
}

pub fn text(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

async fn send(caller: &Caller, path: &str, body: impl Into<Vec<u8>>) -> Answer {
    let request = caller.request(Method::POST, path).insert_header(("content-type", "application/x-ndjson"));
    caller.app.send(request.set_payload(body.into())).await
}

fn engine(app: &TestApp) -> Engine {
    Engine::new(app.state.db.clone(), app.clock.clone(), Arc::clone(&app.state.directory))
}

/// Imports, to the end; the import as it then stands.
pub async fn load(caller: &Caller, body: impl Into<Vec<u8>>) -> Value {
    load_at(caller, "/v1/imports", body).await
}

async fn load_at(caller: &Caller, path: &str, body: impl Into<Vec<u8>>) -> Value {
    let accepted = send(caller, path, body).await;
    let job = accepted.expect(202);
    assert_eq!((accepted.header("location"), job["status"].as_str()), (Some(place(&job).as_str()), Some("queued")));
    engine(&caller.app).work().await.unwrap();
    caller.get(&place(&job)).await.expect(200)
}

fn place(job: &Value) -> String {
    format!("/v1/imports/{}", job["id"].as_str().unwrap())
}

pub async fn results(caller: &Caller, job: &Value) -> Vec<Value> {
    lines(&caller.get(&format!("{}/results", place(job))).await)
}

fn lines(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.bytes));
    answer.bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(|line| serde_json::from_slice(line).unwrap()).collect()
}

/// How many resources were created, updated, unchanged or refused.
pub fn counts(job: &Value) -> [i64; 4] {
    ["created", "updated", "unchanged", "refused"].map(|name| job[name].as_i64().unwrap())
}

/// A line of every kind, each of which names others by their identifiers.
fn one_of_each() -> Vec<Value> {
    let resource = |of: &str, resource: Value| json!({ "type": of, "resource": resource });
    vec![
        resource("organization", json!({ "name": "Alder House", "kind": "agency", "identifiers": [key("o-1")] })),
        resource("practitioner", json!({ "name": "Harpreet Gill", "roles": ["link_worker"], "identifiers": [key("w-1")] })),
        resource(
            "service",
            json!({ "name": "Community lunch", "kind": "program", "provider_id": key("o-1"), "identifiers": [key("s-1")] }),
        ),
        resource("patient", json!({ "names": [{ "family": "Tremblay", "given": "Odette" }], "identifiers": [key("p-1")] })),
        resource(
            "consent",
            json!({ "patient_id": key("p-1"), "grantee_id": key("o-1"), "purposes": ["referral"], "categories": ["summary"], "form": "verbal" }),
        ),
        resource(
            "screening",
            json!({ "patient_id": key("p-1"), "instrument": "ons-loneliness-direct", "status": "completed", "identifiers": [key("q-1")],
                "answers": [{ "link_id": "lonely", "codes": ["often-always"] }] }),
        ),
        resource("need", json!({ "patient_id": key("p-1"), "domain": "food-insecurity", "identifiers": [key("n-1")] })),
        resource(
            "referral",
            json!({ "patient_id": key("p-1"), "kind": "service", "service_id": key("s-1"), "source_type": "family_physician", "chosen_by": "person",
                "need_ids": [key("n-1")], "identifiers": [key("r-1")] }),
        ),
        resource(
            "follow_up",
            json!({ "patient_id": key("p-1"), "purpose": "check_in", "due_on": "2026-03-10", "identifiers": [key("f-1")] }),
        ),
        resource("slot", json!({ "practitioner_id": key("w-1"), "starts_at": "2026-03-10T17:00:00Z", "ends_at": "2026-03-10T18:00:00Z" })),
        resource("unmet_need", json!({ "patient_id": key("p-1"), "domain": "food-insecurity", "reasons": ["no_service"] })),
    ]
}

on_both!(a_line_of_every_kind_becomes_a_resource_and_names_those_before_it, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    let job = load(&clinic, text(&one_of_each())).await;
    let results = results(&clinic, &job).await;
    let refused: Vec<&Value> = results.iter().filter(|line| line["outcome"] != "created").collect();
    assert!(refused.is_empty(), "{refused:#?}");
    assert_eq!((job["status"].as_str(), counts(&job), job["lines"].as_i64()), (Some("completed"), [11, 0, 0, 0], Some(11)));
    assert_eq!(job["bytes"], job["bytes_total"]);
    let ids: BTreeMap<&str, &str> = results.iter().map(|line| (line["type"].as_str().unwrap(), line["id"].as_str().unwrap())).collect();
    let service = clinic.get(&format!("/v1/services/{}", ids["service"])).await.expect(200);
    assert_eq!(service["provider_id"], ids["organization"]);
    let referral = clinic.get(&format!("/v1/referrals/{}", ids["referral"])).await.expect(200);
    assert_eq!(
        (&referral["status"], &referral["patient_id"], &referral["need_ids"], &referral["service_id"]),
        (&json!("draft"), &json!(ids["patient"]), &json!([ids["need"]]), &json!(ids["service"]))
    );
    // The screening was scored, as it is by a single call, and raised what it raises.
    let screening = clinic.get(&format!("/v1/screenings/{}", ids["screening"])).await.expect(200);
    assert!(
        !screening["raised_needs"].as_array().or(screening["needs"].as_array()).is_none_or(Vec::is_empty) || screening["scores"].is_array()
    );
    // The journal has each, in the name of the client that sent them.
    app.is_readable().await;
    let feed = clinic.get("/v1/changes?limit=200").await.expect(200);
    for (of, id) in &ids {
        let entry = feed["items"].as_array().unwrap().iter().find(|entry| entry["resource_id"] == *id);
        let entry = entry.unwrap_or_else(|| panic!("{of} is not in the journal"));
        assert_eq!((&entry["action"], &entry["client_id"]), (&json!("created"), &json!(clinic.client_id)), "{of}");
    }
});

on_both!(what_others_load_in_bulk_is_found_once_it_is_loaded_and_ones_own_at_once, |db| async move {
    let settings = db.settings.clone();
    let app = TestApp::new(db).await;
    let (loader, reader) = (app.clinic().await, app.clinic().await);
    let elsewhere = Caller { app: app.beside(Db::open(&settings).unwrap()).await, ..reader.clone() };
    let found = async |caller: &Caller, query: &str| caller.get(&format!("/v1/services?{query}")).await.expect(200);
    assert_eq!(found(&elsewhere, "q=lunch").await["items"], json!([]));

    let service =
        |number: usize| json!({ "type": "service", "resource": { "name": format!("Community lunch {number}"), "kind": "program" } });
    let job = load(&loader, text(&(0..60).map(service).collect::<Vec<_>>())).await;
    assert_eq!(counts(&job), [60, 0, 0, 0]);
    assert_eq!(found(&reader, "q=lunch&limit=100").await["items"].as_array().unwrap().len(), 60);

    // The other process was told nothing, and does not keep its caller waiting until all of it is there.
    elsewhere.post("/v1/services", json!({ "name": "Harbour choir", "kind": "program" })).await.expect(201);
    assert_eq!(found(&elsewhere, "q=choir").await["items"].as_array().unwrap().len(), 1);
    let directory = Arc::clone(&elsewhere.app.state.directory);
    assert_eq!(directory.len(), 1);
    let known = elsewhere.get(&format!("/v1/services/{}", results(&loader, &job).await[7]["id"].as_str().unwrap())).await;
    assert_eq!(known.expect(200)["name"], "Community lunch 7");
    // Who lists by what was modified hears of everything, since they ask once for each moment.
    assert_eq!(elsewhere.get("/hsds/services").await.expect(200)["total_items"], 61);
    assert_eq!(directory.len(), 61);
    assert_eq!(found(&elsewhere, "q=lunch&limit=100").await["items"].as_array().unwrap().len(), 60);

    // Nor is anything found twice or forgotten, whatever the order in which it came in.
    load(&loader, text(&(60..260).map(service).collect::<Vec<_>>())).await;
    elsewhere.post("/v1/services", json!({ "name": "Harbour band", "kind": "program" })).await.expect(201);
    assert_eq!(found(&elsewhere, "q=harbour").await["items"].as_array().unwrap().len(), 2);
    assert_eq!(directory.len(), 62);
    while elsewhere
        .app
        .state
        .db
        .read({
            let directory = Arc::clone(&directory);
            move |conn| directory.catch_up(conn)
        })
        .await
        .unwrap()
    {}
    assert_eq!(directory.len(), 262);
    assert_eq!(found(&elsewhere, "q=harbour").await["items"].as_array().unwrap().len(), 2);
});

on_both!(the_same_file_again_changes_nothing_and_another_changes_what_differs, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    let people = |family: &str| (1..=300).map(|number| patient(&format!("p-{number}"), family)).collect::<Vec<Value>>();
    let first = load(&clinic, text(&people("Tremblay"))).await;
    assert_eq!(counts(&first), [300, 0, 0, 0]);
    let again = load(&clinic, text(&people("Tremblay"))).await;
    assert_eq!(counts(&again), [0, 0, 300, 0]);
    let mut mixed = people("Tremblay");
    mixed[10]["resource"]["names"][0]["family"] = json!("Singh");
    mixed.push(patient("p-301", "New"));
    // The second line of one key is the same resource.
    mixed.push(patient("p-301", "Newer"));
    let other = load(&clinic, text(&mixed)).await;
    assert_eq!(counts(&other), [1, 2, 299, 0]);
    let id = |value: &'static str| {
        let search = json!({ "identifier": key(value) });
        let clinic = clinic.clone();
        async move { clinic.post("/v1/patients/search", search).await.expect(200)["items"][0]["patient"].clone() }
    };
    assert_eq!((id("p-11").await["version"].as_i64(), id("p-12").await["version"].as_i64()), (Some(2), Some(1)));
    assert_eq!((id("p-301").await["version"].as_i64(), &id("p-301").await["names"][0]["family"]), (Some(2), &json!("Newer")));
    // They are found by name, as those are that a single call made.
    let found = clinic.post("/v1/patients/search", json!({ "name": "Newer" })).await.expect(200);
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
});

on_both!(each_line_is_refused_by_itself_and_says_why, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    let taken = clinic.post("/v1/patients", patient("taken", "First")["resource"].clone()).await.id();
    let mut body = Vec::new();
    let mut add = |line: &[u8]| {
        body.extend_from_slice(line);
        body.push(b'\n');
    };
    add(b"\xef\xbb\xbf{\"type\":\"patient\",\"resource\":{\"names\":[{\"family\":\"First\"}]}}");
    add(b"{not json");
    add(b"{\"type\":\"patient\",\"resource\":{\"names\":[{\"family\":\"\xff\"}]}}");
    add(b"   ");
    add(b"{\"type\":\"client\",\"resource\":{}}");
    add(b"{\"type\":\"patient\",\"resource\":{\"names\":[],\"colour\":1}}");
    add(format!("{{\"type\":\"patient\",\"resource\":{{\"names\":[{{\"family\":\"{}\"}}]}}}}", "x".repeat(2 << 20)).as_bytes());
    add(json!({ "type": "need", "resource": { "patient_id": key("nobody"), "domain": "food-insecurity" } }).to_string().as_bytes());
    add(json!({ "type": "patient", "resource": { "names": [{ "family": "Future" }], "birth_date": "2999-01-01" } }).to_string().as_bytes());
    let two_keys = json!({ "names": [{ "family": "Clash" }], "identifiers": [key("fresh"), key("taken")] });
    add(json!({ "type": "patient", "resource": two_keys }).to_string().as_bytes());
    add(b"{\"type\":\"patient\",\"type\":\"need\",\"resource\":{}}");
    body.extend_from_slice(patient("last", "Last").to_string().as_bytes());
    let job = load(&clinic, body).await;
    let results = results(&clinic, &job).await;
    let told: Vec<(i64, &str, &str)> = results
        .iter()
        .map(|line| (line["line"].as_i64().unwrap(), line["outcome"].as_str().unwrap(), line["problem"]["code"].as_str().unwrap_or("")))
        .collect();
    let expected = [
        (1, "created", ""),
        (2, "refused", "malformed_request"),
        (3, "refused", "malformed_request"),
        (5, "refused", "invalid_request"),
        (6, "refused", "invalid_request"),
        (7, "refused", "body_too_large"),
        (8, "refused", "invalid_request"),
        (9, "refused", "invalid_request"),
        (10, "refused", "duplicate"),
        (11, "refused", "malformed_request"),
        (12, "created", ""),
    ];
    assert_eq!(told, expected, "{results:#?}");
    let faults = |index: usize| -> Vec<(String, String)> {
        let errors = results[index]["problem"]["errors"].as_array().unwrap().iter();
        errors.map(|fault| (fault["pointer"].as_str().unwrap().into(), fault["code"].as_str().unwrap().into())).collect()
    };
    let pair = |pointer: &str, code: &str| (pointer.to_owned(), code.to_owned());
    assert_eq!(faults(3), [pair("/type", "not_allowed")]);
    assert!(faults(4).contains(&pair("/resource/names", "too_few")) && faults(4).contains(&pair("/resource/colour", "unknown_field")));
    assert_eq!(faults(6), [pair("/resource/patient_id", "not_found")]);
    assert_eq!(faults(7), [pair("/resource/birth_date", "out_of_range")]);
    assert_eq!((counts(&job), job["lines"].as_i64()), ([2, 0, 0, 9], Some(12)));
    // What was refused has left nothing.
    let untouched = clinic.get(&format!("/v1/patients/{taken}")).await.expect(200);
    assert_eq!(untouched["version"], 1);
    let found = clinic.post("/v1/patients/search", json!({ "identifier": key("fresh") })).await.expect(200);
    assert_eq!(found["items"], json!([]));
    let refused = lines(&clinic.get(&format!("{}/results?outcome=refused", place(&job))).await);
    assert_eq!(refused.len(), 9);
});

on_both!(a_line_needs_the_scope_of_its_type, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    let writer = clinic.only(&[Scope::ServicesWrite]).await;
    let service = json!({ "type": "service", "resource": { "name": "Lunch", "kind": "program" } });
    let job = load(&writer, text(&[patient("p-1", "Tremblay"), service])).await;
    let results = results(&writer, &job).await;
    assert_eq!((results[0]["problem"]["code"].as_str(), results[1]["outcome"].as_str()), (Some("insufficient_scope"), Some("created")));
    let reader = clinic.only(&[Scope::PatientsRead]).await;
    send(&reader, "/v1/imports", "").await.expect_problem(403, "insufficient_scope");
    writer.get("/v1/exports").await.expect_problem(403, "insufficient_scope");
    reader.post("/v1/exports", json!({ "types": ["service"] })).await.expect_problem(403, "insufficient_scope");
});

on_both!(a_job_is_seen_by_the_client_that_asked_for_it_alone, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, other) = (app.clinic().await, app.clinic().await);
    let colleague = app.client(clinic.organization_id, Scopes::all_but_admin()).await;
    let job = load(&clinic, text(&[patient("p-1", "Tremblay")])).await;
    let export = clinic.post("/v1/exports", json!({})).await.expect(202);
    let export = format!("/v1/exports/{}", export["id"].as_str().unwrap());
    for stranger in [&other, &colleague] {
        for path in [place(&job), format!("{}/results", place(&job)), export.clone()] {
            stranger.get(&path).await.expect_problem(404, "not_found");
        }
        for path in [place(&job), export.clone()] {
            stranger.post(&format!("{path}/cancel"), json!({})).await.expect_problem(404, "not_found");
        }
        for path in ["/v1/imports", "/v1/exports"] {
            assert_eq!(stranger.get(path).await.expect(200)["items"], json!([]));
        }
    }
    // An import is no export.
    clinic.get(&place(&job).replace("imports", "exports")).await.expect_problem(404, "not_found");
    assert_eq!(clinic.get("/v1/imports").await.expect(200)["items"][0]["id"], job["id"]);
    // What another organization's people are called is of no use to a loader.
    let patient = results(&clinic, &job).await[0]["id"].clone();
    let line = json!({ "type": "need", "resource": { "patient_id": patient, "domain": "food-insecurity" } });
    let by_key = json!({ "type": "need", "resource": { "patient_id": key("p-1"), "domain": "food-insecurity" } });
    let job = load(&other, text(&[line, by_key])).await;
    for line in results(&other, &job).await {
        assert_eq!(line["problem"]["errors"][0]["code"], "not_found", "{line}");
    }
});

on_both!(what_is_too_large_or_of_another_kind_is_refused_and_what_is_packed_or_empty_is_taken, |db| async move {
    let app = TestApp::with(db, &["--bulk-limit", "200000"]).await;
    let clinic = app.clinic().await;
    let empty = load(&clinic, "").await;
    assert_eq!((empty["status"].as_str(), empty["lines_total"].as_i64()), (Some("completed"), Some(0)));
    assert_eq!(results(&clinic, &empty).await, Vec::<Value>::new());
    let body = text(&(0..5_000).map(|number| patient(&format!("p-{number}"), "Tremblay")).collect::<Vec<_>>());
    assert!(body.len() > 200_000);
    send(&clinic, "/v1/imports", body.clone()).await.expect_problem(413, "body_too_large");
    let pack = |text: &str| {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(text.as_bytes()).unwrap();
        packer.finish().unwrap()
    };
    let packed = |bytes: Vec<u8>| {
        let request = clinic.request(Method::POST, "/v1/imports").insert_header(("content-type", "application/x-ndjson"));
        clinic.app.send(request.insert_header(("content-encoding", "gzip")).set_payload(bytes))
    };
    packed(pack(&body)).await.expect_problem(413, "body_too_large");
    packed(b"not packed".to_vec()).await.expect_problem(400, "malformed_request");
    let taken = packed(pack(&text(&[patient("p-1", "Tremblay")]))).await.expect(202);
    assert_eq!(taken["lines_total"], 1);
    clinic.post("/v1/imports", json!({})).await.expect_problem(415, "unsupported_media_type");
    // What was not taken is deleted.
    app.clock.advance(Duration::hours(2));
    let engine = engine(&app);
    engine.work().await.unwrap();
    engine.purge().await.unwrap();
    let left = app.state.db.read(|conn| {
        use diesel::prelude::*;
        Ok(kith::db::schema::bulk_chunks::table.select(kith::db::schema::bulk_chunks::file).distinct().load::<String>(conn)?)
    });
    assert_eq!(left.await.unwrap(), ["results"]);
    app.clock.advance(Duration::days(8));
    engine.purge().await.unwrap();
    let mut clinic = clinic;
    clinic.renew().await;
    assert_eq!(clinic.get("/v1/imports").await.expect(200)["items"], json!([]));
});

on_both!(an_import_that_is_sent_again_with_its_key_is_one_import, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    let send = |body: String| {
        let request = clinic.request(Method::POST, "/v1/imports").insert_header(("content-type", "application/x-ndjson"));
        clinic.app.send(request.insert_header(("idempotency-key", "load-1")).set_payload(body))
    };
    // Without identifiers a second import would make them twice.
    let body = text(&[json!({ "type": "patient", "resource": { "names": [{ "family": "Once" }] } })]);
    let (first, again) = (send(body.clone()).await, send(body).await);
    assert_eq!((first.status, &first.bytes), (202, &again.bytes));
    send("{}\n".into()).await.expect_problem(422, "idempotency_key_reused");
    engine(&app).work().await.unwrap();
    assert_eq!(clinic.get("/v1/imports").await.expect(200)["items"].as_array().unwrap().len(), 1);
    let found = clinic.post("/v1/patients/search", json!({ "name": "Once" })).await.expect(200);
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
});

on_both!(who_takes_over_from_a_worker_that_is_gone_goes_on_behind_its_last_line, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    // Without identifiers nothing but the place in the file tells what is done.
    let people: Vec<Value> =
        (0..700).map(|number| json!({ "type": "patient", "resource": { "names": [{ "family": format!("Person{number}") }] } })).collect();
    let job = send(&clinic, "/v1/imports", text(&people)).await.expect(202);
    let id = JobId::from_uuid(job["id"].as_str().unwrap().parse().unwrap());
    let (db, worker) = (&app.state.db, Id::generate());
    let taken = Lease::take(db, &app.clock, worker, id, |conn, job, now| importing::read(conn, &job, 0, now)).await.unwrap();
    let (gone, lines) = taken.unwrap();
    let started = gone.write(move |conn, job, now| importing::write(conn, job, &lines, now)).await.unwrap().unwrap();
    assert!(started.lines > 0 && started.lines < 700, "{}", started.lines);
    // While its lease lasts nobody else does it.
    engine(&app).work().await.unwrap();
    let standing = clinic.get(&place(&job)).await.expect(200);
    assert_eq!(standing["status"], "running");
    app.clock.advance(Duration::minutes(1));
    engine(&app).work().await.unwrap();
    let done = clinic.get(&place(&job)).await.expect(200);
    assert_eq!((done["status"].as_str(), counts(&done)), (Some("completed"), [700, 0, 0, 0]));
    let numbers: Vec<i64> = results(&clinic, &job).await.iter().map(|line| line["line"].as_i64().unwrap()).collect();
    assert_eq!(numbers, (1..=700).collect::<Vec<i64>>());
    // One who comes back late writes nothing.
    assert!(gone.write(importing::complete).await.unwrap().is_err());
    let found = clinic.get("/v1/patients?limit=200").await.expect(200);
    assert!(found["next"].is_string());
});

on_both!(an_import_can_be_cancelled_and_a_client_that_was_disabled_imports_nothing, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    let job = send(&clinic, "/v1/imports", text(&[patient("p-1", "Tremblay")])).await.expect(202);
    let cancel = format!("{}/cancel", place(&job));
    assert_eq!(clinic.post(&cancel, json!({})).await.expect(200)["status"], "cancelled");
    clinic.post(&cancel, json!({})).await.expect_problem(409, "job_finished");
    engine(&app).work().await.unwrap();
    assert_eq!(clinic.get("/v1/patients").await.expect(200)["items"], json!([]));
    let job = send(&clinic, "/v1/imports", text(&[patient("p-1", "Tremblay")])).await.expect(202);
    let client = clinic.client_id;
    let disable = app.state.db.write(move |conn| {
        use diesel::prelude::*;
        use kith::db::schema::clients::dsl::{clients, is_active};
        diesel::update(clients.find(client)).set(is_active.eq(false)).execute(conn)?;
        Ok(())
    });
    disable.await.unwrap();
    engine(&app).work().await.unwrap();
    let id = Id::from_uuid(job["id"].as_str().unwrap().parse().unwrap());
    let ended = app.state.db.read(move |conn| repository::find_any(conn, id)).await.unwrap().unwrap();
    assert_eq!((ended.status.as_str(), ended.error.map(|error| error.as_str()), ended.created), ("failed", Some("client_disabled"), 0));
});

on_both!(an_organization_has_so_many_jobs_under_way_and_no_more, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    for _ in 0..20 {
        send(&clinic, "/v1/imports", "").await.expect(202);
    }
    send(&clinic, "/v1/imports", "").await.expect_problem(409, "too_many_jobs");
    clinic.post("/v1/exports", json!({})).await.expect_problem(409, "too_many_jobs");
    engine(&app).work().await.unwrap();
    send(&clinic, "/v1/imports", "").await.expect(202);
});

on_both!(bodies_that_do_not_come_leave_room_and_what_was_accepted_is_answered_again, |db| async move {
    let app = TestApp::new(db).await;
    let mut clinic = app.clinic().await;
    let once = || {
        let request = clinic.request(Method::POST, "/v1/imports").insert_header(("content-type", "application/x-ndjson"));
        clinic.app.send(request.insert_header(("idempotency-key", "load-20")).set_payload(""))
    };
    for _ in 0..19 {
        send(&clinic, "/v1/imports", "").await.expect(202);
    }
    let (last, again) = (once().await, once().await);
    assert_eq!((last.status, &last.bytes), (202, &again.bytes), "it is none more");
    let receiving = "UPDATE bulk_jobs SET status = 'receiving'";
    app.state.db.write(move |conn| Ok(conn.batch_execute(receiving)?)).await.unwrap();
    send(&clinic, "/v1/imports", "").await.expect_problem(409, "too_many_jobs");
    app.clock.advance(Duration::minutes(4));
    clinic.renew().await;
    send(&clinic, "/v1/imports", "").await.expect(202);
});

on_both!(possible_duplicates_are_told_where_they_are_asked_for, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    let person = json!({ "names": [{ "family": "Tremblay", "given": "Odette" }], "birth_date": "1954-03-18" });
    let there = clinic.post("/v1/patients", person.clone()).await.id();
    let line = text(&[json!({ "type": "patient", "resource": person })]);
    let job = send(&clinic, "/v1/imports?possible_duplicates=true", line).await.expect(202);
    engine(&app).work().await.unwrap();
    let results = results(&clinic, &job).await;
    assert_eq!(results[0]["possible_duplicates"][0]["patient_id"], json!(there), "{results:#?}");
});

/// Exports, to the end; the export as it then stands.
async fn export(caller: &Caller, input: Value) -> Value {
    let accepted = caller.post("/v1/exports", input).await;
    let path = accepted.header("location").unwrap().to_owned();
    accepted.expect(202);
    engine(&caller.app).work().await.unwrap();
    let export = caller.get(&path).await.expect(200);
    assert_eq!(export["status"], "completed", "{export:#}");
    export
}

async fn download(caller: &Caller, file: &Value) -> Answer {
    let answer = caller.app.stranger().get(file["url"].as_str().unwrap()).await;
    assert_eq!(answer.status, 200, "{file}");
    answer
}

/// Everything that the caller may export.
pub async fn exported(caller: &Caller) -> Vec<Value> {
    let export = export(caller, json!({})).await;
    let mut all = Vec::new();
    for file in export["files"].as_array().unwrap() {
        let mut found = lines(&download(caller, file).await);
        assert_eq!(file["resources"], found.len(), "{file}");
        let ids: Vec<&str> = found.iter().map(|line| line["id"].as_str().unwrap()).collect();
        assert!(ids.is_sorted(), "{file}");
        all.append(&mut found);
    }
    all
}

on_both!(what_an_export_says_of_room_need_levels_and_navigators_is_loaded_with_a_new_record, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    let file = one_of_each();
    let job = load(&clinic, text(&file[1..4])).await;
    let told = results(&clinic, &job).await;
    let [worker, service, patient] = [0, 1, 2].map(|index| told[index]["id"].as_str().unwrap_or_default().to_owned());
    assert_eq!(told[1]["outcome"], "refused", "its provider was not loaded: {told:#?}");
    assert_eq!(service, "");
    let lunch = json!({ "name": "Community lunch", "kind": "program", "identifiers": [key("s-1")] });
    let service = clinic.post("/v1/services", lunch).await.id();
    let room = json!({ "status": "open", "available": 3, "as_of": "2026-01-20T17:00:00Z" });
    clinic.put_any(&format!("/v1/services/{service}/capacity"), room).await.expect(200);
    clinic.put_any(&format!("/v1/services/{service}/capacities/newcomers"), json!({ "status": "waitlist" })).await.expect(200);
    clinic.put_any(&format!("/v1/patients/{patient}/need-level"), json!({ "level": "high" })).await.expect(200);
    clinic.put_any(&format!("/v1/patients/{patient}/primary-navigator"), json!({ "practitioner_id": worker })).await.expect(200);
    let before = exported(&clinic).await;

    let other = app.tenant("Elsewhere", OrganizationKind::Clinic).await;
    let job = load(&other, text(&before)).await;
    let told = results(&other, &job).await;
    let id = |of: &str| told.iter().find(|line| line["type"] == of).unwrap()["id"].as_str().unwrap().to_owned();
    let moved = other.get(&format!("/v1/patients/{}", id("patient"))).await.expect(200);
    assert_eq!((&moved["need_level"], &moved["primary_navigator_id"]), (&json!("high"), &json!(id("practitioner"))), "{moved:#}");
    let (there, here) =
        (other.get(&format!("/v1/services/{}", id("service"))).await.expect(200), clinic.get(&format!("/v1/services/{service}")).await);
    let here = here.expect(200);
    assert_eq!((&there["capacity"], &there["capacities"]), (&here["capacity"], &here["capacities"]));
    let said = other.get(&format!("/v1/services/{}/capacity/history", id("service"))).await.expect(200);
    assert_eq!(said["items"].as_array().unwrap().len(), 2);
    // Sent again, it is there.
    assert_eq!(counts(&load(&other, text(&before)).await)[0], 0);
    // What cannot be understood is not left out in silence.
    let wrong = [
        json!({ "type": "patient", "resource": { "names": [{ "family": "Singh" }] }, "read_only": { "need_level": "enormous" } }),
        json!({ "type": "service", "resource": { "name": "Choir", "kind": "program" }, "read_only": { "capacity": { "available": -1 } } }),
    ];
    let job = load(&other, text(&wrong)).await;
    let pointers: Vec<Value> = results(&other, &job).await.iter().map(|line| line["problem"]["errors"][0]["pointer"].clone()).collect();
    assert_eq!(pointers, ["/read_only/need_level", "/read_only/capacity/available"]);
});

on_both!(what_a_line_meets_by_its_identifier_is_known_under_the_lines_id_from_then_on, |db| async move {
    let clinic = TestApp::new(db).await.clinic().await;
    let present = clinic.post("/v1/patients", patient("p-1", "Tremblay")["resource"].clone()).await.id();
    let former = Uuid::now_v7();
    let with_id = |mut line: Value| {
        line["id"] = json!(former);
        line
    };
    let need = |domain: &str| json!({ "type": "need", "resource": { "patient_id": former, "domain": domain } });
    let lines = [with_id(patient("p-1", "Tremblay")), with_id(patient("p-1", "Gagnon")), need("stress")];
    let job = load(&clinic, text(&lines)).await;
    assert_eq!(counts(&job), [1, 1, 1, 0], "{:#?}", results(&clinic, &job).await);
    let list = format!("/v1/patients/{present}/needs");
    assert_eq!(clinic.get(&list).await.expect(200)["items"][0]["domain"], "stress");

    // Also in another file, and without the identifier.
    let renamed = json!({ "type": "patient", "id": former, "resource": { "names": [{ "family": "Roy" }] } });
    let job = load(&clinic, text(&[need("housing-instability"), renamed])).await;
    assert_eq!(counts(&job), [1, 1, 0, 0], "{:#?}", results(&clinic, &job).await);
    assert_eq!(clinic.get(&list).await.expect(200)["items"].as_array().unwrap().len(), 2);
    let patients = clinic.get("/v1/patients").await.expect(200);
    assert_eq!((patients["items"].as_array().unwrap().len(), &patients["items"][0]["names"][0]["family"]), (1, &json!("Roy")));
});
