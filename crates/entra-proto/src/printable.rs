//! Texts from outside, as a terminal or a log may show them.

/// Returns a text with everything escaped that a terminal or a log could obey: control characters, line ends, and characters that
/// turn the direction of writing. Quotes and backslashes stay as they are.
///
/// For paths, file names, arguments and whatever else an error or a log repeats. It hides no secret: see
/// [`may_be_secret`](crate::error::may_be_secret).
///
/// ```
/// assert_eq!(entra_proto::error::printable("C:\\app.pem\u{1b}[31m"), "C:\\app.pem\\u{1b}[31m");
/// assert_eq!(entra_proto::error::printable("a\u{202e}b\n"), "a\\u{202e}b\\n");
/// ```
#[must_use]
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    text.chars().for_each(|character| push(&mut shown, character));
    shown
}

pub(crate) fn push(shown: &mut String, character: char) {
    match character {
        '"' | '\'' | '\\' => shown.push(character),
        _ => shown.extend(character.escape_debug()),
    }
}

/// At most `limit` characters of a text from outside, as they are.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    text.chars().take(limit).collect()
}

/// At most `limit` characters of a text from outside, with everything that could confuse a terminal or a log line escaped.
pub(crate) fn excerpt(text: &str, limit: usize) -> String {
    let mut shown = String::new();
    let mut characters = text.chars();
    for character in characters.by_ref().take(limit) {
        push(&mut shown, character);
    }
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_short_and_harmless() {
        assert_eq!(excerpt("a\r\n\u{1b}[31m\"b\"", 100), "a\\r\\n\\u{1b}[31m\"b\"");
        assert_eq!(excerpt("abcdef", 3), "abc…");
        assert_eq!(excerpt("\u{202e}abc", 9), "\\u{202e}abc");
    }
}
