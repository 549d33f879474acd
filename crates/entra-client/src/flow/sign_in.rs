//! A sign-in: the acquisition of a user's first token. No others wait for it, and its failure is remembered by nobody.

use std::sync::{Arc, Weak};

use entra_proto::device::DeviceAuthorization;
use entra_proto::{Tenant, TokenResponse};
use tracing::Span;

use super::Effect;
use super::acquisition::{Goal, Run};
use super::attempt::{Attempt, Remedies, Wanted};
use crate::cache::{Key, Turn};
use crate::core::Core;
use crate::error::Error;
use crate::sign_in::SignIn;
use crate::user::User;

/// The goal of a sign-in: a user, and the user's first token. `S` shows the user a device code.
pub(crate) struct SigningIn<'a, S> {
    key: &'a Key,
    wanted: Wanted,
    show: S,
}

impl<'a, S: FnMut(&DeviceAuthorization)> SigningIn<'a, S> {
    pub(crate) fn start<D>(
        core: &'a Core<D>,
        span: &'a Span,
        key: &'a Key,
        wanted: Wanted,
        show: S,
    ) -> Effect<'a, D, Self> {
        let goal = Self {
            key,
            wanted: wanted.clone(),
            show,
        };
        Run::new(core, span, goal).begin(wanted)
    }
}

impl<S: FnMut(&DeviceAuthorization)> Goal for SigningIn<'_, S> {
    type Output = Result<SignIn, Error>;

    fn key(&self) -> &Key {
        self.key
    }

    fn shows(&mut self, code: &DeviceAuthorization) {
        (self.show)(code);
    }

    fn remedy<D>(&self, core: &Core<D>, attempt: &Attempt, error: &Error, remedies: &mut Remedies) -> Option<Wanted> {
        remedies.sign_anew(core, attempt, error).then(|| self.wanted.clone())
    }

    fn complete<D>(run: Run<'_, D, Self>, attempt: Attempt, response: TokenResponse) -> Effect<'_, D, Self> {
        Effect::Done(run.core.complete_sign_in(run.span, run.goal.key, attempt, response))
    }

    fn fail<D>(run: Run<'_, D, Self>, attempt: Option<&Attempt>, error: Error) -> Self::Output {
        run.core.report_failure(run.span, run.goal.key, attempt, &error, None);
        Err(error)
    }
}

impl<D> Core<D> {
    /// Ends a sign-in with a response: makes its user known, and caches the token.
    fn complete_sign_in(
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
            // Without a way to refresh it, no slot keeps it.
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
}
