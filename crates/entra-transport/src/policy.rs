//! The rules for requests and responses that do not depend on the HTTP client.

use std::time::Duration;

use entra_proto::endpoint::is_loopback_host;
use entra_proto::managed_identity::LocalRoute;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, COOKIE, PROXY_AUTHORIZATION};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use crate::collect::Collector;
use crate::{Request, TransportError, TransportErrorKind};

/// The rules for requests and responses: deadlines, sizes, and the URIs to which a secret may be
/// sent.
///
/// ```
/// use std::time::Duration;
/// use entra_transport::{MAX_BODY, TransportPolicy};
///
/// let policy = TransportPolicy::default();
/// assert_eq!(policy.timeout, Duration::from_secs(30));
/// assert_eq!(policy.connect_timeout, Duration::from_secs(10));
/// assert_eq!(policy.max_body, MAX_BODY);
/// assert!(!policy.allow_plain_loopback);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransportPolicy {
    /// The longest time of a whole request, from the DNS lookup to the last byte of the response.
    pub timeout: Duration,
    /// The longest time for connecting, including the TLS handshake.
    pub connect_timeout: Duration,
    /// The largest size of a response body, in bytes.
    pub max_body: usize,
    /// `true` if plain `http` to this machine is allowed, for emulators and tests.
    pub allow_plain_loopback: bool,
}

impl Default for TransportPolicy {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            max_body: MAX_BODY,
            allow_plain_loopback: false,
        }
    }
}

impl TransportPolicy {
    /// Returns the same rules with deadlines of at most one day. HTTP clients add them to the
    /// current time, and some overflow.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        self.timeout = self.timeout.min(LONGEST);
        self.connect_timeout = self.connect_timeout.min(LONGEST);
        self
    }

    /// Checks the URI of `request` (see [`check_uri`]) and prepares its headers.
    ///
    /// It requests an uncompressed response unless the request has an `Accept-Encoding` header, and
    /// marks the headers with credentials as sensitive, so that no log of an HTTP client shows
    /// them.
    ///
    /// It rejects a request with a [`LocalRoute`]. A transport that supports the route calls
    /// [`admit_routed`](Self::admit_routed) instead.
    ///
    /// # Errors
    /// Returns [`TransportErrorKind::NotAllowed`] if the request may not be sent.
    pub fn admit(&self, request: &mut Request) -> Result<(), TransportError> {
        if LocalRoute::of(request).is_some() {
            return Err(not_allowed(
                request.uri(),
                "this transport does not support requests to the local endpoints of managed identities",
                "use a HyperTransport, ReqwestTransport or UreqTransport that its builder builds, and not one over \
                 another client or service",
            ));
        }
        check_uri(request.uri(), self.allow_plain_loopback)?;
        prepare(request);
        Ok(())
    }

    /// Checks and prepares `request` as [`admit`](Self::admit) does, but accepts a request with a
    /// [`LocalRoute`] if the route allows its URI. Returns that route.
    ///
    /// For transports that support the route: they use no proxy, check the pin, and apply the
    /// deadlines of [`on_route`](Self::on_route).
    ///
    /// # Errors
    /// Returns [`TransportErrorKind::NotAllowed`] if the request may not be sent.
    pub fn admit_routed(&self, request: &mut Request) -> Result<Option<LocalRoute>, TransportError> {
        let Some(route) = LocalRoute::of(request).cloned() else {
            return self.admit(request).map(|()| None);
        };
        let uri = request.uri();
        check_authority(uri)?;
        if !route.allows(uri) {
            return Err(match route.pin() {
                Some(_) => not_allowed(uri, "the check of a certificate's hash requires https", USE_HTTPS),
                None => not_allowed(
                    uri,
                    "plain http is allowed only to this machine and to link-local addresses",
                    USE_HTTPS,
                ),
            });
        }
        prepare(request);
        Ok(Some(route))
    }

    /// Returns the rules for requests on `route`: its timeouts apply in place of longer ones.
    #[must_use]
    pub fn on_route(mut self, route: &LocalRoute) -> Self {
        if let Some(timeout) = route.connect_timeout() {
            self.connect_timeout = self.connect_timeout.min(timeout);
        }
        if let Some(timeout) = route.timeout() {
            self.timeout = self.timeout.min(timeout);
            self.connect_timeout = self.connect_timeout.min(timeout);
        }
        self
    }

    /// Checks the headers of a response before its body is read, and returns the collector for the
    /// body.
    ///
    /// # Errors
    /// Returns [`TransportErrorKind::Encoding`] if the body is compressed, and
    /// [`TransportErrorKind::TooLarge`] if its declared length exceeds the limit.
    pub fn admit_response(&self, headers: &HeaderMap) -> Result<Collector, TransportError> {
        let compressed = headers.get_all(CONTENT_ENCODING).iter().any(|value| {
            let named = value.as_bytes().trim_ascii();
            !named.is_empty() && !named.eq_ignore_ascii_case(b"identity")
        });
        if compressed {
            return Err(TransportError::new(
                TransportErrorKind::Encoding,
                "the response is compressed, although an uncompressed one was requested",
            )
            .with_hint("look for a proxy that compresses responses"));
        }
        let Some(declared) = headers
            .get(CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse::<u64>().ok())
        else {
            return Ok(Collector::new(self.max_body));
        };
        match usize::try_from(declared) {
            Ok(declared) if declared <= self.max_body => Ok(Collector::new(self.max_body).expecting(declared)),
            _ => Err(TransportError::too_large(self.max_body)),
        }
    }
}

/// Checks that a secret may be sent to a URI.
///
/// Allowed are `https`, and plain `http` to this machine if `allow_plain_loopback` is `true`. A URI
/// with a user name or a password is never allowed.
///
/// # Errors
/// Returns [`TransportErrorKind::NotAllowed`] with a hint if the URI is not allowed.
pub fn check_uri(uri: &Uri, allow_plain_loopback: bool) -> Result<(), TransportError> {
    let (scheme, authority) = check_authority(uri)?;
    let not_allowed = |problem, hint| not_allowed(uri, problem, hint);
    if *scheme == Scheme::HTTPS {
        return Ok(());
    }
    if *scheme != Scheme::HTTP {
        return Err(not_allowed(
            "the scheme of the URI is neither https nor http",
            USE_HTTPS,
        ));
    }
    match (is_loopback_host(authority.host()), allow_plain_loopback) {
        (true, true) => Ok(()),
        (true, false) => Err(not_allowed(
            "plain http is not allowed",
            "use https, or allow_plain_loopback(true) for an emulator",
        )),
        (false, _) => Err(not_allowed(
            "plain http would expose the credentials on the network",
            USE_HTTPS,
        )),
    }
}

/// Checks what every URI must have, with any scheme: a host, and no user name.
fn check_authority(uri: &Uri) -> Result<(&Scheme, &Authority), TransportError> {
    let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
        return Err(not_allowed(uri, "the URI is not absolute", "add a scheme and a host"));
    };
    if authority.as_str().contains('@') {
        return Err(not_allowed(
            uri,
            "the URI contains a user name or password",
            "remove the user name and password",
        ));
    }
    if !is_connectable(authority) {
        return Err(not_allowed(
            uri,
            "the URI has no valid host and port",
            "check the host and port of the URI",
        ));
    }
    Ok((scheme, authority))
}

fn not_allowed(uri: &Uri, problem: &'static str, hint: &'static str) -> TransportError {
    TransportError::new(TransportErrorKind::NotAllowed, problem)
        .with_hint(hint)
        .at(uri)
}

/// Requests an uncompressed response, and marks the headers with credentials as sensitive.
fn prepare(request: &mut Request) {
    let headers = request.headers_mut();
    headers
        .entry(ACCEPT_ENCODING)
        .or_insert(HeaderValue::from_static("identity"));
    for name in CREDENTIALS {
        if let http::header::Entry::Occupied(mut entry) = headers.entry(name) {
            entry.iter_mut().for_each(|value| value.set_sensitive(true));
        }
    }
}

/// Returns whether an authority has a host, and a port if it has a colon. The crate `http` accepts
/// `host:99999` as a host without a port.
pub(crate) fn is_connectable(authority: &Authority) -> bool {
    !authority.host().is_empty() && (authority.port_u16().is_some() || authority.as_str() == authority.host())
}

/// Returns the host and port of `uri`, such as `login.microsoftonline.com:443`: the part of a URI
/// that errors and logs may contain.
#[must_use]
pub fn endpoint(uri: &Uri) -> String {
    let host = uri.host().unwrap_or_default();
    let port = uri
        .port_u16()
        .unwrap_or_else(|| if uri.scheme() == Some(&Scheme::HTTP) { 80 } else { 443 });
    format!("{host}:{port}")
}

const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

const USE_HTTPS: &str = "use https";

/// The headers with credentials. The last two are those of App Service and of Service Fabric.
const CREDENTIALS: [HeaderName; 5] = [
    AUTHORIZATION,
    PROXY_AUTHORIZATION,
    COOKIE,
    HeaderName::from_static("x-identity-header"),
    HeaderName::from_static("secret"),
];

/// The default of the largest size of a response body, in bytes: 1 MiB. The largest documents of
/// the service, its key sets, are below 64 KiB.
pub const MAX_BODY: usize = entra_proto::acquire::MAX_RESPONSE;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Body;

    fn is_rejected(uri: &str, plain: bool) -> bool {
        match uri.parse::<Uri>() {
            Ok(uri) => check_uri(&uri, plain).is_err_and(|error| error.kind() == TransportErrorKind::NotAllowed),
            Err(_) => true,
        }
    }

    #[test]
    fn only_https_and_plain_loopback_are_allowed() {
        for uri in [
            "https://login.microsoftonline.com/",
            "https://127.0.0.1:1/",
            "HTTPS://h/",
        ] {
            assert!(!is_rejected(uri, false), "{uri}");
            assert!(!is_rejected(uri, true), "{uri}");
        }
        for uri in ["http://localhost/", "http://127.0.0.1:8080/", "http://[::1]:8080/"] {
            assert!(is_rejected(uri, false), "{uri}");
            assert!(!is_rejected(uri, true), "{uri}");
        }
        for uri in [
            "/token",
            "login.microsoftonline.com:443",
            "http://login.microsoftonline.com/",
            "http://localhost.example/",
            "http://127.0.0.1.example/",
            "http://127.0.0.1@example.com/",
            "https://user@login.microsoftonline.com/",
            "https://user:word@login.microsoftonline.com/",
            "https://@login.microsoftonline.com/",
            "ftp://localhost/",
            "https://h:99999/",
            "https://h:/",
        ] {
            assert!(is_rejected(uri, true), "{uri}");
        }
    }

    #[test]
    fn credentials_are_sensitive_and_compression_declined() {
        let mut request = http::Request::post("https://h/")
            .header("authorization", "Basic canary")
            .body(Body::default())
            .unwrap();
        TransportPolicy::default().admit(&mut request).unwrap();
        assert_eq!(request.headers()["accept-encoding"], "identity");
        assert!(request.headers()["authorization"].is_sensitive());
        assert!(!format!("{request:?}").contains("canary"));
    }

    #[test]
    fn responses_are_checked_by_their_headers() {
        let kind = |name: &'static str, value: &'static str| {
            let headers = HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))]);
            TransportPolicy::default()
                .admit_response(&headers)
                .err()
                .map(|e| e.kind())
        };
        assert_eq!(kind("content-length", "1048576"), None);
        assert_eq!(kind("content-length", "1048577"), Some(TransportErrorKind::TooLarge));
        assert_eq!(
            kind("content-length", "18446744073709551615"),
            Some(TransportErrorKind::TooLarge)
        );
        assert_eq!(kind("content-encoding", "identity"), None);
        for encoding in ["gzip", "br", "deflate", "zstd", "x-gzip", "identity, gzip"] {
            assert_eq!(
                kind("content-encoding", encoding),
                Some(TransportErrorKind::Encoding),
                "{encoding}"
            );
        }
    }
}
