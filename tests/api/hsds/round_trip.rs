//! Export, import into an empty instance, export: the same, byte for byte, and nothing lost on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read, Write};

use actix_web::http::Method;
use kith::import::importer::Importer;
use kith::import::mapping::Mapping;
use kith::import::package::Package;
use kith::import::{Outcome, Parsed};
use kith::organizations::model::OrganizationKind;
use serde_json::{Value, json};

use super::standard::import_real;
use super::{all, demo, lines};
use crate::client::{Answer, Caller, TestApp};
use crate::harness::{TestDb, shared};
use crate::server::{Server, places, serve};

fn sorted(services: &[Value]) -> Vec<String> {
    let mut lines: Vec<String> = services.iter().map(Value::to_string).collect();
    lines.sort();
    lines
}

/// The lines of every file of a zip file, sorted.
pub fn tables(answer: &Answer) -> BTreeMap<String, Vec<String>> {
    let mut tables = files(answer);
    tables.values_mut().for_each(|lines| lines.sort());
    tables
}

/// The lines of every file of a zip file, as they stand.
pub fn files(answer: &Answer) -> BTreeMap<String, Vec<String>> {
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/zip")));
    let mut archive = zip::ZipArchive::new(Cursor::new(answer.bytes.to_vec())).unwrap();
    let files = 0..archive.len();
    files
        .map(|number| {
            let mut file = archive.by_index(number).unwrap();
            let name = file.name().unwrap().into_owned();
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            let lines: Vec<String> = match name.ends_with(".csv") {
                true => csv::ReaderBuilder::new().from_reader(text.as_bytes()).records().map(|row| format!("{:?}", row.unwrap())).collect(),
                false => vec![text],
            };
            (name, lines)
        })
        .collect()
}

async fn send(caller: &Caller, media_type: &str, body: impl Into<actix_web::web::Bytes>) -> Value {
    let path = "/v1/imports/services?source=elsewhere";
    let request = caller.request(Method::POST, path).insert_header(("content-type", media_type.to_owned()));
    let report = caller.app.send(request.set_payload(body.into())).await.expect(200);
    assert_eq!(report["refused"], 0, "{report}");
    report
}

/// A directory of thousands takes a busy machine and a build without optimisation longer than any caller would wait.
const PATIENT: &[&str] = &["--request-timeout=10m"];

/// Another instance: a second database and server.
pub async fn elsewhere(kind: &str) -> (TestApp, Caller) {
    let db = match kind {
        "sqlite" => TestDb::sqlite(),
        _ => TestDb::postgres().unwrap(),
    };
    let app = TestApp::with(db, PATIENT).await;
    // Later, so that times of import differ.
    app.clock.advance(chrono::Duration::days(40));
    let directory = app.tenant("A partner", OrganizationKind::Directory).await;
    (app, directory)
}

/// The kind of a database, for another of it.
pub fn kind_of(db: &TestDb) -> &'static str {
    if matches!(db.place, crate::harness::Place::Sqlite(_)) { "sqlite" } else { "postgres" }
}

/// What two exports differ in.
#[track_caller]
fn assert_same(one: &[Value], other: &[Value]) {
    let (one, other) = (sorted(one), sorted(other));
    assert_eq!(one.len(), other.len());
    for (one, other) in one.iter().zip(&other) {
        assert_eq!(one, other);
    }
}

/// Holds a package against another that may lack terms, and what is said of them. Where a term is listed as its source has it and not as
/// services say it, these say it in their own rows: what they say has been compared with the services.
#[track_caller]
fn assert_same_but_for_terms(whole: &BTreeMap<String, Vec<String>>, other: &BTreeMap<String, Vec<String>>) {
    assert!(other.keys().eq(whole.keys()));
    let ids = |rows: &[String]| rows.iter().map(|row| row.split("\", \"").next().unwrap().to_owned()).collect::<BTreeSet<_>>();
    let without_profile = |rows: &[String]| rows.iter().map(|row| row.rsplit_once("\", \"").unwrap().0.to_owned()).collect::<Vec<_>>();
    for (name, rows) in other {
        match name.as_str() {
            "taxonomies.csv" | "taxonomy_terms.csv" => assert!(ids(rows).is_subset(&ids(&whole[name])), "{name}"),
            "metadata.csv" => assert!(rows.iter().all(|row| whole[name].binary_search(row).is_ok()), "{name}"),
            "attributes.csv" => assert_eq!(without_profile(rows), without_profile(&whole[name])),
            _ => assert_eq!(rows, &whole[name], "{name}"),
        }
    }
}

/// Holds that no two rows of a table have one id.
#[track_caller]
fn assert_ids_are_unique(package: &BTreeMap<String, Vec<String>>) {
    for (name, rows) in package.iter().filter(|(name, _)| name.ends_with(".csv")) {
        let ids: BTreeSet<&str> = rows.iter().map(|row| row.split("\", \"").next().unwrap()).collect();
        assert_eq!(ids.len(), rows.len(), "{name}");
    }
}

async fn goes_there_and_back(caller: &Caller, kind: &str) {
    let first = all(caller, "/hsds/services?full=true").await;
    let package = caller.get("/hsds/package").await;
    assert_ids_are_unique(&tables(&package));

    let (_app, partner) = elsewhere(kind).await;
    let answer = caller.get("/hsds/services?full=true&format=ndjson").await;
    let report = send(&partner, "application/x-ndjson", answer.bytes.clone()).await;
    assert_eq!(report["created"], json!(first.len()));
    assert_eq!(lines(&answer).len(), first.len());
    assert_same(&first, &all(&partner, "/hsds/services?full=true").await);
    // Lines are services with what hangs on them: terms that none of them carries, and what is said of these, are in packages alone.
    assert_same_but_for_terms(&tables(&package), &tables(&partner.get("/hsds/package").await));
    // Once more changes nothing.
    let again = send(&partner, "application/x-ndjson", answer.bytes).await;
    assert_eq!((&again["unchanged"], &again["updated"], &again["created"]), (&json!(first.len()), &json!(0), &json!(0)));

    let (_app, partner) = elsewhere(kind).await;
    let report = send(&partner, "application/zip", package.bytes.clone()).await;
    assert_eq!(report["created"], json!(first.len()));
    let there = all(&partner, "/hsds/services?full=true").await;
    assert_same(&first, &there);
    let (ours, theirs) = (tables(&package), tables(&partner.get("/hsds/package").await));
    assert!(ours.keys().eq(theirs.keys()));
    for (name, rows) in &ours {
        assert_eq!(rows.len(), theirs[name].len(), "{name}");
        for (ours, theirs) in rows.iter().zip(&theirs[name]) {
            assert_eq!(ours, theirs, "{name}");
        }
    }
    // What the API says of the services is the same too, but for what is of the instance itself. Of thousands from many sources it may keep
    // an id with its row that here goes without saying.
    if first.len() > 200 {
        return;
    }
    let (ours, theirs) = (bare(caller).await, bare(&partner).await);
    assert!(!ours.is_empty());
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs);
    }
}

/// What the API says of every service, but for what is of the instance itself, sorted.
async fn bare(caller: &Caller) -> Vec<String> {
    let of_the_instance = [
        "id",
        "organization_id",
        "provider_id",
        "provider_name",
        "provided_by",
        "version",
        "created_at",
        "updated_at",
        "identifiers",
        "provenance",
        "freshness",
        "hit",
    ];
    let every = "status=active&status=inactive&status=defunct&status=temporarily_closed&limit=200&sort=name";
    let (mut texts, mut next) = (Vec::new(), Some(String::new()));
    while let Some(cursor) = next {
        let page = caller.get(&format!("/v1/services?{every}{cursor}")).await.expect(200);
        for service in page["items"].as_array().unwrap() {
            let mut service = service.clone();
            of_the_instance.iter().for_each(|name| drop(service.as_object_mut().unwrap().remove(*name)));
            service.sort_all_objects();
            texts.push(service.to_string());
        }
        next = page["next"].as_str().map(|cursor| format!("&cursor={cursor}"));
    }
    texts.sort();
    texts
}

#[actix_web::test]
async fn the_demo_goes_there_and_back_on_sqlite() {
    let app = TestApp::new(TestDb::sqlite()).await;
    let (directory, _) = demo(&app).await;
    goes_there_and_back(&directory, "sqlite").await;
}

#[actix_web::test]
async fn the_demo_goes_from_postgres_to_sqlite_and_back() {
    let Some(db) = TestDb::postgres() else { return };
    let app = TestApp::new(db).await;
    let (directory, _) = demo(&app).await;
    goes_there_and_back(&directory, "sqlite").await;
}

#[actix_web::test]
async fn the_demo_goes_from_sqlite_to_postgres() {
    if TestDb::postgres().is_none() {
        return;
    }
    let app = TestApp::new(TestDb::sqlite()).await;
    let (directory, _) = demo(&app).await;
    goes_there_and_back(&directory, "postgres").await;
}

#[actix_web::test]
async fn real_directories_go_there_and_back() {
    let app = TestApp::with(TestDb::sqlite(), PATIENT).await;
    if import_real(&app).await > 0 {
        let clinic = app.client(app.clinic().await.organization_id, kith::auth::Scopes::all()).await;
        goes_there_and_back(&clinic, "sqlite").await;
    }
}

on_both!(a_service_with_everything_that_the_api_takes_goes_there_and_back, |db| async move {
    let kind = kind_of(&db);
    let app = TestApp::new(db).await;
    let directory = app.tenant("Alder Valley Information Line", OrganizationKind::Directory).await;
    let parent = directory.post("/v1/organizations", json!({ "name": "The whole", "kind": "agency" })).await;
    parent.expect(201);
    let provider = json!({
        "parent_id": parent.id(), "name": "Société d'Alder", "kind": "program", "language": "fr", "url": "no uri", "email": "nobody", "languages": ["fr", "pa-Guru"],
        "identifiers": [{ "system": "CA-CRA_ACR", "value": "119219814RR0001" }], "address": { "city": "Alder Falls" },
        "translations": [{ "language": "en", "name": "Alder Society", "description": null }], "policies": { "decide_days": 3 }, "time_zone": "America/Toronto",
        "scope": "Adults", "person_label": "participant", "is_active": false, "phones": [{ "original": "call us", "extension": "07", "kind": "mobile" }],
    });
    let provider = directory.post("/v1/organizations", provider).await;
    provider.expect(201);
    let mut everything: Value = serde_json::from_str(include_str!("everything.json")).unwrap();
    everything["provider_id"] = json!(provider.id());
    let made = directory.post("/v1/services", everything).await;
    made.expect(201);
    let capacity = json!({ "status": "open", "expected_wait_days": 3, "note": "n" });
    directory.put_any(&format!("/v1/services/{}/capacity", made.id()), capacity).await.expect(200);
    for (key, capacity) in [
        (
            "newcomers",
            json!({ "status": "waitlist", "available": 0, "unit": "bed", "populations": ["newcomer"], "funded": 4, "note": "n" }),
        ),
        ("evening-group", json!({ "status": "open", "expected_wait_days": 3, "as_of": "2026-02-20T10:00:00Z" })),
        ("beds", json!({ "status": "full", "maximum": 3 })),
    ] {
        directory.put_any(&format!("/v1/services/{}/capacities/{key}", made.id()), capacity).await.expect(200);
    }
    for (number, capacity) in [
        json!({ "status": "waitlist", "waitlist_length": 4, "expected_wait_days": 30, "unit": "bed" }),
        json!({ "status": "full", "available": 0, "maximum": 12, "unit": "place" }),
        json!({ "status": "unknown", "available": 3 }),
    ]
    .into_iter()
    .enumerate()
    {
        let mut plain = json!({ "name": format!("Plain {number}"), "cost": { "kind": "free" }, "provider_name": "Only a name" });
        if number == 1 {
            plain = json!({ "name": "Nobody's, online", "delivery_modes": ["phone"], "verification": { "verified_by": "a@example.ca" }, "status": "defunct" });
        }
        let made = directory.post("/v1/services", plain).await;
        made.expect(201);
        directory.put_any(&format!("/v1/services/{}/capacity", made.id()), capacity).await.expect(200);
    }
    // One that counts its rooms apart, and has no other.
    let apart = directory.post("/v1/services", json!({ "name": "Shelter" })).await;
    apart.expect(201);
    let rooms = format!("/v1/services/{}/capacities", apart.id());
    directory.put_any(&format!("{rooms}/families"), json!({ "status": "open", "available": 2, "unit": "room" })).await.expect(200);
    let shown = all(&directory, "/hsds/services?search=shelter&full=true").await.remove(0);
    let row = &shown["capacities"][0];
    assert_eq!((&row["available"], &row["unit"]["name"], &row["kith"]["key"]), (&json!(2), &json!("room"), &json!("families")));
    directory.post("/v1/services", json!({ "name": "Of the whole", "provider_id": parent.id() })).await.expect(201);
    let whole = all(&directory, "/hsds/organizations?search=whole").await.remove(0);
    let part = all(&directory, "/hsds/organizations?search=alder").await.remove(0);
    assert_eq!(part["parent_organization_id"], whole["id"]);
    goes_there_and_back(&directory, kind).await;
});

on_both!(what_a_partner_adds_and_what_its_taxonomies_say_is_not_lost, |db| async move {
    let kind = kind_of(&db);
    let app = TestApp::new(db).await;
    let directory = app.tenant("Alder Valley Information Line", OrganizationKind::Directory).await;
    let (taxonomy, parent, term) =
        ("3f7b145d-84af-42d7-8fae-eaca714b02b2", "0bc248fa-dc27-4650-9ba4-8f1a24ef16a2", "5c7a1c9e-8f0a-4d55-9b1e-6a0f8c2d3e4f");
    let (beds, rooms) = ("1b7c2f7e-5d0a-4f60-8c55-0f0f3f1d8b01", "1b7c2f7e-5d0a-4f60-8c55-0f0f3f1d8b02");
    let foreign = json!({
        "id": "ac148810-d857-441c-9679-408f346de14b", "name": "Counselling", "status": "active", "pets_welcome": true, "wait_time": "Two weeks",
        "organization": { "id": "d9d5e0f5-d3ce-4f73-9a2f-4dd0ecc6c610", "name": "Example", "description": "An example.", "year_incorporated": 2011 },
        "capacities": [
            { "id": "1b7c2f7e-5d0a-4f60-8c55-0f0f3f1d8a01", "unit": { "id": beds, "name": "Adult beds" }, "available": 4, "maximum": 10, "updated": "2026-02-27" },
            { "id": "1b7c2f7e-5d0a-4f60-8c55-0f0f3f1d8a02", "unit": { "id": rooms, "name": "Family rooms" }, "available": 0, "updated": "2026-02-27" },
            { "id": "1b7c2f7e-5d0a-4f60-8c55-0f0f3f1d8a03", "unit": { "id": rooms, "name": "Family rooms" }, "available": 1, "updated": "2026-02-27", "description": "Upstairs" } ],
        "attributes": [{ "id": "ae58cc39-8b70-4ab1-8aea-786882e5ac8e", "link_type": "topic", "taxonomy_term": {
            "id": term, "code": "BD-1800", "name": "Pantries", "description": "Food to take home.", "parent_id": parent, "language": "en",
            "taxonomy_detail": { "id": taxonomy, "name": "Partner's own", "description": "Ours.", "uri": "https://example.org/taxonomy", "version": "7" } } }],
    });
    let sent = serde_json::to_vec(&foreign).unwrap();
    send(&directory, "application/x-ndjson", sent).await;
    let service = directory.get("/hsds/services/ac148810-d857-441c-9679-408f346de14b").await.expect(200);
    let shown =
        &service["attributes"].as_array().unwrap().iter().find(|row| row["taxonomy_term"]["code"] == "BD-1800").unwrap()["taxonomy_term"];
    assert_eq!((&shown["id"], &shown["parent_id"], &shown["description"]), (&json!(term), &json!(parent), &json!("Food to take home.")));
    assert_eq!(shown["taxonomy_detail"], foreign["attributes"][0]["taxonomy_term"]["taxonomy_detail"]);
    assert_eq!((&service["wait_time"], &service["kith"]["source_fields"]["pets_welcome"]), (&json!("Two weeks"), &json!(true)));
    assert_eq!(service["organization"]["id"], "d9d5e0f5-d3ce-4f73-9a2f-4dd0ecc6c610");
    let rooms: Vec<(&Value, &Value)> =
        service["capacities"].as_array().unwrap().iter().map(|row| (&row["kith"]["key"], &row["available"])).collect();
    assert_eq!(rooms, [(&Value::Null, &json!(4)), (&json!("family-rooms"), &json!(0)), (&json!("family-rooms-2"), &json!(1))]);
    assert_eq!(all(&directory, &format!("/hsds/taxonomy_terms?parent_id={parent}")).await[0]["id"], term);
    assert_eq!(all(&directory, &format!("/hsds/taxonomy_terms?taxonomy_id={taxonomy}&top_only=true")).await.len(), 0);
    goes_there_and_back(&directory, kind).await;

    // A partner adds to what it got from us, and says it otherwise; both come back.
    let mut edited = service.clone();
    edited["colour"] = json!("green");
    edited["description"] = json!("Talk to somebody.");
    edited["organization"]["logo"] = json!("https://example.org/logo.png");
    edited["schedules"] = json!([{ "id": term, "freq": "WEEKLY", "byday": "MO", "opens_at": "09:00", "closes_at": "10:00", "kith": { "time_zone": "America/Vancouver" } }]);
    let (_app, partner) = elsewhere(kind).await;
    send(&partner, "application/x-ndjson", serde_json::to_vec(&edited).unwrap()).await;
    let there = partner.get("/hsds/services/ac148810-d857-441c-9679-408f346de14b").await.expect(200);
    let kept = &there["kith"]["source_fields"];
    assert_eq!(
        (&kept["colour"], &there["organization"]["logo"], &there["description"]),
        (&json!("green"), &edited["organization"]["logo"], &edited["description"])
    );
    assert_eq!(there["schedules"][0]["byday"], "MO");
});

on_both!(what_is_said_of_a_taxonomy_that_kith_does_not_read_stands_in_one_place_there_and_back, |db| async move {
    let kind = kind_of(&db);
    let app = TestApp::new(db).await;
    let directory = app.tenant("Alder Valley Information Line", OrganizationKind::Directory).await;
    let foreign = json!({
        "id": "ac148810-d857-441c-9679-408f346de14b", "name": "Counselling", "status": "active",
        "attributes": [{ "id": "ae58cc39-8b70-4ab1-8aea-786882e5ac8e", "link_type": "service eligibility", "taxonomy_term": {
            "id": "term_2", "code": "EL-1", "name": "Elders", "colour": "red",
            "taxonomy_detail": { "id": "tax_2", "name": "Partner's own", "licence": "open" } } }],
    });
    send(&directory, "application/x-ndjson", foreign.to_string()).await;
    let service = directory.get("/hsds/services/ac148810-d857-441c-9679-408f346de14b").await.expect(200);
    let carried = service["attributes"].as_array().unwrap().iter().find(|row| row["taxonomy_term"]["code"] == "EL-1").unwrap();
    let path = format!("/hsds/taxonomy_terms/{}", carried["taxonomy_term"]["id"].as_str().unwrap());
    let listed = directory.get(&path).await.expect(200);
    for term in [&carried["taxonomy_term"], &listed] {
        assert_eq!(term["kith"], json!({ "source_fields": { "colour": "red", "id": "term_2" } }), "{term}");
        assert_eq!(term["taxonomy_detail"]["kith"], json!({ "source_fields": { "id": "tax_2", "licence": "open" } }), "{term}");
    }
    goes_there_and_back(&directory, kind).await;
});

on_both!(one_telephone_of_several_goes_there_and_back_as_one_of_each, |db| async move {
    let kind = kind_of(&db);
    let app = TestApp::new(db).await;
    let directory = app.tenant("Alder Valley Information Line", OrganizationKind::Directory).await;
    let id = |number: u32| format!("1b7c2f7e-5d0a-4f60-8c55-{number:012}");
    let phone = json!({ "id": id(1), "number": "250-555-0142", "type": "voice",
        "languages": [{ "id": id(2), "code": "en" }, { "id": id(3), "code": "fr" }] });
    let other = json!({ "id": id(1), "number": "250-555-0143" });
    let service = json!({
        "id": id(4), "name": "Pantry", "status": "active", "phones": [phone],
        "organization": { "id": id(5), "name": "Alder Society", "description": "Helps.", "phones": [phone] },
        "contacts": [{ "id": id(6), "name": "Dana", "phones": [other] }],
        "service_at_locations": [{ "id": id(7), "phones": [phone],
            "location": { "id": id(8), "location_type": "physical", "name": "Hall", "phones": [phone] } }],
    });
    send(&directory, "application/x-ndjson", service.to_string()).await;
    let package = tables(&directory.get("/hsds/package").await);
    assert_eq!((package["phones.csv"].len(), package["languages.csv"].len()), (5, 8));
    goes_there_and_back(&directory, kind).await;
});

on_both!(what_two_sources_say_of_one_directory_goes_elsewhere, |db| async move {
    let kind = kind_of(&db);
    let app = TestApp::new(db).await;
    let (directory, _) = demo(&app).await;
    let export = "/hsds/services?full=true&format=ndjson";
    let first = directory.get(export).await;
    let count = lines(&first).len();
    // Its own export comes back to it from another source: each service has two sources from then on.
    let report = send(&directory, "application/x-ndjson", first.bytes).await;
    assert_eq!((&report["updated"], &report["notices"]["second_source"]), (&json!(count), &json!(count)));
    let answer = directory.get(export).await;
    let sent = lines(&answer);
    assert_eq!(sent.len(), 2 * count, "those that were merged are listed as inactive");
    let (_app, partner) = elsewhere(kind).await;
    let report = send(&partner, "application/x-ndjson", answer.bytes).await;
    assert_eq!(report["created"], json!(sent.len()));
    let statuses = |services: &[Value]| {
        let mut statuses = BTreeMap::<String, usize>::new();
        services.iter().for_each(|service| *statuses.entry(service["status"].to_string()).or_default() += 1);
        statuses
    };
    assert_eq!(statuses(&all(&partner, "/hsds/services?full=true").await), statuses(&sent));
});

on_both!(what_was_deleted_here_is_inactive_where_it_was_copied, |db| async move {
    let kind = kind_of(&db);
    let app = TestApp::new(db).await;
    let (directory, _) = demo(&app).await;
    let export = "/hsds/services?full=true&format=ndjson";
    let first = directory.get(export).await;
    let (_app, partner) = elsewhere(kind).await;
    send(&partner, "application/x-ndjson", first.bytes.clone()).await;
    let service = directory.get("/v1/services?q=Alder+Falls+Food+Bank&limit=1").await.expect(200)["items"][0].clone();
    let path = format!("/v1/services/{}", service["id"].as_str().unwrap());
    let known = lines(&first).into_iter().find(|shown| shown["name"] == service["name"]).unwrap();
    app.clock.advance(chrono::Duration::seconds(60));
    directory.delete(&path, service["version"].as_i64().unwrap()).await.expect(204);

    let second = directory.get(export).await;
    let report = send(&partner, "application/x-ndjson", second.bytes.clone()).await;
    assert_eq!((&report["updated"], &report["created"]), (&json!(1), &json!(0)), "{report}");
    let there = partner.get(&format!("/hsds/services/{}", known["id"].as_str().unwrap())).await.expect(200);
    assert_eq!((&there["name"], &there["status"], there.get("phones")), (&known["name"], &json!("inactive"), None));
    // Who copies it only now learns the same.
    let (_app, newcomer) = elsewhere(kind).await;
    let package = directory.get("/hsds/package").await;
    send(&newcomer, "application/zip", package.bytes.clone()).await;
    assert_same(&lines(&second), &all(&newcomer, "/hsds/services?full=true").await);
    assert_eq!(tables(&package), tables(&newcomer.get("/hsds/package").await));
});

/// A package of an older version: CSV files by their names.
pub fn zipped(files: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

const OLDER: &[(&str, &str)] = &[
    ("datapackage.json", "{\"name\": \"human_services_data\"}"),
    ("data/organizations.csv", "id,name,description,url\no1,Alder Society,Helps.,https://example.ca\no2,Elm Society,,\n"),
    (
        "data/services.csv",
        "id,organization_id,program_id,name,description,status,fees,pets\ns1,o1,,Pantry,\"Food, \"\"free\"\"\nand fresh\",active,Free,yes\ns2,o2,,Ride,,active,,\n",
    ),
    ("data/services_at_location.csv", "id,service_id,location_id,description\nx1,s1,l1,\n"),
    ("data/locations.csv", "id,organization_id,name,latitude,longitude\nl1,o1,Hall,49.62,-120.05\nl2,o2,Garage,,\n"),
    (
        "data/physical_addresses.csv",
        "id,location_id,address_1,city,state_province,postal_code,country\na1,l1,120 Mill Street,Alder Falls,BC,V0X 1A0,CA\na3,l2,9 Elm Street,Alder Falls,BC,V0X 1B0,CA\n",
    ),
    (
        "data/postal_addresses.csv",
        "id,location_id,address_1,city,state_province,postal_code,country\na2,l1,PO Box 7,Alder Falls,BC,V0X 1A1,CA\n",
    ),
    ("data/phones.csv", "id,location_id,service_id,organization_id,number,extension,type\np1,,s1,,250-555-0142,204,voice\n"),
    ("data/regular_schedules.csv", "id,service_id,weekday,opens_at,closes_at\nr1,s1,Tuesday,09:00,12:00\nr2,s1,Thursday,09:00,12:00\n"),
    ("data/holiday_schedules.csv", "id,service_id,closed,start_date,end_date\nh1,s1,True,2026-12-25,2026-12-26\n"),
    ("data/eligibility.csv", "id,service_id,eligibility\ne1,s1,Adults who live in the valley\n"),
    ("data/services_taxonomy.csv", "id,service_id,taxonomy_id,taxonomy_detail\nt1,s1,tx1,\nt2,s1,1102,\n"),
    ("data/taxonomy.csv", "id,name,parent_id,parent_name,vocabulary\ntx1,Food Pantry,tx0,Food,Open Eligibility\n"),
    ("data/accessibility_for_disabilities.csv", "id,location_id,accessibility,details\nq1,l1,Wheelchair ramp,\n"),
    ("data/payments_accepted.csv", "id,service_id,payment\ny1,s1,cash\n"),
    ("data/languages.csv", "id,service_id,location_id,language\ng1,s1,,Punjabi\n"),
    (
        "data/contacts.csv",
        "id,organization_id,service_id,service_at_location_id,name,title,department,email\nc1,,s1,,Intake,Coordinator,,intake@example.ca\n",
    ),
    ("data/required_documents.csv", "id,service_id,document\nd1,s1,Proof of address\n"),
    ("data/service_areas.csv", "id,service_id,service_area,description\nw1,s1,,Alder Valley\n"),
    ("data/parking.csv", "id,location_id,spaces\nk1,l1,12\n"),
    (
        "data/metadata.csv",
        "id,resource_id,resource_type,last_action_date,last_action_type,field_name,previous_value,replacement_value,updated_by\nm1,s1,service,2020-01-01,update,name,a,b,c\n",
    ),
];

on_both!(a_package_of_an_older_version_is_understood, |db| async move {
    let app = TestApp::new(db).await;
    let directory = app.tenant("Alder Valley Information Line", OrganizationKind::Directory).await;
    let path = "/v1/imports/services?source=older&time_zone=America/Vancouver";
    let request = directory.request(Method::POST, path).insert_header(("content-type", "application/zip"));
    let report = app.send(request.set_payload(zipped(OLDER))).await.expect(200);
    assert_eq!((&report["created"], &report["refused"], &report["organizations_created"]), (&json!(2), &json!(0), &json!(2)), "{report}");
    let service = directory.get("/v1/services?q=pantry").await.expect(200)["items"][0].clone();
    assert_eq!((&service["name"], &service["description"]), (&json!("Pantry"), &json!("Food, \"free\"\nand fresh")));
    assert_eq!((&service["phones"][0]["extension"], &service["phones"][0]["number"]), (&json!("204"), &json!("+12505550142")));
    assert_eq!(service["schedules"][0]["rrule"], "FREQ=WEEKLY;BYDAY=TU,TH");
    let holiday = &service["schedules"][1];
    assert_eq!((&holiday["kind"], &holiday["valid"]), (&json!("closed"), &json!({ "from": "2026-12-25", "until": "2026-12-26" })));
    assert_eq!((&holiday["opens_at"], &holiday["time_zone"]), (&Value::Null, &json!("America/Vancouver")));
    assert_eq!(service["eligibility"]["text"], "Adults who live in the valley");
    assert_eq!(service["eligibility"]["documents_required"], json!(["Proof of address"]));
    let place = &service["places"][0];
    assert_eq!((&place["address"]["line1"], &place["accessibility"]), (&json!("120 Mill Street"), &json!(["wheelchair"])));
    assert_eq!((&service["languages"][0]["language"], &service["cost"]["kind"]), (&json!("pa"), &json!("free")));
    let terms: Vec<&Value> = service["taxonomy_terms"].as_array().unwrap().iter().map(|term| &term["label"]).collect();
    assert!(terms.contains(&&json!("Food Pantry")), "{terms:?}");
    assert!(service["taxonomy_terms"].as_array().unwrap().iter().any(|term| term["code"] == "1102"));
    let kept = &service["source_fields"];
    assert_eq!((&kept["pets"], &kept["payments_accepted"][0]["payment"]), (&json!("yes"), &json!("cash")));
    assert_eq!(kept["holiday_schedules"], json!([{ "of": null, "id": "h1" }]), "what was read of it stands once");
    assert!(kept.to_string().contains("\"spaces\":\"12\"") && kept.to_string().contains("PO Box 7"), "{kept}");
    assert_eq!(service["contacts"][0]["email"], "intake@example.ca");
    let ride = directory.get("/v1/services?q=ride").await.expect(200)["items"][0].clone();
    assert_eq!(ride["places"][0]["address"]["line1"], "9 Elm Street", "the only location of an organization with one service");

    let request = directory.request(Method::POST, path).insert_header(("content-type", "application/zip"));
    let again = app.send(request.set_payload(zipped(OLDER))).await.expect(200);
    assert_eq!(again["unchanged"], 2);
    for (body, status) in [(b"PK\x03\x04 broken".to_vec(), 400), (b"name\nx".to_vec(), 400), (zipped(&[("readme.txt", "x")]), 400)] {
        let request = directory.request(Method::POST, path).insert_header(("content-type", "application/zip"));
        assert_eq!(app.send(request.set_payload(body)).await.status, status);
    }
});

on_both!(a_package_that_swells_is_refused, |db| async move {
    let app = TestApp::with(db, &["--import-limit", "65536"]).await;
    let directory = app.tenant("Alder Valley Information Line", OrganizationKind::Directory).await;
    let swollen = format!("id,name\n1,{}\n", "a".repeat(4 * 65_536));
    let body = zipped(&[("services.csv", &swollen)]);
    assert!(body.len() < 4_096);
    let request = directory.request(Method::POST, "/v1/imports/services?source=x").insert_header(("content-type", "application/zip"));
    app.send(request.set_payload(body)).await.expect_problem(413, "body_too_large");
});

#[test]
fn a_package_that_cannot_be_written_is_a_problem_and_of_one_that_can_nothing_stays() {
    for place in places() {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::of(serve(&place.url(), &["--public-directory"]).env("TMPDIR", folder.path())).unwrap();
        let answer = server.get("/hsds/package");
        assert!(answer.status == 200 && answer.bytes.starts_with(b"PK"), "{:?}", answer.headers);
        assert!(answer.header("content-length").is_some(), "{:?}", answer.headers);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        folder.close().unwrap();
        let answer = server.get("/hsds/package");
        assert_eq!((answer.status, answer.header("content-type")), (500, Some("application/problem+json")), "{}", answer.text());
    }
}

/// The services of a folder that is a package.
fn of_folder(folder: &std::path::Path) -> Vec<Parsed> {
    let mut package = Package::of_folder(folder).unwrap();
    let mut importer = Importer::new(Mapping::hsds("official"));
    let mut parsed = Vec::new();
    loop {
        let records = package.next_records(10);
        if records.is_empty() {
            return parsed;
        }
        for raw in records {
            importer.take(raw, &mut |outcome| match outcome {
                Outcome::Parsed(one) => parsed.push(*one),
                Outcome::Refused(refused) => panic!("{refused:?}"),
                Outcome::Listed(..) | Outcome::Kept(_) | Outcome::Noted(_) => {}
            });
        }
    }
}

on_both!(the_standards_own_examples_go_there_and_back, |db| async move {
    let Some(examples) = shared("reference/hsds/examples") else { return };
    let kind = kind_of(&db);
    let app = TestApp::new(db).await;
    let directory = app.tenant("Alder Valley Information Line", OrganizationKind::Directory).await;
    let service: Value = serde_json::from_slice(&std::fs::read(examples.join("service_full.json")).unwrap()).unwrap();
    send(&directory, "application/x-ndjson", service.to_string()).await;
    goes_there_and_back(&directory, kind).await;
});

#[test]
fn the_standards_own_example_package_is_understood() {
    let Some(folder) = shared("reference/hsds/examples/csv") else { return };
    let services = of_folder(&folder);
    assert_eq!(services.len(), 1);
    let service = &services[0].service;
    assert_eq!(services[0].key, "ac148810-d857-441c-9679-408f346de14b");
    assert_eq!(services[0].provider.as_ref().unwrap().key, "d9d5e0f5-d3ce-4f73-9a2f-4dd0ecc6c610");
    assert!(!service.places.is_empty() && !service.phones.is_empty() && !service.eligibility.documents_required.is_empty());
}
