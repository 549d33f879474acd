//! Rules about secrets. No finding repeats one.

use entra_proto::Guid;
use entra_proto::error::may_be_secret;

use crate::mistakes::line::beginning;
use crate::mistakes::param::{Param, Role, Shape};
use crate::mistakes::rule::Level::{Note, Problem};
use crate::mistakes::rule::{Findings, Rule};
use crate::mistakes::text::Text;
use crate::secret_detection::{PEM, looks_secret};

pub(super) const SECRET_ID: Rule = Rule {
    id: "secret-id",
    level: Problem,
    title: "a client secret is a GUID: that is the ID of a secret",
    instead: "copy the secret's Value, which is shown once; the Secret ID is something else",
    why: "The portal shows \"Value\" and \"Secret ID\" side by side. With the ID, the response is AADSTS7000215.",
    check: secret_id,
};

fn secret_id(text: &Text<'_>, found: &mut Findings) {
    for (line, param) in text
        .params()
        .filter(|(_, param)| param.role == Some(Role::ClientSecret))
    {
        // A GUID of one digit is an example.
        let is_id = |value: &str| value.parse::<Guid>().is_ok() && distinct(value) > 4;
        if param.shape != Shape::Cell && param.literal().is_some_and(|value| is_id(&value)) {
            found.at(line, param.value_at);
        }
    }
}

pub(super) const SECRET_IN_FILE: Rule = Rule {
    id: "secret-in-file",
    level: Problem,
    title: "a client secret or a private key stands in the file",
    instead: "take it out, replace it at the registration, and read it from the environment or a file that is not checked in",
    why: "Everyone who can read the file, or any older version of it, can act as the application.",
    check: secret_in_file,
};

fn secret_in_file(text: &Text<'_>, found: &mut Findings) {
    for (at, line) in text.numbered() {
        let named = line.params.iter().find(|param| is_secret_value(param));
        let byte = named.map(|param| param.value_at).or_else(|| shaped(line.text));
        if let Some(byte) = byte {
            found.told(at, byte, "a client secret stands in the file".to_owned(), None);
        }
        let next = text.lines.get(at + 1).map_or("", |line| line.text);
        let mut keys = line.text.match_indices(PEM).map(|(byte, _)| byte);
        if let Some(byte) = keys.find(|byte| is_key(&line.text[*byte..], next)) {
            found.told(at, byte, "a private key stands in the file".to_owned(), None);
        }
    }
}

/// Whether a value that is named a secret looks like one, and not like an example or the name of something.
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

/// Whether a value has the words, or the few letters, of an example.
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

fn distinct(value: &str) -> usize {
    let mut seen = [false; 256];
    value.bytes().for_each(|byte| seen[usize::from(byte)] = true);
    seen.iter().filter(|is_seen| **is_seen).count()
}

/// The place of a word that has the shape of a client secret as Entra makes them.
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

/// Whether a PEM label opens a private key, which begins behind the label or in the next line.
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
    // A legacy key has headers before its base64.
    is_base64(rest) || is_base64(beginning(next, 200)) || next.starts_with("Proc-Type:")
}

const LONGEST_SECRET: usize = 256;

pub(super) const TOKEN_IN_FILE: Rule = Rule {
    id: "token-in-file",
    level: Note,
    title: "a token or a signed assertion stands in the file",
    instead: "shorten it: even one that has expired names tenants, applications and users",
    why: "Everyone who has it can use it until it expires: a token for an hour to a day, an assertion mostly for ten minutes.",
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
            // A signature by RSA or an elliptic curve is longer.
            if let (Some(header), Some(claims), Some(signature), None) =
                (parts.next(), parts.next(), parts.next(), parts.next())
                && header.len() >= 20
                && claims.starts_with("eyJ")
                && signature.len() >= 80
            {
                found.at(at, byte);
            }
        }
    }
}
