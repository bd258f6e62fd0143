//! The application in process, and callers of it: what tests of the contract are written with.

use std::future::Future;
use std::io::Read as _;
use std::pin::Pin;
use std::rc::Rc;

use actix_web::dev::{Payload, Service as _};
use actix_web::error::PayloadError;
use actix_web::http::{Method, header::HeaderMap};
use actix_web::test::TestRequest;
use actix_web::web::{Bytes, Data};
use futures_util::stream::{self, Stream};
use kith::app::{self, App, State};
use kith::auth::model::NewClient;
use kith::auth::{Authority, Scope, Scopes};
use kith::changes::Actor;
use kith::clock::Clock;
use kith::config::Config;
use kith::db::types::{Id, Instant};
use kith::kind::{ClientId, OrganizationId};
use kith::organizations::model::{OrganizationInput, OrganizationKind, OrganizationRow};
use kith::organizations::{repository as organizations, tenants};
use serde_json::{Value, json};

use crate::conformity;
use crate::harness::{TestDb, until};

type Answering = Pin<Box<dyn Future<Output = Answer>>>;
type Body = Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>>;
type Calls = Rc<dyn Fn(TestRequest, Option<Body>) -> Answering>;

/// The application over a database of its own, at a time that only the test moves.
#[derive(Clone)]
pub struct TestApp {
    /// What handlers share.
    pub state: State,
    /// The time.
    pub clock: Clock,
    call: Calls,
    db: Rc<TestDb>,
}

/// The moment at which every test begins: a Monday morning in British Columbia.
pub fn beginning() -> Instant {
    "2026-03-02T17:00:00Z".parse().unwrap()
}

impl TestApp {
    /// With the default settings.
    pub async fn new(db: TestDb) -> Self {
        Self::with(db, &[]).await
    }

    /// With these settings, as flags of `kith serve`.
    pub async fn with(db: TestDb, flags: &[&str]) -> Self {
        let config = Config::from_flags(flags.iter().copied()).unwrap();
        let clock = Clock::manual(beginning());
        let authority = Authority::start(&config, &db, &clock).await.unwrap();
        kith::instruments::loading::seed(&db, &clock).await.unwrap();
        let state = Data::new(App::new(config, db.db.clone(), clock.clone(), authority));
        let call = calls(state.clone()).await;
        Self { state, clock, call, db: Rc::new(db) }
    }

    /// Where its database is, for a connection beside its own.
    pub fn database_url(&self) -> &str {
        &self.db.settings.url
    }

    /// Another process on the database of this one, opened anew.
    pub async fn beside(&self, db: kith::db::Db) -> Self {
        let config = Config::from_flags::<_, &str>([]).unwrap();
        let authority = Authority::start(&config, &db, &self.clock).await.unwrap();
        let state = Data::new(App::new(config, db, self.clock.clone(), authority));
        Self { call: calls(state.clone()).await, state, ..self.clone() }
    }

    /// An organization of this kind, with a client that has every scope but `admin`.
    pub async fn tenant(&self, name: &str, kind: OrganizationKind) -> Caller {
        let id = OrganizationId::generate();
        let input: OrganizationInput =
            serde_json::from_value(json!({ "name": name, "kind": kind, "time_zone": "America/Vancouver" })).unwrap();
        let row = OrganizationRow::new(id, id, input, self.clock.now());
        self.state.db.write(move |conn| organizations::insert(conn, &row)).await.unwrap();
        self.client(id, Scopes::all_but_admin()).await
    }

    /// A clinic.
    pub async fn clinic(&self) -> Caller {
        self.tenant("Alder Falls Family Clinic", OrganizationKind::Clinic).await
    }

    /// A client of an organization with these scopes.
    pub async fn client(&self, organization_id: OrganizationId, scopes: Scopes) -> Caller {
        // No hash: hashing is slow on purpose, and no test logs in with these.
        let client = NewClient::new(organization_id, "test".into(), scopes, "$nobodys".into(), self.clock.now());
        let client_id = client.id;
        let actor = Actor::operator(self.clock.now());
        self.state.db.write(move |conn| tenants::admit(conn, &actor, &client)).await.unwrap();
        let mut caller = Caller { app: self.clone(), organization_id, client_id, scopes, token: None };
        caller.renew().await;
        caller
    }

    /// A caller without a token.
    pub fn stranger(&self) -> Caller {
        Caller { app: self.clone(), organization_id: Id::generate(), client_id: Id::generate(), scopes: Scopes::NONE, token: None }
    }

    /// Returns when the feed can be read to its end: on PostgreSQL the transactions of other tests hold it back for a while.
    pub async fn is_readable(&self) {
        let at_end = |conn: &mut kith::db::DbConn| {
            use diesel::prelude::*;
            use kith::db::schema::changes::dsl::{changes, sequence, transaction_id};
            let last = changes.order((transaction_id.desc(), sequence.desc())).select((transaction_id, sequence));
            let last = last.first::<(i64, i64)>(conn).optional()?.unwrap_or_default();
            let end = kith::changes::latest(conn)?;
            Ok((end.transaction_id, end.sequence) == last)
        };
        until("the feed can be read to its end", async || self.state.db.read(at_end).await.unwrap()).await;
    }

    /// Sends a request as it stands; the answer is one that the document has for it.
    pub async fn send(&self, request: TestRequest) -> Answer {
        (self.call)(request, None).await
    }

    /// The same with a body that comes when this says, after the head has been read.
    pub async fn send_late(&self, request: TestRequest, body: impl Future<Output = Value> + 'static) -> Answer {
        let body = stream::once(async move { Ok(Bytes::from(body.await.to_string())) });
        (self.call)(request.insert_header(("content-type", "application/json")), Some(Box::pin(body))).await
    }
}

async fn calls(state: State) -> Calls {
    let service = Rc::new(actix_web::test::init_service(app::build(state)).await);
    Rc::new(move |request: TestRequest, body: Option<Body>| -> Answering {
        let service = service.clone();
        Box::pin(async move {
            let mut request = request.to_request();
            if let Some(body) = body {
                *request.payload() = Payload::Stream { payload: body };
            }
            let (method, path) = (request.method().clone(), request.path().to_owned());
            let response = service.call(request).await.unwrap_or_else(|error| panic!("no answer: {error}"));
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let answer = Answer { status, headers, bytes: actix_web::test::read_body(response).await };
            conformity::check(method.as_str(), &path, &answer);
            answer
        })
    })
}

/// A client of the API.
#[derive(Clone)]
pub struct Caller {
    /// The application it calls.
    pub app: TestApp,
    /// Its organization.
    pub organization_id: OrganizationId,
    /// Its id.
    pub client_id: ClientId,
    /// What it may do.
    pub scopes: Scopes,
    /// Its access token.
    pub token: Option<String>,
}

impl Caller {
    /// A fresh token, after the clock was moved.
    pub async fn renew(&mut self) {
        let app = &self.app.state;
        self.token = Some(app.authority.issue(&app.db, &app.clock, self.client_id, self.organization_id, self.scopes).await.unwrap());
    }

    /// The same organization with fewer scopes.
    pub async fn only(&self, scopes: &[Scope]) -> Self {
        self.app.client(self.organization_id, scopes.iter().copied().collect()).await
    }

    /// A request with the token.
    pub fn request(&self, method: Method, path: &str) -> TestRequest {
        let request = TestRequest::default().method(method).uri(path);
        match &self.token {
            Some(token) => request.insert_header(("authorization", format!("Bearer {token}"))),
            None => request,
        }
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.app.send(self.request(Method::GET, path)).await
    }

    /// POST.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.app.send(self.request(Method::POST, path).set_json(body)).await
    }

    /// POST of something new; its id.
    pub async fn make(&self, path: &str, body: Value) -> String {
        let made = self.post(path, body).await;
        made.expect(201);
        made.id()
    }

    /// POST with an idempotency key.
    pub async fn post_once(&self, path: &str, key: &str, body: Value) -> Answer {
        self.app.send(self.request(Method::POST, path).insert_header(("idempotency-key", key)).set_json(body)).await
    }

    /// PUT with an idempotency key.
    pub async fn put_once(&self, path: &str, key: &str, body: Value) -> Answer {
        self.app.send(self.request(Method::PUT, path).insert_header(("idempotency-key", key)).set_json(body)).await
    }

    /// PUT over a version.
    pub async fn put(&self, path: &str, version: i64, body: Value) -> Answer {
        self.app.send(self.request(Method::PUT, path).insert_header(("if-match", format!("\"{version}\""))).set_json(body)).await
    }

    /// PUT without a version.
    pub async fn put_any(&self, path: &str, body: Value) -> Answer {
        self.app.send(self.request(Method::PUT, path).set_json(body)).await
    }

    /// PATCH of a version.
    pub async fn patch(&self, path: &str, version: i64, body: Value) -> Answer {
        let request = self.request(Method::PATCH, path).insert_header(("if-match", format!("\"{version}\"")));
        self.app.send(request.set_json(body).insert_header(("content-type", "application/merge-patch+json"))).await
    }

    /// DELETE of a version.
    pub async fn delete(&self, path: &str, version: i64) -> Answer {
        self.app.send(self.request(Method::DELETE, path).insert_header(("if-match", format!("\"{version}\"")))).await
    }
}

/// A value that is a text.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// What came back, in process or over a socket.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub bytes: Bytes,
}

impl Answer {
    /// The body as JSON; null where there is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The body, unpacked where it is packed.
    pub fn unpacked(&self) -> Bytes {
        if self.header("content-encoding") != Some("gzip") {
            return self.bytes.clone();
        }
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(&self.bytes[..]).read_to_end(&mut plain).unwrap();
        plain.into()
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The body, of an answer that must have this status.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        self.json()
    }

    /// The problem, of an answer that must have this status and code.
    #[track_caller]
    pub fn expect_problem(&self, status: u16, code: &str) -> Value {
        let problem = self.expect(status);
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{problem}");
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(problem["request_id"].as_str(), self.header("x-request-id"), "{problem}");
        problem
    }

    /// An answer that says that the server cannot at present, and nothing else: when to come again, and no word of what is behind.
    #[track_caller]
    pub fn expect_try_again(&self) {
        let problem = self.expect(503);
        assert!(self.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok()), "{:?}", self.headers);
        if self.header("content-type") == Some("application/problem+json") {
            assert!(matches!(problem["code"].as_str(), Some("busy" | "unavailable" | "timed_out")), "{problem}");
        } else {
            assert_eq!(problem["error"], "temporarily_unavailable", "{problem}");
        }
        let text = self.text().to_lowercase();
        for internal in ["postgres", "sqlite", "sql", "disk", "connection", "terminat", "read-only", "readonly", "/tmp", "127.0.0.1"] {
            assert!(!text.contains(internal), "{internal} in {text}");
        }
    }

    /// The pointers and codes of a problem's faults, in order of the pointer.
    #[track_caller]
    pub fn faults(&self, status: u16) -> Vec<(String, String)> {
        let problem = self.expect(status);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let faults = problem["errors"].as_array().into_iter().flatten().map(|fault| (text(&fault["pointer"]), text(&fault["code"])));
        let mut faults: Vec<_> = faults.collect();
        faults.sort();
        faults
    }

    /// The id of the resource in the body.
    #[track_caller]
    pub fn id(&self) -> String {
        self.json()["id"].as_str().unwrap_or_else(|| panic!("no id in {}", self.text())).to_owned()
    }
}
