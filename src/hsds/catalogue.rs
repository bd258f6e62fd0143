//! What lists by page number need: every service, location, organization, taxonomy and term in an order, counted and filtered in memory.
//!
//! It follows the journal as the search index does, and it is filled when somebody first asks for it: a server of which nobody asks
//! HSDS keeps nothing. It holds some 300 bytes for each service.

mod names;
mod postcodes;
mod terms;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard};

use uuid::Uuid;

use self::names::Names;
use self::postcodes::{Postcodes, Site};
use self::terms::{Carried, Terms};
use super::model::{Taxonomy, TaxonomyTerm};
use super::repository::{self, Mark};
use super::{ids, write};
use crate::changes::follower::BATCH;
use crate::changes::{Demand, Follower};
use crate::db::DbConn;
use crate::db::types::Instant;
use crate::error::Result;
use crate::kind::{OrganizationId, ResourceType, ServiceId};
use crate::organizations::model::OrganizationRow;
use crate::organizations::repository as organizations;
use crate::postal_codes::compact;
use crate::services::index::distance_m;
use crate::services::model::{AreaKind, PointPrecision};
use crate::services::repository as services;
use crate::services::row::ServiceRow;
use crate::text::fold;
use crate::types::Point;

/// Bytes of what sources say of services that are taken in together: once they are as many, no other is read before.
const MOST_TOGETHER: usize = 8 << 20;
/// Letters of a description that a search for organizations looks at.
const SEARCHED: usize = 400;

/// Everything that can be listed.
#[derive(Debug)]
pub struct Catalogue {
    shelf: RwLock<Shelf>,
    services: Follower,
    organizations: Follower,
    /// What of the terms of sources has been read.
    terms: Mutex<Option<Mark>>,
}

impl Default for Catalogue {
    fn default() -> Self {
        let (services, organizations) = (Follower::of(ResourceType::Service), Follower::of(ResourceType::Organization));
        Self { shelf: RwLock::default(), services, organizations, terms: Mutex::default() }
    }
}

/// Who gives a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Provider {
    /// An organization.
    Known(OrganizationId),
    /// A name, by its id.
    Named(Uuid),
}

/// A service, as far as lists need it.
#[derive(Debug)]
struct Item {
    provider: Option<Provider>,
    sites: Box<[Site]>,
    /// How many entries it has among the services at locations.
    count: u16,
    /// The ids that its source gives them.
    site_ids: Box<[Option<Uuid>]>,
    /// In the order of their ids.
    terms: Box<[Carried]>,
    updated_at: Instant,
    /// What it says of that itself; see [`write::last_modified`].
    modified_at: Instant,
    /// The beginnings of postal codes, where it serves these and nothing else.
    postal_areas: Option<Box<[Box<str>]>>,
}

/// An organization, as far as lists need it.
#[derive(Debug)]
struct Firm {
    text: Box<str>,
    parent: Option<OrganizationId>,
    /// Whether a source lists it: then it is listed here, too, though it gives no service.
    is_listed: bool,
}

/// What is listed.
#[derive(Debug, Default)]
pub struct Shelf {
    items: HashMap<ServiceId, Item>,
    service_names: Names,
    sites: HashMap<Uuid, (ServiceId, u16)>,
    firms: HashMap<OrganizationId, Firm>,
    firm_names: Names,
    /// The services of each provider.
    given: HashMap<Provider, BTreeSet<ServiceId>>,
    /// The names of providers of which nothing else is known.
    named: HashMap<Uuid, Box<str>>,
    terms: Terms,
    postcodes: Postcodes,
}

/// What services, and their organizations and locations, are kept for.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// A term that they carry.
    pub term: Option<Uuid>,
    /// A taxonomy of which they carry a term.
    pub taxonomy: Option<Uuid>,
    /// The organization that gives them.
    pub organization: Option<Uuid>,
    /// Changed then or later.
    pub modified_after: Option<Instant>,
    /// A postal code that they serve, where their areas are known.
    pub postcode: Option<String>,
    /// With the postal code: so many metres from its middle.
    pub radius_m: Option<f64>,
}

impl Catalogue {
    /// Brings it up to date with all that this transaction sees: a partner that asks for what was modified asks once for each moment. The
    /// first time it reads both tables.
    pub fn refresh(&self, conn: &mut DbConn) -> Result<()> {
        let load = |conn: &mut DbConn| self.load_organizations(conn);
        self.organizations.follow(conn, Demand::All, load, |conn, ids| self.reload_organizations(conn, ids))?;
        self.services.follow(conn, Demand::All, |conn| self.load_services(conn), |conn, ids| self.reload_services(conn, ids))?;
        self.refresh_terms(conn)
    }

    /// Reads what sources have of taxonomies and terms, where it is something else than before: that stands in no journal.
    fn refresh_terms(&self, conn: &mut DbConn) -> Result<()> {
        let mark = repository::terms_mark(conn)?;
        let mut known = self.terms.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != Some(mark) {
            let rows = repository::terms(conn)?;
            self.shelf.write().unwrap_or_else(PoisonError::into_inner).terms.replace_said(rows);
            *known = Some(mark);
        }
        Ok(())
    }

    /// Brings in some of what was written since somebody asked last, so that the next does not wait for it; true where there is more.
    pub fn catch_up(&self, conn: &mut DbConn) -> Result<bool> {
        let organizations = self.organizations.catch_up(conn, |conn, ids| self.reload_organizations(conn, ids))?;
        Ok(self.services.catch_up(conn, |conn, ids| self.reload_services(conn, ids))? || organizations)
    }

    /// What is listed now.
    pub fn read(&self) -> RwLockReadGuard<'_, Shelf> {
        self.shelf.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn load_services(&self, conn: &mut DbConn) -> Result<()> {
        self.apply_each(|take| services::each_row(conn, take))
    }

    fn reload_services(&self, conn: &mut DbConn, ids: &[Uuid]) -> Result<()> {
        let ids: Vec<ServiceId> = ids.iter().map(|id| ServiceId::from_uuid(*id)).collect();
        self.apply_each(|take| services::each_of(conn, &ids, take))
    }

    /// Takes in the services that are read, some together, and fewer where their sources say very much of them.
    fn apply_each(&self, read: impl FnOnce(&mut dyn FnMut(ServiceRow) -> Result<()>) -> Result<()>) -> Result<()> {
        let (mut rows, mut weight) = (Vec::new(), 0);
        read(&mut |row: ServiceRow| {
            weight += row.weight_beyond();
            rows.push(row);
            if rows.len() >= BATCH || weight >= MOST_TOGETHER {
                self.apply(&rows);
                rows.clear();
                weight = 0;
            }
            Ok(())
        })?;
        self.apply(&rows);
        Ok(())
    }

    fn reload_organizations(&self, conn: &mut DbConn, ids: &[Uuid]) -> Result<()> {
        let ids: Vec<OrganizationId> = ids.iter().map(|id| OrganizationId::from_uuid(*id)).collect();
        self.apply_organizations(&organizations::load(conn, &ids)?);
        Ok(())
    }

    fn load_organizations(&self, conn: &mut DbConn) -> Result<()> {
        let mut after = None;
        loop {
            let rows = organizations::list_after(conn, after, BATCH as i64)?;
            self.apply_organizations(&rows);
            after = rows.last().map(|row| row.id);
            if rows.len() < BATCH {
                return Ok(());
            }
        }
    }

    fn apply(&self, rows: &[ServiceRow]) {
        // The sites are written for this, with what their source says of them: who reads lists need not wait for it.
        let claimed = |row: &ServiceRow| if row.deleted_at.is_none() { write::claimed_sites(row) } else { Box::default() };
        let claimed: Vec<_> = rows.iter().map(claimed).collect();
        let mut shelf = self.shelf.write().unwrap_or_else(PoisonError::into_inner);
        for (row, site_ids) in rows.iter().zip(claimed) {
            shelf.remove(row.id);
            shelf.insert(row, site_ids);
        }
    }

    fn apply_organizations(&self, rows: &[OrganizationRow]) {
        let mut shelf = self.shelf.write().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            shelf.firms.remove(&row.id);
            shelf.firm_names.remove(row.id.uuid());
            if row.deleted_at.is_none() {
                shelf.firm_names.insert(row.id.uuid(), ids::claimed_by_organization(row), (false, row.created_at));
                let content = &row.content;
                let others = content.translations.iter().filter_map(|texts| texts.name.as_deref());
                let description: String = content.description.as_deref().unwrap_or_default().chars().take(SEARCHED).collect();
                let text = others.fold(format!("{} {description}", content.name), |text, name| text + " " + name);
                let is_listed = ids::source_of_organization(row).is_some();
                shelf.firms.insert(row.id, Firm { text: fold(&text).into(), parent: row.parent_id, is_listed });
            }
        }
    }
}

impl Shelf {
    /// Takes a service in, with the ids that its source gives its sites.
    fn insert(&mut self, row: &ServiceRow, site_ids: Box<[Option<Uuid>]>) {
        let content = &row.content;
        // Of what was deleted its name is left, and who gave it.
        let is_there = row.deleted_at.is_none();
        let terms = if is_there { write::terms_of(content) } else { Vec::new() };
        let terms = self.terms.count(&terms);
        let provider = match (content.provider_id, content.provider_name.as_deref().filter(|name| !name.is_empty())) {
            (Some(id), _) => Some(Provider::Known(id)),
            (None, Some(name)) => {
                let id = ids::of_name(name);
                self.named.entry(id).or_insert_with(|| name.into());
                Some(Provider::Named(id))
            }
            (None, None) => None,
        };
        if let Some(provider) = provider {
            self.given.entry(provider).or_default().insert(row.id);
        }
        let sites: Box<[Site]> = content
            .places
            .iter()
            .filter(|_| is_there)
            .map(|place| Site {
                point: place.point.filter(|_| place.point_precision != Some(PointPrecision::Area)),
                postcode: place.address.as_ref().and_then(|address| address.postal_code.as_deref()).map(|code| compact(code).into()),
            })
            .collect();
        sites.iter().for_each(|site| self.postcodes.add(site));
        let areas = &content.service_areas;
        let is_postal = !areas.is_empty() && areas.iter().all(|area| area.kind == AreaKind::PostalPrefix);
        let item = Item {
            provider,
            sites,
            count: if is_there { u16::try_from(write::sites(content)).unwrap_or(u16::MAX) } else { 0 },
            site_ids,
            terms,
            updated_at: row.updated_at,
            modified_at: write::last_modified(row),
            postal_areas: is_postal.then(|| areas.iter().map(|area| compact(&area.value).into()).collect()),
        };
        self.items.insert(row.id, item);
        let renamed = self.service_names.insert(row.id.uuid(), ids::claimed_by_service(row), (!is_there, row.created_at));
        self.place_sites(renamed);
    }

    fn remove(&mut self, id: ServiceId) {
        let Some(item) = self.items.remove(&id) else { return };
        self.terms.discount(&item.terms);
        if let Some(provider) = item.provider
            && let Some(services) = self.given.get_mut(&provider)
        {
            services.remove(&id);
            if services.is_empty() {
                self.given.remove(&provider);
                if let Provider::Named(name) = provider {
                    self.named.remove(&name);
                }
            }
        }
        item.sites.iter().for_each(|site| self.postcodes.remove(site));
        let name = self.service_names.shown(id.uuid());
        for number in 0..item.count {
            self.forget_site(item.site_id(id, name, number), id);
        }
        let renamed = self.service_names.remove(id.uuid());
        self.place_sites(renamed);
    }

    /// Gives the sites of services that are called otherwise now their ids.
    fn place_sites(&mut self, renamed: Vec<(Uuid, Option<Uuid>)>) {
        for (own, before) in renamed {
            let id = ServiceId::from_uuid(own);
            let Some(item) = self.items.get(&id) else { continue };
            let name = self.service_names.shown(own);
            let sites = (0..item.count)
                .map(|number| (number, before.map(|before| item.site_id(id, before, number)), item.site_id(id, name, number)));
            for (number, before, now) in sites.collect::<Vec<_>>() {
                before.into_iter().for_each(|before| self.forget_site(before, id));
                // A source may give two sites one id: the first has it.
                self.sites.entry(now).or_insert((id, number));
            }
        }
    }

    fn forget_site(&mut self, site: Uuid, of: ServiceId) {
        if self.sites.get(&site).is_some_and(|(service, _)| *service == of) {
            self.sites.remove(&site);
        }
    }

    /// The id under which a service is known.
    pub fn service_id(&self, id: ServiceId) -> Uuid {
        self.service_names.shown(id.uuid())
    }

    /// When a service last changed, as it says itself.
    pub fn modified_at(&self, id: ServiceId) -> Option<Instant> {
        self.items.get(&id).map(|item| item.modified_at)
    }

    /// The service that is known under an id, or has it.
    pub fn service(&self, id: Uuid) -> Option<ServiceId> {
        let own = self.service_names.own(id).unwrap_or(id);
        Some(ServiceId::from_uuid(own)).filter(|id| self.items.contains_key(id))
    }

    /// The service at a location with this id.
    pub fn site(&self, id: Uuid) -> Option<(ServiceId, u16)> {
        self.sites.get(&id).copied()
    }

    /// The id under which an organization is known; none where it is not there.
    pub fn organization_id(&self, id: OrganizationId) -> Option<Uuid> {
        self.firms.contains_key(&id).then(|| self.firm_names.shown(id.uuid()))
    }

    /// The same of the one it is part of, where that is listed.
    pub fn parent_id(&self, id: OrganizationId) -> Option<Uuid> {
        let parent = self.firms.get(&id)?.parent.filter(|parent| self.is_listed(Provider::Known(*parent)))?;
        self.organization_id(parent)
    }

    /// The provider that is known under an id, where it is listed.
    pub fn provider(&self, id: Uuid) -> Option<Provider> {
        let own = self.firm_names.own(id).unwrap_or(id);
        let known = Provider::Known(OrganizationId::from_uuid(own));
        [known, Provider::Named(id)].into_iter().find(|provider| self.is_listed(*provider))
    }

    /// Whether it is there, and gives a service or is listed by a source.
    fn is_listed(&self, provider: Provider) -> bool {
        let gives = || self.given.contains_key(&provider);
        match provider {
            Provider::Known(id) => self.firms.get(&id).is_some_and(|firm| firm.is_listed || gives()),
            Provider::Named(id) => self.named.contains_key(&id) && gives(),
        }
    }

    /// A provider's name, where nothing else is known of it.
    pub fn name(&self, id: Uuid) -> Option<&str> {
        self.named.get(&id).map(|name| &**name)
    }

    /// The services of a provider, in the order of their ids there.
    pub fn given_by(&self, provider: Provider) -> Vec<ServiceId> {
        let mut services: Vec<ServiceId> = self.given.get(&provider).into_iter().flatten().copied().collect();
        services.sort_by_cached_key(|id| self.service_id(*id));
        services
    }

    /// A term.
    pub fn term(&self, id: Uuid) -> Option<&TaxonomyTerm> {
        self.terms.term(id)
    }

    /// A taxonomy.
    pub fn taxonomy(&self, id: Uuid) -> Option<&Taxonomy> {
        self.terms.taxonomy(id)
    }

    /// The services that pass a filter: those found by words in their order, else all in the order of their ids.
    pub fn services(&self, filter: &Filter, found: Option<Vec<ServiceId>>) -> Vec<ServiceId> {
        let provider = filter.organization.map(|id| self.provider(id));
        let keeps = |id: &ServiceId| self.items.get(id).is_some_and(|item| self.keeps(item, filter, provider));
        match found {
            Some(found) => found.into_iter().filter(keeps).collect(),
            None => self.service_names.in_order().map(ServiceId::from_uuid).filter(keeps).collect(),
        }
    }

    /// The middle of a postal code, as far as places tell: of the code itself, else of its first three letters.
    pub fn middle(&self, postcode: &str) -> Option<Point> {
        self.postcodes.middle(postcode)
    }

    /// The services at locations that pass a filter; `middle` is that of its postal code.
    pub fn at_locations(&self, filter: &Filter, found: Option<Vec<ServiceId>>, middle: Option<Point>) -> Vec<(ServiceId, u16)> {
        let near = |item: &Item, number: u16| match (filter.radius_m, middle) {
            (Some(radius_m), Some(middle)) => {
                let point = item.sites.get(usize::from(number)).and_then(|site| site.point);
                point.is_some_and(|point| distance_m(middle, point) <= radius_m)
            }
            _ => true,
        };
        let mut sites = Vec::new();
        for id in self.services(filter, found) {
            let Some(item) = self.items.get(&id) else { continue };
            sites.extend((0..item.count).filter(|number| near(item, *number)).map(|number| (id, number)));
        }
        sites
    }

    /// The providers whose services pass a filter and whose texts hold all the words, in the order of their ids. Where no filter asks for
    /// services, those that give none are among them.
    pub fn providers(&self, filter: &Filter, words: &str) -> Vec<Provider> {
        let folded = fold(words);
        let words: Vec<&str> = folded.split(' ').filter(|word| !word.is_empty()).collect();
        let says = |provider: &Provider| {
            let text = match provider {
                Provider::Known(id) => self.firms.get(id).map(|firm| firm.text.to_string()),
                Provider::Named(id) => self.named.get(id).map(|name| fold(name)),
            };
            text.is_some_and(|text| words.iter().all(|word| text.contains(word)))
        };
        let is_unfiltered = filter.term.is_none() && filter.taxonomy.is_none();
        let keeps = |services: &BTreeSet<ServiceId>| {
            is_unfiltered || services.iter().any(|id| self.items.get(id).is_some_and(|item| self.keeps(item, filter, None)))
        };
        let giving = self.given.iter().filter(|(_, services)| keeps(services)).map(|(provider, _)| *provider);
        let listed = self.firms.iter().filter(|(_, firm)| is_unfiltered && firm.is_listed).map(|(id, _)| Provider::Known(*id));
        let mut providers: Vec<(Uuid, Provider)> = giving
            .chain(listed)
            .filter(says)
            .map(|provider| match provider {
                Provider::Known(id) => (self.firm_names.shown(id.uuid()), provider),
                Provider::Named(id) => (id, provider),
            })
            .collect();
        providers.sort_unstable();
        providers.dedup();
        providers.into_iter().map(|(_, provider)| provider).collect()
    }

    /// The taxonomies whose names hold the words, in the order of their ids.
    pub fn taxonomies(&self, words: &str) -> Vec<Uuid> {
        self.terms.taxonomies(words)
    }

    /// The terms of a taxonomy, below a term, or at the top, whose names or codes hold the words, in the order of their ids.
    pub fn terms(&self, words: &str, taxonomy: Option<Uuid>, parent: Option<Uuid>, top_only: bool) -> Vec<Uuid> {
        self.terms.terms(words, taxonomy, parent, top_only)
    }

    /// `provider` is that of the filter, where it names one; one that is not there gives nothing.
    fn keeps(&self, item: &Item, filter: &Filter, provider: Option<Option<Provider>>) -> bool {
        filter.term.is_none_or(|term| item.terms.binary_search_by_key(&term, |carried| carried.term).is_ok())
            && filter.taxonomy.is_none_or(|taxonomy| item.terms.iter().any(|term| self.terms.is_of(term, taxonomy)))
            && provider.is_none_or(|provider| provider.is_some() && item.provider == provider)
            && filter.modified_after.is_none_or(|moment| item.updated_at >= moment)
            && filter.postcode.as_deref().is_none_or(|code| {
                let areas = item.postal_areas.as_ref();
                areas.is_none_or(|areas| areas.iter().any(|area| code.starts_with(&**area) || area.starts_with(code)))
            })
    }
}

impl Item {
    /// The id of one of its entries among the services at locations, where the service `own` is known by a name: with that of its source
    /// they have those of its source.
    fn site_id(&self, own: ServiceId, name: Uuid, number: u16) -> Uuid {
        let claimed = self.site_ids.get(usize::from(number)).copied().flatten().filter(|_| name != own.uuid());
        claimed.unwrap_or_else(|| write::site_id(name, usize::from(number)))
    }
}
