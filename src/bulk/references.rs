//! What a line names of others.
//!
//! Where a body asks for an id, a line may have an identifier, `{"system": …, "value": …}`, of a resource that is there or that an earlier
//! line has loaded. An id that comes from elsewhere, as in an export of another server, stands for what was loaded from there, or was there
//! already by an identifier of its line.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use diesel::dsl::insert_into;
use diesel::prelude::*;
use serde_json::Value;
use uuid::Uuid;

use super::kinds::Loadable;
use crate::auth::Principal;
use crate::changes;
use crate::db::schema::loaded_ids;
use crate::db::types::Id;
use crate::db::{Common, DbConn};
use crate::error::{Error, Fault, Result};
use crate::http::json::push_token;
use crate::identifiers;
use crate::kind::{OrganizationId, ResourceType};
use crate::patients::health_number;
use crate::types::Identifier;

/// Bits of a UUIDv7 (RFC 9562 §5.7) that are the moment: the first 48.
const MOMENT: u128 = !0 << 80;
/// Version and variant.
const FIXED: u128 = (0xf << 76) | (0b11 << 62);

/// What a line may name of others: more than any body has room for.
const MOST_NAMED: usize = 500;

/// The id under which an organization loads what had another id elsewhere: always the same for the same one.
///
/// It keeps the moment of a UUIDv7, so that what is loaded stands in the order in which it was made, and the tables grow at their end.
/// It does not tell whether the id exists here, and belongs to the organization: two may load the same file.
pub fn echo(owner: OrganizationId, id: Uuid) -> Uuid {
    let mut name = owner.uuid().as_bytes().to_vec();
    name.extend_from_slice(id.as_bytes());
    let hashed = Uuid::new_v5(&Uuid::NAMESPACE_OID, &name).as_u128();
    let kept = if id.get_version_num() == 7 { MOMENT | FIXED } else { 0 };
    Uuid::from_u128((id.as_u128() & kept) | (hashed & !kept))
}

/// Whether a body names others at all.
pub fn has_any(kind: &dyn Loadable, body: &mut Value) -> bool {
    let mut has_any = false;
    for (pointer, _) in kind.references() {
        each_at(body, pointer, &mut String::new(), &mut |_, value| has_any |= !value.is_null());
    }
    has_any
}

/// Puts an organization's id in the place of the one that it had where a body comes from.
pub fn rename(kind: &dyn Loadable, body: &mut Value, former: OrganizationId, own: OrganizationId) {
    for (pointer, _) in kind.references().iter().filter(|(_, of)| *of == ResourceType::Organization) {
        each_at(body, pointer, &mut String::new(), &mut |_, value| {
            if id_of(value) == Some(former.uuid()) {
                *value = Value::String(own.to_string());
            }
        });
    }
}

/// Puts ids in the place of what a body names. False where something is not there yet: an earlier line may be about to load it. With
/// `is_last` that is a fault, as is what can be no name at all.
pub fn resolve(conn: &mut DbConn, caller: &Principal, kind: &dyn Loadable, body: &mut Value, is_last: bool) -> Result<bool> {
    let named = named(kind, body)?;
    let mut ids: BTreeMap<ResourceType, BTreeSet<Uuid>> = BTreeMap::new();
    for (_, of, value) in &named {
        ids.entry(*of).or_default().extend(id_of(value));
    }
    let mut known: HashMap<(ResourceType, Uuid), Uuid> = HashMap::new();
    let mut identified: HashMap<(ResourceType, Identifier), Option<Uuid>> = HashMap::new();
    for (of, ids) in ids {
        known.extend(by_ids(conn, caller, of, &Vec::from_iter(ids), is_last)?.into_iter().map(|(id, found)| ((of, id), found)));
    }
    let (mut faults, mut is_complete) = (Vec::new(), true);
    for (place, of, value) in named {
        let found = match &value {
            Value::String(_) => match id_of(&value) {
                Some(id) => known.get(&(of, id)).copied(),
                // The schema says what is wrong with it.
                None => continue,
            },
            Value::Object(_) => match serde_json::from_value::<Identifier>(value.clone()) {
                Ok(identifier) => match identified.entry((of, identifier)) {
                    Entry::Occupied(found) => *found.get(),
                    Entry::Vacant(open) => {
                        let found = by_identifier(conn, caller, of, &open.key().1)?;
                        *open.insert(found)
                    }
                },
                Err(_) => {
                    faults.push(Fault::new(place, "type", "must be an id, or an identifier with system and value"));
                    continue;
                }
            },
            _ => continue,
        };
        match found {
            Some(id) => {
                if let Some(target) = body.pointer_mut(&place) {
                    *target = Value::String(id.to_string());
                }
            }
            None if is_last && value.is_object() => {
                let message = format!("is the identifier of no {} of this organization", of.as_str().replace('_', " "));
                faults.push(Fault::new(place, "not_found", message));
            }
            None => is_complete = false,
        }
    }
    if faults.is_empty() { Ok(is_complete) } else { Err(Error::Invalid(faults)) }
}

/// The ids that a body names.
pub(super) fn ids(kind: &dyn Loadable, body: &mut Value) -> Result<Vec<(ResourceType, Uuid)>> {
    Ok(named(kind, body)?.into_iter().filter_map(|(_, of, value)| Some((of, id_of(&value)?))).collect())
}

/// What a body names, each with its pointer. It is looked up before the schema bounds the lists in which it stands.
pub(super) fn named(kind: &dyn Loadable, body: &mut Value) -> Result<Vec<(String, ResourceType, Value)>> {
    let mut named = Vec::new();
    for (pointer, of) in kind.references() {
        each_at(body, pointer, &mut String::new(), &mut |place, value| {
            if !value.is_null() && named.len() <= MOST_NAMED {
                named.push((place.to_owned(), *of, value.clone()));
            }
        });
    }
    match named.get(MOST_NAMED) {
        Some((place, ..)) => Err(Error::invalid(place, "too_many", format!("is one of more than {MOST_NAMED} that the line names"))),
        None => Ok(named),
    }
}

pub(super) fn id_of(value: &Value) -> Option<Uuid> {
    value.as_str()?.parse().ok()
}

/// What was loaded from each of these ids; else what has it. Where that is another organization's, an earlier line may yet load it from
/// there, unless this is the last time that it is asked for. Of what is not there nothing is given.
pub fn by_ids(conn: &mut DbConn, caller: &Principal, of: ResourceType, ids: &[Uuid], is_last: bool) -> Result<HashMap<Uuid, Uuid>> {
    let own = caller.organization_id;
    let either: Vec<Uuid> = ids.iter().flat_map(|id| [echo(own, *id), *id]).collect();
    let owners = changes::repository::owners_among(conn, of, &either)?;
    let found = |id: &Uuid| {
        let loaded = echo(own, *id);
        let found =
            if owners.contains_key(&loaded) { Some(loaded) } else { owners.get(id).filter(|owner| **owner == Some(own)).map(|_| *id) };
        Some((*id, found?))
    };
    let mut found: HashMap<Uuid, Uuid> = ids.iter().filter_map(found).collect();
    let open: Vec<Uuid> = ids.iter().filter(|id| !found.contains_key(id)).copied().collect();
    if !open.is_empty() {
        found.extend(met(conn, own, of, &open)?);
    }
    if is_last {
        for id in open.into_iter().filter(|id| owners.contains_key(id)) {
            found.entry(id).or_insert(id);
        }
    }
    Ok(found)
}

/// What was there already under another id and was named by each of these.
pub fn met(conn: &mut DbConn, owner: OrganizationId, of: ResourceType, ids: &[Uuid]) -> Result<HashMap<Uuid, Uuid>> {
    let mut met = HashMap::new();
    for ids in ids.chunks(1_000) {
        let named = loaded_ids::table.filter(loaded_ids::owner_id.eq(owner)).filter(loaded_ids::resource_type.eq(of));
        let named = named.filter(loaded_ids::former_id.eq_any(ids.iter().map(|id| Id::<()>::from_uuid(*id))));
        let found: Vec<(Id<()>, Id<()>)> = named.select((loaded_ids::former_id, loaded_ids::resource_id)).load(conn)?;
        met.extend(found.into_iter().map(|(id, found)| (id.uuid(), found.uuid())));
    }
    Ok(met)
}

/// Remembers what a line was of, where that cannot be told from the id that it has.
pub fn remember(conn: &mut DbConn, owner: OrganizationId, of: ResourceType, id: Uuid, found: Uuid) -> Result<()> {
    if [id, echo(owner, id)].contains(&found) || met(conn, owner, of, &[id])?.get(&id) == Some(&found) {
        return Ok(());
    }
    let resource_id = loaded_ids::resource_id.eq(Id::<()>::from_uuid(found));
    let row =
        (loaded_ids::owner_id.eq(owner), loaded_ids::resource_type.eq(of), loaded_ids::former_id.eq(Id::<()>::from_uuid(id)), resource_id);
    let known = (loaded_ids::owner_id, loaded_ids::resource_type, loaded_ids::former_id);
    Common(insert_into(loaded_ids::table).values(row).on_conflict(known).do_update().set(resource_id)).execute(conn)?;
    Ok(())
}

fn by_identifier(conn: &mut DbConn, caller: &Principal, of: ResourceType, identifier: &Identifier) -> Result<Option<Uuid>> {
    let Identifier { system, value } = kept(of, identifier);
    identifiers::find(conn, caller.organization_id, of, &system, &value)
}

/// An identifier in the form in which it is kept.
pub(super) fn kept(of: ResourceType, identifier: &Identifier) -> Identifier {
    match health_number::read(identifier).and_then(Result::ok).filter(|_| of == ResourceType::Patient) {
        Some(read) => Identifier { system: read.system.to_owned(), value: read.number },
        None => identifier.clone(),
    }
}

/// Visits every value at a pointer in which `*` stands for any place in a list, with the pointer of each.
fn each_at(value: &mut Value, pointer: &str, place: &mut String, visit: &mut dyn FnMut(&str, &mut Value)) {
    let Some(rest) = pointer.strip_prefix('/') else { return visit(place, value) };
    let (token, rest) = rest.find('/').map_or((rest, ""), |end| rest.split_at(end));
    let length = place.len();
    match (token, value) {
        ("*", Value::Array(items)) => {
            for (index, item) in items.iter_mut().enumerate() {
                push_token(place, &index.to_string());
                each_at(item, rest, place, visit);
                place.truncate(length);
            }
        }
        (name, Value::Object(members)) => {
            if let Some(member) = members.get_mut(name) {
                push_token(place, name);
                each_at(member, rest, place, visit);
                place.truncate(length);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::bulk::kinds::BulkType;

    #[test]
    fn an_echo_is_always_the_same_keeps_the_moment_and_is_each_organizations_own() {
        let (one, other) = (Id::from_uuid(Uuid::from_u128(1)), Id::from_uuid(Uuid::from_u128(2)));
        let id: Uuid = "01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10".parse().unwrap();
        let echoed = echo(one, id);
        assert_eq!((echoed, echoed.get_version_num()), (echo(one, id), 7));
        assert!(echoed.to_string().starts_with("01931f4e-6c1a-7") && echoed != id);
        assert_ne!(echoed, echo(other, id));
        assert_ne!(echoed, echo(one, echoed));
        let random: Uuid = "8c4e5b1a-92b4-4e0c-9a52-b6a35c3f1c2d".parse().unwrap();
        assert_eq!(echo(one, random).get_version_num(), 5);
    }

    #[test]
    fn a_line_names_no_more_others_than_can_be_looked_up_in_a_moment() {
        let kind = BulkType::UnmetNeed.kind();
        let body = |number: usize| json!({ "tried_service_ids": vec![Uuid::nil(); number], "patient_id": Uuid::nil() });
        assert_eq!(named(kind, &mut body(MOST_NAMED - 1)).unwrap().len(), MOST_NAMED);
        let Err(Error::Invalid(faults)) = named(kind, &mut body(40_000)) else { panic!("it is taken") };
        assert_eq!((faults[0].pointer.as_str(), &*faults[0].code), ("/tried_service_ids/499", "too_many"));
    }

    #[test]
    fn every_place_in_a_list_is_visited() {
        let mut body = json!({ "a": [{ "b": 1 }, { "c": 2 }, { "b": 3 }], "d": null });
        let mut seen = Vec::new();
        each_at(&mut body, "/a/*/b", &mut String::new(), &mut |place, value| seen.push(format!("{place}={value}")));
        each_at(&mut body, "/d/*", &mut String::new(), &mut |place, _| seen.push(place.to_owned()));
        each_at(&mut body, "/d", &mut String::new(), &mut |place, _| seen.push(place.to_owned()));
        assert_eq!(seen, ["/a/0/b=1", "/a/2/b=3", "/d"]);
    }
}
