//! HTTP of matches and eligibility checks.

use actix_web::http::header::ETAG;
use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, get, post};
use chrono::Duration;

use super::api::{EligibilityCheckInput, Match, MatchInput, MatchQuery, MatchSummary};
use super::eligibility::EligibilityChecklist;
use super::model::{MatchContent, MatchRow, UnmetNeedInput, UnmetNeedRow};
use super::unmet;
use super::weights::Weights;
use super::{finder, repository};
use crate::app::State;
use crate::auth::{Allowed, DirectoryReader, Scope, scope, sight};
use crate::changes::{self, Action, Actor, Change};
use crate::consents::model::DataCategory;
use crate::db::DbConn;
use crate::db::types::{Id, Instant, Json};
use crate::error::{Error, Result};
use crate::http::body::Valid;
use crate::http::command::{Command, Reply};
use crate::http::etag::{IfNoneMatch, tag};
use crate::http::page::{self, Page};
use crate::http::query::Query;
use crate::kind::{self, MatchId};
use crate::patients;
use crate::types::find_domain;

/// How long a stranger's match is kept.
const KEPT_FOR_STRANGERS: Duration = Duration::days(1);
/// Of so many strangers in a day it is recorded that they have a need of one domain unmet.
const MOST_STRANGERS: i64 = 1_000;

/// Suggest services for somebody
///
/// For a patient, with all that the caller may see of them (scope `patients:read`); or for a description of a person that names nobody,
/// of which nothing personal is kept. Every result says why, what is not known of it and what to check. Nothing suitable is an answer:
/// it names whom to turn to, and the unmet need is recorded. A referral can name the match it came from. What a stranger asks of a public
/// directory is kept for a day, in codes alone.
///
/// Nobody at risk of violence is sent where the other may sit beside them, nor anywhere for their words alone. Who does not see all needs of
/// the patient is suggested nothing that one of them could make unsafe, whether it does or not.
///
/// For a patient, the referrals that the caller sees (scope `referrals:read`) are remembered: what an open one asks, what the person has
/// declined within a year, and what has rejected them since for what they are or where they live, is not suggested again. A later word of the
/// person, or a later referral that was completed, takes it back.
#[utoipa::path(tag = "matches", request_body = MatchInput, responses((status = 201, description = "The match.", body = Match)), security(("oauth2" = ["services:read"]), ()))]
#[post("/v1/matches")]
pub async fn create_match(app: State, reader: DirectoryReader, command: Command<MatchInput>) -> Result<HttpResponse> {
    if let Some(caller) = &reader.principal
        && let Some(answer) = command.answered(&app, caller).await?
    {
        return Ok(answer);
    }
    let about = finder::about(&app, &reader, &command.input).await?;
    match reader.principal.clone() {
        Some(caller) => {
            command
                .run(&app, &caller, move |conn, caller, input| {
                    // The patient may have been merged into another since the suggestions were made.
                    if let Some(patient) = input.patient_id {
                        sight::referenced(conn, caller, patient, "/patient_id")?;
                    }
                    created(&keep(conn, &caller.actor(), input, &about)?)
                })
                .await
        }
        None => {
            let (input, clock) = (command.input, app.clock.clone());
            let found = app.db.write(move |conn| keep(conn, &Actor::operator(clock.now()), &input, &about)).await?;
            Ok(created(&found)?.respond())
        }
    }
}

fn created(found: &Match) -> Result<Reply> {
    Reply::created(&format!("/v1/matches/{}", found.id), found.version, found)
}

/// Writes down a match, and the unmet needs that it found.
///
/// What a stranger was suggested is nobody's: nobody could read it in the journal, and the next ones take the place of what is past.
pub fn keep(conn: &mut DbConn, actor: &Actor, input: &MatchInput, about: &finder::About) -> Result<Match> {
    let id = MatchId::generate();
    let is_strangers = actor.organization_id.is_none();
    let (person, suggestions) = about.kept(input.patient_id.is_some(), is_strangers);
    let row = MatchRow {
        id,
        organization_id: actor.organization_id,
        patient_id: input.patient_id,
        outcome: about.suggestions.outcome,
        is_sensitive: about.is_sensitive,
        content: Json(MatchContent {
            client_id: actor.client_id,
            on_behalf_of: actor.on_behalf_of.clone(),
            need_ids: input.need_ids.clone(),
            person,
            suggestions,
        }),
        version: 1,
        created_at: actor.at,
        updated_at: actor.at,
        deleted_at: None,
    };
    repository::insert(conn, &row)?;
    if is_strangers {
        repository::forget_strangers(conn, actor.at.plus(-KEPT_FOR_STRANGERS))?;
    } else {
        record(conn, actor, &row)?;
    }
    keep_unmet(conn, actor, &row, about)?;
    Ok(Match { suggestions: about.suggestions.clone(), ..Match::from(row) })
}

fn record(conn: &mut DbConn, actor: &Actor, row: &MatchRow) -> Result<()> {
    let shape = Match::from(row.clone());
    let change = Change::of(row.id, 1, Action::Created, &shape).owned_by(row.organization_id).about(row.patient_id);
    changes::record(conn, actor, change)
}

/// Records what stays unmet, once for an organization, patient and domain: what others found does not show in it.
fn keep_unmet(conn: &mut DbConn, actor: &Actor, found: &MatchRow, about: &finder::About) -> Result<()> {
    if about.suggestions.unanswered.is_empty() {
        return Ok(());
    }
    // Otherwise two matches at once would each record it.
    found.patient_id.map_or(Ok(()), |patient| patients::repository::lock(conn, patient))?;
    let lately = found.patient_id.map(|patient| repository::lately_unmet(conn, found.organization_id, patient, actor.at));
    let lately = lately.transpose()?.unwrap_or_default();
    let is_strangers = actor.organization_id.is_none();
    for need in about.suggestions.unanswered.iter().filter(|need| !need.is_referred) {
        let domain = need.domain.clone().unwrap_or_else(|| "sdoh-category-unspecified".into());
        if lately.contains(&domain) || (is_strangers && !counts_for_strangers(conn, &domain, actor.at)?) {
            continue;
        }
        let input = UnmetNeedInput {
            patient_id: found.patient_id,
            // That of a stranger does not last.
            match_id: Some(found.id).filter(|_| !is_strangers),
            domain,
            reasons: need.reasons.clone(),
            area: Some(about.area.clone()),
            tried_service_ids: Vec::new(),
            note: None,
        };
        unmet::add(conn, actor, UnmetNeedRow::new(Id::generate(), actor.organization_id, input, actor.at))?;
    }
    Ok(())
}

/// Whether it is counted that a stranger has such a need unmet: no words of their own stand in what others read, and no more of them than a
/// day brings, however often somebody asks.
fn counts_for_strangers(conn: &mut DbConn, domain: &str, at: Instant) -> Result<bool> {
    Ok(find_domain(domain).is_some() && !repository::are_so_many_strangers(conn, domain, at, MOST_STRANGERS)?)
}

/// Read a match
///
/// One about a patient is seen by the organization that asked, while it sees the patient's needs, and by whoever sees needs, contact,
/// demographics and referrals; one about a description by the organization that asked, and that of a stranger for a day by whoever has its
/// id.
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
            let sight = sight::patient(conn, caller, patient)?;
            let is_own = row.organization_id == Some(caller.organization_id);
            if !sight::sees_match(sight.categories, is_own, row.is_sensitive) {
                return Err(Error::NotFound);
            }
        }
        (Some(_), None) => return Err(Error::NotFound),
        (None, _) => {
            let is_seen = match row.organization_id {
                Some(_) => row.organization_id == reader.organization_id(),
                None => row.created_at > reader.at.plus(-KEPT_FOR_STRANGERS),
            };
            if !is_seen {
                return Err(Error::NotFound);
            }
        }
    }
    if row.deleted_at.is_some() { Err(Error::Gone) } else { Ok(row) }
}

/// List the matches of a patient
///
/// The latest first, in short: those that the caller may read.
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
            let sees_others = sight::sees_match(sight.categories, false, false);
            let only_of = (!sees_others).then_some(caller.organization_id);
            let with_sensitive = sight.categories.contains(DataCategory::Sensitive);
            let rows = repository::list_of_patient(conn, patient, (only_of, with_sensitive), before, query.limit.and_one())?;
            Page::from_rows(rows, query.limit, fingerprint, |row: &MatchRow| row.id)
        })
        .await?;
    Ok(page.map(MatchSummary::from).respond(&request))
}

/// Check whether somebody may use a service
///
/// Each rule of the service: met, not met, or not known. For a patient (scope `patients:read`) or for a description of a person. Nothing
/// is kept.
#[utoipa::path(tag = "matches", request_body = EligibilityCheckInput, responses((status = 200, description = "The rules, and whether each is met.", body = EligibilityChecklist)), security(("oauth2" = ["services:read"]), ()))]
#[post("/v1/eligibility-checks")]
pub async fn check_eligibility(app: State, reader: DirectoryReader, input: Valid<EligibilityCheckInput>) -> Result<HttpResponse> {
    let state = app.clone();
    let checklist = app.read_directory(move |conn| finder::checklist(conn, &state, &reader, &input.0)).await?;
    Ok(HttpResponse::Ok().json(checklist))
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
