//! What callers say and read of duplicates.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::{Validate, ValidationError};

use super::detection::{Pair, ServiceResemblance};
use crate::http::page::Limit;
use crate::http::schema::rule;
use crate::kind::ServiceId;
use crate::services::model::ServiceInput;
use crate::services::row::ServiceRow;

/// Which pages of duplicates.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ServiceDuplicateQuery {
    /// Pairs of a page.
    #[param(inline)]
    pub limit: Limit,
    /// Where to go on: `next` of the page before.
    #[param(max_length = 1000, example = "eyJ2IjoxLCJmIjo5LCJrIjoxfQ")]
    pub cursor: Option<String>,
}

/// Two records that may be one service.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ServiceDuplicate {
    /// How sure one can be, from 70 to 99.
    #[schema(minimum = 0, maximum = 100, example = 92)]
    pub score: u8,
    /// What they have in common.
    pub reasons: Vec<ServiceResemblance>,
    /// The two services of the pair.
    pub services: Vec<ServiceLookalike>,
}

/// A service as it is told apart.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ServiceLookalike {
    /// Its id.
    pub id: ServiceId,
    /// Its version, for `If-Match`.
    #[schema(example = 1)]
    pub version: i64,
    /// Its name.
    #[schema(example = "Alder Falls Food Bank")]
    pub name: String,
    /// The source that it is from; null where it was written by hand.
    #[schema(example = "valley-211")]
    pub source: Option<String>,
    /// Its key in the source.
    #[schema(example = "svc-014")]
    pub record: Option<String>,
}

impl From<&ServiceRow> for ServiceLookalike {
    fn from(row: &ServiceRow) -> Self {
        let provenance = &row.content.provenance;
        Self {
            id: row.id,
            version: row.version,
            name: row.name.clone(),
            source: provenance.source.clone(),
            record: provenance.record.clone(),
        }
    }
}

impl ServiceDuplicate {
    /// A pair whose services have been read.
    pub fn of(pair: &Pair, one: &ServiceRow, other: &ServiceRow) -> Self {
        Self { score: 100 - pair.rank.doubt, reasons: pair.reasons.clone(), services: vec![one.into(), other.into()] }
    }
}

/// Two services that look like one and are not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "are_two"))]
pub struct DuplicateDismissal {
    /// The two, in any order.
    #[schema(min_items = 2, max_items = 2, example = json!(["01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10", "01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a11"]))]
    pub service_ids: Vec<ServiceId>,
}

fn are_two(input: &DuplicateDismissal) -> Result<(), ValidationError> {
    match input.service_ids.as_slice() {
        [one, other] if one == other => Err(rule("/service_ids/1", "not_allowed", "is the same service")),
        _ => Ok(()),
    }
}

/// Which record is absorbed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ServiceMerge {
    /// The record that goes; all that belongs to it becomes the other's.
    pub duplicate_id: ServiceId,
}

/// Which record stands by itself again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ServiceUnmerge {
    /// The record that was merged into the service by mistake; all that came with it becomes its own again.
    pub duplicate_id: ServiceId,
}

/// What one source says of a service.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ServiceStatement {
    /// The record that says it: the service itself, or one that was merged into it.
    pub record_id: ServiceId,
    /// Whether these are the service's own words, which stand before those of others.
    #[schema(example = true)]
    pub is_own: bool,
    /// The source; null where it was written by hand.
    #[schema(example = "valley-211")]
    pub source: Option<String>,
    /// Whether the source still lists it; null where it was written by hand.
    #[schema(example = true)]
    pub is_listed: Option<bool>,
    /// What it says, with `source_fields`. What was merged does not run by itself, so that its status is `inactive`.
    pub content: ServiceInput,
}
