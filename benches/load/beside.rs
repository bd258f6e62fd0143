//! Another server that does the same jobs, measured in the same rounds: what the numbers mean shows beside those of others.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::rc::Rc;

use hyper::Method;
use hyper::body::Bytes;
use serde::Deserialize;

use super::Outcome;
use super::client::{Call, Script};

/// A server, from a file such as
/// `{ "name": "floor", "address": "127.0.0.1:8130", "authorization": "Bearer x", "jobs": { "create_patient": { "path": "/patients",
/// "bodies": "patients.ndjson", "status": 201 }, "get_patient": { "paths": "patients.txt" } } }`, where `bodies` and `paths` are files of
/// lines that are sent in turn. Only loopback is measured.
#[derive(Debug, Deserialize)]
pub struct Beside {
    /// What to call it.
    pub name: String,
    /// Where it listens.
    pub address: String,
    authorization: String,
    jobs: BTreeMap<String, Lines>,
}

#[derive(Debug, Deserialize)]
struct Lines {
    #[serde(default)]
    path: String,
    bodies: Option<String>,
    paths: Option<String>,
    #[serde(default = "ok")]
    status: u16,
}

fn ok() -> u16 {
    200
}

impl Beside {
    /// Reads the file; those that it names stand beside it.
    pub fn open(file: &Path) -> Outcome<Self> {
        let mut read: Self = serde_json::from_slice(&fs::read(file)?)?;
        if !["127.0.0.1:", "[::1]:", "localhost:"].iter().any(|loopback| read.address.starts_with(loopback)) {
            return Err(format!("{}: only loopback is measured", read.address).into());
        }
        let directory = file.parent().unwrap_or(Path::new("."));
        for lines in read.jobs.values_mut() {
            for name in [&mut lines.bodies, &mut lines.paths].into_iter().flatten() {
                *name = fs::read_to_string(directory.join(&*name))?;
            }
        }
        Ok(read)
    }

    /// What its connections ask for a job; nothing where it does not do this job.
    pub fn scripts(&self, job: &str, connections: usize) -> Option<Vec<Box<dyn Script>>> {
        let lines = self.jobs.get(job)?;
        let script = |connection| -> Box<dyn Script> {
            let paths: Vec<String> = lines.paths.as_ref().map_or_else(|| vec![lines.path.clone()], |text| split(text));
            let bodies: Vec<Bytes> = lines.bodies.as_deref().map(split).unwrap_or_default().into_iter().map(Bytes::from).collect();
            let authorization: Rc<str> = self.authorization.as_str().into();
            let (mut turn, expected) = (connection * 61, lines.status);
            Box::new(move || {
                turn += 1;
                let body = bodies.get(turn % bodies.len().max(1)).cloned();
                let method = if body.is_some() { Method::POST } else { Method::GET };
                let path = paths.get(turn % paths.len().max(1)).cloned().unwrap_or_default();
                let body = body.map(|body| (body, "application/json"));
                Call { method, path, authorization: Rc::clone(&authorization), body, expected }
            })
        };
        Some((0..connections).map(script).collect())
    }
}

fn split(text: &str) -> Vec<String> {
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}
