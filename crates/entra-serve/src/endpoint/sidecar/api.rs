//! The settings of an API that programs call by the sidecar's routes.

use std::fmt;
use std::str::FromStr;

use entra_proto::{ClientId, Target, Tenant};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::header::{self, Problem};
use super::url::{BaseUrl, RelativePath};
use crate::error::SetupError;
use crate::identity::Choice;

/// An API that programs name in the sidecar's routes: its address, and the token that it requires.
///
/// It corresponds to an entry of `DownstreamApis` in the configuration of Microsoft's sidecar.
///
/// ```
/// use entra_serve::DownstreamApi;
///
/// let graph = DownstreamApi::new("Graph")
///     .with_base_url("https://graph.microsoft.com/v1.0")?
///     .with_relative_path("me")?
///     .with_scopes(["User.Read"])?;
/// # Ok::<(), entra_serve::SetupError>(())
/// ```
#[derive(Clone)]
pub struct DownstreamApi {
    name: String,
    pub(super) token: TokenSettings,
    pub(super) call: CallSettings,
}

/// The token that an API requires.
#[derive(Clone, Debug)]
pub(super) struct TokenSettings {
    pub(super) scopes: Option<ApiScopes>,
    /// True for a token without a user.
    pub(super) is_app_token: bool,
    pub(super) identity: Choice,
    pub(super) tenant: Option<Tenant>,
    /// The identity that the token vouches for.
    pub(super) fmi_path: Option<String>,
}

/// The scopes of an API.
#[derive(Clone, Debug)]
pub(super) struct ApiScopes {
    /// All of them, for a user's token.
    pub(super) all: Target,
    /// The first one, for a token without a user.
    pub(super) first: Target,
}

/// The request to an API.
#[derive(Clone)]
pub(super) struct CallSettings {
    pub(super) base_url: Option<BaseUrl>,
    pub(super) relative_path: RelativePath,
    pub(super) method: Method,
    pub(super) content_type: Option<HeaderValue>,
    pub(super) accept: Option<HeaderValue>,
    pub(super) headers: HeaderMap,
    pub(super) query: Vec<(String, String)>,
}

impl DownstreamApi {
    /// Creates an API with this name, which requests have in their path. It is called with `GET`,
    /// for the user who calls the program.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            token: TokenSettings {
                scopes: None,
                is_app_token: false,
                identity: Choice::Default,
                tenant: None,
                fmi_path: None,
            },
            call: CallSettings {
                base_url: None,
                relative_path: RelativePath::default(),
                method: Method::GET,
                content_type: None,
                accept: None,
                headers: HeaderMap::new(),
                query: Vec::new(),
            },
        }
    }

    /// Sets its address: an origin, and the beginning of the path. No request can change it. An API
    /// without one has tokens, but cannot be called by the server.
    ///
    /// # Errors
    /// Returns an error if it is not an `https` URL (or an `http` URL of this machine), or has a
    /// user, a query, a fragment or `..` in its path.
    pub fn with_base_url(mut self, url: &str) -> Result<Self, SetupError> {
        let url = BaseUrl::parse(url).map_err(|problem| self.error("base URL", &problem))?;
        self.call.base_url = Some(url);
        Ok(self)
    }

    /// Sets the rest of the path, with a query if it has one. The default is empty.
    ///
    /// # Errors
    /// Returns an error if it is not a path below the base URL.
    pub fn with_relative_path(mut self, path: &str) -> Result<Self, SetupError> {
        let path = RelativePath::parse(path).map_err(|problem| self.error("relative path", &problem))?;
        self.call.relative_path = path;
        Ok(self)
    }

    /// Sets the method of requests. The default is `GET`.
    ///
    /// # Errors
    /// Returns an error if it is not a method that APIs have.
    pub fn with_http_method(mut self, method: &str) -> Result<Self, SetupError> {
        let method = header::method(method).map_err(|problem| self.error("HTTP method", &problem))?;
        self.call.method = method;
        Ok(self)
    }

    /// Sets the scopes of tokens. An entry may be several scopes with spaces between them. A token
    /// without a user is for the first one, which then ends with `/.default`.
    ///
    /// # Errors
    /// Returns an error if there is no scope, or one is not valid.
    pub fn with_scopes(mut self, scopes: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, SetupError> {
        let scopes = ApiScopes::parse(scopes).map_err(|problem| self.error("list of scopes", &problem))?;
        self.token.scopes = Some(scopes);
        Ok(self)
    }

    /// Sets whether tokens are those of the application, even if a user calls the program. The
    /// default is false.
    #[must_use]
    pub fn with_request_app_token(mut self, request_app_token: bool) -> Self {
        self.token.is_app_token = request_app_token;
        self
    }

    /// Sets the tenant of tokens. The default is that of the identity.
    #[must_use]
    pub fn with_tenant(mut self, tenant: Tenant) -> Self {
        self.token.tenant = Some(tenant);
        self
    }

    /// Sets the identity of tokens by its name in [`Identities`](crate::Identities). The default is
    /// the first one of them.
    #[must_use]
    pub fn with_identity(mut self, name: impl Into<String>) -> Self {
        self.token.identity = Choice::Name(name.into());
        self
    }

    /// Sets the identity of tokens to the managed identity with this client ID, which is one of
    /// [`Identities`](crate::Identities). It has no users.
    #[must_use]
    pub fn with_managed_identity(mut self, client_id: ClientId) -> Self {
        self.token.identity = Choice::ClientId(client_id);
        self.token.is_app_token = true;
        self
    }

    /// Sets the identity that authenticates with the tokens (`fmi_path`): an agent identity by its
    /// client ID. Tokens are then those of the application, for the token exchange.
    #[must_use]
    pub fn with_fmi_path(mut self, path: impl Into<String>) -> Self {
        self.token.fmi_path = Some(path.into());
        self.token.is_app_token = true;
        self
    }

    /// Sets the `Accept` header of requests.
    ///
    /// # Errors
    /// Returns an error if it is not the value of a header.
    pub fn with_accept_header(mut self, accept: &str) -> Result<Self, SetupError> {
        let accept = header::value(accept).map_err(|problem| self.error("Accept header", &problem))?;
        self.call.accept = Some(accept);
        Ok(self)
    }

    /// Sets the `Content-Type` of requests with a body. The default is that of the program's
    /// request.
    ///
    /// # Errors
    /// Returns an error if it is not the value of a header.
    pub fn with_content_type(mut self, content_type: &str) -> Result<Self, SetupError> {
        let value = header::value(content_type).map_err(|problem| self.error("content type", &problem))?;
        self.call.content_type = Some(value);
        Ok(self)
    }

    /// Adds a header to requests, in place of an earlier one with this name.
    ///
    /// # Errors
    /// Returns an error if it is not a header, or one that the server itself or a proxy sets, such
    /// as `Authorization`, `Host` and `X-Forwarded-For`.
    pub fn with_extra_header(mut self, name: &str, value: &str) -> Result<Self, SetupError> {
        let (name, value) = extra_header(name, value).map_err(|problem| self.error("extra header", &problem))?;
        self.call.headers.insert(name, value);
        Ok(self)
    }

    /// Adds a parameter to the query of requests.
    #[must_use]
    pub fn with_extra_query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.call.query.push((name.into(), value.into()));
        self
    }

    /// Returns its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn error(&self, setting: &str, problem: &str) -> SetupError {
        SetupError::new(
            format!("the {setting} of the API {:?} is not valid: {problem}", self.name),
            "change the settings of the API",
        )
    }
}

/// Its query and headers are not shown: they may have keys in them.
impl fmt::Debug for DownstreamApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DownstreamApi")
            .field("name", &self.name)
            .field("base_url", &self.call.base_url)
            .field("method", &self.call.method)
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

impl ApiScopes {
    /// Reads scopes.
    ///
    /// # Errors
    /// Returns the problem with them.
    pub(super) fn parse(scopes: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, Problem> {
        let mut all = String::new();
        for scopes in scopes {
            all.push_str(scopes.as_ref());
            all.push(' ');
        }
        let target = |scopes: &str| Target::scopes(scopes).map_err(|error| Problem::from(error.to_string()));
        Ok(Self {
            first: target(all.split_whitespace().next().unwrap_or_default())?,
            all: target(&all)?,
        })
    }
}

/// Reads a header that is added to requests. Its value is not shown in logs.
///
/// # Errors
/// Returns the problem with it.
pub(super) fn extra_header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Problem> {
    let name = HeaderName::from_str(name).map_err(|_| "its name is not that of a header")?;
    if header::is_reserved(&name) {
        return Err(format!("{name} is not for settings or requests to set").into());
    }
    let mut value = header::value(value)?;
    value.set_sensitive(true);
    Ok((name, value))
}
