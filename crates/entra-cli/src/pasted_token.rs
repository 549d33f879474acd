//! Finding the token in what people paste: a header, JSON, a folded line.

use std::borrow::Cow;
use std::fmt;

use entra_proto::Error;
use entra_proto::claims::UnverifiedClaims;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::exit::{Exit, Failure};
use crate::files::excerpt;

/// A token that was found, and what is to be said about it.
pub(crate) struct Pasted {
    pub(crate) claims: UnverifiedClaims,
    token: Zeroizing<String>,
    /// Where it stood, if there was more than the token.
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

/// Without the token, which is a secret.
impl fmt::Debug for Pasted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pasted")
            .field("note", &self.note)
            .finish_non_exhaustive()
    }
}

/// Returns the token in a text, and what is to be said about it. Where the text is nothing but a token, or the value of an
/// `Authorization` header, it is returned as it is: whether it can be read is for the rules to say.
///
/// # Errors
/// Says what the text is, where it is no token and holds none that can be read.
pub(crate) fn token_in(text: &str) -> Result<(Zeroizing<String>, Option<String>), Failure> {
    let bare = unwrapped(text.trim());
    if is_token68(bare) {
        return Ok((Zeroizing::new(bare.to_owned()), None));
    }
    let Pasted { token, note, .. } = match find(text) {
        // Three parts in one word are meant for a token, whatever characters are in them.
        Err(_)
            if bare.matches('.').count() == 2 && !bare.contains(|c: char| c.is_whitespace() || "{[\"".contains(c)) =>
        {
            return Ok((Zeroizing::new(bare.to_owned()), None));
        }
        found => found?,
    };
    let note = note.unwrap_or_else(|| "the token is taken out of the text around it".to_owned());
    Ok((token, Some(note)))
}

/// Whether a text is one credential of an `Authorization` header (RFC 9110, section 11.2).
fn is_token68(text: &str) -> bool {
    let text = text.trim_end_matches('=');
    let is_of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !text.is_empty() && text.bytes().all(is_of_token)
}

/// Reads the token in a text.
///
/// # Errors
/// Says what the text is, where it is no token and holds none that can be read.
pub(crate) fn find(text: &str) -> Result<Pasted, Failure> {
    let text = text.trim();
    if text.is_empty() {
        return Err(refused(
            "there is nothing to read",
            "give a token, or a text with a token in it",
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
    // Terminals and mails fold long lines; quoted-printable marks the fold.
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
            let note = format!("this holds {} tokens; the first one is read", more.len() + 1);
            decoded(token, Some(note))
        }
    }
}

/// The value of an `Authorization` header, and what stands in quotation marks of a shell.
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

/// The token of a response, of a tool's output or of a JSON string. Of several, the access token.
fn in_json(value: &Value) -> Result<Pasted, Failure> {
    if let Value::String(text) = value {
        // Whatever it holds, it is JSON no more.
        return match serde_json::from_str::<Value>(text) {
            Ok(Value::String(_)) => Err(unreadable(text)),
            _ => find(text),
        };
    }
    let mut found = Vec::new();
    collect(value, &mut Vec::new(), &mut found);
    // Access tokens first, then what else has a name, then whatever is a JWT.
    found.sort_by_key(|(name, _)| rank(name));
    let Some((name, token)) = found.first() else {
        return Err(refused(
            "this is JSON without a token in it",
            "give the member with the token, such as access_token or accessToken",
        ));
    };
    let others: Vec<String> = found[1..].iter().map(|(name, _)| excerpt(name, 60)).collect();
    let mut note = format!("this is JSON; its member {} is read", excerpt(name, 60));
    if !others.is_empty() {
        note += &format!(", and not {}", others.join(", "));
    }
    Pasted::decode(unwrapped(token), Some(note)).map_err(|error| {
        let context = format!("the member {} of this JSON", excerpt(name, 60));
        Failure::new(Exit::Token, error).context(context)
    })
}

/// Every member that is called as a token is, or that is a JWT, under the path to it.
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
        // A path is written out for what is found alone: a name may be long, and what is under it many.
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

/// The place of a member in the order in which tokens are looked for.
fn rank(path: &str) -> usize {
    let name = path
        .rsplit('.')
        .next()
        .unwrap_or(path)
        .replace('_', "")
        .to_ascii_lowercase();
    NAMED.iter().position(|known| *known == name).unwrap_or(NAMED.len())
}

/// The JWTs among other text, such as a URL, a log or the lines of a request.
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

/// Why a text is no token that can be read.
fn unreadable(text: &str) -> Failure {
    if text.starts_with(['{', '[']) {
        return refused(
            "this begins like JSON and is none",
            "give the token alone, or all of the JSON",
        );
    }
    if text.contains("-----BEGIN") {
        return refused(
            "this is a key or a certificate, not a token",
            "look at certificates with `entra cert inspect`",
        );
    }
    let looks_cut = text.starts_with("eyJ") && text.matches('.').count() < 2;
    if looks_cut {
        return refused(
            "this begins like a JWT and ends before its third part",
            "copy all of it",
        );
    }
    if text.split_whitespace().count() > 1 {
        return refused("this is text without a JWT in it", "give the token alone");
    }
    match UnverifiedClaims::decode(text) {
        Err(error) => Failure::new(Exit::Token, error),
        Ok(_) => refused("this is no token", "give the token alone"),
    }
}

fn refused(problem: &str, hint: &'static str) -> Failure {
    Failure::text(Exit::Token, problem).hint(hint)
}

/// Members that hold tokens, without underscores and in small letters.
const NAMED: [&str; 6] = [
    "accesstoken",
    "token",
    "idtoken",
    "assertion",
    "clientassertion",
    "rawidtoken",
];

/// How many tokens are looked for in one text.
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
    fn a_token_is_found_in_what_people_paste() {
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
    fn of_several_tokens_it_is_said_which_is_read() {
        let note = |text: &str| find(text).unwrap().note.unwrap_or_default();
        let json = format!(r#"{{"id_token":"{OTHER}","access_token":"{TOKEN}"}}"#);
        assert!(
            note(&json).contains("access_token is read, and not id_token"),
            "{}",
            note(&json)
        );
        assert!(note(&format!("{TOKEN}\n{OTHER}")).contains("2 tokens"));
        assert_eq!(note(TOKEN), "");
    }

    #[test]
    fn what_is_no_token_is_named() {
        for (text, said) in [
            ("", "nothing"),
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
            assert!(failure.contains(said), "{text}: {failure}");
        }
        assert!(find(&"[".repeat(100_000)).is_err());
    }
}
