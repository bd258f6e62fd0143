//! Where the record of a service comes from, and when it was last checked.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::db::types::Instant;

/// Where the record comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Provenance {
    /// The source's name, the `--source` of an import.
    #[schema(max_length = 200, example = "alder-falls-demo")]
    pub source: Option<String>,
    /// The record's key in the source.
    #[schema(max_length = 300, example = "svc-014")]
    pub record: Option<String>,
    /// The source's page for the record.
    #[schema(max_length = 1_000, example = "https://directory.example.ca/svc-014")]
    pub url: Option<String>,
    /// Licence of the record.
    #[schema(max_length = 300, example = "CC0-1.0")]
    pub licence: Option<String>,
    /// When it was last imported.
    pub imported_at: Option<Instant>,
    /// Where the source has it from, where the source is another directory of Kith.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// Where a record first came from, before it was passed on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Origin {
    /// The source's name there.
    #[schema(max_length = 200, example = "alder-falls-demo")]
    pub source: Option<String>,
    /// The record's key in that source.
    #[schema(max_length = 300, example = "svc-014")]
    pub record: Option<String>,
    /// The source's page for the record.
    #[schema(max_length = 1_000, example = "https://directory.example.ca/svc-014")]
    pub url: Option<String>,
    /// Licence of the record.
    #[schema(max_length = 300, example = "CC0-1.0")]
    pub licence: Option<String>,
    /// When it was imported there.
    pub imported_at: Option<Instant>,
    /// When it was last changed there.
    pub modified_at: Option<Instant>,
}

/// When the record was last checked, by whom, and when it should be again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Verification {
    /// Last check.
    #[schema(example = "2026-02-20")]
    pub last_verified_on: Option<NaiveDate>,
    /// Who checked.
    #[schema(max_length = 300, example = "Alder Valley 211")]
    pub verified_by: Option<String>,
    /// How it was checked, in words.
    #[schema(max_length = 300, example = "Telephone call")]
    pub method: Option<String>,
    /// When it is due again.
    #[schema(example = "2026-08-20")]
    pub next_review_due: Option<NaiveDate>,
}

impl Verification {
    /// For so many days a check is trusted where no review is due earlier.
    pub const TRUSTED_DAYS: u64 = 180;

    /// The last day on which the record is not stale; none where it was never verified.
    pub fn fresh_until(&self) -> Option<NaiveDate> {
        let trusted = self.last_verified_on?.checked_add_days(chrono::Days::new(Self::TRUSTED_DAYS))?;
        Some(self.next_review_due.map_or(trusted, |due| due.min(trusted)))
    }
}
