//! Revocations of the tokens and consents of one application.

use crate::config::App;
use crate::emulator::Emulator;
use crate::time::unix;

impl Emulator {
    /// Revokes the access tokens of one application or managed identity, by its name or client ID,
    /// in every tenant. See [`revoke_tokens`](Self::revoke_tokens).
    ///
    /// # Panics
    /// Panics if there is no such application, because a misspelt name would silently weaken a
    /// test.
    pub fn revoke_tokens_of(&self, app: &str) {
        let client_id = &self.app_named(app).client_id;
        self.state
            .revocations
            .revoke(Some(client_id), unix(self.state.clock.now()));
    }

    /// Removes an application, by its name or client ID, from a tenant (GUID or domain), like an
    /// administrator who deletes it there.
    ///
    /// From now on, token requests are rejected with AADSTS700016, and APIs reject the tokens that
    /// the application received in that tenant. Microsoft's APIs would accept some of them until
    /// they expire. A new consent adds the application again.
    ///
    /// # Panics
    /// Panics if there is no such application or tenant.
    pub fn revoke_consent(&self, app: &str, tenant: &str) {
        self.state.withdraw(self.app_named(app), self.tenant_named(tenant));
    }

    fn app_named(&self, name: &str) -> &App {
        match self.state.directory.client_named(name) {
            Some(app) => app,
            None => panic!("no application or managed identity has the name or the client ID {name:?}"),
        }
    }
}
