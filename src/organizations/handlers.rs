//! HTTP of organizations.

use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, put};

use super::api::{Organization, OrganizationQuery};
use super::model::{OrganizationInput, OrganizationRow};
use super::repository::{self, Above};
use crate::app::State;
use crate::auth::{Allowed, Principal, scope};
use crate::db::DbConn;
use crate::db::types::Id;
use crate::error::{Error, Result};
use crate::http::body::{MergePatch, Valid};
use crate::http::command::Command;
use crate::http::etag::{IfMatch, IfNoneMatch, OptionalIfMatch};
use crate::http::page::{self, Page};
use crate::http::query::Query;
use crate::http::resource::{self, ByIdentifier, Head, HistoryQuery, Resource, Revision};
use crate::kind::{self, OrganizationId};
use crate::types::Identifier;

/// Organizations, for the common verbs.
#[derive(Debug)]
pub struct Organizations;

impl Resource for Organizations {
    type Kind = kind::Organization;
    type Input = OrganizationInput;
    type Row = OrganizationRow;
    type Shape = Organization;

    const PATH: &'static str = "/v1/organizations";

    fn head(row: &OrganizationRow) -> Head<kind::Organization> {
        Head {
            id: row.id,
            owner: row.organization_id,
            version: row.version,
            is_deleted: row.deleted_at.is_some(),
            patient_id: None,
            referral_id: None,
        }
    }

    fn input(row: &OrganizationRow) -> OrganizationInput {
        row.content.0.clone()
    }

    fn shape(row: OrganizationRow) -> Organization {
        row.into()
    }

    fn identifiers(input: &OrganizationInput) -> &[Identifier] {
        &input.identifiers
    }

    fn find(conn: &mut DbConn, _: &Principal, id: OrganizationId) -> Result<Option<OrganizationRow>> {
        repository::find(conn, id)
    }

    /// The organization itself may change its record as well as the one that keeps it.
    fn permit(caller: &Principal, row: &OrganizationRow) -> Result<()> {
        if [row.organization_id, row.id].contains(&caller.organization_id) {
            Ok(())
        } else {
            Err(Error::Forbidden("Only the organization itself, or the one that keeps its record, can change it.".into()))
        }
    }

    fn prepare(conn: &mut DbConn, caller: &Principal, current: Option<&OrganizationRow>, input: &mut OrganizationInput) -> Result<()> {
        let is_said = current.is_some_and(|row| row.parent_id == input.parent_id);
        // Before any row is locked. What is new is nobody's whole yet.
        if input.parent_id.is_some() && current.is_some() && !is_said {
            repository::lock_kinship(conn)?;
        }
        if let Some(row) = current.filter(|row| row.is_active && !input.is_active && row.id != caller.organization_id)
            && repository::has_clients(conn, row.id)?
        {
            return Err(Error::Forbidden("Systems call for this organization; only the organization itself can close it.".into()));
        }
        // The whole counts what its parts find.
        if let Some(row) = current.filter(|row| !is_said && row.id != caller.organization_id)
            && repository::has_had_clients(conn, row.id, caller.organization_id)?
        {
            let reason =
                "Systems call for this organization or a part of it, or did; only the organization itself says what it is part of.";
            return Err(Error::Forbidden(reason.into()));
        }
        // What was said before holds up no change of anything else, whatever has become of the whole.
        let Some(whole) = input.parent_id.filter(|_| !is_said) else { return Ok(()) };
        match repository::above(conn, current.map(|row| row.id), whole)? {
            Above::Whole => Ok(()),
            Above::Missing => Err(Error::invalid("/parent_id", "not_found", "is not an organization")),
            Above::Circle => Err(Error::invalid("/parent_id", "circular", "must be a part neither of this organization nor of itself")),
            Above::TooMany => {
                let message =
                    format!("would make more than {} levels of organizations that are part of each other", repository::MOST_LEVELS);
                Err(Error::invalid("/parent_id", "too_many", message))
            }
        }
    }

    fn insert(conn: &mut DbConn, caller: &Principal, id: OrganizationId, input: OrganizationInput) -> Result<OrganizationRow> {
        let row = OrganizationRow::new(id, caller.organization_id, input, caller.at);
        repository::insert(conn, &row)?;
        Ok(row)
    }

    fn update(conn: &mut DbConn, caller: &Principal, row: &OrganizationRow, input: OrganizationInput) -> Result<Option<OrganizationRow>> {
        let row = OrganizationRow {
            version: row.version + 1,
            created_at: row.created_at,
            deleted_at: row.deleted_at,
            ..OrganizationRow::new(row.id, row.organization_id, input, caller.at)
        };
        Ok(repository::update(conn, &row)?.then_some(row))
    }

    fn delete(conn: &mut DbConn, caller: &Principal, row: &OrganizationRow) -> Result<Option<OrganizationRow>> {
        if repository::has_clients(conn, row.id)? {
            let detail = "Systems call for this organization, and nobody could any more. Disable its clients first.";
            return Err(Error::conflict("organization_in_use", detail));
        }
        let row = OrganizationRow { version: row.version + 1, updated_at: caller.at, deleted_at: Some(caller.at), ..row.clone() };
        Ok(repository::update(conn, &row)?.then_some(row))
    }
}

/// List organizations
///
/// In order of creation.
#[utoipa::path(tag = "organizations", params(OrganizationQuery), responses((status = 200, description = "A page of organizations.", body = Page<Organization>)), security(("oauth2" = ["organizations:read"])))]
#[get("/v1/organizations")]
pub async fn list_organizations(
    app: State,
    _: Allowed<scope::OrganizationsRead>,
    query: Query<OrganizationQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let query = query.0;
    let fingerprint = page::fingerprint(&OrganizationQuery { cursor: None, limit: page::Limit::default(), ..query.clone() });
    let after: Option<OrganizationId> = query.cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?;
    let page = app
        .db
        .read_briefly(move |conn| {
            let rows = repository::list(conn, &query, after)?;
            Page::from_rows(rows, query.limit, fingerprint, |row: &OrganizationRow| row.id)
        })
        .await?;
    Ok(page.map(Organization::from).respond(&request))
}

/// Create an organization
///
/// The caller's organization keeps the record: directories list their agencies this way.
#[utoipa::path(tag = "organizations", request_body = OrganizationInput, responses((status = 201, description = "The new organization.", body = Organization)), security(("oauth2" = ["organizations:write"])))]
#[post("/v1/organizations")]
pub async fn create_organization(
    app: State,
    caller: Allowed<scope::OrganizationsWrite>,
    command: Command<OrganizationInput>,
) -> Result<HttpResponse> {
    resource::create::<Organizations>(&app, &caller, command).await
}

/// Create or replace an organization by identifier
///
/// Among the organizations that the caller's organization keeps.
#[utoipa::path(tag = "organizations", params(ByIdentifier), request_body = OrganizationInput, responses((status = 200, description = "The organization, replaced.", body = Organization), (status = 201, description = "The new organization.", body = Organization)), security(("oauth2" = ["organizations:write"])))]
#[put("/v1/organizations/by-identifier")]
pub async fn upsert_organization(
    app: State,
    caller: Allowed<scope::OrganizationsWrite>,
    key: Query<ByIdentifier>,
    version: OptionalIfMatch,
    input: Valid<OrganizationInput>,
) -> Result<HttpResponse> {
    resource::put_by_identifier::<Organizations>(&app, &caller, &key.0, version, input.0).await
}

/// Read an organization
///
/// Every client may read every organization: one must know whom one refers to.
#[utoipa::path(tag = "organizations", params(("id" = OrganizationId, Path, description = "The organization's id.")), responses((status = 200, description = "The organization.", body = Organization)), security(("oauth2" = ["organizations:read"])))]
#[get("/v1/organizations/{id}")]
pub async fn get_organization(
    app: State,
    caller: Allowed<scope::OrganizationsRead>,
    id: Path<Id<kind::Organization>>,
    known: IfNoneMatch,
) -> Result<HttpResponse> {
    resource::get::<Organizations>(&app, &caller, *id, &known).await
}

/// Replace an organization
///
/// All that is not sent is cleared. The organization itself may do so, and the one that entered it, which alone changes the identifiers.
#[utoipa::path(tag = "organizations", params(("id" = OrganizationId, Path, description = "The organization's id.")), request_body = OrganizationInput, responses((status = 200, description = "The organization as it now is.", body = Organization)), security(("oauth2" = ["organizations:write"])))]
#[put("/v1/organizations/{id}")]
pub async fn update_organization(
    app: State,
    caller: Allowed<scope::OrganizationsWrite>,
    id: Path<Id<kind::Organization>>,
    version: IfMatch,
    input: Valid<OrganizationInput>,
) -> Result<HttpResponse> {
    resource::put::<Organizations>(&app, &caller, *id, version, input.0).await
}

/// Change an organization
///
/// What is sent changes, the rest stays. The organization itself may do so, and the one that entered it, which alone changes the
/// identifiers.
#[utoipa::path(tag = "organizations", params(("id" = OrganizationId, Path, description = "The organization's id.")), responses((status = 200, description = "The organization as it now is.", body = Organization)), security(("oauth2" = ["organizations:write"])))]
#[patch("/v1/organizations/{id}")]
pub async fn patch_organization(
    app: State,
    caller: Allowed<scope::OrganizationsWrite>,
    id: Path<Id<kind::Organization>>,
    version: IfMatch,
    patch: MergePatch,
) -> Result<HttpResponse> {
    resource::patch::<Organizations>(&app, &caller, *id, version, patch).await
}

/// Delete an organization
///
/// It reads as 410 from then on; its history stays. One that has active clients is not deleted (409 `organization_in_use`): disable them
/// first.
#[utoipa::path(tag = "organizations", params(("id" = OrganizationId, Path, description = "The organization's id.")), responses((status = 204, description = "It is deleted."), (status = 409, description = "Systems call for it: `organization_in_use`.")), security(("oauth2" = ["organizations:write"])))]
#[delete("/v1/organizations/{id}")]
pub async fn delete_organization(
    app: State,
    caller: Allowed<scope::OrganizationsWrite>,
    id: Path<Id<kind::Organization>>,
    version: IfMatch,
) -> Result<HttpResponse> {
    resource::delete::<Organizations>(&app, &caller, *id, version).await
}

/// Read the history of an organization
///
/// Every version, oldest first.
#[utoipa::path(tag = "organizations", params(("id" = OrganizationId, Path, description = "The organization's id."), HistoryQuery), responses((status = 200, description = "A page of versions.", body = Page<Revision>)), security(("oauth2" = ["organizations:read"])))]
#[get("/v1/organizations/{id}/history")]
pub async fn list_organization_history(
    app: State,
    caller: Allowed<scope::OrganizationsRead>,
    id: Path<Id<kind::Organization>>,
    query: Query<HistoryQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    Ok(resource::history::<Organizations>(&app, &caller, *id, query.0).await?.respond(&request))
}
