//! Many lines of the journal at once, of which no more than so much is in memory.
//!
//! A resource may have a mebibyte, and a page two hundred of them. So a query of many lines gives the bodies that are no larger than the
//! share of each, as nearly all are; a larger one is read by itself when it is its turn, and whoever gathers what was read ends once that
//! is [`MOST_BYTES`].

use diesel::expression::{ValidGrouping, is_aggregate};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Nullable};
use diesel::sqlite::Sqlite;

use super::model::{Body, Entry};
use crate::db::schema::changes;
use crate::db::types::sql_types;
use crate::db::{DbConn, MultiBackend};
use crate::error::Result;

/// Bytes of bodies that one query gives at most. Whoever gathers bodies takes no more once they are as many.
pub const MOST_BYTES: usize = 8 << 20;

/// A line of the journal without its body, where that is large.
pub type Sketch = Entry<Option<Body>>;

/// The line with its body, which is read now where the sketch came without.
pub fn whole(conn: &mut DbConn, mut sketch: Sketch) -> Result<Entry> {
    let body: Body = match sketch.body.take() {
        Some(body) => body,
        None => changes::table.find(sketch.sequence).select(changes::body).first(conn)?,
    };
    Ok(Entry {
        sequence: sketch.sequence,
        transaction_id: sketch.transaction_id,
        at: sketch.at,
        organization_id: sketch.organization_id,
        client_id: sketch.client_id,
        on_behalf_of: sketch.on_behalf_of,
        request_id: sketch.request_id,
        resource_type: sketch.resource_type,
        resource_id: sketch.resource_id,
        owner_id: sketch.owner_id,
        version: sketch.version,
        action: sketch.action,
        patient_id: sketch.patient_id,
        referral_id: sketch.referral_id,
        body,
    })
}

macro_rules! sketch_columns {
    ($($column:ident),+) => {
        /// The columns of a [`Sketch`].
        pub type SketchColumns = ($(changes::$column,)+ BodyUpTo);

        /// What is read of so many lines, which together have no more than [`MOST_BYTES`] of bodies.
        pub fn sketched(lines: i64) -> SketchColumns {
            let most = i64::try_from(MOST_BYTES).unwrap_or(i64::MAX) / lines.max(1);
            ($(changes::$column,)+ BodyUpTo(most))
        }
    };
}

sketch_columns!(
    sequence,
    transaction_id,
    at,
    organization_id,
    client_id,
    on_behalf_of,
    request_id,
    resource_type,
    resource_id,
    owner_id,
    version,
    action,
    patient_id,
    referral_id
);

/// The body of a line, where it has no more than so many bytes; else null. A statement with it is prepared once, as one with SQL of one's
/// own would not be.
#[derive(Debug, Clone, Copy)]
pub struct BodyUpTo(i64);

impl Expression for BodyUpTo {
    type SqlType = Nullable<sql_types::Document>;
}
impl AppearsOnTable<changes::table> for BodyUpTo {}
impl SelectableExpression<changes::table> for BodyUpTo {}
impl ValidGrouping<()> for BodyUpTo {
    type IsAggregate = is_aggregate::No;
}
impl QueryId for BodyUpTo {
    type QueryId = Self;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl QueryFragment<Sqlite> for BodyUpTo {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        // The length is in the head of the row: of what is long no more is read than that.
        pass.push_sql("CASE WHEN octet_length(changes.body) <= ");
        pass.push_bind_param::<BigInt, i64>(&self.0)?;
        pass.push_sql(" THEN changes.body END");
        Ok(())
    }
}
impl QueryFragment<Pg> for BodyUpTo {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        // What is stored as it is has about that size as text, too. Only what is packed is unpacked to be measured.
        pass.push_sql("CASE WHEN pg_column_size(changes.body) <= ");
        pass.push_bind_param::<BigInt, i64>(&self.0)?;
        pass.push_sql(" AND (pg_column_compression(changes.body) IS NULL OR octet_length(changes.body::text) <= ");
        pass.push_bind_param::<BigInt, i64>(&self.0)?;
        pass.push_sql(") THEN changes.body END");
        Ok(())
    }
}
impl QueryFragment<MultiBackend> for BodyUpTo {
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        MultiBackend::walk_variant_ast(self, pass)
    }
}
