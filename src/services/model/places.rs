//! Where a service is given, and whose people it takes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Schedule;
use crate::text_enum;
use crate::types::{Address, Identifier, LanguageTag, Phone, Point, Term};

text_enum! {
    /// How well a point stands for the place.
    pub enum PointPrecision {
        /// The door.
        Exact = "exact",
        /// The street or neighbourhood.
        Approximate = "approximate",
        /// Some point of the town, region or head office: no distance should be taken from it.
        Area = "area",
    }
}

/// How far a point that stands for an area may lie from the door, in metres.
pub const AREA_SLACK_M: f64 = 25_000.0;

text_enum! {
    /// What makes a place usable for a person with a disability.
    pub enum Accessibility {
        /// Step-free for wheelchairs and walkers.
        Wheelchair = "wheelchair",
        /// An accessible washroom.
        AccessibleWashroom = "accessible_washroom",
        /// Accessible parking.
        AccessibleParking = "accessible_parking",
        /// An elevator.
        Elevator = "elevator",
        /// A hearing loop.
        HearingLoop = "hearing_loop",
        /// Sign language.
        SignLanguage = "sign_language",
        /// Braille or large print.
        LargePrint = "large_print",
        /// Quiet, low stimulus.
        LowSensory = "low_sensory",
        /// Help for people with a cognitive impairment or dementia.
        CognitiveSupport = "cognitive_support",
        /// Service animals are welcome.
        ServiceAnimals = "service_animals",
        /// Scent-free.
        ScentFree = "scent_free",
    }
}

/// How a place is reached by public transport.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Transit {
    /// Nearest stop.
    #[schema(max_length = 200, example = "Mill St at 3rd Ave")]
    pub nearest_stop: Option<String>,
    /// Walk from that stop in metres.
    #[schema(minimum = 0, maximum = 100_000, example = 180)]
    pub walk_m: Option<i32>,
    /// Routes that stop there.
    #[schema(value_type = Vec<Term>, max_items = 50, example = json!(["4", "11"]))]
    pub routes: Vec<String>,
}

/// A place where the service is given.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Place {
    /// The place's name.
    #[schema(max_length = 300, example = "Mill Street Hall")]
    pub name: Option<String>,
    /// Where it is.
    pub address: Option<Address>,
    /// Its point on the map.
    pub point: Option<Point>,
    /// How well the point stands for the place; exact where absent.
    pub point_precision: Option<PointPrecision>,
    /// What is known to be accessible there.
    #[schema(max_items = 20)]
    pub accessibility: Vec<Accessibility>,
    /// Accessibility in words.
    #[schema(max_length = 2_000, example = "Ramp at the side door.")]
    pub accessibility_text: Option<String>,
    /// How it is reached by bus.
    pub transit: Option<Transit>,
    /// Telephones of this place.
    #[schema(max_items = 20)]
    pub phones: Vec<Phone>,
    /// Opening times at this place; where given they win over the service's, whose times of closing count here too.
    #[schema(max_items = 100)]
    pub schedules: Vec<Schedule>,
    /// Languages spoken here, where they differ from the service's. BCP 47.
    #[schema(value_type = Vec<LanguageTag>, max_items = 50, example = json!(["en", "fr"]))]
    pub languages: Vec<String>,
    /// The source's keys for the place.
    #[schema(max_items = 20)]
    pub identifiers: Vec<Identifier>,
}

text_enum! {
    /// How an area of service is described.
    pub enum AreaKind {
        /// A whole country, by ISO 3166-1 code.
        Country = "country",
        /// A province or state, by ISO 3166-2 code such as `CA-BC`.
        Region = "region",
        /// A city, town or district, by name.
        City = "city",
        /// Postal codes that start with the value.
        PostalPrefix = "postal_prefix",
        /// A polygon.
        Polygon = "polygon",
        /// Words only: cannot be checked.
        Text = "text",
    }
}

/// An area whose people the service takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceArea {
    /// How the area is described.
    pub kind: AreaKind,
    /// The code, name, prefix or words.
    #[schema(min_length = 1, max_length = 1_000, example = "V0X")]
    pub value: String,
    /// For a polygon, its outer ring, closed or not; at least three points.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 2_000)]
    pub ring: Vec<Point>,
}
