//! The route of requests to local endpoints.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use http::{Request, Uri};

use crate::loopback::is_loopback_host;

/// The permission to send a request to an endpoint of the platform: over plain `http` to this
/// machine or a link-local address, without a proxy.
///
/// It is an extension of the request, and only this crate creates it, so no other request can take
/// the route. A transport that does not know it rejects such requests, because their URIs use plain
/// `http` or a certificate that no authority has signed.
///
/// A transport that supports it does the following for a request that [`of`](Self::of) finds a
/// route in:
/// - It rejects a URI that [`allows`](Self::allows) does not accept.
/// - It uses no proxy, whatever its settings or the environment say.
/// - If there is a [`pin`](Self::pin), it accepts exactly the server certificate with this hash,
///   and checks it during the TLS handshake, before the request is sent. The usual checks (name,
///   authority, validity) do not apply. The server must still prove in the handshake that it has
///   the certificate's key.
/// - If there is a [`connect_timeout`](Self::connect_timeout) or a [`timeout`](Self::timeout), it
///   applies in place of a longer one.
#[derive(Clone, PartialEq, Eq)]
pub struct LocalRoute {
    pin: Option<[u8; 20]>,
    connect_timeout: Option<Duration>,
    timeout: Option<Duration>,
}

impl LocalRoute {
    /// Creates a route over `http` or ordinary TLS.
    pub(crate) fn new() -> Self {
        Self {
            pin: None,
            connect_timeout: None,
            timeout: None,
        }
    }

    /// Requires the server certificate with this SHA-1 hash of its DER.
    pub(crate) fn with_pin(mut self, sha1: [u8; 20]) -> Self {
        self.pin = Some(sha1);
        self
    }

    /// Limits the time for connecting.
    pub(crate) fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = Some(timeout);
        self
    }

    /// Limits the time for the whole request.
    pub(crate) fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Returns the route of a request, if it has one.
    #[must_use]
    pub fn of<B>(request: &Request<B>) -> Option<&Self> {
        request.extensions().get()
    }

    /// Returns the SHA-1 hash of the only acceptable server certificate's DER.
    #[must_use]
    pub fn pin(&self) -> Option<&[u8; 20]> {
        self.pin.as_ref()
    }

    /// Returns the longest time for connecting.
    #[must_use]
    pub fn connect_timeout(&self) -> Option<Duration> {
        self.connect_timeout
    }

    /// Returns the longest time for the whole request, from connecting to the last byte of the
    /// response.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// Returns whether the route leads to this URI: `https` to any host, and `http` to a loopback
    /// address, a link-local address, or a name without a dot, which is a name of the local
    /// network. With a pin, only `https`.
    #[must_use]
    pub fn allows(&self, uri: &Uri) -> bool {
        match uri.scheme_str() {
            Some("https") => true,
            Some("http") if self.pin.is_none() => uri.host().is_some_and(is_local_host),
            _ => false,
        }
    }
}

impl fmt::Debug for LocalRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalRoute")
            .field("is_pinned", &self.pin.is_some())
            .field("connect_timeout", &self.connect_timeout)
            .field("timeout", &self.timeout)
            .finish()
    }
}

/// Returns whether plain `http` may be used to this host for a local endpoint.
pub(crate) fn is_local_host(host: &str) -> bool {
    if is_loopback_host(host) {
        return true;
    }
    if let Some(v6) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return v6.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_unicast_link_local());
    }
    if let Ok(ip) = host.parse::<Ipv4Addr>() {
        return ip.is_link_local();
    }
    // A name that begins with a digit may be an address in an unusual spelling.
    host.starts_with(|c: char| c.is_ascii_alphabetic())
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_on_the_local_link() {
        for host in [
            "127.0.0.1",
            "[::1]",
            "localhost",
            "169.254.169.254",
            "169.254.129.3",
            "[fe80::1]",
            "imds",
            "msi-proxy",
        ] {
            assert!(is_local_host(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "metadata.google.internal",
            "10.0.0.4",
            "192.168.1.1",
            "168.63.129.16",
            "169.253.1.1",
            "2852039166",
            "0xa9fea9fe",
            "[fe00::1]",
            "[::ffff:169.254.169.254]",
            "imds.",
        ] {
            assert!(!is_local_host(host), "{host}");
        }
    }

    #[test]
    fn pinned_route_requires_https() {
        let (plain, pinned) = (LocalRoute::new(), LocalRoute::new().with_pin([1; 20]));
        for (uri, of_plain, of_pinned) in [
            ("http://127.0.0.1:40342/metadata", true, false),
            ("https://localhost:2377/metadata", true, true),
            ("http://evil.example/metadata", false, false),
            ("ftp://localhost/metadata", false, false),
        ] {
            let uri = Uri::from_static(uri);
            assert_eq!(
                (plain.allows(&uri), pinned.allows(&uri)),
                (of_plain, of_pinned),
                "{uri}"
            );
        }
    }
}
