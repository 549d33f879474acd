//! One request as the emulator saw and answered it.

use std::fmt;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, Method, StatusCode};

use crate::state::recorder::lint::Lint;
use crate::state::recorder::parameter::Parameter;
use crate::time::{rfc3339, unix};

/// One request as the emulator saw and answered it.
///
/// Secrets, assertions and tokens are there for a test to compare, but never shown by `Debug`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequestEvent {
    /// The number of requests before this one, since the emulator was made or [reset](crate::Emulator::reset).
    pub index: u64,
    /// When it came, by the emulator's clock.
    pub at: SystemTime,
    /// How long the emulator took, by its own clock: zero while that is frozen.
    pub took: Duration,
    /// Over which channel it came.
    pub channel: Channel,
    /// The method.
    pub method: Method,
    /// The host it was sent to, as the client named it.
    pub host: String,
    /// The path, without the query.
    pub path: String,
    /// The headers; `Authorization` is marked sensitive.
    pub headers: HeaderMap,
    /// Query parameters, decoded.
    pub query: Vec<Parameter>,
    /// Form parameters, decoded, in order. Cut after 64 parameters or 64 KiB.
    pub form: Vec<Parameter>,
    /// What kind of request it was, if it was one of OAuth's.
    pub purpose: Option<Purpose>,
    /// Which endpoint version, if the path names one of the two.
    pub endpoint: Option<Endpoint>,
    /// The tenant in the path, as written. Cut after 4 KiB.
    pub tenant: Option<String>,
    /// The client id, from the body or from Basic authentication. Cut after 4 KiB.
    pub client_id: Option<String>,
    /// The grant type, as written. Cut after 4 KiB.
    pub grant: Option<String>,
    /// `scope` (v2) or `resource` (v1), as written. Cut after 4 KiB.
    pub target: Option<String>,
    /// The status of the answer.
    pub status: StatusCode,
    /// The AADSTS number of a refusal.
    pub aadsts: Option<u32>,
    /// What was wrong, in words, where the response is an error: the text that the client was given, without the IDs
    /// and the time in it, and without secrets and whole tokens.
    pub problem: Option<String>,
    /// The scripted fault that was played, by name.
    pub fault: Option<&'static str>,
    /// What is wrong or unwise about the request, whether it was refused or not.
    pub lints: Vec<Lint>,
    /// The path and the findings as they may be shown: without secrets and whole tokens.
    pub(crate) shown: Shown,
}

/// Texts of a request that may be shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    pub(crate) path: String,
    pub(crate) lints: Vec<String>,
}

impl RequestEvent {
    /// The value of a form parameter, secret or not.
    pub fn form_value(&self, name: &str) -> Option<&str> {
        self.form
            .iter()
            .find(|parameter| parameter.name == name)
            .map(|parameter| parameter.value.as_str())
    }

    /// Whether this was a request to a token endpoint.
    pub fn is_token_request(&self) -> bool {
        self.purpose == Some(Purpose::Token)
    }

    /// The bytes that it takes, roughly.
    pub(super) fn weight(&self) -> usize {
        let headers = self
            .headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 64);
        let parameters = self.query.iter().chain(&self.form);
        let parameters = parameters.map(|parameter| parameter.name.len() + parameter.value.len() + 64);
        let texts = [&self.tenant, &self.client_id, &self.grant, &self.target, &self.problem];
        let texts = texts.into_iter().flatten().map(String::len);
        let lints = self.lints.len() * 128 + self.shown.lints.iter().map(String::len).sum::<usize>();
        let more = headers.chain(parameters).chain(texts).sum::<usize>();
        size_of::<Self>() + self.path.len() + self.shown.path.len() + self.host.len() + lints + more
    }

    /// Cuts what a stranger can make long: many events are kept.
    pub(super) fn cut(&mut self) {
        let texts = [&mut self.tenant, &mut self.client_id, &mut self.grant, &mut self.target];
        for text in texts.into_iter().flatten().filter(|text| text.len() > LONGEST_TEXT) {
            let end = (0..=LONGEST_TEXT).rev().find(|at| text.is_char_boundary(*at));
            text.truncate(end.unwrap_or_default());
            text.shrink_to_fit();
        }
    }
}

/// One line for a terminal, without characters that a terminal obeys: the time by the emulator's clock, the method, the
/// path, the status, what was wrong in words, the fault and the lints. Secrets and whole tokens are left out.
///
/// `2026-01-31T23:59:58Z POST /contoso.example/oauth2/v2.0/token 401 AADSTS7000215: Invalid client secret provided. [...]`
impl fmt::Display for RequestEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, status) = (rfc3339(unix(self.at)), self.status.as_u16());
        // Any local client chooses the path.
        write!(f, "{at} {} {} {status}", self.method, Line(&self.shown.path))?;
        match (&self.problem, self.aadsts) {
            (Some(problem), _) => write!(f, " {}", Line(problem))?,
            (None, Some(code)) => write!(f, " AADSTS{code}")?,
            (None, None) => {}
        }
        if let Some(fault) = self.fault {
            write!(f, " [fault: {fault}]")?;
        }
        for lint in &self.shown.lints {
            write!(f, " [{}]", Line(lint))?;
        }
        Ok(())
    }
}

/// A text on one line, cut where it is long, without characters that a terminal obeys.
struct Line<'a>(&'a str);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, more) = match self.0.char_indices().nth(LONGEST_SHOWN) {
            Some((end, _)) => (&self.0[..end], "…"),
            None => (self.0, ""),
        };
        for character in text.chars() {
            match character {
                // They end no line and start no command.
                '"' | '\'' => write!(f, "{character}")?,
                character => write!(f, "{}", character.escape_debug())?,
            }
        }
        f.write_str(more)
    }
}

/// Which way a request took into the emulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Channel {
    /// [`crate::Emulator::handle`].
    Memory,
    /// The plain http listener.
    Http,
    /// The TLS listener.
    Https,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Purpose {
    /// A token endpoint.
    Token,
    /// An authorization endpoint.
    Authorize,
    /// Consent of an administrator for a whole tenant.
    AdminConsent,
    /// A code for a device.
    DeviceCode,
    /// The page where a device's code is typed in.
    DeviceLogin,
    /// A form of the sign-in or consent page.
    SignIn,
}

/// The endpoint's version, which decides the rules of the request but not the format of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `/oauth2/token` and its siblings.
    V1,
    /// `/oauth2/v2.0/token` and its siblings.
    V2,
}

const LONGEST_TEXT: usize = 4 * 1024;
/// How many characters of a path, or of a problem, a line shows.
const LONGEST_SHOWN: usize = 300;
