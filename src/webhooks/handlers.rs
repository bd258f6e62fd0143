//! HTTP of endpoints.

use actix_web::http::header::ETAG;
use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, put};
use chrono::Duration;

use super::api::{WebhookEndpoint, WebhookEndpointQuery, WebhookEndpointWithSecret, WebhookSecretRotation};
use super::lifecycle::Places;
use super::model::{EndpointRow, WebhookEndpointInput, WebhookStatus};
use super::{lifecycle, queue, repository, signing};
use crate::app::{App, State};
use crate::auth::{Allowed, Principal, scope, sight};
use crate::changes::Action;
use crate::changes::place::Told;
use crate::db::DbConn;
use crate::db::types::{Id, Json};
use crate::error::{Error, Fault, Result};
use crate::http::body::{MergePatch, Valid};
use crate::http::command::{Command, Reply};
use crate::http::etag::{IfMatch, IfNoneMatch, OptionalIfMatch, tag};
use crate::http::page::{self, Page};
use crate::http::query::Query;
use crate::http::resource::{self, Head, HistoryQuery, Resource, Revision};
use crate::kind::{self, WebhookEndpointId};
use crate::outbound::address;
use crate::{organizations, services};

/// An organization has at most so many endpoints.
const MOST: i64 = 100;

/// Endpoints, for the common verbs.
#[derive(Debug)]
pub struct WebhookEndpoints;

impl Resource for WebhookEndpoints {
    type Kind = kind::WebhookEndpoint;
    type Input = WebhookEndpointInput;
    type Row = EndpointRow;
    type Shape = WebhookEndpoint;

    const PATH: &'static str = "/v1/webhook-endpoints";

    fn head(row: &EndpointRow) -> Head<kind::WebhookEndpoint> {
        Head {
            id: row.id,
            owner: row.organization_id,
            version: row.version,
            is_deleted: row.deleted_at.is_some(),
            patient_id: None,
            referral_id: None,
        }
    }

    fn input(row: &EndpointRow) -> WebhookEndpointInput {
        row.input()
    }

    fn shape(row: EndpointRow) -> WebhookEndpoint {
        row.into()
    }

    fn find(conn: &mut DbConn, caller: &Principal, id: WebhookEndpointId) -> Result<Option<EndpointRow>> {
        repository::find(conn, caller.organization_id, id)
    }

    fn prepare(conn: &mut DbConn, caller: &Principal, current: Option<&EndpointRow>, input: &mut WebhookEndpointInput) -> Result<()> {
        if current.is_none() && repository::count(conn, caller.organization_id)? >= MOST {
            return Err(Error::conflict("too_many_endpoints", format!("An organization has at most {MOST} webhook endpoints.")));
        }
        if let Some(row) = current.filter(|row| row.status == WebhookStatus::Disabled && input.status != WebhookStatus::Disabled) {
            queue::ensure_cancelled(conn, row.id)?;
        }
        let mut faults = Vec::new();
        for (index, event) in input.event_types.iter().flatten().enumerate() {
            let (scope, _) = sight::guard(event.resource_type());
            if !caller.has(scope) {
                let message = format!("is sent only to an endpoint written by a client with the scope {scope}");
                faults.push(Fault::new(format!("/event_types/{index}"), "insufficient_scope", message));
            }
        }
        for (index, id) in input.organization_ids.iter().enumerate() {
            if !organizations::repository::exists(conn, *id)? {
                faults.push(Fault::new(format!("/organization_ids/{index}"), "not_found", "is not an organization"));
            }
        }
        for (index, id) in input.service_ids.iter().enumerate() {
            if services::repository::find(conn, *id)?.is_none() {
                faults.push(Fault::new(format!("/service_ids/{index}"), "not_found", "is not a service"));
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(Error::Invalid(faults)) }
    }

    fn insert(conn: &mut DbConn, caller: &Principal, id: WebhookEndpointId, input: WebhookEndpointInput) -> Result<EndpointRow> {
        let (places, status) = (Places::now(conn)?, input.status);
        // What has happened until now is none of its business.
        let told = Told::all_until(caller.at);
        let row = EndpointRow {
            id,
            organization_id: caller.organization_id,
            client_id: caller.client_id,
            status: WebhookStatus::Active,
            status_reason: None,
            status_at: caller.at,
            content: Json(input),
            secret: signing::new_secret()?,
            previous_secret: None,
            previous_secret_expires_at: None,
            version: 1,
            created_at: caller.at,
            updated_at: caller.at,
            deleted_at: None,
            behind_transaction_id: None,
            behind_sequence: None,
            is_replaying: false,
            wake_at: None,
            failures: 0,
            failing_since: None,
            leased_by: None,
            leased_until: None,
            consents_told_at: told.at,
            consents_told_id: told.id,
            rests_until: None,
            requeued_at: None,
            dues_told: places.last_due,
            replayed_id: None,
        };
        let row = lifecycle::with_status(row.at(Some(places.end)), status, places, caller.at);
        repository::insert(conn, &row)?;
        Ok(row)
    }

    fn update(conn: &mut DbConn, caller: &Principal, row: &EndpointRow, input: WebhookEndpointInput) -> Result<Option<EndpointRow>> {
        // Somebody may have asked for a replay since the row was read, of which its version tells nothing.
        repository::lock(conn, row.id)?;
        let Some(row) = repository::find_any(conn, row.id)?.filter(|now| now.version == row.version) else { return Ok(None) };
        let places = Places::now(conn)?;
        let next = lifecycle::with_status(row.clone(), input.status, places, caller.at);
        let next =
            EndpointRow { client_id: caller.client_id, content: Json(input), version: row.version + 1, updated_at: caller.at, ..next };
        if !repository::replace(conn, &next)? {
            return Ok(None);
        }
        if next.status != row.status {
            lifecycle::keep(conn, row.status, &next, caller.at)?;
        }
        Ok(Some(next))
    }

    fn delete(conn: &mut DbConn, caller: &Principal, row: &EndpointRow) -> Result<Option<EndpointRow>> {
        let row = EndpointRow {
            version: row.version + 1,
            updated_at: caller.at,
            deleted_at: Some(caller.at),
            secret: String::new(),
            previous_secret: None,
            ..row.clone()
        };
        if !repository::replace(conn, &row)? {
            return Ok(None);
        }
        queue::cancel(conn, row.id, caller.at)?;
        Ok(Some(row))
    }
}

/// Fails where nothing may be sent to the URL.
fn check_url(app: &App, url: &str) -> Result<()> {
    match address::parse(url, app.webhooks.exceptions()) {
        Ok(_) => Ok(()),
        Err((code, message)) => Err(Error::invalid("/url", code, message)),
    }
}

/// List webhook endpoints
///
/// Of the caller's organization, in order of creation.
#[utoipa::path(tag = "webhooks", params(WebhookEndpointQuery), responses((status = 200, description = "A page of endpoints.", body = Page<WebhookEndpoint>)), security(("oauth2" = ["webhooks:read"])))]
#[get("/v1/webhook-endpoints")]
pub async fn list_webhook_endpoints(
    app: State,
    caller: Allowed<scope::WebhooksRead>,
    query: Query<WebhookEndpointQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let query = query.0;
    let fingerprint = page::fingerprint(&WebhookEndpointQuery { cursor: None, limit: page::Limit::default(), ..query.clone() });
    let after: Option<WebhookEndpointId> = query.cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?;
    let page = app
        .db
        .read(move |conn| {
            let rows = repository::list(conn, caller.organization_id, &query, after)?;
            Page::from_rows(rows, query.limit, fingerprint, |row: &EndpointRow| row.id)
        })
        .await?;
    Ok(page.map(WebhookEndpoint::from).respond(&request))
}

/// Create a webhook endpoint
///
/// Events are posted to its URL from now on, signed as Standard Webhooks says: at least once each, and what is about one resource in its
/// order. The secret is in this answer and in no other. Sent is what this client may see, judged anew for every event. An organization has
/// at most 100 endpoints.
#[utoipa::path(tag = "webhooks", request_body = WebhookEndpointInput, responses((status = 201, description = "The new endpoint, with its secret.", body = WebhookEndpointWithSecret), (status = 409, description = "The organization has as many endpoints as it may have: `too_many_endpoints`.")), security(("oauth2" = ["webhooks:write"])))]
#[post("/v1/webhook-endpoints")]
pub async fn create_webhook_endpoint(
    app: State,
    caller: Allowed<scope::WebhooksWrite>,
    command: Command<WebhookEndpointInput>,
) -> Result<HttpResponse> {
    check_url(&app, &command.input.url)?;
    command
        .run(&app, &caller, |conn, caller, input| {
            let (head, endpoint) = resource::insert::<WebhookEndpoints>(conn, caller, input.clone())?;
            let secret = repository::find_any(conn, head.id)?.ok_or(Error::NotFound)?.secret;
            let location = resource::location::<WebhookEndpoints>(head.id);
            Reply::created(&location, head.version, &WebhookEndpointWithSecret { secret, endpoint })
        })
        .await
}

/// Read a webhook endpoint
///
/// Without its secret.
#[utoipa::path(tag = "webhooks", params(("id" = WebhookEndpointId, Path, description = "The endpoint's id.")), responses((status = 200, description = "The endpoint.", body = WebhookEndpoint)), security(("oauth2" = ["webhooks:read"])))]
#[get("/v1/webhook-endpoints/{id}")]
pub async fn get_webhook_endpoint(
    app: State,
    caller: Allowed<scope::WebhooksRead>,
    id: Path<Id<kind::WebhookEndpoint>>,
    known: IfNoneMatch,
) -> Result<HttpResponse> {
    resource::get::<WebhookEndpoints>(&app, &caller, *id, &known).await
}

/// Replace a webhook endpoint
///
/// All that is not sent is cleared, and an absent status makes it active. From then on, what this client may see is sent.
#[utoipa::path(tag = "webhooks", params(("id" = WebhookEndpointId, Path, description = "The endpoint's id.")), request_body = WebhookEndpointInput, responses((status = 200, description = "The endpoint as it now is.", body = WebhookEndpoint), (status = 409, description = "It is no longer to be disabled, and more than 20,000 events that waited for it are still to be cancelled, which goes on meanwhile: `too_much_at_once`.")), security(("oauth2" = ["webhooks:write"])))]
#[put("/v1/webhook-endpoints/{id}")]
pub async fn update_webhook_endpoint(
    app: State,
    caller: Allowed<scope::WebhooksWrite>,
    id: Path<Id<kind::WebhookEndpoint>>,
    version: IfMatch,
    input: Valid<WebhookEndpointInput>,
) -> Result<HttpResponse> {
    check_url(&app, &input.0.url)?;
    resource::put::<WebhookEndpoints>(&app, &caller, *id, version, input.0).await
}

/// Change a webhook endpoint
///
/// What is sent changes, the rest stays. `{ "status": "active" }` goes on with one that was paused: what has happened meanwhile is sent
/// then. From then on, what this client may see is sent.
#[utoipa::path(tag = "webhooks", params(("id" = WebhookEndpointId, Path, description = "The endpoint's id.")), responses((status = 200, description = "The endpoint as it now is.", body = WebhookEndpoint), (status = 409, description = "It is no longer to be disabled, and more than 20,000 events that waited for it are still to be cancelled, which goes on meanwhile: `too_much_at_once`.")), security(("oauth2" = ["webhooks:write"])))]
#[patch("/v1/webhook-endpoints/{id}")]
pub async fn patch_webhook_endpoint(
    app: State,
    caller: Allowed<scope::WebhooksWrite>,
    id: Path<Id<kind::WebhookEndpoint>>,
    version: IfMatch,
    patch: MergePatch,
) -> Result<HttpResponse> {
    if let Some(url) = patch.0.get("url").and_then(serde_json::Value::as_str) {
        check_url(&app, url)?;
    }
    resource::patch::<WebhookEndpoints>(&app, &caller, *id, version, patch).await
}

/// Delete a webhook endpoint
///
/// It reads as 410 from then on. What was not sent yet is not sent any more.
#[utoipa::path(tag = "webhooks", params(("id" = WebhookEndpointId, Path, description = "The endpoint's id.")), responses((status = 204, description = "It is deleted.")), security(("oauth2" = ["webhooks:write"])))]
#[delete("/v1/webhook-endpoints/{id}")]
pub async fn delete_webhook_endpoint(
    app: State,
    caller: Allowed<scope::WebhooksWrite>,
    id: Path<Id<kind::WebhookEndpoint>>,
    version: IfMatch,
) -> Result<HttpResponse> {
    resource::delete::<WebhookEndpoints>(&app, &caller, *id, version).await
}

/// Read the history of a webhook endpoint
///
/// Every version, oldest first: among them those that the server made when nothing got through.
#[utoipa::path(tag = "webhooks", params(("id" = WebhookEndpointId, Path, description = "The endpoint's id."), HistoryQuery), responses((status = 200, description = "A page of versions.", body = Page<Revision>)), security(("oauth2" = ["webhooks:read"])))]
#[get("/v1/webhook-endpoints/{id}/history")]
pub async fn list_webhook_endpoint_history(
    app: State,
    caller: Allowed<scope::WebhooksRead>,
    id: Path<Id<kind::WebhookEndpoint>>,
    query: Query<HistoryQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    Ok(resource::history::<WebhookEndpoints>(&app, &caller, *id, query.0).await?.respond(&request))
}

/// Give a webhook endpoint another secret
///
/// Both sign for a time, so that receivers can change theirs without losing an event. The new secret is in this answer and in no other.
#[utoipa::path(tag = "webhooks", params(("id" = WebhookEndpointId, Path, description = "The endpoint's id."), ("If-Match" = Option<String>, Header, description = "Fails with 412 unless the endpoint has this version.", example = "\"3\"")), request_body = WebhookSecretRotation, responses((status = 200, description = "The endpoint, with its new secret.", body = WebhookEndpointWithSecret)), security(("oauth2" = ["webhooks:write"])))]
#[post("/v1/webhook-endpoints/{id}/rotate-secret")]
pub async fn rotate_webhook_secret(
    app: State,
    caller: Allowed<scope::WebhooksWrite>,
    id: Path<Id<kind::WebhookEndpoint>>,
    version: OptionalIfMatch,
    command: Command<WebhookSecretRotation>,
) -> Result<HttpResponse> {
    let id = *id;
    command
        .run(&app, &caller, move |conn, caller, input| {
            let row = resource::get_row::<WebhookEndpoints>(conn, caller, id)?;
            version.check(row.version)?;
            let next = EndpointRow {
                secret: signing::new_secret()?,
                previous_secret: Some(row.secret.clone()),
                previous_secret_expires_at: Some(caller.at.plus(Duration::hours(i64::from(input.overlap_hours)))),
                version: row.version + 1,
                updated_at: caller.at,
                ..row.clone()
            };
            if !repository::replace(conn, &next)? {
                return Err(Error::Busy);
            }
            let (head, secret) = (WebhookEndpoints::head(&next), next.secret.clone());
            let endpoint = WebhookEndpoints::shape(next);
            resource::record::<WebhookEndpoints>(conn, caller, &head, Action::Updated, &endpoint)?;
            Ok(Reply::ok(&WebhookEndpointWithSecret { secret, endpoint })?.with_header(ETAG.as_str(), tag(head.version)))
        })
        .await
}
