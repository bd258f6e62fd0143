//! What every test starts from: a database of its own.
//!
//! SQLite is always there. PostgreSQL is where `TEST_DATABASE_URL` points; without the variable its tests say that they are
//! skipped, and in continuous integration (`CI=true`) they fail. Files that are not in the repository are in the folder that
//! `KITH_SHARED` names: where that lacks one, its tests fail, and where the variable is not set, they say that they are skipped.

use std::env;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use kith::db::{Db, DbSettings};
use tempfile::TempDir;
use uuid::Uuid;

/// An empty, migrated database that goes when it is dropped.
pub struct TestDb {
    /// The way in.
    pub db: Db,
    /// What it was opened with, to open it once more.
    pub settings: DbSettings,
    /// Where it lies.
    pub place: Place,
}

impl std::ops::Deref for TestDb {
    type Target = Db;

    fn deref(&self) -> &Db {
        &self.db
    }
}

impl TestDb {
    /// A file.
    pub fn sqlite() -> Self {
        let place = Place::on_sqlite();
        let settings = place.settings();
        Self { db: Db::open(&settings).unwrap(), settings, place }
    }

    /// A schema, where there is a server.
    pub fn postgres() -> Option<Self> {
        let place = Place::on_postgres()?;
        let settings = place.settings();
        Some(Self { db: Db::open(&settings).unwrap(), settings, place })
    }
}

/// Where a database can be opened; nothing is there yet. It goes when it is dropped.
pub enum Place {
    /// A directory for the file.
    Sqlite(TempDir),
    /// A schema on the server.
    Postgres {
        /// The server's address.
        server: String,
        /// The schema.
        schema: String,
    },
}

impl Place {
    /// A file to be.
    pub fn on_sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    /// An empty schema, where there is a server.
    pub fn on_postgres() -> Option<Self> {
        let Ok(server) = env::var("TEST_DATABASE_URL") else {
            assert!(env::var("CI").as_deref() != Ok("true"), "TEST_DATABASE_URL must be set in continuous integration");
            skip("TEST_DATABASE_URL is not set");
            return None;
        };
        let schema = format!("test_{}", Uuid::now_v7().simple());
        PgConnection::establish(&server).unwrap().batch_execute(&format!("CREATE SCHEMA {schema}")).unwrap();
        Some(Self::Postgres { server, schema })
    }

    /// The address of the database.
    pub fn url(&self) -> String {
        match self {
            Self::Sqlite(directory) => format!("sqlite:{}", directory.path().join("kith.db").display()),
            Self::Postgres { server, schema } => {
                let separator = if server.contains('?') { '&' } else { '?' };
                format!("{server}{separator}options=-csearch_path%3D{schema}%20-csynchronous_commit%3Doff")
            }
        }
    }

    /// Settings for it.
    pub fn settings(&self) -> DbSettings {
        DbSettings { connections: 4, ..DbSettings::new(self.url()) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Self::Postgres { server, schema } = self {
            let dropped = PgConnection::establish(server).map(|mut conn| conn.batch_execute(&format!("DROP SCHEMA {schema} CASCADE")));
            if !matches!(dropped, Ok(Ok(()))) {
                eprintln!("the schema {schema} was left behind");
            }
        }
    }
}

/// Says that a test, or a part of it, is skipped: on the standard error itself, for what is printed by a test that passes is shown to
/// nobody.
pub fn skip(why: &str) {
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    let _closed = writeln!(std::io::stderr(), "skipped: {test}: {why}");
}

/// Returns once this is so; fails, with what it waited for, where that takes longer than a minute.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(60), waiting).await.is_ok(), "a minute, and still not so: {what}");
}

/// Ids of rows made by the thousand that stand before all others.
pub const FIRST_IDS: &str = "00000000-0000-4000-8000";
/// Those that stand behind all others.
pub const LAST_IDS: &str = "ffffffff-ffff-4fff-8fff";

/// In SQL, the id that begins so and ends with the number `n.i`.
pub fn numbered_id(beginning: &str, on_sqlite: bool) -> String {
    if on_sqlite {
        format!("printf('{beginning}-%012d', n.i)")
    } else {
        format!("CAST('{beginning}-' || lpad(CAST(n.i AS TEXT), 12, '0') AS UUID)")
    }
}

/// SQL that adds rows to a table by the thousand: so many, `n.i` is the number of each, with these columns of `one`, the row that is
/// selected.
pub fn many_rows(table: &str, number: usize, columns: &str, one: &str) -> String {
    format!(
        "INSERT INTO {table} WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {number}) \
         SELECT {columns} FROM n, ({one}) AS one"
    )
}

/// A file or folder of what is too large for the repository, or not ours to give away: real directories, the standard's own files.
pub fn shared(path: &str) -> Option<PathBuf> {
    let named = env::var_os("KITH_SHARED").map(PathBuf::from);
    let is_named = named.is_some();
    let path = named.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared")).join(path);
    if path.exists() {
        return Some(path);
    }
    assert!(!is_named, "{} is not there, in the folder that KITH_SHARED names", path.display());
    skip(&format!("{} is not there, and KITH_SHARED is not set", path.display()));
    None
}

/// Makes two tests of one: `on_both!(a_row_is_kept, |db| async move { … })` runs on SQLite and on PostgreSQL.
macro_rules! on_both {
    ($(#[$attribute:meta])* $name:ident, |$db:ident| $body:expr) => {
        $(#[$attribute])*
        mod $name {
            use super::*;

            async fn run($db: $crate::harness::TestDb) {
                $body.await;
            }

            #[actix_web::test]
            async fn on_sqlite() {
                run($crate::harness::TestDb::sqlite()).await;
            }

            #[actix_web::test]
            async fn on_postgres() {
                if let Some(db) = $crate::harness::TestDb::postgres() {
                    run(db).await;
                }
            }
        }
    };
}
