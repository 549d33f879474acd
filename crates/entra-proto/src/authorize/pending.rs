use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

use crate::application::Application;
use crate::authority::EndpointVersion;
use crate::authorize::kept::{AUTHORITY, CLIENT_ID, Kept, STATE};
use crate::authorize::pkce::CodeVerifier;
use crate::authorize::redirect::Redirect;
use crate::authorize::redirect_uri::RedirectUri;
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

/// A sign-in that was started: what is needed when the browser comes back, and proves that it was sent from here.
///
/// Keep it for that browser alone, and use it once: in memory by its [`state`](Self::state), or sealed in a cookie as the text of
/// [`expose`](Self::expose), which `parse` reads. Its `Debug` shows no secret.
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
    /// Takes what came back, and makes the request that redeems its code, on the authority that was asked: `common` too.
    ///
    /// Scopes of several APIs are consented to at once and redeemed for the first API; the others' tokens are had with the refresh
    /// token.
    ///
    /// Send the request once: where its answer is lost the code may be spent, and the sign-in starts again, whatever may be retried
    /// otherwise. [`TokenRequest::start`] keeps to that.
    ///
    /// # Errors
    /// [`Error::Redirect`] where it does not answer this sign-in: the state is compared before anything else, in constant time.
    /// [`Error::Service`] where the service or the person refused; it counts before anything that stands beside it.
    /// [`Error::Input`] where the sign-in was started for another application or authority.
    pub fn redeem(&self, application: &Application, redirect: &Redirect) -> Result<TokenRequest, Error> {
        let request = self.redeem_for(application, redirect, self.version, self.target.of_first_api())?;
        match &self.claims {
            Some(claims) => request.with_claims(claims.as_str()),
            None => Ok(request),
        }
    }

    /// Returns a request that redeems the code for the user's identity alone (`openid profile`, always on v2).
    ///
    /// The service rejects a code that is redeemed for an API to which nobody granted a delegated permission (AADSTS65001), even where
    /// an administrator has just granted application permissions. The ID token still proves in which tenant the user signed in. Where
    /// the service rejects this request as well, [`told`](Self::told) is what is left.
    ///
    /// # Errors
    /// As for [`redeem`](Self::redeem).
    pub fn redeem_identity(&self, application: &Application, redirect: &Redirect) -> Result<TokenRequest, Error> {
        self.redeem_for(
            application,
            redirect,
            EndpointVersion::V2,
            Target::scopes("openid profile")?,
        )
    }

    /// Returns what the redirect says about the consent beside its code.
    ///
    /// The state shows that the redirect belongs to this sign-in. The rest is what the browser said: use it to request a token, which
    /// proves it, and for nothing else.
    ///
    /// # Errors
    /// As for [`redeem`](Self::redeem).
    pub fn told(&self, application: &Application, redirect: &Redirect) -> Result<ToldConsent, Error> {
        self.check(application, redirect)?;
        let asked = application.authority().tenant();
        let home = || redirect.home_tenant().map(Tenant::Id);
        Ok(ToldConsent {
            tenant: if asked.is_specific() {
                Some(asked.clone())
            } else {
                home()
            },
            is_admin_consent: redirect.is_admin_consent(),
        })
    }

    /// Checks that the redirect answers this sign-in, and is no error.
    fn check(&self, application: &Application, redirect: &Redirect) -> Result<(), Error> {
        check_state(&self.state, redirect)?;
        if !is_of(application, self.client_id, &self.authority) {
            return Err(InputError::new(Input::SignIn, ANOTHER).into());
        }
        check_issuer(application, redirect)?;
        if let Some(refusal) = redirect.refusal(&[&**self.nonce, self.verifier.expose()]) {
            return Err(refusal.into());
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
            code: code.ok_or(RedirectProblem::UnfitCode).map_err(RedirectError::from)?,
            redirect_uri: self.redirect_uri.clone(),
            verifier: self.verifier.clone(),
            nonce: self.nonce.clone(),
        };
        TokenRequest::of(application.clone().with_endpoint_version(version), grant, target)
    }

    /// The state, by which it can be found again when the browser is back.
    #[must_use]
    pub fn state(&self) -> &str {
        &self.state
    }

    /// All of it as a text, to be kept sealed: whoever has it can take the sign-in over.
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

    /// Reads what [`expose`](Self::expose) gave.
    ///
    /// # Errors
    /// Where it is anything else. The text is not repeated in the error.
    fn from_str(text: &str) -> Result<Self, Error> {
        let kept = Kept::read(text, Input::PendingSignIn)?;
        let spoilt = |_| kept.spoilt();
        let version = match kept.field(VERSION)? {
            "1" => EndpointVersion::V1,
            "2" => EndpointVersion::V2,
            _ => return Err(kept.spoilt()),
        };
        let target = match kept.value("resource") {
            Some(resource) => Target::resource(resource),
            None => Target::scopes(kept.field("scope")?),
        };
        let claims = kept.value("claims").map(ClaimsRequest::parse).transpose();
        Ok(Self {
            authority: kept.authority()?,
            client_id: kept.client_id()?,
            version,
            target: target.map_err(spoilt)?,
            // It was looked at when the sign-in was started.
            redirect_uri: RedirectUri::over_plain_http(kept.field("redirect_uri")?).map_err(spoilt)?,
            state: kept.secret(STATE)?,
            nonce: kept.secret("nonce")?,
            verifier: CodeVerifier::new(kept.field("code_verifier")?).map_err(spoilt)?,
            claims: claims.map_err(spoilt)?,
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

/// What a redirect says about a consent beside its code: see [`PendingAuthorization::told`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToldConsent {
    /// The tenant: the one that was requested, or on `common` and `organizations` the account's home tenant, where the redirect names it.
    pub tenant: Option<Tenant>,
    /// Whether an administrator consented for the whole tenant (`admin_consent=True`, v1 only).
    pub is_admin_consent: bool,
}

/// Whether a redirect was asked for with this state. Errors too: whoever can forge one could end a sign-in.
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

/// Whether this application, at this authority, is the one that a browser was sent away for.
pub(crate) fn is_of(application: &Application, client_id: ClientId, authority: &str) -> bool {
    application.client_id() == client_id && application.authority().to_string() == authority
}

/// Whether a redirect is of the authority that was asked, where it names its issuer (RFC 9207, section 2.4).
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

/// What is wrong where it is not.
pub(crate) const ANOTHER: &str = "was started for another application or authority";

fn on_the_wire(version: EndpointVersion) -> &'static str {
    match version {
        EndpointVersion::V1 => "1",
        EndpointVersion::V2 => "2",
    }
}

const VERSION: &str = "version";
