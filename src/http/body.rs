//! Request bodies: read within the limit, of the right media type, parsed strictly, checked against the published schema.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::Method;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::ToSchema;
use validator::Validate;

use super::unpack::Unpacked;
use super::{json, schema};
use crate::app::State;
use crate::error::{Error, Result};

/// The media type of JSON bodies.
pub const JSON: &[&str] = &["application/json"];
/// The media types of merge patches.
const MERGE_PATCH: &[&str] = &["application/merge-patch+json", "application/json"];

/// A valid `T` from a JSON body.
#[derive(Debug)]
pub struct Valid<T>(pub T);

impl<T: ToSchema + DeserializeOwned + Validate + 'static> FromRequest for Valid<T> {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = read_json(request, payload);
        Box::pin(async move { Ok(Self(schema::check(json::parse(&bytes.await?)?)?)) })
    }
}

/// A JSON merge patch (RFC 7396): an object of what changes, `null` for what is removed.
#[derive(Debug)]
pub struct MergePatch(pub Value);

impl FromRequest for MergePatch {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = read(request, payload, MERGE_PATCH);
        Box::pin(async move {
            let patch = json::parse(&bytes.await?)?;
            if patch.is_object() { Ok(Self(patch)) } else { Err(Error::invalid("", "type", "must be an object")) }
        })
    }
}

/// Whether the body of a request is still on its way: where time runs out meanwhile, the caller was too slow and not the server.
#[derive(Debug, Clone, Default)]
pub struct Arrival(Rc<Progress>);

#[derive(Debug, Default)]
struct Progress {
    is_awaited: Cell<bool>,
    streamed: Cell<u64>,
}

impl Arrival {
    /// A body that is streamed must bring so many bytes within the time that a request may take, to be waited for as long again.
    const PACE: u64 = 256 * 1024;

    /// Whether the body is being waited for.
    pub fn is_awaited(&self) -> bool {
        self.0.is_awaited.get()
    }

    /// Notes that the body is being waited for, or no more.
    pub fn set_awaited(&self, is_awaited: bool) {
        self.0.is_awaited.set(is_awaited);
    }

    /// Notes that so many bytes have arrived of a body that may be too large for the time of one request.
    pub fn note(&self, bytes: usize) {
        self.0.streamed.set(self.0.streamed.get().saturating_add(bytes as u64));
    }

    /// Whether such a body has come far enough since this was last asked to be waited for longer.
    pub fn has_moved(&self) -> bool {
        self.0.streamed.take() >= Self::PACE
    }

    /// That of a request that has passed the middleware.
    pub fn of(request: &HttpRequest) -> Self {
        request.extensions().get::<Self>().cloned().unwrap_or_default()
    }
}

/// Which of the media types that are taken the body of a request has; [`Error::UnsupportedMediaType`] where it is none of them, or not in
/// UTF-8.
pub fn media_type(request: &HttpRequest, taken: &'static [&'static str]) -> Result<&'static str> {
    let given = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = given.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let is_utf8 = parts
        .filter_map(|part| part.split_once('='))
        .all(|(name, value)| !name.eq_ignore_ascii_case("charset") || value.trim_matches('"').eq_ignore_ascii_case("utf-8"));
    let found = taken.iter().copied().find(|media_type| is_utf8 && essence.eq_ignore_ascii_case(media_type));
    found.ok_or(Error::UnsupportedMediaType { expected: taken })
}

/// The body as bytes, unpacked, within the limit of the settings, and of one of the media types.
pub fn read(
    request: &HttpRequest,
    payload: &mut Payload,
    media_types: &'static [&'static str],
) -> impl Future<Output = Result<web::Bytes>> + 'static {
    read_or(request, payload, media_types, None)
}

/// The JSON of a body as bytes. A POST that has no body says all by its path, and is taken as `{}`: of a PUT and a PATCH the body is what
/// they are for.
pub fn read_json(request: &HttpRequest, payload: &mut Payload) -> impl Future<Output = Result<web::Bytes>> + 'static {
    read_or(request, payload, JSON, (request.method() == Method::POST).then_some(&b"{}"[..]))
}

/// The body, or what stands for one that is empty: of that no media type is asked.
fn read_or(
    request: &HttpRequest,
    payload: &mut Payload,
    media_types: &'static [&'static str],
    if_empty: Option<&'static [u8]>,
) -> impl Future<Output = Result<web::Bytes>> + 'static {
    let mut refusal = media_type(request, media_types).err();
    let arrival = Arrival::of(request);
    let limit = request.app_data::<State>().map_or(0, |app| app.config.body_limit as usize);
    let declared = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let unpacked = Unpacked::of(request, payload.take());
    async move {
        let must_have_a_body = if_empty.is_none() || declared.is_some_and(|length| length > 0);
        if must_have_a_body && let Some(refusal) = refusal.take() {
            return Err(refusal);
        }
        let mut unpacked = unpacked?;
        if declared.is_some_and(|length| length > limit) {
            return Err(Error::TooLarge);
        }
        arrival.set_awaited(true);
        // Who declares much and sends nothing is given no memory for it.
        let mut bytes = web::BytesMut::with_capacity(declared.unwrap_or_default().min(64 * 1024));
        while let Some(piece) = unpacked.next().await {
            let piece = piece.map_err(unreadable)?;
            if !piece.is_empty()
                && let Some(refusal) = refusal.take()
            {
                return Err(refusal);
            }
            if bytes.len() + piece.len() > limit {
                return Err(Error::TooLarge);
            }
            bytes.extend_from_slice(&piece);
        }
        arrival.set_awaited(false);
        Ok(match if_empty {
            Some(instead) if bytes.is_empty() => web::Bytes::from_static(instead),
            _ => bytes.freeze(),
        })
    }
}

/// Why a body cannot be read to its end.
pub fn unreadable(error: PayloadError) -> Error {
    match error {
        PayloadError::Overflow => Error::TooLarge,
        PayloadError::EncodingCorrupted => Error::malformed("The body is not packed as Content-Encoding says."),
        _ => Error::malformed("The body could not be read to its end."),
    }
}
