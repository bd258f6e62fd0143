//! One answer of a partner as JSON, within bounds of time and size.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use chrono::DateTime;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, LOCATION};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::Value;
use tokio::sync::Mutex;
use url::{Url, form_urlencoded};

use super::credentials::{Credential, Means};
use super::model::SourceRunError;
use crate::db::types::Instant;
use crate::http::json::{self, MOST_OF_RECORD};
use crate::outbound::{self, Failure, retry_after};

/// Bytes of the largest answer that brings an access token.
const LARGEST_TOKEN: usize = 64 * 1024;
/// Bytes of the largest answer about one record: several are in memory together. What is kept of a service is a quarter of it at most.
const LARGEST_RECORD: usize = 4 << 20;
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

    /// Whether it says of every question that it is not answered now.
    pub fn is_of_all(&self) -> bool {
        let is_refused = |status: StatusCode| status == StatusCode::UNAUTHORIZED || status == StatusCode::TOO_MANY_REQUESTS;
        self.error == SourceRunError::Credential || self.status.is_some_and(is_refused)
    }

    /// Whether the partner says that it has no such list, which the standard does not ask of everybody.
    pub fn is_of_no_list(&self) -> bool {
        let is_unheard_of = |status: StatusCode| status == StatusCode::METHOD_NOT_ALLOWED || status == StatusCode::NOT_IMPLEMENTED;
        self.is_absent() || self.status.is_some_and(is_unheard_of)
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

/// How much an answer may hold.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    bytes: usize,
    values: usize,
}

/// Why a request was not answered.
fn missed(failure: Failure) -> Miss {
    let error = match failure {
        Failure::RefusedAddress => SourceRunError::RefusedAddress,
        Failure::NameNotFound => SourceRunError::NameNotFound,
        Failure::Connection => SourceRunError::Connection,
        Failure::Tls => SourceRunError::Tls,
    };
    Miss::new(error, failure.to_string())
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
    /// The access token that was last got with it.
    pub token: Mutex<Option<HeaderValue>>,
}

impl Fetcher {
    /// What is found at a URL, of at most so many values.
    pub async fn get(&self, url: &Url, most_values: usize) -> Result<Answer, Miss> {
        self.within(url, Bounds { bytes: self.most, values: most_values }).await.map(|(answer, _)| answer)
    }

    /// One record that is found at a URL, and how many bytes the answer had.
    pub async fn get_record(&self, url: &Url) -> Result<(Value, usize), Miss> {
        let bounds = Bounds { bytes: self.most.min(LARGEST_RECORD), values: MOST_OF_RECORD };
        self.within(url, bounds).await.map(|(answer, length)| (answer.value, length))
    }

    async fn within(&self, url: &Url, bounds: Bounds) -> Result<(Answer, usize), Miss> {
        let told = |miss: Miss| Miss { detail: format!("GET {}: {}", url.path(), miss.detail), ..miss };
        match tokio::time::timeout(self.timeout, self.ask(url, bounds)).await {
            Ok(outcome) => outcome.map_err(told),
            Err(_) => Err(told(Miss::new(SourceRunError::Timeout, "no answer in time"))),
        }
    }

    /// Asks with an access token where that is needed, and once more with a new one where it is no longer good.
    async fn ask(&self, url: &Url, bounds: Bounds) -> Result<(Answer, usize), Miss> {
        let Some(Credential { means: Means::Token { url: at, client, scope }, .. }) = &self.credential else {
            return self.follow(url.clone(), None, bounds).await;
        };
        let known = self.token(None, at, client, scope.as_deref()).await?;
        match self.follow(url.clone(), Some(&known), bounds).await {
            Err(miss) if miss.status == Some(StatusCode::UNAUTHORIZED) => {
                let other = self.token(Some(&known), at, client, scope.as_deref()).await?;
                self.follow(url.clone(), Some(&other), bounds).await
            }
            outcome => outcome,
        }
    }

    /// The access token, another than the one that is `spent`.
    async fn token(&self, spent: Option<&HeaderValue>, at: &Url, client: &HeaderValue, scope: Option<&str>) -> Result<HeaderValue, Miss> {
        let mut known = self.token.lock().await;
        if let Some(token) = known.as_ref().filter(|token| Some(*token) != spent) {
            return Ok(token.clone());
        }
        let told = |miss: Miss| Miss { detail: format!("the access token: {}", miss.detail), status: None, ..miss };
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        let json = HeaderValue::from_static("application/json");
        let headers = HeaderMap::from_iter([(AUTHORIZATION, client.clone()), (CONTENT_TYPE, form), (ACCEPT, json)]);
        let mut asked = form_urlencoded::Serializer::new(String::new());
        asked.append_pair("grant_type", "client_credentials").extend_pairs(scope.map(|scope| ("scope", scope)));
        let response = self.client.send(Method::POST, at.as_str(), &headers, asked.finish()).await.map_err(missed).map_err(told)?;
        if !response.status().is_success() {
            let detail = format!("status {}", response.status().as_u16());
            let is_refused = response.status().is_client_error() && response.status() != StatusCode::TOO_MANY_REQUESTS;
            let error = if is_refused { SourceRunError::Credential } else { SourceRunError::Connection };
            return Err(told(Miss { retry_after: retry_after(response.headers()), ..Miss::new(error, detail) }));
        }
        let broken = |_| told(Miss::new(SourceRunError::Connection, "the answer broke off"));
        let bytes = Limited::new(response.into_body(), LARGEST_TOKEN).collect().await.map_err(broken)?.to_bytes();
        let given = serde_json::from_slice::<Value>(&bytes).ok();
        let token = given.as_ref().and_then(|given| given.get("access_token")?.as_str());
        let token = token.and_then(|token| HeaderValue::try_from(format!("Bearer {token}")).ok());
        let mut token = token.ok_or_else(|| told(Miss::new(SourceRunError::Credential, "the answer has none")))?;
        token.set_sensitive(true);
        *known = Some(token.clone());
        Ok(token)
    }

    async fn follow(&self, mut url: Url, token: Option<&HeaderValue>, bounds: Bounds) -> Result<(Answer, usize), Miss> {
        for _ in 0..=MOST_REDIRECTS {
            let mut headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
            if let Some(credential) = self.credential.as_ref().filter(|credential| credential.is_for(&url)) {
                match &credential.means {
                    Means::Header { name, value } => headers.insert(name.clone(), value.clone()),
                    Means::Token { .. } => token.and_then(|token| headers.insert(AUTHORIZATION, token.clone())),
                };
            }
            // Where a redirect leads is judged as any address is.
            let response = self.client.send(Method::GET, url.as_str(), &headers, String::new()).await.map_err(missed)?;
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
            let date = date.and_then(|date| Instant::from_timestamp(date.timestamp()));
            let bytes = Limited::new(response.into_body(), bounds.bytes).collect().await.map_err(|fault| {
                if fault.is::<LengthLimitError>() {
                    Miss::new(SourceRunError::TooLarge, format!("the answer is larger than {} bytes", bounds.bytes))
                } else {
                    Miss::new(SourceRunError::Connection, "the answer broke off")
                }
            })?;
            let bytes = bytes.to_bytes();
            let length = bytes.len();
            // A whole directory takes a while to read, in which others are to be answered.
            let unread = |why: String| Miss::new(SourceRunError::NotHsds, format!("the answer is not JSON that can be read{why}"));
            let read = web::block(move || json::foreign(&bytes, bounds.values)).await.map_err(|_| unread(String::new()))?;
            // Why it is not says where, and how much there may be, and quotes nothing.
            let value = read.map_err(|fault| unread(format!(": {fault}")))?;
            return Ok((Answer { value, date }, length));
        }
        Err(Miss::new(SourceRunError::Redirect, "redirects that do not end"))
    }
}
