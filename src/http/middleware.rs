//! What is true of every response: a request id, security headers, a problem document for every failure, a line in the log.

use std::time::{Duration, Instant};

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error as ActixError, HttpMessage, HttpRequest, HttpResponse};
use uuid::Uuid;

use crate::error::{Error, Problem};
use crate::kind::ClientId;
use crate::logging::{self, RequestLine};

/// The request's id: the caller's where it was sane, else one of ours. Kept in the request's extensions.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

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
/// A request that takes longer than `limit` is answered 503; what it had begun to write is finished or undone by the database, so a
/// retry with the same `Idempotency-Key` is safe.
pub async fn surround<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
    limit: Duration,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, ActixError> {
    let started = Instant::now();
    let id = RequestId::of(&request);
    request.extensions_mut().insert(id.clone());
    let inner = request.request().clone();
    let outcome = tokio::time::timeout(limit, next.call(request)).await;
    let mut response = match outcome {
        Ok(Ok(response)) => match failure(&response) {
            Some(problem) => {
                let rebuilt = with_request_id(response.response(), problem, &id);
                response.into_response(rebuilt).map_into_right_body()
            }
            None => response.map_into_left_body(),
        },
        Ok(Err(error)) => fail(inner, error.as_response_error().error_response(), problem_of(&error), &id),
        Err(_) => {
            let error = ActixError::from(Error::TimedOut);
            fail(inner, error.as_response_error().error_response(), problem_of(&error), &id)
        }
    };
    add_headers(response.headers_mut(), &id);
    logging::request_line(&RequestLine {
        request_id: &id.0,
        method: response.request().method(),
        route: response.request().match_pattern().as_deref(),
        status: response.status().as_u16(),
        duration: started.elapsed(),
        client_id: response.request().extensions().get::<ClientId>().copied(),
    });
    Ok(response)
}

fn fail<B>(
    request: HttpRequest,
    response: HttpResponse,
    problem: Option<Problem>,
    id: &RequestId,
) -> ServiceResponse<EitherBody<B, BoxBody>> {
    let response = match problem {
        Some(problem) => with_request_id(&response, problem, id),
        None => response,
    };
    ServiceResponse::new(request, response).map_into_right_body()
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

fn add_headers(headers: &mut actix_web::http::header::HeaderMap, id: &RequestId) {
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        headers.insert(X_REQUEST_ID, value);
    }
    let defaults = [
        (CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("x-content-type-options"), "nosniff"),
        (HeaderName::from_static("referrer-policy"), "no-referrer"),
        (HeaderName::from_static("x-frame-options"), "DENY"),
        (HeaderName::from_static("content-security-policy"), "default-src 'none'; frame-ancestors 'none'"),
    ];
    for (name, value) in defaults {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}
