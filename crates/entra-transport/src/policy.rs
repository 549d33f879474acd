use std::time::Duration;

use entra_proto::endpoint::is_loopback_host;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, COOKIE, PROXY_AUTHORIZATION};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderValue, Uri};

use crate::collect::Collector;
use crate::{Request, TransportError, TransportErrorKind};

/// What a transport lets out and what it lets in: the rules that do not depend on the HTTP client.
///
/// ```
/// use std::time::Duration;
/// use entra_transport::{MAX_BODY, Policy};
///
/// let policy = Policy::default();
/// assert_eq!(policy.timeout, Duration::from_secs(30));
/// assert_eq!(policy.connect_timeout, Duration::from_secs(10));
/// assert_eq!(policy.max_body, MAX_BODY);
/// assert!(!policy.allow_plain_loopback);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// How long a request may take altogether, from the look-up of the name to the last byte of the answer.
    pub timeout: Duration,
    /// How long it may take to have a connection, TLS handshake included.
    pub connect_timeout: Duration,
    /// How many bytes the body of an answer may have.
    pub max_body: usize,
    /// Whether plain `http` is let out to this very machine: for emulators and tests.
    pub allow_plain_loopback: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            max_body: MAX_BODY,
            allow_plain_loopback: false,
        }
    }
}

impl Policy {
    /// The same rules, with no deadline longer than a day: HTTP clients add them to the time of day, and some overflow.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        self.timeout = self.timeout.min(LONGEST);
        self.connect_timeout = self.connect_timeout.min(LONGEST);
        self
    }

    /// Readies `request` for the wire, or refuses it: see [`check_uri`].
    ///
    /// It asks for an uncompressed answer unless the request says so itself, and marks the headers that carry credentials as
    /// sensitive, so that no log of an HTTP client shows them.
    ///
    /// # Errors
    /// [`TransportErrorKind::Refused`]; nothing has been sent then.
    pub fn admit(&self, request: &mut Request) -> Result<(), TransportError> {
        check_uri(request.uri(), self.allow_plain_loopback)?;
        let headers = request.headers_mut();
        headers
            .entry(ACCEPT_ENCODING)
            .or_insert(HeaderValue::from_static("identity"));
        for name in [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE] {
            if let http::header::Entry::Occupied(mut entry) = headers.entry(name) {
                entry.iter_mut().for_each(|value| value.set_sensitive(true));
            }
        }
        Ok(())
    }

    /// Judges the headers of an answer before any byte of its body is read, and gives what the body is to be read into.
    ///
    /// # Errors
    /// [`TransportErrorKind::Encoding`] where the body is compressed, [`TransportErrorKind::TooLarge`] where its declared
    /// length is over the limit.
    pub fn admit_answer(&self, headers: &HeaderMap) -> Result<Collector, TransportError> {
        let compressed = headers.get_all(CONTENT_ENCODING).iter().any(|value| {
            let named = value.as_bytes().trim_ascii();
            !named.is_empty() && !named.eq_ignore_ascii_case(b"identity")
        });
        if compressed {
            return Err(TransportError::new(
                TransportErrorKind::Encoding,
                "the answer is compressed although none was asked for",
            )
            .with_hint("look for a proxy that compresses answers"));
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

/// Refuses every URI a secret may not be sent to: anything but `https`, plain `http` to this very machine where
/// `allow_plain_loopback` says so, and anything with a user name or a password in it.
///
/// # Errors
/// [`TransportErrorKind::Refused`], with what to do about it.
pub fn check_uri(uri: &Uri, allow_plain_loopback: bool) -> Result<(), TransportError> {
    let refused = |problem: &'static str, advice: &'static str| {
        TransportError::new(TransportErrorKind::Refused, problem)
            .with_hint(advice)
            .at(uri)
    };
    let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
        return Err(refused("the URI is not absolute", "give it a scheme and a host"));
    };
    if authority.as_str().contains('@') {
        return Err(refused("the URI holds a user name or password", "take it out"));
    }
    if !is_connectable(authority) {
        return Err(refused(
            "the URI names no host and port one could connect to",
            "check its host and port",
        ));
    }
    if *scheme == Scheme::HTTPS {
        return Ok(());
    }
    if *scheme != Scheme::HTTP {
        return Err(refused("the URI is neither https nor http", "use https"));
    }
    match (is_loopback_host(authority.host()), allow_plain_loopback) {
        (true, true) => Ok(()),
        (true, false) => Err(refused(
            "plain http is off",
            "use https, or allow_plain_loopback(true) for an emulator",
        )),
        (false, _) => Err(refused(
            "plain http would show the credentials to everybody on the way",
            "use https",
        )),
    }
}

/// Whether there is a host, and a port where there is a colon: `http` takes `host:99999` for a host without a port.
pub(crate) fn is_connectable(authority: &Authority) -> bool {
    !authority.host().is_empty() && (authority.port_u16().is_some() || authority.as_str() == authority.host())
}

/// The host and port of `uri`, `login.microsoftonline.com:443` say: as much of it as an error or a log line may tell.
#[must_use]
pub fn endpoint(uri: &Uri) -> String {
    let host = uri.host().unwrap_or_default();
    let port = uri
        .port_u16()
        .unwrap_or_else(|| if uri.scheme() == Some(&Scheme::HTTP) { 80 } else { 443 });
    format!("{host}:{port}")
}

const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// How many bytes the body of an answer may have, unless the user says otherwise: 1 MiB. The largest documents of the service,
/// its key sets, are below 64 KiB.
pub const MAX_BODY: usize = entra_proto::acquire::MAX_RESPONSE;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Body;

    fn refused(uri: &str, plain: bool) -> bool {
        match uri.parse::<Uri>() {
            Ok(uri) => check_uri(&uri, plain).is_err_and(|e| e.kind() == TransportErrorKind::Refused),
            Err(_) => true,
        }
    }

    #[test]
    fn only_https_and_allowed_loopback_pass() {
        for uri in [
            "https://login.microsoftonline.com/",
            "https://127.0.0.1:1/",
            "HTTPS://h/",
        ] {
            assert!(!refused(uri, false), "{uri}");
            assert!(!refused(uri, true), "{uri}");
        }
        for uri in ["http://localhost/", "http://127.0.0.1:8080/", "http://[::1]:8080/"] {
            assert!(refused(uri, false), "{uri}");
            assert!(!refused(uri, true), "{uri}");
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
            assert!(refused(uri, true), "{uri}");
        }
    }

    #[test]
    fn credentials_are_marked_and_compression_declined() {
        let mut request = http::Request::post("https://h/")
            .header("authorization", "Basic canary")
            .body(Body::default())
            .unwrap();
        Policy::default().admit(&mut request).unwrap();
        assert_eq!(request.headers()["accept-encoding"], "identity");
        assert!(request.headers()["authorization"].is_sensitive());
        assert!(!format!("{request:?}").contains("canary"));
    }

    #[test]
    fn answers_are_judged_by_their_headers() {
        let kind = |name: &'static str, value: &'static str| {
            let headers =
                HeaderMap::from_iter([(http::HeaderName::from_static(name), HeaderValue::from_static(value))]);
            Policy::default().admit_answer(&headers).err().map(|e| e.kind())
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
