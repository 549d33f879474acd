//! The protocol that opens a tunnel through a proxy: the request, the response, and the errors.

use std::borrow::Cow;
use std::error::Error;

use http::Uri;
use zeroize::Zeroizing;

use crate::policy::endpoint;
use crate::{Proxy, TransportError, TransportErrorKind};

/// A tunnel to the host of a URI through a proxy (`CONNECT`, RFC 9110, section 9.3.6), without I/O.
///
/// Send [`request`](Self::request), then pass the response [byte by byte](Self::take). The bytes
/// after the end of the response belong to the host. Every error names the proxy.
///
/// The states are: waiting for the response (each byte returns `false`), open (`true`), and failed
/// (an error).
///
/// ```
/// use entra_transport::Proxies;
/// use entra_transport::adapter::Tunnel;
///
/// let uri = "https://login.example/".parse().unwrap();
/// let proxies = Proxies::through("http://proxy.example:3128")?;
/// let mut tunnel = Tunnel::new(proxies.for_uri(&uri).unwrap(), &uri);
/// let request = tunnel.request();
/// assert!(request.starts_with(b"CONNECT login.example:443 HTTP/1.1\r\n"));
///
/// let mut is_open = false;
/// for byte in b"HTTP/1.1 200 OK\r\n\r\n" {
///     is_open = tunnel.take(*byte)?;
/// }
/// assert!(is_open);
/// # Ok::<(), entra_transport::TransportError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tunnel {
    proxy: Proxy,
    host: String,
    head: Vec<u8>,
    taken: usize,
}

impl Tunnel {
    /// Creates a tunnel through `proxy` to the host of `uri`.
    #[must_use]
    pub fn new(proxy: &Proxy, uri: &Uri) -> Self {
        Self {
            proxy: proxy.clone(),
            host: endpoint(uri),
            head: Vec::new(),
            taken: 0,
        }
    }

    /// Returns the request to the proxy.
    #[must_use]
    pub fn request(&self) -> Zeroizing<Vec<u8>> {
        let host = &self.host;
        let authorization = self.proxy.authorization();
        let secret = authorization.as_ref().map_or(0, |value| value.len());
        // The capacity is enough for the whole request: a growing vector would leave copies in
        // memory.
        let mut request = Zeroizing::new(Vec::with_capacity(2 * host.len() + secret + 64));
        request.extend_from_slice(format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n").as_bytes());
        if let Some(authorization) = authorization {
            request.extend_from_slice(b"Proxy-Authorization: ");
            request.extend_from_slice(authorization.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        request
    }

    /// Takes the next byte of the proxy's response, and returns whether the tunnel is open.
    ///
    /// # Errors
    /// Returns [`ProxyAuthentication`](TransportErrorKind::ProxyAuthentication) if the proxy
    /// requires authentication, and [`Connect`](TransportErrorKind::Connect) if it opens no tunnel
    /// or if its response does not end.
    pub fn take(&mut self, byte: u8) -> Result<bool, TransportError> {
        self.head.push(byte);
        self.taken += 1;
        if self.head.ends_with(b"\r\n\r\n") || self.head.ends_with(b"\n\n") {
            let head = std::mem::take(&mut self.head);
            return match status(&head) {
                // An interim response: the final one follows.
                Some(100..=199) => Ok(false),
                Some(200..=299) => Ok(true),
                Some(407) => Err(unauthorized(&self.proxy, Some(&head))),
                Some(status) => Err(self.rejected(status)),
                None => Err(self.failed("the response is not that of an HTTP proxy", "check the host and port")),
            };
        }
        if self.taken < LONGEST {
            Ok(false)
        } else {
            Err(self.endless())
        }
    }

    /// Creates the error for a proxy that closed or reset the connection.
    #[must_use]
    pub fn closed(&self, source: impl Into<Box<dyn Error + Send + Sync>>) -> TransportError {
        self.failed("the connection was closed", CHECK_PROXY).because(source)
    }

    /// Creates the error for a proxy whose response does not end.
    #[must_use]
    pub fn endless(&self) -> TransportError {
        self.failed("the response to CONNECT does not end", CHECK_PROXY)
    }

    /// Creates the error for a proxy that opened no tunnel, if nothing more is known.
    #[must_use]
    pub fn not_opened(&self) -> TransportError {
        let problem = format!("no tunnel to {}", self.host);
        self.failed(problem, CHECK_PROXY)
    }

    fn rejected(&self, status: u16) -> TransportError {
        let host = &self.host;
        let error = match status {
            401 => self.failed(
                "the user name and password were rejected (status 401 instead of 407)",
                "check the user name and password in the URI of the proxy",
            ),
            500..=599 => self.failed(
                format!("cannot reach {host} (status {status})"),
                "check the host name, and the network of the proxy",
            ),
            _ => self.failed(
                format!("tunnel to {host} rejected (status {status})"),
                "allow this host in the configuration of the proxy",
            ),
        };
        // As with 407, each attempt may count as a wrong password.
        if status == 401 { error.retryable(false) } else { error }
    }

    fn failed(&self, problem: impl Into<Cow<'static, str>>, hint: &'static str) -> TransportError {
        // The status is in the first line, which is complete even if the response is cut or
        // endless.
        if status(&self.head) == Some(407) {
            return unauthorized(&self.proxy, None);
        }
        TransportError::new(TransportErrorKind::Connect, problem)
            .with_hint(hint)
            .at_proxy(&self.proxy)
    }
}

/// Creates the error for a proxy that responded with 407. It is never retryable, because each
/// attempt may count as a wrong password.
///
/// `head` is the head of the response, if it is known: its `Proxy-Authenticate` fields list the
/// schemes that the proxy accepts.
#[must_use]
pub fn unauthorized(proxy: &Proxy, head: Option<&[u8]>) -> TransportError {
    let offered = head.map(schemes).filter(|schemes| !schemes.is_empty());
    let basic = |schemes: &Vec<String>| schemes.iter().any(|scheme| scheme.eq_ignore_ascii_case("Basic"));
    let (problem, hint) = match (&offered, proxy.has_credentials()) {
        (Some(schemes), _) if !basic(schemes) => {
            // The schemes come from the network, so only known names are shown.
            let known: Vec<&str> = KNOWN
                .into_iter()
                .filter(|known| schemes.iter().any(|scheme| scheme.eq_ignore_ascii_case(known)))
                .collect();
            let required = if known.is_empty() {
                "another scheme".to_owned()
            } else {
                known.join(" or ")
            };
            (
                format!(
                    "authentication by {required} is required (status 407), but only a user name and password (Basic) are \
                     supported"
                )
                .into(),
                "use a proxy that accepts a user name and password, use a local proxy that authenticates to this one, or add \
                 the host to NO_PROXY",
            )
        }
        (Some(_), true) => (
            Cow::from("the user name and password in its URI were rejected (status 407)"),
            "check the user name and password, and percent-encode them",
        ),
        (None, true) => (
            "the user name and password in its URI were rejected, or a scheme other than Basic is required, such as \
             Negotiate or NTLM (status 407)"
                .into(),
            "check the user name and password, or use a local proxy that authenticates to this one",
        ),
        (Some(_), false) => (
            "a user name and password are required (status 407)".into(),
            "add them to the URI of the proxy, percent-encoded: http://user:password@host:port",
        ),
        (None, false) => (
            "authentication is required (status 407)".into(),
            "add a user name and password to the URI of the proxy, percent-encoded: http://user:password@host:port; if the \
             proxy accepts only Negotiate or NTLM, use a local proxy that authenticates to it",
        ),
    };
    TransportError::new(TransportErrorKind::ProxyAuthentication, problem)
        .with_hint(hint)
        .at_proxy(proxy)
}

/// Returns the status of a response, from its head.
fn status(head: &[u8]) -> Option<u16> {
    let rest = head
        .strip_prefix(b"HTTP/1.1 ")
        .or_else(|| head.strip_prefix(b"HTTP/1.0 "))?;
    let (digits, rest) = rest.split_at_checked(3)?;
    let ends = matches!(rest.first(), Some(b' ' | b'\r' | b'\n'));
    let status = std::str::from_utf8(digits).ok()?;
    status
        .parse()
        .ok()
        .filter(|status| ends && (100..=999).contains(status))
}

/// Returns the authentication schemes in the `Proxy-Authenticate` fields of a head (RFC 9110,
/// section 11.6.1).
fn schemes(head: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(head);
    let fields = text.lines().skip(1).filter_map(|line| line.split_once(':'));
    let values = fields.filter(|(name, _)| name.trim().eq_ignore_ascii_case("proxy-authenticate"));
    values.flat_map(|(_, value)| elements(value)).collect()
}

/// Returns the schemes in one field. Commas separate both challenges and their parameters; a scheme
/// is a token without `=` after it.
fn elements(value: &str) -> Vec<String> {
    let (mut quoted, mut escaped) = (false, false);
    let elements = value.split(|c| {
        let separates = c == ',' && !quoted;
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        separates
    });
    elements
        .filter_map(|element| {
            let element = element.trim();
            let end = element.find([' ', '\t', '=']).unwrap_or(element.len());
            let (token, rest) = element.split_at_checked(end)?;
            (!token.is_empty() && !rest.trim_start().starts_with('=')).then(|| token.to_owned())
        })
        .collect()
}

const CHECK_PROXY: &str = "check that it is an HTTP proxy, and that it allows this host";

const KNOWN: [&str; 5] = ["Negotiate", "NTLM", "Kerberos", "Digest", "Bearer"];

/// The most bytes of a response to `CONNECT`. The tunnel of hyper-util, which reqwest uses, has a
/// similar limit.
const LONGEST: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Proxies, Report};

    fn tunnel(proxy: &str) -> Tunnel {
        let uri = Uri::from_static("https://login.example/token?secret=canary");
        Tunnel::new(Proxies::through(proxy).unwrap().for_uri(&uri).unwrap(), &uri)
    }

    /// Returns the outcome of a response, and the number of its bytes that were taken.
    fn outcome(proxy: &str, response: &[u8]) -> (Result<bool, TransportError>, usize) {
        let mut tunnel = tunnel(proxy);
        for (at, byte) in response.iter().enumerate() {
            match tunnel.take(*byte) {
                Ok(false) => {}
                end => return (end, at + 1),
            }
        }
        (Ok(false), response.len())
    }

    #[test]
    fn success_opens_tunnel_and_takes_no_byte_of_host() {
        for head in [
            "HTTP/1.1 200 Connection established\r\nvia: x\r\n\r\n",
            "HTTP/1.0 200\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\n\n",
        ] {
            let (open, taken) = outcome("p:1", format!("{head}TLS").as_bytes());
            assert!(open.unwrap(), "{head:?}");
            assert_eq!(taken, head.len(), "{head:?}");
        }
    }

    #[test]
    fn request_has_credentials_and_fits_its_capacity() {
        let plain = tunnel("p:1").request();
        assert_eq!(
            plain.as_slice(),
            b"CONNECT login.example:443 HTTP/1.1\r\nHost: login.example:443\r\n\r\n"
        );
        let tunnel = tunnel("user:canary@p:1");
        let request = tunnel.request();
        assert!(request.ends_with(b"\r\nProxy-Authorization: Basic dXNlcjpjYW5hcnk=\r\n\r\n"));
        assert!(request.capacity() <= 2 * tunnel.host.len() + 64 + "Basic dXNlcjpjYW5hcnk=".len());
    }

    #[test]
    fn every_other_status_is_an_error_of_the_proxy() {
        for head in [
            "HTTP/1.1 403 Forbidden\r\n\r\n",
            "HTTP/1.1 502 Bad Gateway\r\n\r\n",
            "HTTP/1.1 302 Found\r\nlocation: http://portal/\r\n\r\n",
            "HTTP/1.1 2000 OK\r\n\r\n",
            "HTTP/1.1 +20 OK\r\n\r\n",
            "HTTP/2 200 OK\r\n\r\n",
            "SSH-2.0-OpenSSH_9.6\r\n\r\n",
            "\r\n\r\n",
        ] {
            let error = outcome("u:canary@p:1", head.as_bytes()).0.unwrap_err();
            assert_eq!(error.kind(), TransportErrorKind::Connect, "{head:?}");
            assert!(
                error.is_unsent() && error.to_string().starts_with("the proxy p:1: "),
                "{error}"
            );
            assert!(!format!("{error:?}").contains("canary"));
        }
    }

    #[test]
    fn endless_response_is_bounded() {
        for endless in [vec![b'x'; 1 << 20], b"HTTP/1.1 100 Continue\r\n\r\n".repeat(10_000)] {
            let (end, taken) = outcome("p:1", &endless);
            assert_eq!(end.unwrap_err().kind(), TransportErrorKind::Connect);
            assert_eq!(taken, LONGEST);
        }
    }

    #[test]
    fn cut_or_endless_407_is_not_retryable() {
        let start = b"HTTP/1.1 407 No\r\nProxy-Authenticate: Neg";
        let mut cut = tunnel("u:canary@p:1");
        start.iter().for_each(|byte| assert!(!cut.take(*byte).unwrap()));
        let closed = cut.closed(std::io::Error::from(std::io::ErrorKind::UnexpectedEof));
        let endless = [&start[..], &vec![b'x'; LONGEST]].concat();
        for error in [closed, outcome("u:canary@p:1", &endless).0.unwrap_err()] {
            assert_eq!(error.kind(), TransportErrorKind::ProxyAuthentication);
            assert!(!error.is_retryable(), "{error}");
        }
        let other = outcome("u:canary@p:1", b"HTTP/1.1 401 Unauthorized\r\n\r\n")
            .0
            .unwrap_err();
        assert!(!other.is_retryable() && format!("{:#}", Report::of(&other)).contains("user name and password"));
    }

    #[test]
    fn error_for_407_names_accepted_schemes() {
        let report = |proxy: &str, fields: &str| {
            let head = format!("HTTP/1.1 407 Proxy Authentication Required\r\n{fields}content-length: 0\r\n\r\n");
            let error = outcome(proxy, head.as_bytes()).0.unwrap_err();
            assert_eq!(error.kind(), TransportErrorKind::ProxyAuthentication);
            assert!(!error.is_retryable() && error.is_unsent());
            assert!(!format!("{error:?}").contains("canary"));
            format!("{:#}", Report::of(&error))
        };
        let basic = "Proxy-Authenticate: Basic realm=\"a, NTLM\"\r\n";
        assert!(report("p:1", basic).contains("a user name and password are required"));
        assert!(report("u:canary@p:1", basic).contains("URI were rejected"));
        assert!(report("u:canary@p:1", "").contains("a scheme other than Basic"));
        assert!(report("p:1", "").contains("Negotiate or NTLM"));
        for proxy in ["p:1", "u:canary@p:1"] {
            for (fields, required) in [
                (
                    "Proxy-Authenticate: Negotiate\r\nproxy-authenticate: NTLM\r\n",
                    "Negotiate or NTLM",
                ),
                ("PROXY-AUTHENTICATE: ntlm, NEGOTIATE\r\n", "Negotiate or NTLM"),
                ("Proxy-Authenticate: Negotiate YII=\r\n", "Negotiate"),
                (
                    "Proxy-Authenticate: Digest realm=\"Basic\", qop = auth, basic=1\r\n",
                    "Digest",
                ),
                ("Proxy-Authenticate: \x1b[2Jcanary\r\n", "another scheme"),
            ] {
                let shown = report(proxy, fields);
                assert!(
                    shown.contains(&format!("by {required} is required (status 407)")),
                    "{fields:?}: {shown}"
                );
            }
            let both = report(proxy, "Proxy-Authenticate: Negotiate, Basic realm=\"x\\\", y\"\r\n");
            assert!(
                both.contains("user name and password") && !both.contains("Negotiate"),
                "{both}"
            );
        }
    }
}
