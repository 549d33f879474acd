//! Detects scopes and resources that are joined by anything but spaces.

use crate::error::{Error, Input, InputError};
use crate::guid::Guid;
use crate::secrecy::may_be_secret;

/// Checks that a text is not several scopes joined by commas or similar characters, nor a list of a
/// programming language.
///
/// RFC 6749 and Entra allow a comma in a scope. A comma therefore counts as a separator only if its
/// surroundings prove it: another API, `/.default`, the name of a permission, a blank, or the end.
pub(crate) fn check_scopes(text: &str) -> Result<(), Error> {
    let Some((form, parts)) = misjoined(text) else {
        return Ok(());
    };
    let problem = match form {
        Form::List => AS_LIST.to_owned(),
        Form::Separated(sign) => format!("separates scopes with {sign}"),
    };
    let joined = parts.join(" ");
    // A base64 key splits at some of these characters.
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

/// Performs the same check for the audience of an API, of which there is exactly one.
pub(crate) fn check_resource(text: &str) -> Result<(), Error> {
    let Some((form, parts)) = misjoined(text) else {
        return Ok(());
    };
    let problem = match form {
        Form::List => AS_LIST.to_owned(),
        Form::Separated(sign) => format!("contains {sign}, like a list of several APIs"),
    };
    let advice = match parts.as_slice() {
        [one] if !may_be_secret(text) && !may_be_secret(one) => format!("write it alone: {one}"),
        [_] | [] => "write the API's application ID URI alone".to_owned(),
        _ => "name one API, and request a token for each".to_owned(),
    };
    Err(InputError::new(Input::Resource, problem)
        .value(text)
        .with_hint(advice)
        .into())
}

/// The form in which several values were joined.
enum Form {
    /// A list of a programming language.
    List,
    /// Values with this separator between them.
    Separated(&'static str),
}

/// Returns the wrong form of a text and its intended parts, or `None` if the form is right.
fn misjoined(text: &str) -> Option<(Form, Vec<&str>)> {
    // A name may precede the list, as in `@("..")`, `vec!["..."]` and `%w[...]`.
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

/// Splits a text at separators and white space, and removes brackets and quotes.
fn parts<'a>(text: &'a str, sign: &'static str) -> Vec<&'a str> {
    text.split(sign)
        .flat_map(|part| part.split(|c: char| c.is_whitespace() || c == ';'))
        .map(|part| part.trim_start_matches("vec!").trim_start_matches("%w"))
        .map(|part| part.trim_matches(|c: char| "[](){}\"'@&".contains(c)))
        .filter(|part| !part.is_empty())
        .collect()
}

/// Returns whether the surroundings of a character prove that it separates scopes.
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

/// Returns whether a word looks like a scope or an API.
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

/// The maximum length of a corrected parameter in an error.
const LONGEST: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::in_full;

    const GRAPH: &str = "https://graph.microsoft.com/.default";

    #[test]
    fn separators_and_lists_are_rejected_with_a_correction() {
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
    fn comma_may_be_part_of_a_scope() {
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
    fn resource_is_a_single_api() {
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
