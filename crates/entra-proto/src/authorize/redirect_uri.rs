use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use http::Uri;

use crate::error::{Error, Input, InputError};
use crate::loopback::is_loopback_host;
use crate::pasted::unwrapped;

/// Where Entra sends the browser back to (RFC 6749, section 3.1.2): registered with the application, character for character. On the
/// v1 endpoint it may be a path below a registered one.
///
/// ```
/// use entra_proto::authorize::RedirectUri;
///
/// let uri: RedirectUri = "https://www.mycompany.com/myapp/".parse()?;
/// assert_eq!(uri.as_str(), "https://www.mycompany.com/myapp/");
/// let local: RedirectUri = "http://localhost:8400/".parse()?; // plain http on this machine only
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RedirectUri(Arc<str>);

impl RedirectUri {
    /// Takes a plain `http` address that is not on this machine: whoever listens on the way reads the code. Old registrations have
    /// such addresses; new ones may not.
    ///
    /// # Errors
    /// As for `parse`, plain `http` aside.
    pub fn over_plain_http(text: &str) -> Result<Self, Error> {
        Self::read(text, true)
    }

    /// The URI as it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn read(text: &str, plain_http: bool) -> Result<Self, Error> {
        let text = unwrapped(text);
        // What stands behind it may be a code, and what stands before an `@` a password.
        let shown = text.split(['?', '#']).next().filter(|shown| !shown.contains('@'));
        let refused = |problem: &'static str, advice: &'static str| {
            let error = InputError::new(Input::RedirectUri, problem).with_hint(advice);
            Error::from(match shown {
                Some(shown) => error.value(shown),
                None => error,
            })
        };
        if text.contains('#') {
            return Err(refused("has a fragment", "leave it out"));
        }
        if text.len() > MAX_LENGTH {
            return Err(refused("is too long", "use one of at most 2,048 characters"));
        }
        let uri: Uri = text
            .parse()
            .map_err(|_| refused("is not a URL", "write it as it is registered"))?;
        let (Some(scheme), Some(host)) = (uri.scheme_str(), uri.host()) else {
            return Err(refused("has no scheme or no host", "write it as it is registered"));
        };
        if uri
            .authority()
            .is_some_and(|authority| authority.as_str().contains('@'))
        {
            return Err(refused("has a user name before its host", "leave it out"));
        }
        match scheme {
            "https" => {}
            "http" if plain_http || is_loopback_host(host) => {}
            "http" => {
                return Err(refused(
                    "is plain http, which would show the code to the network",
                    "use https",
                ));
            }
            _ => {
                return Err(refused(
                    "is neither https nor http",
                    "use an address of the web application's own",
                ));
            }
        }
        Ok(Self(text.into()))
    }
}

impl FromStr for RedirectUri {
    type Err = Error;

    /// Reads `https://host/path`, or `http` for a host on this machine. White space, quotation marks and a byte order mark
    /// around it are ignored; nothing else is changed, since Entra compares characters.
    ///
    /// # Errors
    /// Where it is anything else, has a fragment or a user name, or is longer than 2,048 characters.
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
    fn plain_http_is_for_this_machine() {
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
