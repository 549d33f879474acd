//! The body of a response, in which the token of the request is not shown.

use entra_proto::AccessToken;
use entra_transport::{TransportError, TransportErrorKind};
use entra_transport_ureq::OpenBody;
use http::header::HeaderValue;
use http::{HeaderMap, Response};
use memchr::memmem;

use crate::exit::Failure;
use crate::sanitize::REDACTED;

/// A body that is read in pieces.
///
/// An API may repeat the request, as those for tests do. In its response another text stands in the place of the token.
pub(super) struct ApiBody {
    body: OpenBody,
    chunk: Vec<u8>,
    filter: Filter,
}

impl ApiBody {
    /// Returns a response to a request with this token.
    pub(super) fn of(response: Response<OpenBody>, token: &AccessToken) -> Response<Self> {
        let (mut parts, body) = response.into_parts();
        take_out(&mut parts.headers, token);
        let body = Self {
            body,
            chunk: vec![0; CHUNK],
            filter: Filter::new(token.clone()),
        };
        Response::from_parts(parts, body)
    }

    /// Returns the next piece, if there is one.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        loop {
            let length = self.body.read(&mut self.chunk).map_err(unread)?;
            let clean = match length {
                0 => self.filter.finish(),
                length => self.filter.push(&self.chunk[..length]),
            };
            if length == 0 || !clean.is_empty() {
                return Ok(Some(clean).filter(|clean| !clean.is_empty()));
            }
        }
    }
}

/// Returns the failure for a body that does not end well.
fn unread(error: TransportError) -> Failure {
    let is_late = error.kind() == TransportErrorKind::Timeout;
    let failure = Failure::from(error);
    if is_late {
        failure.hint("name more seconds with --timeout: the time includes the whole body")
    } else {
        failure
    }
}

/// Takes the token out of the values of headers.
fn take_out(headers: &mut HeaderMap, token: &AccessToken) {
    for value in headers.values_mut() {
        if memmem::find(value.as_bytes(), token.expose().as_bytes()).is_none() {
            continue;
        }
        let mut filter = Filter::new(token.clone());
        let mut clean = filter.push(value.as_bytes());
        clean.extend(filter.finish());
        *value = HeaderValue::from_bytes(&clean).unwrap_or(HeaderValue::from_static(REDACTED));
    }
}

/// Replaces a token in a stream.
struct Filter {
    token: AccessToken,
    /// The end of the stream so far, if the token may begin there.
    held: Vec<u8>,
}

impl Filter {
    fn new(token: AccessToken) -> Self {
        Self {
            token,
            held: Vec::new(),
        }
    }

    /// Takes the next bytes, and returns those that may be shown.
    fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        let token = self.token.expose().as_bytes();
        let mut stream = std::mem::take(&mut self.held);
        stream.extend_from_slice(bytes);
        let mut clean = Vec::with_capacity(stream.len());
        let mut rest = stream.as_slice();
        while let Some(at) = memmem::find(rest, token) {
            clean.extend_from_slice(&rest[..at]);
            clean.extend_from_slice(REDACTED.as_bytes());
            rest = &rest[at + token.len()..];
        }
        let last = rest.len().saturating_sub(token.len() - 1);
        let begin = (last..rest.len()).find(|at| token.starts_with(&rest[*at..]));
        let (shown, held) = rest.split_at(begin.unwrap_or(rest.len()));
        clean.extend_from_slice(shown);
        self.held = held.to_vec();
        clean
    }

    /// Returns what is left at the end of the stream.
    fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }
}

/// How much is read at once, in bytes.
const CHUNK: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_wherever_the_stream_is_cut() {
        let token = AccessToken::new("aab.aac").unwrap();
        for (text, clean) in [
            ("x aab.aac y", "x [not shown] y"),
            ("aab.aacaab.aac", "[not shown][not shown]"),
            ("aaab.aac", "a[not shown]"),
            ("aab.aaab.aac", "aab.a[not shown]"),
            ("aab.aa", "aab.aa"),
            ("a", "a"),
            ("", ""),
        ] {
            for size in 1..=text.len().max(1) {
                let mut filter = Filter::new(token.clone());
                let mut shown = Vec::new();
                for piece in text.as_bytes().chunks(size) {
                    shown.extend(filter.push(piece));
                    assert!(filter.held.len() < token.expose().len());
                }
                shown.extend(filter.finish());
                assert_eq!(String::from_utf8(shown).unwrap(), clean, "{text} by {size}");
            }
        }
    }

    #[test]
    fn what_cannot_be_the_token_is_not_held_back() {
        let mut filter = Filter::new(AccessToken::new("aab.aac").unwrap());
        assert_eq!(filter.push(b"{\"a\":1}\n"), b"{\"a\":1}\n");
    }

    #[test]
    fn headers_are_shown_without_the_token() {
        let mut headers = HeaderMap::new();
        headers.append("x-echo", "Bearer aab.aac".parse().unwrap());
        headers.append("x-echo", "other".parse().unwrap());
        take_out(&mut headers, &AccessToken::new("aab.aac").unwrap());
        let values: Vec<_> = headers.values().collect();
        assert_eq!(values, ["Bearer [not shown]", "other"]);
    }
}
