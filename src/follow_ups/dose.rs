//! How much was given to a person, counted from the attempts that reached them and the follow-ups that were completed.

use std::collections::HashSet;

use actix_web::web::Path;
use actix_web::{HttpResponse, get};

use super::api::Dose;
use super::model::{AttemptOutcome, AttemptRow, FollowUpRow};
use super::repository;
use crate::app::State;
use crate::auth::{Allowed, scope, sight};
use crate::db::DbConn;
use crate::db::types::{Id, Instant};
use crate::error::Result;
use crate::http::resource;
use crate::kind::{self, FollowUpId, PatientId, ReferralId};
use crate::referrals::handlers::Referrals;

/// Counts the sessions: each attempt that reached the person is one, and so is a completed follow-up with minutes but without such an
/// attempt.
pub fn count(follow_ups: &[FollowUpRow], attempts: &[AttemptRow], requested_at: Option<Instant>) -> Dose {
    let reached: Vec<&AttemptRow> = attempts.iter().filter(|attempt| attempt.outcome == AttemptOutcome::Reached).collect();
    let with_attempt: HashSet<FollowUpId> = reached.iter().map(|attempt| attempt.follow_up_id).collect();
    let extra_minutes = |row: &FollowUpRow| row.conclusion.result.as_ref().and_then(|result| result.minutes).unwrap_or(0);
    let met = follow_ups.iter().filter(|row| extra_minutes(row) > 0 && !with_attempt.contains(&row.id)).filter_map(|row| row.closed_at);
    let sessions: Vec<Instant> = reached.iter().map(|attempt| attempt.at).chain(met).collect();
    let minutes = reached.iter().filter_map(|attempt| attempt.minutes).chain(follow_ups.iter().map(extra_minutes)).map(i64::from).sum();
    let (first, last) = (sessions.iter().min().copied(), sessions.iter().max().copied());
    let days = |from: Instant, until: Instant| (until.utc() - from.utc()).num_days();
    Dose {
        sessions: count_of(&sessions),
        minutes,
        weeks: first.zip(last).map_or(0, |(first, last)| days(first, last) / 7 + 1),
        attempts: count_of(attempts),
        first_session_at: first,
        last_session_at: last,
        days_to_first_contact: requested_at.zip(first).map(|(sent, first)| days(sent, first).max(0)),
    }
}

fn count_of<T>(items: &[T]) -> i64 {
    i64::try_from(items.len()).unwrap_or(i64::MAX)
}

fn dose_of(conn: &mut DbConn, follow_ups: &[FollowUpRow], requested_at: Option<Instant>) -> Result<Dose> {
    let ids: Vec<FollowUpId> = follow_ups.iter().map(|row| row.id).collect();
    let attempts = repository::attempts_of(conn, &ids)?;
    Ok(count(follow_ups, &attempts, requested_at))
}

/// Read the dose of a referral
///
/// Sessions, minutes and weeks that the person was given in it.
#[utoipa::path(tag = "follow_ups", params(("id" = ReferralId, Path, description = "The referral's id.")), responses((status = 200, description = "The dose.", body = Dose), (status = 410, description = "It was deleted or merged.")), security(("oauth2" = ["follow_ups:read"])))]
#[get("/v1/referrals/{id}/dose")]
pub async fn get_referral_dose(app: State, caller: Allowed<scope::FollowUpsRead>, id: Path<Id<kind::Referral>>) -> Result<HttpResponse> {
    let id = *id;
    let dose = app
        .db
        .read(move |conn| {
            let referral = resource::get_row::<Referrals>(conn, &caller, id)?;
            let follow_ups = repository::of_referral(conn, &caller, id)?;
            dose_of(conn, &follow_ups, referral.requested_at)
        })
        .await?;
    Ok(HttpResponse::Ok().json(dose))
}

/// Read the dose of a patient
///
/// Sessions, minutes and weeks over all follow-ups that the caller sees.
#[utoipa::path(tag = "follow_ups", params(("id" = PatientId, Path, description = "The patient's id.")), responses((status = 200, description = "The dose.", body = Dose), (status = 410, description = "It was deleted or merged.")), security(("oauth2" = ["follow_ups:read"])))]
#[get("/v1/patients/{id}/dose")]
pub async fn get_patient_dose(app: State, caller: Allowed<scope::FollowUpsRead>, id: Path<Id<kind::Patient>>) -> Result<HttpResponse> {
    let id = *id;
    let dose = app
        .db
        .read(move |conn| {
            sight::patient(conn, &caller, id)?;
            let follow_ups = repository::of_patient(conn, &caller, id)?;
            dose_of(conn, &follow_ups, None)
        })
        .await?;
    Ok(HttpResponse::Ok().json(dose))
}
