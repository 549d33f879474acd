//! GUIDs. The parser is a separate file, because its errors depend on GUIDs themselves.

mod parse;

use std::fmt;

/// A GUID, which identifies a tenant, an application or a request.
///
/// It is parsed in any case and written in lower case with hyphens
/// (`aaaabbbb-0000-cccc-1111-dddd2222eeee`). It is compared as a value.
///
/// ```
/// use entra_proto::Guid;
///
/// let guid: Guid = "{AAAABBBB-0000-cccc-1111-dddd2222eeee}".parse()?;
/// assert_eq!(guid.to_string(), "aaaabbbb-0000-cccc-1111-dddd2222eeee");
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid([u8; 16]);

impl Guid {
    /// Creates a GUID from its 16 bytes, in the order in which they are written.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Creates a version 4 GUID (RFC 9562, section 5.4) from 16 random bytes, of which it uses 122
    /// bits.
    ///
    /// The caller provides the bytes, because this crate has no source of randomness.
    #[must_use]
    pub const fn from_random(bytes: [u8; 16]) -> Self {
        let mut number = u128::from_be_bytes(bytes);
        number &= !(0xf << 76 | 0x3 << 62);
        number |= 0x4 << 76 | 0x2 << 62;
        Self(number.to_be_bytes())
    }

    /// Returns the 16 bytes, in the order in which they are written.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Returns whether the GUID has this value.
    pub(crate) const fn is(self, value: u128) -> bool {
        u128::from_be_bytes(self.0) == value
    }

    /// Parses exactly 8-4-4-4-12 hexadecimal digits.
    fn plain(text: &str) -> Option<Self> {
        if text.len() != 36 {
            return None;
        }
        let mut number: u128 = 0;
        for (at, byte) in text.bytes().enumerate() {
            if !is_hyphen(at) {
                number = number << 4 | u128::from(char::from(byte).to_digit(16)?);
            } else if byte != b'-' {
                return None;
            }
        }
        Some(Self(number.to_be_bytes()))
    }

    /// Returns the 36 characters without a heap allocation.
    pub(crate) fn to_ascii(self) -> [u8; 36] {
        let digit = |nibble: u8| nibble + if nibble < 10 { b'0' } else { b'a' - 10 };
        let mut text = [b'-'; 36];
        let mut slots = text.iter_mut();
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                slots.next();
            }
            if let (Some(high), Some(low)) = (slots.next(), slots.next()) {
                (*high, *low) = (digit(byte >> 4), digit(byte & 0xf));
            }
        }
        text
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The text is always ASCII, so the fallback is unreachable.
        f.write_str(std::str::from_utf8(&self.to_ascii()).unwrap_or_default())
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const fn is_hyphen(at: usize) -> bool {
    matches!(at, 8 | 13 | 18 | 23)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guid_is_parsed_in_any_case_and_written_in_lower_case() {
        let guid: Guid = "AAAAbbbb-0000-CCCC-1111-dddd2222eeee".parse().unwrap();
        assert_eq!(guid.to_string(), "aaaabbbb-0000-cccc-1111-dddd2222eeee");
    }

    #[test]
    fn surrounding_punctuation_is_ignored() {
        let guid: Guid = "aaaabbbb-0000-cccc-1111-dddd2222eeee".parse().unwrap();
        for (before, after) in [
            (" ", "\r\n"),
            ("\u{feff}", ""),
            ("{", "}"),
            ("(", ")"),
            ("\"", "\""),
            ("'{", "}'"),
            ("{ ", " }"),
            ("urn:uuid:", ""),
            ("\u{200b}", "\u{a0}"),
        ] {
            let text = format!("{before}{guid}{after}");
            assert_eq!(text.parse::<Guid>().unwrap(), guid, "{text:?}");
        }
    }

    #[test]
    fn other_texts_are_rejected_and_not_repeated() {
        for text in [
            "",
            "aaaabbbb0000cccc1111dddd2222eeee",
            "{aaaabbbb-0000-cccc-1111-dddd2222eee}",
            "aaaabbbb-0000-cccc-1111-dddd2222eeeg",
            "aaaabbbb-0000-cccc-1111+dddd2222eeee",
            "aaaabbbb-0000-cccc-1111-dddd2222eee\u{e9}",
        ] {
            let error = text.parse::<Guid>().unwrap_err().to_string();
            assert!(text.is_empty() || !error.contains(text), "{error}");
        }
    }

    #[test]
    fn random_bytes_become_a_version_4_guid() {
        assert_eq!(
            Guid::from_random([0xff; 16]).to_string(),
            "ffffffff-ffff-4fff-bfff-ffffffffffff"
        );
        assert_eq!(
            Guid::from_random([0; 16]).to_string(),
            "00000000-0000-4000-8000-000000000000"
        );
    }
}
