//! Search results as points on a map (RFC 7946).

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::model::{PointPrecision, ServiceKind, ServiceStatus};
use super::row::ServiceRow;
use super::search::{Hit, ServiceQuery};
use crate::kind::ServiceId;
use crate::types::Address;

/// The media type.
pub const MEDIA_TYPE: &str = "application/geo+json";

/// The places of the services of a page. Points that stand for an area only are left out.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FeatureCollection {
    /// `FeatureCollection`.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "FeatureCollection")]
    pub kind: &'static str,
    /// The places, in the order of their services.
    pub features: Vec<Feature>,
    /// The cursor of the next page; null on the last. The same is in the `Link` header.
    #[schema(example = "eyJ2IjoxLCJmIjo5LCJrIjoxfQ")]
    pub next: Option<String>,
}

/// A place of a service.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Feature {
    /// `Feature`.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "Feature")]
    pub kind: &'static str,
    /// The service's id and the number of the place: unique in the collection.
    #[schema(example = "01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10/0")]
    pub id: String,
    /// Where it is.
    pub geometry: PointGeometry,
    /// What it is.
    pub properties: FeatureProperties,
}

/// A GeoJSON point.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PointGeometry {
    /// `Point`.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "Point")]
    pub kind: &'static str,
    /// Longitude and latitude in degrees: east before north.
    #[schema(example = json!([-119.496, 49.888]))]
    pub coordinates: [f64; 2],
}

/// What a map shows of a place.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FeatureProperties {
    /// The service.
    pub service_id: ServiceId,
    /// The number, from 0, of the place in the service's `places`.
    #[schema(example = 0)]
    pub place: usize,
    /// The service's name.
    #[schema(example = "Alder Falls Food Bank")]
    pub name: String,
    /// The place's name.
    #[schema(example = "Mill Street Hall")]
    pub place_name: Option<String>,
    /// Its address.
    pub address: Option<Address>,
    /// The kind of entry.
    pub kind: ServiceKind,
    /// Whether the service runs.
    pub status: ServiceStatus,
    /// The need domains it answers.
    #[schema(example = json!(["food-insecurity"]))]
    pub need_domains: Vec<String>,
    /// Its web site.
    #[schema(example = "https://alderfoodbank.example.ca")]
    pub url: Option<String>,
    /// How well the point stands for the place.
    pub point_precision: PointPrecision,
    /// Metres from `near`, of the service's nearest place only.
    #[schema(example = 1240)]
    pub distance_m: Option<u32>,
}

impl FeatureCollection {
    /// The places of these services that lie where the query asked.
    pub fn of(found: &[(Arc<ServiceRow>, Hit)], query: &ServiceQuery, next: Option<String>) -> Self {
        let features = found.iter().flat_map(|(service, hit)| features(service, hit, query));
        Self { kind: "FeatureCollection", features: features.collect(), next }
    }
}

fn features<'a>(service: &'a ServiceRow, hit: &'a Hit, query: &'a ServiceQuery) -> impl Iterator<Item = Feature> + 'a {
    let content = &service.content;
    content.places.iter().enumerate().filter_map(move |(number, place)| {
        let precision = place.point_precision.unwrap_or(PointPrecision::Exact);
        let point = place.point.filter(|point| precision != PointPrecision::Area && query.covers(*point))?;
        Some(Feature {
            kind: "Feature",
            id: format!("{}/{number}", service.id),
            geometry: PointGeometry { kind: "Point", coordinates: [point.longitude, point.latitude] },
            properties: FeatureProperties {
                service_id: service.id,
                place: number,
                name: content.name.clone(),
                place_name: place.name.clone(),
                address: place.address.clone(),
                kind: content.kind,
                status: content.status,
                need_domains: content.need_domains.iter().map(|domain| domain.code.clone()).collect(),
                url: content.url.clone(),
                point_precision: precision,
                distance_m: hit.distance_m.filter(|_| hit.place.map(usize::from) == Some(number)),
            },
        })
    })
}
