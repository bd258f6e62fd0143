//! Who may have a place in which slot, and taking it.

use chrono::Duration;

use super::model::{AppointmentInput, AppointmentRow};
use super::{effects, repository};
use crate::auth::{Principal, sight};
use crate::db::DbConn;
use crate::db::types::Instant;
use crate::error::{Error, Fault, Result};
use crate::kind::{AppointmentId, OrganizationId, PatientId, ReferralId, ResourceType, SlotId};
use crate::referrals::model::{BusinessStatus, ReferralRow};
use crate::referrals::workflow;
use crate::slots::model::SlotRow;
use crate::types::DeliveryMode;
use crate::{identifiers, patients, referrals, slots};

/// So many places may be held for a patient at once: to choose from, and not to keep from others.
const MOST_FOR_A_PATIENT: i64 = 3;

/// Fails with everything that is wrong with what a booking names: the slot, the patient, the referral, and whether they go together. Only
/// one that is to come asks for a referral in which a place can be booked, for a place, or for how people meet in the slot.
pub fn check(conn: &mut DbConn, caller: &Principal, input: &AppointmentInput, is_to_come: bool) -> Result<()> {
    let mut faults = Vec::new();
    let slot = slots::repository::find(conn, input.slot_id)?.filter(|slot| slot.deleted_at.is_none());
    if slot.is_none() {
        faults.push(Fault::new("/slot_id", "not_found", "is not a slot"));
    }
    if let Some(slot) = slot.as_ref().filter(|_| is_to_come) {
        faults.extend(other_mode(slot, input.mode));
    }
    let sides = match input.referral_id {
        Some(id) => check_referral(conn, caller, (id, is_to_come), input.patient_id, slot.as_ref(), &mut faults)?,
        None => {
            sight::referenced(conn, caller, input.patient_id, "/patient_id")?;
            Vec::new()
        }
    };
    // Whom the patient lets in is asked last, so that only whoever really books is told.
    if faults.is_empty()
        && let Some(slot) = slot.filter(|slot| !sides.contains(&slot.organization_id))
    {
        if is_to_come {
            ensure_offered(&slot, caller)?;
            ensure_place(conn, caller, &slot, input.patient_id)?;
            identifiers::ensure_free(conn, caller.organization_id, ResourceType::Appointment, &input.identifiers)?;
        }
        if !may_know(conn, input.patient_id, slot.organization_id, caller.at)? {
            let (pointer, message) = match input.referral_id {
                None => ("/referral_id", "is required: the patient has not consented to the organization that offers the slot"),
                Some(_) => {
                    ("/slot_id", "is offered by an organization that the referral does not ask, and to which the patient has not consented")
                }
            };
            faults.push(Fault::new(pointer, "consent_required", message));
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::Invalid(faults)) }
}

/// What is wrong with how people are to meet in a slot: it may state another way.
pub fn other_mode(slot: &SlotRow, mode: Option<DeliveryMode>) -> Option<Fault> {
    let is_other = mode.is_some_and(|mode| !slot.is_open_to(mode));
    is_other.then(|| Fault::new("/mode", "not_allowed", "is not how people meet in the slot"))
}

/// The referral must be one that was sent, and that its performer has accepted where the appointment is to come; of this patient, the
/// caller one of its sides, and the slot its performer's or its service's. The organizations that know of the patient by it: a referral
/// may name a service of a third one, and nobody has let that one in by asking another.
fn check_referral(
    conn: &mut DbConn,
    caller: &Principal,
    (id, is_to_come): (ReferralId, bool),
    patient: PatientId,
    slot: Option<&SlotRow>,
    faults: &mut Vec<Fault>,
) -> Result<Vec<OrganizationId>> {
    // Otherwise the referral could be closed while an appointment is made in it.
    referrals::repository::lock(conn, id)?;
    let referral = referrals::repository::find(conn, caller, id)?.filter(|row| row.deleted_at.is_none());
    let Some(referral) = referral else {
        faults.push(Fault::new("/referral_id", "not_found", "is not a referral that this client sees"));
        return Ok(Vec::new());
    };
    if referral.patient_id != patient {
        faults.push(Fault::new("/patient_id", "not_allowed", "is not the referral's patient"));
    }
    if referral.requested_at.is_none() || (is_to_come && !BusinessStatus::Booked.statuses().contains(&referral.status)) {
        faults.push(Fault::new("/referral_id", "not_accepted", "is not accepted by its performer, or is closed"));
    }
    if workflow::parties(conn, caller.organization_id, &referral)?.is_empty() {
        faults.push(Fault::new("/referral_id", "not_permitted", "is booked for by its requester and its performer"));
    }
    if slot.is_some_and(|slot| !is_for(slot, &referral)) {
        faults.push(Fault::new("/slot_id", "not_allowed", "is not offered by the referral's performer or for its service"));
    }
    if is_to_come && faults.is_empty() {
        workflow::ensure_performer_sees(conn, &referral, caller.at)?;
    }
    Ok(vec![referral.organization_id, referral.asked()])
}

/// Fails where the patient lets in no more whoever a booking would ask for today: the performer of the appointment's referral; the
/// organization that it is with, where that is no side of it; without a referral also the caller. The person is not to be expected there,
/// at this time or another.
pub fn ensure_agreed(conn: &mut DbConn, caller: &Principal, row: &AppointmentRow) -> Result<()> {
    let (provider, own) = (row.provider_id, caller.organization_id);
    let is_side = match row.referral_id {
        Some(id) => {
            let referral = referrals::repository::get(conn, id)?;
            workflow::ensure_performer_sees(conn, &referral, caller.at)?;
            [referral.organization_id, referral.asked()].contains(&provider)
        }
        None if own == provider => false,
        None => match sight::patient(conn, caller, row.patient_id) {
            Ok(_) => false,
            Err(Error::NotFound | Error::Gone | Error::Merged { .. }) => return Err(ended()),
            Err(other) => return Err(other),
        },
    };
    if is_side || may_know(conn, row.patient_id, provider, caller.at)? { Ok(()) } else { Err(ended()) }
}

/// Fails where the referral of an appointment is closed: nobody expects the person by it any more.
pub fn ensure_referral_is_open(conn: &mut DbConn, row: &AppointmentRow) -> Result<()> {
    let Some(id) = row.referral_id else { return Ok(()) };
    if referrals::repository::get(conn, id)?.status.is_open() {
        Ok(())
    } else {
        Err(Error::conflict("referral_closed", "The referral is closed: no place is booked by it any more."))
    }
}

fn ended() -> Error {
    let detail = "The organization that the appointment is with, or the client's own, does not see the patient: the patient's consent to \
                  it has ended, or the patient was deleted.";
    Error::conflict("consent_ended", detail)
}

fn is_for(slot: &SlotRow, referral: &ReferralRow) -> bool {
    referral.performer_id == Some(slot.organization_id) || (referral.service_id.is_some() && referral.service_id == slot.service_id)
}

/// Whether the organization that offers a slot may know of the patient without a referral that asks it, whoever calls: it manages the
/// patient, or the patient has consented to it.
fn may_know(conn: &mut DbConn, patient: PatientId, provider: OrganizationId, now: Instant) -> Result<bool> {
    let manager = patients::repository::manager(conn, patient)?;
    sight::may_take_on(conn, patient, (provider, manager), now)
}

/// Fails where the client holds `most` places, or the patient has as many held, of those that the client sees, as one may. Neither gets
/// another one before the transaction ends. The referral comes first, as everywhere.
pub fn allow_hold(conn: &mut DbConn, caller: &Principal, input: &AppointmentInput, most: u16) -> Result<()> {
    let patient = input.patient_id;
    if let Some(referral) = input.referral_id {
        referrals::repository::lock(conn, referral)?;
    }
    repository::lock_holders(conn, caller.client_id, patient)?;
    if repository::held_by(conn, caller.client_id, caller.at)? >= i64::from(most) {
        let detail = format!("This client holds {most} places, as many as it may at once: confirm or cancel some, or let them run out.");
        return Err(Error::conflict("too_many_holds", detail));
    }
    if repository::held_for(conn, caller, patient)? >= MOST_FOR_A_PATIENT {
        let detail =
            format!("{MOST_FOR_A_PATIENT} places are held for the patient, as many as may be at once: confirm or cancel one first.");
        return Err(Error::conflict("too_many_holds_for_patient", detail));
    }
    Ok(())
}

/// Takes a place: booked, or held for so long.
pub fn book(
    conn: &mut DbConn,
    caller: &Principal,
    id: AppointmentId,
    input: AppointmentInput,
    hold: Option<Duration>,
) -> Result<AppointmentRow> {
    let slot = claim(conn, caller, &[input.slot_id], input.slot_id, input.patient_id)?;
    let manager = patients::repository::manager(conn, input.patient_id)?;
    let row = AppointmentRow::new(id, &slot, input, (caller.organization_id, manager), hold, caller.at);
    repository::insert(conn, &row)?;
    if let Some(until) = row.held_until {
        repository::note_hold(conn, row.id, caller.client_id, until, caller.at)?;
    }
    if hold.is_none() {
        effects::booked(conn, caller, &row)?;
    }
    Ok(row)
}

/// The slot, which has a place for the patient, and keeps it for this transaction: nobody else takes or gives back a place in the locked
/// slots until it ends. The slot is one of these.
pub fn claim(conn: &mut DbConn, caller: &Principal, locked: &[SlotId], slot: SlotId, patient: PatientId) -> Result<SlotRow> {
    slots::repository::lock(conn, locked)?;
    let slot = slots::repository::find(conn, slot)?.ok_or(Error::NotFound)?;
    ensure_offered(&slot, caller)?;
    ensure_place(conn, caller, &slot, patient)?;
    Ok(slot)
}

fn ensure_offered(slot: &SlotRow, caller: &Principal) -> Result<()> {
    if slot.is_offered(caller.at) { Ok(()) } else { Err(Error::conflict("slot_closed", "The slot is closed, or has begun.")) }
}

/// Fails where a slot has no place for the patient, or has given it one that the caller sees: one that is hidden from the caller does not
/// show in what happens either. It holds for this transaction where the slot is locked.
pub fn ensure_place(conn: &mut DbConn, caller: &Principal, slot: &SlotRow, patient: PatientId) -> Result<()> {
    if repository::has_place(conn, caller, slot.id, patient)? {
        return Err(Error::conflict("already_booked", "The patient has a place in this slot."));
    }
    let taken = repository::taken_in(conn, slot.id, caller.at)?;
    if taken >= i64::from(slot.places) {
        return Err(Error::conflict("slot_full", "No place in the slot is free."));
    }
    Ok(())
}
