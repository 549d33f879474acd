use entra_proto::{AuthorizeRequest, Redirect, RedirectUri, Target, Tenant};

use super::Client;
use crate::consent::{Consent, PendingConsent, Taken, Way, is_no_answer, lacks_delegated_permission, unproved};
use crate::error::Error;
use crate::sign_in::SignIn;

/// The way by which a tenant's administrator lets an application in: see [`ConsentFlow`](crate::ConsentFlow).
#[derive(Clone, Debug)]
pub struct ConsentFlow {
    client: Client,
    way: Way,
}

impl ConsentFlow {
    /// Through the authorize endpoint: see [`ConsentFlow::new`](crate::ConsentFlow::new).
    ///
    /// # Errors
    /// Where the client's tenant makes no authority.
    pub fn new(client: &Client, target: Target, redirect_uri: RedirectUri) -> Result<Self, Error> {
        Ok(Self {
            way: Way::authorize(&client.application_here()?, target, redirect_uri),
            client: client.clone(),
        })
    }

    /// Through the admin-consent page: see [`ConsentFlow::admin_page`](crate::ConsentFlow::admin_page).
    ///
    /// # Errors
    /// Where the client's tenant makes no authority.
    pub fn admin_page(client: &Client, target: Target, redirect_uri: RedirectUri) -> Result<Self, Error> {
        Ok(Self {
            way: Way::admin_page(&client.application_here()?, target, redirect_uri),
            client: client.clone(),
        })
    }

    /// The same way, its authorize request changed: see [`ConsentFlow::with`](crate::ConsentFlow::with).
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(AuthorizeRequest) -> AuthorizeRequest) -> Self {
        self.way = self.way.with(change);
        self
    }

    /// The URL to send the browser to, and what must be kept: see [`ConsentFlow::start`](crate::ConsentFlow::start).
    ///
    /// # Errors
    /// As for [`ConsentFlow::start`](crate::ConsentFlow::start).
    pub fn start(&self) -> Result<(String, PendingConsent), Error> {
        self.way.start(self.client.random())
    }

    /// Completes the consent with the redirect: see [`ConsentFlow::finish`](crate::ConsentFlow::finish).
    ///
    /// # Errors
    /// As for [`ConsentFlow::finish`](crate::ConsentFlow::finish).
    pub fn finish(&self, pending: &PendingConsent, redirect: &Redirect) -> Result<Consent, Error> {
        let came = match pending.take(&self.client.application_here()?, redirect)? {
            Taken::Tenant(consent) => return Ok(self.client.consented(consent)),
            Taken::Code(came) => came,
        };
        let rejected = match self.client.redeem(came.request) {
            Ok(sign_in) => return self.connected(Consent::of(&sign_in), &sign_in, true),
            Err(error) if lacks_delegated_permission(&error) => error,
            Err(error) => return Err(error),
        };
        let consent = match (self.client.redeem(came.identity), came.told.tenant) {
            (Ok(sign_in), _) => self.connected(Consent::of_identity(&sign_in), &sign_in, false)?,
            (Err(error), _) if is_no_answer(&error) => return Err(error),
            (Err(_), Some(Tenant::Id(tenant))) => self.client.consented(Consent::told(tenant, None)?),
            (Err(_), Some(tenant)) => {
                self.client.expect_consent(&tenant);
                let token = self.client.tenant(tenant).app_only(&came.api);
                match token.as_ref().ok().and_then(Consent::of_token) {
                    Some(consent) => consent,
                    None => return Err(unproved(rejected, token.err())),
                }
            }
            (Err(_), None) => return Err(rejected),
        };
        if came.told.is_admin_consent {
            return Ok(consent);
        }
        match self.client.tenant(consent.tenant).roles(&came.api) {
            Ok(roles) if !roles.is_empty() => Ok(consent),
            roles => Err(unproved(rejected, roles.err())),
        }
    }

    /// Completes the sign-in of a user: see [`ConsentFlow::finish_sign_in`](crate::ConsentFlow::finish_sign_in).
    ///
    /// # Errors
    /// As for [`ConsentFlow::finish_sign_in`](crate::ConsentFlow::finish_sign_in).
    pub fn finish_sign_in(&self, pending: &PendingConsent, redirect: &Redirect) -> Result<SignIn, Error> {
        let request = pending.take_code(&self.client.application_here()?, redirect)?;
        self.client.redeem(request)
    }

    /// Takes note of a consent. What is cached of a user who has no further part in it is forgotten.
    fn connected(&self, consent: Result<Consent, Error>, sign_in: &SignIn, keep: bool) -> Result<Consent, Error> {
        if let Some(user) = sign_in.user.as_ref().filter(|_| !keep || consent.is_err()) {
            self.client.forget_user(user);
        }
        Ok(self.client.consented(consent?))
    }
}
