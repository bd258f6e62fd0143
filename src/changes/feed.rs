//! The journal as a feed: what a caller sees of it, piece by piece.

use super::api::ChangeEntry;
use super::model::Position;
use super::repository;
use super::view::{Reader, View};
use crate::auth::Principal;
use crate::clock::Clock;
use crate::db::DbConn;
use crate::error::Result;
use crate::kind::ResourceType;

/// Rows of the journal read at once.
const BATCH: i64 = 500;
/// Batches read for one piece: a caller who sees little is given a short piece, and goes on from its end.
const MOST_BATCHES: usize = 8;

/// A piece of the feed.
#[derive(Debug)]
pub struct Piece {
    /// What the caller sees.
    pub items: Vec<ChangeEntry>,
    /// Where to go on.
    pub next: Position,
    /// Whether more is there already.
    pub has_more: bool,
}

/// The next piece after a place, of at most `limit` entries.
///
/// What the caller sees is judged by the consents that hold now: a reader who has waited sees what was consented to meanwhile.
pub fn read(conn: &mut DbConn, caller: &Principal, clock: &Clock, after: Position, types: &[ResourceType], limit: usize) -> Result<Piece> {
    let (mut items, mut next) = (Vec::new(), after);
    let mut batch = repository::after(conn, next, types, BATCH)?;
    // Only now is it settled which consents these queries see. All of them were given before this moment.
    let caller = Principal { at: clock.now(), ..caller.clone() };
    let mut reader = Reader::new(&caller);
    for _ in 0..MOST_BATCHES {
        let is_last = i64::try_from(batch.len()).unwrap_or(BATCH) < BATCH;
        for entry in batch {
            if items.len() == limit {
                return Ok(Piece { items, next, has_more: true });
            }
            next = entry.position();
            match reader.view(conn, &entry)? {
                View::Nothing => {}
                View::Known | View::Part(_) => items.push(ChangeEntry::new(entry, false)),
                View::Whole => items.push(ChangeEntry::new(entry, true)),
            }
        }
        if is_last {
            return Ok(Piece { items, next, has_more: false });
        }
        batch = repository::after(conn, next, types, BATCH)?;
    }
    Ok(Piece { items, next, has_more: true })
}
