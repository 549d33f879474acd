//! Response bodies, including faulty ones.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::server::Broken;
use crate::state::fault::Cut;

/// A body that can be truncated, repeated or endless, without more memory than its pattern.
pub(crate) struct WireBody {
    pattern: Bytes,
    /// The number of bytes still to send; `None` for an endless body.
    left: Option<u64>,
    /// The number of bytes that `Content-Length` still promises, if it is sent.
    promised: Option<u64>,
    /// True after the server had the chance to send the bytes before the break.
    flushed: bool,
}

impl WireBody {
    pub(crate) fn new(bytes: Vec<u8>, cut: Cut) -> Self {
        let whole = bytes.len() as u64;
        let pattern = if bytes.is_empty() {
            Bytes::from_static(b" ")
        } else {
            Bytes::from(bytes)
        };
        let (left, promised) = match cut {
            Cut::Whole | Cut::Reset => (Some(whole), Some(whole)),
            // At least one byte must be missing, so that the body is truncated.
            Cut::After(bytes) => (Some(whole.min(bytes as u64)), Some(whole.max(bytes as u64 + 1))),
            Cut::Repeated(bytes) => (Some(bytes), Some(bytes)),
            Cut::Endless => (None, None),
        };
        Self {
            pattern,
            left,
            promised,
            flushed: false,
        }
    }

    fn is_short(&self) -> bool {
        self.promised.is_some_and(|promised| promised > 0)
    }
}

impl Body for WireBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let length = self.left.unwrap_or(u64::MAX).min(self.pattern.len() as u64);
        if length == 0 {
            if self.is_short() && !self.flushed {
                // hyper discards its buffer when a body fails, but sends it when a body is not
                // ready.
                self.flushed = true;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            return Poll::Ready(self.is_short().then_some(Err(Broken)));
        }
        if let Some(left) = &mut self.left {
            *left -= length;
        }
        if let Some(promised) = &mut self.promised {
            *promised -= length;
        }
        let frame = self.pattern.slice(..length as usize);
        Poll::Ready(Some(Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0) && !self.is_short()
    }

    fn size_hint(&self) -> SizeHint {
        self.promised.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
