//! Managed identities, and the sources from which workloads get their tokens.

use serde::Deserialize;

use crate::config::Permission;

/// A managed identity of the emulated [`Machine`](crate::Machine): a service principal whose tokens
/// a workload gets from the platform, without a secret of its own.
///
/// ```
/// use entra_emulator::{Emulator, ManagedIdentity};
///
/// let identity = ManagedIdentity::user_assigned("collector")
///     .client_id("11111111-2222-3333-4444-555555555555")
///     .grant(Emulator::OFFICE_MANAGEMENT, "ActivityFeed.Read");
/// let emulator = Emulator::builder().managed_identity(identity).build();
/// let request = http::Request::get(
///     "/metadata/identity/oauth2/token?api-version=2018-02-01\
///      &resource=https://manage.office.com\
///      &client_id=11111111-2222-3333-4444-555555555555",
/// );
/// let request = request.header("metadata", "true").body(Vec::new());
/// assert_eq!(emulator.handle(request.unwrap()).status(), 200);
/// ```
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ManagedIdentity {
    /// The display name. A system-assigned identity has the name of the machine when empty.
    pub name: String,
    /// True for the identity of the machine itself, of which there is at most one. A request that
    /// names no identity gets its token.
    pub system_assigned: bool,
    /// The client ID, a GUID; derived from the seed when empty.
    pub client_id: String,
    /// The object (principal) ID of the service principal, the `oid` and `sub` of its tokens;
    /// derived when empty.
    pub object_id: String,
    /// The resource ID in Azure Resource Manager, which its tokens contain as `xms_mirid`: that of
    /// the machine for a system-assigned identity; derived when empty.
    pub resource_id: String,
    /// The tenant (GUID or domain) of the service principal; the first tenant when left out. In a
    /// built emulator it is a GUID.
    pub tenant: Option<String>,
    /// The application permissions (app roles) that it holds.
    pub granted: Vec<Permission>,
}

impl ManagedIdentity {
    /// Returns the identity of the machine itself, without permissions.
    pub fn system_assigned() -> Self {
        Self {
            system_assigned: true,
            ..Self::default()
        }
    }

    /// Returns a user-assigned identity with this name, without permissions.
    pub fn user_assigned(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// Sets the client ID.
    pub fn client_id(self, client_id: impl Into<String>) -> Self {
        Self {
            client_id: client_id.into(),
            ..self
        }
    }

    /// Sets the object (principal) ID.
    pub fn object_id(self, object_id: impl Into<String>) -> Self {
        Self {
            object_id: object_id.into(),
            ..self
        }
    }

    /// Sets the resource ID in Azure Resource Manager.
    pub fn resource_id(self, resource_id: impl Into<String>) -> Self {
        Self {
            resource_id: resource_id.into(),
            ..self
        }
    }

    /// Sets the tenant (GUID or domain) of the service principal.
    pub fn in_tenant(self, tenant: impl Into<String>) -> Self {
        Self {
            tenant: Some(tenant.into()),
            ..self
        }
    }

    /// Assigns an app role of an API to the identity.
    pub fn grant(mut self, api: impl Into<String>, role: impl Into<String>) -> Self {
        self.granted.push(Permission::new(api, role));
        self
    }
}

/// A source of tokens for managed identities: a service of the platform under a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ManagedIdentitySource {
    /// The Azure Instance Metadata Service (IMDS) of virtual machines.
    Imds,
    /// App Service, Functions and Container Apps, with the version 2019-08-01 of the endpoint.
    AppService,
    /// App Service with the version 2017-09-01 only.
    AppService2017,
    /// Azure Machine Learning.
    AzureMl,
    /// Azure Cloud Shell, whose tokens belong to the signed-in user.
    CloudShell,
    /// Azure Arc: a machine outside Azure with the Connected Machine agent.
    Arc,
    /// Azure Service Fabric.
    ServiceFabric,
}

impl ManagedIdentitySource {
    /// All sources.
    pub const ALL: &'static [Self] = &[
        Self::Imds,
        Self::AppService,
        Self::AppService2017,
        Self::AzureMl,
        Self::CloudShell,
        Self::Arc,
        Self::ServiceFabric,
    ];

    /// Returns the path of the token endpoint.
    pub(crate) fn path(self) -> &'static str {
        match self {
            // Clients replace only the origin of the real service.
            Self::Imds => "/metadata/identity/oauth2/token",
            Self::AppService => "/managed-identity/app-service/msi/token",
            Self::AppService2017 => "/managed-identity/app-service-2017/msi/token",
            Self::AzureMl => "/managed-identity/azure-ml/msi/token",
            Self::CloudShell => "/managed-identity/cloud-shell/oauth2/token",
            Self::Arc => "/managed-identity/arc/metadata/identity/oauth2/token",
            Self::ServiceFabric => "/managed-identity/service-fabric/metadata/identity/oauth2/token",
        }
    }
}
