//! The queries of imports: many rows at a time.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use diesel::dsl::{insert_into, update as update_table};
use diesel::prelude::*;
use serde_json::{Map, Value, json};

use super::Provider;
use crate::changes::{self, Action, Actor, Change};
use crate::db::DbConn;
use crate::db::schema::{imported_services, organizations, services};
use crate::db::types::{Id, Json};
use crate::error::{Error, Result};
use crate::kind::{Kind, OrganizationId, ResourceType, ServiceId};
use crate::organizations::api::Organization;
use crate::organizations::model::OrganizationRow;
use crate::services::api::Service;
use crate::services::duplicates::sources;
use crate::services::model::{Capacity, ServiceInput};
use crate::services::repository;
use crate::services::row::{CapacityEntryRow, ServiceRow};
use crate::types::Identifier;
use crate::{each, identifiers, waitlists};

#[derive(Insertable)]
#[diesel(table_name = imported_services, treat_none_as_default_value = false)]
struct Imported<'a> {
    service_id: ServiceId,
    organization_id: OrganizationId,
    source: &'a str,
    fingerprint: &'a str,
    statement: Option<&'a Json<ServiceInput>>,
}

/// What a source last said of its services.
pub fn fingerprints(conn: &mut DbConn, owner: OrganizationId, source: &str) -> Result<HashMap<ServiceId, String>> {
    let of_source =
        imported_services::table.filter(imported_services::organization_id.eq(owner)).filter(imported_services::source.eq(source));
    let rows: Vec<(ServiceId, String)> = of_source.select((imported_services::service_id, imported_services::fingerprint)).load(conn)?;
    Ok(rows.into_iter().collect())
}

/// The same of these services, at most 1,000.
pub fn fingerprints_of(conn: &mut DbConn, ids: &[ServiceId]) -> Result<HashMap<ServiceId, String>> {
    let named = imported_services::table.filter(imported_services::service_id.eq_any(ids));
    let rows: Vec<(ServiceId, String)> = named.select((imported_services::service_id, imported_services::fingerprint)).load(conn)?;
    Ok(rows.into_iter().collect())
}

/// Notes that a source no longer lists a service; `fingerprint` is equal to no record's.
pub fn note_retired(conn: &mut DbConn, id: ServiceId, fingerprint: &str) -> Result<()> {
    update_table(imported_services::table.find(id)).set(imported_services::fingerprint.eq(fingerprint)).execute(conn)?;
    Ok(())
}

/// Remembers what a source now says of a service.
fn remember_said(conn: &mut DbConn, id: ServiceId, said: Said<'_>) -> Result<()> {
    let now = (imported_services::fingerprint.eq(said.fingerprint), imported_services::statement.eq(Some(said.words())));
    update_table(imported_services::table.find(id)).set(now).execute(conn)?;
    Ok(())
}

/// What a source says of a service.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    /// See [`super::keys::fingerprint`].
    pub fingerprint: &'a str,
    /// Its words, whatever people here make of the service.
    pub statement: &'a ServiceInput,
}

impl Said<'_> {
    fn words(&self) -> Json<ServiceInput> {
        Json(self.statement.clone())
    }
}

/// What sources last said of these services, at most 1,000; not of those that were last imported before their words were kept.
pub fn statements(conn: &mut DbConn, ids: &[ServiceId]) -> Result<HashMap<ServiceId, ServiceInput>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let named = imported_services::table.filter(imported_services::service_id.eq_any(ids));
    let rows: Vec<(ServiceId, Option<Json<ServiceInput>>)> = named
        .filter(imported_services::statement.is_not_null())
        .select((imported_services::service_id, imported_services::statement))
        .load(conn)?;
    Ok(rows.into_iter().filter_map(|(id, statement)| Some((id, statement?.0))).collect())
}

/// What a source said of a service when it was last imported, as the journal has it: of one that was imported before the words of sources
/// were kept. `None` where that is not known any more.
pub fn last_imported(conn: &mut DbConn, row: &ServiceRow) -> Result<Option<ServiceInput>> {
    static NAMES: LazyLock<HashSet<String>> = LazyLock::new(|| {
        let nameless = serde_json::from_value::<ServiceInput>(json!({ "name": "" })).and_then(serde_json::to_value);
        nameless.ok().and_then(|value| Some(value.as_object()?.keys().cloned().collect())).unwrap_or_default()
    });
    let entry = changes::last_imported(conn, ResourceType::Service, row.id.cast())?;
    let Some(mut content) = entry.and_then(|entry| serde_json::from_str::<Map<String, Value>>(entry.body.get()).ok()) else {
        return Ok(None);
    };
    // An older version may have written what this one reads no more.
    content.retain(|name, _| NAMES.contains(name));
    if let Some(own) = &row.own_content {
        // The journal has the whole of a service into which others were merged: what those add was not said by its own source.
        let words = |content: &ServiceInput| serde_json::to_value(content).map_err(Error::internal);
        let (own, whole) = (words(&own.0)?, words(&row.content.0)?);
        for (name, value) in &mut content {
            if own.get(name) != whole.get(name) {
                *value = own.get(name).cloned().unwrap_or_default();
            }
        }
    }
    Ok(serde_json::from_value(Value::Object(content)).ok())
}

/// Whether the source of a record and those of the records that were merged into it still list it: of the record itself, where it is
/// from a source, and of any of them.
pub fn listing(conn: &mut DbConn, canonical: ServiceId) -> Result<Listing> {
    let of_it = services::table.filter(services::id.eq(canonical).or(services::merged_into_id.eq(canonical))).select(services::id);
    let rows: Vec<(ServiceId, String, String)> = imported_services::table
        .filter(imported_services::service_id.eq_any(of_it))
        .select((imported_services::service_id, imported_services::source, imported_services::fingerprint))
        .load(conn)?;
    Ok(Listing {
        is_from_source: rows.iter().any(|(id, ..)| *id == canonical),
        listed: rows.iter().filter(|(.., fingerprint)| !fingerprint.is_empty()).map(|(id, ..)| *id).collect(),
        sources: rows.into_iter().map(|(_, source, _)| source).collect(),
    })
}

/// Which sources know a service.
#[derive(Debug)]
pub struct Listing {
    /// Whether the record that stands for it is itself from a source, and not written by hand.
    pub is_from_source: bool,
    /// The records of it that their source still lists.
    pub listed: Vec<ServiceId>,
    /// The sources.
    pub sources: Vec<String>,
}

impl Listing {
    /// Whether any source still lists it.
    pub const fn is_listed(&self) -> bool {
        !self.listed.is_empty()
    }
}

/// The resources of an owner that have one of these identifiers, by identifier.
pub fn holders<K: Kind>(conn: &mut DbConn, owner: OrganizationId, wanted: &[&Identifier]) -> Result<HashMap<Identifier, Id<K>>> {
    let mut by_system: HashMap<&str, Vec<&str>> = HashMap::new();
    for identifier in wanted {
        by_system.entry(&identifier.system).or_default().push(&identifier.value);
    }
    let mut found = HashMap::new();
    for (system, values) in by_system {
        for values in values.chunks(1_000) {
            let known = identifiers::of_values(conn, owner, K::RESOURCE_TYPE, system, values)?;
            let known = known.into_iter().map(|(value, id)| (Identifier { system: system.to_owned(), value }, Id::from_uuid(id)));
            found.extend(known);
        }
    }
    Ok(found)
}

/// Adds a record that is one more source of a service: it leads there from the start.
pub fn insert_merged(conn: &mut DbConn, actor: &Actor, source: &str, row: ServiceRow, said: Said<'_>) -> Result<()> {
    insert_into(services::table).values(&row).execute(conn)?;
    let (organization_id, words) = (row.organization_id, said.words());
    let imported = Imported { service_id: row.id, organization_id, source, fingerprint: said.fingerprint, statement: Some(&words) };
    insert_into(imported_services::table).values(&imported).execute(conn)?;
    sources::record_merged(conn, actor, row)
}

/// Writes what a source now says in a record that leads to a service.
pub fn restate(conn: &mut DbConn, actor: &Actor, after: ServiceRow, said: Said<'_>) -> Result<()> {
    if !repository::update(conn, &after)? {
        return Err(Error::Busy);
    }
    remember_said(conn, after.id, said)?;
    sources::record_merged(conn, actor, after)
}

/// The services with these ids, tombstones included: not many, for all that sources say of them is in memory together.
pub fn find(conn: &mut DbConn, ids: &[ServiceId]) -> Result<HashMap<ServiceId, ServiceRow>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    Ok(repository::load(conn, ids)?.into_iter().map(|row| (row.id, row)).collect())
}

/// Of these services, at most 1,000, those that were merged into others, and into which.
pub fn led(conn: &mut DbConn, ids: &[ServiceId]) -> Result<HashMap<ServiceId, ServiceId>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let named = services::table.filter(services::id.eq_any(ids));
    let rows: Vec<(ServiceId, Option<ServiceId>)> = named.select((services::id, services::merged_into_id)).load(conn)?;
    Ok(rows.into_iter().filter_map(|(id, into)| Some((id, into?))).collect())
}

/// A service to be added, with the fingerprint of its record.
pub struct NewService<'a> {
    /// Its row, with what its source says.
    pub row: ServiceRow,
    /// See [`super::keys::fingerprint`].
    pub fingerprint: &'a str,
}

/// Adds services, with their identifiers, capacities, fingerprints and entries in the journal.
pub fn insert(conn: &mut DbConn, actor: &Actor, owner: OrganizationId, source: &str, created: Vec<NewService<'_>>) -> Result<()> {
    if created.is_empty() {
        return Ok(());
    }
    let (rows, fingerprints): (Vec<ServiceRow>, Vec<&str>) = created.into_iter().map(|new| (new.row, new.fingerprint)).unzip();
    each!(conn, |conn| insert_into(services::table).values(&rows).execute(conn))?;
    let keys = rows.iter().flat_map(|row| row.content.identifiers.iter().map(|identifier| (row.id.uuid(), identifier)));
    identifiers::insert_all(conn, owner, ResourceType::Service, keys)?;
    let imported = rows.iter().zip(fingerprints).map(|(row, fingerprint)| Imported {
        service_id: row.id,
        organization_id: owner,
        source,
        fingerprint,
        statement: Some(&row.content),
    });
    let imported: Vec<Imported<'_>> = imported.collect();
    each!(conn, |conn| insert_into(imported_services::table).values(&imported).execute(conn))?;
    for row in &rows {
        remember_rooms(conn, actor, None, row)?;
    }
    let shapes: Vec<Service> = rows.into_iter().map(Service::of).collect();
    let changes: Vec<Change<'_, Service>> =
        shapes.iter().map(|shape| Change::of(shape.id, shape.version, Action::Created, shape).owned_by(owner)).collect();
    changes::record_all(conn, actor, &changes)
}

/// Changes a service to what its source says of it; the service as it then is.
pub fn update_said(conn: &mut DbConn, actor: &Actor, before: &ServiceRow, after: ServiceRow, said: Said<'_>) -> Result<ServiceRow> {
    remember_said(conn, after.id, said)?;
    update(conn, actor, before, after)
}

/// Changes a service, its identifiers where they differ, and writes the journal; the service as it then is, with what is kept of its rooms
/// for those who wait.
pub fn update(conn: &mut DbConn, actor: &Actor, before: &ServiceRow, after: ServiceRow) -> Result<ServiceRow> {
    let has_other_room = after.has_other_room_than(before);
    let after = waitlists::queue::renewed(conn, actor.at, before, after)?;
    if !repository::update(conn, &after)? {
        return Err(Error::Busy);
    }
    if before.content.identifiers != after.content.identifiers {
        identifiers::replace(conn, after.organization_id, ResourceType::Service, after.id.uuid(), &after.content.identifiers)?;
    }
    if has_other_room {
        remember_rooms(conn, actor, Some(before), &after)?;
    }
    let shape = Service::of(after.clone());
    let entry = Change::of(shape.id, shape.version, Action::Updated, &shape).owned_by(shape.organization_id);
    changes::record(conn, actor, entry)?;
    Ok(after)
}

/// Adds what a source says anew of a service's rooms to the history of them.
fn remember_rooms(conn: &mut DbConn, actor: &Actor, before: Option<&ServiceRow>, after: &ServiceRow) -> Result<()> {
    let is_news = |key: Option<&str>, capacity: &Capacity| {
        before.and_then(|before| before.room_of(key)).is_none_or(|known| known.said() != capacity.said())
    };
    if let Some(capacity) = after.capacity.as_deref().filter(|capacity| is_news(None, capacity)) {
        repository::insert_capacity_entry(conn, &CapacityEntryRow::new(after.id, actor, None, capacity))?;
    }
    for named in after.capacities.iter().filter(|named| is_news(Some(&named.key), &named.capacity)) {
        repository::insert_capacity_entry(conn, &CapacityEntryRow::new(after.id, actor, Some(&named.key), &named.capacity))?;
    }
    Ok(())
}

/// Adds the organizations of providers that were not known, kept by the directory that names them, but for those that another import has
/// added since; how many. `held` says who has the keys that they bear in other systems: one that is held stays with whoever has it, and of
/// several that bear another the first has it from then on.
pub fn insert_providers(
    conn: &mut DbConn,
    actor: &Actor,
    owner: OrganizationId,
    source: &str,
    providers: &[(OrganizationId, Provider)],
    held: &mut HashMap<Identifier, OrganizationId>,
) -> Result<u64> {
    let ids: Vec<OrganizationId> = providers.iter().map(|(id, _)| *id).collect();
    let mut there: HashSet<OrganizationId> = HashSet::new();
    for ids in ids.chunks(1_000) {
        there.extend(organizations::table.filter(organizations::id.eq_any(ids)).select(organizations::id).load::<OrganizationId>(conn)?);
    }
    let row = |(id, provider): &(OrganizationId, Provider)| {
        let mut content = provider.input(source);
        let (mut identifiers, mut known) = (Vec::new(), HashSet::new());
        for identifier in content.identifiers {
            let is_own = identifier.system == source || *held.entry(identifier.clone()).or_insert(*id) == *id;
            if is_own && known.insert(identifier.clone()) {
                identifiers.push(identifier);
            }
        }
        content.identifiers = identifiers;
        OrganizationRow::new(*id, owner, content, actor.at)
    };
    let rows: Vec<OrganizationRow> = providers.iter().filter(|(id, _)| !there.contains(id)).map(row).collect();
    if rows.is_empty() {
        return Ok(0);
    }
    each!(conn, |conn| insert_into(organizations::table).values(&rows).execute(conn))?;
    let keys = rows.iter().flat_map(|row| row.content.identifiers.iter().map(|identifier| (row.id.uuid(), identifier)));
    identifiers::insert_all(conn, owner, ResourceType::Organization, keys)?;
    let shapes: Vec<Organization> = rows.into_iter().map(Organization::from).collect();
    let changes: Vec<Change<'_, Organization>> =
        shapes.iter().map(|shape| Change::of(shape.id, 1, Action::Created, shape).owned_by(owner)).collect();
    changes::record_all(conn, actor, &changes)?;
    Ok(changes.len() as u64)
}
