//! HTTP of matches.

use actix_web::http::header::ETAG;
use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, get};

use super::api::{Match, MatchQuery, MatchSummary};
use super::model::MatchRow;
use super::repository;
use super::weights::Weights;
use crate::app::State;
use crate::auth::{Allowed, DirectoryReader, Scope, scope, sight};
use crate::consents::model::DataCategory;
use crate::db::DbConn;
use crate::db::types::Id;
use crate::error::{Error, Result};
use crate::http::etag::{IfNoneMatch, tag};
use crate::http::page::{self, Page};
use crate::http::query::Query;
use crate::kind::{self, MatchId};

/// Read a match
///
/// One about a patient is seen by whoever sees the patient's needs; one about a description by the organization that asked.
#[utoipa::path(tag = "matches", params(("id" = MatchId, Path, description = "The match's id.")), responses((status = 200, description = "The match.", body = Match)), security(("oauth2" = ["services:read"]), ()))]
#[get("/v1/matches/{id}")]
pub async fn get_match(app: State, reader: DirectoryReader, id: Path<Id<kind::Match>>, known: IfNoneMatch) -> Result<HttpResponse> {
    let row = app.db.read(move |conn| seen(conn, &reader, *id)).await?;
    if known.has(row.version) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, tag(row.version))).finish());
    }
    Ok(HttpResponse::Ok().insert_header((ETAG, tag(row.version))).json(Match::from(row)))
}

/// The match, if the reader may see it.
fn seen(conn: &mut DbConn, reader: &DirectoryReader, id: MatchId) -> Result<MatchRow> {
    let row = repository::find(conn, id)?.ok_or(Error::NotFound)?;
    match (row.patient_id, &reader.principal) {
        (Some(patient), Some(caller)) => {
            caller.require(Scope::PatientsRead).map_err(|_| Error::NotFound)?;
            let sight = sight::require(conn, caller, patient, DataCategory::Needs)?;
            if row.is_sensitive {
                sight.require(DataCategory::Sensitive)?;
            }
        }
        (Some(_), None) => return Err(Error::NotFound),
        (None, _) if row.organization_id.is_some() && row.organization_id != reader.organization_id() => return Err(Error::NotFound),
        (None, _) => {}
    }
    if row.deleted_at.is_some() { Err(Error::Gone) } else { Ok(row) }
}

/// List the matches of a patient
///
/// The latest first, in short.
#[utoipa::path(tag = "matches", params(("id" = kind::PatientId, Path, description = "The patient's id."), MatchQuery), responses((status = 200, description = "A page of matches.", body = Page<MatchSummary>)), security(("oauth2" = ["patients:read"])))]
#[get("/v1/patients/{id}/matches")]
pub async fn list_patient_matches(
    app: State,
    caller: Allowed<scope::PatientsRead>,
    id: Path<Id<kind::Patient>>,
    query: Query<MatchQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let (caller, query, patient) = (caller.into_principal(), query.0, *id);
    let fingerprint = page::fingerprint(&("matches", patient));
    let before: Option<MatchId> = query.cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?;
    let page = app
        .db
        .read(move |conn| {
            let sight = sight::require(conn, &caller, patient, DataCategory::Needs)?;
            let with_sensitive = sight.categories.contains(DataCategory::Sensitive);
            let rows = repository::list_of_patient(conn, patient, with_sensitive, before, query.limit.and_one())?;
            Page::from_rows(rows, query.limit, fingerprint, |row: &MatchRow| row.id)
        })
        .await?;
    Ok(page.map(MatchSummary::from).respond(&request))
}

/// Read a matching profile
///
/// Every number by which services are ranked. There is one profile, `standard`.
#[utoipa::path(tag = "matches", params(("name" = String, Path, description = "The profile's name.", example = "standard")), responses((status = 200, description = "The profile.", body = Weights)), security(("oauth2" = ["services:read"]), ()))]
#[get("/v1/matching-profiles/{name}")]
pub async fn get_matching_profile(_: DirectoryReader, name: Path<String>) -> Result<HttpResponse> {
    let profile = Weights::standard();
    if *name == profile.profile { Ok(HttpResponse::Ok().json(profile)) } else { Err(Error::NotFound) }
}
