use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use entra_proto::{Exchange, Step, Timestamp};
use http::Uri;

use crate::endpoint;

/// Why no whole answer came.
///
/// It is cheap to clone, so that everybody who waits for one request can have it. It tells a host and a port at most: no path,
/// no query, no header, no byte of a body.
#[derive(Clone)]
pub struct TransportError(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: TransportErrorKind,
    retryable: bool,
    message: Cow<'static, str>,
    endpoint: Option<String>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl TransportError {
    /// An error of this kind; `message` says what is wrong and what to do, in lower case and without a full stop.
    #[must_use]
    pub fn new(kind: TransportErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        let retryable = kind.is_retryable();
        Self(Arc::new(Inner {
            kind,
            retryable,
            message: message.into(),
            endpoint: None,
            source: None,
        }))
    }

    /// Adds the host and port of `uri`, and nothing else of it.
    #[must_use]
    pub fn at(self, uri: &Uri) -> Self {
        self.with(|inner| inner.endpoint = uri.host().map(|_| endpoint(uri)))
    }

    /// Adds what lies beneath. It must not quote requests or answers: its text ends up in logs.
    #[must_use]
    pub fn because(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let source: Box<dyn Error + Send + Sync> = source.into();
        self.with(|inner| inner.source = Some(source.into()))
    }

    /// Sets whether sending the request again may help, where the kind alone does not tell.
    #[must_use]
    pub fn retryable(self, retryable: bool) -> Self {
        self.with(|inner| inner.retryable = retryable)
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

    /// What an acquisition does where this came in the place of an answer: another try, after a pause.
    ///
    /// # Errors
    /// This error, where it will not pass, where there must not be another try, and where it is not worth one.
    pub fn next_step(self, exchange: Exchange, now: Timestamp) -> Result<Step, Self> {
        let step = match self.kind() {
            _ if !self.is_retryable() => None,
            TransportErrorKind::Dns | TransportErrorKind::Connect | TransportErrorKind::Tls => exchange.unsent(now),
            _ => exchange.interrupted(now),
        };
        step.ok_or(self)
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        Self::new(
            TransportErrorKind::TooLarge,
            format!("the answer is longer than {limit} bytes, so it was not read: no token answer is"),
        )
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(endpoint) = &self.0.endpoint {
            write!(f, "{endpoint}: ")?;
        }
        f.write_str(&self.0.message)
    }
}

/// The text of `Display` and of all that lies beneath: it is what a `main` that returns the error shows.
impl fmt::Debug for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        in_full(self, f)
    }
}

/// An error and all its sources, in one line.
pub(crate) fn in_full(error: &dyn Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{error}")?;
    let mut beneath = error.source();
    while let Some(source) = beneath {
        write!(f, ": {source}")?;
        beneath = source.source();
    }
    Ok(())
}

impl Error for TransportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
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
    fn a_clone_keeps_its_source_and_a_change_leaves_the_clone_alone() {
        let error = TransportError::new(TransportErrorKind::Tls, "closed").because("reset");
        let retryable = error.clone().retryable(true);
        assert!(!error.is_retryable() && retryable.is_retryable());
        assert_eq!(retryable.source().unwrap().to_string(), "reset");
    }
}
