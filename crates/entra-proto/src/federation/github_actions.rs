//! The assertions that GitHub Actions issues for a job.

use std::ffi::OsString;
use std::sync::Arc;

use http::{Request, Response, StatusCode};

use super::endpoint::{Endpoint, SecretHeader};
use super::reply::{assertion_at, rejection};
use super::variables;
use crate::acquired::{AcquiredCredential, AssertionExchange};
use crate::body::Body;
use crate::credential::ClientCredential;
use crate::environment::{self, EnvironmentError};
use crate::error::Error;
use crate::guid::Guid;
use crate::secret::ClientAssertion;
use crate::time::Timestamp;

/// The service of GitHub Actions that issues assertions for a job.
///
/// The job needs the permission `id-token: write`. Its assertions are valid for about five minutes,
/// so each token request gets a new one.
///
/// ```
/// use entra_proto::federation::GitHubActions;
/// use entra_proto::{Application, Authority};
///
/// # let lookup = |name: &str| Some(match name {
/// #     GitHubActions::REQUEST_URL => "https://vstoken.example/_apis/idtoken?v=2",
/// #     _ => "request-token",
/// # }.into());
/// // In a program: GitHubActions::read(|name| std::env::var_os(name))
/// let github = GitHubActions::read(lookup)?;
/// let authority: Authority =
///     "https://login.microsoftonline.com/contoso.com".parse()?;
/// let client_id = "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?;
/// let app = Application::new(authority, client_id, github);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct GitHubActions {
    endpoint: Endpoint,
    authorization: SecretHeader,
    audience: Option<Arc<str>>,
}

impl GitHubActions {
    /// The variable with the URL of the service.
    pub const REQUEST_URL: &str = variables::GITHUB_REQUEST_URL;
    /// The variable with the token that authenticates the job to the service.
    pub const REQUEST_TOKEN: &str = variables::GITHUB_REQUEST_TOKEN;

    /// Creates the service at this URL, for the job that this token authenticates.
    ///
    /// # Errors
    /// Returns an error if the URL is neither `https` nor on this machine, or if the token is not
    /// visible ASCII.
    pub fn new(request_url: &str, request_token: &str) -> Result<Self, Error> {
        Ok(Self {
            endpoint: Endpoint::parse("request URL", request_url)?,
            authorization: SecretHeader::bearer("request token", request_token)?,
            audience: None,
        })
    }

    /// Reads the variables with `lookup`, which returns the value of a variable.
    ///
    /// # Errors
    /// Returns an error if a variable is not set or invalid. Both are unset outside of GitHub
    /// Actions, and in jobs without the permission.
    pub fn read(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, EnvironmentError> {
        let url = environment::required_text(&lookup, Self::REQUEST_URL)?;
        let token = environment::required_text(&lookup, Self::REQUEST_TOKEN)?;
        let invalid = EnvironmentError::invalid;
        Ok(Self {
            endpoint: Endpoint::parse("value", &url).map_err(|error| invalid(Self::REQUEST_URL, error))?,
            authorization: SecretHeader::bearer("value", &token)
                .map_err(|error| invalid(Self::REQUEST_TOKEN, error))?,
            audience: None,
        })
    }

    /// Sets the audience of the assertions, in place of the
    /// [audience of the application's cloud](crate::Cloud::token_exchange_audience).
    #[must_use]
    pub fn with_audience(mut self, audience: &str) -> Self {
        self.audience = Some(audience.into());
        self
    }
}

impl AssertionExchange for GitHubActions {
    fn name(&self) -> &str {
        "GitHub Actions"
    }

    fn request(&self, audience: &str, _: Guid) -> Request<Body> {
        let audience = self.audience.as_deref().unwrap_or(audience);
        let mut request = self.endpoint.get(&[("audience", audience)]);
        self.authorization.add_to(&mut request);
        request
    }

    fn decode(&self, response: &Response<Body>, now: Timestamp) -> Result<ClientAssertion, Error> {
        match response.status() {
            status if status.is_success() => assertion_at("/value", response.body(), now),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(rejection(response)
                .with_hint("the request token is valid while its job runs: start the program within the job, and give the job the permission id-token: write")
                .into()),
            _ => Err(rejection(response).into()),
        }
    }
}

impl From<GitHubActions> for ClientCredential {
    fn from(source: GitHubActions) -> Self {
        AcquiredCredential::of_exchange(source).into()
    }
}
