//! Redaction of secrets and complete tokens in texts of requests.

use percent_encoding::percent_decode_str;

use crate::seed::is_guid;
use crate::state::directory::Directory;
use crate::state::recorder::{RequestEvent, is_secret};

/// Returns a text of a request without secrets: registered ones, those that the request sent in
/// secret parameters, and anything that looks like a secret or a token. Misconfigured clients send
/// them in the path or in other parameters.
///
/// A percent-encoded text is decoded if that reveals a secret. The result has at most 1,000
/// characters.
pub(crate) fn redacted(directory: &Directory, event: &RequestEvent, text: &str) -> String {
    let registered = directory.apps.iter().flat_map(|app| app.secrets.iter().flatten());
    let registered = registered.map(|secret| secret.value.as_str());
    let sent = event.form.iter().chain(&event.query);
    let sent = sent
        .filter(|parameter| parameter.is_secret())
        .map(|parameter| parameter.value.as_str());
    let of_machine = directory.machine.secrets();
    let mut known: Vec<&str> = registered
        .chain(of_machine)
        .chain(sent)
        .filter(|secret| !secret.is_empty())
        .collect();
    // Longest first, because a secret can be a part of another one.
    known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));

    let is_public = |word: &str| is_guid(word) || directory.tenant(word).is_some();
    let without = |text: &str| without(&known, &is_public, text);
    let text = without(text);
    let mut decoded = text.clone();
    for _ in 0..MOST_ENCODINGS {
        let next = percent_decode_str(&decoded).decode_utf8_lossy().into_owned();
        if next == decoded {
            break;
        }
        decoded = next;
    }
    let clean = without(&decoded);
    let text = if clean == decoded { text } else { clean };
    excerpt(&text, LONGEST)
}

/// Returns at most `limit` characters of a text, with an ellipsis if it is longer.
pub(crate) fn excerpt(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn without(known: &[&str], is_public: &dyn Fn(&str) -> bool, text: &str) -> String {
    let mut clean = without_parameters(&without_user(text));
    for secret in known {
        if clean == *secret {
            return BLOT.to_owned();
        }
        if secret.len() >= SHORTEST && clean.contains(secret) {
            clean = clean.replace(secret, BLOT);
        } else if secret.len() >= SHORTEST_WORD {
            clean = without_word(secret, &clean);
        }
    }
    let mut shown = String::with_capacity(clean.len());
    let mut rest = clean.as_str();
    while !rest.is_empty() {
        let end = rest.find(|c| !is_of_token(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let is_hidden = (may_be_token(word) || word.split(is_mark).any(may_be_random)) && !is_public(word);
        shown.push_str(if is_hidden { BLOT } else { word });
        let mark = after.chars().next().map_or(0, char::len_utf8);
        shown.push_str(&after[..mark]);
        rest = &after[mark..];
    }
    shown
}

/// Removes the user name and the password from each URL in a text.
fn without_user(text: &str) -> String {
    let mut parts = text.split("://");
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        clean.push_str("://");
        let ends = |character: char| "/?#'\"".contains(character) || character.is_whitespace();
        let authority = &part[..part.find(ends).unwrap_or(part.len())];
        match authority.rfind('@') {
            Some(at) => {
                clean.push_str(BLOT);
                clean.push_str(&part[at..]);
            }
            None => clean.push_str(part),
        }
    }
    clean
}

/// Removes the values of secret parameters, as in a path with `&client_secret=...` in place of a
/// query.
fn without_parameters(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('=') {
        let name = before.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next();
        let end = match name.is_some_and(is_secret) {
            true => after.find(|c| " &#;,'\"".contains(c)).unwrap_or(after.len()),
            false => 0,
        };
        clean.push_str(before);
        clean.push('=');
        if end > 0 {
            clean.push_str(BLOT);
        }
        rest = &after[end..];
    }
    clean + rest
}

/// Removes this secret where it is a separate word.
fn without_word(secret: &str, text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut end = 0;
    for (at, found) in text.match_indices(secret) {
        let is_in_word = |next: Option<char>| next.is_some_and(char::is_alphanumeric);
        let after = at + found.len();
        if !is_in_word(text[..at].chars().next_back()) && !is_in_word(text[after..].chars().next()) {
            clean.push_str(&text[end..at]);
            clean.push_str(BLOT);
            end = after;
        }
    }
    clean.push_str(&text[end..]);
    clean
}

fn is_of_token(character: char) -> bool {
    character.is_ascii_alphanumeric() || is_mark(character)
}

fn is_mark(character: char) -> bool {
    "-._~+".contains(character)
}

/// Returns true if letters follow digits at least twice, as in hashes and keys. Names have digits
/// only at their end.
fn may_be_random(word: &str) -> bool {
    let pairs = word.as_bytes().windows(2);
    let turns = pairs.filter(|pair| pair[0].is_ascii_digit() && pair[1].is_ascii_alphabetic());
    word.len() >= SHORTEST_RANDOM && turns.count() >= 2
}

/// Returns true if a word is as long and as mixed as secrets, codes and tokens are, and names are
/// not.
fn may_be_token(word: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| word.as_bytes().iter().any(kind);
    word.len() >= SHORTEST_TOKEN
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_digit)
}

/// The text in place of a secret.
const BLOT: &str = "[not shown]";
/// The shortest secret, in bytes, that is hidden anywhere. A shorter one can be a part of a
/// harmless word, and is hidden only as a separate word.
const SHORTEST: usize = 5;
/// The shortest secret, in bytes, that is hidden as a separate word. A shorter one is hidden only
/// if it is the whole text.
const SHORTEST_WORD: usize = 3;
const SHORTEST_TOKEN: usize = 30;
const SHORTEST_RANDOM: usize = 12;
const MOST_ENCODINGS: usize = 4;
const LONGEST: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_and_names_are_not() {
        let known = ["s3cret!", "abc"];
        for (text, shown) in [
            (
                "/contoso.onmicrosoft.com/oauth2/v2.0/token",
                "/contoso.onmicrosoft.com/oauth2/v2.0/token",
            ),
            ("/x/s3cret!/token", "/x/[not shown]/token"),
            ("abc", "[not shown]"),
            ("/abcd", "/abcd"),
            ("/abc/abcd/'abc'", "/[not shown]/abcd/'[not shown]'"),
            (
                "/7c9a1B00-3f5e-4b8c-9a36-0d6f0a6a7f11/token",
                "/7c9a1B00-3f5e-4b8c-9a36-0d6f0a6a7f11/token",
            ),
            (
                "app '1234'(abc8Q~kD93jfKEl20sPq81canaryvQwT4uYbNhGcR)é",
                "app '1234'([not shown])é",
            ),
            ("/9f86d081884c7d659a2feaa0c5ad01/token", "/[not shown]/token"),
            (
                "/contoso-prod2.onmicrosoft.com/v2.0/ToDoList2024",
                "/contoso-prod2.onmicrosoft.com/v2.0/ToDoList2024",
            ),
            (
                "/token&Client_Secret=hunter2&scope=a=b;code=/x/y z",
                "/token&Client_Secret=[not shown]&scope=a=b;code=[not shown] z",
            ),
            ("not_a_code=x&code=", "not_a_code=x&code="),
            ("eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJhIn0.U2lnbmF0dXJl", "[not shown]"),
            (
                "issuer 'https://me:canary@a.example/b@c' at http://x@y://z@",
                "issuer 'https://[not shown]@a.example/b@c' at http://[not shown]@y://[not shown]@",
            ),
            ("mail to é@a.example", "mail to é@a.example"),
        ] {
            assert_eq!(without(&known, &is_guid, text), shown);
        }
    }
}
