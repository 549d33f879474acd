use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response};
use zeroize::Zeroizing;

use crate::application::{Application, ClientCredential};
use crate::assertion::UnsignedAssertion;
use crate::authority::EndpointVersion;
use crate::body::Body;
use crate::claims_request::ClaimsRequest;
use crate::error::Error;
use crate::form::{encode_form, encode_value};
use crate::guid::Guid;
use crate::redaction::Secrets;
use crate::secret::ClientAssertion;
use crate::target::Target;
use crate::time::Timestamp;
use crate::token_response::TokenResponse;

/// A request to the token endpoint that can be sent: whatever could be wrong with it has been refused before.
///
/// Made by [`Application::client_credentials`]. [`encode`](Self::encode) gives what to send, [`decode`](Self::decode) reads what
/// came back; between them stands any HTTP client.
#[derive(Clone)]
pub struct TokenRequest {
    application: Application,
    target: Target,
    /// The target as the endpoint's version writes it.
    parameter: (&'static str, Arc<str>),
    claims: Option<ClaimsRequest>,
    /// What proves who the application is, where that is made for each request.
    assertion: Option<ClientAssertion>,
}

impl TokenRequest {
    pub(crate) fn new(application: Application, target: Target) -> Result<Self, Error> {
        let (name, value) = target.on(application.version)?;
        let parameter = (name, Arc::from(value));
        let capabilities = &*application.capabilities;
        let claims = (!capabilities.is_empty()).then(|| ClaimsRequest::capabilities(capabilities));
        Ok(Self {
            application,
            target,
            parameter,
            claims,
            assertion: None,
        })
    }

    /// The same request, with what an API's challenge asked to see in the token. The application's capabilities stay in it.
    ///
    /// # Errors
    /// As for [`ClaimsRequest::parse`].
    pub fn with_claims(mut self, challenge: &str) -> Result<Self, Error> {
        let claims = ClaimsRequest::parse(challenge)?.with_capabilities(&self.application.capabilities);
        self.claims = Some(claims);
        Ok(self)
    }

    /// The assertion that this request needs, where a certificate is its application's credential: sign it, and give it back to
    /// [`with_assertion`](Self::with_assertion). `id` becomes its `jti`: never use one twice.
    #[must_use]
    pub fn unsigned_assertion(&self, id: Guid, now: Timestamp) -> Option<UnsignedAssertion> {
        let Application {
            authority,
            version,
            client_id,
            credential,
            ..
        } = &self.application;
        match credential {
            ClientCredential::Certificate(certificate) => {
                Some(certificate.prepare(authority, *version, *client_id, id, now))
            }
            _ => None,
        }
    }

    /// The same request, proved by this assertion; a secret stays the proof where that is the credential. Without one, a request whose credential is a certificate or a federated one
    /// is encoded without proof, and refused by the service (AADSTS7000218).
    #[must_use]
    pub fn with_assertion(mut self, assertion: ClientAssertion) -> Self {
        self.assertion = Some(assertion);
        self
    }

    /// The HTTP request: method, URI, headers and body. The same inputs give the same bytes.
    ///
    /// `request_id` is sent as `client-request-id` and comes back as the correlation id: give each acquisition a fresh one.
    #[must_use]
    pub fn encode(&self, request_id: Guid) -> Request<Body> {
        let app = &self.application;
        let client_id = Guid::to_ascii(app.client_id.guid());
        let client_id = std::str::from_utf8(&client_id).unwrap_or_default();
        let (target_name, target) = &self.parameter;

        let mut headers = STANDARD_HEADERS.clone();
        if let Ok(id) = HeaderValue::from_bytes(&request_id.to_ascii()) {
            headers.insert(CLIENT_REQUEST_ID, id);
        }
        let secret = match &app.credential {
            ClientCredential::Secret(secret) => Some(("client_secret", secret.expose())),
            ClientCredential::BasicSecret(secret) => {
                headers.insert(AUTHORIZATION, basic(client_id, secret.expose()));
                None
            }
            _ => None,
        };
        let assertion = self.assertion().map(ClientAssertion::expose);
        let body = encode_form(&[
            Some(("grant_type", "client_credentials")),
            Some(("client_id", client_id)),
            Some((*target_name, &**target)),
            secret,
            assertion.map(|_| {
                (
                    "client_assertion_type",
                    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                )
            }),
            assertion.map(|jwt| ("client_assertion", jwt)),
            self.claims.as_ref().map(|claims| ("claims", claims.as_str())),
        ]);

        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = app.authority.token_endpoint(app.version).clone();
        *request.headers_mut() = headers;
        request
    }

    /// Reads the answer to it: [`TokenResponse::decode`], with the request's own secrets blotted out of whatever the answer says.
    ///
    /// # Errors
    /// As for [`TokenResponse::decode`].
    pub fn decode(&self, response: &Response<Body>, now: Timestamp) -> Result<TokenResponse, Error> {
        TokenResponse::decode(response.status(), response.headers(), response.body().as_bytes(), now)
            .map_err(|error| self.secrets().out_of(error))
    }

    /// What tells this request's token from every other one: two requests with the same key may share a token.
    ///
    /// The order of scopes, the region and the secret's value do not enter into it; the authority, the endpoint's version, the
    /// application, the kind of its credential, the target and the claims do.
    #[must_use]
    pub fn cache_key(&self) -> CacheKey {
        let app = &self.application;
        let credential = match &app.credential {
            ClientCredential::Secret(_) | ClientCredential::BasicSecret(_) => "secret",
            _ => "assertion",
        };
        let (name, value) = match &self.target {
            Target::Scopes(scopes) if app.version == EndpointVersion::V2 => ("scope", Cow::Owned(scopes.canonical())),
            _ => (self.parameter.0, Cow::Borrowed(&*self.parameter.1)),
        };
        let claims = self.claims.as_ref().map_or("", ClaimsRequest::as_str);
        // None of these can hold a line feed: the claims are JSON without white space, the rest has no control characters.
        CacheKey(format!(
            "{}\n{:?}\n{}\n{credential}\n{name}={value}\n{claims}",
            app.authority, app.version, app.client_id
        ))
    }

    /// Whose request it is.
    #[must_use]
    pub fn application(&self) -> &Application {
        &self.application
    }

    /// What it asks a token for.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    pub(crate) fn assertion(&self) -> Option<&ClientAssertion> {
        match &self.application.credential {
            ClientCredential::Assertion(assertion) => Some(assertion),
            ClientCredential::Certificate(_) | ClientCredential::Federated(_) => self.assertion.as_ref(),
            ClientCredential::Secret(_) | ClientCredential::BasicSecret(_) => None,
        }
    }

    /// What no error about it may show.
    fn secrets(&self) -> Secrets {
        let basic = match &self.application.credential {
            ClientCredential::BasicSecret(secret) => {
                Some(basic_pair(&self.application.client_id.to_string(), secret.expose()))
            }
            _ => None,
        };
        let secret = match &self.application.credential {
            ClientCredential::Secret(secret) | ClientCredential::BasicSecret(secret) => Some(secret.expose()),
            _ => self.assertion().map(ClientAssertion::expose),
        };
        Secrets::new(secret.into_iter().chain(basic.as_deref().map(String::as_str)))
    }
}

impl fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let app = &self.application;
        write!(
            f,
            "TokenRequest({:?} for {:?} at {:?} on {:?})",
            app.client_id, self.target, app.authority, app.version
        )
    }
}

/// The identity of a token in a cache: see [`TokenRequest::cache_key`]. It holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CacheKey(String);

impl CacheKey {
    /// The key as a text, six lines.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn basic(client_id: &str, secret: &str) -> HeaderValue {
    let text = Zeroizing::new(format!("Basic {}", basic_pair(client_id, secret).as_str()).into_bytes());
    // Base64 makes a valid header: the fallback cannot be met.
    let value = HeaderValue::from_maybe_shared(Bytes::from_owner(text));
    let mut value = value.unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

fn basic_pair(client_id: &str, secret: &str) -> Zeroizing<String> {
    let pair = Zeroizing::new(format!("{client_id}:{}", encode_value(secret).as_str()));
    Zeroizing::new(STANDARD.encode(pair.as_bytes()))
}

/// What every request carries, and a place for its id: a clone of it costs less than its making.
static STANDARD_HEADERS: LazyLock<HeaderMap> = LazyLock::new(|| {
    let mut headers = HeaderMap::with_capacity(10);
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-www-form-urlencoded"),
    );
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(CLIENT_REQUEST_ID, HeaderValue::from_static(""));
    headers.insert(
        HeaderName::from_static("return-client-request-id"),
        HeaderValue::from_static("true"),
    );
    headers.insert(
        HeaderName::from_static("x-client-sku"),
        HeaderValue::from_static("entra-rust"),
    );
    headers.insert(
        HeaderName::from_static("x-client-ver"),
        HeaderValue::from_static(env!("CARGO_PKG_VERSION")),
    );
    headers.insert(
        HeaderName::from_static("x-client-os"),
        HeaderValue::from_static(std::env::consts::OS),
    );
    headers.insert(
        HeaderName::from_static("x-ms-lib-capability"),
        HeaderValue::from_static("retry-after, h429"),
    );
    headers
});

const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");
