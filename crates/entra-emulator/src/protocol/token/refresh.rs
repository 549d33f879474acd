//! The refresh token grant (RFC 6749, section 6). Each response contains a new refresh token; the
//! old one stays valid.

use http::Response;

use crate::aadsts::Refusal;
use crate::exchange::Exchange;
use crate::form::Form;
use crate::protocol::token::client::{find_app, identify};
use crate::protocol::token::form::unreadable;
use crate::protocol::token::request;
use crate::protocol::token::user;
use crate::state::State;
use crate::state::grants::Refresh;
use crate::state::recorder::Endpoint;
use crate::state::scopes::Target;
use crate::state::scopes::{self, Scopes};
use crate::state::session::Session;
use crate::tenant_path::TenantPath;
use crate::time::unix;

/// Issues a refresh token for the target of a new access token.
pub(crate) fn issue(state: &State, now: u64, session: &Session, target: &Target, resource: &str) -> String {
    let target = match target {
        Target::V1 { .. } => Target::V1 {
            resource: Some(resource.to_owned()),
        },
        Target::V2(scopes) => Target::V2(scopes.clone()),
    };
    let refresh = Refresh {
        // A nonce belongs to the authorization request. Later ID tokens omit it (OpenID Connect
        // Core 1.0, section 12.2).
        session: Session {
            nonce: None,
            ..session.clone()
        },
        target,
        expires: now + LIFETIME,
        is_revoked: false,
    };
    state.grants.refresh_tokens().add("1.R", refresh)
}

/// Redeems a refresh token.
pub(crate) fn redeem<'a>(
    exchange: &mut Exchange<'a>,
    path: TenantPath<'a>,
    form: &Form,
    endpoint: Endpoint,
) -> Result<Response<Vec<u8>>, Refusal> {
    let text = form.value("refresh_token");
    let known = text.and_then(|text| exchange.state.grants.refresh_tokens().get(text).cloned());
    let place = known.as_ref().map(|refresh| refresh.session.tenant.as_str());
    let client = identify(exchange, form, &path, place, find_app)?;
    if text.is_none() {
        return Err(Refusal::new(900144).with("refresh_token"));
    }
    let requested = request::claims(form)?;
    let refresh = known.ok_or_else(|| unreadable("the refresh token is unknown"))?;
    if refresh.session.client_id != client.app.client_id {
        return Err(Refusal::new(700007));
    }
    // The service accepts a refresh token in every tenant of its user. In the emulator, a user
    // belongs to one tenant.
    if refresh.session.tenant != client.tenant.id {
        return Err(Refusal::new(7000012));
    }
    if refresh.is_revoked {
        return Err(Refusal::new(50173));
    }
    if refresh.expires <= unix(exchange.now) {
        return Err(Refusal::new(700082));
    }
    let target = match endpoint {
        Endpoint::V1 => match (form.value("resource"), &refresh.target) {
            (Some(resource), _) => Target::V1 {
                resource: Some(resource.to_owned()),
            },
            (None, Target::V1 { resource }) => Target::V1 {
                resource: resource.clone(),
            },
            (None, Target::V2(_)) => Target::V1 { resource: None },
        },
        Endpoint::V2 => {
            let named = scopes::of_form(form)?.map(Scopes::parse).transpose()?;
            match (named, &refresh.target) {
                (Some(named), Target::V2(first)) => Target::V2(named.with_oidc_of(first)),
                (Some(named), Target::V1 { .. }) => Target::V2(named),
                (None, Target::V2(first)) => Target::V2(first.clone()),
                (None, Target::V1 { .. }) => return Err(Refusal::new(900144).with("scope")),
            }
        }
    };
    let directory = &exchange.state.directory;
    let (_, user) = directory
        .user(&refresh.session.tenant, &refresh.session.user)
        .ok_or_else(|| unreadable("its user does not exist"))?;
    let grant = user::Grant {
        endpoint,
        tenant: client.tenant,
        user,
        app: client.app,
        proof: client.proof,
        session: &refresh.session,
        requested,
        client_info: form.value("client_info").is_some(),
        first_resource: true,
    };
    user::answer(exchange, &grant, &target)
}

/// The lifetime of a refresh token: ninety days, in seconds.
const LIFETIME: u64 = 90 * 24 * 3_600;
