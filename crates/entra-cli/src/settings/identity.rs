//! Managed identities: the options that name one, and `--managed-identity`.

use clap::Args;
use entra_proto::managed_identity::{Detection, Identity, ManagedIdentity};
use entra_proto::{ClientId, Guid};
use entra_transport::LocalHost;

use super::{ApplicationSettings, given};
use crate::exit::{Exit, Failure};
use crate::source::Traced;

/// The options that name a user-assigned managed identity.
#[derive(Args)]
#[group(id = "identity", multiple = false)]
pub(crate) struct IdentitySettings {
    /// Use the user-assigned managed identity with this client ID [default: the system-assigned
    /// one]
    #[arg(long, value_name = "GUID")]
    identity_client_id: Option<String>,

    /// Use the user-assigned managed identity with this object (principal) ID
    #[arg(long, value_name = "GUID")]
    identity_object_id: Option<String>,

    /// Use the user-assigned managed identity with this resource ID, which begins with
    /// /subscriptions/
    #[arg(long, value_name = "ID")]
    identity_resource_id: Option<String>,
}

/// The ID that names a user-assigned managed identity.
pub(crate) enum IdentityId<'a> {
    Client(ClientId),
    /// The object (principal) ID.
    Object(Guid),
    /// The resource ID, unchecked.
    Resource(&'a str),
}

impl IdentitySettings {
    /// Returns the identity: the named one, or the system-assigned one.
    ///
    /// # Errors
    /// Returns an error if an ID is empty or invalid.
    pub(super) fn identity(&self) -> Result<Identity, Failure> {
        Ok(match self.id()? {
            Some(IdentityId::Client(id)) => Identity::client_id(id),
            Some(IdentityId::Object(id)) => Identity::object_id(id),
            Some(IdentityId::Resource(id)) => Identity::resource_id(id)?,
            None => Identity::system(),
        })
    }

    /// Returns the ID that names the identity, or `None` for the system-assigned one.
    ///
    /// # Errors
    /// Returns an error if an ID is empty or invalid.
    pub(super) fn id(&self) -> Result<Option<IdentityId<'_>>, Failure> {
        let ids = [
            &self.identity_client_id,
            &self.identity_object_id,
            &self.identity_resource_id,
        ];
        // An empty variable of a script must not choose another identity.
        if let (Some(option), None) = (self.option(), ids.into_iter().find_map(given)) {
            return Err(Failure::text(Exit::Usage, format!("{option} is empty"))
                .hint("pass an ID, or omit the option to use the system-assigned identity"));
        }
        if let Some(id) = given(&self.identity_client_id) {
            let id = guid(id, "--identity-client-id", "Client ID")?;
            return Ok(Some(IdentityId::Client(id.into())));
        }
        if let Some(id) = given(&self.identity_object_id) {
            let id = guid(id, "--identity-object-id", "Object (principal) ID")?;
            return Ok(Some(IdentityId::Object(id)));
        }
        Ok(given(&self.identity_resource_id).map(IdentityId::Resource))
    }

    /// Returns the option that is given.
    pub(super) fn option(&self) -> Option<&'static str> {
        [
            ("--identity-client-id", &self.identity_client_id),
            ("--identity-object-id", &self.identity_object_id),
            ("--identity-resource-id", &self.identity_resource_id),
        ]
        .into_iter()
        .find_map(|(option, value)| value.is_some().then_some(option))
    }
}

/// Returns the source of this machine's managed identities.
pub(crate) fn detection() -> Detection {
    ManagedIdentity::new(Identity::system(), LocalHost).detect()
}

/// Returns the source of managed identities that the environment names. Without one, only a request
/// shows whether there is one.
pub(crate) fn detected_identity() -> Option<Detection> {
    Some(detection()).filter(|detection| !detection.evidence().is_empty())
}

/// Parses an ID of a managed identity. `label` is its name in the Azure portal.
fn guid(id: &str, option: &str, label: &str) -> Result<Guid, Failure> {
    id.parse().map_err(|_| {
        Failure::text(Exit::Configuration, format!("{option} is not a GUID"))
            .hint(format!("copy \"{label}\" from the properties of the managed identity"))
    })
}

/// The option for the token of a managed identity.
#[derive(Args)]
pub(crate) struct ManagedSettings {
    /// Get the token of a managed identity of this machine, without an application and a secret
    ///
    /// The environment tells which platform issues the token: App Service, Azure Arc, Service
    /// Fabric, Azure Machine Learning, Cloud Shell, or otherwise the instance metadata service.
    /// `entra doctor --managed-identity` shows which one was found, and why.
    #[arg(long)]
    managed_identity: bool,
}

impl ManagedSettings {
    /// Returns true if the token is that of a managed identity.
    pub(crate) fn is_wanted(&self) -> bool {
        self.managed_identity
    }

    /// Returns the managed identity, or `None` if the token is that of an application.
    ///
    /// # Errors
    /// Returns an error if the identity is invalid, or if an option belongs to an application.
    pub(crate) fn managed(
        &self,
        application: &Traced<ApplicationSettings>,
    ) -> Result<Option<ManagedIdentity>, Failure> {
        if !self.managed_identity {
            return Ok(None);
        }
        application.settings.reject_secret_on_command_line()?;
        let mut flags = application.flags();
        if let Some((name, flag)) = flags.find(|(name, _)| !OF_IDENTITIES.contains(name)) {
            let problem = format!("{flag} has no effect with --managed-identity, which uses no application");
            return Err(Failure::text(Exit::Usage, problem).hint(match name {
                "client_id" => "name a user-assigned identity with --identity-client-id",
                "federated_source" => "remove one of them: --federated-source managed-identity is for an application",
                _ => "remove one of them",
            }));
        }
        let capabilities = application.settings.capabilities()?;
        let identity = ManagedIdentity::new(application.settings.identity.identity()?, LocalHost);
        Ok(Some(identity.with_capabilities(&capabilities)))
    }
}

/// The settings of a managed identity. All other options are those of an application.
const OF_IDENTITIES: [&str; 5] = [
    "authority_host",
    "capabilities",
    "identity_client_id",
    "identity_object_id",
    "identity_resource_id",
];
