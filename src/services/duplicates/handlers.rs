//! HTTP of duplicates.

use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, get, post};

use super::api::{DuplicateDismissal, ServiceDuplicate, ServiceDuplicateQuery, ServiceMerge, ServiceStatement, ServiceUnmerge};
use super::detection::Rank;
use super::{merge, unmerge};
use crate::app::State;
use crate::auth::{Allowed, scope};
use crate::changes::{self, Action, Demand};
use crate::db::DbConn;
use crate::db::types::Id;
use crate::error::{Error, Result};
use crate::http::command::{Command, Reply};
use crate::http::etag::OptionalIfMatch;
use crate::http::kept::Written;
use crate::http::page::{self, Page};
use crate::http::query::Query;
use crate::http::resource::{self, HistoryQuery, Resource as _};
use crate::import::fingerprints_of;
use crate::kind::{self, ServiceId};
use crate::services::api::Service;
use crate::services::repository;
use crate::services::resource::Services;
use crate::services::row::ServiceRow;

/// List likely duplicates
///
/// Pairs among the services that the caller's organization keeps, whatever sources they are from, that look like one service: by name,
/// telephone, place, web page, mail address and provider. The likeliest first. Merge them, or say that they are two.
///
/// Two are compared where they have a telephone, a place, a web page or a mail address in common, what their provider is called, or a name
/// together with a city. Where many share one of these, such as the telephone of a switchboard, only those of them are compared whose names
/// also have a word in common that few of them have, and of one provider's those in one city. Pairs that are alike in nothing else are not
/// listed.
///
/// A place is the same by its street, house number and city, in English or French and with or without a unit, or by its point. A provider
/// is the same by its record, or by its name where each source has a record of its own, as that name was at most a minute ago. It counts
/// for nothing where both services say in or for which cities they are and have none in common: branches are not duplicates.
#[utoipa::path(tag = "services", params(ServiceDuplicateQuery), responses((status = 200, description = "A page of pairs.", body = Page<ServiceDuplicate>)), security(("oauth2" = ["services:read"])))]
#[get("/v1/services/duplicates")]
pub async fn list_service_duplicates(
    app: State,
    caller: Allowed<scope::ServicesRead>,
    query: Query<ServiceDuplicateQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let (keeper, now, query, shared) = (caller.organization_id, caller.at, query.0, app.clone());
    let fingerprint = page::fingerprint(&("duplicates", keeper));
    let after: Option<Rank> = query.cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?;
    let page = app.read_directory(move |conn| {
        shared.directory.refresh(conn, Demand::All)?;
        let pairs = shared.directory.look_alikes(conn, keeper, now)?;
        let first = after.map_or(0, |after| pairs.partition_point(|pair| pair.rank <= after));
        let rows: Vec<_> = pairs.iter().skip(first).take(query.limit.get() + 1).collect();
        let page = Page::from_rows(rows, query.limit, fingerprint, |pair| pair.rank)?;
        let ids: Vec<ServiceId> = page.items.iter().flat_map(|pair| [pair.rank.one, pair.rank.other]).collect();
        let services = shared.directory.services(conn, &ids)?;
        let find = |id: ServiceId| services.iter().find(|row| row.id == id);
        let shown = page.items.iter().filter_map(|pair| Some(ServiceDuplicate::of(pair, find(pair.rank.one)?, find(pair.rank.other)?)));
        Ok(Page { items: shown.collect(), next: page.next })
    });
    Ok(page.await?.respond(&request))
}

/// Say that two services are not one
///
/// The pair leaves the list of duplicates for good. The one of the two that was there first names the other in `distinct_from_ids`.
#[utoipa::path(tag = "services", request_body = DuplicateDismissal, responses((status = 200, description = "The service of the two that names the other.", body = Service), (status = 410, description = "One of them was deleted, or merged into another: `merged`.")), security(("oauth2" = ["services:write"])))]
#[post("/v1/services/duplicates/dismiss")]
pub async fn dismiss_service_duplicate(
    app: State,
    caller: Allowed<scope::ServicesWrite>,
    command: Command<DuplicateDismissal>,
) -> Result<HttpResponse> {
    command
        .run(&app, &caller, |conn, caller, input| {
            let mut ids = input.service_ids.clone();
            ids.sort_unstable();
            let mut rows = Vec::with_capacity(ids.len());
            for id in &ids {
                let index = input.service_ids.iter().position(|named| named == id).unwrap_or_default();
                repository::lock(conn, *id)?;
                let row = resource::get_row::<Services>(conn, caller, *id).map_err(|error| match error {
                    Error::NotFound => Error::invalid(format!("/service_ids/{index}"), "not_found", "is not a service of the directory"),
                    other => other,
                })?;
                merge::permit(caller, &row)?;
                rows.push(row);
            }
            let (Some(one), Some(other)) = (rows.first(), rows.last()) else {
                return Err(Error::invalid("/service_ids", "required", "must be two"));
            };
            if one.distinct_from.contains(&other.id) {
                return Reply::versioned(one.version, &Services::view(conn, caller, Services::shape(one.clone()))?);
            }
            let next = one.set_apart(other.id, caller.at);
            if !repository::update(conn, &next)? {
                return Err(Error::Busy);
            }
            let (head, shape) = (Services::head(&next), Services::shape(next));
            resource::record::<Services>(conn, caller, &head, Action::Updated, &shape)?;
            Reply::versioned(head.version, &Services::view(conn, caller, shape)?)
        })
        .await
}

/// Merge a duplicate into a service
///
/// The service of the path stands for both from then on: its own words stand, what it lacks is taken over, and identifiers, referrals,
/// waiting lists, slots, appointments, room and suggestions of the duplicate become its own. Later pulls and imports of either source
/// change it and make no new record; `GET /v1/services/{id}/sources` tells which source says what. The duplicate's id answers 410 with
/// code `merged`, and so does a sync by its keys that does not know of the merge; the HSDS directory lists it as inactive. At most 500
/// records are merged into one. By the organization that keeps both records.
/// `POST /v1/services/{id}/unmerge` takes it back.
#[utoipa::path(tag = "services", params(("id" = ServiceId, Path, description = "The id of the service that stands for both."), ("If-Match" = Option<String>, Header, description = "Fails with 412 unless the service has this version.", example = "\"1\"")), request_body = ServiceMerge, responses((status = 200, description = "The service as it now is.", body = Service), (status = 409, description = "More than 20,000 referrals, slots, appointments and entries of waiting lists belong to the duplicate, what was said of its room counted a tenth: `too_much_at_once`."), (status = 410, description = "The service was itself merged, or deleted.")), security(("oauth2" = ["services:write"])))]
#[post("/v1/services/{id}/merge")]
pub async fn merge_service(
    app: State,
    caller: Allowed<scope::ServicesWrite>,
    id: Path<Id<kind::Service>>,
    version: OptionalIfMatch,
    command: Command<ServiceMerge>,
) -> Result<HttpResponse> {
    command
        .run(&app, &caller, move |conn, caller, input| {
            let service = merge::merge(conn, caller, *id, input, &version)?;
            Reply::versioned(service.version, &Services::view(conn, caller, service)?)
        })
        .await
}

/// Take back a merge
///
/// The duplicate stands by itself again, as it was when it was merged or as its source has it since, under its own id and keys. Referrals,
/// slots, suggestions, links to calendars and what was said of room that came with it and are still the service's go back, and with them
/// the appointments in those slots and whoever waits by those referrals; what was made since stays with the service. The service keeps
/// what it says itself and what was changed since the merge. The two are set apart: they are not listed as duplicates of each other. By
/// the organization that keeps both records.
#[utoipa::path(tag = "services", params(("id" = ServiceId, Path, description = "The id of the service that stands for both."), ("If-Match" = Option<String>, Header, description = "Fails with 412 unless the service has this version.", example = "\"2\"")), request_body = ServiceUnmerge, responses((status = 200, description = "The service as it now is.", body = Service), (status = 409, description = "The record was not merged into this service: `not_merged`; it came with another one, which `merged_into` names, that was merged since: `merged_since`; what it was is not known: `merge_not_kept`; another service has one of its identifiers now: `duplicate`; or more than 20,000 people would wait for it again: `too_much_at_once`."), (status = 410, description = "The service was itself merged, or deleted.")), security(("oauth2" = ["services:write"])))]
#[post("/v1/services/{id}/unmerge")]
pub async fn unmerge_service(
    app: State,
    caller: Allowed<scope::ServicesWrite>,
    id: Path<Id<kind::Service>>,
    version: OptionalIfMatch,
    command: Command<ServiceUnmerge>,
) -> Result<HttpResponse> {
    command
        .run(&app, &caller, move |conn, caller, input| {
            let service = unmerge::unmerge(conn, caller, *id, input, &version)?;
            Reply::versioned(service.version, &Services::view(conn, caller, service)?)
        })
        .await
}

/// Read which source says what of a service
///
/// The service's own words first, as its source or its keeper wrote them, then those of the records that were merged into it, in the order
/// in which they count. The service shows the first, and of the others what the first do not say.
#[utoipa::path(tag = "services", params(("id" = ServiceId, Path, description = "The service's id."), HistoryQuery), responses((status = 200, description = "A page of what each says.", body = Page<ServiceStatement>), (status = 410, description = "The service was deleted, or merged into another: `merged`.")), security(("oauth2" = ["services:read"])))]
#[get("/v1/services/{id}/sources")]
pub async fn list_service_sources(
    app: State,
    _: Allowed<scope::ServicesRead>,
    id: Path<Id<kind::Service>>,
    query: Query<HistoryQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let (id, query) = (*id, query.0);
    let fingerprint = page::fingerprint(&("service sources", id));
    let after: Option<ServiceId> = query.cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?;
    let page = app
        .db
        .read(move |conn| {
            let row = repository::get(conn, id)?;
            let mut records = Vec::new();
            if after.is_none() {
                records.push(id);
            }
            records.extend(repository::list_merged(conn, id, after.filter(|after| *after != id), query.limit.and_one())?);
            let page = Page::from_rows(records, query.limit, fingerprint, |record: &ServiceId| *record)?;
            statements(conn, &row, page, fingerprint)
        })
        .await?;
    Ok(page.respond_written(&request))
}

/// What these records say, of a service and of those that were merged into it. Each is written out before the next is read, and where they
/// are more than may be in memory together, the page ends early.
fn statements(conn: &mut DbConn, row: &ServiceRow, page: Page<ServiceId>, fingerprint: u64) -> Result<Page<Written>> {
    let listed = fingerprints_of(conn, &page.items)?;
    let (mut items, mut bytes, mut last) = (Vec::with_capacity(page.items.len()), 0, None);
    for id in page.items {
        if let Some(last) = last.filter(|_| bytes >= changes::MOST_BYTES) {
            return Ok(Page { items, next: Some(page::encode_cursor(&last, fingerprint)?) });
        }
        last = Some(id);
        let is_own = id == row.id;
        let content = if is_own {
            row.own_content.as_ref().unwrap_or(&row.content).0.clone()
        } else {
            let Some(other) = repository::find(conn, id)? else { continue };
            other.content.0
        };
        let written = Written::of(&ServiceStatement {
            record_id: id,
            is_own,
            source: content.provenance.source.clone(),
            is_listed: listed.get(&id).map(|fingerprint| !fingerprint.is_empty()),
            content,
        })?;
        bytes += written.0.len();
        items.push(written);
    }
    Ok(Page { items, next: page.next })
}
