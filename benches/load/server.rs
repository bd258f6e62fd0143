//! The server that is measured: the binary of this package, as a process of its own.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Outcome;

/// A `kith serve` that listens.
#[derive(Debug)]
pub struct Server {
    process: Child,
    /// Where it listens, as `127.0.0.1:PORT`.
    pub address: String,
    /// From the start of the process until it listened.
    pub started_in: Duration,
}

impl Server {
    /// The binary that is measured.
    pub const BINARY: &str = env!("CARGO_BIN_EXE_kith");

    /// Starts the server with its defaults, but for a limit of calls that is never reached and tokens that outlive the measurement. It
    /// logs as it always does, into a file. Settings of the allocator (`MALLOC_…`) are passed on.
    pub fn start(url: &str, log: &Path) -> Outcome<Self> {
        let started = Instant::now();
        let process = Command::new(Self::BINARY)
            .args(["serve", "--port", "0", "--rate-limit", "600000000", "--rate-burst", "10000000", "--token-lifetime", "24h"])
            .env_clear()
            .envs(std::env::vars().filter(|(name, _)| name.starts_with("MALLOC_")))
            .env("KITH_DATABASE_URL", url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(log)?)
            .spawn()?;
        let mut server = Self { process, address: String::new(), started_in: Duration::ZERO };
        loop {
            let text = fs::read_to_string(log)?;
            if let Some((_, rest)) = text.split_once("listens on http://") {
                server.address = rest.split_whitespace().next().unwrap_or_default().to_owned();
                server.started_in = started.elapsed();
                return Ok(server);
            }
            if server.process.try_wait()?.is_some() || started.elapsed() > Duration::from_secs(120) {
                return Err(format!("the server did not start: {text}").into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Its memory, where the system tells.
    pub fn memory(&self) -> Option<Memory> {
        Memory::of(self.process.id())
    }

    /// Tells it to stop, and waits until it has.
    pub fn stop(mut self) -> Outcome<()> {
        self.end()?;
        Ok(())
    }

    fn end(&mut self) -> std::io::Result<()> {
        if self.process.try_wait()?.is_none() {
            Command::new("kill").arg(self.process.id().to_string()).status()?;
            self.process.wait()?;
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("the server could not be stopped: {error}");
        }
    }
}

/// Resident memory of a process, in MiB.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// Now.
    pub now: f64,
    /// At its highest.
    pub peak: f64,
}

impl Memory {
    /// As Linux tells it in `/proc`; elsewhere nothing.
    fn of(process: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let mebibytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim_start_matches(':').trim().trim_end_matches("kB").trim().parse::<f64>().ok().map(|kib| kib / 1024.0)
        };
        Some(Self { now: mebibytes("VmRSS")?, peak: mebibytes("VmHWM")? })
    }
}
