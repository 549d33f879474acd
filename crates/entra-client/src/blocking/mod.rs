//! The blocking client: the same cache and the same rules, without a runtime.
//!
//! ```
//! use entra_client::blocking::Client;
//! use entra_proto::{Application, ClientSecret, Target};
//! # use entra_transport::{Body, Response, blocking_transport_fn};
//! # let transport = blocking_transport_fn(|_| {
//! #     let body = r#"{"access_token":"t","expires_in":3599}"#;
//! #     Ok(Response::new(Body::from(body.to_owned())))
//! # });
//!
//! let tenant = "contoso.onmicrosoft.com";
//! let authority = format!("https://login.microsoftonline.com/{tenant}").parse()?;
//! let client_id = "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?;
//! let app = Application::new(authority, client_id, ClientSecret::new("s3cret")?);
//! let client = Client::new(app, transport); // for example entra-transport-ureq
//!
//! let token = client.token(&Target::resource("https://graph.microsoft.com")?)?;
//! assert_eq!(token.authorization(), "Bearer t");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod changes;
mod consent;
mod runtime;
pub(crate) mod threads;

use std::sync::Arc;

use entra_proto::authorize::UserAssertion;
use entra_proto::device::DeviceAuthorization;
use entra_proto::environment::EnvironmentError;
use entra_proto::managed_identity::Identity;
use entra_proto::regions::{RegionOutcome, RegionSetting};
use entra_proto::{Target, TokenRequest};
use entra_transport::BlockingTransport;

use crate::TokenOptions;
use crate::cache::KeyRef;
use crate::consent::roles_in;
use crate::error::Error;
use crate::flow::{CallerEffect, Want};
use crate::principal::Principal;
use crate::region::logged;
use crate::sign_in::SignIn;
use crate::token::Token;

pub use self::changes::TokenChanges;
pub use self::runtime::{Runtime, ThreadRuntime, TokenStore};
use self::threads::{Threads, acquire, sign_in};

/// A client that acquires and caches the tokens of one principal. It blocks the thread of its
/// caller while it waits.
///
/// The async [`Client`](crate::Client) is its counterpart, and documents the methods in detail.
pub type Client = crate::client::Client<Threads>;

/// The builder of a blocking [`Client`]: see [`ClientBuilder`](crate::ClientBuilder).
pub type ClientBuilder = crate::ClientBuilder<Threads>;

/// A handle to the token for one target: see [`TokenSource`](crate::TokenSource).
pub type TokenSource = crate::TokenSource<Threads>;

/// A consent of a tenant's administrator to an application: see
/// [`ConsentFlow`](crate::ConsentFlow).
pub type ConsentFlow = crate::ConsentFlow<Threads>;

/// Finds the region that a setting, the environment or the machine names, as
/// [`entra_transport::find_region_blocking`] does, and logs each failure as a warning of `tracing`.
///
/// # Errors
/// Returns an error if a variable that the program has to obey is invalid.
pub fn find_region(
    setting: &RegionSetting,
    transport: impl BlockingTransport + 'static,
) -> Result<RegionOutcome, EnvironmentError> {
    entra_transport::find_region_blocking(setting, transport).map(logged)
}

/// The blocking methods.
impl Client {
    /// Creates a client with the default policy.
    ///
    /// A credential with an async signer or source cannot be used: each acquisition then returns an
    /// error that says so, and [`ClientBuilder::build`] fails.
    #[must_use]
    pub fn new(principal: impl Into<Principal>, transport: impl BlockingTransport + 'static) -> Self {
        Self::builder(principal, transport)
            .build_for_any_credential()
            .expect("the default policy is valid")
    }

    /// Creates a client with the default policy for a managed identity of the machine that the
    /// program runs on: see [`Client::managed_identity`](crate::Client::managed_identity).
    #[must_use]
    pub fn managed_identity(identity: Identity, transport: impl BlockingTransport + 'static) -> Self {
        Self::new(identity, transport)
    }

    /// Returns a builder, for a client with other settings: see
    /// [`Client::builder`](crate::Client::builder).
    pub fn builder(principal: impl Into<Principal>, transport: impl BlockingTransport + 'static) -> ClientBuilder {
        ClientBuilder::new(principal.into(), Threads::new(Arc::new(transport)))
    }

    /// Returns a token for `target`: see [`Client::token`](crate::Client::token). Blocks while the
    /// token is acquired.
    ///
    /// # Errors
    /// As for [`Client::token`](crate::Client::token).
    pub fn token(&self, target: &Target) -> Result<Token, Error> {
        match self.cached(target) {
            Some(token) => Ok(token),
            None => self.acquire(self.key(target, None), Want::Valid, None),
        }
    }

    /// Returns a token for `target` with options: see
    /// [`Client::token_with`](crate::Client::token_with).
    ///
    /// # Errors
    /// As for [`Client::token_with`](crate::Client::token_with).
    pub fn token_with(&self, target: &Target, options: &TokenOptions) -> Result<Token, Error> {
        let key = self.key(target, options.claims.as_ref());
        self.cached_with(key, options)
            .or_else(|want| self.acquire(key, want, options.rejected()))
    }

    /// Returns the application permissions that the application itself has in this tenant: see
    /// [`Client::roles`](crate::Client::roles).
    ///
    /// # Errors
    /// As for [`Client::roles`](crate::Client::roles).
    pub fn roles(&self, target: &Target) -> Result<Vec<String>, Error> {
        Ok(roles_in(&self.app_only(target)?))
    }

    /// Returns a token for `target` on behalf of the user who called: see
    /// [`Client::acquire_on_behalf_of`](crate::Client::acquire_on_behalf_of).
    ///
    /// # Errors
    /// As for [`Client::acquire_on_behalf_of`](crate::Client::acquire_on_behalf_of).
    pub fn acquire_on_behalf_of(&self, assertion: &UserAssertion, target: &Target) -> Result<Token, Error> {
        self.on_behalf_of(assertion).token(target)
    }

    /// Signs in a user on another device: see [`Client::device_code`](crate::Client::device_code).
    /// Blocks until the user is done.
    ///
    /// # Errors
    /// As for [`Client::device_code`](crate::Client::device_code).
    pub fn device_code(&self, target: &Target, show: impl FnMut(&DeviceAuthorization)) -> Result<SignIn, Error> {
        let request = self.application_here()?.device_code(target.clone())?;
        let key = self.key(target, None).to_key();
        sign_in(&self.core, &key, request.into(), show)
    }

    /// Redeems an authorization code.
    fn redeem(&self, request: TokenRequest) -> Result<SignIn, Error> {
        let key = self.sign_in_key(request.target());
        sign_in(&self.core, &key, request.into(), |_| {})
    }

    fn app_only(&self, target: &Target) -> Result<Token, Error> {
        self.token(&Target::resource(&target.audience()?)?)
    }

    fn acquire(&self, key: KeyRef<'_>, want: Want, rejected: Option<&Token>) -> Result<Token, Error> {
        let (slot, request) = self.core.slot(key, rejected)?;
        acquire(&self.core, CallerEffect::start(&self.core, &slot, request, want))
    }
}

/// The blocking methods.
impl TokenSource {
    /// Returns the token, and acquires one if none is cached: see
    /// [`TokenSource::token`](crate::TokenSource::token).
    ///
    /// # Errors
    /// As for [`Client::token`](crate::Client::token).
    pub fn token(&mut self) -> Result<Token, Error> {
        if let Some(token) = self.current() {
            return Ok(token.clone());
        }
        self.acquire(Want::Valid)
    }

    /// Acquires a token that was requested after the one of this generation: see
    /// [`TokenSource::newer_than`](crate::TokenSource::newer_than).
    ///
    /// # Errors
    /// Returns an error if no such token can be acquired, even if the older one is unexpired.
    pub fn newer_than(&mut self, generation: u64) -> Result<Token, Error> {
        self.acquire(Want::After(generation))
    }

    fn acquire(&mut self, want: Want) -> Result<Token, Error> {
        let caller = CallerEffect::start(&self.core, &self.slot, None, want);
        let token = acquire(&self.core, caller)?;
        self.record_returned(&token);
        Ok(token)
    }
}
