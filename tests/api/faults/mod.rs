//! Faults: servers that are killed, databases that go away, disks that fill up, many who write the same at once.
//!
//! Everything here runs real servers on the loopback interface, in folders and databases of its own, and ends only what it has started.
//! The suite runs each a few times; with `FAULTS=long` the same tests go on for as long as it takes to believe them:
//!
//! ```sh
//! FAULTS=long cargo test --test api faults -- --nocapture --test-threads 1
//! ```

mod bulk;
mod clock;
mod cluster;
mod copies;
mod disk;
mod kills;
mod ledger;
mod outages;
mod privacy;
mod replay;
mod soak;
mod storm;
pub mod town;
mod waitlists;
mod webhooks;

/// How often, or how long, something is done: in the suite, and in the long run.
fn times(short: usize, long: usize) -> usize {
    if std::env::var("FAULTS").as_deref() == Ok("long") { long } else { short }
}

/// Numbers that are the same in every run: a splitmix64 generator.
struct Dice(u64);

impl Dice {
    /// A number below `sides`.
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % sides as u64) as usize
    }

    /// One of these.
    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.roll(from.len())]
    }
}
