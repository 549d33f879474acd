//! App registrations.

use serde::Deserialize;

use crate::certificate::KeyCredential;
use crate::config::{DelegatedPermission, FederatedCredential, Permission, Secret};

/// An app registration that requests tokens.
///
/// ```
/// use entra_emulator::{App, Emulator};
///
/// let app = App::new("nightly-report")
///     .secret("s3cret")
///     .grant(Emulator::GRAPH, "User.Read.All");
/// let emulator = Emulator::builder().app(app).build();
/// assert_eq!(emulator.client_secret(), "s3cret");
/// ```
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct App {
    /// The display name.
    pub name: String,
    /// The application (client) ID, a GUID; derived from the seed when empty.
    pub client_id: String,
    /// The object ID of the registration, for Graph's `/applications/{id}`; derived when empty.
    pub object_id: String,
    /// The object ID of the app's service principal, the `oid` and `sub` of its tokens; derived
    /// when empty.
    pub service_principal_id: String,
    /// The client secrets. When left out, there is one secret derived from the seed. An empty list
    /// means no secret.
    pub secrets: Option<Vec<Secret>>,
    /// The certificates whose keys sign the app's assertions. Several may be valid during a
    /// rotation. The JSON member is `key_credentials`, `keyCredentials` or `certificates`: see
    /// [`KeyCredential`].
    #[serde(alias = "keyCredentials", alias = "certificates")]
    pub key_credentials: Vec<KeyCredential>,
    /// The assertions of other issuers that the app authenticates with. The JSON member may also be
    /// `federatedIdentityCredentials`.
    #[serde(alias = "federatedIdentityCredentials")]
    pub federated_credentials: Vec<FederatedCredential>,
    /// The application permissions that the registration requests. A request alone grants nothing:
    /// see `granted`.
    pub requested: Vec<Permission>,
    /// The application permissions that an administrator has consented to.
    pub granted: Vec<Permission>,
    /// The delegated permissions that the registration requests. A request alone grants nothing:
    /// users and administrators consent.
    pub requested_scopes: Vec<DelegatedPermission>,
    /// The delegated permissions that an administrator has consented to for all users.
    pub granted_scopes: Vec<DelegatedPermission>,
    /// The redirect URIs. The first one is used for requests that name none. `http://localhost` and
    /// `http://127.0.0.1` match every port (RFC 8252, section 7.3).
    pub redirect_uris: Vec<String>,
    /// The tenants (GUID or domain) in which the app is present. An empty list means all tenants,
    /// unless the app has a home tenant.
    pub tenants: Vec<String>,
    /// The tenant (GUID or domain) in which the app is registered. An app with a home tenant is
    /// present only there and in `tenants`.
    pub home_tenant: Option<String>,
    /// True if any tenant may consent to the app, which makes it present there. The default home
    /// tenant is the first tenant.
    pub multi_tenant: bool,
    /// True if every tenant has consented to the permissions granted without a tenant, which makes
    /// the app present in all tenants.
    pub consented_everywhere: bool,
    /// True if the app is a public client. It has no credential, and a request with one is rejected
    /// (AADSTS700025).
    pub public_client: bool,
    /// True if the app is a blueprint of agent identities: it gets tokens for them (`fmi_path`),
    /// and of its own only for Microsoft Graph (AADSTS82001).
    pub blueprint: bool,
    /// The blueprint (name or client ID) of an agent identity. An agent identity has no
    /// credentials, and it lives in one tenant. In a built emulator, it is a client ID.
    pub agent_of: Option<String>,
    /// True if an administrator has disabled the app. Every request is rejected with AADSTS7000112.
    pub disabled: bool,
    /// True if the app has no service principal in the tenant yet. Requests are rejected with
    /// AADSTS7000229 until someone consents.
    pub unprovisioned: bool,
}

impl App {
    /// Returns an app with this name, present in every tenant, with one derived secret and no
    /// permissions.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// Sets the application (client) ID.
    pub fn client_id(self, client_id: impl Into<String>) -> Self {
        Self {
            client_id: client_id.into(),
            ..self
        }
    }

    /// Adds a secret. The first call replaces the derived one.
    pub fn secret(mut self, secret: impl Into<Secret>) -> Self {
        self.secrets.get_or_insert_default().push(secret.into());
        self
    }

    /// Removes all secrets, including the derived one.
    pub fn without_secrets(self) -> Self {
        Self {
            secrets: Some(Vec::new()),
            ..self
        }
    }

    /// Registers a certificate, in DER, for signing assertions. The app keeps its secrets: see
    /// [`without_secrets`](Self::without_secrets).
    pub fn certificate(self, der: impl AsRef<[u8]>) -> Self {
        self.key_credential(KeyCredential::new(der))
    }

    /// Registers the first certificate of a PEM text. A private key in it is ignored.
    pub fn certificate_pem(self, pem: impl AsRef<str>) -> Self {
        self.key_credential(KeyCredential::pem(pem))
    }

    /// Registers a certificate with its own ID or dates.
    pub fn key_credential(mut self, credential: KeyCredential) -> Self {
        self.key_credentials.push(credential);
        self
    }

    /// Registers a federated credential: the app authenticates with an assertion of another issuer.
    pub fn federated_credential(mut self, credential: FederatedCredential) -> Self {
        self.federated_credentials.push(credential);
        self
    }

    /// Requests a permission without consent, as if admin consent had been forgotten.
    pub fn request(mut self, api: impl Into<String>, role: impl Into<String>) -> Self {
        self.requested.push(Permission::new(api, role));
        self
    }

    /// Requests a permission and consents to it in every tenant.
    pub fn grant(mut self, api: impl Into<String>, role: impl Into<String>) -> Self {
        let permission = Permission::new(api, role);
        self.requested.push(permission.clone());
        self.granted.push(permission);
        self
    }

    /// Requests a permission and consents to it in one tenant (GUID or domain) only.
    pub fn grant_in(mut self, tenant: impl Into<String>, api: impl Into<String>, role: impl Into<String>) -> Self {
        let permission = Permission::new(api, role);
        self.requested.push(permission.clone());
        self.granted.push(Permission {
            tenant: Some(tenant.into()),
            ..permission
        });
        self
    }

    /// Makes the app present in this tenant (GUID or domain). In unlisted tenants it is unknown
    /// (AADSTS700016).
    pub fn only_in(mut self, tenant: impl Into<String>) -> Self {
        self.tenants.push(tenant.into());
        self
    }

    /// Requests a delegated permission without consent.
    pub fn request_scope(mut self, api: impl Into<String>, scope: impl Into<String>) -> Self {
        self.requested_scopes.push(DelegatedPermission::new(api, scope));
        self
    }

    /// Requests a delegated permission and consents to it for all users of every tenant.
    pub fn grant_scope(mut self, api: impl Into<String>, scope: impl Into<String>) -> Self {
        let permission = DelegatedPermission::new(api, scope);
        self.requested_scopes.push(permission.clone());
        self.granted_scopes.push(permission);
        self
    }

    /// Registers a redirect URI.
    pub fn redirect_uri(mut self, uri: impl Into<String>) -> Self {
        self.redirect_uris.push(uri.into());
        self
    }

    /// Registers the app in this tenant (GUID or domain). In other tenants it is unknown
    /// (AADSTS700016).
    pub fn home(self, tenant: impl Into<String>) -> Self {
        Self {
            home_tenant: Some(tenant.into()),
            ..self
        }
    }

    /// Allows tenants other than its home tenant to consent to the app. Until a tenant consents,
    /// the app is unknown there (AADSTS700016). Permissions granted without a tenant apply only in
    /// the home tenant.
    pub fn multi_tenant(self) -> Self {
        Self {
            multi_tenant: true,
            ..self
        }
    }

    /// Makes every tenant consent to the permissions granted without a tenant, for a multi-tenant
    /// app that all customers use.
    pub fn consented_everywhere(self) -> Self {
        Self {
            consented_everywhere: true,
            ..self
        }
    }

    /// Makes the app a public client, without any secret.
    pub fn public_client(self) -> Self {
        Self {
            public_client: true,
            ..self.without_secrets()
        }
    }

    /// Makes the app a blueprint of agent identities.
    pub fn blueprint(self) -> Self {
        Self {
            blueprint: true,
            ..self
        }
    }

    /// Makes the app an agent identity of this blueprint (name or client ID), without credentials.
    ///
    /// ```
    /// use entra_emulator::{App, Emulator};
    ///
    /// let blueprint = App::new("support").blueprint().secret("s3cret");
    /// let agent = App::new("agent-1").agent_of("support");
    /// let emulator = Emulator::builder()
    ///     .app(blueprint)
    ///     .app(agent.grant(Emulator::GRAPH, "User.Read.All"))
    ///     .build();
    /// let agent = &emulator.apps()[1];
    /// assert_eq!(agent.agent_of.as_deref(), Some(emulator.client_id()));
    /// ```
    pub fn agent_of(self, blueprint: impl Into<String>) -> Self {
        Self {
            agent_of: Some(blueprint.into()),
            ..self.without_secrets()
        }
    }

    /// Disables the app (AADSTS7000112).
    pub fn disabled(self) -> Self {
        Self { disabled: true, ..self }
    }

    /// Removes the app's service principal (AADSTS7000229).
    pub fn unprovisioned(self) -> Self {
        Self {
            unprovisioned: true,
            ..self
        }
    }
}
