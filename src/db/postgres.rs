//! PostgreSQL: how connections are opened, and transactions that clash are run again.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection, ConnectionError, PgConnection};
use rand::Rng;

use super::pool::Pool;
use super::{DbConn, DbSettings, OpenError, migrate, slow};
use crate::error::{Error, Result};

/// One closure sees one state of the database.
pub(super) const READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// How often a transaction that lost against another is run again.
const RETRIES: u32 = 5;

pub(super) fn open(settings: &DbSettings) -> Result<Pool, OpenError> {
    migrate::postgres(&mut connect(&settings.url, Duration::ZERO)?)?;
    let (url, statement_timeout, slow) = (settings.url.clone(), settings.statement_timeout, settings.slow_query);
    let open = move || {
        let mut conn = connect(&url, statement_timeout)?;
        conn.set_instrumentation(slow::Log::new(slow));
        Ok(DbConn::Pg(conn))
    };
    Ok(Pool::new(settings.connections, settings.wait, Box::new(open)))
}

fn connect(url: &str, statement_timeout: Duration) -> Result<PgConnection, ConnectionError> {
    let mut conn = PgConnection::establish(url)?;
    let session = format!(
        "SET TIME ZONE 'UTC'; SET application_name = 'kith'; SET statement_timeout = {}; \
         SET idle_in_transaction_session_timeout = 60000",
        statement_timeout.as_millis()
    );
    conn.batch_execute(&session).map_err(ConnectionError::CouldntSetupConfiguration)?;
    // Deadlocks and timeouts are told by their messages, but only some roles may choose the language.
    if let Err(error) = conn.batch_execute("SET lc_messages = 'C'") {
        log::debug!("the server's messages stay in its language: {error}");
    }
    Ok(conn)
}

/// Runs a write, again where it lost against another.
pub(super) fn write<T>(pool: &Pool, work: impl Fn(&mut DbConn) -> Result<T>) -> Result<T> {
    let mut pooled = pool.begin("BEGIN")?;
    let mut attempt = 0;
    loop {
        let result = work(&mut pooled.conn);
        let result = pooled.end(result);
        if matches!(result, Err(Error::Busy)) && attempt < RETRIES && !pooled.conn.is_broken() {
            attempt += 1;
            std::thread::sleep(Duration::from_millis(rand::rng().random_range(1..=10 << attempt)));
            pooled.conn.begin_with("BEGIN")?;
            continue;
        }
        pool.put(pooled);
        return result;
    }
}
