//! Every setting: a flag and an environment variable each, read once and checked at start.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{ArgAction, Args, FromArgMatches, ValueEnum};

use crate::db::DbSettings;
use crate::matching::Helpline;

/// A text that is never printed by accident: `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}
impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text for a person at a terminal.
    Human,
    /// One JSON object a line, for machines.
    Json,
}

/// Where the data are.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Database")]
pub struct DatabaseConfig {
    /// The database: sqlite:PATH, or postgres://USER:PASSWORD@HOST/NAME
    #[arg(global = true, long = "database-url", env = "KITH_DATABASE_URL", default_value = "sqlite:kith.db", value_name = "URL",
        hide_env_values = true, value_parser = database_url)]
    pub url: Secret,
    /// Most connections for reading, besides one for each thread that answers (SQLite), or at all (PostgreSQL)
    #[arg(global = true, long = "database-connections", env = "KITH_DATABASE_CONNECTIONS", default_value_t = 8, value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub connections: u32,
    /// Longest wait for a free connection; after it the answer is 503
    #[arg(global = true, long = "database-wait", env = "KITH_DATABASE_WAIT", default_value = "5s", value_name = "DURATION", value_parser = positive_duration)]
    pub wait: Duration,
    /// Changes that may wait for SQLite's one writer; when full the answer is 503
    #[arg(global = true, long, env = "KITH_WRITER_QUEUE", default_value_t = 1024, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub writer_queue: u32,
    /// Longest time one statement may take on PostgreSQL
    #[arg(global = true, long, env = "KITH_STATEMENT_TIMEOUT", default_value = "20s", value_name = "DURATION", value_parser = positive_duration)]
    pub statement_timeout: Duration,
    /// Statements that take this long are logged, without their values: the first 1,000 characters, and all with
    /// KITH_LOG=info,kith::db::slow=trace; 0ms logs every one
    #[arg(global = true, long, env = "KITH_SLOW_QUERY", default_value = "250ms", value_name = "DURATION", value_parser = duration)]
    pub slow_query: Duration,
}

/// What is logged, and how.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Log")]
pub struct LogConfig {
    /// Form of the log lines on standard error
    #[arg(global = true, long, env = "KITH_LOG_FORMAT", value_enum, default_value_t = LogFormat::Human, value_name = "FORMAT")]
    pub log_format: LogFormat,
    /// Level, or levels by module: info, debug, warn,kith=debug
    #[arg(global = true, long, env = "KITH_LOG", default_value = "info", value_name = "LEVELS", value_parser = log_levels)]
    pub log_level: String,
}

/// All settings of a server.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// The database.
    #[command(flatten)]
    pub database: DatabaseConfig,
    /// The log.
    #[command(flatten)]
    pub log: LogConfig,

    /// Address to listen on; 0.0.0.0 or :: for every network
    #[arg(long, env = "KITH_HOST", default_value = "127.0.0.1", value_name = "ADDRESS", help_heading = "Server")]
    pub host: std::net::IpAddr,
    /// Port to listen on; 0 picks a free one
    #[arg(long, env = "KITH_PORT", default_value_t = 8080, value_name = "PORT", help_heading = "Server")]
    pub port: u16,
    /// Threads that answer requests; as many as the machine has cores where not given
    #[arg(long, env = "KITH_WORKERS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024), help_heading = "Server")]
    pub workers: Option<u16>,
    /// Address under which callers reach this server, such as https://kith.example.ca; it is the issuer of the tokens. Without it the
    /// addresses of pages, calendars, files and in webhooks are paths alone. When it is changed, links and tokens that were given are no
    /// longer good
    #[arg(long, env = "KITH_BASE_URL", value_name = "URL", value_parser = base_url, help_heading = "Server")]
    pub base_url: Option<String>,
    /// Largest request body, and longest line of POST /v1/imports, in bytes
    #[arg(long, env = "KITH_BODY_LIMIT", default_value_t = 1024 * 1024, value_name = "BYTES",
        value_parser = clap::value_parser!(u32).range(1024..=1024 * 1024 * 1024), help_heading = "Server")]
    pub body_limit: u32,
    /// Largest body of POST /v1/imports/services in bytes, and largest answer of a source
    #[arg(long, env = "KITH_IMPORT_LIMIT", default_value_t = 64 * 1024 * 1024, value_name = "BYTES",
        value_parser = clap::value_parser!(u32).range(1024..), help_heading = "Server")]
    pub import_limit: u32,
    /// Largest body of POST /v1/imports in bytes, unpacked
    #[arg(long, env = "KITH_BULK_LIMIT", default_value_t = 1024 * 1024 * 1024, value_name = "BYTES",
        value_parser = clap::value_parser!(u64).range(1024..), help_heading = "Server")]
    pub bulk_limit: u64,
    /// Longest time a request may take; after it the answer is 503, or 408 where its body has not arrived
    #[arg(long, env = "KITH_REQUEST_TIMEOUT", default_value = "40s", value_name = "DURATION", value_parser = positive_duration, help_heading = "Server")]
    pub request_timeout: Duration,
    /// Longest time to finish what has been accepted, and what goes on beside it, when told to stop; whoever stops the process should wait
    /// for longer
    #[arg(long, env = "KITH_SHUTDOWN_TIMEOUT", default_value = "30s", value_name = "DURATION", value_parser = duration, help_heading = "Server")]
    pub shutdown_timeout: Duration,
    /// Web origins that browsers may call from (CORS), separated by commas; * for any
    #[arg(long, env = "KITH_CORS_ORIGINS", value_delimiter = ',', value_name = "ORIGINS", value_parser = origin, help_heading = "Server")]
    pub cors_origins: Vec<String>,
    /// The help line that is named where no service and no link worker program suits somebody
    #[arg(long, env = "KITH_HELPLINE_NAME", default_value = "211", value_name = "NAME", value_parser = not_blank, help_heading = "Server")]
    pub helpline_name: String,
    /// Its telephone number
    #[arg(long, env = "KITH_HELPLINE_PHONE", default_value = "211", value_name = "NUMBER", value_parser = not_blank, help_heading = "Server")]
    pub helpline_phone: String,
    /// The crisis line that is shown at once to somebody whose answers say that they may be in danger
    #[arg(long, env = "KITH_CRISIS_LINE_NAME", default_value = "9-8-8 Suicide Crisis Helpline", value_name = "NAME", value_parser = not_blank, help_heading = "Server")]
    pub crisis_line_name: String,
    /// Its telephone number
    #[arg(long, env = "KITH_CRISIS_LINE_PHONE", default_value = "988", value_name = "NUMBER", value_parser = not_blank, help_heading = "Server")]
    pub crisis_line_phone: String,
    /// Requests that a client may make in a minute, in each process; the default stops only runaways; 0 for no limit. Who reads the public
    /// directory without a token is counted by the address that connects: behind a proxy all of them are one
    #[arg(long, env = "KITH_RATE_LIMIT", default_value_t = 1_200_000, value_name = "N", help_heading = "Server")]
    pub rate_limit: u32,
    /// Requests of a client that may come at once, in each process, before the limit holds
    #[arg(long, env = "KITH_RATE_BURST", default_value_t = 120_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Server")]
    pub rate_burst: u32,
    /// Streams of changes that a client may have open in each process
    #[arg(long, env = "KITH_CHANGE_STREAMS", default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Server")]
    pub change_streams: u16,
    /// Places of appointments that a client may hold at once
    #[arg(long, env = "KITH_HOLDS_PER_CLIENT", default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Server")]
    pub holds_per_client: u16,

    /// Hosts, separated by commas, to which webhooks may be sent and from which sources may be pulled although they are private, and over plain http; for development
    #[arg(long, env = "KITH_WEBHOOK_ALLOW", value_delimiter = ',', value_name = "HOSTS", value_parser = not_blank, help_heading = "Webhooks")]
    pub webhook_allow: Vec<String>,
    /// Longest wait for a receiver's answer, 100ms to 60s
    #[arg(long, env = "KITH_WEBHOOK_TIMEOUT", default_value = "15s", value_name = "DURATION", value_parser = answer_timeout, help_heading = "Webhooks")]
    pub webhook_timeout: Duration,
    /// Wait before a webhook that failed is sent again, 10ms to 10m; later waits grow in proportion: 5 s, 5 min, 30 min, 2, 5, 10, 14, 20, 24
    /// h where this is 5s
    #[arg(long, env = "KITH_WEBHOOK_RETRY", default_value = "5s", value_name = "DURATION", value_parser = first_retry, help_heading = "Webhooks")]
    pub webhook_retry: Duration,

    /// Credentials that sources of the directory are read with, in TOML
    #[arg(long, env = "KITH_SOURCE_CREDENTIALS", value_name = "FILE", help_heading = "Sources")]
    pub source_credentials: Option<PathBuf>,
    /// Longest wait for an answer of a source, 100ms to 60s
    #[arg(long, env = "KITH_SOURCE_TIMEOUT", default_value = "30s", value_name = "DURATION", value_parser = answer_timeout, help_heading = "Sources")]
    pub source_timeout: Duration,
    /// Wait before a source that could not be read is asked again, 10ms to 10m, four times as long each time; after six tries the run is
    /// given up
    #[arg(long, env = "KITH_SOURCE_RETRY", default_value = "30s", value_name = "DURATION", value_parser = first_retry, help_heading = "Sources")]
    pub source_retry: Duration,

    /// Whom the tokens are for: the audience
    #[arg(long, env = "KITH_AUDIENCE", default_value = "kith", value_name = "NAME", value_parser = not_blank, help_heading = "Access")]
    pub audience: String,
    /// How long an access token is valid, 30s to 24h
    #[arg(long, env = "KITH_TOKEN_LIFETIME", default_value = "15m", value_name = "DURATION", value_parser = token_lifetime, help_heading = "Access")]
    pub token_lifetime: Duration,
    /// Ed25519 keys that sign the tokens, PKCS#8 PEM, the first signs; kept in the database where not given
    #[arg(long, env = "KITH_SIGNING_KEY_FILE", value_name = "FILE", help_heading = "Access")]
    pub signing_key_file: Option<PathBuf>,
    /// Whether anybody may read the directory of services, with the slots and the need domains, without a token, and ask what in it fits
    /// somebody: POST /v1/matches, GET /v1/matches/{id}, POST /v1/eligibility-checks, /v1/matching-profiles. A stranger's match is kept for a
    /// day, in codes alone, and what nothing fits counts among the unmet needs
    #[arg(long, env = "KITH_PUBLIC_DIRECTORY", default_value_t = false, action = ArgAction::Set, num_args = 0..=1,
        default_missing_value = "true", require_equals = true, value_name = "BOOL", help_heading = "Access")]
    pub public_directory: bool,
}

impl Config {
    /// The settings that these flags name and the defaults of the rest, whatever the environment says: for tests and the demo.
    pub fn from_flags<I, T>(flags: I) -> Result<Self, clap::Error>
    where
        I: IntoIterator<Item = T>,
        T: Into<std::ffi::OsString> + Clone,
    {
        let command = Self::augment_args(clap::Command::new("kith").no_binary_name(true));
        Self::from_arg_matches(&command.mut_args(|arg| arg.env(None)).try_get_matches_from(flags)?)
    }

    /// Whom to call where nothing suits.
    pub fn helpline(&self) -> Helpline {
        Helpline { name: self.helpline_name.clone(), phone: self.helpline_phone.clone() }
    }

    /// Whom to call when in danger.
    pub fn crisis_line(&self) -> Helpline {
        Helpline { name: self.crisis_line_name.clone(), phone: self.crisis_line_phone.clone() }
    }

    /// The issuer of the tokens.
    pub fn issuer(&self) -> &str {
        self.base_url.as_deref().unwrap_or("kith")
    }

    /// What is wrong with the settings taken together, one sentence each; empty where nothing is.
    pub fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        if let Some(path) = &self.signing_key_file
            && let Err(error) = std::fs::File::open(path)
        {
            mistakes.push(format!("--signing-key-file (KITH_SIGNING_KEY_FILE): {} cannot be read: {error}", path.display()));
        }
        if let Some(mistake) = crate::sources::Credentials::new(self.source_credentials.clone()).mistake() {
            mistakes.push(format!("--source-credentials (KITH_SOURCE_CREDENTIALS): {mistake}"));
        }
        if self.cors_origins.len() > 1 && self.cors_origins.iter().any(|origin| origin == "*") {
            mistakes.push("--cors-origins (KITH_CORS_ORIGINS): * stands alone or not at all".into());
        }
        mistakes
    }
}

impl DatabaseConfig {
    /// The settings as the database takes them.
    pub fn settings(&self) -> DbSettings {
        DbSettings {
            url: self.url.expose().to_owned(),
            connections: self.connections as usize,
            write_queue: self.writer_queue as usize,
            wait: self.wait,
            statement_timeout: self.statement_timeout,
            slow_query: self.slow_query,
        }
    }
}

/// Why a text is not a setting's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadValue(&'static str);

/// A number with a unit: `250ms`, `30s`, `15m`, `24h`, `7d`.
pub fn duration(text: &str) -> Result<Duration, BadValue> {
    const EXPECTED: BadValue = BadValue("not a duration such as 250ms, 30s, 15m, 24h or 7d");
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number = u64::from_str(digits).map_err(|_| EXPECTED)?;
    let milliseconds_per_unit = match text.get(digits.len()..) {
        Some("ms") => 1,
        Some("s") => 1_000,
        Some("m") => 60_000,
        Some("h") => 3_600_000,
        Some("d") => 86_400_000,
        _ => return Err(EXPECTED),
    };
    // A thousand years is more than any setting needs, and keeps later sums inside the calendar.
    let most = 1_000 * 366 * 86_400_000;
    number.checked_mul(milliseconds_per_unit).filter(|total| *total <= most).map(Duration::from_millis).ok_or(EXPECTED)
}

fn database_url(text: &str) -> Result<Secret, BadValue> {
    let is_known =
        ["sqlite:", "postgres://", "postgresql://"].iter().any(|scheme| text.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()));
    if is_known { Ok(text.into()) } else { Err(BadValue("must start with sqlite: or postgres://")) }
}

fn positive_duration(text: &str) -> Result<Duration, BadValue> {
    duration(text).and_then(|duration| if duration.is_zero() { Err(BadValue("must be longer than nothing")) } else { Ok(duration) })
}

fn token_lifetime(text: &str) -> Result<Duration, BadValue> {
    let lifetime = duration(text)?;
    let allowed = Duration::from_secs(30)..=Duration::from_secs(24 * 3600);
    if allowed.contains(&lifetime) { Ok(lifetime) } else { Err(BadValue("must be between 30s and 24h")) }
}

fn answer_timeout(text: &str) -> Result<Duration, BadValue> {
    let allowed = Duration::from_millis(100)..=Duration::from_secs(60);
    duration(text).and_then(|wait| if allowed.contains(&wait) { Ok(wait) } else { Err(BadValue("must be between 100ms and 60s")) })
}

fn first_retry(text: &str) -> Result<Duration, BadValue> {
    let allowed = Duration::from_millis(10)..=Duration::from_secs(600);
    duration(text).and_then(|wait| if allowed.contains(&wait) { Ok(wait) } else { Err(BadValue("must be between 10ms and 10m")) })
}

fn not_blank(text: &str) -> Result<String, BadValue> {
    if text.trim().is_empty() { Err(BadValue("must not be blank")) } else { Ok(text.to_owned()) }
}

fn log_levels(text: &str) -> Result<String, BadValue> {
    let is_level = |part: &str| log::LevelFilter::from_str(part.rsplit('=').next().unwrap_or(part)).is_ok();
    if text.split(',').all(is_level) {
        Ok(text.to_owned())
    } else {
        Err(BadValue("not a level such as info, or a list such as warn,kith=debug"))
    }
}

/// An `http` or `https` URL; a slash at its end is dropped.
pub(crate) fn base_url(text: &str) -> Result<String, BadValue> {
    const EXPECTED: BadValue = BadValue("not a URL such as https://kith.example.ca");
    let url = text.trim_end_matches('/');
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).ok_or(EXPECTED)?;
    let is_plain = url.chars().all(|letter| letter.is_ascii_graphic() && !matches!(letter, '"' | '\\' | '<' | '>' | '?' | '#' | '@'));
    if rest.is_empty() || rest.starts_with('/') || !is_plain { Err(EXPECTED) } else { Ok(url.to_owned()) }
}

/// A web origin (RFC 6454): scheme and host, no path.
fn origin(text: &str) -> Result<String, BadValue> {
    let text = text.trim();
    let has_path = || text.splitn(3, '/').nth(2).is_some_and(|rest| rest.contains('/'));
    if text == "*" || (base_url(text).is_ok() && !has_path()) {
        Ok(text.to_owned())
    } else {
        Err(BadValue("not an origin such as https://app.example.ca"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const NO_FLAGS: [&str; 0] = [];

    #[test]
    fn the_defaults_are_without_mistakes() {
        let config = Config::from_flags(NO_FLAGS).unwrap();
        assert_eq!(config.mistakes(), Vec::<String>::new());
        assert_eq!(config.issuer(), "kith");
        assert!(!config.public_directory);
    }

    #[test]
    fn a_database_that_is_opened_by_its_address_alone_has_the_defaults_of_the_settings() {
        let database = Config::from_flags(["--database-url=sqlite:kith.db"]).unwrap().database.settings();
        let shown = |settings: &DbSettings| {
            let DbSettings { url, connections, write_queue, wait, statement_timeout, slow_query } = settings.clone();
            (url, connections, write_queue, wait, statement_timeout, slow_query)
        };
        assert_eq!(shown(&DbSettings::new("sqlite:kith.db")), shown(&database));
    }

    #[test]
    fn a_duration_states_its_unit() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(duration("7d"), Ok(Duration::from_secs(7 * 86_400)));
        for text in ["", "5", "s", "-1s", "1.5h", "5 s", "99999999999999999999s", "18446744073709551615d", "5µs"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_flag_that_makes_no_sense_is_told() {
        for flags in [
            "--port=70000",
            "--token-lifetime=1s",
            "--base-url=kith.example.ca",
            "--cors-origins=https://app.example.ca/path",
            "--request-timeout=0s",
            "--log-level=kith=loud",
            "--audience= ",
            "--database-connections=0",
        ] {
            assert!(Config::from_flags([flags]).is_err(), "{flags}");
        }
        let config = Config::from_flags(["--cors-origins=https://a.example.ca,http://localhost:3000", "--public-directory"]).unwrap();
        assert_eq!(config.cors_origins, ["https://a.example.ca", "http://localhost:3000"]);
        assert!(config.public_directory);
    }

    #[test]
    fn the_readme_lists_every_setting_with_its_default_and_no_other() {
        let readme = include_str!("../README.md");
        let rows = readme.lines().filter(|line| line.starts_with("| `KITH_")).flat_map(|line| {
            let mut cells = line.split('|').skip(1).map(|cell| cell.trim().split(", "));
            cells.next().unwrap().zip(cells.next().unwrap())
        });
        let rows: BTreeMap<&str, &str> = rows.collect();
        let command = Config::augment_args(clap::Command::new("kith"));
        let settings: Vec<_> =
            command.get_arguments().filter_map(|arg| Some((arg.get_env()?.to_str()?, arg.get_default_values().first()))).collect();
        for (name, default) in &settings {
            let said = rows.get(format!("`{name}`").as_str()).unwrap_or_else(|| panic!("{name} is not in README.md"));
            match default {
                Some(default) => assert_eq!(*said, format!("`{}`", default.to_str().unwrap()), "{name}"),
                None => assert!(!said.contains('`'), "{name} has no default, and README.md says: {said}"),
            }
        }
        let named = readme.split(|letter: char| !letter.is_ascii_uppercase() && letter != '_').filter(|word| word.starts_with("KITH_"));
        // Where tests find what is not in the repository, and of which program the judges start servers.
        for name in named.filter(|name| !["KITH_SHARED", "KITH_BIN"].contains(name)) {
            assert!(settings.iter().any(|(setting, _)| *setting == name), "README.md names {name}, which is no setting");
        }
    }

    #[test]
    fn a_password_in_the_database_url_is_never_shown() {
        let config = Config::from_flags(["--database-url", "postgres://kith:hunter2@db.example.ca/kith"]).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
