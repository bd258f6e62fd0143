//! HTTP of practitioners.

use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, put};

use super::api::{Caseload, Practitioner, PractitionerQuery};
use super::model::{PractitionerInput, PractitionerRow};
use super::repository;
use crate::app::State;
use crate::auth::{Allowed, Principal, scope};
use crate::db::DbConn;
use crate::db::lists::list;
use crate::db::types::{Id, Json};
use crate::error::{Error, Result};
use crate::http::body::{MergePatch, Valid};
use crate::http::command::Command;
use crate::http::etag::{IfMatch, IfNoneMatch, OptionalIfMatch};
use crate::http::page::{self, Page};
use crate::http::query::Query;
use crate::http::resource::{self, ByIdentifier, Head, HistoryQuery, Resource, Revision};
use crate::kind::{self, PractitionerId};
use crate::text::fold;
use crate::types::Identifier;

/// Practitioners, for the common verbs.
#[derive(Debug)]
pub struct Practitioners;

impl Resource for Practitioners {
    type Kind = kind::Practitioner;
    type Input = PractitionerInput;
    type Row = PractitionerRow;
    type Shape = Practitioner;

    const PATH: &'static str = "/v1/practitioners";

    fn head(row: &PractitionerRow) -> Head<kind::Practitioner> {
        Head {
            id: row.id,
            owner: row.organization_id,
            version: row.version,
            is_deleted: row.deleted_at.is_some(),
            patient_id: None,
            referral_id: None,
        }
    }

    fn input(row: &PractitionerRow) -> PractitionerInput {
        row.content.0.clone()
    }

    fn shape(row: PractitionerRow) -> Practitioner {
        row.into()
    }

    fn view(_: &mut DbConn, caller: &Principal, shape: Practitioner) -> Result<Practitioner> {
        Ok(shape.seen_by(caller.organization_id))
    }

    fn identifiers(input: &PractitionerInput) -> &[Identifier] {
        &input.identifiers
    }

    fn find(conn: &mut DbConn, _: &Principal, id: PractitionerId) -> Result<Option<PractitionerRow>> {
        repository::find(conn, id)
    }

    /// Earlier versions hold what only the practitioner's own organization may see.
    fn permit_history(caller: &Principal, row: &PractitionerRow) -> Result<()> {
        Self::permit(caller, row)
    }

    fn insert(conn: &mut DbConn, caller: &Principal, id: PractitionerId, input: PractitionerInput) -> Result<PractitionerRow> {
        let row = PractitionerRow {
            id,
            organization_id: caller.organization_id,
            name_key: fold(&input.name),
            roles: list(&input.roles),
            languages: list(&input.languages).to_lowercase(),
            is_active: input.is_active,
            content: Json(input),
            version: 1,
            created_at: caller.at,
            updated_at: caller.at,
            deleted_at: None,
        };
        repository::insert(conn, &row)?;
        Ok(row)
    }

    fn update(conn: &mut DbConn, caller: &Principal, row: &PractitionerRow, input: PractitionerInput) -> Result<Option<PractitionerRow>> {
        let row = PractitionerRow {
            name_key: fold(&input.name),
            roles: list(&input.roles),
            languages: list(&input.languages).to_lowercase(),
            is_active: input.is_active,
            content: Json(input),
            version: row.version + 1,
            updated_at: caller.at,
            ..row.clone()
        };
        Ok(repository::update(conn, &row)?.then_some(row))
    }

    fn delete(conn: &mut DbConn, caller: &Principal, row: &PractitionerRow) -> Result<Option<PractitionerRow>> {
        let row = PractitionerRow { version: row.version + 1, updated_at: caller.at, deleted_at: Some(caller.at), ..row.clone() };
        Ok(repository::update(conn, &row)?.then_some(row))
    }
}

/// List practitioners
///
/// Of every organization, in order of creation. What only their own organization may see is left out for others.
#[utoipa::path(tag = "practitioners", params(PractitionerQuery), responses((status = 200, description = "A page of practitioners.", body = Page<Practitioner>)), security(("oauth2" = ["organizations:read"])))]
#[get("/v1/practitioners")]
pub async fn list_practitioners(
    app: State,
    caller: Allowed<scope::OrganizationsRead>,
    query: Query<PractitionerQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let (own, query) = (caller.organization_id, query.0);
    let fingerprint = page::fingerprint(&PractitionerQuery { cursor: None, limit: page::Limit::default(), ..query.clone() });
    let after: Option<PractitionerId> = query.cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?;
    let page = app
        .db
        .read_briefly(move |conn| {
            let rows = repository::list(conn, own, &query, after)?;
            Page::from_rows(rows, query.limit, fingerprint, |row: &PractitionerRow| row.id)
        })
        .await?;
    Ok(page.map(|row| Practitioner::from(row).seen_by(own)).respond(&request))
}

/// Create a practitioner
///
/// Of the caller's organization.
#[utoipa::path(tag = "practitioners", request_body = PractitionerInput, responses((status = 201, description = "The new practitioner.", body = Practitioner)), security(("oauth2" = ["organizations:write"])))]
#[post("/v1/practitioners")]
pub async fn create_practitioner(
    app: State,
    caller: Allowed<scope::OrganizationsWrite>,
    command: Command<PractitionerInput>,
) -> Result<HttpResponse> {
    resource::create::<Practitioners>(&app, &caller, command).await
}

/// Create or replace a practitioner by identifier
///
/// Among the practitioners of the caller's organization.
#[utoipa::path(tag = "practitioners", params(ByIdentifier), request_body = PractitionerInput, responses((status = 200, description = "The practitioner, replaced.", body = Practitioner), (status = 201, description = "The new practitioner.", body = Practitioner)), security(("oauth2" = ["organizations:write"])))]
#[put("/v1/practitioners/by-identifier")]
pub async fn upsert_practitioner(
    app: State,
    caller: Allowed<scope::OrganizationsWrite>,
    key: Query<ByIdentifier>,
    version: OptionalIfMatch,
    input: Valid<PractitionerInput>,
) -> Result<HttpResponse> {
    resource::put_by_identifier::<Practitioners>(&app, &caller, &key.0, version, input.0).await
}

/// Read a practitioner
///
/// Every client may read every practitioner: one must know to whom one speaks.
#[utoipa::path(tag = "practitioners", params(("id" = PractitionerId, Path, description = "The practitioner's id.")), responses((status = 200, description = "The practitioner.", body = Practitioner)), security(("oauth2" = ["organizations:read"])))]
#[get("/v1/practitioners/{id}")]
pub async fn get_practitioner(
    app: State,
    caller: Allowed<scope::OrganizationsRead>,
    id: Path<Id<kind::Practitioner>>,
    known: IfNoneMatch,
) -> Result<HttpResponse> {
    resource::get::<Practitioners>(&app, &caller, *id, &known).await
}

/// Replace a practitioner
///
/// All that is not sent is cleared. Only their own organization may do so.
#[utoipa::path(tag = "practitioners", params(("id" = PractitionerId, Path, description = "The practitioner's id.")), request_body = PractitionerInput, responses((status = 200, description = "The practitioner as they now are.", body = Practitioner)), security(("oauth2" = ["organizations:write"])))]
#[put("/v1/practitioners/{id}")]
pub async fn update_practitioner(
    app: State,
    caller: Allowed<scope::OrganizationsWrite>,
    id: Path<Id<kind::Practitioner>>,
    version: IfMatch,
    input: Valid<PractitionerInput>,
) -> Result<HttpResponse> {
    resource::put::<Practitioners>(&app, &caller, *id, version, input.0).await
}

/// Change a practitioner
///
/// What is sent changes, the rest stays. Only their own organization may do so.
#[utoipa::path(tag = "practitioners", params(("id" = PractitionerId, Path, description = "The practitioner's id.")), responses((status = 200, description = "The practitioner as they now are.", body = Practitioner)), security(("oauth2" = ["organizations:write"])))]
#[patch("/v1/practitioners/{id}")]
pub async fn patch_practitioner(
    app: State,
    caller: Allowed<scope::OrganizationsWrite>,
    id: Path<Id<kind::Practitioner>>,
    version: IfMatch,
    patch: MergePatch,
) -> Result<HttpResponse> {
    resource::patch::<Practitioners>(&app, &caller, *id, version, patch).await
}

/// Delete a practitioner
///
/// They read as 410 from then on; what names them keeps doing so. Whoever only leaves is set inactive.
#[utoipa::path(tag = "practitioners", params(("id" = PractitionerId, Path, description = "The practitioner's id.")), responses((status = 204, description = "They are deleted.")), security(("oauth2" = ["organizations:write"])))]
#[delete("/v1/practitioners/{id}")]
pub async fn delete_practitioner(
    app: State,
    caller: Allowed<scope::OrganizationsWrite>,
    id: Path<Id<kind::Practitioner>>,
    version: IfMatch,
) -> Result<HttpResponse> {
    resource::delete::<Practitioners>(&app, &caller, *id, version).await
}

/// Read the history of a practitioner
///
/// Every version, oldest first. For the practitioner's own organization.
#[utoipa::path(tag = "practitioners", params(("id" = PractitionerId, Path, description = "The practitioner's id."), HistoryQuery), responses((status = 200, description = "A page of versions.", body = Page<Revision>)), security(("oauth2" = ["organizations:read"])))]
#[get("/v1/practitioners/{id}/history")]
pub async fn list_practitioner_history(
    app: State,
    caller: Allowed<scope::OrganizationsRead>,
    id: Path<Id<kind::Practitioner>>,
    query: Query<HistoryQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    Ok(resource::history::<Practitioners>(&app, &caller, *id, query.0).await?.respond(&request))
}

/// Read the caseload of a practitioner
///
/// The active patients whose primary navigator the practitioner is, weighted by need level. For the practitioner's own organization.
#[utoipa::path(tag = "practitioners", params(("id" = PractitionerId, Path, description = "The practitioner's id.")), responses((status = 200, description = "The caseload.", body = Caseload), (status = 410, description = "The practitioner has been deleted.")), security(("oauth2" = ["organizations:read"])))]
#[get("/v1/practitioners/{id}/caseload")]
pub async fn get_practitioner_caseload(
    app: State,
    caller: Allowed<scope::OrganizationsRead>,
    id: Path<Id<kind::Practitioner>>,
) -> Result<HttpResponse> {
    let caseload = app
        .db
        .read(move |conn| {
            let row = resource::get_row::<Practitioners>(conn, &caller, *id)?;
            if row.organization_id != caller.organization_id {
                return Err(Error::Forbidden("Only the practitioner's own organization sees the caseload.".into()));
            }
            Ok(Caseload::new(repository::count_patients(conn, &caller, *id)?, row.content.max_caseload))
        })
        .await?;
    Ok(HttpResponse::Ok().json(caseload))
}
