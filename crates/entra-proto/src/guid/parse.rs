//! GUIDs as people copy them.

use std::str::FromStr;

use crate::error::{Error, Input, InputError};
use crate::guid::Guid;
use crate::pasted::unwrapped;

impl FromStr for Guid {
    type Err = Error;

    /// Reads 8-4-4-4-12 hexadecimal digits, as people copy them: white space, a byte order mark, quotation marks, braces or
    /// parentheses around them and `urn:uuid:` before them are ignored.
    ///
    /// # Errors
    /// Returns an error for every other text. It does not repeat the text: secrets get pasted here by mistake.
    fn from_str(text: &str) -> Result<Self, Error> {
        // As programs write it. Some read millions.
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
        let refused = || InputError::new(Input::Guid, "is not of the form aaaabbbb-0000-cccc-1111-dddd2222eeee");
        Ok(Self::plain(text).ok_or_else(refused)?)
    }
}
