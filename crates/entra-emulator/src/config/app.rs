//! App registrations.

use serde::Deserialize;

use crate::certificate::KeyCredential;
use crate::config::{DelegatedPermission, Permission, Secret};

/// An app registration that asks for tokens.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct App {
    /// Display name.
    pub name: String,
    /// Application (client) id, a GUID; derived from the seed when empty.
    pub client_id: String,
    /// Object id of the registration, which Graph's `/applications/{id}` wants; derived when empty.
    pub object_id: String,
    /// Object id of the app's service principal, the `oid` and `sub` of its tokens; derived when empty.
    pub service_principal_id: String,
    /// Client secrets. Left out: one derived from the seed. An empty list: none at all.
    pub secrets: Option<Vec<Secret>>,
    /// Certificates whose keys sign the app's assertions, several while one takes over from another. In JSON
    /// `key_credentials`, or else `keyCredentials` or `certificates`: see [`KeyCredential`].
    #[serde(alias = "keyCredentials", alias = "certificates")]
    pub key_credentials: Vec<KeyCredential>,
    /// Application permissions the registration asks for. Asking gives nothing: see `granted`.
    pub requested: Vec<Permission>,
    /// Application permissions an administrator has consented to.
    pub granted: Vec<Permission>,
    /// Delegated permissions the registration asks for. Asking gives nothing: users and administrators consent.
    pub requested_scopes: Vec<DelegatedPermission>,
    /// Delegated permissions an administrator has consented to for all users.
    pub granted_scopes: Vec<DelegatedPermission>,
    /// Where answers may be sent to, the first one for requests that name none. `http://localhost` and
    /// `http://127.0.0.1` stand for every port (RFC 8252, section 7.3).
    pub redirect_uris: Vec<String>,
    /// Tenants (GUID or domain) the app is present in; empty means all, unless the app has a home.
    pub tenants: Vec<String>,
    /// The tenant (GUID or domain) the app is registered in. With a home the app is present there and in `tenants` only.
    pub home_tenant: Option<String>,
    /// Any tenant may consent to it, which makes it present there. Its home is the first tenant when none is said.
    pub multi_tenant: bool,
    /// Every tenant has consented to what is granted without naming a tenant, which makes the app present there.
    pub consented_everywhere: bool,
    /// A public client: it has no credential, and one that is sent is refused (AADSTS700025).
    pub public_client: bool,
    /// Switched off by an administrator: every request is refused with AADSTS7000112.
    pub disabled: bool,
    /// Known, but without a service principal in the tenant yet: refused with AADSTS7000229 until somebody consents.
    pub unprovisioned: bool,
}

impl App {
    /// An app of that name, present in every tenant, with one derived secret and no permissions.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// Sets the application (client) id.
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

    /// An app without any secret.
    pub fn without_secrets(self) -> Self {
        Self {
            secrets: Some(Vec::new()),
            ..self
        }
    }

    /// Registers a certificate, given in DER, to sign assertions with. The app keeps its secrets, see
    /// [`without_secrets`](Self::without_secrets).
    pub fn certificate(self, der: impl AsRef<[u8]>) -> Self {
        self.key_credential(KeyCredential::new(der))
    }

    /// Registers the first certificate of a PEM text. A private key beside it is not kept.
    pub fn certificate_pem(self, pem: impl AsRef<str>) -> Self {
        self.key_credential(KeyCredential::pem(pem))
    }

    /// Registers a certificate with an id or dates of its own.
    pub fn key_credential(mut self, credential: KeyCredential) -> Self {
        self.key_credentials.push(credential);
        self
    }

    /// Asks for a permission without anybody consenting to it: "forgot admin consent".
    pub fn request(mut self, api: impl Into<String>, role: impl Into<String>) -> Self {
        self.requested.push(Permission::new(api, role));
        self
    }

    /// Asks for a permission and has it consented to in every tenant.
    pub fn grant(mut self, api: impl Into<String>, role: impl Into<String>) -> Self {
        let permission = Permission::new(api, role);
        self.requested.push(permission.clone());
        self.granted.push(permission);
        self
    }

    /// Asks for a permission and has it consented to in one tenant (GUID or domain) only.
    pub fn grant_in(mut self, tenant: impl Into<String>, api: impl Into<String>, role: impl Into<String>) -> Self {
        let permission = Permission::new(api, role);
        self.requested.push(permission.clone());
        self.granted.push(Permission {
            tenant: Some(tenant.into()),
            ..permission
        });
        self
    }

    /// Restricts the app to one more tenant (GUID or domain); elsewhere it is unknown (AADSTS700016).
    pub fn only_in(mut self, tenant: impl Into<String>) -> Self {
        self.tenants.push(tenant.into());
        self
    }

    /// Asks for a delegated permission without anybody consenting to it yet.
    pub fn request_scope(mut self, api: impl Into<String>, scope: impl Into<String>) -> Self {
        self.requested_scopes.push(DelegatedPermission::new(api, scope));
        self
    }

    /// Asks for a delegated permission and has it consented to for all users of every tenant.
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

    /// Registers the app in this tenant (GUID or domain). UnlistedOrigin it is unknown (AADSTS700016).
    pub fn home(self, tenant: impl Into<String>) -> Self {
        Self {
            home_tenant: Some(tenant.into()),
            ..self
        }
    }

    /// Lets other tenants than its home consent to the app. Until one does, the app is unknown there (AADSTS700016); what
    /// was granted without naming a tenant counts at home only.
    pub fn multi_tenant(self) -> Self {
        Self {
            multi_tenant: true,
            ..self
        }
    }

    /// Has every tenant consent to what is granted without naming a tenant: a multi-tenant app that all customers use.
    pub fn consented_everywhere(self) -> Self {
        Self {
            consented_everywhere: true,
            ..self
        }
    }

    /// Makes it a public client, without any secret.
    pub fn public_client(self) -> Self {
        Self {
            public_client: true,
            ..self.without_secrets()
        }
    }

    /// Switches the app off (AADSTS7000112).
    pub fn disabled(self) -> Self {
        Self { disabled: true, ..self }
    }

    /// Leaves the app without a service principal (AADSTS7000229).
    pub fn unprovisioned(self) -> Self {
        Self {
            unprovisioned: true,
            ..self
        }
    }
}
