//! HTTP of what was sent, and of sending it once more.

use std::time::Duration;

use actix_web::web::Path;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, get, post, rt};
use serde_json::json;

use super::api::{WebhookDelivery, WebhookDeliveryQuery, WebhookPing, WebhookReplay, WebhookReplayInput, WebhookResendInput};
use super::client::Answer;
use super::handlers::WebhookEndpoints;
use super::model::{AttemptError, DeliveryRow, EndpointRow, WebhookDeliveryId, WebhookStatus};
use super::{queue, repository, worker};
use crate::app::State;
use crate::auth::limits::Allowance;
use crate::auth::{Allowed, Principal, scope};
use crate::changes::filter::Filter;
use crate::changes::places::{self, Work};
use crate::changes::{self, Position};
use crate::db::DbConn;
use crate::db::types::Id;
use crate::error::{Error, Result};
use crate::http::command::{Command, Reply};
use crate::http::page::{self, Page};
use crate::http::query::Query;
use crate::http::resource;
use crate::kind::{self, WebhookEndpointId};

/// Test events of an organization that wait for an answer, at most.
pub const MOST_PINGS: u16 = 4;

/// A place in the journal, as the change feed without filters has it.
fn cursor(place: Position) -> Result<String> {
    page::encode_cursor(&place, Filter::default().fingerprint())
}

/// Deliveries with their attempts.
fn shown(conn: &mut DbConn, rows: Vec<DeliveryRow>) -> Result<Vec<WebhookDelivery>> {
    let ids: Vec<WebhookDeliveryId> = rows.iter().map(|row| row.id).collect();
    let mut attempts = queue::attempts(conn, &ids)?;
    let shape = |row: DeliveryRow| {
        let (of_this, rest) = std::mem::take(&mut attempts).into_iter().partition(|attempt| attempt.delivery_id == row.id);
        attempts = rest;
        Ok(WebhookDelivery::new(row.clone(), cursor(row.place())?, of_this))
    };
    rows.into_iter().map(shape).collect()
}

/// List what was sent to an endpoint
///
/// And what still waits, the latest first, each with its attempts. What was delivered or given up is kept for thirty days.
#[utoipa::path(tag = "webhooks", params(("id" = WebhookEndpointId, Path, description = "The endpoint's id."), WebhookDeliveryQuery), responses((status = 200, description = "A page of deliveries.", body = Page<WebhookDelivery>)), security(("oauth2" = ["webhooks:read"])))]
#[get("/v1/webhook-endpoints/{id}/deliveries")]
pub async fn list_webhook_deliveries(
    app: State,
    caller: Allowed<scope::WebhooksRead>,
    id: Path<Id<kind::WebhookEndpoint>>,
    query: Query<WebhookDeliveryQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let (id, caller, query) = (*id, Principal::clone(&caller), query.0);
    let filters = WebhookDeliveryQuery { cursor: None, limit: page::Limit::default(), ..query.clone() };
    let fingerprint = page::fingerprint(&("deliveries", id, filters));
    let before: Option<WebhookDeliveryId> = query.cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?;
    let page = app
        .db
        .read(move |conn| {
            resource::get_row::<WebhookEndpoints>(conn, &caller, id)?;
            let rows = queue::list(conn, id, &query, before)?;
            let page = Page::from_rows(rows, query.limit, fingerprint, |row: &DeliveryRow| row.id)?;
            Ok(Page { items: shown(conn, page.items)?, next: page.next })
        })
        .await?;
    Ok(page.respond(&request))
}

/// Read what became of a delivery
///
/// By its id, which receivers know as `webhook-id`.
#[utoipa::path(tag = "webhooks", params(("id" = WebhookEndpointId, Path, description = "The endpoint's id."), ("delivery_id" = WebhookDeliveryId, Path, description = "The delivery's id.")), responses((status = 200, description = "The delivery.", body = WebhookDelivery)), security(("oauth2" = ["webhooks:read"])))]
#[get("/v1/webhook-endpoints/{id}/deliveries/{delivery_id}")]
pub async fn get_webhook_delivery(
    app: State,
    caller: Allowed<scope::WebhooksRead>,
    ids: Path<(Id<kind::WebhookEndpoint>, WebhookDeliveryId)>,
) -> Result<HttpResponse> {
    let ((id, delivery), caller) = (*ids, Principal::clone(&caller));
    let delivery = app
        .db
        .read(move |conn| {
            resource::get_row::<WebhookEndpoints>(conn, &caller, id)?;
            let row = queue::find(conn, id, delivery)?.ok_or(Error::NotFound)?;
            shown(conn, vec![row])?.pop().ok_or(Error::NotFound)
        })
        .await?;
    Ok(HttpResponse::Ok().json(delivery))
}

/// Send a delivery again
///
/// Now, under the same `webhook-id`, whatever became of it before. What waits of the same resource waits for it.
#[utoipa::path(tag = "webhooks", params(("id" = WebhookEndpointId, Path, description = "The endpoint's id."), ("delivery_id" = WebhookDeliveryId, Path, description = "The delivery's id.")), request_body = WebhookResendInput, responses((status = 200, description = "The delivery, which waits to be sent.", body = WebhookDelivery), (status = 409, description = "The endpoint is disabled: `webhook_disabled`.")), security(("oauth2" = ["webhooks:write"])))]
#[post("/v1/webhook-endpoints/{id}/deliveries/{delivery_id}/resend")]
pub async fn resend_webhook_delivery(
    app: State,
    caller: Allowed<scope::WebhooksWrite>,
    ids: Path<(Id<kind::WebhookEndpoint>, WebhookDeliveryId)>,
    command: Command<WebhookResendInput>,
) -> Result<HttpResponse> {
    let (id, delivery) = *ids;
    command
        .run(&app, &caller, move |conn, caller, _| {
            enabled(conn, caller, id)?;
            queue::find(conn, id, delivery)?.ok_or(Error::NotFound)?;
            repository::wake_now(conn, id, caller.at)?;
            queue::send_again(conn, delivery, caller.at)?;
            let row = queue::find(conn, id, delivery)?.ok_or(Error::NotFound)?;
            Reply::ok(&shown(conn, vec![row])?.pop())
        })
        .await
}

/// The endpoint, which must not be disabled.
fn enabled(conn: &mut DbConn, caller: &Principal, id: WebhookEndpointId) -> Result<EndpointRow> {
    let row = resource::get_row::<WebhookEndpoints>(conn, caller, id)?;
    if row.status == WebhookStatus::Disabled {
        return Err(Error::conflict("webhook_disabled", "The endpoint is disabled, so that nothing is sent to it."));
    }
    Ok(row)
}

/// Send everything once more
///
/// From behind a place in the change feed, or from a moment on: every event that the endpoint asks for and its client sees now, those
/// that were never sent to it among them. What was sent before is sent again under the same `webhook-id`. New events follow in their
/// order once the replay has reached them. What only time brings about, a day or a consent's moment that has come, is sent again in its
/// place if it was queued for the endpoint then and is not yet forgotten: what was sent is kept for thirty days. Endpoints of one
/// organization that are behind are brought on by turns.
#[utoipa::path(tag = "webhooks", params(("id" = WebhookEndpointId, Path, description = "The endpoint's id.")), request_body = WebhookReplayInput, responses((status = 200, description = "The replay has begun.", body = WebhookReplay), (status = 409, description = "The endpoint is disabled: `webhook_disabled`.")), security(("oauth2" = ["webhooks:write"])))]
#[post("/v1/webhook-endpoints/{id}/replay")]
pub async fn replay_webhook_endpoint(
    app: State,
    caller: Allowed<scope::WebhooksWrite>,
    id: Path<Id<kind::WebhookEndpoint>>,
    command: Command<WebhookReplayInput>,
) -> Result<HttpResponse> {
    let id = *id;
    command
        .run(&app, &caller, move |conn, caller, input| {
            // Of two that ask at once, each has its replay.
            repository::lock(conn, id)?;
            let endpoint = enabled(conn, caller, id)?;
            let place = match (&input.cursor, input.since) {
                (Some(cursor), _) => {
                    let unknown = || Error::invalid("/cursor", "invalid_cursor", "is not a cursor that this API has given");
                    page::decode_any_cursor::<Position>(cursor).ok_or_else(unknown)?
                }
                (None, Some(since)) if since > caller.at => {
                    return Err(Error::invalid("/since", "not_allowed", "must not lie in the future"));
                }
                (None, since) => changes::before(conn, since.unwrap_or(caller.at))?,
            };
            // What it has not been looked at for yet comes all the same.
            let reached = endpoint.behind().map_or_else(|| places::reached(conn, Work::Webhooks), Ok)?;
            let place = place.min(reached);
            repository::rewind(conn, id, place)?;
            Reply::ok(&WebhookReplay { endpoint_id: id, cursor: cursor(place)? })
        })
        .await
}

/// Send a test event
///
/// `webhook.ping`, at once and once, whatever the endpoint's status is and whatever it asks for; the answer says what came back. While four
/// of an organization wait for what comes back, one more answers 429.
#[utoipa::path(tag = "webhooks", params(("id" = WebhookEndpointId, Path, description = "The endpoint's id.")), responses((status = 200, description = "What came back.", body = WebhookPing)), security(("oauth2" = ["webhooks:write"])))]
#[post("/v1/webhook-endpoints/{id}/ping")]
pub async fn ping_webhook_endpoint(
    app: State,
    caller: Allowed<scope::WebhooksWrite>,
    id: Path<Id<kind::WebhookEndpoint>>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let (id, caller) = (*id, caller.into_principal());
    let (at, organization) = (caller.at, caller.organization_id);
    let endpoint = app.db.read(move |conn| resource::get_row::<WebhookEndpoints>(conn, &caller, id)).await?;
    let slot = app.pings.open(organization, app.webhooks.timeout()).inspect_err(|_| {
        // What is left of the calls says nothing of these.
        request.extensions_mut().remove::<Allowance>();
    })?;
    let delivery = WebhookDeliveryId::generate();
    let body = json!({ "type": PING, "timestamp": at, "data": { "endpoint_id": id } });
    // To its end, though whoever has asked may be gone: it counts for as long as it lasts.
    let posting = rt::spawn(async move {
        let answer = worker::post(&app, &endpoint, delivery, body.to_string()).await;
        if let Ok(Answer { error: Some(AttemptError::NameNotFound), duration, .. }) = &answer {
            // Told on the second: a name of a private network is found sooner than none.
            let rest = 1_000_000_000 - u64::from(duration.subsec_nanos());
            tokio::time::sleep(Duration::from_nanos(rest)).await;
        }
        drop(slot);
        answer
    });
    let answer = posting.await.map_err(Error::internal)??;
    let ping = WebhookPing {
        id: delivery.cast(),
        is_delivered: answer.is_success(),
        status_code: answer.status_code,
        duration_ms: AttemptError::told_duration(answer.error, worker::milliseconds(answer.duration)),
        error: answer.error,
    };
    Ok(HttpResponse::Ok().json(ping))
}

/// The type of a test event.
pub const PING: &str = "webhook.ping";
