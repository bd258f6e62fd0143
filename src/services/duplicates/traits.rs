//! What a service may have in common with a duplicate, short enough to be kept of all services in memory.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::keys;
use crate::services::model::{PointPrecision, ServiceInput};
use crate::streets;
use crate::text::fold;

/// What kind of thing is in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TraitKind {
    /// A telephone.
    Phone,
    /// A street address, or a point to about ten metres.
    Place,
    /// A web page or an electronic mail address.
    Contact,
    /// The organization that gives it: its record, or its name where it has none.
    Provider,
    /// What that organization is called.
    ProviderName,
    /// A name together with a city, or with the provider: what is looked for, and nothing by itself.
    Name,
}

/// A trait: its kind and a fingerprint of it. The order has no meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Trait(u64);

impl Trait {
    const KIND_BITS: u32 = 3;

    fn new(kind: TraitKind, value: impl Hash) -> Self {
        // Without a random key: the same in all runs. A clash costs a comparison, or at worst a pair that somebody sets apart.
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        Self(hasher.finish() << Self::KIND_BITS | kind as u64)
    }

    /// Its kind.
    pub const fn kind(self) -> TraitKind {
        match self.0 & ((1 << Self::KIND_BITS) - 1) {
            0 => TraitKind::Phone,
            1 => TraitKind::Place,
            2 => TraitKind::Contact,
            3 => TraitKind::Provider,
            4 => TraitKind::ProviderName,
            _ => TraitKind::Name,
        }
    }

    /// This together with a city, by its [number](city): what is looked for where many have this.
    pub fn in_city(self, city: u32) -> Self {
        Self::new(TraitKind::Name, (self.0, city))
    }
}

/// A city by a number that is the same however its name is [written](streets::town): `Fort St. John` is `Fort Saint-John`. None where it
/// has no letter.
pub fn city(name: &str) -> Option<u32> {
    let name = streets::town(name);
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    u32::try_from(hasher.finish() >> 32).ok().filter(|_| !name.is_empty())
}

/// What services have in common whose provider is called so: `name` is that of the service, folded, `provider` is bare.
pub fn of_provider(name: &str, provider: &str) -> [Trait; 2] {
    [Trait::new(TraitKind::ProviderName, provider), Trait::new(TraitKind::Name, (name, provider))]
}

/// The traits of a service, rising, each once. What an organization is called that is named by its id is not among them: it may be called
/// otherwise without a new version of the service.
pub fn traits(service: &ServiceInput) -> Box<[Trait]> {
    let name = fold(&service.name);
    let mut found: Vec<Trait> = keys::lines(service).map(|line| Trait::new(TraitKind::Phone, line)).collect();
    for place in &service.places {
        if let Some(point) = place.point.filter(|_| place.point_precision != Some(PointPrecision::Area)) {
            found.push(Trait::new(TraitKind::Place, keys::spot(point)));
        }
        let Some(address) = &place.address else { continue };
        let city = streets::town(address.city.as_deref().unwrap_or_default());
        if let Some(street) = address.line1.as_deref().map(streets::street).filter(|street| !street.is_empty()) {
            found.push(Trait::new(TraitKind::Place, (street, &city)));
        }
        if !city.is_empty() {
            found.push(Trait::new(TraitKind::Name, (&name, &city)));
        }
    }
    let web = service.url.as_deref().map(|url| {
        let bare = url.trim_start_matches("https://").trim_start_matches("http://").trim_start_matches("www.");
        bare.trim_end_matches('/').to_lowercase()
    });
    let mail = service.email.as_deref().map(str::to_lowercase);
    found.extend([web, mail].into_iter().flatten().map(|contact| Trait::new(TraitKind::Contact, contact)));
    if let Some(provider) = keys::provider(service) {
        if service.provider_id.is_none() {
            found.extend(of_provider(&name, &provider));
        }
        found.push(Trait::new(TraitKind::Provider, provider));
    }
    found.sort_unstable();
    found.dedup();
    found.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_city_is_one_however_its_name_is_pointed() {
        assert_eq!(city("Fort St. John"), city("FORT  ST JOHN"));
        assert_eq!(city("Saint-Jérôme"), city("st jerome"));
        assert_ne!(city("Fort St. John"), city("Fort St. James"));
        assert_eq!(city(" — "), None);
    }

    #[test]
    fn a_street_of_a_city_is_one_however_both_are_written() {
        let at = |street: &str, city: &str| {
            let address = json!({ "line1": street, "city": city });
            let service: ServiceInput = serde_json::from_value(json!({ "name": "Choir", "places": [{ "address": address }] })).unwrap();
            traits(&service)
        };
        for (street, city) in [("12, rue Mill O.", "St. John"), ("#4 - 12 Mill Street West", "City of Saint-John")] {
            assert_eq!(at("12 Mill St W", "Saint John"), at(street, city), "{street}, {city}");
        }
        assert_ne!(at("12 Mill St W", "Saint John"), at("14 Mill St W", "Saint John"));
        assert_ne!(at("12 Mill St W", "Saint John"), at("12 Mill St W", "St. John's"));
        assert_eq!(at("—", "Saint John"), at(" ", "Saint John"), "neither is a place");
    }

    #[test]
    fn a_provider_is_one_however_its_name_is_pointed() {
        let by = |provider: &str| {
            let service: ServiceInput = serde_json::from_value(json!({ "name": "Choir", "provider_name": provider })).unwrap();
            traits(&service)
        };
        assert_eq!(by("Seniors’ Centre, Alder Falls"), by("Seniors' Centre Alder-Falls"));
        assert_ne!(by("Seniors’ Centre"), by("Youth Centre"));
    }
}
