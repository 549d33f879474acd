//! The sign-in of a user.

use crate::config::{App, Tenant, User};
use crate::seed::Generator;
use crate::state::authorization::SignIn;
use crate::state::store::Weigh;

/// One sign-in of a user to an app, as codes and refresh tokens remember it.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) client_id: String,
    pub(crate) tenant: String,
    pub(crate) user: String,
    /// Seconds since the epoch.
    pub(crate) signed_in: u64,
    pub(crate) nonce: Option<String>,
    /// Whether id tokens tell when that was.
    pub(crate) auth_time: bool,
}

impl Session {
    pub(crate) fn new(app: &App, tenant: &Tenant, user: &User, now: u64, sign_in: &SignIn) -> Self {
        Self {
            nonce: sign_in.nonce.clone(),
            auth_time: sign_in.auth_time,
            ..Self::plain(app, tenant, user, now)
        }
    }

    /// One without a browser request of its own.
    pub(crate) fn plain(app: &App, tenant: &Tenant, user: &User, now: u64) -> Self {
        Self {
            client_id: app.client_id.clone(),
            tenant: tenant.id.clone(),
            user: user.id.clone(),
            signed_in: now,
            nonce: None,
            auth_time: false,
        }
    }
}

impl Weigh for Session {
    fn weight(&self) -> usize {
        let texts = [&self.client_id, &self.tenant, &self.user];
        let nonce = self.nonce.as_ref().map_or(0, String::len);
        texts.into_iter().map(String::len).sum::<usize>() + nonce + size_of::<Self>()
    }
}

/// The user's name for one app: another one for each (pairwise).
pub(crate) fn subject(seed: u64, client_id: &str, user: &User) -> String {
    Generator::named(seed, &format!("subject {client_id} {}", user.id)).opaque(43)
}
