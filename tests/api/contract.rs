//! The OpenAPI document: that it is whole, that it is the one committed, and that what it says of access is true of every operation.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::http::Method;
use kith::auth::{Scope, Scopes};
use kith::openapi::document;
use serde_json::{Value, json};

use crate::client::{Caller, TestApp};
use crate::conformity;
use crate::tokens;

/// Operations that need no token: how one comes by a token, and what says nothing of anybody.
const PUBLIC: &[&str] = &[
    "create_token",
    "get_jwks",
    "healthz",
    "readyz",
    "get_openapi",
    "get_hsds_profile",
    "get_hsds_profile_file",
    "list_hsds_schemas",
    "get_hsds_schema",
];

/// Operations that a link opens, and no client's token.
const LINKED: &[&str] = &["get_linked_screening", "answer_linked_screening", "complete_linked_screening"];

struct Operation {
    id: String,
    method: Method,
    path: String,
    value: Value,
}

impl Operation {
    fn scopes(&self) -> Vec<Scope> {
        let entries = self.value["security"].as_array().into_iter().flatten();
        let names = entries.filter_map(|entry| entry["oauth2"].as_array()).flatten().filter_map(Value::as_str);
        names.map(|name| name.parse().unwrap_or_else(|_| panic!("{}: {name} is no scope", self.id))).collect()
    }

    fn statuses(&self) -> BTreeSet<&str> {
        self.value["responses"].as_object().unwrap().keys().map(String::as_str).collect()
    }

    /// The path with an id that nobody has.
    fn anywhere(&self) -> String {
        let mut path = self.path.clone();
        while let Some((before, rest)) = path.split_once('{') {
            path = format!("{before}01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10{}", rest.split_once('}').unwrap().1);
        }
        path
    }
}

fn operations() -> Vec<Operation> {
    let paths = document()["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, item)| {
        item.as_object().unwrap().iter().map(|(method, value)| Operation {
            id: value["operationId"].as_str().unwrap_or_default().to_owned(),
            method: method.to_uppercase().parse().unwrap(),
            path: path.clone(),
            value: value.clone(),
        })
    });
    all.collect()
}

fn walk(value: &Value, visit: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Object(members) => members.iter().for_each(|(key, inner)| {
            visit(key, inner);
            walk(inner, visit);
        }),
        Value::Array(items) => items.iter().for_each(|inner| walk(inner, visit)),
        _ => {}
    }
}

/// The places, so many names deep, at which two values differ, be it in the order of their members alone.
fn differing(old: &Value, new: &Value, place: &str, depth: usize, found: &mut BTreeSet<String>) {
    let (old_text, new_text) = (old.to_string(), new.to_string());
    if old_text == new_text {
        return;
    }
    let before = found.len();
    if let (Some(old_members), Some(new_members), true) = (old.as_object(), new.as_object(), depth > 0) {
        let names: BTreeSet<&str> = old_members.keys().chain(new_members.keys()).map(String::as_str).collect();
        for name in names {
            differing(&old[name], &new[name], &format!("{place}/{name}"), depth - 1, found);
        }
    }
    if found.len() == before {
        found.insert(format!("{place}/"));
    }
}

#[test]
fn the_committed_document_is_the_one_that_the_code_makes() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/openapi.json");
    let committed = std::fs::read_to_string(file).unwrap_or_default();
    if committed == kith::openapi::text() {
        return;
    }
    let mut found = BTreeSet::new();
    differing(&serde_json::from_str(&committed).unwrap_or_default(), document(), "", 3, &mut found);
    panic!(
        "openapi/openapi.json is another text, and differs in {found:#?}. Read the difference, then accept it: cargo run -- openapi > openapi/openapi.json"
    );
}

#[test]
fn every_reference_resolves() {
    walk(document(), &mut |key, value| {
        if key == "$ref" {
            let pointer = value.as_str().unwrap().strip_prefix('#').unwrap_or_else(|| panic!("{value} leads outside"));
            assert!(document().pointer(pointer).is_some(), "{value} leads nowhere");
        }
    });
}

#[test]
fn operations_have_unique_ids_and_say_what_they_do() {
    let mut seen = BTreeMap::new();
    for operation in operations() {
        let Operation { id, path, value, .. } = &operation;
        assert!(
            id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit()) && !id.is_empty(),
            "{path}: {id}"
        );
        assert_eq!(seen.insert(id.clone(), path.clone()), None, "{id} is the id of two operations");
        assert!(id.contains('_') || ["healthz", "readyz"].contains(&id.as_str()), "{path}: {id} does not say what is done to what");
        for part in ["summary", "description", "responses"] {
            assert!(!value[part].is_null(), "{id} has no {part}");
        }
        let tags: Vec<&str> = value["tags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let known: Vec<&str> = document()["tags"].as_array().unwrap().iter().filter_map(|tag| tag["name"].as_str()).collect();
        assert!(tags.len() == 1 && tags.iter().all(|tag| known.contains(tag)), "{id} has the tags {tags:?}");
    }
}

#[test]
fn no_path_ends_with_a_slash_but_the_root_of_the_standard_of_directories() {
    let slashed: Vec<String> = operations().into_iter().map(|operation| operation.path).filter(|path| path.ends_with('/')).collect();
    assert_eq!(slashed, ["/hsds/"]);
}

#[test]
fn every_operation_states_its_scopes_and_the_statuses_that_follow() {
    for operation in operations() {
        let (id, statuses) = (&operation.id, operation.statuses());
        if PUBLIC.contains(&id.as_str()) {
            assert!(operation.scopes().is_empty(), "{id} is listed as public and has scopes");
            continue;
        }
        let is_linked = LINKED.contains(&id.as_str());
        assert_eq!(operation.scopes().is_empty(), is_linked, "{id}: a client needs a scope, a link has none");
        let mut expected = vec!["400", "401", "429", "500", "503"];
        if !is_linked {
            expected.push("403");
        }
        if operation.path.contains('{') {
            expected.push("404");
        }
        if operation.value["requestBody"].is_object() {
            expected.extend(["413", "415", "422"]);
        }
        for status in expected {
            assert!(statuses.contains(status), "{id} does not state {status}");
        }
        assert!(statuses.iter().any(|status| status.starts_with('2')), "{id} never succeeds");
    }
}

#[test]
fn every_409_names_the_codes_that_it_can_have() {
    let clashes: Vec<_> = kith::error::meanings().into_iter().filter(|(kind, _)| kind.status == 409).map(|(kind, _)| kind.code).collect();
    let mut named = BTreeSet::new();
    for operation in operations() {
        let mut response = &operation.value["responses"]["409"];
        if let Some(reference) = response["$ref"].as_str() {
            response = document().pointer(reference.trim_start_matches('#')).unwrap();
        }
        let Some(description) = response["description"].as_str() else { continue };
        let codes: BTreeSet<&str> = clashes.iter().copied().filter(|code| description.contains(&format!("`{code}`"))).collect();
        let shown = response["content"]["application/problem+json"]["example"]["code"].as_str().unwrap();
        assert!(codes.contains(shown), "{}: {shown} is shown, and {codes:?} are named", operation.id);
        assert!(description.ends_with('.'), "{}: {description}", operation.id);
        let has_key = operation.value["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|parameter| parameter["$ref"] == "#/components/parameters/IdempotencyKey");
        assert_eq!(codes.contains("idempotency_key_in_use"), has_key, "{}", operation.id);
        named.extend(codes.into_iter().map(str::to_owned));
    }
    // Those of the command line, of what is gone while it is named, and of a line of an import.
    let nobodys: Vec<&str> = clashes.into_iter().filter(|code| !named.contains(*code)).collect();
    assert_eq!(nobodys, ["edition_exists", "reference_conflict", "state_not_loaded"]);
}

#[test]
fn every_example_is_valid_against_its_schema() {
    let schemas = kith::openapi::schemas();
    let mut count = 0;
    walk(schemas, &mut |_, schema| {
        let examples = schema["examples"].as_array().cloned().unwrap_or_default();
        let single = schema.get("example").cloned();
        for example in examples.into_iter().chain(single) {
            let mut root = schema.clone();
            root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
            root["components"] = json!({ "schemas": schemas });
            let validator = jsonschema::options().should_validate_formats(true).build(&root).unwrap();
            let faults: Vec<String> = validator.iter_errors(&example).map(|fault| fault.to_string()).collect();
            assert!(faults.is_empty(), "{example} in {schema}: {faults:?}");
            count += 1;
        }
    });
    assert!(count > 50, "only {count} examples");
}

#[test]
fn every_body_has_an_example_that_is_valid() {
    let resolved = |value: &Value| match value["$ref"].as_str() {
        Some(reference) => document().pointer(reference.trim_start_matches('#')).unwrap().clone(),
        None => value.clone(),
    };
    let mut count = 0;
    for operation in operations() {
        let responses = operation.value["responses"].as_object().unwrap();
        let bodies = responses.iter().map(|(status, response)| (status.as_str(), resolved(response)));
        for (name, body) in bodies.chain([("the request", operation.value["requestBody"].clone())]) {
            for (media_type, media) in body["content"].as_object().into_iter().flatten() {
                let shared = media["examples"].as_object().into_iter().flatten().map(|(_, example)| resolved(example)["value"].clone());
                let examples: Vec<Value> = shared.chain(media.get("example").cloned()).collect();
                assert!(!examples.is_empty(), "{}, {name}: {media_type} has no example", operation.id);
                for example in examples {
                    let faults = conformity::faults(&media["schema"], &example);
                    assert!(faults.is_empty(), "{}, {name}: {example}: {faults:?}", operation.id);
                    count += 1;
                }
            }
        }
    }
    assert!(count > 1000, "only {count} bodies");
}

#[test]
fn what_is_created_links_to_what_can_be_done_with_it() {
    let link = |path: &str, status: &str, name: &str| {
        let operation = document().pointer(path).unwrap();
        operation["responses"][status]["links"][name].clone()
    };
    let patch = link("/paths/~1v1~1patients/post", "201", "patch_patient");
    assert_eq!(patch["parameters"], json!({ "id": "$response.body#/id", "If-Match": "$response.header.ETag" }));
    assert_eq!(link("/paths/~1v1~1referrals/post", "201", "create_referral_transition")["operationId"], "create_referral_transition");
    assert_eq!(link("/paths/~1v1~1needs~1{id}/get", "200", "delete_need")["operationId"], "delete_need");
    assert_eq!(link("/paths/~1v1~1services/get", "200", "next")["parameters"], json!({ "cursor": "$response.body#/next" }));
    let known: BTreeSet<String> = operations().into_iter().map(|operation| operation.id).collect();
    walk(document(), &mut |key, value| {
        if key == "links" {
            let named = value.as_object().unwrap().values().map(|link| link["operationId"].as_str().unwrap().to_owned());
            assert!(named.collect::<BTreeSet<_>>().is_subset(&known), "{value} leads nowhere");
        }
    });
}

#[test]
fn every_field_of_a_request_says_what_it_means() {
    let mut mute = Vec::new();
    for (name, schema) in kith::openapi::schemas().as_object().unwrap() {
        for (field, property) in schema["properties"].as_object().into_iter().flatten() {
            let says = property["description"].is_string() || property["$ref"].is_string();
            if !says {
                mute.push(format!("{name}.{field}"));
            }
        }
    }
    assert!(mute.is_empty(), "without a description: {mute:?}");
}

#[test]
fn nothing_in_the_document_speaks_of_the_language_that_the_server_is_written_in() {
    let marks = ["#[", "[`", "::", "Vec<", "Option<"];
    let types =
        ["String", "str", "bool", "char", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "usize", "f32", "f64", "Vec", "Option", "Box"];
    let mut found: Vec<String> = Vec::new();
    walk(document(), &mut |key, value| {
        if let ("description" | "summary", Some(text)) = (key, value.as_str()) {
            let is_named = |word: &str| types.contains(&word);
            if marks.iter().any(|mark| text.contains(mark)) || text.split(|c: char| !c.is_alphanumeric()).any(is_named) {
                found.push(text.to_owned());
            }
        }
    });
    let names = kith::openapi::schemas().as_object().unwrap().keys();
    found.extend(names.filter(|name| types.contains(&name.as_str())).cloned());
    assert!(found.is_empty(), "{found:#?}");
}

on_both!(a_public_directory_is_open_exactly_where_the_document_says_so, |db| async move {
    let app = TestApp::with(db, &["--public-directory"]).await;
    let mut open = Vec::new();
    for operation in operations().iter().filter(|operation| !PUBLIC.contains(&operation.id.as_str())) {
        let (status, body) = ask(&app.stranger(), operation).await;
        let ways = operation.value["security"].as_array().unwrap();
        assert_eq!(status != 401, ways.contains(&json!({})), "{}: {body}", operation.id);
        if status != 401 {
            open.push(operation.id.clone());
        }
    }
    for id in ["list_services", "list_need_domains", "list_hsds_organizations", "create_match"] {
        assert!(open.iter().any(|known| known == id), "{id} is not among {open:?}");
    }
});

on_both!(a_post_needs_a_body_exactly_where_an_empty_one_is_refused, |db| async move {
    let app = TestApp::new(db).await;
    let caller = app.client(app.clinic().await.organization_id, Scopes::all()).await;
    let (mut without, mut with) = (0, 0);
    for operation in operations().iter().filter(|operation| operation.method == Method::POST && operation.path.starts_with("/v1/")) {
        let body = &operation.value["requestBody"];
        if body["content"]["application/json"]["schema"]["$ref"].is_null() {
            continue;
        }
        let answer = app.send(caller.request(Method::POST, &operation.anywhere())).await;
        assert_eq!(body["required"], answer.status == 422, "{}: {}", operation.id, answer.text());
        *(if answer.status == 422 { &mut with } else { &mut without }) += 1;
    }
    assert!(without > 15 && with > 15, "{without} and {with}");
});

async fn ask(caller: &Caller, operation: &Operation) -> (u16, Value) {
    let mut request = caller.request(operation.method.clone(), &operation.anywhere()).insert_header(("if-match", "*"));
    if operation.value["requestBody"].is_object() {
        let media_type = operation.value["requestBody"]["content"].as_object().unwrap().keys().next().unwrap().clone();
        request = request.insert_header(("content-type", media_type)).set_payload("{}");
    }
    let answer = caller.app.send(request).await;
    (answer.status, answer.json())
}

on_both!(every_operation_refuses_a_stranger_and_every_forged_token, |db| async move {
    let app = TestApp::new(db).await;
    let caller = app.clinic().await;
    let forged = tokens::bad_tokens(&app.state, caller.client_id, caller.organization_id);
    assert!(forged.len() >= 40);
    for operation in operations().iter().filter(|operation| !PUBLIC.contains(&operation.id.as_str())) {
        let (status, body) = ask(&app.stranger(), operation).await;
        assert_eq!((status, &body["code"]), (401, &json!("unauthenticated")), "{} without a token", operation.id);
        for (name, token) in &forged {
            let (status, body) = ask(&Caller { token: Some(token.clone()), ..caller.clone() }, operation).await;
            assert_eq!((status, &body["code"]), (401, &json!("unauthenticated")), "{} with {name}", operation.id);
        }
    }
});

on_both!(every_operation_refuses_a_token_without_its_scope, |db| async move {
    let app = TestApp::new(db).await;
    let organization = app.clinic().await.organization_id;
    let mut callers = BTreeMap::new();
    for operation in operations().iter().filter(|operation| !operation.scopes().is_empty()) {
        let needed = operation.scopes();
        if !callers.contains_key(&needed) {
            let others: Scopes = Scope::ALL.iter().copied().filter(|scope| !needed.contains(scope)).collect();
            callers.insert(needed.clone(), app.client(organization, others).await);
        }
        let (status, body) = ask(&callers[&needed], operation).await;
        assert_eq!((status, &body["code"]), (403, &json!("insufficient_scope")), "{}", operation.id);
    }
});
