//! The connection type, its transactions, and the SQL types it knows beside diesel's own.

use diesel::QueryResult;
use diesel::connection::{AnsiTransactionManager, TransactionManager, TransactionManagerStatus};
use diesel::result::Error::RollbackTransaction;

pub use self::derived::{DbConn, MultiBackend};
use super::types::sql_types;
use crate::each;
use crate::error::Result;

#[expect(missing_docs, reason = "the derive makes public items without documentation")]
mod derived {
    /// A connection to whichever database is configured.
    ///
    /// Queries are written once. What the common subset lacks goes through [`Common`](crate::db::Common) or
    /// [`each!`](crate::each).
    #[derive(diesel::MultiConnection)]
    pub enum DbConn {
        /// The embedded database.
        Sqlite(diesel::SqliteConnection),
        /// The shared one.
        Pg(diesel::PgConnection),
    }
}

/// Makes SQL types of our own known to the backend that stands for both.
macro_rules! known_to_both {
    ($($sql_type:ty),+) => {
        $(impl diesel::sql_types::HasSqlType<$sql_type> for MultiBackend {
            fn metadata(lookup: &mut Self::MetadataLookup) -> Self::TypeMetadata {
                Self::lookup_sql_type::<$sql_type>(lookup)
            }
        })+
    };
}
known_to_both!(sql_types::Id, sql_types::Instant, sql_types::Document);

impl DbConn {
    /// Opens a transaction with a statement of the database's own.
    pub(super) fn begin_with(&mut self, sql: &str) -> QueryResult<()> {
        each!(self, |conn| AnsiTransactionManager::begin_transaction_sql(conn, sql))
    }

    /// Opens a savepoint.
    pub(super) fn begin_nested(&mut self) -> QueryResult<()> {
        each!(self, |conn| AnsiTransactionManager::begin_transaction(conn))
    }

    /// Runs work inside a savepoint of its own: where it fails, nothing of it is left, and the transaction goes on.
    pub fn nested<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let depth = self.depth()?;
        self.begin_nested()?;
        let result = work(self).and_then(|value| Ok(self.commit().map(|()| value)?));
        // Where the disk is full the transaction is gone, and its savepoints with it: what the work met says so.
        if result.is_err()
            && let Err(error) = self.roll_back_to(depth)
        {
            log::warn!("cannot roll back to a savepoint: {error}");
        }
        result
    }

    /// Runs work inside a savepoint of its own and leaves nothing of it, whatever comes of it: to find out what would.
    pub fn undone<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let depth = self.depth()?;
        self.begin_nested()?;
        let mut result = work(self);
        if result.is_ok() && self.must_roll_back() {
            // Work that passed over an error of a statement, as in `commit`.
            result = Err(RollbackTransaction.into());
        }
        match self.roll_back_to(depth) {
            Ok(()) => result,
            // What the work met says more than that nothing can be rolled back; and what was done must not stay.
            Err(error) => result.and_then(|_| Err(error.into())),
        }
    }

    /// Ends the innermost savepoint or the transaction, keeping what was done.
    ///
    /// PostgreSQL takes the `COMMIT` of a transaction in which a statement failed, and rolls it back without a word. Work that
    /// passed over such an error is told here.
    pub(super) fn commit(&mut self) -> QueryResult<()> {
        if self.must_roll_back() {
            return Err(RollbackTransaction);
        }
        each!(self, |conn| AnsiTransactionManager::commit_transaction(conn))
    }

    /// Rolls back until no more than `depth` transactions and savepoints are open.
    pub(super) fn roll_back_to(&mut self, depth: u32) -> QueryResult<()> {
        while self.depth()? > depth {
            each!(self, |conn| AnsiTransactionManager::rollback_transaction(conn))?;
        }
        Ok(())
    }

    /// How many transactions and savepoints are open inside each other.
    pub(super) fn depth(&mut self) -> QueryResult<u32> {
        Ok(self.status().transaction_depth()?.map_or(0, std::num::NonZeroU32::get))
    }

    /// Whether the connection cannot be used again: lost, or left inside a transaction.
    pub(super) fn is_broken(&mut self) -> bool {
        !matches!(self.depth(), Ok(0))
    }

    /// Whether the transaction cannot be committed: its end was lost, or a savepoint inside it.
    pub(super) fn must_roll_back(&mut self) -> bool {
        match self.status() {
            TransactionManagerStatus::Valid(status) => {
                status.in_transaction.as_ref().is_some_and(|open| open.requires_rollback_maybe_up_to_top_level)
            }
            TransactionManagerStatus::InError => true,
        }
    }

    fn status(&mut self) -> &mut TransactionManagerStatus {
        each!(self, |conn| AnsiTransactionManager::transaction_manager_status_mut(conn))
    }
}
