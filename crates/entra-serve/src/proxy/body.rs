//! The bodies of requests and responses.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::activity::{Activity, Rest};
use crate::caller::Caller;
use crate::serve::BoxError;

/// The body of a request to the API.
#[derive(Debug)]
pub(super) enum RequestBody {
    /// A whole short body, which can be sent again.
    Short {
        data: Option<Bytes>,
        trailers: Option<HeaderMap>,
    },
    /// A body that is passed on as it comes.
    Stream(Moving),
}

impl RequestBody {
    /// Reads a body of a short known length, and leaves any other one to be passed on as it comes:
    /// its end may depend on the response.
    ///
    /// # Errors
    /// Returns the error of the client's connection.
    pub(super) async fn read(body: Incoming, activity: &Activity, caller: &Caller) -> Result<Self, BoxError> {
        let length = body.size_hint().exact();
        let body = Moving::new(body, activity.clone());
        if length.is_none_or(|length| length > LONGEST_COPY) {
            return Ok(Self::Stream(body));
        }
        let _waiting = caller.awaits_body();
        let whole = body.collect().await?;
        let trailers = whole.trailers().cloned();
        let data = Some(whole.to_bytes()).filter(|data| !data.is_empty());
        Ok(Self::Short { data, trailers })
    }

    /// Returns the body of a request that has none.
    pub(super) fn empty() -> Self {
        Self::Short {
            data: None,
            trailers: None,
        }
    }

    /// Returns a copy to send again, if the body is short.
    pub(super) fn copy(&self) -> Option<Self> {
        match self {
            Self::Short { data, trailers } => Some(Self::Short {
                data: data.clone(),
                trailers: trailers.clone(),
            }),
            Self::Stream(_) => None,
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match &mut *self {
            Self::Short { data, trailers } => Poll::Ready(
                data.take()
                    .map(Frame::data)
                    .or_else(|| trailers.take().map(Frame::trailers))
                    .map(Ok),
            ),
            Self::Stream(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Short { data, trailers } => data.is_none() && trailers.is_none(),
            Self::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Short { data, .. } => SizeHint::with_exact(data.as_ref().map_or(0, |data| data.len() as u64)),
            Self::Stream(body) => body.size_hint(),
        }
    }
}

/// A body that ends with an error once no byte of its exchange has moved for too long.
#[derive(Debug)]
pub(super) struct Moving {
    body: Incoming,
    activity: Activity,
    rest: Rest,
}

impl Moving {
    pub(super) fn new(body: Incoming, activity: Activity) -> Self {
        Self {
            body,
            activity,
            rest: Rest::default(),
        }
    }
}

impl Body for Moving {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.activity.record();
            return Poll::Ready(frame.map(|frame| frame.map_err(BoxError::from)));
        }
        this.rest
            .poll(&this.activity, cx)
            .map(|()| Some(Err(BoxError::from(NothingMoves))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The error of a body that does not move.
#[derive(Debug)]
pub(super) struct NothingMoves;

impl fmt::Display for NothingMoves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no byte moved for too long")
    }
}

impl Error for NothingMoves {}

/// The length of the longest body that is kept to be sent again, in bytes.
const LONGEST_COPY: u64 = 64 * 1024;
