//! The end of a consent: what is requested after the browser came back, and what follows from the responses.

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
pub(crate) enum Consenting<D> {
    /// Redeem a code.
    Redeem(Redeem<D>),
    /// Acquire the application's own token.
    Prove(Prove<D>),
    /// Nothing: here is the outcome.
    Done(Result<Consent, Error>),
}

/// A code that waits to be redeemed.
pub(crate) struct Redeem<D> {
    client: Client<D>,
    code: Box<Code>,
    /// The rejection of the code for the target. The code is then redeemed for the user's identity.
    rejected: Option<Error>,
}

/// An app-only token that must prove a consent.
pub(crate) struct Prove<D> {
    client: Client<D>,
    tenant: Tenant,
    code: Box<Code>,
    rejected: Error,
    /// The consent that lacks a proof. None if only an app-only token can tell the tenant's ID.
    consent: Option<Consent>,
}

impl<D> Consenting<D> {
    /// Takes the redirect that answers `pending`.
    pub(crate) fn start(
        client: &Client<D>,
        application: &Application,
        pending: &PendingConsent,
        redirect: &Redirect,
    ) -> Self {
        match pending.take(application, redirect) {
            Ok(Returned::Tenant(consent)) => Self::Done(Ok(client.consented(consent))),
            Ok(Returned::Code(code)) => Self::Redeem(Redeem {
                client: client.clone(),
                code,
                rejected: None,
            }),
            Err(error) => Self::Done(Err(error)),
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

    pub(crate) fn done(self, outcome: Result<SignIn, Error>) -> Consenting<D> {
        let Self { client, code, rejected } = self;
        let Some(rejected) = rejected else {
            return match outcome {
                Ok(sign_in) => Consenting::Done(connected(&client, Consent::of(&sign_in), &sign_in, true)),
                Err(error) if lacks_delegated_permission(&error) => Consenting::Redeem(Self {
                    client,
                    code,
                    rejected: Some(error),
                }),
                Err(error) => Consenting::Done(Err(error)),
            };
        };
        let consent = match (outcome, &code.told.tenant) {
            (Ok(sign_in), _) => connected(&client, Consent::of_identity(&sign_in), &sign_in, false),
            (Err(error), _) if is_undecided(&error) => Err(error),
            (Err(_), Some(Tenant::Id(tenant))) => Consent::told(*tenant, None).map(|consent| client.consented(consent)),
            (Err(_), Some(tenant)) => {
                client.expect_consent(tenant);
                return Consenting::Prove(Prove {
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
            Err(error) => Consenting::Done(Err(error)),
        }
    }
}

impl<D> Prove<D> {
    /// Returns the client of the tenant.
    pub(crate) fn client(&self) -> Client<D> {
        self.client.tenant(self.tenant.clone())
    }

    /// Returns the target that was consented to.
    pub(crate) fn target(&self) -> &Target {
        self.code.request.target()
    }

    pub(crate) fn done(self, outcome: Result<Token, Error>) -> Consenting<D> {
        let (token, error) = match outcome {
            Ok(token) => (Some(token), None),
            Err(error) => (None, Some(error)),
        };
        let Some(consent) = self.consent else {
            return match token.as_ref().and_then(Consent::of_token) {
                Some(consent) => prove(self.client, self.code, self.rejected, consent),
                None => Consenting::Done(Err(unproved(self.rejected, error))),
            };
        };
        let has_role = token.is_some_and(|token| !roles_in(&token).is_empty());
        Consenting::Done(match has_role {
            true => Ok(consent),
            false => Err(unproved(self.rejected, error)),
        })
    }
}

/// Asks for a proof of this consent, unless the redirect says that it was the administrator's.
fn prove<D>(client: Client<D>, code: Box<Code>, rejected: Error, consent: Consent) -> Consenting<D> {
    if code.told.is_admin_consent {
        return Consenting::Done(Ok(consent));
    }
    Consenting::Prove(Prove {
        tenant: consent.tenant.into(),
        client,
        code,
        rejected,
        consent: Some(consent),
    })
}

/// Takes note of a consent. What is cached of a user who has no further part in it is forgotten.
fn connected<D>(
    client: &Client<D>,
    consent: Result<Consent, Error>,
    sign_in: &SignIn,
    keep: bool,
) -> Result<Consent, Error> {
    if let Some(user) = sign_in.user.as_ref().filter(|_| !keep || consent.is_err()) {
        client.forget_user(user);
    }
    Ok(client.consented(consent?))
}

/// Returns whether a code was rejected for one reason: no delegated permission of the target is granted. Application permissions may be.
fn lacks_delegated_permission(error: &Error) -> bool {
    error.service().is_some_and(|service| service.codes.contains(&65001))
}

/// Returns whether the service did not decide: it could not be reached, or asks to try again.
fn is_undecided(error: &Error) -> bool {
    error.service().is_none() || error.is_retryable()
}

/// Returns the error of a consent that no app-only token proves: the rejection of the code, unless the service did not decide about the
/// token.
fn unproved(rejected: Error, proof: Option<Error>) -> Error {
    proof.filter(is_undecided).unwrap_or(rejected)
}
