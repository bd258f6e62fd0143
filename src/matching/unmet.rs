//! HTTP of unmet needs: what nobody could offer, reported and counted.

use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, put};

use super::api::{UnmetNeed, UnmetNeedCountQuery, UnmetNeedCounts, UnmetNeedQuery};
use super::model::{UnmetNeedInput, UnmetNeedRow};
use super::{patient, repository};
use crate::app::State;
use crate::auth::{Allowed, Principal, scope, sight};
use crate::changes::{self, Action, Actor, Change};
use crate::consents::model::DataCategory;
use crate::db::DbConn;
use crate::db::types::Id;
use crate::error::{Error, Result};
use crate::http::body::{MergePatch, Valid};
use crate::http::command::Command;
use crate::http::etag::{IfMatch, IfNoneMatch};
use crate::http::page::{self, Page};
use crate::http::query::Query;
use crate::http::resource::{self, Head, HistoryQuery, Resource, Revision};
use crate::kind::{self, OrganizationId, UnmetNeedId};

/// Unmet needs, for the common verbs.
#[derive(Debug)]
pub struct UnmetNeeds;

/// An unmet need of an organization. Those that strangers' matches found belong to nobody and are only counted.
#[derive(Debug, Clone)]
pub struct Owned {
    /// The organization.
    pub owner: OrganizationId,
    /// The row.
    pub row: UnmetNeedRow,
}

impl From<UnmetNeedRow> for Owned {
    fn from(row: UnmetNeedRow) -> Self {
        Self { owner: row.organization_id.unwrap_or(OrganizationId::from_uuid(uuid::Uuid::nil())), row }
    }
}

impl Resource for UnmetNeeds {
    type Kind = kind::UnmetNeed;
    type Input = UnmetNeedInput;
    type Row = Owned;
    type Shape = UnmetNeed;

    const PATH: &'static str = "/v1/unmet-needs";

    fn head(owned: &Owned) -> Head<kind::UnmetNeed> {
        Head {
            id: owned.row.id,
            owner: owned.owner,
            version: owned.row.version,
            is_deleted: owned.row.deleted_at.is_some(),
            patient_id: owned.row.patient_id,
            referral_id: None,
        }
    }

    fn input(owned: &Owned) -> UnmetNeedInput {
        UnmetNeedInput { patient_id: owned.row.patient_id, ..owned.row.content.0.clone() }
    }

    fn shape(owned: Owned) -> UnmetNeed {
        owned.row.into()
    }

    fn find(conn: &mut DbConn, caller: &Principal, id: UnmetNeedId) -> Result<Option<Owned>> {
        let row = repository::find_unmet(conn, caller, id)?;
        Ok(row.map(|row| Owned { owner: caller.organization_id, row }))
    }

    /// References are to what the caller sees; the area is the patient's own where it is not told.
    fn prepare(conn: &mut DbConn, caller: &Principal, current: Option<&Owned>, input: &mut UnmetNeedInput) -> Result<()> {
        if current.is_some_and(|owned| owned.row.patient_id != input.patient_id || owned.row.match_id != input.match_id) {
            return Err(Error::invalid("/patient_id", "not_allowed", "patient_id and match_id never change"));
        }
        if let Some(id) = input.patient_id {
            let sight = sight::referenced(conn, caller, id, "/patient_id")?;
            if input.area.is_none() && sight.categories.contains(DataCategory::Contact) {
                input.area = patient::area(conn, id)?;
            }
        }
        if let Some(id) = input.match_id.filter(|_| current.is_none()) {
            let found = repository::find(conn, id)?;
            let is_theirs =
                found.is_some_and(|row| row.organization_id == Some(caller.organization_id) && row.patient_id == input.patient_id);
            if !is_theirs {
                return Err(Error::invalid("/match_id", "not_found", "is not a match that this organization made for this patient"));
            }
        }
        Ok(())
    }

    fn insert(conn: &mut DbConn, caller: &Principal, id: UnmetNeedId, input: UnmetNeedInput) -> Result<Owned> {
        let row = UnmetNeedRow::new(id, Some(caller.organization_id), input, caller.at);
        repository::insert_unmet(conn, &row)?;
        Ok(Owned { owner: caller.organization_id, row })
    }

    fn update(conn: &mut DbConn, caller: &Principal, owned: &Owned, input: UnmetNeedInput) -> Result<Option<Owned>> {
        let before = &owned.row;
        let fresh = UnmetNeedRow::new(before.id, before.organization_id, input, before.created_at);
        let row = UnmetNeedRow { version: before.version + 1, updated_at: caller.at, ..fresh };
        Ok(repository::update_unmet(conn, &row)?.then_some(Owned { row, ..owned.clone() }))
    }

    fn delete(conn: &mut DbConn, caller: &Principal, owned: &Owned) -> Result<Option<Owned>> {
        let before = owned.row.clone();
        let row = UnmetNeedRow { version: before.version + 1, updated_at: caller.at, deleted_at: Some(caller.at), ..before };
        Ok(repository::update_unmet(conn, &row)?.then_some(Owned { row, ..owned.clone() }))
    }
}

/// Adds an unmet need that a match found, and its entry in the journal.
pub fn add(conn: &mut DbConn, actor: &Actor, row: UnmetNeedRow) -> Result<()> {
    repository::insert_unmet(conn, &row)?;
    let shape = UnmetNeed::from(row);
    let change = Change::of(shape.id, shape.version, Action::Created, &shape).owned_by(shape.organization_id);
    changes::record(conn, actor, change.about(shape.content.patient_id))
}

/// List unmet needs
///
/// Those that the caller's organization found, in order of creation.
#[utoipa::path(tag = "unmet_needs", params(UnmetNeedQuery), responses((status = 200, description = "A page of unmet needs.", body = Page<UnmetNeed>)), security(("oauth2" = ["referrals:read"])))]
#[get("/v1/unmet-needs")]
pub async fn list_unmet_needs(
    app: State,
    caller: Allowed<scope::ReferralsRead>,
    query: Query<UnmetNeedQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let (caller, query) = (caller.into_principal(), query.0);
    let fingerprint = page::fingerprint(&UnmetNeedQuery { cursor: None, limit: page::Limit::default(), ..query.clone() });
    let after: Option<UnmetNeedId> = query.cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?;
    let page = app
        .db
        .read(move |conn| {
            let rows = repository::list_unmet(conn, &caller, &query, after)?;
            Page::from_rows(rows, query.limit, fingerprint, |row: &UnmetNeedRow| row.id)
        })
        .await?;
    Ok(page.map(UnmetNeed::from).respond(&request))
}

/// Report an unmet need
///
/// Somebody looked and there was nothing, or nothing that would do. Matches that find nothing suitable record it by themselves.
#[utoipa::path(tag = "unmet_needs", request_body = UnmetNeedInput, responses((status = 201, description = "The new unmet need.", body = UnmetNeed)), security(("oauth2" = ["referrals:write"])))]
#[post("/v1/unmet-needs")]
pub async fn create_unmet_need(
    app: State,
    caller: Allowed<scope::ReferralsWrite>,
    command: Command<UnmetNeedInput>,
) -> Result<HttpResponse> {
    resource::create::<UnmetNeeds>(&app, &caller, command).await
}

/// Count unmet needs
///
/// By domain and area, with the reasons: where people lack what. Those of the caller's organization and its parts are counted, and
/// those of strangers who asked a public directory, up to a thousand of them for a domain in a day.
///
/// Nobody can be told from the numbers. A person counts once for a domain, with what was found of them last. Fewer than five people are
/// not counted apart: those of an area with too few are counted by province, and those of a province with too few by the domain alone.
/// Somebody whom no `patient_id` names counts each time, since the next may be another. They are counted by province at the finest, as
/// sensitive domains are. Numbers are rounded down to steps of five.
#[utoipa::path(tag = "unmet_needs", params(UnmetNeedCountQuery), responses((status = 200, description = "The counts, the commonest first.", body = UnmetNeedCounts)), security(("oauth2" = ["reports:read"])))]
#[get("/v1/unmet-needs/counts")]
pub async fn count_unmet_needs(app: State, caller: Allowed<scope::ReportsRead>, query: Query<UnmetNeedCountQuery>) -> Result<HttpResponse> {
    let caller = caller.into_principal();
    let items = app.db.read(move |conn| repository::count_unmet(conn, &caller, &query.0)).await?;
    Ok(HttpResponse::Ok().json(UnmetNeedCounts { items }))
}

/// Read an unmet need
///
/// Only the organization that reported it may read it.
#[utoipa::path(tag = "unmet_needs", params(("id" = UnmetNeedId, Path, description = "The unmet need's id.")), responses((status = 200, description = "The unmet need.", body = UnmetNeed)), security(("oauth2" = ["referrals:read"])))]
#[get("/v1/unmet-needs/{id}")]
pub async fn get_unmet_need(
    app: State,
    caller: Allowed<scope::ReferralsRead>,
    id: Path<Id<kind::UnmetNeed>>,
    known: IfNoneMatch,
) -> Result<HttpResponse> {
    resource::get::<UnmetNeeds>(&app, &caller, *id, &known).await
}

/// Replace an unmet need
///
/// All that is not sent is cleared. Only the organization that reported it may do so.
#[utoipa::path(tag = "unmet_needs", params(("id" = UnmetNeedId, Path, description = "The unmet need's id.")), request_body = UnmetNeedInput, responses((status = 200, description = "The unmet need as it now is.", body = UnmetNeed)), security(("oauth2" = ["referrals:write"])))]
#[put("/v1/unmet-needs/{id}")]
pub async fn update_unmet_need(
    app: State,
    caller: Allowed<scope::ReferralsWrite>,
    id: Path<Id<kind::UnmetNeed>>,
    version: IfMatch,
    input: Valid<UnmetNeedInput>,
) -> Result<HttpResponse> {
    resource::put::<UnmetNeeds>(&app, &caller, *id, version, input.0).await
}

/// Change an unmet need
///
/// What is sent changes, the rest stays. Only the organization that reported it may do so.
#[utoipa::path(tag = "unmet_needs", params(("id" = UnmetNeedId, Path, description = "The unmet need's id.")), responses((status = 200, description = "The unmet need as it now is.", body = UnmetNeed)), security(("oauth2" = ["referrals:write"])))]
#[patch("/v1/unmet-needs/{id}")]
pub async fn patch_unmet_need(
    app: State,
    caller: Allowed<scope::ReferralsWrite>,
    id: Path<Id<kind::UnmetNeed>>,
    version: IfMatch,
    patch: MergePatch,
) -> Result<HttpResponse> {
    resource::patch::<UnmetNeeds>(&app, &caller, *id, version, patch).await
}

/// Delete an unmet need
///
/// It is counted no more; its history stays.
#[utoipa::path(tag = "unmet_needs", params(("id" = UnmetNeedId, Path, description = "The unmet need's id.")), responses((status = 204, description = "It is deleted.")), security(("oauth2" = ["referrals:write"])))]
#[delete("/v1/unmet-needs/{id}")]
pub async fn delete_unmet_need(
    app: State,
    caller: Allowed<scope::ReferralsWrite>,
    id: Path<Id<kind::UnmetNeed>>,
    version: IfMatch,
) -> Result<HttpResponse> {
    resource::delete::<UnmetNeeds>(&app, &caller, *id, version).await
}

/// Read the history of an unmet need
///
/// Every version, oldest first.
#[utoipa::path(tag = "unmet_needs", params(("id" = UnmetNeedId, Path, description = "The unmet need's id."), HistoryQuery), responses((status = 200, description = "A page of versions.", body = Page<Revision>)), security(("oauth2" = ["referrals:read"])))]
#[get("/v1/unmet-needs/{id}/history")]
pub async fn list_unmet_need_history(
    app: State,
    caller: Allowed<scope::ReferralsRead>,
    id: Path<Id<kind::UnmetNeed>>,
    query: Query<HistoryQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    Ok(resource::history::<UnmetNeeds>(&app, &caller, *id, query.0).await?.respond(&request))
}
