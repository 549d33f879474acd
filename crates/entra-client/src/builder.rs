//! The builder of both clients.

use std::sync::Arc;

use crate::assertions::Assertions;
use crate::blocking;
use crate::blocking::threads::{self, Threads};
use crate::cache::Slots;
use crate::client;
use crate::clock::{Clock, SystemClock};
use crate::core::Core;
use crate::error::BuildError;
use crate::flow::FlightTask;
use crate::gate::Gate;
use crate::observer::Observer;
use crate::policy::Policy;
use crate::principal::Principal;
use crate::random::{SecureRandom, SystemRandom};
use crate::runtime::Runtime;
use crate::tasks::{self, MOST_DETACHED, Tasks};
use crate::token_store::TokenStore;

/// A builder of a client: [`Client::builder`](crate::Client::builder) for an async one,
/// [`blocking::Client::builder`] for a blocking one.
///
/// ```
/// use std::sync::Arc;
/// use entra_client::blocking::Client;
/// use entra_client::observer::Counters;
/// use entra_client::Policy;
/// # use entra_proto::{Application, ClientSecret};
/// # use entra_transport::{Body, Response, blocking_transport_fn};
/// # let transport =
/// #     blocking_transport_fn(|_| Ok(Response::new(Body::default())));
/// # let tenant = "contoso.onmicrosoft.com";
/// # let authority = format!("https://login.microsoftonline.com/{tenant}");
/// # let client_id = "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?;
/// # let secret = ClientSecret::new("s3cret")?;
/// # let app = Application::new(authority.parse()?, client_id, secret);
///
/// let mut policy = Policy::default();
/// policy.capacity = 100_000;
/// let counters = Arc::new(Counters::default());
/// let client = Client::builder(app, transport)
///     .policy(policy)
///     .observer(counters.clone())
///     .build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct ClientBuilder<D = Tasks> {
    principal: Principal,
    policy: Policy,
    clock: Box<dyn Clock>,
    random: Box<dyn SecureRandom>,
    observer: Option<Box<dyn Observer>>,
    driver: D,
}

impl<D> ClientBuilder<D> {
    pub(crate) fn new(principal: Principal, driver: D) -> Self {
        Self {
            principal,
            policy: Policy::default(),
            clock: Box::new(SystemClock),
            random: Box::new(SystemRandom),
            observer: None,
            driver,
        }
    }

    /// Sets the policy: caching, refreshes and retries.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets the clock: by default, the clocks of the system.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Sets the source of randomness: by default, that of the operating system.
    pub fn secure_random(mut self, random: impl SecureRandom + 'static) -> Self {
        self.random = Box::new(random);
        self
    }

    /// Sets the observer, which is called for each event of the client.
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    fn client(
        self,
        detached: Option<Arc<Gate>>,
        has_store: bool,
        spawn_flight: fn(&Arc<Core<D>>, FlightTask),
    ) -> Result<client::Client<D>, BuildError> {
        check(&self.policy)?;
        Ok(client::Client::assemble(Core {
            principal: self.principal,
            slots: Slots::new(self.policy.capacity, self.policy.max_bytes()),
            assertions: Assertions::new(self.policy.assertion_margin),
            background: Gate::new(self.policy.max_background),
            policy: self.policy,
            clock: self.clock,
            random: self.random,
            observer: self.observer,
            detached,
            has_store,
            spawn_flight,
            driver: self.driver,
        }))
    }
}

impl ClientBuilder<Tasks> {
    /// Sets the runtime: by default tokio, with the feature `tokio`.
    pub fn runtime(mut self, runtime: impl Runtime + 'static) -> Self {
        self.driver.runtime = Some(Arc::new(runtime));
        self
    }

    /// Sets a store, through which the client shares tokens with other processes.
    pub fn token_store(mut self, store: impl TokenStore + 'static) -> Self {
        self.driver.store = Some(Arc::new(store));
        self
    }

    /// Builds the client.
    ///
    /// # Errors
    /// Returns an error if a value of the policy is invalid, or if there is no runtime.
    pub fn build(self) -> Result<client::Client<Tasks>, BuildError> {
        if self.driver.runtime.is_none() {
            return Err(BuildError::NoRuntime);
        }
        let (detached, has_store) = (Gate::new(MOST_DETACHED), self.driver.store.is_some());
        self.client(Some(detached), has_store, tasks::spawn_flight)
    }
}

impl ClientBuilder<Threads> {
    /// Sets the source of sleep and threads: by default, those of the standard library.
    pub fn runtime(mut self, runtime: impl blocking::Runtime + 'static) -> Self {
        self.driver.runtime = Arc::new(runtime);
        self
    }

    /// Sets a store, through which the client shares tokens with other processes.
    pub fn token_store(mut self, store: impl blocking::TokenStore + 'static) -> Self {
        self.driver.store = Some(Arc::new(store));
        self
    }

    /// Builds the client.
    ///
    /// # Errors
    /// Returns an error if a value of the policy is invalid, or if the application's credential has
    /// an async signer or source.
    pub fn build(self) -> Result<client::Client<Threads>, BuildError> {
        if self.principal.is_async() {
            return Err(BuildError::AsyncCredential);
        }
        self.build_for_any_credential()
    }

    /// Builds the client. An async signer or source fails each acquisition.
    pub(crate) fn build_for_any_credential(self) -> Result<client::Client<Threads>, BuildError> {
        let has_store = self.driver.store.is_some();
        // Callers run their flights themselves, because they cannot give up.
        self.client(None, has_store, threads::spawn_flight)
    }
}

fn check(policy: &Policy) -> Result<(), BuildError> {
    let is_part = |number: f64| (0.0..=1.0).contains(&number);
    for (is_valid, problem) in [
        (policy.capacity > 0, "capacity is 0, but must allow one token at least"),
        (
            policy.max_background > 0,
            "max_background is 0, but must allow one refresh at least",
        ),
        (
            policy.retry.max_attempts > 0,
            "max_attempts is 0, but one request must be sent",
        ),
        (
            policy.patience > policy.retry.deadline,
            "patience does not exceed the deadline of the retries, so a second request could start beside the first",
        ),
        (
            is_part(policy.freshness.refresh_fraction),
            "refresh_fraction is not between 0 and 1",
        ),
        (
            is_part(policy.freshness.margin_fraction),
            "margin_fraction is not between 0 and 1",
        ),
        (is_part(policy.freshness.jitter), "jitter is not between 0 and 1"),
    ] {
        if !is_valid {
            return Err(BuildError::Policy(problem));
        }
    }
    Ok(())
}
