//! What a referral is, and what moves it.

use chrono::NaiveDate;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::{Validate, ValidationError};

use super::api::MessageInput;
pub use super::codes::{
    BusinessStatus, ChosenBy, OfferDecision, Outcome, Priority, ReasonCode, ReferralKind, ReferralSupport, SourceType, SupportIntensity,
};
use super::lifecycle::ReferralStatus;
use crate::consents::model::{ConsentForm, ConsentGiver, DataCategory};
use crate::db::schema::{referral_messages, referral_transitions, referrals};
use crate::db::types::{Instant, Json};
use crate::http::kept::Edition;
use crate::http::schema::rule;
use crate::kind::{
    ClientId, MatchId, NeedId, OrganizationId, PatientId, PractitionerId, ReferralId, ReferralMessageId, ReferralTransitionId, ScreeningId,
    ServiceId,
};
use crate::types::Identifier;

/// A service that was offered to the person, and what they said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// The service.
    pub service_id: ServiceId,
    /// What the person said; not asked or not answered where absent.
    #[serde(default)]
    pub decision: Option<OfferDecision>,
    /// Why, in the person's words.
    #[serde(default)]
    #[schema(max_length = 1_000, example = "Too far without a car.")]
    pub reason: Option<String>,
}

/// A text in one language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LocalizedText {
    /// BCP 47 tag.
    #[schema(pattern = "^[a-z]{2,3}(-[A-Za-z0-9]{1,8})*$", example = "en")]
    pub language: String,
    /// The text.
    #[schema(min_length = 1, max_length = 5_000, example = "Someone from the program will call you this week to ask what would help.")]
    pub text: String,
}

/// What is written of a referral.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "consistent"))]
pub struct ReferralInput {
    /// The person it is for.
    pub patient_id: PatientId,
    /// Whom it asks: a link worker program (`navigation`) or a service (`service`).
    pub kind: ReferralKind,
    /// The organization that is asked. For a service referral the service's provider where absent.
    #[serde(default)]
    pub performer_organization_id: Option<OrganizationId>,
    /// The service; needed for a service referral.
    #[serde(default)]
    pub service_id: Option<ServiceId>,
    /// The referral that this one goes on from, and that may go on from another: at most 100 of them.
    #[serde(default)]
    pub parent_id: Option<ReferralId>,
    /// Keys in other systems.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub identifiers: Vec<Identifier>,
    /// Who or what the referral comes from.
    pub source_type: SourceType,
    /// More about the source: who, from where.
    #[serde(default)]
    #[schema(max_length = 500, example = "Dr. Osei, Alder Falls Family Clinic")]
    pub source_text: Option<String>,
    /// The practitioner who asks.
    #[serde(default)]
    pub requester_practitioner_id: Option<PractitionerId>,
    /// The practitioner who is asked, where one is. Once the referral is sent, the performer alone assigns.
    #[serde(default)]
    pub performer_practitioner_id: Option<PractitionerId>,
    /// The needs it serves.
    #[serde(default)]
    #[schema(max_items = 40)]
    pub need_ids: Vec<NeedId>,
    /// The screening it comes from.
    #[serde(default)]
    pub screening_id: Option<ScreeningId>,
    /// The match it was chosen from.
    #[serde(default)]
    pub match_id: Option<MatchId>,
    /// Who chose this service or program.
    #[serde(default)]
    pub chosen_by: Option<ChosenBy>,
    /// What else was offered, and what the person said.
    #[serde(default)]
    #[schema(max_items = 50)]
    pub offered: Vec<Offer>,
    /// How urgent the referral is.
    #[serde(default)]
    pub priority: Priority,
    /// How much the person is given with it.
    #[serde(default)]
    pub support: Option<ReferralSupport>,
    /// How much support the person is to get. Once the referral is sent, the performer alone says so, when it moves the referral.
    #[serde(default)]
    pub support_intensity: Option<SupportIntensity>,
    /// Why the person is referred, in words for the performer.
    #[serde(default)]
    #[schema(max_length = 10_000, example = "Lives alone since her husband died in spring; would like company and a ride.")]
    pub reason: Option<String>,
    /// What it is for, in plain words for the person, by language.
    #[serde(default)]
    #[schema(max_items = 10)]
    pub plain_language_purpose: Vec<LocalizedText>,
    /// The patient's consent to the performer, where it is given with the referral. When the referral is sent it becomes a consent, which
    /// is read, and withdrawn, as such: it is null here from then on. It is for the patient and the performer whom the draft names: where
    /// one of them changes it goes, unless another consent is said with the change; to say the same once more is not another.
    #[serde(default)]
    pub consent: Option<ConsentGiven>,
    /// When the performer should have acknowledged it; from the performer's policy where absent.
    #[serde(default)]
    #[schema(example = "2026-03-03")]
    pub acknowledge_by: Option<NaiveDate>,
    /// When the performer should have decided; from the performer's policy where absent.
    #[serde(default)]
    #[schema(example = "2026-03-08")]
    pub decide_by: Option<NaiveDate>,
    /// When the person should have been reached first; from the performer's policy where absent.
    #[serde(default)]
    #[schema(example = "2026-03-13")]
    pub first_contact_by: Option<NaiveDate>,
}

fn consistent(input: &ReferralInput) -> Result<(), ValidationError> {
    match input.kind {
        ReferralKind::Service if input.service_id.is_none() => Err(rule("/service_id", "required", "is required for a service referral")),
        ReferralKind::Navigation if input.performer_organization_id.is_none() && input.service_id.is_none() => {
            Err(rule("/performer_organization_id", "required", "is required for a navigation referral that names no program"))
        }
        _ => consent_is_consistent(input.consent.as_ref(), "/consent/given_by_name"),
    }
}

/// A related person who gives a consent has a name.
pub fn consent_is_consistent(consent: Option<&ConsentGiven>, pointer: &str) -> Result<(), ValidationError> {
    let is_nameless = |given: &ConsentGiven| given.given_by == ConsentGiver::RelatedPerson && given.given_by_name.is_none();
    if consent.is_some_and(is_nameless) {
        return Err(rule(pointer, "required", "is required where a related person gave the consent"));
    }
    Ok(())
}

/// The patient's consent to the performer, given with the referral: who may see what, and how it was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentGiven {
    /// Which data; summary, contact and needs where absent, as far as the requester sees them. The summary is always included.
    #[serde(default)]
    #[schema(min_items = 1, max_items = 9, example = json!(["summary", "contact", "needs"]))]
    pub categories: Option<Vec<DataCategory>>,
    /// How it was given.
    pub form: ConsentForm,
    /// Who gave it.
    #[serde(default)]
    pub given_by: ConsentGiver,
    /// The name of the related person who gave it.
    #[serde(default)]
    #[schema(max_length = 200, example = "Anaïs Tremblay")]
    pub given_by_name: Option<String>,
    /// Who that person is to the patient.
    #[serde(default)]
    #[schema(max_length = 100, example = "daughter, power of attorney")]
    pub given_by_relationship: Option<String>,
    /// Until when it holds; null: until withdrawn.
    #[serde(default)]
    pub valid_until: Option<Instant>,
    /// What was said or agreed.
    #[serde(default)]
    #[schema(max_length = 2_000, example = "Agrees that the program calls her; not in the evening.")]
    pub note: Option<String>,
}

/// Why a referral stands where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StatusReason {
    /// The code of the reason.
    pub code: Option<ReasonCode>,
    /// In words; needed with the code `other`.
    #[schema(max_length = 2_000, example = "The group is full until May.")]
    pub text: Option<String>,
}

/// What of a referral tells where it stands in a list, and how much of it somebody sees.
#[derive(Debug, Clone, Copy, Queryable)]
pub struct ReferralHead {
    /// Its id.
    pub id: ReferralId,
    /// How it stands.
    pub edition: Edition,
    /// The requester, who owns it.
    pub organization_id: OrganizationId,
    /// The organization that manages the patient.
    pub manager_id: OrganizationId,
    /// The organization that is asked.
    pub performer_id: Option<OrganizationId>,
    /// The person.
    pub patient_id: PatientId,
    /// When it was sent.
    pub requested_at: Option<Instant>,
}

/// A row of the table `referrals`.
#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = referrals, treat_none_as_default_value = false)]
pub struct ReferralRow {
    /// Its id.
    pub id: ReferralId,
    /// The requester, who owns it.
    pub organization_id: OrganizationId,
    /// The person.
    pub patient_id: PatientId,
    /// The organization that is asked; absent where the service's provider is not known to Kith.
    pub performer_id: Option<OrganizationId>,
    /// The service.
    pub service_id: Option<ServiceId>,
    /// The referral that this one goes on from.
    pub parent_id: Option<ReferralId>,
    /// See [`ReferralKind`].
    pub kind: ReferralKind,
    /// See [`ReferralStatus`].
    pub status: ReferralStatus,
    /// Where it stands within its status.
    pub business_status: Option<BusinessStatus>,
    /// Why it stands there.
    pub status_reason: Json<StatusReason>,
    /// What became of it.
    pub outcome: Option<Outcome>,
    /// See [`Priority`].
    pub priority: Priority,
    /// The practitioner who asks.
    pub requester_practitioner_id: Option<PractitionerId>,
    /// The practitioner who does it.
    pub performer_practitioner_id: Option<PractitionerId>,
    /// The day by which the performer has to act next: acknowledge, decide or reach the person; absent when nothing is due.
    pub due_on: Option<NaiveDate>,
    /// When it was sent.
    pub requested_at: Option<Instant>,
    /// When its status last changed.
    pub status_at: Instant,
    /// The content as written.
    pub content: Json<ReferralInput>,
    /// Version, from 1.
    pub version: i64,
    /// When it was created.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
    /// When it was deleted; drafts only.
    pub deleted_at: Option<Instant>,
    /// The organization that manages the patient.
    pub manager_id: OrganizationId,
    /// When the consent was written that a draft brings, where that was after the draft itself. What moves the draft, or changes the rest of
    /// it, does not renew that.
    pub consent_at: Option<Instant>,
}

impl ReferralRow {
    /// Whether it names the same patient, parties, service and people, of the same kind and priority.
    pub fn names_the_same_as(&self, other: &Self) -> bool {
        (self.patient_id, self.manager_id, self.performer_id) == (other.patient_id, other.manager_id, other.performer_id)
            && (self.service_id, self.parent_id, self.kind, self.priority)
                == (other.service_id, other.parent_id, other.kind, other.priority)
            && (self.requester_practitioner_id, self.performer_practitioner_id)
                == (other.requester_practitioner_id, other.performer_practitioner_id)
    }

    /// The organization that it asks: the requester itself where no performer is named, for then the requester acts as that.
    pub fn asked(&self) -> OrganizationId {
        self.performer_id.unwrap_or(self.organization_id)
    }

    /// A new draft of this requester, for a patient of this manager.
    pub fn draft(id: ReferralId, requester: OrganizationId, manager: OrganizationId, input: ReferralInput, at: Instant) -> Self {
        Self {
            id,
            organization_id: requester,
            patient_id: input.patient_id,
            performer_id: input.performer_organization_id,
            service_id: input.service_id,
            parent_id: input.parent_id,
            kind: input.kind,
            status: ReferralStatus::Draft,
            business_status: None,
            status_reason: Json(StatusReason::default()),
            outcome: None,
            priority: input.priority,
            requester_practitioner_id: input.requester_practitioner_id,
            performer_practitioner_id: input.performer_practitioner_id,
            due_on: None,
            requested_at: None,
            status_at: at,
            content: Json(input),
            version: 1,
            created_at: at,
            updated_at: at,
            deleted_at: None,
            manager_id: manager,
            consent_at: None,
        }
    }

    /// What is written, with what the columns know better: a merge moves the patient or the service, the performer assigns and is found by
    /// its column. The consent that came with it is a consent of its own once it is sent.
    pub fn input(&self) -> ReferralInput {
        ReferralInput {
            patient_id: self.patient_id,
            service_id: self.service_id,
            performer_organization_id: self.performer_id,
            performer_practitioner_id: self.performer_practitioner_id,
            consent: self.content.consent.clone().filter(|_| self.requested_at.is_none()),
            ..self.content.0.clone()
        }
    }
}

/// A row of the table `referral_transitions`.
#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = referral_transitions, treat_none_as_default_value = false)]
pub struct TransitionRow {
    /// Its id.
    pub id: ReferralTransitionId,
    /// The organization that made it.
    pub organization_id: OrganizationId,
    /// The referral.
    pub referral_id: ReferralId,
    /// The status before; absent for the creation.
    pub from_status: Option<ReferralStatus>,
    /// The status after.
    pub to_status: ReferralStatus,
    /// Why, and what came of it.
    pub content: Json<TransitionContent>,
    /// The client that made it.
    pub client_id: Option<ClientId>,
    /// The person who acted in the client's system.
    pub on_behalf_of: Option<String>,
    /// When; for the creation, when the status began that the referral has from then on.
    pub created_at: Instant,
}

/// What a transition says beside the statuses.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TransitionContent {
    /// Where the referral stands within the new status.
    pub business_status: Option<BusinessStatus>,
    /// Why.
    pub reason: StatusReason,
    /// What became of it.
    pub outcome: Option<Outcome>,
    /// A word on it.
    pub note: Option<String>,
}

/// A row of the table `referral_messages`.
#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = referral_messages, treat_none_as_default_value = false)]
pub struct MessageRow {
    /// Its id.
    pub id: ReferralMessageId,
    /// The organization that wrote it.
    pub organization_id: OrganizationId,
    /// The referral.
    pub referral_id: ReferralId,
    /// The message.
    pub content: Json<MessageInput>,
    /// The client that sent it.
    pub client_id: Option<ClientId>,
    /// The person who acted in the client's system.
    pub on_behalf_of: Option<String>,
    /// When the other side said that it has read it.
    pub acknowledged_at: Option<Instant>,
    /// Version, from 1.
    pub version: i64,
    /// When it was written.
    pub created_at: Instant,
}
