//! The client, async or blocking, with its async methods.

use std::fmt;
use std::sync::Arc;

use entra_proto::agents::AgentUser;
use entra_proto::authorize::UserAssertion;
use entra_proto::claims::ClaimsRequest;
use entra_proto::device::DeviceAuthorization;
#[cfg(feature = "tokio")]
use entra_proto::managed_identity::Identity;
use entra_proto::{Application, Authority, ClientId, Target, Tenant, TokenRequest};
use entra_transport::Transport;

use crate::builder::ClientBuilder;
use crate::cache::{Key, KeyRef};
use crate::chain::ChainReport;
use crate::consent::{Consent, roles_in};
use crate::core::Core;
use crate::error::Error;
use crate::flow::{CallerEffect, Want};
use crate::principal::Principal;
use crate::random::SecureRandom;
use crate::sign_in::SignIn;
use crate::source::TokenSource;
use crate::subject::Subject;
use crate::tasks::{Tasks, acquire, sign_in};
use crate::token::Token;
use crate::token_options::TokenOptions;
use crate::user::User;

/// A client that acquires and caches the tokens of one [`Principal`]: async as
/// [`entra_client::Client`](crate::Client), blocking as
/// [`blocking::Client`](crate::blocking::Client).
///
/// A client is a cheap handle for one tenant and, optionally, one agent identity and one user. A
/// clone has the same ones; [`tenant`](Self::tenant), [`agent`](Self::agent), [`user`](Self::user),
/// [`agent_user`](Self::agent_user) and [`on_behalf_of`](Self::on_behalf_of) return handles for
/// others. All of them share one cache, transport and credential.
pub struct Client<D> {
    pub(crate) core: Arc<Core<D>>,
    /// The tenant, or `None` if the principal determines it.
    tenant: Option<Tenant>,
    subject: Subject,
}

/// Methods that do not wait.
impl<D> Client<D> {
    pub(crate) fn assemble(core: Core<D>) -> Self {
        Self {
            tenant: core
                .principal
                .application()
                .map(|application| application.authority().tenant().clone()),
            core: Arc::new(core),
            subject: Subject::Principal,
        }
    }

    /// Returns the token for `target` if it is cached and may be used. Never waits.
    ///
    /// If the token needs refresh, a background refresh starts.
    #[must_use]
    pub fn cached(&self, target: &Target) -> Option<Token> {
        self.core.cached(self.key(target, None))
    }

    /// Returns a handle to this client for another tenant, with the agent and the user of this
    /// handle, if it has them. All tenants share one cache, transport and credential.
    ///
    /// A handle is cheap to create.
    #[must_use]
    pub fn tenant(&self, tenant: impl Into<Tenant>) -> Self {
        Self {
            core: Arc::clone(&self.core),
            tenant: Some(tenant.into()),
            subject: self.subject.clone(),
        }
    }

    /// Returns a handle to this client that acquires tokens of this agent identity, in the tenant
    /// of this handle. The client's application is its blueprint: see
    /// [`agents`](entra_proto::agents).
    ///
    /// A token takes two requests: the first one is the blueprint's. The handle is for the agent
    /// itself, even if this handle is for a user. [`agent_user`](Self::agent_user) and
    /// [`on_behalf_of`](Self::on_behalf_of) of it return handles for the agent's users.
    ///
    /// ```no_run
    /// # use entra_client::{Client, Error};
    /// # use entra_proto::{ClientId, Target, agents::AgentUser};
    /// # async fn work(client: Client, id: ClientId) -> Result<(), Error> {
    /// let graph = Target::resource("https://graph.microsoft.com")?;
    /// let agent = client.agent(id);
    /// let token = agent.token(&graph).await?; // of the agent itself
    ///
    /// let user: AgentUser = "assistant@contoso.com".parse()?;
    /// let token = agent.agent_user(user).token(&graph).await?; // of its user
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn agent(&self, id: ClientId) -> Self {
        Self {
            subject: Subject::of_agent(id),
            ..self.clone()
        }
    }

    /// Returns a handle to this client that acquires tokens of an agent's user account. A token
    /// takes three requests.
    ///
    /// This handle must be that of the [agent](Self::agent), or the client's application must be
    /// the agent identity. Other applications have no such users: their requests return an error.
    #[must_use]
    pub fn agent_user(&self, user: AgentUser) -> Self {
        Self {
            subject: self.subject.with_agent_user(user),
            ..self.clone()
        }
    }

    /// Returns a handle to this client that acquires tokens with which another identity
    /// authenticates, for which the application vouches. `path` names it (`fmi_path`): an agent
    /// identity by its client ID. The target is the token exchange, such as
    /// `api://AzureADTokenExchange`.
    ///
    /// [`agent`](Self::agent) does this and the next request for agent identities. This method is
    /// for programs that leave the next request to others. The handle is for the application
    /// itself, even if this handle is for an agent or a user. A path that is not valid is an error
    /// of each request.
    #[must_use]
    pub fn vouching_for(&self, path: &str) -> Self {
        Self {
            subject: Subject::vouching_for(path),
            ..self.clone()
        }
    }

    /// Returns a handle to this client that acquires tokens of this user, in the user's tenant.
    ///
    /// For a user who signed in, tokens are acquired with the refresh token. Newer refresh tokens
    /// replace it.
    #[must_use]
    pub fn user(&self, user: &User) -> Self {
        Self {
            core: Arc::clone(&self.core),
            tenant: user.tenant().cloned().or_else(|| self.tenant.clone()),
            subject: self.subject.with_user(user),
        }
    }

    /// Returns a handle to this client that acquires tokens on behalf of the user who called this
    /// application's API with `assertion`, the user's access token for it (the on-behalf-of flow).
    ///
    /// The tenant is that of this handle, or the one that the assertion names if this handle's
    /// tenant is not a specific one. The API must have validated the assertion before.
    ///
    /// Tokens are cached by the hash of the assertion: the same assertion gets the same tokens, and
    /// another one gets others. Each takes a cache entry that holds the assertion, so
    /// [`Policy::capacity`](field@crate::Policy::capacity) should exceed the number of callers per
    /// hour. Making this handle hashes the assertion: use the same handle while the call is served.
    ///
    /// Tokens are refreshed for as long as the service accepts the assertion. Refresh tokens in
    /// responses are dropped, so a request for `offline_access` has no effect.
    #[must_use]
    pub fn on_behalf_of(&self, assertion: &UserAssertion) -> Self {
        let tenant = self.core.tenant_of(self.tenant.as_ref());
        self.user(&User::on_behalf_of(tenant, assertion))
    }

    /// Returns a handle to the token for one target, in the tenant and for the user of this handle.
    /// Code that needs the token often reads it there without a look-up in the cache. For a token
    /// with claims, see [`TokenSource::with_claims`].
    ///
    /// # Errors
    /// Returns an error if the target, the tenant and the user do not form a valid request.
    pub fn source(&self, target: &Target) -> Result<TokenSource<D>, Error> {
        let (slot, _) = self.core.slot(self.key(target, None), None)?;
        Ok(TokenSource::new(Arc::clone(&self.core), slot))
    }

    /// Records that an API rejected this token.
    ///
    /// If the cache has no newer token, the next caller requests one. If that fails, callers get
    /// this token while it is unexpired, because an API may reject it for one path and accept it
    /// for others. A caller that accepts only a newer token passes this one to
    /// [`TokenOptions::with_rejected`].
    ///
    /// Returns true if the rejection is new: if many callers report one token, only the first
    /// report causes a refresh. Any handle of the client accepts the token, whatever its tenant or
    /// user.
    pub fn invalidate(&self, token: &Token) -> bool {
        self.core.invalidate(token)
    }

    /// Drops the tokens for `target` in the tenant of this handle, with any claims, and their
    /// cached failures: the tokens of the handle's user if it has one, and app-only tokens of its
    /// agent or of the application otherwise.
    pub fn forget(&self, target: &Target) {
        self.core.forget(self.key(target, None));
    }

    /// Signs the user out of this client: drops the refresh token, for all clones of the user, and
    /// all of the user's tokens in all tenants.
    ///
    /// Later requests for the user fail, and the results of requests in flight are not cached. The
    /// caller deletes a refresh token that is stored outside of this client. The service is not
    /// informed.
    pub fn forget_user(&self, user: &User) {
        self.core.forget_user(user);
    }

    /// Drops all tokens, failures and signed assertions, in all tenants.
    ///
    /// Callers that wait for a request in flight get its result, which is not cached. Users stay
    /// signed in: see [`forget_user`](Self::forget_user).
    pub fn clear(&self) {
        self.core.clear();
    }

    /// Returns the number of cache entries of all tenants. An entry holds a token, an expired
    /// token, or a failure.
    #[must_use]
    pub fn cache_entries(&self) -> usize {
        self.core.slots.len()
    }

    /// Returns the authority of this handle: the cloud, and the tenant that tokens are requested
    /// in.
    ///
    /// # Errors
    /// Returns an error if the tenant makes no valid authority of this cloud.
    pub fn authority(&self) -> Result<Authority, Error> {
        Ok(self.application_here()?.authority().clone())
    }

    /// Returns the principal that the client was made with.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.core.principal
    }

    /// Returns the application, in the tenant that the client was made with. `None` if the
    /// principal is not an application, or a chain that has not chosen one.
    #[must_use]
    pub fn application(&self) -> Option<&Application> {
        self.core.principal.application()
    }

    /// Returns the state of the client's chain: the member that acquires its tokens, and the
    /// reasons why others are absent. `None` if the principal is not a chain.
    #[must_use]
    pub fn chain(&self) -> Option<ChainReport> {
        self.core.principal.chain()
    }

    /// Records a consent.
    pub(crate) fn record_consent(&self, consent: Consent) -> Consent {
        self.record_consent_in(&consent.tenant.into());
        consent
    }

    /// Records a consent in this tenant, as the tenant was requested.
    pub(crate) fn record_consent_in(&self, tenant: &Tenant) {
        self.core.record_consent(tenant);
    }

    /// Returns the application, or the handle's agent, in this handle's tenant.
    pub(crate) fn application_here(&self) -> Result<Application, Error> {
        let application = self.core.application_in(self.tenant.as_ref())?;
        Ok(self.subject.application(&application)?)
    }

    pub(crate) fn random(&self) -> &dyn SecureRandom {
        &*self.core.random
    }

    pub(crate) fn key<'a>(&'a self, target: &'a Target, claims: Option<&'a ClaimsRequest>) -> KeyRef<'a> {
        KeyRef {
            tenant: self.tenant.as_ref(),
            target,
            claims,
            subject: &self.subject,
        }
    }

    /// Returns the key of the token that a sign-in requests, which no cache entry has yet.
    pub(crate) fn sign_in_key(&self, target: &Target) -> Key {
        Key {
            tenant: self.tenant.clone(),
            target: target.clone(),
            claims: None,
            subject: Subject::Principal,
        }
    }

    /// Returns the cached token if it satisfies the options. Otherwise returns, as the error, the
    /// tokens that the caller accepts.
    pub(crate) fn cached_with(&self, key: KeyRef<'_>, options: &TokenOptions) -> Result<Token, Want> {
        let want = options.want(&self.core, key);
        match want {
            Want::Valid => self.core.cached(key).ok_or(want),
            Want::Requested | Want::After(_) => Err(want),
        }
    }
}

impl<D> Clone for Client<D> {
    fn clone(&self) -> Self {
        Self {
            core: Arc::clone(&self.core),
            tenant: self.tenant.clone(),
            subject: self.subject.clone(),
        }
    }
}

impl<D> fmt::Debug for Client<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({}", self.core.principal)?;
        if let Some(agent) = self.subject.agent() {
            write!(f, " as the agent {agent}")?;
        }
        match &self.tenant {
            Some(tenant) => write!(f, " in {tenant})"),
            None => f.write_str(")"),
        }
    }
}

/// The async methods.
impl Client<Tasks> {
    /// Creates a client with the default policy, which runs on tokio.
    #[cfg(feature = "tokio")]
    #[must_use]
    pub fn new(principal: impl Into<Principal>, transport: impl Transport + 'static) -> Self {
        Self::builder(principal, transport)
            .build()
            .expect("the default policy is valid, and there is a runtime")
    }

    /// Creates a client with the default policy for a managed identity of the machine that the
    /// program runs on: a virtual machine, a web app, a container. It runs on tokio.
    ///
    /// The environment names the source of the tokens. The transport must support local routes, as
    /// those of this workspace do.
    ///
    /// Managed identities have no users, no consents and no choice of tenants: requests for those
    /// fail. Their tokens are not written to a [`TokenStore`](crate::token_store::TokenStore),
    /// because they belong to this machine.
    ///
    /// ```no_run
    /// # use entra_client::{Client, Error};
    /// # use entra_proto::Target;
    /// # use entra_proto::managed_identity::Identity;
    /// # use entra_transport::Transport;
    /// # async fn open(hyper: impl Transport + 'static) -> Result<(), Error> {
    /// let client = Client::managed_identity(Identity::system(), hyper);
    /// let vault = Target::resource("https://vault.azure.net")?;
    /// let token = client.token(&vault).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "tokio")]
    #[must_use]
    pub fn managed_identity(identity: Identity, transport: impl Transport + 'static) -> Self {
        Self::new(identity, transport)
    }

    /// Returns a builder, for a client with other settings.
    ///
    /// The principal is an [`Application`], a [`ManagedIdentity`], the [`Identity`] of a managed
    /// identity of this machine, or a [`Chain`](crate::Chain).
    ///
    /// [`ManagedIdentity`]: entra_proto::managed_identity::ManagedIdentity
    pub fn builder(principal: impl Into<Principal>, transport: impl Transport + 'static) -> ClientBuilder {
        ClientBuilder::new(principal.into(), Tasks::new(Arc::new(transport)))
    }

    /// Returns a token for `target`: from the cache if it is fresh, otherwise from the service.
    ///
    /// Concurrent callers share one request. A token that needs refresh is returned while a
    /// background refresh gets the next one. A token that has not expired is returned if the
    /// service has no newer one.
    ///
    /// If the future is dropped, for example at a timeout, the request goes on, and the next caller
    /// gets its outcome. This holds for up to 4,096 requests at once. A request beyond that runs
    /// within the future of its caller, and is dropped with it.
    ///
    /// # Errors
    /// Returns an error if there is no valid token and none can be acquired. The failure is cached
    /// for a short time and returned to all callers: see
    /// [`Policy::cool_down`](field@crate::Policy::cool_down).
    pub async fn token(&self, target: &Target) -> Result<Token, Error> {
        match self.cached(target) {
            Some(token) => Ok(token),
            // Boxed, so that the future of a cached token stays small.
            None => Box::pin(self.acquire(self.key(target, None), Want::Valid, None)).await,
        }
    }

    /// Returns a token for `target` with options: with the claims of an API's challenge, newer than
    /// a token that an API rejected, or from the service whatever is cached.
    ///
    /// # Errors
    /// As for [`token`](Self::token). With a forced refresh or a rejected token, also returns an
    /// error while an older token is unexpired.
    pub async fn token_with(&self, target: &Target, options: &TokenOptions) -> Result<Token, Error> {
        let key = self.key(target, options.claims.as_ref());
        match self.cached_with(key, options) {
            Ok(token) => Ok(token),
            Err(want) => Box::pin(self.acquire(key, want, options.rejected())).await,
        }
    }

    /// Returns the application permissions (`roles`) that the application itself has for the API of
    /// `target` in this tenant: those of its app-only token, from the cache or from the service.
    ///
    /// A non-empty list proves the consent. An empty one means that tokens are issued without any
    /// application permission. Entra may take some minutes to put new permissions into tokens.
    ///
    /// # Errors
    /// As for [`token`](Self::token). Also returns an error if `target` names scopes of more than
    /// one API.
    pub async fn roles(&self, target: &Target) -> Result<Vec<String>, Error> {
        Ok(roles_in(&self.app_only(target).await?))
    }

    /// Returns a token for `target` on behalf of the user who called:
    /// [`on_behalf_of`](Self::on_behalf_of) and [`token`](Self::token) in one.
    ///
    /// # Errors
    /// As for [`token`](Self::token). If the user must sign in again (`interaction_required`),
    /// return the error's [`claims`](entra_proto::error::ServiceError::claims) to the caller in a
    /// challenge.
    pub async fn acquire_on_behalf_of(&self, assertion: &UserAssertion, target: &Target) -> Result<Token, Error> {
        self.on_behalf_of(assertion).token(target).await
    }

    /// Signs in a user on another device (RFC 8628): requests a code, passes it to `show`, and
    /// waits until the user has entered it in a browser, has declined, or the code has expired.
    ///
    /// The application may be a public client, and its tenant `organizations`.
    ///
    /// ```no_run
    /// # use entra_client::{Client, Error};
    /// # use entra_proto::Target;
    /// # use entra_proto::device::DeviceAuthorization;
    /// # async fn sign_in(client: Client) -> Result<(), Error> {
    /// let graph = Target::scopes("User.Read")?;
    /// let show = |code: &DeviceAuthorization| eprintln!("{}", code.message);
    /// let sign_in = client.device_code(&graph, show).await?;
    /// let user = sign_in.user.expect("the response has a refresh token");
    /// let user = client.user(&user);
    /// let token = user.token(&graph).await?; // from the cache
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Returns an error if the service rejects the request, if the user declines, or if the code
    /// expires.
    pub async fn device_code(
        &self,
        target: &Target,
        show: impl FnMut(&DeviceAuthorization) + Send,
    ) -> Result<SignIn, Error> {
        let request = self.application_here()?.device_code(target.clone())?;
        let key = self.key(target, None).to_key();
        Box::pin(sign_in(&self.core, key, request.into(), show)).await
    }

    /// Redeems an authorization code.
    pub(crate) async fn redeem(&self, request: TokenRequest) -> Result<SignIn, Error> {
        let key = self.sign_in_key(request.target());
        Box::pin(sign_in(&self.core, key, request.into(), |_| {})).await
    }

    /// Returns the application's own token for the API of this target. It replaces single
    /// permissions of a user by `/.default`.
    pub(crate) async fn app_only(&self, target: &Target) -> Result<Token, Error> {
        self.token(&Target::resource(&target.audience()?)?).await
    }

    async fn acquire(&self, key: KeyRef<'_>, want: Want, rejected: Option<&Token>) -> Result<Token, Error> {
        let (slot, request) = self.core.slot(key, rejected)?;
        let caller = CallerEffect::start(&self.core, &slot, request, want);
        acquire(&self.core, caller).await
    }
}
