//! Where tokens are kept: a bounded map of slots, and in each slot one token, one flight at most, and the last failure.

mod cell;
mod flight;
mod key;
mod lead;
mod ledger;
mod slot;
mod slots;
mod state;
mod sync;

#[cfg(all(test, entra_loom))]
mod model;

pub(crate) use flight::Waiter;
pub(crate) use key::{Key, KeyRef};
pub(crate) use lead::{Landing, Lead};
pub(crate) use slot::{Slot, Turn};
pub(crate) use slots::Slots;
