//! What can be asked of the directory, and what is wrong with a question.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::db::types::Instant;
use crate::error::Fault;
use crate::http::page::Limit;
use crate::identifiers::IdentifierToken;
use crate::kind::OrganizationId;
use crate::services::index::{Bounds, distance_m};
use crate::services::model::{Accessibility, CapacityStatus, CostKind, PracticeCode, ServiceKind, ServiceStatus};
use crate::text_enum;
use crate::types::{DeliveryMode, Identifier, Point};

text_enum! {
    /// The order of a list of services.
    #[derive(Default)]
    pub enum ServiceSort {
        /// The best answer first: words, need, nearness and room weighed together.
        #[default]
        Relevance = "relevance",
        /// The nearest first, those without a distance last; needs `near`.
        Distance = "distance",
        /// By name.
        Name = "name",
    }
}

/// What is looked for. All conditions must hold; of a condition given several times, any one, unless it says all.
///
/// Directory data mostly is unknown. A condition on what a service *offers* (`free`, `language`, `open_at`, …) keeps only services known
/// to offer it; a condition on what a service *demands* of the person (`age`, `postal_code`, `near`) keeps those of which it is unknown.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ServiceQuery {
    /// Words to look for, English or French: without regard to accents, endings and small slips of spelling, and with what else a thing is
    /// called. The last word may be unfinished.
    #[schema(max_length = 300, example = "food hampers")]
    #[param(max_length = 300, example = "food hampers")]
    pub q: Option<String>,
    /// Need domains. Only services known or inferred to answer one.
    #[schema(max_items = 40, example = json!(["food-insecurity"]))]
    #[param(max_items = 40, example = json!(["food-insecurity"]))]
    pub need: Vec<String>,
    /// Latitude and longitude from which distances are taken. Keeps services with a place within `radius_km`, and those that need no place
    /// or whose place is not known; see `located`.
    #[schema(max_length = 60, example = "49.888,-119.496")]
    #[param(max_length = 60, example = "49.888,-119.496")]
    pub near: Option<String>,
    /// How far a place may be from `near`, in kilometres; 50 where absent.
    #[schema(minimum = 0, maximum = 20_000, example = 25.0)]
    #[param(minimum = 0, maximum = 20_000, example = 25.0)]
    pub radius_km: Option<f64>,
    /// True: only services with a place from which a distance can be taken.
    pub located: Option<bool>,
    /// West, south, east, north in degrees: only services with a place in this rectangle of the map.
    #[schema(max_length = 120, example = "-119.7,49.7,-119.2,50.0")]
    #[param(max_length = 120, example = "-119.7,49.7,-119.2,50.0")]
    pub bbox: Option<String>,
    /// Languages, by their primary subtag. Only services known to be given in one.
    #[schema(max_items = 20, example = json!(["pa"]))]
    #[param(max_items = 20, example = json!(["pa"]))]
    pub language: Vec<String>,
    /// Whether an interpreter will do for `language`; true where absent.
    pub with_interpreter: Option<bool>,
    /// A moment. Only services known to be open then.
    #[param(inline)]
    pub open_at: Option<Instant>,
    /// True: only services known to be open on weekdays at 17:00 or later. False: only those known not to be.
    pub evenings: Option<bool>,
    /// True: only services known to be open on Saturdays or Sundays. False: only those known not to be.
    pub weekends: Option<bool>,
    /// True: only services known to be free, or to ask for no more than a gift. False: only those known to ask something.
    pub free: Option<bool>,
    /// What it asks for. Only services known to ask one of these.
    #[schema(max_items = 10)]
    #[param(inline, max_items = 10)]
    pub cost: Vec<CostKind>,
    /// A price in minor units of `currency`: only services known to be free, with a price by income, or with some price not above it.
    #[schema(minimum = 0, example = 1000)]
    #[param(minimum = 0, example = 1000)]
    pub max_cost_minor: Option<i64>,
    /// ISO 4217 code of `max_cost_minor`; CAD where absent.
    #[schema(max_length = 3, example = "CAD")]
    #[param(max_length = 3, example = "CAD")]
    pub currency: Option<String>,
    /// How the service reaches people. Only services known to; one that has a place and does not say is taken to be in person.
    #[schema(max_items = 10)]
    #[param(inline, max_items = 10)]
    pub mode: Vec<DeliveryMode>,
    /// An age in years. Leaves out services known not to take it.
    #[schema(minimum = 0, maximum = 130, example = 67)]
    #[param(minimum = 0, maximum = 130, example = 67)]
    pub age: Option<u8>,
    /// Populations. Only services known to be for one, or made for one.
    #[schema(max_items = 20, example = json!(["newcomer"]))]
    #[param(max_items = 20, example = json!(["newcomer"]))]
    pub population: Vec<String>,
    /// Diets. Only services known to cater for all of them.
    #[schema(max_items = 20, example = json!(["halal"]))]
    #[param(max_items = 20, example = json!(["halal"]))]
    pub dietary: Vec<String>,
    /// Cultures. Only services known to centre one.
    #[schema(max_items = 20, example = json!(["francophone"]))]
    #[param(max_items = 20, example = json!(["francophone"]))]
    pub culture: Vec<String>,
    /// What has to be accessible. Only services known to have all of it, at whichever place.
    #[schema(max_items = 20)]
    #[param(inline, max_items = 20)]
    pub accessibility: Vec<Accessibility>,
    /// Practices. Only services known to have all of them.
    #[schema(max_items = 20)]
    #[param(inline, max_items = 20)]
    pub practice: Vec<PracticeCode>,
    /// Whether the service runs; active and temporarily closed ones where absent.
    #[schema(max_items = 10)]
    #[param(inline, max_items = 10)]
    pub status: Vec<ServiceStatus>,
    /// Whether the service takes people now, as its provider last said.
    #[schema(max_items = 10)]
    #[param(inline, max_items = 10)]
    pub capacity: Vec<CapacityStatus>,
    /// True: leaves out services that do not run, are full or closed, or take no referrals. False: only those.
    pub accepting: Option<bool>,
    /// True: only services that were never verified, were not for 180 days, or whose review is due. False: only the others.
    pub stale: Option<bool>,
    /// True: only services of whose room something was last said more than 60 days ago. False: only the others, those among them of which
    /// nobody has said anything. With `provider_id`, what an agency should look after.
    pub capacity_stale: Option<bool>,
    /// The organization that gives the service.
    #[schema(max_items = 50)]
    #[param(inline, max_items = 50)]
    pub provider_id: Vec<OrganizationId>,
    /// The organization that keeps the record.
    #[schema(max_items = 50)]
    #[param(inline, max_items = 50)]
    pub organization_id: Vec<OrganizationId>,
    /// What kind of entry it is.
    #[schema(max_items = 10)]
    #[param(inline, max_items = 10)]
    pub kind: Vec<ServiceKind>,
    /// Terms of other taxonomies: a code, or `taxonomy|code`.
    #[schema(max_items = 50, example = json!(["open-eligibility|1102"]))]
    #[param(max_items = 50, example = json!(["open-eligibility|1102"]))]
    pub taxonomy_term: Vec<String>,
    /// The longest walk from a stop in metres. Only services known to have a place that near to one.
    #[schema(minimum = 0, example = 400)]
    #[param(minimum = 0, example = 400)]
    pub transit_max_walk_m: Option<i32>,
    /// Cities, without regard to case and accents: where a place is, or whose people the service takes.
    #[schema(max_items = 50, example = json!(["Kelowna"]))]
    #[param(max_items = 50, example = json!(["Kelowna"]))]
    pub city: Vec<String>,
    /// A postal code or its beginning. Leaves out services whose area is postal codes that do not cover it.
    #[schema(max_length = 20, example = "V0X 1A0")]
    #[param(max_length = 20, example = "V0X 1A0")]
    pub postal_code: Option<String>,
    /// Only services whose record or capacity was changed at this moment or later. A change bears the moment at which it was being written,
    /// so ask for five minutes more than you have read; `GET /v1/changes` misses nothing.
    #[param(inline)]
    pub updated_since: Option<Instant>,
    /// A key in another system, as `system|value`.
    #[schema(max_length = 401, example = "https://211.example.ca|svc-014")]
    #[param(max_length = 401, example = "https://211.example.ca|svc-014")]
    pub identifier: Option<String>,
    /// The order; relevance where absent.
    #[param(inline)]
    pub sort: Option<ServiceSort>,
    /// True: the answer counts all that was found by need, language, mode and so on. Ask once, not with every page.
    pub facets: Option<bool>,
    /// Services of a page.
    #[param(inline)]
    pub limit: Limit,
    /// Where to go on: `next` of the page before, asked with the same conditions.
    #[schema(max_length = 4_000)]
    #[param(max_length = 4_000)]
    pub cursor: Option<String>,
}

/// The parts of a [`ServiceQuery`] that had to be read.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Parsed {
    /// The point and the metres around it.
    pub(super) near: Option<(Point, f64)>,
    pub(super) bounds: Option<Bounds>,
    /// Any of these; see [`IdentifierToken`].
    pub(super) identifiers: Option<Vec<Identifier>>,
    pub(super) currency: [u8; 3],
}

impl ServiceQuery {
    /// The radius around `near` where none is given.
    pub const DEFAULT_RADIUS_KM: f64 = 50.0;

    /// The order of the answer.
    pub fn order(&self) -> ServiceSort {
        self.sort.unwrap_or_default()
    }

    /// What is wrong with the question; pointers are the names of its members.
    pub fn faults(&self) -> Vec<Fault> {
        self.parse().err().unwrap_or_default()
    }

    /// The same question as asked for its first page: what a cursor belongs to.
    pub fn without_page(&self) -> Self {
        Self { limit: Limit::default(), cursor: None, facets: None, ..self.clone() }
    }

    /// Whether a point lies where the question asks for places; anywhere, where it asks nowhere.
    pub fn covers(&self, point: Point) -> bool {
        let Ok(Parsed { near, bounds, .. }) = self.parse() else { return false };
        near.is_none_or(|(centre, radius_m)| distance_m(centre, point) <= radius_m) && bounds.is_none_or(|bounds| bounds.contains(point))
    }

    pub(super) fn parse(&self) -> Result<Parsed, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut fault = |name: &str, code: &'static str, message: &str| faults.push(Fault::new(name, code, message));
        let near = self.near.as_deref().map(parse_point);
        if near == Some(None) {
            fault("near", "invalid_point", "must be latitude and longitude in degrees, such as 49.888,-119.496");
        }
        let bounds = self.bbox.as_deref().map(parse_bounds);
        if bounds == Some(None) {
            fault("bbox", "invalid_bbox", "must be west, south, east and north in degrees, such as -119.7,49.7,-119.2,50.0");
        }
        let identifier = self.identifier.as_deref().map(|text| text.parse::<IdentifierToken>().ok());
        if identifier == Some(None) {
            fault("identifier", "invalid_identifier", "must be system|value");
        }
        if self.near.is_none() {
            if self.radius_km.is_some() {
                fault("radius_km", "needs_near", "needs `near`");
            }
            if self.order() == ServiceSort::Distance {
                fault("sort", "needs_near", "by distance needs `near`");
            }
        }
        let radius_km = self.radius_km.unwrap_or(Self::DEFAULT_RADIUS_KM);
        if !(0.0..=20_000.0).contains(&radius_km) {
            fault("radius_km", "out_of_range", "must lie between 0 and 20000");
        }
        let currency = self.currency.as_deref().unwrap_or("CAD").as_bytes().try_into();
        if !currency.is_ok_and(|code: [u8; 3]| code.iter().all(u8::is_ascii_uppercase)) {
            fault("currency", "invalid_currency", "must be an ISO 4217 code such as CAD");
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Parsed {
            near: near.flatten().map(|point| (point, radius_km * 1_000.0)),
            bounds: bounds.flatten(),
            identifiers: identifier.flatten().map(|IdentifierToken(meant)| meant),
            currency: currency.unwrap_or_default(),
        })
    }
}

/// The moment of a question, and its date.
#[derive(Debug, Clone, Copy)]
pub(super) struct Today(pub(super) NaiveDate);

impl From<Instant> for Today {
    fn from(now: Instant) -> Self {
        Self(now.utc().date_naive())
    }
}

fn parse_degrees<const N: usize>(text: &str) -> Option<[f64; N]> {
    let degrees: Option<Vec<f64>> =
        text.split(',').map(|part| part.trim().parse().ok().filter(|number: &f64| number.is_finite())).collect();
    degrees?.try_into().ok()
}

fn parse_point(text: &str) -> Option<Point> {
    let [latitude, longitude] = parse_degrees(text)?;
    let is_on_earth = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
    is_on_earth.then_some(Point { latitude, longitude })
}

fn parse_bounds(text: &str) -> Option<Bounds> {
    let [west, south, east, north] = parse_degrees(text)?;
    let is_on_earth = [west, east].iter().all(|side| (-180.0..=180.0).contains(side)) && -90.0 <= south && south <= north && north <= 90.0;
    is_on_earth.then_some(Bounds { west, south, east, north })
}
