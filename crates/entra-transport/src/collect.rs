//! The body of a response, collected within a limit and without copies left in memory.

use std::fmt;

use zeroize::Zeroizing;

use crate::{Body, TransportError};

/// A buffer for the body of a response, with a size limit. It leaves no copy of the body in memory.
///
/// A body contains a token. A growing `Vec` frees its old memory without clearing it, so this
/// buffer grows by itself and overwrites the old memory first.
///
/// ```
/// use entra_transport::adapter::Collector;
///
/// let mut collector = Collector::new(8);
/// collector.push(b"12345678")?;
/// assert!(collector.push(b"9").is_err());
/// assert_eq!(collector.finish().as_bytes(), b"12345678");
/// # Ok::<(), entra_transport::TransportError>(())
/// ```
pub struct Collector {
    bytes: Zeroizing<Vec<u8>>,
    limit: usize,
}

impl Collector {
    /// Creates an empty buffer that can grow to `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            bytes: Zeroizing::new(Vec::new()),
            limit,
        }
    }

    /// Reserves memory for a body of this length, so that the buffer does not have to grow.
    #[must_use]
    pub fn expecting(mut self, length: usize) -> Self {
        self.grow(length.min(self.limit));
        self
    }

    /// Appends `chunk`.
    ///
    /// # Errors
    /// Returns [`TransportErrorKind::TooLarge`](crate::TransportErrorKind::TooLarge) and appends
    /// nothing if the body would exceed the limit.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), TransportError> {
        let length = self.bytes.len().saturating_add(chunk.len());
        if length > self.limit {
            return Err(TransportError::too_large(self.limit));
        }
        if length > self.bytes.capacity() {
            self.grow(
                length
                    .max(self.bytes.capacity().saturating_mul(2))
                    .clamp(FIRST, self.limit.max(FIRST)),
            );
        }
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }

    /// Returns the complete body.
    #[must_use]
    pub fn finish(mut self) -> Body {
        Body::new(std::mem::take(&mut *self.bytes))
    }

    fn grow(&mut self, capacity: usize) {
        let mut larger = Zeroizing::new(Vec::with_capacity(capacity));
        larger.extend_from_slice(&self.bytes);
        self.bytes = larger;
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Collector({} of {} bytes)", self.bytes.len(), self.limit)
    }
}

/// The first size of the buffer in bytes. Most token responses fit, so that it does not have to
/// grow.
const FIRST: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TransportErrorKind;

    #[test]
    fn body_may_reach_limit_but_not_exceed_it() {
        let mut collector = Collector::new(20_000);
        for _ in 0..20 {
            collector.push(&[7; 1000]).unwrap();
        }
        assert_eq!(collector.push(b"x").unwrap_err().kind(), TransportErrorKind::TooLarge);
        assert_eq!(collector.finish().as_bytes(), [7; 20_000]);
    }

    #[test]
    fn debug_shows_no_byte_of_body() {
        let mut collector = Collector::new(100);
        collector.push(b"canary").unwrap();
        assert_eq!(format!("{collector:?}"), "Collector(6 of 100 bytes)");
    }
}
