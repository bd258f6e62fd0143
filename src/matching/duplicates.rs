//! The same service, listed twice.
//!
//! Directories overlap and repeat themselves. Two records are taken for one service where name and telephone agree, or name and
//! address, or where one provider has, at one point and for the same needs, two of nearly the same name; and where one telephone is
//! answered for the same needs and people under a longer and a shorter form of one name, not at different places.

use std::collections::{BTreeSet, HashMap};

use strsim::jaro_winkler;

use crate::services::duplicates::keys;
use crate::services::model::{DomainStrength, ServiceInput};
use crate::text::bare;

/// How alike two names at one provider's door must be.
const NEARLY_THE_SAME: f64 = 0.92;

/// The services seen so far, by what tells them apart.
#[derive(Debug, Default)]
pub(super) struct Seen {
    exact: HashMap<String, usize>,
    at_the_door: HashMap<String, Vec<(String, usize)>>,
    on_the_line: HashMap<String, Vec<(Called, usize)>>,
}

/// Under what name a telephone is answered, and where.
#[derive(Debug, Clone)]
struct Called {
    words: BTreeSet<String>,
    doors: BTreeSet<String>,
}

impl Called {
    fn new(name: &str, service: &ServiceInput) -> Self {
        let addresses = service.places.iter().filter_map(|place| place.address.as_ref());
        let doors = addresses.filter_map(|address| Some(bare(address.line1.as_deref()?)));
        Self { words: name.split(' ').map(str::to_owned).collect(), doors: doors.collect() }
    }

    /// Whether one name holds the other, and no two doors say that these are branches.
    fn is_also(&self, other: &Self) -> bool {
        let is_part = self.words.is_subset(&other.words) || other.words.is_subset(&self.words);
        is_part && (self.doors.is_empty() || other.doors.is_empty() || !self.doors.is_disjoint(&other.doors))
    }
}

impl Seen {
    /// The group of an earlier service that this one repeats, else `new_group`, under which it is then known.
    pub(super) fn group_of(&mut self, service: &ServiceInput, new_group: usize) -> usize {
        let name = bare(&service.name);
        let keys = exact_keys(&name, service);
        let doors = door_keys(service);
        let alike = |known: &(String, usize)| (jaro_winkler(&known.0, &name) >= NEARLY_THE_SAME).then_some(known.1);
        let by_key = keys.iter().find_map(|key| self.exact.get(key).copied());
        let by_door = || doors.iter().filter_map(|door| self.at_the_door.get(door)).flatten().find_map(alike);
        let (called, lines) = (Called::new(&name, service), line_keys(service));
        let by_line = || {
            let known = lines.iter().filter_map(|line| self.on_the_line.get(line)).flatten();
            known.filter(|(other, _)| other.is_also(&called)).map(|(_, group)| *group).next()
        };
        let group = by_key.or_else(by_door).or_else(by_line).unwrap_or(new_group);
        for key in keys {
            self.exact.entry(key).or_insert(group);
        }
        for door in doors {
            self.at_the_door.entry(door).or_default().push((name.clone(), group));
        }
        for line in lines {
            self.on_the_line.entry(line).or_default().push((called.clone(), group));
        }
        group
    }
}

/// Name with each telephone, name with each street address.
fn exact_keys(name: &str, service: &ServiceInput) -> Vec<String> {
    let by_phone = keys::lines(service).map(|line| format!("{name}|{line}"));
    let addresses = service.places.iter().filter_map(|place| place.address.as_ref());
    let by_address = addresses.filter_map(|address| {
        let street = bare(address.line1.as_deref()?);
        Some(format!("{name}|{street}|{}", bare(address.city.as_deref().unwrap_or_default())))
    });
    by_phone.chain(by_address).collect()
}

/// Provider, needs and point, the point to about ten metres.
fn door_keys(service: &ServiceInput) -> Vec<String> {
    let Some(provider) = keys::provider(service) else { return Vec::new() };
    let mut domains: Vec<&str> = service.need_domains.iter().map(|domain| domain.code.as_str()).collect();
    domains.sort_unstable();
    let points = service.places.iter().filter_map(|place| place.point);
    points.map(|point| format!("{provider}|{}|{}", domains.join(","), keys::spot(point))).collect()
}

/// Each telephone with the needs that the service meets and the people it is for; none where no need is known.
fn line_keys(service: &ServiceInput) -> Vec<String> {
    let direct = service.need_domains.iter().filter(|domain| domain.strength == DomainStrength::Direct);
    let needs: BTreeSet<&str> = direct.map(|domain| domain.code.as_str()).collect();
    if needs.is_empty() {
        return Vec::new();
    }
    let (rule, attributes) = (&service.eligibility, &service.attributes);
    let people: BTreeSet<&str> =
        [&rule.genders, &rule.populations, &attributes.populations_served].into_iter().flatten().map(String::as_str).collect();
    keys::lines(service).map(|line| format!("{line}|{needs:?}|{people:?}|{:?}|{:?}", rule.min_age, rule.max_age)).collect()
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
}
