//! Redirect URIs.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use http::Uri;

use crate::error::{Error, Input, InputError};
use crate::loopback::is_loopback_host;
use crate::pasted::unwrapped;

/// The URI to which Entra sends the browser back (RFC 6749, section 3.1.2). It must match the
/// application's registration character for character; on the v1 endpoint it may be a path below a
/// registered URI.
///
/// ```
/// use entra_proto::authorize::RedirectUri;
///
/// let uri: RedirectUri = "https://www.mycompany.com/myapp/".parse()?;
/// assert_eq!(uri.as_str(), "https://www.mycompany.com/myapp/");
/// // Plain http is allowed on this machine only.
/// let local: RedirectUri = "http://localhost:8400/".parse()?;
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RedirectUri(Arc<str>);

impl RedirectUri {
    /// Parses a URI that may be plain `http` on another machine. An eavesdropper on the network can
    /// read the code. Old registrations have such URIs; new ones must not.
    ///
    /// # Errors
    /// Returns an error as `parse` does, except for plain `http`.
    pub fn over_plain_http(text: &str) -> Result<Self, Error> {
        Self::read(text, true)
    }

    /// Returns the URI as it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn read(text: &str, plain_http: bool) -> Result<Self, Error> {
        let text = unwrapped(text);
        // The query and fragment may contain a code, and the user info a password.
        let shown = text.split(['?', '#']).next().filter(|shown| !shown.contains('@'));
        let invalid = |problem: &'static str, advice: &'static str| {
            let error = InputError::new(Input::RedirectUri, problem).with_hint(advice);
            Error::from(match shown {
                Some(shown) => error.value(shown),
                None => error,
            })
        };
        if text.contains('#') {
            return Err(invalid("has a fragment", "leave it out"));
        }
        if text.len() > MAX_LENGTH {
            return Err(invalid("is too long", "use one of at most 2,048 characters"));
        }
        let uri: Uri = text
            .parse()
            .map_err(|_| invalid("is not a URL", "write it as registered in Entra"))?;
        let (Some(scheme), Some(host)) = (uri.scheme_str(), uri.host()) else {
            return Err(invalid("has no scheme or no host", "write it as registered in Entra"));
        };
        if uri
            .authority()
            .is_some_and(|authority| authority.as_str().contains('@'))
        {
            return Err(invalid("has a user name before its host", "leave it out"));
        }
        match scheme {
            "https" => {}
            "http" if plain_http || is_loopback_host(host) => {}
            "http" => {
                return Err(invalid(
                    "is plain http, which would show the code to the network",
                    "use https",
                ));
            }
            _ => {
                return Err(invalid(
                    "is neither https nor http",
                    "use an address of the web application",
                ));
            }
        }
        Ok(Self(text.into()))
    }
}

impl FromStr for RedirectUri {
    type Err = Error;

    /// Parses `https://host/path`, or `http` for a host on this machine. White space, quotation
    /// marks and a byte order mark around it are ignored. Nothing else is changed, because Entra
    /// compares characters.
    ///
    /// # Errors
    /// Returns an error if the text is anything else, has a fragment or a user name, or is longer
    /// than 2,048 characters.
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::read(text, false)
    }
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const MAX_LENGTH: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for good in [
            "https://a.example",
            "https://a.example/cb?x=1",
            "http://127.0.0.1:1/",
            "http://[::1]:5/x",
            "http://localhost/",
        ] {
            let pasted = format!(" \"{good}\"\r\n");
            assert_eq!(pasted.parse::<RedirectUri>().unwrap().as_str(), good);
            assert_eq!(good.parse::<RedirectUri>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "/cb",
            "a.example/cb",
            "http://www.mycompany.com/myapp/",
            "https://a.example/#x",
            "https://u@a.example/",
            "msal1://auth",
            "javascript://x/",
            "https://a.example/b c",
        ] {
            assert!(bad.parse::<RedirectUri>().is_err(), "{bad}");
        }
        let long = |length: usize| format!("https://a.example/{}", "x".repeat(length - 18)).parse::<RedirectUri>();
        assert!(long(2048).is_ok() && long(2049).is_err());
        let seed = RedirectUri::over_plain_http("http://www.mycompany.com/myapp/").unwrap();
        assert_eq!(seed.as_str(), "http://www.mycompany.com/myapp/");
    }
}
