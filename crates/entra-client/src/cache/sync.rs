//! The synchronization primitives of a slot: those of the standard library, or those of loom for
//! the model of a slot.

#[cfg(not(entra_loom))]
pub(super) use std::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(entra_loom))]
pub(super) use std::sync::{Mutex, MutexGuard};

#[cfg(entra_loom)]
pub(super) use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(entra_loom)]
pub(super) use loom::sync::{Mutex, MutexGuard};

/// Locks a mutex and ignores poisoning.
///
/// A thread that panics leaves consistent data behind: no critical section of the cache can panic
/// halfway through a change.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
