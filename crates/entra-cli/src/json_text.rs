//! Layout and escaping of JSON text. Numbers, names and their order do not change.

use crate::sanitize::escape;

/// Returns the text of some JSON with a line for each member and element.
pub(crate) fn indented(json: &str) -> String {
    laid_out(json, true)
}

/// Returns the text of some JSON on one line.
pub(crate) fn on_one_line(json: &str) -> String {
    laid_out(json, false)
}

/// Returns the text of some JSON with all control characters escaped in the way of JSON.
pub(crate) fn for_terminal(json: &str) -> String {
    escaped(json, |character| {
        let is_harmless = character == '\n' || matches!(character, ' '..='~');
        is_harmless || escape(character.encode_utf8(&mut [0; 4])).starts_with(character)
    })
}

/// Returns the text of some JSON with all but ASCII escaped in the way of JSON.
pub(crate) fn ascii_json(json: &str) -> String {
    escaped(json, |character| character.is_ascii() && character != '\x7f')
}

/// Escapes the characters that are not `plain` in the way of JSON.
fn escaped(json: &str, is_plain: impl Fn(char) -> bool) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if is_plain(character) {
            text.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            text += &format!("\\u{unit:04x}");
        }
    }
    text
}

/// Lays out JSON that is known to be valid.
fn laid_out(json: &str, indents: bool) -> String {
    let mut text = String::with_capacity(json.len());
    let mut depth = 0_usize;
    let mut is_string = false;
    let mut is_escaped = false;
    let mut characters = json.chars().filter(|c| *c != '\u{feff}').peekable();
    let new_line = |text: &mut String, depth: usize| {
        if indents {
            text.push('\n');
            // Beyond this depth, the indent would be longer than the text.
            text.extend(std::iter::repeat_n(' ', 2 * depth.min(DEEPEST)));
        }
    };
    while let Some(character) = characters.next() {
        if is_string {
            text.push(character);
            is_string = is_escaped || character != '"';
            is_escaped = character == '\\' && !is_escaped;
            continue;
        }
        match character {
            ' ' | '\t' | '\r' | '\n' => {}
            '{' | '[' => {
                text.push(character);
                while characters.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                if let Some(end) = characters.next_if(|next| matches!(next, '}' | ']')) {
                    text.push(end);
                } else {
                    depth += 1;
                    new_line(&mut text, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut text, depth);
                text.push(character);
            }
            ',' => {
                text.push(character);
                new_line(&mut text, depth);
            }
            ':' if indents => text.push_str(": "),
            _ => {
                is_string = character == '"';
                text.push(character);
            }
        }
    }
    text
}

/// The maximum number of indented levels.
const DEEPEST: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_keeps_the_values() {
        let json = "\u{feff} {\"b\":[1, 2.50e+3 ,{}],\r\n \"a\" : \"x, {\\\"y\\\\\" , \"n\":[ ] }";
        let pretty = "{\n  \"b\": [\n    1,\n    2.50e+3,\n    {}\n  ],\n  \"a\": \"x, {\\\"y\\\\\",\n  \"n\": []\n}";
        assert_eq!(indented(json), pretty);
        assert_eq!(
            on_one_line(json),
            "{\"b\":[1,2.50e+3,{}],\"a\":\"x, {\\\"y\\\\\",\"n\":[]}"
        );
        assert_eq!(on_one_line(&indented(json)), on_one_line(json));
    }

    #[test]
    fn deeply_nested_json_stays_short() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert!(indented(&deep).len() < 100 * deep.len());
    }

    #[test]
    fn all_but_ascii_is_escaped() {
        assert_eq!(
            ascii_json("[\"a\u{7f}é😀\"]\n"),
            "[\"a\\u007f\\u00e9\\ud83d\\ude00\"]\n"
        );
    }

    #[test]
    fn control_characters_in_json_are_escaped() {
        let text = for_terminal("{\n  \"a\": \"é日\u{9b}31m\u{202e}\u{7f}\\u001b\"\n}");
        assert_eq!(text, "{\n  \"a\": \"é日\\u009b31m\\u202e\\u007f\\u001b\"\n}");
    }
}
