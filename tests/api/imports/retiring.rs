//! What a full list no longer has is retired, and what could not be read is not.

use serde_json::{Value, json};

use super::over_http::{counts, import, pantry, send, services};
use crate::client::TestApp;

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

on_both!(where_it_is_not_known_which_record_was_refused_nothing_is_retired_and_the_report_says_so, |db| async move {
    let app = TestApp::new(db).await;
    let caller = app.clinic().await;
    let all: Vec<Value> = ["a", "b", "c"].iter().map(|id| pantry(id, &format!("Pantry {id}"))).collect();
    import(&caller, "", &all).await;
    let spoiled = format!("{}\n{}\n{{\"id\":\"c\",", all[0], all[1]);
    let answer = send(&caller, "&retire_missing=true", spoiled.clone()).await;
    assert_eq!(counts(&answer), [0, 0, 2, 1, 0, 0]);
    let report = answer.json();
    assert_eq!(report["notices"]["nothing_retired"], 1, "{report}");
    let told = report["lines"].as_array().unwrap().last().unwrap();
    assert_eq!((&told["verdict"], &told["key"], &told["notices"][0]["code"]), (&json!("noted"), &Value::Null, &json!("nothing_retired")));
    assert_eq!(services(&caller).await.iter().filter(|service| service["status"] == "active").count(), 3);

    // One that is refused and has a key is still there, and what is missing beside it is retired.
    let nameless = json!({ "id": "c", "name": "", "status": "active" });
    let answer = import(&caller, "&retire_missing=true", &[all[0].clone(), nameless]).await;
    assert_eq!(counts(&answer), [0, 0, 1, 1, 1, 0], "{}", answer.json());
    let report = answer.json();
    let refused = report["lines"].as_array().unwrap().iter().find(|line| line["verdict"] == "refused").unwrap();
    assert_eq!((&refused["key"], &refused["notices"][0]["code"]), (&json!("c"), &json!("name_missing")));
    let status = async |name: &str| {
        let page = caller.get("/v1/services?status=active&status=inactive&limit=200").await.expect(200);
        let found = page["items"].as_array().unwrap().iter().find(|service| service["name"] == name);
        found.unwrap()["status"].clone()
    };
    assert_eq!((status("Pantry b").await, status("Pantry c").await), (json!("inactive"), json!("active")));

    // Who says so has it retired all the same.
    assert_eq!(counts(&send(&caller, "&retire_missing=true&force=true", spoiled).await), [0, 1, 1, 1, 1, 0]);
    assert_eq!(status("Pantry c").await, "inactive");
});

on_both!(a_service_without_a_name_is_still_there_and_not_its_organization, |db| async move {
    let app = TestApp::new(db).await;
    let caller = app.clinic().await;
    let all: Vec<Value> = ["a", "b", "c", "d"].iter().map(|id| pantry(id, &format!("Pantry {id}"))).collect();
    assert_eq!(counts(&import(&caller, "", &all).await), [4, 0, 0, 0, 0, 1]);
    let mut nameless = all[2].clone();
    nameless["name"] = Value::Null;
    let list = [all[0].clone(), json!({ "id": "b", "status": "active" }), nameless];
    let answer = import(&caller, "&retire_missing=true", &list).await;
    assert_eq!(counts(&answer), [0, 1, 1, 1, 1, 0], "{}", answer.json());
    let report = answer.json();
    assert_eq!(report["notices"]["nothing_retired"], Value::Null, "{report}");
    let refused = report["lines"].as_array().unwrap().iter().find(|line| line["verdict"] == "refused").unwrap();
    assert_eq!((&refused["key"], &refused["notices"][0]["code"]), (&json!("b"), &json!("name_missing")));
    let found = services(&caller).await;
    let mut active: Vec<&str> =
        found.iter().filter(|service| service["status"] == "active").map(|service| service["name"].as_str().unwrap()).collect();
    active.sort_unstable();
    assert_eq!(active, ["Pantry Society", "Pantry a", "Pantry b"], "one is called as its organization");
});

on_both!(services_inside_a_wrapped_organization_are_read_whatever_id_its_wrapper_has, |db| async move {
    let app = TestApp::new(db).await;
    let caller = app.clinic().await;
    let service = |id: &str| json!({ "id": id, "name": format!("Lunch {id}"), "status": "active" });
    let organization = json!({ "id": "o", "name": "Lunch Society", "services": [service("s"), service("t")] });
    let pantry = json!({ "id": "p", "name": "Pantry Society", "description": "A pantry" });
    let bare = [organization.clone(), pantry.clone()];
    assert_eq!(counts(&import(&caller, "", &bare).await), [3, 0, 0, 0, 0, 2]);
    let wrapped = [json!({ "id": "w1", "organization": organization }), json!({ "id": 7, "organization": pantry, "locations": [] })];
    let answer = import(&caller, "&retire_missing=true", &wrapped).await;
    let [created, updated, unchanged, others @ ..] = counts(&answer);
    assert_eq!((created, updated + unchanged, others), (0, 3, [0, 0, 0]), "{}", answer.json());
    let mut found: Vec<String> =
        services(&caller).await.iter().map(|service| format!("{} {}", service["name"], service["status"])).collect();
    found.sort_unstable();
    assert_eq!(found, [r#""Lunch s" "active""#, r#""Lunch t" "active""#, r#""Pantry Society" "active""#]);
});

on_both!(of_an_organization_that_cannot_be_read_the_services_are_still_there, |db| async move {
    let app = TestApp::new(db).await;
    let caller = app.clinic().await;
    let all: Vec<Value> = ["a", "b", "c", "d"].iter().map(|id| pantry(id, &format!("Pantry {id}"))).collect();
    import(&caller, "", &all).await.expect(200);
    let nameless = json!({ "id": "org-1", "name": null, "services": [all[1], all[2]] });
    let answer = import(&caller, "&retire_missing=true", &[all[0].clone(), nameless]).await;
    assert_eq!(counts(&answer), [0, 0, 1, 2, 1, 0], "{}", answer.json());
    // Where one of them cannot be told from others it may be any.
    let mixed = json!({ "id": "org-1", "name": null, "services": [all[1], { "name": "Pantry c" }] });
    let answer = import(&caller, "&retire_missing=true", &[all[0].clone(), mixed]).await;
    assert_eq!(counts(&answer), [0, 0, 1, 2, 0, 0], "{}", answer.json());
    assert_eq!(answer.json()["notices"]["nothing_retired"], 1);
});

on_both!(a_dry_run_retires_as_many_as_the_run_itself, |db| async move {
    let app = TestApp::new(db).await;
    let caller = app.clinic().await;
    let keys = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
    let all: Vec<Value> = keys.iter().map(|id| pantry(id, &format!("Pantry {id}"))).collect();
    import(&caller, "", &all).await.expect(200);
    let found = services(&caller).await;
    let path = |key: &str| {
        let service = found.iter().find(|service| service["name"] == format!("Pantry {key}")).unwrap();
        format!("/v1/services/{}", service["id"].as_str().unwrap())
    };
    let merge = async |into: &str, key: &str| {
        let duplicate = path(key).rsplit('/').next().unwrap().to_owned();
        caller.post(&format!("{into}/merge"), json!({ "duplicate_id": duplicate })).await.expect(200);
    };
    caller.patch(&path("b"), 1, json!({ "status": "inactive" })).await.expect(200);
    let own = caller.post("/v1/services", json!({ "name": "Pantry of our own" })).await.id();
    merge(&format!("/v1/services/{own}"), "c").await;
    merge(&path("e"), "f").await;
    merge(&path("g"), "k").await;

    // Of those that are missing one runs no more, one is kept here, and one is still listed; two are one service.
    let kept: Vec<Value> = all.into_iter().filter(|record| ["a", "g", "h", "i", "j", "l"].iter().any(|key| record["id"] == *key)).collect();
    let dry = import(&caller, "&retire_missing=true&dry_run=true", &kept).await;
    let done = import(&caller, "&retire_missing=true", &kept).await;
    assert_eq!((counts(&dry)[4], counts(&done)[4]), (2, 2), "{} {}", dry.json(), done.json());
});
