//! The bare operations that ours are compared with, where a row has none of its own. They are
//! measured in the same run: machines differ by half, and so does one machine by the hour.

use bytes::Bytes;
use http::HeaderValue;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// The two clocks that each use of a cached token reads: one for its expiry, and one that is not
/// set back. Both are the coarse ones.
pub(crate) fn two_clock_reads() -> (Timespec, Timespec) {
    (
        clock_gettime(ClockId::RealtimeCoarse),
        clock_gettime(ClockId::MonotonicCoarse),
    )
}

/// A header as long as that of a token, in memory that its clones share.
pub(crate) fn header() -> HeaderValue {
    HeaderValue::from_maybe_shared(Bytes::from(format!("Bearer {}", "a".repeat(1500)))).unwrap()
}
