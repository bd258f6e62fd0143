//! Schema migrations, compiled in.

use diesel::backend::Backend;
use diesel::connection::SimpleConnection;
use diesel::dsl::{max, sql};
use diesel::migration::{Migration, MigrationSource, MigrationVersion};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::Sqlite;
use diesel::{PgConnection, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::schema::changes;
use super::{DbConn, OpenError};
use crate::error::{Error, Result};

/// SQLite's.
pub const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
/// PostgreSQL's; the names are the same.
pub const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// The advisory lock under which one process at a time migrates: "kith" in ASCII.
const LOCK: i64 = 0x6b69_7468;

/// What becomes of a schema that is older than this binary. One that is not there yet is made in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Older {
    /// It is brought up to date.
    Migrated,
    /// It is left as it is: servers of its version may be at work on it.
    Refused,
}

/// All pending migrations or none. Foreign keys are off while tables are rebuilt, and checked before it counts. What a statement lays by,
/// which is up to as much as the file holds, goes to temporary files, which SQLite unlinks as it opens them: in memory there may be no
/// room for it. The caller closes the connection.
pub(super) fn sqlite(conn: &mut SqliteConnection, older: Older) -> Result<(), OpenError> {
    conn.batch_execute("PRAGMA journal_mode = WAL; PRAGMA foreign_keys = OFF; PRAGMA temp_store = FILE")?;
    conn.immediate_transaction(|conn| {
        if older == Older::Refused && is_older(conn, SQLITE)? {
            return Err(OpenError::OlderSchema);
        }
        let ran = conn.run_pending_migrations(SQLITE).map_err(OpenError::Migrate)?;
        report(&ran);
        // The check reads the whole file: a large one would take seconds to open though nothing was rebuilt.
        if ran.is_empty() {
            return Ok(());
        }
        let violations: i64 = sql::<BigInt>("SELECT count(*) FROM pragma_foreign_key_check").get_result(conn)?;
        if violations > 0 { Err(OpenError::Migrate("foreign keys point nowhere".into())) } else { Ok(()) }
    })
}

/// All pending migrations, one process at a time: the lock goes with the connection, which the caller closes.
pub(super) fn postgres(conn: &mut PgConnection, older: Older) -> Result<(), OpenError> {
    conn.batch_execute(&format!("SELECT pg_advisory_lock({LOCK})"))?;
    if older == Older::Refused && is_older(conn, POSTGRES)? {
        return Err(OpenError::OlderSchema);
    }
    report(&conn.run_pending_migrations(POSTGRES).map_err(OpenError::Migrate)?);
    continue_journal(conn)?;
    Ok(())
}

/// Whether there is a schema that lacks some of these migrations.
fn is_older<DB: Backend>(conn: &mut impl MigrationHarness<DB>, known: EmbeddedMigrations) -> Result<bool, OpenError> {
    let is_there = !conn.applied_migrations().map_err(OpenError::Migrate)?.is_empty();
    Ok(is_there && conn.has_pending_migration(known).map_err(OpenError::Migrate)?)
}

fn report(ran: &[MigrationVersion<'_>]) {
    if let Some(last) = ran.last() {
        log::info!("the database was migrated to {last}");
    }
}

/// Where a dump was restored into a cluster that has used up fewer transaction ids, the journal's would begin again below those it
/// has. They are raised, so that what is written now follows what was written there and readers' places stay good.
fn continue_journal(conn: &mut PgConnection) -> QueryResult<()> {
    let next = sql::<BigInt>("journal_base() + pg_snapshot_xmax(pg_current_snapshot())::text::bigint");
    let last = changes::table.select(max(changes::transaction_id)).single_value();
    let (last, next): (Option<i64>, i64) = diesel::select((last, next)).get_result(conn)?;
    let Some(last) = last.filter(|last| *last >= next) else { return Ok(()) };
    log::info!("the journal was written in another cluster; its transactions are counted on from {last}");
    conn.batch_execute(&format!("CREATE OR REPLACE FUNCTION journal_base() RETURNS BIGINT LANGUAGE sql STABLE AS 'SELECT {last}::bigint'"))
}

/// Whether every migration of this binary has run.
pub(super) fn is_complete(conn: &mut DbConn) -> Result<bool> {
    let ran: Vec<String> = sql::<Text>("SELECT version FROM __diesel_schema_migrations").load(conn)?;
    let known: Vec<Box<dyn Migration<Sqlite>>> = SQLITE.migrations().map_err(Error::Internal)?;
    Ok(known.iter().all(|migration| ran.contains(&migration.name().version().to_string())))
}
