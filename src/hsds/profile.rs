//! Our profile of the standard: merge patches (RFC 7396) under the names of its schemas, and the schemas of what we serve.
//!
//! Both are made from the types of [`model`](super::model), so they say what is written. A patch adds the object `kith`, and nothing
//! else; it takes nothing away.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, get};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::handlers::base;
use super::model::{PROFILE_VERSION, VERSION};
use super::tables::{TABLES, Table};
use crate::app::State;
use crate::error::{Error, Result};
use crate::openapi;

/// The tables whose schemas we serve, each in a file of its name.
fn files() -> impl Iterator<Item = (String, &'static Table)> {
    TABLES.iter().filter(|table| !table.component.is_empty()).map(|table| (format!("{}.json", table.name), table))
}

/// A file of the profile.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = HsdsProfileFile)]
pub struct File {
    /// Its name, that of a schema of the standard.
    #[schema(example = "service.json")]
    pub name: String,
    /// Where it is.
    #[schema(format = "uri", example = "https://kith.example.ca/hsds/profile/service.json")]
    pub url: String,
}

/// The profile.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = HsdsProfile)]
pub struct Profile {
    /// Its name.
    #[schema(example = "Kith")]
    pub name: String,
    /// Its version.
    #[schema(example = "1.0")]
    pub version: String,
    /// The version of the standard that it is a profile of.
    #[schema(example = "3.2")]
    pub hsds_version: String,
    /// What it is for.
    #[schema(example = "Objects named `kith` hold what the standard has no field for.")]
    pub description: String,
    /// Its files: merge patches of the standard's schemas, or the schemas as they are with them.
    pub files: Vec<File>,
}

/// Describe the profile
///
/// Merge patches (RFC 7396) of the standard's schemas. They add objects named `kith` for what it has no field for: waitlists, delivery
/// modes, rules of eligibility, cultures and diets, what is asked for, verification, IANA time zones, French texts, provenance.
#[utoipa::path(tag = "hsds", responses((status = 200, description = "The files of the profile.", body = Profile)), security(()))]
#[get("/hsds/profile")]
pub async fn get_hsds_profile(app: State, request: HttpRequest) -> HttpResponse {
    HttpResponse::Ok().json(described(&base(&app, &request), "profile", PATCHES.keys()))
}

/// Read a file of the profile
///
/// A merge patch of the schema of the same name.
#[utoipa::path(tag = "hsds", params(("name" = String, Path, description = "The name of a schema of the standard.", example = "service.json")), responses((status = 200, description = "The merge patch.", body = Object, example = json!({ "properties": { "kith": { "type": "object" } } }))), security(()))]
#[get("/hsds/profile/{name}")]
pub async fn get_hsds_profile_file(name: Path<String>) -> Result<HttpResponse> {
    Ok(HttpResponse::Ok().json(PATCHES.get(name.as_str()).ok_or(Error::NotFound)?))
}

/// List the schemas
///
/// JSON Schemas of what is served: the fields of the standard that are used, with those of the profile.
#[utoipa::path(tag = "hsds", responses((status = 200, description = "The files.", body = Profile)), security(()))]
#[get("/hsds/schema")]
pub async fn list_hsds_schemas(app: State, request: HttpRequest) -> HttpResponse {
    HttpResponse::Ok().json(described(&base(&app, &request), "schema", SCHEMAS.keys()))
}

/// Read a schema
///
/// A JSON Schema (2020-12) that refers to the others by their names.
#[utoipa::path(tag = "hsds", params(("name" = String, Path, description = "The name of a schema of the standard.", example = "service.json")), responses((status = 200, description = "The schema.", body = Object, example = json!({ "type": "object" }))), security(()))]
#[get("/hsds/schema/{name}")]
pub async fn get_hsds_schema(name: Path<String>) -> Result<HttpResponse> {
    Ok(HttpResponse::Ok().json(SCHEMAS.get(name.as_str()).ok_or(Error::NotFound)?))
}

fn described<'a>(base: &str, under: &str, names: impl Iterator<Item = &'a String>) -> Profile {
    let file = |name: &String| File { name: name.clone(), url: format!("{base}/hsds/{under}/{name}") };
    Profile {
        name: "Kith".into(),
        version: PROFILE_VERSION.into(),
        hsds_version: VERSION.into(),
        description: "Objects named `kith` hold what the standard has no field for. A field of `kith` that is also one of the standard \
                      is the whole of it."
            .into(),
        files: names.map(file).collect(),
    }
}

/// The patches, by file.
static PATCHES: LazyLock<BTreeMap<String, Value>> = LazyLock::new(|| {
    let patch = |(file, table): (String, &Table)| {
        let extra = openapi::schemas().get(table.component)?.pointer("/properties/kith")?;
        let mut extra = inlined(extra, 0);
        without_null(&mut extra);
        Some((file, json!({ "properties": { "kith": extra } })))
    };
    files().filter_map(patch).collect()
});

/// The schemas with the patches, by file.
static SCHEMAS: LazyLock<BTreeMap<String, Value>> = LazyLock::new(|| {
    let schema = |(file, table): (String, &Table)| {
        let mut schema = linked(openapi::schemas().get(table.component)?);
        without_null(&mut schema);
        let members = schema.as_object_mut()?;
        let properties = members.get_mut("properties").and_then(Value::as_object_mut)?;
        properties.shift_remove("modified_date");
        members.insert("name".into(), table.name.into());
        members.insert("required".into(), json!(table.required));
        let mut whole = Map::from_iter([("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"))]);
        whole.append(members);
        Some((file, Value::Object(whole)))
    };
    files().filter_map(schema).collect()
});

fn component(reference: &Value) -> Option<&str> {
    reference.get("$ref")?.as_str()?.strip_prefix("#/components/schemas/")
}

/// A schema with what it refers to inside it.
fn inlined(schema: &Value, depth: usize) -> Value {
    if let Some(name) = component(schema).filter(|_| depth < 12) {
        let mut whole = inlined(openapi::schemas().get(name).unwrap_or(&Value::Null), depth + 1);
        if let (Some(members), Some(own)) = (whole.as_object_mut(), schema.as_object()) {
            members.extend(own.iter().filter(|(name, _)| *name != "$ref").map(|(name, value)| (name.clone(), value.clone())));
        }
        return whole;
    }
    match schema {
        Value::Object(members) => members.iter().map(|(name, member)| (name.clone(), inlined(member, depth))).collect(),
        Value::Array(items) => items.iter().map(|item| inlined(item, depth)).collect(),
        other => other.clone(),
    }
}

/// A schema that refers to the files of others, with anything else inside it.
fn linked(schema: &Value) -> Value {
    if let Some(name) = component(schema) {
        return match files().find(|(_, table)| table.component == name) {
            Some((file, _)) => json!({ "$ref": file }),
            None => inlined(schema, 0),
        };
    }
    match schema {
        Value::Object(members) => members.iter().map(|(name, member)| (name.clone(), linked(member))).collect(),
        Value::Array(items) => items.iter().map(linked).collect(),
        other => other.clone(),
    }
}

/// Takes `null` out: what is not known is left out of these objects.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if let Some(types) = members.get_mut("type") {
                if let Some(names) = types.as_array_mut() {
                    names.retain(|name| name != "null");
                }
                if let Some([one]) = types.as_array().map(Vec::as_slice) {
                    *types = one.clone();
                }
            }
            let mut only = None;
            if let Some(branches) = members.get_mut("oneOf").and_then(Value::as_array_mut) {
                branches.retain(|branch| branch.get("type").is_none_or(|name| name != "null"));
                if branches.len() == 1 {
                    only = branches.pop();
                }
            }
            if let Some(Value::Object(only)) = only {
                members.shift_remove("oneOf");
                for (name, value) in only {
                    members.entry(name).or_insert(value);
                }
            }
            members.values_mut().for_each(without_null);
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        _ => {}
    }
}
