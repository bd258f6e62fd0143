//! HTTP of the room that services have.

use std::sync::LazyLock;

use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, delete, get, post, put};
use regex::Regex;

use super::api::{CapacityAnswers, CapacityEntry, CapacityList, KEY_LENGTH, KEY_PATTERN};
use super::setting;
use crate::app::State;
use crate::auth::{Allowed, DirectoryReader, Principal, scope};
use crate::db::types::Id;
use crate::error::{Error, Result};
use crate::http::command::{Command, Reply};
use crate::http::etag::{IfMatch, OptionalIfMatch};
use crate::http::page::{self, Page};
use crate::http::query::Query;
use crate::http::resource::HistoryQuery;
use crate::kind::{self, ServiceId};
use crate::services::model::Capacity;
use crate::services::repository;
use crate::services::row::CapacityEntryRow;

/// Set the capacity of a service
///
/// By the provider, or by who keeps the record. It replaces what was said before, which stays in the history, and it is a new version of
/// the service. What was true earlier than what is known (`as_of`) is refused. What lies ahead by 24 hours at most is true now, and what is
/// later is refused. What was said more than 60 days ago is stale, and counts half in search and matching. A service that is `full` or
/// `closed` has no free places: what says both is refused. A status that followed where it was read, and comes back with
/// `is_status_derived`, is not said by that, also where people have joined or left the list since; `If-Match` tells a status that was changed
/// on purpose from one that was read earlier. To say the same once more is to confirm it, and is remembered too: an
/// `Idempotency-Key` tells that from a request that is sent again.
///
/// Where people stand on the list that Kith keeps, `held` says how many of the free places are kept for them, and `waitlist_length` how
/// many wait, unless the provider has said it: both are counted by Kith, and the service is a new version when they change. This is so
/// where nobody has said anything of the capacity yet, too: its status is `unknown` then. A place that was offered to somebody is theirs
/// until they answer or the offer runs out, whatever is said of the capacity meanwhile, `full` too; the provider takes it back by declining
/// it in their place. Given back while the service is full, it is offered to nobody.
#[utoipa::path(tag = "services", params(("id" = ServiceId, Path, description = "The service's id."), ("If-Match" = Option<String>, Header, description = "Fails with 412 unless the service has this version.", example = "\"3\""), ("Idempotency-Key" = Option<String>, Header, description = "Makes the request safe to send again.", example = "0f8b6c1e-1")), request_body = Capacity, responses((status = 200, description = "The capacity as it now is, with the service's version as `ETag`.", body = Capacity), (status = 409, description = "Something newer is known of the room, as of `current_as_of`: `capacity_outdated`."), (status = 410, description = "The service has been deleted.")), security(("oauth2" = ["services:write"])))]
#[put("/v1/services/{id}/capacity")]
pub async fn set_service_capacity(
    app: State,
    caller: Allowed<scope::ServicesWrite>,
    id: Path<Id<kind::Service>>,
    version: OptionalIfMatch,
    command: Command<Capacity>,
) -> Result<HttpResponse> {
    put_capacity(&app, &caller, *id, None, version, command).await
}

/// Set one of the capacities of a service
///
/// A service may have several capacities: places kept for newcomers beside those for everybody, hours beside places. Each has a key, which
/// the caller chooses, and is set and remembered like the default one, which has none. Matching takes for each person the capacity that is
/// for them and takes them soonest; search goes by what is for everybody. A service has at most 50 of them.
#[utoipa::path(tag = "services", params(("id" = ServiceId, Path, description = "The service's id."), ("key" = String, Path, description = "The part's key: words of lower-case letters and digits, joined by `-` or `_`, at most 60 characters.", pattern = "^[a-z0-9]+([-_][a-z0-9]+)*$", max_length = 60, example = "newcomers"), ("If-Match" = Option<String>, Header, description = "Fails with 412 unless the service has this version.", example = "\"3\""), ("Idempotency-Key" = Option<String>, Header, description = "Makes the request safe to send again.", example = "0f8b6c1e-1")), request_body = Capacity, responses((status = 200, description = "The capacity as it now is, with the service's version as `ETag`.", body = Capacity), (status = 409, description = "Something newer is known of the room, as of `current_as_of`: `capacity_outdated`."), (status = 410, description = "The service has been deleted.")), security(("oauth2" = ["services:write"])))]
#[put("/v1/services/{id}/capacities/{key}")]
pub async fn set_named_service_capacity(
    app: State,
    caller: Allowed<scope::ServicesWrite>,
    path: Path<(Id<kind::Service>, String)>,
    version: OptionalIfMatch,
    command: Command<Capacity>,
) -> Result<HttpResponse> {
    let (id, key) = path.into_inner();
    put_capacity(&app, &caller, id, Some(checked(key)?), version, command).await
}

async fn put_capacity(
    app: &State,
    caller: &Principal,
    id: ServiceId,
    key: Option<String>,
    version: OptionalIfMatch,
    command: Command<Capacity>,
) -> Result<HttpResponse> {
    command
        .run(app, caller, move |conn, caller, capacity| {
            let row = setting::lock(conn, caller, id)?;
            version.check(row.version)?;
            let (capacity, row) = setting::say(conn, caller, &row, key.as_deref(), capacity, "", version.names_version())?;
            Reply::versioned(row.version, &capacity)
        })
        .await
}

/// A key that can be one.
pub fn checked(key: String) -> Result<String> {
    static KEY: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(KEY_PATTERN).ok());
    let is_key = key.len() <= KEY_LENGTH && KEY.as_ref().is_some_and(|pattern| pattern.is_match(&key));
    if is_key { Ok(key) } else { Err(Error::malformed(format!("The key must match {KEY_PATTERN}, with at most {KEY_LENGTH} characters."))) }
}

/// Remove one of the capacities of a service
///
/// What was said of it stays in the history. A room for which people wait is counted until they have left its list.
#[utoipa::path(tag = "services", params(("id" = ServiceId, Path, description = "The service's id."), ("key" = String, Path, description = "The part's key.", pattern = "^[a-z0-9]+([-_][a-z0-9]+)*$", max_length = 60, example = "newcomers")), responses((status = 204, description = "It is no longer counted."), (status = 409, description = "People stand on its waiting list: `people_waiting`."), (status = 410, description = "The service has been deleted.")), security(("oauth2" = ["services:write"])))]
#[delete("/v1/services/{id}/capacities/{key}")]
pub async fn delete_named_service_capacity(
    app: State,
    caller: Allowed<scope::ServicesWrite>,
    path: Path<(Id<kind::Service>, String)>,
    version: IfMatch,
) -> Result<HttpResponse> {
    let ((id, key), clock) = (path.into_inner(), app.clock.clone());
    let key = checked(key)?;
    app.db
        .write(move |conn| {
            let caller = caller.now(&clock);
            let row = setting::lock(conn, &caller, id)?;
            version.check(row.version)?;
            setting::remove(conn, &caller, &row, &key)
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Set the capacities of many services
///
/// Up to 500 lines in one call and one transaction. Each line is taken or refused by itself, and is answered as a call for that service
/// alone would have been: only the provider and who keeps the record may say it, and what is wrong with one line harms no other. Lines that
/// come after 16 MiB of services have been written are refused with `too_much_at_once`, and can be sent by themselves.
#[utoipa::path(tag = "services", request_body = CapacityList, responses((status = 200, description = "What became of each line.", body = CapacityAnswers)), security(("oauth2" = ["services:write"])))]
#[post("/v1/services/capacities")]
pub async fn set_service_capacities(
    app: State,
    caller: Allowed<scope::ServicesWrite>,
    command: Command<CapacityList>,
) -> Result<HttpResponse> {
    // Before the write: on SQLite all writes wait for each other.
    let lines = setting::read(&command.input)?;
    command.run(&app, &caller, move |conn, caller, _| Reply::ok(&setting::set_all(conn, caller, &lines)?)).await
}

/// Read the history of the capacity of a service
///
/// Every capacity that was set, the latest first; `key` tells which of them it was. What was set of records that were merged into the
/// service is among it.
#[utoipa::path(tag = "services", params(("id" = ServiceId, Path, description = "The service's id."), HistoryQuery), responses((status = 200, description = "A page of entries.", body = Page<CapacityEntry>), (status = 410, description = "The record was merged into another: `merged`.")), security((), ("oauth2" = ["services:read"])))]
#[get("/v1/services/{id}/capacity/history")]
pub async fn list_service_capacity_history(
    app: State,
    _: DirectoryReader,
    id: Path<Id<kind::Service>>,
    query: Query<HistoryQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let query = query.0;
    let fingerprint = page::fingerprint(&("capacity", *id));
    let before: Option<Id<()>> = query.cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?;
    let page = app
        .db
        .read(move |conn| {
            repository::find_standing(conn, *id)?.ok_or(Error::NotFound)?;
            let rows = repository::list_capacity_entries(conn, *id, before, query.limit.and_one())?;
            Page::from_rows(rows, query.limit, fingerprint, |row: &CapacityEntryRow| row.id)
        })
        .await?;
    Ok(page.map(CapacityEntry::from).respond(&request))
}
