//! HTTP of the change feed.

use std::time::Duration;

use actix_web::{HttpResponse, get};

use super::api::{ChangeFeed, ChangeQuery};
use super::feed;
use super::model::Position;
use crate::app::State;
use crate::auth::{Allowed, Principal, scope};
use crate::error::Result;
use crate::http::page;
use crate::http::query::Query;

/// How often a waiting reader looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(400);

/// Read the change feed
///
/// Every change of what the caller may see, in an order in which none is ever skipped: go on from `next`, and you have it all. With
/// `wait` the answer comes as soon as there is a change, or when the time is up. What a client's scopes do not let it read is left out.
#[utoipa::path(tag = "changes", params(ChangeQuery), responses((status = 200, description = "The next piece of the feed.", body = ChangeFeed)), security(("oauth2" = ["organizations:read"])))]
#[get("/v1/changes")]
pub async fn list_changes(app: State, caller: Allowed<scope::OrganizationsRead>, query: Query<ChangeQuery>) -> Result<HttpResponse> {
    let ChangeQuery { resource_type, cursor, limit, wait } = query.0;
    let fingerprint = page::fingerprint(&("changes", &resource_type));
    let after: Position = cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?.unwrap_or_default();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(u64::from(wait));
    loop {
        let (caller, types) = (Principal::clone(&caller), resource_type.clone());
        let piece = app.db.read(move |conn| feed::read(conn, &caller, after, &types, limit.get())).await?;
        if !piece.items.is_empty() || piece.has_more || tokio::time::Instant::now() >= deadline {
            let next = page::encode_cursor(&piece.next, fingerprint)?;
            return Ok(HttpResponse::Ok().json(ChangeFeed { items: piece.items, next, has_more: piece.has_more }));
        }
        tokio::time::sleep(LOOK_AGAIN.min(deadline - tokio::time::Instant::now())).await;
    }
}
