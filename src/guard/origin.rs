//! Which web pages may change anything here, listen, and read the answers.

use std::{fmt, str::FromStr};

use serde::Deserialize;

/// An origin that is let in besides the server's own: `https://shop.example`, or `*` for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedOrigin(String);

impl FromStr for AllowedOrigin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || format!("{text:?} is no origin: write https://HOST, http://HOST:PORT or *");
        if text == "*" {
            return Ok(Self(text.to_owned()));
        }
        let (scheme, host) = text.split_once("://").ok_or_else(refused)?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte);
        if !matches!(scheme, "http" | "https") || host.is_empty() || !host.bytes().all(plain) {
            return Err(refused());
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for AllowedOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for AllowedOrigin {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The origins that are let in besides the server's own.
#[derive(Debug, Clone, Default)]
pub struct Origins(pub Vec<AllowedOrigin>);

impl Origins {
    /// Whether a page of this origin may do here what the server's own pages may, when the server was asked for as `host`. The
    /// scheme does not matter for its own: it may stand behind something that speaks TLS.
    #[must_use]
    pub fn allow(&self, origin: &str, host: &str) -> bool {
        let own = origin.split_once("://").is_some_and(|(scheme, place)| {
            matches!(scheme, "http" | "https") && !place.is_empty() && place.eq_ignore_ascii_case(host)
        });
        own || self.name(origin)
    }

    /// Whether an origin is one of those.
    #[must_use]
    pub fn name(&self, origin: &str) -> bool {
        self.0.iter().any(|allowed| allowed.0 == "*" || allowed.0.eq_ignore_ascii_case(origin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_origin_is_let_in_and_any_other_is_not() {
        let origins = Origins::default();
        assert!(origins.allow("http://localhost:8080", "localhost:8080"));
        assert!(origins.allow("https://Orders.example", "orders.example"));
        for foreign in [
            "http://localhost:8081",
            "http://localhost",
            "https://evil.example",
            "null",
            "",
            "localhost:8080",
            "file://",
        ] {
            assert!(!origins.allow(foreign, "localhost:8080"), "{foreign}");
        }
        assert!(!origins.allow("http://", ""));
    }

    #[test]
    fn an_allowed_origin_is_let_in_and_its_neighbours_are_not() {
        let origins = Origins(vec!["https://shop.example".parse().unwrap()]);
        assert!(origins.allow("https://shop.example", "orders.example"));
        for foreign in
            ["http://shop.example", "https://shop.example:444", "https://a.shop.example", "https://shop.example.evil"]
        {
            assert!(!origins.allow(foreign, "orders.example"), "{foreign}");
        }
        assert!(Origins(vec!["*".parse().unwrap()]).allow("null", "orders.example"));
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in ["", "shop.example", "https://", "https://shop.example/", "ftp://shop.example", "https://a b", "**"]
        {
            assert!(text.parse::<AllowedOrigin>().is_err(), "{text:?}");
        }
    }
}
