//! Importing directories over HTTP: what is created, updated, unchanged, refused or retired.

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::client::{Answer, Caller, TestApp};

fn pantry(id: &str, name: &str) -> Value {
    json!({
        "id": id, "name": name, "status": "active", "description": "Hampers on Fridays.",
        "organization": {"id": "org-1", "name": "Pantry Society"},
        "schedules": [{"freq": "WEEKLY", "byday": "FR", "opens_at": "10:00", "closes_at": "12:00"}],
    })
}

async fn import(caller: &Caller, query: &str, lines: &[Value]) -> Answer {
    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    send(caller, query, body).await
}

async fn send(caller: &Caller, query: &str, body: String) -> Answer {
    let request = caller.request(Method::POST, &format!("/v1/imports/services?source=partner{query}"));
    caller.app.send(request.insert_header(("content-type", "application/x-ndjson")).set_payload(body)).await
}

fn counts(answer: &Answer) -> [u64; 6] {
    assert_eq!(answer.status, 200, "{}", answer.json());
    let report = answer.json();
    ["created", "updated", "unchanged", "refused", "retired", "organizations_created"].map(|name| report[name].as_u64().unwrap())
}

async fn services(caller: &Caller) -> Vec<Value> {
    let answer = caller.get("/v1/services?limit=200").await;
    answer.json()["items"].as_array().cloned().unwrap_or_default()
}

on_both!(records_are_created_updated_unchanged_or_refused, |db| async move {
    let app = TestApp::new(db).await;
    let caller = app.clinic().await;
    let body = format!("{}\nnot json\n\n{}", pantry("a", "North Pantry"), pantry("b", "South Pantry"));
    let answer = send(&caller, "&time_zone=America/Vancouver", body).await;
    assert_eq!(counts(&answer), [2, 0, 0, 1, 0, 1]);
    let refused = &answer.json()["lines"][0];
    assert_eq!(
        (&refused["position"], &refused["verdict"], &refused["notices"][0]["code"]),
        (&json!(2), &json!("refused"), &json!("not_readable"))
    );

    let found = services(&caller).await;
    assert_eq!(found.len(), 2);
    let north = found.iter().find(|service| service["name"] == "North Pantry").unwrap();
    assert_eq!(north["identifiers"], json!([{"system": "partner", "value": "a"}]));
    assert_eq!(north["schedules"][0]["rrule"], "FREQ=WEEKLY;BYDAY=FR");
    assert_eq!(north["need_domains"][0]["basis"], "inferred");
    let provider = caller.get(&format!("/v1/organizations/{}", north["provider_id"].as_str().unwrap())).await.json();
    assert_eq!(
        (&provider["name"], &provider["kind"], &provider["organization_id"]),
        (&json!("Pantry Society"), &json!("agency"), &json!(caller.organization_id))
    );

    // The same again changes nothing; a note that somebody here made outlives what the source changes.
    let query = "&time_zone=America/Vancouver";
    assert_eq!(counts(&import(&caller, query, &[pantry("a", "North Pantry"), pantry("b", "South Pantry")]).await), [0, 0, 2, 0, 0, 0]);
    let path = format!("/v1/services/{}", north["id"].as_str().unwrap());
    let noted = caller.patch(&path, 1, json!({"connector_notes": "Ask for Dana.", "identifiers": [{"system": "partner", "value": "a"}, {"system": "ours", "value": "7"}]})).await;
    assert_eq!(noted.status, 200, "{}", noted.json());
    assert_eq!(counts(&import(&caller, query, &[pantry("a", "North Pantry")]).await), [0, 0, 1, 0, 0, 0]);
    assert_eq!(counts(&import(&caller, query, &[pantry("a", "North Food Pantry")]).await), [0, 1, 0, 0, 0, 0]);
    let north = caller.get(&path).await.json();
    assert_eq!(
        (&north["version"], &north["name"], &north["connector_notes"]),
        (&json!(3), &json!("North Food Pantry"), &json!("Ask for Dana."))
    );
    assert_eq!(north["identifiers"].as_array().unwrap().len(), 2);
    let history = caller.get(&format!("{path}/history")).await.json();
    assert_eq!(history["items"].as_array().unwrap().len(), 3);
});

on_both!(what_a_full_list_lacks_is_retired_and_comes_back, |db| async move {
    let app = TestApp::new(db).await;
    let caller = app.clinic().await;
    let all: Vec<Value> = ["a", "b", "c"].iter().map(|id| pantry(id, &format!("Pantry {id}"))).collect();
    assert_eq!(counts(&import(&caller, "", &all).await), [3, 0, 0, 0, 0, 1]);
    let refused = import(&caller, "&retire_missing=true", &all[..1]).await;
    assert_eq!((refused.status, &refused.json()["code"]), (409, &json!("too_many_missing")));
    assert_eq!(counts(&import(&caller, "&retire_missing=true", &all[..2]).await), [0, 0, 2, 0, 1, 0]);
    assert_eq!(counts(&import(&caller, "&retire_missing=true", &all[..2]).await), [0, 0, 2, 0, 0, 0]);
    assert_eq!(counts(&import(&caller, "&retire_missing=true&force=true", &all[..1]).await), [0, 0, 1, 0, 1, 0]);
    assert_eq!(counts(&import(&caller, "", &all).await), [0, 2, 1, 0, 0, 0]);
    assert!(services(&caller).await.iter().all(|service| service["status"] == "active"));
});

on_both!(a_service_deleted_here_stays_deleted, |db| async move {
    let app = TestApp::new(db).await;
    let caller = app.clinic().await;
    import(&caller, "", &[pantry("a", "Pantry")]).await;
    let id = services(&caller).await[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(caller.delete(&format!("/v1/services/{id}"), 1).await.status, 204);
    let answer = import(&caller, "", &[pantry("a", "Pantry, again")]).await;
    assert_eq!(counts(&answer), [0, 0, 0, 1, 0, 0]);
    assert_eq!(answer.json()["lines"][0]["notices"][0]["code"], "deleted");
});

on_both!(a_key_that_another_service_has_refuses_only_its_record, |db| async move {
    let app = TestApp::new(db).await;
    let caller = app.clinic().await;
    let own = |value: &str, name: &str| json!({"name": name, "identifiers": [{"system": "partner", "value": value}, {"system": "register", "value": "42"}]});
    let answer = import(&caller, "", &[own("1", "First"), pantry("a", "Pantry"), own("2", "Second")]).await;
    assert_eq!(counts(&answer), [2, 0, 0, 1, 0, 1]);
    let refused = &answer.json()["lines"];
    let refused = refused.as_array().unwrap().iter().find(|line| line["verdict"] == "refused").unwrap();
    assert_eq!((&refused["key"], &refused["notices"][0]["code"]), (&json!("2"), &json!("clash")));
});

on_both!(of_two_imports_of_one_list_at_once_one_creates_what_the_other_then_finds, |db| async move {
    let app = TestApp::new(db).await;
    let caller = app.clinic().await;
    let list: Vec<Value> = (0..40).map(|n| pantry(&format!("p{n}"), &format!("Pantry {n}"))).collect();
    let answers = futures_util::future::join_all((0..4).map(|_| import(&caller, "", &list))).await;
    let counts: Vec<[u64; 6]> = answers.iter().map(counts).collect();
    let sum = |which: usize| counts.iter().map(|count| count[which]).sum::<u64>();
    assert_eq!([sum(0), sum(1), sum(2), sum(3)], [40, 0, 120, 0], "{counts:?}");
    // All of them found the provider new before one of them created it.
    assert_eq!(sum(5), 1, "{counts:?}");
    assert_eq!(services(&caller).await.len(), 40);
});

on_both!(two_directories_may_have_the_same_source, |db| async move {
    let app = TestApp::new(db).await;
    let (one, other) = (app.clinic().await, app.clinic().await);
    assert_eq!(counts(&import(&one, "", &[pantry("a", "Pantry")]).await), [1, 0, 0, 0, 0, 1]);
    assert_eq!(counts(&import(&other, "", &[pantry("a", "Pantry")]).await), [1, 0, 0, 0, 0, 1]);
    assert_eq!(services(&one).await.len(), 2);
});

on_both!(a_body_that_is_no_list_of_records_is_told_so, |db| async move {
    let app = TestApp::with(db, &["--import-limit", "2048"]).await;
    let caller = app.clinic().await;
    let large = import(&caller, "", &vec![pantry("a", "Pantry"); 20]).await;
    assert_eq!((large.status, &large.json()["code"]), (413, &json!("body_too_large")));
    let request = caller.request(Method::POST, "/v1/imports/services?source=x").insert_header(("content-type", "application/json"));
    assert_eq!(app.send(request.set_payload("{}")).await.status, 415);
    for query in ["", "?source=", "?source=x&time_zone=PST", "?source=x&colour=red"] {
        let request = caller.request(Method::POST, &format!("/v1/imports/services{query}"));
        let answer = app.send(request.insert_header(("content-type", "application/x-ndjson")).set_payload("")).await;
        assert_eq!((answer.status, &answer.json()["code"]), (400, &json!("malformed_request")), "{query}");
    }
    assert_eq!(counts(&import(&caller, "", &[]).await), [0; 6]);
});
