//! One large import while people work: how fast it is, what it needs, and what the others notice of it.

use std::rc::Rc;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Value, json};

use super::Outcome;
use super::client::{self, Sample, Script};
use super::invented;
use super::jobs::{JOBS, Region};
use super::server::Server;

/// How often each of the two that work meanwhile asks for something.
const PAUSE: Duration = Duration::from_millis(10);
const READERS: usize = 2;
/// The reads that are measured.
const READS: [&str; 3] = ["get_patient", "list_patients", "search"];

/// What came of one import.
#[derive(Debug, Serialize)]
pub struct Load {
    /// Of what.
    pub of: &'static str,
    /// How many.
    pub resources: usize,
    /// Megabytes that were sent.
    pub megabytes: f64,
    /// Seconds until all had arrived and was accepted.
    pub sent_s: f64,
    /// Seconds from then until the last was written.
    pub loaded_s: f64,
    /// Resources a second while they were written.
    pub rate: f64,
    /// Lines that were refused.
    pub refused: i64,
    /// Resident memory of the server at its highest, in MiB.
    pub memory_mib: Option<f64>,
    /// Milliseconds, before and meanwhile, of each read: median and 99 of 100.
    pub reads: Vec<(&'static str, [f64; 2], [f64; 2])>,
}

/// Imports so many patients, and a tenth as many services.
pub async fn run(server: &Server, region: &Rc<Region>, patients: usize) -> Outcome<Vec<Load>> {
    let mut loads = Vec::new();
    for (of, count) in [("patient", patients), ("service", patients / 10)] {
        let load = load(server, region, of, count).await?;
        println!(
            "{count} {of}s, {:.0} MB: sent in {:.1} s, loaded in {:.1} s, {:.0} a second, {} refused, memory at its highest {:.0} MiB",
            load.megabytes,
            load.sent_s,
            load.loaded_s,
            load.rate,
            load.refused,
            load.memory_mib.unwrap_or_default()
        );
        for (name, before, meanwhile) in &load.reads {
            println!(
                "  {name:<14} p50 {:.2} ms, meanwhile {:.2} ms; p99 {:.2} ms, meanwhile {:.2} ms",
                before[0], meanwhile[0], before[1], meanwhile[1]
            );
        }
        loads.push(load);
    }
    Ok(loads)
}

async fn load(server: &Server, region: &Rc<Region>, of: &'static str, count: usize) -> Outcome<Load> {
    let mut before = Vec::new();
    for name in READS {
        before.push(reads(server, region, name, Duration::from_secs(3)).await?);
    }
    let mut lines = String::new();
    for number in 0..count {
        let key = json!([{ "system": "https://load.example.ca", "value": format!("{of}-{number}") }]);
        let mut resource = if of == "patient" { invented::person(number) } else { invented::service(number, "load", None) };
        if let Some(resource) = resource.as_object_mut() {
            resource.remove("provider_id");
            resource.insert("identifiers".into(), key);
        }
        lines.push_str(&format!("{}\n", json!({ "type": of, "resource": resource })));
    }
    let megabytes = lines.len() as f64 / 1e6;
    let begun = Instant::now();
    let accepted = answer(&server.address, region.send_lines(of == "service", lines)).await?;
    let sent_s = begun.elapsed().as_secs_f64();
    let path = format!("/v1/imports/{}", accepted.get("id").and_then(Value::as_str).ok_or("no import")?);
    let begun = Instant::now();
    let mut meanwhile: Vec<Sample> = READS.iter().map(|_| Sample::default()).collect();
    let ended = loop {
        for (name, sample) in READS.into_iter().zip(&mut meanwhile) {
            sample.add(reads(server, region, name, Duration::from_millis(300)).await?);
        }
        let job = answer(&server.address, region.ask(of == "service", path.clone())).await?;
        if job.get("finished_at").is_some_and(|moment| !moment.is_null()) {
            break job;
        }
    };
    let loaded_s = seconds(&ended).unwrap_or_else(|| begun.elapsed().as_secs_f64());
    let both = |sample: &Sample| [sample.percentile(0.5), sample.percentile(0.99)];
    let reads =
        READS.into_iter().zip(before.iter().zip(&meanwhile)).map(|(name, (before, meanwhile))| (name, both(before), both(meanwhile)));
    Ok(Load {
        of,
        resources: count,
        megabytes,
        sent_s,
        loaded_s,
        rate: count as f64 / loaded_s,
        refused: ended.get("refused").and_then(Value::as_i64).unwrap_or_default(),
        memory_mib: server.memory().map(|memory| memory.peak),
        reads: reads.collect(),
    })
}

/// From the moment that it began to the one that it ended.
fn seconds(job: &Value) -> Option<f64> {
    let moment = |name: &str| job.get(name)?.as_str()?.parse::<kith::db::types::Instant>().ok();
    Some((moment("finished_at")?.utc() - moment("started_at")?.utc()).as_seconds_f64())
}

async fn answer(address: &str, call: client::Call) -> Outcome<Value> {
    let expected = call.expected;
    let (status, body) = client::once(address, call).await?;
    if status != expected {
        return Err(format!("{status} {}", String::from_utf8_lossy(&body)).into());
    }
    Ok(serde_json::from_slice(&body)?)
}

async fn reads(server: &Server, region: &Rc<Region>, name: &str, time: Duration) -> Outcome<Sample> {
    let job = JOBS.iter().find(|job| job.name == name).ok_or("no such read")?;
    let mut scripts: Vec<Box<dyn Script>> = (0..READERS).map(|reader| job.script(region, reader)).collect();
    client::run_at_ease(&server.address, &mut scripts, time, PAUSE).await
}
