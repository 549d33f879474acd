//! Scopes, single and as the `scope` parameter.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::default_scope::{self, DEFAULT_SUFFIX};
use crate::error::{Error, Input, InputError};
use crate::guid::Guid;
use crate::pasted::unwrapped;
use crate::resource::{Resource, is_bare_scheme, is_percent_encoded, is_scope_token};
use crate::scope_list::check_scopes;
use crate::secrecy::may_be_secret;

/// A scope (RFC 6749, section 3.3): a permission of an API, or one of OpenID Connect's scopes.
///
/// `https://graph.microsoft.com/.default` stands for all permissions that the application was
/// granted, and is the only kind of scope that a daemon can request.
///
/// ```
/// use entra_proto::Scope;
///
/// let scope: Scope = "https://graph.microsoft.com/User.Read".parse()?;
/// assert_eq!(scope.resource(), Some("https://graph.microsoft.com"));
/// assert!(!scope.is_default());
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(Arc<str>);

impl Scope {
    /// Returns the scope for all permissions granted on `resource`: appends `/.default` and trims
    /// nothing.
    #[must_use]
    pub fn default_for(resource: &Resource) -> Self {
        Self(format!("{resource}{DEFAULT_SUFFIX}").into())
    }

    /// Returns the API's audience: everything before the last slash, including the doubled one of
    /// `https://database.windows.net//.default`. `None` for OpenID Connect's scopes, and for short
    /// names such as `User.Read`, which belong to Microsoft Graph.
    pub fn resource(&self) -> Option<&str> {
        match self.0.rsplit_once('/') {
            Some((resource, _)) if !self.is_openid() => Some(resource),
            _ => None,
        }
    }

    /// Returns whether the scope is `/.default`, which stands for all granted permissions.
    #[must_use]
    pub fn is_default(&self) -> bool {
        default_scope::resource_of(&self.0).is_some() || &*self.0 == ".default"
    }

    /// Returns the resource of a `/.default` scope: removes exactly one `/.default` from the end.
    /// `None` for any other text.
    ///
    /// ```
    /// use entra_proto::Scope;
    ///
    /// let sql = Scope::resource_of_default("https://database.windows.net//.default");
    /// assert_eq!(sql, Some("https://database.windows.net/"));
    /// let mail = Scope::resource_of_default("https://graph.microsoft.com/Mail.Read");
    /// assert_eq!(mail, None);
    /// ```
    #[must_use]
    pub fn resource_of_default(text: &str) -> Option<&str> {
        default_scope::resource_of(text)
    }

    /// Returns whether it is one of OpenID Connect's scopes: `openid`, `profile`, `email`,
    /// `offline_access`.
    #[must_use]
    pub fn is_openid(&self) -> bool {
        matches!(&*self.0, "openid" | "profile" | "email" | "offline_access")
    }

    /// Returns the scope as it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Scope {
    type Err = Error;

    /// Parses a scope. White space, quotation marks and a byte order mark around it are ignored.
    ///
    /// # Errors
    /// Returns an error if the text is empty, contains characters that a scope cannot contain, is
    /// already percent-encoded, is several scopes that are not separated by spaces, or is an API's
    /// address without a permission after it.
    fn from_str(text: &str) -> Result<Self, Error> {
        let text = unwrapped(text);
        let invalid = |problem: &'static str| InputError::new(Input::Scope, problem).value(text);
        if text.is_empty() {
            return Err(invalid("is empty").with_hint(EXAMPLE).into());
        }
        check_scopes(text)?;
        if !is_scope_token(text) {
            return Err(invalid("contains a character that a scope cannot contain")
                .with_hint(EXAMPLE)
                .into());
        }
        if is_percent_encoded(text) {
            return Err(invalid("is percent-encoded already")
                .with_hint("write it plain: it is encoded when it is sent")
                .into());
        }
        if text.starts_with("scope=") {
            return Err(invalid("is a whole parameter")
                .with_hint("write only the part after scope=, and separate several scopes with spaces")
                .into());
        }
        // The advice must not repeat a secret either.
        let is_shown = !may_be_secret(text);
        let advised = |advice: String| if is_shown { advice } else { EXAMPLE.to_owned() };
        let whole = |resource: &str, problem| {
            Err(invalid(problem)
                .with_hint(advised(format!("write {resource}{DEFAULT_SUFFIX}")))
                .into())
        };
        // A valid scope with a superfluous slash.
        if let Some(scope) = text
            .strip_suffix('/')
            .filter(|scope| default_scope::resource_of(scope).is_some())
        {
            return Err(invalid("ends with a slash")
                .with_hint(advised(format!("write {scope}")))
                .into());
        }
        let unslashed = text
            .strip_suffix(".default")
            .filter(|api| is_audience(api) && !api.ends_with('/'));
        if let Some(api) = unslashed {
            return whole(api, "lacks the slash before .default");
        }
        match text.rsplit_once('/') {
            None if is_audience(text) => return whole(text, "names an API but no permission"),
            Some((resource, "")) if !is_bare_scheme(resource) => {
                return Err(invalid("names no permission")
                    .with_hint(advised(format!(
                        "write {text}{DEFAULT_SUFFIX} if the API's audience ends with a slash, otherwise {resource}{DEFAULT_SUFFIX}"
                    )))
                    .into());
            }
            Some((resource, ".default" | "")) if is_bare_scheme(resource) => {
                return Err(invalid("names no API").with_hint(EXAMPLE).into());
            }
            Some((before, _)) if is_bare_scheme(before) => {
                return whole(text, "is the address of an API, not a scope");
            }
            _ => {}
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One or more scopes in the form of the `scope` parameter: separated by single spaces, in the
/// given order.
///
/// Two values that differ only in their order are not equal, but request the same token: see
/// [`TokenRequest::cache_key`].
///
/// [`TokenRequest::cache_key`]: crate::TokenRequest::cache_key
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Scopes(Arc<str>);

impl Scopes {
    /// Returns the scopes in the given order.
    pub fn iter(&self) -> impl Iterator<Item = Scope> + '_ {
        self.0.split(' ').map(|scope| Scope(scope.into()))
    }

    /// Returns the parameter as it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Scopes {
    type Err = Error;

    /// Parses scopes that are separated by white space. Quotation marks and a byte order mark
    /// around them are ignored.
    ///
    /// # Errors
    /// Returns an error if there is no scope, if one is not a valid [`Scope`], or if they are
    /// separated by commas or similar characters or written as a list of a programming language.
    fn from_str(text: &str) -> Result<Self, Error> {
        let text = unwrapped(text);
        check_scopes(text)?;
        let scopes = text
            .split_whitespace()
            .map(str::parse)
            .collect::<Result<Vec<Scope>, _>>()?;
        Self::try_from(scopes)
    }
}

impl TryFrom<Vec<Scope>> for Scopes {
    type Error = Error;

    /// # Errors
    /// Returns an error if there is no scope.
    fn try_from(scopes: Vec<Scope>) -> Result<Self, Error> {
        if scopes.is_empty() {
            return Err(InputError::new(Input::Scope, "is empty").with_hint(EXAMPLE).into());
        }
        let texts: Vec<&str> = scopes.iter().map(Scope::as_str).collect();
        Ok(Self(texts.join(" ").into()))
    }
}

impl From<Scope> for Scopes {
    fn from(scope: Scope) -> Self {
        Self(scope.0)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns whether a word without a slash names an API rather than a permission: a GUID, a name
/// with a colon such as `spn:`, or a host. A permission of Microsoft Graph, which may stand alone,
/// ends with a verb.
fn is_audience(word: &str) -> bool {
    let host = word
        .rsplit_once('.')
        .is_some_and(|(_, last)| matches!(last, "com" | "net" | "org" | "us" | "cn" | "de" | "io"));
    host || word.contains(':') || word.parse::<Guid>().is_ok()
}

const EXAMPLE: &str =
    "write the API's application ID URI followed by /.default, such as https://graph.microsoft.com/.default";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::in_full;

    fn scope(text: &str) -> Scope {
        text.parse().unwrap()
    }

    #[test]
    fn audience_is_everything_before_the_last_slash() {
        for (text, resource) in [
            (
                "https://graph.microsoft.com/.default",
                Some("https://graph.microsoft.com"),
            ),
            (
                "https://graph.microsoft.com/User.Read",
                Some("https://graph.microsoft.com"),
            ),
            (
                "https://database.windows.net//.default",
                Some("https://database.windows.net/"),
            ),
            ("https://x///.default", Some("https://x//")),
            (
                "cccccccc-0000-0000-0000-dddddddddddd/.default",
                Some("cccccccc-0000-0000-0000-dddddddddddd"),
            ),
            (
                "api://cccccccc-0000-0000-0000-dddddddddddd/.default",
                Some("api://cccccccc-0000-0000-0000-dddddddddddd"),
            ),
            ("api://host/path/.default", Some("api://host/path")),
            (
                "spn:cccccccc-0000-0000-0000-dddddddddddd/.default",
                Some("spn:cccccccc-0000-0000-0000-dddddddddddd"),
            ),
            (".default", None),
            ("User.Read", None),
            ("openid", None),
        ] {
            assert_eq!(scope(text).resource(), resource, "{text}");
        }
    }

    #[test]
    fn invalid_scope_is_rejected_with_a_correction() {
        for (text, advice) in [
            ("https://graph.microsoft.com", "https://graph.microsoft.com/.default"),
            (
                "api://cccccccc-0000-0000-0000-dddddddddddd",
                "api://cccccccc-0000-0000-0000-dddddddddddd/.default",
            ),
            (
                "https://database.windows.net/",
                "https://database.windows.net//.default",
            ),
            ("https%3A%2F%2Fgraph.microsoft.com%2F.default", "plain"),
            ("scope=https://graph.microsoft.com/.default", "after scope="),
            (
                "https://graph.microsoft.com.default",
                "write https://graph.microsoft.com/.default",
            ),
            ("graph.microsoft.com.default", "write graph.microsoft.com/.default"),
            (
                "api://cccccccc-0000-0000-0000-dddddddddddd.default",
                "write api://cccccccc-0000-0000-0000-dddddddddddd/.default",
            ),
            (
                "cccccccc-0000-0000-0000-dddddddddddd.default",
                "write cccccccc-0000-0000-0000-dddddddddddd/.default",
            ),
            ("https:///.default", "https://graph.microsoft.com/.default"),
            ("https://.default", "https://graph.microsoft.com/.default"),
            ("", "https://graph.microsoft.com/.default"),
            ("a b", "https://graph.microsoft.com/.default"),
            ("a\r\nb", "https://graph.microsoft.com/.default"),
        ] {
            let error = in_full(&text.parse::<Scope>().expect_err(text));
            assert!(error.contains(advice), "{error}");
        }
    }

    #[test]
    fn scopes_keep_their_order() {
        let scopes: Scopes = " b/.default  openid a/x openid ".parse().unwrap();
        assert_eq!(scopes.as_str(), "b/.default openid a/x openid");
        assert!(" ".parse::<Scopes>().is_err());
    }
}
