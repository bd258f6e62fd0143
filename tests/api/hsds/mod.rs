//! The directory in the standard of its field: what it answers, to whom, and that it holds to the standard's own schemas.

mod foreign;
mod limits;
mod order;
mod round_trip;
mod standard;

use std::collections::HashSet;
use std::sync::LazyLock;

use actix_web::http::Method;
use kith::auth::Scope;
use kith::changes::Actor;
use kith::hsds::handlers::MOST_PACKAGES;
use kith::import::importer::Importer;
use kith::import::load::{Batch, Load};
use kith::import::mapping::Mapping;
use kith::import::read::{Form, read};
use kith::kind::OrganizationId;
use kith::organizations::model::OrganizationKind;
use serde_json::{Value, json};

use crate::bulk;
use crate::client::{Answer, Caller, TestApp};

/// The directory of the demo.
pub const DEMO: &str = include_str!("../../../demo/directory.json");
static DEMO_SERVICES: LazyLock<Vec<Value>> = LazyLock::new(|| serde_json::from_str(DEMO).unwrap());

/// Imports a file for an organization, as `kith import services` does.
pub async fn import(app: &TestApp, owner: OrganizationId, mapping: Mapping, bytes: &[u8], form: Form) {
    let source = mapping.source.clone();
    let mut importer = Importer::new(mapping);
    if importer.wants_survey() {
        read(bytes, form, |raw| importer.survey(raw)).unwrap();
    }
    let mut load = app.state.db.read(move |conn| Load::open(conn, owner, &source)).await.unwrap();
    let mut batches: Vec<Batch> = Vec::new();
    let mut give = |outcome| batches.extend(load.take(outcome, &mut |_| ()));
    read(bytes, form, |raw| importer.take(raw, &mut give)).unwrap();
    importer.finish(&mut give);
    batches.extend(load.rest());
    let actor = Actor::operator(app.clock.now());
    for batch in batches {
        let actor = actor.clone();
        app.state.db.write(move |conn| batch.write(conn, &actor)).await.unwrap();
    }
}

/// A directory with the services of the demo, and a clinic that reads it.
pub async fn demo(app: &TestApp) -> (Caller, Caller) {
    let directory = app.tenant("Alder Valley Information Line", OrganizationKind::Directory).await;
    import(app, directory.organization_id, Mapping::hsds("alder-falls-demo"), DEMO.as_bytes(), Form::Json).await;
    (directory, app.clinic().await)
}

fn ids(page: &Value) -> Vec<String> {
    page["contents"].as_array().unwrap().iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
}

/// The objects of newline-delimited JSON.
pub fn lines(answer: &Answer) -> Vec<Value> {
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/x-ndjson")));
    answer.bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(|line| serde_json::from_slice(line).unwrap()).collect()
}

async fn all(caller: &Caller, path: &str) -> Vec<Value> {
    let sign = if path.contains('?') { '&' } else { '?' };
    lines(&caller.get(&format!("{path}{sign}format=ndjson")).await)
}

on_both!(a_service_keeps_the_id_of_its_source_and_is_read_by_either, |db| async move {
    let app = TestApp::new(db).await;
    let (_, clinic) = demo(&app).await;
    let wanted = &DEMO_SERVICES[0];
    let id = wanted["id"].as_str().unwrap();
    let service = clinic.get(&format!("/hsds/services/{id}")).await.expect(200);
    assert_eq!((&service["id"], &service["name"], &service["status"]), (&wanted["id"], &wanted["name"], &json!("active")));
    assert_eq!(service["organization"]["id"], wanted["organization"]["id"]);
    assert_eq!(service["phones"][0]["number"], wanted["phones"][0]["number"]);
    assert_eq!(service["phones"][1]["type"], "text");
    assert_eq!((&service["schedules"][0]["byday"], &service["schedules"][0]["timezone"]), (&json!("TU,TH"), &json!(-8)));
    assert_eq!(service["schedules"][0]["kith"]["time_zone"], "America/Vancouver");
    assert_eq!(service["service_at_locations"][0]["location"]["addresses"][0]["postal_code"], "V0X 3A0");
    assert_eq!(service["kith"]["translations"][0]["language"], "fr");
    assert!(service["attributes"].as_array().unwrap().iter().any(|row| row["taxonomy_term"]["code"] == "food-insecurity"));
    assert_eq!(service["assured_date"], "2026-10-20");

    let own = clinic.get("/v1/services?q=Alder+Falls+Food+Bank&limit=1").await.expect(200)["items"][0]["id"].clone();
    let by_own = clinic.get(&format!("/hsds/services/{}", own.as_str().unwrap())).await.expect(200);
    assert_eq!(by_own, service);
    let site = service["service_at_locations"][0]["id"].as_str().unwrap();
    let site = clinic.get(&format!("/hsds/service_at_locations/{site}")).await.expect(200);
    assert_eq!((&site["service"]["id"], &site["location"]["name"]), (&wanted["id"], &json!("Mill Street Hall")));
    let organization = wanted["organization"]["id"].as_str().unwrap();
    let organization = clinic.get(&format!("/hsds/organizations/{organization}")).await.expect(200);
    assert!(organization["services"].as_array().unwrap().iter().any(|service| service["id"] == wanted["id"]));
    clinic.get("/hsds/services/01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10").await.expect_problem(404, "not_found");
    clinic.get("/hsds/services/none").await.expect(400);
});

on_both!(two_directories_of_one_source_are_known_apart, |db| async move {
    let app = TestApp::new(db).await;
    let (_, clinic) = demo(&app).await;
    let other = app.tenant("Another information line", OrganizationKind::Directory).await;
    app.clock.advance(chrono::Duration::days(1));
    let clinic = app.client(clinic.organization_id, clinic.scopes).await;
    let one = &serde_json::to_vec(&DEMO_SERVICES[..1]).unwrap();
    import(&app, other.organization_id, Mapping::hsds("alder-falls-demo"), one, Form::Json).await;
    let services = all(&clinic, "/hsds/services?search=food+bank").await;
    let id = DEMO_SERVICES[0]["id"].as_str().unwrap();
    assert_eq!(services.iter().filter(|service| service["id"] == id).count(), 1, "the first has it");
    let namesakes: Vec<&Value> = services.iter().filter(|service| service["name"] == DEMO_SERVICES[0]["name"]).collect();
    assert_eq!(namesakes.len(), 2);
    for service in namesakes {
        clinic.get(&format!("/hsds/services/{}", service["id"].as_str().unwrap())).await.expect(200);
    }
});

on_both!(pages_hold_everything_once_and_say_where_they_are, |db| async move {
    let app = TestApp::new(db).await;
    let (_, clinic) = demo(&app).await;
    for list in ["services", "service_at_locations", "organizations", "taxonomies", "taxonomy_terms"] {
        let everything = all(&clinic, &format!("/hsds/{list}")).await;
        let everything: Vec<String> = everything.iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect();
        assert!(everything.len() > 1, "{list}");
        let mut seen = Vec::new();
        for number in 1.. {
            let page = clinic.get(&format!("/hsds/{list}?per_page=7&page={number}")).await.expect(200);
            let pages = everything.len().div_ceil(7);
            assert_eq!((&page["total_items"], &page["total_pages"]), (&json!(everything.len()), &json!(pages)), "{list}");
            assert_eq!((&page["page_number"], &page["size"]), (&json!(number), &json!(ids(&page).len())), "{list}");
            assert_eq!((&page["first_page"], &page["last_page"]), (&json!(number == 1), &json!(number >= pages)), "{list}");
            assert_eq!(page["empty"], json!(number > pages), "{list}");
            seen.extend(ids(&page));
            if number > pages {
                break;
            }
        }
        assert_eq!(seen, everything, "{list}");
    }
    let services = all(&clinic, "/hsds/services").await;
    assert_eq!(services.len(), DEMO_SERVICES.len());
    assert!(services.iter().all(|service| service.get("kith").is_none() && service.get("phones").is_none()), "lists are flat");
    for (query, pointer) in [
        ("page=0", "page"),
        ("page=2147483648", "page"),
        ("per_page=1001", "per_page"),
        ("full=maybe", "full"),
        ("size=5", "size"),
        ("format=xml", "format"),
    ] {
        let faults = clinic.get(&format!("/hsds/services?{query}")).await.faults(400);
        assert_eq!(faults[0].0, pointer, "{query}");
    }
});

on_both!(every_filter_keeps_what_it_says_before_pages_are_counted, |db| async move {
    let app = TestApp::new(db).await;
    let (_, clinic) = demo(&app).await;
    let found = clinic.get("/hsds/services?search=food+bank&per_page=2").await.expect(200);
    assert_eq!(found["contents"][0]["name"], "Alder Falls Food Bank", "the best comes first");
    assert!(found["total_items"].as_u64().unwrap() < DEMO_SERVICES.len() as u64);

    let taxonomy = all(&clinic, "/hsds/taxonomies?search=need").await.remove(0);
    let taxonomy_id = taxonomy["id"].as_str().unwrap();
    let terms = all(&clinic, &format!("/hsds/taxonomy_terms?taxonomy_id={taxonomy_id}")).await;
    let term = terms.iter().find(|term| term["code"] == "food-insecurity").unwrap();
    assert!(terms.iter().all(|term| term["taxonomy_detail"]["id"] == taxonomy_id));
    let term_id = term["id"].as_str().unwrap();
    assert_eq!(clinic.get(&format!("/hsds/taxonomy_terms/{term_id}")).await.expect(200), *term);
    assert_eq!(clinic.get(&format!("/hsds/taxonomies/{taxonomy_id}")).await.expect(200), taxonomy);
    assert_eq!(all(&clinic, &format!("/hsds/taxonomy_terms?parent_id={term_id}")).await.len(), 0);
    assert_eq!(all(&clinic, &format!("/hsds/taxonomy_terms?taxonomy_id={taxonomy_id}&top_only=true")).await, terms);

    let with_term = all(&clinic, &format!("/hsds/services?taxonomy_term_id={term_id}&full=true")).await;
    let carries = |service: &Value| service["attributes"].as_array().into_iter().flatten().any(|row| row["taxonomy_term"]["id"] == term_id);
    assert!(!with_term.is_empty() && with_term.iter().all(carries));
    let everything = all(&clinic, "/hsds/services?full=true").await;
    assert_eq!(everything.iter().filter(|service| carries(service)).count(), with_term.len());
    let of_taxonomy = all(&clinic, &format!("/hsds/services?taxonomy_id={taxonomy_id}")).await.len();
    assert!(of_taxonomy >= with_term.len() && of_taxonomy < everything.len());
    let organizations = all(&clinic, &format!("/hsds/organizations?taxonomy_term_id={term_id}&full=true")).await;
    assert!(!organizations.is_empty());
    for organization in &organizations {
        let id = organization["id"].as_str().unwrap();
        let given = all(&clinic, &format!("/hsds/services?organization_id={id}")).await;
        assert!(!given.is_empty() && given.iter().all(|service| service["organization"]["id"] == id));
        let both = all(&clinic, &format!("/hsds/services?organization_id={id}&taxonomy_term_id={term_id}")).await;
        assert!(!both.is_empty());
        assert_eq!(organization["services"].as_array().unwrap().len(), given.len());
    }
    let nobody = "/hsds/services?organization_id=01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10";
    assert_eq!(clinic.get(nobody).await.expect(200)["total_items"], 0);
    let full = all(&clinic, "/hsds/organizations?full_service=true").await;
    assert!(full.iter().all(|organization| organization["services"][0]["kith"]["profile"] == "1.0"));
    let named = all(&clinic, "/hsds/organizations?search=food+bank+society").await;
    assert_eq!(named.len(), 1);
});

on_both!(a_sweep_tells_of_changes_and_of_services_that_have_ended, |db| async move {
    let app = TestApp::new(db).await;
    let (directory, clinic) = demo(&app).await;
    let sweep = clinic.get("/hsds/services?minimal=true").await.expect(200);
    assert_eq!((sweep["size"].as_u64(), sweep["total_pages"].as_u64()), (Some(DEMO_SERVICES.len() as u64), Some(1)));
    let entry = &sweep["contents"][0];
    assert_eq!(entry.as_object().unwrap().len(), 3);
    assert_eq!(entry["modified_date"], entry["last_modified"]);
    let since = entry["last_modified"].as_str().unwrap();
    let none = clinic.get("/hsds/services?modified_after=2030-01-01T00:00:00Z").await.expect(200);
    assert_eq!(
        (&none["total_items"], &none["empty"], &none["first_page"], &none["last_page"]),
        (&json!(0), &json!(true), &json!(true), &json!(true))
    );
    assert_eq!(clinic.get(&format!("/hsds/services?modified_after={since}")).await.expect(200)["total_items"], sweep["total_items"]);

    app.clock.advance(chrono::Duration::hours(3));
    let (directory, clinic) =
        (app.client(directory.organization_id, directory.scopes).await, app.client(clinic.organization_id, clinic.scopes).await);
    let now = app.clock.now();
    let own = clinic.get("/v1/services?q=Alder+Falls+Food+Bank&limit=1").await.expect(200)["items"][0]["id"].as_str().unwrap().to_owned();
    let other = clinic.get("/v1/services?q=Night+shelter&limit=1").await.expect(200)["items"][0].clone();
    directory
        .put_any(&format!("/v1/services/{own}/capacity"), json!({ "status": "waitlist", "waitlist_length": 7, "expected_wait_days": 30 }))
        .await
        .expect(200);
    let version = other["version"].as_i64().unwrap();
    let other_id = other["id"].as_str().unwrap();
    directory.patch(&format!("/v1/services/{other_id}"), version, json!({ "status": "defunct" })).await.expect(200);
    let changed = all(&clinic, &format!("/hsds/services?modified_after={now}&full=true")).await;
    assert_eq!(changed.len(), 2);
    let bank = changed.iter().find(|service| service["name"] == "Alder Falls Food Bank").unwrap();
    assert_eq!(bank["last_modified"], json!(now));
    let room = &bank["capacities"][0];
    assert_eq!(
        (&room["available"], &room["kith"]["waitlist_length"], &room["kith"]["expected_wait_days"]),
        (&json!(0), &json!(7), &json!(30))
    );
    assert!(changed.iter().any(|service| service["status"] == "defunct"), "who has ended stays visible");
    assert_eq!(all(&clinic, "/hsds/services").await.len(), DEMO_SERVICES.len());
    assert_eq!(all(&clinic, &format!("/hsds/service_at_locations?modified_after={now}")).await.len(), 2);

    let version = clinic.get(&format!("/v1/services/{own}")).await.expect(200)["version"].as_i64().unwrap();
    app.clock.advance(chrono::Duration::hours(1));
    let clinic = app.client(clinic.organization_id, clinic.scopes).await;
    let directory = app.client(directory.organization_id, directory.scopes).await;
    let deleted_at = app.clock.now();
    directory.delete(&format!("/v1/services/{own}"), version).await.expect(204);
    let swept = all(&clinic, &format!("/hsds/services?modified_after={deleted_at}&minimal=true")).await;
    assert_eq!((swept.len(), &swept[0]["id"], &swept[0]["last_modified"]), (1, &bank["id"], &json!(deleted_at)));
    let services = all(&clinic, "/hsds/services?full=true").await;
    assert_eq!(services.len(), DEMO_SERVICES.len());
    let gone = services.iter().find(|service| service["id"] == bank["id"]).unwrap();
    assert_eq!((&gone["name"], &gone["status"]), (&bank["name"], &json!("inactive")));
    assert_eq!(gone["organization"]["id"], bank["organization"]["id"]);
    assert_eq!(
        (gone.get("phones"), gone.get("description"), gone.get("service_at_locations")),
        (None, None, None),
        "no more is said of it"
    );
    assert_eq!(clinic.get(&format!("/hsds/services/{own}")).await.expect(200), *gone);
    assert!(all(&clinic, &format!("/hsds/service_at_locations?modified_after={deleted_at}")).await.is_empty());
    assert!(!all(&clinic, "/hsds/services?search=alder+falls+food+bank").await.iter().any(|found| found["id"] == bank["id"]));
});

on_both!(locations_are_found_around_a_postal_code, |db| async move {
    let app = TestApp::new(db).await;
    let (_, clinic) = demo(&app).await;
    let everywhere = all(&clinic, "/hsds/service_at_locations?full=true").await;
    let near = all(&clinic, "/hsds/service_at_locations?postcode=v0x+3a0&proximity=500&full=true").await;
    assert!(!near.is_empty() && near.len() < everywhere.len());
    assert!(near.iter().all(|site| site["location"]["latitude"].is_number()));
    let farther = all(&clinic, "/hsds/service_at_locations?postcode=V0X3A0&proximity=100000").await;
    assert!(farther.len() > near.len());
    // Nobody knows this code; its neighbours are known.
    assert!(!all(&clinic, "/hsds/service_at_locations?postcode=V0X+9Z9&proximity=100000").await.is_empty());
    let faults = clinic.get("/hsds/service_at_locations?postcode=K7L+1A1&proximity=100").await.faults(400);
    assert_eq!(faults, [("postcode".to_owned(), "unknown_postcode".to_owned())]);
    for more in ["", "&proximity=100"] {
        let faults = clinic.get(&format!("/hsds/service_at_locations?postcode=zzz{more}")).await.faults(400);
        assert_eq!(faults, [("postcode".to_owned(), "format".to_owned())], "it cannot be one");
    }
    let faults = clinic.get("/hsds/service_at_locations?proximity=100").await.faults(400);
    assert_eq!(faults, [("proximity".to_owned(), "needs_postcode".to_owned())]);
    let elsewhere = all(&clinic, "/hsds/service_at_locations?postcode=K7L+1A1").await;
    assert!(elsewhere.len() < everywhere.len(), "who serves the valley only does not serve Kingston");
});

on_both!(the_parameters_of_the_standard_are_taken_as_libraries_write_them, |db| async move {
    let app = TestApp::new(db).await;
    let (_, clinic) = demo(&app).await;
    let get = async |path: &str| clinic.get(path).await.expect(200);
    let (full, flat) = (get("/hsds/services?full=true").await, get("/hsds/services").await);
    assert_ne!(full, flat);
    for (word, same) in [("True", &full), ("TRUE", &full), ("1", &full), ("False", &flat), ("0", &flat)] {
        assert_eq!(get(&format!("/hsds/services?full={word}")).await, *same, "{word}");
    }
    for (date, moment) in [("2026-03-02", "2026-03-02T00:00:00Z"), ("2030-01-01", "2030-01-01T00:00:00Z")] {
        let [by_date, by_moment] = [date, moment].map(|since| format!("/hsds/services?modified_after={since}"));
        assert_eq!(get(&by_date).await, get(&by_moment).await);
    }
    assert_eq!(clinic.get("/hsds/services?modified_after=2026-02-30").await.faults(400)[0].0, "modified_after");
    assert_eq!(clinic.get("/v1/changes?since=2026-03-02").await.faults(400)[0].0, "since", "elsewhere a moment is one");
});

on_both!(lists_are_asked_by_post_with_json_or_a_form, |db| async move {
    let app = TestApp::new(db).await;
    let (_, clinic) = demo(&app).await;
    for (path, query, body) in [
        ("services", "search=food&per_page=3&minimal=true", json!({ "search": "food", "per_page": 3, "minimal": true, "page": null })),
        ("service_at_locations", "postcode=V0X+3A0&proximity=900", json!({ "postcode": "V0X 3A0", "proximity": "900" })),
        ("organizations", "search=society&full=true", json!({ "search": "society", "full": true })),
        ("taxonomies", "page=1", json!({ "page": 1 })),
        ("taxonomy_terms", "top_only=true&search=food", json!({ "top_only": true, "search": "food" })),
    ] {
        let path = format!("/hsds/{path}");
        let got = clinic.get(&format!("{path}?{query}")).await.expect(200);
        assert_ne!(got["total_items"], 0, "{path}");
        assert_eq!(clinic.post(&path, body).await.expect(200), got, "{path}");
        let form = clinic.request(Method::POST, &path).insert_header(("content-type", "application/x-www-form-urlencoded"));
        assert_eq!(app.send(form.set_payload(query)).await.expect(200), got, "{path}");
    }
    let faults = clinic.post("/hsds/services", json!({ "per_page": 0, "colour": "red", "search": ["a"] })).await.faults(422);
    let pointers: HashSet<&str> = faults.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(pointers, HashSet::from(["/search", "/colour", "/per_page"]));
    for (path, wrong) in [
        ("services", json!({ "search": false })),
        ("services", json!({ "page": "2" })),
        ("services", json!({ "full": "True" })),
        ("service_at_locations", json!({ "proximity": 900 })),
    ] {
        let faults = clinic.post(&format!("/hsds/{path}"), wrong).await.faults(422);
        assert_eq!(faults[0].1, "type", "a value of another type is no text that looks like it");
    }
    let form = clinic.request(Method::POST, "/hsds/services").insert_header(("content-type", "application/x-www-form-urlencoded"));
    let faults = app.send(form.set_payload("per_page=0&colour=red")).await.faults(422);
    assert_eq!(faults.iter().map(|(pointer, _)| pointer.as_str()).collect::<Vec<_>>(), ["/colour", "/per_page"]);
    // A date is its midnight where all values are texts. In JSON a moment is one, as everywhere.
    let form = clinic.request(Method::POST, "/hsds/services").insert_header(("content-type", "application/x-www-form-urlencoded"));
    let by_date = clinic.get("/hsds/services?modified_after=2026-03-02").await.expect(200);
    assert_eq!(app.send(form.set_payload("modified_after=2026-03-02")).await.expect(200), by_date);
    let faults = clinic.post("/hsds/services", json!({ "modified_after": "2026-03-02" })).await.faults(422);
    assert_eq!(faults[0].0, "/modified_after");
    clinic.post("/hsds/services", json!([])).await.expect(422);
    let text = clinic.request(Method::POST, "/hsds/services").insert_header(("content-type", "text/plain"));
    app.send(text.set_payload("search=food")).await.expect(415);
});

on_both!(lists_are_asked_by_post_as_the_standard_has_it, |db| async move {
    let app = TestApp::new(db).await;
    let (_, clinic) = demo(&app).await;
    let bare = |path: &str| app.send(clinic.request(Method::POST, path));
    for (path, query) in [
        ("services", "search=food&per_page=3&minimal=true"),
        ("service_at_locations", "postcode=V0X+3A0&proximity=900"),
        ("organizations", "search=society&full=true"),
        ("taxonomies", "page=1"),
        ("taxonomy_terms", "top_only=true&search=food"),
        ("services", ""),
    ] {
        let path = format!("/hsds/{path}?{query}");
        assert_eq!(bare(&path).await.expect(200), clinic.get(&path).await.expect(200), "{path}");
    }
    let empty = clinic.request(Method::POST, "/hsds/services?search=food").insert_header(("content-length", "0"));
    let empty = empty.insert_header(("content-type", "application/json"));
    assert_eq!(app.send(empty).await.expect(200), clinic.get("/hsds/services?search=food").await.expect(200));
    assert_eq!(bare("/hsds/services?colour=red").await.faults(400), [("colour".to_owned(), "unknown_parameter".to_owned())]);
    // Where both say something, the body counts.
    let both = clinic.post("/hsds/services?search=tea&per_page=3", json!({ "search": "food", "page": null })).await.expect(200);
    assert_eq!(both, clinic.get("/hsds/services?search=food&per_page=3").await.expect(200));
});

on_both!(anyone_reads_where_the_directory_is_open_and_no_one_else_where_it_is_not, |db| async move {
    let app = TestApp::new(db).await;
    demo(&app).await;
    let stranger = app.stranger();
    for path in ["/hsds/", "/hsds/services", "/hsds/taxonomy_terms"] {
        stranger.get(path).await.expect_problem(401, "unauthenticated");
    }
    stranger.post("/hsds/services", json!({})).await.expect_problem(401, "unauthenticated");
    let without =
        app.client(OrganizationId::from_uuid(app.clinic().await.organization_id.uuid()), [Scope::PatientsRead].into_iter().collect()).await;
    without.get("/hsds/services").await.expect_problem(403, "insufficient_scope");
    let profile = stranger.get("/hsds/profile").await.expect(200);
    assert!(profile["files"].as_array().unwrap().iter().any(|file| file["name"] == "service_capacity.json"), "the profile is no secret");
});

on_both!(strangers_see_no_more_than_is_public, |db| async move {
    let app = TestApp::with(db, &["--public-directory"]).await;
    let (_, clinic) = demo(&app).await;
    let stranger = app.stranger();
    let root = stranger.get("/hsds/").await.expect(200);
    assert_eq!(root["version"], "3.2");
    assert!(
        root["profile"].as_str().unwrap().ends_with("/hsds/profile") && root["openapi_url"].as_str().unwrap().ends_with("/openapi.json")
    );
    let notes = |services: &[Value]| services.iter().filter(|service| service["kith"]["connector_notes"].is_string()).count();
    assert_eq!(notes(&all(&stranger, "/hsds/services?full=true").await), 0);
    assert!(notes(&all(&clinic, "/hsds/services?full=true").await) > 0);
    assert!(notes(&[stranger.post("/hsds/services", json!({ "full": true })).await.expect(200)]) == 0);
});

on_both!(an_organization_is_shown_with_all_of_its_services_however_many_they_are, |db| async move {
    let app = TestApp::new(db).await;
    let directory = app.tenant("Alder Valley Information Line", OrganizationKind::Directory).await;
    let provider = directory.post("/v1/organizations", json!({ "name": "The Society", "kind": "agency" })).await.id();
    let choir = json!({ "name": "Choir", "provider_name": "The Choir" });
    directory.post("/v1/services", choir).await.expect(201);
    let service = |number: usize| json!({ "type": "service", "resource": { "name": format!("Lunch {number}"), "provider_id": provider } });
    let lunches: Vec<Value> = (0..250).map(service).collect();
    assert_eq!(bulk::counts(&bulk::load(&directory, bulk::text(&lunches)).await), [250, 0, 0, 0]);
    for (full, has_profile) in [("full=true", false), ("full_service=true", true)] {
        let listed = all(&directory, &format!("/hsds/organizations?{full}")).await;
        let page = directory.get(&format!("/hsds/organizations?{full}&per_page=1000")).await.expect(200);
        assert_eq!((&page["contents"], &page["size"], &page["total_items"]), (&json!(listed), &json!(2), &json!(2)), "{full}");
        let [society, choir] = ["The Society", "The Choir"].map(|name| listed.iter().find(|one| one["name"] == name).unwrap());
        assert_eq!(choir["services"].as_array().unwrap().len(), 1, "{full}");
        let services = society["services"].as_array().unwrap();
        let different: HashSet<&str> = services.iter().map(|service| service["id"].as_str().unwrap()).collect();
        assert_eq!((services.len(), different.len()), (250, 250), "{full}");
        assert!(services.iter().all(|service| service.get("kith").is_some() == has_profile), "{full}");
        let id = society["id"].as_str().unwrap();
        let alone = directory.get(&format!("/hsds/organizations/{id}?full_service={has_profile}")).await;
        assert_eq!((alone.expect(200), alone.header("content-type")), (society.clone(), Some("application/json")), "{full}");
    }
});

on_both!(a_list_of_large_records_is_whole_in_however_many_pieces_it_is_written, |db| async move {
    let app = TestApp::new(db).await;
    let directory = app.tenant("Alder Valley Information Line", OrganizationKind::Directory).await;
    let provider = directory.post("/v1/organizations", json!({ "name": "The Society", "kind": "agency" })).await.id();
    for number in 0..7 {
        let kept = json!({ "page": "x".repeat(900_000) });
        let service = json!({ "name": format!("Lunch {number}"), "provider_id": provider, "source_fields": kept });
        directory.post("/v1/services", service).await.expect(201);
    }
    let listed = all(&directory, "/hsds/services?full=true").await;
    let page = directory.get("/hsds/services?full=true").await.expect(200);
    assert_eq!((listed.len(), &page["size"]), (7, &json!(7)));
    assert!(page["contents"] == json!(listed));
    let society = all(&directory, "/hsds/organizations?full_service=true").await.remove(0);
    assert_eq!(society["services"].as_array().unwrap().len(), 7);
});

on_both!(two_packages_are_made_at_once_and_no_more, |db| async move {
    let app = TestApp::new(db).await;
    let (_, clinic) = demo(&app).await;
    let turns = app.state.packages.acquire_many(MOST_PACKAGES as u32).await.unwrap();
    let busy = clinic.get("/hsds/package").await;
    busy.expect_problem(503, "busy");
    assert_eq!(busy.header("retry-after"), Some("1"));
    drop(turns);
    for _ in 0..=MOST_PACKAGES {
        assert_eq!(clinic.get("/hsds/package").await.status, 200);
    }
});
