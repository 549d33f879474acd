//! Forged access tokens: tokens of the emulator with any changed claim, header or signature.

mod assertion;
mod defect;
mod draft;

use http::Request;
use serde_json::Value;

use crate::config::{Api, App, Tenant, TokenVersion, User};
use crate::exchange::Exchange;
use crate::forge::draft::{Draft, Object};
use crate::protocol::token::client_auth::Proof;
use crate::protocol::token::mint::{self, Validity};
use crate::protocol::token::request::RequestedClaims;
use crate::protocol::token::user;
use crate::state::State;
use crate::state::keys::{Key, KeyRing, STRANGER};
use crate::state::recorder::{Channel, Endpoint};
use crate::state::session::Session;
use crate::time::unix;

pub use crate::forge::assertion::AssertionForge;
pub use crate::forge::defect::Defect;
pub use crate::forge::draft::SignatureAlgorithm;

/// A builder of forged tokens, created by [`Emulator::forge`](crate::Emulator::forge).
///
/// It starts with the token that the emulator would issue, with every permission of the API.
/// Changes are applied in the order of the calls, and [`token`](Self::token) signs the result. Only
/// code that holds the emulator, and programs with the key of the control API, can use the forge;
/// requests to the token service cannot.
///
/// ```
/// use entra_emulator::{Defect, Emulator};
///
/// let emulator = Emulator::builder().build();
/// let graph = |token: String| {
///     let request = http::Request::get("/v1.0/users")
///         .header("authorization", format!("Bearer {token}"));
///     emulator.handle(request.body(Vec::new()).unwrap()).status()
/// };
/// let forge = || emulator.forge().api(Emulator::GRAPH);
/// assert_eq!(graph(forge().token()), 200);
/// assert_eq!(graph(forge().roles(["User.Read.All"]).token()), 200);
/// assert_eq!(graph(forge().roles(["Mail.Read"]).token()), 403);
/// assert_eq!(graph(forge().defect(Defect::Expired).token()), 401);
/// let other = forge().claim("aud", "api://another").token();
/// assert_eq!(graph(other), 401);
/// ```
#[must_use = "`token` creates the forged token"]
#[derive(Clone, Debug)]
pub struct Forge<'a> {
    state: &'a State,
    tenant: &'a Tenant,
    app: &'a App,
    api: &'a Api,
    user: Option<&'a User>,
    blueprint: Option<String>,
    version: Option<TokenVersion>,
    permissions: Option<Vec<String>>,
    key: Option<&'static Key>,
    algorithm: Option<SignatureAlgorithm>,
    changes: Vec<Change>,
}

/// One change to the token.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Set(Part, String, Value),
    Add(Part, String, Value),
    Remove(Part, String),
    Defect(Defect),
}

/// A part of a token that is a JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Header,
    Claims,
}

/// A forged token with its header and claims.
pub(crate) struct Forged {
    pub(crate) token: String,
    pub(crate) header: Object,
    pub(crate) claims: Object,
}

impl<'a> Forge<'a> {
    pub(crate) fn new(state: &'a State) -> Self {
        let directory = &state.directory;
        Self {
            state,
            tenant: state.first_tenant(),
            app: directory.apps.first().expect("the directory holds at least one app"),
            api: directory
                .apis
                .get(directory.own_api)
                .expect("the directory holds at least one own API"),
            user: None,
            blueprint: None,
            version: None,
            permissions: None,
            key: None,
            algorithm: None,
            changes: Vec::new(),
        }
    }

    /// Sets the API, by an identifier URI or its app ID.
    ///
    /// # Panics
    /// Panics if there is no such API.
    pub fn api(self, name: &str) -> Self {
        match self.state.directory.api(name) {
            Some(api) => self.for_api(api),
            None => panic!("no API has the identifier or the app ID {name:?}"),
        }
    }

    /// Sets the app that the token is issued to, by its name or client ID.
    ///
    /// # Panics
    /// Panics if there is no such app.
    pub fn app(self, name: &str) -> Self {
        match self.state.directory.client_named(name) {
            Some(app) => self.for_app(app),
            None => panic!("no app is called {name:?} or has that client ID"),
        }
    }

    /// Sets the tenant, by its ID or domain.
    ///
    /// # Panics
    /// Panics if there is no such tenant.
    pub fn tenant(self, name: &str) -> Self {
        match self.state.directory.tenant(name) {
            Some(tenant) => self.in_tenant(tenant),
            None => panic!("no tenant has the ID or the domain {name:?}"),
        }
    }

    /// Makes it the token of a user, by sign-in name, object ID or full name, with the scopes of
    /// the API.
    ///
    /// # Panics
    /// Panics if there is no such user.
    pub fn user(self, name: &str) -> Self {
        match self.state.users_named(name).first() {
            Some((tenant, user)) => self.of_user(tenant, user),
            None => panic!("no user is called {name:?}"),
        }
    }

    /// Makes the app an agent identity whose blueprint has this client ID. With a user, the user
    /// becomes an agent's user account.
    pub fn agent_of(self, blueprint: impl Into<String>) -> Self {
        Self {
            blueprint: Some(blueprint.into()),
            ..self
        }
    }

    /// Sets the version of the token, regardless of the version that the API accepts.
    pub fn version(self, version: TokenVersion) -> Self {
        Self {
            version: Some(version),
            ..self
        }
    }

    /// Sets `roles` instead of all roles of the API. An app-only token without roles has no such
    /// claim.
    pub fn roles<S: Into<String>>(self, roles: impl IntoIterator<Item = S>) -> Self {
        self.permissions(roles)
    }

    /// Sets the scopes of a user's token instead of all scopes of the API.
    pub fn scopes<S: Into<String>>(self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.permissions(scopes)
    }

    fn permissions<S: Into<String>>(self, names: impl IntoIterator<Item = S>) -> Self {
        Self {
            permissions: Some(names.into_iter().map(Into::into).collect()),
            ..self
        }
    }

    /// Sets a claim. An existing claim is replaced.
    pub fn claim(self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.change(Change::Set(Part::Claims, name.into(), value.into()))
    }

    /// Adds a claim at the end, even if there is one with the same name.
    pub fn another_claim(self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.change(Change::Add(Part::Claims, name.into(), value.into()))
    }

    /// Removes a claim.
    pub fn without_claim(self, name: impl Into<String>) -> Self {
        self.change(Change::Remove(Part::Claims, name.into()))
    }

    /// Sets a parameter of the header. An existing parameter is replaced. The signature does not
    /// depend on the header, only on [`key`](Self::key) and [`algorithm`](Self::algorithm).
    pub fn header(self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.change(Change::Set(Part::Header, name.into(), value.into()))
    }

    /// Adds a parameter at the end of the header, even if there is one with the same name.
    pub fn another_header(self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.change(Change::Add(Part::Header, name.into(), value.into()))
    }

    /// Removes a parameter of the header.
    pub fn without_header(self, name: impl Into<String>) -> Self {
        self.change(Change::Remove(Part::Header, name.into()))
    }

    /// Signs with the key with this ID, published or not, and names it in the header.
    ///
    /// # Panics
    /// Panics if the emulator has no such key.
    pub fn key(self, kid: &str) -> Self {
        match KeyRing::find(kid) {
            Some(key) => self.signed_by(key),
            None => panic!("no key has the ID {kid:?}"),
        }
    }

    /// Signs with a key that is never published, and names it in the header.
    pub fn unpublished_key(self) -> Self {
        self.signed_by(&STRANGER)
    }

    /// Signs with another algorithm, and names it in the header.
    pub fn algorithm(self, algorithm: SignatureAlgorithm) -> Self {
        Self {
            algorithm: Some(algorithm),
            ..self
        }
    }

    /// Adds one defect to the token.
    pub fn defect(self, defect: Defect) -> Self {
        self.change(Change::Defect(defect))
    }

    /// Signs the token and returns its text.
    pub fn token(self) -> String {
        self.make().token
    }

    pub(crate) fn make(self) -> Forged {
        let mut draft = self.draft();
        for change in self.changes {
            draft.change(change);
        }
        Forged {
            token: draft.sign(),
            header: draft.header,
            claims: draft.claims,
        }
    }

    pub(crate) fn for_api(self, api: &'a Api) -> Self {
        Self { api, ..self }
    }

    pub(crate) fn for_app(self, app: &'a App) -> Self {
        Self { app, ..self }
    }

    pub(crate) fn in_tenant(self, tenant: &'a Tenant) -> Self {
        Self { tenant, ..self }
    }

    pub(crate) fn of_user(self, tenant: &'a Tenant, user: &'a User) -> Self {
        Self {
            tenant,
            user: Some(user),
            ..self
        }
    }

    pub(crate) fn signed_by(self, key: &'static Key) -> Self {
        Self { key: Some(key), ..self }
    }

    pub(crate) fn change(mut self, change: Change) -> Self {
        self.changes.push(change);
        self
    }

    /// Returns the token before all changes.
    fn draft(&self) -> Draft {
        let state = self.state;
        let exchange = Exchange::new(state, Request::new(Vec::new()), Channel::Memory);
        let mut api = self.api.clone();
        api.token_version = self.version.unwrap_or(api.token_version);
        let resource = api.identifiers.first().unwrap_or(&api.app_id);
        let validity = Validity::new(&exchange, None);
        let claims = match self.user {
            None => mint::app_claims(
                &exchange,
                &mint::Grant {
                    tenant: self.tenant,
                    app: self.app,
                    api: &api,
                    resource,
                    roles: self.permissions.clone().unwrap_or_else(|| api.roles.clone()),
                    proof: Proof::Secret,
                    requested: RequestedClaims::default(),
                },
                &validity,
            ),
            Some(user) => {
                let now = unix(exchange.now);
                let all = || api.all_scopes().cloned().collect();
                let scp = self.permissions.clone().unwrap_or_else(all);
                let grant = user::Grant {
                    endpoint: Endpoint::V2,
                    tenant: self.tenant,
                    user,
                    app: self.app,
                    proof: Proof::Secret,
                    session: &Session::plain(self.app, self.tenant, user, now),
                    requested: &RequestedClaims::default(),
                    client_info: false,
                    first_resource: false,
                };
                mint::user_claims(&exchange, &grant, &api, resource, &scp, &validity)
            }
        };
        let mut claims = Object::from(Value::Object(claims));
        if let Some(blueprint) = &self.blueprint {
            for (name, value) in mint::agent_claims(blueprint, self.user.is_some()) {
                claims.set(&name, value);
            }
        }
        let key = self.key.unwrap_or_else(|| state.keys.signing());
        let algorithm = self.algorithm.unwrap_or(SignatureAlgorithm::Rs256);
        let is_v1 = api.token_version == TokenVersion::V1;
        Draft::new(unix(exchange.now), key, algorithm, is_v1, claims)
    }
}
