//! The assertions that Azure Pipelines issues for a job.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::sync::Arc;

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};

use super::endpoint::{Endpoint, SecretHeader};
use super::reply::{assertion_at, is_page};
use super::variables::{self, MAP_TOKEN};
use crate::acquired::{AcquiredCredential, AssertionExchange};
use crate::body::Body;
use crate::client_id::ClientId;
use crate::credential::ClientCredential;
use crate::environment::{self, EnvironmentError};
use crate::error::Error;
use crate::guid::Guid;
use crate::secret::ClientAssertion;
use crate::signer::SignerError;
use crate::tenant::Tenant;
use crate::time::Timestamp;

/// The service of Azure Pipelines that issues assertions for a job, by a service connection.
///
/// The step must map the access token of the job into its environment, and a task of the same stage
/// must name the service connection. The service determines the audience of the assertions.
///
/// ```
/// use entra_proto::federation::AzurePipelines;
///
/// # let lookup = |name: &str| Some(match name {
/// #     AzurePipelines::REQUEST_URI => "https://dev.azure.com/o/_apis/oidctoken",
/// #     AzurePipelines::ACCESS_TOKEN => "access-token",
/// #     _ => "11111111-2222-3333-4444-555555555555",
/// # }.into());
/// // In a program: |name: &str| std::env::var_os(name)
/// let pipeline = AzurePipelines::read(&lookup)?;
/// let (tenant, client_id) = AzurePipelines::application(&lookup)?;
/// # Ok::<(), entra_proto::environment::EnvironmentError>(())
/// ```
#[derive(Clone, Debug)]
pub struct AzurePipelines {
    endpoint: Endpoint,
    authorization: SecretHeader,
    service_connection: Arc<str>,
    name: Arc<str>,
}

impl AzurePipelines {
    /// The variable with the URI of the service.
    pub const REQUEST_URI: &str = variables::PIPELINES_REQUEST_URI;
    /// The variable with the access token of the job. Each step has to map it:
    /// `env: { SYSTEM_ACCESSTOKEN: $(System.AccessToken) }`.
    pub const ACCESS_TOKEN: &str = variables::PIPELINES_ACCESS_TOKEN;
    /// The variable with the ID of the service connection, which the tasks `AzureCLI` and
    /// `AzurePowerShell` set.
    pub const SERVICE_CONNECTION_ID: &str = variables::PIPELINES_SERVICE_CONNECTION_ID;
    /// The variable with the tenant of the service connection, which the same tasks set.
    pub const TENANT_ID: &str = "AZURESUBSCRIPTION_TENANT_ID";
    /// The variable with the client ID of the service connection, which the same tasks set.
    pub const CLIENT_ID: &str = "AZURESUBSCRIPTION_CLIENT_ID";

    /// Creates the service at this URI, for this service connection and the job that this token
    /// authenticates.
    ///
    /// # Errors
    /// Returns an error if the URI is neither `https` nor on this machine, or if the token is not
    /// visible ASCII.
    pub fn new(request_uri: &str, service_connection: Guid, access_token: &str) -> Result<Self, Error> {
        Ok(Self::of(
            Endpoint::parse("request URI", request_uri)?,
            service_connection,
            SecretHeader::bearer("access token", access_token)?,
        ))
    }

    /// Reads the variables with `lookup`, which returns the value of a variable.
    ///
    /// # Errors
    /// Returns an error if a variable is not set or invalid.
    pub fn read(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, EnvironmentError> {
        Self::read_with(None, &lookup)
    }

    /// Reads the variables with `lookup`, except that of the service connection.
    ///
    /// # Errors
    /// Returns an error if a variable is not set or invalid.
    pub fn read_for(
        service_connection: Guid,
        lookup: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, EnvironmentError> {
        Self::read_with(Some(service_connection), &lookup)
    }

    /// Reads the tenant and the client ID of the application: from `AZURE_TENANT_ID` and
    /// `AZURE_CLIENT_ID` or, where these are not set, from the variables of the service connection.
    ///
    /// # Errors
    /// Returns an error if neither variable is set, or if a value is invalid.
    pub fn application(lookup: impl Fn(&str) -> Option<OsString>) -> Result<(Tenant, ClientId), EnvironmentError> {
        let lookup = &lookup;
        let first = |own: &'static str, of_connection: &'static str| {
            let is_set = |name: &str| lookup(name).is_some_and(|value| !value.is_empty());
            if !is_set(own) && is_set(of_connection) {
                of_connection
            } else {
                own
            }
        };
        Ok((
            environment::required(lookup, first(environment::TENANT_ID, Self::TENANT_ID))?,
            environment::required(lookup, first(environment::CLIENT_ID, Self::CLIENT_ID))?,
        ))
    }

    fn read_with(
        service_connection: Option<Guid>,
        lookup: &impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, EnvironmentError> {
        let invalid = EnvironmentError::invalid;
        let uri = environment::required_text(lookup, Self::REQUEST_URI)?;
        let endpoint = Endpoint::parse("value", &uri).map_err(|error| invalid(Self::REQUEST_URI, error))?;
        let token = environment::required_text(lookup, Self::ACCESS_TOKEN)?;
        let authorization =
            SecretHeader::bearer("value", &token).map_err(|error| invalid(Self::ACCESS_TOKEN, error))?;
        let service_connection = match service_connection {
            Some(id) => id,
            None => environment::required(lookup, Self::SERVICE_CONNECTION_ID)?,
        };
        Ok(Self::of(endpoint, service_connection, authorization))
    }

    fn of(endpoint: Endpoint, service_connection: Guid, authorization: SecretHeader) -> Self {
        Self {
            endpoint,
            authorization,
            service_connection: service_connection.to_string().into(),
            name: format!("Azure Pipelines, service connection {service_connection}").into(),
        }
    }
}

impl AssertionExchange for AzurePipelines {
    fn name(&self) -> &str {
        &self.name
    }

    fn request(&self, _: &str, _: Guid) -> Request<Body> {
        let parameters = [
            ("api-version", "7.1"),
            ("serviceConnectionId", &*self.service_connection),
        ];
        let mut request = self.endpoint.request(Method::POST, &parameters);
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(NO_SIGN_IN_PAGE, HeaderValue::from_static("Suppress"));
        self.authorization.add_to(&mut request);
        request
    }

    fn decode(&self, response: &Response<Body>, now: Timestamp) -> Result<ClientAssertion, Error> {
        let status = response.status();
        let is_rejected_token =
            status == StatusCode::UNAUTHORIZED || status == StatusCode::NON_AUTHORITATIVE_INFORMATION;
        let error = if is_page(response) {
            SignerError::new(format!(
                "the response with the status {} is a web page",
                status.as_u16()
            ))
        } else if is_rejected_token || !status.is_success() {
            SignerError::new(format!(
                "the response has the status {}{}",
                status.as_u16(),
                traces(response)
            ))
        } else {
            return assertion_at("/oidcToken", response.body(), now);
        };
        let hint = match status {
            _ if is_rejected_token || is_page(response) => MAP_TOKEN,
            StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => NAME_CONNECTION,
            _ => return Err(error.into()),
        };
        Err(error.with_hint(hint).into())
    }

    fn redirect_hint(&self) -> Option<&str> {
        Some(MAP_TOKEN)
    }
}

impl From<AzurePipelines> for ClientCredential {
    fn from(source: AzurePipelines) -> Self {
        AcquiredCredential::of_exchange(source).into()
    }
}

/// Returns the identifiers of a response that Microsoft's support asks for, in parentheses.
fn traces(response: &Response<Body>) -> String {
    let mut traces = String::new();
    for name in ["x-vss-e2eid", "x-msedge-ref"] {
        let value = response.headers().get(name).and_then(|value| value.to_str().ok());
        if let Some(value) = value.filter(|value| is_trace(value)) {
            let separator = if traces.is_empty() { " (" } else { ", " };
            // Writing to a String cannot fail.
            let _ = write!(traces, "{separator}{name}: {value}");
        }
    }
    if !traces.is_empty() {
        traces.push(')');
    }
    traces
}

/// Returns whether a text has the form of an identifier: a GUID, or `Ref A: ... Ref B: ...`. An
/// access token has not, because its words are longer.
fn is_trace(text: &str) -> bool {
    let is_short = |word: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'-' | b'.');
        word.len() <= 32 && word.bytes().all(is_plain)
    };
    text.parse::<Guid>().is_ok() || (text.starts_with("Ref A: ") && text.len() <= 160 && text.split(' ').all(is_short))
}

/// Asks for an error response in place of a redirect to the sign-in page.
const NO_SIGN_IN_PAGE: HeaderName = HeaderName::from_static("x-tfs-fedauthredirect");

const NAME_CONNECTION: &str = "check the ID of the service connection; a task of the same stage must name the connection, as its input azureSubscription or connectedServiceName does";
