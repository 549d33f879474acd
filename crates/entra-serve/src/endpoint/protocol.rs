//! The protocols of an endpoint, and the one of a request.

use bytes::Bytes;
use http::{Request, Response};

use super::exchange::Exchange;
use super::sidecar::{Route, Sidecar};
use super::{Endpoint, app_service, azd, imds, sidecar};
use crate::access_key::AccessKey;
use crate::caller::Caller;
use crate::guard::Guard;
use crate::outcome::ProtocolName;
use crate::tokens::Refusal;

/// The enabled protocols with their settings.
#[derive(Debug, Default)]
pub(super) struct Protocols {
    pub(super) guard: Guard,
    pub(super) app_service: Option<AccessKey>,
    pub(super) imds: bool,
    pub(super) azd: Option<AccessKey>,
    pub(super) sidecar: Option<Sidecar>,
}

impl Protocols {
    /// Returns the protocol that has this path.
    pub(super) fn find(&self, path: &str) -> Option<Protocol<'_>> {
        match path {
            "/msi/token" | "/msi/token/" => self.app_service.as_ref().map(Protocol::AppService),
            Endpoint::AZD_PATH => self.azd.as_ref().map(Protocol::Azd),
            _ if imds::is_path(path) => self.imds.then_some(Protocol::Imds),
            _ => {
                let sidecar = self.sidecar.as_ref()?;
                Route::of(path).map(|route| Protocol::Sidecar(sidecar, route))
            }
        }
    }

    /// Rejects a request that no program of this machine sends. The probes of an orchestrator come
    /// from elsewhere, and learn nothing.
    ///
    /// # Errors
    /// Returns the reason.
    pub(super) fn check<B>(
        &self,
        protocol: &Protocol<'_>,
        request: &Request<B>,
        caller: &Caller,
    ) -> Result<(), Refusal> {
        match protocol {
            Protocol::Sidecar(_, Route::Health) => Ok(()),
            _ => self.guard.check(request, caller),
        }
    }
}

/// The protocol of a request, with its settings.
pub(super) enum Protocol<'a> {
    AppService(&'a AccessKey),
    Azd(&'a AccessKey),
    Imds,
    Sidecar(&'a Sidecar, Route),
}

impl Protocol<'_> {
    /// Checks who sends a request, if the protocol has no key that proves it.
    ///
    /// # Errors
    /// Returns an error for other users.
    pub(super) async fn check_user(&self, guard: &Guard, caller: &Caller) -> Result<(), Refusal> {
        match self {
            Self::AppService(_) | Self::Azd(_) | Self::Sidecar(_, Route::Health) => Ok(()),
            Self::Imds | Self::Sidecar(..) => guard.check_user(caller).await,
        }
    }

    pub(super) fn name(&self) -> ProtocolName {
        match self {
            Self::AppService(_) => ProtocolName::AppService,
            Self::Azd(_) => ProtocolName::Azd,
            Self::Imds => ProtocolName::Imds,
            Self::Sidecar(..) => ProtocolName::Sidecar,
        }
    }

    /// Returns the length of the longest body of a request, in bytes.
    pub(super) fn longest_body(&self) -> usize {
        match self {
            Self::AppService(_) | Self::Imds => 0,
            Self::Azd(_) => 64 * 1024,
            Self::Sidecar(_, Route::Call(_)) => 1024 * 1024,
            Self::Sidecar(..) => 0,
        }
    }

    /// Responds to a request that the guard let through.
    ///
    /// # Errors
    /// Returns the reason if the request gets no token.
    pub(super) async fn respond(&self, exchange: &mut Exchange<'_>) -> Result<Response<Bytes>, Refusal> {
        match self {
            Self::AppService(key) => app_service::respond(exchange, key).await,
            Self::Azd(key) => azd::respond(exchange, key).await,
            Self::Imds => imds::respond(exchange).await,
            Self::Sidecar(sidecar, route) => sidecar.respond(exchange, route).await,
        }
    }

    /// Returns the response to a request that gets no token.
    pub(super) fn refuse(&self, refusal: &Refusal) -> Response<Bytes> {
        match self {
            Self::AppService(_) => app_service::refuse(refusal),
            Self::Azd(_) => azd::refuse(refusal),
            Self::Imds => imds::refuse(refusal),
            Self::Sidecar(..) => sidecar::refuse(refusal),
        }
    }
}
