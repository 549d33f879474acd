//! `application.properties`, as `java.util.Properties` reads it.

use crate::common::Failure;
use crate::common::config::{Entry, at_line};

/// Reads the settings in a text: `NAME=value`, `NAME: value` or `NAME value`, with the format's
/// escapes.
pub(super) fn parse(text: &str) -> Result<Vec<Entry>, Failure> {
    let mut entries = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((at, first)) = lines.next() {
        let number = at + 1;
        let mut line = first.trim_start_matches(BLANKS).to_owned();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        // A line that ends with an odd number of backslashes continues on the next line.
        while line.chars().rev().take_while(|c| *c == '\\').count() % 2 == 1 {
            line.pop();
            let Some((_, next)) = lines.next() else { break };
            line.push_str(next.trim_start_matches(BLANKS));
        }
        let (key, value) = divided(&line);
        let unescaped =
            |text: &str| unescaped(text).ok_or_else(|| at_line(number, "has a \\u escape that is not a character"));
        entries.push(Entry::new(&unescaped(key)?, unescaped(value)?, number));
    }
    Ok(entries)
}

/// Divides a line into key and value. The key ends at the first separator that is not escaped.
fn divided(line: &str) -> (&str, &str) {
    let mut is_escaped = false;
    for (at, character) in line.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '=' | ':' | ' ' | '\t' | '\u{c}' => {
                let value = line[at..].trim_start_matches(BLANKS);
                let value = value.strip_prefix(['=', ':']).unwrap_or(value);
                return (&line[..at], value.trim_start_matches(BLANKS));
            }
            _ => {}
        }
    }
    (line, "")
}

fn unescaped(text: &str) -> Option<String> {
    let mut units = Vec::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let character = match character {
            '\\' => match characters.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\u{c}',
                Some('u') => {
                    let digits = characters.as_str().get(..4)?;
                    units.push(u16::from_str_radix(digits, 16).ok()?);
                    characters = characters.as_str().get(4..)?.chars();
                    continue;
                }
                Some(other) => other,
                None => break,
            },
            other => other,
        };
        units.extend_from_slice(character.encode_utf16(&mut [0; 2]));
    }
    String::from_utf16(&units).ok()
}

const BLANKS: [char; 3] = [' ', '\t', '\u{c}'];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_java_reads_them() {
        let text = "# comment\r\n! comment\nAUTHORITY=https\\://login.example/t/\r\n  CLIENT_ID : a\nSECRET = s\\u00e9=\\\\#\nSCOPE https://a/\\\n    .default\nKEY_PATH=C:\\\\keys\\\\a b.der\nEMPTY\n";
        let read = parse(text).unwrap();
        let read: Vec<_> = read.iter().map(|it| (&*it.key, &*it.value, it.line.unwrap())).collect();
        assert_eq!(
            read,
            [
                ("AUTHORITY", "https://login.example/t/", 3),
                ("CLIENT_ID", "a", 4),
                ("SECRET", "sé=\\#", 5),
                ("SCOPE", "https://a/.default", 6),
                ("KEY_PATH", "C:\\keys\\a b.der", 8),
                ("EMPTY", "", 9)
            ]
        );
    }

    #[test]
    fn error_names_the_line_but_not_the_text() {
        for text in [
            "A=1\nSECRET=canary\\u12",
            "A=1\nSECRET=canary\\uzzzz",
            "\nSECRET=\\ud800canary",
            "\nS=canary\\u1é23",
        ] {
            let failure = parse(text).unwrap_err();
            assert!(failure.problem.starts_with("line 2 "), "{}", failure.problem);
            assert!(!format!("{failure:?}").contains("canary"));
        }
    }
}
