//! A reader of server-sent events over a socket.

use std::io::{self, BufRead, BufReader};
use std::net::TcpStream;

use crate::client::Answer;
use crate::socket::{self, Chunks};

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
    lines: BufReader<Chunks<BufReader<TcpStream>>>,
    /// How it was answered; the events are its body.
    pub answer: Answer,
    /// The last id.
    pub last_id: String,
}

impl EventSource {
    /// Connects, and goes on after this id.
    pub fn connect(address: &str, path: &str, token: &str, last_id: &str) -> io::Result<Self> {
        let authorization = format!("Bearer {token}");
        let mut headers = vec![("Authorization", authorization.as_str()), ("Accept", "text/event-stream"), ("Accept-Encoding", "gzip, br")];
        headers.extend(Some(("Last-Event-ID", last_id)).filter(|_| !last_id.is_empty()));
        let mut stream = socket::connect(address)?;
        socket::send(&mut stream, "GET", path, &headers, None)?;
        let answer = socket::read_head(&mut stream)?;
        if answer.status == 408 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        assert_eq!(answer.header("transfer-encoding"), Some("chunked"), "{answer:?}");
        Ok(Self { lines: BufReader::new(Chunks::of(stream)), answer, last_id: last_id.to_owned() })
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
