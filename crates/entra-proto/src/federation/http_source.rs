//! The assertions of any service that responds to a GET request.

use std::sync::Arc;

use http::header::HeaderName;
use http::{Method, Request, Response};

use super::endpoint::{Endpoint, SecretHeader};
use super::reply::{assertion_at, assertion_of_text, is_page, rejection, starts_as_page};
use crate::acquired::{AcquiredCredential, AssertionExchange};
use crate::body::Body;
use crate::credential::ClientCredential;
use crate::error::hints::FOREIGN_RESPONSE;
use crate::error::{Error, Input, InputError};
use crate::guid::Guid;
use crate::secret::ClientAssertion;
use crate::signer::SignerError;
use crate::time::Timestamp;

/// A service that issues an assertion in response to a GET request, as plain text or within JSON.
///
/// The address is `https`. Plain `http` is allowed to this machine and to addresses of the local
/// link, such as the metadata service of a cloud; no proxy is used for them.
///
/// ```
/// use entra_proto::federation::HttpSource;
///
/// // A virtual machine of Google Cloud.
/// let google = HttpSource::new(concat!(
///     "http://169.254.169.254/computeMetadata/v1/instance/service-accounts/",
///     "default/identity",
/// ))?
/// .with_audience_parameter("audience")
/// .with_header("Metadata-Flavor", "Google")?;
///
/// // Any CI system.
/// let ci = HttpSource::new("https://ci.example/job/4711/token")?
///     .with_header("Authorization", "Bearer job-token")?
///     .with_pointer("/data/0/jwt")?;
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct HttpSource {
    endpoint: Endpoint,
    name: Arc<str>,
    audience_parameter: Option<Arc<str>>,
    audience: Option<Arc<str>>,
    header: Option<SecretHeader>,
    pointer: Option<Arc<str>>,
}

impl HttpSource {
    /// Creates a source whose response is the assertion as plain text.
    ///
    /// # Errors
    /// Returns an error if the URL is neither `https` nor local.
    pub fn new(url: &str) -> Result<Self, Error> {
        let endpoint = Endpoint::parse("URL of the assertions", url)?;
        Ok(Self {
            name: format!("the assertions of {}", endpoint.host()).into(),
            endpoint,
            audience_parameter: None,
            audience: None,
            header: None,
            pointer: None,
        })
    }

    /// Sends the audience in a query parameter of this name.
    #[must_use]
    pub fn with_audience_parameter(mut self, name: &str) -> Self {
        self.audience_parameter = Some(name.into());
        self
    }

    /// Sets the audience of the assertions, in place of the
    /// [audience of the application's cloud](crate::Cloud::token_exchange_audience).
    #[must_use]
    pub fn with_audience(mut self, audience: &str) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// Sends this header. Its value may be a secret and is never shown.
    ///
    /// # Errors
    /// Returns an error if the name is not that of a header, or is one that belongs to the
    /// connection, or if the value has control characters.
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self, Error> {
        let invalid = |problem: &'static str| InputError::new(Input::Other("name of the header"), problem);
        let name: HeaderName = name.parse().map_err(|_| invalid("is not that of an HTTP header"))?;
        if OF_CONNECTION.contains(&name.as_str()) {
            return Err(invalid("is that of a header that belongs to the connection").into());
        }
        self.header = Some(SecretHeader::new(name, "value of the header", value.to_owned())?);
        Ok(self)
    }

    /// Reads the assertion from the member of the JSON response that this pointer names, such as
    /// `/value` (RFC 6901).
    ///
    /// # Errors
    /// Returns an error if the pointer is neither empty nor begins with `/`, or if it has control
    /// characters or more than 200 bytes.
    pub fn with_pointer(mut self, pointer: &str) -> Result<Self, Error> {
        let is_pointer = pointer.is_empty() || pointer.starts_with('/');
        if !is_pointer || pointer.len() > 200 || pointer.chars().any(char::is_control) {
            let error = InputError::new(Input::Other("JSON pointer"), "does not begin with / or is too long");
            return Err(error.with_hint("write it as in /data/0/token").into());
        }
        self.pointer = Some(pointer.into());
        Ok(self)
    }
}

impl AssertionExchange for HttpSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn request(&self, audience: &str, _: Guid) -> Request<Body> {
        let audience = self.audience.as_deref().unwrap_or(audience);
        let parameter = self.audience_parameter.as_deref().map(|name| (name, audience));
        let mut request = match self.pointer {
            Some(_) => self.endpoint.get(parameter.as_slice()),
            None => self.endpoint.request(Method::GET, parameter.as_slice()),
        };
        if let Some(header) = &self.header {
            header.add_to(&mut request);
        }
        request
    }

    fn decode(&self, response: &Response<Body>, now: Timestamp) -> Result<ClientAssertion, Error> {
        if !response.status().is_success() {
            return Err(rejection(response)
                .with_hint("check the URL of the assertions, its header, and that the workload has an identity there")
                .into());
        }
        // Google's metadata server declares plain text as HTML.
        let is_text = self.pointer.is_none() && !starts_as_page(response);
        if !is_text && is_page(response) {
            return Err(SignerError::new("the response is a web page")
                .with_hint(FOREIGN_RESPONSE)
                .into());
        }
        match &self.pointer {
            Some(pointer) => assertion_at(pointer, response.body(), now),
            None => assertion_of_text(response.body(), now),
        }
    }
}

impl From<HttpSource> for ClientCredential {
    fn from(source: HttpSource) -> Self {
        AcquiredCredential::of_exchange(source).into()
    }
}

/// Headers that the HTTP client sets itself.
const OF_CONNECTION: [&str; 8] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
