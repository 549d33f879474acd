//! `WWW-Authenticate` challenges, as servers really send them.

mod reader;

use std::fmt;

use http::header::{HeaderMap, WWW_AUTHENTICATE};

use crate::challenge::reader::{read_header, text};
use crate::error::{is_error_code, is_word};

/// A challenge of a `WWW-Authenticate` header: a scheme with parameters or a single value (RFC
/// 9110, section 11).
///
/// The texts are the server's own and unmodified: they prove nothing and must be escaped before
/// they are shown. A challenge that a client can satisfy is a
/// [`ClaimsChallenge`](crate::claims::ClaimsChallenge).
///
/// ```
/// use entra_proto::claims::Challenge;
/// use http::HeaderMap;
///
/// let mut headers = HeaderMap::new();
/// let header = r#"Negotiate, Bearer realm="", error="invalid_token""#;
/// headers.append("www-authenticate", header.parse()?);
/// let challenges = Challenge::parse_all(&headers);
/// assert_eq!(challenges[0].scheme(), "Negotiate");
/// assert_eq!(challenges[1].param("Realm"), Some(""));
/// assert!(challenges[1].is_invalid_token());
/// # Ok::<(), http::header::InvalidHeaderValue>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Challenge {
    scheme: String,
    token68: Option<String>,
    /// Names in lower case, in their original order.
    params: Vec<(String, String)>,
}

impl Challenge {
    /// Parses the challenges of all `WWW-Authenticate` headers, in their order.
    ///
    /// Parsing never fails: invalid parts are skipped, and the rest is parsed. The limits are 64
    /// KiB of headers, 32 challenges, and 64 parameters per challenge. A header that exceeds the
    /// limit is skipped as a whole, so that no value is truncated. Bytes that are not UTF-8 become
    /// U+FFFD.
    ///
    /// Three deviations from the grammar are accepted, because servers send them: unquoted values
    /// with characters that a token cannot contain, such as a URL, up to the next comma or blank;
    /// parameters without a comma between them; and repeated parameters, of which the first counts.
    #[must_use]
    pub fn parse_all(headers: &HeaderMap) -> Vec<Self> {
        let mut challenges = Vec::new();
        let mut room = MOST_BYTES;
        for header in headers.get_all(WWW_AUTHENTICATE) {
            let Some(left) = room.checked_sub(header.len()) else {
                continue;
            };
            room = left;
            read_header(header.as_bytes(), &mut challenges);
        }
        challenges
    }

    /// Returns the scheme as written, such as `Bearer`. Compare it case-insensitively.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Returns the value of a parameter, without quotes and escapes. The name is case-insensitive.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params()
            .find_map(|(known, value)| known.eq_ignore_ascii_case(name).then_some(value))
    }

    /// Returns all parameters in their order: names in lower case, and values.
    pub fn params(&self) -> impl Iterator<Item = (&str, &str)> {
        self.params.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns the realm: for Entra's APIs a tenant, or empty.
    #[must_use]
    pub fn realm(&self) -> Option<&str> {
        self.param("realm")
    }

    /// Returns the value that some schemes have instead of parameters, such as NTLM's message in
    /// base64.
    #[must_use]
    pub fn token68(&self) -> Option<&str> {
        self.token68.as_deref()
    }

    /// Returns the error code (RFC 6750, section 3.1). It is absent if the request had no token,
    /// and some APIs omit it for an invalid token as well.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.param("error")
    }

    /// Returns whether access tokens satisfy the challenge: the scheme is `Bearer`, or `PoP` for
    /// tokens that are bound to a key.
    fn is_bearer(&self) -> bool {
        ["Bearer", "PoP"]
            .iter()
            .any(|scheme| self.scheme.eq_ignore_ascii_case(scheme))
    }

    /// Returns whether the API rejects the token itself as expired, revoked or malformed (RFC 6750,
    /// section 3.1). It may accept a newly issued token, but never the same one.
    #[must_use]
    pub fn is_invalid_token(&self) -> bool {
        self.is_error("invalid_token")
    }

    /// Returns whether the API requires other claims in the token. A token request with the claims
    /// of the [`ClaimsChallenge`](crate::claims::ClaimsChallenge::find) satisfies it. If none is
    /// found, the claims are missing or invalid, and a token requested as before would be rejected
    /// again.
    #[must_use]
    pub fn is_insufficient_claims(&self) -> bool {
        self.is_error("insufficient_claims")
    }

    fn is_error(&self, code: &str) -> bool {
        self.is_bearer() && self.error().is_some_and(|error| error.eq_ignore_ascii_case(code))
    }

    fn add(&mut self, name: &[u8], value: String) {
        if self.params.len() < MOST_PARAMS {
            self.params.push((text(name).to_ascii_lowercase(), value));
        }
    }
}

/// Omits all values except the error code, because a server may repeat the token in any of them.
impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name(&self.scheme))?;
        if self.token68.is_some() {
            f.write_str(" ..")?;
        }
        for (at, (parameter, value)) in self.params().enumerate() {
            f.write_str(if at == 0 { " " } else { ", " })?;
            match parameter {
                "error" if is_error_code(value) => write!(f, "error={value}")?,
                _ => write!(f, "{}=..", name(parameter))?,
            }
        }
        Ok(())
    }
}

/// Returns a scheme or parameter name if it is safe to show: a server may write a token there too.
/// Parameter names are in lower case already.
fn name(text: &str) -> &str {
    let is_short = text.len() <= SHOWN && !text.contains('.');
    if is_short && is_word(text) { text } else { "?" }
}

/// The limit of all headers together. A claims challenge takes up to a third of it.
const MOST_BYTES: usize = 64 * 1024;
const MOST_CHALLENGES: usize = 32;
const MOST_PARAMS: usize = 64;

/// The number of characters of a text that `Debug` shows.
const SHOWN: usize = 30;

#[cfg(test)]
mod tests;
