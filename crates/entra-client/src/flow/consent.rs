//! The end of a consent: the requests after the browser came back, and the conclusions from their
//! responses.
//!
//! The states are **Redeem** (redeem the code, for the target first, then for the user's identity),
//! **Prove** (acquire an app-only token as the proof of the consent) and **Done**.

use entra_proto::authorize::Redirect;
use entra_proto::{Application, Target, Tenant, TokenRequest};

use crate::client::Client;
use crate::consent::{Code, Consent, PendingConsent, Returned, roles_in};
use crate::error::Error;
use crate::sign_in::SignIn;
use crate::token::Token;

/// The next effect of the end of a consent.
///
/// Exhaustive on purpose: a driver is one total `match`.
pub(crate) enum ConsentEffect<D> {
    /// Redeem a code.
    Redeem(Redeem<D>),
    /// Acquire the application's own token.
    Prove(Prove<D>),
    /// Return the outcome.
    Done(Result<Consent, Error>),
}

/// A code that is ready to be redeemed.
pub(crate) struct Redeem<D> {
    client: Client<D>,
    code: Box<Code>,
    /// The rejection of the code for the target, after which it is redeemed for the user's
    /// identity.
    rejected: Option<Error>,
}

/// An app-only token that must prove a consent.
pub(crate) struct Prove<D> {
    client: Client<D>,
    tenant: Tenant,
    code: Box<Code>,
    rejected: Error,
    /// The consent to prove, or `None` if only the app-only token can name the tenant's ID.
    consent: Option<Consent>,
}

impl<D> ConsentEffect<D> {
    /// Continues with the redirect that belongs to `pending`.
    pub(crate) fn start(
        client: &Client<D>,
        application: &Application,
        pending: &PendingConsent,
        redirect: &Redirect,
    ) -> Self {
        match pending.take(application, redirect) {
            Ok(Returned::Tenant(consent)) => Self::Done(Ok(client.record_consent(consent))),
            Ok(Returned::Code(code)) => Self::Redeem(Redeem {
                client: client.clone(),
                code,
                rejected: None,
            }),
            Err(error) => Self::Done(Err(error)),
        }
    }

    /// Returns the name of the state.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Redeem(_) => "Redeem",
            Self::Prove(_) => "Prove",
            Self::Done(_) => "Done",
        }
    }
}

impl<D> Redeem<D> {
    pub(crate) fn request(&self) -> TokenRequest {
        match self.rejected {
            None => self.code.request.clone(),
            Some(_) => self.code.identity.clone(),
        }
    }

    pub(crate) fn done(self, outcome: Result<SignIn, Error>) -> ConsentEffect<D> {
        let Self { client, code, rejected } = self;
        let Some(rejected) = rejected else {
            return match outcome {
                Ok(sign_in) => ConsentEffect::Done(connected(&client, Consent::of(&sign_in), &sign_in, true)),
                Err(error) if lacks_delegated_permission(&error) => ConsentEffect::Redeem(Self {
                    client,
                    code,
                    rejected: Some(error),
                }),
                Err(error) => ConsentEffect::Done(Err(error)),
            };
        };
        let consent = match (outcome, &code.reported.tenant) {
            (Ok(sign_in), _) => connected(&client, Consent::of_identity(&sign_in), &sign_in, false),
            (Err(error), _) if is_undecided(&error) => Err(error),
            (Err(_), Some(Tenant::Id(tenant))) => {
                Consent::reported(*tenant, None).map(|consent| client.record_consent(consent))
            }
            (Err(_), Some(tenant)) => {
                client.record_consent_in(tenant);
                return ConsentEffect::Prove(Prove {
                    tenant: tenant.clone(),
                    client,
                    code,
                    rejected,
                    consent: None,
                });
            }
            (Err(_), None) => Err(rejected.clone()),
        };
        match consent {
            Ok(consent) => prove(client, code, rejected, consent),
            Err(error) => ConsentEffect::Done(Err(error)),
        }
    }
}

impl<D> Prove<D> {
    /// Returns the client of the tenant.
    pub(crate) fn client(&self) -> Client<D> {
        self.client.tenant(self.tenant.clone())
    }

    /// Returns the target of the consent.
    pub(crate) fn target(&self) -> &Target {
        self.code.request.target()
    }

    pub(crate) fn done(self, outcome: Result<Token, Error>) -> ConsentEffect<D> {
        let (token, error) = match outcome {
            Ok(token) => (Some(token), None),
            Err(error) => (None, Some(error)),
        };
        let Some(consent) = self.consent else {
            return match token.as_ref().and_then(Consent::of_token) {
                Some(consent) => prove(self.client, self.code, self.rejected, consent),
                None => ConsentEffect::Done(Err(unproved(self.rejected, error))),
            };
        };
        let has_role = token.is_some_and(|token| !roles_in(&token).is_empty());
        ConsentEffect::Done(match has_role {
            true => Ok(consent),
            false => Err(unproved(self.rejected, error)),
        })
    }
}

/// Requires a proof of the consent, unless the redirect says that an administrator gave it.
fn prove<D>(client: Client<D>, code: Box<Code>, rejected: Error, consent: Consent) -> ConsentEffect<D> {
    if code.reported.is_admin_consent {
        return ConsentEffect::Done(Ok(consent));
    }
    ConsentEffect::Prove(Prove {
        tenant: consent.tenant.into(),
        client,
        code,
        rejected,
        consent: Some(consent),
    })
}

/// Records a consent. Drops what is cached of the user, unless the user is part of the consent.
fn connected<D>(
    client: &Client<D>,
    consent: Result<Consent, Error>,
    sign_in: &SignIn,
    keep: bool,
) -> Result<Consent, Error> {
    if let Some(user) = sign_in.user.as_ref().filter(|_| !keep || consent.is_err()) {
        client.forget_user(user);
    }
    Ok(client.record_consent(consent?))
}

/// Returns true if a code was rejected only because no delegated permission of the target is
/// granted (AADSTS65001). Application permissions may be.
fn lacks_delegated_permission(error: &Error) -> bool {
    error.service().is_some_and(|service| service.codes.contains(&65001))
}

/// Returns true if the service made no decision: it is unreachable, or asks for a retry.
fn is_undecided(error: &Error) -> bool {
    error.service().is_none() || error.is_retryable()
}

/// Returns the error of a consent without a proof: the rejection of the code, unless the service
/// made no decision about the app-only token.
fn unproved(rejected: Error, proof: Option<Error>) -> Error {
    proof.filter(is_undecided).unwrap_or(rejected)
}
