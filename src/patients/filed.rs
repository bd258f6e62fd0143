//! The statements that take all [keys](super::keys) of a patient at once: one text of SQL, however many the keys are.

use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Text};
use diesel::sqlite::Sqlite;
use diesel::{QueryResult, RunQueryDsl};

use crate::db::json_numbers;
use crate::db::types::sql_types;
use crate::kind::PatientId;

/// Files a patient under these keys, or leaves them filed; for use inside [`each!`](crate::each).
pub fn filing(keys: Vec<i64>, patient_id: PatientId) -> Filing {
    Filing { json: json_numbers(&keys), keys, patient_id }
}

/// The latest patients under each of these keys, so many at most and at least one, each with its key; for use inside [`each!`](crate::each).
///
/// Each key is walked along by itself from its end: together, all of a common name would be sorted first.
pub fn latest(keys: Vec<i64>, most: i64) -> Latest {
    Latest { json: json_numbers(&keys), keys, most, before_last: most - 1 }
}

/// See [`filing`].
#[derive(Debug, Clone)]
pub struct Filing {
    keys: Vec<i64>,
    /// The same as a JSON array, since SQLite has no arrays of its own.
    json: String,
    patient_id: PatientId,
}

impl QueryId for Filing {
    type QueryId = Self;

    const HAS_STATIC_QUERY_ID: bool = true;
}
impl<Conn> RunQueryDsl<Conn> for Filing {}

impl QueryFragment<Sqlite> for Filing {
    /// Of a statement that may fail at one of its rows SQLite keeps each page as it was before; this one cannot.
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        pass.push_sql("INSERT OR IGNORE INTO `patient_keys` (`key`, `patient_id`) SELECT value, ");
        pass.push_bind_param::<sql_types::Id, PatientId>(&self.patient_id)?;
        pass.push_sql(" FROM json_each(");
        pass.push_bind_param::<Text, String>(&self.json)?;
        pass.push_sql(")");
        Ok(())
    }
}
impl QueryFragment<Pg> for Filing {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        pass.push_sql("INSERT INTO \"patient_keys\" (\"key\", \"patient_id\") SELECT unnest(");
        pass.push_bind_param::<Array<BigInt>, Vec<i64>>(&self.keys)?;
        pass.push_sql("::bigint[]), ");
        pass.push_bind_param::<sql_types::Id, PatientId>(&self.patient_id)?;
        pass.push_sql(" ON CONFLICT DO NOTHING");
        Ok(())
    }
}

/// See [`latest`].
#[derive(Debug, Clone)]
pub struct Latest {
    keys: Vec<i64>,
    /// The same as a JSON array, since SQLite has no arrays of its own.
    json: String,
    most: i64,
    /// How many are later than the last of so many.
    before_last: i64,
}

impl Query for Latest {
    type SqlType = (BigInt, sql_types::Id);
}
impl QueryId for Latest {
    type QueryId = Self;

    const HAS_STATIC_QUERY_ID: bool = true;
}
impl<Conn> RunQueryDsl<Conn> for Latest {}

impl QueryFragment<Sqlite> for Latest {
    /// Nothing is joined to the first so many of what belongs to a row, so the last of them is looked for, and then all from there on.
    /// `CROSS` has the keys come first.
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        pass.push_sql("SELECT `patient_keys`.`key`, `patient_keys`.`patient_id` FROM json_each(");
        pass.push_bind_param::<Text, String>(&self.json)?;
        pass.push_sql(
            ") CROSS JOIN `patient_keys` WHERE `patient_keys`.`key` = json_each.value AND `patient_keys`.`patient_id` >= \
             coalesce((SELECT `last`.`patient_id` FROM `patient_keys` AS `last` WHERE `last`.`key` = json_each.value \
             ORDER BY `last`.`patient_id` DESC LIMIT 1 OFFSET ",
        );
        pass.push_bind_param::<BigInt, i64>(&self.before_last)?;
        pass.push_sql("), '')");
        Ok(())
    }
}
impl QueryFragment<Pg> for Latest {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        pass.push_sql("SELECT latest.key, latest.patient_id FROM unnest(");
        pass.push_bind_param::<Array<BigInt>, Vec<i64>>(&self.keys)?;
        pass.push_sql(
            "::bigint[]) AS sought (key) CROSS JOIN LATERAL (SELECT \"patient_keys\".\"key\", \"patient_keys\".\"patient_id\" \
             FROM \"patient_keys\" WHERE \"patient_keys\".\"key\" = sought.key ORDER BY \"patient_keys\".\"patient_id\" DESC LIMIT ",
        );
        pass.push_bind_param::<BigInt, i64>(&self.most)?;
        pass.push_sql(") AS latest");
        Ok(())
    }
}
