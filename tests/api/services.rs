//! The directory: services, their capacity, and searching them.

use actix_web::http::Method;
use kith::auth::Scope;
use kith::organizations::model::OrganizationKind;
use serde_json::{Value, json};

use crate::client::{Answer, Caller, TestApp};
use crate::harness::TestDb;

mod memory;
mod searches;

const PATH: &str = "/v1/services";

fn pantry() -> Value {
    json!({
        "name": "Alder Falls Food Bank",
        "description": "Weekly hampers of groceries for families.",
        "identifiers": [{ "system": "urn:example:211", "value": "svc-1" }],
        "need_domains": [{ "code": "food-insecurity" }],
        "phones": [{ "original": "250-555-0142" }],
        "places": [{ "point": { "latitude": 49.888, "longitude": -119.496 }, "address": { "city": "Alder Falls", "region": "BC", "country": "CA" } }],
        "schedules": [{ "rrule": "FREQ=WEEKLY;BYDAY=MO,TH", "opens_at": "09:00", "closes_at": "12:00", "time_zone": "America/Vancouver" }],
        "languages": [{ "language": "en" }, { "language": "pa", "by_interpreter": true }],
        "cost": { "kind": "free" },
        "verification": { "last_verified_on": "2026-02-20" },
        "connector_notes": "Ask for Dana.",
    })
}

async fn create(caller: &Caller, service: Value) -> String {
    let created = caller.post(PATH, service).await;
    created.expect(201);
    created.id()
}

/// The names of the services found, in order.
#[track_caller]
fn names(answer: &Answer) -> Vec<String> {
    let page = answer.expect(200);
    let names = page["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned());
    names.collect()
}

async fn directory(db: TestDb) -> Caller {
    TestApp::new(db).await.tenant("Valley 211", OrganizationKind::Directory).await
}

on_both!(a_service_is_created_read_changed_and_deleted, |db| async move {
    let caller = directory(db).await;
    let created = caller.post(PATH, pantry()).await;
    let body = created.expect(201);
    let path = format!("{PATH}/{}", created.id());
    assert_eq!((created.header("location"), created.header("etag")), (Some(path.as_str()), Some("\"1\"")));
    assert_eq!(body["phones"][0]["number"], "+12505550142", "completed from the original");
    assert_eq!((&body["capacity"], &body["hit"], &body["provider_id"]), (&Value::Null, &Value::Null, &Value::Null));
    assert_eq!(body["freshness"], json!({ "is_stale": false, "days_since_verified": 10, "fresh_until": "2026-08-19" }));
    assert_eq!(body["organization_id"], json!(caller.organization_id));
    assert_eq!(caller.get(&path).await.expect(200), body);

    let patched = caller.patch(&path, 1, json!({ "description": "Closed in August.", "status": "temporarily_closed" })).await.expect(200);
    assert_eq!((&patched["version"], &patched["status"]), (&json!(2), &json!("temporarily_closed")));
    let replaced = caller.put(&path, 2, json!({ "name": "Pantry" })).await.expect(200);
    assert_eq!(
        (&replaced["name"], &replaced["description"], &replaced["freshness"]["is_stale"]),
        (&json!("Pantry"), &Value::Null, &json!(true))
    );
    assert_eq!(names(&caller.get(PATH).await), ["Pantry"]);
    caller.delete(&path, 3).await.expect(204);
    caller.get(&path).await.expect_problem(410, "gone");
    assert_eq!(names(&caller.get(PATH).await), [""; 0]);
    let history = caller.get(&format!("{path}/history")).await.expect(200);
    let actions: Vec<_> = history["items"].as_array().unwrap().iter().map(|revision| revision["action"].clone()).collect();
    assert_eq!(actions, ["created", "updated", "updated", "deleted"]);
    assert_eq!(history["items"][1]["resource"]["description"], "Closed in August.");
});

on_both!(a_directory_synchronizes_by_its_own_keys, |db| async move {
    let caller = directory(db).await;
    let path = format!("{PATH}/by-identifier?system=urn:example:211&value=svc-1");
    let first = caller.put_any(&path, pantry()).await;
    first.expect(201);
    let second = caller.put_any(&path, pantry()).await;
    assert_eq!((second.expect(200)["version"].clone(), second.id()), (json!(2), first.id()));
    caller.post(PATH, pantry()).await.expect_problem(409, "duplicate");
    let other = caller.app.tenant("Another directory", OrganizationKind::Directory).await;
    other.put_any(&path, pantry()).await.expect(201);
    let found = caller.get(&format!("{PATH}?identifier=urn:example:211%7Csvc-1&organization_id={}", caller.organization_id)).await;
    assert_eq!(found.expect(200)["items"][0]["id"], json!(first.id()));
});

on_both!(rules_between_fields_are_told_with_their_places, |db| async move {
    let caller = directory(db).await;
    let schedule = |rrule: &str, zone: &str| json!({ "rrule": rrule, "time_zone": zone });
    let answer = caller
        .post(
            PATH,
            json!({
                "name": "Hall",
                "need_domains": [{ "code": "food-insecurity" }, { "code": "food-insecurity" }, { "code": "castles" }, { "code": "x-anything" }],
                "eligibility": { "min_age": 65, "max_age": 18 },
                "service_areas": [{ "kind": "polygon", "value": "here", "ring": [{ "latitude": 1, "longitude": 1 }, { "latitude": 2, "longitude": 2 }] }],
                "schedules": [schedule("weekly", "America/Vancouver"), schedule("FREQ=WEEKLY;BYDAY=MO", "Vancouver"), schedule("FREQ=DAILY;INTERVAL=2", "UTC")],
                "places": [{ "schedules": [schedule("FREQ=MONTHLY;BYDAY=9XX", "UTC")] }],
                "alerts": [{ "text": "Closed", "shown": { "from": "2026-02-02", "until": "2026-02-01" } }],
                "identifiers": [{ "system": "s", "value": "1" }, { "system": "s", "value": "1" }],
            }),
        )
        .await;
    let faults = answer.faults(422);
    let found: Vec<(&str, &str)> = faults.iter().map(|(pointer, code)| (pointer.as_str(), code.as_str())).collect();
    assert_eq!(
        found,
        [
            ("/alerts/0/shown/until", "out_of_order"),
            ("/eligibility/max_age", "out_of_order"),
            ("/identifiers/1", "not_unique"),
            ("/need_domains/1", "not_unique"),
            ("/need_domains/2/code", "unknown_domain"),
            ("/places/0/schedules/0/rrule", "invalid_rrule"),
            ("/schedules/0/rrule", "invalid_rrule"),
            ("/schedules/1/time_zone", "unknown_time_zone"),
            ("/schedules/2/starts_on", "required"),
            ("/service_areas/0/ring", "too_few"),
        ]
    );
    let unknown =
        caller.post(PATH, json!({ "name": "Hall", "colour": "red", "provider_id": "01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10" })).await;
    assert_eq!(unknown.faults(422), [("/colour".into(), "unknown_field".into())]);
    let spoken = caller.post(PATH, json!({ "name": "Hall", "places": [{ "languages": ["en", "English"] }] })).await;
    assert_eq!(spoken.faults(422), [("/places/0/languages/1".into(), "format".into())]);
    let provider = caller.post(PATH, json!({ "name": "Hall", "provider_id": "01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10" })).await;
    assert_eq!(provider.faults(422), [("/provider_id".into(), "not_found".into())]);
    let hostile: Vec<Value> = (1..=12).map(|n| json!({ "rrule": format!("FREQ=YEARLY;BYYEARDAY={n}"), "time_zone": "UTC" })).collect();
    let faults = caller.post(PATH, json!({ "name": "Hall", "schedules": hostile })).await.faults(422);
    assert_eq!(faults, [("/schedules/10/rrule".into(), "too_many".into()), ("/schedules/11/rrule".into(), "too_many".into())]);
});

on_both!(others_read_the_directory_and_only_its_keeper_changes_it, |db| async move {
    let keeper = directory(db).await;
    let path = format!("{PATH}/{}", create(&keeper, pantry()).await);
    let other = keeper.app.clinic().await;
    assert_eq!(other.get(&path).await.expect(200)["connector_notes"], "Ask for Dana.");
    assert_eq!(names(&other.get(PATH).await).len(), 1);
    other.put(&path, 1, json!({ "name": "Ours now" })).await.expect_problem(403, "forbidden");
    other.patch(&path, 1, json!({ "name": "Ours now" })).await.expect_problem(403, "forbidden");
    other.delete(&path, 1).await.expect_problem(403, "forbidden");
    other.put_any(&format!("{path}/capacity"), json!({ "status": "open" })).await.expect_problem(403, "forbidden");
    let reader = other.only(&[Scope::ServicesRead]).await;
    reader.post(PATH, pantry()).await.expect_problem(403, "insufficient_scope");
    other.only(&[Scope::PatientsRead]).await.get(PATH).await.expect_problem(403, "insufficient_scope");
    keeper.app.stranger().get(PATH).await.expect_problem(401, "unauthenticated");
    keeper.put_any(&path, pantry()).await.expect_problem(428, "precondition_required");
    keeper.patch(&path, 7, json!({})).await.expect_problem(412, "version_mismatch");
    keeper.get(&format!("{PATH}/01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10")).await.expect_problem(404, "not_found");
});

on_both!(anyone_reads_a_public_directory_without_the_notes_of_link_workers, |db| async move {
    let keeper = TestApp::with(db, &["--public-directory"]).await.tenant("Valley 211", OrganizationKind::Directory).await;
    let path = format!("{PATH}/{}", create(&keeper, pantry()).await);
    let stranger = keeper.app.stranger();
    assert_eq!(stranger.get(&path).await.expect(200)["connector_notes"], Value::Null);
    assert_eq!(stranger.get(PATH).await.expect(200)["items"][0]["connector_notes"], Value::Null);
    assert_eq!(names(&stranger.post("/v1/services/search", json!({ "q": "food" })).await).len(), 1);
    assert!(names(&stranger.get("/v1/services?q=dana").await).is_empty(), "nor are they searched");
    stranger.post(PATH, pantry()).await.expect_problem(401, "unauthenticated");
});

on_both!(a_public_page_can_say_who_gives_a_service, |db| async move {
    let keeper = TestApp::with(db, &["--public-directory"]).await.tenant("Valley 211", OrganizationKind::Directory).await;
    let (app, stranger) = (keeper.app.clone(), keeper.app.stranger());
    let provider = app.tenant("Food Bank Society", OrganizationKind::Agency).await;
    let known = create(&keeper, json!({ "name": "Hampers", "provider_id": provider.organization_id })).await;
    let named = create(&keeper, json!({ "name": "Soup", "provider_name": "Parish of St. Ann" })).await;
    let unknown = create(&keeper, json!({ "name": "Walks" })).await;
    let read = async |id: &str| stranger.get(&format!("{PATH}/{id}")).await;
    let shown = async |id: &str| read(id).await.expect(200)["provided_by"].clone();
    let all = |answer: Answer| -> Vec<Value> {
        answer.expect(200)["items"].as_array().unwrap().iter().map(|service| service["provided_by"].clone()).collect()
    };
    let listed = async || all(stranger.get(&format!("{PATH}?sort=name")).await);
    assert_eq!(
        [shown(&known).await, shown(&named).await, shown(&unknown).await],
        [json!("Food Bank Society"), json!("Parish of St. Ann"), Value::Null]
    );
    assert_eq!(listed().await, [json!("Food Bank Society"), json!("Parish of St. Ann"), Value::Null]);
    assert_eq!(all(stranger.post("/v1/services/search", json!({ "q": "hampers" })).await), [json!("Food Bank Society")]);

    // Its name is of the moment at which it is read.
    let tag = read(&known).await.header("etag").unwrap().to_owned();
    let renamed = json!({ "name": "Food Bank Association" });
    provider.patch(&format!("/v1/organizations/{}", provider.organization_id), 1, renamed).await.expect(200);
    let again = stranger.request(Method::GET, &format!("{PATH}/{known}")).insert_header(("if-none-match", tag));
    assert_eq!(app.send(again).await.expect(200)["provided_by"], "Food Bank Association");
    app.clock.advance(chrono::Duration::minutes(1));
    assert_eq!(listed().await[0], "Food Bank Association");
    let changed = keeper.patch(&format!("{PATH}/{known}"), 1, json!({ "url": "https://hampers.example.ca" })).await.expect(200);
    assert_eq!(changed["provided_by"], "Food Bank Association");
    let history = keeper.get(&format!("{PATH}/{known}/history")).await.expect(200);
    assert_eq!(history["items"][1]["resource"]["provided_by"], Value::Null);
});

on_both!(a_provider_reports_capacity_and_posts_alerts, |db| async move {
    let keeper = directory(db).await;
    let provider = keeper.app.tenant("Food Bank Society", OrganizationKind::Agency).await;
    let mut service = pantry();
    service["provider_id"] = json!(provider.organization_id);
    let path = format!("{PATH}/{}", create(&keeper, service.clone()).await);
    let capacity = format!("{path}/capacity");

    let said = provider.put_any(&capacity, json!({ "status": "waitlist", "unit": "hamper", "waitlist_length": 5 })).await;
    assert_eq!((said.expect(200)["as_of"].clone(), said.header("etag")), (json!("2026-03-02T17:00:00.000000Z"), Some("\"2\"")));
    let stale = provider
        .app
        .send(provider.request(Method::PUT, &capacity).insert_header(("if-match", "\"1\"")).set_json(json!({ "status": "full" })));
    stale.await.expect_problem(412, "version_mismatch");
    keeper.put_any(&capacity, json!({ "status": "full", "as_of": "2026-03-02T17:00:00Z" })).await.expect(200);
    let read = keeper.get(&path).await.expect(200);
    assert_eq!((&read["capacity"]["status"], &read["version"]), (&json!("full"), &json!(3)));
    assert!(names(&keeper.get(&format!("{PATH}?accepting=true")).await).is_empty());
    let history = keeper.get(&format!("{capacity}/history?limit=1")).await.expect(200);
    assert_eq!(history["items"][0]["capacity"]["status"], "full");
    assert_eq!(history["items"][0]["organization_id"], json!(keeper.organization_id));
    let next = keeper.get(&format!("{capacity}/history?limit=1&cursor={}", history["next"].as_str().unwrap())).await.expect(200);
    assert_eq!((&next["items"][0]["capacity"]["status"], &next["next"]), (&json!("waitlist"), &Value::Null));
    let wrong = provider.put_any(&capacity, json!({ "status": "open", "available": 5, "maximum": 3, "colour": 1 })).await;
    assert_eq!(wrong.faults(422), [("/colour".into(), "unknown_field".into())]);
    let wrong = provider.put_any(&capacity, json!({ "status": "open", "available": 5, "maximum": 3 })).await;
    assert_eq!(wrong.faults(422), [("/available".into(), "out_of_order".into())]);

    let alerts = json!({ "alerts": [{ "text": "Closed on Thursday." }] });
    assert_eq!(provider.patch(&path, 3, alerts).await.expect(200)["alerts"][0]["text"], "Closed on Thursday.");
    provider.patch(&path, 4, json!({ "name": "Ours" })).await.expect_problem(403, "forbidden");
    provider.delete(&path, 4).await.expect_problem(403, "forbidden");
    assert_eq!(keeper.put(&path, 4, service).await.expect(200)["capacity"]["status"], "full", "a new content leaves the capacity");
    keeper.delete(&path, 5).await.expect(204);
    provider.put_any(&capacity, json!({ "status": "open" })).await.expect_problem(410, "gone");
});

on_both!(one_key_creates_one_service, |db| async move {
    let caller = directory(db).await;
    let (first, again) = (caller.post_once(PATH, "k1", pantry()).await, caller.post_once(PATH, "k1", pantry()).await);
    assert_eq!((first.status, first.id()), (201, again.id()));
    caller.post_once(PATH, "k1", json!({ "name": "Other" })).await.expect_problem(422, "idempotency_key_reused");
    assert_eq!(names(&caller.get(PATH).await).len(), 1);
});

on_both!(who_has_a_service_is_sent_it_again_where_time_or_the_reader_make_it_another, |db| async move {
    let mut keeper = TestApp::with(db, &["--public-directory"]).await.tenant("Valley 211", OrganizationKind::Directory).await;
    let app = keeper.app.clone();
    let mut service = pantry();
    service["verification"] = json!({ "last_verified_on": "2026-01-01" });
    let path = format!("{PATH}/{}", create(&keeper, service).await);
    let again = async |caller: &Caller, tag: &str| {
        caller.app.send(caller.request(Method::GET, &path).insert_header(("if-none-match", tag.to_owned()))).await
    };
    let tag = keeper.get(&path).await.header("etag").unwrap().to_owned();
    let kept = again(&keeper, &tag).await;
    assert_eq!((kept.status, kept.header("etag"), kept.bytes.len()), (304, Some(tag.as_str()), 0));
    assert_eq!(again(&keeper, &format!("\"7\", W/{tag}")).await.status, 304);
    again(&keeper, "\"1\"").await.expect(200);
    assert_eq!(again(&keeper, "*").await.status, 304);

    // What link workers note for each other is not anyone's.
    let stranger = app.stranger();
    assert_eq!(again(&stranger, &tag).await.expect(200)["connector_notes"], Value::Null);
    let theirs = stranger.get(&path).await.header("etag").unwrap().to_owned();
    assert_eq!(again(&stranger, &theirs).await.status, 304);
    assert_eq!(again(&keeper, &theirs).await.expect(200)["connector_notes"], "Ask for Dana.");

    // A day later, and when what was said of its room is old.
    app.clock.advance(chrono::Duration::days(1));
    keeper.renew().await;
    assert_eq!(again(&keeper, &tag).await.expect(200)["freshness"]["days_since_verified"], 61);
    keeper.put_any(&format!("{path}/capacity"), json!({ "status": "open" })).await.expect(200);
    let tag = keeper.get(&path).await.header("etag").unwrap().to_owned();
    app.clock.advance(chrono::Duration::days(61));
    keeper.renew().await;
    let stale = again(&keeper, &tag).await;
    assert_eq!(stale.expect(200)["capacity_is_stale"], true);

    // What was given is what a change asks for.
    let tag = stale.header("etag").unwrap().to_owned();
    let change =
        |tag: &str| keeper.request(Method::PATCH, &path).insert_header(("if-match", tag.to_owned())).set_json(json!({ "name": "Pantry" }));
    let changed = app.send(change(&tag)).await;
    assert_eq!((changed.expect(200)["version"].as_i64(), changed.header("etag")), (Some(3), Some("\"3\"")));
    app.send(change(&tag)).await.expect_problem(412, "version_mismatch");
    let put = keeper.request(Method::PUT, &format!("{path}/capacity")).insert_header(("if-match", tag));
    app.send(put.set_json(json!({ "status": "full" }))).await.expect_problem(412, "version_mismatch");
});
