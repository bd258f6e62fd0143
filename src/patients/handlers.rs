//! HTTP of patients.

use std::sync::Arc;

use actix_web::http::header::ETAG;
use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, put};
use chrono::Datelike as _;
use uuid::Uuid;

use super::api::{
    NavigatorAssignment, NavigatorInput, NeedLevelAssessment, NeedLevelInput, NewPatient, Patient, PatientHits, PatientMerge, PatientQuery,
    PatientSearch,
};
use super::duplicates::Traits;
use super::model::{PatientHead, PatientInput, PatientRow};
use super::{care, health_number, merge, repository, search, usability};
use crate::app::State;
use crate::auth::{Allowed, Principal, scope, sight};
use crate::changes;
use crate::consents::model::{Categories, DataCategory};
use crate::db::DbConn;
use crate::db::types::{Id, Json};
use crate::error::{Error, Fault, Result};
use crate::http::body::{MergePatch, Valid};
use crate::http::command::{Command, Reply};
use crate::http::etag::{IfMatch, IfNoneMatch, OptionalIfMatch, tag};
use crate::http::kept::{Edition, Item};
use crate::http::page::{self, Page};
use crate::http::query::Query;
use crate::http::resource::{self, ByIdentifier, Head, HistoryQuery, Resource, Revision};
use crate::kind::{self, NavigatorAssignmentId, NeedLevelAssessmentId, PatientId, ResourceType};
use crate::services;
use crate::types::Identifier;

/// Patients, for the common verbs.
#[derive(Debug)]
pub struct Patients;

/// A patient's row, and what the caller sees of it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The row.
    pub row: PatientRow,
    /// What the caller sees.
    pub categories: Categories,
}

impl Seen {
    /// A patient whom the caller's own organization manages.
    pub const fn new(row: PatientRow) -> Self {
        Self { row, categories: Categories::ALL }
    }
}

impl Resource for Patients {
    type Kind = kind::Patient;
    type Input = PatientInput;
    type Row = Seen;
    type Shape = Patient;

    const PATH: &'static str = "/v1/patients";

    fn head(seen: &Seen) -> Head<kind::Patient> {
        Head {
            id: seen.row.id,
            owner: seen.row.organization_id,
            version: seen.row.version,
            is_deleted: seen.row.deleted_at.is_some(),
            patient_id: Some(seen.row.id),
            referral_id: None,
        }
    }

    fn input(seen: &Seen) -> PatientInput {
        seen.row.content.0.clone()
    }

    fn shape(seen: Seen) -> Patient {
        Patient { withheld: seen.categories.missing(), ..Patient::whole(seen.row) }
    }

    fn view(conn: &mut DbConn, caller: &Principal, shape: Patient) -> Result<Patient> {
        let categories = Categories::without(&shape.withheld);
        let mut shown = shape.shown(categories);
        usability::judge(conn, caller, &mut shown.content)?;
        Ok(shown)
    }

    fn is_settled(caller: &Principal, row: &Seen) -> bool {
        row.row.organization_id == caller.organization_id && !usability::depends_on_the_day(&row.row.content)
    }

    fn normalise(input: &mut PatientInput) {
        input.normalise();
    }

    fn identifiers(input: &PatientInput) -> &[Identifier] {
        &input.identifiers
    }

    fn glance(conn: &mut DbConn, caller: &Principal, id: PatientId) -> Result<Option<Edition>> {
        repository::edition_of_own(conn, caller.organization_id, id)
    }

    fn find(conn: &mut DbConn, caller: &Principal, id: PatientId) -> Result<Option<Seen>> {
        let Some(row) = repository::find(conn, id)? else { return Ok(None) };
        let categories = sight::of(conn, caller, row.organization_id, row.merged_into_id.unwrap_or(id))?;
        match (categories, row.merged_into_id) {
            (Some(_), Some(survivor)) => Err(Error::Merged { into: resource::location::<Self>(survivor) }),
            (categories, _) => Ok(categories.map(|categories| Seen { row, categories })),
        }
    }

    fn prepare(conn: &mut DbConn, caller: &Principal, current: Option<&Seen>, input: &mut PatientInput) -> Result<()> {
        let mut faults = Vec::new();
        let last = caller.at.latest_date();
        for (pointer, date) in [("/birth_date", input.birth_date), ("/deceased_on", input.deceased_on)] {
            if date.is_some_and(|date| date > last) {
                faults.push(Fault::new(pointer, "out_of_range", "must not be in the future"));
            }
        }
        if input.birth_year.is_some_and(|year| year > last.year()) {
            faults.push(Fault::new("/birth_year", "out_of_range", "must not be in the future"));
        }
        let known = current.map_or(&[][..], |seen| &seen.row.content.supports);
        for (index, support) in input.supports.iter().enumerate() {
            let Some(id) = support.service_id.filter(|_| !known.contains(support)) else { continue };
            if services::repository::find(conn, id)?.is_none_or(|service| !service.is_listed()) {
                faults.push(Fault::new(format!("/supports/{index}/service_id"), "not_found", "is not a service"));
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(Error::Invalid(faults)) }
    }

    fn sync(conn: &mut DbConn, seen: &Seen, key: Option<&Identifier>, input: &mut PatientInput) -> Result<()> {
        merge::sync(conn, &seen.row, key, input)
    }

    fn insert(conn: &mut DbConn, caller: &Principal, id: PatientId, input: PatientInput) -> Result<Seen> {
        let row = PatientRow::new(id, caller.organization_id, input, caller.at);
        repository::insert(conn, &row)?;
        Ok(Seen::new(row))
    }

    fn update(conn: &mut DbConn, caller: &Principal, seen: &Seen, input: PatientInput) -> Result<Option<Seen>> {
        let before = &seen.row;
        let row =
            PatientRow { status: input.status, content: Json(input), version: before.version + 1, updated_at: caller.at, ..before.clone() };
        let is_written = repository::update(conn, before, &row)?;
        Ok(is_written.then_some(Seen { row, categories: seen.categories }))
    }

    fn delete(conn: &mut DbConn, caller: &Principal, seen: &Seen) -> Result<Option<Seen>> {
        let before = &seen.row;
        let row = PatientRow { version: before.version + 1, updated_at: caller.at, deleted_at: Some(caller.at), ..before.clone() };
        let is_written = repository::update(conn, before, &row)?;
        Ok(is_written.then_some(Seen { row, categories: seen.categories }))
    }
}

/// List patients
///
/// Those whom the caller's organization manages, and those who let it take part in their care; in order of creation. Nothing personal
/// can be asked for here, since it would stand in the URL: see `POST /v1/patients/search`.
#[utoipa::path(tag = "patients", params(PatientQuery), responses((status = 200, description = "A page of patients.", body = Page<Patient>)), security(("oauth2" = ["patients:read"])))]
#[get("/v1/patients")]
pub async fn list_patients(
    app: State,
    caller: Allowed<scope::PatientsRead>,
    query: Query<PatientQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let query = query.0;
    let fingerprint = page::fingerprint(&PatientQuery { cursor: None, limit: page::Limit::default(), ..query.clone() });
    let after: Option<PatientId> = query.cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?;
    let kept = Arc::clone(&app.kept);
    let page = app
        .db
        .read_briefly(move |conn| {
            let heads = repository::list(conn, &caller, &query, after)?;
            let page = Page::from_rows(heads, query.limit, fingerprint, |head: &PatientHead| head.id)?;
            let seen = sight::of_all(conn, &caller, page.items.iter().map(|head| (head.organization_id, head.id)))?;
            let whole = |head: &PatientHead| seen.get(&head.id).is_some_and(|categories| categories.missing().is_empty());
            let items = page.items.iter().map(|head| Item { id: head.id, edition: head.edition, is_whole: whole(head) });
            let items: Vec<Item<kind::Patient>> = items.collect();
            let shown = |row: PatientRow| seen.get(&row.id).map(|categories| Patient::whole(row).shown(*categories));
            let read = |ids: &[PatientId]| Ok(repository::find_all(conn, ids)?.into_iter().filter_map(shown).collect());
            Ok(Page { items: kept.page(&items, |patient: &Patient| patient.id, read)?, next: page.next })
        })
        .await?;
    Ok(page.respond_written(&request))
}

/// Create a patient
///
/// The caller's organization manages them. The answer tells who of those whom the caller sees may be the same person; merge them with
/// `POST /v1/patients/{id}/merge`. An identifier that another patient of the organization has is refused.
#[utoipa::path(tag = "patients", request_body = PatientInput, responses((status = 201, description = "The new patient, and who they may be already.", body = NewPatient)), security(("oauth2" = ["patients:write"])))]
#[post("/v1/patients")]
pub async fn create_patient(app: State, caller: Allowed<scope::PatientsWrite>, mut command: Command<PatientInput>) -> Result<HttpResponse> {
    command.input.normalise();
    let (reader, sought) = (Principal::clone(&caller), Traits::from(&command.input));
    // Before the write: on SQLite all writes wait for each other, and looking for namesakes takes longer than adding one.
    let possible_duplicates = app.db.read_briefly(move |conn| search::possible_duplicates(conn, &reader, &sought)).await?;
    command
        .run(&app, &caller, move |conn, caller, input| {
            let (head, patient) = resource::insert::<Patients>(conn, caller, input.clone())?;
            let patient = Patients::view(conn, caller, patient)?;
            let possible_duplicates = possible_duplicates.clone();
            Reply::created(&resource::location::<Patients>(head.id), head.version, &NewPatient { possible_duplicates, patient })
        })
        .await
}

/// Search patients
///
/// By what is remembered of a person, among those whom the caller sees: names in any order, forgiving accents, case and spelling; date of
/// birth; an identifier such as the health number; a telephone. The best first. Personal data belongs in the body, never in a URL.
#[utoipa::path(tag = "patients", request_body = PatientSearch, responses((status = 200, description = "The patients found.", body = PatientHits)), security(("oauth2" = ["patients:read"])))]
#[post("/v1/patients/search")]
pub async fn search_patients(app: State, caller: Allowed<scope::PatientsRead>, search: Valid<PatientSearch>) -> Result<HttpResponse> {
    let hits = app.db.read(move |conn| search::search(conn, &caller, &search.0)).await?;
    Ok(HttpResponse::Ok().json(hits))
}

/// Create or replace a patient by identifier
///
/// Among the patients of the caller's organization, by a key of the caller's own system. A health number is personal data and is refused
/// in the query (422, `personal_identifier`): look for it with `POST /v1/patients/search`.
///
/// A patient keeps the keys that came with records that were merged into it, whether they are sent or not. By one of those keys it is
/// replaced only where the body has a key of the patient's own too, so that one system's chart does not take the place of what stands for
/// both; else the answer is 410 with code `merged` and the patient's path in `merged_into`, as for the id of the record that went. Go on
/// under that path, or merge so that the record that your system keeps up by its key is the survivor.
#[utoipa::path(tag = "patients", params(ByIdentifier), request_body = PatientInput, responses((status = 200, description = "The patient, replaced.", body = Patient), (status = 201, description = "The new patient.", body = Patient), (status = 410, description = "The key is of a record that was merged into another: `merged`.")), security(("oauth2" = ["patients:write"])))]
#[put("/v1/patients/by-identifier")]
pub async fn upsert_patient(
    app: State,
    caller: Allowed<scope::PatientsWrite>,
    key: Query<ByIdentifier>,
    version: OptionalIfMatch,
    input: Valid<PatientInput>,
) -> Result<HttpResponse> {
    if health_number::is_health_number_system(&key.0.system) {
        let message = "is a system of health numbers, which never stand in a URL; use POST /v1/patients/search";
        return Err(Error::invalid("system", "personal_identifier", message));
    }
    resource::put_by_identifier::<Patients>(&app, &caller, &key.0, version, input.0).await
}

/// Read a patient
///
/// Other organizations see what the patient lets them see; `withheld` names the rest. The id of a merged record answers 410 with code
/// `merged` and the survivor's path in `merged_into`.
#[utoipa::path(tag = "patients", params(("id" = PatientId, Path, description = "The patient's id.")), responses((status = 200, description = "The patient.", body = Patient)), security(("oauth2" = ["patients:read"])))]
#[get("/v1/patients/{id}")]
pub async fn get_patient(
    app: State,
    caller: Allowed<scope::PatientsRead>,
    id: Path<Id<kind::Patient>>,
    known: IfNoneMatch,
) -> Result<HttpResponse> {
    resource::get::<Patients>(&app, &caller, *id, &known).await
}

/// Replace a patient
///
/// All that is not sent is cleared, so send what was read, with what changes. Only the organization that manages the patient may do
/// so.
#[utoipa::path(tag = "patients", params(("id" = PatientId, Path, description = "The patient's id.")), request_body = PatientInput, responses((status = 200, description = "The patient as they now are.", body = Patient)), security(("oauth2" = ["patients:write"])))]
#[put("/v1/patients/{id}")]
pub async fn update_patient(
    app: State,
    caller: Allowed<scope::PatientsWrite>,
    id: Path<Id<kind::Patient>>,
    version: IfMatch,
    input: Valid<PatientInput>,
) -> Result<HttpResponse> {
    resource::put::<Patients>(&app, &caller, *id, version, input.0).await
}

/// Change a patient
///
/// What is sent changes, the rest stays; lists are replaced whole. Only the organization that manages the patient may do so.
#[utoipa::path(tag = "patients", params(("id" = PatientId, Path, description = "The patient's id.")), responses((status = 200, description = "The patient as they now are.", body = Patient)), security(("oauth2" = ["patients:write"])))]
#[patch("/v1/patients/{id}")]
pub async fn patch_patient(
    app: State,
    caller: Allowed<scope::PatientsWrite>,
    id: Path<Id<kind::Patient>>,
    version: IfMatch,
    patch: MergePatch,
) -> Result<HttpResponse> {
    resource::patch::<Patients>(&app, &caller, *id, version, patch).await
}

/// Delete a patient
///
/// They read as 410 from then on and are found no more; their history stays. Whoever only leaves is set inactive.
#[utoipa::path(tag = "patients", params(("id" = PatientId, Path, description = "The patient's id.")), responses((status = 204, description = "They are deleted.")), security(("oauth2" = ["patients:write"])))]
#[delete("/v1/patients/{id}")]
pub async fn delete_patient(
    app: State,
    caller: Allowed<scope::PatientsWrite>,
    id: Path<Id<kind::Patient>>,
    version: IfMatch,
) -> Result<HttpResponse> {
    resource::delete::<Patients>(&app, &caller, *id, version).await
}

/// Read the history of a patient
///
/// Every version, oldest first, those of records that were merged into this one among them. For the organization that manages the
/// patient.
#[utoipa::path(tag = "patients", params(("id" = PatientId, Path, description = "The patient's id."), HistoryQuery), responses((status = 200, description = "A page of versions.", body = Page<Revision>), (status = 410, description = "The record was merged into another: `merged`.")), security(("oauth2" = ["patients:read"])))]
#[get("/v1/patients/{id}/history")]
pub async fn list_patient_history(
    app: State,
    caller: Allowed<scope::PatientsRead>,
    id: Path<Id<kind::Patient>>,
    query: Query<HistoryQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let query = query.0;
    let fingerprint = page::fingerprint(&("patient history", *id));
    let after: Option<i64> = query.cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?;
    let page = app
        .db
        .read(move |conn| {
            let seen = Patients::find(conn, &caller, *id)?.ok_or(Error::NotFound)?;
            Patients::permit(&caller, &seen)?;
            let mut records: Vec<Uuid> = repository::absorbed(conn, *id)?.into_iter().map(PatientId::uuid).collect();
            records.push(id.uuid());
            let entries = changes::history_of_all(conn, ResourceType::Patient, &records, after.unwrap_or(0), query.limit.and_one())?;
            let place = |entry: &changes::Sketch| entry.sequence;
            let page = Page::from_rows(entries, query.limit, fingerprint, place)?;
            resource::entries(conn, page, fingerprint, place)
        })
        .await?;
    Ok(page.map(Revision::from).respond(&request))
}

/// Merge a duplicate into a patient
///
/// The patient of the path survives. Its facts stand, what it lacks is taken over, lists and identifiers are united, and everything that
/// belongs to the duplicate becomes the survivor's. A point is not taken over beside another address, nor the version of a health card beside
/// another number; where the duplicate's address or number is taken over, its point or version comes with it. The survivor is `deceased`
/// where either record is, else `active` where either is. The duplicate's id answers 410 with code `merged` from then on, and so does a sync
/// by its keys that does not know of the merge. At most 500 records are merged into one. It cannot be taken back.
///
/// What protects the person in either record does so afterwards: what one says must not be done for safe contact is not done, only the times
/// that both call safe are safe, notes and code words of both stay, an interpreter or childcare that one says is needed is needed, nobody
/// may act for the person who may not by one of them, and answers about identity may be used for what the person agreed to in both. A
/// number that one says must never be used is not taken over from the other, as the person's or as that of somebody in their life. Where
/// notes or lists of both together are longer than one record takes, or no time is safe by both, the merge is refused (422).
#[utoipa::path(tag = "patients", params(("id" = PatientId, Path, description = "The survivor's id."), ("If-Match" = Option<String>, Header, description = "Fails with 412 unless the survivor has this version.", example = "\"1\"")), request_body = PatientMerge, responses((status = 200, description = "The survivor as it now is.", body = Patient), (status = 409, description = "More than 20,000 resources are about the duplicate: `too_much_at_once`."), (status = 410, description = "The survivor was itself merged, or deleted.")), security(("oauth2" = ["patients:write"])))]
#[post("/v1/patients/{id}/merge")]
pub async fn merge_patient(
    app: State,
    caller: Allowed<scope::PatientsWrite>,
    id: Path<Id<kind::Patient>>,
    version: OptionalIfMatch,
    command: Command<PatientMerge>,
) -> Result<HttpResponse> {
    command
        .run(&app, &caller, move |conn, caller, input| {
            let survivor = merge::merge(conn, caller, *id, input, &version)?;
            let survivor = Patients::view(conn, caller, survivor)?;
            Reply::versioned(survivor.version, &survivor)
        })
        .await
}

fn with_version(patient: &Patient) -> HttpResponse {
    HttpResponse::Ok().insert_header((ETAG, tag(patient.version))).json(patient)
}

/// Set the need level of a patient
///
/// Each call is a judgement of its own and is kept in the history, unless an `Idempotency-Key` says that it was sent before; the patient has
/// the level that was judged on the latest day. For organizations that see the patient's needs.
#[utoipa::path(tag = "patients", params(("id" = PatientId, Path, description = "The patient's id."), ("If-Match" = Option<String>, Header, description = "Fails with 412 unless the patient has this version.", example = "\"1\""), ("Idempotency-Key" = Option<String>, Header, description = "Makes the request safe to send again.", example = "0f8b6c1e-1")), request_body = NeedLevelInput, responses((status = 200, description = "The patient as they now are.", body = Patient), (status = 410, description = "The patient was deleted or merged.")), security(("oauth2" = ["patients:write"])))]
#[put("/v1/patients/{id}/need-level")]
pub async fn set_need_level(
    app: State,
    caller: Allowed<scope::PatientsWrite>,
    id: Path<Id<kind::Patient>>,
    version: OptionalIfMatch,
    command: Command<NeedLevelInput>,
) -> Result<HttpResponse> {
    command
        .run(&app, &caller, move |conn, caller, input| {
            let patient = care::assess(conn, caller, *id, &version, input)?;
            Reply::versioned(patient.version, &patient)
        })
        .await
}

/// List the need levels of a patient
///
/// Every judgement, the latest first.
#[utoipa::path(tag = "patients", params(("id" = PatientId, Path, description = "The patient's id."), HistoryQuery), responses((status = 200, description = "A page of need levels.", body = Page<NeedLevelAssessment>), (status = 410, description = "The patient was deleted or merged.")), security(("oauth2" = ["patients:read"])))]
#[get("/v1/patients/{id}/need-levels")]
pub async fn list_need_levels(
    app: State,
    caller: Allowed<scope::PatientsRead>,
    id: Path<Id<kind::Patient>>,
    query: Query<HistoryQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let query = query.0;
    let fingerprint = page::fingerprint(&("need levels", *id));
    let below: Option<NeedLevelAssessmentId> =
        query.cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?;
    let page = app
        .db
        .read(move |conn| {
            sight::require(conn, &caller, *id, DataCategory::Needs)?;
            let rows = care::need_levels(conn, *id, below, query.limit.and_one())?;
            let items = rows.into_iter().map(NeedLevelAssessment::from).collect();
            Page::from_rows(items, query.limit, fingerprint, |item: &NeedLevelAssessment| item.id)
        })
        .await?;
    Ok(page.respond(&request))
}

/// Set the primary navigator of a patient
///
/// The practitioner who accompanies the patient throughout: of the caller's organization or the one that manages the patient, which may
/// name one of any organization that takes part in the care. The one before is ended; where that is another organization's practitioner, by
/// the organization that manages the patient alone (403 to others): ask it, or that organization, to hand over.
#[utoipa::path(tag = "patients", params(("id" = PatientId, Path, description = "The patient's id."), ("If-Match" = Option<String>, Header, description = "Fails with 412 unless the patient has this version.", example = "\"1\"")), request_body = NavigatorInput, responses((status = 200, description = "The patient as they now are.", body = Patient), (status = 410, description = "The patient was deleted or merged.")), security(("oauth2" = ["patients:write"])))]
#[put("/v1/patients/{id}/primary-navigator")]
pub async fn set_primary_navigator(
    app: State,
    caller: Allowed<scope::PatientsWrite>,
    id: Path<Id<kind::Patient>>,
    version: OptionalIfMatch,
    input: Valid<NavigatorInput>,
) -> Result<HttpResponse> {
    let clock = app.clock.clone();
    let patient = app.db.write(move |conn| care::assign(conn, &caller.now(&clock), *id, &version, &input.0)).await?;
    Ok(with_version(&patient))
}

/// End the primary navigator of a patient
///
/// Nobody is the primary navigator from then on; the history stays. By the organization that manages the patient, or the navigator's own.
#[utoipa::path(tag = "patients", params(("id" = PatientId, Path, description = "The patient's id."), ("If-Match" = Option<String>, Header, description = "Fails with 412 unless the patient has this version.", example = "\"1\"")), responses((status = 204, description = "Nobody accompanies them."), (status = 410, description = "The patient was deleted or merged.")), security(("oauth2" = ["patients:write"])))]
#[delete("/v1/patients/{id}/primary-navigator")]
pub async fn end_primary_navigator(
    app: State,
    caller: Allowed<scope::PatientsWrite>,
    id: Path<Id<kind::Patient>>,
    version: OptionalIfMatch,
) -> Result<HttpResponse> {
    let clock = app.clock.clone();
    app.db.write(move |conn| care::unassign(conn, &caller.now(&clock), *id, &version)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// List the primary navigators of a patient
///
/// Who accompanied the patient and when, the latest first.
#[utoipa::path(tag = "patients", params(("id" = PatientId, Path, description = "The patient's id."), HistoryQuery), responses((status = 200, description = "A page of assignments.", body = Page<NavigatorAssignment>), (status = 410, description = "The patient was deleted or merged.")), security(("oauth2" = ["patients:read"])))]
#[get("/v1/patients/{id}/primary-navigators")]
pub async fn list_primary_navigators(
    app: State,
    caller: Allowed<scope::PatientsRead>,
    id: Path<Id<kind::Patient>>,
    query: Query<HistoryQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let query = query.0;
    let fingerprint = page::fingerprint(&("navigators", *id));
    let below: Option<NavigatorAssignmentId> =
        query.cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?;
    let page = app
        .db
        .read(move |conn| {
            sight::patient(conn, &caller, *id)?;
            let rows = care::navigators(conn, *id, below, query.limit.and_one())?;
            let items = rows.into_iter().map(NavigatorAssignment::from).collect();
            Page::from_rows(items, query.limit, fingerprint, |item: &NavigatorAssignment| item.id)
        })
        .await?;
    Ok(page.respond(&request))
}
