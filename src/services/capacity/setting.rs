//! Saying how much room a service has: who may, and what is written with it.

use std::collections::BTreeSet;

use chrono::Duration;

use super::api::{CapacityAnswer, CapacityAnswers, CapacityLine, CapacityList, CapacityOutcome};
use crate::auth::Principal;
use crate::changes::{Action, Actor};
use crate::db::DbConn;
use crate::db::types::Instant;
use crate::error::{Error, Problem, Result};
use crate::http::resource::{self, Resource as _};
use crate::http::{json, schema};
use crate::identifiers;
use crate::kind::{OrganizationId, ResourceType, ServiceId};
use crate::services::model::{Capacity, CapacityStatus};
use crate::services::repository;
use crate::services::resource::Services;
use crate::services::row::{CapacityEntryRow, ServiceRow};
use crate::waitlists::queue;

/// The most rooms that one service counts apart.
pub const MOST_ROOMS: usize = 50;
/// The bytes of services that one list writes: with its room each is written whole into the journal. Five hundred with a dozen places each
/// are fewer.
const MOST_WRITTEN: usize = 16 << 20;
/// By so much a moment may lie ahead: a clock is fast, or takes its local time for UTC.
const MOST_AHEAD: Duration = Duration::hours(24);

/// The service, of which the caller may say how much room it has; nobody else changes it until the transaction ends.
pub fn lock(conn: &mut DbConn, caller: &Principal, id: ServiceId) -> Result<ServiceRow> {
    repository::lock(conn, id)?;
    let row = resource::get_row::<Services>(conn, caller, id)?;
    Services::permit(caller, &row)?;
    Ok(row)
}

/// Takes what somebody says of a room, at `pointer` of their request, with the status that follows from it where none is said: see
/// [`set`]. Who `names_version` has read the room as it is.
///
/// # Errors
/// [`Error::Invalid`] where the moment lies ahead by more than a day, or the status rules out the free places;
/// [`Error::CapacityOutdated`] where something newer has been said.
pub fn say(
    conn: &mut DbConn,
    caller: &Principal,
    row: &ServiceRow,
    key: Option<&str>,
    capacity: &Capacity,
    pointer: &str,
    names_version: bool,
) -> Result<(Capacity, ServiceRow)> {
    let capacity = capacity.stated_over(row.room_of(key), row.has_list(key), names_version);
    if capacity.contradicts_itself() {
        return Err(Error::invalid(format!("{pointer}/available"), "contradictory", capacity.contradiction()));
    }
    let Some(as_of) = capacity.as_of else { return set(conn, &caller.actor(), row, key, &capacity) };
    if as_of > caller.at.plus(MOST_AHEAD) {
        let message = format!("must not lie ahead by more than {} hours", MOST_AHEAD.num_hours());
        return Err(Error::invalid(format!("{pointer}/as_of"), "out_of_range", message));
    }
    // A clock that is ahead says what is true now, or nobody could say anything newer until that moment has come.
    let as_of = as_of.min(caller.at);
    let known = row.room_of(key).and_then(|known| known.as_of).filter(|known| *known <= caller.at);
    if let Some(known) = known.filter(|known| *known > as_of) {
        return Err(Error::CapacityOutdated { known });
    }
    set(conn, &caller.actor(), row, key, &Capacity { as_of: Some(as_of), ..capacity })
}

/// Writes a room of a service, the default one where there is no key, with its history and the journal, and offers what is free to those
/// who wait; what it now is and the service.
pub fn set(conn: &mut DbConn, actor: &Actor, row: &ServiceRow, key: Option<&str>, capacity: &Capacity) -> Result<(Capacity, ServiceRow)> {
    let capacity = Capacity { as_of: capacity.as_of.or(Some(actor.at)), ..capacity.clone() };
    let next = match key {
        None => row.with_capacity(&capacity, actor.at),
        Some(key) => row.with_named_capacity(key, Some(&capacity), actor.at),
    };
    if next.capacities.len() > MOST_ROOMS {
        return Err(Error::invalid("", "too_many", format!("would be more than the {MOST_ROOMS} rooms that a service counts apart")));
    }
    let next = queue::serve(conn, actor.at, next)?;
    write(conn, actor, &next)?;
    let capacity = next.room_of(key).cloned().unwrap_or(capacity);
    repository::insert_capacity_entry(conn, &CapacityEntryRow::new(row.id, actor, key, &capacity))?;
    Ok((capacity, next))
}

/// One place less is free in a room of a service, where its places are counted and the organization that was asked gives it. Whoever calls
/// this has locked the service.
///
/// What the provider said stays as old as it was: nobody has looked anew. Nor has anybody said it: that somebody took the place is told
/// with their entry and their referral, to those who see these, and not in the directory, which all read.
pub fn take_place(conn: &mut DbConn, at: Instant, id: ServiceId, key: Option<&str>, asked: OrganizationId) -> Result<()> {
    let Some(row) = repository::find(conn, id)?.filter(|row| row.deleted_at.is_none() && row.is_given_by(asked)) else { return Ok(()) };
    let Some((room, free)) = row.room_of(key).and_then(|room| Some((room, room.available.filter(|free| *free > 0)?))) else {
        return Ok(());
    };
    // Whoever said that it is open said so of a place that is free no more: what it is now follows.
    let is_over = room.status == CapacityStatus::Open && free == 1;
    let is_status_derived = if is_over { Some(true) } else { room.is_status_derived };
    let room = Capacity { is_status_derived, available: Some(free - 1), ..room.clone() }.stated(row.has_list(key));
    set(conn, &Actor::operator(at), &row, key, &room).map(|_| ())
}

/// A room is no longer counted apart. Fails while people wait for it.
pub(super) fn remove(conn: &mut DbConn, caller: &Principal, row: &ServiceRow, key: &str) -> Result<()> {
    if row.capacities.iter().all(|named| named.key != key) {
        return Err(Error::NotFound);
    }
    queue::ensure_nobody_waits(conn, row.id, Some(key))?;
    write(conn, &caller.actor(), &row.with_named_capacity(key, None, caller.at))
}

fn write(conn: &mut DbConn, actor: &Actor, next: &ServiceRow) -> Result<()> {
    if !repository::update(conn, next)? {
        return Err(Error::Busy);
    }
    let shape = Services::shape(next.clone());
    resource::record_by::<Services>(conn, actor, &Services::head(next), Action::Updated, &shape)
}

/// A line as it was read, or what is wrong with it by itself.
type Line = Result<CapacityLine, Problem>;

/// Reads the lines, each by itself.
///
/// # Errors
/// Only those that have nothing to do with what the lines say.
pub(super) fn read(list: &CapacityList) -> Result<Vec<Line>> {
    list.items.iter().map(|line| told(schema::check(line.clone()))).collect()
}

/// Takes each line by itself; what is wrong with one stands in its answer.
///
/// # Errors
/// Only those that have nothing to do with what the lines say.
pub(super) fn set_all(conn: &mut DbConn, caller: &Principal, lines: &[Line]) -> Result<CapacityAnswers> {
    let mut named = Vec::with_capacity(lines.len());
    for line in lines {
        named.push(line.as_ref().ok().map(|line| service_of(conn, caller, line)).transpose()?.flatten());
    }
    // Two lists with the same services in another order would wait for each other.
    let ids: BTreeSet<ServiceId> = named.iter().flatten().copied().collect();
    for id in ids {
        repository::lock(conn, id)?;
    }
    let mut answers = CapacityAnswers { set: 0, refused: 0, items: Vec::with_capacity(lines.len()) };
    let mut written = 0;
    for (line, service_id) in lines.iter().zip(named) {
        let done = match (line, service_id) {
            (Ok(_), Some(_)) if written > MOST_WRITTEN => Err(too_much().problem()),
            (Ok(line), Some(id)) => told(take(conn, caller, id, line))?,
            (Ok(_), None) => Err(Error::NotFound.problem()),
            (Err(problem), _) => Err(problem.clone()),
        };
        let key = line.as_ref().ok().filter(|_| service_id.is_some()).and_then(|line| line.key.clone());
        answers.items.push(match done {
            Ok((capacity, row)) => {
                answers.set += 1;
                written += json::length(&row.content.0);
                let (version, capacity) = (Some(row.version), Some(capacity));
                CapacityAnswer { outcome: CapacityOutcome::Set, service_id, key, version, capacity, problem: None }
            }
            Err(problem) => {
                answers.refused += 1;
                let problem = Some(problem);
                CapacityAnswer { outcome: CapacityOutcome::Refused, service_id, key, version: None, capacity: None, problem }
            }
        });
    }
    Ok(answers)
}

/// The service that a line names, if there is one.
fn service_of(conn: &mut DbConn, caller: &Principal, line: &CapacityLine) -> Result<Option<ServiceId>> {
    match (line.service_id, &line.identifier) {
        (Some(id), _) => Ok(Some(id)),
        (None, Some(key)) => {
            let known = identifiers::find(conn, caller.organization_id, ResourceType::Service, &key.system, &key.value)?;
            Ok(known.map(ServiceId::from_uuid))
        }
        (None, None) => Ok(None),
    }
}

fn too_much() -> Error {
    let detail = "The services of the lines before are so large that this line is for another request.";
    Error::conflict("too_much_at_once", detail)
}

fn take(conn: &mut DbConn, caller: &Principal, id: ServiceId, line: &CapacityLine) -> Result<(Capacity, ServiceRow)> {
    let row = lock(conn, caller, id)?;
    if line.version.is_some_and(|version| version != row.version) {
        return Err(Error::VersionMismatch { current: Some(row.version) });
    }
    say(conn, caller, &row, line.key.as_deref(), &line.capacity, "/capacity", line.version.is_some())
}

/// What is wrong with a line; an error of the server or the database, and not of the line, is given back.
fn told<T>(result: Result<T>) -> Result<Result<T, Problem>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) if is_of_the_line(&error) => Ok(Err(error.problem())),
        Err(error) => Err(error),
    }
}

/// Whether an error is the line's own, which leaves nothing behind, and not one of the server or the database.
fn is_of_the_line(error: &Error) -> bool {
    matches!(
        error,
        Error::Invalid(_)
            | Error::NotFound
            | Error::Gone
            | Error::Forbidden(_)
            | Error::VersionMismatch { .. }
            | Error::Conflict { .. }
            | Error::CapacityOutdated { .. }
    )
}
