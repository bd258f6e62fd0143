//! The keys under which other systems know resources: unique per owning organization and kind of resource.

use std::borrow::Cow;
use std::collections::HashMap;
use std::str::FromStr;

use diesel::dsl::{delete, insert_into, sql};
use diesel::prelude::*;
use diesel::sql_types::Bool;
use serde::{Deserialize, Deserializer};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use crate::db::DbConn;
use crate::db::schema::identifiers;
use crate::db::types::Id;
use crate::each;
use crate::error::{Error, Result};
use crate::kind::{Kind, OrganizationId, ResourceType};
use crate::types::Identifier;

/// The id of what a source calls `key`: a UUIDv5 (RFC 9562 §5.5) in the namespace of the organization that keeps the directory.
///
/// Two organizations may import the same source and each has its own records.
pub fn stable_id<K: Kind>(owner: OrganizationId, source: &str, key: &str) -> Id<K> {
    let name = format!("{}\0{source}\0{key}", K::RESOURCE_TYPE);
    Id::from_uuid(Uuid::new_v5(&owner.uuid(), name.as_bytes()))
}

/// An identifier as a query string names it: `system|value`, a token of FHIR's searches (R4, §3.1.1.4.10). Both sides may have a `|`, so it
/// holds all that the text may mean: one for the first and each of the last [`MOST_BARS`] bars, at least one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdentifierToken(pub Vec<Identifier>);

/// At how many bars a token is split: each makes one more identifier to look for.
pub const MOST_BARS: usize = 8;

/// The text is no `system|value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be system|value")]
pub struct NotAToken;

impl FromStr for IdentifierToken {
    type Err = NotAToken;

    /// First what has the shortest value: few values have a bar, and still fewer systems.
    fn from_str(text: &str) -> Result<Self, NotAToken> {
        let split = |(at, bar): (usize, &str)| {
            let (system, value) = (text.get(..at)?, text.get(at + bar.len()..)?);
            let is_both = !system.is_empty() && !value.is_empty();
            is_both.then(|| Identifier { system: system.into(), value: value.into() })
        };
        let mut meant: Vec<Identifier> = text.rmatch_indices('|').filter_map(split).take(MOST_BARS).collect();
        let first = text.match_indices('|').find_map(split).filter(|first| !meant.contains(first));
        meant.extend(first);
        if meant.is_empty() { Err(NotAToken) } else { Ok(Self(meant)) }
    }
}
impl<'de> Deserialize<'de> for IdentifierToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
impl PartialSchema for IdentifierToken {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(3))
            .max_length(Some(401))
            .pattern(Some("^.+[|].+$"))
            .description(Some("A key in another system, as `system|value`."))
            .examples(["https://emr.example.ca/records|A-10442"])
            .into()
    }
}
impl ToSchema for IdentifierToken {
    fn name() -> Cow<'static, str> {
        "IdentifierToken".into()
    }
}

#[derive(Insertable)]
#[diesel(table_name = identifiers, treat_none_as_default_value = false)]
struct Row<'a> {
    owner_id: OrganizationId,
    resource_type: ResourceType,
    system: &'a str,
    value: &'a str,
    resource_id: Id<()>,
}

/// Makes these the identifiers of a resource.
///
/// One that another resource of the owner has is an [`Error::Duplicate`].
pub fn replace(conn: &mut DbConn, owner: OrganizationId, resource_type: ResourceType, id: Uuid, wanted: &[Identifier]) -> Result<()> {
    let resource_id = Id::<()>::from_uuid(id);
    let present = identifiers::table
        .filter(identifiers::resource_type.eq(resource_type))
        .filter(identifiers::resource_id.eq(resource_id))
        .select((identifiers::owner_id, identifiers::system, identifiers::value));
    let present: Vec<(OrganizationId, String, String)> = each!(conn, |conn| present.load(conn))?;
    let is_wanted = |(present_owner, system, value): &&(OrganizationId, String, String)| {
        *present_owner == owner && wanted.iter().any(|identifier| identifier.system == *system && identifier.value == *value)
    };
    for row @ (present_owner, system, value) in &present {
        if !is_wanted(&row) {
            delete(identifiers::table.find((present_owner, resource_type, system, value))).execute(conn)?;
        }
    }
    let kept = present.iter().filter(is_wanted).map(|(_, system, value)| (system.as_str(), value.as_str())).collect();
    add(conn, (owner, resource_type, resource_id), wanted, kept)
}

/// Makes these the identifiers of a resource that is new.
///
/// One that another resource of the owner has is an [`Error::Duplicate`].
pub fn insert(conn: &mut DbConn, owner: OrganizationId, resource_type: ResourceType, id: Uuid, wanted: &[Identifier]) -> Result<()> {
    add(conn, (owner, resource_type, Id::from_uuid(id)), wanted, Vec::new())
}

/// Adds those that are not kept, each once.
fn add<'a>(
    conn: &mut DbConn,
    (owner, resource_type, resource_id): (OrganizationId, ResourceType, Id<()>),
    wanted: &'a [Identifier],
    mut kept: Vec<(&'a str, &'a str)>,
) -> Result<()> {
    for Identifier { system, value } in wanted {
        if !kept.contains(&(system, value)) {
            kept.push((system, value));
            each!(conn, |conn| insert_into(identifiers::table)
                .values(&Row { owner_id: owner, resource_type, system, value, resource_id })
                .execute(conn))?;
        }
    }
    Ok(())
}

/// Fails with [`Error::Duplicate`] where a resource of the owner has one of these, as [`replace`] would for a new one.
pub fn ensure_free(conn: &mut DbConn, owner: OrganizationId, resource_type: ResourceType, wanted: &[Identifier]) -> Result<()> {
    for Identifier { system, value } in wanted {
        if find(conn, owner, resource_type, system, value)?.is_some() {
            return Err(Error::Duplicate { constraint: "identifiers_pkey".into() });
        }
    }
    Ok(())
}

/// Adds identifiers of resources that have none yet, a statement for each 1,000.
///
/// One that another resource of the owner has is an [`Error::Duplicate`].
pub fn insert_all<'a>(
    conn: &mut DbConn,
    owner: OrganizationId,
    resource_type: ResourceType,
    wanted: impl IntoIterator<Item = (Uuid, &'a Identifier)>,
) -> Result<()> {
    let row = |(id, identifier): (Uuid, &'a Identifier)| Row {
        owner_id: owner,
        resource_type,
        system: &identifier.system,
        value: &identifier.value,
        resource_id: Id::from_uuid(id),
    };
    let rows: Vec<Row<'_>> = wanted.into_iter().map(row).collect();
    for rows in rows.chunks(1_000) {
        each!(conn, |conn| insert_into(identifiers::table).values(rows).execute(conn))?;
    }
    Ok(())
}

/// The resources that an owner's system knows under these keys, at most 1,000.
pub fn of_values(
    conn: &mut DbConn,
    owner: OrganizationId,
    resource_type: ResourceType,
    system: &str,
    values: &[&str],
) -> Result<HashMap<String, Uuid>> {
    let rows: Vec<(String, Id<()>)> = identifiers::table
        .filter(identifiers::owner_id.eq(owner))
        .filter(identifiers::resource_type.eq(resource_type))
        .filter(identifiers::system.eq(system))
        .filter(identifiers::value.eq_any(values))
        .select((identifiers::value, identifiers::resource_id))
        .load(conn)?;
    Ok(rows.into_iter().map(|(value, id)| (value, id.uuid())).collect())
}

/// The resources that an owner's system knows, by their keys in it.
pub fn of_system(conn: &mut DbConn, owner: OrganizationId, resource_type: ResourceType, system: &str) -> Result<HashMap<String, Uuid>> {
    let rows: Vec<(String, Id<()>)> = identifiers::table
        .filter(identifiers::owner_id.eq(owner))
        .filter(identifiers::resource_type.eq(resource_type))
        .filter(identifiers::system.eq(system))
        .select((identifiers::value, identifiers::resource_id))
        .load(conn)?;
    Ok(rows.into_iter().map(|(value, id)| (value, id.uuid())).collect())
}

/// The resource that an owner's system knows under this key.
pub fn find(conn: &mut DbConn, owner: OrganizationId, resource_type: ResourceType, system: &str, value: &str) -> Result<Option<Uuid>> {
    let id: Option<Id<()>> =
        each!(conn, |conn| identifiers::table.find((owner, resource_type, system, value)).select(identifiers::resource_id).first(conn))
            .optional()?;
    Ok(id.map(Id::uuid))
}

/// Written out, so that the index of these is used whatever the parameters are. Patients are looked for with a body, since what they are
/// known by is their own; services are found in memory.
const IS_LISTED: &str = "identifiers.resource_type NOT IN ('patient', 'service')";

/// The resources of a kind that have one of these identifiers, each once: those of one organization, or of all. The kind is neither patients
/// nor services, of which none is found so.
pub fn known_as<K: Kind>(conn: &mut DbConn, keys: &[Identifier], owner: Option<OrganizationId>) -> Result<Vec<Id<K>>> {
    let mut ids: Vec<Id<K>> = Vec::new();
    for key in keys {
        for id in with_key::<K>(conn, key, owner)? {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
    }
    Ok(ids)
}

fn with_key<K: Kind>(conn: &mut DbConn, key: &Identifier, owner: Option<OrganizationId>) -> Result<Vec<Id<K>>> {
    if let Some(owner) = owner {
        let found = find(conn, owner, K::RESOURCE_TYPE, &key.system, &key.value)?;
        return Ok(found.map(Id::from_uuid).into_iter().collect());
    }
    let known = identifiers::table
        .filter(identifiers::value.eq(&key.value))
        .filter(identifiers::system.eq(&key.system))
        .filter(identifiers::resource_type.eq(K::RESOURCE_TYPE))
        .filter(sql::<Bool>(IS_LISTED))
        .select(identifiers::resource_id);
    let ids: Vec<Id<()>> = each!(conn, |conn| known.load(conn))?;
    Ok(ids.into_iter().map(Id::cast).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_system_and_a_value_on_either_side_of_one_of_its_bars() {
        let read = |text: &str| text.parse::<IdentifierToken>().map(|IdentifierToken(meant)| meant);
        let key = |(system, value): (&str, &str)| Identifier { system: system.into(), value: value.into() };
        for (text, meant) in [
            ("emr|7", vec![("emr", "7")]),
            ("https://emr.example.ca/a|A-1", vec![("https://emr.example.ca/a", "A-1")]),
            ("a|b|7", vec![("a|b", "7"), ("a", "b|7")]),
            ("|a|7|", vec![("|a", "7|")]),
        ] {
            let meant: Vec<Identifier> = meant.into_iter().map(key).collect();
            assert_eq!(read(text), Ok(meant), "{text}");
        }
        for text in ["", "|", "||", "emr", "emr|", "|7"] {
            assert_eq!(read(text), Err(NotAToken), "{text}");
        }
        assert_eq!(read(&"a|".repeat(200)).map(|meant| meant.len()), Ok(MOST_BARS + 1));
        assert!(read("urn:emr|a|b|c|d|e|f|g|h|i").unwrap().contains(&key(("urn:emr", "a|b|c|d|e|f|g|h|i"))));
    }
}
