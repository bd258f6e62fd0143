//! Log lines: text or JSON, and one for every request.
//!
//! A line says what happened to which id. It never holds a person's data: no path, no query, no body, no header but the request id.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use chrono::{SecondsFormat, Utc};
use env_logger::fmt::Formatter;
use env_logger::fmt::style::Style;
use env_logger::{Target, WriteStyle};
use log::kv::{self, Key, Value, VisitSource};
use log::{Level, LevelFilter, Record};
use serde_json::Map;

use crate::config::{LogConfig, LogFormat};

/// Starts logging to standard error. A second call changes nothing.
pub fn start(config: &LogConfig) {
    let mut builder = env_logger::Builder::new();
    // What callers get wrong on the wire is theirs to mend: the HTTP layer calls it an error, which is for us to act on.
    builder.filter_module("actix_http", LevelFilter::Off).parse_filters(&config.log_level);
    // Only where it is asked for, so that nothing has to be taken out of each line again.
    builder.write_style(WriteStyle::Always);
    // Else each line asks anew whether it goes to a terminal.
    builder.target(Target::Pipe(Box::new(std::io::stderr())));
    let is_coloured = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
    match config.log_format {
        LogFormat::Human => builder.format(move |out, record| human(out, record, is_coloured)),
        LogFormat::Json => builder.format(json),
    };
    if builder.try_init().is_err() {
        log::debug!("logging had been started before");
    }
}

/// Others' code that quotes what it is sent at `debug` and below: paths, headers, bodies.
const QUOTES_REQUESTS: &[&str] = &["actix_http", "actix_web", "h2"];

/// Whether a record may hold what a caller sent. It is left out, whatever level is asked for.
fn may_quote(record: &Record<'_>) -> bool {
    let crate_name = || record.target().split("::").next().unwrap_or_default();
    record.level() > Level::Info && QUOTES_REQUESTS.contains(&crate_name())
}

fn timestamp() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn human(out: &mut Formatter, record: &Record<'_>, is_coloured: bool) -> std::io::Result<()> {
    if may_quote(record) {
        return Ok(());
    }
    let level = record.level();
    let style = if is_coloured { out.default_level_style(level) } else { Style::new() };
    writeln!(out, "{} {style}{level:<5}{style:#} {} {}", timestamp(), record.target(), SingleLine(record.args()))
}

fn json(out: &mut Formatter, record: &Record<'_>) -> std::io::Result<()> {
    struct Fields(Map<String, serde_json::Value>);
    impl<'kvs> VisitSource<'kvs> for Fields {
        fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
            let value = match (value.to_u64(), value.to_f64(), value.to_bool()) {
                (Some(number), ..) => number.into(),
                (_, Some(number), _) => number.into(),
                (.., Some(truth)) => truth.into(),
                _ => value.to_string().into(),
            };
            self.0.insert(key.to_string(), value);
            Ok(())
        }
    }
    let mut fields = Fields(Map::from_iter([
        ("time".to_owned(), timestamp().into()),
        ("level".to_owned(), record.level().as_str().to_ascii_lowercase().into()),
        ("target".to_owned(), record.target().into()),
        ("message".to_owned(), record.args().to_string().into()),
    ]));
    if may_quote(record) {
        return Ok(());
    }
    record.key_values().visit(&mut fields).map_err(std::io::Error::other)?;
    serde_json::to_writer(&mut *out, &fields.0)?;
    out.write_all(b"\n")
}

/// Writes a message without its control characters, so that nothing a caller sends can forge a second line or drive the terminal.
struct SingleLine<'a>(&'a std::fmt::Arguments<'a>);

impl std::fmt::Display for SingleLine<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use std::fmt::Write;
        struct Escape<'a, 'b>(&'a mut std::fmt::Formatter<'b>);
        impl Write for Escape<'_, '_> {
            fn write_str(&mut self, text: &str) -> std::fmt::Result {
                // One of these bytes is in every control character, and in little else: most pieces are written as they are.
                if !text.bytes().any(|byte| matches!(byte, 0..b' ' | 0x7f | 0xc2)) {
                    return self.0.write_str(text);
                }
                text.split_inclusive(char::is_control).try_for_each(|piece| match piece.chars().next_back() {
                    Some(last) if last.is_control() => {
                        self.0.write_str(&piece[..piece.len() - last.len_utf8()])?;
                        write!(self.0, "{}", last.escape_default())
                    }
                    _ => self.0.write_str(piece),
                })
            }
        }
        Escape(f).write_fmt(*self.0)
    }
}

/// A request that has been answered.
#[derive(Debug, Clone, Copy)]
pub struct RequestLine<'a> {
    /// The id in `X-Request-Id`.
    pub request_id: &'a str,
    /// The HTTP method.
    pub method: &'a actix_web::http::Method,
    /// The template of the route, such as `/v1/patients/{id}`; `None` where no route has matched.
    pub route: Option<&'a str>,
    /// The status of the answer.
    pub status: u16,
    /// From the first byte of the request to the head of the answer.
    pub duration: Duration,
    /// The calling client, where one was known.
    pub client_id: Option<crate::kind::ClientId>,
}

/// Logs one line about an answered request: at `info`, and at `warn` where the fault was ours.
pub fn request_line(line: &RequestLine<'_>) {
    let level = if line.status >= 500 { Level::Warn } else { Level::Info };
    // A method is any token (RFC 9110 §9.1), so a stranger's may say anything.
    let method = if is_common(line.method) { line.method.as_str() } else { "OTHER" };
    let (request_id, status) = (line.request_id, line.status);
    let route = line.route.unwrap_or("(no route)");
    let duration_ms = (line.duration.as_secs_f64() * 1_000_000.0).round() / 1_000.0;
    let client = line.client_id.map(|id| id.to_string());
    let client_id = client.as_deref().unwrap_or("-");
    log::log!(
        target: "kith::request", level,
        request_id, method, route, status, duration_ms, client_id;
        "{method} {route} {status} in {duration_ms} ms, client {client_id}, request {request_id}"
    );
}

fn is_common(method: &actix_web::http::Method) -> bool {
    use actix_web::http::Method;
    [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::HEAD, Method::OPTIONS].contains(method)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_quotes_requests_is_not_heard_below_info() {
        let quotes = |level, target| may_quote(&Record::builder().level(level).target(target).build());
        assert!(quotes(Level::Debug, "actix_web::types::path") && quotes(Level::Trace, "h2"));
        assert!(!quotes(Level::Info, "actix_web::types::path") && !quotes(Level::Debug, "kith::request"));
    }

    #[test]
    fn a_message_cannot_forge_a_second_line() {
        assert_eq!(SingleLine(&format_args!("a{}b", "\r\n\u{1b}[31m")).to_string(), "a\\r\\n\\u{1b}[31mb");
        assert_eq!(SingleLine(&format_args!("é£{}", "\u{7f}\u{85}\0 €")).to_string(), "é£\\u{7f}\\u{85}\\u{0} €");
        for control in (0..=u8::MAX).map(char::from).filter(|character| character.is_control()) {
            let line = SingleLine(&format_args!("{control}")).to_string();
            assert!(!line.contains(control), "{control:?}");
        }
    }
}
