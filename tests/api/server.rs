//! The `kith` command as a process of its own, and a server that listens.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use crate::client::Answer;
use crate::harness::Place;
use crate::socket::Http;

/// The command on this database, with nothing of our own environment but what the system needs.
pub fn kith(url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kith"));
    command.args(arguments).env_clear().env("KITH_DATABASE_URL", url).env("KITH_LOG", "warn");
    // What a busy machine makes slow is no part of what a command says.
    command.env("KITH_SLOW_QUERY", "1m");
    command
}

/// The command that starts a server with these flags beside the usual ones.
pub fn serve(url: &str, flags: &[&str]) -> Command {
    let mut command = kith(url, &["serve", "--port=0"]);
    // Some of what is done to servers takes longer than a token usually lives.
    command.args(flags).env("TMPDIR", std::env::temp_dir()).env("KITH_LOG", "info").env("KITH_TOKEN_LIFETIME", "24h");
    command
}

/// Everywhere a database can be.
pub fn places() -> impl Iterator<Item = Place> {
    std::iter::once(Place::on_sqlite()).chain(Place::on_postgres())
}

/// A server process. It is killed when it is dropped, as a crash would.
pub struct Server {
    /// The process.
    pub process: Child,
    /// Where it listens.
    pub address: String,
    log: Arc<Mutex<Vec<String>>>,
    /// Reads the log while the server writes it: a pipe that nobody empties holds up whoever logs.
    reader: Option<JoinHandle<()>>,
}

impl Server {
    /// A server with these flags beside the usual ones, once it listens.
    pub fn start(url: &str, flags: &[&str]) -> Self {
        Self::of(&mut serve(url, flags)).unwrap_or_else(|log| panic!("the server did not start: {log:?}"))
    }

    /// The server that this command starts, once it listens; else what it said before it ended.
    pub fn of(command: &mut Command) -> Result<Self, Vec<String>> {
        let mut process = command.env("KITH_LOG_FORMAT", "json").stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        let address = loop {
            let Some(Ok(line)) = lines.next() else {
                process.wait().unwrap();
                return Err(said);
            };
            let message = serde_json::from_str::<Value>(&line).unwrap_or_default()["message"].take();
            let address =
                message.as_str().and_then(|message| message.split_once("listens on http://")).map(|(_, address)| address.to_owned());
            said.push(line);
            if let Some(address) = address {
                break address;
            }
        };
        let log = Arc::new(Mutex::new(said));
        let shared = Arc::clone(&log);
        let reader = std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| shared.lock().unwrap().push(line)));
        Ok(Self { process, address, log, reader: Some(reader) })
    }

    /// A connection that waits for an answer no longer than twenty seconds.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// The answer to a GET of a stranger.
    pub fn get(&self, path: &str) -> Answer {
        Http::to(&self.address).call("GET", path, &[], None).unwrap()
    }

    /// What the process holds in memory, in bytes; `None` where the system does not say.
    pub fn resident_memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).ok()?;
        let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse::<u64>().ok()?;
        Some(kilobytes * 1024)
    }

    /// What it has said until now.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// Asks it to stop; gives its log.
    pub fn stop(self) -> Vec<Value> {
        self.signal("TERM");
        self.stopped()
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([&format!("-{name}"), &self.process.id().to_string()]).status().unwrap().success());
    }

    /// Waits until it has ended by itself and well; gives its log.
    pub fn stopped(mut self) -> Vec<Value> {
        let status = self.process.wait().unwrap();
        let log = self.end();
        assert!(status.success(), "{log:?}");
        log.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// `kill -9`; gives its log.
    pub fn kill(mut self) -> Vec<String> {
        self.end()
    }

    fn end(&mut self) -> Vec<String> {
        let _has_ended_already = self.process.kill();
        self.process.wait().unwrap();
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        std::mem::take(&mut *self.log.lock().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let log = self.end();
        if std::thread::panicking() {
            let complaints = log.iter().filter(|line| line.contains(r#""level":"error""#));
            complaints.take(100).for_each(|line| eprintln!("the server said: {line}"));
        }
    }
}
