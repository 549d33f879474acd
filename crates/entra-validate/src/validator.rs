//! The async driver: validates tokens, and fetches keys in flights that callers share.

use std::fmt;
use std::sync::Arc;

use entra_proto::{EndpointVersion, Timestamp};
use entra_transport::Transport;

use crate::api::Api;
use crate::flight::{Flight, unless_panic};
use crate::keys::{Fetch, FetchStep, Fetched, KeySet, Lookup};
use crate::principal::Principal;
use crate::rejection::Rejection;
use crate::report::{Log, Report, Silent};
use crate::rule::Rule;
use crate::shared::{MAX_LOOKUPS, Shared};
use crate::validation::NeedKeys;

/// A validator of access tokens, which fetches the signing keys over a transport.
///
/// Cheap to clone: clones share the keys. A token with a known key costs one verification, without
/// a lock.
///
/// All callers share one key fetch. With the feature `tokio`, and within a runtime, the fetch is a
/// task and continues when its callers are dropped. Otherwise the waiting callers poll it together.
///
/// ```
/// use entra_transport::{Body, Response, transport_fn};
/// use entra_validate::{Api, Audience, Permissions, Tenants, Validator};
///
/// # let transport = transport_fn(|_| async {
/// #     Ok(Response::new(Body::default()))
/// # });
/// let tenant = "aaaabbbb-0000-cccc-1111-dddd2222eeee".parse()?;
/// let audience = Audience::app("11112222-bbbb-3333-cccc-4444dddd5555".parse()?);
/// let (scopes, roles) = (["ToDoList.Read"], ["ToDoList.Read.All"]);
/// let permissions = Permissions::any_of(scopes, roles)?;
/// let api = Api::new(audience, Tenants::One(tenant), permissions)?;
/// // The transport is for example that of entra-transport-hyper.
/// let validator = Validator::new(api, transport);
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// match validator.validate("eyJ0eXAi..").await {
///     Ok(caller) => println!("called by {}", caller.object_id()),
///     Err(rejection) => {
///         let api = validator.api();
///         let response: http::Response<String> = api.response(&rejection);
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

/// The flights of the v1 keys and the v2 keys.
#[derive(Default)]
struct Flights {
    v1: Option<Numbered>,
    v2: Option<Numbered>,
}

/// A flight with the number of its fetch.
type Numbered = (Option<u64>, Arc<Flight>);

impl Validator {
    /// Creates a validator for `api` that fetches keys over `transport`.
    #[must_use]
    pub fn new(api: Api, transport: impl Transport + 'static) -> Self {
        Self::with_clock(api, transport, entra_transport::now)
    }

    /// Creates a validator with the caller's clock, for tests in virtual time.
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
    pub async fn validate(&self, token: &str) -> Result<Principal, Rejection> {
        self.run(token, &mut Silent).await
    }

    /// Returns the outcome of each rule for a token. If there are no keys, [`Rule::Key`] fails with
    /// [`Rejection::KeysUnavailable`].
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
        for _ in 0..MAX_LOOKUPS {
            let (flight, old_keys) = match self.lookup(version, kid) {
                Found::Keys(keys) => return keys,
                Found::Flight(flight, old_keys) => (flight, old_keys),
            };
            let has_task = spawn(&flight);
            match old_keys {
                Some(keys) if has_task => return Ok(keys),
                _ => flight.wait().await,
            }
        }
        Err(self.0.shared.without_outcome(version, kid))
    }

    /// Looks for the keys in the cache, and joins or starts a flight if they must be fetched.
    fn lookup(&self, version: EndpointVersion, kid: &str) -> Found {
        let shared = &self.0.shared;
        let now = (shared.clock)();
        let mut state = shared.lock();
        let lookup = state.cache.lookup(version, kid, now);
        let is_lost = state.cache.is_lost(version, now);
        let flight = state.driver.of(version);
        // If a fetch counts as lost, its waiters must be released here: it may be minutes until
        // another fetch follows.
        let release = |flight: &mut Option<Numbered>| {
            if let Some((_, lost)) = flight.take_if(|_| is_lost) {
                lost.abandon();
            }
        };
        let (fetch, old_keys) = match lookup {
            Lookup::Ready(keys) => {
                release(flight);
                return Found::Keys(Ok(keys));
            }
            Lookup::Unavailable(rejection) => {
                release(flight);
                return Found::Keys(Err(rejection));
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
        // The waiters of a lost flight look again, and wait for this one.
        if let Some((_, lost)) = lost {
            lost.abandon();
        }
        Found::Flight(flight, old_keys)
    }

    /// Creates a flight that passes its outcome to the cache, unless the validator was dropped.
    fn flight(&self, fetch: Fetch) -> Arc<Flight> {
        let (version, number) = (fetch.version(), fetch.number());
        let (transport, shared) = (Arc::clone(&self.0.transport), Arc::downgrade(&self.0.shared));
        Arc::new(Flight::new(async move {
            let fetched = unless_panic(send(&*transport, fetch))
                .await
                .unwrap_or_else(|| Fetched::panicked(version, number));
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

/// The result of a lookup.
enum Found {
    Keys(Result<KeySet, Rejection>),
    /// A flight, with the old keys that can be used meanwhile.
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
        // A date in Retry-After is compared with the date of the response, if there is one.
        match fetch.respond(&response, entra_transport::now()) {
            FetchStep::Send(next) => fetch = next,
            FetchStep::Done(fetched) => return fetched,
        }
    }
}

/// Gives the flight a task. Returns true if it continues without its waiters.
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
