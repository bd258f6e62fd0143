//! How many streams each client has open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::kind::ClientId;

/// The streams that are open in this process.
#[derive(Debug)]
pub struct Streams {
    most: usize,
    open: Arc<Mutex<Open>>,
}

/// When the streams of each client end, by the number of the stream.
#[derive(Debug, Default)]
struct Open {
    last: u64,
    of_clients: HashMap<ClientId, HashMap<u64, Instant>>,
}

impl Streams {
    /// So many for each client.
    pub fn new(most: u16) -> Self {
        Self { most: usize::from(most), open: Arc::default() }
    }

    /// A place for a stream that ends by then; fails with [`Error::RateLimited`] where the client has as many as it may.
    ///
    /// A client that no longer reads keeps its connection from ending, and not its place.
    pub fn open(&self, client: ClientId, life: Duration) -> Result<Slot> {
        let now = Instant::now();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.last += 1;
        let number = open.last;
        let own = open.of_clients.entry(client).or_default();
        own.retain(|_, ends| *ends > now);
        if own.len() >= self.most {
            let first = own.values().min().map_or(Duration::ZERO, |ends| ends.saturating_duration_since(now));
            return Err(Error::RateLimited { retry_after_seconds: first.as_secs() + 1 });
        }
        own.insert(number, now + life);
        Ok(Slot { client, number, open: Arc::clone(&self.open) })
    }
}

/// The place of an open stream, which is free again when this is dropped.
#[derive(Debug)]
pub struct Slot {
    client: ClientId,
    number: u64,
    open: Arc<Mutex<Open>>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = open.of_clients.get_mut(&self.client) {
            own.remove(&self.number);
            if own.is_empty() {
                open.of_clients.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_so_many_streams_and_another_one_when_one_has_ended() {
        let (streams, client, hour) = (Streams::new(2), ClientId::generate(), Duration::from_secs(3600));
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
        let (streams, client) = (Streams::new(1), ClientId::generate());
        let _stuck = streams.open(client, Duration::ZERO).unwrap();
        assert!(streams.open(client, Duration::ZERO).is_ok());
        assert!(streams.open.lock().unwrap().of_clients.is_empty(), "nothing is remembered of either");
    }
}
