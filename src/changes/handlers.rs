//! HTTP of the change feed.

use std::time::Duration;

use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, get};

use super::api::{ChangeFeed, ChangeQuery};
use super::feed::{self, Piece};
use super::filter::Filter;
use super::place::FeedPlace;
use super::stream::{self, Tail};
use super::{model::Position, repository};
use crate::app::State;
use crate::auth::limits::Allowance;
use crate::auth::{Allowed, Principal, principal, scope};
use crate::error::{Error, Fault, Result};
use crate::http::concurrency::Slot;
use crate::http::page;
use crate::http::query::{Query, refusal};
use crate::kind::ClientId;

/// How often a waiting reader looks again.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(400);

const LAST_EVENT_ID: &str = "Last-Event-ID";

/// Read the change feed
///
/// Every change of what the caller may see, in an order in which none is ever skipped: go on from `next`, and you have it all. With
/// `wait` the answer comes as soon as there is a change, or when the time is up; whoever waits takes the place of a stream meanwhile. What a
/// client's scopes do not let it read is left out.
///
/// **Keeping a copy.** Begin without a cursor and with nothing; keep each resource under its type and id, with the `patient_id` of its
/// entry; and apply the entries in their order, each as often as it comes:
///
/// - `deleted`, and `merged` of a service: remove the resource. What a service was merged into, `merged_into_id` names; where the merge is
///   taken back, the service is `updated`.
/// - `left` of a referral, where you ask for a service: remove it, and all that you hold with its `referral_id`.
/// - `reset` of a patient, and `merged` and `deleted` of one: remove all that you hold with this `patient_id`, but for consents.
/// - every other action: keep `resource` in place of what you held; where it is null, a later entry has it.
///
/// You then hold what the lists show. What you see of a patient is judged when you read. Where it changes, because a consent is given,
/// changed, withdrawn, or has begun or expired by its date, or because records were merged, you are told so by that entry and by a
/// `reset`, which says nothing more; what you see from then on, earlier changes among it, follows as `snapshot` entries, each a resource
/// as it stands. Nothing follows where you see nothing any more. A client that was given more scopes begins anew, without a cursor.
///
/// **As a stream.** With `Accept: text/event-stream` the entries come as server-sent events, as they happen: `event` is the resource type
/// and the action, such as `referral.updated`, `data` the entry, `id` the cursor after it. Comments say that the stream lives. It ends
/// before a request may take no longer, with the token, and when the server stops: connect again with `Last-Event-ID`, which `EventSource`
/// does by itself and which goes before `cursor` and `since`. A client has so many streams at once as the server allows, eight unless it
/// was told otherwise, those who `wait` among them; one more answers 429.
#[utoipa::path(
    tag = "changes",
    params(
        ChangeQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was received, after which to go on; goes before `cursor` and `since`.", max_length = 1000, example = "eyJ2IjoxLCJmIjo5LCJrIjp7fX0"),
    ),
    responses((status = 200, description = "The next piece of the feed, or the feed as it goes on.", content(
        (ChangeFeed = "application/json"),
        (String = "text/event-stream", example = "id: eyJ2IjoxLCJmIjo5LCJrIjp7fX0\nevent: patient.reset\ndata: {\"resource_type\":\"patient\",\"resource_id\":\"01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10\",\"version\":0,\"action\":\"reset\",\"at\":\"2026-03-01T17:00:00.000000Z\",\"organization_id\":null,\"client_id\":null,\"on_behalf_of\":null,\"owner_id\":null,\"patient_id\":\"01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10\",\"referral_id\":null,\"resource\":null}\n\n"),
    ))),
    security(("oauth2" = ["organizations:read"]))
)]
#[get("/v1/changes")]
pub async fn list_changes(
    app: State,
    caller: Allowed<scope::OrganizationsRead>,
    query: Query<ChangeQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let (caller, query) = (caller.into_principal(), query.0);
    let filter = Filter::of(&query);
    let place = match last_event_id(&request)? {
        Some(id) => after_event(id, &filter)?,
        None => start(&app, &query, &filter).await?,
    };
    if stream::is_wanted(&request) {
        let slot = open(&app, &request, caller.client_id, stream::life(app.config.request_timeout))?;
        let token = principal::bearer_token(&request)?.unwrap_or_default().to_owned();
        return Ok(stream::respond(Tail { app, caller, token, filter, place, slot }));
    }
    let Piece { items, next, has_more } = wait_for(&app, &request, &caller, &query, &filter, place).await?;
    let items = items.into_iter().map(|item| item.entry).collect();
    let next = page::encode_cursor(&next, filter.fingerprint())?;
    Ok(HttpResponse::Ok().json(ChangeFeed { items, next, has_more }))
}

/// A place among what the client reads on at once.
fn open(app: &State, request: &HttpRequest, client: ClientId, life: Duration) -> Result<Slot<ClientId>> {
    app.streams.open(client, life).inspect_err(|_| {
        // What is left of the calls says nothing of the streams.
        request.extensions_mut().remove::<Allowance>();
    })
}

/// The next piece: as soon as there is something in it, or when the time is up.
async fn wait_for(
    app: &State,
    request: &HttpRequest,
    caller: &Principal,
    query: &ChangeQuery,
    filter: &Filter,
    mut place: FeedPlace,
) -> Result<Piece> {
    // An empty piece is an answer, and a request that has taken too long is not.
    let wait = Duration::from_secs(u64::from(query.wait)).min(stream::life(app.config.request_timeout));
    let deadline = tokio::time::Instant::now() + wait;
    let mut slot = None;
    loop {
        let (caller, clock, filter, limit) = (caller.clone(), app.clock.clone(), filter.clone(), query.limit.get());
        let client = caller.client_id;
        let piece = app.db.read(move |conn| feed::read(conn, &caller, &clock, &filter, place, limit)).await?;
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        if !piece.items.is_empty() || piece.has_more || left.is_zero() {
            return Ok(piece);
        }
        if slot.is_none() {
            // Who waits has the feed read again and again, as a stream does, and is counted as one.
            slot = Some(open(app, request, client, left)?);
        }
        if app.stops_within(LOOK_AGAIN.min(left)).await {
            return Ok(piece);
        }
        place = piece.next;
    }
}

/// Where a query begins.
async fn start(app: &State, query: &ChangeQuery, filter: &Filter) -> Result<FeedPlace> {
    match (&query.cursor, query.since) {
        (Some(_), Some(_)) => {
            Err(refusal(vec![Fault::new("since", "not_allowed", "must not be given with a cursor, which goes on from its own place")]))
        }
        (Some(cursor), None) => page::decode_cursor(cursor, filter.fingerprint()),
        (None, Some(moment)) => {
            let position: Position = app.db.read(move |conn| repository::before(conn, moment)).await?;
            Ok(FeedPlace { position, ..FeedPlace::default() })
        }
        (None, None) => Ok(FeedPlace::default()),
    }
}

/// The header, if there is one with something in it: nothing is what a reader sends that has had no id.
fn last_event_id(request: &HttpRequest) -> Result<Option<&str>> {
    let Some(value) = request.headers().get(LAST_EVENT_ID) else { return Ok(None) };
    let text = value.to_str().map_err(|_| spoiled_id("is not an id that this stream has given".into()))?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

fn after_event(id: &str, filter: &Filter) -> Result<FeedPlace> {
    page::decode_cursor(id, filter.fingerprint()).map_err(|error| match error {
        Error::Malformed { faults, .. } => spoiled_id(faults.into_iter().next().map_or_else(String::new, |fault| fault.message)),
        other => other,
    })
}

fn spoiled_id(message: String) -> Error {
    Error::Malformed {
        detail: format!("{LAST_EVENT_ID} cannot be used; see errors."),
        faults: vec![Fault::new(LAST_EVENT_ID, "invalid_cursor", message)],
    }
}
