use std::fmt;

use http::header::{HeaderMap, WWW_AUTHENTICATE};

use crate::error::{is_error_code, is_word};

/// What a server asks for in `WWW-Authenticate`: a scheme, and parameters or one bare value (RFC 9110, section 11).
///
/// The texts are the server's own, as they came: they prove nothing, and are to be escaped before they are shown. A challenge to
/// which a client can answer is a [`ClaimsChallenge`](crate::claims::ClaimsChallenge).
///
/// ```
/// use entra_proto::claims::Challenge;
/// use http::HeaderMap;
///
/// let mut headers = HeaderMap::new();
/// headers.append("www-authenticate", r#"Negotiate, Bearer realm="", error="invalid_token""#.parse()?);
/// let challenges = Challenge::parse_all(&headers);
/// assert_eq!(challenges[0].scheme(), "Negotiate");
/// assert_eq!(challenges[1].param("Realm"), Some(""));
/// assert!(challenges[1].is_invalid_token());
/// # Ok::<(), http::header::InvalidHeaderValue>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Challenge {
    scheme: String,
    token68: Option<String>,
    /// Names in lower case, in the order in which they came.
    params: Vec<(String, String)>,
}

impl Challenge {
    /// The challenges of every `WWW-Authenticate` header, in their order.
    ///
    /// It never fails: what cannot be read is left out, and what stands around it is read. Headers beyond 64 KiB together are left
    /// out whole, so that no value is cut; so is what comes after 32 challenges, or after 64 parameters of one of them. Bytes that
    /// are not UTF-8 become U+FFFD.
    ///
    /// Taken as well, since servers send it: values without quotes that hold more than a token may, up to the next comma or blank,
    /// such as a URL; parameters without a comma between them; a parameter given twice, whose first value counts.
    #[must_use]
    pub fn parse_all(headers: &HeaderMap) -> Vec<Self> {
        let mut challenges = Vec::new();
        let mut room = MOST_BYTES;
        for header in headers.get_all(WWW_AUTHENTICATE) {
            let Some(left) = room.checked_sub(header.len()) else {
                continue;
            };
            room = left;
            read_header(header.as_bytes(), &mut challenges);
        }
        challenges
    }

    /// The scheme as it was written, such as `Bearer`. Compare it without regard to case.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The value of a parameter, without its quotes and escapes. The case of the name does not matter.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params()
            .find_map(|(known, value)| known.eq_ignore_ascii_case(name).then_some(value))
    }

    /// All parameters in their order: names in lower case, and values.
    pub fn params(&self) -> impl Iterator<Item = (&str, &str)> {
        self.params.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The protected space that it is about: for Entra's APIs a tenant, or empty.
    #[must_use]
    pub fn realm(&self) -> Option<&str> {
        self.param("realm")
    }

    /// The bare value that some schemes have in the place of parameters, such as NTLM's message in base64.
    #[must_use]
    pub fn token68(&self) -> Option<&str> {
        self.token68.as_deref()
    }

    /// The word in `error` (RFC 6750, section 3.1). Where the request had no token there is none, and some APIs leave it out where
    /// the token is no good, too.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.param("error")
    }

    /// Whether access tokens answer it: the scheme is `Bearer`, or `PoP` for tokens that are bound to a key.
    #[must_use]
    pub fn is_bearer(&self) -> bool {
        ["Bearer", "PoP"]
            .iter()
            .any(|scheme| self.scheme.eq_ignore_ascii_case(scheme))
    }

    /// Whether the API refuses the token itself: expired, revoked or damaged (RFC 6750, section 3.1). A token issued anew may be
    /// accepted, the same one again will not.
    #[must_use]
    pub fn is_invalid_token(&self) -> bool {
        self.is_error("invalid_token")
    }

    /// Whether the API wants other claims in the token. It is answered with a
    /// [`ClaimsChallenge`](crate::claims::ClaimsChallenge::find); where none can be found its claims are missing or cannot be read, and a
    /// token asked for as before would be refused again.
    #[must_use]
    pub fn is_insufficient_claims(&self) -> bool {
        self.is_error("insufficient_claims")
    }

    fn is_error(&self, word: &str) -> bool {
        self.is_bearer() && self.error().is_some_and(|error| error.eq_ignore_ascii_case(word))
    }

    fn add(&mut self, name: &[u8], value: String) {
        if self.params.len() < MOST_PARAMS {
            self.params.push((text(name).to_ascii_lowercase(), value));
        }
    }
}

/// Values are left out but for the error's word: a server may repeat the token in any of them.
impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name(&self.scheme))?;
        if self.token68.is_some() {
            f.write_str(" ..")?;
        }
        for (at, (parameter, value)) in self.params().enumerate() {
            f.write_str(if at == 0 { " " } else { ", " })?;
            match parameter {
                "error" if is_error_code(value) => write!(f, "error={value}")?,
                _ => write!(f, "{}=..", name(parameter))?,
            }
        }
        Ok(())
    }
}

/// A scheme or a parameter's name as it may be shown: a server may write a token there too, and names are in small letters by then.
fn name(text: &str) -> &str {
    let is_short = text.len() <= SHOWN && !text.contains('.');
    if is_short && is_word(text) { text } else { "?" }
}

/// Reads one header from its beginning to its end, each byte a fixed number of times.
fn read_header(value: &[u8], challenges: &mut Vec<Challenge>) {
    let mut reader = Reader(value);
    // How many of the challenges are of other headers: parameters never go to one of those.
    let before = challenges.len();
    // A scheme stands at the beginning or after a comma. Any other word without `=` is garbage, such as the words of a description
    // that should have quotes.
    let mut may_begin = true;
    loop {
        reader.blanks();
        match reader.peek() {
            None => return,
            Some(b',') => {
                reader.skip();
                may_begin = true;
                continue;
            }
            Some(b'"') => {
                // Skipped whole: what it says is no challenge.
                reader.quoted();
                may_begin = false;
                continue;
            }
            Some(_) => {}
        }
        let word = reader.take_while(is_token);
        if reader.skip_equals() {
            let value = reader.value();
            let current = challenges.get_mut(before..).and_then(<[_]>::last_mut);
            if let (Some(challenge), Some(value), false) = (current, value, word.is_empty()) {
                challenge.add(word, value);
            }
        } else if may_begin && !word.is_empty() && reader.follows_scheme(challenges.len() == before) {
            if challenges.len() == MOST_CHALLENGES {
                return;
            }
            challenges.push(Challenge {
                scheme: text(word),
                token68: reader.token68().map(text),
                params: Vec::new(),
            });
        } else {
            reader.take_while(|byte| !is_blank(byte) && !matches!(byte, b',' | b'"'));
        }
        may_begin = false;
    }
}

/// What is not read yet of a header.
#[derive(Clone, Copy)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn skip(&mut self) {
        self.0 = self.0.get(1..).unwrap_or_default();
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.0.iter().position(|byte| !wanted(*byte)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at_checked(end).unwrap_or_default();
        self.0 = rest;
        taken
    }

    fn blanks(&mut self) {
        self.take_while(is_blank);
    }

    /// Skips an equals sign with the blanks before it, if that is what comes next.
    fn skip_equals(&mut self) -> bool {
        let mut ahead = *self;
        ahead.blanks();
        let found = ahead.peek() == Some(b'=');
        if found {
            ahead.skip();
            *self = ahead;
        }
        found
    }

    /// What stands behind an equals sign; nothing where its quotes are not closed.
    fn value(&mut self) -> Option<String> {
        self.blanks();
        if self.peek() == Some(b'"') {
            return self.quoted();
        }
        Some(text(self.take_while(|byte| !is_blank(byte) && byte != b',')))
    }

    /// A quoted string (RFC 9110, section 5.6.4) without its quotes and escapes. One that is not closed takes all that is left.
    fn quoted(&mut self) -> Option<String> {
        self.skip();
        let mut value = Vec::new();
        loop {
            value.extend_from_slice(self.take_while(|byte| !matches!(byte, b'"' | b'\\')));
            let end = self.peek()?;
            self.skip();
            if end == b'"' {
                return Some(text(&value));
            }
            value.push(self.peek()?);
            self.skip();
        }
    }

    /// A bare value, if that is what comes next. `a=` may be one, or a parameter without a value: it is taken for the first, as
    /// the grammar has it.
    fn token68(&mut self) -> Option<&'a [u8]> {
        let mut ahead = *self;
        ahead.blanks();
        let start = ahead.0;
        let word = ahead.take_while(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte));
        let padding = ahead.take_while(|byte| byte == b'=');
        if word.is_empty() || !ahead.is_end_of_element() {
            return None;
        }
        *self = ahead;
        start.get(..word.len() + padding.len())
    }

    /// Whether the word just read is a scheme by what comes next: nothing, a bare value or a parameter. The first word of a header
    /// is one in any case where a blank comes next, whatever is behind that.
    fn follows_scheme(mut self, is_first: bool) -> bool {
        if self.is_end_of_element() {
            return true;
        }
        let is_apart = self.peek().is_some_and(is_blank);
        is_apart && (is_first || self.token68().is_some() || self.skip_param_name())
    }

    /// Skips the name of a parameter and the equals sign behind it; false where something else comes next.
    fn skip_param_name(&mut self) -> bool {
        self.blanks();
        !self.take_while(is_token).is_empty() && self.skip_equals()
    }

    /// Whether a comma or the end comes next.
    fn is_end_of_element(mut self) -> bool {
        self.blanks();
        matches!(self.peek(), None | Some(b','))
    }

    fn peek(self) -> Option<u8> {
        self.0.first().copied()
    }
}

/// The characters of a token (RFC 9110, section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Of all headers together. A claims challenge takes up to a third of it.
const MOST_BYTES: usize = 64 * 1024;
const MOST_CHALLENGES: usize = 32;
const MOST_PARAMS: usize = 64;

/// How many characters of a text `Debug` shows.
const SHOWN: usize = 30;

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(values: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    /// The challenges of one header, each as `scheme token68 name=<value>`.
    fn read(value: &str) -> String {
        let written = |challenge: &Challenge| {
            let mut text = challenge.scheme().to_owned();
            text.extend(challenge.token68().map(|value| format!(" {value}")));
            text.extend(challenge.params().map(|(name, value)| format!(" {name}=<{value}>")));
            text
        };
        let challenges = Challenge::parse_all(&headers(&[value.as_bytes()]));
        challenges.iter().map(written).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn the_shapes_that_apis_send() {
        const GRAPH: &str = "00000003-0000-0000-c000-000000000000";
        const URI: &str = "https://login.microsoftonline.com/common/oauth2/authorize";
        for (header, expected) in [
            (
                format!("Bearer realm=\"\", client_id={GRAPH}, authorization_uri=\"{URI}\""),
                format!("Bearer realm=<> client_id=<{GRAPH}> authorization_uri=<{URI}>"),
            ),
            // As Microsoft Graph has been seen to write it, the URI without quotes.
            (
                format!(
                    "Bearer realm=\"\", authorization_uri={URI}, client_id=\"{GRAPH}\", error=\"insufficient_claims\", claims=\"eyJ9==\", errorDescription=\"challenge with result: InteractionRequired and code: A\""
                ),
                format!(
                    "Bearer realm=<> authorization_uri=<{URI}> client_id=<{GRAPH}> error=<insufficient_claims> claims=<eyJ9==> errordescription=<challenge with result: InteractionRequired and code: A>"
                ),
            ),
            (
                format!("PoP realm=\"\", client_id=\"{GRAPH}\", nonce=\"ey==\", Bearer realm=\"\", error=\"x\""),
                format!("PoP realm=<> client_id=<{GRAPH}> nonce=<ey==> | Bearer realm=<> error=<x>"),
            ),
            (
                "Bearer authorization=\"https://login.windows.net/t\", resource=\"https://vault.azure.net\"".into(),
                "Bearer authorization=<https://login.windows.net/t> resource=<https://vault.azure.net>".into(),
            ),
            (
                "WLID1.0 realm=WindowsLive, policy=MBI_SSL, siteId=\"ssl.live-tst.net\"".into(),
                "WLID1.0 realm=<WindowsLive> policy=<MBI_SSL> siteid=<ssl.live-tst.net>".into(),
            ),
            ("NTLM dG9rZW42OA==".into(), "NTLM dG9rZW42OA==".into()),
            (
                "Negotiate, NTLM dG9rZW42OA== ,Basic realm=\"a b\"".into(),
                "Negotiate | NTLM dG9rZW42OA== | Basic realm=<a b>".into(),
            ),
        ] {
            assert_eq!(read(&header), expected, "{header}");
        }
    }

    #[test]
    fn the_grammar_and_what_comes_near_it() {
        for (header, expected) in [
            // RFC 9110, section 11.6.1.
            (
                r#"Basic realm="simple", Newauth realm="apps", type=1, title="Login to \"apps\"""#,
                r#"Basic realm=<simple> | Newauth realm=<apps> type=<1> title=<Login to "apps">"#,
            ),
            (
                r#"Bearer a="b, Basic c=\"d\\", e=f"#,
                r#"Bearer a=<b, Basic c="d\> e=<f>"#,
            ),
            ("  ,, Bearer  \t a = b ,,\tc= \"d\" , ", "Bearer a=<b> c=<d>"),
            ("Bearer ,a=b", "Bearer a=<b>"),
            ("Bearer,a=b", "Bearer a=<b>"),
            ("bEARER ERROR=b", "bEARER error=<b>"),
            ("Bearer", "Bearer"),
            ("Bearer a=b Basic c=d", "Bearer a=<b> c=<d>"),
            ("Bearer a=\"b\"c=\"d\"", "Bearer a=<b> c=<d>"),
            ("Bearer a=, b=\"\"", "Bearer a= b=<>"),
            ("Bearer b=\"\", a=, c=", "Bearer b=<> a=<> c=<>"),
            ("Bearer abc, a=b", "Bearer abc a=<b>"),
            ("Bearer a==b", "Bearer a=<=b>"),
            // Descriptions that should have quotes.
            ("Bearer d=It is expired, e=f", "Bearer d=<It> e=<f>"),
            ("Bearer d=No, it is late, e=f", "Bearer d=<No> e=<f>"),
            ("Bearer \"a\", e=f", "Bearer e=<f>"),
            ("Bearer \"Basic realm=x\", Basic e=f", "Bearer | Basic e=<f>"),
            ("Bearer a=b, \"x\" Basic e=f", "Bearer a=<b> e=<f>"),
            ("Bearer a=b, @c=d e=f", "Bearer a=<b> e=<f>"),
            ("Bearer/1 a=b, Basic e=f", "Basic e=<f>"),
            ("Bearer a=b, @x/y c=d, Basic e=f", "Bearer a=<b> c=<d> | Basic e=<f>"),
            // Without a scheme there is nothing that they could belong to.
            ("a=b, c=\"d\", Basic e=f", "Basic e=<f>"),
            ("=b, \"x\", @, Basic e=f", "Basic e=<f>"),
            // What is not closed may have been cut.
            ("Bearer a=b, c=\"d, e=f", "Bearer a=<b>"),
            ("Bearer a=b, c=\"d\\", "Bearer a=<b>"),
            ("", ""),
            (" , ", ""),
            ("\"", ""),
        ] {
            assert_eq!(read(header), expected, "{header}");
        }
    }

    #[test]
    fn every_header_is_read_and_none_lends_its_scheme_to_the_next() {
        let values: [&[u8]; 3] = [
            b"Basic realm=x, Bearer",
            b"error=\"invalid_token\"",
            b"bearer a=\"\xff\xc3\xa9\"",
        ];
        let challenges = Challenge::parse_all(&headers(&values));
        let schemes: Vec<_> = challenges.iter().map(Challenge::scheme).collect();
        assert_eq!(schemes, ["Basic", "Bearer", "bearer"]);
        assert_eq!(challenges[1].params().count(), 0);
        assert_eq!(challenges[2].param("A"), Some("\u{fffd}\u{e9}"));
    }

    #[test]
    fn of_a_parameter_given_twice_the_first_counts() {
        let challenges = Challenge::parse_all(&headers(&[b"Bearer error=invalid_token, Error=insufficient_claims"]));
        assert_eq!(challenges[0].error(), Some("invalid_token"));
    }

    #[test]
    fn only_a_bearers_error_is_about_its_token() {
        let verdicts = |header: &str| {
            let challenges = Challenge::parse_all(&headers(&[header.as_bytes()]));
            (challenges[0].is_invalid_token(), challenges[0].is_insufficient_claims())
        };
        assert_eq!(
            verdicts("Bearer error=\"Invalid_Token\", claims=\"e30=\""),
            (true, false)
        );
        assert_eq!(verdicts("pop error=\"INSUFFICIENT_CLAIMS\""), (false, true));
        assert_eq!(verdicts("Bearer realm=\"invalid_token\""), (false, false));
        assert_eq!(verdicts("Bearer error=\"insufficient_scope\""), (false, false));
        assert_eq!(verdicts("DPoP error=\"invalid_token\""), (false, false));
        assert_eq!(verdicts("Basic error=\"insufficient_claims\""), (false, false));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let many = "Bearer a=b,".repeat(MOST_CHALLENGES + 1);
        assert_eq!(
            Challenge::parse_all(&headers(&[many.as_bytes(), b"Bearer"])).len(),
            MOST_CHALLENGES
        );
        let many: String = (0..=MOST_PARAMS).map(|number| format!(",a{number}=b")).collect();
        let challenges = Challenge::parse_all(&headers(&[format!("Bearer {many}, Basic c=d").as_bytes()]));
        assert_eq!(challenges[0].params().count(), MOST_PARAMS);
        assert_eq!(challenges[1].param("c"), Some("d"));
    }

    #[test]
    fn a_header_that_does_not_fit_is_left_out_whole() {
        let filling = |length: usize| format!("Bearer a=\"{}\"", "b".repeat(length - "Bearer a=\"\"".len()));
        let (large, half) = (filling(MOST_BYTES + 1), filling(MOST_BYTES - 6));
        let all: [&[u8]; 4] = [large.as_bytes(), half.as_bytes(), b"Basic a", b"Digest"];
        let challenges = Challenge::parse_all(&headers(&all));
        let schemes: Vec<_> = challenges.iter().map(Challenge::scheme).collect();
        assert_eq!(schemes, ["Bearer", "Digest"]);
    }

    #[test]
    fn debug_shows_no_value_that_may_repeat_a_token() {
        let challenges = Challenge::parse_all(&headers(&[
            b"Bearer error=\"invalid_token\", error_description=\"canary is expired\", realm=canary, NTLM canary",
        ]));
        let shown = format!("{challenges:?}");
        assert_eq!(
            shown,
            "[Bearer error=invalid_token, error_description=.., realm=.., NTLM ..]"
        );
    }
}
