//! Locks that stand for no row.

use diesel::RunQueryDsl;

use super::DbConn;
use crate::error::Result;

/// Waits until nobody else holds the lock of this number, and keeps others waiting until the transaction ends. On SQLite whoever writes is
/// alone.
pub fn wait_for(conn: &mut DbConn, number: i64) -> Result<()> {
    diesel::define_sql_function! {
        /// Waits for the lock, which is held until the transaction ends.
        fn pg_advisory_xact_lock(key: diesel::sql_types::BigInt) -> diesel::sql_types::Text;
    }
    if let DbConn::Pg(conn) = conn {
        diesel::select(pg_advisory_xact_lock(number)).execute(conn)?;
    }
    Ok(())
}
