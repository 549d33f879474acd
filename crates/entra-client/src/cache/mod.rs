//! The token cache: a bounded map of slots.
//!
//! A slot holds one token, its current flight and the last failure. The terms of this module:
//!
//! - **Flight**: an acquisition in progress, whose outcome all waiting callers of the slot share.
//! - **Event**: a rejection by an API, a recorded consent, or a call of `forget` or `clear`.
//! - **Stale**: a token or request from before the last event. A stale token is the last resort.
//! - **Superseded**: a flight that has not ended and is no longer the current one of its slot.
//! - **Distrusted**: the shared store, if it may hold a token from before an event.
//! - **Patience**: the time after which another flight may start beside the current one.
//! - **Watcher**: a party that waits for the next change of a slot.
//! - **Grace**: the time for which a caller with an unexpired token waits for a newer one.

mod cell;
mod flight;
mod flight_owner;
mod key;
mod map;
mod size;
mod slot;
mod slots;
mod state;
mod sync;
mod watcher;
mod watchers;

#[cfg(all(test, entra_loom))]
mod model;

pub(crate) use flight::{Flight, Waiter};
pub(crate) use flight_owner::{Completion, FlightOwner};
pub(crate) use key::{Key, KeyRef};
pub(crate) use slot::{JoinOutcome, Slot};
pub(crate) use slots::Slots;
pub(crate) use watcher::Watcher;
