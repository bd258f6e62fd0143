//! HTTP of screenings.

use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, put};

use super::api::{
    PatientScores, RecordedScreening, ScoresQuery, Screening, ScreeningCompletion, ScreeningQuery, ScreeningRetraction, SuggestQuery,
};
use super::model::{ScreeningInput, ScreeningRow, ScreeningStatus, closed};
use super::recording;
use super::repository::{self, Of};
use super::series::{self, Reading};
use super::suggesting::{self, Completing};
use crate::app::State;
use crate::auth::{Allowed, Principal, scope, sight};
use crate::consents::model::{Categories, DataCategory};
use crate::db::DbConn;
use crate::db::types::Id;
use crate::error::{Error, Fault, Result};
use crate::http::body::{MergePatch, Valid};
use crate::http::command::{Command, Reply};
use crate::http::etag::{IfMatch, IfNoneMatch, OptionalIfMatch};
use crate::http::page::{self, Page};
use crate::http::query::Query;
use crate::http::resource::{self, ByIdentifier, Head, HistoryQuery, Resource, Revision};
use crate::instruments::{self, definition::ScoreRule};
use crate::kind::{self, PatientId, ScreeningId};
use crate::types::Identifier;

/// The header of an answer that somebody must act on at once.
const SAFETY_ALERT: (&str, &str) = ("kith-safety-alert", "true");

/// Screenings, for the common verbs.
#[derive(Debug)]
pub struct Screenings;

impl Resource for Screenings {
    type Kind = kind::Screening;
    type Input = ScreeningInput;
    type Row = ScreeningRow;
    type Shape = Screening;

    const PATH: &'static str = "/v1/screenings";

    fn head(row: &ScreeningRow) -> Head<kind::Screening> {
        Head {
            id: row.id,
            owner: row.organization_id,
            version: row.version,
            is_deleted: row.deleted_at.is_some(),
            patient_id: Some(row.patient_id),
            referral_id: None,
        }
    }

    fn input(row: &ScreeningRow) -> ScreeningInput {
        ScreeningInput { patient_id: row.patient_id, ..row.content.0.clone() }
    }

    fn shape(row: ScreeningRow) -> Screening {
        row.into()
    }

    fn view(conn: &mut DbConn, caller: &Principal, shape: Screening) -> Result<Screening> {
        let categories = categories(conn, caller, &shape)?;
        let mut seen = trimmed(conn, caller, categories, vec![shape])?;
        seen.pop().ok_or(Error::NotFound)
    }

    fn is_settled(caller: &Principal, row: &ScreeningRow) -> bool {
        row.organization_id == caller.organization_id
    }

    fn headers(shape: &Screening) -> &'static [(&'static str, &'static str)] {
        // One that was entered in error alarms nobody: it may be about somebody else.
        let is_valid = shape.content.status != ScreeningStatus::EnteredInError;
        if is_valid && !shape.findings.safety_alerts.is_empty() { &[SAFETY_ALERT] } else { &[] }
    }

    fn identifiers(input: &ScreeningInput) -> &[Identifier] {
        &input.identifiers
    }

    fn find(conn: &mut DbConn, caller: &Principal, id: ScreeningId) -> Result<Option<ScreeningRow>> {
        let Some(row) = repository::find(conn, id)? else { return Ok(None) };
        let is_seen = sight::record(conn, caller, row.organization_id, row.patient_id, DataCategory::Screenings)?.is_some();
        Ok(is_seen.then_some(row))
    }

    fn prepare(conn: &mut DbConn, caller: &Principal, current: Option<&ScreeningRow>, input: &mut ScreeningInput) -> Result<()> {
        recording::check(conn, caller, current, input)
    }

    fn insert(conn: &mut DbConn, caller: &Principal, id: ScreeningId, input: ScreeningInput) -> Result<ScreeningRow> {
        recording::insert(conn, caller, id, input)
    }

    fn update(conn: &mut DbConn, caller: &Principal, row: &ScreeningRow, input: ScreeningInput) -> Result<Option<ScreeningRow>> {
        recording::update(conn, caller, row, input)
    }

    fn delete(conn: &mut DbConn, caller: &Principal, row: &ScreeningRow) -> Result<Option<ScreeningRow>> {
        if row.status != ScreeningStatus::Draft {
            return Err(Error::conflict("screening_closed", "Only a draft can be deleted. Retract what was entered in error."));
        }
        let row = ScreeningRow { version: row.version + 1, updated_at: caller.at, deleted_at: Some(caller.at), ..row.clone() };
        Ok(repository::update(conn, &row)?.then_some(row))
    }
}

/// What the caller sees of the patient who was screened.
fn categories(conn: &mut DbConn, caller: &Principal, shape: &Screening) -> Result<Categories> {
    let seen = sight::record(conn, caller, shape.organization_id, shape.content.patient_id, DataCategory::Screenings)?;
    seen.ok_or(Error::NotFound)
}

/// The screenings as somebody sees them who sees these categories of the patient's data, and all of what they recorded themselves.
fn trimmed(conn: &mut DbConn, caller: &Principal, categories: Categories, shapes: Vec<Screening>) -> Result<Vec<Screening>> {
    if categories.contains(DataCategory::Sensitive) {
        return Ok(shapes);
    }
    let trim = |shape: Screening| {
        if shape.organization_id == caller.organization_id {
            return Ok(shape);
        }
        let instrument = instruments::repository::find(conn, shape.instrument_id)?;
        let instrument = instrument.ok_or_else(|| Error::internal("a screening without instrument"))?;
        Ok(shape.without_sensitive(&instrument.content))
    };
    shapes.into_iter().map(trim).collect()
}

async fn list(app: &State, caller: Principal, patient: Option<PatientId>, query: ScreeningQuery) -> Result<Page<Screening>> {
    let filters = ScreeningQuery { cursor: None, limit: page::Limit::default(), ..query.clone() };
    let fingerprint = page::fingerprint(&("screenings", patient, filters));
    let after: Option<ScreeningId> = query.cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?;
    app.db
        .read_briefly(move |conn| {
            let (of, categories) = match patient {
                None => (Of::Organization(caller.organization_id), Categories::ALL),
                Some(patient) => {
                    let categories = sight::patient(conn, &caller, patient)?.categories;
                    let sees_all = categories.contains(DataCategory::Screenings);
                    (if sees_all { Of::Patient(patient) } else { Of::Both(patient, caller.organization_id) }, categories)
                }
            };
            let rows = repository::list(conn, of, &query, after)?;
            let page = Page::from_rows(rows, query.limit, fingerprint, |row: &ScreeningRow| row.id)?;
            let shapes = page.items.into_iter().map(Screening::from).collect();
            Ok(Page { items: trimmed(conn, &caller, categories, shapes)?, next: page.next })
        })
        .await
}

/// List the organization's screenings
///
/// Those that the caller's organization recorded, of all patients, in order of creation. With `status` its drafts, with `rescreen_until`
/// those that are to be asked again.
#[utoipa::path(tag = "screenings", params(ScreeningQuery), responses((status = 200, description = "A page of screenings.", body = Page<Screening>)), security(("oauth2" = ["screenings:read"])))]
#[get("/v1/screenings")]
pub async fn list_screenings(
    app: State,
    caller: Allowed<scope::ScreeningsRead>,
    query: Query<ScreeningQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    Ok(list(&app, caller.into_principal(), None, query.0).await?.respond(&request))
}

/// List a patient's screenings
///
/// As far as the caller may see them, in order of creation.
#[utoipa::path(tag = "screenings", params(("id" = PatientId, Path, description = "The patient's id."), ScreeningQuery), responses((status = 200, description = "A page of screenings.", body = Page<Screening>), (status = 410, description = "The patient was deleted, or merged into another.")), security(("oauth2" = ["screenings:read"])))]
#[get("/v1/patients/{id}/screenings")]
pub async fn list_patient_screenings(
    app: State,
    caller: Allowed<scope::ScreeningsRead>,
    id: Path<Id<kind::Patient>>,
    query: Query<ScreeningQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    Ok(list(&app, caller.into_principal(), Some(*id), query.0).await?.respond(&request))
}

/// Read a patient's scores over time
///
/// Each score of an instrument, oldest first, with its change from the first one.
#[utoipa::path(tag = "screenings", params(("id" = PatientId, Path, description = "The patient's id."), ScoresQuery), responses((status = 200, description = "The scores.", body = PatientScores), (status = 410, description = "The patient was deleted, or merged into another.")), security(("oauth2" = ["screenings:read"])))]
#[get("/v1/patients/{id}/scores")]
pub async fn get_patient_scores(
    app: State,
    caller: Allowed<scope::ScreeningsRead>,
    id: Path<Id<kind::Patient>>,
    query: Query<ScoresQuery>,
) -> Result<HttpResponse> {
    let (patient, instrument, caller) = (*id, query.0.instrument, caller.into_principal());
    let scores = app.db.read(move |conn| scores(conn, &caller, patient, instrument)).await?;
    Ok(HttpResponse::Ok().json(scores))
}

fn scores(conn: &mut DbConn, caller: &Principal, patient: PatientId, instrument: String) -> Result<PatientScores> {
    let sight = sight::require(conn, caller, patient, DataCategory::Screenings)?;
    let Some(newest) = instruments::repository::find_by_code(conn, caller.organization_id, &instrument, None)? else {
        return Err(Error::Malformed {
            detail: "The query string has a fault; see errors.".into(),
            faults: vec![Fault::new("instrument", "unknown_instrument", "is not an instrument of this server")],
        });
    };
    let rows = repository::completed(conn, patient, &instrument)?;
    let sees_sensitive = sight.categories.contains(DataCategory::Sensitive);
    let series_of = |rule: &ScoreRule| {
        let readings = rows.iter().filter_map(|row| {
            Some(Reading {
                screening_id: row.id,
                completed_at: row.completed_at?,
                instrument_edition: row.content.instrument_edition.as_deref().unwrap_or_default(),
                result: row.findings.scores.iter().find(|score| score.code == rule.code && (sees_sensitive || !score.is_sensitive))?,
            })
        });
        series::series(rule, readings)
    };
    Ok(PatientScores { patient_id: patient, instrument, series: newest.content.scores.iter().map(series_of).collect() })
}

/// Record a screening
///
/// As a draft with the answers there are, or completed, which scores it at once: the answer has the scores, the needs that were raised,
/// in `safety_alerts` and the header `Kith-Safety-Alert` what somebody must act on now, and, asked for by `suggest`, the services that
/// fit.
#[utoipa::path(tag = "screenings", params(SuggestQuery), request_body = ScreeningInput, responses((status = 201, description = "The new screening, scored.", body = RecordedScreening, headers(("Kith-Safety-Alert" = String, description = "`true` where an answer must be acted on at once.")))), security(("oauth2" = ["screenings:write"])))]
#[post("/v1/screenings")]
pub async fn create_screening(
    app: State,
    caller: Allowed<scope::ScreeningsWrite>,
    query: Query<SuggestQuery>,
    command: Command<ScreeningInput>,
) -> Result<HttpResponse> {
    if let Some(answer) = command.answered(&app, &caller).await? {
        return Ok(answer);
    }
    let found = suggesting::find(&app, &caller, &query.0, Completing::New(Box::new(command.input.clone()))).await?;
    command
        .run(&app, &caller, move |conn, caller, input| {
            let (head, screening) = resource::insert::<Screenings>(conn, caller, input.clone())?;
            let patient = screening.content.patient_id;
            let suggestions = found.as_ref().map(|found| found.keep(conn, caller, patient)).transpose()?;
            let recorded = RecordedScreening { screening, suggestions };
            let reply = Reply::created(&resource::location::<Screenings>(head.id), head.version, &recorded)?;
            Ok(resource::with_headers::<Screenings>(reply, &recorded.screening))
        })
        .await
}

/// Create or replace a screening by identifier
///
/// Among the screenings that the caller's organization recorded.
#[utoipa::path(tag = "screenings", params(ByIdentifier), request_body = ScreeningInput, responses((status = 200, description = "The screening, replaced.", body = Screening, headers(("Kith-Safety-Alert" = String, description = "`true` where an answer must be acted on at once."))), (status = 201, description = "The new screening.", body = Screening, headers(("Kith-Safety-Alert" = String, description = "`true` where an answer must be acted on at once."))), (status = 409, description = "It is no longer a draft: `screening_closed`.")), security(("oauth2" = ["screenings:write"])))]
#[put("/v1/screenings/by-identifier")]
pub async fn upsert_screening(
    app: State,
    caller: Allowed<scope::ScreeningsWrite>,
    key: Query<ByIdentifier>,
    version: OptionalIfMatch,
    input: Valid<ScreeningInput>,
) -> Result<HttpResponse> {
    resource::put_by_identifier::<Screenings>(&app, &caller, &key.0, version, input.0).await
}

/// Read a screening
///
/// Answers on sensitive matters are withheld from those whose consent does not name them.
#[utoipa::path(tag = "screenings", params(("id" = ScreeningId, Path, description = "The screening's id.")), responses((status = 200, description = "The screening.", body = Screening, headers(("Kith-Safety-Alert" = String, description = "`true` where an answer must be acted on at once.")))), security(("oauth2" = ["screenings:read"])))]
#[get("/v1/screenings/{id}")]
pub async fn get_screening(
    app: State,
    caller: Allowed<scope::ScreeningsRead>,
    id: Path<Id<kind::Screening>>,
    known: IfNoneMatch,
) -> Result<HttpResponse> {
    resource::get::<Screenings>(&app, &caller, *id, &known).await
}

/// Replace a screening
///
/// A draft. Of a finished one only `note`, `rescreen_on` and `identifiers` can change.
#[utoipa::path(tag = "screenings", params(("id" = ScreeningId, Path, description = "The screening's id.")), request_body = ScreeningInput, responses((status = 200, description = "The screening as it now is.", body = Screening, headers(("Kith-Safety-Alert" = String, description = "`true` where an answer must be acted on at once."))), (status = 409, description = "It is no longer a draft: `screening_closed`.")), security(("oauth2" = ["screenings:write"])))]
#[put("/v1/screenings/{id}")]
pub async fn update_screening(
    app: State,
    caller: Allowed<scope::ScreeningsWrite>,
    id: Path<Id<kind::Screening>>,
    version: IfMatch,
    input: Valid<ScreeningInput>,
) -> Result<HttpResponse> {
    resource::put::<Screenings>(&app, &caller, *id, version, input.0).await
}

/// Change a screening
///
/// A draft. Of a finished one only `note`, `rescreen_on` and `identifiers` can change.
#[utoipa::path(tag = "screenings", params(("id" = ScreeningId, Path, description = "The screening's id.")), responses((status = 200, description = "The screening as it now is.", body = Screening, headers(("Kith-Safety-Alert" = String, description = "`true` where an answer must be acted on at once."))), (status = 409, description = "It is no longer a draft: `screening_closed`.")), security(("oauth2" = ["screenings:write"])))]
#[patch("/v1/screenings/{id}")]
pub async fn patch_screening(
    app: State,
    caller: Allowed<scope::ScreeningsWrite>,
    id: Path<Id<kind::Screening>>,
    version: IfMatch,
    patch: MergePatch,
) -> Result<HttpResponse> {
    resource::patch::<Screenings>(&app, &caller, *id, version, patch).await
}

/// Delete a draft
///
/// What is finished is retracted instead.
#[utoipa::path(tag = "screenings", params(("id" = ScreeningId, Path, description = "The screening's id.")), responses((status = 204, description = "It is deleted."), (status = 409, description = "It is no longer a draft: `screening_closed`.")), security(("oauth2" = ["screenings:write"])))]
#[delete("/v1/screenings/{id}")]
pub async fn delete_screening(
    app: State,
    caller: Allowed<scope::ScreeningsWrite>,
    id: Path<Id<kind::Screening>>,
    version: IfMatch,
) -> Result<HttpResponse> {
    resource::delete::<Screenings>(&app, &caller, *id, version).await
}

/// Complete a draft
///
/// With the answers still to come, if any. It is scored, raises its needs, and answers with all that was found and, asked for by
/// `suggest`, with the services that fit.
#[utoipa::path(tag = "screenings", params(SuggestQuery, ("id" = ScreeningId, Path, description = "The screening's id."), ("If-Match" = Option<String>, Header, description = "Fails with 412 unless the screening has this version.", example = "\"1\"")), request_body = ScreeningCompletion, responses((status = 200, description = "The screening, scored.", body = RecordedScreening, headers(("Kith-Safety-Alert" = String, description = "`true` where an answer must be acted on at once."))), (status = 409, description = "It is no longer a draft: `screening_closed`."), (status = 410, description = "It has been deleted.")), security(("oauth2" = ["screenings:write"])))]
#[post("/v1/screenings/{id}/complete")]
pub async fn complete_screening(
    app: State,
    caller: Allowed<scope::ScreeningsWrite>,
    id: Path<Id<kind::Screening>>,
    query: Query<SuggestQuery>,
    version: OptionalIfMatch,
    command: Command<ScreeningCompletion>,
) -> Result<HttpResponse> {
    let id = *id;
    if let Some(answer) = command.answered(&app, &caller).await? {
        return Ok(answer);
    }
    let found = suggesting::find(&app, &caller, &query.0, Completing::Draft(id, command.input.clone())).await?;
    command
        .run(&app, &caller, move |conn, caller, completion| {
            let row = resource::get_row::<Screenings>(conn, caller, id)?;
            version.check(row.version)?;
            if row.status != ScreeningStatus::Draft {
                return Err(closed());
            }
            let input = completion.laid_over(Screenings::input(&row));
            let (head, screening) = resource::replace::<Screenings>(conn, caller, &row, input)?;
            let patient = screening.content.patient_id;
            let suggestions = found.as_ref().map(|found| found.keep(conn, caller, patient)).transpose()?;
            let recorded = RecordedScreening { screening, suggestions };
            Ok(resource::with_headers::<Screenings>(Reply::versioned(head.version, &recorded)?, &recorded.screening))
        })
        .await
}

/// Retract a screening
///
/// It was entered in error. The needs that it raised, and of which nobody has said anything since, are retracted with it; one that another
/// completed screening of the patient found too stays, and has that one's `screening_id`. The right answers are recorded as another
/// screening with `replaces_id`.
#[utoipa::path(tag = "screenings", params(("id" = ScreeningId, Path, description = "The screening's id."), ("If-Match" = Option<String>, Header, description = "Fails with 412 unless the screening has this version.", example = "\"1\"")), request_body = ScreeningRetraction, responses((status = 200, description = "The screening as it now is.", body = Screening), (status = 409, description = "It was retracted before: `illegal_transition`."), (status = 410, description = "It has been deleted.")), security(("oauth2" = ["screenings:write"])))]
#[post("/v1/screenings/{id}/retract")]
pub async fn retract_screening(
    app: State,
    caller: Allowed<scope::ScreeningsWrite>,
    id: Path<Id<kind::Screening>>,
    version: OptionalIfMatch,
    command: Command<ScreeningRetraction>,
) -> Result<HttpResponse> {
    let id = *id;
    command
        .run(&app, &caller, move |conn, caller, retraction| {
            let row = resource::get_row::<Screenings>(conn, caller, id)?;
            version.check(row.version)?;
            Screenings::permit(caller, &row)?;
            let (head, shape) = recording::retract(conn, caller, &row, &retraction.reason)?;
            Reply::versioned(head.version, &shape)
        })
        .await
}

/// Read the history of a screening
///
/// Every version, oldest first, with all answers; 404 for those who may not see the sensitive ones.
#[utoipa::path(tag = "screenings", params(("id" = ScreeningId, Path, description = "The screening's id."), HistoryQuery), responses((status = 200, description = "A page of versions.", body = Page<Revision>)), security(("oauth2" = ["screenings:read"])))]
#[get("/v1/screenings/{id}/history")]
pub async fn list_screening_history(
    app: State,
    caller: Allowed<scope::ScreeningsRead>,
    id: Path<Id<kind::Screening>>,
    query: Query<HistoryQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let (id, reader) = (*id, caller.clone());
    app.db
        .read(move |conn| {
            let row = Screenings::find(conn, &reader, id)?.ok_or(Error::NotFound)?;
            let categories = categories(conn, &reader, &row.into())?;
            if categories.contains(DataCategory::Sensitive) { Ok(()) } else { Err(Error::NotFound) }
        })
        .await?;
    Ok(resource::history::<Screenings>(&app, &caller, id, query.0).await?.respond(&request))
}
