//! How many bytes the slots of a client hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::key::Key;
use super::state::State;
use crate::token::Token;
use crate::user::User;

/// The sum over all slots of a client.
#[derive(Clone, Default)]
pub(super) struct Ledger(Arc<AtomicUsize>);

/// The part of one slot, taken out again when that is dropped. An estimate: what the service and an API choose counts in full.
pub(super) struct Entered {
    ledger: Ledger,
    all: AtomicUsize,
}

impl Ledger {
    pub(super) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn enter(&self, key: &Key) -> Entered {
        let key = size_of_key(key);
        self.0.fetch_add(key, Ordering::Relaxed);
        Entered {
            ledger: self.clone(),
            all: AtomicUsize::new(key),
        }
    }
}

impl Entered {
    pub(super) fn bytes(&self) -> usize {
        self.all.load(Ordering::Relaxed)
    }

    /// Takes note of what the slot holds now. Under the lock of its state only.
    pub(super) fn change(&self, key: &Key, token: Option<&Token>, state: &State) {
        let token = token.map_or(0, |token| token.expose().len());
        let failure = state.setback.as_ref().and_then(|setback| setback.error.service());
        let failure = failure.map_or(0, |error| {
            let texts = [&error.suberror, &error.claims, &error.trace_id, &error.error_uri];
            let texts = texts.into_iter().flatten().map(String::len).sum::<usize>();
            error.error.len() + error.description.len() + texts
        });
        let all = size_of_key(key) + token + failure;
        let before = self.all.swap(all, Ordering::Relaxed);
        self.ledger.0.fetch_add(all.wrapping_sub(before), Ordering::Relaxed);
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.ledger.0.fetch_sub(self.bytes(), Ordering::Relaxed);
    }
}

fn size_of_key(key: &Key) -> usize {
    let target = match &key.target {
        entra_proto::Target::Resource(resource) => resource.as_str().len(),
        entra_proto::Target::Scopes(scopes) => scopes.as_str().len(),
    };
    let claims = key.claims.as_ref().map_or(0, |claims| claims.as_str().len());
    FIXED + target + claims + key.user.as_ref().map_or(0, User::size)
}

/// A slot and a token without their texts, and their places in the map.
const FIXED: usize = 512;
