//! The grants of an application that take a single request to the token endpoint.

use crate::application::Application;
use crate::credential::ClientCredential;
use crate::error::hints::ADD_CREDENTIAL;
use crate::error::{Error, Input, InputError};
use crate::grant::Grant;
use crate::issued::{RefreshToken, UserAssertion};
use crate::target::Target;
use crate::token_request::TokenRequest;

impl Application {
    /// Creates a request with the client credentials grant (RFC 6749, section 4.4), for an app-only
    /// token.
    ///
    /// # Errors
    /// Returns an error if the service would reject the request: for a tenant such as `common`,
    /// which is not a specific one; for a public client; and for scopes that are not the
    /// `/.default` of one API.
    pub fn client_credentials(&self, target: impl Into<Target>) -> Result<TokenRequest, Error> {
        let target = target.into();
        if !self.authority.tenant().is_specific() {
            return Err(InputError::new(
                Input::Tenant,
                "does not name a specific tenant, which an app-only token requires",
            )
            .value(&self.authority.tenant().to_string())
            .with_hint("write the tenant's ID or domain, such as contoso.onmicrosoft.com")
            .into());
        }
        if matches!(self.credential, ClientCredential::Public) {
            return Err(InputError::new(
                Input::Credential,
                "is missing, and the client credentials grant requires one",
            )
            .with_hint(ADD_CREDENTIAL)
            .into());
        }
        target.check_for_daemon()?;
        TokenRequest::of(self.clone(), Grant::ClientCredentials { fmi_path: None }, target)
    }

    /// Creates a request with a refresh token (RFC 6749, section 6), for a user who signed in
    /// before and any API that the user or an administrator consented to. On v2 it also requests
    /// the scopes of OpenID Connect, so that the response contains a new refresh token.
    ///
    /// # Errors
    /// Returns an error if the target cannot be requested: `/.default` together with single
    /// permissions, or more than one API.
    pub fn refresh(&self, token: RefreshToken, target: impl Into<Target>) -> Result<TokenRequest, Error> {
        let target = target.into();
        target.check_one_api()?;
        TokenRequest::of(self.clone(), Grant::RefreshToken(token), target)
    }

    /// Creates a request with the on-behalf-of grant: a token for another API, for the user who
    /// called this application's API with `assertion`. Use the tenant of that user, the `tid` of
    /// the assertion.
    ///
    /// # Errors
    /// Returns an error if the target cannot be requested: `/.default` together with single
    /// permissions, or more than one API. Returns an error for a public client, which has no API.
    pub fn on_behalf_of(&self, assertion: UserAssertion, target: impl Into<Target>) -> Result<TokenRequest, Error> {
        if matches!(self.credential, ClientCredential::Public) {
            return Err(
                InputError::new(Input::Credential, "is missing, and the on-behalf-of grant requires one")
                    .with_hint(ADD_CREDENTIAL)
                    .into(),
            );
        }
        let target = target.into();
        target.check_one_api()?;
        TokenRequest::of(self.clone(), Grant::OnBehalfOf(assertion), target)
    }
}
