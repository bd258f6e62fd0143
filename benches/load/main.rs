//! How fast Kith is, over HTTP and at a size of your choice: `cargo bench --bench load -- --help`.
//!
//! It fills a fresh database with an invented region, starts the server that was built with it, and measures one job after the other: so
//! many connections that are kept open, each with one request under way. Rounds go over all jobs in turn, so that a machine that is busy
//! with other things for a while does not spoil one job alone. The server and the load generator share the machine, and the numbers say
//! as much about it as about Kith: compare only what was measured on the same one, best in the same run (`--beside`).

#![expect(clippy::print_stdout, reason = "the numbers are what it is for")]

mod beside;
mod bulk;
mod client;
mod fill;
mod invented;
mod jobs;
mod report;
mod server;
mod sustained;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use clap::Parser;
use kith::config::duration;

use self::beside::Beside;
use self::client::{Sample, Script};
use self::fill::{Filled, Sizes};
use self::jobs::{JOBS, Job, Region};
use self::report::{Line, Report};
use self::server::Server;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Measures a server on a database of a chosen size.
#[derive(Debug, Parser)]
struct Arguments {
    /// People to fill the database with
    #[arg(long, default_value_t = 10_000)]
    patients: usize,
    /// Services of the directory
    #[arg(long, default_value_t = 10_000)]
    services: usize,
    /// Referrals; two for each person where not given
    #[arg(long)]
    referrals: Option<usize>,
    /// An empty PostgreSQL database; an SQLite file where not given
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// Where the data is kept for another run, which then does not fill it again; a temporary directory where not given
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Connections of the load generator
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// How long each job is measured in a round
    #[arg(long, default_value = "4s", value_parser = duration)]
    time: Duration,
    /// How often each job is measured
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Only these jobs
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    jobs: Vec<String>,
    /// Measures another server too: a file that describes it, see benches/load/beside.rs
    #[arg(long, value_name = "FILE")]
    beside: Option<PathBuf>,
    /// Instead of one job after the other, a mixed load for so long, with memory and latencies over time
    #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = "10m", value_parser = duration)]
    sustain: Option<Duration>,
    /// Instead of these jobs, one import of so many patients and one of a tenth as many services, while others read
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "1000000")]
    bulk: Option<usize>,
    /// Writes the numbers to a file as well
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// What `cargo bench` adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Outcome<()> {
    let temporary = tempfile::tempdir()?;
    let directory = arguments.data.as_deref().unwrap_or(temporary.path());
    fs::create_dir_all(directory)?;
    let url = arguments.database_url.clone().unwrap_or_else(|| format!("sqlite:{}", directory.join("kith.db").display()));
    let filled = filled(arguments, directory, &url)?;
    let log = directory.join("kith.log");
    actix_web::rt::System::new().block_on(measure(arguments, &url, &log, filled))
}

async fn measure(arguments: &Arguments, url: &str, log: &Path, filled: Filled) -> Outcome<()> {
    let server = Server::start(url, log)?;
    let region = Region::enter(&server.address, filled.clone()).await?;
    if let Some(patients) = arguments.bulk {
        let numbers = bulk::run(&server, &region, patients).await?;
        return save(arguments.json.as_deref(), &numbers);
    }
    if let Some(time) = arguments.sustain {
        let numbers = sustained::run(&server, &region, arguments.connections, time).await?;
        return save(arguments.json.as_deref(), &numbers);
    }
    let lines = jobs(arguments, &server, &region).await?;
    let memory_peak_mib = server.memory().map(|memory| memory.peak);
    server.stop()?;

    let begun = Instant::now();
    let server = Server::start(url, log)?;
    let region = Region::enter(&server.address, filled.clone()).await?;
    let search = JOBS.iter().find(|job| job.name == "search").ok_or("no search")?;
    client::once(&server.address, search.script(&region, 0).next()).await?;
    let report = Report {
        database: url.split(':').next().unwrap_or_default().to_owned(),
        sizes: filled.sizes,
        fill_seconds: filled.seconds,
        lines,
        memory_peak_mib,
        start_ms: server.started_in.as_secs_f64() * 1000.0,
        first_search_ms: begun.elapsed().as_secs_f64() * 1000.0,
        binary_mib: fs::metadata(Server::BINARY)?.len() as f64 / f64::from(1 << 20),
    };
    server.stop()?;
    let memory = report.memory_peak_mib.map_or_else(|| "unknown".to_owned(), |mebibytes| format!("{mebibytes:.0} MiB"));
    println!("memory at its highest {memory}, binary {:.1} MiB", report.binary_mib);
    println!("start on the filled database {:.0} ms, a first search answered after {:.0} ms", report.start_ms, report.first_search_ms);
    save(arguments.json.as_deref(), &report)
}

/// The database, filled now or by an earlier run.
fn filled(arguments: &Arguments, directory: &Path, url: &str) -> Outcome<Filled> {
    let notes = directory.join("filled.json");
    if notes.exists() {
        return Ok(serde_json::from_slice(&fs::read(notes)?)?);
    }
    let sizes = Sizes {
        patients: arguments.patients,
        services: arguments.services,
        referrals: arguments.referrals.unwrap_or(2 * arguments.patients),
    };
    let Sizes { patients, services, referrals } = sizes;
    println!("fills the database: {patients} patients, {services} services, {referrals} referrals");
    let filled = fill::fill(url, sizes)?;
    println!("filled in {:.1} s", filled.seconds);
    fs::write(notes, serde_json::to_vec(&filled)?)?;
    Ok(filled)
}

async fn jobs(arguments: &Arguments, server: &Server, region: &Rc<Region>) -> Outcome<Vec<Line>> {
    if let Some(unknown) = arguments.jobs.iter().find(|name| JOBS.iter().all(|job| job.name != **name)) {
        let names: Vec<&str> = JOBS.iter().map(|job| job.name).collect();
        return Err(format!("there is no job {unknown}; there are {}", names.join(", ")).into());
    }
    let asked: Vec<&Job> =
        JOBS.iter().filter(|job| arguments.jobs.is_empty() || arguments.jobs.iter().any(|name| name == job.name)).collect();
    let beside = arguments.beside.as_deref().map(Beside::open).transpose()?;
    let mut samples: BTreeMap<(&str, &str), Vec<Sample>> = BTreeMap::new();
    let mut memory = BTreeMap::new();
    for _ in 0..arguments.rounds {
        for job in &asked {
            let connections = job.connections.unwrap_or(arguments.connections);
            let mut scripts: Vec<Box<dyn Script>> = (0..connections).map(|connection| job.script(region, connection)).collect();
            let sample = measured(&server.address, &mut scripts, arguments.time).await?;
            samples.entry((job.name, "kith")).or_default().push(sample);
            memory.insert(job.name, server.memory().map(|memory| memory.now));
            if let Some(other) = &beside
                && let Some(mut scripts) = other.scripts(job.name, connections)
            {
                let sample = measured(&other.address, &mut scripts, arguments.time).await?;
                samples.entry((job.name, &other.name)).or_default().push(sample);
            }
        }
    }
    report::print_head();
    let mut lines = Vec::new();
    for job in asked {
        let connections = job.connections.unwrap_or(arguments.connections);
        let mut line = |server| samples.remove(&(job.name, server)).map(|rounds| Line::of(job.name, server, connections, rounds));
        let (own, other) = (line("kith"), beside.as_ref().and_then(|other| line(&other.name)));
        let own = own.map(|own| Line {
            share_of_beside: other.as_ref().map(|other| own.rate / other.rate),
            memory_mib: memory.get(job.name).copied().flatten(),
            resources_per_second: (job.resources > 1).then_some(own.rate * job.resources as f64),
            ..own
        });
        for line in own.into_iter().chain(other) {
            report::print_line(&line);
            lines.push(line);
        }
    }
    Ok(lines)
}

/// A round of a job, after a moment in which caches fill.
async fn measured(address: &str, scripts: &mut [Box<dyn Script>], time: Duration) -> Outcome<Sample> {
    client::run(address, scripts, time / 10).await?;
    let sample = client::run(address, scripts, time).await?;
    if let Some(complaint) = &sample.complaint {
        eprintln!("{} answers were not as expected, the first: {complaint}", sample.bad);
    }
    Ok(sample)
}

fn save(file: Option<&Path>, numbers: &impl serde::Serialize) -> Outcome<()> {
    match file {
        Some(file) => Ok(fs::write(file, serde_json::to_vec_pretty(numbers)?)?),
        None => Ok(()),
    }
}
