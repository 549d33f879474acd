use entra_proto::{AuthorizeRequest, Redirect, RedirectUri, Target};

use super::Client;
use crate::consent::{Consent, PendingConsent, Taken, Way};
use crate::error::Error;

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
        self.way.start(self.client.request_ids())
    }

    /// Takes what came back, and gets the tokens where there is a code: see [`ConsentFlow::finish`](crate::ConsentFlow::finish).
    ///
    /// # Errors
    /// As for [`ConsentFlow::finish`](crate::ConsentFlow::finish).
    pub fn finish(&self, pending: &PendingConsent, redirect: &Redirect) -> Result<Consent, Error> {
        match pending.take(&self.client.application_here()?, redirect)? {
            Taken::Tenant(tenant) => Ok(self.client.consented(Consent { tenant, sign_in: None })),
            Taken::Code(request) => {
                let sign_in = self.client.redeem(*request)?;
                Ok(self.client.consented(Consent::of(sign_in)))
            }
        }
    }
}
