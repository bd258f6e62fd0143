//! Where: the person's home, the places of a service, and the areas it takes people from.

use std::borrow::Cow;

use geo::{Contains, Coord, Distance, Haversine, LineString, Polygon};

use super::person::PersonLocation;
use super::words::fold;
use crate::postal_codes::{compact, is_canadian_prefix, province};
use crate::services::model::{AREA_SLACK_M, AreaKind, Place, PointPrecision, ServiceArea};
use crate::types::Point;

/// What is known of where the person is, made ready for comparing.
#[derive(Debug, Default)]
pub(super) struct Home {
    pub(super) point: Option<geo::Point>,
    postal_code: Option<String>,
    city: Option<String>,
    region: Option<String>,
    country: Option<String>,
}

impl Home {
    pub(super) fn new(location: &PersonLocation) -> Self {
        let postal_code = location.postal_code.as_deref().map(compact).filter(|code| !code.is_empty());
        let is_canadian = postal_code.as_deref().is_some_and(is_canadian_prefix);
        Self {
            point: location.point.map(geo_point),
            city: location.city.as_deref().map(fold).filter(|city| !city.is_empty()),
            region: region_of(location).map(Cow::into_owned),
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
        Some(fold(town) == self.city.as_deref()?)
    }

    /// Whether the words or the name of an area are those of the person's town, or hold them: "Kelowna and West Kelowna".
    pub(super) fn is_named_by(&self, areas: &[ServiceArea]) -> bool {
        let Some(city) = self.city.as_deref() else { return false };
        let names = |area: &ServiceArea| format!(" {} ", fold(&area.value)).contains(&format!(" {city} "));
        areas.iter().any(|area| matches!(area.kind, AreaKind::City | AreaKind::Text) && names(area))
    }

    /// Whether an area holds the person's home; `None` where that cannot be told.
    fn is_in(&self, area: &ServiceArea) -> Option<bool> {
        match area.kind {
            AreaKind::Country => Some(self.country.as_deref()?.eq_ignore_ascii_case(area.value.trim())),
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

    fn is_in_region(&self, value: &str) -> Option<bool> {
        let (country, region) = value.trim().split_once('-').map_or((None, value.trim()), |(country, region)| (Some(country), region));
        let is_other_country = country.zip(self.country.as_deref()).is_some_and(|(a, b)| !a.eq_ignore_ascii_case(b));
        if is_other_country {
            return Some(false);
        }
        Some(self.region.as_deref()?.eq_ignore_ascii_case(region))
    }

    fn is_in_city(&self, value: &str) -> Option<bool> {
        let (city, area) = (self.city.as_deref()?, fold(value));
        if city == area {
            return Some(true);
        }
        // A district or valley holds towns of other names: that another name is not it cannot be told.
        const WIDER: &[&str] =
            &["district", "region", "regional", "county", "valley", "area", "island", "islands", "comte", "mrc", "vallee", "ile"];
        if area.split(' ').any(|word| WIDER.contains(&word)) { None } else { Some(false) }
    }
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

/// The provinces and territories of Canada, each with those that it borders on or has a ferry to.
const NEIGHBOURS: &[(&str, &[&str])] = &[
    ("AB", &["BC", "SK", "NT"]),
    ("BC", &["AB", "YT", "NT"]),
    ("MB", &["SK", "ON", "NU"]),
    ("NB", &["QC", "NS", "PE"]),
    ("NL", &["QC", "NS"]),
    ("NS", &["NB", "PE", "NL", "QC"]),
    ("NT", &["YT", "NU", "BC", "AB", "SK"]),
    ("NU", &["NT", "MB"]),
    ("ON", &["MB", "QC"]),
    ("PE", &["NB", "NS", "QC"]),
    ("QC", &["ON", "NB", "NL", "NS", "PE"]),
    ("SK", &["AB", "MB", "NT"]),
    ("YT", &["BC", "NT"]),
];

/// Whether every place is in a Canadian province that is not the person's, and not beside it: far enough, though no point is known.
pub(super) fn is_provinces_away(home: &Home, places: &[Place]) -> bool {
    let Some((own, beside)) = home.region.as_deref().and_then(|region| NEIGHBOURS.iter().find(|(code, _)| *code == region)) else {
        return false;
    };
    let is_away = |place: &Place| {
        let region = place.address.as_ref().and_then(|address| address.region.as_deref());
        let region = region.map(|region| region.strip_prefix("CA-").unwrap_or(region));
        region.is_some_and(|region| region != *own && !beside.contains(&region) && NEIGHBOURS.iter().any(|(code, _)| *code == region))
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

/// The province or state: as given, or as the first letter of a Canadian postal code says.
pub(super) fn region_of(location: &PersonLocation) -> Option<Cow<'_, str>> {
    if let Some(region) = location.region.as_deref().map(str::trim).filter(|region| !region.is_empty()) {
        return Some(region.strip_prefix("CA-").unwrap_or(region).into());
    }
    let code = compact(location.postal_code.as_deref()?);
    if !is_canadian_prefix(&code) || location.country.as_deref().is_some_and(|country| country != "CA") {
        return None;
    }
    Some(province(&code)?.into())
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
}
