//! How far the journal has been read on for all processes.
//!
//! Some work follows the journal by one process at a time: whoever does it [leases](crate::background::Lease) its place, and moves it on in
//! the transaction that keeps what was found. Whoever has it may take it once more, and so reads on from one batch to the next.

use diesel::dsl::update;
use diesel::prelude::*;

use super::model::Position;
use crate::background::Leased;
use crate::db::DbConn;
use crate::db::schema::journal_places::dsl;
use crate::db::types::{Id, Instant};
use crate::error::Result;

/// Work that follows the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// To queue what is posted to webhooks.
    Webhooks,
    /// To note whose referrals have moved.
    Responsiveness,
}

impl Work {
    /// Under which its place is kept.
    const fn name(self) -> &'static str {
        match self {
            Self::Webhooks => "webhooks",
            Self::Responsiveness => "responsiveness",
        }
    }
}

/// Up to where the journal has been read.
pub fn reached(conn: &mut DbConn, work: Work) -> Result<Position> {
    let (transaction_id, sequence) = dsl::journal_places.find(work.name()).select((dsl::transaction_id, dsl::sequence)).first(conn)?;
    Ok(Position { transaction_id, sequence })
}

impl Leased for Work {
    const WHAT: &'static str = "the place in the journal for";

    type Row = Position;

    fn take(self, conn: &mut DbConn, worker: Id<()>, now: Instant, until: Instant) -> Result<Option<Position>> {
        let is_free = dsl::holder.is_null().or(dsl::holder.eq(worker)).or(dsl::held_until.lt(now));
        let changed = update(dsl::journal_places.filter(dsl::name.eq(self.name())).filter(is_free))
            .set((dsl::holder.eq(Some(worker)), dsl::held_until.eq(Some(until))))
            .execute(conn)?;
        if changed == 1 { reached(conn, self).map(Some) } else { Ok(None) }
    }

    fn prolong(self, conn: &mut DbConn, worker: Id<()>, until: Instant) -> Result<Option<Position>> {
        let held = dsl::journal_places.filter(dsl::name.eq(self.name())).filter(dsl::holder.eq(worker));
        let changed = update(held).set(dsl::held_until.eq(Some(until))).execute(conn)?;
        if changed == 1 { reached(conn, self).map(Some) } else { Ok(None) }
    }
}

/// Moves the place on, in a transaction that prolongs the lease.
pub fn move_on(conn: &mut DbConn, work: Work, to: Position) -> Result<()> {
    let place = (dsl::transaction_id.eq(to.transaction_id), dsl::sequence.eq(to.sequence));
    update(dsl::journal_places.filter(dsl::name.eq(work.name()))).set(place).execute(conn)?;
    Ok(())
}

/// Lets another process read on at once.
pub fn let_go(conn: &mut DbConn, work: Work, worker: Id<()>) -> Result<()> {
    let held = dsl::journal_places.filter(dsl::name.eq(work.name())).filter(dsl::holder.eq(worker));
    update(held).set((dsl::holder.eq(None::<Id<()>>), dsl::held_until.eq(None::<Instant>))).execute(conn)?;
    Ok(())
}
