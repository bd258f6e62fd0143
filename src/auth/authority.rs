//! The one that says who is who: it checks secrets, issues tokens and verifies them.
//!
//! What it remembers spares work and decides nothing for long: a client that is disabled or loses a scope does so here within
//! [`STANDING_KEPT`], on every process, even for tokens already issued.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration as StdDuration;

use chrono::Duration;
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};

use super::hashing::Hashing;
use super::key_ring::KeyRing;
use super::limits::Limits;
use super::links::{Link, Links, Purpose};
use super::model::Standing;
use super::scopes::Scopes;
use super::tokens::{Claims, LONGEST_TOKEN, Refusal, Tokens};
use super::{repository, secrets};
use crate::clock::Clock;
use crate::config::Config;
use crate::db::types::Instant;
use crate::db::{Db, DbConn};
use crate::error::{Chain, Error, Result};
use crate::kind::{ClientId, OrganizationId};

/// How long a client's row is taken to be what it was.
const STANDING_KEPT: Duration = Duration::seconds(5);
/// How long a login takes that is refused, whatever for: more than a hash does, so that its time tells nothing of what was done.
const REFUSAL_TAKES: StdDuration = StdDuration::from_millis(250);
const TOKENS_REMEMBERED: usize = 10_000;
const CLIENTS_REMEMBERED: usize = 10_000;
const LOGINS_REMEMBERED: usize = 1_000;

/// Keys, tokens and limits.
pub struct Authority {
    /// The keys that sign tokens.
    pub keys: KeyRing,
    /// How tokens are made and read.
    pub tokens: Tokens,
    /// How links are made and read.
    pub links: Links,
    /// How often each may call.
    pub limits: Limits,
    /// Tokens whose signature was verified, by the SHA-256 of their text.
    verified: Cache<[u8; 32], Arc<Verified>>,
    /// Clients as they stood when last read.
    standings: Cache<ClientId, (Option<Standing>, Instant)>,
    /// Secrets that matched, by the SHA-256 of client and secret, with the hash they matched. A client that logs in again needs no
    /// hash, and waits for nobody's.
    matched: Cache<[u8; 32], Arc<str>>,
    hashing: Hashing,
}

struct Verified {
    claims: Claims,
    kid: String,
}

/// Who calls, as a token and the client's row say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The client.
    pub client_id: ClientId,
    /// The organization it calls for.
    pub organization_id: OrganizationId,
    /// What it may do: what the token says and the client still has.
    pub scopes: Scopes,
}

impl Authority {
    /// Reads the signing keys, makes one where there is none, and begins with nothing remembered.
    pub async fn start(config: &Config, db: &Db, clock: &Clock) -> Result<Self> {
        let keys = match &config.signing_key_file {
            Some(path) => KeyRing::from_file(path, clock)?,
            None => KeyRing::from_table(db, clock).await?,
        };
        let lifetime = Duration::from_std(config.token_lifetime).map_err(Error::internal)?;
        Ok(Self {
            keys,
            tokens: Tokens::new(config.issuer(), &config.audience, lifetime),
            links: Links::new(config.issuer()),
            limits: Limits::new(config.rate_limit, config.rate_burst),
            verified: Cache::new(TOKENS_REMEMBERED),
            standings: Cache::new(CLIENTS_REMEMBERED),
            matched: Cache::new(LOGINS_REMEMBERED),
            hashing: Hashing::default(),
        })
    }

    /// Who sends this token.
    pub async fn authenticate(&self, db: &Db, clock: &Clock, token: &str) -> Result<Caller> {
        if token.len() > LONGEST_TOKEN {
            return Err(Refusal::Invalid.into());
        }
        let now = clock.now();
        let digest: [u8; 32] = Sha256::digest(token).into();
        let remembered = self.verified.get(&digest);
        let kid = match &remembered {
            Some(verified) => Cow::Borrowed(verified.kid.as_str()),
            None => Cow::Owned(Tokens::key_id(token).ok_or(Refusal::Invalid)?),
        };
        let keys = self.keys.with(&kid, db, clock).await?;
        // A key that was retired meanwhile vouches for nothing, not even for what it was remembered for.
        let verified = match remembered.as_ref().filter(|_| keys.find(&kid).is_some()) {
            Some(verified) => match verified.claims.refusal_at(now) {
                None => Arc::clone(verified),
                Some(refusal) => return Err(refusal.into()),
            },
            None => {
                let verified = Arc::new(Verified { claims: self.tokens.verify(token, &keys, now)?, kid: kid.into_owned() });
                self.verified.insert(digest, Arc::clone(&verified));
                verified
            }
        };
        let claims = &verified.claims;
        let standing = self.standing(db, now, claims.sub).await?.filter(|standing| standing.organization_id == claims.org);
        let standing = standing.ok_or(Refusal::ClientInactive)?;
        Ok(Caller { client_id: claims.sub, organization_id: claims.org, scopes: claims.scope.intersection(standing.scopes) })
    }

    /// The link of this token. Whether it still stands, its row says.
    pub async fn open_link(&self, db: &Db, clock: &Clock, purpose: Purpose, token: &str) -> Result<Link> {
        let link = self.read_link(db, clock, purpose, token).await?;
        if clock.now() >= link.expires_at { Err(Refusal::Expired.into()) } else { Ok(link) }
    }

    /// The same, also where it has run out.
    pub async fn read_link(&self, db: &Db, clock: &Clock, purpose: Purpose, token: &str) -> Result<Link> {
        let kid = Links::key_id(token).ok_or(Refusal::Invalid)?;
        let keys = self.keys.with(&kid, db, clock).await?;
        Ok(self.links.read(purpose, token, &keys)?)
    }

    /// An active client as it stands, or stood no longer than [`STANDING_KEPT`] ago.
    async fn standing(&self, db: &Db, now: Instant, client: ClientId) -> Result<Option<Standing>> {
        let is_recent = |read_at: Instant| read_at <= now && now < read_at.plus(STANDING_KEPT);
        let standing = match self.standings.get(&client) {
            Some((standing, read_at)) if is_recent(read_at) => standing,
            _ => {
                let standing = db.read_briefly(move |conn| repository::find_standing(conn, client)).await?;
                self.standings.insert(client, (standing, now));
                standing
            }
        };
        Ok(standing.filter(|standing| standing.is_active))
    }

    /// The client with this id and secret; `None` where there is none, it is not active, or the secret is another.
    ///
    /// Which of these it is does not show in the time this takes. Fails with [`Error::Busy`] where too many wait already. What whoever
    /// guesses can do, [`Hashing`] says.
    pub async fn log_in(&self, db: &Db, clock: &Clock, client: ClientId, secret: &str) -> Result<Option<Standing>> {
        if !secrets::is_well_formed(secret) {
            return Ok(None);
        }
        let refused_at = tokio::time::Instant::now() + REFUSAL_TAKES;
        let standing = self.find_by_secret(db, clock, client, secret).await?;
        if standing.is_none() {
            tokio::time::sleep_until(refused_at).await;
        }
        Ok(standing)
    }

    async fn find_by_secret(&self, db: &Db, clock: &Clock, client: ClientId, secret: &str) -> Result<Option<Standing>> {
        let now = clock.now();
        let find = move |conn: &mut DbConn| Ok((repository::find_secret_hashes(conn, client)?, repository::find_standing(conn, client)?));
        let (known, standing) = db.read_briefly(find).await?;
        let hashes = known.map_or_else(Vec::new, |known| known.live_at(now));
        let digest: [u8; 32] = Sha256::new().chain_update(client.uuid()).chain_update(secret).finalize().into();
        let is_known = self.matched.get(&digest).is_some_and(|matched| hashes.iter().any(|hash| **hash == *matched));
        if !is_known {
            let Some(matched) = self.hashing.find(client, secret, hashes).await? else { return Ok(None) };
            self.matched.insert(digest, with_check(db, client, secret, matched).await.into());
        }
        self.standings.insert(client, (standing, now));
        Ok(standing.filter(|standing| standing.is_active))
    }

    /// A token for this client, of the newest key that every process knows.
    pub async fn issue(&self, db: &Db, clock: &Clock, client: ClientId, organization: OrganizationId, scopes: Scopes) -> Result<String> {
        let keys = self.keys.fresh(db, clock).await?;
        Tokens::sign(&self.tokens.claims(client, organization, scopes, clock.now()), keys.current())
    }
}

/// The hash that this secret matched, as it is kept from now on: one that had no check is given it.
async fn with_check(db: &Db, client: ClientId, secret: &str, hash: String) -> String {
    let Some(checked) = secrets::with_check(secret, &hash) else { return hash };
    let (before, after) = (hash.clone(), checked.clone());
    match db.write(move |conn| repository::rewrite_hash(conn, client, &before, &after)).await {
        Ok(()) => checked,
        Err(error) => {
            log::warn!("the secret of client {client} has no check yet, and is given one at another login: {}", Chain(&error));
            hash
        }
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("tokens", &self.tokens).finish_non_exhaustive()
    }
}
