//! Holds every answer of every test to the document: the operation states its status, its media type and its headers, and the body
//! is what the schema says, with no field that the schema does not know.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use jsonschema::Validator;
use kith::openapi::document;
use serde_json::{Map, Value, json};

use crate::client::Answer;

/// Headers that a client acts on, and must be told of.
const TOLD: &[&str] = &[
    "allow",
    "etag",
    "kith-safety-alert",
    "link",
    "location",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "retry-after",
    "www-authenticate",
    "x-request-id",
];
/// Headers that come with every answer of which they are stated.
const PROMISED: &[&str] = &["ETag", "Location", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "X-Request-Id"];

/// The template that a path is of: the one with the most literal segments.
fn template_of(path: &str) -> Option<&'static str> {
    let segments: Vec<&str> = path.split('/').collect();
    let literals = |template: &str| {
        let parts: Vec<&str> = template.split('/').collect();
        let fits =
            parts.len() == segments.len() && parts.iter().zip(&segments).all(|(part, segment)| part.starts_with('{') || part == segment);
        fits.then(|| parts.iter().filter(|part| !part.starts_with('{')).count())
    };
    let templates = document()["paths"].as_object().unwrap().keys();
    let (_, best) = templates.filter_map(|template| Some((literals(template)?, template))).max()?;
    Some(best)
}

fn resolve(value: &Value) -> &Value {
    match value["$ref"].as_str() {
        Some(reference) => document().pointer(reference.trim_start_matches('#')).unwrap(),
        None => value,
    }
}

/// The schemas, closed: an object has no members but those that are described.
static CLOSED: LazyLock<Value> = LazyLock::new(|| {
    fn close(schema: &mut Value) {
        match schema {
            Value::Object(members) => {
                let is_plain = ["oneOf", "anyOf", "allOf", "$ref"].iter().all(|word| !members.contains_key(*word));
                if is_plain && members.get("properties").is_some_and(Value::is_object) && !members.contains_key("additionalProperties") {
                    members.insert("additionalProperties".into(), Value::Bool(false));
                }
                members.values_mut().for_each(close);
            }
            Value::Array(items) => items.iter_mut().for_each(close),
            _ => {}
        }
    }
    let mut schemas = kith::openapi::schemas().clone();
    close(&mut schemas);
    schemas
});

fn validator(schema: &Value) -> Arc<Validator> {
    static BUILT: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);
    let mut built = BUILT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let build = || {
        let root =
            json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "allOf": [schema], "components": { "schemas": *CLOSED } });
        Arc::new(jsonschema::options().should_validate_formats(true).build(&root).unwrap())
    };
    Arc::clone(built.entry(schema.to_string()).or_insert_with(build))
}

/// What of a value is not as the schema of the document says.
pub fn faults(schema: &Value, value: &Value) -> Vec<String> {
    validator(schema).iter_errors(value).map(|fault| format!("{}: {fault}", fault.instance_path())).collect()
}

/// The same where objects may have members that are not described, as the parts of an `allOf` have.
pub fn faults_of_open(schema: &Value, value: &Value) -> Vec<String> {
    let components = json!({ "schemas": kith::openapi::schemas() });
    let root = json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "allOf": [schema], "components": components });
    let validator = jsonschema::options().should_validate_formats(true).build(&root).unwrap();
    validator.iter_errors(value).map(|fault| format!("{}: {fault}", fault.instance_path())).collect()
}

/// Fails where the answer is not one that the document has for this request. Paths and methods that it does not have are left alone.
pub fn check(method: &str, path: &str, answer: &Answer) {
    let Some(template) = template_of(path) else { return };
    let operation = &document()["paths"][template][method.to_lowercase()];
    let Some(id) = operation["operationId"].as_str() else { return };
    let status = answer.status.to_string();
    let told = || format!("{id} answered {status}: {}", String::from_utf8_lossy(&answer.bytes));
    let response = resolve(&operation["responses"][&status]);
    assert!(response.is_object(), "the document does not state that {}", told());

    let none = Map::new();
    let stated = response["headers"].as_object().unwrap_or(&none);
    for name in TOLD.iter().filter(|name| answer.headers.contains_key(**name)) {
        assert!(
            stated.keys().any(|header| header.eq_ignore_ascii_case(name)),
            "the document does not state the header {name} where {}",
            told()
        );
    }
    for name in PROMISED.iter().filter(|name| stated.contains_key(**name)) {
        let is_due = match *name {
            "ETag" if answer.status == 412 => answer.json()["current_version"].is_number(),
            name => !name.starts_with("RateLimit") || answer.headers.contains_key("ratelimit-limit"),
        };
        assert!(!is_due || answer.headers.contains_key(*name), "{name} is stated and missing where {}", told());
    }

    let essence = answer.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
    let Some(content) = response["content"].as_object() else {
        assert!(answer.bytes.is_empty(), "the document states no body where {}", told());
        return;
    };
    let media = content.get(essence).unwrap_or_else(|| panic!("the document does not state {essence} where {}", told()));
    if essence == "text/event-stream" {
        for data in String::from_utf8_lossy(&answer.bytes).lines().filter_map(|line| line.strip_prefix("data: ")) {
            let entry: Value = serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {}", told()));
            let faults = faults(&json!({ "$ref": "#/components/schemas/ChangeEntry" }), &entry);
            assert!(faults.is_empty(), "{faults:?} where {}", told());
        }
        return;
    }
    if ["application/zip", "text/calendar"].contains(&essence) {
        return;
    }
    let unpacked = answer.unpacked();
    // Of newline-delimited JSON the document describes a line.
    let bodies: Vec<&[u8]> = match essence {
        "application/x-ndjson" => unpacked.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect(),
        _ => vec![&unpacked],
    };
    let mut body = Value::Null;
    for bytes in bodies {
        body = serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("{error}: {}", told()));
        let faults = faults(&media["schema"], &body);
        assert!(faults.is_empty(), "{faults:?} where {}", told());
    }
    if essence == "application/problem+json" {
        let code = body["code"].as_str().unwrap_or_default();
        assert!(kith::error::meanings().iter().any(|(kind, _)| code == kind.code), "the code is not published where {}", told());
        let is_named = || response["description"].as_str().is_some_and(|text| text.contains(&format!("`{code}`")));
        assert!(answer.status != 409 || is_named(), "the document does not name the code where {}", told());
    }
}
