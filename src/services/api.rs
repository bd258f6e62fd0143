//! What callers read of services.

use chrono::NaiveDate;
use serde::Serialize;
use utoipa::ToSchema;

use super::capacity::api::ServiceCapacity;
use super::model::{Capacity, ServiceInput, Verification};
use super::row::ServiceRow;
use super::search::{Hit, ServiceFacets};
use crate::db::types::Instant;
use crate::kind::{OrganizationId, ServiceId};
use crate::responsiveness::Responsiveness;

/// A service of the directory.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Service {
    /// Its id.
    pub id: ServiceId,
    /// The organization that keeps this record. The one that gives the service is `provider_id`.
    pub organization_id: OrganizationId,
    /// Version, from 1; what the `ETag` begins with. A change of capacity is a new version too.
    #[schema(example = 1)]
    pub version: i64,
    /// When it was created.
    pub created_at: Instant,
    /// When it or its capacity was last changed.
    pub updated_at: Instant,
    /// What is written of it.
    #[serde(flatten)]
    pub content: ServiceInput,
    /// The room it has, as last said; null where nobody has. Where people stand on the list that Kith keeps all the same, it is `unknown`
    /// and says how many.
    pub capacity: Option<Capacity>,
    /// True where that was said more than 60 days ago: it counts half in search and matching. Null where nobody has said, and in the
    /// journal.
    #[schema(example = false)]
    pub capacity_is_stale: Option<bool>,
    /// The rooms that it counts apart from that, in order of their keys.
    pub capacities: Vec<ServiceCapacity>,
    /// How far the record can be trusted today; null in the journal.
    pub freshness: Option<Freshness>,
    /// The record that stands for it, where it was merged into another; seen in the journal only.
    pub merged_into_id: Option<ServiceId>,
    /// Services that it looks like and that somebody has found to be others.
    pub distinct_from_ids: Vec<ServiceId>,
    /// What the organization that gives it is called: that of `provider_id` as it is called today, or else `provider_name`. Where the
    /// organization has another name, lists and searches show it within a minute. Null where neither is said, and in the journal.
    #[schema(example = "Alder Falls Food Bank Society")]
    pub provided_by: Option<String>,
    /// How it answers referrals, where ten or more tell it. Shown in lists, searches and `GET` to whoever has the scope
    /// `referrals:write`; else null.
    pub responsiveness: Option<Responsiveness>,
    /// In the answer to a search, why it was found and how far it is; elsewhere null.
    pub hit: Option<SearchHit>,
}

/// How far a record can be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Freshness {
    /// True where it was never verified, not for 180 days, or its review is due.
    #[schema(example = false)]
    pub is_stale: bool,
    /// Days since it was last verified; null where it never was.
    #[schema(example = 12)]
    pub days_since_verified: Option<i64>,
    /// The last day on which it is not stale; null where it was never verified.
    #[schema(example = "2026-08-20")]
    pub fresh_until: Option<NaiveDate>,
}

impl Freshness {
    /// Of a record, on a day.
    pub fn on(today: NaiveDate, verification: &Verification) -> Self {
        let fresh_until = verification.fresh_until();
        Self {
            is_stale: fresh_until.is_none_or(|until| until < today),
            days_since_verified: verification.last_verified_on.map(|day| (today - day).num_days()),
            fresh_until,
        }
    }
}

/// Why a search found a service.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SearchHit {
    /// How good an answer it is, from 0 to 1. Only scores of the same search can be compared.
    #[schema(example = 0.82)]
    pub score: f64,
    /// Metres, as the crow flies, from `near` to the nearest place; null where no place has a point, or none is within the radius.
    #[schema(example = 1240)]
    pub distance_m: Option<u32>,
    /// The number, from 0, of that place in `places`, or of the first in the `bbox`.
    #[schema(example = 0)]
    pub place: Option<u16>,
    /// The words and phrases of `q` that the service answers to, in lower case and without accents.
    #[schema(example = json!(["food bank"]))]
    pub matched_terms: Vec<String>,
}

impl From<Hit> for SearchHit {
    fn from(hit: Hit) -> Self {
        Self { score: f64::from(hit.score) / 10_000.0, distance_m: hit.distance_m, place: hit.place, matched_terms: hit.terms }
    }
}

impl Service {
    /// The shape of a row, as the journal keeps it.
    pub fn of(row: ServiceRow) -> Self {
        let capacity = row.shown_room();
        Self {
            id: row.id,
            organization_id: row.organization_id,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            content: row.content.0,
            capacity,
            capacity_is_stale: None,
            capacities: row.capacities.0.into_iter().map(ServiceCapacity::from).collect(),
            freshness: None,
            merged_into_id: row.merged_into_id,
            distinct_from_ids: row.distinct_from.0,
            provided_by: None,
            responsiveness: None,
            hit: None,
        }
    }

    /// With its freshness, and that of its room, at a moment.
    pub fn at(mut self, now: Instant) -> Self {
        let today = now.utc().date_naive();
        self.freshness = Some(Freshness::on(today, &self.content.verification));
        let said = self.capacity.as_ref().filter(|capacity| !capacity.is_unsaid());
        self.capacity_is_stale = said.map(|capacity| capacity.is_stale(today));
        for room in &mut self.capacities {
            room.is_stale = Some(room.capacity.is_stale(today));
        }
        self
    }

    /// As anyone may see it: what link workers note for each other is left out.
    pub fn for_strangers(mut self) -> Self {
        self.content.connector_notes = None;
        self
    }
}

/// A page of a search.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ServicePage {
    /// The services, best first.
    pub items: Vec<Service>,
    /// The cursor of the next page; null on the last. The same is in the `Link` header of a GET.
    #[schema(example = "eyJ2IjoxLCJmIjo5LCJrIjoxfQ")]
    pub next: Option<String>,
    /// Counts over all that was found; null unless asked for.
    pub facets: Option<ServiceFacets>,
}
