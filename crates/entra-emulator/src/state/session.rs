//! The sign-in of a user.

use crate::config::{App, Tenant, User};
use crate::seed::Generator;
use crate::state::authorization::SignIn;
use crate::state::store::Weigh;

/// One sign-in of a user to an app, as stored with codes and refresh tokens.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) client_id: String,
    pub(crate) tenant: String,
    pub(crate) user: String,
    /// The time of the sign-in, in seconds since the epoch.
    pub(crate) signed_in: u64,
    pub(crate) nonce: Option<String>,
    /// True if ID tokens contain the time of the sign-in.
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

    /// Returns a session that did not start with a browser request.
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

/// Returns the `sub` of a user for one app. It differs between apps (pairwise).
pub(crate) fn subject(seed: u64, client_id: &str, user: &User) -> String {
    Generator::named(seed, &format!("subject {client_id} {}", user.id)).opaque(43)
}
