//! The application: what every request shares, and the whole route table on one page.

use std::io::{self, Write as _};
use std::num::NonZero;
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use crate::http::routes::Routes;
use actix_cors::Cors;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, AcceptEncoding, ContentEncoding, Encoding, HeaderName, HeaderValue};
use actix_web::middleware::{Compress, from_fn};
use actix_web::web::{self, Bytes, Data};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, get};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use tokio::sync::{Semaphore, watch};
use utoipa_swagger_ui::SwaggerUi;

use crate::auth::principal::identify;
use crate::auth::{Authority, DirectoryReader};
use crate::clock::Clock;
use crate::config::Config;
use crate::db::{Db, DbConn};
use crate::error::{self, Error, Result};
use crate::hsds::Catalogue;
use crate::hsds::handlers::MOST_PACKAGES;
use crate::http::concurrency::Concurrency;
use crate::http::etag::{IfNoneMatch, tag_of};
use crate::http::kept::Kept;
use crate::http::middleware::surround;
use crate::import::handlers::MOST_AT_ONCE;
use crate::kind::{ClientId, OrganizationId};
use crate::openapi;
use crate::services::Directory;
use crate::webhooks::deliveries::MOST_PINGS;
use crate::{outbound, responsiveness, webhooks};

/// What every request shares.
pub struct App {
    /// The settings.
    pub config: Config,
    /// The database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
    /// Keys, tokens and limits.
    pub authority: Authority,
    /// What was read last, as it was written out.
    pub kept: Arc<Kept>,
    /// The community services, in memory.
    pub directory: Arc<Directory>,
    /// How their referrals are answered, in memory.
    pub responsiveness: responsiveness::Known,
    /// Sends requests to addresses that others choose.
    pub outbound: Arc<outbound::Client>,
    /// Sends webhooks, by the same.
    pub webhooks: webhooks::Client,
    /// What is listed of them by the standard of directories, in memory once somebody asks.
    pub hsds: Catalogue,
    /// The packages of the directory that are being made; each takes long.
    pub packages: Semaphore,
    /// The matches that are being made: few at once.
    matches: Arc<Semaphore>,
    /// The streams of changes that are open, and the calls that wait for one.
    pub streams: Concurrency<ClientId>,
    /// The test events that wait for an answer.
    pub pings: Concurrency<OrganizationId>,
    /// The imports of services that are under way.
    pub imports: Concurrency<OrganizationId>,
    /// True once the server has been told to stop: whoever waits is answered.
    stopping: watch::Sender<bool>,
}

impl App {
    /// The application over an open database.
    pub fn new(config: Config, db: Db, clock: Clock, authority: Authority) -> Self {
        let outbound = Arc::new(outbound::Client::new(outbound::Exceptions::new(&config.webhook_allow)));
        let webhooks = webhooks::Client::new(Arc::clone(&outbound), config.webhook_timeout);
        let (streams, pings) = (Concurrency::new(config.change_streams), Concurrency::new(MOST_PINGS));
        let imports = Concurrency::new(MOST_AT_ONCE);
        let (kept, directory, hsds) = (Arc::default(), Arc::default(), Catalogue::default());
        let (responsiveness, packages) = (responsiveness::Known::default(), Semaphore::new(MOST_PACKAGES));
        let matches = Arc::new(Semaphore::new(2 * thread::available_parallelism().map_or(1, NonZero::get)));
        let stopping = watch::Sender::new(false);
        Self {
            config,
            db,
            clock,
            authority,
            kept,
            directory,
            responsiveness,
            outbound,
            webhooks,
            hsds,
            packages,
            matches,
            streams,
            pings,
            imports,
            stopping,
        }
    }

    /// How services answer referrals, for who may refer.
    pub fn responsiveness_for(&self, reader: &DirectoryReader) -> Option<&responsiveness::Known> {
        reader.may_refer().then_some(&self.responsiveness)
    }

    /// A read for which the directory must be in memory.
    pub async fn read_directory<T: Send + 'static>(&self, work: impl FnOnce(&mut DbConn) -> Result<T> + Send + 'static) -> Result<T> {
        self.directory.opens().await;
        self.db.read(work).await
    }

    /// Such a read that holds somebody against the directory. It works nearly all the time and holds up to some thousand services meanwhile:
    /// more of them than two for each core would take more memory and be done no sooner.
    pub async fn read_matching<T: Send + 'static>(&self, work: impl FnOnce(&mut DbConn) -> Result<T> + Send + 'static) -> Result<T> {
        self.directory.opens().await;
        let turn = tokio::time::timeout(self.config.database.wait, Arc::clone(&self.matches).acquire_owned());
        let turn = turn.await.map_err(|_| Error::Busy)?.map_err(Error::internal)?;
        // It is kept until the work has ended, though whoever asked may be gone before.
        let work_in_turn = move |conn: &mut DbConn| {
            let done = work(conn);
            drop(turn);
            done
        };
        self.db.read(work_in_turn).await
    }

    /// Answers those who wait for changes with what there is, and ends their streams.
    pub fn stop_waiting(&self) {
        self.stopping.send_replace(true);
    }

    /// Returns once the server has been told to stop, or when the time is up; true where it is to stop.
    pub async fn stops_within(&self, time: Duration) -> bool {
        let mut stopping = self.stopping.subscribe();
        tokio::time::timeout(time, stopping.wait_for(|stops| *stops)).await.is_ok()
    }
}

/// The application as handlers take it.
pub type State = Data<App>;

/// Every route of the API, a module at a time. What is asked most often stands first, since the router tries one pattern after the other.
pub const ROUTES: &[fn(&mut Routes<'_>)] = &[
    crate::patients::configure,
    crate::referrals::configure,
    crate::services::configure,
    crate::follow_ups::configure,
    crate::timeline::configure,
    crate::changes::configure,
    crate::matching::configure,
    crate::needs::configure,
    crate::screenings::configure,
    crate::consents::configure,
    crate::waitlists::configure,
    crate::appointments::configure,
    crate::slots::configure,
    crate::auth::configure,
    crate::organizations::configure,
    crate::practitioners::configure,
    crate::responsiveness::configure,
    crate::instruments::configure,
    crate::import::configure,
    crate::bulk::configure,
    crate::sources::configure,
    crate::webhooks::configure,
    crate::hsds::configure,
    operations,
];

fn operations(routes: &mut Routes<'_>) {
    routes.service(healthz).service(readyz).service(get_openapi);
}

/// The application with everything around its routes.
pub fn build(
    state: State,
) -> actix_web::App<
    impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse<impl MessageBody>, Error = actix_web::Error, InitError = ()>,
> {
    let limit = state.config.request_timeout;
    let cors = cors(&state.config.cors_origins);
    actix_web::App::new()
        .configure(|config| ROUTES.iter().for_each(|routes| routes(&mut Routes::Served(config))))
        .app_data(web::PathConfig::default().error_handler(|_, request| spoiled_path(request).into()))
        .app_data(state)
        .service(problems)
        .service(crate::appointments::calendar::feed::read_calendar)
        .service(crate::bulk::download::download_export)
        .configure(crate::referrals::links::pages)
        .service(web::redirect("/", "/docs/"))
        .service(web::redirect("/docs", "/docs/"))
        .service(web::redirect("/hsds", "/hsds/"))
        .service(
            web::scope("/docs")
                .wrap(from_fn(|request, next: actix_web::middleware::Next<_>| async move {
                    let mut response = next.call(request).await?;
                    // The page's own scripts and styles, from this binary, and nothing else.
                    const POLICY: &str =
                        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";
                    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
                    Ok(response)
                }))
                .service(SwaggerUi::new("/{_:.*}").config(utoipa_swagger_ui::Config::from("/openapi.json"))),
        )
        .default_service(web::to(no_such_route))
        .wrap(from_fn(identify))
        .wrap(from_fn(move |request, next| surround(request, next, limit)))
        .wrap(Compress::default())
        .wrap(cors)
}

fn cors(origins: &[String]) -> Cors {
    let exposed = [
        "accept-ranges",
        "content-range",
        "etag",
        "kith-safety-alert",
        "link",
        "location",
        "ratelimit-limit",
        "ratelimit-remaining",
        "ratelimit-reset",
        "retry-after",
        "www-authenticate",
        "x-request-id",
    ]
    .map(HeaderName::from_static);
    let cors = Cors::default()
        .allowed_methods(["GET", "POST", "PUT", "PATCH", "DELETE"])
        .allow_any_header()
        .expose_headers(exposed)
        .max_age(Duration::from_secs(3600).as_secs() as usize)
        .block_on_origin_mismatch(false);
    if origins.iter().any(|origin| origin == "*") {
        cors.allow_any_origin()
    } else {
        origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin))
    }
}

/// A path whose id cannot be an id: 405 where it is a route of its own with other methods, such as one ending in an action's name, else 400.
fn spoiled_path(request: &HttpRequest) -> Error {
    let methods = allowed_methods(request.path());
    if methods.is_empty() || methods.iter().any(|method| method == request.method().as_str()) {
        Error::malformed("The path does not have a UUID, lower-case and hyphenated, where it needs one.")
    } else {
        Error::MethodNotAllowed { allow: methods.join(", ") }
    }
}

async fn no_such_route(request: HttpRequest) -> Result<HttpResponse> {
    let methods = allowed_methods(request.path());
    if methods.is_empty() { Err(Error::NotFound) } else { Err(Error::MethodNotAllowed { allow: methods.join(", ") }) }
}

/// The methods that the document has for a path, and `HEAD` beside `GET`.
fn allowed_methods(path: &str) -> Vec<String> {
    let item = openapi::template_of(path).and_then(|template| openapi::document().get("paths")?.get(template));
    let methods = item.and_then(Value::as_object).into_iter().flat_map(|item| item.keys());
    let mut methods: Vec<String> = methods.map(|method| method.to_uppercase()).collect();
    if methods.iter().any(|method| method == "GET") {
        methods.push("HEAD".into());
    }
    methods.sort();
    methods
}

/// Tell that the server is alive
///
/// It answers as long as the process serves requests; it does not ask the database.
#[utoipa::path(tag = "operations", responses((status = 200, description = "It is alive.", body = Health)), security(()))]
#[get("/healthz")]
pub async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(Health { status: "ok" })
}

/// Tell that the server can work
///
/// The database answers and has every migration.
#[utoipa::path(tag = "operations", responses((status = 200, description = "It can work.", body = Health), (status = 503, description = "It cannot: the database does not answer, or lacks migrations.")), security(()))]
#[get("/readyz")]
pub async fn readyz(app: State) -> Result<HttpResponse> {
    if app.db.is_ready().await {
        Ok(HttpResponse::Ok().json(Health { status: "ok" }))
    } else {
        Err(Error::unavailable("it does not answer, or lacks migrations"))
    }
}

/// The document as it is sent: written and packed once, since it is large and whoever asks for it may be a stranger.
struct Published {
    plain: Bytes,
    packed: Option<Bytes>,
    tag: String,
}

static PUBLISHED: LazyLock<Published> = LazyLock::new(|| {
    let plain = serde_json::to_vec(openapi::document()).unwrap_or_default();
    // Weak: it is the same for what is packed and what is not.
    let tag = format!("W/{}", tag_of(1, &plain));
    Published { packed: packed(&plain).ok().map(Bytes::from), plain: plain.into(), tag }
});

fn packed(plain: &[u8]) -> io::Result<Vec<u8>> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(plain)?;
    packer.finish()
}

/// Read the OpenAPI document
///
/// It is the document of the version that runs; generate clients from it.
#[utoipa::path(tag = "operations", responses((status = 200, description = "This document.", body = Object)), security(()))]
#[get("/openapi.json")]
pub async fn get_openapi(request: HttpRequest, known: IfNoneMatch) -> HttpResponse {
    let Published { plain, packed, tag } = &*PUBLISHED;
    let is_known = known.has_tag(tag);
    let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header((header::ETAG, tag.as_str()));
    response.insert_header((header::CACHE_CONTROL, "public, max-age=300"));
    response.insert_header((header::VARY, "accept-encoding"));
    if is_known {
        return response.finish();
    }
    response.content_type("application/json");
    let takes = |encodings: &[Encoding]| {
        let taken = request.get_header::<AcceptEncoding>().and_then(|accepted| accepted.negotiate(encodings.iter()));
        taken.is_some_and(|taken| encodings.contains(&taken))
    };
    match packed {
        Some(packed) if takes(&[Encoding::gzip()]) => response.insert_header(ContentEncoding::Gzip).body(packed.clone()),
        // It would be packed anew for each who takes it so.
        _ if takes(&[Encoding::brotli(), Encoding::deflate()]) => response.insert_header(ContentEncoding::Identity).body(plain.clone()),
        _ => response.body(plain.clone()),
    }
}

/// What the codes of problems mean: the page to which their `type` leads.
#[get("/problems")]
async fn problems() -> HttpResponse {
    let mut page =
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Problems</title>\n<h1>Problems</h1>\n<dl>\n".to_owned();
    for (kind, meaning) in error::meanings() {
        page.push_str(&format!("<dt id=\"{0}\"><code>{0}</code> ({1})</dt><dd>{meaning}</dd>\n", kind.code, kind.status));
    }
    page.push_str("</dl>\n</html>\n");
    HttpResponse::Ok().content_type("text/html; charset=utf-8").insert_header((header::CACHE_CONTROL, "public, max-age=300")).body(page)
}

/// How the server is.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Health {
    /// `ok`.
    #[schema(value_type = String, example = "ok")]
    pub status: &'static str,
}
