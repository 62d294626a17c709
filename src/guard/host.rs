//! By which names the server may be asked.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use serde::Deserialize;

/// A name by which the server may be asked, without a port: `orders.example`, `192.0.2.7` or `[2001:db8::7]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedHost(String);

impl FromStr for AllowedHost {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match name(text) {
            Some(name) if !name.is_empty() && name.len() == text.trim_end_matches('.').len() => {
                Ok(Self(name.to_ascii_lowercase()))
            }
            _ => Err(format!("{text:?} is no host: write NAME, an address or [ADDRESS], without a port")),
        }
    }
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for AllowedHost {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The names of one server.
#[derive(Debug, Clone)]
pub struct Hosts {
    allowed: Vec<AllowedHost>,
    /// Asked by any other name it is asked by mistake, or by a page that means harm.
    no_other: bool,
}

impl Hosts {
    /// The names of a server that listens at this address. One that is reached from this machine alone is asked by the names
    /// of this machine or by an allowed one; any other by any name, unless some are allowed: then by those and the machine's.
    #[must_use]
    pub fn new(listen: IpAddr, allowed: Vec<AllowedHost>) -> Self {
        let no_other = listen.is_loopback() || !allowed.is_empty();
        Self { allowed, no_other }
    }

    /// Whether a name, without its port, is one of them.
    #[must_use]
    pub fn know(&self, name: &str) -> bool {
        !self.no_other || is_loopback(name) || self.allowed.iter().any(|allowed| allowed.0.eq_ignore_ascii_case(name))
    }
}

fn is_loopback(name: &str) -> bool {
    if name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let v6 = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match v6 {
        Some(address) => address.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback()),
        None => name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback()),
    }
}

/// The name in `NAME[:PORT]`, without the dot that may end it; nothing when it is neither a name nor an address.
#[must_use]
pub fn name(authority: &str) -> Option<&str> {
    let (name, port) = match authority.strip_prefix('[').and_then(|rest| rest.find(']')) {
        Some(end) => authority.split_at(end + 2),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port = if port.is_empty() { port } else { port.strip_prefix(':')? };
    let plain = match name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_~".contains(&byte)),
    };
    let fit = plain && port.bytes().all(|byte| byte.is_ascii_digit());
    fit.then(|| name.strip_suffix('.').unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const EVERYWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

    fn allowed() -> Vec<AllowedHost> {
        vec!["orders.example".parse().unwrap(), "[2001:db8::7]".parse().unwrap()]
    }

    fn known(hosts: &Hosts, authority: &str) -> bool {
        hosts.know(name(authority).unwrap())
    }

    #[test]
    fn a_server_of_this_machine_is_asked_by_its_names_whatever_the_port() {
        let hosts = Hosts::new(HERE, Vec::new());
        for ours in [
            "localhost",
            "LocalHost:8080",
            "localhost.",
            "127.0.0.1:1",
            "127.9.8.7",
            "[::1]",
            "[::1]:8080",
            "localhost:",
        ] {
            assert!(known(&hosts, ours), "{ours}");
        }
        for foreign in [
            "evil.example",
            "localhost.evil.example",
            "a.localhost",
            "127.0.0.1.evil.example",
            "128.0.0.1",
            "10.0.0.1",
            "[::2]",
            "[::ffff:127.0.0.1]",
            "127.1",
            "2130706433",
            "0.0.0.0",
            "",
        ] {
            assert!(!known(&hosts, foreign), "{foreign}");
        }
    }

    #[test]
    fn an_allowed_name_is_ours_and_its_neighbours_are_not() {
        for listen in [HERE, EVERYWHERE] {
            let hosts = Hosts::new(listen, allowed());
            for ours in ["orders.example", "Orders.Example:443", "orders.example.", "[2001:db8::7]:80", "localhost"] {
                assert!(known(&hosts, ours), "{ours}");
            }
            for foreign in ["a.orders.example", "orders.example.evil", "example"] {
                assert!(!known(&hosts, foreign), "{foreign}");
            }
        }
        assert!(known(&Hosts::new(EVERYWHERE, Vec::new()), "any.example"));
    }

    #[test]
    fn what_is_no_name_is_found() {
        for text in [
            "a@b",
            "localhost:80@evil.example",
            "a b",
            "a/b",
            "localhost:x",
            "[::1",
            "::1",
            "[x]",
            "[::1]80",
            "a,b",
            "ä",
        ] {
            assert_eq!(name(text), None, "{text}");
        }
        for text in ["", ".", "a:80", "https://a", "[::1]:80", "a b", "*"] {
            assert!(text.parse::<AllowedHost>().is_err(), "{text}");
        }
    }
}
