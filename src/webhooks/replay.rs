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

/// A place before every entry of this moment and later, and not long before the first of them.
pub fn place_before(conn: &mut DbConn, moment: Instant) -> Result<Position> {
    let moment = moment.plus(-DISORDER);
    let end = changes::latest(conn)?;
    let is_sqlite = matches!(conn, DbConn::Sqlite(_));
    let (mut low, mut high) = (0, if is_sqlite { end.sequence } else { end.transaction_id }.saturating_add(1));
    while low < high {
        let middle = low + (high - low) / 2;
        match first_from(conn, middle)? {
            Some((key, at)) if at < moment => low = key + 1,
            _ => high = middle,
        }
    }
    Ok(if is_sqlite { Position { transaction_id: 0, sequence: low - 1 } } else { Position { transaction_id: low, sequence: 0 } })
}

/// The first entry whose key, by which the feed is ordered, is not below this one.
fn first_from(conn: &mut DbConn, key: i64) -> Result<Option<(i64, Instant)>> {
    let found = match conn {
        DbConn::Sqlite(_) => dsl::changes.filter(dsl::sequence.ge(key)).order(dsl::sequence).select((dsl::sequence, dsl::at)).first(conn),
        DbConn::Pg(_) => {
            let entries = dsl::changes.filter(dsl::transaction_id.ge(key)).order((dsl::transaction_id, dsl::sequence));
            entries.select((dsl::transaction_id, dsl::at)).first(conn)
        }
    };
    Ok(found.optional()?)
}
