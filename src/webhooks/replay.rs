//! Where in the journal a moment is.

use diesel::prelude::*;

use crate::changes::{self, Position};
use crate::db::DbConn;
use crate::db::schema::changes::dsl;
use crate::db::types::Instant;
use crate::error::Result;

/// Entries bear the moment of their request and stand in the order of their commits. Two moments are in order where they are this far
/// apart.
const DISORDER: chrono::Duration = chrono::Duration::minutes(10);

/// The place before the first entry of this moment or later; where there is none, the end.
pub fn place_before(conn: &mut DbConn, moment: Instant) -> Result<Position> {
    let end = changes::latest(conn)?;
    let is_sqlite = matches!(conn, DbConn::Sqlite(_));
    let (mut low, mut high) = (0, if is_sqlite { end.sequence } else { end.transaction_id }.saturating_add(1));
    while low < high {
        let middle = low + (high - low) / 2;
        match first_from(conn, middle, None)? {
            Some((_, at)) if at < moment.plus(-DISORDER) => low = middle + 1,
            _ => high = middle,
        }
    }
    Ok(match first_from(conn, low, Some(moment))? {
        Some((first, _)) => Position { sequence: first.sequence - 1, ..first },
        None => end,
    })
}

/// The first entry, of this moment or later where one is named, whose key, by which the feed is ordered, is not below this one.
fn first_from(conn: &mut DbConn, key: i64, moment: Option<Instant>) -> Result<Option<(Position, Instant)>> {
    let mut entries = dsl::changes.select((dsl::transaction_id, dsl::sequence, dsl::at)).into_boxed();
    entries = match conn {
        DbConn::Sqlite(_) => entries.filter(dsl::sequence.ge(key)).order(dsl::sequence),
        DbConn::Pg(_) => entries.filter(dsl::transaction_id.ge(key)).order((dsl::transaction_id, dsl::sequence)),
    };
    if let Some(moment) = moment {
        entries = entries.filter(dsl::at.ge(moment));
    }
    let found: Option<(i64, i64, Instant)> = entries.first(conn).optional()?;
    Ok(found.map(|(transaction_id, sequence, at)| (Position { transaction_id, sequence }, at)))
}
