//! What a slot is.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::{Validate, ValidationError};

use crate::db::schema::slots;
use crate::db::types::{Instant, Json};
use crate::http::schema::rule;
use crate::kind::{OrganizationId, PractitionerId, ServiceId, SlotId};
use crate::types::{DeliveryMode, Identifier};

/// A slot lasts a day at most.
const LONGEST: chrono::Duration = chrono::Duration::days(1);

/// A slot as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "consistent"))]
pub struct SlotInput {
    /// The service that it is of. It never changes. A slot is of a service, of a practitioner, or of a practitioner for a service.
    #[serde(default)]
    pub service_id: Option<ServiceId>,
    /// The practitioner who is met. It never changes.
    #[serde(default)]
    pub practitioner_id: Option<PractitionerId>,
    /// When it begins. It stays once somebody has a place: move the appointment to another slot.
    pub starts_at: Instant,
    /// When it ends, at most a day later. It stays once somebody has a place.
    pub ends_at: Instant,
    /// How many can come; no fewer than have a place.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 1_000, example = 10)]
    pub places: i32,
    /// How people meet; left open where absent.
    #[serde(default)]
    pub mode: Option<DeliveryMode>,
    /// Where, in words. It stands in calendars, so it says nothing that others should not read over a shoulder.
    #[serde(default)]
    #[schema(max_length = 300, example = "Mill Street Hall, room 2")]
    pub location: Option<String>,
    /// What to know of it; the directory shows it to everybody.
    #[serde(default)]
    #[schema(max_length = 1_000, example = "Please come ten minutes early.")]
    pub note: Option<String>,
    /// True where no more places are given. Those who have one keep it.
    #[serde(default)]
    #[schema(example = false)]
    pub is_closed: bool,
    /// Keys in other systems.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub identifiers: Vec<Identifier>,
}

const fn one() -> i32 {
    1
}

fn consistent(input: &SlotInput) -> Result<(), ValidationError> {
    if input.service_id.is_none() && input.practitioner_id.is_none() {
        return Err(rule("/service_id", "required", "is required for a slot that is of no practitioner"));
    }
    if input.ends_at <= input.starts_at {
        return Err(rule("/ends_at", "out_of_range", "must be after starts_at"));
    }
    if input.ends_at > input.starts_at.plus(LONGEST) {
        return Err(rule("/ends_at", "out_of_range", "must be at most a day after starts_at"));
    }
    Ok(())
}

/// A row of the table `slots`.
#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = slots, treat_none_as_default_value = false)]
pub struct SlotRow {
    /// Its id.
    pub id: SlotId,
    /// The organization that offers it.
    pub organization_id: OrganizationId,
    /// See [`SlotInput::service_id`].
    pub service_id: Option<ServiceId>,
    /// See [`SlotInput::practitioner_id`].
    pub practitioner_id: Option<PractitionerId>,
    /// See [`SlotInput::starts_at`].
    pub starts_at: Instant,
    /// See [`SlotInput::ends_at`].
    pub ends_at: Instant,
    /// See [`SlotInput::places`].
    pub places: i32,
    /// See [`SlotInput::is_closed`].
    pub is_closed: bool,
    /// The content as written.
    pub content: Json<SlotInput>,
    /// Version, from 1.
    pub version: i64,
    /// When it was published.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
    /// When it was deleted.
    pub deleted_at: Option<Instant>,
}

impl SlotRow {
    /// A new slot of this organization.
    pub fn new(id: SlotId, organization_id: OrganizationId, input: SlotInput, at: Instant) -> Self {
        Self {
            id,
            organization_id,
            service_id: input.service_id,
            practitioner_id: input.practitioner_id,
            starts_at: input.starts_at,
            ends_at: input.ends_at,
            places: input.places,
            is_closed: input.is_closed,
            content: Json(input),
            version: 1,
            created_at: at,
            updated_at: at,
            deleted_at: None,
        }
    }

    /// What is written, with the service that the column names: a merge moves it.
    pub fn input(&self) -> SlotInput {
        SlotInput { service_id: self.service_id, ..self.content.0.clone() }
    }

    /// The next version, with another content.
    pub fn with_content(&self, input: SlotInput, at: Instant) -> Self {
        let next = Self::new(self.id, self.organization_id, input, at);
        Self { version: self.version + 1, created_at: self.created_at, ..next }
    }

    /// Whether people can meet in this way, for all that it states.
    pub fn is_open_to(&self, mode: DeliveryMode) -> bool {
        self.content.mode.is_none_or(|stated| stated == mode)
    }

    /// Whether places can still be taken at this moment, as far as there are any.
    pub fn is_offered(&self, now: Instant) -> bool {
        !self.is_closed && self.deleted_at.is_none() && self.starts_at > now
    }
}
