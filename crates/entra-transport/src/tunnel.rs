//! The dialog that opens a tunnel through a proxy.

use std::borrow::Cow;

use http::Uri;
use zeroize::Zeroizing;

use crate::policy::endpoint;
use crate::{Proxy, TransportError, TransportErrorKind};

/// Opens a tunnel to the host of a URI through a proxy (`CONNECT`, RFC 9110, section 9.3.6), without any IO.
///
/// Send [`request`](Self::request), then hand over the response [byte by byte](Self::take): what follows its last byte belongs to
/// the host. Every error names the proxy.
///
/// ```
/// use entra_transport::Proxies;
/// use entra_transport::adapter::Tunnel;
///
/// let uri = "https://login.microsoftonline.com/".parse()?;
/// let proxies = Proxies::through("http://proxy.example:3128")?;
/// let mut tunnel = Tunnel::new(proxies.for_uri(&uri).unwrap(), &uri);
/// assert!(tunnel.request().starts_with(b"CONNECT login.microsoftonline.com:443 HTTP/1.1\r\n"));
/// let open = b"HTTP/1.1 200 OK\r\n\r\n".iter().map(|byte| tunnel.take(*byte)).collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(open.last(), Some(&true));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tunnel {
    proxy: Proxy,
    host: String,
    head: Vec<u8>,
    taken: usize,
}

impl Tunnel {
    /// A tunnel through `proxy` to the host of `uri`.
    #[must_use]
    pub fn new(proxy: &Proxy, uri: &Uri) -> Self {
        Self {
            proxy: proxy.clone(),
            host: endpoint(uri),
            head: Vec::new(),
            taken: 0,
        }
    }

    /// The request to the proxy.
    #[must_use]
    pub fn request(&self) -> Zeroizing<Vec<u8>> {
        let host = &self.host;
        let authorization = self.proxy.authorization();
        let secret = authorization.as_ref().map_or(0, |value| value.len());
        // Room for all of it at once: a vector that grows leaves copies behind.
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
    /// [`ProxyAuthentication`](TransportErrorKind::ProxyAuthentication) if the proxy wants to know who asks,
    /// [`Connect`](TransportErrorKind::Connect) if it opens no tunnel, or its response has no end.
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
                Some(status) => Err(self.refused(status)),
                None => Err(self.failed("what answers there is no HTTP proxy", "check its host and port")),
            };
        }
        if self.taken < LONGEST {
            Ok(false)
        } else {
            Err(self.failed("its response to CONNECT has no end", "check that it is an HTTP proxy"))
        }
    }

    /// The error for a proxy that closed the connection, or broke it.
    #[must_use]
    pub fn closed(&self, source: std::io::Error) -> TransportError {
        self.failed(
            "it closed the connection",
            "check what it allows, and that it is an HTTP proxy",
        )
        .because(source)
    }

    fn refused(&self, status: u16) -> TransportError {
        let host = &self.host;
        let error = match status {
            401 => self.failed(
                "it rejects who asks (status 401, in the place of 407)",
                "check the user name and password in its URI",
            ),
            500..=599 => self.failed(
                format!("it does not reach {host} (status {status})"),
                "check that name, and the proxy's own network",
            ),
            _ => self.failed(
                format!("it does not connect to {host} (status {status})"),
                "have it allow this host",
            ),
        };
        // Each try may count as a wrong password, as with 407.
        if status == 401 { error.retryable(false) } else { error }
    }

    fn failed(&self, problem: impl Into<Cow<'static, str>>, advice: &'static str) -> TransportError {
        // A response that does not end says as much in its first line.
        if status(&self.head) == Some(407) {
            return unauthorized(&self.proxy, None);
        }
        TransportError::new(TransportErrorKind::Connect, problem)
            .with_hint(advice)
            .at_proxy(&self.proxy)
    }
}

/// The error for a proxy that answered 407: it is never tried again, as each try may count as a wrong password.
///
/// `head` is the head of its response, where that is known: its `Proxy-Authenticate` fields say what the proxy accepts.
#[must_use]
pub fn unauthorized(proxy: &Proxy, head: Option<&[u8]>) -> TransportError {
    let offered = head.map(schemes).filter(|schemes| !schemes.is_empty());
    let basic = |schemes: &Vec<String>| schemes.iter().any(|scheme| scheme.eq_ignore_ascii_case("Basic"));
    let (problem, advice) = match (&offered, proxy.has_credentials()) {
        (Some(schemes), _) if !basic(schemes) => {
            // Of what comes from the network, only names that are known are repeated.
            let known: Vec<&str> = KNOWN
                .into_iter()
                .filter(|known| schemes.iter().any(|scheme| scheme.eq_ignore_ascii_case(known)))
                .collect();
            let wanted = if known.is_empty() { "another way".to_owned() } else { known.join(" or ") };
            (
                format!(
                    "it wants to authenticate by {wanted} (status 407), and only a user name and password (Basic) can be sent"
                )
                .into(),
                "use a proxy that accepts a user name and password, one on this machine that authenticates for it, or except the host \
                 in NO_PROXY",
            )
        }
        (Some(_), true) => (
            Cow::from("it rejects the user name and password in its URI (status 407)"),
            "check the user name and password; percent-encode them",
        ),
        (None, true) => (
            "it rejects the user name and password in its URI, or accepts only another way to authenticate than Basic, such as \
             Negotiate or NTLM (status 407)"
                .into(),
            "check the user name and password, or use a proxy on this machine that authenticates for it",
        ),
        (Some(_), false) => (
            "it wants a user name and password (status 407)".into(),
            "put them into its URI, http://user:password@host:port, percent-encoded",
        ),
        (None, false) => (
            "it wants to authenticate (status 407)".into(),
            "put a user name and password into its URI, http://user:password@host:port, percent-encoded; where it accepts Negotiate or \
             NTLM only, use one on this machine that authenticates for it",
        ),
    };
    TransportError::new(TransportErrorKind::ProxyAuthentication, problem)
        .with_hint(advice)
        .at_proxy(proxy)
}

/// The status of a response, from its head.
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

/// The authentication schemes that the `Proxy-Authenticate` fields of a head name (RFC 9110, section 11.6.1).
fn schemes(head: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(head);
    let fields = text.lines().skip(1).filter_map(|line| line.split_once(':'));
    let values = fields.filter(|(name, _)| name.trim().eq_ignore_ascii_case("proxy-authenticate"));
    values.flat_map(|(_, value)| elements(value)).collect()
}

/// The schemes in one field. Commas separate challenges and their parameters alike: a scheme is a token without `=` behind it.
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

const KNOWN: [&str; 5] = ["Negotiate", "NTLM", "Kerberos", "Digest", "Bearer"];

/// How many bytes a response to `CONNECT` may have: the tunnel of hyper-util, which reqwest uses, has a similar bound.
const LONGEST: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Proxies;

    type Report = entra_proto::report::ReportFor<crate::Errors>;

    fn tunnel(proxy: &str) -> Tunnel {
        let uri = Uri::from_static("https://login.example/token?secret=canary");
        Tunnel::new(Proxies::through(proxy).unwrap().for_uri(&uri).unwrap(), &uri)
    }

    /// The outcome of a response, and how many of its bytes were taken.
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
    fn success_opens_the_tunnel_and_takes_no_byte_of_the_host() {
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
    fn a_request_holds_the_credentials_and_fits_its_room() {
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
    fn every_other_status_is_an_error_at_the_proxy() {
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
    fn a_response_without_end_is_bounded() {
        for endless in [vec![b'x'; 1 << 20], b"HTTP/1.1 100 Continue\r\n\r\n".repeat(10_000)] {
            let (end, taken) = outcome("p:1", &endless);
            assert_eq!(end.unwrap_err().kind(), TransportErrorKind::Connect);
            assert_eq!(taken, LONGEST);
        }
    }

    #[test]
    fn a_407_that_is_cut_short_or_endless_is_not_tried_again() {
        let start = b"HTTP/1.1 407 No\r\nProxy-Authenticate: Neg";
        let mut cut = tunnel("u:canary@p:1");
        start.iter().for_each(|byte| assert!(!cut.take(*byte).unwrap()));
        let closed = cut.closed(std::io::ErrorKind::UnexpectedEof.into());
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
    fn an_unauthorized_error_says_what_the_proxy_accepts() {
        let said = |proxy: &str, fields: &str| {
            let head = format!("HTTP/1.1 407 Proxy Authentication Required\r\n{fields}content-length: 0\r\n\r\n");
            let error = outcome(proxy, head.as_bytes()).0.unwrap_err();
            assert_eq!(error.kind(), TransportErrorKind::ProxyAuthentication);
            assert!(!error.is_retryable() && error.is_unsent());
            assert!(!format!("{error:?}").contains("canary"));
            format!("{:#}", Report::of(&error))
        };
        let basic = "Proxy-Authenticate: Basic realm=\"a, NTLM\"\r\n";
        assert!(said("p:1", basic).contains("wants a user name and password"));
        assert!(said("u:canary@p:1", basic).contains("rejects the user name and password"));
        assert!(said("u:canary@p:1", "").contains("another way to authenticate than Basic"));
        assert!(said("p:1", "").contains("Negotiate or NTLM"));
        for proxy in ["p:1", "u:canary@p:1"] {
            for (fields, wanted) in [
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
                ("Proxy-Authenticate: \x1b[2Jcanary\r\n", "another way"),
            ] {
                let said = said(proxy, fields);
                assert!(
                    said.contains(&format!("by {wanted} (status 407)")),
                    "{fields:?}: {said}"
                );
            }
            let both = said(proxy, "Proxy-Authenticate: Negotiate, Basic realm=\"x\\\", y\"\r\n");
            assert!(
                both.contains("user name and password") && !both.contains("Negotiate"),
                "{both}"
            );
        }
    }
}
