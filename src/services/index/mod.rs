//! All services in memory, in the form that a search asks for: words, labels, points and the few numbers that are compared.
//!
//! Both databases then give the same answer in the same order, and a search costs no query. What a service says at length stays in the
//! database; the index holds some 500 bytes for each.

mod facts;
mod grid;
mod labels;
mod vocabulary;

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use chrono::NaiveDate;
use roaring::RoaringBitmap;

use self::facts::Facts;
pub(super) use self::facts::need_fit;
use self::grid::Grid;
pub use self::grid::{Bounds, distance_m};
pub(super) use self::labels::{Flag, LabelId, LabelKind, Labels};
pub(super) use self::vocabulary::{Posting, Slot, Vocabulary, WordId};
use super::duplicates::traits::{Trait, traits};
use super::model::{AREA_SLACK_M, CapacityStatus, PointPrecision, ServiceInput, ServiceStatus};
use super::schedule::Timetable;
use crate::db::types::Instant;
use crate::kind::{OrganizationId, ServiceId};
use crate::types::{Identifier, Point};

/// A service as the index takes it.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Its id.
    pub id: ServiceId,
    /// The organization that keeps the record.
    pub keeper: OrganizationId,
    /// The version of the record.
    pub version: i64,
    /// When it was last changed.
    pub updated_at: Instant,
    /// What the directory says of it.
    pub service: &'a ServiceInput,
    /// Whether it takes people now.
    pub capacity: CapacityStatus,
    /// The last day on which what was said of its room is believed.
    pub capacity_fresh_until: Option<NaiveDate>,
    /// Services that it looks like and is not.
    pub distinct_from: &'a [ServiceId],
}

/// The index of the directory.
#[derive(Debug, Default)]
pub struct DirectoryIndex {
    entries: Vec<Option<Entry>>,
    free: Vec<Slot>,
    slots: HashMap<ServiceId, Slot>,
    live: RoaringBitmap,
    vocabulary: Vocabulary,
    labels: Labels,
    /// Points from which a distance can be taken.
    points: Grid,
    /// Points that stand for an area.
    areas: Grid,
    identifiers: HashMap<u64, Vec<Slot>>,
    /// Services share most of their opening times with others.
    timetables: HashSet<Arc<Timetable>>,
}

/// What the index keeps of a service beside its words and labels.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: ServiceId,
    version: i64,
    /// Rising.
    words: Box<[WordId]>,
    labels: Box<[LabelId]>,
    pub(super) spots: Box<[Spot]>,
    /// The polygons of its service areas.
    pub(super) polygons: Box<[geo::Polygon]>,
    /// Whether it says of no other area that it serves it.
    pub(super) has_only_polygons: bool,
    pub(super) timetables: Box<[Arc<Timetable>]>,
    pub(super) min_age: Option<i16>,
    pub(super) max_age: Option<i16>,
    /// The lowest price in each currency.
    pub(super) prices: Box<[([u8; 3], i64)]>,
    /// True where it asks nothing, a gift, or a price by income.
    pub(super) is_free_or_by_income: bool,
    /// Whether it carries [`Flag::Anywhere`].
    pub(super) is_anywhere: bool,
    /// Whether one of its places says in which city it is.
    pub(super) has_city: bool,
    /// The shortest walk from a stop to one of its places.
    pub(super) walk_m: Option<i32>,
    /// The last day on which the record is not stale.
    pub(super) fresh_until: Option<NaiveDate>,
    /// How likely it takes a person now, in percent, by what was last said.
    pub(super) room: u8,
    /// The last day on which what was said of its room is believed.
    capacity_fresh_until: Option<NaiveDate>,
    pub(super) updated_at: Instant,
    /// The name, folded: what names are ordered by.
    pub(super) name_key: Box<str>,
    identifiers: Box<[u64]>,
    /// What it may have in common with a duplicate.
    pub(super) traits: Box<[Trait]>,
    /// Services that it looks like and is not.
    pub(super) distinct_from: Box<[ServiceId]>,
}

/// A service that is ready to be put into the index: what takes long was done, and nobody had to wait for it.
#[derive(Debug)]
pub struct Card {
    /// Without its words, labels and opening times, which are those of the index.
    entry: Entry,
    words: HashMap<String, u8>,
    labels: Vec<(LabelKind, String)>,
    timetables: Vec<Timetable>,
}

impl Card {
    /// Works out by what a service is found.
    pub fn of(record: &Record<'_>) -> Self {
        let service = record.service;
        let facts = Facts::of(record);
        let entry = Entry {
            id: record.id,
            version: record.version,
            words: Box::default(),
            labels: Box::default(),
            spots: facts.spots.into(),
            polygons: facts.polygons.into(),
            has_only_polygons: facts.has_only_polygons,
            timetables: Box::default(),
            min_age: service.eligibility.min_age.map(|age| age as i16),
            max_age: service.eligibility.max_age.map(|age| age as i16),
            prices: facts.prices.into(),
            is_free_or_by_income: facts.is_free_or_by_income,
            is_anywhere: facts.is_anywhere,
            has_city: facts.has_city,
            walk_m: facts.walk_m,
            fresh_until: service.verification.fresh_until(),
            room: room(record),
            capacity_fresh_until: record.capacity_fresh_until,
            updated_at: record.updated_at,
            name_key: facts.name_key.into(),
            identifiers: service.identifiers.iter().map(fingerprint).collect(),
            traits: traits(service),
            distinct_from: record.distinct_from.into(),
        };
        Self { entry, words: facts.words, labels: facts.labels, timetables: facts.timetables }
    }
}

/// A place's point.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot {
    pub(super) point: Point,
    /// Which of the service's places.
    pub(super) place: u16,
    pub(super) is_area: bool,
}

impl DirectoryIndex {
    /// Puts a service in, in the place of what was known of it. A full index (16 million) leaves it out.
    pub fn upsert(&mut self, card: Card) {
        let before = self.take_out(card.entry.id);
        self.put_in(card);
        self.forget(before);
    }

    /// Takes a service out.
    pub fn remove(&mut self, id: ServiceId) {
        let entry = self.take_out(id);
        self.forget(entry);
    }

    fn put_in(&mut self, card: Card) {
        let slot = self.free.pop().unwrap_or(self.entries.len() as Slot);
        if slot >= Posting::MOST_SLOTS {
            return;
        }
        let id = card.entry.id;
        let entry = self.file(slot, card);
        let slots = usize::max(self.entries.len(), slot as usize + 1);
        self.entries.resize_with(slots, || None);
        if let Some(place) = self.entries.get_mut(slot as usize) {
            *place = Some(entry);
        }
        self.slots.insert(id, slot);
        self.live.insert(slot);
    }

    fn take_out(&mut self, id: ServiceId) -> Option<Entry> {
        let slot = self.slots.remove(&id)?;
        let mut entry = self.entries.get_mut(slot as usize).and_then(Option::take)?;
        for word in &entry.words {
            self.vocabulary.remove(*word, slot);
        }
        for label in &entry.labels {
            self.labels.remove(*label, slot);
        }
        for spot in &entry.spots {
            if spot.is_area { &mut self.areas } else { &mut self.points }.remove(spot.point, slot);
        }
        for identifier in &entry.identifiers {
            if let Some(slots) = self.identifiers.get_mut(identifier) {
                slots.retain(|other| *other != slot);
                if slots.is_empty() {
                    self.identifiers.remove(identifier);
                }
            }
        }
        for table in std::mem::take(&mut entry.timetables) {
            // The set's own and this one: nobody else has these opening times.
            if Arc::strong_count(&table) == 2 {
                self.timetables.remove(&table);
            }
        }
        self.live.remove(slot);
        self.free.push(slot);
        Some(entry)
    }

    /// Forgets words and labels that were those of a service, or of what it said before, and of no other: whatever services have once said
    /// would be kept otherwise. Most of what is put in the place of something has the same words, so that this comes last.
    fn forget(&mut self, entry: Option<Entry>) {
        let Some(entry) = entry else { return };
        for word in &entry.words {
            self.vocabulary.forget(*word);
        }
        for label in &entry.labels {
            self.labels.forget(*label);
        }
    }

    /// How many services it holds.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The version of a service that it holds.
    pub fn version(&self, id: ServiceId) -> Option<i64> {
        Some(self.get(*self.slots.get(&id)?)?.version)
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Entry> {
        self.entries.get(slot as usize)?.as_ref()
    }

    pub(super) const fn live(&self) -> &RoaringBitmap {
        &self.live
    }

    pub(super) const fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    pub(super) const fn labels(&self) -> &Labels {
        &self.labels
    }

    /// The services that may have a point within so many metres.
    pub(super) fn around(&self, centre: Point, radius_m: f64) -> RoaringBitmap {
        self.points.within(&Bounds::around(centre, radius_m)) | self.areas.within(&Bounds::around(centre, radius_m + AREA_SLACK_M))
    }

    /// The services that may have a point in the rectangle.
    pub(super) fn inside(&self, bounds: &Bounds) -> RoaringBitmap {
        self.points.within(bounds)
    }

    /// The services with this key, from whatever organization.
    pub(super) fn identified(&self, identifier: &Identifier) -> RoaringBitmap {
        self.identifiers.get(&fingerprint(identifier)).into_iter().flatten().copied().collect()
    }

    /// Makes a service known under all by which it is found.
    fn file(&mut self, slot: Slot, Card { mut entry, words, labels, timetables }: Card) -> Entry {
        let word = |(word, weight): (String, u8)| {
            let id = self.vocabulary.intern(&word);
            self.vocabulary.add(id, slot, weight);
            id
        };
        let mut words: Vec<WordId> = words.into_iter().map(word).collect();
        words.sort_unstable();
        let mut labels: Vec<LabelId> = labels.iter().map(|(kind, value)| self.labels.add(*kind, value, slot)).collect();
        labels.sort_unstable();
        labels.dedup();
        for spot in &entry.spots {
            if spot.is_area { &mut self.areas } else { &mut self.points }.add(spot.point, slot);
        }
        for identifier in &entry.identifiers {
            self.identifiers.entry(*identifier).or_default().push(slot);
        }
        entry.words = words.into();
        entry.labels = labels.into();
        entry.timetables = timetables.into_iter().map(|table| self.share(table)).collect();
        entry
    }

    fn share(&mut self, table: Timetable) -> Arc<Timetable> {
        if let Some(known) = self.timetables.get(&table) {
            return Arc::clone(known);
        }
        let table = Arc::new(table);
        self.timetables.insert(Arc::clone(&table));
        table
    }
}

impl Entry {
    /// The labels it carries.
    pub(super) fn labels(&self) -> impl Iterator<Item = LabelId> + '_ {
        self.labels.iter().copied()
    }

    /// Whether it was not checked for too long, or never.
    pub(super) fn is_stale(&self, today: NaiveDate) -> bool {
        self.fresh_until.is_none_or(|until| until < today)
    }

    /// Whether what was last said of its room is too old to be believed; not where nobody has said anything.
    pub(super) fn has_stale_capacity(&self, today: NaiveDate) -> bool {
        self.capacity_fresh_until.is_some_and(|until| until < today)
    }

    /// How likely it takes a person on a day, in percent: an old word counts half, halfway to what is taken where nobody has said.
    pub(super) fn room_on(&self, today: NaiveDate) -> u8 {
        if self.room > 0 && self.has_stale_capacity(today) { self.room.midpoint(ROOM_UNKNOWN) } else { self.room }
    }

    /// Its nearest point from which a distance can be taken, with the distance in metres.
    pub(super) fn nearest(&self, from: Point) -> Option<(f64, u16)> {
        let spots = self.spots.iter().filter(|spot| !spot.is_area);
        spots.map(|spot| (distance_m(from, spot.point), spot.place)).min_by(|a, b| a.0.total_cmp(&b.0))
    }
}

/// How likely a service of whose room nobody has said anything takes a person, in percent.
const ROOM_UNKNOWN: u8 = 60;

fn room(record: &Record<'_>) -> u8 {
    match (record.service.status, record.capacity) {
        (ServiceStatus::Active, CapacityStatus::Open) => 100,
        (ServiceStatus::Active, CapacityStatus::Unknown) => ROOM_UNKNOWN,
        (ServiceStatus::Active, CapacityStatus::Waitlist) => 50,
        (ServiceStatus::Active, CapacityStatus::Full) => 20,
        _ => 0,
    }
}

fn fingerprint(identifier: &Identifier) -> u64 {
    // Without a random key: equal in all processes, and no table of the program is keyed by it alone.
    let mut hasher = DefaultHasher::new();
    identifier.hash(&mut hasher);
    hasher.finish()
}

fn is_area(precision: Option<PointPrecision>) -> bool {
    precision == Some(PointPrecision::Area)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn put(index: &mut DirectoryIndex, id: ServiceId, service: serde_json::Value) {
        let service: ServiceInput = serde_json::from_value(service).unwrap();
        let updated_at = "2026-01-01T00:00:00Z".parse().unwrap();
        let keeper = OrganizationId::from_uuid(uuid::Uuid::nil());
        index.upsert(Card::of(&Record {
            id,
            keeper,
            version: 1,
            updated_at,
            service: &service,
            capacity: CapacityStatus::Unknown,
            capacity_fresh_until: None,
            distinct_from: &[],
        }));
    }

    #[test]
    fn what_is_removed_leaves_nothing_behind_and_its_slot_is_used_again() {
        let mut index = DirectoryIndex::default();
        let [a, b] = [1, 2].map(|n| ServiceId::from_uuid(uuid::Uuid::from_u128(n)));
        let place = json!({"point": {"latitude": 49.9, "longitude": -119.5}, "address": {"city": "Kelowna"}});
        let schedule = json!({"rrule": "FREQ=DAILY", "opens_at": "09:00", "closes_at": "17:00", "time_zone": "America/Vancouver"});
        let identifiers = json!([{"system": "s", "value": "1"}]);
        put(&mut index, a, json!({"name": "Pantry", "places": [place], "schedules": [schedule], "identifiers": identifiers}));
        let everything = |index: &DirectoryIndex| {
            let point = Point { latitude: 49.9, longitude: -119.5 };
            let key = Identifier { system: "s".into(), value: "1".into() };
            let city = index.labels().services(LabelKind::City, "kelowna").map_or(0, RoaringBitmap::len);
            (index.len(), index.vocabulary().find("pantry").is_some(), index.around(point, 10.0).len(), index.identified(&key).len(), city)
        };
        assert_eq!(everything(&index), (1, true, 1, 1, 1));
        index.remove(a);
        assert_eq!(everything(&index), (0, false, 0, 0, 0));
        assert!(index.timetables.is_empty());
        put(&mut index, b, json!({"name": "Library"}));
        assert_eq!((index.len(), index.entries.len()), (1, 1));
        put(&mut index, b, json!({"name": "Museum"}));
        assert_eq!((index.len(), index.entries.len()), (1, 1));
        assert!(index.vocabulary().find("library").is_none());
    }

    #[test]
    fn words_and_labels_that_no_service_has_any_more_are_forgotten() {
        let mut index = DirectoryIndex::default();
        let [a, b] = [1, 2].map(|n| ServiceId::from_uuid(uuid::Uuid::from_u128(n)));
        let said =
            |number: usize| json!({"name": format!("Pantry w{number} x{number}"), "attributes": {"dietary": [format!("y{number}")]}});
        let size = |index: &DirectoryIndex| (index.vocabulary.len(), index.labels.len());
        put(&mut index, a, json!({"name": "Pantry"}));
        put(&mut index, b, json!({"name": "Pantry", "service_areas": [{"kind": "city", "value": "Kelowna"}]}));
        let before = size(&index);
        for number in 0..20 {
            put(&mut index, b, said(number));
        }
        // What is said now beside what was said last.
        assert!(size(&index).0 <= before.0 + 6 && size(&index).1 <= before.1 + 2, "{:?} after {before:?}", size(&index));
        let found = |index: &DirectoryIndex, word: &str| index.vocabulary().find(word).is_some();
        assert!(found(&index, "w19") && found(&index, "pantry") && !found(&index, "w18"));
        assert!(index.labels().services(LabelKind::City, "kelowna").is_none());
        index.remove(b);
        assert!(found(&index, "pantry") && !found(&index, "w19"));
    }

    #[test]
    fn of_a_service_of_very_many_words_those_that_say_most_are_known() {
        let mut index = DirectoryIndex::default();
        let id = ServiceId::from_uuid(uuid::Uuid::from_u128(1));
        let places: Vec<_> = (0..120)
            .map(|place| {
                let words: Vec<String> = (0..50).map(|word| format!("p{}", place * 50 + word)).collect();
                json!({"name": words.join(" ")})
            })
            .collect();
        put(&mut index, id, json!({"name": "Pantry zebra", "places": places}));
        assert_eq!(index.vocabulary.len(), facts::MOST_WORDS);
        assert!(index.vocabulary().find("zebra").is_some());
    }
}
