//! What is done to the schemas of the document: plain objects of what was laid together, patches, words where generators stumble.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use crate::hsds::tables::TABLES;

/// `Page_Patient` becomes `PatientPage`, whose items are those of `Patient`: generators make better names of it, and what is done to a
/// schema here holds for its pages too.
pub(super) fn rename_pages(document: &mut Value) {
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
pub(super) fn flatten(schemas: &mut Map<String, Value>) {
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
pub(super) fn hoist_descriptions(value: &mut Value) {
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

/// The id of nothing.
const NIL: &str = "00000000-0000-0000-0000-000000000000";

/// `default` makes many generators demand the field of whoever writes it. What stands for an absent field is said in words instead, and
/// nothing where it is nothing.
pub(super) fn describe_defaults(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for property in members.get_mut("properties").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut) {
                let Some(property) = property.as_object_mut() else { continue };
                let says_something = |default: &Value| default.is_number() || default.as_str().is_some_and(|text| text != NIL);
                let Some(default) = property.remove("default").filter(says_something) else { continue };
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

/// States what every object of the standard has. In the types that we write every field may be absent, so they cannot say it themselves.
pub(super) fn require_columns(schemas: &mut Map<String, Value>) {
    for table in TABLES {
        let Some(schema) = schemas.get_mut(table.component).and_then(Value::as_object_mut) else { continue };
        // In the answer to `minimal` a service has its id and its dates alone.
        let required: &[&str] = if table.name == "service" { &["id"] } else { table.required };
        for column in required {
            let kind = schema.get_mut("properties").and_then(|properties| properties.get_mut(*column)?.get_mut("type"));
            if let Some(kind) = kind
                && let Some([one, null]) = kind.as_array().map(Vec::as_slice)
                && null == "null"
            {
                *kind = one.clone();
            }
        }
        schema.insert("required".into(), json!(required));
    }
}

/// What answers may lack all the same, by schema: it says something where it is there.
pub(super) const SOMETIMES: [(&str, &[&str]); 2] = [
    ("LineResult", &["possible_duplicates"]),
    ("Problem", &["errors", "current_version", "merged_into", "current_as_of", "leads_to", "run_id", "request_id"]),
];

/// What is not known is `null` in an answer, and not absent: whatever answers alone have has all of its fields. Of what requests have too a
/// schema cannot say so, since whoever sends it may leave out what is optional. The standard for directories leaves out what is not known.
pub(super) fn require_told(document: &mut Value) {
    let mut sent = referred_from(document, &["requestBody", "parameters"]);
    add_referred(document, vec![reference(NAMED_IN_WORDS)], &mut sent);
    let told = referred_from(document, &["responses"]);
    let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) else { return };
    for (name, schema) in schemas.iter_mut().filter(|(name, _)| !name.starts_with("Hsds")) {
        let is_told_alone = told.contains(&reference(name)) && !sent.contains(&reference(name));
        let Some(properties) = schema.get("properties").and_then(Value::as_object).filter(|_| is_told_alone) else { continue };
        let lacked = SOMETIMES.iter().find(|(schema, _)| schema == name).map_or(&[][..], |(_, fields)| *fields);
        let required: Vec<Value> =
            properties.keys().filter(|field| !lacked.contains(&field.as_str())).map(|field| field.as_str().into()).collect();
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("required".into(), required.into());
        }
    }
}

fn reference(schema: &str) -> String {
    format!("#/components/schemas/{schema}")
}

/// The schemas that these parts of any operation refer to, and those that they refer to.
fn referred_from(document: &Value, parts: &[&str]) -> HashSet<String> {
    let items = document.get("paths").and_then(Value::as_object).into_iter().flat_map(Map::values);
    let operations = items.filter_map(Value::as_object).flat_map(Map::values);
    let mut first = HashSet::new();
    for part in operations.flat_map(|operation| parts.iter().filter_map(move |part| operation.get(*part))) {
        collect_references(part, &mut first);
    }
    let mut all = HashSet::new();
    add_referred(document, first.into_iter().collect(), &mut all);
    all
}

/// Adds these schemas, and all that they refer to.
fn add_referred(document: &Value, mut references: Vec<String>, all: &mut HashSet<String>) {
    while let Some(next) = references.pop() {
        let schema = document.pointer(next.trim_start_matches('#')).cloned().unwrap_or_default();
        if all.insert(next) {
            let mut inner = HashSet::new();
            collect_references(&schema, &mut inner);
            references.extend(inner);
        }
    }
}

pub(super) fn request_schema(operation: &Value) -> Option<&str> {
    operation.pointer("/requestBody/content/application~1json/schema/$ref")?.as_str()?.rsplit('/').next()
}

pub(super) fn patch_name(input: &str) -> String {
    format!("{}Patch", input.strip_suffix("Input").unwrap_or(input))
}

/// The inputs of every path that has both PUT and PATCH.
pub(super) fn patched(document: &Value) -> Vec<String> {
    let items = document.pointer("/paths").and_then(Value::as_object).into_iter().flat_map(Map::values);
    items.filter(|item| item.get("patch").is_some()).filter_map(|item| request_schema(item.get("put")?)).map(str::to_owned).collect()
}

/// The schema of a merge patch: every field may be absent, and every field may be null.
pub(super) fn add_patch(schemas: &mut Map<String, Value>, input: &str) {
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

/// What only words refer to: a line of a list whose lines are each checked by itself.
const NAMED_IN_WORDS: &str = "CapacityLine";

/// Leaves out the schemas that nothing refers to any more: those whose fields were laid into others.
pub(super) fn drop_unused(document: &mut Value) {
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
