//! Resources: the audiences of APIs.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::default_scope::resource_of;
use crate::error::{Error, Input, InputError};
use crate::pasted::unwrapped;
use crate::scope_list::check_resource;

/// A protected API, given by the audience that it expects: an application ID URI or an application
/// ID, byte for byte.
///
/// A trailing slash is part of the audience: Azure SQL expects `https://database.windows.net/` and
/// nothing else.
///
/// ```
/// use entra_proto::{Resource, Scope};
///
/// let sql: Resource = "https://database.windows.net/".parse()?;
/// let scope = Scope::default_for(&sql);
/// assert_eq!(scope.as_str(), "https://database.windows.net//.default");
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource(Arc<str>);

impl Resource {
    /// Creates the resource of a well-known API.
    pub(crate) fn known(audience: &'static str) -> Self {
        Self(audience.into())
    }

    /// Returns the audience, unchanged.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Resource {
    type Err = Error;

    /// Parses an audience byte for byte. Only white space, quotation marks and a byte order mark
    /// around it are ignored.
    ///
    /// # Errors
    /// Returns an error if the text is empty, contains characters that a scope cannot contain (RFC
    /// 6749, section 3.3), is a scheme without a host, or names several APIs. Returns an error for
    /// a scope: the audience of `<resource>/.default` is the part before `/.default`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let text = unwrapped(text);
        let invalid = |problem: &'static str, advice: &'static str| {
            Error::from(InputError::new(Input::Resource, problem).value(text).with_hint(advice))
        };
        if text.is_empty() {
            return Err(invalid(
                "is empty",
                "write the API's application ID URI, such as https://graph.microsoft.com",
            ));
        }
        check_resource(text)?;
        if !is_scope_token(text) {
            return Err(invalid(
                "contains a character that a scope cannot contain",
                "percent-encode all characters that are not visible ASCII",
            ));
        }
        let lower = text.trim_end_matches('/').to_ascii_lowercase();
        if resource_of(&lower).is_some() {
            return Err(invalid("is a scope", "leave out /.default, or give it as a scope"));
        }
        if is_percent_encoded(text) {
            return Err(invalid(
                "is percent-encoded already",
                "write it plain: it is encoded when it is sent",
            ));
        }
        if is_bare_scheme(text) {
            return Err(invalid(
                "has no host",
                "write the API's application ID URI, such as https://graph.microsoft.com",
            ));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns whether all characters may occur in a scope: visible ASCII except `"` and `\` (RFC 6749,
/// section 3.3).
pub(crate) fn is_scope_token(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}

/// Returns whether a slash or colon is percent-encoded, as in a scope that was copied from a URL.
pub(crate) fn is_percent_encoded(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    lower.contains("%2f") || lower.contains("%3a")
}

/// Returns whether the text is `https:`, `https:/` or `https://`, which have no host.
pub(crate) fn is_bare_scheme(text: &str) -> bool {
    let name = text.trim_end_matches('/');
    name.is_empty() || name.ends_with(':')
}
