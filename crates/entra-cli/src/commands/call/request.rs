//! The request that the command line describes.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use clap::Args;
use entra_transport::adapter::check_uri;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, IF_MATCH, IF_NONE_MATCH, IF_RANGE, PROXY_AUTHORIZATION, USER_AGENT,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::exit::{Exit, Failure};
use crate::files::{excerpt, name_of, read_text};
use crate::message::warn;
use crate::named_file::reject_contents;
use crate::sanitize::register_secret;
use crate::secret_detection::holds_secret;

/// The request that is sent.
#[derive(Args)]
pub(super) struct RequestSettings {
    /// The method: GET, POST, PATCH, PUT, DELETE or another
    #[arg(value_name = "METHOD")]
    method: String,

    /// The URL: https, or http on this machine; characters that a URL cannot contain, such as
    /// spaces, are percent-encoded
    #[arg(value_name = "URL")]
    url: String,

    /// The body: text, @FILE for the contents of a file, or "-" for standard input; it is sent as
    /// JSON unless -H sets Content-Type
    #[arg(short, long, value_name = "TEXT|@FILE|-", allow_hyphen_values = true)]
    data: Option<String>,

    /// A header, or @FILE for a file with one header on each line, for values that other users must
    /// not see; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE|@FILE")]
    headers: Vec<String>,
}

/// A request without its token.
pub(super) struct Prepared {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    /// Held in memory, because it may be sent more than once.
    pub(super) body: Vec<u8>,
}

impl RequestSettings {
    /// Returns how many of the options read standard input.
    pub(super) fn readers_of_stdin(&self) -> usize {
        let data = self.data.as_deref().is_some_and(|data| matches!(data, "-" | "@-"));
        usize::from(data) + self.headers.iter().filter(|header| *header == "@-").count()
    }

    /// Checks the options, and reads the files that they name.
    pub(super) fn prepare(&self) -> Result<Prepared, Failure> {
        let method = method(&self.method)?;
        let uri = uri(&self.url)?;
        let mut headers = HeaderMap::new();
        for header in &self.headers {
            match header.strip_prefix('@') {
                Some(file) => {
                    let text = read_text(file.as_ref(), "headers", MAX_HEADERS, Exit::Usage)?;
                    for line in text.lines().filter(|line| !line.trim().is_empty()) {
                        let (_, value) = line.split_once(':').unwrap_or_default();
                        register_secret(value.trim());
                        add_header(&mut headers, line)?;
                    }
                }
                None => {
                    reject_secret(header)?;
                    add_header(&mut headers, header)?;
                }
            }
        }
        headers
            .entry(ACCEPT)
            .or_insert(HeaderValue::from_static("application/json"));
        headers
            .entry(USER_AGENT)
            .or_insert(HeaderValue::from_static(concat!("entra/", env!("CARGO_PKG_VERSION"))));
        let body = match &self.data {
            None => Vec::new(),
            Some(_) if [Method::GET, Method::HEAD].contains(&method) => {
                return Err(Failure::text(Exit::Usage, format!("{method} cannot have a body"))
                    .hint("omit --data, or use POST, PATCH or PUT"));
            }
            Some(data) => {
                headers
                    .entry(CONTENT_TYPE)
                    .or_insert(HeaderValue::from_static("application/json"));
                read_data(data)?
            }
        };
        Ok(Prepared {
            method,
            uri,
            headers,
            body,
        })
    }
}

fn method(text: &str) -> Result<Method, Failure> {
    let rejected =
        |problem: &str| Failure::text(Exit::Usage, problem).hint("write GET, POST, PATCH, PUT or DELETE, then the URL");
    let method = Method::from_bytes(text.trim().to_ascii_uppercase().as_bytes())
        .map_err(|_| rejected("the method is not a single word"))?;
    if [Method::CONNECT, Method::TRACE].contains(&method) {
        return Err(rejected("this method could show the token to others"));
    }
    Ok(method)
}

/// Parses the URL of a request with a token.
pub(super) fn uri(text: &str) -> Result<Uri, Failure> {
    let rejected = |problem: &str, hint: &'static str| Failure::text(Exit::Usage, problem).hint(hint);
    let text = text.trim();
    if text.contains(char::is_control) {
        return Err(rejected("the URL contains a control character", "write it on one line"));
    }
    if text.contains('#') {
        return Err(rejected(
            "the URL contains a #, and the part after it is never sent",
            "write %23 instead",
        ));
    }
    let host = text
        .split_once("://")
        .map_or("", |(_, rest)| rest.split(['/', '?']).next().unwrap_or_default());
    if !host.is_ascii() {
        return Err(rejected(
            "the host of the URL contains non-ASCII characters",
            "write it in its ASCII form, with labels that begin with xn--",
        ));
    }
    let encoded = utf8_percent_encode(text, NOT_IN_URLS).to_string();
    let uri: Uri = encoded.parse().map_err(|_| {
        rejected(
            "the URL cannot be read",
            "write it as https://graph.microsoft.com/v1.0/users",
        )
    })?;
    if uri.scheme().is_none() {
        return Err(rejected(
            "the URL has no scheme",
            "write it in full: https://graph.microsoft.com/v1.0/users",
        ));
    }
    check_uri(&uri, true).map_err(|error| Failure::new(Exit::Usage, error))?;
    Ok(uri)
}

/// Parses a header and adds it to the headers of the request.
fn add_header(headers: &mut HeaderMap, line: &str) -> Result<(), Failure> {
    // No error repeats the value: it may be a secret.
    let rejected = |problem: String| Failure::text(Exit::Usage, problem);
    let (name, value) = line
        .split_once(':')
        .ok_or_else(|| rejected("a header has no colon".to_owned()).hint("write it as 'NAME: VALUE'"))?;
    let shown = excerpt(name.trim(), 60);
    let name: HeaderName = name
        .trim()
        .parse()
        .map_err(|_| rejected(format!("\"{shown}\" is not a valid header name")).hint("write it as 'NAME: VALUE'"))?;
    if name == AUTHORIZATION {
        let problem = "this command sets the header with the token, to the one that it requests".to_owned();
        return Err(rejected(problem).hint(
            "omit it; to send a token that you have, use `curl -K -`, which reads the header from standard input",
        ));
    }
    if [HOST, PROXY_AUTHORIZATION].contains(&name) || MESSAGE_HEADERS.contains(&name.as_str()) {
        return Err(rejected(format!("the header {name} is set by the connection")).hint("omit it"));
    }
    let mut value = HeaderValue::from_str(value.trim()).map_err(|_| {
        rejected(format!(
            "the value of {name} contains a character that is invalid in headers"
        ))
        .hint("remove control characters, such as line ends")
    })?;
    value.set_sensitive(true);
    headers.append(name, value);
    Ok(())
}

/// Returns an error if a header on the command line contains a secret: other users can see it.
fn reject_secret(header: &str) -> Result<(), Failure> {
    let (name, value) = header.split_once(':').unwrap_or((header, ""));
    let name = name.trim().to_ascii_lowercase();
    let is_named = SECRET_NAMES.iter().any(|part| name.contains(part));
    // Entity tags look random.
    let is_tag = TAGGED.iter().any(|tagged| name == tagged.as_str());
    if name == AUTHORIZATION.as_str() || is_tag || !(is_named || holds_secret(value)) {
        return Ok(());
    }
    let problem = format!("the header {} contains a secret", excerpt(&name, 60));
    Err(Failure::text(Exit::Usage, problem).hint(
        "write the header to a file that only you can read, and name it with -H @FILE: all users of this machine can see the command line",
    ))
}

/// Reads the body that an option names.
fn read_data(data: &str) -> Result<Vec<u8>, Failure> {
    let path = match data.strip_prefix('@') {
        Some(path) => Path::new(path),
        None if data == "-" => Path::new("-"),
        None => {
            if holds_secret(data) {
                // Only a warning: harmless content may look like a secret.
                warn(
                    "the body on the command line may contain a secret, and all users of this machine can see the command line",
                    "send such a body from a file, with -d @FILE, or from standard input, with -d -",
                );
            }
            return Ok(data.as_bytes().to_vec());
        }
    };
    if path.as_os_str().is_empty() {
        return Err(Failure::text(Exit::Usage, "no file name follows the @ of --data").hint("write -d @FILE"));
    }
    reject_contents(path, Exit::Usage)?;
    let mut bytes = Vec::new();
    let read = if path.as_os_str() == "-" {
        io::stdin().lock().take(MAX_BODY + 1).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(MAX_BODY + 1).read_to_end(&mut bytes))
    };
    let failed = |problem: String| Failure::text(Exit::Usage, format!("{}: {problem}", name_of(path)));
    read.map_err(|error| failed(error.to_string()).hint("check the path after the @"))?;
    if bytes.len() as u64 > MAX_BODY {
        return Err(failed(format!("is longer than {MAX_BODY} bytes"))
            .hint("send it in parts, as the API's documentation describes for large files"));
    }
    Ok(bytes)
}

/// Characters that users write in a URL, and that a URL cannot contain.
const NOT_IN_URLS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The headers that belong to the connection or to the length of the body.
const MESSAGE_HEADERS: [&str; 7] = [
    "connection",
    "content-length",
    "expect",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Parts of the names of headers that carry secrets.
const SECRET_NAMES: [&str; 10] = [
    "cookie",
    "secret",
    "password",
    "token",
    "api-key",
    "apikey",
    "functions-key",
    "subscription-key",
    "encryption-key",
    "x-ms-authorization",
];

/// The headers with entity tags (RFC 9110, section 13.1).
const TAGGED: [HeaderName; 3] = [IF_MATCH, IF_NONE_MATCH, IF_RANGE];

/// The longest file of headers, in bytes.
const MAX_HEADERS: u64 = 64 * 1024;

/// The longest body of a request, in bytes. It is held in memory, so that it can be sent again.
const MAX_BODY: u64 = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_percent_encoded_or_rejected() {
        for (text, encoded) in [
            (
                "https://graph.microsoft.com/v1.0/users?$filter=displayName eq 'Zo\u{eb}'&$top=1",
                "https://graph.microsoft.com/v1.0/users?$filter=displayName%20eq%20'Zo%C3%AB'&$top=1",
            ),
            ("https://a.example/x%20y?z=%2F", "https://a.example/x%20y?z=%2F"),
            (" https://a.example ", "https://a.example/"),
        ] {
            assert_eq!(uri(text).unwrap().to_string(), encoded);
        }
        for (text, problem) in [
            ("graph.microsoft.com/v1.0/me", "URL"),
            ("/v1.0/me", "no scheme"),
            ("http://graph.microsoft.com/", "plain http"),
            ("https://user:canary@a.example/", "user name"),
            ("https://a.example/x#EXT#", "%23"),
            ("https://a.example/\r\nX: y", "control"),
            ("ftp://a.example/", "neither https nor http"),
            ("https://b\u{fc}cher.example/x", "xn--"),
            ("https://a.example:99999/", "host and port"),
            ("https://", "URL"),
            ("", "URL"),
        ] {
            let failure = uri(text).unwrap_err().to_string();
            assert!(
                failure.contains(problem) && !failure.contains("canary"),
                "{text}: {failure}"
            );
        }
    }

    #[test]
    fn headers_set_by_the_command_are_rejected() {
        let add = |line: &str| add_header(&mut HeaderMap::new(), line).map_err(|failure| failure.to_string());
        for line in ["Prefer: return=minimal", "x-ms-version:2021-12-02", "If-Match: *", "A:"] {
            add(line).unwrap();
        }
        for (line, problem) in [
            ("authorization: Bearer canary", "sets the header with the token"),
            ("Host: a.example", "set by the connection"),
            ("Content-Length: 1", "set by the connection"),
            ("Transfer-Encoding: chunked", "set by the connection"),
            ("Prefer", "no colon"),
            ("a b: canary", "valid header name"),
            ("X: canary\u{7}", "invalid in headers"),
        ] {
            let failure = add(line).unwrap_err();
            assert!(
                failure.contains(problem) && !failure.contains("canary"),
                "{line}: {failure}"
            );
        }
    }

    #[test]
    fn secrets_on_the_command_line_are_rejected() {
        for header in [
            "Ocp-Apim-Subscription-Key: 0123456789abcdef0123456789abcdef",
            "Cookie: a=b",
            "x-functions-key: k",
            "X-Other: eyJhbGciOiJub25lIn0.eyJhdWQiOiJhIn0.c2ln",
            "X-Auth-Token: 0123",
            "ApiKey: 0123",
            "x-ms-copy-source: https://a.blob.core.windows.net/c/b?sv=2020&sig=0123456789eyJabcdefghijk%3D",
        ] {
            let failure = reject_secret(header).unwrap_err().to_string();
            assert!(
                failure.contains("-H @FILE") && !failure.contains("0123") && !failure.contains("eyJ"),
                "{failure}"
            );
        }
        for header in [
            "ConsistencyLevel: eventual",
            "Idempotency-Key: 7",
            "If-None-Match: *",
            "If-None-Match: W/\"JzEtVXNlci1BYkNkRWZHaElqS2xNbk9wUXJTdFV2V3hZejAxMjM0NTY3ODkn\"",
            "if-match: \"AbCdEf0123456789AbCdEf==\"",
        ] {
            reject_secret(header).unwrap();
        }
    }

    #[test]
    fn methods_are_words() {
        assert_eq!(method(" patch ").unwrap(), Method::PATCH);
        assert_eq!(method("merge").unwrap().as_str(), "MERGE");
        for text in ["", "a b", "https://graph.microsoft.com", "TRACE", "connect"] {
            assert_eq!(method(text).unwrap_err().exit, Exit::Usage, "{text}");
        }
    }
}
