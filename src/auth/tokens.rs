//! Access tokens: JWTs in the profile of RFC 9068, signed with EdDSA and nothing else.

use chrono::Duration;
use jsonwebtoken::{Algorithm, Header, Validation};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::keys::{KeySet, SigningKey};
use super::scopes::Scopes;
use crate::db::types::Instant;
use crate::error::{Error, Result};
use crate::kind::{ClientId, OrganizationId};

/// The one algorithm, whatever a token's header says.
pub(super) const ALGORITHM: Algorithm = Algorithm::EdDSA;
/// The `typ` of access tokens (RFC 9068 §2.1): no other JWT signed with the same key passes for one.
const TOKEN_TYPE: &str = "at+jwt";
/// How far the clocks of two machines may be apart.
const LEEWAY: Duration = Duration::seconds(5);
/// Longer texts are refused unread; a token with every scope has about a quarter of it.
pub const LONGEST_TOKEN: usize = 4096;

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// Whom it is for.
    pub aud: String,
    /// The client.
    pub sub: ClientId,
    /// The client again, where RFC 9068 §2.2 wants it.
    pub client_id: ClientId,
    /// The client's organization.
    pub org: OrganizationId,
    /// What it permits.
    pub scope: Scopes,
    /// Issued at, in seconds since 1970.
    pub iat: i64,
    /// Not valid before.
    pub nbf: i64,
    /// Not valid from here on.
    pub exp: i64,
    /// The token's own id.
    pub jti: Uuid,
}

impl Claims {
    /// Why the token is not valid at this moment, if it is not.
    pub fn refusal_at(&self, now: Instant) -> Option<Refusal> {
        let (now, leeway) = (now.utc().timestamp(), LEEWAY.num_seconds());
        if now >= self.exp.saturating_add(leeway) {
            Some(Refusal::Expired)
        } else if self.nbf > now.saturating_add(leeway) {
            Some(Refusal::NotYetValid)
        } else {
            None
        }
    }
}

/// The id of the key that a token of this type says it is signed with; `None` where the header alone shows that it is not ours.
pub(super) fn key_id(token: &str, token_type: &str) -> Option<String> {
    let header = jsonwebtoken::decode_header(token).ok()?;
    // RFC 7515 §4.1.11: whoever does not understand what is critical must refuse. There is nothing critical that we understand.
    let is_ours = header.alg == ALGORITHM && header.typ.as_deref() == Some(token_type) && header.crit.is_none();
    header.kid.filter(|_| is_ours)
}

/// Why a token is refused; the text is what the caller reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is not a JWT of ours: form, type, algorithm, key, signature, issuer or audience.
    #[error("the token is not valid here")]
    Invalid,
    /// It is too old.
    #[error("the token has expired")]
    Expired,
    /// It is from the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// Its client may not call any more.
    #[error("the client is not active")]
    ClientInactive,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Unauthenticated(match refusal {
            Refusal::Invalid => "the token is not valid here",
            Refusal::Expired => "the token has expired",
            Refusal::NotYetValid => "the token is not valid yet",
            Refusal::ClientInactive => "the client is not active",
        })
    }
}

/// Issues and verifies access tokens for one issuer and audience.
#[derive(Debug, Clone)]
pub struct Tokens {
    issuer: String,
    audience: String,
    lifetime: Duration,
    validation: Validation,
}

impl Tokens {
    /// Tokens of this issuer for this audience that live this long.
    pub fn new(issuer: &str, audience: &str, lifetime: Duration) -> Self {
        let mut validation = Validation::new(ALGORITHM);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp", "nbf"]);
        // The moment comes from the clock of the application, in `Claims::refusal_at`, not from the machine's.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Self { issuer: issuer.to_owned(), audience: audience.to_owned(), lifetime, validation }
    }

    /// How long a token lives, in seconds.
    pub fn lifetime_seconds(&self) -> i64 {
        self.lifetime.num_seconds()
    }

    /// The claims of a new token.
    pub fn claims(&self, client: ClientId, organization: OrganizationId, scope: Scopes, now: Instant) -> Claims {
        let iat = now.utc().timestamp();
        Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: client,
            client_id: client,
            org: organization,
            scope,
            iat,
            nbf: iat,
            exp: iat.saturating_add(self.lifetime.num_seconds()),
            jti: Uuid::now_v7(),
        }
    }

    /// The claims as a signed token.
    pub fn sign(claims: &Claims, key: &SigningKey) -> Result<String> {
        let header = Header { typ: Some(TOKEN_TYPE.into()), kid: Some(key.kid().to_owned()), ..Header::new(ALGORITHM) };
        jsonwebtoken::encode(&header, claims, key.signer()).map_err(Error::internal)
    }

    /// The id of the key that a token says it is signed with; `None` where the header alone shows that it is not ours.
    ///
    /// Nothing is verified yet: the id only tells which key to try.
    pub fn key_id(token: &str) -> Option<String> {
        key_id(token, TOKEN_TYPE)
    }

    /// The claims of a token that one of these keys has signed and that is valid now.
    pub fn verify(&self, token: &str, keys: &KeySet, now: Instant) -> Result<Claims, Refusal> {
        let kid = Self::key_id(token).ok_or(Refusal::Invalid)?;
        let key = keys.find(&kid).ok_or(Refusal::Invalid)?;
        let claims = jsonwebtoken::decode::<Claims>(token, key.verifier(), &self.validation).map_err(|_| Refusal::Invalid)?.claims;
        claims.refusal_at(now).map_or(Ok(claims), Err)
    }
}
