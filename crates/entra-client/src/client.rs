//! The client, async or blocking, and the async methods of it.

use std::fmt;
use std::sync::Arc;

use entra_proto::authorize::UserAssertion;
use entra_proto::claims::ClaimsRequest;
use entra_proto::device::DeviceAuthorization;
use entra_proto::{Application, Authority, Target, Tenant, TokenRequest};
use entra_transport::Transport;

use crate::builder::ClientBuilder;
use crate::cache::{Key, KeyRef};
use crate::consent::{Consent, roles_in};
use crate::core::Core;
use crate::error::Error;
use crate::flow::Want;
use crate::random::SecureRandom;
use crate::sign_in::SignIn;
use crate::source::TokenSource;
use crate::tasks::{Tasks, acquire, sign_in};
use crate::token::Token;
use crate::token_options::TokenOptions;
use crate::user::User;

/// A client that acquires and caches the tokens of one application: async as [`entra_client::Client`](crate::Client), blocking as
/// [`blocking::Client`](crate::blocking::Client).
///
/// A clone is a handle to the same cache, transport and credential. So is what [`tenant`](Self::tenant) returns.
pub struct Client<D> {
    pub(crate) core: Arc<Core<D>>,
    tenant: Tenant,
    user: Option<User>,
}

/// Methods that do not wait.
impl<D> Client<D> {
    pub(crate) fn assemble(core: Core<D>) -> Self {
        Self {
            tenant: core.application.authority().tenant().clone(),
            core: Arc::new(core),
            user: None,
        }
    }

    /// The token for `target` if it is in the cache and may be used: nothing is waited for.
    #[must_use]
    pub fn cached(&self, target: &Target) -> Option<Token> {
        self.core.ready(self.key(target, None))
    }

    /// The same client for another tenant: one cache, one transport, one credential for any number of them. It costs next to nothing:
    /// make one wherever it is needed.
    #[must_use]
    pub fn tenant(&self, tenant: impl Into<Tenant>) -> Self {
        Self {
            core: Arc::clone(&self.core),
            tenant: tenant.into(),
            user: self.user.clone(),
        }
    }

    /// The same client asking for tokens of this user, in his tenant: for one who signed in, by his refresh token, of which the newest
    /// is kept and used.
    #[must_use]
    pub fn user(&self, user: &User) -> Self {
        Self {
            core: Arc::clone(&self.core),
            tenant: user.tenant().unwrap_or(&self.tenant).clone(),
            user: Some(user.clone()),
        }
    }

    /// The same client asking on behalf of the user who called this application's API with `assertion`, his access token for it (the
    /// on-behalf-of flow): in this tenant, or in the one that the assertion names where this is no tenant in particular. The API has
    /// checked the assertion before.
    ///
    /// Tokens are kept by the assertion's hash: the same assertion gets the same tokens, another one gets others. Each takes a place of
    /// the cache, with the assertion in it: [`Policy::capacity`](field@crate::Policy::capacity) should be above the number of callers in
    /// an hour. To make this handle hashes the assertion: keep the handle for as long as the call is served.
    ///
    /// They are renewed for as long as the service takes the assertion. A refresh token that comes along is not kept: it is no use to ask
    /// for `offline_access`.
    #[must_use]
    pub fn on_behalf_of(&self, assertion: &UserAssertion) -> Self {
        self.user(&User::on_behalf_of(&self.tenant, assertion))
    }

    /// Returns a handle to the token for one target, for code that needs it again and again: it reads the token without a look-up.
    /// For a token with claims there is [`TokenSource::with_claims`].
    ///
    /// # Errors
    /// Returns an error if no such token can be requested.
    pub fn source(&self, target: &Target) -> Result<TokenSource<D>, Error> {
        let (slot, _) = self.core.slot(self.key(target, None))?;
        Ok(TokenSource::new(Arc::clone(&self.core), slot))
    }

    /// Takes note that an API rejected this token. Unless there is a newer one, the next caller has it refreshed, by a request that is
    /// sent after this call. While the service has no newer one, other callers go on with this one: an API that rejects one path
    /// takes no token from the others. A caller for which no token but a newer one will do says so: [`TokenOptions::with_rejected`].
    ///
    /// Returns whether that was news: of many callers who were rejected with one token, the first has it refreshed. The token knows its
    /// tenant: any handle will do.
    pub fn invalidate(&self, token: &Token) -> bool {
        self.core.invalidate(token)
    }

    /// Forgets the tokens for `target` in this tenant, with whatever claims, and its failures: the application's own, or those of this
    /// handle's user.
    pub fn forget(&self, target: &Target) {
        self.core.forget(self.key(target, None));
    }

    /// Forgets this user, who signs out: all his tokens, in all tenants, and his refresh token, for all his clones. Who asks for him from
    /// now on gets an error, and what requests in the air bring is kept nowhere. A refresh token that was kept elsewhere is the caller's
    /// to delete; the service is not told.
    pub fn forget_user(&self, user: &User) {
        self.core.forget_user(user);
    }

    /// Forgets everything, in all tenants: tokens, failures, signed assertions. What requests in the air bring is given to those who
    /// wait for it, and not kept. Users who signed in stay so: see [`forget_user`](Self::forget_user).
    pub fn clear(&self) {
        self.core.clear();
    }

    /// Returns the number of cache entries of all tenants. An entry holds a token, an expired one, or a failure that is remembered.
    #[must_use]
    pub fn cache_entries(&self) -> usize {
        self.core.slots.len()
    }

    /// Where this handle's tokens come from: the tenant that it asks in.
    ///
    /// # Errors
    /// Where the tenant makes no authority of this cloud.
    pub fn authority(&self) -> Result<Authority, Error> {
        Ok(self.application_here()?.authority().clone())
    }

    /// The application, in the tenant that it was given with.
    #[must_use]
    pub fn application(&self) -> &Application {
        &self.core.application
    }

    /// Takes note of a consent.
    pub(crate) fn consented(&self, consent: Consent) -> Consent {
        self.expect_consent(&consent.tenant.into());
        consent
    }

    /// Takes note of a consent in this tenant, as it was requested.
    pub(crate) fn expect_consent(&self, tenant: &Tenant) {
        self.core.consented(tenant);
    }

    /// The application in this handle's tenant.
    pub(crate) fn application_here(&self) -> Result<Application, Error> {
        self.core.application_in(&self.tenant)
    }

    pub(crate) fn random(&self) -> &dyn SecureRandom {
        &*self.core.random
    }

    pub(crate) fn key<'a>(&'a self, target: &'a Target, claims: Option<&'a ClaimsRequest>) -> KeyRef<'a> {
        KeyRef {
            tenant: &self.tenant,
            target,
            claims,
            user: self.user.as_ref(),
        }
    }

    /// Returns the key of the token that a sign-in requests, which nothing caches yet.
    pub(crate) fn sign_in_key(&self, target: &Target) -> Key {
        Key {
            tenant: self.tenant.clone(),
            target: target.clone(),
            claims: None,
            user: None,
        }
    }

    /// Returns the token with these options if the cache has it, else which one to acquire.
    pub(crate) fn cached_with(&self, key: KeyRef<'_>, options: &TokenOptions) -> Result<Token, Want> {
        let want = options.want(&self.core, key);
        match want {
            Want::Living => self.core.ready(key).ok_or(want),
            Want::Requested | Want::After(_) => Err(want),
        }
    }
}

impl<D> Clone for Client<D> {
    fn clone(&self) -> Self {
        Self {
            core: Arc::clone(&self.core),
            tenant: self.tenant.clone(),
            user: self.user.clone(),
        }
    }
}

impl<D> fmt::Debug for Client<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.core.application.client_id();
        write!(f, "Client({id:?} in {:?})", self.tenant)
    }
}

/// The async client.
impl Client<Tasks> {
    /// A client with the default policy, which runs on tokio.
    #[cfg(feature = "tokio")]
    #[must_use]
    pub fn new(application: Application, transport: impl Transport + 'static) -> Self {
        Self::builder(application, transport)
            .build()
            .expect("the default policy can be kept, and there is a runtime")
    }

    /// A client with settings of one's own.
    pub fn builder(application: Application, transport: impl Transport + 'static) -> ClientBuilder {
        ClientBuilder::new(application, Tasks::new(Arc::new(transport)))
    }

    /// A token for `target`: from the cache while it is fresh, else from the service. However many ask at once, one request is sent.
    ///
    /// A token that is due is given out while another one is fetched in the background. One that is still alive is given out where no
    /// other is to be had.
    ///
    /// Dropping the future, as a deadline does, gives up this caller's wait only: the request goes on, and the next caller gets what
    /// comes of it. That holds for 4,096 requests at once; beyond that, a request runs within the future of its caller.
    ///
    /// # Errors
    /// Where there is neither a token nor a way to get one. The failure is remembered for a while, and given to everybody who asks
    /// meanwhile: see [`Policy::cool_down`](field@crate::Policy::cool_down).
    pub async fn token(&self, target: &Target) -> Result<Token, Error> {
        match self.cached(target) {
            Some(token) => Ok(token),
            // Behind a pointer, so that the future of a token that is there stays small.
            None => Box::pin(self.acquire(self.key(target, None), Want::Living)).await,
        }
    }

    /// As [`token`](Self::token), with claims of an API's challenge, in the place of a token that an API rejected, or past the cache.
    ///
    /// # Errors
    /// As for [`token`](Self::token); where a refresh is forced or a token was rejected, also while an older token lives.
    pub async fn token_with(&self, target: &Target, options: &TokenOptions) -> Result<Token, Error> {
        let key = self.key(target, options.claims.as_ref());
        match self.cached_with(key, options) {
            Ok(token) => Ok(token),
            Err(want) => Box::pin(self.acquire(key, want)).await,
        }
    }

    /// Returns the application permissions (`roles`) that the application itself has for the API of `target` in this tenant: those of
    /// its app-only token, from the cache or from the service.
    ///
    /// That is the proof of a consent. An empty list means that tokens are issued, but no application permission is granted. Entra may
    /// take some minutes to put new permissions into tokens.
    ///
    /// # Errors
    /// As for [`token`](Self::token). Also if `target` names scopes of more than one API.
    pub async fn roles(&self, target: &Target) -> Result<Vec<String>, Error> {
        Ok(roles_in(&self.app_only(target).await?))
    }

    /// A token for `target` on behalf of the user who called: [`on_behalf_of`](Self::on_behalf_of) and [`token`](Self::token) in one.
    ///
    /// # Errors
    /// As for [`token`](Self::token). Where the user must sign in again (`interaction_required`), the error's
    /// [`claims`](entra_proto::error::ServiceError::claims) are to be handed back to the caller in a challenge.
    pub async fn acquire_on_behalf_of(&self, assertion: &UserAssertion, target: &Target) -> Result<Token, Error> {
        self.on_behalf_of(assertion).token(target).await
    }

    /// Signs a person in who has no browser here: gets a code, hands it to `show`, and waits until he has typed it in elsewhere, has
    /// declined, or the code has expired (RFC 8628). The application may be a public client, and its tenant `organizations`.
    ///
    /// ```no_run
    /// # use entra_client::{Client, Error};
    /// # use entra_proto::Target;
    /// # async fn sign_in(client: Client) -> Result<(), Error> {
    /// let graph = Target::scopes("User.Read")?;
    /// let sign_in = client.device_code(&graph, |code| eprintln!("{}", code.message)).await?;
    /// let user = client.user(&sign_in.user.expect("a refresh token came along"));
    /// let token = user.token(&graph).await?; // from the cache; renewed as others are
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Where the service or the person refused, or nobody came.
    pub async fn device_code(
        &self,
        target: &Target,
        show: impl FnMut(&DeviceAuthorization) + Send,
    ) -> Result<SignIn, Error> {
        let request = self.application_here()?.device_code(target.clone())?;
        let key = self.key(target, None).to_key();
        Box::pin(sign_in(&self.core, key, request.into(), show)).await
    }

    /// Redeems a code.
    pub(crate) async fn redeem(&self, request: TokenRequest) -> Result<SignIn, Error> {
        let key = self.sign_in_key(request.target());
        Box::pin(sign_in(&self.core, key, request.into(), |_| {})).await
    }

    /// The application's own token for the API of this target, whatever single permissions a user was asked for.
    pub(crate) async fn app_only(&self, target: &Target) -> Result<Token, Error> {
        self.token(&Target::resource(&target.audience()?)?).await
    }

    async fn acquire(&self, key: KeyRef<'_>, want: Want) -> Result<Token, Error> {
        let (slot, request) = self.core.slot(key)?;
        acquire(&self.core, &slot, request, want).await
    }
}
