//! Writes what an import has read, some records at a time, each change with its entry in the journal.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::load::RETIRED;
use super::reconciling::{Reconciled, reconciled};
use super::report::{Line, Verdict};
use super::store::{self, NewService, Said};
use super::{Kept, Notice, Parsed, Provider, rest};
use crate::changes::Actor;
use crate::db::DbConn;
use crate::db::types::{Instant, Json};
use crate::error::{Error, Result};
use crate::hsds::repository::{self as hsds, SourceRow, SourceRowKind};
use crate::hsds::said::Fields;
use crate::kind::{self, OrganizationId, ServiceId};
use crate::services::capacity::MOST_ROOMS;
use crate::services::duplicates::merge::MOST_RECORDS;
use crate::services::duplicates::{merges, sources};
use crate::services::model::{Capacity, NamedCapacity, ServiceInput, ServiceStatus};
use crate::services::repository;
use crate::services::row::ServiceRow;
use crate::types::Identifier;

/// Of so many services that are there what is known is in memory together: the record, what it says itself where others were merged into it,
/// and what its source said, each of which may take 15 MiB.
const AT_ONCE: usize = 10;
/// So many organizations are written together with what is said of them besides.
const MOST_TOGETHER: usize = 100;

/// A record that is to be written.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    pub(super) id: ServiceId,
    pub(super) is_new: bool,
    /// Whether it was retired, for its source did not list it.
    pub(super) is_back: bool,
    pub(super) parsed: Parsed,
}

/// Records that are written together.
#[derive(Debug, Clone)]
pub struct Batch {
    pub(super) owner: OrganizationId,
    pub(super) source: String,
    pub(super) records: Arc<Vec<Planned>>,
    pub(super) providers: Arc<HashMap<String, OrganizationId>>,
    /// Those of them that were not known when the import began. Every batch brings those of its records: who was to be added by one before
    /// may not have been.
    pub(super) new_providers: Arc<Vec<(OrganizationId, Provider)>>,
    /// How many of these are named for the first time.
    pub(super) first_named: u64,
    /// Organizations that are listed by themselves.
    pub(super) listed: Arc<Vec<Provider>>,
    /// What belongs to no record.
    pub(super) kept: Arc<Vec<Kept>>,
}

/// What was written.
#[derive(Debug, Default)]
pub struct Written {
    /// What became of the records.
    pub lines: Vec<Line>,
    /// Organizations that are new: not those that another import has added since this one looked.
    pub organizations_created: u64,
}

impl Written {
    /// Adds what was written besides.
    pub fn add(&mut self, more: Self) {
        self.lines.extend(more.lines);
        self.organizations_created += more.organizations_created;
    }
}

/// A line of no record.
pub(super) fn noted(key: Option<String>, notices: Vec<Notice>) -> Line {
    Line { position: None, key, verdict: Verdict::Noted, service_id: None, notices }
}

pub(super) fn line(parsed: &Parsed, id: ServiceId, verdict: Verdict, notices: Vec<Notice>) -> Line {
    Line { position: Some(parsed.position), key: Some(parsed.key.clone()), verdict, service_id: Some(id), notices }
}

impl Batch {
    /// What the batch would do, for a dry run.
    pub fn preview(&self) -> Written {
        let verdict = |planned: &Planned| if planned.is_new { Verdict::Created } else { Verdict::Updated };
        let told = |planned: &Planned| line(&planned.parsed, planned.id, verdict(planned), planned.parsed.notices.clone());
        Written { lines: self.records.iter().map(told).collect(), organizations_created: self.first_named }
    }

    /// The records one by one, each with its provider, for a batch that failed as a whole: a provider that cannot be added costs its own
    /// services alone.
    pub fn split(self) -> Vec<Self> {
        // The writer may still hold its copy of the batch that failed.
        let (records, listed) = (Arc::unwrap_or_clone(self.records), Arc::unwrap_or_clone(self.listed));
        let part = |key: Option<&String>| {
            let own = self.new_providers.iter().filter(|(_, provider)| Some(&provider.key) == key).cloned().collect();
            Self {
                owner: self.owner,
                source: self.source.clone(),
                providers: Arc::clone(&self.providers),
                new_providers: Arc::new(own),
                first_named: 0,
                records: Arc::default(),
                listed: Arc::default(),
                kept: Arc::default(),
            }
        };
        let of_listed = |provider: Provider| Self { listed: Arc::new(vec![provider.clone()]), ..part(Some(&provider.key)) };
        let of_record = |planned: Planned| {
            let own = part(planned.parsed.provider.as_ref().map(|provider| &provider.key));
            Self { records: Arc::new(vec![planned]), ..own }
        };
        let mut parts: Vec<Self> = listed.into_iter().map(of_listed).collect();
        parts.extend(records.into_iter().map(of_record));
        parts.push(Self { kept: Arc::clone(&self.kept), ..part(None) });
        parts
    }

    /// Lines that refuse every record, for a fault that lies in them; any other is given back.
    pub fn refused(&self, fault: Error) -> Result<Written> {
        let field = match &fault {
            Error::Duplicate { constraint } if constraint.starts_with("identifiers_") => "identifiers",
            Error::Duplicate { .. } | Error::Reference { .. } => "",
            _ => return Err(fault),
        };
        let notice = Notice::new("clash", field, fault.problem().detail);
        let records = self.records.iter().map(|planned| line(&planned.parsed, planned.id, Verdict::Refused, vec![notice.clone()]));
        let listed = self.listed.iter().map(|provider| noted(Some(provider.key.clone()), vec![notice.clone()]));
        Ok(Written { lines: listed.chain(records).collect(), organizations_created: 0 })
    }

    /// The new records that bear a key of a service which no record of this source is of yet, with that service.
    fn known_elsewhere(&self, conn: &mut DbConn) -> Result<HashMap<ServiceId, ServiceId>> {
        let new = || self.records.iter().filter(|planned| planned.is_new);
        let wanted: Vec<_> = new().flat_map(|planned| &planned.parsed.service.identifiers).collect();
        let holders = store::holders::<kind::Service>(conn, self.owner, &wanted)?;
        let mut found = HashMap::new();
        if holders.is_empty() {
            return Ok(found);
        }
        let mut taken = HashSet::new();
        for planned in new() {
            let keys = planned.parsed.service.identifiers.iter();
            let held: BTreeSet<ServiceId> = keys.filter_map(|key| holders.get(key).copied()).collect();
            // Of two services at once it can be no source.
            if let Some(into) = held.first().copied().filter(|_| held.len() == 1)
                && !store::listing(conn, into)?.sources.contains(&self.source)
                && taken.insert(into)
            {
                found.insert(planned.id, into);
            }
        }
        Ok(found)
    }

    /// The organizations of the batch: those that are listed by themselves, and those that give services.
    fn organizations(&self) -> impl Iterator<Item = &Provider> {
        self.listed.iter().chain(self.records.iter().filter_map(|planned| planned.parsed.provider.as_ref()))
    }

    /// Keeps what sources say besides records: of organizations, and what belongs to no record. What is to be told: of what is kept no more.
    fn keep_besides(&self, conn: &mut DbConn, at: Instant) -> Result<Vec<Line>> {
        let row = |kind, key: &str, content| SourceRow {
            organization_id: self.owner,
            source: self.source.clone(),
            kind,
            key: key.to_owned(),
            content: Json(content),
            changed_at: at,
            revision: 1,
        };
        // Many services are of one organization, and each may say all of it. In order, some at a time: of two imports at once neither waits
        // for the other with what the other waits for.
        let mut said: BTreeMap<&str, &Fields> = BTreeMap::new();
        for provider in self.organizations() {
            if let Some(rest) = &provider.rest {
                said.entry(&provider.key).or_insert(rest);
            }
        }
        let said: Vec<(&str, &Fields)> = said.into_iter().collect();
        for said in said.chunks(MOST_TOGETHER) {
            let rest = |&(key, rest): &(&str, &Fields)| row(SourceRowKind::Organization, key, Value::Object(rest.clone()));
            hsds::keep(conn, said.iter().map(rest).collect())?;
        }
        let mut by_kind: BTreeMap<SourceRowKind, Vec<SourceRow>> = BTreeMap::new();
        for Kept { kind, key, content } in self.kept.iter() {
            by_kind.entry(*kind).or_default().push(row(*kind, key, content.clone()));
        }
        let mut told = Vec::new();
        for (kind, rows) in by_kind {
            let left_out = hsds::keep(conn, rows)?;
            if left_out > 0 {
                let (most, most_bytes) = (hsds::MOST_KEPT, hsds::MOST_BYTES >> 20);
                let of_all = "of all sources of an organization";
                let message = format!("{left_out} were left out: {of_all} {most} are kept, of {most_bytes} MiB together, and no more");
                told.push(noted(None, vec![Notice::new("row_left_out", kind.as_str(), message)]));
            }
        }
        Ok(told)
    }

    /// Which organizations have the keys that those of the batch bear in other systems.
    fn held(&self, conn: &mut DbConn) -> Result<HashMap<Identifier, OrganizationId>> {
        let wanted: BTreeSet<&Identifier> = self.organizations().flat_map(|provider| self.keys_elsewhere(provider)).collect();
        store::holders::<kind::Organization>(conn, self.owner, &wanted.into_iter().collect::<Vec<_>>())
    }

    /// The next version of a service of which its source says something new: before it said `said`, or what the journal has of the last
    /// import where that was not kept. What people here have changed stands where the source says of it what it said before, and what the
    /// records say that were merged into it stays theirs.
    fn stated(
        &self,
        conn: &mut DbConn,
        actor: &Actor,
        row: &ServiceRow,
        said: Option<&ServiceInput>,
        service: ServiceInput,
        planned: &Planned,
    ) -> Result<Stated> {
        let mut own = row.own_content.as_ref().unwrap_or(&row.content).0.clone();
        if planned.is_back {
            // It was this source that made it inactive.
            own.status = service.status;
        }
        let base = match said {
            Some(said) => Some(said.clone()),
            None => store::last_imported(conn, row)?,
        };
        let Reconciled { mut service, notices } = match base {
            Some(base) => reconciled(&base, &own, service)?,
            None => Reconciled { service, notices: Vec::new() },
        };
        service.connector_notes = service.connector_notes.or(own.connector_notes);
        let others = own.identifiers.into_iter().filter(|identifier| identifier.system != self.source);
        let others: Vec<_> = others.filter(|identifier| !service.identifiers.contains(identifier)).collect();
        service.identifiers.extend(others);
        let after = if row.own_content.is_some() {
            let content = sources::composed(conn, row, &service)?;
            row.composed(service, content, actor.at)
        } else {
            row.with_content(service, actor.at)
        };
        let row = ServiceRow { version: row.version + 1, ..with_rooms(after, &planned.parsed, actor.at) };
        Ok(Stated { row, notices })
    }

    /// The keys of a provider in other systems.
    fn keys_elsewhere<'a>(&'a self, provider: &'a Provider) -> impl Iterator<Item = &'a Identifier> {
        provider.identifiers.iter().filter(move |identifier| identifier.system != self.source)
    }

    /// The keys of a provider that another organization has: two that the source tells apart are two, and a key belongs to one.
    fn taken<'a>(&'a self, provider: &'a Provider, held: &HashMap<Identifier, OrganizationId>) -> Vec<&'a Identifier> {
        let own = self.providers.get(&provider.key);
        self.keys_elsewhere(provider).filter(|key| held.get(*key).is_some_and(|holder| Some(holder) != own)).collect()
    }

    /// Writes the batch, in the transaction of `conn`. What was new when it was read may have been written by another import of the source
    /// since.
    pub fn write(&self, conn: &mut DbConn, actor: &Actor) -> Result<Written> {
        let mut held = self.held(conn)?;
        let organizations_created = store::insert_providers(conn, actor, self.owner, &self.source, &self.new_providers, &mut held)?;
        let lines = self.keep_besides(conn, actor.at)?;
        let new: Vec<ServiceId> = self.records.iter().filter(|planned| planned.is_new).map(|planned| planned.id).collect();
        let written = store::fingerprints_of(conn, &new)?;
        let is_there = |planned: &&Planned| !planned.is_new || written.contains_key(&planned.id);
        let ids: Vec<ServiceId> = self.records.iter().filter(is_there).map(|planned| planned.id).collect();
        let known = self.known_elsewhere(conn)?;
        let led = store::led(conn, &ids)?;
        let into: BTreeSet<ServiceId> = led.values().chain(known.values()).copied().collect();
        hold(conn, &into, &led)?;
        let mut writing = Writing {
            batch: self,
            actor,
            held,
            known,
            into,
            present: HashMap::new(),
            statements: HashMap::new(),
            created: Vec::new(),
            lines,
        };
        for (number, planned) in self.records.iter().enumerate() {
            if number % AT_ONCE == 0 {
                let next = self.records.iter().skip(number).take(AT_ONCE).filter(is_there);
                let ids: Vec<ServiceId> = next.map(|planned| planned.id).collect();
                (writing.present, writing.statements) = (store::find(conn, &ids)?, store::statements(conn, &ids)?);
            }
            if written.get(&planned.id) == Some(&planned.parsed.fingerprint) {
                writing.lines.push(line(&planned.parsed, planned.id, Verdict::Unchanged, Vec::new()));
            } else {
                writing.record(conn, planned)?;
            }
        }
        store::insert(conn, actor, self.owner, &self.source, writing.created)?;
        Ok(Written { lines: writing.lines, organizations_created })
    }

    /// What a record says of its service, with the organization that gives it, and what is told of that. Keys that another organization has
    /// are kept besides.
    fn service_of(&self, parsed: &Parsed, held: &HashMap<Identifier, OrganizationId>, at: Instant) -> (ServiceInput, Vec<Notice>) {
        let (mut service, mut notices) = (parsed.service.clone(), parsed.notices.clone());
        service.provenance.imported_at = Some(at);
        let taken = parsed.provider.as_ref().map(|provider| self.taken(provider, held)).unwrap_or_default();
        if !taken.is_empty() {
            notices.push(taken_notice(&taken));
            service.source_fields.insert(TAKEN.to_owned(), taken.iter().map(shown).collect());
            let left_out = rest::fit(&mut service.source_fields).into_iter();
            notices.extend(left_out.map(|name| Notice::new("left_out", name, rest::left_out())));
        }
        if let Some(provider) = parsed.provider.as_ref().and_then(|provider| self.providers.get(&provider.key)) {
            service.provider_id = Some(*provider);
            service.provider_name = None;
        }
        (service, notices)
    }
}

/// A batch whose records are being written.
struct Writing<'a> {
    batch: &'a Batch,
    actor: &'a Actor,
    /// Which organizations have the keys of its providers.
    held: HashMap<Identifier, OrganizationId>,
    /// The new records that are one more source of a service, with that service.
    known: HashMap<ServiceId, ServiceId>,
    /// The services to which records lead, which nobody else changes.
    into: BTreeSet<ServiceId>,
    /// Those of the next records that are there.
    present: HashMap<ServiceId, ServiceRow>,
    /// What the source said in them before.
    statements: HashMap<ServiceId, ServiceInput>,
    created: Vec<NewService<'a>>,
    lines: Vec<Line>,
}

impl<'a> Writing<'a> {
    /// Writes what a record says, which is something else than it said before.
    fn record(&mut self, conn: &mut DbConn, planned: &'a Planned) -> Result<()> {
        let Planned { id, parsed, .. } = planned;
        let (service, mut notices) = self.batch.service_of(parsed, &self.held, self.actor.at);
        let said = Said { fingerprint: &parsed.fingerprint, statement: &service };
        let verdict = match self.present.get(id).cloned() {
            None => {
                if let Some(into) = self.known.get(id).copied() {
                    return self.second_source(conn, planned, into, said, notices);
                }
                let row = with_rooms(ServiceRow::new(*id, self.batch.owner, service, self.actor.at), parsed, self.actor.at);
                self.created.push(NewService { row: ServiceRow { version: 1, ..row }, fingerprint: &parsed.fingerprint });
                Verdict::Created
            }
            Some(row) if row.deleted_at.is_some() => {
                notices = vec![Notice::new("deleted", "", "the service was deleted here and stays so")];
                Verdict::Refused
            }
            Some(row) if row.merged_into_id.is_some() => return self.merged(conn, planned, row, said, notices),
            Some(row) => {
                let after = self.batch.stated(conn, self.actor, &row, self.statements.get(id), service.clone(), planned)?;
                notices.extend(after.notices);
                self.present.insert(*id, store::update_said(conn, self.actor, &row, after.row, said)?);
                Verdict::Updated
            }
        };
        self.lines.push(line(parsed, *id, verdict, notices));
        Ok(())
    }

    /// Adds a record as one more source of a service that is known from elsewhere, unless that stands for as many as it can.
    fn second_source(
        &mut self,
        conn: &mut DbConn,
        planned: &Planned,
        into: ServiceId,
        said: Said<'_>,
        mut notices: Vec<Notice>,
    ) -> Result<()> {
        let Some(into) = repository::find(conn, into)? else { return Ok(()) };
        let (actor, parsed) = (self.actor, &planned.parsed);
        if repository::merged_ids(conn, into.id)?.len() >= MOST_RECORDS {
            let of_more = format!("it would be one of more than {MOST_RECORDS} records that were merged into one");
            let told = format!("its key is that of a service known from elsewhere, and {of_more}");
            self.lines.push(line(parsed, planned.id, Verdict::Refused, vec![Notice::new("too_many", "identifiers", told)]));
            return Ok(());
        }
        let inactive = ServiceInput { status: ServiceStatus::Inactive, ..said.statement.clone() };
        let row = ServiceRow::new(planned.id, self.batch.owner, inactive, actor.at);
        let row = ServiceRow { merged_into_id: Some(into.id), ..row };
        store::insert_merged(conn, actor, &self.batch.source, row, said)?;
        let after = recompose(conn, actor, &into, None, Some(parsed))?;
        let told = "its key is that of a service known from elsewhere, of which it is one more source";
        notices.insert(0, Notice::new("second_source", "", told));
        self.lines.push(line(parsed, after.id, Verdict::Updated, notices));
        self.present.entry(after.id).and_modify(|row| *row = after);
        Ok(())
    }

    /// Writes what a record says that was merged into another, and that one with it.
    fn merged(&mut self, conn: &mut DbConn, planned: &Planned, row: ServiceRow, said: Said<'_>, mut notices: Vec<Notice>) -> Result<()> {
        let (actor, parsed) = (self.actor, &planned.parsed);
        // It may have been merged since it was looked for those that were, and nobody holds the other.
        let target = row.merged_into_id.filter(|id| self.into.contains(id)).ok_or(Error::Busy)?;
        let Some(into) = repository::find(conn, target)? else { return Ok(()) };
        let is_back = !store::listing(conn, into.id)?.is_listed();
        // What people here had changed of it stands in the service that it became, too.
        let mut words = said.statement.clone();
        if let Some(merge) = merges::find(conn, planned.id)? {
            let (standing, before) = (merge.standing(&row, actor.at), self.statements.get(&planned.id));
            let stood = self.batch.stated(conn, actor, &standing, before, said.statement.clone(), planned)?;
            words = stood.row.own_content.as_ref().unwrap_or(&stood.row.content).0.clone();
            merges::replace(conn, &merge.stated(stood.row))?;
            notices.extend(stood.notices);
        }
        store::restate(conn, actor, row.merged(into.id, words, actor.at), said)?;
        if into.deleted_at.is_none() {
            let after = recompose(conn, actor, &into, is_back.then_some(said.statement.status), Some(parsed))?;
            self.present.entry(after.id).and_modify(|row| *row = after);
        }
        self.lines.push(line(parsed, into.id, Verdict::Updated, notices));
        Ok(())
    }
}

/// Where keys of providers are kept that another organization has.
const TAKEN: &str = "organization.organization_identifiers";

fn taken_notice(taken: &[&Identifier]) -> Notice {
    let names: Vec<String> = taken.iter().map(|key| format!("{} {}", key.system, key.value)).collect();
    Notice::new("identifier_taken", TAKEN, format!("another organization has it; kept in source_fields: {}", names.join(", ")))
}

fn shown(key: &&Identifier) -> Value {
    json!({ "identifier_scheme": key.system, "identifier": key.value })
}

/// The next version of a service.
#[derive(Debug)]
struct Stated {
    row: ServiceRow,
    /// What people here had changed of it.
    notices: Vec<Notice>,
}

/// Waits until nobody else is changing these services, to which the records lead. Two sources of one service may be written at once. Where a
/// record leads elsewhere by then, as a merge was made or taken back, the transaction is run again.
fn hold(conn: &mut DbConn, into: &BTreeSet<ServiceId>, led: &HashMap<ServiceId, ServiceId>) -> Result<()> {
    if into.is_empty() {
        return Ok(());
    }
    into.iter().try_for_each(|id| repository::lock(conn, *id))?;
    let ids: Vec<ServiceId> = led.keys().copied().collect();
    if store::led(conn, &ids)? == *led { Ok(()) } else { Err(Error::Busy) }
}

/// Composes a service anew of what it says itself and what the records say that were merged into it; `status` where it has another one,
/// and with what one of them says of its room.
fn recompose(
    conn: &mut DbConn,
    actor: &Actor,
    row: &ServiceRow,
    status: Option<ServiceStatus>,
    stated: Option<&Parsed>,
) -> Result<ServiceRow> {
    let mut own = row.own_content.as_ref().unwrap_or(&row.content).0.clone();
    own.status = status.unwrap_or(own.status);
    let content = sources::composed(conn, row, &own)?;
    let composed = row.composed(own, content, actor.at);
    let after = match stated {
        Some(parsed) => with_rooms(composed, parsed, actor.at),
        None => composed,
    };
    store::update(conn, actor, row, ServiceRow { version: row.version + 1, ..after })
}

/// The row with what its source says of its rooms, and the status that follows where it says none, as from whoever [says](Capacity::stated)
/// it here; a source that says nothing leaves what providers have said.
///
/// What somebody has said since the source was written stays.
fn with_rooms(mut row: ServiceRow, parsed: &Parsed, at: Instant) -> ServiceRow {
    // What a source says of a moment to come, it says now.
    let dated = |stated: &Capacity| Capacity { as_of: Some(stated.as_of.map_or(at, |as_of| as_of.min(at))), ..stated.clone() };
    let is_news = |stated: &Capacity, known: Option<&Capacity>| stated.as_of >= known.and_then(|known| known.as_of);
    if let Some(stated) = parsed.capacity.as_ref().map(dated)
        && is_news(&stated, row.capacity.as_deref())
    {
        let stated = stated.stated(row.has_list(None));
        row = row.with_capacity(&stated, at);
    }
    for NamedCapacity { key, capacity } in &parsed.rooms {
        let known = row.capacities.iter().find(|named| named.key == *key).map(|named| &named.capacity);
        let stated = dated(capacity);
        if is_news(&stated, known) && (known.is_some() || row.capacities.len() < MOST_ROOMS) {
            let stated = stated.stated(row.has_list(Some(key)));
            row = row.with_named_capacity(key, Some(&stated), at);
        }
    }
    row
}

/// Whether a service runs and ends where its source no longer lists it; `gone` are records that are no longer listed, where that is not
/// written yet.
fn has_ended(conn: &mut DbConn, row: &ServiceRow, gone: &HashSet<ServiceId>) -> Result<bool> {
    if row.deleted_at.is_some() || row.content.status != ServiceStatus::Active {
        return Ok(false);
    }
    if row.own_content.is_none() {
        return Ok(true);
    }
    // Another source may still list it, or somebody here keeps it.
    let listing = store::listing(conn, row.id)?;
    Ok(listing.is_from_source && listing.listed.iter().all(|id| gone.contains(id)))
}

fn retired(id: ServiceId, key: Option<String>) -> Line {
    Line { position: None, key, verdict: Verdict::Retired, service_id: Some(id), notices: Vec::new() }
}

/// What [`retire`] would tell of services that their source no longer lists, for a dry run; these are all that it lacks.
pub fn preview_retired(conn: &mut DbConn, missing: &[ServiceId]) -> Result<Vec<Line>> {
    let gone: HashSet<ServiceId> = missing.iter().copied().collect();
    let (mut lines, mut told) = (Vec::new(), HashSet::<ServiceId>::new());
    for ids in missing.chunks(AT_ONCE) {
        for (id, row) in store::find(conn, ids)? {
            let key = row.content.provenance.record.clone();
            let row = match row.merged_into_id {
                Some(into) => repository::find(conn, into)?,
                None => Some(row),
            };
            let Some(row) = row else { continue };
            if !told.contains(&row.id) && has_ended(conn, &row, &gone)? {
                told.insert(row.id);
                lines.push(retired(id, key));
            }
        }
    }
    Ok(lines)
}

/// Makes services inactive that their source no longer lists.
pub fn retire(conn: &mut DbConn, actor: &Actor, ids: &[ServiceId]) -> Result<Vec<Line>> {
    let mut lines = Vec::with_capacity(ids.len());
    for ids in ids.chunks(AT_ONCE) {
        for (id, row) in store::find(conn, ids)? {
            lines.extend(retire_one(conn, actor, id, row)?);
        }
    }
    Ok(lines)
}

fn retire_one(conn: &mut DbConn, actor: &Actor, id: ServiceId, row: ServiceRow) -> Result<Option<Line>> {
    store::note_retired(conn, id, RETIRED)?;
    let key = row.content.provenance.record.clone();
    let row = match row.merged_into_id {
        Some(into) => {
            hold(conn, &BTreeSet::from([into]), &HashMap::from([(id, into)]))?;
            repository::find(conn, into)?
        }
        None => Some(row),
    };
    let Some(row) = row else { return Ok(None) };
    if !has_ended(conn, &row, &HashSet::new())? {
        return Ok(None);
    }
    if row.own_content.is_some() {
        recompose(conn, actor, &row, Some(ServiceStatus::Inactive), None)?;
    } else {
        let service = ServiceInput { status: ServiceStatus::Inactive, ..row.content.0.clone() };
        store::update(conn, actor, &row, row.with_content(service, actor.at))?;
    }
    Ok(Some(retired(id, key)))
}
