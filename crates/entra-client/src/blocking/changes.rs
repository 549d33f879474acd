//! The tokens of one cache entry as they change, for a thread that pushes credentials.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;

use super::threads::{Threads, acquire, park};
use super::{Error, Token, TokenSource};
use crate::flow::{CallerEffect, Want, Watch, WatchEffect};
use crate::source::write_key;

/// The tokens of a [`TokenSource`], one after another, as an iterator that never ends: see
/// [`TokenChanges`](crate::TokenChanges). The thread that calls `next` requests them.
///
/// ```no_run
/// # use entra_client::blocking::Client;
/// # use entra_client::{Error, Token};
/// # use entra_proto::Target;
/// # fn authenticate(token: &Token) {}
/// # fn run(client: &Client, redis: &Target) -> Result<(), Error> {
/// for change in client.source(redis)?.changes() {
///     match change {
///         Ok(token) => authenticate(&token),
///         Err(error) => eprintln!("no token for now: {error}"),
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct TokenChanges(Watch<Threads>);

impl TokenSource {
    /// Returns the tokens of this handle as they change: the current one, and each one that
    /// replaces it.
    #[must_use]
    pub fn changes(&self) -> TokenChanges {
        TokenChanges(Watch::new(Arc::clone(&self.core), Arc::clone(&self.slot)))
    }
}

impl Iterator for TokenChanges {
    type Item = Result<Token, Error>;

    /// Returns the current token in the first call, and blocks until the next one in later calls.
    /// Never returns `None`.
    fn next(&mut self) -> Option<Self::Item> {
        let watch = &mut self.0;
        loop {
            match watch.look() {
                WatchEffect::Return(token) => return Some(Ok(token)),
                WatchEffect::Acquire => {
                    let caller = CallerEffect::start(&watch.core, watch.slot(), None, Want::Valid);
                    let outcome = acquire(&watch.core, caller);
                    if let Some(outcome) = watch.acquired(outcome) {
                        return Some(outcome);
                    }
                }
                WatchEffect::Wait(time) => {
                    park(poll_fn(|cx| watch.watcher.poll_change(cx)), time);
                }
            }
        }
    }
}

impl fmt::Debug for TokenChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_key(f, "TokenChanges", self.0.slot().key())
    }
}
