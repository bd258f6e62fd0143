//! Two records of one service made one.

use super::api::ServiceMerge;
use super::merges::{self, Kept, MergeRow};
use super::{moving, sources};
use crate::auth::Principal;
use crate::changes::Action;
use crate::db::DbConn;
use crate::db::types::{Id, Json};
use crate::error::{Error, Result};
use crate::http::etag::OptionalIfMatch;
use crate::http::resource::{self, Resource as _};
use crate::identifiers;
use crate::kind::{ResourceType, ServiceId};
use crate::referrals;
use crate::responsiveness::repository::{Subject, ask_for};
use crate::services::Services;
use crate::services::api::Service;
use crate::services::repository;
use crate::services::row::ServiceRow;
use crate::waitlists::queue;

/// The most records that are merged into one: who reads its history asks for all of them at once.
pub const MOST_RECORDS: usize = 500;

/// Merges the named duplicate into a service; the service as it then is.
///
/// The service's own words stand, and what it lacks is taken over. Identifiers, referrals, waiting lists, slots, appointments, what was
/// said of room, suggestions and links to calendars become the service's in the same transaction.
///
/// # Errors
/// [`Error::Forbidden`] where the caller does not keep the record, [`Error::Invalid`] where the duplicate is none that it keeps, or the two
/// say more than one record takes or stand for more than it can, [`Error::Conflict`] where too much belongs to it.
pub fn merge(conn: &mut DbConn, caller: &Principal, id: ServiceId, input: &ServiceMerge, version: &OptionalIfMatch) -> Result<Service> {
    lock(conn, input.duplicate_id, id)?;
    let row = resource::get_row::<Services>(conn, caller, id)?;
    permit(caller, &row)?;
    version.check(row.version)?;
    let duplicate = duplicate(conn, caller, id, input.duplicate_id)?;
    ensure_few_records(conn, [id, duplicate.id])?;
    moving::ensure_few(conn, duplicate.id)?;
    let runs_unlisted =
        (merges::runs_unlisted(conn, duplicate.id, duplicate.content.status)?, merges::runs_unlisted(conn, id, row.content.status)?);

    let gone = duplicate.merged(id, duplicate.own_content.as_ref().unwrap_or(&duplicate.content).0.clone(), caller.at);
    let gone = ServiceRow { capacity: None, capacities: Json(Vec::new()), own_content: None, queue: None, ..gone }.with_status();
    save(conn, &gone)?;
    let mut led = repository::merged_ids(conn, gone.id)?;
    led.push(gone.id);
    repository::lead(conn, &led, Some(id))?;
    identifiers::replace(conn, gone.organization_id, ResourceType::Service, gone.id.uuid(), &[])?;
    sources::record_merged(conn, &caller.actor(), gone)?;

    let own = row.own_content.as_ref().unwrap_or(&row.content).0.clone();
    let content = sources::composed(conn, &row, &own)?;
    if duplicate.content.identifiers.iter().any(|identifier| !content.identifiers.contains(identifier)) {
        let message = format!("has so many identifiers that the service would have more than {}", sources::MOST_IDENTIFIERS);
        return Err(Error::invalid("/duplicate_id", "too_many", message));
    }
    identifiers::replace(conn, row.organization_id, ResourceType::Service, id.uuid(), &content.identifiers)?;
    let next = with_room_of(row.composed(own, content, caller.at), &duplicate);
    let mut apart = next.distinct_from.0.clone();
    apart.extend(duplicate.distinct_from.iter().filter(|other| **other != id && !next.distinct_from.contains(other)));
    apart.retain(|other| *other != duplicate.id);
    let next = ServiceRow { distinct_from: Json(apart), ..next };
    save(conn, &next)?;
    resource::record::<Services>(conn, caller, &Services::head(&next), Action::Updated, &Services::shape(next.clone()))?;

    queue::hand_over(conn, caller.at, &row, &next)?;
    let mut came = moving::all(conn, caller, duplicate.id, id)?;
    came.extend(led.into_iter().filter(|led| *led != duplicate.id).map(Id::cast));
    let content = Json(Kept::new(&duplicate, &row, &next, runs_unlisted));
    merges::insert(conn, &MergeRow { duplicate_id: duplicate.id, survivor_id: id, merged_at: caller.at, content }, &came)?;
    queue::offer_places(conn, caller.at, id)?;
    ask_for(conn, [Subject::Service(id)], caller.at)?;
    Ok(Services::shape(repository::get(conn, id)?))
}

/// Waits until nobody else is changing the two or recording anything with them, nor moving a referral that goes from one to the other. Two
/// who merge the same two the other way round would wait for each other, and so would whoever holds a referral and then its service: see
/// [`queue`].
///
/// Slots and appointments go too, and are not held before: of those who book some hold a slot before the service, and of those who offer
/// slots some hold them after, so that no order goes with all. Where a merge waits for one of them and they for it, PostgreSQL says so, and
/// it is made again.
pub fn lock(conn: &mut DbConn, from: ServiceId, to: ServiceId) -> Result<()> {
    referrals::repository::lock_all_to(conn, from)?;
    for id in [from.min(to), from.max(to)] {
        repository::close(conn, id)?;
    }
    Ok(())
}

/// Fails where the caller does not keep the record: who gives a service does not decide which record stands for it.
pub fn permit(caller: &Principal, row: &ServiceRow) -> Result<()> {
    if row.organization_id == caller.organization_id {
        Ok(())
    } else {
        Err(Error::Forbidden("Only the organization that keeps the record can say what it is a duplicate of.".into()))
    }
}

fn duplicate(conn: &mut DbConn, caller: &Principal, survivor: ServiceId, id: ServiceId) -> Result<ServiceRow> {
    let fault = |code, message| Error::invalid("/duplicate_id", code, message);
    if id == survivor {
        return Err(fault("not_allowed", "is the service itself"));
    }
    let found = resource::get_row::<Services>(conn, caller, id).map_err(|error| match error {
        Error::NotFound | Error::Gone | Error::Merged { .. } => fault("not_found", "is not a service of the directory"),
        other => other,
    })?;
    if found.organization_id == caller.organization_id { Ok(found) } else { Err(fault("not_allowed", "is kept by another organization")) }
}

fn ensure_few_records(conn: &mut DbConn, both: [ServiceId; 2]) -> Result<()> {
    let mut records = 1;
    for id in both {
        records += repository::merged_ids(conn, id)?.len();
    }
    if records <= MOST_RECORDS {
        return Ok(());
    }
    let message = format!("would be one of more than {MOST_RECORDS} records that were merged into one");
    Err(Error::invalid("/duplicate_id", "too_many", message))
}

/// The rooms of both: of a room that both count, what the service says stands.
fn with_room_of(mut row: ServiceRow, duplicate: &ServiceRow) -> ServiceRow {
    row.capacity = row.capacity.or_else(|| duplicate.capacity.clone());
    let is_known = |key: &str| row.capacities.iter().any(|named| named.key == key);
    let more: Vec<_> = duplicate.capacities.iter().filter(|named| !is_known(&named.key)).cloned().collect();
    row.capacities.0.extend(more);
    row.capacities.0.sort_by(|a, b| a.key.cmp(&b.key));
    row.with_status()
}

/// A record that somebody else has changed meanwhile is taken as they left it, when the transaction is run again.
pub fn save(conn: &mut DbConn, row: &ServiceRow) -> Result<()> {
    if repository::update(conn, row)? { Ok(()) } else { Err(Error::Busy) }
}
