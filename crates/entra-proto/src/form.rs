//! Encodes `application/x-www-form-urlencoded` bodies.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

use crate::body::Body;

/// Encodes the pairs, in their order, as `application/x-www-form-urlencoded`. The names must not
/// need escapes.
///
/// A space becomes `%20`, which form decoders and plain percent decoders both accept. The buffer
/// has room to escape every character, so that it never grows and leaves a copy of a secret behind.
#[inline]
pub(crate) fn encode_form(pairs: &[Option<(&str, &str)>]) -> Body {
    let length = pairs
        .iter()
        .flatten()
        .map(|(name, value)| name.len() + 3 * value.len() + 2)
        .sum();
    let mut form = Vec::with_capacity(length);
    for (name, value) in pairs.iter().flatten() {
        if !form.is_empty() {
            form.push(b'&');
        }
        form.extend_from_slice(name.as_bytes());
        form.push(b'=');
        for part in utf8_percent_encode(value, ESCAPED) {
            form.extend_from_slice(part.as_bytes());
        }
    }
    Body::from(form)
}

/// Appends a parameter to a path or a query. The name must not need escapes.
pub(crate) fn push_parameter(query: &mut String, separator: &str, name: &str, value: &str) {
    for part in [separator, name, "="]
        .into_iter()
        .chain(utf8_percent_encode(value, ESCAPED))
    {
        query.push_str(part);
    }
}

/// Returns the length of a value when it is encoded.
pub(crate) fn encoded_len(value: &str) -> usize {
    utf8_percent_encode(value, ESCAPED).map(str::len).sum()
}

/// Encodes one value. Basic authentication encodes the user name and the password in this way
/// before it joins them (RFC 6749, section 2.3.1).
pub(crate) fn encode_value(value: &str) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(3 * value.len()));
    text.extend(utf8_percent_encode(value, ESCAPED));
    text
}

/// All characters except the unreserved ones of RFC 3986, section 2.3.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_is_escaped_once() {
        let body = encode_form(&[Some(("a", "b c+d&e=f%\u{e9}~")), None, Some(("g", ""))]);
        assert_eq!(body.as_bytes(), b"a=b%20c%2Bd%26e%3Df%25%C3%A9~&g=");
        assert_eq!(encode_value("a:b").as_str(), "a%3Ab");
    }
}
