//! A managed identity on a host, from which requests are made.

use std::fmt;
use std::sync::Arc;

use crate::error::{Error, ManagedIdentityError, ManagedIdentityErrorKind};
use crate::managed_identity::detection::Detection;
use crate::managed_identity::host::Host;
use crate::managed_identity::identity::{Identity, Kind};
use crate::managed_identity::request::ManagedIdentityRequest;
use crate::managed_identity::source::Source;
use crate::target::Target;

/// A managed identity of the machine or service that runs the program, and the host that leads to
/// its tokens. Cheap to clone.
///
/// ```
/// use entra_proto::acquire::{RetryPolicy, Step};
/// use entra_proto::managed_identity::{
///     Host, Identity, LocalRoute, ManagedIdentity,
/// };
/// use entra_proto::{Guid, Target, Timestamp};
/// # use std::{ffi::OsString, io, path::Path};
/// # struct Machine;
/// # impl Host for Machine {
/// #     fn variable(&self, _: &str) -> Option<OsString> { None }
/// #     fn file_exists(&self, _: &Path) -> bool { false }
/// #     fn read_key_file(&self, _: &Path)
/// #         -> io::Result<zeroize::Zeroizing<Vec<u8>>> {
/// #         Err(io::ErrorKind::NotFound.into())
/// #     }
/// # }
///
/// // In a program: entra_transport::LocalHost
/// let identity = ManagedIdentity::new(Identity::system(), Machine);
/// let vault = Target::resource("https://vault.azure.net")?;
///
/// let id = Guid::from_random([7; 16]); // 16 random bytes in a real program
/// let now = Timestamp::from_secs(1_767_225_600);
/// let step = identity.request(vault)?.start(RetryPolicy::default(), id, now)?;
/// let Step::Exchange(exchange) = step else { unreachable!() };
/// let request = exchange.request();
/// assert_eq!(request.uri().host(), Some("169.254.169.254"));
/// assert!(LocalRoute::of(&request).is_some());
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone)]
pub struct ManagedIdentity {
    host: Arc<dyn Host>,
    identity: Identity,
    source: Option<Source>,
    resource_id_parameter: Option<ResourceIdParameter>,
    capabilities: Arc<[String]>,
}

/// The name of the query parameter with the resource ID of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResourceIdParameter {
    /// `mi_res_id`, the name in App Service.
    MiResId,
    /// `msi_res_id`, the name in the instance metadata service and in Azure Arc.
    MsiResId,
}

impl ManagedIdentity {
    /// Creates the identity on this host.
    #[must_use]
    pub fn new(identity: Identity, host: impl Host + 'static) -> Self {
        Self {
            host: Arc::new(host),
            identity,
            source: None,
            resource_id_parameter: None,
            capabilities: [].into(),
        }
    }

    /// Sets the source of tokens, in place of detection.
    #[must_use]
    pub fn with_source(mut self, source: Source) -> Self {
        self.source = Some(source);
        self
    }

    /// Sets the name of the parameter with the identity's resource ID, in place of the source's
    /// usual name.
    ///
    /// Azure Arc for Kubernetes needs it: its variables look like those of App Service, but it
    /// expects `msi_res_id`.
    #[must_use]
    pub fn with_resource_id_parameter(mut self, parameter: ResourceIdParameter) -> Self {
        self.resource_id_parameter = Some(parameter);
        self
    }

    /// Sets the client capabilities, such as `cp1` for claims challenges. They are sent to Service
    /// Fabric only, and only after a challenge.
    #[must_use]
    pub fn with_capabilities(mut self, capabilities: &[&str]) -> Self {
        self.capabilities = capabilities
            .iter()
            .map(|capability| String::from(*capability))
            .collect();
        self
    }

    /// Returns the identity.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Returns the source of tokens, and the facts that decided. It reads the host's variables and
    /// files now, and sends nothing.
    #[must_use]
    pub fn detect(&self) -> Detection {
        self.source
            .map_or_else(|| Detection::on(&*self.host), Detection::chosen)
    }

    /// Creates the request for a token.
    ///
    /// A source takes a resource, not scopes. The resource of a scope is the scope without its
    /// suffix `/.default`. The source is [detected](Self::detect) now.
    ///
    /// # Errors
    /// Returns an error for more than one scope, for a scope that names no API, and for a kind of
    /// identity that the source does not accept.
    pub fn request(&self, target: impl Into<Target>) -> Result<ManagedIdentityRequest, Error> {
        let source = self.source.unwrap_or_else(|| Detection::source_on(&*self.host));
        let request = ManagedIdentityRequest::of(self.clone(), source, target.into())?;
        self.parameter(request.source())?;
        Ok(request)
    }

    pub(super) fn host(&self) -> &dyn Host {
        &*self.host
    }

    pub(super) fn capabilities(&self) -> &[String] {
        &self.capabilities
    }

    /// Returns the query parameter that names the identity to a source, or `None` for the
    /// system-assigned one.
    pub(super) fn parameter(&self, source: Source) -> Result<Option<(&'static str, String)>, ManagedIdentityError> {
        let by_resource_id = match (self.resource_id_parameter, source) {
            (Some(ResourceIdParameter::MiResId), _) | (None, Source::AppService) => "mi_res_id",
            (Some(ResourceIdParameter::MsiResId), _) | (None, _) => "msi_res_id",
        };
        let is_flexible = matches!(source, Source::AppService | Source::Imds | Source::Arc);
        let name = match (self.identity.kind(), source) {
            (Kind::System, _) => return Ok(None),
            (Kind::ClientId(_), Source::MachineLearning) => "clientid",
            (Kind::ObjectId(_), Source::ServiceFabric) => "principalId",
            (Kind::ClientId(_), _) if is_flexible => "client_id",
            (Kind::ObjectId(_), _) if is_flexible => "object_id",
            (Kind::ResourceId(_), _) if is_flexible => by_resource_id,
            (kind, _) => {
                let problem = format!("it accepts no identity by its {}", kind.name());
                let hint = match source {
                    Source::MachineLearning => "name the identity by its client ID",
                    Source::ServiceFabric => "name the identity by its object (principal) ID",
                    _ => "use the system-assigned identity: the token is that of the signed-in user",
                };
                return Err(
                    ManagedIdentityError::new(ManagedIdentityErrorKind::Configuration, source, problem).with_hint(hint),
                );
            }
        };
        Ok(self.identity.kind().value().map(|value| (name, value)))
    }
}

impl fmt::Debug for ManagedIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagedIdentity")
            .field("identity", &self.identity)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}
