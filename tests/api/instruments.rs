//! Instruments: what ships, what can be loaded, and what can no longer change.

use kith::auth::{Scope, Scopes};
use kith::changes::Actor;
use kith::error::Error;
use kith::instruments::loading::{self, Loaded};
use serde_json::{Value, json};

use crate::client::{Caller, TestApp};
use crate::harness::TestDb;

const PATH: &str = "/v1/instruments";

/// A short instrument of our own making.
pub fn sleep(edition: &str) -> Value {
    json!({
        "code": "sleep-1", "edition": edition, "title": "One question on sleep", "languages": ["en", "fr"],
        "licence": { "summary": "Free.", "attribution": "Alder Falls.", "source": "Its own page." },
        "items": [{
            "link_id": "sleep", "kind": "choice", "text": "Do you sleep well?", "translations": { "fr": "Dormez-vous bien ?" },
            "options": [
                { "code": "yes", "text": "Yes", "score": 0 },
                { "code": "no", "text": "No", "score": 1, "is_positive": true },
            ],
            "need_domains": ["stress"],
        }],
        "scores": [{ "code": "total", "title": "Total", "method": "sum", "items": ["sleep"], "minimum": 0, "maximum": 1, "positive_from": 1 }],
        "need_rules": [{ "id": "poor", "when": { "test": "any_answer", "items": ["sleep"], "answers": ["no"] }, "raises": ["stress"] }],
        "sources": ["Ourselves."],
    })
}

/// The same organization with every scope.
pub async fn admin_of(caller: &Caller) -> Caller {
    caller.app.client(caller.organization_id, Scopes::all()).await
}

async fn admin(db: TestDb) -> Caller {
    admin_of(&TestApp::new(db).await.clinic().await).await
}

on_both!(the_shipped_instruments_are_there_in_full, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let page = caller.get(PATH).await.expect(200);
    let codes: Vec<_> = page["items"].as_array().unwrap().iter().map(|item| item["code"].as_str().unwrap().to_owned()).collect();
    assert_eq!(codes.len(), kith::instruments::shipped::instruments().len());
    let listed = caller.get(&format!("{PATH}?code=phq-9")).await.expect(200);
    let brief = &listed["items"][0];
    assert_eq!((&brief["question_count"], &brief["edition"]), (&json!(10), &json!("2001")));
    let phq9 = caller.get(&format!("{PATH}/{}", brief["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(phq9["organization_id"], Value::Null);
    assert_eq!(phq9["scores"][0]["maximum"], json!(27));
    assert_eq!(phq9["safety_rules"][0]["flag"], "self-harm-thoughts");
    assert!(phq9["licence"]["loinc_notice"].is_string());
});

on_both!(another_instrument_is_loaded_and_changes_until_it_is_used, |db| async move {
    let caller = admin(db).await;
    let created = caller.post(PATH, sleep("1")).await;
    created.expect(201);
    let path = created.header("location").unwrap().to_owned();
    assert_eq!(caller.get(&path).await.expect(200)["items"][0]["translations"]["fr"], "Dormez-vous bien ?");
    let patched = caller.patch(&path, 1, json!({ "title": "Sleep" })).await.expect(200);
    assert_eq!((&patched["title"], &patched["version"]), (&json!("Sleep"), &json!(2)));
    caller.put(&path, 2, sleep("1b")).await.expect(200);
    caller.delete(&path, 3).await.expect(204);
    caller.get(&path).await.expect_problem(410, "gone");
    caller.post(PATH, sleep("1b")).await.expect(201);
    let history = caller.get(&format!("{path}/history")).await.expect(200);
    assert_eq!(history["items"].as_array().unwrap().len(), 4);
});

on_both!(an_edition_is_loaded_once, |db| async move {
    let caller = admin(db).await;
    caller.post(PATH, sleep("1")).await.expect(201);
    caller.post(PATH, sleep("1")).await.expect_problem(409, "duplicate");
    caller.post(PATH, sleep("2")).await.expect(201);
    let first = caller.post_once(PATH, "sleep-3", sleep("3")).await;
    let again = caller.post_once(PATH, "sleep-3", sleep("3")).await;
    assert_eq!((first.status, first.id()), (again.status, again.id()));
    caller.post_once(PATH, "sleep-3", sleep("4")).await.expect_problem(422, "idempotency_key_reused");
});

on_both!(all_faults_of_an_instrument_are_told_at_once, |db| async move {
    let caller = admin(db).await;
    let mut spoiled = sleep("1");
    spoiled["need_rules"][0]["raises"] = json!(["sleeplessness"]);
    spoiled["need_rules"][0]["when"]["answers"] = json!(["maybe"]);
    spoiled["items"][0]["options"][1]["code"] = json!("yes");
    spoiled["scores"][0]["items"] = json!(["dream"]);
    let faults = caller.post(PATH, spoiled).await.faults(422);
    let found: Vec<_> = faults.iter().map(|(pointer, code)| (pointer.as_str(), code.as_str())).collect();
    assert_eq!(
        found,
        [
            ("/items/0/options/1/code", "duplicate"),
            ("/need_rules/0/raises/0", "unknown_domain"),
            ("/need_rules/0/when/answers/0", "unknown_answer"),
            ("/scores/0/items/0", "unknown_item"),
        ]
    );
    let mut bare = sleep("1");
    bare.as_object_mut().unwrap().remove("licence");
    bare["items"][0]["kind"] = json!("essay");
    let faults = caller.post(PATH, bare).await.faults(422);
    assert_eq!(faults, [("/items/0/kind".into(), "not_allowed".into()), ("/licence".into(), "required".into())]);
});

on_both!(only_an_administrator_loads_instruments_and_nobody_changes_the_shipped_ones, |db| async move {
    let app = TestApp::new(db).await;
    let caller = app.clinic().await;
    caller.post(PATH, sleep("1")).await.expect_problem(403, "insufficient_scope");
    caller.only(&[Scope::PatientsRead]).await.get(PATH).await.expect_problem(403, "insufficient_scope");
    app.stranger().get(PATH).await.expect_problem(401, "unauthenticated");
    let admin = admin_of(&caller).await;
    let listed = admin.get(&format!("{PATH}?code=phq-2")).await.expect(200);
    let shipped = format!("{PATH}/{}", listed["items"][0]["id"].as_str().unwrap());
    admin.patch(&shipped, 1, json!({ "title": "PHQ" })).await.expect_problem(403, "forbidden");
    let created = admin.post(PATH, sleep("1")).await;
    let other = admin_of(&app.clinic().await).await;
    other.delete(created.header("location").unwrap(), 1).await.expect_problem(403, "forbidden");
    admin.get(&format!("{PATH}/01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10")).await.expect_problem(404, "not_found");
    admin.get(&format!("{PATH}?kode=phq-2")).await.expect_problem(400, "malformed_request");
});

on_both!(a_file_is_loaded_in_either_form_and_only_once, |db| async move {
    let app = TestApp::new(db).await;
    let load = |document: Value| {
        let state = app.state.clone();
        let actor = Actor::operator(app.clock.now());
        async move { state.db.write(move |conn| loading::load(conn, &actor, document.clone())).await }
    };
    let Loaded::Created(id) = load(sleep("file")).await.unwrap() else { panic!("it was there already") };
    assert_eq!(load(sleep("file")).await.unwrap(), Loaded::Unchanged(id));
    let mut changed = sleep("file");
    changed["title"] = json!("Other");
    assert!(matches!(load(changed).await, Err(Error::Conflict { code: "edition_exists", .. })));
    let camel_case = json!({
        "id": "mood-1", "version": "1", "title": "Mood", "languages": ["en"], "sources": ["Ourselves."],
        "licence": { "summary": "Free.", "attribution": "Alder Falls.", "source": "Its own page." }, "loincPanel": null,
        "items": [{ "linkId": "mood", "text": "How is your mood?", "type": "scale", "min": 0, "max": 10, "needDomains": [],
            "bands": [{ "min": 0, "max": 4, "label": "low" }, { "min": 5, "max": 10, "label": "fair" }] }],
        "scoring": { "method": "per-item", "rule": "Read as it is." }, "needRules": [],
    });
    load(camel_case).await.unwrap();
    let caller = app.clinic().await;
    let loaded = caller.get(&format!("{PATH}?code=mood-1")).await.expect(200);
    let mood = caller.get(&format!("{PATH}/{}", loaded["items"][0]["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(mood["scores"][0]["bands"][1]["label"], "fair");
    let prose = json!({
        "id": "points-1", "version": "1", "title": "Points", "languages": ["en"],
        "licence": { "summary": "Free.", "attribution": "A.", "source": "S." },
        "items": [{ "linkId": "a", "text": "A?", "type": "choice", "options": [{ "code": "y", "text": "Yes" }] }],
        "scoring": { "method": "points", "range": [0, 1], "points": [{ "when": "answered yes", "score": 1 }] },
    });
    let Err(Error::Invalid(faults)) = load(prose).await else { panic!("prose cannot be computed") };
    assert!(faults.iter().any(|fault| fault.pointer == "/scores/0/points/0/when"), "{faults:?}");
});
