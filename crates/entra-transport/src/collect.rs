use std::fmt;

use zeroize::Zeroizing;

use crate::{Body, TransportError};

/// Puts the body of an answer together, within a limit, and leaves no copy of it behind.
///
/// A body holds a token. A `Vec` that grows frees its old memory as it is, so this one grows by hand: each outgrown piece of
/// memory is overwritten first.
pub struct Collector {
    bytes: Zeroizing<Vec<u8>>,
    limit: usize,
}

impl Collector {
    /// An empty body that may grow to `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            bytes: Zeroizing::new(Vec::new()),
            limit,
        }
    }

    /// Makes room for a body of this length at once, so that it never has to grow.
    #[must_use]
    pub fn expecting(mut self, length: usize) -> Self {
        self.grow(length.min(self.limit));
        self
    }

    /// Adds `chunk` at the end.
    ///
    /// # Errors
    /// [`TransportErrorKind::TooLarge`](crate::TransportErrorKind::TooLarge) where the body would be longer than the limit;
    /// nothing is added then.
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

    /// The body, complete.
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

/// What a token answer usually needs, so that it never has to grow.
const FIRST: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TransportErrorKind;

    #[test]
    fn the_limit_itself_is_allowed_and_one_more_is_not() {
        let mut collector = Collector::new(20_000);
        for _ in 0..20 {
            collector.push(&[7; 1000]).unwrap();
        }
        assert_eq!(collector.push(b"x").unwrap_err().kind(), TransportErrorKind::TooLarge);
        assert_eq!(collector.finish().as_bytes(), [7; 20_000]);
    }

    #[test]
    fn debug_shows_no_byte() {
        let mut collector = Collector::new(100);
        collector.push(b"canary").unwrap();
        assert_eq!(format!("{collector:?}"), "Collector(6 of 100 bytes)");
    }
}
