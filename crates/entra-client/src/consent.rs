use std::fmt;
use std::str::FromStr;

use entra_proto::{
    AdminConsentRequest, Application, AuthorizeRequest, EndpointVersion, Guid, PendingAdminConsent,
    PendingAuthorization, Prompt, Redirect, RedirectUri, Target, TokenRequest,
};
use entra_transport::TransportError;
use zeroize::Zeroizing;

use crate::client::Client;
use crate::error::Error;
use crate::request_ids::RequestIds;
use crate::sign_in::SignIn;

/// The way by which a tenant's administrator lets an application in: his browser is sent to Entra, and comes back with the answer.
///
/// After that the application asks for tokens by itself, in that tenant: `client.tenant(consent.tenant)`.
///
/// ```
/// use entra_client::{Client, ConsentFlow, PendingConsent};
/// use entra_proto::{Application, ClientSecret, EndpointVersion, Redirect, Target};
/// # use entra_transport::{Body, Response, transport_fn};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let transport = transport_fn(|_| async {
/// #     let claims = "eyJ0aWQiOiI0MTQ2M2Y1My04ODEyLTQwZjQtODkwZi04NjViZjZlMzUxOTAifQ";
/// #     Ok(Response::new(Body::from(format!(r#"{{"access_token":"e30.{claims}.","expires_in":3599}}"#))))
/// # });
/// let common = "https://login.microsoftonline.com/common".parse()?;
/// let app = Application::new(common, "2d4d11a2-f814-46a7-890a-274a72a7309e".parse()?, ClientSecret::new("s3cret")?)
///     .on(EndpointVersion::V1);
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
/// let token = client.tenant(consent.tenant).token(&office).await?; // app-only, from now on
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ConsentFlow {
    client: Client,
    way: Way,
}

impl ConsentFlow {
    /// Through the authorize endpoint: the administrator consents to `target` and signs in, and a code comes back that is redeemed for
    /// a token of his. His tenant stands in it. On v1 he is asked for the whole tenant (`prompt=admin_consent`); on v2 for himself, to
    /// what a signed-in user needs: application permissions are consented to at the [admin-consent page](Self::admin_page).
    ///
    /// # Errors
    /// Where the client's tenant makes no authority.
    pub fn new(client: &Client, target: Target, redirect_uri: RedirectUri) -> Result<Self, Error> {
        Ok(Self {
            way: Way::authorize(&client.application_here()?, target, redirect_uri),
            client: client.clone(),
        })
    }

    /// Through the admin-consent page: the administrator consents for the whole tenant, and only the tenant's id comes back. On v1
    /// that is to all that the app registration names, whatever `target` is.
    ///
    /// # Errors
    /// Where the client's tenant makes no authority.
    pub fn admin_page(client: &Client, target: Target, redirect_uri: RedirectUri) -> Result<Self, Error> {
        Ok(Self {
            way: Way::admin_page(&client.application_here()?, target, redirect_uri),
            client: client.clone(),
        })
    }

    /// The same way, its authorize request changed: another prompt, a hint who will sign in. The admin-consent page knows none of that.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(AuthorizeRequest) -> AuthorizeRequest) -> Self {
        self.way = self.way.with(change);
        self
    }

    /// The URL to send the browser to, and what must be kept for that browser alone until it is back.
    ///
    /// # Errors
    /// Where it cannot be asked for, or there is no randomness to be had.
    pub fn start(&self) -> Result<(String, PendingConsent), Error> {
        self.way.start(self.client.request_ids())
    }

    /// Takes what came back, and gets the tokens where there is a code. What the client has kept of its own for that tenant, by its id,
    /// is asked for again when it is next wanted: refusals for want of consent are forgotten, and tokens, which lack the new permissions,
    /// are given out only where the service has no others.
    ///
    /// To drop the future in the middle loses the sign-in: the code may be redeemed by then, and is good for once. Web servers drop what
    /// works for a browser that hangs up: give it a task of its own there.
    ///
    /// # Errors
    /// Where the redirect does not answer `pending`, where the administrator or the service refused, and where the code cannot be
    /// redeemed.
    pub async fn finish(&self, pending: &PendingConsent, redirect: &Redirect) -> Result<Consent, Error> {
        match pending.take(&self.client.application_here()?, redirect)? {
            Taken::Tenant(tenant) => Ok(self.client.consented(Consent { tenant, sign_in: None })),
            Taken::Code(request) => {
                let sign_in = self.client.redeem(*request).await?;
                Ok(self.client.consented(Consent::of(sign_in)))
            }
        }
    }
}

/// A tenant whose administrator has consented.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Consent {
    /// The tenant's id: to be stored.
    ///
    /// Of the admin-consent page it is what the browser said, and anybody can make a browser say that: it is good for asking for a token
    /// in that tenant, which fails where nobody consented, and for nothing else.
    pub tenant: Guid,
    /// Who consented, and his token: where he came through the authorize endpoint.
    pub sign_in: Option<SignIn>,
}

impl Consent {
    pub(crate) fn of(sign_in: SignIn) -> Self {
        Self {
            tenant: sign_in.tenant,
            sign_in: Some(sign_in),
        }
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

    pub(crate) fn take(&self, application: &Application, redirect: &Redirect) -> Result<Taken, Error> {
        Ok(match &self.0 {
            Pending::Code(pending) => Taken::Code(Box::new(pending.redeem(application, redirect)?)),
            Pending::Admin(pending) => Taken::Tenant(pending.accept(application, redirect)?.tenant),
        })
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

/// What a redirect holds.
pub(crate) enum Taken {
    Tenant(Guid),
    Code(Box<TokenRequest>),
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
        Self::Authorize(Box::new(application.authorize(target, redirect_uri).prompt(prompt)))
    }

    pub(crate) fn admin_page(application: &Application, target: Target, redirect_uri: RedirectUri) -> Self {
        let request = application.admin_consent(redirect_uri);
        Self::AdminPage(match application.version() {
            EndpointVersion::V1 => request,
            EndpointVersion::V2 => request.target(target),
        })
    }

    pub(crate) fn with(self, change: impl FnOnce(AuthorizeRequest) -> AuthorizeRequest) -> Self {
        match self {
            Self::Authorize(request) => Self::Authorize(Box::new(change(*request))),
            admin_page @ Self::AdminPage(_) => admin_page,
        }
    }

    pub(crate) fn start(&self, random: &dyn RequestIds) -> Result<(String, PendingConsent), Error> {
        Ok(match self {
            Self::Authorize(request) => {
                let (url, pending) = request.start(&*bytes::<96>(random)?)?;
                (url, PendingConsent(Pending::Code(Box::new(pending))))
            }
            Self::AdminPage(request) => {
                let (url, pending) = request.start(&*bytes::<32>(random)?)?;
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

/// Random bytes out of the one source that a client has: of the 16 bytes of an id all but 6 bits are random.
fn bytes<const N: usize>(random: &dyn RequestIds) -> Result<Zeroizing<[u8; N]>, TransportError> {
    let mut bytes = Zeroizing::new([0; N]);
    for chunk in bytes.chunks_mut(16) {
        let id = random.next()?;
        for (byte, random) in chunk.iter_mut().zip(id.as_bytes()) {
            *byte = *random;
        }
    }
    Ok(bytes)
}
