//! A receiver of webhooks on the loopback interface, which keeps what it gets and answers as it is told.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Got {
    /// The path.
    pub path: String,
    /// The headers, their names in lower case.
    pub headers: HashMap<String, String>,
    /// The body.
    pub body: String,
}

impl Got {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The type of the event.
    pub fn event(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }

    /// The `webhook-id`.
    pub fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    /// Whether one of the signatures is that of the secret: computed as RFC 2104 says, with nothing of the sender's.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let signed = format!("{}.{}.{}", self.headers["webhook-id"], self.headers["webhook-timestamp"], self.body);
        let expected = format!("v1,{}", STANDARD.encode(hmac(&key, signed.as_bytes())));
        self.headers["webhook-signature"].split(' ').any(|signature| signature == expected)
    }
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    assert!(key.len() <= 64);
    let pad = |with: u8| -> Vec<u8> { (0..64).map(|index| key.get(index).unwrap_or(&0) ^ with).collect() };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

/// What is answered.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status; 0 breaks the connection off.
    pub status: u16,
    /// Headers besides the usual ones.
    pub headers: Vec<(&'static str, String)>,
    /// How long it takes.
    pub delay: Duration,
    /// What it says.
    pub body: String,
}

impl Reply {
    /// This status, at once.
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), delay: Duration::ZERO, body: String::new() }
    }

    /// This JSON.
    pub fn json(value: &Value) -> Self {
        Self { headers: vec![("Content-Type", "application/json".into())], body: value.to_string(), ..Self::status(200) }
    }
}

type Script = dyn Fn(&Got) -> Reply + Send + Sync;

/// A receiver; it ends when it is dropped.
pub struct Receiver {
    /// Where it listens.
    pub address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
    taken: Arc<Mutex<Vec<Got>>>,
    script: Arc<Mutex<Arc<Script>>>,
    is_over: Arc<AtomicBool>,
}

impl Receiver {
    /// One that takes everything.
    pub fn new() -> Self {
        Self::that(|_| Reply::status(204))
    }

    /// One that answers so.
    pub fn that(script: impl Fn(&Got) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (got, taken) = (Arc::<Mutex<Vec<Got>>>::default(), Arc::<Mutex<Vec<Got>>>::default());
        let script: Arc<Mutex<Arc<Script>>> = Arc::new(Mutex::new(Arc::new(script)));
        let is_over = Arc::new(AtomicBool::new(false));
        let (shared, kept, told, over) = (Arc::clone(&got), Arc::clone(&taken), Arc::clone(&script), Arc::clone(&is_over));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if over.load(Ordering::SeqCst) {
                    break;
                }
                let (shared, kept, told) = (Arc::clone(&shared), Arc::clone(&kept), Arc::clone(&told));
                thread::spawn(move || while answer(&stream, &shared, &kept, &told).is_some() {});
            }
        });
        Self { address, got, taken, script, is_over }
    }

    /// Answers so from now on.
    pub fn now(&self, script: impl Fn(&Got) -> Reply + Send + Sync + 'static) {
        *self.script.lock().unwrap() = Arc::new(script);
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How many requests it has got since it was last asked for them.
    pub fn count(&self) -> usize {
        self.got.lock().unwrap().len()
    }

    /// What it has answered with success since it was last asked, in the order of its answers.
    pub fn take_taken(&self) -> Vec<Got> {
        std::mem::take(&mut *self.taken.lock().unwrap())
    }

    /// What it has got since it was last asked.
    pub fn take(&self) -> Vec<Got> {
        std::mem::take(&mut *self.got.lock().unwrap())
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // The listener waits for somebody.
        let _woken = TcpStream::connect(self.address);
    }
}

/// Answers one request of a connection; `None` once there are no more.
fn answer(stream: &TcpStream, got: &Mutex<Vec<Got>>, taken: &Mutex<Vec<Got>>, script: &Mutex<Arc<Script>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    (reader.read_line(&mut line).ok()? > 0).then_some(())?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = HashMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length: usize = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let request = Got { path, headers, body: String::from_utf8(body).unwrap() };
    let reply = Arc::clone(&script.lock().unwrap())(&request);
    got.lock().unwrap().push(request.clone());
    if !reply.delay.is_zero() {
        thread::sleep(reply.delay);
    }
    if reply.status == 0 {
        return None;
    }
    let mut head = format!("HTTP/1.1 {} Answer\r\nContent-Length: {}\r\n", reply.status, reply.body.len());
    reply.headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
    if (200..300).contains(&reply.status) {
        // Before the sender can know, so that what it sends next stands behind.
        taken.lock().unwrap().push(request);
    }
    let mut stream = stream;
    stream.write_all(format!("{head}\r\n{}", reply.body).as_bytes()).ok()
}
