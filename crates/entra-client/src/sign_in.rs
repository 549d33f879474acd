use std::sync::{Arc, Weak};

use entra_proto::{Guid, IdToken, Tenant, TokenRequest, TokenResponse, UnverifiedClaims};
use tracing::Span;

use crate::attempt::Attempt;
use crate::cache::{Key, Turn};
use crate::core::{Core, Driver};
use crate::error::Error;
use crate::token::Token;
use crate::user::User;

/// What came of a sign-in: who it was, and his first token.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SignIn {
    /// The tenant that he signed in in: the `tid` of his ID token, or of the access token where there is none.
    pub tenant: Guid,
    /// He himself, to ask for more tokens: where the service gave a refresh token, as it does unless it was configured otherwise.
    pub user: Option<User>,
    /// The token for the target of the sign-in. It is in the cache as well.
    pub token: Token,
    /// Who he is, told to the application.
    pub id_token: Option<IdToken>,
    /// The permissions that were granted, where the service says so, separated by spaces.
    pub scope: Option<String>,
}

impl SignIn {
    /// The name that he signs in with: to be shown, and not to keep anything by.
    #[must_use]
    pub fn username(&self) -> Option<String> {
        self.claims()?.username().map(str::to_owned)
    }

    /// His object id in the tenant: with the tenant's id, what to keep things by.
    #[must_use]
    pub fn object_id(&self) -> Option<Guid> {
        self.claims()?.object_id()
    }

    fn claims(&self) -> Option<UnverifiedClaims> {
        let of_id_token = self.id_token.as_ref().and_then(|token| token.claims().ok());
        of_id_token.or_else(|| UnverifiedClaims::decode(self.token.expose()).ok())
    }
}

impl<D: Driver> Core<D> {
    /// Ends a sign-in well: makes its user known, and keeps his token.
    pub(crate) fn complete_sign_in(
        &self,
        span: &Span,
        key: &Key,
        attempt: Attempt,
        mut response: TokenResponse,
    ) -> Result<SignIn, Error> {
        let tenant = response.tenant_id().and_then(|tenant| {
            key.tenant.check_sign_in(tenant)?;
            Ok(tenant)
        });
        let tenant = tenant.map_err(|error| {
            let error = Error::from(error);
            self.report_failure(span, key, Some(&attempt), &error, None);
            error
        })?;
        let refresh_token = response.refresh_token.take();
        let user = refresh_token.map(|token| User::signed_in(&self.application, tenant, token));
        let (id_token, scope) = (response.id_token.take(), response.scope.take());
        let key = Key {
            tenant: Tenant::Id(tenant),
            user: user.clone(),
            ..key.clone()
        };
        let now = self.clock.now();
        let slot = user.is_some().then(|| self.new_slot(key.clone()));
        let number = slot.as_ref().map(|slot| slot.last_number());
        let token = match slot.map(|slot| slot.join(now, number, self.policy.patience)) {
            Some(Turn::Lead(mut lead)) => {
                let home = (Arc::downgrade(lead.slot()), lead.number());
                let token = self.accept_response(span, &key, attempt, response, home);
                self.land(&mut lead, &token, true);
                token
            }
            // Without a way to refresh it, it is kept nowhere.
            _ => self.accept_response(span, &key, attempt, response, (Weak::new(), 0)),
        };
        Ok(SignIn {
            tenant,
            user,
            token,
            id_token,
            scope,
        })
    }

    /// The key of a token that nobody keeps yet.
    pub(crate) fn key_of(tenant: &Tenant, request: &TokenRequest) -> Key {
        Key {
            tenant: tenant.clone(),
            target: request.target().clone(),
            claims: None,
            user: None,
        }
    }
}
