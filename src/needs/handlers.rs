//! HTTP of needs.

use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, put};

use super::api::{Need, NeedDomain, NeedQuery};
use super::model::{NeedInput, NeedRow};
use super::repository::{self, Seen};
use crate::app::State;
use crate::auth::{Allowed, DirectoryReader, Principal, scope, sight};
use crate::consents::model::{Categories, DataCategory};
use crate::db::DbConn;
use crate::db::types::{Id, Json};
use crate::error::{Error, Result};
use crate::http::body::{MergePatch, Valid};
use crate::http::command::Command;
use crate::http::etag::{IfMatch, IfNoneMatch, OptionalIfMatch};
use crate::http::page::{self, Page};
use crate::http::query::Query;
use crate::http::resource::{self, ByIdentifier, Head, HistoryQuery, Resource, Revision};
use crate::kind::{self, NeedId, PatientId};
use crate::types::{DOMAINS, Identifier};
use crate::{patients, screenings};

/// Needs, for the common verbs.
#[derive(Debug)]
pub struct Needs;

/// Which of a patient's needs are seen with these categories of data.
pub fn seen(caller: &Principal, categories: Categories) -> Seen {
    match (categories.contains(DataCategory::Needs), categories.contains(DataCategory::Sensitive)) {
        (true, true) => Seen::All,
        (true, false) => Seen::NotSensitive(caller.organization_id),
        (false, _) => Seen::Own(caller.organization_id),
    }
}

/// Fails where somebody who sees so much of a patient may not record needs of theirs.
pub fn permit_recording(seen: Categories) -> Result<()> {
    if [DataCategory::Needs, DataCategory::Screenings].iter().any(|category| seen.contains(*category)) {
        Ok(())
    } else {
        Err(Error::Forbidden("The patient's consent does not let this organization see their needs.".into()))
    }
}

/// Fails where the caller may not say of a sensitive need that it is none: whoever was let in to help tells it to nobody who was not.
fn permit_opening(conn: &mut DbConn, caller: &Principal, row: &NeedRow) -> Result<()> {
    let own = caller.organization_id;
    if row.organization_id == own || patients::repository::manager(conn, row.patient_id)? == own {
        return Ok(());
    }
    let detail = "Only the organization that recorded a sensitive need, or that manages the patient, can say that it is not sensitive.";
    Err(Error::Forbidden(detail.into()))
}

impl Resource for Needs {
    type Kind = kind::Need;
    type Input = NeedInput;
    type Row = NeedRow;
    type Shape = Need;

    const PATH: &'static str = "/v1/needs";

    fn head(row: &NeedRow) -> Head<kind::Need> {
        Head {
            id: row.id,
            owner: row.organization_id,
            version: row.version,
            is_deleted: row.deleted_at.is_some(),
            patient_id: Some(row.patient_id),
            referral_id: None,
        }
    }

    fn input(row: &NeedRow) -> NeedInput {
        NeedInput { patient_id: row.patient_id, ..row.content.0.clone() }
    }

    fn shape(row: NeedRow) -> Need {
        row.into()
    }

    fn identifiers(input: &NeedInput) -> &[Identifier] {
        &input.identifiers
    }

    fn find(conn: &mut DbConn, caller: &Principal, id: NeedId) -> Result<Option<NeedRow>> {
        let Some(row) = repository::find(conn, id)? else { return Ok(None) };
        let categories = sight::record(conn, caller, row.organization_id, row.patient_id, DataCategory::Needs)?;
        let is_seen = categories.is_some_and(|categories| !row.is_sensitive || categories.contains(DataCategory::Sensitive));
        Ok(is_seen.then_some(row))
    }

    /// Whoever sees a need may work on it: the program that the clinic sends people to confirms what the clinic's screening raised.
    fn permit(_: &Principal, _: &NeedRow) -> Result<()> {
        Ok(())
    }

    fn prepare(conn: &mut DbConn, caller: &Principal, current: Option<&NeedRow>, input: &mut NeedInput) -> Result<()> {
        if input.onset_on.is_some_and(|day| day > caller.at.latest_date()) {
            return Err(Error::invalid("/onset_on", "out_of_range", "must not be in the future"));
        }
        match current {
            None => {
                permit_recording(sight::referenced(conn, caller, input.patient_id, "/patient_id")?.categories)?;
            }
            Some(row) => {
                if input.patient_id != row.patient_id {
                    return Err(Error::invalid("/patient_id", "immutable", "never changes"));
                }
                if !row.status.may_become(input.status) {
                    return Err(Error::IllegalTransition { from: row.status.as_str(), to: input.status.as_str(), leads_to: Vec::new() });
                }
                if row.is_sensitive && !input.is_sensitive() {
                    permit_opening(conn, caller, row)?;
                }
            }
        }
        let known = current.and_then(|row| row.screening_id);
        let Some(screening) = input.screening_id.filter(|screening| known != Some(*screening)) else { return Ok(()) };
        let found =
            screenings::repository::find(conn, screening)?.filter(|row| row.deleted_at.is_none() && row.patient_id == input.patient_id);
        let is_seen = match found {
            Some(row) => sight::record(conn, caller, row.organization_id, row.patient_id, DataCategory::Screenings)?.is_some(),
            None => false,
        };
        if !is_seen {
            return Err(Error::invalid("/screening_id", "not_found", "is not a screening of this patient"));
        }
        Ok(())
    }

    fn insert(conn: &mut DbConn, caller: &Principal, id: NeedId, input: NeedInput) -> Result<NeedRow> {
        let row = NeedRow {
            id,
            organization_id: caller.organization_id,
            patient_id: input.patient_id,
            screening_id: input.screening_id,
            domain: input.domain.clone(),
            status: input.status,
            is_sensitive: input.is_sensitive(),
            content: Json(input),
            version: 1,
            created_at: caller.at,
            updated_at: caller.at,
            deleted_at: None,
        };
        repository::insert(conn, &row)?;
        Ok(row)
    }

    fn update(conn: &mut DbConn, caller: &Principal, row: &NeedRow, input: NeedInput) -> Result<Option<NeedRow>> {
        let row = NeedRow {
            screening_id: input.screening_id,
            domain: input.domain.clone(),
            status: input.status,
            is_sensitive: input.is_sensitive(),
            content: Json(input),
            version: row.version + 1,
            updated_at: caller.at,
            ..row.clone()
        };
        Ok(repository::update(conn, &row)?.then_some(row))
    }

    fn delete(conn: &mut DbConn, caller: &Principal, row: &NeedRow) -> Result<Option<NeedRow>> {
        if row.organization_id != caller.organization_id {
            return Err(Error::Forbidden("Only the organization that recorded this need can delete it.".into()));
        }
        let row = NeedRow { version: row.version + 1, updated_at: caller.at, deleted_at: Some(caller.at), ..row.clone() };
        Ok(repository::update(conn, &row)?.then_some(row))
    }
}

/// List need domains
///
/// The codes that needs, services and instruments share, with their names in English and French.
#[utoipa::path(tag = "needs", params(HistoryQuery), responses((status = 200, description = "A page of need domains.", body = Page<NeedDomain>)), security((), ("oauth2" = ["services:read"])))]
#[get("/v1/need-domains")]
pub async fn list_need_domains(_: DirectoryReader, query: Query<HistoryQuery>, request: HttpRequest) -> Result<HttpResponse> {
    let HistoryQuery { limit, cursor } = query.0;
    let fingerprint = page::fingerprint(&"need domains");
    let after: Option<String> = cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?;
    let seen = after.and_then(|code| DOMAINS.iter().position(|domain| domain.code == code)).map_or(0, |last| last + 1);
    let rows = DOMAINS.iter().skip(seen).take(limit.get() + 1).map(NeedDomain::from).collect();
    Ok(Page::from_rows(rows, limit, fingerprint, |domain: &NeedDomain| domain.code)?.respond(&request))
}

async fn list(app: &State, caller: Principal, patient: Option<PatientId>, query: NeedQuery) -> Result<Page<Need>> {
    let filters = NeedQuery { cursor: None, limit: page::Limit::default(), ..query.clone() };
    let fingerprint = page::fingerprint(&("needs", patient, filters));
    let after: Option<NeedId> = query.cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?;
    let page = app
        .db
        .read_briefly(move |conn| {
            let of_whom = match patient {
                Some(patient) => Some((patient, seen(&caller, sight::patient(conn, &caller, patient)?.categories))),
                None => None,
            };
            let rows = repository::list(conn, caller.organization_id, of_whom, &query, after)?;
            Page::from_rows(rows, query.limit, fingerprint, |row: &NeedRow| row.id)
        })
        .await?;
    Ok(page.map(Need::from))
}

/// List the organization's needs
///
/// Those that the caller's organization recorded, of all patients, in the order in which they were recorded.
#[utoipa::path(tag = "needs", params(NeedQuery), responses((status = 200, description = "A page of needs.", body = Page<Need>)), security(("oauth2" = ["patients:read"])))]
#[get("/v1/needs")]
pub async fn list_needs(
    app: State,
    caller: Allowed<scope::PatientsRead>,
    query: Query<NeedQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    Ok(list(&app, caller.into_principal(), None, query.0).await?.respond(&request))
}

/// List a patient's needs
///
/// As far as the caller may see them, in the order they were recorded.
#[utoipa::path(tag = "needs", params(("id" = PatientId, Path, description = "The patient's id."), NeedQuery), responses((status = 200, description = "A page of needs.", body = Page<Need>), (status = 410, description = "The patient was deleted, or merged into another.")), security(("oauth2" = ["patients:read"])))]
#[get("/v1/patients/{id}/needs")]
pub async fn list_patient_needs(
    app: State,
    caller: Allowed<scope::PatientsRead>,
    id: Path<Id<kind::Patient>>,
    query: Query<NeedQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    Ok(list(&app, caller.into_principal(), Some(*id), query.0).await?.respond(&request))
}

/// Record a need
///
/// One that came up without an instrument: in a conversation, a referral, or because the person said so.
#[utoipa::path(tag = "needs", request_body = NeedInput, responses((status = 201, description = "The new need.", body = Need)), security(("oauth2" = ["patients:write"])))]
#[post("/v1/needs")]
pub async fn create_need(app: State, caller: Allowed<scope::PatientsWrite>, command: Command<NeedInput>) -> Result<HttpResponse> {
    resource::create::<Needs>(&app, &caller, command).await
}

/// Create or replace a need by identifier
///
/// Among the needs that the caller's organization recorded.
#[utoipa::path(tag = "needs", params(ByIdentifier), request_body = NeedInput, responses((status = 200, description = "The need, replaced.", body = Need), (status = 201, description = "The new need.", body = Need), (status = 409, description = "It was entered in error: `illegal_transition`.")), security(("oauth2" = ["patients:write"])))]
#[put("/v1/needs/by-identifier")]
pub async fn upsert_need(
    app: State,
    caller: Allowed<scope::PatientsWrite>,
    key: Query<ByIdentifier>,
    version: OptionalIfMatch,
    input: Valid<NeedInput>,
) -> Result<HttpResponse> {
    resource::put_by_identifier::<Needs>(&app, &caller, &key.0, version, input.0).await
}

/// Read a need
///
/// Needs of sensitive domains are shown to others only where the consent covers `sensitive`.
#[utoipa::path(tag = "needs", params(("id" = NeedId, Path, description = "The need's id.")), responses((status = 200, description = "The need.", body = Need)), security(("oauth2" = ["patients:read"])))]
#[get("/v1/needs/{id}")]
pub async fn get_need(
    app: State,
    caller: Allowed<scope::PatientsRead>,
    id: Path<Id<kind::Need>>,
    known: IfNoneMatch,
) -> Result<HttpResponse> {
    resource::get::<Needs>(&app, &caller, *id, &known).await
}

/// Replace a need
///
/// Whoever sees a need may work on it; what was entered in error stays so. That one is not sensitive any more is said by the organization
/// that recorded it, or that manages the patient.
#[utoipa::path(tag = "needs", params(("id" = NeedId, Path, description = "The need's id.")), request_body = NeedInput, responses((status = 200, description = "The need as it now is.", body = Need), (status = 409, description = "It was entered in error: `illegal_transition`.")), security(("oauth2" = ["patients:write"])))]
#[put("/v1/needs/{id}")]
pub async fn update_need(
    app: State,
    caller: Allowed<scope::PatientsWrite>,
    id: Path<Id<kind::Need>>,
    version: IfMatch,
    input: Valid<NeedInput>,
) -> Result<HttpResponse> {
    resource::put::<Needs>(&app, &caller, *id, version, input.0).await
}

/// Change a need
///
/// Such as to confirm it with the person, or to say that it has been met.
#[utoipa::path(tag = "needs", params(("id" = NeedId, Path, description = "The need's id.")), responses((status = 200, description = "The need as it now is.", body = Need), (status = 409, description = "It was entered in error: `illegal_transition`.")), security(("oauth2" = ["patients:write"])))]
#[patch("/v1/needs/{id}")]
pub async fn patch_need(
    app: State,
    caller: Allowed<scope::PatientsWrite>,
    id: Path<Id<kind::Need>>,
    version: IfMatch,
    patch: MergePatch,
) -> Result<HttpResponse> {
    resource::patch::<Needs>(&app, &caller, *id, version, patch).await
}

/// Delete a need
///
/// By the organization that recorded it. A need that was never there is rather set to `entered_in_error`.
#[utoipa::path(tag = "needs", params(("id" = NeedId, Path, description = "The need's id.")), responses((status = 204, description = "It is deleted.")), security(("oauth2" = ["patients:write"])))]
#[delete("/v1/needs/{id}")]
pub async fn delete_need(
    app: State,
    caller: Allowed<scope::PatientsWrite>,
    id: Path<Id<kind::Need>>,
    version: IfMatch,
) -> Result<HttpResponse> {
    resource::delete::<Needs>(&app, &caller, *id, version).await
}

/// Read the history of a need
///
/// Every version, oldest first.
#[utoipa::path(tag = "needs", params(("id" = NeedId, Path, description = "The need's id."), HistoryQuery), responses((status = 200, description = "A page of versions.", body = Page<Revision>)), security(("oauth2" = ["patients:read"])))]
#[get("/v1/needs/{id}/history")]
pub async fn list_need_history(
    app: State,
    caller: Allowed<scope::PatientsRead>,
    id: Path<Id<kind::Need>>,
    query: Query<HistoryQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    Ok(resource::history::<Needs>(&app, &caller, *id, query.0).await?.respond(&request))
}
