use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use entra_proto::Timestamp;
use entra_proto::acquire::{Delivery, Exchange, SendFailure, Step};
use entra_proto::error::{Diagnose, Leg};
use http::Uri;

use crate::Proxy;
use crate::policy::endpoint;

/// The failure of a transport: no whole response came.
///
/// It is cheap to clone, so that everybody who waits for one request can have it. It tells a host and a port at most: no path,
/// no query, no header, no byte of a body.
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
    /// Creates an error of this kind with this problem, in lower case and without a full stop.
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

    /// Adds what to do about it.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.with(|inner| inner.hint = Some(hint.into()))
    }

    /// Adds the host and port of `uri`, and nothing else of it, unless the error names a host already.
    #[must_use]
    pub fn at(self, uri: &Uri) -> Self {
        if self.0.endpoint.is_some() {
            return self;
        }
        self.with(|inner| inner.endpoint = uri.host().map(|_| endpoint(uri)))
    }

    /// Names `proxy` as the host that failed, by its host and port.
    #[must_use]
    pub fn at_proxy(self, proxy: &Proxy) -> Self {
        self.with(|inner| inner.endpoint = Some(format!("the proxy {}:{}", proxy.host(), proxy.port())))
    }

    /// Notes that no byte of the request was sent, where the kind alone does not tell.
    #[must_use]
    pub fn unsent(self) -> Self {
        self.with(|inner| inner.delivery = Delivery::NotSent)
    }

    /// Adds what lies beneath. It must not quote requests or answers: its text ends up in logs.
    #[must_use]
    pub fn because(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let source: Box<dyn Error + Send + Sync> = source.into();
        self.with(|inner| inner.source = Some(Cause(source.into())))
    }

    /// Sets whether sending the request again may help, where the kind alone does not tell.
    #[must_use]
    pub fn retryable(self, retryable: bool) -> Self {
        self.with(|inner| inner.retryable = retryable)
    }

    /// Returns what to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> TransportErrorKind {
        self.0.kind
    }

    /// Whether sending the same request again may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// Returns whether no byte of the request was sent. If it is `false`, the service may have the request.
    #[must_use]
    pub fn is_unsent(&self) -> bool {
        self.0.delivery == Delivery::NotSent
    }

    /// Returns the failure as an acquisition needs it. The acquisition decides whether the request is sent again.
    #[must_use]
    pub fn failure(&self) -> SendFailure {
        if self.is_retryable() {
            SendFailure::transient(self.0.delivery)
        } else {
            SendFailure::permanent(self.0.delivery)
        }
    }

    /// Hands the failure to the acquisition that it happened to, and returns what the acquisition does next.
    ///
    /// # Errors
    /// Returns this error if the request is not sent again. It names the request if it was one of several.
    pub fn next_step(self, exchange: Exchange, now: Timestamp) -> Result<Step, Self> {
        let leg = exchange.leg();
        exchange
            .failed(self.failure(), now)
            .ok_or_else(|| self.with(|inner| inner.leg = leg))
    }

    /// The error for a host whose name has no address.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(TransportErrorKind::Dns, "the host's name is not found")
            .with_hint("check the name and the network; a machine without /etc/hosts does not know localhost")
    }

    /// The error for a host that takes no connection.
    #[must_use]
    pub fn not_connected() -> Self {
        Self::new(TransportErrorKind::Connect, "no connection").with_hint("check the host, the network and the proxy")
    }

    /// The error for a connection that took too long. No byte of the request was sent.
    #[must_use]
    pub fn late_connection() -> Self {
        Self::new(TransportErrorKind::Timeout, "no connection in time")
            .with_hint("check the network and the proxy, or allow more time")
            .unsent()
    }

    /// The error for a response that took too long.
    #[must_use]
    pub fn late_response() -> Self {
        Self::new(TransportErrorKind::Timeout, "no whole response in time")
            .with_hint("try again a little later, or allow more time")
    }

    /// The error for a connection that ended before the response did.
    #[must_use]
    pub fn interrupted() -> Self {
        Self::new(
            TransportErrorKind::Interrupted,
            "the connection ended before the response did",
        )
        .with_hint("try again; if it stays so, look for a proxy that cuts responses")
    }

    /// The error for a response that is not HTTP.
    #[must_use]
    pub fn malformed() -> Self {
        Self::new(
            TransportErrorKind::Malformed,
            "what came back is not HTTP as it should be",
        )
        .with_hint("check the host and the port, and look for a proxy between this machine and the service")
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        Self::new(
            TransportErrorKind::TooLarge,
            format!("the response is longer than {limit} bytes, so it was not read"),
        )
        .with_hint("check the host: no token response is so long")
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

/// Where it happened, and what.
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

/// An error of another crate. Its `Debug` is its text alone: derived ones show requests with their URL and headers.
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
    /// The request may not be sent: plain http, a user name in the URI, no absolute URI. Nothing was sent.
    Refused,
    /// The host's name was not found.
    Dns,
    /// No connection: nobody listens, no route, or a proxy said no.
    Connect,
    /// The proxy answers 407: it wants a user name and password, others than it got, or another way to authenticate. It is never
    /// retryable, as each try may count as a wrong password.
    ProxyAuthentication,
    /// No TLS connection: the server is not who it should be, or the two have no protocol in common. No byte of the request was
    /// sent. Sending again helps only where the server closed in the middle of the handshake.
    Tls,
    /// The deadline passed.
    Timeout,
    /// The connection ended before the answer did.
    Interrupted,
    /// The answer is longer than allowed.
    TooLarge,
    /// The answer's body is compressed.
    Encoding,
    /// What came back is not HTTP as it should be.
    Malformed,
    /// The transport could not be built as asked.
    Configuration,
    /// Anything else.
    Other,
}

impl TransportErrorKind {
    /// Whether sending the same request again may help with failures of this kind.
    fn is_retryable(self) -> bool {
        matches!(self, Self::Dns | Self::Connect | Self::Timeout | Self::Interrupted)
    }

    /// Returns whether the service may have the request after failures of this kind.
    fn delivery(self) -> Delivery {
        use TransportErrorKind::{Configuration, Connect, Dns, ProxyAuthentication, Refused, Tls};
        match self {
            Refused | Dns | Connect | ProxyAuthentication | Tls | Configuration => Delivery::NotSent,
            _ => Delivery::MaybeSent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_host_and_port_and_no_more_of_a_uri() {
        let uri = Uri::from_static("https://login.example/tenant-canary/token?secret=canary");
        let error = TransportError::new(TransportErrorKind::Connect, "cannot connect").at(&uri);
        assert_eq!(error.to_string(), "login.example:443: cannot connect");
        assert!(!format!("{error:?}").contains("canary"));
    }

    #[test]
    fn the_host_that_failed_is_named_once() {
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
    fn a_late_connection_sent_nothing_and_a_late_response_may_have() {
        let (connection, response) = (TransportError::late_connection(), TransportError::late_response());
        assert_eq!(connection.kind(), response.kind());
        assert!(connection.is_unsent() && !response.is_unsent());
        assert!(connection.is_retryable() && response.is_retryable());
    }

    #[test]
    fn a_clone_keeps_its_source_and_a_change_leaves_the_clone_alone() {
        let error = TransportError::new(TransportErrorKind::Tls, "closed").because("reset");
        let retryable = error.clone().retryable(true);
        assert!(!error.is_retryable() && retryable.is_retryable());
        assert_eq!(retryable.source().unwrap().to_string(), "reset");
    }
}
