//! The web API that tokens are validated for: its settings, and the addresses derived from them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use entra_proto::error::{Input, InputError};
use entra_proto::{ClientId, Cloud, EndpointVersion, Error, Guid};

use crate::agents::Agents;
use crate::audience::Audience;
use crate::challenge::{self, Parameters};
use crate::issuer::Template;
use crate::permissions::Permissions;
use crate::profile::Profile;
use crate::tenants::Tenants;

/// The web API that tokens are validated for: the tokens that it accepts, and the texts of its
/// challenges.
///
/// Cheap to clone. The audience, the tenants and the permissions are arguments of [`Api::new`], so
/// that no check is off by default.
///
/// ```
/// use entra_validate::{Api, Audience, Permissions, Tenants};
///
/// let tenant = "aaaabbbb-0000-cccc-1111-dddd2222eeee".parse()?;
/// let audience = Audience::app("11112222-bbbb-3333-cccc-4444dddd5555".parse()?);
/// let (scopes, roles) = (["ToDoList.Read"], ["ToDoList.Read.All"]);
/// let permissions = Permissions::any_of(scopes, roles)?;
/// let api = Api::new(audience, Tenants::One(tenant), permissions)?;
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Api(Arc<Settings>);

#[derive(Clone, Debug)]
struct Settings {
    audience: Audience,
    tenants: Tenants,
    permissions: Permissions,
    cloud: Cloud,
    callers: Option<BTreeSet<ClientId>>,
    agents: Agents,
    signing_keys_of: Option<ClientId>,
    skew: Duration,
    profile: Profile,
    challenge: Parameters,
    /// The issuers of v1 and v2 tokens, if they are known without the cloud's metadata.
    known_issuers: [Option<Template>; 2],
}

impl Api {
    /// Creates an API in the public cloud with this audience. It accepts tokens of these tenants
    /// with one of these permissions.
    ///
    /// # Errors
    /// Returns an error if the set of tenants is empty.
    pub fn new(audience: Audience, tenants: Tenants, permissions: Permissions) -> Result<Self, Error> {
        if matches!(&tenants, Tenants::AnyOf(some) if some.is_empty()) {
            return Err(InputError::new(Input::Other("tenants"), "are empty")
                .with_hint("name a tenant, or pass Tenants::Any for an API that every tenant may call")
                .into());
        }
        let cloud = Cloud::Public;
        Ok(Self(Arc::new(Settings {
            audience,
            tenants,
            permissions,
            known_issuers: Template::known(&cloud),
            cloud,
            callers: None,
            agents: Agents::default(),
            signing_keys_of: None,
            skew: SKEW,
            profile: Profile::default(),
            challenge: Parameters::default(),
        })))
    }

    /// Sets the cloud: a national cloud, that of an external tenant
    /// (`https://contoso.ciamlogin.com`), or an emulator. The default is the public cloud.
    ///
    /// # Errors
    /// Returns an error if the cloud is that of an external tenant and the tenants are not
    /// [`Tenants::One`].
    pub fn with_cloud(mut self, cloud: Cloud) -> Result<Self, Error> {
        if is_external(&cloud) && !matches!(self.0.tenants, Tenants::One(_)) {
            return Err(InputError::new(
                Input::Other("tenants"),
                "are not one tenant, but an external tenant issues tokens for itself only",
            )
            .with_hint("pass Tenants::One with the ID of the external tenant")
            .into());
        }
        let settings = Arc::make_mut(&mut self.0);
        settings.known_issuers = Template::known(&cloud);
        settings.cloud = cloud;
        Ok(self)
    }

    /// Accepts only these calling applications, by `azp` or `appid`.
    ///
    /// The token of an application without a user must then have `idtyp=app`, which is an optional
    /// claim: without it, a user of a listed application could pass for the application.
    ///
    /// # Errors
    /// Returns an error if the list is empty.
    pub fn with_callers(mut self, callers: impl IntoIterator<Item = ClientId>) -> Result<Self, Error> {
        let callers: BTreeSet<_> = callers.into_iter().collect();
        if callers.is_empty() {
            return Err(InputError::new(Input::Other("callers"), "are empty")
                .with_hint("name the client ID of an application, or leave out with_callers to accept any application")
                .into());
        }
        Arc::make_mut(&mut self.0).callers = Some(callers);
        Ok(self)
    }

    /// Sets the policy for agent identities. By default they are accepted as other callers are.
    #[must_use]
    pub fn with_agents(mut self, agents: Agents) -> Self {
        Arc::make_mut(&mut self.0).agents = agents;
        self
    }

    /// Fetches the signing keys of this application, for a registration with its own signing keys
    /// (claims mapping): `?appid=` is appended to the address of the metadata.
    #[must_use]
    pub fn with_signing_keys_of(mut self, application: ClientId) -> Self {
        Arc::make_mut(&mut self.0).signing_keys_of = Some(application);
        self
    }

    /// Sets the allowed clock skew. The default is 5 minutes.
    ///
    /// # Errors
    /// Returns an error if it is more than [`MAX_SKEW`].
    pub fn with_skew(mut self, skew: Duration) -> Result<Self, Error> {
        if skew > MAX_SKEW {
            return Err(InputError::new(Input::Other("clock skew"), "is more than 10 minutes")
                .with_hint("synchronize the machine's clock by NTP, and leave the skew at 5 minutes")
                .into());
        }
        Arc::make_mut(&mut self.0).skew = skew;
        Ok(self)
    }

    /// Sets the profile of tokens.
    #[must_use]
    pub fn with_profile(mut self, profile: Profile) -> Self {
        Arc::make_mut(&mut self.0).profile = profile;
        self
    }

    /// Sets the realm of challenges. The default is empty.
    ///
    /// # Errors
    /// Returns an error if a header cannot hold it: it has more than 1024 bytes, a quotation mark,
    /// a backslash, or a character that is not printable ASCII.
    pub fn with_realm(mut self, realm: &str) -> Result<Self, Error> {
        let realm = challenge::realm(realm)?;
        Arc::make_mut(&mut self.0).challenge.realm = realm;
        Ok(self)
    }

    /// Sets the `scope` of challenges: the full scopes that a client requests, separated by single
    /// spaces, such as `api://{client id}/Tools.Call`.
    ///
    /// Without it, a challenge for missing permissions has the names of the required scopes.
    ///
    /// # Errors
    /// Returns an error if it is not a list of scopes, or if a header cannot hold it, as for
    /// [`with_realm`](Self::with_realm).
    pub fn with_challenge_scope(mut self, scope: &str) -> Result<Self, Error> {
        let scope = challenge::scope(scope)?;
        Arc::make_mut(&mut self.0).challenge.scope = Some(scope);
        Ok(self)
    }

    /// Sets the address of the API's [`ResourceMetadata`](crate::ResourceMetadata) for challenges
    /// (RFC 9728, section 5.1).
    ///
    /// # Errors
    /// Returns an error if it is not an `https` URL (or an `http` URL of this machine), or if it
    /// has a user name or a fragment.
    pub fn with_resource_metadata(mut self, url: &str) -> Result<Self, Error> {
        let url = challenge::metadata_url(url)?;
        Arc::make_mut(&mut self.0).challenge.resource_metadata = Some(url);
        Ok(self)
    }

    /// Returns the address of the API's metadata in challenges, if it is set.
    #[must_use]
    pub fn resource_metadata(&self) -> Option<&str> {
        self.0.challenge.resource_metadata.as_deref()
    }

    /// Returns the cloud.
    #[must_use]
    pub fn cloud(&self) -> &Cloud {
        &self.0.cloud
    }

    /// Returns the audience.
    #[must_use]
    pub fn audience(&self) -> &Audience {
        &self.0.audience
    }

    /// Returns the tenants whose tokens are accepted.
    #[must_use]
    pub fn tenants(&self) -> &Tenants {
        &self.0.tenants
    }

    /// Returns the permissions of which a caller needs one.
    #[must_use]
    pub fn permissions(&self) -> &Permissions {
        &self.0.permissions
    }

    /// Returns the profile of tokens.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.0.profile
    }

    pub(crate) fn skew(&self) -> Duration {
        self.0.skew
    }

    pub(crate) fn callers(&self) -> Option<&BTreeSet<ClientId>> {
        self.0.callers.as_ref()
    }

    pub(crate) fn agents(&self) -> Agents {
        self.0.agents
    }

    pub(crate) fn challenge(&self) -> &Parameters {
        &self.0.challenge
    }

    pub(crate) fn known_issuer(&self, version: EndpointVersion) -> Option<&Template> {
        let [v1, v2] = &self.0.known_issuers;
        match version {
            EndpointVersion::V1 => v1.as_ref(),
            EndpointVersion::V2 => v2.as_ref(),
        }
    }

    pub(crate) fn is_external(&self) -> bool {
        is_external(&self.0.cloud)
    }

    /// Returns the address of the metadata: that of the tenant for [`Tenants::One`], otherwise that
    /// of `common`. It never depends on a token.
    #[must_use]
    pub fn metadata_url(&self, version: EndpointVersion) -> String {
        let path = match version {
            EndpointVersion::V1 => ".well-known/openid-configuration",
            EndpointVersion::V2 => "v2.0/.well-known/openid-configuration",
        };
        let url = format!("{}/{}/{path}", self.0.cloud.origin(), self.tenant_segment());
        match self.0.signing_keys_of {
            Some(application) => format!("{url}?appid={application}"),
            None => url,
        }
    }

    /// Returns the `authorization_uri` of a claims challenge.
    pub(crate) fn authorization_uri(&self) -> String {
        format!(
            "{}/{}/oauth2/v2.0/authorize",
            self.0.cloud.origin(),
            self.tenant_segment()
        )
    }

    /// Returns the issuers of the tenants, as RFC 9728 requires them: without a placeholder.
    pub(crate) fn authorization_servers(&self) -> Vec<String> {
        let issuer = |tenant: &str| format!("{}/{tenant}/v2.0", self.0.cloud.origin());
        match &self.0.tenants {
            // The host of an external tenant's issuer is the tenant's ID, even if it has a name.
            Tenants::One(one) if self.is_external() => vec![format!("https://{one}.ciamlogin.com/{one}/v2.0")],
            Tenants::One(one) => vec![issuer(&one.to_string())],
            Tenants::AnyOf(some) => some.iter().map(|tenant: &Guid| issuer(&tenant.to_string())).collect(),
            // There is no issuer for all tenants. Clients of any tenant can use this address.
            Tenants::Any => vec![issuer("organizations")],
        }
    }

    fn tenant_segment(&self) -> String {
        match &self.0.tenants {
            Tenants::One(one) => one.to_string(),
            Tenants::AnyOf(_) | Tenants::Any => "common".to_owned(),
        }
    }
}

fn is_external(cloud: &Cloud) -> bool {
    cloud.host().ends_with(".ciamlogin.com")
}

/// The default of the allowed clock skew: 5 minutes, as in Microsoft's own libraries.
const SKEW: Duration = Duration::from_secs(300);

/// The largest clock skew that can be set: 10 minutes.
pub const MAX_SKEW: Duration = Duration::from_secs(600);
