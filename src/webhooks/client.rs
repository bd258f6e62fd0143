//! The HTTP client of webhooks: one request, no redirects, no proxies, bounds on time and size, and no address that is not public.

use std::error::Error as StdError;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use std::vec;

use chrono::{DateTime, Utc};
use http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pooled;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower_service::Service;

use super::address::{self, Exceptions};
use super::model::AttemptError;

/// An answer is read to this many bytes, so that the connection can be used again. What it says matters to nobody.
const MOST_OF_ANSWER: usize = 64 * 1024;

/// And for no longer than this.
const LONGEST_DRAIN: Duration = Duration::from_secs(1);

/// A connection that nobody uses is closed after this long.
const IDLE: Duration = Duration::from_secs(30);

/// Why a name leads nowhere.
#[derive(Debug, thiserror::Error)]
enum NotResolved {
    #[error("the address is not of the public internet")]
    Refused,
    #[error("the name was not found")]
    NotFound,
}

/// Resolves names, and refuses those that lead into a private network. The connection goes to the addresses that were judged.
#[derive(Debug, Clone)]
struct Resolver {
    system: GaiResolver,
    exceptions: Arc<Exceptions>,
}

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = NotResolved;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, NotResolved>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), NotResolved>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let is_excepted = self.exceptions.contains(name.as_str());
        let resolving = self.system.call(name);
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = resolving.await.map_err(|_| NotResolved::NotFound)?.collect();
            // A name that leads to both is refused whole: nobody needs one.
            if !is_excepted && addresses.iter().any(|found| !address::is_public(found.ip())) {
                return Err(NotResolved::Refused);
            }
            if addresses.is_empty() { Err(NotResolved::NotFound) } else { Ok(addresses.into_iter()) }
        })
    }
}

type Connections = Pooled<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>;

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

/// Sends requests to receivers. Connections are kept for the next.
#[derive(Debug)]
pub struct Client {
    exceptions: Arc<Exceptions>,
    timeout: Duration,
    connections: OnceLock<Result<Connections, rustls::Error>>,
}

impl Client {
    /// A client that excepts these hosts from the rules and waits so long for an answer.
    pub fn new(exceptions: Exceptions, timeout: Duration) -> Self {
        Self { exceptions: Arc::new(exceptions), timeout, connections: OnceLock::new() }
    }

    /// The hosts that are excepted.
    pub fn exceptions(&self) -> &Exceptions {
        &self.exceptions
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
        // An address in the URL itself is not resolved, so it is judged here.
        let url = address::parse(url, &self.exceptions).map_err(|_| AttemptError::RefusedAddress)?;
        let mut request = Request::post(url.as_str())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("Kith/", env!("CARGO_PKG_VERSION")))
            .body(Full::from(body))
            .map_err(|_| AttemptError::Connection)?;
        request.headers_mut().extend(headers.clone());
        let connections = self.connections().as_ref().map_err(|_| AttemptError::Tls)?;
        let response = connections.request(request).await.map_err(|error| class_of(&error))?;
        let (status, retry_after) = (response.status(), retry_after(response.headers()));
        drain(response.into_body()).await;
        Ok((status, retry_after))
    }

    fn connections(&self) -> &Result<Connections, rustls::Error> {
        self.connections.get_or_init(|| {
            let resolver = Resolver { system: GaiResolver::new(), exceptions: Arc::clone(&self.exceptions) };
            let mut tcp = HttpConnector::new_with_resolver(resolver);
            tcp.enforce_http(false);
            tcp.set_nodelay(true);
            let provider = rustls::crypto::ring::default_provider();
            let tls = HttpsConnectorBuilder::new().with_provider_and_webpki_roots(provider)?;
            let connector = tls.https_or_http().enable_http1().wrap_connector(tcp);
            Ok(Pooled::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE).build(connector))
        })
    }
}

/// Reads what remains, up to the bounds. Whether it comes to an end changes nothing: the status has been said.
async fn drain(body: Incoming) {
    let _may_break_off = tokio::time::timeout(LONGEST_DRAIN, Limited::new(body, MOST_OF_ANSWER).collect()).await;
}

/// What `Retry-After` says (RFC 9110 §10.2.3): seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds.min(u64::from(u32::MAX))));
    }
    let date = DateTime::parse_from_rfc2822(text).ok()?;
    Some((date.with_timezone(&Utc) - Utc::now()).to_std().unwrap_or_default())
}

/// What kind of failure an error is.
fn class_of(error: &(dyn StdError + 'static)) -> AttemptError {
    let mut cause = Some(error);
    while let Some(error) = cause {
        match error.downcast_ref::<NotResolved>() {
            Some(NotResolved::Refused) => return AttemptError::RefusedAddress,
            Some(NotResolved::NotFound) => return AttemptError::NameNotFound,
            None => {}
        }
        let inside = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if error.is::<rustls::Error>() || inside.is_some_and(|inside| inside.is::<rustls::Error>()) {
            return AttemptError::Tls;
        }
        cause = error.source();
    }
    AttemptError::Connection
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_web::test]
    async fn a_name_that_leads_into_a_private_network_is_refused_once_it_is_resolved() {
        let resolve = |excepted: &[String], name: &str| {
            let exceptions = Arc::new(Exceptions::new(excepted));
            Resolver { system: GaiResolver::new(), exceptions }.call(name.parse().unwrap())
        };
        assert!(matches!(resolve(&[], "localhost").await, Err(NotResolved::Refused)));
        assert!(matches!(resolve(&[], "no-such-host.invalid").await, Err(NotResolved::NotFound)));
        assert!(resolve(&["localhost".into()], "localhost").await.unwrap().all(|address| address.ip().is_loopback()));
    }

    #[test]
    fn a_receiver_asks_for_patience_in_seconds_or_until_a_date() {
        let asked = |value: &str| retry_after(&HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]));
        assert_eq!(asked("120"), Some(Duration::from_secs(120)));
        assert_eq!(asked("99999999999999999999"), None);
        assert_eq!(asked("soon"), None);
        assert_eq!(asked("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        let later = (Utc::now() + chrono::Duration::hours(1)).format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        assert!(asked(&later).unwrap() > Duration::from_secs(3500));
    }
}
