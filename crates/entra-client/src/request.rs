//! The requests that acquisitions start with.

use std::sync::Arc;

use entra_proto::device::DeviceCodeRequest;
use entra_proto::error::{Input, InputError};
use entra_proto::{Application, Tenant, TokenRequest};

use crate::cache::Key;
use crate::chain::{Credential, Selection};
use crate::command::{CommandRequest, CommandRun};
use crate::subject::Subject;

/// The first request of an acquisition.
#[derive(Clone)]
pub(crate) enum InitialRequest {
    Token(TokenRequest),
    DeviceCode(DeviceCodeRequest),
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
    /// The request of the chain's member, which the flight looks for.
    OfChain(Arc<Selection>),
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

impl From<TokenRequest> for FlightRequest {
    fn from(request: TokenRequest) -> Self {
        Self::Ready(request.into())
    }
}

/// Returns an application's request for the token of a key.
pub(crate) fn request_of(application: &Application, key: &Key) -> Result<TokenRequest, entra_proto::Error> {
    let application = in_tenant(application, key.tenant.as_ref())?;
    let request = match &key.subject {
        Subject::Principal => application.client_credentials(key.target.clone())?,
        Subject::User(user) => user.request(&application, key.target.clone())?,
    };
    match &key.claims {
        Some(claims) => request.with_claims(claims.as_str()),
        None => Ok(request),
    }
}

/// Returns the request of a chain's member for the token of a key.
pub(crate) fn member_request(
    name: &str,
    credential: &Credential,
    key: &Key,
) -> Result<InitialRequest, entra_proto::Error> {
    match credential {
        Credential::Application(application) => Ok(request_of(application, key)?.into()),
        Credential::Command(command) => {
            if key.subject != Subject::Principal {
                return Err(only_applications(name));
            }
            Ok(InitialRequest::Command(CommandRun {
                command: command.clone(),
                request: CommandRequest {
                    target: key.target.clone(),
                    tenant: key.tenant.clone(),
                    claims: key.claims.clone(),
                },
            }))
        }
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
    let problem = format!("is {principal}, and only applications have users, consents and a choice of tenants");
    InputError::new(Input::Other("principal"), problem)
        .with_hint("create the client with an application and its credential")
        .into()
}
