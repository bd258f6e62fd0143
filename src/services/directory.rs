//! The directory as requests use it: the index, kept current by [following](crate::changes::follower) the journal, the services read
//! last, those [matched](super::brief) last, and the texts of those [shown](super::shown) last.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, mpsc};
use std::thread;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::sync::watch;
use uuid::Uuid;

use super::brief::Brief;
use super::duplicates::detection::{Pair, call_providers, look_alikes, providers};
use super::index::{Card, DirectoryIndex};
use super::model::AreaKind;
use super::providers::{Names, TRUSTED};
use super::repository;
use super::row::ServiceRow;
use super::search::{After, Found, ServiceQuery, Shortlist, Wish};
use super::shown::{Audience, ServiceText, ServiceTexts};
use crate::changes::{Demand, Follower};
use crate::db::DbConn;
use crate::db::types::Instant;
use crate::error::{Error, Result};
use crate::http::json;
use crate::kind::{OrganizationId, ResourceType, ServiceId};
use crate::organizations;
use crate::text::fold;

/// Bytes of services kept in memory as they were read, roughly.
const KEPT_BYTES: u64 = 4 << 20;
/// Bytes of services kept in memory as they are matched.
const BRIEF_BYTES: u64 = 12 << 20;
/// Where what its source says of a service beyond our fields takes more bytes than this, it is read only for those who ask for it, and never
/// kept.
const MUCH_BEYOND: usize = 32 << 10;
/// Services that are put into the index while those who search wait.
const AT_ONCE: usize = 16;
/// Whatever is asked of a directory of so many services takes no longer than other reads of a few rows.
const SMALL: usize = 20_000;
/// Services that are given on together when all are read.
const PAGE: usize = 50;
/// Services that are expected to be kept as they were read.
const KEPT_SERVICES: usize = 1_000;
/// Services that are expected to be kept as they are matched.
const KEPT_BRIEFS: usize = 10_000;
/// Bytes that a cache needs for one of them beside its text.
const BRIEF_AROUND: usize = 100;

/// The index of all services, and caches of those read, matched and shown last.
#[derive(Debug)]
pub struct Directory {
    index: RwLock<DirectoryIndex>,
    journal: Follower,
    /// False while the whole table is read.
    is_open: watch::Sender<bool>,
    rows: Cache<ServiceId, Kept, Size>,
    briefs: Cache<ServiceId, KeptBrief, Size>,
    texts: ServiceTexts,
    names: Names,
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
    /// When it was asked what their providers are called, which changes without the index.
    read_at: Instant,
    pairs: Arc<Vec<Pair>>,
}

/// A service that was read, and the bytes that it takes in memory, roughly: they are asked for often, and counted once.
#[derive(Debug, Clone)]
struct Kept {
    row: Arc<ServiceRow>,
    /// Whether what its source says beyond our fields is there, too.
    is_whole: bool,
    bytes: u64,
}

impl Kept {
    fn new(row: Arc<ServiceRow>, is_whole: bool) -> Self {
        let contents = std::iter::once(&row.content).chain(&row.own_content);
        let texts: usize = contents.map(|content| json::length(&content.0)).sum();
        // What no field of ours holds is kept as it came, and a value of a letter takes as much as one of many.
        let bytes = (2_000 + texts + row.weight_beyond()) as u64;
        Self { row, is_whole, bytes }
    }
}

/// What matching asks of a version of a service, as it is [written](Brief::write).
#[derive(Debug, Clone)]
struct KeptBrief {
    version: i64,
    text: Arc<str>,
}

#[derive(Debug, Clone)]
struct Size;

impl Weighter<ServiceId, Kept> for Size {
    fn weight(&self, _: &ServiceId, kept: &Kept) -> u64 {
        kept.bytes
    }
}

impl Weighter<ServiceId, KeptBrief> for Size {
    fn weight(&self, _: &ServiceId, kept: &KeptBrief) -> u64 {
        (kept.text.len() + BRIEF_AROUND) as u64
    }
}

impl Default for Directory {
    fn default() -> Self {
        let rows = Cache::with_weighter(KEPT_SERVICES, KEPT_BYTES, Size);
        let briefs = Cache::with_weighter(KEPT_BRIEFS, BRIEF_BYTES, Size);
        Self {
            index: RwLock::default(),
            journal: Follower::of(ResourceType::Service),
            is_open: watch::Sender::new(true),
            rows,
            briefs,
            texts: ServiceTexts::default(),
            names: Names::default(),
            changed: AtomicU64::new(0),
            look_alikes: Mutex::default(),
        }
    }
}

/// The cities that a service is in or for.
fn cities(row: &ServiceRow) -> impl Iterator<Item = &str> {
    let addresses = row.content.places.iter().filter_map(|place| place.address.as_ref()?.city.as_deref());
    let areas = row.content.service_areas.iter().filter(|area| area.kind == AreaKind::City);
    addresses.chain(areas.map(|area| area.value.as_str()))
}

impl Directory {
    /// Answers a question as of `now`. Call it in a read, after [`refresh`](Self::refresh).
    ///
    /// # Errors
    /// [`Error::Invalid`] where the question makes no sense.
    pub fn search(&self, query: &ServiceQuery, after: Option<&After>, now: Instant) -> Result<Found> {
        self.read().search(query, after, query.limit.get(), now).map_err(Error::Invalid)
    }

    /// The services worth reading in full for a wish. Call it in a read, after [`refresh`](Self::refresh).
    pub fn shortlist(&self, wish: &Wish<'_>, most: usize) -> Shortlist {
        self.read().shortlist(wish, most)
    }

    /// All services whose texts answer to words, the best first; none where there are no words. Call it in a read, after
    /// [`refresh`](Self::refresh).
    pub fn matching(&self, words: &str) -> Option<Vec<ServiceId>> {
        self.read().matching(words)
    }

    /// A city as the directory writes it; `None` where no service is in it or for it. Call it in a read, after
    /// [`refresh`](Self::refresh).
    pub fn city(&self, conn: &mut DbConn, words: &str) -> Result<Option<String>> {
        let Some(id) = self.read().in_city(words) else { return Ok(None) };
        let row = self.services(conn, &[id])?.into_iter().next();
        let sought = fold(words);
        Ok(row.and_then(|row| cities(&row).find(|city| fold(city) == sought).map(str::to_owned)))
    }

    /// The living services with these ids, in their order. Where a source says very much beyond our fields that is left out: of a great
    /// many at once it would not fit into memory. Call it in a read, after [`refresh`](Self::refresh).
    pub fn services(&self, conn: &mut DbConn, ids: &[ServiceId]) -> Result<Vec<Arc<ServiceRow>>> {
        self.read_rows(conn, ids, false)
    }

    /// The same with all that their sources say, of not many at once.
    pub fn whole(&self, conn: &mut DbConn, ids: &[ServiceId]) -> Result<Vec<Arc<ServiceRow>>> {
        self.read_rows(conn, ids, true)
    }

    fn read_rows(&self, conn: &mut DbConn, ids: &[ServiceId], is_whole: bool) -> Result<Vec<Arc<ServiceRow>>> {
        let mut found: HashMap<ServiceId, Arc<ServiceRow>> = HashMap::with_capacity(ids.len());
        self.each(conn, ids, is_whole, |row| {
            found.insert(row.id, row);
            Ok(())
        })?;
        Ok(ids.iter().filter_map(|id| found.get(id).cloned()).collect())
    }

    /// Gives the living services with these ids one after the other, in no order.
    fn each(
        &self,
        conn: &mut DbConn,
        ids: &[ServiceId],
        is_whole: bool,
        mut give: impl FnMut(Arc<ServiceRow>) -> Result<()>,
    ) -> Result<()> {
        let versions: HashMap<ServiceId, i64> = self.versions(ids).into_iter().collect();
        let mut missing = Vec::new();
        for id in ids {
            let answers = |kept: &Kept| versions.get(id) == Some(&kept.row.version) && (kept.is_whole || !is_whole);
            match self.rows.get(id).filter(answers) {
                Some(kept) => give(kept.row)?,
                None => missing.push(*id),
            }
        }
        repository::each_of(conn, &missing, |row| {
            if !row.is_listed() {
                return Ok(());
            }
            let is_much = row.weight_beyond() > MUCH_BEYOND;
            if is_much && is_whole {
                return give(Arc::new(row));
            }
            let row = Arc::new(if is_much { row.without_beyond() } else { row });
            self.rows.insert(row.id, Kept::new(Arc::clone(&row), !is_much));
            give(row)
        })
    }

    /// The living services with these ids as they are matched, in their order. Call it as [`services`](Self::services).
    pub fn briefs(&self, conn: &mut DbConn, ids: &[ServiceId]) -> Result<Vec<Brief>> {
        let kept = self.kept_briefs(ids);
        let missing: Vec<ServiceId> = ids.iter().zip(&kept).filter(|(_, kept)| kept.is_none()).map(|(id, _)| *id).collect();
        let mut read: HashMap<ServiceId, Brief> = HashMap::with_capacity(missing.len());
        repository::each_of(conn, &missing, |row| {
            if row.is_listed() {
                let (id, version, brief) = (row.id, row.version, Brief::of(row));
                self.briefs.insert(id, KeptBrief { version, text: brief.write()?.into() });
                read.insert(id, brief);
            }
            Ok(())
        })?;
        let briefs = ids.iter().zip(kept).filter_map(|(id, kept)| match kept {
            Some(kept) => Some(Brief::read(&kept.text)),
            None => read.remove(id).map(Ok),
        });
        briefs.collect()
    }

    /// For each of these services what is kept of the version that the index knows.
    fn kept_briefs(&self, ids: &[ServiceId]) -> Vec<Option<KeptBrief>> {
        let index = self.read();
        let kept = |id: &ServiceId| self.briefs.get(id).filter(|kept| index.version(*id) == Some(kept.version));
        ids.iter().map(kept).collect()
    }

    /// The living services with these ids as JSON, in their order. Call it as [`services`](Self::services).
    pub fn texts(
        &self,
        conn: &mut DbConn,
        ids: &[ServiceId],
        audience: Audience,
        now: Instant,
    ) -> Result<Vec<(ServiceId, Arc<ServiceText>)>> {
        let kept = self.versions(ids).into_iter().filter_map(|(id, version)| Some((id, self.texts.get(id, version, audience, now)?)));
        let mut texts: HashMap<ServiceId, Arc<ServiceText>> = kept.collect();
        let missing: Vec<ServiceId> = ids.iter().filter(|id| !texts.contains_key(id)).copied().collect();
        self.each(conn, &missing, true, |row| {
            texts.insert(row.id, self.texts.write(&row, audience, now)?);
            Ok(())
        })?;
        Ok(ids.iter().filter_map(|id| Some((*id, Arc::clone(texts.get(id)?)))).collect())
    }

    /// What the organizations that give services are called; see [`Names::of`].
    pub fn names(
        &self,
        conn: &mut DbConn,
        ids: impl Iterator<Item = OrganizationId>,
        now: Instant,
    ) -> Result<HashMap<OrganizationId, Arc<str>>> {
        self.names.of(conn, ids, now)
    }

    /// The services of these that the index knows, and their versions.
    fn versions(&self, ids: &[ServiceId]) -> Vec<(ServiceId, i64)> {
        let index = self.read();
        ids.iter().filter_map(|id| Some((*id, index.version(*id)?))).collect()
    }

    /// Brings the index up to date with what this transaction sees, as far as the reader must see it. The first
    /// time it reads the whole table.
    pub fn refresh(&self, conn: &mut DbConn, demand: Demand) -> Result<()> {
        self.journal.follow(conn, demand, |conn| self.load(conn), |conn, ids| self.reload(conn, ids))
    }

    /// Whether a question at this state of the database is answered within a few milliseconds: the directory is small, and what the reader
    /// must see of it is in the index.
    pub fn is_at_hand(&self, conn: &mut DbConn, demand: Demand) -> Result<bool> {
        Ok(self.len() <= SMALL && self.journal.is_current(conn, demand)?)
    }

    /// Has readers wait until it is [open](Self::open).
    pub fn close(&self) {
        self.is_open.send_replace(false);
    }

    /// Lets readers in.
    pub fn open(&self) {
        self.is_open.send_replace(true);
    }

    /// Waits until it is open. Whoever reads waits here before they take a connection, or nothing else could be read meanwhile.
    pub async fn opens(&self) {
        if !*self.is_open.borrow() {
            let mut state = self.is_open.subscribe();
            // It does not end before this reader does.
            let _is_open = state.wait_for(|is_open| *is_open).await;
        }
    }

    /// Brings some of the rest into the index; true where there is more.
    pub fn catch_up(&self, conn: &mut DbConn) -> Result<bool> {
        self.journal.catch_up(conn, |conn, ids| self.reload(conn, ids))
    }

    /// Waits until a search went on without what others have written.
    pub async fn falls_behind(&self) {
        self.journal.falls_behind().await;
    }

    /// The pairs of an organization's services that look like one, the likeliest first, by what those who give them are called, or were
    /// called within the minute before `now`. Call it in a read, after [`refresh`](Self::refresh).
    pub fn look_alikes(&self, conn: &mut DbConn, keeper: OrganizationId, now: Instant) -> Result<Arc<Vec<Pair>>> {
        let mut last = self.look_alikes.lock().unwrap_or_else(PoisonError::into_inner);
        // Read before the index: what changes meanwhile has it looked at once more.
        let changed = self.changed.load(Ordering::Acquire);
        let is_current = |known: &LookAlikes| known.keeper == keeper && known.changed == changed && known.read_at.plus(TRUSTED) > now;
        if let Some(known) = last.as_ref().filter(|known| is_current(known)) {
            return Ok(Arc::clone(&known.pairs));
        }
        let mut looks = self.read().looks(keeper);
        let names = organizations::repository::names(conn, &providers(&looks))?;
        call_providers(&mut looks, &names);
        let pairs = Arc::new(look_alikes(&looks));
        *last = Some(LookAlikes { keeper, changed, read_at: now, pairs: Arc::clone(&pairs) });
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

    /// Reads the whole table. A thread of its own puts into the index what this one has read.
    fn load(&self, conn: &mut DbConn) -> Result<()> {
        let (pages, read) = mpsc::sync_channel::<Vec<ServiceRow>>(0);
        let (index, is_read) = thread::scope(|scope| {
            let indexing = scope.spawn(move || {
                let mut index = DirectoryIndex::default();
                for row in read.into_iter().flatten().filter(ServiceRow::is_listed) {
                    index.upsert(Card::of(&row.record()));
                }
                index
            });
            let is_read = read_all(conn, &pages);
            drop(pages);
            (indexing.join(), is_read)
        });
        is_read?;
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = index.map_err(|_| Error::internal("the directory was not read"))?;
        self.changed.fetch_add(1, Ordering::Release);
        Ok(())
    }

    fn reload(&self, conn: &mut DbConn, ids: &[Uuid]) -> Result<()> {
        let ids: Vec<ServiceId> = ids.iter().map(|id| ServiceId::from_uuid(*id)).collect();
        let mut rows = Vec::with_capacity(AT_ONCE);
        repository::each_of(conn, &ids, |row| {
            rows.push(row.without_beyond());
            if rows.len() >= AT_ONCE {
                self.apply(&rows);
                rows.clear();
            }
            Ok(())
        })?;
        if !rows.is_empty() {
            self.apply(&rows);
        }
        Ok(())
    }

    fn apply(&self, rows: &[ServiceRow]) {
        // What takes long is done before anyone has to wait.
        let rows: Vec<_> = rows.iter().map(|row| (row.id, row.is_listed().then(|| Card::of(&row.record())))).collect();
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        for (id, card) in rows {
            self.rows.remove(&id);
            self.briefs.remove(&id);
            match card {
                Some(card) => index.upsert(card),
                None => index.remove(id),
            }
        }
        self.changed.fetch_add(1, Ordering::Release);
    }

    // A panic while a lock is held leaves an index that lacks a service at worst; it is put right when that service changes next.
    fn read(&self) -> RwLockReadGuard<'_, DirectoryIndex> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads all services, and gives them on as long as somebody takes them, without what the index does not know of: that may be much.
fn read_all(conn: &mut DbConn, pages: &mpsc::SyncSender<Vec<ServiceRow>>) -> Result<()> {
    let mut page = Vec::with_capacity(PAGE);
    let send = |page| pages.send(page).map_err(|_| Error::internal("nobody takes what is read of the directory"));
    repository::each_row(conn, |row| {
        page.push(row.without_beyond());
        if page.len() < PAGE {
            return Ok(());
        }
        send(std::mem::replace(&mut page, Vec::with_capacity(PAGE)))
    })?;
    send(page)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::db::types::Id;

    #[test]
    fn a_service_weighs_what_it_takes_whatever_it_is_made_of() {
        let bytes = |more: serde_json::Value| {
            let mut service = json!({ "name": "Pantry" });
            service.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let at = "2026-01-01T00:00:00Z".parse().unwrap();
            let row = ServiceRow::new(Id::generate(), Id::generate(), serde_json::from_value(service).unwrap(), at);
            Kept::new(Arc::new(row), true).bytes
        };
        let least = bytes(json!({}));
        for (more, takes) in [
            (json!({ "places": vec![json!({ "accessibility_text": "x".repeat(2_000) }); 10] }), 20_000),
            (json!({ "eligibility": { "documents_required": vec!["x".repeat(1_000); 20] } }), 20_000),
            (json!({ "source_fields": { "numbers": vec![0; 1_000] } }), 64_000),
            (json!({ "source_fields": { "objects": vec![json!({ "a": 1 }); 1_000] } }), 400_000),
        ] {
            let bytes = bytes(more);
            assert!((least + takes..least + 2 * takes).contains(&bytes), "{bytes} and not {takes} more than {least}");
        }
    }
}
