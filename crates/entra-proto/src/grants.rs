//! The grants of an application that are one request to the token endpoint.

use crate::application::Application;
use crate::credential::ClientCredential;
use crate::error::{Error, Input, InputError};
use crate::grant::Grant;
use crate::issued::{RefreshToken, UserAssertion};
use crate::target::Target;
use crate::token_request::TokenRequest;

impl Application {
    /// A request with the client credentials grant (RFC 6749, section 4.4): a token for the application itself.
    ///
    /// # Errors
    /// Where the service would refuse it: a tenant such as `common`, which names nobody in particular; scopes that are not one
    /// API's `/.default`.
    pub fn client_credentials(&self, target: impl Into<Target>) -> Result<TokenRequest, Error> {
        let target = target.into();
        if !self.authority.tenant().is_specific() {
            return Err(InputError::new(
                Input::Tenant,
                "is not a particular tenant, and an app-only token belongs to one",
            )
            .value(&self.authority.tenant().to_string())
            .with_hint("write the tenant's id or domain, such as contoso.onmicrosoft.com")
            .into());
        }
        if matches!(self.credential, ClientCredential::Public) {
            return Err(
                InputError::new(Input::Credential, "is missing, and a daemon has to prove who it is")
                    .with_hint("give the application a certificate or a client secret")
                    .into(),
            );
        }
        target.check_for_daemon()?;
        TokenRequest::of(self.clone(), Grant::ClientCredentials, target)
    }

    /// A request with a refresh token (RFC 6749, section 6): a token for a user who signed in before, for any API that he or his
    /// administrator consented to. On v2 OpenID Connect's scopes are asked for as well, so that a new refresh token comes along.
    ///
    /// # Errors
    /// For a target that cannot be asked for: `/.default` beside single permissions, more than one API.
    pub fn refresh(&self, token: RefreshToken, target: impl Into<Target>) -> Result<TokenRequest, Error> {
        let target = target.into();
        target.check_one_api()?;
        TokenRequest::of(self.clone(), Grant::RefreshToken(token), target)
    }

    /// A request with the on-behalf-of grant: a token for another API, for the user who called this application's API with
    /// `assertion`. Use the tenant of that user: the `tid` of the assertion.
    ///
    /// # Errors
    /// For a target that cannot be asked for: `/.default` beside single permissions, more than one API; and for a public client, which
    /// has no API.
    pub fn on_behalf_of(&self, assertion: UserAssertion, target: impl Into<Target>) -> Result<TokenRequest, Error> {
        if matches!(self.credential, ClientCredential::Public) {
            return Err(
                InputError::new(Input::Credential, "is missing, and an API has to prove who it is")
                    .with_hint("give the application a certificate or a client secret")
                    .into(),
            );
        }
        let target = target.into();
        target.check_one_api()?;
        TokenRequest::of(self.clone(), Grant::OnBehalfOf(assertion), target)
    }
}
