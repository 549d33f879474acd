use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

use crate::application::Application;
use crate::authority::{Endpoint, EndpointVersion};
use crate::authorize::kept::{AUTHORITY, CLIENT_ID, Kept, STATE};
use crate::authorize::pending::{ANOTHER, check_issuer, check_state, is_of};
use crate::authorize::redirect::Redirect;
use crate::authorize::redirect_uri::RedirectUri;
use crate::client_id::ClientId;
use crate::error::{Error, Input, InputError, MAX_TEXT, RedirectError, RedirectProblem};
use crate::form::encode_form;
use crate::guid::Guid;
use crate::printable::cut;
use crate::secret_text::random_text;
use crate::target::Target;
use crate::tenant::Tenant;

/// A request to an admin-consent page: an administrator consents there for the whole tenant, and no code comes of it.
///
/// Made by [`Application::admin_consent`]. `/adminconsent`, which an application on v1 asks, is for all permissions of the app
/// registration; `/v2.0/adminconsent` is for those of the target.
#[derive(Clone, Debug)]
pub struct AdminConsentRequest {
    application: Application,
    redirect_uri: RedirectUri,
    target: Option<Target>,
}

impl Application {
    /// A request to the admin-consent page of the endpoint's version, where an administrator consents for the whole tenant.
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

    /// The same request, for these permissions: v2 only, where it has to be said. Application permissions go by `/.default`.
    #[must_use]
    pub fn with_target(mut self, target: impl Into<Target>) -> Self {
        self.target = Some(target.into());
        self
    }

    /// The URL, and what must be kept for this browser until it comes back. `random` is 32 fresh bytes of a good random source.
    ///
    /// # Errors
    /// Returns an error on v2 without a target, with one that cannot be requested, or on `common`, which that page does not take; on v1
    /// with a target; and for the tenant of personal accounts.
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
                    .with_hint("say which API is to be consented to: its application id URI and /.default")
                    .into());
            }
            (Some(_), EndpointVersion::V1) => {
                return Err(InputError::new(
                    Input::Scope,
                    "is not known to this page: it is for all that the app registration names",
                )
                .with_hint("leave the target out, or ask on v2")
                .into());
            }
        };
        let tenant = app.authority.tenant();
        tenant.check_consent()?;
        if app.version == EndpointVersion::V2 && *tenant == Tenant::Common {
            return Err(
                InputError::new(Input::Tenant, "is not taken by the v2 admin-consent page")
                    .value(&tenant.to_string())
                    .with_hint("write organizations, or the tenant's id or domain")
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

/// An admin consent that was asked for: what tells its redirect from everybody else's.
///
/// Keep it for that browser, and use it once: in memory by its [`state`](Self::state), or sealed in a cookie as the text of
/// [`expose`](Self::expose), which `parse` reads.
#[derive(Clone)]
pub struct PendingAdminConsent {
    authority: String,
    client_id: ClientId,
    state: Zeroizing<String>,
}

impl PendingAdminConsent {
    /// Takes what came back for this application, at the authority that was asked.
    ///
    /// # Errors
    /// [`Error::Redirect`] where it does not answer this request, where its `iss` is of another authority, and where a tenant was asked
    /// by its id and another one answers; [`Error::Service`] where the administrator or the service refused, also where
    /// `admin_consent=True` stands beside the error. [`Error::Input`] where the consent was asked for another application or authority,
    /// and for the tenant of personal accounts.
    pub fn accept(&self, application: &Application, redirect: &Redirect) -> Result<AdminConsent, Error> {
        check_state(&self.state, redirect)?;
        if !is_of(application, self.client_id, &self.authority) {
            return Err(InputError::new(Input::AdminConsent, ANOTHER).into());
        }
        check_issuer(application, redirect)?;
        if let Some(refusal) = redirect.refusal(&[]) {
            return Err(refusal.into());
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

    /// The state, by which it can be found again when the browser is back.
    #[must_use]
    pub fn state(&self) -> &str {
        &self.state
    }

    /// All of it as a text, to be kept sealed: whoever can write it can have a redirect of his own accepted.
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

    /// Reads what [`expose`](Self::expose) gave.
    ///
    /// # Errors
    /// Where it is anything else. The text is not repeated in the error.
    fn from_str(text: &str) -> Result<Self, Error> {
        let kept = Kept::read(text, Input::PendingConsent)?;
        Ok(Self {
            authority: kept.authority()?,
            client_id: kept.client_id()?,
            state: kept.secret(STATE)?,
        })
    }
}

impl fmt::Debug for PendingAdminConsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PendingAdminConsent(..)")
    }
}

/// What a consented redirect says. The browser brought it: whoever has a browser can write it himself, so nobody is to be let in for
/// it. The proof is a token: ask for one in that tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdminConsent {
    /// The tenant's id.
    pub tenant: Guid,
    /// The scopes consented to, where the page says so (v2).
    pub scope: Option<String>,
}
