//! What callers read of appointments, and write to change them.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use super::model::{AppointmentCancellation, AppointmentInput, AppointmentRow, AppointmentStatus, Attendance};
use crate::db::types::Instant;
use crate::http::page::Limit;
use crate::identifiers::IdentifierToken;
use crate::kind::{AppointmentId, OrganizationId, PatientId, PractitionerId, ReferralId, ServiceId, SlotId};

/// An appointment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Appointment {
    /// Its id.
    pub id: AppointmentId,
    /// The organization that made it.
    pub organization_id: OrganizationId,
    /// The organization that it is with: the one that offers the slot.
    pub provider_id: OrganizationId,
    /// Version, from 1; the `ETag`.
    #[schema(example = 1)]
    pub version: i64,
    /// When it was made.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
    /// How it stands.
    pub status: AppointmentStatus,
    /// When it begins: the slot's time.
    pub starts_at: Instant,
    /// When it ends.
    pub ends_at: Instant,
    /// The slot's service.
    pub service_id: Option<ServiceId>,
    /// The slot's practitioner.
    pub practitioner_id: Option<PractitionerId>,
    /// Until when the place is held; null unless it is.
    pub held_until: Option<Instant>,
    /// Why it was called off, and by whom; null unless it was.
    pub cancellation: Option<AppointmentCancellation>,
    /// A word on how it went.
    #[schema(example = "Stayed for tea.")]
    pub outcome_note: Option<String>,
    /// The organization that wrote the `outcome_note` last, whose words it is; null where none is shown.
    pub outcome_noted_by: Option<OrganizationId>,
    /// When it was called off, or the person said to have come or not.
    pub concluded_at: Option<Instant>,
    /// The organization that said so. The words of the cancellation are its own.
    pub concluded_by: Option<OrganizationId>,
    /// The organization that wrote the `note` last, whose words it is; null where none is shown.
    pub noted_by: Option<OrganizationId>,
    /// What is written of it.
    #[serde(flatten)]
    pub content: AppointmentInput,
}

impl From<AppointmentRow> for Appointment {
    fn from(row: AppointmentRow) -> Self {
        let content = row.input();
        let conclusion = row.conclusion.0;
        Self {
            id: row.id,
            organization_id: row.organization_id,
            provider_id: row.provider_id,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            status: row.status,
            starts_at: row.starts_at,
            ends_at: row.ends_at,
            service_id: row.service_id,
            practitioner_id: row.practitioner_id,
            held_until: row.held_until,
            cancellation: conclusion.cancellation,
            outcome_note: conclusion.outcome_note,
            outcome_noted_by: conclusion.outcome_noted_by,
            concluded_at: conclusion.concluded_at,
            concluded_by: conclusion.concluded_by,
            noted_by: row.noted_by,
            content,
        }
    }
}

impl Appointment {
    /// The appointment at this moment: a hold that has run out is one, also where nobody has written that down yet.
    pub fn at(self, now: Instant) -> Self {
        match self.held_until {
            Some(until) if until <= now => Self { status: AppointmentStatus::Expired, held_until: None, ..self },
            _ => self,
        }
    }
}

/// The query of a creation.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct BookingQuery {
    /// Hold the place for so many minutes instead of booking it: until it is confirmed, given back, or they have passed.
    #[param(minimum = 1, maximum = 60, example = 10)]
    pub hold_minutes: Option<u8>,
}

/// Confirms a hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct AppointmentConfirmation {
    /// What whoever is met should know; unchanged where absent.
    #[schema(max_length = 2_000, example = "Comes with her daughter, who interprets.")]
    pub note: Option<String>,
}

/// Moves an appointment to another slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct Rescheduling {
    /// The other slot, of the same organization.
    pub slot_id: SlotId,
}

/// Says whether the person came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct AppointmentOutcome {
    /// Whether the person came.
    pub status: Attendance,
    /// A word on how it went. One that was noted before goes where none is sent, unless the caller does not read it.
    #[serde(default)]
    #[schema(max_length = 2_000, example = "Stayed for tea.")]
    pub note: Option<String>,
}

/// The filters of the list of appointments.
#[derive(Debug, Clone, Default, Hash, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AppointmentQuery {
    /// Only those that this organization made.
    #[param(inline)]
    pub organization_id: Option<OrganizationId>,
    /// Only those with this organization: its diary.
    #[param(inline)]
    pub provider_id: Option<OrganizationId>,
    /// Only of this slot.
    #[param(inline)]
    pub slot_id: Option<SlotId>,
    /// Only of this patient.
    #[param(inline)]
    pub patient_id: Option<PatientId>,
    /// Only of this referral.
    #[param(inline)]
    pub referral_id: Option<ReferralId>,
    /// Only of this service.
    #[param(inline)]
    pub service_id: Option<ServiceId>,
    /// Only with this practitioner.
    #[param(inline)]
    pub practitioner_id: Option<PractitionerId>,
    /// Only in these statuses; repeat for several.
    #[serde(default)]
    #[param(inline)]
    pub status: Vec<AppointmentStatus>,
    /// Only those that begin at or after this moment.
    #[param(inline)]
    pub from: Option<Instant>,
    /// Only those that begin before this moment.
    #[param(inline)]
    pub until: Option<Instant>,
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
