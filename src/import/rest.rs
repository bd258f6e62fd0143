//! What is left of what a source says, once records are made of it: see [`said`].
//!
//! It is found by writing the record as it will be shown: so it holds nothing that the record holds, and gives back the same wherever it is
//! read again.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate};
use serde_json::Value;
use uuid::Uuid;

use super::Provider;
use super::draft::Besides;
use super::keys::stable_id;
use crate::db::types::Instant;
use crate::hsds::model::shown;
use crate::hsds::said::{self, Fields};
use crate::hsds::write::Writer;
use crate::http::json::values;
use crate::kind::{Organization, OrganizationId, Service};
use crate::organizations::model::OrganizationRow;
use crate::services::model::{Capacity, NamedCapacity, ServiceInput};
use crate::services::row::ServiceRow;
use crate::services::rules::MOST_VALUES;

/// Writes all that a record says.
const WRITER: Writer = Writer { is_known: true, today: NaiveDate::MIN };

/// Nobody in particular: what is written for comparison has no keeper.
const NOBODY: OrganizationId = OrganizationId::from_uuid(Uuid::nil());

fn never() -> Instant {
    Instant::from_utc(DateTime::UNIX_EPOCH)
}

fn members(object: Value) -> Fields {
    if let Value::Object(fields) = object { fields } else { Fields::new() }
}

/// What is left of a service whose `source_fields` are what its reader has left.
pub fn of_service(
    service: &ServiceInput,
    capacity: Option<&Capacity>,
    rooms: &[NamedCapacity],
    besides: &Besides,
    source: &str,
    key: &str,
) -> BTreeMap<String, Value> {
    let mut row = ServiceRow::new(stable_id::<Service>(NOBODY, source, key), NOBODY, service.clone(), never());
    if let Some(capacity) = capacity {
        row = row.with_capacity(capacity, never());
    }
    for NamedCapacity { key, capacity } in rooms {
        row = row.with_named_capacity(key, Some(capacity), never());
    }
    let own = row.id.uuid();
    let object = match besides {
        Besides::Words => return service.source_fields.clone(),
        Besides::Object(object) => Some(object),
        Besides::Rest => None,
    };
    let id = object.and_then(|object| object.get("id")?.as_str()).unwrap_or(key);
    let written = members(shown(&WRITER.service(&row, Uuid::try_parse(id).unwrap_or(own))));
    let left = match object {
        Some(object) => said::rest("service", object, &written),
        None => given_back("service", &written, &service.source_fields),
    };
    left.into_iter().collect()
}

/// What is left of an organization of which its reader has left so much.
pub fn of_organization(provider: &Provider, left: Fields, source: &str) -> Fields {
    given_back("organization", &organization(provider, source, None), &left)
}

/// What is left of an organization that Kith has written.
pub fn of_own_organization(provider: &Provider, object: &Fields, source: &str) -> Fields {
    let parent = provider.parent.as_deref().and_then(|parent| Uuid::try_parse(parent).ok());
    said::rest("organization", object, &organization(provider, source, parent))
}

fn organization(provider: &Provider, source: &str, parent: Option<Uuid>) -> Fields {
    let id = stable_id::<Organization>(NOBODY, source, &provider.key);
    let row = OrganizationRow::new(id, NOBODY, provider.input(source), never());
    let id = Uuid::try_parse(&provider.key).unwrap_or(id.uuid());
    members(shown(&WRITER.organization(&row, id, parent)))
}

/// Leaves of what no field holds as many values as are kept; the names under which there were more. What is small stays as it is, and of a
/// list or an object that is too large for the rest of the room its first members.
pub fn fit(fields: &mut BTreeMap<String, Value>) -> Vec<String> {
    let cut = too_large(fields.iter());
    fields.retain(|name, value| stays(&cut, name, value));
    cut.into_keys().collect()
}

/// The same of the members of an object.
pub fn fit_object(fields: &mut Fields) -> Vec<String> {
    let cut = too_large(fields.iter());
    fields.retain(|name, value| stays(&cut, name, value));
    cut.into_keys().collect()
}

/// What is too large for the room that smaller ones leave, each with the values that there still is room for.
fn too_large<'f>(fields: impl Iterator<Item = (&'f String, &'f Value)>) -> BTreeMap<String, usize> {
    let mut sizes: Vec<(usize, &String)> = fields.map(|(name, value)| (values(value), name)).collect();
    sizes.sort_unstable();
    let (mut room, mut cut) = (MOST_VALUES, BTreeMap::new());
    for (size, name) in sizes {
        if size <= room {
            room -= size;
        } else {
            cut.insert(name.clone(), std::mem::take(&mut room));
        }
    }
    cut
}

/// Whether anything of a field is kept; where it is too large, no more of it than there is room for.
fn stays(cut: &BTreeMap<String, usize>, name: &str, value: &mut Value) -> bool {
    let Some(room) = cut.get(name) else { return true };
    first(value.take(), *room).map(|kept| *value = kept).is_some()
}

/// What is told where there was more.
pub fn left_out() -> String {
    format!("of what no field holds only {MOST_VALUES} values are kept")
}

/// The first members of a list or an object, as many as fit into so many values with it.
fn first(value: Value, room: usize) -> Option<Value> {
    let mut left = room.checked_sub(1)?;
    let mut fits = |member: &Value| {
        let rest = left.checked_sub(values(member));
        left = rest.unwrap_or_default();
        rest.is_some()
    };
    let kept = match value {
        Value::Array(items) => Value::Array(items.into_iter().take_while(|item| fits(item)).collect()),
        Value::Object(members) => Value::Object(members.into_iter().take_while(|(_, member)| fits(member)).collect()),
        _ => return None,
    };
    (values(&kept) > 1).then_some(kept)
}

/// What is left of what has been given back.
fn given_back<'a>(table: &str, written: &Fields, left: impl IntoIterator<Item = (&'a String, &'a Value)>) -> Fields {
    let mut object = written.clone();
    said::give_back_fresh(table, &mut object, left);
    said::rest(table, &object, written)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_small_is_kept_and_of_what_is_too_large_the_first() {
        let mut fields: BTreeMap<String, Value> =
            [("few", json!([1, 2])), ("many", json!(vec![json!({ "a": 1 }); 16_000])), ("more", json!(vec![0; 60_000]))]
                .map(|(name, value)| (name.to_owned(), value))
                .into();
        assert_eq!(fit(&mut fields), ["many", "more"]);
        assert_eq!((fields.len(), &fields["few"], fields["many"].as_array().unwrap().len()), (2, &json!([1, 2]), 14_998));
        assert_eq!(fields.values().map(values).sum::<usize>(), 30_000);
        assert!(fit(&mut fields).is_empty(), "what fits is left as it is");
        let members: Fields = (0..40_000).map(|number| (format!("m{number}"), json!(number))).collect();
        let mut fields = Fields::from_iter([("kith".to_owned(), Value::Object(members)), ("words".to_owned(), json!("x"))]);
        assert_eq!(fit_object(&mut fields), ["kith"]);
        assert_eq!((fields["kith"].as_object().unwrap().len(), &fields["words"]), (29_998, &json!("x")));
    }
}
