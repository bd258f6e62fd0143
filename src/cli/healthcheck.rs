//! `kith healthcheck`: for container platforms, which can run a command but have no HTTP client in the image.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::Failure;

const TIMEOUT: Duration = Duration::from_secs(3);
/// Enough for the status line.
const LONGEST_ANSWER: u64 = 1024;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Port of the server on this machine
    #[arg(long, env = "KITH_PORT", default_value_t = 8080, value_name = "PORT")]
    port: u16,
    /// Server to ask instead: HOST:PORT
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<String>,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let address = args.address.clone().unwrap_or_else(|| format!("localhost:{}", args.port));
    let status = ask(&address).map_err(|error| Failure::because(format!("no answer from {address}: {error}")))?;
    if status.starts_with("HTTP/1.1 200 ") { Ok(()) } else { Err(Failure::because(format!("{address} is not well: {status}"))) }
}

/// The status line of `GET /healthz`, from the first of the name's addresses that takes the connection.
fn ask(address: &str) -> std::io::Result<String> {
    let mut refusal = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
    for candidate in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&candidate, TIMEOUT) {
            Ok(mut stream) => {
                stream.set_read_timeout(Some(TIMEOUT))?;
                stream.set_write_timeout(Some(TIMEOUT))?;
                write!(stream, "GET /healthz HTTP/1.1\r\nHost: {address}\r\nUser-Agent: kith-healthcheck\r\nConnection: close\r\n\r\n")?;
                let mut answer = Vec::new();
                stream.take(LONGEST_ANSWER).read_to_end(&mut answer)?;
                return Ok(String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned());
            }
            Err(error) => refusal = error,
        }
    }
    Err(refusal)
}
