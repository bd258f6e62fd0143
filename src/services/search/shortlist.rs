//! The shortlist for matching: of the whole directory, the services worth reading in full, by what the index knows alone.
//!
//! It is generous: what may suit is on it, and so is, at its end, what would suit but for a rule, so that matching can say why it was
//! left out. Matching judges; this only saves it from reading ten thousand records.

use std::collections::HashMap;

use roaring::RoaringBitmap;

use super::words::SoughtText;
use crate::kind::ServiceId;
use crate::services::index::{DirectoryIndex, Entry, Flag, LabelKind, Slot, need_fit};
use crate::services::model::{Basis, DomainStrength, ServiceKind, ServiceStatus};
use crate::types::Point;
use crate::{languages, postal_codes};

/// Link worker programs on a shortlist.
const MOST_PROGRAMS: usize = 20;

/// How much each part of a first judgement weighs.
mod weight {
    pub(super) const NEED: f64 = 0.45;
    pub(super) const NEARNESS: f64 = 0.2;
    pub(super) const TEXT: f64 = 0.15;
    pub(super) const LANGUAGE: f64 = 0.1;
    pub(super) const ROOM: f64 = 0.05;
    pub(super) const ACTIVITY: f64 = 0.05;
    /// For each rule that seems to stand against it. More than all others together: it goes to the end.
    pub(super) const AGAINST: f64 = -1.0;
}

/// What is sought, as far as the index can tell.
#[derive(Debug, Clone, Default)]
pub struct Wish<'a> {
    /// Need domains, with how much each weighs.
    pub needs: Vec<(&'a str, f64)>,
    /// What the person has said.
    pub words: &'a str,
    /// A service that answers no need is listed from this fit of the words on.
    pub words_suffice_from: f64,
    /// What the person likes to do.
    pub activities: &'a [String],
    /// Populations they belong to; asked for where nothing else is.
    pub populations: &'a [String],
    /// Languages they speak.
    pub languages: &'a [String],
    /// The least and the most that their age can be.
    pub ages: Option<(i32, i32)>,
    /// Where they are.
    pub from: Option<Point>,
    /// Kilometres that count half.
    pub range_km: f64,
    /// Kilometres beyond which nothing is any use.
    pub max_km: Option<f64>,
    /// Their postal code, as far as it is known.
    pub postal_code: Option<&'a str>,
}

/// A service worth reading in full.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Listed {
    /// The service.
    pub id: ServiceId,
    /// How well its texts fit the words, 0 to 1.
    pub text_fit: f64,
    /// Which of the wish's needs it answers: bit n stands for the nth, up to 64.
    pub needs: u64,
    /// Whether a rule seems to stand against it; such are listed last.
    pub is_against_a_rule: bool,
}

/// The services worth reading in full.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shortlist {
    /// The likeliest first.
    pub services: Vec<Listed>,
    /// Link worker programs, the nearest first.
    pub programs: Vec<ServiceId>,
}

/// What speaks for a service so far.
#[derive(Debug, Clone, Copy, Default)]
struct Draft {
    need: f64,
    /// See [`Listed::needs`].
    needs: u64,
    text: f64,
    has_activity: bool,
}

impl DirectoryIndex {
    /// Draws up a shortlist of at most so many services. The same wish at the same directory gives the same list.
    pub fn shortlist(&self, wish: &Wish<'_>, most: usize) -> Shortlist {
        let judge = Judge::new(self, wish);
        let drafts = judge.drafts();
        let (mut services, mut programs) = (Vec::new(), Vec::new());
        for (slot, draft) in drafts {
            if let Some(entry) = self.get(slot).filter(|_| !judge.programs.contains(slot)) {
                let (score, is_against_a_rule) = judge.score(slot, entry, draft);
                services.push((score, Listed { id: entry.id, text_fit: draft.text, needs: draft.needs, is_against_a_rule }));
            }
        }
        for (slot, entry) in judge.programs.iter().filter_map(|slot| Some((slot, self.get(slot)?))) {
            programs.push((judge.score(slot, entry, Draft::default()).0, entry.id));
        }
        services.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.id.cmp(&b.1.id)));
        programs.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        Shortlist {
            services: services.into_iter().take(most).map(|(_, listed)| listed).collect(),
            programs: programs.into_iter().take(MOST_PROGRAMS).map(|(_, id)| id).collect(),
        }
    }
}

/// A wish at an index.
struct Judge<'a> {
    index: &'a DirectoryIndex,
    wish: &'a Wish<'a>,
    programs: RoaringBitmap,
    active: RoaringBitmap,
    speaking: RoaringBitmap,
    /// Those that serve some postal codes only, and not this one.
    elsewhere: RoaringBitmap,
}

impl<'a> Judge<'a> {
    fn new(index: &'a DirectoryIndex, wish: &'a Wish<'a>) -> Self {
        let labelled = |kind, value: &str| index.labels().services(kind, value).cloned().unwrap_or_default();
        let spoken = wish.languages.iter().map(|tag| labelled(LabelKind::Language, &languages::code(tag)));
        let elsewhere = wish.postal_code.map(postal_codes::compact).map(|code| {
            let prefixes = code.char_indices().filter_map(|(end, letter)| code.get(..end + letter.len_utf8()));
            let covering = prefixes.map(|prefix| labelled(LabelKind::PostalPrefix, prefix));
            index.labels().flagged(Flag::PostalAreasOnly).cloned().unwrap_or_default()
                - covering.fold(RoaringBitmap::new(), |all, set| all | set)
        });
        Self {
            index,
            wish,
            programs: labelled(LabelKind::Kind, ServiceKind::Program.as_str()),
            active: labelled(LabelKind::Status, ServiceStatus::Active.as_str()),
            speaking: spoken.fold(RoaringBitmap::new(), |all, set| all | set),
            elsewhere: elsewhere.unwrap_or_default(),
        }
    }

    /// Every service that has to do with the wish.
    fn drafts(&self) -> HashMap<Slot, Draft> {
        const GRADES: [(DomainStrength, Basis, f64); 4] = [
            (DomainStrength::Direct, Basis::Stated, 1.0),
            (DomainStrength::Direct, Basis::Inferred, 0.8),
            (DomainStrength::Partial, Basis::Stated, 0.6),
            (DomainStrength::Partial, Basis::Inferred, 0.4),
        ];
        let wish = self.wish;
        let mut drafts: HashMap<Slot, Draft> = HashMap::new();
        let most = wish.needs.iter().map(|(_, weight)| *weight).fold(f64::MIN_POSITIVE, f64::max);
        for (index, (domain, weight)) in (0..).zip(&wish.needs) {
            for (strength, basis, fit) in GRADES {
                let answering = self.index.labels().services(LabelKind::NeedFit, &need_fit(domain, strength, basis));
                for slot in answering.into_iter().flatten() {
                    let draft = drafts.entry(slot).or_default();
                    draft.needs |= 1_u64.checked_shl(index).unwrap_or_default();
                    // Several needs are better than one, though not twice as good.
                    let fit = fit * weight / most;
                    draft.need = draft.need.max(fit) + 0.1 * draft.need.min(fit);
                }
            }
        }
        for activity in wish.activities {
            let (holders, _) = SoughtText::new(self.index, activity).find(self.index, None, None);
            for hit in holders {
                drafts.entry(hit.slot).or_default().has_activity = true;
            }
        }
        for hit in SoughtText::new(self.index, wish.words).find_any(self.index) {
            // Of many words the best service holds few: half of them is very good.
            let fit = f64::from(hit.fit).sqrt();
            if fit >= wish.words_suffice_from {
                drafts.entry(hit.slot).or_default().text = fit;
            } else if let Some(draft) = drafts.get_mut(&hit.slot) {
                draft.text = fit;
            }
        }
        let asks_nothing_else = wish.needs.is_empty() && wish.words.is_empty() && wish.activities.is_empty();
        if asks_nothing_else {
            let serving = wish.populations.iter().filter_map(|population| self.index.labels().services(LabelKind::Population, population));
            let serving = serving.fold(RoaringBitmap::new(), |all, set| all | set);
            let all = if wish.populations.is_empty() { self.index.live().clone() } else { serving };
            drafts.extend(all.into_iter().map(|slot| (slot, Draft::default())));
        }
        drafts
    }

    /// How likely it is, and whether a rule seems to stand against it.
    fn score(&self, slot: Slot, entry: &Entry, draft: Draft) -> (f64, bool) {
        let wish = self.wish;
        let distance_km = wish.from.and_then(|from| entry.nearest(from)).map(|(metres, _)| metres / 1_000.0);
        let ranges = distance_km.map(|km| km / wish.range_km.max(0.1));
        let nearness = ranges.map_or(0.4, |ranges| 1.0 / (1.0 + ranges * ranges));
        let age_fits = wish.ages.is_none_or(|(least, most)| {
            entry.min_age.is_none_or(|min| i32::from(min) <= most) && entry.max_age.is_none_or(|max| least <= i32::from(max))
        });
        let is_too_far = !entry.is_anywhere && wish.max_km.zip(distance_km).is_some_and(|(max, km)| km > max);
        let against = [!self.active.contains(slot), !age_fits, is_too_far, self.elsewhere.contains(slot)];
        let is = |yes: bool| f64::from(u8::from(yes));
        let score = weight::NEED * draft.need
            + weight::NEARNESS * nearness
            + weight::TEXT * draft.text
            + weight::LANGUAGE * is(self.speaking.contains(slot))
            + weight::ROOM * f64::from(entry.room) / 100.0
            + weight::ACTIVITY * is(draft.has_activity)
            + weight::AGAINST * against.into_iter().map(is).sum::<f64>();
        (score, against.contains(&true))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;
    use crate::kind::OrganizationId;
    use crate::services::index::{Card, Record};
    use crate::services::model::{CapacityStatus, ServiceInput};

    fn index(services: &[Value]) -> DirectoryIndex {
        let mut index = DirectoryIndex::default();
        for (service, number) in services.iter().zip(1..) {
            let service: ServiceInput = serde_json::from_value(service.clone()).unwrap();
            let (id, keeper) = (id(number), OrganizationId::from_uuid(Uuid::nil()));
            let updated_at = "2026-01-01T00:00:00Z".parse().unwrap();
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
        index
    }

    fn id(number: u128) -> ServiceId {
        ServiceId::from_uuid(Uuid::from_u128(number))
    }

    fn listed(index: &DirectoryIndex, wish: &Wish<'_>) -> Vec<u128> {
        index.shortlist(wish, 10).services.iter().map(|listed| listed.id.uuid().as_u128()).collect()
    }

    fn at(latitude: f64) -> Value {
        json!([{ "point": { "latitude": latitude, "longitude": -120.0 } }])
    }

    #[test]
    fn what_answers_a_need_is_listed_the_nearest_first_and_what_a_rule_is_against_last() {
        let food = json!([{ "code": "food-insecurity" }]);
        let index = index(&[
            json!({ "name": "Far pantry", "need_domains": food, "places": at(49.4) }),
            json!({ "name": "Closed pantry", "need_domains": food, "places": at(49.0), "status": "inactive" }),
            json!({ "name": "Near pantry", "need_domains": food, "places": at(49.01) }),
            json!({ "name": "Choir", "need_domains": [{ "code": "x-arts-culture" }] }),
            json!({ "name": "Connectors", "kind": "program", "need_domains": food }),
        ]);
        let wish = Wish {
            needs: vec![("food-insecurity", 1.0)],
            from: Some(Point { latitude: 49.0, longitude: -120.0 }),
            range_km: 10.0,
            ..Wish::default()
        };
        assert_eq!(listed(&index, &wish), [3, 1, 2]);
        assert_eq!(index.shortlist(&wish, 1).services.len(), 1);
        assert_eq!(index.shortlist(&wish, 1).programs, [id(5)]);
    }

    #[test]
    fn a_rule_is_against_who_is_at_none_of_the_ages_that_may_be_theirs() {
        let aged =
            |min: u8| json!({ "name": "Pantry", "need_domains": [{ "code": "food-insecurity" }], "eligibility": { "min_age": min } });
        let index = index(&[aged(66), aged(65)]);
        let wish = |ages| Wish { needs: vec![("food-insecurity", 1.0)], ages: Some(ages), ..Wish::default() };
        assert_eq!(listed(&index, &wish((65, 65))), [2, 1]);
        assert_eq!(listed(&index, &wish((64, 65))), [2, 1]);
        assert_eq!(listed(&index, &wish((65, 66))), [1, 2]);
    }

    #[test]
    fn words_and_activities_bring_services_in() {
        let index = index(&[
            json!({ "name": "Community choir" }),
            json!({ "name": "Green thumbs", "attributes": { "activities": ["gardening"] } }),
            json!({ "name": "Tax clinic" }),
        ]);
        let activities = ["gardening".to_owned()];
        let by_activity = Wish { activities: &activities, words_suffice_from: 0.5, ..Wish::default() };
        assert_eq!(listed(&index, &by_activity), [2]);
        let by_words = Wish { words: "I used to sing in a choir", words_suffice_from: 0.5, ..Wish::default() };
        assert_eq!(listed(&index, &by_words), [1]);
    }

    #[test]
    fn with_nothing_asked_populations_are_and_else_everything() {
        let index = index(&[json!({ "name": "A", "attributes": { "populations_served": ["caregiver"] } }), json!({ "name": "B" })]);
        let populations = ["caregiver".to_owned()];
        assert_eq!(listed(&index, &Wish { populations: &populations, ..Wish::default() }), [1]);
        assert_eq!(listed(&index, &Wish::default()), [1, 2]);
    }
}
