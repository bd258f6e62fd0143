//! The load generator: so many connections that are kept open, each with one request under way, for so long.

use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::Outcome;

/// A request to be sent.
#[derive(Debug, Clone)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// The value of `Authorization`.
    pub authorization: Rc<str>,
    /// The body, and its media type.
    pub body: Option<(Bytes, &'static str)>,
    /// The status of the answer; any other is a failure.
    pub expected: u16,
}

/// What one connection asks, one request after the other.
pub trait Script {
    /// The next request.
    fn next(&mut self) -> Call;
    /// Hears the answer, if it was the expected one.
    fn heard(&mut self, body: &[u8]) {
        let _ = body;
    }
}

impl<F: FnMut() -> Call> Script for F {
    fn next(&mut self) -> Call {
        self()
    }
}

/// How long each request took that was answered as expected, and what else happened.
#[derive(Debug, Default)]
pub struct Sample {
    /// Microseconds, sorted.
    pub latencies: Vec<u32>,
    /// How long it went on.
    pub elapsed: Duration,
    /// Answers of another status, and requests that failed.
    pub bad: usize,
    /// The first of them.
    pub complaint: Option<String>,
}

impl Sample {
    /// Answers a second.
    pub fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }

    /// The milliseconds within which this share of the answers came.
    pub fn percentile(&self, share: f64) -> f64 {
        let index = (self.latencies.len() as f64 * share).ceil() as usize;
        f64::from(self.latencies.get(index.saturating_sub(1)).copied().unwrap_or_default()) / 1000.0
    }

    /// Takes another in.
    pub fn add(&mut self, other: Self) {
        let parts = vec![std::mem::take(self), other];
        let elapsed = parts.iter().map(|part| part.elapsed).sum();
        *self = Self::of(parts, elapsed);
    }

    fn of(mut parts: Vec<Self>, elapsed: Duration) -> Self {
        let complaint = parts.iter_mut().find_map(|part| part.complaint.take());
        let bad = parts.iter().map(|part| part.bad).sum();
        let mut latencies: Vec<u32> = parts.into_iter().flat_map(|part| part.latencies).collect();
        latencies.sort_unstable();
        Self { latencies, elapsed, bad, complaint }
    }
}

/// Has every script run on a connection of its own until the time is up.
pub async fn run(address: &str, scripts: &mut [Box<dyn Script>], time: Duration) -> Outcome<Sample> {
    run_at_ease(address, scripts, time, Duration::ZERO).await
}

/// The same with a pause after each answer.
pub async fn run_at_ease(address: &str, scripts: &mut [Box<dyn Script>], time: Duration, pause: Duration) -> Outcome<Sample> {
    let started = Instant::now();
    let parts = try_join_all(scripts.iter_mut().map(|script| converse(address, script.as_mut(), started + time, pause))).await?;
    Ok(Sample::of(parts, started.elapsed()))
}

async fn converse(address: &str, script: &mut dyn Script, end: Instant, pause: Duration) -> Outcome<Sample> {
    let mut connection = connect(address).await?;
    let mut sample = Sample::default();
    while Instant::now() < end {
        let call = script.next();
        let expected = call.expected;
        let request = request(address, call)?;
        let sent = Instant::now();
        match exchange(&mut connection, request).await {
            Ok((status, body)) if status == expected => {
                sample.latencies.push(sent.elapsed().as_micros().try_into().unwrap_or(u32::MAX));
                script.heard(&body);
            }
            Ok((status, body)) => sample.complain(format!("{status} {}", String::from_utf8_lossy(&body))),
            Err(error) => {
                sample.complain(error.to_string());
                connection = connect(address).await?;
            }
        }
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }
    Ok(sample)
}

impl Sample {
    fn complain(&mut self, complaint: String) {
        self.bad += 1;
        self.complaint.get_or_insert(complaint);
    }
}

type Connection = SendRequest<Full<Bytes>>;

async fn connect(address: &str) -> Outcome<Connection> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (connection, driver) = handshake(TokioIo::new(stream)).await?;
    // A connection that breaks is told by the request that it breaks under.
    tokio::spawn(async move { driver.await.unwrap_or_default() });
    Ok(connection)
}

fn request(address: &str, call: Call) -> Outcome<Request<Full<Bytes>>> {
    let mut request = Request::builder().method(call.method).uri(call.path).header(HOST, address);
    if !call.authorization.is_empty() {
        request = request.header(AUTHORIZATION, &*call.authorization);
    }
    Ok(match call.body {
        Some((body, media_type)) => request.header(CONTENT_TYPE, media_type).body(Full::new(body))?,
        None => request.body(Full::default())?,
    })
}

async fn exchange(connection: &mut Connection, request: Request<Full<Bytes>>) -> Outcome<(u16, Bytes)> {
    connection.ready().await?;
    let response = connection.send_request(request).await?;
    let status = response.status().as_u16();
    Ok((status, response.into_body().collect().await?.to_bytes()))
}

/// One request on a connection of its own.
pub async fn once(address: &str, call: Call) -> Outcome<(u16, Bytes)> {
    exchange(&mut connect(address).await?, request(address, call)?).await
}
