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

mod consent;
mod runtime;
pub(crate) mod threads;

use std::sync::Arc;

use entra_proto::authorize::UserAssertion;
use entra_proto::device::DeviceAuthorization;
use entra_proto::{Application, Target, TokenRequest};
use entra_transport::BlockingTransport;

use crate::TokenOptions;
use crate::cache::KeyRef;
use crate::consent::roles_in;
use crate::error::Error;
use crate::flow::Want;
use crate::sign_in::SignIn;
use crate::token::Token;

pub use self::runtime::{Runtime, ThreadRuntime, TokenStore};
use self::threads::{Threads, acquire, sign_in};

/// A client that acquires and caches the tokens of one application, and blocks its caller's thread while it waits. The async
/// [`Client`](crate::Client) is its counterpart, and says more.
pub type Client = crate::client::Client<Threads>;

/// The builder of a blocking [`Client`]: see [`ClientBuilder`](crate::ClientBuilder).
pub type ClientBuilder = crate::ClientBuilder<Threads>;

/// A handle to the token for one target: see [`TokenSource`](crate::TokenSource).
pub type TokenSource = crate::TokenSource<Threads>;

/// A consent of a tenant's administrator to an application: see [`ConsentFlow`](crate::ConsentFlow).
pub type ConsentFlow = crate::ConsentFlow<Threads>;

/// The blocking client.
impl Client {
    /// Creates a client with the default policy.
    ///
    /// A credential with an async signer or source cannot be used: each acquisition then ends with an error that says so, and
    /// [`ClientBuilder::build`] fails.
    #[must_use]
    pub fn new(application: Application, transport: impl BlockingTransport + 'static) -> Self {
        Self::builder(application, transport)
            .build_for_any_credential()
            .expect("the default policy can be kept")
    }

    /// A client with settings of one's own.
    pub fn builder(application: Application, transport: impl BlockingTransport + 'static) -> ClientBuilder {
        ClientBuilder::new(application, Threads::new(Arc::new(transport)))
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
        self.cached_with(key, options).or_else(|want| self.acquire(key, want))
    }

    /// Returns the application permissions that the application itself has in this tenant: see
    /// [`Client::roles`](crate::Client::roles).
    ///
    /// # Errors
    /// As for [`Client::roles`](crate::Client::roles).
    pub fn roles(&self, target: &Target) -> Result<Vec<String>, Error> {
        Ok(roles_in(&self.app_only(target)?))
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
    pub fn device_code(&self, target: &Target, show: impl FnMut(&DeviceAuthorization)) -> Result<SignIn, Error> {
        let request = self.application_here()?.device_code(target.clone())?;
        let key = self.key(target, None).to_key();
        sign_in(&self.core, &key, request.into(), show)
    }

    /// Redeems a code.
    fn redeem(&self, request: TokenRequest) -> Result<SignIn, Error> {
        let key = self.sign_in_key(request.target());
        sign_in(&self.core, &key, request.into(), |_| {})
    }

    fn app_only(&self, target: &Target) -> Result<Token, Error> {
        self.token(&Target::resource(&target.audience()?)?)
    }

    fn acquire(&self, key: KeyRef<'_>, want: Want) -> Result<Token, Error> {
        let (slot, request) = self.core.slot(key)?;
        acquire(&self.core, &slot, request, want)
    }
}

/// The blocking part.
impl TokenSource {
    /// The token, from the service where there is none.
    ///
    /// # Errors
    /// As for [`Client::token`](crate::Client::token).
    pub fn token(&mut self) -> Result<Token, Error> {
        if let Some(token) = self.current() {
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
        let token = acquire(&self.core, &self.slot, None, want)?;
        self.given = token.number();
        Ok(token)
    }
}
