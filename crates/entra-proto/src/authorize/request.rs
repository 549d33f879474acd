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

/// A request to the authorize endpoint: a URL that a person's browser is sent to, to sign in and to consent (RFC 6749, section 4.1.1).
///
/// Made by [`Application::authorize`]. PKCE with S256, `state` and `nonce` are always in it.
///
/// ```
/// use entra_proto::authorize::{Prompt, Redirect};
/// use entra_proto::{Application, ClientSecret, EndpointVersion, Target};
///
/// let common = "https://login.microsoftonline.com/common".parse()?;
/// let app = Application::new(common, "2d4d11a2-f814-46a7-890a-274a72a7309e".parse()?, ClientSecret::new("s3cret")?)
///     .with_endpoint_version(EndpointVersion::V1);
/// let target = Target::resource("https://manage.office.com")?;
/// let request = app.authorize(target, "https://www.mycompany.com/myapp/".parse()?).with_prompt(Prompt::AdminConsent);
///
/// let (url, pending) = request.start(&[7; 96])?; // 96 random bytes of yours
/// assert!(url.starts_with("https://login.microsoftonline.com/common/oauth2/authorize?"));
///
/// // Send the browser there, keep `pending` for it, and when it is back:
/// let query = format!("code=AAABAAAAvPM1KaPlrEqdFSB&state={}", pending.state());
/// let request = pending.redeem(&app, &Redirect::from_query(&query)?)?; // a TokenRequest, for the token endpoint
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
    /// A request to the authorize endpoint: what a browser is sent to, for a person to sign in and consent. On v2 `openid`, `profile`
    /// and `offline_access` are asked for as well. `common` will do: whoever signs in brings his tenant.
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

    /// The same request, answered in this way.
    #[must_use]
    pub fn with_response_mode(mut self, response_mode: ResponseMode) -> Self {
        self.response_mode = response_mode;
        self
    }

    /// The same request, with what the person must be asked.
    #[must_use]
    pub fn with_prompt(mut self, prompt: Prompt) -> Self {
        self.prompt = Some(prompt);
        self
    }

    /// The same request, with the name of who will sign in, which fills in the field of the page.
    #[must_use]
    pub fn with_login_hint(mut self, user: impl Into<String>) -> Self {
        self.login_hint = Some(user.into());
        self
    }

    /// The same request, with the domain of who will sign in, which skips the page that finds it out.
    #[must_use]
    pub fn with_domain_hint(mut self, domain: impl Into<String>) -> Self {
        self.domain_hint = Some(domain.into());
        self
    }

    /// The same request, with the claims that a challenge or a refusal asked for; they go with the redemption as well.
    #[must_use]
    pub fn with_claims(mut self, claims: ClaimsRequest) -> Self {
        self.claims = Some(claims);
        self
    }

    /// The same request, with a redirect that names the account's home tenant (`client_info`): see
    /// [`PendingAuthorization::told`].
    #[must_use]
    pub fn with_client_info(mut self) -> Self {
        self.client_info = true;
        self
    }

    /// The URL, and what must be kept for this browser, out of others' reach, until it comes back.
    ///
    /// `random` is 96 fresh bytes of a good random source: the state, the nonce and the PKCE verifier are made of them, and nothing
    /// else is random here.
    ///
    /// # Errors
    /// Where the service would refuse it: a target that cannot be asked for, `prompt=admin_consent` on v2, a redirect URI of more than
    /// 255 characters on v1.
    pub fn start(&self, random: &[u8; 96]) -> Result<(String, PendingAuthorization), Error> {
        let app = &self.application;
        let (name, value) = self.target.on_for_user(app.version)?;
        if app.version == EndpointVersion::V2 && self.prompt == Some(Prompt::AdminConsent) {
            return Err(
                InputError::new(Input::Prompt, "admin_consent is known to the v1 endpoint alone")
                    .with_hint("use Application::admin_consent, or EndpointVersion::V1")
                    .into(),
            );
        }
        if app.version == EndpointVersion::V1 && self.redirect_uri.as_str().len() > LONGEST_ON_V1 {
            return Err(InputError::new(
                Input::RedirectUri,
                "is longer than the 255 characters that the v1 endpoint takes",
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

/// How the answer comes back (OAuth 2.0 Multiple Response Type Encoding Practices, section 2.1; Form Post Response Mode).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ResponseMode {
    /// In the query of the redirect URI. It may end up in logs; the code in it is of no use without the PKCE verifier.
    #[default]
    Query,
    /// Behind the `#` of the redirect URI, which the browser does not send: for scripts in the page.
    Fragment,
    /// In the body of a form that the browser posts to the redirect URI. A cookie that shall come along needs `SameSite=None`.
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

/// What the person must be asked, whatever the browser remembers of him.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Prompt {
    /// To sign in anew.
    Login,
    /// Which account to use.
    SelectAccount,
    /// To consent again, for himself.
    Consent,
    /// To consent for the whole tenant: v1 only, and for administrators only.
    AdminConsent,
    /// Nothing: the service answers with an error where it would have to ask.
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

/// Three secrets of one random source.
fn thirds(random: &[u8; 96]) -> [Zeroizing<[u8; 32]>; 3] {
    let mut parts: [Zeroizing<[u8; 32]>; 3] = Default::default();
    for (part, bytes) in parts.iter_mut().zip(random.chunks_exact(32)) {
        part.copy_from_slice(bytes);
    }
    parts
}

const LONGEST_ON_V1: usize = 255;
