//! `IN` over ids and numbers, by one statement however many they are.

use diesel::QueryResult;
use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping, is_aggregate};
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{Array, BigInt, Bool, HasSqlType, Text};
use diesel::sqlite::Sqlite;

use super::types::{Id, sql_types};

/// See [`among`].
#[derive(Debug, Clone)]
pub struct Among<C, T> {
    column: C,
    values: Vec<T>,
    /// The same as a JSON array.
    json: String,
}

/// Whether a column holds one of these ids; for use inside [`each!`](crate::each).
///
/// SQLite knows no arrays: a list of bound values is another statement for each length, which is prepared anew each time. So it is given
/// one text to unpack.
pub fn among<C: Expression<SqlType = sql_types::Id>, K>(column: C, ids: &[Id<K>]) -> Among<C, Id<K>> {
    let texts: Vec<String> = ids.iter().map(|id| format!("\"{id}\"")).collect();
    Among { column, values: ids.to_vec(), json: format!("[{}]", texts.join(",")) }
}

/// The same of numbers.
pub fn among_numbers<C: Expression<SqlType = BigInt>>(column: C, numbers: Vec<i64>) -> Among<C, i64> {
    Among { column, json: json_numbers(&numbers), values: numbers }
}

/// Numbers as the JSON array that SQLite unpacks.
pub fn json_numbers(numbers: &[i64]) -> String {
    let texts: Vec<String> = numbers.iter().map(i64::to_string).collect();
    format!("[{}]", texts.join(","))
}

impl<C: Expression, T> Expression for Among<C, T> {
    type SqlType = Bool;
}
impl<C: AppearsOnTable<S>, S, T> AppearsOnTable<S> for Among<C, T> {}
impl<C: SelectableExpression<S>, S, T> SelectableExpression<S> for Among<C, T> {}
impl<C, T> ValidGrouping<()> for Among<C, T> {
    type IsAggregate = is_aggregate::No;
}
impl<C: QueryId, T> QueryId for Among<C, T> {
    type QueryId = Among<C::QueryId, ()>;

    const HAS_STATIC_QUERY_ID: bool = C::HAS_STATIC_QUERY_ID;
}

impl<C: QueryFragment<Sqlite>, T> QueryFragment<Sqlite> for Among<C, T> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        self.column.walk_ast(pass.reborrow())?;
        pass.push_sql(" IN (SELECT value FROM json_each(");
        pass.push_bind_param::<Text, String>(&self.json)?;
        pass.push_sql("))");
        Ok(())
    }
}
impl<C, T> QueryFragment<Pg> for Among<C, T>
where
    C: Expression<SqlType: 'static> + QueryFragment<Pg>,
    Pg: HasSqlType<Array<C::SqlType>>,
    Vec<T>: ToSql<Array<C::SqlType>, Pg>,
{
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.column.walk_ast(pass.reborrow())?;
        pass.push_sql(" = ANY(");
        pass.push_bind_param::<Array<C::SqlType>, Vec<T>>(&self.values)?;
        pass.push_sql(")");
        Ok(())
    }
}
