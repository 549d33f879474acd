//! Requests with a token: retries of throttled requests, and a new token after a status 401.

use std::time::{Duration, SystemTime};

use entra_proto::acquire::retry_after;
use entra_proto::claims::ClaimsChallenge;
use entra_proto::{AccessToken, Body, Timestamp};
use entra_transport::Request;
use entra_transport_ureq::UreqTransport;
use http::header::AUTHORIZATION;
use http::{Response, StatusCode, Uri};

use crate::commands::call::body::ApiBody;
use crate::commands::call::rejection::Rejected;
use crate::commands::call::request::Prepared;
use crate::commands::token::one_request;
use crate::exit::Failure;
use crate::files::tell;
use crate::requests::{Logged, sleep};
use crate::sanitize::register_secret;
use crate::silent::CacheSettings;
use crate::time_format::length;
use crate::token_settings::TokenSettings;

/// A sender of requests to one API.
pub(super) struct Caller {
    bearer: Bearer,
    transport: Logged<UreqTransport>,
    request: Prepared,
    retries: u32,
}

/// A response of the API.
pub(super) enum ApiResponse {
    /// A success, with the body not read yet.
    Success(Box<Response<ApiBody>>),
    Rejected(Rejected),
}

impl Caller {
    /// Creates a caller, and acquires a token for the request.
    pub(super) fn new(
        wanted: TokenSettings,
        kept: CacheSettings,
        request: Prepared,
        retries: u32,
    ) -> Result<Self, Failure> {
        let transport = wanted.network().transport()?;
        Ok(Self {
            bearer: Bearer::acquire(wanted, kept)?,
            transport,
            request,
            retries,
        })
    }

    /// Returns the URI of the request.
    pub(super) fn uri(&self) -> &Uri {
        &self.request.uri
    }

    /// Sends the request, or the same request to another URI of this API.
    pub(super) fn send(&mut self, uri: Option<&Uri>) -> Result<ApiResponse, Failure> {
        let uri = uri.unwrap_or(&self.request.uri).clone();
        let mut is_renewed = false;
        let mut tries = 0;
        loop {
            if self.bearer.is_expiring() {
                self.bearer.renew(None)?;
            }
            self.bearer.is_used = true;
            let response = self.transport.open(self.prepared(&uri))?;
            let response = ApiBody::of(response, &self.bearer.token);
            if is_success(response.status()) {
                return Ok(ApiResponse::Success(Box::new(response)));
            }
            let audience = self.bearer.audience();
            let rejected = Rejected::read(response, &self.request.method, &uri, audience)?;
            if rejected.status == StatusCode::UNAUTHORIZED && !is_renewed {
                is_renewed = true;
                tell("the API rejected the token: requesting a new token");
                self.bearer.renew(ClaimsChallenge::find(&rejected.headers))?;
                continue;
            }
            let pause = rejected.is_throttled().then(|| self.pause(&rejected, tries)).flatten();
            let Some(pause) = pause else {
                return Ok(ApiResponse::Rejected(rejected));
            };
            tries += 1;
            tell(format_args!(
                "status {}: sending the request again in {} ({tries} of {})",
                rejected.status.as_u16(),
                length(pause),
                self.retries
            ));
            sleep(pause);
        }
    }

    /// Returns the pause before the next attempt, or `None` if no attempts are left or the API
    /// requires a pause over [`LONGEST_PAUSE`].
    fn pause(&self, rejected: &Rejected, tries: u32) -> Option<Duration> {
        let requested = retry_after(&rejected.headers, Timestamp::from(SystemTime::now()));
        let own = || {
            FIRST_PAUSE
                .saturating_mul(2_u32.saturating_pow(tries))
                .min(LONGEST_OWN_PAUSE)
        };
        let pause = requested.unwrap_or_else(own);
        (tries < self.retries && pause <= LONGEST_PAUSE).then_some(pause)
    }

    fn prepared(&self, uri: &Uri) -> Request {
        let mut request = Request::new(Body::new(self.request.body.clone()));
        *request.method_mut() = self.request.method.clone();
        *request.uri_mut() = uri.clone();
        request.headers_mut().clone_from(&self.request.headers);
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.bearer.token.authorization());
        request
    }
}

/// The token of the requests, with the settings to acquire another one.
struct Bearer {
    wanted: TokenSettings,
    kept: CacheSettings,
    token: AccessToken,
    expires_at: Timestamp,
    /// True once a request was sent with the token. A new token is used however soon it expires.
    is_used: bool,
}

impl Bearer {
    fn acquire(wanted: TokenSettings, kept: CacheSettings) -> Result<Self, Failure> {
        let (token, expires_at) = acquire(&wanted, &kept)?;
        Ok(Self {
            wanted,
            kept,
            token,
            expires_at,
            is_used: false,
        })
    }

    /// Requests another token, with the claims of the API's challenge.
    fn renew(&mut self, challenge: Option<ClaimsChallenge>) -> Result<(), Failure> {
        if let Some(challenge) = challenge {
            self.wanted.set_claims(challenge.claims());
        }
        if self.kept.is_enabled() {
            self.kept.force_refresh();
        }
        (self.token, self.expires_at) = acquire(&self.wanted, &self.kept)?;
        self.is_used = false;
        Ok(())
    }

    /// Returns true if the next request needs another token.
    fn is_expiring(&self) -> bool {
        let left = self.expires_at.since(Timestamp::from(SystemTime::now()));
        self.is_used && left < EXPIRING
    }

    fn audience(&self) -> String {
        let target = self.wanted.target().ok();
        let audience = target.as_ref().and_then(|target| target.audience().ok());
        audience.map_or_else(|| "the API".to_owned(), |audience| audience.into_owned())
    }
}

fn acquire(wanted: &TokenSettings, kept: &CacheSettings) -> Result<(AccessToken, Timestamp), Failure> {
    let (token, expires_at) = if kept.is_enabled() {
        let got = kept.token(wanted, one_request())?;
        (AccessToken::new(got.token.expose())?, got.token.lifetime.expires_at)
    } else {
        let client = wanted.client(one_request())?;
        let token = client.token_with(&wanted.target()?, &wanted.options()?)?;
        (AccessToken::new(token.expose())?, token.expires_at())
    };
    // An API may repeat a part of the token in an error.
    register_secret(token.expose());
    Ok((token, expires_at))
}

/// Returns true for a status of success, and for 304: a condition of the request was not met.
fn is_success(status: StatusCode) -> bool {
    status.is_success() || status == StatusCode::NOT_MODIFIED
}

/// The remaining lifetime below which a token is renewed before the next request.
const EXPIRING: Duration = Duration::from_secs(5);

/// The pause before the second attempt if the API names none. It doubles with each attempt.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause if the API names none.
const LONGEST_OWN_PAUSE: Duration = Duration::from_secs(30);

/// The longest pause that an API may require; the command fails instead of a longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
