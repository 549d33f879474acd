//! The blocking methods of [`ConsentFlow`].

use entra_proto::authorize::Redirect;

use super::ConsentFlow;
use crate::consent::{Consent, PendingConsent};
use crate::error::Error;
use crate::flow::{ConsentEffect, TurnLimit};
use crate::sign_in::SignIn;

/// The blocking methods.
impl ConsentFlow {
    /// Completes the consent with the redirect: see
    /// [`ConsentFlow::finish`](crate::ConsentFlow::finish).
    ///
    /// # Errors
    /// As for [`ConsentFlow::finish`](crate::ConsentFlow::finish).
    pub fn finish(&self, pending: &PendingConsent, redirect: &Redirect) -> Result<Consent, Error> {
        let application = self.client.application_here()?;
        let mut effect = ConsentEffect::start(&self.client, &application, pending, redirect);
        let mut limit = TurnLimit::default();
        loop {
            limit.count(effect.name());
            effect = match effect {
                ConsentEffect::Redeem(redeem) => {
                    let outcome = self.client.redeem(redeem.request());
                    redeem.done(outcome)
                }
                ConsentEffect::Prove(prove) => {
                    let outcome = prove.client().app_only(prove.target());
                    prove.done(outcome)
                }
                ConsentEffect::Done(outcome) => return outcome,
            }
        }
    }

    /// Completes the sign-in of a user: see
    /// [`ConsentFlow::finish_sign_in`](crate::ConsentFlow::finish_sign_in).
    ///
    /// # Errors
    /// As for [`ConsentFlow::finish_sign_in`](crate::ConsentFlow::finish_sign_in).
    pub fn finish_sign_in(&self, pending: &PendingConsent, redirect: &Redirect) -> Result<SignIn, Error> {
        let request = pending.take_code(&self.client.application_here()?, redirect)?;
        self.client.redeem(request)
    }
}
