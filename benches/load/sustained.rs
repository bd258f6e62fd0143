//! A mixed load for a long time: whether latencies stay and memory does not grow.

use std::rc::Rc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::Outcome;
use super::client::{self, Call, Script};
use super::invented::Dice;
use super::jobs::{JOBS, Region};
use super::server::Server;

/// How long a line of the table stands for.
const WINDOW: Duration = Duration::from_secs(10);

/// A stretch of time.
#[derive(Debug, Serialize)]
pub struct Window {
    /// Seconds since the beginning, at its end.
    pub at_s: f64,
    /// Answers a second.
    pub rate: f64,
    /// Milliseconds.
    pub p50_ms: f64,
    /// Milliseconds.
    pub p99_ms: f64,
    /// Milliseconds.
    pub max_ms: f64,
    /// Answers that were refusals or failures.
    pub bad: usize,
    /// Resident memory of the server, in MiB.
    pub memory_mib: Option<f64>,
}

/// Every request is one of the jobs, by their shares.
struct Mixed {
    dice: Dice,
    /// A script for each job, with where its share of the dice ends.
    scripts: Vec<(usize, Box<dyn Script>)>,
    /// The one whose turn it is.
    turn: usize,
}

#[expect(clippy::indexing_slicing, reason = "there are jobs, and a roll is below the end of the last one's share")]
impl Script for Mixed {
    fn next(&mut self) -> Call {
        let roll = self.dice.roll(self.scripts.last().map_or(0, |(end, _)| *end));
        self.turn = self.scripts.partition_point(|(end, _)| *end <= roll);
        self.scripts[self.turn].1.next()
    }

    fn heard(&mut self, body: &[u8]) {
        self.scripts[self.turn].1.heard(body);
    }
}

/// Loads the server for so long, and prints each window as it ends.
pub async fn run(server: &Server, region: &Rc<Region>, connections: usize, time: Duration) -> Outcome<Vec<Window>> {
    let mixed = |connection| -> Box<dyn Script> {
        let mut end = 0;
        let scripts = JOBS.iter().filter(|job| job.share > 0).map(|job| {
            end += job.share;
            (end, job.script(region, connection))
        });
        Box::new(Mixed { dice: Dice::of("mixed", connection), scripts: scripts.collect(), turn: 0 })
    };
    let mut scripts: Vec<Box<dyn Script>> = (0..connections).map(mixed).collect();
    let mut windows = Vec::new();
    let begun = Instant::now();
    println!("{:>8}{:>10}{:>9}{:>9}{:>9}{:>6}{:>9}", "s", "per s", "p50 ms", "p99 ms", "max ms", "bad", "RSS MiB");
    while begun.elapsed() < time {
        let sample = client::run(&server.address, &mut scripts, WINDOW.min(time)).await?;
        if let Some(complaint) = &sample.complaint {
            eprintln!("{} answers were not as expected, the first: {complaint}", sample.bad);
        }
        let window = Window {
            at_s: begun.elapsed().as_secs_f64(),
            rate: sample.rate(),
            p50_ms: sample.percentile(0.5),
            p99_ms: sample.percentile(0.99),
            max_ms: sample.percentile(1.0),
            bad: sample.bad,
            memory_mib: server.memory().map(|memory| memory.now),
        };
        println!(
            "{:>8.0}{:>10.0}{:>9.2}{:>9.2}{:>9.2}{:>6}{:>9}",
            window.at_s,
            window.rate,
            window.p50_ms,
            window.p99_ms,
            window.max_ms,
            window.bad,
            window.memory_mib.map_or_else(String::new, |mebibytes| format!("{mebibytes:.0}")),
        );
        windows.push(window);
    }
    Ok(windows)
}
