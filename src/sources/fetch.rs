//! One answer of a partner as JSON, within bounds of time and size.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use chrono::{DateTime, Utc};
use http::header::{ACCEPT, DATE, LOCATION};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::Value;
use url::Url;

use super::credentials::Credential;
use super::model::SourceRunError;
use crate::db::types::Instant;
use crate::outbound::{self, Failure, retry_after};

/// More redirects than this do not end.
const MOST_REDIRECTS: usize = 4;

/// Why there is no answer to go on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Miss {
    /// Of which kind.
    pub error: SourceRunError,
    /// The same in words, which quote nothing that was read.
    pub detail: String,
    /// The status, where there was one.
    pub status: Option<StatusCode>,
    /// For how long the partner asks to be left alone.
    pub retry_after: Option<Duration>,
}

impl Miss {
    /// One without an answer.
    pub fn new(error: SourceRunError, detail: impl Into<String>) -> Self {
        Self { error, detail: detail.into(), status: None, retry_after: None }
    }

    /// Whether trying again may help.
    pub fn passes(&self) -> bool {
        let may_change = |status: StatusCode| {
            status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED
                || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS].contains(&status)
        };
        self.error.passes() || self.status.is_some_and(may_change)
    }

    /// Whether the partner says that there is no such thing.
    pub fn is_absent(&self) -> bool {
        self.status.is_some_and(|status| status == StatusCode::NOT_FOUND || status == StatusCode::GONE)
    }
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The JSON of it.
    pub value: Value,
    /// The partner's clock, where it says.
    pub date: Option<Instant>,
}

/// Asks one partner.
#[derive(Debug)]
pub struct Fetcher {
    /// The client.
    pub client: Arc<outbound::Client>,
    /// The longest wait for an answer, redirects and all.
    pub timeout: Duration,
    /// Bytes of the largest answer.
    pub most: usize,
    /// What the partner asks for.
    pub credential: Option<Credential>,
}

impl Fetcher {
    /// What is found at a URL.
    pub async fn get(&self, url: &Url) -> Result<Answer, Miss> {
        let told = |miss: Miss| Miss { detail: format!("GET {}: {}", url.path(), miss.detail), ..miss };
        match tokio::time::timeout(self.timeout, self.follow(url.clone())).await {
            Ok(outcome) => outcome.map_err(told),
            Err(_) => Err(told(Miss::new(SourceRunError::Timeout, "no answer in time"))),
        }
    }

    async fn follow(&self, mut url: Url) -> Result<Answer, Miss> {
        for _ in 0..=MOST_REDIRECTS {
            let mut headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
            if let Some(credential) = self.credential.as_ref().filter(|credential| credential.is_for(&url)) {
                headers.insert(credential.name.clone(), credential.value.clone());
            }
            // Where a redirect leads is judged as any address is.
            let response = self.client.send(Method::GET, url.as_str(), &headers, String::new()).await.map_err(|failure| {
                let error = match failure {
                    Failure::RefusedAddress => SourceRunError::RefusedAddress,
                    Failure::NameNotFound => SourceRunError::NameNotFound,
                    Failure::Connection => SourceRunError::Connection,
                    Failure::Tls => SourceRunError::Tls,
                };
                Miss::new(error, failure.to_string())
            })?;
            let (status, asked) = (response.status(), retry_after(response.headers()));
            if status.is_redirection() {
                let to = response.headers().get(LOCATION).and_then(|to| url.join(to.to_str().ok()?).ok());
                url = to.ok_or_else(|| Miss::new(SourceRunError::Redirect, "a redirect that leads nowhere"))?;
                continue;
            }
            if !status.is_success() {
                let detail = format!("status {}", status.as_u16());
                return Err(Miss { status: Some(status), retry_after: asked, ..Miss::new(SourceRunError::Status, detail) });
            }
            let date = response.headers().get(DATE).and_then(|date| DateTime::parse_from_rfc2822(date.to_str().ok()?).ok());
            let date = date.map(|date| Instant::from_utc(date.with_timezone(&Utc)));
            let bytes = Limited::new(response.into_body(), self.most).collect().await.map_err(|fault| {
                if fault.is::<LengthLimitError>() {
                    Miss::new(SourceRunError::TooLarge, "the answer is larger than an import may be")
                } else {
                    Miss::new(SourceRunError::Connection, "the answer broke off")
                }
            })?;
            let bytes = bytes.to_bytes();
            // A whole directory takes a while to read, in which others are to be answered.
            let read = web::block(move || serde_json::from_slice(&bytes)).await;
            let value = read.ok().and_then(Result::ok).ok_or_else(|| Miss::new(SourceRunError::NotHsds, "the answer is not JSON"))?;
            return Ok(Answer { value, date });
        }
        Err(Miss::new(SourceRunError::Redirect, "redirects that do not end"))
    }
}
