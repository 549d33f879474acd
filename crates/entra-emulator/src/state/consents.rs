//! What was consented to since the emulator was made, and what that gives together with the configuration.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Consents given by users and administrators. Bounded by what is configured: only known apps, tenants, users, APIs and
/// permissions get in.
#[derive(Debug, Default)]
pub(crate) struct Consents {
    state: Mutex<State>,
    pub(super) changes: AtomicU64,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// Where apps have a service principal: client id, tenant.
    pub(super) present: BTreeSet<(String, String)>,
    /// Where the service principal was removed, and no consent has come since: client id, tenant.
    pub(super) withdrawn: BTreeSet<(String, String)>,
    /// Client id, tenant, API's app id, role.
    pub(super) roles: BTreeSet<[String; 4]>,
    /// Client id, tenant, API's app id, scope, and the user's object id or nothing for all users.
    pub(super) scopes: BTreeSet<[String; 5]>,
}

/// One permission as it is asked for on a page.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Asked {
    /// The API's app id.
    pub(crate) api: String,
    /// The role or the scope.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Only an administrator may grant it.
    pub(crate) admin_only: bool,
}

/// In whose name a permission is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A user's.
    Delegated,
    /// The app's own.
    Application,
}

/// How a permission was granted in a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Granted {
    No,
    /// By so many users, each for themselves.
    ByUsers(usize),
    /// To the app, or for all users.
    ForAll,
}

impl Consents {
    /// Forgets every consent.
    pub(crate) fn clear(&self) {
        *self.state() = State::default();
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// How often anything changed.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    pub(super) fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

pub(super) const ALL_USERS: &str = "";
