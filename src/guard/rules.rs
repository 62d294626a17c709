//! What is asked of the head of every request.

use std::net::IpAddr;

use actix_web::{
    dev::RequestHead,
    http::{
        Method, Version,
        header::{HOST, HeaderName, ORIGIN},
        uri::Authority,
    },
};

use super::{
    host::{AllowedHost, Hosts, name},
    origin::Origins,
};

/// The relation of a page to us, as its browser sees it.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Why a request is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It names no host, several, or something that is none.
    NoHost,
    /// It asks for a host that is not this server.
    ForeignHost,
    /// It comes from a web page of another origin.
    ForeignPage,
}

impl Refusal {
    /// The same for the client.
    #[must_use]
    pub const fn detail(self) -> &'static str {
        match self {
            Self::NoHost => "a request names the host it asks for, once, in its Host header",
            Self::ForeignHost => "this server is not known by this name; the operator can allow it with --allow-host",
            Self::ForeignPage => "pages of this origin may not do this; the operator can allow it with --allow-origin",
        }
    }
}

/// The rules of one server.
#[derive(Debug, Clone)]
pub struct Guard {
    hosts: Hosts,
    origins: Origins,
}

impl Guard {
    /// The rules of a server that listens at this address, with what the operator allows.
    #[must_use]
    pub fn new(listen: IpAddr, hosts: Vec<AllowedHost>, origins: Origins) -> Self {
        Self { hosts: Hosts::new(listen, hosts), origins }
    }

    /// Whether a request may go on: it asks for this server, and what could change something comes from no foreign page.
    /// Reading is free: a browser shows a foreign page no answer that does not name it.
    ///
    /// # Errors
    /// Why it may not.
    pub fn check(&self, head: &RequestHead) -> Result<(), Refusal> {
        let authority = authority(head)?;
        if !self.hosts.know(name(authority).ok_or(Refusal::NoHost)?) {
            return Err(Refusal::ForeignHost);
        }
        match head.method {
            Method::GET | Method::HEAD | Method::OPTIONS => Ok(()),
            _ => self.check_page_at(head, authority),
        }
    }

    /// Whether the page that sends a request, if one does, may do what only our own and the allowed ones may.
    ///
    /// # Errors
    /// Why it may not.
    pub fn check_page(&self, head: &RequestHead) -> Result<(), Refusal> {
        self.check_page_at(head, authority(head)?)
    }

    fn check_page_at(&self, head: &RequestHead, authority: &str) -> Result<(), Refusal> {
        let mut origins = head.headers.get_all(ORIGIN).peekable();
        let foreign = if origins.peek().is_some() {
            !origins.all(|origin| origin.to_str().is_ok_and(|origin| self.origins.allow(origin, authority)))
        } else {
            let site = head.headers.get(SEC_FETCH_SITE).map(|site| site.as_bytes().to_ascii_lowercase());
            matches!(site.as_deref(), Some(b"cross-site" | b"same-site"))
        };
        if foreign { Err(Refusal::ForeignPage) } else { Ok(()) }
    }
}

/// The host and port that a request asks for: those of its target when it is a whole URI, else those of its Host header, which
/// HTTP/1.1 demands either way (RFC 9112, 3.2). What speaks HTTP/1.0 and names none asks for whoever is there; no browser does.
fn authority(head: &RequestHead) -> Result<&str, Refusal> {
    let mut hosts = head.headers.get_all(HOST);
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().map_err(|_| Refusal::NoHost)?,
        (None, _) if head.version < Version::HTTP_11 => "localhost",
        _ => return Err(Refusal::NoHost),
    };
    Ok(head.uri.authority().map_or(host, Authority::as_str))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn guard() -> Guard {
        let allowed = vec!["https://shop.example".parse().unwrap()];
        Guard::new([127, 0, 0, 1].into(), vec!["orders.example".parse().unwrap()], Origins(allowed))
    }

    fn verdict(request: TestRequest) -> Result<(), Refusal> {
        guard().check(request.to_srv_request().head())
    }

    fn post(headers: &[(&'static str, &'static str)]) -> Result<(), Refusal> {
        let request = TestRequest::post().uri("/orders").insert_header(("Host", "localhost:8080"));
        verdict(headers.iter().fold(request, |request, header| request.append_header(*header)))
    }

    #[test]
    fn a_request_names_the_host_it_asks_for_once() {
        let get = || TestRequest::get().uri("/orders");
        assert_eq!(verdict(get()), Err(Refusal::NoHost));
        assert_eq!(verdict(get().version(Version::HTTP_10)), Ok(()));
        let localhost = ("Host", "localhost");
        assert_eq!(verdict(get().append_header(localhost).append_header(localhost)), Err(Refusal::NoHost));
        assert_eq!(verdict(get().append_header(("Host", "localhost:80@evil.example"))), Err(Refusal::NoHost));
        assert_eq!(verdict(get().append_header(("Host", "evil.example"))), Err(Refusal::ForeignHost));
        assert_eq!(verdict(get().append_header(localhost)), Ok(()));
    }

    #[test]
    fn the_host_of_a_whole_uri_counts_more_than_the_header() {
        let get = |uri: &str, host: &'static str| verdict(TestRequest::get().uri(uri).insert_header(("Host", host)));
        assert_eq!(get("http://evil.example/orders", "localhost"), Err(Refusal::ForeignHost));
        assert_eq!(get("http://localhost@evil.example/orders", "localhost"), Err(Refusal::NoHost));
        assert_eq!(get("http://orders.example/orders", "evil.example"), Ok(()));
    }

    #[test]
    fn what_changes_something_comes_from_our_own_or_an_allowed_page_or_from_none() {
        assert_eq!(post(&[]), Ok(()));
        assert_eq!(post(&[("Sec-Fetch-Site", "none")]), Ok(()));
        assert_eq!(post(&[("Origin", "http://localhost:8080"), ("Sec-Fetch-Site", "same-origin")]), Ok(()));
        assert_eq!(post(&[("Origin", "https://shop.example"), ("Sec-Fetch-Site", "cross-site")]), Ok(()));
        for foreign in [
            &[("Origin", "http://evil.example")][..],
            &[("Origin", "http://localhost:8081")],
            &[("Origin", "null")],
            &[("Origin", "")],
            &[("Origin", "https://shop.example"), ("Origin", "http://evil.example")],
            &[("Sec-Fetch-Site", "cross-site")],
            &[("Sec-Fetch-Site", "Same-Site")],
        ] {
            assert_eq!(post(foreign), Err(Refusal::ForeignPage), "{foreign:?}");
        }
    }

    #[test]
    fn a_page_whose_name_was_made_to_point_here_is_foreign() {
        let rebound = [("Host", "evil.example:8080"), ("Origin", "http://evil.example:8080")];
        let request =
            rebound.iter().fold(TestRequest::get().uri("/ws"), |request, header| request.insert_header(*header));
        assert_eq!(verdict(request), Err(Refusal::ForeignHost));
    }
}
