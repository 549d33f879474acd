use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::default_scope::resource_of;
use crate::error::{Error, Input, InputError};
use crate::pasted::unwrapped;
use crate::scope_list::check_resource;

/// A protected API by the audience it expects: an application id URI or an application id, byte for byte.
///
/// A slash at the end is part of the name: Azure SQL expects `https://database.windows.net/` and nothing else.
///
/// ```
/// use entra_proto::{Resource, Scope};
///
/// let sql: Resource = "https://database.windows.net/".parse()?;
/// assert_eq!(Scope::default_for(&sql).as_str(), "https://database.windows.net//.default");
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource(Arc<str>);

impl Resource {
    /// The audience of a well-known API.
    pub(crate) fn known(audience: &'static str) -> Self {
        Self(audience.into())
    }

    /// The audience as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Resource {
    type Err = Error;

    /// Reads an audience byte for byte; only white space, quotation marks and a byte order mark around it are ignored.
    ///
    /// # Errors
    /// Returns an error if it is empty, has characters that no scope may hold (RFC 6749, section 3.3), is a scheme without a host,
    /// is more than one API, or is a scope: what ends with `/.default` has the audience before it.
    fn from_str(text: &str) -> Result<Self, Error> {
        let text = unwrapped(text);
        let refused = |problem: &'static str, advice: &'static str| {
            Error::from(InputError::new(Input::Resource, problem).value(text).with_hint(advice))
        };
        if text.is_empty() {
            return Err(refused(
                "is empty",
                "write the API's application id URI, such as https://graph.microsoft.com",
            ));
        }
        check_resource(text)?;
        if !is_scope_token(text) {
            return Err(refused(
                "holds a character that no scope may hold",
                "percent-encode what is not visible ASCII",
            ));
        }
        let lower = text.trim_end_matches('/').to_ascii_lowercase();
        if resource_of(&lower).is_some() {
            return Err(refused("is a scope", "leave out /.default, or give it as a scope"));
        }
        if is_percent_encoded(text) {
            return Err(refused(
                "is percent-encoded already",
                "write it plain: it is encoded when it is sent",
            ));
        }
        if is_bare_scheme(text) {
            return Err(refused(
                "has no host",
                "write the API's application id URI, such as https://graph.microsoft.com",
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

/// The characters of a scope token: visible ASCII except `"` and `\` (RFC 6749, section 3.3).
pub(crate) fn is_scope_token(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}

/// Whether a slash or colon is escaped in it, as when a scope is copied from a URL.
pub(crate) fn is_percent_encoded(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    lower.contains("%2f") || lower.contains("%3a")
}

/// Whether it is `https:`, `https:/` or `https://`, which name nothing.
pub(crate) fn is_bare_scheme(text: &str) -> bool {
    let name = text.trim_end_matches('/');
    name.is_empty() || name.ends_with(':')
}
