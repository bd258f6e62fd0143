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
use crate::kind::{Organization, OrganizationId, Service};
use crate::organizations::model::OrganizationRow;
use crate::services::model::{Capacity, NamedCapacity, ServiceInput};
use crate::services::row::ServiceRow;

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

/// What is left of what has been given back.
fn given_back<'a>(table: &str, written: &Fields, left: impl IntoIterator<Item = (&'a String, &'a Value)>) -> Fields {
    let mut object = written.clone();
    said::give_back_fresh(table, &mut object, left);
    said::rest(table, &object, written)
}
