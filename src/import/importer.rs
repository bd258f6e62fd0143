//! From the records of a file to outcomes: keys, repeats, groups, and what only the whole file can tell.
//!
//! Some things take two passes: whether an id occurs once, and how many addresses share a point. [`Importer::survey`] sees every record
//! first where [`Importer::wants_survey`] says so; then [`Importer::take`] sees every record again and [`Importer::finish`] gives the rest.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Map, Value};

use super::draft::Draft;
use super::drafts::{Drafts, Records};
use super::kin::Kin;
use super::mapping::{Format, Mapping, Trust};
use super::read::{Of, Raw};
use super::text::{fold, plain};
use super::{Kept, Notice, Outcome, Parsed, Refused, hsds, keys, schema};
use crate::hsds::repository::SourceRowKind;
use crate::services::model::{Place, ServiceInput};
use crate::types::Point;

/// Reads the records of one source.
#[derive(Debug)]
pub struct Importer {
    mapping: Mapping,
    census: Option<Census>,
    /// The record that is being read: of some of its services nothing has been said yet.
    reading: Option<Reading>,
    /// For each key, the outcomes it has had.
    seen: HashMap<String, Seen>,
    groups: Vec<Group>,
    /// Where each of these is, by its key.
    grouped: HashMap<String, usize>,
    kin: Kin,
}

/// A record of which not all drafts have been made.
#[derive(Debug)]
struct Reading {
    drafts: Drafts,
    position: u64,
    of: Of,
}

/// What records of one key have said.
#[derive(Debug, Default)]
struct Seen {
    /// Where the first of them stands.
    first: Option<u64>,
    /// The first that said so, by the fingerprint of what it said.
    said: HashMap<String, u64>,
}

/// Records that are one service at many places.
#[derive(Debug)]
struct Group {
    key: String,
    position: u64,
    draft: Draft,
}

/// What is true of the whole file.
#[derive(Debug, Default)]
struct Census {
    /// How often each id occurs.
    ids: HashMap<String, u32>,
    /// The addresses at each point.
    points: HashMap<(i64, i64), HashSet<u64>>,
}

impl Census {
    fn add(&mut self, draft: Draft) {
        for place in &draft.service.places {
            if let Some(point) = place.point {
                self.points.entry(cell(point)).or_default().insert(standing(place, &draft.service.name));
            }
        }
        if let Some(key) = draft.key {
            *self.ids.entry(key).or_default() += 1;
        }
    }
}

impl Importer {
    /// An importer by a mapping.
    pub fn new(mapping: Mapping) -> Self {
        Self { mapping, census: None, reading: None, seen: HashMap::new(), groups: Vec::new(), grouped: HashMap::new(), kin: Kin::new() }
    }

    /// The mapping.
    pub fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// Which organizations are part of which, as far as the records taken say: to be [joined](super::kin::join) when all are written.
    pub fn take_kin(&mut self) -> Kin {
        std::mem::take(&mut self.kin)
    }

    /// True where the records should be surveyed before they are taken.
    pub fn wants_survey(&self) -> bool {
        self.weighs_points() || (self.mapping.format == Format::Hsds && self.mapping.keys.trust == Trust::Unique)
    }

    fn weighs_points(&self) -> bool {
        self.mapping.precision.iter().any(|precision| precision.shared_by.is_some())
    }

    /// Sees a record in the first pass.
    pub fn survey(&mut self, raw: Raw) {
        let Ok(value) = raw.value else { return };
        if !matches!(raw.of, Of::Records | Of::Service) {
            return;
        }
        let (weighs_points, mapping) = (self.weighs_points(), &self.mapping);
        let census = self.census.get_or_insert_default();
        if !weighs_points {
            let Some(mut records) = Records::of(mapping, value) else { return };
            while let Some(record) = records.next(mapping) {
                hsds::keys(mapping, record, records.outer()).into_iter().for_each(|key| *census.ids.entry(key).or_default() += 1);
            }
            return;
        }
        let Ok(mut drafts) = Drafts::of(mapping, value) else { return };
        while let Some(draft) = drafts.next(mapping) {
            if let Ok(draft) = draft {
                census.add(draft);
            }
        }
    }

    /// Takes a record and gives what became of it; records of a group come at the end.
    pub fn take(&mut self, raw: Raw, give: &mut dyn FnMut(Outcome)) {
        let mut one = std::iter::once(raw);
        while let Some(outcome) = self.next_outcome(&mut one) {
            give(outcome);
        }
    }

    /// What became of the next service, or the next row, of these records, of which no more are taken than that needs; `None` where they
    /// end. Records of a group come at the end of all.
    pub fn next_outcome(&mut self, raws: &mut impl Iterator<Item = Raw>) -> Option<Outcome> {
        loop {
            let outcome = match self.reading.take() {
                Some(reading) => self.read_on(reading),
                None => self.begin(raws.next()?),
            };
            if outcome.is_some() {
                return outcome;
            }
        }
    }

    /// What became of a record that has no services to be read, or of a row; nothing yet of one that has.
    fn begin(&mut self, raw: Raw) -> Option<Outcome> {
        let Raw { position, value, of, id } = raw;
        let value = match value {
            Ok(value) => value,
            Err(fault) => {
                let key = id.and_then(|id| self.key_of_row(of, &id));
                let reasons = vec![Notice::new("not_readable", "", fault)];
                return Some(Outcome::Refused(Refused { key, position, of, reasons }));
            }
        };
        match of {
            Of::Records | Of::Service => {}
            Of::Part => return None,
            Of::Organization => return self.organization(value),
            Of::Row(kind) => return kept(kind, hsds::terms::row(kind, fields_of(value))),
            Of::OwnRow(kind) => return kept(kind, hsds::terms::own_row(kind, fields_of(value))),
            Of::LeftOut => return left_out(&value),
        }
        if self.mapping.format == Format::Hsds && is_ours(&value) {
            return Some(self.ours(value, position));
        }
        match Drafts::of(&self.mapping, value) {
            Ok(drafts) => {
                self.reading = Some(Reading { drafts, position, of });
                None
            }
            Err(reason) => Some(refused(None, position, reason)),
        }
    }

    /// What became of the next service of a record; nothing where there is none, or it is of a group.
    fn read_on(&mut self, mut reading: Reading) -> Option<Outcome> {
        let draft = reading.drafts.next(&self.mapping)?;
        let (position, of) = (reading.position, reading.of);
        self.reading = Some(reading);
        match draft {
            Ok(draft) if self.mapping.group.is_some() => {
                self.join(draft, position);
                None
            }
            Ok(mut draft) => {
                // What is left of its organization is said with that.
                if let Some(provider) = draft.provider.as_mut().filter(|_| of == Of::Service) {
                    provider.rest = None;
                }
                Some(self.keyed(draft, position))
            }
            Err(unfit) => Some(refused(self.known_key(unfit.key), position, unfit.reason)),
        }
    }

    /// An organization that is listed by itself; none where it stands in for one that is not known.
    fn organization(&mut self, value: Value) -> Option<Outcome> {
        let read = hsds::organization::listed(&self.mapping, value)?;
        if let Outcome::Listed(provider, _) = &read
            && let Some(parent) = &provider.parent
        {
            self.kin.insert(provider.key.clone(), parent.clone());
        }
        Some(read)
    }

    /// Gives the groups.
    pub fn finish(&mut self, give: &mut dyn FnMut(Outcome)) {
        self.grouped.clear();
        for mut group in std::mem::take(&mut self.groups) {
            self.weigh_points(&mut group.draft);
            give(group.draft.finish(&keys::fitted(&group.key), group.position, &self.mapping));
        }
    }

    fn join(&mut self, draft: Draft, position: u64) {
        let key = draft.key.clone().unwrap_or_else(|| draft.service.name.clone());
        let place = *self.grouped.entry(key.clone()).or_insert(self.groups.len());
        match self.groups.get_mut(place) {
            None => self.groups.push(Group { key, position, draft }),
            Some(group) => {
                group.draft.service.places.extend(draft.service.places);
                group.draft.notices.extend(draft.notices);
                for (name, value) in draft.leftovers {
                    match (group.draft.leftovers.get_mut(&name), value) {
                        (Some(Value::Object(known)), Value::Object(more)) => known.extend(more),
                        (_, value) => {
                            group.draft.leftovers.insert(name, value);
                        }
                    }
                }
            }
        }
    }

    fn keyed(&mut self, mut draft: Draft, position: u64) -> Outcome {
        self.weigh_points(&mut draft);
        if let Some((key, parent)) = draft.provider.as_ref().and_then(|provider| Some((&provider.key, provider.parent.as_ref()?))) {
            self.kin.insert(key.clone(), parent.clone());
        }
        let trusted = draft.key.clone().filter(|key| self.is_trusted(key));
        let is_trusted = trusted.is_some();
        let key = match trusted {
            Some(key) => keys::fitted(&key),
            None if self.mapping.format == Format::Records => {
                return refused(None, position, Notice::new("key_missing", "key", "the record has no key"));
            }
            None => {
                if let Some(key) = draft.key.take() {
                    draft.keep("id", Value::String(key));
                    draft.notice("key_from_content", "id", "its id occurs more than once in the file; names and address are the key");
                }
                let parts: Vec<&str> = draft.identity.iter().map(String::as_str).collect();
                keys::content_key(&parts)
            }
        };
        let again = self.seen.contains_key(&key).then(|| draft.clone());
        let outcome = draft.finish(&key, position, &self.mapping);
        let Outcome::Parsed(parsed) = &outcome else { return outcome };
        let seen = self.seen.entry(key.clone()).or_default();
        let fingerprint = parsed.fingerprint.clone();
        if let Some(same) = seen.said.get(&fingerprint) {
            return refused(Some(key), position, Notice::new("duplicate_record", "", format!("says the same as record {same}")));
        }
        let first = seen.first;
        seen.first.get_or_insert(position);
        seen.said.insert(fingerprint, position);
        let ordinal = seen.said.len();
        match (first, again) {
            (Some(first), Some(again)) if !is_trusted => {
                // Equal names at one address and different contents: kept apart, in the order of the file.
                let key = format!("{key}~{ordinal}");
                let mut again = again;
                again.notice("name_and_address_repeated", "name", format!("record {first} has the same name and address"));
                again.finish(&key, position, &self.mapping)
            }
            (Some(first), _) => {
                refused(Some(key), position, Notice::new("duplicate_key", "id", format!("record {first} has the same key")))
            }
            _ => outcome,
        }
    }

    /// The key of a record that cannot be taken, where it is that of a service by itself.
    fn known_key(&self, key: Option<String>) -> Option<String> {
        let key = key.filter(|key| self.mapping.group.is_none() && self.is_trusted(key))?;
        Some(keys::fitted(&key))
    }

    /// The key of what a row of a package with this id is, where no more of it is needed to tell.
    fn key_of_row(&self, of: Of, id: &str) -> Option<String> {
        let id = plain(id)?;
        if !matches!(of, Of::Records | Of::Service) {
            return Some(keys::fitted(&id));
        }
        let Mapping { format, each, keys, .. } = &self.mapping;
        let is_key = *format == Format::Hsds && each.is_none() && keys.within.is_none() && keys.trust != Trust::Never;
        self.known_key(Some(id).filter(|_| is_key))
    }

    fn is_trusted(&self, key: &str) -> bool {
        if self.mapping.format == Format::Records || self.mapping.keys.trust == Trust::Always {
            return true;
        }
        let id = key.rsplit(['/', ':']).next().unwrap_or(key);
        let is_once = || self.census.as_ref().is_none_or(|census| census.ids.get(key).is_none_or(|times| *times == 1));
        uuid::Uuid::try_parse(id).is_ok() || is_once()
    }

    fn weigh_points(&self, draft: &mut Draft) {
        for place in &mut draft.service.places {
            let (Some(point), None) = (place.point, place.point_precision) else { continue };
            let shared = self.census.as_ref().and_then(|census| census.points.get(&cell(point))).map_or(1, HashSet::len);
            let rules = self.mapping.precision.iter().filter(|rule| rule.shared_by.is_none_or(|least| shared >= least as usize));
            place.point_precision = rules.max_by_key(|rule| rule.shared_by).map(|rule| rule.is);
        }
    }

    /// A service in the form of the API: taken as it is, or refused with its faults.
    fn ours(&mut self, value: Value, position: u64) -> Outcome {
        let key = key_of_ours(&value, &self.mapping.source).map(|key| keys::fitted(&key));
        let whole = schema::whole::<ServiceInput>(value).and_then(|service| schema::measured(&service).map(|()| service));
        let mut service = match whole {
            Ok(service) => service,
            Err(reasons) => return Outcome::Refused(Refused { key, position, of: Of::Records, reasons }),
        };
        let Some(key) = key else {
            return refused(None, position, Notice::new("key_missing", "/identifiers", "the service has no identifier"));
        };
        if let Some(first) = self.seen.get(&key).and_then(|seen| seen.first) {
            let notice = Notice::new("duplicate_key", "/identifiers", format!("record {first} has the same key"));
            return refused(Some(key), position, notice);
        }
        keys::mark(&mut service, &self.mapping.source, &key);
        let fingerprint = keys::fingerprint(&serde_json::to_value(&service).unwrap_or_default(), None, &[], None);
        let seen = Seen { first: Some(position), said: HashMap::from([(fingerprint.clone(), position)]) };
        self.seen.insert(key.clone(), seen);
        let (rooms, notices) = (Vec::new(), Vec::new());
        Outcome::Parsed(Box::new(Parsed { key, position, service, provider: None, capacity: None, rooms, fingerprint, notices }))
    }
}

/// What belongs to no record, in the form of the standard; none where it says nothing.
fn kept(kind: SourceRowKind, row: Option<(String, Value)>) -> Option<Outcome> {
    row.map(|(key, content)| Outcome::Kept(Kept { kind, key: keys::fitted(&key), content }))
}

/// The members of a row; none where it is none.
fn fields_of(value: Value) -> Map<String, Value> {
    if let Value::Object(fields) = value { fields } else { Map::new() }
}

/// What is told of rows that belong to nothing.
fn left_out(value: &Value) -> Option<Outcome> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    Some(Outcome::Noted(Notice::new("row_left_out", text("table")?, text("told")?)))
}

fn refused(key: Option<String>, position: u64, reason: Notice) -> Outcome {
    Outcome::Refused(Refused { key, position, of: Of::Records, reasons: vec![reason] })
}

/// HSDS objects have an id; services in the form of the API have identifiers.
fn is_ours(value: &Value) -> bool {
    value.get("id").is_none() && value.get("identifiers").is_some_and(Value::is_array)
}

fn key_of_ours(value: &Value, source: &str) -> Option<String> {
    let identifiers = value.get("identifiers")?.as_array()?;
    let of = |identifier: &Value, name: &str| identifier.get(name).and_then(Value::as_str).map(str::to_owned);
    let own = identifiers.iter().find(|identifier| of(identifier, "system").as_deref() == Some(source));
    own.or_else(|| identifiers.first()).and_then(|identifier| of(identifier, "value"))
}

/// The point to about a metre.
#[expect(clippy::cast_possible_truncation, reason = "degrees times 100,000 fit")]
fn cell(point: Point) -> (i64, i64) {
    ((point.latitude * 1e5).round() as i64, (point.longitude * 1e5).round() as i64)
}

/// What tells one address at a point from another: the street, else the name of the service.
fn standing(place: &Place, name: &str) -> u64 {
    let line = place.address.as_ref().and_then(|address| address.line1.as_deref()).unwrap_or(name);
    let mut hasher = DefaultHasher::new();
    fold(line).hash(&mut hasher);
    hasher.finish()
}
