//! The error of a transport: the kind, the host, and whether the request may have been sent.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use entra_proto::acquire::{Delivery, SendFailure};
use entra_proto::error::hints::{CUT_RESPONSE, TRY_LATER};
use entra_proto::error::{Diagnose, Leg};
use http::Uri;

use crate::Proxy;
use crate::policy::endpoint;

/// The failure of a transport: there is no complete response.
///
/// It is cheap to clone, so that all callers that wait for one request can have it. It contains at
/// most a host and a port: no path, no query, no header, and no byte of a body.
///
/// ```
/// use entra_transport::{TransportError, TransportErrorKind};
///
/// let uri = "https://login.example/contoso.com".parse().unwrap();
/// let error = TransportError::new(TransportErrorKind::Connect, "no route")
///     .with_hint("check the network")
///     .at(&uri);
/// assert_eq!(error.to_string(), "login.example:443: no route");
/// assert_eq!(error.hint(), Some("check the network"));
/// assert!(error.is_retryable() && error.is_unsent());
/// ```
#[derive(Clone, Debug)]
pub struct TransportError(Arc<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    kind: TransportErrorKind,
    retryable: bool,
    delivery: Delivery,
    leg: Option<Leg>,
    problem: Cow<'static, str>,
    hint: Option<Cow<'static, str>>,
    endpoint: Option<String>,
    source: Option<Cause>,
}

impl TransportError {
    /// Creates an error of this kind. `problem` is in lower case and has no full stop.
    #[must_use]
    pub fn new(kind: TransportErrorKind, problem: impl Into<Cow<'static, str>>) -> Self {
        let retryable = kind.is_retryable();
        Self(Arc::new(Inner {
            kind,
            retryable,
            delivery: kind.delivery(),
            leg: None,
            problem: problem.into(),
            hint: None,
            endpoint: None,
            source: None,
        }))
    }

    /// Sets the hint: what to do about the error.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.with(|inner| inner.hint = Some(hint.into()))
    }

    /// Adds the host and port of `uri`, and nothing else of it, unless the error has a host
    /// already.
    #[must_use]
    pub fn at(self, uri: &Uri) -> Self {
        if self.0.endpoint.is_some() {
            return self;
        }
        self.with(|inner| inner.endpoint = uri.host().map(|_| endpoint(uri)))
    }

    /// Sets `proxy` as the host that failed, with its host and port.
    #[must_use]
    pub fn at_proxy(self, proxy: &Proxy) -> Self {
        self.with(|inner| inner.endpoint = Some(format!("the proxy {}:{}", proxy.host(), proxy.port())))
    }

    /// Marks the request as not sent, not even in part, if the kind alone does not imply it.
    #[must_use]
    pub fn unsent(self) -> Self {
        self.with(|inner| inner.delivery = Delivery::NotSent)
    }

    /// Sets the cause. Its text must not contain parts of requests or responses, since it appears
    /// in logs.
    #[must_use]
    pub fn because(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let source: Box<dyn Error + Send + Sync> = source.into();
        self.with(|inner| inner.source = Some(Cause(source.into())))
    }

    /// Sets whether sending the request again may help, if the kind alone does not imply it.
    #[must_use]
    pub fn retryable(self, retryable: bool) -> Self {
        self.with(|inner| inner.retryable = retryable)
    }

    /// Returns what to do about the error, if that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Returns the kind of the failure.
    #[must_use]
    pub fn kind(&self) -> TransportErrorKind {
        self.0.kind
    }

    /// Returns whether sending the same request again may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// Returns whether no byte of the request was sent. If `false`, the service may have received
    /// it.
    #[must_use]
    pub fn is_unsent(&self) -> bool {
        self.0.delivery == Delivery::NotSent
    }

    /// Returns the failure in the form of an acquisition, which decides whether to send the request
    /// again.
    #[must_use]
    pub fn failure(&self) -> SendFailure {
        if self.is_retryable() {
            SendFailure::transient(self.0.delivery)
        } else {
            SendFailure::permanent(self.0.delivery)
        }
    }

    /// Names the request of an acquisition that takes several.
    pub(crate) fn of_leg(self, leg: Option<Leg>) -> Self {
        self.with(|inner| inner.leg = leg)
    }

    /// Creates the error for a host whose name has no address.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(TransportErrorKind::Dns, "the host name was not found")
            .with_hint("check the host name and the network; on a machine without /etc/hosts, localhost has no address")
    }

    /// Creates the error for a host that accepts no connection.
    #[must_use]
    pub fn not_connected() -> Self {
        Self::new(TransportErrorKind::Connect, "no connection").with_hint("check the host, the network and the proxy")
    }

    /// Creates the error for a connection that took too long. No byte of the request was sent.
    #[must_use]
    pub fn late_connection() -> Self {
        Self::new(TransportErrorKind::Timeout, "no connection in time")
            .with_hint(SLOW_CONNECTION)
            .unsent()
    }

    /// Creates the error for a connection through `proxy` that took too long, if it is not known
    /// which of the proxy and the host was slow. No byte of the request was sent.
    #[must_use]
    pub fn late_connection_through(proxy: &Proxy) -> Self {
        let problem = format!(
            "no connection through the proxy {}:{} in time",
            proxy.host(),
            proxy.port()
        );
        Self::new(TransportErrorKind::Timeout, problem)
            .with_hint(SLOW_CONNECTION)
            .unsent()
    }

    /// Creates the error for a response that took too long.
    #[must_use]
    pub fn late_response() -> Self {
        Self::new(TransportErrorKind::Timeout, "no complete response in time")
            .with_hint(format!("{TRY_LATER}, or set a longer timeout"))
    }

    /// Creates the error for a connection that ended before the response did.
    #[must_use]
    pub fn interrupted() -> Self {
        Self::new(
            TransportErrorKind::Interrupted,
            "the connection ended before the response did",
        )
        .with_hint(CUT_RESPONSE)
    }

    /// Creates the error for a response that is not well-formed HTTP.
    #[must_use]
    pub fn malformed() -> Self {
        Self::new(TransportErrorKind::Malformed, "the response is not well-formed HTTP")
            .with_hint("check the host and the port, and look for a proxy between this machine and the service")
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        Self::new(
            TransportErrorKind::TooLarge,
            format!("the response is longer than {limit} bytes and was not read"),
        )
        .with_hint("check the host: token responses are shorter")
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

/// The request if there are several, the host, and the problem.
impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(leg) = &self.0.leg {
            write!(f, "{leg}: ")?;
        }
        if let Some(endpoint) = &self.0.endpoint {
            write!(f, "{endpoint}: ")?;
        }
        f.write_str(&self.0.problem)
    }
}

impl Error for TransportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_ref().map(|cause| &*cause.0 as _)
    }
}

impl Diagnose for TransportError {
    fn hint(&self) -> Option<&str> {
        self.hint()
    }
}

/// An error of another crate. `Debug` shows its text only, because the derived `Debug` of such
/// errors may show requests with their URL and headers.
#[derive(Clone)]
struct Cause(Arc<dyn Error + Send + Sync>);

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0.to_string(), f)
    }
}

/// The kinds of [`TransportError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// The request is not allowed: plain http, a user name in the URI, or a relative URI. Nothing
    /// was sent.
    NotAllowed,
    /// The host name was not found.
    Dns,
    /// There is no connection: the port is closed, there is no route, or a proxy opened no tunnel.
    Connect,
    /// The proxy responded with 407: it requires a user name and password, a correct one, or
    /// another authentication scheme. Never retryable, because each attempt may count as a wrong
    /// password.
    ProxyAuthentication,
    /// There is no TLS connection: the server's certificate is not accepted, or the server supports
    /// no common protocol. No byte of the request was sent. A retry helps only if the server closed
    /// the connection during the handshake.
    Tls,
    /// The deadline passed.
    Timeout,
    /// The connection ended before the response did.
    Interrupted,
    /// The response is longer than allowed.
    TooLarge,
    /// The body of the response is compressed.
    Encoding,
    /// The response is not well-formed HTTP.
    Malformed,
    /// The transport cannot be built with its settings.
    Configuration,
    /// Any other failure.
    Other,
}

impl TransportErrorKind {
    /// Returns whether sending the same request again may help after a failure of this kind.
    fn is_retryable(self) -> bool {
        matches!(self, Self::Dns | Self::Connect | Self::Timeout | Self::Interrupted)
    }

    /// Returns whether the service may have received the request after a failure of this kind.
    fn delivery(self) -> Delivery {
        use TransportErrorKind::{Configuration, Connect, Dns, NotAllowed, ProxyAuthentication, Tls};
        match self {
            NotAllowed | Dns | Connect | ProxyAuthentication | Tls | Configuration => Delivery::NotSent,
            _ => Delivery::MaybeSent,
        }
    }
}

const SLOW_CONNECTION: &str = "check the network and the proxy, or set a longer timeout";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_has_only_host_and_port_of_uri() {
        let uri = Uri::from_static("https://login.example/tenant-canary/token?secret=canary");
        let error = TransportError::not_connected().at(&uri);
        assert_eq!(error.to_string(), "login.example:443: no connection");
        assert!(!format!("{error:?}").contains("canary"));
    }

    #[test]
    fn failed_host_is_named_once() {
        let proxies = crate::Proxies::through("http://user:canary@proxy.example:3128").unwrap();
        let error = TransportError::not_connected().at_proxy(proxies.proxy().unwrap());
        let error = error.at(&Uri::from_static("https://login.example/"));
        assert!(
            error
                .to_string()
                .starts_with("the proxy proxy.example:3128: no connection")
        );
        assert!(!format!("{error:?}").contains("canary"));
    }

    #[test]
    fn only_late_response_may_have_been_sent() {
        let (connection, response) = (TransportError::late_connection(), TransportError::late_response());
        assert_eq!(connection.kind(), response.kind());
        assert!(connection.is_unsent() && !response.is_unsent());
        assert!(connection.is_retryable() && response.is_retryable());
    }

    #[test]
    fn clone_has_same_source_and_is_independent() {
        let error = TransportError::new(TransportErrorKind::Tls, "closed").because("reset");
        let retryable = error.clone().retryable(true);
        assert!(!error.is_retryable() && retryable.is_retryable());
        assert_eq!(retryable.source().unwrap().to_string(), "reset");
    }
}
