//! What callers read of a practitioner, and how they list them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::model::{PractitionerInput, PractitionerRole, PractitionerRow};
use crate::db::types::Instant;
use crate::error::{Error, Result};
use crate::http::page::Limit;
use crate::identifiers::IdentifierToken;
use crate::kind::{OrganizationId, PractitionerId};

/// A practitioner. Other organizations see the public profile: telephones, mail, caseload limit and identifiers are null or empty.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Practitioner {
    /// Their id.
    pub id: PractitionerId,
    /// The organization that they act for.
    pub organization_id: OrganizationId,
    /// Version, from 1; the `ETag`.
    #[schema(example = 1)]
    pub version: i64,
    /// When they were created.
    pub created_at: Instant,
    /// When they were last changed.
    pub updated_at: Instant,
    /// What is written of them.
    #[serde(flatten)]
    pub content: PractitionerInput,
}

impl Practitioner {
    /// The practitioner as an organization sees them.
    #[must_use]
    pub fn seen_by(self, organization: OrganizationId) -> Self {
        if self.organization_id == organization { self } else { Self { content: self.content.public(), ..self } }
    }

    /// The public profile of a practitioner as the journal has them.
    pub fn recorded(body: Value) -> Result<Value> {
        let Value::Object(mut members) = body else { return Ok(body) };
        let empty = serde_json::to_value(PractitionerInput::default()).map_err(Error::internal)?;
        let Value::Object(empty) = empty else { return Ok(Value::Object(members)) };
        let is_content = |key: &str| empty.contains_key(key);
        let known = members.iter().filter(|(key, _)| is_content(key)).map(|(key, value)| (key.clone(), value.clone()));
        let content: PractitionerInput = serde_json::from_value(Value::Object(known.collect())).map_err(Error::internal)?;
        if let Value::Object(shown) = serde_json::to_value(content.public()).map_err(Error::internal)? {
            members.extend(shown);
        }
        Ok(Value::Object(members))
    }
}

impl From<PractitionerRow> for Practitioner {
    fn from(row: PractitionerRow) -> Self {
        Self {
            id: row.id,
            organization_id: row.organization_id,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            content: row.content.0,
        }
    }
}

/// The filters of the list of practitioners.
#[derive(Debug, Clone, Default, Hash, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PractitionerQuery {
    /// Only of this organization.
    #[param(inline)]
    pub organization_id: Option<OrganizationId>,
    /// Only with this role.
    #[param(inline)]
    pub role: Option<PractitionerRole>,
    /// Only those who work in this language. BCP 47; `pa` finds `pa-CA`.
    #[param(max_length = 35, example = "pa")]
    pub language: Option<String>,
    /// Words of the name, in any case and without accents.
    #[param(max_length = 200, example = "gill")]
    pub name: Option<String>,
    /// Only those that are active, or that are not.
    #[param(example = true)]
    pub is_active: Option<bool>,
    /// Only with this identifier, as `system|value`, of the caller's own organization: others do not show theirs.
    #[param(inline)]
    pub identifier: Option<IdentifierToken>,
    /// Only those changed at or after this moment. A change bears the moment at which it was being written, so ask for five minutes more
    /// than you have read; `GET /v1/changes` misses nothing.
    #[param(inline)]
    pub updated_since: Option<Instant>,
    /// Items of a page.
    #[serde(default)]
    #[param(inline)]
    pub limit: Limit,
    /// Where to go on: `next` of the page before.
    #[param(max_length = 1000, example = "eyJ2IjoxLCJmIjo5LCJrIjoxfQ")]
    pub cursor: Option<String>,
}

/// The patients whom a practitioner accompanies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct Caseload {
    /// Active patients whose primary navigator the practitioner is.
    #[schema(example = 23)]
    pub patients: i64,
    /// Those of need level high, who count three.
    #[schema(example = 5)]
    pub high: i64,
    /// Those of need level medium, who count two.
    #[schema(example = 10)]
    pub medium: i64,
    /// Those of need level low, who count one.
    #[schema(example = 6)]
    pub low: i64,
    /// Those without a need level, or without one that the practitioner's organization may see, who count one.
    #[schema(example = 2)]
    pub unknown: i64,
    /// The sum of what they count.
    #[schema(example = 43)]
    pub weighted: i64,
    /// The most that the practitioner takes; null: no limit is set.
    #[schema(example = 60)]
    pub max_caseload: Option<i32>,
    /// Whether the limit is reached; null without one.
    #[schema(example = false)]
    pub is_full: Option<bool>,
}

impl Caseload {
    /// Patients of need level high, medium, low and of none, against a limit.
    pub fn new([high, medium, low, unknown]: [i64; 4], max_caseload: Option<i32>) -> Self {
        let weighted = 3 * high + 2 * medium + low + unknown;
        let is_full = max_caseload.map(|limit| weighted >= i64::from(limit));
        Self { patients: high + medium + low + unknown, high, medium, low, unknown, weighted, max_caseload, is_full }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caseload_counts_by_need_level_and_knows_its_limit() {
        let caseload = Caseload::new([1, 2, 3, 4], Some(14));
        assert_eq!((caseload.patients, caseload.weighted, caseload.is_full), (10, 14, Some(true)));
        assert_eq!(Caseload::new([0; 4], None).is_full, None);
    }
}
