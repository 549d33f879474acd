use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use entra_client::{Error, Token, TokenSource};
use entra_proto::{Application, ClaimsRequest};
use http::HeaderMap;

use crate::challenge::{Wish, wish};
use crate::origins::Origins;

/// What all services of one layer share: where the token may go, and what the API has said of it.
pub(crate) struct Shared<T> {
    origins: Origins,
    /// Moves whenever the state gets another source, and under its lock only. Whose source is of this generation need not look.
    generation: AtomicU64,
    state: Mutex<State<T>>,
}

struct State<T> {
    /// Where tokens come from now: with the claims of the last challenge, where there was one.
    source: T,
    claims: Option<ClaimsRequest>,
    /// The one that the layer was made with.
    original: T,
    renewals: Pace,
    challenges: Pace,
}

/// Where tokens come from, and since when.
#[derive(Clone)]
pub(crate) struct Supply<T> {
    pub(crate) source: T,
    pub(crate) generation: u64,
}

/// Which token went along with a request: the generation of its source, and its number there.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    generation: u64,
    number: u64,
}

/// A source of tokens, async or blocking.
pub(crate) trait Source: Clone {
    fn current(&mut self) -> Option<&Token>;
    fn number(&self) -> u64;
    fn number_of(&self, token: &Token) -> Option<u64>;
    fn discard(&self, number: u64) -> bool;
    fn has(&self, claims: &ClaimsRequest) -> bool;
    fn with_claims(&self, claims: &ClaimsRequest) -> Result<Self, Error>;
    fn application(&self) -> &Application;
    /// By the monotonic clock.
    fn now(&self) -> Duration;
}

impl<T: Source> Shared<T> {
    pub(crate) fn new(source: T, origins: Origins) -> Self {
        Self {
            origins,
            generation: AtomicU64::new(0),
            state: Mutex::new(State {
                source: source.clone(),
                claims: None,
                original: source,
                renewals: Pace::of(1),
                challenges: Pace::of(CHALLENGES),
            }),
        }
    }

    pub(crate) fn origins(&self) -> &Origins {
        &self.origins
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The source of now.
    #[cold]
    pub(crate) fn supply(&self) -> Supply<T> {
        self.supply_of(&self.lock())
    }

    /// The API refused a token with this answer. Gives where to get another one, unless that would be refused as well, or it is too
    /// early to ask for it.
    #[cold]
    pub(crate) fn refused(&self, mark: Mark, answer: &HeaderMap) -> Option<Supply<T>> {
        let mut state = self.lock();
        if mark.generation != self.generation() {
            // Since then all have turned to other claims, and with those the API has not been asked yet.
            return Some(self.supply_of(&state));
        }
        let wish = wish(answer, state.original.application().authority().cloud());
        let has_claims = matches!(wish, Wish::Claims(_));
        let renewed = match wish {
            Wish::Impossible => false,
            Wish::Claims(claims) if state.claims.as_ref() != Some(&claims) => self.turn(&mut state, mark, claims),
            // Claims that the refused token was asked for with are no news.
            Wish::Claims(_) | Wish::Nothing => state.renew(mark),
        };
        tracing::debug!(has_claims, renewed, "the API refused the token");
        renewed.then(|| self.supply_of(&state))
    }

    /// The source of this generation had no token to give. Where the service refuses the claims of a challenge for good, they are
    /// forgotten: else no request would come as far as the API again.
    #[cold]
    pub(crate) fn failed(&self, generation: u64, error: &Error) {
        let mut state = self.lock();
        if generation == self.generation() && state.claims.is_some() && !error.is_retryable() {
            state.claims = None;
            state.source = state.original.clone();
            self.generation.fetch_add(1, Ordering::Release);
        }
    }

    /// Has all turn to tokens with these claims.
    fn turn(&self, state: &mut State<T>, mark: Mark, claims: ClaimsRequest) -> bool {
        // One that is there already costs nothing. A place for another is made only where it is its turn: claims are the API's to choose.
        if !state.original.has(&claims) && !state.challenges.admit(state.original.now()) {
            return false;
        }
        let Ok(source) = state.original.with_claims(&claims) else {
            return false;
        };
        state.source.discard(mark.number);
        state.source = source;
        state.claims = Some(claims);
        self.generation.fetch_add(1, Ordering::Release);
        true
    }

    fn supply_of(&self, state: &State<T>) -> Supply<T> {
        Supply {
            source: state.source.clone(),
            generation: self.generation(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Source> State<T> {
    /// Sees to it that there will be another token of the same kind.
    fn renew(&mut self, mark: Mark) -> bool {
        self.source.current();
        if self.source.number() != mark.number {
            // Somebody else had it renewed.
            return true;
        }
        let admitted = self.renewals.admit(self.source.now());
        if admitted {
            self.source.discard(mark.number);
        }
        admitted
    }
}

impl<T: Source> Supply<T> {
    /// A mark for the token that the source gave last.
    #[inline]
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            generation: self.generation,
            number: self.source.number(),
        }
    }
}

impl<T: Source> Supply<T> {
    /// A mark for a token that was waited for.
    fn mark_of(&self, token: &Token) -> Mark {
        Mark {
            generation: self.generation,
            // It may have been refused to somebody else before it got here.
            number: self.source.number_of(token).unwrap_or(GONE),
        }
    }
}

impl Supply<TokenSource> {
    /// The token, from the service where there is none.
    pub(crate) async fn fetch(mut self) -> Result<(Token, Mark), Error> {
        if let Some(token) = self.source.current().cloned() {
            return Ok((token, self.mark()));
        }
        let token = self.source.token().await?;
        let mark = self.mark_of(&token);
        Ok((token, mark))
    }
}

#[cfg(feature = "ureq")]
impl Supply<entra_client::blocking::TokenSource> {
    /// The token, from the service where there is none.
    pub(crate) fn fetch(mut self) -> Result<(Token, Mark), Error> {
        if let Some(token) = self.source.current().cloned() {
            return Ok((token, self.mark()));
        }
        let token = self.source.token()?;
        let mark = self.mark_of(&token);
        Ok((token, mark))
    }
}

/// Lets something happen so many times a minute.
struct Pace {
    most: u32,
    /// When the minute began, by the monotonic clock, and how often it has happened since.
    minute: Option<(Duration, u32)>,
}

impl Pace {
    fn of(most: u32) -> Self {
        Self { most, minute: None }
    }

    fn admit(&mut self, now: Duration) -> bool {
        let (begin, count) = match self.minute {
            Some((begin, count)) if now.saturating_sub(begin) < MINUTE => (begin, count),
            _ => (now, 0),
        };
        let admitted = count < self.most;
        self.minute = Some((begin, count + u32::from(admitted)));
        admitted
    }
}

/// Forwards to the methods of the same names.
macro_rules! source {
    ($source:ty) => {
        impl Source for $source {
            #[inline]
            fn current(&mut self) -> Option<&Token> {
                <$source>::current(self)
            }

            #[inline]
            fn number(&self) -> u64 {
                <$source>::generation(self)
            }

            fn number_of(&self, token: &Token) -> Option<u64> {
                <$source>::generation_of(self, token)
            }

            fn discard(&self, number: u64) -> bool {
                <$source>::discard(self, number)
            }

            fn has(&self, claims: &ClaimsRequest) -> bool {
                <$source>::has(self, claims)
            }

            fn with_claims(&self, claims: &ClaimsRequest) -> Result<Self, Error> {
                <$source>::with_claims(self, claims)
            }

            fn application(&self) -> &Application {
                <$source>::application(self)
            }

            fn now(&self) -> Duration {
                <$source>::now(self).monotonic
            }
        }
    };
}

source!(TokenSource);
#[cfg(feature = "ureq")]
source!(entra_client::blocking::TokenSource);

impl<T: Source + fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Shared")
            .field("source", &state.source)
            .field("claims", &state.claims)
            .field("origins", &self.origins)
            .finish()
    }
}

/// How many challenges a minute lead to the service: an administrator may revoke tokens twice in a row.
const CHALLENGES: u32 = 5;

/// The number of a token that is kept no more.
const GONE: u64 = u64::MAX;

const MINUTE: Duration = Duration::from_secs(60);
