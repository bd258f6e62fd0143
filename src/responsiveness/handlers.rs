//! HTTP of responsiveness.

use actix_web::web::Path;
use actix_web::{HttpResponse, get};

use super::api::Responsiveness;
use super::model::Figures;
use super::repository::{self, Subject};
use crate::app::State;
use crate::auth::{Allowed, scope};
use crate::db::DbConn;
use crate::db::types::Id;
use crate::error::{Error, Result};
use crate::kind::{self, OrganizationId, ServiceId};
use crate::{organizations, services};

/// Read how a service answers referrals
///
/// For those who refer: how soon it answers, how many it accepts and brings to an end, of the referrals to it that ask the organization
/// that gives it. Services that are listed and searched show the same as `responsiveness` to whoever has the scope, and matching counts
/// it a little.
#[utoipa::path(tag = "services", params(("id" = ServiceId, Path, description = "The service's id.")), responses((status = 200, description = "The figures; null where they are of too few referrals.", body = Responsiveness)), security(("oauth2" = ["referrals:write"])))]
#[get("/v1/services/{id}/responsiveness")]
pub async fn get_service_responsiveness(
    app: State,
    _: Allowed<scope::ReferralsWrite>,
    id: Path<Id<kind::Service>>,
) -> Result<HttpResponse> {
    let read = app.db.read(move |conn| {
        services::repository::get(conn, *id)?;
        shown(conn, Subject::Service(*id))
    });
    Ok(HttpResponse::Ok().json(read.await?))
}

/// Read how an organization answers referrals
///
/// As for a service, of all the referrals that ask the organization: to any of its services, or to itself as a link worker program.
#[utoipa::path(tag = "organizations", params(("id" = OrganizationId, Path, description = "The organization's id.")), responses((status = 200, description = "The figures; null where they are of too few referrals.", body = Responsiveness)), security(("oauth2" = ["referrals:write"])))]
#[get("/v1/organizations/{id}/responsiveness")]
pub async fn get_organization_responsiveness(
    app: State,
    _: Allowed<scope::ReferralsWrite>,
    id: Path<Id<kind::Organization>>,
) -> Result<HttpResponse> {
    let read = app.db.read(move |conn| {
        let row = organizations::repository::find(conn, *id)?.ok_or(Error::NotFound)?;
        if row.deleted_at.is_some() { Err(Error::Gone) } else { shown(conn, Subject::Organization(*id)) }
    });
    Ok(HttpResponse::Ok().json(read.await?))
}

fn shown(conn: &mut DbConn, subject: Subject) -> Result<Responsiveness> {
    let row = repository::find(conn, subject)?;
    Ok(row.map_or_else(|| Responsiveness::of(&Figures::default(), None), |row| Responsiveness::of(&row.figures, row.counted_at)))
}
