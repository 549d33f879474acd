//! Token responses.

use std::time::Duration;

use http::StatusCode;
use http::header::HeaderMap;

use crate::access_token::AccessToken;
use crate::acquire::Lifetime;
use crate::error::{Error, Input, InputError, ResponseProblem, Secrets, is_word};
use crate::guid::Guid;
use crate::issued::{IdToken, RefreshToken};
use crate::managed_identity::Source;
use crate::response::body::Count;
use crate::response::{read_success, unusable};
use crate::time::Timestamp;
use crate::unverified_claims::UnverifiedClaims;

/// A token response: an access token with its lifetime (RFC 6749, section 5.1), and a user's
/// further tokens.
///
/// ```
/// use entra_proto::{Timestamp, TokenResponse};
/// use http::{HeaderMap, StatusCode};
/// use std::time::Duration;
///
/// let body = br#"{"access_token":"eyJ0eXAi","expires_in":"3599"}"#;
/// let now = Timestamp::from_secs(1_767_225_600);
/// let token =
///     TokenResponse::decode(StatusCode::OK, &HeaderMap::new(), body, now)?;
/// assert_eq!(token.lifetime.expires_at, now.plus(Duration::from_secs(3599)));
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TokenResponse {
    /// The token.
    pub access_token: AccessToken,
    /// The arrival and the expiry of the token, and the moment of its refresh.
    pub lifetime: Lifetime,
    /// The granted scopes. If the service omits them, they are the requested ones.
    pub scope: Option<String>,
    /// The resource, which only the v1 endpoint returns.
    pub resource: Option<String>,
    /// The refresh token for the user's next access token. On v2 only if `offline_access` was
    /// requested.
    pub refresh_token: Option<RefreshToken>,
    /// The ID token of the user. On v2 only if `openid` was requested.
    pub id_token: Option<IdToken>,
    /// The platform that issued the token, if it is one of a managed identity. Cloud Shell issues
    /// the tokens of users: see [`Source::issues_user_tokens`].
    pub identity_source: Option<Source>,
}

impl TokenResponse {
    /// Creates the response of a source other than the token endpoint, with only an access token.
    #[must_use]
    pub fn new(access_token: AccessToken, lifetime: Lifetime) -> Self {
        Self {
            access_token,
            lifetime,
            scope: None,
            resource: None,
            refresh_token: None,
            id_token: None,
            identity_source: None,
        }
    }

    /// Decodes a response of the token endpoint, of v1 or v2, which arrived at `now`.
    ///
    /// Decoding is lenient where that is harmless: lifetimes may be numbers or strings; a byte
    /// order mark, unknown members and any content type are accepted; `token_type` may be in any
    /// case or missing. A lifetime is at most [`MAX_LIFETIME`]. A token without a lifetime counts
    /// as expired on arrival: use it once, and do not cache it.
    ///
    /// # Errors
    /// Returns [`Error::Service`] for an error response, whatever its status. Returns
    /// [`Error::Response`] if the response is neither an error response nor a valid token: a
    /// redirect, a token in an error response, a missing or empty token or one that a header cannot
    /// contain, a duplicate member, a secret that is not a string, or a lifetime that is negative
    /// or not a number.
    pub fn decode(status: StatusCode, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<Self, Error> {
        Self::read(status, headers, body, now, &Secrets::none)
    }

    /// Decodes a response to a request with these secrets.
    #[inline]
    pub(crate) fn read(
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
        own: &dyn Fn() -> Secrets,
    ) -> Result<Self, Error> {
        let mut members = read_success(status, headers, body, now, own)?;
        let response_error = |problem| unusable(problem, status, headers);
        let is_bearer = |kind: &String| kind.eq_ignore_ascii_case("bearer");
        if members.token_type.is_odd() || !members.token_type.text().is_none_or(is_bearer) {
            // Any text other than a short type name could be a secret.
            let kind = members
                .token_type
                .text()
                .filter(|kind| is_word(kind) && kind.len() <= 20);
            let shown = kind.map_or("?", String::as_str).to_owned();
            return Err(response_error(ResponseProblem::TokenType(shown)));
        }
        let token = std::mem::take(&mut members.access_token).into_text();
        let token = token.filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| response_error(ResponseProblem::NoToken))?;
        let access_token =
            AccessToken::from_wire(token).ok_or_else(|| response_error(ResponseProblem::InvalidToken))?;
        let expires_in = match (members.expires_in, members.expires_on) {
            (Count::Odd, _) | (Count::Missing, Count::Odd) => {
                return Err(response_error(ResponseProblem::InvalidLifetime));
            }
            (Count::Seconds(life), _) => Duration::from_secs(life),
            (Count::Missing, Count::Seconds(moment)) => Timestamp::from_secs(moment).since(now),
            (Count::Missing, Count::Missing) => Duration::ZERO,
        };
        let refresh_in = members.refresh_in.seconds().map(Duration::from_secs);
        let lifetime = Lifetime::new(now, expires_in.min(MAX_LIFETIME), refresh_in);
        Ok(Self {
            access_token,
            lifetime,
            scope: members.scope.into_text(),
            resource: members.resource.into_text(),
            // A refresh or ID token that cannot be sent is ignored.
            refresh_token: members.refresh_token.into_text().and_then(RefreshToken::from_wire),
            id_token: members.id_token.into_text().and_then(IdToken::from_wire),
            identity_source: None,
        })
    }

    /// Returns the tenant in which the user signed in: the `tid` of the ID token, or of the access
    /// token if it is readable. Their signatures are not checked, because both come directly from
    /// the service.
    ///
    /// # Errors
    /// Returns an error if neither token names a tenant.
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

/// The maximum lifetime of a token: what Entra grants to managed identities, and close to the 28
/// hours that it grants to clients that handle claims challenges.
pub const MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
