//! A handle to the token for one target.

use std::fmt;
use std::sync::Arc;

use entra_proto::Application;
use entra_proto::cache::Freshness;
use entra_proto::claims::ClaimsRequest;

use crate::cache::{KeyRef, Slot};
use crate::clock::Moment;
use crate::core::Core;
use crate::error::Error;
use crate::flow::Want;
use crate::tasks::{Tasks, acquire};
use crate::token::Token;

/// A handle to the token for one target: what a middleware holds. Each clone keeps its own copy of the token.
///
/// While the token is fresh, [`current`](Self::current) costs two clocks and the load of one number: no lock, no allocation, no
/// look-up.
pub struct TokenSource<D = Tasks> {
    pub(crate) core: Arc<Core<D>>,
    pub(crate) slot: Arc<Slot>,
    copy: Option<Token>,
    /// The version of the slot that the copy is of.
    version: u64,
    /// The number of the token that was returned last.
    pub(crate) given: u64,
}

/// Methods that do not wait.
impl<D> TokenSource<D> {
    pub(crate) fn new(core: Arc<Core<D>>, slot: Arc<Slot>) -> Self {
        Self {
            core,
            slot,
            copy: None,
            version: 0,
            given: 0,
        }
    }

    /// The token, if it may be used now. Where it needs refresh, that happens in the background. None where it has expired, and where
    /// an API rejected it: [`token`](Self::token) gets the next one.
    #[inline]
    pub fn current(&mut self) -> Option<&Token> {
        let now = self.core.clock.now();
        let version = self.slot.version();
        if version != self.version || self.copy.is_none() {
            // Read after the version: what is newer than that is looked at once more, and never kept for good.
            self.copy = self.slot.peek(now).map(|(token, _)| token);
            self.version = version;
        }
        match self.copy.as_ref()?.freshness(now) {
            Freshness::Fresh => {}
            Freshness::Due if self.slot.wants_refresh(now) => self.core.refresh(&self.slot, now),
            Freshness::Due => {}
            Freshness::Missing => self.copy = None,
        }
        let token = self.copy.as_ref()?;
        self.given = token.number();
        self.core.hit(self.slot.key().view());
        Some(token)
    }

    /// Requests the token in the background, unless one that may be used is in the cache, a request is in flight, or a failure is
    /// remembered.
    pub fn prefetch(&self) {
        self.core.refresh(&self.slot, self.core.clock.now());
    }

    /// Takes note that an API rejected this token: see [`Client::invalidate`](crate::Client::invalidate).
    pub fn invalidate(&self, token: &Token) -> bool {
        self.core.invalidate(token)
    }

    /// Takes note that an API rejected the token of this [`generation`](Self::generation). Unless there is a newer one, the next caller
    /// has it refreshed, and what was requested before does not count as newer. While the service has no newer token, other callers go
    /// on with this one; the caller whose request was rejected waits for [`newer_than`](Self::newer_than).
    ///
    /// Returns whether that was news: false where it was rejected before, or a newer one is here.
    pub fn reject(&self, generation: u64) -> bool {
        self.core.reject(&self.slot, generation)
    }

    /// The generation of the token that this handle returned last, 0 where it returned none. A token that was requested later has a
    /// greater one, in all handles to the same token alike.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.given
    }

    /// The claims of the token that were asked for, beside the client's capabilities.
    #[must_use]
    pub fn claims(&self) -> Option<&ClaimsRequest> {
        self.slot.key().claims.as_ref()
    }

    /// A handle to the token for the same tenant and target with these claims, in the place of those that this one has.
    ///
    /// # Errors
    /// Returns an error if no such token can be requested.
    pub fn with_claims(&self, claims: &ClaimsRequest) -> Result<Self, Error> {
        let key = KeyRef {
            claims: Some(claims),
            ..self.slot.key().view()
        };
        let (slot, _) = self.core.slot(key)?;
        Ok(Self::new(Arc::clone(&self.core), slot))
    }

    /// The application that the token is for, in the tenant that it was given to the client with.
    #[must_use]
    pub fn application(&self) -> &Application {
        &self.core.application
    }

    /// Returns the time by the client's clock.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.core.clock.now()
    }
}

/// The async part.
impl TokenSource {
    /// The token, from the service where there is none: see [`Client::token`](crate::Client::token). One that an API rejected is
    /// returned only while it lives and the service has no newer one: after [`grace`](field@crate::Policy::grace), and at once while a
    /// failure is remembered.
    ///
    /// # Errors
    /// As for [`Client::token`](crate::Client::token).
    pub async fn token(&mut self) -> Result<Token, Error> {
        if let Some(token) = self.current() {
            return Ok(token.clone());
        }
        self.acquire(Want::Living).await
    }

    /// A token that was requested after the one of this [`generation`](Self::generation), for a request with which that one was
    /// rejected: never that one, nor one that was requested before [`reject`](Self::reject) was called for it.
    ///
    /// # Errors
    /// Returns an error if no such token can be acquired, also while the older one lives.
    pub async fn newer_than(&mut self, generation: u64) -> Result<Token, Error> {
        self.acquire(Want::After(generation)).await
    }

    async fn acquire(&mut self, want: Want) -> Result<Token, Error> {
        let token = Box::pin(acquire(&self.core, &self.slot, None, want)).await?;
        self.given = token.number();
        Ok(token)
    }
}

impl<D> Clone for TokenSource<D> {
    fn clone(&self) -> Self {
        Self {
            core: Arc::clone(&self.core),
            slot: Arc::clone(&self.slot),
            copy: self.copy.clone(),
            version: self.version,
            given: self.given,
        }
    }
}

impl<D> fmt::Debug for TokenSource<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.slot.key();
        write!(f, "TokenSource({:?} in {:?})", key.target, key.tenant)
    }
}
