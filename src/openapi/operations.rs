//! What the contract makes true of every operation: the problems that it can answer, its conditional and idempotency headers, the headers of
//! its answers.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::{METHODS, schemas};
use crate::auth::scopes::Scope;
use crate::error::{CONFLICTS, Error, Problem};

/// The problems by status: their name among the components, and when they come.
pub(super) const PROBLEMS: &[(&str, &str, &str)] = &[
    ("400", "Malformed", "The request cannot be understood."),
    ("401", "Unauthenticated", "No valid access token."),
    ("403", "Forbidden", "The token lacks a scope, or the caller may see this and not change it."),
    ("404", "NotFound", "It does not exist, or this client may not know that it does."),
    ("408", "TooSlow", "The body did not arrive in time."),
    ("409", "Conflict", KEY_IN_USE),
    ("410", "Gone", "It has been deleted, or merged into another."),
    ("412", "VersionMismatch", "`If-Match` does not name the present version."),
    ("413", "TooLarge", "The body is too large."),
    ("415", "UnsupportedMediaType", "The body is of another media type."),
    ("422", "Invalid", "The request was understood and is not valid; every fault is told."),
    ("428", "PreconditionRequired", "`If-Match` is missing."),
    ("429", "RateLimited", "Too many requests; `Retry-After` says when to go on."),
    ("500", "Internal", "Our fault; it is logged under the request id."),
    ("503", "Busy", "The server is busy or its database not available; try again after `Retry-After`."),
];

/// When what takes a key clashes, whatever it does.
const KEY_IN_USE: &str = "The first request with this `Idempotency-Key` still runs: `idempotency_key_in_use`.";

/// When what is written with identifiers clashes.
const KEY_IS_TAKEN: &str = "Another resource of the organization has one of the identifiers: `duplicate`.";

/// A clash of the first code that is named.
fn clash(description: &str) -> Error {
    let named = |word: &str| match word {
        "duplicate" => Some(Error::Duplicate { constraint: "identifiers_pkey".into() }),
        "illegal_transition" => Some(Error::IllegalTransition { from: "completed", to: "in_progress", leads_to: Vec::new() }),
        _ => CONFLICTS.iter().find(|(code, _)| *code == word).map(|(code, meaning)| Error::conflict(code, *meaning)),
    };
    description.split('`').find_map(named).unwrap_or(Error::IdempotencyKeyInUse)
}

/// What a problem of this status can look like.
fn problem_example(status: &str, description: &str) -> Value {
    let error = match status {
        "400" => Error::malformed("The body is not JSON that can be read: EOF while parsing an object (line 1, column 2)."),
        "401" => Error::Unauthenticated("it has expired"),
        "403" => Error::InsufficientScope(Scope::ReferralsWrite.as_str()),
        "404" => Error::NotFound,
        "408" => Error::TooSlow,
        "409" => clash(description),
        "410" => Error::Gone,
        "412" => Error::VersionMismatch { current: Some(3) },
        "413" => Error::TooLarge,
        "415" => Error::UnsupportedMediaType { expected: crate::http::body::JSON },
        "422" => Error::invalid("/names", "required", "is required"),
        "428" => Error::PreconditionRequired,
        "429" => Error::RateLimited { retry_after_seconds: 1 },
        "503" => Error::Busy,
        _ => Error::internal("an example"),
    };
    json!(Problem { request_id: Some("01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10".into()), ..error.problem() })
}

/// Single resources that are sent whole every time: jobs have no version, and what is shown of the others changes without one, as time
/// passes, places are taken and consents end.
const ALWAYS_SENT: [&str; 7] = [
    "/v1/appointments/{id}",
    "/v1/consents/{id}",
    "/v1/exports/{id}",
    "/v1/imports/{id}",
    "/v1/referrals/{id}",
    "/v1/services/{id}/waitlist-entries/{entry_id}",
    "/v1/slots/{id}",
];

/// What refuses an empty body though its schema requires no member: it needs one of several.
const NEEDS_ONE_OF: [&str; 3] = ["/v1/matches", "/v1/patients/search", "/v1/webhook-endpoints/{id}/replay"];

/// Where the document itself is read: it is no resource, and has a tag all the same.
pub(super) const DOCUMENT: &str = "/openapi.json";

/// What is forgotten when its time is over, and leaves no tombstone.
const JOBS: [&str; 2] = ["/v1/exports/", "/v1/imports/"];

/// Completes an operation. The resources of some collections are `keyed`: they have identifiers in other systems.
pub(super) fn finish(path: &str, method: &str, operation: &mut Map<String, Value>, keyed: &HashSet<String>) {
    let is_face = path.starts_with("/hsds/");
    if let Some(body) = operation.get_mut("requestBody").and_then(Value::as_object_mut).filter(|_| is_face) {
        // The standard has the conditions in the query string.
        body.insert("required".into(), false.into());
    }
    let (headers, problems) = promised(path, method, operation);
    add_parameters(operation, &headers);
    let collection = path.strip_suffix("/{id}").or_else(|| path.strip_suffix("/by-identifier")).unwrap_or(path);
    let writes_keys = matches!(method, "post" | "put" | "patch") && keyed.contains(collection);
    tell_clashes(operation, headers.contains(&"IdempotencyKey"), writes_keys);
    add_responses(operation, &problems, headers.contains(&"IfNoneMatch"));
}

/// The headers that an operation takes, by their names among the components, and the statuses of the problems that it can answer.
fn promised(path: &str, method: &str, operation: &Map<String, Value>) -> (Vec<&'static str>, Vec<&'static str>) {
    let has_scopes = has_scopes(operation.get("security"));
    let is_api = path.starts_with("/v1/");
    // The face in the standard of directories asks only, by whatever method, and knows no versions.
    let is_face = path.starts_with("/hsds/");
    // Asks with a body what is too private for a query string, or tries something out: it changes nothing, and needs no key to be sent again.
    let is_question = path.ends_with("/search") || path.ends_with("/ping") || path == "/v1/eligibility-checks";

    let (mut headers, mut problems) = (Vec::new(), Vec::new());
    if is_api || is_face && has_scopes {
        problems.extend(["400", "500", "503"]);
    }
    if has_scopes {
        problems.push("403");
    }
    if knows_callers(operation.get("security")) {
        problems.extend(["401", "429"]);
    }
    if path.contains('{') {
        problems.push("404");
    }
    if operation.contains_key("requestBody") && (is_api || is_face) {
        problems.extend(["408", "413", "415", "422"]);
    }
    // Keys belong to clients. An import of a directory needs none to be sent again: what it has seen before changes nothing.
    if is_api && method == "post" && has_scopes && !is_question && path != "/v1/imports/services" {
        headers.push("IdempotencyKey");
        problems.extend(["409", "422"]);
    }
    // A tombstone keeps its history.
    if is_api && path.contains("/{id}") && !path.ends_with("/history") && !JOBS.iter().any(|jobs| path.starts_with(jobs)) {
        problems.push("410");
    }
    // Of a PUT its handler says it: one that records something anew each time takes a key too.
    if has_parameter(operation, "Idempotency-Key") {
        headers.push("IdempotencyKey");
        problems.extend(["409", "422"]);
    }
    let (conditions, failures) = conditional(path, method, operation);
    headers.extend(conditions);
    problems.extend(failures);
    if is_api && method != "get" && !is_question && has_scopes {
        headers.push("OnBehalfOf");
    }
    (headers, problems)
}

/// The same of the conditions on versions alone: their headers, and the statuses where they do not hold.
fn conditional(path: &str, method: &str, operation: &Map<String, Value>) -> (Vec<&'static str>, Vec<&'static str>) {
    let is_api = path.starts_with("/v1/");
    let is_item = path.ends_with("/{id}") || path.ends_with("/{entry_id}");
    // A part of a resource has the version of the whole.
    let is_part = path.ends_with("/{key}");
    let (mut headers, mut problems) = (Vec::new(), Vec::new());
    if is_api && is_item {
        match method {
            "get" if !ALWAYS_SENT.contains(&path) => headers.push("IfNoneMatch"),
            "put" | "patch" | "delete" => {
                headers.push("IfMatch");
                problems.extend(["412", "428"]);
            }
            _ => {}
        }
    }
    if path == DOCUMENT {
        headers.push("IfNoneMatch");
    }
    if is_api && is_part && method == "delete" {
        headers.push("IfMatch");
        problems.extend(["412", "428"]);
    }
    if is_api && path.ends_with("/by-identifier") {
        headers.push("OptionalIfMatch");
        problems.extend(["410", "412"]);
    }
    // An action honours it; what its handler says of it is the same everywhere.
    if has_parameter(operation, "If-Match") {
        headers.push("OptionalIfMatch");
        problems.push("412");
    }
    (headers, problems)
}

fn add_parameters(operation: &mut Map<String, Value>, headers: &[&str]) {
    let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
    if let Some(parameters) = parameters.as_array_mut() {
        parameters.retain(|parameter| parameter.get("name").is_none_or(|name| name != "If-Match" && name != "Idempotency-Key"));
        parameters.extend(headers.iter().map(|name| json!({ "$ref": format!("#/components/parameters/{name}") })));
    }
    if operation.get("parameters").and_then(Value::as_array).is_some_and(Vec::is_empty) {
        operation.remove("parameters");
    }
}

/// Completes what a handler says of its clashes with those that come whatever it does, so that each code is named. What takes a key and
/// has no other clash has the shared answer.
fn tell_clashes(operation: &mut Map<String, Value>, takes_key: bool, writes_keys: bool) {
    let responses = operation.entry("responses").or_insert_with(|| json!({}));
    let Some(responses) = responses.as_object_mut() else { return };
    let said = responses.get("409").and_then(|response| response.get("description")?.as_str());
    if said.is_none() && !writes_keys {
        return;
    }
    let clashes = [said, writes_keys.then_some(KEY_IS_TAKEN), takes_key.then_some(KEY_IN_USE)];
    let description = clashes.into_iter().flatten().collect::<Vec<_>>().join(" ");
    responses.insert("409".into(), json!({ "description": description }));
}

fn add_responses(operation: &mut Map<String, Value>, problems: &[&str], has_304: bool) {
    let responses = operation.entry("responses").or_insert_with(|| json!({}));
    let Some(responses) = responses.as_object_mut() else { return };
    if has_304 {
        responses.entry("304").or_insert_with(|| json!({ "description": "The caller has this version." }));
    }
    for (status, name, _) in PROBLEMS {
        let reference = json!({ "$ref": format!("#/components/responses/{name}") });
        // What a handler says of a status is its description; the body is a problem document all the same.
        if let Some(special) = responses.get(*status) {
            if special.get("content").is_none() {
                let description = special.get("description").cloned().unwrap_or_default();
                let full = problem_response(status, &description);
                responses.insert((*status).to_owned(), full);
            }
        } else if problems.contains(status) {
            responses.insert((*status).to_owned(), reference);
        }
    }
    responses.sort_keys();
}

pub(super) fn has_parameter(operation: &Map<String, Value>, name: &str) -> bool {
    let parameters = operation.get("parameters").and_then(Value::as_array);
    parameters.into_iter().flatten().any(|parameter| parameter.get("name").and_then(Value::as_str) == Some(name))
}

/// A problem document, with the headers that its status comes with.
pub(super) fn problem_response(status: &str, description: &Value) -> Value {
    let extra = match status {
        "401" | "403" => Some("WWW-Authenticate"),
        "412" => Some("ETag"),
        "409" | "429" | "503" => Some("Retry-After"),
        _ => None,
    };
    // A call is counted once it is known who calls.
    let counts = if matches!(status, "401" | "429") { &[][..] } else { &ALLOWANCE };
    let names = extra.into_iter().chain(["X-Request-Id"]).chain(counts.iter().copied());
    let headers: Map<String, Value> = names.map(|name| (name.to_owned(), header_reference(name))).collect();
    json!({
        "description": description,
        "headers": headers,
        "content": { Problem::MEDIA_TYPE: { "schema": { "$ref": "#/components/schemas/Problem" }, "example": problem_example(status, description.as_str().unwrap_or_default()) } },
    })
}

const ALLOWANCE: [&str; 3] = ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"];

fn header_reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/headers/{name}") })
}

/// A POST whose body needs nothing needs no body.
pub(super) fn excuse_bodies(document: &mut Value) {
    let schemas = document.pointer("/components/schemas").and_then(Value::as_object).into_iter().flatten();
    let needs_nothing = |schema: &Value| schema.get("type").is_some_and(|kind| kind == "object") && schema.get("required").is_none();
    let names: HashSet<String> = schemas.filter(|(_, schema)| needs_nothing(schema)).map(|(name, _)| name.clone()).collect();
    let items = document.get_mut("paths").and_then(Value::as_object_mut).into_iter().flatten();
    for (_, item) in items.filter(|(path, _)| !NEEDS_ONE_OF.contains(&path.as_str())) {
        let Some(operation) = item.get_mut("post") else { continue };
        if schemas::request_schema(operation).is_some_and(|name| names.contains(name))
            && let Some(body) = operation.get_mut("requestBody").and_then(Value::as_object_mut)
        {
            body.insert("required".into(), false.into());
        }
    }
}

/// The headers of every answer that is no problem.
pub(super) fn add_headers(document: &mut Value) {
    let schemas = document.pointer("/components/schemas").cloned().unwrap_or_default();
    let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) else { return };
    for (path, item) in paths {
        for method in METHODS {
            let Some(operation) = item.get_mut(method) else { continue };
            let is_counted = knows_callers(operation.get("security"));
            for (status, response) in operation.get_mut("responses").and_then(Value::as_object_mut).into_iter().flatten() {
                if let (true, Some(response)) = (status.starts_with('2') || status == "304", response.as_object_mut()) {
                    let schema = response.get("content").and_then(|content| content.pointer("/application~1json/schema/$ref"));
                    let schema = schema.and_then(Value::as_str).and_then(|reference| reference.rsplit('/').next()).unwrap_or_default();
                    let has_version = schemas.get(schema).is_some_and(|schema| schema.pointer("/properties/version").is_some());
                    let mut names = vec!["X-Request-Id"];
                    if is_counted {
                        names.extend(ALLOWANCE);
                    }
                    if matches!(status.as_str(), "201" | "202") || path.ends_with("/by-identifier") {
                        names.push("Location");
                    }
                    let is_tagged = status == "201" || status == "304" || has_version || schema == "Capacity";
                    if path == DOCUMENT || path.starts_with("/v1/") && is_tagged {
                        names.push("ETag");
                    }
                    if schema.ends_with("Page") && method == "get" {
                        names.push("Link");
                    }
                    if schema == "Screening" {
                        names.push("Kith-Safety-Alert");
                    }
                    if let Some(headers) = response.entry("headers").or_insert_with(|| json!({})).as_object_mut() {
                        headers.extend(names.into_iter().map(|name| (name.to_owned(), header_reference(name))));
                    }
                }
            }
        }
    }
}

/// Whether a token with scopes opens the operation, alone or beside other ways.
fn has_scopes(security: Option<&Value>) -> bool {
    security.and_then(Value::as_array).into_iter().flatten().any(|entry| entry.get("oauth2").is_some())
}

/// Whether some token opens the operation.
fn knows_callers(security: Option<&Value>) -> bool {
    security.and_then(Value::as_array).into_iter().flatten().any(|entry| entry.as_object().is_some_and(|entry| !entry.is_empty()))
}
