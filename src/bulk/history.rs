//! Where a new record stood that has its history elsewhere, as its line says besides the body: read by the rules of the single calls, with
//! faults that point to where it is said.

use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::kinds::ReadOnly;
use super::references::{by_ids, echo};
use crate::appointments::api::AppointmentOutcome;
use crate::appointments::model::{AppointmentConclusion, AppointmentStatus};
use crate::auth::Principal;
use crate::db::DbConn;
use crate::db::types::{Id, Instant};
use crate::error::{Error, Result};
use crate::follow_ups::conclude;
use crate::follow_ups::loading::Ended;
use crate::follow_ups::model::{Conclusion, FollowUpInput, FollowUpResult, FollowUpStatus};
use crate::http::schema;
use crate::kind::{FollowUpId, ReferralId, ResourceType};
use crate::referrals::api::TransitionInput;
use crate::referrals::lifecycle::ReferralStatus;
use crate::referrals::loading::Stood;
use crate::referrals::workflow;

/// What is said under a name; nothing where that is null.
pub fn said<'a>(was: &'a ReadOnly, field: &str) -> Option<&'a Value> {
    was.get(field).filter(|value| !value.is_null())
}

/// A word of which each has a meaning, an id or a moment.
pub fn word<W: FromStr>(was: &ReadOnly, field: &str) -> Result<Option<W>> {
    let fault = || Error::invalid(pointer(field), "not_allowed", "is not a value of this field");
    said(was, field).map(|value| value.as_str().and_then(|text| text.parse().ok()).ok_or_else(fault)).transpose()
}

/// What has a schema of its own.
pub fn shape<T: ToSchema + DeserializeOwned + Validate + 'static>(value: &Value, pointer: &str) -> Result<T> {
    schema::check(value.clone()).map_err(|error| error.at_pointers(|fault| format!("{pointer}{fault}")))
}

fn pointer(field: &str) -> String {
    format!("/read_only/{field}")
}

fn required(field: &str) -> Error {
    Error::invalid(pointer(field), "required", "is required for this status")
}

/// A moment that has been.
fn moment(was: &ReadOnly, field: &str, caller: &Principal) -> Result<Option<Instant>> {
    match word::<Instant>(was, field)? {
        Some(at) if at > caller.at => Err(Error::invalid(pointer(field), "out_of_range", "must not be in the future")),
        at => Ok(at),
    }
}

/// Where a referral stood that was answered, or waits for an answer.
pub fn referral(caller: &Principal, was: &ReadOnly, status: ReferralStatus) -> Result<Stood> {
    let outcome = word(was, "outcome")?;
    let transition = json!({
        "status": status,
        "business_status": was.get("business_status"),
        "reason": said(was, "status_reason").cloned().unwrap_or_else(|| json!({})),
        // One that should never have been keeps the outcome that it had.
        "outcome": outcome.filter(|_| status != ReferralStatus::EnteredInError),
    });
    let checked = schema::check::<TransitionInput>(transition);
    let checked = checked.and_then(|said| workflow::check_words(ReferralStatus::Draft, &said).map(|()| said));
    let said =
        checked.map_err(|error| error.at_pointers(|fault| format!("/read_only{}", fault.replacen("/reason", "/status_reason", 1))))?;
    let requested_at = moment(was, "requested_at", caller)?;
    if requested_at.is_none() && status != ReferralStatus::Cancelled {
        return Err(required("requested_at"));
    }
    let status_at = moment(was, "status_at", caller)?.ok_or_else(|| required("status_at"))?;
    if requested_at.is_some_and(|requested_at| status_at < requested_at) {
        return Err(Error::invalid(pointer("status_at"), "out_of_range", "must not be before requested_at"));
    }
    Ok(Stood { said, outcome, requested_at, status_at })
}

/// The id under which the first contact of a referral that is loaded is planned.
pub fn first_contact(caller: &Principal, referral: ReferralId) -> FollowUpId {
    Id::from_uuid(echo(caller.organization_id, referral.uuid()))
}

/// How a follow-up ended; `None` where it is open. The needs that it raised are named as far as they were loaded or are the caller's own.
pub fn follow_up(conn: &mut DbConn, caller: &Principal, input: &FollowUpInput, was: &ReadOnly) -> Result<Option<Ended>> {
    let status = word(was, "status")?.unwrap_or(FollowUpStatus::Open);
    let mut conclusion = Conclusion::default();
    match status {
        FollowUpStatus::Open => return Ok(None),
        FollowUpStatus::Completed => {
            let place = pointer("result");
            let result = said(was, "result").map(|value| shape::<FollowUpResult>(value, &place)).transpose()?.unwrap_or_default();
            conclude::check(input.purpose, &result).map_err(|error| error.at_pointers(|fault| format!("{place}{fault}")))?;
            conclusion.result = Some(result);
            let raised = was.get("new_need_ids").and_then(Value::as_array).into_iter().flatten();
            let raised: Vec<Uuid> = raised.filter_map(|need| need.as_str()?.parse().ok()).collect();
            let known = by_ids(conn, caller, ResourceType::Need, &raised, false)?;
            conclusion.new_need_ids = raised.iter().filter_map(|need| known.get(need).copied().map(Id::from_uuid)).collect();
        }
        FollowUpStatus::Cancelled => {
            let why = said(was, "cancellation").ok_or_else(|| required("cancellation"))?;
            conclusion.cancellation = Some(shape(why, &pointer("cancellation"))?);
        }
    }
    let closed_at = moment(was, "closed_at", caller)?.ok_or_else(|| required("closed_at"))?;
    Ok(Some(Ended { status, closed_at, conclusion }))
}

/// How an appointment ended.
pub fn appointment(caller: &Principal, was: &ReadOnly, status: AppointmentStatus) -> Result<AppointmentConclusion> {
    let concluded_at = moment(was, "concluded_at", caller)?;
    // Only whoever offers the slot loads how it ended.
    let told = AppointmentConclusion { concluded_at, ..AppointmentConclusion::by(caller) };
    Ok(match status {
        AppointmentStatus::Cancelled => {
            let why = said(was, "cancellation").ok_or_else(|| required("cancellation"))?;
            AppointmentConclusion { cancellation: Some(shape(why, &pointer("cancellation"))?), ..told }
        }
        AppointmentStatus::Attended | AppointmentStatus::NoShow => {
            let note = json!({ "status": status, "note": was.get("outcome_note") });
            let outcome = schema::check::<AppointmentOutcome>(note);
            let outcome =
                outcome.map_err(|error| error.at_pointers(|fault| format!("/read_only{}", fault.replacen("/note", "/outcome_note", 1))))?;
            told.noting(outcome.note, &AppointmentConclusion::default(), caller, false)
        }
        _ => AppointmentConclusion::default(),
    })
}
