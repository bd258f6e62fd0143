//! What a referral is, and what moves it.

use chrono::NaiveDate;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::{Validate, ValidationError};

use super::api::MessageInput;
use super::lifecycle::ReferralStatus;
use crate::consents::model::{ConsentForm, ConsentGiver, DataCategory};
use crate::db::schema::{referral_messages, referral_transitions, referrals};
use crate::db::types::{Instant, Json};
use crate::http::schema::rule;
use crate::kind::{
    ClientId, MatchId, NeedId, OrganizationId, PatientId, PractitionerId, ReferralId, ReferralMessageId, ReferralTransitionId, ScreeningId,
    ServiceId,
};
use crate::text_enum;
use crate::types::Identifier;

text_enum! {
    /// Whom a referral asks.
    pub enum ReferralKind {
        /// A link-worker program: someone will sit down with the person.
        Navigation = "navigation",
        /// An agency that gives a service.
        Service = "service",
    }
}

text_enum! {
    /// Where a referral comes from: those that Canadian programs count.
    pub enum SourceType {
        /// A provider affiliated with a health authority.
        HealthAuthority = "health_authority",
        /// A community service or agency.
        CommunityService = "community_service",
        /// A family physician or primary care clinic.
        FamilyPhysician = "family_physician",
        /// A community living organization.
        CommunityLiving = "community_living",
        /// The person themself.
        SelfReferral = "self_referral",
        /// A member of the community.
        CommunityMember = "community_member",
        /// A neighbour or friend.
        NeighbourOrFriend = "neighbour_or_friend",
        /// A relative or caregiver.
        FamilyOrCaregiver = "family_or_caregiver",
        /// A link worker, onward from a navigation referral.
        LinkWorker = "link_worker",
        /// An information line such as 211 or 811.
        InformationLine = "information_line",
        /// Something else.
        Other = "other",
    }
}

text_enum! {
    /// How soon, as FHIR Task has it.
    #[derive(Default)]
    pub enum Priority {
        /// In its turn.
        #[default]
        Routine = "routine",
        /// Before the routine ones.
        Urgent = "urgent",
        /// As soon as possible.
        Asap = "asap",
    }
}

text_enum! {
    /// How much the person is given with the referral.
    pub enum ReferralSupport {
        /// Information only.
        Information = "information",
        /// Pointed to the service.
        Signpost = "signpost",
        /// Introduced in person or on the phone.
        WarmHandoff = "warm_handoff",
        /// Referred directly.
        DirectReferral = "direct_referral",
        /// Accompanied there.
        Accompanied = "accompanied",
        /// With a booked appointment.
        Booked = "booked",
    }
}

text_enum! {
    /// How much support the person gets from the performer.
    pub enum SupportIntensity {
        /// Pointed the way, once.
        Signposting = "signposting",
        /// A few conversations.
        Brief = "brief",
        /// Accompanied for months.
        Ongoing = "ongoing",
        /// Accompanied in all that matters to them, across services.
        Holistic = "holistic",
    }
}

text_enum! {
    /// Where a referral stands within its status (FHIR `Task.businessStatus`, CA:eReC). Each goes with some statuses only: nothing is
    /// booked before it is accepted.
    pub enum BusinessStatus {
        /// Waits for triage.
        AwaitingTriage = "awaiting_triage",
        /// Waits for something from the requester.
        AwaitingInformation = "awaiting_information",
        /// Waits for the first contact with the person.
        AwaitingContact = "awaiting_contact",
        /// Waits for an appointment to be booked.
        AwaitingBooking = "awaiting_booking",
        /// Has an appointment.
        Booked = "booked",
        /// On a waiting list.
        Waitlisted = "waitlisted",
        /// The person attended.
        Attended = "attended",
        /// The person did not come.
        NoShow = "no_show",
        /// A plan has been made with the person.
        PlanMade = "plan_made",
        /// Passed on to a service.
        ReferredOn = "referred_on",
    }
}

impl BusinessStatus {
    /// The statuses of which this is a finer word.
    pub const fn statuses(self) -> &'static [ReferralStatus] {
        use ReferralStatus::{Accepted, Cancelled, Completed, Failed, InProgress, OnHold, Received, Requested};
        match self {
            Self::AwaitingTriage => &[Requested, Received],
            Self::AwaitingInformation => &[Requested, Received, Accepted, InProgress, OnHold],
            Self::AwaitingContact | Self::AwaitingBooking | Self::Booked => &[Accepted, InProgress, OnHold],
            Self::Waitlisted => &[Received, Accepted, InProgress, OnHold],
            Self::Attended | Self::PlanMade | Self::ReferredOn => &[InProgress, OnHold, Completed],
            Self::NoShow => &[Accepted, InProgress, OnHold, Failed, Cancelled],
        }
    }
}

text_enum! {
    /// Why a referral was rejected, put on hold, failed or cancelled.
    pub enum ReasonCode {
        /// No room.
        NoCapacity = "no_capacity",
        /// The person is not eligible.
        NotEligible = "not_eligible",
        /// Not what this program does.
        OutOfScope = "out_of_scope",
        /// The person lives elsewhere.
        OutOfArea = "out_of_area",
        /// Nobody speaks the person's language.
        LanguageUnavailable = "language_unavailable",
        /// Something is missing.
        MissingInformation = "missing_information",
        /// The person could not be reached.
        UnableToContact = "unable_to_contact",
        /// The person did not want it.
        PersonDeclined = "person_declined",
        /// The person did not understand what the program is.
        DidNotUnderstandProgram = "did_not_understand_program",
        /// The need has passed.
        NoLongerNeeded = "no_longer_needed",
        /// The person has moved.
        Moved = "moved",
        /// The person has died.
        Deceased = "deceased",
        /// It has run out.
        Expired = "expired",
        /// Called off by the requester.
        CancelledByRequester = "cancelled_by_requester",
        /// Called off by the performer.
        CancelledByPerformer = "cancelled_by_performer",
        /// Something else, said in words.
        Other = "other",
    }
}

text_enum! {
    /// What became of a completed referral.
    pub enum Outcome {
        /// The need is met.
        NeedMet = "need_met",
        /// Part of it is.
        PartlyMet = "partly_met",
        /// The person found help elsewhere.
        ResourcedElsewhere = "resourced_elsewhere",
        /// The person is enrolled.
        Enrolled = "enrolled",
        /// The person attended.
        Attended = "attended",
        /// Information was given and that was all.
        InformationOnly = "information_only",
        /// The need is not met.
        NotMet = "not_met",
        /// Nobody knows.
        Unknown = "unknown",
    }
}

text_enum! {
    /// Who chose the service or program.
    pub enum ChosenBy {
        /// The person.
        Person = "person",
        /// The person with their worker.
        Together = "together",
        /// The referring professional.
        Professional = "professional",
        /// A relative or caregiver.
        Caregiver = "caregiver",
    }
}

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

text_enum! {
    /// What a person says to an offer.
    pub enum OfferDecision {
        /// Yes.
        Accepted = "accepted",
        /// No.
        Declined = "declined",
        /// Tell me more.
        MoreInformation = "more_information",
    }
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

    /// What is written, with what the columns know better: a merge moves the patient or the service, the performer assigns. The consent
    /// that came with it is a consent of its own once it is sent.
    pub fn input(&self) -> ReferralInput {
        ReferralInput {
            patient_id: self.patient_id,
            service_id: self.service_id,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finer_word_is_of_an_open_referral_and_none_of_one_that_nobody_has() {
        use ReferralStatus::{Draft, EnteredInError, Rejected};
        for word in BusinessStatus::ALL {
            assert!(word.statuses().iter().any(|status| status.is_open()), "{word}");
            assert!(![Draft, Rejected, EnteredInError].iter().any(|status| word.statuses().contains(status)), "{word}");
        }
    }
}
