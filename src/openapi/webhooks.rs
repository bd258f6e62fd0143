//! The events that are posted to webhook endpoints (OpenAPI §4.8.1, `webhooks`): each with its payload and an example.

use serde_json::{Map, Value, json};

use super::examples;
use crate::changes::Action;
use crate::webhooks::deliveries::PING;
use crate::webhooks::events::WebhookEventType;

/// Adds every event.
pub(super) fn add(document: &mut Value) {
    let mut schemas = document.pointer("/components/schemas").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut webhooks = Map::new();
    for event in WebhookEventType::ALL {
        let kind = event.resource_type();
        let resource = schema_name(kind.as_str());
        let data = format!("{resource}EventData");
        if !schemas.contains_key(&data) {
            let narrowed = [("resource_type", json!({ "const": kind })), ("resource", json!({ "$ref": reference(&resource) }))];
            schemas.insert(data.clone(), with_properties(schemas.get("WebhookData"), narrowed));
        }
        let narrowed = [("type", json!({ "const": event })), ("data", json!({ "$ref": reference(&data) }))];
        let schema = with_properties(schemas.get("WebhookEvent"), narrowed);
        let mut example = examples::of_named("WebhookData", &schemas).unwrap_or_default();
        if let Some(members) = example.as_object_mut() {
            members.insert("resource_type".into(), json!(kind));
            // Whole resources would make the document half as long again, and have their examples where they are read.
            if is_named_after_an_entry(*event) {
                TOLD_IN_FULL.iter().for_each(|field| drop(members.shift_remove(*field)));
            } else {
                members.insert("resource".into(), examples::of_named(&resource, &schemas).unwrap_or_default());
            }
        }
        webhooks.insert(event.to_string(), item(event.as_str(), event.description(), &schema, &example));
    }
    let data = json!({
        "type": "object",
        "required": ["endpoint_id"],
        "properties": { "endpoint_id": { "$ref": "#/components/schemas/Id" } },
    });
    let schema = json!({
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "properties": { "type": { "const": PING }, "timestamp": { "$ref": "#/components/schemas/Instant" }, "data": data },
    });
    let example = json!({ "endpoint_id": "01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10" });
    webhooks.insert(PING.into(), item(PING, "Somebody asked for a test event.", &schema, &example));
    webhooks.sort_keys();
    if let Some(components) = document.get_mut("components").and_then(Value::as_object_mut) {
        components.insert("schemas".into(), schemas.into());
    }
    if let Some(parameters) = document.pointer_mut("/components/parameters").and_then(Value::as_object_mut) {
        for (key, name, description, example) in HEADERS {
            let schema = json!({ "type": "string", "examples": [example] });
            parameters.insert(key.into(), super::parameter(name, true, description, schema));
        }
    }
    if let Some(document) = document.as_object_mut() {
        document.insert("webhooks".into(), webhooks.into());
    }
}

/// The headers of every event: key, name, what it says, example.
const HEADERS: [(&str, &str, &str, &str); 3] = [
    (
        "WebhookId",
        "webhook-id",
        "The same for every try of this event; a receiver that has seen it need not look again.",
        "01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10",
    ),
    ("WebhookTimestamp", "webhook-timestamp", "The moment of this try, in seconds since 1970.", "1772384400"),
    (
        "WebhookSignature",
        "webhook-signature",
        "`v1,` and the HMAC-SHA256 of id, moment and body, joined by dots, in base64; one for each live secret, separated by spaces.",
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    ),
];

/// The fields that a thin payload lacks.
const TOLD_IN_FULL: [&str; 4] = ["organization_id", "client_id", "on_behalf_of", "resource"];

fn is_named_after_an_entry(event: WebhookEventType) -> bool {
    let action = event.as_str().split('.').nth(1).unwrap_or_default();
    action.parse::<Action>().is_ok()
}

/// What is posted for an event.
fn item(name: &str, description: &str, schema: &Value, example: &Value) -> Value {
    let parameters: Vec<Value> = HEADERS.iter().map(|(key, ..)| json!({ "$ref": format!("#/components/parameters/{key}") })).collect();
    json!({ "post": {
        "tags": ["webhooks"],
        "operationId": format!("on_{}", name.replace('.', "_")),
        "summary": name,
        "description": description,
        "parameters": parameters,
        "requestBody": { "required": true, "content": { "application/json": {
            "schema": schema,
            "example": { "type": name, "timestamp": "2026-03-01T17:00:00.000000Z", "data": example },
        } } },
        "responses": {
            "2XX": { "description": "The receiver has taken it. Anything else, and it is sent again." },
            "410": { "description": "The receiver wants no more: the endpoint is disabled." },
        },
        "security": [{}],
    } })
}

/// A schema with some of its properties told more narrowly, each with the description that it had. Plain objects make better clients than
/// `allOf` does.
fn with_properties<const N: usize>(schema: Option<&Value>, narrowed: [(&str, Value); N]) -> Value {
    let mut schema = schema.cloned().unwrap_or_default();
    for (name, mut narrow) in narrowed {
        let Some(property) = schema.pointer_mut(&format!("/properties/{name}")) else { continue };
        if let (Some(description), Some(narrow)) = (property.get("description").cloned(), narrow.as_object_mut()) {
            narrow.insert("description".into(), description);
        }
        *property = narrow;
    }
    schema
}

fn reference(schema: &str) -> String {
    format!("#/components/schemas/{schema}")
}

/// `follow_up` is described by `FollowUp`.
fn schema_name(kind: &str) -> String {
    let capitalised = |word: &str| word.get(..1).map(str::to_uppercase).unwrap_or_default() + word.get(1..).unwrap_or_default();
    kind.split('_').map(capitalised).collect()
}
