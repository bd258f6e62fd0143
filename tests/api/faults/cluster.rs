//! A PostgreSQL of one's own to stop and start.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::harness::skip;

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
fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}
