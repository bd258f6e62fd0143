//! Links from an answer to what can be done next with what is in it (OpenAPI §4.8.20): tools that read them walk the whole loop.

use serde_json::{Map, Value, json};

use super::METHODS;
use super::operations::has_parameter;

/// An operation that can follow another: its path, its id, and whether it demands a version.
struct Next {
    path: String,
    id: String,
    needs_version: bool,
}

/// Adds the links of every answer that holds a resource, and of every page.
pub(super) fn add(document: &mut Value) {
    let following = operations_by_id(document);
    let schemas = document.pointer("/components/schemas").cloned().unwrap_or_default();
    let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) else { return };
    for (path, item) in paths {
        for method in METHODS {
            let Some(operation) = item.get_mut(method) else { continue };
            let id = operation.get("operationId").and_then(Value::as_str).unwrap_or_default().to_owned();
            let has_cursor = operation.as_object().is_some_and(|operation| has_parameter(operation, "cursor"));
            for (status, response) in operation.get_mut("responses").and_then(Value::as_object_mut).into_iter().flatten() {
                let has = |field: &str| property(response, &schemas, field).is_some();
                let mut links = Map::new();
                if status.starts_with('2') && has("id") && has("version") {
                    links.extend(following.iter().filter(|next| belongs(&next.path, path)).map(link));
                }
                if status == "200" && has_cursor && has("next") && has("items") {
                    let parameters = json!({ "cursor": "$response.body#/next" });
                    let description = "The next page, where `next` is not null.";
                    links.insert("next".into(), json!({ "operationId": id, "parameters": parameters, "description": description }));
                }
                if let (Some(response), false) = (response.as_object_mut(), links.is_empty()) {
                    response.insert("links".into(), links.into());
                }
            }
        }
    }
}

/// Every operation on one resource by its id. Those on a part of it need another id, which the resource does not hold.
fn operations_by_id(document: &Value) -> Vec<Next> {
    let paths = document.get("paths").and_then(Value::as_object).into_iter().flatten();
    let needs_its_id_alone = |path: &str| path.contains("/{id}") && path.matches('{').count() == 1;
    let items = paths.filter(|(path, _)| needs_its_id_alone(path)).filter_map(|(path, item)| Some((path, item.as_object()?)));
    let operations = items.flat_map(|(path, item)| item.values().map(move |operation| (path, operation)));
    let next = operations.filter_map(|(path, operation)| {
        let id = operation.get("operationId")?.as_str()?.to_owned();
        let parameters = operation.get("parameters").and_then(Value::as_array).into_iter().flatten();
        let demanded = json!("#/components/parameters/IfMatch");
        let needs_version = parameters.filter_map(|parameter| parameter.get("$ref")).any(|reference| *reference == demanded);
        Some(Next { path: path.clone(), id, needs_version })
    });
    next.collect()
}

/// Whether an operation on `/v1/patients/{id}…` follows one that answers with a patient: one on `/v1/patients`, on
/// `/v1/patients/by-identifier` or on `/v1/patients/{id}` itself.
fn belongs(next: &str, path: &str) -> bool {
    let collection = path.trim_end_matches("/{id}").trim_end_matches("/by-identifier");
    next.strip_prefix(collection).is_some_and(|rest| rest == "/{id}" || rest.starts_with("/{id}/"))
}

fn link(next: &Next) -> (String, Value) {
    let parameters = if next.needs_version {
        json!({ "id": "$response.body#/id", "If-Match": "$response.header.ETag" })
    } else {
        json!({ "id": "$response.body#/id" })
    };
    (next.id.clone(), json!({ "operationId": next.id, "parameters": parameters }))
}

/// A property of the JSON body.
fn property<'a>(response: &Value, schemas: &'a Value, name: &str) -> Option<&'a Value> {
    let schema = response.pointer("/content/application~1json/schema/$ref")?.as_str()?.rsplit('/').next()?;
    schemas.get(schema)?.get("properties")?.get(name)
}
