//! What the tables hold of services.

use chrono::NaiveDate;
use diesel::prelude::*;

use super::index::Record;
use super::model::{Capacity, CapacityStatus, ServiceInput, ServiceKind, ServiceStatus};
use crate::changes::Actor;
use crate::db::schema::{capacity_entries, services};
use crate::db::types::{Id, Instant, Json};
use crate::kind::{ClientId, OrganizationId, ServiceId};
use crate::text::fold;

/// A row of the table `services`.
#[derive(Debug, Clone, PartialEq, Queryable, Insertable)]
#[diesel(table_name = services, treat_none_as_default_value = false)]
pub struct ServiceRow {
    /// Its id.
    pub id: ServiceId,
    /// The organization that keeps the record.
    pub organization_id: OrganizationId,
    /// See [`ServiceInput::provider_id`].
    pub provider_id: Option<OrganizationId>,
    /// See [`ServiceInput::name`].
    pub name: String,
    /// The name, folded.
    pub name_key: String,
    /// See [`ServiceInput::kind`].
    pub kind: ServiceKind,
    /// See [`ServiceInput::status`].
    pub status: ServiceStatus,
    /// See [`Verification`](super::model::Verification).
    pub last_verified_on: Option<NaiveDate>,
    /// All that is written of it.
    pub content: Json<ServiceInput>,
    /// The room it has, as last said.
    pub capacity: Option<Json<Capacity>>,
    /// Whether it takes people now; unknown where nobody has said.
    pub capacity_status: CapacityStatus,
    /// Version, from 1.
    pub version: i64,
    /// When it was created.
    pub created_at: Instant,
    /// When it, or its capacity, was last changed.
    pub updated_at: Instant,
    /// When it became a tombstone.
    pub deleted_at: Option<Instant>,
}

impl ServiceRow {
    /// A new row.
    pub fn new(id: ServiceId, keeper: OrganizationId, input: ServiceInput, at: Instant) -> Self {
        Self {
            id,
            organization_id: keeper,
            provider_id: input.provider_id,
            name: input.name.clone(),
            name_key: fold(&input.name),
            kind: input.kind,
            status: input.status,
            last_verified_on: input.verification.last_verified_on,
            content: Json(input),
            capacity: None,
            capacity_status: CapacityStatus::Unknown,
            version: 1,
            created_at: at,
            updated_at: at,
            deleted_at: None,
        }
    }

    /// The next version, with another content.
    pub fn with_content(&self, input: ServiceInput, at: Instant) -> Self {
        let head = self.next(at);
        Self {
            version: head.version,
            created_at: self.created_at,
            capacity: head.capacity,
            capacity_status: head.capacity_status,
            ..Self::new(self.id, self.organization_id, input, at)
        }
    }

    /// The next version, with another capacity.
    pub fn with_capacity(&self, capacity: Capacity, at: Instant) -> Self {
        Self { capacity_status: capacity.status, capacity: Some(Json(capacity)), ..self.next(at) }
    }

    /// The next version, a tombstone.
    pub fn deleted(&self, at: Instant) -> Self {
        Self { deleted_at: Some(at), ..self.next(at) }
    }

    fn next(&self, at: Instant) -> Self {
        Self { version: self.version + 1, updated_at: at, ..self.clone() }
    }

    /// What the index takes of it.
    pub fn record(&self) -> Record<'_> {
        Record {
            id: self.id,
            keeper: self.organization_id,
            version: self.version,
            updated_at: self.updated_at,
            service: &self.content,
            capacity: self.capacity_status,
        }
    }
}

/// A row of the table `capacity_entries`.
#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = capacity_entries, treat_none_as_default_value = false)]
pub struct CapacityEntryRow {
    /// Its id, which rises with time.
    pub id: Id<()>,
    /// The service.
    pub service_id: ServiceId,
    /// The organization that said it; none for the command line.
    pub organization_id: Option<OrganizationId>,
    /// The client that said it; none for the command line.
    pub client_id: Option<ClientId>,
    /// When it was said.
    pub recorded_at: Instant,
    /// What was said.
    pub content: Json<Capacity>,
}

impl CapacityEntryRow {
    /// What this actor says of a service.
    pub fn new(service_id: ServiceId, actor: &Actor, capacity: Capacity) -> Self {
        Self {
            id: Id::generate(),
            service_id,
            organization_id: actor.organization_id,
            client_id: actor.client_id,
            recorded_at: actor.at,
            content: Json(capacity),
        }
    }
}
