//! Commands: requests that an `Idempotency-Key` makes safe to send again. Every POST is one, and so is a PUT that records something anew each
//! time.
//!
//! The key is kept in the transaction of the effect itself: there is no effect without its key, and no key without its effect. A
//! request that fails leaves nothing and may be sent again. Keys belong to the calling client and live for [`KEPT`].

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, ETAG, LOCATION};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use base16ct::HexDisplay;
use chrono::Duration;
use diesel::RunQueryDsl;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use validator::Validate;

use super::{body, etag, json, schema};
use crate::app::App;
use crate::auth::Principal;
use crate::db::DbConn;
use crate::db::idempotency_keys::{self, Kept};
use crate::db::types::{Instant, Json};
use crate::error::{Chain, Error, Result};
use crate::kind::ClientId;

/// How long an idempotency key is remembered.
pub const KEPT: Duration = Duration::days(7);

/// How often a process looks for answers that are older.
const FORGET_EVERY: std::time::Duration = std::time::Duration::from_secs(60 * 60);

/// Forgets the answers that are older than [`KEPT`], a bounded number in each transaction.
pub async fn forget_old(app: &App) -> Result<()> {
    let before = app.clock.now().plus(-KEPT);
    while app.db.write(move |conn| idempotency_keys::purge(conn, before)).await? > 0 {}
    Ok(())
}

/// Does so now and then for as long as the process runs. Processes on one database may do it at the same time.
pub async fn keep_forgetting(app: crate::app::State) {
    loop {
        if let Err(error) = forget_old(&app).await {
            log::warn!("old idempotency keys were not deleted: {}", Chain(&error));
        }
        tokio::time::sleep(FORGET_EVERY).await;
    }
}

/// The answer of a command, in a form that can be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Reply {
    /// 201 with the new resource, where it is, and its version.
    pub fn created(location: &str, version: i64, shape: &impl Serialize) -> Result<Self> {
        let headers = vec![(LOCATION.to_string(), location.to_owned()), (ETAG.to_string(), etag::tag(version))];
        Ok(Self { status: 201, headers, body: serde_json::to_string(shape).map_err(Error::internal)? })
    }

    /// 200 with a body.
    pub fn ok(shape: &impl Serialize) -> Result<Self> {
        Ok(Self { status: 200, headers: Vec::new(), body: serde_json::to_string(shape).map_err(Error::internal)? })
    }

    /// 200 with a resource and its version.
    pub fn versioned(version: i64, shape: &impl Serialize) -> Result<Self> {
        Ok(Self::ok(shape)?.with_header(ETAG.as_str(), etag::tag(version)))
    }

    /// 202 with what was begun and where it can be asked after.
    pub fn accepted(location: &str, shape: &impl Serialize) -> Result<Self> {
        Ok(Self { status: 202, ..Self::ok(shape)? }.with_header(LOCATION.as_str(), location))
    }

    /// Whether it is about what is there.
    pub fn is_of(&self, location: &str) -> bool {
        self.headers.iter().any(|(name, value)| name == LOCATION.as_str() && value == location)
    }

    /// One more header.
    pub fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The response.
    pub fn respond(self) -> HttpResponse {
        let mut response = HttpResponse::build(StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK));
        for (name, value) in self.headers {
            response.insert_header((name, value));
        }
        if self.body.is_empty() { response.finish() } else { response.insert_header((CONTENT_TYPE, "application/json")).body(self.body) }
    }
}

/// The key of a request and what it was used for.
#[derive(Debug, Clone)]
struct Key {
    text: String,
    route: String,
    body_hash: String,
}

/// A command with a valid `T` in its body.
#[derive(Debug)]
pub struct Command<T> {
    /// The body.
    pub input: T,
    key: Option<Key>,
}

impl<T: ToSchema + DeserializeOwned + Validate + 'static> FromRequest for Command<T> {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let key = key_of(request);
        let route = format!("{} {}", request.method(), request.uri());
        let bytes = body::read_json(request, payload);
        Box::pin(async move {
            let text = key?;
            let bytes = bytes.await?;
            let key = text.map(|text| Key { text, route, body_hash: format!("{:x}", Sha256::digest(&bytes)) });
            Ok(Self { input: schema::check(json::parse(&bytes)?)?, key })
        })
    }
}

fn key_of(request: &HttpRequest) -> Result<Option<String>> {
    let Some(value) = request.headers().get("idempotency-key") else { return Ok(None) };
    let is_key = |text: &&str| (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    let text = value.to_str().ok().filter(is_key);
    text.map(|text| Some(text.to_owned())).ok_or_else(|| Error::malformed("Idempotency-Key must have 1 to 255 visible ASCII characters."))
}

impl<T: Send + Sync + 'static> Command<T> {
    /// The answer that was given before under this key. Whoever has much to find out before the effect asks for it first: what the caller
    /// might find out then, it may find out no more.
    pub async fn answered(&self, app: &App, caller: &Principal) -> Result<Option<HttpResponse>> {
        let Some(key) = self.key.clone() else { return Ok(None) };
        let (client, now) = (caller.client_id, caller.at);
        let kept = app.db.read_briefly(move |conn| key.answered(conn, client, now)).await?;
        Ok(kept.map(Reply::respond))
    }

    /// Runs the effect in one transaction, once for each key, and answers.
    ///
    /// The effect may run again where the database asks for a retry, so it has no effects but those on `conn`.
    pub async fn run<F>(self, app: &App, caller: &Principal, effect: F) -> Result<HttpResponse>
    where
        F: Fn(&mut DbConn, &Principal, &T) -> Result<Reply> + Send + 'static,
    {
        let (caller, clock) = (caller.clone(), app.clock.clone());
        let reply = app.db.write(move |conn| self.once(conn, &caller.now(&clock), &effect)).await?;
        Ok(reply.respond())
    }

    fn once(&self, conn: &mut DbConn, caller: &Principal, effect: impl Fn(&mut DbConn, &Principal, &T) -> Result<Reply>) -> Result<Reply> {
        match &self.key {
            Some(key) => key.once(conn, caller, |conn| effect(conn, caller, &self.input)),
            None => effect(conn, caller, &self.input),
        }
    }
}

impl Key {
    /// The answer that this key had; where it had none, that of the effect, which is kept.
    fn once(&self, conn: &mut DbConn, caller: &Principal, effect: impl FnOnce(&mut DbConn) -> Result<Reply>) -> Result<Reply> {
        lock(conn, caller.client_id, self)?;
        if let Some(reply) = find(conn, caller.client_id, self, caller.at)? {
            return Ok(reply);
        }
        let reply = effect(conn)?;
        keep(conn, caller.client_id, self, &reply, caller.at)?;
        Ok(reply)
    }

    /// The answer that it had, if it had one that is not past.
    fn answered(&self, conn: &mut DbConn, client: ClientId, now: Instant) -> Result<Option<Reply>> {
        let kept = idempotency_keys::find(conn, client, &self.text)?.filter(|kept| !is_past(kept, now));
        kept.map(|kept| self.reply(kept)).transpose()
    }

    /// The answer that was kept, if it was one to this request.
    fn reply(&self, kept: Kept) -> Result<Reply> {
        if kept.route != self.route || kept.body_hash != self.body_hash {
            return Err(Error::IdempotencyKeyReused);
        }
        Ok(Reply { status: u16::try_from(kept.status).unwrap_or(200), headers: kept.headers.0, body: kept.body })
    }
}

/// The key of a POST whose body is too large to be read before it is worked on: the hash comes when all has arrived.
#[derive(Debug, Clone)]
pub struct StreamedKey {
    key: Option<Key>,
}

impl StreamedKey {
    /// That of a request, if it has one.
    pub fn of(request: &HttpRequest) -> Result<Self> {
        let key = |text| Key { text, route: format!("{} {}", request.method(), request.uri()), body_hash: String::new() };
        Ok(Self { key: key_of(request)?.map(key) })
    }

    /// No key: what is done is not remembered.
    pub const fn none() -> Self {
        Self { key: None }
    }

    /// Whether an answer to this route is kept under the key: then nothing new comes of the request. Fails with
    /// [`Error::IdempotencyKeyReused`] where one to another is, whatever the body will be.
    pub fn is_known(&self, conn: &mut DbConn, caller: &Principal) -> Result<bool> {
        let Some(key) = &self.key else { return Ok(false) };
        let kept = idempotency_keys::find(conn, caller.client_id, &key.text)?.filter(|kept| !is_past(kept, caller.at));
        if kept.as_ref().is_some_and(|kept| kept.route != key.route) {
            return Err(Error::IdempotencyKeyReused);
        }
        Ok(kept.is_some())
    }

    /// Runs the effect in the transaction of `conn` once for each key, for a body with this SHA-256.
    pub fn once(
        &self,
        conn: &mut DbConn,
        caller: &Principal,
        digest: &[u8],
        effect: impl FnOnce(&mut DbConn) -> Result<Reply>,
    ) -> Result<Reply> {
        match &self.key {
            Some(key) => Key { body_hash: format!("{:x}", HexDisplay(digest)), ..key.clone() }.once(conn, caller, effect),
            None => effect(conn),
        }
    }
}

/// On PostgreSQL two requests with one key can run at once; the second is turned away at the door. On SQLite the writer is alone.
fn lock(conn: &mut DbConn, client: ClientId, key: &Key) -> Result<()> {
    diesel::define_sql_function! {
        /// True where the lock was free; it is held until the transaction ends.
        fn pg_try_advisory_xact_lock(key: diesel::sql_types::BigInt) -> diesel::sql_types::Bool;
    }
    let DbConn::Pg(pg) = conn else { return Ok(()) };
    let digest = Sha256::new().chain_update(client.uuid()).chain_update(&key.text).finalize();
    let number = digest.iter().take(8).fold(0_i64, |number, byte| (number << 8) | i64::from(*byte));
    if diesel::select(pg_try_advisory_xact_lock(number)).get_result::<bool>(pg)? { Ok(()) } else { Err(Error::IdempotencyKeyInUse) }
}

/// The answer that this key had, if it had one that is not forgotten.
fn find(conn: &mut DbConn, client: ClientId, key: &Key, now: Instant) -> Result<Option<Reply>> {
    let kept = idempotency_keys::find(conn, client, &key.text)?;
    if kept.as_ref().is_some_and(|kept| is_past(kept, now)) {
        idempotency_keys::forget(conn, client, &key.text)?;
        return Ok(None);
    }
    kept.map(|kept| key.reply(kept)).transpose()
}

fn is_past(kept: &Kept, now: Instant) -> bool {
    kept.created_at.plus(KEPT) < now
}

fn keep(conn: &mut DbConn, client: ClientId, key: &Key, reply: &Reply, now: Instant) -> Result<()> {
    let kept = Kept {
        client_id: client,
        key: key.text.clone(),
        route: key.route.clone(),
        body_hash: key.body_hash.clone(),
        status: i32::from(reply.status),
        headers: Json(reply.headers.clone()),
        body: reply.body.clone(),
        created_at: now,
    };
    idempotency_keys::keep(conn, &kept)
}
