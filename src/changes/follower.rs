//! Following the journal for one kind of resource, for what is kept of it in memory.
//!
//! Every use first asks what has changed, in the transaction of its own read, so that a caller sees their own writes at once, and those
//! of others as soon as the database shows them. Only where others write a great many, as who loads records in bulk does, do readers not
//! wait until those are in memory: they are [brought in](Follower::catch_up) beside the requests, some at a time. The journal says
//! *which* resources changed; what they are now is read from their rows in the same transaction.
//!
//! On PostgreSQL a transaction that somebody leaves open may yet add entries before all that have been written since it began. What was
//! read of those is not read again as long as it stays open: only what has ended since the last reader can have added any.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use uuid::Uuid;

use super::model::Position;
use super::repository::{Snapshot, Trace, Trail, latest, visible_after};
use crate::db::{Db, DbConn};
use crate::error::Result;
use crate::kind::{ClientId, ResourceType};

/// Resources that are told at once, at most.
pub const BATCH: usize = 128;
/// Changes by others that a reader brings in by themselves, at most.
const FEW: usize = 32;

/// How far something in memory has followed the journal.
#[derive(Debug)]
pub struct Follower {
    kind: ResourceType,
    known: Mutex<Known>,
    /// Held by the one who brings something in.
    turn: Mutex<()>,
    behind: Notify,
}

#[derive(Debug, Default)]
struct Known {
    is_loaded: bool,
    /// All before this place is in memory, and nothing will be added before it.
    place: Position,
    /// What is in memory though it stands behind that place: entries of transactions that overlap with others still open, or that were
    /// brought in before others.
    beyond: HashSet<Position>,
    /// Which transactions had ended for a reader for whom all was in memory.
    seen: Option<Snapshot>,
}

/// What a reader must see of what their transaction sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// Everything: what is left out now would not be asked for again.
    All,
    /// What this client wrote, and what others wrote where that is little. Nobody's own where there is no client.
    Own(Option<ClientId>),
}

/// Entries of the journal that may not be in memory, in their order.
#[derive(Debug)]
struct Look {
    traces: Vec<Trace>,
    extent: Extent,
}

/// Which of those that a transaction sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// All.
    Whole,
    /// The first ones.
    First,
    /// The reader's own. What else there is, is to be [brought in](Follower::catch_up).
    Own,
}

/// Brings in everything that stands in the journal, a [`Follower::catch_up`] at a time, so that nobody waits long.
pub async fn catch_up(db: &Db, step: impl Fn(&mut DbConn) -> Result<bool> + Clone + Send + 'static) -> Result<()> {
    while db.read(step.clone()).await? {}
    Ok(())
}

impl Follower {
    /// One that has seen nothing yet.
    pub fn of(kind: ResourceType) -> Self {
        Self { kind, known: Mutex::default(), turn: Mutex::default(), behind: Notify::new() }
    }

    /// Brings in what a reader must see. The first time it is `load` that does, which reads everything, and then `apply`, which is told of
    /// those that changed, at most [`BATCH`] at once. Most of the time all is in memory already, and nobody has to wait for anybody.
    pub fn follow(
        &self,
        conn: &mut DbConn,
        demand: Demand,
        load: impl FnOnce(&mut DbConn) -> Result<()>,
        apply: impl FnMut(&mut DbConn, &[Uuid]) -> Result<()>,
    ) -> Result<()> {
        let mut look = None;
        if self.is_loaded() {
            look = self.lacking(conn, demand)?;
            if look.is_none() {
                return Ok(());
            }
        }
        let _turn = self.take_turn();
        self.load_once(conn, load)?;
        // A transaction that reads sees the same from its beginning to its end.
        let look = look.map_or_else(|| self.look(conn, demand), Ok)?;
        let wanted = resources(&self.known().new_among(&look.traces));
        self.bring_in(conn, &look, &wanted, apply)
    }

    /// Whether all is in memory that a reader must see. Waits for nobody.
    pub fn is_current(&self, conn: &mut DbConn, demand: Demand) -> Result<bool> {
        Ok(self.is_loaded() && self.lacking(conn, demand)?.is_none())
    }

    /// What a reader must see of what is in memory in part; `None` where all of it is.
    fn lacking(&self, conn: &mut DbConn, demand: Demand) -> Result<Option<Look>> {
        let look = self.look(conn, demand)?;
        if look.extent == Extent::Own {
            self.behind.notify_one();
        }
        if !self.known().new_among(&look.traces).is_empty() {
            return Ok(Some(look));
        }
        // Others have brought in what is there: nobody is to read of it again.
        self.move_on(conn, &look)?;
        Ok(None)
    }

    /// Waits until a reader went on without what others have written.
    pub async fn falls_behind(&self) {
        self.behind.notified().await;
    }

    /// Brings in some of what was left, for all readers; true where there is more. Nothing where nobody has asked yet.
    pub fn catch_up(&self, conn: &mut DbConn, apply: impl FnMut(&mut DbConn, &[Uuid]) -> Result<()>) -> Result<bool> {
        if !self.is_loaded() {
            return Ok(false);
        }
        let look = self.first(conn, BATCH)?;
        let _turn = self.take_turn();
        let mut wanted = resources(&self.known().new_among(&look.traces));
        let has_more = look.extent == Extent::First || wanted.len() > BATCH;
        wanted.truncate(BATCH);
        self.bring_in(conn, &look, &wanted, apply)?;
        Ok(has_more)
    }

    fn load_once(&self, conn: &mut DbConn, load: impl FnOnce(&mut DbConn) -> Result<()>) -> Result<()> {
        if !self.is_loaded() {
            let place = latest(conn)?;
            load(conn)?;
            *self.known() = Known { is_loaded: true, place, ..Known::default() };
        }
        Ok(())
    }

    /// Has these resources brought in, of those whose traces were found.
    fn bring_in(
        &self,
        conn: &mut DbConn,
        look: &Look,
        wanted: &[Uuid],
        mut apply: impl FnMut(&mut DbConn, &[Uuid]) -> Result<()>,
    ) -> Result<()> {
        for ids in wanted.chunks(BATCH) {
            apply(conn, ids)?;
            // All that was found of a resource came in with its row: were one trace left, an older row could follow by it.
            let ids: HashSet<&Uuid> = ids.iter().collect();
            self.known().beyond.extend(look.traces.iter().filter(|trace| ids.contains(&trace.id)).map(|trace| trace.place));
        }
        self.move_on(conn, look)
    }

    /// Notes how far all is in memory now, of what this transaction sees.
    fn move_on(&self, conn: &mut DbConn, look: &Look) -> Result<()> {
        let Some(last) = look.traces.last() else { return Ok(()) };
        let (decided, seen) = match look.extent {
            Extent::Whole => (latest(conn)?, Snapshot::of(conn)?),
            Extent::First => (latest(conn)?.min(last.place), None),
            // What stands between them is not known.
            Extent::Own => return Ok(()),
        };
        self.known().advance(&look.traces, decided, seen);
        Ok(())
    }

    /// What a reader must see of what may not be in memory. Where others have written a great many, only what is the reader's own is read
    /// of it, or every search would read of all of them.
    fn look(&self, conn: &mut DbConn, demand: Demand) -> Result<Look> {
        let Demand::Own(reader) = demand else {
            let place = self.place(conn)?;
            return Ok(Look { traces: visible_after(conn, place, self.kind, Trail::Whole)?, extent: Extent::Whole });
        };
        let look = self.first(conn, FEW)?;
        if look.extent == Extent::Whole {
            return Ok(look);
        }
        let place = self.place(conn)?;
        let own = reader.map(|client| visible_after(conn, place, self.kind, Trail::Of(client))).transpose()?;
        Ok(Look { traces: own.unwrap_or_default(), extent: Extent::Own })
    }

    /// The first that may not be in memory, among which more than so many are not, or all.
    fn first(&self, conn: &mut DbConn, few: usize) -> Result<Look> {
        let place = self.place(conn)?;
        let most = few + self.known().beyond.len() + 1;
        let traces = visible_after(conn, place, self.kind, Trail::First(most))?;
        let extent = if traces.len() < most { Extent::Whole } else { Extent::First };
        Ok(Look { traces, extent })
    }

    /// The place behind which all stands that this transaction sees and that may not be in memory.
    fn place(&self, conn: &mut DbConn) -> Result<Position> {
        let (place, seen) = {
            let known = self.known();
            // Where nothing stands behind the place, whatever does is new.
            (known.place, known.seen.clone().filter(|_| !known.beyond.is_empty()))
        };
        let since = match seen {
            Some(seen) => Snapshot::of(conn)?.map(|now| seen.end(&now)),
            None => None,
        };
        Ok(since.map_or(place, |since| place.max(since)))
    }

    fn is_loaded(&self) -> bool {
        self.known().is_loaded
    }

    // A panic while a lock is held leaves a resource behind at worst; it is put right when that changes next.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Those that are not in memory.
    fn new_among<'t>(&self, traces: &'t [Trace]) -> Vec<&'t Trace> {
        traces.iter().filter(|trace| trace.place > self.place && !self.beyond.contains(&trace.place)).collect()
    }

    /// Moves on behind what is in memory, as far as nothing can be added before it: up to what is `decided` where none of these traces is
    /// left. That is then all that was `seen`, where they are all.
    fn advance(&mut self, traces: &[Trace], decided: Position, seen: Option<Snapshot>) {
        let first_left = self.new_among(traces).into_iter().map(|trace| trace.place).min();
        if first_left.is_none() && seen.is_some() {
            self.seen = seen;
        }
        let reached = match first_left {
            None => Some(decided),
            Some(left) => traces.iter().map(|trace| trace.place).filter(|place| *place < left && *place <= decided).max(),
        };
        // Never back: this transaction may see less than the one before it did.
        self.place = reached.unwrap_or_default().max(self.place);
        let place = self.place;
        self.beyond.retain(|beyond| *beyond > place);
    }
}

/// The resources of traces, each once, in the order in which they came.
fn resources(traces: &[&Trace]) -> Vec<Uuid> {
    let mut seen = HashSet::new();
    traces.iter().map(|trace| trace.id).filter(|id| seen.insert(*id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(sequence: i64) -> Position {
        Position { transaction_id: 0, sequence }
    }

    fn trace(sequence: i64, id: Uuid) -> Trace {
        Trace { place: at(sequence), id }
    }

    #[test]
    fn the_place_moves_up_to_what_is_left_and_never_back() {
        let ids: Vec<Uuid> = (0..4).map(|_| Uuid::now_v7()).collect();
        let traces: Vec<Trace> = (1..).zip(&ids).map(|(n, id)| trace(n, *id)).collect();
        let mut known = Known { is_loaded: true, place: at(0), beyond: HashSet::from([at(1), at(2), at(4)]), seen: None };
        known.advance(&traces, at(4), None);
        assert_eq!((known.place, &known.beyond), (at(2), &HashSet::from([at(4)])));
        known.advance(&traces[..1], at(1), None);
        assert_eq!(known.place, at(2));
        known.beyond.insert(at(3));
        known.advance(&traces, at(4), None);
        assert_eq!((known.place, known.beyond.len()), (at(4), 0));
    }
}
