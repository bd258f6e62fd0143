//! The same service, listed twice.
//!
//! Directories overlap and repeat themselves. Two records are taken for one service where name and telephone agree, or name and
//! address, or where one provider has, at one point and for the same needs, two of nearly the same name.

use std::collections::HashMap;

use strsim::jaro_winkler;

use super::words::fold;
use crate::services::model::ServiceInput;
use crate::types::Phone;

/// How alike two names at one provider's door must be.
const NEARLY_THE_SAME: f64 = 0.92;

/// The services seen so far, by what tells them apart.
#[derive(Debug, Default)]
pub(super) struct Seen {
    exact: HashMap<String, usize>,
    at_the_door: HashMap<String, Vec<(String, usize)>>,
}

impl Seen {
    /// The group of an earlier service that this one repeats, else `new_group`, under which it is then known.
    pub(super) fn group_of(&mut self, service: &ServiceInput, new_group: usize) -> usize {
        let name = fold(&service.name);
        let keys = exact_keys(&name, service);
        let doors = door_keys(service);
        let alike = |known: &(String, usize)| (jaro_winkler(&known.0, &name) >= NEARLY_THE_SAME).then_some(known.1);
        let by_key = keys.iter().find_map(|key| self.exact.get(key).copied());
        let group =
            by_key.or_else(|| doors.iter().filter_map(|door| self.at_the_door.get(door)).flatten().find_map(alike)).unwrap_or(new_group);
        for key in keys {
            self.exact.entry(key).or_insert(group);
        }
        for door in doors {
            self.at_the_door.entry(door).or_default().push((name.clone(), group));
        }
        group
    }
}

/// Name with each telephone, name with each street address.
fn exact_keys(name: &str, service: &ServiceInput) -> Vec<String> {
    let phones = service.phones.iter().chain(service.places.iter().flat_map(|place| &place.phones));
    let by_phone = phones.map(digits).filter(|digits| digits.len() >= 7).map(|digits| format!("{name}|{digits}"));
    let addresses = service.places.iter().filter_map(|place| place.address.as_ref());
    let by_address = addresses.filter_map(|address| {
        let street = fold(address.line1.as_deref()?);
        Some(format!("{name}|{street}|{}", fold(address.city.as_deref().unwrap_or_default())))
    });
    by_phone.chain(by_address).collect()
}

/// Provider, needs and point, the point to about ten metres.
fn door_keys(service: &ServiceInput) -> Vec<String> {
    let provider = match (service.provider_id, service.provider_name.as_deref()) {
        (Some(id), _) => id.to_string(),
        (None, Some(name)) => fold(name),
        (None, None) => return Vec::new(),
    };
    let mut domains: Vec<&str> = service.need_domains.iter().map(|domain| domain.code.as_str()).collect();
    domains.sort_unstable();
    let points = service.places.iter().filter_map(|place| place.point);
    points.map(|point| format!("{provider}|{}|{:.4},{:.4}", domains.join(","), point.latitude, point.longitude)).collect()
}

/// The last ten digits: country codes are written or not.
fn digits(phone: &Phone) -> String {
    let digits: Vec<char> = phone.number.as_deref().unwrap_or(&phone.original).chars().filter(char::is_ascii_digit).collect();
    digits.iter().skip(digits.len().saturating_sub(10)).collect()
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
}
