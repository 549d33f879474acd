//! The tokens of one cache entry as they change, for drivers that push credentials.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::error::Error;
use crate::flow::{CallerEffect, Want, Watch, WatchEffect};
use crate::runtime::BoxFuture;
use crate::source::{TokenSource, write_key};
use crate::tasks::{Tasks, acquire};
use crate::token::Token;

/// The tokens of a [`TokenSource`], one after another: the current one at once, then each one that
/// replaces it. It never ends.
///
/// It is for drivers that push credentials into open connections, such as those of Redis and AMQP,
/// and that do not call [`TokenSource::token`] before each request. While a task waits in
/// [`next`](Self::next), or polls this as a `Stream` (feature `stream`), the next token is
/// requested in time, by the rules of the cache:
///
/// - The background refresh starts when the token needs it, and at the latest when the token is
///   within the margin before its expiry. Any number of watches of one token, and all callers,
///   share one request.
/// - After [`invalidate`](TokenSource::invalidate), [`reject`](TokenSource::reject), a consent or
///   [`forget`](crate::client::Client::forget), a new token is requested at once.
/// - After a failure, the next request waits for the cool-down of the cache
///   ([`Policy::cool_down`](field@crate::Policy::cool_down)). Failures are returned only while
///   there is no unexpired token, each once: go on with the next call. As long as the last token
///   is unexpired, an outage is invisible here, as for other callers.
/// - A token is never followed by one that was requested earlier. Tokens that are replaced before
///   they are read are skipped.
/// - A machine that slept, or whose clock was set, is noticed within a minute.
///
/// A task that does something else for a while loses no token, but the refresh may start late: with
/// the next call. A handle that is dropped costs nothing.
///
/// ```no_run
/// # use entra_client::{Client, Error, Token};
/// # use entra_proto::Target;
/// # async fn authenticate(token: &Token) {}
/// # async fn run(client: Client, redis: Target) -> Result<(), Error> {
/// let mut changes = client.source(&redis)?.changes();
/// loop {
///     match changes.next().await {
///         Ok(token) => authenticate(&token).await,
///         Err(error) => eprintln!("no token for now: {error}"),
///     }
/// }
/// # }
/// ```
pub struct TokenChanges {
    watch: Watch<Tasks>,
    /// The acquisition in progress.
    acquisition: Option<BoxFuture<Result<Token, Error>>>,
    /// The end of the current wait.
    timer: Option<BoxFuture<()>>,
}

impl TokenSource {
    /// Returns the tokens of this handle as they change: the current one, and each one that
    /// replaces it.
    #[must_use]
    pub fn changes(&self) -> TokenChanges {
        TokenChanges {
            watch: Watch::new(Arc::clone(&self.core), Arc::clone(&self.slot)),
            acquisition: None,
            timer: None,
        }
    }
}

impl TokenChanges {
    /// Returns the current token in the first call, and waits for the next one in later calls.
    ///
    /// A call may be dropped at any time: the next one returns what it would have returned.
    ///
    /// # Errors
    /// Returns an error if there is no unexpired token and none can be acquired. The next call
    /// waits for the cool-down and tries again.
    pub async fn next(&mut self) -> Result<Token, Error> {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Token, Error>> {
        loop {
            if let Some(acquisition) = &mut self.acquisition {
                let outcome = ready!(acquisition.as_mut().poll(cx));
                self.acquisition = None;
                if let Some(outcome) = self.watch.acquired(outcome) {
                    return Poll::Ready(outcome);
                }
            }
            match self.watch.look() {
                WatchEffect::Return(token) => {
                    self.timer = None;
                    return Poll::Ready(Ok(token));
                }
                WatchEffect::Acquire => self.acquisition = Some(self.acquire()),
                WatchEffect::Wait(time) => {
                    if self.watch.watcher.poll_change(cx).is_pending() {
                        let timer = self.timer.insert(self.watch.core.driver.runtime().sleep(time));
                        ready!(timer.as_mut().poll(cx));
                    }
                }
            }
        }
    }

    fn acquire(&self) -> BoxFuture<Result<Token, Error>> {
        let (core, slot) = (Arc::clone(&self.watch.core), Arc::clone(self.watch.slot()));
        Box::pin(async move {
            let caller = CallerEffect::start(&core, &slot, None, Want::Valid);
            acquire(&core, caller).await
        })
    }
}

/// The stream never ends: it yields no `None`.
#[cfg(feature = "stream")]
impl futures_core::Stream for TokenChanges {
    type Item = Result<Token, Error>;

    fn poll_next(mut self: std::pin::Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(cx).map(Some)
    }
}

impl fmt::Debug for TokenChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_key(f, "TokenChanges", self.watch.slot().key())
    }
}
