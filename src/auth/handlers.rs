//! `POST /oauth/token` (RFC 6749 §4.4) and the keys that verify what it gives.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, ResponseError, get, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use utoipa::ToSchema;

use super::keys::Jwks;
use super::scopes::Scopes;
use crate::app::State;
use crate::error::{Error, Result};
use crate::http::body;
use crate::kind::ClientId;

const FORM: &[&str] = &["application/x-www-form-urlencoded"];
const GRANT_TYPE: &str = "client_credentials";

/// A request for an access token. The client's id and secret come here or as HTTP Basic, not both.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "states the form for the document; repeated and empty parameters need a reader of their own")]
pub struct TokenForm {
    /// The grant.
    #[schema(pattern = "^client_credentials$", example = "client_credentials")]
    grant_type: String,
    /// The scopes wanted, separated by spaces; every scope of the client where absent.
    #[schema(example = "patients:read referrals:write")]
    scope: Option<String>,
    /// The client's id, where HTTP Basic is not used.
    #[schema(example = "01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10")]
    client_id: Option<String>,
    /// The client's secret, where HTTP Basic is not used.
    #[schema(example = "kith_secret_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    client_secret: Option<String>,
}

/// An access token.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenResponse {
    /// The token, to be sent as `Authorization: Bearer …`.
    #[schema(example = "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl")]
    pub access_token: String,
    /// Always `Bearer`.
    #[schema(value_type = String, example = "Bearer")]
    pub token_type: &'static str,
    /// Seconds until it expires.
    #[schema(example = 900)]
    pub expires_in: i64,
    /// The scopes it has.
    #[schema(value_type = String, example = "patients:read referrals:write")]
    pub scope: Scopes,
}

/// Why there is no token (RFC 6749 §5.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TokenProblem {
    /// `invalid_request`, `invalid_client`, `unsupported_grant_type`, `invalid_scope` or `temporarily_unavailable`.
    #[schema(value_type = String, example = "invalid_client")]
    pub error: &'static str,
    /// The same for a human.
    #[schema(value_type = String, example = "The client is unknown, not active, or its secret is another.")]
    pub error_description: Cow<'static, str>,
}

/// What the token endpoint can fail with.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The grant cannot be given, as OAuth says it.
    #[error("{}", .problem.error)]
    Refused {
        /// Why.
        problem: TokenProblem,
        /// Whether the client came with HTTP Basic, and is challenged with it again.
        was_basic: bool,
    },
    /// Anything else.
    #[error(transparent)]
    Other(#[from] Error),
}

impl TokenError {
    fn new(error: &'static str, description: impl Into<Cow<'static, str>>) -> Self {
        Self::Refused { problem: TokenProblem { error, error_description: description.into() }, was_basic: false }
    }

    fn invalid_request(description: &'static str) -> Self {
        Self::new("invalid_request", description)
    }

    fn invalid_client(was_basic: bool) -> Self {
        let description = "The client is unknown, not active, or its secret is another.".into();
        Self::Refused { problem: TokenProblem { error: "invalid_client", error_description: description }, was_basic }
    }
}

impl ResponseError for TokenError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Refused { problem: TokenProblem { error: "invalid_client", .. }, .. } => StatusCode::UNAUTHORIZED,
            Self::Refused { .. } => StatusCode::BAD_REQUEST,
            Self::Other(error) => error.status_code(),
        }
    }

    fn error_response(&self) -> HttpResponse {
        let (problem, was_basic) = match self {
            Self::Refused { problem, was_basic } => (problem, *was_basic),
            Self::Other(error) => {
                let general = error.error_response();
                let Some(retry_after) = general.headers().get(RETRY_AFTER) else { return general };
                let description = match error {
                    Error::Busy => "Too many log in; try again.",
                    Error::RateLimited { .. } => "Too many clients that do not exist have been tried from this address; try again.",
                    _ => "The server cannot log anybody in at present; try again.",
                };
                let problem = TokenProblem { error: "temporarily_unavailable", error_description: description.into() };
                return HttpResponse::build(general.status()).insert_header((RETRY_AFTER, retry_after)).json(problem);
            }
        };
        let mut response = HttpResponse::build(self.status_code());
        response.insert_header((CACHE_CONTROL, "no-store")).insert_header((PRAGMA, "no-cache"));
        if was_basic {
            response.insert_header((WWW_AUTHENTICATE, "Basic realm=\"kith\", charset=\"UTF-8\""));
        }
        response.json(problem)
    }
}

/// What a client asks for, as it came.
#[derive(Debug)]
pub struct TokenRequest {
    grant_type: Option<String>,
    scope: Option<String>,
    credentials: Credentials,
}

#[derive(Debug)]
struct Credentials {
    client_id: String,
    client_secret: String,
    was_basic: bool,
}

impl FromRequest for TokenRequest {
    type Error = TokenError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, TokenError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let basic = basic_credentials(request);
        let bytes = body::read(request, payload, FORM);
        Box::pin(async move {
            let bytes = bytes.await.map_err(|error| match error {
                Error::UnsupportedMediaType { .. } => {
                    TokenError::invalid_request("Send the parameters as application/x-www-form-urlencoded.")
                }
                Error::Malformed { .. } => TokenError::invalid_request("The body cannot be read."),
                error => error.into(),
            })?;
            let mut form = Form::parse(&bytes)?;
            let credentials = match (basic?, form.take("client_id")?, form.take("client_secret")?) {
                (Some(basic), id, None) if id.as_ref().is_none_or(|id| *id == basic.client_id) => basic,
                (Some(_), ..) => return Err(TokenError::invalid_request("Send the client's id and secret one way, not two.")),
                (None, Some(client_id), Some(client_secret)) => Credentials { client_id, client_secret, was_basic: false },
                (None, ..) => return Err(TokenError::invalid_client(false)),
            };
            Ok(Self { grant_type: form.take("grant_type")?, scope: form.take("scope")?, credentials })
        })
    }
}

/// The parameters of a form. RFC 6749 §3.2: none may come twice, an empty one counts as absent, unknown ones are ignored.
struct Form(Vec<(String, String)>);

impl Form {
    fn parse(bytes: &[u8]) -> Result<Self, TokenError> {
        serde_html_form::from_bytes(bytes).map(Self).map_err(|_| TokenError::invalid_request("The parameters cannot be read."))
    }

    fn take(&mut self, name: &str) -> Result<Option<String>, TokenError> {
        let mut values: Vec<String> = self.0.extract_if(.., |(key, _)| key == name).map(|(_, value)| value).collect();
        if values.len() > 1 {
            return Err(TokenError::invalid_request("A parameter came more than once."));
        }
        Ok(values.pop().filter(|value| !value.is_empty()))
    }
}

/// The id and secret of the `Authorization` header (RFC 7617, RFC 6749 §2.3.1), where there is one.
fn basic_credentials(request: &HttpRequest) -> Result<Option<Credentials>, TokenError> {
    let mut values = request.headers().get_all(AUTHORIZATION);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(TokenError::invalid_request("Send one Authorization header."));
    }
    let pair = || {
        let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
        let decoded = STANDARD.decode(encoded.trim_matches(' ')).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
        let (id, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
        let decode = |text| percent_decode_str(text).decode_utf8().ok().map(Cow::into_owned);
        Some(Credentials { client_id: decode(id)?, client_secret: decode(secret)?, was_basic: true })
    };
    pair().map(Some).ok_or_else(|| TokenError::invalid_client(true))
}

/// Get an access token
///
/// The OAuth 2.0 client credentials grant (RFC 6749 §4.4): the client's id and secret, as HTTP Basic or in the form, for a token
/// that lives some minutes. A token may be asked for with fewer scopes than the client has. When a client is disabled or loses a
/// scope, tokens it already has lose it within 5 seconds.
#[utoipa::path(
    tag = "tokens",
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "A token.", body = TokenResponse),
        (status = 400, description = "The request is not one for a token, or asks for what the client cannot have.", body = TokenProblem),
        (status = 401, description = "The client is unknown, not active, or its secret is another.", body = TokenProblem),
        (status = 408, description = "The body did not arrive in time."),
        (status = 413, description = "The body is too large."),
        (status = 429, description = "Too many clients that do not exist have been tried from this address; try again after `Retry-After`.", body = TokenProblem),
        (status = 500, description = "Our fault; it is logged under the request id."),
        (status = 503, description = "Too many clients log in at once, or the database is not available; try again after `Retry-After`.", body = TokenProblem)
    ),
    security(())
)]
#[post("/oauth/token")]
pub async fn create_token(app: State, request: HttpRequest, wanted: TokenRequest) -> Result<HttpResponse, TokenError> {
    let Credentials { client_id, client_secret, was_basic } = wanted.credentials;
    let client = client_id.parse::<ClientId>().map_err(|_| TokenError::invalid_client(was_basic))?;
    let from = request.peer_addr().map(|address| address.ip());
    let standing = app.authority.log_in(&app.db, &app.clock, client, &client_secret, from).await?.ok_or_else(|| {
        log::info!("a login as client {client} was refused");
        TokenError::invalid_client(was_basic)
    })?;
    request.extensions_mut().insert(client);
    match wanted.grant_type.as_deref() {
        Some(GRANT_TYPE) => {}
        Some(_) => return Err(TokenError::new("unsupported_grant_type", "The grant type must be client_credentials.")),
        None => return Err(TokenError::invalid_request("grant_type is missing.")),
    }
    let scope = narrowed(wanted.scope.as_deref(), standing.scopes)?;
    let access_token = app.authority.issue(&app.db, &app.clock, client, standing.organization_id, scope).await?;
    let token = TokenResponse { access_token, token_type: "Bearer", expires_in: app.authority.tokens.lifetime_seconds(), scope };
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).insert_header((PRAGMA, "no-cache")).json(token))
}

/// The scopes asked for, all of which the client must have; all that it has where none are named.
fn narrowed(wanted: Option<&str>, has: Scopes) -> Result<Scopes, TokenError> {
    let wanted = wanted.map_or(Ok(has), str::parse).map_err(|_| TokenError::new("invalid_scope", "One of the scopes does not exist."))?;
    match wanted {
        Scopes::NONE => Err(TokenError::new("invalid_scope", "The client has no scope.")),
        wanted if wanted.is_subset(has) => Ok(wanted),
        _ => Err(TokenError::new("invalid_scope", format!("The client has the scopes {has}."))),
    }
}

/// Read the keys that verify access tokens
///
/// A JSON Web Key Set (RFC 7517). The first key signs; the others have signed tokens that may still be valid.
#[utoipa::path(tag = "tokens", responses((status = 200, description = "The keys.", body = Jwks), (status = 500, description = "Our fault; it is logged under the request id."), (status = 503, description = "The database does not answer.")), security(()))]
#[get("/.well-known/jwks.json")]
pub async fn get_jwks(app: State) -> Result<HttpResponse> {
    let keys = app.authority.keys.fresh(&app.db, &app.clock).await?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "public, max-age=60")).json(keys.jwks()))
}
