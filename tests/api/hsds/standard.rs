//! The schemas of the standard as a judge: its own files where they are at hand, changed by our profile and by nothing else.

use std::collections::BTreeMap;
use std::path::Path;

use jsonschema::Validator;
use kith::import::mapping::Mapping;
use kith::import::read::Form;
use kith::organizations::model::OrganizationKind;
use serde_json::{Map, Value, json};

use super::{all, demo, import};
use crate::client::{Caller, TestApp};
use crate::harness::shared;

/// The real directories: file, form, mapping.
pub const REAL: &[(&str, Form, &str)] = &[
    ("kelowna-bc/resources.csv", Form::Csv, include_str!("../../mappings/kelowna.toml")),
    ("kingston-on/services.json", Form::Json, include_str!("../../mappings/kingston.toml")),
    ("workbc-bc/centres.json", Form::Json, include_str!("../../mappings/workbc.toml")),
    ("us-food-cc0/feed.ndjson", Form::Ndjson, include_str!("../../mappings/us_food.toml")),
];

/// Imports every real directory that is at hand, each for an organization of its own; how many they were.
pub async fn import_real(app: &TestApp) -> usize {
    let mut count = 0;
    for (file, form, mapping) in REAL {
        let Some(path) = shared(&format!("data/directory/{file}")) else { continue };
        let owner = app.tenant(file, OrganizationKind::Directory).await.organization_id;
        import(app, owner, Mapping::parse(mapping).unwrap(), &std::fs::read(path).unwrap(), *form).await;
        count += 1;
    }
    count
}

/// The standard's schemas, with patches laid over them, closed.
struct Judge {
    files: Map<String, Value>,
    lists: Map<String, Value>,
}

fn merge(target: &mut Value, patch: &Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (name, part) in patch {
                if part.is_null() {
                    target.remove(name);
                } else {
                    merge(target.entry(name.clone()).or_insert(Value::Null), part);
                }
            }
        }
        (target, patch) => *target = patch.clone(),
    }
}

/// References between files become references inside one.
fn gather(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get_mut("$ref")
                && reference.ends_with(".json")
            {
                *reference = format!("#/$defs/{reference}");
            }
            if members.get("properties").is_some_and(Value::is_object) && members.get("type") == Some(&json!("object")) {
                members.entry("additionalProperties").or_insert(Value::Bool(false));
            }
            members.values_mut().for_each(gather);
        }
        Value::Array(items) => items.iter_mut().for_each(gather),
        _ => {}
    }
}

impl Judge {
    fn read(folder: &Path, patches: &BTreeMap<String, Value>) -> Self {
        let files_of = |folder: &Path| -> Map<String, Value> {
            let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
            let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
            files
                .map(|path| {
                    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                    (name, serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap())
                })
                .collect()
        };
        let mut files = files_of(folder);
        for (name, patch) in patches {
            merge(files.get_mut(name).unwrap_or_else(|| panic!("{name} is no schema of the standard")), patch);
        }
        // What the fully nested views have beside the files.
        merge(
            &mut files["organization.json"],
            &json!({ "properties": { "services": { "type": "array", "items": { "$ref": "service.json" } } } }),
        );
        merge(&mut files["service_at_location.json"], &json!({ "properties": { "service": { "$ref": "service.json" } } }));
        files.values_mut().for_each(gather);
        let mut lists = files_of(&folder.join("compiled"));
        lists.values_mut().for_each(gather);
        Self { files, lists }
    }

    fn validator(&self, schema: Value) -> Validator {
        let root = json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "allOf": [schema], "$defs": self.files });
        jsonschema::options().should_validate_formats(true).build(&root).unwrap()
    }

    fn of_record(&self, file: &str) -> Validator {
        self.validator(json!({ "$ref": format!("#/$defs/{file}") }))
    }

    /// Entries of lists are those of the standard, with nothing of ours.
    fn of_list(&self, name: &str) -> Validator {
        match self.lists.get(&format!("{name}_list.json")) {
            Some(schema) => self.validator(schema.clone()),
            None => self.of_record(&format!("{name}.json")),
        }
    }
}

#[track_caller]
fn fits(validator: &Validator, value: &Value, what: &str) {
    let faults: Vec<String> = validator.iter_errors(value).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
    assert!(faults.is_empty(), "{what}: {faults:#?} in {value}");
}

async fn patches(caller: &Caller) -> BTreeMap<String, Value> {
    let mut patches = BTreeMap::new();
    for file in caller.get("/hsds/profile").await.expect(200)["files"].as_array().unwrap() {
        let name = file["name"].as_str().unwrap().to_owned();
        let patch = caller.get(&format!("/hsds/profile/{name}")).await.expect(200);
        patches.insert(name, patch);
    }
    patches
}

async fn hold(app: &TestApp, caller: &Caller, least: usize) {
    let Some(folder) = shared("reference/hsds/schema") else { return };
    let judge = Judge::read(&folder, &patches(&app.stranger()).await);
    for (list, name) in [
        ("services", "service"),
        ("service_at_locations", "service_at_location"),
        ("organizations", "organization"),
        ("taxonomies", "taxonomy"),
        ("taxonomy_terms", "taxonomy_term"),
    ] {
        let (of_list, of_record) = (judge.of_list(name), judge.of_record(&format!("{name}.json")));
        let entries = all(caller, &format!("/hsds/{list}")).await;
        assert!(!entries.is_empty() && (list != "services" || entries.len() >= least), "{list}");
        entries.iter().for_each(|entry| fits(&of_list, entry, list));
        let whole = if list.starts_with("taxonom") { entries } else { all(caller, &format!("/hsds/{list}?full=true")).await };
        whole.iter().for_each(|entry| fits(&of_record, entry, list));
        for entry in whole.iter().take(5) {
            let single = caller.get(&format!("/hsds/{list}/{}", entry["id"].as_str().unwrap())).await.expect(200);
            assert_eq!(single, *entry, "a record is the same in a full list and by its id");
        }
    }
}

on_both!(every_answer_of_the_demo_holds_to_the_standards_schemas, |db| async move {
    let app = TestApp::new(db).await;
    let (_, clinic) = demo(&app).await;
    hold(&app, &clinic, 82).await;
});

on_both!(every_answer_of_real_directories_holds_to_the_standards_schemas, |db| async move {
    let app = TestApp::new(db).await;
    if import_real(&app).await > 0 {
        let clinic = app.clinic().await;
        hold(&app, &clinic, 100).await;
    }
});

on_both!(the_schemas_that_are_served_describe_what_is_served, |db| async move {
    let app = TestApp::new(db).await;
    let (_, clinic) = demo(&app).await;
    let stranger = app.stranger();
    let mut files = Map::new();
    for file in stranger.get("/hsds/schema").await.expect(200)["files"].as_array().unwrap() {
        let name = file["name"].as_str().unwrap();
        let mut schema = stranger.get(&format!("/hsds/schema/{name}")).await.expect(200);
        gather(&mut schema);
        files.insert(name.to_owned(), schema);
    }
    let judge = Judge { files, lists: Map::new() };
    let (services, sites) = (judge.of_record("service.json"), judge.of_record("service_at_location.json"));
    all(&clinic, "/hsds/services?full=true").await.iter().for_each(|service| fits(&services, service, "services"));
    all(&clinic, "/hsds/service_at_locations?full=true").await.iter().for_each(|site| fits(&sites, site, "sites"));
    let organizations = judge.of_record("organization.json");
    all(&clinic, "/hsds/organizations?full_service=true").await.iter().for_each(|entry| fits(&organizations, entry, "organizations"));
    let other = json!({ "id": "01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10", "name": "A", "status": "active" });
    assert!(stranger.get("/hsds/schema/nothing.json").await.status == 404 && services.is_valid(&other));
    assert!(
        !services.is_valid(&json!({ "name": "A", "status": "active" }))
            && !services.is_valid(&json!({ "id": other["id"], "name": 1, "status": "x" }))
    );
});
