//! An example for every body, made of the examples of its schema's own fields.
//!
//! A field says by example what is meant by it; the whole is put together here, once for each schema, under its name in
//! `components/examples`. What the field does not say follows from its type. Requests whose fields exclude each other, or of which one
//! sends a few at a time, are written out in `requests.json`; a test sends them all.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

/// Fields of an example of a merge patch: enough to show that the others may be absent.
const PATCHED: usize = 2;

/// Requests written by hand, by the name of their schema.
static REQUESTS: LazyLock<Map<String, Value>> = LazyLock::new(|| serde_json::from_str(include_str!("requests.json")).unwrap_or_default());

/// Gives every body that has none an example.
pub(super) fn add(document: &mut Value) {
    let schemas = document.pointer("/components/schemas").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut examples = Map::new();
    for operation in operations(document) {
        if let Some(content) = operation.pointer_mut("/requestBody/content") {
            add_to(content, &schemas, &mut examples);
        }
        for response in operation.get_mut("responses").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut) {
            if let Some(content) = response.get_mut("content") {
                add_to(content, &schemas, &mut examples);
            }
        }
    }
    examples.sort_keys();
    if let Some(components) = document.get_mut("components").and_then(Value::as_object_mut) {
        components.insert("examples".into(), examples.into());
    }
}

fn operations(document: &mut Value) -> impl Iterator<Item = &mut Value> {
    let items = document.get_mut("paths").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut);
    items.filter_map(Value::as_object_mut).flat_map(Map::values_mut)
}

fn add_to(content: &mut Value, schemas: &Map<String, Value>, examples: &mut Map<String, Value>) {
    for media in content.as_object_mut().into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut) {
        if media.contains_key("example") || media.contains_key("examples") {
            continue;
        }
        let Some(schema) = media.get("schema") else { continue };
        match named(schema).map(str::to_owned) {
            Some(name) => {
                if !examples.contains_key(&name) {
                    let Some(value) = of_named(&name, schemas) else { continue };
                    examples.insert(name.clone(), json!({ "value": value }));
                }
                let reference = json!({ "$ref": format!("#/components/examples/{name}") });
                media.insert("examples".into(), json!({ name: reference }));
            }
            None => {
                if let Some(value) = of(schema, schemas, &mut Vec::new()) {
                    media.insert("example".into(), value);
                }
            }
        }
    }
}

fn named(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.rsplit('/').next()
}

/// An example of a schema by its name.
pub(super) fn of_named(name: &str, schemas: &Map<String, Value>) -> Option<Value> {
    if let Some(request) = REQUESTS.get(name) {
        return Some(request.clone());
    }
    let mut example = of(schemas.get(name)?, schemas, &mut vec![name.to_owned()])?;
    if name.ends_with("Patch")
        && let Some(members) = example.as_object_mut()
    {
        let input = format!("{}Input", name.trim_end_matches("Patch"));
        let required = schemas.get(&input).and_then(|schema| schema.get("required")).and_then(Value::as_array);
        let is_optional = |field: &str| required.is_none_or(|names| names.iter().all(|name| name != field));
        let whole = std::mem::take(members).into_iter().filter(|(field, value)| value.is_string() && is_optional(field));
        *members = whole.take(PATCHED).collect();
    }
    Some(example)
}

/// Inside of so many schemas lists are left empty: a record that has records in lists in lists would be longer than anybody reads.
const DEEPEST: usize = 2;

/// An example of a schema; `None` where it would have to contain itself.
fn of(schema: &Value, schemas: &Map<String, Value>, within: &mut Vec<String>) -> Option<Value> {
    let first = |name: &str| schema.get(name)?.as_array()?.iter().find(|value| !value.is_null()).cloned();
    let stated = first("examples").or_else(|| schema.get("example").cloned()).or_else(|| schema.get("const").cloned());
    if let Some(value) = stated.or_else(|| first("enum")) {
        return Some(value);
    }
    if let Some(name) = named(schema) {
        if within.iter().any(|outer| outer == name) {
            return None;
        }
        within.push(name.to_owned());
        let value = schemas.get(name).and_then(|schema| of(schema, schemas, within));
        within.pop();
        return value;
    }
    for word in ["oneOf", "anyOf"] {
        if let Some(branches) = schema.get(word).and_then(Value::as_array) {
            let mut real = branches.iter().filter(|branch| branch.get("type").and_then(Value::as_str) != Some("null"));
            return real.find_map(|branch| of(branch, schemas, within));
        }
    }
    let types = match schema.get("type") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        other => other.and_then(Value::as_str).into_iter().collect::<Vec<_>>(),
    };
    let number = |name: &str| schema.get(name).filter(|value| value.is_number()).cloned();
    match types.into_iter().find(|name| *name != "null") {
        Some("array") => {
            let is_shown = within.len() <= DEEPEST || number("minItems").is_some();
            let item = schema.get("items").filter(|_| is_shown).and_then(|items| of(items, schemas, within));
            Some(item.into_iter().collect::<Vec<_>>().into())
        }
        Some("string") => Some(text(schema).into()),
        Some("integer" | "number") => Some(number("minimum").filter(|value| *value != json!(0)).unwrap_or_else(|| json!(1))),
        Some("boolean") => Some(true.into()),
        _ => {
            let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
            Some(Value::Object(properties.filter_map(|(name, property)| Some((name.clone(), of(property, schemas, within)?))).collect()))
        }
    }
}

/// A text of the schema's format.
fn text(schema: &Value) -> &'static str {
    match schema.get("format").and_then(Value::as_str) {
        Some("uuid") => "01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10",
        Some("date-time") => "2026-03-01T17:00:00.000000Z",
        Some("date") => "2026-03-01",
        Some("time") => "17:00:00",
        Some("uri") => "https://kith.example.ca/",
        _ => "Alder Falls",
    }
}
