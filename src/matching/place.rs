//! Where: the person's home, the places of a service, and the areas it takes people from.

use std::borrow::Cow;

use chrono_tz::Tz;
use geo::{Contains, Coord, Distance, Haversine, LineString, Polygon};

use super::person::PersonLocation;
use crate::postal_codes::{compact, is_canadian_prefix, province};
use crate::provinces::{self, is_canada};
use crate::services::model::{AREA_SLACK_M, AreaKind, Place, PointPrecision, ServiceArea};
use crate::streets::{of_towns, town};
use crate::text::bare;
use crate::types::Point;

/// What is known of where the person is, made ready for comparing.
#[derive(Debug, Default)]
pub(super) struct Home {
    pub(super) point: Option<geo::Point>,
    postal_code: Option<String>,
    city: Option<String>,
    region: Option<Region>,
    country: Option<String>,
}

impl Home {
    pub(super) fn new(location: &PersonLocation) -> Self {
        let postal_code = location.postal_code.as_deref().map(compact).filter(|code| !code.is_empty());
        let region = region_of(location).map(|region| Region::of(&region, location.country.as_deref()));
        let is_canadian = postal_code.as_deref().is_some_and(is_canadian_prefix) || matches!(region, Some(Region::Province(_)));
        Self {
            point: location.point.map(geo_point),
            city: location.city.as_deref().and_then(|city| towns(city).into_iter().next()),
            region,
            country: location.country.clone().or_else(|| is_canadian.then(|| "CA".to_owned())),
            postal_code,
        }
    }

    /// Whether anything at all is known of where the person is.
    pub(super) const fn is_known(&self) -> bool {
        self.point.is_some() || self.postal_code.is_some() || self.city.is_some()
    }

    /// Whether a place is in the person's town; `None` where either is not known.
    pub(super) fn is_same_town(&self, place: &Place) -> Option<bool> {
        let town = place.address.as_ref()?.city.as_deref()?;
        Some(towns(town).first()? == self.city.as_deref()?)
    }

    /// Whether the words or the name of an area are those of the person's town, or hold them: "Kelowna and West Kelowna".
    pub(super) fn is_named_by(&self, areas: &[ServiceArea]) -> bool {
        let Some(city) = self.city.as_deref() else { return false };
        let names = |area: &ServiceArea| holds_words(&of_towns(&area.value), city);
        areas.iter().any(|area| matches!(area.kind, AreaKind::City | AreaKind::Text) && names(area))
    }

    /// Whether an area holds the person's home; `None` where that cannot be told.
    fn is_in(&self, area: &ServiceArea) -> Option<bool> {
        match area.kind {
            AreaKind::Country => Some(self.country.as_deref()?.eq_ignore_ascii_case(country_code(&area.value)?)),
            AreaKind::Region => self.is_in_region(&area.value),
            AreaKind::City => self.is_in_city(&area.value),
            AreaKind::PostalPrefix => {
                let (code, prefix) = (self.postal_code.as_deref()?, compact(&area.value));
                // A home known as `V0X` may or may not be in `V0X1A`.
                if prefix.len() > code.len() && prefix.starts_with(code) { None } else { Some(code.starts_with(&prefix)) }
            }
            AreaKind::Polygon => Some(ring(&area.ring)?.contains(&self.point?)),
            AreaKind::Text => None,
        }
    }

    /// Only two provinces, or two codes of one country, are certainly not the same.
    fn is_in_region(&self, value: &str) -> Option<bool> {
        let (country, words) = country_and_region(value);
        let countries = country.zip(self.country.as_deref());
        if countries.is_some_and(|(area, home)| !area.eq_ignore_ascii_case(home)) {
            return Some(false);
        }
        match (self.region.as_ref()?, Region::of(words, country)) {
            (Region::Province(home), Region::Province(area)) => Some(*home == area),
            (Region::Words(home), Region::Words(area)) if *home == area => Some(true),
            (Region::Words(home), Region::Words(area)) if countries.is_some() && is_code(home) && is_code(&area) => Some(false),
            _ => None,
        }
    }

    fn is_in_city(&self, value: &str) -> Option<bool> {
        let (city, towns) = (self.city.as_deref()?, towns(value));
        if towns.iter().any(|town| town == city) {
            return Some(true);
        }
        // A district or valley holds towns of other names: that another name is not it cannot be told, nor what else a list stands for.
        const WIDER: &[&str] = &[
            "agglomeration",
            "area",
            "comte",
            "county",
            "district",
            "grand",
            "greater",
            "ile",
            "island",
            "islands",
            "metro",
            "mrc",
            "region",
            "regional",
            "vallee",
            "valley",
        ];
        let area = of_towns(value);
        let may_hold_it = towns.len() != 1 || area.split(' ').any(|word| WIDER.contains(&word)) || holds_words(&area, city);
        if may_hold_it { None } else { Some(false) }
    }
}

/// A province of Canada, or the words for another region.
#[derive(Debug, PartialEq, Eq)]
enum Region {
    Province(&'static str),
    Words(String),
}

impl Region {
    fn of(words: &str, country: Option<&str>) -> Self {
        let province = is_canada(country).then(|| provinces::named(words)).flatten();
        province.map_or_else(|| Self::Words(bare(words)), |province| Self::Province(province.code))
    }
}

/// Whether words may be the code of a region.
fn is_code(words: &str) -> bool {
    matches!(words.len(), 1..=3) && words.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The country of an ISO 3166-2 code, and its region; all else is a region.
fn country_and_region(value: &str) -> (Option<&str>, &str) {
    let value = value.trim();
    let is_country = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    let parts = value.split_once('-').filter(|(country, region)| is_country(country) && is_code(region));
    parts.map_or((None, value), |(country, region)| (Some(country), region))
}

/// The code of a country; `None` where the words are not known.
fn country_code(value: &str) -> Option<&str> {
    let value = value.trim();
    if bare(value) == "canada" { Some("CA") } else { Some(value).filter(|value| value.len() == 2) }
}

/// The towns that words name, folded: `Kelowna and West Kelowna`, `City of Kelowna, BC`.
fn towns(words: &str) -> Vec<String> {
    let listed = words.split([',', ';', '/', '&']).map(bare);
    let names = listed.flat_map(|part| part.replace(" et ", " and ").split(" and ").map(str::to_owned).collect::<Vec<_>>());
    let mut towns: Vec<String> = names.map(|name| town(&name)).filter(|name| !name.is_empty()).collect();
    // The province after a town is not another; before one it may be Québec.
    while towns.len() > 1 && towns.last().is_some_and(|last| provinces::named(last).is_some()) {
        towns.pop();
    }
    towns
}

/// Whether folded text holds these folded words as they stand.
fn holds_words(text: &str, words: &str) -> bool {
    format!(" {text} ").contains(&format!(" {words} "))
}

/// Whether a service takes people from where the person lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Served {
    /// No area is named.
    Unnamed,
    /// The home is in one of the areas.
    Inside,
    /// It is in none of them.
    Outside,
    /// It cannot be told.
    Unclear,
}

pub(super) fn served(home: &Home, areas: &[ServiceArea]) -> Served {
    let mut served = if areas.is_empty() { Served::Unnamed } else { Served::Outside };
    for area in areas {
        match home.is_in(area) {
            Some(true) => return Served::Inside,
            None => served = Served::Unclear,
            Some(false) => {}
        }
    }
    served
}

/// Metres, as the crow flies, to the nearest place of a service from which a distance may be taken.
pub(super) fn nearest(home: &Home, places: &[Place]) -> Option<f64> {
    let from = home.point?;
    let located = |place: &Place| place.point.filter(|_| place.point_precision != Some(PointPrecision::Area));
    let distances = places.iter().filter_map(|place| Some(Haversine.distance(from, geo_point(located(place)?))));
    distances.min_by(f64::total_cmp)
}

/// How far away the nearest place is at the least, in metres; `None` where some place is not on the map and may be nearer. A point that
/// stands for an area may lie well beside the door.
pub(super) fn at_least_away(home: &Home, places: &[Place]) -> Option<f64> {
    let from = home.point?;
    let away = |place: &Place| {
        let metres = Haversine.distance(from, geo_point(place.point?));
        Some(if place.point_precision == Some(PointPrecision::Area) { (metres - AREA_SLACK_M).max(0.0) } else { metres })
    };
    let distances: Vec<f64> = places.iter().map(away).collect::<Option<_>>()?;
    distances.into_iter().min_by(f64::total_cmp)
}

/// Whether every place is in a Canadian province that is not the person's, and not beside it: far enough, though no point is known.
pub(super) fn is_provinces_away(home: &Home, places: &[Place]) -> bool {
    let Some(Region::Province(own)) = home.region else { return false };
    let is_away = |place: &Place| {
        let province = place.address.as_ref().and_then(provinces::of);
        province.is_some_and(|province| province.code != own && !province.neighbours.contains(&own))
    };
    !places.is_empty() && places.iter().all(is_away)
}

fn geo_point(point: Point) -> geo::Point {
    geo::Point::new(point.longitude, point.latitude)
}

fn ring(points: &[Point]) -> Option<Polygon> {
    let outer: LineString = points.iter().map(|point| Coord { x: point.longitude, y: point.latitude }).collect();
    (points.len() >= 3).then(|| Polygon::new(outer, Vec::new()))
}

/// The province or state: its code where it is one of Canada, else as given; or as the first letter of a Canadian postal code says.
pub(super) fn region_of(location: &PersonLocation) -> Option<Cow<'_, str>> {
    let is_canadian = is_canada(location.country.as_deref());
    if let Some(region) = location.region.as_deref().map(str::trim).filter(|region| !region.is_empty()) {
        let province = provinces::named(region).filter(|_| is_canadian);
        return Some(province.map_or(region, |province| province.code).into());
    }
    let code = compact(location.postal_code.as_deref()?);
    if !is_canadian_prefix(&code) || !is_canadian {
        return None;
    }
    Some(province(&code)?.into())
}

/// The time zone that somebody lives by: the usual one, that of who looks after them, where it is one of their province; else that of
/// most people there.
pub(super) fn zone(location: &PersonLocation, usual: Option<Tz>) -> Option<Tz> {
    let province = region_of(location).filter(|_| is_canada(location.country.as_deref())).and_then(|region| provinces::named(&region));
    match province {
        Some(province) => province.zone(usual),
        None => usual,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn home(location: serde_json::Value) -> Home {
        Home::new(&serde_json::from_value(location).unwrap())
    }

    fn in_area(location: serde_json::Value, kind: &str, value: &str) -> Served {
        served(&home(location), &[serde_json::from_value(json!({ "kind": kind, "value": value })).unwrap()])
    }

    #[test]
    fn an_area_by_code_is_checked_against_what_is_known_of_the_home() {
        let falls = || json!({ "postal_code": "v0x 1a0", "city": "Alder Falls" });
        assert_eq!(in_area(falls(), "postal_prefix", "V0X"), Served::Inside);
        assert_eq!(in_area(falls(), "postal_prefix", "V1Y"), Served::Outside);
        assert_eq!(in_area(falls(), "region", "CA-BC"), Served::Inside);
        assert_eq!(in_area(falls(), "region", "CA-ON"), Served::Outside);
        assert_eq!(in_area(falls(), "country", "CA"), Served::Inside);
        assert_eq!(in_area(falls(), "city", "ALDER FALLS"), Served::Inside);
        assert_eq!(in_area(falls(), "city", "Kelowna"), Served::Outside);
    }

    #[test]
    fn what_cannot_be_told_is_unclear() {
        assert_eq!(in_area(json!({ "postal_code": "V0X" }), "postal_prefix", "V0X1A"), Served::Unclear);
        assert_eq!(in_area(json!({ "postal_code": "V0X" }), "city", "Alder Falls"), Served::Unclear);
        assert_eq!(in_area(json!({ "city": "Alder Falls" }), "city", "Alder Valley Regional District"), Served::Unclear);
        assert_eq!(in_area(json!({ "city": "Alder Falls" }), "text", "The whole valley"), Served::Unclear);
        assert_eq!(in_area(json!({}), "country", "CA"), Served::Unclear);
    }

    #[test]
    fn a_time_zone_is_that_of_the_province_and_within_it_that_of_who_looks_after_the_person() {
        let of = |place: serde_json::Value, usual: Option<Tz>| zone(&serde_json::from_value(place).unwrap(), usual);
        let (vancouver, edmonton, toronto) = (Tz::America__Vancouver, Tz::America__Edmonton, Tz::America__Toronto);
        assert_eq!(of(json!({ "region": "BC" }), None), Some(vancouver));
        assert_eq!(of(json!({ "postal_code": "V0B 1G0" }), Some(edmonton)), Some(edmonton), "some of them live by Mountain Time");
        assert_eq!(of(json!({ "region": "British Columbia" }), Some(toronto)), Some(vancouver));
        assert_eq!(of(json!({}), Some(toronto)), Some(toronto));
        assert_eq!(of(json!({ "region": "WA", "country": "US" }), None), None);
    }

    #[test]
    fn a_polygon_holds_the_points_within() {
        let area = |latitude: f64| {
            let ring = json!([{ "latitude": 49.0, "longitude": -120.0 }, { "latitude": 50.0, "longitude": -120.0 }, { "latitude": 50.0, "longitude": -119.0 }, { "latitude": 49.0, "longitude": -119.0 }]);
            let home = home(json!({ "point": { "latitude": latitude, "longitude": -119.5 } }));
            served(&home, &[serde_json::from_value(json!({ "kind": "polygon", "value": "Valley", "ring": ring })).unwrap()])
        };
        assert_eq!(area(49.5), Served::Inside);
        assert_eq!(area(51.0), Served::Outside);
    }

    #[test]
    fn what_is_on_the_map_in_part_or_roughly_may_be_nearer_than_it_seems() {
        let home = home(json!({ "point": { "latitude": 49.0, "longitude": -120.0 } }));
        let near = json!({ "point": { "latitude": 49.01, "longitude": -120.0 } });
        let far = json!({ "point": { "latitude": 50.0, "longitude": -120.0 } });
        let town = json!({ "point": { "latitude": 49.5, "longitude": -120.0 }, "point_precision": "area" });
        let places = |places: serde_json::Value| serde_json::from_value::<Vec<Place>>(places).unwrap();
        let both = places(json!([far, near]));
        assert!((1_100.0..1_130.0).contains(&nearest(&home, &both).unwrap()));
        assert!((1_100.0..1_130.0).contains(&at_least_away(&home, &both).unwrap()));
        let with_town = places(json!([far, town]));
        assert!(nearest(&home, &with_town).unwrap() > 100_000.0, "no distance is taken from a town");
        assert!((30_000.0..31_000.0).contains(&at_least_away(&home, &with_town).unwrap()), "less what a town may be wide");
        assert_eq!(at_least_away(&home, &places(json!([far, { "name": "Hall" }]))), None);
        assert_eq!(at_least_away(&home, &[]), None);
    }

    #[test]
    fn a_province_is_the_same_by_its_code_and_by_its_names() {
        for home in ["BC", "CA-BC", "British Columbia", "Colombie-Britannique", "B.C.", "british columbia"] {
            for area in ["CA-BC", "BC", "British Columbia", "C.-B.", "Colombie-Britannique"] {
                assert_eq!(in_area(json!({ "region": home }), "region", area), Served::Inside, "{home} in {area}");
            }
            for area in ["CA-ON", "Ontario", "Québec", "Alta."] {
                assert_eq!(in_area(json!({ "region": home }), "region", area), Served::Outside, "{home} in {area}");
            }
        }
        assert_eq!(in_area(json!({ "postal_code": "V0X" }), "region", "British Columbia"), Served::Inside);
        assert_eq!(in_area(json!({ "region": "Terre-Neuve-et-Labrador" }), "region", "Newfoundland & Labrador"), Served::Inside);
    }

    #[test]
    fn a_region_or_country_in_words_that_are_not_known_is_unclear() {
        let valley = || json!({ "region": "BC", "country": "CA" });
        for area in ["Interior", "Okanagan", "Île-de-France", "BC Interior"] {
            assert_eq!(in_area(valley(), "region", area), Served::Unclear, "{area}");
        }
        assert_eq!(in_area(json!({ "region": "The Kootenays" }), "region", "CA-ON"), Served::Unclear);
        assert_eq!(in_area(json!({ "region": "WA", "country": "US" }), "region", "US-OR"), Served::Outside);
        assert_eq!(in_area(json!({ "region": "WA", "country": "US" }), "region", "US-WA"), Served::Inside);
        assert_eq!(in_area(json!({ "region": "WA", "country": "US" }), "region", "CA-BC"), Served::Outside);
        assert_eq!(in_area(json!({ "region": "NT", "country": "AU" }), "region", "CA-NT"), Served::Outside);
        assert_eq!(in_area(valley(), "country", "Canada"), Served::Inside);
        assert_eq!(in_area(valley(), "country", "US"), Served::Outside);
        assert_eq!(in_area(valley(), "country", "North America"), Served::Unclear);
    }

    #[test]
    fn a_town_is_known_by_its_name_in_a_longer_one() {
        let town = |area: &str| in_area(json!({ "city": "Kelowna" }), "city", area);
        for area in ["City of Kelowna", "Ville de Kelowna", "Kelowna and West Kelowna", "Peachland, Kelowna", "Peachland et Kelowna"] {
            assert_eq!(town(area), Served::Inside, "{area}");
        }
        for area in ["Greater Kelowna", "Kelowna (downtown)", "West Kelowna", "Central Okanagan Regional District", "Penticton and Oliver"]
        {
            assert_eq!(town(area), Served::Unclear, "{area}");
        }
        for area in ["City of Penticton", "Penticton"] {
            assert_eq!(town(area), Served::Outside, "{area}");
        }
        assert_eq!(in_area(json!({ "city": "Langford" }), "city", "Greater Victoria"), Served::Unclear);
        assert_eq!(in_area(json!({ "city": "City of Kelowna" }), "city", "Kelowna"), Served::Inside);
        assert_eq!(in_area(json!({ "city": "Fort St. John" }), "city", "Fort Saint John"), Served::Inside);
        assert_eq!(in_area(json!({ "city": "St. John" }), "city", "Greater Saint John"), Served::Unclear);
    }
}
