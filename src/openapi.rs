//! The OpenAPI 3.1 document: generated from the live route table, then finished.
//!
//! Handlers say what is special to them; what the contract makes true of every operation is added here, once: the problems that each
//! can answer, the conditional and idempotency headers, the shape of merge patches. `http::schema` checks bodies against the
//! schemas of this same document.

mod examples;
mod links;
mod webhooks;

use std::collections::HashSet;
use std::sync::LazyLock;

use actix_web::dev::ResourceDef;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;
use utoipa_actix_web::AppExt as _;

use crate::auth::scopes::Scope;
use crate::error::{self, Error, Problem};
use crate::services::capacity::api::CapacityLine;
use crate::webhooks::payload::WebhookEvent;

/// Title, tags and schemas that no operation names.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Kith",
        description = include_str!("openapi.md"),
        contact(name = "The people who build Kith"),
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "/", description = "This server")),
    components(schemas(CapacityLine, Problem, WebhookEvent)),
    tags(
        (name = "tokens", description = "Access tokens and the keys that sign them."),
        (name = "organizations", description = "Health authorities, clinics, programs and agencies."),
        (name = "practitioners", description = "The people who act for an organization."),
        (name = "patients", description = "The people who are helped."),
        (name = "consents", description = "What a patient permits an organization."),
        (name = "needs", description = "What a patient lacks or wishes."),
        (name = "instruments", description = "Screening questionnaires."),
        (name = "screenings", description = "A person's answers to an instrument, scored by the server."),
        (name = "services", description = "The directory of community services."),
        (name = "sources", description = "Directories of partners, which are pulled and kept up with."),
        (name = "matches", description = "Which services fit a person, and why."),
        (name = "unmet_needs", description = "Needs that no service met: reported, and counted by domain and area."),
        (name = "referrals", description = "Requests that a program or an agency help a patient, from draft to outcome."),
        (name = "follow_ups", description = "Duties to reach a person by a date, and what came of them."),
        (name = "slots", description = "Times at which somebody can come to a service or a practitioner."),
        (name = "appointments", description = "Places in slots, kept for patients."),
        (name = "hsds", description = "The directory in the standard of its field, Open Referral HSDS 3.2; to be read only."),
        (name = "bulk", description = "Imports and exports of many resources, which go on beside the requests."),
        (name = "changes", description = "The journal as a feed."),
        (name = "webhooks", description = "Events, sent to addresses of your own as they happen."),
        (name = "operations", description = "Health and readiness.")
    )
)]
struct Base;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let document = described().fold(Base::openapi(), utoipa::openapi::OpenApi::merge_from);
    let mut document = serde_json::to_value(document).unwrap_or_default();
    finish(&mut document);
    document
});

/// What each module describes.
fn described() -> impl Iterator<Item = utoipa::openapi::OpenApi> {
    crate::app::ROUTES.iter().map(|routes| actix_web::App::new().into_utoipa_app().configure(routes).split_for_parts().1)
}

/// The finished document.
pub fn document() -> &'static Value {
    &DOCUMENT
}

/// The finished document as it is committed: indented, with a newline at its end.
pub fn text() -> String {
    format!("{:#}\n", document())
}

/// The path in the document that a request's path is of; one that is written out there, whatever templates it fits as well.
pub fn template_of(path: &str) -> Option<&'static str> {
    let paths = document().get("paths").and_then(Value::as_object)?;
    let literal = paths.get_key_value(path).map(|(literal, _)| literal);
    let mut templates = paths.keys().filter(|template| template.contains('{'));
    literal.or_else(|| templates.find(|template| ResourceDef::new(template.as_str()).is_match(path))).map(String::as_str)
}

/// The schemas of the document, by name.
pub fn schemas() -> &'static Value {
    document().pointer("/components/schemas").unwrap_or(&Value::Null)
}

/// The methods that operations have.
const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

fn finish(document: &mut Value) {
    rename_pages(document);
    if let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
        flatten_schemas(schemas);
    }
    hoist_descriptions(document);
    describe_defaults(document);
    add_components(document);
    let patches = patched_schemas(document);
    if let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
        for name in patches {
            add_patch_schema(schemas, &name);
        }
        schemas.sort_keys();
    }
    let Some(paths) = document.pointer_mut("/paths").and_then(Value::as_object_mut) else { return };
    paths.sort_keys();
    for (path, item) in paths.iter_mut() {
        let Some(item) = item.as_object_mut() else { continue };
        let put_schema = item.get("put").and_then(request_schema).map(str::to_owned);
        for method in METHODS {
            if let Some(operation) = item.get_mut(method).and_then(Value::as_object_mut) {
                if method == "patch"
                    && let Some(name) = &put_schema
                {
                    let content = json!({ "schema": { "$ref": format!("#/components/schemas/{}", patch_name(name)) } });
                    let media_types = json!({ "application/merge-patch+json": content, "application/json": content });
                    operation.insert("requestBody".into(), json!({ "required": true, "content": media_types }));
                }
                finish_operation(path, method, operation);
            }
        }
    }
    add_headers(document);
    examples::add(document);
    links::add(document);
    webhooks::add(document);
    drop_unused_schemas(document);
    list_codes(document);
}

/// The codes that a client may have to act on, told once for all operations.
fn list_codes(document: &mut Value) {
    let Some(description) = document.pointer_mut("/info/description") else { return };
    let codes: Vec<String> = error::meanings().iter().map(|(kind, _)| format!("`{}` ({})", kind.code, kind.status)).collect();
    let text = description.as_str().unwrap_or_default().trim_end();
    *description = format!("{text}\n\n**Codes** of problems: {}. `/problems` says when each comes.\n", codes.join(", ")).into();
}

/// `Page_Patient` becomes `PatientPage`, whose items are those of `Patient`: generators make better names of it, and what is done to a
/// schema here holds for its pages too.
fn rename_pages(document: &mut Value) {
    let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) else { return };
    let pages: Vec<String> = schemas.keys().filter_map(|name| name.strip_prefix("Page_").map(str::to_owned)).collect();
    for item in &pages {
        let items = schemas.get_mut(&format!("Page_{item}")).and_then(|page| page.pointer_mut("/properties/items/items"));
        if let Some(items) = items {
            *items = json!({ "$ref": format!("#/components/schemas/{item}") });
        }
    }
    let text = document.to_string();
    let renamed = pages.iter().fold(text, |text, item| text.replace(&format!("Page_{item}\""), &format!("{item}Page\"")));
    *document = serde_json::from_str(&renamed).unwrap_or_default();
}

/// `#[serde(flatten)]` arrives as `allOf`; a plain object says the same, generates better clients, and lets a response promise that
/// every field is present.
fn flatten_schemas(schemas: &mut Map<String, Value>) {
    let whole = schemas.clone();
    for schema in schemas.values_mut().filter(|schema| schema.get("allOf").is_some()) {
        let mut properties = Map::new();
        collect_properties(schema, &whole, &mut properties);
        let required: Vec<Value> = properties.keys().map(|name| name.as_str().into()).collect();
        let description = schema.get("description").cloned().unwrap_or_default();
        *schema = json!({ "type": "object", "description": description, "required": required, "properties": properties });
    }
}

/// The properties of a schema and of the parts that it is made of, which may be made of parts themselves.
fn collect_properties(schema: &Value, schemas: &Map<String, Value>, properties: &mut Map<String, Value>) {
    let named = |part: &Value| schemas.get(part.get("$ref")?.as_str()?.rsplit('/').next()?).cloned();
    for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        collect_properties(&named(part).unwrap_or_else(|| part.clone()), schemas, properties);
    }
    properties.extend(schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default());
}

/// What is said of an optional object belongs to the field, and not to the one branch of it that is not null.
fn hoist_descriptions(value: &mut Value) {
    match value {
        Value::Object(members) => {
            let branches = members.get_mut("oneOf").and_then(Value::as_array_mut);
            let said = branches.into_iter().flatten().filter_map(Value::as_object_mut).find_map(|branch| {
                let is_reference = branch.contains_key("$ref");
                branch.get_mut("description").filter(|_| is_reference).map(Value::take)
            });
            if let Some(description) = said {
                members.entry("description").or_insert(description);
                for branch in members.get_mut("oneOf").and_then(Value::as_array_mut).into_iter().flatten() {
                    branch.as_object_mut().map(|branch| branch.remove("description"));
                }
            }
            members.values_mut().for_each(hoist_descriptions);
        }
        Value::Array(items) => items.iter_mut().for_each(hoist_descriptions),
        _ => {}
    }
}

/// `default` makes many generators demand the field of whoever writes it. What stands for an absent field is said in words instead, and
/// nothing where it is nothing.
fn describe_defaults(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for property in members.get_mut("properties").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut) {
                let Some(property) = property.as_object_mut() else { continue };
                let Some(default) = property.remove("default").filter(|default| default.is_string() || default.is_number()) else {
                    continue;
                };
                let description = property.get("description").and_then(Value::as_str).unwrap_or_default();
                if !description.contains("absent") {
                    let shown = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
                    let said = format!("{} `{shown}` where absent.", description.trim_end());
                    property.insert("description".into(), said.trim_start().into());
                }
            }
            members.values_mut().for_each(describe_defaults);
        }
        Value::Array(items) => items.iter_mut().for_each(describe_defaults),
        _ => {}
    }
}

fn request_schema(operation: &Value) -> Option<&str> {
    operation.pointer("/requestBody/content/application~1json/schema/$ref")?.as_str()?.rsplit('/').next()
}

fn patch_name(input: &str) -> String {
    format!("{}Patch", input.strip_suffix("Input").unwrap_or(input))
}

/// The inputs of every path that has both PUT and PATCH.
fn patched_schemas(document: &Value) -> Vec<String> {
    let items = document.pointer("/paths").and_then(Value::as_object).into_iter().flat_map(Map::values);
    items.filter(|item| item.get("patch").is_some()).filter_map(|item| request_schema(item.get("put")?)).map(str::to_owned).collect()
}

/// The schema of a merge patch: every field may be absent, and every field may be null.
fn add_patch_schema(schemas: &mut Map<String, Value>, input: &str) {
    let Some(mut schema) = schemas.get(input).cloned() else { return };
    if let Some(object) = schema.as_object_mut() {
        object.remove("required");
        object
            .insert("description".into(), format!("A merge patch (RFC 7396) of {input}: absent leaves, null clears, a value sets.").into());
    }
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for property in properties.values_mut() {
            make_nullable(property);
        }
    }
    schemas.insert(patch_name(input), schema);
}

fn make_nullable(property: &mut Value) {
    let Some(object) = property.as_object_mut() else { return };
    object.remove("default");
    match object.get_mut("type") {
        Some(Value::String(name)) => {
            let types = json!([name, "null"]);
            object.insert("type".into(), types);
            return;
        }
        Some(Value::Array(names)) => {
            if !names.contains(&"null".into()) {
                names.push("null".into());
            }
            return;
        }
        _ => {}
    }
    if object.contains_key("oneOf") {
        return;
    }
    let reference = object.remove("$ref").or_else(|| object.remove("allOf").and_then(|parts| parts.get(0)?.get("$ref").cloned()));
    if let Some(reference) = reference {
        object.insert("oneOf".into(), json!([{ "type": "null" }, { "$ref": reference }]));
    }
}

/// The problems by status: their name among the components, and when they come.
const PROBLEMS: &[(&str, &str, &str)] = &[
    ("400", "Malformed", "The request cannot be understood."),
    ("401", "Unauthenticated", "No valid access token."),
    ("403", "Forbidden", "The token lacks a scope, or the caller may see this and not change it."),
    ("404", "NotFound", "It does not exist, or this client may not know that it does."),
    ("408", "TooSlow", "The body did not arrive in time."),
    ("409", "Conflict", "It clashes with the present state of things, or the first request with this key still runs."),
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

/// What a problem of this status can look like.
fn problem_example(status: &str) -> Value {
    let error = match status {
        "400" => Error::malformed("The body is not JSON that can be read: EOF while parsing an object (line 1, column 2)."),
        "401" => Error::Unauthenticated("it has expired"),
        "403" => Error::InsufficientScope(Scope::ReferralsWrite.as_str()),
        "404" => Error::NotFound,
        "408" => Error::TooSlow,
        "409" => Error::IdempotencyKeyInUse,
        "410" => Error::Gone,
        "412" => Error::VersionMismatch { current: 3 },
        "413" => Error::TooLarge,
        "415" => Error::UnsupportedMediaType { expected: "application/json" },
        "422" => Error::invalid("/names", "required", "is required"),
        "428" => Error::PreconditionRequired,
        "429" => Error::RateLimited { retry_after_seconds: 1 },
        "503" => Error::Busy,
        _ => Error::internal("an example"),
    };
    json!(Problem { request_id: Some("01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10".into()), ..error.problem() })
}

/// What only words refer to: a line of a list whose lines are each checked by itself.
const NAMED_IN_WORDS: &str = "CapacityLine";

/// Leaves out the schemas that nothing refers to any more: those whose fields were laid into others.
fn drop_unused_schemas(document: &mut Value) {
    loop {
        let mut used = HashSet::new();
        collect_references(document, &mut used);
        let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) else { return };
        let before = schemas.len();
        schemas.retain(|name, _| name == NAMED_IN_WORDS || used.contains(&format!("#/components/schemas/{name}")));
        if schemas.len() == before {
            return;
        }
    }
}

fn collect_references(value: &Value, found: &mut HashSet<String>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|inner| collect_references(inner, found));
        }
        Value::Array(items) => items.iter().for_each(|inner| collect_references(inner, found)),
        _ => {}
    }
}

fn add_components(document: &mut Value) {
    let mut responses = Map::new();
    for (status, name, description) in PROBLEMS {
        let response = problem_response(status, &(*description).into());
        responses.insert((*name).to_owned(), response);
    }
    let scopes: Map<String, Value> = Scope::ALL.iter().map(|scope| (scope.as_str().to_owned(), scope.description().into())).collect();
    let components = json!({
        "responses": responses,
        "headers": {
            "X-Request-Id": header("The request's id: the caller's where it was sane, else one of ours.", "string", json!("01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10")),
            "ETag": header("The resource's version, quoted.", "string", json!("\"3\"")),
            "Location": header("Where the new resource is.", "string", json!("/v1/patients/01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10")),
            "Link": header("The next page, `rel=\"next\"`; absent on the last.", "string", json!("</v1/services?cursor=eyJ2IjoxfQ>; rel=\"next\"")),
            "Retry-After": header("Seconds after which to try again.", "integer", json!(1)),
            "WWW-Authenticate": header("The challenge (RFC 6750 §3).", "string", json!("Bearer realm=\"kith\"")),
            "Kith-Safety-Alert": header("`true` where an answer must be acted on at once; absent else.", "string", json!("true")),
            "RateLimit-Limit": header("Calls that this client may make at once; absent where the server has no limit.", "integer", json!(120_000)),
            "RateLimit-Remaining": header("Calls left of these now.", "integer", json!(119_999)),
            "RateLimit-Reset": header("Seconds until all are back.", "integer", json!(1)),
        },
        "parameters": {
            "IfMatch": parameter("If-Match", true, "The version that the change is based on: the `ETag` of the last read.", json!({ "type": "string", "examples": ["\"3\""] })),
            "OptionalIfMatch": parameter("If-Match", false, "Fails with 412 unless the resource has this version.", json!({ "type": "string", "examples": ["\"3\""] })),
            "IfNoneMatch": parameter("If-None-Match", false, "The version that the caller has; 304 where it is still the present one.", json!({ "type": "string", "examples": ["\"3\""] })),
            "IdempotencyKey": parameter("Idempotency-Key", false, "Makes the request safe to send again for 7 days: the same key and body give the first answer, as this client was shown it then.", json!({ "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$", "examples": ["0f8b6c1e-referral-1"] })),
            "OnBehalfOf": parameter("Kith-On-Behalf-Of", false, "The person who acts in the caller's system: a practitioner's id or words of the caller's own. Kept in the journal as asserted. What names a link (`referral link` or `screening link` and an id) is refused: so the journal itself says that something was done by a link.", json!({ "type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[ -~]*[!-~][ -~]*$", "examples": ["01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10"] })),
        },
        "securitySchemes": {
            "oauth2": {
                "type": "oauth2",
                "description": "OAuth 2.0 client credentials (RFC 6749 §4.4). Tokens are short-lived EdDSA-signed JWTs.",
                "flows": { "clientCredentials": { "tokenUrl": "/oauth/token", "scopes": scopes } },
            },
            "screening_link": {
                "type": "http",
                "scheme": "bearer",
                "description": "The token of a link to one draft, from `POST /v1/screenings/{id}/links`, for people who are no clients.",
            },
        },
    });
    let Some(target) = document.pointer_mut("/components").and_then(Value::as_object_mut) else { return };
    if let Value::Object(members) = components {
        target.extend(members);
    }
}

fn header(description: &str, kind: &str, example: Value) -> Value {
    json!({ "description": description, "schema": { "type": kind, "examples": [example] } })
}

fn parameter(name: &str, required: bool, description: &str, schema: Value) -> Value {
    json!({ "name": name, "in": "header", "required": required, "description": description, "schema": schema })
}

fn finish_operation(path: &str, method: &str, operation: &mut Map<String, Value>) {
    let has_scopes = has_scopes(operation.get("security"));
    let takes_json = operation.get("requestBody").is_some();
    let is_api = path.starts_with("/v1/");
    // The face in the standard of directories asks only, by whatever method, and knows no versions.
    let is_face = path.starts_with("/hsds/");
    let is_item = path.ends_with("/{id}") || path.ends_with("/{entry_id}");
    // A part of a resource has the version of the whole.
    let is_part = path.ends_with("/{key}");
    if let Some(body) = operation.get_mut("requestBody").and_then(Value::as_object_mut).filter(|_| is_face) {
        // The standard has the conditions in the query string.
        body.insert("required".into(), false.into());
    }
    let has_path_parameter = path.contains('{');
    let is_write = method != "get";
    // Asks with a body what is too private for a query string, and changes nothing: it needs no key to be sent again.
    let is_question = path.ends_with("/search") || path.ends_with("/ping") || path == "/v1/eligibility-checks";

    let mut headers = Vec::new();
    let mut problems: Vec<&str> = Vec::new();
    if is_api || is_face && has_scopes {
        problems.extend(["400", "500", "503"]);
    }
    if has_scopes {
        problems.push("403");
    }
    if knows_callers(operation.get("security")) {
        problems.extend(["401", "429"]);
    }
    if has_path_parameter {
        problems.push("404");
    }
    if takes_json && (is_api || is_face) {
        problems.extend(["408", "413", "415", "422"]);
    }
    // Keys belong to clients. An import of a directory needs none to be sent again: what it has seen before changes nothing.
    if is_api && method == "post" && has_scopes && !is_question && path != "/v1/imports/services" {
        headers.push("IdempotencyKey");
        problems.extend(["409", "422"]);
    }
    // A tombstone keeps its history.
    if is_api && path.contains("/{id}") && !path.ends_with("/history") {
        problems.push("410");
    }
    if is_api && is_item {
        match method {
            "get" => headers.push("IfNoneMatch"),
            "put" | "patch" | "delete" => {
                headers.push("IfMatch");
                problems.extend(["409", "412", "428"]);
            }
            _ => {}
        }
    }
    if is_api && is_part && method == "delete" {
        headers.push("IfMatch");
        problems.extend(["409", "412", "428"]);
    }
    if is_api && path.ends_with("/by-identifier") {
        headers.push("OptionalIfMatch");
        problems.extend(["409", "410", "412"]);
    }
    // An action honours it; what its handler says of it is the same everywhere.
    if has_parameter(operation, "If-Match") {
        headers.push("OptionalIfMatch");
        problems.push("412");
    }
    if is_api && is_write && !is_question && has_scopes {
        headers.push("OnBehalfOf");
    }

    let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
    if let Some(parameters) = parameters.as_array_mut() {
        parameters.retain(|parameter| parameter.get("name").is_none_or(|name| name != "If-Match"));
        parameters.extend(headers.iter().map(|name| json!({ "$ref": format!("#/components/parameters/{name}") })));
    }
    if operation.get("parameters").and_then(Value::as_array).is_some_and(Vec::is_empty) {
        operation.remove("parameters");
    }
    let responses = operation.entry("responses").or_insert_with(|| json!({}));
    let Some(responses) = responses.as_object_mut() else { return };
    if is_api && method == "get" && is_item {
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

fn has_parameter(operation: &Map<String, Value>, name: &str) -> bool {
    let parameters = operation.get("parameters").and_then(Value::as_array);
    parameters.into_iter().flatten().any(|parameter| parameter.get("name").and_then(Value::as_str) == Some(name))
}

/// A problem document, with the headers that its status comes with.
fn problem_response(status: &str, description: &Value) -> Value {
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
        "content": { Problem::MEDIA_TYPE: { "schema": { "$ref": "#/components/schemas/Problem" }, "example": problem_example(status) } },
    })
}

const ALLOWANCE: [&str; 3] = ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"];

fn header_reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/headers/{name}") })
}

/// The headers of every answer that is no problem.
fn add_headers(document: &mut Value) {
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
                    if path.starts_with("/v1/") && (status == "201" || status == "304" || has_version || schema == "Capacity") {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn two_modules_do_not_call_different_schemas_by_one_name() {
        let mut known: BTreeMap<String, Value> = BTreeMap::new();
        for (name, schema) in described().filter_map(|part| part.components).flat_map(|components| components.schemas) {
            let schema = serde_json::to_value(schema).unwrap();
            assert_eq!(known.entry(name.clone()).or_insert_with(|| schema.clone()), &schema, "{name}");
        }
    }
}
