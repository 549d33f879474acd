//! The grants that clients redeem: codes, refresh tokens and device codes. Their number is bounded:
//! the oldest are dropped first.

use std::sync::{Mutex, MutexGuard};
use std::time::SystemTime;

use crate::state::authorization::Challenge;
use crate::state::lock::lock;
use crate::state::scopes::Target;
use crate::state::session::Session;
use crate::state::store::{Store, Weigh};

/// The issued codes, refresh tokens and device codes.
#[derive(Debug)]
pub(crate) struct Grants {
    codes: Mutex<Store<Code>>,
    refresh_tokens: Mutex<Store<Refresh>>,
    devices: Mutex<Store<DeviceCode>>,
}

impl Grants {
    /// Removes all of them.
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

/// The authorization that a code represents.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub(crate) session: Session,
    pub(crate) redirect_uri: String,
    /// True if the authorization request named its redirect URI, so that the token request must
    /// repeat it.
    pub(crate) named_redirect: bool,
    pub(crate) challenge: Option<Challenge>,
    pub(crate) target: Target,
    pub(crate) expires: u64,
    pub(crate) is_redeemed: bool,
}

impl Weigh for Code {
    fn weight(&self) -> usize {
        // A challenge has at most 128 characters.
        self.session.weight() + self.redirect_uri.len() + self.target.weight() + size_of::<Self>() + 128
    }
}

/// The authorization that a refresh token represents.
#[derive(Clone, Debug)]
pub(crate) struct Refresh {
    pub(crate) session: Session,
    /// The target of the last token, used if a request names none.
    pub(crate) target: Target,
    pub(crate) expires: u64,
    /// Set by [`crate::Emulator::revoke_sessions_of`].
    pub(crate) is_revoked: bool,
}

impl Refresh {
    /// Revokes the token if it belongs to this user.
    pub(crate) fn revoke(&mut self, user: &str) {
        self.is_revoked |= self.session.user == user;
    }
}

impl Weigh for Refresh {
    fn weight(&self) -> usize {
        self.session.weight() + self.target.weight() + size_of::<Self>()
    }
}

/// One pending device authorization. Its `Debug` output hides the codes.
#[derive(Clone)]
pub(crate) struct DeviceCode {
    pub(crate) client_id: String,
    /// The tenant's GUID if the path named one.
    pub(crate) tenant: Option<String>,
    pub(crate) target: Target,
    pub(crate) user_code: String,
    pub(crate) expires: u64,
    /// The minimum number of seconds between two polls. It grows if a device polls too fast.
    pub(crate) interval: u64,
    pub(crate) polled: Option<SystemTime>,
    pub(crate) progress: Progress,
}

/// The progress of a device authorization: pending until a user approves or declines it.
#[derive(Clone)]
pub(crate) enum Progress {
    Pending,
    Approved(Box<Session>),
    Declined,
}

impl DeviceCode {
    /// Returns whether no user has approved or declined it yet.
    pub(crate) fn is_pending(&self) -> bool {
        matches!(self.progress, Progress::Pending)
    }
}

impl Weigh for DeviceCode {
    fn weight(&self) -> usize {
        // Includes the IDs and the session of the user who approves it.
        self.target.weight() + size_of::<Self>() + 512
    }
}

impl std::fmt::Debug for DeviceCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeviceCode")
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

const MOST: usize = 10_000;
/// The limit for each kind. An app chooses the size of its nonce and of other values.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// A lower limit, because each entered user code is compared with all of them.
const MOST_DEVICES: usize = 1_000;
