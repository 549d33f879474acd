use std::fmt;
use std::str::FromStr;

use entra_proto::authorize::{
    AdminConsentRequest, AuthorizeRequest, PendingAdminConsent, PendingAuthorization, Prompt, Redirect, RedirectUri,
    ToldConsent,
};
use entra_proto::claims::UnverifiedClaims;
use entra_proto::error::{Input, InputError};
use entra_proto::{Application, EndpointVersion, Guid, Target, Tenant, TokenRequest};
use zeroize::Zeroizing;

use crate::client::Client;
use crate::error::Error;
use crate::flow::Consenting;
use crate::random::{SecureRandom, random_bytes};
use crate::sign_in::SignIn;
use crate::tasks::Tasks;
use crate::token::Token;

/// A consent of a tenant's administrator to an application: the browser is sent to Entra, and comes back with the answer.
///
/// After that the application gets tokens by itself in that tenant: `client.tenant(consent.tenant)`. The consent took effect if the
/// app-only token holds the application's permissions: see [`Client::roles`](crate::Client::roles).
///
/// ```
/// use entra_client::{Client, ConsentFlow, PendingConsent};
/// use entra_proto::authorize::Redirect;
/// use entra_proto::{Application, ClientSecret, EndpointVersion, Target};
/// # use entra_transport::{Body, Response, transport_fn};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let transport = transport_fn(|_| async {
/// #     let claims = "eyJ0aWQiOiI0MTQ2M2Y1My04ODEyLTQwZjQtODkwZi04NjViZjZlMzUxOTAiLCJyb2xlcyI6WyJBY3Rpdml0eUZlZWQuUmVhZCJdfQ";
/// #     Ok(Response::new(Body::from(format!(r#"{{"access_token":"e30.{claims}.","expires_in":3599}}"#))))
/// # });
/// let common = "https://login.microsoftonline.com/common".parse()?;
/// // On v1 an administrator consents for the whole tenant, application permissions included. On v2, use `ConsentFlow::admin_page`.
/// let app = Application::new(common, "2d4d11a2-f814-46a7-890a-274a72a7309e".parse()?, ClientSecret::new("s3cret")?)
///     .with_endpoint_version(EndpointVersion::V1);
/// let client = Client::new(app, transport);
/// let office = Target::resource("https://manage.office.com")?;
/// let flow = ConsentFlow::new(&client, office.clone(), "https://www.mycompany.com/myapp/".parse()?)?;
///
/// let (url, pending) = flow.start()?; // send the browser to `url`, keep `pending` for it
/// let kept = pending.expose(); // as a text, sealed in a cookie
///
/// # let query = format!("code=AAABAAAAvPM1KaPlrEqdFSB&state={}", pending.state());
/// let redirect = Redirect::from_query(&query)?; // it is back
/// let consent = flow.finish(&kept.parse::<PendingConsent>()?, &redirect).await?;
/// assert_eq!(consent.tenant.to_string(), "41463f53-8812-40f4-890f-865bf6e35190"); // store it
/// let roles = client.tenant(consent.tenant).roles(&office).await?; // app-only, from now on
/// assert_eq!(roles, ["ActivityFeed.Read"]); // empty: no application permission was granted
/// # Ok(())
/// # }
/// ```
pub struct ConsentFlow<D = Tasks> {
    pub(crate) client: Client<D>,
    way: Way,
}

impl<D> ConsentFlow<D> {
    /// A consent through the authorize endpoint: the administrator signs in and consents to `target`, and the code that comes back is
    /// redeemed for the administrator's token, which names the tenant.
    ///
    /// On v1 the consent is for the whole tenant (`prompt=admin_consent`). On v2 it is for the signed-in user alone, and grants no
    /// application permission: for those, use the [admin-consent page](Self::admin_page) or v1.
    ///
    /// # Errors
    /// Returns an error if the client's tenant makes no authority.
    pub fn new(client: &Client<D>, target: Target, redirect_uri: RedirectUri) -> Result<Self, Error> {
        Ok(Self {
            way: Way::authorize(&client.application_here()?, target, redirect_uri),
            client: client.clone(),
        })
    }

    /// A consent through the admin-consent page: the administrator consents for the whole tenant, and only the tenant's ID comes back.
    /// On v1 that is to all that the app registration names, whatever `target` is.
    ///
    /// # Errors
    /// Returns an error if the client's tenant makes no authority.
    pub fn admin_page(client: &Client<D>, target: Target, redirect_uri: RedirectUri) -> Result<Self, Error> {
        Ok(Self {
            way: Way::admin_page(&client.application_here()?, target, redirect_uri),
            client: client.clone(),
        })
    }

    /// Changes the authorize request: another prompt, a hint who will sign in. The admin-consent page knows none of that.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(AuthorizeRequest) -> AuthorizeRequest) -> Self {
        self.way = self.way.with(change);
        self
    }

    /// Returns the URL to send the browser to, and what must be kept for that browser alone until it is back.
    ///
    /// # Errors
    /// Returns an error if the request cannot be sent, or if there is no randomness.
    pub fn start(&self) -> Result<(String, PendingConsent), Error> {
        self.way.start(self.client.random())
    }
}

impl ConsentFlow {
    /// Completes the consent with the redirect, and redeems its code if it has one.
    ///
    /// Entra rejects the code of an application that has application permissions alone, since the user's token would hold none
    /// (AADSTS65001). Then the code is redeemed for the user's identity, and if that is rejected as well, the tenant is the one that the
    /// redirect names: see [`Consent::is_verified`]. Without `admin_consent=True` in the redirect, an app-only token with a role has to
    /// prove the consent.
    ///
    /// What the client has cached for itself in that tenant, by its ID, is requested anew when it is next used: rejections for want of
    /// consent are forgotten, and tokens, which lack the new permissions, are used only if the service has no others.
    ///
    /// Dropping the future loses the sign-in: the code may be redeemed by then, and is good for once. Web servers drop the handler of a
    /// browser that hangs up: use a task of its own there.
    ///
    /// # Errors
    /// Returns an error if the redirect does not answer `pending`, if the administrator or the service declined, if the code cannot be
    /// redeemed, and if the account is a personal one or of another tenant than the one requested by its ID. A tenant that was requested
    /// by its domain cannot be compared. Where the service gives no answer to a request of the fallback, its failure is the error, and
    /// the consent may have taken effect.
    pub async fn finish(&self, pending: &PendingConsent, redirect: &Redirect) -> Result<Consent, Error> {
        let mut effect = Consenting::start(&self.client, &self.client.application_here()?, pending, redirect);
        loop {
            effect = match effect {
                Consenting::Redeem(redeem) => {
                    let outcome = self.client.redeem(redeem.request()).await;
                    redeem.done(outcome)
                }
                Consenting::Prove(prove) => {
                    let outcome = prove.client().app_only(prove.target()).await;
                    prove.done(outcome)
                }
                Consenting::Done(outcome) => return outcome,
            }
        }
    }

    /// Completes the sign-in of a user, whose token is wanted and not a consent: redeems the code of the redirect.
    ///
    /// # Errors
    /// As for [`finish`](Self::finish). Also if the browser was sent to the admin-consent page, which signs nobody in.
    pub async fn finish_sign_in(&self, pending: &PendingConsent, redirect: &Redirect) -> Result<SignIn, Error> {
        let request = pending.take_code(&self.client.application_here()?, redirect)?;
        self.client.redeem(request).await
    }
}

impl<D> Clone for ConsentFlow<D> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            way: self.way.clone(),
        }
    }
}

impl<D> fmt::Debug for ConsentFlow<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsentFlow")
            .field("client", &self.client)
            .field("way", &self.way)
            .finish()
    }
}

/// A tenant whose administrator has consented.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Consent {
    /// The tenant's ID: to be stored.
    ///
    /// Of the admin-consent page it is what the browser said, and anybody can make a browser say that: it is good for requesting a token
    /// in that tenant, which fails where nobody consented, and for nothing else.
    pub tenant: Guid,
    /// The administrator's sign-in and token. None if the consent was given on the admin-consent page, or if the application has no
    /// delegated permission for the target.
    pub sign_in: Option<SignIn>,
    /// The permissions that the admin-consent page named, separated by spaces (v2). As the browser said them.
    pub scope: Option<String>,
    username: Option<String>,
    is_verified: bool,
}

impl Consent {
    /// Returns whether the tenant comes from the token service, and not from the browser alone.
    ///
    /// A browser can name any tenant, also one whose administrator consented before. Do not give a browser access to a tenant's data for
    /// an unverified consent.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.is_verified
    }

    /// Returns the sign-in name of the administrator, where it is known: for display only.
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

    /// Of a sign-in whose token is for nothing but the user's identity.
    pub(crate) fn of_identity(sign_in: &SignIn) -> Result<Self, Error> {
        Ok(Self {
            is_verified: true,
            username: sign_in.username(),
            ..Self::told(sign_in.tenant, None)?
        })
    }

    /// Of an app-only token, in the tenant that it names.
    pub(crate) fn of_token(token: &Token) -> Option<Self> {
        let tenant = UnverifiedClaims::decode(token.expose()).ok()?.tenant_id()?;
        Self::told(tenant, None).ok()
    }

    /// Of a tenant that the browser named.
    pub(crate) fn told(tenant: Guid, scope: Option<String>) -> Result<Self, Error> {
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

/// A consent that was asked for: what has to be kept while the browser is away, in memory by its [`state`](Self::state), or as the
/// text of [`expose`](Self::expose). Use it once. Its `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct PendingConsent(Pending);

#[derive(Clone, Debug)]
enum Pending {
    Code(Box<PendingAuthorization>),
    Admin(PendingAdminConsent),
}

impl PendingConsent {
    /// The state, by which it can be found again when the browser is back.
    #[must_use]
    pub fn state(&self) -> &str {
        match &self.0 {
            Pending::Code(pending) => pending.state(),
            Pending::Admin(pending) => pending.state(),
        }
    }

    /// All of it as a text, to be kept sealed: whoever has it can take the sign-in over. `parse` reads it.
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
                told: pending.told(application, redirect)?,
            })),
            Pending::Admin(pending) => {
                let consent = pending.accept(application, redirect)?;
                Returned::Tenant(Consent::told(consent.tenant, consent.scope)?)
            }
        })
    }

    pub(crate) fn take_code(&self, application: &Application, redirect: &Redirect) -> Result<TokenRequest, Error> {
        match &self.0 {
            Pending::Code(pending) => Ok(pending.redeem(application, redirect)?),
            Pending::Admin(_) => Err(entra_proto::Error::from(InputError::new(
                Input::SignIn,
                "went to the admin-consent page, which signs nobody in",
            ))
            .into()),
        }
    }
}

impl FromStr for PendingConsent {
    type Err = Error;

    /// # Errors
    /// Where it is not what [`expose`](Self::expose) gave. The text is not repeated in the error.
    fn from_str(text: &str) -> Result<Self, Error> {
        Ok(Self(match text.strip_prefix(ADMIN) {
            Some(pending) => Pending::Admin(pending.parse()?),
            None => Pending::Code(Box::new(text.parse()?)),
        }))
    }
}

const ADMIN: &str = "admin_consent ";

/// What a browser came back with.
pub(crate) enum Returned {
    Tenant(Consent),
    Code(Box<Code>),
}

/// An authorization code that can be redeemed.
pub(crate) struct Code {
    /// Redeems the code for the target.
    pub(crate) request: TokenRequest,
    /// Redeems the code for the user's identity, where nothing of the target is granted to users.
    pub(crate) identity: TokenRequest,
    /// What else the redirect says.
    pub(crate) told: ToldConsent,
}

/// The application permissions in an app-only token.
pub(crate) fn roles_in(token: &Token) -> Vec<String> {
    let claims = UnverifiedClaims::decode(token.expose()).ok();
    claims
        .iter()
        .flat_map(UnverifiedClaims::roles)
        .map(str::to_owned)
        .collect()
}

/// Which page the browser is sent to, and what for: the same for both clients.
#[derive(Clone)]
pub(crate) enum Way {
    Authorize(Box<AuthorizeRequest>),
    AdminPage(AdminConsentRequest),
}

impl Way {
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

    pub(crate) fn admin_page(application: &Application, target: Target, redirect_uri: RedirectUri) -> Self {
        let request = application.admin_consent(redirect_uri);
        Self::AdminPage(match application.version() {
            EndpointVersion::V1 => request,
            EndpointVersion::V2 => request.with_target(target),
        })
    }

    pub(crate) fn with(self, change: impl FnOnce(AuthorizeRequest) -> AuthorizeRequest) -> Self {
        match self {
            Self::Authorize(request) => Self::Authorize(Box::new(change(*request))),
            admin_page @ Self::AdminPage(_) => admin_page,
        }
    }

    pub(crate) fn start(&self, random: &dyn SecureRandom) -> Result<(String, PendingConsent), Error> {
        Ok(match self {
            Self::Authorize(request) => {
                let (url, pending) = request.start(&*random_bytes::<96>(random)?)?;
                (url, PendingConsent(Pending::Code(Box::new(pending))))
            }
            Self::AdminPage(request) => {
                let (url, pending) = request.start(&*random_bytes::<32>(random)?)?;
                (url, PendingConsent(Pending::Admin(pending)))
            }
        })
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authorize(request) => request.fmt(f),
            Self::AdminPage(request) => request.fmt(f),
        }
    }
}
