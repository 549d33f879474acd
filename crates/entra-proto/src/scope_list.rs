//! Scopes and resources that are separated otherwise than with spaces.

use crate::error::{Error, Input, InputError};
use crate::guid::Guid;
use crate::secrecy::may_be_secret;

/// Checks that a text is not several scopes with commas and the like between them, or a list as a programming language writes it.
///
/// RFC 6749 allows a comma in a scope, and so does Entra. So one counts as a separator only where what stands around it shows that
/// it is one: another API, `/.default`, a permission's name, a blank, the end.
pub(crate) fn check_scopes(text: &str) -> Result<(), Error> {
    let Some((form, parts)) = misjoined(text) else {
        return Ok(());
    };
    let problem = match form {
        Form::List => AS_LIST.to_owned(),
        Form::Separated(sign) => format!("separates scopes with {sign}"),
    };
    let joined = parts.join(" ");
    // A key in base64 falls apart at its signs.
    let is_secret = may_be_secret(text) || may_be_secret(&joined);
    let advice = if joined.is_empty() || is_secret || joined.len() > LONGEST {
        "separate scopes with spaces".to_owned()
    } else if parts.len() == 1 {
        format!("write the scope alone, and separate several with spaces: {joined}")
    } else {
        format!("separate scopes with spaces: {joined}")
    };
    Err(InputError::new(Input::Scope, problem)
        .value(text)
        .with_hint(advice)
        .into())
}

/// Checks the same of the audience of an API, of which there is one.
pub(crate) fn check_resource(text: &str) -> Result<(), Error> {
    let Some((form, parts)) = misjoined(text) else {
        return Ok(());
    };
    let problem = match form {
        Form::List => AS_LIST.to_owned(),
        Form::Separated(sign) => format!("holds {sign}, as a list of several APIs does"),
    };
    let advice = match parts.as_slice() {
        [one] if !may_be_secret(text) && !may_be_secret(one) => format!("write it alone: {one}"),
        [_] | [] => "write the API's application id URI alone".to_owned(),
        _ => "write one API, and ask for a token for each".to_owned(),
    };
    Err(InputError::new(Input::Resource, problem)
        .value(text)
        .with_hint(advice)
        .into())
}

/// How several are written as one.
enum Form {
    /// As a list of a programming language.
    List,
    /// With this sign between them.
    Separated(&'static str),
}

/// How a text is written, where that is wrong, and the parts that the text was meant to have.
fn misjoined(text: &str) -> Option<(Form, Vec<&str>)> {
    // Also behind a name, as in `@("..")`, `vec!["..."]` and `%w[...]`.
    let is_list = text
        .trim_start_matches(['@', '%', 'w', '&'])
        .starts_with(['[', '(', '{'])
        || ["[\"", "['", "(\"", "('", "{\"", "{'"]
            .iter()
            .any(|open| text.contains(open));
    if is_list || (text.contains(['"', '\'']) && text.contains([',', ';'])) {
        return Some((Form::List, parts(text, ",")));
    }
    let (sign, name) = SEPARATORS
        .iter()
        .find(|(sign, _)| text.contains(sign) && is_sure(text, sign))?;
    Some((Form::Separated(name), parts(text, sign)))
}

/// The parts of a text between separators and white space, without brackets and quotes.
fn parts<'a>(text: &'a str, sign: &'static str) -> Vec<&'a str> {
    text.split(sign)
        .flat_map(|part| part.split(|c: char| c.is_whitespace() || c == ';'))
        .map(|part| part.trim_start_matches("vec!").trim_start_matches("%w"))
        .map(|part| part.trim_matches(|c: char| "[](){}\"'@&".contains(c)))
        .filter(|part| !part.is_empty())
        .collect()
}

/// Whether a sign separates scopes by what stands around it.
fn is_sure(text: &str, sign: &str) -> bool {
    let mut pieces = text.split(sign);
    let Some(mut before) = pieces.next() else {
        return false;
    };
    for after in pieces {
        let next = after.trim_start();
        let is_apart = next.is_empty() || next.len() < after.len() || before.trim_end().len() < before.len();
        let word = next.split_whitespace().next().unwrap_or_default();
        if is_apart || before.to_ascii_lowercase().ends_with(".default") || is_scope(word) {
            return true;
        }
        before = after;
    }
    false
}

/// Whether a word is a scope or an API by its looks.
fn is_scope(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_uppercase()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    let permission = || word.contains('.') && word.split('.').all(part);
    word.contains("://")
        || lower == ".default"
        || matches!(&*lower, "openid" | "profile" | "email" | "offline_access")
        || word.split('/').next().is_some_and(|api| api.parse::<Guid>().is_ok())
        || permission()
}

const SEPARATORS: [(&str, &str); 5] = [
    (",", "a comma"),
    (";", "a semicolon"),
    ("|", "a bar"),
    ("+", "a plus sign"),
    ("%20", "%20"),
];

const AS_LIST: &str = "is written as a list of a programming language";

/// How long a corrected parameter may be to stand in an error.
const LONGEST: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::in_full;

    const GRAPH: &str = "https://graph.microsoft.com/.default";

    #[test]
    fn separators_and_lists_are_told_with_what_to_write() {
        for (text, expected) in [
            (
                format!("{GRAPH},https://graph.microsoft.com/User.Read"),
                format!("{GRAPH} https://graph.microsoft.com/User.Read"),
            ),
            (format!("{GRAPH},offline_access"), format!("{GRAPH} offline_access")),
            (format!("{GRAPH};openid"), format!("{GRAPH} openid")),
            (format!("{GRAPH}|openid"), format!("{GRAPH} openid")),
            (format!("{GRAPH}+offline_access"), format!("{GRAPH} offline_access")),
            (format!("openid%20{GRAPH}"), format!("openid {GRAPH}")),
            (format!("{GRAPH},"), GRAPH.to_owned()),
            (format!("{GRAPH};"), GRAPH.to_owned()),
            ("User.Read,Mail.Read".to_owned(), "User.Read Mail.Read".to_owned()),
            ("User.Read, Mail.Read".to_owned(), "User.Read Mail.Read".to_owned()),
            ("User.Read ,Mail.Read".to_owned(), "User.Read Mail.Read".to_owned()),
            ("openid,profile,email".to_owned(), "openid profile email".to_owned()),
            (format!("['{GRAPH}']"), GRAPH.to_owned()),
            (format!("[\"{GRAPH}\"]"), GRAPH.to_owned()),
            (
                "['User.Read', 'Mail.Read']".to_owned(),
                "User.Read Mail.Read".to_owned(),
            ),
            (
                "[\"User.Read\",\"Mail.Read\"]".to_owned(),
                "User.Read Mail.Read".to_owned(),
            ),
            ("('User.Read',)".to_owned(), "User.Read".to_owned()),
            (
                "@('User.Read','Mail.Read')".to_owned(),
                "User.Read Mail.Read".to_owned(),
            ),
            ("%w[User.Read Mail.Read]".to_owned(), "User.Read Mail.Read".to_owned()),
            (
                "vec![\"User.Read\", \"Mail.Read\"]".to_owned(),
                "User.Read Mail.Read".to_owned(),
            ),
            ("{'User.Read'}".to_owned(), "User.Read".to_owned()),
            ("[User.Read]".to_owned(), "User.Read".to_owned()),
            ("api://x/a|b,openid".to_owned(), "api://x/a|b openid".to_owned()),
            ("'User.Read','Mail.Read'".to_owned(), "User.Read Mail.Read".to_owned()),
        ] {
            let error = in_full(&check_scopes(&text).expect_err(&text));
            assert!(error.ends_with(&expected) && error.contains("separate"), "{error}");
        }
        let error = in_full(&check_scopes("eyJhbGciOiJSUzI1NiJ9.eyJh,openid").unwrap_err());
        assert!(!error.contains("eyJ") && error.contains("spaces"), "{error}");
    }

    #[test]
    fn a_comma_may_be_part_of_a_scope() {
        for text in [
            GRAPH,
            "api://x/weird,name",
            "api://x/a;b",
            "api://x/a+b",
            "User.Read Mail.Read",
            "api://x/it's",
        ] {
            assert!(check_scopes(text).is_ok(), "{text}");
            assert!(check_resource(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_resource_is_one() {
        for (text, expected) in [
            ("https://graph.microsoft.com,https://vault.azure.net", "for each"),
            (
                "https://graph.microsoft.com;",
                "write it alone: https://graph.microsoft.com",
            ),
            (
                "['https://graph.microsoft.com']",
                "write it alone: https://graph.microsoft.com",
            ),
        ] {
            let error = in_full(&check_resource(text).expect_err(text));
            assert!(error.ends_with(expected), "{error}");
        }
    }
}
