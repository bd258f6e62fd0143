//! The time, which tests can move.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Duration, Utc};

use crate::db::types::Instant;

/// Who asks by time for what has changed since they last asked, asks for so much more: a change bears the moment at which it was begun to
/// be written, and can be read only when it is committed, which may be a little later. Longer than any transaction takes.
pub const OVERLAP: Duration = Duration::minutes(5);

/// Where the time comes from: the system, or a hand. Clones show the same time.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    /// Microseconds since 1970, where a hand sets them.
    by_hand: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// A clock that stands at `start` until it is moved.
    pub fn manual(start: Instant) -> Self {
        Self { by_hand: Some(Arc::new(AtomicI64::new(start.utc().timestamp_micros()))) }
    }

    /// This moment.
    pub fn now(&self) -> Instant {
        let moment = match &self.by_hand {
            Some(micros) => DateTime::from_timestamp_micros(micros.load(Ordering::Relaxed)).unwrap_or_default(),
            None => Utc::now(),
        };
        Instant::from_utc(moment)
    }

    /// Moves a manual clock forward. The system's clock is not moved.
    pub fn advance(&self, duration: Duration) {
        self.set(self.now().plus(duration));
    }

    /// Sets a manual clock. The system's clock is not set.
    pub fn set(&self, moment: Instant) {
        if let Some(micros) = &self.by_hand {
            micros.store(moment.utc().timestamp_micros(), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_stands_until_it_is_moved_and_its_clones_move_along() {
        let start: Instant = "2026-03-01T17:00:00Z".parse().unwrap();
        let clock = Clock::manual(start);
        let clone = clock.clone();
        assert_eq!(clone.now(), start);
        clock.advance(Duration::days(7));
        assert_eq!(clone.now().to_text(), "2026-03-08T17:00:00.000000Z");
        clone.set(start);
        assert_eq!(clock.now(), start);
    }

    #[test]
    fn the_system_clock_goes_by_itself() {
        let clock = Clock::default();
        let before = clock.now();
        clock.advance(Duration::days(365));
        assert!(clock.now() >= before && clock.now() < before.plus(Duration::days(1)));
    }
}
