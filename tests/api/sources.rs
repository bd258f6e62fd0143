//! Sources: what is pulled from a partner, how it is kept up with, and what happens where the partner cannot be read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::HttpServer;
use chrono::Duration as Span;
use kith::app;
use kith::sources::Engine;
use serde_json::{Value, json};

use crate::clashes::while_held;
use crate::client::{Caller, TestApp};
use crate::harness::TestDb;
use crate::hsds;
use crate::receiver::{Got, Receiver, Reply};

mod credentials;
mod lists;
mod own;
mod stops;
mod subscriptions;
mod turns;

const PATH: &str = "/v1/sources";

async fn app(db: TestDb) -> TestApp {
    TestApp::with(db, &["--webhook-allow=127.0.0.1", "--source-timeout=1s", "--import-limit=65536"]).await
}

/// A partner with an HSDS API of its own: services by id, two on a page, and organizations, where it lists any.
#[derive(Clone, Default)]
struct Partner(Arc<Mutex<BTreeMap<String, Value>>>, Arc<Mutex<Vec<Value>>>);

impl Partner {
    fn of(names: &[(&str, &str)]) -> Self {
        let partner = Self::default();
        names.iter().for_each(|(id, name)| partner.says(id, name, "2026-01-01T00:00:00Z"));
        partner
    }

    fn says(&self, id: &str, name: &str, last_modified: &str) {
        let service = json!({
            "id": id, "name": name, "status": "active", "last_modified": last_modified, "description": format!("{name} in Alder Falls"),
            "organization": { "id": format!("org-{id}"), "name": format!("{name} Society"), "description": "A society" },
            "phones": [{ "id": "p", "number": "250-555-0173" }],
        });
        self.0.lock().unwrap().insert(id.to_owned(), service);
    }

    fn forgets(&self, id: &str) {
        self.0.lock().unwrap().remove(id);
    }

    /// Where it answers.
    fn served(&self) -> Receiver {
        let theirs = self.clone();
        Receiver::that(move |got| theirs.answer(got))
    }

    /// What it answers of an organization, or of all where none is named.
    fn organizations(&self, id: &str) -> Reply {
        let organizations = self.1.lock().unwrap();
        if organizations.is_empty() || !id.is_empty() {
            return organizations.iter().find(|one| one["id"] == id).map_or(Reply::status(404), Reply::json);
        }
        let flat: Vec<Value> = organizations.iter().map(|one| json!({ "id": one["id"], "name": one["name"] })).collect();
        Reply::json(&json!({ "contents": flat, "page_number": 1, "total_pages": 1, "last_page": true }))
    }

    fn answer(&self, got: &Got) -> Reply {
        let services = self.0.lock().unwrap();
        let url = url::Url::parse(&format!("http://partner{}", got.path)).unwrap();
        if let Some(id) = url.path().strip_prefix("/hsds/organizations") {
            return self.organizations(id.trim_start_matches('/'));
        }
        let asked: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        if let Some(id) = url.path().strip_prefix("/hsds/services/") {
            return services.get(id).map_or(Reply::status(404), Reply::json);
        }
        let since = asked.get("modified_after").map(String::as_str).unwrap_or_default();
        let all: Vec<&Value> = services.values().filter(|service| service["last_modified"].as_str().unwrap() >= since).collect();
        if asked.contains_key("minimal") {
            let ids: Vec<Value> =
                all.iter().map(|service| json!({ "id": service["id"], "last_modified": service["last_modified"] })).collect();
            return Reply::json(&json!({ "contents": ids, "last_page": true }));
        }
        let page: usize = asked["page"].parse().unwrap();
        let contents: Vec<&&Value> = all.iter().skip((page - 1) * 2).take(2).collect();
        let total = all.len().div_ceil(2);
        Reply::json(&json!({ "contents": contents, "page_number": page, "total_pages": total, "last_page": page >= total }))
    }
}

fn asked(partner: &Receiver) -> Vec<String> {
    partner.take().into_iter().map(|got| got.path).collect()
}

async fn subscribe(caller: &Caller, url: String, more: Value) -> String {
    let mut body = json!({ "name": "partner", "url": url });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let created = caller.post(PATH, body).await;
    created.expect(201);
    format!("{PATH}/{}", created.id())
}

async fn pull(app: &TestApp) {
    Engine::new(app.state.clone()).pull().await.unwrap();
}

/// The run that began last.
async fn last_run(caller: &Caller, source: &str) -> Value {
    let page = caller.get(&format!("{source}/runs?limit=1")).await.expect(200);
    let id = page["items"][0]["id"].as_str().unwrap().to_owned();
    caller.get(&format!("{source}/runs/{id}")).await.expect(200)
}

fn counts(run: &Value) -> [i64; 5] {
    ["created", "updated", "unchanged", "refused", "retired"].map(|name| run[name].as_i64().unwrap())
}

/// The fields of which a run tells this.
fn told(run: &Value, code: &str) -> Vec<String> {
    let notices = run["lines"].as_array().unwrap().iter().flat_map(|line| line["notices"].as_array().unwrap());
    notices.filter(|notice| notice["code"] == code).map(|notice| notice["field"].as_str().unwrap().to_owned()).collect()
}

/// The services of the directory: names and statuses.
async fn directory(caller: &Caller) -> BTreeMap<String, String> {
    let page = caller.get("/v1/services?status=active&status=inactive&limit=200").await.expect(200);
    let text = |service: &Value, name: &str| service[name].as_str().unwrap().to_owned();
    page["items"].as_array().unwrap().iter().map(|service| (text(service, "name"), text(service, "status"))).collect()
}

on_both!(a_partners_directory_is_pulled_and_kept_up_with, |db| async move {
    let app = app(db).await;
    let mut clinic = app.clinic().await;
    let theirs = Partner::of(&[("a", "Lunch Club"), ("b", "Food Bank"), ("c", "Night Shelter")]);
    let partner = theirs.served();
    let source = subscribe(&clinic, partner.url("/hsds"), json!({ "pull_every_minutes": 60, "sweep_every_hours": 24 })).await;
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!((run["status"].as_str(), run["kind"].as_str(), counts(&run)), (Some("completed"), Some("pull"), [3, 0, 0, 0, 0]), "{run}");
    assert_eq!((run["records"].as_i64(), run["organizations_created"].as_i64()), (Some(3), Some(3)));
    assert_eq!(run["modified_after"], Value::Null, "the first time everything is asked for");
    assert_eq!(asked(&partner).len(), 2, "one request for each page");
    assert_eq!(directory(&clinic).await.into_keys().collect::<Vec<_>>(), ["Food Bank", "Lunch Club", "Night Shelter"]);

    theirs.says("b", "Food Bank and Kitchen", "2026-03-02T17:30:00Z");
    app.clock.advance(Span::seconds(61 * 60));
    clinic.renew().await;
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!(counts(&run), [0, 1, 0, 0, 0], "{run}");
    assert!(run["modified_after"].as_str().is_some());
    assert!(directory(&clinic).await.contains_key("Food Bank and Kitchen"));
    let paths = asked(&partner);
    assert!(paths.len() == 1 && paths[0].contains("modified_after="), "{paths:?}");

    // One vanishes, one comes that bears an old date: pulls see neither, sweeps both.
    theirs.forgets("a");
    theirs.says("d", "Choir", "2026-01-01T00:00:00Z");
    let mut sweeps = Vec::new();
    for _ in 0..3 {
        app.clock.advance(Span::seconds(24 * 3600));
        clinic.renew().await;
        pull(&app).await;
        let runs = clinic.get(&format!("{source}/runs")).await.expect(200);
        let sweep = runs["items"].as_array().unwrap().iter().find(|run| run["kind"] == "sweep").cloned().unwrap();
        sweeps.push(counts(&sweep));
    }
    assert_eq!(sweeps, [[1, 0, 0, 0, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]], "retired by the second sweep that lacks it");
    assert_eq!(directory(&clinic).await["Lunch Club"], "inactive");
    assert_eq!(directory(&clinic).await["Choir"], "active");

    theirs.says("a", "Lunch Club", "2026-01-01T00:00:00Z");
    app.clock.advance(Span::seconds(24 * 3600));
    clinic.renew().await;
    pull(&app).await;
    assert_eq!(directory(&clinic).await["Lunch Club"], "active", "what comes back is active again");
});

on_both!(a_sweep_adds_organizations_that_give_no_service, |db| async move {
    let app = app(db).await;
    let mut clinic = app.clinic().await;
    let theirs = Partner::of(&[("a", "Lunch Club")]);
    let phones = json!([{ "id": "p", "number": "250-555-0142" }]);
    *theirs.1.lock().unwrap() = vec![
        json!({ "id": "org-a", "name": "Lunch Club Society", "services": [{ "id": "a" }] }),
        json!({ "id": "idle", "name": "Valley Federation", "description": "The whole.", "phones": phones, "services": [] }),
        json!({ "id": "busy", "name": "Busy Society", "services": [{ "id": "elsewhere" }] }),
        json!({ "id": clinic.organization_id, "name": "As they have us" }),
    ];
    let partner = theirs.served();
    let source = subscribe(&clinic, partner.url("/hsds"), json!({})).await;
    pull(&app).await;
    assert!(asked(&partner).iter().all(|path| path.starts_with("/hsds/services?")), "a pull asks for services alone");
    for added in [1, 0] {
        app.clock.advance(Span::seconds(60));
        clinic.renew().await;
        clinic.post(&format!("{source}/runs"), json!({ "kind": "sweep" })).await.expect(201);
        pull(&app).await;
        let run = last_run(&clinic, &source).await;
        assert_eq!((run["status"].as_str(), counts(&run), &run["records"]), (Some("completed"), [0; 5], &json!(1)), "{run}");
        assert_eq!((&run["organizations_created"], told(&run, "organizations_not_read").len()), (&json!(added), 0), "{run}");
        let paths = asked(&partner);
        let one_by_one: Vec<&str> = paths.iter().filter_map(|path| path.strip_prefix("/hsds/organizations/")).collect();
        let expected: &[&str] = if added == 1 { &["idle", "busy"] } else { &["busy"] };
        let (found, expected): (BTreeSet<&str>, BTreeSet<&str>) = (one_by_one.into_iter().collect(), expected.iter().copied().collect());
        assert_eq!(found, expected, "what is known, and what is ours, is not asked for");
    }
    let page = clinic.get("/v1/organizations?limit=200").await.expect(200);
    let found: Vec<&Value> = page["items"].as_array().unwrap().iter().filter(|one| one["kind"] == "agency").collect();
    let names: BTreeSet<&str> = found.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, BTreeSet::from(["Lunch Club Society", "Valley Federation"]), "{page}");
    let idle = found.iter().find(|one| one["name"] == "Valley Federation").unwrap();
    assert_eq!((&idle["description"], &idle["phones"][0]["number"]), (&json!("The whole."), &json!("+12505550142")), "{idle}");

    // What cannot be read of them is told, and is no fault of the run.
    for broken in ["/hsds/organizations?", "/hsds/organizations/"] {
        let theirs = theirs.clone();
        partner.now(move |got| if got.path.starts_with(broken) { Reply::status(500) } else { theirs.answer(got) });
        app.clock.advance(Span::seconds(60));
        clinic.renew().await;
        clinic.post(&format!("{source}/runs"), json!({ "kind": "sweep" })).await.expect(201);
        pull(&app).await;
        let run = last_run(&clinic, &source).await;
        assert_eq!((run["status"].as_str(), counts(&run)), (Some("completed"), [0; 5]), "{run}");
        assert_eq!(told(&run, "organizations_not_read"), ["organizations"], "{broken}: {run}");
    }
});

on_both!(what_cannot_be_read_is_told_and_asked_again_only_where_that_may_help, |db| async move {
    let app = app(db).await;
    let mut clinic = app.clinic().await;
    let partner = Receiver::new();
    let source = subscribe(&clinic, partner.url("/hsds"), json!({})).await;
    let long = "x".repeat(70_000);
    let script: Vec<(&str, &str, Reply)> = vec![
        ("status", "failed", Reply::status(401)),
        ("status", "waiting", Reply::status(429)),
        ("not_hsds", "failed", Reply { body: "<html>".into(), ..Reply::status(200) }),
        ("not_hsds", "failed", Reply::json(&json!({ "error": "no such thing" }))),
        ("too_large", "failed", Reply::json(&json!({ "contents": [{ "id": "a", "name": long, "phones": [] }] }))),
        ("timeout", "waiting", Reply { delay: Duration::from_millis(1_500), ..Reply::status(200) }),
        ("connection", "waiting", Reply::status(0)),
        ("refused_address", "failed", Reply { headers: vec![("Location", "http://169.254.169.254/latest".into())], ..Reply::status(302) }),
        ("refused_address", "failed", Reply { headers: vec![("Location", "http://localhost/".into())], ..Reply::status(307) }),
        ("redirect", "failed", Reply { headers: vec![("Location", "/hsds/services".into())], ..Reply::status(308) }),
    ];
    for (error, status, reply) in script {
        partner.now(move |_| reply.clone());
        pull(&app).await;
        let run = last_run(&clinic, &source).await;
        assert_eq!((run["error"].as_str(), run["status"].as_str()), (Some(error), Some(status)), "{run}");
        let detail = run["error_detail"].as_str().unwrap();
        assert!(detail.starts_with("GET /hsds/services: "), "{run}");
        assert!(!detail.contains("JSON") || detail.ends_with("can be read: expected value at line 1 column 1"), "{run}");
        if status == "waiting" {
            // Six tries in all, further and further apart.
            let mut tries = 1;
            while last_run(&clinic, &source).await["status"] == "waiting" && tries < 100 {
                app.clock.advance(Span::seconds(6 * 3600 + 1));
                clinic.renew().await;
                partner.now(|_| Reply::status(503));
                pull(&app).await;
                tries += 1;
            }
            assert_eq!(tries, 6);
        }
        app.clock.advance(Span::seconds(9 * 3600));
        clinic.renew().await;
    }
    assert_eq!(directory(&clinic).await.len(), 0);
});

on_both!(two_processes_never_read_a_source_at_once, |db| async move {
    let app = app(db).await;
    let clinic = app.clinic().await;
    let names: Vec<(String, String)> = (0..12).map(|number| (format!("s{number:02}"), format!("Service {number}"))).collect();
    let theirs = Partner::of(&names.iter().map(|(id, name)| (id.as_str(), name.as_str())).collect::<Vec<_>>());
    let partner = Receiver::that(move |got| Reply { delay: Duration::from_millis(20), ..theirs.answer(got) });
    let source = subscribe(&clinic, partner.url("/hsds"), json!({})).await;
    let engines = [Engine::new(app.state.clone()), Engine::new(app.state.clone()), Engine::new(app.state.clone())];
    for done in futures_util::future::join_all(engines.iter().map(Engine::pull)).await {
        done.unwrap();
    }
    let run = last_run(&clinic, &source).await;
    assert_eq!((run["status"].as_str(), counts(&run)), (Some("completed"), [12, 0, 0, 0, 0]), "{run}");
    assert_eq!(asked(&partner).len(), 6, "each page was asked for once");
    assert_eq!(clinic.get(&format!("{source}/runs")).await.expect(200)["items"].as_array().unwrap().len(), 1);
});

on_both!(an_accepted_suggestion_stands_until_the_partner_says_something_else_of_it, |db| async move {
    let app = app(db).await;
    let mut clinic = app.clinic().await;
    let theirs = Partner::of(&[("a", "Lunch Club"), ("b", "Food Bank")]);
    let partner = theirs.served();
    let source = subscribe(&clinic, partner.url("/hsds"), json!({})).await;
    pull(&app).await;
    app.clock.advance(Span::seconds(60));
    let page = clinic.get("/v1/services?limit=200").await.expect(200);
    let service = page["items"].as_array().unwrap().iter().find(|service| service["name"] == "Lunch Club").unwrap();
    let path = format!("/v1/services/{}", service["id"].as_str().unwrap());
    let suggested = json!({ "base_version": 1, "patch": { "name": "Lunch and Tea Club" }, "reason": "They told us." });
    let suggestion = clinic.post(&format!("{path}/suggestions"), suggested).await;
    clinic.post(&format!("/v1/service-suggestions/{}/accept", suggestion.id()), json!({})).await.expect(200);
    for hour in 1..=2 {
        theirs.says("a", "Lunch Club", &format!("2026-03-02T{}:30:00Z", 17 + hour));
        app.clock.advance(Span::seconds(61 * 60));
        clinic.renew().await;
        pull(&app).await;
        let run = last_run(&clinic, &source).await;
        assert_eq!(counts(&run), [0, 1, 0, 0, 0], "{run}");
        assert_eq!(told(&run, "change_kept"), ["/name"], "{run}");
        assert_eq!(clinic.get(&path).await.expect(200)["name"], "Lunch and Tea Club");
    }
    theirs.says("a", "Dinner Club", "2026-03-02T20:30:00Z");
    app.clock.advance(Span::seconds(61 * 60));
    clinic.renew().await;
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!(told(&run, "change_replaced"), ["/name"], "{run}");
    assert_eq!(clinic.get(&path).await.expect(200)["name"], "Dinner Club");
});

on_both!(two_organizations_of_a_partner_with_one_number_hold_up_nothing, |db| async move {
    let app = app(db).await;
    let clinic = app.clinic().await;
    let theirs = Partner::of(&[("a", "Lunch Club"), ("b", "Food Bank")]);
    for service in theirs.0.lock().unwrap().values_mut() {
        service["organization"]["organization_identifiers"] = json!([{ "identifier_scheme": "CA-CRA_ACR", "identifier": "7" }]);
    }
    let partner = theirs.served();
    let source = subscribe(&clinic, partner.url("/hsds"), json!({})).await;
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!((counts(&run), run["organizations_created"].as_i64()), ([2, 0, 0, 0, 0], Some(2)), "{run}");
    assert_eq!(told(&run, "identifier_taken"), ["organization.organization_identifiers"], "{run}");
});

#[actix_web::test]
async fn a_pull_goes_on_where_somebody_has_changed_a_service_meanwhile() {
    let Some(db) = TestDb::postgres() else { return };
    let app = app(db).await;
    let mut clinic = app.clinic().await;
    let theirs = Partner::of(&[("a", "Lunch Club")]);
    let partner = theirs.served();
    let source = subscribe(&clinic, partner.url("/hsds"), json!({})).await;
    pull(&app).await;
    theirs.says("a", "Lunch and Supper Club", "2026-03-02T17:30:00Z");
    app.clock.advance(Span::seconds(61 * 60));
    clinic.renew().await;
    while_held(&app, "UPDATE services SET version = version + 1", pull(&app)).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!((run["status"].as_str(), counts(&run)), (Some("completed"), [0, 1, 0, 0, 0]), "{run}");
}

#[actix_web::test]
async fn another_kith_is_pulled_whole() {
    let theirs = TestApp::with(TestDb::sqlite(), &["--public-directory"]).await;
    let (directory_line, _) = hsds::demo(&theirs).await;
    let state = theirs.state.clone();
    let server = HttpServer::new(move || app::build(state.clone())).workers(1).bind("127.0.0.1:0").unwrap();
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    actix_web::rt::spawn(server);

    let ours = TestApp::with(TestDb::sqlite(), &["--webhook-allow=127.0.0.1"]).await;
    let clinic = ours.clinic().await;
    let source = subscribe(&clinic, format!("http://{address}/hsds"), json!({})).await;
    pull(&ours).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!((run["status"].as_str(), run["refused"].as_i64()), (Some("completed"), Some(0)), "{run}");
    assert_eq!(directory(&clinic).await, directory(&directory_line).await);
    ours.clock.advance(Span::days(1));
    pull(&ours).await;
    let mut clinic = clinic;
    clinic.renew().await;
    let runs = clinic.get(&format!("{source}/runs")).await.expect(200);
    let sweep = runs["items"].as_array().unwrap().iter().find(|run| run["kind"] == "sweep").unwrap();
    assert_eq!((counts(sweep), sweep["records"].as_i64()), ([0; 5], run["records"].as_i64()), "a sweep finds nothing amiss");
    handle.stop(true).await;
}
