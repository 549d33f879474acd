use std::time::Duration;

use http::StatusCode;
use http::header::HeaderMap;

use crate::access_token::AccessToken;
use crate::acquire::Lifetime;
use crate::error::{Error, Input, InputError, ResponseProblem, Secrets, is_word};
use crate::guid::Guid;
use crate::issued::{IdToken, RefreshToken};
use crate::response::body::Count;
use crate::response::{read_success, unusable};
use crate::time::Timestamp;
use crate::unverified_claims::UnverifiedClaims;

/// An access token, how long it lasts (RFC 6749, section 5.1), and what comes with it where a user signed in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TokenResponse {
    /// The token.
    pub access_token: AccessToken,
    /// When it came, when it expires and when to ask for the next one.
    pub lifetime: Lifetime,
    /// The scopes granted, where the service says so; else they are those asked for.
    pub scope: Option<String>,
    /// The resource, which the v1 endpoint repeats.
    pub resource: Option<String>,
    /// What the user's next token is asked for with: where a user signed in, and on v2 where `offline_access` was asked for.
    pub refresh_token: Option<RefreshToken>,
    /// Who the user is: where one signed in, and on v2 where `openid` was asked for.
    pub id_token: Option<IdToken>,
}

impl TokenResponse {
    /// Reads an answer of the token endpoint, of v1 or v2. `now` is when it arrived.
    ///
    /// Liberal where no harm is done: lifetimes as numbers or strings, a byte order mark, members that nobody knows, any content
    /// type, `token_type` in any case or missing. A lifetime is at most [`MAX_LIFETIME`]; without one, the token counts as expired
    /// when it comes: use it once, and keep it in no cache.
    ///
    /// # Errors
    /// [`Error::Service`] for a refusal, whatever its status; [`Error::Response`] for what is neither a refusal nor a sound token:
    /// a redirect, a token in a refusal, a missing or empty token or one that no header can hold, a known member twice, a
    /// member that holds a secret and is not a string, a lifetime that is negative or no number.
    pub fn decode(status: StatusCode, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<Self, Error> {
        Self::read(status, headers, body, now, &Secrets::none)
    }

    /// The same, for a request with these secrets.
    #[inline]
    pub(crate) fn read(
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
        own: &dyn Fn() -> Secrets,
    ) -> Result<Self, Error> {
        let mut answer = read_success(status, headers, body, now, own)?;
        let answer_error = |problem| unusable(problem, status, headers);
        let is_bearer = |kind: &String| kind.eq_ignore_ascii_case("bearer");
        if answer.token_type.is_odd() || !answer.token_type.text().is_none_or(is_bearer) {
            // What is no short name of a type may be anything, a secret too.
            let kind = answer
                .token_type
                .text()
                .filter(|kind| is_word(kind) && kind.len() <= 20);
            let shown = kind.map_or("?", String::as_str).to_owned();
            return Err(answer_error(ResponseProblem::TokenType(shown)));
        }
        let token = std::mem::take(&mut answer.access_token).into_text();
        let token = token.filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| answer_error(ResponseProblem::NoToken))?;
        let access_token = AccessToken::from_wire(token).ok_or_else(|| answer_error(ResponseProblem::UnfitToken))?;
        let expires_in = match (answer.expires_in, answer.expires_on) {
            (Count::Odd, _) | (Count::Missing, Count::Odd) => return Err(answer_error(ResponseProblem::OddLifetime)),
            (Count::Seconds(life), _) => Duration::from_secs(life),
            (Count::Missing, Count::Seconds(moment)) => Timestamp::from_secs(moment).since(now),
            (Count::Missing, Count::Missing) => Duration::ZERO,
        };
        let refresh_in = answer.refresh_in.seconds().map(Duration::from_secs);
        let lifetime = Lifetime::new(now, expires_in.min(MAX_LIFETIME), refresh_in);
        Ok(Self {
            access_token,
            lifetime,
            scope: answer.scope.into_text(),
            resource: answer.resource.into_text(),
            // One that cannot be sent back is as good as none.
            refresh_token: answer.refresh_token.into_text().and_then(RefreshToken::from_wire),
            id_token: answer.id_token.into_text().and_then(IdToken::from_wire),
        })
    }

    /// The tenant in which the user signed in: the `tid` of the ID token, or of the access token where that can be read. Both are read
    /// without trust; they come straight from the service that was asked.
    ///
    /// # Errors
    /// Where neither names one.
    pub fn tenant_id(&self) -> Result<Guid, Error> {
        let of_id_token = self
            .id_token
            .as_ref()
            .and_then(|token| token.claims().ok()?.tenant_id());
        let of_access_token = || UnverifiedClaims::decode(self.access_token.expose()).ok()?.tenant_id();
        let unnamed = || {
            InputError::new(
                Input::Tenant,
                "is named neither by the ID token nor by the access token",
            )
            .into()
        };
        of_id_token.or_else(of_access_token).ok_or_else(unnamed)
    }
}

/// The longest life that a token is believed to have: what Entra gives to managed identities, and hardly less than the 28 hours
/// that it gives to clients which answer claims challenges.
pub const MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
