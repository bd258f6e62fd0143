//! HTTP of instruments.

use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, put};
use uuid::Uuid;

use super::api::{Instrument, InstrumentQuery, InstrumentSummary};
use super::definition::InstrumentInput;
use super::model::InstrumentRow;
use super::{check, repository};
use crate::app::State;
use crate::auth::{Allowed, Principal, scope};
use crate::db::DbConn;
use crate::db::types::{Id, Json};
use crate::error::{Error, Result};
use crate::http::body::{MergePatch, Valid};
use crate::http::command::Command;
use crate::http::etag::{IfMatch, IfNoneMatch};
use crate::http::page::{self, Page};
use crate::http::query::Query;
use crate::http::resource::{self, Head, HistoryQuery, Resource, Revision};
use crate::kind::{self, InstrumentId, OrganizationId};

/// Instruments, for the common verbs.
#[derive(Debug)]
pub struct Instruments;

impl Instruments {
    /// Screenings keep the instrument they were scored by, so one that is used never changes.
    fn refuse_if_used(conn: &mut DbConn, row: &InstrumentRow) -> Result<()> {
        if repository::is_used(conn, row.id)? {
            return Err(Error::conflict(
                "instrument_in_use",
                "Screenings stand on this instrument. Load the changed one as another edition.",
            ));
        }
        Ok(())
    }
}

impl Resource for Instruments {
    type Kind = kind::Instrument;
    type Input = InstrumentInput;
    type Row = InstrumentRow;
    type Shape = Instrument;

    const PATH: &'static str = "/v1/instruments";

    fn head(row: &InstrumentRow) -> Head<kind::Instrument> {
        Head {
            id: row.id,
            owner: row.organization_id.unwrap_or(OrganizationId::from_uuid(Uuid::nil())),
            version: row.version,
            is_deleted: row.deleted_at.is_some(),
            patient_id: None,
            referral_id: None,
        }
    }

    fn input(row: &InstrumentRow) -> InstrumentInput {
        row.content.0.clone()
    }

    fn shape(row: InstrumentRow) -> Instrument {
        row.into()
    }

    fn find(conn: &mut DbConn, _: &Principal, id: InstrumentId) -> Result<Option<InstrumentRow>> {
        repository::find(conn, id)
    }

    fn prepare(conn: &mut DbConn, _: &Principal, current: Option<&InstrumentRow>, input: &mut InstrumentInput) -> Result<()> {
        let faults = check::faults(input);
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        current.map_or(Ok(()), |row| Self::refuse_if_used(conn, row))
    }

    fn insert(conn: &mut DbConn, caller: &Principal, id: InstrumentId, input: InstrumentInput) -> Result<InstrumentRow> {
        let row = InstrumentRow {
            id,
            organization_id: Some(caller.organization_id),
            code: input.code.clone(),
            edition: input.edition.clone(),
            content: Json(input),
            version: 1,
            created_at: caller.at,
            updated_at: caller.at,
            deleted_at: None,
        };
        repository::insert(conn, &row)?;
        Ok(row)
    }

    fn update(conn: &mut DbConn, caller: &Principal, row: &InstrumentRow, input: InstrumentInput) -> Result<Option<InstrumentRow>> {
        let row = InstrumentRow {
            code: input.code.clone(),
            edition: input.edition.clone(),
            content: Json(input),
            version: row.version + 1,
            updated_at: caller.at,
            ..row.clone()
        };
        Ok(repository::update(conn, &row)?.then_some(row))
    }

    fn delete(conn: &mut DbConn, caller: &Principal, row: &InstrumentRow) -> Result<Option<InstrumentRow>> {
        Self::refuse_if_used(conn, row)?;
        let row = InstrumentRow { version: row.version + 1, updated_at: caller.at, deleted_at: Some(caller.at), ..row.clone() };
        Ok(repository::update(conn, &row)?.then_some(row))
    }
}

/// List instruments
///
/// In brief; reading one gives its questions and rules.
#[utoipa::path(tag = "instruments", params(InstrumentQuery), responses((status = 200, description = "A page of instruments.", body = Page<InstrumentSummary>)), security(("oauth2" = ["screenings:read"])))]
#[get("/v1/instruments")]
pub async fn list_instruments(
    app: State,
    _: Allowed<scope::ScreeningsRead>,
    query: Query<InstrumentQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let query = query.0;
    let fingerprint = page::fingerprint(&(&query.code, &query.edition));
    let after: Option<InstrumentId> = query.cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?;
    let page = app
        .db
        .read(move |conn| {
            let rows = repository::list(conn, &query, after)?;
            Page::from_rows(rows, query.limit, fingerprint, |row: &InstrumentRow| row.id)
        })
        .await?;
    Ok(page.map(InstrumentSummary::from).respond(&request))
}

/// Load an instrument
///
/// An instrument is data: its questions, the licence it stands under, and how the answers are scored. Every fault of its rules is told
/// at once. Every client of this server can screen with it.
#[utoipa::path(tag = "instruments", request_body = InstrumentInput, responses((status = 201, description = "The new instrument.", body = Instrument), (status = 409, description = "This edition of the instrument is loaded already: `duplicate`.")), security(("oauth2" = ["admin"])))]
#[post("/v1/instruments")]
pub async fn create_instrument(app: State, caller: Allowed<scope::Admin>, command: Command<InstrumentInput>) -> Result<HttpResponse> {
    resource::create::<Instruments>(&app, &caller, command).await
}

/// Read an instrument
///
/// With its questions and rules, in every language it has.
#[utoipa::path(tag = "instruments", params(("id" = InstrumentId, Path, description = "The instrument's id.")), responses((status = 200, description = "The instrument.", body = Instrument)), security(("oauth2" = ["screenings:read"])))]
#[get("/v1/instruments/{id}")]
pub async fn get_instrument(
    app: State,
    caller: Allowed<scope::ScreeningsRead>,
    id: Path<Id<kind::Instrument>>,
    known: IfNoneMatch,
) -> Result<HttpResponse> {
    resource::get::<Instruments>(&app, &caller, *id, &known).await
}

/// Replace an instrument
///
/// Only until the first screening uses it; then another edition is loaded.
#[utoipa::path(tag = "instruments", params(("id" = InstrumentId, Path, description = "The instrument's id.")), request_body = InstrumentInput, responses((status = 200, description = "The instrument as it now is.", body = Instrument), (status = 409, description = "Screenings stand on it: `instrument_in_use`; or the edition is loaded already: `duplicate`.")), security(("oauth2" = ["admin"])))]
#[put("/v1/instruments/{id}")]
pub async fn update_instrument(
    app: State,
    caller: Allowed<scope::Admin>,
    id: Path<Id<kind::Instrument>>,
    version: IfMatch,
    input: Valid<InstrumentInput>,
) -> Result<HttpResponse> {
    resource::put::<Instruments>(&app, &caller, *id, version, input.0).await
}

/// Change an instrument
///
/// Only until the first screening uses it; then another edition is loaded.
#[utoipa::path(tag = "instruments", params(("id" = InstrumentId, Path, description = "The instrument's id.")), responses((status = 200, description = "The instrument as it now is.", body = Instrument), (status = 409, description = "Screenings stand on it: `instrument_in_use`; or the edition is loaded already: `duplicate`.")), security(("oauth2" = ["admin"])))]
#[patch("/v1/instruments/{id}")]
pub async fn patch_instrument(
    app: State,
    caller: Allowed<scope::Admin>,
    id: Path<Id<kind::Instrument>>,
    version: IfMatch,
    patch: MergePatch,
) -> Result<HttpResponse> {
    resource::patch::<Instruments>(&app, &caller, *id, version, patch).await
}

/// Delete an instrument
///
/// Only while no screening uses it.
#[utoipa::path(tag = "instruments", params(("id" = InstrumentId, Path, description = "The instrument's id.")), responses((status = 204, description = "It is deleted."), (status = 409, description = "Screenings stand on it: `instrument_in_use`.")), security(("oauth2" = ["admin"])))]
#[delete("/v1/instruments/{id}")]
pub async fn delete_instrument(
    app: State,
    caller: Allowed<scope::Admin>,
    id: Path<Id<kind::Instrument>>,
    version: IfMatch,
) -> Result<HttpResponse> {
    resource::delete::<Instruments>(&app, &caller, *id, version).await
}

/// Read the history of an instrument
///
/// Every version of the record, oldest first.
#[utoipa::path(tag = "instruments", params(("id" = InstrumentId, Path, description = "The instrument's id."), HistoryQuery), responses((status = 200, description = "A page of versions.", body = Page<Revision>)), security(("oauth2" = ["screenings:read"])))]
#[get("/v1/instruments/{id}/history")]
pub async fn list_instrument_history(
    app: State,
    caller: Allowed<scope::ScreeningsRead>,
    id: Path<Id<kind::Instrument>>,
    query: Query<HistoryQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    Ok(resource::history::<Instruments>(&app, &caller, *id, query.0).await?.respond(&request))
}
