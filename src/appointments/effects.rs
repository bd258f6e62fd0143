//! What follows for a referral from what happens to its appointments.
//!
//! The performer offers the slots of its own or of its service, so a place that is taken in one is its word as much as the taker's. The
//! finer word is said where it goes with the referral's status; a referral that is closed stays as it is.

use super::model::AppointmentRow;
use super::repository;
use crate::auth::Principal;
use crate::db::DbConn;
use crate::error::Result;
use crate::follow_ups::model::{FollowUpResult, Purpose};
use crate::follow_ups::{self, conclude};
use crate::referrals::api::TransitionInput;
use crate::referrals::lifecycle::ReferralStatus;
use crate::referrals::model::{BusinessStatus, ReferralRow};
use crate::referrals::{self, workflow};

/// The person is expected.
pub fn booked(conn: &mut DbConn, caller: &Principal, row: &AppointmentRow) -> Result<()> {
    match referral(conn, row)? {
        Some(referral) => say(conn, caller, &referral, BusinessStatus::Booked),
        None => Ok(()),
    }
}

/// The person is not expected any more; unless they are at another time, somebody has to book again.
pub fn given_up(conn: &mut DbConn, caller: &Principal, row: &AppointmentRow) -> Result<()> {
    match referral(conn, row)? {
        Some(referral) if referral.business_status == Some(BusinessStatus::Booked) && !repository::is_expected(conn, referral.id)? => {
            say(conn, caller, &referral, BusinessStatus::AwaitingBooking)
        }
        _ => Ok(()),
    }
}

/// The person did not come.
pub fn missed(conn: &mut DbConn, caller: &Principal, row: &AppointmentRow) -> Result<()> {
    match referral(conn, row)? {
        Some(referral) => say(conn, caller, &referral, BusinessStatus::NoShow),
        None => Ok(()),
    }
}

/// The person came: where the performer was still to reach them first, that is done, and plans what follows; the referral is in progress.
pub fn attended(conn: &mut DbConn, caller: &Principal, row: &AppointmentRow) -> Result<()> {
    let Some(before) = referral(conn, row)? else { return Ok(()) };
    let is_with_the_performer = before.performer_id == Some(row.provider_id);
    if is_with_the_performer && before.status.is_open() {
        let performer = workflow::acting_performer(conn, &before)?;
        // Others may have had it to make for the performer, for which no system called then.
        follow_ups::plan::take_over_in(conn, caller, performer, &before)?;
        let open = follow_ups::repository::open_of_referral(conn, before.id)?;
        // What others have planned to hear of the person is theirs.
        let first = open.into_iter().find(|row| row.purpose == Purpose::FirstContact && row.organization_id == performer);
        if let Some(first) = first {
            conclude::complete(conn, caller, first, &FollowUpResult { attended: Some(true), ..FollowUpResult::default() })?;
        }
    }
    match referral(conn, row)? {
        Some(referral) => say(conn, caller, &referral, BusinessStatus::Attended),
        None => Ok(()),
    }
}

fn referral(conn: &mut DbConn, row: &AppointmentRow) -> Result<Option<ReferralRow>> {
    match row.referral_id {
        Some(id) => referrals::repository::find_any(conn, id),
        None => Ok(None),
    }
}

/// Says the finer word of an open referral, if it goes with the status and is not said already. Who has come is being helped, so an
/// accepted referral is in progress from then on, if they let the performer go on.
fn say(conn: &mut DbConn, caller: &Principal, referral: &ReferralRow, word: BusinessStatus) -> Result<()> {
    let status = match referral.status {
        ReferralStatus::Accepted if word == BusinessStatus::Attended && workflow::performer_sees(conn, referral, caller.at)? => {
            ReferralStatus::InProgress
        }
        status => status,
    };
    let is_said = referral.business_status == Some(word) && referral.status == status;
    if !referral.status.is_open() || !word.statuses().contains(&status) || is_said {
        return Ok(());
    }
    let input = TransitionInput { business_status: Some(word), ..TransitionInput::to(status) };
    workflow::carry_out(conn, caller, referral, &input).map(|_| ())
}
