//! Server processes, and a PostgreSQL of one's own to stop and start.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::skip;

/// `kith` with these arguments on this database, and nothing of our own environment.
pub fn kith(url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kith"));
    command.args(arguments).env_clear().env("KITH_DATABASE_URL", url).env("KITH_LOG_FORMAT", "json").stderr(Stdio::piped());
    command
}

/// A server process. It is killed when it is dropped, as a crash would.
pub struct Server {
    pub process: Child,
    pub address: String,
    log: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts one and waits until it listens.
    pub fn start(url: &str) -> Self {
        Self::start_with(url, &[])
    }

    /// The same with these flags besides.
    pub fn start_with(url: &str, flags: &[&str]) -> Self {
        let mut command = kith(url, &["serve", "--port=0", "--log-level=info"]);
        command.args(flags);
        Self::of(command.spawn().unwrap()).unwrap_or_else(|log| panic!("the server did not start: {log:?}"))
    }

    /// The server that this process is or becomes, once it listens; else what it said before it ended.
    pub fn of(mut process: Child) -> Result<Self, Vec<String>> {
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        let address = loop {
            let Some(Ok(line)) = lines.next() else {
                process.wait().unwrap();
                return Err(said);
            };
            let message: Value = serde_json::from_str::<Value>(&line).unwrap_or_default()["message"].take();
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

    /// What it has said until now.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// `kill -9`; gives the whole log.
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

/// A PostgreSQL cluster in a temporary folder, as durable as a real one.
pub struct Cluster {
    folder: TempDir,
    programs: PathBuf,
    port: u16,
}

impl Cluster {
    /// Makes and starts one, where PostgreSQL's programs are.
    pub fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "initdb must be there in continuous integration");
            skip("PostgreSQL's programs are not here");
            return None;
        };
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        // A port that was free a moment ago.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let cluster = Self { folder, programs, port };
        if is_root() {
            assert!(Command::new("chown").arg("postgres").arg(cluster.folder.path()).status().unwrap().success());
        }
        let arguments = ["-U", "kith", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "-D"];
        cluster.run("initdb", &arguments);
        cluster.go_on();
        Some(cluster)
    }

    pub fn url(&self) -> String {
        format!("postgres://kith@127.0.0.1:{}/postgres", self.port)
    }

    /// Stops it at once: connections are cut, and the next start recovers from the log.
    pub fn stop(&self) {
        self.run("pg_ctl", &["-m", "immediate", "-w", "stop", "-D"]);
    }

    /// Starts it again.
    pub fn go_on(&self) {
        let options = format!("-p {} -k {} -c listen_addresses=127.0.0.1", self.port, self.folder.path().display());
        let log = self.folder.path().join("log").display().to_string();
        self.run("pg_ctl", &["-l", &log, "-o", &options, "-w", "start", "-D"]);
    }

    /// PostgreSQL refuses to run as root.
    fn run(&self, program: &str, arguments: &[&str]) {
        let program = self.programs.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.args(arguments).arg(self.folder.path().join("data")).current_dir(self.folder.path());
        // The server that is left behind would hold a pipe open.
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        assert!(status.success(), "{command:?}: {status}");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

fn programs() -> Option<PathBuf> {
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    let in_path = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>()).unwrap_or_default();
    installed.chain(in_path).find(|folder| folder.join("initdb").exists())
}

/// Whether these tests run as root.
pub fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}
