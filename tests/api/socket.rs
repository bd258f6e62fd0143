//! A caller over a socket, which is told when a server dies in the middle of an answer.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::web::Bytes;

use crate::client::Answer;

/// Longer than a server takes to give up a request.
const PATIENCE: Duration = Duration::from_secs(60);

/// Shorter than a server keeps a connection that nothing is sent on.
const REST: Duration = Duration::from_secs(2);

/// Who calls one server, over one connection that is opened again after a failure.
pub struct Http {
    /// Where it listens.
    pub address: String,
    stream: Option<(Instant, BufReader<TcpStream>)>,
}

impl Http {
    /// Who calls the server at this address.
    pub fn to(address: &str) -> Self {
        Self { address: address.to_owned(), stream: None }
    }

    /// Sends a request once. An error says that no whole answer came, and nothing about what was done.
    pub fn call(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> io::Result<Answer> {
        let mut stream = match self.stream.take() {
            Some((used, stream)) if used.elapsed() < REST => stream,
            _ => connect(&self.address)?,
        };
        send(&mut stream, method, path, headers, body)?;
        let answer = read_answer(&mut stream)?;
        assert!(answer.header("transfer-encoding").is_none(), "answers have a length: {:?}", answer.headers);
        // The server has not read the request, and it may be sent again (RFC 9110 §15.5.9): so it is when the machine has too much to do.
        if answer.status == 408 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        if !answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            self.stream = Some((Instant::now(), stream));
        }
        Ok(answer)
    }
}

/// A connection to a server.
pub fn connect(address: &str) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(BufReader::new(stream))
}

/// Sends a request, at once: a server that is sent a piece now and then gives up on what is slow to come.
pub fn send(stream: &mut BufReader<TcpStream>, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> io::Result<()> {
    let stream = stream.get_mut();
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", stream.peer_addr()?);
    headers.iter().for_each(|(name, value)| request.push_str(&format!("{name}: {value}\r\n")));
    if let Some(body) = body {
        request.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    request.push_str("\r\n");
    request.push_str(body.unwrap_or_default());
    stream.write_all(request.as_bytes())
}

/// Reads an answer without its body.
pub fn read_head(stream: &mut impl BufRead) -> io::Result<Answer> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    let mut headers = HeaderMap::new();
    for (name, value) in head.lines().filter_map(|line| line.split_once(": ")) {
        headers.append(HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap());
    }
    Ok(Answer { status, headers, bytes: Bytes::new() })
}

fn read_answer(stream: &mut impl BufRead) -> io::Result<Answer> {
    let mut answer = read_head(stream)?;
    let mut body = vec![0; answer.header("content-length").map_or(0, |length| length.parse().unwrap())];
    if answer.header("transfer-encoding").is_some() {
        Chunks::of(stream).read_to_end(&mut body)?;
    } else {
        stream.read_exact(&mut body)?;
    }
    answer.bytes = body.into();
    Ok(answer)
}

/// A body in chunks (RFC 9112 §7.1). Its end is told; a connection that breaks before is an error.
pub struct Chunks<S> {
    stream: S,
    left: usize,
}

impl<S> Chunks<S> {
    /// The body that follows.
    pub fn of(stream: S) -> Self {
        Self { stream, left: 0 }
    }
}

impl<S: BufRead> Read for Chunks<S> {
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
