//! The driver without a runtime.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, PoisonError};

use entra_proto::{EndpointVersion, Timestamp};
use entra_transport::BlockingTransport;

use crate::api::Api;
use crate::keys::{Fetch, FetchStep, Fetched, KeySet, LONGEST_FLIGHT, Lookup};
use crate::principal::Principal;
use crate::rejection::Rejection;
use crate::report::{Log, Report, Silent};
use crate::rule::Rule;
use crate::shared::{MAX_LOOKUPS, Shared, State};
use crate::validation::NeedKeys;

/// A validator of access tokens like [`Validator`](crate::Validator), without a runtime.
///
/// All callers share one key fetch: the first caller fetches on its own thread, and the others wait
/// for it. The caller that first sees keys that need a refresh does the refresh; the others use the
/// old keys meanwhile.
///
/// ```
/// use entra_transport::{Body, Response, blocking_transport_fn};
/// use entra_validate::{Api, Audience, Permissions, Tenants, blocking::Validator};
///
/// # let transport = blocking_transport_fn(|_| Ok(Response::new(Body::default())));
/// let audience = Audience::app("11112222-bbbb-3333-cccc-4444dddd5555".parse()?);
/// let tenants = Tenants::One("aaaabbbb-0000-cccc-1111-dddd2222eeee".parse()?);
/// let permissions = Permissions::any_of([""; 0], ["ToDoList.Read.All"])?;
/// let api = Api::new(audience, tenants, permissions)?;
/// // The transport is for example that of entra-transport-ureq.
/// let validator = Validator::new(api, transport);
/// assert!(validator.validate("eyJ0eXAi..").is_err());
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone)]
pub struct Validator(Arc<Inner>);

struct Inner {
    shared: Shared<()>,
    transport: Box<dyn BlockingTransport>,
    completed: Condvar,
}

impl Validator {
    /// Creates a validator for `api` that fetches keys over `transport`.
    #[must_use]
    pub fn new(api: Api, transport: impl BlockingTransport + 'static) -> Self {
        Self::with_clock(api, transport, entra_transport::now)
    }

    /// Creates a validator with the caller's clock, for tests in virtual time.
    #[must_use]
    pub fn with_clock(
        api: Api,
        transport: impl BlockingTransport + 'static,
        clock: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Inner {
            shared: Shared::new(api, Box::new(clock), ()),
            transport: Box::new(transport),
            completed: Condvar::new(),
        }))
    }

    /// Returns the API that tokens are validated for.
    #[must_use]
    pub fn api(&self) -> &Api {
        &self.0.shared.api
    }

    /// Validates a token.
    ///
    /// # Errors
    /// Returns the rejection of the first rule that fails, or [`Rejection::KeysUnavailable`] if
    /// there are no keys.
    pub fn validate(&self, token: &str) -> Result<Principal, Rejection> {
        self.run(token, &mut Silent)
    }

    /// Returns the outcome of each rule for a token. If there are no keys, [`Rule::Key`] fails with
    /// [`Rejection::KeysUnavailable`].
    pub fn report(&self, token: &str) -> Report {
        let mut report = Report::new();
        // The report holds the verdict.
        let _ = self.run(token, &mut report);
        report
    }

    fn run(&self, token: &str, log: &mut impl Log) -> Result<Principal, Rejection> {
        let now = (self.0.shared.clock)();
        let needs = self.api().start_logged(token, now, log)?;
        let keys = self.keys(&needs, now);
        if let Err(rejection) = &keys {
            log.note(Rule::Key, &Err(rejection.clone()));
        }
        let keys = keys?;
        needs.judge_logged(&keys, log)
    }

    fn keys(&self, needs: &NeedKeys<'_>, now: Timestamp) -> Result<KeySet, Rejection> {
        let (version, kid) = (needs.version(), needs.kid());
        let shared = &self.0.shared;
        if let Some(keys) = shared.fresh(version, kid, now) {
            return Ok(keys);
        }
        for _ in 0..MAX_LOOKUPS {
            let now = (shared.clock)();
            let mut state = shared.lock();
            let lookup = state.cache.lookup(version, kid, now);
            match lookup {
                Lookup::Ready(keys) => return Ok(keys),
                Lookup::Unavailable(rejection) => return Err(rejection),
                Lookup::Fetch(fetch) | Lookup::Refresh(_, fetch) => {
                    drop(state);
                    self.fetch(version, fetch);
                }
                Lookup::InFlight => {
                    let in_flight = |state: &mut State<()>| state.cache.is_in_flight(version);
                    drop(
                        self.0
                            .completed
                            .wait_timeout_while(state, LONGEST_FLIGHT, in_flight)
                            .unwrap_or_else(PoisonError::into_inner),
                    );
                }
            }
        }
        Err(shared.without_outcome(version, kid))
    }

    fn fetch(&self, version: EndpointVersion, fetch: Fetch) {
        // After a panic the other callers must not wait on: all callers get a failure.
        let number = fetch.number();
        let fetched = catch_unwind(AssertUnwindSafe(|| send(&*self.0.transport, fetch)));
        let fetched = fetched.unwrap_or_else(|_| Fetched::panicked(version, number));
        self.0.shared.complete(fetched, |()| ());
        self.0.completed.notify_all();
    }
}

impl fmt::Debug for Validator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.shared.fmt(f)
    }
}

fn send(transport: &dyn BlockingTransport, mut fetch: Fetch) -> Fetched {
    loop {
        let response = match transport.send(fetch.request()) {
            Ok(response) => response,
            Err(error) => return fetch.failed(error),
        };
        match fetch.respond(&response, entra_transport::now()) {
            FetchStep::Send(next) => fetch = next,
            FetchStep::Done(fetched) => return fetched,
        }
    }
}
