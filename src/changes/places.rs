//! How far the journal has been read on for all processes.
//!
//! Some work follows the journal by one process at a time: whoever does it holds its place for a while, and moves it on in the transaction
//! that keeps what was found. Where that one ends, another takes the place over when its time is up; what the first one still wants to
//! keep is then refused.

use diesel::dsl::update;
use diesel::prelude::*;

use super::model::Position;
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

/// Makes `holder` the one who reads on until `until`: from the place that is returned. `None` where another does.
pub fn hold(conn: &mut DbConn, work: Work, holder: Id<()>, now: Instant, until: Instant) -> Result<Option<Position>> {
    let is_free = dsl::holder.is_null().or(dsl::holder.eq(holder)).or(dsl::held_until.lt(now));
    let changed = update(dsl::journal_places.filter(dsl::name.eq(work.name())).filter(is_free))
        .set((dsl::holder.eq(Some(holder)), dsl::held_until.eq(Some(until))))
        .execute(conn)?;
    if changed == 1 { reached(conn, work).map(Some) } else { Ok(None) }
}

/// Moves the place on. False where somebody else has taken over meanwhile: then nothing of what was found may be kept.
pub fn move_on(conn: &mut DbConn, work: Work, holder: Id<()>, from: Position, to: Position, until: Instant) -> Result<bool> {
    let held = dsl::journal_places.filter(dsl::name.eq(work.name())).filter(dsl::holder.eq(holder));
    let there = held.filter(dsl::transaction_id.eq(from.transaction_id)).filter(dsl::sequence.eq(from.sequence));
    let changed = update(there)
        .set((dsl::transaction_id.eq(to.transaction_id), dsl::sequence.eq(to.sequence), dsl::held_until.eq(Some(until))))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Lets another process read on at once.
pub fn let_go(conn: &mut DbConn, work: Work, holder: Id<()>) -> Result<()> {
    let held = dsl::journal_places.filter(dsl::name.eq(work.name())).filter(dsl::holder.eq(holder));
    update(held).set((dsl::holder.eq(None::<Id<()>>), dsl::held_until.eq(None::<Instant>))).execute(conn)?;
    Ok(())
}
