//! Makes texts from outside safe to show in a terminal or a log.

/// Escapes everything in a text that a terminal or a log could interpret: control characters, line
/// ends, and characters that change the direction of text. Quotes and backslashes are unchanged.
///
/// Use it for paths, file names, arguments and other texts that an error or a log repeats. It does
/// not hide secrets: see [`may_be_secret`](crate::error::may_be_secret).
///
/// ```
/// use entra_proto::error::printable;
///
/// assert_eq!(printable("C:\\app.pem\u{1b}[31m"), "C:\\app.pem\\u{1b}[31m");
/// assert_eq!(printable("a\u{202e}b\n"), "a\\u{202e}b\\n");
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

/// Returns at most `limit` characters of a text, unchanged.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    text.chars().take(limit).collect()
}

/// Returns at most `limit` characters of a text, escaped as [`printable`] does.
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
    fn excerpt_is_short_and_escaped() {
        assert_eq!(excerpt("a\r\n\u{1b}[31m\"b\"", 100), "a\\r\\n\\u{1b}[31m\"b\"");
        assert_eq!(excerpt("abcdef", 3), "abc…");
        assert_eq!(excerpt("\u{202e}abc", 9), "\\u{202e}abc");
    }
}
