//! Which services look like one.
//!
//! Only those are compared that have a telephone, a place, a web page or mail address in common, what their provider is called, or a name
//! together with a city; where many have one of these in common, as at a switchboard or a community centre, only those of them whose names
//! have a word in common too, and of one provider's those in one city. So the work grows with the directory and not with its square. It is
//! done over a copy of what is compared: whoever changes the index meanwhile does not wait for it.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use strsim::jaro_winkler;

use super::traits::{Trait, TraitKind, city, of_provider};
use crate::kind::{OrganizationId, ServiceId};
use crate::services::index::{DirectoryIndex, LabelKind};
use crate::text::bare;
use crate::text_enum;

/// Of so many that have a trait in common each is compared with each; of more, those whose names have a word in common.
const FEW: usize = 8;
/// Where more than so many of these have one and the same word, it tells nobody apart, and none are compared for its sake.
const MOST_NAMED_ALIKE: usize = 12;
/// So many letters of two words are looked at: what follows is an ending, or a slip.
const BEGINNING: usize = 4;
/// In so many of its cities others of a service's provider are looked for.
const MOST_CITIES: usize = 20;

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
        /// A street address is the same, however street and city are written and whatever its unit, or a point to about ten metres.
        SamePlace = "same_place",
        /// The web page or an electronic mail address is the same.
        SameContact = "same_contact",
        /// The same organization gives both.
        SameProvider = "same_provider",
        /// Organizations of one name give both, each a record of its own, as where two sources tell of one organization. Neither this nor
        /// `same_provider` is said of services in different cities.
        SameProviderName = "same_provider_name",
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
#[derive(Debug)]
pub(in crate::services) struct Look {
    id: ServiceId,
    /// Folded.
    name: Box<str>,
    /// The organization that gives it, where that is named by its id.
    provider_id: Option<OrganizationId>,
    /// Rising.
    traits: Box<[Trait]>,
    /// The cities that it is in or for, by their [numbers](city), rising.
    cities: Box<[u32]>,
    /// Whether it is in one of them.
    has_city: bool,
    distinct_from: Box<[ServiceId]>,
}

impl DirectoryIndex {
    /// What is compared of the services that an organization keeps.
    pub(in crate::services) fn looks(&self, keeper: OrganizationId) -> Vec<Look> {
        let kept = self.labels().services(LabelKind::Keeper, &keeper.to_string()).into_iter().flatten();
        let look = |slot| {
            let entry = self.get(slot)?;
            let (mut provider_id, mut cities) = (None, Vec::<u32>::new());
            for label in entry.labels() {
                match self.labels().get(label) {
                    Some((LabelKind::City, name)) => cities.extend(city(name)),
                    Some((LabelKind::Provider, id)) => provider_id = id.parse::<OrganizationId>().ok(),
                    _ => {}
                }
            }
            cities.sort_unstable();
            cities.dedup();
            let (name, traits, distinct_from) = (entry.name_key.clone(), entry.traits.clone(), entry.distinct_from.clone());
            Some(Look { id: entry.id, name, provider_id, traits, cities: cities.into(), has_city: entry.has_city, distinct_from })
        };
        kept.filter_map(look).collect()
    }
}

impl Look {
    /// By what others are looked for that have it in common.
    fn asked(&self) -> impl Iterator<Item = Trait> + '_ {
        let asked = self.traits.iter().copied().filter(|found| found.kind() != TraitKind::Provider);
        let called = self.traits.iter().copied().filter(|found| found.kind() == TraitKind::ProviderName);
        let in_cities = called.flat_map(move |provider| self.cities.iter().take(MOST_CITIES).map(move |city| provider.in_city(*city)));
        asked.chain(in_cities)
    }
}

/// The organizations that give these services, each once.
pub(in crate::services) fn providers(looks: &[Look]) -> Vec<OrganizationId> {
    let mut ids: Vec<OrganizationId> = looks.iter().filter_map(|look| look.provider_id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Has services have in common what their [`providers`] are called, by the names of these.
pub(in crate::services) fn call_providers(looks: &mut [Look], names: &HashMap<OrganizationId, String>) {
    let called = |(id, name): (&OrganizationId, &String)| {
        let name = bare(name);
        // One without a letter in its name is told apart by its id.
        (*id, if name.is_empty() { id.to_string() } else { name })
    };
    let names: HashMap<OrganizationId, String> = names.iter().map(called).collect();
    for look in looks {
        let Some(provider) = look.provider_id.and_then(|id| names.get(&id)) else { continue };
        let mut traits = std::mem::take(&mut look.traits).into_vec();
        traits.extend(of_provider(&look.name, provider));
        traits.sort_unstable();
        look.traits = traits.into();
    }
}

/// The pairs among these services, but for those that somebody has set apart; the likeliest first.
pub(in crate::services) fn look_alikes(looks: &[Look]) -> Vec<Pair> {
    let mut found: Vec<Pair> = candidates(looks).into_iter().filter_map(|(one, other)| pair(one, other)).collect();
    found.sort_unstable_by_key(|pair| pair.rank);
    found
}

/// Those that are worth a comparison, each pair once.
fn candidates(looks: &[Look]) -> Vec<(&Look, &Look)> {
    let mut having: Vec<(Trait, u32)> = (0..).zip(looks).flat_map(|(place, look)| look.asked().map(move |found| (found, place))).collect();
    having.sort_unstable();
    let mut pairs: Vec<(u32, u32)> = Vec::new();
    for alike in having.chunk_by(|one, other| one.0 == other.0).filter(|alike| alike.len() > 1) {
        if alike.len() <= FEW {
            each_with_each(alike, &mut pairs);
            continue;
        }
        let words = |place: u32| looks.get(place as usize).into_iter().flat_map(|look| look.name.split(' ')).map(beginning);
        let mut named: Vec<(&str, u32)> = alike.iter().flat_map(|(_, place)| words(*place).map(|word| (word, *place))).collect();
        named.sort_unstable();
        named.dedup();
        for alike in named.chunk_by(|one, other| one.0 == other.0).filter(|alike| alike.len() <= MOST_NAMED_ALIKE) {
            each_with_each(alike, &mut pairs);
        }
    }
    pairs.sort_unstable();
    pairs.dedup();
    pairs.into_iter().filter_map(|(one, other)| Some((looks.get(one as usize)?, looks.get(other as usize)?))).collect()
}

fn each_with_each<T>(alike: &[(T, u32)], pairs: &mut Vec<(u32, u32)>) {
    for (index, (_, one)) in alike.iter().enumerate() {
        pairs.extend(alike.iter().skip(index + 1).map(|(_, other)| (*one, *other)));
    }
}

fn beginning(word: &str) -> &str {
    word.char_indices().nth(BEGINNING).and_then(|(end, _)| word.get(..end)).unwrap_or(word)
}

fn pair(one: &Look, other: &Look) -> Option<Pair> {
    let (one, other) = if one.id < other.id { (one, other) } else { (other, one) };
    if one.distinct_from.contains(&other.id) || other.distinct_from.contains(&one.id) {
        return None;
    }
    let (score, reasons) = likeness(one, other);
    let rank = Rank { doubt: 100 - score, one: one.id, other: other.id };
    (score >= LIKELY).then_some(Pair { rank, reasons })
}

/// How sure one can be that two services are one, from 0 to 100, and why. What one of them does not say counts for nothing.
fn likeness(one: &Look, other: &Look) -> (u8, Vec<ServiceResemblance>) {
    let (mut reasons, mut points, mut most) = (Vec::new(), 0.0, NAME);
    let share = |kind| share(one, other, kind);
    let place = share(TraitKind::Place);
    let is_elsewhere = place != Some(true) && are_apart(one, other);
    // Who is in one city may well be there for another.
    let place = if is_elsewhere && one.has_city == other.has_city { Some(false) } else { place };
    let (record, called) = (share(TraitKind::Provider), share(TraitKind::ProviderName));
    let by_whom = if record == Some(true) { ServiceResemblance::SameProvider } else { ServiceResemblance::SameProviderName };
    // Branches in two cities have their provider and what they are called in common, and are two.
    let provider = record.map(|is_shared| (is_shared || called == Some(true)) && !is_elsewhere);
    let compared = [
        (share(TraitKind::Phone), PHONE, ServiceResemblance::SamePhone),
        (place, PLACE, ServiceResemblance::SamePlace),
        (share(TraitKind::Contact), CONTACT, ServiceResemblance::SameContact),
        (provider, PROVIDER, by_whom),
    ];
    for (is_shared, weight, reason) in compared {
        let Some(is_shared) = is_shared else { continue };
        most += weight;
        if is_shared {
            points += weight;
            reasons.push(reason);
        }
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 99")]
    let score = |points: f64| (99.0 * points / f64::max(most, ENOUGH)).round() as u8;
    // Most pairs fall here: their names need not be read.
    if score(points + NAME) < LIKELY {
        return (score(points), reasons);
    }
    let similarity = similarity(&one.name, &other.name);
    if similarity >= 0.995 {
        reasons.insert(0, ServiceResemblance::SameName);
    } else if similarity >= 0.85 {
        reasons.insert(0, ServiceResemblance::SimilarName);
    }
    // Half alike is not alike at all: names of different things share letters.
    (score(points + NAME * ((similarity - 0.7) / 0.3).clamp(0.0, 1.0)), reasons)
}

/// Whether two have something of a kind in common; none where one of them says nothing of it.
fn share(one: &Look, other: &Look, kind: TraitKind) -> Option<bool> {
    let says = |look: &Look| look.traits.iter().any(|found| found.kind() == kind);
    let mut own = one.traits.iter().filter(|found| found.kind() == kind);
    (says(one) && says(other)).then(|| own.any(|found| other.traits.binary_search(found).is_ok()))
}

/// Whether both say in or for which cities they are, and have none in common.
fn are_apart(one: &Look, other: &Look) -> bool {
    let is_shared = |city: &u32| other.cities.binary_search(city).is_ok();
    !one.cities.is_empty() && !other.cities.is_empty() && !one.cities.iter().any(is_shared)
}

/// How alike two names are, from 0 to 1. A name that holds all words of the other, two at least, is nearly the same.
fn similarity(one: &str, other: &str) -> f64 {
    if one == other {
        return 1.0;
    }
    let (first, second) = (words(one), words(other));
    let (fewer, more) = if first.len() <= second.len() { (first, second) } else { (second, first) };
    let is_part = fewer.len() >= 2 && fewer.iter().all(|word| more.binary_search(word).is_ok());
    let spelled = jaro_winkler(one, other);
    if is_part { spelled.max(0.93) } else { spelled }
}

/// The words of a name, rising, each once.
fn words(name: &str) -> Vec<&str> {
    let mut words: Vec<&str> = name.split(' ').collect();
    words.sort_unstable();
    words.dedup();
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;
    use crate::db::types::Id;
    use crate::services::duplicates::traits::traits;
    use crate::services::model::{AreaKind, ServiceInput};
    use crate::text::fold;

    fn score(one: &Value, other: &Value) -> u8 {
        likeness(&look(read(one)), &look(read(other))).0
    }

    fn read(service: &Value) -> ServiceInput {
        serde_json::from_value(service.clone()).unwrap()
    }

    fn look(service: ServiceInput) -> Look {
        let named = service.places.iter().filter_map(|place| place.address.as_ref()?.city.as_deref());
        let mut cities: Vec<u32> = named.filter_map(city).collect();
        let has_city = !cities.is_empty();
        cities.extend(service.service_areas.iter().filter(|area| area.kind == AreaKind::City).filter_map(|area| city(&area.value)));
        cities.sort_unstable();
        let (name, provider_id, traits) = (fold(&service.name).into(), service.provider_id, traits(&service));
        Look { id: Id::generate(), name, provider_id, traits, cities: cities.into(), has_city, distinct_from: Box::default() }
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

    /// Services as two sources have them that each know the Salvation Army by a record of its own.
    fn of_the_army(services: &[(usize, Value)]) -> Vec<Look> {
        let id = |source: usize| OrganizationId::from_uuid(Uuid::from_u128(source as u128));
        let of = |(source, more): &(usize, Value)| {
            let mut service = json!({ "name": "Food bank", "provider_id": id(*source) });
            service.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            look(read(&service))
        };
        let mut looks: Vec<Look> = services.iter().map(of).collect();
        assert_eq!(providers(&looks), [id(1), id(2)]);
        let names = HashMap::from([(id(1), "The Salvation Army".to_owned()), (id(2), "THE  SALVATION-ARMY.".to_owned())]);
        call_providers(&mut looks, &names);
        looks
    }

    fn in_city(city: &str) -> Value {
        json!({ "places": [{ "address": { "city": city } }] })
    }

    #[test]
    fn what_a_provider_is_called_counts_whoever_has_recorded_it_and_not_in_different_cities() {
        let reasons = |one: Value, other: Value| {
            let found = look_alikes(&of_the_army(&[(1, one), (2, other)]));
            found.into_iter().map(|pair| pair.reasons).collect::<Vec<_>>()
        };
        let called_alike = [vec![ServiceResemblance::SameName, ServiceResemblance::SameProviderName]];
        assert_eq!(reasons(json!({}), json!({})), called_alike);
        assert_eq!(reasons(in_city("Alder Falls"), json!({})), called_alike, "of one the city is not known");
        assert_eq!(reasons(in_city("Alder Falls"), in_city("Alder Falls")), called_alike);
        assert!(reasons(in_city("Alder Falls"), in_city("Elm Creek")).is_empty());
        assert_eq!(reasons(in_city("Fort St. John"), in_city("Fort St John")), called_alike, "one city, written in two ways");
        let toll_free = |mut service: Value| {
            service["phones"] = json!([{ "original": "1-888-555-0142" }]);
            service
        };
        let area = |city: &str| json!({ "service_areas": [{ "kind": "city", "value": city }] });
        assert!(reasons(toll_free(in_city("Alder Falls")), toll_free(in_city("Elm Creek"))).is_empty());
        assert!(reasons(toll_free(area("Alder Falls")), toll_free(area("Elm Creek"))).is_empty());
        assert!(reasons(in_city("Alder Falls"), area("Elm Creek")).is_empty());
        let there_for_another = reasons(toll_free(in_city("Alder Falls")), toll_free(area("Elm Creek")));
        assert_eq!(there_for_another, [vec![ServiceResemblance::SameName, ServiceResemblance::SamePhone]]);
        let named = |name: &str| (1, json!({ "name": name }));
        assert!(look_alikes(&of_the_army(&[named("Food bank"), (2, json!({ "name": "Thrift shop" }))])).is_empty());
        let alike = look_alikes(&of_the_army(&[named("Foodbanks for all"), (2, json!({ "name": "Foodbank for all" }))]));
        assert_eq!(alike[0].reasons, [ServiceResemblance::SimilarName, ServiceResemblance::SameProviderName]);
    }

    #[test]
    fn branches_of_one_provider_are_compared_within_their_cities() {
        let branches: Vec<(usize, Value)> = (0..3_000).map(|number| (1 + number % 2, in_city(&format!("City {}", number / 2)))).collect();
        let looks = of_the_army(&branches);
        assert_eq!(candidates(&looks).len(), 1_500);
        assert_eq!(look_alikes(&looks).len(), 1_500, "each of one source with that of the other in its city");
    }

    /// Services of providers that each have ten of them at one telephone, one place and one web page.
    fn valley(services: usize) -> Vec<Look> {
        let first = ["Community", "Family", "Senior", "Youth", "Harvest", "Riverside", "Open", "Northern", "Hillside", "Neighbour"];
        let second = ["Kitchen", "Choir", "Garden", "Walk", "Shelter", "Library", "Clinic", "Workshop", "Pantry", "Club", "Circle"];
        let third = ["for newcomers", "at noon", "on wheels", "by the lake", "in spring", "with friends", "and more"];
        let mut looks = Vec::with_capacity(services);
        for provider in 0..services.div_ceil(10) {
            let base = read(&json!({
                "name": "", "provider_name": format!("Society {provider}"), "url": format!("https://society-{provider}.example"),
                "phones": [{ "original": format!("250-{:07}", provider) }],
                "places": [{ "address": { "line1": format!("{provider} Mill St"), "city": format!("City {}", provider % 60) } }],
            }));
            for number in (provider * 10..services).take(10) {
                let word = |of: &[&'static str], turn: usize| of[(number / turn + number * 3) % of.len()];
                let name = format!("{} {} {}", word(&first, 3), word(&second, 10), word(&third, 110));
                looks.push(look(ServiceInput { name, ..base.clone() }));
            }
        }
        looks
    }

    #[test]
    fn a_directory_is_compared_in_a_few_comparisons_for_each_service() {
        let mut looks = valley(20_000);
        // One more record of every hundredth, and a switchboard that a tenth of them share.
        let again: Vec<Look> = looks.iter().step_by(100).map(|found| Look { id: Id::generate(), ..copy(found) }).collect();
        let planted = again.len();
        looks.extend(again);
        let switchboard = look(read(&json!({ "name": "", "phones": [{ "original": "250-555-0100" }] }))).traits;
        for found in looks.iter_mut().step_by(10) {
            let mut traits = [&found.traits[..], &switchboard].concat();
            traits.sort_unstable();
            found.traits = traits.into();
        }
        let compared = candidates(&looks).len();
        assert!((planted..4 * looks.len()).contains(&compared), "{compared} comparisons of {} services", looks.len());
        let found = look_alikes(&looks);
        let same = found.iter().filter(|pair| pair.reasons.contains(&ServiceResemblance::SameName)).count();
        assert!(same >= planted, "{same} of {planted}");
    }

    fn copy(look: &Look) -> Look {
        let Look { id, name, provider_id, traits, cities, has_city, distinct_from } = look;
        let (name, traits, cities, distinct_from) = (name.clone(), traits.clone(), cities.clone(), distinct_from.clone());
        Look { id: *id, name, provider_id: *provider_id, traits, cities, has_city: *has_city, distinct_from }
    }

    #[test]
    fn two_of_many_at_one_switchboard_are_compared_where_their_names_have_a_word_in_common() {
        let names = ["Choir", "Pantry", "Library", "Youth drop-in", "Walking group", "Tax clinic", "Chair yoga", "Homework", "Meals"];
        let at = |name: &str| look(read(&json!({ "name": name, "phones": [{ "original": "250-555-0100" }] })));
        let mut looks: Vec<Look> = names.iter().cycle().take(60).enumerate().map(|(number, name)| at(&format!("{name}{number}"))).collect();
        looks.extend([at("Alder Falls Food Bank"), at("Alder Falls Foodbank Society")]);
        let found = look_alikes(&looks);
        assert!(found.iter().any(|pair| (pair.rank.one, pair.rank.other) == (looks[60].id, looks[61].id)), "{found:?}");
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
