//! The consent of a tenant's administrator to an application: the browser is sent to Entra and
//! comes back with a redirect.

use std::fmt;
use std::str::FromStr;

use entra_proto::authorize::{
    AdminConsentRequest, AuthorizeRequest, PendingAdminConsent, PendingAuthorization, Prompt, Redirect, RedirectUri,
    ReportedConsent,
};
use entra_proto::claims::UnverifiedClaims;
use entra_proto::error::{Input, InputError};
use entra_proto::{Application, EndpointVersion, Guid, Target, Tenant, TokenRequest};
use zeroize::Zeroizing;

use crate::client::Client;
use crate::error::Error;
use crate::flow::{ConsentEffect, TurnLimit};
use crate::random::{SecureRandom, random_bytes};
use crate::sign_in::SignIn;
use crate::tasks::Tasks;
use crate::token::Token;

/// A flow in which a tenant's administrator consents to an application: the browser is sent to
/// Entra, and comes back with the result.
///
/// After that, the application gets its own tokens in that tenant: `client.tenant(consent.tenant)`.
/// The consent has taken effect if the app-only token has the application's permissions: see
/// [`Client::roles`](crate::Client::roles).
///
/// ```
/// use entra_client::{Client, ConsentFlow, PendingConsent};
/// use entra_proto::authorize::Redirect;
/// use entra_proto::{Application, ClientSecret, EndpointVersion, Target};
/// # use entra_transport::{Body, Response, transport_fn};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let transport = transport_fn(|_| async {
/// #     let header = "e30";
/// #     let tenant = "eyJ0aWQiOiI0MTQ2M2Y1My04ODEyLTQwZjQtODkwZi04NjViZjZlMzUx";
/// #     let roles = "OTAiLCJyb2xlcyI6WyJBY3Rpdml0eUZlZWQuUmVhZCJdfQ";
/// #     let token = format!("{header}.{tenant}{roles}.");
/// #     let body = format!(r#"{{"access_token":"{token}","expires_in":3599}}"#);
/// #     Ok(Response::new(Body::from(body)))
/// # });
/// let common = "https://login.microsoftonline.com/common".parse()?;
/// // On v1 an administrator consents for the whole tenant, application
/// // permissions included. On v2, use `ConsentFlow::admin_page`.
/// let client_id = "2d4d11a2-f814-46a7-890a-274a72a7309e".parse()?;
/// let app = Application::new(common, client_id, ClientSecret::new("s3cret")?)
///     .with_endpoint_version(EndpointVersion::V1);
/// let client = Client::new(app, transport);
/// let office = Target::resource("https://manage.office.com")?;
/// let redirect_uri = "https://www.mycompany.com/myapp/".parse()?;
/// let flow = ConsentFlow::new(&client, office.clone(), redirect_uri)?;
///
/// let (url, pending) = flow.start()?; // send the browser to `url`
/// let stored = pending.expose(); // for example sealed in a cookie
///
/// # let query = format!("code=AAABAAAAvPM1KaPlrEqdFSB&state={}", pending.state());
/// let redirect = Redirect::from_query(&query)?; // the browser is back
/// let pending = stored.parse::<PendingConsent>()?;
/// let consent = flow.finish(&pending, &redirect).await?;
/// let tenant = consent.tenant; // store it
/// assert_eq!(tenant.to_string(), "41463f53-8812-40f4-890f-865bf6e35190");
/// let roles = client.tenant(tenant).roles(&office).await?; // app-only
/// assert_eq!(roles, ["ActivityFeed.Read"]); // empty if none was granted
/// # Ok(())
/// # }
/// ```
pub struct ConsentFlow<D = Tasks> {
    pub(crate) client: Client<D>,
    page: Page,
}

impl<D> ConsentFlow<D> {
    /// Creates a flow through the authorize endpoint: the administrator signs in and consents to
    /// `target`, and the code that comes back is redeemed for the administrator's token, which
    /// names the tenant.
    ///
    /// On v1 the consent is for the whole tenant (`prompt=admin_consent`). On v2 it is for the
    /// signed-in user alone and grants no application permission: for those, use the
    /// [admin-consent page](Self::admin_page) or v1.
    ///
    /// # Errors
    /// Returns an error if the client's tenant makes no valid authority.
    pub fn new(client: &Client<D>, target: Target, redirect_uri: RedirectUri) -> Result<Self, Error> {
        Ok(Self {
            page: Page::authorize(&client.application_here()?, target, redirect_uri),
            client: client.clone(),
        })
    }

    /// Creates a flow through the admin-consent page: the administrator consents for the whole
    /// tenant, and only the tenant's ID comes back.
    ///
    /// On v1 the consent is for all permissions of the app registration, whatever `target` is.
    ///
    /// # Errors
    /// Returns an error if the client's tenant makes no valid authority.
    pub fn admin_page(client: &Client<D>, target: Target, redirect_uri: RedirectUri) -> Result<Self, Error> {
        Ok(Self {
            page: Page::admin(&client.application_here()?, target, redirect_uri),
            client: client.clone(),
        })
    }

    /// Changes the authorize request, for example its prompt or login hint. Has no effect on the
    /// admin-consent page.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(AuthorizeRequest) -> AuthorizeRequest) -> Self {
        self.page = self.page.with(change);
        self
    }

    /// Returns the URL to send the browser to, and the state to store for that browser until it is
    /// back.
    ///
    /// # Errors
    /// Returns an error if the request is invalid, or if no random bytes are available.
    pub fn start(&self) -> Result<(String, PendingConsent), Error> {
        self.page.start(self.client.random())
    }
}

impl ConsentFlow {
    /// Completes the consent with the redirect, and redeems its code if it has one.
    ///
    /// Entra rejects the code of an application that has only application permissions, since the
    /// user's token would have none (AADSTS65001). In that case the code is redeemed for the user's
    /// identity. If that is rejected as well, the tenant is the one that the redirect names: see
    /// [`Consent::is_verified`]. Without `admin_consent=True` in the redirect, an app-only token
    /// with a role has to prove the consent.
    ///
    /// The cached app-only tokens of that tenant, by its ID, become stale: rejections for lack of
    /// consent are dropped, and tokens, which lack the new permissions, are used only if the
    /// service has no others.
    ///
    /// Dropping the future loses the sign-in: the code may have been redeemed by then, and can be
    /// used once. Web servers drop the handler of a browser that hangs up, so run this in a
    /// separate task.
    ///
    /// # Errors
    /// Returns an error if the redirect does not belong to `pending`, if the administrator or the
    /// service declined, if the code cannot be redeemed, or if the account is a personal one or of
    /// another tenant than the one requested by its ID. A tenant that was requested by its domain
    /// cannot be compared. If a request of the fallback gets no response, its failure is the error,
    /// and the consent may have taken effect.
    pub async fn finish(&self, pending: &PendingConsent, redirect: &Redirect) -> Result<Consent, Error> {
        let application = self.client.application_here()?;
        let mut effect = ConsentEffect::start(&self.client, &application, pending, redirect);
        let mut limit = TurnLimit::default();
        loop {
            limit.count(effect.name());
            effect = match effect {
                ConsentEffect::Redeem(redeem) => {
                    let outcome = self.client.redeem(redeem.request()).await;
                    redeem.done(outcome)
                }
                ConsentEffect::Prove(prove) => {
                    let outcome = prove.client().app_only(prove.target()).await;
                    prove.done(outcome)
                }
                ConsentEffect::Done(outcome) => return outcome,
            }
        }
    }

    /// Completes the sign-in of a user, for their token and without a consent: redeems the code of
    /// the redirect.
    ///
    /// # Errors
    /// As for [`finish`](Self::finish). Also returns an error if the browser was sent to the
    /// admin-consent page, which signs in no user.
    pub async fn finish_sign_in(&self, pending: &PendingConsent, redirect: &Redirect) -> Result<SignIn, Error> {
        let request = pending.take_code(&self.client.application_here()?, redirect)?;
        self.client.redeem(request).await
    }
}

impl<D> Clone for ConsentFlow<D> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            page: self.page.clone(),
        }
    }
}

impl<D> fmt::Debug for ConsentFlow<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsentFlow")
            .field("client", &self.client)
            .field("page", &self.page)
            .finish()
    }
}

/// A tenant whose administrator has consented.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Consent {
    /// The tenant's ID, to be stored.
    ///
    /// For the admin-consent page, it comes from the browser, and any user can make a browser name
    /// any tenant. Use it only to request a token in that tenant, which fails without consent.
    pub tenant: Guid,
    /// The administrator's sign-in and token. `None` if the consent was given on the admin-consent
    /// page, or if the application has no delegated permission for the target.
    pub sign_in: Option<SignIn>,
    /// The permissions that the admin-consent page named, separated by spaces (v2). They come from
    /// the browser.
    pub scope: Option<String>,
    username: Option<String>,
    is_verified: bool,
}

impl Consent {
    /// Returns true if the tenant comes from the token service, and not from the browser alone.
    ///
    /// A browser can name any tenant, including one whose administrator consented before. Do not
    /// give a browser access to the data of a tenant for an unverified consent.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.is_verified
    }

    /// Returns the sign-in name of the administrator, if it is known: for display only.
    #[must_use]
    pub fn username(&self) -> Option<String> {
        self.username.clone()
    }

    pub(crate) fn of(sign_in: &SignIn) -> Result<Self, Error> {
        Ok(Self {
            sign_in: Some(sign_in.clone()),
            ..Self::of_identity(sign_in)?
        })
    }

    /// Creates the consent of a sign-in whose token only identifies the user.
    pub(crate) fn of_identity(sign_in: &SignIn) -> Result<Self, Error> {
        Ok(Self {
            is_verified: true,
            username: sign_in.username(),
            ..Self::reported(sign_in.tenant, None)?
        })
    }

    /// Creates the consent of the tenant that an app-only token names.
    pub(crate) fn of_token(token: &Token) -> Option<Self> {
        let tenant = UnverifiedClaims::decode(token.expose()).ok()?.tenant_id()?;
        Self::reported(tenant, None).ok()
    }

    /// Creates the consent of a tenant that the browser named.
    pub(crate) fn reported(tenant: Guid, scope: Option<String>) -> Result<Self, Error> {
        Tenant::check_organization(tenant)?;
        Ok(Self {
            tenant,
            sign_in: None,
            scope,
            username: None,
            is_verified: false,
        })
    }
}

/// The state of a requested consent, to be stored while the browser is away: in memory under its
/// [`state`](Self::state), or as the text of [`expose`](Self::expose).
///
/// Use it once. Its `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct PendingConsent(Pending);

#[derive(Clone, Debug)]
enum Pending {
    Code(Box<PendingAuthorization>),
    Admin(PendingAdminConsent),
}

impl PendingConsent {
    /// Returns the `state` parameter, which identifies the flow when the browser is back.
    #[must_use]
    pub fn state(&self) -> &str {
        match &self.0 {
            Pending::Code(pending) => pending.state(),
            Pending::Admin(pending) => pending.state(),
        }
    }

    /// Returns the complete state as text, which `parse` reads. Store it sealed: an attacker who
    /// has it can take over the sign-in.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<String> {
        match &self.0 {
            Pending::Code(pending) => pending.expose(),
            Pending::Admin(pending) => Zeroizing::new(format!("{ADMIN}{}", pending.expose().as_str())),
        }
    }

    pub(crate) fn take(&self, application: &Application, redirect: &Redirect) -> Result<Returned, Error> {
        Ok(match &self.0 {
            Pending::Code(pending) => Returned::Code(Box::new(Code {
                request: pending.redeem(application, redirect)?,
                identity: pending.redeem_identity(application, redirect)?,
                reported: pending.reported_consent(application, redirect)?,
            })),
            Pending::Admin(pending) => {
                let consent = pending.accept(application, redirect)?;
                Returned::Tenant(Consent::reported(consent.tenant, consent.scope)?)
            }
        })
    }

    pub(crate) fn take_code(&self, application: &Application, redirect: &Redirect) -> Result<TokenRequest, Error> {
        match &self.0 {
            Pending::Code(pending) => Ok(pending.redeem(application, redirect)?),
            Pending::Admin(_) => Err(entra_proto::Error::from(InputError::new(
                Input::SignIn,
                "went to the admin-consent page, which signs in no user",
            ))
            .into()),
        }
    }
}

impl FromStr for PendingConsent {
    type Err = Error;

    /// # Errors
    /// Returns an error if the text does not come from [`expose`](Self::expose). The error does not
    /// repeat the text.
    fn from_str(text: &str) -> Result<Self, Error> {
        Ok(Self(match text.strip_prefix(ADMIN) {
            Some(pending) => Pending::Admin(pending.parse()?),
            None => Pending::Code(Box::new(text.parse()?)),
        }))
    }
}

/// The prefix of the text of a consent on the admin-consent page.
const ADMIN: &str = "admin_consent ";

/// The content of a redirect.
pub(crate) enum Returned {
    Tenant(Consent),
    Code(Box<Code>),
}

/// An authorization code that can be redeemed.
pub(crate) struct Code {
    /// Redeems the code for the target.
    pub(crate) request: TokenRequest,
    /// Redeems the code for the user's identity, if users have no permission of the target.
    pub(crate) identity: TokenRequest,
    /// The other statements of the redirect.
    pub(crate) reported: ReportedConsent,
}

/// Returns the application permissions of an app-only token.
pub(crate) fn roles_in(token: &Token) -> Vec<String> {
    let claims = UnverifiedClaims::decode(token.expose()).ok();
    claims
        .iter()
        .flat_map(UnverifiedClaims::roles)
        .map(str::to_owned)
        .collect()
}

/// The page that the browser is sent to, with its request.
#[derive(Clone)]
pub(crate) enum Page {
    Authorize(Box<AuthorizeRequest>),
    Admin(AdminConsentRequest),
}

impl Page {
    pub(crate) fn authorize(application: &Application, target: Target, redirect_uri: RedirectUri) -> Self {
        let prompt = match application.version() {
            EndpointVersion::V1 => Prompt::AdminConsent,
            EndpointVersion::V2 => Prompt::Consent,
        };
        Self::Authorize(Box::new(
            application
                .authorize(target, redirect_uri)
                .with_prompt(prompt)
                .with_client_info(),
        ))
    }

    pub(crate) fn admin(application: &Application, target: Target, redirect_uri: RedirectUri) -> Self {
        let request = application.admin_consent(redirect_uri);
        Self::Admin(match application.version() {
            EndpointVersion::V1 => request,
            EndpointVersion::V2 => request.with_target(target),
        })
    }

    pub(crate) fn with(self, change: impl FnOnce(AuthorizeRequest) -> AuthorizeRequest) -> Self {
        match self {
            Self::Authorize(request) => Self::Authorize(Box::new(change(*request))),
            admin @ Self::Admin(_) => admin,
        }
    }

    pub(crate) fn start(&self, random: &dyn SecureRandom) -> Result<(String, PendingConsent), Error> {
        Ok(match self {
            Self::Authorize(request) => {
                let (url, pending) = request.start(&*random_bytes::<96>(random)?)?;
                (url, PendingConsent(Pending::Code(Box::new(pending))))
            }
            Self::Admin(request) => {
                let (url, pending) = request.start(&*random_bytes::<32>(random)?)?;
                (url, PendingConsent(Pending::Admin(pending)))
            }
        })
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authorize(request) => request.fmt(f),
            Self::Admin(request) => request.fmt(f),
        }
    }
}
