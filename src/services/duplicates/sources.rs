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
use crate::types::Identifier;

/// What a record says of itself and of where it is from, which no other record says for it.
const OWN: &[&str] = &["name", "kind", "language", "status", "identifiers", "provenance", "source_fields", "alternate_names"];

/// As many as a record can have: with more it could not be written again.
pub const MOST_IDENTIFIERS: usize = 20;
const MOST_NAMES: usize = 20;

/// A service of which nothing is said.
static EMPTY: LazyLock<Value> =
    LazyLock::new(|| silent().and_then(|silent| serde_json::to_value(silent).map_err(Error::internal)).unwrap_or_default());

fn silent() -> Result<ServiceInput> {
    serde_json::from_value(serde_json::json!({ "name": "" })).map_err(Error::internal)
}

/// A record's own words with what those merged into it add.
pub fn composed(conn: &mut DbConn, row: &ServiceRow, own: &ServiceInput) -> Result<ServiceInput> {
    let mut content = own.clone();
    // One after the other: there may be hundreds, and each may say very much.
    for id in repository::merged_ids(conn, row.id)? {
        if let Some(other) = repository::find(conn, id)? {
            content = united(&content, &other.content)?;
        }
    }
    Ok(content)
}

/// Makes of what is written by a key of a service, which is what the service says itself, the whole: with what the records add that were
/// merged into it, and their keys.
///
/// # Errors
/// [`Error::Merged`] where the key is of one of those records and no key of the service's own is written with it: what is told of the
/// record that went is not meant for the one that stands for both. [`Error::Invalid`] where a service cannot have so many keys.
pub fn sync(conn: &mut DbConn, row: &ServiceRow, key: Option<&Identifier>, input: &mut ServiceInput) -> Result<()> {
    let Some(own) = &row.own_content else { return Ok(()) };
    let is_own = |key: &Identifier| own.identifiers.contains(key);
    if key.is_some_and(|key| !is_own(key)) && !input.identifiers.iter().any(is_own) {
        return Err(Error::Merged { into: resource::location::<Services>(row.id) });
    }
    let mut keys = input.identifiers.clone();
    keys.extend(row.content.identifiers.iter().filter(|key| !is_own(key) && !input.identifiers.contains(key)).cloned());
    if keys.len() > MOST_IDENTIFIERS {
        let message = format!("are more than {MOST_IDENTIFIERS} with those that came to the service with a merge");
        return Err(Error::invalid("/identifiers", "too_many", message));
    }
    *input = ServiceInput { identifiers: keys, ..composed(conn, row, input)? };
    Ok(())
}

/// The one with what only the other says: whole members that are empty in the one. Identifiers are united, and the other's name is one
/// more name.
pub fn united(one: &ServiceInput, other: &ServiceInput) -> Result<ServiceInput> {
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

/// The own words of a service into which others were merged, after somebody has written the whole anew: what they changed is its own from
/// then on, unless it is what one of the others says. The keys and names that came with those stay theirs.
pub fn edited(conn: &mut DbConn, row: &ServiceRow, own: &ServiceInput, after: &ServiceInput) -> Result<ServiceInput> {
    let added = composed(conn, row, &silent()?)?;
    own_words(own, &row.content, after, &added)
}

fn own_words(own: &ServiceInput, before: &ServiceInput, after: &ServiceInput, added: &ServiceInput) -> Result<ServiceInput> {
    let json = |content: &ServiceInput| serde_json::to_value(content).map_err(Error::internal);
    let (mut words, was, added) = (json(own)?, json(before)?, json(added)?);
    if let (Value::Object(members), Value::Object(written)) = (&mut words, json(after)?) {
        for (key, value) in written.into_iter().filter(|(key, value)| was.get(key) != Some(value)) {
            let is_theirs = !OWN.contains(&key.as_str()) && added.get(&key) == Some(&value);
            let value = if is_theirs { EMPTY.get(&key).cloned().unwrap_or_default() } else { value };
            members.insert(key, value);
        }
    }
    let words: ServiceInput = serde_json::from_value(words).map_err(Error::internal)?;
    Ok(ServiceInput {
        identifiers: without_theirs(&own.identifiers, &before.identifiers, &after.identifiers),
        alternate_names: without_theirs(&own.alternate_names, &before.alternate_names, &after.alternate_names),
        ..words
    })
}

/// What is left of a list without what it had before from others.
fn without_theirs<T: Clone + PartialEq>(own: &[T], before: &[T], after: &[T]) -> Vec<T> {
    let is_theirs = |item: &&T| before.contains(item) && !own.contains(item);
    after.iter().filter(|item| !is_theirs(item)).cloned().collect()
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

        let written = |description: Option<&str>| {
            let mut keys = united.identifiers.clone();
            keys.push(Identifier { system: "c".into(), value: "3".into() });
            let after = ServiceInput { description: description.map(str::to_owned), identifiers: keys, ..united.clone() };
            own_words(&one, &united, &after, &other).unwrap()
        };
        let own = written(Some("Edited."));
        assert_eq!((own.description.as_deref(), own.email), (Some("Edited."), None), "what is taken over stays the other's");
        let systems: Vec<&str> = own.identifiers.iter().map(|key| key.system.as_str()).collect();
        assert_eq!((systems, own.alternate_names), (vec!["a", "c"], Vec::new()));
        assert_eq!(written(Some("Theirs.")).description, None);
        assert_eq!(written(None).description, None);
    }
}
