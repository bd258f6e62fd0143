//! The one that says who is who: it checks secrets, issues tokens and verifies them.
//!
//! What it remembers spares work and decides nothing for long: a client that is disabled or loses a scope does so here within
//! [`STANDING_KEPT`], on every process, even for tokens already issued.

use std::borrow::Cow;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration as StdDuration;

use chrono::Duration;
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::key_ring::KeyRing;
use super::limits::Limits;
use super::links::{Link, Links, Purpose};
use super::model::Standing;
use super::scopes::Scopes;
use super::tokens::{Claims, LONGEST_TOKEN, Refusal, Tokens};
use super::{repository, secrets};
use crate::clock::Clock;
use crate::config::Config;
use crate::db::Db;
use crate::db::types::Instant;
use crate::error::{Error, Result};
use crate::http::concurrency::Concurrency;
use crate::kind::{ClientId, OrganizationId};

/// How long a client's row is taken to be what it was.
const STANDING_KEPT: Duration = Duration::seconds(5);
/// Hashes that may run at once; each takes a core for some tens of milliseconds, and 19 MiB.
const HASHES_AT_ONCE: usize = 2;
/// Logins that may wait for their hashes, two for a guess; the next is turned away.
const LOGINS_WAITING: usize = 32;
/// Logins that may wait as one client: whoever guesses at the secrets of few keeps no other out.
const LOGINS_OF_ONE: u16 = 8;
/// A login that has waited for longer has no place among these any more.
const LOGIN_LASTS: StdDuration = StdDuration::from_secs(60);
/// Logins that may wait as clients that do not exist, beside all others.
const STRANGERS_WAITING: usize = 8;
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
    /// hash, so a flood of strangers, who do, cannot keep it out.
    matched: Cache<[u8; 32], Arc<str>>,
    hashing: Hashing,
    /// The logins that wait for their hashes, by the client.
    waiting: Concurrency<ClientId>,
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
            waiting: Concurrency::new(LOGINS_OF_ONE),
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
    /// Whether the client exists does not show in the time this takes. Fails with [`Error::Busy`] where too many wait already.
    pub async fn log_in(&self, db: &Db, clock: &Clock, client: ClientId, secret: &str) -> Result<Option<Standing>> {
        if !secrets::is_well_formed(secret) {
            return Ok(None);
        }
        let now = clock.now();
        let found = db.read(move |conn| Ok((repository::find_secret_hashes(conn, client)?, repository::find_standing(conn, client)?)));
        let (known, standing) = found.await?;
        let whose = known.is_some().then_some(client);
        let hashes = secrets::as_many_as_any(known.map_or_else(Vec::new, |known| known.live_at(now)));
        let digest: [u8; 32] = Sha256::new().chain_update(client.uuid()).chain_update(secret).finalize().into();
        let is_known = self.matched.get(&digest).is_some_and(|matched| hashes.iter().any(|hash| **hash == *matched));
        if !is_known {
            let Some(matched) = self.verify(whose, secret, hashes).await? else { return Ok(None) };
            self.matched.insert(digest, matched.into());
        }
        self.standings.insert(client, (standing, now));
        Ok(standing.filter(|standing| standing.is_active))
    }

    /// The hash that is the secret's, if one is. Those who try clients that do not exist take no place from those who try one that does,
    /// nor do those who try one client from the others.
    async fn verify(&self, whose: Option<ClientId>, secret: &str, hashes: Vec<String>) -> Result<Option<String>> {
        let (secret, hashing) = (secret.to_owned(), &self.hashing);
        let hash = move || hashes.into_iter().find(|hash| secrets::verify(&secret, hash));
        let Some(client) = whose else { return hashing.run(&hashing.strangers, hash).await };
        let slot = self.waiting.open(client, LOGIN_LASTS).map_err(|_| Error::Busy)?;
        let hash_in_place = move || {
            let found = hash();
            drop(slot);
            found
        };
        hashing.run(&hashing.places, hash_in_place).await
    }

    /// A token for this client, of the newest key that every process knows.
    pub async fn issue(&self, db: &Db, clock: &Clock, client: ClientId, organization: OrganizationId, scopes: Scopes) -> Result<String> {
        let keys = self.keys.fresh(db, clock).await?;
        Tokens::sign(&self.tokens.claims(client, organization, scopes, clock.now()), keys.current())
    }
}

/// Hashes beside the threads that answer requests, a few at a time.
///
/// A hash keeps its place until it has ended: whoever asked for it may be gone long before.
struct Hashing {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
    /// Places of those who try clients that do not exist.
    strangers: Arc<Semaphore>,
}

impl Default for Hashing {
    fn default() -> Self {
        let at_once = std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(HASHES_AT_ONCE);
        let [turns, places, strangers] = [at_once, LOGINS_WAITING, STRANGERS_WAITING].map(|permits| Arc::new(Semaphore::new(permits)));
        Self { turns, places, strangers }
    }
}

impl Hashing {
    /// Fails with [`Error::Busy`] where too many wait in these places.
    async fn run<T: Send + 'static>(&self, places: &Arc<Semaphore>, hash: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let place = Arc::clone(places).try_acquire_owned().map_err(|_| Error::Busy)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(Error::internal)?;
        let hash_in_turn = move || {
            let found = hash();
            drop((turn, place));
            found
        };
        actix_web::web::block(hash_in_turn).await.map_err(Error::internal)
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("tokens", &self.tokens).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[actix_web::test]
    async fn a_hash_that_nobody_waits_for_any_more_keeps_its_place_until_it_has_ended() {
        let hashing = Arc::new(Hashing::default());
        let (free, all) = (hashing.turns.available_permits(), hashing.places.available_permits());
        let (begun, begins) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let asked = Arc::clone(&hashing);
        let caller = actix_web::rt::spawn(async move {
            let hash = move || {
                begun.send(()).unwrap();
                ended.recv().unwrap();
            };
            asked.run(&asked.places, hash).await
        });
        // The caller runs on this thread, until the other one has begun.
        while begins.try_recv().is_err() {
            actix_web::rt::task::yield_now().await;
        }
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        assert_eq!((hashing.turns.available_permits(), hashing.places.available_permits()), (free - 1, all - 1));
        end.send(()).unwrap();
        while hashing.places.available_permits() < all {
            actix_web::rt::task::yield_now().await;
        }
        assert_eq!(hashing.turns.available_permits(), free);
    }
}
