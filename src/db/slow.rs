//! Slow statements are logged, without the values bound to them: their beginnings, and all of them at the level `trace`.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use diesel::connection::{Instrumentation, InstrumentationEvent};

/// Logs statements that take longer than a threshold.
pub(super) struct Log {
    threshold: Duration,
    started: Option<Instant>,
}

impl Log {
    pub(super) fn new(threshold: Duration) -> Self {
        Self { threshold, started: None }
    }
}

impl Instrumentation for Log {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        match event {
            InstrumentationEvent::StartQuery { .. } => self.started = Some(Instant::now()),
            InstrumentationEvent::FinishQuery { query, .. } => {
                let Some(elapsed) = self.started.take().map(|started| started.elapsed()) else { return };
                if elapsed >= self.threshold {
                    let query = query.to_string();
                    let statement = without_values(&query);
                    log::warn!("slow statement, {} ms: {}", elapsed.as_millis(), head(statement));
                    log::trace!("the whole of it: {statement}");
                }
            }
            _ => {}
        }
    }
}

/// Diesel writes the values behind the statement: `SELECT … -- binds: ["Ada"]`.
fn without_values(statement: &str) -> &str {
    statement.split_once(" -- binds: ").map_or(statement, |(statement, _)| statement)
}

/// The beginning of a statement, which is enough to know it by, and how long it is: one that writes a thousand rows has a thousand rows of
/// placeholders.
fn head(statement: &str) -> Cow<'_, str> {
    const LONGEST: usize = 1_000;
    match statement.char_indices().nth(LONGEST).and_then(|(end, _)| statement.get(..end)) {
        Some(head) => format!("{head}… ({} characters)", statement.chars().count()).into(),
        None => statement.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::{head, without_values};

    #[test]
    fn a_long_statement_is_cut() {
        let insert = format!("INSERT INTO t (a) VALUES {}", "(?), ".repeat(2_000));
        let logged = head(&insert);
        assert!(logged.starts_with("INSERT INTO t (a) VALUES (?), ") && logged.ends_with("… (10025 characters)"), "{logged}");
        assert_eq!(logged.chars().count(), 1_000 + "… (10025 characters)".chars().count());
        assert_eq!(head("COMMIT"), "COMMIT");
    }

    #[test]
    fn values_are_cut_off() {
        assert_eq!(without_values("SELECT a FROM t WHERE b = ? -- binds: [\"Ada -- binds: \"]"), "SELECT a FROM t WHERE b = ?");
        assert_eq!(without_values("COMMIT"), "COMMIT");
    }
}
