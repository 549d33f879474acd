//! What was handed out and waits to be redeemed. Bounded: the oldest gives way.

use std::sync::{Mutex, MutexGuard};

use crate::store::Store;
use crate::token::authorization_code::Code;
use crate::token::device::DeviceCode;
use crate::token::refresh::Refresh;

/// Codes, refresh tokens and device codes.
#[derive(Debug)]
pub(crate) struct Grants {
    codes: Mutex<Store<Code>>,
    refresh_tokens: Mutex<Store<Refresh>>,
    devices: Mutex<Store<DeviceCode>>,
}

impl Grants {
    /// Forgets all of them.
    pub(crate) fn clear(&self) {
        self.codes().clear();
        self.refresh_tokens().clear();
        self.devices().clear();
    }

    pub(crate) fn codes(&self) -> MutexGuard<'_, Store<Code>> {
        lock(&self.codes)
    }

    pub(crate) fn refresh_tokens(&self) -> MutexGuard<'_, Store<Refresh>> {
        lock(&self.refresh_tokens)
    }

    pub(crate) fn devices(&self) -> MutexGuard<'_, Store<DeviceCode>> {
        lock(&self.devices)
    }
}

impl Default for Grants {
    fn default() -> Self {
        Self {
            codes: Mutex::new(Store::new(MOST, MOST_BYTES)),
            refresh_tokens: Mutex::new(Store::new(MOST, MOST_BYTES)),
            devices: Mutex::new(Store::new(MOST_DEVICES, MOST_BYTES)),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

const MOST: usize = 10_000;
/// Of each kind: an app chooses the size of its nonce, and more.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// Fewer, because a typed code is looked for among all of them.
const MOST_DEVICES: usize = 1_000;
