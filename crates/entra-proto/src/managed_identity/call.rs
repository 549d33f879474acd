//! The HTTP request to each platform.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, Uri};
use zeroize::Zeroizing;

use crate::body::Body;
use crate::error::{ManagedIdentityError, Secrets};
use crate::form::{encode_form, encoded_len, push_parameter};
use crate::guid::Guid;
use crate::managed_identity::host::Platform;
use crate::managed_identity::request::ManagedIdentityRequest;
use crate::managed_identity::route::LocalRoute;
use crate::managed_identity::source::Source;
use crate::managed_identity::variables::{
    AZURE_POD_IDENTITY_AUTHORITY_HOST, DEFAULT_IDENTITY_CLIENT_ID, IDENTITY_API_VERSION, IDENTITY_ENDPOINT,
    IDENTITY_HEADER, IDENTITY_SERVER_THUMBPRINT, MSI_ENDPOINT, MSI_SECRET, Variables,
};
use crate::post::{CLIENT_SKU, CLIENT_VERSION, sensitive};

/// The request to one platform, made of the variables of one moment.
pub(super) struct Call {
    /// The URL without the parameters of the query.
    endpoint: Uri,
    /// The version of the protocol, if the parameters are in the query.
    version: Option<Cow<'static, str>>,
    /// The name and the value of the query parameter that names the identity.
    identity: Option<(&'static str, String)>,
    /// The headers without a secret.
    headers: &'static [(&'static str, &'static str)],
    /// The header with a secret.
    secret: Option<(&'static str, HeaderValue)>,
    route: LocalRoute,
    /// `true` if the request carries its ID and the name of this library.
    is_identified: bool,
    /// The advice if the platform rejects the identity.
    pub(super) hint: Option<&'static str>,
}

impl Call {
    /// Reads the host's variables and creates the request.
    pub(super) fn of(request: &ManagedIdentityRequest) -> Result<Self, ManagedIdentityError> {
        let source = request.source();
        let variables = Variables {
            host: request.managed().host(),
            source,
        };
        let draft = Draft {
            variables: &variables,
            request,
            identity: request.managed().parameter(source)?,
        };
        match source {
            Source::Imds => draft.imds(),
            Source::AppService => draft.app_service(),
            Source::MachineLearning => draft.machine_learning(),
            Source::CloudShell => draft.cloud_shell(),
            Source::Arc => draft.arc(),
            Source::ServiceFabric => draft.service_fabric(),
        }
    }

    /// Returns the request. `authorization` carries the key that a challenge names.
    pub(super) fn encode(
        &self,
        of: &ManagedIdentityRequest,
        request_id: Guid,
        authorization: Option<&HeaderValue>,
    ) -> Request<Body> {
        let body = match self.version {
            None => encode_form(&[Some(("resource", of.resource()))]),
            Some(_) => Body::default(),
        };
        let mut request = Request::new(body);
        if self.version.is_none() {
            *request.method_mut() = Method::POST;
        }
        *request.uri_mut() = self.uri(of);
        let headers = request.headers_mut();
        // Without a reallocation.
        headers.reserve(8);
        for (name, value) in self.headers {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        if let Some((name, value)) = &self.secret {
            headers.insert(HeaderName::from_static(name), value.clone());
        }
        if let Some(value) = authorization {
            headers.insert(AUTHORIZATION, value.clone());
        }
        if self.is_identified {
            if let Ok(id) = HeaderValue::from_bytes(&request_id.to_ascii()) {
                headers.insert(REQUEST_ID, id);
            }
            for (name, value) in [CLIENT_SKU, CLIENT_VERSION] {
                headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
        }
        request.extensions_mut().insert(self.route.clone());
        request
    }

    /// Returns the request that only shows whether the platform exists: it has no header, so that
    /// the platform rejects it.
    pub(super) fn probe(&self, of: &ManagedIdentityRequest) -> Request<Body> {
        let mut request = Request::new(Body::default());
        *request.uri_mut() = self.uri(of);
        // Some networks accept a connection to any address and then send nothing.
        request
            .extensions_mut()
            .insert(self.route.clone().with_timeout(PROBE_TIMEOUT));
        request
    }

    /// Returns the secrets of the request, which no error shows.
    pub(super) fn secrets(&self, authorization: Option<&HeaderValue>) -> Secrets {
        let values = self.secret.iter().map(|(_, value)| value).chain(authorization);
        Secrets::new(
            values
                .filter_map(|value| value.to_str().ok())
                .map(|value| value.strip_prefix("Basic ").unwrap_or(value)),
        )
    }

    /// Returns the URL with all parameters, in one text of the right length.
    fn uri(&self, of: &ManagedIdentityRequest) -> Uri {
        if self.version.is_none() {
            return self.endpoint.clone();
        }
        let parameters = self.parameters(of);
        let own = self.path_and_query();
        let mut text = String::with_capacity(self.query_length(&parameters));
        text.push_str(own);
        let mut separator = match self.endpoint.query() {
            None => "?",
            Some("") => "",
            Some(_) => "&",
        };
        for (name, value) in parameters.iter().flatten() {
            push_parameter(&mut text, separator, name, value);
            separator = "&";
        }
        match PathAndQuery::from_maybe_shared(Bytes::from(text)) {
            Ok(path) => with_path(self.endpoint.clone(), path),
            // The length was checked, and the parameters are encoded.
            Err(_) => self.endpoint.clone(),
        }
    }

    /// Returns the parameters of the query, with their names.
    fn parameters<'a>(&'a self, of: &'a ManagedIdentityRequest) -> [Option<(&'static str, Cow<'a, str>)>; 5] {
        let is_fabric = of.source() == Source::ServiceFabric;
        let capabilities = of.managed().capabilities();
        [
            self.version.as_deref().map(|version| ("api-version", version.into())),
            Some(("resource", of.resource().into())),
            self.identity.as_ref().map(|(name, value)| (*name, value.into())),
            of.rejected()
                .filter(|_| is_fabric)
                .map(|hash| ("token_sha256_to_refresh", hash.into())),
            (is_fabric && of.has_claims() && !capabilities.is_empty())
                .then(|| ("xms_cc", capabilities.join(",").into())),
        ]
    }

    /// Returns the most bytes of the path and the query.
    fn query_length(&self, parameters: &[Option<(&'static str, Cow<'_, str>)>]) -> usize {
        let parameters = parameters.iter().flatten();
        let lengths = parameters.map(|(name, value)| name.len() + encoded_len(value) + "?=".len());
        self.path_and_query().len() + lengths.sum::<usize>()
    }

    fn path_and_query(&self) -> &str {
        self.endpoint.path_and_query().map_or("/", PathAndQuery::as_str)
    }

    /// Adds a header with a secret from a variable.
    fn with_secret(
        mut self,
        variables: &Variables<'_>,
        name: &'static str,
        variable: &'static str,
        secret: Zeroizing<String>,
    ) -> Result<Self, ManagedIdentityError> {
        let is_valid = secret.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        let value = sensitive(secret).filter(|_| is_valid).ok_or_else(|| {
            variables.invalid(format!(
                "the variable {variable} contains a character that a header cannot contain"
            ))
        })?;
        self.secret = Some((name, value));
        Ok(self)
    }
}

/// A request to a platform before its endpoint is known.
struct Draft<'a> {
    variables: &'a Variables<'a>,
    request: &'a ManagedIdentityRequest,
    /// The name and the value of the query parameter that names the identity.
    identity: Option<(&'static str, String)>,
}

impl Draft<'_> {
    /// The instance metadata service.
    fn imds(self) -> Result<Call, ManagedIdentityError> {
        let route = LocalRoute::new().with_connect_timeout(IMDS_TIMEOUT);
        let name = AZURE_POD_IDENTITY_AUTHORITY_HOST;
        let base = match self.variables.text(name)? {
            Some(base) => self.variables.endpoint(name, &base, &route)?,
            None => Uri::from_static("http://169.254.169.254"),
        };
        let endpoint = with_path(base, PathAndQuery::from_static(TOKEN_PATH));
        let call = self.get(endpoint, "2018-02-01", route)?;
        Ok(Call {
            is_identified: true,
            ..call
        })
    }

    /// App Service, and the platforms that share its protocol.
    fn app_service(self) -> Result<Call, ManagedIdentityError> {
        let variables = self.variables;
        let route = LocalRoute::new();
        let endpoint = variables.endpoint(IDENTITY_ENDPOINT, &variables.required(IDENTITY_ENDPOINT)?, &route)?;
        let secret = variables.required(IDENTITY_HEADER)?;
        // Automation requires the header `Metadata`; the others ignore it.
        self.get(endpoint, "2019-08-01", route)?
            .with_secret(variables, "x-identity-header", IDENTITY_HEADER, secret)
    }

    /// Azure Machine Learning, and the protocol of App Service of 2017.
    fn machine_learning(mut self) -> Result<Call, ManagedIdentityError> {
        let variables = self.variables;
        let route = LocalRoute::new();
        let endpoint = variables.endpoint(MSI_ENDPOINT, &variables.required(MSI_ENDPOINT)?, &route)?;
        let secret = variables.required(MSI_SECRET)?;
        if self.identity.is_none() {
            let default = variables.text(DEFAULT_IDENTITY_CLIENT_ID)?;
            self.identity = default.map(|id| ("clientid", String::clone(&id)));
        }
        let hint = self.identity.is_none().then_some(
            "name the identity by its client ID, or check whether the platform should set the variable DEFAULT_IDENTITY_CLIENT_ID",
        );
        let call = self.get(endpoint, "2017-09-01", route)?;
        Call { hint, ..call }.with_secret(variables, "secret", MSI_SECRET, secret)
    }

    /// Cloud Shell.
    fn cloud_shell(self) -> Result<Call, ManagedIdentityError> {
        let route = LocalRoute::new();
        let endpoint = self.variables.required(MSI_ENDPOINT)?;
        Ok(Call {
            endpoint: self.variables.endpoint(MSI_ENDPOINT, &endpoint, &route)?,
            version: None,
            identity: None,
            headers: &[METADATA, ("content-type", "application/x-www-form-urlencoded")],
            secret: None,
            route,
            is_identified: false,
            hint: None,
        })
    }

    /// The Azure Arc agent.
    fn arc(self) -> Result<Call, ManagedIdentityError> {
        if self.variables.host.platform() == Platform::Other {
            let problem = "its agent runs on Linux and on Windows only".to_owned();
            return Err(self.variables.invalid(problem));
        }
        let route = LocalRoute::new();
        let endpoint = match self.variables.text(IDENTITY_ENDPOINT)? {
            Some(endpoint) => self.variables.endpoint(IDENTITY_ENDPOINT, &endpoint, &route)?,
            None => with_path(
                Uri::from_static("http://127.0.0.1:40342"),
                PathAndQuery::from_static(TOKEN_PATH),
            ),
        };
        let endpoint = without_name(endpoint);
        self.get(endpoint, "2020-06-01", route)
    }

    /// Service Fabric.
    fn service_fabric(self) -> Result<Call, ManagedIdentityError> {
        let variables = self.variables;
        let pin = thumbprint(&variables.required(IDENTITY_SERVER_THUMBPRINT)?).ok_or_else(|| {
            let problem =
                format!("the variable {IDENTITY_SERVER_THUMBPRINT} is not a SHA-1 hash of 40 hexadecimal digits");
            variables.invalid(problem)
        })?;
        let route = LocalRoute::new().with_pin(pin);
        let endpoint = variables.endpoint(IDENTITY_ENDPOINT, &variables.required(IDENTITY_ENDPOINT)?, &route)?;
        let secret = variables.required(IDENTITY_HEADER)?;
        let version = variables.text(IDENTITY_API_VERSION)?;
        let version: Cow<'static, str> = match version {
            Some(version) => version.trim().to_owned().into(),
            None => "2019-07-01-preview".into(),
        };
        self.get(endpoint, version, route)?
            .with_secret(variables, "secret", IDENTITY_HEADER, secret)
    }

    /// Creates a request with a query. The endpoint keeps its own path and query.
    fn get(
        self,
        endpoint: Uri,
        version: impl Into<Cow<'static, str>>,
        route: LocalRoute,
    ) -> Result<Call, ManagedIdentityError> {
        let call = Call {
            endpoint,
            version: Some(version.into()),
            identity: self.identity,
            headers: match self.variables.source {
                Source::ServiceFabric => &[("accept", "application/json")],
                _ => &[METADATA],
            },
            secret: None,
            route,
            is_identified: false,
            hint: None,
        };
        if call.query_length(&call.parameters(self.request)) > MAX_QUERY {
            return Err(self.variables.invalid("the resource is too long for a URL".to_owned()));
        }
        Ok(call)
    }
}

/// Returns a URL with this path and query in place of its own.
fn with_path(uri: Uri, path: PathAndQuery) -> Uri {
    let mut parts = uri.into_parts();
    parts.path_and_query = Some(path);
    // The scheme and the authority are those of a URL, so the fallback is unreachable.
    Uri::from_parts(parts).unwrap_or_default()
}

/// Returns the URL with the address 127.0.0.1 in place of the name `localhost`, which the machine
/// may resolve to another address than that of the agent.
fn without_name(uri: Uri) -> Uri {
    if !uri.host().is_some_and(|host| host.eq_ignore_ascii_case("localhost")) {
        return uri;
    }
    let authority = match uri.port_u16() {
        Some(port) => format!("127.0.0.1:{port}"),
        None => "127.0.0.1".to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.authority = authority.parse().ok();
    Uri::from_parts(parts).unwrap_or(uri)
}

/// Parses a SHA-1 hash in hexadecimal digits. Spaces and colons between them are ignored.
fn thumbprint(text: &str) -> Option<[u8; 20]> {
    let mut hash = [0; 20];
    let mut count = 0_usize;
    for character in text.chars() {
        if character == ':' || character.is_ascii_whitespace() {
            continue;
        }
        let digit = u8::try_from(character.to_digit(16)?).ok()?;
        let byte = hash.get_mut(count / 2)?;
        *byte = *byte << 4 | digit;
        count += 1;
    }
    (count == 40).then_some(hash)
}

/// The longest path and query of a URL.
const MAX_QUERY: usize = u16::MAX as usize - 2;

/// The path of the token endpoint of the instance metadata service and of the Azure Arc agent.
const TOKEN_PATH: &str = "/metadata/identity/oauth2/token";

/// The header that most platforms require, because no browser sends it.
const METADATA: (&str, &str) = ("metadata", "true");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");

/// The time for connecting to the instance metadata service, which is on the local link.
const IMDS_TIMEOUT: Duration = Duration::from_secs(2);
/// The time for connecting to a service that may not exist.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbprint_has_forty_digits() {
        let digits = "84E05C1D98BCE3A5421D225B140B36E86A3D5534";
        let hash = thumbprint(digits).unwrap();
        assert_eq!((hash[0], hash[19]), (0x84, 0x34));
        let pairs: Vec<&str> = (0..20).map(|at| &digits[2 * at..2 * at + 2]).collect();
        for spelled in [
            digits.to_lowercase(),
            pairs.join(":"),
            pairs.join(" "),
            format!(" {digits}\n"),
        ] {
            assert_eq!(thumbprint(&spelled), Some(hash), "{spelled}");
        }
        for bad in [
            "",
            &digits[1..],
            &format!("{digits}0"),
            &digits.replace('8', "G"),
            &digits.replace('8', "\u{ff18}"),
            &"ab".repeat(32),
        ] {
            assert_eq!(thumbprint(bad), None, "{bad}");
        }
    }

    #[test]
    fn name_of_this_machine_becomes_its_address() {
        for (uri, expected) in [
            ("http://localhost:40342/a?b", "http://127.0.0.1:40342/a?b"),
            ("http://LOCALHOST/a", "http://127.0.0.1/a"),
            ("http://127.0.0.2:1/a", "http://127.0.0.2:1/a"),
            ("http://localhost.example/a", "http://localhost.example/a"),
        ] {
            assert_eq!(without_name(uri.parse().unwrap()).to_string(), expected);
        }
    }
}
