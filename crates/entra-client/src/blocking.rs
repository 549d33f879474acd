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

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use entra_proto::{Application, CacheKey, ClaimsRequest, Step, Target, Tenant, TokenRequest, TokenResponse};
use entra_transport::{AcquireError, BlockingTransport};

use crate::TokenOptions;
use crate::builder::ClientBuilder;
use crate::cache::{KeyRef, Lead, Slot};
use crate::clock::Now;
use crate::core::{Attempt, Core, Driver, Next};
use crate::error::Error;
use crate::source::Held;
use crate::token::Token;
use crate::token_store::StoredToken;

/// Gets tokens for one application, and keeps them. Blocking; [`Client`](crate::Client) is its async twin, and says more.
#[derive(Clone)]
pub struct Client {
    core: Arc<Core<Threads>>,
    tenant: Tenant,
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
    pub fn builder(application: Application, transport: impl BlockingTransport + 'static) -> ClientBuilder<Threads> {
        let driver = Threads {
            transport: Arc::new(transport),
            runtime: Arc::new(ThreadRuntime),
            store: None,
        };
        ClientBuilder::new(application, driver)
    }

    pub(crate) fn assemble(core: Core<Threads>) -> Self {
        Self {
            tenant: core.application.authority().tenant().clone(),
            core: Arc::new(core),
        }
    }

    /// A token for `target`: see [`Client::token`](crate::Client::token). Blocks while it is fetched, by this thread or another.
    ///
    /// # Errors
    /// As for [`Client::token`](crate::Client::token).
    pub fn token(&self, target: &Target) -> Result<Token, Error> {
        match self.cached(target) {
            Some(token) => Ok(token),
            None => self.acquire(self.key(target, None), false),
        }
    }

    /// As [`token`](Self::token), with claims of an API's challenge, or past the cache.
    ///
    /// # Errors
    /// As for [`Client::token_with`](crate::Client::token_with).
    pub fn token_with(&self, target: &Target, options: &TokenOptions) -> Result<Token, Error> {
        let key = self.key(target, options.claims.as_ref());
        let cached = if options.force_refresh {
            None
        } else {
            self.core.ready(key)
        };
        cached.map_or_else(|| self.acquire(key, options.force_refresh), Ok)
    }

    /// The token for `target` if it is in the cache and may be used: nothing is waited for.
    #[must_use]
    pub fn cached(&self, target: &Target) -> Option<Token> {
        self.core.ready(self.key(target, None))
    }

    /// The same client for another tenant: see [`Client::tenant`](crate::Client::tenant).
    #[must_use]
    pub fn tenant(&self, tenant: impl Into<Tenant>) -> Self {
        Self {
            core: Arc::clone(&self.core),
            tenant: tenant.into(),
        }
    }

    /// A handle to the token for one target: see [`Client::source`](crate::Client::source).
    ///
    /// # Errors
    /// Where no such token can be asked for.
    pub fn source(&self, target: &Target, claims: Option<&ClaimsRequest>) -> Result<TokenSource, Error> {
        let (slot, _) = self.core.slot(self.key(target, claims))?;
        Ok(TokenSource(Held::new(Arc::clone(&self.core), slot)))
    }

    /// Drops a token that an API refused: see [`Client::invalidate`](crate::Client::invalidate).
    pub fn invalidate(&self, token: &Token) -> bool {
        self.core.invalidate(token)
    }

    /// Forgets the tokens for `target` in this tenant, with whatever claims, and its failures.
    pub fn forget(&self, target: &Target) {
        self.core.forget(&self.tenant, target);
    }

    /// Forgets everything: see [`Client::clear`](crate::Client::clear).
    pub fn clear(&self) {
        self.core.clear();
    }

    /// How many tokens are kept in all tenants, with those that are spent and those that were not to be had.
    #[must_use]
    pub fn len(&self) -> usize {
        self.core.slots.len()
    }

    /// Whether nothing was ever asked for, or all is forgotten.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
        }
    }

    fn acquire(&self, key: KeyRef<'_>, force: bool) -> Result<Token, Error> {
        let (slot, request) = self.core.slot(key)?;
        acquire(&self.core, &slot, request, force)
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
    /// The token, where it may be used now. Where it is due, another one is fetched in the background.
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
        acquire(&self.0.core, &self.0.slot, None, false)
    }

    /// Drops a token that the API refused: see [`Client::invalidate`](crate::Client::invalidate).
    pub fn invalidate(&self, token: &Token) -> bool {
        self.0.core.invalidate(token)
    }

    /// Tells the token that [`current`](Self::current) gave last from others: see
    /// [`TokenSource::generation`](crate::TokenSource::generation).
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.0.generation()
    }

    /// A handle to the token with these claims: see [`TokenSource::with_claims`](crate::TokenSource::with_claims).
    ///
    /// # Errors
    /// Where no such token can be asked for.
    pub fn with_claims(&self, claims: &ClaimsRequest) -> Result<Self, Error> {
        self.0.with_claims(claims).map(Self)
    }

    /// Whether the token with these claims is in the cache and may be used.
    #[must_use]
    pub fn has(&self, claims: &ClaimsRequest) -> bool {
        self.0.has(claims)
    }

    /// The generation of this token, if it is the one that is kept: none where another has taken its place, or it was dropped.
    #[must_use]
    pub fn generation_of(&self, token: &Token) -> Option<u64> {
        self.0.slot.generation_of(token)
    }

    /// Drops the token of this generation: see [`TokenSource::discard`](crate::TokenSource::discard).
    pub fn discard(&self, generation: u64) -> bool {
        self.0.discard(generation)
    }

    /// The application that the token is for, in the tenant that it was given to the client with.
    #[must_use]
    pub fn application(&self) -> &Application {
        &self.0.core.application
    }

    /// What time it is by the client's clock.
    #[must_use]
    pub fn now(&self) -> Now {
        self.0.core.clock.now()
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the blocking client needs of its surroundings: waits between tries, and somebody who runs refreshes in the background.
pub trait Runtime: Send + Sync {
    /// Blocks the thread for this time.
    fn sleep(&self, duration: Duration);

    /// Runs a task to its end, elsewhere, or drops it: a refresh that is dropped is begun again by the next caller.
    fn spawn(&self, task: Box<dyn FnOnce() + Send>);
}

/// Sleeps as threads do, and starts a thread for each refresh: one in half an hour for each token, or so.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThreadRuntime;

impl Runtime for ThreadRuntime {
    fn sleep(&self, duration: Duration) {
        thread::sleep(duration);
    }

    fn spawn(&self, task: Box<dyn FnOnce() + Send>) {
        // Where the system gives no thread, the task is dropped with its closure.
        drop(thread::Builder::new().name("entra-refresh".to_owned()).spawn(task));
    }
}

/// A second level behind a client's own cache: see [`TokenStore`](crate::TokenStore).
pub trait TokenStore: Send + Sync {
    /// The token kept under `key`, where there is one.
    fn load(&self, key: &CacheKey) -> Option<StoredToken>;

    /// Keeps a token under `key` until it expires, in the place of what was there.
    fn save(&self, key: &CacheKey, token: &StoredToken);
}

/// What drives the blocking client: the threads of its callers.
pub struct Threads {
    transport: Arc<dyn BlockingTransport>,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) store: Option<Arc<dyn TokenStore>>,
}

impl Driver for Threads {
    fn has_store(&self) -> bool {
        self.store.is_some()
    }

    fn refresh(core: &Arc<Core<Self>>, lead: Lead) {
        let runtime = Arc::clone(&core.driver.runtime);
        let core = Arc::clone(core);
        runtime.spawn(Box::new(move || {
            if let Ok(request) = core.request(lead.slot().key()) {
                // Whoever cares is told by the slot.
                drop(fetch(&core, lead, request, false));
            }
        }));
    }
}

/// Gets the token of a slot: leads, or waits for whoever does.
fn acquire(
    core: &Arc<Core<Threads>>,
    slot: &Arc<Slot>,
    mut request: Option<TokenRequest>,
    force: bool,
) -> Result<Token, Error> {
    let mut went_behind = false;
    loop {
        let outcome = match core.join(slot, force) {
            Next::Done(outcome) => return outcome,
            Next::Behind(lead) if !went_behind => {
                // Once: a runtime may drop what it is given.
                went_behind = true;
                Threads::refresh(core, lead);
                continue;
            }
            Next::Lead(lead) | Next::Behind(lead) => {
                // One that was made for a new slot is still at hand.
                let request = request.take().map_or_else(|| core.request(slot.key()), Ok)?;
                Some(fetch(core, lead, request, force))
            }
            Next::Wait(waiter, patience) => park(waiter, patience).flatten(),
        };
        match outcome {
            // Others' flight may have ended at the shared store, which is a cache as well.
            Some(Ok(token)) if force && token.request_id().is_none() => {}
            Some(outcome) => return core.settle(slot, force, outcome),
            // Whoever led went away or takes too long, and somebody else has to.
            None => {
                if let Some(token) = core.instead(slot, force, None) {
                    return Ok(token);
                }
            }
        }
    }
}

/// Fetches a token for everybody: from the shared store, or from the service.
fn fetch(core: &Core<Threads>, mut lead: Lead, request: TokenRequest, force: bool) -> Result<Token, Error> {
    let span = &Core::<Threads>::span(lead.slot().key());
    let _inside = span.enter();
    let shared = core.driver.store.as_ref().map(|store| (store, request.cache_key()));
    if let Some((store, key)) = shared.as_ref().filter(|_| !force && !lead.slot().distrusts_store()) {
        if let Some(stored) = store.load(key) {
            match core.landed_from_store(span, lead, &stored) {
                Ok(token) => return Ok(token),
                Err(back) => lead = back,
            }
        }
    }
    if let Some(left) = lead.slot().pause_left(core.clock.now()) {
        core.driver.runtime.sleep(left);
    }
    let (mut attempt, step) = match core.begin(span, lead.slot(), request) {
        Ok(begun) => begun,
        Err(error) => return Err(core.failed(span, lead, None, error)),
    };
    let response = match drive(core, lead.slot(), &mut attempt, step) {
        Ok(response) => response,
        Err(error) => return Err(core.failed(span, lead, Some(&attempt), error)),
    };
    let to_save = shared.map(|(store, key)| (store, key, StoredToken::from(&response)));
    let token = core.landed(span, lead, attempt, response);
    // Those who wait have theirs by now.
    if let Some((store, key, stored)) = to_save {
        store.save(&key, &stored);
    }
    Ok(token)
}

/// The acquisition machine, driven by blocking.
fn drive(
    core: &Core<Threads>,
    slot: &Slot,
    attempt: &mut Attempt,
    mut step: Step,
) -> Result<TokenResponse, AcquireError> {
    let now = || core.clock.now();
    loop {
        step = match step {
            Step::Exchange(exchange) => {
                attempt.sent = now();
                match core.driver.transport.send(exchange.request()) {
                    Ok(response) => exchange.respond(&response, now().wall)?,
                    Err(error) if error.is_retryable() => exchange.interrupted(now().wall).ok_or(error)?,
                    Err(error) => return Err(error.into()),
                }
            }
            Step::Pause(pause) => {
                slot.pause_until(now().monotonic.saturating_add(pause.duration()));
                core.driver.runtime.sleep(pause.duration());
                pause.resume(now().wall)
            }
            Step::Sign(sign) => attempt.sign(sign, now())?,
            Step::Assert(assert) => assert.fetch()?,
            Step::ShowCode(show) => return Err(show.nobody().into()),
            Step::Done(mut token) => {
                attempt.shorten(&mut token.lifetime, now());
                return Ok(token);
            }
        }
    }
}

/// Blocks the thread until a future is done, but no longer than `patience`.
fn park<F: Future>(future: F, patience: Duration) -> Option<F::Output> {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let (mut future, start) = (pin!(future), Instant::now());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        let left = patience.checked_sub(start.elapsed()).filter(|left| !left.is_zero())?;
        thread::park_timeout(left);
    }
}
