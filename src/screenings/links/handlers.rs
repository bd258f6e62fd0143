//! HTTP of screening links: for the client that makes them, and for whoever holds one.

use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, delete, get, post};

use super::holder::LinkHolder;
use super::{LinkedAnswers, LinkedScreening, NewScreeningLink, ScreeningLink, ScreeningLinkInput, conversation};
use crate::app::State;
use crate::auth::links::Purpose;
use crate::auth::{Allowed, Principal, scope};
use crate::changes::{self, Action, Change};
use crate::db::DbConn;
use crate::db::types::Id;
use crate::error::{Error, Result};
use crate::http::body::Valid;
use crate::http::command::{Command, Reply};
use crate::http::page::{self, Page};
use crate::http::query::Query;
use crate::http::resource::{self, HistoryQuery, Resource as _};
use crate::instruments::{self, model::InstrumentRow};
use crate::kind::{self, ScreeningId};
use crate::links::{LinkRow, repository};
use crate::screenings::api::{Screening, ScreeningCompletion};
use crate::screenings::findings::Answer;
use crate::screenings::handlers::Screenings;
use crate::screenings::model::{ScreeningRow, ScreeningStatus};

/// A draft of the caller's own organization.
fn draft(conn: &mut DbConn, caller: &Principal, id: ScreeningId) -> Result<ScreeningRow> {
    let row = resource::get_row::<Screenings>(conn, caller, id)?;
    Screenings::permit(caller, &row)?;
    check_open(&row)?;
    Ok(row)
}

fn check_open(row: &ScreeningRow) -> Result<()> {
    if row.status == ScreeningStatus::Draft {
        Ok(())
    } else {
        Err(Error::conflict("screening_closed", "The screening is no longer a draft: there is nothing to answer."))
    }
}

fn record(conn: &mut DbConn, caller: &Principal, screening: &ScreeningRow, row: &LinkRow, action: Action) -> Result<()> {
    let link = ScreeningLink::from(row);
    let change = Change::of(link.id, link.version, action, &link).owned_by(row.organization_id).about(screening.patient_id);
    changes::record(conn, &caller.actor(), change)
}

/// Make a link to a draft
///
/// A token by which somebody who is no client answers it, in one sitting or in several: the person at home, or with help in the waiting
/// room. It opens this draft alone, until it runs out, is revoked, or the screening is completed.
#[utoipa::path(tag = "screenings", params(("id" = ScreeningId, Path, description = "The screening's id.")), request_body = ScreeningLinkInput, responses((status = 201, description = "The link, with its token.", body = NewScreeningLink), (status = 409, description = "It is no longer a draft: `screening_closed`.")), security(("oauth2" = ["screenings:write"])))]
#[post("/v1/screenings/{id}/links")]
pub async fn create_screening_link(
    app: State,
    caller: Allowed<scope::ScreeningsWrite>,
    id: Path<Id<kind::Screening>>,
    command: Command<ScreeningLinkInput>,
) -> Result<HttpResponse> {
    let id = *id;
    let keys = app.authority.keys.fresh(&app.db, &app.clock).await?;
    let links = app.authority.links.clone();
    command
        .run(&app, &caller, move |conn, caller, input| {
            let screening = draft(conn, caller, id)?;
            let row = LinkRow::new(caller, Purpose::AnswerScreening, id.cast(), None, input.lifetime());
            repository::insert(conn, &row)?;
            record(conn, caller, &screening, &row, Action::Created)?;
            let token = links.sign(row.purpose, &row.link(), keys.current())?;
            let made = NewScreeningLink { link: ScreeningLink::from(&row), token };
            Reply::created(&format!("/v1/screenings/{id}/links"), row.version, &made)
        })
        .await
}

/// List the links to a screening
///
/// Oldest first, also those that have run out or were revoked; without their tokens.
#[utoipa::path(tag = "screenings", params(("id" = ScreeningId, Path, description = "The screening's id."), HistoryQuery), responses((status = 200, description = "A page of links.", body = Page<ScreeningLink>)), security(("oauth2" = ["screenings:read"])))]
#[get("/v1/screenings/{id}/links")]
pub async fn list_screening_links(
    app: State,
    caller: Allowed<scope::ScreeningsRead>,
    id: Path<Id<kind::Screening>>,
    query: Query<HistoryQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let (id, HistoryQuery { limit, cursor }) = (*id, query.0);
    let fingerprint = page::fingerprint(&("links", id));
    let after: Option<Id<()>> = cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?;
    let page = app
        .db
        .read(move |conn| {
            resource::get_row::<Screenings>(conn, &caller, id)?;
            let rows = repository::list(conn, Purpose::AnswerScreening, id.cast(), after, limit.and_one())?;
            Page::from_rows(rows, limit, fingerprint, |row: &LinkRow| row.id)
        })
        .await?;
    Ok(page.map(|row| ScreeningLink::from(&row)).respond(&request))
}

/// Revoke the links to a screening
///
/// Every link that still opens the draft. Sending this request again changes nothing.
#[utoipa::path(tag = "screenings", params(("id" = ScreeningId, Path, description = "The screening's id.")), responses((status = 204, description = "No link opens the screening any more.")), security(("oauth2" = ["screenings:write"])))]
#[delete("/v1/screenings/{id}/links")]
pub async fn revoke_screening_links(
    app: State,
    caller: Allowed<scope::ScreeningsWrite>,
    id: Path<Id<kind::Screening>>,
) -> Result<HttpResponse> {
    let (id, clock) = (*id, app.clock.clone());
    app.db
        .write(move |conn| {
            let caller = caller.now(&clock);
            let screening = resource::get_row::<Screenings>(conn, &caller, id)?;
            Screenings::permit(&caller, &screening)?;
            let revoked = repository::revoke(conn, Purpose::AnswerScreening, id.cast(), caller.at)?;
            revoked.iter().try_for_each(|link| record(conn, &caller, &screening, link, Action::Updated))
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// A screening, with the questions that it answers.
type Opened = (Screening, InstrumentRow);

fn with_questions(conn: &mut DbConn, screening: Screening) -> Result<Opened> {
    let instrument = instruments::repository::find(conn, screening.instrument_id)?;
    Ok((screening, instrument.ok_or_else(|| Error::internal("a screening without instrument"))?))
}

/// What the holder of a link sees of a screening.
fn respond(app: &State, holder: &LinkHolder, (screening, instrument): Opened) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    resource::add_headers::<Screenings>(&mut response, screening.version, &screening);
    response.json(LinkedScreening::new(screening, instrument.into(), holder.expires_at(), &app.config))
}

/// Read the screening of a link
///
/// The questions and the answers so far. Of the person, and of what was found in the answers, it says nothing.
#[utoipa::path(tag = "screenings", responses((status = 200, description = "The screening.", body = LinkedScreening, headers(("Kith-Safety-Alert" = String, description = "`true` where an answer must be acted on at once."))), (status = 410, description = "The draft was deleted.")), security(("screening_link" = [])))]
#[get("/v1/screening-link")]
pub async fn get_linked_screening(app: State, holder: LinkHolder) -> Result<HttpResponse> {
    let opened = holder.clone();
    let opened = app
        .db
        .read(move |conn| {
            let (_, row) = opened.open(conn)?;
            with_questions(conn, row.into())
        })
        .await?;
    Ok(respond(&app, &holder, opened))
}

/// Answer by a link
///
/// As many or as few items as there are answers to: each replaces the answer to the same item, the others stay, so that it may be sent
/// after each item, and again. Where an answer alarms (a safety alert) a follow-up is planned as when the screening is completed, for that
/// may be never; what is planned so, be it completed since, is not planned again then. Show the person what is in `help` at once.
#[utoipa::path(tag = "screenings", request_body = LinkedAnswers, responses((status = 200, description = "The screening as it now is.", body = LinkedScreening, headers(("Kith-Safety-Alert" = String, description = "`true` where an answer must be acted on at once."))), (status = 409, description = "It is no longer a draft: `screening_closed`."), (status = 410, description = "The draft was deleted.")), security(("screening_link" = [])))]
#[post("/v1/screening-link/answers")]
pub async fn answer_linked_screening(app: State, holder: LinkHolder, input: Valid<LinkedAnswers>) -> Result<HttpResponse> {
    let (opened, clock, answers) = (holder.clone(), app.clock.clone(), input.0.answers);
    let opened = app.db.write(move |conn| answer(conn, &opened.now(&clock), &answers)).await?;
    Ok(respond(&app, &holder, opened))
}

fn answer(conn: &mut DbConn, holder: &LinkHolder, answers: &[Answer]) -> Result<Opened> {
    let (caller, row) = holder.open(conn)?;
    check_open(&row)?;
    let mut input = Screenings::input(&row);
    input.lay_over(answers);
    let (_, screening) = resource::replace::<Screenings>(conn, &caller, &row, input)?;
    conversation::plan(conn, &caller, &row, &screening)?;
    with_questions(conn, screening)
}

/// Complete a screening by a link
///
/// With the answers still to come, if any. It is scored, raises its needs, and those who recorded it find it in the change feed. Where
/// something was found (needs, flags, a safety alert), a follow-up of theirs is planned, so that somebody speaks with the person: a `check_in`
/// that is due today on an alert for which none was planned, else by the organization's `first_contact_days`, unless one without a referral is open that is due by then.
/// Where the patient does not let them take part in follow-ups, none is; that of an alert is then for the organization that manages the
/// patient. From then on the link only says that it is done: sending this request again changes nothing. Show the person what is in `help`
/// at once.
#[utoipa::path(tag = "screenings", request_body = LinkedAnswers, responses((status = 200, description = "It is completed.", body = LinkedScreening, headers(("Kith-Safety-Alert" = String, description = "`true` where an answer must be acted on at once."))), (status = 409, description = "It was declined or retracted: `screening_closed`."), (status = 410, description = "The draft was deleted.")), security(("screening_link" = [])))]
#[post("/v1/screening-link/complete")]
pub async fn complete_linked_screening(app: State, holder: LinkHolder, input: Valid<LinkedAnswers>) -> Result<HttpResponse> {
    let (opened, clock) = (holder.clone(), app.clock.clone());
    let last = ScreeningCompletion { answers: input.0.answers, answered_at: None };
    let opened = app.db.write(move |conn| complete(conn, &opened.now(&clock), &last)).await?;
    Ok(respond(&app, &holder, opened))
}

fn complete(conn: &mut DbConn, holder: &LinkHolder, last: &ScreeningCompletion) -> Result<Opened> {
    let (caller, row) = holder.open(conn)?;
    let screening = match row.status {
        ScreeningStatus::Draft => {
            let input = last.laid_over(Screenings::input(&row));
            let (_, screening) = resource::replace::<Screenings>(conn, &caller, &row, input)?;
            conversation::plan(conn, &caller, &row, &screening)?;
            screening
        }
        ScreeningStatus::Completed => row.into(),
        ScreeningStatus::Declined | ScreeningStatus::EnteredInError => {
            return Err(Error::conflict("screening_closed", "The screening was declined or retracted: there is nothing to answer."));
        }
    };
    with_questions(conn, screening)
}
