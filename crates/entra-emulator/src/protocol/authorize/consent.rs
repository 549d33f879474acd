//! The permissions that a consent page shows, and the decision whether the user may consent.

use std::collections::BTreeSet;

use crate::aadsts::Rejection;
use crate::config::{App, Tenant, User};
use crate::protocol::device;
use crate::state::State;
use crate::state::authorization::{Prompt, RequestKind};
use crate::state::consents::{Kind, RequestedPermission};
use crate::state::permissions::delegated;
use crate::state::recorder::Endpoint;
use crate::state::scopes::{Scopes, Target};
use crate::state::transactions::{Consent, Goal};

/// The next step after a sign-in.
pub(crate) enum Next {
    /// Everything was consented to before, so the sign-in is complete.
    Finish,
    /// The user must be asked for consent.
    Ask(Consent),
}

/// Decides whether a user who has just signed in must be asked for consent.
///
/// # Errors
/// Returns AADSTS700016 if the app cannot be used in the user's tenant, 650057 for a resource that
/// the registration does not request, and the error of an invalid scope.
pub(crate) fn next(state: &State, goal: &Goal, app: &App, tenant: &Tenant, user: &User) -> Result<Next, Rejection> {
    if !state.directory.may_enter(app, tenant) {
        return Err(Rejection::new(700016).with(&app.client_id).with(&tenant.name));
    }
    let ask = |asked: Vec<RequestedPermission>, for_everyone: bool, blocked: bool| {
        Next::Ask(Consent {
            user: (tenant.id.clone(), user.id.clone()),
            asked,
            for_everyone,
            blocked,
        })
    };
    let request = match goal {
        Goal::App(request) => request,
        Goal::Device { device_code, .. } => {
            let target = device::target(state, device_code).ok_or_else(|| Rejection::new(70019))?;
            let check = check_consent(state, app, tenant, user, &target)?;
            // Always asked: users who enter a code must see which app they approve.
            let blocked = check.is_needed && check.is_blocked(user);
            return Ok(ask(check.missing(), false, blocked));
        }
    };
    match &request.kind {
        RequestKind::AdminConsent { version, scopes } => {
            let asked = match version {
                Endpoint::V1 => state.registered(app),
                Endpoint::V2 => named(state, app, scopes, tenant, true)?,
            };
            Ok(ask(asked, true, !user.admin))
        }
        RequestKind::SignIn(_) if request.prompt == Prompt::AdminConsent => {
            Ok(ask(state.registered(app), true, !user.admin))
        }
        RequestKind::SignIn(sign_in) => {
            let check = check_consent(state, app, tenant, user, &sign_in.target)?;
            if !check.is_needed && request.prompt != Prompt::Consent {
                return Ok(Next::Finish);
            }
            let blocked = check.is_blocked(user);
            Ok(ask(
                check.asked.into_iter().map(|(asked, _)| asked).collect(),
                false,
                blocked,
            ))
        }
    }
}

/// Returns the OpenID Connect scopes of a request, for the consent page.
pub(crate) fn oidc_scopes(state: &State, goal: &Goal) -> Vec<&'static str> {
    let of_target = |target: &Target| match target {
        Target::V1 { .. } => vec!["openid", "profile"],
        Target::V2(scopes) => scopes.oidc().to_vec(),
    };
    match goal {
        Goal::App(request) => match &request.kind {
            RequestKind::SignIn(sign_in) => of_target(&sign_in.target),
            RequestKind::AdminConsent { scopes, .. } => scopes.oidc().to_vec(),
        },
        Goal::Device { device_code, .. } => device::target(state, device_code)
            .as_ref()
            .map(of_target)
            .unwrap_or_default(),
    }
}

/// Returns the scopes that an administrator consented to on v2, in the format of the response.
pub(crate) fn granted(state: &State, app: &App, scopes: &Scopes) -> String {
    let mut names = Vec::new();
    for permission in &scopes.permissions {
        match &permission.name {
            Some(_) => names.push(permission.text.clone()),
            None => {
                let api = state.directory.api(&permission.resource);
                let of_api = state
                    .registered(app)
                    .into_iter()
                    .filter(|asked| api.is_some_and(|api| api.app_id == asked.api));
                names.extend(of_api.map(|asked| format!("{}/{}", permission.resource, asked.name)));
            }
        }
    }
    names.dedup();
    names.extend(scopes.oidc().iter().map(|scope| (*scope).to_owned()));
    names.join(" ")
}

/// The permissions of a request, compared with the existing grants.
struct ConsentCheck {
    /// The permissions, each with whether it is already granted.
    asked: Vec<(RequestedPermission, bool)>,
    /// True if the request cannot succeed without further consent.
    is_needed: bool,
}

impl ConsentCheck {
    /// Returns whether a missing permission requires an administrator, and the user is not one.
    fn is_blocked(&self, user: &User) -> bool {
        !user.admin && self.asked.iter().any(|(asked, has)| asked.admin_only && !has)
    }

    /// Returns the permissions that still require consent.
    fn missing(&self) -> Vec<RequestedPermission> {
        let missing = self.asked.iter().filter(|(_, has)| self.is_needed && !has);
        missing.map(|(asked, _)| asked.clone()).collect()
    }
}

/// Compares the permissions of a target with the existing grants.
fn check_consent(
    state: &State,
    app: &App,
    tenant: &Tenant,
    user: &User,
    target: &Target,
) -> Result<ConsentCheck, Rejection> {
    let is_present = state.is_present(app, tenant);
    let with_grants = |asked: Vec<RequestedPermission>| -> Vec<(RequestedPermission, bool)> {
        let has = |asked: &RequestedPermission| state.has(app, tenant, user, asked);
        asked.into_iter().map(|asked| (asked.clone(), has(&asked))).collect()
    };
    match target {
        // v1 does not know scopes: it requests all registered permissions at once. Application
        // permissions are included if the app is not present in the tenant yet or the user is an
        // administrator.
        Target::V1 { resource } => {
            let registered = state.registered(app).into_iter();
            let asked = registered.filter(|asked| asked.kind == Kind::Delegated || !is_present || user.admin);
            let asked = with_grants(asked.collect());
            let mut is_needed = !is_present;
            if let Some(resource) = resource {
                let api = state.directory.find_api(resource, &tenant.name)?;
                state.check_listed(app, api, tenant, user)?;
                is_needed |= asked
                    .iter()
                    .any(|(asked, has)| asked.api == api.app_id && asked.kind == Kind::Delegated && !has);
            }
            Ok(ConsentCheck { asked, is_needed })
        }
        Target::V2(scopes) => {
            let asked = with_grants(named(state, app, scopes, tenant, false)?);
            let mut is_missing = asked.iter().any(|(_, has)| !has);
            for permission in scopes.permissions.iter().filter(|permission| permission.name.is_none()) {
                let (api, _) = permission.resolve(&state.directory, &app.client_id, &tenant.name)?;
                state.check_listed(app, api, tenant, user)?;
                // Any granted scope of this API is sufficient. `prompt=consent` requests more.
                is_missing &= state.scopes(app, api, tenant, user).is_empty();
            }
            let is_needed = !is_present || is_missing;
            Ok(ConsentCheck { asked, is_needed })
        }
    }
}

/// Returns the permissions in a scope parameter: those it names and, for `.default`, the registered
/// ones. Application permissions are included only if an administrator consents for all users.
fn named(
    state: &State,
    app: &App,
    scopes: &Scopes,
    tenant: &Tenant,
    with_roles: bool,
) -> Result<Vec<RequestedPermission>, Rejection> {
    let mut asked = BTreeSet::new();
    for permission in &scopes.permissions {
        match permission.resolve(&state.directory, &app.client_id, &tenant.name)? {
            (api, Some(_)) if api.app_id == app.client_id => {}
            (api, Some(scope)) => {
                asked.insert(delegated(api, scope));
            }
            (_, None) => {
                let registered = state.registered(app).into_iter();
                asked.extend(registered.filter(|asked| with_roles || asked.kind == Kind::Delegated));
            }
        }
    }
    Ok(asked.into_iter().collect())
}
