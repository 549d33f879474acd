//! Rules about secrets. No finding repeats one.

use entra_proto::{Guid, may_be_secret};

use crate::mistakes::Findings;
use crate::mistakes::param::{Param, Role, Shape};
use crate::mistakes::text::Text;
use crate::suspects::{PEM, holds_secret};

pub(super) fn secret_id(text: &Text<'_>, found: &mut Findings) {
    for (line, param) in text
        .params()
        .filter(|(_, param)| param.role() == Some(Role::ClientSecret))
    {
        let is_id = param.literal().is_some_and(|value| value.parse::<Guid>().is_ok());
        if is_id && param.shape != Shape::Cell {
            found.at(line, param.value_at);
        }
    }
}

pub(super) fn secret_in_file(text: &Text<'_>, found: &mut Findings) {
    for (at, line) in text.numbered() {
        let named = line.params.iter().find(|param| is_secret_value(param));
        let byte = named.map(|param| param.value_at).or_else(|| shaped(line.text));
        if let Some(byte) = byte {
            found.told(at, byte, "a client secret stands in the file".to_owned(), None);
        }
        let key = line.text.find(PEM).filter(|byte| {
            let label = &line.text[*byte..];
            let rest = label
                .split_once("PRIVATE KEY-----")
                .map(|(label, rest)| (label.len() < 30, rest));
            let is_base64 = |text: &str| {
                let text = text.trim_start_matches([' ', '\t', '"', '\'', '+', '|', '*', '/']);
                let plain = text.trim_start_matches("\\n").trim_start_matches("\\r\\n");
                plain
                    .bytes()
                    .take_while(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(byte))
                    .count()
                    >= 24
            };
            let next = text.lines.get(at + 1).map_or("", |line| line.text);
            // A legacy key has headers before its base64.
            rest.is_some_and(|(is_key, rest)| {
                is_key && (is_base64(rest) || is_base64(next) || next.starts_with("Proc-Type:"))
            })
        });
        if let Some(byte) = key {
            found.told(at, byte, "a private key stands in the file".to_owned(), None);
        }
    }
}

pub(super) fn token_in_file(text: &Text<'_>, found: &mut Findings) {
    for (at, line) in text.numbered() {
        for (byte, _) in line.text.match_indices("eyJ") {
            if line.text[..byte].ends_with(|c: char| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
                continue;
            }
            let rest = &line.text[byte..];
            let end = rest
                .find(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c))
                .unwrap_or(rest.len());
            let parts: Vec<&str> = rest[..end].split('.').collect();
            // A signature by RSA or an elliptic curve is longer.
            if let [header, claims, signature] = &parts[..]
                && header.len() >= 20
                && claims.starts_with("eyJ")
                && signature.len() >= 80
            {
                found.at(at, byte);
            }
        }
    }
}

/// Whether a value that is named a secret looks like one, and not like an example or the name of something.
fn is_secret_value(param: &Param<'_>) -> bool {
    param.role() == Some(Role::ClientSecret)
        && param.shape != Shape::Cell
        && param.literal().is_some_and(|value| {
            let is_identifier = value.chars().all(|c| c.is_ascii_alphabetic() || "_-. ".contains(c));
            value.len() >= 12
                && !is_identifier
                && !value.contains("://")
                && value.parse::<Guid>().is_err()
                && holds_secret(&value)
        })
}

/// Where a word stands that has the shape of a client secret as Entra makes them.
fn shaped(line: &str) -> Option<usize> {
    if !line.contains("Q~") {
        return None;
    }
    let is_apart = |c: char| !c.is_ascii_alphanumeric() && !"~-_.".contains(c);
    let mut start = 0;
    for word in line.split(is_apart) {
        if word.contains("Q~") && word.len() >= 34 && may_be_secret(word) {
            return Some(start);
        }
        start += word.len() + line[start + word.len()..].chars().next().map_or(0, char::len_utf8);
    }
    None
}
