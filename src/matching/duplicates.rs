//! The same service, listed twice.
//!
//! Directories overlap and repeat themselves. Two records are taken for one service where name and telephone agree, or name and
//! address, or where one provider has, at one point and for the same needs, two of nearly the same name; and where one telephone is
//! answered for the same needs and people under a longer and a shorter form of one name, not at different places.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use strsim::jaro_winkler;

use crate::services::duplicates::keys;
use crate::services::model::{DomainStrength, ServiceInput};
use crate::streets::{street, town};
use crate::text::bare;

/// How alike two names at one provider's door must be.
const NEARLY_THE_SAME: f64 = 0.92;
/// So many letters of two names are compared. The work grows with their square.
const COMPARED_LETTERS: usize = 60;
/// The keys of each kind by which one service is looked for: as many as it has places.
const MOST_KEYS: usize = 500;
/// The services that are remembered at one door and on one line.
const MOST_ALIKE: usize = 50;

/// The services seen so far, by what tells them apart.
#[derive(Debug, Default)]
pub(super) struct Seen {
    known: Vec<Known>,
    exact: Places,
    at_the_door: Places,
    on_the_line: Places,
}

/// Where services stand in [`Seen::known`], by fingerprints of their keys.
#[derive(Debug, Default)]
struct Places(HashMap<u64, Vec<usize>>);

/// A service as others are compared with it.
#[derive(Debug)]
struct Known {
    group: usize,
    name: String,
    /// The fingerprints of its streets.
    streets: BTreeSet<u64>,
}

impl Places {
    /// The services that have one of these keys, each once, those that were seen first before the others.
    fn with_any(&self, keys: &BTreeSet<u64>) -> BTreeSet<usize> {
        keys.iter().filter_map(|key| self.0.get(key)).flatten().copied().collect()
    }

    /// Remembers a service under its keys, where fewer than `most` are under one already.
    fn add(&mut self, keys: BTreeSet<u64>, number: usize, most: usize) {
        for key in keys {
            let numbers = self.0.entry(key).or_default();
            if numbers.len() < most {
                numbers.push(number);
            }
        }
    }
}

impl Known {
    fn new(service: &ServiceInput, group: usize) -> Self {
        let name = bare(&service.name).chars().take(5 * COMPARED_LETTERS).collect();
        let streets = streets(service).map(|(street, _)| fingerprint(street)).collect();
        Self { group, name, streets }
    }

    /// Whether both have nearly the same name.
    fn is_called_as(&self, other: &Self) -> bool {
        let first = |name: &str| name.chars().take(COMPARED_LETTERS).collect::<String>();
        jaro_winkler(&first(&self.name), &first(&other.name)) >= NEARLY_THE_SAME
    }

    /// Whether one name holds the other, and no two doors say that these are branches.
    fn is_also(&self, other: &Self) -> bool {
        let (mine, theirs): (BTreeSet<&str>, BTreeSet<&str>) = (self.name.split(' ').collect(), other.name.split(' ').collect());
        let is_part = mine.is_subset(&theirs) || theirs.is_subset(&mine);
        is_part && (self.streets.is_empty() || other.streets.is_empty() || !self.streets.is_disjoint(&other.streets))
    }
}

impl Seen {
    /// The group of an earlier service that this one repeats, else `new_group`, under which it is then known.
    pub(super) fn group_of(&mut self, service: &ServiceInput, new_group: usize) -> usize {
        let one = Known::new(service, new_group);
        let (exact, doors, lines) = (exact_keys(&one.name, service), door_keys(service), line_keys(service));
        let first = |places: &Places, keys: &BTreeSet<u64>, is_alike: &dyn Fn(&Known) -> bool| {
            let mut known = places.with_any(keys).into_iter().filter_map(|number| self.known.get(number));
            known.find(|known| is_alike(known)).map(|known| known.group)
        };
        let by_key = first(&self.exact, &exact, &|_| true);
        let by_door = || first(&self.at_the_door, &doors, &|known| known.is_called_as(&one));
        let by_line = || first(&self.on_the_line, &lines, &|known| known.is_also(&one));
        let group = by_key.or_else(by_door).or_else(by_line).unwrap_or(new_group);
        let number = self.known.len();
        // Whoever has the same exact key is of the same group.
        self.exact.add(exact, number, 1);
        self.at_the_door.add(doors, number, MOST_ALIKE);
        self.on_the_line.add(lines, number, MOST_ALIKE);
        self.known.push(Known { group, ..one });
        group
    }
}

/// Street and city of each place.
fn streets(service: &ServiceInput) -> impl Iterator<Item = (String, String)> + '_ {
    let addresses = service.places.iter().filter_map(|place| place.address.as_ref());
    addresses.filter_map(|address| Some((street(address.line1.as_deref()?), town(address.city.as_deref().unwrap_or_default()))))
}

/// Name with each telephone, name with each street address.
fn exact_keys(name: &str, service: &ServiceInput) -> BTreeSet<u64> {
    let by_phone = keys::lines(service).take(MOST_KEYS).map(|line| fingerprint((name, line)));
    by_phone.chain(streets(service).map(|address| fingerprint((name, address)))).collect()
}

/// Provider, needs and point, the point to about ten metres.
fn door_keys(service: &ServiceInput) -> BTreeSet<u64> {
    let Some(provider) = keys::provider(service) else { return BTreeSet::new() };
    let domains: BTreeSet<&str> = service.need_domains.iter().map(|domain| domain.code.as_str()).collect();
    let points = service.places.iter().filter_map(|place| place.point);
    points.map(|point| fingerprint((&provider, &domains, keys::spot(point)))).collect()
}

/// Each telephone with the needs that the service meets and the people it is for; none where no need is known.
fn line_keys(service: &ServiceInput) -> BTreeSet<u64> {
    let direct = service.need_domains.iter().filter(|domain| domain.strength == DomainStrength::Direct);
    let needs: BTreeSet<&str> = direct.map(|domain| domain.code.as_str()).collect();
    if needs.is_empty() {
        return BTreeSet::new();
    }
    let (rule, attributes) = (&service.eligibility, &service.attributes);
    let people: BTreeSet<&str> =
        [&rule.genders, &rule.populations, &attributes.populations_served].into_iter().flatten().map(String::as_str).collect();
    let of_all = fingerprint((needs, people, rule.min_age, rule.max_age));
    keys::lines(service).take(MOST_KEYS).map(|line| fingerprint((of_all, line))).collect()
}

/// Without a random key: the same in all runs.
fn fingerprint(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn groups(services: &[Value]) -> Vec<usize> {
        let mut seen = Seen::default();
        let parse = |service: &Value| serde_json::from_value::<ServiceInput>(service.clone()).unwrap();
        services.iter().enumerate().map(|(index, service)| seen.group_of(&parse(service), index)).collect()
    }

    #[test]
    fn the_same_name_and_telephone_is_the_same_service() {
        let first = json!({ "name": "Café Falls", "phones": [{ "original": "(250) 555-0142" }] });
        let again = json!({ "name": "cafe  falls", "phones": [{ "original": "+1 250 555 0142" }] });
        let other = json!({ "name": "Cafe Falls", "phones": [{ "original": "250 555 0199" }] });
        assert_eq!(groups(&[first, again, other]), [0, 0, 2]);
    }

    #[test]
    fn the_same_name_and_address_is_the_same_service() {
        let at = |name: &str| json!({ "name": name, "places": [{ "address": { "line1": "12 Mill St.", "city": "Alder Falls" } }] });
        assert_eq!(groups(&[at("Pantry"), at("Pantry"), at("Choir")]), [0, 0, 2]);
        let written = |street: &str, city: &str| json!({ "name": "Pantry", "places": [{ "address": { "line1": street, "city": city } }] });
        let again = written("Unit 4, 12 Mill Street", "ALDER FALLS");
        assert_eq!(groups(&[at("Pantry"), again, written("14 Mill St.", "Alder Falls")]), [0, 0, 2]);
    }

    #[test]
    fn one_provider_at_one_door_is_one_service_only_under_nearly_one_name() {
        let at = |name: &str| {
            json!({ "name": name, "provider_name": "Seniors' Centre", "need_domains": [{ "code": "social-connection" }],
                "places": [{ "point": { "latitude": 49.35, "longitude": -120.12 } }] })
        };
        assert_eq!(groups(&[at("Chair yoga for seniors"), at("Chair yoga for senior"), at("Walking group")]), [0, 0, 2]);
    }

    #[test]
    fn one_telephone_under_a_longer_and_a_shorter_name_is_one_service_unless_needs_people_or_places_differ() {
        let line = |name: &str, more: Value| {
            let mut service = json!({ "name": name, "phones": [{ "original": "1-888-353-2273" }], "need_domains": [{ "code": "stress" }] });
            service.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            service
        };
        let at = |street: &str| json!({ "places": [{ "address": { "line1": street } }] });
        let network = || line("Interior Crisis Line Network", json!({}));
        assert_eq!(groups(&[line("Interior Crisis Line", json!({})), network()]), [0, 0]);
        assert_eq!(groups(&[network(), line("Interior Crisis Line", at("1 Mill St"))]), [0, 0], "of one the place is not known");
        assert_eq!(groups(&[network(), line("Other Crisis Line", json!({}))]), [0, 1]);
        assert_eq!(groups(&[line("Pantry", at("1 Mill St")), line("Pantry North", at("9 Lake Rd"))]), [0, 1]);
        let seniors = json!({ "attributes": { "populations_served": ["senior"] } });
        assert_eq!(groups(&[network(), line("Interior Crisis Line", seniors)]), [0, 1]);
        let food = json!({ "need_domains": [{ "code": "food-insecurity" }] });
        assert_eq!(groups(&[network(), line("Interior Crisis Line", food)]), [0, 1]);
    }

    #[test]
    fn however_much_services_have_in_common_what_is_remembered_of_them_is_bounded() {
        let at = |name: String| {
            let place =
                json!({ "point": { "latitude": 49.35, "longitude": -120.12 }, "phones": vec![json!({ "original": "250-555-0142" }); 20] });
            json!({ "name": name, "provider_name": "Seniors' Centre", "need_domains": [{ "code": "stress" }], "places": vec![place; 60],
                "eligibility": { "populations": vec!["x".repeat(300); 50] } })
        };
        let name = |number: usize| format!("{} {}", char::from(b'a' + (number % 26) as u8).to_string().repeat(70), "z".repeat(number));
        let mut seen = Seen::default();
        for number in 0..MOST_ALIKE + 10 {
            seen.group_of(&serde_json::from_value(at(name(number))).unwrap(), number);
        }
        for places in [&seen.at_the_door, &seen.on_the_line] {
            assert_eq!(places.0.values().map(Vec::len).collect::<Vec<_>>(), [MOST_ALIKE], "one door and one line, named once each");
        }
        assert_eq!(seen.exact.0.len(), seen.known.len());
    }

    #[test]
    fn a_service_of_many_places_is_known_by_each_of_them() {
        let at = |places: std::ops::Range<usize>| {
            let places: Vec<Value> = places.map(|number| json!({ "address": { "line1": format!("{number} Mill St") } })).collect();
            json!({ "name": "Immunization", "places": places })
        };
        assert_eq!(groups(&[at(0..500), at(321..322), at(500..501)]), [0, 0, 2]);
    }
}
