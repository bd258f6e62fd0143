//! What callers read of a referral and write to move it.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::{Validate, ValidationError};

use super::lifecycle::ReferralStatus;
use super::model::{
    BusinessStatus, ConsentGiven, MessageRow, Outcome, ReasonCode, ReferralInput, ReferralKind, ReferralRow, StatusReason,
    SupportIntensity, TransitionRow, consent_is_consistent,
};
use crate::db::types::Instant;
use crate::http::page::Limit;
use crate::http::schema::rule;
use crate::identifiers::IdentifierToken;
use crate::kind::{ClientId, OrganizationId, PatientId, PractitionerId, ReferralId, ReferralMessageId, ReferralTransitionId, ServiceId};
use crate::matching::Suggestions;
use crate::patients::api::PatientSummary;
use crate::services::model::{Capacity, ServiceStatus};
use crate::text_enum;

/// A referral.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Referral {
    /// Its id.
    pub id: ReferralId,
    /// The requester.
    pub organization_id: OrganizationId,
    /// Version, from 1; the `ETag`.
    #[schema(example = 2)]
    pub version: i64,
    /// When it was created.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
    /// Where the referral stands.
    pub status: ReferralStatus,
    /// Where it stands within its status, such as `awaiting_booking` (FHIR `Task.businessStatus`).
    pub business_status: Option<BusinessStatus>,
    /// Why it was rejected, put on hold, failed or cancelled.
    pub status_reason: StatusReason,
    /// What became of the referral; null unless it is completed. One that was completed before it was entered in error keeps what was said
    /// of it then, as it keeps all else: count it by its status.
    pub outcome: Option<Outcome>,
    /// When its status last changed.
    pub status_at: Instant,
    /// When it was sent.
    pub requested_at: Option<Instant>,
    /// The day by which the performer has to act next.
    #[schema(example = "2026-03-08")]
    pub due_on: Option<NaiveDate>,
    /// The person, as far as the caller may see: for the performer what the consent allows. Null in histories and lists.
    pub patient: Option<PatientSummary>,
    /// The service as it stands today. Null in histories and lists.
    pub service: Option<ServiceBrief>,
    /// What to know before relying on it: that the service is full or closed, that the person has been referred to it already, that nobody
    /// answers for the performer, that the consent has ended. Null in histories and lists.
    pub warnings: Option<Vec<Warning>>,
    /// What is written of it. To the performer whom the patient lets in no longer, nothing that tells of the person is shown: `reason`,
    /// `source_text` and the reasons of `offered` are null, and `plain_language_purpose` is empty.
    #[serde(flatten)]
    pub content: ReferralInput,
    /// The organization that manages the patient, which sees all of it.
    #[serde(skip)]
    pub manager_id: OrganizationId,
}

impl From<ReferralRow> for Referral {
    fn from(row: ReferralRow) -> Self {
        Self {
            content: row.input(),
            manager_id: row.manager_id,
            id: row.id,
            organization_id: row.organization_id,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            status: row.status,
            business_status: row.business_status,
            status_reason: row.status_reason.0,
            outcome: row.outcome,
            status_at: row.status_at,
            requested_at: row.requested_at,
            due_on: row.due_on,
            patient: None,
            service: None,
            warnings: None,
        }
    }
}

/// A service, in brief.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ServiceBrief {
    /// Its id.
    pub id: ServiceId,
    /// Its name.
    #[schema(example = "Alder Falls Food Bank")]
    pub name: String,
    /// Whether it runs.
    pub status: ServiceStatus,
    /// How much room it has, as far as it has said.
    pub capacity: Option<Capacity>,
}

text_enum! {
    /// What to know before relying on a referral.
    pub enum WarningCode {
        /// The service has no room.
        ServiceFull = "service_full",
        /// The service has a waiting list.
        ServiceWaitlist = "service_waitlist",
        /// The service takes nobody at present.
        ServiceClosed = "service_closed",
        /// What is known of the service's room was said more than 60 days ago.
        ServiceCapacityStale = "service_capacity_stale",
        /// The service does not run.
        ServiceInactive = "service_inactive",
        /// The service was deleted from the directory.
        ServiceDeleted = "service_deleted",
        /// The patient does not meet a rule of the service, such as its ages, as far as this caller may know; what to do is for people
        /// to decide.
        NotEligible = "not_eligible",
        /// Another open referral of the patient asks the same service, as far as the caller sees: one of the two is too many.
        AlreadyReferred = "already_referred",
        /// The patient's consent to the performer has ended since the referral was sent, or the patient was deleted: the performer no
        /// longer sees the patient, and cannot take them on.
        ConsentEnded = "consent_ended",
        /// The person waits for a place, and the service is given by another organization now than the one that the referral asks: none
        /// of its places is offered to them. Refer them to that organization, or somewhere else.
        ServiceGivenByAnother = "service_given_by_another",
        /// The provider has no system on Kith: somebody must tell them, and the requester records what becomes of it.
        PerformerNotConnected = "performer_not_connected",
    }
}

/// A warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Warning {
    /// The stable code of the warning.
    pub code: WarningCode,
    /// The warning in words.
    #[schema(example = "The service has no room at present.")]
    pub message: String,
}

/// The query of a creation.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CreateQuery {
    /// True keeps the referral back as a draft, to be sent by a transition to `requested`.
    #[serde(default)]
    #[param(example = false)]
    pub draft: bool,
}

/// A wish to change a referral's status, or its `business_status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "complete"))]
pub struct TransitionInput {
    /// The status to reach. The present one, to change only `business_status` or the assignment, or to leave a note.
    pub status: ReferralStatus,
    /// Where the referral then stands within its status (FHIR `Task.businessStatus`). The performer says it, and it must go with the status:
    /// else the answer is 422 `not_allowed`. Where absent, a new status has none, and within the present one it stays.
    #[serde(default)]
    pub business_status: Option<BusinessStatus>,
    /// Why; needed on entering rejected, on_hold, failed and cancelled, possible for entered_in_error. Of one that is on hold the performer
    /// may say another.
    #[serde(default)]
    pub reason: StatusReason,
    /// What became of it; needed for completed.
    #[serde(default)]
    pub outcome: Option<Outcome>,
    /// The performer's practitioner who does it from now on, as the performer assigns; unchanged where absent. Open follow-ups that were
    /// nobody's, or the one's who had it before, go with it.
    #[serde(default)]
    pub performer_practitioner_id: Option<PractitionerId>,
    /// How much support the performer gives, as it says itself; unchanged where absent.
    #[serde(default)]
    pub support_intensity: Option<SupportIntensity>,
    /// A word on it, which the other side reads.
    #[serde(default)]
    #[schema(max_length = 5_000, example = "She came to the first lunch and will come again.")]
    pub note: Option<String>,
    /// When a draft is sent, and at no other step: the patient's consent, where it is given with the referral.
    #[serde(default)]
    pub consent: Option<ConsentGiven>,
}

impl TransitionInput {
    /// The bare wish for a status.
    pub fn to(status: ReferralStatus) -> Self {
        Self {
            status,
            business_status: None,
            reason: StatusReason::default(),
            outcome: None,
            performer_practitioner_id: None,
            support_intensity: None,
            note: None,
            consent: None,
        }
    }
}

fn complete(input: &TransitionInput) -> Result<(), ValidationError> {
    let status = input.status;
    if !status.takes_reason() && input.reason != StatusReason::default() {
        return Err(rule("/reason", "not_allowed", "is for referrals that are rejected, on hold, failed, cancelled or entered in error"));
    }
    if input.reason.code == Some(ReasonCode::Other) && input.reason.text.as_deref().is_none_or(|text| text.trim().is_empty()) {
        return Err(rule("/reason/text", "required", "is required with the code other"));
    }
    if status.needs_outcome() && input.outcome.is_none() {
        return Err(rule("/outcome", "required", "is required for this status"));
    }
    if !status.needs_outcome() && input.outcome.is_some() {
        return Err(rule("/outcome", "not_allowed", "is for completed referrals only"));
    }
    consent_is_consistent(input.consent.as_ref(), "/consent/given_by_name")
}

impl TransitionInput {
    /// Whether it turns the person away for want of room.
    pub fn lacks_room(&self) -> bool {
        self.status == ReferralStatus::Rejected && self.reason.code == Some(ReasonCode::NoCapacity)
    }
}

/// A transition that was just made.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct NewReferralTransition {
    /// The transition.
    #[serde(flatten)]
    pub transition: ReferralTransition,
    /// Where the referral was rejected for want of room, where else the person could turn, as far as the caller sees them; else null.
    /// The requester finds what it sees of that at `GET /v1/referrals/{id}/alternatives`.
    pub alternatives: Option<Suggestions>,
}

/// A change of a referral's status: who, when, why.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ReferralTransition {
    /// Its id.
    pub id: ReferralTransitionId,
    /// The referral.
    pub referral_id: ReferralId,
    /// The status before; null for its creation.
    pub from: Option<ReferralStatus>,
    /// The status after.
    pub to: ReferralStatus,
    /// The organization that made it.
    pub organization_id: OrganizationId,
    /// The client that made it.
    pub client_id: Option<ClientId>,
    /// The person who acted in the client's system, as that system said.
    #[schema(example = "Dana Whitford")]
    pub on_behalf_of: Option<String>,
    /// When; of the first one of a referral that was imported as it stood, when it came there.
    pub created_at: Instant,
    /// Where the referral stands within the new status, such as `awaiting_booking` (FHIR `Task.businessStatus`).
    pub business_status: Option<BusinessStatus>,
    /// Why the referral was rejected, put on hold, failed or cancelled.
    pub reason: StatusReason,
    /// What became of the referral; null unless it is completed.
    pub outcome: Option<Outcome>,
    /// A note on the step.
    #[schema(example = "She came to the first lunch and will come again.")]
    pub note: Option<String>,
}

impl From<TransitionRow> for ReferralTransition {
    fn from(row: TransitionRow) -> Self {
        let content = row.content.0;
        Self {
            id: row.id,
            referral_id: row.referral_id,
            from: row.from_status,
            to: row.to_status,
            organization_id: row.organization_id,
            client_id: row.client_id,
            on_behalf_of: row.on_behalf_of,
            created_at: row.created_at,
            business_status: content.business_status,
            reason: content.reason,
            outcome: content.outcome,
            note: content.note,
        }
    }
}

/// A word to the other side of a referral.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct MessageInput {
    /// The message.
    #[schema(min_length = 1, max_length = 10_000, example = "Does she have a phone of her own?")]
    pub text: String,
    /// The practitioner who writes.
    #[serde(default)]
    pub practitioner_id: Option<PractitionerId>,
}

/// A message between the two sides of a referral.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ReferralMessage {
    /// Its id.
    pub id: ReferralMessageId,
    /// The referral.
    pub referral_id: ReferralId,
    /// The organization that wrote it.
    pub organization_id: OrganizationId,
    /// The client that sent it.
    pub client_id: Option<ClientId>,
    /// The person who acted in the client's system, as that system said.
    #[schema(example = "Dana Whitford")]
    pub on_behalf_of: Option<String>,
    /// When it was written.
    pub created_at: Instant,
    /// When the other side said that it has read it.
    pub acknowledged_at: Option<Instant>,
    /// Version, from 1.
    #[schema(example = 1)]
    pub version: i64,
    /// The message.
    #[serde(flatten)]
    pub content: MessageInput,
}

impl From<MessageRow> for ReferralMessage {
    fn from(row: MessageRow) -> Self {
        Self {
            id: row.id,
            referral_id: row.referral_id,
            organization_id: row.organization_id,
            client_id: row.client_id,
            on_behalf_of: row.on_behalf_of,
            created_at: row.created_at,
            acknowledged_at: row.acknowledged_at,
            version: row.version,
            content: row.content.0,
        }
    }
}

/// Says that messages have been read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct AcknowledgeInput {
    /// The last message read, of either side; those before it count as read too.
    pub up_to: ReferralMessageId,
}

/// How many messages were marked as read.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Acknowledged {
    /// How many messages were marked as read.
    #[schema(example = 2)]
    pub acknowledged: i64,
}

text_enum! {
    /// A side of the caller's referrals.
    pub enum Mailbox {
        /// Those that the caller's organization sent.
        Sent = "sent",
        /// Those that it received.
        Received = "received",
    }
}

/// The filters of the list of referrals.
#[derive(Debug, Clone, Default, Hash, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReferralQuery {
    /// Only those sent, or only those received.
    #[param(inline)]
    pub r#box: Option<Mailbox>,
    /// Only those of this requester.
    #[param(inline)]
    pub organization_id: Option<OrganizationId>,
    /// Only those that ask this performer.
    #[param(inline)]
    pub performer_organization_id: Option<OrganizationId>,
    /// Only in these statuses; repeat for several.
    #[serde(default)]
    #[param(inline)]
    pub status: Vec<ReferralStatus>,
    /// Only those that stand so within their status.
    #[param(inline)]
    pub business_status: Option<BusinessStatus>,
    /// Only of this kind.
    #[param(inline)]
    pub kind: Option<ReferralKind>,
    /// Only of this patient.
    #[param(inline)]
    pub patient_id: Option<PatientId>,
    /// Only to this service.
    #[param(inline)]
    pub service_id: Option<ServiceId>,
    /// Only onward from this referral.
    #[param(inline)]
    pub parent_id: Option<ReferralId>,
    /// Only those that this practitioner asked for or does.
    #[param(inline)]
    pub practitioner_id: Option<PractitionerId>,
    /// Only those on which the performer has to act before this day.
    #[param(example = "2026-03-17")]
    pub due_before: Option<NaiveDate>,
    /// Only those on which the performer should have acted before today, as the caller's own time zone has it.
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
