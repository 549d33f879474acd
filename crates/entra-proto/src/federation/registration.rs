//! The registration of a federated credential.

use std::fmt::Write as _;

use serde_json::Value;

use super::PresentedAssertion;
use crate::cloud::Cloud;
use crate::error::{Error, Input, InputError};

/// A federated credential, as it is registered for an application: the body of Microsoft Graph's
/// `POST /applications/{id}/federatedIdentityCredentials`.
///
/// ```
/// use entra_proto::Cloud;
/// use entra_proto::federation::PresentedAssertion;
///
/// let jwt = concat!(
///     "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL29pZGMuZXhhbXBsZS8iLCJzdWIi",
///     "OiJzeXN0ZW06c2VydmljZWFjY291bnQ6YmlsbGluZzpyZXBvcnQiLCJhdWQiOiJhcGk6",
///     "Ly9BenVyZUFEVG9rZW5FeGNoYW5nZSJ9.c2ln",
/// );
/// let assertion = PresentedAssertion::read(jwt)?;
/// let registration = assertion.registration(&Cloud::Public)?;
/// assert_eq!(registration.name(), "kubernetes-billing-report");
/// assert_eq!(
///     registration.subject(),
///     Some("system:serviceaccount:billing:report")
/// );
/// assert!(registration.to_json().contains("api://AzureADTokenExchange"));
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    name: String,
    issuer: String,
    matching: Matching,
    audience: String,
}

/// The rule for the subject of an assertion.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Matching {
    Subject(String),
    Expression(String),
}

impl Registration {
    /// Returns the registration that matches an assertion.
    pub(super) fn of(assertion: &PresentedAssertion, cloud: &Cloud) -> Result<Self, Error> {
        let claim = |name: &'static str, value: Option<&str>| match value {
            None | Some("") => Err(Error::from(
                InputError::new(Input::ClientAssertion, format!("has no claim {name}"))
                    .with_hint("request an OpenID Connect token from the issuer, not an opaque or an access token"),
            )),
            Some(value) if value.chars().count() > LONGEST => Err(InputError::new(
                Input::ClientAssertion,
                format!("has a claim {name} of more than {LONGEST} characters, which cannot be registered"),
            )
            .into()),
            Some(value) => Ok(value.to_owned()),
        };
        Ok(Self {
            issuer: claim("iss", assertion.issuer())?,
            matching: Matching::Subject(claim("sub", assertion.subject())?),
            name: name(&assertion.workload().words()),
            audience: claim("aud", Some(assertion.registered_audience(cloud)))?,
        })
    }

    /// Sets the name of the federated credential, which must be unique for the application.
    ///
    /// # Errors
    /// Returns an error if the name does not have 3 to 120 letters, digits, hyphens and
    /// underscores, or does not begin with a letter or digit.
    pub fn with_name(mut self, name: &str) -> Result<Self, Error> {
        let is_valid = (3..=120).contains(&name.len())
            && name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if !is_valid {
            let problem = "does not have 3 to 120 letters, digits, hyphens and underscores";
            return Err(
                InputError::new(Input::Other("name of the federated credential"), problem)
                    .value(name)
                    .into(),
            );
        }
        self.name = name.to_owned();
        Ok(self)
    }

    /// Sets a claims matching expression in place of the subject, such as that of
    /// [`Workload::expression`](super::Workload::expression).
    ///
    /// Such flexible federated credentials are a preview of Entra, for the issuers GitHub, GitLab
    /// and Terraform Cloud.
    #[must_use]
    pub fn with_expression(mut self, expression: &str) -> Self {
        self.matching = Matching::Expression(expression.to_owned());
        self
    }

    /// Returns the name of the federated credential.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Returns the subject, or `None` with a claims matching expression.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        match &self.matching {
            Matching::Subject(subject) => Some(subject),
            Matching::Expression(_) => None,
        }
    }

    /// Returns the audience. A federated credential has exactly one.
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// Returns the JSON that registers the federated credential, in ASCII and on several lines.
    #[must_use]
    pub fn to_json(&self) -> String {
        let quoted = |text: &str| Value::from(text).to_string();
        let matching = match &self.matching {
            Matching::Subject(subject) => format!("\"subject\": {}", quoted(subject)),
            Matching::Expression(value) => format!(
                "\"claimsMatchingExpression\": {{ \"value\": {}, \"languageVersion\": 1 }}",
                quoted(value)
            ),
        };
        ascii(&format!(
            "{{\n  \"name\": {},\n  \"issuer\": {},\n  {matching},\n  \"audiences\": [{}]\n}}",
            quoted(&self.name),
            quoted(&self.issuer),
            quoted(&self.audience)
        ))
    }
}

/// Escapes what is not ASCII in a JSON text. Such characters occur in strings only.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() && character != '\u{7f}' {
            text.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a String cannot fail.
            let _ = write!(text, "\\u{unit:04x}");
        }
    }
    text
}

/// Returns a name of letters, digits and hyphens.
fn name(words: &[String]) -> String {
    let mut name = String::new();
    for character in words.join("-").chars() {
        if character.is_ascii_alphanumeric() {
            name.push(character.to_ascii_lowercase());
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    name.truncate(120);
    name.trim_end_matches('-').to_owned()
}

/// The most characters of a claim that can be registered.
pub(super) const LONGEST: usize = 600;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn name_consists_of_allowed_characters() {
        let of = |words: &[&str]| name(&words.iter().map(|word| String::from(*word)).collect::<Vec<_>>());
        assert_eq!(
            of(&["github", "Contoso", "a.b", "feature/x y"]),
            "github-contoso-a-b-feature-x-y"
        );
        assert_eq!(of(&["kubernetes", "--", "é"]), "kubernetes");
        assert_eq!(of(&["gitlab", &"x".repeat(200)]).len(), 120);
    }

    #[test]
    fn json_is_ascii_and_has_the_same_meaning() {
        let registration = Registration {
            name: "abc".into(),
            issuer: "https://a\u{202e}\u{1f600}\u{7f}\"\\".into(),
            matching: Matching::Subject("s\n".into()),
            audience: "é".into(),
        };
        let json = registration.to_json();
        assert!(json.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')), "{json}");
        let value: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(
            value,
            json!({ "name": "abc", "issuer": registration.issuer, "subject": "s\n", "audiences": ["é"] })
        );
        let flexible: Value = serde_json::from_str(&registration.with_expression("e").to_json()).unwrap();
        assert_eq!(
            flexible["claimsMatchingExpression"],
            json!({ "value": "e", "languageVersion": 1 })
        );
        assert_eq!(flexible.get("subject"), None);
    }

    #[test]
    fn name_is_checked() {
        let registration = Registration {
            name: "abc".into(),
            issuer: "i".into(),
            matching: Matching::Subject("s".into()),
            audience: "a".into(),
        };
        for bad in ["", "ab", "-abc", "a b c", "é-abc", &"a".repeat(121)] {
            assert!(registration.clone().with_name(bad).is_err(), "{bad}");
        }
        let named = registration.with_name("my_app-1").unwrap();
        assert_eq!((named.name(), named.subject()), ("my_app-1", Some("s")));
    }
}
