//! Searching the directory: conditions narrow, words and nearness rank, ties go by id, so that the same question has the same answer.

mod facets;
mod query;
mod shortlist;
mod words;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use geo::Contains;
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};

pub use self::facets::{FacetCount, ServiceFacets};
use self::query::{Parsed, Today};
pub use self::query::{ServiceQuery, ServiceSort};
pub use self::shortlist::{Listed, Shortlist, Wish};
pub use self::words::Scale;
use self::words::{SoughtText, TextHit};
use super::index::{DirectoryIndex, Entry, Flag, LabelKind, Slot, need_fit};
use super::model::{AREA_SLACK_M, Basis, DomainStrength, ServiceStatus};
use super::schedule::Timetable;

use crate::db::types::Instant;
use crate::error::Fault;
use crate::kind::ServiceId;
use crate::text::fold;
use crate::types::Point;
use crate::{languages, postal_codes};

/// A service that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The service.
    pub id: ServiceId,
    /// How good an answer it is, in ten-thousandths.
    pub score: u32,
    /// How well its words answer the words of the question, from 0 to 1; 0 without words.
    pub text_fit: f32,
    /// Metres to the nearest place, where one is known.
    pub distance_m: Option<u32>,
    /// The number of the place, from 0, that is nearest or in the rectangle.
    pub place: Option<u16>,
    /// The words or phrases of the question that it holds, folded.
    pub terms: Vec<String>,
}

/// A page of an answer.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// The services, best first.
    pub hits: Vec<Hit>,
    /// Where the next page begins, where there is one.
    pub next: Option<After>,
    /// Counts over all pages, where they were asked for.
    pub facets: Option<ServiceFacets>,
}

/// The last service of a page, and what is needed to order the next one alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    key: Key<'static>,
    id: ServiceId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scale: Option<Scale>,
}

/// What a service is ordered by before its id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Key<'a> {
    /// Ten-thousandths that its score lacks.
    Lack(u32),
    /// Metres; the greatest number where there is no distance.
    Distance(u32),
    /// The folded name.
    Name(Cow<'a, str>),
}

/// A full score.
const FULL: f32 = 10_000.0;

/// How much each part of a score weighs. Parts that were not asked for do not count.
mod weight {
    pub(super) const TEXT: f32 = 0.6;
    pub(super) const NEED: f32 = 0.2;
    pub(super) const NEARNESS: f32 = 0.15;
    pub(super) const ROOM: f32 = 0.05;
}

/// A service a few streets away counts nearly full, one at this distance half.
const HALF_NEAR_M: f64 = 5_000.0;
/// What counts for nearness where there is no distance.
const NEARNESS_UNKNOWN: f32 = 0.4;

#[derive(Debug, Clone, Copy)]
struct Candidate {
    slot: Slot,
    score: u32,
    text: Option<TextHit>,
    distance_m: Option<u32>,
    place: Option<u16>,
}

impl DirectoryIndex {
    /// Answers a question as of `now`.
    ///
    /// # Errors
    /// What is wrong with the question; pointers are the names of its members.
    pub fn search(&self, query: &ServiceQuery, after: Option<&After>, limit: usize, now: Instant) -> Result<Found, Vec<Fault>> {
        let parsed = query.parse()?;
        Ok(Search { index: self, query, parsed, today: now.into() }.run(after, limit))
    }

    /// All services whose texts answer to words, the best first; none where there are no words.
    pub fn matching(&self, words: &str) -> Option<Vec<ServiceId>> {
        let is_text = words.chars().any(char::is_alphanumeric);
        is_text.then(|| {
            let (hits, _) = SoughtText::new(self, words).find(self, None, None);
            let mut found: Vec<(u32, ServiceId)> =
                hits.into_iter().filter_map(|hit| Some(((FULL - hit.fit * FULL).round() as u32, self.get(hit.slot)?.id))).collect();
            found.sort_unstable();
            found.into_iter().map(|(_, id)| id).collect()
        })
    }

    /// A service in a city or for it; `None` where the directory does not name the city.
    pub fn in_city(&self, city: &str) -> Option<ServiceId> {
        let slot = self.labels().services(LabelKind::City, &fold(city))?.min()?;
        Some(self.get(slot)?.id)
    }
}

/// One question at one index.
struct Search<'a> {
    index: &'a DirectoryIndex,
    query: &'a ServiceQuery,
    parsed: Parsed,
    today: Today,
}

impl<'a> Search<'a> {
    fn run(&self, after: Option<&After>, limit: usize) -> Found {
        let text =
            self.query.q.as_deref().filter(|text| text.chars().any(char::is_alphanumeric)).map(|text| SoughtText::new(self.index, text));
        let within = self.within();
        let scale = after.and_then(|after| after.scale.as_ref());
        let (found, scale) = match &text {
            Some(text) => {
                let (hits, scale) = text.find(self.index, Some(&within), scale);
                (self.judge(hits.into_iter().map(|hit| (hit.slot, Some(hit)))), Some(scale))
            }
            None => (self.judge(within.iter().map(|slot| (slot, None))), None),
        };
        let facets = (self.query.facets == Some(true))
            .then(|| ServiceFacets::count(self.index, found.iter().filter_map(|c| self.index.get(c.slot))));
        let (page, is_last) = self.page(found, after, limit);
        let next = page.last().filter(|_| !is_last).and_then(|last| {
            let entry = self.index.get(last.slot)?;
            Some(After { key: self.key(last, entry).into_owned(), id: entry.id, scale })
        });
        let hits = page.iter().filter_map(|candidate| self.hit(candidate, text.as_ref())).collect();
        Found { hits, next, facets }
    }

    /// The services that carry any of the labels that are asked for, a set for each condition.
    fn labelled(&self) -> Vec<Cow<'a, RoaringBitmap>> {
        let (query, labels) = (self.query, self.index.labels());
        let mut sets: Vec<Cow<'a, RoaringBitmap>> = Vec::new();
        let mut any = |kind: LabelKind, values: &mut dyn Iterator<Item = Cow<'_, str>>| {
            let mut found = values.map(|value| labels.services(kind, &value)).peekable();
            if found.peek().is_some() {
                let all = found.flatten().map(Cow::Borrowed).reduce(|all, set| Cow::Owned(&*all | &*set));
                sets.push(all.unwrap_or_default());
            }
        };
        let of = |values: &'a [String]| values.iter().map(|value| Cow::Borrowed(value.as_str()));
        any(LabelKind::Need, &mut of(&query.need));
        let spoken = query.with_interpreter == Some(false);
        let language = if spoken { LabelKind::LanguageSpoken } else { LabelKind::Language };
        any(language, &mut query.language.iter().map(|tag| languages::code(tag)));
        any(LabelKind::Mode, &mut query.mode.iter().map(|mode| mode.as_str().into()));
        any(LabelKind::Cost, &mut query.cost.iter().map(|kind| kind.as_str().into()));
        any(LabelKind::Population, &mut of(&query.population));
        any(LabelKind::Culture, &mut of(&query.culture));
        any(LabelKind::Capacity, &mut query.capacity.iter().map(|status| status.as_str().into()));
        any(LabelKind::Provider, &mut query.provider_id.iter().map(|id| id.to_string().into()));
        any(LabelKind::Keeper, &mut query.organization_id.iter().map(|id| id.to_string().into()));
        any(LabelKind::Kind, &mut query.kind.iter().map(|kind| kind.as_str().into()));
        any(LabelKind::Term, &mut of(&query.taxonomy_term));
        any(LabelKind::City, &mut query.city.iter().map(|city| fold(city).into()));
        for value in &query.dietary {
            any(LabelKind::Dietary, &mut std::iter::once(value.as_str().into()));
        }
        for value in &query.accessibility {
            any(LabelKind::Accessibility, &mut std::iter::once(value.as_str().into()));
        }
        for value in &query.practice {
            any(LabelKind::Practice, &mut std::iter::once(value.as_str().into()));
        }
        let statuses: &[ServiceStatus] =
            if query.status.is_empty() { &[ServiceStatus::Active, ServiceStatus::TemporarilyClosed] } else { &query.status };
        any(LabelKind::Status, &mut statuses.iter().map(|status| status.as_str().into()));
        let mut known = |asked: Option<bool>, yes: Flag, no: Flag| {
            if let Some(asked) = asked {
                any(LabelKind::Flag, &mut std::iter::once(if asked { yes } else { no }.as_str().into()));
            }
        };
        known(query.free, Flag::Free, Flag::NotFree);
        known(query.evenings, Flag::Evenings, Flag::NotEvenings);
        known(query.weekends, Flag::Weekends, Flag::NotWeekends);
        if query.accepting == Some(true) {
            any(LabelKind::Flag, &mut std::iter::once(Flag::Accepting.as_str().into()));
        }
        sets
    }

    /// The services that meet the conditions which sets can answer. Those on places are still to be looked at closely.
    fn within(&self) -> RoaringBitmap {
        let (query, labels, live) = (self.query, self.index.labels(), self.index.live());
        let mut sets = self.labelled();
        let empty = RoaringBitmap::new();
        let flagged = |flag| labels.flagged(flag).unwrap_or(&empty);
        if query.accepting == Some(false) {
            sets.push(Cow::Owned(live - flagged(Flag::Accepting)));
        }
        if let Some(code) = query.postal_code.as_deref().map(postal_codes::compact) {
            let prefixes = code.char_indices().map(|(end, letter)| &code[..end + letter.len_utf8()]);
            let covering = prefixes.filter_map(|prefix| labels.services(LabelKind::PostalPrefix, prefix));
            let covered = covering.fold(RoaringBitmap::new(), |all, set| all | set);
            sets.push(Cow::Owned(live - (flagged(Flag::PostalAreasOnly) - covered)));
        }
        if let Some((centre, radius_m)) = self.parsed.near {
            let around = self.index.around(centre, radius_m);
            sets.push(Cow::Owned(if query.located == Some(true) { around } else { around | flagged(Flag::Anywhere) }));
        }
        if let Some(bounds) = &self.parsed.bounds {
            sets.push(Cow::Owned(self.index.inside(bounds)));
        }
        if let Some(identifiers) = &self.parsed.identifiers {
            let known = identifiers.iter().map(|identifier| self.index.identified(identifier));
            sets.push(Cow::Owned(known.fold(RoaringBitmap::new(), |all, set| all | set)));
        }
        sets.sort_by_key(|set| set.len());
        let mut sets = sets.into_iter();
        let least = sets.next().map_or_else(|| live.clone(), Cow::into_owned);
        sets.fold(least, |all, set| all & &*set)
    }

    /// The services that meet the rest of the conditions, with their scores.
    fn judge(&self, services: impl Iterator<Item = (Slot, Option<TextHit>)>) -> Vec<Candidate> {
        let mut open: HashMap<*const Timetable, bool> = HashMap::new();
        let need_fits = self.need_fits();
        services
            .filter_map(|(slot, text)| {
                let entry = self.index.get(slot)?;
                if !self.keeps(entry, &mut open) {
                    return None;
                }
                let (distance, place) = self.place(entry)?;
                let need_fit = need_fits.iter().find(|(services, _)| services.contains(slot)).map_or(0.0, |(_, fit)| *fit);
                let score = self.score(entry, text.map(|hit| hit.fit), need_fit, distance);
                let distance_m = distance.map(|metres| metres.round() as u32);
                Some(Candidate { slot, score, text, distance_m, place })
            })
            .collect()
    }

    /// The services that answer a need asked for, the best fit first.
    fn need_fits(&self) -> Vec<(&'a RoaringBitmap, f32)> {
        let grades = [
            (DomainStrength::Direct, Basis::Stated, 1.0),
            (DomainStrength::Direct, Basis::Inferred, 0.8),
            (DomainStrength::Partial, Basis::Stated, 0.6),
            (DomainStrength::Partial, Basis::Inferred, 0.45),
        ];
        let grade = |(strength, basis, fit)| {
            let labels = self.query.need.iter().map(move |code| need_fit(code, strength, basis));
            labels.filter_map(move |label| Some((self.index.labels().services(LabelKind::NeedFit, &label)?, fit)))
        };
        grades.into_iter().flat_map(grade).collect()
    }

    fn keeps(&self, entry: &Entry, open: &mut HashMap<*const Timetable, bool>) -> bool {
        let query = self.query;
        let takes_age = query.age.is_none_or(|age| {
            entry.min_age.is_none_or(|least| least <= age.into()) && entry.max_age.is_none_or(|most| i16::from(age) <= most)
        });
        takes_age
            && query.stale.is_none_or(|stale| stale == entry.is_stale(self.today.0))
            && query.capacity_stale.is_none_or(|stale| stale == entry.has_stale_capacity(self.today.0))
            && query.updated_since.is_none_or(|since| entry.updated_at >= since)
            && query.transit_max_walk_m.is_none_or(|most| entry.walk_m.is_some_and(|walk| walk <= most))
            && query.max_cost_minor.is_none_or(|most| self.is_affordable(entry, most))
            && query.open_at.is_none_or(|moment| {
                let mut is_open =
                    |table: &Arc<Timetable>| *open.entry(Arc::as_ptr(table)).or_insert_with(|| table.is_open_at(moment.utc()));
                entry.timetables.iter().any(&mut is_open)
            })
    }

    fn is_affordable(&self, entry: &Entry, most: i64) -> bool {
        entry.is_free_or_by_income || entry.prices.iter().any(|(currency, least)| *currency == self.parsed.currency && *least <= most)
    }

    /// The place that answers the question, with its distance; none where the service lies elsewhere.
    fn place(&self, entry: &Entry) -> Option<(Option<f64>, Option<u16>)> {
        let mut found = (None, None);
        if let Some((centre, radius_m)) = self.parsed.near {
            match entry.nearest(centre) {
                Some((distance, place)) if distance <= radius_m => found = (Some(distance), Some(place)),
                _ if self.query.located == Some(true) => return None,
                _ if !self.may_reach(entry, centre, radius_m) => return None,
                _ => {}
            }
        } else if self.query.located == Some(true) && entry.spots.iter().all(|spot| spot.is_area) {
            return None;
        }
        if let Some(bounds) = &self.parsed.bounds {
            let inside = entry.spots.iter().find(|spot| !spot.is_area && bounds.contains(spot.point))?;
            found.1 = found.1.or(Some(inside.place));
        }
        Some(found)
    }

    /// Whether a service without a place in the circle may serve the people there.
    fn may_reach(&self, entry: &Entry, centre: Point, radius_m: f64) -> bool {
        let is_in_area = || entry.polygons.iter().any(|area| area.contains(&geo::Point::new(centre.longitude, centre.latitude)));
        if entry.has_only_polygons && !is_in_area() {
            return false;
        }
        let areas = entry.spots.iter().filter(|spot| spot.is_area);
        entry.is_anywhere
            || areas.map(|spot| super::index::distance_m(centre, spot.point)).any(|distance| distance <= radius_m + AREA_SLACK_M)
    }

    fn score(&self, entry: &Entry, text_fit: Option<f32>, need_fit: f32, distance: Option<f64>) -> u32 {
        let nearness = distance.map_or(NEARNESS_UNKNOWN, |metres| (1.0 / (1.0 + metres / HALF_NEAR_M)) as f32);
        let parts = [
            (weight::TEXT, text_fit),
            (weight::NEED, (!self.query.need.is_empty()).then_some(need_fit)),
            (weight::NEARNESS, self.parsed.near.map(|_| nearness)),
            (weight::ROOM, Some(f32::from(entry.room_on(self.today.0)) / 100.0)),
        ];
        let asked = parts.into_iter().filter_map(|(weight, part)| Some((weight, part?)));
        let (weights, sum) = asked.fold((0.0, 0.0), |(weights, sum), (weight, part)| (weights + weight, part.mul_add(weight, sum)));
        (sum / weights * FULL).round() as u32
    }

    /// The services of the page that follows `after`, and whether it is the last.
    fn page(&self, mut found: Vec<Candidate>, after: Option<&After>, limit: usize) -> (Vec<Candidate>, bool) {
        let order = |a: &Candidate, b: &Candidate| match (self.index.get(a.slot), self.index.get(b.slot)) {
            (Some(first), Some(second)) => self.key(a, first).cmp(&self.key(b, second)).then(first.id.cmp(&second.id)),
            _ => Ordering::Equal,
        };
        if let Some(after) = after {
            found.retain(|candidate| {
                self.index
                    .get(candidate.slot)
                    .is_some_and(|entry| (self.key(candidate, entry), entry.id) > (after.key.borrowed(), after.id))
            });
        }
        let is_last = found.len() <= limit;
        if !is_last {
            found.select_nth_unstable_by(limit, order);
            found.truncate(limit);
        }
        found.sort_unstable_by(order);
        (found, is_last)
    }

    fn key<'e>(&self, candidate: &Candidate, entry: &'e Entry) -> Key<'e> {
        match self.query.order() {
            ServiceSort::Relevance => Key::Lack(FULL as u32 - candidate.score.min(FULL as u32)),
            ServiceSort::Distance => Key::Distance(candidate.distance_m.unwrap_or(u32::MAX)),
            ServiceSort::Name => Key::Name(Cow::Borrowed(&entry.name_key)),
        }
    }

    fn hit(&self, candidate: &Candidate, text: Option<&SoughtText>) -> Option<Hit> {
        Some(Hit {
            id: self.index.get(candidate.slot)?.id,
            score: candidate.score,
            text_fit: candidate.text.map_or(0.0, |hit| hit.fit),
            distance_m: candidate.distance_m,
            place: candidate.place,
            terms: text.zip(candidate.text).map(|(text, hit)| text.held_by(hit)).unwrap_or_default(),
        })
    }
}

impl Key<'_> {
    fn borrowed(&self) -> Key<'_> {
        match self {
            Self::Lack(lack) => Key::Lack(*lack),
            Self::Distance(metres) => Key::Distance(*metres),
            Self::Name(name) => Key::Name(Cow::Borrowed(name)),
        }
    }

    fn into_owned(self) -> Key<'static> {
        match self {
            Self::Lack(lack) => Key::Lack(lack),
            Self::Distance(metres) => Key::Distance(metres),
            Self::Name(name) => Key::Name(Cow::Owned(name.into_owned())),
        }
    }
}

#[cfg(test)]
mod tests;
