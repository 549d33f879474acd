//! One observation of a client by `--watch`: the token, its source, and the last failure.

use std::time::Duration;

use entra_client::Token;

use crate::exit::Failure;

/// The state of a client at one moment.
pub(crate) struct Observation {
    /// The time since the start.
    pub(crate) at: Duration,
    pub(crate) source: Source,
    pub(crate) state: State,
    /// The time until the token needs a refresh.
    pub(crate) fresh_for: Duration,
    /// The time until the token expires.
    pub(crate) expires_in: Duration,
    /// The time until the client sends the next request after a failure.
    pub(crate) cooling_down: Option<Duration>,
    /// The latest failure, until a request succeeds.
    pub(crate) failure: Option<String>,
    /// The number of acquisitions so far, without retries.
    pub(crate) requests: u64,
    /// The token, if it differs from the previous one.
    pub(crate) new_token: Option<Token>,
    pub(crate) outcome: Result<(), Failure>,
}

/// The source of the token in one observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Network,
    Cache,
    /// There is no token.
    None,
}

/// The state of the token in one observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The first token.
    New,
    Fresh,
    /// The token is past its refresh time and not expired.
    NeedsRefresh,
    /// The token replaces an earlier one.
    Refreshed,
    /// A token past its refresh time, returned because no newer one is available.
    ServedAnyway,
    Missing,
}
