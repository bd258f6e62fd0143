//! What no client library sends, over TCP to a server that listens: each is answered with a problem document or a closed connection,
//! never with a 5xx, and the server goes on as before.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::faults::town::Client;
use crate::harness::Place;
use crate::server::{Server, places};
use crate::socket::Http;

/// What came back over a connection: the answers' statuses and the last body.
struct Heard {
    statuses: Vec<u16>,
    body: String,
    text: String,
}

/// Everything until the server closes the connection or falls silent; a server that is silent for twenty seconds hangs.
fn hear(stream: &mut TcpStream) -> Heard {
    let mut bytes = Vec::new();
    let began = Instant::now();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        // It was closed while we still wrote.
        Err(error) if matches!(error.kind(), std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe) => {}
        Err(error) => panic!("after {:?}: {error}; so far {}", began.elapsed(), String::from_utf8_lossy(&bytes)),
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let statuses = text.split("HTTP/1.1 ").skip(1).filter_map(|answer| answer.get(..3)?.parse().ok()).collect();
    let body = text.rsplit("\r\n\r\n").next().unwrap_or_default().to_owned();
    Heard { statuses, body, text }
}

/// Whether nothing has come over a connection yet, not even its end.
fn is_silent(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    stream.peek(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

struct Target {
    server: Server,
    token: String,
}

impl Target {
    /// One that soon gives up.
    fn new(place: &Place) -> Self {
        Self::with(place, &["--request-timeout=2s"])
    }

    fn with(place: &Place, settings: &[&str]) -> Self {
        let mut client = Client::add(&place.url(), "Alder Clinic", "clinic");
        let server = Server::start(&place.url(), settings);
        client.log_in(&server.address);
        Self { token: client.token, server }
    }

    /// The head of a request to register a patient, without the headers that say how long its body is.
    fn head(&self) -> String {
        format!("POST /v1/patients HTTP/1.1\r\nHost: kith\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n", self.token)
    }

    /// Sends bytes and hears what comes; the sender's half stays open.
    fn send(&self, bytes: &[u8]) -> Heard {
        let mut stream = self.server.connect();
        // A server that has heard enough may close before all is written.
        let _closed_early = stream.write_all(bytes);
        hear(&mut stream)
    }

    /// The same, after which the sender's half is closed.
    fn send_and_leave(&self, bytes: &[u8]) -> Heard {
        let mut stream = self.server.connect();
        let _closed_early = stream.write_all(bytes);
        let _closed_early = stream.shutdown(Shutdown::Write);
        hear(&mut stream)
    }

    /// A request whose body does not come.
    fn slow_body(&self) -> TcpStream {
        let mut stream = self.server.connect();
        write!(stream, "{}Content-Length: 100\r\n\r\n{{", self.head()).unwrap();
        stream
    }

    /// A whole, well-framed request with this body.
    fn post(&self, more_headers: &str, body: &[u8]) -> Heard {
        let head = format!("{}{more_headers}Connection: close\r\nContent-Length: {}\r\n\r\n", self.head(), body.len());
        self.send(&[head.as_bytes(), body].concat())
    }
}

/// A refusal by status, or nothing but the end of the connection.
#[track_caller]
fn refused(what: &str, heard: &Heard) {
    assert!(heard.statuses.iter().all(|status| (400..500).contains(status)), "{what}: {}", heard.text);
}

/// A refusal with a problem document of this status.
#[track_caller]
fn refused_with(what: &str, heard: &Heard, status: u16) {
    assert_eq!(heard.statuses, [status], "{what}: {}", heard.text);
    let problem: Value = serde_json::from_str(&heard.body).unwrap_or_else(|error| panic!("{what}: {error}: {}", heard.text));
    assert_eq!(problem["status"], status, "{what}");
    assert!(problem["code"].is_string() && problem["request_id"].is_string(), "{what}: {problem}");
}

#[test]
fn broken_requests_are_refused_or_cut_off_and_the_server_goes_on() {
    for place in places() {
        let target = Target::new(&place);
        let head = target.head();
        let before = target.server.resident_memory();

        // Half a request.
        for half in ["G", "GET /healthz", "GET /healthz HTTP/1.1\r\nHost: ki", &head, "\r\n\r\n\r\n", "\0\u{1}\u{2}"] {
            refused("half a request", &target.send_and_leave(half.as_bytes()));
        }
        // Wrong lengths.
        for length in ["-1", "abc", "1e3", "99999999999999999999999", "5\r\nContent-Length: 6", "5, 6", "+5", "0x10"] {
            refused(length, &target.send(format!("{head}Content-Length: {length}\r\n\r\n{{}}{{}}").as_bytes()));
        }
        refused("a body that ends early", &target.send_and_leave(format!("{head}Content-Length: 500\r\n\r\n{{").as_bytes()));
        refused(
            "two ways of telling the length",
            &target.send_and_leave(format!("{head}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{{}}").as_bytes()),
        );
        // Chunked nonsense.
        for chunks in [
            "zz\r\n{}\r\n0\r\n\r\n",
            "ffffffffffffffffff\r\n{}",
            "-2\r\n{}\r\n0\r\n\r\n",
            "2\r\n{}}}\r\n0\r\n\r\n",
            "2;x=\0\r\n{}\r\n",
            "\r\n\r\n",
            "2\r\n",
        ] {
            refused(chunks, &target.send_and_leave(format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}").as_bytes()));
        }
        refused("an unknown coding", &target.send_and_leave(format!("{head}Transfer-Encoding: cow\r\n\r\n{{}}").as_bytes()));
        // Heads that are too much.
        refused(
            "a huge header",
            &target.send(format!("GET /healthz HTTP/1.1\r\nHost: kith\r\nX: {}\r\n\r\n", "x".repeat(1 << 20)).as_bytes()),
        );
        refused("a huge path", &target.send(format!("GET /{} HTTP/1.1\r\nHost: kith\r\n\r\n", "x".repeat(1 << 20)).as_bytes()));
        refused("many headers", &target.send(format!("GET /healthz HTTP/1.1\r\nHost: kith\r\n{}\r\n", "X: y\r\n".repeat(5000)).as_bytes()));
        // Other protocols.
        refused("HTTP/2", &target.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
        refused("TLS", &target.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"));
        refused("HTTP/9", &target.send(b"GET /healthz HTTP/9.9\r\nHost: kith\r\n\r\n"));
        for line in [
            "GET healthz HTTP/1.1",
            "GET http:// HTTP/1.1",
            "G\x01T /healthz HTTP/1.1",
            "GET /\u{ff}\u{fe} HTTP/1.1",
            "GET  /healthz HTTP/1.1",
            "CONNECT kith:443 HTTP/1.1",
        ] {
            refused(line, &target.send_and_leave(format!("{line}\r\nHost: kith\r\nConnection: close\r\n\r\n").as_bytes()));
        }
        // Paths that only a scanner asks for.
        for path in [
            "/%00",
            "/v1/patients/%ff%fe",
            "/v1/patients/..%2f..%2fetc%2fpasswd",
            "/v1//patients",
            "/v1/patients/%",
            "/v1/patients/01931F4E-6C1A-7B3E-9D55-0C2F8F4B7A10/x",
            "/docs/../../etc/passwd",
            "/docs/%2e%2e/%2e%2e/Cargo.toml",
        ] {
            refused(
                path,
                &target.send(
                    format!("GET {path} HTTP/1.1\r\nHost: kith\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n", target.token)
                        .as_bytes(),
                ),
            );
        }

        target.server.get("/readyz").expect(200);
        if let (Some(before), Some(after)) = (before, target.server.resident_memory()) {
            assert!(after < before + (64 << 20), "memory grew from {before} to {after}");
        }
        let log = target.server.stop();
        assert!(log.iter().all(|line| line["level"] != "error"), "{log:?}");
    }
}

#[test]
fn bodies_that_no_library_writes_are_problem_documents() {
    for place in places() {
        let target = Target::new(&place);
        let person = |field: &str| format!("{{\"names\":[{{\"family\":\"Roy\"}}],{field}}}").into_bytes();
        let bodies: &[(&str, u16, Vec<u8>)] = &[
            ("nothing", 422, Vec::new()),
            ("10,000 deep arrays", 400, "[".repeat(10_000).into_bytes()),
            ("10,000 deep objects", 400, "{\"a\":".repeat(10_000).into_bytes()),
            ("deep in a known field", 400, person(&format!("\"notes\":{}1{}", "[".repeat(10_000), "]".repeat(10_000)))),
            ("a key twice", 400, person("\"notes\":\"a\",\"notes\":\"b\"")),
            ("a lone surrogate", 400, person("\"notes\":\"\\ud800\"")),
            ("a surrogate pair upside down", 400, person("\"notes\":\"\\udc00\\ud800\"")),
            ("no UTF-8", 400, [&b"{\"names\":[{\"family\":\""[..], b"\xff\xfe", b"\"}]}"].concat()),
            ("UTF-16", 400, "{}".encode_utf16().flat_map(u16::to_le_bytes).collect()),
            ("a byte order mark", 400, b"\xef\xbb\xbf{}".to_vec()),
            ("1e400", 400, person("\"birth_year\":1e400")),
            ("-1e400", 400, person("\"birth_year\":-1e400")),
            ("NaN", 400, person("\"birth_year\":NaN")),
            ("Infinity", 400, person("\"birth_year\":Infinity")),
            ("NUL as it is", 400, b"{\"names\":[{\"family\":\"a\0b\"}]}".to_vec()),
            ("NUL escaped", 422, person("\"notes\":\"a\\u0000b\"")),
            ("NUL in a key", 422, person("\"no\\u0000tes\":\"a\"")),
            ("a number of 100,000 digits", 400, person(&format!("\"birth_year\":{}", "9".repeat(100_000)))),
            ("a number beyond 64 bits", 422, person("\"birth_year\":18446744073709551616")),
            ("30 February", 422, person("\"birth_date\":\"2026-02-30\"")),
            ("the year 10000", 422, person("\"birth_date\":\"10000-01-01\"")),
            ("the year 0", 422, person("\"birth_date\":\"0000-00-00\"")),
            ("a date with a time", 422, person("\"birth_date\":\"1954-03-18T00:00:00Z\"")),
            ("a date in other digits", 422, person("\"birth_date\":\"١٩٥٤-٠٣-١٨\"")),
            ("a number for a list", 422, person("\"languages\":7")),
            ("an object for a text", 422, person("\"notes\":{\"a\":1}")),
            ("a list", 422, b"[]".to_vec()),
            ("null", 422, b"null".to_vec()),
            ("a point off the globe", 422, person("\"point\":{\"latitude\":1e308,\"longitude\":-1e308}")),
        ];
        for (what, status, body) in bodies {
            refused_with(what, &target.post("", body), *status);
        }
        let packed = |bytes: &[u8]| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        };
        let before = target.server.resident_memory();
        let bomb = packed(&vec![b' '; 256 << 20]);
        for _ in 0..4 {
            refused_with("a bomb", &target.post("Content-Encoding: gzip\r\n", &bomb), 413);
        }
        refused_with("a bomb in a bomb", &target.post("Content-Encoding: gzip\r\n", &packed(&bomb)), 400);
        refused_with("no gzip", &target.post("Content-Encoding: gzip\r\n", b"{}"), 400);
        refused_with("half of a gzip", &target.post("Content-Encoding: gzip\r\n", &packed(&person("\"notes\":\"a\""))[..20]), 400);
        refused_with("a coding that is not known", &target.post("Content-Encoding: cow\r\n", &person("\"notes\":\"a\"")), 415);
        assert_eq!(target.post("Content-Encoding: gzip\r\n", &packed(&person("\"notes\":\"a\""))).statuses, [201]);
        if let (Some(before), Some(after)) = (before, target.server.resident_memory()) {
            assert!(after < before + (64 << 20), "memory grew from {before} to {after}");
        }
        let log = target.server.stop();
        assert!(log.iter().all(|line| line["level"] != "error"), "{log:?}");
    }
}

#[test]
fn the_slow_are_cut_off_and_hold_up_nobody() {
    for place in places() {
        let target = Target::new(&place);
        // Heads that never end, a byte at a time, and bodies that do not come.
        let mut dripping: Vec<TcpStream> = (0..40).map(|_| target.server.connect()).collect();
        let mut waiting: Vec<TcpStream> = (0..10).map(|_| target.slow_body()).collect();
        for byte in "GET /healthz HTTP/1.1\r\n".bytes() {
            for stream in &mut dripping {
                // Those that were cut off already are heard below.
                let _cut_off = stream.write_all(&[byte]);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        // Others are answered before the slow are cut off. On a machine that is busy itself it may take some asking to see that.
        let is_held_up = |_| {
            let slow = target.slow_body();
            let answer = Http::to(&target.server.address).call("GET", "/readyz", &[], None);
            let is_answered = answer.is_ok_and(|answer| answer.status == 200);
            !(is_answered && is_silent(&slow))
        };
        assert!(!(0..10).all(is_held_up), "the slow hold up the others");
        for stream in &mut waiting {
            refused_with("a body that does not come", &hear(stream), 408);
        }
        for stream in &mut dripping {
            refused("a head that does not end", &hear(stream));
        }
        target.server.stop();
    }
}

#[test]
fn imports_whose_bodies_do_not_come_leave_room_for_others() {
    for place in places() {
        let target = Target::new(&place);
        let head = target.head().replacen("/v1/patients", "/v1/imports", 1).replacen("application/json", "application/x-ndjson", 1);
        let mut waiting: Vec<TcpStream> = (0..20)
            .map(|_| {
                let mut stream = target.server.connect();
                write!(stream, "{head}Content-Length: 100\r\n\r\n{{").unwrap();
                stream
            })
            .collect();
        for stream in &mut waiting {
            // 503 where the machine is so busy that not even the job was begun.
            let heard = hear(stream);
            assert!([[408], [503]].iter().any(|statuses| heard.statuses == statuses), "{}", heard.text);
        }
        let import = || target.send(format!("{head}Connection: close\r\nContent-Length: 1\r\n\r\n\n").as_bytes()).statuses;
        // The last of them are given up while they are answered.
        let mut answers = (0..100).map(|_| {
            std::thread::sleep(Duration::from_millis(20));
            import()
        });
        assert!(answers.any(|statuses| statuses == [202]));
        target.server.stop();
    }
}

#[test]
fn a_head_is_answered_as_a_get_without_its_body() {
    for place in places() {
        let target = Target::with(&place, &[]);
        let ask = |method: &str, path: &str| {
            let token = &target.token;
            let head = format!("{method} {path} HTTP/1.1\r\nHost: kith\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n");
            target.send(head.as_bytes())
        };
        let length = |heard: &Heard| heard.text.lines().find(|line| line.starts_with("content-length")).map(str::to_owned);
        for (path, status) in [("/healthz", 200), ("/v1/patients", 200), ("/v1/nowhere", 404)] {
            let (head, get) = (ask("HEAD", path), ask("GET", path));
            assert_eq!((&head.statuses, &get.statuses), (&vec![status], &vec![status]), "{path}");
            assert!(head.body.is_empty() && !get.body.is_empty(), "{path}: {}", head.text);
            assert_eq!(length(&head), length(&get), "{path}: {}", head.text);
        }
        assert_eq!(ask("HEAD", "/oauth/token").statuses, [405]);
    }
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    for place in places() {
        let target = Target::new(&place);
        let mut text = String::new();
        for number in 0..50 {
            let path = if number % 2 == 0 { "/healthz" } else { "/v1/nowhere" };
            let close = if number == 49 { "Connection: close\r\n" } else { "" };
            text.push_str(&format!("GET {path} HTTP/1.1\r\nHost: kith\r\nX-Request-Id: r{number}\r\n{close}\r\n"));
        }
        let heard = target.send(text.as_bytes());
        let expected: Vec<u16> = (0..50).map(|number| if number % 2 == 0 { 200 } else { 404 }).collect();
        assert_eq!(heard.statuses, expected);
        let places: Vec<_> = (0..50).map(|number| heard.text.find(&format!("x-request-id: r{number}\r\n")).unwrap()).collect();
        assert!(places.is_sorted(), "{places:?}");
    }
}
