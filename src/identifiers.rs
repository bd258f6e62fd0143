//! The keys under which other systems know resources: unique per owning organization and kind of resource.

use std::collections::HashMap;

use diesel::dsl::{delete, insert_into};
use diesel::prelude::*;
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
    let present: Vec<(OrganizationId, String, String)> = identifiers::table
        .filter(identifiers::resource_type.eq(resource_type))
        .filter(identifiers::resource_id.eq(resource_id))
        .select((identifiers::owner_id, identifiers::system, identifiers::value))
        .load(conn)?;
    let is_wanted = |(present_owner, system, value): &&(OrganizationId, String, String)| {
        *present_owner == owner && wanted.iter().any(|identifier| identifier.system == *system && identifier.value == *value)
    };
    for row @ (present_owner, system, value) in &present {
        if !is_wanted(&row) {
            delete(identifiers::table.find((present_owner, resource_type, system, value))).execute(conn)?;
        }
    }
    let mut kept: Vec<(&str, &str)> =
        present.iter().filter(is_wanted).map(|(_, system, value)| (system.as_str(), value.as_str())).collect();
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
