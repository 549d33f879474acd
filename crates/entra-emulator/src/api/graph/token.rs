//! The tokenizer for filters.

use crate::api::graph::denial::Denial;
use crate::exchange::shown;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token<'t> {
    Word(&'t str),
    /// A text in quotation marks, without them.
    Text(String),
    Open,
    Close,
    Comma,
    End,
}

/// Splits a filter into tokens, each with its byte offset.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token<'_>)>, Denial> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let (length, token) = match first {
            '(' => (1, Token::Open),
            ')' => (1, Token::Close),
            ',' => (1, Token::Comma),
            '\'' => {
                let (length, value) = quoted(rest).ok_or_else(|| {
                    Denial::malformed(format!(
                        "Invalid filter clause: There is an unterminated string literal at position {} in '{}'.",
                        position(text, at),
                        shown(text)
                    ))
                })?;
                (length, Token::Text(value))
            }
            _ if first.is_whitespace() => {
                at += first.len_utf8();
                continue;
            }
            _ if is_word(first) => {
                let length = rest.find(|character| !is_word(character)).unwrap_or(rest.len());
                (length, Token::Word(&rest[..length]))
            }
            _ => {
                return Err(Denial::malformed(format!(
                    "Invalid filter clause: Syntax error: character '{}' is not valid at position {} in '{}'.",
                    shown(first.encode_utf8(&mut [0; 4])),
                    position(text, at),
                    shown(text)
                )));
            }
        };
        tokens.push((at, token));
        at += length;
    }
    tokens.push((at, Token::End));
    Ok(tokens)
}

/// Returns true for a character of names, paths, keywords and unquoted literals.
fn is_word(character: char) -> bool {
    character.is_alphanumeric() || "_$@./:-+*".contains(character)
}

/// Returns the length of a quoted text and its content. Two quotation marks inside it stand for
/// one.
fn quoted(text: &str) -> Option<(usize, String)> {
    let mut content = String::new();
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if character != '\'' {
            content.push(character);
        } else if characters.next_if(|(_, next)| *next == '\'').is_some() {
            content.push('\'');
        } else {
            return Some((at + 1, content));
        }
    }
    None
}

/// Converts a byte offset to a position in characters, which messages use.
pub(super) fn position(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or(text).chars().count()
}
