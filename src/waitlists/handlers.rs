//! HTTP of waiting lists.

use std::sync::Arc;

use actix_web::http::header::ETAG;
use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, get, patch, post, put};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::api::{PlaceRefusal, WaitlistDetailsInput, WaitlistEntry, WaitlistEntryInput, WaitlistQuery};
use super::model::WaitlistEntryRow;
use super::queue;
use super::repository::{self, Place};
use crate::app::State;
use crate::auth::{Allowed, Principal, scope};
use crate::db::DbConn;
use crate::db::types::Id;
use crate::error::{Error, Result};
use crate::http::body::{MergePatch, Valid};
use crate::http::command::{Command, Reply};
use crate::http::etag::{IfMatch, OptionalIfMatch, tag};
use crate::http::page::{self, Page};
use crate::http::query::Query;
use crate::http::resource::{self, Resource as _};
use crate::kind::{self, ServiceId, WaitlistEntryId};
use crate::services;

/// The ids of a path.
type Ids = Path<(Id<kind::Service>, Id<kind::WaitlistEntry>)>;

/// Entries with their positions and likely days, and why they are passed over, all of one service.
fn shown(conn: &mut DbConn, caller: &Principal, service: ServiceId, rows: Vec<WaitlistEntryRow>) -> Result<Vec<WaitlistEntry>> {
    let positions = repository::positions(conn, service)?;
    let found = services::repository::find(conn, service)?;
    let wait = |row: &WaitlistEntryRow| {
        let service = found.as_ref()?;
        let room = match row.key() {
            None => service.capacity.as_deref(),
            Some(key) => service.capacities.iter().find(|named| named.key == key).map(|named| &named.capacity),
        };
        room?.expected_wait_days
    };
    let ids: Vec<WaitlistEntryId> = rows.iter().map(|row| row.id).collect();
    let passed_over =
        found.as_ref().map(|service| repository::passed_over(conn, service, &ids, caller.at)).transpose()?.unwrap_or_default();
    let today = caller.at.utc().date_naive();
    let shape = |row: WaitlistEntryRow| {
        let (position, wait, passed_over) = (positions.get(&row.id).copied(), wait(&row), passed_over.get(&row.id).copied());
        WaitlistEntry { passed_over, ..WaitlistEntry::from(row).at(today, position, wait) }
    };
    Ok(rows.into_iter().map(shape).collect())
}

fn show(conn: &mut DbConn, caller: &Principal, row: WaitlistEntryRow) -> Result<WaitlistEntry> {
    let found = shown(conn, caller, row.service_id, vec![row])?;
    found.into_iter().next().ok_or_else(|| Error::internal("an entry that was shown as none"))
}

/// List who waits for a service
///
/// Those whose referrals the caller sees, in their order: by priority, then by since when they wait. A position counts those before whom
/// the caller does not see too. Whoever is passed over when a place opens stays where they are, and `passed_over` says why.
#[utoipa::path(tag = "referrals", params(("id" = ServiceId, Path, description = "The service's id."), WaitlistQuery), responses((status = 200, description = "A page of entries.", body = Page<WaitlistEntry>)), security(("oauth2" = ["referrals:read"])))]
#[get("/v1/services/{id}/waitlist-entries")]
pub async fn list_waitlist_entries(
    app: State,
    caller: Allowed<scope::ReferralsRead>,
    id: Path<Id<kind::Service>>,
    query: Query<WaitlistQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let (id, caller, query) = (*id, Principal::clone(&caller), query.0);
    let fingerprint = page::fingerprint(&("waitlist", id, &query.status, query.referral_id));
    let after: Option<Place> = query.cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?;
    let page = app
        .db
        .read(move |conn| {
            services::Services::find(conn, &caller, id)?.ok_or(Error::NotFound)?;
            let rows = repository::list(conn, &caller, id, &query, after)?;
            let Page { items, next } = Page::from_rows(rows, query.limit, fingerprint, WaitlistEntryRow::place)?;
            Ok(Page { items: shown(conn, &caller, id, items)?, next })
        })
        .await?;
    Ok(page.respond(&request))
}

/// Put a referral on the waiting list of its service
///
/// By the performer, which gives the service: its provider, or whoever keeps the record where no provider is named. The referral is put
/// on hold for want of room, with the finer word `waitlisted`. Where the service counts a place that is free and kept for nobody, it is
/// offered at once.
#[utoipa::path(tag = "referrals", params(("id" = ServiceId, Path, description = "The service's id.")), request_body = WaitlistEntryInput, responses((status = 201, description = "The entry.", body = WaitlistEntry), (status = 409, description = "The referral is not open: `referral_closed`; it waits already: `already_waiting`; or its performer does not see the patient any more: `consent_ended`.")), security(("oauth2" = ["referrals:write"])))]
#[post("/v1/services/{id}/waitlist-entries")]
pub async fn create_waitlist_entry(
    app: State,
    caller: Allowed<scope::ReferralsWrite>,
    id: Path<Id<kind::Service>>,
    command: Command<WaitlistEntryInput>,
) -> Result<HttpResponse> {
    let id = *id;
    command
        .run(&app, &caller, move |conn, caller, input| {
            services::Services::find(conn, caller, id)?.ok_or(Error::NotFound)?;
            let row = queue::join(conn, caller, id, input)?;
            let entry = show(conn, caller, row)?;
            Reply::created(&format!("/v1/services/{id}/waitlist-entries/{}", entry.id), entry.version, &entry)
        })
        .await
}

/// Read who waits
///
/// Seen by whoever sees the referral. How many are before them changes without a version of their own, so that it is sent every time.
#[utoipa::path(tag = "referrals", params(("id" = ServiceId, Path, description = "The service's id."), ("entry_id" = WaitlistEntryId, Path, description = "The entry's id.")), responses((status = 200, description = "The entry.", body = WaitlistEntry)), security(("oauth2" = ["referrals:read"])))]
#[get("/v1/services/{id}/waitlist-entries/{entry_id}")]
pub async fn get_waitlist_entry(app: State, caller: Allowed<scope::ReferralsRead>, ids: Ids) -> Result<HttpResponse> {
    let ((service, id), caller) = (ids.into_inner(), Principal::clone(&caller));
    let entry = app
        .db
        .read(move |conn| {
            let row = repository::find(conn, &caller, service, id)?.ok_or(Error::NotFound)?;
            show(conn, &caller, row)
        })
        .await?;
    Ok(HttpResponse::Ok().insert_header((ETAG, tag(entry.version))).json(entry))
}

async fn describe(
    app: &State,
    caller: &Principal,
    ids: (ServiceId, WaitlistEntryId),
    version: IfMatch,
    details: impl Fn(&WaitlistEntryRow) -> Result<WaitlistDetailsInput> + Send + 'static,
) -> Result<HttpResponse> {
    let (caller, clock) = (caller.clone(), app.clock.clone());
    let entry = app
        .db
        .write(move |conn| {
            let caller = caller.now(&clock);
            let row = queue::describe(conn, &caller, ids, |current| version.check(current), &details)?;
            show(conn, &caller, row)
        })
        .await?;
    Ok(HttpResponse::Ok().insert_header((ETAG, tag(entry.version))).json(entry))
}

/// Say anew what is known of who waits
///
/// By the performer.
#[utoipa::path(tag = "referrals", params(("id" = ServiceId, Path, description = "The service's id."), ("entry_id" = WaitlistEntryId, Path, description = "The entry's id.")), request_body = WaitlistDetailsInput, responses((status = 200, description = "The entry as it now is.", body = WaitlistEntry), (status = 409, description = "They wait no longer: `not_waiting`.")), security(("oauth2" = ["referrals:write"])))]
#[put("/v1/services/{id}/waitlist-entries/{entry_id}")]
pub async fn update_waitlist_entry(
    app: State,
    caller: Allowed<scope::ReferralsWrite>,
    ids: Ids,
    version: IfMatch,
    details: Valid<WaitlistDetailsInput>,
) -> Result<HttpResponse> {
    describe(&app, &caller, ids.into_inner(), version, move |_| Ok(details.0.clone())).await
}

/// Change what is known of who waits
///
/// By the performer: another priority, another day, a remark.
#[utoipa::path(tag = "referrals", params(("id" = ServiceId, Path, description = "The service's id."), ("entry_id" = WaitlistEntryId, Path, description = "The entry's id.")), responses((status = 200, description = "The entry as it now is.", body = WaitlistEntry), (status = 409, description = "They wait no longer: `not_waiting`.")), security(("oauth2" = ["referrals:write"])))]
#[patch("/v1/services/{id}/waitlist-entries/{entry_id}")]
pub async fn patch_waitlist_entry(
    app: State,
    caller: Allowed<scope::ReferralsWrite>,
    ids: Ids,
    version: IfMatch,
    patch: MergePatch,
) -> Result<HttpResponse> {
    let (ids, patch) = (ids.into_inner(), Arc::new(patch));
    // Before the write: on SQLite all writes wait for each other, and what is wrong with a patch may take long to tell.
    let (reader, wanted, laid) = (Principal::clone(&caller), version.clone(), Arc::clone(&patch));
    let (checked, details) = app
        .db
        .read(move |conn| {
            let row = queue::to_describe(conn, &reader, ids, |current| wanted.check(current))?;
            Ok((row.version, patched(&row, &laid)?))
        })
        .await?;
    let details = move |row: &WaitlistEntryRow| {
        // Whoever named no version has their patch laid over what another has written meanwhile.
        if row.version == checked { Ok(details.clone()) } else { patched(row, &patch) }
    };
    describe(&app, &caller, ids, version, details).await
}

fn patched(row: &WaitlistEntryRow, patch: &MergePatch) -> Result<WaitlistDetailsInput> {
    resource::merged(&WaitlistDetailsInput::from(row.content.0.clone()), patch)
}

/// An act that needs no more said.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct WaitlistAct {}

/// What moves an entry that has a version which the caller knows.
type Act<T> = fn(&mut DbConn, &Principal, (ServiceId, WaitlistEntryId), &OptionalIfMatch, &T) -> Result<WaitlistEntryRow>;

async fn act<T: Send + Sync + 'static>(
    app: &State,
    caller: &Principal,
    ids: (ServiceId, WaitlistEntryId),
    version: OptionalIfMatch,
    command: Command<T>,
    act: Act<T>,
) -> Result<HttpResponse> {
    command
        .run(app, caller, move |conn, caller, input| {
            let row = act(conn, caller, ids, &version, input)?;
            Reply::versioned(row.version, &show(conn, caller, row)?)
        })
        .await
}

/// Accept the place that is offered
///
/// By the requester for the person, or by the performer that has heard from them. The place is taken, one less is free, and the referral
/// goes on `in_progress`.
#[utoipa::path(tag = "referrals", params(("id" = ServiceId, Path, description = "The service's id."), ("entry_id" = WaitlistEntryId, Path, description = "The entry's id."), ("If-Match" = Option<String>, Header, description = "Fails with 412 unless the entry has this version.", example = "\"1\"")), request_body = WaitlistAct, responses((status = 200, description = "The entry as it now is.", body = WaitlistEntry), (status = 409, description = "No place is kept, or no longer: `no_offer`; or the performer of the referral does not see the patient any more: `consent_ended`.")), security(("oauth2" = ["referrals:write"])))]
#[post("/v1/services/{id}/waitlist-entries/{entry_id}/accept")]
pub async fn accept_place(
    app: State,
    caller: Allowed<scope::ReferralsWrite>,
    ids: Ids,
    version: OptionalIfMatch,
    command: Command<WaitlistAct>,
) -> Result<HttpResponse> {
    let accept: Act<WaitlistAct> = |conn, caller, entry, version, _| queue::accept(conn, caller, entry, |current| version.check(current));
    act(&app, &caller, ids.into_inner(), version, command, accept).await
}

/// Decline the place that is offered
///
/// It is offered to the next. The referral stands again where it stood before it waited, with the reason in its transition, and the
/// performer has to act on it. Whoever wants to go on waiting is put on the list anew, with the `joined_at` that is fair.
#[utoipa::path(tag = "referrals", params(("id" = ServiceId, Path, description = "The service's id."), ("entry_id" = WaitlistEntryId, Path, description = "The entry's id."), ("If-Match" = Option<String>, Header, description = "Fails with 412 unless the entry has this version.", example = "\"1\"")), request_body = PlaceRefusal, responses((status = 200, description = "The entry as it now is.", body = WaitlistEntry), (status = 409, description = "No place is kept, or no longer: `no_offer`.")), security(("oauth2" = ["referrals:write"])))]
#[post("/v1/services/{id}/waitlist-entries/{entry_id}/decline")]
pub async fn decline_place(
    app: State,
    caller: Allowed<scope::ReferralsWrite>,
    ids: Ids,
    version: OptionalIfMatch,
    command: Command<PlaceRefusal>,
) -> Result<HttpResponse> {
    let decline: Act<PlaceRefusal> =
        |conn, caller, entry, version, refusal| queue::decline(conn, caller, entry, |current| version.check(current), &refusal.reason);
    act(&app, &caller, ids.into_inner(), version, command, decline).await
}

/// Leave the waiting list
///
/// A place that was kept is offered to the next. The referral stands again where it stood before it waited; one that ends leaves the list by
/// itself.
#[utoipa::path(tag = "referrals", params(("id" = ServiceId, Path, description = "The service's id."), ("entry_id" = WaitlistEntryId, Path, description = "The entry's id."), ("If-Match" = Option<String>, Header, description = "Fails with 412 unless the entry has this version.", example = "\"1\"")), request_body = WaitlistAct, responses((status = 200, description = "The entry as it now is.", body = WaitlistEntry), (status = 409, description = "They wait no longer: `not_waiting`.")), security(("oauth2" = ["referrals:write"])))]
#[post("/v1/services/{id}/waitlist-entries/{entry_id}/leave")]
pub async fn leave_waitlist(
    app: State,
    caller: Allowed<scope::ReferralsWrite>,
    ids: Ids,
    version: OptionalIfMatch,
    command: Command<WaitlistAct>,
) -> Result<HttpResponse> {
    let leave: Act<WaitlistAct> = |conn, caller, entry, version, _| queue::leave(conn, caller, entry, |current| version.check(current));
    act(&app, &caller, ids.into_inner(), version, command, leave).await
}
