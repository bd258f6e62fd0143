//! What is kept of somebody who waits.

use chrono::NaiveDate;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::db::schema::waitlist_entries;
use crate::db::types::{Instant, Json};
use crate::kind::{OrganizationId, ReferralId, ServiceId, WaitlistEntryId};
use crate::referrals::model::Priority;
use crate::text_enum;

text_enum! {
    /// How an entry stands. Values may be added.
    pub enum WaitlistStatus {
        /// They wait.
        Waiting = "waiting",
        /// A place is kept for them until `offer_expires_at`.
        Offered = "offered",
        /// They have the place.
        Accepted = "accepted",
        /// They did not want the place that was offered.
        Declined = "declined",
        /// Nobody answered the offer in time.
        Expired = "expired",
        /// They wait no longer: they left, or the referral ended.
        Left = "left",
    }
}

impl WaitlistStatus {
    /// Those in which an entry stands in the list.
    pub const OPEN: [Self; 2] = [Self::Waiting, Self::Offered];
}

text_enum! {
    /// Why no place is offered to somebody who waits. Values may be added.
    pub enum PassedOver {
        /// Whom their referral asks does not see the patient any more, and may not take them on: the consent to it has ended, or the
        /// patient was deleted. They are offered the next place once the consent is given again.
        ConsentEnded = "consent_ended",
        /// Their referral asks another organization than the one that gives the service now: refer them to that one, or somewhere else.
        AsksAnotherOrganization = "asks_another_organization",
    }
}

/// What the agency says of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WaitlistDetails {
    /// How soon: whoever is more urgent is before those who have waited longer.
    pub priority: Priority,
    /// When a place is expected, where the agency knows better than its usual wait.
    #[schema(example = "2026-04-15")]
    pub expected_on: Option<NaiveDate>,
    /// A remark, which the requester reads.
    #[schema(max_length = 2_000, example = "Would also take the evening group.")]
    pub note: Option<String>,
}

/// A row of the table `waitlist_entries`.
#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = waitlist_entries, treat_none_as_default_value = false)]
pub struct WaitlistEntryRow {
    /// Its id.
    pub id: WaitlistEntryId,
    /// The organization that keeps the list.
    pub organization_id: OrganizationId,
    /// The service.
    pub service_id: ServiceId,
    /// The referral that brought them.
    pub referral_id: ReferralId,
    /// The key of the room that they wait for; empty for the default one.
    pub room: String,
    /// See [`WaitlistDetails::priority`].
    pub priority: Priority,
    /// What the list is ordered by first, the lowest before the others.
    pub priority_rank: i32,
    /// Since when they wait: what it is ordered by next.
    pub joined_at: Instant,
    /// How it stands.
    pub status: WaitlistStatus,
    /// Until when the place is kept, or was.
    pub offer_expires_at: Option<Instant>,
    /// What the agency says of it.
    pub content: Json<WaitlistDetails>,
    /// Version, from 1.
    pub version: i64,
    /// When it was written.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
}

impl WaitlistEntryRow {
    /// What entries are ordered by.
    pub const fn place(&self) -> (i32, Instant, WaitlistEntryId) {
        (self.priority_rank, self.joined_at, self.id)
    }

    /// The key of the room that they wait for; none for the default one.
    pub fn key(&self) -> Option<&str> {
        Some(self.room.as_str()).filter(|room| !room.is_empty())
    }

    /// Whether a place is kept for them at a moment.
    pub fn has_offer(&self, now: Instant) -> bool {
        self.status == WaitlistStatus::Offered && self.offer_expires_at.is_some_and(|end| end > now)
    }

    /// The next version, which stands so.
    pub fn becoming(&self, status: WaitlistStatus, at: Instant) -> Self {
        Self { status, version: self.version + 1, updated_at: at, ..self.clone() }
    }

    /// The next version, of which this is said.
    pub fn with_details(&self, details: WaitlistDetails, at: Instant) -> Self {
        let priority = details.priority;
        Self { priority, priority_rank: rank(priority), content: Json(details), version: self.version + 1, updated_at: at, ..self.clone() }
    }
}

/// The rank of a priority in a list, the lowest first.
pub const fn rank(priority: Priority) -> i32 {
    match priority {
        Priority::Asap => 0,
        Priority::Urgent => 1,
        Priority::Routine => 2,
    }
}
