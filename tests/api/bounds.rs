//! What one request may bring about: bounds that keep one caller from holding up all others, and that nobody meets who means well.

use diesel::connection::SimpleConnection as _;
use kith::auth::Scope;
use kith::db::DbConn;
use kith::db::types::Id;
use kith::kind::{OrganizationId, ServiceId};
use kith::matching::model::{UnmetNeedInput, UnmetNeedRow};
use kith::matching::repository::insert_unmet;
use kith::openapi::document;
use kith::organizations::model::OrganizationKind;
use kith::services::model::ServiceInput;
use kith::services::repository;
use serde_json::{Value, json};

use crate::bulk;
use crate::client::{Caller, TestApp};
use crate::duplicates::{Valley, path};
use crate::harness::{FIRST_IDS, TestDb, many_rows, numbered_id, until};
use crate::plans::many_more;
use crate::referrals::Town;

fn fault(pointer: &str, code: &str) -> [(String, String); 1] {
    [(pointer.to_owned(), code.to_owned())]
}

/// A directory with a service, and where that is.
async fn directory(db: TestDb, service: Value) -> (Caller, String) {
    let keeper = TestApp::new(db).await.tenant("Valley 211", OrganizationKind::Directory).await;
    let created = keeper.post("/v1/services", service).await;
    created.expect(201);
    let path = path(&created.id(), "");
    (keeper, path)
}

on_both!(a_body_with_more_values_than_any_resource_has_is_not_read, |db| async move {
    let (keeper, service) = directory(db, json!({ "name": "Lunch Club" })).await;
    let suggest = async |zeros: usize| {
        keeper.post(&format!("{service}/suggestions"), json!({ "base_version": 1, "patch": { "places": vec![0; zeros] } })).await
    };
    suggest(100_001).await.expect_problem(400, "malformed_request");
    assert_eq!(suggest(1_000).await.faults(422).len(), 100, "of many faults a hundred are told");
});

on_both!(whoever_may_not_change_a_resource_hears_that_before_what_is_wrong_with_the_change, |db| async move {
    let (keeper, service) = directory(db, json!({ "name": "Lunch Club" })).await;
    let other = keeper.app.clinic().await;
    other.patch(&service, 1, json!({ "name": 7 })).await.expect_problem(403, "forbidden");
    assert_eq!(keeper.patch(&service, 1, json!({ "name": 7 })).await.faults(422), fault("/name", "type"));
    keeper.patch(&service, 2, json!({ "name": 7 })).await.expect_problem(412, "version_mismatch");
});

on_both!(a_suggestion_that_was_made_is_answered_again_whatever_has_become_of_the_service, |db| async move {
    let (keeper, service) = directory(db, json!({ "name": "Lunch Club" })).await;
    let (path, body) = (format!("{service}/suggestions"), json!({ "base_version": 1, "patch": { "name": "Tea" } }));
    let first = keeper.post_once(&path, "key", body.clone()).await.expect(201);
    keeper.patch(&service, 1, json!({ "name": "Tea" })).await.expect(200);
    assert_eq!(keeper.post_once(&path, "key", body.clone()).await.expect(201), first);
    keeper.post(&path, body).await.expect_problem(409, "suggestion_unneeded");
});

on_both!(a_service_does_not_grow_without_end, |db| async move {
    let (keeper, service) = directory(db, json!({ "name": "Lunch Club" })).await;
    let more = |key: &str| json!({ "source_fields": { key: "x".repeat(600_000) } });
    keeper.patch(&service, 1, more("a")).await.expect(200);
    assert_eq!(keeper.patch(&service, 2, more("b")).await.faults(422), fault("", "too_long"));
    keeper.patch(&service, 2, json!({ "source_fields": { "a": null, "b": 1 } })).await.expect(200);
    let long = json!({
        "alternate_names": ["x".repeat(301)],
        "eligibility": { "populations": ["x".repeat(301)], "documents_required": ["x".repeat(1_000), "x".repeat(1_001)] },
    });
    let faults = keeper.patch(&service, 3, long).await.faults(422);
    let places = ["/alternate_names/0", "/eligibility/documents_required/1", "/eligibility/populations/0"];
    assert_eq!(faults, places.map(|place| (place.to_owned(), "too_long".to_owned())));
});

on_both!(what_no_field_holds_has_so_many_values_and_no_more, |db| async move {
    let rows = |number: usize| json!({ "source_fields": { "rows": vec![json!({ "a": 1 }); number] } });
    let (keeper, service) = directory(db, json!({ "name": "Lunch Club" })).await;
    // The list, and two for each object in it.
    keeper.patch(&service, 1, rows(14_999)).await.expect(200);
    assert_eq!(keeper.patch(&service, 2, rows(15_000)).await.faults(422), fault("/source_fields", "too_many"));
    let suggest = async |patch: Value| keeper.post(&format!("{service}/suggestions"), json!({ "base_version": 2, "patch": patch })).await;
    assert_eq!(suggest(rows(2_500)).await.faults(422), fault("/patch", "too_many"));
    suggest(rows(2_400)).await.expect(201);
});

on_both!(a_service_that_was_kept_with_more_values_is_edited_as_long_as_these_stay_as_they_are, |db| async move {
    let whole = |key: &str, rows: usize, notes: &str| {
        json!({ "name": "Lunch Club", "identifiers": [{ "system": "urn:example:211", "value": key }], "connector_notes": notes,
            "source_fields": { "rows": vec![0; rows] } })
    };
    let (keeper, service) = directory(db, whole("svc-1", 1, "Ask for Dana.")).await;
    let (id, now): (ServiceId, _) = (service.rsplit('/').next().unwrap().parse().unwrap(), keeper.app.clock.now());
    let keep_more = move |conn: &mut DbConn| {
        let row = repository::find(conn, id)?.unwrap();
        let more = [("rows".to_owned(), json!(vec![0; 40_000]))].into();
        repository::update(conn, &row.with_content(ServiceInput { source_fields: more, ..row.content.0.clone() }, now))
    };
    assert!(keeper.app.state.db.write(keep_more).await.unwrap());

    keeper.patch(&service, 2, json!({ "connector_notes": "Ask for Sam." })).await.expect(200);
    keeper.put(&service, 3, whole("svc-1", 40_000, "Ask for Lee.")).await.expect(200);
    let too_many = fault("/source_fields", "too_many");
    assert_eq!(keeper.patch(&service, 4, json!({ "source_fields": { "more": 1 } })).await.faults(422), too_many);
    assert_eq!(keeper.put(&service, 4, whole("svc-1", 40_001, "Ask for Lee.")).await.faults(422), too_many);
    let suggest = async |patch: Value| keeper.post(&format!("{service}/suggestions"), json!({ "base_version": 4, "patch": patch })).await;
    suggest(json!({ "connector_notes": null })).await.expect(201);
    assert_eq!(suggest(json!({ "source_fields": { "more": 1 } })).await.faults(422), fault("/patch/source_fields", "too_many"));

    let lines = [("svc-1", 40_000, "Ask for Kim."), ("svc-1", 40_001, "Ask for Kim."), ("svc-2", 40_000, "Ask for Kim.")]
        .map(|(key, rows, notes)| json!({ "type": "service", "resource": whole(key, rows, notes) }));
    let job = bulk::load(&keeper, bulk::text(&lines)).await;
    assert_eq!(bulk::counts(&job), [0, 1, 0, 2], "{job:#}");
    for refused in &bulk::results(&keeper, &job).await[1..] {
        let fault = &refused["problem"]["errors"][0];
        assert_eq!((&fault["pointer"], &fault["code"]), (&json!("/resource/source_fields"), &json!("too_many")), "{refused}");
    }
    let read = keeper.get(&service).await.expect(200);
    assert_eq!((&read["version"], &read["connector_notes"]), (&json!(5), &json!("Ask for Kim.")));
    assert_eq!(read["source_fields"]["rows"].as_array().unwrap().len(), 40_000);
});

/// The versions that each page of the journal tells, from the first to the last.
async fn versions_by_page(caller: &Caller, path: &str) -> Vec<Vec<i64>> {
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = caller.get(&format!("{path}limit=200{cursor}")).await.expect(200);
        pages.push(page["items"].as_array().unwrap().iter().map(|item| item["version"].as_i64().unwrap()).collect());
        // The feed always says where to go on.
        match page["next"].as_str().filter(|_| page["has_more"] != false) {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return pages,
        }
    }
}

on_both!(what_is_read_of_the_journal_at_once_is_bounded_in_bytes_too, |db| async move {
    let large = json!({ "name": "Lunch Club", "source_fields": { "page": "x".repeat(1_000_000) } });
    let (keeper, service) = directory(db, large).await;
    let app = &keeper.app;
    app.is_readable().await;
    let endpoint = json!({ "url": "https://hooks.invalid/kith", "event_types": ["service.updated"] });
    let endpoint = keeper.make("/v1/webhook-endpoints", endpoint).await;
    for version in 1..20 {
        keeper.patch(&service, version, json!({ "name": format!("Lunch Club {version}") })).await.expect(200);
    }
    app.is_readable().await;
    let all: Vec<i64> = (1..=20).collect();
    for path in [format!("{service}/history?"), "/v1/changes?resource_type=service&".to_owned()] {
        let pages = versions_by_page(&keeper, &path).await;
        assert_eq!(pages.concat(), all, "{path}");
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [9, 9, 2], "eight mebibytes, and what went over them");
    }
    let other = keeper.only(&[Scope::OrganizationsRead]).await;
    let piece = other.get("/v1/changes?limit=200").await.expect(200);
    let is_of_services = |item: &Value| item["resource_type"] == "service";
    assert!(!piece["items"].as_array().unwrap().iter().any(is_of_services));
    assert_eq!(piece["has_more"], false, "what somebody does not see is not read");

    let engine = kith::webhooks::Engine::new(app.state.clone());
    let waiting = format!("/v1/webhook-endpoints/{endpoint}/deliveries?status=pending&limit=200");
    until("each is queued", async || {
        engine.dispatch().await.unwrap();
        keeper.get(&waiting).await.expect(200)["items"].as_array().unwrap().len() == 19
    })
    .await;
});

on_both!(a_list_of_capacities_writes_so_much_and_leaves_the_rest_for_another, |db| async move {
    let (keeper, service) = directory(db, json!({ "name": "Lunch Club", "source_fields": { "page": "x".repeat(1_030_000) } })).await;
    let id = service.rsplit('/').next().unwrap();
    let line = |number: usize| json!({ "service_id": id, "key": format!("k{number}"), "capacity": { "status": "open" } });
    let set = async |lines: Vec<Value>| keeper.post("/v1/services/capacities", json!({ "items": lines })).await.expect(200);
    let answers = set((0..20).map(line).collect()).await;
    assert_eq!((&answers["set"], &answers["refused"]), (&json!(17), &json!(3)));
    assert_eq!(answers["items"][17]["problem"]["code"], "too_much_at_once");
    assert_eq!(set((17..20).map(line).collect()).await["set"], 3);
});

/// Twenty thousand slots more, like the one that there is.
fn many_slots(on_sqlite: bool) -> String {
    let columns = format!(
        "{}, one.organization_id, one.service_id, one.practitioner_id, one.starts_at, one.ends_at, one.places, one.is_closed, \
         one.content, one.version, one.created_at, one.updated_at, one.deleted_at",
        numbered_id(FIRST_IDS, on_sqlite)
    );
    many_rows("slots", 20_000, &columns, "SELECT * FROM slots LIMIT 1")
}

on_both!(a_duplicate_to_which_very_much_belongs_is_no_duplicate_but_what_the_other_is_merged_into, |db| async move {
    let valley = Valley::new(db).await;
    let slot = json!({ "service_id": valley.second, "starts_at": "2026-03-09T17:00:00Z", "ends_at": "2026-03-09T18:00:00Z" });
    valley.keeper.post("/v1/slots", slot).await.expect(201);
    let app = &valley.keeper.app;
    let more = many_slots(app.database_url().starts_with("sqlite:"));
    app.state.db.write(move |conn| Ok(conn.batch_execute(&more)?)).await.unwrap();
    let merge = async |one: &str, other: &str| valley.keeper.post(&path(one, "/merge"), json!({ "duplicate_id": other })).await;
    merge(&valley.first, &valley.second).await.expect_problem(409, "too_much_at_once");
    assert_eq!(valley.keeper.get(&path(&valley.second, "")).await.expect(200)["version"], 1, "nothing is half done");
    merge(&valley.second, &valley.first).await.expect(200);
});

on_both!(what_waits_for_a_disabled_endpoint_is_cancelled_piece_by_piece, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    let endpoint = clinic.post("/v1/webhook-endpoints", json!({ "url": "https://hooks.invalid/kith" })).await.id();
    let endpoint = format!("/v1/webhook-endpoints/{endpoint}");
    clinic.post("/v1/patients", json!({ "names": [{ "family": "Tremblay" }] })).await.expect(201);
    let is_any = async |status: &str| {
        let page = clinic.get(&format!("{endpoint}/deliveries?status={status}&limit=1")).await.expect(200);
        page["items"][0].is_object()
    };
    let engine = kith::webhooks::Engine::new(app.state.clone());
    until("a delivery waits", async || {
        engine.dispatch().await.unwrap();
        is_any("pending").await
    })
    .await;
    let more = many_more(app.database_url().starts_with("sqlite:"));
    app.state.db.write(move |conn| Ok(conn.batch_execute(&more)?)).await.unwrap();
    clinic.patch(&endpoint, 1, json!({ "status": "disabled" })).await.expect(200);
    assert!(is_any("cancelled").await && is_any("pending").await, "most of it, and not all at once");
    engine.cancel_rest().await.unwrap();
    assert!(is_any("cancelled").await && !is_any("pending").await);

    // As if none of it had been cancelled yet: then it is more than one request cancels.
    let all = "UPDATE webhook_deliveries SET status = 'pending', finished_at = NULL";
    app.state.db.write(move |conn| Ok(conn.batch_execute(all)?)).await.unwrap();
    let active = json!({ "status": "active" });
    clinic.patch(&endpoint, 2, active.clone()).await.expect_problem(409, "too_much_at_once");
    clinic.patch(&endpoint, 2, json!({ "description": "Ours" })).await.expect(200);
    engine.cancel_rest().await.unwrap();
    assert!(!is_any("pending").await);
    clinic.patch(&endpoint, 3, active).await.expect(200);
    engine.deliver().await.unwrap();
    assert!(!is_any("pending").await && !is_any("delivered").await && !is_any("failed").await);
});

/// What the document says of a POST.
fn told_of(path: &str) -> &'static str {
    document()["paths"][path]["post"]["description"].as_str().unwrap()
}

on_both!(of_what_goes_on_by_itself_an_organization_has_as_much_as_the_document_says, |db| async move {
    let clinic = TestApp::new(db).await.clinic().await;
    type Body = fn(i32) -> Value;
    let endpoint: Body = |_| json!({ "url": "https://hooks.example.ca/kith" });
    let source: Body = |number| json!({ "name": format!("partner-{number}"), "url": "https://directory.example.ca/hsds" });
    let made = [("/v1/webhook-endpoints", endpoint, "too_many_endpoints"), ("/v1/sources", source, "too_many_sources")];
    for (path, body, code) in made {
        assert!(told_of(path).contains("at most 100 "), "{path}");
        for number in 0..100 {
            clinic.post(path, body(number)).await.expect(201);
        }
        clinic.post(path, body(100)).await.expect_problem(409, code);
    }
    for path in ["/v1/imports", "/v1/exports"] {
        assert!(told_of(path).contains("at most 20 imports and exports"), "{path}");
    }
});

on_both!(a_publication_has_as_many_slots_as_the_document_says, |db| async move {
    let clinic = TestApp::new(db).await.clinic().await;
    let worker = clinic.make("/v1/practitioners", json!({ "name": "Harpreet", "roles": ["link_worker"] })).await;
    let day = json!({ "rrule": "FREQ=DAILY", "opens_at": "08:00", "closes_at": "20:00", "time_zone": "America/Vancouver" });
    let publish = async |until: &str| {
        let slots = json!({ "from": "2026-03-10", "until": until, "slot_minutes": 5, "schedules": [day] });
        clinic.post(&format!("/v1/practitioners/{worker}/slots"), slots).await
    };
    assert_eq!(publish("2026-03-16").await.faults(422), fault("/until", "too_many"), "seven days of 144");
    assert_eq!(publish("2026-03-15").await.expect(200)["created"], 864);
    for path in ["/v1/practitioners/{id}/slots", "/v1/services/{id}/slots"] {
        assert!(told_of(path).contains("at most 1,000 slots"), "{path}");
    }
});

on_both!(organizations_are_part_of_each_other_over_twenty_levels_at_most, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let add = async |whole: Option<&String>| {
        caller.post("/v1/organizations", json!({ "name": "Branch", "kind": "agency", "parent_id": whole })).await
    };
    let mut ids: Vec<String> = Vec::new();
    for _ in 0..20 {
        let added = add(ids.last()).await;
        added.expect(201);
        ids.push(added.id());
    }
    assert_eq!(add(ids.last()).await.faults(422), fault("/parent_id", "too_many"));
    let above = add(None).await.id();
    let join = async |part: &str| caller.patch(&format!("/v1/organizations/{part}"), 1, json!({ "parent_id": above })).await;
    assert_eq!(join(&ids[0]).await.faults(422), fault("/parent_id", "too_many"), "what is below counts too");
    join(&ids[1]).await.expect(200);
});

/// Organizations more than SQLite takes ids in one statement, like the one that is called Branch.
async fn many_branches(caller: &Caller) {
    let columns = format!(
        "{}, one.organization_id, one.parent_id, one.kind, one.name, one.name_key, one.is_active, one.content, one.version, \
         one.created_at, one.updated_at, one.deleted_at",
        numbered_id(FIRST_IDS, caller.app.database_url().starts_with("sqlite:"))
    );
    let more = many_rows("organizations", 33_000, &columns, "SELECT * FROM organizations WHERE name = 'Branch'");
    caller.app.state.db.write(move |conn| Ok(conn.batch_execute(&more)?)).await.unwrap();
}

on_both!(an_organization_of_very_many_parts_can_become_a_part_itself, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let add = async |name: &str, whole: Option<&String>| {
        caller.post("/v1/organizations", json!({ "name": name, "kind": "agency", "parent_id": whole })).await.id()
    };
    let (above, whole) = (add("Above", None).await, add("Whole", None).await);
    add("Branch", Some(&whole)).await;
    many_branches(&caller).await;
    caller.patch(&format!("/v1/organizations/{whole}"), 1, json!({ "parent_id": above })).await.expect(200);
});

on_both!(what_very_many_parts_of_an_organization_find_unmet_is_counted, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let branch = json!({ "name": "Branch", "kind": "agency", "parent_id": caller.organization_id });
    let branch: OrganizationId = caller.post("/v1/organizations", branch).await.id().parse().unwrap();
    many_branches(&caller).await;
    let now = caller.app.clock.now();
    let unmet: UnmetNeedInput = serde_json::from_value(json!({ "domain": "stress", "reasons": ["no_service"] })).unwrap();
    let find = move |conn: &mut DbConn| {
        (0..5).try_for_each(|_| insert_unmet(conn, &UnmetNeedRow::new(Id::generate(), Some(branch), unmet.clone(), now)))
    };
    caller.app.state.db.write(find).await.unwrap();
    for query in ["", "?domain=stress&since=2026-03-01T00:00:00Z"] {
        let counts = caller.get(&format!("/v1/unmet-needs/counts{query}")).await.expect(200);
        assert_eq!(counts["items"][0]["count"], 5, "{query}: {counts}");
    }
});

on_both!(a_referral_goes_on_from_a_hundred_others_at_most, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let go_on = async |parent: Option<&String>| {
        let mut onward = town.navigation(&patient);
        onward["parent_id"] = json!(parent);
        town.clinic.post("/v1/referrals?draft=true", onward).await
    };
    let mut last = go_on(None).await.id();
    for _ in 0..100 {
        let next = go_on(Some(&last)).await;
        next.expect(201);
        last = next.id();
    }
    assert_eq!(go_on(Some(&last)).await.faults(422), fault("/parent_id", "too_many"));
    town.clinic.patch(&format!("/v1/referrals/{last}"), 1, json!({ "reason": "Alone since the autumn." })).await.expect(200);
});
