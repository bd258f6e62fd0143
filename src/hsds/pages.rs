//! Entries of lists, made into objects: which rows it takes, and how much of them is written.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::NaiveDate;
use serde_json::Value;
use uuid::Uuid;

use super::catalogue::{Filter, Provider};
use super::model::{Organization, Service, shown};
use super::said::{self, Fields};
use super::write::{self, Writer};
use super::{Catalogue, ids, repository};
use crate::auth::DirectoryReader;
use crate::changes::Demand;
use crate::db::DbConn;
use crate::error::Result;
use crate::http::json;
use crate::kind::{OrganizationId, ServiceId};
use crate::organizations::model::OrganizationRow;
use crate::organizations::repository as organizations;
use crate::services::row::ServiceRow;
use crate::services::{Directory, repository as services};

/// An entry of a list.
#[derive(Debug, Clone, Copy)]
pub enum Entry {
    /// A service.
    Service(ServiceId),
    /// A service at one of its locations.
    Site(ServiceId, u16),
    /// An organization, without its services.
    Provider(Provider),
    /// A service inside of the organization before it.
    Nested(ServiceId),
    /// The end of the services of an organization.
    End,
    /// A taxonomy.
    Taxonomy(Uuid),
    /// A term.
    Term(Uuid),
}

impl Entry {
    /// The table of what it is.
    pub const fn table(self) -> &'static str {
        match self {
            Self::Service(_) | Self::Nested(_) => "service",
            Self::Site(..) => "service_at_location",
            Self::Provider(_) | Self::End => "organization",
            Self::Taxonomy(_) => "taxonomy",
            Self::Term(_) => "taxonomy_term",
        }
    }
}

/// Entries that are rendered together, with their table.
pub fn batches(entries: &[Entry]) -> impl Iterator<Item = (&'static str, &[Entry])> {
    let alike = entries.chunk_by(|one, other| one.table() == other.table());
    alike.flat_map(|entries| entries.chunks(BATCH)).filter_map(|entries| Some((entries.first()?.table(), entries)))
}

/// Entries of which the rows are read together where there are no pages. Of each there may be a service and an organization of a megabyte.
pub const BATCH: usize = 100;
/// Of these so many are read by one query each, unless they are kept in memory,
const AT_ONCE: usize = 4;
/// and no more of them once what their sources say of them takes so many bytes of memory.
const MOST_WEIGHT: usize = 16 << 20;

/// How much of each entry is written.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// For whom.
    pub writer: Writer,
    /// Ids and dates only.
    pub is_minimal: bool,
    /// Everything nested.
    pub is_full: bool,
    /// Organizations with all of their services.
    pub has_full_services: bool,
}

impl Extent {
    /// As lists have it, for somebody who reads the directory.
    pub fn of(reader: &DirectoryReader) -> Self {
        Self::on(reader.at.utc().date_naive(), reader.principal.is_some())
    }

    /// As lists have it, on a day.
    pub const fn on(today: NaiveDate, is_known: bool) -> Self {
        Self { writer: Writer { is_known, today }, is_minimal: false, is_full: false, has_full_services: false }
    }
}

/// The objects of the first entries, in their order, without those that are no longer there, and of how many entries they are: of all, unless
/// their rows take too much memory. Each is made when it is asked for: all together they hold a large organization as often as it gives
/// services.
///
/// Call it in a read, after a refresh of both the directory and the catalogue.
pub fn render<'a>(
    shelves: Shelves<'a>,
    conn: &mut DbConn,
    entries: &'a [Entry],
    extent: Extent,
) -> Result<(usize, impl Iterator<Item = Value> + use<'a>)> {
    let (pages, read) = Pages::read(shelves, conn, entries, extent)?;
    Ok((read, entries.iter().take(read).filter_map(move |entry| pages.object(*entry))))
}

/// All services, in the order of their ids. Refreshes what it reads from.
pub fn all_services(shelves: Shelves<'_>, conn: &mut DbConn) -> Result<Vec<Entry>> {
    shelves.refresh(conn)?;
    Ok(shelves.catalogue.read().services(&Filter::default(), None).into_iter().map(Entry::Service).collect())
}

/// All that a package holds, in this order: taxonomies and terms, so that they stand in it as they are listed; services; those who give
/// them or are listed without any. Refreshes what it reads from.
pub fn everything(shelves: Shelves<'_>, conn: &mut DbConn) -> Result<Vec<Entry>> {
    let services = all_services(shelves, conn)?;
    let shelf = shelves.catalogue.read();
    let taxonomies = shelf.taxonomies("").into_iter().map(Entry::Taxonomy);
    let terms = shelf.terms("", None, None, false).into_iter().map(Entry::Term);
    let providers = shelf.providers(&Filter::default(), "").into_iter().map(Entry::Provider);
    Ok(taxonomies.chain(terms).chain(services).chain(providers).collect())
}

/// What a package holds before all others: rows that no list shows, each with its table.
pub fn packed(conn: &mut DbConn) -> Result<Vec<(&'static str, Value)>> {
    Ok(repository::packed(conn)?.into_iter().map(|row| (row.kind.as_str(), row.content.0)).collect())
}

/// Where the directory is kept in memory.
#[derive(Debug, Clone, Copy)]
pub struct Shelves<'a> {
    /// The services.
    pub directory: &'a Directory,
    /// Their order and their ids.
    pub catalogue: &'a Catalogue,
}

impl Shelves<'_> {
    /// Brings both up to date with all that this transaction sees: a partner that asks for what was modified asks once for each moment.
    pub fn refresh(self, conn: &mut DbConn) -> Result<()> {
        self.directory.refresh(conn, Demand::All)?;
        self.catalogue.refresh(conn)
    }
}

/// The rows that objects are made of.
pub(super) struct Pages<'a> {
    shelves: Shelves<'a>,
    extent: Extent,
    services: HashMap<ServiceId, Arc<ServiceRow>>,
    organizations: HashMap<OrganizationId, OrganizationRow>,
    /// What their sources say of organizations besides, until that is in their objects.
    said: RefCell<HashMap<OrganizationId, Fields>>,
    /// The objects of organizations: many services are of one.
    made: RefCell<HashMap<OrganizationId, Value>>,
    /// The service whose sites were shown last: they follow each other.
    last: RefCell<Option<Sited>>,
}

/// A service without its sites, and these.
struct Sited {
    id: ServiceId,
    service: Value,
    sites: Vec<Value>,
}

impl<'a> Pages<'a> {
    /// Reads those of the first entries, and of how many these are: of one at least, and of all unless they take too much memory.
    pub(super) fn read(shelves: Shelves<'a>, conn: &mut DbConn, entries: &[Entry], extent: Extent) -> Result<(Self, usize)> {
        let mut pages = Self {
            shelves,
            extent,
            services: HashMap::new(),
            organizations: HashMap::new(),
            said: RefCell::default(),
            made: RefCell::default(),
            last: RefCell::default(),
        };
        let (mut read, mut weight) = (0, 0);
        for entries in entries.chunks(AT_ONCE) {
            weight += pages.read_more(conn, entries)?;
            read += entries.len();
            if weight >= MOST_WEIGHT {
                break;
            }
        }
        Ok((pages, read))
    }

    /// Reads those of more entries; the bytes of memory that what sources say of them takes.
    fn read_more(&mut self, conn: &mut DbConn, entries: &[Entry]) -> Result<usize> {
        let mut wanted: Vec<ServiceId> = Vec::new();
        let mut firms: HashSet<OrganizationId> = HashSet::new();
        for entry in entries {
            match entry {
                Entry::Service(_) if self.extent.is_minimal => {}
                Entry::Service(id) | Entry::Site(id, _) | Entry::Nested(id) => wanted.push(*id),
                Entry::Provider(Provider::Known(id)) => {
                    firms.insert(*id);
                }
                Entry::Provider(_) | Entry::End | Entry::Taxonomy(_) | Entry::Term(_) => {}
            }
        }
        wanted.sort_unstable();
        wanted.dedup();
        wanted.retain(|id| !self.services.contains_key(id));
        let mut rows = self.shelves.directory.whole(conn, &wanted)?;
        // What was merged into another or deleted is in no search, and is listed here as inactive.
        let found: HashSet<ServiceId> = rows.iter().map(|row| row.id).collect();
        let unlisted: Vec<ServiceId> = wanted.into_iter().filter(|id| !found.contains(id)).collect();
        services::each_of(conn, &unlisted, |row| {
            rows.push(Arc::new(row));
            Ok(())
        })?;
        firms.extend(rows.iter().filter_map(|row| row.provider_id));
        firms.retain(|id| !self.organizations.contains_key(id));
        let firms: Vec<OrganizationId> = firms.into_iter().collect();
        let loaded = if firms.is_empty() { Vec::new() } else { organizations::load(conn, &firms)? };
        let living = loaded.into_iter().filter(|row| row.deleted_at.is_none());
        let organizations: HashMap<OrganizationId, OrganizationRow> = living.map(|row| (row.id, row)).collect();
        let said = said_of(conn, &organizations)?;
        let weight = rows.iter().map(|row| row.weight_beyond()).sum::<usize>();
        let weight = weight + said.values().flat_map(Fields::values).map(json::weight).sum::<usize>();
        self.said.get_mut().extend(said);
        self.organizations.extend(organizations);
        self.services.extend(rows.into_iter().map(|row| (row.id, row)));
        Ok(weight)
    }

    /// The object of an entry, if it is still there.
    pub(super) fn object(&self, entry: Entry) -> Option<Value> {
        let Extent { is_minimal, is_full, has_full_services, .. } = self.extent;
        match entry {
            Entry::Service(id) if is_minimal => {
                // A sweep asks for all of them, and needs no row.
                let shelf = self.shelves.catalogue.read();
                let date = Some(shelf.modified_at(id)?.to_text());
                let id = shelf.service_id(id);
                Some(shown(&Service { id, last_modified: date.clone(), modified_date: date, ..Service::default() }))
            }
            Entry::Service(id) => {
                let row = self.services.get(&id)?;
                let organization = self.organization_of(row);
                Some(if is_full { self.service(row, organization) } else { self.listed_service(row, organization) })
            }
            Entry::Site(id, number) => self.site(id, number),
            Entry::Provider(provider) => {
                let mut organization = self.organization(provider)?;
                if !is_full {
                    flatten(&mut organization);
                }
                Some(organization)
            }
            Entry::Nested(id) => {
                let row = self.services.get(&id)?;
                Some(if has_full_services { self.service(row, None) } else { self.listed_service(row, None) })
            }
            Entry::End => None,
            Entry::Taxonomy(id) => self.shelves.catalogue.read().taxonomy(id).map(shown),
            Entry::Term(id) => self.shelves.catalogue.read().term(id).map(shown),
        }
    }

    fn name(&self, row: &ServiceRow) -> Uuid {
        self.shelves.catalogue.read().service_id(row.id)
    }

    /// A service with all that hangs on it, and what its source says besides.
    fn service(&self, row: &ServiceRow, organization: Option<Value>) -> Value {
        let name = self.name(row);
        if row.deleted_at.is_some() {
            return given_by(shown(&write::deleted_service(row, name)), organization);
        }
        let mut service = shown(&self.extent.writer.service(row, name));
        if let Value::Object(members) = &mut service {
            said::give_back("service", members, &row.content.source_fields, write::has_ids(row, name));
        }
        given_by(service, organization)
    }

    /// A service as lists have it: its own fields.
    fn listed_service(&self, row: &ServiceRow, organization: Option<Value>) -> Value {
        let name = self.name(row);
        let is_deleted = row.deleted_at.is_some();
        let mut service = shown(&if is_deleted { write::deleted_service(row, name) } else { self.extent.writer.head(row, name) });
        if let Some(members) = service.as_object_mut().filter(|_| !is_deleted) {
            let own = row.content.source_fields.iter().filter(|(_, value)| !value.is_array());
            said::give_back("service", members, own, write::has_ids(row, name));
        }
        let mut service = given_by(service, organization);
        flatten(&mut service);
        service
    }

    fn site(&self, id: ServiceId, number: u16) -> Option<Value> {
        let row = self.services.get(&id)?;
        let mut last = self.last.borrow_mut();
        if last.as_ref().is_none_or(|last| last.id != id) {
            let organization = if self.extent.is_full { self.organization_of(row) } else { None };
            let mut service = self.service(row, organization);
            let sites = service.as_object_mut().and_then(|members| members.shift_remove("service_at_locations"));
            let sites = if let Some(Value::Array(sites)) = sites { sites } else { Vec::new() };
            *last = Some(Sited { id, service, sites });
        }
        let Sited { service, sites, .. } = last.as_ref()?;
        let mut site = sites.get(usize::from(number))?.clone();
        let service = if self.extent.is_full {
            service.clone()
        } else {
            flatten(&mut site);
            self.listed_service(row, None)
        };
        site.as_object_mut()?.insert("service".into(), service);
        Some(site)
    }

    fn organization_of(&self, row: &ServiceRow) -> Option<Value> {
        match (row.provider_id, row.content.provider_name.as_deref().filter(|name| !name.is_empty())) {
            (Some(id), _) => self.organization(Provider::Known(id)),
            (None, Some(name)) => Some(shown(&write::named_organization(name))),
            (None, None) => None,
        }
    }

    /// An organization with all that is known of it, and what its source says besides.
    fn organization(&self, provider: Provider) -> Option<Value> {
        let shelf = self.shelves.catalogue.read();
        let id = match provider {
            Provider::Known(id) => id,
            Provider::Named(id) => return shelf.name(id).map(|name| shown(&write::named_organization(name))),
        };
        if let Some(made) = self.made.borrow().get(&id) {
            return Some(made.clone());
        }
        let (row, name) = (self.organizations.get(&id)?, shelf.organization_id(id)?);
        let organization: Organization = self.extent.writer.organization(row, name, shelf.parent_id(id));
        let mut organization = shown(&organization);
        let said = self.said.borrow_mut().remove(&id);
        if let (Value::Object(members), Some(said)) = (&mut organization, said) {
            let has_ids = name != id.uuid() && name == ids::claimed_by_organization(row);
            said::give_back("organization", members, &said, has_ids);
        }
        if !self.extent.is_full {
            flatten(&mut organization);
        }
        self.made.borrow_mut().insert(id, organization.clone());
        Some(organization)
    }
}

/// What their sources say of organizations besides their records.
fn said_of(conn: &mut DbConn, rows: &HashMap<OrganizationId, OrganizationRow>) -> Result<HashMap<OrganizationId, Fields>> {
    let place = |row: &'_ OrganizationRow| {
        let key = ids::source_of_organization(row)?;
        Some((row.id, (row.organization_id, key.system.clone(), key.value.clone())))
    };
    let places: Vec<_> = rows.values().filter_map(place).collect();
    let wanted: Vec<repository::Place<'_>> =
        places.iter().map(|(_, (owner, source, key))| (*owner, source.as_str(), key.as_str())).collect();
    let mut said = repository::of_organizations(conn, &wanted)?;
    let found = places.iter().filter_map(|(id, (owner, source, key))| Some((*id, said.remove(&(*owner, source.as_str(), key.as_str()))?)));
    Ok(found.collect())
}

/// With who gives it, behind its id.
fn given_by(service: Value, organization: Option<Value>) -> Value {
    let (Value::Object(members), Some(organization)) = (&service, organization) else { return service };
    let id = members.get("id").cloned().unwrap_or_default();
    // Not by `json!`, which makes a copy of all that is known of the organization.
    let mut whole = Fields::from_iter([("id".to_owned(), id), ("organization".to_owned(), organization)]);
    if let Value::Object(members) = service {
        whole.extend(members.into_iter().filter(|(name, _)| name != "id"));
    }
    Value::Object(whole)
}

/// Leaves what lists have: no rows that hang on it, and nothing of ours.
fn flatten(value: &mut Value) {
    if let Value::Object(members) = value {
        members.retain(|name, member| name != "kith" && !member.is_array());
        members.values_mut().for_each(flatten);
    }
}
