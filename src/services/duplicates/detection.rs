//! Which services look like one.
//!
//! Only those are compared that have a telephone, a place, a web page or mail address in common, or a name together with a city or a
//! provider; so the work grows with the directory and not with its square. What more than [`MOST_ALIKE`] have in common, as a
//! switchboard or a community centre, tells nobody apart, and is no reason to compare them.

use serde::{Deserialize, Serialize};
use strsim::jaro_winkler;

use super::traits::{Trait, TraitKind};
use crate::kind::{OrganizationId, ServiceId};
use crate::services::index::{DirectoryIndex, LabelKind, Slot};
use crate::text_enum;

/// Of a trait that more services have, none are compared for its sake.
const MOST_ALIKE: usize = 30;

/// The points that each kind of likeness gives at most.
const NAME: f64 = 45.0;
const PHONE: f64 = 25.0;
const PLACE: f64 = 25.0;
const CONTACT: f64 = 10.0;
const PROVIDER: f64 = 10.0;
/// The points that must have been compared for full certainty: a name alone is not enough.
const ENOUGH: f64 = 70.0;

/// From this score on two services are listed as a possible duplicate.
const LIKELY: u8 = 70;

text_enum! {
    /// Why two records may be one service. Values may be added.
    pub enum ServiceResemblance {
        /// The names are the same but for accents, case and marks.
        SameName = "same_name",
        /// The names are spelled alike, or one holds the other.
        SimilarName = "similar_name",
        /// A telephone is the same.
        SamePhone = "same_phone",
        /// A street address is the same, or a point to about ten metres.
        SamePlace = "same_place",
        /// The web page or an electronic mail address is the same.
        SameContact = "same_contact",
        /// The same organization gives both.
        SameProvider = "same_provider",
    }
}

/// Two services that look like one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Its place among all pairs.
    pub rank: Rank,
    /// What they have in common.
    pub reasons: Vec<ServiceResemblance>,
}

/// The order of pairs: the likeliest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rank {
    /// What lacks to certainty: 100 less the score.
    pub doubt: u8,
    /// The service with the lower id.
    pub one: ServiceId,
    /// The other.
    pub other: ServiceId,
}

/// What is compared of a service.
#[derive(Debug, Clone, Copy)]
struct Look<'a> {
    name: &'a str,
    traits: &'a [Trait],
}

impl DirectoryIndex {
    /// The pairs among the services that an organization keeps, but for those that somebody has set apart; the likeliest first.
    pub(in crate::services) fn look_alikes(&self, keeper: OrganizationId) -> Vec<Pair> {
        let Some(kept) = self.labels().services(LabelKind::Keeper, &keeper.to_string()) else { return Vec::new() };
        let mut having: Vec<(Trait, Slot)> = Vec::new();
        for slot in kept {
            let traits = self.get(slot).into_iter().flat_map(|entry| entry.traits.iter());
            having.extend(traits.filter(|found| found.kind() != TraitKind::Provider).map(|found| (*found, slot)));
        }
        having.sort_unstable();
        let mut pairs: Vec<(Slot, Slot)> = Vec::new();
        for alike in having.chunk_by(|a, b| a.0 == b.0).filter(|alike| alike.len() <= MOST_ALIKE) {
            for (index, (_, one)) in alike.iter().enumerate() {
                pairs.extend(alike.iter().skip(index + 1).map(|(_, other)| (*one, *other)));
            }
        }
        pairs.sort_unstable();
        pairs.dedup();
        let mut found: Vec<Pair> = pairs.into_iter().filter_map(|(one, other)| self.pair(one, other)).collect();
        found.sort_unstable_by_key(|pair| pair.rank);
        found
    }

    fn pair(&self, one: Slot, other: Slot) -> Option<Pair> {
        let (one, other) = (self.get(one)?, self.get(other)?);
        let (one, other) = if one.id < other.id { (one, other) } else { (other, one) };
        if one.distinct_from.contains(&other.id) || other.distinct_from.contains(&one.id) {
            return None;
        }
        let (score, reasons) =
            likeness(Look { name: &one.name_key, traits: &one.traits }, Look { name: &other.name_key, traits: &other.traits });
        let rank = Rank { doubt: 100 - score, one: one.id, other: other.id };
        (score >= LIKELY).then_some(Pair { rank, reasons })
    }
}

/// How sure one can be that two services are one, from 0 to 100, and why. What one of them does not say counts for nothing.
fn likeness(one: Look<'_>, other: Look<'_>) -> (u8, Vec<ServiceResemblance>) {
    let (mut reasons, mut points, mut most) = (Vec::new(), 0.0, NAME);
    let kinds = [
        (TraitKind::Phone, PHONE, ServiceResemblance::SamePhone),
        (TraitKind::Place, PLACE, ServiceResemblance::SamePlace),
        (TraitKind::Contact, CONTACT, ServiceResemblance::SameContact),
        (TraitKind::Provider, PROVIDER, ServiceResemblance::SameProvider),
    ];
    for (kind, weight, reason) in kinds {
        let of = |look: Look<'_>| look.traits.iter().any(|found| found.kind() == kind);
        if of(one) && of(other) {
            most += weight;
            let is_shared = |found: &&Trait| found.kind() == kind && other.traits.binary_search(found).is_ok();
            if one.traits.iter().any(|found| is_shared(&found)) {
                points += weight;
                reasons.push(reason);
            }
        }
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 99")]
    let score = |points: f64| (99.0 * points / f64::max(most, ENOUGH)).round() as u8;
    // Most pairs fall here: their names need not be read.
    if score(points + NAME) < LIKELY {
        return (score(points), reasons);
    }
    let similarity = similarity(one.name, other.name);
    if similarity >= 0.995 {
        reasons.insert(0, ServiceResemblance::SameName);
    } else if similarity >= 0.85 {
        reasons.insert(0, ServiceResemblance::SimilarName);
    }
    // Half alike is not alike at all: names of different things share letters.
    (score(points + NAME * ((similarity - 0.7) / 0.3).clamp(0.0, 1.0)), reasons)
}

/// How alike two names are, from 0 to 1. A name that holds all words of the other, two at least, is nearly the same.
fn similarity(one: &str, other: &str) -> f64 {
    let words = |name: &'_ str| name.split(' ').map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
    let (first, second) = (words(one), words(other));
    let is_part = first.len().min(second.len()) >= 2 && (first.is_subset(&second) || second.is_subset(&first));
    let spelled = jaro_winkler(one, other);
    if is_part { spelled.max(0.93) } else { spelled }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::services::duplicates::traits::traits;
    use crate::services::model::ServiceInput;
    use crate::text::fold;

    fn score(one: &Value, other: &Value) -> u8 {
        let read = |service: &Value| serde_json::from_value::<ServiceInput>(service.clone()).unwrap();
        let (one, other) = (read(one), read(other));
        let (names, found) = ([fold(&one.name), fold(&other.name)], [traits(&one), traits(&other)]);
        let look = |index: usize| Look { name: &names[index], traits: &found[index] };
        likeness(look(0), look(1)).0
    }

    fn service(name: &str, phone: &str, street: &str) -> Value {
        json!({ "name": name, "phones": [{ "original": phone }], "places": [{ "address": { "line1": street, "city": "Alder Falls" } }] })
    }

    #[test]
    fn one_service_written_twice_is_likely_and_two_services_are_not() {
        let pantry = service("Alder Falls Food Bank", "250-555-0142", "12 Mill St");
        for other in [
            service("ALDER FALLS FOOD-BANK", "+1 250 555 0142", "12 Mill St"),
            service("Alder Falls Food Bank Society", "250-555-0142", "12 Mill St"),
            service("Alder Falls Food Bank", "250-555-0142", "9 Lake Rd"),
            service("Alder Falls Food Bank", "250-555-0199", "12 Mill St"),
            json!({ "name": "Alder Falls Food Bank", "phones": [{ "original": "250-555-0142" }] }),
        ] {
            assert!(score(&pantry, &other) >= LIKELY, "{other}: {}", score(&pantry, &other));
        }
        for other in [
            service("Alder Falls Food Bank", "250-555-0199", "9 Lake Rd"),
            service("Choir of the valley", "250-555-0142", "12 Mill St"),
            json!({ "name": "Alder Falls Food Bank" }),
        ] {
            assert!(score(&pantry, &other) < LIKELY, "{other}: {}", score(&pantry, &other));
        }
    }

    #[test]
    fn one_name_of_one_provider_is_likely_unless_telephone_or_place_differ() {
        let of = |more: Value| {
            let mut service = json!({ "name": "Chair yoga", "provider_name": "Seniors' Centre" });
            service.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            service
        };
        assert!(score(&of(json!({})), &of(json!({}))) >= LIKELY);
        let at = |street: &str| of(json!({ "places": [{ "address": { "line1": street } }] }));
        assert!(score(&at("12 Mill St"), &at("9 Lake Rd")) < LIKELY);
    }

    proptest! {
        #[test]
        fn likeness_is_the_same_both_ways_and_never_certain(names in proptest::array::uniform2("[a-e ]{1,12}"), shared in 0_u8..16) {
            let of = |name: &str, own: &str| {
                let value = |bit: u8| if shared & (1 << bit) == 0 { own.to_owned() } else { "8".to_owned() };
                json!({
                    "name": name, "phones": [{ "original": format!("250555010{}", value(0)) }], "url": format!("https://{}.example", value(1)),
                    "places": [{ "address": { "line1": value(2) } }], "provider_name": format!("p{}", value(3)),
                })
            };
            let (one, other) = (of(&names[0], "1"), of(&names[1], "2"));
            prop_assert_eq!(score(&one, &other), score(&other, &one));
            prop_assert!(score(&one, &other) <= 99);
        }
    }
}
