//! A sign-in in progress: it validates the redirect and redeems the code.

use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

use crate::application::Application;
use crate::authority::EndpointVersion;
use crate::authorize::pkce::CodeVerifier;
use crate::authorize::redirect::Redirect;
use crate::authorize::redirect_uri::RedirectUri;
use crate::authorize::stored::{AUTHORITY, CLIENT_ID, STATE, StoredForm};
use crate::claims_request::ClaimsRequest;
use crate::client_id::ClientId;
use crate::error::{Error, Input, InputError, RedirectError, RedirectProblem, is_error_code, is_page};
use crate::form::encode_form;
use crate::grant::Grant;
use crate::issued::AuthorizationCode;
use crate::printable::cut;
use crate::secret_text::same_secret;
use crate::target::Target;
use crate::tenant::Tenant;
use crate::token_request::TokenRequest;

/// A sign-in in progress: the state that validates its redirect and redeems the code.
///
/// Store it for that browser only and use it once: in memory under its [`state`](Self::state), or
/// sealed in a cookie as the text of [`expose`](Self::expose), which `parse` reads. Its `Debug`
/// shows no secret.
#[derive(Clone)]
pub struct PendingAuthorization {
    pub(crate) authority: String,
    pub(crate) client_id: ClientId,
    pub(crate) version: EndpointVersion,
    pub(crate) target: Target,
    pub(crate) redirect_uri: RedirectUri,
    pub(crate) state: Zeroizing<String>,
    pub(crate) nonce: Zeroizing<String>,
    pub(crate) verifier: CodeVerifier,
    pub(crate) claims: Option<ClaimsRequest>,
}

impl PendingAuthorization {
    /// Validates the redirect, and returns the request that redeems its code at the authority of
    /// the sign-in, which may be `common`.
    ///
    /// Scopes of several APIs are consented to at once, and the code is redeemed for the first API.
    /// Use the refresh token to acquire tokens for the others.
    ///
    /// Send the request once: if its response is lost, the code may be used up, and the user must
    /// sign in again. [`TokenRequest::start`] enforces this.
    ///
    /// # Errors
    /// Returns [`Error::Redirect`] if the redirect does not belong to this sign-in; the state is
    /// compared first, in constant time. Returns [`Error::Service`] if the service or the user
    /// rejected the request; an error takes precedence over every other parameter. Returns
    /// [`Error::Input`] if the sign-in was started for another application or authority.
    pub fn redeem(&self, application: &Application, redirect: &Redirect) -> Result<TokenRequest, Error> {
        let request = self.redeem_for(application, redirect, self.version, self.target.of_first_api())?;
        match &self.claims {
            Some(claims) => request.with_claims(claims.as_str()),
            None => Ok(request),
        }
    }

    /// Returns a request that redeems the code for the user's identity alone (`openid profile`,
    /// always on v2).
    ///
    /// The service rejects a code that is redeemed for an API without a granted delegated
    /// permission (AADSTS65001), even if an administrator has just granted application permissions.
    /// The ID token still proves in which tenant the user signed in. If the service rejects this
    /// request as well, [`reported_consent`](Self::reported_consent) remains.
    ///
    /// # Errors
    /// Returns an error as [`redeem`](Self::redeem) does.
    pub fn redeem_identity(&self, application: &Application, redirect: &Redirect) -> Result<TokenRequest, Error> {
        self.redeem_for(
            application,
            redirect,
            EndpointVersion::V2,
            Target::scopes("openid profile")?,
        )
    }

    /// Returns what the redirect reports about the consent beside its code.
    ///
    /// The state proves that the redirect belongs to this sign-in. Everything else comes from the
    /// browser: use it only to request a token, which proves it.
    ///
    /// # Errors
    /// Returns an error as [`redeem`](Self::redeem) does.
    pub fn reported_consent(&self, application: &Application, redirect: &Redirect) -> Result<ReportedConsent, Error> {
        self.check(application, redirect)?;
        let requested = application.authority().tenant();
        let home = || redirect.home_tenant().map(Tenant::Id);
        Ok(ReportedConsent {
            tenant: if requested.is_specific() {
                Some(requested.clone())
            } else {
                home()
            },
            is_admin_consent: redirect.is_admin_consent(),
        })
    }

    /// Checks that the redirect belongs to this sign-in and is not an error.
    fn check(&self, application: &Application, redirect: &Redirect) -> Result<(), Error> {
        check_state(&self.state, redirect)?;
        if !is_of(application, self.client_id, &self.authority) {
            return Err(InputError::new(Input::SignIn, ANOTHER).into());
        }
        check_issuer(application, redirect)?;
        if let Some(rejection) = redirect.error_response(&[&**self.nonce, self.verifier.expose()]) {
            return Err(rejection.into());
        }
        Ok(())
    }

    fn redeem_for(
        &self,
        application: &Application,
        redirect: &Redirect,
        version: EndpointVersion,
        target: Target,
    ) -> Result<TokenRequest, Error> {
        self.check(application, redirect)?;
        let code = redirect
            .value("code")
            .ok_or(RedirectProblem::NoCode)
            .map_err(RedirectError::from)?;
        let code = AuthorizationCode::from_wire(Zeroizing::new(code.to_owned()));
        let grant = Grant::AuthorizationCode {
            code: code.ok_or(RedirectProblem::InvalidCode).map_err(RedirectError::from)?,
            redirect_uri: self.redirect_uri.clone(),
            verifier: self.verifier.clone(),
            nonce: self.nonce.clone(),
        };
        TokenRequest::of(application.clone().with_endpoint_version(version), grant, target)
    }

    /// Returns the state, the key under which to find it when the browser returns.
    #[must_use]
    pub fn state(&self) -> &str {
        &self.state
    }

    /// Returns it as a text to store sealed. An attacker who reads this text can take over the
    /// sign-in.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<String> {
        let (name, value) = match &self.target {
            Target::Resource(resource) => ("resource", resource.as_str()),
            Target::Scopes(scopes) => ("scope", scopes.as_str()),
        };
        let form = encode_form(&[
            Some((AUTHORITY, &self.authority)),
            Some((CLIENT_ID, &self.client_id.to_string())),
            Some((VERSION, on_the_wire(self.version))),
            Some((name, value)),
            Some(("redirect_uri", self.redirect_uri.as_str())),
            Some((STATE, &self.state)),
            Some(("nonce", &self.nonce)),
            Some(("code_verifier", self.verifier.expose())),
            self.claims.as_ref().map(|claims| ("claims", claims.as_str())),
        ]);
        Zeroizing::new(std::str::from_utf8(form.as_bytes()).unwrap_or_default().to_owned())
    }
}

impl FromStr for PendingAuthorization {
    type Err = Error;

    /// Parses the text of [`expose`](Self::expose).
    ///
    /// # Errors
    /// Returns an error if the text is anything else. The error does not repeat the text.
    fn from_str(text: &str) -> Result<Self, Error> {
        let stored = StoredForm::read(text, Input::PendingSignIn)?;
        let invalid = |_| stored.invalid();
        let version = match stored.field(VERSION)? {
            "1" => EndpointVersion::V1,
            "2" => EndpointVersion::V2,
            _ => return Err(stored.invalid()),
        };
        let target = match stored.value("resource") {
            Some(resource) => Target::resource(resource),
            None => Target::scopes(stored.field("scope")?),
        };
        let claims = stored.value("claims").map(ClaimsRequest::parse).transpose();
        Ok(Self {
            authority: stored.authority()?,
            client_id: stored.client_id()?,
            version,
            target: target.map_err(invalid)?,
            // The redirect URI was checked when the sign-in started.
            redirect_uri: RedirectUri::over_plain_http(stored.field("redirect_uri")?).map_err(invalid)?,
            state: stored.secret(STATE)?,
            nonce: stored.secret("nonce")?,
            verifier: CodeVerifier::new(stored.field("code_verifier")?).ok_or_else(|| stored.invalid())?,
            claims: claims.map_err(invalid)?,
        })
    }
}

impl fmt::Debug for PendingAuthorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "PendingAuthorization({:?} for {:?} at {}, back to {:?})",
            self.client_id, self.target, self.authority, self.redirect_uri
        )
    }
}

/// The report of a redirect about a consent: see [`PendingAuthorization::reported_consent`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReportedConsent {
    /// The requested tenant. On `common` and `organizations`, the account's home tenant, if the
    /// redirect names it.
    pub tenant: Option<Tenant>,
    /// True if an administrator consented for the whole tenant (`admin_consent=True`, v1 only).
    pub is_admin_consent: bool,
}

/// Checks that a redirect carries this state. Error redirects are checked as well, because a forged
/// one could end a sign-in.
pub(crate) fn check_state(state: &str, redirect: &Redirect) -> Result<(), RedirectError> {
    match redirect.state() {
        Some(given) if same_secret(given, state) => Ok(()),
        Some(_) => Err(RedirectProblem::WrongState.into()),
        None => {
            let error = redirect.value("error").filter(|error| is_error_code(error));
            Err(RedirectProblem::NoState(error.map(str::to_owned)).into())
        }
    }
}

/// Returns whether a browser was sent away for this application at this authority.
pub(crate) fn is_of(application: &Application, client_id: ClientId, authority: &str) -> bool {
    application.client_id() == client_id && application.authority().to_string() == authority
}

/// Checks that a redirect comes from this authority, if it names its issuer (RFC 9207, section
/// 2.4).
pub(crate) fn check_issuer(application: &Application, redirect: &Redirect) -> Result<(), RedirectError> {
    let issuer = redirect.value("iss");
    match issuer.filter(|issuer| !application.authority().may_be_issued_by(issuer)) {
        Some(issuer) => {
            let shown = if issuer.is_empty() || is_page(issuer) {
                cut(issuer, 200)
            } else {
                "?".into()
            };
            Err(RedirectProblem::WrongIssuer(shown).into())
        }
        None => Ok(()),
    }
}

/// The problem if [`is_of`] returns false.
pub(crate) const ANOTHER: &str = "was started for another application or authority";

fn on_the_wire(version: EndpointVersion) -> &'static str {
    match version {
        EndpointVersion::V1 => "1",
        EndpointVersion::V2 => "2",
    }
}

const VERSION: &str = "version";
