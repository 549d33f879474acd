use std::sync::Arc;

use entra_proto::Application;

use crate::assertions::Assertions;
use crate::blocking;
use crate::blocking::threads::{self, Threads};
use crate::cache::Slots;
use crate::client;
use crate::clock::{Clock, SystemClock};
use crate::core::Core;
use crate::error::BuildError;
use crate::flow::Flight;
use crate::gate::Gate;
use crate::observer::Observer;
use crate::policy::Policy;
use crate::random::{SecureRandom, SystemRandom};
use crate::runtime::Runtime;
use crate::tasks::{self, MOST_DETACHED, Tasks};
use crate::token_store::TokenStore;

/// Builds a client: [`Client::builder`](crate::Client::builder) an async one, [`blocking::Client::builder`] a blocking one.
///
/// ```
/// use std::sync::Arc;
/// use entra_client::blocking::Client;
/// use entra_client::observer::Counters;
/// use entra_client::Policy;
/// # use entra_proto::{Application, ClientSecret};
/// # use entra_transport::{Body, Response, blocking_transport_fn};
/// # let transport = blocking_transport_fn(|_| Ok(Response::new(Body::default())));
/// # let authority = "https://login.microsoftonline.com/contoso.onmicrosoft.com".parse()?;
/// # let app = Application::new(authority, "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?, ClientSecret::new("s3cret")?);
///
/// let mut policy = Policy::default();
/// policy.capacity = 100_000;
/// let counters = Arc::new(Counters::default());
/// let client = Client::builder(app, transport).policy(policy).observer(counters.clone()).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct ClientBuilder<D = Tasks> {
    application: Application,
    policy: Policy,
    clock: Box<dyn Clock>,
    random: Box<dyn SecureRandom>,
    observer: Option<Box<dyn Observer>>,
    driver: D,
}

impl<D> ClientBuilder<D> {
    pub(crate) fn new(application: Application, driver: D) -> Self {
        Self {
            application,
            policy: Policy::default(),
            clock: Box::new(SystemClock),
            random: Box::new(SystemRandom),
            observer: None,
            driver,
        }
    }

    /// Keeps, renews and gives up in this way.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Takes the time from this clock.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Sets the source of randomness: by default, the operating system's.
    pub fn secure_random(mut self, random: impl SecureRandom + 'static) -> Self {
        self.random = Box::new(random);
        self
    }

    /// Tells this observer what the client does.
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    fn client(
        self,
        detached: Option<Arc<Gate>>,
        has_store: bool,
        launch: fn(&Arc<Core<D>>, Flight),
    ) -> Result<client::Client<D>, BuildError> {
        check(&self.policy)?;
        Ok(client::Client::assemble(Core {
            application: self.application,
            slots: Slots::new(self.policy.capacity, self.policy.max_bytes()),
            assertions: Assertions::new(self.policy.assertion_margin),
            background: Gate::new(self.policy.max_background),
            policy: self.policy,
            clock: self.clock,
            random: self.random,
            observer: self.observer,
            detached,
            has_store,
            launch,
            driver: self.driver,
        }))
    }
}

impl ClientBuilder<Tasks> {
    /// Runs on this runtime instead of tokio.
    pub fn runtime(mut self, runtime: impl Runtime + 'static) -> Self {
        self.driver.runtime = Some(Arc::new(runtime));
        self
    }

    /// Shares tokens with other processes through this store.
    pub fn token_store(mut self, store: impl TokenStore + 'static) -> Self {
        self.driver.store = Some(Arc::new(store));
        self
    }

    /// Builds the client.
    ///
    /// # Errors
    /// Returns an error if a number of the policy makes no sense, or if there is no runtime.
    pub fn build(self) -> Result<client::Client<Tasks>, BuildError> {
        if self.driver.runtime.is_none() {
            return Err(BuildError::NoRuntime);
        }
        let (detached, has_store) = (Gate::new(MOST_DETACHED), self.driver.store.is_some());
        self.client(Some(detached), has_store, tasks::launch)
    }
}

impl ClientBuilder<Threads> {
    /// Sleeps, and refreshes in the background, in this way.
    pub fn runtime(mut self, runtime: impl blocking::Runtime + 'static) -> Self {
        self.driver.runtime = Arc::new(runtime);
        self
    }

    /// Shares tokens with other processes through this store.
    pub fn token_store(mut self, store: impl blocking::TokenStore + 'static) -> Self {
        self.driver.store = Some(Arc::new(store));
        self
    }

    /// Builds the client.
    ///
    /// # Errors
    /// Returns an error if a number of the policy makes no sense, or if the application's credential has an async signer or source.
    pub fn build(self) -> Result<blocking::Client, BuildError> {
        if self.application.credential().is_async() {
            return Err(BuildError::AsyncCredential);
        }
        self.build_for_any_credential()
    }

    /// Builds the client. An async signer or source becomes an error of each acquisition.
    pub(crate) fn build_for_any_credential(self) -> Result<blocking::Client, BuildError> {
        let has_store = self.driver.store.is_some();
        // A flight runs on the thread of the caller that starts it, which cannot give up.
        self.client(None, has_store, threads::launch)
    }
}

fn check(policy: &Policy) -> Result<(), BuildError> {
    let is_part = |number: f64| (0.0..=1.0).contains(&number);
    for (holds, complaint) in [
        (policy.capacity > 0, "capacity is 0: leave room for one token at least"),
        (
            policy.max_background > 0,
            "max_background is 0: leave room for one refresh at least",
        ),
        (
            policy.retry.max_attempts > 0,
            "max_attempts is 0: one request must be sent",
        ),
        (
            policy.patience > policy.retry.deadline,
            "patience is no longer than the deadline of the tries: others would ask while the first still waits",
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
        if !holds {
            return Err(BuildError::Policy(complaint));
        }
    }
    Ok(())
}
