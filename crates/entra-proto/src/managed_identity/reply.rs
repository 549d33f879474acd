//! The token in the response of a platform.

use http::Response;
use serde::Deserialize;

use crate::access_token::{AccessToken, BearerText};
use crate::acquire::freshness::Lifetime;
use crate::body::{Body, MAX_RESPONSE};
use crate::error::{
    ManagedIdentityError, ManagedIdentityErrorKind, Requested, ResponseError, ResponseProblem, is_word,
};
use crate::managed_identity::identity::{Identity, Kind};
use crate::managed_identity::moment::{Moment, lifetime, moment};
use crate::managed_identity::source::Source;
use crate::response::body::{Member, TokenType, bearer, read, text, token_type};
use crate::response::response_error;
use crate::time::Timestamp;
use crate::token_response::TokenResponse;

/// The known members of a success. A refresh token, which Cloud Shell sends, is not among them: it
/// is a user's, and nothing may store it.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Members {
    #[serde(deserialize_with = "bearer")]
    access_token: Member<BearerText>,
    #[serde(deserialize_with = "token_type")]
    token_type: Member<TokenType>,
    #[serde(deserialize_with = "moment")]
    expires_in: Moment,
    #[serde(deserialize_with = "moment")]
    expires_on: Moment,
    #[serde(deserialize_with = "text")]
    resource: Member<String>,
    #[serde(deserialize_with = "text")]
    client_id: Member<String>,
    #[serde(deserialize_with = "text")]
    object_id: Member<String>,
    #[serde(deserialize_with = "text")]
    msi_res_id: Member<String>,
    #[serde(deserialize_with = "text")]
    mi_res_id: Member<String>,
}

/// Reads the token in a success, which arrived at `now`.
///
/// If the response names the identity of the token, that must be the requested one. A response of
/// the Azure Arc agent must name it: older agents ignore the identity in the request and respond
/// with a token of the machine's own.
pub(super) fn token(
    source: Source,
    identity: &Identity,
    response: &Response<Body>,
    now: Timestamp,
) -> Result<TokenResponse, ManagedIdentityError> {
    let (members, access_token, life) =
        read_members(response, now).map_err(|problem| unusable(source, problem, response))?;
    let echo = members.echo(identity.kind());
    if echo == Echo::Other || (echo == Echo::Missing && source == Source::Arc) {
        let problem = match echo {
            Echo::Other => "the response has a token of another identity than the requested one",
            _ => "the response does not name the identity of its token, which may be another than the requested one",
        };
        let error = ManagedIdentityError::new(ManagedIdentityErrorKind::NotAssigned, source, problem);
        return Err(match source {
            Source::Arc => error.with_hint(
                "update the Azure Connected Machine agent, which must support user-assigned identities, or use the system-assigned identity",
            ),
            _ => error,
        });
    }
    let mut token = TokenResponse::new(access_token, Lifetime::new(now, life, None));
    token.resource = members.resource.into_text();
    token.identity_source = Some(source);
    Ok(token)
}

fn read_members(
    response: &Response<Body>,
    now: Timestamp,
) -> Result<(Members, AccessToken, std::time::Duration), ResponseProblem> {
    let mut members: Members = read(response.body().as_bytes())?;
    if members.access_token.is_odd() {
        return Err(ResponseProblem::NotAString("access_token"));
    }
    match &members.token_type {
        Member::Missing | Member::Text(TokenType::Bearer) => {}
        Member::Text(TokenType::Other(kind)) if is_word(kind) && kind.len() <= 20 => {
            return Err(ResponseProblem::TokenType(kind.clone()));
        }
        Member::Text(TokenType::Other(_)) | Member::Odd => return Err(ResponseProblem::TokenType("?".to_owned())),
    }
    let token = std::mem::take(&mut members.access_token).into_text();
    let token = token
        .filter(|token| !token.is_empty())
        .ok_or(ResponseProblem::NoToken)?;
    let token = AccessToken::from_wire(token).ok_or(ResponseProblem::InvalidToken)?;
    let life = lifetime(members.expires_in, members.expires_on, now)?;
    Ok((members, token, life))
}

impl Members {
    /// Compares the identity that the response names with the requested one.
    fn echo(&self, requested: &Kind) -> Echo {
        let named = match requested {
            Kind::System => return Echo::Same,
            Kind::ClientId(_) => [&self.client_id, &Member::Missing],
            Kind::ObjectId(_) => [&self.object_id, &Member::Missing],
            Kind::ResourceId(_) => [&self.msi_res_id, &self.mi_res_id],
        };
        let requested = requested.value().unwrap_or_default();
        let is_other = |member: &&Member<String>| match member {
            Member::Missing => false,
            Member::Text(text) => !text.trim().eq_ignore_ascii_case(&requested),
            Member::Odd => true,
        };
        if named.iter().any(is_other) {
            Echo::Other
        } else if named.iter().all(|member| member.text().is_none()) {
            Echo::Missing
        } else {
            Echo::Same
        }
    }
}

/// The identity that a response names, compared with the requested one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Echo {
    Same,
    Other,
    Missing,
}

/// Returns the problem of any response that must not be read: a redirect, or one that is too long.
pub(super) fn unreadable(response: &Response<Body>) -> Option<ResponseProblem> {
    if response.status().is_redirection() {
        return Some(ResponseProblem::Redirect(None));
    }
    (response.body().len() > MAX_RESPONSE).then_some(ResponseProblem::TooLarge)
}

/// Creates the error for a response that is neither a token nor an error response.
pub(super) fn unusable(source: Source, problem: ResponseProblem, response: &Response<Body>) -> ManagedIdentityError {
    let is_expired = problem == ResponseProblem::Expired;
    let error = ResponseError {
        requested: Requested::ManagedIdentity,
        ..response_error(problem, response.status(), response.headers())
    };
    let error = ManagedIdentityError::unusable(ManagedIdentityErrorKind::Malformed, source, error);
    if is_expired {
        return error.with_hint("set this machine's clock");
    }
    error
}
