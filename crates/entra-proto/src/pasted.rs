//! Strips what surrounds a text that was copied, pasted or read from a file.

/// Returns the text without what users and programs put around it: white space and line ends, a
/// byte order mark, invisible characters, pairs of quotation marks and angle brackets.
pub(crate) fn unwrapped(text: &str) -> &str {
    let mut text = text.trim_matches(is_blank);
    // At most a shell's quotes inside those of a JSON string.
    for _ in 0..3 {
        let inner = PAIRS.iter().find_map(|(open, close)| {
            let inner = text.strip_prefix(*open)?.strip_suffix(*close)?;
            (!inner.contains([*open, *close])).then_some(inner)
        });
        match inner {
            Some(inner) => text = inner.trim_matches(is_blank),
            None => break,
        }
    }
    text
}

/// Returns the text without white space and invisible characters around it: nothing that a secret
/// of visible ASCII can contain.
pub(crate) fn bare(text: &str) -> &str {
    text.trim_matches(is_blank)
}

/// Returns a bearer token without what surrounds it. It may be the value of an `Authorization`
/// header, or the whole header.
pub(crate) fn token(text: &str) -> &str {
    let text = unwrapped(text);
    let text = unwrapped(after(text, "authorization:").unwrap_or(text));
    match after(text, "bearer") {
        Some(token) if token.starts_with(is_blank) => unwrapped(token),
        _ => text,
    }
}

fn after<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn is_blank(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '\u{feff}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202c}' | '\u{2060}'
        )
}

const PAIRS: [(char, char); 7] = [
    ('"', '"'),
    ('\'', '\''),
    ('`', '`'),
    ('“', '”'),
    ('‘', '’'),
    ('«', '»'),
    ('<', '>'),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surroundings_of_a_text_are_stripped() {
        for text in [
            "a b",
            " a b\r\n",
            "\u{feff}a b",
            "\u{a0}a b\u{200b}",
            "\"a b\"",
            "'a b'\n",
            "\u{feff}\"'a b'\" ",
            "“a b”",
            "<a b>",
        ] {
            assert_eq!(unwrapped(text), "a b", "{text:?}");
        }
        for text in ["", "\"", "\"a", "'a'b'", "a\"b", "\"a\" \"b\""] {
            assert_eq!(unwrapped(text), text);
        }
    }

    #[test]
    fn token_is_extracted_from_the_header() {
        for text in [
            "a.b.c",
            "Bearer a.b.c",
            "bearer   a.b.c\n",
            "\u{feff}Bearer a.b.c",
            "Authorization: Bearer a.b.c\r\n",
            "\"Bearer a.b.c\"",
            "Bearer \"a.b.c\"",
        ] {
            assert_eq!(token(text), "a.b.c", "{text:?}");
        }
        for text in ["bearer", "bearers a", "Bearera.b.c"] {
            assert_eq!(token(text), text);
        }
    }
}
