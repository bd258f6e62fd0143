//! How much of what takes long each caller has under way at once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// What is under way in this process of one kind, such as streams, and whose it is.
#[derive(Debug)]
pub struct Concurrency<K> {
    most: usize,
    open: Arc<Mutex<Open<K>>>,
}

/// When what each has under way ends, by its number.
#[derive(Debug)]
struct Open<K> {
    last: u64,
    of: HashMap<K, HashMap<u64, Instant>>,
}

impl<K: Copy + Eq + Hash> Concurrency<K> {
    /// So much for each.
    pub fn new(most: u16) -> Self {
        Self { most: usize::from(most), open: Arc::new(Mutex::new(Open { last: 0, of: HashMap::new() })) }
    }

    /// A place for what ends by then; fails with [`Error::RateLimited`] where the caller has as much under way as it may.
    ///
    /// What goes on for longer does so without a place: a client that no longer reads keeps its connection from ending, and not its place.
    pub fn open(&self, whose: K, life: Duration) -> Result<Slot<K>> {
        let now = Instant::now();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.last += 1;
        let number = open.last;
        let own = open.of.entry(whose).or_default();
        own.retain(|_, ends| *ends > now);
        if own.len() >= self.most {
            let first = own.values().min().map_or(Duration::ZERO, |ends| ends.saturating_duration_since(now));
            return Err(Error::RateLimited { retry_after_seconds: first.as_secs() + 1 });
        }
        own.insert(number, now + life);
        Ok(Slot { whose, number, open: Arc::clone(&self.open) })
    }
}

/// The place of what is under way, which is free again when this is dropped.
#[derive(Debug)]
pub struct Slot<K: Copy + Eq + Hash> {
    whose: K,
    number: u64,
    open: Arc<Mutex<Open<K>>>,
}

impl<K: Copy + Eq + Hash> Drop for Slot<K> {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = open.of.get_mut(&self.whose) {
            own.remove(&self.number);
            if own.is_empty() {
                open.of.remove(&self.whose);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::ClientId;

    #[test]
    fn each_has_so_many_at_once_and_another_one_when_one_has_ended() {
        let (streams, client, hour) = (Concurrency::new(2), ClientId::generate(), Duration::from_secs(3600));
        let first = streams.open(client, hour).unwrap();
        let _second = streams.open(client, hour).unwrap();
        assert!(matches!(streams.open(client, hour), Err(Error::RateLimited { retry_after_seconds: 3590..=3601 })));
        assert!(streams.open(ClientId::generate(), hour).is_ok(), "another client has its own");
        drop(first);
        let _third = streams.open(client, hour).unwrap();
        assert!(streams.open(client, hour).is_err());
    }

    #[test]
    fn whoever_no_longer_reads_keeps_no_place() {
        let (streams, client) = (Concurrency::new(1), ClientId::generate());
        let _stuck = streams.open(client, Duration::ZERO).unwrap();
        assert!(streams.open(client, Duration::ZERO).is_ok());
        assert!(streams.open.lock().unwrap().of.is_empty(), "nothing is remembered of either");
    }
}
