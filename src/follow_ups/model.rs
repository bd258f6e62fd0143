//! What a follow-up is, how it ends, and the attempts on the way.

use chrono::NaiveDate;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::{Validate, ValidationError};

use crate::db::schema::{contact_attempts, follow_ups};
use crate::db::types::{Instant, Json};
use crate::http::kept::Edition;
use crate::http::schema::rule;
use crate::kind::{ClientId, ContactAttemptId, FollowUpId, NeedId, OrganizationId, PatientId, PractitionerId, ReferralId};
use crate::text_enum;
use crate::types::{DeliveryMode, DomainCode, Identifier, find_domain};

text_enum! {
    /// What a follow-up is for.
    pub enum Purpose {
        /// To reach the person for the first time.
        FirstContact = "first_contact",
        /// To hear how it goes.
        CheckIn = "check_in",
        /// To deal with what stands in the way.
        BarrierReview = "barrier_review",
        /// To see what has come of it.
        OutcomeReview = "outcome_review",
        /// To take leave.
        Closing = "closing",
    }
}

text_enum! {
    /// How a follow-up stands.
    pub enum FollowUpStatus {
        /// It is to be done.
        Open = "open",
        /// The person was reached, and there is a result.
        Completed = "completed",
        /// It will not be done.
        Cancelled = "cancelled",
    }
}

text_enum! {
    /// Why a follow-up will not be done.
    pub enum CancellationCode {
        /// The person did not want it.
        PersonDeclined = "person_declined",
        /// The attempts to reach the person have run out.
        UnableToContact = "unable_to_contact",
        /// The referral was closed.
        ReferralClosed = "referral_closed",
        /// It has no object any more.
        NoLongerNeeded = "no_longer_needed",
        /// There is another one.
        Duplicate = "duplicate",
        /// Something else, said in words.
        Other = "other",
    }
}

text_enum! {
    /// What came of an attempt.
    pub enum AttemptOutcome {
        /// Nobody answered.
        NoAnswer = "no_answer",
        /// A message was left.
        Voicemail = "voicemail",
        /// The person was reached.
        Reached = "reached",
        /// The number or address is not the person's.
        WrongNumber = "wrong_number",
        /// The person was reached and did not want to speak.
        Declined = "declined",
    }
}

impl AttemptOutcome {
    /// True where the person does not know of the attempt, or has not answered it yet.
    pub const fn is_in_vain(self) -> bool {
        matches!(self, Self::NoAnswer | Self::Voicemail | Self::WrongNumber)
    }
}

text_enum! {
    /// How much the person makes use of what was suggested.
    pub enum Utilisation {
        /// Has not begun.
        NotStarted = "not_started",
        /// Now and then.
        Occasional = "occasional",
        /// Regularly.
        Regular = "regular",
        /// Has been to the end.
        Finished = "finished",
        /// Has left off.
        Stopped = "stopped",
    }
}

text_enum! {
    /// How the person is, compared with before.
    pub enum Progress {
        /// Better.
        Better = "better",
        /// The same.
        Same = "same",
        /// Worse.
        Worse = "worse",
    }
}

text_enum! {
    /// Whether the need is met.
    pub enum NeedMet {
        /// Yes.
        Yes = "yes",
        /// In part.
        Partly = "partly",
        /// No.
        No = "no",
    }
}

text_enum! {
    /// What stands in the way of taking part.
    pub enum Barrier {
        /// Getting there.
        Transport = "transport",
        /// Money.
        Cost = "cost",
        /// The hours, or time altogether.
        Time = "time",
        /// Language.
        Language = "language",
        /// Fear, shame or stigma.
        FearStigma = "fear_stigma",
        /// Health.
        Health = "health",
        /// A device, the internet, or how to use them.
        Digital = "digital",
        /// Nobody to mind the children.
        Childcare = "childcare",
        /// The service has no room.
        NoCapacity = "no_capacity",
        /// Something else.
        Other = "other",
    }
}

/// A follow-up as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct FollowUpInput {
    /// Whom to reach. It never changes.
    pub patient_id: PatientId,
    /// The referral that it belongs to. It never changes.
    #[serde(default)]
    pub referral_id: Option<ReferralId>,
    /// What the person is to be reached for: the first contact, a check-in, a review, or to take leave.
    pub purpose: Purpose,
    /// The day by which the person is to be reached.
    #[schema(example = "2026-03-16")]
    pub due_on: NaiveDate,
    /// The practitioner who is to do it; nobody in particular where absent.
    #[serde(default)]
    pub practitioner_id: Option<PractitionerId>,
    /// How to reach the person; left to whoever does it where absent.
    #[serde(default)]
    pub channel: Option<DeliveryMode>,
    /// What to ask, what to remember.
    #[serde(default)]
    #[schema(max_length = 5_000, example = "Ask how the first lunch was, and whether the ride came.")]
    pub note: Option<String>,
    /// Keys in other systems.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub identifiers: Vec<Identifier>,
}

/// What was heard when the person was reached.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields, default)]
#[validate(schema(function = "known_domains"))]
pub struct FollowUpResult {
    /// How much the person makes use of what was suggested.
    pub utilisation: Option<Utilisation>,
    /// Whether the person has been there; null where nobody knows.
    #[schema(example = true)]
    pub attended: Option<bool>,
    /// How the person is, compared with before.
    pub change: Option<Progress>,
    /// Whether the need is met.
    pub need_met: Option<NeedMet>,
    /// How much the person enjoyed it: 1 not at all, 5 very much.
    #[schema(minimum = 1, maximum = 5, example = 4)]
    pub enjoyment: Option<i32>,
    /// What stands in the way.
    #[schema(max_items = 10, example = json!(["transport"]))]
    pub barriers: Vec<Barrier>,
    /// Domains of needs that came up; each becomes a need of the patient unless there is an open one. To other organizations those are
    /// shown that they see among the patient's needs.
    #[schema(value_type = Vec<DomainCode>, max_items = 20, example = json!(["food-insecurity"]))]
    pub new_needs: Vec<String>,
    /// What happens next, in words.
    #[schema(max_length = 2_000, example = "Will ride with her neighbour next Tuesday.")]
    pub next_step: Option<String>,
    /// The day of the next follow-up; by the rhythm of the need level where absent, unless the organization has another one open in the
    /// referral, or, of a follow-up without one, another such one for the patient. None follows a closing one.
    #[schema(example = "2026-03-30")]
    pub next_due_on: Option<NaiveDate>,
    /// Minutes given to the person that no attempt counts.
    #[schema(minimum = 0, maximum = 1_440, example = 30)]
    pub minutes: Option<i32>,
    /// A note on what was heard.
    #[schema(max_length = 5_000, example = "Laughed a lot. Misses her garden.")]
    pub note: Option<String>,
}

fn known_domains(result: &FollowUpResult) -> Result<(), ValidationError> {
    match result.new_needs.iter().position(|code| find_domain(code).is_none()) {
        Some(index) => Err(rule(&format!("/new_needs/{index}"), "unknown_domain", "is not a need domain")),
        None => Ok(()),
    }
}

/// Why a follow-up will not be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "explained"))]
pub struct Cancellation {
    /// The code.
    pub code: CancellationCode,
    /// In words; needed with the code `other`.
    #[serde(default)]
    #[schema(max_length = 2_000, example = "Will be away until June.")]
    pub text: Option<String>,
}

impl Cancellation {
    /// The bare code.
    pub fn because(code: CancellationCode) -> Self {
        Self { code, text: None }
    }
}

fn explained(cancellation: &Cancellation) -> Result<(), ValidationError> {
    if cancellation.code == CancellationCode::Other && cancellation.text.as_deref().is_none_or(|text| text.trim().is_empty()) {
        return Err(rule("/text", "required", "is required with the code other"));
    }
    Ok(())
}

/// How a follow-up ended, and what followed from it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Conclusion {
    /// What was heard.
    pub result: Option<FollowUpResult>,
    /// The needs that were raised.
    pub new_need_ids: Vec<NeedId>,
    /// The follow-up that was planned.
    pub next_follow_up_id: Option<FollowUpId>,
    /// Why it will not be done.
    pub cancellation: Option<Cancellation>,
}

/// What of a follow-up tells where it stands in a list, and whose it is.
#[derive(Debug, Clone, Copy, Queryable)]
pub struct FollowUpHead {
    /// Its id.
    pub id: FollowUpId,
    /// How it stands.
    pub edition: Edition,
    /// The organization whose duty it is.
    pub organization_id: OrganizationId,
    /// The day by which it is to be made.
    pub due_on: NaiveDate,
}

/// A row of the table `follow_ups`.
#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = follow_ups, treat_none_as_default_value = false)]
pub struct FollowUpRow {
    /// Its id.
    pub id: FollowUpId,
    /// The organization whose duty it is.
    pub organization_id: OrganizationId,
    /// See [`FollowUpInput::patient_id`].
    pub patient_id: PatientId,
    /// See [`FollowUpInput::referral_id`].
    pub referral_id: Option<ReferralId>,
    /// See [`FollowUpInput::practitioner_id`].
    pub practitioner_id: Option<PractitionerId>,
    /// See [`FollowUpInput::purpose`].
    pub purpose: Purpose,
    /// See [`FollowUpStatus`].
    pub status: FollowUpStatus,
    /// See [`FollowUpInput::due_on`].
    pub due_on: NaiveDate,
    /// When it was completed or cancelled.
    pub closed_at: Option<Instant>,
    /// How it ended.
    pub conclusion: Json<Conclusion>,
    /// The content as written.
    pub content: Json<FollowUpInput>,
    /// Version, from 1.
    pub version: i64,
    /// When it was created.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
    /// When it was deleted.
    pub deleted_at: Option<Instant>,
    /// The organization that manages the patient.
    pub manager_id: OrganizationId,
    /// The follow-up that was planned after it elsewhere, under the id under which it will be loaded; null once it was.
    pub awaited_id: Option<FollowUpId>,
}

impl FollowUpRow {
    /// What is written, with what the columns know better: a merge moves the patient, an attempt in vain the day, and who is assigned to the
    /// referral takes over.
    pub fn input(&self) -> FollowUpInput {
        FollowUpInput { patient_id: self.patient_id, due_on: self.due_on, practitioner_id: self.practitioner_id, ..self.content.0.clone() }
    }
}

/// An attempt to reach a person, as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct AttemptInput {
    /// When the attempt was made; the moment of the request where absent.
    #[serde(default)]
    pub at: Option<Instant>,
    /// How the person was tried: at their home, by telephone, by text message or another way.
    pub mode: DeliveryMode,
    /// What came of the attempt.
    pub outcome: AttemptOutcome,
    /// Minutes it took.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1_440, example = 12)]
    pub minutes: Option<i32>,
    /// Whether this was the first real conversation with the person.
    #[serde(default)]
    #[schema(example = true)]
    pub is_first_intake: bool,
    /// The practitioner who made the attempt.
    #[serde(default)]
    pub practitioner_id: Option<PractitionerId>,
    /// The number or address that was tried, to be held against what makes contact safe. It is not kept: null where an attempt is read.
    #[serde(default)]
    #[schema(max_length = 500, example = json!(null))]
    pub contact_value: Option<String>,
    /// A note on the attempt.
    #[serde(default)]
    #[schema(max_length = 5_000, example = "Her son answered; she is back at four.")]
    pub note: Option<String>,
}

/// A row of the table `contact_attempts`.
#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = contact_attempts, treat_none_as_default_value = false)]
pub struct AttemptRow {
    /// Its id.
    pub id: ContactAttemptId,
    /// The organization that tried.
    pub organization_id: OrganizationId,
    /// The follow-up.
    pub follow_up_id: FollowUpId,
    /// When.
    pub at: Instant,
    /// What came of it.
    pub outcome: AttemptOutcome,
    /// Minutes it took.
    pub minutes: Option<i32>,
    /// The content as written.
    pub content: Json<AttemptInput>,
    /// The client that recorded it.
    pub client_id: Option<ClientId>,
    /// The person who acted in the client's system.
    pub on_behalf_of: Option<String>,
    /// When it was recorded.
    pub created_at: Instant,
}
