//! Organizations, and with them the verbs that every resource shares.

use actix_web::http::Method;
use kith::auth::{Scope, Scopes};
use serde_json::{Value, json};

use crate::client::TestApp;

const PATH: &str = "/v1/organizations";

fn agency(name: &str) -> Value {
    json!({ "name": name, "kind": "agency", "identifiers": [{ "system": "urn:example:211", "value": name }] })
}

on_both!(an_organization_that_systems_call_for_is_neither_deleted_nor_closed_by_others, |db| async move {
    let app = TestApp::new(db).await;
    let directory = app.clinic().await;
    directory.delete(&format!("{PATH}/{}", directory.organization_id), 1).await.expect_problem(409, "organization_in_use");
    let listed = directory.post(PATH, agency("Food Bank")).await;
    let path = listed.header("location").unwrap().to_owned();
    let itself = app.client(listed.id().parse().unwrap(), Scopes::all_but_admin()).await;
    directory.patch(&path, 1, json!({ "is_active": false })).await.expect_problem(403, "forbidden");
    directory.delete(&path, 1).await.expect_problem(409, "organization_in_use");
    directory.patch(&path, 1, json!({ "description": "Hampers" })).await.expect(200);
    itself.patch(&path, 2, json!({ "is_active": false })).await.expect(200);
});

on_both!(languages_of_an_organization_are_language_tags, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let mut input = agency("Food Bank");
    input["languages"] = json!(["fr", "", "anything at all"]);
    input["translations"] = json!([{ "name": "Banque alimentaire" }]);
    let faults = caller.post(PATH, input).await.faults(422);
    let faults: Vec<(&str, &str)> = faults.iter().map(|(pointer, code)| (pointer.as_str(), code.as_str())).collect();
    assert_eq!(faults, [("/languages/1", "format"), ("/languages/2", "format"), ("/translations/0/language", "required")]);
});

on_both!(an_organization_is_created_read_changed_and_deleted, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let created = caller.post(PATH, agency("Food Bank")).await;
    let body = created.expect(201);
    let path = created.header("location").unwrap().to_owned();
    assert_eq!(path, format!("{PATH}/{}", created.id()));
    assert_eq!(created.header("etag"), Some("\"1\""));
    assert_eq!((&body["version"], &body["is_active"], &body["description"]), (&json!(1), &json!(true), &Value::Null));

    let read = caller.get(&path).await;
    assert_eq!(read.expect(200), body);
    let patched = caller.patch(&path, 1, json!({ "description": "Hampers", "identifiers": null })).await;
    let after = patched.expect(200);
    assert_eq!((&after["version"], &after["description"], &after["name"]), (&json!(2), &json!("Hampers"), &json!("Food Bank")));
    let cleared = caller.patch(&path, 2, json!({ "description": null })).await.expect(200);
    assert_eq!(cleared["description"], Value::Null);
    let replaced = caller.put(&path, 3, agency("Pantry")).await.expect(200);
    assert_eq!((&replaced["name"], &replaced["version"]), (&json!("Pantry"), &json!(4)));

    caller.delete(&path, 4).await.expect(204);
    caller.get(&path).await.expect_problem(410, "gone");
    caller.patch(&path, 5, json!({})).await.expect_problem(410, "gone");
    let history = caller.get(&format!("{path}/history")).await.expect(200);
    let actions: Vec<_> = history["items"].as_array().unwrap().iter().map(|revision| revision["action"].clone()).collect();
    assert_eq!(actions, ["created", "updated", "updated", "updated", "deleted"]);
    assert_eq!(history["items"][1]["resource"]["description"], "Hampers");
    assert!(caller.get(PATH).await.expect(200)["items"].as_array().unwrap().iter().all(|item| item["id"] != created.id()));
});

on_both!(a_change_needs_the_version_it_is_based_on, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let path = caller.post(PATH, agency("Food Bank")).await.header("location").unwrap().to_owned();
    caller.put_any(&path, agency("Other")).await.expect_problem(428, "precondition_required");
    caller.patch(&path, 1, json!({ "description": "one" })).await.expect(200);
    let late = caller.patch(&path, 1, json!({ "description": "two" })).await;
    let problem = late.expect_problem(412, "version_mismatch");
    assert_eq!((problem["current_version"].as_i64(), late.header("etag")), (Some(2), Some("\"2\"")));
    caller.delete(&path, 1).await.expect_problem(412, "version_mismatch");
    let cached = caller.app.send(caller.request(Method::GET, &path).insert_header(("if-none-match", "\"2\""))).await;
    assert_eq!((cached.status, cached.bytes.len()), (304, 0));
    let stale = caller.app.send(caller.request(Method::GET, &path).insert_header(("if-none-match", "\"1\""))).await;
    stale.expect(200);
});

on_both!(every_fault_of_a_body_is_told_at_once, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let answer = caller
        .post(PATH, json!({ "kind": "castle", "time_zone": 5, "colour": "red", "point": { "latitude": 91, "longitude": "x" }, "policies": { "decide_days": -1 } }))
        .await;
    let faults = answer.faults(422);
    let found: Vec<(&str, &str)> = faults.iter().map(|(pointer, code)| (pointer.as_str(), code.as_str())).collect();
    assert_eq!(
        found,
        [
            ("/colour", "unknown_field"),
            ("/kind", "not_allowed"),
            ("/name", "required"),
            ("/point/latitude", "out_of_range"),
            ("/point/longitude", "type"),
            ("/policies/decide_days", "out_of_range"),
            ("/time_zone", "type"),
        ]
    );
    let zone = caller.post(PATH, json!({ "name": "x", "kind": "agency", "time_zone": "Mars/Olympus" })).await;
    assert_eq!(zone.faults(422), [("/time_zone".into(), "unknown_time_zone".into())]);
});

on_both!(what_is_no_valid_request_is_a_problem_document, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let send = |text: &'static str, kind: &'static str| {
        let request = caller.request(Method::POST, PATH).insert_header(("content-type", kind)).set_payload(text);
        let app = caller.app.clone();
        async move { app.send(request).await }
    };
    send("{", "application/json").await.expect_problem(400, "malformed_request");
    send("{\"name\":\"a\",\"name\":\"b\"}", "application/json").await.expect_problem(400, "malformed_request");
    send("{}", "text/plain").await.expect_problem(415, "unsupported_media_type");
    send("{\"name\":\"\\u0000\"}", "application/json").await.expect_problem(422, "invalid_request");
    caller.get(&format!("{PATH}/nonsense")).await.expect_problem(400, "malformed_request");
    caller.get(&format!("{PATH}?colour=red")).await.expect_problem(400, "malformed_request");
    caller.get(&format!("{PATH}?limit=0")).await.expect_problem(400, "malformed_request");
    caller.get(&format!("{PATH}?parent_id=")).await.expect_problem(400, "malformed_request");
    caller.get(&format!("{PATH}/{}?limit=5", caller.organization_id)).await.expect_problem(400, "malformed_request");
    let several = caller.get(&format!("{PATH}?limit=0&colour=red&is_active=perhaps")).await.expect_problem(400, "malformed_request");
    let mut told: Vec<&str> = several["errors"].as_array().unwrap().iter().map(|fault| fault["pointer"].as_str().unwrap()).collect();
    told.sort_unstable();
    assert_eq!(told, ["colour", "is_active", "limit"]);
    caller.get(&format!("{PATH}?cursor=abc")).await.expect_problem(400, "malformed_request");
    caller.get("/v1/castles").await.expect_problem(404, "not_found");
    let wrong = caller.app.send(caller.request(Method::DELETE, PATH)).await;
    wrong.expect_problem(405, "method_not_allowed");
    assert_eq!(wrong.header("allow"), Some("GET, HEAD, POST"));
    let wrong = caller.get(&format!("{PATH}/by-identifier?system=a")).await;
    wrong.expect_problem(405, "method_not_allowed");
    assert_eq!(wrong.header("allow"), Some("PUT"), "not that of an organization by its id as well");
    let wrong = caller.get(&format!("/v1/referrals/{}/messages/acknowledge", caller.organization_id)).await;
    wrong.expect_problem(405, "method_not_allowed");
    assert_eq!(wrong.header("allow"), Some("POST"), "not that of a message by its id as well");
    caller.get(&format!("{PATH}/01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10")).await.expect_problem(404, "not_found");
    let long = "x".repeat(2 << 20);
    let large =
        caller.app.send(caller.request(Method::POST, PATH).insert_header(("content-type", "application/json")).set_payload(long)).await;
    large.expect_problem(413, "body_too_large");
});

on_both!(an_identifier_is_one_organizations_own_and_a_put_by_it_syncs, |db| async move {
    let app = TestApp::new(db).await;
    let (caller, other) = (app.clinic().await, app.clinic().await);
    let path = format!("{PATH}/by-identifier?system=urn:example:211&value=Food%20Bank");
    let created = caller.put_any(&path, agency("Food Bank")).await;
    created.expect(201);
    let again = caller.put_any(&path, agency("Food Bank")).await;
    assert_eq!((again.expect(200)["version"].as_i64(), again.id()), (Some(2), created.id()));
    assert_ne!(other.put_any(&path, agency("Food Bank")).await.id(), created.id());
    caller.post(PATH, agency("Food Bank")).await.expect_problem(409, "duplicate");
    assert_eq!(caller.put_any(&path, agency("Pantry")).await.faults(422), [("/identifiers".into(), "missing_identifier".into())]);
    caller.delete(&format!("{PATH}/{}", created.id()), 2).await.expect(204);
    assert_ne!(caller.put_any(&path, agency("Food Bank")).await.id(), created.id());
});

on_both!(an_idempotency_key_has_one_effect, |db| async move {
    let app = TestApp::new(db).await;
    let (caller, other) = (app.clinic().await, app.clinic().await);
    let first = caller.post_once(PATH, "k1", json!({ "name": "A", "kind": "agency" })).await;
    first.expect(201);
    let second = caller.post_once(PATH, "k1", json!({ "name": "A", "kind": "agency" })).await;
    assert_eq!((second.status, second.bytes.clone(), second.header("location")), (201, first.bytes.clone(), first.header("location")));
    caller.post_once(PATH, "k1", json!({ "name": "B", "kind": "agency" })).await.expect_problem(422, "idempotency_key_reused");
    assert_ne!(other.post_once(PATH, "k1", json!({ "name": "A", "kind": "agency" })).await.id(), first.id());
    caller.post_once(PATH, "k2", json!({ "name": "" , "kind": "agency" })).await.expect(422);
    caller.post_once(PATH, "k2", json!({ "name": "C", "kind": "agency" })).await.expect(201);
    let mut later = caller.clone();
    app.clock.advance(chrono::Duration::days(8));
    later.renew().await;
    assert_ne!(later.post_once(PATH, "k1", json!({ "name": "A", "kind": "agency" })).await.id(), first.id());
});

on_both!(pages_walk_every_organization_once_while_others_are_added, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    for number in 0..7 {
        caller.post(PATH, json!({ "name": format!("Étoile {number}"), "kind": "agency" })).await.expect(201);
    }
    let (mut seen, mut next) = (Vec::new(), format!("{PATH}?name=etoile&limit=3"));
    loop {
        let answer = caller.get(&next).await;
        let page = answer.expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()));
        caller.post(PATH, json!({ "name": "Other", "kind": "agency" })).await.expect(201);
        let Some(link) = answer.header("link") else {
            assert_eq!(page["next"], Value::Null);
            break;
        };
        next = link.strip_prefix('<').unwrap().split('>').next().unwrap().to_owned();
        assert!(next.contains(page["next"].as_str().unwrap()));
    }
    assert_eq!(seen, (0..7).map(|number| format!("Étoile {number}")).collect::<Vec<_>>());
    let page = caller.get(&format!("{PATH}?limit=1")).await.expect(200);
    let elsewhere = format!("{PATH}?limit=1&kind=clinic&cursor={}", page["next"].as_str().unwrap());
    caller.get(&elsewhere).await.expect_problem(400, "malformed_request");
});

on_both!(only_the_keeper_and_the_organization_itself_may_change_it, |db| async move {
    let app = TestApp::new(db).await;
    let (keeper, other) = (app.clinic().await, app.clinic().await);
    let path = keeper.post(PATH, agency("Food Bank")).await.header("location").unwrap().to_owned();
    other.get(&path).await.expect(200);
    other.patch(&path, 1, json!({ "description": "mine" })).await.expect_problem(403, "forbidden");
    let itself = format!("{PATH}/{}", other.organization_id);
    other.patch(&itself, 1, json!({ "description": "mine" })).await.expect(200);
    let reader = other.only(&[Scope::OrganizationsRead]).await;
    reader.post(PATH, agency("x")).await.expect_problem(403, "insufficient_scope");
    app.stranger().get(&path).await.expect_problem(401, "unauthenticated");
    let circle = other.patch(&itself, 2, json!({ "parent_id": other.organization_id })).await;
    assert_eq!(circle.faults(422), [("/parent_id".into(), "circular".into())]);
});

on_both!(the_keys_of_an_organization_are_its_keepers_alone, |db| async move {
    let app = TestApp::new(db).await;
    let keeper = app.clinic().await;
    let created = keeper.post(PATH, agency("Food Bank")).await;
    let path = created.header("location").unwrap().to_owned();
    let other = json!([{ "system": "urn:example:211", "value": "Pantry" }]);
    keeper.post(PATH, agency("Pantry")).await.expect(201);
    let itself = app.client(created.id().parse().unwrap(), Scopes::all_but_admin()).await;
    let fault = [("/identifiers".into(), "not_allowed".into())];
    for keys in [json!([]), other, json!([{ "system": "urn:example:211", "value": "new" }])] {
        assert_eq!(
            itself.patch(&path, 1, json!({ "identifiers": keys })).await.faults(422),
            fault,
            "whether the keeper has it is not told"
        );
    }
    itself.patch(&path, 1, json!({ "description": "Hampers" })).await.expect(200);
    let same = keeper.put_any(&format!("{PATH}/by-identifier?system=urn:example:211&value=Food%20Bank"), agency("Food Bank")).await;
    same.expect(200);
    assert_eq!(same.id(), created.id());
});

on_both!(a_circle_of_organizations_that_is_there_holds_up_nobody_and_is_not_made_larger, |db| async move {
    let app = TestApp::new(db).await;
    let caller = app.clinic().await;
    let mut ids = Vec::new();
    for name in ["Whole", "Part", "Below"] {
        ids.push(caller.post(PATH, agency(name)).await.id());
    }
    // As imports of before have left them: the first two are part of each other, the third is part of them.
    let (whole, part) = (ids[0].clone(), ids[1].clone());
    let parents = [(whole.clone(), part.clone()), (part, whole.clone()), (ids[2].clone(), whole)];
    let circle = app.state.db.write(move |conn| {
        use diesel::RunQueryDsl as _;
        for (part, whole) in &parents {
            let content = match conn {
                kith::db::DbConn::Sqlite(_) => format!("json_set(content, '$.parent_id', '{whole}')"),
                kith::db::DbConn::Pg(_) => format!("jsonb_set(content, '{{parent_id}}', '\"{whole}\"')"),
            };
            let update = format!("UPDATE organizations SET parent_id = '{whole}', content = {content} WHERE id = '{part}'");
            diesel::sql_query(update).execute(conn)?;
        }
        Ok(())
    });
    circle.await.unwrap();
    let told = [("/parent_id".to_owned(), "circular".to_owned())];
    let path = |number: usize| format!("{PATH}/{}", ids[number]);
    let beneath = |number: usize| json!({ "name": "New", "kind": "agency", "parent_id": ids[number] });
    let all = async {
        for number in 0..3 {
            assert_eq!(caller.post(PATH, beneath(number)).await.faults(422), told);
            caller.patch(&path(number), 1, json!({ "description": "Hampers" })).await.expect(200);
            assert_eq!(caller.put(&path(number), 2, beneath(number)).await.faults(422), told);
        }
        // Whoever goes elsewhere breaks it.
        let elsewhere = caller.post(PATH, json!({ "name": "Elsewhere", "kind": "agency" })).await.id();
        caller.patch(&path(0), 2, json!({ "parent_id": elsewhere })).await.expect(200);
        for number in 0..3 {
            caller.post(PATH, beneath(number)).await.expect(201);
        }
        caller.patch(&path(0), 3, json!({ "parent_id": null })).await.expect(200);
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), all).await.expect("nothing is held up");
});
