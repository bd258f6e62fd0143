//! Where the hashes of secrets are made: beside the threads that answer requests, a few at a time, and none for a guess.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::secrets::{self, Check};
use crate::error::{Error, Result};
use crate::http::concurrency::Concurrency;
use crate::kind::ClientId;

/// Hashes that may run at once; each takes a core for some tens of milliseconds, and 19 MiB.
const HASHES_AT_ONCE: usize = 2;
/// The same of secrets without a check: beside the others, and one after another.
const UNCHECKED_AT_ONCE: usize = 1;
/// Logins that may wait for their hashes; the next is turned away.
const LOGINS_WAITING: usize = 32;
/// Logins that may wait as one client: one that begins many at once keeps no other out.
const LOGINS_OF_ONE: u16 = 8;
/// The same of a client whose secret has no check: whoever guesses at the secrets of few keeps no other out.
const UNCHECKED_OF_ONE: u16 = 2;
/// A login that has waited for longer has no place among those of its client any more.
const LOGIN_LASTS: Duration = Duration::from_secs(60);

/// Finds which hash is a secret's.
///
/// A wrong secret fails the check that is kept before the hash ([`secrets::check`]), and there it ends. So whoever knows the ids of any
/// number of clients, and sends wrong secrets from any number of addresses, **cannot**
///
/// - have a hash made, or take a place or a turn from a login that needs one: a guess would have to pass a check, as one of 2^66 does;
/// - keep a client out, not even the one that is guessed at, whether the server remembers it or not: nobody counts who fails, for ids are
///   no secret, and behind a proxy all addresses are one;
/// - have anything remembered, or learn from the time or the answer which clients there are.
///
/// They **can** have the database look for a row by its key with each call, and wait for each refusal on a connection of theirs. Whoever
/// knows the secret of one client takes the places of that client and no others, and needs no hash once it has matched.
///
/// A hash of a time when there were no checks is given one by the next login with its secret, or by `kith client rotate`. Until then a
/// guess at such a client costs a hash, and can take longer than another: one at a time, in places that no checked login needs, two for a
/// client. Whoever guesses at sixteen such clients without end keeps them and others like them out, and nobody else.
pub(super) struct Hashing {
    checked: Lane,
    unchecked: Lane,
}

impl Default for Hashing {
    fn default() -> Self {
        let at_once = std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(HASHES_AT_ONCE);
        Self { checked: Lane::new(at_once, LOGINS_OF_ONE), unchecked: Lane::new(UNCHECKED_AT_ONCE, UNCHECKED_OF_ONE) }
    }
}

impl Hashing {
    /// The one of a client's hashes that is this secret's. Fails with [`Error::Busy`] where too many wait.
    pub(super) async fn find(&self, client: ClientId, secret: &str, hashes: Vec<String>) -> Result<Option<String>> {
        let (mut passed, mut unchecked) = (Vec::new(), Vec::new());
        for hash in hashes {
            match secrets::check(secret, &hash) {
                Check::Passed => passed.push(hash),
                Check::Absent => unchecked.push(hash),
                Check::Failed => {}
            }
        }
        let (lane, hashes) = if passed.is_empty() { (&self.unchecked, unchecked) } else { (&self.checked, passed) };
        if hashes.is_empty() {
            return Ok(None);
        }
        let secret = secret.to_owned();
        lane.run(client, move || hashes.into_iter().find(|hash| secrets::verify(&secret, hash))).await
    }
}

/// Hashes that wait for one another.
///
/// A hash keeps its place until it has ended: whoever asked for it may be gone long before.
struct Lane {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
    of_one: Concurrency<ClientId>,
}

impl Lane {
    fn new(at_once: usize, of_one: u16) -> Self {
        let [turns, places] = [at_once, LOGINS_WAITING].map(|permits| Arc::new(Semaphore::new(permits)));
        Self { turns, places, of_one: Concurrency::new(of_one) }
    }

    /// Fails with [`Error::Busy`] where too many wait, or too many as this client.
    async fn run<T: Send + 'static>(&self, client: ClientId, hash: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let slot = self.of_one.open(client, LOGIN_LASTS).map_err(|_| Error::Busy)?;
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Error::Busy)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(Error::internal)?;
        let hash_in_turn = move || {
            let found = hash();
            drop((turn, place, slot));
            found
        };
        actix_web::web::block(hash_in_turn).await.map_err(Error::internal)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::auth::secrets::ClientSecret;

    #[actix_web::test]
    async fn a_hash_that_nobody_waits_for_any_more_keeps_its_place_until_it_has_ended() {
        let lane = Arc::new(Lane::new(1, 1));
        let (begun, begins) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let (asked, client) = (Arc::clone(&lane), ClientId::generate());
        let caller = actix_web::rt::spawn(async move {
            let hash = move || {
                begun.send(()).unwrap();
                ended.recv().unwrap();
            };
            asked.run(client, hash).await
        });
        // The caller runs on this thread, until the other one has begun.
        while begins.try_recv().is_err() {
            actix_web::rt::task::yield_now().await;
        }
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        assert_eq!((lane.turns.available_permits(), lane.places.available_permits()), (0, LOGINS_WAITING - 1));
        assert!(matches!(lane.run(client, || ()).await, Err(Error::Busy)), "nor has the client another");
        end.send(()).unwrap();
        while lane.places.available_permits() < LOGINS_WAITING {
            actix_web::rt::task::yield_now().await;
        }
        assert_eq!(lane.turns.available_permits(), 1);
    }

    #[actix_web::test]
    async fn a_client_waits_in_few_places_and_leaves_the_others_to_others() {
        let lane = Arc::new(Lane::new(1, 2));
        let turn = Arc::clone(&lane.turns).try_acquire_owned().unwrap();
        let wait = |client: ClientId| {
            let lane = Arc::clone(&lane);
            actix_web::rt::spawn(async move { lane.run(client, || ()).await })
        };
        let (one, other) = (ClientId::generate(), ClientId::generate());
        let waiting = [wait(one), wait(one), wait(other)];
        while lane.places.available_permits() > LOGINS_WAITING - waiting.len() {
            actix_web::rt::task::yield_now().await;
        }
        assert!(matches!(lane.run(one, || ()).await, Err(Error::Busy)));
        drop(turn);
        for login in waiting {
            login.await.unwrap().unwrap();
        }
        lane.run(one, || ()).await.unwrap();
    }

    /// No lane has a place left.
    fn full() -> Hashing {
        let hashing = Hashing::default();
        hashing.checked.places.close();
        hashing.unchecked.places.close();
        hashing
    }

    #[actix_web::test]
    async fn a_guess_needs_no_place_and_a_secret_does() {
        let (hashing, client) = (full(), ClientId::generate());
        let (present, previous, guess) =
            (ClientSecret::generate().unwrap(), ClientSecret::generate().unwrap(), ClientSecret::generate().unwrap());
        let hashes = vec![present.hash().unwrap(), previous.hash().unwrap()];
        for _ in 0..100 {
            assert_eq!(hashing.find(client, guess.expose(), hashes.clone()).await.unwrap(), None);
            assert_eq!(hashing.find(ClientId::generate(), guess.expose(), Vec::new()).await.unwrap(), None);
        }
        for secret in [present, previous] {
            assert!(matches!(hashing.find(client, secret.expose(), hashes.clone()).await, Err(Error::Busy)));
        }
    }

    #[actix_web::test]
    async fn hashes_without_a_check_take_no_place_of_those_that_have_one() {
        let (hashing, client) = (Hashing::default(), ClientId::generate());
        let (present, previous) = (ClientSecret::generate().unwrap(), ClientSecret::generate().unwrap());
        let (checked, previous_hash) = (present.hash().unwrap(), previous.hash().unwrap());
        let unchecked = previous_hash[previous_hash.find('$').unwrap()..].to_owned();
        let hashes = vec![checked.clone(), unchecked.clone()];
        assert_eq!(hashing.find(client, previous.expose(), hashes.clone()).await.unwrap(), Some(unchecked));
        hashing.unchecked.places.close();
        assert_eq!(hashing.find(client, present.expose(), hashes.clone()).await.unwrap(), Some(checked));
        let guess = ClientSecret::generate().unwrap();
        assert!(matches!(hashing.find(client, guess.expose(), hashes).await, Err(Error::Busy)), "the previous secret it may be");
    }
}
