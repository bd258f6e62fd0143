//! The client of webhooks: one request, no redirects, bounds on time and size.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;

use super::model::AttemptError;
use crate::outbound::{self, Exceptions, Failure, retry_after};

/// An answer is read to this many bytes, so that the connection can be used again. What it says matters to nobody.
const MOST_OF_ANSWER: usize = 64 * 1024;

/// And for no longer than this.
const LONGEST_DRAIN: Duration = Duration::from_secs(1);

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status, where there was an answer.
    pub status_code: Option<u16>,
    /// Why it did not succeed; `None` where it did.
    pub error: Option<AttemptError>,
    /// For how long the receiver asks to be left alone.
    pub retry_after: Option<Duration>,
    /// How long it took.
    pub duration: Duration,
}

impl Answer {
    /// Whether the receiver has taken it.
    pub const fn is_success(&self) -> bool {
        self.error.is_none()
    }
}

impl From<Failure> for AttemptError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::RefusedAddress => Self::RefusedAddress,
            Failure::NameNotFound => Self::NameNotFound,
            Failure::Connection => Self::Connection,
            Failure::Tls => Self::Tls,
        }
    }
}

/// Sends requests to receivers.
#[derive(Debug)]
pub struct Client {
    outbound: Arc<outbound::Client>,
    timeout: Duration,
}

impl Client {
    /// A client that waits so long for an answer.
    pub const fn new(outbound: Arc<outbound::Client>, timeout: Duration) -> Self {
        Self { outbound, timeout }
    }

    /// The hosts that are excepted from the rules for addresses.
    pub fn exceptions(&self) -> &Exceptions {
        self.outbound.exceptions()
    }

    /// How long an answer is waited for.
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Posts JSON to a URL.
    pub async fn post(&self, url: &str, headers: &HeaderMap, body: String) -> Answer {
        let began = Instant::now();
        let outcome = tokio::time::timeout(self.timeout, self.exchange(url, headers, body)).await;
        let (status_code, error, retry_after) = match outcome {
            Err(_) => (None, Some(AttemptError::Timeout), None),
            Ok(Err(error)) => (None, Some(error), None),
            Ok(Ok((status, retry_after))) => {
                let error = match status {
                    status if status.is_success() => None,
                    status if status.is_redirection() => Some(AttemptError::Redirect),
                    _ => Some(AttemptError::Status),
                };
                (Some(status.as_u16()), error, retry_after)
            }
        };
        Answer { status_code, error, retry_after, duration: began.elapsed() }
    }

    async fn exchange(&self, url: &str, headers: &HeaderMap, body: String) -> Result<(StatusCode, Option<Duration>), AttemptError> {
        let mut headers = headers.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let response = self.outbound.send(Method::POST, url, &headers, body).await?;
        let (status, retry_after) = (response.status(), retry_after(response.headers()));
        drain(response.into_body()).await;
        Ok((status, retry_after))
    }
}

/// Reads what remains, up to the bounds. Whether it comes to an end changes nothing: the status has been said.
async fn drain(body: Incoming) {
    let _may_break_off = tokio::time::timeout(LONGEST_DRAIN, Limited::new(body, MOST_OF_ANSWER).collect()).await;
}
