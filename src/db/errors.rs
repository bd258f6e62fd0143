//! How both databases' errors become ours.
//!
//! SQLite names no constraint and PostgreSQL no columns. Constraints are named `table_column_key`, so that either form gives the
//! same name.

use diesel::result::DatabaseErrorInformation;
use diesel::result::DatabaseErrorKind::{self, *};
use diesel::result::Error::{BrokenTransactionManager, DatabaseError, NotFound, RollbackErrorOnCommit};

use crate::error::Error;

type Information = dyn DatabaseErrorInformation + Send + Sync;

impl From<diesel::result::Error> for Error {
    fn from(error: diesel::result::Error) -> Self {
        match error {
            NotFound => Self::NotFound,
            RollbackErrorOnCommit { commit_error, .. } => (*commit_error).into(),
            // The connection broke in an earlier statement of the transaction.
            BrokenTransactionManager => Self::unavailable(error),
            // Displayed, a database error is its message alone; the details, which quote values of rows, stay out of the log.
            DatabaseError(kind, ref information) if passes(kind, information.message()) => Self::unavailable(error),
            DatabaseError(kind, ref information) => known(kind, information.as_ref()).unwrap_or_else(|| Self::internal(error)),
            other => Self::internal(other),
        }
    }
}

/// Whether the fault lies with the server, the disk or the file, and not with the statement.
fn passes(kind: DatabaseErrorKind, message: &str) -> bool {
    match kind {
        // A server that only reads is one that has just been replaced by another.
        ClosedConnection | UnableToSendCommand | ReadOnlyTransaction => true,
        _ => match message {
            "database or disk is full" | "disk I/O error" | "unable to open database file" => true,
            "attempt to write a readonly database" => true,
            _ => message.ends_with("No space left on device"),
        },
    }
}

fn known(kind: DatabaseErrorKind, information: &Information) -> Option<Error> {
    match kind {
        UniqueViolation => Some(Error::Duplicate { constraint: constraint(information) }),
        ForeignKeyViolation | RestrictViolation => Some(Error::Reference { constraint: constraint(information) }),
        SerializationFailure => Some(Error::Busy),
        _ => match information.message() {
            // SQLite's result code and PostgreSQL's SQLSTATE do not come through diesel; the connection asks for English messages.
            "database is locked" | "database table is locked" | "database schema is locked" => Some(Error::Busy),
            "deadlock detected" | "canceling statement due to lock timeout" => Some(Error::Busy),
            "canceling statement due to statement timeout" => Some(Error::TimedOut),
            _ => None,
        },
    }
}

/// The constraint's name: PostgreSQL tells it, for SQLite it is made of the columns in
/// `UNIQUE constraint failed: table.column, table.other`.
fn constraint(information: &Information) -> String {
    if let Some(name) = information.constraint_name() {
        return name.to_owned();
    }
    let columns = information.message().split_once(" failed: ").map_or("", |(_, columns)| columns);
    if let Some(index) = columns.strip_prefix("index '") {
        return index.trim_end_matches('\'').to_owned();
    }
    let mut name = String::new();
    for column in columns.split(", ") {
        let Some((table, column)) = column.split_once('.') else { continue };
        if name.is_empty() {
            name.push_str(table);
        }
        name.push('_');
        name.push_str(column);
    }
    if !name.is_empty() {
        name.push_str("_key");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_sqlite(kind: DatabaseErrorKind, message: &str) -> Error {
        DatabaseError(kind, Box::new(message.to_owned())).into()
    }

    #[test]
    fn sqlites_messages_give_postgresqls_names() {
        for (message, expected) in [
            ("UNIQUE constraint failed: clients.name", "clients_name_key"),
            ("UNIQUE constraint failed: needs.patient_id, needs.domain", "needs_patient_id_domain_key"),
            ("UNIQUE constraint failed: index 'clients_lower_name_key'", "clients_lower_name_key"),
            ("FOREIGN KEY constraint failed", ""),
        ] {
            let Error::Duplicate { constraint } = of_sqlite(UniqueViolation, message) else { panic!("{message}") };
            assert_eq!(constraint, expected);
        }
    }

    #[test]
    fn what_passes_is_busy_and_what_is_unknown_is_our_fault() {
        assert!(matches!(of_sqlite(Unknown, "database is locked"), Error::Busy));
        assert!(matches!(of_sqlite(SerializationFailure, "could not serialize access"), Error::Busy));
        assert!(matches!(of_sqlite(ForeignKeyViolation, "FOREIGN KEY constraint failed"), Error::Reference { .. }));
        assert!(matches!(of_sqlite(Unknown, "no such table: nothing"), Error::Internal(_)));
        assert!(matches!(of_sqlite(CheckViolation, "CHECK constraint failed: flag"), Error::Internal(_)));
    }

    #[test]
    fn what_no_statement_can_help_is_unavailable() {
        for (kind, message) in [
            (Unknown, "database or disk is full"),
            (Unknown, "disk I/O error"),
            (Unknown, "attempt to write a readonly database"),
            (Unknown, "unable to open database file"),
            (Unknown, "could not extend file \"base/5/1259\": No space left on device"),
            (ReadOnlyTransaction, "cannot execute INSERT in a read-only transaction"),
            (ClosedConnection, "server closed the connection unexpectedly"),
        ] {
            assert!(matches!(of_sqlite(kind, message), Error::Unavailable(_)), "{message}");
        }
    }
}
