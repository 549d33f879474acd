//! The requests (legs) of one acquisition: the current one, and those that wait for its token.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Request;

use crate::acquire::budget::{Budget, PlatformBudget};
use crate::acquire::retry::RetryPolicy;
use crate::acquired::{AcquiredFrom, AssertionExchange};
use crate::body::Body;
use crate::credential::ClientCredential;
use crate::device::Polling;
use crate::error::{Error, Leg, LegError};
use crate::guid::Guid;
use crate::managed_identity::{ManagedIdentityRequest, Walk};
use crate::secret::ClientAssertion;
use crate::time::Timestamp;
use crate::token_request::TokenRequest;

/// The state that all requests of an acquisition share.
pub(super) struct Run {
    pub(super) policy: RetryPolicy,
    pub(super) request_id: Guid,
    /// The number of requests that the acquisition takes if none fails.
    legs: usize,
    /// The number of assertion IDs already used.
    ids: u64,
    clock: ServiceClock,
    renewals: Renewals,
}

impl Run {
    /// Creates the state of an acquisition that takes this number of requests.
    pub(super) fn new(legs: usize, policy: RetryPolicy, request_id: Guid) -> Self {
        Self {
            policy,
            request_id,
            legs,
            ids: 0,
            clock: ServiceClock::default(),
            renewals: Renewals::default(),
        }
    }

    /// Returns the ID for the next assertion, a different one on each call.
    pub(super) fn fresh_id(&mut self) -> Guid {
        let id = u128::from_be_bytes(*self.request_id.as_bytes()) ^ u128::from(self.ids);
        self.ids = self.ids.wrapping_add(1);
        Guid::from_bytes(id.to_be_bytes())
    }

    /// Returns this moment by the service's clock.
    pub(super) fn by_service(&self, now: Timestamp) -> Timestamp {
        self.clock.at(now)
    }

    /// Prepares a new assertion to replace one that was rejected as expired or not yet valid.
    /// Returns false if another attempt is not allowed.
    pub(super) fn renew(&mut self, leg: &mut TokenLeg, server_time: Option<Timestamp>, now: Timestamp) -> bool {
        let clock = match (leg.request.application().credential(), server_time) {
            (ClientCredential::Certificate(_), Some(there)) => ServiceClock(Some((there, now))),
            (ClientCredential::Federated(_) | ClientCredential::Acquired(_), _) => self.clock,
            _ => return false,
        };
        if !leg.budget.another(&self.policy, now) || !self.renewals.take(leg.outer()) {
            return false;
        }
        self.clock = clock;
        leg.assertion_use = AssertionUse::PerAttempt;
        true
    }

    /// Names a request by its position, given the number of requests that wait for it.
    fn name(&self, outer: usize, requested: Arc<str>) -> Leg {
        Leg::new(self.legs.saturating_sub(outer), self.legs, requested)
    }
}

/// A token request with its remaining budget and the purpose of its token.
pub(super) struct TokenLeg {
    pub(super) request: TokenRequest,
    pub(super) assertion_use: AssertionUse,
    pub(super) budget: Budget,
    pub(super) purpose: Purpose,
}

/// The purpose of a token.
pub(super) enum Purpose {
    /// The token is the result of the acquisition.
    Token,
    /// The token is the result, once a user has signed in on another device.
    Polled(Polling),
    /// The token authenticates the application of this waiting request.
    Assertion(Box<TokenLeg>),
    /// The token is the grant of this waiting request, whose application acquires it.
    Grant(Box<TokenLeg>),
}

/// The use of one assertion for the attempts of a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum AssertionUse {
    /// Each attempt gets a new assertion, or needs none.
    PerAttempt,
    /// The assertion comes from the caller. It is used until the service rejects it as expired or
    /// not yet valid.
    Given,
    /// The assertion was acquired, and is used until this moment.
    Until(Timestamp),
}

impl AssertionUse {
    pub(super) fn serves_at(self, now: Timestamp) -> bool {
        match self {
            Self::PerAttempt => false,
            Self::Given => true,
            Self::Until(end) => now < end,
        }
    }

    /// Ends the use at this moment at the latest.
    fn until(self, end: Timestamp) -> Self {
        match self {
            Self::PerAttempt => Self::PerAttempt,
            Self::Given => Self::Until(end),
            Self::Until(own) => Self::Until(own.min(end)),
        }
    }
}

impl TokenLeg {
    pub(super) fn new(request: TokenRequest, purpose: Purpose, budget: Budget) -> Self {
        let assertion_use = match request.assertion() {
            Some(_) => AssertionUse::Given,
            None => AssertionUse::PerAttempt,
        };
        Self {
            request,
            assertion_use,
            budget,
            purpose,
        }
    }

    /// Returns whether the request has its assertion and its grant, and may still use them.
    pub(super) fn is_ready(&self, now: Timestamp) -> bool {
        self.assertion_use.serves_at(now) && self.request.has_grant()
    }

    /// Returns the request that acquires the grant of this one, if it needs one.
    ///
    /// Both are of the same application: the inner one uses the assertion of this one while it is
    /// valid. After that, both get a new one.
    pub(super) fn request_of_grant(&self) -> Option<TokenRequest> {
        let request = self.request.of_grant()?.clone();
        Some(match self.request.assertion() {
            Some(assertion) => request.with_assertion(assertion.clone()),
            None => request,
        })
    }

    /// Waits for the grant, which this request acquires.
    pub(super) fn after_grant(self, request: TokenRequest) -> Self {
        Self {
            request,
            assertion_use: self.assertion_use,
            budget: self.budget.of_inner(),
            purpose: Purpose::Grant(Box::new(self)),
        }
    }

    /// Attaches an assertion that was acquired for the request.
    pub(super) fn authenticated(mut self, assertion: ClientAssertion) -> Self {
        self.assertion_use = end_of_use(&assertion).map_or(AssertionUse::PerAttempt, AssertionUse::Until);
        self.request = self.request.with_assertion(assertion);
        self
    }

    /// Attaches the grant, and the assertion of the request that acquired it.
    pub(super) fn granted(mut self, inner: &TokenRequest, inner_use: AssertionUse, token: ClientAssertion) -> Self {
        self.assertion_use = end_of_use(&token).map_or(AssertionUse::PerAttempt, |end| inner_use.until(end));
        if let Some(assertion) = inner.assertion() {
            self.request = self.request.with_assertion(assertion.clone());
        }
        self.request = self.request.with_agent_token(token);
        self
    }

    /// Returns the number of requests that wait for this one.
    pub(super) fn outer(&self) -> usize {
        match &self.purpose {
            Purpose::Token | Purpose::Polled(_) => 0,
            // The recursion is as deep as credentials are nested: at most four levels.
            Purpose::Assertion(outer) | Purpose::Grant(outer) => 1 + outer.outer(),
        }
    }

    /// Returns the request's name, if another request waits for it.
    pub(super) fn name(&self, run: &Run) -> Option<Leg> {
        let outer = self.outer();
        (outer > 0).then(|| run.name(outer, self.request.requested()))
    }

    pub(super) fn polling(&mut self) -> Option<&mut Polling> {
        match &mut self.purpose {
            Purpose::Polled(polling) => Some(polling),
            Purpose::Token | Purpose::Assertion(_) | Purpose::Grant(_) => None,
        }
    }
}

/// A request to another service, whose response contains an assertion.
pub(super) struct ForeignLeg {
    pub(super) exchange: Arc<dyn AssertionExchange>,
    pub(super) budget: Budget,
    pub(super) outer: Box<TokenLeg>,
}

impl ForeignLeg {
    pub(super) fn name(&self, run: &Run) -> Leg {
        run.name(1 + self.outer.outer(), self.exchange.name().into())
    }
}

/// The requests to the platform under the workload, which issues a token to a managed identity.
pub(super) struct IdentityLeg {
    pub(super) walk: Walk,
    pub(super) budget: PlatformBudget,
    /// The request that waits for the token, if there is one.
    pub(super) outer: Option<Box<TokenLeg>>,
}

impl IdentityLeg {
    /// Reads the variables of the host. An error names the request if another one waits for it.
    pub(super) fn start(
        run: &Run,
        request: &ManagedIdentityRequest,
        budget: PlatformBudget,
        outer: Option<Box<TokenLeg>>,
    ) -> Result<Self, Error> {
        match Walk::start(request) {
            Ok(walk) => Ok(Self { walk, budget, outer }),
            Err(error) => Err(LegError::of(name_of(run, request, outer.as_deref()), error.into())),
        }
    }

    pub(super) fn name(&self, run: &Run) -> Option<Leg> {
        name_of(run, self.walk.request_of_token(), self.outer.as_deref())
    }
}

fn name_of(run: &Run, request: &ManagedIdentityRequest, outer: Option<&TokenLeg>) -> Option<Leg> {
    outer.map(|outer| run.name(1 + outer.outer(), request.requested()))
}

/// The request that is sent next.
pub(super) enum Current {
    Token(TokenLeg),
    Foreign(ForeignLeg),
    Identity(IdentityLeg),
}

impl Current {
    /// Returns the request that acquires the assertion for `outer`.
    pub(super) fn inner(run: &Run, inner: &AcquiredFrom, outer: TokenLeg) -> Result<Self, Error> {
        let outer = Box::new(outer);
        Ok(match inner {
            AcquiredFrom::Token(request) => {
                let (request, budget) = (TokenRequest::clone(request), outer.budget.of_inner());
                Self::Token(TokenLeg::new(request, Purpose::Assertion(outer), budget))
            }
            AcquiredFrom::Exchange(exchange) => Self::Foreign(ForeignLeg {
                exchange: Arc::clone(exchange),
                budget: outer.budget.of_inner(),
                outer,
            }),
            AcquiredFrom::Identity(request) => {
                let budget = outer.budget.of_platform();
                Self::Identity(IdentityLeg::start(run, request, budget, Some(outer))?)
            }
        })
    }

    pub(super) fn request(&self, request_id: Guid) -> Request<Body> {
        match self {
            Self::Token(leg) => leg.request.encode(request_id),
            Self::Foreign(leg) => {
                let cloud = leg.outer.request.application().authority().cloud();
                leg.exchange.request(cloud.token_exchange_audience(), request_id)
            }
            Self::Identity(leg) => leg.walk.request(request_id),
        }
    }

    pub(super) fn name(&self, run: &Run) -> Option<Leg> {
        match self {
            Self::Token(leg) => leg.name(run),
            Self::Foreign(leg) => Some(leg.name(run)),
            Self::Identity(leg) => {
                let alone = || Leg::new(1, 1, leg.walk.request_of_token().requested());
                Some(leg.name(run).unwrap_or_else(alone))
            }
        }
    }

    /// Returns whether the request redeems something that is valid for one use only.
    pub(super) fn is_single_use(&self) -> bool {
        match self {
            Self::Token(leg) => leg.request.is_for_one_try(),
            Self::Foreign(_) | Self::Identity(_) => false,
        }
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(leg) => leg.request.fmt(f),
            Self::Foreign(leg) => f.write_str(leg.exchange.name()),
            Self::Identity(leg) => f.write_str(&leg.walk.request_of_token().requested()),
        }
    }
}

/// The service's clock and the local clock at the same moment, if they are known to differ.
#[derive(Clone, Copy, Default)]
struct ServiceClock(Option<(Timestamp, Timestamp)>);

impl ServiceClock {
    fn at(self, now: Timestamp) -> Timestamp {
        self.0.map_or(now, |(there, here)| there.plus(now.since(here)))
    }
}

/// The requests whose assertion was already renewed, one bit each. Each request renews its
/// assertion once.
#[derive(Clone, Copy, Default)]
struct Renewals(u64);

impl Renewals {
    fn take(&mut self, outer: usize) -> bool {
        let bit = 1_u64 << outer.min(63);
        let is_first = self.0 & bit == 0;
        self.0 |= bit;
        is_first
    }
}

/// Returns the moment from which on an acquired token is no longer sent, if its expiry is known.
fn end_of_use(token: &ClientAssertion) -> Option<Timestamp> {
    token.expires_at().map(|end| end.minus(ASSERTION_MARGIN))
}

/// The time before its expiry at which an acquired token is replaced, if the request that contains
/// it is sent again.
const ASSERTION_MARGIN: Duration = Duration::from_secs(60);
