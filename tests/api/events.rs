//! A reader of server-sent events over a socket.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// An event, or what came between.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// The type.
    pub event: String,
    /// The data; empty for what is no event.
    pub data: String,
    /// The comments.
    pub comments: Vec<String>,
    /// After how many milliseconds to connect again, where it is said.
    pub retry: Option<u64>,
}

/// An open stream. The last id outlives it.
pub struct EventSource {
    lines: BufReader<Chunks>,
    /// The headers.
    pub head: String,
    /// The last id.
    pub last_id: String,
}

impl EventSource {
    /// Connects, and goes on after this id.
    pub fn connect(address: &str, path: &str, token: &str, last_id: &str) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let resume = if last_id.is_empty() { String::new() } else { format!("Last-Event-ID: {last_id}\r\n") };
        // At once: a server that is sent a piece now and then gives up on what is slow to come.
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nAccept: text/event-stream\r\n\
             Accept-Encoding: gzip, br\r\n{resume}\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let mut lines = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if lines.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        if head.starts_with("HTTP/1.1 408 ") {
            return Err(io::ErrorKind::TimedOut.into());
        }
        assert!(head.contains("transfer-encoding: chunked"), "{head}");
        let lines = BufReader::new(Chunks::of(lines));
        Ok(Self { lines, head, last_id: last_id.to_owned() })
    }

    /// What comes next, up to an empty line; `None` at the end.
    pub fn next(&mut self) -> io::Result<Option<Event>> {
        let mut event = Event::default();
        let mut id = None;
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line)? == 0 {
                return Ok(None);
            }
            match line.trim_end_matches('\n') {
                "" => {
                    self.last_id = id.unwrap_or_else(|| std::mem::take(&mut self.last_id));
                    return Ok(Some(event));
                }
                line => match line.split_once(": ").unwrap_or((line, "")) {
                    ("", comment) => event.comments.push(comment.to_owned()),
                    ("id", text) => id = Some(text.to_owned()),
                    ("event", text) => event.event = text.to_owned(),
                    ("data", text) => event.data = text.to_owned(),
                    ("retry", text) => event.retry = text.parse().ok(),
                    (name, _) => panic!("{name} is no field of an event"),
                },
            }
        }
    }
}

/// A body in chunks (RFC 9112 §7.1). Its end is told; a connection that breaks before is an error.
pub struct Chunks {
    stream: BufReader<TcpStream>,
    left: usize,
}

impl Chunks {
    /// The body that follows.
    pub fn of(stream: BufReader<TcpStream>) -> Self {
        Self { stream, left: 0 }
    }
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            let mut size = String::new();
            self.stream.read_line(&mut size)?;
            self.left = usize::from_str_radix(size.trim_end(), 16).map_err(|_| io::ErrorKind::UnexpectedEof)?;
            if self.left == 0 {
                return Ok(0);
            }
        }
        let most = buffer.len().min(self.left);
        let read = self.stream.read(&mut buffer[..most])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read;
        if self.left == 0 {
            self.stream.read_line(&mut String::new())?;
        }
        Ok(read)
    }
}
