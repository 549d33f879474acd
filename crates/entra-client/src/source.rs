//! A handle to the token for one target, with the fast path of a cached token.

use std::fmt;
use std::sync::Arc;

use entra_proto::Application;
use entra_proto::cache::Freshness;
use entra_proto::claims::ClaimsRequest;

use crate::cache::{Key, KeyRef, Slot};
use crate::clock::{Clock, Moment};
use crate::core::{Core, record_hit};
use crate::error::Error;
use crate::flow::{CallerEffect, Want};
use crate::observer::Observer;
use crate::tasks::{Tasks, acquire};
use crate::token::Token;

/// A handle to the token for one target, for code that needs it again and again, such as a
/// middleware. Each clone holds its own copy of the token.
///
/// Drivers that push credentials, and read none before a request, use `changes`: see
/// [`TokenChanges`](crate::TokenChanges).
///
/// While the token is fresh, [`current`](Self::current) costs two clock reads and the load of one
/// number: no lock, no allocation, no look-up.
///
/// ```no_run
/// # use entra_client::{Client, Error};
/// # use entra_proto::Target;
/// # async fn poll(client: Client, graph: Target) -> Result<(), Error> {
/// let mut source = client.source(&graph)?;
/// loop {
///     let authorization = source.token().await?.authorization();
///     // send a request with this header
/// #   drop(authorization);
/// }
/// # }
/// ```
pub struct TokenSource<D = Tasks> {
    pub(crate) core: Arc<Core<D>>,
    pub(crate) slot: Arc<Slot>,
    copy: LocalCopy,
}

/// The copy of the token that a handle holds.
#[derive(Clone, Default)]
struct LocalCopy {
    token: Option<Token>,
    /// The version of the slot that was copied.
    version: u64,
    /// The number of the token that was returned last.
    returned: u64,
}

impl LocalCopy {
    /// Returns the token if it may be used, and whether to start a refresh.
    ///
    /// This is not generic, unlike [`TokenSource`]: it is compiled in this crate, and all that it
    /// calls is inlined. In a generic method, each call would cross into the crate of the user.
    fn read(&mut self, slot: &Slot, clock: &dyn Clock, observer: Option<&dyn Observer>) -> Option<(&Token, bool)> {
        let now = clock.now();
        let version = slot.version();
        if version != self.version || self.token.is_none() {
            // The version is read first: if the slot changes in between, the next call reads it
            // again.
            self.token = slot.peek(now).map(|(token, _)| token);
            self.version = version;
        }
        let refresh = match self.token.as_ref()?.freshness(now) {
            Freshness::Fresh => false,
            Freshness::NeedsRefresh => slot.may_refresh(now),
            Freshness::Expired => {
                self.token = None;
                return None;
            }
        };
        let token = self.token.as_ref()?;
        self.returned = token.number();
        record_hit(observer, slot.key().view());
        Some((token, refresh))
    }
}

/// Methods that do not wait.
impl<D> TokenSource<D> {
    pub(crate) fn new(core: Arc<Core<D>>, slot: Arc<Slot>) -> Self {
        Self {
            core,
            slot,
            copy: LocalCopy::default(),
        }
    }

    /// Returns the token if it may be used now. A token that needs refresh is returned, and a
    /// background refresh starts.
    ///
    /// `None` if the token has expired or an API rejected it: [`token`](Self::token) acquires the
    /// next one.
    #[inline]
    pub fn current(&mut self) -> Option<&Token> {
        let core = &self.core;
        let (token, refresh) = self.copy.read(&self.slot, &*core.clock, core.observer.as_deref())?;
        if refresh {
            core.refresh(&self.slot, core.clock.now());
        }
        Some(token)
    }

    /// Requests the token in the background, unless a usable token is cached, a request is in
    /// flight, or a failure is cached.
    pub fn prefetch(&self) {
        self.core.refresh(&self.slot, self.core.clock.now());
    }

    /// Records that an API rejected this token: see
    /// [`Client::invalidate`](crate::Client::invalidate).
    pub fn invalidate(&self, token: &Token) -> bool {
        self.core.invalidate(token)
    }

    /// Records that an API rejected the token of this [`generation`](Self::generation).
    ///
    /// Unless there is a newer token, the next caller requests one. A token that was requested
    /// before this call does not count as newer. While the service has no newer token, other
    /// callers use this one; the caller whose request was rejected waits for
    /// [`newer_than`](Self::newer_than).
    ///
    /// Returns true if the rejection is new, and false if it was known or there is a newer token.
    pub fn reject(&self, generation: u64) -> bool {
        self.core.reject(&*self.slot, generation)
    }

    /// Returns the generation of the token that this handle returned last, or 0 if it returned
    /// none. A token that was requested later has a greater generation, in all handles to the same
    /// token alike.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.copy.returned
    }

    /// Returns the claims that the token is requested with, beside the client's capabilities.
    #[must_use]
    pub fn claims(&self) -> Option<&ClaimsRequest> {
        self.slot.key().claims.as_ref()
    }

    /// Returns a handle to the token for the same tenant and target with these claims, which
    /// replace the handle's own.
    ///
    /// # Errors
    /// Returns an error if no such token can be requested.
    pub fn with_claims(&self, claims: &ClaimsRequest) -> Result<Self, Error> {
        let key = KeyRef {
            claims: Some(claims),
            ..self.slot.key().view()
        };
        let (slot, _) = self.core.slot(key, None)?;
        Ok(Self::new(Arc::clone(&self.core), slot))
    }

    /// Returns the application that the token is for, in the tenant of the client: see
    /// [`Client::application`](crate::Client::application).
    #[must_use]
    pub fn application(&self) -> Option<&Application> {
        self.core.principal.application()
    }

    /// Returns the time by the client's clock.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.core.clock.now()
    }
}

/// The async methods.
impl TokenSource {
    /// Returns the token, and acquires one if none is cached: see
    /// [`Client::token`](crate::Client::token).
    ///
    /// A token that an API rejected is returned only while it is unexpired and the service has no
    /// newer one: after [`grace`](field@crate::Policy::grace), and at once while a failure is
    /// cached.
    ///
    /// # Errors
    /// As for [`Client::token`](crate::Client::token).
    pub async fn token(&mut self) -> Result<Token, Error> {
        if let Some(token) = self.current() {
            return Ok(token.clone());
        }
        self.acquire(Want::Valid).await
    }

    /// Acquires a token that was requested after the one of this [`generation`](Self::generation).
    ///
    /// Use it for a request with which that token was rejected. It never returns that token, nor
    /// one that was requested before [`reject`](Self::reject) was called for it.
    ///
    /// # Errors
    /// Returns an error if no such token can be acquired, even if the older one is unexpired.
    pub async fn newer_than(&mut self, generation: u64) -> Result<Token, Error> {
        self.acquire(Want::After(generation)).await
    }

    async fn acquire(&mut self, want: Want) -> Result<Token, Error> {
        let caller = CallerEffect::start(&self.core, &self.slot, None, want);
        let token = Box::pin(acquire(&self.core, caller)).await?;
        self.record_returned(&token);
        Ok(token)
    }
}

impl<D> TokenSource<D> {
    /// Records the token that this handle returns.
    pub(crate) fn record_returned(&mut self, token: &Token) {
        self.copy.returned = token.number();
    }
}

impl<D> Clone for TokenSource<D> {
    fn clone(&self) -> Self {
        Self {
            core: Arc::clone(&self.core),
            slot: Arc::clone(&self.slot),
            copy: self.copy.clone(),
        }
    }
}

impl<D> fmt::Debug for TokenSource<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_key(f, "TokenSource", self.slot.key())
    }
}

/// Writes the name of a handle, and the target and tenant of its key.
pub(crate) fn write_key(f: &mut fmt::Formatter<'_>, handle: &str, key: &Key) -> fmt::Result {
    write!(f, "{handle}({:?}", key.target)?;
    match &key.tenant {
        Some(tenant) => write!(f, " in {tenant:?})"),
        None => f.write_str(")"),
    }
}
