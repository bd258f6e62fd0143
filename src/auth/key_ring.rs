//! Where the signing keys come from, a file or the table `signing_keys`, and the ones last read.
//!
//! Every process on one database reads the same table; one that meets a key id it has never seen looks there, but not more often
//! than every few seconds, since anybody can send an unknown id. A new key verifies at once and signs when all have read it.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use chrono::Duration;

use super::keys::{KeySet, SigningKey, generate_pem, pem_blocks};
use super::repository;
use crate::clock::Clock;
use crate::db::Db;
use crate::db::types::Instant;
use crate::error::{Error, Result};

/// Where the keys come from, and the ones last read.
pub struct KeyRing {
    is_from_file: bool,
    keys: RwLock<Arc<KeySet>>,
    reloading: tokio::sync::Mutex<()>,
}

impl KeyRing {
    /// Keys are read again after this long, so that a new or retired one is known everywhere within it.
    const REFRESH_EVERY: Duration = Duration::seconds(60);
    /// The most often that unknown key ids, which anybody can send, cause a look into the table.
    const RELOAD_AT_MOST_EVERY: Duration = Duration::seconds(5);
    /// A key signs from this age on: every process has read the table since it was made, also where clocks differ by a minute. Before
    /// that, one that had just read it would refuse a token of which it does not know the key.
    const KNOWN_AFTER: Duration = Duration::seconds(120);

    /// The keys of a file of one or more PKCS#8 PEM blocks; the first signs.
    pub fn from_file(path: &Path, clock: &Clock) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::internal(format!("{}: {error}", path.display())))?;
        let set = KeySet::new(pem_blocks(&text), clock.now()).map_err(|error| Error::internal(format!("{}: {error}", path.display())))?;
        Ok(Self::new(true, set))
    }

    /// The keys of the table, where one is made if there is none.
    pub async fn from_table(db: &Db, clock: &Clock) -> Result<Self> {
        let now = clock.now();
        let fresh = generate_pem()?;
        let kid = SigningKey::from_pem(&fresh).map_err(Error::internal)?.kid().to_owned();
        let keys = db
            .write(move |conn| {
                let mut keys = repository::list_signing_keys(conn)?;
                if keys.is_empty() {
                    // Another process that starts may be about to make one as well.
                    repository::lock_signing_keys(conn)?;
                    keys = repository::list_signing_keys(conn)?;
                }
                if keys.is_empty() {
                    repository::insert_signing_key(conn, &kid, &fresh, now)?;
                    keys.push((fresh.clone(), now));
                }
                Ok(keys)
            })
            .await?;
        Ok(Self::new(false, KeySet::new(signing_first(keys, now), now).map_err(Error::internal)?))
    }

    fn new(is_from_file: bool, set: KeySet) -> Self {
        Self { is_from_file, keys: RwLock::new(Arc::new(set)), reloading: tokio::sync::Mutex::new(()) }
    }

    /// The keys as last read.
    pub fn known(&self) -> Arc<KeySet> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The keys, read again where they are older than [`Self::REFRESH_EVERY`].
    pub async fn fresh(&self, db: &Db, clock: &Clock) -> Result<Arc<KeySet>> {
        self.not_older_than(Self::REFRESH_EVERY, db, clock).await
    }

    /// The keys, read again if this id is unknown and the last reading is not quite recent.
    pub async fn with(&self, kid: &str, db: &Db, clock: &Clock) -> Result<Arc<KeySet>> {
        let keys = self.fresh(db, clock).await?;
        if keys.find(kid).is_some() {
            return Ok(keys);
        }
        self.not_older_than(Self::RELOAD_AT_MOST_EVERY, db, clock).await
    }

    async fn not_older_than(&self, age: Duration, db: &Db, clock: &Clock) -> Result<Arc<KeySet>> {
        let is_recent = |keys: &KeySet, now: Instant| keys.read_at() <= now && now < keys.read_at().plus(age);
        let keys = self.known();
        if self.is_from_file || is_recent(&keys, clock.now()) {
            return Ok(keys);
        }
        let _one_at_a_time = self.reloading.lock().await;
        let (keys, now) = (self.known(), clock.now());
        if is_recent(&keys, now) {
            return Ok(keys);
        }
        let keys = db.read(repository::list_signing_keys).await?;
        let keys = Arc::new(KeySet::new(signing_first(keys, now), now).map_err(Error::internal)?);
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys.clone();
        Ok(keys)
    }
}

/// The texts of keys that stand newest first, the one that signs before the others: the newest that every process knows, and where none
/// is so old, the oldest.
fn signing_first(keys: Vec<(String, Instant)>, now: Instant) -> Vec<String> {
    let is_known = |(_, made_at): &&(String, Instant)| made_at.plus(KeyRing::KNOWN_AFTER) <= now;
    let signing = keys.iter().find(is_known).or(keys.last()).map(|(pem, _)| pem.clone());
    let mut pems: Vec<String> = keys.into_iter().map(|(pem, _)| pem).collect();
    pems.sort_by_key(|pem| Some(pem) != signing.as_ref());
    pems
}
