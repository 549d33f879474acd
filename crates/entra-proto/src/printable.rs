//! Texts from outside, as a terminal or a log may show them.

/// Returns a text with everything escaped that a terminal or a log could obey: control characters, line ends, and characters that
/// turn the direction of writing. Quotes and backslashes stay as they are.
///
/// For paths, file names, arguments and whatever else an error or a log repeats. It hides no secret: see
/// [`may_be_secret`](crate::may_be_secret).
///
/// ```
/// assert_eq!(entra_proto::printable("C:\\app.pem\u{1b}[31m"), "C:\\app.pem\\u{1b}[31m");
/// assert_eq!(entra_proto::printable("a\u{202e}b\n"), "a\\u{202e}b\\n");
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
