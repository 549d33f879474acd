//! The origins that a token may be sent to.

use std::fmt;

use entra_proto::endpoint::Origin;
use http::Uri;
use http::uri::{Authority, Scheme};

use crate::error::OriginError;

/// The origins that a token may be sent to.
pub(crate) struct Origins(Box<[Listed]>);

struct Listed {
    origin: Origin,
    scheme: Scheme,
    port: u16,
}

impl Origins {
    pub(crate) fn parse(texts: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, OriginError> {
        let origins = texts.into_iter().map(|text| Listed::parse(text.as_ref()));
        let origins: Box<[Listed]> = origins.collect::<Result<_, _>>()?;
        if origins.is_empty() {
            return Err(OriginError::NoOrigin);
        }
        Ok(Self(origins))
    }

    /// Returns the number of origins, duplicates included.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if a request to `uri` may have the token. It does not allocate.
    #[inline]
    pub(crate) fn admit(&self, uri: &Uri) -> bool {
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return false;
        };
        self.0.iter().any(|listed| listed.is_at(scheme, authority))
    }
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|listed| &listed.origin))
            .finish()
    }
}

impl Listed {
    fn parse(text: &str) -> Result<Self, OriginError> {
        let origin: Origin = text.parse().map_err(OriginError::Invalid)?;
        let (scheme, usual_port) = if origin.is_https() {
            (Scheme::HTTPS, HTTPS_PORT)
        } else if origin.is_loopback() {
            (Scheme::HTTP, HTTP_PORT)
        } else {
            return Err(OriginError::PlainHttp(origin));
        };
        let port = authority(&origin)[origin.host().len()..].strip_prefix(':');
        let port = port.map_or(usual_port, |port| port.parse().expect("the origin's port was parsed"));
        Ok(Self { origin, scheme, port })
    }

    #[inline]
    fn is_at(&self, scheme: &Scheme, authority: &Authority) -> bool {
        // Mostly, the letters are the same.
        *scheme == self.scheme && (authority.as_str() == self::authority(&self.origin) || self.is_same(authority))
    }

    /// Returns true if the host and port are the same in other letters: in another case, or with an
    /// explicit default port.
    ///
    /// A URI with a user does not match: it is never intended, and parsers disagree about the text
    /// before an `@`.
    #[cold]
    fn is_same(&self, authority: &Authority) -> bool {
        let (text, host) = (authority.as_str(), authority.host());
        let port = match text.strip_prefix(host) {
            Some("") => Some(if self.scheme == Scheme::HTTPS {
                HTTPS_PORT
            } else {
                HTTP_PORT
            }),
            Some(_) => authority.port_u16(),
            None => None,
        };
        !text.contains('@') && host.eq_ignore_ascii_case(self.origin.host()) && port == Some(self.port)
    }
}

/// Returns `host[:port]`.
#[inline]
fn authority(origin: &Origin) -> &str {
    let text = origin.as_str();
    text.strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .unwrap_or(text)
}

const HTTPS_PORT: u16 = 443;
const HTTP_PORT: u16 = 80;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    const LISTED: [&str; 4] = [
        "https://graph.microsoft.com",
        "https://graph.microsoft.com:8443",
        "https://[2001:db8::1]",
        "http://127.0.0.1",
    ];

    proptest! {
        /// A URI is admitted if and only if its origin is listed, however it is written.
        #[test]
        fn exactly_the_listed_origins_are_admitted(
            scheme in select(&["https", "HTTPS", "http", "ws"][..]),
            user in select(&["", "", "", "@", "user@", "user:443@", "graph.microsoft.com@"][..]),
            host in select(&[
                "graph.microsoft.com", "Graph.Microsoft.Com", "graph.microsoft.com.", "graph.microsoft.com.evil.test",
                "evil.test", "[2001:db8::1]", "[2001:DB8::1]", "[2001:db8::2]", "127.0.0.1", "127.0.0.10", "localhost",
            ][..]),
            port in select(&["", "", ":", ":443", ":0443", ":80", ":8443", ":08443", ":65979", ":1"][..]),
            rest in select(&["", "/", "/v1.0", "?a=https://graph.microsoft.com", "/@graph.microsoft.com"][..]),
        ) {
            let origins = Origins::parse(LISTED).unwrap();
            let origin = format!("{scheme}://{user}{host}{port}");
            let read = origin.parse::<Origin>().ok();
            let expected = LISTED.iter().any(|listed| read == Some(listed.parse().unwrap()));
            if let Ok(uri) = format!("{origin}{rest}").parse::<Uri>() {
                prop_assert_eq!(origins.admit(&uri), expected, "{}", uri);
            }
        }
    }

    #[test]
    fn listed_origins_are_admitted_in_other_letters() {
        let origins = Origins::parse(LISTED).unwrap();
        for uri in [
            "HTTPS://Graph.Microsoft.Com:0443/",
            "https://graph.microsoft.com:8443",
            "http://127.0.0.1:80/a",
        ] {
            assert!(origins.admit(&uri.parse().unwrap()), "{uri}");
        }
    }
}
