//! HTTP of services.

use actix_web::http::header::{ACCEPT, CONTENT_TYPE, ContentType, ETAG, LINK};
use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, put};
use uuid::Uuid;

use super::Directory;
use super::api::{Service, ServicePage};
use super::geojson::{self, FeatureCollection};
use super::model::ServiceInput;
use super::resource::Services;
use super::search::{After, Found, Hit, ServiceQuery};
use super::shown::{self, ServiceText, Told};
use super::{providers, repository};
use crate::app::State;
use crate::auth::{Allowed, DirectoryReader, scope};
use crate::changes;
use crate::db::DbConn;
use crate::db::types::Id;
use crate::error::{Error, Fault, Result};
use crate::http::body::{MergePatch, Valid};
use crate::http::command::Command;
use crate::http::etag::{IfMatch, IfNoneMatch, OptionalIfMatch, tag_of};
use crate::http::page::{self, Page, next_link};
use crate::http::query::Query;
use crate::http::resource::{self, ByIdentifier, HistoryQuery, Revision};
use crate::http::schema;
use crate::kind::{self, ResourceType, ServiceId};

/// Search the directory
///
/// By words in English or French, by need, place, language, hours, cost and more; see each condition for what becomes of services of
/// which it is not known. Sorted by relevance, distance or name. With `Accept: application/geo+json` the answer is the places as points
/// on a map. What says something of a person, such as where they live, belongs in `POST /v1/services/search`.
#[utoipa::path(tag = "services", params(ServiceQuery), responses((status = 200, description = "A page of services.", content((ServicePage = "application/json"), (FeatureCollection = "application/geo+json")))), security((), ("oauth2" = ["services:read"])))]
#[get("/v1/services")]
pub async fn list_services(app: State, reader: DirectoryReader, query: Query<ServiceQuery>, request: HttpRequest) -> Result<HttpResponse> {
    let query = query.0;
    check(&query)?;
    let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (next, media_type, body) = if accept.contains(geojson::MEDIA_TYPE) {
        let places = search(&app, &reader, query, places).await?;
        (places.next.clone(), geojson::MEDIA_TYPE, serde_json::to_vec(&places).map_err(Error::internal)?)
    } else {
        let (next, page) = search(&app, &reader, query, page_of(&app, &reader)).await?;
        (next, "application/json", page)
    };
    let mut response = HttpResponse::Ok();
    if let Some(next) = &next {
        response.insert_header((LINK, next_link(&request, next)));
    }
    Ok(response.insert_header((CONTENT_TYPE, media_type)).body(body))
}

/// Search the directory for a person
///
/// The same as `GET /v1/services` with the conditions in the body, where a person's whereabouts do not end up in logs.
#[utoipa::path(tag = "services", request_body = ServiceQuery, responses((status = 200, description = "A page of services.", body = ServicePage)), security((), ("oauth2" = ["services:read"])))]
#[post("/v1/services/search")]
pub async fn search_services(app: State, reader: DirectoryReader, query: Valid<ServiceQuery>) -> Result<HttpResponse> {
    let (_, page) = search(&app, &reader, query.0, page_of(&app, &reader)).await?;
    Ok(HttpResponse::Ok().insert_header(ContentType::json()).body(page))
}

/// The parameters hold to the same schema as a body; their faults are of the query string.
fn check(query: &ServiceQuery) -> Result<()> {
    schema::check_read(query).map_err(|error| match error {
        Error::Invalid(faults) => {
            let named = faults.into_iter().map(|fault| Fault { pointer: fault.pointer.trim_start_matches('/').to_owned(), ..fault });
            Error::Malformed { detail: "The query string has a fault; see errors.".into(), faults: named.collect() }
        }
        other => other,
    })
}

/// What a search found, and the cursor of its next page.
struct Answer<'a> {
    query: &'a ServiceQuery,
    found: Found,
    next: Option<String>,
}

/// Searches, and shapes the answer in the same read.
async fn search<T: Send + 'static>(
    app: &State,
    reader: &DirectoryReader,
    query: ServiceQuery,
    shape: impl Fn(&mut DbConn, &Directory, Answer<'_>) -> Result<T> + Send + 'static,
) -> Result<T> {
    let conditions = serde_json::to_string(&query.without_page()).map_err(Error::internal)?;
    let fingerprint = page::fingerprint(&conditions);
    let after: Option<After> = query.cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?;
    let (demand, now) = (reader.demand(), reader.at);
    let answer = move |conn: &mut DbConn, directory: &Directory| {
        let found = directory.search(&query, after.as_ref(), now)?;
        let next = found.next.as_ref().map(|next| page::encode_cursor(next, fingerprint)).transpose()?;
        shape(conn, directory, Answer { query: &query, found, next })
    };
    let directory = &app.directory;
    let at_hand = |conn: &mut DbConn| if directory.is_at_hand(conn, demand)? { answer(conn, directory).map(Some) } else { Ok(None) };
    if let Some(answered) = app.db.read_at_once(at_hand)? {
        return Ok(answered);
    }
    let shared = app.clone();
    app.read_directory(move |conn| {
        shared.directory.refresh(conn, demand)?;
        answer(conn, &shared.directory)
    })
    .await
}

/// A page of services as JSON, and the cursor of the next one.
fn page_of(
    app: &State,
    reader: &DirectoryReader,
) -> impl Fn(&mut DbConn, &Directory, Answer<'_>) -> Result<(Option<String>, Vec<u8>)> + use<> {
    let (responsiveness, audience, now) = (app.responsiveness_for(reader).cloned(), reader.into(), reader.at);
    move |conn, directory, Answer { found, next, .. }| {
        let ids: Vec<ServiceId> = found.hits.iter().map(|hit| hit.id).collect();
        let texts = directory.texts(conn, &ids, audience, now)?;
        let names = directory.names(conn, texts.iter().filter_map(|(_, text)| text.provider_id()), now)?;
        let told = |text: &ServiceText, hit: Hit| Told {
            provided_by: text.provided_by(&names),
            responsiveness: responsiveness.as_ref().and_then(|known| known.of(hit.id)),
            hit: hit.into(),
        };
        let texts = with_hits(texts, found.hits).map(|(text, hit)| {
            let told = told(&text, hit);
            (text, told)
        });
        let texts: Vec<_> = texts.collect();
        let page = shown::page(&texts, next.as_deref(), found.facets.as_ref())?;
        Ok((next, page))
    }
}

/// The places of a page of services.
fn places(conn: &mut DbConn, directory: &Directory, Answer { query, found, next }: Answer<'_>) -> Result<FeatureCollection> {
    let ids: Vec<ServiceId> = found.hits.iter().map(|hit| hit.id).collect();
    let rows = directory.services(conn, &ids)?.into_iter().map(|row| (row.id, row));
    let found: Vec<_> = with_hits(rows, found.hits).collect();
    Ok(FeatureCollection::of(&found, query, next))
}

/// What there still is of the services found, each with its hit; both come in one order.
fn with_hits<T>(services: impl IntoIterator<Item = (ServiceId, T)>, hits: Vec<Hit>) -> impl Iterator<Item = (T, Hit)> {
    let mut hits = hits.into_iter();
    services.into_iter().filter_map(move |(id, service)| Some((service, hits.find(|hit| hit.id == id)?)))
}

/// Create a service
///
/// The caller's organization keeps the record. Telephone numbers are completed to E.164 where they can be understood.
#[utoipa::path(tag = "services", request_body = ServiceInput, responses((status = 201, description = "The new service.", body = Service)), security(("oauth2" = ["services:write"])))]
#[post("/v1/services")]
pub async fn create_service(app: State, caller: Allowed<scope::ServicesWrite>, command: Command<ServiceInput>) -> Result<HttpResponse> {
    resource::create::<Services>(&app, &caller, command).await
}

/// Create or replace a service by identifier
///
/// Among the services that the caller's organization keeps: a directory synchronizes with its own keys this way.
///
/// Where others were merged into the service, what is sent is what it says itself: it keeps their keys, and what they add. By one of
/// their keys it is replaced only where the body has a key of its own too; else the answer is 410 with code `merged` and the service's path
/// in `merged_into`, so that one record does not take the place of what stands for both. Go on under that path, import the record as a
/// source of its own, or merge so that the record that you keep up by its key is the one that stands for both.
#[utoipa::path(tag = "services", params(ByIdentifier), request_body = ServiceInput, responses((status = 200, description = "The service, replaced.", body = Service), (status = 201, description = "The new service.", body = Service), (status = 409, description = "Another organization gives it from now on, and more than 20,000 people wait for it: `too_much_at_once`."), (status = 410, description = "The key is of a record that was merged into another: `merged`.")), security(("oauth2" = ["services:write"])))]
#[put("/v1/services/by-identifier")]
pub async fn upsert_service(
    app: State,
    caller: Allowed<scope::ServicesWrite>,
    key: Query<ByIdentifier>,
    version: OptionalIfMatch,
    input: Valid<ServiceInput>,
) -> Result<HttpResponse> {
    resource::put_by_identifier::<Services>(&app, &caller, &key.0, version, input.0).await
}

/// Read a service
///
/// With its capacity as last reported, and where each fact came from. The id of a record that was merged answers 410 with code `merged`
/// and the path of the one that stands for it. How fresh it is, how it answers referrals and what its provider is called change without a
/// new version: the `ETag` names the version and what is shown besides, so that 304 says that all of it is the same. `If-Match` takes it as
/// it takes the version.
#[utoipa::path(tag = "services", params(("id" = ServiceId, Path, description = "The service's id.")), responses((status = 200, description = "The service.", body = Service)), security((), ("oauth2" = ["services:read"])))]
#[get("/v1/services/{id}")]
pub async fn get_service(app: State, reader: DirectoryReader, id: Path<Id<kind::Service>>, known: IfNoneMatch) -> Result<HttpResponse> {
    let read = app.db.read(move |conn| {
        let row = repository::get(conn, *id)?;
        let provided_by = providers::name(conn, &row.content)?;
        Ok((row, provided_by))
    });
    let (row, provided_by) = read.await?;
    let (version, responsiveness) = (row.version, app.responsiveness_for(&reader).and_then(|known| known.of(row.id)));
    let service = Service { provided_by, responsiveness, ..shown::shown(row, (&reader).into(), reader.at) };
    let text = serde_json::to_string(&service).map_err(Error::internal)?;
    let tag = tag_of(version, text.as_bytes());
    if known.has_tag(&tag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, tag)).finish());
    }
    Ok(HttpResponse::Ok().insert_header((ETAG, tag)).insert_header(ContentType::json()).body(text))
}

/// Replace a service
///
/// Its capacity stays. The provider, where another organization keeps the record, can change `alerts` only.
#[utoipa::path(tag = "services", params(("id" = ServiceId, Path, description = "The service's id.")), request_body = ServiceInput, responses((status = 200, description = "The service as it now is.", body = Service), (status = 409, description = "Another organization gives it from now on, and more than 20,000 people wait for it: `too_much_at_once`.")), security(("oauth2" = ["services:write"])))]
#[put("/v1/services/{id}")]
pub async fn update_service(
    app: State,
    caller: Allowed<scope::ServicesWrite>,
    id: Path<Id<kind::Service>>,
    version: IfMatch,
    input: Valid<ServiceInput>,
) -> Result<HttpResponse> {
    resource::put::<Services>(&app, &caller, *id, version, input.0).await
}

/// Change a service
///
/// The provider, where another organization keeps the record, can change `alerts` only.
#[utoipa::path(tag = "services", params(("id" = ServiceId, Path, description = "The service's id.")), responses((status = 200, description = "The service as it now is.", body = Service), (status = 409, description = "Another organization gives it from now on, and more than 20,000 people wait for it: `too_much_at_once`.")), security(("oauth2" = ["services:write"])))]
#[patch("/v1/services/{id}")]
pub async fn patch_service(
    app: State,
    caller: Allowed<scope::ServicesWrite>,
    id: Path<Id<kind::Service>>,
    version: IfMatch,
    patch: MergePatch,
) -> Result<HttpResponse> {
    resource::patch::<Services>(&app, &caller, *id, version, patch).await
}

/// Delete a service
///
/// It reads as 410 from then on and is found no more; its history stays. A service that has ended is better set to `defunct`. One for which
/// people wait is not deleted before they have left its list.
#[utoipa::path(tag = "services", params(("id" = ServiceId, Path, description = "The service's id.")), responses((status = 204, description = "It is deleted."), (status = 409, description = "People stand on its waiting list: `people_waiting`.")), security(("oauth2" = ["services:write"])))]
#[delete("/v1/services/{id}")]
pub async fn delete_service(
    app: State,
    caller: Allowed<scope::ServicesWrite>,
    id: Path<Id<kind::Service>>,
    version: IfMatch,
) -> Result<HttpResponse> {
    resource::delete::<Services>(&app, &caller, *id, version).await
}

/// Read the history of a service
///
/// Every version, oldest first, those of records that were merged into this one among them.
#[utoipa::path(tag = "services", params(("id" = ServiceId, Path, description = "The service's id."), HistoryQuery), responses((status = 200, description = "A page of versions.", body = Page<Revision>), (status = 410, description = "The record was merged into another: `merged`.")), security(("oauth2" = ["services:read"])))]
#[get("/v1/services/{id}/history")]
pub async fn list_service_history(
    app: State,
    caller: Allowed<scope::ServicesRead>,
    id: Path<Id<kind::Service>>,
    query: Query<HistoryQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let (id, caller, query) = (*id, caller.into_principal(), query.0);
    let fingerprint = page::fingerprint(&("service history", id));
    let after: Option<i64> = query.cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?;
    let page = app
        .db
        .read(move |conn| {
            repository::find_standing(conn, id)?.ok_or(Error::NotFound)?;
            let mut records: Vec<Uuid> = repository::merged_ids(conn, id)?.into_iter().map(Id::uuid).collect();
            records.push(id.uuid());
            let entries = changes::history_of_all(conn, ResourceType::Service, &records, after.unwrap_or(0), query.limit.and_one())?;
            let place = |entry: &changes::Sketch| entry.sequence;
            let page = Page::from_rows(entries, query.limit, fingerprint, place)?;
            let page = resource::entries(conn, page, fingerprint, place)?;
            resource::revisions(conn, &caller, page)
        })
        .await?;
    Ok(page.respond(&request))
}
