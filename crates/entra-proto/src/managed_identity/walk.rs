//! The requests of one acquisition from a platform: an optional probe, an optional challenge, and
//! the request for the token.

use http::header::HeaderValue;
use http::{Request, Response, StatusCode};

use crate::acquire::SendFailure;
use crate::body::Body;
use crate::error::{ManagedIdentityError, ManagedIdentityErrorKind, Secrets};
use crate::guid::Guid;
use crate::managed_identity::arc;
use crate::managed_identity::call::Call;
use crate::managed_identity::refusal::{IDENTITY_NOT_FOUND, foreign, is_unreachable, refusal};
use crate::managed_identity::reply::{token, unreadable, unusable};
use crate::managed_identity::request::ManagedIdentityRequest;
use crate::managed_identity::retry::Failure;
use crate::managed_identity::source::Source;
use crate::time::Timestamp;
use crate::token_response::TokenResponse;

/// The requests of one acquisition, and the one that is sent next.
pub(crate) struct Walk {
    request: ManagedIdentityRequest,
    call: Call,
    stage: Stage,
}

/// The request that is sent next.
enum Stage {
    /// The probe, which shows whether the platform exists.
    Probe,
    /// The request for the token. The Azure Arc agent responds to it with a challenge.
    Token,
    /// The request for the token with the key that the challenge named.
    Keyed(HeaderValue),
}

/// The result of one request.
pub(crate) enum Turn {
    /// The next request is sent immediately.
    Next(Walk),
    /// The token was issued.
    Issued(TokenResponse),
    /// The request failed temporarily. The walk may continue after a wait.
    Failed(Walk, Failure, ManagedIdentityError),
}

impl Walk {
    /// Reads the variables of the host.
    pub(crate) fn start(request: &ManagedIdentityRequest) -> Result<Self, ManagedIdentityError> {
        let call = Call::of(request)?;
        let is_probed = request.is_probing() && request.source() == Source::Imds;
        Ok(Self {
            request: request.clone(),
            call,
            stage: if is_probed { Stage::Probe } else { Stage::Token },
        })
    }

    /// Returns the request that the walk began with.
    pub(crate) fn request_of_token(&self) -> &ManagedIdentityRequest {
        &self.request
    }

    pub(crate) fn source(&self) -> Source {
        self.request.source()
    }

    /// Returns the current request. Each call returns the same bytes.
    pub(crate) fn request(&self, request_id: Guid) -> Request<Body> {
        match &self.stage {
            Stage::Probe => self.call.probe(&self.request),
            Stage::Token => self.call.encode(&self.request, request_id, None),
            Stage::Keyed(authorization) => self.call.encode(&self.request, request_id, Some(authorization)),
        }
    }

    /// Handles the response to the current request, which arrived at `now`.
    pub(crate) fn respond(self, response: &Response<Body>, now: Timestamp) -> Result<Turn, ManagedIdentityError> {
        let source = self.source();
        let is_challenged = source == Source::Arc && matches!(self.stage, Stage::Token);
        match &self.stage {
            Stage::Probe if is_unreachable(response) => Err(self.refusal(response, now)),
            // Every other response shows that there is a server. The next one shows which.
            Stage::Probe => Ok(Turn::Next(self.at(Stage::Token))),
            Stage::Token | Stage::Keyed(_) => {
                if let Some(error) = self.foreign(response) {
                    return Err(error);
                }
                if let Some(problem) = unreadable(response) {
                    return Err(unusable(source, problem, response));
                }
                if is_challenged && response.status() == StatusCode::UNAUTHORIZED {
                    let authorization = arc::authorization(self.request.managed().host(), response)?;
                    return Ok(Turn::Next(self.at(Stage::Keyed(authorization))));
                }
                if !response.status().is_success() {
                    return self.rejected(response, now);
                }
                if is_challenged {
                    return Err(ManagedIdentityError::new(
                        ManagedIdentityErrorKind::Malformed,
                        source,
                        "the response is a success without a challenge, so it proves no agent of this machine",
                    ));
                }
                token(source, self.request.identity(), response, now).map(Turn::Issued)
            }
        }
    }

    /// Handles a temporary failure that left the current request without a response. Returns the
    /// walk from which to continue after a wait.
    pub(crate) fn failed(self) -> Result<Self, ManagedIdentityError> {
        match self.stage {
            Stage::Probe => Err(ManagedIdentityError::new(
                ManagedIdentityErrorKind::Absent,
                self.source(),
                "it does not respond on this machine",
            )),
            Stage::Token | Stage::Keyed(_) => Ok(self.again()),
        }
    }

    /// Returns the error if the machine may have no managed identity, and the transport rejected
    /// the response of another service than the platform.
    pub(crate) fn foreign_failure(&self, failure: SendFailure) -> Option<ManagedIdentityError> {
        (failure.is_of_response() && self.may_be_absent()).then(|| {
            ManagedIdentityError::new(
                ManagedIdentityErrorKind::Absent,
                self.source(),
                "another service responds in its place, in a form that is not its own",
            )
        })
    }

    fn may_be_absent(&self) -> bool {
        self.request.is_probing() && self.source() == Source::Imds
    }

    /// Returns the result of an error response.
    fn rejected(self, response: &Response<Body>, now: Timestamp) -> Result<Turn, ManagedIdentityError> {
        let error = self.refusal(response, now);
        let failure = Failure::of(self.source(), response.status().as_u16());
        match failure {
            Some(failure) if error.error_code() != Some(IDENTITY_NOT_FOUND) => {
                Ok(Turn::Failed(self.again(), failure, error))
            }
            _ => Err(error),
        }
    }

    fn refusal(&self, response: &Response<Body>, now: Timestamp) -> ManagedIdentityError {
        use ManagedIdentityErrorKind::{Denied, NotAssigned};

        let error = refusal(self.source(), response, now, &self.secrets());
        match self.call.hint {
            Some(hint) if matches!(error.kind(), NotAssigned | Denied) => error.with_hint(hint),
            _ => error,
        }
    }

    /// Returns the error if the machine may have no managed identity, and another service than the
    /// platform has responded: the portal of a network, or the metadata service of another cloud.
    fn foreign(&self, response: &Response<Body>) -> Option<ManagedIdentityError> {
        if !self.may_be_absent() {
            return None;
        }
        let problem = unreadable(response).or_else(|| foreign(response))?;
        Some(unusable(self.source(), problem, response).absent())
    }

    /// Returns the walk before its next attempt. A new challenge is needed, because each key is for
    /// one request.
    fn again(self) -> Self {
        self.at(Stage::Token)
    }

    fn at(mut self, stage: Stage) -> Self {
        self.stage = stage;
        self
    }

    fn secrets(&self) -> Secrets {
        match &self.stage {
            Stage::Keyed(authorization) => self.call.secrets(Some(authorization)),
            Stage::Probe | Stage::Token => self.call.secrets(None),
        }
    }
}
