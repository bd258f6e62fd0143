//! What callers say and read of waiting lists.

use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::{Validate, ValidationError};

use super::model::{PassedOver, WaitlistDetails, WaitlistEntryRow, WaitlistStatus};
use crate::db::types::Instant;
use crate::http::page::Limit;
use crate::http::schema::rule;
use crate::kind::{OrganizationId, ReferralId, ServiceId, WaitlistEntryId};
use crate::referrals::model::{Priority, ReasonCode, StatusReason};

/// Somebody who is put on the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct WaitlistEntryInput {
    /// The referral that brought them: open, and to this service.
    pub referral_id: ReferralId,
    /// Which of the rooms that the service counts apart they wait for; absent for the default one.
    #[serde(default)]
    #[schema(max_length = 60, example = json!(null))]
    pub key: Option<String>,
    /// Since when they wait, where that was before today; now where absent.
    #[serde(default)]
    pub joined_at: Option<Instant>,
    /// What the agency says of it.
    #[serde(default)]
    pub details: Option<WaitlistDetailsInput>,
}

/// What the agency says of an entry, as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct WaitlistDetailsInput {
    /// How soon: whoever is more urgent is before those who have waited longer. As soon as the referral asks for where absent.
    pub priority: Option<Priority>,
    /// When a place is expected, where the agency knows better than its usual wait.
    #[schema(example = "2026-04-15")]
    pub expected_on: Option<NaiveDate>,
    /// A remark, which the requester reads.
    #[schema(max_length = 2_000, example = "Would also take the evening group.")]
    pub note: Option<String>,
}

impl WaitlistDetailsInput {
    /// What is said of an entry whose referral has this priority.
    pub fn for_referral_of(self, priority: Priority) -> WaitlistDetails {
        WaitlistDetails { priority: self.priority.unwrap_or(priority), expected_on: self.expected_on, note: self.note }
    }
}

impl From<WaitlistDetails> for WaitlistDetailsInput {
    fn from(details: WaitlistDetails) -> Self {
        Self { priority: Some(details.priority), expected_on: details.expected_on, note: details.note }
    }
}

/// Why a place is declined.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields, default)]
#[validate(schema(function = "explained"))]
pub struct PlaceRefusal {
    /// The reason, where one is known. It stands in the transition of the referral.
    pub reason: StatusReason,
}

fn explained(refusal: &PlaceRefusal) -> Result<(), ValidationError> {
    let StatusReason { code, text } = &refusal.reason;
    if *code == Some(ReasonCode::Other) && text.as_deref().is_none_or(|text| text.trim().is_empty()) {
        return Err(rule("/reason/text", "required", "is required with the code other"));
    }
    Ok(())
}

/// Somebody who waits for room at a service.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WaitlistEntry {
    /// Its id.
    pub id: WaitlistEntryId,
    /// The organization that keeps the list.
    pub organization_id: OrganizationId,
    /// The service.
    pub service_id: ServiceId,
    /// The referral that brought them.
    pub referral_id: ReferralId,
    /// Which of the rooms that the service counts apart they wait for; null for the default one.
    #[schema(example = json!(null))]
    pub key: Option<String>,
    /// How it stands.
    pub status: WaitlistStatus,
    /// Since when they wait.
    pub joined_at: Instant,
    /// Until when a place is kept for them, or was kept; null where none was offered.
    pub offer_expires_at: Option<Instant>,
    /// How many are before them, and one: by priority, then by since when they wait. Null once they wait no longer, and in the journal.
    #[schema(example = 3)]
    pub position: Option<i64>,
    /// When a place is likely: the day that the agency names, or else by the wait that it reports. Null where neither is known, once
    /// they wait no longer, and in the journal.
    #[schema(example = "2026-04-15")]
    pub likely_on: Option<NaiveDate>,
    /// Why they are passed over when a place opens, though they keep their place in the list; null where they are not. In the journal it
    /// stands where the entry was written for it.
    pub passed_over: Option<PassedOver>,
    /// What the agency says of it.
    pub details: WaitlistDetails,
    /// Version, from 1; the `ETag`.
    #[schema(example = 1)]
    pub version: i64,
    /// When it was written.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
}

impl From<WaitlistEntryRow> for WaitlistEntry {
    fn from(row: WaitlistEntryRow) -> Self {
        Self {
            key: row.key().map(str::to_owned),
            id: row.id,
            organization_id: row.organization_id,
            service_id: row.service_id,
            referral_id: row.referral_id,
            status: row.status,
            joined_at: row.joined_at,
            offer_expires_at: row.offer_expires_at,
            position: None,
            likely_on: None,
            passed_over: None,
            details: row.content.0,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl WaitlistEntry {
    /// With its position, and the day that follows from the wait in days, as it is on a day.
    pub fn at(self, today: NaiveDate, position: Option<i64>, wait_days: Option<i32>) -> Self {
        let by_wait = wait_days
            .and_then(|days| self.joined_at.utc().date_naive().checked_add_days(Days::new(u64::from(days.unsigned_abs()))))
            .map(|day| day.max(today));
        let likely_on = self.details.expected_on.or(by_wait).filter(|_| position.is_some());
        Self { position, likely_on, ..self }
    }
}

/// The filters of a waiting list.
#[derive(Debug, Clone, Default, Hash, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WaitlistQuery {
    /// Only those that stand so; repeat for several. Those who wait and those who have an offer, where absent.
    #[serde(default)]
    #[param(inline)]
    pub status: Vec<WaitlistStatus>,
    /// Only of this referral.
    #[param(inline)]
    pub referral_id: Option<ReferralId>,
    /// Items of a page.
    #[serde(default)]
    #[param(inline)]
    pub limit: Limit,
    /// Where to go on: `next` of the page before.
    #[param(max_length = 1000, example = "eyJ2IjoxLCJmIjo5LCJrIjoxfQ")]
    pub cursor: Option<String>,
}
