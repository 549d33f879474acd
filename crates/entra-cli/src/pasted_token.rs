//! Extraction of the token from pasted text: a header, JSON, folded lines.

use std::borrow::Cow;
use std::fmt;

use entra_proto::Error;
use entra_proto::claims::UnverifiedClaims;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::exit::{Exit, Failure};
use crate::files::excerpt;

/// An extracted token, with a note for the user.
pub(crate) struct Pasted {
    pub(crate) claims: UnverifiedClaims,
    token: Zeroizing<String>,
    /// The origin of the token, if the text contained more than the token.
    pub(crate) note: Option<String>,
}

impl Pasted {
    fn decode(token: &str, note: Option<String>) -> Result<Self, Error> {
        Ok(Self {
            claims: UnverifiedClaims::decode(token)?,
            token: Zeroizing::new(token.to_owned()),
            note,
        })
    }
}

/// Leaves out the token, which is a secret.
impl fmt::Debug for Pasted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pasted")
            .field("note", &self.note)
            .finish_non_exhaustive()
    }
}

/// Returns the token in a text, and a note for the user. A text that is only a token, or the value
/// of an `Authorization` header, is returned without decoding: validation reports its problems.
///
/// # Errors
/// Returns an error if the text contains no readable token. It says what the text is instead.
pub(crate) fn token_in(text: &str) -> Result<(Zeroizing<String>, Option<String>), Failure> {
    let bare = unwrapped(text.trim());
    if is_token68(bare) {
        return Ok((Zeroizing::new(bare.to_owned()), None));
    }
    let Pasted { token, note, .. } = match find(text) {
        // Three parts in one word are meant as a token, whatever characters they contain.
        Err(_)
            if bare.matches('.').count() == 2 && !bare.contains(|c: char| c.is_whitespace() || "{[\"".contains(c)) =>
        {
            return Ok((Zeroizing::new(bare.to_owned()), None));
        }
        found => found?,
    };
    let note = note.unwrap_or_else(|| "the token was extracted from the surrounding text".to_owned());
    Ok((token, Some(note)))
}

/// Returns true if a text has the syntax `token68` of an `Authorization` header (RFC 9110, section
/// 11.2).
fn is_token68(text: &str) -> bool {
    let text = text.trim_end_matches('=');
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !text.is_empty() && text.bytes().all(is_allowed)
}

/// Finds and decodes the token in a text.
///
/// # Errors
/// Returns an error if the text contains no readable token. It says what the text is instead.
pub(crate) fn find(text: &str) -> Result<Pasted, Failure> {
    let text = text.trim();
    if text.is_empty() {
        return Err(failure(
            "the input is empty",
            "give a token, or a text that contains a token",
        ));
    }
    let bare = unwrapped(text);
    if let Ok(pasted) = Pasted::decode(bare, None) {
        return Ok(pasted);
    }
    if let Ok(value) = serde_json::from_str::<Value>(bare)
        && !value.is_number()
    {
        return in_json(&value);
    }
    // Terminals and mail programs fold long lines; quoted-printable marks the fold with `=`.
    let unfolded: String = bare
        .replace("=\r\n", "")
        .replace("=\n", "")
        .split_whitespace()
        .collect();
    let mut found = jwts(bare);
    if found.is_empty() {
        found = jwts(&unfolded);
    }
    found.dedup();
    match found.as_slice() {
        [] => Err(unreadable(bare)),
        [token] => decoded(token, None),
        [token, more @ ..] => {
            let note = format!("the input contains {} tokens; the first one is used", more.len() + 1);
            decoded(token, Some(note))
        }
    }
}

/// Removes the name and scheme of an `Authorization` header, and shell quotation marks.
fn unwrapped(text: &str) -> &str {
    let mut text = text;
    for start in ["authorization:", "bearer "] {
        if let Some((head, rest)) = text.split_at_checked(start.len())
            && head.eq_ignore_ascii_case(start)
        {
            text = rest.trim();
        }
    }
    let inner = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
    inner.unwrap_or(text).trim()
}

/// Finds the token in a response, in a tool's output or in a JSON string. Access tokens come before
/// other tokens.
fn in_json(value: &Value) -> Result<Pasted, Failure> {
    if let Value::String(text) = value {
        // A string in a string is not searched, which bounds the recursion.
        return match serde_json::from_str::<Value>(text) {
            Ok(Value::String(_)) => Err(unreadable(text)),
            _ => find(text),
        };
    }
    let mut found = Vec::new();
    collect(value, &mut Vec::new(), &mut found);
    // Access tokens first, then other members with known names, then any other JWT.
    found.sort_by_key(|(name, _)| rank(name));
    let Some((name, token)) = found.first() else {
        return Err(failure(
            "the input is JSON without a token",
            "give the member with the token, such as access_token or accessToken",
        ));
    };
    let others: Vec<String> = found[1..].iter().map(|(name, _)| excerpt(name, 60)).collect();
    let mut note = format!("the input is JSON; its member {} is used", excerpt(name, 60));
    if !others.is_empty() {
        note += &format!(", and not {}", others.join(", "));
    }
    Pasted::decode(unwrapped(token), Some(note)).map_err(|error| {
        let context = format!("the member {} of the JSON input", excerpt(name, 60));
        Failure::new(Exit::Token, error).context(context)
    })
}

/// Collects the members with the name of a token and those with a JWT, each with its path.
fn collect<'v>(value: &'v Value, path: &mut Vec<Cow<'v, str>>, found: &mut Vec<(String, &'v str)>) {
    let members: Box<dyn Iterator<Item = (Cow<'v, str>, &'v Value)>> = match value {
        Value::Object(members) => Box::new(members.iter().map(|(name, member)| (name.into(), member))),
        Value::Array(items) => Box::new(items.iter().enumerate().map(|(at, item)| (at.to_string().into(), item))),
        _ => return,
    };
    for (name, member) in members {
        if found.len() >= MOST {
            return;
        }
        // Paths are joined only for found members: names may be long and members many.
        match member {
            Value::String(text) if rank(&name) < NAMED.len() || UnverifiedClaims::decode(unwrapped(text)).is_ok() => {
                path.push(name);
                found.push((path.join("."), text));
                path.pop();
            }
            Value::Object(_) | Value::Array(_) => {
                path.push(name);
                collect(member, path, found);
                path.pop();
            }
            _ => {}
        }
    }
}

/// Returns the priority of a member by its name. Lower is better.
fn rank(path: &str) -> usize {
    let name = path
        .rsplit('.')
        .next()
        .unwrap_or(path)
        .replace('_', "")
        .to_ascii_lowercase();
    NAMED.iter().position(|known| *known == name).unwrap_or(NAMED.len())
}

/// Returns the JWTs in other text, such as a URL, a log or an HTTP request.
fn jwts(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.'))
        .map(|word| word.trim_end_matches('.'))
        .filter(|word| word.bytes().filter(|byte| *byte == b'.').count() == 2)
        .filter(|word| UnverifiedClaims::decode(word).is_ok())
        .take(MOST)
        .collect()
}

fn decoded(token: &str, note: Option<String>) -> Result<Pasted, Failure> {
    Pasted::decode(token, note).map_err(|error| Failure::new(Exit::Token, error))
}

/// Returns the failure for a text without a readable token.
fn unreadable(text: &str) -> Failure {
    if text.starts_with(['{', '[']) {
        return failure(
            "the input begins like JSON, but is not valid JSON",
            "give only the token, or the complete JSON",
        );
    }
    if text.contains("-----BEGIN") {
        return failure(
            "the input is a key or a certificate, not a token",
            "show certificates with `entra cert inspect`",
        );
    }
    let looks_truncated = text.starts_with("eyJ") && text.matches('.').count() < 2;
    if looks_truncated {
        return failure(
            "the input begins like a JWT, but ends before its third part",
            "copy the complete token",
        );
    }
    if text.split_whitespace().count() > 1 {
        return failure("the input is text without a JWT", "give only the token");
    }
    match UnverifiedClaims::decode(text) {
        Err(error) => Failure::new(Exit::Token, error),
        Ok(_) => failure("the input is not a token", "give only the token"),
    }
}

fn failure(problem: &str, hint: &'static str) -> Failure {
    Failure::text(Exit::Token, problem).hint(hint)
}

/// The names of members with tokens, best first, in lower case and without underscores.
const NAMED: [&str; 6] = [
    "accesstoken",
    "token",
    "idtoken",
    "assertion",
    "clientassertion",
    "rawidtoken",
];

/// The maximum number of tokens to find in one text.
const MOST: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.eyJhdWQiOiJodHRwczovL2EuZXhhbXBsZSJ9.c2ln";
    const OTHER: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.eyJhdWQiOiJodHRwczovL2IuZXhhbXBsZSJ9.c2ln";

    #[track_caller]
    fn audience(text: &str) -> String {
        match find(text) {
            Ok(pasted) => pasted.claims.audience().unwrap().to_owned(),
            Err(failure) => panic!("{text}: {failure}"),
        }
    }

    #[test]
    fn token_is_found_in_pasted_text() {
        let (head, tail) = TOKEN.split_at(50);
        for text in [
            TOKEN.to_owned(),
            format!("\"{TOKEN}\""),
            format!("'{TOKEN}'\n"),
            format!("Bearer {TOKEN}"),
            format!("authorization: bearer {TOKEN}"),
            format!("\"Bearer {TOKEN}\""),
            format!("{head}\r\n{tail}"),
            format!("Authorization: Bearer {head}\n   {tail}"),
            format!("{}\n{}", &TOKEN[..10], &TOKEN[10..]),
            format!("{head}=\r\n{tail}"),
            format!("export ENTRA_ACCESS_TOKEN={TOKEN}"),
            format!("GET / HTTP/1.1\r\nhost: a.b.c\r\nauthorization: Bearer {TOKEN}\r\n\r\n"),
            format!("https://localhost/#id_token={TOKEN}&state=1"),
            format!("curl -H 'Authorization: Bearer {TOKEN}' https://a.example.com"),
            format!(r#"{{"accessToken":"{TOKEN}","tokenType":"Bearer"}}"#),
            format!(r#"{{"access_token":"{TOKEN}","id_token":"{OTHER}"}}"#),
            format!(r#"{{"id_token":"{OTHER}","access_token":"{TOKEN}"}}"#),
            format!(r#"[{{"credential":{{"accessToken":"{TOKEN}"}}}}]"#),
            format!(r#"{{"status":{{"token":"Bearer {TOKEN}"}}}}"#),
            format!(r#"{{"anything":"{TOKEN}"}}"#),
        ] {
            assert_eq!(audience(&text), "https://a.example", "{text}");
        }
    }

    #[test]
    fn note_names_the_used_token() {
        let note = |text: &str| find(text).unwrap().note.unwrap_or_default();
        let json = format!(r#"{{"id_token":"{OTHER}","access_token":"{TOKEN}"}}"#);
        assert!(
            note(&json).contains("access_token is used, and not id_token"),
            "{}",
            note(&json)
        );
        assert!(note(&format!("{TOKEN}\n{OTHER}")).contains("2 tokens"));
        assert_eq!(note(TOKEN), "");
    }

    #[test]
    fn failure_names_the_kind_of_text() {
        for (text, named) in [
            ("", "empty"),
            ("opaque", "opaque"),
            ("EwBgA8l6BAAURSN/FHlDW5xN74t6GzbtsBBeBUYAAQ", "opaque"),
            (r#"{"access_token":"opaque"}"#, "member access_token"),
            (r#"{"tokenType":"Bearer"}"#, "JSON without a token"),
            (r#"{"access_token":"#, "begins like JSON"),
            ("-----BEGIN CERTIFICATE-----\nMII\n", "certificate"),
            ("no token here", "without a JWT"),
            ("eyJhbGciOiJSUzI1NiJ9.eyJh", "third part"),
            ("a.b.c.d.e", "encrypted"),
        ] {
            let failure = find(text).unwrap_err().to_string();
            assert!(failure.contains(named), "{text}: {failure}");
        }
        assert!(find(&"[".repeat(100_000)).is_err());
    }
}
