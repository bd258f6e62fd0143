//! How many durable writes a second: SQLite with group commit, beside one commit per write and what the disk itself gives.
//!
//! `cargo run --release --example durable_writes -- --dir /var/lib/kith`; it takes about eight seconds. Each write is a row and its
//! line in the journal, answered when it is on the disk.

#![expect(clippy::print_stdout, reason = "the numbers are what it is for")]

use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use futures_util::future::join_all;
use kith::changes::{self, Action, Actor, Change};
use kith::clock::Clock;
use kith::db::types::Id;
use kith::db::{Db, DbConn, DbSettings};
use kith::error::Result;
use kith::identifiers;
use kith::kind::ResourceType;
use kith::types::Identifier;
use serde_json::json;
use uuid::Uuid;

/// Measures durable writes per second.
#[derive(Parser)]
struct Arguments {
    /// The directory to measure in; its disk is what counts.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// Milliseconds per measurement.
    #[arg(long, default_value_t = 1000)]
    milliseconds: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let span = Duration::from_millis(arguments.milliseconds);
    let directory = tempfile::tempdir_in(&arguments.dir)?;
    println!("{:>8} {:>14} {:>18}", "writers", "group commit", "commit per write");
    for writers in [1, 8, 64] {
        let grouped = grouped(directory.path(), writers, span)?;
        let one_by_one = one_by_one(directory.path(), writers, span)?;
        println!("{writers:>8} {grouped:>12.0}/s {one_by_one:>16.0}/s");
    }
    println!("the disk: {:.0}/s appends of 4 KiB, each synced", syncs(directory.path(), span)?);
    Ok(())
}

/// A new resource's key in another system and its line in the journal.
fn write(conn: &mut DbConn) -> Result<()> {
    let (owner, id) = (Id::from_uuid(Uuid::nil()), Uuid::now_v7());
    let identifier = Identifier { system: "https://emr.example.ca/patients".into(), value: id.to_string() };
    identifiers::replace(conn, owner, ResourceType::Need, id, &[identifier])?;
    let body = json!({ "id": id, "domain": "food_insecurity", "status": "active", "wants_help": true, "note": "x".repeat(300) });
    let (resource_type, action) = (ResourceType::Need, Action::Created);
    let (owner_id, patient_id) = (Some(owner), Some(Id::generate()));
    let change = Change { resource_type, resource_id: id, owner_id, version: 1, action, patient_id, referral_id: None, body: &body };
    changes::record(conn, &Actor::operator(Clock::default().now()), change)?;
    Ok(())
}

fn grouped(directory: &Path, writers: usize, span: Duration) -> Result<f64, Box<dyn Error>> {
    let db = Db::open(&DbSettings::new(format!("sqlite:{}", directory.join(format!("grouped-{writers}.db")).display())))?;
    let started = Instant::now();
    let tasks = (0..writers).map(|_| async {
        let mut written = 0_u64;
        while started.elapsed() < span {
            db.write(write).await?;
            written += 1;
        }
        Ok::<_, kith::error::Error>(written)
    });
    let written: u64 = actix_web::rt::System::new().block_on(join_all(tasks)).into_iter().sum::<Result<_>>()?;
    Ok(written as f64 / started.elapsed().as_secs_f64())
}

/// A connection for each writer, as a pool would have it.
fn one_by_one(directory: &Path, writers: usize, span: Duration) -> Result<f64, Box<dyn Error>> {
    let path = directory.join(format!("single-{writers}.db"));
    Db::open(&DbSettings::new(format!("sqlite:{}", path.display())))?.shutdown();
    let written = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    thread::scope(|scope| {
        for _ in 0..writers {
            scope.spawn(|| {
                if let Err(error) = write_one_by_one(&path, started + span, &written) {
                    eprintln!("a writer failed: {error}");
                }
            });
        }
    });
    Ok(written.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64())
}

fn write_one_by_one(path: &Path, end: Instant, written: &AtomicU64) -> Result<(), Box<dyn Error>> {
    let mut conn = DbConn::Sqlite(SqliteConnection::establish(&path.to_string_lossy())?);
    conn.batch_execute("PRAGMA busy_timeout = 10000; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON")?;
    while Instant::now() < end {
        conn.batch_execute("BEGIN IMMEDIATE")?;
        write(&mut conn)?;
        conn.batch_execute("COMMIT")?;
        written.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

fn syncs(directory: &Path, span: Duration) -> Result<f64, Box<dyn Error>> {
    let mut file = File::create(directory.join("appended"))?;
    let (block, started, mut count) = ([0x4b; 4096], Instant::now(), 0_u32);
    while started.elapsed() < span {
        file.write_all(&block)?;
        file.sync_data()?;
        count += 1;
    }
    Ok(f64::from(count) / started.elapsed().as_secs_f64())
}
