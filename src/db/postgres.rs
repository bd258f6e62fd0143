//! PostgreSQL: how connections are opened, and transactions that clash are run again.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::sql_types::Text;
use diesel::{Connection, ConnectionError, PgConnection, RunQueryDsl};
use rand::Rng;

use super::migrate::Older;
use super::pool::Pool;
use super::{DbConn, DbSettings, OpenError, migrate, slow};
use crate::error::{Error, Result};

/// One closure sees one state of the database.
pub(super) const READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// How often a transaction that lost against another is run again.
const RETRIES: u32 = 5;

pub(super) fn open(settings: &DbSettings, older: Older) -> Result<Pool, OpenError> {
    let mut conn = connect(&settings.url, Duration::ZERO)?;
    check_language(&mut conn)?;
    migrate::postgres(&mut conn, older)?;
    drop(conn);
    let (url, statement_timeout, slow) = (settings.url.clone(), settings.statement_timeout, settings.slow_query);
    let open = move || {
        let mut conn = connect(&url, statement_timeout)?;
        conn.set_instrumentation(slow::Log::new(slow));
        Ok(DbConn::Pg(conn))
    };
    Ok(Pool::new(settings.connections, settings.wait, Box::new(open)))
}

/// What an address that does not say otherwise is opened with: a server that is gone without a word, as when its machine lost its power
/// or the network parted, is given up in this time and holds no request and no connection for longer.
const PATIENCE: [(&str, &str); 5] = [
    ("connect_timeout", "5"),
    ("keepalives_idle", "20"),
    ("keepalives_interval", "5"),
    ("keepalives_count", "2"),
    ("tcp_user_timeout", "30000"),
];

fn with_patience(url: &str) -> String {
    // What stands before the host may hold a question mark.
    let mut has_parameters = url.split_once('@').map_or(url, |(_, rest)| rest).contains('?');
    PATIENCE.iter().filter(|(name, _)| !url.contains(name)).fold(url.to_owned(), |url, (name, value)| {
        let separator = if std::mem::replace(&mut has_parameters, true) { '&' } else { '?' };
        format!("{url}{separator}{name}={value}")
    })
}

fn connect(url: &str, statement_timeout: Duration) -> Result<PgConnection, ConnectionError> {
    let mut conn = PgConnection::establish(&with_patience(url))?;
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

/// Fails where the server's messages are not English: nothing else tells a deadlock, which is to be run again, from a fault of ours.
fn check_language(conn: &mut PgConnection) -> Result<(), OpenError> {
    let text = |name: &str, conn: &mut PgConnection| diesel::select(sql::<Text>(name)).get_result::<String>(conn);
    let locale = text("current_setting('lc_messages')", conn)?;
    // Where the name does not say it, as an empty one does not, a message does: a server may have been built without others.
    if is_english(&locale) || matches!(conn.batch_execute("SELECT 1 / 0"), Err(error) if error.to_string() == "division by zero") {
        return Ok(());
    }
    Err(OpenError::Language { locale, role: text("quote_ident(current_user)", conn)? })
}

/// Whether messages are English in a locale of this name.
fn is_english(locale: &str) -> bool {
    let language = locale.split(['_', '.', '@', '-']).next().unwrap_or_default();
    ["C", "POSIX", "en", "English"].contains(&language)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_says_whether_messages_are_english() {
        for english in ["C", "POSIX", "C.UTF-8", "en_CA.UTF-8", "en_US", "en", "English_Canada.1252"] {
            assert!(is_english(english), "{english}");
        }
        for other in ["fr_CA.UTF-8", "", "de_DE", "fr", "eng", "ca_ES@euro", "Czech_Czechia.1250"] {
            assert!(!is_english(other), "{other}");
        }
        let refusal = OpenError::Language { locale: "fr_CA.UTF-8".into(), role: "kith".into() };
        assert!(refusal.to_string().ends_with("ALTER ROLE kith SET lc_messages = 'C'"), "{refusal}");
    }

    #[test]
    fn an_address_is_given_patience_where_it_says_nothing_of_it() {
        let with = with_patience("postgres://kith:a?b@db/kith");
        assert!(with.starts_with("postgres://kith:a?b@db/kith?connect_timeout=5&keepalives_idle=20&"), "{with}");
        let with = with_patience("postgres://db/kith?connect_timeout=60");
        assert!(with.starts_with("postgres://db/kith?connect_timeout=60&keepalives_idle=20&"), "{with}");
    }
}
