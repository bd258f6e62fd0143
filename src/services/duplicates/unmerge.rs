//! A merge taken back: two records stand again that were made one.

use super::api::ServiceUnmerge;
use super::merge::{lock, permit, save};
use super::merges::{self, MergeRow};
use super::{moving, sources};
use crate::auth::Principal;
use crate::changes::Action;
use crate::db::DbConn;
use crate::db::types::{Instant, Json};
use crate::error::{Error, Result};
use crate::http::etag::OptionalIfMatch;
use crate::http::resource::{self, Resource as _};
use crate::identifiers;
use crate::kind::{ResourceType, ServiceId};
use crate::responsiveness::repository::{Subject, ask_for};
use crate::services::Services;
use crate::services::api::Service;
use crate::services::model::{Capacity, ServiceInput, ServiceStatus};
use crate::services::repository;
use crate::services::row::ServiceRow;
use crate::waitlists::queue;

/// Takes back the merge of the named duplicate into a service; the service as it then is.
///
/// The duplicate stands as it stood, or as its source has it since. The service keeps what it says itself and what was changed since the
/// merge. Rows that came with the duplicate and are still the service's go back in the same transaction. The two are set apart.
///
/// # Errors
/// [`Error::Forbidden`] where the caller does not keep the record, [`Error::Invalid`] where there is no such duplicate,
/// [`Error::Conflict`] where it was not merged into the service, or what is needed to take that back was not kept,
/// [`Error::MergedSince`] where it came with another one.
pub fn unmerge(conn: &mut DbConn, caller: &Principal, id: ServiceId, input: &ServiceUnmerge, version: &OptionalIfMatch) -> Result<Service> {
    lock(conn, id, input.duplicate_id)?;
    let row = resource::get_row::<Services>(conn, caller, id)?;
    permit(caller, &row)?;
    version.check(row.version)?;
    let (gone, merge) = merged(conn, id, input.duplicate_id)?;
    lead_back(conn, &row, &merge)?;

    let kept = &merge.content;
    let mut own = row.own_content.as_ref().unwrap_or(&row.content).0.clone();
    own.identifiers.retain(|identifier| !kept.identifiers.contains(identifier));
    let own = settled(conn, id, own, kept.survivor.runs_unlisted)?;
    let stood = merge.standing(&gone, caller.at);
    let mut its_own = stood.own_content.as_ref().unwrap_or(&stood.content).0.clone();
    // What its source has called it since may be what the service is called as well.
    its_own.identifiers.retain(|identifier| kept.identifiers.contains(identifier) || !own.identifiers.contains(identifier));
    let its_own = settled(conn, gone.id, its_own, kept.runs_unlisted)?;

    let next = composed(conn, &row, own, caller.at)?;
    let came = rooms_of(&next, &merge, &stood);
    let next = with_rooms_of_others(conn, without_rooms(next, &came), &came, &merge)?;
    let stood = ServiceRow { version: gone.version + 1, ..composed(conn, &stood, its_own, caller.at)? };
    let (next, stood) = set_apart(next, stood, &merge);
    for row in [&next, &stood] {
        identifiers::replace(conn, row.organization_id, ResourceType::Service, row.id.uuid(), &row.content.identifiers)?;
    }
    for row in [&stood, &next] {
        save(conn, row)?;
        resource::record::<Services>(conn, caller, &Services::head(row), Action::Updated, &Services::shape(row.clone()))?;
    }

    moving::back(conn, caller, &merge)?;
    queue::hand_over(conn, caller.at, &row, &next)?;
    merges::remove(conn, gone.id)?;
    for id in [id, gone.id] {
        queue::offer_places(conn, caller.at, id)?;
    }
    ask_for(conn, [Subject::Service(id), Subject::Service(gone.id)], caller.at)?;
    Ok(Services::shape(repository::get(conn, id)?))
}

/// The duplicate, and what is kept of its merge into this service.
fn merged(conn: &mut DbConn, survivor: ServiceId, id: ServiceId) -> Result<(ServiceRow, MergeRow)> {
    let Some(gone) = repository::find(conn, id)? else {
        return Err(Error::invalid("/duplicate_id", "not_found", "is not a service of the directory"));
    };
    if gone.merged_into_id != Some(survivor) {
        return Err(Error::conflict("not_merged", "The record was not merged into this service, or that was taken back."));
    }
    let Some(merge) = merges::find(conn, id)? else {
        let detail = "What the record was before is not known: it was merged before that was kept, or was one more source from the start.";
        return Err(Error::conflict("merge_not_kept", detail));
    };
    if merge.survivor_id != survivor {
        return Err(Error::MergedSince { into: resource::location::<Services>(merge.survivor_id) });
    }
    Ok((gone, merge))
}

/// Has the duplicate lead nowhere, and those lead to it again that led to it, and those that have become sources of the service since by a
/// key that is the duplicate's.
fn lead_back(conn: &mut DbConn, survivor: &ServiceRow, merge: &MergeRow) -> Result<()> {
    let mut led = repository::merged_ids(conn, survivor.id)?;
    led.retain(|id| *id != merge.duplicate_id);
    let mut back = merges::came_with(conn, merge.duplicate_id, &led)?;
    let by_themselves = merges::kept_among(conn, &led)?;
    led.retain(|id| !by_themselves.contains(id));
    repository::each_of(conn, &led, |row| {
        if row.content.identifiers.iter().any(|key| merge.content.identifiers.contains(key)) {
            back.push(row.id);
        }
        Ok(())
    })?;
    repository::lead(conn, &back, Some(merge.duplicate_id))?;
    repository::lead(conn, &[merge.duplicate_id], None)
}

/// A record's own words, which are those of a service that has ended where no source lists it any more, unless it ran so before.
fn settled(conn: &mut DbConn, id: ServiceId, mut own: ServiceInput, ran_unlisted: bool) -> Result<ServiceInput> {
    if !ran_unlisted && merges::runs_unlisted(conn, id, own.status)? {
        own.status = ServiceStatus::Inactive;
    }
    Ok(own)
}

/// The next version of a record, of what it says itself and what the records say that lead to it now.
fn composed(conn: &mut DbConn, row: &ServiceRow, own: ServiceInput, at: Instant) -> Result<ServiceRow> {
    if repository::merged_ids(conn, row.id)?.is_empty() {
        return Ok(ServiceRow { own_content: None, ..row.with_content(own, at) });
    }
    let content = sources::composed(conn, row, &own)?;
    Ok(row.composed(own, content, at))
}

/// The rooms that the service took over and that are still what the duplicate says, by their keys; the default one has none.
fn rooms_of(row: &ServiceRow, merge: &MergeRow, stood: &ServiceRow) -> Vec<Option<String>> {
    let said = |row: &ServiceRow, key: &Option<String>| row.room_of(key.as_deref()).map(Capacity::said);
    let is_its = |key: &&Option<String>| said(row, key) == said(stood, key);
    merge.content.survivor.rooms.iter().filter(is_its).cloned().collect()
}

fn without_rooms(mut row: ServiceRow, keys: &[Option<String>]) -> ServiceRow {
    for key in keys {
        match key {
            None => row.capacity = None,
            Some(key) => row.capacities.0.retain(|named| named.key != *key),
        }
    }
    row.with_status()
}

/// With what the duplicates that stay merged say of rooms that go: where the first had not said it, the service would have taken it over
/// from the next.
fn with_rooms_of_others(conn: &mut DbConn, mut row: ServiceRow, keys: &[Option<String>], taken_back: &MergeRow) -> Result<ServiceRow> {
    let others = merges::into(conn, row.id)?;
    for id in others.into_iter().filter(|id| *id != taken_back.duplicate_id) {
        let lacking: Vec<Option<String>> = keys.iter().filter(|key| row.room_of(key.as_deref()).is_none()).cloned().collect();
        if lacking.is_empty() {
            break;
        }
        // One after the other: there may be hundreds, and of each very much may be kept.
        let Some(mut other) = merges::find(conn, id)? else { continue };
        for key in &lacking {
            match key {
                None => row.capacity = other.content.capacity.clone().map(Json),
                Some(key) => row.capacities.0.extend(other.content.capacities.iter().find(|named| named.key == *key).cloned()),
            }
        }
        let came: Vec<_> = lacking.into_iter().filter(|key| row.room_of(key.as_deref()).is_some()).collect();
        if !came.is_empty() {
            other.content.0.survivor.rooms.extend(came);
            merges::replace(conn, &other)?;
        }
    }
    row.capacities.0.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(row.with_status())
}

/// Each again distinct from what it was, and the two from each other: the one that was there first names the other.
fn set_apart(mut survivor: ServiceRow, mut duplicate: ServiceRow, merge: &MergeRow) -> (ServiceRow, ServiceRow) {
    survivor.distinct_from.0.retain(|other| !merge.content.survivor.distinct_from.contains(other));
    let (one, other) = if survivor.id < duplicate.id { (&mut survivor, &mut duplicate) } else { (&mut duplicate, &mut survivor) };
    if !one.distinct_from.contains(&other.id) && !other.distinct_from.contains(&one.id) {
        one.distinct_from.0.push(other.id);
    }
    (survivor, duplicate)
}
