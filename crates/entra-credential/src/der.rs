//! A reader of DER.

use std::fmt;

/// A reader of DER (X.690) elements in a slice. It copies nothing, never recurses and never reads
/// beyond the slice.
#[derive(Clone, Copy)]
pub(crate) struct Der<'a> {
    rest: &'a [u8],
}

/// An element: its tag, its contents, and all of its bytes.
#[derive(Clone, Copy)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) value: &'a [u8],
    pub(crate) whole: &'a [u8],
}

/// The reason why bytes are not the expected DER.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DerError {
    /// The bytes end early, or another element is in this place.
    Damaged,
    /// The bytes are BER: a length has a form that DER does not permit.
    Ber,
}

impl<'a> Der<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Reads the next element with any tag.
    pub(crate) fn any(&mut self) -> Result<Element<'a>, DerError> {
        let [tag, first, rest @ ..] = self.rest else {
            return Err(DerError::Damaged);
        };
        // Certificates, keys and PFX files have no tag of more than one byte.
        if tag & 0x1f == 0x1f {
            return Err(DerError::Damaged);
        }
        let (length, rest) = match first {
            0..0x80 => (usize::from(*first), rest),
            0x80 => return Err(DerError::Ber),
            _ => long_length(usize::from(first & 0x7f), rest)?,
        };
        let (value, rest) = rest.split_at_checked(length).ok_or(DerError::Damaged)?;
        let (whole, _) = self
            .rest
            .split_at_checked(self.rest.len() - rest.len())
            .ok_or(DerError::Damaged)?;
        self.rest = rest;
        Ok(Element {
            tag: *tag,
            value,
            whole,
        })
    }

    /// Reads the next element, which must have this tag.
    pub(crate) fn element(&mut self, tag: u8) -> Result<Element<'a>, DerError> {
        match self.any()? {
            element if element.tag == tag => Ok(element),
            // BER may write a string in segments.
            element if element.tag == tag | CONSTRUCTED => Err(DerError::Ber),
            _ => Err(DerError::Damaged),
        }
    }

    /// Reads the contents of the next element, which must have this tag.
    pub(crate) fn value(&mut self, tag: u8) -> Result<&'a [u8], DerError> {
        Ok(self.element(tag)?.value)
    }

    /// Returns a reader of the contents of the next element, which must have this tag.
    pub(crate) fn inside(&mut self, tag: u8) -> Result<Self, DerError> {
        Ok(Self::new(self.value(tag)?))
    }

    /// Reads the next element if it has this tag. Otherwise reads nothing.
    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>, DerError> {
        if self.peek() == Some(tag) {
            self.element(tag).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Reads the next element, an INTEGER that is not negative. Returns its bytes without leading
    /// zeros.
    pub(crate) fn natural(&mut self) -> Result<&'a [u8], DerError> {
        let value = self.value(INTEGER)?;
        match value.first() {
            Some(0..0x80) => Ok(without_leading_zeros(value)),
            _ => Err(DerError::Damaged),
        }
    }

    /// Reads the next element, an INTEGER from 0 to 2^64 - 1. A larger one is returned as the
    /// largest, because all of these are limits and counts.
    #[cfg(any(feature = "pfx", test))]
    pub(crate) fn count(&mut self) -> Result<u64, DerError> {
        let bytes = self.natural()?;
        if bytes.len() > 8 {
            return Ok(u64::MAX);
        }
        Ok(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// Returns the tag of the next element.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Returns the bytes that have not been read yet.
    #[cfg(feature = "pfx")]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Returns an error if anything is left.
    pub(crate) fn end(&self) -> Result<(), DerError> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(DerError::Damaged)
        }
    }
}

/// Reads a length of this many bytes. Returns it and the bytes after it.
fn long_length(bytes: usize, rest: &[u8]) -> Result<(usize, &[u8]), DerError> {
    // Four bytes are 4 GiB: no readable file is that long.
    if bytes > 4 {
        return Err(DerError::Damaged);
    }
    let (length, rest) = rest.split_at_checked(bytes).ok_or(DerError::Damaged)?;
    if length.first() == Some(&0) {
        return Err(DerError::Ber);
    }
    let number = length.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
    if number < 0x80 {
        return Err(DerError::Ber);
    }
    let number = usize::try_from(number).map_err(|_| DerError::Damaged)?;
    Ok((number, rest))
}

/// Returns the bytes of a number without leading zeros.
pub(crate) fn without_leading_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

/// Returns an OBJECT IDENTIFIER in dotted decimal, from its contents.
pub(crate) struct Oid<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Oid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut number = 0_u64;
        let mut first = true;
        // No standard has a longer one, and error messages stay short.
        for byte in self.0.iter().take(64) {
            number = number << 7 | u64::from(byte & 0x7f);
            if byte & 0x80 != 0 {
                continue;
            }
            if first {
                let top = (number / 40).min(2);
                write!(f, "{top}.{}", number - top * 40)?;
                first = false;
            } else {
                write!(f, ".{number}")?;
            }
            number = 0;
        }
        Ok(())
    }
}

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OID: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;
pub(crate) const UTC_TIME: u8 = 0x17;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
/// The tag `[0]` around an element.
pub(crate) const CONTEXT_0: u8 = 0xa0;
/// The tag `[0]` in place of the tag of a string.
#[cfg(feature = "pfx")]
pub(crate) const CONTEXT_0_STRING: u8 = 0x80;
/// The bit of a tag for an element that contains elements.
const CONSTRUCTED: u8 = 0x20;

/// Returns the length of a number without leading zeros.
pub(crate) fn bits(number: &[u8]) -> usize {
    let leading = number.first().map_or(0, |byte| byte.leading_zeros());
    (number.len() * 8).saturating_sub(usize::try_from(leading).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_counted_from_the_first_one() {
        assert_eq!(bits(&[0x80, 0]), 16);
        assert_eq!(bits(&[0x01, 0]), 9);
        assert_eq!(bits(&[]), 0);
    }

    #[test]
    fn elements_are_read_in_sequence() {
        let mut der = Der::new(&[0x02, 1, 7, 0x30, 3, 0x02, 1, 9]);
        assert_eq!(der.count(), Ok(7));
        let mut inner = der.inside(SEQUENCE).unwrap();
        assert_eq!(inner.count(), Ok(9));
        assert_eq!((inner.end(), der.end()), (Ok(()), Ok(())));
        assert!(der.any().is_err());
    }

    #[test]
    fn what_is_not_der_is_named() {
        let fault = |bytes: &[u8]| Der::new(bytes).any().map(|_| ()).unwrap_err();
        assert_eq!(fault(&[0x30, 0x80, 0, 0]), DerError::Ber);
        assert_eq!(fault(&[0x30, 0x81, 1, 0]), DerError::Ber);
        assert_eq!(fault(&[0x30, 0x82, 0, 1, 0]), DerError::Ber);
        assert_eq!(fault(&[0x30, 2, 0]), DerError::Damaged);
        assert_eq!(fault(&[0x30, 0x85, 1, 1, 1, 1, 1]), DerError::Damaged);
        assert_eq!(fault(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), DerError::Damaged);
        assert_eq!(Der::new(&[0x24, 0]).value(OCTET_STRING), Err(DerError::Ber));
    }

    #[test]
    fn numbers_are_not_negative_and_saturate() {
        assert_eq!(Der::new(&[2, 1, 0xff]).count(), Err(DerError::Damaged));
        assert_eq!(Der::new(&[2, 0]).count(), Err(DerError::Damaged));
        assert_eq!(Der::new(&[2, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0]).count(), Ok(u64::MAX));
        assert_eq!(
            Der::new(&[2, 9, 0, 255, 255, 255, 255, 255, 255, 255, 255]).count(),
            Ok(u64::MAX)
        );
    }

    #[test]
    fn object_identifiers_are_dotted() {
        assert_eq!(
            Oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1]).to_string(),
            "1.2.840.113549.1.1.1"
        );
        assert_eq!(Oid(&[0x55, 4, 3]).to_string(), "2.5.4.3");
        assert_eq!(Oid(&[]).to_string(), "");
        assert!(Oid(&[0xff; 500]).to_string().len() < 30);
    }
}
