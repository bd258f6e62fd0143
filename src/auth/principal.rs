//! Guards: the arguments of a handler that say who calls and that they may.
//!
//! A handler takes [`Allowed`] with the scope it needs, or [`DirectoryReader`] where the directory may be open to anyone. There is no
//! other way to a [`Principal`], so a handler that needs one cannot forget to ask. The guard stands before the body among the arguments,
//! so that it is asked first.

use std::borrow::Cow;
use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::ops::Deref;

use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HeaderName};
use actix_web::middleware::Next;
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use super::limits::CountedAs;
use super::scopes::{RequiredScope, Scope, Scopes, scope};
use crate::app::{App, State};
use crate::changes::{Actor, Demand};
use crate::clock::Clock;
use crate::db::types::Instant;
use crate::error::{Error, Fault, Result};
use crate::http::middleware::RequestId;
use crate::http::query;
use crate::kind::{ClientId, OrganizationId};
use crate::links;

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The client.
    pub client_id: ClientId,
    /// The organization it calls for.
    pub organization_id: OrganizationId,
    /// What it may do.
    pub scopes: Scopes,
    /// The person acting in the client's system, as the client asserts.
    pub on_behalf_of: Option<String>,
    /// The request.
    pub request_id: Option<String>,
    /// The moment of the request; in a transaction that which all bears that is written.
    pub at: Instant,
}

impl Principal {
    /// A client as a caller by itself: nobody acts in its system, and no request is answered.
    pub const fn of_client(client_id: ClientId, organization_id: OrganizationId, scopes: Scopes, at: Instant) -> Self {
        Self { client_id, organization_id, scopes, on_behalf_of: None, request_id: None, at }
    }

    /// The same caller at this moment, at which a transaction begins: a body may have been long in coming, and a writer busy.
    pub fn now(&self, clock: &Clock) -> Self {
        Self { at: clock.now(), ..self.clone() }
    }

    /// The caller as the journal keeps them.
    pub fn actor(&self) -> Actor {
        Actor {
            organization_id: Some(self.organization_id),
            client_id: Some(self.client_id),
            on_behalf_of: self.on_behalf_of.clone(),
            request_id: self.request_id.clone(),
            at: self.at,
        }
    }

    /// Whether the caller has this scope.
    pub const fn has(&self, scope: Scope) -> bool {
        self.scopes.contains(scope)
    }

    /// Fails with [`Error::InsufficientScope`] where the caller lacks this scope.
    pub fn require(&self, scope: Scope) -> Result<()> {
        self.require_any(&[scope])
    }

    /// Fails with [`Error::InsufficientScope`], which names the first, where the caller has none of these scopes.
    fn require_any(&self, scopes: &[Scope]) -> Result<()> {
        if scopes.iter().any(|scope| self.has(*scope)) {
            return Ok(());
        }
        Err(Error::InsufficientScope(scopes.first().map_or("admin", |scope| scope.as_str())))
    }
}

/// A caller with the scope `S`, or with one of the scopes that `S` names.
#[derive(Debug, Clone)]
pub struct Allowed<S>(Principal, PhantomData<fn() -> S>);

impl<S> Allowed<S> {
    /// The caller, to be taken along.
    pub fn into_principal(self) -> Principal {
        self.0
    }
}

impl<S> Deref for Allowed<S> {
    type Target = Principal;

    fn deref(&self) -> &Principal {
        &self.0
    }
}

impl<S: RequiredScope> FromRequest for Allowed<S> {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let allowed = || {
            let identity = request.extensions_mut().remove::<Identity>();
            let principal = identity.map_or(Err(Error::NoToken("there is none")), |identity| identity.0)?;
            principal.require_any(S::SCOPES)?;
            query::check(request)?;
            Ok(Self(principal, PhantomData))
        };
        ready(allowed())
    }
}

/// Somebody who may read the directory: a caller with `services:read`, or anyone where the configuration opens it.
#[derive(Debug, Clone)]
pub struct DirectoryReader {
    /// The caller; `None` for a stranger.
    pub principal: Option<Principal>,
    /// The moment of the request.
    pub at: Instant,
}

impl DirectoryReader {
    /// The organization that the reader calls for.
    pub fn organization_id(&self) -> Option<OrganizationId> {
        self.principal.as_ref().map(|principal| principal.organization_id)
    }

    /// What the reader must find in the directory.
    pub fn demand(&self) -> Demand {
        Demand::Own(self.principal.as_ref().map(|principal| principal.client_id))
    }

    /// Whether the reader may refer people to what is in the directory.
    pub fn may_refer(&self) -> bool {
        self.principal.as_ref().is_some_and(|principal| principal.has(Scope::ReferralsWrite))
    }
}

impl FromRequest for DirectoryReader {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let reader = |app: &State| {
            // A bad token is refused here too: whoever sends one should learn of it.
            let is_stranger = !request.extensions().contains::<Identity>();
            if is_stranger && app.config.public_directory {
                if let Some(address) = request.peer_addr() {
                    count(app, request, CountedAs::stranger(address.ip()))?;
                }
                query::check(request)?;
                return Ok(Self { principal: None, at: app.clock.now() });
            }
            let allowed = Allowed::<scope::ServicesRead>::from_request(request, payload).into_inner()?;
            Ok(Self { at: allowed.at, principal: Some(allowed.into_principal()) })
        };
        ready(state(request).and_then(reader))
    }
}

/// The application that a request came to.
pub(crate) fn state(request: &HttpRequest) -> Result<&State> {
    request.app_data::<State>().ok_or_else(|| Error::internal("the application has no state"))
}

/// The token of the `Authorization` header; `None` where there is no such header.
pub(crate) fn bearer_token(request: &HttpRequest) -> Result<Option<&str>> {
    const OTHER: Error = Error::NoToken("send one header, Authorization: Bearer TOKEN");
    let mut values = request.headers().get_all(AUTHORIZATION);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(OTHER);
    }
    // What `to_str` does too, but byte by byte, and tokens are long.
    let text = std::str::from_utf8(value.as_bytes()).ok().filter(|text| text.is_ascii());
    let (scheme, token) = text.and_then(|text| text.split_once(' ')).ok_or(OTHER)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(Some(token.trim_matches(' '))) } else { Err(OTHER) }
}

/// What the token of a request says, or why it is refused. The guard takes it.
struct Identity(Result<Principal>);

/// Finds out who calls, before anything else of the request is looked at: a stranger's body is not read for its faults. Whether the
/// operation needs a caller is for its guard to say.
pub async fn identify<B>(request: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, actix_web::Error> {
    let identity = match bearer_token(request.request()) {
        Ok(None) => None,
        Ok(Some(token)) => Some(authenticate(request.request(), token).await),
        Err(refusal) => Some(Err(refusal)),
    };
    if let Some(identity) = identity {
        request.extensions_mut().insert(Identity(identity));
    }
    next.call(request).await
}

/// Who sends the request, counted against their limit and noted for the log.
async fn authenticate(request: &HttpRequest, token: &str) -> Result<Principal> {
    let app = state(request)?;
    let caller = app.authority.authenticate(&app.db, &app.clock, token).await?;
    request.extensions_mut().insert(caller.client_id);
    count(app, request, CountedAs::Client(caller.client_id))?;
    Ok(Principal {
        client_id: caller.client_id,
        organization_id: caller.organization_id,
        scopes: caller.scopes,
        on_behalf_of: on_behalf_of(request)?,
        request_id: RequestId::get(request),
        at: app.clock.now(),
    })
}

/// Counts the call and keeps what is left in the request's extensions.
pub(crate) fn count(app: &App, request: &HttpRequest, caller: CountedAs) -> Result<()> {
    if let Some(allowance) = app.authority.limits.count(caller)? {
        request.extensions_mut().insert(allowance);
    }
    Ok(())
}

/// The header `Kith-On-Behalf-Of`: 1 to 200 visible characters, in UTF-8 or, as browsers and many libraries send them, in ISO 8859-1, and
/// not the name of a link: that somebody acted by one is the journal's word alone.
fn on_behalf_of(request: &HttpRequest) -> Result<Option<String>> {
    const NAME: &str = "Kith-On-Behalf-Of";
    const HEADER: HeaderName = HeaderName::from_static("kith-on-behalf-of");
    let mut values = request.headers().get_all(HEADER);
    let Some(value) = values.next() else { return Ok(None) };
    let text: Cow<'_, str> = match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => text.into(),
        Err(_) => value.as_bytes().iter().copied().map(char::from).collect::<String>().into(),
    };
    let is_good = |text: &&str| (1..=200).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    match Some(text.trim()).filter(is_good).filter(|_| values.next().is_none()) {
        Some(text) if links::is_named_in(text) => Err(Error::Malformed {
            detail: format!("{NAME} must not name a link: what is done by one is written as done by it, and by nobody else."),
            faults: vec![Fault::new(NAME, "reserved", "must not name a link")],
        }),
        Some(text) => Ok(Some(text.to_owned())),
        None => Err(Error::Malformed {
            detail: format!("{NAME} must be sent once, with 1 to 200 characters and no control characters."),
            faults: vec![Fault::new(NAME, "not_allowed", "must have 1 to 200 characters and no control characters")],
        }),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use actix_web::test::TestRequest;
    use serde_json::Value;

    use super::*;
    use crate::openapi;

    #[test]
    fn one_authorization_header_of_the_bearer_scheme_is_taken() {
        let token = |values: &[&str]| {
            let request = values.iter().fold(TestRequest::default(), |request, value| request.append_header((AUTHORIZATION, *value)));
            bearer_token(&request.to_http_request()).map(|token| token.map(str::to_owned)).map_err(|_| ())
        };
        assert_eq!(token(&[]), Ok(None));
        assert_eq!(token(&["bearer  abc"]), Ok(Some("abc".into())));
        for values in [&["Basic abc"][..], &["Bearer"], &[""], &["abc"], &["Bearer a", "Bearer b"]] {
            assert_eq!(token(values), Err(()), "{values:?}");
        }
        let foreign = HeaderValue::from_bytes("Bearer é".as_bytes()).unwrap();
        assert!(bearer_token(&TestRequest::default().insert_header((AUTHORIZATION, foreign)).to_http_request()).is_err());
    }

    #[test]
    fn the_person_acted_for_is_a_short_visible_text() {
        let person = |value: &[u8]| {
            let header = HeaderValue::from_bytes(value).unwrap();
            on_behalf_of(&TestRequest::default().insert_header(("Kith-On-Behalf-Of", header)).to_http_request()).map_err(|_| ())
        };
        assert_eq!(person("Dr. Éloïse Tremblay".as_bytes()), Ok(Some("Dr. Éloïse Tremblay".into())));
        assert_eq!(person(b"\xc9lo\xefse Tremblay"), Ok(Some("Éloïse Tremblay".into())), "ISO 8859-1");
        assert!(person(b"Dana, by referral link 01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10").is_err());
        assert_eq!(person(&[0x93, b'a', 0x94]), Err(()), "neither of the two");
        assert_eq!(on_behalf_of(&TestRequest::default().to_http_request()).unwrap(), None);

        let stated = &openapi::document()["components"]["parameters"]["OnBehalfOf"]["schema"];
        let stated = jsonschema::options().build(stated).unwrap();
        let (longest, longer) = ("é".repeat(200), "é".repeat(201));
        let good = ["Dana", "Sœur Marie", "李", " a b ", longest.as_str()].map(|text| (text, true));
        let bad = ["", "   ", "\u{a0}", "a\u{85}b", longer.as_str()].map(|text| (text, false));
        for (text, is_taken) in good.into_iter().chain(bad) {
            assert_eq!(person(text.as_bytes()).is_ok(), is_taken, "{text:?}");
            assert_eq!(stated.is_valid(&Value::from(text)), is_taken, "{text:?} by the document");
        }
    }
}
