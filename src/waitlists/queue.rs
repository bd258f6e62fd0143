//! What moves a waiting list.
//!
//! Everything here holds the service's row until its transaction ends, after that of a referral where both are held: what is free, and
//! to whom it is offered, is read and written by one at a time. Whoever holds the service waits for no referral any more: where an offer
//! has run out and somebody is at its referral, it is left to them or to the next look. It may write of any patient who waits, so that
//! whoever holds a patient against that holds [their lists](lock_lists) first.

use std::collections::HashMap;

use super::api::{WaitlistDetailsInput, WaitlistEntry, WaitlistEntryInput};
use super::model::{PassedOver, WaitlistEntryRow, WaitlistStatus, rank};
use super::repository;
use crate::auth::Principal;
use crate::changes::{self, Action, Actor, Change};
use crate::db::DbConn;
use crate::db::types::{Id, Instant, Json};
use crate::error::{Error, Result};
use crate::http::resource::{self, Resource as _};
use crate::kind::{OrganizationId, PatientId, ServiceId, WaitlistEntryId};
use crate::organizations;
use crate::referrals;
use crate::referrals::api::TransitionInput;
use crate::referrals::lifecycle::{Party, ReferralStatus};
use crate::referrals::model::{BusinessStatus, ReasonCode, ReferralRow, StatusReason, TransitionRow};
use crate::referrals::workflow::{self, Standing};
use crate::services::model::{Capacity, CapacityStatus, Queue};
use crate::services::row::ServiceRow;
use crate::services::{self, Services, capacity};

/// The offers of one kind that are made or ended at once: the others are those of the next look.
const MOST_MOVED: usize = 1_000;
/// Steps of a referral that are looked at: more than any has.
const MOST_STEPS: i64 = 1_000;

/// Puts a referral on the list of its service, and on hold; then offers what is free. Whoever gives the service keeps its list: nobody
/// waits by a referral that asks another organization.
pub fn join(conn: &mut DbConn, caller: &Principal, service: ServiceId, input: &WaitlistEntryInput) -> Result<WaitlistEntryRow> {
    referrals::repository::lock(conn, input.referral_id)?;
    let found = referrals::repository::find(conn, caller, input.referral_id)?.filter(|referral| referral.deleted_at.is_none());
    let Some(referral) = found.filter(|referral| referral.service_id == Some(service)) else {
        return Err(Error::invalid("/referral_id", "not_found", "is not a referral to this service"));
    };
    require(conn, caller, &referral, &[Party::Performer])?;
    if !referral.status.is_open() {
        return Err(Error::conflict("referral_closed", "The referral is not open: nobody waits for it."));
    }
    workflow::ensure_performer_sees(conn, &referral, caller.at)?;
    let joined_at = input.joined_at.unwrap_or(caller.at);
    if joined_at > caller.at {
        return Err(Error::invalid("/joined_at", "out_of_range", "must not be in the future"));
    }
    hold(conn, caller, &referral)?;
    services::repository::lock(conn, service)?;
    let row = services::repository::find(conn, service)?.filter(ServiceRow::is_listed).ok_or(Error::NotFound)?;
    if !row.is_given_by(referral.asked()) {
        let detail = "The list of a service is kept by the organization that gives it, and the referral asks another one.";
        return Err(Error::Forbidden(detail.into()));
    }
    if let Some(key) = &input.key
        && row.capacities.iter().all(|named| named.key != *key)
    {
        return Err(Error::invalid("/key", "not_found", "is not a room that the service counts"));
    }
    if repository::open_of_referral(conn, referral.id)?.is_some() {
        return Err(Error::conflict("already_waiting", "The referral is on a waiting list already."));
    }
    let details = input.details.clone().unwrap_or_default().for_referral_of(referral.priority);
    let entry = WaitlistEntryRow {
        id: Id::generate(),
        organization_id: workflow::acting_performer(conn, &referral)?,
        service_id: service,
        referral_id: referral.id,
        room: input.key.clone().unwrap_or_default(),
        priority: details.priority,
        priority_rank: rank(details.priority),
        joined_at,
        status: WaitlistStatus::Waiting,
        offer_expires_at: None,
        content: Json(details),
        version: 1,
        created_at: caller.at,
        updated_at: caller.at,
    };
    repository::insert(conn, &entry)?;
    record(conn, &caller.actor(), &entry.clone().into(), &referral)?;
    offer_places(conn, caller.at, service)?;
    repository::get(conn, entry.id)
}

/// Puts a referral on hold for want of room, by the steps that its life has.
fn hold(conn: &mut DbConn, caller: &Principal, referral: &ReferralRow) -> Result<()> {
    let mut referral = referral.clone();
    if referral.status == ReferralStatus::Requested {
        referral = workflow::transition(conn, caller, &referral, &TransitionInput::to(ReferralStatus::Received))?.0;
    }
    let reason = StatusReason { code: Some(ReasonCode::NoCapacity), ..StatusReason::default() };
    let business_status = Some(BusinessStatus::Waitlisted);
    workflow::transition(
        conn,
        caller,
        &referral,
        &TransitionInput { business_status, reason, ..TransitionInput::to(ReferralStatus::OnHold) },
    )?;
    Ok(())
}

/// Fails with [`Error::Forbidden`] unless the caller is one of these parties of the referral.
fn require(conn: &mut DbConn, caller: &Principal, referral: &ReferralRow, of: &[Party]) -> Result<()> {
    if workflow::parties(conn, caller.organization_id, referral)?.iter().any(|party| of.contains(party)) {
        return Ok(());
    }
    let names: Vec<&str> = of.iter().map(|party| party.as_str()).collect();
    Err(Error::Forbidden(format!("Only the {} of the referral can do this.", names.join(" and the ")).into()))
}

/// An entry that the caller sees and may move as one of these parties, of the version that they know, with its referral; nobody else
/// moves either meanwhile.
fn open(
    conn: &mut DbConn,
    caller: &Principal,
    (service, id): (ServiceId, WaitlistEntryId),
    of: &[Party],
    check: impl Fn(i64) -> Result<()>,
) -> Result<(WaitlistEntryRow, ReferralRow)> {
    let entry = repository::find(conn, caller, service, id)?.ok_or(Error::NotFound)?;
    referrals::repository::lock(conn, entry.referral_id)?;
    let referral = referrals::repository::find(conn, caller, entry.referral_id)?.ok_or(Error::NotFound)?;
    require(conn, caller, &referral, of)?;
    services::repository::lock(conn, service)?;
    let entry = repository::get(conn, id)?;
    check(entry.version)?;
    Ok((entry, referral))
}

/// An entry of which the caller may say something else, as it stands while nobody is kept from moving it.
pub fn to_describe(
    conn: &mut DbConn,
    caller: &Principal,
    (service, id): (ServiceId, WaitlistEntryId),
    check: impl Fn(i64) -> Result<()>,
) -> Result<WaitlistEntryRow> {
    let row = repository::find(conn, caller, service, id)?.ok_or(Error::NotFound)?;
    let referral = referrals::repository::find(conn, caller, row.referral_id)?.ok_or(Error::NotFound)?;
    require(conn, caller, &referral, &[Party::Performer])?;
    check(row.version)?;
    ensure_open(&row)?;
    Ok(row)
}

/// Says something else of an entry.
pub fn describe(
    conn: &mut DbConn,
    caller: &Principal,
    entry: (ServiceId, WaitlistEntryId),
    check: impl Fn(i64) -> Result<()>,
    details: impl Fn(&WaitlistEntryRow) -> Result<WaitlistDetailsInput>,
) -> Result<WaitlistEntryRow> {
    let (row, referral) = open(conn, caller, entry, &[Party::Performer], check)?;
    ensure_open(&row)?;
    let next = row.with_details(details(&row)?.for_referral_of(referral.priority), caller.at);
    write(conn, &caller.actor(), &next, &referral)?;
    Ok(next)
}

fn ensure_open(row: &WaitlistEntryRow) -> Result<()> {
    if WaitlistStatus::OPEN.contains(&row.status) { Ok(()) } else { Err(closed()) }
}

/// Takes the place that was offered: it is free no more, and the referral goes on.
pub fn accept(
    conn: &mut DbConn,
    caller: &Principal,
    entry: (ServiceId, WaitlistEntryId),
    check: impl Fn(i64) -> Result<()>,
) -> Result<WaitlistEntryRow> {
    let (row, referral) = open(conn, caller, entry, Party::ALL, check)?;
    workflow::ensure_performer_sees(conn, &referral, caller.at)?;
    ensure_offered(&row, caller.at)?;
    let next = row.becoming(WaitlistStatus::Accepted, caller.at);
    write(conn, &caller.actor(), &next, &referral)?;
    take_place(conn, caller.at, &row, &referral)?;
    offer_places(conn, caller.at, row.service_id)?;
    if referral.status == ReferralStatus::OnHold {
        // The performer has said yes to whoever accepts by offering the place.
        workflow::move_as(conn, caller, &referral, &TransitionInput::to(ReferralStatus::InProgress), &[Party::Performer])?;
    }
    Ok(next)
}

/// Lets the place that was offered go to the next, for a reason that is told where one is known.
pub fn decline(
    conn: &mut DbConn,
    caller: &Principal,
    entry: (ServiceId, WaitlistEntryId),
    check: impl Fn(i64) -> Result<()>,
    reason: &StatusReason,
) -> Result<WaitlistEntryRow> {
    let (row, referral) = open(conn, caller, entry, Party::ALL, check)?;
    ensure_offered(&row, caller.at)?;
    let next = end(conn, caller, &row, WaitlistStatus::Declined, &referral)?;
    go_back(conn, &caller.actor(), caller.organization_id, (&next, &referral), reason)?;
    Ok(next)
}

/// Waits no longer.
pub fn leave(
    conn: &mut DbConn,
    caller: &Principal,
    entry: (ServiceId, WaitlistEntryId),
    check: impl Fn(i64) -> Result<()>,
) -> Result<WaitlistEntryRow> {
    let (row, referral) = open(conn, caller, entry, Party::ALL, check)?;
    ensure_open(&row)?;
    let next = end(conn, caller, &row, WaitlistStatus::Left, &referral)?;
    go_back(conn, &caller.actor(), caller.organization_id, (&next, &referral), &StatusReason::default())?;
    Ok(next)
}

/// Who has left the list does not wait any more: the referral stands again where it stood before, whatever finer word was said of it
/// meanwhile. One that was put on hold for another reason since stays so, and is not said to wait any more.
fn go_back(
    conn: &mut DbConn,
    actor: &Actor,
    by: OrganizationId,
    (entry, referral): (&WaitlistEntryRow, &ReferralRow),
    reason: &StatusReason,
) -> Result<()> {
    let is_waiting = referral.business_status == Some(BusinessStatus::Waitlisted);
    let is_for_want_of_room = referral.status_reason.code.map_or(is_waiting, |code| code == ReasonCode::NoCapacity);
    if referral.status != ReferralStatus::OnHold || !(is_for_want_of_room || is_waiting) {
        return Ok(());
    }
    let stood = if is_for_want_of_room {
        let mut steps = referrals::repository::list_transitions(conn, referral.id, None, MOST_STEPS)?;
        // What was said of those who waited already is not where they stood before.
        steps.retain(|step| step.created_at <= entry.created_at);
        before_waiting(&steps).unwrap_or_else(|| Standing::plain(ReferralStatus::OnHold))
    } else {
        Standing { reason: referral.status_reason.0.clone(), ..Standing::plain(ReferralStatus::OnHold) }
    };
    workflow::resume(conn, actor, by, referral, &stood, reason)
}

/// How a referral that waits stood before.
fn before_waiting(steps: &[TransitionRow]) -> Option<Standing> {
    let (mut before, mut stands) = (None, None::<Standing>);
    for step in steps {
        let last = stands.take().or_else(|| step.from_status.map(Standing::plain));
        let next = Standing::after(last.as_ref(), step);
        if is_waiting(&next) && !last.as_ref().is_some_and(is_waiting) {
            before = last;
        }
        stands = Some(next);
    }
    before
}

fn is_waiting(standing: &Standing) -> bool {
    standing.status == ReferralStatus::OnHold && standing.business_status == Some(BusinessStatus::Waitlisted)
}

fn ensure_offered(row: &WaitlistEntryRow, now: Instant) -> Result<()> {
    if row.has_offer(now) { Ok(()) } else { Err(Error::conflict("no_offer", "No place is kept for this entry, or no longer.")) }
}

fn closed() -> Error {
    Error::conflict("not_waiting", "The entry stands in no waiting list any more.")
}

fn end(
    conn: &mut DbConn,
    caller: &Principal,
    row: &WaitlistEntryRow,
    status: WaitlistStatus,
    referral: &ReferralRow,
) -> Result<WaitlistEntryRow> {
    let next = row.becoming(status, caller.at);
    write(conn, &caller.actor(), &next, referral)?;
    offer_places(conn, caller.at, row.service_id)?;
    Ok(next)
}

/// The place that was kept for somebody is free no more.
fn take_place(conn: &mut DbConn, at: Instant, entry: &WaitlistEntryRow, referral: &ReferralRow) -> Result<()> {
    capacity::take_place(conn, at, entry.service_id, entry.key(), referral.asked())
}

/// What a step of a referral means for its place in a list: whoever is taken on has a place, and whoever is not on hold any more waits no
/// longer.
pub fn settle(conn: &mut DbConn, caller: &Principal, referral: &ReferralRow) -> Result<()> {
    if referral.status == ReferralStatus::OnHold {
        return Ok(());
    }
    let goes_on = [ReferralStatus::Accepted, ReferralStatus::InProgress].contains(&referral.status);
    let Some(entry) = repository::open_of_referral(conn, referral.id)? else { return Ok(()) };
    services::repository::lock(conn, entry.service_id)?;
    let entry = repository::get(conn, entry.id)?;
    if !WaitlistStatus::OPEN.contains(&entry.status) {
        return Ok(());
    }
    let status = if goes_on { WaitlistStatus::Accepted } else { WaitlistStatus::Left };
    write(conn, &caller.actor(), &entry.becoming(status, caller.at), referral)?;
    if goes_on && entry.has_offer(caller.at) {
        take_place(conn, caller.at, &entry, referral)?;
    }
    offer_places(conn, caller.at, entry.service_id)
}

/// What a change of a patient's consents means for the lists in which they stand: an offer to somebody who may not be taken on any more
/// ends, and whoever may be again is offered what is free. Whoever changes them has locked the lists before.
pub fn heed_consent(conn: &mut DbConn, at: Instant, patient: PatientId) -> Result<()> {
    for service in repository::awaited_by(conn, &[patient])? {
        offer_places(conn, at, service)?;
    }
    Ok(())
}

/// Waits until nobody else moves the lists in which these patients stand, and keeps others waiting until the transaction ends. A referral
/// comes before, and a patient or a consent after that: two who took them in turns would wait for each other. On SQLite whoever writes is
/// alone.
pub fn lock_lists(conn: &mut DbConn, patients: &[PatientId]) -> Result<()> {
    if let DbConn::Pg(_) = conn {
        for service in repository::awaited_by(conn, patients)? {
            services::repository::lock(conn, service)?;
        }
    }
    Ok(())
}

/// A service that is to be written in place of another version, as it is then for those who wait: where it has other room, or others
/// give it.
pub fn renewed(conn: &mut DbConn, at: Instant, before: &ServiceRow, next: ServiceRow) -> Result<ServiceRow> {
    hand_over(conn, at, before, &next)?;
    if before.given_by() != next.given_by() || next.has_other_room_than(before) { serve(conn, at, next) } else { Ok(next) }
}

/// Where others give a service from now on than before, those who wait hear whether they are passed over.
pub fn hand_over(conn: &mut DbConn, at: Instant, before: &ServiceRow, next: &ServiceRow) -> Result<()> {
    if before.given_by() == next.given_by() {
        return Ok(());
    }
    services::repository::lock(conn, next.id)?;
    let waiting = repository::waiting(conn, next.id)?;
    move_to(conn, &Actor::operator(at), waiting, next)
}

/// Ends the offers of a service that have run out or are made in vain, offers what is free to whoever is first, and writes with the service
/// how many have an offer and how many wait, where that is something else than before.
///
/// It is the list that does so, whoever set it going: the directory is read by all, and the others who wait are told of their own entry,
/// so that neither may name an organization that has moved somebody it knows.
pub fn offer_places(conn: &mut DbConn, at: Instant, service: ServiceId) -> Result<()> {
    services::repository::lock(conn, service)?;
    let Some(row) = services::repository::find(conn, service)? else { return Ok(()) };
    let next = serve(conn, at, row.clone())?;
    if next == row {
        return Ok(());
    }
    let next = next.again(at);
    if !services::repository::update(conn, &next)? {
        return Err(Error::Busy);
    }
    let shape = Services::shape(next.clone());
    resource::record_by::<Services>(conn, &Actor::operator(at), &Services::head(&next), Action::Updated, &shape)
}

/// The same for a service that is to be written, with who waits for it then.
pub fn serve(conn: &mut DbConn, at: Instant, row: ServiceRow) -> Result<ServiceRow> {
    services::repository::lock(conn, row.id)?;
    let is_waited_for = repository::has_any(conn, row.id)?;
    if is_waited_for {
        offer(conn, &Actor::operator(at), &row)?;
    }
    if !row.is_listed() {
        return Ok(row);
    }
    let mut queues: HashMap<String, Queue> = HashMap::new();
    let standing = if is_waited_for { repository::standing(conn, row.id)? } else { Vec::new() };
    for (room, status) in standing {
        let queue = queues.entry(room).or_default();
        match status {
            WaitlistStatus::Offered => queue.offered += 1,
            _ => queue.waiting += 1,
        }
    }
    Ok(row.with_queues(&queues))
}

/// Offers as many places as there are, less those that are kept for somebody already. Who may not be taken on is passed over, and goes on
/// waiting where an offer was made. So does who waits by a referral that asks whoever gave the service before: they are offered nothing of
/// those who give it now, and would not be known to them.
fn offer(conn: &mut DbConn, actor: &Actor, row: &ServiceRow) -> Result<()> {
    let service = row.id;
    for (entry, why) in repository::offered_in_vain(conn, row, actor.at)?.into_iter().take(MOST_MOVED) {
        let next = WaitlistEntryRow { offer_expires_at: None, ..entry.becoming(WaitlistStatus::Waiting, actor.at) };
        move_alone(conn, actor, &next, Some(why))?;
    }
    let (mut kept, mut ended) = (Vec::new(), 0);
    for entry in repository::offered(conn, service)? {
        if entry.has_offer(actor.at) || ended == MOST_MOVED || !referrals::repository::try_lock(conn, entry.referral_id)? {
            kept.push(entry);
            continue;
        }
        ended += 1;
        move_alone(conn, actor, &entry.becoming(WaitlistStatus::Expired, actor.at), None)?;
        let referral = referrals::repository::get(conn, entry.referral_id)?;
        let reason = StatusReason { code: Some(ReasonCode::Expired), ..StatusReason::default() };
        go_back(conn, actor, entry.organization_id, (&entry, &referral), &reason)?;
    }
    if row.deleted_at.is_some() {
        return Ok(());
    }
    let named = row.capacities.iter().map(|named| (named.key.as_str(), &named.capacity));
    for (room, capacity) in row.capacity.as_deref().map(|capacity| ("", capacity)).into_iter().chain(named) {
        let kept = kept.iter().filter(|entry| entry.room == room).count() as i64;
        let free = places(capacity) - kept;
        if free <= 0 {
            continue;
        }
        for entry in repository::first_waiting(conn, row, room, free.min(MOST_MOVED as i64), actor.at)? {
            let (policies, _) = organizations::repository::practice(conn, Some(entry.organization_id), actor.at)?;
            let end = actor.at.plus(chrono::Duration::hours(policies.place_offer_hours().into()));
            let next = entry.becoming(WaitlistStatus::Offered, actor.at);
            move_alone(conn, actor, &WaitlistEntryRow { offer_expires_at: Some(end), ..next }, None)?;
        }
    }
    Ok(())
}

/// Fails while people wait for a service, or for this room of it: nobody is to wait for what is there no more. Whoever calls this keeps the
/// service's row from then on.
pub fn ensure_nobody_waits(conn: &mut DbConn, service: ServiceId, room: Option<&str>) -> Result<()> {
    services::repository::lock(conn, service)?;
    let mut standing = repository::standing(conn, service)?;
    standing.retain(|(theirs, _)| room.is_none_or(|room| theirs == room));
    let people = match standing.len() {
        0 => return Ok(()),
        1 => "1 person waits".to_owned(),
        many => format!("{many} people wait"),
    };
    let detail = format!("{people} for it, or have an offer; have them leave the list first, by its entries.");
    Err(Error::conflict("people_waiting", detail))
}

/// Whoever waits by these entries for a service, or has waited, waits for this one from now on, and hears whether they are passed over
/// there. Whoever calls this has locked both.
pub fn move_to(conn: &mut DbConn, actor: &Actor, entries: Vec<WaitlistEntryRow>, to: &ServiceRow) -> Result<()> {
    changes::ensure_few(entries.len() as i64, "entries of the waiting list", "have some of those who wait leave it first")?;
    let ids: Vec<WaitlistEntryId> = entries.iter().map(|entry| entry.id).collect();
    let passed_over = repository::passed_over(conn, to, &ids, actor.at)?;
    for entry in entries {
        let why = passed_over.get(&entry.id).copied();
        let next = WaitlistEntryRow { service_id: to.id, version: entry.version + 1, updated_at: actor.at, ..entry };
        move_alone(conn, actor, &next, why)?;
    }
    Ok(())
}

/// The places that can be offered: those that were counted.
fn places(capacity: &Capacity) -> i64 {
    match capacity.status {
        CapacityStatus::Open | CapacityStatus::Waitlist => capacity.available.unwrap_or(0).into(),
        CapacityStatus::Full | CapacityStatus::Closed | CapacityStatus::Unknown => 0,
    }
}

/// Writes an entry that moves without its referral, with why it is passed over from now on, if it is.
fn move_alone(conn: &mut DbConn, actor: &Actor, next: &WaitlistEntryRow, passed_over: Option<PassedOver>) -> Result<()> {
    let referral = referrals::repository::get(conn, next.referral_id)?;
    replace(conn, next)?;
    record(conn, actor, &WaitlistEntry { passed_over, ..next.clone().into() }, &referral)
}

fn write(conn: &mut DbConn, actor: &Actor, next: &WaitlistEntryRow, referral: &ReferralRow) -> Result<()> {
    replace(conn, next)?;
    record(conn, actor, &next.clone().into(), referral)
}

fn replace(conn: &mut DbConn, next: &WaitlistEntryRow) -> Result<()> {
    if repository::replace(conn, next)? { Ok(()) } else { Err(Error::Busy) }
}

fn record(conn: &mut DbConn, actor: &Actor, shape: &WaitlistEntry, referral: &ReferralRow) -> Result<()> {
    let action = if shape.version == 1 { Action::Created } else { Action::Updated };
    let change = Change::of(shape.id, shape.version, action, shape).owned_by(shape.organization_id);
    changes::record(conn, actor, change.about(referral.patient_id).within(referral.id))
}
