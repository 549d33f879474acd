//! The consents granted since the emulator was created.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use crate::state::lock::lock;

/// The consents of users and administrators. Only configured apps, tenants, users, APIs and
/// permissions are recorded, which bounds their number.
#[derive(Debug, Default)]
pub(crate) struct Consents {
    state: Mutex<State>,
    pub(super) changes: AtomicU64,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// The service principals created by consent: client ID and tenant.
    pub(super) present: BTreeSet<(String, String)>,
    /// The service principals removed since the last consent: client ID and tenant.
    pub(super) withdrawn: BTreeSet<(String, String)>,
    /// Granted application permissions: client ID, tenant, app ID of the API, and role.
    pub(super) roles: BTreeSet<[String; 4]>,
    /// Granted delegated permissions: client ID, tenant, app ID of the API, scope, and the user's
    /// object ID, which is empty for all users.
    pub(super) scopes: BTreeSet<[String; 5]>,
}

/// One requested permission, as a consent page shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RequestedPermission {
    /// The app ID of the API.
    pub(crate) api: String,
    /// The name of the role or the scope.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// True if only an administrator may grant it.
    pub(crate) admin_only: bool,
}

/// The kind of a permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A permission used on behalf of a user.
    Delegated,
    /// A permission used by the app itself.
    Application,
}

/// The extent to which a permission is granted in a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Granted {
    No,
    /// Granted by this many users, each for themselves.
    ByUsers(usize),
    /// Granted to the app, or for all users.
    ForAll,
}

impl Consents {
    /// Forgets every consent.
    pub(crate) fn clear(&self) {
        *self.state() = State::default();
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the number of changes so far.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

pub(super) const ALL_USERS: &str = "";
