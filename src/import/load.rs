//! Writes imported services: new ones, changed ones, and providers that were not known, in batches, each change with its entry in the
//! journal.
//!
//! The table `imported_services` remembers the fingerprint of what a source last said of a service. A record that says the same again
//! changes nothing, even where somebody has since improved the service by hand; one that says something new replaces what the source
//! said before and leaves what people here know (connector notes, keys of other systems) as it is. What they have changed stands until the
//! source says something else of that field: see [`reconciling`](super::reconciling).
//!
//! Organizations that a source tells apart are several, whatever keys they share: a key is of the first that bears it.
//!
//! A record that was merged into another stays what its source says, and the one that stands for it is composed anew. A new record that
//! bears a key of a service which is known from elsewhere is one more source of it: no two services of a directory have the same key.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

pub use super::batch::{Batch, Written, preview_retired, retire};
use super::batch::{Planned, line, noted};
use super::keys::stable_id;
use super::read::Of;
use super::report::{Line, Verdict};
use super::{Kept, Notice, Outcome, Provider, store};
use crate::db::DbConn;
use crate::error::Result;
use crate::hsds::repository::{self as hsds, SourceRowKind};
use crate::http::json::weight;
use crate::identifiers;
use crate::kind::{self, OrganizationId, ResourceType, ServiceId};

/// How many services are written in one transaction.
pub const BATCH: usize = 500;

/// How large they are together in memory, about, in bytes, where they are fewer: of a package, many may share what is large.
pub(super) const MOST_BYTES: usize = 64 << 20;

/// So many taxonomies, terms and the like are taken of one import. How many are kept of all sources is for [`hsds::MOST_KEPT`] to say.
const MOST_KEPT: usize = 50_000;

/// What is told where nothing was retired, for it is not known what is still there.
pub const NOTHING_RETIRED: &str = "nothing_retired";
/// The same where nothing was forgotten.
pub const NOTHING_FORGOTTEN: &str = "nothing_forgotten";

/// The fingerprint of a service that was retired: equal to no record's, so that its return is a change.
pub(super) const RETIRED: &str = "";

/// An import on its way: what is known of the source, and what has been seen of it.
#[derive(Debug)]
pub struct Load {
    owner: OrganizationId,
    source: String,
    /// The fingerprints of what the source said last time: of all its services, or of those that were asked for.
    known: HashMap<ServiceId, String>,
    knows_all: bool,
    seen: HashSet<ServiceId>,
    /// How many records were refused of which it is not known which they are, and how many rows that belong to no record.
    unkeyed: u64,
    unkeyed_rows: u64,
    /// The organizations of the source's providers, by key.
    providers: HashMap<String, OrganizationId>,
    /// The keys of those that were not known.
    new_providers: HashSet<String>,
    planned: Vec<Planned>,
    /// Organizations that are listed by themselves, and what belongs to no record.
    listed: Vec<Provider>,
    kept: Vec<Kept>,
    /// How large these are together, about.
    bytes: usize,
    /// What of the latter has been seen, whether it was taken or not.
    seen_kept: Arc<HashSet<Mark>>,
    /// How many of them were taken, and whether it has been told that there are more.
    taken_kept: usize,
    is_told_full: bool,
}

impl Load {
    /// An import that asks about each record as it comes, and so cannot tell what is [`missing`](Self::missing).
    pub fn piecemeal(owner: OrganizationId, source: &str) -> Self {
        Self {
            owner,
            source: source.to_owned(),
            known: HashMap::new(),
            knows_all: false,
            seen: HashSet::new(),
            unkeyed: 0,
            unkeyed_rows: 0,
            providers: HashMap::new(),
            new_providers: HashSet::new(),
            planned: Vec::new(),
            listed: Vec::new(),
            kept: Vec::new(),
            bytes: 0,
            seen_kept: Arc::default(),
            taken_kept: 0,
            is_told_full: false,
        }
    }

    /// Asks what is known of records that are to be [taken](Self::take) next, where that is not known of all.
    pub fn look_up(&mut self, conn: &mut DbConn, outcomes: &[Outcome]) -> Result<()> {
        if self.knows_all {
            return Ok(());
        }
        for outcomes in outcomes.chunks(BATCH) {
            let parsed = || outcomes.iter().filter_map(|outcome| if let Outcome::Parsed(parsed) = outcome { Some(parsed) } else { None });
            let ids: Vec<ServiceId> = parsed().map(|parsed| self.id(&parsed.key)).collect();
            self.known.extend(store::fingerprints_of(conn, &ids)?);
            let listed =
                outcomes.iter().filter_map(|outcome| if let Outcome::Listed(provider, _) = outcome { Some(provider) } else { None });
            let given = parsed().filter_map(|parsed| Some(parsed.provider.as_ref()?.key.as_str()));
            let keys: Vec<&str> =
                given.chain(listed.map(|provider| provider.key.as_str())).filter(|key| !self.providers.contains_key(*key)).collect();
            let found = identifiers::of_values(conn, self.owner, ResourceType::Organization, &self.source, &keys)?;
            self.providers.extend(found.into_iter().map(|(key, id)| (key, OrganizationId::from_uuid(id))));
        }
        Ok(())
    }

    /// Reads all that is known of a source.
    pub fn open(conn: &mut DbConn, owner: OrganizationId, source: &str) -> Result<Self> {
        let of_source = identifiers::of_system(conn, owner, ResourceType::Organization, source)?;
        Ok(Self {
            owner,
            source: source.to_owned(),
            known: store::fingerprints(conn, owner, source)?,
            knows_all: true,
            seen: HashSet::new(),
            unkeyed: 0,
            unkeyed_rows: 0,
            providers: of_source.into_iter().map(|(key, id)| (key, OrganizationId::from_uuid(id))).collect(),
            new_providers: HashSet::new(),
            planned: Vec::new(),
            listed: Vec::new(),
            kept: Vec::new(),
            bytes: 0,
            seen_kept: Arc::default(),
            taken_kept: 0,
            is_told_full: false,
        })
    }

    /// Takes what became of a record. What needs no writing is told at once; a batch is returned when it is full.
    pub fn take(&mut self, outcome: Outcome, tell: &mut dyn FnMut(Line)) -> Option<Batch> {
        let parsed = match outcome {
            Outcome::Parsed(parsed) => *parsed,
            Outcome::Listed(provider, notices) => {
                if !notices.is_empty() {
                    tell(noted(Some(provider.key.clone()), notices));
                }
                self.bytes += provider.bytes();
                self.listed.push(*provider);
                return self.full();
            }
            Outcome::Kept(kept) => {
                if Arc::make_mut(&mut self.seen_kept).insert(mark(kept.kind, &kept.key)) {
                    self.keep(kept, tell);
                }
                return self.full();
            }
            Outcome::Noted(notice) => {
                tell(noted(None, vec![notice]));
                return None;
            }
            Outcome::Refused(refused) => {
                self.see_refused(refused.of, refused.key.as_deref());
                let service_id = None;
                tell(Line {
                    position: Some(refused.position),
                    key: refused.key,
                    verdict: Verdict::Refused,
                    service_id,
                    notices: refused.reasons,
                });
                return None;
            }
        };
        let id = self.id(&parsed.key);
        self.seen.insert(id);
        match self.known.get(&id) {
            Some(fingerprint) if *fingerprint == parsed.fingerprint => {
                tell(line(&parsed, id, Verdict::Unchanged, Vec::new()));
                return None;
            }
            known => {
                let is_back = known.is_some_and(|fingerprint| fingerprint == RETIRED);
                self.bytes += parsed.bytes();
                self.planned.push(Planned { id, is_new: known.is_none(), is_back, parsed });
            }
        }
        self.full()
    }

    /// Takes what belongs to no record, unless there is too much of it.
    fn keep(&mut self, kept: Kept, tell: &mut dyn FnMut(Line)) {
        if self.taken_kept < MOST_KEPT {
            self.taken_kept += 1;
            self.bytes += weight(&kept.content);
            self.kept.push(kept);
        } else if !std::mem::replace(&mut self.is_told_full, true) {
            let told = format!("the first {MOST_KEPT} taxonomies, terms and the like of one import are kept, and no more");
            tell(noted(None, vec![Notice::new("row_left_out", kept.kind.as_str(), told)]));
        }
    }

    /// What is refused is still there: it is neither retired nor forgotten. Where its key is not known nothing of its kind is, for it may
    /// be any.
    fn see_refused(&mut self, of: Of, key: Option<&str>) {
        match (of, key) {
            (Of::Records | Of::Service, Some(key)) => self.seen.extend([self.id(key)]),
            (Of::Records | Of::Service, None) => self.unkeyed += 1,
            (Of::Row(kind) | Of::OwnRow(kind), Some(key)) => Arc::make_mut(&mut self.seen_kept).extend([mark(kind, key)]),
            (Of::Row(_) | Of::OwnRow(_), None) => self.unkeyed_rows += 1,
            // Organizations stay, and parts are of records that say what they are.
            (Of::Organization | Of::Part | Of::LeftOut, _) => {}
        }
    }

    /// The batch, where it is full.
    fn full(&mut self) -> Option<Batch> {
        let is_full = self.planned.len() + self.listed.len() + self.kept.len() >= BATCH || self.bytes >= MOST_BYTES;
        if is_full { self.rest() } else { None }
    }

    /// The batch that is not full yet.
    pub fn rest(&mut self) -> Option<Batch> {
        self.bytes = 0;
        let records = std::mem::take(&mut self.planned);
        let (listed, kept) = (std::mem::take(&mut self.listed), std::mem::take(&mut self.kept));
        if records.is_empty() && listed.is_empty() && kept.is_empty() {
            return None;
        }
        let (mut new_providers, mut first_named, mut named) = (Vec::new(), 0, HashSet::new());
        for provider in listed.iter().chain(records.iter().filter_map(|planned| planned.parsed.provider.as_ref())) {
            let id = stable_id::<kind::Organization>(self.owner, &self.source, &provider.key);
            if !self.providers.contains_key(&provider.key) {
                self.providers.insert(provider.key.clone(), id);
                self.new_providers.insert(provider.key.clone());
                first_named += 1;
            }
            if self.new_providers.contains(&provider.key) && named.insert(&provider.key) {
                new_providers.push((id, provider.clone()));
            }
        }
        let of_batch = listed.iter().chain(records.iter().filter_map(|planned| planned.parsed.provider.as_ref()));
        let providers = of_batch.filter_map(|provider| Some((provider.key.clone(), *self.providers.get(&provider.key)?))).collect();
        Some(Batch {
            owner: self.owner,
            source: self.source.clone(),
            records: Arc::new(records),
            providers: Arc::new(providers),
            new_providers: Arc::new(new_providers),
            first_named,
            listed: Arc::new(listed),
            kept: Arc::new(kept),
        })
    }

    /// What the source has that belongs to no record and that this import has not seen: of a package, which has all of that, to be forgotten.
    pub fn unseen(&self) -> Unseen {
        Unseen { owner: self.owner, source: self.source.clone(), seen: Arc::clone(&self.seen_kept) }
    }

    /// What is to be told where nobody can say what is [`missing`](Self::missing), for it may be among what was refused.
    pub fn doubt(&self) -> Option<Line> {
        doubted(self.unkeyed, "records", NOTHING_RETIRED, "nothing was made inactive")
    }

    /// The same of what is [`unseen`](Self::unseen). Where so few of the services are there it is hardly gone either.
    pub fn doubt_of_rows(&self) -> Option<Line> {
        let refused = doubted(self.unkeyed_rows, "rows that belong to no record", NOTHING_FORGOTTEN, "nothing was forgotten");
        refused.or_else(|| {
            let told = "less than half of the services that the source had are listed: nothing that belongs to no record was forgotten";
            self.is_hardly_full().then(|| noted(None, vec![Notice::new(NOTHING_FORGOTTEN, "", told)]))
        })
    }

    /// Notes that the source still has the record with this key, without reading it.
    pub fn see(&mut self, key: &str) {
        let id = self.id(key);
        self.seen.insert(id);
    }

    /// The services of records that this import has seen.
    pub fn seen(&self) -> Vec<ServiceId> {
        self.seen.iter().copied().collect()
    }

    /// The service of the record with this key, as far as it is known and not retired.
    pub fn present(&self, key: &str) -> Option<ServiceId> {
        let id = self.id(key);
        self.known.get(&id).filter(|fingerprint| fingerprint.as_str() != RETIRED).map(|_| id)
    }

    /// Takes out what is no record of the source's own, whatever was once made of it: the service that was, as [`present`](Self::present).
    pub fn disown(&mut self, key: &str) -> Option<ServiceId> {
        let id = self.present(key)?;
        self.known.remove(&id);
        Some(id)
    }

    /// The services of the source that this import has not seen and that are not retired yet.
    pub fn missing(&self) -> Vec<ServiceId> {
        let is_missing = |(id, fingerprint): &(&ServiceId, &String)| fingerprint.as_str() != RETIRED && !self.seen.contains(id);
        self.known.iter().filter(is_missing).map(|(id, _)| *id).collect()
    }

    /// True where so little of what was known has been seen that the file is hardly a full one: less than half.
    pub fn is_hardly_full(&self) -> bool {
        let present = self.known.values().filter(|fingerprint| fingerprint.as_str() != RETIRED).count();
        self.missing().len() * 2 > present
    }

    fn id(&self, key: &str) -> ServiceId {
        stable_id::<kind::Service>(self.owner, &self.source, key)
    }
}

fn doubted(refused: u64, what: &str, code: &'static str, consequence: &str) -> Option<Line> {
    (refused > 0).then(|| {
        let told = format!(
            "{what} were refused of which it is not known which they are, {refused} in all: {consequence}, for it may be among them"
        );
        noted(None, vec![Notice::new(code, "", told)])
    })
}

/// What a source had that belongs to no record, but for what an import has seen.
#[derive(Debug, Clone)]
pub struct Unseen {
    owner: OrganizationId,
    source: String,
    seen: Arc<HashSet<Mark>>,
}

/// By which a row is known that belongs to no record: of a package there may be millions.
type Mark = u128;

fn mark(kind: SourceRowKind, key: &str) -> Mark {
    let digest = Sha256::new().chain_update(kind.as_str()).chain_update(b"\0").chain_update(key).finalize();
    digest.iter().take(16).fold(0, |mark, byte| (mark << 8) | Mark::from(*byte))
}

impl Unseen {
    /// It, in pieces that are each to be forgotten in a transaction of its own. Organizations stay.
    pub fn pieces(&self, conn: &mut DbConn) -> Result<Vec<Gone>> {
        let mut pieces = Vec::new();
        for kind in SourceRowKind::ALL.iter().copied().filter(|kind| *kind != SourceRowKind::Organization) {
            let mut keys = hsds::keys(conn, self.owner, &self.source, kind)?;
            keys.retain(|key| self.lacks(kind, key));
            let gone = |keys: &[String]| Gone { owner: self.owner, source: self.source.clone(), kind, keys: keys.to_vec() };
            pieces.extend(keys.chunks(BATCH).map(gone));
        }
        Ok(pieces)
    }

    /// Whether the import has not seen this.
    fn lacks(&self, kind: SourceRowKind, key: &str) -> bool {
        !self.seen.contains(&mark(kind, key))
    }
}

/// Some of what a source says no more.
#[derive(Debug, Clone)]
pub struct Gone {
    owner: OrganizationId,
    source: String,
    kind: SourceRowKind,
    keys: Vec<String>,
}

impl Gone {
    /// Forgets it.
    pub fn forget(&self, conn: &mut DbConn) -> Result<()> {
        hsds::forget(conn, self.owner, &self.source, self.kind, &self.keys)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_batch_is_full_by_its_size_too() {
        let mut load = Load::piecemeal(OrganizationId::from_uuid(Uuid::nil()), "partner");
        let mut take = |key: &str| {
            let content = json!({ "description": "x".repeat(MOST_BYTES / 2) });
            let kept = Kept { kind: SourceRowKind::TaxonomyTerm, key: key.to_owned(), content };
            load.take(Outcome::Kept(kept), &mut |line| panic!("{line:?}")).map(|batch| batch.kept.len())
        };
        assert_eq!(["a", "b", "c"].map(&mut take), [None, Some(2), None]);
    }

    #[test]
    fn of_more_rows_than_are_taken_every_one_has_been_seen() {
        let mut load = Load::piecemeal(OrganizationId::from_uuid(Uuid::nil()), "partner");
        let kind = SourceRowKind::TaxonomyTerm;
        let (mut taken, mut told) = (0, Vec::new());
        // The first is listed once more, which makes no difference.
        for number in std::iter::once(0).chain(0..MOST_KEPT + 3) {
            let kept = Kept { kind, key: number.to_string(), content: json!({}) };
            let batch = load.take(Outcome::Kept(kept), &mut |line| told.push(line));
            taken += batch.map_or(0, |batch| batch.kept.len());
        }
        taken += load.rest().map_or(0, |batch| batch.kept.len());
        assert_eq!((taken, told.len(), told[0].notices[0].code), (MOST_KEPT, 1, "row_left_out"));
        let unseen = load.unseen();
        let lacks = |kind, number: usize| unseen.lacks(kind, &number.to_string());
        assert!(!lacks(kind, 0) && !lacks(kind, MOST_KEPT + 2));
        assert!(lacks(kind, MOST_KEPT + 3) && lacks(SourceRowKind::Taxonomy, 0));
    }
}
