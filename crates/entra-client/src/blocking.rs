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

use entra_proto::{
    Application, AuthorizeRequest, CacheKey, ClaimsRequest, DeviceAuthorization, Redirect, RedirectUri, Step, Target,
    Tenant, TokenRequest, TokenResponse, UserAssertion,
};
use entra_transport::{AcquireError, BlockingTransport};

use crate::TokenOptions;
use crate::builder::ClientBuilder;
use crate::cache::{Key, KeyRef, Lead, Slot};
use crate::clock::Now;
use crate::consent::{Consent, PendingConsent, Taken, Way};
use crate::core::{Attempt, Core, Driver, Next, Wanted};
use crate::error::Error;
use crate::sign_in::SignIn;
use crate::source::Held;
use crate::token::Token;
use crate::token_store::StoredToken;
use crate::user::User;

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

    fn consented(&self, consent: Consent) -> Consent {
        self.core.forget_application_in(consent.tenant);
        consent
    }

    fn application_here(&self) -> Result<Application, Error> {
        self.core.application_in(&self.tenant)
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

    /// Forgets the tokens for `target` in this tenant: see [`Client::forget`](crate::Client::forget).
    pub fn forget(&self, target: &Target) {
        self.core.forget(self.key(target, None));
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
            user: self.user.as_ref(),
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

/// The way by which a tenant's administrator lets an application in: see [`ConsentFlow`](crate::ConsentFlow).
#[derive(Clone, Debug)]
pub struct ConsentFlow {
    client: Client,
    way: Way,
}

impl ConsentFlow {
    /// Through the authorize endpoint: see [`ConsentFlow::new`](crate::ConsentFlow::new).
    ///
    /// # Errors
    /// Where the client's tenant makes no authority.
    pub fn new(client: &Client, target: Target, redirect_uri: RedirectUri) -> Result<Self, Error> {
        Ok(Self {
            way: Way::authorize(&client.application_here()?, target, redirect_uri),
            client: client.clone(),
        })
    }

    /// Through the admin-consent page: see [`ConsentFlow::admin_page`](crate::ConsentFlow::admin_page).
    ///
    /// # Errors
    /// Where the client's tenant makes no authority.
    pub fn admin_page(client: &Client, target: Target, redirect_uri: RedirectUri) -> Result<Self, Error> {
        Ok(Self {
            way: Way::admin_page(&client.application_here()?, target, redirect_uri),
            client: client.clone(),
        })
    }

    /// The same way, its authorize request changed: see [`ConsentFlow::with`](crate::ConsentFlow::with).
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(AuthorizeRequest) -> AuthorizeRequest) -> Self {
        self.way = self.way.with(change);
        self
    }

    /// The URL to send the browser to, and what must be kept: see [`ConsentFlow::start`](crate::ConsentFlow::start).
    ///
    /// # Errors
    /// As for [`ConsentFlow::start`](crate::ConsentFlow::start).
    pub fn start(&self) -> Result<(String, PendingConsent), Error> {
        self.way.start(&*self.client.core.request_ids)
    }

    /// Takes what came back, and gets the tokens where there is a code: see [`ConsentFlow::finish`](crate::ConsentFlow::finish).
    ///
    /// # Errors
    /// As for [`ConsentFlow::finish`](crate::ConsentFlow::finish).
    pub fn finish(&self, pending: &PendingConsent, redirect: &Redirect) -> Result<Consent, Error> {
        match pending.take(&self.client.application_here()?, redirect)? {
            Taken::Tenant(tenant) => Ok(self.client.consented(Consent { tenant, sign_in: None })),
            Taken::Code(request) => {
                let key = Core::<Threads>::key_of(&self.client.tenant, &request);
                let sign_in = sign_in(&self.client.core, &key, (*request).into(), None)?;
                Ok(self.client.consented(Consent::of(sign_in)))
            }
        }
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
fn fetch(core: &Core<Threads>, mut lead: Lead, mut request: TokenRequest, force: bool) -> Result<Token, Error> {
    let span = &Core::<Threads>::span(lead.slot().key());
    let _inside = span.enter();
    let store = core.driver.store.as_ref().filter(|_| lead.slot().key().is_lasting());
    let shared = store.map(|store| (store, request.cache_key()));
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
    // Once, as in the async client.
    let mut rests_on = Core::<Threads>::rests_on(&lead, &request);
    let (attempt, response) = loop {
        let (mut attempt, step) = match core.begin(span, lead.slot().key(), request) {
            Ok(begun) => begun,
            Err(error) => return Err(core.failed(span, lead, None, error)),
        };
        let error = match drive(core, Some(lead.slot()), &mut attempt, step, None) {
            Ok(response) => break (attempt, response),
            Err(error) => error,
        };
        request = match core.with_newer(span, &lead, rests_on.take(), &attempt, &error) {
            Some(newer) => newer,
            None => return Err(core.failed(span, lead, Some(&attempt), error)),
        };
    };
    let to_save = shared.map(|(store, key)| (store, key, StoredToken::from(&response)));
    let token = core.landed(span, lead, attempt, response);
    // Those who wait have theirs by now.
    if let Some((store, key, stored)) = to_save {
        store.save(&key, &stored);
    }
    Ok(token)
}

/// Signs somebody in: no others wait for that, and its failure is remembered by nobody.
fn sign_in(core: &Core<Threads>, key: &Key, wanted: Wanted, show: Option<&mut Show<'_>>) -> Result<SignIn, Error> {
    let span = &Core::<Threads>::span(key);
    let _inside = span.enter();
    let refused = |attempt: Option<&Attempt>, error: AcquireError| {
        let error = error.into();
        core.refused(span, key, attempt, &error, None);
        error
    };
    let (mut attempt, step) = core.begin(span, key, wanted).map_err(|error| refused(None, error))?;
    match drive(core, None, &mut attempt, step, show) {
        Ok(response) => core.signed_in(span, key, attempt, response),
        Err(error) => Err(refused(Some(&attempt), error)),
    }
}

/// What shows a person the code to type in.
type Show<'a> = dyn FnMut(&DeviceAuthorization) + 'a;

/// The acquisition machine, driven by blocking.
fn drive(
    core: &Core<Threads>,
    slot: Option<&Arc<Slot>>,
    attempt: &mut Attempt,
    mut step: Step,
    mut show: Option<&mut Show<'_>>,
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
                if let Some(slot) = slot {
                    slot.pause_until(now().monotonic.saturating_add(pause.duration()));
                }
                core.driver.runtime.sleep(pause.duration());
                pause.resume(now().wall)
            }
            Step::Sign(sign) => attempt.sign(sign, now())?,
            Step::Assert(assert) => assert.fetch()?,
            Step::ShowCode(code) => match &mut show {
                Some(show) => {
                    show(code.authorization());
                    code.shown()
                }
                None => return Err(code.nobody().into()),
            },
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
