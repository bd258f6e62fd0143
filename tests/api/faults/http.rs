//! A caller over a socket, which is told when a server dies in the middle of an answer.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longer than a server takes to give up a request.
const PATIENCE: Duration = Duration::from_secs(60);

/// Shorter than a server keeps a connection that nothing is sent on.
const REST: Duration = Duration::from_secs(2);

/// What came back, whole.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The body, of an answer that must have this status.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.json()
    }

    /// An answer that says that the server cannot at present, and nothing else: when to come again, and no word of what is behind.
    #[track_caller]
    pub fn expect_try_again(&self) {
        let problem = self.expect(503);
        assert!(self.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok()), "{}", self.head);
        if self.header("content-type") == Some("application/problem+json") {
            assert!(matches!(problem["code"].as_str(), Some("busy" | "unavailable" | "timed_out")), "{problem}");
        } else {
            assert_eq!(problem["error"], "temporarily_unavailable", "{problem}");
        }
        let text = self.body.to_lowercase();
        for internal in ["postgres", "sqlite", "sql", "disk", "connection", "terminat", "read-only", "readonly", "/tmp", "127.0.0.1"] {
            assert!(!text.contains(internal), "{internal} in {text}");
        }
    }
}

/// Who calls one server, over one connection that is opened again after a failure.
pub struct Http {
    pub address: String,
    stream: Option<(Instant, BufReader<TcpStream>)>,
}

impl Http {
    pub fn to(address: &str) -> Self {
        Self { address: address.to_owned(), stream: None }
    }

    /// Sends a request once. An error says that no whole answer came, and nothing about what was done.
    pub fn call(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> io::Result<Answer> {
        let mut stream = match self.stream.take() {
            Some((used, stream)) if used.elapsed() < REST => stream,
            _ => self.connect()?,
        };
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.address);
        headers.iter().for_each(|(name, value)| request.push_str(&format!("{name}: {value}\r\n")));
        if let Some(body) = body {
            request.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        request.push_str(body.unwrap_or_default());
        stream.get_mut().write_all(request.as_bytes())?;
        let answer = read_answer(&mut stream)?;
        if !answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            self.stream = Some((Instant::now(), stream));
        }
        Ok(answer)
    }

    fn connect(&self) -> io::Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(BufReader::new(stream))
    }
}

fn read_answer(stream: &mut impl BufRead) -> io::Result<Answer> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    let mut answer = Answer { status, head, body: String::new() };
    let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
    assert!(answer.header("transfer-encoding").is_none(), "answers of the API have a length: {}", answer.head);
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    answer.body = String::from_utf8(body).unwrap();
    // The server has not read the request, and it may be sent again (RFC 9110 §15.5.9): so it is when the machine has too much to do.
    if answer.status == 408 { Err(io::ErrorKind::TimedOut.into()) } else { Ok(answer) }
}
