//! The number of bytes that the slots of a client hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::key::Key;
use super::state::State;
use crate::token::Token;

/// The sum of the bytes of all slots of a client.
#[derive(Clone, Default)]
pub(super) struct TotalSize(Arc<AtomicUsize>);

/// The bytes of one slot, subtracted from the total when dropped.
///
/// This is an estimate: tokens, claims, targets, users and the texts of a cached error count with
/// their lengths, because other parties choose them; everything else counts as [`FIXED`].
pub(super) struct SlotSize {
    total: TotalSize,
    bytes: AtomicUsize,
}

impl TotalSize {
    pub(super) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Adds an empty slot.
    pub(super) fn add(&self, key: &Key) -> SlotSize {
        let bytes = size_of_key(key);
        self.0.fetch_add(bytes, Ordering::Relaxed);
        SlotSize {
            total: self.clone(),
            bytes: AtomicUsize::new(bytes),
        }
    }
}

impl SlotSize {
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Computes the size again. Call it only under the lock of the slot's state.
    pub(super) fn update(&self, key: &Key, token: Option<&Token>, state: &State) {
        let token = token.map_or(0, |token| token.expose().len());
        let failure = state.failure.as_ref().and_then(|failure| failure.error.service());
        let failure = failure.map_or(0, |error| {
            let texts = [&error.suberror, &error.claims, &error.trace_id, &error.error_uri];
            let texts = texts.into_iter().flatten().map(String::len).sum::<usize>();
            error.error.len() + error.description.len() + texts
        });
        let bytes = size_of_key(key) + token + failure;
        let before = self.bytes.swap(bytes, Ordering::Relaxed);
        self.total.0.fetch_add(bytes.wrapping_sub(before), Ordering::Relaxed);
    }
}

impl Drop for SlotSize {
    fn drop(&mut self) {
        self.total.0.fetch_sub(self.bytes(), Ordering::Relaxed);
    }
}

fn size_of_key(key: &Key) -> usize {
    let target = match &key.target {
        entra_proto::Target::Resource(resource) => resource.as_str().len(),
        entra_proto::Target::Scopes(scopes) => scopes.as_str().len(),
    };
    let claims = key.claims.as_ref().map_or(0, |claims| claims.as_str().len());
    FIXED + target + claims + key.subject.size()
}

/// The bytes of a slot and a token without their texts, and of their entries in the map.
const FIXED: usize = 512;
