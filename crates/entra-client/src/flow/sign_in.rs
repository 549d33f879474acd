//! A sign-in: the acquisition of a user's first token, for one caller. Its failure is not cached.

use entra_proto::device::DeviceAuthorization;
use entra_proto::{Tenant, TokenResponse};
use tracing::Span;

use super::Effect;
use super::acquisition::{Acquisition, Goal};
use super::attempt::{Attempt, Remedies};
use crate::cache::{JoinOutcome, Key};
use crate::core::Core;
use crate::error::Error;
use crate::request::InitialRequest;
use crate::sign_in::SignIn;
use crate::subject::Subject;
use crate::token::Origin;
use crate::user::User;

/// The goal of a sign-in: a user with a first token. `S` shows the user a device code.
pub(crate) struct SignInGoal<'a, S> {
    key: &'a Key,
    request: InitialRequest,
    show: S,
}

impl<'a, S: FnMut(&DeviceAuthorization)> SignInGoal<'a, S> {
    pub(crate) fn start<D>(
        core: &'a Core<D>,
        span: &'a Span,
        key: &'a Key,
        request: InitialRequest,
        show: S,
    ) -> Effect<'a, D, Self> {
        let goal = Self {
            key,
            request: request.clone(),
            show,
        };
        Acquisition::new(core, span, goal).begin(request)
    }
}

impl<S: FnMut(&DeviceAuthorization)> Goal for SignInGoal<'_, S> {
    type Output = Result<SignIn, Error>;

    fn key(&self) -> &Key {
        self.key
    }

    fn on_device_code(&mut self, code: &DeviceAuthorization) {
        (self.show)(code);
    }

    fn remedy<D>(
        &self,
        core: &Core<D>,
        attempt: &Attempt,
        error: &Error,
        remedies: &mut Remedies,
    ) -> Option<InitialRequest> {
        remedies.sign_again(core, attempt, error).then(|| self.request.clone())
    }

    fn complete<D>(
        acquisition: Acquisition<'_, D, Self>,
        attempt: Attempt,
        response: TokenResponse,
    ) -> Effect<'_, D, Self> {
        Effect::Done(
            acquisition
                .core
                .complete_sign_in(acquisition.span, acquisition.goal.key, attempt, response),
        )
    }

    fn fail<'a, D>(
        acquisition: Acquisition<'a, D, Self>,
        attempt: Option<&Attempt>,
        error: Error,
    ) -> Effect<'a, D, Self> {
        acquisition
            .core
            .report_failure(acquisition.span, acquisition.goal.key, attempt, &error, None);
        Effect::Done(Err(error))
    }
}

impl<D> Core<D> {
    /// Ends a sign-in with a response: creates the user, and caches the token.
    fn complete_sign_in(
        &self,
        span: &Span,
        key: &Key,
        attempt: Attempt,
        mut response: TokenResponse,
    ) -> Result<SignIn, Error> {
        let tenant = response.tenant_id().and_then(|tenant| {
            if let Some(requested) = self.tenant_of(key.tenant.as_ref()) {
                requested.check_sign_in(tenant)?;
            }
            Ok(tenant)
        });
        let tenant = tenant.map_err(|error| {
            let error = Error::from(error);
            self.report_failure(span, key, Some(&attempt), &error, None);
            error
        })?;
        let refresh_token = response.refresh_token.take();
        let application = self.principal.application();
        let user = application
            .zip(refresh_token)
            .map(|(application, token)| User::signed_in(application, tenant, token));
        let (id_token, scope) = (response.id_token.take(), response.scope.take());
        let key = Key {
            tenant: Some(Tenant::Id(tenant)),
            subject: user.clone().map_or(Subject::Principal, Subject::User),
            ..key.clone()
        };
        let now = self.clock.now();
        let slot = user.is_some().then(|| self.new_slot(key.clone()));
        let number = slot.as_ref().map(|slot| slot.last_request());
        let token = match slot.map(|slot| slot.join(now, number, self.policy.patience)) {
            Some(JoinOutcome::Start(mut owner)) => {
                let token = self.accept_response(span, &key, attempt, response, owner.origin());
                self.publish(&mut owner, &token, true);
                token
            }
            // Without a refresh token, no slot caches the token.
            _ => self.accept_response(span, &key, attempt, response, Origin::default()),
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
