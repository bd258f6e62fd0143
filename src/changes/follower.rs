//! Following the journal for one kind of resource, for what is kept of it in memory.
//!
//! Every use first asks what has changed, in the transaction of its own read, so that a caller sees their own writes at once and those
//! of other processes as soon as the database shows them. The journal says *which* resources changed; what they are now is read from
//! their rows in the same transaction.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::model::Position;
use super::repository::{latest, visible_after};
use crate::db::DbConn;
use crate::error::Result;
use crate::kind::ResourceType;

/// Resources that are told at once, at most.
pub const BATCH: usize = 1_000;

/// How far something in memory has followed the journal.
#[derive(Debug)]
pub struct Follower {
    kind: ResourceType,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    is_loaded: bool,
    /// All before this place is in memory, and nothing will be added before it.
    place: Position,
    /// What is in memory though it stands behind that place: entries of transactions that overlap with others still open.
    beyond: HashSet<Position>,
}

impl Follower {
    /// One that has seen nothing yet.
    pub fn of(kind: ResourceType) -> Self {
        Self { kind, known: Mutex::default() }
    }

    /// Whether all that this transaction sees is in memory. Most of the time it is, and nobody has to wait for anybody.
    pub fn is_current(&self, conn: &mut DbConn) -> Result<bool> {
        let place = {
            let known = self.known();
            known.is_loaded.then_some(known.place)
        };
        let Some(place) = place else { return Ok(false) };
        let entries = visible_after(conn, place, self.kind)?;
        Ok(self.known().new_ones(&entries).is_empty())
    }

    /// Brings what is in memory up to date with what this transaction sees: the first time by `load`, which reads everything, and then
    /// by `apply`, which is told of those that changed, at most [`BATCH`] at once. Others who follow the same wait meanwhile.
    pub fn follow(
        &self,
        conn: &mut DbConn,
        load: impl FnOnce(&mut DbConn) -> Result<()>,
        mut apply: impl FnMut(&mut DbConn, &[Uuid]) -> Result<()>,
    ) -> Result<()> {
        let mut known = self.known();
        if !known.is_loaded {
            let place = latest(conn)?;
            load(conn)?;
            *known = Known { is_loaded: true, place, beyond: HashSet::new() };
        }
        let entries = visible_after(conn, known.place, self.kind)?;
        for ids in known.new_ones(&entries).chunks(BATCH) {
            apply(conn, ids)?;
        }
        let decided = if entries.is_empty() { known.place } else { latest(conn)?.max(known.place) };
        // Added to and not replaced: this transaction may see less than the one before it did, and what that one put in must not be put
        // in again from older rows.
        known.beyond.extend(entries.into_iter().map(|(place, _)| place));
        known.beyond.retain(|place| *place > decided);
        known.place = decided;
        Ok(())
    }

    // A panic while the lock is held leaves a resource behind at worst; it is put right when that changes next.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// The resources of entries that are not in memory, each once.
    fn new_ones(&self, entries: &[(Position, Uuid)]) -> Vec<Uuid> {
        let new = entries.iter().filter(|(place, _)| *place > self.place && !self.beyond.contains(place));
        new.map(|(_, id)| *id).collect::<HashSet<_>>().into_iter().collect()
    }
}
