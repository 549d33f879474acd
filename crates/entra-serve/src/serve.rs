//! The service behind a [`Server`](crate::Server).

use std::error::Error;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;

use crate::caller::Caller;

/// An error of a body.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The body of a response.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// The service behind a [`Server`](crate::Server).
pub trait Serve: Clone + Send + Sync + 'static {
    /// True if clients may also use HTTP/2 (with prior knowledge), and upgrade their connection to
    /// another protocol. By default they use HTTP/1.1 only.
    const STREAMS: bool = false;

    /// Responds to a request.
    fn serve(&self, request: Request<Incoming>, caller: &Caller) -> impl Future<Output = Response<Body>> + Send;
}
