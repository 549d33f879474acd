//! The primitives of the slot: the standard library's, or loom's where a model explores every interleaving of them.

#[cfg(not(entra_loom))]
pub(super) use std::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(entra_loom))]
pub(super) use std::sync::{Mutex, MutexGuard};

#[cfg(entra_loom)]
pub(super) use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(entra_loom)]
pub(super) use loom::sync::{Mutex, MutexGuard};

/// What a thread that panicked left behind is whole: in no critical section here does anything lie between two halves of a change that
/// could panic.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
