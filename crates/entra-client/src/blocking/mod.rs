//! The client for threads: the same cache and the same rules, without a runtime.
//!
//! ```
//! use entra_client::blocking::Client;
//! use entra_proto::{Application, ClientSecret, Target};
//! # use entra_transport::{Body, Response, blocking_transport_fn};
//! # let transport = blocking_transport_fn(|_| Ok(Response::new(Body::from(r#"{"access_token":"t","expires_in":3599}"#.to_owned()))));
//!
//! let authority = "https://login.microsoftonline.com/contoso.onmicrosoft.com".parse()?;
//! let app = Application::new(authority, "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?, ClientSecret::new("s3cret")?);
//! let client = Client::new(app, transport); // over entra-transport-ureq, say
//!
//! let token = client.token(&Target::resource("https://graph.microsoft.com")?)?;
//! assert_eq!(token.authorization(), "Bearer t");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod consent_flow;
mod runtime;
pub(crate) mod threads;

use std::fmt;
use std::sync::Arc;

use entra_proto::{
    Application, Authority, ClaimsRequest, DeviceAuthorization, Target, Tenant, TokenRequest, UserAssertion,
};
use entra_transport::BlockingTransport;

use crate::TokenOptions;
use crate::cache::KeyRef;
use crate::clock::Moment;
use crate::consent::{Consent, roles_in};
use crate::core::{Core, Want};
use crate::error::Error;
use crate::random::SecureRandom;
use crate::sign_in::SignIn;
use crate::source::Held;
use crate::token::Token;
use crate::user::User;

pub use self::consent_flow::ConsentFlow;
pub use self::runtime::{Runtime, ThreadRuntime, TokenStore};
use self::threads::{Threads, acquire, sign_in};

/// The builder of a blocking [`Client`]: see [`ClientBuilder`](crate::ClientBuilder).
pub type ClientBuilder = crate::ClientBuilder<Threads>;

/// Gets tokens for one application, and keeps them. Blocking; [`Client`](crate::Client) is its async twin, and says more.
#[derive(Clone)]
pub struct Client {
    core: Arc<Core<Threads>>,
    tenant: Tenant,
    user: Option<User>,
}

impl Client {
    /// A client with the default policy.
    #[must_use]
    pub fn new(application: Application, transport: impl BlockingTransport + 'static) -> Self {
        Self::builder(application, transport)
            .build()
            .expect("the default policy can be kept")
    }

    /// A client with settings of one's own.
    pub fn builder(application: Application, transport: impl BlockingTransport + 'static) -> ClientBuilder {
        ClientBuilder::new(application, Threads::new(Arc::new(transport)))
    }

    pub(crate) fn assemble(core: Core<Threads>) -> Self {
        Self {
            tenant: core.application.authority().tenant().clone(),
            core: Arc::new(core),
            user: None,
        }
    }

    /// A token for `target`: see [`Client::token`](crate::Client::token). Blocks while it is fetched, by this thread or another.
    ///
    /// # Errors
    /// As for [`Client::token`](crate::Client::token).
    pub fn token(&self, target: &Target) -> Result<Token, Error> {
        match self.cached(target) {
            Some(token) => Ok(token),
            None => self.acquire(self.key(target, None), Want::Living),
        }
    }

    /// As [`token`](Self::token), with claims of an API's challenge, in the place of a token that an API rejected, or past the cache.
    ///
    /// # Errors
    /// As for [`Client::token_with`](crate::Client::token_with).
    pub fn token_with(&self, target: &Target, options: &TokenOptions) -> Result<Token, Error> {
        let key = self.key(target, options.claims.as_ref());
        let want = options.want(&self.core, key);
        let cached = match want {
            Want::Living => self.core.ready(key),
            Want::Requested | Want::After(_) => None,
        };
        cached.map_or_else(|| self.acquire(key, want), Ok)
    }

    /// The token for `target` if it is in the cache and may be used: nothing is waited for.
    #[must_use]
    pub fn cached(&self, target: &Target) -> Option<Token> {
        self.core.ready(self.key(target, None))
    }

    /// Returns the application permissions that the application itself has in this tenant: see
    /// [`Client::roles`](crate::Client::roles).
    ///
    /// # Errors
    /// As for [`Client::roles`](crate::Client::roles).
    pub fn roles(&self, target: &Target) -> Result<Vec<String>, Error> {
        Ok(roles_in(&self.app_only(target)?))
    }

    /// The same client for another tenant: see [`Client::tenant`](crate::Client::tenant).
    #[must_use]
    pub fn tenant(&self, tenant: impl Into<Tenant>) -> Self {
        Self {
            core: Arc::clone(&self.core),
            tenant: tenant.into(),
            user: self.user.clone(),
        }
    }

    /// The same client asking for tokens of this user: see [`Client::user`](crate::Client::user).
    #[must_use]
    pub fn user(&self, user: &User) -> Self {
        Self {
            core: Arc::clone(&self.core),
            tenant: user.tenant().unwrap_or(&self.tenant).clone(),
            user: Some(user.clone()),
        }
    }

    /// The same client asking on behalf of the user who called with `assertion`: see
    /// [`Client::on_behalf_of`](crate::Client::on_behalf_of).
    #[must_use]
    pub fn on_behalf_of(&self, assertion: &UserAssertion) -> Self {
        self.user(&User::on_behalf_of(&self.tenant, assertion))
    }

    /// A token for `target` on behalf of the user who called: see
    /// [`Client::acquire_on_behalf_of`](crate::Client::acquire_on_behalf_of).
    ///
    /// # Errors
    /// As for [`Client::acquire_on_behalf_of`](crate::Client::acquire_on_behalf_of).
    pub fn acquire_on_behalf_of(&self, assertion: &UserAssertion, target: &Target) -> Result<Token, Error> {
        self.on_behalf_of(assertion).token(target)
    }

    /// Signs a person in who has no browser here: see [`Client::device_code`](crate::Client::device_code). Blocks until he is done.
    ///
    /// # Errors
    /// As for [`Client::device_code`](crate::Client::device_code).
    pub fn device_code(&self, target: &Target, mut show: impl FnMut(&DeviceAuthorization)) -> Result<SignIn, Error> {
        let request = self.application_here()?.device_code(target.clone())?;
        let key = self.key(target, None).to_key();
        sign_in(&self.core, &key, request.into(), Some(&mut show))
    }

    /// Redeems a code.
    fn redeem(&self, request: TokenRequest) -> Result<SignIn, Error> {
        let key = Core::<Threads>::key_of(&self.tenant, &request);
        sign_in(&self.core, &key, request.into(), None)
    }

    fn random(&self) -> &dyn SecureRandom {
        &*self.core.random
    }

    fn consented(&self, consent: Consent) -> Consent {
        self.expect_consent(&consent.tenant.into());
        consent
    }

    fn expect_consent(&self, tenant: &Tenant) {
        self.core.consented(tenant);
    }

    fn app_only(&self, target: &Target) -> Result<Token, Error> {
        self.token(&Target::resource(&target.audience()?)?)
    }

    fn application_here(&self) -> Result<Application, Error> {
        self.core.application_in(&self.tenant)
    }

    /// A handle to the token for one target: see [`Client::source`](crate::Client::source).
    ///
    /// # Errors
    /// Returns an error if no such token can be requested.
    pub fn source(&self, target: &Target) -> Result<TokenSource, Error> {
        let (slot, _) = self.core.slot(self.key(target, None))?;
        Ok(TokenSource(Held::new(Arc::clone(&self.core), slot)))
    }

    /// Takes note that an API rejected this token: see [`Client::invalidate`](crate::Client::invalidate).
    pub fn invalidate(&self, token: &Token) -> bool {
        self.core.invalidate(token)
    }

    /// Forgets the tokens for `target` in this tenant: see [`Client::forget`](crate::Client::forget).
    pub fn forget(&self, target: &Target) {
        self.core.forget(self.key(target, None));
    }

    /// Forgets this user, who signs out: see [`Client::forget_user`](crate::Client::forget_user).
    pub fn forget_user(&self, user: &User) {
        self.core.forget_user(user);
    }

    /// Forgets everything: see [`Client::clear`](crate::Client::clear).
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

    fn key<'a>(&'a self, target: &'a Target, claims: Option<&'a ClaimsRequest>) -> KeyRef<'a> {
        KeyRef {
            tenant: &self.tenant,
            target,
            claims,
            user: self.user.as_ref(),
        }
    }

    fn acquire(&self, key: KeyRef<'_>, want: Want) -> Result<Token, Error> {
        let (slot, request) = self.core.slot(key)?;
        acquire(&self.core, &slot, request, want)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Client({:?} in {:?})",
            self.core.application.client_id(),
            self.tenant
        )
    }
}

/// A handle to the token for one target: see [`TokenSource`](crate::TokenSource).
#[derive(Clone)]
pub struct TokenSource(Held<Threads>);

impl TokenSource {
    /// The token, if it may be used now: see [`TokenSource::current`](crate::TokenSource::current).
    pub fn current(&mut self) -> Option<&Token> {
        self.0.current()
    }

    /// The token, from the service where there is none.
    ///
    /// # Errors
    /// As for [`Client::token`](crate::Client::token).
    pub fn token(&mut self) -> Result<Token, Error> {
        if let Some(token) = self.0.current() {
            return Ok(token.clone());
        }
        self.acquire(Want::Living)
    }

    /// A token that was requested after the one of this generation: see [`TokenSource::newer_than`](crate::TokenSource::newer_than).
    ///
    /// # Errors
    /// Returns an error if no such token can be acquired, also while the older one lives.
    pub fn newer_than(&mut self, generation: u64) -> Result<Token, Error> {
        self.acquire(Want::After(generation))
    }

    fn acquire(&mut self, want: Want) -> Result<Token, Error> {
        let token = acquire(&self.0.core, &self.0.slot, None, want)?;
        self.0.given = token.number();
        Ok(token)
    }

    /// Takes note that an API rejected the token of this generation: see [`TokenSource::reject`](crate::TokenSource::reject).
    pub fn reject(&self, generation: u64) -> bool {
        self.0.reject(generation)
    }

    /// Requests the token in the background: see [`TokenSource::prefetch`](crate::TokenSource::prefetch).
    pub fn prefetch(&self) {
        self.0.prefetch();
    }

    /// Takes note that an API rejected this token: see [`Client::invalidate`](crate::Client::invalidate).
    pub fn invalidate(&self, token: &Token) -> bool {
        self.0.core.invalidate(token)
    }

    /// The generation of the token that this handle returned last: see [`TokenSource::generation`](crate::TokenSource::generation).
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.0.given
    }

    /// The claims of the token that were asked for: see [`TokenSource::claims`](crate::TokenSource::claims).
    #[must_use]
    pub fn claims(&self) -> Option<&ClaimsRequest> {
        self.0.claims()
    }

    /// A handle to the token with these claims: see [`TokenSource::with_claims`](crate::TokenSource::with_claims).
    ///
    /// # Errors
    /// Where no such token can be asked for.
    pub fn with_claims(&self, claims: &ClaimsRequest) -> Result<Self, Error> {
        self.0.with_claims(claims).map(Self)
    }

    /// The application that the token is for, in the tenant that it was given to the client with.
    #[must_use]
    pub fn application(&self) -> &Application {
        &self.0.core.application
    }

    /// What time it is by the client's clock.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.0.core.clock.now()
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
