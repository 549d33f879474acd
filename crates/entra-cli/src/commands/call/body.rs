//! The body of a response, with the token of the request redacted.

use entra_proto::AccessToken;
use entra_transport::{TransportError, TransportErrorKind};
use entra_transport_ureq::OpenBody;
use http::header::HeaderValue;
use http::{HeaderMap, Response};
use memchr::memmem;

use crate::exit::Failure;
use crate::sanitize::REDACTED;

/// A response body that is read in pieces.
///
/// An API may echo the request, as APIs for tests do. The token is replaced by another text.
pub(super) struct ApiBody {
    body: OpenBody,
    chunk: Vec<u8>,
    filter: Filter,
}

impl ApiBody {
    /// Wraps the response to a request that was sent with this token.
    pub(super) fn of(response: Response<OpenBody>, token: &AccessToken) -> Response<Self> {
        let (mut parts, body) = response.into_parts();
        redact(&mut parts.headers, token);
        let body = Self {
            body,
            chunk: vec![0; CHUNK],
            filter: Filter::new(token.clone()),
        };
        Response::from_parts(parts, body)
    }

    /// Returns the next piece, or `None` at the end of the body.
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

/// Returns the failure for a body that cannot be read to its end.
fn unread(error: TransportError) -> Failure {
    let is_late = error.kind() == TransportErrorKind::Timeout;
    let failure = Failure::from(error);
    if is_late {
        failure.hint("allow more seconds with --timeout: the time limit includes the whole body")
    } else {
        failure
    }
}

/// Replaces the token in the values of headers.
fn redact(headers: &mut HeaderMap, token: &AccessToken) {
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

    /// Takes the next bytes, and returns the bytes that can be shown now.
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

    /// Returns the held bytes at the end of the stream.
    fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }
}

/// The size of a piece, in bytes.
const CHUNK: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_redacted_across_piece_boundaries() {
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
    fn bytes_that_cannot_begin_the_token_are_not_held() {
        let mut filter = Filter::new(AccessToken::new("aab.aac").unwrap());
        assert_eq!(filter.push(b"{\"a\":1}\n"), b"{\"a\":1}\n");
    }

    #[test]
    fn token_is_redacted_in_headers() {
        let mut headers = HeaderMap::new();
        headers.append("x-echo", "Bearer aab.aac".parse().unwrap());
        headers.append("x-echo", "other".parse().unwrap());
        redact(&mut headers, &AccessToken::new("aab.aac").unwrap());
        let values: Vec<_> = headers.values().collect();
        assert_eq!(values, ["Bearer [not shown]", "other"]);
    }
}
