//! What came in, as typed events with findings about each request.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use http::{HeaderMap, Method, StatusCode};

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
    fn weight(&self) -> usize {
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
    fn cut(&mut self) {
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

/// A decoded parameter. `Debug` hides the value where the name says that it is secret.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parameter {
    /// The name as sent.
    pub name: String,
    /// The decoded value.
    pub value: String,
}

impl Parameter {
    /// Whether the name says that the value is secret.
    pub(crate) fn is_secret(&self) -> bool {
        is_secret(&self.name)
    }
}

/// Whether the name of a parameter says that its value is secret.
pub(crate) fn is_secret(name: &str) -> bool {
    // A plain challenge is the verifier itself.
    let mut hidden = SECRET_PARAMETERS.iter().chain(&["code_challenge"]);
    hidden.any(|secret| name.eq_ignore_ascii_case(secret))
}

impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = if self.is_secret() { "[redacted]" } else { &self.value };
        write!(f, "{}={value:?}", self.name)
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

/// Something about a request that is wrong or unwise.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lint {
    /// A secret or assertion in the URL's query, where every log keeps it (RFC 6749, 2.3.1). It is never used.
    SecretInUrl,
    /// A parameter neither RFC 6749 nor Entra's documents know. Ignored, as the standard asks.
    UnknownParameter(String),
    /// A parameter given twice.
    DuplicateParameter(String),
    /// A known parameter in the wrong case: names are case-sensitive, so it counts as unknown.
    ParameterCase(String),
    /// A secret or assertion in the body and in the `Authorization` header.
    TwoCredentials,
    /// No `client-request-id`: nothing to find this request by in the service's logs.
    MissingClientRequestId,
    /// The body was not sent as `application/x-www-form-urlencoded`, so it was not read.
    ContentType(String),
    /// The v1 endpoint reads `resource` and ignores `scope`.
    ScopeOnV1,
    /// The v2 endpoint reads `scope` and refuses `resource`.
    ResourceOnV2,
    /// The scope was form-encoded more than once.
    DoubleEncodedScope,
    /// A white space at the beginning or end of the secret: a copying mistake most of the time.
    BlankAroundSecret,
    /// The secret sent is the id of a secret.
    SecretId,
    /// A bearer token in the URL's query.
    TokenInUrl,
    /// A certificate's thumbprint that is padded or in standard base64: RFC 7515 has base64url without padding. Entra
    /// takes either.
    ThumbprintEncoding,
    /// An assertion with padding, which RFC 7515 (section 2) leaves out. Entra takes it.
    PaddedAssertion,
    /// A thumbprint made of the hexadecimal text instead of the bytes. It fits no certificate.
    ThumbprintOfText,
    /// Only a SHA-1 thumbprint (`x5t`) with PS256, which the documents pair with `x5t#S256`.
    Sha1WithPs256,
    /// White space inside a certificate of `x5c`, a remainder of PEM. Entra takes it.
    BlankInX5c,
    /// PEM in `x5c`, where DER belongs (RFC 7515, section 4.1.6). Whether Entra takes it is not known.
    PemInX5c,
    /// An `x5c` that begins with the issuer of its second certificate. The certificate that signs comes first (RFC 7515,
    /// section 4.1.6).
    ChainOrder,
    /// A time of the assertion, by the claim's name, that is a fraction or a string. Entra takes either.
    AssertionTime(String),
    /// An assertion without `jti`: nothing tells two of the same second apart.
    MissingJti,
    /// An assertion without `nbf`.
    MissingNotBefore,
    /// An assertion that lives longer than the ten minutes the documents advise, in seconds.
    AssertionLifetime(u64),
    /// A v2 authorization request for a code without a code challenge (RFC 9700, section 2.1.1).
    MissingPkce,
    /// A code challenge that is the verifier itself (RFC 7636, section 4.2).
    PlainPkce,
    /// An authorization request without `state`.
    MissingState,
    /// A code redeemed with scopes that its authorization request did not name. The documents want the same or fewer.
    ScopeBeyondCode,
    /// A subscription with a webhook that the emulator does not call. It is kept and shown. See
    /// [`ActivityFeed::plain_webhooks`](crate::ActivityFeed::plain_webhooks).
    WebhookNeverCalled,
    /// A request to the Office 365 Management Activity API without `PublisherIdentifier`. Such requests of all tenants share
    /// one quota.
    MissingPublisherIdentifier,
    /// An assertion whose `aud` is a list: Entra refuses it (AADSTS50027).
    AudienceList,
}

impl Lint {
    /// The finding with what it repeats of the request as `show` has it.
    pub(crate) fn with_text(&self, show: impl Fn(&str) -> String) -> Self {
        match self {
            Self::UnknownParameter(name) => Self::UnknownParameter(show(name)),
            Self::DuplicateParameter(name) => Self::DuplicateParameter(show(name)),
            Self::ParameterCase(name) => Self::ParameterCase(show(name)),
            Self::ContentType(sent) => Self::ContentType(show(sent)),
            other => other.clone(),
        }
    }
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SecretInUrl => f.write_str("secret in the URL"),
            Self::UnknownParameter(name) => write!(f, "unknown parameter {name:?}"),
            Self::DuplicateParameter(name) => write!(f, "parameter {name:?} given twice"),
            Self::ParameterCase(name) => write!(f, "parameter {name:?} in the wrong case"),
            Self::TwoCredentials => f.write_str("two credentials"),
            Self::MissingClientRequestId => f.write_str("no client-request-id"),
            Self::ContentType(sent) => write!(f, "content type {sent:?}"),
            Self::ScopeOnV1 => f.write_str("scope on v1"),
            Self::ResourceOnV2 => f.write_str("resource on v2"),
            Self::DoubleEncodedScope => f.write_str("scope encoded twice"),
            Self::BlankAroundSecret => f.write_str("white space around the secret"),
            Self::SecretId => f.write_str("secret id instead of its value"),
            Self::TokenInUrl => f.write_str("token in the URL"),
            Self::ThumbprintEncoding => f.write_str("thumbprint is not base64url without padding"),
            Self::PaddedAssertion => f.write_str("assertion is padded"),
            Self::ThumbprintOfText => f.write_str("thumbprint of the hexadecimal text"),
            Self::Sha1WithPs256 => f.write_str("x5t with PS256"),
            Self::BlankInX5c => f.write_str("white space in x5c"),
            Self::PemInX5c => f.write_str("PEM in x5c"),
            Self::ChainOrder => f.write_str("x5c begins with an issuer"),
            Self::AssertionTime(claim) => write!(f, "assertion's {claim} is no integer"),
            Self::MissingJti => f.write_str("assertion without jti"),
            Self::MissingNotBefore => f.write_str("assertion without nbf"),
            Self::AssertionLifetime(seconds) => write!(f, "assertion lives {seconds} s"),
            Self::MissingPkce => f.write_str("no PKCE"),
            Self::PlainPkce => f.write_str("plain PKCE"),
            Self::MissingState => f.write_str("no state"),
            Self::ScopeBeyondCode => f.write_str("scope beyond the authorization request"),
            Self::WebhookNeverCalled => f.write_str(
                "the webhook is kept and never called: the emulator calls plain http on loopback, and no https address",
            ),
            Self::MissingPublisherIdentifier => f.write_str("no PublisherIdentifier"),
            Self::AudienceList => f.write_str("assertion's aud is a list"),
        }
    }
}

/// The newest events, a bounded number of them and of their bytes.
#[derive(Debug)]
pub(crate) struct Recorder {
    state: Mutex<State>,
    capacity: usize,
    observer: Observer,
    changes: AtomicU64,
}

/// Somebody who is told of every request as it is answered.
#[derive(Clone, Default)]
pub(crate) struct Observer(Option<Arc<Observe>>);

type Observe = dyn Fn(&RequestEvent) + Send + Sync;

impl Observer {
    pub(crate) fn new(observe: impl Fn(&RequestEvent) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(observe)))
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Observer" } else { "None" })
    }
}

#[derive(Debug, Default)]
struct State {
    events: VecDeque<RequestEvent>,
    /// Of all events.
    bytes: usize,
    count: u64,
}

impl Recorder {
    pub(crate) fn new(capacity: usize, observer: Observer) -> Self {
        Self {
            state: Mutex::default(),
            capacity,
            observer,
            changes: AtomicU64::new(0),
        }
    }

    pub(crate) fn record(&self, mut event: RequestEvent) {
        event.cut();
        let mut state = self.state();
        event.index = state.count;
        state.count += 1;
        let told = self.observer.0.as_ref().map(|observe| (observe, event.clone()));
        state.bytes += event.weight();
        state.events.push_back(event);
        while state.events.len() > self.capacity || state.bytes > MOST_BYTES {
            let Some(oldest) = state.events.pop_front() else { break };
            state.bytes -= oldest.weight();
        }
        self.changes.fetch_add(1, Ordering::Relaxed);
        // After the lock is gone, so that the observer may ask the emulator.
        drop(state);
        if let Some((observe, event)) = told {
            // An observer that panics is its own affair: the client gets its answer.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| observe(&event)));
        }
    }

    pub(crate) fn events(&self) -> Vec<RequestEvent> {
        self.state().events.iter().cloned().collect()
    }

    /// Returns the events after the first `number` of all, and the count of all.
    pub(crate) fn events_after(&self, number: u64) -> (Vec<RequestEvent>, u64) {
        let state = self.state();
        let events = state.events.iter().filter(|event| event.index >= number);
        (events.cloned().collect(), state.count)
    }

    /// Shows the newest events, the newest first, and returns how many it has shown.
    pub(crate) fn newest(&self, most: usize, show: impl FnMut(&RequestEvent)) -> usize {
        let state = self.state();
        let newest = state.events.iter().rev().take(most);
        newest.map(show).count()
    }

    pub(crate) fn count(&self) -> u64 {
        self.state().count
    }

    /// How often anything changed.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// Forgets the events; the count goes on.
    pub(crate) fn clear(&self) {
        let mut state = self.state();
        state.events.clear();
        state.bytes = 0;
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// Forgets the events and the count.
    pub(crate) fn reset(&self) {
        *self.state() = State::default();
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Copies decoded parameters, but no more than an event should hold.
pub(crate) fn parameters(pairs: &[(String, String)]) -> Vec<Parameter> {
    let mut room = MOST_PARAMETER_BYTES;
    pairs
        .iter()
        .take(MOST_PARAMETERS)
        .take_while(|(name, value)| {
            let size = name.len() + value.len();
            let fits = size <= room;
            room = room.saturating_sub(size);
            fits
        })
        .map(|(name, value)| Parameter {
            name: name.clone(),
            value: value.clone(),
        })
        .collect()
}

/// How many bytes all events together may take.
const MOST_BYTES: usize = 32 * 1024 * 1024;
const MOST_PARAMETERS: usize = 64;
const MOST_PARAMETER_BYTES: usize = 64 * 1024;
const LONGEST_TEXT: usize = 4 * 1024;
/// How many characters of a path, or of a problem, a line shows.
const LONGEST_SHOWN: usize = 300;

/// Parameters whose value `Debug` never shows.
pub(crate) const SECRET_PARAMETERS: &[&str] = &[
    "access_token",
    "assertion",
    "client_assertion",
    "client_secret",
    "code",
    "code_verifier",
    "device_code",
    "id_token",
    "id_token_hint",
    "password",
    "refresh_token",
    "transaction",
    "user_code",
];
