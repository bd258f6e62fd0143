//! What an appointment is.

use chrono::Duration;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::{Validate, ValidationError};

use crate::auth::Principal;
use crate::db::schema::appointments;
use crate::db::types::{Instant, Json};
use crate::http::schema::rule;
use crate::kind::{AppointmentId, OrganizationId, PatientId, PractitionerId, ReferralId, ServiceId, SlotId};
use crate::slots::model::SlotRow;
use crate::text_enum;
use crate::types::{DeliveryMode, Identifier};

text_enum! {
    /// How an appointment stands.
    pub enum AppointmentStatus {
        /// A place is kept until `held_until`, and then given back.
        Held = "held",
        /// The person is expected (FHIR `booked`).
        Booked = "booked",
        /// The person came (FHIR `fulfilled`).
        Attended = "attended",
        /// The person did not come (FHIR `noshow`).
        NoShow = "no_show",
        /// Called off, with a reason.
        Cancelled = "cancelled",
        /// The hold ran out.
        Expired = "expired",
    }
}

impl AppointmentStatus {
    /// True where the person may yet come.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Held | Self::Booked)
    }

    /// Whether one follows the other. Whether the person came can be corrected; all else that is over stays over.
    pub const fn leads_to(self, next: Self) -> bool {
        use AppointmentStatus::{Attended, Booked, Cancelled, Expired, Held, NoShow};
        matches!(
            (self, next),
            (Held, Booked | Cancelled | Expired) | (Booked, Cancelled | Attended | NoShow) | (Attended, NoShow) | (NoShow, Attended)
        )
    }

    /// Those that take a place of their slot for good.
    pub const TAKING: [Self; 3] = [Self::Booked, Self::Attended, Self::NoShow];
}

text_enum! {
    /// Who called an appointment off.
    pub enum CancelledBy {
        /// The person.
        Patient = "patient",
        /// A relative or caregiver for them.
        Caregiver = "caregiver",
        /// The organization that referred or booked.
        Requester = "requester",
        /// The organization that it was with, or that the referral asked.
        Provider = "provider",
    }
}

text_enum! {
    /// Why an appointment was called off; after the codes of FHIR `appointment-cancellation-reason`.
    pub enum CancelReason {
        /// The person is unwell.
        Unwell = "unwell",
        /// No way to get there.
        Transport = "transport",
        /// The weather or the roads.
        Weather = "weather",
        /// Another duty at that time.
        OtherCommitment = "other_commitment",
        /// Whoever is to be met is not there.
        PractitionerUnavailable = "practitioner_unavailable",
        /// The place is closed or the event does not happen.
        ServiceUnavailable = "service_unavailable",
        /// The person does not want it.
        PersonDeclined = "person_declined",
        /// The need has passed.
        NoLongerNeeded = "no_longer_needed",
        /// The person has died.
        Deceased = "deceased",
        /// It should never have been booked.
        BookedInError = "booked_in_error",
        /// Its referral was rejected, cancelled, failed, or entered in error.
        ReferralClosed = "referral_closed",
        /// Something else, said in words.
        Other = "other",
    }
}

text_enum! {
    /// Whether the person came.
    pub enum Attendance {
        /// The person came.
        Attended = "attended",
        /// The person did not come.
        NoShow = "no_show",
    }
}

/// An appointment as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct AppointmentInput {
    /// The slot. To change it is to reschedule.
    pub slot_id: SlotId,
    /// Who comes. It never changes.
    pub patient_id: PatientId,
    /// The referral that it belongs to. It never changes.
    #[serde(default)]
    pub referral_id: Option<ReferralId>,
    /// How people meet, where the slot leaves it open; another mode than the slot states is refused, and goes where the appointment is
    /// moved into such a slot.
    #[serde(default)]
    pub mode: Option<DeliveryMode>,
    /// What whoever is met should know. It stands in no calendar.
    #[serde(default)]
    #[schema(max_length = 2_000, example = "Comes with her daughter, who interprets.")]
    pub note: Option<String>,
    /// Keys in other systems.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub identifiers: Vec<Identifier>,
}

/// Why an appointment is called off, and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "explained"))]
pub struct AppointmentCancellation {
    /// Who called it off.
    pub by: CancelledBy,
    /// Why it is called off.
    pub reason: CancelReason,
    /// In words; needed with the reason `other`.
    #[serde(default)]
    #[schema(max_length = 2_000, example = "The bus does not run on Sundays.")]
    pub text: Option<String>,
}

fn explained(cancellation: &AppointmentCancellation) -> Result<(), ValidationError> {
    if cancellation.reason == CancelReason::Other && cancellation.text.as_deref().is_none_or(|text| text.trim().is_empty()) {
        return Err(rule("/text", "required", "is required with the reason other"));
    }
    Ok(())
}

/// Whose words a note is: those of the organization that wrote it last; nobody's where there is none. Whoever sends what was there before,
/// which comes with the one whose words it was, does not make it theirs.
pub fn noted_by(
    note: Option<&str>,
    (before, writer): (Option<&str>, Option<OrganizationId>),
    caller: OrganizationId,
) -> Option<OrganizationId> {
    note.and(if note == before { writer } else { Some(caller) })
}

/// A note after what was sent, and whose words it is then. Whoever does not read the note before keeps it by sending none, and makes theirs
/// what they send, be it the same words: they did not have them from there.
pub fn noted(
    sent: Option<String>,
    (before, writer): (Option<&str>, Option<OrganizationId>),
    caller: OrganizationId,
    is_hidden: bool,
) -> (Option<String>, Option<OrganizationId>) {
    if !is_hidden {
        let by = noted_by(sent.as_deref(), (before, writer), caller);
        return (sent, by);
    }
    match sent {
        Some(words) => (Some(words), Some(caller)),
        None => (before.map(str::to_owned), writer),
    }
}

/// How an appointment ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AppointmentConclusion {
    /// Why it was called off.
    pub cancellation: Option<AppointmentCancellation>,
    /// A word on how it went.
    pub outcome_note: Option<String>,
    /// See [`noted_by`].
    pub outcome_noted_by: Option<OrganizationId>,
    /// When it was called off, or the person said to have come or not.
    pub concluded_at: Option<Instant>,
    /// The organization that said so, whose words those of the cancellation are.
    pub concluded_by: Option<OrganizationId>,
}

impl AppointmentConclusion {
    /// Said by a caller now, in no words yet.
    pub fn by(caller: &Principal) -> Self {
        Self { concluded_at: Some(caller.at), concluded_by: Some(caller.organization_id), ..Self::default() }
    }

    /// The same with a word on how it went, after what was said of that before, which may be hidden from the caller; see [`noted`].
    pub fn noting(self, sent: Option<String>, before: &Self, caller: &Principal, is_hidden: bool) -> Self {
        let was = (before.outcome_note.as_deref(), before.outcome_noted_by);
        let (outcome_note, outcome_noted_by) = noted(sent, was, caller.organization_id, is_hidden);
        Self { outcome_note, outcome_noted_by, ..self }
    }
}

/// A row of the table `appointments`.
#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = appointments, treat_none_as_default_value = false)]
pub struct AppointmentRow {
    /// Its id.
    pub id: AppointmentId,
    /// The organization that made it.
    pub organization_id: OrganizationId,
    /// The organization that it is with: the one that offers the slot.
    pub provider_id: OrganizationId,
    /// See [`AppointmentInput::patient_id`].
    pub patient_id: PatientId,
    /// See [`AppointmentInput::referral_id`].
    pub referral_id: Option<ReferralId>,
    /// See [`AppointmentInput::slot_id`].
    pub slot_id: SlotId,
    /// The slot's service.
    pub service_id: Option<ServiceId>,
    /// The slot's practitioner.
    pub practitioner_id: Option<PractitionerId>,
    /// See [`AppointmentStatus`].
    pub status: AppointmentStatus,
    /// When the slot begins.
    pub starts_at: Instant,
    /// When it ends.
    pub ends_at: Instant,
    /// Until when a place is held; absent but while it is.
    pub held_until: Option<Instant>,
    /// How it ended.
    pub conclusion: Json<AppointmentConclusion>,
    /// The content as written.
    pub content: Json<AppointmentInput>,
    /// Version, from 1.
    pub version: i64,
    /// When it was made.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
    /// When it was deleted.
    pub deleted_at: Option<Instant>,
    /// The organization that manages the patient.
    pub manager_id: OrganizationId,
    /// Whose words the note is; see [`noted_by`].
    pub noted_by: Option<OrganizationId>,
}

impl AppointmentRow {
    /// A new appointment in a slot, for a patient of this manager: booked, or held for so long.
    pub fn new(
        id: AppointmentId,
        slot: &SlotRow,
        input: AppointmentInput,
        (maker, manager): (OrganizationId, OrganizationId),
        hold: Option<Duration>,
        at: Instant,
    ) -> Self {
        Self {
            id,
            organization_id: maker,
            provider_id: slot.organization_id,
            patient_id: input.patient_id,
            referral_id: input.referral_id,
            slot_id: slot.id,
            service_id: slot.service_id,
            practitioner_id: slot.practitioner_id,
            status: if hold.is_some() { AppointmentStatus::Held } else { AppointmentStatus::Booked },
            starts_at: slot.starts_at,
            ends_at: slot.ends_at,
            held_until: hold.map(|hold| at.plus(hold)),
            conclusion: Json(AppointmentConclusion::default()),
            noted_by: noted_by(input.note.as_deref(), (None, None), maker),
            content: Json(input),
            version: 1,
            created_at: at,
            updated_at: at,
            deleted_at: None,
            manager_id: manager,
        }
    }

    /// The same with what a caller writes over it, from whom its note may be hidden; see [`noted`].
    pub fn written(self, mut input: AppointmentInput, caller: &Principal, is_hidden: bool) -> Self {
        let was = (self.content.note.as_deref(), self.noted_by);
        let (note, noted_by) = noted(input.note.take(), was, caller.organization_id, is_hidden);
        Self { noted_by, content: Json(AppointmentInput { note, ..input }), ..self }
    }

    /// The same in another slot, which says how people meet in it.
    pub fn moved_to(mut self, slot: &SlotRow) -> Self {
        self.content.0.mode = self.content.mode.filter(|mode| slot.is_open_to(*mode));
        Self {
            slot_id: slot.id,
            service_id: slot.service_id,
            practitioner_id: slot.practitioner_id,
            starts_at: slot.starts_at,
            ends_at: slot.ends_at,
            ..self
        }
    }

    /// What is written, with what the columns know better: a merge moves the patient, rescheduling the slot.
    pub fn input(&self) -> AppointmentInput {
        AppointmentInput { patient_id: self.patient_id, slot_id: self.slot_id, ..self.content.0.clone() }
    }

    /// How it stands at a moment: a hold runs out though nobody writes that down.
    pub fn status_at(&self, now: Instant) -> AppointmentStatus {
        match self.held_until {
            Some(until) if until <= now => AppointmentStatus::Expired,
            _ => self.status,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_of_whoever_wrote_it_last() {
        let [first, second] = [(); 2].map(|()| OrganizationId::generate());
        let (nothing, written) = ((None, None), (Some("Ground floor."), Some(first)));
        assert_eq!(noted_by(Some("Ground floor."), nothing, first), Some(first));
        assert_eq!(noted_by(Some("Second floor."), written, second), Some(second));
        assert_eq!(noted_by(Some("Ground floor."), written, second), Some(first), "who sends what it has read adds nothing");
        assert_eq!((noted_by(None, written, second), noted_by(None, nothing, second)), (None, None));
    }

    #[test]
    fn words_are_of_whoever_sends_them_without_having_read_them() {
        let [first, second] = [(); 2].map(|()| OrganizationId::generate());
        let was = (Some("Ground floor."), Some(first));
        let note = |sent: Option<&str>, is_hidden| noted(sent.map(str::to_owned), was, second, is_hidden);
        let words = || Some("Ground floor.".to_owned());
        assert_eq!(note(Some("Ground floor."), true), (words(), Some(second)));
        assert_eq!(note(Some("Ground floor."), false), (words(), Some(first)));
        assert_eq!(note(None, true), (words(), Some(first)), "who sends nothing takes nothing away");
        assert_eq!(note(None, false), (None, None));
    }
}
