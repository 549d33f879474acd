use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

use crate::application::Application;
use crate::authority::{Endpoint, EndpointVersion};
use crate::authorize::pending::check_state;
use crate::authorize::redirect::Redirect;
use crate::authorize::redirect_error::{RedirectError, RedirectProblem};
use crate::authorize::redirect_uri::RedirectUri;
use crate::error::{Error, InputError};
use crate::form::encode_form;
use crate::guid::Guid;
use crate::secret::random_text;
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

impl AdminConsentRequest {
    pub(crate) fn new(application: Application, redirect_uri: RedirectUri) -> Self {
        Self {
            application,
            redirect_uri,
            target: None,
        }
    }

    /// The same request, for these permissions: v2 only, where it has to be said. Application permissions go by `/.default`.
    #[must_use]
    pub fn target(mut self, target: impl Into<Target>) -> Self {
        self.target = Some(target.into());
        self
    }

    /// The URL, and what must be kept for this browser until it comes back. `random` is 32 fresh bytes of a good random source.
    ///
    /// # Errors
    /// On v2 without a target, or on `common`, which that page does not take; on v1 with a target.
    pub fn start(&self, random: &[u8; 32]) -> Result<(String, PendingAdminConsent), Error> {
        let app = &self.application;
        let scope = match (&self.target, app.version) {
            (Some(target), EndpointVersion::V2) => Some(target.on(app.version)?.1),
            (None, EndpointVersion::V1) => None,
            (None, EndpointVersion::V2) => {
                return Err(InputError::new("scope", "is not given")
                    .advice("say which API is to be consented to: its application id URI and /.default")
                    .into());
            }
            (Some(_), EndpointVersion::V1) => {
                return Err(InputError::new(
                    "scope",
                    "is not known to this page: it is for all that the app registration names",
                )
                .advice("leave the target out, or ask on v2")
                .into());
            }
        };
        if app.version == EndpointVersion::V2 && *app.authority.tenant() == Tenant::Common {
            return Err(
                InputError::new("tenant", "common is not taken by the v2 admin-consent page")
                    .advice("write organizations, or the tenant's id or domain")
                    .into(),
            );
        }
        let pending = PendingAdminConsent {
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

/// An admin consent that was asked for: what tells its redirect from everybody else's. Keep it for that browser, and use it once.
#[derive(Clone)]
pub struct PendingAdminConsent {
    state: Zeroizing<String>,
}

impl PendingAdminConsent {
    /// Takes what came back.
    ///
    /// # Errors
    /// [`Error::Redirect`] where it does not answer this request; [`Error::Service`] where the administrator or the service refused,
    /// also where `admin_consent=True` stands beside the error.
    pub fn accept(&self, redirect: &Redirect) -> Result<AdminConsent, Error> {
        check_state(&self.state, redirect)?;
        if let Some(refusal) = redirect.refusal() {
            return Err(redirect.secrets(std::iter::empty()).out_of(refusal.into()));
        }
        let consented = |value: &str| value.eq_ignore_ascii_case("true");
        if !redirect.value("admin_consent").is_some_and(consented) {
            return Err(RedirectError::from(RedirectProblem::NoConsent).into());
        }
        let tenant = redirect.value("tenant").and_then(|tenant| tenant.parse().ok());
        Ok(AdminConsent {
            tenant: tenant.ok_or(RedirectProblem::NoTenant).map_err(RedirectError::from)?,
            scope: redirect.value("scope").map(|scope| scope.chars().take(4096).collect()),
        })
    }

    /// The state, by which it can be found again when the browser is back.
    #[must_use]
    pub fn state(&self) -> &str {
        &self.state
    }
}

impl FromStr for PendingAdminConsent {
    type Err = Error;

    /// Makes it of the [`state`](Self::state) that was kept.
    ///
    /// # Errors
    /// Where that is not 43 characters of base64url.
    fn from_str(state: &str) -> Result<Self, Error> {
        let base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if state.len() != 43 || !state.bytes().all(base64url) {
            return Err(InputError::new("kept state", "is not one that was given to be kept").into());
        }
        Ok(Self {
            state: Zeroizing::new(state.to_owned()),
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
