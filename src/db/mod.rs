//! The database: one connection type over SQLite and PostgreSQL.
//!
//! A request reads in one [`Db::read`] and changes in one [`Db::write`]; repository functions take `&mut DbConn` and open no
//! transactions of their own.

pub mod types;

/// A connection to whichever database is configured.
///
/// Queries are written once. What the common subset lacks goes through `Common` or `each!`.
#[derive(diesel::MultiConnection)]
pub enum DbConn {
    /// The embedded database.
    Sqlite(diesel::SqliteConnection),
    /// The shared one.
    Pg(diesel::PgConnection),
}
