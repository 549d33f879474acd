//! Parses GUIDs as users copy them.

use std::str::FromStr;

use crate::error::{Error, Input, InputError};
use crate::guid::Guid;
use crate::pasted::unwrapped;

impl FromStr for Guid {
    type Err = Error;

    /// Parses 8-4-4-4-12 hexadecimal digits, as users copy them. White space, a byte order mark,
    /// quotation marks, braces or parentheses around them and `urn:uuid:` before them are ignored.
    ///
    /// # Errors
    /// Returns an error for every other text. The error does not repeat the text, because users
    /// paste secrets here by mistake.
    fn from_str(text: &str) -> Result<Self, Error> {
        // The fast path for the form that programs write; some parse millions.
        if let Some(guid) = Self::plain(text) {
            return Ok(guid);
        }
        let text = unwrapped(text);
        let text = match text.split_at_checked(9) {
            Some((urn, rest)) if urn.eq_ignore_ascii_case("urn:uuid:") => rest,
            _ => text,
        };
        let inner = |open, close| text.strip_prefix(open)?.strip_suffix(close);
        let text = inner('{', '}').or_else(|| inner('(', ')')).map_or(text, unwrapped);
        let invalid = || InputError::new(Input::Guid, "is not of the form aaaabbbb-0000-cccc-1111-dddd2222eeee");
        Ok(Self::plain(text).ok_or_else(invalid)?)
    }
}
