use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use crate::error::aadsts::marked_codes;
use crate::error::{Error, ErrorResponse, RedirectError, RedirectProblem, Secrets, ServiceError};
use crate::guid::Guid;

/// What came back to the redirect URI: from a query, a fragment or the body of a form. Nothing in it is to be trusted before
/// whoever started the sign-in has [accepted](crate::authorize::PendingAuthorization::redeem) it.
///
/// It may hold an authorization code: its memory is overwritten when it is dropped, and `Debug` shows the names of the
/// parameters that Entra knows.
///
/// ```
/// use entra_proto::authorize::Redirect;
///
/// let redirect = Redirect::from_query("code=AAABAAAAvPM1KaPlrEqdFSB&state=12345&session_state=x")?;
/// assert_eq!(redirect.state(), Some("12345"));
/// # Ok::<(), entra_proto::Error>(())
/// ```
pub struct Redirect(Vec<(Zeroizing<String>, Zeroizing<String>)>);

impl Redirect {
    /// Reads what stands behind the `?` of the redirect's URL (`response_mode=query`). A leading `?` is ignored.
    ///
    /// # Errors
    /// [`RedirectError`] where it is longer than [`MAX_REDIRECT`], not percent-encoded UTF-8, has a parameter twice (RFC 6749,
    /// section 3.1), or was copied out of a document with `&amp;` for `&`.
    pub fn from_query(query: &str) -> Result<Self, Error> {
        Self::read(query.strip_prefix('?').unwrap_or(query))
    }

    /// Reads what stands behind the `#` of the redirect's URL (`response_mode=fragment`). A leading `#` is ignored.
    ///
    /// # Errors
    /// As for [`from_query`](Self::from_query).
    pub fn from_fragment(fragment: &str) -> Result<Self, Error> {
        Self::read(fragment.strip_prefix('#').unwrap_or(fragment))
    }

    /// Reads the body of the form that the browser posted (`response_mode=form_post`).
    ///
    /// # Errors
    /// As for [`from_query`](Self::from_query).
    pub fn from_form(body: &[u8]) -> Result<Self, Error> {
        let body = std::str::from_utf8(body).map_err(|_| RedirectError::from(RedirectProblem::NotEncoded))?;
        Self::read(body)
    }

    /// Reads a whole URL, as it stands in a browser's address bar: its fragment where that has a state, else its query, whatever
    /// the fragment is then. Without a `?` and a `#`, all of it is taken for a query. Spaces around it are ignored.
    ///
    /// # Errors
    /// As for [`from_query`](Self::from_query).
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
        // Of two that are no answer, where both can be read or only the query can, what is wrong with the fragment says more.
        if query.state().is_none() {
            fragment?;
        }
        Ok(query)
    }

    /// The `state`, by which the sign-in that it belongs to can be looked up. Not trusted.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        self.value("state")
    }

    /// The value of a parameter, decoded. Not trusted.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known.as_str() == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether the redirect says that an administrator consented for the tenant. Not trusted.
    pub(crate) fn is_admin_consent(&self) -> bool {
        self.value("admin_consent")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// The home tenant of the account that signed in, as `client_info` names it. Not trusted.
    pub(crate) fn home_tenant(&self) -> Option<Guid> {
        #[derive(serde::Deserialize)]
        struct ClientInfo<'a> {
            utid: Cow<'a, str>,
        }
        let info = self.value("client_info")?.trim_end_matches('=');
        let info = Zeroizing::new(URL_SAFE_NO_PAD.decode(info).ok()?);
        serde_json::from_slice::<ClientInfo<'_>>(&info).ok()?.utid.parse().ok()
    }

    /// The service's refusal, where this is one: whatever stands beside the `error`, it counts first.
    ///
    /// `kept` are the secrets of its sign-in.
    pub(crate) fn refusal(&self, kept: &[&str]) -> Option<ServiceError> {
        let error = self.value("error").filter(|error| !error.is_empty())?;
        let description = self.value("error_description").unwrap_or_default();
        Some(
            ErrorResponse {
                error,
                description,
                suberror: self.value("error_subcode"),
                // On a redirect they stand nowhere else.
                trace_id: behind(description, "Trace ID:"),
                correlation_id: behind(description, "Correlation ID:"),
                error_uri: self.value("error_uri"),
                ..ErrorResponse::default()
            }
            .read(0, marked_codes(description), None, &self.secrets(kept)),
        )
    }

    /// What no error about it may show: what it brought, and what its sign-in keeps. What is short is no secret, and would be found
    /// in every word.
    fn secrets(&self, kept: &[&str]) -> Secrets {
        let brought = ["code", "state", "id_token", "access_token"];
        let brought = brought.into_iter().filter_map(|name| self.value(name));
        let kept = kept.iter().copied();
        Secrets::new(kept.chain(brought).filter(|secret| secret.len() >= SHORTEST_SECRET))
    }

    fn read(encoded: &str) -> Result<Self, Error> {
        let refused = |problem| Err(Error::from(RedirectError::from(problem)));
        if encoded.len() > MAX_REDIRECT {
            return refused(RedirectProblem::TooLarge);
        }
        let mut pairs = Vec::new();
        for pair in encoded.split('&').filter(|pair| !pair.is_empty()) {
            // The first sign only: a value may hold more of them.
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (Some(name), Some(value)) = (decode(name), decode(value)) else {
                return refused(RedirectProblem::NotEncoded);
            };
            if name.starts_with("amp;") {
                return refused(RedirectProblem::HtmlEscaped);
            }
            pairs.push((name, value));
        }
        // Sorted, so that many parameters cost no more than their number.
        let mut names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair.first() == pair.last()) {
            let name = twice.first().copied().unwrap_or_default();
            return refused(RedirectProblem::Duplicate(shown(name).to_owned()));
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

/// How long a redirect may be, in bytes: 256 KiB, many times what Entra sends.
pub const MAX_REDIRECT: usize = 256 * 1024;

/// The word that stands behind a name in the service's message.
fn behind<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    message.split_once(name)?.1.split_whitespace().next()
}

/// A name or value of a form, plain.
fn decode(text: &str) -> Option<Zeroizing<String>> {
    let plain = plain(text);
    Some(Zeroizing::new(std::str::from_utf8(&plain).ok()?.to_owned()))
}

/// Its bytes. They are no more than the text has, so that the buffer does not grow and leave a copy of a code behind.
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

/// The name of a parameter, where it is a known one: a code that was handed in alone stands in the place of a name.
fn shown(name: &str) -> &str {
    if KNOWN.contains(&name) { name } else { "?" }
}

/// The parameters that a redirect of Entra may have.
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
    fn the_ids_of_a_request_are_read_out_of_the_message() {
        let query = "error=access_denied&error_description=AADSTS65004%3a+User+declined.%0d%0aTrace+ID%3a+0000aaaa-11bb-cccc-dd22-eeeeee333300%0d%0aCorrelation+ID%3a+aaaa0000-bb11-2222-33cc-444444dddddd%0d%0aTimestamp%3a+2026-01-01+00%3a00%3a00Z&state=x";
        let refusal = Redirect::from_query(query).unwrap().refusal(&[]).unwrap();
        assert_eq!(
            (refusal.trace_id.as_deref(), refusal.correlation_id.as_deref()),
            (
                Some("0000aaaa-11bb-cccc-dd22-eeeeee333300"),
                Some("aaaa0000-bb11-2222-33cc-444444dddddd")
            )
        );
        let query = "error=access_denied&error_description=Trace+ID%3a+%3cb%3e+Correlation+ID%3a";
        let refusal = Redirect::from_query(query).unwrap().refusal(&[]).unwrap();
        assert!(refusal.trace_id.is_none() && refusal.correlation_id.is_none());
    }

    #[test]
    fn the_same_parameters_from_a_query_a_fragment_a_form_and_a_url() {
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

    /// One sample of the documents shows it so.
    #[test]
    fn a_value_begins_behind_the_first_sign() {
        let redirect = Redirect::from_query("admin_consent=True&state=state=12345").unwrap();
        assert_eq!(redirect.state(), Some("state=12345"));
    }

    #[test]
    fn what_cannot_be_one_answer_is_refused() {
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
    fn a_fragment_that_is_no_answer_does_not_hide_the_query() {
        let text = "code=c&state=s";
        for fragment in ["top", "_=_", "100%", "%ff", "a&a", "amp;=b", "x=1&x=2"] {
            let redirect = Redirect::from_url(&format!("https://a.example/cb?{text}#{fragment}"));
            assert_eq!(redirect.unwrap().state(), Some("s"), "{fragment}");
        }
        // Where neither is one, the fragment's fault is told.
        let twice = Redirect::from_url("https://a.example/cb?x=y#code=a&state=b&code=a");
        assert_eq!(problem(twice), RedirectProblem::Duplicate("code".into()));
        let twice = Redirect::from_url("https://a.example/cb#code=a&state=b&state=a");
        assert_eq!(problem(twice), RedirectProblem::Duplicate("state".into()));
    }

    #[test]
    fn decoding_needs_no_more_room_than_the_text() {
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
    fn debug_shows_names_alone() {
        let redirect = Redirect::from_query("code=canary&state=canary").unwrap();
        assert_eq!(format!("{redirect:?}"), r#"Redirect["code", "state"]"#);
    }
}
