//! What is true of every response: a request id, security headers, a problem document for every failure, a line in the log.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_web::body::{BodySize, BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{Error as ActixError, HttpMessage, HttpRequest, HttpResponse};
use uuid::Uuid;

use super::body::Arrival;
use crate::auth::limits::Allowance;
use crate::error::{Error, Problem};
use crate::kind::ClientId;
use crate::logging::{self, RequestLine};
use crate::openapi;

/// The request's id: the caller's where it was sane, else one of ours. Kept in the request's extensions.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const RATELIMIT_LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const RATELIMIT_REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RATELIMIT_RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

impl RequestId {
    fn of(request: &ServiceRequest) -> Self {
        let given = request.headers().get(X_REQUEST_ID).and_then(|value| value.to_str().ok());
        let is_sane = |text: &&str| {
            (1..=128).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':'))
        };
        Self(given.filter(is_sane).map_or_else(|| Uuid::now_v7().to_string(), str::to_owned))
    }

    /// The id of a request that has passed [`surround`].
    pub fn get(request: &HttpRequest) -> Option<String> {
        request.extensions().get::<Self>().map(|id| id.0.clone())
    }
}

/// Wraps every request.
///
/// A request that takes longer than `limit` is answered 503, or 408 where its body is still on its way; what it had begun to write is
/// finished or undone by the database, so a retry with the same `Idempotency-Key` is safe. A large body that is streamed at a fair pace
/// has as long as it needs.
///
/// `HEAD` is `GET` without the body (RFC 9110 §9.3.2), which the HTTP layer leaves out by itself.
pub async fn surround<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
    limit: Duration,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, ActixError> {
    let started = Instant::now();
    let id = RequestId::of(&request);
    let arrival = Arrival::default();
    request.extensions_mut().insert(id.clone());
    request.extensions_mut().insert(arrival.clone());
    // The router needs the request for itself, so nothing may hold a clone of it across the call.
    let (method, path) = (request.method().clone(), request.path().to_owned());
    let is_head = method == Method::HEAD;
    if is_head {
        request.head_mut().method = Method::GET;
    }
    let log = |status: StatusCode, route: Option<&str>, client_id| {
        logging::request_line(&RequestLine {
            request_id: &id.0,
            method: &method,
            route,
            status: status.as_u16(),
            duration: started.elapsed(),
            client_id,
        });
    };
    let mut call = std::pin::pin!(next.call(request));
    let mut answer = tokio::time::timeout(limit, &mut call).await;
    while answer.is_err() && arrival.has_moved() {
        answer = tokio::time::timeout(limit, &mut call).await;
    }
    let too_late = || if arrival.is_awaited() { Error::TooSlow } else { Error::TimedOut };
    match answer.unwrap_or_else(|_| Err(too_late().into())) {
        Ok(response) => {
            let mut response = with_body(response, &id, is_head);
            add_headers(response.headers_mut(), &id);
            let allowance = response.request().extensions().get::<Allowance>().copied();
            if let Some(allowance) = allowance {
                add_allowance(response.headers_mut(), allowance);
            }
            let request = response.request();
            log(response.status(), request.match_pattern().as_deref(), request.extensions().get::<ClientId>().copied());
            Ok(response)
        }
        Err(error) => {
            let mut response = error.as_response_error().error_response();
            if let Some(problem) = problem_of(&error) {
                response = with_request_id(&response, problem, &id);
            }
            add_headers(response.headers_mut(), &id);
            log(response.status(), openapi::template_of(&path), None);
            Err(InternalError::from_response(error, response).into())
        }
    }
}

/// The response with the body that is sent: that of a failure says which request it was, and of what `HEAD` asks for there is none.
fn with_body<B: MessageBody + 'static>(
    response: ServiceResponse<B>,
    id: &RequestId,
    is_head: bool,
) -> ServiceResponse<EitherBody<B, BoxBody>> {
    if let Some(problem) = failure(&response) {
        let rebuilt = with_request_id(response.response(), problem, id);
        return response.into_response(rebuilt).map_into_right_body();
    }
    // Nobody waits for the end of what is not sent.
    match response.response().body().size() {
        BodySize::Stream if is_head => response.map_body(|_, _| EitherBody::right(BoxBody::new(()))),
        BodySize::Sized(length) if is_head => response.map_body(|_, _| EitherBody::right(BoxBody::new(Unsent(length)))),
        _ => response.map_into_left_body(),
    }
}

/// A body of which `HEAD` tells the length alone.
struct Unsent(u64);

impl MessageBody for Unsent {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.0)
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Ready(None)
    }
}

fn failure<B>(response: &ServiceResponse<B>) -> Option<Problem> {
    response.response().error().and_then(problem_of)
}

fn problem_of(error: &ActixError) -> Option<Problem> {
    error.as_error::<Error>().map(Error::problem)
}

/// The same failure with the request id in its body.
fn with_request_id<B>(response: &HttpResponse<B>, problem: Problem, id: &RequestId) -> HttpResponse {
    let mut rebuilt = HttpResponse::build(response.status());
    for header in response.headers() {
        rebuilt.append_header(header);
    }
    rebuilt.json(Problem { request_id: Some(id.0.clone()), ..problem })
}

fn add_headers(headers: &mut HeaderMap, id: &RequestId) {
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        headers.insert(X_REQUEST_ID, value);
    }
    let defaults = [
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (X_FRAME_OPTIONS, "DENY"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ];
    for (name, value) in defaults {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

/// What the caller has left, as the IETF draft `draft-ietf-httpapi-ratelimit-headers-03` and most clients know it.
fn add_allowance(headers: &mut HeaderMap, allowance: Allowance) {
    headers.insert(RATELIMIT_LIMIT, allowance.limit.into());
    headers.insert(RATELIMIT_REMAINING, allowance.remaining.into());
    headers.insert(RATELIMIT_RESET, allowance.reset_seconds.into());
}
