//! What both databases can do and the connection type withholds.

use diesel::helper_types::IntoBoxed;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::query_dsl::methods::BoxedDsl;
use diesel::sqlite::Sqlite;
use diesel::{Connection, QueryDsl, QueryResult, RunQueryDsl};

use super::{DbConn, MultiBackend};

/// A query that both databases can express, rendered natively by whichever is live.
///
/// `MultiConnection` offers only what its dialect markers allow; upserts and unions are missing there though both databases have
/// them. `Common(insert_into(t).values(&row).on_conflict(t::name).do_nothing()).execute(conn)` has each render the query itself.
/// Multi-row inserts and `as_returning()` need [`each!`](crate::each).
#[derive(Debug, Clone, Copy)]
pub struct Common<Q>(pub Q);

impl<Q> QueryFragment<MultiBackend> for Common<Q>
where
    Q: QueryFragment<Pg> + QueryFragment<Sqlite>,
{
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        MultiBackend::walk_variant_ast(&self.0, pass)
    }
}

impl<Q: QueryId> QueryId for Common<Q> {
    type QueryId = Q::QueryId;

    const HAS_STATIC_QUERY_ID: bool = Q::HAS_STATIC_QUERY_ID;
}

impl<Q: Query> Query for Common<Q> {
    type SqlType = Q::SqlType;
}

impl<Q> RunQueryDsl<DbConn> for Common<Q> {}

/// A query whose conditions are chosen as it is put together, in the dialect of this connection; for use inside [`each!`](crate::each).
pub fn boxed<'a, C: Connection, Q>(_: &C, query: Q) -> IntoBoxed<'a, Q, C::Backend>
where
    Q: QueryDsl + BoxedDsl<'a, C::Backend>,
{
    query.into_boxed()
}

/// The rows of a boxed query with this in a column. Where they are few whatever else is asked for, each is looked at.
///
/// SQLite keeps no statistics here, so that a plan is the same on every file: of two indexes that seem as good it takes the one that was
/// made last, and either before an `IN`. So what all rows of an organization have is not asked for by `=` beside what few have, such as a
/// patient or an id: `NOT (column <> value)` is the same, and no index serves it.
#[macro_export]
macro_rules! asked {
    ($rows:expr, $are_few:expr, $column:expr, $value:expr) => {
        if $are_few { $rows.filter(diesel::dsl::not($column.ne($value))) } else { $rows.filter($column.eq($value)) }
    };
}

/// Runs the same code on the connection of whichever database is live, with all that diesel offers there.
///
/// The way out for multi-row inserts: `each!(conn, |conn| insert_into(t).values(&rows).execute(conn))`; and the quick way for what every
/// request asks, since a connection of both kinds writes the SQL anew each time, even that of a statement which is prepared already.
#[macro_export]
macro_rules! each {
    ($conn:expr, |$inner:ident| $body:expr) => {
        match $conn {
            $crate::db::DbConn::Sqlite($inner) => $body,
            $crate::db::DbConn::Pg($inner) => $body,
        }
    };
}
