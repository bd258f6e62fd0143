//! The directory as requests use it: the index, kept current by [following](crate::changes::follower) the journal, the services read
//! last, and the texts of those [shown](super::shown) last.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use uuid::Uuid;

use super::duplicates::detection::{Pair, look_alikes};
use super::index::DirectoryIndex;
use super::repository;
use super::row::ServiceRow;
use super::search::{After, Found, ServiceQuery, Shortlist, Wish};
use super::shown::{Audience, Text, Texts};
use crate::changes::Follower;
use crate::changes::follower::BATCH;
use crate::db::DbConn;
use crate::db::types::Instant;
use crate::error::{Error, Result};
use crate::kind::{OrganizationId, ResourceType, ServiceId};

/// Bytes of services kept in memory, roughly.
const KEPT_BYTES: u64 = 16 << 20;
/// Services that are expected to be kept.
const KEPT_SERVICES: usize = 4_000;

/// The index of all services, and caches of those read and those shown last.
#[derive(Debug)]
pub struct Directory {
    index: RwLock<DirectoryIndex>,
    journal: Follower,
    rows: Cache<ServiceId, Arc<ServiceRow>, Size>,
    texts: Texts,
    /// Counts the changes of the index.
    changed: AtomicU64,
    /// The duplicates that were looked for last: a list is read page by page.
    look_alikes: Mutex<Option<LookAlikes>>,
}

/// What looked alike among the services of an organization, before the index changed.
#[derive(Debug, Clone)]
struct LookAlikes {
    keeper: OrganizationId,
    changed: u64,
    pairs: Arc<Vec<Pair>>,
}

#[derive(Debug, Clone)]
struct Size;

impl Weighter<ServiceId, Arc<ServiceRow>> for Size {
    /// The texts are most of it.
    fn weight(&self, _: &ServiceId, row: &Arc<ServiceRow>) -> u64 {
        let content = &row.content;
        let texts = content.translations.iter().filter_map(|t| t.description.as_deref()).chain(content.description.as_deref());
        let places = content.places.len() * 600;
        (4_000 + places + texts.map(str::len).sum::<usize>()) as u64
    }
}

impl Default for Directory {
    fn default() -> Self {
        let rows = Cache::with_weighter(KEPT_SERVICES, KEPT_BYTES, Size);
        Self {
            index: RwLock::default(),
            journal: Follower::of(ResourceType::Service),
            rows,
            texts: Texts::default(),
            changed: AtomicU64::new(0),
            look_alikes: Mutex::default(),
        }
    }
}

impl Directory {
    /// Answers a question as of `now`. Call it in a read.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the question makes no sense.
    pub fn search(&self, conn: &mut DbConn, query: &ServiceQuery, after: Option<&After>, now: Instant) -> Result<Found> {
        self.refresh(conn)?;
        self.read().search(query, after, query.limit.get(), now).map_err(Error::Invalid)
    }

    /// The services worth reading in full for a wish. Call it in a read.
    pub fn shortlist(&self, conn: &mut DbConn, wish: &Wish<'_>, most: usize) -> Result<Shortlist> {
        self.refresh(conn)?;
        Ok(self.read().shortlist(wish, most))
    }

    /// All services whose texts answer to words, the best first; none where there are no words. Call it in a read.
    pub fn matching(&self, conn: &mut DbConn, words: &str) -> Result<Option<Vec<ServiceId>>> {
        self.refresh(conn)?;
        Ok(self.read().matching(words))
    }

    /// The living services with these ids, in their order. Call it in a read, after a search or [`refresh`](Self::refresh).
    pub fn services(&self, conn: &mut DbConn, ids: &[ServiceId]) -> Result<Vec<Arc<ServiceRow>>> {
        let versions = self.versions(ids);
        let mut found: HashMap<ServiceId, Arc<ServiceRow>> = HashMap::with_capacity(versions.len());
        let mut missing = Vec::new();
        for (id, version) in &versions {
            match self.rows.get(id).filter(|row| row.version == *version) {
                Some(row) => drop(found.insert(*id, row)),
                None => missing.push(*id),
            }
        }
        for ids in missing.chunks(BATCH) {
            for row in repository::load(conn, ids)?.into_iter().filter(ServiceRow::is_listed) {
                let row = Arc::new(row);
                self.rows.insert(row.id, Arc::clone(&row));
                found.insert(row.id, row);
            }
        }
        Ok(ids.iter().filter_map(|id| found.get(id).cloned()).collect())
    }

    /// The living services with these ids as JSON, in their order. Call it as [`services`](Self::services).
    pub fn texts(&self, conn: &mut DbConn, ids: &[ServiceId], audience: Audience, now: Instant) -> Result<Vec<(ServiceId, Arc<Text>)>> {
        let kept = self.versions(ids).into_iter().filter_map(|(id, version)| Some((id, self.texts.get(id, version, audience, now)?)));
        let mut texts: HashMap<ServiceId, Arc<Text>> = kept.collect();
        let missing: Vec<ServiceId> = ids.iter().filter(|id| !texts.contains_key(id)).copied().collect();
        for row in self.services(conn, &missing)? {
            texts.insert(row.id, self.texts.write(&row, audience, now)?);
        }
        Ok(ids.iter().filter_map(|id| Some((*id, Arc::clone(texts.get(id)?)))).collect())
    }

    /// The living services of these, and their versions.
    fn versions(&self, ids: &[ServiceId]) -> Vec<(ServiceId, i64)> {
        let index = self.read();
        ids.iter().filter_map(|id| Some((*id, index.version(*id)?))).collect()
    }

    /// Brings the index up to date with what this transaction sees. The first time it reads the whole table.
    pub fn refresh(&self, conn: &mut DbConn) -> Result<()> {
        if self.journal.is_current(conn)? {
            return Ok(());
        }
        let apply = |conn: &mut DbConn, ids: &[Uuid]| {
            let ids: Vec<ServiceId> = ids.iter().map(|id| ServiceId::from_uuid(*id)).collect();
            self.apply(&repository::load(conn, &ids)?);
            Ok(())
        };
        self.journal.follow(conn, |conn| self.load(conn), apply)
    }

    /// The pairs of an organization's services that look like one, the likeliest first. Call it in a read.
    pub fn look_alikes(&self, conn: &mut DbConn, keeper: OrganizationId) -> Result<Arc<Vec<Pair>>> {
        self.refresh(conn)?;
        let mut last = self.look_alikes.lock().unwrap_or_else(PoisonError::into_inner);
        // Read before the index: what changes meanwhile has it looked at once more.
        let changed = self.changed.load(Ordering::Acquire);
        if let Some(known) = last.as_ref().filter(|known| known.keeper == keeper && known.changed == changed) {
            return Ok(Arc::clone(&known.pairs));
        }
        let looks = self.read().looks(keeper);
        let pairs = Arc::new(look_alikes(&looks));
        *last = Some(LookAlikes { keeper, changed, pairs: Arc::clone(&pairs) });
        Ok(pairs)
    }

    /// How many services there are, as far as the index has read.
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Whether there are none, as far as the index has read.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn load(&self, conn: &mut DbConn) -> Result<()> {
        let mut index = DirectoryIndex::default();
        let mut after = None;
        loop {
            let rows = repository::list_after(conn, after, BATCH as i64)?;
            rows.iter().filter(|row| row.is_listed()).for_each(|row| index.upsert(&row.record()));
            after = rows.last().map(|row| row.id);
            if rows.len() < BATCH {
                break;
            }
        }
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = index;
        self.changed.fetch_add(1, Ordering::Release);
        Ok(())
    }

    fn apply(&self, rows: &[ServiceRow]) {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            self.rows.remove(&row.id);
            if row.is_listed() {
                index.upsert(&row.record());
            } else {
                index.remove(row.id);
            }
        }
        self.changed.fetch_add(1, Ordering::Release);
    }

    // A panic while a lock is held leaves an index that lacks a service at worst; it is put right when that service changes next.
    fn read(&self) -> RwLockReadGuard<'_, DirectoryIndex> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }
}
