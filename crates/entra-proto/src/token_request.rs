//! Requests to the token endpoint, and the decoding of their responses.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{Request, Response, StatusCode};

use crate::application::Application;
use crate::assertion::{CertificateCredential, UnsignedAssertion};
use crate::authority::{Authority, EndpointVersion};
use crate::body::Body;
use crate::cache_key::CacheKey;
use crate::claims_request::ClaimsRequest;
use crate::credential::ClientCredential;
use crate::error::{Error, Requested, ResponseError, ResponseProblem, Secrets};
use crate::form::encode_form;
use crate::grant::Grant;
use crate::guid::Guid;
use crate::issued::RefreshToken;
use crate::post::{basic, basic_pair, post};
use crate::printable::excerpt;
use crate::secrecy::may_be_secret;
use crate::secret::ClientAssertion;
use crate::secret_text::same_secret;
use crate::target::Target;
use crate::target_identity::canonical;
use crate::tenant::Tenant;
use crate::time::Timestamp;
use crate::token_response::TokenResponse;

/// A valid request to the token endpoint.
///
/// [`Application::client_credentials`] and the methods for the other grants create it.
/// [`encode`](Self::encode) returns the HTTP request, which any HTTP client can send, and
/// [`decode`](Self::decode) reads the response. With a certificate, a federated or an acquired
/// credential, the request needs a client assertion first: attach one with
/// [`with_assertion`](Self::with_assertion), or let [`start`](Self::start) acquire it.
///
/// ```
/// use entra_proto::{Application, Authority, ClientSecret, Guid, Target};
///
/// let authority: Authority =
///     "https://login.microsoftonline.com/contoso.com".parse()?;
/// let client_id = "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?;
/// let app = Application::new(authority, client_id, ClientSecret::new("s3cret")?);
/// let target = Target::resource("https://graph.microsoft.com")?;
///
/// let request = app.client_credentials(target)?;
/// let http = request.encode(Guid::from_random([7; 16]));
/// assert_eq!(http.method(), "POST");
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone)]
pub struct TokenRequest {
    application: Application,
    grant: Grant,
    target: Target,
    /// The parameter that states the target: its name (`scope`, or `resource` on v1) and its value.
    parameter: (&'static str, Arc<str>),
    claims: Option<ClaimsRequest>,
    /// The application's assertion, if it is created per request.
    assertion: Option<ClientAssertion>,
    /// The request for the token that this one sends as its grant.
    inner: Option<Arc<Self>>,
}

impl TokenRequest {
    pub(crate) fn of(mut application: Application, grant: Grant, target: Target) -> Result<Self, Error> {
        if !matches!(grant, Grant::ClientCredentials { .. }) {
            application.authority = application.authority.without_region()?;
        }
        let (name, value) = match grant {
            Grant::ClientCredentials { .. } | Grant::OnBehalfOf(_) | Grant::AgentUser { .. } => {
                target.wire_parameter(application.version)?
            }
            _ => target.on_for_user(application.version)?,
        };
        let parameter = (name, Arc::from(value));
        let capabilities = &*application.capabilities;
        let claims = (!capabilities.is_empty()).then(|| ClaimsRequest::capabilities(capabilities));
        Ok(Self {
            application,
            grant,
            target,
            parameter,
            claims,
            assertion: None,
            inner: None,
        })
    }

    /// Adds the claims that an API's challenge requires. The application's capabilities are
    /// retained.
    ///
    /// # Errors
    /// Returns an error as [`ClaimsRequest::parse`] does.
    pub fn with_claims(mut self, challenge: &str) -> Result<Self, Error> {
        let claims = ClaimsRequest::parse(challenge)?.with_capabilities(&self.application.capabilities);
        self.claims = Some(claims);
        Ok(self)
    }

    /// Sets whether the managed identity that the application's credential is acquired from may not
    /// exist, as in a chain of credentials. See
    /// [`ManagedIdentityRequest::probing`](crate::managed_identity::ManagedIdentityRequest::probing).
    #[must_use]
    pub fn probing(mut self, is_probing: bool) -> Self {
        if let ClientCredential::Acquired(credential) = &mut self.application.credential {
            credential.probe(is_probing);
        }
        self.inner = self
            .inner
            .map(|inner| Arc::new(Self::clone(&inner).probing(is_probing)));
        self
    }

    /// Returns the assertion to sign if the application's credential is a certificate. Sign it and
    /// pass the result to [`with_assertion`](Self::with_assertion). `id` becomes its `jti` and must
    /// never be used twice.
    #[must_use]
    pub fn unsigned_assertion(&self, id: Guid, now: Timestamp) -> Option<UnsignedAssertion> {
        match &self.application.credential {
            ClientCredential::Certificate(certificate) => Some(self.prepare(certificate, id, now)),
            _ => None,
        }
    }

    /// Returns the unsigned assertion of this certificate for the request.
    pub(crate) fn prepare(&self, certificate: &CertificateCredential, id: Guid, now: Timestamp) -> UnsignedAssertion {
        let app = &self.application;
        certificate.prepare(&app.authority, app.version, app.client_id, id, now)
    }

    /// Attaches a signed client assertion. It is ignored unless the credential is a certificate, a
    /// federated or an acquired one. Without an assertion, a request with such a credential is
    /// encoded unauthenticated, and the service rejects it (AADSTS7000218).
    #[must_use]
    pub fn with_assertion(mut self, assertion: ClientAssertion) -> Self {
        self.assertion = Some(assertion);
        self
    }

    /// Returns the HTTP request: method, URI, headers and body. The same inputs produce the same
    /// bytes.
    ///
    /// `request_id` is sent as `client-request-id` and returned as the correlation ID. Use a fresh
    /// one for each acquisition.
    #[must_use]
    pub fn encode(&self, request_id: Guid) -> Request<Body> {
        let app = &self.application;
        let client_id = Guid::to_ascii(app.client_id.guid());
        let client_id = std::str::from_utf8(&client_id).unwrap_or_default();
        let (target_name, target) = &self.parameter;

        let secret = match &app.credential {
            ClientCredential::Secret(secret) => Some(("client_secret", secret.expose())),
            _ => None,
        };
        let assertion = self.assertion().map(ClientAssertion::expose);
        let (grant_type, of_grant) = self.grant_parameters();
        let [first, second, third] = of_grant;
        let body = encode_form(&[
            Some(("grant_type", grant_type)),
            Some(("client_id", client_id)),
            Some((*target_name, &**target)),
            first,
            second,
            third,
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

        let mut request = post(app.authority.token_endpoint(app.version).clone(), body, request_id);
        if let ClientCredential::BasicSecret(secret) = &app.credential {
            let basic = basic(client_id, secret.expose());
            request.headers_mut().insert(AUTHORIZATION, basic);
        }
        request
    }

    /// Decodes the response as [`TokenResponse::decode`] does. Redacts the request's own secrets
    /// from errors.
    ///
    /// # Errors
    /// Returns an error as [`TokenResponse::decode`] does. Also returns an error in these cases:
    /// - The ID token for an authorization code has another nonce than the request, or none on v2.
    /// - The ID token, for any grant, names another tenant than the one that was requested by its
    ///   ID, or an account of the wrong kind for `organizations` or `consumers`.
    pub fn decode(&self, response: &Response<Body>, now: Timestamp) -> Result<TokenResponse, Error> {
        let body = response.body().as_bytes();
        TokenResponse::read(response.status(), response.headers(), body, now, &|| self.secrets())
            .and_then(|token| self.check_nonce(token, response.status()))
            .and_then(|token| self.check_tenant(token))
            .map_err(|error| {
                let kind = self.application.credential.kind();
                let error = error.redacted(&self.secrets()).sent_with(kind);
                if self.is_for_one_try() {
                    error.requested(Requested::TokenForCode)
                } else {
                    error
                }
            })
    }

    /// Returns the cache key: two requests with the same key may share a token.
    ///
    /// The key consists of the authority, the endpoint's version, the application, the kind of its
    /// credential, the target, the claims and the hash of a user's grant. For an acquired
    /// credential it includes the key of the request that acquires it. It ignores the order of
    /// scopes, the region and the value of a secret.
    #[must_use]
    pub fn cache_key(&self) -> CacheKey {
        let app = &self.application;
        let credential = match &app.credential {
            ClientCredential::Secret(_) | ClientCredential::BasicSecret(_) => Cow::Borrowed("secret"),
            ClientCredential::Public => Cow::Borrowed("public"),
            ClientCredential::Acquired(credential) => credential.fingerprint().into(),
            ClientCredential::Assertion(_) | ClientCredential::Certificate(_) | ClientCredential::Federated(_) => {
                Cow::Borrowed("assertion")
            }
        };
        let (name, value) = &self.parameter;
        // The value as it is sent, including the scopes that are added to the target.
        let value = match app.version {
            EndpointVersion::V1 => Cow::Borrowed(&**value),
            EndpointVersion::V2 => Cow::Owned(canonical(value)),
        };
        let claims = self.claims.as_ref().map_or("", ClaimsRequest::as_str);
        let grant = self.grant.fingerprint();
        // None of the parts can contain a line feed: the claims are JSON without white space, and
        // the others contain no control characters.
        CacheKey(format!(
            "{}\n{:?}\n{}\n{credential}\n{name}={value}\n{claims}\n{grant}",
            app.authority, app.version, app.client_id
        ))
    }

    /// Returns the application.
    #[must_use]
    pub fn application(&self) -> &Application {
        &self.application
    }

    /// Returns the target.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Returns the refresh token that the request sends, if it continues an earlier sign-in.
    #[must_use]
    pub fn refresh_token(&self) -> Option<&RefreshToken> {
        match &self.grant {
            Grant::RefreshToken(token) => Some(token),
            _ => None,
        }
    }

    /// Returns true if the request redeems an authorization code. The service accepts a code once,
    /// so the request must not be repeated if the service may have received it (RFC 6749, section
    /// 4.1.2).
    pub(crate) fn is_for_one_try(&self) -> bool {
        matches!(self.grant, Grant::AuthorizationCode { .. })
    }

    pub(crate) fn grant_mut(&mut self) -> &mut Grant {
        &mut self.grant
    }

    pub(crate) fn assertion(&self) -> Option<&ClientAssertion> {
        match &self.application.credential {
            ClientCredential::Assertion(assertion) => Some(assertion),
            ClientCredential::Certificate(_) | ClientCredential::Federated(_) | ClientCredential::Acquired(_) => {
                self.assertion.as_ref()
            }
            ClientCredential::Secret(_) | ClientCredential::BasicSecret(_) | ClientCredential::Public => None,
        }
    }

    /// Returns true if the request is for an app-only token.
    pub(crate) fn is_for_application(&self) -> bool {
        matches!(self.grant, Grant::ClientCredentials { .. })
    }

    /// Returns the number of requests of the whole acquisition: this one, and those that acquire
    /// its credential.
    pub(crate) fn legs(&self) -> usize {
        1 + match (&self.inner, &self.application.credential) {
            (Some(inner), _) => inner.legs(),
            (_, ClientCredential::Acquired(credential)) => credential.legs(),
            _ => 0,
        }
    }

    /// Returns the request for the token that this request sends as its grant, if there is one.
    pub(crate) fn of_grant(&self) -> Option<&Self> {
        self.inner.as_deref()
    }

    /// Acquires the token that this request sends as its grant by another request.
    pub(crate) fn after(mut self, inner: Self) -> Self {
        self.inner = Some(Arc::new(inner));
        self
    }

    /// Returns whether the request has the token that it sends as its grant, or needs none.
    pub(crate) fn has_grant(&self) -> bool {
        match &self.grant {
            Grant::AgentUser { token, .. } => token.is_some(),
            _ => true,
        }
    }

    /// Returns the same request to another authority, for this target.
    pub(crate) fn at(mut self, authority: Authority, target: Target) -> Result<Self, Error> {
        let (name, value) = target.wire_parameter(self.application.version)?;
        self.parameter = (name, Arc::from(value));
        self.target = target;
        self.application = self.application.with_authority(authority);
        Ok(self)
    }

    /// Describes the token and the application, for errors. Omits a target that may be a misplaced
    /// secret.
    pub(crate) fn requested(&self) -> Arc<str> {
        let ((_, target), client_id) = (&self.parameter, self.application.client_id);
        if may_be_secret(target) {
            format!("a token as {client_id}").into()
        } else {
            format!("a token for {} as {client_id}", excerpt(target, LONGEST_TARGET)).into()
        }
    }

    /// Returns the name and the parameters of the grant as they are sent.
    #[inline]
    fn grant_parameters(&self) -> (&'static str, [Option<(&'static str, &str)>; 3]) {
        let v1 = self.application.version == EndpointVersion::V1;
        match &self.grant {
            Grant::ClientCredentials { fmi_path } => (
                "client_credentials",
                [fmi_path.as_deref().map(|path| ("fmi_path", path)), None, None],
            ),
            Grant::AuthorizationCode {
                code,
                redirect_uri,
                verifier,
                ..
            } => (
                "authorization_code",
                [
                    Some(("code", code.expose())),
                    Some(("redirect_uri", redirect_uri.as_str())),
                    Some(("code_verifier", verifier.expose())),
                ],
            ),
            Grant::RefreshToken(token) => ("refresh_token", [Some(("refresh_token", token.expose())), None, None]),
            Grant::OnBehalfOf(assertion) => (
                "urn:ietf:params:oauth:grant-type:jwt-bearer",
                [
                    Some(("requested_token_use", "on_behalf_of")),
                    Some(("assertion", assertion.expose())),
                    v1.then_some(("scope", "openid")),
                ],
            ),
            // v1 uses older names for the grant and the code.
            Grant::DeviceCode(code) if v1 => (
                "device_code",
                [
                    Some(("code", code.expose())),
                    Some(("device_code", code.expose())),
                    None,
                ],
            ),
            Grant::DeviceCode(code) => (
                "urn:ietf:params:oauth:grant-type:device_code",
                [Some(("device_code", code.expose())), None, None],
            ),
            Grant::AgentUser { user, token } => (
                "user_fic",
                [
                    Some(("requested_token_use", "on_behalf_of")),
                    Some(user.parameter()),
                    token
                        .as_ref()
                        .map(|token| ("user_federated_identity_credential", token.expose())),
                ],
            ),
        }
    }

    /// Checks that the tenant in which the user signed in (the `tid` of the ID token) is covered by
    /// the authority.
    fn check_tenant(&self, response: TokenResponse) -> Result<TokenResponse, Error> {
        let requested = self.application.authority.tenant();
        let claims = response.id_token.as_ref().and_then(|token| token.claims().ok());
        match claims.and_then(|claims| claims.tenant_id()) {
            // AD FS has no tenants.
            Some(tenant) if *requested != Tenant::Adfs => requested.check_sign_in(tenant).map(|()| response),
            _ => Ok(response),
        }
    }

    /// Checks that the ID token for a code carries the nonce of the sign-in (OpenID Connect Core
    /// 1.0, section 3.1.3.7). On v1 it may be missing: the v1 documents do not promise it, and the
    /// code verifier (PKCE) already binds the code to this sign-in.
    fn check_nonce(&self, response: TokenResponse, status: StatusCode) -> Result<TokenResponse, Error> {
        let (Grant::AuthorizationCode { nonce, .. }, Some(id_token)) = (&self.grant, &response.id_token) else {
            return Ok(response);
        };
        let claims = id_token.claims();
        let given = claims.as_ref().ok().and_then(|claims| claims.nonce());
        let sound = match given {
            Some(given) => same_secret(given, nonce),
            None => {
                self.application.version == EndpointVersion::V1
                    && claims.is_ok_and(|claims| claims.get("nonce").is_none())
            }
        };
        if sound {
            return Ok(response);
        }
        Err(ResponseError {
            problem: ResponseProblem::Nonce,
            requested: Requested::Token,
            status: status.as_u16(),
            content_type: None,
        }
        .into())
    }

    /// Returns the secrets that no error may show.
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
        let of_grant = self.grant.secrets().into_iter().flatten();
        Secrets::new(
            secret
                .into_iter()
                .chain(basic.as_deref().map(String::as_str))
                .chain(of_grant),
        )
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

/// The maximum length of a target in an error, in characters.
const LONGEST_TARGET: usize = 200;
