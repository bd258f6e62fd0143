//! Entries of lists, made into objects: which rows it takes, and how much of them is written.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::NaiveDate;
use serde_json::Value;
use uuid::Uuid;

use super::Catalogue;
use super::catalogue::{Filter, Provider};
use super::model::{Organization, Service, ServiceAtLocation, shown};
use super::write::{self, Writer};
use crate::auth::DirectoryReader;
use crate::changes::Demand;
use crate::db::DbConn;
use crate::error::Result;
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

/// The objects of entries, in their order, without those that are no longer there.
///
/// Call it in a read, after a refresh of both the directory and the catalogue.
pub fn render(shelves: Shelves<'_>, conn: &mut DbConn, entries: &[Entry], extent: Extent) -> Result<Vec<Value>> {
    let pages = Pages::read(shelves, conn, entries, extent)?;
    Ok(entries.iter().filter_map(|entry| pages.object(*entry)).collect())
}

/// All services, in the order of their ids. Refreshes what it reads from.
pub fn all_services(shelves: Shelves<'_>, conn: &mut DbConn) -> Result<Vec<Entry>> {
    shelves.refresh(conn)?;
    Ok(shelves.catalogue.read().services(&Filter::default(), None).into_iter().map(Entry::Service).collect())
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
}

impl<'a> Pages<'a> {
    /// Reads those of entries.
    pub(super) fn read(shelves: Shelves<'a>, conn: &mut DbConn, entries: &[Entry], extent: Extent) -> Result<Self> {
        let mut wanted: Vec<ServiceId> = Vec::new();
        let mut firms: HashSet<OrganizationId> = HashSet::new();
        for entry in entries {
            match entry {
                Entry::Service(_) if extent.is_minimal => {}
                Entry::Service(id) | Entry::Site(id, _) | Entry::Nested(id) => wanted.push(*id),
                Entry::Provider(Provider::Known(id)) => {
                    firms.insert(*id);
                }
                Entry::Provider(_) | Entry::End | Entry::Taxonomy(_) | Entry::Term(_) => {}
            }
        }
        wanted.sort_unstable();
        wanted.dedup();
        let mut rows = shelves.directory.services(conn, &wanted)?;
        // What was merged into another is in no search, and is listed here as inactive.
        let found: HashSet<ServiceId> = rows.iter().map(|row| row.id).collect();
        let merged: Vec<ServiceId> = wanted.into_iter().filter(|id| !found.contains(id)).collect();
        for ids in merged.chunks(1_000) {
            let living = services::load(conn, ids)?.into_iter().filter(|row| row.deleted_at.is_none());
            rows.extend(living.map(Arc::new));
        }
        firms.extend(rows.iter().filter_map(|row| row.provider_id));
        let firms: Vec<OrganizationId> = firms.into_iter().collect();
        let mut organizations = HashMap::new();
        for ids in firms.chunks(1_000) {
            let rows = organizations::load(conn, ids)?;
            organizations.extend(rows.into_iter().filter(|row| row.deleted_at.is_none()).map(|row| (row.id, row)));
        }
        let services = rows.into_iter().map(|row| (row.id, row)).collect();
        Ok(Self { shelves, extent, services, organizations })
    }

    /// The object of an entry, if it is still there.
    pub(super) fn object(&self, entry: Entry) -> Option<Value> {
        let Extent { writer, is_minimal, is_full, has_full_services } = self.extent;
        match entry {
            Entry::Service(id) => {
                if is_minimal {
                    // A sweep asks for all of them, and needs no row.
                    let shelf = self.shelves.catalogue.read();
                    let date = Some(shelf.modified_at(id)?.to_text());
                    let id = shelf.service_id(id);
                    return Some(shown(&Service { id, last_modified: date.clone(), modified_date: date, ..Service::default() }));
                }
                let row = self.services.get(&id)?;
                let name = self.shelves.catalogue.read().service_id(id);
                let organization = self.organization_of(row);
                Some(shown(&if is_full { writer.service(row, name, organization) } else { writer.listed_service(row, name, organization) }))
            }
            Entry::Site(id, number) => {
                let row = self.services.get(&id)?;
                let name = self.shelves.catalogue.read().service_id(id);
                if !is_full {
                    return Some(shown(&writer.listed_site(row, name, number.into())?));
                }
                let service = writer.service(row, name, self.organization_of(row));
                let service = Service { service_at_locations: vec![], ..service };
                let site = writer.site(row, name, number.into())?;
                Some(shown(&ServiceAtLocation { service: Some(Box::new(service)), ..site }))
            }
            Entry::Provider(provider) => {
                let organization = self.organization(provider)?;
                Some(shown(&if is_full { organization } else { write::flat(organization) }))
            }
            Entry::Nested(id) => {
                let row = self.services.get(&id)?;
                let name = self.shelves.catalogue.read().service_id(id);
                Some(shown(&if has_full_services { writer.service(row, name, None) } else { writer.listed_service(row, name, None) }))
            }
            Entry::End => None,
            Entry::Taxonomy(id) => self.shelves.catalogue.read().taxonomy(id).map(shown),
            Entry::Term(id) => self.shelves.catalogue.read().term(id).map(shown),
        }
    }

    fn organization_of(&self, row: &ServiceRow) -> Option<Organization> {
        match (row.provider_id, row.content.provider_name.as_deref().filter(|name| !name.is_empty())) {
            (Some(id), _) => self.organization(Provider::Known(id)),
            (None, Some(name)) => Some(write::named_organization(name)),
            (None, None) => None,
        }
    }

    fn organization(&self, provider: Provider) -> Option<Organization> {
        let shelf = self.shelves.catalogue.read();
        match provider {
            Provider::Known(id) => {
                let row = self.organizations.get(&id)?;
                Some(self.extent.writer.organization(row, shelf.organization_id(id)?, shelf.parent_id(id)))
            }
            Provider::Named(id) => shelf.name(id).map(write::named_organization),
        }
    }
}
