//! HTTP of consents.

use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, put};

use super::api::{Consent, ConsentQuery, PatientConsentQuery};
use super::model::{ConsentInput, ConsentRow, ConsentWithdrawal};
use super::repository;
use crate::app::State;
use crate::auth::{Allowed, Principal, scope, sight};
use crate::changes::Action;
use crate::db::DbConn;
use crate::db::lists::list;
use crate::db::types::{Id, Json};
use crate::error::{Error, Fault, Result};
use crate::http::body::{MergePatch, Valid};
use crate::http::command::{Command, Reply};
use crate::http::etag::{IfMatch, IfNoneMatch, OptionalIfMatch};
use crate::http::page::{self, Page};
use crate::http::query::Query;
use crate::http::resource::{self, Head, HistoryQuery, Resource, Revision};
use crate::kind::{self, ConsentId, PatientId};
use crate::waitlists::queue;
use crate::{organizations, practitioners};

/// Consents, for the common verbs.
#[derive(Debug)]
pub struct Consents;

impl Resource for Consents {
    type Kind = kind::Consent;
    type Input = ConsentInput;
    type Row = ConsentRow;
    type Shape = Consent;

    const PATH: &'static str = "/v1/consents";

    fn head(row: &ConsentRow) -> Head<kind::Consent> {
        Head {
            id: row.id,
            owner: row.organization_id,
            version: row.version,
            is_deleted: row.deleted_at.is_some(),
            patient_id: Some(row.patient_id),
            referral_id: None,
        }
    }

    fn input(row: &ConsentRow) -> ConsentInput {
        row.input()
    }

    fn shape(row: ConsentRow) -> Consent {
        row.into()
    }

    fn view(_: &mut DbConn, caller: &Principal, shape: Consent) -> Result<Consent> {
        Ok(shape.at(caller.at).shown_to(caller.organization_id))
    }

    fn is_settled(_: &Principal, _: &ConsentRow) -> bool {
        false
    }

    /// Its parties see it: who manages the patient, who recorded it, whom it is given to.
    fn find(conn: &mut DbConn, caller: &Principal, id: ConsentId) -> Result<Option<ConsentRow>> {
        let parties = |row: &ConsentRow| [row.organization_id, row.recorder_id, row.grantee_id];
        Ok(repository::find(conn, id)?.filter(|row| parties(row).contains(&caller.organization_id)))
    }

    /// Whoever manages the patient or recorded the consent may correct it.
    fn permit(caller: &Principal, row: &ConsentRow) -> Result<()> {
        if ![row.organization_id, row.recorder_id].contains(&caller.organization_id) {
            return Err(Error::Forbidden(
                "Only the organization that manages the patient, or that recorded the consent, can change it.".into(),
            ));
        }
        if row.withdrawn_at.is_some() { Err(withdrawn()) } else { Ok(()) }
    }

    fn prepare(conn: &mut DbConn, caller: &Principal, current: Option<&ConsentRow>, input: &mut ConsentInput) -> Result<()> {
        let mut faults = Vec::new();
        let sight = sight::referenced(conn, caller, input.patient_id, "/patient_id")?;
        if current.is_some_and(|row| row.patient_id != input.patient_id) {
            faults.push(Fault::new("/patient_id", "immutable", "cannot be changed"));
        }
        if current.is_some_and(|row| row.grantee_id != input.grantee_id) {
            faults.push(Fault::new("/grantee_id", "immutable", "cannot be changed; withdraw this consent and record another"));
        } else if input.grantee_id == sight.owner {
            faults.push(Fault::new("/grantee_id", "not_allowed", "manages the patient and needs no consent"));
        } else if !organizations::repository::exists(conn, input.grantee_id)? {
            faults.push(Fault::new("/grantee_id", "not_found", "is not an organization"));
        }
        if current.is_none() && input.grantee_id == caller.organization_id && !sight.is_owners(caller) {
            faults.push(Fault::new("/grantee_id", "not_allowed", "must not be the organization that records the consent"));
        }
        if !sight.categories.includes(input.covered()) {
            faults.push(Fault::new("/categories", "not_allowed", "must not go beyond what the patient lets the caller's organization see"));
        }
        if let Some(practitioner) = input.recorded_by {
            practitioners::repository::check_own(conn, caller.organization_id, practitioner, "/recorded_by", &mut faults)?;
        }
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        input.normalise();
        let begins = current.map_or(caller.at, |row| row.valid_from);
        input.valid_from.get_or_insert(begins);
        if input.valid_until.is_some_and(|until| Some(until) <= input.valid_from) {
            return Err(Error::invalid("/valid_until", "not_allowed", "must be later than valid_from"));
        }
        Ok(())
    }

    fn insert(conn: &mut DbConn, caller: &Principal, id: ConsentId, input: ConsentInput) -> Result<ConsentRow> {
        queue::lock_lists(conn, &[input.patient_id])?;
        let sight = sight::patient(conn, caller, input.patient_id)?;
        let row = ConsentRow {
            id,
            organization_id: sight.owner,
            patient_id: input.patient_id,
            grantee_id: input.grantee_id,
            recorder_id: caller.organization_id,
            purposes: list(&input.purposes),
            categories: list(&input.categories),
            valid_from: input.valid_from.unwrap_or(caller.at),
            valid_until: input.valid_until,
            withdrawn_at: None,
            withdrawal_reason: None,
            content: Json(input),
            version: 1,
            created_at: caller.at,
            updated_at: caller.at,
            deleted_at: None,
        };
        repository::insert(conn, &row)?;
        heed(conn, caller, &row)?;
        Ok(row)
    }

    fn update(conn: &mut DbConn, caller: &Principal, row: &ConsentRow, input: ConsentInput) -> Result<Option<ConsentRow>> {
        let row = ConsentRow {
            purposes: list(&input.purposes),
            categories: list(&input.categories),
            valid_from: input.valid_from.unwrap_or(row.valid_from),
            valid_until: input.valid_until,
            content: Json(input),
            version: row.version + 1,
            updated_at: caller.at,
            ..row.clone()
        };
        replace(conn, caller, row)
    }

    fn delete(conn: &mut DbConn, caller: &Principal, row: &ConsentRow) -> Result<Option<ConsentRow>> {
        let row = ConsentRow { version: row.version + 1, updated_at: caller.at, deleted_at: Some(caller.at), ..row.clone() };
        replace(conn, caller, row)
    }
}

fn replace(conn: &mut DbConn, caller: &Principal, row: ConsentRow) -> Result<Option<ConsentRow>> {
    queue::lock_lists(conn, &[row.patient_id])?;
    if !repository::update(conn, &row)? {
        return Ok(None);
    }
    heed(conn, caller, &row)?;
    Ok(Some(row))
}

/// Nobody is offered a place who may not be taken on, from now on.
fn heed(conn: &mut DbConn, caller: &Principal, row: &ConsentRow) -> Result<()> {
    queue::heed_consent(conn, caller.at, row.patient_id)
}

fn withdrawn() -> Error {
    Error::conflict("consent_withdrawn", "The consent has been withdrawn.")
}

/// Takes a consent back: what it let an organization see is closed from the next request on.
pub fn withdraw(conn: &mut DbConn, caller: &Principal, row: ConsentRow, reason: Option<String>) -> Result<(i64, Consent)> {
    let patient = row.patient_id;
    queue::lock_lists(conn, &[patient])?;
    let withdrawn = withdraw_unheeded(conn, caller, row, reason)?;
    queue::heed_consent(conn, caller.at, patient)?;
    Ok(withdrawn)
}

/// The same, where the lists in which the patient stands are locked, and looked after, by whoever calls this.
pub fn withdraw_unheeded(conn: &mut DbConn, caller: &Principal, row: ConsentRow, reason: Option<String>) -> Result<(i64, Consent)> {
    if row.withdrawn_at.is_some() {
        return Err(withdrawn());
    }
    let row =
        ConsentRow { withdrawn_at: Some(caller.at), withdrawal_reason: reason, version: row.version + 1, updated_at: caller.at, ..row };
    if !repository::update(conn, &row)? {
        // Somebody was quicker; what they did decides when this is run again.
        return Err(Error::Busy);
    }
    let head = Consents::head(&row);
    let shape = Consent::from(row);
    resource::record::<Consents>(conn, caller, &head, Action::Updated, &shape)?;
    Ok((head.version, shape))
}

async fn list_page(app: State, caller: Principal, patient: Option<PatientId>, query: ConsentQuery) -> Result<Page<Consent>> {
    let filters = ConsentQuery { cursor: None, limit: page::Limit::default(), ..query.clone() };
    let fingerprint = page::fingerprint(&("consents", patient, filters));
    let after: Option<ConsentId> = query.cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?;
    let (now, reader) = (caller.at, caller.organization_id);
    let page = app
        .db
        .read_briefly(move |conn| {
            if let Some(patient) = patient {
                sight::patient(conn, &caller, patient)?;
            }
            let rows = repository::list(conn, caller.organization_id, &query, now, after)?;
            Page::from_rows(rows, query.limit, fingerprint, |row: &ConsentRow| row.id)
        })
        .await?;
    Ok(page.map(|row| Consent::from(row).at(now).shown_to(reader)))
}

/// List consents
///
/// Those that the caller's organization manages, recorded or was given, in order of creation.
#[utoipa::path(tag = "consents", params(ConsentQuery), responses((status = 200, description = "A page of consents.", body = Page<Consent>)), security(("oauth2" = ["patients:read"])))]
#[get("/v1/consents")]
pub async fn list_consents(
    app: State,
    caller: Allowed<scope::PatientsRead>,
    query: Query<ConsentQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    Ok(list_page(app, caller.into_principal(), None, query.0).await?.respond(&request))
}

/// List the consents of a patient
///
/// The managing organization sees all of them, others those that they recorded or were given. In order of creation.
#[utoipa::path(tag = "consents", params(("id" = PatientId, Path, description = "The patient's id."), PatientConsentQuery), responses((status = 200, description = "A page of consents.", body = Page<Consent>)), security(("oauth2" = ["patients:read"])))]
#[get("/v1/patients/{id}/consents")]
pub async fn list_patient_consents(
    app: State,
    caller: Allowed<scope::PatientsRead>,
    id: Path<Id<kind::Patient>>,
    query: Query<PatientConsentQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    Ok(list_page(app, caller.into_principal(), Some(*id), query.0.of(*id)).await?.respond(&request))
}

/// Record a consent
///
/// By the organization that manages the patient, or by one that the patient lets take part in the care: the latter passes on no more
/// than it sees itself, and records none for itself.
#[utoipa::path(tag = "consents", request_body = ConsentInput, responses((status = 201, description = "The new consent.", body = Consent)), security(("oauth2" = ["patients:write"])))]
#[post("/v1/consents")]
pub async fn create_consent(app: State, caller: Allowed<scope::PatientsWrite>, command: Command<ConsentInput>) -> Result<HttpResponse> {
    resource::create::<Consents>(&app, &caller, command).await
}

/// Read a consent
///
/// The organization that manages the patient, the one that it is given to and the one that recorded it may read it. Of one that was
/// withdrawn, the one that it was given to reads that it was, and nothing more.
#[utoipa::path(tag = "consents", params(("id" = ConsentId, Path, description = "The consent's id.")), responses((status = 200, description = "The consent.", body = Consent)), security(("oauth2" = ["patients:read"])))]
#[get("/v1/consents/{id}")]
pub async fn get_consent(
    app: State,
    caller: Allowed<scope::PatientsRead>,
    id: Path<Id<kind::Consent>>,
    known: IfNoneMatch,
) -> Result<HttpResponse> {
    resource::get::<Consents>(&app, &caller, *id, &known).await
}

/// Replace a consent
///
/// To correct what was written down wrongly. What the patient changed their mind about is withdrawn and given anew.
#[utoipa::path(tag = "consents", params(("id" = ConsentId, Path, description = "The consent's id.")), request_body = ConsentInput, responses((status = 200, description = "The consent as it now is.", body = Consent), (status = 409, description = "It has been withdrawn: `consent_withdrawn`.")), security(("oauth2" = ["patients:write"])))]
#[put("/v1/consents/{id}")]
pub async fn update_consent(
    app: State,
    caller: Allowed<scope::PatientsWrite>,
    id: Path<Id<kind::Consent>>,
    version: IfMatch,
    input: Valid<ConsentInput>,
) -> Result<HttpResponse> {
    resource::put::<Consents>(&app, &caller, *id, version, input.0).await
}

/// Change a consent
///
/// To correct what was written down wrongly.
#[utoipa::path(tag = "consents", params(("id" = ConsentId, Path, description = "The consent's id.")), responses((status = 200, description = "The consent as it now is.", body = Consent), (status = 409, description = "It has been withdrawn: `consent_withdrawn`.")), security(("oauth2" = ["patients:write"])))]
#[patch("/v1/consents/{id}")]
pub async fn patch_consent(
    app: State,
    caller: Allowed<scope::PatientsWrite>,
    id: Path<Id<kind::Consent>>,
    version: IfMatch,
    patch: MergePatch,
) -> Result<HttpResponse> {
    resource::patch::<Consents>(&app, &caller, *id, version, patch).await
}

/// Delete a consent
///
/// For one that was never given. It reads as 410 from then on; its history stays, in which the organization that it named reads no more of
/// what it said.
#[utoipa::path(tag = "consents", params(("id" = ConsentId, Path, description = "The consent's id.")), responses((status = 204, description = "It is deleted."), (status = 409, description = "It has been withdrawn: `consent_withdrawn`.")), security(("oauth2" = ["patients:write"])))]
#[delete("/v1/consents/{id}")]
pub async fn delete_consent(
    app: State,
    caller: Allowed<scope::PatientsWrite>,
    id: Path<Id<kind::Consent>>,
    version: IfMatch,
) -> Result<HttpResponse> {
    resource::delete::<Consents>(&app, &caller, *id, version).await
}

/// Withdraw a consent
///
/// At once: the next request of the other organization no longer sees what this consent let it see. Any party may record that the
/// patient takes it back, the grantee included, which is answered as it reads the consent from then on. A place that is kept for the
/// patient on a waiting list of the other organization goes to the next, unless another consent lets it take the patient on.
#[utoipa::path(tag = "consents", params(("id" = ConsentId, Path, description = "The consent's id."), ("If-Match" = Option<String>, Header, description = "Fails with 412 unless the consent has this version.", example = "\"1\"")), request_body = ConsentWithdrawal, responses((status = 200, description = "The consent, withdrawn.", body = Consent), (status = 409, description = "It was withdrawn before: `consent_withdrawn`.")), security(("oauth2" = ["patients:write"])))]
#[post("/v1/consents/{id}/withdraw")]
pub async fn withdraw_consent(
    app: State,
    caller: Allowed<scope::PatientsWrite>,
    id: Path<Id<kind::Consent>>,
    version: OptionalIfMatch,
    command: Command<ConsentWithdrawal>,
) -> Result<HttpResponse> {
    command
        .run(&app, &caller, move |conn, caller, withdrawal| {
            let row = resource::get_row::<Consents>(conn, caller, *id)?;
            version.check(row.version)?;
            let (version, consent) = withdraw(conn, caller, row, withdrawal.reason.clone())?;
            Reply::versioned(version, &consent.at(caller.at).shown_to(caller.organization_id))
        })
        .await
}

/// Read the history of a consent
///
/// Every version, oldest first, for those who may read the consent: the organization that manages the patient, the one that recorded it and
/// the one that it was given to. The last, unless it is one of the others too, reads of one that was withdrawn or deleted that it was, in
/// every version, and nothing more; a deleted one shows as withdrawn at that moment.
#[utoipa::path(tag = "consents", params(("id" = ConsentId, Path, description = "The consent's id."), HistoryQuery), responses((status = 200, description = "A page of versions.", body = Page<Revision>)), security(("oauth2" = ["patients:read"])))]
#[get("/v1/consents/{id}/history")]
pub async fn list_consent_history(
    app: State,
    caller: Allowed<scope::PatientsRead>,
    id: Path<Id<kind::Consent>>,
    query: Query<HistoryQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    Ok(resource::history::<Consents>(&app, &caller, *id, query.0).await?.respond(&request))
}
