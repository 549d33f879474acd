use std::fmt;
use std::sync::Arc;

use entra_proto::{Application, ClaimsRequest, Freshness};

use crate::cache::{KeyRef, Slot};
use crate::clock::Now;
use crate::core::{Core, Driver};
use crate::error::Error;
use crate::tasks::{Tasks, acquire};
use crate::token::Token;

/// A handle to the token for one target: what a middleware holds. Each clone keeps its own copy of the token.
///
/// While the token is fresh, [`current`](Self::current) costs two clocks and the load of one number: no lock, no allocation, no
/// look-up.
#[derive(Clone)]
pub struct TokenSource(Held<Tasks>);

impl TokenSource {
    pub(crate) fn new(core: Arc<Core<Tasks>>, slot: Arc<Slot>) -> Self {
        Self(Held::new(core, slot))
    }

    /// The token, where it may be used now. Where it is due, another one is fetched in the background.
    pub fn current(&mut self) -> Option<&Token> {
        self.0.current()
    }

    /// The token, from the service where there is none: see [`Client::token`](crate::Client::token).
    ///
    /// # Errors
    /// As for [`Client::token`](crate::Client::token).
    pub async fn token(&mut self) -> Result<Token, Error> {
        if let Some(token) = self.0.current() {
            return Ok(token.clone());
        }
        Box::pin(acquire(&self.0.core, &self.0.slot, None, false)).await
    }

    /// Drops a token that the API refused: see [`Client::invalidate`](crate::Client::invalidate).
    pub fn invalidate(&self, token: &Token) -> bool {
        self.0.core.invalidate(token)
    }

    /// Tells the token that [`current`](Self::current) gave last from those before and after it: a number that moves with each of them,
    /// in all handles to this token alike. Whoever notes it can tell later whether the token is still in use, without holding it.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.0.generation()
    }

    /// A handle to the token for the same tenant and target with these claims, in the place of those that this one has.
    ///
    /// # Errors
    /// Where no such token can be asked for.
    pub fn with_claims(&self, claims: &ClaimsRequest) -> Result<Self, Error> {
        self.0.with_claims(claims).map(Self)
    }

    /// Whether the token with these claims is in the cache and may be used.
    #[must_use]
    pub fn has(&self, claims: &ClaimsRequest) -> bool {
        self.0.has(claims)
    }

    /// The generation of this token, if it is the one that is kept: none where another has taken its place, or it was dropped.
    #[must_use]
    pub fn generation_of(&self, token: &Token) -> Option<u64> {
        self.0.slot.generation_of(token)
    }

    /// Drops the token of this [`generation`](Self::generation), if it is still the one that is kept: also where it is within the margin,
    /// and [`current`](Self::current) gives it no more.
    pub fn discard(&self, generation: u64) -> bool {
        self.0.discard(generation)
    }

    /// The application that the token is for, in the tenant that it was given to the client with.
    #[must_use]
    pub fn application(&self) -> &Application {
        &self.0.core.application
    }

    /// What time it is by the client's clock.
    #[must_use]
    pub fn now(&self) -> Now {
        self.0.core.clock.now()
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A slot at hand, and a copy of its token.
pub(crate) struct Held<D> {
    pub(crate) core: Arc<Core<D>>,
    pub(crate) slot: Arc<Slot>,
    copy: Option<Token>,
    generation: u64,
}

impl<D: Driver> Held<D> {
    pub(crate) fn new(core: Arc<Core<D>>, slot: Arc<Slot>) -> Self {
        Self {
            core,
            slot,
            copy: None,
            generation: 0,
        }
    }

    pub(crate) fn with_claims(&self, claims: &ClaimsRequest) -> Result<Self, Error> {
        let key = KeyRef {
            claims: Some(claims),
            ..self.slot.key().view()
        };
        let (slot, _) = self.core.slot(key)?;
        Ok(Self::new(Arc::clone(&self.core), slot))
    }

    pub(crate) fn has(&self, claims: &ClaimsRequest) -> bool {
        let key = KeyRef {
            claims: Some(claims),
            ..self.slot.key().view()
        };
        let now = self.core.clock.now();
        self.core
            .slots
            .look(key, |slot| slot.peek(now).is_some())
            .unwrap_or_default()
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    pub(crate) fn discard(&self, generation: u64) -> bool {
        self.core.discard(&self.slot, generation)
    }

    pub(crate) fn current(&mut self) -> Option<&Token> {
        let now = self.core.clock.now();
        let generation = self.slot.generation();
        if generation != self.generation || self.copy.is_none() {
            // Read after the number: what is newer than the number is looked at once more, and never kept for good.
            self.copy = self.slot.peek(now).map(|(token, _)| token);
            self.generation = generation;
        }
        match self.copy.as_ref()?.freshness(now) {
            Freshness::Fresh => {}
            Freshness::Due if self.slot.wants_refresh(now) => self.core.refresh(&self.slot, now),
            Freshness::Due => {}
            Freshness::Missing => self.copy = None,
        }
        if self.copy.is_some() {
            self.core.hit(self.slot.key().view());
        }
        self.copy.as_ref()
    }
}

impl<D> Clone for Held<D> {
    fn clone(&self) -> Self {
        Self {
            core: Arc::clone(&self.core),
            slot: Arc::clone(&self.slot),
            copy: self.copy.clone(),
            generation: self.generation,
        }
    }
}

impl<D> fmt::Debug for Held<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.slot.key();
        write!(f, "TokenSource({:?} in {:?})", key.target, key.tenant)
    }
}
