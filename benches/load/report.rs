//! What was measured, as a table and as JSON.

use serde::Serialize;

use super::client::Sample;
use super::fill::Sizes;

/// A job on one server, over all rounds.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Line {
    /// The job.
    pub job: String,
    /// The server.
    pub server: String,
    /// Connections.
    pub connections: usize,
    /// Answers a second; the median of the rounds.
    pub rate: f64,
    /// Resources a second, where an answer stands for several.
    pub resources_per_second: Option<f64>,
    /// The slowest and the fastest round.
    pub rates: (f64, f64),
    /// Milliseconds within which half of the answers came; so the others.
    pub p50_ms: f64,
    /// See `p50_ms`.
    pub p90_ms: f64,
    /// See `p50_ms`.
    pub p99_ms: f64,
    /// The slowest answer.
    pub max_ms: f64,
    /// Answers of another status, and requests that failed.
    pub bad: usize,
    /// The rate as a share of that of the server beside.
    pub share_of_beside: Option<f64>,
    /// Resident memory of the server after the job, in MiB.
    pub memory_mib: Option<f64>,
}

impl Line {
    /// Sums up the rounds of a job.
    pub fn of(job: &str, server: &str, connections: usize, rounds: Vec<Sample>) -> Self {
        let mut rates: Vec<f64> = rounds.iter().map(Sample::rate).collect();
        rates.sort_unstable_by(f64::total_cmp);
        let rate = rates.get(rates.len() / 2).copied().unwrap_or_default();
        let rates = (rates.first().copied().unwrap_or_default(), rates.last().copied().unwrap_or_default());
        let bad = rounds.iter().map(|round| round.bad).sum();
        let mut latencies: Vec<u32> = rounds.into_iter().flat_map(|round| round.latencies).collect();
        latencies.sort_unstable();
        let all = Sample { latencies, ..Sample::default() };
        let [p50_ms, p90_ms, p99_ms, max_ms] = [0.5, 0.9, 0.99, 1.0].map(|share| all.percentile(share));
        Self { job: job.into(), server: server.into(), connections, rate, rates, p50_ms, p90_ms, p99_ms, max_ms, bad, ..Self::default() }
    }
}

/// Everything.
#[derive(Debug, Serialize)]
pub struct Report {
    /// `sqlite` or `postgres`.
    pub database: String,
    /// What the database was filled with.
    pub sizes: Sizes,
    /// How long that took.
    pub fill_seconds: f64,
    /// The jobs.
    pub lines: Vec<Line>,
    /// The server's resident memory at its highest, in MiB.
    pub memory_peak_mib: Option<f64>,
    /// Milliseconds from the start of a process on the filled database until it listens,
    pub start_ms: f64,
    /// and until it has answered a first search.
    pub first_search_ms: f64,
    /// The size of the binary in MiB.
    pub binary_mib: f64,
}

/// The heads of the columns.
pub fn print_head() {
    println!(
        "{:<18}{:<8}{:>6}{:>10}{:>20}{:>9}{:>9}{:>9}{:>9}{:>9}{:>8}  bad",
        "job", "server", "conns", "per s", "slowest..fastest", "p50 ms", "p90 ms", "p99 ms", "max ms", "RSS MiB", "share"
    );
}

/// A row of the table.
pub fn print_line(line: &Line) {
    let optional = |value: Option<f64>, digits: usize| value.map_or_else(String::new, |value| format!("{value:.digits$}"));
    println!(
        "{:<18}{:<8}{:>6}{:>10.0}{:>20}{:>9.2}{:>9.2}{:>9.2}{:>9.2}{:>9}{:>8}  {}",
        line.job,
        line.server,
        line.connections,
        line.resources_per_second.unwrap_or(line.rate),
        format!("{:.0}..{:.0}", line.rates.0, line.rates.1),
        line.p50_ms,
        line.p90_ms,
        line.p99_ms,
        line.max_ms,
        optional(line.memory_mib, 0),
        optional(line.share_of_beside, 2),
        if line.bad == 0 { String::new() } else { line.bad.to_string() },
    );
}
