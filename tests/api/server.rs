//! The `kith` command as a process of its own, and a server that listens.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use crate::harness::Place;

/// The command on this database, with nothing of our own environment but what the system needs.
pub fn kith(place: &Place, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kith"));
    command.args(arguments).env_clear().env("KITH_DATABASE_URL", place.url()).env("KITH_LOG", "warn");
    command
}

/// Everywhere a database can be.
pub fn places() -> impl Iterator<Item = Place> {
    std::iter::once(Place::on_sqlite()).chain(Place::on_postgres())
}

/// A server that is killed when it is dropped.
pub struct Server {
    /// Where it listens.
    pub address: String,
    process: Child,
    /// Reads the log while the server writes it: a pipe that nobody empties holds up whoever logs.
    log: Option<JoinHandle<String>>,
}

impl Server {
    /// A server with these flags beside the usual ones.
    pub fn start(place: &Place, flags: &[&str]) -> Self {
        Self::start_in(place, flags, &std::env::temp_dir())
    }

    /// The same with a folder of its own for temporary files.
    pub fn start_in(place: &Place, flags: &[&str], folder: &Path) -> Self {
        let mut command = kith(place, &["serve", "--port=0", "--log-level=info", "--log-format=json"]);
        let mut process = command.args(flags).env("TMPDIR", folder).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let address = loop {
            let mut line = String::new();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "the server stopped before it listened");
            let line: Value = serde_json::from_str(&line).unwrap();
            if let Some((_, address)) = line["message"].as_str().unwrap().split_once("listens on http://") {
                break address.to_owned();
            }
        };
        let log = std::thread::spawn(move || {
            let mut rest = String::new();
            log.read_to_string(&mut rest).unwrap();
            rest
        });
        Self { address, process, log: Some(log) }
    }

    /// A connection that waits for an answer no longer than twenty seconds.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// The whole answer to a GET.
    pub fn get(&self, path: &str) -> String {
        let mut stream = self.connect();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// What the process holds in memory, in bytes; `None` where the system does not say.
    pub fn resident_memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).ok()?;
        let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse::<u64>().ok()?;
        Some(kilobytes * 1024)
    }

    /// Asks it to stop; gives the rest of its log.
    pub fn stop(self) -> Vec<Value> {
        self.signal("TERM");
        self.stopped()
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([&format!("-{name}"), &self.process.id().to_string()]).status().unwrap().success());
    }

    /// How it has ended; `None` while it runs.
    pub fn status(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().unwrap()
    }

    /// Waits until it has ended by itself and well; gives the rest of its log.
    pub fn stopped(mut self) -> Vec<Value> {
        let log = self.log.take().unwrap().join().unwrap();
        assert!(self.process.wait().unwrap().success());
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already where the test got that far.
        if self.process.try_wait().is_ok_and(|status| status.is_none()) {
            self.process.kill().unwrap();
        }
    }
}
