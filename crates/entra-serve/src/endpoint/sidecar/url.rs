//! The address of a request to an API: a fixed base, and a path that cannot leave it.

use std::borrow::Cow;

use entra_proto::endpoint::Origin;
use http::Uri;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::header::Problem;

/// The origin of an API, and the beginning of its paths.
#[derive(Clone, Debug)]
pub(super) struct BaseUrl {
    origin: Origin,
    /// Empty, or with a slash at the start and none at the end.
    path: String,
}

/// The rest of a path, with its query: never empty segments at the start, never `..`.
#[derive(Clone, Debug, Default)]
pub(super) struct RelativePath(String);

impl BaseUrl {
    /// Reads the base.
    ///
    /// # Errors
    /// Returns the problem with it.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let start = text.find("://").ok_or("it is not a URL")? + "://".len();
        let end = text[start..]
            .find(['/', '?', '#', '\\'])
            .map_or(text.len(), |at| start + at);
        let (origin, path) = text.split_at(end);
        let origin: Origin = origin
            .parse()
            .map_err(|error: entra_proto::Error| Problem::from(error.to_string()))?;
        if !origin.is_https() && !origin.is_loopback() {
            return Err("it is plain http, and not on this machine".into());
        }
        if path.contains('?') {
            return Err("it has a query".into());
        }
        let path = path.trim_matches('/');
        let path = match path {
            "" => String::new(),
            path => format!("/{}", RelativePath::parse(path)?.0),
        };
        Ok(Self { origin, path })
    }

    /// Returns the address below the base with these further parameters of the query.
    ///
    /// # Errors
    /// Returns the problem with it.
    pub(super) fn join(&self, relative: &RelativePath, query: &[(String, String)]) -> Result<Uri, Problem> {
        let mut text = format!("{}{}/{}", self.origin.as_str(), self.path, relative.0);
        let mut has_query = relative.0.contains('?');
        for (name, value) in query {
            text.push(if has_query { '&' } else { '?' });
            has_query = true;
            text.extend(utf8_percent_encode(name, NON_ALPHANUMERIC));
            text.push('=');
            text.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
        }
        let uri: Uri = text.parse().map_err(|_| "it makes no valid address of the API")?;
        // The rules of the relative path ensure this already. The token depends on it.
        let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        let is_below = uri.scheme_str().is_some_and(|scheme| {
            format!("{scheme}://{authority}") == self.origin.as_str()
                && uri
                    .path()
                    .strip_prefix(&*self.path)
                    .is_some_and(|rest| rest.starts_with('/'))
        });
        if !is_below {
            return Err("it leaves the base URL of the API".into());
        }
        Ok(uri)
    }
}

impl RelativePath {
    /// Reads the path, and its query if it has one. One slash at the start has no meaning.
    ///
    /// # Errors
    /// Returns the problem with it: it could lead to another place than one below the base, for
    /// this server or for one behind it, which may decode it again.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        if text.len() > LONGEST {
            return Err("it is longer than 8 KiB".into());
        }
        if text.contains(['#', '\\']) || text.chars().any(char::is_control) {
            return Err("it has a fragment, a backslash or a control character".into());
        }
        let text = text.strip_prefix('/').unwrap_or(text);
        let explicit = text.strip_prefix("./");
        let text = explicit.unwrap_or(text);
        if text.starts_with('/') {
            return Err("it begins with two slashes, like another host".into());
        }
        let path = text.split('?').next().unwrap_or_default();
        if path.contains("://") || (explicit.is_none() && has_scheme(path)) {
            return Err("it has a scheme; write ./ before a first part with a colon".into());
        }
        if leaves(path) {
            return Err("it has a part that is .., which leaves the base URL".into());
        }
        Ok(Self(utf8_percent_encode(text, UNFIT).to_string()))
    }
}

/// Returns true if the text begins like an absolute URL (RFC 3986, section 3.1).
fn has_scheme(path: &str) -> bool {
    let first = path.split('/').next().unwrap_or_default();
    first.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    })
}

/// Returns true if a part is `..`, as it is or once decoded, or if decoding makes a control
/// character or has no end.
fn leaves(path: &str) -> bool {
    let mut path = Cow::Borrowed(path);
    for _ in 0..MOST_DECODINGS {
        // Some servers ignore what follows a semicolon.
        let name = |part: &str| part.split(';').next().unwrap_or_default().trim().to_owned();
        if path.split(['/', '\\']).any(|part| name(part) == "..") || path.chars().any(char::is_control) {
            return true;
        }
        let decoded = percent_decode_str(&path).decode_utf8_lossy().into_owned();
        if decoded == *path {
            return false;
        }
        path = decoded.into();
    }
    true
}

/// The characters that a URI cannot have.
const UNFIT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The length of the longest path in bytes.
const LONGEST: usize = 8 * 1024;

const MOST_DECODINGS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(base: &str, relative: &str) -> Result<String, Problem> {
        let base = BaseUrl::parse(base).unwrap();
        let uri = base.join(&RelativePath::parse(relative)?, &[])?;
        Ok(uri.to_string())
    }

    #[test]
    fn paths_are_joined_below_the_base() {
        for (base, relative, expected) in [
            (
                "https://graph.microsoft.com/v1.0",
                "me",
                "https://graph.microsoft.com/v1.0/me",
            ),
            (
                "https://graph.microsoft.com/v1.0/",
                "/me",
                "https://graph.microsoft.com/v1.0/me",
            ),
            ("https://graph.microsoft.com", "", "https://graph.microsoft.com/"),
            ("http://127.0.0.1:8080/a//", "b//c", "http://127.0.0.1:8080/a/b//c"),
            (
                "https://graph.microsoft.com/v1.0",
                "users?$filter=a eq 'b'&u=https://c.example/../d",
                "https://graph.microsoft.com/v1.0/users?$filter=a%20eq%20'b'&u=https://c.example/../d",
            ),
            (
                "https://graph.microsoft.com/v1.0/me/drive",
                "./root:/a..b/...:/content",
                "https://graph.microsoft.com/v1.0/me/drive/root:/a..b/...:/content",
            ),
            ("https://a.example", "@evil.example", "https://a.example/@evil.example"),
            ("https://a.example", "ä%2Fb", "https://a.example/%C3%A4%2Fb"),
        ] {
            assert_eq!(joined(base, relative).as_deref(), Ok(expected), "{relative}");
        }
    }

    #[test]
    fn hostile_paths_are_refused() {
        for relative in [
            "https://evil.example",
            "HTTPS://evil.example/a",
            "/https://evil.example",
            "a/https://evil.example",
            "//evil.example/a",
            "///evil.example",
            "/.//evil.example",
            "\\\\evil.example",
            "/\\evil.example",
            "..",
            "../beta/me",
            "me/../../beta",
            "me/..",
            "%2e%2e/beta",
            "%2E./beta",
            "..%2fbeta",
            "%252e%252e%252fbeta",
            "%25252e%25252e/beta",
            "..%5cbeta",
            "..;/beta",
            "..;a=b/beta",
            ".. /beta",
            "%20..%20/beta",
            "javascript:alert",
            "http:evil.example",
            "me#fragment",
            "me\r\nHost: evil.example",
            "me%0d%0aHost:%20evil.example",
            "me\0",
            "me%00",
        ] {
            assert!(
                joined("https://graph.microsoft.com/v1.0", relative).is_err(),
                "{relative:?}"
            );
        }
        assert!(RelativePath::parse(&"a".repeat(LONGEST + 1)).is_err());
        assert!(RelativePath::parse(&format!("%{}2e%2e", "25".repeat(100))).is_err());
    }

    #[test]
    fn bases_are_origins_with_a_path() {
        for base in [
            "",
            "graph.microsoft.com",
            "http://graph.microsoft.com",
            "http://127.0.0.1.evil.example",
            "ftp://127.0.0.1",
            "https://user:pass@graph.microsoft.com",
            "https://graph.microsoft.com@evil.example",
            "https://graph.microsoft.com?a=b",
            "https://graph.microsoft.com/a?b",
            "https://graph.microsoft.com#a",
            "https://graph.microsoft.com/a/../b",
            "https://graph.microsoft.com\\@evil.example",
            "https://",
        ] {
            assert!(BaseUrl::parse(base).is_err(), "{base}");
        }
    }

    #[test]
    fn parameters_are_added_to_the_query() {
        let base = BaseUrl::parse("https://a.example/b").unwrap();
        let query = [("c&".to_owned(), "d=#".to_owned())];
        for (relative, expected) in [
            ("e", "https://a.example/b/e?c%26=d%3D%23"),
            ("e?f=g", "https://a.example/b/e?f=g&c%26=d%3D%23"),
        ] {
            let uri = base.join(&RelativePath::parse(relative).unwrap(), &query).unwrap();
            assert_eq!(uri, expected);
        }
    }
}
