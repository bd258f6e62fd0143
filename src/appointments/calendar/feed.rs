//! Calendars that follow the appointments of a service or a practitioner, by a link: for the calendar programs of those who are met.

use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, delete, get, post};
use chrono::Duration;
use icalendar::Property;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::{TEXT_CALENDAR, calendar, event, language, title};
use crate::app::State;
use crate::appointments::repository as appointments;
use crate::auth::limits::CountedAs;
use crate::auth::links::{Link, Purpose};
use crate::auth::principal::count;
use crate::auth::{Allowed, Principal, Scope, scope};
use crate::changes::{self, Action, Change};
use crate::db::DbConn;
use crate::db::types::{Id, Instant};
use crate::error::{Error, Result};
use crate::http::command::{Command, Reply};
use crate::http::page::{self, Page};
use crate::http::query::Query;
use crate::http::resource::HistoryQuery;
use crate::kind::{self, CalendarLinkId, PractitionerId, ServiceId};
use crate::links::{LinkRow, repository};
use crate::slots::handlers::permit_publishing;
use crate::slots::repository::Diary;
use crate::{languages, practitioners, services};

/// A calendar shows what was up to so long ago.
const PAST: Duration = Duration::days(31);
/// And what is within so long.
const AHEAD: Duration = Duration::days(366);
/// At most so many appointments, those that are to come before others.
const MOST: i64 = 2_000;

/// How a calendar's link is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct CalendarLinkInput {
    /// For how many days it opens the calendar; a year unless told.
    #[serde(default = "CalendarLinkInput::a_year")]
    #[schema(minimum = 1, maximum = 366, example = 180)]
    pub valid_days: u16,
    /// For whom it is, to know it again.
    #[serde(default)]
    #[schema(max_length = 100, example = "Harpreet's phone")]
    pub recipient: Option<String>,
}

impl CalendarLinkInput {
    const fn a_year() -> u16 {
        366
    }
}

/// A link to a calendar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CalendarLink {
    /// Its id.
    pub id: CalendarLinkId,
    /// The service whose appointments it shows.
    pub service_id: Option<ServiceId>,
    /// The practitioner whose appointments it shows.
    pub practitioner_id: Option<PractitionerId>,
    /// For whom or what the link was made, as its maker noted.
    #[schema(example = "Harpreet's phone")]
    pub recipient: Option<String>,
    /// Version, from 1.
    #[schema(example = 1)]
    pub version: i64,
    /// When it runs out.
    pub expires_at: Instant,
    /// When it was revoked.
    pub revoked_at: Option<Instant>,
    /// When it was made.
    pub created_at: Instant,
}

impl CalendarLink {
    fn new(row: &LinkRow, diary: Diary) -> Self {
        let (service_id, practitioner_id) = match diary {
            Diary::Service(id) => (Some(id), None),
            Diary::Practitioner(id) => (None, Some(id)),
        };
        Self {
            id: row.id.cast(),
            service_id,
            practitioner_id,
            recipient: row.recipient.clone(),
            version: row.version,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            created_at: row.created_at,
        }
    }
}

/// A link to a calendar that was just made.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct NewCalendarLink {
    /// The link.
    #[serde(flatten)]
    pub link: CalendarLink,
    /// What calendar programs subscribe to (RFC 5545 over HTTP). Whoever has it reads the calendar; it is shown this once. Relative where
    /// the server does not know its own address.
    #[schema(example = "https://kith.example.ca/calendars/eyJ0eXAiOiJraXRoLWxpbmsrand0In0.eyJzdWIiOiIwMTkzMWY0ZSJ9.c2lnbmF0dXJl")]
    pub url: String,
}

const fn purpose(diary: Diary) -> Purpose {
    match diary {
        Diary::Service(_) => Purpose::ReadServiceCalendar,
        Diary::Practitioner(_) => Purpose::ReadPractitionerCalendar,
    }
}

const fn subject(diary: Diary) -> Id<()> {
    match diary {
        Diary::Service(id) => id.cast(),
        Diary::Practitioner(id) => id.cast(),
    }
}

fn record(conn: &mut DbConn, caller: &Principal, row: &LinkRow, diary: Diary, action: Action) -> Result<()> {
    let link = CalendarLink::new(row, diary);
    changes::record(conn, &caller.actor(), Change::of(link.id, link.version, action, &link).owned_by(row.organization_id))
}

/// These links to the calendar of a service that was merged lead to the one that stands for it.
pub fn move_to(conn: &mut DbConn, caller: &Principal, ids: &[Id<()>], to: ServiceId) -> Result<()> {
    for ids in ids.chunks(1_000) {
        let moved = repository::move_to(conn, ids, to.cast())?;
        moved.iter().try_for_each(|row| record(conn, caller, row, Diary::Service(to), Action::Updated))?;
    }
    Ok(())
}

async fn create(app: &State, caller: &Principal, diary: Diary, place: String, command: Command<CalendarLinkInput>) -> Result<HttpResponse> {
    let keys = app.authority.keys.fresh(&app.db, &app.clock).await?;
    let (links, base_url) = (app.authority.links.clone(), app.config.base_url.clone().unwrap_or_default());
    command
        .run(app, caller, move |conn, caller, input| {
            permit_publishing(conn, caller, diary)?;
            let lifetime = Duration::days(input.valid_days.into());
            let row = LinkRow::new(caller, purpose(diary), subject(diary), input.recipient.clone(), lifetime);
            repository::insert(conn, &row)?;
            record(conn, caller, &row, diary, Action::Created)?;
            let token = links.sign(row.purpose, &row.link(), keys.current())?;
            let made = NewCalendarLink { link: CalendarLink::new(&row, diary), url: format!("{base_url}/calendars/{token}") };
            Reply::created(&place, row.version, &made)
        })
        .await
}

async fn list(app: &State, caller: Principal, diary: Diary, query: HistoryQuery, request: &HttpRequest) -> Result<HttpResponse> {
    let fingerprint = page::fingerprint(&("calendar-links", diary));
    let after: Option<Id<()>> = query.cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?;
    let page = app
        .db
        .read(move |conn| {
            permit_publishing(conn, &caller, diary)?;
            let rows = repository::list(conn, purpose(diary), subject(diary), after, query.limit.and_one())?;
            Page::from_rows(rows, query.limit, fingerprint, |row: &LinkRow| row.id)
        })
        .await?;
    Ok(page.map(|row| CalendarLink::new(&row, diary)).respond(request))
}

async fn revoke(app: &State, caller: Principal, diary: Diary) -> Result<HttpResponse> {
    let clock = app.clock.clone();
    app.db
        .write(move |conn| {
            let caller = caller.now(&clock);
            permit_publishing(conn, &caller, diary)?;
            let revoked = repository::revoke(conn, purpose(diary), subject(diary), caller.at)?;
            revoked.iter().try_for_each(|row| record(conn, &caller, row, diary, Action::Updated))
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Make a link to the calendar of a service
///
/// An address to which calendar programs subscribe: the appointments of the service, when and where, and not who comes. By the
/// organization that gives the service.
///
/// It shows those that have begun within the last 31 days or begin within 366 days, each place in a slot as an event of its own, and 2,000 of
/// them at most: what is to come first, and of the others the latest. One that was called off is shown as that until it would have begun.
#[utoipa::path(tag = "appointments", params(("id" = ServiceId, Path, description = "The service's id.")), request_body = CalendarLinkInput, responses((status = 201, description = "The link, with its address.", body = NewCalendarLink)), security(("oauth2" = ["appointments:write"])))]
#[post("/v1/services/{id}/calendar-links")]
pub async fn create_service_calendar_link(
    app: State,
    caller: Allowed<scope::AppointmentsWrite>,
    id: Path<Id<kind::Service>>,
    command: Command<CalendarLinkInput>,
) -> Result<HttpResponse> {
    create(&app, &caller, Diary::Service(*id), format!("/v1/services/{id}/calendar-links"), command).await
}

/// List the links to the calendar of a service
///
/// Oldest first, also those that have run out or were revoked; without their addresses.
#[utoipa::path(tag = "appointments", params(("id" = ServiceId, Path, description = "The service's id."), HistoryQuery), responses((status = 200, description = "A page of links.", body = Page<CalendarLink>)), security(("oauth2" = ["appointments:read"])))]
#[get("/v1/services/{id}/calendar-links")]
pub async fn list_service_calendar_links(
    app: State,
    caller: Allowed<scope::AppointmentsRead>,
    id: Path<Id<kind::Service>>,
    query: Query<HistoryQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    list(&app, caller.into_principal(), Diary::Service(*id), query.0, &request).await
}

/// Revoke the links to the calendar of a service
///
/// Every link that still opens it.
#[utoipa::path(tag = "appointments", params(("id" = ServiceId, Path, description = "The service's id.")), responses((status = 204, description = "No link opens the calendar any more.")), security(("oauth2" = ["appointments:write"])))]
#[delete("/v1/services/{id}/calendar-links")]
pub async fn revoke_service_calendar_links(
    app: State,
    caller: Allowed<scope::AppointmentsWrite>,
    id: Path<Id<kind::Service>>,
) -> Result<HttpResponse> {
    revoke(&app, caller.into_principal(), Diary::Service(*id)).await
}

/// Make a link to the calendar of a practitioner
///
/// An address to which calendar programs subscribe: the appointments with the practitioner, when and where, and not who comes. By the
/// organization for which the practitioner acts.
///
/// It shows those that have begun within the last 31 days or begin within 366 days, each place in a slot as an event of its own, and 2,000 of
/// them at most: what is to come first, and of the others the latest. One that was called off is shown as that until it would have begun.
#[utoipa::path(tag = "appointments", params(("id" = PractitionerId, Path, description = "The practitioner's id.")), request_body = CalendarLinkInput, responses((status = 201, description = "The link, with its address.", body = NewCalendarLink)), security(("oauth2" = ["appointments:write"])))]
#[post("/v1/practitioners/{id}/calendar-links")]
pub async fn create_practitioner_calendar_link(
    app: State,
    caller: Allowed<scope::AppointmentsWrite>,
    id: Path<Id<kind::Practitioner>>,
    command: Command<CalendarLinkInput>,
) -> Result<HttpResponse> {
    create(&app, &caller, Diary::Practitioner(*id), format!("/v1/practitioners/{id}/calendar-links"), command).await
}

/// List the links to the calendar of a practitioner
///
/// Oldest first, also those that have run out or were revoked; without their addresses.
#[utoipa::path(tag = "appointments", params(("id" = PractitionerId, Path, description = "The practitioner's id."), HistoryQuery), responses((status = 200, description = "A page of links.", body = Page<CalendarLink>)), security(("oauth2" = ["appointments:read"])))]
#[get("/v1/practitioners/{id}/calendar-links")]
pub async fn list_practitioner_calendar_links(
    app: State,
    caller: Allowed<scope::AppointmentsRead>,
    id: Path<Id<kind::Practitioner>>,
    query: Query<HistoryQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    list(&app, caller.into_principal(), Diary::Practitioner(*id), query.0, &request).await
}

/// Revoke the links to the calendar of a practitioner
///
/// Every link that still opens it.
#[utoipa::path(tag = "appointments", params(("id" = PractitionerId, Path, description = "The practitioner's id.")), responses((status = 204, description = "No link opens the calendar any more.")), security(("oauth2" = ["appointments:write"])))]
#[delete("/v1/practitioners/{id}/calendar-links")]
pub async fn revoke_practitioner_calendar_links(
    app: State,
    caller: Allowed<scope::AppointmentsWrite>,
    id: Path<Id<kind::Practitioner>>,
) -> Result<HttpResponse> {
    revoke(&app, caller.into_principal(), Diary::Practitioner(*id)).await
}

/// The calendar that a link opens. It is no operation of the API: calendar programs read it, and know an address and nothing else.
#[get("/calendars/{token}")]
pub async fn read_calendar(app: State, token: Path<String>, request: HttpRequest) -> Result<HttpResponse> {
    let (link, diary) = open(&app, &token).await?;
    count(&app, &request, CountedAs::Link(link.id))?;
    let now = app.clock.now();
    let file = app
        .db
        .read(move |conn| {
            let row = repository::find(conn, Id::from_uuid(link.id))?.filter(|row| row.revoked_at.is_none());
            let row = row.ok_or(Error::Unauthenticated("the link was revoked"))?;
            if !row.is_vouched_for(conn, Scope::AppointmentsRead)? {
                return Err(Error::Unauthenticated("the client that made the link may not read appointments any more"));
            }
            // The service may have been merged into another since the link was made.
            let diary = if let Diary::Service(_) = diary { Diary::Service(row.subject_id.cast()) } else { diary };
            let language = language(conn, row.organization_id)?;
            let shown = appointments::of_diary(conn, row.organization_id, diary, (now.plus(-PAST), now, now.plus(AHEAD)), MOST)?;
            let events = shown.iter().map(|(appointment, slot)| event(appointment, slot.location.as_deref(), title(&language), now));
            let mut calendar = calendar(events);
            for name in names(&name_of(conn, diary, &language)?) {
                calendar.append_property(name);
            }
            Ok(calendar.ttl(&Duration::hours(1)).to_string())
        })
        .await?;
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, TEXT_CALENDAR)).body(file))
}

/// What a calendar is called: whose it is, and nothing of those who come.
fn name_of(conn: &mut DbConn, diary: Diary, language: &str) -> Result<String> {
    let whose = match diary {
        Diary::Service(id) => services::repository::find(conn, id)?.map(|row| row.name_in(language).to_owned()),
        Diary::Practitioner(id) => practitioners::repository::find(conn, id)?.map(|row| row.content.0.name),
    };
    let whose = whose.ok_or(Error::NotFound)?;
    // On one line.
    let whose = whose.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(if languages::is_french(language) { format!("Rendez-vous\u{a0}: {whose}") } else { format!("Appointments: {whose}") })
}

/// The name as the standard has it (RFC 7986 §5.1) and as programs knew it before. The former is told to be a text, for the writer of the
/// file, which escapes texts, does not know it.
fn names(name: &str) -> [Property; 2] {
    [Property::new("NAME", name).add_parameter("VALUE", "TEXT").done(), Property::new("X-WR-CALNAME", name)]
}

/// The link of a token, and whose calendar it opens.
async fn open(app: &State, token: &str) -> Result<(Link, Diary)> {
    let (db, clock) = (&app.db, &app.clock);
    match app.authority.open_link(db, clock, Purpose::ReadServiceCalendar, token).await {
        Ok(link) => Ok((link, Diary::Service(Id::from_uuid(link.subject)))),
        Err(_) => {
            let link = app.authority.open_link(db, clock, Purpose::ReadPractitionerCalendar, token).await?;
            Ok((link, Diary::Practitioner(Id::from_uuid(link.subject))))
        }
    }
}
