//! Rejection of requests that a web page, another machine or a foreign name brings.
//!
//! A web page can send requests to loopback addresses, and by a name of its own that resolves to
//! one (DNS rebinding). A forward or reverse proxy can bring requests of other machines. None of
//! them is a program of this machine, so they get no token, whatever else they send.

use std::net::IpAddr;

use http::header::{FORWARDED, HOST, ORIGIN, REFERER, VIA};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Version};

use crate::caller::Caller;
use crate::tokens::Refusal;

/// The rules for the origin of requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guard {
    /// Names and addresses, beside loopback ones, by which programs may call the server.
    pub(crate) hosts: Vec<String>,
    /// The origins of web pages that may call it.
    pub(crate) origins: Vec<String>,
    /// True if programs of other machines may call it.
    pub(crate) remote: bool,
    /// True if the programs of all users of this machine may call it without a key.
    pub(crate) any_user: bool,
}

impl Guard {
    /// Rejects a request that no program of this machine sends.
    ///
    /// # Errors
    /// Returns an error for a request of another machine, of a web page or of a proxy, and for one
    /// whose `Host` is neither loopback nor a known name.
    pub(crate) fn check<B>(&self, request: &Request<B>, caller: &Caller) -> Result<(), Refusal> {
        if !self.remote && !caller.is_local() {
            return Err(Refusal::Untrusted("the request comes from another machine"));
        }
        self.check_host(request)?;
        // The absolute form of a request target stands above the header (RFC 9112, section 3.2.2).
        if let Some(authority) = request.uri().authority() {
            if !self.knows(authority.as_str()) {
                return Err(Refusal::Untrusted(FOREIGN_HOST));
            }
        }
        let headers = request.headers();
        let is_known_page = self.is_known_page(headers);
        let mut objections = headers.iter().filter_map(|(name, value)| objection(name, value));
        match objections.find(|problem| !is_known_page || *problem != WEB_PAGE) {
            Some(problem) => Err(Refusal::Untrusted(problem)),
            None => Ok(()),
        }
    }

    /// Checks who sends a request without a key over TCP: the user of this process, or root. A Unix
    /// socket has users of its own, and [`check`](Self::check) decides about other machines.
    ///
    /// # Errors
    /// Returns an error for other users, and for a process that is not found: it may have closed
    /// its end so that its user does not show.
    #[cfg(target_os = "linux")]
    pub(crate) async fn check_user(&self, caller: &Caller) -> Result<(), Refusal> {
        if self.any_user || !caller.is_local() || caller.address.is_none() {
            return Ok(());
        }
        caller.search_ended().await;
        match caller.process() {
            Some(process) if crate::caller::is_own(process.uid) => Ok(()),
            Some(_) => Err(Refusal::Untrusted(OTHER_USER)),
            None => Err(Refusal::Untrusted("the process that sends the request is not found")),
        }
    }

    /// Does nothing, since the system does not tell the user.
    #[cfg(not(target_os = "linux"))]
    pub(crate) async fn check_user(&self, _: &Caller) -> Result<(), Refusal> {
        Ok(())
    }

    /// Returns true if a web page of a known origin sends the request.
    fn is_known_page(&self, headers: &HeaderMap) -> bool {
        let mut all = headers.get_all(ORIGIN).iter();
        match (all.next(), all.next()) {
            (Some(origin), None) => self.origins.iter().any(|own| origin == own),
            _ => false,
        }
    }

    fn check_host<B>(&self, request: &Request<B>) -> Result<(), Refusal> {
        let mut hosts = request.headers().get_all(HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (Some(host), None) => host,
            // HTTP/2 has the authority in the target in its place (RFC 9113, section 8.3.1).
            (None, None) if request.version() == Version::HTTP_2 && request.uri().authority().is_some() => {
                return Ok(());
            }
            // RFC 9112, section 3.2, requires one.
            _ => return Err(Refusal::Malformed("the request has not exactly one Host header".into())),
        };
        match host.to_str() {
            Ok(host) if self.knows(host) => Ok(()),
            _ => Err(Refusal::Untrusted(FOREIGN_HOST)),
        }
    }

    /// Returns true if an authority (host and port) is a name of this server. Its port does not
    /// matter, as it is another one behind a forwarded port.
    fn knows(&self, authority: &str) -> bool {
        let Some(host) = host_of(authority) else {
            return false;
        };
        is_loopback(host) || self.hosts.iter().any(|own| own.eq_ignore_ascii_case(host))
    }
}

/// Returns the host of an authority without the brackets of an IPv6 address, or `None` if the
/// authority has another form or holds user information.
fn host_of(authority: &str) -> Option<&str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            let port = if port.is_empty() { port } else { port.strip_prefix(':')? };
            (host, port)
        }
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    let port_is_valid = port.is_empty() || (port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok());
    (port_is_valid && !host.is_empty() && !host.contains('@')).then_some(host)
}

/// Returns true for `localhost` and the loopback addresses.
fn is_loopback(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    name.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|ip: IpAddr| ip.to_canonical().is_loopback())
}

/// Returns the objection to a header, if there is one.
fn objection(name: &HeaderName, value: &HeaderValue) -> Option<&'static str> {
    match name {
        name if name == ORIGIN || name == REFERER => Some(WEB_PAGE),
        name if name == FORWARDED || name == VIA => Some(PROXY),
        name => match name.as_str() {
            // The fetch function of Node.js sends it, and no other of these.
            "sec-fetch-mode" if value == "cors" => None,
            "x-real-ip" | "x-client-ip" | "x-original-forwarded-for" => Some(PROXY),
            name if name.starts_with("sec-fetch-") => Some(WEB_PAGE),
            name if name.starts_with("x-forwarded") => Some(PROXY),
            _ => None,
        },
    }
}

#[cfg(target_os = "linux")]
const OTHER_USER: &str = "the request comes from another user of this machine";
const FOREIGN_HOST: &str = "the Host of the request is not a name of this server";
const WEB_PAGE: &str = "the request comes from a web page: it has the header Origin, Referer or Sec-Fetch-*";
const PROXY: &str = "the request comes through a proxy: it has the header Forwarded, Via or X-Forwarded-*";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(guard: &Guard, headers: &[(&str, &str)]) -> Result<(), Refusal> {
        let mut request = Request::get("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let caller = Caller::tcp(1, "127.0.0.1:50000".parse().unwrap());
        guard.check(&request.body(()).unwrap(), &caller)
    }

    #[test]
    fn host_is_loopback_or_a_known_name() {
        let guard = Guard {
            hosts: vec!["tokens.internal".into(), "10.0.0.5".into()],
            ..Guard::default()
        };
        for (host, allowed) in [
            ("127.0.0.1", true),
            ("127.0.0.1:41564", true),
            ("127.9.8.7:80", true),
            ("localhost", true),
            ("LocalHost:8080", true),
            ("localhost.:8080", true),
            ("localhost:", true),
            ("[::1]", true),
            ("[::1]:8080", true),
            ("[0:0:0:0:0:0:0:1]:8080", true),
            ("[::ffff:127.0.0.1]:8080", true),
            ("Tokens.Internal:80", true),
            ("10.0.0.5:80", true),
            ("", false),
            (":80", false),
            ("[]:80", false),
            ("[::1", false),
            ("[::1]80", false),
            ("::1", false),
            ("127.0.0.1:99999", false),
            ("127.0.0.1:+80", false),
            ("127.0.0.1:80:80", false),
            ("127.0.0.1.evil.example", false),
            ("localhost.evil.example", false),
            ("evil.localhost", false),
            ("user@localhost", false),
            ("localhost@evil.example", false),
            ("localhost,evil.example", false),
            ("localhost evil.example", false),
            ("0.0.0.0", false),
            ("[::]", false),
            ("169.254.169.254", false),
            ("10.0.0.6", false),
            ("[::ffff:10.0.0.1]", false),
        ] {
            assert_eq!(check(&guard, &[("host", host)]).is_ok(), allowed, "{host:?}");
        }
    }

    #[test]
    fn exactly_one_host_is_required() {
        let guard = Guard::default();
        assert!(matches!(check(&guard, &[]), Err(Refusal::Malformed(_))));
        let twice = check(&guard, &[("host", "localhost"), ("host", "localhost")]);
        assert!(matches!(twice, Err(Refusal::Malformed(_))));
    }

    #[test]
    fn absolute_target_names_the_server_too() {
        let guard = Guard::default();
        let caller = Caller::tcp(1, "127.0.0.1:50000".parse().unwrap());
        for (uri, allowed) in [
            ("http://localhost:8080/msi/token", true),
            ("http://169.254.169.254/metadata/identity/oauth2/token", false),
            ("http://user@localhost/msi/token", false),
        ] {
            let request = Request::get(uri).header("host", "localhost").body(()).unwrap();
            assert_eq!(guard.check(&request, &caller).is_ok(), allowed, "{uri}");
        }
    }

    #[test]
    fn web_pages_and_proxies_are_refused() {
        let guard = Guard::default();
        for (name, value, allowed) in [
            ("accept", "*/*", true),
            ("metadata", "true", true),
            ("sec-fetch-mode", "cors", true),
            ("sec-fetch-site", "none", false),
            ("sec-fetch-site", "same-origin", false),
            ("sec-fetch-dest", "empty", false),
            ("origin", "null", false),
            ("origin", "http://localhost:3000", false),
            ("referer", "http://localhost/", false),
            ("sec-fetch-site", "cross-site", false),
            ("sec-fetch-site", "same-site", false),
            ("sec-fetch-site", "", false),
            ("sec-fetch-mode", "no-cors", false),
            ("sec-fetch-mode", "navigate", false),
            ("sec-fetch-dest", "image", false),
            ("sec-fetch-user", "?1", false),
            ("forwarded", "for=192.0.2.1", false),
            ("via", "1.1 proxy", false),
            ("x-forwarded-for", "", false),
            ("X-Forwarded-Host", "localhost", false),
            ("x-forwarded-proto", "http", false),
            ("x-real-ip", "127.0.0.1", false),
        ] {
            let result = check(&guard, &[("host", "localhost"), (name, value)]);
            assert_eq!(result.is_ok(), allowed, "{name}: {value}");
        }
    }

    #[test]
    fn second_value_of_a_header_counts() {
        let both = [
            ("host", "localhost"),
            ("sec-fetch-mode", "cors"),
            ("sec-fetch-mode", "no-cors"),
        ];
        assert!(check(&Guard::default(), &both).is_err());
    }

    #[test]
    fn other_machines_are_refused_unless_allowed() {
        let request = Request::get("/").header("host", "localhost").body(()).unwrap();
        let remote = Caller::tcp(1, "192.0.2.1:50000".parse().unwrap());
        let mut guard = Guard::default();
        assert!(guard.check(&request, &remote).is_err());
        guard.remote = true;
        assert!(guard.check(&request, &remote).is_ok());
    }
}
