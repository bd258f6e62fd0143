//! HTTP of slots: the common verbs and the lists of what is free.

use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, put};

use super::api::{Slot, SlotQuery};
use super::model::{SlotInput, SlotRow};
use super::repository::{self, Diary};
use crate::app::State;
use crate::auth::principal::DirectoryReader;
use crate::auth::{Allowed, Principal, scope};
use crate::db::DbConn;
use crate::db::types::{Id, Instant};
use crate::error::{Error, Fault, Result};
use crate::http::body::{MergePatch, Valid};
use crate::http::command::Command;
use crate::http::etag::{IfMatch, IfNoneMatch, OptionalIfMatch};
use crate::http::page::{self, Limit, Page};
use crate::http::query::Query;
use crate::http::resource::{self, ByIdentifier, Head, HistoryQuery, Resource, Revision};
use crate::kind::{self, OrganizationId, PractitionerId, ServiceId, SlotId};
use crate::services::row::ServiceRow;
use crate::types::Identifier;
use crate::{appointments, practitioners, services};

/// Slots, for the common verbs. They are no secret: every client may read all of them.
#[derive(Debug)]
pub struct Slots;

impl Resource for Slots {
    type Kind = kind::Slot;
    type Input = SlotInput;
    type Row = SlotRow;
    type Shape = Slot;

    const PATH: &'static str = "/v1/slots";

    fn head(row: &SlotRow) -> Head<kind::Slot> {
        Head {
            id: row.id,
            owner: row.organization_id,
            version: row.version,
            is_deleted: row.deleted_at.is_some(),
            patient_id: None,
            referral_id: None,
        }
    }

    fn input(row: &SlotRow) -> SlotInput {
        row.input()
    }

    fn shape(row: SlotRow) -> Slot {
        row.into()
    }

    fn view(conn: &mut DbConn, caller: &Principal, shape: Slot) -> Result<Slot> {
        let taken = appointments::repository::taken_in(conn, shape.id, caller.at)?;
        Ok(shape.at(caller.at, taken))
    }

    fn is_settled(_: &Principal, _: &SlotRow) -> bool {
        false
    }

    fn identifiers(input: &SlotInput) -> &[Identifier] {
        &input.identifiers
    }

    fn find(conn: &mut DbConn, _: &Principal, id: SlotId) -> Result<Option<SlotRow>> {
        repository::find(conn, id)
    }

    fn prepare(conn: &mut DbConn, caller: &Principal, current: Option<&SlotRow>, input: &mut SlotInput) -> Result<()> {
        let Some(row) = current else {
            input.service_id.map(|id| services::repository::hold(conn, id)).transpose()?;
            let owner = offered_by(conn, input.service_id, input.practitioner_id)?;
            return if owner == caller.organization_id { Ok(()) } else { Err(others()) };
        };
        let mut faults = Vec::new();
        if input.service_id != row.service_id {
            faults.push(Fault::new("/service_id", "immutable", "cannot be changed"));
        }
        if input.practitioner_id != row.practitioner_id {
            faults.push(Fault::new("/practitioner_id", "immutable", "cannot be changed"));
        }
        repository::lock(conn, &[row.id])?;
        let taken = appointments::repository::taken_in(conn, row.id, caller.at)?;
        if i64::from(input.places) < taken {
            faults.push(Fault::new("/places", "too_small", format!("must be at least {taken}, which are taken")));
        }
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        if taken > 0 && (input.starts_at, input.ends_at) != (row.starts_at, row.ends_at) {
            return Err(in_use());
        }
        Ok(())
    }

    fn insert(conn: &mut DbConn, caller: &Principal, id: SlotId, input: SlotInput) -> Result<SlotRow> {
        let row = SlotRow::new(id, caller.organization_id, input, caller.at);
        repository::insert(conn, std::slice::from_ref(&row))?;
        Ok(row)
    }

    fn update(conn: &mut DbConn, caller: &Principal, row: &SlotRow, input: SlotInput) -> Result<Option<SlotRow>> {
        let row = row.with_content(input, caller.at);
        Ok(repository::update(conn, &row)?.then_some(row))
    }

    fn delete(conn: &mut DbConn, caller: &Principal, row: &SlotRow) -> Result<Option<SlotRow>> {
        repository::lock(conn, &[row.id])?;
        if !repository::taken(conn, &[row.id], caller.at)?.is_empty() {
            return Err(in_use());
        }
        let row = SlotRow { version: row.version + 1, updated_at: caller.at, deleted_at: Some(caller.at), ..row.clone() };
        Ok(repository::update(conn, &row)?.then_some(row))
    }
}

fn in_use() -> Error {
    Error::conflict("slot_in_use", "Somebody has a place in the slot: move or cancel the appointment first, or close the slot.")
}

fn others() -> Error {
    Error::Forbidden("Slots are published by the organization that gives the service, and whose practitioner it is.".into())
}

/// The organization that offers the slots of a service, of a practitioner, or of a practitioner for a service: the service's provider, or
/// its keeper where no provider is named; the organization for which the practitioner acts. A practitioner for a service acts for that.
pub fn offered_by(conn: &mut DbConn, service: Option<ServiceId>, practitioner: Option<PractitionerId>) -> Result<OrganizationId> {
    let mut faults = Vec::new();
    let service = match service {
        Some(id) => {
            let found = services::repository::find(conn, id)?.filter(ServiceRow::is_listed);
            if found.is_none() {
                faults.push(Fault::new("/service_id", "not_found", "is not a service"));
            }
            found.map(|row| row.given_by())
        }
        None => None,
    };
    let practitioner = match practitioner {
        Some(id) => {
            let found = practitioners::repository::find_living(conn, id)?.map(|row| row.organization_id);
            if found.is_none() || service.is_some_and(|service| found != Some(service)) {
                faults.push(Fault::new(
                    "/practitioner_id",
                    "not_found",
                    "is not a practitioner of the organization that gives the service",
                ));
            }
            found
        }
        None => None,
    };
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }
    service.or(practitioner).ok_or(Error::NotFound)
}

/// Fails where the caller's organization is not the one that offers this diary's slots: [`Error::NotFound`] where there is no such
/// service or practitioner.
pub fn permit_publishing(conn: &mut DbConn, caller: &Principal, diary: Diary) -> Result<()> {
    check_diary(conn, diary)?;
    let (service, practitioner) = match diary {
        Diary::Service(id) => (Some(id), None),
        Diary::Practitioner(id) => (None, Some(id)),
    };
    let owner = offered_by(conn, service, practitioner)?;
    if owner == caller.organization_id { Ok(()) } else { Err(others()) }
}

/// The service or the practitioner must be there.
fn check_diary(conn: &mut DbConn, diary: Diary) -> Result<()> {
    let deleted_at = match diary {
        Diary::Service(id) => services::repository::get(conn, id).map(|row| Some(row.deleted_at))?,
        Diary::Practitioner(id) => practitioners::repository::find(conn, id)?.map(|row| row.deleted_at),
    };
    match deleted_at {
        None => Err(Error::NotFound),
        Some(Some(_)) => Err(Error::Gone),
        Some(None) => Ok(()),
    }
}

/// Answers with a page of a diary.
async fn list(app: &State, diary: Diary, query: SlotQuery, now: Instant, request: &HttpRequest) -> Result<HttpResponse> {
    let filters = SlotQuery { cursor: None, limit: Limit::default(), ..query.clone() };
    let fingerprint = page::fingerprint(&(diary, filters));
    let after: Option<(Instant, SlotId)> = query.cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?;
    let page = app
        .db
        .read(move |conn| {
            check_diary(conn, diary)?;
            let rows = repository::list(conn, diary, &query, now, after)?;
            let page = Page::from_rows(rows, query.limit, fingerprint, |row: &SlotRow| (row.starts_at, row.id))?;
            let ids: Vec<SlotId> = page.items.iter().map(|row| row.id).collect();
            let taken = repository::taken(conn, &ids, now)?;
            let page = page.map(|row| {
                let taken = taken.get(&row.id).copied().unwrap_or(0);
                Slot::from(row).at(now, taken)
            });
            let is_asked = |slot: &Slot| !query.free || slot.places_free.is_some_and(|free| free > 0);
            Ok(Page { items: page.items.into_iter().filter(is_asked).collect(), next: page.next })
        })
        .await?;
    Ok(page.respond(request))
}

/// List the slots of a service
///
/// In order of time, from now on unless told: when there is room, and for how many. Who comes is not said.
#[utoipa::path(tag = "slots", params(("id" = ServiceId, Path, description = "The service's id."), SlotQuery), responses((status = 200, description = "A page of slots.", body = Page<Slot>)), security((), ("oauth2" = ["services:read"])))]
#[get("/v1/services/{id}/slots")]
pub async fn list_service_slots(
    app: State,
    reader: DirectoryReader,
    id: Path<Id<kind::Service>>,
    query: Query<SlotQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    list(&app, Diary::Service(*id), query.0, reader.at, &request).await
}

/// List the slots of a practitioner
///
/// In order of time, from now on unless told, for whatever service: when there is room, and for how many. Who comes is not said.
#[utoipa::path(tag = "slots", params(("id" = PractitionerId, Path, description = "The practitioner's id."), SlotQuery), responses((status = 200, description = "A page of slots.", body = Page<Slot>)), security(("oauth2" = ["services:read"])))]
#[get("/v1/practitioners/{id}/slots")]
pub async fn list_practitioner_slots(
    app: State,
    caller: Allowed<scope::ServicesRead>,
    id: Path<Id<kind::Practitioner>>,
    query: Query<SlotQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    list(&app, Diary::Practitioner(*id), query.0, caller.at, &request).await
}

/// Create a slot
///
/// By hand, beside those that are published for every opening. Its owner is the organization that gives the service, or for which the
/// practitioner acts.
#[utoipa::path(tag = "slots", request_body = SlotInput, responses((status = 201, description = "The new slot.", body = Slot)), security(("oauth2" = ["services:write"])))]
#[post("/v1/slots")]
pub async fn create_slot(app: State, caller: Allowed<scope::ServicesWrite>, command: Command<SlotInput>) -> Result<HttpResponse> {
    resource::create::<Slots>(&app, &caller, command).await
}

/// Create or replace a slot by identifier
///
/// Among those of the caller's organization, as a calendar that has keys of its own keeps them in step. What a replacement may
/// change is what `PUT /v1/slots/{id}` may.
#[utoipa::path(tag = "slots", params(ByIdentifier), request_body = SlotInput, responses((status = 200, description = "The slot, replaced.", body = Slot), (status = 201, description = "The new slot.", body = Slot), (status = 409, description = "Somebody has a place, and it would be at another time: `slot_in_use`.")), security(("oauth2" = ["services:write"])))]
#[put("/v1/slots/by-identifier")]
pub async fn upsert_slot(
    app: State,
    caller: Allowed<scope::ServicesWrite>,
    key: Query<ByIdentifier>,
    version: OptionalIfMatch,
    input: Valid<SlotInput>,
) -> Result<HttpResponse> {
    resource::put_by_identifier::<Slots>(&app, &caller, &key.0, version, input.0).await
}

/// Read a slot
///
/// With the number of its places that are free at this moment.
#[utoipa::path(tag = "slots", params(("id" = SlotId, Path, description = "The slot's id.")), responses((status = 200, description = "The slot.", body = Slot)), security(("oauth2" = ["services:read"])))]
#[get("/v1/slots/{id}")]
pub async fn get_slot(
    app: State,
    caller: Allowed<scope::ServicesRead>,
    id: Path<Id<kind::Slot>>,
    known: IfNoneMatch,
) -> Result<HttpResponse> {
    resource::get::<Slots>(&app, &caller, *id, &known).await
}

/// Replace a slot
///
/// Its service and practitioner stay; its times too, once somebody has a place.
#[utoipa::path(tag = "slots", params(("id" = SlotId, Path, description = "The slot's id.")), request_body = SlotInput, responses((status = 200, description = "The slot as it now is.", body = Slot), (status = 409, description = "Somebody has a place, and it would be at another time: `slot_in_use`.")), security(("oauth2" = ["services:write"])))]
#[put("/v1/slots/{id}")]
pub async fn update_slot(
    app: State,
    caller: Allowed<scope::ServicesWrite>,
    id: Path<Id<kind::Slot>>,
    version: IfMatch,
    input: Valid<SlotInput>,
) -> Result<HttpResponse> {
    resource::put::<Slots>(&app, &caller, *id, version, input.0).await
}

/// Change a slot
///
/// More places or fewer, closed or open. Its service and practitioner stay; its times too, once somebody has a place.
#[utoipa::path(tag = "slots", params(("id" = SlotId, Path, description = "The slot's id.")), responses((status = 200, description = "The slot as it now is.", body = Slot), (status = 409, description = "Somebody has a place, and it would be at another time: `slot_in_use`.")), security(("oauth2" = ["services:write"])))]
#[patch("/v1/slots/{id}")]
pub async fn patch_slot(
    app: State,
    caller: Allowed<scope::ServicesWrite>,
    id: Path<Id<kind::Slot>>,
    version: IfMatch,
    patch: MergePatch,
) -> Result<HttpResponse> {
    resource::patch::<Slots>(&app, &caller, *id, version, patch).await
}

/// Delete a slot
///
/// One in which nobody has a place. Published again, it is made again; a time that is not to come back is better closed.
#[utoipa::path(tag = "slots", params(("id" = SlotId, Path, description = "The slot's id.")), responses((status = 204, description = "It is deleted."), (status = 409, description = "Somebody has a place: `slot_in_use`.")), security(("oauth2" = ["services:write"])))]
#[delete("/v1/slots/{id}")]
pub async fn delete_slot(
    app: State,
    caller: Allowed<scope::ServicesWrite>,
    id: Path<Id<kind::Slot>>,
    version: IfMatch,
) -> Result<HttpResponse> {
    resource::delete::<Slots>(&app, &caller, *id, version).await
}

/// Read the history of a slot
///
/// Every version, oldest first.
#[utoipa::path(tag = "slots", params(("id" = SlotId, Path, description = "The slot's id."), HistoryQuery), responses((status = 200, description = "A page of versions.", body = Page<Revision>)), security(("oauth2" = ["services:read"])))]
#[get("/v1/slots/{id}/history")]
pub async fn list_slot_history(
    app: State,
    caller: Allowed<scope::ServicesRead>,
    id: Path<Id<kind::Slot>>,
    query: Query<HistoryQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    Ok(resource::history::<Slots>(&app, &caller, *id, query.0).await?.respond(&request))
}
