//! Redirect URIs: registered and requested ones, and how they match.

use crate::config::App;
use crate::state::recorder::Endpoint;

/// Returns the redirect URI for a request's response, or `None` if the requested URI is not
/// allowed. In that case the emulator must not redirect at all.
///
/// v2 requires one of the registered URIs exactly. v1 also accepts a path below a registered URI.
/// If the request names none, the first registered URI is used. The port of a loopback address is
/// ignored (RFC 8252, section 7.3).
pub(crate) fn choose(app: &App, asked: Option<&str>, version: Endpoint) -> Option<String> {
    let Some(asked) = asked else {
        return app.redirect_uris.first().cloned();
    };
    let is_registered = is_registrable(asked)
        && app.redirect_uris.iter().any(|registered| {
            registered == asked
                || is_same(registered, asked)
                || (version == Endpoint::V1 && is_below(registered, asked))
        });
    is_registered.then(|| asked.to_owned())
}

/// Returns whether a text can be a redirect URI: absolute, printable, without a fragment, and not
/// of a scheme that runs code.
pub(crate) fn is_registrable(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else {
        return false;
    };
    let is_scheme = scheme.bytes().next().is_some_and(|first| first.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        && !FORBIDDEN_SCHEMES
            .iter()
            .any(|forbidden| scheme.eq_ignore_ascii_case(forbidden));
    let is_printable = uri
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}#*".contains(&byte));
    let is_web = ["http", "https"].iter().any(|web| scheme.eq_ignore_ascii_case(web));
    uri.len() <= LONGEST && is_scheme && is_printable && !rest.is_empty() && (!is_web || Uri::parse(uri).is_some())
}

struct Uri<'a> {
    scheme: &'a str,
    authority: &'a str,
    /// The host without the port.
    host: &'a str,
    /// The path with its leading slash, or an empty string.
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Uri<'a> {
    /// Parses an `http` or `https` URI that is known to be printable.
    fn parse(uri: &'a str) -> Option<Self> {
        let (scheme, rest) = uri.split_once("://")?;
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return None;
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (rest, None),
        };
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte);
        if authority.is_empty() || !authority.bytes().all(is_host) {
            return None;
        }
        let host = if authority.starts_with('[') {
            authority.split_once(']').map_or(authority, |(address, _)| address)
        } else {
            let (host, port) = authority.split_once(':').unwrap_or((authority, "0"));
            let is_port = port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
            if host.is_empty() || !is_port || host.contains(['[', ']']) {
                return None;
            }
            host
        };
        Some(Self {
            scheme,
            authority,
            host,
            path,
            query,
        })
    }

    fn has_origin_of(&self, other: &Self) -> bool {
        let is_loopback = self.scheme.eq_ignore_ascii_case("http") && ["localhost", "127.0.0.1"].contains(&self.host);
        self.scheme.eq_ignore_ascii_case(other.scheme)
            && (self.authority.eq_ignore_ascii_case(other.authority)
                || (is_loopback && self.host.eq_ignore_ascii_case(other.host)))
    }
}

/// Returns whether two URIs are the same except for the port of a loopback address and the slash of
/// an empty path.
fn is_same(registered: &str, asked: &str) -> bool {
    let (Some(registered), Some(asked)) = (Uri::parse(registered), Uri::parse(asked)) else {
        return false;
    };
    let path = |uri: &Uri<'_>| uri.path.trim_end_matches('/').is_empty();
    registered.has_origin_of(&asked)
        && registered.query == asked.query
        && (registered.path == asked.path || (registered.path.len() <= 1 && asked.path.len() <= 1 && path(&asked)))
}

/// Returns whether `asked` is a path below a registered URI, segment by segment, without segments
/// that lead upward.
fn is_below(registered: &str, asked: &str) -> bool {
    let (Some(registered), Some(asked)) = (Uri::parse(registered), Uri::parse(asked)) else {
        return false;
    };
    let base = registered.path.trim_end_matches('/');
    let Some(below) = asked.path.strip_prefix(base) else {
        return false;
    };
    let is_plain = |segment: &str| {
        let lower = segment.to_ascii_lowercase();
        // Some servers ignore the part of a segment after a semicolon, so that `..;` leads upward.
        let lower = lower.replace("%3b", ";");
        let dots = lower.split(';').next().unwrap_or_default().replace("%2e", ".");
        dots != "." && dots != ".." && !lower.contains("%2f") && !lower.contains("%5c")
    };
    registered.has_origin_of(&asked)
        && registered.query.is_none()
        && asked.query.is_none()
        && (below.is_empty() || below.starts_with('/'))
        && !below.contains("//")
        && below.split('/').all(is_plain)
}

/// Twice the limit of the v1 documents, to allow for long query strings.
const LONGEST: usize = 512;
const FORBIDDEN_SCHEMES: &[&str] = &["about", "blob", "data", "file", "filesystem", "javascript", "vbscript"];

#[cfg(test)]
mod tests {
    use super::*;

    fn app(uris: &[&str]) -> App {
        uris.iter().fold(App::new("a"), |app, uri| app.redirect_uri(*uri))
    }

    #[test]
    fn only_v1_accepts_paths_below() {
        let app = app(&["https://app.example/my/"]);
        let goes = |uri: &str| [Endpoint::V1, Endpoint::V2].map(|version| choose(&app, Some(uri), version).is_some());
        assert_eq!(goes("https://app.example/my/"), [true, true]);
        for below in [
            "https://app.example/my/a",
            "https://APP.example/my/a/b.html",
            "https://app.example/my",
        ] {
            assert_eq!(goes(below), [true, false], "{below}");
        }
        for outside in [
            "https://app.example/",
            "https://app.example/my-other",
            "https://app.example/my/../x",
            "https://app.example/my/%2E%2e/x",
            "https://app.example/my/..;/x",
            "https://app.example/my/.%2e%3Ba=b/x",
            "https://app.example/my/%2f..%2fx",
            "https://app.example/my//evil.example",
            "https://app.example/my/?next=x",
            "https://app.example/my/#x",
            "https://app.example/my/\\..\\x",
            "https://app.example.evil.example/my/",
            "https://user@app.example/my/",
            "https://evil.example\\@app.example/my/",
            "http://app.example/my/",
            "https://app.example:444/my/",
            "https:app.example/my/",
            "//app.example/my/",
            "javascript:alert(1)//https://app.example/my/",
            "https://app.example/my/a b",
            "https://app.example/my/\r\nx: y",
            "",
        ] {
            assert_eq!(goes(outside), [false, false], "{outside}");
        }
    }

    #[test]
    fn loopback_ports_are_ignored() {
        let app = app(&["http://localhost", "http://127.0.0.1:1/cb", "https://localhost:5"]);
        let goes = |uri| choose(&app, Some(uri), Endpoint::V2).is_some();
        assert!(goes("http://localhost:8400") && goes("http://localhost:8400/") && goes("http://127.0.0.1:77/cb"));
        assert!(!goes("http://localhost:8400/x") && !goes("https://localhost:6") && !goes("http://127.0.0.1:77/"));
        assert!(!goes("http://localhost.evil.example:8400/") && !goes("http://localhost:x/"));
        for odd in [
            "http://localhost:/",
            "http://localhost:99999",
            "http://localhost:80:80",
            "http://localhost:+80",
            "http://[localhost]:80",
        ] {
            assert!(!goes(odd), "{odd}");
        }
    }

    #[test]
    fn other_schemes_match_exactly() {
        let app = app(&["myapp://auth", "urn:ietf:wg:oauth:2.0:oob"]);
        let goes = |uri| choose(&app, Some(uri), Endpoint::V1).is_some();
        assert!(goes("myapp://auth") && goes("urn:ietf:wg:oauth:2.0:oob"));
        assert!(!goes("myapp://auth/x") && !goes("myapp://AUTH"));
        assert!(!is_registrable("javascript:alert(1)") && !is_registrable("https://*.example/"));
        for odd in [
            "https://user@app.example/",
            "https://app%2eexample/",
            "https://app.exämple/",
            "https://;x/",
        ] {
            assert!(!is_registrable(odd), "{odd}");
        }
    }
}
