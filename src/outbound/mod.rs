//! Requests to addresses that others choose: webhooks to receivers, pulls from sources. No proxies, no redirect that nobody looked at, and
//! no address that is not of the public internet.

pub mod address;

use std::error::Error as StdError;
use std::future::Future;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;
use std::{io, thread, vec};

use chrono::{DateTime, Utc};
use http::header::{RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pooled;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::{Semaphore, oneshot};
use tower_service::Service;

pub use self::address::Exceptions;

/// A connection that nobody uses is closed after this long.
const IDLE: Duration = Duration::from_secs(30);
/// Names that are looked up at once, at most: some never get an answer, and their threads wait until the system gives up.
const MOST_LOOKUPS: usize = 128;

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
    lookups: Arc<Semaphore>,
    exceptions: Arc<Exceptions>,
}

impl Resolver {
    fn new(exceptions: Arc<Exceptions>) -> Self {
        Self { lookups: Arc::new(Semaphore::new(MOST_LOOKUPS)), exceptions }
    }
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
        let lookups = Arc::clone(&self.lookups);
        Box::pin(async move {
            let addresses = look_up(lookups, name).await.map_err(|_| NotResolved::NotFound)?;
            // A name that leads to both is refused whole: nobody needs one.
            if !is_excepted && addresses.iter().any(|found| !address::is_public(found.ip())) {
                return Err(NotResolved::Refused);
            }
            if addresses.is_empty() { Err(NotResolved::NotFound) } else { Ok(addresses.into_iter()) }
        })
    }
}

/// Asks the system for the addresses of a name, in a thread of its own: those in which the database is read are not to wait for a name
/// that somebody else has chosen. Whoever has waited too long may go; the thread counts until it has its answer.
async fn look_up(lookups: Arc<Semaphore>, name: Name) -> io::Result<Vec<SocketAddr>> {
    let turn = lookups.acquire_owned().await.map_err(io::Error::other)?;
    let (tell, told) = oneshot::channel();
    thread::Builder::new().name("lookup".into()).spawn(move || {
        let found = (name.as_str(), 0).to_socket_addrs().map(Iterator::collect);
        drop(turn);
        let _gone = tell.send(found);
    })?;
    told.await.map_err(io::Error::other)?
}

type Connections = Pooled<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>;

/// Why there was no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The URL is none that requests are sent to.
    #[error("the address is not of the public internet")]
    RefusedAddress,
    /// The name was not found, or leads into a private network. Which, nobody is told who may choose names: the names of a private network
    /// are nobody's to try.
    #[error("the name was not found, or is not of the public internet")]
    NameNotFound,
    /// No connection, or one that broke.
    #[error("there was no connection, or it broke")]
    Connection,
    /// The certificate is not valid, or the encryption failed otherwise.
    #[error("the certificate is not valid, or the encryption failed otherwise")]
    Tls,
}

/// Sends requests. Connections are kept for the next.
#[derive(Debug)]
pub struct Client {
    exceptions: Arc<Exceptions>,
    connections: OnceLock<Result<Connections, rustls::Error>>,
}

impl Client {
    /// A client that excepts these hosts from the rules.
    pub fn new(exceptions: Exceptions) -> Self {
        Self { exceptions: Arc::new(exceptions), connections: OnceLock::new() }
    }

    /// The hosts that are excepted.
    pub fn exceptions(&self) -> &Exceptions {
        &self.exceptions
    }

    /// Sends one request and gives the head of its answer; the body is still to be read. No redirect is followed, and nobody looks at the
    /// time.
    pub async fn send(&self, method: Method, url: &str, headers: &HeaderMap, body: String) -> Result<Response<Incoming>, Failure> {
        // An address in the URL itself is not resolved, so it is judged here.
        let url = address::parse(url, &self.exceptions).map_err(|_| Failure::RefusedAddress)?;
        let mut request = Request::new(Full::from(body));
        *request.method_mut() = method;
        *request.uri_mut() = url.as_str().parse().map_err(|_| Failure::Connection)?;
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(concat!("Kith/", env!("CARGO_PKG_VERSION"))));
        request.headers_mut().extend(headers.clone());
        let connections = self.connections().as_ref().map_err(|_| Failure::Tls)?;
        connections.request(request).await.map_err(|error| class_of(&error))
    }

    fn connections(&self) -> &Result<Connections, rustls::Error> {
        self.connections.get_or_init(|| {
            let mut tcp = HttpConnector::new_with_resolver(Resolver::new(Arc::clone(&self.exceptions)));
            tcp.enforce_http(false);
            tcp.set_nodelay(true);
            let provider = rustls::crypto::ring::default_provider();
            let tls = HttpsConnectorBuilder::new().with_provider_and_webpki_roots(provider)?;
            let connector = tls.https_or_http().enable_http1().wrap_connector(tcp);
            Ok(Pooled::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE).build(connector))
        })
    }
}

/// What `Retry-After` says (RFC 9110 §10.2.3): seconds, or a date.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds.min(u64::from(u32::MAX))));
    }
    let date = DateTime::parse_from_rfc2822(text).ok()?;
    Some((date.with_timezone(&Utc) - Utc::now()).to_std().unwrap_or_default())
}

/// What kind of failure an error is.
fn class_of(error: &(dyn StdError + 'static)) -> Failure {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<NotResolved>() {
            return Failure::NameNotFound;
        }
        let inside = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if error.is::<rustls::Error>() || inside.is_some_and(|inside| inside.is::<rustls::Error>()) {
            return Failure::Tls;
        }
        cause = error.source();
    }
    Failure::Connection
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[actix_web::test]
    async fn a_name_that_leads_into_a_private_network_is_refused_once_it_is_resolved() {
        let resolve = |excepted: &[String], name: &str| Resolver::new(Arc::new(Exceptions::new(excepted))).call(name.parse().unwrap());
        assert!(matches!(resolve(&[], "localhost").await, Err(NotResolved::Refused)));
        assert!(matches!(resolve(&[], "no-such-host.invalid").await, Err(NotResolved::NotFound)));
        assert!(resolve(&["localhost".into()], "localhost").await.unwrap().all(|address| address.ip().is_loopback()));
    }

    #[actix_web::test]
    async fn a_name_waits_until_one_of_those_that_are_looked_up_is_done() {
        let mut resolver = Resolver::new(Arc::new(Exceptions::new(&["localhost".into()])));
        let all = Arc::clone(&resolver.lookups).acquire_many_owned(MOST_LOOKUPS as u32).await.unwrap();
        let mut waiting = resolver.call("localhost".parse().unwrap());
        assert!((&mut waiting).now_or_never().is_none());
        drop(all);
        assert!(waiting.await.is_ok());
        // The thread has said so before it told what it found.
        assert_eq!(resolver.lookups.available_permits(), MOST_LOOKUPS);
    }

    #[test]
    fn whoever_chooses_a_name_is_not_told_whether_a_private_network_has_it() {
        let classes = [NotResolved::Refused, NotResolved::NotFound].map(|error| class_of(&error));
        assert_eq!(classes, [Failure::NameNotFound; 2]);
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
