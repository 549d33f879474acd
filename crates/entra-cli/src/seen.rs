//! What `--watch` sees of a client.

use std::time::Duration;

use entra_client::Token;

use crate::exit::Failure;

/// What was seen of a client at one moment.
pub(crate) struct Seen {
    /// How long after the start.
    pub(crate) at: Duration,
    pub(crate) source: Source,
    pub(crate) state: State,
    /// How long the token will be fresh yet, and until when it is good.
    pub(crate) fresh_for: Duration,
    pub(crate) expires_in: Duration,
    /// How long the service will be left alone yet.
    pub(crate) cooling_down: Option<Duration>,
    /// Why it is, or was until now.
    pub(crate) failure: Option<String>,
    /// How many acquisitions there were.
    pub(crate) asked: u64,
    /// The token, where it is another one than before.
    pub(crate) new_token: Option<Token>,
    pub(crate) outcome: Result<(), Failure>,
}

/// Where a token came from this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Network,
    Cache,
    Nowhere,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    New,
    Fresh,
    Due,
    Refreshed,
    ServedAnyway,
    Missing,
}
