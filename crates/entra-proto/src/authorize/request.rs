//! Requests to the authorize endpoint.

use std::fmt;

use zeroize::Zeroizing;

use crate::application::Application;
use crate::authority::{Endpoint, EndpointVersion};
use crate::authorize::pending::PendingAuthorization;
use crate::authorize::pkce::CodeVerifier;
use crate::authorize::redirect_uri::RedirectUri;
use crate::claims_request::ClaimsRequest;
use crate::error::{Error, Input, InputError};
use crate::form::encode_form;
use crate::guid::Guid;
use crate::secret_text::random_text;
use crate::target::Target;

/// A request to the authorize endpoint: a URL where a user signs in and consents in a browser (RFC
/// 6749, section 4.1.1).
///
/// Created by [`Application::authorize`]. It always contains PKCE with S256, `state` and `nonce`.
///
/// ```
/// use entra_proto::authorize::{Prompt, Redirect};
/// use entra_proto::{Application, ClientSecret, EndpointVersion, Target};
///
/// let common = "https://login.microsoftonline.com/common".parse()?;
/// let client_id = "2d4d11a2-f814-46a7-890a-274a72a7309e".parse()?;
/// let app = Application::new(common, client_id, ClientSecret::new("s3cret")?)
///     .with_endpoint_version(EndpointVersion::V1);
/// let target = Target::resource("https://manage.office.com")?;
/// let redirect_uri = "https://www.mycompany.com/myapp/".parse()?;
/// let request =
///     app.authorize(target, redirect_uri).with_prompt(Prompt::AdminConsent);
///
/// let (url, pending) = request.start(&[7; 96])?; // 96 random bytes
/// assert!(
///     url.starts_with(
///         "https://login.microsoftonline.com/common/oauth2/authorize?"
///     )
/// );
///
/// // Send the browser there and store `pending`. When the browser returns:
/// let query = format!("code=AAABAAAAvPM1KaPlrEqdFSB&state={}", pending.state());
/// let token_request = pending.redeem(&app, &Redirect::from_query(&query)?)?;
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone)]
pub struct AuthorizeRequest {
    application: Application,
    target: Target,
    redirect_uri: RedirectUri,
    response_mode: ResponseMode,
    prompt: Option<Prompt>,
    login_hint: Option<String>,
    domain_hint: Option<String>,
    claims: Option<ClaimsRequest>,
    client_info: bool,
}

impl Application {
    /// Creates a request to the authorize endpoint, where a user signs in and consents in a
    /// browser. On v2 it also requests `openid`, `profile` and `offline_access`. The authority may
    /// be `common`; the tenant is then that of the account that signs in.
    #[must_use]
    pub fn authorize(&self, target: impl Into<Target>, redirect_uri: RedirectUri) -> AuthorizeRequest {
        AuthorizeRequest::new(self.clone(), target.into(), redirect_uri)
    }
}

impl AuthorizeRequest {
    fn new(application: Application, target: Target, redirect_uri: RedirectUri) -> Self {
        Self {
            application,
            target,
            redirect_uri,
            response_mode: ResponseMode::default(),
            prompt: None,
            login_hint: None,
            domain_hint: None,
            claims: None,
            client_info: false,
        }
    }

    /// Sets the way in which the parameters come back.
    #[must_use]
    pub fn with_response_mode(mut self, response_mode: ResponseMode) -> Self {
        self.response_mode = response_mode;
        self
    }

    /// Sets the prompt that the user must see.
    #[must_use]
    pub fn with_prompt(mut self, prompt: Prompt) -> Self {
        self.prompt = Some(prompt);
        self
    }

    /// Sets the user name that the page fills in.
    #[must_use]
    pub fn with_login_hint(mut self, user: impl Into<String>) -> Self {
        self.login_hint = Some(user.into());
        self
    }

    /// Sets the domain of the user, which skips the page that asks for the account.
    #[must_use]
    pub fn with_domain_hint(mut self, domain: impl Into<String>) -> Self {
        self.domain_hint = Some(domain.into());
        self
    }

    /// Sets the claims that a challenge or an error response requires. The redemption of the code
    /// requests them as well.
    #[must_use]
    pub fn with_claims(mut self, claims: ClaimsRequest) -> Self {
        self.claims = Some(claims);
        self
    }

    /// Makes the redirect name the account's home tenant (`client_info`): see
    /// [`PendingAuthorization::reported_consent`].
    #[must_use]
    pub fn with_client_info(mut self) -> Self {
        self.client_info = true;
        self
    }

    /// Returns the URL, and the state to store for this browser, inaccessible to others, until it
    /// returns.
    ///
    /// `random` must be 96 fresh bytes from a cryptographically secure source. They become the
    /// state, the nonce and the PKCE verifier; nothing else in the request is random.
    ///
    /// # Errors
    /// Returns an error if the service would reject the request: for a target that cannot be
    /// requested, `prompt=admin_consent` on v2, a redirect URI of more than 255 characters on v1,
    /// or an agent identity as the application.
    pub fn start(&self, random: &[u8; 96]) -> Result<(String, PendingAuthorization), Error> {
        let app = &self.application;
        app.check_sign_in()?;
        let (name, value) = self.target.on_for_user(app.version)?;
        if app.version == EndpointVersion::V2 && self.prompt == Some(Prompt::AdminConsent) {
            return Err(
                InputError::new(Input::Prompt, "admin_consent is supported by the v1 endpoint only")
                    .with_hint("use Application::admin_consent, or EndpointVersion::V1")
                    .into(),
            );
        }
        if app.version == EndpointVersion::V1 && self.redirect_uri.as_str().len() > LONGEST_ON_V1 {
            return Err(InputError::new(
                Input::RedirectUri,
                "is longer than 255 characters, the limit of the v1 endpoint",
            )
            .into());
        }
        let claims = match &self.claims {
            Some(claims) => Some(claims.clone().with_capabilities(&app.capabilities)),
            None if app.capabilities.is_empty() => None,
            None => Some(ClaimsRequest::capabilities(&app.capabilities)),
        };
        let [state, nonce, verifier] = thirds(random);
        let pending = PendingAuthorization {
            authority: app.authority.to_string(),
            client_id: app.client_id,
            version: app.version,
            target: self.target.clone(),
            redirect_uri: self.redirect_uri.clone(),
            state: random_text(&state),
            nonce: random_text(&nonce),
            verifier: CodeVerifier::from_random(*verifier),
            claims: self.claims.clone(),
        };
        let client_id = Guid::to_ascii(app.client_id.guid());
        let query = encode_form(&[
            Some(("client_id", std::str::from_utf8(&client_id).unwrap_or_default())),
            Some(("response_type", "code")),
            Some(("redirect_uri", self.redirect_uri.as_str())),
            Some(("response_mode", self.response_mode.on_the_wire())),
            Some((name, &value)),
            Some(("state", &pending.state)),
            Some(("nonce", &pending.nonce)),
            Some(("code_challenge", &pending.verifier.challenge())),
            Some(("code_challenge_method", "S256")),
            self.prompt.map(|prompt| ("prompt", prompt.on_the_wire())),
            self.login_hint.as_deref().map(|user| ("login_hint", user)),
            self.domain_hint.as_deref().map(|domain| ("domain_hint", domain)),
            claims.as_ref().map(|claims| ("claims", claims.as_str())),
            self.client_info.then_some(("client_info", "1")),
        ]);
        let endpoint = app.authority.endpoint(Endpoint::Authorize, app.version);
        let query = std::str::from_utf8(query.as_bytes()).unwrap_or_default();
        Ok((format!("{endpoint}?{query}"), pending))
    }
}

impl fmt::Debug for AuthorizeRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let app = &self.application;
        write!(
            f,
            "AuthorizeRequest({:?} for {:?} at {:?} on {:?}, back to {:?})",
            app.client_id, self.target, app.authority, app.version, self.redirect_uri
        )
    }
}

/// The way in which the parameters come back (OAuth 2.0 Multiple Response Type Encoding Practices,
/// section 2.1; Form Post Response Mode).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ResponseMode {
    /// In the query of the redirect URI. It may appear in logs; the code in it is useless without
    /// the PKCE verifier.
    #[default]
    Query,
    /// In the fragment of the redirect URI, which the browser does not send to the server: for
    /// scripts in the page.
    Fragment,
    /// In the body of a form that the browser posts to the redirect URI. A cookie that must
    /// accompany it needs `SameSite=None`.
    FormPost,
}

impl ResponseMode {
    fn on_the_wire(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Fragment => "fragment",
            Self::FormPost => "form_post",
        }
    }
}

/// The prompt that the user must see, whatever the browser remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Prompt {
    /// Sign in again.
    Login,
    /// Choose an account.
    SelectAccount,
    /// Consent again, for themselves.
    Consent,
    /// Consent for the whole tenant: v1 only, administrators only.
    AdminConsent,
    /// No prompt: the service returns an error if it needs one.
    None,
}

impl Prompt {
    fn on_the_wire(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::SelectAccount => "select_account",
            Self::Consent => "consent",
            Self::AdminConsent => "admin_consent",
            Self::None => "none",
        }
    }
}

/// Splits the random bytes into three secrets.
fn thirds(random: &[u8; 96]) -> [Zeroizing<[u8; 32]>; 3] {
    let mut parts: [Zeroizing<[u8; 32]>; 3] = Default::default();
    for (part, bytes) in parts.iter_mut().zip(random.chunks_exact(32)) {
        part.copy_from_slice(bytes);
    }
    parts
}

const LONGEST_ON_V1: usize = 255;
