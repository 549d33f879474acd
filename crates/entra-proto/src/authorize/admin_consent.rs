//! Admin consent: an administrator grants an application permissions for a whole tenant.

use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

use crate::application::Application;
use crate::authority::{Endpoint, EndpointVersion};
use crate::authorize::pending::{ANOTHER, check_issuer, check_state, is_of};
use crate::authorize::redirect::Redirect;
use crate::authorize::redirect_uri::RedirectUri;
use crate::authorize::stored::{AUTHORITY, CLIENT_ID, STATE, StoredForm};
use crate::client_id::ClientId;
use crate::error::{Error, Input, InputError, MAX_TEXT, RedirectError, RedirectProblem};
use crate::form::encode_form;
use crate::guid::Guid;
use crate::printable::cut;
use crate::secret_text::random_text;
use crate::target::Target;
use crate::tenant::Tenant;

/// A request to an admin-consent page, where an administrator consents for the whole tenant. It
/// produces no code.
///
/// Created by [`Application::admin_consent`]. The v1 page, `/adminconsent`, covers all permissions
/// of the app registration; the v2 page, `/v2.0/adminconsent`, covers those of the target.
///
/// ```
/// use entra_proto::authorize::Redirect;
/// use entra_proto::{Application, ClientSecret, Target};
///
/// let authority = "https://login.microsoftonline.com/organizations".parse()?;
/// let client_id = "2d4d11a2-f814-46a7-890a-274a72a7309e".parse()?;
/// let app = Application::new(authority, client_id, ClientSecret::new("s3cret")?);
/// let request = app
///     .admin_consent("https://www.mycompany.com/myapp/".parse()?)
///     .with_target(Target::resource("https://graph.microsoft.com")?);
/// let (url, pending) = request.start(&[7; 32])?; // 32 random bytes
///
/// // Send the browser to `url` and store `pending`. When the browser returns:
/// let query = format!(
///     "admin_consent=True&tenant=41463f53-8812-40f4-890f-865bf6e35190&state={}",
///     pending.state(),
/// );
/// let consent = pending.accept(&app, &Redirect::from_query(&query)?)?;
/// assert_eq!(consent.tenant.to_string(), "41463f53-8812-40f4-890f-865bf6e35190");
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct AdminConsentRequest {
    application: Application,
    redirect_uri: RedirectUri,
    target: Option<Target>,
}

impl Application {
    /// Creates a request to the admin-consent page of the application's endpoint version, where an
    /// administrator consents for the whole tenant.
    #[must_use]
    pub fn admin_consent(&self, redirect_uri: RedirectUri) -> AdminConsentRequest {
        AdminConsentRequest::new(self.clone(), redirect_uri)
    }
}

impl AdminConsentRequest {
    fn new(application: Application, redirect_uri: RedirectUri) -> Self {
        Self {
            application,
            redirect_uri,
            target: None,
        }
    }

    /// Sets the permissions to consent to. Required on v2 and rejected on v1. `/.default` stands
    /// for application permissions.
    #[must_use]
    pub fn with_target(mut self, target: impl Into<Target>) -> Self {
        self.target = Some(target.into());
        self
    }

    /// Returns the URL, and the state to store for this browser until it returns. `random` must be
    /// 32 fresh bytes from a cryptographically secure source.
    ///
    /// # Errors
    /// Returns an error on v2 without a target, with a target that cannot be requested, or on
    /// `common`, which the page does not accept; on v1 with a target; and for the tenant of
    /// personal accounts.
    pub fn start(&self, random: &[u8; 32]) -> Result<(String, PendingAdminConsent), Error> {
        let app = &self.application;
        let scope = match (&self.target, app.version) {
            (Some(target), EndpointVersion::V2) => {
                target.check_for_user()?;
                Some(target.wire_parameter(app.version)?.1)
            }
            (None, EndpointVersion::V1) => None,
            (None, EndpointVersion::V2) => {
                return Err(InputError::new(Input::Scope, "is not given")
                    .with_hint("name the API to consent to: its application ID URI followed by /.default")
                    .into());
            }
            (Some(_), EndpointVersion::V1) => {
                return Err(InputError::new(
                    Input::Scope,
                    "is not supported by this page, which covers all permissions of the app registration",
                )
                .with_hint("leave the target out, or use the v2 endpoint")
                .into());
            }
        };
        let tenant = app.authority.tenant();
        tenant.check_consent()?;
        if app.version == EndpointVersion::V2 && *tenant == Tenant::Common {
            return Err(
                InputError::new(Input::Tenant, "is not accepted by the v2 admin-consent page")
                    .value(&tenant.to_string())
                    .with_hint("write organizations, or the tenant's ID or domain")
                    .into(),
            );
        }
        let pending = PendingAdminConsent {
            authority: app.authority.to_string(),
            client_id: app.client_id,
            state: random_text(random),
        };
        let client_id = Guid::to_ascii(app.client_id.guid());
        let query = encode_form(&[
            Some(("client_id", std::str::from_utf8(&client_id).unwrap_or_default())),
            scope.as_deref().map(|scope| ("scope", scope)),
            Some(("redirect_uri", self.redirect_uri.as_str())),
            Some(("state", &pending.state)),
        ]);
        let endpoint = app.authority.endpoint(Endpoint::AdminConsent, app.version);
        let query = std::str::from_utf8(query.as_bytes()).unwrap_or_default();
        Ok((format!("{endpoint}?{query}"), pending))
    }
}

/// An admin consent in progress, which recognizes the redirect that belongs to it.
///
/// Store it for that browser and use it once: in memory under its [`state`](Self::state), or sealed
/// in a cookie as the text of [`expose`](Self::expose), which `parse` reads.
#[derive(Clone)]
pub struct PendingAdminConsent {
    authority: String,
    client_id: ClientId,
    state: Zeroizing<String>,
}

impl PendingAdminConsent {
    /// Validates the redirect of this consent, for the application and authority that requested it.
    ///
    /// # Errors
    /// Returns [`Error::Redirect`] if the redirect does not belong to this request, if its `iss` is
    /// another authority's, or if another tenant than the requested one consented. Returns
    /// [`Error::Service`] if the administrator or the service rejected the request, even if
    /// `admin_consent=True` accompanies the error. Returns [`Error::Input`] if the consent was
    /// started for another application or authority, and for the tenant of personal accounts.
    pub fn accept(&self, application: &Application, redirect: &Redirect) -> Result<AdminConsent, Error> {
        check_state(&self.state, redirect)?;
        if !is_of(application, self.client_id, &self.authority) {
            return Err(InputError::new(Input::AdminConsent, ANOTHER).into());
        }
        check_issuer(application, redirect)?;
        if let Some(rejection) = redirect.error_response(&[]) {
            return Err(rejection.into());
        }
        if !redirect.is_admin_consent() {
            return Err(RedirectError::from(RedirectProblem::NoConsent).into());
        }
        let tenant: Option<Guid> = redirect.value("tenant").and_then(|tenant| tenant.parse().ok());
        let tenant = tenant.ok_or(RedirectProblem::NoTenant).map_err(RedirectError::from)?;
        Tenant::check_organization(tenant)?;
        if !application.authority().tenant().may_be(tenant) {
            return Err(RedirectError::from(RedirectProblem::WrongTenant(tenant)).into());
        }
        Ok(AdminConsent {
            tenant,
            scope: redirect.value("scope").map(|scope| cut(scope, MAX_TEXT)),
        })
    }

    /// Returns the state, the key under which to find it when the browser returns.
    #[must_use]
    pub fn state(&self) -> &str {
        &self.state
    }

    /// Returns it as a text to store sealed. An attacker who can write this text can have their own
    /// redirect accepted.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<String> {
        let form = encode_form(&[
            Some((AUTHORITY, &self.authority)),
            Some((CLIENT_ID, &self.client_id.to_string())),
            Some((STATE, &self.state)),
        ]);
        Zeroizing::new(std::str::from_utf8(form.as_bytes()).unwrap_or_default().to_owned())
    }
}

impl FromStr for PendingAdminConsent {
    type Err = Error;

    /// Parses the text of [`expose`](Self::expose).
    ///
    /// # Errors
    /// Returns an error if the text is anything else. The error does not repeat the text.
    fn from_str(text: &str) -> Result<Self, Error> {
        let stored = StoredForm::read(text, Input::PendingConsent)?;
        Ok(Self {
            authority: stored.authority()?,
            client_id: stored.client_id()?,
            state: stored.secret(STATE)?,
        })
    }
}

impl fmt::Debug for PendingAdminConsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PendingAdminConsent(..)")
    }
}

/// The content of a consented redirect. Any user can forge it in their own browser, so it
/// authorizes nothing. The proof of a consent is a token: request one in that tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdminConsent {
    /// The tenant ID.
    pub tenant: Guid,
    /// The scopes that were consented to, if the page names them (v2).
    pub scope: Option<String>,
}
