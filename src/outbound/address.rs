//! Where requests may be sent: to the public internet over TLS, and nowhere else.
//!
//! The URL of a receiver or a source is anybody's to choose, and the server stands inside a network whose other machines trust it. So an address is
//! judged after its name has been resolved, and the connection goes to the address that was judged.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Hosts that are excepted from the rules, for development: their URLs may be plain HTTP, their addresses may be private.
#[derive(Debug, Clone, Default)]
pub struct Exceptions(Vec<String>);

impl Exceptions {
    /// These hosts: names, or addresses as a URL has them without brackets.
    pub fn new(hosts: &[String]) -> Self {
        Self(hosts.iter().map(|host| host.trim().trim_matches(['[', ']']).to_lowercase()).collect())
    }

    /// Whether this host is excepted.
    pub fn contains(&self, host: &str) -> bool {
        let host = host.trim_matches(['[', ']']);
        self.0.iter().any(|excepted| excepted.eq_ignore_ascii_case(host))
    }
}

/// Why nothing is sent to a URL: a code and a sentence.
pub type Refusal = (&'static str, &'static str);

/// Reads a URL, in the one form in which it is then used: host names in lower case and ASCII, addresses in their usual spelling.
pub fn parse(url: &str, exceptions: &Exceptions) -> Result<Url, Refusal> {
    let url = Url::parse(url).map_err(|_| ("invalid_url", "is not a URL"))?;
    let host = url.host().ok_or(("invalid_url", "has no host"))?;
    let is_excepted = exceptions.contains(&host.to_string());
    match url.scheme() {
        "https" => {}
        "http" if is_excepted => {}
        _ => return Err(("https_required", "must begin with https://")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(("not_allowed", "must not hold a user name or password"));
    }
    if url.fragment().is_some() {
        return Err(("not_allowed", "must not have a fragment, which is never sent"));
    }
    let address = match host {
        Host::Domain(_) => None,
        Host::Ipv4(address) => Some(IpAddr::V4(address)),
        Host::Ipv6(address) => Some(IpAddr::V6(address)),
    };
    let is_local = matches!(host, Host::Domain(name) if is_localhost(name));
    if !is_excepted && (is_local || address.is_some_and(|address| !is_public(address))) {
        return Err(("private_address", "must lead to the public internet"));
    }
    Ok(url)
}

/// Whether a name is this machine's own by definition (RFC 6761 §6.3).
fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost")
}

/// Whether an address is of a machine on the public internet: none of IANA's special-purpose registries (RFC 6890), no multicast.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        // This network, private use, loopback.
        (0 | 10 | 127, ..) => false,
        // Shared address space of carriers (RFC 6598).
        (100, 64..=127, _) => false,
        // Link-local, where clouds keep their metadata.
        (169, 254, _) => false,
        (172, 16..=31, _) => false,
        // Protocol assignments, documentation, the old 6to4 relays, private use.
        (192, 0, 0 | 2) | (192, 88, 99) | (192, 168, _) => false,
        // Benchmarks, documentation.
        (198, 18 | 19, _) | (198, 51, 100) | (203, 0, 113) => false,
        // Multicast, reserved, broadcast.
        (224.., ..) => false,
        _ => true,
    }
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    // An IPv4 address in the clothes of another: mapped, or translated (RFC 6052).
    if let Some(inner) = address.to_ipv4_mapped() {
        return is_public_v4(inner);
    }
    let [a, b, c, d, e, f, g, h] = address.segments();
    if (a, b, c, d, e, f) == (0x64, 0xff9b, 0, 0, 0, 0) {
        let [[g0, g1], [h0, h1]] = [g.to_be_bytes(), h.to_be_bytes()];
        return is_public_v4(Ipv4Addr::new(g0, g1, h0, h1));
    }
    match (a, b) {
        // Protocol assignments, Teredo and ORCHID among them.
        (0x2001, 0..=0x1ff) => false,
        // Documentation.
        (0x2001, 0x0db8) | (0x3fff, 0..=0xfff) => false,
        // 6to4, which wraps any IPv4 address.
        (0x2002, _) => false,
        // Only this block is given to machines of the internet; unique-local, link-local and multicast addresses lie outside it.
        (0x2000..=0x3fff, _) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_inside_a_network_are_not_public() {
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::7f00:1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd12:3456::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn addresses_of_the_internet_are_public() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450:4001::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2001:200::1",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn a_url_leads_to_the_internet_over_tls() {
        let code = |url: &str| parse(url, &Exceptions::default()).map_err(|(code, _)| code);
        assert_eq!(code("https://Hooks.Example.CA/kith?a=1").unwrap().as_str(), "https://hooks.example.ca/kith?a=1");
        for (url, expected) in [
            ("http://hooks.example.ca/", "https_required"),
            ("ftp://hooks.example.ca/", "https_required"),
            ("hooks.example.ca", "invalid_url"),
            ("https://", "invalid_url"),
            ("https://user:secret@hooks.example.ca/", "not_allowed"),
            ("https://hooks.example.ca/#here", "not_allowed"),
            ("https://localhost/", "private_address"),
            ("https://kith.localhost./", "private_address"),
            ("https://127.0.0.1/", "private_address"),
            ("https://2130706433/", "private_address"),
            ("https://0x7f.1/", "private_address"),
            ("https://0177.0.0.1/", "private_address"),
            ("https://[::1]/", "private_address"),
            ("https://[::ffff:10.0.0.1]/", "private_address"),
            ("https://169.254.169.254/latest/meta-data/", "private_address"),
        ] {
            assert_eq!(code(url).unwrap_err(), expected, "{url}");
        }
    }

    #[test]
    fn an_excepted_host_may_be_private_and_plain() {
        let exceptions = Exceptions::new(&["127.0.0.1".into(), "Receiver.internal".into(), "::1".into()]);
        for url in ["http://127.0.0.1:9000/a", "http://receiver.internal/", "https://[::1]:1/"] {
            assert!(parse(url, &exceptions).is_ok(), "{url}");
        }
        assert!(parse("http://127.0.0.2/", &exceptions).is_err());
        assert!(parse("http://other.internal/", &exceptions).is_err());
    }
}
