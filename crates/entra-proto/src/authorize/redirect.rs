//! The parameters that a browser brings back from the authorize endpoint or the consent page.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use crate::error::aadsts::marked_codes;
use crate::error::{Error, ErrorResponse, RedirectError, RedirectProblem, Secrets, ServiceError};
use crate::guid::Guid;

/// The parameters that came back to the redirect URI, from a query, a fragment or the body of a
/// form. Do not trust them before the pending sign-in has
/// [validated](crate::authorize::PendingAuthorization::redeem) them.
///
/// They may contain an authorization code: the memory is overwritten on drop, and `Debug` shows
/// only the names of known parameters.
///
/// ```
/// use entra_proto::authorize::Redirect;
///
/// let query = "code=AAABAAAAvPM1KaPlrEqdFSB&state=12345&session_state=x";
/// let redirect = Redirect::from_query(query)?;
/// assert_eq!(redirect.state(), Some("12345"));
/// # Ok::<(), entra_proto::Error>(())
/// ```
pub struct Redirect(Vec<(Zeroizing<String>, Zeroizing<String>)>);

impl Redirect {
    /// Parses the part after the `?` of the redirect's URL (`response_mode=query`). A leading `?`
    /// is ignored.
    ///
    /// # Errors
    /// Returns a [`RedirectError`] if the query is longer than 256 KiB, is not
    /// percent-encoded UTF-8, has a parameter twice (RFC 6749, section 3.1), or was copied from a
    /// document with `&amp;` for `&`.
    pub fn from_query(query: &str) -> Result<Self, Error> {
        Self::read(query.strip_prefix('?').unwrap_or(query))
    }

    /// Parses the part after the `#` of the redirect's URL (`response_mode=fragment`). A leading
    /// `#` is ignored.
    ///
    /// # Errors
    /// Returns an error as [`from_query`](Self::from_query) does.
    pub fn from_fragment(fragment: &str) -> Result<Self, Error> {
        Self::read(fragment.strip_prefix('#').unwrap_or(fragment))
    }

    /// Parses the body of the form that the browser posted (`response_mode=form_post`).
    ///
    /// # Errors
    /// Returns an error as [`from_query`](Self::from_query) does.
    pub fn from_form(body: &[u8]) -> Result<Self, Error> {
        let body = std::str::from_utf8(body).map_err(|_| RedirectError::from(RedirectProblem::NotEncoded))?;
        Self::read(body)
    }

    /// Parses a whole URL, as it stands in a browser's address bar: its fragment if that has a
    /// state, otherwise its query. Text without `?`, `#` and `://` is parsed as a query. White
    /// space around it is ignored.
    ///
    /// # Errors
    /// Returns an error as [`from_query`](Self::from_query) does.
    pub fn from_url(url: &str) -> Result<Self, Error> {
        let url = url.trim();
        let (before, fragment) = url.split_once('#').unwrap_or((url, ""));
        let query = match before.split_once('?') {
            Some((_, query)) => query,
            None if before.contains("://") => "",
            None => before,
        };
        let fragment = Self::read(fragment);
        if fragment.as_ref().is_ok_and(|fragment| fragment.state().is_some()) {
            return fragment;
        }
        let query = Self::read(query)?;
        // If neither part has a state, the fragment's error is more informative than the query.
        if query.state().is_none() {
            fragment?;
        }
        Ok(query)
    }

    /// Returns the `state`, the key of the sign-in. Not validated.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        self.value("state")
    }

    /// Returns the decoded value of a parameter. Not validated.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known.as_str() == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns whether the redirect reports an administrator's consent for the tenant. Not
    /// validated.
    pub(crate) fn is_admin_consent(&self) -> bool {
        self.value("admin_consent")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Returns the home tenant of the account that signed in, as `client_info` names it. Not
    /// validated.
    pub(crate) fn home_tenant(&self) -> Option<Guid> {
        #[derive(serde::Deserialize)]
        struct ClientInfo<'a> {
            utid: Cow<'a, str>,
        }
        let info = self.value("client_info")?.trim_end_matches('=');
        let info = Zeroizing::new(URL_SAFE_NO_PAD.decode(info).ok()?);
        serde_json::from_slice::<ClientInfo<'_>>(&info).ok()?.utid.parse().ok()
    }

    /// Returns the service's error response, if the redirect is one. An `error` takes precedence
    /// over every other parameter.
    ///
    /// `stored` are the secrets of the sign-in.
    pub(crate) fn error_response(&self, stored: &[&str]) -> Option<ServiceError> {
        let error = self.value("error").filter(|error| !error.is_empty())?;
        let description = self.value("error_description").unwrap_or_default();
        Some(
            ErrorResponse {
                error,
                description,
                suberror: self.value("error_subcode"),
                // On a redirect, the IDs occur only in the description.
                trace_id: word_after(description, "Trace ID:"),
                correlation_id: word_after(description, "Correlation ID:"),
                error_uri: self.value("error_uri"),
                ..ErrorResponse::default()
            }
            .read(0, marked_codes(description), None, &self.secrets(stored)),
        )
    }

    /// Returns the texts that no error may show: secrets of the redirect and of its sign-in. Short
    /// texts are not secrets and would match inside ordinary words.
    fn secrets(&self, stored: &[&str]) -> Secrets {
        let received = ["code", "state", "id_token", "access_token"];
        let received = received.into_iter().filter_map(|name| self.value(name));
        let stored = stored.iter().copied();
        Secrets::new(stored.chain(received).filter(|secret| secret.len() >= SHORTEST_SECRET))
    }

    fn read(encoded: &str) -> Result<Self, Error> {
        let invalid = |problem| Err(Error::from(RedirectError::from(problem)));
        if encoded.len() > MAX_REDIRECT {
            return invalid(RedirectProblem::TooLarge);
        }
        let mut pairs = Vec::new();
        for pair in encoded.split('&').filter(|pair| !pair.is_empty()) {
            // Split at the first `=` only: a value may contain more of them.
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (Some(name), Some(value)) = (decode(name), decode(value)) else {
                return invalid(RedirectProblem::NotEncoded);
            };
            if name.starts_with("amp;") {
                return invalid(RedirectProblem::HtmlEscaped);
            }
            pairs.push((name, value));
        }
        // Sorting finds duplicates among many parameters without quadratic time.
        let mut names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair.first() == pair.last()) {
            let name = twice.first().copied().unwrap_or_default();
            return invalid(RedirectProblem::Duplicate(shown(name).to_owned()));
        }
        Ok(Self(pairs))
    }
}

impl fmt::Debug for Redirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().take(16).map(|(name, _)| shown(name));
        f.write_str("Redirect")?;
        f.debug_list().entries(names).finish()
    }
}

/// The maximum length of a redirect in bytes: 256 KiB, many times what Entra sends.
const MAX_REDIRECT: usize = 256 * 1024;

/// Returns the word after a label in the service's message.
fn word_after<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    message.split_once(name)?.1.split_whitespace().next()
}

/// Decodes a name or value of a form.
fn decode(text: &str) -> Option<Zeroizing<String>> {
    let plain = plain(text);
    Some(Zeroizing::new(std::str::from_utf8(&plain).ok()?.to_owned()))
}

/// Decodes to bytes. The capacity is that of the text, so that the buffer never grows and leaves a
/// copy of a code behind.
fn plain(text: &str) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    for (nth, part) in text.split('+').enumerate() {
        if nth > 0 {
            bytes.push(b' ');
        }
        bytes.extend(percent_decode_str(part));
    }
    bytes
}

/// Returns the name of a known parameter, or `?`: a code that was passed without a name would take
/// its place.
fn shown(name: &str) -> &str {
    if KNOWN.contains(&name) { name } else { "?" }
}

/// The parameters that a redirect from Entra may have.
const KNOWN: [&str; 15] = [
    "access_token",
    "admin_consent",
    "client_info",
    "code",
    "error",
    "error_description",
    "error_subcode",
    "error_uri",
    "expires_in",
    "id_token",
    "iss",
    "scope",
    "session_state",
    "state",
    "tenant",
];

const SHORTEST_SECRET: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(result: Result<Redirect, Error>) -> RedirectProblem {
        match result {
            Err(Error::Redirect(error)) => error.problem.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn request_ids_are_parsed_from_the_description() {
        let query = "error=access_denied&error_description=AADSTS65004%3a+User+declined.%0d%0aTrace+ID%3a+0000aaaa-11bb-cccc-dd22-eeeeee333300%0d%0aCorrelation+ID%3a+aaaa0000-bb11-2222-33cc-444444dddddd%0d%0aTimestamp%3a+2026-01-01+00%3a00%3a00Z&state=x";
        let error = Redirect::from_query(query).unwrap().error_response(&[]).unwrap();
        assert_eq!(
            (error.trace_id.as_deref(), error.correlation_id.as_deref()),
            (
                Some("0000aaaa-11bb-cccc-dd22-eeeeee333300"),
                Some("aaaa0000-bb11-2222-33cc-444444dddddd")
            )
        );
        let query = "error=access_denied&error_description=Trace+ID%3a+%3cb%3e+Correlation+ID%3a";
        let error = Redirect::from_query(query).unwrap().error_response(&[]).unwrap();
        assert!(error.trace_id.is_none() && error.correlation_id.is_none());
    }

    #[test]
    fn query_fragment_form_and_url_give_the_same_parameters() {
        let text = "code=a%2Bb+c&state=s%3D1";
        for redirect in [
            Redirect::from_query(text),
            Redirect::from_query(&format!("?{text}")),
            Redirect::from_fragment(&format!("#{text}")),
            Redirect::from_form(text.as_bytes()),
            Redirect::from_url(&format!(" http://www.mycompany.com/myapp/?{text}\n")),
            Redirect::from_url(&format!("https://a.example/cb?state=of+the+uri#{text}")),
            Redirect::from_url(&format!("https://a.example/cb?{text}#top")),
            Redirect::from_url(text),
        ] {
            let redirect = redirect.unwrap();
            assert_eq!((redirect.value("code"), redirect.state()), (Some("a+b c"), Some("s=1")));
        }
    }

    /// A sample in the Entra documents has this form.
    #[test]
    fn value_begins_after_the_first_equals_sign() {
        let redirect = Redirect::from_query("admin_consent=True&state=state=12345").unwrap();
        assert_eq!(redirect.state(), Some("state=12345"));
    }

    #[test]
    fn malformed_redirect_is_rejected() {
        let duplicate = problem(Redirect::from_query("code=a&state=b&code=a"));
        assert_eq!(duplicate, RedirectProblem::Duplicate("code".into()));
        assert_eq!(problem(Redirect::from_query("c%6fde=a&code=b")), duplicate);
        let escaped = Redirect::from_query("code=canary&amp;state=x");
        assert!(escaped.as_ref().unwrap_err().to_string().contains("&amp;"));
        assert_eq!(problem(escaped), RedirectProblem::HtmlEscaped);
        assert_eq!(problem(Redirect::from_form(b"code=\xff")), RedirectProblem::NotEncoded);
        assert_eq!(problem(Redirect::from_query("code=%ff")), RedirectProblem::NotEncoded);
        let long = format!("code={}", "x".repeat(MAX_REDIRECT));
        assert_eq!(problem(Redirect::from_query(&long)), RedirectProblem::TooLarge);
    }

    #[test]
    fn unrelated_fragment_does_not_hide_the_query() {
        let text = "code=c&state=s";
        for fragment in ["top", "_=_", "100%", "%ff", "a&a", "amp;=b", "x=1&x=2"] {
            let redirect = Redirect::from_url(&format!("https://a.example/cb?{text}#{fragment}"));
            assert_eq!(redirect.unwrap().state(), Some("s"), "{fragment}");
        }
        // If neither part is valid, the fragment's error is reported.
        let twice = Redirect::from_url("https://a.example/cb?x=y#code=a&state=b&code=a");
        assert_eq!(problem(twice), RedirectProblem::Duplicate("code".into()));
        let twice = Redirect::from_url("https://a.example/cb#code=a&state=b&state=a");
        assert_eq!(problem(twice), RedirectProblem::Duplicate("state".into()));
    }

    #[test]
    fn decoding_allocates_no_more_than_the_text() {
        for text in [
            "c".repeat(640),
            "a+b%2B".repeat(100),
            "%41".repeat(200),
            "+".repeat(99),
            String::new(),
        ] {
            assert_eq!(plain(&text).capacity(), text.len(), "{text}");
        }
        assert_eq!(*plain("a%2Bb+c%2+%zz+%"), *b"a+b c%2 %zz %");
    }

    #[test]
    fn debug_shows_names_only() {
        let redirect = Redirect::from_query("code=canary&state=canary").unwrap();
        assert_eq!(format!("{redirect:?}"), r#"Redirect["code", "state"]"#);
    }
}
