use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use entra_proto::{
    Application, ClaimsRequest, DeviceAuthorization, Step, Target, Tenant, TokenRequest, TokenResponse, UserAssertion,
};
use entra_transport::{AcquireError, Transport};
use tracing::{Instrument as _, Span};

use crate::builder::ClientBuilder;
use crate::cache::{Key, KeyRef, Lead, Slot};
use crate::consent::Consent;
use crate::core::{Attempt, Core, Driver, Next, Wanted};
use crate::error::Error;
use crate::request_ids::RequestIds;
use crate::runtime::{BoxFuture, Runtime};
use crate::sign_in::SignIn;
use crate::source::TokenSource;
use crate::token::Token;
use crate::token_store::{StoredToken, TokenStore};
use crate::user::User;

/// Gets tokens for one application, and keeps them. Async; [`blocking::Client`](crate::blocking::Client) is its twin.
///
/// A clone is a handle to the same cache, transport and credential. So is what [`tenant`](Self::tenant) gives.
#[derive(Clone)]
pub struct Client {
    core: Arc<Core<Tasks>>,
    tenant: Tenant,
    user: Option<User>,
}

impl Client {
    /// A client with the default policy, which runs on tokio.
    #[cfg(feature = "tokio")]
    #[must_use]
    pub fn new(application: Application, transport: impl Transport + 'static) -> Self {
        Self::builder(application, transport)
            .build()
            .expect("the default policy can be kept, and there is a runtime")
    }

    /// A client with settings of one's own.
    pub fn builder(application: Application, transport: impl Transport + 'static) -> ClientBuilder<Tasks> {
        ClientBuilder::new(application, Tasks::new(Arc::new(transport)))
    }

    pub(crate) fn assemble(core: Core<Tasks>) -> Self {
        Self {
            tenant: core.application.authority().tenant().clone(),
            core: Arc::new(core),
            user: None,
        }
    }

    /// A token for `target`: from the cache while it is fresh, else from the service. However many ask at once, one request is sent.
    ///
    /// A token that is due is given out while another one is fetched in the background. One that is still alive is given out where no
    /// other is to be had.
    ///
    /// Dropping the future gives up this caller's place only: whoever else waits goes on.
    ///
    /// # Errors
    /// Where there is neither a token nor a way to get one. The failure is remembered for a while, and given to everybody who asks
    /// meanwhile: see [`Policy::cool_down`](field@crate::Policy::cool_down).
    pub async fn token(&self, target: &Target) -> Result<Token, Error> {
        match self.cached(target) {
            Some(token) => Ok(token),
            // Behind a pointer, so that the future of a token that is there stays small.
            None => Box::pin(self.acquire(self.key(target, None), false)).await,
        }
    }

    /// As [`token`](Self::token), with claims of an API's challenge, or past the cache.
    ///
    /// # Errors
    /// As for [`token`](Self::token); where a refresh is forced, also while an older token lives.
    pub async fn token_with(&self, target: &Target, options: &TokenOptions) -> Result<Token, Error> {
        let key = self.key(target, options.claims.as_ref());
        let cached = if options.force_refresh {
            None
        } else {
            self.core.ready(key)
        };
        match cached {
            Some(token) => Ok(token),
            None => Box::pin(self.acquire(key, options.force_refresh)).await,
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
    #[must_use]
    pub fn on_behalf_of(&self, assertion: &UserAssertion) -> Self {
        self.user(&User::on_behalf_of(&self.tenant, assertion))
    }

    /// A token for `target` on behalf of the user who called: [`on_behalf_of`](Self::on_behalf_of) and [`token`](Self::token) in one.
    ///
    /// # Errors
    /// As for [`token`](Self::token). Where the user must sign in again (`interaction_required`), the error's
    /// [`claims`](entra_proto::ServiceError::claims) are to be handed back to the caller in a challenge.
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
        mut show: impl FnMut(&DeviceAuthorization) + Send,
    ) -> Result<SignIn, Error> {
        let request = self.application_here()?.device_code(target.clone())?;
        let key = self.key(target, None).to_key();
        Box::pin(sign_in(&self.core, key, request.into(), Some(&mut show))).await
    }

    /// Redeems a code.
    pub(crate) async fn redeem(&self, request: TokenRequest) -> Result<SignIn, Error> {
        let key = Core::<Tasks>::key_of(&self.tenant, &request);
        Box::pin(sign_in(&self.core, key, request.into(), None)).await
    }

    /// Takes note of a consent.
    pub(crate) fn consented(&self, consent: Consent) -> Consent {
        self.core.forget_application_in(consent.tenant);
        consent
    }

    /// The application in this handle's tenant.
    pub(crate) fn application_here(&self) -> Result<Application, Error> {
        self.core.application_in(&self.tenant)
    }

    pub(crate) fn request_ids(&self) -> &dyn RequestIds {
        &*self.core.request_ids
    }

    /// A handle to the token for one target, for whoever needs it again and again: it reads it without a look-up.
    ///
    /// # Errors
    /// Where no such token can be asked for.
    pub fn source(&self, target: &Target, claims: Option<&ClaimsRequest>) -> Result<TokenSource, Error> {
        let (slot, _) = self.core.slot(self.key(target, claims))?;
        Ok(TokenSource::new(Arc::clone(&self.core), slot))
    }

    /// Drops a token that an API refused, if it is still the one that is kept: of many callers who were refused with it, the first
    /// drops it, and the others find the next one. Tells whether it was dropped. The token knows its tenant: any handle will do.
    pub fn invalidate(&self, token: &Token) -> bool {
        self.core.invalidate(token)
    }

    /// Forgets the tokens for `target` in this tenant, with whatever claims, and its failures: the application's own, or those of this
    /// handle's user.
    pub fn forget(&self, target: &Target) {
        self.core.forget(self.key(target, None));
    }

    /// Forgets everything, in all tenants: tokens, failures, signed assertions. What requests in the air bring is given to those who
    /// wait for it, and not kept.
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

    async fn acquire(&self, key: KeyRef<'_>, force: bool) -> Result<Token, Error> {
        let (slot, request) = self.core.slot(key)?;
        acquire(&self.core, &slot, request, force).await
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

/// What a token is wanted for beside its target.
///
/// ```
/// use entra_client::TokenOptions;
/// use entra_proto::ClaimsRequest;
///
/// let claims = ClaimsRequest::parse(r#"{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}"#)?;
/// let options = TokenOptions::default().claims(claims);
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct TokenOptions {
    pub(crate) claims: Option<ClaimsRequest>,
    pub(crate) force_refresh: bool,
}

impl TokenOptions {
    /// What an API's challenge asks to see in the token. A token with claims has a place of its own in the cache.
    #[must_use]
    pub fn claims(mut self, claims: ClaimsRequest) -> Self {
        self.claims = Some(claims);
        self
    }

    /// Asks the service whatever is in the cache: for when a permission was granted just now. A failure that is remembered stands.
    #[must_use]
    pub fn force_refresh(mut self, force_refresh: bool) -> Self {
        self.force_refresh = force_refresh;
        self
    }
}

/// What drives the async client: tasks of a runtime.
pub struct Tasks {
    transport: Arc<dyn Transport>,
    pub(crate) runtime: Option<Arc<dyn Runtime>>,
    pub(crate) store: Option<Arc<dyn TokenStore>>,
}

impl Tasks {
    fn new(transport: Arc<dyn Transport>) -> Self {
        Self {
            transport,
            #[cfg(feature = "tokio")]
            runtime: Some(Arc::new(crate::runtime::TokioRuntime)),
            #[cfg(not(feature = "tokio"))]
            runtime: None,
            store: None,
        }
    }

    fn runtime(&self) -> &Arc<dyn Runtime> {
        self.runtime.as_ref().expect("the builder has seen that there is one")
    }
}

impl Driver for Tasks {
    fn has_store(&self) -> bool {
        self.store.is_some()
    }

    fn refresh(core: &Arc<Core<Self>>, lead: Lead) {
        let runtime = Arc::clone(core.driver.runtime());
        let core = Arc::clone(core);
        runtime.spawn(Box::pin(async move {
            if let Ok(request) = core.request(lead.slot().key()) {
                // Whoever cares is told by the slot.
                drop(fetch(&core, lead, request, false).await);
            }
        }));
    }
}

/// Gets the token of a slot: leads, or waits for whoever does.
pub(crate) async fn acquire(
    core: &Arc<Core<Tasks>>,
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
                Tasks::refresh(core, lead);
                continue;
            }
            Next::Lead(lead) | Next::Behind(lead) => {
                // One that was made for a new slot is still at hand.
                let request = request.take().map_or_else(|| core.request(slot.key()), Ok)?;
                Some(fetch(core, lead, request, force).await)
            }
            Next::Wait(waiter, patience) => or_after(waiter, core.driver.runtime().sleep(patience)).await,
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

/// What a future gives, or nothing where the other one is done before.
async fn or_after<T>(mut waiter: impl Future<Output = Option<T>> + Unpin, mut end: BoxFuture<()>) -> Option<T> {
    poll_fn(|cx| match Pin::new(&mut waiter).poll(cx) {
        Poll::Pending => end.as_mut().poll(cx).map(|()| None),
        ready => ready,
    })
    .await
}

/// Fetches a token for everybody: from the shared store, or from the service.
async fn fetch(core: &Core<Tasks>, lead: Lead, request: TokenRequest, force: bool) -> Result<Token, Error> {
    let span = Core::<Tasks>::span(lead.slot().key());
    fetch_in(&span, core, lead, request, force)
        .instrument(span.clone())
        .await
}

async fn fetch_in(
    span: &Span,
    core: &Core<Tasks>,
    mut lead: Lead,
    mut request: TokenRequest,
    force: bool,
) -> Result<Token, Error> {
    let store = core.driver.store.as_ref().filter(|_| lead.slot().key().is_lasting());
    let shared = store.map(|store| (store, request.cache_key()));
    if let Some((store, key)) = shared.as_ref().filter(|_| !force && !lead.slot().distrusts_store()) {
        if let Some(stored) = store.load(key).await {
            match core.landed_from_store(span, lead, &stored) {
                Ok(token) => return Ok(token),
                Err(back) => lead = back,
            }
        }
    }
    if let Some(left) = lead.slot().pause_left(core.clock.now()) {
        core.driver.runtime().sleep(left).await;
    }
    // Once: whoever renews another of his tokens meanwhile may have spent the refresh token that was sent.
    let mut rests_on = Core::<Tasks>::rests_on(&lead, &request);
    let (attempt, response) = loop {
        let (mut attempt, step) = match core.begin(span, lead.slot().key(), request) {
            Ok(begun) => begun,
            Err(error) => return Err(core.failed(span, lead, None, error)),
        };
        let error = match drive(core, Some(lead.slot()), &mut attempt, step, None).await {
            Ok(response) => break (attempt, response),
            Err(error) => error,
        };
        request = match core.with_newer(span, &lead, rests_on.take(), &attempt, &error) {
            Some(newer) => newer,
            None => return Err(core.failed(span, lead, Some(&attempt), error)),
        };
    };
    if let Some((store, key)) = shared {
        let (store, stored) = (Arc::clone(store), StoredToken::from(&response));
        // Nobody waits for that.
        core.driver
            .runtime()
            .spawn(Box::pin(async move { store.save(&key, &stored).await }));
    }
    Ok(core.landed(span, lead, attempt, response))
}

/// Signs somebody in: no others wait for that, and its failure is remembered by nobody.
async fn sign_in(core: &Core<Tasks>, key: Key, wanted: Wanted, show: Option<&mut Show<'_>>) -> Result<SignIn, Error> {
    let span = Core::<Tasks>::span(&key);
    let acquired = async {
        let (mut attempt, step) = core.begin(&span, &key, wanted).map_err(|error| (None, error))?;
        match drive(core, None, &mut attempt, step, show).await {
            Ok(response) => Ok((attempt, response)),
            Err(error) => Err((Some(attempt), error)),
        }
    };
    match acquired.instrument(span.clone()).await {
        Ok((attempt, response)) => core.signed_in(&span, &key, attempt, response),
        Err((attempt, error)) => {
            let error = error.into();
            core.refused(&span, &key, attempt.as_ref(), &error, None);
            Err(error)
        }
    }
}

/// What shows a person the code to type in.
type Show<'a> = dyn FnMut(&DeviceAuthorization) + Send + 'a;

/// The acquisition machine, driven by awaiting.
async fn drive(
    core: &Core<Tasks>,
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
                match core.driver.transport.send(exchange.request()).await {
                    Ok(response) => exchange.respond(&response, now().wall)?,
                    Err(error) if error.is_retryable() => exchange.interrupted(now().wall).ok_or(error)?,
                    Err(error) => return Err(error.into()),
                }
            }
            Step::Pause(pause) => {
                if let Some(slot) = slot {
                    slot.pause_until(now().monotonic.saturating_add(pause.duration()));
                }
                core.driver.runtime().sleep(pause.duration()).await;
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
