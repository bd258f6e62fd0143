//! When what failed is tried again.

use std::time::Duration;

use rand::Rng;

/// The waits between attempts, in multiples of the first: at once, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h, as the Standard
/// Webhooks specification advises; three days and a little in all.
const WAITS: [u32; 9] = [1, 60, 360, 1_440, 3_600, 7_200, 10_080, 14_400, 17_280];

/// An endpoint of which nothing gets through rests at most so many times the first wait between one try and the next: ten minutes.
const LONGEST_REST: u32 = 120;

/// An endpoint of which nothing has got through for so many times the first wait is paused: three days.
const GIVE_UP: u32 = 51_840;

/// A receiver that asks for more patience than this, in multiples of the first wait, is given no more: six hours.
const LONGEST_RETRY_AFTER: u32 = 4_320;

/// The waits, from the first one.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// The wait before the first try after the one that failed.
    pub first: Duration,
}

impl Schedule {
    /// The wait after so many failed attempts, with up to a fifth added by chance so that those who failed together do not come back
    /// together; `None` where there are no more.
    pub fn wait(&self, attempts: i32) -> Option<Duration> {
        let index = usize::try_from(attempts.saturating_sub(1)).unwrap_or(0);
        Some(jittered(self.first * *WAITS.get(index)?))
    }

    /// How long an endpoint rests of which so many rounds in a row failed altogether.
    pub fn rest(&self, failures: i32) -> Duration {
        let doublings = u32::try_from(failures.saturating_sub(1)).unwrap_or(0).min(16);
        jittered(self.first * (1 << doublings).min(LONGEST_REST))
    }

    /// For how long nothing may get through before the endpoint is paused.
    pub fn patience(&self) -> Duration {
        self.first * GIVE_UP
    }

    /// What a receiver asked for, within bounds.
    pub fn asked(&self, retry_after: Duration) -> Duration {
        retry_after.min(self.first * LONGEST_RETRY_AFTER)
    }
}

fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(rand::rng().random_range(1.0..1.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Schedule = Schedule { first: Duration::from_secs(5) };

    #[test]
    fn tries_go_on_for_three_days_with_growing_waits() {
        let waits: Vec<Duration> = (1..).map_while(|attempts| USUAL.wait(attempts)).collect();
        assert_eq!(waits.len(), 9);
        assert!(waits.is_sorted() && waits[0] >= Duration::from_secs(5) && waits[0] < Duration::from_secs(6), "{waits:?}");
        let all: Duration = waits.iter().sum();
        assert!(all > USUAL.patience() && all < Duration::from_secs(92 * 3600), "{all:?}");
        assert_eq!(USUAL.patience(), Duration::from_secs(3 * 86_400));
    }

    #[test]
    fn an_endpoint_that_fails_is_looked_at_every_ten_minutes_at_least() {
        let rests: Vec<Duration> = (1..40).map(|failures| USUAL.rest(failures)).collect();
        assert!(rests[0] < Duration::from_secs(6) && rests[1] >= Duration::from_secs(10));
        assert!(rests.iter().all(|rest| *rest < Duration::from_secs(720)));
        assert!(USUAL.rest(i32::MAX) >= Duration::from_secs(600));
    }

    #[test]
    fn what_a_receiver_asks_for_is_bounded() {
        assert_eq!(USUAL.asked(Duration::from_secs(90)), Duration::from_secs(90));
        assert_eq!(USUAL.asked(Duration::from_secs(1_000_000)), Duration::from_secs(6 * 3600));
    }
}
