//! The OpenAPI 3.1 document: generated from the live route table, then finished.
//!
//! Handlers say what is special to them; what the contract makes true of every operation is added here, once: the problems that each
//! can answer, the conditional and idempotency headers, the shape of merge patches. `http::schema` checks bodies against the
//! schemas of this same document.

mod examples;
mod links;
mod operations;
mod schemas;
mod webhooks;

use std::collections::HashSet;
use std::sync::LazyLock;

use actix_web::dev::ResourceDef;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use crate::auth::scopes::Scope;
use crate::error::{self, Problem};
use crate::http::routes::Routes;
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
    let mut described = Base::openapi();
    crate::app::ROUTES.iter().for_each(|routes| routes(&mut Routes::Described(&mut described)));
    let mut document = serde_json::to_value(described).unwrap_or_default();
    finish(&mut document);
    document
});

/// The finished document.
pub fn document() -> &'static Value {
    &DOCUMENT
}

/// The finished document as it is committed: indented, with a newline at its end.
pub fn text() -> String {
    format!("{:#}\n", document())
}

/// The path in the document that a request's path is of; one that is written out there, whatever templates it fits as well, and of templates the
/// one that is written out further: `{` sorts after every letter.
pub fn template_of(path: &str) -> Option<&'static str> {
    let paths = document().get("paths").and_then(Value::as_object)?;
    let literal = paths.get_key_value(path).map(|(literal, _)| literal.as_str());
    literal.or_else(|| TEMPLATES.iter().find(|(_, pattern)| pattern.is_match(path)).map(|(template, _)| *template))
}

/// The paths of the document that are templates. A pattern is never given up once it is made: the router keeps its names for good.
static TEMPLATES: LazyLock<Vec<(&str, ResourceDef)>> = LazyLock::new(|| {
    let paths = document().get("paths").and_then(Value::as_object);
    let templates = paths.into_iter().flat_map(|paths| paths.keys()).filter(|path| path.contains('{'));
    templates.map(|template| (template.as_str(), ResourceDef::new(template.as_str()))).collect()
});

/// The schemas of the document, by name.
pub fn schemas() -> &'static Value {
    document().pointer("/components/schemas").unwrap_or(&Value::Null)
}

/// The methods that operations have.
const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

fn finish(document: &mut Value) {
    schemas::rename_pages(document);
    if let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
        schemas::flatten(schemas);
    }
    schemas::require_told(document);
    schemas::hoist_descriptions(document);
    schemas::describe_defaults(document);
    add_components(document);
    let patches = schemas::patched(document);
    if let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
        for name in patches {
            schemas::add_patch(schemas, &name);
        }
        schemas::require_columns(schemas);
        schemas.sort_keys();
    }
    let Some(paths) = document.pointer_mut("/paths").and_then(Value::as_object_mut) else { return };
    paths.sort_keys();
    let keyed: HashSet<String> = paths.keys().filter_map(|path| path.strip_suffix("/by-identifier")).map(str::to_owned).collect();
    for (path, item) in paths.iter_mut() {
        let Some(item) = item.as_object_mut() else { continue };
        let put_schema = item.get("put").and_then(schemas::request_schema).map(str::to_owned);
        for method in METHODS {
            if let Some(operation) = item.get_mut(method).and_then(Value::as_object_mut) {
                if method == "patch"
                    && let Some(name) = &put_schema
                {
                    let content = json!({ "schema": { "$ref": format!("#/components/schemas/{}", schemas::patch_name(name)) } });
                    let media_types = json!({ "application/merge-patch+json": content, "application/json": content });
                    operation.insert("requestBody".into(), json!({ "required": true, "content": media_types }));
                }
                operations::finish(path, method, operation, &keyed);
            }
        }
    }
    operations::excuse_bodies(document);
    operations::add_headers(document);
    examples::add(document);
    links::add(document);
    webhooks::add(document);
    schemas::drop_unused(document);
    list_codes(document);
}

/// The codes that a client may have to act on, told once for all operations.
fn list_codes(document: &mut Value) {
    let Some(description) = document.pointer_mut("/info/description") else { return };
    let codes: Vec<String> = error::meanings().iter().map(|(kind, _)| format!("`{}` ({})", kind.code, kind.status)).collect();
    let text = description.as_str().unwrap_or_default().trim_end();
    *description = format!("{text}\n\n**Codes** of problems: {}. `/problems` says when each comes.\n", codes.join(", ")).into();
}

fn add_components(document: &mut Value) {
    let mut responses = Map::new();
    for (status, name, description) in operations::PROBLEMS {
        let response = operations::problem_response(status, &(*description).into());
        responses.insert((*name).to_owned(), response);
    }
    let scopes: Map<String, Value> = Scope::ALL.iter().map(|scope| (scope.as_str().to_owned(), scope.description().into())).collect();
    let components = json!({
        "responses": responses,
        "headers": {
            "X-Request-Id": header("The request's id: the caller's where it was sane, else one of ours.", "string", json!("01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10")),
            "ETag": header("The resource's version, quoted; of a service that is read, the version and behind a hyphen what is shown besides; of this document, what tells it from others.", "string", json!("\"3\"")),
            "Location": header("Where the new resource is; of one that cannot be read by itself, the list that has it.", "string", json!("/v1/patients/01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10")),
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
            "IfNoneMatch": parameter("If-None-Match", false, "The `ETag` that the caller has; 304 where that alone decides what this client is shown, and it is the present one.", json!({ "type": "string", "examples": ["\"3\""] })),
            "IdempotencyKey": parameter("Idempotency-Key", false, "Makes the request safe to send again for 7 days: the same key and body give the first answer, as this client was shown it then.", json!({ "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$", "examples": ["0f8b6c1e-referral-1"] })),
            "OnBehalfOf": parameter("Kith-On-Behalf-Of", false, "The person who acts in the caller's system: a practitioner's id or words of the caller's own, in UTF-8 or ISO 8859-1. Kept in the journal as asserted. What names a link (`referral link` or `screening link` and an id) is refused: so the journal itself says that something was done by a link.", json!({ "type": "string", "minLength": 1, "maxLength": 200, "pattern": r"^[^\x00-\x1f\x7f-\x9f]*[^\x00-\x20\x7f-\xa0][^\x00-\x1f\x7f-\x9f]*$", "examples": ["01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10"] })),
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn two_modules_do_not_call_different_schemas_by_one_name() {
        let mut known: BTreeMap<String, Value> = BTreeMap::new();
        for routes in crate::app::ROUTES {
            let mut described = utoipa::openapi::OpenApi::default();
            routes(&mut Routes::Described(&mut described));
            for (name, schema) in described.components.into_iter().flat_map(|components| components.schemas) {
                let schema = serde_json::to_value(schema).unwrap();
                assert_eq!(known.entry(name.clone()).or_insert_with(|| schema.clone()), &schema, "{name}");
            }
        }
    }

    #[test]
    fn objects_of_the_standard_promise_what_they_always_have() {
        let schema = |name: &str| &schemas()[name];
        assert_eq!(schema("HsdsPhone")["required"], json!(["id", "number"]));
        assert_eq!(schema("HsdsPhone")["properties"]["number"]["type"], "string");
        assert_eq!(schema("HsdsTaxonomyTerm")["required"], json!(["id", "name", "description"]));
        assert_eq!(schema("HsdsService")["required"], json!(["id"]), "a sweep has ids and dates");
        assert!(!document().to_string().contains("00000000-0000-0000-0000-000000000000"), "the id of nothing stands for nothing");
    }

    #[test]
    fn what_answers_alone_have_is_promised_whole() {
        let required = |name: &str| schemas()[name]["required"].as_array().cloned().unwrap_or_default();
        for (name, field) in [
            ("ReferralLink", "recipient"),
            ("ReferralTransition", "from"),
            ("WaitlistEntry", "likely_on"),
            ("Import", "finished_at"),
            ("Export", "since"),
            ("SourceRun", "error"),
            ("CalendarLink", "revoked_at"),
            ("ChangeEntry", "resource"),
            ("SearchHit", "place"),
        ] {
            assert!(required(name).contains(&field.into()), "{name}.{field}");
            assert!(!schemas()[name]["properties"][field].is_null(), "{name}.{field}");
        }
        for name in schemas().as_object().unwrap().keys().filter(|name| name.ends_with("Page") && !name.starts_with("Hsds")) {
            assert!(required(name).contains(&"next".into()), "{name}");
        }
        // What the same record says where it is made anew and where it is listed is promised alike.
        for (listed, made) in [("ReferralLink", "NewReferralLink"), ("ReferralTransition", "NewReferralTransition")] {
            let lacking: Vec<_> = required(listed).into_iter().filter(|field| !required(made).contains(field)).collect();
            assert!(lacking.is_empty(), "{made} does not promise {lacking:?}");
        }
        // Whoever sends one leaves out what is optional; a problem and a line's result say what there is to say.
        for (name, field) in
            [("StatusReason", "code"), ("Capacity", "available"), ("Problem", "errors"), ("LineResult", "possible_duplicates")]
        {
            assert!(!required(name).contains(&field.into()) && !schemas()[name]["properties"][field].is_null(), "{name}.{field}");
        }
        for (name, fields) in schemas::SOMETIMES {
            assert!(fields.iter().all(|field| !schemas()[name]["properties"][*field].is_null()), "{name}");
        }
    }

    #[test]
    fn nobody_is_promised_a_304_by_what_shows_no_version() {
        let mut promised = 0;
        for (path, item) in document()["paths"].as_object().unwrap() {
            let operation = &item["get"];
            if operation["responses"].get("304").is_none() || path == operations::DOCUMENT {
                continue;
            }
            let shape = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].as_str().unwrap();
            let shape = shape.rsplit('/').next().unwrap();
            assert!(schemas()[shape]["properties"].get("version").is_some(), "{path}");
            assert!(
                operation["parameters"].as_array().unwrap().contains(&json!({ "$ref": "#/components/parameters/IfNoneMatch" })),
                "{path}"
            );
            promised += 1;
        }
        assert!(promised > 10, "{promised}");
    }
}
