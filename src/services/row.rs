//! What the tables hold of services.

use std::collections::HashMap;

use chrono::NaiveDate;
use diesel::prelude::*;

use super::index::Record;
use super::model::{Capacity, CapacityStatus, NamedCapacity, Queue, ServiceInput, ServiceKind, ServiceStatus};
use crate::changes::Actor;
use crate::db::schema::{capacity_entries, services};
use crate::db::types::{Id, Instant, Json};
use crate::http::json;
use crate::kind::{ClientId, OrganizationId, ServiceId};
use crate::languages;
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
    /// Whether it takes people now, by the [default room or the best of them](Self::room); unknown where nobody has said.
    pub capacity_status: CapacityStatus,
    /// Version, from 1.
    pub version: i64,
    /// When it was created.
    pub created_at: Instant,
    /// When it, or its capacity, was last changed.
    pub updated_at: Instant,
    /// When it became a tombstone.
    pub deleted_at: Option<Instant>,
    /// The rooms that it counts apart, in order of their keys.
    pub capacities: Json<Vec<NamedCapacity>>,
    /// The record that stands for it, where it is a duplicate: then its content is what its source says, and nobody finds it.
    pub merged_into_id: Option<ServiceId>,
    /// Services that it looks like and is not.
    pub distinct_from: Json<Vec<ServiceId>>,
    /// What it says itself, where others were merged into it: `content` holds what it takes from them too.
    pub own_content: Option<Json<ServiceInput>>,
    /// Those who stand on Kith's list of the default room, where nobody has said anything of it; else its capacity counts them.
    pub queue: Option<Json<Queue>>,
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
            capacities: Json(Vec::new()),
            merged_into_id: None,
            distinct_from: Json(Vec::new()),
            own_content: None,
            queue: None,
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
            capacities: head.capacities,
            merged_into_id: self.merged_into_id,
            distinct_from: head.distinct_from,
            own_content: head.own_content,
            queue: head.queue,
            ..Self::new(self.id, self.organization_id, input, at)
        }
    }

    /// The next version, of whose room the provider says something else. Who waits for it is to be counted [anew](Self::with_queues).
    pub fn with_capacity(&self, capacity: &Capacity, at: Instant) -> Self {
        Self { capacity: Some(Json(capacity.uncounted())), queue: None, ..self.next(at) }.with_status()
    }

    /// The same of the room of this key, or that it is no longer counted.
    pub fn with_named_capacity(&self, key: &str, capacity: Option<&Capacity>, at: Instant) -> Self {
        let mut next = self.next(at);
        let named = &mut next.capacities.0;
        named.retain(|known| known.key != key);
        named.extend(capacity.map(|capacity| NamedCapacity { key: key.to_owned(), capacity: capacity.uncounted() }));
        named.sort_by(|a, b| a.key.cmp(&b.key));
        next.with_status()
    }

    /// With the status that follows from its rooms.
    pub fn with_status(self) -> Self {
        Self { capacity_status: self.room().map_or(CapacityStatus::Unknown, Capacity::standing), ..self }
    }

    /// The same version with those who stand on Kith's lists of its rooms, by their keys; empty for the default one.
    pub fn with_queues(mut self, queues: &HashMap<String, Queue>) -> Self {
        let queue = queues.get("").copied();
        match &mut self.capacity {
            Some(room) => room.0 = room.0.counted(queue),
            None => self.queue = queue.map(Json),
        }
        for named in &mut self.capacities.0 {
            named.capacity = named.capacity.counted(queues.get(&named.key).copied());
        }
        self.with_status()
    }

    /// The default room as it is shown: as last said, or else that it is unknown and who waits for it all the same.
    pub fn shown_room(&self) -> Option<Capacity> {
        let unsaid = || self.queue.as_deref().map(|queue| Capacity::default().counted(Some(*queue)));
        self.capacity.as_deref().cloned().or_else(unsaid)
    }

    /// The next version, which says the same.
    pub fn again(&self, at: Instant) -> Self {
        self.next(at)
    }

    /// All that was said of its room: the default first, then what is counted apart.
    pub fn rooms(&self) -> impl Iterator<Item = &Capacity> {
        self.capacity.as_deref().into_iter().chain(self.capacities.iter().map(|named| &named.capacity))
    }

    /// Whether something else is said of its room, or counted in it, than in another version.
    pub fn has_other_room_than(&self, other: &Self) -> bool {
        (&self.capacity, &self.capacities) != (&other.capacity, &other.capacities)
    }

    /// What was said of one room: the default one where there is no key.
    pub fn room_of(&self, key: Option<&str>) -> Option<&Capacity> {
        match key {
            None => self.capacity.as_deref(),
            Some(key) => self.capacities.iter().find(|named| named.key == key).map(|named| &named.capacity),
        }
    }

    /// Whether people stand on Kith's list of one room: the default one where there is no key.
    pub fn has_list(&self, key: Option<&str>) -> bool {
        self.room_of(key).is_some_and(|room| room.held.is_some()) || (key.is_none() && self.queue.is_some())
    }

    /// The room that takes somebody of these populations soonest, of what is for everybody and what is for them.
    pub fn room_for(&self, populations: &[String]) -> Option<&Capacity> {
        Capacity::soonest(self.rooms(), populations)
    }

    /// Its room as the directory shows it: what is for everybody; where all of it is kept for some, the best of that.
    pub fn room(&self) -> Option<&Capacity> {
        self.room_for(&[]).or_else(|| self.rooms().min_by_key(|room| room.rank()))
    }

    /// The last day on which nothing of what was said of its room is stale; none where nobody has said when it was true.
    pub fn capacity_fresh_until(&self) -> Option<NaiveDate> {
        self.rooms().filter_map(Capacity::fresh_until).min()
    }

    /// The next version, in which others that were merged into it say what it does not say itself.
    pub fn composed(&self, own: ServiceInput, content: ServiceInput, at: Instant) -> Self {
        Self { own_content: Some(Json(own)), ..self.with_content(content, at) }
    }

    /// The next version, with a service that it looks like and is not.
    pub fn set_apart(&self, other: ServiceId, at: Instant) -> Self {
        let mut next = self.next(at);
        next.distinct_from.0.push(other);
        next
    }

    /// The next version of a record that another one stands for, with what its source says. It does not run by itself.
    pub fn merged(&self, into: ServiceId, statement: ServiceInput, at: Instant) -> Self {
        let statement = ServiceInput { status: ServiceStatus::Inactive, ..statement };
        Self { merged_into_id: Some(into), ..self.with_content(statement, at) }
    }

    /// The organization that gives it: the provider that is named, or else whoever keeps the record.
    pub fn given_by(&self) -> OrganizationId {
        self.provider_id.unwrap_or(self.organization_id)
    }

    /// Whether this organization gives it. Its room, its waiting list and its figures are of the referrals that ask this organization alone:
    /// a referral may name the service and ask another one, such as a program that is to find the way to it.
    pub fn is_given_by(&self, organization: OrganizationId) -> bool {
        self.given_by() == organization
    }

    /// Whether it is in the directory: neither deleted nor merged into another.
    pub const fn is_listed(&self) -> bool {
        self.deleted_at.is_none() && self.merged_into_id.is_none()
    }

    /// The next version, a tombstone.
    pub fn deleted(&self, at: Instant) -> Self {
        Self { deleted_at: Some(at), ..self.next(at) }
    }

    fn next(&self, at: Instant) -> Self {
        Self { version: self.version + 1, updated_at: at, ..self.clone() }
    }

    /// The bytes of memory that what its source says beyond our fields takes, about.
    pub fn weight_beyond(&self) -> usize {
        let contents = std::iter::once(&self.content).chain(&self.own_content);
        contents.flat_map(|content| &content.0.source_fields).map(|(name, value)| name.len() + json::weight(value)).sum()
    }

    /// The same without what its source says beyond our fields: nobody searches or matches by that.
    #[must_use]
    pub fn without_beyond(mut self) -> Self {
        self.content.0.source_fields.clear();
        if let Some(own) = &mut self.own_content {
            own.0.source_fields.clear();
        }
        self
    }

    /// Its name in a language, or as it calls itself.
    pub fn name_in(&self, language: &str) -> &str {
        let translated = self.content.translations.iter().find(|texts| languages::same(&texts.language, language));
        translated.and_then(|texts| texts.name.as_deref()).unwrap_or(&self.name)
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
            capacity_fresh_until: self.capacity_fresh_until(),
            distinct_from: &self.distinct_from,
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
    /// The organization that said it; none for the command line, and where a place was taken.
    pub organization_id: Option<OrganizationId>,
    /// The client that said it; none for the command line, and where a place was taken.
    pub client_id: Option<ClientId>,
    /// When it was said.
    pub recorded_at: Instant,
    /// What was said.
    pub content: Json<Capacity>,
    /// Of which room; none for the default one.
    pub capacity_key: Option<String>,
}

impl CapacityEntryRow {
    /// What this actor says of a service.
    pub fn new(service_id: ServiceId, actor: &Actor, key: Option<&str>, capacity: &Capacity) -> Self {
        Self {
            id: Id::generate(),
            service_id,
            organization_id: actor.organization_id,
            client_id: actor.client_id,
            recorded_at: actor.at,
            content: Json(capacity.uncounted()),
            capacity_key: key.map(str::to_owned),
        }
    }
}
