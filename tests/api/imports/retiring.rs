//! What a full list no longer has, where some of it could not be read.

use serde_json::{Value, json};

use super::over_http::{counts, import, pantry, services};
use crate::client::TestApp;

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
