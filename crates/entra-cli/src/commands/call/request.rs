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

    /// The URL: https, or http at this machine. Blanks and what else no URL may hold are percent-encoded
    #[arg(value_name = "URL")]
    url: String,

    /// Send this body; the file that is named behind @; or standard input if it is "-". It is JSON unless -H Content-Type says otherwise
    #[arg(short, long, value_name = "TEXT|@FILE|-", allow_hyphen_values = true)]
    data: Option<String>,

    /// Send this header, or those in the file that is named behind @, one a line: for values that other users must not see
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE|@FILE")]
    headers: Vec<String>,
}

/// A request without its token.
pub(super) struct Prepared {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    /// Kept as bytes, since it may be sent more than once.
    pub(super) body: Vec<u8>,
}

impl RequestSettings {
    /// Returns how many of the options read standard input.
    pub(super) fn readers_of_stdin(&self) -> usize {
        let data = self.data.as_deref().is_some_and(|data| matches!(data, "-" | "@-"));
        usize::from(data) + self.headers.iter().filter(|header| *header == "@-").count()
    }

    /// Reads all that the options name.
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
                    refuse_secret(header)?;
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
                return Err(Failure::text(Exit::Usage, format!("{method} takes no body"))
                    .hint("leave --data out, or use POST, PATCH or PUT"));
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
    let refused = |problem: &str| {
        Failure::text(Exit::Usage, problem).hint("write GET, POST, PATCH, PUT or DELETE, and then the URL")
    };
    let method = Method::from_bytes(text.trim().to_ascii_uppercase().as_bytes())
        .map_err(|_| refused("the method is not a word"))?;
    if [Method::CONNECT, Method::TRACE].contains(&method) {
        return Err(refused("this method could show the token to others"));
    }
    Ok(method)
}

/// Reads a URL that a token may be sent to.
pub(super) fn uri(text: &str) -> Result<Uri, Failure> {
    let refused = |problem: &str, hint: &'static str| Failure::text(Exit::Usage, problem).hint(hint);
    let text = text.trim();
    if text.contains(char::is_control) {
        return Err(refused("the URL has a control character", "write it on one line"));
    }
    if text.contains('#') {
        return Err(refused(
            "the URL has a #, behind which nothing is sent",
            "write %23 for it",
        ));
    }
    let host = text
        .split_once("://")
        .map_or("", |(_, rest)| rest.split(['/', '?']).next().unwrap_or_default());
    if !host.is_ascii() {
        return Err(refused(
            "the host of the URL has characters that no host may have",
            "write it as browsers send it, with labels that begin with xn--",
        ));
    }
    let encoded = utf8_percent_encode(text, NOT_IN_URLS).to_string();
    let uri: Uri = encoded.parse().map_err(|_| {
        refused(
            "the URL cannot be read",
            "write it as https://graph.microsoft.com/v1.0/users",
        )
    })?;
    if uri.scheme().is_none() {
        return Err(refused(
            "the URL has no scheme",
            "write it in full: https://graph.microsoft.com/v1.0/users",
        ));
    }
    check_uri(&uri, true).map_err(|error| Failure::new(Exit::Usage, error))?;
    Ok(uri)
}

/// Adds a header to those of the request.
fn add_header(headers: &mut HeaderMap, line: &str) -> Result<(), Failure> {
    // The value is not repeated: it may be a secret.
    let refused = |problem: String| Failure::text(Exit::Usage, problem);
    let (name, value) = line
        .split_once(':')
        .ok_or_else(|| refused("a header has no colon".to_owned()).hint("write it as 'NAME: VALUE'"))?;
    let shown = excerpt(name.trim(), 60);
    let name: HeaderName = name.trim().parse().map_err(|_| {
        refused(format!("\"{shown}\" cannot be the name of a header")).hint("write it as 'NAME: VALUE'")
    })?;
    if name == AUTHORIZATION {
        let problem = "the header with the token is set here, to the one that is requested".to_owned();
        return Err(refused(problem).hint(
            "leave it out; to send a token that you have, use `curl -K -`, which reads the header from standard input",
        ));
    }
    if [HOST, PROXY_AUTHORIZATION].contains(&name) || MESSAGE_HEADERS.contains(&name.as_str()) {
        return Err(refused(format!("the header {name} is set by the connection")).hint("leave it out"));
    }
    let mut value = HeaderValue::from_str(value.trim())
        .map_err(|_| refused(format!("the value of {name} has a character that no header may have")))?;
    value.set_sensitive(true);
    headers.append(name, value);
    Ok(())
}

/// Refuses a header that carries a secret on the command line, where other users see it.
fn refuse_secret(header: &str) -> Result<(), Failure> {
    let (name, value) = header.split_once(':').unwrap_or((header, ""));
    let name = name.trim().to_ascii_lowercase();
    let is_named = SECRET_NAMES.iter().any(|part| name.contains(part));
    // The tags of versions look random.
    let is_tag = TAGGED.iter().any(|tagged| name == tagged.as_str());
    if name == AUTHORIZATION.as_str() || is_tag || !(is_named || holds_secret(value)) {
        return Ok(());
    }
    let problem = format!("the header {} holds a secret", excerpt(&name, 60));
    Err(Failure::text(Exit::Usage, problem).hint(
        "write the header to a file that only you may read, and name it with -H @FILE: every user of the machine sees the command line",
    ))
}

/// Reads the body that an option names.
fn read_data(data: &str) -> Result<Vec<u8>, Failure> {
    let path = match data.strip_prefix('@') {
        Some(path) => Path::new(path),
        None if data == "-" => Path::new("-"),
        None => {
            if holds_secret(data) {
                // It may as well be content that looks like one.
                warn(
                    "the body on the command line may hold a secret, and every user of the machine sees the command line",
                    "send such a body from a file, with -d @FILE, or from standard input, with -d -",
                );
            }
            return Ok(data.as_bytes().to_vec());
        }
    };
    if path.as_os_str().is_empty() {
        return Err(Failure::text(Exit::Usage, "there is no file behind the @ of --data").hint("write -d @FILE"));
    }
    reject_contents(path, Exit::Usage)?;
    let mut bytes = Vec::new();
    let read = if path.as_os_str() == "-" {
        io::stdin().lock().take(MAX_BODY + 1).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(MAX_BODY + 1).read_to_end(&mut bytes))
    };
    let failed = |problem: String| Failure::text(Exit::Usage, format!("{}: {problem}", name_of(path)));
    read.map_err(|error| failed(error.to_string()).hint("check the path behind @"))?;
    if bytes.len() as u64 > MAX_BODY {
        return Err(failed(format!("is longer than {MAX_BODY} bytes"))
            .hint("send it in parts, as the API's documents describe for large files"));
    }
    Ok(bytes)
}

/// The characters that people write in a URL and that no URL may hold.
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

/// The headers that hold tags of versions (RFC 9110, section 13.1).
const TAGGED: [HeaderName; 3] = [IF_MATCH, IF_NONE_MATCH, IF_RANGE];

/// How long a file of headers may be, in bytes.
const MAX_HEADERS: u64 = 64 * 1024;

/// How long the body of a request may be, in bytes. It is held in memory, to be sent again.
const MAX_BODY: u64 = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_encoded_where_they_must_be() {
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
    fn headers_that_are_set_here_are_refused() {
        let add = |line: &str| add_header(&mut HeaderMap::new(), line).map_err(|failure| failure.to_string());
        for line in ["Prefer: return=minimal", "x-ms-version:2021-12-02", "If-Match: *", "A:"] {
            add(line).unwrap();
        }
        for (line, problem) in [
            ("authorization: Bearer canary", "header with the token is set here"),
            ("Host: a.example", "set by the connection"),
            ("Content-Length: 1", "set by the connection"),
            ("Transfer-Encoding: chunked", "set by the connection"),
            ("Prefer", "no colon"),
            ("a b: canary", "name of a header"),
            ("X: canary\u{7}", "no header may have"),
        ] {
            let failure = add(line).unwrap_err();
            assert!(
                failure.contains(problem) && !failure.contains("canary"),
                "{line}: {failure}"
            );
        }
    }

    #[test]
    fn secrets_are_refused_on_the_command_line() {
        for header in [
            "Ocp-Apim-Subscription-Key: 0123456789abcdef0123456789abcdef",
            "Cookie: a=b",
            "x-functions-key: k",
            "X-Other: eyJhbGciOiJub25lIn0.eyJhdWQiOiJhIn0.c2ln",
            "X-Auth-Token: 0123",
            "ApiKey: 0123",
            "x-ms-copy-source: https://a.blob.core.windows.net/c/b?sv=2020&sig=0123456789eyJabcdefghijk%3D",
        ] {
            let failure = refuse_secret(header).unwrap_err().to_string();
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
            refuse_secret(header).unwrap();
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
