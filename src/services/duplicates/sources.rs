//! One record of what several sources say.
//!
//! The record's own words stand. What it does not say is taken from the records that were merged into it, in order of their ids. It is
//! composed anew whenever one of them says something else, so that nothing stays that nobody says any more.

use std::sync::LazyLock;

use serde_json::Value;

use crate::changes::{Action, Actor};
use crate::db::DbConn;
use crate::error::{Error, Result};
use crate::http::resource::{self, Resource as _};
use crate::services::model::ServiceInput;
use crate::services::repository;
use crate::services::resource::Services;
use crate::services::row::ServiceRow;
use crate::text::fold;

/// What a record says of itself and of where it is from, which no other record says for it.
const OWN: &[&str] = &["name", "kind", "language", "status", "identifiers", "provenance", "source_fields", "alternate_names"];

/// As many as a record can have: with more it could not be written again.
pub const MOST_IDENTIFIERS: usize = 20;
const MOST_NAMES: usize = 20;

/// A record's own words with what those merged into it add.
pub fn composed(conn: &mut DbConn, row: &ServiceRow, own: &ServiceInput) -> Result<ServiceInput> {
    let others = repository::merged_into(conn, row.id)?;
    others.iter().try_fold(own.clone(), |content, other| united(&content, &other.content))
}

/// The one with what only the other says: whole members that are empty in the one. Identifiers are united, and the other's name is one
/// more name.
pub fn united(one: &ServiceInput, other: &ServiceInput) -> Result<ServiceInput> {
    static EMPTY: LazyLock<Value> = LazyLock::new(|| {
        let nameless = serde_json::from_value::<ServiceInput>(serde_json::json!({ "name": "" }));
        nameless.and_then(serde_json::to_value).unwrap_or_default()
    });
    let json = |content: &ServiceInput| serde_json::to_value(content).map_err(Error::internal);
    let mut whole = json(one)?;
    let has_provider = one.provider_id.is_some() || one.provider_name.is_some();
    if let (Value::Object(members), Value::Object(others)) = (&mut whole, json(other)?) {
        for (key, value) in others {
            let is_own = OWN.contains(&key.as_str()) || (has_provider && key.starts_with("provider_"));
            if let Some(present) = members.get_mut(&key).filter(|present| !is_own && EMPTY.get(&key) == Some(&**present)) {
                *present = value;
            }
        }
    }
    let mut content: ServiceInput = serde_json::from_value(whole).map_err(Error::internal)?;
    let added: Vec<_> = other.identifiers.iter().filter(|identifier| !content.identifiers.contains(identifier)).cloned().collect();
    content.identifiers.extend(added);
    content.identifiers.truncate(MOST_IDENTIFIERS);
    let is_known =
        |name: &String| fold(name) == fold(&content.name) || content.alternate_names.iter().any(|known| fold(known) == fold(name));
    let names: Vec<String> = std::iter::once(&other.name).chain(&other.alternate_names).filter(|name| !is_known(name)).cloned().collect();
    content.alternate_names.extend(names);
    content.alternate_names.truncate(MOST_NAMES);
    Ok(content)
}

/// A record's own words after somebody has edited the whole: what they changed is its own from then on.
pub fn edited(own: &ServiceInput, before: &ServiceInput, after: &ServiceInput) -> Result<ServiceInput> {
    let json = |content: &ServiceInput| serde_json::to_value(content).map_err(Error::internal);
    let (mut own, before, after) = (json(own)?, json(before)?, json(after)?);
    if let (Value::Object(members), Value::Object(after)) = (&mut own, after) {
        members.extend(after.into_iter().filter(|(key, value)| before.get(key) != Some(value)));
    }
    serde_json::from_value(own).map_err(Error::internal)
}

/// Writes into the journal what becomes of a merged record.
pub fn record_merged(conn: &mut DbConn, actor: &Actor, row: ServiceRow) -> Result<()> {
    let (head, shape) = (Services::head(&row), Services::shape(row));
    resource::record_by::<Services>(conn, actor, &head, Action::Merged, &shape)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_records_own_words_stand_and_what_it_lacks_is_taken_over() {
        let read = |service: Value| serde_json::from_value::<ServiceInput>(service).unwrap();
        let one = read(json!({
            "name": "Food Bank", "description": "Ours.", "provider_name": "Society", "identifiers": [{ "system": "a", "value": "1" }],
            "source_fields": { "ours": 1 },
        }));
        let other = read(json!({
            "name": "The Food Bank", "description": "Theirs.", "email": "food@example.ca", "status": "inactive",
            "provider_id": "01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10", "source_fields": { "theirs": 2 },
            "identifiers": [{ "system": "b", "value": "2" }, { "system": "a", "value": "1" }],
        }));
        let united = united(&one, &other).unwrap();
        assert_eq!((united.name.as_str(), united.description.as_deref()), ("Food Bank", Some("Ours.")));
        assert_eq!((united.email.as_deref(), united.provider_id, united.status), (Some("food@example.ca"), None, one.status));
        assert_eq!(united.alternate_names, ["The Food Bank"]);
        assert_eq!((united.identifiers.len(), &united.source_fields), (2, &one.source_fields));
        assert_eq!(super::united(&united, &other).unwrap(), united, "twice is once");

        let after = ServiceInput { description: Some("Edited.".into()), ..united.clone() };
        let own = edited(&one, &united, &after).unwrap();
        assert_eq!((own.description.as_deref(), own.email), (Some("Edited."), None), "what is taken over stays the other's");
    }
}
