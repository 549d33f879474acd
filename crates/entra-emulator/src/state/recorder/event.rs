//! Recorded requests and their responses.

use std::fmt;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, Method, StatusCode};

use crate::config::TokenVersion;
use crate::state::recorder::lint::Lint;
use crate::state::recorder::parameter::Parameter;
use crate::time::{rfc3339, unix};

/// One request and its response, as recorded by the emulator.
///
/// Secrets, assertions and tokens are available for a test to compare, but `Debug` never shows
/// them.
///
/// ```
/// use entra_emulator::Emulator;
///
/// let emulator = Emulator::builder().build();
/// let request = http::Request::post(emulator.token_url_v2());
/// emulator.handle(request.body(Vec::new()).unwrap());
/// let event = emulator.requests().pop().unwrap();
/// assert!(event.is_token_request());
/// assert_eq!(event.aadsts, Some(900_144));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequestEvent {
    /// The number of requests before this one, since the emulator was created or
    /// [reset](crate::Emulator::reset).
    pub index: u64,
    /// The time of the request, by the emulator's clock.
    pub at: SystemTime,
    /// The time the emulator took, by its own clock: zero while that is frozen.
    pub took: Duration,
    /// The channel of the request.
    pub channel: Channel,
    /// The method.
    pub method: Method,
    /// The host in the request, as the client named it.
    pub host: String,
    /// The path, without the query.
    pub path: String,
    /// The headers; those with a secret, such as `Authorization`, are marked sensitive.
    pub headers: HeaderMap,
    /// The decoded query parameters.
    pub query: Vec<Parameter>,
    /// The decoded form parameters, in order. Cut after 64 parameters or 64 KiB.
    pub form: Vec<Parameter>,
    /// The kind of request, if it is one of OAuth's.
    pub purpose: Option<Purpose>,
    /// The endpoint version, if the path names one.
    pub endpoint: Option<Endpoint>,
    /// The tenant in the path, as written. Cut after 4 KiB.
    pub tenant: Option<String>,
    /// The client ID, from the body or from Basic authentication. Cut after 4 KiB.
    pub client_id: Option<String>,
    /// The grant type, as written. Cut after 4 KiB.
    pub grant: Option<String>,
    /// `scope` (v2) or `resource` (v1), as written. Cut after 4 KiB.
    pub target: Option<String>,
    /// The status of the response.
    pub status: StatusCode,
    /// The AADSTS code of an error response.
    pub aadsts: Option<u32>,
    /// A description of the problem if the response is an error: the message that the client
    /// received, without the IDs and the time in it, and without secrets and whole tokens.
    pub problem: Option<String>,
    /// The name of the scripted fault that was played.
    pub fault: Option<&'static str>,
    /// The lints about the request, whether it was rejected or not.
    pub lints: Vec<Lint>,
    /// The path and the lints without secrets and whole tokens, so that they may be shown.
    pub(crate) shown: Shown,
}

/// Texts of a request that may be shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    pub(crate) path: String,
    pub(crate) lints: Vec<String>,
}

impl RequestEvent {
    /// Returns the value of a form parameter, secret or not.
    pub fn form_value(&self, name: &str) -> Option<&str> {
        self.form
            .iter()
            .find(|parameter| parameter.name == name)
            .map(|parameter| parameter.value.as_str())
    }

    /// Returns whether this was a request to a token endpoint.
    pub fn is_token_request(&self) -> bool {
        self.purpose == Some(Purpose::Token)
    }

    /// Returns the approximate number of bytes that the event occupies.
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

    /// Cuts the texts whose length a client chooses, because many events are stored.
    pub(super) fn cut(&mut self) {
        let texts = [&mut self.tenant, &mut self.client_id, &mut self.grant, &mut self.target];
        for text in texts.into_iter().flatten().filter(|text| text.len() > LONGEST_TEXT) {
            let end = (0..=LONGEST_TEXT).rev().find(|at| text.is_char_boundary(*at));
            text.truncate(end.unwrap_or_default());
            text.shrink_to_fit();
        }
    }
}

/// Writes one line for a terminal, without control characters: the time by the emulator's clock,
/// the method, the path, the status, the problem, the fault and the lints. Secrets and whole
/// tokens are omitted.
///
/// ```text
/// 2026-01-31T23:59:58Z POST /contoso.example/oauth2/v2.0/token 401
///     AADSTS7000215: Invalid client secret provided. [...]
/// ```
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

/// A text on one line, shortened if it is long, without control characters.
struct Line<'a>(&'a str);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, more) = match self.0.char_indices().nth(LONGEST_SHOWN) {
            Some((end, _)) => (&self.0[..end], "…"),
            None => (self.0, ""),
        };
        for character in text.chars() {
            match character {
                // Quotes neither end a line nor start an escape sequence.
                '"' | '\'' => write!(f, "{character}")?,
                character => write!(f, "{}", character.escape_debug())?,
            }
        }
        f.write_str(more)
    }
}

/// The channel through which a request reached the emulator.
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

/// The purpose of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Purpose {
    /// A request to a token endpoint.
    Token,
    /// A request to an authorization endpoint.
    Authorize,
    /// Consent of an administrator for a whole tenant.
    AdminConsent,
    /// A request for a device code.
    DeviceCode,
    /// The page on which a user enters a device's code.
    DeviceLogin,
    /// A form of the sign-in or consent page.
    SignIn,
    /// A request for a token of a managed identity, including the one to which Azure Arc responds
    /// with a challenge.
    ManagedIdentity,
    /// A request for instance metadata.
    InstanceMetadata,
    /// A request to the second issuer, for an assertion or for its metadata.
    Assertion,
}

/// The version of an endpoint. It decides the rules of the request, but not the format of the
/// token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `/oauth2/token` and the other v1 endpoints.
    V1,
    /// `/oauth2/v2.0/token` and the other v2 endpoints.
    V2,
}

impl Endpoint {
    /// Returns the version of the ID tokens and the documents of this endpoint.
    pub(crate) fn token_version(self) -> TokenVersion {
        match self {
            Self::V1 => TokenVersion::V1,
            Self::V2 => TokenVersion::V2,
        }
    }
}

const LONGEST_TEXT: usize = 4 * 1024;
/// The number of characters of a path or a problem that a line shows.
const LONGEST_SHOWN: usize = 300;
