//! The transport, and responses that are read in pieces.

use std::fmt;
use std::io::Read;
use std::sync::Arc;

use entra_transport::adapter::LocalRoute;
use entra_transport::tls::pinned;
use entra_transport::{
    BlockingTransport, Request, Response, TransportBuilder, TransportError, TransportErrorKind, TransportPolicy,
};
use http::Uri;
use rustls::ClientConfig;
use ureq::{Agent, BodyReader};

use crate::connect::Route;
use crate::error::{body_error, transport_error};
use crate::settings::agent;

/// A transport that sends token requests with ureq.
///
/// It is cheap to clone, and all clones share their connections. A request to a local endpoint of a
/// managed identity has a connection of its own, which no other request uses.
#[derive(Clone)]
pub struct UreqTransport {
    pub(crate) agent: Agent,
    pub(crate) policy: TransportPolicy,
    pub(crate) tls: Arc<ClientConfig>,
}

impl UreqTransport {
    /// Creates a transport with the default settings.
    ///
    /// # Errors
    /// Returns an error if the system has no certificate authorities, among others: see
    /// [`TransportBuilder::build`].
    pub fn new() -> Result<Self, TransportError> {
        Self::builder().build()
    }

    /// Returns a builder.
    pub fn builder() -> TransportBuilder<Self> {
        TransportBuilder::new()
    }
}

impl UreqTransport {
    /// Sends `request` and returns the response before its body is read, so that the caller reads
    /// the body in pieces.
    ///
    /// The rules for requests are those of [`send`](BlockingTransport::send), and the timeout
    /// includes the body. No rules apply to the body: it may have any length, and it may be
    /// compressed if the request allows that.
    ///
    /// # Errors
    /// Returns a [`TransportError`] if there is no response, or if the request may not be sent at
    /// all.
    pub fn open(&self, mut request: Request) -> Result<http::Response<OpenBody>, TransportError> {
        let route = self.policy.admit_routed(&mut request)?;
        check_logger()?;
        let agent = match route {
            None => self.agent.clone(),
            Some(route) => self.local(&route)?,
        };
        let uri = request.uri().clone();
        let (parts, body) = request.into_parts();
        let response = if body.is_empty() && !parts.method.is_safe() {
            agent.run(http::Request::from_parts(parts, &[][..]))
        } else if body.is_empty() {
            agent.run(http::Request::from_parts(parts, ()))
        } else {
            agent.run(http::Request::from_parts(parts, body.as_bytes()))
        };
        let (parts, body) = response.map_err(|e| transport_error(e, &uri))?.into_parts();
        let reader = body.into_reader();
        Ok(http::Response::from_parts(parts, OpenBody { reader, uri }))
    }

    /// Returns the agent for one request on a local route. Its connection ends with it.
    fn local(&self, route: &LocalRoute) -> Result<Agent, TransportError> {
        let tls = match route.pin() {
            Some(pin) => Arc::new(pinned(*pin)?),
            None => Arc::clone(&self.tls),
        };
        Ok(agent(&self.policy.on_route(route), Route::local(tls)))
    }
}

/// The body of a response that is read in pieces: see [`UreqTransport::open`].
pub struct OpenBody {
    reader: BodyReader<'static>,
    uri: Uri,
}

impl OpenBody {
    /// Reads bytes into `into` and returns their number, which is 0 at the end of the body.
    ///
    /// # Errors
    /// Returns a [`TransportError`] if the connection ends or the timeout passes before the body
    /// ends.
    pub fn read(&mut self, into: &mut [u8]) -> Result<usize, TransportError> {
        self.reader.read(into).map_err(|error| body_error(error, &self.uri))
    }
}

impl fmt::Debug for OpenBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenBody").finish_non_exhaustive()
    }
}

impl BlockingTransport for UreqTransport {
    fn send(&self, request: Request) -> Result<Response, TransportError> {
        let uri = request.uri().clone();
        let (parts, mut body) = self.open(request)?.into_parts();
        let mut collector = self.policy.admit_response(&parts.headers).map_err(|e| e.at(&uri))?;
        let mut chunk = zeroize::Zeroizing::new([0; 4096]);
        loop {
            match body.read(&mut *chunk)? {
                0 => break,
                length => collector.push(&chunk[..length]).map_err(|e| e.at(&uri))?,
            }
        }
        Ok(Response::from_parts(parts, collector.finish()))
    }
}

/// Returns an error if the logger records ureq's parser at the level `trace`. The parser then logs
/// every byte, including client secrets and tokens, and only the logger can prevent that.
fn check_logger() -> Result<(), TransportError> {
    if log::log_enabled!(target: WIRE_LOG, log::Level::Trace) {
        return Err(TransportError::new(
            TransportErrorKind::Configuration,
            "the logger records ureq_proto at the level trace, which would log secrets",
        )
        .with_hint("set ureq_proto=debug or ureq_proto=off in the filter of the logger"));
    }
    Ok(())
}

impl fmt::Debug for UreqTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UreqTransport")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

const WIRE_LOG: &str = "ureq_proto::util";
