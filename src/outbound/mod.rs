//! Requests to addresses that others choose: webhooks to receivers, pulls from sources. No proxies, no redirect that nobody looked at, and
//! no address that is not of the public internet.

pub mod address;

use std::collections::HashMap;
use std::error::Error as StdError;
use std::future::Future;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use std::{thread, vec};

use chrono::{DateTime, Utc};
use futures_util::FutureExt as _;
use futures_util::future::Shared;
use http::header::{RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pooled;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::oneshot;
use tower_service::Service;

pub use self::address::Exceptions;

/// A connection that nobody uses is closed after this long.
const IDLE: Duration = Duration::from_secs(30);
/// Names that are looked up at once, at most: some never get an answer, and their threads wait until the system gives up. All who send at
/// once ask for fewer, so that nobody's names keep another's from being looked up.
const MOST_LOOKUPS: usize = 1_024;

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
    lookups: Arc<Lookups>,
    exceptions: Arc<Exceptions>,
}

impl Resolver {
    fn new(exceptions: Arc<Exceptions>) -> Self {
        Self { lookups: Arc::default(), exceptions }
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
        let look_up = self.lookups.look_up(name.as_str());
        Box::pin(async move {
            let found = look_up.ok_or(NotResolved::NotFound)?.await;
            let addresses = found.ok().flatten().ok_or(NotResolved::NotFound)?;
            // A name that leads to both is refused whole: nobody needs one.
            if !is_excepted && addresses.iter().any(|found| !address::is_public(found.ip())) {
                return Err(NotResolved::Refused);
            }
            if addresses.is_empty() { Err(NotResolved::NotFound) } else { Ok(addresses.into_iter()) }
        })
    }
}

/// What comes of looking up a name; whoever asks for the same name meanwhile waits for the same.
type LookUp = Shared<oneshot::Receiver<Option<Vec<SocketAddr>>>>;

/// The names that are being looked up.
#[derive(Debug, Default)]
struct Lookups {
    under_way: Mutex<HashMap<String, LookUp>>,
}

impl Lookups {
    /// Asks the system for the addresses of a name, in a thread of its own: those in which the database is read are not to wait for a name
    /// that somebody else has chosen. Whoever has waited too long may go; the thread counts until it has its answer. `None` where too many
    /// count.
    fn look_up(self: &Arc<Self>, name: &str) -> Option<LookUp> {
        let mut under_way = self.under_way();
        if let Some(known) = under_way.get(name) {
            return Some(known.clone());
        }
        if under_way.len() >= MOST_LOOKUPS {
            return None;
        }
        let (tell, told) = oneshot::channel();
        let (lookups, asked) = (Arc::clone(self), name.to_owned());
        let ask = move || {
            let found = (asked.as_str(), 0).to_socket_addrs().ok().map(Iterator::collect);
            lookups.under_way().remove(&asked);
            let _gone = tell.send(found);
        };
        thread::Builder::new().name("lookup".into()).spawn(ask).ok()?;
        let look_up = told.shared();
        under_way.insert(name.to_owned(), look_up.clone());
        Some(look_up)
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<String, LookUp>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
    use super::*;

    #[actix_web::test]
    async fn a_name_that_leads_into_a_private_network_is_refused_once_it_is_resolved() {
        let resolve = |excepted: &[String], name: &str| Resolver::new(Arc::new(Exceptions::new(excepted))).call(name.parse().unwrap());
        assert!(matches!(resolve(&[], "localhost").await, Err(NotResolved::Refused)));
        assert!(matches!(resolve(&[], "no-such-host.invalid").await, Err(NotResolved::NotFound)));
        assert!(resolve(&["localhost".into()], "localhost").await.unwrap().all(|address| address.ip().is_loopback()));
    }

    #[actix_web::test]
    async fn who_asks_for_a_name_waits_for_that_name_alone_and_together_with_others_who_do() {
        let mut resolver = Resolver::new(Arc::new(Exceptions::new(&["localhost".into()])));
        let (tell, told) = oneshot::channel();
        resolver.lookups.under_way().insert("slow.example.ca".into(), told.shared());
        let mut waiting = [(); 2].map(|()| resolver.call("slow.example.ca".parse().unwrap()));
        assert!(waiting.iter_mut().all(|one| one.now_or_never().is_none()));
        assert!(resolver.call("localhost".parse().unwrap()).await.is_ok());
        // The thread has said so before it told what it found.
        assert_eq!(resolver.lookups.under_way().len(), 1);
        tell.send(Some(vec![SocketAddr::from(([9, 9, 9, 9], 0))])).unwrap();
        for one in waiting {
            assert!(one.await.is_ok());
        }
    }

    #[actix_web::test]
    async fn names_that_never_get_an_answer_take_so_many_threads_and_no_more() {
        let mut resolver = Resolver::new(Arc::new(Exceptions::new(&["localhost".into()])));
        let (_tell, told) = oneshot::channel();
        let never = told.shared();
        let all = (0..MOST_LOOKUPS).map(|number| (format!("{number}.example.ca"), never.clone()));
        resolver.lookups.under_way().extend(all);
        assert!(matches!(resolver.call("localhost".parse().unwrap()).await, Err(NotResolved::NotFound)));
        resolver.lookups.under_way().remove("0.example.ca");
        assert!(resolver.call("localhost".parse().unwrap()).await.is_ok());
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
