//! Rules about secrets. Findings never repeat a secret.

use entra_proto::Guid;
use entra_proto::error::may_be_secret;

use crate::linter::line::beginning;
use crate::linter::param::{Param, Role, Shape};
use crate::linter::rule::Level::{Note, Problem};
use crate::linter::rule::{Findings, Rule};
use crate::linter::text::Text;
use crate::secret_detection::{PEM, looks_secret};

pub(super) const SECRET_ID: Rule = Rule {
    id: "secret-id",
    level: Problem,
    title: "a client secret is a GUID, which is the ID of a secret",
    instead: "copy the secret's Value, which is shown only once, and not the Secret ID",
    why: "The portal shows \"Value\" and \"Secret ID\" side by side. With the ID, the service responds with AADSTS7000215.",
    check: secret_id,
};

fn secret_id(text: &Text<'_>, found: &mut Findings) {
    for (line, param) in text
        .params()
        .filter(|(_, param)| param.role == Some(Role::ClientSecret))
    {
        // A GUID with few distinct digits is an example.
        let is_id = |value: &str| value.parse::<Guid>().is_ok() && distinct(value) > 4;
        if param.shape != Shape::Cell && param.literal().is_some_and(|value| is_id(&value)) {
            found.add(line, param.value_at);
        }
    }
}

pub(super) const SECRET_IN_FILE: Rule = Rule {
    id: "secret-in-file",
    level: Problem,
    title: "the file contains a client secret or a private key",
    instead: "remove it, replace it at the registration, and read it from the environment or from a file that is not checked in",
    why: "Everyone who can read the file or an older version of it can act as the application.",
    check: secret_in_file,
};

fn secret_in_file(text: &Text<'_>, found: &mut Findings) {
    for (at, line) in text.numbered() {
        let named = line.params.iter().find(|param| is_secret_value(param));
        let byte = named.map(|param| param.value_at).or_else(|| shaped(line.text));
        if let Some(byte) = byte {
            found.add_with(at, byte, "the file contains a client secret".to_owned(), None);
        }
        let next = text.lines.get(at + 1).map_or("", |line| line.text);
        let mut keys = line.text.match_indices(PEM).map(|(byte, _)| byte);
        if let Some(byte) = keys.find(|byte| is_key(&line.text[*byte..], next)) {
            found.add_with(at, byte, "the file contains a private key".to_owned(), None);
        }
    }
}

/// Returns true if the value of a secret's name looks like a secret, and not like an example or a
/// name.
fn is_secret_value(param: &Param<'_>) -> bool {
    if param.role != Some(Role::ClientSecret) || param.shape == Shape::Cell || param.value.len() > LONGEST_SECRET {
        return false;
    }
    let is_secret = |value: &str| {
        let is_identifier = value.chars().all(|c| c.is_ascii_alphabetic() || "_-. ".contains(c));
        value.len() >= 12
            && !is_identifier
            && !is_example(value)
            && !value.contains("://")
            && value.parse::<Guid>().is_err()
            && looks_secret(value)
    };
    param.literal().is_some_and(|value| is_secret(&value))
}

/// Returns true if a value has a word of an example, or few distinct letters.
fn is_example(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let words = [
        "your",
        "secret",
        "example",
        "placeholder",
        "changeme",
        "replace",
        "xxxx",
        "redacted",
        "dummy",
    ];
    words.iter().any(|word| lower.contains(word)) || distinct(value) < 8
}

/// Returns the number of distinct bytes of a value.
fn distinct(value: &str) -> usize {
    let mut seen = [false; 256];
    value.bytes().for_each(|byte| seen[usize::from(byte)] = true);
    seen.iter().filter(|is_seen| **is_seen).count()
}

/// Returns the position of a word in the format of Entra's client secrets.
fn shaped(line: &str) -> Option<usize> {
    if !line.contains("Q~") {
        return None;
    }
    let is_apart = |c: char| !c.is_ascii_alphanumeric() && !"~-_.".contains(c);
    let mut start = 0;
    for word in line.split(is_apart) {
        let is_long = (34..=LONGEST_SECRET).contains(&word.len());
        if is_long && word.contains("Q~") && distinct(word) >= 14 && may_be_secret(word) {
            return Some(start);
        }
        start += word.len() + line[start + word.len()..].chars().next().map_or(0, char::len_utf8);
    }
    None
}

/// Returns true if a PEM label is followed by a private key, in the same line or in the next one.
fn is_key(label: &str, next: &str) -> bool {
    let Some((_, rest)) = beginning(label, 200)
        .split_once("PRIVATE KEY-----")
        .filter(|(label, _)| label.len() < 30)
    else {
        return false;
    };
    let is_base64 = |text: &str| {
        let text = text.trim_start_matches([' ', '\t', '"', '\'', '+', '|', '*', '/']);
        let text = text.trim_start_matches("\\r").trim_start_matches("\\n");
        let mut bytes = text.bytes().take(24);
        text.len() >= 24 && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
    };
    // A legacy key has headers before the base64 text.
    is_base64(rest) || is_base64(beginning(next, 200)) || next.starts_with("Proc-Type:")
}

/// The longest secret, in bytes.
const LONGEST_SECRET: usize = 256;

pub(super) const TOKEN_IN_FILE: Rule = Rule {
    id: "token-in-file",
    level: Note,
    title: "the file contains a token or a signed assertion",
    instead: "shorten it: even an expired token names tenants, applications and users",
    why: "Everyone who has it can use it until it expires: a token for an hour to a day, an assertion usually for ten minutes.",
    check: token_in_file,
};

fn token_in_file(text: &Text<'_>, found: &mut Findings) {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    for (at, line) in text.numbered() {
        for (byte, _) in line.text.match_indices("eyJ") {
            if line.text[..byte].ends_with(is_part) {
                continue;
            }
            let rest = &line.text[byte..];
            let end = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
            let mut parts = rest[..end].split('.');
            // A signature with RSA or an elliptic curve has at least 80 characters.
            if let (Some(header), Some(claims), Some(signature), None) =
                (parts.next(), parts.next(), parts.next(), parts.next())
                && header.len() >= 20
                && claims.starts_with("eyJ")
                && signature.len() >= 80
            {
                found.add(at, byte);
            }
        }
    }
}
