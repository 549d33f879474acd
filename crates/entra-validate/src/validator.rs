//! The async driver.

use std::fmt;
use std::sync::Arc;

use entra_proto::{EndpointVersion, Timestamp};
use entra_transport::Transport;

use crate::api::{Api, NeedKeys};
use crate::flight::{Flight, unless_it_panics};
use crate::keys::{Fetch, FetchStep, Fetched, KeySet, Lookup};
use crate::principal::Principal;
use crate::rejection::Rejection;
use crate::report::{Log, Report, Silent};
use crate::rule::Rule;
use crate::shared::{MOST_LOOKS, Shared};

/// Validates access tokens, and fetches the signing keys for it over a transport.
///
/// Cheap to clone: clones share the keys. A token whose key is known costs one verification,
/// without a lock.
///
/// Key fetches are one flight for all callers. With the feature `tokio`, within a runtime, a flight
/// is a task and goes on when its callers are dropped; elsewhere those who wait for it carry it on
/// together.
///
/// ```
/// use entra_transport::{Body, Response, transport_fn};
/// use entra_validate::{Api, Audience, Permissions, Rejection, Tenants, Validator};
///
/// # let transport = transport_fn(|_| async { Ok(Response::new(Body::default())) });
/// let tenant = "aaaabbbb-0000-cccc-1111-dddd2222eeee".parse()?;
/// let audience = Audience::app("11112222-bbbb-3333-cccc-4444dddd5555".parse()?);
/// let api = Api::new(audience, Tenants::One(tenant), Permissions::any_of(["ToDoList.Read"], ["ToDoList.Read.All"])?)?;
/// let validator = Validator::new(api, transport); // of entra-transport-hyper or -reqwest
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// match validator.validate("eyJ0eXAi..").await {
///     Ok(caller) => println!("{} of tenant {}", caller.object_id(), caller.tenant()),
///     Err(rejection) => {
///         let response: http::Response<String> = validator.api().response(&rejection);
///         assert_eq!(response.status(), 401);
///     }
/// }
/// # });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Validator(Arc<Inner>);

struct Inner {
    shared: Arc<Shared<Flights>>,
    transport: Arc<dyn Transport>,
}

/// The flights of v1 and v2 keys.
#[derive(Default)]
struct Flights {
    v1: Option<Numbered>,
    v2: Option<Numbered>,
}

/// A flight with the number of its fetch.
type Numbered = (Option<u64>, Arc<Flight>);

impl Validator {
    /// A validator for `api` that fetches keys over `transport`.
    #[must_use]
    pub fn new(api: Api, transport: impl Transport + 'static) -> Self {
        Self::with_clock(api, transport, entra_transport::now)
    }

    /// The same with a clock of the caller's, for tests in virtual time.
    #[must_use]
    pub fn with_clock(
        api: Api,
        transport: impl Transport + 'static,
        clock: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Inner {
            shared: Arc::new(Shared::new(api, Box::new(clock), Flights::default())),
            transport: Arc::new(transport),
        }))
    }

    /// The API that tokens are validated for.
    #[must_use]
    pub fn api(&self) -> &Api {
        &self.0.shared.api
    }

    /// Validates a token.
    ///
    /// # Errors
    /// Returns the rejection of the first rule that fails, and [`Rejection::KeysUnavailable`] if
    /// there are no keys.
    pub async fn validate(&self, token: &str) -> Result<Principal, Rejection> {
        self.run(token, &mut Silent).await
    }

    /// Returns the outcome of each rule for a token. Where there are no keys, [`Rule::Key`] fails
    /// by [`Rejection::KeysUnavailable`].
    pub async fn report(&self, token: &str) -> Report {
        let mut report = Report::new();
        // The report holds the verdict.
        let _ = self.run(token, &mut report).await;
        report
    }

    async fn run(&self, token: &str, log: &mut (impl Log + Send)) -> Result<Principal, Rejection> {
        let now = (self.0.shared.clock)();
        let needs = self.api().start_logged(token, now, log)?;
        let keys = self.keys(&needs, now).await;
        if let Err(rejection) = &keys {
            log.note(Rule::Key, &Err(rejection.clone()));
        }
        let keys = keys?;
        needs.judge_logged(&keys, log)
    }

    async fn keys(&self, needs: &NeedKeys<'_>, now: Timestamp) -> Result<KeySet, Rejection> {
        let (version, kid) = (needs.version(), needs.kid());
        if let Some(keys) = self.0.shared.fresh(version, kid, now) {
            return Ok(keys);
        }
        for _ in 0..MOST_LOOKS {
            let (flight, meanwhile) = match self.look(version, kid) {
                Looked::Keys(keys) => return keys,
                Looked::Flight(flight, meanwhile) => (flight, meanwhile),
            };
            let goes_on_alone = spawn(&flight);
            match meanwhile {
                Some(keys) if goes_on_alone => return Ok(keys),
                _ => flight.wait().await,
            }
        }
        Err(self.0.shared.without_outcome(version, kid))
    }

    fn look(&self, version: EndpointVersion, kid: &str) -> Looked {
        let shared = &self.0.shared;
        let now = (shared.clock)();
        let mut state = shared.lock();
        let lookup = state.cache.lookup(version, kid, now);
        let is_lost = state.cache.is_lost(version, now);
        let flight = state.driver.of(version);
        // Those who wait for a fetch that took too long look again, too: no other may follow it for
        // minutes.
        let end = |flight: &mut Option<Numbered>| {
            if let Some((_, lost)) = flight.take_if(|_| is_lost) {
                lost.leave();
            }
        };
        let (fetch, meanwhile) = match lookup {
            Lookup::Ready(keys) => {
                end(flight);
                return Looked::Keys(Ok(keys));
            }
            Lookup::Unavailable(rejection) => {
                end(flight);
                return Looked::Keys(Err(rejection));
            }
            Lookup::Fetch(fetch) => (Some(fetch), None),
            Lookup::Refresh(keys, fetch) => (Some(fetch), Some(keys)),
            Lookup::InFlight => (None, None),
        };
        let (flight, lost) = match (fetch, flight) {
            (None, Some((_, flight))) => (Arc::clone(flight), None),
            (fetch, flight) => {
                let fetch = fetch.unwrap_or_else(|| Fetch::new(&shared.api, version));
                let (number, next) = (fetch.number(), self.flight(fetch));
                (Arc::clone(&next), flight.replace((number, next)))
            }
        };
        drop(state);
        // Those who wait for a flight that took too long wait for this one.
        if let Some((_, lost)) = lost {
            lost.leave();
        }
        Looked::Flight(flight, meanwhile)
    }

    /// A flight that hands its outcome to the cache, unless the validator is gone.
    fn flight(&self, fetch: Fetch) -> Arc<Flight> {
        let (version, number) = (fetch.version(), fetch.number());
        let (transport, shared) = (Arc::clone(&self.0.transport), Arc::downgrade(&self.0.shared));
        Arc::new(Flight::new(async move {
            let fetched = unless_it_panics(send(&*transport, fetch))
                .await
                .unwrap_or_else(|| Fetched::lost(version, number));
            if let Some(shared) = shared.upgrade() {
                shared.complete(fetched, |flights| {
                    flights.of(version).take_if(|(of, _)| *of == number);
                });
            }
        }))
    }
}

impl fmt::Debug for Validator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.shared.fmt(f)
    }
}

/// The result of a look at the cache.
enum Looked {
    Keys(Result<KeySet, Rejection>),
    /// A flight, and the keys that go on meanwhile.
    Flight(Arc<Flight>, Option<KeySet>),
}

impl Flights {
    fn of(&mut self, version: EndpointVersion) -> &mut Option<Numbered> {
        match version {
            EndpointVersion::V1 => &mut self.v1,
            EndpointVersion::V2 => &mut self.v2,
        }
    }
}

async fn send(transport: &dyn Transport, mut fetch: Fetch) -> Fetched {
    loop {
        let response = match transport.send(fetch.request()).await {
            Ok(response) => response,
            Err(error) => return fetch.failed(error),
        };
        // Dates in Retry-After are counted from the response's own, where it has one.
        match fetch.respond(&response, entra_transport::now()) {
            FetchStep::Send(next) => fetch = next,
            FetchStep::Done(fetched) => return fetched,
        }
    }
}

/// Whether the flight goes on without those who wait for it.
#[cfg(feature = "tokio")]
fn spawn(flight: &Arc<Flight>) -> bool {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return false;
    };
    if let Some(task) = flight.task() {
        drop(runtime.spawn(task));
    }
    true
}

#[cfg(not(feature = "tokio"))]
fn spawn(_: &Arc<Flight>) -> bool {
    false
}
