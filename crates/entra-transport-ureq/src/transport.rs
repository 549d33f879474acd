use std::fmt;
use std::io::Read;

use entra_transport::{
    BlockingTransport, Policy, Request, Response, TransportBuilder, TransportError, TransportErrorKind,
};
use http::Uri;
use ureq::{Agent, BodyReader};

use crate::error::{interrupted, told};

/// Sends token requests over ureq.
///
/// Cheap to clone: all clones share their connections.
#[derive(Clone)]
pub struct UreqTransport {
    pub(crate) agent: Agent,
    pub(crate) policy: Policy,
}

impl UreqTransport {
    /// A transport with everything at its default.
    ///
    /// # Errors
    /// Where the system trusts no certificate authority: see [`TransportBuilder::build`].
    pub fn new() -> Result<Self, TransportError> {
        Self::builder().build()
    }

    /// Starts to build one.
    pub fn builder() -> TransportBuilder<Self> {
        TransportBuilder::new()
    }
}

impl UreqTransport {
    /// Sends `request`, and returns the response before its body, which is read in pieces.
    ///
    /// The rules for requests are those of [`send`](BlockingTransport::send), and the timeout includes the body. There are none for
    /// the body: it may have any length, and it is compressed where the request allows that.
    ///
    /// # Errors
    /// [`TransportError`] if there is no response, or the request may not be sent at all.
    pub fn open(&self, mut request: Request) -> Result<http::Response<OpenBody>, TransportError> {
        self.policy.admit(&mut request)?;
        refuse_to_be_logged()?;
        let uri = request.uri().clone();
        let (parts, body) = request.into_parts();
        let agent = &self.agent;
        let answer = if body.is_empty() && !parts.method.is_safe() {
            agent.run(http::Request::from_parts(parts, &[][..]))
        } else if body.is_empty() {
            agent.run(http::Request::from_parts(parts, ()))
        } else {
            agent.run(http::Request::from_parts(parts, body.as_bytes()))
        };
        let (parts, body) = answer.map_err(|e| told(e, &uri))?.into_parts();
        let reader = body.into_reader();
        Ok(http::Response::from_parts(parts, OpenBody { reader, uri }))
    }
}

/// The body of a response that is read in pieces: see [`UreqTransport::open`].
pub struct OpenBody {
    reader: BodyReader<'static>,
    uri: Uri,
}

impl OpenBody {
    /// Reads some bytes into `into`, and returns how many: none at the end.
    ///
    /// # Errors
    /// [`TransportError`] if the connection or the time ends before the body does.
    pub fn read(&mut self, into: &mut [u8]) -> Result<usize, TransportError> {
        self.reader.read(into).map_err(|error| interrupted(error, &self.uri))
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
        let mut collector = self.policy.admit_answer(&parts.headers).map_err(|e| e.at(&uri))?;
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

/// At the level `trace`, ureq's parser writes every byte it sees into the log: client secrets on the way out, tokens on the way
/// back. There is no switch for it but the logger's own.
fn refuse_to_be_logged() -> Result<(), TransportError> {
    if log::log_enabled!(target: WIRE_LOG, log::Level::Trace) {
        return Err(TransportError::new(
            TransportErrorKind::Configuration,
            "the logger records ureq_proto at the level trace, which would put secrets into the log",
        )
        .with_hint("set ureq_proto=debug (or off) in the logger's filter"));
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
