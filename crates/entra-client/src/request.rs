//! The requests that acquisitions start with.

use std::sync::Arc;

use entra_proto::device::DeviceCodeRequest;
use entra_proto::error::{Input, InputError};
use entra_proto::managed_identity::{ManagedIdentity, ManagedIdentityRequest};
use entra_proto::{AccessToken, Application, Tenant, TokenRequest};

use crate::cache::Key;
use crate::chain::{Credential, Member, Selection};
use crate::command::{CommandRequest, CommandRun};
use crate::error::Error;
use crate::subject::Subject;
use crate::token::Token;

/// The first request of an acquisition.
#[derive(Clone)]
pub(crate) enum InitialRequest {
    Token(TokenRequest),
    DeviceCode(DeviceCodeRequest),
    ManagedIdentity(ManagedIdentityRequest),
    Command(CommandRun),
}

/// The request of a flight.
#[expect(
    clippy::large_enum_variant,
    reason = "each is moved a few times, before a request over the network"
)]
pub(crate) enum FlightRequest {
    /// A request that is ready.
    Ready(InitialRequest),
    /// The request of the chain's member, which the flight looks for. If an API has rejected a
    /// token with claims, the request is for a token in its place.
    OfChain(Arc<Selection>, Option<Token>),
}

impl InitialRequest {
    /// Returns the request of a credential that may be absent.
    pub(crate) fn probing(self) -> Self {
        match self {
            Self::Token(request) => Self::Token(request.probing(true)),
            Self::ManagedIdentity(request) => Self::ManagedIdentity(request.probing(true)),
            Self::DeviceCode(_) | Self::Command(_) => self,
        }
    }
}

impl From<TokenRequest> for InitialRequest {
    fn from(request: TokenRequest) -> Self {
        Self::Token(request)
    }
}

impl From<DeviceCodeRequest> for InitialRequest {
    fn from(request: DeviceCodeRequest) -> Self {
        Self::DeviceCode(request)
    }
}

impl From<ManagedIdentityRequest> for InitialRequest {
    fn from(request: ManagedIdentityRequest) -> Self {
        Self::ManagedIdentity(request)
    }
}

/// Returns an application's request for the token of a key.
pub(crate) fn request_of(application: &Application, key: &Key) -> Result<TokenRequest, entra_proto::Error> {
    let application = in_tenant(application, key.tenant.as_ref())?;
    let request = key.subject.request(&application, key.target.clone())?;
    match &key.claims {
        Some(claims) => request.with_claims(claims.as_str()),
        None => Ok(request),
    }
}

/// Returns the request of a managed identity for the token of a key, in place of a token that an
/// API has rejected with claims.
pub(crate) fn request_of_identity(
    managed: &ManagedIdentity,
    key: &Key,
    rejected: Option<&Token>,
) -> Result<ManagedIdentityRequest, entra_proto::Error> {
    if key.tenant.is_some() || key.subject != Subject::Principal {
        return Err(only_applications(&managed.identity().to_string()));
    }
    let request = managed.request(key.target.clone())?;
    let Some(claims) = &key.claims else {
        return Ok(request);
    };
    let request = request.with_claims(claims.as_str())?;
    Ok(match rejected.map(|token| AccessToken::new(token.expose())) {
        Some(Ok(token)) => request.replacing(&token),
        Some(Err(_)) | None => request,
    })
}

/// Returns the request of a chain's member for the token of a key: see [`request_of_identity`].
///
/// # Errors
/// Returns an error that [is absent](Error::is_absent) if the member is not configured.
pub(crate) fn request_of_member(member: &Member, key: &Key, rejected: Option<&Token>) -> Result<InitialRequest, Error> {
    match &member.credential {
        Err(absence) => Err(absence.clone().into()),
        Ok(Credential::Application(application)) => Ok(request_of(application, key)?.into()),
        Ok(Credential::ManagedIdentity(managed)) => Ok(request_of_identity(managed, key, rejected)?.into()),
        Ok(Credential::Command(_)) if !member.serves(key) => Err(only_applications(&member.name).into()),
        Ok(Credential::Command(command)) => Ok(InitialRequest::Command(CommandRun {
            command: command.clone(),
            request: CommandRequest {
                target: key.target.clone(),
                tenant: key.tenant.clone(),
                claims: key.claims.clone(),
            },
        })),
    }
}

/// Returns the application in this tenant, or in its own one.
pub(crate) fn in_tenant(application: &Application, tenant: Option<&Tenant>) -> Result<Application, entra_proto::Error> {
    let application = application.clone();
    match tenant.filter(|tenant| application.authority().tenant() != *tenant) {
        None => Ok(application),
        Some(tenant) => {
            let authority = application.authority().with_tenant(tenant.clone())?;
            Ok(application.with_authority(authority))
        }
    }
}

/// Returns the error for a request that only an application can send.
pub(crate) fn only_applications(principal: &str) -> entra_proto::Error {
    let problem = format!("is {principal}, and only applications have users, agents, consents and a choice of tenants");
    InputError::new(Input::Other("principal"), problem)
        .with_hint("create the client with an application and its credential")
        .into()
}
