//! What callers read of a follow-up, and how they list them.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::model::{AttemptInput, AttemptRow, Cancellation, FollowUpInput, FollowUpResult, FollowUpRow, FollowUpStatus, Purpose};
use crate::db::types::Instant;
use crate::http::page::Limit;
use crate::identifiers::IdentifierToken;
use crate::kind::{ClientId, ContactAttemptId, FollowUpId, NeedId, OrganizationId, PatientId, PractitionerId, ReferralId};
use crate::text_enum;

/// A follow-up.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FollowUp {
    /// Its id.
    pub id: FollowUpId,
    /// The organization whose duty it is.
    pub organization_id: OrganizationId,
    /// Version, from 1; the `ETag`.
    #[schema(example = 1)]
    pub version: i64,
    /// When it was created.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
    /// How it stands.
    pub status: FollowUpStatus,
    /// When it was completed or cancelled.
    pub closed_at: Option<Instant>,
    /// What was heard; null unless it is completed.
    pub result: Option<FollowUpResult>,
    /// The needs that the result raised, as far as the caller sees them.
    pub new_need_ids: Vec<NeedId>,
    /// The follow-up that was planned when this one was completed, or given up.
    pub next_follow_up_id: Option<FollowUpId>,
    /// Why it will not be done; null unless it is cancelled.
    pub cancellation: Option<Cancellation>,
    /// What is written of it.
    #[serde(flatten)]
    pub content: FollowUpInput,
}

impl From<FollowUpRow> for FollowUp {
    fn from(row: FollowUpRow) -> Self {
        let content = row.input();
        let conclusion = row.conclusion.0;
        Self {
            id: row.id,
            organization_id: row.organization_id,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            status: row.status,
            closed_at: row.closed_at,
            result: conclusion.result,
            new_need_ids: conclusion.new_need_ids,
            next_follow_up_id: conclusion.next_follow_up_id,
            cancellation: conclusion.cancellation,
            content,
        }
    }
}

/// An attempt to reach a person.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ContactAttempt {
    /// Its id.
    pub id: ContactAttemptId,
    /// The follow-up.
    pub follow_up_id: FollowUpId,
    /// The organization that tried.
    pub organization_id: OrganizationId,
    /// The client that recorded it.
    pub client_id: Option<ClientId>,
    /// The person who acted in the client's system, as that system said.
    #[schema(example = "Dana Whitford")]
    pub on_behalf_of: Option<String>,
    /// When it was recorded.
    pub created_at: Instant,
    /// The attempt.
    #[serde(flatten)]
    pub content: AttemptInput,
}

impl From<AttemptRow> for ContactAttempt {
    fn from(row: AttemptRow) -> Self {
        Self {
            id: row.id,
            follow_up_id: row.follow_up_id,
            organization_id: row.organization_id,
            client_id: row.client_id,
            on_behalf_of: row.on_behalf_of,
            created_at: row.created_at,
            content: AttemptInput { at: Some(row.at), ..row.content.0 },
        }
    }
}

text_enum! {
    /// What an attempt did not keep to of what makes contact with the person safe.
    pub enum ContactWarningCode {
        /// A message was left, and none must be.
        NoVoicemail = "no_voicemail",
        /// A text message was sent, and none must be.
        NoTextMessages = "no_text_messages",
        /// The number or address is one that must never be used.
        DoNotContact = "do_not_contact",
        /// The number or address is one whose days are over, or have not begun.
        ContactNotValid = "contact_not_valid",
        /// It was made at a time that is not safe.
        OutsideSafeTimes = "outside_safe_times",
    }
}

/// What an attempt did not keep to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ContactWarning {
    /// The stable code of the warning.
    pub code: ContactWarningCode,
    /// The warning in words.
    #[schema(example = "The person asked that no voicemail be left.")]
    pub message: String,
}

/// A new attempt, and where it leaves the follow-up.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct NewContactAttempt {
    /// The follow-up as it now is.
    pub follow_up: FollowUp,
    /// What the attempt did not keep to of what makes contact with the person safe, as far as the caller sees that.
    pub warnings: Vec<ContactWarning>,
    /// The attempt.
    #[serde(flatten)]
    pub attempt: ContactAttempt,
}

/// How much was given to a person: what programs call the dose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct Dose {
    /// Times that the person was reached: attempts that reached them, and completed follow-ups with minutes of their own.
    #[schema(example = 6)]
    pub sessions: i64,
    /// Minutes given, in sessions.
    #[schema(example = 210)]
    pub minutes: i64,
    /// Weeks from the first session to the last, begun ones included.
    #[schema(example = 9)]
    pub weeks: i64,
    /// Attempts to reach the person, in vain or not.
    #[schema(example = 8)]
    pub attempts: i64,
    /// When the person was reached first.
    pub first_session_at: Option<Instant>,
    /// When the person was reached last.
    pub last_session_at: Option<Instant>,
    /// Days from the sending of the referral to the first session; null for a patient, and before both.
    #[schema(example = 4)]
    pub days_to_first_contact: Option<i64>,
}

/// The filters of the list of follow-ups.
#[derive(Debug, Clone, Default, Hash, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FollowUpQuery {
    /// Only those whose duty is this organization's: a program's worklist.
    #[param(inline)]
    pub organization_id: Option<OrganizationId>,
    /// Only those of this practitioner.
    #[param(inline)]
    pub practitioner_id: Option<PractitionerId>,
    /// Only of this referral.
    #[param(inline)]
    pub referral_id: Option<ReferralId>,
    /// Only of this patient.
    #[param(inline)]
    pub patient_id: Option<PatientId>,
    /// Only in these statuses; repeat for several.
    #[serde(default)]
    #[param(inline)]
    pub status: Vec<FollowUpStatus>,
    /// Only for these purposes; repeat for several.
    #[serde(default)]
    #[param(inline)]
    pub purpose: Vec<Purpose>,
    /// Only those due before this day.
    #[param(example = "2026-03-17")]
    pub due_before: Option<NaiveDate>,
    /// True: only open ones that were due before today. False: all others.
    #[param(example = true)]
    pub overdue: Option<bool>,
    /// Only with this identifier, as `system|value`.
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
