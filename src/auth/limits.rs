//! How often each may call: a client under its own name, a stranger under the address that the call comes from.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::kind::ClientId;

/// Above this many callers, those who have been quiet long enough to have their full allowance back are forgotten.
const CALLERS_REMEMBERED: usize = 20_000;
/// Forgetting looks at every caller, so not every call does it.
const CALLS_BETWEEN_CLEANINGS: usize = 4_096;

/// Whose calls are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CountedAs {
    /// A client, wherever it calls from.
    Client(ClientId),
    /// Whoever holds this link, from wherever.
    Link(Uuid),
    /// Whoever calls from this address without a token.
    Address(IpAddr),
}

impl CountedAs {
    /// A stranger. Of an IPv6 address the first 64 bits count: whoever has one address has all of them.
    pub fn stranger(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
            address => address,
        })
    }
}

/// What a caller has left, for the `RateLimit` headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Calls that may be made at once.
    pub limit: u32,
    /// Calls left of these now.
    pub remaining: u32,
    /// Seconds until all are back.
    pub reset_seconds: u64,
}

type Counter = RateLimiter<CountedAs, DefaultKeyedStateStore<CountedAs>, DefaultClock, StateInformationMiddleware>;

/// Counts calls. Each process counts its own.
pub struct Limits {
    counter: Option<Counter>,
    calls: AtomicUsize,
}

impl Limits {
    /// So many calls a minute, of which so many may come at once; 0 a minute is no limit.
    pub fn new(per_minute: u32, burst: u32) -> Self {
        let quota = NonZeroU32::new(per_minute).zip(NonZeroU32::new(burst));
        let counter =
            quota.map(|(per_minute, burst)| RateLimiter::keyed(Quota::per_minute(per_minute).allow_burst(burst)).with_middleware());
        Self { counter, calls: AtomicUsize::new(0) }
    }

    /// Counts a call; fails with [`Error::RateLimited`] where it is one too many. `None` where there is no limit.
    pub fn count(&self, caller: CountedAs) -> Result<Option<Allowance>> {
        let Some(counter) = &self.counter else { return Ok(None) };
        if self.calls.fetch_add(1, Ordering::Relaxed).is_multiple_of(CALLS_BETWEEN_CLEANINGS) && counter.len() > CALLERS_REMEMBERED {
            counter.retain_recent();
        }
        match counter.check_key(&caller) {
            Ok(state) => {
                let (limit, remaining) = (state.quota().burst_size().get(), state.remaining_burst_capacity());
                let reset = state.quota().replenish_interval() * limit.saturating_sub(remaining);
                Ok(Some(Allowance { limit, remaining, reset_seconds: whole_seconds(reset) }))
            }
            Err(not_until) => Err(Error::RateLimited {
                retry_after_seconds: whole_seconds(not_until.wait_time_from(DefaultClock::default().now())).max(1),
            }),
        }
    }
}

/// Rounded up.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_allowed_and_the_next_call_is_told_when_to_come_back() {
        let limits = Limits::new(6, 3);
        let caller = CountedAs::Client(ClientId::generate());
        let left: Vec<u32> = (0..3).map(|_| limits.count(caller).unwrap().unwrap().remaining).collect();
        assert_eq!(left, [2, 1, 0]);
        assert!(matches!(limits.count(caller), Err(Error::RateLimited { retry_after_seconds: 1..=10 })));
        assert!(limits.count(CountedAs::Client(ClientId::generate())).is_ok(), "another client is counted by itself");
    }

    #[test]
    fn zero_is_no_limit() {
        assert_eq!(Limits::new(0, 1).count(CountedAs::stranger([192, 0, 2, 1].into())).unwrap(), None);
    }

    #[test]
    fn a_network_of_addresses_is_one_stranger() {
        let stranger = |text: &str| CountedAs::stranger(text.parse().unwrap());
        assert_eq!(stranger("2001:db8::1"), stranger("2001:db8::ffff:2"));
        assert_ne!(stranger("2001:db8::1"), stranger("2001:db8:0:1::1"));
        assert_eq!(stranger("::ffff:192.0.2.1"), stranger("192.0.2.1"));
    }
}
