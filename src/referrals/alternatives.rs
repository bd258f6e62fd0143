//! Where else the person of a referral could turn: what matching finds beside the service that had no room.

use actix_web::web::Path;
use actix_web::{HttpResponse, get};

use super::handlers::{Referrals, seen_of};
use super::model::ReferralRow;
use super::workflow;
use crate::app::{App, State};
use crate::auth::{Allowed, Principal, Scope, scope};
use crate::changes::Demand;
use crate::consents::model::Categories;
use crate::db::DbConn;
use crate::db::types::Id;
use crate::error::{Error, Result};
use crate::http::resource::{self, Resource as _};
use crate::kind::{self, ReferralId};
use crate::matching::finder::{self, Ask};
use crate::matching::memory;
use crate::matching::patient::{self, Needs};
use crate::matching::person::{AvoidReason, Avoidance, Person, PersonNeed};
use crate::matching::report::Suggestions;
use crate::patients;
use crate::services::row::ServiceRow;

/// How many are suggested.
const MOST: usize = 5;

/// Suggests services in the place of that of a referral, as far as the caller sees the patient. Call it in a read.
///
/// The needs are those that the referral serves, where the caller sees them; else what its service is for. Where the
/// caller does not see all needs, what would not be safe by one of the others is left out.
pub fn suggest(conn: &mut DbConn, app: &App, caller: &Principal, row: &ReferralRow) -> Result<Suggestions> {
    let referral = Referrals::shape(row.clone());
    let service = workflow::service(conn, &referral)?;
    let patient = patients::repository::find(conn, row.patient_id)?.ok_or(Error::NotFound)?;
    let seen = seen_of(conn, caller, &referral, &patient)?;
    let (mut needs, rows) = Needs::of(conn, caller, row.patient_id, seen.unwrap_or(Categories::NONE))?;
    let served = row.content.need_ids.iter().filter_map(|id| rows.iter().find(|need| need.id == *id));
    needs.wanted = served.map(|need| need.content.0.clone()).collect();
    let mut person = match seen {
        Some(seen) => patient::person_of(conn, row.patient_id, seen, &needs, caller.at.utc().date_naive())?,
        None => Person { is_at_hidden_risk: true, ..Person::default() },
    };
    if let Some(service) = &service {
        if person.needs.is_empty() {
            person.needs = answered_by(service);
        }
        let reason = AvoidReason::RefusedByProvider;
        person.avoid.push(Avoidance { service_id: Some(service.id), organization_id: None, reason });
    }
    if seen.is_some() {
        person.avoid.extend(memory::avoidances(conn, caller, row.patient_id)?);
    }
    let helpline = app.config.helpline();
    let responsiveness = caller.has(Scope::ReferralsWrite).then_some(&app.responsiveness);
    let demand = Demand::Own(Some(caller.client_id));
    let ask = Ask { limit: MOST, include_excluded: false, at: caller.at, demand, helpline: &helpline, responsiveness };
    finder::suggest(conn, &app.directory, &person, &ask)
}

/// What a service is for, as needs.
fn answered_by(service: &ServiceRow) -> Vec<PersonNeed> {
    let domains = service.content.need_domains.iter();
    domains.map(|domain| PersonNeed { domain: domain.code.clone(), ..PersonNeed::default() }).collect()
}

/// Suggests alternatives for a referral that is about to be rejected for want of room; none where the caller does not see it, which the
/// step itself then says.
pub async fn for_rejection(app: &State, caller: &Principal, id: ReferralId) -> Result<Option<Suggestions>> {
    let (state, caller) = (app.clone(), caller.clone());
    app.read_matching(move |conn| match resource::get_row::<Referrals>(conn, &caller, id) {
        Ok(row) => suggest(conn, &state, &caller, &row).map(Some),
        Err(Error::NotFound | Error::Gone) => Ok(None),
        Err(error) => Err(error),
    })
    .await
}

/// Find alternatives to the service of a referral
///
/// Where it has no room, or does not suit: what matching finds for the needs that the referral serves, as far as the caller sees the
/// patient, without the service itself and what a match for the patient would leave out for their other referrals. Each says why. Nothing is written down; a match that a new referral can name is made by
/// `POST /v1/matches`.
#[utoipa::path(tag = "referrals", params(("id" = ReferralId, Path, description = "The referral's id.")), responses((status = 200, description = "The suggestions, the best first.", body = Suggestions), (status = 410, description = "The referral, a draft, was deleted.")), security(("oauth2" = ["referrals:read"])))]
#[get("/v1/referrals/{id}/alternatives")]
pub async fn list_referral_alternatives(
    app: State,
    caller: Allowed<scope::ReferralsRead>,
    id: Path<Id<kind::Referral>>,
) -> Result<HttpResponse> {
    let (id, state) = (*id, app.clone());
    let found = app
        .read_matching(move |conn| {
            let row = resource::get_row::<Referrals>(conn, &caller, id)?;
            suggest(conn, &state, &caller, &row)
        })
        .await?;
    Ok(HttpResponse::Ok().json(found))
}
