//! Referrals that have their history elsewhere, loaded as they stood.

use std::collections::BTreeSet;

use super::api::TransitionInput;
use super::handlers::{Referrals, check};
use super::lifecycle::{Party, ReferralStatus};
use super::model::{Outcome, ReferralInput, ReferralKind, ReferralRow};
use super::workflow;
use crate::auth::Principal;
use crate::consents;
use crate::db::DbConn;
use crate::db::types::{Instant, Json};
use crate::error::{Error, Result};
use crate::http::resource;
use crate::kind::{FollowUpId, OrganizationId, ReferralId};
use crate::{follow_ups, organizations};

/// Where a referral stood.
#[derive(Debug, Clone)]
pub struct Stood {
    /// What a transition would have said that leads there.
    pub said: TransitionInput,
    /// What had become of it.
    pub outcome: Option<Outcome>,
    /// When it was sent; a draft that was called off never was.
    pub requested_at: Option<Instant>,
    /// When it came there.
    pub status_at: Instant,
}

/// Has no system begin to call for these performers until the transaction ends: whoever loads a referral counts on it that it speaks for
/// the performer too, and a system that is about to call waits, and takes over what was planned. One statement for all.
pub fn hold_performers(conn: &mut DbConn, caller: &Principal, performers: impl IntoIterator<Item = OrganizationId>) -> Result<()> {
    let others: BTreeSet<_> = performers.into_iter().filter(|performer| *performer != caller.organization_id).collect();
    organizations::repository::lock_connections(conn, &others)
}

/// Adds a referral as it stood, with the one transition that leads there, by a caller that speaks for both of its sides: nobody answers in
/// another's name. Nothing is sent to anybody; the first contact of an accepted one is planned under an id that is known beforehand. Whoever
/// calls this has [held](hold_performers) the performer that the input names.
pub fn load(
    conn: &mut DbConn,
    caller: &Principal,
    id: ReferralId,
    mut input: ReferralInput,
    stood: &Stood,
    first_contact: FollowUpId,
) -> Result<()> {
    let (status, is_named) = (stood.said.status, input.performer_organization_id.is_some());
    let manager = check(conn, caller, None, &mut input, status.is_open())?;
    if !is_named {
        // Who gives the service is known by now.
        hold_performers(conn, caller, input.performer_organization_id)?;
    }
    let loaded = resource::insert_prepared::<Referrals>(conn, caller, input, |conn, input| {
        let row = ReferralRow::draft(id, caller.organization_id, manager, input, caller.at);
        // A draft that was called off was never anybody else's.
        if stood.requested_at.is_some() && !workflow::parties(conn, caller.organization_id, &row)?.contains(&Party::Performer) {
            let detail = format!("The performer has a system on Kith: nobody else says that a referral to it is {status}.");
            return Err(Error::conflict("state_not_loaded", detail));
        }
        let mut row = ReferralRow {
            status,
            business_status: stood.said.business_status,
            status_reason: Json(stood.said.reason.clone()),
            outcome: stood.outcome,
            requested_at: stood.requested_at,
            status_at: stood.status_at,
            ..row
        };
        if status.is_open() {
            ensure_consent(conn, caller, &row)?;
            workflow::set_due_dates(conn, &mut row, stood.requested_at.unwrap_or(stood.status_at))?;
        }
        if stood.requested_at.is_some() {
            row.content.0.consent = None;
        }
        let row = workflow::insert_as(conn, caller, row, &stood.said)?;
        if status == ReferralStatus::Accepted && row.kind == ReferralKind::Navigation {
            follow_ups::plan::first_contact_with_id(conn, caller, first_contact, &row)?;
        }
        Ok(row)
    });
    loaded.map(|_| ())
}

/// The consent to an open one must stand. One that came with it when it was sent is recorded only where none is: that may have been
/// taken back since.
fn ensure_consent(conn: &mut DbConn, caller: &Principal, row: &ReferralRow) -> Result<()> {
    let is_recorded = match row.performer_id {
        Some(performer) => consents::repository::was_given(conn, row.patient_id, performer)?,
        None => false,
    };
    workflow::ensure_consent(conn, caller, row, row.content.consent.as_ref().filter(|_| !is_recorded))
}
