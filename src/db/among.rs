//! `IN` over ids, by one statement however many they are.

use diesel::QueryResult;
use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping, is_aggregate};
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Array, Bool, Text};
use diesel::sqlite::Sqlite;

use super::types::{Id, sql_types};

/// See [`among`].
#[derive(Debug, Clone)]
pub struct Among<C, K: 'static> {
    column: C,
    ids: Vec<Id<K>>,
    /// The same as a JSON array.
    json: String,
}

/// Whether a column holds one of these ids; for use inside [`each!`](crate::each).
///
/// SQLite knows no arrays: a list of bound values is another statement for each length, which is prepared anew each time. So it is given
/// one text to unpack.
pub fn among<C: Expression<SqlType = sql_types::Id>, K>(column: C, ids: &[Id<K>]) -> Among<C, K> {
    let texts: Vec<String> = ids.iter().map(|id| format!("\"{id}\"")).collect();
    Among { column, ids: ids.to_vec(), json: format!("[{}]", texts.join(",")) }
}

impl<C: Expression, K> Expression for Among<C, K> {
    type SqlType = Bool;
}
impl<C: AppearsOnTable<T>, T, K> AppearsOnTable<T> for Among<C, K> {}
impl<C: SelectableExpression<T>, T, K> SelectableExpression<T> for Among<C, K> {}
impl<C, K> ValidGrouping<()> for Among<C, K> {
    type IsAggregate = is_aggregate::No;
}
impl<C: QueryId, K> QueryId for Among<C, K> {
    type QueryId = Among<C::QueryId, ()>;

    const HAS_STATIC_QUERY_ID: bool = C::HAS_STATIC_QUERY_ID;
}

impl<C: QueryFragment<Sqlite>, K> QueryFragment<Sqlite> for Among<C, K> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        self.column.walk_ast(pass.reborrow())?;
        pass.push_sql(" IN (SELECT value FROM json_each(");
        pass.push_bind_param::<Text, String>(&self.json)?;
        pass.push_sql("))");
        Ok(())
    }
}
impl<C: QueryFragment<Pg>, K> QueryFragment<Pg> for Among<C, K> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.column.walk_ast(pass.reborrow())?;
        pass.push_sql(" = ANY(");
        pass.push_bind_param::<Array<sql_types::Id>, Vec<Id<K>>>(&self.ids)?;
        pass.push_sql(")");
        Ok(())
    }
}
